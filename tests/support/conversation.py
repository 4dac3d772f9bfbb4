"""A conversation for tests: plays SPS and the plugin's edge around the pure logic of `lib.login.conversation`."""

import json
import re
from typing import Any, Dict, Optional, Sequence, Tuple

from lib.config.model import AuthSettings, ChallengeAnswer, Settings, UsernameSettings
from lib.login import conversation
from lib.login.conversation import Action, Ask, Challenged, Exchange, Identity, Known, Outcome, State
from lib.secret import Secret
from tests.support.cases import for_each

ORIGIN = ("radius", "192.0.2.1", 1812)
OTHER_ORIGIN = ("radius_2", "192.0.2.2", 1645)

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


def known(**pairs: str) -> Known:
    """Return what a hook knows in an interactive protocol; all but `gateway_user` and `server` are pairs."""
    return Known(pairs.pop("gateway_user", None), pairs.pop("server", None), pairs, can_ask=True)


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
    ) -> None:
        self.settings = settings or configured()
        self.known = Known(gateway_user, server_username, dict(pairs or {}), can_ask)
        self.identity: Optional[Identity] = None
        self.action: Optional[Action] = None
        self.cumulative = cumulative
        self._cookie = "{}"
        self._identified_round = -1

    @property
    def state(self) -> State:
        """The state as the cookie has it."""
        return State.from_cookie(json.loads(self._cookie))

    def call(self) -> Action:
        """Play a hook call that brings nothing new."""
        state = self.state
        if self._identified_round != state.name_round:
            state, result = conversation.identify(self.settings, state, self.known)
            if not isinstance(result, Identity):
                return self._done(state, result)
            self.identity = result
            self._identified_round = state.name_round
        return self._done(*conversation.proceed(self.settings, state, self.known))

    def answer(self, text: str) -> Action:
        """Play the hook call that brings the answer to the open question."""
        assert isinstance(self.action, Ask)
        answer = {self.action.key: text}
        self.known = self.known._replace(pairs=dict(self.known.pairs, **answer) if self.cumulative else answer)
        return self.call()

    def receive(self, outcome: Outcome) -> Action:
        """Report the outcome of the request in the same hook call."""
        assert isinstance(self.action, Exchange)
        return self._done(*conversation.receive(self.settings, self.state, self.known, outcome))

    def _done(self, state: State, action: Action) -> Action:
        self._cookie = json.dumps(state.to_cookie())
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
    assert isinstance(action, Exchange)
    return action.password.reveal()


def first_request(password: str) -> Exchange:
    """Return the request that begins an attempt."""
    return Exchange(Secret(password), None, None)


def keeps_no_challenge(state: State) -> bool:
    """Whether nothing is left of an earlier challenge except the number of them."""
    left = (state.rounds, state.prompt, state.echo, state.challenge, state.origin, state.answered)
    return left == (0, "", False, None, None, ())
