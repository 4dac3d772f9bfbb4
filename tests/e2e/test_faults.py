"""Faults and attacks, through the zip: a scripted server plays each of them.

The expected outcome is the code of the DENY, or ACCEPT if the plugin must find the valid reply in spite of the fault.
"""

import hashlib
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterable, List, NamedTuple, Union

from tests.support.cases import Cases
from tests.support.misbehaving import ACCEPT as ACCESS_ACCEPT
from tests.support.misbehaving import (
    CHALLENGE,
    LAST,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    Datagram,
    Request,
    Script,
    Server,
    answering,
    listening,
    pack,
    reply,
)
from tests.support.plugin import OpenSession, outcome, section, text

ACCEPT = "ACCEPT"
Datagrams = Iterable[Union[bytes, Datagram]]


class Fault(NamedTuple):
    """The datagrams that the server sends for each request, the expected outcome, and a pattern for the log."""

    name: str
    script: Script
    outcome: str
    log: str = ""


def right(request: Request, *attributes: Any) -> bytes:
    """Return a valid Access-Accept."""
    return reply(request, SECRET, ACCESS_ACCEPT, attributes)


def signed(request: Request, code_: int, packed: bytes, length: int = -1) -> bytes:
    """Return a reply with these attribute octets and a valid Response Authenticator."""
    header = struct.pack("!BBH", code_, request.octets[1], 20 + len(packed) if length < 0 else length)
    return header + hashlib.md5(header + request.authenticator + packed + SECRET).digest() + packed


def with_length(octets: bytes, length: int) -> bytes:
    """Replace the length field of a datagram."""
    return octets[:2] + struct.pack("!H", length) + octets[4:]


def turned_into_accept(request: Request) -> bytes:
    """Return an Accept as BlastRADIUS forges it: valid, but without a Message-Authenticator."""
    return reply(request, SECRET, ACCESS_ACCEPT, [(PROXY_STATE, b"\0" * 32)], signature=None)


def from_elsewhere(host: str) -> Script:
    """Return a script that sends a valid reply from another port of this host."""

    def script(request: Request) -> Datagrams:
        with listening(host) as elsewhere:
            yield Datagram(right(request), via=elsewhere)

    return script


def second_send_only(request: Request) -> Datagrams:
    """Ignore the first transmission, and reply to the second."""
    return [right(request)] if request.number else []


def to_an_earlier_send() -> Script:
    """Return a script that replies to the first transmission after the second: both are the same packet."""
    earlier: List[Request] = []

    def script(request: Request) -> Datagrams:
        earlier.append(request)
        return [right(earlier[0])] if request.number else []

    return script


def reordered(request: Request) -> Datagrams:
    """Reply to the second transmission, after a reply to another request."""
    if not request.number:
        return []
    late = Request(request.octets[:4] + bytes(16) + request.octets[20:], request.source, 0)
    return [reply(late, SECRET, REJECT), right(request)]


def restarting(request: Request) -> Datagrams:
    """Ignore two transmissions, as a server does while it restarts."""
    return [right(request)] if request.number > 1 else []


def flooding(request: Request) -> Datagrams:
    """Send more junk than a socket buffer holds with the first three replies."""
    return [b"junk" * 20] * 3000 + [right(request)] * 20 if request.number < 3 else [right(request)]


ZERO = (MESSAGE_AUTHENTICATOR, bytes(16))

FAULTS = [
    Fault("lost request", second_send_only, ACCEPT, "and [2-9] transmissions"),
    Fault("duplicated reply", lambda r: [right(r)] * 3, ACCEPT),
    Fault("accept after a reject", lambda r: [reply(r, SECRET, REJECT), right(r)], "rejected"),
    Fault("reply from another port", from_elsewhere("127.0.0.1"), "no-reply"),
    Fault("reply from another address", from_elsewhere("127.0.0.2"), "no-reply"),
    Fault("reply to an earlier send", to_an_earlier_send(), ACCEPT, "and [2-9] transmissions"),
    Fault("late and reordered replies", reordered, ACCEPT, "discarded 1 reply"),
    Fault("server restarting", restarting, ACCEPT, "and [3-9] transmissions"),
    Fault("3,000 datagrams of junk", flooding, ACCEPT, "replies: malformed header"),
    Fault("wrong identifier", lambda r: [right(r)[:1] + bytes([r.octets[1] ^ 1]) + right(r)[2:]], "bad-reply"),
    Fault("wrong secret", lambda r: [reply(r, b"another secret", ACCESS_ACCEPT)], "wrong-secret", "secret probably"),
    Fault("wrong secret, then right", lambda r: [reply(r, b"another secret"), right(r)], ACCEPT, "discarded 1 reply"),
    Fault("no Message-Authenticator", lambda r: [reply(r, SECRET, signature=None)], "no-message-authenticator"),
    Fault("wrong Message-Authenticator", lambda r: [signed(r, 2, pack([ZERO]))], "wrong-secret"),
    Fault("two Message-Authenticators", lambda r: [right(r, ZERO)], "bad-reply", "two Message-Authenticators"),
    Fault("Message-Authenticator of 15 octets", lambda r: [signed(r, 2, pack([(80, bytes(15))]))], "bad-reply"),
    Fault("Message-Authenticator last", lambda r: [reply(r, SECRET, 2, [(18, b"x")], signature=LAST)], ACCEPT),
    Fault("BlastRADIUS", lambda r: [turned_into_accept(r)], "no-message-authenticator"),
    Fault(
        "unknown Proxy-State",
        lambda r: [right(r, (PROXY_STATE, b"x"))],
        "bad-reply",
        "BlastRADIUS",
    ),
    Fault("attribute type 0", lambda r: [right(r, (0, b"x"))], ACCEPT),
    Fault("attribute length 0", lambda r: [signed(r, 2, b"\x12\x00"), right(r)], ACCEPT, "malformed attributes"),
    Fault("attribute length 1", lambda r: [signed(r, 2, b"\x12\x01"), right(r)], ACCEPT, "malformed attributes"),
    Fault("attribute past the end", lambda r: [signed(r, 2, b"\x12\x20x"), right(r)], ACCEPT, "malformed attributes"),
    Fault("octets after the length", lambda r: [right(r) + b"padding"], ACCEPT),
    Fault(
        "length beyond the datagram",
        lambda r: [with_length(right(r), 4000), right(r)],
        ACCEPT,
        "malformed header or length",
    ),
    Fault(
        "length below the header", lambda r: [with_length(right(r), 19), right(r)], ACCEPT, "malformed header or length"
    ),
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
    Fault("200 Filter-Id", lambda r: [right(r, *[(11, b"group")] * 200)], ACCEPT),
    Fault("2,000 attributes", lambda r: [right(r, *[(25, b"")] * 2000)], ACCEPT),
    Fault("empty datagram", lambda r: [b"", right(r)], ACCEPT, "malformed header"),
    Fault("100 datagrams of junk", lambda r: [b"junk" * 20] * 100 + [right(r)], ACCEPT, "discarded 100 replies"),
    Fault("Accounting-Response", lambda r: [signed(r, 5, b""), right(r)], ACCEPT, "unexpected code"),
    Fault("request sent back", lambda r: [r.octets, right(r)], ACCEPT),
    Fault("silence", lambda r: [], "no-reply", "no response to [1-3] transmissions?"),
]


def test_faults(open_session: OpenSession) -> None:
    def play(fault: Fault) -> None:
        # The plugin waits to the end unless a valid reply arrives. An invalid one must have the time to arrive.
        seconds = {ACCEPT: 60, "rejected": 60, "no-reply": 1}.get(fault.outcome, 4)
        with Server(fault.script) as server:
            configuration = section(server, conn_timeout=seconds, conn_retries=1, retransmit_after=0.2)
            session = open_session(configuration + "[auth]\nmax_attempts=1\n", server_username="alice")
            assert outcome(session, "code") == fault.outcome, session.log
            assert re.search(fault.log, text(session))

    with Cases() as cases, ThreadPoolExecutor(12) as pool:
        for fault, played in [(fault, pool.submit(play, fault)) for fault in FAULTS]:
            with cases.case(fault.name):
                played.result()


SHOWN = {
    b"\x1b[2J\x1b]0;owned\x07Code": "Code ",
    b"a\0b": "ab ",
    b"one\r\ntwo\nthree": "one\ntwo\nthree ",
    "pass\u202edrow".encode("utf-8"): "passdrow ",
    ("x" * 249 + "é").encode("utf-8")[:250]: "x" * 249 + "\ufffd ",
}


def test_prompts_of_challenges(open_session: OpenSession) -> None:
    prompts = {}
    for message in SHOWN:
        with Server(answering(SECRET, CHALLENGE, [(REPLY_MESSAGE, message)])) as server:
            session = open_session(section(server), server_username="alice")
            session.authenticate()
            prompts[message] = session.answer("x")["question"][1]
        assert not [line for line in session.log if "\x1b" in line or "\u202e" in line or "\0" in line]
    assert prompts == SHOWN


def test_state_comes_back_unchanged(open_session: OpenSession) -> None:
    with Cases() as cases:
        for state in (b"s" * 253, b"", bytes(range(200)), b"0xZZ"):

            def challenge_then_accept(request: Request, state: bytes = state) -> Datagrams:
                return [right(request)] if request.number else [reply(request, SECRET, CHALLENGE, [(STATE, state)])]

            with cases.case(state), Server(challenge_then_accept) as server:
                session = open_session(section(server), server_username="alice")
                assert session.log_in("x", "y")["verdict"] == "ACCEPT"
                assert server.requests[1].values(STATE) == ([state] if state else [])
