"""The FreeRADIUS of the tests, without the plugin: it behaves as the table in tests/support/radiusd.py says."""

import hashlib
import hmac
import pathlib
import socket
import time
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import pyotp
import pytest
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessChallenge, AccessReject, AccessRequest, AuthPacket, StatusServer

from tests.support import radiusd
from tests.support.loopback import needs_ipv6
from tests.support.radiusd import FreeRadius

USER_NAME, USER_PASSWORD, CHAP_PASSWORD, FILTER_ID, REPLY_MESSAGE, STATE, CLASS = 1, 2, 3, 11, 18, 24, 25
CALLING_STATION_ID, NAS_IDENTIFIER, NAS_PORT_TYPE, PROMPT, MESSAGE_AUTHENTICATOR = 31, 32, 61, 76, 80
ECHO, NO_ECHO = [b"\0\0\0\1"], [b"\0\0\0\0"]
REPLY_SECONDS = 60.0


class Reply(NamedTuple):
    """A verified reply, whose Message-Authenticator is valid or missing."""

    code: int
    attributes: Dict[int, List[bytes]]
    signed: bool

    def messages(self) -> List[bytes]:
        return self.attributes.get(REPLY_MESSAGE, [])

    def prompt(self) -> Optional[List[bytes]]:
        return self.attributes.get(PROMPT)

    def state(self) -> Optional[bytes]:
        states = self.attributes.get(STATE, [])
        assert len(states) <= 1
        return states[0] if states else None


class Client:
    """A client of one port that sends each request from a new socket, and verifies the replies."""

    def __init__(self, port: int, host: str = radiusd.HOST, secret: str = radiusd.SECRET, chap: bool = False) -> None:
        self._address = (host, port)
        self._secret = secret.encode("utf-8")
        self._chap = chap

    def request(self, code: int = AccessRequest) -> AuthPacket:
        """Return a packet with an empty Message-Authenticator."""
        authenticator = AuthPacket.CreateAuthenticator()
        packet = AuthPacket(code, secret=self._secret, authenticator=authenticator, dict=Dictionary())
        packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
        return packet

    def login(self, user: str, password: str, state: Optional[bytes] = None) -> AuthPacket:
        """Return an Access-Request."""
        packet = self.request()
        packet[USER_NAME] = [user.encode("utf-8")]
        octets = password.encode("utf-8")
        if self._chap:
            identifier = bytes([packet.id])
            packet[CHAP_PASSWORD] = [identifier + hashlib.md5(identifier + octets + packet.authenticator).digest()]
        else:
            # pyrad does not pad an empty password (RFC 2865 section 5.2).
            packet[USER_PASSWORD] = [packet.PwCrypt(octets or bytes(16))]
        if state is not None:
            packet[STATE] = [state]
        return packet

    def post(self, packet: AuthPacket, times: int = 1) -> socket.socket:
        """Send a packet `times` times, and return the socket for its reply."""
        octets = packet.RequestPacket()
        if MESSAGE_AUTHENTICATOR in packet:
            octets = octets[:22] + hmac.new(self._secret, octets, "md5").digest() + octets[38:]
        connection = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        connection.connect(self._address)
        for _ in range(times):
            connection.send(octets)
        return connection

    def send(self, packet: AuthPacket, times: int = 1) -> Reply:
        """Send a packet as `post` does, and return its reply; socket.timeout after `REPLY_SECONDS`."""
        with self.post(packet, times) as connection:
            connection.settimeout(REPLY_SECONDS)
            return self._verified(packet, connection.recv(4096))

    def ask(self, user: str, password: str, state: Optional[bytes] = None) -> Reply:
        """Send an Access-Request, and return the reply."""
        return self.send(self.login(user, password, state))

    def answered(self, user: str, passwords: Sequence[str]) -> Reply:
        """Answer a challenge with each of `passwords` but the first, and return the last reply."""
        reply = self.ask(user, passwords[0])
        for password in passwords[1:]:
            assert reply.code == AccessChallenge
            reply = self.ask(user, password, reply.state())
        return reply

    def _verified(self, packet: AuthPacket, octets: bytes) -> Reply:
        reply = packet.CreateReply(packet=octets)
        assert packet.VerifyReply(reply, octets)
        attributes = {key: list(values) for key, values in reply.items()}
        digests = attributes.pop(MESSAGE_AUTHENTICATOR, [])
        if digests:
            (digest,) = digests
            at = octets.index(bytes([MESSAGE_AUTHENTICATOR, 18]) + digest) + 2
            unsigned = octets[:4] + packet.authenticator + octets[20:at] + bytes(16) + octets[at + 16 :]
            assert hmac.new(self._secret, unsigned, "md5").digest() == digest
        return Reply(reply.code, attributes, bool(digests))


@pytest.fixture
def client(freeradius: FreeRadius) -> Client:
    return Client(freeradius.port)


@pytest.fixture(params=(False, True), ids=("pap", "chap"))
def method(request: pytest.FixtureRequest, freeradius: FreeRadius) -> Client:
    """A client that uses PAP or CHAP."""
    return Client(freeradius.port, chap=request.param)


def test_right_password(method: Client) -> None:
    assert method.ask("alice", "correct horse") == (
        AccessAccept,
        {FILTER_ID: [b"admins"], CLASS: [b"OU=ops;"]},
        True,
    )


def test_wrong_password(method: Client) -> None:
    assert method.ask("alice", "correct hors") == (AccessReject, {REPLY_MESSAGE: [b"Wrong code"]}, True)


def test_utf8(method: Client) -> None:
    assert method.ask("jürgen", "ünïcödé-密码-🔑") == (AccessAccept, {}, True)
    assert method.ask("jürgen", "ünïcödé-密码-🔐") == (AccessReject, {}, True)


def test_totp(client: Client) -> None:
    assert client.ask("totp", radiusd.totp_code()) == (AccessAccept, {}, True)
    long_ago = pyotp.TOTP(radiusd.TOTP_SECRET).at(int(time.time()) - 3600)
    assert client.ask("totp", long_ago) == (AccessReject, {}, True)


def test_reject_with_message(method: Client) -> None:
    reply = method.ask("locked", "1111")
    assert reply == (AccessReject, {REPLY_MESSAGE: [b"Account locked, call 4444"]}, True)


def test_reject_without_message(client: Client) -> None:
    assert [client.ask(user, "1111") for user in ("silent-reject", "nobody")] == [(AccessReject, {}, True)] * 2


def test_empty_password(method: Client) -> None:
    assert method.ask("push-fast", "") == (AccessAccept, {}, True)
    assert method.ask("push-fast", "x") == (AccessReject, {}, True)
    assert method.ask("push", "x") == (AccessReject, {}, True)


def test_password_of_zero_octets_is_not_an_empty_one(client: Client) -> None:
    packet = client.login("push-fast", "")
    assert len(packet[USER_PASSWORD][0]) == 16
    packet[USER_PASSWORD] = [b""]
    assert client.send(packet) == (AccessReject, {}, True)


def test_push_word(method: Client) -> None:
    assert method.ask("push-word", "push") == (AccessAccept, {}, True)
    assert method.ask("push-word", "") == (AccessReject, {}, True)


def test_push_discards_retransmissions(tmp_path: pathlib.Path) -> None:
    with radiusd.running(tmp_path, push_seconds=1) as server:
        client = Client(server.port)
        assert client.send(client.login("push", ""), times=3) == (AccessAccept, {}, True)
        assert len(server.requests("push")) == 1


def test_one_round(method: Client) -> None:
    challenge = method.ask("pin1", "1111")
    assert (challenge.code, challenge.messages()) == (AccessChallenge, [b"Enter token code"])
    assert challenge.prompt() == NO_ECHO
    assert challenge.state()
    assert challenge.signed
    assert method.ask("pin1", "222222", challenge.state()) == (AccessAccept, {}, True)
    # A State is valid once.
    assert method.ask("pin1", "222222", challenge.state()) == (AccessReject, {}, True)


def test_wrong_passwords_in_one_round(method: Client) -> None:
    replies = [method.answered("pin1", passwords) for passwords in (["222222"], ["1111", "222223"], ["1111", "1111"])]
    assert replies == [(AccessReject, {}, True)] * 3


def test_three_rounds(method: Client) -> None:
    passwords = ["1111", "one", "two", "three"]
    for number, prompt in ((1, NO_ECHO), (2, ECHO), (3, NO_ECHO)):
        challenge = method.answered("pin3", passwords[:number])
        assert (challenge.code, challenge.prompt()) == (AccessChallenge, prompt)
        assert challenge.messages() == [b"Question %d of 3" % number]
    assert method.answered("pin3", passwords) == (AccessAccept, {}, True)
    assert method.answered("pin3", ["1111", "one", "three"]) == (AccessReject, {}, True)


def test_new_pin_chain(method: Client) -> None:
    passwords = ["1111", *radiusd.RSA_ANSWERS]
    texts = (b"You must select", b"Enter a new PIN", b"Please re-enter", b"PIN Accepted", b"Wait for the")
    for rounds, text in enumerate(texts, 1):
        challenge = method.answered("rsa", passwords[:rounds])
        assert challenge.code == AccessChallenge
        assert challenge.messages()[0].startswith(text)
    assert method.answered("rsa", passwords) == (AccessAccept, {}, True)


def test_eleven_rounds(method: Client) -> None:
    answers = ["answer %d" % number for number in range(12)]
    for rounds in (1, 10, 11):
        challenge = method.answered("eleven", answers[:rounds])
        assert (challenge.code, challenge.messages()) == (AccessChallenge, [b"Round %d" % rounds])
    assert method.answered("eleven", answers) == (AccessAccept, {}, True)


def test_endless_rounds(method: Client) -> None:
    challenge = method.answered("endless", ["x"] * 25)
    assert (challenge.code, challenge.messages()) == (AccessChallenge, [b"Again"])


CHALLENGES: Dict[str, Tuple[List[bytes], Optional[List[bytes]]]] = {
    "no-message": ([], NO_ECHO),
    "no-state": ([b"Enter token code"], NO_ECHO),
    "no-prompt": ([b"Enter token code"], None),
    "echo": ([b"Your favorite color"], ECHO),
    "two-messages": (list(radiusd.TWO_MESSAGES), NO_ECHO),
    "escapes": ([radiusd.ESCAPES], NO_ECHO),
    "latin1": ([radiusd.LATIN1], NO_ECHO),
    "menu": ([b"1) Push 2) SMS 3) Call"], ECHO),
    "empty-answer": ([b"Press Enter"], NO_ECHO),
    "binary-state": ([b"Enter token code"], NO_ECHO),
}


def test_challenges(method: Client) -> None:
    challenges = {user: method.ask(user, "1111") for user in CHALLENGES}
    assert {user: (each.code, each.messages(), each.prompt()) for user, each in challenges.items()} == {
        user: (AccessChallenge, *content) for user, content in CHALLENGES.items()
    }
    assert [user for user, challenge in challenges.items() if challenge.state() is None] == ["no-state"]
    answers = {"menu": "1", "empty-answer": ""}
    accepts = {
        user: method.ask(user, answers.get(user, "222222"), challenge.state()) for user, challenge in challenges.items()
    }
    assert accepts == dict.fromkeys(CHALLENGES, (AccessAccept, {}, True))


def test_wrong_answers(method: Client) -> None:
    answers = {"menu": "2", "empty-answer": "1111", "binary-state": "1111", "no-message": ""}
    replies = {user: method.answered(user, ["1111", answer]) for user, answer in answers.items()}
    assert replies == dict.fromkeys(answers, (AccessReject, {}, True))


def test_binary_state_must_come_back_unchanged(client: Client) -> None:
    state = client.ask("binary-state", "1111").state()
    assert state == radiusd.BINARY_STATE
    # For the server this is a new login with a wrong password.
    assert client.ask("binary-state", "222222", state[:-1]) == (AccessReject, {}, True)


def test_status_server(client: Client) -> None:
    assert client.send(client.request(StatusServer)) == (AccessAccept, {}, True)


def test_old_server_signs_nothing(freeradius: FreeRadius) -> None:
    old = Client(freeradius.old_port)
    replies = [
        old.ask("alice", "correct horse"),
        old.ask("alice", "wrong"),
        old.ask("pin1", "1111"),
        old.send(old.request(StatusServer)),
    ]
    assert [reply.code for reply in replies] == [AccessAccept, AccessReject, AccessChallenge, AccessAccept]
    assert not any(reply.signed for reply in replies)


@needs_ipv6
def test_ipv6(freeradius: FreeRadius) -> None:
    assert freeradius.ipv6_port
    reply = Client(freeradius.ipv6_port, radiusd.IPV6_HOST).ask("alice", "correct horse")
    assert (reply.code, reply.signed) == (AccessAccept, True)


def test_request_without_message_authenticator_is_accepted(client: Client, freeradius: FreeRadius) -> None:
    packet = client.login("jürgen", "unsigned")
    del packet[MESSAGE_AUTHENTICATOR]
    assert client.send(packet) == (AccessReject, {}, True)
    assert freeradius.requests("jürgen")[-1].get("Message-Authenticator") is None


def test_wrong_secret_gets_no_reply(client: Client, freeradius: FreeRadius) -> None:
    stranger = Client(freeradius.port, secret="another")
    with stranger.post(stranger.login("wrong-secret", "1111")) as connection:
        # The server reads packets in order: a reply to this one follows the handling of the one before.
        client.ask("alice", "correct horse")
        with pytest.raises(BlockingIOError):
            connection.recv(4096, socket.MSG_DONTWAIT)
    assert freeradius.requests("wrong-secret") == []
    assert "Shared secret is incorrect" in freeradius.log


def test_requests_are_recorded(client: Client, freeradius: FreeRadius) -> None:
    state = b"0x\x00\xff\n\\"
    name = 'kept "\\ \n\x07 ü'
    packet = client.login(name, "a secret password", state)
    packet[CALLING_STATION_ID] = [b"192.0.2.7"]
    packet[NAS_IDENTIFIER] = [b"first", b"second"]
    packet[NAS_PORT_TYPE] = [b"\0\0\0\5"]
    client.send(packet)
    (request,) = freeradius.requests(name)
    assert request.code == "Access-Request"
    signature, *others = request.attributes
    assert signature[0] == "Message-Authenticator"
    assert len(signature[1]) == 16
    assert others == [
        ("User-Name", name),
        ("State", state),
        ("Calling-Station-Id", "192.0.2.7"),
        ("NAS-Identifier", "first"),
        ("NAS-Identifier", "second"),
        ("NAS-Port-Type", "Virtual"),
    ]
    assert request.get("NAS-Identifier") == "first"
    assert request.values("NAS-Identifier") == ["first", "second"]
    assert request.get("Service-Type") is None


def test_status_server_is_recorded(client: Client, freeradius: FreeRadius) -> None:
    client.send(client.request(StatusServer))
    assert freeradius.requests()[-1].code == "Status-Server"


def test_restart_keeps_the_ports_and_forgets_the_logins(tmp_path: pathlib.Path) -> None:
    with radiusd.running(tmp_path) as server:
        client = Client(server.port)
        state = client.ask("pin1", "1111").state()
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            client.ask("pin1", "222222", state)
        server.start()
        assert client.ask("pin1", "222222", state).code == AccessReject
        assert client.answered("pin1", ["1111", "222222"]).code == AccessAccept
        assert len(server.requests("pin1")) == 4
    server.stop()


def test_start_on_a_used_port(freeradius: FreeRadius, tmp_path: pathlib.Path) -> None:
    second = FreeRadius(tmp_path)
    second.port, second.old_port, second.acct_port = freeradius.port, freeradius.old_port, freeradius.acct_port
    with pytest.raises(RuntimeError, match="Address already in use"):
        second.start()


def test_secrets_with_special_characters(tmp_path: pathlib.Path) -> None:
    codes: Dict[str, int] = {}
    for secret in (" spaces ", "'", "''\"", "${name} $ENV{HOME} %{User-Name}", "a\\\\b\\n", "0x31"):
        directory = tmp_path / str(len(codes))
        directory.mkdir()
        with radiusd.running(directory, secret=secret) as server:
            codes[secret] = Client(server.port, secret=secret).ask("alice", "correct horse").code
    assert codes == dict.fromkeys(codes, AccessAccept)


def test_secrets_that_freeradius_does_not_support(tmp_path: pathlib.Path) -> None:
    for secret in ("two\nlines", "nul\0", "end\\", "before\\'quote"):
        with pytest.raises(ValueError, match="FreeRADIUS accepts no"):
            FreeRadius(tmp_path, secret=secret)
