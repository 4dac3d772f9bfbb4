"""The transitions of a conversation in which the server sends challenges, and [challenge_answers]."""

from typing import Optional, Tuple

from lib import reasons
from lib.login.state import (
    Accept,
    Accepted,
    Ask,
    Deny,
    NoResponse,
    OriginUnavailable,
    Outcome,
    PasswordUnusable,
    Rejected,
    SendRequest,
)
from lib.secret import Secret
from tests.support.cases import for_each
from tests.support.conversation import (
    EITHER_WAY,
    ORIGIN,
    OTHER_ORIGIN,
    Conversation,
    challenge,
    configured,
    either_way,
    first_request,
    keeps_no_challenge,
    password_of,
    prompt_of,
)


@for_each(state=(b"state", b"\0\xff" * 126 + b"x", b"0x41", None), cumulative=EITHER_WAY)
def test_the_state_returns_to_the_server_that_sent_it(state: Optional[bytes], cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge(state=state))
    assert conversation.answer("2") == SendRequest(Secret("2"), state, ORIGIN)
    conversation.receive(challenge(state=b"second", origin=OTHER_ORIGIN))
    assert conversation.answer("3") == SendRequest(Secret("3"), b"second", OTHER_ORIGIN)
    conversation.receive(challenge(state=None, origin=OTHER_ORIGIN))
    assert conversation.answer("4") == SendRequest(Secret("4"), None, OTHER_ORIGIN)
    assert conversation.receive(Accepted()) == Accept()
    assert conversation.state.all_challenges == 3


@for_each(
    case=(
        (None, True, True),
        (None, False, False),
        (True, True, False),
        (True, False, False),
        (False, True, True),
        (False, False, True),
    ),
    cumulative=EITHER_WAY,
)
def test_prompt_decides_the_echo_of_a_challenge(case: Tuple[Optional[bool], bool, bool], cumulative: bool) -> None:
    prompt, disable_echo, hidden = case
    conversation = Conversation(configured(disable_echo=disable_echo), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert conversation.receive(challenge(echo=prompt)) == Ask("otp2", "Token? ", hidden)
    assert conversation.call() == Ask("otp2", "Token? ", hidden)


@either_way
def test_the_echo_of_a_challenge_ends_with_it(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge(echo=True))
    conversation.answer("2")
    action = conversation.receive(challenge(echo=None))
    assert isinstance(action, Ask)
    assert action.disable_echo


@either_way
def test_a_challenge_shows_its_message_or_the_default_prompt(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert prompt_of(conversation.receive(challenge("1) Push\n2) SMS"))) == "1) Push\n2) SMS "
    conversation.answer("2")
    assert prompt_of(conversation.receive(challenge(""))) == "Enter your response: "


@for_each(most=(0, 1, 2, 10), cumulative=EITHER_WAY)
def test_one_challenge_too_many_is_a_deny(most: int, cumulative: bool) -> None:
    conversation = Conversation(configured(max_challenges=most), cumulative=cumulative)
    conversation.call()
    for number in range(most):
        conversation.answer(str(number))
        assert prompt_of(conversation.receive(challenge())) == "Token? "
    conversation.answer("last")
    assert conversation.receive(challenge()) == Deny("too-many-challenges")
    assert keeps_no_challenge(conversation.state)


@either_way
def test_each_attempt_counts_its_own_challenges(cumulative: bool) -> None:
    conversation = Conversation(configured(max_challenges=2), cumulative=cumulative)
    conversation.call()
    for _ in range(2):
        for number in range(2):
            conversation.answer(str(number))
            assert prompt_of(conversation.receive(challenge())) == "Token? "
        conversation.answer("wrong")
        conversation.receive(Rejected(""))
    assert conversation.state.all_challenges == 4


@for_each(failure=(Rejected("No"), PasswordUnusable("No"), OriginUnavailable()), cumulative=EITHER_WAY)
def test_a_new_attempt_keeps_nothing_of_the_last_challenge(failure: Outcome, cumulative: bool) -> None:
    settings = configured(challenge_answers=[("menu", "1")])
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert conversation.receive(challenge("Menu")) == SendRequest(Secret("1"), b"state", ORIGIN)
    conversation.receive(challenge(echo=True))
    conversation.answer("2")
    action = conversation.receive(failure)
    assert isinstance(action, Ask)
    assert action.disable_echo
    assert "Token?" not in action.prompt
    assert keeps_no_challenge(conversation.state)
    assert conversation.answer("3") == first_request("3")


@for_each(end=(Accepted(), NoResponse("no-reply"), Rejected("")))
def test_the_end_of_a_login_keeps_no_challenge(end: Outcome) -> None:
    conversation = Conversation(configured(max_attempts=1))
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("2")
    assert isinstance(conversation.receive(end), (Accept, Deny))
    assert keeps_no_challenge(conversation.state)


@for_each(push_password=("", "push"), cumulative=EITHER_WAY)
def test_an_empty_response_to_a_challenge_is_an_empty_password(push_password: str, cumulative: bool) -> None:
    conversation = Conversation(configured(push_password=push_password), cumulative=cumulative)
    conversation.call()
    conversation.answer("123456")
    conversation.receive(challenge("Press Enter"))
    assert conversation.answer("") == SendRequest(Secret(""), b"state", ORIGIN)


@either_way
def test_loss_of_the_challenging_server_is_not_a_failed_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=2), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("2")
    question = conversation.receive(OriginUnavailable())
    assert prompt_of(question) == "The authentication server is no longer available. Log in again.\nCode: "
    assert conversation.state.attempts == ()
    assert conversation.answer("3") == first_request("3")
    assert prompt_of(conversation.receive(challenge())) == "Token? "


def test_loss_of_the_challenging_server_denies_if_the_protocol_cannot_ask() -> None:
    settings = configured(challenge_answers=[("menu", "1")])
    conversation = Conversation(settings, can_ask=False)
    conversation.call()
    conversation.receive(challenge("Menu"))
    action = conversation.receive(OriginUnavailable())
    assert isinstance(action, Deny)
    assert action.code in reasons.DENIALS


# [challenge_answers]


@for_each(can_ask=(True, False), cumulative=EITHER_WAY)
def test_a_line_answers_a_menu_without_a_question(can_ask: bool, cumulative: bool) -> None:
    settings = configured(challenge_answers=[("never", "0"), (r"1\) push", "1"), ("PUSH", "2")])
    conversation = Conversation(settings, can_ask=can_ask, cumulative=cumulative, pairs={"otp": "pin"})
    conversation.call()
    action = conversation.receive(challenge("Choose:\n1) Push\n2) SMS", state=b"menu"))
    assert action == SendRequest(Secret("1"), b"menu", ORIGIN)
    assert conversation.receive(Accepted()) == Accept()
    assert (conversation.state.all_challenges, conversation.state.attempts) == (1, ())


@either_way
def test_the_first_matching_line_answers_and_then_the_next(cumulative: bool) -> None:
    settings = configured(challenge_answers=[("push", "1"), ("pu.h", "2")])
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    conversation.answer("pin")
    assert conversation.receive(challenge("PUSH", state=b"a")) == SendRequest(Secret("1"), b"a", ORIGIN)
    action = conversation.receive(challenge("push", state=b"b", origin=OTHER_ORIGIN))
    assert action == SendRequest(Secret("2"), b"b", OTHER_ORIGIN)
    assert prompt_of(conversation.receive(challenge("push"))) == "push "


@either_way
def test_a_line_answers_once_per_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(challenge_answers=[("push", "1")]), cumulative=cumulative)
    conversation.call()
    for _ in range(2):
        conversation.answer("pin")
        assert password_of(conversation.receive(challenge("push"))) == "1"
        assert prompt_of(conversation.receive(challenge("push"))) == "push "
        conversation.answer("2")
        conversation.receive(Rejected(""))


def test_a_line_without_an_answer_sends_an_empty_password() -> None:
    settings = configured(challenge_answers=[("push", "")], push_password="push")
    conversation = Conversation(settings)
    conversation.call()
    conversation.answer("pin")
    assert conversation.receive(challenge("push")) == SendRequest(Secret(""), b"state", ORIGIN)


@for_each(can_ask=(True, False))
def test_lines_cannot_answer_forever(can_ask: bool) -> None:
    settings = configured(challenge_answers=[(".*", str(number)) for number in range(8)], max_challenges=5)
    conversation = Conversation(settings, can_ask=can_ask, pairs={"otp": "pin"})
    conversation.call()
    for _ in range(5):
        assert isinstance(conversation.receive(challenge()), SendRequest)
    assert conversation.receive(challenge()) == Deny("too-many-challenges")


def test_unmatched_challenge_denies_if_the_protocol_cannot_ask() -> None:
    settings = configured(challenge_answers=[("push", "1")])
    conversation = Conversation(settings, can_ask=False)
    conversation.call()
    assert password_of(conversation.receive(challenge("push"))) == "1"
    assert conversation.receive(challenge("Code\tfrom\nSMS")) == Deny("cannot-ask")
    assert keeps_no_challenge(conversation.state)
