"""Tunneled logins through the built zip, with FreeRADIUS, hostapd, and radsecproxy between."""

import datetime
import pathlib
from typing import Any, Dict, List, Tuple

import pytest

from simulator.gateway import Session
from tests.support import hostapd, radsecproxy
from tests.support.cases import Cases
from tests.support.certificates import DAY, HOST_NAME, Authority
from tests.support.plugin import OpenSession, metadata, outcome, prompts, section, text
from tests.support.radiusd import AUTHORITY, SECRET, FreeRadius, Tunnel, running

PASSWORD = "correct horse"
USER = "alice@example.com"
OUTER = "anonymous@example.com"
METHODS = {"ttls-pap": "EAP-TTLS", "ttls-mschapv2": "EAP-TTLS", "peap-mschapv2": "PEAP"}
FRAGMENT = 150
ONCE = "[auth]\nmax_attempts=1\n"
GROUPS = "[gateway_groups]\nattribute=Filter-Id\n"
CLIENT = AUTHORITY.issue(for_client=True)


def tunneled(port: int, auth_type: str, **options: Any) -> str:
    """Return the configuration of a server, with one attempt and long timeouts."""
    values: Dict[str, Any] = dict(secret=SECRET, tls_server_name=HOST_NAME, ca_certificate=AUTHORITY.certificate)
    values.update(auth_type=auth_type, conn_timeout="60", conn_retries="1", status_check="none")
    return section(port, **{**values, **options}) + ONCE


def check_accept(session: Session, auth_type: str, version: str) -> None:
    """Log in, and check the groups, the tunnel, and that no password is in the log."""
    verdict = session.log_in(PASSWORD)
    assert verdict["verdict"] == "ACCEPT", text(session)
    assert verdict["gateway_groups"] == ["admins"]
    (accept,) = [line for line in session.log if line.startswith("RADIUS: Access-Accept ")]
    assert f"{METHODS[auth_type]}, TLSv{version}" in accept
    assert PASSWORD not in text(session)


def check_outer_names(server: FreeRadius, name: str = OUTER) -> None:
    """Check that no packet so far had the user's name outside the tunnel."""
    requests = server.requests()
    assert requests
    assert {each.get("User-Name") for each in requests} == {name}
    for request in requests:
        assert len(request.values("Message-Authenticator")) == 1
        for attribute, value in request.attributes:
            octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            assert b"alice" not in octets, attribute


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_freeradius(open_session: OpenSession, tmp_path: pathlib.Path, version: str) -> None:
    with running(tmp_path, tunnel=Tunnel(version, FRAGMENT)) as server, Cases() as cases:
        for auth_type in METHODS:
            configuration = tunneled(server.eap_port, auth_type)
            stripped = tunneled(server.stripped_port, auth_type)
            unproved = tunneled(server.stripped_port, auth_type, require_tunnel_keys="no")
            with cases.case((auth_type, "accept")):
                before = len(server.requests())
                check_accept(open_session(configuration + GROUPS, gateway_user=USER), auth_type, version)
                assert len(server.requests()) > before + 6  # small fragments
            with cases.case((auth_type, "outer names")):
                check_outer_names(server)
            with cases.case((auth_type, "keys stripped")):
                session = open_session(stripped, gateway_user=USER)
                assert outcome(session, PASSWORD) == "mutual-auth-failed"
                assert "Access-Accept contains no keys of the tunnel" in text(session)
            with cases.case((auth_type, "keys not required")):
                check_accept(open_session(unproved + GROUPS, gateway_user=USER), auth_type, version)
            with cases.case((auth_type, "outer names of these")):
                check_outer_names(server)
            with cases.case((auth_type, "wrong password")):
                session = open_session(configuration.replace(ONCE, ""), gateway_user=USER)
                assert outcome(session, "wrong password", PASSWORD) == "ACCEPT"
                # PEAP adds the meaning and the text of the failure inside.
                inside = "Wrong user name or password Authentication rejected " if auth_type == "peap-mschapv2" else ""
                assert prompts(session)[1].startswith(f"Authentication failed: {inside}Wrong code.")
                assert "wrong password" not in text(session)
        # Without a realm, the outer name has none.
        for auth_type in METHODS:
            with cases.case((auth_type, "reject with a message")):
                session = open_session(tunneled(server.eap_port, auth_type), gateway_user="locked")
                verdict = session.log_in("1111")
                assert metadata(verdict)["code"] == "rejected"
                assert "Account locked, call 4444" in verdict["reason"]


def test_challenge_inside_the_tunnel(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    answer = "[challenge_answers]\n{} = {}\n"
    with Cases() as cases:
        for version in ("1.2", "1.3"):
            directory = tmp_path / version
            directory.mkdir()
            with running(directory, tunnel=Tunnel(version, FRAGMENT)) as server:
                configuration = tunneled(server.eap_port, "ttls-pap")
                expected = {
                    ("pin1", ""): "tunnel-challenge",
                    ("pin1", answer.format("token code", "222222")): "ACCEPT",
                    ("pin1", answer.format("token code", "222223")): "rejected",
                    ("pin1", answer.format("another question", "222222")): "tunnel-challenge",
                    ("pin3", answer.format("Question 1", "one")): "tunnel-challenge",
                }
                for (user, answers), result in expected.items():
                    with cases.case((version, user, answers)):
                        session = open_session(configuration + answers, gateway_user=user)
                        assert outcome(session, "1111") == result, text(session)
                        assert "22222" not in text(session)
                        assert len(session.questions) == 1


def test_certificates(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    expired = AUTHORITY.issue(begins=-DAY, ends=-datetime.timedelta(hours=1))
    wrong: List[Dict[str, str]] = [
        dict(ca_certificate=Authority("another CA").certificate),
        dict(tls_server_name="other.example.com"),
        dict(tls_server_name="example.com"),
    ]
    servers: List[Tuple[str, Tunnel, List[Dict[str, str]]]] = [
        ("valid", Tunnel("1.3"), wrong),
        ("valid, TLS 1.2", Tunnel("1.2"), wrong),
        ("expired", Tunnel("1.2", identity=expired), [{}]),
        ("of a client", Tunnel("1.3", identity=CLIENT), [{}]),
    ]
    with Cases() as cases:
        for name, tunnel, differences in servers:
            directory = tmp_path / name
            directory.mkdir()
            with running(directory, tunnel=tunnel) as server:
                for difference in differences:
                    for auth_type in METHODS:
                        with cases.case((name, sorted(difference), auth_type)):
                            configuration = tunneled(server.eap_port, auth_type, **difference)
                            session = open_session(configuration, gateway_user=USER)
                            assert outcome(session, PASSWORD) == "tls-certificate", text(session)
                            assert PASSWORD not in text(session)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_hostapd(open_session: OpenSession, tmp_path: pathlib.Path, version: str) -> None:
    """PEAP has crypto-binding, and hostapd 2.10 calculates it from another key with TLS 1.3."""
    with hostapd.running(tmp_path, version, FRAGMENT) as server, Cases() as cases:
        for auth_type in METHODS:
            configuration = tunneled(server.port, auth_type, secret=server.secret)
            with cases.case((auth_type, "accept")):
                check_accept(open_session(configuration + GROUPS, gateway_user=USER), auth_type, version)
            with cases.case((auth_type, "reject")):
                assert outcome(open_session(configuration, gateway_user=USER), "wrong password") == "rejected"
            with cases.case((auth_type, "certificate")):
                other = tunneled(server.port, auth_type, secret=server.secret, tls_server_name="other.example.com")
                assert outcome(open_session(other, gateway_user=USER), PASSWORD) == "tls-certificate"


def test_proxy(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    """Over TLS, the certificates of the proxy and of the end of the tunnel come from the same CA."""
    with running(tmp_path, tunnel=Tunnel("1.3", FRAGMENT)) as server, Cases() as cases:
        with radsecproxy.running(tmp_path, server, server.eap_port) as ports:
            over_tls: Dict[str, Any] = dict(transport="tls", client_certificate=CLIENT.both, secret=None)
            over_udp: Dict[str, Any] = dict(secret=radsecproxy.SECRET)
            for port, options in [(ports.udp, over_udp), (ports.tls, over_tls)]:
                for auth_type in METHODS:
                    with cases.case((sorted(options), auth_type)):
                        configuration = tunneled(port, auth_type, **options) + GROUPS
                        check_accept(open_session(configuration, gateway_user=USER), auth_type, "1.3")
        check_outer_names(server)


def test_anonymous_identity(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with running(tmp_path, tunnel=Tunnel()) as server:
        configuration = tunneled(server.eap_port, "peap-mschapv2", anonymous_identity="nobody@example.net")
        assert outcome(open_session(configuration, gateway_user=USER), PASSWORD) == "ACCEPT"
        check_outer_names(server, "nobody@example.net")
