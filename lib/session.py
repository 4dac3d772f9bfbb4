"""A session: what SPS says of it, what the plugin keeps of it in the cookie, and its metadata. Pure."""

import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from . import cookie
from .config.model import Settings
from .login.state import QUESTIONS, State
from .namedtuple import NamedTuple
from .text import one_line

_LOGIN, _RECORD = "radius", "radius_session"  # keys in the cookie
Attributes = Tuple[Tuple[int, int, bytes], ...]


class Session(NamedTuple):
    """What is known of a session: `username` is the user to SPS, `identity` what the User-Name is made from."""

    username: str
    identity: str
    session_id: Optional[str] = None
    protocol: Optional[str] = None
    connection_name: Optional[str] = None
    client_ip: Optional[str] = None
    client_port: Optional[int] = None
    client_hostname: Optional[str] = None
    gateway_user: Optional[str] = None
    server_username: Optional[str] = None
    server_domain: Optional[str] = None
    server_ip: Optional[str] = None
    server_port: Optional[int] = None
    server_hostname: Optional[str] = None


class AcceptedUser(NamedTuple):
    """What accounting repeats of an Access-Accept: Class, and the User-Name if it names another (RFC 2865)."""

    user_name: str
    classes: Tuple[bytes, ...]


class AccountingSession(NamedTuple):
    """What the Start and the Stop of a session have in common; `started` is in seconds since the epoch."""

    started: float
    session_id: str
    user_name: str
    classes: Tuple[bytes, ...]
    attributes: Attributes
    by_radius: bool


class SessionRecord(NamedTuple):
    """What the plugin keeps of a session from hook to hook.

    `started` is in seconds since the epoch. `server`, `method` and `radius_user` are those of the last request,
    `seconds` is how long servers were waited for in all, and `accepted` is whether one of them accepted the user.
    `attempt` stands for the running attempt in the lockout's files; it is empty if none runs.
    """

    started: float
    client_ip: Optional[str] = None
    login: State = State()
    server: str = ""
    method: str = ""
    radius_user: str = ""
    seconds: float = 0.0
    accepted: bool = False
    attempt: str = ""
    accepted_user: Optional[AcceptedUser] = None
    accounting: Optional[AccountingSession] = None

    @property
    def attempts(self) -> int:
        """How many attempts there were, with the one that succeeded."""
        return len(self.login.attempts) + self.accepted

    def to_cookie(self) -> Dict[str, Any]:
        """Return the entries of the cookie, as JSON can carry them."""
        record = cookie.encode(self)
        return {_LOGIN: record.pop("login"), _RECORD: record}

    @classmethod
    def from_cookie(cls, entries: Mapping[str, Any]) -> "Optional[SessionRecord]":
        """Return the record in a cookie, None if there is none; raise ValueError if it is not one of this version."""
        login, record = entries.get(_LOGIN), entries.get(_RECORD)
        if login is None and record is None:
            return None
        found = cookie.decode(cls, dict(record, login=login) if isinstance(record, dict) else record)
        if found.login.question and found.login.question not in QUESTIONS:
            raise ValueError(cookie.UNSOUND)
        return found


def format_metadata(record: Optional[SessionRecord], username: object, identity: object, **more: str) -> str:
    """Return the session's metadata as JSON; `record` is None if the session ended before there was one."""
    found: Dict[str, object] = dict(more)
    if record is not None:
        found.update((name, value) for name, value in (("server", record.server), ("method", record.method)) if value)
        found.update(seconds=record.seconds, rounds=record.login.all_challenges, attempts=record.attempts)
        radius_user = record.radius_user or identity
        if radius_user != username:
            found["radius_user"] = one_line(str(radius_user))
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


def opening_warnings(settings: Settings, problems: Iterable[object]) -> List[str]:
    """Return what the log warns of when a session begins; `problems` are those of the configuration."""
    over_udp = (server for server in settings.servers if server.tls is None)
    unsigned = (server.section for server in over_udp if not server.require_message_authenticator)
    return [f"Configuration warning: {problem}" for problem in problems] + [
        f"[{section}] require_message_authenticator is no: replies can be forged (CVE-2024-3596)"
        for section in unsigned
    ]
