"""The conversation as pure logic: what is known and what happened go in, and what is done next is compared.

`Conversation` plays SPS and the plugin's edge: it keeps the cookie as JSON, identifies the user once for each time
his name is asked for, and passes answers as SPS does, with those before them or alone.
"""

import json
import re
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lib import reasons
from lib.config.model import AuthSettings, ChallengeAnswer, GroupRules, Settings, UsernameSettings
from lib.login import conversation
from lib.login.conversation import (
    Accept,
    Accepted,
    Action,
    Ask,
    Challenged,
    Deny,
    Exchange,
    Failed,
    Identity,
    Known,
    Locked,
    OriginGone,
    Outcome,
    Rejected,
    State,
    Unsent,
    Unusable,
)
from lib.secret import Secret

ORIGIN = ("radius", "192.0.2.1", 1812)
OTHER_ORIGIN = ("radius_2", "192.0.2.2", 1645)


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
    """Return what is known in an interactive protocol; what is neither `gateway_user` nor `server` is a pair."""
    return Known(pairs.pop("gateway_user", None), pairs.pop("server", None), pairs, can_ask=True)


class Conversation:
    """A login under way: `pairs` are those in the login name."""

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
        """Play the hook call that brings the answer to the question last asked."""
        assert isinstance(self.action, Ask)
        answer = {self.action.key: text}
        self.known = self.known._replace(pairs=dict(self.known.pairs, **answer) if self.cumulative else answer)
        return self.call()

    def receive(self, outcome: Outcome) -> Action:
        """Tell the outcome of the exchange last asked for, in the same hook call."""
        assert isinstance(self.action, Exchange)
        return self._done(*conversation.receive(self.settings, self.state, self.known, outcome))

    def _done(self, state: State, action: Action) -> Action:
        self._cookie = json.dumps(state.to_cookie())
        assert self.state == state
        self.action = action
        return action


@pytest.fixture(params=[True, False], ids=["cumulative", "newest-only"])
def cumulative(request: Any) -> bool:
    """Whether answers to earlier questions stay in key_value_pairs."""
    return bool(request.param)


def challenge(
    message: str = "Token?",
    echo: Optional[bool] = None,
    state: Optional[bytes] = b"state",
    origin: Tuple[str, str, int] = ORIGIN,
) -> Challenged:
    return Challenged(message, echo, state, origin)


def asked(action: Action) -> str:
    """Return the prompt of a question."""
    assert isinstance(action, Ask)
    return action.prompt


def sent(action: Action) -> str:
    """Return the password of an exchange."""
    assert isinstance(action, Exchange)
    return action.password.reveal()


def keeps_no_challenge(state: State) -> bool:
    """Whether nothing is left of an earlier challenge but that there was one."""
    left = (state.rounds, state.prompt, state.echo, state.challenge, state.origin, state.answered)
    return left == (0, "", False, None, None, ())


def first(password: str) -> Exchange:
    return Exchange(Secret(password), None, None)


# Who is it?

SOURCES = ("gateway_user", "gu", "radius_username", "ru", "server", "username")


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_the_name_comes_from_the_first_source_that_has_one(number: int) -> None:
    names = {source: source.upper() for source in SOURCES[number:]}
    _, result = conversation.identify(configured(), State(), known(**names))
    assert isinstance(result, Identity)
    assert (result.name, result.override) == (SOURCES[number].upper(), "")


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_a_source_that_is_empty_is_passed_over(number: int) -> None:
    names = {source: "" for source in SOURCES[:number]}
    names[SOURCES[number]] = "alice"
    _, result = conversation.identify(configured(), State(), known(**names))
    assert result == Identity("alice")


@pytest.mark.parametrize("source", SOURCES)
def test_a_known_name_is_never_asked_for(source: str) -> None:
    for can_ask in (True, False):
        everything = known(**{source: "alice"})._replace(can_ask=can_ask)
        state, result = conversation.identify(configured(), State(), everything)
        assert (state, result) == (State(), Identity("alice"))


@pytest.mark.parametrize("key", conversation.OVERRIDE_KEYS)
@pytest.mark.parametrize("source", ["gateway_user", "gu"])
def test_a_typed_radius_name_does_not_change_who_the_user_is(key: str, source: str) -> None:
    everything = known(server="root", **{source: "alice", key: "admin"})
    assert conversation.identify(configured(), State(), everything)[1] == Identity("alice", ignored="admin")
    allowed = configured(allow_override=True)
    # Whom SPS does not know has said both names himself, and neither is worth more.
    chosen = Identity("alice", override="admin") if source == "gateway_user" else Identity("alice", ignored="admin")
    assert conversation.identify(allowed, State(), everything)[1] == chosen


@pytest.mark.parametrize("allow_override", [False, True])
def test_a_typed_radius_name_that_is_the_users_own_is_nothing_special(allow_override: bool) -> None:
    settings = configured(allow_override=allow_override)
    assert conversation.identify(settings, State(), known(gateway_user="alice", ru="alice"))[1] == Identity("alice")
    assert conversation.identify(settings, State(), known(gateway_user="alice", ru=""))[1] == Identity("alice")
    assert conversation.identify(settings, State(), known(ru="alice"))[1] == Identity("alice")


def test_the_first_radius_name_that_is_not_empty_counts() -> None:
    allowed = configured(allow_override=True)
    pairs = known(gateway_user="alice", radius_username="", ru="bob")
    assert conversation.identify(allowed, State(), pairs)[1] == Identity("alice", override="bob")
    pairs = known(gateway_user="alice", radius_username="carol", ru="bob")
    assert conversation.identify(allowed, State(), pairs)[1] == Identity("alice", override="carol")


BAD_NAMES = {
    "nul": "al\0ice",
    "newline": "alice\nroot",
    "escape": "\x1b[2Jalice",
    "c1": "al\x9bice",
    "bidi": "al\u202eice",
    "line-separator": "al\u2028ice",
    "slash": "../../etc/alice",
    "surrogate": "al\udcffice",
    "254-octets": "a" * 254,
    "254-octets-of-utf-8": "\u00fc" * 127,
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
@pytest.mark.parametrize("source", SOURCES)
def test_a_bad_name_is_refused_from_every_source(source: str, name: str) -> None:
    _, result = conversation.identify(configured(), State(), known(**{source: name}))
    assert isinstance(result, Deny)
    assert result.code == "bad-username"
    assert name not in result.detail


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_a_bad_name_is_refused_when_it_was_asked_for(name: str, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    action = conversation.answer(name)
    assert isinstance(action, Deny)
    assert action.code == "bad-username"


def test_a_bad_radius_name_is_refused_only_if_it_would_be_used() -> None:
    pairs = known(gateway_user="alice", ru="../bob")
    assert conversation.identify(configured(), State(), pairs)[1] == Identity("alice", ignored="../bob")
    _, result = conversation.identify(configured(allow_override=True), State(), pairs)
    assert isinstance(result, Deny)
    assert result.code == "bad-username"


def test_names_of_253_octets_and_with_signs_are_fine() -> None:
    for name in ("a" * 253, "\u00fc" * 126 + "x", "EXAMPLE\\alice", "alice@example.com", "a b", "%d{0}$", "密码🔑"):
        assert conversation.identify(configured(), State(), known(gateway_user=name))[1] == Identity(name)


def test_the_name_is_asked_for_when_there_is_none(cumulative: bool) -> None:
    for disable_echo in (True, False):
        settings = configured(name_prompt="Who are you?", name_disable_echo=disable_echo)
        conversation = Conversation(settings, gateway_user=None, cumulative=cumulative)
        assert conversation.call() == Ask("typed_username", "Who are you? ", disable_echo)
        assert asked(conversation.answer(" alice \r\n")) == "Code: "
        assert conversation.identity == Identity("alice")


def test_a_name_cannot_be_asked_for_everywhere() -> None:
    assert Conversation(gateway_user=None, can_ask=False).call() == Deny("no-username")


def test_the_question_for_the_name_is_not_answered_by_the_login_name(cumulative: bool) -> None:
    pairs = {"typed_username": "mallory", "typed_username2": "mallory", "otp": "1"}
    conversation = Conversation(pairs=pairs, gateway_user=None, cumulative=cumulative)
    assert conversation.call() == Ask("typed_username3", "Name: ", True)
    conversation.answer("alice")
    assert conversation.identity == Identity("alice")


def test_when_the_name_has_been_asked_for_nothing_else_is_a_source() -> None:
    everything = known(**{source: "root" for source in SOURCES})
    _, result = conversation.identify(configured(), State(name_round=1), everything)
    assert isinstance(result, Ask)


def test_without_an_answer_the_name_is_asked_for_again() -> None:
    conversation = Conversation(gateway_user=None)
    question, state = conversation.call(), conversation.state
    assert conversation.call() == question
    assert conversation.state == state


@pytest.mark.parametrize("empty", ["", " ", "\r\n", "\t \n"])
def test_empty_names_are_counted(empty: str, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    assert asked(conversation.call()) == "Name: "
    assert asked(conversation.answer(empty)) == "Authentication failed: no user name given. 2 attempts left.\nName: "
    assert asked(conversation.answer(empty)) == "Authentication failed: no user name given. 1 attempt left.\nName: "
    action = conversation.answer(empty)
    assert isinstance(action, Deny)
    assert action.code == "no-username"
    assert len(conversation.state.attempts) == 3


def test_one_attempt_is_one_empty_name(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=1), gateway_user=None, cumulative=cumulative)
    conversation.call()
    action = conversation.answer("")
    assert isinstance(action, Deny)
    assert action.code == "no-username"


def test_the_reason_for_an_empty_name_says_it_once() -> None:
    conversation = Conversation(configured(max_attempts=1), gateway_user=None)
    conversation.call()
    action = conversation.answer("")
    assert isinstance(action, Deny)
    assert reasons.format_reason({}, action.code, action.detail).lower().count("no user name given") == 1


def test_empty_names_and_rejects_are_counted_together(cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    conversation.answer("")
    conversation.answer("alice")
    conversation.answer("1")
    conversation.receive(Rejected("No"))
    assert asked(conversation.answer("alice")) == "Code: "
    conversation.answer("2")
    assert conversation.receive(Rejected("No")) == Deny("too-many-attempts", "No")


@pytest.mark.parametrize("failure", [Rejected("No."), Unusable("No")])
def test_a_name_that_was_asked_for_is_asked_for_again(failure: Outcome, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    conversation.answer("alice")
    assert conversation.identity == Identity("alice")
    conversation.answer("1")
    assert asked(conversation.receive(failure)) == "Authentication failed: No. 2 attempts left.\nName: "
    assert conversation.state.name_round == 1
    assert asked(conversation.answer("bob")) == "Code: "
    assert conversation.identity == Identity("bob")
    assert conversation.answer("2") == first("2")
    assert asked(conversation.receive(failure)) == "Authentication failed: No. 1 attempt left.\nName: "
    assert conversation.state.name_round == 2


def test_a_name_that_was_known_is_not_asked_for(cumulative: bool) -> None:
    for source in ({"gateway_user": "alice"}, {"gateway_user": None, "server_username": "alice"}):
        conversation = Conversation(cumulative=cumulative, **source)
        conversation.call()
        conversation.answer("1")
        assert asked(conversation.receive(Rejected(""))).endswith("\nCode: ")
        assert conversation.state.name_round == 0


# The password of the first request


@pytest.mark.parametrize("key", conversation.PASSWORD_KEYS)
@pytest.mark.parametrize("can_ask", [True, False])
def test_a_password_in_the_login_name_is_the_first_attempt(key: str, can_ask: bool, cumulative: bool) -> None:
    conversation = Conversation(pairs={key: "123456"}, can_ask=can_ask, cumulative=cumulative)
    assert conversation.call() == first("123456")
    action = conversation.receive(Rejected("No"))
    assert conversation.state.attempts == ("No",)
    if not can_ask:
        assert action == Deny("rejected", "No")
        return
    assert asked(action) == "Authentication failed: No. 2 attempts left.\nCode: "
    assert conversation.answer("2") == first("2")
    conversation.receive(Rejected("No"))
    assert conversation.answer("3") == first("3")


@pytest.mark.parametrize("number", range(3))
def test_the_keys_of_the_password_have_an_order(number: int) -> None:
    keys = ["radius_password", "rp", "otp"]
    pairs = {key: key.upper() for key in keys[number:]}
    assert sent(Conversation(pairs=pairs).call()) == keys[number].upper()


def test_a_password_in_the_login_name_is_used_once_when_the_name_is_asked_for() -> None:
    conversation = Conversation(pairs={"otp": "123456"}, gateway_user=None)
    conversation.call()
    assert conversation.answer("alice") == first("123456")
    conversation.receive(Rejected(""))
    assert asked(conversation.answer("bob")) == "Code: "


@pytest.mark.parametrize("push_password", ["", "push"])
def test_nothing_typed_is_a_push(push_password: str, cumulative: bool) -> None:
    settings = configured(push_password=push_password)
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    assert conversation.answer("") == first(push_password)
    assert Conversation(settings, pairs={"otp": ""}, cumulative=cumulative).call() == first(push_password)
    assert Conversation(settings, can_ask=False, cumulative=cumulative).call() == first(push_password)


def test_a_password_is_sent_as_it_was_typed(cumulative: bool) -> None:
    for password in (" ", " 1 ", "pass\tword", "\x00", "ü密🔑", "\udcff", "a" * 5000, "push"):
        conversation = Conversation(cumulative=cumulative)
        conversation.call()
        assert conversation.answer(password) == first(password)


@pytest.mark.parametrize("disable_echo", [True, False])
def test_the_password_is_asked_for(disable_echo: bool, cumulative: bool) -> None:
    conversation = Conversation(configured(disable_echo=disable_echo), cumulative=cumulative)
    assert conversation.call() == Ask("otp", "Code: ", disable_echo)
    assert conversation.answer("1") == first("1")
    assert conversation.receive(Accepted()) == Accept()


@pytest.mark.parametrize("prompt, shown", [("Code: ", "Code: "), ("Code\t", "Code\t"), ("", " "), ("Code\n", "Code\n")])
def test_a_prompt_ends_in_white_space(prompt: str, shown: str) -> None:
    assert asked(Conversation(configured(prompt=prompt)).call()) == shown


def test_without_an_answer_the_same_question_is_asked(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    question, state = conversation.call(), conversation.state
    conversation.known = conversation.known._replace(pairs={"otp2": "1", "radius_password": "2", "ru": "root"})
    assert conversation.call() == question
    assert conversation.state == state
    assert conversation.answer("3") == first("3")


def test_a_protocol_that_cannot_ask_has_one_push() -> None:
    conversation = Conversation(can_ask=False)
    assert conversation.call() == first("")
    assert conversation.call() == Deny("cannot-ask")


@pytest.mark.parametrize(
    "failure, denied",
    [
        (Rejected("No"), Deny("rejected", "No")),
        (Rejected(""), Deny("rejected")),
        (Unusable("too long"), Deny("bad-password", "too long")),
        (Failed("no-reply"), Deny("no-reply")),
        (challenge("Token?\nNow"), Deny("cannot-ask")),
    ],
)
def test_a_protocol_that_cannot_ask_is_denied_at_the_first_failure(failure: Outcome, denied: Deny) -> None:
    for pairs in ({}, {"otp": "123456"}):
        conversation = Conversation(can_ask=False, pairs=pairs)
        conversation.call()
        assert conversation.receive(failure) == denied


# Keys


def test_every_question_has_a_key_of_its_own(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=20), cumulative=cumulative)
    action, keys = conversation.call(), []
    for number in range(10):
        assert isinstance(action, Ask)
        keys.append(action.key)
        assert sent(conversation.answer("answer {}".format(number))) == "answer {}".format(number)
        action = conversation.receive(challenge() if number % 3 else Rejected(""))
    assert keys[:3] == ["otp", "otp2", "otp3"]
    assert len(set(keys)) == 10


def test_pairs_in_the_login_name_that_look_like_answers_are_none(cumulative: bool) -> None:
    planted = {"otp2": "old2", "otp3": "old3", "otp5": "old5"}
    conversation = Conversation(configured(max_attempts=9), pairs=planted, cumulative=cumulative)
    conversation.call()
    for number in range(6):
        assert sent(conversation.answer("new{}".format(number))) == "new{}".format(number)
        conversation.receive(challenge() if number % 2 else Rejected(""))


def test_planted_pairs_answer_no_challenge(cumulative: bool) -> None:
    conversation = Conversation(pairs={"otp": "1", "otp2": "stale"}, cumulative=cumulative)
    assert conversation.call() == first("1")
    action = conversation.receive(challenge())
    assert isinstance(action, Ask)
    assert action.key not in ("otp", "otp2")
    assert conversation.answer("2") == Exchange(Secret("2"), b"state", ORIGIN)


def test_a_planted_pair_that_comes_with_every_call_answers_nothing() -> None:
    """SPS may pass the pairs of the login name and of them only the newest answer."""
    planted = {"otp": "1", "otp2": "stale", "otp3": "stale"}
    conversation = Conversation(pairs=planted, cumulative=False)
    conversation.call()
    for number in range(3):
        question = conversation.receive(challenge())
        assert isinstance(question, Ask)
        assert question.key not in planted
        pairs = dict(planted, **{question.key: str(number)})
        conversation.known = conversation.known._replace(pairs=pairs)
        assert sent(conversation.call()) == str(number)


# Challenges


@pytest.mark.parametrize("state", [b"state", b"\0\xff" * 126 + b"x", b"0x41", None])
def test_the_state_goes_back_to_where_it_came_from(state: Optional[bytes], cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge(state=state))
    assert conversation.answer("2") == Exchange(Secret("2"), state, ORIGIN)
    conversation.receive(challenge(state=b"second", origin=OTHER_ORIGIN))
    assert conversation.answer("3") == Exchange(Secret("3"), b"second", OTHER_ORIGIN)
    conversation.receive(challenge(state=None, origin=OTHER_ORIGIN))
    assert conversation.answer("4") == Exchange(Secret("4"), None, OTHER_ORIGIN)
    assert conversation.receive(Accepted()) == Accept()
    assert conversation.state.all_rounds == 3


@pytest.mark.parametrize(
    "prompt, disable_echo, hidden",
    [
        (None, True, True),
        (None, False, False),
        (True, True, False),
        (True, False, False),
        (False, True, True),
        (False, False, True),
    ],
)
def test_the_echo_of_a_challenge(prompt: Optional[bool], disable_echo: bool, hidden: bool, cumulative: bool) -> None:
    conversation = Conversation(configured(disable_echo=disable_echo), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert conversation.receive(challenge(echo=prompt)) == Ask("otp2", "Token? ", hidden)
    assert conversation.call() == Ask("otp2", "Token? ", hidden)


def test_the_echo_of_one_challenge_is_not_that_of_the_next(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge(echo=True))
    conversation.answer("2")
    action = conversation.receive(challenge(echo=None))
    assert isinstance(action, Ask)
    assert action.disable_echo


def test_the_words_of_a_challenge(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert asked(conversation.receive(challenge("1) Push\n2) SMS"))) == "1) Push\n2) SMS "
    conversation.answer("2")
    assert asked(conversation.receive(challenge(""))) == "Enter your response: "


@pytest.mark.parametrize("most", [0, 1, 2, 10])
def test_the_last_challenge_of_an_attempt(most: int, cumulative: bool) -> None:
    conversation = Conversation(configured(max_challenges=most), cumulative=cumulative)
    conversation.call()
    for number in range(most):
        conversation.answer(str(number))
        assert asked(conversation.receive(challenge())) == "Token? "
    conversation.answer("last")
    assert conversation.receive(challenge()) == Deny("too-many-challenges")
    assert keeps_no_challenge(conversation.state)


def test_challenges_are_counted_anew_in_every_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(max_challenges=2), cumulative=cumulative)
    conversation.call()
    for _ in range(2):
        for number in range(2):
            conversation.answer(str(number))
            assert asked(conversation.receive(challenge())) == "Token? "
        conversation.answer("wrong")
        conversation.receive(Rejected(""))
    assert conversation.state.all_rounds == 4


@pytest.mark.parametrize("failure", [Rejected("No"), Unusable("No"), OriginGone()])
def test_a_fresh_attempt_has_nothing_of_the_old_challenge(failure: Outcome, cumulative: bool) -> None:
    settings = configured(challenge_answers=[("menu", "1")])
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert conversation.receive(challenge("Menu")) == Exchange(Secret("1"), b"state", ORIGIN)
    conversation.receive(challenge(echo=True))
    conversation.answer("2")
    action = conversation.receive(failure)
    assert isinstance(action, Ask)
    assert action.disable_echo
    assert "Token?" not in action.prompt
    assert keeps_no_challenge(conversation.state)
    assert conversation.answer("3") == first("3")


@pytest.mark.parametrize("end", [Accepted(), Failed("no-reply"), Rejected("")])
def test_a_login_that_is_over_keeps_no_challenge(end: Outcome) -> None:
    conversation = Conversation(configured(max_attempts=1))
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("2")
    assert isinstance(conversation.receive(end), (Accept, Deny))
    assert keeps_no_challenge(conversation.state)


@pytest.mark.parametrize("push_password", ["", "push"])
def test_an_empty_answer_to_a_challenge_is_an_empty_password(push_password: str, cumulative: bool) -> None:
    conversation = Conversation(configured(push_password=push_password), cumulative=cumulative)
    conversation.call()
    conversation.answer("123456")
    conversation.receive(challenge("Press Enter"))
    assert conversation.answer("") == Exchange(Secret(""), b"state", ORIGIN)


def test_a_server_that_is_gone_costs_no_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=2), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("2")
    assert (
        asked(conversation.receive(OriginGone()))
        == "The authentication server is no longer available. Please log in again.\nCode: "
    )
    assert conversation.state.attempts == ()
    assert conversation.answer("3") == first("3")
    assert asked(conversation.receive(challenge())) == "Token? "


def test_a_server_that_is_gone_is_no_question_where_none_can_be_asked() -> None:
    settings = configured(challenge_answers=[("menu", "1")])
    conversation = Conversation(settings, can_ask=False)
    conversation.call()
    conversation.receive(challenge("Menu"))
    action = conversation.receive(OriginGone())
    assert isinstance(action, Deny)
    assert action.code in reasons.DENIALS


# [challenge_answers]


@pytest.mark.parametrize("can_ask", [True, False])
def test_a_menu_is_answered_without_asking(can_ask: bool, cumulative: bool) -> None:
    settings = configured(challenge_answers=[("never", "0"), (r"1\) push", "1"), ("PUSH", "2")])
    conversation = Conversation(settings, can_ask=can_ask, cumulative=cumulative, pairs={"otp": "pin"})
    conversation.call()
    action = conversation.receive(challenge("Choose:\n1) Push\n2) SMS", state=b"menu"))
    assert action == Exchange(Secret("1"), b"menu", ORIGIN)
    assert conversation.receive(Accepted()) == Accept()
    assert (conversation.state.all_rounds, conversation.state.attempts) == (1, ())


def test_the_first_line_that_matches_answers_and_then_the_next(cumulative: bool) -> None:
    settings = configured(challenge_answers=[("push", "1"), ("pu.h", "2")])
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    conversation.answer("pin")
    assert conversation.receive(challenge("PUSH", state=b"a")) == Exchange(Secret("1"), b"a", ORIGIN)
    action = conversation.receive(challenge("push", state=b"b", origin=OTHER_ORIGIN))
    assert action == Exchange(Secret("2"), b"b", OTHER_ORIGIN)
    assert asked(conversation.receive(challenge("push"))) == "push "


def test_a_line_answers_once_an_attempt_and_again_in_the_next(cumulative: bool) -> None:
    conversation = Conversation(configured(challenge_answers=[("push", "1")]), cumulative=cumulative)
    conversation.call()
    for _ in range(2):
        conversation.answer("pin")
        assert sent(conversation.receive(challenge("push"))) == "1"
        assert asked(conversation.receive(challenge("push"))) == "push "
        conversation.answer("2")
        conversation.receive(Rejected(""))


def test_an_empty_line_answers_with_an_empty_password() -> None:
    settings = configured(challenge_answers=[("push", "")], push_password="push")
    conversation = Conversation(settings)
    conversation.call()
    conversation.answer("pin")
    assert conversation.receive(challenge("push")) == Exchange(Secret(""), b"state", ORIGIN)


@pytest.mark.parametrize("can_ask", [True, False])
def test_lines_cannot_answer_for_ever(can_ask: bool) -> None:
    settings = configured(challenge_answers=[(".*", str(number)) for number in range(8)], max_challenges=5)
    conversation = Conversation(settings, can_ask=can_ask, pairs={"otp": "pin"})
    conversation.call()
    for _ in range(5):
        assert isinstance(conversation.receive(challenge()), Exchange)
    assert conversation.receive(challenge()) == Deny("too-many-challenges")


def test_a_challenge_that_no_line_matches_is_denied_where_none_can_be_asked() -> None:
    settings = configured(challenge_answers=[("push", "1")])
    conversation = Conversation(settings, can_ask=False)
    conversation.call()
    assert sent(conversation.receive(challenge("push"))) == "1"
    assert conversation.receive(challenge("Code\tfrom\nSMS")) == Deny("cannot-ask")
    assert keeps_no_challenge(conversation.state)


# Attempts


def test_attempts_are_counted_with_their_reasons(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=4), cumulative=cumulative)
    assert asked(conversation.call()) == "Code: "
    conversation.answer("1")
    assert asked(conversation.receive(Rejected("Wrong."))) == "Authentication failed: Wrong. 3 attempts left.\nCode: "
    conversation.answer("2")
    assert asked(conversation.receive(Rejected(""))) == "Authentication failed. 2 attempts left.\nCode: "
    conversation.answer("3")
    assert asked(conversation.receive(Unusable("too long"))) == (
        "Authentication failed: too long. 1 attempt left.\nCode: "
    )
    conversation.answer("4")
    assert conversation.receive(Rejected("Locked")) == Deny("too-many-attempts", "Locked")
    assert conversation.state.attempts == ("Wrong.", "rejected", "too long", "Locked")


def test_a_notice_is_shown_for_one_question_only(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    question = conversation.receive(Rejected("Wrong"))
    assert conversation.call() == question
    conversation.answer("2")
    assert asked(conversation.receive(challenge())) == "Token? "


@pytest.mark.parametrize(
    "message, shown",
    [
        ("Wrong\ncode", "Wrong code"),
        ("a\r\n\tb\x0bc\u2028d", "a b c d"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07done", "red done"),
        ("back\x08\x08\x00\x9b2Jspace", "backspace"),
        ("\u202etxt", "txt"),
        ("{} {0} %s %d", "{} {0} %s %d"),
        ("x" * 600, "x" * 497),
    ],
)
def test_a_servers_message_is_made_safe_on_one_line(message: str, shown: str) -> None:
    conversation = Conversation(configured(max_attempts=2))
    conversation.call()
    conversation.answer("1")
    prompt = asked(conversation.receive(Rejected(message)))
    assert re.sub(r"\.+ 1 attempt left", " 1 attempt left", prompt) == (
        "Authentication failed: {} 1 attempt left.\nCode: ".format(shown)
    )
    conversation.answer("2")
    action = conversation.receive(Rejected(message))
    assert isinstance(action, Deny)
    assert (action.code, action.detail.rstrip(".")) == ("too-many-attempts", shown)


@pytest.mark.parametrize("message", ["", ".", "...", " \n ", "\x1b[0m", "\u200b"])
def test_a_message_that_says_nothing_leaves_no_trace_in_the_notice(message: str) -> None:
    conversation = Conversation()
    conversation.call()
    conversation.answer("1")
    assert asked(conversation.receive(Rejected(message))) == "Authentication failed. 2 attempts left.\nCode: "
    assert len(conversation.state.attempts) == 1
    assert conversation.state.attempts[0]


@pytest.mark.parametrize(
    "failure, denied",
    [
        (Rejected("Locked"), Deny("rejected", "Locked")),
        (Rejected(""), Deny("rejected")),
        (Unusable("too long"), Deny("bad-password", "too long")),
    ],
)
@pytest.mark.parametrize("can_ask", [True, False])
def test_the_only_attempt(failure: Outcome, denied: Deny, can_ask: bool, cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=1), {"otp": "1"}, cumulative, can_ask)
    conversation.call()
    assert conversation.receive(failure) == denied


@pytest.mark.parametrize("code", ["no-reply", "wrong-secret", "bad-username"])
def test_a_network_failure_is_no_attempt_and_ends_the_login(code: str, cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(Rejected("No"))
    conversation.answer("2")
    assert conversation.receive(Failed(code)) == Deny(code)
    assert conversation.state.attempts == ("No",)


def test_an_unusable_answer_to_a_challenge_is_an_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=2), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("x" * 200)
    assert asked(conversation.receive(Unusable("too long"))) == (
        "Authentication failed: too long. 1 attempt left.\nCode: "
    )
    assert conversation.state.attempts == ("too long",)


# The cookie

TEXTS = st.text(st.characters(), max_size=20)
STATES = st.builds(
    State,
    asked=st.sampled_from(["", conversation.USERNAME, conversation.PASSWORD, conversation.CHALLENGE]),
    asked_key=TEXTS,
    questions=st.integers(0, 1000),
    typed_name=TEXTS,
    name_round=st.integers(0, 100),
    notice=TEXTS,
    supplied_used=st.booleans(),
    attempts=st.lists(TEXTS, max_size=3).map(tuple),
    rounds=st.integers(0, 100),
    all_rounds=st.integers(0, 1000),
    prompt=TEXTS,
    echo=st.booleans(),
    challenge=st.one_of(st.none(), st.binary(max_size=253)),
    origin=st.one_of(st.none(), st.tuples(TEXTS, TEXTS, st.integers(1, 65535))),
    answered=st.lists(st.integers(0, 50), max_size=3).map(tuple),
)


@given(STATES)
def test_a_state_survives_json(state: State) -> None:
    assert State.from_cookie(json.loads(json.dumps(state.to_cookie()))) == state


@given(st.binary(max_size=253))
def test_a_challenge_of_any_octets_survives_json(octets: bytes) -> None:
    cookie = json.loads(json.dumps(State(challenge=octets).to_cookie()))
    assert State.from_cookie(cookie).challenge == octets


def test_an_empty_cookie_is_a_new_login() -> None:
    assert State.from_cookie({}) == State()


GARBAGE: List[Any] = [
    None,
    5,
    "cookie",
    [1],
    ["asked"],
    {"unknown": 1},
    {"asked": "nonsense"},
    {"asked": 5},
    {"asked": None},
    {"asked_key": ["otp"]},
    {"questions": "many"},
    {"questions": None},
    {"questions": 1.5},
    {"typed_name": {}},
    {"name_round": "x"},
    {"notice": 5},
    {"supplied_used": "no"},
    {"attempts": 5},
    {"attempts": "abc"},
    {"attempts": [5]},
    {"attempts": None},
    {"rounds": "1"},
    {"prompt": None},
    {"echo": "yes"},
    {"challenge": 5},
    {"challenge": "not base 64"},
    {"challenge": "é"},
    {"challenge": "QQ"},
    {"challenge": "Q!Q=="},
    {"challenge": ["QQ=="]},
    {"origin": 5},
    {"origin": []},
    {"origin": ["radius", "host"]},
    {"origin": ["radius", "host", "port"]},
    {"origin": ["radius", "host", float("inf")]},
    {"origin": ["radius", "host", None]},
    {"origin": ["radius", 5, 1812]},
    {"origin": "ab1"},
    {"answered": 5},
    {"answered": ["x"]},
    {"answered": {"0": 1}},
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=str)
def test_garbage_is_no_state(garbage: Any) -> None:
    with pytest.raises(ValueError) as caught:
        State.from_cookie(garbage)
    assert str(caught.value) == "the cookie does not hold a login's state"


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@given(st.one_of(JSON, st.dictionaries(st.sampled_from(State._fields), JSON, max_size=4)))
def test_any_json_is_a_state_or_an_error(garbage: Any) -> None:
    try:
        state = State.from_cookie(garbage)
    except ValueError:
        return
    assert State.from_cookie(json.loads(json.dumps(state.to_cookie()))) == state


# Whole conversations

PASSWORDS_IN_LOGIN_NAMES = st.dictionaries(
    st.sampled_from(["otp", "rp", "radius_password", "otp2", "otp3", "otp4", "typed_username", "typed_username2"]),
    st.sampled_from(["", "planted", "planted too"]),
    max_size=4,
)
NAMES_IN_LOGIN_NAMES = st.dictionaries(
    st.sampled_from(["gu", "ru", "radius_username", "username"]), st.sampled_from(["", "bob", "carol"]), max_size=1
)
ANSWERS = st.sampled_from([("push", "line 1"), ("p.sh", "line 2"), ("pin", ""), (".*", "line 4")])
MESSAGES = st.sampled_from(["", "Choose push", "New PIN", "Token?", "Wrong\ncode."])


class AnyConversation(RuleBasedStateMachine):
    """Any answers and any outcomes in any order: what must hold always."""

    @initialize(
        settings=st.builds(
            configured,
            max_attempts=st.integers(1, 4),
            max_challenges=st.integers(0, 4),
            disable_echo=st.booleans(),
            push_password=st.sampled_from(["", "push"]),
            allow_override=st.booleans(),
            challenge_answers=st.lists(ANSWERS, max_size=3),
        ),
        planted=PASSWORDS_IN_LOGIN_NAMES,
        names=NAMES_IN_LOGIN_NAMES,
        cumulative=st.booleans(),
        can_ask=st.booleans(),
        gateway_user=st.sampled_from([None, "", "alice", "../alice"]),
    )
    def begin(
        self,
        settings: Settings,
        planted: Dict[str, str],
        names: Dict[str, str],
        cumulative: bool,
        can_ask: bool,
        gateway_user: Optional[str],
    ) -> None:
        self.settings = settings
        self.conversation = Conversation(settings, dict(planted, **names), cumulative, can_ask, gateway_user)
        self.planted = planted
        self.keys: Set[str] = set()
        self.number = 0
        self.failures = self.empty_names = self.exchanges = self.gone = 0
        self.challenge: Optional[Challenged] = None
        self.expected: Optional[str] = self.supplied()
        self.supplied_left = self.expected is not None
        self.asks_name = not (gateway_user or any(names.values()))
        self.check(self.conversation.call(), None)

    def supplied(self) -> Optional[str]:
        """Return what the login name has for a password, or what stands for one where none can be asked for."""
        for key in conversation.PASSWORD_KEYS:
            if key in self.planted:
                return self.planted[key]
        return None if self.conversation.known.can_ask else ""

    def check(self, action: Action, outcome: Optional[Outcome]) -> None:
        """Check what is wanted against everything that happened."""
        self.action = action
        assert isinstance(action, Accept) == isinstance(outcome, Accepted)
        assert self.failures <= self.settings.auth.max_attempts
        cookie = json.dumps(self.conversation.state.to_cookie())
        assert "typed secret" not in cookie
        assert not any(value and json.dumps(value) in cookie for value in self.planted.values())
        if isinstance(action, Deny):
            assert action.code in reasons.DENIALS
            assert "\n" not in action.detail
            assert reasons.format_reason({}, action.code, action.detail)
        elif isinstance(action, Ask):
            assert self.conversation.known.can_ask
            assert action.key not in self.keys | set(self.conversation.known.pairs)
            assert self.failures < self.settings.auth.max_attempts
            assert action.prompt.endswith(" ")
        elif isinstance(action, Exchange):
            self.exchanges += 1
            most = self.settings.auth.max_attempts * (self.settings.auth.max_challenges + 1)
            assert self.exchanges <= most + self.gone * (self.settings.auth.max_challenges + 1)
            if self.challenge is None:
                assert (action.state, action.origin) == (None, None)
                assert self.expected is not None
                assert action.password.reveal() == (self.expected or self.settings.auth.push_password.reveal())
            else:
                assert (action.state, action.origin) == (self.challenge.state, self.challenge.origin)
                if isinstance(outcome, Challenged):
                    lines = [line for line in self.settings.challenge_answers if action.password == line.answer]
                    assert any(line.pattern.search(outcome.message) for line in lines)
                else:
                    assert action.password.reveal() == self.expected
            self.expected = None

    def open(self, what: str) -> bool:
        """Whether the name, or anything else, is being asked for."""
        asks = isinstance(getattr(self, "action", None), Ask)
        return asks and (self.conversation.state.asked == conversation.USERNAME) == (what == "name")

    def answer(self, text: str) -> None:
        assert isinstance(self.action, Ask)
        self.keys.add(self.action.key)
        self.check(self.conversation.answer(text), None)

    @precondition(lambda self: self.open("name"))
    @rule(name=st.sampled_from(["", "  ", "dave", "eve "]))
    def give_name(self, name: str) -> None:
        assert self.asks_name
        self.failures += not name.strip()
        if self.expected is None and self.supplied_left:
            self.expected = self.supplied()
        if not self.conversation.cumulative:
            self.expected = None
        if name.strip() and self.expected is not None:
            self.supplied_left = False
        self.answer(name)

    @precondition(lambda self: self.open("password"))
    @rule(empty=st.booleans())
    def give_password(self, empty: bool) -> None:
        self.number += 1
        self.expected = "" if empty else "typed secret {}".format(self.number)
        self.answer(self.expected)

    @precondition(lambda self: isinstance(getattr(self, "action", None), Ask))
    @rule(stray=st.dictionaries(st.sampled_from(["otp99", "rp", "ru", "gu"]), st.just("stray"), max_size=2))
    def call_without_the_answer(self, stray: Dict[str, str]) -> None:
        before, pairs = self.conversation.state, self.conversation.known.pairs
        self.conversation.known = self.conversation.known._replace(pairs=stray)
        assert self.conversation.call() == self.action
        assert self.conversation.state == before
        self.conversation.known = self.conversation.known._replace(pairs=pairs)

    def outcome(self, outcome: Outcome) -> None:
        self.check(self.conversation.receive(outcome), outcome)
        if isinstance(self.action, Exchange):
            assert isinstance(outcome, Challenged)

    @precondition(lambda self: isinstance(getattr(self, "action", None), Exchange))
    @rule()
    def accept(self) -> None:
        self.challenge = None
        self.outcome(Accepted())

    @precondition(lambda self: isinstance(getattr(self, "action", None), Exchange))
    @rule(message=MESSAGES, unusable=st.booleans())
    def reject(self, message: str, unusable: bool) -> None:
        self.failures += 1
        self.challenge = None
        self.supplied_left = False
        self.outcome(Unusable("too long") if unusable else Rejected(message))
        if isinstance(self.action, Ask):
            assert (self.conversation.state.asked == conversation.USERNAME) == self.asks_name

    @precondition(lambda self: isinstance(getattr(self, "action", None), Exchange))
    @rule(message=MESSAGES, echo=st.sampled_from([None, True, False]), stateless=st.booleans(), other=st.booleans())
    def challenge_user(self, message: str, echo: Optional[bool], stateless: bool, other: bool) -> None:
        state = None if stateless else "state {}".format(self.exchanges).encode("ascii")
        self.challenge = Challenged(message, echo, state, OTHER_ORIGIN if other else ORIGIN)
        self.supplied_left = False
        self.outcome(self.challenge)
        if isinstance(self.action, Ask):
            hidden = self.settings.auth.disable_echo if echo is None else not echo
            assert self.action.disable_echo == hidden

    @precondition(lambda self: isinstance(getattr(self, "action", None), Exchange))
    @rule()
    def fail(self) -> None:
        self.challenge = None
        self.outcome(Failed("no-reply"))

    @precondition(lambda self: isinstance(getattr(self, "action", None), Exchange) and self.challenge is not None)
    @rule()
    def lose_origin(self) -> None:
        self.gone += 1
        self.challenge = None
        self.outcome(OriginGone())

    @precondition(lambda self: isinstance(getattr(self, "action", None), (Accept, Deny)))
    @rule()
    def be_over(self) -> None:
        assert keeps_no_challenge(self.conversation.state)

    def teardown(self) -> None:
        """Go on failing: it must come to an end."""
        if not hasattr(self, "action"):
            return
        for number in range(200):
            if self.open("name"):
                self.give_name("dave")
            elif self.open("password"):
                self.give_password(False)
            elif isinstance(self.action, Exchange):
                if number % 3:
                    self.challenge_user("push", None, False, False)
                else:
                    self.reject("No", False)
            else:
                assert isinstance(self.action, (Accept, Deny))
                return
        raise AssertionError("the conversation does not end")


TestAnyConversation = AnyConversation.TestCase


# Groups, lockout, break-glass and the admin's own words


def with_groups(*required: str) -> Settings:
    return configured()._replace(groups=GroupRules(((0, 11),), required_groups=required))


def test_groups_of_the_server_come_with_the_accept() -> None:
    conversation = asked_once(with_groups())
    assert conversation.receive(Accepted(("admins", "ops"))) == Accept(("admins", "ops"))
    assert asked_once().receive(Accepted()) == Accept(None)


@pytest.mark.parametrize(
    "groups, action",
    [
        (("b",), Accept(("b",))),
        (("x", "a"), Accept(("x", "a"))),
        (("A",), Deny("not-in-group")),
        ((), Deny("not-in-group")),
    ],
)
def test_one_of_the_required_groups_is_needed(groups: Tuple[str, ...], action: Action) -> None:
    assert asked_once(with_groups("a", "b")).receive(Accepted(groups)) == action


def asked_once(settings: Optional[Settings] = None, **options: Any) -> Conversation:
    """Return a conversation that has asked for the password and is about to send it."""
    conversation = Conversation(settings, **options)
    conversation.call()
    conversation.answer("123456")
    return conversation


@pytest.mark.parametrize("seconds, minutes", [(0.5, 1), (60.0, 1), (61.0, 2), (900.0, 15)])
def test_who_is_locked_out_is_told_before_anything_is_asked_or_sent(seconds: float, minutes: int) -> None:
    conversation = Conversation()
    conversation.known = conversation.known._replace(locked_for=seconds)
    assert conversation.call() == Deny("locked", minutes=minutes)


@pytest.mark.parametrize("code", ["login-in-progress", "bad-username"])
def test_what_cannot_be_sent_ends_the_login_even_in_a_challenge(code: str) -> None:
    settings = configured()._replace(servers=cast(Any, ("one", "two")))
    assert asked_once(settings).receive(Unsent(code)) == Deny(code)
    conversation = asked_once(settings)
    conversation.receive(challenge())
    conversation.answer("x")
    assert conversation.receive(Unsent(code)) == Deny(code)
    assert conversation.state.challenge is None and conversation.state.origin is None


def test_who_is_locked_out_meanwhile_is_told_too() -> None:
    conversation = asked_once()
    conversation.receive(challenge())
    assert isinstance(conversation.answer("x"), Exchange)
    assert conversation.receive(Locked(30.0)) == Deny("locked", minutes=1)
    assert conversation.state.challenge is None and conversation.state.origin is None


BREAK_GLASS = configured()._replace(auth=configured().auth._replace(bypass_when_unreachable=("root", "alice")))


def test_break_glass_account_passes_when_nobody_is_there() -> None:
    assert asked_once(BREAK_GLASS).receive(Failed("no-reply", unreachable=True)) == Accept(bypassed=True)


@pytest.mark.parametrize(
    "settings, options, outcome",
    [
        (BREAK_GLASS, {}, Failed("no-reply", unreachable=False)),
        (BREAK_GLASS, {"gateway_user": "Alice"}, Failed("no-reply", unreachable=True)),
        (BREAK_GLASS, {"gateway_user": None, "server_username": "alice"}, Failed("no-reply", unreachable=True)),
        (BREAK_GLASS, {"gateway_user": None, "pairs": {"gu": "alice"}}, Failed("no-reply", unreachable=True)),
        (BREAK_GLASS, {"gateway_user": ""}, Failed("no-reply", unreachable=True)),
        (None, {}, Failed("no-reply", unreachable=True)),
    ],
)
def test_nobody_else_passes(settings: Optional[Settings], options: Dict[str, Any], outcome: Failed) -> None:
    conversation = Conversation(settings, pairs=dict(options.pop("pairs", {}), username="alice", otp="1"), **options)
    assert isinstance(conversation.call(), Exchange)
    assert conversation.receive(outcome) == Deny("no-reply")


def test_break_glass_needs_the_reject_of_nobody() -> None:
    assert isinstance(asked_once(BREAK_GLASS).receive(Rejected("no")), Ask)


def test_every_text_of_a_login_can_be_replaced() -> None:
    words = {
        "username_prompt": "Wer?",
        "password_prompt": "Kennwort?",
        "challenge_prompt": "Und?",
        "retry": "Nein, noch {left} ({attempts}).",
        "retry_reason": "{reason} Noch {left}.",
        "server_gone": "Weg.",
    }
    settings = configured()._replace(messages=words)
    conversation = Conversation(settings, gateway_user=None)
    assert prompt(conversation.call()) == "Wer? "
    assert prompt(conversation.answer("alice")) == "Kennwort? "
    conversation.answer("1")
    assert prompt(conversation.receive(challenge(""))) == "Und? "
    conversation.answer("2")
    assert prompt(conversation.receive(OriginGone())) == "Weg.\nKennwort? "
    conversation.answer("3")
    assert prompt(conversation.receive(Rejected("Falsch"))) == "Falsch. Noch 2.\nWer? "
    conversation.answer("alice")
    conversation.answer("4")
    assert prompt(conversation.receive(Rejected(""))) == "Nein, noch 1 (1 attempt).\nWer? "


def prompt(action: Action) -> str:
    assert isinstance(action, Ask)
    return action.prompt


@pytest.mark.parametrize(
    "words, code, detail, reason",
    [
        ({}, "rejected", "", "Authentication failed [rejected]"),
        ({}, "rejected", "Wrong code", "Authentication failed: Wrong code [rejected]"),
        ({"rejected": "Nein"}, "rejected", "Wrong code", "Nein: Wrong code [rejected]"),
        ({"rejected": "Nein ({reason})"}, "rejected", "Wrong {code}", "Nein (Wrong {code}) [rejected]"),
        ({"rejected": "{{Nein}}"}, "rejected", "", "{Nein} [rejected]"),
        (
            {"no-reply": ""},
            "no-reply",
            "",
            "The login service is not responding. Try again later or contact your help desk. [no-reply]",
        ),
    ],
)
def test_reason_of_a_deny(words: Dict[str, str], code: str, detail: str, reason: str) -> None:
    assert reasons.format_reason(words, code, detail) == reason


def test_every_denial_has_a_reason_of_its_own() -> None:
    for code in reasons.DENIALS:
        assert reasons.format_reason({}, code, "d", minutes="3").endswith(" [{}]".format(code))
