"""Accounting for one session: its Start, its Stop, and the delivery of all records in the queue. Imports pyrad."""

import contextlib
import time
from typing import List, Optional, Tuple

from . import log_lines
from .config.model import AccountingSettings, Settings
from .login.username import radius_name
from .radius import client, nas
from .radius.accounting import START, STOP, Record
from .radius.request import AccountingRequest
from .radius.result import NoAnswer
from .request_attributes import request_attributes
from .session import AcceptedUser, AccountingSession, Session
from .state.accounting_queue import AccountingQueue
from .state.directory import StateDirectories
from .state.server_status import SharedServerStatus

__all__ = ["START", "STOP", "account", "begin", "deliver"]


def begin(
    settings: Settings, session: Session, accepted: Optional[AcceptedUser], nas_identifier: str
) -> Tuple[AccountingSession, List[str]]:
    """Return the common content of the Start and the Stop of a session that starts now, and warnings for the log.

    `accepted` is None if no server accepted the user.
    """
    attributes, unfit = request_attributes(settings, session, nas_identifier)
    configured = {each[:2] for each in attributes}
    target = nas.target(session.server_ip, session.server_port, session.server_hostname, session.server_username)
    user_name = radius_name(settings.name_rules[settings.servers[0].section], session.identity, session.domains)
    begun = AccountingSession(
        started=time.time(),
        session_id=session.session_id or "",
        user_name=(accepted and accepted.user_name) or user_name,
        classes=accepted.classes if accepted else (),
        attributes=attributes + tuple(each for each in target if each[:2] not in configured),
        by_radius=accepted is not None,
    )
    return begun, [each.omission for each in unfit]


def account(
    kind: str, session: AccountingSession, settings: Optional[Settings], directories: StateDirectories
) -> List[str]:
    """Put the Start or Stop of a session into the queue and send the queue; return warnings for the log.

    Every Start needs a Stop: without valid settings, the Stop waits in the queue.
    """
    queue = AccountingQueue(directories.persistent)
    queue.add(_record(kind, session, time.time()))
    if settings is None or settings.accounting is None:
        return queue.warnings
    server_status = SharedServerStatus(directories.ephemeral, settings.dead_time)
    return deliver(settings.accounting, queue, server_status) + queue.warnings + server_status.warnings


def deliver(settings: AccountingSettings, queue: AccountingQueue, server_status: SharedServerStatus) -> List[str]:
    """Send the records in the queue, oldest first, for at most `timeout` seconds; return the failures for the log.

    A record that is not acknowledged stays. While all servers are marked dead, no login waits for them.
    """
    deadline = time.monotonic() + settings.timeout
    if client.all_dead(settings.servers, server_status):
        queue.sweep(time.time())
        return []
    # A server that runs out of time may have recorded what it has not acknowledged yet. So each record after the first
    # needs the longest wait, or less if the server acknowledges quickly.
    longest = sum(server.bound for server in settings.servers)
    needed = slowest = 0.0
    lines: List[str] = []
    with contextlib.closing(queue.due(time.time())) as entries:
        for entry in entries:
            left = deadline - time.monotonic()
            if left < needed:
                break
            try:
                answer = client.ask(settings.servers, AccountingRequest(entry.record), left, server_status)
            except NoAnswer as no_answer:
                lines += no_answer.log_lines
                queue.failed(entry, time.time())
                break
            lines += answer.log_lines
            queue.sent(entry)
            slowest = max(slowest, answer.seconds)
            needed = min(longest, max(longest / 4, 10 * slowest))
    return [log_lines.SERVER_FAILED.format(cause=line) for line in dict.fromkeys(lines)]


def _record(kind: str, session: AccountingSession, now: float) -> Record:
    return Record(
        kind,
        session.started if kind == START else now,
        session.session_id,
        session.user_name,
        session.classes,
        None if kind == START else int(max(0, now - session.started)),
        session.attributes,
        session.by_radius,
    )
