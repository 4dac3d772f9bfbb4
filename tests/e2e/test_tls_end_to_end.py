"""RADIUS over TLS through the built zip, with FreeRADIUS, radsecproxy and a scripted peer.

The peer is for RADIUS/1.1, which no server in Debian supports yet, and for faults.
"""

import datetime
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from simulator.gateway import Session
from tests.support import radsecproxy
from tests.support.cases import Cases
from tests.support.certificates import HOST_NAME, Authority
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    STATE,
    USER_PASSWORD,
    Request,
)
from tests.support.plugin import OpenSession, code, metadata, prompts, section, text
from tests.support.radiusd import AUTHORITY, RSA_ANSWERS, FreeRadius, running
from tests.support.tls_peer import VERSION_1_0, VERSION_1_1, Connection, Peer, answer, answering

OTHER = Authority("another CA")
SERVER = AUTHORITY.issue()
CLIENT = AUTHORITY.issue(for_client=True)
HOUR = datetime.timedelta(hours=1)
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5


@pytest.fixture(scope="module", params=["freeradius", "radsecproxy"])
def port(request: Any, freeradius: FreeRadius, tmp_path_factory: Any) -> Iterator[int]:
    """The port of FreeRADIUS or of radsecproxy."""
    if request.param == "freeradius":
        yield freeradius.tls_port
    else:
        with radsecproxy.running(tmp_path_factory.mktemp("radsecproxy"), freeradius) as found:
            yield found.tls


def over_tls(port: int, name: str = "radius", ca: Authority = AUTHORITY, **options: Any) -> str:
    """Return the section of a server on this port, with a client certificate and long timeouts."""
    values: Dict[str, Any] = dict(transport="tls", conn_timeout=60, status_check_after=60, connect_timeout=60)
    values.update(ca_certificate=ca.certificate, client_certificate=CLIENT.both)
    values.update(options)
    return section(port, name, **values)


def logged_in(session: Session, *answers: str) -> Dict[str, Any]:
    """Log in, check that no key, password or code is in the log, and return the verdict."""
    verdict = session.log_in(*answers)
    for line in CLIENT.key.splitlines()[1:-1]:
        assert line not in text(session)
    assert not any(len(each) > 3 and each in text(session) for each in answers)
    return verdict


# Real servers


def test_login(open_session: OpenSession, port: int) -> None:
    accept = f"RADIUS: Access-Accept for alice from [radius] 127.0.0.1:{port} (TLSv1.3) after "
    for auth_type in ("pap", "chap", "mschapv2"):
        session = open_session(over_tls(port, auth_type=auth_type), gateway_user="alice")
        assert logged_in(session, "correct horse")["verdict"] == "ACCEPT", auth_type
        assert metadata(session.calls[-1].result)["server"] == f"127.0.0.1:{port}"
        assert accept in text(session)


def test_rejects_and_challenges(open_session: OpenSession, port: int) -> None:
    session = open_session(over_tls(port), gateway_user="rsa")
    assert logged_in(session, "1111", *RSA_ANSWERS)["verdict"] == "ACCEPT"
    session = open_session(over_tls(port), gateway_user="alice")
    assert logged_in(session, "wrong", "correct horse")["verdict"] == "ACCEPT"
    assert prompts(session)[1].startswith("Authentication failed: Wrong code.")


def test_push_over_one_connection(open_session: OpenSession, port: int, freeradius: FreeRadius) -> None:
    """The connection carries the request once, and a Status-Server during the push."""
    before = len(freeradius.requests("push"))
    session = open_session(over_tls(port, status_check_after=0.5), gateway_user="push")
    assert logged_in(session, "")["verdict"] == "ACCEPT"
    assert "and 1 transmission: " in text(session)
    assert len(freeradius.requests("push")) == before + 1


def test_many_logins_at_once(open_session: OpenSession, port: int) -> None:
    def log_in(_: int) -> str:
        return str(logged_in(open_session(over_tls(port), gateway_user="alice"), "correct horse")["verdict"])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(log_in, range(24))) == {"ACCEPT"}


def test_unicode_name_and_code(open_session: OpenSession, port: int) -> None:
    session = open_session(over_tls(port), gateway_user="jürgen")
    assert logged_in(session, "ünïcödé-密码-🔑")["verdict"] == "ACCEPT"


def test_accounting(open_session: OpenSession, port: int, freeradius: FreeRadius) -> None:
    session_id = f"over-tls-{port}"
    session = open_session(
        over_tls(port) + "[accounting]\nenabled=yes\ntimeout=20\n", gateway_user="alice", session_id=session_id
    )
    assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"
    session.authorize()
    session.end()
    records = [each for each in freeradius.accounting() if each.get("Acct-Session-Id") == session_id]
    assert [each.get("Acct-Status-Type") for each in records] == ["Start", "Stop"]
    assert records[0].get("Class") == b"OU=ops;"


def refusal(session: Session, *answers: str) -> Tuple[str, str]:
    """Return the code of a login that fails, and the log."""
    return code(logged_in(session, *(answers or ("correct horse",)))), text(session)


def misconfigured(session: Session) -> str:
    """Return the log of a session that the configuration denies."""
    assert code(session.log_in()) == "bad-configuration"
    assert CLIENT.key.splitlines()[1] not in text(session)
    return text(session)


def test_without_a_client_certificate(open_session: OpenSession, port: int) -> None:
    found, log = refusal(open_session(over_tls(port, client_certificate=None), gateway_user="alice"))
    assert found in ("tls-certificate", "tls-failed")
    assert "requires a client certificate" in log or "it may require a client certificate" in log


def test_client_certificate_of_another_ca(open_session: OpenSession, port: int) -> None:
    client = OTHER.issue(for_client=True).both
    found, log = refusal(open_session(over_tls(port, client_certificate=client), gateway_user="alice"))
    assert found in ("tls-certificate", "tls-failed")
    assert "the server rejected the client certificate" in log or "it may not accept this client certificate" in log


def test_server_of_another_ca(open_session: OpenSession, port: int) -> None:
    found, log = refusal(open_session(over_tls(port, ca=OTHER), gateway_user="alice"))
    assert found == "tls-certificate", log
    assert "not issued by a CA in ca_certificate" in log


def test_server_of_another_name(open_session: OpenSession, port: int) -> None:
    configuration = over_tls(port, tls_server_name="other.example.com")
    found, log = refusal(open_session(configuration, gateway_user="alice"))
    assert found == "tls-certificate", log
    assert "the server's certificate does not match the name other.example.com" in log
    configuration = over_tls(port, tls_server_name=HOST_NAME)
    assert logged_in(open_session(configuration, gateway_user="alice"), "correct horse")["verdict"] == "ACCEPT"


def test_tls_1_2(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "radiusd"
    directory.mkdir()
    with running(directory, newest="1.2") as server:
        session = open_session(over_tls(server.tls_port), gateway_user="alice")
        assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"
    assert "(TLSv1.2)" in text(session)


# Several servers


def test_failover_from_tls_to_udp(open_session: OpenSession, freeradius: FreeRadius) -> None:
    backup = section(freeradius, "radius_2", transport="udp")
    with Peer(lambda connection: None, SERVER) as peer:
        both = over_tls(peer.port) + backup
        for _ in range(2):
            session = open_session(both, gateway_user="alice")
            assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"
            assert metadata(session.calls[-1].result)["server"] == f"127.0.0.1:{freeradius.port}"
    assert len(peer.connections) == 1  # the second login knows that the peer is dead


def test_failover_from_udp_to_tls(open_session: OpenSession, freeradius: FreeRadius, down: str) -> None:
    session = open_session(down + over_tls(freeradius.tls_port, "radius_2"), gateway_user="pin1")
    assert logged_in(session, "1111", "222222")["verdict"] == "ACCEPT"


# Certificates from SPS and in the configuration


def test_certificates_from_sps(open_session: OpenSession, freeradius: FreeRadius) -> None:
    stored = {"type": "x509v3-sign-rsa", "key": CLIENT.key, "cert": CLIENT.certificate}
    fixtures = {
        "credential_stores": {"store": {"client_certificate": {"radius": [[stored]]}}},
        "trusted_ca_lists": {
            "the list": {"type": "x509v3-sign-rsa", "certs": [OTHER.certificate, AUTHORITY.certificate]}
        },
    }
    configuration = over_tls(freeradius.tls_port, ca_certificate="$[the list]", client_certificate="$")
    configuration += "[credential_store]\nname=store\n"
    session = open_session(configuration, fixtures, gateway_user="alice")
    assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"
    fixtures["credential_stores"] = {"store": {}}
    session = open_session(configuration, fixtures, gateway_user="alice")
    assert "[radius] client_certificate: the Credential Store has no certificate" in misconfigured(session)
    session = open_session(configuration.replace("$[the list]", "$[a list]"), fixtures, gateway_user="alice")
    assert "[radius] ca_certificate: SPS has no trusted CA list with this name" in misconfigured(session)


def test_invalid_certificates_in_the_configuration(open_session: OpenSession) -> None:
    configuration = over_tls(2083, client_certificate=CLIENT.certificate, ca_certificate="/etc/ssl/ca.pem")
    log = misconfigured(open_session(configuration, gateway_user="alice"))
    assert "[radius] ca_certificate: expected complete certificates in PEM" in log
    assert "[radius] client_certificate: expected one private key" in log


# RADIUS/1.1


def dialog(connection: Connection) -> None:
    """Send a challenge, and check the answer, which comes over another connection: a script."""
    connection.shake_hands()
    request = connection.receive()
    if request.octets[0] == ACCOUNTING_REQUEST:
        connection.send(answer(connection, request, ACCOUNTING_RESPONSE))
    elif not request.values(STATE):
        connection.send(
            answer(connection, request, CHALLENGE, [(REPLY_MESSAGE, b"PIN"), (STATE, request.values(USER_PASSWORD)[0])])
        )
    else:
        right = request.values(STATE) == [b"\0"] and request.values(USER_PASSWORD) == ["pïn".encode("utf-8")]
        connection.send(answer(connection, request, ACCEPT if right else REJECT, [(25, b"class")]))
    connection.wait_for_end()


def test_session_in_radius_1_1(open_session: OpenSession) -> None:
    with Peer(dialog, SERVER, protocols=[VERSION_1_1, VERSION_1_0]) as peer:
        session = open_session(over_tls(peer.port) + "[accounting]\nenabled=yes\ntimeout=20\n", gateway_user="alice")
        assert logged_in(session, "", "pïn")["verdict"] == "ACCEPT"
        session.authorize()
        session.end()
    assert "(TLSv1.3, RADIUS/1.1)" in text(session)
    assert [octets[0] for octets in peer.requests] == [1, 1, ACCOUNTING_REQUEST, ACCOUNTING_REQUEST]
    for octets in peer.requests:
        assert octets[1] == 0 and octets[8:20] == bytes(12)
        assert 80 not in [kind for kind, _ in Request(octets, (), 0).attributes()]
    assert len({octets[4:8] for octets in peer.requests}) == 4


@pytest.mark.parametrize("auth_type", ["chap", "mschapv2"])
def test_other_auth_types_in_radius_1_1(open_session: OpenSession, auth_type: str) -> None:
    with Peer(answering(REJECT), SERVER, protocols=[VERSION_1_1]) as peer:
        once = "[auth]\nmax_attempts=1\n"
        session = open_session(over_tls(peer.port, auth_type=auth_type) + once, gateway_user="alice")
        assert refusal(session, "a password")[0] == "rejected"
    (octets,) = peer.requests
    kinds = [kind for kind, _ in Request(octets, (), 0).attributes()]
    assert USER_PASSWORD not in kinds and b"a password" not in octets


def test_server_that_only_offers_radius_1_0(open_session: OpenSession) -> None:
    with Peer(answering(), SERVER, protocols=[VERSION_1_0]) as peer:
        session = open_session(over_tls(peer.port), gateway_user="alice")
        assert logged_in(session, "x")["verdict"] == "ACCEPT"
    assert "(TLSv1.3) after" in text(session)


# Faults


def wrong_token(connection: Connection) -> None:
    connection.shake_hands()
    octets = bytearray(answer(connection, connection.receive()))
    octets[1] ^= 1
    octets[5] ^= 1
    connection.send(bytes(octets))
    connection.wait_for_end()


def garbage_before_the_answer(connection: Connection) -> None:
    connection.shake_hands()
    connection.send(bytes(30) + answer(connection, connection.receive()))
    connection.wait_for_end()


def garbage(connection: Connection) -> None:
    connection.shake_hands()
    connection.receive()
    connection.send(b"\0" * 30)
    connection.wait_for_end()


def plain_text(connection: Connection) -> None:
    connection.raw.recv(65536)
    connection.raw.sendall(b"220 mail.example.com ESMTP\r\n")
    connection.wait_for_end()


def silence(connection: Connection) -> None:
    connection.wait_for_end()


def closing(connection: Connection) -> None:
    connection.shake_hands()
    connection.receive()


@pytest.mark.parametrize("protocols", [[], [VERSION_1_1]], ids=["1.0", "1.1"])
def test_failover_after_a_fault(open_session: OpenSession, protocols: List[str]) -> None:
    codes = {
        wrong_token: "bad-reply",
        garbage_before_the_answer: "bad-reply",
        garbage: "bad-reply",
        plain_text: "tls-failed",
        closing: "tls-failed",
        silence: "no-reply",
    }
    with Cases() as cases:
        for script, expected in codes.items():
            timeouts: Dict[str, Any] = dict(conn_timeout=1, conn_retries=1) if script is silence else {}
            with cases.case(script.__name__), Peer(script, SERVER, protocols=protocols) as peer:
                one = over_tls(peer.port, dead_time=0, **timeouts)
                assert refusal(open_session(one, gateway_user="alice"))[0] == expected
                with Peer(answering(), SERVER) as backup:
                    session = open_session(one + over_tls(backup.port, "radius_2"), gateway_user="alice")
                    assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"
                assert "from [radius_2]" in text(session)


@pytest.mark.parametrize("protocols", [[], [VERSION_1_1]], ids=["1.0", "1.1"])
def test_answer_stands_whatever_follows_it(open_session: OpenSession, protocols: List[str]) -> None:
    with Cases() as cases:
        for follows in ("the answer", "half of it", "garbage"):

            def script(connection: Connection, follows: str = follows) -> None:
                connection.shake_hands()
                octets = answer(connection, connection.receive(), ACCEPT, [(PROXY_STATE, b"5")])
                connection.send(octets + {"the answer": octets, "half of it": octets[:12]}.get(follows, bytes(30)))
                connection.wait_for_end()

            with cases.case(follows), Peer(script, SERVER, protocols=protocols) as peer:
                session = open_session(over_tls(peer.port), gateway_user="alice")
                assert logged_in(session, "correct horse")["verdict"] == "ACCEPT"


def test_invalid_server_certificates(open_session: OpenSession) -> None:
    identities = {
        "has expired": AUTHORITY.issue(ends=-HOUR),
        "is not valid yet": AUTHORITY.issue(begins=HOUR),
        "is not issued by a CA in ca_certificate": OTHER.issue(),
        "does not match the ": AUTHORITY.issue(addresses=["192.0.2.1"]),
    }
    with Cases() as cases:
        for problem, identity in identities.items():
            with cases.case(problem), Peer(answering(), identity) as peer:
                found, log = refusal(open_session(over_tls(peer.port), gateway_user="alice"))
                assert (found, peer.requests) == ("tls-certificate", [])
                assert "the server's certificate " in log and problem in log
