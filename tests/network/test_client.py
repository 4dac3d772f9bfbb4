"""The client and its sockets against servers that misbehave, over real UDP on loopback."""

import contextlib
import hashlib
import hmac
import socket
import struct
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import pytest

from lib import reasons
from lib.radius import client, packet
from lib.radius.server import ServerSettings
from lib.radius.transport import udp
from lib.secret import Secret
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    LAST,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    STATE,
    USER_NAME,
    Datagram,
    Request,
    Server,
    answering,
    closed_port,
    listening,
    nothing_left_open,
    pack,
    reply,
    silent,
)

SECRET = b"xyzzy5461, a shared secret"
OTHER_SECRET = b"another shared secret"
PASSWORD = "correct horse battery"
ELSEWHERE = "127.0.0.2"  # loopback too, on Linux
PATIENT = 60.0
FLAWS = [value for value in vars(packet).values() if isinstance(value, packet.Flaw)]

Addressed = Union[Server, Tuple[str, int]]


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def has_ipv6() -> bool:
    try:
        listening("::1").close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback address here")


def configured(
    server: Addressed,
    section: str = "radius",
    secret: bytes = SECRET,
    timeout: float = PATIENT,
    retries: int = 1,
    retransmit_after: float = 2.0,
    required: bool = True,
) -> ServerSettings:
    """Return settings for a server, which is waited for long: what is to be waited out says so."""
    host, port = (server.host, server.port) if isinstance(server, Server) else server
    secret_text = Secret(secret.decode("utf-8"))
    return ServerSettings(
        section, host, port, secret_text, "pap", timeout, retries, retransmit_after, required, "", "none", 3.0, 3.0
    )


def login_for(server: ServerSettings, local_ip: str) -> packet.Login:
    return packet.Login("alice", Secret(PASSWORD), server.auth_type, None, ((0, packet.NAS_IDENTIFIER, b"sps"),))


def ask(
    *servers: ServerSettings,
    total_timeout: float = PATIENT,
    origin: Optional[client.Origin] = None,
    what: client.LoginFor = login_for,
) -> client.Answer:
    return client.ask(servers, what, total_timeout, origin)


def refused(*servers: ServerSettings, **options: Any) -> client.NoAnswer:
    """Return the NoAnswer that asking ends with, having checked what every one of them must be."""
    with pytest.raises(client.NoAnswer) as caught:
        ask(*servers, **options)
    error = caught.value
    assert error.code in reasons.DENIALS
    assert error.seconds >= 0
    assert_tells_no_secret(error.remarks + (str(error), repr(error)))
    return error


def assert_tells_no_secret(texts: Iterable[str]) -> None:
    for text in texts:
        assert "\n" not in text
        for secret in (SECRET, OTHER_SECRET, PASSWORD.encode("ascii")):
            assert secret.decode("ascii") not in text


def expect_accept(answer: client.Answer, server: Server, section: str = "radius") -> None:
    assert answer.reply.code == ACCEPT
    assert answer.origin == client.Origin(section, server.host, server.port)
    assert answer.seconds >= 0
    assert_tells_no_secret(answer.remarks)


# What a server may say


@pytest.mark.parametrize("code", [ACCEPT, REJECT, CHALLENGE])
def test_each_answer(code: int) -> None:
    attributes = ((REPLY_MESSAGE, b"one"), (STATE, b"0x\0\xff"), (REPLY_MESSAGE, b"two"))
    with Server(answering(SECRET, code, attributes)) as server:
        answer = ask(configured(server))
    assert answer.reply.code == code
    assert answer.reply.values(REPLY_MESSAGE) == [b"one", b"two"]
    assert answer.reply.state == b"0x\0\xff"
    assert answer.origin == client.Origin("radius", "127.0.0.1", server.port)
    assert (answer.sends, answer.remarks) == (1, ())
    assert len(server.requests) == 1


def test_what_is_asked() -> None:
    def challenged(settings: ServerSettings, local_ip: str) -> packet.Login:
        return packet.Login("ülice", Secret(PASSWORD), "pap", b"\0state", ((0, packet.NAS_IDENTIFIER, b"sps"),))

    with Server(answering(SECRET)) as server:
        ask(configured(server), what=challenged)
    (request,) = server.requests
    assert request.attributes()[0][0] == MESSAGE_AUTHENTICATOR
    unsigned = request.octets[:22] + bytes(16) + request.octets[38:]
    assert request.values(MESSAGE_AUTHENTICATOR) == [hmac.new(SECRET, unsigned, "md5").digest()]
    assert request.values(USER_NAME) == ["ülice".encode("utf-8")]
    assert request.values(STATE) == [b"\0state"]
    assert request.password(SECRET) == PASSWORD.encode("ascii")


@needs_ipv6
def test_ipv6() -> None:
    with Server(answering(SECRET), host="::1") as server:
        answer = ask(configured(server))
        expect_accept(answer, server)
        assert answer.origin.host == "::1"
        expect_accept(ask(configured(server), origin=answer.origin), server)
    with closed_port("::1") as port:
        assert refused(configured(("::1", port))).remarks[0].startswith("[radius] [::1]:{}: ".format(port))


@pytest.mark.parametrize("padding", [b"", b"\0", bytes(5000)])
def test_octets_after_the_length_are_padding(padding: bytes) -> None:
    with Server(lambda request: [reply(request, SECRET) + padding]) as server:
        expect_accept(ask(configured(server)), server)


def test_the_message_authenticator_may_come_last() -> None:
    attributes = [(REPLY_MESSAGE, b"Hello")]
    with Server(lambda request: [reply(request, SECRET, ACCEPT, attributes, LAST)]) as server:
        expect_accept(ask(configured(server)), server)


def test_a_reply_of_4096_octets() -> None:
    attributes = [(REPLY_MESSAGE, b"x" * 253)] * 15 + [(REPLY_MESSAGE, b"x" * 231)]
    with Server(lambda request: [reply(request, SECRET, ACCEPT, attributes)]) as server:
        answer = ask(configured(server))
    expect_accept(answer, server)
    assert sum(map(len, answer.reply.values(REPLY_MESSAGE))) == 4096 - 20 - 18 - 32


def test_an_old_server_is_believed_only_if_the_admin_says_so() -> None:
    with Server(lambda request: [reply(request, SECRET, signature=None)]) as server:
        expect_accept(ask(configured(server, required=False)), server)
        error = refused(configured(server, timeout=0.5))
    assert error.code == "no-message-authenticator"
    assert "without Message-Authenticator" in error.remarks[0]


# Sending again, and replies at the wrong time


def test_a_reply_to_the_second_send() -> None:
    with Server(lambda request: [reply(request, SECRET)] if request.number else []) as server:
        answer = ask(configured(server, timeout=0.2, retries=30))
    expect_accept(answer, server)
    assert answer.sends >= 2
    assert len(server.requests) == answer.sends
    assert len({(request.octets, request.source) for request in server.requests}) == 1


def test_all_sends_of_a_request_are_the_same() -> None:
    with Server(silent) as server:
        error = refused(configured(server, timeout=0.5, retries=4))
    assert error.code == "no-reply"
    assert len(server.requests) in (4, 5)  # each wait is up to 10 % shorter
    assert len({(request.octets, request.source) for request in server.requests}) == 1


def test_every_call_is_a_new_request() -> None:
    with Server(answering(SECRET)) as server:
        for _ in range(5):
            ask(configured(server))
    assert len({request.authenticator for request in server.requests}) == 5


def test_duplicated_replies() -> None:
    with Server(lambda request: [reply(request, SECRET)] * 3) as server:
        for _ in range(3):
            expect_accept(ask(configured(server)), server)


def test_of_two_replies_the_first_counts() -> None:
    with Server(lambda request: [reply(request, SECRET, REJECT), reply(request, SECRET)]) as server:
        assert ask(configured(server)).reply.code == REJECT


def test_a_late_reply_does_not_answer_the_next_request() -> None:
    """The Access-Accept of the first login comes during the second, to both of their ports."""
    asked: List[Request] = []

    def script(request: Request) -> Iterable[Union[bytes, Datagram]]:
        asked.append(request)
        if len(asked) == 1:
            return []
        late = reply(asked[0], SECRET)
        # Even if it had the right identifier by chance.
        guessed = reply(request, SECRET, authenticator=asked[0].authenticator)
        return [Datagram(late, asked[0].source), late, guessed, reply(request, SECRET, REJECT)]

    with Server(script) as server:
        assert refused(configured(server, timeout=0.2)).code == "no-reply"
        answer = ask(configured(server))
    assert answer.reply.code == REJECT
    assert len(answer.remarks) in (1, 2)
    assert "whose Response Authenticator did not verify" in answer.remarks[-1]


def test_failing_over_is_a_new_request_with_that_servers_secret() -> None:
    asked_for: List[str] = []

    def recording(settings: ServerSettings, local_ip: str) -> packet.Login:
        asked_for.append(settings.section)
        return login_for(settings, local_ip)

    with Server(silent) as dead, Server(answering(OTHER_SECRET)) as living:
        answer = ask(
            configured(dead, timeout=1, retransmit_after=0.4),
            configured(living, "radius_2", OTHER_SECRET),
            what=recording,
        )
    expect_accept(answer, living, "radius_2")
    assert answer.remarks == ("[radius] 127.0.0.1:{}: no reply to 2 sends".format(dead.port),)
    assert asked_for == ["radius", "radius_2"]
    first, second = dead.requests[0], living.requests[0]
    assert first.authenticator != second.authenticator
    assert first.source != second.source
    assert first.password(SECRET) == second.password(OTHER_SECRET) == PASSWORD.encode("ascii")


def test_a_living_server_is_all_that_is_asked() -> None:
    with Server(answering(SECRET)) as first, Server(answering(SECRET)) as second:
        expect_accept(ask(configured(first), configured(second, "radius_2")), first)
    assert second.requests == []


def test_requests_differ_in_identifier_too() -> None:
    """An identifier that stood still would let one server's late replies look like the next one's."""
    with Server(answering(SECRET)) as server:
        for _ in range(20):
            ask(configured(server))
    assert len({request.octets[1] for request in server.requests}) > 1


# What must not be believed


def changed(position: int, value: int) -> Callable[[Request], bytes]:
    """Return a maker of right replies with one octet of the header changed."""

    def make(request: Request) -> bytes:
        octets = bytearray(reply(request, SECRET))
        octets[position] = value
        return bytes(octets)

    return make


def resealed(octets: bytes, request: Request) -> bytes:
    """Return a reply whose Response Authenticator is right for whatever its attributes are."""
    signed = octets[:4] + request.authenticator + octets[20:]
    return octets[:4] + hashlib.md5(signed + SECRET).digest() + octets[20:]


def with_tail(tail: bytes) -> Callable[[Request], bytes]:
    """Return a maker of replies that end in these octets, in an attribute's place, with a right authenticator."""

    def make(request: Request) -> bytes:
        octets = reply(request, SECRET) + tail
        return resealed(octets[:2] + struct.pack("!H", len(octets)) + octets[4:], request)

    return make


def forged_accept(request: Request) -> bytes:
    """Return what BlastRADIUS makes of a Reject: an Accept of a right MD5 without a Message-Authenticator."""
    return reply(request, SECRET, ACCEPT, [(PROXY_STATE, b"collision")], signature=None)


def turned_reject(request: Request) -> bytes:
    return bytes([ACCEPT]) + reply(request, SECRET, REJECT)[1:]


def wrongly_signed(request: Request) -> bytes:
    octets = bytearray(reply(request, SECRET))
    octets[30] ^= 1
    return resealed(bytes(octets), request)


def too_long(request: Request) -> bytes:
    attributes = [(REPLY_MESSAGE, b"x" * 253)] * 15 + [(REPLY_MESSAGE, b"x" * 232)]
    return reply(request, SECRET, ACCEPT, attributes)


BAD_REPLIES: Dict[str, Tuple[packet.Flaw, Callable[[Request], bytes]]] = {
    "empty": (packet.NOT_RADIUS, lambda request: b""),
    "19-octets": (packet.NOT_RADIUS, lambda request: reply(request, SECRET)[:19]),
    "cut-short": (packet.NOT_RADIUS, lambda request: reply(request, SECRET)[:-1]),
    "length-19": (packet.NOT_RADIUS, lambda request: changed(3, 19)(request)),
    "length-65535": (packet.NOT_RADIUS, lambda request: reply(request, SECRET)[:2] + b"\xff\xff" + bytes(65000)),
    "4097-octets": (packet.NOT_RADIUS, too_long),
    "identifier": (packet.IDENTIFIER, lambda request: changed(1, request.octets[1] ^ 1)(request)),
    "access-request": (packet.CODE, lambda request: reply(request, SECRET, 1)),
    "accounting-response": (packet.CODE, lambda request: reply(request, SECRET, 5)),
    "code-0": (packet.CODE, lambda request: reply(request, SECRET, 0)),
    "code-255": (packet.CODE, lambda request: reply(request, SECRET, 255)),
    "the-request-itself": (packet.CODE, lambda request: request.octets),
    "attribute-length-0": (packet.ATTRIBUTES, with_tail(b"\x1a\0")),
    "attribute-length-1": (packet.ATTRIBUTES, with_tail(b"\x1a\1")),
    "attribute-past-the-end": (packet.ATTRIBUTES, with_tail(b"\x1a\xff\0\0\0\0")),
    "attribute-without-length": (packet.ATTRIBUTES, with_tail(b"\x1a")),
    "201-attributes": (packet.TOO_MANY, lambda request: reply(request, SECRET, ACCEPT, [(REPLY_MESSAGE, b"x")] * 200)),
    "unsigned": (packet.NO_MESSAGE_AUTHENTICATOR, lambda request: reply(request, SECRET, signature=None)),
    "blast-radius": (packet.NO_MESSAGE_AUTHENTICATOR, forged_accept),
    "signed-twice": (packet.ODD_MESSAGE_AUTHENTICATOR, with_tail(pack([(MESSAGE_AUTHENTICATOR, bytes(16))]))),
    "signature-of-17": (
        packet.ODD_MESSAGE_AUTHENTICATOR,
        lambda request: reply(request, SECRET, ACCEPT, [(MESSAGE_AUTHENTICATOR, bytes(17))], signature=None),
    ),
    "proxy-state": (packet.UNSENT_PROXY_STATE, lambda request: reply(request, SECRET, ACCEPT, [(PROXY_STATE, b"x")])),
    "other-secret": (packet.AUTHENTICATOR, lambda request: reply(request, OTHER_SECRET)),
    "no-secret": (packet.AUTHENTICATOR, lambda request: reply(request, b"")),
    "other-request": (packet.AUTHENTICATOR, lambda request: reply(request, SECRET, authenticator=bytes(16))),
    "reject-turned": (packet.AUTHENTICATOR, turned_reject),
    "wrongly-signed": (packet.WRONG_MESSAGE_AUTHENTICATOR, wrongly_signed),
}


def test_every_flaw_has_a_bad_reply() -> None:
    assert {flaw for flaw, _ in BAD_REPLIES.values()} == set(FLAWS)
    assert {flaw.code for flaw in FLAWS} <= set(reasons.DENIALS)


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_bad_reply_is_dropped_and_the_right_one_waited_for(name: str) -> None:
    flaw, make = BAD_REPLIES[name]
    with Server(lambda request: [make(request), make(request), reply(request, SECRET, REJECT)]) as server:
        answer = ask(configured(server))
    assert answer.reply.code == REJECT
    assert answer.remarks == ("[radius] 127.0.0.1:{}: dropped 2 replies {}".format(server.port, flaw.words),)
    assert answer.sends == len(server.requests) == 1


@pytest.mark.parametrize("name", ["empty", "unsigned", "other-secret", "wrongly-signed"])
def test_bad_replies_alone_are_the_reason_told(name: str) -> None:
    flaw, make = BAD_REPLIES[name]
    with Server(lambda request: [make(request)]) as server:
        error = refused(configured(server, timeout=0.5))
    place = "[radius] 127.0.0.1:{}: ".format(server.port)
    assert error.code == flaw.code
    assert len(error.remarks) == 2
    assert error.remarks[0].startswith(place)
    assert flaw.words in error.remarks[0]
    assert error.remarks[1].startswith(place + "no reply to ")


def test_a_single_reply_and_a_single_send_are_not_plural() -> None:
    with Server(lambda request: [b""]) as server:
        error = refused(configured(server, timeout=0.5))
    place = "[radius] 127.0.0.1:{}: ".format(server.port)
    assert error.remarks == (
        place + "dropped 1 reply " + packet.NOT_RADIUS.words,
        place + "no reply to 1 send",
    )


def test_the_weightiest_reason_is_told() -> None:
    with Server(lambda request: [b"", reply(request, OTHER_SECRET)]) as wrong, closed_port() as port:
        error = refused(
            configured(wrong, timeout=0.5), configured(("127.0.0.1", port), "radius_2"), configured(("x.invalid", 1))
        )
    assert error.code == "wrong-secret"


def test_no_flipped_bit_is_believed() -> None:
    def script(request: Request) -> Iterator[bytes]:
        right = reply(request, SECRET, ACCEPT, [(REPLY_MESSAGE, b"Hello"), (STATE, b"s")])
        for bit in range(8 * len(right)) if not request.number else ():
            flipped = bytearray(right)
            flipped[bit // 8] ^= 1 << bit % 8
            yield bytes(flipped)
        yield reply(request, SECRET, REJECT)

    with Server(script) as server:
        answer = ask(configured(server, timeout=1, retries=30))
    assert answer.reply.code == REJECT
    assert answer.remarks


def test_a_flood_of_junk_does_not_hide_the_right_reply() -> None:
    """Not all of the flood arrives: that is UDP's way. The right reply may be lost in it, and is sent again."""

    def script(request: Request) -> Iterator[bytes]:
        for number in range(5000) if not request.number else ():
            junk = hashlib.sha256(struct.pack("!I", number)).digest()
            yield (junk * 4)[: number % 128]
        yield reply(request, SECRET)

    with Server(script) as server:
        answer = ask(configured(server, timeout=1, retries=30))
    expect_accept(answer, server)
    assert sum(int(remark.split(" dropped ")[1].split(" ")[0]) for remark in answer.remarks) > 50


@pytest.mark.parametrize("limit", ["bound", "total_timeout"])
def test_a_flood_without_end_does_not_hold_the_end_up(limit: str) -> None:
    """When the flood ends unstopped, a right reply comes, so that the test would fail."""
    over = threading.Event()

    def script(request: Request) -> Iterator[bytes]:
        junk = reply(request, OTHER_SECRET)
        for _ in range(10**6):
            if over.is_set():
                return
            yield junk
        yield reply(request, SECRET)

    with Server(script) as server:
        try:
            timeout, total = (0.3, PATIENT) if limit == "bound" else (PATIENT, 0.5)
            error = refused(configured(server, timeout=timeout, retries=3), total_timeout=total)
        finally:
            over.set()
    assert error.code == "wrong-secret"
    if limit == "bound":
        assert len(server.requests) > 1


def test_a_reply_from_another_port_or_address_is_not_seen() -> None:
    with contextlib.ExitStack() as stack:
        other_port = stack.enter_context(listening("127.0.0.1"))
        sockets = [other_port]

        def script(request: Request) -> Iterator[Union[bytes, Datagram]]:
            for each in sockets:
                yield Datagram(reply(request, SECRET), via=each)
            yield reply(request, SECRET, REJECT)

        server = stack.enter_context(Server(script))
        sockets.append(stack.enter_context(listening(ELSEWHERE, server.port)))
        answer = ask(configured(server))
    assert answer.reply.code == REJECT
    assert answer.remarks == ()


def test_replies_from_elsewhere_are_no_replies() -> None:
    with listening("127.0.0.1") as other:
        with Server(lambda request: [Datagram(reply(request, SECRET), via=other)]) as server:
            assert refused(configured(server, timeout=0.5)).code == "no-reply"
    assert server.requests


# Servers that cannot be asked


def test_a_closed_port_is_passed_over_at_once() -> None:
    """If its time were waited out, none would be left for the next."""
    with closed_port() as port, Server(answering(SECRET)) as living:
        closed = configured(("127.0.0.1", port), timeout=100, retries=3)
        answer = ask(closed, configured(living, "radius_2"), total_timeout=30)
    expect_accept(answer, living, "radius_2")
    assert answer.remarks == ("[radius] 127.0.0.1:{}: nothing listens on this port".format(port),)


def test_a_closed_port_alone() -> None:
    with closed_port() as port:
        error = refused(configured(("127.0.0.1", port)))
    assert error.code == "connection-refused"
    assert error.remarks == ("[radius] 127.0.0.1:{}: nothing listens on this port".format(port),)


NO_NAMES = ["radius.invalid", "a" * 64 + ".example", "a..example", "a\0b", "\udcff", "256.1.1.1.invalid"]


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_name_that_cannot_be_looked_up_is_passed_over(name: str) -> None:
    with Server(answering(SECRET)) as living:
        answer = ask(configured((name, 1812)), configured(living, "radius_2"))
    expect_accept(answer, living, "radius_2")
    (remark,) = answer.remarks
    assert remark.startswith("[radius] {}: name look-up failed: ".format(name))
    assert "no answer in time" not in remark


def test_a_name_that_cannot_be_looked_up_alone() -> None:
    error = refused(configured(("radius.invalid", 1812)))
    assert error.code == "name-lookup"
    assert len(error.remarks) == 1


def test_a_look_up_that_hangs_is_bounded(monkeypatch: Any) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(PATIENT) and [])
    try:
        error = refused(configured(("radius.example", 1812)), total_timeout=0.2)
    finally:
        over.set()
    assert error.code == "name-lookup"
    assert error.remarks == ("[radius] radius.example: name look-up failed: no answer in time",)


def test_a_look_up_that_hangs_leaves_time_for_the_next_server(monkeypatch: Any) -> None:
    """The bound of a server, conn_timeout times conn_retries, holds for its look-up too."""
    look_up, over = socket.getaddrinfo, threading.Event()

    def hanging(host: str, *args: Any, **options: Any) -> Any:
        if host == "radius.example":
            over.wait(PATIENT)
            raise socket.gaierror(socket.EAI_AGAIN, "too late")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    with Server(answering(SECRET)) as living:
        try:
            hung = configured(("radius.example", 1812), timeout=0.2)
            answer = ask(hung, configured(living, "radius_2"), total_timeout=5)
        finally:
            over.set()
    expect_accept(answer, living, "radius_2")


def test_an_address_that_may_not_be_asked_is_passed_over() -> None:
    """Linux refuses to connect to a broadcast address; nothing is sent."""
    with Server(answering(SECRET)) as living:
        answer = ask(configured(("255.255.255.255", 1812)), configured(living, "radius_2"))
    expect_accept(answer, living, "radius_2")
    assert answer.remarks == ("[radius] 255.255.255.255:1812: cannot send: Permission denied",)


def test_an_address_that_may_not_be_asked_alone() -> None:
    error = refused(configured(("255.255.255.255", 1812)))
    assert error.code == "network"


def test_the_remarks_name_every_server() -> None:
    with Server(silent) as dead, Server(lambda request: [reply(request, OTHER_SECRET)]) as wrong, closed_port() as port:
        error = refused(
            configured(dead, timeout=1, retransmit_after=0.4),
            configured(("127.0.0.1", port), "radius_2"),
            configured(("radius.invalid", 1812), "radius_3"),
            configured(("255.255.255.255", 1812), "radius_4"),
            configured(wrong, "radius_10", timeout=0.5),
        )
    places = [
        "[radius] 127.0.0.1:{}: ".format(dead.port),
        "[radius_2] 127.0.0.1:{}: ".format(port),
        "[radius_3] radius.invalid: ",
        "[radius_4] 255.255.255.255:1812: ",
        "[radius_10] 127.0.0.1:{}: ".format(wrong.port),
        "[radius_10] 127.0.0.1:{}: ".format(wrong.port),
    ]
    assert len(error.remarks) == len(places)
    for remark, place in zip(error.remarks, places):
        assert remark.startswith(place)
    assert error.code == "wrong-secret"


# Names with several addresses


def resolving(monkeypatch: Any, *hosts: str) -> None:
    """Have the name radius.example look up as these addresses."""
    look_up = socket.getaddrinfo

    def several(host: str, *args: Any, **options: Any) -> Any:
        if host != "radius.example":
            return look_up(host, *args, **options)
        return [entry for each in hosts for entry in look_up(each, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", several)


def test_every_address_of_a_name_is_asked_in_order(monkeypatch: Any) -> None:
    resolving(monkeypatch, "127.0.0.3", "127.0.0.2", "127.0.0.1", "127.0.0.4")
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(Server(answering(SECRET)))
        dead = stack.enter_context(Server(silent, "127.0.0.2", living.port))
        stack.enter_context(closed_port("127.0.0.3", living.port))
        unasked = stack.enter_context(Server(answering(SECRET), "127.0.0.4", living.port))
        answer = ask(configured(("radius.example", living.port), timeout=1))
    expect_accept(answer, living)
    assert len(answer.remarks) == 2
    assert answer.remarks[0] == "[radius] 127.0.0.3:{}: nothing listens on this port".format(living.port)
    assert answer.remarks[1].startswith("[radius] 127.0.0.2:{}: no reply to 1 send".format(living.port))
    assert unasked.requests == []
    assert dead.requests[0].authenticator != living.requests[0].authenticator


def test_an_address_given_twice_is_asked_once(monkeypatch: Any) -> None:
    """A hosts file with a line too many does that."""
    resolving(monkeypatch, "127.0.0.1", "127.0.0.1")
    with Server(silent) as dead:
        refused(configured(("radius.example", dead.port), timeout=0.1))
    assert len(dead.requests) == 1


def test_localhost() -> None:
    with contextlib.ExitStack() as stack:
        *_, last = udp.resolve("localhost", 1, 60)
        server = stack.enter_context(Server(answering(SECRET), last.sockaddr[0]))
        answer = ask(configured(("localhost", server.port)))
    expect_accept(answer, server)


# The answer to a challenge


def test_a_challenge_is_answered_where_it_came_from() -> None:
    challenging = answering(SECRET, CHALLENGE, [(STATE, b"s")])
    with Server(silent) as first, Server(challenging) as second, Server(challenging) as third:
        servers = (
            configured(first, timeout=0.1),
            configured(second, "radius_2"),
            configured(third, "radius_3"),
        )
        origin = ask(*servers).origin
        assert origin == client.Origin("radius_2", "127.0.0.1", second.port)
        before = len(first.requests)
        answer = ask(*servers, origin=client.Origin(*origin))
    assert answer.origin == origin
    assert (before, len(first.requests)) == (1, 1)
    assert len(second.requests) == 2
    assert third.requests == []


def test_an_origin_that_falls_silent_is_replaced_by_nobody() -> None:
    with Server(silent) as first, Server(silent) as second, Server(answering(SECRET)) as third:
        origin = client.Origin("radius_2", second.host, second.port)
        error = refused(
            configured(first),
            configured(second, "radius_2", timeout=0.1),
            configured(third, "radius_3"),
            origin=origin,
        )
    assert error.code == "no-reply"
    (remark,) = error.remarks
    assert remark.startswith("[radius_2] 127.0.0.1:{}: no reply to 1 send".format(second.port))
    assert len(second.requests) == 1
    assert first.requests == third.requests == []


def test_of_a_name_only_the_address_that_challenged_is_asked(monkeypatch: Any) -> None:
    resolving(monkeypatch, ELSEWHERE, "127.0.0.1")
    with Server(answering(SECRET)) as right, Server(answering(SECRET), ELSEWHERE, right.port) as wrong:
        server = configured(("radius.example", right.port))
        expect_accept(ask(server, origin=client.Origin("radius", "127.0.0.1", right.port)), right)
    assert wrong.requests == []


@pytest.mark.parametrize("section, port", [("radius_2", 0), ("radius", 1), ("radius_2", 1)])
def test_an_origin_that_is_not_configured_any_more(section: str, port: int) -> None:
    with Server(answering(SECRET)) as server:
        origin = client.Origin(section, server.host, server.port ^ port)
        with pytest.raises(client.OriginGone):
            ask(configured(server), configured(server, "radius_3"), origin=origin)
    assert server.requests == []


def test_an_origin_whose_section_names_another_address_now() -> None:
    """The answer would go, under the new server's secret, to one that the admin has taken out."""
    with Server(answering(SECRET)) as old, Server(answering(SECRET), ELSEWHERE, old.port) as new:
        with pytest.raises(client.OriginGone):
            ask(configured(new), origin=client.Origin("radius", old.host, old.port))
    assert old.requests == new.requests == []


# Time


@pytest.mark.parametrize("total_timeout", [0.0, -1.0])
def test_without_time_nobody_is_asked(total_timeout: float) -> None:
    with Server(answering(SECRET)) as server:
        error = refused(configured(server), total_timeout=total_timeout)
    assert error.code == "no-reply"
    assert server.requests == []


def test_the_total_timeout_bounds_all_servers_together() -> None:
    """If it did not, the second server would answer."""
    with Server(silent) as dead, Server(answering(SECRET)) as living:
        error = refused(configured(dead, timeout=5), configured(living, "radius_2"), total_timeout=0.3)
    assert error.code == "no-reply"
    assert living.requests == []


def test_a_server_for_which_no_time_was_left_is_named() -> None:
    """An admin whose backup is never asked must learn why."""
    with Server(silent) as dead, Server(answering(SECRET)) as living:
        error = refused(configured(dead, timeout=5), configured(living, "radius_2"), total_timeout=0.3)
    assert any(remark.startswith("[radius_2] ") for remark in error.remarks)


# Requests that cannot be made


@pytest.mark.parametrize(
    "name, password, code",
    [
        ("alice", "x" * 129, "bad-password"),
        ("alice", "\udcff", "bad-password"),
        ("a" * 254, "x", "bad-username"),
        ("", "x", "bad-username"),
    ],
)
def test_a_request_that_cannot_be_made_is_the_callers_affair(name: str, password: str, code: str) -> None:
    def impossible(settings: ServerSettings, local_ip: str) -> packet.Login:
        return packet.Login(name, Secret(password), "pap", None, ())

    with Server(answering(SECRET)) as server:
        with pytest.raises(packet.RequestError) as caught:
            ask(configured(server), what=impossible)
    assert caught.value.code == code
    assert server.requests == []


def test_nothing_is_left_open_when_the_second_request_cannot_be_made() -> None:
    class Stop(Exception):
        pass

    def once(settings: ServerSettings, local_ip: str) -> packet.Login:
        if settings.section == "radius_2":
            raise Stop()
        return login_for(settings, local_ip)

    with Server(silent) as dead, pytest.raises(Stop):
        ask(configured(dead, timeout=0.1), configured(dead, "radius_2"), what=once)


# The sockets


def udp_to(host: str, port: int) -> udp.Udp:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return udp.Udp(udp.Address(family, (host, port)))


def test_an_address_family_this_machine_does_not_have() -> None:
    with pytest.raises(udp.Unreachable) as caught:
        udp.Udp(udp.Address(9999, ("127.0.0.1", 1812)))
    assert caught.value.code == "network"
    assert str(caught.value) == "cannot send: Address family not supported by protocol"


def test_a_datagram_too_long_to_send() -> None:
    with Server(silent) as server, contextlib.closing(udp_to(server.host, server.port)) as connection:
        with pytest.raises(udp.Unreachable) as caught:
            connection.send(bytes(70000))
    assert caught.value.code == "network"
    assert str(caught.value) == "cannot send: Message too long"


def test_a_closed_port_shows_when_sending_again() -> None:
    with closed_port() as port, contextlib.closing(udp_to("127.0.0.1", port)) as connection:
        connection.send(b"first")
        with pytest.raises(udp.Unreachable) as caught:
            connection.send(b"second")
    assert caught.value.code == "connection-refused"


def received(connection: udp.Udp) -> bytes:
    """Return the next datagram."""
    assert udp.ready([connection], PATIENT) == [connection]
    (datagram,) = connection.receive()
    return datagram


@pytest.mark.parametrize("timeout", [0.0, -5.0, 0.001])
def test_waiting_for_nothing(timeout: float) -> None:
    with Server(silent) as server, contextlib.closing(udp_to(server.host, server.port)) as connection:
        assert udp.ready([connection], timeout) == []


def test_an_empty_datagram_is_a_datagram() -> None:
    with Server(lambda request: [b"", request.octets]) as server:
        with contextlib.closing(udp_to(server.host, server.port)) as connection:
            connection.send(b"octets")
            assert [received(connection) for _ in range(2)] == [b"", b"octets"]


def test_the_longest_datagram_is_received_whole() -> None:
    with Server(lambda request: [bytes(65507)]) as server:
        with contextlib.closing(udp_to(server.host, server.port)) as connection:
            connection.send(b"octets")
            assert received(connection) == bytes(65507)


@pytest.mark.parametrize(
    "host, shown", [("127.0.0.1", "127.0.0.1:1812"), ("::1", "[::1]:1812"), ("2001:db8::1", "[2001:db8::1]:1812")]
)
def test_a_numeric_address_is_looked_up_as_itself(host: str, shown: str) -> None:
    (address,) = udp.resolve(host, 1812, PATIENT)
    assert address.sockaddr[:2] == (host, 1812)
    assert str(address) == shown


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%1"])  # the last is of a link alone, the first that is
def test_an_address_can_be_looked_up_again(host: str) -> None:
    (address,) = udp.resolve(host, 1812, PATIENT)
    assert udp.resolve(address.host, 1812, PATIENT) == [address]
    assert address.sockaddr[2:] in ((), (0, 0), (0, 1))


# Watching


def test_observer_sees_each_packet_and_why_one_was_dropped() -> None:
    seen: List[client.Seen] = []

    def twice(request: Request) -> List[bytes]:
        return [reply(request, OTHER_SECRET), reply(request, SECRET)]

    with Server(twice) as server:
        client.ask([configured(server)], login_for, PATIENT, observe=seen.append)
    place = "[radius] 127.0.0.1:{}".format(server.port)
    assert [(each.sent, each.place) for each in seen] == [(True, place), (False, place), (False, place)]
    assert seen[0].octets == server.requests[0].octets
    assert [each.flaw for each in seen] == [None, packet.AUTHENTICATOR, None]


def test_observer_sees_what_is_sent_again_and_the_status_server() -> None:
    seen: List[client.Seen] = []

    def at_last(request: Request) -> List[bytes]:
        asked = [each.octets[0] for each in server.requests]
        status = request.octets[0] == packet.STATUS_SERVER
        enough = packet.STATUS_SERVER in asked and asked.count(packet.ACCESS_REQUEST) > 1
        return [reply(request, SECRET)] if status or enough else []

    with Server(at_last) as server:
        waiting = configured(server, retransmit_after=0.05)._replace(
            status_check="status-server", status_check_after=0.1
        )
        client.ask([waiting], login_for, PATIENT, observe=seen.append)
    logins = [each.octets for each in seen if each.sent and each.octets[0] == packet.ACCESS_REQUEST]
    assert len(logins) > 1 and len(set(logins)) == 1
    assert packet.STATUS_SERVER in [each.octets[0] for each in seen if each.sent]
    assert {each.octets[0] for each in seen if not each.sent} == {ACCEPT}
