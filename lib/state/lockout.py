"""The lockout: after how many failed logins, and for how long, a user or a client is locked out.

It stops guessing through SPS before the guesses lock the account in the directory behind the server.

A failure is an Access-Reject, or an answer to a challenge that leads to another challenge: a server may answer a wrong
code so. It counts at once, since the user may hang up. The failures of the running attempt do not lock that attempt,
so that a dialog of many challenges can be completed, and its success clears them. `max_failures` of all others
lock every attempt. For a user, a new attempt also waits for the attempts that have not ended: `max_failures` +
`max_challenges` attempts without a success lock the next one. So before a user is locked out, fewer than
3 * (`max_failures` + `max_challenges`) requests get a reply, however many logins run at the same time.

Each event is an empty file, and its name the only content: creating and removing one are atomic, so a hundred
processes need no lock, and there is nothing that could be half written or corrupt.
"""

import hashlib
import ipaddress
import os
import re
from collections import deque
from typing import AbstractSet, Deque, Dict, Iterable, Iterator, List, Optional

from .. import log_lines
from ..config.model import LockoutRules
from ..namedtuple import NamedTuple
from ..text import canonical
from .directory import Directory

DIRECTORY = "lockout"
BEGUN, FAILED = "begun", "failed"
# Whose, the user, the attempt, the event, its time, and what makes the name new. Compiled at the first use.
_NAME = (
    "(?:user|client)-[0-9a-f]{32}-[0-9a-f]{32}-([0-9a-f]{16})-(begun|failed)-([0-9]{1,12}[.][0-9]{6})-([0-9a-f]{16})"
)


class Login(NamedTuple):
    """Whose failures count together: those of the `account`, without realm and domain, and those of the client.

    A success clears those of the `user` only, which is the whole name.
    """

    account: str
    user: str
    client_ip: str


class _Event(NamedTuple):
    name: str
    attempt: str
    event: str
    moment: float
    number: str


def locked_until(failures: Iterable[float], now: float, rules: LockoutRules) -> float:
    """Return until when these failures lock, 0.0 if they do not at this time; all in seconds since the epoch.

    A lock begins with the failure that reaches the limit. A failure during a lock does not count: that login had begun
    before. One from the future counts as of now: the clock was set back.
    """
    if rules.max_failures <= 0:
        return 0.0
    until = 0.0
    recent: Deque[float] = deque()
    for moment in sorted(min(failure, now) for failure in failures):
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
    """The failed logins of all users and clients; where they cannot be kept nobody is locked out."""

    def __init__(self, state_directory: Optional[str], rules: LockoutRules) -> None:
        """Take the plugin's persistent state directory (None: no memory)."""
        state_directory = state_directory if rules.max_failures > 0 else None
        self._directory = Directory(state_directory, DIRECTORY, log_lines.LOCKOUT_CANNOT_COUNT)
        self._rules = rules

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return self._directory.warnings

    def locked_for(self, login: Login, attempt: str, now: float) -> float:
        """Return for how many seconds the user or the client is locked out; 0.0 if neither is.

        `attempt` is the running attempt, or empty before one begins.
        """
        events = self._events(now, *self._user_keys(login), *self._client_keys(login))
        return self._locked_for(login, attempt, now, events, begins=not attempt)

    def begin(self, login: Login, attempt: str, now: float) -> float:
        """Record an attempt before its first request; return for how many seconds it is locked out, as above.

        Of attempts that begin at the same time each sees the others, so no more of them go on than the rules allow.
        """
        self._add(login, attempt, BEGUN, self._user_keys(login), now)
        oldest = now - self._rules.window - self._rules.duration
        events = self._events(now)
        locked_for = self._locked_for(
            login, attempt, now, (each for each in events if each.moment >= oldest), begins=True
        )
        self._remove({each.number for each in events if each.moment < oldest})
        if locked_for:
            self.withdraw(attempt)
        return locked_for

    def failed(self, login: Login, attempt: str, now: float) -> None:
        """Count a failure."""
        self._add(login, attempt, FAILED, self._user_keys(login) + self._client_keys(login), now)

    def withdraw(self, attempt: str) -> None:
        """Forget that an attempt has begun: no server received its request, or none replied."""
        for entry in self._entries(f"-{attempt}-"):
            if entry.event == BEGUN:
                self._directory.remove(entry.name)

    def succeeded(self, login: Login, attempt: str) -> None:
        """Forget the failures of the user and of the attempt.

        Others of the client stay: one who guesses may have a valid account, too.
        """
        of_user = [f"{key}-{_digest(login.user)}-" for key in self._user_keys(login)]
        for entry in self._entries(f"-{attempt}-", *of_user):
            self._directory.remove(entry.name)

    def _locked_for(self, login: Login, attempt: str, now: float, events: Iterable[_Event], begins: bool) -> float:
        untils, more = [now], self._rules.max_failures + self._rules.max_challenges
        others = [event for event in events if event.attempt != attempt]
        for key in self._user_keys(login) + self._client_keys(login):
            of_key = [event for event in others if event.name.startswith(key)]
            failures = [event for event in of_key if event.event == FAILED]
            untils.append(locked_until((event.moment for event in failures), now, self._rules))
            if begins:
                failed = {event.attempt for event in failures}
                open_attempts = [event for event in of_key if event.attempt not in failed]
                moments = (event.moment for event in failures + open_attempts)
                untils.append(locked_until(moments, now, self._rules._replace(max_failures=more)))
        return max(untils) - now

    def _user_keys(self, login: Login) -> List[str]:
        return ["user-" + _digest(login.account)] if self._rules.by_user and login.account else []

    def _client_keys(self, login: Login) -> List[str]:
        return ["client-" + _digest(_network(login.client_ip))] if self._rules.by_client and login.client_ip else []

    def _add(self, login: Login, attempt: str, event: str, keys: List[str], now: float) -> None:
        for key in keys:
            name = "-".join((key, _digest(login.user), attempt, event, _written(now), os.urandom(8).hex()))
            self._directory.touch(name)

    def _remove(self, numbers: AbstractSet[str]) -> None:
        for entry in self._entries() if numbers else ():
            if entry.number in numbers:
                self._directory.remove(entry.name)

    def _events(self, now: float, *parts: str) -> List[_Event]:
        """Return each event once whose name has one of these parts, at its latest time that can be true.

        One from a far future is dated now, in a second file: the clock was set back, and no lock may last forever. The
        first file stays until the second is old, for the clock may be set right again. So such a lock ends, for good,
        at most 2 * (window + duration) from now.
        """
        events: Dict[str, _Event] = {}
        for entry in sorted(self._entries(*parts), key=lambda entry: entry.moment):
            if entry.moment <= now + self._rules.window:
                events[entry.number] = entry
            elif entry.number not in events:
                self._directory.touch(entry.name.replace(_written(entry.moment), _written(now)))
                events[entry.number] = entry._replace(moment=now)
        return list(events.values())

    def _entries(self, *parts: str) -> Iterator[_Event]:
        """Give what is in the directory."""
        for name in self._directory.names():
            match = re.fullmatch(_NAME, name) if not parts or any(part in name for part in parts) else None
            if match:
                attempt, event, moment, number = match.groups()
                yield _Event(name, attempt, event, float(moment), number)


def _written(moment: float) -> str:
    return f"{max(0.0, moment):.6f}"


def new_attempt() -> str:
    """Return what stands for an attempt; nobody can guess it."""
    return os.urandom(8).hex()


def _digest(name: str) -> str:
    return hashlib.sha256(canonical(name).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _network(client_ip: str) -> str:
    """Return all that one client may have of addresses: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client_ip.partition("%")[0])
    except ValueError:
        return client_ip
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address) >> 64 << 64))
