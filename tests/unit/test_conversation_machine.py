"""Whole conversations: any answers and any outcomes in any order, and what must always hold."""

import json
from typing import Dict, Optional, Set, Tuple, Union

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lib import cookie, reasons
from lib.config.model import Settings
from lib.login import conversation
from lib.login.state import (
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
    CodeRejected,
    Deny,
    NoResponse,
    OriginUnavailable,
    Outcome,
    PasswordUnusable,
    Rejected,
    SendRequest,
)
from tests.support.conversation import (
    ORIGIN,
    OTHER_ORIGIN,
    Conversation,
    configured,
    keeps_no_challenge,
    recoverable,
)

PASSWORDS_IN_LOGIN_NAMES = st.dictionaries(
    st.sampled_from(
        ["otp", "rp", "radius_password", "otp2", "otp3", "otp4", "typed_username", "recovery", "recovery2"]
    ),
    st.sampled_from(["", "planted", "planted too"]),
    max_size=4,
)
NAMES_IN_LOGIN_NAMES = st.dictionaries(
    st.sampled_from(["gu", "ru", "radius_username", "username"]), st.sampled_from(["", "bob", "carol"]), max_size=1
)
ANSWERS = st.sampled_from([("push", "line 1"), ("p.sh", "line 2"), ("pin", ""), (".*", "line 4")])
MESSAGES = st.sampled_from(["", "Choose push", "New PIN", "Token?", "Wrong\ncode."])


class AnyConversation(RuleBasedStateMachine):
    """Any answers and any outcomes in any order."""

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
        asks=st.sampled_from([(True, True), (True, False), (False, False)]),
        gateway_user=st.sampled_from([None, "", "alice", "../alice"]),
        has_codes=st.booleans(),
    )
    def begin(
        self,
        settings: Settings,
        planted: Dict[str, str],
        names: Dict[str, str],
        cumulative: bool,
        asks: Tuple[bool, bool],
        gateway_user: Optional[str],
        has_codes: bool,
    ) -> None:
        self.settings = settings = recoverable(settings) if has_codes else settings
        self.may_recover = has_codes and gateway_user == "alice"
        self.conversation = Conversation(
            settings, dict(planted, **names), cumulative, asks[0], gateway_user, has_password_prompt=asks[1]
        )
        self.planted = planted
        self.keys: Set[str] = set()
        self.number = 0
        self.failures = self.empty_names = self.requests = self.lost = 0
        self.challenge: Optional[Challenged] = None
        self.recovery_code: Optional[str] = None
        self.expected: Optional[str] = self.supplied()
        self.supplied_left = self.expected is not None
        self.asks_name = not (gateway_user or any(names.values()))
        self.check(self.conversation.call(), None)

    def supplied(self) -> Optional[str]:
        """Return the password in the login name; where none can be asked for, an empty one stands for it."""
        for key in conversation.PASSWORD_KEYS:
            if self.planted.get(key) or key == "otp" in self.planted:
                return self.planted[key]
        return None if self.conversation.hook_call.can_ask_password else ""

    def check(self, action: Action, outcome: Union[None, Outcome, CheckOutcome]) -> None:
        """Check an action against everything that happened before."""
        self.action = action
        assert isinstance(action, Accept) == isinstance(outcome, (Accepted, CodeAccepted))
        if isinstance(action, Accept):
            assert action.by_recovery_code == isinstance(outcome, CodeAccepted)
        if isinstance(action, CheckRecoveryCode):
            self.check_recovery(action)
        elif isinstance(action, Ask) and self.conversation.state.question == RECOVERY:
            assert self.may_recover and action.disable_echo
        assert self.failures <= self.settings.auth.max_attempts
        kept = json.dumps(cookie.encode(self.conversation.state))
        assert "typed secret" not in kept
        assert not any(value and json.dumps(value) in kept for value in self.planted.values())
        if isinstance(action, Deny):
            assert action.code in reasons.DENIALS
            assert "\n" not in action.detail
            assert reasons.format_reason({}, action.code, action.detail)
        elif isinstance(action, Ask):
            assert self.conversation.hook_call.can_ask
            assert self.conversation.hook_call.can_ask_password or self.conversation.state.question != PASSWORD
            assert action.key not in self.keys | set(self.conversation.hook_call.pairs)
            assert self.failures < self.settings.auth.max_attempts
            assert action.prompt.endswith(" ")
        elif isinstance(action, SendRequest):
            self.requests += 1
            most = self.settings.auth.max_attempts * (self.settings.auth.max_challenges + 1)
            assert self.requests <= most + self.lost * (self.settings.auth.max_challenges + 1)
            if self.challenge is None:
                assert (action.server_state, action.origin) == (None, None)
                assert self.expected is not None
                assert action.password.reveal() == (self.expected or self.settings.auth.push_password.reveal())
            else:
                assert (action.server_state, action.origin) == (self.challenge.server_state, self.challenge.origin)
                if isinstance(outcome, Challenged):
                    lines = [line for line in self.settings.challenge_answers if action.password == line.answer]
                    assert any(line.pattern.search(outcome.message) for line in lines)
                else:
                    assert action.password.reveal() == self.expected
            self.expected = None

    def check_recovery(self, action: CheckRecoveryCode) -> None:
        """Check that only a recovery code is compared, once, and for a user who has some."""
        expected = self.recovery_code if self.conversation.hook_call.can_ask else self.planted["recovery"]
        assert self.may_recover and expected is not None
        assert action.code.reveal() == expected
        self.recovery_code = None

    def is_open(self, *questions: str) -> bool:
        """Whether one of these questions is open."""
        return isinstance(getattr(self, "action", None), Ask) and self.conversation.state.question in questions

    def answer(self, text: str) -> None:
        assert isinstance(self.action, Ask)
        self.keys.add(self.action.key)
        self.check(self.conversation.answer(text), None)

    @precondition(lambda self: self.is_open(USERNAME))
    @rule(name=st.sampled_from(["", "  ", "dave", "eve "]))
    def give_name(self, name: str) -> None:
        assert self.asks_name
        self.failures += not name.strip()
        if self.expected is None and self.supplied_left:
            self.expected = self.supplied()
        if not self.conversation.cumulative:  # what the login name had is gone
            is_push = self.supplied_left and not self.conversation.hook_call.can_ask_password
            self.expected = "" if is_push else None
        if name.strip() and self.expected is not None:
            self.supplied_left = False
        self.answer(name)

    @precondition(lambda self: self.is_open(RECOVERY))
    @rule(empty=st.booleans())
    def give_recovery_code(self, empty: bool) -> None:
        self.number += 1
        self.recovery_code = "" if empty else f"typed secret {self.number}"
        self.answer(self.recovery_code)
        assert isinstance(self.action, CheckRecoveryCode)

    @precondition(lambda self: isinstance(getattr(self, "action", None), CheckRecoveryCode))
    @rule(outcome=st.sampled_from([CodeAccepted(), CodeRejected(), CodeNotRecorded()]))
    def check_code(self, outcome: CheckOutcome) -> None:
        self.failures += isinstance(outcome, CodeRejected)
        self.check(self.conversation.finish_check(outcome), outcome)
        assert isinstance(self.action, Deny) or not isinstance(outcome, CodeNotRecorded)

    @precondition(lambda self: self.is_open(PASSWORD, CHALLENGE))
    @rule(empty=st.booleans())
    def give_password(self, empty: bool) -> None:
        self.number += 1
        self.expected = "" if empty else f"typed secret {self.number}"
        self.answer(self.expected)

    @precondition(lambda self: isinstance(getattr(self, "action", None), Ask))
    @rule(stray=st.dictionaries(st.sampled_from(["otp99", "rp", "ru", "gu"]), st.just("stray"), max_size=2))
    def call_without_the_answer(self, stray: Dict[str, str]) -> None:
        before, pairs = self.conversation.state, self.conversation.hook_call.pairs
        self.conversation.hook_call = self.conversation.hook_call._replace(pairs=stray)
        assert self.conversation.call() == self.action
        assert self.conversation.state == before
        self.conversation.hook_call = self.conversation.hook_call._replace(pairs=pairs)

    def outcome(self, outcome: Outcome) -> None:
        self.check(self.conversation.receive(outcome), outcome)
        if isinstance(self.action, SendRequest):
            assert isinstance(outcome, Challenged)

    @precondition(lambda self: isinstance(getattr(self, "action", None), SendRequest))
    @rule()
    def accept(self) -> None:
        self.challenge = None
        self.outcome(Accepted())

    @precondition(lambda self: isinstance(getattr(self, "action", None), SendRequest))
    @rule(message=MESSAGES, unusable=st.booleans())
    def reject(self, message: str, unusable: bool) -> None:
        self.failures += 1
        self.challenge = None
        self.supplied_left = False
        self.outcome(PasswordUnusable("too long") if unusable else Rejected(message))
        if isinstance(self.action, Ask):
            assert (self.conversation.state.question == USERNAME) == self.asks_name

    @precondition(lambda self: isinstance(getattr(self, "action", None), SendRequest))
    @rule(message=MESSAGES, echo=st.sampled_from([None, True, False]), stateless=st.booleans(), other=st.booleans())
    def challenge_user(self, message: str, echo: Optional[bool], stateless: bool, other: bool) -> None:
        state = None if stateless else f"state {self.requests}".encode("ascii")
        self.challenge = Challenged(message, echo, state, OTHER_ORIGIN if other else ORIGIN)
        self.supplied_left = False
        self.outcome(self.challenge)
        if isinstance(self.action, Ask):
            hidden = self.settings.auth.disable_echo if echo is None else not echo
            assert self.action.disable_echo == hidden

    @precondition(lambda self: isinstance(getattr(self, "action", None), SendRequest))
    @rule()
    def fail(self) -> None:
        self.challenge = None
        self.outcome(NoResponse("no-reply"))

    @precondition(lambda self: isinstance(getattr(self, "action", None), SendRequest) and self.challenge is not None)
    @rule()
    def lose_origin(self) -> None:
        self.lost += 1
        self.challenge = None
        self.outcome(OriginUnavailable())

    @precondition(lambda self: isinstance(getattr(self, "action", None), (Accept, Deny)))
    @rule()
    def end(self) -> None:
        assert keeps_no_challenge(self.conversation.state)

    def teardown(self) -> None:
        """Fail again and again: the conversation must end."""
        if not hasattr(self, "action"):
            return
        for number in range(200):
            if self.is_open(USERNAME):
                self.give_name("dave")
            elif self.is_open(RECOVERY):
                self.give_recovery_code(False)
            elif isinstance(self.action, CheckRecoveryCode):
                self.check_code(CodeRejected())
            elif self.is_open(PASSWORD, CHALLENGE):
                self.give_password(False)
            elif isinstance(self.action, SendRequest):
                if number % 3:
                    self.challenge_user("push", None, False, False)
                else:
                    self.reject("No", False)
            else:
                assert isinstance(self.action, (Accept, Deny))
                return
        raise AssertionError("the conversation does not end")


TestAnyConversation = AnyConversation.TestCase
