"""Many concurrent sessions, a third of them with a challenge, and one of the two servers dead."""

import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, Tuple

import pytest

from tests.support.misbehaving import Server, silent
from tests.support.plugin import OpenSession, metadata, section
from tests.support.radiusd import FreeRadius

SESSIONS, AT_ONCE = 200, 100


@pytest.mark.slow
def test_storm(open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path) -> None:
    with Server(silent) as dead:
        servers = section(dead, conn_timeout=2, conn_retries=1, dead_time=3600)
        servers += section(freeradius, "radius_2", conn_timeout=60)

        def log_in(number: int) -> Tuple[str, str, Dict[str, object]]:
            user, codes = (("pin1", ["1111", "222222"]), ("alice", ["correct horse"]), ("alice", ["wrong"]))[number % 3]
            pairs = {"gu": user, "otp": codes[0]}
            session = open_session(servers + "[auth]\nmax_attempts=1\n", key_value_pairs=pairs)
            verdict = session.log_in(*codes[1:])
            return codes[-1], verdict["verdict"], metadata(verdict)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(log_in, range(SESSIONS)))
    assert len(outcomes) == SESSIONS
    for code, verdict, facts in outcomes:
        assert verdict == ("DENY" if code == "wrong" else "ACCEPT"), facts
        assert facts["server"] == f"127.0.0.1:{freeradius.port}"
        assert facts["rounds"] == (1 if code == "222222" else 0)
    # Only the first sessions wait for the dead server; those that start after them know that it is dead.
    assert len({request.octets for request in dead.requests}) < SESSIONS
    left = [path.name.rsplit("-", 1)[0] for path in (tmp_path / "state.ephemeral").rglob("*") if path.is_file()]
    living = f"127.0.0.1_{freeradius.port}-udp-login-127.0.0.1"
    expected = {f"answered-{living}", f"dead-127.0.0.1_{dead.port}-udp-login-127.0.0.1"}
    assert set(left) - {f"status-{living}"} == expected  # if FreeRADIUS was slow enough for a Status-Server
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
