"""Logins with EAP-TTLS and PEAP against a server in memory that does what it should, or does not."""

import os
import struct
import traceback
from typing import Any, List, Optional, Sequence, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib import reasons
from lib.config.options import TUNNELED as METHODS
from lib.radius.eap.errors import EapError
from lib.radius.eap.inner import TunnelChallenge
from lib.radius.eap.login import EapLogin
from lib.radius.server import TlsSettings, TunnelSettings
from lib.secret import Secret
from tests.support.cases import for_each
from tests.support.certificates import HOST_NAME, Authority
from tests.support.eap_server import (
    FAILURE,
    IDENTITY,
    MD5_CHALLENGE,
    PEAP,
    SUCCESS,
    TLS,
    TLS_1_2,
    TLS_1_3,
    TTLS,
    EapServer,
    Faults,
    Violation,
)

AUTHORITY = Authority("the CA of the tests")
SERVER = AUTHORITY.issue()
USER, PASSWORD = "alice@corp.example", "pässwörd-xyzzy"
VERSIONS = [TLS_1_2, TLS_1_3]
TTLS_PAP, TTLS_MSCHAPV2, PEAP_MSCHAPV2 = METHODS
REJECTED = (Violation, struct.error)  # what the server raises for the answers to its own faults


def login_of(
    method: str,
    user: str = USER,
    password: str = PASSWORD,
    has_exporter: Optional[bool] = True,
    anonymous_identity: str = "anonymous",
) -> EapLogin:
    settings = TunnelSettings(anonymous_identity, True, TlsSettings("", AUTHORITY.certificate, Secret("")))
    return EapLogin(method, user, Secret(password), settings, HOST_NAME, os.urandom, has_exporter)


def server_of(method: str, version: str = "", size: int = 1000, **faults: Any) -> EapServer:
    return EapServer(method, {USER: PASSWORD}, SERVER, size, version, Faults(**faults))


def converse(login: EapLogin, server: EapServer, answers: Sequence[str] = (), questions: Sequence[bytes] = ()) -> bytes:
    """Return the EAP packet that ends the conversation; raise the EapError of the login.

    The `answers` are those to challenges inside; `questions` are what they must ask, if any are given.
    """
    left, asked = list(answers), []
    request = server.receive(login.start())
    while not server.is_over:
        response = login.receive(request)
        if isinstance(response, TunnelChallenge):
            asked.append(response.message)
            response = login.answer(Secret(left.pop(0)))
        request = server.receive(response)
    assert not left and tuple(questions or asked) == tuple(asked)
    return request


def accepted(login: EapLogin, server: EapServer, answers: Sequence[str] = (), questions: Sequence[bytes] = ()) -> None:
    """Run a login that must succeed, and compare the keys."""
    end = converse(login, server, answers, questions)
    assert end[0] == SUCCESS
    login.accept(end)
    assert login.keys is None or tuple(login.keys) == server.keys


def forged(login: EapLogin, server: EapServer) -> EapError:
    """Return the error of a login at a server that claims a success without proof."""
    with pytest.raises(EapError) as raised:
        login.accept(converse(login, server))
    error = raised.value
    assert (error.code, error.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)
    return error


# Logins that succeed


@for_each(method=METHODS, version=VERSIONS, fragment=[64, 500, 1000])
def test_login_succeeds_with_the_keys_of_the_server(method: str, version: str, fragment: int) -> None:
    login, server = login_of(method), server_of(method, version, fragment)
    accepted(login, server)
    assert login.keys is not None and [len(each) for each in login.keys] == [32, 32]
    assert login.keys.recv != login.keys.send
    assert login.messages == ()
    assert login.description == ("PEAP, " if method == PEAP_MSCHAPV2 else "EAP-TTLS, ") + version
    assert server.inner_name == USER.encode()


@for_each(method=[TTLS_PAP, PEAP_MSCHAPV2], version=VERSIONS)
def test_login_succeeds_without_an_exporter(method: str, version: str) -> None:
    login = login_of(method, has_exporter=False)
    accepted(login, server_of(method, version, binding="wrong-mac" if method == TTLS_PAP else ""))
    assert login.keys is None and login.is_established


def test_mschapv2_inside_ttls_requires_an_exporter() -> None:
    with pytest.raises(EapError, match="requires pyOpenSSL"):
        login_of(TTLS_MSCHAPV2, has_exporter=False)


@for_each(method=METHODS, version=VERSIONS, holds_tickets=[False, True], protected_success=[False, True])
def test_messages_of_tls_1_3_after_the_handshake_are_processed(
    method: str, version: str, holds_tickets: bool, protected_success: bool
) -> None:
    faults = {"holds_tickets": holds_tickets, "protected_success": protected_success}
    accepted(login_of(method), server_of(method, version, **faults))


@for_each(version=VERSIONS)
def test_inner_identity_request_may_have_a_header(version: str) -> None:
    accepted(login_of(PEAP_MSCHAPV2), server_of(PEAP_MSCHAPV2, version, identity_header=True))


@for_each(version=VERSIONS, binding=["valid", "hostapd"])
def test_keys_come_from_both_with_crypto_binding(version: str, binding: str) -> None:
    login, server = login_of(PEAP_MSCHAPV2), server_of(PEAP_MSCHAPV2, version, binding=binding)
    end = converse(login, server)
    login.accept(end)
    assert login.keys is not None and tuple(login.keys) == server.keys
    assert server.keys[0] != server._key_material()[:32]


def test_crypto_binding_is_left_out_without_an_exporter() -> None:
    login, server = login_of(PEAP_MSCHAPV2, has_exporter=False), server_of(PEAP_MSCHAPV2, binding="wrong-mac")
    login.accept(converse(login, server))
    assert login.keys is None


@for_each(
    [
        ("alice", "anonymous", "anonymous"),
        ("alice@corp", "anonymous", "anonymous@corp"),
        ("CORP\\alice", "anonymous", "anonymous"),
        ("a@b@corp", "anonymous", "anonymous@corp"),
        ("alice@", "anonymous", "anonymous"),
        ("alice@corp", "", "@corp"),
        ("alice@corp", "nobody@hidden", "nobody@hidden"),
    ]
)
def test_only_the_realm_shows_outside(user: str, anonymous_identity: str, expected: str) -> None:
    login = login_of(TTLS_PAP, user, anonymous_identity=anonymous_identity)
    assert login.outer_name == expected
    assert login.start() == struct.pack("!BBHB", 2, 0, 5 + len(expected), 1) + expected.encode()


@for_each(method=METHODS, version=VERSIONS)
def test_name_and_password_never_leave_the_tunnel(method: str, version: str) -> None:
    server = server_of(method, version)
    accepted(login_of(method), server)
    assert server.identity == b"anonymous@corp.example"
    sent = b"".join(server.responses)
    assert b"alice" not in sent and b"xyzzy" not in sent


@for_each(["", "x", "x" * 15, "x" * 16, "x" * 17, "€" * 42, "x" * 128])
def test_passwords_are_padded_in_the_tunnel(password: str) -> None:
    server = EapServer(TTLS_PAP, {USER: password}, SERVER)
    accepted(login_of(TTLS_PAP, password=password), server)


@for_each(method=METHODS, user=["CORP\\jürgen", "jürgen", "x" * 250])
def test_names_of_any_form_log_in(method: str, user: str) -> None:
    accepted(login_of(method, user), EapServer(method, {user: PASSWORD}, SERVER))


def test_response_in_fragments_is_acknowledged() -> None:
    """A client certificate with a long chain does not fit into one response."""
    client = AUTHORITY.issue(for_client=True)
    chain = "".join(Authority(f"CA {number}").certificate for number in range(8))
    tls = TlsSettings("", AUTHORITY.certificate, Secret(client.both + chain))
    settings = TunnelSettings("anonymous", True, tls)
    for version in VERSIONS:
        login = EapLogin(TTLS_PAP, USER, Secret(PASSWORD), settings, HOST_NAME, os.urandom)
        server = EapServer(TTLS_PAP, {USER: PASSWORD}, SERVER, tls_version=version, client_ca=AUTHORITY)
        accepted(login, server)
        assert max(len(each) for each in server.responses) > 1000
        assert all(len(each) <= 1010 for each in server.responses)


# Logins that the server rejects


@for_each(method=METHODS, version=VERSIONS)
def test_wrong_password_ends_with_a_failure(method: str, version: str) -> None:
    login = login_of(method, password="wrong")
    assert converse(login, server_of(method, version))[0] == FAILURE
    messages = {TTLS_MSCHAPV2: (WRONG, b"Wrong password"), PEAP_MSCHAPV2: (WRONG, b"text")}
    assert login.messages == messages.get(method, ())


WRONG = b"Wrong user name or password"
"""Error 691 of MS-CHAPv2."""


@for_each(method=METHODS, packet=["success", "failure", ""])
def test_rejected_login_is_never_accepted(method: str, packet: str) -> None:
    """That of PAP is: it proves nothing inside, so only the keys of the Access-Accept can show that it is forged."""
    login, server = login_of(method, password="wrong"), server_of(method)
    end = converse(login, server)
    claimed = {"success": bytes([SUCCESS]) + end[1:], "failure": end, "": b""}[packet]
    if method == TTLS_PAP and packet == "success":
        login.accept(claimed)
        return
    with pytest.raises(EapError) as raised:
        login.accept(claimed)
    assert (raised.value.code, raised.value.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)


def test_messages_are_passed_as_received() -> None:
    texts = (b"one \x1b[31m", b"\xff\0two")
    login = login_of(TTLS_MSCHAPV2)
    accepted(login, server_of(TTLS_MSCHAPV2, messages=texts))
    assert login.messages == texts
    login = login_of(PEAP_MSCHAPV2, password="wrong")
    assert converse(login, server_of(PEAP_MSCHAPV2, messages=texts))[0] == FAILURE
    assert login.messages == (WRONG, b"".join(texts))


@for_each(method=[PEAP_MSCHAPV2], fault=["inner-failure", "result-failure"], version=VERSIONS)
def test_failure_inside_is_acknowledged(method: str, fault: str, version: str) -> None:
    login, server = login_of(method), server_of(method, version, inner=fault)
    end = converse(login, server)
    assert end[0] == FAILURE
    with pytest.raises(EapError) as raised:
        login.accept(bytes([SUCCESS]) + end[1:])
    assert (raised.value.code, raised.value.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)


# Challenges inside


@for_each(version=VERSIONS, has_state=[False, True], has_exporter=[True, False])
def test_challenges_inside_are_answered(version: str, has_state: bool, has_exporter: bool) -> None:
    challenges = ((b"Code?", "1234"), (b"", "ünïcödé"), (b"Again\xff", "5"))
    login = login_of(TTLS_PAP, has_exporter=has_exporter)
    server = server_of(TTLS_PAP, version, challenges=challenges, has_state=has_state)
    accepted(login, server, ["1234", "ünïcödé", "5"], [b"Code?", b"", b"Again\xff"])
    assert login.messages == ()  # the questions are no text of the answer: they may contain a new PIN


def test_challenge_has_its_message() -> None:
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP, challenges=((b"Code?", "1"),))
    response: Any = login.start()
    while not isinstance(response, TunnelChallenge):
        response = login.receive(server.receive(response))
    assert response == TunnelChallenge(b"Code?")
    with pytest.raises(EapError) as raised:
        login.accept(struct.pack("!BBH", SUCCESS, server._identifier, 4))
    assert (raised.value.code, raised.value.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)


def test_wrong_answer_ends_with_a_failure() -> None:
    login = login_of(TTLS_PAP)
    assert converse(login, server_of(TTLS_PAP, challenges=((b"Code?", "1"),)), ["2"])[0] == FAILURE


def test_answer_that_cannot_be_sent_is_refused() -> None:
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP, challenges=((b"Code?", "1"),))
    with pytest.raises(EapError) as raised:
        converse(login, server, ["x" * 129])
    assert raised.value.code == reasons.BAD_PASSWORD
    with pytest.raises(EapError):
        login.accept(struct.pack("!BBH", SUCCESS, server._identifier, 4))


# Credentials that cannot be used


@for_each(
    [
        (TTLS_PAP, "xyzzy" * 26, "the password is longer than 128 octets"),
        (TTLS_PAP, "xyzzy\ud800", "the password holds characters that UTF-8 cannot encode"),
        (TTLS_MSCHAPV2, "xyzzy" * 52, "the password is longer than 256 characters"),
        (PEAP_MSCHAPV2, "xyzzy\ud800", "the password holds characters that UTF-16 cannot encode"),
    ]
)
def test_unusable_passwords_are_refused_without_being_shown(method: str, password: str, text: str) -> None:
    with pytest.raises(EapError) as raised:
        login_of(method, password=password)
    assert (raised.value.code, raised.value.text) == (reasons.BAD_PASSWORD, text)
    assert "xyzzy" not in "".join(traceback.format_exception(EapError, raised.value, None))


@for_each(METHODS)
def test_user_name_with_a_lone_surrogate_is_refused(method: str) -> None:
    with pytest.raises(EapError) as raised:
        login_of(method, user="al\udcffice")
    assert raised.value.code == reasons.BAD_USERNAME


@for_each(METHODS)
def test_login_shows_no_secret(method: str) -> None:
    login = login_of(method)
    accepted(login, server_of(method))
    assert login.keys is not None
    for shown in (login, login.keys, login._inner, login._tunnel, vars(login), vars(login._inner)):
        assert "xyzzy" not in repr(shown) and repr(login.keys.recv)[2:-1] not in repr(shown)


# Negotiation


@for_each(method=METHODS, offers=[(MD5_CHALLENGE,), (TLS, MD5_CHALLENGE, 254)])
def test_other_methods_are_refused_with_a_nak(method: str, offers: Tuple[int, ...]) -> None:
    offers = offers + (TTLS if method == PEAP_MSCHAPV2 else PEAP,) if len(offers) == 1 else offers
    accepted(login_of(method), server_of(method, offers=offers))


@for_each(METHODS)
def test_fourth_other_method_ends_the_login(method: str) -> None:
    with pytest.raises(EapError, match="refuses the EAP method") as raised:
        converse(login_of(method), server_of(method, offers=(MD5_CHALLENGE,) * 4))
    assert raised.value.code == reasons.BAD_REPLY


def test_other_method_inside_is_refused_with_a_nak() -> None:
    accepted(login_of(PEAP_MSCHAPV2), server_of(PEAP_MSCHAPV2, inner="other-method"))


def test_identity_may_be_requested_again() -> None:
    login = login_of(TTLS_PAP)
    assert login.receive(b"\x01\x09\x00\x05\x01") == b"\x02\x09" + login.start()[2:]


def test_login_is_over_after_an_error() -> None:
    login = login_of(TTLS_PAP)
    for octets in (b"\x01\x09\x00\x05\x03", b"\x01\x0a\x00\x05\x01"):
        with pytest.raises(EapError):
            login.receive(octets)


def test_notification_is_acknowledged_and_not_shown() -> None:
    login = login_of(TTLS_PAP)
    assert login.receive(b"\x01\x09\x00\x07\x02hi") == b"\x02\x09\x00\x05\x02"
    assert login.messages == ()


def test_mandatory_tlv_that_is_unknown_is_refused_with_a_nak() -> None:
    server = server_of(PEAP_MSCHAPV2, inner="unknown-tlv")
    with pytest.raises(Violation, match="malformed Result TLV"):
        converse(login_of(PEAP_MSCHAPV2), server)
    assert server.inner_messages[-1][4:].hex() == "218004000600000000" + "0063"


# Faults outside the tunnel


@for_each(
    method=METHODS,
    version=VERSIONS,
    fault=["lost", "doubled", "swapped", "wrong-length", "other-length", "too-long", "endless", "no-length"],
)
def test_faulty_fragments_end_the_login(method: str, version: str, fault: str) -> None:
    login, server = login_of(method), server_of(method, version, 100, fragment=fault)
    with pytest.raises(EapError) as raised:
        converse(login, server)
    assert raised.value.code in (reasons.BAD_REPLY, reasons.TLS_FAILED) and not raised.value.is_final
    if fault != "swapped":
        assert raised.value.code == reasons.BAD_REPLY
    assert server.inner_messages == []
    with pytest.raises(EapError):
        login.receive(b"\x01\x63\x00\x05\x01")


def requests_before(login: EapLogin, server: EapServer, count: int) -> bytes:
    """Return the request that follows `count` responses."""
    request = server.receive(login.start())
    for _ in range(count):
        response = login.receive(request)
        assert isinstance(response, bytes)
        request = server.receive(response)
    return request


@for_each(
    (count, octets)
    for count in range(3)
    for octets in (
        b"",
        b"\x01",
        b"\x03\x01\x00\x04",
        b"\x04\x01\x00\x04",
        b"\x02\x63\x00\x05\x01",
        b"\x01\x63\x00\x06\x03\x15",
        b"\x01\x63\x00\x05\x15",
        b"\x01\x63\x00\x06\x15\x01",
        b"\x01\x63\x00\x06\x15\x00",
        b"\x01\x63\x00\x06\x15\xa0",
    )
)
def test_packets_that_break_the_protocol_end_the_login(count: int, octets: bytes) -> None:
    if count == 2 and octets.endswith(b"\x15\x00"):
        return  # the login begins after it
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP, TLS_1_3)
    requests_before(login, server, count)
    with pytest.raises(EapError) as raised:
        login.receive(octets)
    assert (raised.value.code, raised.value.is_final) == (reasons.BAD_REPLY, False)
    assert not login._has_begun or server.inner_messages == []


@for_each(["\x01\x63\x00\x05\x01", "\x01\x63\x00\x06\x04\x00", "\x01\x63\x00\x06\x15\x20"])
def test_method_begins_once(request: str) -> None:
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP)
    requests_before(login, server, 1)
    with pytest.raises(EapError) as raised:
        login.receive(request.encode("latin-1"))
    assert raised.value.code == reasons.BAD_REPLY


@for_each(METHODS)
def test_same_request_gets_the_same_response(method: str) -> None:
    login, server = login_of(method), server_of(method, size=200)
    request = server.receive(login.start())
    while not server.is_over:
        response = login.receive(request)
        assert isinstance(response, bytes) and login.receive(request) == response
        request = server.receive(response)
    login.accept(request)


def test_other_request_with_the_same_identifier_ends_the_login() -> None:
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP)
    request = server.receive(login.start())
    login.receive(request)
    with pytest.raises(EapError, match="identifier of the last one"):
        login.receive(request[:2] + b"\x00\x05\x02")


def test_more_than_a_hundred_requests_end_the_login() -> None:
    login = login_of(TTLS_PAP)
    for number in range(100):
        login.receive(struct.pack("!BBHB", 1, number, 5, IDENTITY))
    with pytest.raises(EapError) as raised:
        login.receive(struct.pack("!BBHB", 1, 100, 5, IDENTITY))
    assert raised.value.code == reasons.BAD_REPLY


@for_each(method=METHODS, version=VERSIONS)
def test_success_before_the_end_is_not_believed(method: str, version: str) -> None:
    """At no step but the last; with PAP, the last one is that which has the password."""
    whole = server_of(method, version, 200)
    accepted(login_of(method), whole)
    steps = len(whole.responses) - 1
    for step in range(steps + 1):
        login, server = login_of(method), server_of(method, version, 200, success_at=step)
        if step == steps:
            login.accept(converse(login, server))
        else:
            forged(login, server)


def test_success_amid_the_fragments_of_a_response_is_not_believed() -> None:
    """The answer to a challenge is long if its State is."""

    def add_state(_number: int, octets: bytes) -> bytes:
        return octets + struct.pack("!II", 24, 0x40000000 | 3008) + bytes(3000)

    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP, challenges=((b"Code?", "1"),), rewrite_inner=add_state)
    response: Any = login.start()
    while not isinstance(response, TunnelChallenge):
        response = login.receive(server.receive(response))
    request = server.receive(login.answer(Secret("1")))
    assert login._inner.is_complete and not server.is_over
    with pytest.raises(EapError) as raised:
        login.accept(bytes([SUCCESS, request[1] - 1, 0, 4]))
    assert (raised.value.code, raised.value.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)


@for_each(version=VERSIONS)
def test_success_amid_the_fragments_of_a_request_is_not_believed(version: str) -> None:
    login, server = login_of(TTLS_PAP), server_of(TTLS_PAP, version)
    end = converse(login, server)  # nothing else is missing
    number = (end[1] + 1) % 256
    content = bytes([TTLS, 0xC0]) + struct.pack("!I", 9) + b"x"
    assert login.receive(struct.pack("!BBH", 1, number, 4 + len(content)) + content) == bytes(
        [2, number, 0, 6, TTLS, 0]
    )
    with pytest.raises(EapError, match="before the end"):
        login.accept(struct.pack("!BBH", SUCCESS, number, 4))


@for_each(method=METHODS, change=["identifier", "failure", "request", "short", "long", "empty"])
def test_only_the_right_success_is_believed(method: str, change: str) -> None:
    login, server = login_of(method), server_of(method)
    end = converse(login, server)
    changed = {
        "identifier": bytes([end[0], end[1] ^ 1]) + end[2:],
        "failure": bytes([FAILURE]) + end[1:],
        "request": b"\x01" + end[1:],
        "short": end[:3],
        "long": end + b"\0",
        "empty": b"",
    }[change]
    with pytest.raises(EapError) as raised:
        login.accept(changed)
    assert (raised.value.code, raised.value.is_final) == (reasons.MUTUAL_AUTH_FAILED, True)
    with pytest.raises(EapError):
        login.accept(end)


# Faults inside the tunnel


@for_each(
    (method, version, fault)
    for method, faults in (
        (TTLS_MSCHAPV2, ("early-success", "wrong-success", "no-success", "wrong-identifier", "second-success")),
        (
            PEAP_MSCHAPV2,
            ("early-success", "early-result", "wrong-success", "no-success", "second-success", "no-result"),
        ),
    )
    for fault in faults
    for version in VERSIONS
)
def test_success_inside_without_proof_ends_the_login_for_good(method: str, version: str, fault: str) -> None:
    forged(login_of(method), server_of(method, version, inner=fault))


@for_each(version=VERSIONS, binding=["wrong-mac", "wrong-version", "response"])
def test_wrong_crypto_binding_ends_the_login_for_good(version: str, binding: str) -> None:
    assert "crypto-binding" in str(forged(login_of(PEAP_MSCHAPV2), server_of(PEAP_MSCHAPV2, version, binding=binding)))


@for_each(method=[TTLS_MSCHAPV2, PEAP_MSCHAPV2], version=VERSIONS)
def test_data_after_the_end_ends_the_login_for_good(method: str, version: str) -> None:
    forged(login_of(method), server_of(method, version, inner="after-end"))


def test_question_after_the_protected_success_ends_the_login_for_good() -> None:
    forged(login_of(TTLS_PAP), server_of(TTLS_PAP, TLS_1_3, inner="after-end", protected_success=True))


def test_proof_inside_counts_once() -> None:
    seen: List[bytes] = []

    def repeat(number: int, octets: bytes) -> bytes:
        seen.append(octets)
        return seen[2] if number == 3 else octets

    server = server_of(PEAP_MSCHAPV2, rewrite_inner=repeat)
    assert "unexpected success" in str(forged(login_of(PEAP_MSCHAPV2), server))
    assert seen[2].startswith(b"\x1a\x03")


def test_proof_after_an_error_inside_ends_the_login_for_good() -> None:
    """The server gets what it expects: the acknowledgment of the success that it sent first."""
    login = login_of(PEAP_MSCHAPV2)
    seen: List[bytes] = []

    def refuse_before(number: int, octets: bytes) -> bytes:
        seen.append(octets)
        if number == 2:
            error = b"E=691 R=0 V=3"
            refused = b"\x1a\x04\x4d" + struct.pack("!H", 4 + len(error)) + error
            assert login._inner.process(refused, 1) == b"\x1a\x04"
        return octets

    assert "unexpected success" in str(forged(login, server_of(PEAP_MSCHAPV2, rewrite_inner=refuse_before)))


@for_each(is_before=[True, False])
def test_proof_with_or_after_an_error_inside_ttls_ends_the_login_for_good(is_before: bool) -> None:
    login = login_of(TTLS_MSCHAPV2)
    text = b"\1E=691 R=0 V=3"
    error = struct.pack("!III", 2, 0xC0000000 | 12 + len(text), 311) + text + bytes(-len(text) % 4)

    def refuse(_: int, octets: bytes) -> bytes:
        if not is_before:
            return error + octets
        login._inner.process(error, 1)
        return octets

    assert "is invalid" in str(forged(login, server_of(TTLS_MSCHAPV2, rewrite_inner=refuse)))


def test_second_challenge_inside_peap_is_not_answered() -> None:
    seen: List[bytes] = []

    def repeat(number: int, octets: bytes) -> bytes:
        seen.append(octets)
        return seen[1] if number == 2 else octets

    with pytest.raises(EapError, match="repeated challenge"):
        converse(login_of(PEAP_MSCHAPV2), server_of(PEAP_MSCHAPV2, rewrite_inner=repeat))


@for_each([b"\x04\x01\x00\x04", b"\x01\x01\x00\x0b\x21\x80\x03\x00\x02\x00\x02"])
def test_success_after_a_failure_inside_ends_the_login_for_good(failure: bytes) -> None:
    login = login_of(PEAP_MSCHAPV2)

    def fail_before(number: int, octets: bytes) -> bytes:
        if number == 3:
            login._inner.process(failure, 1)
        return octets

    forged(login, server_of(PEAP_MSCHAPV2, rewrite_inner=fail_before))


@for_each([TTLS_PAP, TTLS_MSCHAPV2])
def test_protected_success_is_one_of_tls_1_3(method: str) -> None:
    server = server_of(method, TLS_1_2, challenges=((b"Code?", "1"),), rewrite_inner=lambda _number, _octets: b"\0")
    with pytest.raises(EapError) as raised:
        converse(login_of(method), server)
    assert raised.value.code == reasons.BAD_REPLY


@for_each(METHODS)
def test_doubled_protected_success_ends_the_login(method: str) -> None:
    def double(_number: int, octets: bytes) -> bytes:
        return octets * 2 if octets == b"\0" else octets

    login = login_of(method)
    server = server_of(method, TLS_1_3, protected_success=True, rewrite_inner=double)
    with pytest.raises(EapError) as raised:
        converse(login, server)
    is_peap = method == PEAP_MSCHAPV2
    assert raised.value.code == (reasons.MUTUAL_AUTH_FAILED if is_peap else reasons.BAD_REPLY)


@for_each(
    [
        (TTLS_PAP, {"inner": "unknown-avp"}, "unknown mandatory AVP"),
        (TTLS_MSCHAPV2, {"inner": "unknown-avp"}, "unknown mandatory AVP"),
        (PEAP_MSCHAPV2, {"inner": "unknown-result"}, "no Result TLV, or one of an unknown status"),
    ]
)
def test_unknown_content_inside_ends_the_login(method: str, faults: Any, text: str) -> None:
    with pytest.raises(EapError) as raised:
        converse(login_of(method), server_of(method, **faults))
    assert (raised.value.code, raised.value.text) == (reasons.BAD_REPLY, "protocol error in EAP: " + text)


@for_each(method=[TTLS_MSCHAPV2, PEAP_MSCHAPV2], version=VERSIONS, has_exporter=[True, False])
def test_closed_tunnel_ends_the_login(method: str, version: str, has_exporter: bool) -> None:
    if method == TTLS_MSCHAPV2 and not has_exporter:
        return
    with pytest.raises(EapError) as raised:
        converse(login_of(method, has_exporter=has_exporter), server_of(method, version, alert_at=2))
    assert (raised.value.code, raised.value.text) == (reasons.TLS_FAILED, "the server closed the tunnel")


def test_only_a_question_follows_the_password() -> None:
    optional = struct.pack("!II", 9999, 8)
    server = server_of(TTLS_PAP, challenges=((b"Code?", "1"),), rewrite_inner=lambda _number, _octets: optional)
    with pytest.raises(EapError, match="unexpected AVP") as raised:
        converse(login_of(TTLS_PAP), server)
    assert raised.value.code == reasons.BAD_REPLY


def test_server_does_not_begin_inside_ttls() -> None:
    with pytest.raises(EapError, match="before the login") as raised:
        login_of(TTLS_PAP)._inner.receive(b"\0\0\0\x12\x40\0\0\x08", 1)
    assert raised.value.code == reasons.BAD_REPLY


def test_short_crypto_binding_ends_the_login_for_good() -> None:
    def shorten(number: int, octets: bytes) -> bytes:
        return octets[:2] + bytes([0, 16]) + octets[4:11] + b"\0\x0c\0\x01x" if number == 3 else octets

    server = server_of(PEAP_MSCHAPV2, binding="valid", rewrite_inner=shorten)
    assert "wrong length" in str(forged(login_of(PEAP_MSCHAPV2), server))


INNER = {
    TTLS_MSCHAPV2: (
        b"",
        b"\0",
        b"\0" * 8,
        bytes.fromhex("0000001ac000000c00000137"),
        bytes.fromhex("00000002c000000c00000137"),
        bytes.fromhex("0000004f4000000c03010004"),
    ),
    PEAP_MSCHAPV2: (
        b"",
        b"\0",
        b"\x1a",
        b"\x1a\x01",
        b"\x1a\x01\x01\x00\x05\x10",
        b"\x1a\x01\x01\x00\x15\x10" + bytes(16),
        b"\x1a\x01\x01\x00\x15\x0f" + bytes(16),
        b"\x1a\x03\x01\x00\x04",
        b"\x1a\x03\x01\x00\x05",
        b"\x1a\x04\x01\x00\x04",
        b"\x1a\x07\x01\x00\x04",
        b"\x03\x01\x00\x04",
        b"\x04\x01\x00\x04",
        b"\x21",
        b"\x01\x01\x00\x05\x21",
        b"\x01\x01\x00\x06\x21\x80",
        b"\x01\x01\x00\x0b\x21\x80\x03\x00\x02\x00\x01",
        b"\x01\x01\x00\x0b\x21\x80\x03\x00\x03\x00\x01",
        b"\x01\x01\x00\x11\x21\x80\x03\x00\x02\x00\x01\x80\x03\x00\x02\x00\x01",
        b"\xfe" + bytes(30),
    ),
}


@for_each(
    (method, number, octets)
    for method, table in INNER.items()
    for octets in table
    for number in range(1 if method == TTLS_MSCHAPV2 else 4)
    if number < 3 or octets != b"\x01\x01\x00\x0b\x21\x80\x03\x00\x02\x00\x01"  # the right one
)
def test_nothing_inside_but_the_right_messages_completes_a_login(method: str, number: int, octets: bytes) -> None:
    def replace(at: int, original: bytes) -> bytes:
        return octets if at == number else original

    check_replaced(method, replace)


def check_replaced(method: str, replace: Any) -> None:
    """Check that a login at a server whose messages are replaced inside is not accepted, and raises only EapError."""
    login, server = login_of(method), server_of(method, rewrite_inner=replace)
    request = server.receive(login.start())
    try:
        while not server.is_over:
            response = login.receive(request)
            assert isinstance(response, bytes)
            try:
                request = server.receive(response)
            except REJECTED:
                break
        login.accept(struct.pack("!BBH", SUCCESS, server._identifier, 4))
    except EapError as error:
        assert error.code in (reasons.BAD_REPLY, reasons.MUTUAL_AUTH_FAILED)
        return
    raise AssertionError("accepted")


@given(st.sampled_from([TTLS_MSCHAPV2, PEAP_MSCHAPV2]), st.integers(0, 3), st.data())
def test_changed_messages_inside_never_complete_a_login(method: str, number: int, data: Any) -> None:
    """Unless the server, which verifies the client, completes it too: some octets mean nothing, as its own name."""

    def change(at: int, original: bytes) -> bytes:
        if at != (0 if method == TTLS_MSCHAPV2 else number):
            return original
        place = data.draw(st.integers(0, len(original) - 1))
        octet = data.draw(st.integers(0, 255))
        changes.append(original[place] != octet)
        return original[:place] + bytes([octet]) + original[place + 1 :]

    changes: List[bool] = []
    login, server = login_of(method), server_of(method, rewrite_inner=change)
    try:
        end = converse(login, server)
    except EapError as error:
        assert changes == [True] and error.code in (reasons.BAD_REPLY, reasons.MUTUAL_AUTH_FAILED)
        return
    except REJECTED:
        assert changes == [True]
        return
    if end[0] == FAILURE:
        with pytest.raises(EapError):
            login.accept(bytes([SUCCESS]) + end[1:])


@given(st.lists(st.binary(max_size=30), max_size=4), st.sampled_from(METHODS), st.integers(0, 3))
@example([b"\0"], TTLS_PAP, 2)
def test_any_requests_are_answered_or_refused(contents: List[bytes], method: str, count: int) -> None:
    login, server = login_of(method), server_of(method)
    requests_before(login, server, count if method == PEAP_MSCHAPV2 else min(count, 2))
    kind = bytes([PEAP if method == PEAP_MSCHAPV2 else TTLS])
    try:
        for number, each in enumerate(contents):
            login.receive(struct.pack("!BBH", 1, 100 + number, 5 + len(each)) + kind + each)
        login.accept(b"\x03" + bytes([99 + len(contents)]) + b"\x00\x04")
    except EapError:
        return
    # Inside ttls-pap nothing proves the server, once the password is sent: the keys of the Access-Accept must.
    assert (method, login.is_established) == (TTLS_PAP, True), "accepted"
