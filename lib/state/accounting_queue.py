"""The accounting records that are not acknowledged yet, in files that all processes of the plugin share.

A record is written first, then sent, then removed, so that a process killed at any moment loses none; one killed
between the acknowledgement and the removal has it sent twice. What a record's place among the others depends on is in
its file's name. Power failure may take what the system had not written to disk: to wait for that would delay logins.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import stat
from typing import Callable, Iterable, Iterator, List, Optional, Set, Tuple

from ..radius.accounting import Record, Waiting, given_up, in_order
from ..text import counted, system_words

DIRECTORY = "accounting"
_LOCK = "lock"
_UNFINISHED = ".new-"
_UNFINISHED_FOR = 3600.0  # seconds; no writing takes that long
_NAME = re.compile("([0-9]{16})-([0-9a-f]{16})-(Start|Stop)-([0-9]{2})-([0-9]{10})-[0-9a-f]{8}")
_LAST_EVENT = 2**32 - 1  # seconds since the epoch, all that Event-Timestamp holds
_MAX_FILE_OCTETS = 65536  # RADIUS allows a record a quarter of that


class Records:
    """The unsent records below a directory; what goes wrong with it, `complain` is told once for each kind.

    Where they cannot be kept, those of this process are still sent, once. A process has one of these, no more: the
    system drops all its locks on a file when it closes the file once.
    """

    def __init__(self, directory: Optional[str], complain: Callable[[str], None]) -> None:
        """Take the plugin's persistent state directory (None: nothing is kept)."""
        self._directory = os.path.join(directory, DIRECTORY) if directory else ""
        self._complain = complain
        self._said: Set[str] = set()
        self._unwritten: List[Record] = []

    def add(self, record: Record) -> None:
        """Keep a record until it is sent."""
        if not self._keep(record):
            self._unwritten.append(record)

    def pending(self, now: float) -> Iterator[Tuple[str, Record]]:
        """Give what is to be sent at this time (seconds since the epoch), each with its key, in order.

        What is too old or too much, or is no record, is removed.
        """
        for place, record in self._read(in_order(self._sweep(self._names(), now), now)):
            yield place.key, record

    def sent(self, key: str) -> None:
        """Forget a record that was acknowledged."""
        self._remove(key)

    @contextlib.contextmanager
    def sender(self) -> Iterator[bool]:
        """Give, for the block, whether this process is the one that may send; nobody waits for it.

        The system ends the right of a process that dies.
        """
        lock = self._lock()
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    def sweep(self, now: float) -> None:
        """Drop what is too old or too much."""
        self._sweep(self._names(), now)

    def deliver(self, send: Callable[[Record], Optional[bool]], now: float) -> None:
        """Hand the records to `send` until it returns False, for no acknowledgement, or None, for no time to send.

        Only if no other process is at it: that one sends ours too, since it looks for new ones when the lock is free
        again, so that whoever was refused the lock has left his where they are found.
        """
        seen: Set[str] = set()
        others_went = False
        while not seen.issuperset(self._names()):
            with self.sender() as is_ours:
                if not is_ours:
                    break
                names = self._names()
                due = in_order(self._sweep(names, now), now)
                for place, record in self._read([one for one in due if one.key not in seen]):
                    acknowledged = send(record)
                    if acknowledged is False:
                        self._rename(place.key, _key(place.failed(now, others_went)))
                    if not acknowledged:
                        return
                    self.sent(place.key)
                    others_went = True
                seen.update(names)
        while self._unwritten and send(self._unwritten[0]):
            del self._unwritten[0]

    def _keep(self, record: Record) -> bool:
        if not self._directory:
            return False
        session = hashlib.sha256(record.session_id.encode("utf-8", "replace")).hexdigest()[:16]
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            self._write(_key(Waiting("", record.event, session, record.kind)), record.to_json())
        except OSError as error:
            self._trouble(error)
            return False
        return True

    def _sweep(self, names: List[str], now: float) -> List[Waiting]:
        """Return the places of the records under these names, having removed what is not to be kept."""
        waiting: List[Waiting] = []
        foreign: List[str] = []
        for name in names:
            place = _place(name)
            if place is not None:
                waiting.append(place)
            elif not (name.startswith(_UNFINISHED) and self._is_young(name, now)):
                foreign.append(name)
        self._discard(foreign)
        dropped = {one.key for one in given_up(waiting, now)}
        for key in dropped:
            self._remove(key)
        if dropped:
            records = counted(len(dropped), "accounting record", "accounting records")
            self._say("dropped", "gave up {}: unsent for too long, or too many of them".format(records))
        return [one for one in waiting if one.key not in dropped]

    def _read(self, places: Iterable[Waiting]) -> Iterator[Tuple[Waiting, Record]]:
        for place in places:
            try:
                record = Record.from_json(self._text(place.key))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._trouble(error)
            except ValueError:
                self._discard([place.key])
            else:
                yield place, record

    def _text(self, name: str) -> str:
        # Neither a link is followed nor a pipe waited for, whatever somebody has put here.
        if not stat.S_ISREG(os.lstat(self._path(name)).st_mode):
            raise ValueError("not a file")
        file = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return os.read(file, _MAX_FILE_OCTETS).decode("ascii")
        finally:
            os.close(file)

    def _write(self, name: str, text: str) -> None:
        unfinished = self._path(_UNFINISHED + os.urandom(8).hex())
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
            os.rename(unfinished, self._path(name))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            raise

    def _lock(self) -> Optional[int]:
        try:
            lock = os.open(self._path(_LOCK), os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            self._trouble(error)
            return None
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, (BlockingIOError, PermissionError)):
                self._trouble(error)
            return None
        return lock

    def _names(self) -> List[str]:
        try:
            return [name for name in os.listdir(self._directory) if name != _LOCK] if self._directory else []
        except FileNotFoundError:
            return []
        except OSError as error:
            self._trouble(error)
            return []

    def _is_young(self, name: str, now: float) -> bool:
        try:
            return abs(now - os.lstat(self._path(name)).st_mtime) < _UNFINISHED_FOR
        except OSError:
            return True  # it is written by now

    def _discard(self, names: List[str]) -> None:
        for name in names:
            self._remove(name)
        if names:
            self._say("foreign", "removed from {}/ what is no accounting record".format(DIRECTORY))

    def _remove(self, name: str) -> None:
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._trouble(error)

    def _rename(self, name: str, new_name: str) -> None:
        try:
            os.rename(self._path(name), self._path(new_name))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._trouble(error)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _trouble(self, error: OSError) -> None:
        words = system_words(error)
        self._say("trouble", "unsent accounting records cannot be kept: {}".format(words))

    def _say(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._complain(text)


def _key(place: Waiting) -> str:
    """Return a name that nothing has yet for a record at this place."""
    microseconds = int(min(max(0, place.event), _LAST_EVENT) * 1e6)
    return "{:016d}-{}-{}-{:02d}-{:010d}-{}".format(
        microseconds, place.session, place.kind, min(place.tries, 99), int(place.held_until), os.urandom(4).hex()
    )


def _place(key: str) -> Optional[Waiting]:
    match = _NAME.fullmatch(key)
    if match is None:
        return None
    event, session, kind, tries, held_until = match.groups()
    return Waiting(key, int(event) / 1e6, session, kind, int(tries), float(held_until))
