"""Accounting through the built zip: FreeRADIUS records one Start and one Stop for every session."""

import pathlib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Tuple

import pytest

from simulator.gateway import Session
from tests.support.interpreters import AN_HOUR_LATER, interpreter, under
from tests.support.misbehaving import ACCEPT, PROXY_STATE, SECRET, USER_NAME, Server, answering, reply, silent
from tests.support.misbehaving import Request as Datagram
from tests.support.plugin import OpenSession, code, section, text
from tests.support.radiusd import FreeRadius, Request, running

CLASS, ACCT_STATUS_TYPE, ACCT_SESSION_ID, ACCOUNTING_RESPONSE = 25, 40, 44, 5
Records = Callable[[], List[Request]]


@pytest.fixture
def records(freeradius: FreeRadius) -> Records:
    """Return a function that returns the Accounting-Requests of this test."""
    before = len(freeradius.accounting())
    return lambda: freeradius.accounting()[before:]


@pytest.fixture
def accounting(freeradius: FreeRadius) -> str:
    """A configuration with accounting that never marks a server dead."""
    return section(freeradius, dead_time=0) + f"[accounting]\nenabled=yes\ntimeout=20\nport={freeradius.acct_port}\n"


def whole_session(open_session: OpenSession, configuration: str, **known: Any) -> Session:
    """Log in, authorize and end a session, and return it."""
    session = open_session(configuration, **dict({"gateway_user": "alice"}, **known))
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert session.authorize()["verdict"] == "ACCEPT"
    session.end()
    return session


def kinds(records: List[Request]) -> "Counter[Tuple[Any, Any]]":
    """Return the number of records of each session and type."""
    return Counter((record.get("Acct-Session-Id"), record.get("Acct-Status-Type")) for record in records)


def test_start_and_stop(open_session: OpenSession, accounting: str, records: Records, tmp_path: pathlib.Path) -> None:
    began = int(time.time())
    session = whole_session(
        open_session,
        accounting,
        session_id="s-1",
        client_ip="192.0.2.7",
        server_ip="192.0.2.20",
        server_port=2222,
        server_hostname="target.example.com",
        server_username="root",
        connection_name="prod",
    )
    start, stop = records()
    for record in (start, stop):
        found = {name: value for name, value in record.attributes}
        assert int(str(found.pop("Acct-Delay-Time"))) < 60
        for volatile in ("NAS-Identifier", "Event-Timestamp", "Acct-Session-Time"):
            found.pop(volatile, None)
        assert found == {
            "User-Name": "alice",
            "Acct-Status-Type": record.get("Acct-Status-Type"),
            "Acct-Session-Id": "s-1",
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
    """Return the names of the records in the queue."""
    return [path.name for path in (tmp_path / "state" / "accounting").glob("*-*")]


def test_called_station_id_fits_a_database_column_unless_configured(
    open_session: OpenSession, accounting: str, records: Records
) -> None:
    host = "a-long-name-of-a-host.in-a-department.example.com"
    odd = "root\nLogin OK\x1b[2J"
    long_text = "x" * 100 + "/{server_username}"
    configured = accounting + "[radius_attributes]\nCalled-Station-Id = " + long_text + "\n"
    for configuration, name, user in ((accounting, host, "root"), (accounting, "h", odd), (configured, host, "root")):
        whole_session(open_session, configuration, server_hostname=name, server_port=22, server_username=user)
    found = [record.values("Called-Station-Id") for record in records()]
    assert found[0:2] == [[host]] * 2
    assert found[2] == found[3] and len(found[2]) == 1 and str(found[2][0]).isprintable()
    assert found[4:] == [["x" * 100 + "/root"]] * 2


def test_denied_user_has_no_records(open_session: OpenSession, accounting: str, records: Records) -> None:
    session = open_session(accounting + "[auth]\nmax_attempts=1\n", gateway_user="alice")
    assert code(session.log_in("wrong")) == "rejected"
    session.end()
    assert records() == []


def test_no_accounting_unless_enabled(
    open_session: OpenSession, accounting: str, records: Records, tmp_path: pathlib.Path
) -> None:
    off = accounting.replace("enabled=yes", "enabled=no")
    session = whole_session(open_session, off)
    assert records() == []
    assert not (tmp_path / "state" / "accounting").exists()
    assert "accounting" not in session.cookie and "accounted" not in session.cookie


def test_accounting_server_down_for_a_while(
    open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    directory = tmp_path / "radiusd"
    directory.mkdir()
    with running(directory) as radiusd:
        both = section(freeradius, dead_time=0)
        both += section(radiusd, "accounting", port=radiusd.acct_port, enabled="yes", timeout=30)
        sessions = [whole_session(open_session, both, session_id="up")]
        radiusd.stop()
        sessions += [whole_session(open_session, both, session_id=f"down-{number}") for number in range(3)]
        late = open_session(both, gateway_user="alice", session_id="late")
        late.log_in("correct horse")
        assert late.authorize()["verdict"] == "ACCEPT"
        assert len(unsent(tmp_path)) == 7
        assert f"[accounting] {radiusd.host}:{radiusd.acct_port}: " in text(late)
        radiusd.start()
        under(late, interpreter(tmp_path / "later", sitecustomize=AN_HOUR_LATER)).end()
        records = radiusd.accounting()
    assert not unsent(tmp_path)
    wanted = ["up", "down-0", "down-1", "down-2", "late"]
    assert kinds(records) == Counter({(name, kind): 1 for name in wanted for kind in ("Start", "Stop")})
    for name in wanted:
        order = [each.get("Acct-Status-Type") for each in records if each.get("Acct-Session-Id") == name]
        assert order == ["Start", "Stop"]
    delays = {each.get("Acct-Session-Id"): int(str(each.get("Acct-Delay-Time"))) for each in records}
    assert delays["up"] < 60 and delays["down-0"] >= 3600, delays


def test_many_sessions_at_once(
    open_session: OpenSession, accounting: str, records: Records, tmp_path: pathlib.Path
) -> None:
    names = [f"session {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: whole_session(open_session, accounting, session_id=name), names))
    whole_session(open_session, accounting, session_id="last")
    assert kinds(records()) == Counter({(name, kind): 1 for name in names + ["last"] for kind in ("Start", "Stop")})
    assert not unsent(tmp_path)


def silent_accounting(server: Server) -> str:
    """Return the section of an accounting server that does not reply."""
    return section(server, "accounting", secret=None, enabled="yes", timeout=1)


def test_accounting_never_denies(open_session: OpenSession, radius: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "accounting").write_text("a file where the directory should be")
    with Server(silent) as server:
        asked = radius + silent_accounting(server)
        session = whole_session(open_session, asked)
    assert len({request.octets[4:20] for request in server.requests}) >= 1
    assert "Accounting queue cannot keep records" in text(session)


def test_dead_accounting_server_is_not_tried_again(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    with Server(silent) as server:
        asked = radius + silent_accounting(server)
        whole_session(open_session, asked)
        whole_session(open_session, asked)  # not until two records are left unanswered: the first may be at fault
        asked_so_far = {request.octets for request in server.requests}
        whole_session(open_session, asked)
    assert {request.octets for request in server.requests} == asked_so_far
    assert len(unsent(tmp_path)) == 6


@pytest.mark.slow
def test_record_that_is_never_acknowledged_holds_up_no_other(
    open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    received: List[Tuple[bytes, bytes]] = []

    def script(request: Datagram) -> List[bytes]:
        (session,), (kind,) = request.values(ACCT_SESSION_ID), request.values(ACCT_STATUS_TYPE)
        received.append((session, kind[-1:]))
        if session == b"poison":
            return []
        return [reply(request, SECRET, ACCOUNTING_RESPONSE, [(PROXY_STATE, b"335")], signature=None)]

    names = ["a", "b", "c", "d"]
    with Server(script) as server:
        asked = section(freeradius, dead_time=0, retransmit_after=0)
        asked += section(server, "accounting", enabled="yes", timeout=2)
        for name in ["poison"] + names:
            whole_session(open_session, asked, session_id=name)
    counted = Counter(received)
    for name in names:
        assert [counted[name.encode("ascii"), kind] for kind in (b"\1", b"\2")] == [1, 1], name
    assert counted[b"poison", b"\1"] < 5 and counted[b"poison", b"\2"] == 0
    assert [name.split("-")[2] for name in sorted(unsent(tmp_path))] == ["Start", "Stop"]


def test_stop_is_kept_if_the_configuration_breaks(
    open_session: OpenSession, accounting: str, records: Records, tmp_path: pathlib.Path
) -> None:
    session = open_session(accounting, gateway_user="alice", session_id="s", server_ip="no address")
    session.log_in("correct horse")
    session.authorize()
    broken = session.plugin._replace(configuration=accounting + "[auth]\nmax_attempts=none\n")
    session.plugin = broken
    session.end()
    assert [name.split("-")[2] for name in unsent(tmp_path)] == ["Stop"]
    whole_session(open_session, accounting, session_id="t")
    assert kinds(records()) == Counter({(name, kind): 1 for name in "st" for kind in ("Start", "Stop")})


def test_no_record_without_time_for_a_reply(open_session: OpenSession, radius: str, tmp_path: pathlib.Path) -> None:
    """The plugin does not send a record if no time is left for the reply, so a slow server records nothing twice."""
    with Server(silent) as server:
        whole_session(open_session, radius + silent_accounting(server), session_id="waits")
    started = [request.values(ACCT_STATUS_TYPE) == [b"\0\0\0\1"] for request in server.requests]
    sent = {request.octets[1:20] for request in server.requests}
    assert all(started) and len(sent) == 2 and len(unsent(tmp_path)) == 2  # one in each hook, and never the Stop


def test_acct_authentic_of_a_whitelisted_user(open_session: OpenSession, accounting: str, records: Records) -> None:
    fixtures = {"user_lists": {"friends": {"allow": "no_user", "except": ["alice"]}}}
    session = open_session(accounting + "[whitelist source=user_list]\nname=friends\n", fixtures, gateway_user="alice")
    assert session.log_in()["verdict"] == "ACCEPT"
    session.authorize()
    (start,) = records()
    assert start.get("Acct-Authentic") == "Local"


def test_removed_attributes_in_accounting(open_session: OpenSession, accounting: str, records: Records) -> None:
    whole_session(open_session, accounting + "[radius_attributes]\nNAS-IP-Address =\nNAS-Port = 7\n")
    start, stop = records()
    for record in (start, stop):
        assert (record.get("NAS-IP-Address"), record.get("NAS-Port")) == (None, "7")


def test_no_stop_without_a_cookie(open_session: OpenSession, accounting: str, records: Records) -> None:
    session = open_session(accounting, gateway_user="alice")
    session.log_in("correct horse")
    session.cookie = {}
    session.end()
    assert records() == []


def test_user_name_of_the_accept(open_session: OpenSession, freeradius: FreeRadius, records: Records) -> None:
    """The User-Name of an Accept is for accounting (RFC 2865 section 5.1)."""
    secret = freeradius.secret.encode("utf-8")
    attributes = [(USER_NAME, b"alice@example.com"), (CLASS, b"0x\0one"), (CLASS, b"two")]
    with Server(answering(secret, ACCEPT, attributes)) as server:
        options = dict(port=freeradius.acct_port, secret=None, enabled="yes", timeout=20)
        accounting = section(freeradius, "accounting", **options)
        whole_session(open_session, section(server, secret=secret) + accounting)
    start, stop = records()
    for record in (start, stop):
        assert record.get("User-Name") == "alice@example.com"
        assert record.values("Class") == [b"0x\0one", b"two"]
