"""Several servers, slow servers, dead servers and MS-CHAPv2, through the zip."""

import pathlib
import socket
import struct
import threading
from typing import Any, List

import pytest

from tests.support.cases import Cases
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    Request,
    Server,
    answering,
    reply,
    silent,
)
from tests.support.plugin import OpenSession, code, metadata, prompts, section, text
from tests.support.radiusd import FreeRadius

STATUS_SERVER = 12


def one_second(server: Server, name: str = "radius", **options: Any) -> str:
    """Return the section of a server that gets one transmission and one second, unless options replace this."""
    return section(server, name, **dict(dict(conn_timeout=1, conn_retries=1, retransmit_after=0), **options))


def second(freeradius: FreeRadius) -> str:
    """Return the section of FreeRADIUS as the second server."""
    return section(freeradius, "radius_2", status_check="none", conn_timeout=60)


def answers_status_only(request: Request) -> List[bytes]:
    """Reply to Status-Server only, like a server whose user has not answered the push: a script."""
    return [reply(request, SECRET, ACCEPT)] if request.octets[0] == STATUS_SERVER else []


def test_next_process_tries_the_dead_server_last(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(silent) as dead:
        both = one_second(dead) + second(freeradius)
        first = open_session(both, server_username="alice")
        assert first.log_in("correct horse")["verdict"] == "ACCEPT"
        assert f"[radius] 127.0.0.1:{dead.port}: no response to 1 transmission" in text(first)
        asked = len(dead.requests)
        assert asked == 1
        other = open_session(both, server_username="alice")
        assert other.log_in("correct horse")["verdict"] == "ACCEPT"
        assert len(dead.requests) == asked
        assert metadata(other.calls[-1].result)["server"] == f"127.0.0.1:{freeradius.port}"


def test_only_server_is_tried_though_dead(open_session: OpenSession) -> None:
    answers = threading.Event()
    with Server(lambda request: [reply(request, SECRET)] if answers.is_set() else []) as server:
        assert code(open_session(one_second(server), server_username="alice").log_in("x")) == "no-reply"
        answers.set()
        assert open_session(section(server), server_username="alice").log_in("x")["verdict"] == "ACCEPT"


def test_dead_time_0_marks_no_server(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(silent) as dead:
        both = one_second(dead, dead_time=0) + second(freeradius)
        for asked in (1, 2):
            assert open_session(both, server_username="alice").log_in("correct horse")["verdict"] == "ACCEPT"
            assert len(dead.requests) == asked


@pytest.mark.slow
def test_server_that_stops_to_answer_status_server_is_dead(open_session: OpenSession, freeradius: FreeRadius) -> None:
    dead = threading.Event()

    def slow_then_dead(request: Request) -> List[bytes]:
        return [] if dead.is_set() else answers_status_only(request)

    with Server(slow_then_dead) as server:
        patient = one_second(server, conn_timeout=4, status_check_after=0.2) + second(freeradius)
        first = open_session(patient, server_username="alice")
        assert first.log_in("correct horse")["verdict"] == "ACCEPT"
        assert "no response to 1 transmission, but Status-Server was answered" in text(first)
        dead.set()
        # The plugin gives up a dead server long before the time that it would wait for the user.
        long = one_second(server, conn_timeout=200, status_check_after=0.2) + second(freeradius)
        other = open_session(long, server_username="alice", time_limit=90.0)
        assert other.log_in("correct horse")["verdict"] == "ACCEPT"
        assert "no response to 1 transmission or to Status-Server" in text(other)


@pytest.mark.slow
def test_slow_server_that_answers_status_server_is_not_dead(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(answers_status_only) as slow:
        both = one_second(slow, conn_timeout=4, status_check_after=0.2) + second(freeradius)
        for _ in range(2):
            assert open_session(both, server_username="alice").log_in("correct horse")["verdict"] == "ACCEPT"
        logins = [request for request in slow.requests if request.octets[0] != STATUS_SERVER]
        assert len(logins) == 2


def test_status_check_none(open_session: OpenSession) -> None:
    with Server(silent) as server:
        session = open_session(one_second(server, status_check_after=0.1, status_check="none"), server_username="alice")
        assert code(session.log_in("x")) == "no-reply"
        assert [request.octets[0] for request in server.requests] == [1]


def test_freeradius_answers_status_server_during_a_push(open_session: OpenSession, freeradius: FreeRadius) -> None:
    before = len(freeradius.requests())
    session = open_session(section(freeradius, status_check_after=0.1), server_username="push")
    assert session.log_in("")["verdict"] == "ACCEPT"
    assert "Status-Server" in [request.code for request in freeradius.requests()[before:]]


@pytest.mark.slow
def test_login_starts_over_if_the_challenging_server_dies(open_session: OpenSession, freeradius: FreeRadius) -> None:
    challenge = [(STATE, b"its own State"), (REPLY_MESSAGE, b"Code?")]
    with Server(answering(SECRET, CHALLENGE, challenge)) as first:
        both = section(first) + second(freeradius)
        session = open_session(both, server_username="alice")
        session.authenticate()
        assert session.answer("x")["question"][1] == "Code? "
    verdict = session.answer("y")
    assert verdict["verdict"] == "NEEDINFO"
    assert prompts(session)[-1].startswith("The authentication server is no longer available. Log in again.")
    assert session.answer("correct horse")["verdict"] == "ACCEPT"
    assert not [request for request in freeradius.requests("alice") if request.get("State") == b"its own State"]


def test_unusable_state_directory_is_logged_once(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "state.ephemeral").write_text("a file where the directory should be")
    session = open_session(radius, server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert text(session).count("State directory unavailable: ") == 1


def test_total_timeout_bounds_all_servers(open_session: OpenSession) -> None:
    with Server(silent) as first, Server(silent) as other:
        slow = one_second(first, conn_timeout=200, total_timeout=1) + one_second(other, "radius_2")
        session = open_session(slow, server_username="alice", time_limit=90.0)
        assert code(session.log_in("x")) == "no-reply"
        assert "[radius_2] 127.0.0.1: not tried: total_timeout exhausted" in text(session)


def test_timeouts_beyond_the_time_limit_are_a_warning(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "conn_timeout=200\nconn_retries=2\n", server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert "[radius] conn_timeout: the servers' timeouts add up to 400 s; SPS stops a plugin after 300 s" in text(
        session
    )


def test_source_ip(open_session: OpenSession) -> None:
    with Server(answering(SECRET)) as server:
        session = open_session(section(server, source_ip="127.0.0.9"), server_username="alice")
        assert session.log_in("x")["verdict"] == "ACCEPT"
        assert {request.source[0] for request in server.requests} == {"127.0.0.9"}
        session = open_session(section(server, source_ip="192.0.2.1"), server_username="alice")
        assert code(session.log_in("x")) == "network"


@pytest.fixture
def mschap(radius: str) -> str:
    """The [radius] section for MS-CHAPv2 with the tests' FreeRADIUS."""
    return radius + "auth_type=mschapv2\n"


def test_mschapv2(open_session: OpenSession, mschap: str, freeradius: FreeRadius) -> None:
    for user, password in (("alice", "correct horse"), ("müller", "pässwörd€密码")):
        verdict = open_session(mschap, server_username=user).log_in(password)
        assert (verdict["verdict"], metadata(verdict)["method"]) == ("ACCEPT", "mschapv2"), user
        request = freeradius.requests(user)[-1]
        assert request.get("MS-CHAP2-Response") and not request.get("User-Password"), user


def test_mschapv2_with_a_domain_in_the_name(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, gateway_user="CORP\\alice")
    session.authenticate()
    assert "Wrong user name or password" in session.answer("correct horse")["question"][1]  # CORP is unknown


def test_mschapv2_error_messages(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="alice")
    verdict = session.log_in("a", "b", "c")
    assert code(verdict) == "too-many-attempts"
    assert "Wrong user name or password" in verdict["reason"]
    assert "Wrong user name or password" in prompts(session)[1]


def test_mschapv2_challenge(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="pin1")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"


def test_mschapv2_server_that_does_not_prove_itself(open_session: OpenSession) -> None:
    with Cases() as cases:
        for success in (None, b"\x00S=" + b"0" * 40, b""):
            attributes = []
            if success is not None:
                attributes = [(26, struct.pack("!LBB", 311, 26, 2 + len(success)) + success)]
            with cases.case(success), Server(answering(SECRET, ACCEPT, attributes)) as server:
                session = open_session(section(server, auth_type="mschapv2"), server_username="alice")
                assert code(session.log_in("x")) == "mutual-auth-failed"
                assert "MS-CHAP2-Success missing or invalid" in text(session)


def test_mschapv2_password_too_long(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="alice")
    assert session.log_in("x" * 257, "correct horse")["verdict"] == "ACCEPT"
    assert "longer than 256 characters" in prompts(session)[1]


def test_hooks_only_write_marks_to_the_state_directory(
    open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    with Server(silent) as dead:
        session = open_session(one_second(dead) + second(freeradius), server_username="alice")
        session.log_in("correct horse")
    left = [path for path in (tmp_path / "state.ephemeral").rglob("*") if path.is_file()]
    assert sorted(path.name.rsplit("-", 1)[0] for path in left) == [
        f"answered-127.0.0.1_{freeradius.port}-udp-login-127.0.0.1",
        f"dead-127.0.0.1_{dead.port}-udp-login-127.0.0.1",
    ]
    assert not any(path.read_bytes() for path in left)
    assert socket.inet_aton(dead.host)
