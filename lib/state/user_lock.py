"""One login of a user at a time, in all processes of the plugin: some servers take the second for a copy of the first.

A turn is a lock on one octet of a single file, at a place that stands for the user. So nothing is left behind, and the
system frees the place when a process dies. It is a courtesy to the server and protects nothing.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from typing import Callable, Iterator, Optional

from ..text import system_words
from .lockout_rules import folded

FILE = "login-turns"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2  # seconds


class Turns:
    """The turns of a directory's users; where they cannot be kept everybody has his, which `complain` is told once.

    A process has one turn at a time: the system drops all its locks on a file when it closes the file once.
    """

    def __init__(self, directory: Optional[str], complain: Callable[[str], None]) -> None:
        """Take the plugin's ephemeral state directory (None: everybody has his turn)."""
        self._path = os.path.join(directory, FILE) if directory else ""
        self._complain = complain

    @contextlib.contextmanager
    def turn(self, user: str, seconds: float) -> Iterator[bool]:
        """Wait for the user's turn and keep it for the block; give False if it does not come within `seconds`."""
        file = self._open()
        try:
            yield file is None or self._wait(file, _place(user), time.monotonic() + seconds)
        finally:
            if file is not None:
                os.close(file)

    def _open(self) -> Optional[int]:
        if not self._path:
            return None
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            return os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            self._give_up(error)
            return None

    def _wait(self, file: int, place: int, deadline: float) -> bool:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                return True
            except (BlockingIOError, PermissionError):
                pass  # another process has it
            except OSError as error:
                self._give_up(error)
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _give_up(self, error: OSError) -> None:
        self._path = ""
        words = system_words(error)
        self._complain("logins of one user do not wait for each other: {}".format(words))


def _place(user: str) -> int:
    """Return a place below 2 ** 62, which is inside of the largest file."""
    return int.from_bytes(hashlib.sha256(folded(user).encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 2
