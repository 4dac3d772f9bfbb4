"""The transitions of a login, pure: from the state, the hook call and an outcome to the new state and an action.

Every decision about a login is here: which user name to use, what to ask and when, what follows an Access-Reject or an
Access-Challenge, and when to stop.

    at         event              leads to
    ---------  -----------------  ------------------------------
    begin      hook call          name, password, request, deny
    name       hook call          name
    name       answer             name, password, request, deny
    password   hook call          password
    password   answer             request
    challenge  hook call          challenge
    challenge  answer             request
    recovery   hook call          recovery
    recovery   answer             check
    begin      lockout            deny
    name       lockout            deny
    password   lockout            deny
    challenge  lockout            deny
    recovery   lockout            deny
    request    Accepted           accept, deny
    request    Rejected           name, password, deny
    request    PasswordUnusable   name, password, deny
    request    Challenged         challenge, request, deny
    request    NoResponse         password, recovery, check, deny
    request    OriginUnavailable  password, deny
    request    NotSent            deny
    request    Locked             deny
    check      CodeAccepted       accept, deny
    check      CodeRejected       recovery, deny
    check      CodeNotRecorded    deny
    check      Locked             deny

At `name`, `password`, `challenge` and `recovery` the user has been asked, and SPS calls the hook again, with the answer
or without. At `request` the same hook call sends an Access-Request, at `check` it compares a recovery code, and reports
the outcome. A hook call begins with `identify`, goes on with `proceed` once the user is known (`lockout`: locked out by
then), with `receive` after each request, and with `finish_check` after each check.
"""

import math
import re
from typing import Tuple, Union

from .. import reasons
from ..config.model import Settings
from ..reasons import end_sentence, format_text
from ..secret import Secret
from ..text import canonical, counted, one_line
from .groups import allowed
from .state import (
    CHALLENGE,
    PASSWORD,
    RECOVERY,
    USERNAME,
    Accept,
    Accepted,
    Action,
    Ask,
    Challenged,
    CheckOutcome,
    CheckRecoveryCode,
    CodeAccepted,
    CodeNotRecorded,
    Deny,
    HookCall,
    Identity,
    Locked,
    NoResponse,
    NotSent,
    OriginUnavailable,
    Outcome,
    PasswordUnusable,
    SendRequest,
    State,
)
from .username import name_problem

OVERRIDE_KEYS = ("radius_username", "ru")
PASSWORD_KEYS = ("radius_password", "rp", "otp")
RECOVERY_KEY = "recovery"
_SHOWN_NAME = r"([\w.-]{1,64}\\)?[^\W\d][\w.-]{0,63}(@[\w.-]{1,64})?"
"""A typed name that is shown again: letters, digits, and a few marks, perhaps with a domain or realm; no code."""
_ANSWER_KEYS = {USERNAME: "typed_username", PASSWORD: "otp", CHALLENGE: "otp", RECOVERY: RECOVERY_KEY}


def identify(settings: Settings, state: State, call: HookCall) -> Tuple[State, Union[Identity, Ask, Deny]]:
    """Return who the user is, or ask; refuse a bad name before anything else sees it."""
    if state.question == USERNAME:
        answer = call.pairs.get(state.question_key)
        if answer is None:
            return state, _open_question(settings, state)
        state = state._replace(question="", question_key="", notice="", typed_name=answer.strip(" \t\r\n"))
        if not state.typed_name:
            return _failed_attempt(settings, state, call, "no user name given", reasons.NO_USERNAME)
    override = next((call.pairs[key] for key in OVERRIDE_KEYS if call.pairs.get(key)), "")
    name = state.typed_name
    if not (name or state.name_round):
        sources = (call.gateway_user, call.pairs.get("gu"), override, call.server_username, call.pairs.get("username"))
        name = next((source for source in sources if source), "")
    if not name:
        return _ask(settings, state, call, USERNAME) if call.can_ask else (state, Deny(reasons.NO_USERNAME))
    overrides = settings.username.allow_override and bool(call.gateway_user) and override not in ("", name)
    for candidate in (name, override if overrides else ""):
        problem = name_problem(candidate)
        if problem:
            return state, Deny(reasons.BAD_USERNAME, problem)
    if overrides:
        return state, Identity(name, override=override)
    return state, Identity(name, ignored=override if override != name else "")


def proceed(settings: Settings, state: State, call: HookCall, locked_for: float = 0.0) -> Tuple[State, Action]:
    """Begin a hook call whose user is known: take the answer to the open question, or ask the first one.

    `locked_for` is how many seconds the user is still locked out.
    """
    if locked_for:
        return receive(settings, state, call, Locked(locked_for))
    if state.question:
        answer = call.pairs.get(state.question_key)
        if answer is None:
            return state, _open_question(settings, state)
        question, state = state.question, state._replace(question="", question_key="", notice="")
        if question == RECOVERY:
            return state, CheckRecoveryCode(Secret(answer))
        if question == CHALLENGE:
            state = state._replace(prompt="")  # a server may have put a new PIN into it
            return state, SendRequest(Secret(answer), state.server_state, state.origin)
        return state, _first_request(settings, answer)
    # As in the SDK, an empty `otp` is push, and the others count only if they are not empty.
    supplied = next((call.pairs[key] for key in PASSWORD_KEYS if call.pairs.get(key)), call.pairs.get("otp"))
    if supplied is None and not call.can_ask_password:
        supplied = ""
    if supplied is not None and not state.password_used:
        return state._replace(password_used=True), _first_request(settings, supplied)
    return _ask(settings, state, call, PASSWORD) if call.can_ask_password else (state, Deny(reasons.CANNOT_ASK))


def receive(settings: Settings, state: State, call: HookCall, outcome: Outcome) -> Tuple[State, Action]:
    """Return the state and the action that follow the outcome of a request."""
    if isinstance(outcome, Challenged):
        return _challenged(settings, state, call, outcome)
    answered_challenge = state.origin is not None
    state = state.without_challenge()
    if isinstance(outcome, Accepted):
        is_allowed = settings.groups is None or allowed(settings.groups, outcome.groups or ())
        return state, Accept(outcome.groups) if is_allowed else Deny(reasons.NOT_IN_GROUP)
    if isinstance(outcome, NotSent):
        return state, Deny(outcome.code)
    if isinstance(outcome, Locked):
        return state, _locked(outcome)
    if isinstance(outcome, NoResponse):
        if answered_challenge and call.can_ask_password and len(settings.servers) > 1:
            return _start_over(settings, state, call, outcome.code)
        return _recover(settings, state, call, outcome)
    if isinstance(outcome, OriginUnavailable):
        return _start_over(settings, state, call, reasons.NO_REPLY)
    if isinstance(outcome, PasswordUnusable):
        return _failed_attempt(settings, state, call, outcome.message, reasons.BAD_PASSWORD)
    message = outcome.message if settings.auth.show_reject_reason else ""
    return _failed_attempt(settings, state, call, message, reasons.REJECTED)


def typed_secrets(call: HookCall) -> Tuple[str, ...]:
    """Return the passwords and answers that the user has typed."""
    return tuple(value for key, value in call.pairs.items() if key in PASSWORD_KEYS or re.match("otp[0-9]+$", key))


def finish_check(settings: Settings, state: State, call: HookCall, outcome: CheckOutcome) -> Tuple[State, Action]:
    """Return the state and the action that follow the check of a recovery code."""
    if isinstance(outcome, CodeAccepted):
        # No server has named a group.
        is_allowed = settings.groups is None or allowed(settings.groups, ())
        return state, Accept(by_recovery_code=True) if is_allowed else Deny(reasons.NOT_IN_GROUP)
    if isinstance(outcome, CodeNotRecorded):
        return state, Deny(reasons.RECOVERY_NOT_RECORDED)
    if isinstance(outcome, Locked):
        return state, _locked(outcome)
    return _failed_attempt(settings, state, call, "", reasons.WRONG_RECOVERY_CODE)


def _locked(outcome: Locked) -> Deny:
    return Deny(reasons.LOCKED, minutes=math.ceil(outcome.seconds / 60))


def _recover(settings: Settings, state: State, call: HookCall, outcome: NoResponse) -> Tuple[State, Action]:
    """Ask for a recovery code if no server has proved that it is up and the user, authenticated by SPS, has such codes.

    Otherwise, users could avoid a push by ignoring it.
    """
    code = outcome.code
    # Who typed the name at our prompt is not known to SPS.
    is_authenticated = bool(call.gateway_user) and not (state.typed_name or state.name_round)
    if outcome.is_alive or not is_authenticated or canonical(call.gateway_user or "") not in settings.recovery_codes:
        return state, Deny(code)
    if call.can_ask:
        return _ask(settings, state, call, RECOVERY)
    supplied = call.pairs.get(RECOVERY_KEY)
    return state, CheckRecoveryCode(Secret(supplied)) if supplied else Deny(code)


def _start_over(settings: Settings, state: State, call: HookCall, code: str) -> Tuple[State, Action]:
    """Ask for the password again: a State must not go to another server, but a new login may."""
    if not call.can_ask_password:
        return state, Deny(code)
    notice = format_text(settings.messages, reasons.SERVER_GONE)
    return _ask(settings, state._replace(notice=notice), call, PASSWORD)


def _challenged(settings: Settings, state: State, call: HookCall, outcome: Challenged) -> Tuple[State, Action]:
    state = state._replace(
        challenges=state.challenges + 1,
        all_challenges=state.all_challenges + 1,
        prompt=outcome.message or format_text(settings.messages, reasons.CHALLENGE_PROMPT),
        echo=outcome.echo if outcome.echo is not None else not settings.auth.disable_echo,
        server_state=outcome.server_state,
        origin=outcome.origin,
    )
    if state.challenges > settings.auth.max_challenges:
        return state.without_challenge(), Deny(reasons.TOO_MANY_CHALLENGES)
    if outcome.answered_by is not None:
        state = state._replace(used_answers=state.used_answers + (outcome.answered_by,))
        answer = settings.challenge_answers[outcome.answered_by].answer
        return state, SendRequest(answer, state.server_state, state.origin)
    if outcome.in_tunnel:
        return state.without_challenge(), Deny(reasons.TUNNEL_CHALLENGE)
    if not call.can_ask:
        return state.without_challenge(), Deny(reasons.CANNOT_ASK)
    return _ask(settings, state, call, CHALLENGE)


def _failed_attempt(
    settings: Settings, state: State, call: HookCall, message: str, code: str
) -> Tuple[State, Union[Ask, Deny]]:
    """Count a failed attempt with its reason; ask again if another is left."""
    line = one_line(message)
    state = state._replace(attempts=state.attempts + (line or code,))
    left = settings.auth.max_attempts - len(state.attempts)
    if code == reasons.NO_USERNAME and left <= 0:
        return state, Deny(code)
    if left <= 0 and settings.auth.max_attempts > 1:
        return state, Deny(reasons.TOO_MANY_ATTEMPTS, line)
    needs_no_password = code in (reasons.NO_USERNAME, reasons.WRONG_RECOVERY_CODE)
    if left <= 0 or not (call.can_ask if needs_no_password else call.can_ask_password):
        return state, Deny(code, line)
    state = state._replace(notice=_retry_notice(settings, line.rstrip(". "), left))
    if code == reasons.WRONG_RECOVERY_CODE:
        return _ask(settings, state, call, RECOVERY)
    if state.typed_name or code == reasons.NO_USERNAME:
        notice = state.notice + _entered_name(settings, state.typed_name, call)
        state = state._replace(notice=notice, typed_name="", name_round=state.name_round + 1)
        return _ask(settings, state, call, USERNAME)
    return _ask(settings, state, call, PASSWORD)


def _retry_notice(settings: Settings, reason: str, left: int) -> str:
    return format_text(
        settings.messages,
        reasons.RETRY_REASON if reason else reasons.RETRY,
        reason=end_sentence(reason),
        left=str(left),
        attempts=counted(left, "attempt", "attempts"),
    )


def _entered_name(settings: Settings, name: str, call: HookCall) -> str:
    """Return a line with a name that was typed hidden, or nothing if it could be a password typed by mistake."""
    if not settings.username.disable_echo or name in typed_secrets(call) or not re.fullmatch(_SHOWN_NAME, name):
        return ""
    return "\n" + format_text(settings.messages, reasons.NAME_ENTERED, user=name)


def _first_request(settings: Settings, password: str) -> SendRequest:
    return SendRequest(Secret(password) if password else settings.auth.push_password, None, None)


def _ask(settings: Settings, state: State, call: HookCall, question: str) -> Tuple[State, Ask]:
    number = state.question_count + 1
    while _answer_key(question, number) in call.pairs:
        number += 1
    key = _answer_key(question, number)
    state = state._replace(question=question, question_key=key, question_count=number)
    return state, _open_question(settings, state)


def _answer_key(question: str, number: int) -> str:
    return _ANSWER_KEYS[question] + (str(number) if number > 1 else "")


def _open_question(settings: Settings, state: State) -> Ask:
    if state.question == USERNAME:
        prompt = format_text(settings.messages, reasons.USERNAME_PROMPT) or settings.username.prompt
        disable_echo = settings.username.disable_echo
    elif state.question == PASSWORD:
        prompt = format_text(settings.messages, reasons.PASSWORD_PROMPT) or settings.auth.prompt
        disable_echo = settings.auth.disable_echo
    elif state.question == RECOVERY:
        prompt, disable_echo = format_text(settings.messages, reasons.RECOVERY_PROMPT), True
    else:
        prompt, disable_echo = state.prompt, not state.echo
    shown = "\n".join(part for part in (state.notice, prompt) if part)
    return Ask(state.question_key, shown if shown[-1:].isspace() else shown + " ", disable_echo)
