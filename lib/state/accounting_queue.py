"""The accounting records that are not acknowledged yet, in files that all processes of the plugin share.

A record is written first, then sent, then removed, so that a process killed at any moment loses none. If it is killed
between the acknowledgement and the removal, the record is sent twice. The name of a file contains everything that the
order depends on. A power failure may lose records that are not on disk yet: to wait for the disk would delay logins.
"""

import hashlib
import os
import re
from typing import Generator, Iterable, Iterator, List, Optional, Set

from .. import log_lines
from ..namedtuple import NamedTuple
from ..radius.accounting import QueuePosition, Record, in_order, positions_to_drop
from ..text import counted
from .directory import UNFINISHED, Directory

DIRECTORY = "accounting"
_LOCK = "lock"
_UNFINISHED_FOR = 3600.0  # seconds; no writing takes that long
_NAME = re.compile("([0-9]{16})-([0-9a-f]{16})-(Start|Stop)-([0-9]{2})-([0-9]{10})-[0-9a-f]{8}")
_LAST_EVENT = 2**32 - 1  # seconds since the epoch, all that Event-Timestamp holds
_MAX_FILE_OCTETS = 65536  # RADIUS allows a record a quarter of that


class Entry(NamedTuple):
    """A record to send, and its place in the queue; None if it could not be written."""

    record: Record
    place: Optional[QueuePosition]


class AccountingQueue:
    """The unsent records. If they cannot be stored, those of this process are still sent, once.

    A process must have only one instance: closing the lock file once releases all locks of the process on it.
    """

    def __init__(self, state_directory: Optional[str]) -> None:
        """Take the plugin's persistent state directory (None: nothing is kept)."""
        self._directory = Directory(state_directory, DIRECTORY, log_lines.QUEUE_CANNOT_KEEP)
        self._unwritten: List[Record] = []
        self._others_acknowledged = False

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def add(self, record: Record) -> None:
        """Keep a record until it is sent."""
        session = hashlib.sha256(record.session_id.encode("utf-8", "replace")).hexdigest()[:16]
        key = _key(QueuePosition("", record.event, session, record.kind))
        if not self._directory.replace(key, record.to_json().encode("ascii")):
            self._unwritten.append(record)

    def due(self, now: float) -> Generator[Entry, None, None]:
        """Yield the records to send at this time (seconds since the epoch), each once, in order.

        Report each as `sent` or `failed` before the next. Only one process sends at a time: others get nothing, and the
        sending process looks for new records again after it has released the lock, so that none remains. The iterator
        holds the lock: close it to stop early.
        """
        seen: Set[str] = set()
        self._others_acknowledged = False
        while not seen.issuperset(self._names()):
            with self._directory.lock(_LOCK) as is_ours:
                if not is_ours:
                    break
                names = self._names()
                waiting = in_order(self._swept(names, now), now)
                yield from self._read(place for place in waiting if place.key not in seen)
                seen.update(names)
        for record in list(self._unwritten):
            yield Entry(record, None)

    def sent(self, entry: Entry) -> None:
        """Remove a record that was acknowledged."""
        if entry.place is None:
            self._unwritten.remove(entry.record)
        else:
            self._directory.remove(entry.place.key)
            self._others_acknowledged = True

    def failed(self, entry: Entry, now: float) -> None:
        """Keep a record that was not acknowledged; move it back if the server acknowledged others."""
        if entry.place is not None:
            self._directory.rename(entry.place.key, _key(entry.place.failed(now, self._others_acknowledged)))

    def sweep(self, now: float) -> None:
        """Remove the records that are too old or too many."""
        self._swept(self._names(), now)

    def _names(self) -> List[str]:
        return [name for name in self._directory.names() if name != _LOCK]

    def _swept(self, names: List[str], now: float) -> List[QueuePosition]:
        """Return the places of the records under these names, having removed everything else."""
        waiting: List[QueuePosition] = []
        for name in names:
            place = _place(name)
            if place is not None:
                waiting.append(place)
            elif not self._is_being_written(name, now):
                self._discard(name)
        dropped = {place.key for place in positions_to_drop(waiting, now)}
        for key in dropped:
            self._directory.remove(key)
        if dropped:
            count = counted(len(dropped), "was", "were")
            self._directory.warn(log_lines.QUEUE_DROPPED_RECORDS, count=count)
        return [place for place in waiting if place.key not in dropped]

    def _read(self, places: Iterable[QueuePosition]) -> Iterator[Entry]:
        for place in places:
            try:
                record = self._record(place.key)
            except ValueError:
                self._discard(place.key)
            else:
                if record is not None:
                    yield Entry(record, place)

    def _record(self, key: str) -> Optional[Record]:
        """Return the record in a file, None if it cannot be read; raise ValueError if it is not a record."""
        if self._directory.is_file(key) is False:
            raise ValueError("not an accounting record: not a file")
        octets = self._directory.read(key, _MAX_FILE_OCTETS + 1)
        if octets is None:
            return None
        if len(octets) > _MAX_FILE_OCTETS:
            raise ValueError("not an accounting record: too long")
        return Record.from_json(octets.decode("ascii"))

    def _is_being_written(self, name: str, now: float) -> bool:
        if not name.startswith(UNFINISHED) or self._directory.is_file(name) is False:
            return False
        modified = self._directory.modified(name)
        return modified is None or abs(now - modified) < _UNFINISHED_FOR

    def _discard(self, name: str) -> None:
        self._directory.remove(name)
        self._directory.warn(log_lines.QUEUE_REMOVED_FILES)


def _key(place: QueuePosition) -> str:
    """Return a new file name for a record at this place."""
    microseconds = int(min(max(0, place.event), _LAST_EVENT) * 1e6)
    return (
        f"{microseconds:016d}-{place.session}-{place.kind}-{min(place.tries, 99):02d}"
        f"-{int(place.delayed_until):010d}-{os.urandom(4).hex()}"
    )


def _place(key: str) -> Optional[QueuePosition]:
    match = _NAME.fullmatch(key)
    if match is None:
        return None
    event, session, kind, tries, delayed_until = match.groups()
    return QueuePosition(key, int(event) / 1e6, session, kind, int(tries), float(delayed_until))
