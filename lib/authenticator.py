"""Runs the conversation against RADIUS for one hook call, for the plugin and for the command line.

Brings together the User-Names that servers expect, request attributes, lockout, locks and groups. Knows no SDK.
"""

import logging
import time
from typing import TYPE_CHECKING, Container, List, Optional, Sequence, Tuple, Union

from . import log_lines, reasons
from .config.model import LockoutRules, Settings
from .login import conversation
from .login.groups import Groups, gateway_groups
from .login.state import (
    Accept,
    Accepted,
    Action,
    Ask,
    Challenged,
    CheckOutcome,
    CheckRecoveryCode,
    CodeAccepted,
    CodeNotRecorded,
    CodeRejected,
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
from .login.username import account_name, character_problem, radius_name
from .radius.server import ServerSettings
from .secret import Secret
from .session import AcceptedUser, Session, SessionRecord
from .state.directory import StateDirectories
from .state.lockout import Lockout, Login, new_attempt
from .state.recovery_codes import UsedCodes
from .state.server_status import SharedServerStatus
from .state.user_lock import UserLocks
from .text import canonical, counted, field, one_line, printable, reply_message, without_inputs

if TYPE_CHECKING:  # they import pyrad, which a hook that only asks the user must not pay for
    from .radius import packet, result, tunneled

_FEW_CODES = 2  # the log warns when a user has this many left
PATTERN_SECONDS = 2.0  # of processor time, for [gateway_groups] pattern, and for all of [challenge_answers]
_LEAST_SECONDS = 0.05  # for each of [challenge_answers], whatever the others took

_PUSH_WORDS = ("push", "phone", "sms")  # what [auth] push_password is for Duo's proxy: no secrets

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
        """Take the session; mapping has already set its `identity`."""
        self.packets: "List[result.TracedPacket]" = []
        """The packets that the run sent and received."""
        self._settings = settings
        self._session = session
        self._nas_identifier = nas_identifier
        self._lockout = Lockout(directories.persistent, settings.lockout or LockoutRules())
        self._counted = Login(account_name(session.identity), session.identity, session.client_ip or "")
        self._locks = UserLocks(directories.ephemeral)
        self._used_codes = UsedCodes(directories.persistent)
        self._server_status = SharedServerStatus(directories.ephemeral, settings.dead_time)
        self._attribute_warnings: List[str] = []
        self._record = SessionRecord(0.0)
        self._typed: Tuple[str, ...] = ()
        self._challenge: "Optional[tunneled.Challenge]" = None
        """The last challenge, if it came through a tunnel, which exists in this process only."""
        self._seconds = 0.0  # spent on waiting

    def run(self, record: SessionRecord, call: HookCall) -> Tuple[SessionRecord, Action]:
        """Run the conversation until it has to ask the user or ends; log what could not be kept between logins."""
        self._record = record
        self._typed = conversation.typed_secrets(call)
        state, action = conversation.proceed(self._settings, record.login, call, self._locked_for())
        while isinstance(action, (SendRequest, CheckRecoveryCode)):
            if isinstance(action, SendRequest):
                outcome = self._send(action)
                if isinstance(outcome, Challenged):
                    outcome = outcome._replace(answered_by=self._answered_by(state.used_answers, outcome.message))
                state, action = conversation.receive(self._settings, state, call, outcome)
            else:
                state, action = conversation.finish_check(self._settings, state, call, self._check(action.code))
            if state.origin is None:  # the attempt is over, and its failures lock this login, too
                self._record = self._record._replace(attempt="")
        locked_for = self._locked_for() if isinstance(action, Ask) else 0.0
        if locked_for:  # a user who is locked out by now is not asked for another code
            state, action = conversation.receive(self._settings, state, call, Locked(locked_for))
        for warning in self._warnings():
            _log.warning(one_line(warning))
        recovered = isinstance(action, Accept) and action.by_recovery_code
        accepted = isinstance(action, Accept) and not recovered
        return self._record._replace(login=state, accepted=accepted, recovered=recovered), action

    def _send(self, request: SendRequest) -> Outcome:
        """Send a request, with `serialize_user` once no other login of this user is in progress."""
        if not self._settings.auth.serialize_user:
            return self._ask_servers(request)
        began = time.monotonic()
        # Of the account, as for the lockout: another spelling of the name would get past the lock.
        with self._locks.locked(self._counted.account, self._settings.total_timeout - self._seconds) as is_ours:
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
            return NoResponse(no_answer.code, no_answer.is_alive)
        self._keep_traces(answer.origin.section, answer.packets, answer.seconds)
        for line in answer.log_lines:
            log_lines.SERVER_FAILED.log(_log, cause=one_line(line))
        return self._outcome(answer, request.password)

    def _outcome(self, answer: "result.Answer", password: Secret) -> Outcome:
        """Log a reply and return it as an outcome."""
        from .radius import packet

        reply, origin = answer.reply, answer.origin
        self._record = self._record._replace(server=f"{origin.host}:{origin.port}")
        sent = password.reveal()
        inputs = self._typed + (() if sent.lower() in _PUSH_WORDS else (sent,))
        message = without_inputs(reply_message(answer.messages), inputs)
        via = ", ".join(filter(None, (answer.transport, answer.tunnel)))
        log_lines.REPLY.log(
            _log,
            reply=packet.NAMES[reply.code],
            user=field(self._record.radius_user),
            section=origin.section,
            server=self._record.server + (f" ({via})" if via else ""),
            seconds=answer.seconds,
            sent=counted(answer.transmissions, "transmission", "transmissions"),
            text=_loggable(message, is_secret=reply.code != packet.ACCESS_REJECT),
        )
        if reply.code == packet.ACCESS_CHALLENGE:
            self._challenge = answer.challenge
            place = (origin.section, origin.host, origin.port)
            return Challenged(message, reply.echo, reply.state, place, in_tunnel=answer.challenge is not None)
        if reply.code == packet.ACCESS_REJECT:
            return Rejected(message)
        if self._settings.accounting:
            self._record = self._record._replace(accepted_user=_accepted_user(reply, answer.outer_name))
        return Accepted(self._groups(reply))

    def _call_client(self, request: SendRequest) -> "result.Answer":
        """Ask the servers for the time that is left."""
        from .radius import client, packet, result
        from .radius.request import LoginRequest, Origin
        from .request_attributes import request_attributes

        servers, seconds = self._settings.servers, self._settings.total_timeout - self._seconds
        names = {server.section: self._user_name(server) for server in servers}
        problem = next(filter(None, map(character_problem, names.values())), "")
        if problem:
            raise result.NotSent(packet.RequestError(reasons.BAD_USERNAME, f"the User-Name: {problem}"), "", ())
        attributes, unfit = request_attributes(self._settings, self._session, self._nas_identifier)
        for each in unfit:
            if not each.line.optional:
                raise result.NotSent(packet.RequestError(reasons.BAD_CONFIGURATION, str(each)), "", ())
        self._attribute_warnings = [each.omission for each in unfit]
        login = LoginRequest(
            names,
            request.password,
            attributes,
            request.server_state,
            Origin(*request.origin) if request.origin else None,
            self._challenge if request.origin else None,
        )
        return client.ask(servers, login, seconds, self._server_status)

    def _check(self, code: Secret) -> CheckOutcome:
        """Compare a recovery code with those of the user, and record its use before it can admit the user."""
        locked_for = self._begin()
        if locked_for:
            return Locked(locked_for)
        outcome = self._compare(code)
        self._count(outcome, begins=True)
        return outcome

    def _compare(self, code: Secret) -> CheckOutcome:
        """Return whether a code is an unused one of the user, and record its use."""
        name, user = self._session.username, field(self._session.username)
        is_authenticated = name == self._session.gateway_user
        hashes = self._settings.recovery_codes.get(canonical(name), ()) if is_authenticated else ()
        found = next((each for each in hashes if each.matches(code)), None)
        is_first_use = self._used_codes.use(found) if found else False
        if is_first_use is None:
            return CodeNotRecorded()
        if not is_first_use:
            cause = log_lines.RECOVERY_CODE_USED if found else log_lines.RECOVERY_CODE_WRONG
            log_lines.RECOVERY_CODE_REFUSED.log(_log, user=user, cause=cause.text)
            return CodeRejected()
        left = self._used_codes.unused(hashes)
        log_lines.RECOVERY_CODE_ACCEPTED.log(_log, user=user, left=left)
        if left <= _FEW_CODES:
            log_lines.RECOVERY_CODES_RUNNING_LOW.log(_log, user=user, left=left)
        return CodeAccepted()

    def _groups(self, reply: "packet.Reply") -> Optional[Tuple[str, ...]]:
        """Return the groups in an Access-Accept."""
        rules = self._settings.groups
        if rules is None:
            return None
        from .radius import attributes
        from .time_limit import time_limit  # imports signal, which the SDK does not

        dictionary = self._settings.dictionary
        values = {attributes.by_key(*key, dictionary).name: reply.values_of(*key) for key in rules.attributes}
        try:
            with time_limit(PATTERN_SECONDS):
                found = gateway_groups(rules, values)
        except TimeoutError:
            found = Groups((), (log_lines.PATTERN_TIMED_OUT.text,))
        user = field(self._session.username)
        for warning in found.warnings:
            log_lines.GROUPS_WARNING.log(_log, user=user, cause=warning)
        if found.has_binary_class:
            log_lines.BINARY_CLASS.log(_log, user=user)
        log_lines.GROUPS.log(_log, user=user, groups=one_line(", ".join(map(field, found.names))) or "none")
        return found.names

    def _answered_by(self, used: Container[int], message: str) -> Optional[int]:
        """Return the first unused line of [challenge_answers] whose pattern matches in time, or None."""
        deadline = time.process_time() + PATTERN_SECONDS
        for number, line in enumerate(self._settings.challenge_answers):
            if number in used:
                continue
            from .time_limit import time_limit

            try:
                with time_limit(max(_LEAST_SECONDS, deadline - time.process_time())):
                    if line.pattern.search(message):
                        log_lines.ANSWERED.log(_log, place=line.place)
                        return number
            except TimeoutError:
                log_lines.ANSWER_SKIPPED.log(_log, place=line.place)
        return None

    def _user_name(self, server: ServerSettings) -> str:
        return radius_name(self._settings.name_rules[server.section], self._session.identity, self._session.domains)

    def _locked_for(self) -> float:
        return self._lockout.locked_for(self._counted, self._record.attempt, time.time())

    def _begin(self) -> float:
        """Begin an attempt; return for how many seconds it is locked out."""
        self._record = self._record._replace(attempt=new_attempt())
        return self._lockout.begin(self._counted, self._record.attempt, time.time())

    def _count(self, outcome: Union[Outcome, CheckOutcome], begins: bool) -> None:
        """Count an outcome for the lockout: `begins` is whether it is the first of its attempt."""
        attempt, now = self._record.attempt, time.time()
        is_first_factor = begins and self._settings.auth.max_challenges
        if isinstance(outcome, (Accepted, CodeAccepted)):
            self._lockout.succeeded(self._counted, attempt)
        elif isinstance(outcome, (Rejected, CodeRejected)) or (isinstance(outcome, Challenged) and not is_first_factor):
            self._lockout.failed(self._counted, attempt, now)
        elif begins and not isinstance(outcome, Challenged):
            self._lockout.withdraw(attempt)

    def _keep_traces(self, section: str, packets: "Sequence[result.TracedPacket]", seconds: float = 0.0) -> None:
        """Keep the packets, the seconds that they took, and the server that was asked last, if any."""
        self.packets += packets
        self._spend(seconds)
        for server in self._settings.servers:
            if server.section == section:
                self._record = self._record._replace(method=server.auth_type, radius_user=self._user_name(server))

    def _spend(self, seconds: float) -> None:
        self._seconds += seconds
        self._record = self._record._replace(seconds=round(self._record.seconds + seconds, 3))

    def _warnings(self) -> List[str]:
        """Return warnings about state that could not be kept and attributes that were left out."""
        kept = (self._lockout, self._locks, self._used_codes, self._server_status)
        return [warning for each in kept for warning in each.warnings] + self._attribute_warnings


def _accepted_user(reply: "packet.Reply", outer_name: str) -> AcceptedUser:
    """Return what accounting repeats, except for the name outside the tunnel, which some servers return."""
    from .radius import packet
    from .radius.accounting import CLASS

    names = [printable(name.decode("utf-8", "replace")) for name in reply.values(packet.USER_NAME)[:1]]
    names = [name for name in names if name != outer_name]
    return AcceptedUser("".join(names), tuple(reply.values(CLASS)))


def _loggable(message: str, is_secret: bool) -> str:
    """Return the text of a Reply-Message for the log; that of a challenge may contain a new PIN."""
    if not message:
        return "no Reply-Message"
    return f"Reply-Message of {counted(len(message), 'character', 'characters')}" if is_secret else one_line(message)
