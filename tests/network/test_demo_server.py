"""The demo's RADIUS server, over loopback."""

import hashlib
import hmac
import socket
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

import pyotp
import pytest
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessChallenge, AccessReject, AuthPacket

from simulator.server import (
    CHAP_CHALLENGE,
    CHAP_PASSWORD,
    FILTER_ID,
    MESSAGE_AUTHENTICATOR,
    REPLY_MESSAGE,
    STATE,
    USER_NAME,
    USER_PASSWORD,
    DemoServer,
)
from tests.support.cases import Cases

SAFETY_LIMIT = 60.0  # seconds to wait for a reply before the test fails
NOW = 1600000000.0


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A server with a fixed clock, whose pushes wait for approval."""
    with DemoServer(push_seconds=3600.0, clock=lambda: NOW) as running:
        yield running


class Nas:
    """A client of the server, with its own socket; pyrad encodes the attributes."""

    def __init__(self, server: DemoServer) -> None:
        self.secret = server.secret.encode("ascii")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(SAFETY_LIMIT)
        self.socket.connect((server.address, server.port))

    def __enter__(self) -> "Nas":
        return self

    def __exit__(self, *_: Any) -> None:
        self.socket.close()

    def packet(self, name: str, password: str = "", state: bytes = b"", chap: str = "") -> bytes:
        """Return a signed Access-Request; `chap` is "attribute" or "authenticator", which holds the CHAP challenge."""
        packet = AuthPacket(secret=self.secret, authenticator=AuthPacket.CreateAuthenticator(), dict=Dictionary())
        packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
        packet[USER_NAME] = [name.encode("utf-8")]
        if chap:
            challenge, identifier = bytes(range(16)), b"\x9c"
            if chap == "attribute":
                packet[CHAP_CHALLENGE] = [challenge]
            else:
                challenge = packet.authenticator
            digest = hashlib.md5(identifier + password.encode("utf-8") + challenge).digest()
            packet[CHAP_PASSWORD] = [identifier + digest]
        else:
            # pyrad encrypts "" to no octets; RFC 2865 section 5.2 requires 16.
            packet[USER_PASSWORD] = [packet.PwCrypt(password or "\0")]
        if state:
            packet[STATE] = [state]
        return self.sign(packet.RequestPacket())

    def sign(self, octets: bytes, secret: bytes = b"") -> bytes:
        """Return a request with its Message-Authenticator, the first attribute, filled in."""
        unsigned = octets[:22] + bytes(16) + octets[38:]
        return octets[:22] + hmac.new(secret or self.secret, unsigned, "md5").digest() + octets[38:]

    def send(self, octets: bytes) -> bytes:
        """Send a datagram and return it."""
        self.socket.send(octets)
        return octets

    def receive(self, request: bytes) -> Tuple[int, Dict[int, List[bytes]]]:
        """Return the code and the attributes of the next reply, which must be a valid reply to this request."""
        return self.read(self.socket.recv(4096), request)

    def read(self, reply: bytes, request: bytes) -> Tuple[int, Dict[int, List[bytes]]]:
        """Verify a reply as a client does, and return its code and its attributes."""
        authenticator = request[4:20]
        assert reply[1] == request[1]
        assert reply[4:20] == hashlib.md5(reply[:4] + authenticator + reply[20:] + self.secret).digest()
        assert reply[20:22] == bytes([MESSAGE_AUTHENTICATOR, 18]), "Message-Authenticator is not first"
        unsigned = reply[:4] + authenticator + reply[20:22] + bytes(16) + reply[38:]
        assert reply[22:38] == hmac.new(self.secret, unsigned, "md5").digest()
        decoded = AuthPacket(secret=self.secret, packet=reply, dict=Dictionary())
        assert len(decoded[MESSAGE_AUTHENTICATOR]) == 1
        return int(decoded.code), {number: decoded[number] for number in decoded.keys()}

    def ask(self, name: str, password: str, state: bytes = b"", chap: str = "") -> Tuple[int, Dict[int, List[bytes]]]:
        """Send an Access-Request, and return the code and the attributes of the reply."""
        return self.receive(self.send(self.packet(name, password, state, chap)))


@pytest.fixture
def nas(server: DemoServer) -> Iterator[Nas]:
    with Nas(server) as client:
        yield client


def codes(nas: Nas, logins: Iterable[Tuple[str, str]], **more: Any) -> Dict[Tuple[str, str], int]:
    """Return the code of the reply to each of these logins (user name, password)."""
    return {login: nas.ask(*login, **more)[0] for login in logins}


@pytest.mark.parametrize("chap", ["", "attribute", "authenticator"], ids=["pap", "chap", "chap-authenticator"])
def test_fixed_code(nas: Nas, chap: str) -> None:
    expected = {("alice", "123456"): AccessAccept, ("alice", "123457"): AccessReject}
    assert codes(nas, expected, chap=chap) == expected


def test_groups(nas: Nas) -> None:
    assert nas.ask("alice", "123456")[1][FILTER_ID] == [b"admins"]


@pytest.mark.parametrize("chap", ["", "attribute"], ids=["pap", "chap"])
def test_totp(server: DemoServer, nas: Nas, chap: str) -> None:
    totp = pyotp.TOTP(server.totp.secret)
    expected = {0: AccessAccept, -1: AccessAccept, -2: AccessReject, 1: AccessReject}
    found = {step: nas.ask("tessa", totp.at(int(NOW) + 30 * step), chap=chap)[0] for step in expected}
    assert found == expected


def test_every_server_has_new_secrets(server: DemoServer) -> None:
    with DemoServer() as other:
        assert (other.secret, other.totp.secret) != (server.secret, server.totp.secret)


@pytest.mark.parametrize("chap", ["", "attribute"], ids=["pap", "chap"])
def test_challenge(nas: Nas, chap: str) -> None:
    expected = {"246810": AccessAccept, "4711": AccessReject, "": AccessReject}
    found = {}
    for answer in expected:
        challenge, attributes = nas.ask("carol", "4711", chap=chap)
        assert challenge == AccessChallenge
        assert attributes[REPLY_MESSAGE] == [b"Enter the code from your token"]
        found[answer] = nas.ask("carol", answer, state=attributes[STATE][0], chap=chap)[0]
    assert found == expected


def test_wrong_pin(nas: Nas) -> None:
    assert nas.ask("carol", "4712")[0] == AccessReject


def test_state_is_valid_for_one_answer(nas: Nas) -> None:
    state = nas.ask("carol", "4711")[1][STATE][0]
    assert nas.ask("carol", "000000", state=state)[0] == AccessReject
    assert nas.ask("carol", "246810", state=state)[0] == AccessReject


def test_states_differ(nas: Nas) -> None:
    assert nas.ask("carol", "4711")[1][STATE] != nas.ask("carol", "4711")[1][STATE]


def test_state_of_another_user(nas: Nas) -> None:
    accepted = []
    for login in (("alice", "123456"), ("alice", ""), ("alice", "246810"), ("pusha", "")):
        state = nas.ask("carol", "4711")[1][STATE][0]
        if nas.ask(*login, state=state)[0] != AccessReject:
            accepted.append(login)
    assert accepted == []


def test_state_that_the_server_did_not_send(nas: Nas) -> None:
    logins = [("alice", "123456"), ("alice", ""), ("carol", "246810"), ("carol", "4711")]
    assert codes(nas, logins, state=b"made up") == dict.fromkeys(logins, AccessReject)


def test_reject_with_a_message(nas: Nas) -> None:
    code, attributes = nas.ask("bob", "123456")
    assert code == AccessReject
    assert attributes[REPLY_MESSAGE] == [b"Your account is locked, call the help desk at 4444"]


def test_unknown_user(nas: Nas) -> None:
    names = ["mallory", "Alice", "", "alice\0", "älice"]
    replies = [nas.ask(name, "123456") for name in names]
    assert [(code, list(attributes)) for code, attributes in replies] == [
        (AccessReject, [MESSAGE_AUTHENTICATOR]) for _ in names
    ]


def test_invalid_password(nas: Nas) -> None:
    accepted = []
    for hidden in (b"", bytes(15), bytes(17), bytes(144), b"\xff" * 16):
        packet = AuthPacket(secret=nas.secret, authenticator=bytes(16), dict=Dictionary())
        packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
        packet[USER_NAME] = [b"pusha"]
        packet[USER_PASSWORD] = [hidden]
        if nas.receive(nas.send(nas.sign(packet.RequestPacket())))[0] != AccessReject:
            accepted.append(hidden)
    assert accepted == []


@pytest.mark.parametrize("chap", ["", "attribute"], ids=["pap", "chap"])
def test_push_does_not_block_other_logins(server: DemoServer, nas: Nas, chap: str) -> None:
    push = nas.send(nas.packet("pusha", "", chap=chap))
    nas.send(push)
    with Nas(server) as other:
        assert other.ask("alice", "123456")[0] == AccessAccept
    # The same socket too: its first reply is not the push's, so the server did not reply to the second transmission.
    assert nas.ask("bob", "123456")[0] == AccessReject
    server.approve_pushes()
    reply = nas.socket.recv(4096)
    assert nas.read(reply, push)[0] == AccessAccept
    nas.send(push)
    assert nas.socket.recv(4096) == reply


def test_push_is_approved_after_its_seconds() -> None:
    with DemoServer(push_seconds=0.01) as server, Nas(server) as nas:
        assert nas.ask("pusha", "")[0] == AccessAccept


def test_password_is_not_a_push(nas: Nas) -> None:
    assert nas.ask("pusha", "push")[0] == AccessReject


def test_retransmission_gets_the_same_reply(nas: Nas) -> None:
    request = nas.packet("carol", "4711")
    nas.send(request)
    first = nas.socket.recv(4096)
    nas.send(request)
    assert nas.socket.recv(4096) == first
    answer = nas.packet("carol", "246810", state=nas.read(first, request)[1][STATE][0])
    for _ in range(2):
        assert nas.receive(nas.send(answer))[0] == AccessAccept


def test_same_octets_from_another_source_are_another_request(server: DemoServer, nas: Nas) -> None:
    request = nas.packet("carol", "4711")
    states = []
    with Nas(server) as other:
        for client in (nas, other):
            states.append(client.receive(client.send(request))[1][STATE])
    assert states[0] != states[1]


def test_octets_after_the_length_are_ignored(nas: Nas) -> None:
    request = nas.packet("alice", "123456")
    nas.send(request + b"padding")
    assert nas.receive(request)[0] == AccessAccept


ONE = "exactly one Message-Authenticator"
SPOILED: Dict[str, Tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda octets: b"", "header"),
    "19 octets": (lambda octets: octets[:19], "header"),
    "Accounting-Request": (lambda octets: b"\x04" + octets[1:], "code 4"),
    "truncated": (lambda octets: octets[:-1], "length field"),
    "length 19": (lambda octets: octets[:2] + b"\x00\x13" + octets[4:], "length field"),
    "attribute of length 1": (lambda octets: octets[:38] + b"\x01\x01" + octets[40:], "attribute"),
    "attribute beyond the end": (lambda octets: octets[:38] + b"\x01\xff" + octets[40:], "attribute"),
    "attribute without a length": (lambda octets: octets[:2] + b"\x00\x15" + octets[4:20] + b"\x01", "attribute"),
    "no signature": (lambda octets: octets[:22] + bytes(16) + octets[38:], "wrong Message-Authenticator"),
    "changed": (lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]), "wrong Message-Authenticator"),
    "no Message-Authenticator": (lambda octets: octets[:20] + b"\x4f" + octets[21:], ONE),
    "two Message-Authenticators": (
        lambda octets: octets[:2] + bytes([0, len(octets) + 18]) + octets[4:38] + octets[20:],
        ONE,
    ),
    "short Message-Authenticator": (lambda octets: octets[:2] + bytes([0, 23]) + octets[4:20] + b"\x50\x03\x00", ONE),
}


def test_invalid_datagram_gets_no_reply(server: DemoServer, nas: Nas) -> None:
    with Cases() as cases:
        for name, (spoil, reason) in SPOILED.items():
            server.dropped.clear()
            nas.send(spoil(nas.packet("alice", "123456")))
            with cases.case(name):
                # The server handles the datagrams of a socket in order: the first reply is to the second one.
                assert nas.ask("bob", "")[0] == AccessReject
                assert len(server.dropped) == 1
                assert reason in server.dropped[0]


def test_other_secret_gets_no_reply(server: DemoServer, nas: Nas) -> None:
    nas.send(nas.sign(nas.packet("alice", "123456"), secret=b"another"))
    assert nas.ask("bob", "")[0] == AccessReject
    assert server.dropped == ["a wrong Message-Authenticator: the shared secret differs"]


def test_message_authenticator_need_not_be_first(nas: Nas) -> None:
    first = nas.packet("alice", "123456")
    unsigned = first[:20] + first[38:] + b"\x50\x12" + bytes(16)
    request = unsigned[:-16] + hmac.new(nas.secret, unsigned, "md5").digest()
    assert nas.receive(nas.send(request))[0] == AccessAccept


def test_server_closes_its_port() -> None:
    with DemoServer() as server:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        another.bind((server.address, server.port))
