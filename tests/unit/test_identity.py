"""Who the user is: the sources of the user name, the question for it, and the names that are refused."""

from typing import Optional, Tuple

from lib import reasons
from lib.config.model import Settings
from lib.login import conversation
from lib.login.state import Ask, Deny, Identity, Outcome, PasswordUnusable, Rejected, State
from tests.support.cases import for_each
from tests.support.conversation import (
    EITHER_WAY,
    Conversation,
    configured,
    either_way,
    first_request,
    hook_call,
    prompt_of,
)

SOURCES = ("gateway_user", "gu", "radius_username", "ru", "server", "username")
BAD_NAMES = (
    "al\0ice",
    "alice\nroot",
    "\x1b[2Jalice",
    "al\x9bice",  # C1
    "al\u202eice",  # bidirectional override
    "al\u2028ice",  # line separator
    "../../etc/alice",
    "al\udcffice",  # surrogate
    "a" * 254,
    "\u00fc" * 127,  # 254 octets of UTF-8
)


@for_each(number=range(len(SOURCES)))
def test_the_first_source_with_a_name_counts(number: int) -> None:
    names = {source: source.upper() for source in SOURCES[number:]}
    _, result = conversation.identify(configured(), State(), hook_call(**names))
    assert isinstance(result, Identity)
    assert (result.name, result.override) == (SOURCES[number].upper(), "")


@for_each(number=range(len(SOURCES)))
def test_an_empty_source_is_skipped(number: int) -> None:
    names = {source: "" for source in SOURCES[:number]}
    names[SOURCES[number]] = "alice"
    _, result = conversation.identify(configured(), State(), hook_call(**names))
    assert result == Identity("alice")


@for_each(source=SOURCES, can_ask=(True, False))
def test_a_known_name_is_not_asked_for(source: str, can_ask: bool) -> None:
    everything = hook_call(**{source: "alice"})._replace(can_ask=can_ask)
    state, result = conversation.identify(configured(), State(), everything)
    assert (state, result) == (State(), Identity("alice"))


@for_each(key=conversation.OVERRIDE_KEYS, source=("gateway_user", "gu"))
def test_a_typed_radius_name_does_not_change_the_identity(key: str, source: str) -> None:
    everything = hook_call(server="root", **{source: "alice", key: "admin"})
    assert conversation.identify(configured(), State(), everything)[1] == Identity("alice", ignored="admin")
    allowed = configured(allow_override=True)
    # SPS has authenticated the gateway user only; of two names that the user typed neither is worth more.
    chosen = Identity("alice", override="admin") if source == "gateway_user" else Identity("alice", ignored="admin")
    assert conversation.identify(allowed, State(), everything)[1] == chosen


@for_each(allow_override=(False, True))
def test_a_typed_radius_name_equal_to_the_user_name_has_no_effect(allow_override: bool) -> None:
    settings = configured(allow_override=allow_override)
    assert conversation.identify(settings, State(), hook_call(gateway_user="alice", ru="alice"))[1] == Identity("alice")
    assert conversation.identify(settings, State(), hook_call(gateway_user="alice", ru=""))[1] == Identity("alice")
    assert conversation.identify(settings, State(), hook_call(ru="alice"))[1] == Identity("alice")


def test_the_first_radius_name_that_is_not_empty_counts() -> None:
    allowed = configured(allow_override=True)
    pairs = hook_call(gateway_user="alice", radius_username="", ru="bob")
    assert conversation.identify(allowed, State(), pairs)[1] == Identity("alice", override="bob")
    pairs = hook_call(gateway_user="alice", radius_username="carol", ru="bob")
    assert conversation.identify(allowed, State(), pairs)[1] == Identity("alice", override="carol")


@for_each(source=SOURCES, name=BAD_NAMES)
def test_a_bad_name_from_any_source_is_refused(source: str, name: str) -> None:
    _, result = conversation.identify(configured(), State(), hook_call(**{source: name}))
    assert isinstance(result, Deny)
    assert result.code == "bad-username"
    assert name not in result.detail


@for_each(name=BAD_NAMES, cumulative=EITHER_WAY)
def test_a_bad_name_typed_at_the_prompt_is_refused(name: str, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    action = conversation.answer(name)
    assert isinstance(action, Deny)
    assert action.code == "bad-username"


def test_a_bad_radius_name_is_refused_only_if_it_is_used() -> None:
    pairs = hook_call(gateway_user="alice", ru="../bob")
    assert conversation.identify(configured(), State(), pairs)[1] == Identity("alice", ignored="../bob")
    _, result = conversation.identify(configured(allow_override=True), State(), pairs)
    assert isinstance(result, Deny)
    assert result.code == "bad-username"


@for_each(
    name=("a" * 253, "\u00fc" * 126 + "x", "EXAMPLE\\alice", "alice@example.com", "a b", "%d{0}$", "密码🔑"),
)
def test_an_unusual_name_is_valid(name: str) -> None:
    assert conversation.identify(configured(), State(), hook_call(gateway_user=name))[1] == Identity(name)


@for_each(disable_echo=(True, False), cumulative=EITHER_WAY)
def test_an_unknown_name_is_asked_for(disable_echo: bool, cumulative: bool) -> None:
    settings = configured(name_prompt="Who are you?", name_disable_echo=disable_echo)
    conversation = Conversation(settings, gateway_user=None, cumulative=cumulative)
    assert conversation.call() == Ask("typed_username", "Who are you? ", disable_echo)
    assert prompt_of(conversation.answer(" alice \r\n")) == "Code: "
    assert conversation.identity == Identity("alice")


def test_unknown_name_is_denied_if_the_protocol_cannot_ask() -> None:
    assert Conversation(gateway_user=None, can_ask=False).call() == Deny("no-username")


@either_way
def test_the_login_name_does_not_answer_the_question_for_the_name(cumulative: bool) -> None:
    pairs = {"typed_username": "mallory", "typed_username2": "mallory", "otp": "1"}
    conversation = Conversation(pairs=pairs, gateway_user=None, cumulative=cumulative)
    assert conversation.call() == Ask("typed_username3", "Name: ", True)
    conversation.answer("alice")
    assert conversation.identity == Identity("alice")


def test_after_the_question_for_the_name_no_source_counts() -> None:
    everything = hook_call(**{source: "root" for source in SOURCES})
    _, result = conversation.identify(configured(), State(name_round=1), everything)
    assert isinstance(result, Ask)


def test_the_open_question_for_the_name_is_repeated_until_it_is_answered() -> None:
    conversation = Conversation(gateway_user=None)
    question, state = conversation.call(), conversation.state
    assert conversation.call() == question
    assert conversation.state == state


@for_each(empty=("", " ", "\r\n", "\t \n"), cumulative=EITHER_WAY)
def test_an_empty_name_is_a_failed_attempt(empty: str, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    assert prompt_of(conversation.call()) == "Name: "
    once, twice = conversation.answer(empty), conversation.answer(empty)
    assert prompt_of(once) == "Authentication failed: no user name given. 2 attempts left.\nName: "
    assert prompt_of(twice) == "Authentication failed: no user name given. 1 attempt left.\nName: "
    action = conversation.answer(empty)
    assert isinstance(action, Deny)
    assert action.code == "no-username"
    assert len(conversation.state.attempts) == 3


@either_way
def test_an_empty_name_uses_up_the_only_attempt(cumulative: bool) -> None:
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


@either_way
def test_empty_names_and_rejects_are_counted_together(cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    conversation.answer("")
    conversation.answer("alice")
    conversation.answer("1")
    conversation.receive(Rejected("No"))
    assert prompt_of(conversation.answer("alice")) == "Code: "
    conversation.answer("2")
    assert conversation.receive(Rejected("No")) == Deny("too-many-attempts", "No")


@for_each(failure=(Rejected("No."), PasswordUnusable("No")), cumulative=EITHER_WAY)
def test_a_typed_name_is_asked_for_again_after_a_failure(failure: Outcome, cumulative: bool) -> None:
    conversation = Conversation(gateway_user=None, cumulative=cumulative)
    conversation.call()
    conversation.answer("alice")
    assert conversation.identity == Identity("alice")
    conversation.answer("1")
    assert (
        prompt_of(conversation.receive(failure))
        == "Authentication failed: No. 2 attempts left.\nYou entered the name alice.\nName: "
    )
    assert conversation.state.name_round == 1
    assert prompt_of(conversation.answer("bob")) == "Code: "
    assert conversation.identity == Identity("bob")
    assert conversation.answer("2") == first_request("2")
    assert (
        prompt_of(conversation.receive(failure))
        == "Authentication failed: No. 1 attempt left.\nYou entered the name bob.\nName: "
    )
    assert conversation.state.name_round == 2


RETRY = "Authentication failed. 2 attempts left."


def asked_again(name: str, password: str = "1", cumulative: bool = True, settings: Optional[Settings] = None) -> str:
    """Return the prompt after a typed name and a password that the server rejects."""
    conversation = Conversation(settings, gateway_user=None, cumulative=cumulative)
    conversation.call()
    conversation.answer(name)
    conversation.answer(password)
    return prompt_of(conversation.receive(Rejected("")))


@for_each(
    name=("alice", "Alice.Smith-2", "jürgen", "CORP\\alice", "CORP\\a@corp", "alice@corp.example", "a" * 64),
    cumulative=EITHER_WAY,
)
def test_a_hidden_name_is_shown_again(name: str, cumulative: bool) -> None:
    assert asked_again(name, cumulative=cumulative) == f"{RETRY}\nYou entered the name {name}.\nName: "


@for_each(
    name=("123456", "1alice", "hunter2!", "correct horse", "p#ssw0rd", "Pa$$", "a\\b\\c", "a@b@c", "a" * 65),
    cumulative=EITHER_WAY,
)
def test_what_may_be_a_password_is_not_shown(name: str, cumulative: bool) -> None:
    assert asked_again(name, cumulative=cumulative) == f"{RETRY}\nName: "


@either_way
def test_a_name_that_is_also_the_password_is_not_shown(cumulative: bool) -> None:
    assert asked_again("Summer", password="Summer", cumulative=cumulative) == f"{RETRY}\nName: "


@either_way
def test_a_name_that_was_visible_is_not_shown_again(cumulative: bool) -> None:
    settings = configured(name_disable_echo=False)
    assert asked_again("alice", settings=settings, cumulative=cumulative) == f"{RETRY}\nName: "


@for_each(names=(("alice", None), (None, "alice")), cumulative=EITHER_WAY)
def test_a_known_name_is_not_asked_for_after_a_failure(
    names: Tuple[Optional[str], Optional[str]], cumulative: bool
) -> None:
    gateway_user, server_username = names
    conversation = Conversation(gateway_user=gateway_user, server_username=server_username, cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    assert prompt_of(conversation.receive(Rejected(""))).endswith("\nCode: ")
    assert conversation.state.name_round == 0
