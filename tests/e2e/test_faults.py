"""Faults and attacks, each through the zip against a server that plays it: a table of what is done and what must come.

`ACCEPT` means that the right reply, which follows the fault, is found in spite of it; a code is the denial's.
"""

import hashlib
import socket
import struct
from typing import Any, Callable, Iterable, List, NamedTuple, Union

import pytest

from tests.support.misbehaving import ACCEPT as ACCESS_ACCEPT
from tests.support.misbehaving import (
    CHALLENGE,
    LAST,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    Datagram,
    Request,
    Server,
    listening,
    pack,
    reply,
)
from tests.support.plugin import OpenSession, code, text

ACCEPT = "ACCEPT"
Datagrams = Iterable[Union[bytes, Datagram]]


class Fault(NamedTuple):
    """A line of the table: what the server sends for each request, what must come of it, what the log must say, and how
    long the server is waited for."""

    name: str
    script: Callable[[Request], Datagrams]
    outcome: str
    log: str = ""
    seconds: int = 1


def right(request: Request, *attributes: Any) -> bytes:
    """Return a right Access-Accept."""
    return reply(request, SECRET, ACCESS_ACCEPT, attributes)


def signed(request: Request, code_: int, packed: bytes, length: int = -1) -> bytes:
    """Return a reply of any attribute octets with a right Response Authenticator."""
    header = struct.pack("!BBH", code_, request.octets[1], 20 + len(packed) if length < 0 else length)
    return header + hashlib.md5(header + request.authenticator + packed + SECRET).digest() + packed


def with_length(octets: bytes, length: int) -> bytes:
    """Return the datagram with another number in its length field."""
    return octets[:2] + struct.pack("!H", length) + octets[4:]


def turned_into_accept(request: Request) -> bytes:
    """Return what BlastRADIUS makes of a Reject: an Accept, right but for a Message-Authenticator."""
    return reply(request, SECRET, ACCESS_ACCEPT, [(PROXY_STATE, b"\0" * 32)], signature=None)


def from_elsewhere(request: Request) -> List[Datagram]:
    """Send a right reply from another port."""
    elsewhere = listening("127.0.0.1")
    ELSEWHERE.append(elsewhere)
    return [Datagram(right(request), via=elsewhere)]


def second_send_only(request: Request) -> Datagrams:
    """Lose the first request, answer the second."""
    return [right(request)] if request.number else []


def from_another_address(request: Request) -> List[Datagram]:
    """Send a right reply from another address, and the port that was asked."""
    elsewhere = listening("127.0.0.2")
    ELSEWHERE.append(elsewhere)
    return [Datagram(right(request), via=elsewhere)]


EARLIER: List[Request] = []


def to_an_earlier_send(request: Request) -> Datagrams:
    """Answer the first send when the second has come: it is the same packet, and a reply to either counts."""
    EARLIER.append(request)
    return [right(EARLIER[0])] if request.number else []


def reordered(request: Request) -> Datagrams:
    """Answer late, and with what answers no request of now before it."""
    if not request.number:
        return []
    late = Request(request.octets[:4] + bytes(16) + request.octets[20:], request.source, 0)
    return [reply(late, SECRET, REJECT), right(request)]


def restarting(request: Request) -> Datagrams:
    """Lose two sends, as a server does that is being restarted, then answer."""
    return [right(request)] if request.number > 1 else []


def flooding(request: Request) -> Datagrams:
    """Answer three sends amid more than a socket holds, and later ones as usual."""
    return [b"junk" * 20] * 3000 + [right(request)] * 20 if request.number < 3 else [right(request)]


ELSEWHERE: List[socket.socket] = []
ZERO = (MESSAGE_AUTHENTICATOR, bytes(16))

FAULTS = [
    Fault("lost request", second_send_only, ACCEPT, "and 2 sends"),
    Fault("duplicated reply", lambda r: [right(r)] * 3, ACCEPT),
    Fault("reject first, the late accept counts no more", lambda r: [reply(r, SECRET, REJECT), right(r)], "rejected"),
    Fault("reply from another port", from_elsewhere, "no-reply"),
    Fault("reply from another address", from_another_address, "no-reply"),
    Fault("reply to an earlier send", to_an_earlier_send, ACCEPT, "and 2 sends"),
    Fault("late and reordered replies", reordered, ACCEPT, "dropped 1 reply"),
    Fault("server restarting", restarting, ACCEPT, "and 3 sends"),
    Fault("3,000 datagrams of junk", flooding, ACCEPT, "replies whose header", seconds=30),
    Fault("wrong identifier", lambda r: [right(r)[:1] + bytes([r.octets[1] ^ 1]) + right(r)[2:]], "bad-reply"),
    Fault("wrong secret", lambda r: [reply(r, b"another secret", ACCESS_ACCEPT)], "wrong-secret", "secret probably"),
    Fault("wrong secret, then right", lambda r: [reply(r, b"another secret"), right(r)], ACCEPT, "dropped 1 reply"),
    Fault("no Message-Authenticator", lambda r: [reply(r, SECRET, signature=None)], "no-message-authenticator"),
    Fault("wrong Message-Authenticator", lambda r: [signed(r, 2, pack([ZERO]))], "wrong-secret"),
    Fault("two Message-Authenticators", lambda r: [right(r, ZERO)], "bad-reply", "two Message-Authenticators"),
    Fault("Message-Authenticator of 15 octets", lambda r: [signed(r, 2, pack([(80, bytes(15))]))], "bad-reply"),
    Fault("Message-Authenticator last", lambda r: [reply(r, SECRET, 2, [(18, b"x")], signature=LAST)], ACCEPT),
    Fault("BlastRADIUS", lambda r: [turned_into_accept(r)], "no-message-authenticator"),
    Fault("Proxy-State that was not sent", lambda r: [right(r, (PROXY_STATE, b"x"))], "bad-reply", "BlastRADIUS"),
    Fault("attribute type 0", lambda r: [right(r, (0, b"x"))], ACCEPT),
    Fault("attribute length 0", lambda r: [signed(r, 2, b"\x12\x00"), right(r)], ACCEPT, "do not fit"),
    Fault("attribute length 1", lambda r: [signed(r, 2, b"\x12\x01"), right(r)], ACCEPT, "do not fit"),
    Fault("attribute past the end", lambda r: [signed(r, 2, b"\x12\x20x"), right(r)], ACCEPT, "do not fit"),
    Fault("octets after the length", lambda r: [right(r) + b"padding"], ACCEPT),
    Fault("length beyond the datagram", lambda r: [with_length(right(r), 4000), right(r)], ACCEPT, "length is wrong"),
    Fault("length below the header", lambda r: [with_length(right(r), 19), right(r)], ACCEPT, "length is wrong"),
    Fault("vendor attribute with inner length 0", lambda r: [right(r, (26, b"\0\0\0\x09\x01\0abcd"))], ACCEPT),
    Fault(
        "4096 octets",
        lambda r: [right(r, *[(18, b"x" * 253)] * 15, (18, b"x" * (4096 - 20 - 18 - 15 * 255 - 2)))],
        ACCEPT,
    ),
    Fault(
        "4097 octets",
        lambda r: [right(r, *[(18, b"x" * 253)] * 15, (18, b"x" * (4097 - 20 - 18 - 15 * 255 - 2)))],
        "bad-reply",
    ),
    Fault("201 attributes", lambda r: [right(r, *[(25, b"")] * 200)], "bad-reply", "more than 200"),
    Fault("empty datagram", lambda r: [b"", right(r)], ACCEPT, "length is wrong"),
    Fault("100 datagrams of junk at once", lambda r: [b"junk" * 20] * 100 + [right(r)], ACCEPT, "dropped 100 replies"),
    Fault("code of no login", lambda r: [signed(r, 5, b""), right(r)], ACCEPT, "answers no such request"),
    Fault("request sent back", lambda r: [r.octets, right(r)], ACCEPT),
    Fault("silence", lambda r: [], "no-reply", "no reply to 3 sends"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault(open_session: OpenSession, fault: Fault) -> None:
    with Server(fault.script) as server:
        session = open_session(
            "[radius]\nserver=127.0.0.1\nport={}\nsecret={}\nconn_timeout={}\nconn_retries=2\n[auth]\nmax_attempts=1\n".format(
                server.port, SECRET.decode("ascii"), fault.seconds / 2
            ),
            server_username="alice",
        )
        verdict = session.log_in("code")
    EARLIER.clear()
    while ELSEWHERE:
        ELSEWHERE.pop().close()
    assert (ACCEPT if verdict["verdict"] == ACCEPT else code(verdict)) == fault.outcome
    assert fault.log in text(session)


SHOWN = [
    (b"\x1b[2J\x1b]0;owned\x07Code", "Code "),
    (b"a\0b", "ab "),
    (b"one\r\ntwo\nthree", "one\ntwo\nthree "),
    ("pass\u202edrow".encode("utf-8"), "passdrow "),
    (("x" * 249 + "é").encode("utf-8")[:250], "x" * 249 + "\ufffd "),
]


@pytest.mark.parametrize("message, prompt", SHOWN)
def test_what_a_challenge_shows(open_session: OpenSession, message: bytes, prompt: str) -> None:
    with Server(lambda request: [reply(request, SECRET, CHALLENGE, [(REPLY_MESSAGE, message)])]) as server:
        session = open_session(
            "[radius]\nserver=127.0.0.1\nport={}\nsecret={}\n".format(server.port, SECRET.decode("ascii")),
            server_username="alice",
        )
        session.authenticate()
        assert session.answer("x")["question"][1] == prompt
    assert not [line for line in session.log if "\x1b" in line or "\u202e" in line or "\0" in line]


@pytest.mark.parametrize("state", [b"s" * 253, b"", bytes(range(200)), b"0xZZ"])
def test_state_of_any_kind(open_session: OpenSession, state: bytes) -> None:
    def challenge_then_accept(request: Request) -> Datagrams:
        if request.number == 0:
            return [reply(request, SECRET, CHALLENGE, [(24, state)])]
        assert request.values(24) == ([state] if state else [])
        return [right(request)]

    with Server(challenge_then_accept) as server:
        session = open_session(
            "[radius]\nserver=127.0.0.1\nport={}\nsecret={}\n".format(server.port, SECRET.decode("ascii")),
            server_username="alice",
        )
        assert session.log_in("x", "y")["verdict"] == "ACCEPT"
