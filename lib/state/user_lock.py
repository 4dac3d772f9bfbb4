"""One login of a user at a time, in all processes of the plugin: some servers take the second for a copy of the first.

A lock is on one octet of a single file, at a place that stands for the user, so nothing is left behind. It is a
courtesy to the server and protects nothing: where locks do not work, logins go on without them.
"""

import contextlib
import hashlib
from typing import Iterator, List, Optional

from .. import log_lines
from ..text import canonical
from .directory import Directory

DIRECTORY = "user-locks"
_FILE = "lock"


class UserLocks:
    """The locks of all users."""

    def __init__(self, state_directory: Optional[str]) -> None:
        """Take the plugin's ephemeral state directory (None: no locks)."""
        self._directory = Directory(state_directory, DIRECTORY, log_lines.LOGINS_DO_NOT_WAIT)

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    @contextlib.contextmanager
    def locked(self, user: str, seconds: float) -> Iterator[bool]:
        """Wait for the user's lock and hold it for the block; give False if another login holds it for too long."""
        with self._directory.lock(_FILE, _octet(user), seconds) as is_ours:
            yield is_ours is not False


def _octet(user: str) -> int:
    """Return a place below 2 ** 62, which is inside of the largest file."""
    digest = hashlib.sha256(canonical(user).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 2
