"""A RADIUS server for the demo and the tests (RFC 2865, PAP and CHAP), on loopback and inside this process.

Its users are a table. It requires a Message-Authenticator (RFC 3579 section 3.2) in every request and puts one first in
every reply. It answers a retransmission (RFC 5080 section 2.2.2) with the reply that it sent before, or ignores it
while the first request is in progress.
"""

import asyncio
import hashlib
import hmac
import secrets
import socket
import struct
import threading
import time
from collections import OrderedDict
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import pyotp
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessChallenge, AccessReject, AccessRequest, AuthPacket

USER_NAME, USER_PASSWORD, CHAP_PASSWORD, FILTER_ID, REPLY_MESSAGE, STATE = 1, 2, 3, 11, 18, 24
CHAP_CHALLENGE, MESSAGE_AUTHENTICATOR = 60, 80

_REMEMBERED = 1000  # replies and open challenges kept
_TOTP_STEP = 30  # seconds, RFC 6238

Source = Tuple[str, int]


class User(NamedTuple):
    """How the server treats one user.

    `codes` returns the passwords that are valid at a time (seconds since the epoch); the empty one is a push, which is
    approved later. With a `challenge`, a valid password leads to an Access-Challenge with that text, which only
    `answer` answers. `refusal` is the Reply-Message of an Access-Reject, `groups` the Filter-Id of an Access-Accept.
    `hint` says what to type; `{}` in it stands for the first code.
    """

    name: str
    hint: str
    codes: Callable[[float], Sequence[str]]
    challenge: str = ""
    answer: str = ""
    refusal: str = ""
    groups: Tuple[str, ...] = ()


def demo_users(totp: pyotp.TOTP) -> Tuple[User, ...]:
    """Return one user of each type; `totp` is the token of the user with TOTP."""
    return (
        User("alice", "the code {}", lambda now: ("123456",), groups=("admins",)),
        # The previous time step is valid too: RFC 6238 section 5.2.
        User(
            "tessa",
            "the code of the TOTP token, now {}",
            lambda now: (totp.at(int(now)), totp.at(int(now), -1)),
            groups=("admins", "operators"),
        ),
        User(
            "carol",
            "the PIN {}, then the code 246810",
            lambda now: ("4711",),
            challenge="Enter the code from your token",
            answer="246810",
            groups=("operators",),
        ),
        User(
            "pusha",
            "only Enter, for a push that is approved after a few seconds",
            lambda now: ("",),
            groups=("operators",),
        ),
        User(
            "bob",
            "anything: the account is locked",
            lambda now: (),
            refusal="Your account is locked, call the help desk at 4444",
        ),
    )


class Request(NamedTuple):
    """An Access-Request with a valid Message-Authenticator: the octets, and the attributes by number."""

    octets: bytes
    attributes: Dict[int, List[bytes]]

    @property
    def authenticator(self) -> bytes:
        """The Request Authenticator."""
        return self.octets[4:20]

    def first(self, number: int) -> bytes:
        """Return the value of the first attribute with this number, empty if there is none."""
        return self.attributes.get(number, [b""])[0]


class Refused(Exception):
    """A datagram gets no reply; the text is the reason."""


def read_request(octets: bytes, secret: bytes) -> Request:
    """Return the verified Access-Request in a datagram; raise Refused for anything else (RFC 2865 section 3)."""
    if len(octets) < 20:
        raise Refused("shorter than a header")
    code, _, length = struct.unpack("!BBH", octets[:4])
    if code != AccessRequest:
        raise Refused(f"code {code} is not Access-Request")
    if not 20 <= length <= min(len(octets), 4096):
        raise Refused(f"a length field of {length} in {len(octets)} octets")
    octets = octets[:length]
    attributes: Dict[int, List[bytes]] = {}
    signature_at, offset = 0, 20
    while offset < length:
        size = octets[offset + 1] if offset + 1 < length else 0
        if size < 2 or offset + size > length:
            raise Refused("an attribute with an invalid length")
        if octets[offset] == MESSAGE_AUTHENTICATOR:
            signature_at = offset + 2
        attributes.setdefault(octets[offset], []).append(octets[offset + 2 : offset + size])
        offset += size
    signatures = attributes.get(MESSAGE_AUTHENTICATOR, [])
    if len(signatures) != 1 or len(signatures[0]) != 16:
        raise Refused("without exactly one Message-Authenticator")
    unsigned = octets[:signature_at] + bytes(16) + octets[signature_at + 16 :]
    if not hmac.compare_digest(hmac.new(secret, unsigned, "md5").digest(), signatures[0]):
        raise Refused("a wrong Message-Authenticator: the shared secret differs")
    return Request(octets, attributes)


def password_is(request: Request, secret: bytes, expected: str) -> bool:
    """Whether the request's CHAP-Password or User-Password (RFC 2865 sections 5.3 and 5.2) is this one."""
    proof = request.first(CHAP_PASSWORD)
    if proof:
        challenge = request.first(CHAP_CHALLENGE) or request.authenticator
        right = proof[:1] + hashlib.md5(proof[:1] + expected.encode("utf-8") + challenge).digest()
        return hmac.compare_digest(right, proof)
    hidden = request.first(USER_PASSWORD)
    if len(hidden) not in range(16, 129, 16):
        return False
    try:
        given = AuthPacket(secret=secret, authenticator=request.authenticator).PwDecrypt(hidden)
    except UnicodeDecodeError:
        return False
    return hmac.compare_digest(given.encode("utf-8"), expected.encode("utf-8"))


def make_reply(request: Request, secret: bytes, code: int, attributes: Sequence[Tuple[int, bytes]]) -> bytes:
    """Return a signed reply: the Message-Authenticator comes first (RFC 3579 section 3.2), then the attributes."""
    packet = AuthPacket(code, request.octets[1], secret, request.authenticator, dict=Dictionary())
    packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
    for number, value in attributes:
        packet.setdefault(number, []).append(value)
    octets = bytes(packet.ReplyPacket())
    header, unsigned = octets[:4], octets[20:]
    digest = hmac.new(secret, header + request.authenticator + unsigned, "md5").digest()
    signed = unsigned[:2] + digest + unsigned[18:]
    # RFC 2865 section 3: the Response Authenticator covers the attributes as they are sent.
    return header + hashlib.md5(header + request.authenticator + signed + secret).digest() + signed


class DemoServer(asyncio.DatagramProtocol):
    """The server, as a context manager: it answers on `address`, `port` with `secret` until the block ends.

    One thread serves all logins, and a pending push does not delay others. `push_seconds` is how long a push takes
    unless `approve_pushes` is called, `clock` returns the time for TOTP (seconds since the epoch). `dropped` has the
    reason for every datagram that got no reply.
    """

    address = "127.0.0.1"

    def __init__(self, push_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> None:
        self.port = 0
        self.secret = secrets.token_hex(16)
        self.totp = pyotp.TOTP(pyotp.random_base32(), interval=_TOTP_STEP)
        self.users = {user.name: user for user in demo_users(self.totp)}
        self.dropped: List[str] = []
        self._octets = self.secret.encode("ascii")
        self._push_seconds = push_seconds
        self._clock = clock
        self._challenged: "OrderedDict[bytes, User]" = OrderedDict()
        self._replies: "OrderedDict[Tuple[Source, bytes], Optional[bytes]]" = OrderedDict()
        self._pushes: "Dict[Tuple[Source, bytes], Tuple[asyncio.TimerHandle, bytes]]" = {}

    def __enter__(self) -> "DemoServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.bind((self.address, 0))
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        self._transport = self._loop.run_until_complete(
            self._loop.create_datagram_endpoint(lambda: self, sock=listening)
        )[0]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._transport.close()
        self._loop.run_until_complete(asyncio.sleep(0))  # lets the transport close its socket
        self._loop.close()

    def codes(self, name: str) -> Sequence[str]:
        """Return the passwords that are valid for this user now."""
        return self.users[name].codes(self._clock())

    def approve_pushes(self) -> None:
        """Accept every pending push now, as if the user had approved it on the phone."""
        self._loop.call_soon_threadsafe(self._approve_pushes)

    def datagram_received(self, octets: bytes, source: Any) -> None:
        """Answer a datagram, or drop it and record the reason (called by asyncio)."""
        try:
            request = read_request(octets, self._octets)
        except Refused as refused:
            self.dropped.append(str(refused))
            return
        key = (source, request.octets[1:2] + request.authenticator)
        if key in self._replies:
            reply = self._replies[key]
            if reply is not None:
                self._transport.sendto(reply, source)
            return
        _remember(self._replies, key, None)
        code, attributes, delay = self._decide(request)
        reply = make_reply(request, self._octets, code, attributes)
        if delay:
            self._pushes[key] = (self._loop.call_later(delay, self._send, key, reply), reply)
        else:
            self._send(key, reply)

    def _decide(self, request: Request) -> Tuple[int, List[Tuple[int, bytes]], float]:
        """Return the code and the attributes of the reply, and the seconds to wait before it is sent."""
        user = self.users.get(request.first(USER_NAME).decode("utf-8", "replace"))
        if user is None:
            return AccessReject, [], 0
        rejected = AccessReject, [(REPLY_MESSAGE, user.refusal.encode("utf-8"))] if user.refusal else [], 0
        if STATE in request.attributes:
            # A State is valid for one answer of the user that it was sent to.
            known = self._challenged.pop(request.first(STATE), None)
            if known is not user or not password_is(request, self._octets, user.answer):
                return rejected
            return AccessAccept, _groups(user), 0
        right = [code for code in user.codes(self._clock()) if password_is(request, self._octets, code)]
        if not right:
            return rejected
        if user.challenge:
            state = secrets.token_bytes(16)
            _remember(self._challenged, state, user)
            return AccessChallenge, [(REPLY_MESSAGE, user.challenge.encode("utf-8")), (STATE, state)], 0
        return AccessAccept, _groups(user), 0 if right[0] else self._push_seconds

    def _send(self, key: Tuple[Source, bytes], reply: bytes) -> None:
        self._pushes.pop(key, None)
        self._replies[key] = reply
        self._transport.sendto(reply, key[0])

    def _approve_pushes(self) -> None:
        for key, (timer, reply) in list(self._pushes.items()):
            timer.cancel()
            self._send(key, reply)


def _groups(user: User) -> List[Tuple[int, bytes]]:
    return [(FILTER_ID, group.encode("utf-8")) for group in user.groups]


def _remember(store: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    """Store a value, and remove the oldest ones beyond the limit."""
    store[key] = value
    while len(store) > _REMEMBERED:
        store.popitem(last=False)
