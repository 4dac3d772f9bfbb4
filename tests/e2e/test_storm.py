"""A login storm: many sessions at once, a third of them challenged, one server of two dead."""

import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, Tuple

from tests.support.misbehaving import Server, silent
from tests.support.plugin import OpenSession, metadata, radius_section
from tests.support.radiusd import FreeRadius

SESSIONS = 200


def test_storm(open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path) -> None:
    living = radius_section(freeradius).replace("[radius]", "[radius_2]")
    with Server(silent) as dead:
        first = "[radius]\nserver={}\nport={}\nsecret=x\nconn_timeout=2\nconn_retries=1\n".format(dead.host, dead.port)

        def log_in(number: int) -> Tuple[str, str, Dict[str, object]]:
            user, codes = (("pin1", ["1111", "222222"]), ("alice", ["correct horse"]), ("alice", ["wrong"]))[number % 3]
            pairs = {"gu": user, "otp": codes[0]}
            session = open_session(first + living + "[auth]\nmax_attempts=1\n", key_value_pairs=pairs)
            verdict = session.log_in(*codes[1:])
            return codes[-1], verdict["verdict"], metadata(verdict)

        with ThreadPoolExecutor(SESSIONS) as pool:
            outcomes = list(pool.map(log_in, range(SESSIONS)))
    assert len(outcomes) == SESSIONS
    for code, verdict, facts in outcomes:
        assert verdict == ("DENY" if code == "wrong" else "ACCEPT"), facts
        assert facts["server"] == "127.0.0.1:{}".format(freeradius.port)
        assert facts["rounds"] == (1 if code == "222222" else 0)
    # Once it was known to be dead, the first server was left alone: none waited for it in vain but the first few.
    assert len({request.octets for request in dead.requests}) < SESSIONS
    left = [path.name.rsplit("-", 1)[0] for path in (tmp_path / "state.ephemeral").rglob("*") if path.is_file()]
    slow = "status-127.0.0.1_{}".format(freeradius.port)  # where it took so long that it was asked whether it lives
    assert [name for name in left if name != slow] == ["dead-127.0.0.1_{}".format(dead.port)]
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
