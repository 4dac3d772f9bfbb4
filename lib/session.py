"""A session: the data from SPS, the record that the plugin keeps in the cookie, and the metadata. Pure."""

import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from . import cookie, log_lines
from .config.model import Settings
from .login.state import QUESTIONS, State
from .namedtuple import NamedTuple
from .text import field, one_line, printable

_LOGIN, _RECORD = "radius", "radius_session"  # keys in the cookie
Attributes = Tuple[Tuple[int, int, bytes], ...]


class Session(NamedTuple):
    """What is known about a session: `username` is the user for SPS, `identity` the base of the User-Name."""

    username: str
    identity: str
    session_id: Optional[str] = None
    protocol: Optional[str] = None
    connection_name: Optional[str] = None
    client_ip: Optional[str] = None
    client_port: Optional[int] = None
    client_hostname: Optional[str] = None
    gateway_user: Optional[str] = None
    gateway_domain: Optional[str] = None
    server_username: Optional[str] = None
    server_domain: Optional[str] = None
    server_ip: Optional[str] = None
    server_port: Optional[int] = None
    server_hostname: Optional[str] = None

    @classmethod
    def of(cls, username: str, identity: str, known: Mapping[str, Any]) -> "Session":
        """Return a session with these values, made printable: users choose some of them, and servers log them.

        The names of the user stay as they are, since a changed name would be another user's. They are checked instead.
        """
        values = dict(known)
        for name, value in known.items():
            if isinstance(value, str) and name != "gateway_user":
                values[name] = printable(value)
        return cls(username, identity, **values)

    @property
    def domains(self) -> Dict[str, str]:
        """The values of the placeholders in add_prefix and add_suffix."""
        return {"gateway_domain": self.gateway_domain or "", "server_domain": self.server_domain or ""}


class AcceptedUser(NamedTuple):
    """The attributes of an Access-Accept that accounting repeats: Class, and User-Name if present (RFC 2865)."""

    user_name: str
    classes: Tuple[bytes, ...]


class AccountingSession(NamedTuple):
    """The common content of the Start and the Stop of a session; `started` is in seconds since the epoch."""

    started: float
    session_id: str
    user_name: str
    classes: Tuple[bytes, ...]
    attributes: Attributes
    by_radius: bool


class SessionRecord(NamedTuple):
    """The data of a session that the plugin keeps from hook to hook.

    `started` is in seconds since the epoch. `server`, `method` and `radius_user` are those of the last request,
    `seconds` is how long servers were waited for in all, `accepted` is whether one of them accepted the user, and
    `recovered` whether a recovery code did in their place.
    `attempt` stands for the attempt in progress in the files of the lockout; empty if there is none. `login_ended` is
    whether the line for the login was logged.
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
    recovered: bool = False
    login_ended: bool = False
    protocol: str = ""
    connection_name: str = ""
    accepted_user: Optional[AcceptedUser] = None
    accounting: Optional[AccountingSession] = None

    @property
    def attempts(self) -> int:
        """How many attempts there were, with the one that succeeded."""
        return len(self.login.attempts) + (self.accepted or self.recovered)

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
            raise ValueError(cookie.INVALID)
        return found


def format_metadata(record: Optional[SessionRecord], username: object, identity: object, **more: str) -> str:
    """Return the session's metadata as JSON; `record` is None if the session ended before there was one."""
    found: Dict[str, object] = dict(more)
    if record is not None:
        found.update((name, value) for name, value in (("server", record.server), ("method", record.method)) if value)
        found.update(seconds=record.seconds, rounds=record.login.all_challenges, attempts=record.attempts)
        if record.recovered:
            found["recovery_code"] = True
        radius_user = record.radius_user or identity
        if radius_user != username:
            found["radius_user"] = one_line(str(radius_user))
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


def login_facts(record: SessionRecord, username: object, verdict: str, code: str, reason: str) -> Dict[str, object]:
    """Return the fields of the line for a login, safe to log."""
    texts = dict(
        user=username,
        client=record.client_ip,
        protocol=record.protocol,
        connection=record.connection_name,
        server=record.server,
        method=record.method,
        verdict=verdict,
        code=code,
        reason=reason,
        recovery="yes" if record.recovered else "no",
    )
    facts: Dict[str, object] = {name: field(str(value or "")) for name, value in texts.items()}
    return dict(
        facts, attempts=record.attempts, challenges=record.login.all_challenges, seconds=format(record.seconds, ".3f")
    )


def opening_warnings(settings: Settings, problems: Iterable[object]) -> List[str]:
    """Return the warnings at the start of a session; `problems` are those of the configuration."""
    over_udp = (server for server in settings.servers if server.tls is None)
    unsigned = (server.section for server in over_udp if not server.require_message_authenticator)
    keyless = (server.section for server in settings.servers if server.tunnel and not server.tunnel.require_keys)
    return [
        *(log_lines.CONFIGURATION_WARNING.format(cause=problem) for problem in problems),
        *(log_lines.REPLIES_CAN_BE_FORGED.format(section=section) for section in unsigned),
        *(log_lines.ACCEPTS_CAN_BE_FORGED.format(section=section) for section in keyless),
    ]
