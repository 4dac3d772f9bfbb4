"""Pipes and dangling links in the state directories: no hook waits for one, or creates a file elsewhere."""

import os
import pathlib
from typing import Callable, Dict, List

from tests.support.cases import Cases
from tests.support.misbehaving import REJECT, SECRET, Request, Server, closed_port, reply, silent
from tests.support.plugin import OpenSession, outcome, section, text
from tests.support.processes import WAIT_LIMIT

DIRECTORIES = ["accounting", "lockout", "radius-servers", "user-locks"]


def only_with_code(request: Request) -> List[bytes]:
    """Accept the password `code` only: a script."""
    return [reply(request, SECRET) if request.password(SECRET) == b"code" else reply(request, SECRET, REJECT)]


def test_pipes_and_dangling_links_hang_no_hook_and_create_no_file_elsewhere(
    open_session: OpenSession, tmp_path: pathlib.Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    traps: Dict[str, Callable[[pathlib.Path], None]] = {
        "pipe": lambda path: os.mkfifo(str(path)),
        "link": lambda path: path.symlink_to(elsewhere / "created"),
    }
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
        for name, make in traps.items():
            with cases.case(name):
                log_in("wrong", "rejected")
                for path in files():
                    path.unlink()
                    make(path)
                assert sorted({path.parent.name for path in files()}) == DIRECTORIES
                log_in("code", "ACCEPT")
                assert list(elsewhere.iterdir()) == []
