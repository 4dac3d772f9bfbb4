"""Which server is asked, and what logins learn from each other, through the zip."""

import functools
import os
import pathlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterable, List, Tuple

import pytest

from lib.recovery_code import new_hash
from lib.secret import Secret
from simulator.closed_port import closed_port
from tests.support.cases import Cases
from tests.support.interpreters import REFUSAL_NOTICED, TWO_ADDRESSES, interpreter, under
from tests.support.loopback import free_port
from tests.support.misbehaving import (
    ACCEPT,
    REJECT,
    SECRET,
    USER_NAME,
    Request,
    Script,
    Server,
    answering,
    reply,
    silent,
)
from tests.support.plugin import OpenSession, code, metadata, outcome, section, text
from tests.support.processes import WAIT_LIMIT, wait_until

STATUS_SERVER = 12
RECOVERY_CODE = "7K3M-9QXT-0GHV-W2BD"
RECOVERY_CODES = f"[recovery_codes]\nalice = {new_hash(Secret(RECOVERY_CODE), bytes)}\n"
PROBED: Dict[str, Any] = dict(status_check_after=0.2, status_check_timeout=0.5)


def brief(target: Server, name: str = "radius", **options: Any) -> str:
    """Return the section of a server that gets three seconds."""
    values: Dict[str, Any] = dict(
        dict(conn_timeout=3, conn_retries=1, retransmit_after=0, status_check="none"), **options
    )
    return section(target, name, **values)


def patient(server: Server) -> str:
    """Return the section of a second server that answers."""
    return section(server, "radius_2", conn_timeout=60, status_check="none")


def status_only(code: int = ACCEPT, **options: Any) -> Script:
    """Return a script that answers Status-Server and no login, as a proxy does whose upstream is gone."""
    return lambda request: [reply(request, SECRET, code, **options)] if request.octets[0] == STATUS_SERVER else []


def logins(server: Server) -> List[Request]:
    """Return the requests that are no Status-Server."""
    return [request for request in server.requests if request.octets[0] != STATUS_SERVER]


def age(tmp_path: pathlib.Path, prefix: str, seconds: float) -> None:
    """Make these facts about endpoints so many seconds older."""
    for path in (tmp_path / "state.ephemeral" / "radius-servers").glob(prefix + "-*"):
        os.utime(str(path), (path.stat().st_mtime - seconds,) * 2)


def test_dead_address_of_a_name_costs_one_login(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    python = interpreter(tmp_path / "two addresses", sitecustomize=TWO_ADDRESSES)
    with Server(answering(SECRET), "127.0.0.3") as living, Server(silent, "127.0.0.2", living.port) as dead:
        configuration = brief(living, server="two.example")
        for _ in range(3):
            session = under(open_session(configuration, server_username="alice"), python)
            assert session.log_in("x")["verdict"] == "ACCEPT"
            assert metadata(session.calls[-1].result)["server"] == f"127.0.0.3:{living.port}"
    assert (len(dead.requests), len(living.requests)) == (1, 3)


@pytest.mark.slow
def test_server_that_answers_status_server_and_no_login_costs_two_logins(open_session: OpenSession) -> None:
    with Server(status_only()) as proxy, Server(answering(SECRET)) as living:
        both = brief(proxy, status_check="status-server", **PROBED) + patient(living)
        for asked in (1, 2, 2, 2):
            session = open_session(both, server_username="alice")
            assert session.log_in("x")["verdict"] == "ACCEPT"
            assert len(logins(proxy)) == asked
    assert [request.octets[0] for request in logins(living)] == [1] * 4


def test_busy_server_is_awaited_if_it_is_the_only_one(open_session: OpenSession) -> None:
    """It usually answers Status-Server, but all of its threads wait for a push."""
    is_busy = threading.Event()
    waiting: List[Request] = []

    def script(request: Request) -> Iterable[Any]:
        if not is_busy.is_set():
            return status_only()(request)
        waiting.append(request)
        probes = [each for each in waiting if each.octets[0] == STATUS_SERVER]
        # The last probe has been sent, and its timeout is over.
        return [reply(request, SECRET)] if len(probes) == 8 and request.octets[0] != STATUS_SERVER else []

    with Server(script) as server:
        learns = brief(server, status_check="status-server", **PROBED)
        assert code(open_session(learns, server_username="alice").log_in("x")) == "no-answer"
        is_busy.set()
        configuration = section(server, conn_timeout=1, conn_retries=30, **PROBED)
        session = open_session(configuration, server_username="alice", time_limit=90.0)
        assert session.log_in("x")["verdict"] == "ACCEPT"


def test_expired_mark_is_tried_by_one_login_only(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    asked, may_end = threading.Event(), threading.Event()

    def script(request: Request) -> List[bytes]:
        if len(server.requests) == 2:
            asked.set()
        return [reply(request, SECRET, REJECT)] if may_end.is_set() else []

    with Server(script) as server, Server(answering(SECRET)) as living:
        assert open_session(brief(server) + patient(living), gateway_user="alice").log_in("x")["verdict"] == "ACCEPT"
        age(tmp_path, "dead", 121)
        both = brief(server, conn_timeout=60, retransmit_after=0.2) + patient(living)
        with ThreadPoolExecutor(1) as pool:
            trying = pool.submit(outcome, open_session(both + "[auth]\nmax_attempts=1\n", gateway_user="alice"), "x")
            assert asked.wait(WAIT_LIMIT)
            first = len({request.octets for request in server.requests})
            for _ in range(3):
                assert open_session(both, gateway_user="alice").log_in("x")["verdict"] == "ACCEPT"
            assert len({request.octets for request in server.requests}) == first == 2
            may_end.set()
            assert trying.result() == "rejected"


def test_restart_of_the_only_server_goes_unnoticed(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    noticed = tmp_path / "noticed"
    python = interpreter(tmp_path / "refused", sitecustomize=REFUSAL_NOTICED.format(str(noticed)))
    with ThreadPoolExecutor(1) as pool:
        with closed_port(port=free_port()) as port:
            session = under(open_session(section(port, conn_timeout=60), server_username="alice"), python)
            verdict = pool.submit(session.log_in, "x")
            wait_until(noticed.exists)
        with Server(answering(SECRET), port=port):
            assert verdict.result()["verdict"] == "ACCEPT"


def test_code_is_about_the_login_and_not_about_the_probe(open_session: OpenSession) -> None:
    cases: Dict[str, Tuple[Script, str, str]] = {
        "unsigned": (status_only(signature=None), "no-reply", "1 reply to Status-Server invalid: no Message-Auth"),
        "another secret": (
            lambda request: [reply(request, b"another")] if request.octets[0] == STATUS_SERVER else [],
            "no-reply",
            "to Status-Server invalid: wrong Response Authenticator",
        ),
        "signed reject": (status_only(REJECT), "no-answer", "1 reply to Status-Server invalid: unexpected code"),
        "right": (status_only(), "no-answer", ", but Status-Server was answered"),
    }

    def check(script: Script, expected: str, line: str) -> None:
        with Server(script) as server:
            once = dict(PROBED, status_check_timeout=280)  # one probe
            session = open_session(brief(server, status_check="status-server", **once), server_username="alice")
            verdict = session.log_in("x")
        assert code(verdict) == expected
        assert line in text(session)
        assert ("approve the request on your device" in verdict["reason"]) == (expected == "no-answer")

    with Cases() as checked:
        checked.run_together({name: functools.partial(check, *case) for name, case in cases.items()})


def test_server_that_proves_that_it_is_up_opens_no_recovery(open_session: OpenSession) -> None:
    """Otherwise, a user could avoid a push by ignoring it."""

    def check(script: Script, expected: str) -> None:
        with Server(script) as server:
            configuration = brief(server, status_check="status-server", **PROBED)
            configuration += RECOVERY_CODES + "[auth]\nmax_attempts=1\n"
            session = open_session(configuration, gateway_user="alice")
            assert outcome(session, "x", *["wrong"] * (expected == "wrong-recovery-code")) == expected

    cases = {
        "accept": (status_only(), "no-answer"),
        "reject": (status_only(REJECT), "no-answer"),
        "silence": (silent, "wrong-recovery-code"),
    }
    with Cases() as checked:
        checked.run_together({name: functools.partial(check, *case) for name, case in cases.items()})


@pytest.mark.slow
def test_server_that_answers_others_is_not_marked_dead(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    """It answers no Status-Server, and one of its users ignores a push."""
    is_asked = threading.Event()

    def script(request: Request) -> List[bytes]:
        if request.values(USER_NAME) == [b"bob"]:
            return [reply(request, SECRET)]
        is_asked.set()
        return []

    with Server(script) as server, ThreadPoolExecutor(1) as pool:
        alice = open_session(brief(server, conn_timeout=6) + RECOVERY_CODES, gateway_user="alice")
        bob = open_session(brief(server, conn_timeout=60), gateway_user="bob")
        bob.authenticate()
        verdict = pool.submit(outcome, alice, "")
        assert is_asked.wait(WAIT_LIMIT)
        assert bob.answer("")["verdict"] == "ACCEPT"
        assert verdict.result() == "no-answer"
    assert ", but other requests were answered" in text(alice)
    assert not list((tmp_path / "state.ephemeral" / "radius-servers").glob("dead-*"))


def test_local_error_marks_no_server_dead(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with Server(answering(SECRET)) as server, Server(answering(SECRET)) as other:
        gone = brief(server, source_ip="192.0.2.1") + section(other, "radius_2", source_ip="")
        assert open_session(gone, server_username="alice").log_in("x")["verdict"] == "ACCEPT"
        assert len(other.requests) == 1
        assert not list((tmp_path / "state.ephemeral" / "radius-servers").glob("dead-*"))
        assert open_session(brief(server) + patient(other), server_username="alice").log_in("x")["verdict"] == "ACCEPT"
    assert len(server.requests) == 1
