"""The simulator's zips, login names and sessions: what each hook gets, and which results SPS takes."""

import json
import pathlib
import zipfile
from typing import Any, Dict, List, Mapping

import pytest

from simulator.gateway import (
    ContractBroken,
    HookCall,
    LoginName,
    Question,
    Session,
    UnexpectedQuestion,
    UnpackedPlugin,
    UnusedAnswers,
    parse_login_name,
    unpack,
)


def test_unpack(tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(str(tmp_path / "plugin.zip"), "w") as archive:
        archive.writestr("lib/plugin.py", "pass\n")
    directory = unpack(tmp_path / "plugin.zip", tmp_path / "new" / "plugin")
    assert (directory / "lib" / "plugin.py").read_text() == "pass\n"


LOGIN_NAMES = {
    ("root", "ssh"): LoginName({}, "root", None),
    ("", "ssh"): LoginName({}, None, None),
    ("gu=alice@otp=123456@root", "ssh"): LoginName({"gu": "alice", "otp": "123456"}, "root", None),
    ("gu=alice@otp=123456", "telnet"): LoginName({"gu": "alice", "otp": "123456"}, None, None),
    ("otp=a=b@root", "ssh"): LoginName({"otp": "a=b"}, "root", None),
    ("otp=@root", "ssh"): LoginName({"otp": ""}, "root", None),
    ("otp=1@root@example.com", "ssh"): LoginName({"otp": "1"}, "root@example.com", None),
    ("root@otp=1", "ssh"): LoginName({}, "root@otp=1", None),
    ("=1@root", "ssh"): LoginName({}, "=1@root", None),
    ("otp=1%2~3^4\\5@root", "ssh"): LoginName({"otp": "1%2~3^4\\5"}, "root", None),
    ("DOMAIN\\otp~123456%Administrator", "rdp"): LoginName({"otp": "123456"}, "Administrator", "DOMAIN"),
    ("username~alice%otp~1", "rdp"): LoginName({"username": "alice", "otp": "1"}, None, None),
    ("host~a^3389%alice@example.com", "rdp"): LoginName({"host": "a:3389"}, "alice@example.com", None),
    ("\\alice", "rdp"): LoginName({}, "alice", None),
}


def test_login_names() -> None:
    assert {(text, protocol): parse_login_name(text, protocol) for text, protocol in LOGIN_NAMES} == LOGIN_NAMES


class Player(UnpackedPlugin):
    """A plugin whose authenticate returns the results in the configuration, one per call, and logs its arguments.

    Its authorize returns the last result if there are several, or else ACCEPT.
    """

    def call(self, hook: str, arguments: Mapping[str, Any], time_limit: float = 0.0) -> HookCall:
        """Return what a process would."""
        results = json.loads(self.configuration)
        result = None
        if hook == "authorize":
            result = results[-1] if len(results) > 1 else ACCEPT
        elif hook == "authenticate":
            cookie = dict(arguments["cookie"], calls=arguments["cookie"].get("calls", 0) + 1)
            result = results[cookie["calls"] - 1]
            result = dict({"cookie": cookie}, **result) if isinstance(result, dict) else result
        return HookCall(result, json.dumps(arguments) + "\n", (), 0, None)


ACCEPT = {"verdict": "ACCEPT"}


def ask(key: str, prompt: str = "?", disable_echo: bool = False) -> Dict[str, Any]:
    """Return a NEEDINFO."""
    return {"verdict": "NEEDINFO", "question": [key, prompt, disable_echo]}


def start(*results: Any, **arguments: Any) -> Session:
    """Return a session whose plugin returns these results."""
    return Session(Player("no directory", json.dumps(results)), **arguments)


def received(session: Session) -> List[Dict[str, Any]]:
    """Return the arguments of each call."""
    return [json.loads(line) for line in session.log]


def test_arguments_of_authenticate() -> None:
    session = start(
        ACCEPT,
        session_id="svc/1:1/telnet",
        protocol="telnet",
        connection_name="routers",
        client_ip="192.0.2.7",
        client_port=1024,
        client_hostname="desk.example",
        gateway_user="alice",
        gateway_domain="EXAMPLE",
        gateway_groups=["staff"],
        server_username="root",
        server_domain="LOCAL",
        server_ip="192.0.2.8",
        key_value_pairs={"otp": "123456"},
    )
    session.authenticate()
    assert received(session) == [
        {
            "cookie": {},
            "session_cookie": {},
            "session_id": "svc/1:1/telnet",
            "protocol": "telnet",
            "connection_name": "routers",
            "client_ip": "192.0.2.7",
            "client_port": 1024,
            "client_hostname": "desk.example",
            "gateway_user": "alice",
            "gateway_domain": "EXAMPLE",
            "server_username": "root",
            "server_domain": "LOCAL",
            "key_value_pairs": {"otp": "123456"},
        }
    ]


def test_authorize_gets_the_accepted_user_and_the_target() -> None:
    session = start(
        dict(ACCEPT, gateway_user="alice", gateway_groups=["admins"], session_cookie={"ticket": "1"}),
        gateway_user="bob",
        gateway_groups=["staff"],
        server_ip="192.0.2.8",
        server_port=23,
        server_hostname="router.example",
    )
    session.authenticate()
    assert session.authorize()["verdict"] == "ACCEPT"
    session.end()
    _, authorize, ended = received(session)
    expected = {
        "gateway_user": "alice",
        "gateway_groups": ["admins"],
        "server_ip": "192.0.2.8",
        "server_port": 23,
        "server_hostname": "router.example",
        "cookie": {"calls": 1},
        "session_cookie": {"ticket": "1"},
    }
    assert {name: authorize[name] for name in expected} == expected
    assert ended == {"session_id": session.session_id, "cookie": {"calls": 1}, "session_cookie": {"ticket": "1"}}


def test_accept_without_groups_keeps_the_known_user() -> None:
    session = start(ACCEPT, gateway_user="bob", gateway_groups=["staff"])
    session.authenticate()
    session.authorize()
    assert (received(session)[1]["gateway_user"], received(session)[1]["gateway_groups"]) == ("bob", ["staff"])


@pytest.mark.parametrize(
    "cumulative, passed",
    [
        (True, [{"otp": "0"}, {"otp": "0", "a": "1"}, {"otp": "0", "a": "1", "b": "2"}]),
        (False, [{"otp": "0"}, {"otp": "0", "a": "1"}, {"otp": "0", "b": "2"}]),
    ],
    ids=["cumulative", "newest-only"],
)
def test_answers_to_several_questions(cumulative: bool, passed: List[Dict[str, str]]) -> None:
    session = start(
        ask("a", "First"),
        ask("b", "Second", disable_echo=True),
        ACCEPT,
        key_value_pairs={"otp": "0"},
        cumulative=cumulative,
    )
    assert session.log_in("1", "2")["verdict"] == "ACCEPT"
    assert [call["key_value_pairs"] for call in received(session)] == passed
    assert session.questions == [Question("a", "First", False), Question("b", "Second", True)]


@pytest.mark.parametrize("cumulative", [True, False], ids=["cumulative", "newest-only"])
def test_second_answer_replaces_the_first(cumulative: bool) -> None:
    session = start(ask("otp"), ask("otp"), ACCEPT, cumulative=cumulative)
    session.log_in("1", "2")
    assert received(session)[2]["key_value_pairs"] == {"otp": "2"}


def test_question_without_an_answer() -> None:
    with pytest.raises(UnexpectedQuestion, match="Second"):
        start(ask("a"), ask("b", "Second"), ACCEPT).log_in("314159")


def test_unused_answers_are_not_shown() -> None:
    with pytest.raises(UnusedAnswers) as caught:
        start(ask("a"), ACCEPT).log_in("1", "314159")
    assert str(caught.value) == "ACCEPT, with 1 answer(s) left over"


def test_answer_without_a_question() -> None:
    session = start(ACCEPT)
    session.authenticate()
    with pytest.raises(UnusedAnswers):
        session.answer("314159")


INVALID = [
    "ACCEPT",
    [],
    {},
    {"verdict": "accept"},
    {"verdict": "NEEDINFO"},
    {"verdict": "NEEDINFO", "question": ["otp"]},
    {"verdict": "NEEDINFO", "question": ["otp", "?", True, 1]},
    {"verdict": "NEEDINFO", "question": {"otp": "?"}},
    {"verdict": "NEEDINFO", "question": ["", "?"]},
    {"verdict": "NEEDINFO", "question": [1, "?"]},
    {"verdict": "NEEDINFO", "question": ["otp", None]},
    {"verdict": "NEEDINFO", "question": ["otp", "?", "yes"]},
    dict(ACCEPT, additional_metadata={"server": "a"}),
    dict(ACCEPT, additional_metadata=None),
    dict(ACCEPT, cookie=None),
    dict(ACCEPT, session_cookie=[]),
    dict(ACCEPT, gateway_user="alice"),
    dict(ACCEPT, gateway_groups=["admins"]),
    dict(ACCEPT, gateway_user=None, gateway_groups=[]),
    dict(ACCEPT, gateway_user="alice", gateway_groups="admins"),
    dict(ACCEPT, gateway_user="alice", gateway_groups=[None]),
    {"verdict": "DENY", "reason": None},
]
VALID: List[Dict[str, Any]] = [
    {"verdict": "NONE"},
    {"verdict": "DENY"},
    {"verdict": "NEEDINFO", "question": ["otp", "?"]},
    dict(ACCEPT, gateway_user="alice", gateway_groups=[], additional_metadata="{}", my_key="my_value"),
]


def violation(session: Session, hook: str) -> str:
    """Call a hook, and return the text of the ContractBroken that it raises."""
    try:
        getattr(session, hook)()
    except ContractBroken as broken:
        return str(broken)
    return ""


def test_invalid_results() -> None:
    violations = [(result, violation(start(result), "authenticate")) for result in INVALID]
    known = ("authenticate", "NEEDINFO", "question")
    assert [each for each in violations if not any(word in each[1] for word in known)] == []


def test_valid_results() -> None:
    assert [start(result).authenticate() for result in VALID] == [dict(each, cookie={"calls": 1}) for each in VALID]


def test_no_result_is_none() -> None:
    assert start(None).authenticate() == {"verdict": "NONE"}


def test_question_in_a_protocol_that_cannot_ask() -> None:
    protocols = ("mssql", "http", "ica")
    violations = [(name, violation(start(ask("otp"), protocol=name), "authenticate")) for name in protocols]
    assert [each for each in violations if each[0] not in each[1]] == []


def test_authorize_accepts_or_denies() -> None:
    results = (None, {"verdict": "NONE"}, ask("otp"))
    violations = [(result, violation(start(ACCEPT, result), "authorize")) for result in results]
    assert [each for each in violations if "authorize" not in each[1]] == []


def test_sessions_have_their_own_identifiers() -> None:
    assert start().session_id != start().session_id
