"""Runs the conversation against RADIUS for one hook call, for the plugin and for the command line.

Brings together the User-Names that servers expect, request attributes, lockout, locks and groups. Knows no SDK.
"""

import logging
import os
import time
from typing import TYPE_CHECKING, Container, List, Optional, Sequence, Tuple

from . import log_lines, reasons
from .config.model import Settings
from .login import conversation
from .login.groups import gateway_groups
from .login.state import (
    Accept,
    Accepted,
    Action,
    Ask,
    Challenged,
    Deny,
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
from .state.lockout import Lockout
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
        self._account = account_name(session.identity)
        self._lockout = Lockout(directories.persistent, settings.lockout) if settings.lockout else None
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
            outcome = self._send(action)
            if isinstance(outcome, Challenged):
                outcome = outcome._replace(answered_by=self._answered_by(state.used_answers, outcome.message))
            state, action = conversation.receive(self._settings, state, call, outcome)
        if isinstance(action, Deny) and action.code == reasons.TOO_MANY_CHALLENGES:
            # A server may answer a wrong code with another challenge, and never with an Access-Reject.
            self._count_failure()
        locked_for = self._locked_for() if isinstance(action, Ask) else 0.0
        if locked_for:  # a user who is locked out by now is not asked for another code
            state, action = conversation.receive(self._settings, state, call, Locked(locked_for))
        for warning in self._warnings():
            _log.warning(one_line(warning))
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
        """Send a request and return what came of it."""
        from .radius import result

        locked_for = self._locked_for()
        if locked_for:
            return Locked(locked_for)
        try:
            answer = self._call_client(request)
        except result.OriginGone:
            log_lines.ORIGIN_GONE.log(_log)
            return OriginUnavailable()
        except result.NotSent as error:
            self._keep_traces(error.section, error.packets)
            log_lines.REQUEST_NOT_SENT.log(_log, user=field(self._session.username), error=error)
            return PasswordUnusable(str(error)) if error.code == reasons.BAD_PASSWORD else NotSent(error.code)
        except result.NoAnswer as no_answer:
            self._keep_traces(no_answer.section, no_answer.packets, no_answer.seconds)
            for line in no_answer.log_lines:
                log_lines.NO_SERVER_ANSWERED.log(_log, cause=one_line(line))
            return NoResponse(no_answer.code, no_answer.unreachable and self._is_every_server_silent())
        self._keep_traces(answer.origin.section, answer.packets, answer.seconds)
        for line in answer.log_lines:
            log_lines.SERVER_FAILED.log(_log, cause=one_line(line))
        return self._outcome(answer)

    def _outcome(self, answer: "result.Answer") -> Outcome:
        """Log a reply, count it for the lockout, and return what the conversation needs of it."""
        from .radius import packet

        reply, origin = answer.reply, answer.origin
        self._record = self._record._replace(server=f"{origin.host}:{origin.port}")
        message = reply_message(answer.messages)
        log_lines.REPLY.log(
            _log,
            reply=packet.NAMES[reply.code],
            user=field(self._record.radius_user),
            section=origin.section,
            server=self._record.server + (f" ({answer.transport})" if answer.transport else ""),
            seconds=answer.seconds,
            sent=counted(answer.transmissions, "transmission", "transmissions"),
            text=_loggable(message, is_secret=reply.code != packet.ACCESS_REJECT),
        )
        if reply.code == packet.ACCESS_CHALLENGE:
            return Challenged(message, reply.echo, reply.state, (origin.section, origin.host, origin.port))
        if reply.code == packet.ACCESS_REJECT:
            self._count_failure()
            return Rejected(message)
        if self._lockout:
            self._lockout.succeeded(self._account)
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
        log_lines.BREAK_GLASS_REFUSED.log(_log, section=answer.origin.section, name=_PROBE_USER)
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
            found, warnings = (), (log_lines.PATTERN_TIMED_OUT.text,)
        user = field(self._session.username)
        for warning in warnings:
            log_lines.GROUPS_WARNING.log(_log, user=user, cause=warning)
        log_lines.GROUPS.log(_log, user=user, groups=one_line(", ".join(map(field, found))) or "none")
        return found

    def _answered_by(self, used: Container[int], message: str) -> Optional[int]:
        """Return the first unused line of [challenge_answers] whose pattern matches, or None."""
        for number, line in enumerate(self._settings.challenge_answers):
            if number in used:
                continue
            from .time_limit import time_limit

            try:
                with time_limit(_PATTERN_SECONDS):
                    if line.pattern.search(message):
                        return number
            except TimeoutError:
                log_lines.ANSWER_SKIPPED.log(_log, place=line.place)
        return None

    def _user_name(self, server: ServerSettings) -> str:
        return radius_name(self._settings.name_rules[server.section], self._session.identity)

    def _locked_for(self) -> float:
        if self._lockout is None:
            return 0.0
        return self._lockout.locked_for(self._account, self._session.client_ip or "", time.time())

    def _count_failure(self) -> None:
        if self._lockout is not None:
            self._lockout.failed(self._account, self._session.client_ip or "", time.time())

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
        lockout = self._lockout.warnings if self._lockout else []
        return lockout + self._locks.warnings + self._server_status.warnings + self._attribute_warnings


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
