"""The TLS of a tunnel, with pyOpenSSL and with the ssl module, against a server in memory."""

import contextlib
import datetime
import os
import ssl
import traceback
from typing import Any, List, Optional, Tuple

import pytest
from OpenSSL import SSL

from lib import reasons
from lib.radius.eap.errors import EapError
from lib.radius.eap.inner import TunnelChallenge
from lib.radius.eap.login import EapLogin
from lib.radius.eap.tunnel import Tunnel, is_for
from lib.radius.server import TlsSettings, TunnelSettings
from lib.secret import Secret
from tests.support.cases import for_each
from tests.support.certificates import DAY, HOST_NAME, Authority, Identity
from tests.support.eap_server import TLS_1_2, TLS_1_3, EapServer, Faults, Violation

AUTHORITY = Authority("the CA of the tests")
OTHER = Authority("another CA")
INTERMEDIATE = Authority("an intermediate CA", AUTHORITY)
SERVER = AUTHORITY.issue()
CLIENT = AUTHORITY.issue(for_client=True)
ENGINES = [True, False]
VERSIONS = [TLS_1_2, TLS_1_3]


def log_in(
    has_exporter: bool,
    server: EapServer,
    name: str = HOST_NAME,
    ca: str = AUTHORITY.certificate,
    client: str = "",
    answer: str = "",
) -> EapLogin:
    """Log in until the server ends the conversation, and return the login; raise its EapError."""
    tls = TlsSettings("", ca, Secret(client))
    settings = TunnelSettings("anonymous", True, tls)
    login = EapLogin("ttls-pap", "alice", Secret("secret"), settings, name, os.urandom, has_exporter)
    request = server.receive(login.start())
    while not server.is_over:
        response = login.receive(request)
        if answer and isinstance(response, TunnelChallenge):
            response = login.answer(Secret(answer))
        assert isinstance(response, bytes)
        request = server.receive(response)
    return login


def server_of(identity: Identity = SERVER, version: str = "", **options: Any) -> EapServer:
    return EapServer("ttls-pap", {"alice": "secret"}, identity, tls_version=version, **options)


def refusal(has_exporter: bool, server: EapServer, **options: Any) -> EapError:
    """Return the error of a login, having checked that the password has not left."""
    with pytest.raises(EapError) as raised:
        log_in(has_exporter, server, **options)
    assert server.inner_messages == []
    return raised.value


@for_each(has_exporter=ENGINES, version=VERSIONS)
def test_certificate_and_version_are_described(has_exporter: bool, version: str) -> None:
    login = log_in(has_exporter, server_of(version=version))
    assert login.is_established and login.description == "EAP-TTLS, " + version
    assert login.certificate is not None
    assert (login.certificate.subject, login.certificate.issuer) == ("CN=issued", "CN=the CA of the tests")
    assert login.certificate.names[:3] == (HOST_NAME, "localhost", "127.0.0.1")
    expected = datetime.datetime.now(datetime.timezone.utc) + DAY
    assert abs(login.certificate.until - expected.timestamp()) < 3600


UNVERIFIED: List[Tuple[Identity, Any, str]] = [
    (AUTHORITY.issue(begins=-2 * DAY, ends=-DAY), {}, "has expired"),
    (AUTHORITY.issue(begins=DAY, ends=2 * DAY), {}, "is not valid yet"),
    (AUTHORITY.issue(for_client=True), {}, "is not a server certificate"),
    (OTHER.issue(), {}, "is not issued by a CA in ca_certificate"),
    (INTERMEDIATE.issue(), {}, "is not issued by a CA in ca_certificate"),
    (SERVER, {"name": "other.example.com"}, "does not match the name other.example.com"),
    (SERVER, {"name": "issued"}, "does not match the name issued"),
    (AUTHORITY.issue(names=()), {"name": "issued"}, "does not match the name issued"),
    (SERVER, {"name": "192.0.2.1"}, "does not match the address 192.0.2.1"),
    (
        AUTHORITY.issue(names=("127.0.0.1",), addresses=()),
        {"name": "127.0.0.1"},
        "does not match the address 127.0.0.1",
    ),
]


@for_each((has_exporter, version, *case) for has_exporter in ENGINES for version in VERSIONS for case in UNVERIFIED)
def test_certificates_that_do_not_verify_end_the_login(
    has_exporter: bool, version: str, identity: Identity, options: Any, text: str
) -> None:
    error = refusal(has_exporter, server_of(identity, version), **options)
    general = "has expired, is not valid yet, is not a server certificate or is not issued by a CA in ca_certificate"
    texts = {"the server's certificate " + text, "the server's certificate " + general}  # Python 3.6 does not know
    assert (error.code, error.is_final) == (reasons.TLS_CERTIFICATE, False)
    assert str(error) in texts and (str(error) == "the server's certificate " + text or not has_exporter)


VERIFIED: List[Tuple[Identity, Any, Any]] = [
    (SERVER, {"name": "127.0.0.1"}, {}),
    (SERVER, {"name": "::1"}, {}),
    (AUTHORITY.issue(names=("*.example.com",)), {"name": "Radius.Example.com."}, {}),
    (INTERMEDIATE.issue(), {}, {"chain": INTERMEDIATE.certificate}),
    (INTERMEDIATE.issue(), {"ca": INTERMEDIATE.certificate}, {}),
    (SERVER, {"ca": OTHER.certificate + AUTHORITY.certificate}, {}),
]


@for_each((has_exporter, *case) for has_exporter in ENGINES for case in VERIFIED)
def test_certificates_that_verify_are_accepted(
    has_exporter: bool, identity: Identity, options: Any, server_options: Any
) -> None:
    assert log_in(has_exporter, server_of(identity, **server_options), **options).is_established


@for_each(
    [
        ("radius.example.com", "radius.example.com", True),
        ("radius.example.com", "RADIUS.example.com", True),
        ("radius.example.com", "*.example.com", True),
        ("radius.example.com", "example.com", False),
        ("radius.example.com", "*.com", False),
        ("radius.example.com", "*", False),
        ("radius.example.com", "r*.example.com", False),
        ("radius.example.com", "*s.example.com", False),
        ("radius.example.com", "radius.*.com", False),
        ("radius.example.com", "*.*.com", False),
        ("a.radius.example.com", "*.example.com", False),
        ("example.com", "*.example.com", False),
        ("radius.example.com", "radius.example.com\0.evil", False),
        ("radius.example.com", "radius.example.com.evil", False),
        ("radius.example.com", "", False),
        ("example.com", "*.com", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("bücher.example", "bücher.example", False),
    ]
)
def test_names_match_by_whole_labels(server_name: str, name: str, expected: bool) -> None:
    assert is_for(server_name, [("DNS", name)]) is expected
    assert not is_for(server_name, [("email", name), ("URI", name), ("IP Address", name)])


@for_each(
    [
        ("192.0.2.1", ("IP Address", "192.0.2.1"), True),
        ("192.0.2.1", ("IP Address", "192.0.2.2"), False),
        ("192.0.2.1", ("DNS", "192.0.2.1"), False),
        ("2001:db8::1", ("IP Address", "2001:DB8:0:0:0:0:0:1\n"), True),
        ("2001:db8::1", ("IP Address", "2001:db8::2"), False),
        ("192.0.2.1", ("IP Address", "nonsense"), False),
    ]
)
def test_addresses_match_addresses_alone(server_name: str, name: Any, expected: bool) -> None:
    assert is_for(server_name, [name]) is expected


@for_each(has_exporter=ENGINES, name=["", "a..b", "*.example.com", "x" * 64 + ".example", "\ud800"])
def test_names_that_no_certificate_can_have_are_refused(has_exporter: bool, name: str) -> None:
    with pytest.raises(EapError) as raised:
        Tunnel(TlsSettings("", AUTHORITY.certificate, Secret("")), name, has_exporter)
    assert raised.value.code == reasons.TLS_CERTIFICATE and "no certificate can match" in str(raised.value)


@for_each(has_exporter=ENGINES, version=VERSIONS)
def test_client_certificate_is_sent(has_exporter: bool, version: str) -> None:
    log_in(has_exporter, server_of(version=version, client_ca=AUTHORITY), client=CLIENT.both)
    with_chain = INTERMEDIATE.issue(for_client=True).both + INTERMEDIATE.certificate
    log_in(has_exporter, server_of(version=version, client_ca=AUTHORITY), client=with_chain)


@for_each(has_exporter=ENGINES, version=VERSIONS, client=["", OTHER.issue(for_client=True).both])
def test_missing_and_unknown_client_certificates_are_explained(has_exporter: bool, version: str, client: str) -> None:
    error = refusal(has_exporter, server_of(version=version, client_ca=AUTHORITY), client=client)
    if client:
        assert str(error) == "the server rejected the client certificate: tlsv1 alert unknown ca"
    else:
        required = "the server requires a client certificate"
        assert str(error) in (required, "the server rejected the handshake; it may require a client certificate")
    assert error.code == reasons.TLS_CERTIFICATE


@for_each(
    (has_exporter, *case)
    for has_exporter in ENGINES
    for case in (
        ({"ca": ""}, "ca_certificate"),
        ({"ca": "xyzzy"}, "ca_certificate"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nxyzzy\n-----END CERTIFICATE-----\n"}, "ca_certificate"),
        ({"client": "xyzzy"}, "client_certificate"),
        ({"client": CLIENT.certificate}, "client_certificate"),
        ({"client": CLIENT.certificate + SERVER.key}, "client_certificate"),
        ({"client": AUTHORITY.issue(passphrase=b"xyzzy").both}, "client_certificate"),
    )
)
def test_unusable_certificates_are_named(has_exporter: bool, options: Any, option: str) -> None:
    error = refusal(has_exporter, server_of(), **options)
    assert error.code == reasons.TLS_CERTIFICATE and str(error).startswith(option + " cannot be used: ")
    assert "xyzzy" not in "".join(traceback.format_exception(type(error), error, None))


@for_each(has_exporter=ENGINES, version=["TLSv1", "TLSv1.1"])
def test_old_versions_of_tls_are_refused(has_exporter: bool, version: str) -> None:
    error = refusal(has_exporter, server_of(version=version))
    assert error.code == reasons.TLS_FAILED
    assert str(error) == "the server supports neither TLS 1.2 nor TLS 1.3"


@for_each(has_exporter=ENGINES, version=VERSIONS, step=range(2))
def test_alerts_end_the_login(has_exporter: bool, version: str, step: int) -> None:
    """An alert without encryption is an error of its own once TLS 1.3 encrypts."""
    error = refusal(has_exporter, server_of(version=version, faults=Faults(alert_at=step)))
    assert error.code in (reasons.TLS_FAILED, reasons.TLS_CERTIFICATE) and not error.is_final


@for_each(has_exporter=ENGINES, message=[b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x01\xff\xff", bytes(300)])
def test_what_is_not_tls_ends_the_login(has_exporter: bool, message: bytes) -> None:
    tunnel = Tunnel(TlsSettings("", AUTHORITY.certificate, Secret("")), HOST_NAME, has_exporter)
    assert tunnel.handshake(b"")[:1] == b"\x16"
    with pytest.raises(EapError) as raised:
        tunnel.handshake(message)
    assert raised.value.code == reasons.TLS_FAILED and "port" not in str(raised.value)


@for_each(has_exporter=ENGINES)
def test_client_offers_neither_old_versions_nor_tickets(has_exporter: bool) -> None:
    server = server_of()
    log_in(has_exporter, server)
    hello = server.responses[1]
    assert bytes.fromhex("002b0005 04 0304 0303") in hello  # the extension supported_versions
    assert bytes.fromhex("0023 0000") not in hello  # session_ticket, which is empty in a first hello


def test_old_versions_are_off_whatever_the_system_allows() -> None:
    tunnel: Any = Tunnel(TlsSettings("", AUTHORITY.certificate, Secret("")), HOST_NAME, True)
    options = tunnel._tls._tls.get_context().set_options(0)
    for name in ("OP_NO_SSLv3", "OP_NO_TLSv1", "OP_NO_TLSv1_1", "OP_NO_TICKET", "OP_NO_COMPRESSION"):
        assert options & getattr(SSL, name), name
    assert not options & (SSL.OP_NO_TLSv1_2 | SSL.OP_NO_TLSv1_3)


@for_each(has_exporter=ENGINES if hasattr(ssl, "OP_NO_RENEGOTIATION") else [True])
def test_renegotiation_is_refused(has_exporter: bool) -> None:
    def renegotiate(number: int, octets: bytes) -> bytes:
        server._tls.renegotiate()
        with contextlib.suppress(SSL.WantReadError):
            server._tls.do_handshake()
        return octets

    server = server_of(version=TLS_1_2, faults=Faults(challenges=[(b"Code?", "1")], rewrite_inner=renegotiate))
    with pytest.raises(SSL.Error, match="no renegotiation"):  # the alert of the client
        log_in(has_exporter, server, answer="1")


@for_each(has_exporter=[True, None])
def test_pyopenssl_is_used_where_it_is(has_exporter: Optional[bool]) -> None:
    tunnel = Tunnel(TlsSettings("", AUTHORITY.certificate, Secret("")), HOST_NAME, has_exporter)
    assert tunnel.has_exporter


def test_violations_of_the_protocol_are_noticed_by_the_server() -> None:
    with pytest.raises(Violation):
        server_of().receive(b"\x02\x00\x00\x06\x15\xff")
