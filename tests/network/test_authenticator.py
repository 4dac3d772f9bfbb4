"""One hook call of the authenticator: a record and what SPS passes go in, the new record and the action come out."""

import logging
import os
import pathlib
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from lib.authenticator import Authenticator
from lib.login.state import Accept, Action, Ask, Deny, HookCall
from lib.session import AcceptedUser, Session, SessionRecord
from lib.state.directory import StateDirectories
from tests.support.cases import for_each
from tests.support.configuration import valid
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    STATE,
    USER_NAME,
    Request,
    Server,
    answering,
    closed_port,
    nothing_left_open,
    reply,
)

SECRET = b"a shared secret"
CLASS, NAS_IDENTIFIER, CALLING_STATION_ID = 25, 32, 31
NEW = SessionRecord(1700000000.0, "198.51.100.7")
SESSION = Session("alice", "CORP\\alice", protocol="ssh", connection_name="servers", client_ip="198.51.100.7")


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def section(port: int) -> str:
    return f"[radius]\nserver=127.0.0.1\nport={port}\nsecret={SECRET.decode('ascii')}\n"


def call(pairs: Dict[str, str]) -> HookCall:
    return HookCall("alice", None, pairs, can_ask=True)


def authenticator(text: str, **state: Any) -> Authenticator:
    return Authenticator(valid(text), SESSION, "sps", StateDirectories(**state))


def run(text: str, pairs: Dict[str, str], record: SessionRecord = NEW, **state: Any) -> Tuple[SessionRecord, Action]:
    return authenticator(text, **state).run(record, call(pairs))


def test_without_an_answer_nothing_is_sent() -> None:
    with Server(answering(SECRET)) as server:
        record, action = run(section(server.port), {})
    assert isinstance(action, Ask) and action.key == "otp"
    assert record == NEW._replace(login=record.login) and record.login.question == "password"
    assert server.requests == []


def test_an_accepted_login_is_in_the_record() -> None:
    with Server(answering(SECRET, ACCEPT, [(CLASS, b"\0class"), (USER_NAME, b"alice@corp")])) as server:
        accounting = "[username]\nstrip_domain=yes\n[accounting]\nenabled=yes\n"
        one = authenticator(section(server.port) + accounting)
        record, action = one.run(NEW, call({"otp": "123456"}))
    assert action == Accept()
    (request,) = server.requests
    assert request.values(USER_NAME) == [b"alice"] and request.password(SECRET) == b"123456"
    assert request.values(NAS_IDENTIFIER) == [b"sps"] and request.values(CALLING_STATION_ID) == [b"198.51.100.7"]
    assert record == NEW._replace(
        login=record.login,
        server=f"127.0.0.1:{server.port}",
        method="pap",
        radius_user="alice",
        seconds=record.seconds,
        accepted=True,
        accepted_user=AcceptedUser("alice@corp", (b"\0class",)),
    )
    assert [packet.sent for packet in one.packets] == [True, False]


def test_a_rejected_login_is_an_attempt() -> None:
    with Server(answering(SECRET, REJECT, [(REPLY_MESSAGE, b"Wrong code")])) as server:
        record, action = run(section(server.port), {"otp": "123456"})
    assert isinstance(action, Ask) and "Wrong code" in action.prompt
    assert (record.attempts, record.accepted, record.accepted_user) == (1, False, None)


def test_a_challenge_goes_on_in_the_next_call() -> None:
    def script(request: Request) -> List[bytes]:
        if request.values(STATE):
            return [reply(request, SECRET, ACCEPT)]
        return [reply(request, SECRET, CHALLENGE, [(STATE, b"state"), (REPLY_MESSAGE, b"Token?")])]

    with Server(script) as server:
        record, action = run(section(server.port), {"otp": "1111"})
        assert isinstance(action, Ask) and action.prompt == "Token? "
        record, action = run(section(server.port), {"otp": "1111", action.key: "2222"}, record)
    assert action == Accept()
    assert [request.password(SECRET) for request in server.requests] == [b"1111", b"2222"]
    assert (record.login.all_challenges, record.attempts) == (1, 1)


def test_no_response_is_a_deny_and_no_attempt() -> None:
    with closed_port() as port:
        one = authenticator(section(port))
        record, action = one.run(NEW, call({"otp": "123456"}))
    assert action == Deny("connection-refused")
    assert (record.attempts, record.server, record.method, record.radius_user) == (0, "", "pap", "CORP\\alice")


def test_failed_logins_lock_the_account(tmp_path: pathlib.Path) -> None:
    with Server(answering(SECRET, REJECT)) as server:
        text = section(server.port) + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=2\n"
        actions = [run(text, {"otp": "x"}, persistent=str(tmp_path))[1] for _ in range(3)]
    assert actions[:2] == [Deny("rejected")] * 2
    assert isinstance(actions[2], Deny) and actions[2].code == "locked"
    assert len(server.requests) == 2


def challenging(request: Request) -> List[bytes]:
    """Answer every code, wrong or not, with another challenge, but accept `right` and reject `end`: a script."""
    codes = {b"right": ACCEPT, b"end": REJECT}
    return [reply(request, SECRET, codes.get(request.password(SECRET), CHALLENGE), [(STATE, b"state")])]


def test_dialogue_of_challenges_never_locks_the_user_who_completes_it(tmp_path: pathlib.Path) -> None:
    with Server(challenging) as server:

        @for_each(limit=range(1, 6), scope=("user", "client", "both"))
        def check(limit: int, scope: str) -> None:
            state = str(tmp_path / f"{limit}-{scope}")
            text = section(server.port) + f"[lockout]\nmax_failures={limit}\nscope={scope}\n"
            for _ in range(2):  # a success takes back what it counted
                record, action = run(text, {"otp": "passcode"}, persistent=state)
                for answer in ("new PIN", "new PIN again", "next code", "and the next", "right"):
                    assert isinstance(action, Ask)
                    record, action = run(text, {"otp": "passcode", action.key: answer}, record, persistent=state)
                assert action == Accept() and record.attempt == ""
            assert os.listdir(os.path.join(state, "lockout")) == []

        check()


def test_request_without_a_reply_does_not_count(tmp_path: pathlib.Path) -> None:
    with closed_port() as port:
        for _ in range(20):
            record, action = run(section(port) + "[lockout]\nmax_failures=1\n", {"otp": "x"}, persistent=str(tmp_path))
            assert action == Deny("connection-refused") and record.attempt == ""
    assert os.listdir(str(tmp_path / "lockout")) == []


def test_unusable_state_is_one_warning_a_call(tmp_path: pathlib.Path, caplog: Any) -> None:
    (tmp_path / "lockout").write_text("a file")
    os.mkfifo(str(tmp_path / "radius-servers"))
    os.mkfifo(str(tmp_path / "user-locks"))
    text = "[auth]\nmax_attempts=2\nserialize_user=yes\n[lockout]\nmax_failures=9\n"
    with Server(answering(SECRET)) as server, caplog.at_level(logging.WARNING):
        record, action = run(
            section(server.port) + text, {"otp": "x"}, persistent=str(tmp_path), ephemeral=str(tmp_path)
        )
    assert action == Accept()
    warnings = [entry.getMessage() for entry in caplog.records]
    heads = ("Lockout cannot count", "Logins of one user do not wait", "Server status is not shared")
    assert [warning.startswith(head) for warning, head in zip(sorted(warnings), heads)] == [True] * 3
    assert len(warnings) == 3
