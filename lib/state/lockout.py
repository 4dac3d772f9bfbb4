"""The failed logins that a lockout counts, in files that all processes of the plugin share.

A failure is one line, appended, which the system does in one piece: a hundred processes need no lock. Each user and
each client has a file for every hour, so that old ones can be removed while others are written to.
"""

import contextlib
import hashlib
import os
import re
from typing import Callable, Iterator, List, Optional

from ..config.model import LockoutRules
from ..text import system_words
from .lockout_rules import folded, locked_until

DIRECTORY = "lockout"
_HOUR = 3600
_NAME = re.compile("((?:user|client)-[0-9a-f]{32})-([0-9]{1,10})")  # key, hour
_LINE = re.compile(rb"[0-9]{1,10}\.[0-9]{1,9}")
# Far more failures than rules let pass in an hour, and than they look back at: no file grows or is read without end.
_MAX_OCTETS, _MAX_READ = 1048576, 65536


class Lockout:
    """Who has failed how often; where that cannot be kept nobody is locked out, which `complain` is told once.

    The check comes before a request and the count after its reply. So before a user is locked out at most
    `max_failures` - 1 + n requests of his reach the server, where n is how many logins of his run at the same time.
    """

    def __init__(self, directory: Optional[str], rules: LockoutRules, complain: Callable[[str], None]) -> None:
        """Take the plugin's persistent state directory (None: no memory)."""
        self._directory = os.path.join(directory, DIRECTORY) if directory and rules.max_failures > 0 else ""
        self._rules = rules
        self._complain = complain
        self._complained = False

    def locked_for(self, user: str, client_ip: str, now: float) -> float:
        """Return for how many seconds neither is to be let near the server; 0.0 if they may."""
        untils = [locked_until(self._failures(key, now), now, self._rules) for key in self._keys(user, client_ip)]
        return max([0.0] + [until - now for until in untils])

    def failed(self, user: str, client_ip: str, now: float) -> None:
        """Count a login that the server rejected, and remove what nobody has to remember any more."""
        for key in self._keys(user, client_ip):
            try:
                self._append("{}-{}".format(key, int(now // _HOUR)), now)
            except OSError as error:
                self._trouble(error)
        self._remove(lambda name: int(name.group(2)) < self._first_hour(now))

    def succeeded(self, user: str) -> None:
        """Forget the user's failures. A client's stay: one who guesses may have an account of his own."""
        keys = self._keys(user, "")
        self._remove(lambda name: name.group(1) in keys)

    def _keys(self, user: str, client_ip: str) -> List[str]:
        """Return what is counted; one that is not known is not."""
        known = (("user", user, self._rules.by_user), ("client", client_ip, self._rules.by_client))
        return [
            "{}-{}".format(kind, hashlib.sha256(folded(name).encode("utf-8", "surrogatepass")).hexdigest()[:32])
            for kind, name, counts in known
            if counts and name and self._directory
        ]

    def _names(self, key: str, now: float) -> Iterator[str]:
        for hour in range(self._first_hour(now), int(now // _HOUR) + 1):
            yield "{}-{}".format(key, hour)

    def _first_hour(self, now: float) -> int:
        return int((now - self._rules.window - self._rules.duration) // _HOUR)

    def _failures(self, key: str, now: float) -> List[float]:
        failures: List[float] = []
        for name in self._names(key, now):
            try:
                lines = self._lines(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._trouble(error)
                continue
            moments = [float(line) for line in lines if _LINE.fullmatch(line)]
            if len(moments) < len(lines):
                self._say("ignored what is no failed login in {}/".format(DIRECTORY))
            failures += moments
        return failures

    def _lines(self, name: str) -> List[bytes]:
        # Neither a link is followed nor a pipe waited for, whatever somebody has put here.
        file = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            size = os.fstat(file).st_size
            os.lseek(file, max(0, size - _MAX_READ), os.SEEK_SET)
            lines = os.read(file, _MAX_READ).split(b"\n")
        finally:
            os.close(file)
        # The last is empty, or being written; the first may have been cut.
        return lines[1 if size > _MAX_READ else 0 : -1]

    def _append(self, name: str, now: float) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(self._path(name), flags, 0o600)
        try:
            if os.fstat(file).st_size > _MAX_OCTETS:
                os.ftruncate(file, 0)
            os.write(file, "{!r}\n".format(float(now)).encode("ascii"))
        finally:
            os.close(file)

    def _remove(self, is_of_no_use: Callable[["re.Match[str]"], bool]) -> None:
        try:
            for name in os.listdir(self._directory) if self._directory else ():
                match = _NAME.fullmatch(name)
                if match and is_of_no_use(match):
                    with contextlib.suppress(FileNotFoundError):  # another process was first
                        os.unlink(self._path(name))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._trouble(error)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _trouble(self, error: OSError) -> None:
        self._say("failed logins are not remembered: {}".format(system_words(error)))

    def _say(self, text: str) -> None:
        if not self._complained:
            self._complained = True
            self._complain(text)
