"""Accounting records for tests, and a server that takes them without a socket."""

import contextlib
from typing import Callable, List

from lib.radius.accounting import START, STOP, Record
from lib.state.accounting_queue import AccountingQueue

NOW = 1700000000.25


def start(session: str, event: float = NOW) -> Record:
    """Return the Start of a session."""
    return Record(START, event, session, "alice", (b"\0\xff",), None, ((0, 32, b"sps"),))


def stop(session: str, event: float = NOW) -> Record:
    """Return the Stop of a session."""
    return start(session, event)._replace(kind=STOP, session_seconds=7)


class Collector:
    """A server that acknowledges only the first `count` records."""

    def __init__(self, count: float = float("inf")) -> None:
        self.left = count
        self.accepted: List[Record] = []
        self.refused: List[Record] = []

    def __call__(self, record: Record) -> bool:
        self.left -= 1
        (self.accepted if self.left >= 0 else self.refused).append(record)
        return self.left >= 0


def deliver(queue: AccountingQueue, send: Callable[[Record], bool], now: float) -> None:
    """Send the records that are due until one is not acknowledged."""
    with contextlib.closing(queue.due(now)) as entries:
        for entry in entries:
            if not send(entry.record):
                queue.failed(entry, now)
                break
            queue.sent(entry)
