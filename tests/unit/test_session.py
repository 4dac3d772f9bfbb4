"""The record of a session in the cookie: through JSON and back, refused unless all of it is valid; and the metadata."""

import json
import re
from typing import Any, Dict, List

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib import log_lines
from lib.cookie import INVALID
from lib.login.state import QUESTIONS, State
from lib.session import AcceptedUser, AccountingSession, SessionRecord, format_metadata, login_facts
from tests.support.cases import for_each

TEXTS = st.text(st.characters(), max_size=20)
TIMES = st.floats(0, 1e10)
STATES = st.builds(
    State,
    question=st.sampled_from(("",) + QUESTIONS),
    question_key=TEXTS,
    question_count=st.integers(0, 1000),
    typed_name=TEXTS,
    name_round=st.integers(0, 100),
    notice=TEXTS,
    password_used=st.booleans(),
    attempts=st.lists(TEXTS, max_size=3).map(tuple),
    challenges=st.integers(0, 100),
    all_challenges=st.integers(0, 1000),
    prompt=TEXTS,
    echo=st.booleans(),
    server_state=st.one_of(st.none(), st.binary(max_size=253)),
    origin=st.one_of(st.none(), st.tuples(TEXTS, TEXTS, st.integers(1, 65535))),
    used_answers=st.lists(st.integers(0, 50), max_size=3).map(tuple),
)
CLASSES = st.lists(st.binary(max_size=253), max_size=2).map(tuple)
ATTRIBUTES = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 255), st.binary(max_size=253)), max_size=3)
RECORDS = st.builds(
    SessionRecord,
    started=TIMES,
    client_ip=st.one_of(st.none(), TEXTS),
    login=STATES,
    server=TEXTS,
    method=TEXTS,
    radius_user=TEXTS,
    seconds=TIMES,
    accepted=st.booleans(),
    recovered=st.booleans(),
    protocol=TEXTS,
    connection_name=TEXTS,
    login_ended=st.booleans(),
    accepted_user=st.one_of(st.none(), st.builds(AcceptedUser, TEXTS, CLASSES)),
    accounting=st.one_of(
        st.none(),
        st.builds(AccountingSession, TIMES, TEXTS, TEXTS, CLASSES, ATTRIBUTES.map(tuple), st.booleans()),
    ),
)
RECORD = SessionRecord(1700000000.5, "192.0.2.10")
USER = AcceptedUser("alice", (b"\0\xff",))
SESSION = AccountingSession(1.0, "id", "alice", (), ((0, 32, b"sps"),), True)


def through_json(record: SessionRecord) -> Dict[str, Any]:
    entries: Dict[str, Any] = json.loads(json.dumps(record.to_cookie()))
    return entries


@given(RECORDS)
def test_a_record_survives_json(record: SessionRecord) -> None:
    assert SessionRecord.from_cookie(through_json(record)) == record


@given(st.binary(max_size=253))
def test_a_server_state_of_any_octets_survives_json(octets: bytes) -> None:
    record = SessionRecord.from_cookie(through_json(RECORD._replace(login=State(server_state=octets))))
    assert record is not None and record.login.server_state == octets


def test_cookie_without_our_entries_contains_no_record() -> None:
    assert SessionRecord.from_cookie({}) is None
    assert SessionRecord.from_cookie({"username": "alice", "mfa_identity": "alice"}) is None


NO_STATE: List[Any] = [
    None,
    5,
    "cookie",
    [1],
    ["question"],
    {},
]
WRONG_IN_STATE: List[Dict[str, Any]] = [
    {"unknown": 1},
    {"question": "nonsense"},
    {"question": 5},
    {"question": None},
    {"question_key": ["otp"]},
    {"question_count": "many"},
    {"question_count": None},
    {"question_count": 1.5},
    {"question_count": True},
    {"typed_name": {}},
    {"name_round": "x"},
    {"notice": 5},
    {"password_used": "no"},
    {"password_used": 1},
    {"attempts": 5},
    {"attempts": "abc"},
    {"attempts": [5]},
    {"attempts": None},
    {"challenges": "1"},
    {"prompt": None},
    {"echo": "yes"},
    {"server_state": 5},
    {"server_state": "not base 64"},
    {"server_state": "é"},
    {"server_state": "QQ"},
    {"server_state": "Q!Q=="},
    {"server_state": ["QQ=="]},
    {"origin": 5},
    {"origin": []},
    {"origin": ["radius", "host"]},
    {"origin": ["radius", "host", "port"]},
    {"origin": ["radius", "host", float("inf")]},
    {"origin": ["radius", "host", None]},
    {"origin": ["radius", 5, 1812]},
    {"origin": "ab1"},
    {"used_answers": 5},
    {"used_answers": ["x"]},
    {"used_answers": {"0": 1}},
]
WRONG_IN_RECORD: List[Dict[str, Any]] = [
    {"unknown": 1},
    {"started": "now"},
    {"started": None},
    {"started": True},
    {"started": float("nan")},
    {"started": 10**400},
    {"client_ip": 5},
    {"protocol": None},
    {"connection_name": 5},
    {"login_ended": 1},
    {"server": None},
    {"seconds": []},
    {"accepted": "yes"},
    {"accepted_user": {}},
    {"accepted_user": {"user_name": "alice", "classes": "AA=="}},
    {"accepted_user": {"user_name": "alice", "classes": ["?"]}},
    {"accounting": {}},
    {"accounting": {"session_id": "id"}},
    {"accounting": dict(SESSION._asdict(), classes=[], attributes=[[0, 32]])},
]


def test_a_whole_record_is_sound() -> None:
    """The data that the next test makes invalid is valid before."""
    entries = through_json(RECORD._replace(accepted_user=USER, accounting=SESSION))
    assert SessionRecord.from_cookie(entries) == RECORD._replace(accepted_user=USER, accounting=SESSION)


@for_each(wrong=WRONG_IN_STATE)
def test_a_wrong_field_in_the_state_is_an_error(wrong: Dict[str, Any]) -> None:
    entries = through_json(RECORD)
    with pytest.raises(ValueError, match=f"^{INVALID}$"):
        SessionRecord.from_cookie(dict(entries, radius=dict(entries["radius"], **wrong)))


@for_each(wrong=WRONG_IN_RECORD)
def test_a_wrong_field_in_the_record_is_an_error(wrong: Dict[str, Any]) -> None:
    entries = through_json(RECORD)
    with pytest.raises(ValueError, match=f"^{INVALID}$"):
        SessionRecord.from_cookie(dict(entries, radius_session=dict(entries["radius_session"], **wrong)))


@for_each(state=NO_STATE, key=("radius", "radius_session"))
def test_half_a_record_is_an_error(state: Any, key: str) -> None:
    with pytest.raises(ValueError, match=f"^{INVALID}$"):
        SessionRecord.from_cookie(dict(through_json(RECORD), **{key: state}))


@for_each(key=("radius", "radius_session"))
def test_the_record_of_another_version_is_an_error(key: str) -> None:
    """It lacks a field, or has one more."""
    entries = through_json(RECORD)
    for field in entries[key]:
        fewer = {name: value for name, value in entries[key].items() if name != field}
        with pytest.raises(ValueError, match=f"^{INVALID}$"):
            SessionRecord.from_cookie(dict(entries, **{key: fewer}))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@given(
    st.one_of(JSON, st.dictionaries(st.sampled_from(State._fields), JSON, max_size=4)),
    st.one_of(JSON, st.dictionaries(st.sampled_from(SessionRecord._fields), JSON, max_size=4)),
    st.booleans(),
)
def test_any_json_is_a_record_or_an_error(login: Any, record: Any, fill_up: bool) -> None:
    entries = {"radius": login, "radius_session": record}
    if fill_up:
        sound = through_json(RECORD)
        entries = {
            key: dict(sound[key], **value) if isinstance(value, dict) else value for key, value in entries.items()
        }
    try:
        found = SessionRecord.from_cookie(entries)
    except ValueError:
        return
    assert found is None or SessionRecord.from_cookie(through_json(found)) == found


def test_a_recovery_code_is_in_the_metadata_and_an_attempt() -> None:
    record = RECORD._replace(login=State(attempts=("wrong-recovery-code",)), recovered=True)
    assert json.loads(format_metadata(record, "alice", "alice")) == {
        "seconds": 0.0,
        "rounds": 0,
        "attempts": 2,
        "recovery_code": True,
    }


def test_metadata_has_what_is_known() -> None:
    assert json.loads(format_metadata(None, None, None, code="bad-configuration")) == {"code": "bad-configuration"}
    assert json.loads(format_metadata(RECORD, "alice", "alice")) == {"seconds": 0.0, "rounds": 0, "attempts": 0}
    record = RECORD._replace(server="192.0.2.1:1812", method="pap", radius_user="CORP\\alice", seconds=1.5)
    record = record._replace(login=State(attempts=("No",), all_challenges=2), accepted=True)
    assert json.loads(format_metadata(record, "alice", "alice")) == {
        "server": "192.0.2.1:1812",
        "method": "pap",
        "radius_user": "CORP\\alice",
        "seconds": 1.5,
        "rounds": 2,
        "attempts": 2,
    }


FORGERY = 'alice" verdict=accepted\nLogin accepted: user=root \x1b[2J\u2028code=""'


@for_each(place=("user", "client", "protocol", "connection", "server", "code", "reason"))
def test_no_value_of_a_login_line_forges_another(place: str) -> None:
    record = RECORD._replace(protocol="ssh", connection_name="c", server="192.0.2.1:1812", method="pap")
    places = {"client": "client_ip", "connection": "connection_name"}
    others: Dict[str, Any] = {"user": "alice", "code": "locked", "reason": "Too many [locked]"}
    if place in others:
        others[place] = FORGERY
    else:
        changed: Dict[str, Any] = {places.get(place, place): FORGERY}
        record = record._replace(**changed)
    facts = login_facts(record, others["user"], "denied", others["code"], others["reason"])
    found = read_pairs(log_lines.LOGIN_DENIED.format(**facts))
    assert list(found) == KEYS
    assert found["verdict"] == "denied"
    assert found[place] == 'alice" verdict=accepted Login accepted: user=root code=""'


def test_a_login_line_has_what_is_known() -> None:
    record = RECORD._replace(method="pap", seconds=1.5, recovered=True)
    record = record._replace(login=State(attempts=("No",), all_challenges=2))
    line = log_lines.LOGIN_ACCEPTED.format(**login_facts(record, "CORP\\alice", "accepted", "", ""))
    assert line == (
        'Login accepted: user=CORP\\alice client=192.0.2.10 protocol="" connection="" server="" method=pap '
        'verdict=accepted code="" attempts=2 challenges=2 seconds=1.500 recovery=yes'
    )
    assert read_pairs(line)["user"] == "CORP\\alice"


KEYS = "user client protocol connection server method verdict code attempts challenges seconds reason".split()


def read_pairs(line: str) -> Dict[str, str]:
    """Return the keys and values of a line, as docs/monitoring.md describes them."""
    pairs = re.findall(r'(?:^|\s)([a-z]+)=("(?:[^"\\]|\\.)*"|\S*)', line.partition(": ")[2])
    return {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}
