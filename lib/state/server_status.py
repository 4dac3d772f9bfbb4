"""What the processes of the plugin have seen of endpoints lately, shared between them.

Each fact is a file that is empty or has one key, and its modification time is when it was seen. Creating, touching and
replacing a file are atomic, so nothing can be half written or corrupt. The rules are in lib/radius/server_status.py.
"""

import hashlib
import re
import time
from typing import List, Optional

from .. import log_lines
from ..radius.server_status import ServerStatus, Status
from .directory import Directory

DIRECTORY = "radius-servers"
_DEAD, _SUSPECTED, _ANSWERED, _STATUS = "dead", "suspected", "answered", "status"
_CLAIMS = "claims"  # the file of the lock
_CLAIM_TIMEOUT = 1.0  # seconds; another process holds the lock for a moment
_MAX_KEY = 64  # octets
_KEPT_FOR = 7 * 86400.0  # seconds; a name may have other addresses each day


class SharedServerStatus(ServerStatus):
    """The status of all endpoints; nothing is known if files cannot be read or written."""

    def __init__(self, state_directory: Optional[str], dead_time: float) -> None:
        """Take the plugin's ephemeral state directory (None: no memory) and how many seconds a mark holds."""
        self._directory = Directory(state_directory, DIRECTORY, log_lines.STATUS_NOT_SHARED)
        self._dead_time = dead_time

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def status_of(self, endpoint: str) -> Status:
        """Return what is known about the endpoint with this name."""
        now = time.time()
        marked, suspected, answered, answered_status = (
            self._age(_file(fact, endpoint), now) for fact in (_DEAD, _SUSPECTED, _ANSWERED, _STATUS)
        )
        key = b"" if suspected is None else self._directory.read(_file(_SUSPECTED, endpoint), _MAX_KEY) or b""
        return Status(marked, suspected, key.decode("ascii", "replace"), answered, answered_status, self._dead_time)

    def claim(self, endpoint: str) -> bool:
        """Renew a mark that has expired; return whether this process did it, and not another."""
        with self._directory.locks(_CLAIMS) as locks:
            if locks and locks.acquire(0, time.monotonic() + _CLAIM_TIMEOUT) is False:
                return False
            status = self.status_of(endpoint)
            if status.is_expired:
                self._directory.touch(_file(_DEAD, endpoint))
        return status.is_expired or not status.is_marked

    def mark(self, endpoint: str) -> None:
        """Mark an endpoint dead."""
        self._directory.touch(_file(_DEAD, endpoint))
        self._sweep()

    def suspect(self, endpoint: str, key: str) -> None:
        """Remember that an endpoint left the request with this key unanswered."""
        self._directory.replace(_file(_SUSPECTED, endpoint), key.encode("ascii", "replace"))

    def answered(self, endpoint: str) -> None:
        """Remember that an endpoint answered a request."""
        self._directory.touch(_file(_ANSWERED, endpoint))

    def answered_status(self, endpoint: str) -> None:
        """Remember that an endpoint answered a Status-Server, and clear a mark unless the endpoint is suspected."""
        self._directory.touch(_file(_STATUS, endpoint))
        if not self.status_of(endpoint).is_suspected:
            self._directory.remove(_file(_DEAD, endpoint))

    def _age(self, name: str, now: float) -> Optional[float]:
        """Return the seconds since a fact; ignore one from the future, which is from before the clock was set back."""
        modified = self._directory.modified(name)
        return now - modified if modified is not None and modified <= now else None

    def _sweep(self) -> None:
        """Remove the facts about endpoints that are not used any more."""
        now = time.time()
        for name in self._directory.names():
            age = self._age(name, now)
            if age is not None and age > _KEPT_FOR:
                self._directory.remove(name)


def _file(fact: str, endpoint: str) -> str:
    readable = re.sub("[^A-Za-z0-9.-]", "_", endpoint)[:80]
    return f"{fact}-{readable}-{hashlib.sha256(endpoint.encode('utf-8', 'replace')).hexdigest()[:8]}"
