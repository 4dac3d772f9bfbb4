"""The conversation, pure: what is known and what just happened go in, what to do next comes out.

Everything that decides how a login goes lives here: whose name counts, what is asked and when, what an Access-Reject
or an Access-Challenge leads to, when enough is enough. No SDK, no network, no clock.

    identify:  who is it?            -> Identity | Ask | Deny
    proceed:   a hook call begins    -> Ask | Exchange | Deny
    receive:   an exchange is over   -> Ask | Exchange | Accept | Deny

Each takes the State that the cookie kept and returns the new one with the action.
"""

import base64
import binascii
import math
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from .. import reasons, text
from ..config.model import Settings
from ..namedtuple import NamedTuple
from ..secret import Secret
from .groups import allowed

OVERRIDE_KEYS = ("radius_username", "ru")
PASSWORD_KEYS = ("radius_password", "rp", "otp")
USERNAME, PASSWORD, CHALLENGE = "username", "password", "challenge"
_QUESTION_KEYS = {USERNAME: "typed_username", PASSWORD: "otp", CHALLENGE: "otp"}


class Known(NamedTuple):
    """What SPS passed to the hook: `can_ask` is whether this protocol can show a question.

    `locked_for` is for how many seconds the user is locked out, 0.0 if not.
    """

    gateway_user: Optional[str]
    server_username: Optional[str]
    pairs: Mapping[str, str]
    can_ask: bool
    locked_for: float = 0.0


class State(NamedTuple):
    """What the cookie keeps between calls.

    `asked` and `asked_key` are the open question, if any, and the key under which its answer comes; `questions` counts
    them, so that every key is new and an older answer is never read for a newer one. `name_round` grows when the user
    is asked for the name again. `challenge` and `origin` are the State (RFC 2865 section 5.24), which may be absent,
    and the server that sent it. `answered` are the [challenge_answers] lines used up in this attempt.
    """

    asked: str = ""
    asked_key: str = ""
    questions: int = 0
    typed_name: str = ""
    name_round: int = 0
    notice: str = ""
    supplied_used: bool = False
    attempts: Tuple[str, ...] = ()
    rounds: int = 0
    all_rounds: int = 0
    prompt: str = ""
    echo: bool = False
    challenge: Optional[bytes] = None
    origin: Optional[Tuple[str, str, int]] = None
    answered: Tuple[int, ...] = ()

    def to_cookie(self) -> Dict[str, Any]:
        """Return the state as JSON can carry it."""
        cookie = self._asdict()
        if self.challenge is not None:
            cookie["challenge"] = base64.b64encode(self.challenge).decode("ascii")
        return dict(cookie)

    @classmethod
    def from_cookie(cls, cookie: Mapping[str, Any]) -> "State":
        """Return the state that `to_cookie` gave, after JSON; raise ValueError if it is not one."""
        try:
            values = dict(cookie)
            for name in ("attempts", "answered", "origin"):
                if isinstance(values.get(name), list):  # what JSON makes of a tuple
                    values[name] = tuple(values[name])
            if values.get("challenge") is not None:
                values["challenge"] = base64.b64decode(values["challenge"], validate=True)
            state = cls(**values)
        except (TypeError, ValueError, binascii.Error):
            state = None
        if state is None or not state._is_sound():
            raise ValueError("the cookie does not hold a login's state")
        return state

    def _is_sound(self) -> bool:
        """Whether every field has its type: JSON could hold anything."""
        plain = all(type(value) is type(default) for value, default in zip(self, State()) if default is not None)
        return (
            plain
            and self.asked in ("", USERNAME, PASSWORD, CHALLENGE)
            and set(_types(self.attempts)) <= {str}
            and set(_types(self.answered)) <= {int}
            and (self.origin is None or _types(self.origin) == [str, str, int])
        )


class Identity(NamedTuple):
    """Who the user is to SPS, and the RADIUS User-Name typed with `ru=` if it is to be used, or was ignored."""

    name: str
    override: str = ""
    ignored: str = ""


class Ask(NamedTuple):
    """Ask the user this; the answer comes under `key`."""

    key: str
    prompt: str
    disable_echo: bool


class Exchange(NamedTuple):
    """Ask the RADIUS server: `origin` is the one to ask if a challenge is being answered."""

    password: Secret
    state: Optional[bytes]
    origin: Optional[Tuple[str, str, int]]


class Accept(NamedTuple):
    """Let the user on: `groups` are his if they came from the server, `bypassed` is whether no server was there."""

    groups: Optional[Tuple[str, ...]] = None
    bypassed: bool = False


class Deny(NamedTuple):
    """Refuse: `code` is a denial's, `detail` is on one line and safe to show, `minutes` is for a lockout's text."""

    code: str
    detail: str = ""
    minutes: int = 0


class Accepted(NamedTuple):
    """The server sent an Access-Accept; `groups` are what [gateway_groups] makes of it, None if there is no such."""

    groups: Optional[Tuple[str, ...]] = None


class Rejected(NamedTuple):
    """The server sent an Access-Reject; `message` is its Reply-Message made safe."""

    message: str


class Challenged(NamedTuple):
    """The server sent an Access-Challenge; `echo` is what its Prompt said, None if it said nothing."""

    message: str
    echo: Optional[bool]
    state: Optional[bytes]
    origin: Tuple[str, str, int]


class Unusable(NamedTuple):
    """The password could not be sent as it is; an attempt all the same."""

    message: str


class Failed(NamedTuple):
    """No server gave an answer; `code` is a denial's. Not an attempt of the user's.

    `unreachable` is whether every server was tried and not one sent anything.
    """

    code: str
    unreachable: bool = False


class Unsent(NamedTuple):
    """Nothing was sent, nor would be if the user tried again; `code` is a denial's code."""

    code: str


class Locked(NamedTuple):
    """Nothing was sent: the user is locked out for so many seconds."""

    seconds: float


class OriginGone(NamedTuple):
    """The server that sent the challenge cannot be asked any more; its State must not go elsewhere."""


Outcome = Union[Accepted, Rejected, Challenged, Unusable, Failed, Unsent, Locked, OriginGone]
Action = Union[Ask, Exchange, Accept, Deny]


def identify(settings: Settings, state: State, known: Known) -> Tuple[State, Union[Identity, Ask, Deny]]:
    """Say whose login this is, or ask; refuse a name that must not be used before anything else sees it."""
    if state.asked == USERNAME:
        answer = known.pairs.get(state.asked_key)
        if answer is None:
            return state, _open_question(settings, state)
        state = state._replace(asked="", asked_key="", notice="", typed_name=answer.strip(" \t\r\n"))
        if not state.typed_name:
            return _failed_attempt(settings, state, known, "no user name given", "no-username")
    override = next((known.pairs[key] for key in OVERRIDE_KEYS if known.pairs.get(key)), "")
    name = state.typed_name
    if not (name or state.name_round):
        name = (
            known.gateway_user
            or known.pairs.get("gu")
            or override
            or known.server_username
            or known.pairs.get("username")
            or ""
        )
    if not name:
        return _ask(settings, state, known, USERNAME) if known.can_ask else (state, Deny("no-username"))
    use_override = settings.username.allow_override and bool(known.gateway_user) and override not in ("", name)
    for candidate in (name, override if use_override else ""):
        problem = text.name_problem(candidate)
        if problem:
            return state, Deny("bad-username", problem)
    if use_override:
        return state, Identity(name, override=override)
    return state, Identity(name, ignored=override if override != name else "")


def proceed(settings: Settings, state: State, known: Known) -> Tuple[State, Action]:
    """Begin a hook call whose user is known: take the answer to the open question, or ask the first one."""
    if known.locked_for:
        return receive(settings, state, known, Locked(known.locked_for))
    if state.asked:
        answer = known.pairs.get(state.asked_key)
        if answer is None:
            return state, _open_question(settings, state)
        asked, state = state.asked, state._replace(asked="", asked_key="", notice="")
        if asked == CHALLENGE:
            state = state._replace(prompt="")  # a server may have put a new PIN into it
            return state, Exchange(Secret(answer), state.challenge, state.origin)
        return state, _first_request(settings, answer)
    supplied = next((known.pairs[key] for key in PASSWORD_KEYS if known.pairs.get(key) is not None), None)
    if supplied is None and not known.can_ask:
        supplied = ""
    if supplied is not None and not state.supplied_used:
        return state._replace(supplied_used=True), _first_request(settings, supplied)
    return _ask(settings, state, known, PASSWORD) if known.can_ask else (state, Deny("cannot-ask"))


def receive(settings: Settings, state: State, known: Known, outcome: Outcome) -> Tuple[State, Action]:
    """Say what an exchange's outcome leads to."""
    if isinstance(outcome, Accepted):
        if settings.groups is not None and not allowed(settings.groups, outcome.groups or ()):
            return _forget_challenge(state), Deny("not-in-group")
        return _forget_challenge(state), Accept(outcome.groups)
    if isinstance(outcome, Unsent):
        return _forget_challenge(state), Deny(outcome.code)
    if isinstance(outcome, Locked):
        return _forget_challenge(state), Deny("locked", minutes=math.ceil(outcome.seconds / 60))
    if isinstance(outcome, Failed) and outcome.unreachable and may_bypass(settings, known.gateway_user):
        return _forget_challenge(state), Accept(bypassed=True)
    if isinstance(outcome, Failed) and (state.origin is None or len(settings.servers) < 2 or not known.can_ask):
        return _forget_challenge(state), Deny(outcome.code)
    if isinstance(outcome, Challenged):
        return _challenged(settings, state, known, outcome)
    state = _forget_challenge(state)
    if isinstance(outcome, (OriginGone, Failed)):
        # The State must not go to another server (RFC 2865 section 5.24), but a new login may.
        if not known.can_ask:
            return state, Deny("no-reply")
        notice = reasons.format_text(settings.messages, "server_gone")
        return _ask(settings, state._replace(notice=notice), known, PASSWORD)
    code = "bad-password" if isinstance(outcome, Unusable) else "rejected"
    return _failed_attempt(settings, state, known, outcome.message, code)


def may_bypass(settings: Settings, gateway_user: Optional[str]) -> bool:
    """Whether this is a break-glass account of which SPS itself has made sure."""
    return bool(gateway_user) and gateway_user in settings.auth.bypass_when_unreachable


def _challenged(settings: Settings, state: State, known: Known, outcome: Challenged) -> Tuple[State, Action]:
    state = state._replace(
        rounds=state.rounds + 1,
        all_rounds=state.all_rounds + 1,
        prompt=outcome.message or reasons.format_text(settings.messages, "challenge_prompt"),
        echo=outcome.echo if outcome.echo is not None else not settings.auth.disable_echo,
        challenge=outcome.state,
        origin=outcome.origin,
    )
    if state.rounds > settings.auth.max_challenges:
        return _forget_challenge(state), Deny("too-many-challenges")
    for number, line in enumerate(settings.challenge_answers):
        if number not in state.answered and line.pattern.search(outcome.message):
            state = state._replace(answered=state.answered + (number,))
            return state, Exchange(line.answer, state.challenge, state.origin)
    if not known.can_ask:
        return _forget_challenge(state), Deny("cannot-ask")
    return _ask(settings, state, known, CHALLENGE)


def _failed_attempt(
    settings: Settings, state: State, known: Known, message: str, code: str
) -> Tuple[State, Union[Ask, Deny]]:
    """Count an attempt, with its reason; ask again if one is left."""
    line = text.one_line(message)
    state = state._replace(attempts=state.attempts + (line or code,))
    left = settings.auth.max_attempts - len(state.attempts)
    if code == "no-username" and left <= 0:
        return state, Deny(code)
    if left <= 0 and settings.auth.max_attempts > 1:
        return state, Deny("too-many-attempts", line)
    if left <= 0 or not known.can_ask:
        return state, Deny(code, line)
    said = line.rstrip(". ")
    notice = reasons.format_text(
        settings.messages,
        "retry_reason" if said else "retry",
        reason=said if said.endswith(("!", "?")) else said + ".",
        left=str(left),
        attempts=text.counted(left, "attempt", "attempts"),
    )
    state = state._replace(notice=notice)
    if state.typed_name or code == "no-username":
        state = state._replace(typed_name="", name_round=state.name_round + 1)
        return _ask(settings, state, known, USERNAME)
    return _ask(settings, state, known, PASSWORD)


def _first_request(settings: Settings, password: str) -> Exchange:
    return Exchange(Secret(password) if password else settings.auth.push_password, None, None)


def _ask(settings: Settings, state: State, known: Known, what: str) -> Tuple[State, Ask]:
    number = state.questions + 1
    while _question_key(what, number) in known.pairs:
        number += 1
    state = state._replace(asked=what, asked_key=_question_key(what, number), questions=number)
    return state, _open_question(settings, state)


def _question_key(what: str, number: int) -> str:
    return _QUESTION_KEYS[what] + (str(number) if number > 1 else "")


def _open_question(settings: Settings, state: State) -> Ask:
    prompt, disable_echo = {
        USERNAME: (
            reasons.format_text(settings.messages, "username_prompt") or settings.username.prompt,
            settings.username.disable_echo,
        ),
        PASSWORD: (
            reasons.format_text(settings.messages, "password_prompt") or settings.auth.prompt,
            settings.auth.disable_echo,
        ),
        CHALLENGE: (state.prompt, not state.echo),
    }[state.asked]
    shown = "\n".join(part for part in (state.notice, prompt) if part)
    return Ask(state.asked_key, shown if shown[-1:].isspace() else shown + " ", disable_echo)


def _types(values: object) -> List[type]:
    return [type(value) for value in values] if isinstance(values, tuple) else []


def _forget_challenge(state: State) -> State:
    return state._replace(rounds=0, prompt="", echo=False, challenge=None, origin=None, answered=())
