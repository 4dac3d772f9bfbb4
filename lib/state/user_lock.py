"""One login of a user at a time, in all processes of the plugin: some servers treat the second as a retransmission.

The logins of a user form a queue of a few places. Each place is an octet of one file, locked by the login that has it,
so a login that dies leaves nothing behind. The login in the first place proceeds; the others move up in their order. A
login that finds no free place is refused at once. This protects the server, not the user: where locks do not work,
logins proceed without them.
"""

import contextlib
import hashlib
import time
from typing import Iterator, List, Optional

from .. import log_lines
from ..text import canonical
from .directory import Directory, Locks

DIRECTORY = "user-locks"
MAX_WAITING = 3
"""Logins of one user that may wait for another."""
_FILE = "lock"
_PLACES = MAX_WAITING + 1
_DOOR = _PLACES  # an octet too: one login at a time may look for a place


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
        """Wait for the user's turn and hold it for the block.

        Give False if too many logins are waiting, or if others take too long.
        """
        with self._directory.locks(_FILE) as locks:
            yield locks is None or _wait(locks, _octet(user), time.monotonic() + seconds)


def _wait(locks: Locks, line: int, deadline: float) -> bool:
    """Find a place in the line that begins at an octet, and move up to the first; return whether that succeeded."""
    if locks.acquire(line + _DOOR, deadline) is False:
        return False
    place = _PLACES
    while place > 0 and locks.acquire(line + place - 1) is not False:
        if place < _PLACES:
            locks.release(line + place)
        place -= 1
    locks.release(line + _DOOR)
    while 0 < place < _PLACES and locks.acquire(line + place - 1, deadline) is not False:
        locks.release(line + place)
        place -= 1
    return place == 0


def _octet(user: str) -> int:
    """Return where the user's line begins: below 2 ** 62, which is inside of the largest file."""
    digest = hashlib.sha256(canonical(user).encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 5) * 8
