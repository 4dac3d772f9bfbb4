"""Which recovery codes have been used: a code is valid once, in all processes of the plugin.

Each used code is an empty file that is never removed. Only one process can make it, so that of many logins with the
same code one succeeds, and a login whose code cannot be recorded fails.
"""

from typing import List, Optional, Sequence

from .. import log_lines
from ..recovery_code import RecoveryHash
from .directory import Directory

DIRECTORY = "recovery-codes"


class UsedCodes:
    """The used recovery codes of all users."""

    def __init__(self, state_directory: Optional[str]) -> None:
        """Take the plugin's persistent state directory (None: no code can be used)."""
        self._directory = Directory(state_directory, DIRECTORY, log_lines.RECOVERY_CODES_UNUSABLE)
        self._is_missing = not state_directory

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def use(self, code: RecoveryHash) -> Optional[bool]:
        """Record the use of a code; return whether it is the first, or None if it cannot be recorded."""
        if self._is_missing:
            self._directory.warn(log_lines.RECOVERY_CODES_UNUSABLE, cause="no state directory")
        return self._directory.create_exclusive(code.name)

    def unused(self, codes: Sequence[RecoveryHash]) -> int:
        """Return how many of these codes have not been used."""
        return len({code.name for code in codes}.difference(self._directory.names()))
