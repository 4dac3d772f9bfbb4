"""A conversation for tests: plays SPS and the plugin's edge around the pure logic of `lib.login.conversation`."""

import json
import re
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from lib import cookie
from lib.config.model import AuthSettings, ChallengeAnswer, Settings, UsernameSettings
from lib.login import conversation
from lib.login.state import (
    Action,
    Ask,
    Challenged,
    CheckOutcome,
    CheckRecoveryCode,
    HookCall,
    Identity,
    Outcome,
    SendRequest,
    State,
)
from lib.recovery_code import RecoveryHash
from lib.secret import Secret
from tests.support.cases import for_each

ORIGIN = ("radius", "192.0.2.1", 1812)
OTHER_ORIGIN = ("radius_2", "192.0.2.2", 1645)

Transition = Tuple[str, str, str]
"""A place, an event, and the place that it leads to."""


def documented_transitions() -> Iterator[Transition]:
    """Yield the transitions in the docstring of lib.login.conversation."""
    table = (conversation.__doc__ or "").split("-\n", 1)[1].split("\n\n")[0]
    for line in table.splitlines():
        place, event, targets = re.split(" {2,}", line.strip())
        for target in targets.split(", "):
            yield place, event, target


EITHER_WAY = (True, False)
"""Whether answers to earlier questions stay in key_value_pairs: SPS may do either."""
either_way = for_each(cumulative=EITHER_WAY)


def configured(
    max_attempts: int = 3,
    max_challenges: int = 10,
    disable_echo: bool = True,
    push_password: str = "",
    allow_override: bool = False,
    challenge_answers: Sequence[Tuple[str, str]] = (),
    prompt: str = "Code:",
    name_prompt: str = "Name:",
    name_disable_echo: bool = True,
) -> Settings:
    """Return settings without servers."""
    return Settings(
        servers=(),
        total_timeout=60,
        dead_time=120.0,
        auth=AuthSettings(
            prompt=prompt,
            disable_echo=disable_echo,
            interactive_protocols=("ssh",),
            push_password=Secret(push_password),
            max_attempts=max_attempts,
            max_challenges=max_challenges,
        ),
        username=UsernameSettings(prompt=name_prompt, disable_echo=name_disable_echo, allow_override=allow_override),
        challenge_answers=tuple(
            ChallengeAnswer(re.compile(pattern, re.IGNORECASE), Secret(answer)) for pattern, answer in challenge_answers
        ),
    )


def recoverable(settings: Optional[Settings] = None, name: str = "alice") -> Settings:
    """Return settings in which a user has a recovery code; the conversation compares none itself."""
    return (settings or configured())._replace(recovery_codes={name: (RecoveryHash(1, bytes(8), bytes(32)),)})


def hook_call(**pairs: str) -> HookCall:
    """Return what a hook knows in an interactive protocol; all but `gateway_user` and `server` are pairs."""
    return HookCall(pairs.pop("gateway_user", None), pairs.pop("server", None), pairs, can_ask=True)


class Conversation:
    """A login in progress: `pairs` are those in the login name.

    It keeps the cookie as JSON, identifies the user once for each time the name is asked for, and passes answers as
    SPS does, with those before them or alone.
    """

    def __init__(
        self,
        settings: Optional[Settings] = None,
        pairs: Optional[Dict[str, str]] = None,
        cumulative: bool = True,
        can_ask: bool = True,
        gateway_user: Optional[str] = "alice",
        server_username: Optional[str] = None,
        has_password_prompt: bool = True,
    ) -> None:
        self.settings = settings or configured()
        self.hook_call = HookCall(gateway_user, server_username, dict(pairs or {}), can_ask, has_password_prompt)
        self.locked_for = 0.0
        self.identity: Optional[Identity] = None
        self.action: Optional[Action] = None
        self.cumulative = cumulative
        self._cookie = json.dumps(cookie.encode(State()))
        self._identified_round = -1

    @property
    def state(self) -> State:
        """The state as the cookie has it."""
        return cookie.decode(State, json.loads(self._cookie))

    def call(self) -> Action:
        """Play a hook call that brings nothing new."""
        state = self.state
        if self._identified_round != state.name_round:
            state, result = conversation.identify(self.settings, state, self.hook_call)
            if not isinstance(result, Identity):
                return self._done(state, result)
            self.identity = result
            self._identified_round = state.name_round
        return self._done(*conversation.proceed(self.settings, state, self.hook_call, self.locked_for))

    def answer(self, text: str) -> Action:
        """Play the hook call that brings the answer to the open question."""
        assert isinstance(self.action, Ask)
        answer = {self.action.key: text}
        self.hook_call = self.hook_call._replace(
            pairs=dict(self.hook_call.pairs, **answer) if self.cumulative else answer
        )
        return self.call()

    def receive(self, outcome: Outcome) -> Action:
        """Report the outcome of the request in the same hook call."""
        assert isinstance(self.action, SendRequest)
        if isinstance(outcome, Challenged):
            lines = enumerate(self.settings.challenge_answers)
            found = [number for number, line in lines if line.pattern.search(outcome.message)]
            unused = (number for number in found if number not in self.state.used_answers)
            outcome = outcome._replace(answered_by=next(unused, None))
        return self._done(*conversation.receive(self.settings, self.state, self.hook_call, outcome))

    def finish_check(self, outcome: CheckOutcome) -> Action:
        """Report the outcome of the check of a recovery code in the same hook call."""
        assert isinstance(self.action, CheckRecoveryCode)
        return self._done(*conversation.finish_check(self.settings, self.state, self.hook_call, outcome))

    def _done(self, state: State, action: Action) -> Action:
        self._cookie = json.dumps(cookie.encode(state))
        assert self.state == state
        self.action = action
        return action


def after_password(settings: Optional[Settings] = None, **options: Any) -> Conversation:
    """Return a conversation that is about to send the password that the user has typed."""
    conversation = Conversation(settings, **options)
    conversation.call()
    conversation.answer("123456")
    return conversation


def challenge(
    message: str = "Token?",
    echo: Optional[bool] = None,
    state: Optional[bytes] = b"state",
    origin: Tuple[str, str, int] = ORIGIN,
) -> Challenged:
    """Return an Access-Challenge."""
    return Challenged(message, echo, state, origin)


def prompt_of(action: Action) -> str:
    """Return the prompt of a question."""
    assert isinstance(action, Ask)
    return action.prompt


def password_of(action: Action) -> str:
    """Return the password of a request."""
    assert isinstance(action, SendRequest)
    return action.password.reveal()


def first_request(password: str) -> SendRequest:
    """Return the request that begins an attempt."""
    return SendRequest(Secret(password), None, None)


def keeps_no_challenge(state: State) -> bool:
    """Whether nothing is left of an earlier challenge except the number of them."""
    left = (state.challenges, state.prompt, state.echo, state.server_state, state.origin, state.used_answers)
    return left == (0, "", False, None, None, ())
