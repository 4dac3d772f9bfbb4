"""The transitions of a conversation: passwords, keys, attempts, and how a login ends. Challenges are apart."""

import re
from typing import Any, Dict, Tuple, cast

from lib import reasons
from lib.config.model import GroupRules, Settings
from lib.login import conversation
from lib.login.state import (
    Accept,
    Accepted,
    Action,
    Ask,
    CheckOutcome,
    CheckRecoveryCode,
    CodeAccepted,
    CodeNotRecorded,
    CodeRejected,
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
from lib.secret import Secret
from tests.support.cases import for_each
from tests.support.conversation import (
    EITHER_WAY,
    ORIGIN,
    Conversation,
    after_password,
    challenge,
    configured,
    either_way,
    first_request,
    keeps_no_challenge,
    password_of,
    prompt_of,
    recoverable,
)

# The password of the first request


@for_each(key=conversation.PASSWORD_KEYS, can_ask=(True, False), cumulative=EITHER_WAY)
def test_a_password_in_the_login_name_is_the_first_attempt(key: str, can_ask: bool, cumulative: bool) -> None:
    conversation = Conversation(pairs={key: "123456"}, can_ask=can_ask, cumulative=cumulative)
    assert conversation.call() == first_request("123456")
    action = conversation.receive(Rejected("No"))
    assert conversation.state.attempts == ("No",)
    if not can_ask:
        assert action == Deny("rejected", "No")
        return
    assert prompt_of(action) == "Authentication failed: No. 2 attempts left.\nCode: "
    assert conversation.answer("2") == first_request("2")
    conversation.receive(Rejected("No"))
    assert conversation.answer("3") == first_request("3")


@for_each(number=range(3))
def test_the_first_password_key_counts(number: int) -> None:
    keys = ["radius_password", "rp", "otp"]
    pairs = {key: key.upper() for key in keys[number:]}
    assert password_of(Conversation(pairs=pairs).call()) == keys[number].upper()


def test_a_password_in_the_login_name_is_used_once_after_the_name_was_typed() -> None:
    conversation = Conversation(pairs={"otp": "123456"}, gateway_user=None)
    conversation.call()
    assert conversation.answer("alice") == first_request("123456")
    conversation.receive(Rejected(""))
    assert prompt_of(conversation.answer("bob")) == "Code: "


@for_each(push_password=("", "push"), cumulative=EITHER_WAY)
def test_an_empty_password_requests_a_push(push_password: str, cumulative: bool) -> None:
    settings = configured(push_password=push_password)
    conversation = Conversation(settings, cumulative=cumulative)
    conversation.call()
    assert conversation.answer("") == first_request(push_password)
    assert Conversation(settings, pairs={"otp": ""}, cumulative=cumulative).call() == first_request(push_password)
    assert Conversation(settings, can_ask=False, cumulative=cumulative).call() == first_request(push_password)


@for_each(key=("radius_password", "rp"), cumulative=EITHER_WAY)
def test_an_empty_password_of_the_vendors_keys_is_passed_over(key: str, cumulative: bool) -> None:
    """Only an empty `otp` is push, as in the SDK."""
    assert Conversation(pairs={key: "", "otp": "1"}, cumulative=cumulative).call() == first_request("1")
    assert Conversation(pairs={key: "", "otp": ""}, cumulative=cumulative).call() == first_request("")
    assert prompt_of(Conversation(pairs={key: ""}, cumulative=cumulative).call()) == "Code: "


@for_each(
    protocol=(
        ("ssh", "ssh,telnet,rdp", True, True),
        ("SSH", "ssh", True, True),
        ("ssh", "rdp", True, False),
        ("Telnet", "", True, False),
        ("rdp", "ssh", True, False),
        ("mssql", "ssh", False, False),
        ("http", "http", True, True),
    )
)
def test_the_password_prompt_is_not_shown_in_every_protocol_with_questions(
    protocol: Tuple[str, str, bool, bool],
) -> None:
    name, listed, can_ask, can_ask_password = protocol
    call = HookCall.of(name, listed.split(","), "alice", None, {})
    assert (call.can_ask, call.can_ask_password) == (can_ask, can_ask_password)


@for_each(max_attempts=(1, 2))
def test_the_reason_of_a_reject_may_be_hidden(max_attempts: int) -> None:
    settings = configured(max_attempts=max_attempts)
    settings = settings._replace(auth=settings.auth._replace(show_reject_reason=False))
    conversation = after_password(settings)
    action = conversation.receive(Rejected("No such user"))
    if max_attempts == 1:
        assert action == Deny("rejected")
        return
    assert prompt_of(action) == "Authentication failed. 1 attempt left.\nCode: "
    conversation.answer("1")
    assert conversation.receive(Rejected("No such user")) == Deny("too-many-attempts")


@either_way
def test_without_a_password_prompt_all_else_is_asked(cumulative: bool) -> None:
    options: Dict[str, Any] = {"cumulative": cumulative, "has_password_prompt": False}
    conversation = Conversation(**options)
    assert conversation.call() == first_request("")
    assert prompt_of(conversation.receive(challenge())) == "Token? "
    assert password_of(conversation.answer("1")) == "1"
    assert conversation.receive(Rejected("No")) == Deny("rejected", "No")
    conversation = Conversation(gateway_user=None, **options)
    assert prompt_of(conversation.call()) == "Name: "
    assert prompt_of(conversation.answer("")).endswith("Name: ")
    assert conversation.answer("alice") == first_request("")
    assert conversation.receive(Rejected("")) == Deny("rejected")
    conversation = Conversation(recoverable(), **options)
    conversation.call()
    assert isinstance(conversation.receive(NoResponse("no-reply")), Ask)
    assert conversation.answer("7K3M") == CheckRecoveryCode(Secret("7K3M"))
    assert isinstance(conversation.finish_check(CodeRejected()), Ask)


@for_each(
    password=(" ", " 1 ", "pass\tword", "\x00", "ü密🔑", "\udcff", "a" * 5000, "push"),
    cumulative=EITHER_WAY,
)
def test_a_password_is_sent_unchanged(password: str, cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    assert conversation.answer(password) == first_request(password)


@for_each(disable_echo=(True, False), cumulative=EITHER_WAY)
def test_the_password_is_asked_for(disable_echo: bool, cumulative: bool) -> None:
    conversation = Conversation(configured(disable_echo=disable_echo), cumulative=cumulative)
    assert conversation.call() == Ask("otp", "Code: ", disable_echo)
    assert conversation.answer("1") == first_request("1")
    assert conversation.receive(Accepted()) == Accept()


@for_each(case=(("Code: ", "Code: "), ("Code\t", "Code\t"), ("", " "), ("Code\n", "Code\n")))
def test_a_prompt_ends_in_white_space(case: Tuple[str, str]) -> None:
    prompt, shown = case
    assert prompt_of(Conversation(configured(prompt=prompt)).call()) == shown


@either_way
def test_the_open_question_is_repeated_until_it_is_answered(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    question, state = conversation.call(), conversation.state
    conversation.hook_call = conversation.hook_call._replace(pairs={"otp2": "1", "radius_password": "2", "ru": "root"})
    assert conversation.call() == question
    assert conversation.state == state
    assert conversation.answer("3") == first_request("3")


def test_a_protocol_without_questions_gets_one_push() -> None:
    conversation = Conversation(can_ask=False)
    assert conversation.call() == first_request("")
    assert conversation.call() == Deny("cannot-ask")


@for_each(
    case=(
        (Rejected("No"), Deny("rejected", "No")),
        (Rejected(""), Deny("rejected")),
        (PasswordUnusable("too long"), Deny("bad-password", "too long")),
        (NoResponse("no-reply"), Deny("no-reply")),
        (challenge("Token?\nNow"), Deny("cannot-ask")),
    ),
    pairs=({}, {"otp": "123456"}),
)
def test_the_first_failure_is_a_deny_in_a_protocol_without_questions(
    case: Tuple[Outcome, Deny], pairs: Dict[str, str]
) -> None:
    failure, denied = case
    conversation = Conversation(can_ask=False, pairs=pairs)
    conversation.call()
    assert conversation.receive(failure) == denied


# Keys


@either_way
def test_every_question_has_a_key_of_its_own(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=20), cumulative=cumulative)
    action, keys = conversation.call(), []
    for number in range(10):
        assert isinstance(action, Ask)
        keys.append(action.key)
        assert password_of(conversation.answer(f"answer {number}")) == f"answer {number}"
        action = conversation.receive(challenge() if number % 3 else Rejected(""))
    assert keys[:3] == ["otp", "otp2", "otp3"]
    assert len(set(keys)) == 10


@either_way
def test_numbered_keys_in_the_login_name_answer_no_question(cumulative: bool) -> None:
    planted = {"otp2": "old2", "otp3": "old3", "otp5": "old5"}
    conversation = Conversation(configured(max_attempts=9), pairs=planted, cumulative=cumulative)
    conversation.call()
    for number in range(6):
        assert password_of(conversation.answer(f"new{number}")) == f"new{number}"
        conversation.receive(challenge() if number % 2 else Rejected(""))


@either_way
def test_keys_in_the_login_name_answer_no_challenge(cumulative: bool) -> None:
    conversation = Conversation(pairs={"otp": "1", "otp2": "stale"}, cumulative=cumulative)
    assert conversation.call() == first_request("1")
    action = conversation.receive(challenge())
    assert isinstance(action, Ask)
    assert action.key not in ("otp", "otp2")
    assert conversation.answer("2") == SendRequest(Secret("2"), b"state", ORIGIN)


def test_keys_in_the_login_name_answer_no_challenge_if_every_call_repeats_them() -> None:
    """SPS may pass the pairs of the login name, and of the answers only the newest."""
    planted = {"otp": "1", "otp2": "stale", "otp3": "stale"}
    conversation = Conversation(pairs=planted, cumulative=False)
    conversation.call()
    for number in range(3):
        question = conversation.receive(challenge())
        assert isinstance(question, Ask)
        assert question.key not in planted
        pairs = dict(planted, **{question.key: str(number)})
        conversation.hook_call = conversation.hook_call._replace(pairs=pairs)
        assert password_of(conversation.call()) == str(number)


# Attempts


@either_way
def test_attempts_are_counted_with_their_reasons(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=4), cumulative=cumulative)
    assert prompt_of(conversation.call()) == "Code: "
    conversation.answer("1")
    question = conversation.receive(Rejected("Wrong."))
    assert prompt_of(question) == "Authentication failed: Wrong. 3 attempts left.\nCode: "
    conversation.answer("2")
    assert prompt_of(conversation.receive(Rejected(""))) == "Authentication failed. 2 attempts left.\nCode: "
    conversation.answer("3")
    question = conversation.receive(PasswordUnusable("too long"))
    assert prompt_of(question) == "Authentication failed: too long. 1 attempt left.\nCode: "
    conversation.answer("4")
    assert conversation.receive(Rejected("Locked")) == Deny("too-many-attempts", "Locked")
    assert conversation.state.attempts == ("Wrong.", "rejected", "too long", "Locked")


@either_way
def test_a_notice_is_shown_with_one_question_only(cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    question = conversation.receive(Rejected("Wrong"))
    assert conversation.call() == question
    conversation.answer("2")
    assert prompt_of(conversation.receive(challenge())) == "Token? "


@for_each(
    case=(
        ("Wrong\ncode", "Wrong code"),
        ("a\r\n\tb\x0bc\u2028d", "a b c d"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07done", "red done"),
        ("back\x08\x08\x00\x9b2Jspace", "backspace"),
        ("\u202etxt", "txt"),
        ("{} {0} %s %d", "{} {0} %s %d"),
        ("x" * 600, "x" * 497),
    )
)
def test_a_message_from_the_server_is_made_safe_on_one_line(case: Tuple[str, str]) -> None:
    message, shown = case
    conversation = Conversation(configured(max_attempts=2))
    conversation.call()
    conversation.answer("1")
    prompt = prompt_of(conversation.receive(Rejected(message)))
    assert re.sub(r"\.+ 1 attempt left", " 1 attempt left", prompt) == (
        f"Authentication failed: {shown} 1 attempt left.\nCode: "
    )
    conversation.answer("2")
    action = conversation.receive(Rejected(message))
    assert isinstance(action, Deny)
    assert (action.code, action.detail.rstrip(".")) == ("too-many-attempts", shown)


@for_each(message=("", ".", "...", " \n ", "\x1b[0m", "\u200b"))
def test_an_empty_message_leaves_no_trace_in_the_notice(message: str) -> None:
    conversation = Conversation()
    conversation.call()
    conversation.answer("1")
    assert prompt_of(conversation.receive(Rejected(message))) == "Authentication failed. 2 attempts left.\nCode: "
    assert len(conversation.state.attempts) == 1
    assert conversation.state.attempts[0]


@for_each(
    case=(
        (Rejected("Locked"), Deny("rejected", "Locked")),
        (Rejected(""), Deny("rejected")),
        (PasswordUnusable("too long"), Deny("bad-password", "too long")),
    ),
    can_ask=(True, False),
    cumulative=EITHER_WAY,
)
def test_the_failure_of_the_only_attempt_is_the_reason(
    case: Tuple[Outcome, Deny], can_ask: bool, cumulative: bool
) -> None:
    failure, denied = case
    conversation = Conversation(configured(max_attempts=1), {"otp": "1"}, cumulative, can_ask)
    conversation.call()
    assert conversation.receive(failure) == denied


@for_each(code=("no-reply", "wrong-secret", "bad-username"), cumulative=EITHER_WAY)
def test_network_failure_ends_the_login_without_a_failed_attempt(code: str, cumulative: bool) -> None:
    conversation = Conversation(cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(Rejected("No"))
    conversation.answer("2")
    assert conversation.receive(NoResponse(code)) == Deny(code)
    assert conversation.state.attempts == ("No",)


@either_way
def test_an_unusable_response_to_a_challenge_is_a_failed_attempt(cumulative: bool) -> None:
    conversation = Conversation(configured(max_attempts=2), cumulative=cumulative)
    conversation.call()
    conversation.answer("1")
    conversation.receive(challenge())
    conversation.answer("x" * 200)
    question = conversation.receive(PasswordUnusable("too long"))
    assert prompt_of(question) == "Authentication failed: too long. 1 attempt left.\nCode: "
    assert conversation.state.attempts == ("too long",)


# Groups


def with_groups(*required: str) -> Settings:
    return configured()._replace(groups=GroupRules(((0, 11),), required_groups=required))


def test_the_accept_brings_the_groups_of_the_server() -> None:
    conversation = after_password(with_groups())
    assert conversation.receive(Accepted(("admins", "ops"))) == Accept(("admins", "ops"))
    assert after_password().receive(Accepted()) == Accept(None)


@for_each(
    case=(
        (("b",), Accept(("b",))),
        (("x", "a"), Accept(("x", "a"))),
        (("A",), Deny("not-in-group")),
        ((), Deny("not-in-group")),
    )
)
def test_a_login_needs_one_of_the_required_groups(case: Tuple[Tuple[str, ...], Action]) -> None:
    groups, action = case
    assert after_password(with_groups("a", "b")).receive(Accepted(groups)) == action


# Lockout, and requests that were not sent


@for_each(case=((0.5, 1), (60.0, 1), (61.0, 2), (900.0, 15)))
def test_a_locked_user_is_denied_before_any_question_or_request(case: Tuple[float, int]) -> None:
    seconds, minutes = case
    conversation = Conversation()
    conversation.locked_for = seconds
    assert conversation.call() == Deny("locked", minutes=minutes)


@for_each(code=("login-in-progress", "bad-username"))
def test_an_unsent_request_ends_the_login_even_after_a_challenge(code: str) -> None:
    settings = configured()._replace(servers=cast(Any, ("one", "two")))
    assert after_password(settings).receive(NotSent(code)) == Deny(code)
    conversation = after_password(settings)
    conversation.receive(challenge())
    conversation.answer("x")
    assert conversation.receive(NotSent(code)) == Deny(code)
    assert conversation.state.server_state is None and conversation.state.origin is None


def test_a_user_locked_during_the_login_is_denied() -> None:
    conversation = after_password()
    conversation.receive(challenge())
    assert isinstance(conversation.answer("x"), SendRequest)
    assert conversation.receive(Locked(30.0)) == Deny("locked", minutes=1)
    assert conversation.state.server_state is None and conversation.state.origin is None


# Recovery codes

RECOVERY_PROMPT = "The login service is not responding. Enter a recovery code: "


@for_each(name=("alice", "Alice", "ALICE", "ａlice"), cumulative=EITHER_WAY)
def test_a_recovery_code_is_asked_for_when_no_server_responds(name: str, cumulative: bool) -> None:
    conversation = after_password(recoverable(), gateway_user=name, cumulative=cumulative)
    assert conversation.receive(NoResponse("no-reply")) == Ask("recovery2", RECOVERY_PROMPT, True)
    assert conversation.answer("7K3M") == CheckRecoveryCode(Secret("7K3M"))
    assert conversation.finish_check(CodeAccepted()) == Accept(by_recovery_code=True)
    assert conversation.state.attempts == ()


@for_each(
    code=("no-answer", "no-reply", "connection-refused", "wrong-secret", "mutual-auth-failed"), can_ask=EITHER_WAY
)
def test_nobody_is_asked_for_a_recovery_code_when_a_server_is_up(code: str, can_ask: bool) -> None:
    """Otherwise, users could avoid a push by ignoring it."""
    pairs = {"otp": "1", "recovery": "7K3M"}
    conversation = Conversation(recoverable(), gateway_user="alice", can_ask=can_ask, pairs=pairs)
    conversation.call()
    assert conversation.receive(NoResponse(code, is_alive=True)) == Deny(code)


def test_the_input_at_the_recovery_prompt_is_always_hidden() -> None:
    conversation = after_password(recoverable(configured(disable_echo=False)))
    action = conversation.receive(NoResponse("no-reply"))
    assert isinstance(action, Ask) and action.disable_echo


@for_each(
    case=(
        {"settings": configured()},
        {"settings": recoverable(name="bob")},
        {"gateway_user": None, "server_username": "alice"},
        {"gateway_user": None, "pairs": {"gu": "alice"}},
        {"gateway_user": "", "server_username": "alice"},
        {"gateway_user": "CORP\\alice"},
        {"gateway_user": "alice@corp.example"},
    ),
    can_ask=(True, False),
)
def test_no_other_user_is_asked_for_a_recovery_code(case: Dict[str, Any], can_ask: bool) -> None:
    options = dict({"settings": recoverable()}, **case)
    pairs = dict(options.pop("pairs", {}), username="alice", otp="1", recovery="7K3M")
    conversation = Conversation(pairs=pairs, can_ask=can_ask, **options)
    assert isinstance(conversation.call(), SendRequest)
    assert conversation.receive(NoResponse("no-reply")) == Deny("no-reply")


def test_a_user_who_typed_the_name_is_not_asked_for_a_recovery_code() -> None:
    conversation = Conversation(recoverable(), gateway_user=None)
    conversation.call()
    conversation.answer("alice")
    assert conversation.answer("1") == first_request("1")
    # Even if SPS knew the name by now, it would not have authenticated the user of this login.
    conversation.hook_call = conversation.hook_call._replace(gateway_user="alice")
    assert conversation.receive(NoResponse("no-reply")) == Deny("no-reply")


def test_a_rejected_or_challenged_user_is_not_asked_for_a_recovery_code() -> None:
    for outcome in (Rejected("no"), challenge("Token?"), PasswordUnusable("too long"), OriginUnavailable()):
        action = after_password(recoverable()).receive(outcome)
        assert isinstance(action, Ask) and action.key == "otp2"
    for denied in (NotSent("login-in-progress"), Locked(60.0)):
        assert isinstance(after_password(recoverable()).receive(denied), Deny)


def test_a_recovery_code_is_asked_for_when_the_server_of_a_challenge_falls_silent() -> None:
    conversation = after_password(recoverable())
    conversation.receive(challenge())
    conversation.answer("654321")
    assert conversation.receive(NoResponse("no-reply")) == Ask("recovery3", RECOVERY_PROMPT, True)
    assert keeps_no_challenge(conversation.state)


def test_other_servers_are_asked_before_a_recovery_code() -> None:
    conversation = after_password(recoverable()._replace(servers=cast(Any, ("one", "two"))))
    conversation.receive(challenge())
    conversation.answer("654321")
    action = conversation.receive(NoResponse("no-reply"))
    assert isinstance(action, Ask) and action.key == "otp3"
    conversation.answer("123456")
    assert conversation.receive(NoResponse("no-reply")) == Ask("recovery4", RECOVERY_PROMPT, True)


@either_way
def test_a_wrong_recovery_code_is_a_failed_attempt(cumulative: bool) -> None:
    conversation = after_password(recoverable(), cumulative=cumulative)
    conversation.receive(NoResponse("no-reply"))
    for number, answer, left in ((3, "wrong", "2 attempts"), (4, "", "1 attempt")):
        assert conversation.answer(answer) == CheckRecoveryCode(Secret(answer))
        prompt = f"Authentication failed. {left} left.\n{RECOVERY_PROMPT}"
        assert conversation.finish_check(CodeRejected()) == Ask(f"recovery{number}", prompt, True)
    conversation.answer("wrong")
    assert conversation.finish_check(CodeRejected()) == Deny("too-many-attempts")
    assert conversation.state.attempts == ("wrong-recovery-code",) * 3


def test_rejects_and_wrong_recovery_codes_share_the_attempts() -> None:
    conversation = after_password(recoverable(configured(max_attempts=2)))
    conversation.receive(Rejected("No"))
    conversation.answer("2")
    conversation.receive(NoResponse("no-reply"))
    conversation.answer("wrong")
    assert conversation.finish_check(CodeRejected()) == Deny("too-many-attempts")
    only = after_password(recoverable(configured(max_attempts=1)))
    only.receive(NoResponse("no-reply"))
    only.answer("wrong")
    assert only.finish_check(CodeRejected()) == Deny("wrong-recovery-code")


def test_a_recovery_code_that_cannot_be_recorded_or_comes_during_a_lockout_admits_nobody() -> None:
    for outcome, expected in (
        (CodeNotRecorded(), Deny("recovery-not-recorded")),
        (Locked(61.0), Deny("locked", minutes=2)),
    ):
        conversation = after_password(recoverable())
        conversation.receive(NoResponse("no-reply"))
        conversation.answer("7K3M")
        assert conversation.finish_check(cast(CheckOutcome, outcome)) == expected


def test_a_recovery_code_does_not_replace_a_required_group() -> None:
    for required, expected in (((), Accept(by_recovery_code=True)), (("admins",), Deny("not-in-group"))):
        groups = GroupRules(((0, 11),), required_groups=cast(Tuple[str, ...], required))
        conversation = after_password(recoverable()._replace(groups=groups))
        conversation.receive(NoResponse("no-reply"))
        conversation.answer("7K3M")
        assert conversation.finish_check(CodeAccepted()) == expected


def test_a_recovery_code_in_the_login_name_is_for_protocols_that_cannot_ask() -> None:
    pairs = {"otp": "1", "recovery": "7K3M"}
    conversation = Conversation(recoverable(), pairs=pairs, can_ask=False)
    assert conversation.call() == first_request("1")
    assert conversation.receive(NoResponse("no-reply")) == CheckRecoveryCode(Secret("7K3M"))
    assert conversation.finish_check(CodeRejected()) == Deny("wrong-recovery-code")
    asked = Conversation(recoverable(), pairs=pairs)
    asked.call()
    assert asked.receive(NoResponse("no-reply")) == Ask("recovery2", RECOVERY_PROMPT, True)
    without = Conversation(recoverable(), pairs={"otp": "1", "recovery": ""}, can_ask=False)
    without.call()
    assert without.receive(NoResponse("no-reply")) == Deny("no-reply")


def test_a_recovery_code_in_the_login_name_is_not_a_password() -> None:
    for can_ask in (True, False):
        conversation = Conversation(recoverable(), pairs={"recovery": "7K3M"}, can_ask=can_ask)
        action = conversation.call()
        assert action == (Ask("otp", "Code: ", True) if can_ask else first_request(""))


@either_way
def test_planted_answers_are_not_taken_for_recovery_codes(cumulative: bool) -> None:
    planted = {"recovery": "a", "recovery2": "b", "recovery3": "c"}
    conversation = after_password(recoverable(), pairs=planted, cumulative=True)
    conversation.cumulative = cumulative
    assert conversation.receive(NoResponse("no-reply")) == Ask("recovery4", RECOVERY_PROMPT, True)
    assert conversation.call() == Ask("recovery4", RECOVERY_PROMPT, True)


# [messages]


def test_every_text_of_a_login_can_be_replaced() -> None:
    texts = {
        "username_prompt": "Wer?",
        "password_prompt": "Kennwort?",
        "challenge_prompt": "Und?",
        "retry": "Nein, noch {left} ({attempts}).",
        "retry_reason": "{reason} Noch {left}.",
        "name_entered": "Name: {user}.",
        "server_gone": "Weg.",
        "recovery_prompt": "Notfallcode?",
    }
    settings = configured()._replace(messages=texts)
    conversation = Conversation(settings, gateway_user=None)
    assert prompt_of(conversation.call()) == "Wer? "
    assert prompt_of(conversation.answer("alice")) == "Kennwort? "
    conversation.answer("1")
    assert prompt_of(conversation.receive(challenge(""))) == "Und? "
    conversation.answer("2")
    assert prompt_of(conversation.receive(OriginUnavailable())) == "Weg.\nKennwort? "
    conversation.answer("3")
    assert prompt_of(conversation.receive(Rejected("Falsch"))) == "Falsch. Noch 2.\nName: alice.\nWer? "
    conversation.answer("alice")
    conversation.answer("4")
    assert prompt_of(conversation.receive(Rejected(""))) == "Nein, noch 1 (1 attempt).\nName: alice.\nWer? "
    conversation = after_password(recoverable(settings))
    assert prompt_of(conversation.receive(NoResponse("no-reply"))) == "Notfallcode? "


@for_each(
    case=(
        ({}, "rejected", "", "Authentication failed. Try again or contact your help desk. [rejected]"),
        (
            {},
            "rejected",
            "Wrong code",
            "Authentication failed: Wrong code. Try again or contact your help desk. [rejected]",
        ),
        (
            {},
            "too-many-attempts",
            "Really?",
            "Too many failed attempts: Really? Try again or contact your help desk. [too-many-attempts]",
        ),
        ({"rejected": "Nein."}, "rejected", "Wrong code.", "Nein: Wrong code. [rejected]"),
        ({"rejected": "Nein"}, "rejected", "Wrong code", "Nein: Wrong code [rejected]"),
        ({"rejected": "Nein ({reason})"}, "rejected", "Wrong {code}", "Nein (Wrong {code}) [rejected]"),
        ({"rejected": "{{Nein}}"}, "rejected", "", "{Nein} [rejected]"),
        (
            {"no-reply": ""},
            "no-reply",
            "",
            "The login service is not responding. Try again later or contact your help desk. [no-reply]",
        ),
    )
)
def test_reason_of_a_deny_contains_text_detail_and_code(case: Tuple[Dict[str, str], str, str, str]) -> None:
    texts, code, detail, reason = case
    assert reasons.format_reason(texts, code, detail) == reason


@for_each(code=reasons.DENIALS)
def test_the_reason_of_every_deny_ends_in_its_code(code: str) -> None:
    assert reasons.format_reason({}, code, "d", minutes="3").endswith(f" [{code}]")
