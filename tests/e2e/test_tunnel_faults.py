"""Faults and attacks on a tunneled login, through the zip, against a scripted server."""

from typing import Any, Dict, List, Mapping, Tuple

from lib.config.options import TUNNELED
from tests.support.cases import Cases
from tests.support.certificates import DAY, Authority, Identity
from tests.support.eap_server import MSCHAPV2, PEAP, TTLS, Faults
from tests.support.misbehaving import ACCEPT, CHALLENGE, REJECT, SECRET, Server
from tests.support.plugin import OpenSession, outcome, section, text
from tests.support.tunnel import (
    AUTHORITY,
    CERTIFICATE,
    NAME,
    PASSWORD,
    TunnelScript,
    at,
)

OTHER_TYPE = {"ttls-pap": PEAP, "ttls-mschapv2": PEAP, "peap-mschapv2": TTLS}
ONCE = "[auth]\nmax_attempts=1\n"
SUCCESS, FAILURE = bytes([3, 1, 0, 4]), bytes([4, 1, 0, 4])


def configured(server: Server, method: str, **options: Any) -> str:
    values: Dict[str, Any] = dict(tls_server_name=NAME, ca_certificate=AUTHORITY.certificate, status_check="none")
    values.update(auth_type=method, conn_timeout="60", conn_retries="1")
    return section(server, **{**values, **options}) + ONCE


def result_of(open_session: OpenSession, script: TunnelScript, method: str, **options: Any) -> Tuple[str, str]:
    """Return the outcome of a login and the log, which has no password."""
    with Server(script) as server:
        session = open_session(configured(server, method, **options), gateway_user="alice")
        result = outcome(session, PASSWORD)
    assert PASSWORD not in text(session)
    for request in server.requests:
        assert b"alice" not in request.octets and PASSWORD.encode("ascii") not in request.octets
    return result, text(session)


def test_fragments(open_session: OpenSession) -> None:
    expected = {
        "lost": "bad-reply",
        "doubled": "bad-reply",
        "swapped": "bad-reply",
        "wrong-length": "bad-reply",
        "other-length": "bad-reply",
        "too-long": "bad-reply",
        "no-length": "bad-reply",
        "endless": "bad-reply",
    }
    with Cases() as cases:
        for fault, result in expected.items():
            for method in TUNNELED:
                with cases.case((fault, method)):
                    script = TunnelScript(method, fragment=100, faults=Faults(fragment=fault))
                    found, log = result_of(open_session, script, method)
                    # Octets in another order are no TLS.
                    assert found == result or (fault in ("doubled", "swapped", "lost") and found == "tls-failed"), log


def test_server_that_trickles_is_left_after_100_rounds(open_session: OpenSession) -> None:
    script = TunnelScript("ttls-pap", fragment=1)
    with Server(script) as server:
        session = open_session(configured(server, "ttls-pap", retransmit_after=0), gateway_user="alice")
        assert outcome(session, PASSWORD) == "bad-reply"
    assert len(server.requests) == 101  # with the identity
    assert "too many rounds of EAP" in text(session)


def test_accept_that_proves_nothing(open_session: OpenSession) -> None:
    changes = {
        "at once": at(0, ACCEPT, SUCCESS),
        "at once, without EAP": at(0, ACCEPT, b""),
        "in the handshake": at(2, ACCEPT, SUCCESS),
        "in the handshake, without keys": at(2, ACCEPT, SUCCESS, with_keys=False),
        "in the handshake, without EAP": at(2, ACCEPT, b""),
        "with a failure": at(2, ACCEPT, FAILURE),
        "after the password": at(3, ACCEPT, SUCCESS),
    }
    with Cases() as cases:
        for name, change in changes.items():
            for method in TUNNELED:
                for keys in ("yes", "no"):
                    with cases.case((name, method, keys)):
                        script = TunnelScript(method, change)
                        found, log = result_of(open_session, script, method, require_tunnel_keys=keys)
                        assert found == "mutual-auth-failed", log


def test_reject_stays_a_reject(open_session: OpenSession) -> None:
    with Cases() as cases:
        for octets in (SUCCESS, FAILURE, b""):
            for number in (0, 2):
                with cases.case((octets, number)):
                    script = TunnelScript("ttls-pap", at(number, REJECT, octets))
                    assert result_of(open_session, script, "ttls-pap")[0] == "rejected"


def test_end_of_eap_in_a_challenge_is_none(open_session: OpenSession) -> None:
    with Cases() as cases:
        for octets in (SUCCESS, FAILURE, b"", b"\1", bytes([2, 1, 0, 6, 21, 0])):
            with cases.case(octets):
                script = TunnelScript("ttls-pap", at(2, CHALLENGE, octets))
                assert result_of(open_session, script, "ttls-pap")[0] == "bad-reply"


def test_alert_at_each_step(open_session: OpenSession) -> None:
    with Cases() as cases:
        for version in ("TLSv1.2", "TLSv1.3"):
            for method in TUNNELED:
                for step in range(3):
                    with cases.case((version, method, step)):
                        script = TunnelScript(method, tls_version=version, faults=Faults(alert_at=step))
                        found, log = result_of(open_session, script, method)
                        reached = script.conversations[0].responses
                        assert found in ("tls-failed", "tls-certificate", "ACCEPT"), log
                        # A step that the login does not have changes nothing.
                        assert found != "ACCEPT" or len(reached) <= step + 3, log


def test_certificates(open_session: OpenSession) -> None:
    expired = AUTHORITY.issue([NAME], [], begins=-2 * DAY, ends=-DAY)
    of_client = AUTHORITY.issue([NAME], [], for_client=True)
    doubtful: Mapping[str, Tuple[Identity, Dict[str, str]]] = {
        "another CA": (CERTIFICATE, dict(ca_certificate=Authority("another").certificate)),
        "another name": (CERTIFICATE, dict(tls_server_name="other.example.com")),
        "expired": (expired, {}),
        "of a client": (of_client, {}),
    }
    with Cases() as cases:
        for name, (certificate, options) in doubtful.items():
            for version in ("TLSv1.2", "TLSv1.3"):
                with cases.case((name, version)):
                    script = TunnelScript("peap-mschapv2", certificate=certificate, tls_version=version)
                    found, log = result_of(open_session, script, "peap-mschapv2", **options)
                    assert found == "tls-certificate", log
                    assert script.conversations[0].inner_messages == []


def test_other_methods(open_session: OpenSession) -> None:
    with Cases() as cases:
        for method in TUNNELED:
            with cases.case(method):
                script = TunnelScript(method, faults=Faults(offers=[MSCHAPV2, OTHER_TYPE[method]]))
                assert result_of(open_session, script, method)[0] == "ACCEPT"
                never = TunnelScript(method, faults=Faults(offers=[OTHER_TYPE[method]] * 9))
                found, log = result_of(open_session, never, method)
                assert (found, "refuses the EAP method" in log) == ("bad-reply", True), log


def test_forged_answers_inside(open_session: OpenSession) -> None:
    forged: List[Tuple[str, Faults]] = [
        ("ttls-mschapv2", Faults(inner="wrong-success")),
        ("ttls-mschapv2", Faults(inner="no-success")),
        ("peap-mschapv2", Faults(inner="wrong-success")),
        ("peap-mschapv2", Faults(inner="no-success")),
        ("peap-mschapv2", Faults(inner="early-result")),
        ("peap-mschapv2", Faults(inner="no-result")),
        ("peap-mschapv2", Faults(binding="wrong-mac")),
        ("peap-mschapv2", Faults(binding="wrong-version")),
    ]
    with Cases() as cases:
        for method, faults in forged:
            with cases.case((method, faults.inner, faults.binding)):
                found, log = result_of(open_session, TunnelScript(method, faults=faults), method)
                assert found == "mutual-auth-failed", log
        with cases.case("valid crypto-binding"):
            script = TunnelScript("peap-mschapv2", faults=Faults(binding="valid"))
            assert result_of(open_session, script, "peap-mschapv2")[0] == "ACCEPT"


def test_challenge_inside(open_session: OpenSession) -> None:
    faults = Faults(challenges=[(b"Enter the next code", "22-22"), (b"And another", "33-33")], has_state=True)
    first, second = "[challenge_answers]\nnext code = 22-22\n", "another = 33-33\n"
    with Cases() as cases:
        for answers, result in ((first + second, "ACCEPT"), (first, "tunnel-challenge"), ("", "tunnel-challenge")):
            with cases.case(answers), Server(TunnelScript("ttls-pap", faults=faults)) as server:
                session = open_session(configured(server, "ttls-pap") + answers, gateway_user="alice")
                assert outcome(session, PASSWORD) == result, text(session)
                assert "22-22" not in text(session) and "33-33" not in text(session)


def test_second_server_is_asked_from_the_start(open_session: OpenSession) -> None:
    broken, whole = TunnelScript("peap-mschapv2", faults=Faults(alert_at=1)), TunnelScript("peap-mschapv2")
    with Server(broken) as first, Server(whole) as second:
        options = dict(tls_server_name=NAME, ca_certificate=AUTHORITY.certificate, auth_type="peap-mschapv2")
        further = section(second, "radius_2", secret=SECRET, **options)
        session = open_session(configured(first, "peap-mschapv2") + further, gateway_user="alice")
        assert outcome(session, PASSWORD) == "ACCEPT"
    assert len(whole.conversations) == 1
    assert f"[radius] 127.0.0.1:{first.port}: " in text(session)
