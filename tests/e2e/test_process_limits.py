"""Hooks in processes that have less than usual: few descriptors, little memory, no threads, no MD5, the C locale."""

import pathlib
import subprocess
import sys
from typing import Dict

import pytest

from tests.support.cases import Cases
from tests.support.interpreters import FIPS, NO_THREADS, ONE_DESCRIPTOR, interpreter, under
from tests.support.misbehaving import SECRET, Server, answering, silent
from tests.support.plugin import OpenSession, code, outcome, section, text
from tests.support.radiusd import AUTHORITY, FreeRadius


@pytest.fixture(scope="module")
def servers(freeradius: FreeRadius) -> Dict[str, str]:
    """The [radius] section of the tests' FreeRADIUS over UDP, over TLS, and by a name."""
    certificates = {
        "ca_certificate": AUTHORITY.certificate,
        "client_certificate": AUTHORITY.issue(for_client=True).both,
    }
    return {
        "udp": section(freeradius, conn_timeout=60),
        "tls": section(freeradius.tls_port, transport="tls", conn_timeout=60, **certificates),
        "name": section(freeradius, server="localhost"),
    }


def test_inherited_descriptors_do_not_stop_a_login(
    open_fresh_session: OpenSession, servers: Dict[str, str], tmp_path: pathlib.Path
) -> None:
    """select() would raise for descriptors from 1024 on."""
    python = interpreter(tmp_path / "crowded", "ulimit -n 2048\nfor i in {1..1100}; do exec {fd}< /dev/null; done")
    with Cases() as cases:
        for name, configuration in servers.items():
            with cases.case(name):
                session = under(open_fresh_session(configuration, server_username="alice"), python)
                assert outcome(session, "correct horse") == "ACCEPT", session.log
        with cases.case("they are inherited"):
            counted = "import os; print(len(os.listdir('/proc/self/fd')))"
            assert int(subprocess.check_output([python, "-c", counted])) > 1100


def test_hook_without_descriptors_denies(open_fresh_session: OpenSession, tmp_path: pathlib.Path) -> None:
    """The free descriptor is enough for the request, but not for the probe, without which the login goes on."""
    once = {"conn_timeout": "1", "conn_retries": "1", "status_check_after": "0.1"}
    with Server(silent) as server:
        configuration = section(server, status_check="status-server", **once)
        session = open_fresh_session(configuration, gateway_user="alice")
        session.authenticate()
        under(session, interpreter(tmp_path / "one descriptor", sitecustomize=ONE_DESCRIPTOR))
        assert code(session.answer("correct horse")) == "no-reply"
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["udp", "tls"])
def test_login_in_little_memory(
    open_fresh_session: OpenSession, servers: Dict[str, str], tmp_path: pathlib.Path, name: str
) -> None:
    python = interpreter(tmp_path / "little memory", "ulimit -v 262144")
    session = under(open_fresh_session(servers[name], gateway_user="alice"), python)
    assert session.log_in("correct horse")["verdict"] == "ACCEPT", session.log


@pytest.mark.parametrize("name", ["udp", "tls"])
def test_without_threads_a_numeric_address_is_asked(
    open_fresh_session: OpenSession, servers: Dict[str, str], tmp_path: pathlib.Path, name: str
) -> None:
    python = interpreter(tmp_path / "threadless", sitecustomize=NO_THREADS)
    session = under(open_fresh_session(servers[name], server_username="alice"), python)
    assert outcome(session, "correct horse") == "ACCEPT", session.log


def test_without_threads_a_host_name_does_not_resolve(
    open_fresh_session: OpenSession, servers: Dict[str, str], freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    python = interpreter(tmp_path / "threadless", sitecustomize=NO_THREADS)
    session = under(open_fresh_session(servers["name"], server_username="alice"), python)
    assert outcome(session, "correct horse") == "name-lookup"
    assert "RADIUS: [radius] localhost: name resolution failed: can't start new thread" in text(session)
    backup = servers["name"] + f"[radius_2]\nserver={freeradius.host}\n"
    session = under(open_fresh_session(backup, server_username="alice"), python)
    assert outcome(session, "correct horse") == "ACCEPT", session.log


def test_fips_mode_never_causes_an_internal_error(
    open_fresh_session: OpenSession, radius: str, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    """From Python 3.9 on MD5 has a flag for it; before, users are denied for a reason of its own."""
    python = interpreter(tmp_path / "fips", sitecustomize=FIPS)
    accounting = f"[accounting]\nenabled=yes\nport={freeradius.acct_port}\n"
    with Cases() as cases:
        for method in ("pap", "chap", "mschapv2"):
            with cases.case(method):
                configuration = radius + f"auth_type={method}\n" + accounting
                session = under(open_fresh_session(configuration, server_username="alice"), python)
                found = outcome(session, "correct horse")
                assert found == ("ACCEPT" if sys.version_info >= (3, 9) else "fips"), session.log
                session.authorize()
                session.end()
                assert "rror: " not in text(session) and "failed" not in text(session)
                assert ("MD5 is disabled on this system" in text(session)) == (found == "fips")


def test_c_locale_does_not_stop_a_login(open_fresh_session: OpenSession, tmp_path: pathlib.Path) -> None:
    """The SDK makes file names from user names, and Python 3.6 cannot encode them in this locale."""
    python = interpreter(tmp_path / "c", "export LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0")
    with Server(answering(SECRET)) as server:
        configuration = section(server) + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
        configuration += "[authentication_cache]\nreuse_limit=9\nsoft_timeout=600\nhard_timeout=600\n"
        with Cases() as cases:
            for user in ("jürgen", "\u5b89" * 84):
                with cases.case(user):
                    first, second, third = (
                        under(open_fresh_session(configuration, gateway_user=user), python) for _ in range(3)
                    )
                    assert [outcome(first, "code"), outcome(second), outcome(third)] == ["ACCEPT"] * 3, first.log
                    assert first.authorize()["verdict"] == "ACCEPT", first.log
                    assert code(second.authorize()) == "connection-limit"
                    first.end()
                    assert third.authorize()["verdict"] == "ACCEPT", third.log
    assert len(server.requests) == 2
