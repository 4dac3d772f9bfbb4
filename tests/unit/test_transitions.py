"""The table of transitions in the docstring of lib.login.conversation holds those of the code, all and no others."""

import itertools
from typing import Any, Iterator, List, Set, Tuple, cast

from lib.config.model import GroupRules, Settings
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
    HookCall,
    Identity,
    Locked,
    NoResponse,
    NotSent,
    OriginUnavailable,
    Outcome,
    PasswordUnusable,
    Rejected,
    SendRequest,
    State,
)
from tests.support.conversation import ORIGIN, Transition, configured, documented_transitions, recoverable

QUESTIONS = {USERNAME: "name", PASSWORD: "password", CHALLENGE: "challenge", RECOVERY: "recovery"}
OUTCOMES: Tuple[Outcome, ...] = (
    Accepted(("admins",)),
    Accepted(()),
    Rejected("No"),
    PasswordUnusable("too long"),
    Challenged("Token?", None, b"state", ORIGIN),
    Challenged("Token?", None, b"state", ORIGIN, answered_by=0),
    NoResponse("no-reply"),
    OriginUnavailable(),
    NotSent("bad-username"),
    Locked(60.0),
)
CHECK_OUTCOMES: Tuple[CheckOutcome, ...] = (CodeAccepted(), CodeRejected(), CodeNotRecorded(), Locked(60.0))


def place_of(state: State, action: Action) -> str:
    if isinstance(action, Ask):
        return QUESTIONS[state.question]
    if isinstance(action, SendRequest):
        return "request"
    if isinstance(action, CheckRecoveryCode):
        return "check"
    return "accept" if isinstance(action, Accept) else "deny"


def hook(settings: Settings, event: str, state: State, call: HookCall) -> Iterator[Tuple[str, State, Action]]:
    """Give what a hook call leads to, up to its first request: as this event, and for a user who is locked out."""
    state, result = conversation.identify(settings, state, call)
    if isinstance(result, Identity):
        yield (event,) + conversation.proceed(settings, state, call)
        yield ("lockout",) + conversation.proceed(settings, state, call, 60.0)
    else:
        yield event, state, result


def steps(settings: Settings, call: HookCall, place: str, state: State) -> Iterator[Tuple[str, State, Action]]:
    """Give each event that can happen at a place, and what it leads to."""
    if place == "request":
        for outcome in OUTCOMES:
            if getattr(outcome, "answered_by", None) is not None and not settings.challenge_answers:
                continue
            yield (type(outcome).__name__,) + conversation.receive(settings, state, call, outcome)
    elif place == "check":
        for check_outcome in CHECK_OUTCOMES:
            yield (type(check_outcome).__name__,) + conversation.finish_check(settings, state, call, check_outcome)
    elif place == "begin" or place in QUESTIONS.values():
        yield from hook(settings, "hook call", state, call)
    if place in QUESTIONS.values():
        for answer in ("alice", "", "../alice"):
            yield from hook(
                settings, "answer", state, call._replace(pairs=dict(call.pairs, **{state.question_key: answer}))
            )


def explored(settings: Settings, call: HookCall) -> Set[Transition]:
    """Return the transitions of all conversations with these settings."""
    found: Set[Transition] = set()
    seen: Set[Tuple[str, State]] = set()
    left: List[Tuple[str, State]] = [("begin", State())]
    while left:
        place, state = left.pop()
        # What only grows, or is only shown, decides nothing.
        decisive = state._replace(question_key="", question_count=0, all_challenges=0, notice="", prompt="")
        if (place, decisive) in seen:
            continue
        seen.add((place, decisive))
        for event, following, action in steps(settings, call, place, state):
            found.add((place, event, place_of(following, action)))
            left.append((place_of(following, action), following))
    return found


def test_table_lists_the_transitions_of_the_code() -> None:
    found: Set[Transition] = set()
    protocols = ((True, True), (True, False), (False, False))
    for max_attempts, max_challenges, answers, user, pairs, asks in itertools.product(
        (1, 2),
        (0, 1),
        ([], [(".*", "1")]),
        ("alice", None),
        ({}, {"otp": "1", "recovery": "2"}),
        protocols,
    ):
        plain = configured(max_attempts=max_attempts, max_challenges=max_challenges, challenge_answers=answers)
        plain = plain._replace(servers=cast(Any, ("one", "two")))
        guarded = recoverable(
            plain._replace(servers=cast(Any, ("one",)), groups=GroupRules(((0, 11),), required_groups=("admins",)))
        )
        for settings in (plain, recoverable(plain), guarded):
            found |= explored(settings, HookCall(user, None, pairs, *asks))
    table = set(documented_transitions())
    assert sorted(found - table) == [], "the code does what the table does not say"
    assert sorted(table - found) == [], "the table says what the code does not do"
