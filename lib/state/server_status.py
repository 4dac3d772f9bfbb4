"""Which servers failed lately, shared between the processes of the plugin.

Each fact is an empty file in a directory, and its time of change is the only content: creating, renewing and removing
one are atomic, so a hundred processes need no lock, and there is nothing that could be half written or corrupt.
"""

import hashlib
import os
import re
import time
from typing import Callable, Optional

from ..namedtuple import NamedTuple
from ..text import system_words

DIRECTORY = "radius-servers"
STATUS_KNOWN_FOR = 3600.0  # seconds; after that, silence of a server that may have been changed proves nothing again


class Mark(NamedTuple):
    """What is remembered of a server: whether it is held for dead, and whether it lately answered a Status-Server."""

    dead: bool = False
    answers_status: bool = False


class Health:
    """The memory; where it cannot be read or written there is none, which `complain` is told once."""

    def __init__(self, directory: Optional[str], dead_time: float, complain: Callable[[str], None]) -> None:
        """Take the directory (None: no memory) and for how many seconds a failed server is asked last."""
        self._directory = os.path.join(directory, DIRECTORY) if directory else ""
        self._dead_time = dead_time
        self._complain = complain
        if not self._directory:
            return
        try:
            os.makedirs(self._directory, mode=0o750, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def mark(self, server: str) -> Mark:
        """Return what is remembered of the server with this name."""
        return Mark(
            self._is_younger("dead", server, self._dead_time), self._is_younger("status", server, STATUS_KNOWN_FOR)
        )

    def failed(self, server: str) -> None:
        """Remember that a server did not answer."""
        self._write("dead", server)

    def answered(self, server: str) -> None:
        """Forget that a server did not answer."""
        if not self._directory:
            return
        try:
            os.unlink(self._path("dead", server))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._give_up(error)

    def answered_status(self, server: str) -> None:
        """Remember that a server answers Status-Server."""
        self._write("status", server)

    def _write(self, fact: str, server: str) -> None:
        if not self._directory:
            return
        try:
            mark = os.open(self._path(fact, server), os.O_CREAT | os.O_WRONLY, 0o640)
            try:
                os.utime(mark)  # by descriptor: another process may have removed the name by now
            finally:
                os.close(mark)
        except OSError as error:
            self._give_up(error)

    def _is_younger(self, fact: str, server: str, seconds: float) -> bool:
        if not self._directory:
            return False
        try:
            age = time.time() - os.stat(self._path(fact, server)).st_mtime
        except FileNotFoundError:
            return False
        except OSError as error:
            self._give_up(error)
            return False
        # A fact from the future is one from before the clock was set back: it could otherwise stay for ever.
        return 0 <= age < seconds

    def _path(self, fact: str, server: str) -> str:
        readable = re.sub("[^A-Za-z0-9.-]", "_", server)[:80]
        return os.path.join(
            self._directory, "{}-{}-{}".format(fact, readable, hashlib.sha256(server.encode("utf-8")).hexdigest()[:8])
        )

    def _give_up(self, error: OSError) -> None:
        self._directory = ""
        self._complain("servers' health is not remembered: {}".format(system_words(error)))


NO_MEMORY = Health(None, 0.0, lambda text: None)
"""Remembers nothing."""
