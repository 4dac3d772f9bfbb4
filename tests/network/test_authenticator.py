"""One hook call of the authenticator: a record and what SPS passes go in, the new record and the action come out."""

import contextlib
import logging
import os
import pathlib
import resource
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from lib.authenticator import Authenticator
from lib.config.model import Settings
from lib.login.state import Accept, Action, Ask, Deny, HookCall
from lib.recovery_code import new_hash
from lib.secret import Secret
from lib.session import AcceptedUser, Session, SessionRecord
from lib.state.directory import StateDirectories
from lib.state.user_lock import UserLocks
from simulator.closed_port import closed_port
from tests.support.cases import for_each
from tests.support.configuration import valid
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    USER_NAME,
    Request,
    Server,
    answering,
    nothing_left_open,
    reply,
    silent,
)
from tests.support.plugin import section
from tests.support.processes import forked, join

CLASS, NAS_IDENTIFIER, CALLING_STATION_ID = 25, 32, 31
NEW = SessionRecord(1700000000.0, "198.51.100.7")
SESSION = Session("alice", "CORP\\alice", protocol="ssh", connection_name="servers", client_ip="198.51.100.7")


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def call(pairs: Dict[str, str]) -> HookCall:
    return HookCall("alice", None, pairs, can_ask=True)


def authenticator(text: str, **state: Any) -> Authenticator:
    return Authenticator(valid(text), SESSION, "sps", StateDirectories(**state))


def run(text: str, pairs: Dict[str, str], record: SessionRecord = NEW, **state: Any) -> Tuple[SessionRecord, Action]:
    return authenticator(text, **state).run(record, call(pairs))


def test_without_an_answer_nothing_is_sent() -> None:
    with Server(answering(SECRET)) as server:
        record, action = run(section(server), {})
    assert isinstance(action, Ask) and action.key == "otp"
    assert record == NEW._replace(login=record.login) and record.login.question == "password"
    assert server.requests == []


def test_an_accepted_login_is_in_the_record() -> None:
    with Server(answering(SECRET, ACCEPT, [(CLASS, b"\0class"), (USER_NAME, b"alice@corp")])) as server:
        accounting = "[username]\nstrip_domain=yes\n[accounting]\nenabled=yes\n"
        one = authenticator(section(server) + accounting)
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
        record, action = run(section(server), {"otp": "123456"})
    assert isinstance(action, Ask) and "Wrong code" in action.prompt
    assert (record.attempts, record.accepted, record.accepted_user) == (1, False, None)


def test_challenge_continues_in_the_next_call() -> None:
    def script(request: Request) -> List[bytes]:
        if request.values(STATE):
            return [reply(request, SECRET, ACCEPT)]
        return [reply(request, SECRET, CHALLENGE, [(STATE, b"state"), (REPLY_MESSAGE, b"Token?")])]

    with Server(script) as server:
        record, action = run(section(server), {"otp": "1111"})
        assert isinstance(action, Ask) and action.prompt == "Token? "
        record, action = run(section(server), {"otp": "1111", action.key: "2222"}, record)
    assert action == Accept()
    assert [request.password(SECRET) for request in server.requests] == [b"1111", b"2222"]
    assert (record.login.all_challenges, record.attempts) == (1, 1)


def test_no_response_is_a_deny_and_no_attempt(down: str) -> None:
    record, action = authenticator(down).run(NEW, call({"otp": "123456"}))
    assert action == Deny("connection-refused")
    assert (record.attempts, record.server, record.method, record.radius_user) == (0, "", "pap", "CORP\\alice")


def test_failed_logins_lock_the_account(tmp_path: pathlib.Path) -> None:
    with Server(answering(SECRET, REJECT)) as server:
        text = section(server) + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=2\n"
        actions = [run(text, {"otp": "x"}, persistent=str(tmp_path))[1] for _ in range(3)]
    assert actions[:2] == [Deny("rejected")] * 2
    assert isinstance(actions[2], Deny) and actions[2].code == "locked"
    assert len(server.requests) == 2


def challenging(request: Request) -> List[bytes]:
    """Answer every code, wrong or not, with another challenge, but accept `right` and reject `end`: a script."""
    codes = {b"right": ACCEPT, b"end": REJECT}
    return [reply(request, SECRET, codes.get(request.password(SECRET), CHALLENGE), [(STATE, b"state")])]


def test_dialog_of_challenges_never_locks_the_user_who_completes_it(tmp_path: pathlib.Path) -> None:
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


def test_request_without_a_reply_does_not_count(down: str, tmp_path: pathlib.Path) -> None:
    for _ in range(5):
        record, action = run(down + "[lockout]\nmax_failures=1\n", {"otp": "x"}, persistent=str(tmp_path))
        assert action == Deny("connection-refused") and record.attempt == ""
    assert os.listdir(str(tmp_path / "lockout")) == []


def test_unusable_state_is_one_warning_a_call(tmp_path: pathlib.Path, caplog: Any) -> None:
    (tmp_path / "lockout").write_text("a file")
    os.mkfifo(str(tmp_path / "radius-servers"))
    os.mkfifo(str(tmp_path / "user-locks"))
    text = "[auth]\nmax_attempts=2\nserialize_user=yes\n[lockout]\nmax_failures=9\n"
    with Server(answering(SECRET)) as server, caplog.at_level(logging.WARNING):
        record, action = run(section(server) + text, {"otp": "x"}, persistent=str(tmp_path), ephemeral=str(tmp_path))
    assert action == Accept()
    warnings = [entry.getMessage() for entry in caplog.records]
    heads = ("Lockout cannot count", "Logins of one user do not wait", "Server status is not shared")
    assert [warning.startswith(head) for warning, head in zip(sorted(warnings), heads)] == [True] * 3
    assert len(warnings) == 3


def test_an_echoed_push_password_is_not_shown(caplog: Any) -> None:
    def script(request: Request) -> List[bytes]:
        return [reply(request, SECRET, REJECT, [(REPLY_MESSAGE, b"Wrong: " + request.password(SECRET))])]

    with Server(script) as server, caplog.at_level(logging.INFO):
        for password, shown in (("hunter22", "***"), ("push", "push"), ("Phone", "Phone")):
            record, action = run(section(server) + f"[auth]\npush_password={password}\n", {"otp": ""})
            assert isinstance(action, Ask) and f"Wrong: {shown}." in action.prompt
            assert record.login.attempts == (f"Wrong: {shown}",)
    assert "hunter22" not in caplog.text and "Wrong: ***" in caplog.text


def test_another_spelling_does_not_get_past_the_lock_of_a_user(tmp_path: pathlib.Path) -> None:
    def log_in(name: str, settings: Settings) -> None:
        session = SESSION._replace(username=name, identity=name)
        one = Authenticator(settings, session, "sps", StateDirectories(ephemeral=str(tmp_path)))
        assert one.run(NEW, call({"otp": "x"}))[1] == Deny("login-in-progress")

    with Server(answering(SECRET)) as server, UserLocks(str(tmp_path)).locked("alice", 0.0) as is_ours:
        assert is_ours
        text = section(server, total_timeout=1, conn_timeout=1, conn_retries=1) + "[auth]\nserialize_user=yes\n"
        names = ("alice", "ALICE", "álice", "CORP\\alice", "alice@corp.example", "alice@one@two")
        join([forked(log_in, name, valid(text)) for name in names])
    assert server.requests == []


def test_total_timeout_ends_the_wait_for_four_silent_servers(caplog: Any) -> None:
    with contextlib.ExitStack() as stack, caplog.at_level(logging.ERROR):
        servers = [stack.enter_context(Server(silent)) for _ in range(4)]
        text = section(servers[0]) + "total_timeout=4\nconn_timeout=1.6\nconn_retries=1\nstatus_check=none\n"
        text += "".join(f"[radius_{number}]\nport={server.port}\n" for number, server in enumerate(servers[1:], 2))
        record, action = run(text, {"otp": "123456"})
    assert action == Deny("no-reply")
    assert [bool(server.requests) for server in servers[:2] + servers[3:]] == [True, True, False]
    assert "[radius_4] 127.0.0.1: not tried: total_timeout exhausted" in caplog.text


# Recovery codes

CODE = "7K3M-9QXT-0GHV-W2BD"
CODES = f"[recovery_codes]\nalice = {new_hash(Secret(CODE), bytes)}\n"


def recover(port: int, state: str, session: Session, limit: int = 0) -> Tuple[Action, Action, SessionRecord]:
    """Give a code and then the recovery code, with at most `limit` descriptors if it is set."""
    one = Authenticator(
        valid(section(port, conn_timeout=0.1, conn_retries=1) + CODES), session, "sps", StateDirectories(state, state)
    )
    if limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    record, first = one.run(NEW, call({"otp": "123456"}))
    if not isinstance(first, Ask):
        return first, first, record
    record, second = one.run(record, call({"otp": "123456", first.key: CODE}))
    return first, second, record


def test_a_recovery_code_is_in_the_record(tmp_path: pathlib.Path) -> None:
    with closed_port() as port:
        first, second, record = recover(port, str(tmp_path), SESSION._replace(gateway_user="alice"))
    assert isinstance(first, Ask) and second == Accept(by_recovery_code=True)
    assert (record.recovered, record.accepted, record.accepted_user, record.attempts) == (True, False, None, 1)


def test_a_recovery_code_is_for_the_user_of_the_session(tmp_path: pathlib.Path) -> None:
    for gateway_user in (None, "", "bob", "Alice"):
        with closed_port() as port:
            _, second, record = recover(port, str(tmp_path), SESSION._replace(gateway_user=gateway_user))
        assert isinstance(second, Ask) and record.attempts == 1
    assert not (tmp_path / "recovery-codes").exists()


def test_without_descriptors_nobody_gets_in(tmp_path: pathlib.Path) -> None:
    def run_out(port: int) -> None:
        first, second, record = recover(port, str(tmp_path), SESSION._replace(gateway_user="alice"), limit=3)
        assert isinstance(first, Ask) and second == Deny("recovery-not-recorded")
        assert not record.recovered and not record.accepted

    with Server(answering(SECRET)) as server:
        recover(server.port, str(tmp_path / "warm"), SESSION)  # imports all that needs a descriptor
        join([forked(run_out, server.port)])
    warm = tmp_path / "warm"
    assert [path for path in tmp_path.rglob("*") if path.is_file() and warm not in path.parents] == []
