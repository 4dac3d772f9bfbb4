"""Requests as data become packets: what the client adds, and what it must not."""

import os
from typing import List, Optional, Tuple

import pytest

from lib import log_lines
from lib.radius import accounting, nas, packet
from lib.radius.packet import Attributes
from lib.radius.profile import OriginalRadius
from lib.radius.request import AccountingRequest, LoginRequest, Request, StatusRequest
from lib.radius.server import ServerSettings, TlsSettings
from lib.secret import Secret
from tests.support import misbehaving
from tests.support.cases import Cases

SECRET = b"a shared secret"
IDENTIFIER = (0, packet.NAS_IDENTIFIER, b"sps")
ADDRESS = (0, nas.NAS_IP_ADDRESS, b"\xc0\0\2\1")


def server(auth_type: str = "pap", tls: Optional[TlsSettings] = None) -> ServerSettings:
    return ServerSettings(
        "radius", "192.0.2.9", 1812, Secret("a shared secret"), auth_type, 5, 3, 2, True, "", "none", 3, 3, 3, tls
    )


def sent(request: Request, local_ip: str = "192.0.2.1", of: Optional[ServerSettings] = None) -> misbehaving.Request:
    """Return a request as the server receives it."""
    encoded = request.encode(OriginalRadius(SECRET, True), of or server(), local_ip, os.urandom, 1010.0)
    return misbehaving.Request(encoded.octets, (), 0)


def requests(*attributes: Tuple[int, int, bytes]) -> List[Request]:
    """Return a request of each kind with these attributes."""
    return [
        LoginRequest({"radius": "alice"}, Secret("x"), attributes),
        StatusRequest(attributes),
        AccountingRequest(accounting.Record("Start", 1000.0, "a session", "alice", attributes=attributes)),
    ]


def test_client_adds_its_address() -> None:
    with Cases() as cases:
        for request in requests(IDENTIFIER):
            with cases.case(type(request).__name__):
                values = sent(request).values
                assert (values(nas.NAS_IP_ADDRESS), values(nas.NAS_IPV6_ADDRESS)) == ([b"\xc0\0\2\1"], [])
                values = sent(request, "2001:db8::1").values
                assert values(nas.NAS_IP_ADDRESS) == []
                assert [len(each) for each in values(nas.NAS_IPV6_ADDRESS)] == [16]
                assert values(packet.NAS_IDENTIFIER) == [b"sps"]


def test_configured_address_replaces_that_of_the_client() -> None:
    with Cases() as cases:
        for value in (b"\x0a\0\0\1", b""):
            for request in requests(IDENTIFIER, (0, nas.NAS_IP_ADDRESS, value)):
                with cases.case((type(request).__name__, value)):
                    assert sent(request).values(nas.NAS_IP_ADDRESS) == ([value] if value else [])
                    assert sent(request).values(packet.NAS_IDENTIFIER) == [b"sps"]


def test_login_has_the_user_name_for_its_server_and_the_state() -> None:
    request = LoginRequest({"radius": "alice", "radius_2": "bob"}, Secret("a code"), (), b"state")
    for section, name in request.user_names.items():
        received = sent(request, of=server()._replace(section=section))
        assert received.values(packet.USER_NAME) == [name.encode("ascii")]
        assert received.values(packet.STATE) == [b"state"]
        assert received.password(SECRET) == b"a code"


def test_probe_of_a_login_contains_only_the_nas_identifier() -> None:
    def identity(request: Request) -> Attributes:
        return request.encode(OriginalRadius(SECRET, True), server(), "192.0.2.1", os.urandom, 0.0).identity

    login, status, record = requests(IDENTIFIER, (0, nas.SERVICE_TYPE, b"\0\0\0\1"))
    assert identity(login) == (IDENTIFIER,)
    assert identity(status) == (ADDRESS, IDENTIFIER, (0, nas.SERVICE_TYPE, b"\0\0\0\1"))
    assert identity(record) == ()


def test_status_server_is_answered_with_a_code_of_its_port() -> None:
    tls = TlsSettings("", "", Secret(""))
    table = (
        (False, None, [misbehaving.ACCEPT]),
        (False, tls, [misbehaving.ACCEPT]),
        (True, None, [packet.ACCOUNTING_RESPONSE]),
        (True, tls, [misbehaving.ACCEPT, packet.ACCOUNTING_RESPONSE]),
    )
    with Cases() as cases:
        for is_for_accounting, settings, expected in table:
            with cases.case((is_for_accounting, settings)):
                request = StatusRequest((IDENTIFIER,), is_for_accounting)
                encoded = request.encode(OriginalRadius(SECRET, True), server(tls=settings), "", os.urandom, 0.0)
                accepted = []
                for code in range(256):
                    reply = misbehaving.reply(misbehaving.Request(encoded.octets, (), 0), SECRET, code)
                    try:
                        accepted.append(encoded.verify(reply).code)
                    except packet.Discarded as discarded:
                        assert discarded.reason == packet.UNEXPECTED_CODE
                assert accepted == expected


def test_password_that_mschapv2_cannot_use() -> None:
    login = LoginRequest({"radius": "alice"}, Secret("x" * 257))
    with pytest.raises(packet.RequestError) as caught:
        sent(login, of=server("mschapv2"))
    assert caught.value.code == "bad-password"


def test_mschapv2_accept_without_proof_is_not_proved() -> None:
    login = LoginRequest({"radius": "alice"}, Secret("x"))
    encoded = login.encode(OriginalRadius(SECRET, True), server("mschapv2"), "", os.urandom, 0.0)
    assert encoded.check_proof(packet.Reply(packet.ACCESS_ACCEPT, ())) == log_lines.MUTUAL_AUTH_FAILED.text
    assert encoded.check_proof(packet.Reply(packet.ACCESS_REJECT, ())) == ""
    pap = login.encode(OriginalRadius(SECRET, True), server(), "", os.urandom, 0.0)
    assert pap.check_proof(packet.Reply(packet.ACCESS_ACCEPT, ())) == ""
