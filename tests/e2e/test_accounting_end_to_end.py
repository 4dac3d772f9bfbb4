"""Accounting through the built zip: every session has one Start and one Stop in FreeRADIUS's record, whatever happens.

FreeRADIUS is also taken away for a while. What it has recorded is read from its detail file.
"""

import pathlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, List, Tuple

import pytest

from simulator.gateway import Session
from tests.support.misbehaving import Server, answering, silent
from tests.support.plugin import OpenSession, code, radius_section, text
from tests.support.radiusd import FreeRadius, Request, running

ACCOUNTING = "[accounting]\nenabled=yes\nport={}\n"


@pytest.fixture
def radiusd(tmp_path: pathlib.Path) -> Iterator[FreeRadius]:
    """A FreeRADIUS of the test's own, which it may stop."""
    directory = tmp_path / "radiusd"
    directory.mkdir()
    with running(directory) as server:
        yield server


def configuration(radiusd: FreeRadius, **options: Any) -> str:
    """Return a configuration with accounting; servers that did not answer are asked again by the next hook."""
    return radius_section(radiusd, dead_time=0, **options) + ACCOUNTING.format(radiusd.acct_port)


def whole_session(open_session: OpenSession, text_of_it: str, **known: Any) -> Session:
    """Return a session that was let on, authorized and ended."""
    session = open_session(text_of_it, **dict({"gateway_user": "alice"}, **known))
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert session.authorize()["verdict"] == "ACCEPT"
    session.end()
    return session


def kinds(records: List[Request]) -> "Counter[Tuple[Any, Any]]":
    """Return how often each session has each kind of record."""
    return Counter((record.get("Acct-Session-Id"), record.get("Acct-Status-Type")) for record in records)


def test_start_and_stop(open_session: OpenSession, radiusd: FreeRadius, tmp_path: pathlib.Path) -> None:
    began = int(time.time())
    session = whole_session(
        open_session,
        configuration(radiusd),
        session_id="s-1",
        client_ip="192.0.2.7",
        server_ip="192.0.2.20",
        server_port=2222,
        server_hostname="target.example.com",
        server_username="root",
        connection_name="prod",
    )
    start, stop = radiusd.accounting()
    for record in (start, stop):
        found = {name: value for name, value in record.attributes}
        for volatile in ("NAS-Identifier", "Event-Timestamp", "Acct-Session-Time"):
            found.pop(volatile, None)
        assert found == {
            "User-Name": "alice",
            "Acct-Status-Type": record.get("Acct-Status-Type"),
            "Acct-Session-Id": "s-1",
            "Acct-Delay-Time": "0",
            "Acct-Authentic": "RADIUS",
            "Class": b"OU=ops;",
            "NAS-IP-Address": "127.0.0.1",
            "NAS-Port-Type": "Virtual",
            "Service-Type": "Login-User",
            "Calling-Station-Id": "192.0.2.7",
            "Connect-Info": "ssh prod",
            "Called-Station-Id": "root@target.example.com:2222",
            "Login-IP-Host": "192.0.2.20",
            "Login-TCP-Port": "2222",
        }
    assert (start.get("Acct-Status-Type"), stop.get("Acct-Status-Type")) == ("Start", "Stop")
    assert 0 <= int(str(stop.get("Acct-Session-Time"))) <= time.time() - began
    assert start.get("Acct-Session-Time") is None
    assert not unsent(tmp_path)
    assert not [line for line in session.log if "accounting" in line]


def unsent(tmp_path: pathlib.Path) -> List[str]:
    """Return the names of the records that wait."""
    return [path.name for path in (tmp_path / "state" / "accounting").glob("*-*")]


def test_who_was_not_let_on_has_no_records(open_session: OpenSession, radiusd: FreeRadius) -> None:
    session = open_session(configuration(radiusd) + "[auth]\nmax_attempts=1\n", gateway_user="alice")
    assert code(session.log_in("wrong")) == "rejected"
    session.end()
    assert radiusd.accounting() == []


def test_no_accounting_unless_enabled(open_session: OpenSession, radiusd: FreeRadius, tmp_path: pathlib.Path) -> None:
    off = configuration(radiusd).replace("enabled=yes", "enabled=no")
    session = whole_session(open_session, off)
    assert radiusd.accounting() == []
    assert not (tmp_path / "state" / "accounting").exists()
    assert "accounting" not in session.cookie and "accounted" not in session.cookie


def test_server_down_for_a_while(open_session: OpenSession, radiusd: FreeRadius, tmp_path: pathlib.Path) -> None:
    """Logins go to another server meanwhile, and none is denied for it."""
    with FreeRadius(directory(tmp_path, "logins")) as logins:
        both = radius_section(logins, dead_time=0)
        both += "[accounting]\nenabled=yes\ntimeout=10\nserver={}\nport={}\nsecret={}\n".format(
            radiusd.host, radiusd.acct_port, radiusd.secret
        )
        sessions = [whole_session(open_session, both, session_id="up")]
        radiusd.stop()
        sessions += [whole_session(open_session, both, session_id="down-{}".format(number)) for number in range(3)]
        late = open_session(both, gateway_user="alice", session_id="late")
        late.log_in("correct horse")
        assert late.authorize()["verdict"] == "ACCEPT"
        assert len(unsent(tmp_path)) == 7
        assert "[accounting] {}:{}: ".format(radiusd.host, radiusd.acct_port) in text(late)
        radiusd.start()
        late.end()
    assert not unsent(tmp_path)
    records = radiusd.accounting()
    wanted = ["up", "down-0", "down-1", "down-2", "late"]
    assert kinds(records) == Counter({(name, kind): 1 for name in wanted for kind in ("Start", "Stop")})
    for name in wanted:
        order = [each.get("Acct-Status-Type") for each in records if each.get("Acct-Session-Id") == name]
        assert order == ["Start", "Stop"]
    delays = {each.get("Acct-Session-Id"): int(str(each.get("Acct-Delay-Time"))) for each in records}
    assert delays["up"] == 0 and delays["down-0"] >= 1, delays


def directory(tmp_path: pathlib.Path, name: str) -> pathlib.Path:
    """Return a new directory."""
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_many_sessions_at_once(open_session: OpenSession, radiusd: FreeRadius, tmp_path: pathlib.Path) -> None:
    names = ["session {}".format(number) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: whole_session(open_session, configuration(radiusd), session_id=name), names))
    whole_session(open_session, configuration(radiusd), session_id="last")
    assert kinds(radiusd.accounting()) == Counter(
        {(name, kind): 1 for name in names + ["last"] for kind in ("Start", "Stop")}
    )
    assert not unsent(tmp_path)


def silent_accounting(server: Server) -> str:
    """Return the section of an accounting server that does not answer."""
    options = "[accounting]\nenabled=yes\ntimeout=1\nserver={}\nport={}\n"
    return options.format(server.host, server.port)


def test_accounting_never_denies(open_session: OpenSession, radius: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "accounting").write_text("a file where the directory should be")
    with Server(silent) as server:
        asked = radius + silent_accounting(server)
        session = whole_session(open_session, asked)
    assert len({request.octets[4:20] for request in server.requests}) >= 1
    assert "Accounting queue cannot keep records" in text(session)


def test_known_dead_accounting_server_is_left_alone(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    with Server(silent) as server:
        asked = radius + silent_accounting(server)
        whole_session(open_session, asked)
        whole_session(open_session, asked)
    assert len({request.octets for request in server.requests}) == 1
    assert len(unsent(tmp_path)) == 4


def test_session_that_began_has_an_end_whatever_the_configuration(
    open_session: OpenSession, radiusd: FreeRadius, tmp_path: pathlib.Path
) -> None:
    session = open_session(configuration(radiusd), gateway_user="alice", session_id="s", server_ip="no address")
    session.log_in("correct horse")
    session.authorize()
    broken = session.plugin._replace(configuration=configuration(radiusd) + "[auth]\nmax_attempts=none\n")
    session.plugin = broken
    session.end()
    assert [name.split("-")[2] for name in unsent(tmp_path)] == ["Stop"]
    whole_session(open_session, configuration(radiusd), session_id="t")
    assert kinds(radiusd.accounting()) == Counter({(name, kind): 1 for name in "st" for kind in ("Start", "Stop")})


def test_server_that_takes_its_time_records_nothing_twice(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    """What would be cut off before the server could answer is not sent."""
    with Server(silent) as server:
        whole_session(open_session, radius + silent_accounting(server), session_id="waits")
    first = {request.octets[1:20] for request in server.requests}
    assert len(first) == 1 and len(unsent(tmp_path)) == 2


def test_who_got_on_without_radius_was_authenticated_here(open_session: OpenSession, radiusd: FreeRadius) -> None:
    fixtures = {"user_lists": {"friends": {"allow": "no_user", "except": ["alice"]}}}
    session = open_session(
        configuration(radiusd) + "[whitelist source=user_list]\nname=friends\n", fixtures, gateway_user="alice"
    )
    assert session.log_in()["verdict"] == "ACCEPT"
    session.authorize()
    (start,) = radiusd.accounting()
    assert start.get("Acct-Authentic") == "Local"


def test_attribute_taken_away_is_not_in_accounting_either(open_session: OpenSession, radiusd: FreeRadius) -> None:
    whole_session(open_session, configuration(radiusd) + "[radius_attributes]\nNAS-IP-Address =\nNAS-Port = 7\n")
    for record in radiusd.accounting():
        assert (record.get("NAS-IP-Address"), record.get("NAS-Port")) == (None, "7")


def test_killed_hook_has_no_stop(open_session: OpenSession, radiusd: FreeRadius) -> None:
    session = open_session(configuration(radiusd), gateway_user="alice")
    session.log_in("correct horse")
    session.cookie = {}
    session.end()
    assert radiusd.accounting() == []


def test_user_name_that_the_server_returns(open_session: OpenSession, radiusd: FreeRadius) -> None:
    """RFC 2865 section 5.1: it is the one for accounting."""
    secret = radiusd.secret.encode("utf-8")
    with Server(answering(secret, 2, [(1, b"alice@example.com"), (25, b"0x\0one"), (25, b"two")])) as server:
        asked = "[radius]\nserver={}\nport={}\nsecret={}\n".format(server.host, server.port, radiusd.secret)
        asked += "[accounting]\nenabled=yes\nserver={}\nport={}\n".format(radiusd.host, radiusd.acct_port)
        whole_session(open_session, asked)
    for record in radiusd.accounting():
        assert record.get("User-Name") == "alice@example.com"
        assert record.values("Class") == [b"0x\0one", b"two"]
