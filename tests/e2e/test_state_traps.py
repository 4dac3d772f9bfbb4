"""Pipes and dangling links in the state directories: no hook waits for one, or creates a file elsewhere."""

import os
import pathlib
from typing import Callable, Dict, List

from simulator.closed_port import closed_port
from simulator.gateway import Session
from tests.support.cases import Cases
from tests.support.misbehaving import REJECT, SECRET, Request, Server, reply, silent
from tests.support.plugin import OpenSession, code, outcome, section, text
from tests.support.processes import WAIT_LIMIT

DIRECTORIES = ["accounting", "lockout", "radius-servers", "user-locks"]
TRAPS: Dict[str, Callable[[pathlib.Path, pathlib.Path], None]] = {
    "pipe": lambda path, elsewhere: os.mkfifo(str(path)),
    "link": lambda path, elsewhere: path.symlink_to(elsewhere / "created"),
}


def only_with_code(request: Request) -> List[bytes]:
    """Accept the password `code` only: a script."""
    return [reply(request, SECRET) if request.password(SECRET) == b"code" else reply(request, SECRET, REJECT)]


def test_pipes_and_dangling_links_hang_no_hook_and_create_no_file_elsewhere(
    open_session: OpenSession, tmp_path: pathlib.Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Server(only_with_code) as server, Server(silent) as accounting, closed_port() as closed, Cases() as cases:
        configuration = section(closed) + section(server, "radius_2")
        configuration += "[auth]\nserialize_user=yes\nmax_attempts=1\n[lockout]\nmax_failures=5\n"
        configuration += section(accounting, "accounting", enabled="yes", timeout=0.1)

        def log_in(password: str, expected: str) -> None:
            session = open_session(configuration, gateway_user="alice", time_limit=WAIT_LIMIT)
            assert outcome(session, password) == expected, session.log
            if expected == "ACCEPT":
                assert session.authorize()["verdict"] == "ACCEPT", session.log
            session.end()
            assert "Internal error" not in text(session) and "Accounting failed" not in text(session)

        def files() -> List[pathlib.Path]:
            roots = (tmp_path / "state", tmp_path / "state.ephemeral")
            return [path for root in roots for path in root.rglob("*") if path.parent.name in DIRECTORIES]

        log_in("code", "ACCEPT")
        for name, make in TRAPS.items():
            with cases.case(name):
                log_in("wrong", "rejected")
                for path in files():
                    path.unlink()
                    make(path, elsewhere)
                assert sorted({path.parent.name for path in files()}) == DIRECTORIES
                log_in("code", "ACCEPT")
                assert list(elsewhere.iterdir()) == []


def test_pipes_and_dangling_links_in_the_directories_of_the_sdk(
    open_session: OpenSession, tmp_path: pathlib.Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cached = tmp_path / "state" / "auth_cache" / "alice@192.0.2.10.cache"
    counted = tmp_path / "state.ephemeral" / "connection_limit by=client_ip_gateway_user" / "192.0.2.10_alice"
    with Server(only_with_code) as server, Cases() as cases:
        configuration = section(server) + "[auth]\nmax_attempts=1\n[authentication_cache]\nreuse_limit=9\n"
        configuration += "soft_timeout=600\nhard_timeout=600\n"
        configuration += "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"

        def open_one() -> Session:
            return open_session(configuration, gateway_user="alice", client_ip="192.0.2.10", time_limit=WAIT_LIMIT)

        ended = open_one()
        assert outcome(ended, "code") == "ACCEPT" and outcome(open_one()) == "ACCEPT", "the second by the cache"
        assert ended.authorize()["verdict"] == "ACCEPT"
        for path, check in ((cached, cannot_use_the_cache), (counted, cannot_count)):
            kept = path.read_bytes()
            for name, make in TRAPS.items():
                for trap in (path, path.with_name(path.name + ".lock")):
                    with cases.case(f"{trap.name}: {name}"):
                        path.unlink()
                        make(trap, elsewhere)
                        try:
                            check(open_one)
                            assert list(elsewhere.iterdir()) == []
                        finally:
                            trap.unlink()
                            path.write_bytes(kept)


def cannot_use_the_cache(open_one: Callable[[], Session]) -> None:
    session = open_one()
    assert outcome(session, "wrong") == "rejected"
    assert "Authentication cache unavailable: " in text(session)
    session = open_one()
    assert outcome(session, "code") == "ACCEPT"
    assert text(session).count("Authentication cache unavailable: ") == 2, "neither read nor filled"


def cannot_count(open_one: Callable[[], Session]) -> None:
    session = open_one()
    assert outcome(session) == "ACCEPT"
    assert code(session.authorize()) == "connection-limit"
    assert "Connection limit not checked: " in text(session)
    session.end()
    assert "Session ended: " in text(session)
