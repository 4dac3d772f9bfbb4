"""The lockout: after how many failed logins, and for how long, a user or a client is kept from the server.

Guessing through SPS is to end here, before it locks the account in the directory behind the server.

A failure is one line, appended, which the system does in one piece: a hundred processes need no lock. Each user and
each client has a file for every hour, so that old ones can be removed while others are written to.
"""

import hashlib
import re
from collections import deque
from typing import Callable, Deque, Iterator, List, Match, Optional, Sequence

from .. import log_lines
from ..config.model import LockoutRules
from ..text import canonical
from .directory import Directory

DIRECTORY = "lockout"
_HOUR = 3600
# Patterns are compiled at their first use, since most hooks use none.
_NAME = "((?:user|client)-[0-9a-f]{32})-([0-9]{1,10})"  # key, hour
_LINE = rb"[0-9]{1,10}\.[0-9]{1,9}"
# Far more failures than rules let pass in an hour, and than they look back at: no file grows or is read without end.
_MAX_OCTETS, _MAX_READ = 1048576, 65536


def locked_until(failures: Sequence[float], now: float, rules: LockoutRules) -> float:
    """Return until when these failures lock, 0.0 if they do not at this time; all in seconds since the epoch.

    A lock begins with the failure that reaches the limit. A failure during a lock does not count: that login had begun
    before. Nor does a failure from the future: the clock was set back.
    """
    if rules.max_failures <= 0:
        return 0.0
    until = 0.0
    recent: Deque[float] = deque()
    for moment in sorted(failure for failure in failures if failure <= now):
        if moment < until:
            continue
        recent.append(moment)
        while moment - recent[0] > rules.window:
            recent.popleft()
        if len(recent) >= rules.max_failures:
            until = moment + rules.duration
            recent.clear()
    return until if until > now else 0.0


class Lockout:
    """The failed logins of all users and clients; where they cannot be kept nobody is locked out.

    The check comes before a request and the count after its reply. So before a user is locked out at most
    `max_failures` - 1 + n requests for this user reach the server, where n is how many of the user's logins run at the
    same time.
    """

    def __init__(self, state_directory: Optional[str], rules: LockoutRules) -> None:
        """Take the plugin's persistent state directory (None: no memory)."""
        state_directory = state_directory if rules.max_failures > 0 else None
        self._directory = Directory(state_directory, DIRECTORY, log_lines.LOCKOUT_CANNOT_COUNT)
        self._rules = rules

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def locked_for(self, user: str, client_ip: str, now: float) -> float:
        """Return for how many seconds the user or the client is locked out; 0.0 if neither is."""
        untils = [locked_until(self._failures(key, now), now, self._rules) for key in self._keys(user, client_ip)]
        return max([0.0] + [until - now for until in untils])

    def failed(self, user: str, client_ip: str, now: float) -> None:
        """Count a failed login, and remove the files that no rule looks back at."""
        for key in self._keys(user, client_ip):
            self._directory.append(f"{key}-{int(now // _HOUR)}", f"{float(now)!r}\n".encode("ascii"), _MAX_OCTETS)
        self._remove(lambda name: int(name.group(2)) < self._first_hour(now))

    def succeeded(self, user: str) -> None:
        """Forget the user's failures. A client's stay: one who guesses may have a valid account, too."""
        keys = self._keys(user, "")
        self._remove(lambda name: name.group(1) in keys)

    def _keys(self, user: str, client_ip: str) -> List[str]:
        """Return the keys of what is counted; an empty name or address is not."""
        counted = (("user", user, self._rules.by_user), ("client", client_ip, self._rules.by_client))
        return [
            f"{kind}-{hashlib.sha256(canonical(name).encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
            for kind, name, counts in counted
            if counts and name
        ]

    def _first_hour(self, now: float) -> int:
        return int((now - self._rules.window - self._rules.duration) // _HOUR)

    def _failures(self, key: str, now: float) -> List[float]:
        failures: List[float] = []
        for hour in range(self._first_hour(now), int(now // _HOUR) + 1):
            failures += self._failures_in(f"{key}-{hour}")
        return failures

    def _failures_in(self, name: str) -> Iterator[float]:
        octets = self._directory.read(name, _MAX_READ) or b""
        lines = octets.split(b"\n")[:-1]  # the last is empty, or being written
        for line in lines[1:] if len(octets) == _MAX_READ else lines:  # the first may have been cut
            if re.fullmatch(_LINE, line):
                yield float(line)
            else:
                self._directory.warn(log_lines.LOCKOUT_IGNORED_LINES)

    def _remove(self, is_obsolete: Callable[[Match[str]], bool]) -> None:
        for name in self._directory.names():
            match = re.fullmatch(_NAME, name)
            if match and is_obsolete(match):
                self._directory.remove(name)
