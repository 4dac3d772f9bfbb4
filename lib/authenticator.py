"""Runs the conversation against RADIUS for one hook call, for the plugin and for the command line.

Brings together the User-Names that servers expect, request attributes, lockout, locks and groups. Knows no SDK.
"""

import logging
import os
import time
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from . import reasons
from .config.model import LockoutRules, Settings
from .login import conversation
from .login.groups import gateway_groups
from .login.state import (
    Accept,
    Accepted,
    Action,
    Ask,
    Challenged,
    HookCall,
    Locked,
    NoResponse,
    NotSent,
    OriginUnavailable,
    Outcome,
    PasswordUnusable,
    Rejected,
    SendRequest,
)
from .login.username import account_name, radius_name
from .radius.server import ServerSettings
from .secret import Secret
from .session import AcceptedUser, Session, SessionRecord
from .state.directory import StateDirectories
from .state.lockout import Lockout, Login, new_attempt
from .state.server_status import Health
from .state.user_lock import UserLocks
from .text import counted, field, one_line, reply_message

if TYPE_CHECKING:  # they import pyrad, which a hook that only asks the user must not pay for
    from .radius import packet, result

_PROBE_USER = "sps-is-anybody-there"  # a user name that no server knows
_PROBE_SECONDS = 3.0  # for one address
_PATTERN_SECONDS = 5.0  # after which a pattern is taken for one that never ends

_log = logging.getLogger("SPS_RADIUS")


class Authenticator:
    """The RADIUS servers as one hook call of a session sees them: `total_timeout` is the limit for the whole call."""

    def __init__(
        self,
        settings: Settings,
        session: Session,
        nas_identifier: str,
        directories: StateDirectories,
    ) -> None:
        """Take the session after mapping has made its `identity`."""
        self.packets: "List[result.TracedPacket]" = []
        """All that the run sent and received."""
        self._settings = settings
        self._session = session
        self._nas_identifier = nas_identifier
        self._lockout = Lockout(directories.persistent, settings.lockout or LockoutRules())
        self._counted = Login(account_name(session.identity), session.identity, session.client_ip or "")
        self._locks = UserLocks(directories.ephemeral)
        self._server_status = Health(directories.ephemeral, settings.dead_time)
        self._attribute_warnings: List[str] = []
        self._record = SessionRecord(0.0)
        self._seconds = 0.0  # spent on waiting

    def run(self, record: SessionRecord, call: HookCall) -> Tuple[SessionRecord, Action]:
        """Run the conversation until it needs the user or is over; log what could not be kept between logins."""
        self._record = record
        state, action = conversation.proceed(self._settings, record.login, call, self._locked_for())
        while isinstance(action, SendRequest):
            state, action = conversation.receive(self._settings, state, call, self._send(action))
            if state.origin is None:  # the attempt is over, and its failures lock this login, too
                self._record = self._record._replace(attempt="")
        locked_for = self._locked_for() if isinstance(action, Ask) else 0.0
        if locked_for:  # a user who is locked out by now is not asked for another code
            state, action = conversation.receive(self._settings, state, call, Locked(locked_for))
        for warning in self._warnings():
            _log.warning("%s", one_line(warning))
        accepted = isinstance(action, Accept) and not action.bypassed
        return self._record._replace(login=state, accepted=accepted), action

    def _send(self, request: SendRequest) -> Outcome:
        """Send a request, with `serialize_user` once no other login of this user is in progress."""
        if not self._settings.auth.serialize_user:
            return self._ask_servers(request)
        began = time.monotonic()
        user = self._user_name(self._settings.servers[0])
        with self._locks.locked(user, self._settings.total_timeout - self._seconds) as is_ours:
            self._spend(time.monotonic() - began)
            return self._ask_servers(request) if is_ours else NotSent(reasons.LOGIN_IN_PROGRESS)

    def _ask_servers(self, request: SendRequest) -> Outcome:
        """Send a request unless the user or the client is locked out, and count what came of it."""
        locked_for = self._begin() if request.origin is None else self._locked_for()
        if locked_for:
            return Locked(locked_for)
        outcome = self._call(request)
        self._count(outcome, begins=request.origin is None)
        return outcome

    def _call(self, request: SendRequest) -> Outcome:
        """Send a request and return what came of it."""
        from .radius import result

        try:
            answer = self._call_client(request)
        except result.OriginGone:
            _log.warning("Login starts over: the server that sent the challenge is not configured any more")
            return OriginUnavailable()
        except result.NotSent as error:
            self._keep_traces(error.section, error.packets)
            _log.warning("Request for user %s not sent: %s", field(self._session.username), error)
            return PasswordUnusable(str(error)) if error.code == reasons.BAD_PASSWORD else NotSent(error.code)
        except result.NoAnswer as no_answer:
            self._keep_traces(no_answer.section, no_answer.packets, no_answer.seconds)
            for line in no_answer.log_lines:
                _log.error("RADIUS: %s", one_line(line))
            return NoResponse(no_answer.code, no_answer.unreachable and self._is_every_server_silent())
        self._keep_traces(answer.origin.section, answer.packets, answer.seconds)
        for line in answer.log_lines:
            _log.warning("RADIUS: %s", one_line(line))
        return self._outcome(answer)

    def _outcome(self, answer: "result.Answer") -> Outcome:
        """Log a reply and return what the conversation needs of it."""
        from .radius import packet

        reply, origin = answer.reply, answer.origin
        self._record = self._record._replace(server=f"{origin.host}:{origin.port}")
        message = reply_message(answer.messages)
        _log.info(
            "RADIUS: %s for %s from [%s] %s%s after %.3f s and %s: %s",
            packet.NAMES[reply.code],
            field(self._record.radius_user),
            origin.section,
            self._record.server,
            f" ({answer.transport})" if answer.transport else "",
            answer.seconds,
            counted(answer.transmissions, "transmission", "transmissions"),
            _loggable(message, is_secret=reply.code != packet.ACCESS_REJECT),
        )
        if reply.code == packet.ACCESS_CHALLENGE:
            return Challenged(message, reply.echo, reply.state, (origin.section, origin.host, origin.port))
        if reply.code == packet.ACCESS_REJECT:
            return Rejected(message)
        if self._settings.accounting:
            self._record = self._record._replace(accepted_user=_accepted_user(reply))
        return Accepted(self._groups(reply))

    def _call_client(self, request: SendRequest, probe_user: str = "") -> "result.Answer":
        """Ask the servers for the time that is left; with `probe_user` for this user, shortly, and without memory."""
        from .radius import client
        from .radius.request import LoginRequest, Origin
        from .request_attributes import request_attributes

        servers, seconds = self._settings.servers, self._settings.total_timeout - self._seconds
        attributes, self._attribute_warnings = request_attributes(self._settings, self._session, self._nas_identifier)
        login = LoginRequest(
            {server.section: probe_user or self._user_name(server) for server in servers},
            request.password,
            attributes,
            request.server_state,
            Origin(*request.origin) if request.origin else None,
        )
        if not probe_user:
            return client.ask(servers, login, seconds, self._server_status)
        probed = [
            server._replace(conn_timeout=_PROBE_SECONDS, conn_retries=1, status_check="none") for server in servers
        ]
        return client.ask(probed, login, 2 * _PROBE_SECONDS * len(servers))

    def _is_every_server_silent(self) -> bool:
        """Whether no server responds to anything, for a break-glass user.

        Silence alone proves little: a push may wait for its user, or be refused. For a user name that it does not know,
        a server that is up responds at once.
        """
        from .radius import result

        if not conversation.may_bypass(self._settings, self._session.gateway_user):
            return False
        try:
            answer = self._call_client(SendRequest(Secret(os.urandom(8).hex()), None, None), _PROBE_USER)
        except result.NoAnswer as no_answer:
            return no_answer.unreachable
        except result.NotSent:
            return False
        _log.warning("Break-glass refused: [%s] answered a probe for user %s", answer.origin.section, _PROBE_USER)
        return False

    def _groups(self, reply: "packet.Reply") -> Optional[Tuple[str, ...]]:
        """Return the groups that an Access-Accept brings."""
        rules = self._settings.groups
        if rules is None:
            return None
        from .time_limit import time_limit  # imports signal, which the SDK does not

        values = [value for vendor, number in rules.attributes for value in reply.values_of(vendor, number)]
        try:
            with time_limit(_PATTERN_SECONDS):
                found, warnings = gateway_groups(rules, values)
        except TimeoutError:
            found, warnings = (), ("no groups: [gateway_groups] pattern takes too long",)
        user = field(self._session.username)
        for warning in warnings:
            _log.warning("Groups of %s: %s", user, warning)
        _log.info("Groups of %s: %s", user, one_line(", ".join(map(field, found))) or "none")
        return found

    def _user_name(self, server: ServerSettings) -> str:
        return radius_name(self._settings.name_rules[server.section], self._session.identity)

    def _locked_for(self) -> float:
        return self._lockout.locked_for(self._counted, self._record.attempt, time.time())

    def _begin(self) -> float:
        """Begin an attempt; return for how many seconds it is locked out."""
        self._record = self._record._replace(attempt=new_attempt())
        return self._lockout.begin(self._counted, self._record.attempt, time.time())

    def _count(self, outcome: Outcome, begins: bool) -> None:
        """Count what came of a request: `begins` is whether it was the first of its attempt."""
        attempt, now = self._record.attempt, time.time()
        is_first_factor = begins and self._settings.auth.max_challenges
        if isinstance(outcome, Accepted):
            self._lockout.succeeded(self._counted, attempt)
        elif isinstance(outcome, Rejected) or (isinstance(outcome, Challenged) and not is_first_factor):
            self._lockout.failed(self._counted, attempt, now)
        elif begins and not isinstance(outcome, Challenged):
            self._lockout.withdraw(attempt)

    def _keep_traces(self, section: str, packets: "Sequence[result.TracedPacket]", seconds: float = 0.0) -> None:
        """Keep the packets, the seconds that they took, and which server was asked last, if any was."""
        self.packets += packets
        self._spend(seconds)
        for server in self._settings.servers:
            if server.section == section:
                self._record = self._record._replace(method=server.auth_type, radius_user=self._user_name(server))

    def _spend(self, seconds: float) -> None:
        self._seconds += seconds
        self._record = self._record._replace(seconds=round(self._record.seconds + seconds, 3))

    def _warnings(self) -> List[str]:
        """Return what could not be kept between logins, and what requests left out."""
        return self._lockout.warnings + self._locks.warnings + self._server_status.warnings + self._attribute_warnings


def _accepted_user(reply: "packet.Reply") -> AcceptedUser:
    from .radius import packet
    from .radius.accounting import CLASS

    names = [name.decode("utf-8", "replace") for name in reply.values(packet.USER_NAME)[:1]]
    return AcceptedUser("".join(names), tuple(reply.values(CLASS)))


def _loggable(message: str, is_secret: bool) -> str:
    """Return what the log may say of a Reply-Message: that of a challenge may hold a new PIN."""
    if not message:
        return "no Reply-Message"
    return f"Reply-Message of {counted(len(message), 'character', 'characters')}" if is_secret else one_line(message)
