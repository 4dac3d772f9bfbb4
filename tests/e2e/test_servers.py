"""Several servers, slow and dead ones, and MS-CHAPv2: through the zip, against FreeRADIUS and misbehaving servers."""

import pathlib
import socket
import struct
import threading
from typing import Dict, Iterator, List, Optional

import pytest

from tests.support.misbehaving import ACCEPT, Request, Server, reply, silent
from tests.support.plugin import OpenSession, code, metadata, prompts, radius_section, text
from tests.support.radiusd import FreeRadius, running

SECRET = b"secret of the misbehaving server"
STATUS_SERVER = 12


def section(server: Server, name: str = "radius", **options: object) -> str:
    """Return a section for a misbehaving server."""
    values: Dict[str, object] = dict(server=server.host, port=server.port, secret=SECRET.decode("ascii"))
    values.update(conn_timeout=1, conn_retries=1, retransmit_after=0)
    values.update(options)
    return "[{}]\n".format(name) + "".join("{}={}\n".format(*pair) for pair in values.items())


def second(freeradius: FreeRadius) -> str:
    """Return FreeRADIUS as the second server."""
    return radius_section(freeradius, status_check="none", conn_timeout=60).replace("[radius]", "[radius_2]")


def answers_status_only(request: Request) -> List[bytes]:
    """Answer a Status-Server and nothing else: a server whose user is reaching for his phone. A script."""
    return [reply(request, SECRET, ACCEPT)] if request.octets[0] == STATUS_SERVER else []


def test_dead_server_is_asked_last_by_the_next_process(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(silent) as dead:
        both = section(dead) + second(freeradius)
        first = open_session(both, server_username="alice")
        assert first.log_in("correct horse")["verdict"] == "ACCEPT"
        assert "[radius] 127.0.0.1:{}: no reply to 1 send".format(dead.port) in text(first)
        asked = len(dead.requests)
        assert asked == 1
        other = open_session(both, server_username="alice")
        assert other.log_in("correct horse")["verdict"] == "ACCEPT"
        assert len(dead.requests) == asked
        assert metadata(other.calls[-1].result)["server"] == "127.0.0.1:{}".format(freeradius.port)


def test_dead_server_is_asked_again_when_all_are_and_forgiven_when_it_answers(open_session: OpenSession) -> None:
    answers = threading.Event()
    with Server(lambda request: [reply(request, SECRET)] if answers.is_set() else []) as server:
        only = section(server)
        assert code(open_session(only, server_username="alice").log_in("x")) == "no-reply"
        answers.set()
        assert open_session(only, server_username="alice").log_in("x")["verdict"] == "ACCEPT"


def test_dead_time_of_nothing_remembers_nothing(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(silent) as dead:
        both = section(dead, dead_time=0) + second(freeradius)
        for asked in (1, 2):
            assert open_session(both, server_username="alice").log_in("correct horse")["verdict"] == "ACCEPT"
            assert len(dead.requests) == asked


def test_known_status_answers_make_silence_prove_death(open_session: OpenSession, freeradius: FreeRadius) -> None:
    dead = threading.Event()

    def slow_then_dead(request: Request) -> List[bytes]:
        return [] if dead.is_set() else answers_status_only(request)

    with Server(slow_then_dead) as server:
        patient = section(server, conn_timeout=3, status_check_after=0.2) + second(freeradius)
        first = open_session(patient, server_username="alice")
        assert first.log_in("correct horse")["verdict"] == "ACCEPT"
        assert "no reply to 1 send, but it answered a Status-Server" in text(first)
        dead.set()
        # A minute would be waited for a user; a server that proves dead is given up long before.
        hour = section(server, conn_timeout=60, status_check_after=0.2) + second(freeradius)
        other = open_session(hour, server_username="alice")
        other.time_limit = 30.0
        assert other.log_in("correct horse")["verdict"] == "ACCEPT"
        assert "no reply to 1 send, nor to a Status-Server" in text(other)


def test_slow_server_that_answers_status_is_not_marked(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Server(answers_status_only) as slow:
        both = section(slow, conn_timeout=3, status_check_after=0.2) + second(freeradius)
        for _ in range(2):
            assert open_session(both, server_username="alice").log_in("correct horse")["verdict"] == "ACCEPT"
        logins = [request for request in slow.requests if request.octets[0] != STATUS_SERVER]
        assert len(logins) == 2


def test_status_check_can_be_turned_off(open_session: OpenSession) -> None:
    with Server(silent) as server:
        session = open_session(section(server, status_check_after=0.1, status_check="none"), server_username="alice")
        assert code(session.log_in("x")) == "no-reply"
        assert [request.octets[0] for request in server.requests] == [1]


def test_freeradius_answers_status_while_a_push_waits(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "radiusd"
    directory.mkdir()
    with running(directory) as server:
        server.stop()
    with FreeRadius(directory, push_seconds=2) as server:
        session = open_session(radius_section(server, status_check_after=0.5), server_username="push")
        assert session.log_in("")["verdict"] == "ACCEPT"
        assert "Status-Server" in [request.code for request in server.requests()]


def test_challenge_of_a_server_that_dies_starts_over_with_the_next(
    open_session: OpenSession, freeradius: FreeRadius
) -> None:
    with Server(lambda request: [reply(request, SECRET, 11, [(24, b"its own State"), (18, b"Code?")])]) as first:
        both = section(first) + second(freeradius)
        session = open_session(both, server_username="alice")
        session.authenticate()
        assert session.answer("x")["question"][1] == "Code? "
    verdict = session.answer("y")
    assert verdict["verdict"] == "NEEDINFO"
    assert prompts(session)[-1].startswith("The authentication server is no longer available. Please log in again.")
    assert session.answer("correct horse")["verdict"] == "ACCEPT"
    assert not [request for request in freeradius.requests("alice") if request.get("State") == b"its own State"]


def test_state_directory_that_cannot_be_used_is_no_memory(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "state.ephemeral").write_text("a file where the directory should be")
    session = open_session(radius, server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert text(session).count("nothing is remembered between hooks") == 1


def test_total_timeout_bounds_all_servers(open_session: OpenSession) -> None:
    with Server(silent) as first, Server(silent) as other:
        slow = section(first, conn_timeout=60, total_timeout=1) + section(other, "radius_2")
        session = open_session(slow, server_username="alice")
        session.time_limit = 30.0
        assert code(session.log_in("x")) == "no-reply"
        assert "[radius_2] 127.0.0.1: not asked, no time was left" in text(session)


def test_bounds_beyond_the_plugins_time_are_a_warning(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "conn_timeout=200\nconn_retries=2\n", server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert "[radius] conn_timeout: the servers' timeouts add up to 400 s; SPS stops a plugin after 300 s" in text(
        session
    )


def test_source_ip(open_session: OpenSession) -> None:
    with Server(lambda request: [reply(request, SECRET)]) as server:
        session = open_session(section(server, source_ip="127.0.0.9"), server_username="alice")
        assert session.log_in("x")["verdict"] == "ACCEPT"
        assert {request.source[0] for request in server.requests} == {"127.0.0.9"}
        session = open_session(section(server, source_ip="192.0.2.1"), server_username="alice")
        assert code(session.log_in("x")) == "network"


@pytest.fixture
def mschap(radius: str) -> Iterator[str]:
    """FreeRADIUS, asked by MS-CHAPv2."""
    yield radius + "auth_type=mschapv2\n"


@pytest.mark.parametrize("user, password", [("alice", "correct horse"), ("müller", "pässwörd€密码")])
def test_mschapv2(open_session: OpenSession, mschap: str, freeradius: FreeRadius, user: str, password: str) -> None:
    session = open_session(mschap, server_username=user)
    verdict = session.log_in(password)
    assert (verdict["verdict"], metadata(verdict)["method"]) == ("ACCEPT", "mschapv2")
    request = freeradius.requests(user)[-1]
    assert request.get("MS-CHAP2-Response") and not request.get("User-Password")


def test_mschapv2_of_a_name_with_a_domain(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, gateway_user="CORP\\alice")
    session.authenticate()
    assert "Wrong user name or password" in session.answer("correct horse")["question"][1]  # FreeRADIUS knows no CORP


def test_mschapv2_errors_are_put_into_words(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="alice")
    verdict = session.log_in("a", "b", "c")
    assert code(verdict) == "too-many-attempts"
    assert "Wrong user name or password" in verdict["reason"]
    assert "Wrong user name or password" in prompts(session)[1]


def test_mschapv2_challenge(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="pin1")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"


@pytest.mark.parametrize("success", [None, b"\x00S=" + b"0" * 40, b""])
def test_mschapv2_server_that_does_not_prove_itself(open_session: OpenSession, success: Optional[bytes]) -> None:
    attributes = []
    if success is not None:
        attributes = [(26, struct.pack("!LBB", 311, 26, 2 + len(success)) + success)]
    with Server(lambda request: [reply(request, SECRET, ACCEPT, attributes)]) as server:
        session = open_session(section(server, auth_type="mschapv2"), server_username="alice")
        assert code(session.log_in("x")) == "mutual-auth-failed"
        assert "did not prove that it knows the password" in text(session)


def test_mschapv2_password_too_long(open_session: OpenSession, mschap: str) -> None:
    session = open_session(mschap, server_username="alice")
    assert session.log_in("x" * 257, "correct horse")["verdict"] == "ACCEPT"
    assert "longer than 256 characters" in prompts(session)[1]


def test_hooks_leave_only_marks_in_the_state_directory(
    open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    with Server(silent) as dead:
        session = open_session(section(dead) + second(freeradius), server_username="alice")
        session.log_in("correct horse")
    left = [path for path in (tmp_path / "state.ephemeral").rglob("*") if path.is_file()]
    assert [path.name.rsplit("-", 1)[0] for path in left] == ["dead-127.0.0.1_{}".format(dead.port)]
    assert socket.inet_aton(dead.host)
