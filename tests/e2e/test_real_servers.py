"""Busy, stopped and restarted servers, and a proxy without upstream: FreeRADIUS and radsecproxy, through the zip."""

import pathlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict

import pytest

from tests.support import radsecproxy
from tests.support.plugin import OpenSession, metadata, section, text
from tests.support.processes import wait_until
from tests.support.radiusd import AUTHORITY, FreeRadius, running

pytestmark = pytest.mark.slow

OUTAGE = 4.0  # seconds
CLIENT = AUTHORITY.issue(for_client=True)


def accepted_by(verdict: Dict[str, Any]) -> str:
    """Return the address of the server that accepted a login."""
    assert verdict["verdict"] == "ACCEPT", verdict
    return str(metadata(verdict)["server"])


def test_busy_server_is_waited_for(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with running(tmp_path, threads=2, push_seconds=8) as server, ThreadPoolExecutor(2) as pool:
        only = section(server, conn_timeout=60, status_check_after=0.2)
        sessions = [open_session(only, server_username="push", time_limit=120.0) for _ in range(2)]
        pushes = [pool.submit(each.log_in, "") for each in sessions]
        # A free thread answers a Status-Server, and the plugin knows from then on that the server answers it.
        wait_until(lambda: len(server.requests("push")) == 2)
        session = open_session(only, server_username="alice", time_limit=120.0)
        accepted_by(session.log_in("correct horse"))
        assert [accepted_by(push.result()) for push in pushes] == [f"{server.host}:{server.port}"] * 2


def test_other_server_answers_for_a_busy_one(
    open_session: OpenSession, tmp_path: pathlib.Path, freeradius: FreeRadius
) -> None:
    with running(tmp_path, threads=2, push_seconds=12) as server, ThreadPoolExecutor(2) as pool:
        busy = section(server, conn_timeout=60, status_check_after=0.2, total_timeout=280)
        both = busy + section(freeradius, "radius_2")
        pushes = [open_session(busy, server_username="push", time_limit=120.0) for _ in range(2)]
        session = open_session(both, server_username="alice", time_limit=120.0)
        for each in (*pushes, session):  # first, because the server is busy for only 12 seconds
            each.authenticate()
        # While a thread is free, the server answers a Status-Server; only then does its silence mean something.
        first = pool.submit(pushes[0].answer, "")
        wait_until(lambda: "Status-Server" in [each.code for each in server.requests()])
        second = pool.submit(pushes[1].answer, "")
        wait_until(lambda: len(server.requests("push")) == 2)
        assert accepted_by(session.answer("correct horse")) == f"{freeradius.host}:{freeradius.port}"
        assert re.search("no response to . transmissions? or to Status-Server", text(session))
        assert {accepted_by(each.result()) for each in (first, second)} == {f"{server.host}:{server.port}"}


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_proxy_without_upstream_costs_two_logins(
    open_session: OpenSession, tmp_path: pathlib.Path, freeradius: FreeRadius, transport: str
) -> None:
    with running(tmp_path) as upstream, radsecproxy.running(tmp_path, upstream) as ports:
        upstream.stop()
        # radsecproxy 1.9 does not sign its replies to Status-Server.
        own: Dict[str, Any] = dict(secret=radsecproxy.SECRET, require_message_authenticator="no")
        if transport == "tls":
            own = dict(transport="tls", ca_certificate=AUTHORITY.certificate, client_certificate=CLIENT.both)
        options = dict(own, conn_timeout=4, conn_retries=1, status_check_after=0.2)
        proxy = section(getattr(ports, transport), **options)
        other = section(freeradius, "radius_2", transport="udp", conn_timeout=60, conn_retries=1)
        sessions = [open_session(proxy + other, server_username="alice", time_limit=120.0) for _ in range(3)]
        for session in sessions:
            assert accepted_by(session.log_in("correct horse")) == f"{freeradius.host}:{freeradius.port}"
        unanswered = re.compile("no response to . transmissions?, but Status-Server was answered")
        assert [bool(unanswered.search(text(each))) for each in sessions] == [True, True, False]


def test_server_that_hangs_is_waited_for(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with running(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        session = open_session(section(server, conn_timeout=60), server_username="alice", time_limit=120.0)
        with server.hanging():
            login = pool.submit(session.log_in, "correct horse")
            threading.Event().wait(OUTAGE)
            assert not login.done()
        accepted_by(login.result())
        assert len(server.requests("alice")) == 1


def test_restart_during_a_push_goes_unnoticed(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with running(tmp_path, push_seconds=5) as server, ThreadPoolExecutor(1) as pool:
        session = open_session(section(server, conn_timeout=60), server_username="push", time_limit=120.0)
        login = pool.submit(session.log_in, "")
        wait_until(lambda: len(server.requests("push")) == 1)
        server.stop()
        server.start()
        accepted_by(login.result())
        assert len(server.requests("push")) == 2
