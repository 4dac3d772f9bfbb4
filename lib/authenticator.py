"""What stands between the conversation and RADIUS: the exchange that `login` wants is made, and its outcome told.

Names as the servers want them, request attributes, lockout, turns and groups come together here, for the plugin and for
the command line alike. No SDK.
"""

import json
import logging
import os
import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from .config.ini import Problem
from .config.model import Settings
from .config.options import PLACEHOLDERS
from .login import conversation, groups, username
from .namedtuple import NamedTuple
from .radius.server import ServerSettings
from .secret import Secret
from .text import counted, field, one_line, reply_message

_STRANGER = "sps-is-anybody-there"  # a user name that no server knows
_STRANGER_SECONDS = 3.0  # for which one address is asked for it
_PATTERN_SECONDS = 5.0  # after which a pattern of the admin's is taken for one that never ends


class Session(NamedTuple):
    """What is known of a session: `username` is the user to SPS, of `identity` the RADIUS User-Name is made."""

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


def opening_remarks(configured: Settings, problems: Iterable[Problem]) -> List[str]:
    """Return what the log warns of when a session begins."""
    over_udp = (server for server in configured.servers if server.tls is None)
    unsigned = (server.section for server in over_udp if not server.require_message_authenticator)
    return ["Configuration warning: {}".format(problem) for problem in problems] + [
        "[{}] require_message_authenticator is no: replies can be forged (CVE-2024-3596)".format(section)
        for section in unsigned
    ]


def new_record(client_ip: Optional[str], now: float) -> Dict[str, Any]:
    """Return what is kept of a session for its metadata and its last log line, as JSON can carry it."""
    return {
        "started": now,
        "client_ip": client_ip,
        "server": "",
        "method": "",
        "seconds": 0.0,
        "rounds": 0,
        "attempts": 0,
    }


def count(record: Dict[str, Any], state: conversation.State, action: conversation.Action) -> None:
    """Put into the record how many challenges and attempts there were, now that this is to be done."""
    accepted = isinstance(action, conversation.Accept) and not action.bypassed
    record.update(rounds=state.all_rounds, attempts=len(state.attempts) + accepted)


def metadata(record: Optional[Mapping[str, Any]], username: Any, identity: Any, **more: str) -> str:
    """Return the session's metadata as JSON; `record` is None if the session ended before there was one."""
    found: Dict[str, Any] = dict(more)
    if record is not None:
        found.update((key, record[key]) for key in ("server", "method") if record.get(key))
        found.update((key, record[key]) for key in ("seconds", "rounds", "attempts") if key in record)
        radius_user = record.get("radius_user") or identity
        if radius_user != username:
            found["radius_user"] = one_line(str(radius_user))
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


class Backend:
    """The RADIUS servers as one hook call of a session sees them; the time they may take in all is the hook's."""

    def __init__(
        self,
        configured: Settings,
        session: Session,
        record: Dict[str, Any],
        nas_identifier: str,
        directory: Callable[[str], Optional[str]],
        log: logging.Logger,
        observe: Any = None,
    ) -> None:
        """Take `record`, which is kept up to date, and where the `persistent` and the `ephemeral` directory are.

        Without directories nothing is remembered: no server is held for dead, and nobody is locked out. `observe` is a
        client.Observer.
        """
        self._settings = configured
        self._session = session
        self._record = record
        self._nas_identifier = nas_identifier
        self._directory = directory
        self._log = log
        self._observe = observe
        self._network_seconds = 0.0
        self._said: Set[str] = set()
        self._account = username.bare(session.identity)
        self._lockout: Any = None
        if configured.lockout is not None:
            from .state.lockout import Lockout  # only who wants one pays for it

            self._lockout = Lockout(directory("persistent"), configured.lockout, self._complain)
        self.accepted: Any = None
        """The Access-Accept, a packet.Reply, once it has come."""

    def converse(
        self, state: conversation.State, known: conversation.Known
    ) -> Tuple[conversation.State, conversation.Action]:
        """Hold the conversation until it needs the user or is over."""
        known = known._replace(locked_for=self._locked_for())
        state, action = conversation.proceed(self._settings, state, known)
        while isinstance(action, conversation.Exchange):
            state, action = conversation.receive(self._settings, state, known, self.exchange(action))
        if action == conversation.Deny("too-many-challenges") and self._lockout:
            # A server may answer a wrong code with another challenge, and never with an Access-Reject.
            self._lockout.failed(self._account, self._session.client_ip or "", time.time())
        locked_for = self._locked_for() if isinstance(action, conversation.Ask) else 0.0
        if locked_for:
            # Whoever is locked out by now is not made to type another code.
            state, action = conversation.receive(self._settings, state, known, conversation.Locked(locked_for))
        return state, action

    def exchange(self, wanted: conversation.Exchange) -> conversation.Outcome:
        """Ask the servers when it is this login's turn."""
        directory = self._directory("ephemeral") if self._settings.auth.serialize_user else None
        if directory is None:
            return self._exchange_now(wanted)
        from .state.user_lock import Turns

        turns = Turns(directory, self._complain)
        began = time.monotonic()
        with turns.turn(self.radius_name(), self._settings.total_timeout - self._network_seconds) as is_ours:
            self._spent(time.monotonic() - began)
            return self._exchange_now(wanted) if is_ours else conversation.Unsent("login-in-progress")

    def health(self) -> Any:
        """Return the memory of which servers failed lately."""
        from .state.server_status import Health

        return Health(self._directory("ephemeral"), self._settings.dead_time, self._complain)

    def radius_name(self, server: Optional[ServerSettings] = None) -> str:
        """Return the User-Name that a server gets, or the first one does."""
        section = (server or self._settings.servers[0]).section
        return username.radius_name(self._settings.name_rules[section], self._session.identity)

    def request_attributes(self, local_ip: str) -> Any:
        """Return what each request says of this NAS and of the session; `local_ip` may be empty."""
        return self._with_configured(local_ip, self._configured_attributes())

    def accounting_attributes(self) -> Any:
        """Return the same for accounting; what the configuration takes away is there without a value."""
        configured = self._configured_attributes()
        return self._with_configured("", configured) + tuple(each for each in configured if not each[2])

    def _with_configured(self, local_ip: str, configured: List[Tuple[int, int, bytes]]) -> Any:
        from .radius import nas

        session = self._session
        came_by = "{} {}".format(session.protocol, session.connection_name or "").strip()
        usual = nas.attributes(self._nas_identifier, local_ip, session.client_ip or "", came_by)
        return nas.with_configured(usual, configured)

    def _exchange_now(self, wanted: conversation.Exchange) -> conversation.Outcome:
        """Ask the servers and translate what came of it."""
        from .radius import client, packet  # pyrad is slow to import: only the calls that need it pay

        locked_for = self._locked_for()
        if locked_for:
            return conversation.Locked(locked_for)

        def login_for(server: ServerSettings, local_ip: str) -> packet.Login:
            self._record["method"] = server.auth_type
            self._record["radius_user"] = self.radius_name(server)
            return packet.Login(
                self._record["radius_user"],
                wanted.password,
                server.auth_type,
                wanted.state,
                self.request_attributes(local_ip),
            )

        remaining = self._settings.total_timeout - self._network_seconds
        origin = client.Origin(*wanted.origin) if wanted.origin else None
        try:
            answer = client.ask(
                self._settings.servers,
                login_for,
                remaining,
                origin,
                self.health(),
                self._observe or client.unobserved,
            )
        except client.OriginGone:
            self._log.warning("The server that sent the challenge is not configured any more; starting over")
            return conversation.OriginGone()
        except packet.RequestError as error:
            self._log.warning("User %s: nothing sent: %s", field(self._session.username), error)
            return (
                conversation.Unusable(str(error)) if error.code == "bad-password" else conversation.Unsent(error.code)
            )
        except client.NoAnswer as no_answer:
            self._spent(no_answer.seconds)
            for remark in no_answer.remarks:
                self._log.error("RADIUS: %s", one_line(remark))
            return conversation.Failed(no_answer.code, no_answer.unreachable and self._is_nobody_there())
        self._spent(answer.seconds)
        for remark in answer.remarks:
            self._log.warning("RADIUS: %s", one_line(remark))
        reply = answer.reply
        self._record["server"] = "{0.host}:{0.port}".format(answer.origin)
        message = reply_message(answer.messages)
        self._log.info(
            "RADIUS: %s for %s from [%s] %s%s after %.3f s and %s: %s",
            packet.NAMES[reply.code],
            field(self._record["radius_user"]),
            answer.origin.section,
            self._record["server"],
            " ({})".format(answer.over) if answer.over else "",
            answer.seconds,
            counted(answer.sends, "send", "sends"),
            _told(reply.code == packet.ACCESS_REJECT, message),
        )
        if reply.code == packet.ACCESS_CHALLENGE:
            return conversation.Challenged(message, reply.echo, reply.state, answer.origin)
        if reply.code == packet.ACCESS_ACCEPT:
            if self._lockout:
                self._lockout.succeeded(self._account)
            self.accepted = reply
            return conversation.Accepted(self._groups(reply))
        if self._lockout:
            self._lockout.failed(self._account, self._session.client_ip or "", time.time())
        return conversation.Rejected(message)

    def _is_nobody_there(self) -> bool:
        """Whether no server answers anything, for a user who could pass then.

        Silence alone says little: a push may wait for its user, or be refused by him. A name that no server knows gets
        an answer at once wherever there is one.
        """
        if not conversation.may_bypass(self._settings, self._session.gateway_user):
            return False
        from .radius import client, packet

        def stranger(server: ServerSettings, local_ip: str) -> packet.Login:
            password = Secret(os.urandom(8).hex())
            return packet.Login(_STRANGER, password, server.auth_type, None, self.request_attributes(local_ip))

        servers = [
            server._replace(conn_timeout=_STRANGER_SECONDS, conn_retries=1, status_check="none")
            for server in self._settings.servers
        ]
        try:
            answer = client.ask(servers, stranger, 2 * _STRANGER_SECONDS * len(servers))
        except client.NoAnswer as no_answer:
            return no_answer.unreachable
        except packet.RequestError:
            return False
        self._complain("no break-glass: [{}] answers, as asked for {}".format(answer.origin.section, _STRANGER))
        return False

    def _locked_for(self) -> float:
        if not self._lockout:
            return 0.0
        return float(self._lockout.locked_for(self._account, self._session.client_ip or "", time.time()))

    def _groups(self, reply: Any) -> Optional[Tuple[str, ...]]:
        """Return the groups that an Access-Accept brings."""
        rules = self._settings.groups
        if rules is None:
            return None
        from .time_limit import time_limit  # signals, which no other hook needs

        values = [value for vendor, number in rules.attributes for value in reply.values_of(vendor, number)]
        try:
            with time_limit(_PATTERN_SECONDS):
                found, remarks = groups.gateway_groups(rules, values)
        except TimeoutError:
            found, remarks = (), ("[gateway_groups] pattern takes too long: no groups",)
        for remark in remarks:
            self._log.warning("Groups of %s: %s", field(self._session.username), remark)
        told = one_line(", ".join(map(field, found))) or "none"
        self._log.info("Groups of %s: %s", field(self._session.username), told)
        return found

    def _configured_attributes(self) -> List[Tuple[int, int, bytes]]:
        """Return the lines of [radius_attributes] as octets; what does not fit this session is left out."""
        if not self._settings.attributes:
            return []
        from .radius import attributes

        values = {name: str(getattr(self._session, name) or "") for name in PLACEHOLDERS}
        found = []
        for line in self._settings.attributes:
            try:
                found.append(line.attribute.key + (attributes.encode(line.attribute, line.text, values),))
            except ValueError as error:
                self._complain("[radius_attributes] {}: left out: {}".format(line.attribute.name, error))
        return found

    def _spent(self, seconds: float) -> None:
        self._network_seconds += seconds
        self._record["seconds"] = round(self._record["seconds"] + seconds, 3)

    def _complain(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._log.warning("RADIUS: %s", one_line(text))


def _told(rejected: bool, message: str) -> str:
    """Return what the log may say of a Reply-Message: that of a challenge may hold a new PIN."""
    if not message:
        return "no Reply-Message"
    return (
        one_line(message)
        if rejected
        else "Reply-Message of {}".format(counted(len(message), "character", "characters"))
    )
