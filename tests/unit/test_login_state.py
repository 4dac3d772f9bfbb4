"""What the cookie keeps of a conversation: through JSON and back, and refused if anything in it is unsound."""

import json
from typing import Any, List

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib.login import conversation
from lib.login.conversation import State
from tests.support.cases import for_each

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


@for_each(garbage=GARBAGE)
def test_an_unsound_cookie_is_an_error(garbage: Any) -> None:
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
