"""Which servers failed recently, shared between the processes of the plugin.

Each fact is an empty file, and its modification time is the only content. Creating, touching and removing a file are
atomic, so processes need no lock, and nothing can be half written or corrupt.
"""

import hashlib
import re
import time
from typing import List, Optional

from .. import log_lines
from ..radius.server_status import ServerStatus, Status
from .directory import Directory

DIRECTORY = "radius-servers"
STATUS_KNOWN_FOR = 3600.0  # seconds; later, the server may have changed, and its silence proves nothing


class Health(ServerStatus):
    """The status of all servers; nothing is known if files cannot be read or written."""

    def __init__(self, state_directory: Optional[str], dead_time: float) -> None:
        """Take the plugin's ephemeral state directory (None: no memory) and how many seconds a server stays dead."""
        self._directory = Directory(state_directory, DIRECTORY, log_lines.STATUS_NOT_SHARED)
        self._dead_time = dead_time

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def status_of(self, server: str) -> Status:
        """Return what is known about the server with this name."""
        return Status(
            self._is_younger("dead", server, self._dead_time), self._is_younger("status", server, STATUS_KNOWN_FOR)
        )

    def failed(self, server: str) -> None:
        """Mark a server dead: it did not answer."""
        self._directory.touch(_file("dead", server))

    def answered(self, server: str) -> None:
        """Mark a server alive: it answered."""
        self._directory.remove(_file("dead", server))

    def answered_status(self, server: str) -> None:
        """Remember that a server answers Status-Server."""
        self._directory.touch(_file("status", server))

    def _is_younger(self, fact: str, server: str, seconds: float) -> bool:
        modified = self._directory.modified(_file(fact, server))
        # Ignore a fact from the future, which is from before the clock was set back: it could stay forever.
        return modified is not None and 0 <= time.time() - modified < seconds


def _file(fact: str, server: str) -> str:
    readable = re.sub("[^A-Za-z0-9.-]", "_", server)[:80]
    return f"{fact}-{readable}-{hashlib.sha256(server.encode('utf-8', 'replace')).hexdigest()[:8]}"
