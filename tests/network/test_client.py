"""The client over real UDP on loopback, against servers that answer right, wrong or not at all."""

import contextlib
import errno
import hashlib
import hmac
import itertools
import pathlib
import socket
import struct
import threading
import time
from functools import partial
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import pytest

from lib import accounting as delivery
from lib import reasons
from lib.config.model import AccountingSettings
from lib.radius import client, packet
from lib.radius.accounting import Record
from lib.radius.request import AccountingRequest, LoginRequest, Origin
from lib.radius.result import Answer, NoAnswer, NotSent, OriginGone
from lib.radius.server import ServerSettings
from lib.radius.transport.base import Address, Unreachable
from lib.radius.transport.resolve import resolve
from lib.radius.transport.udp import UdpTransport
from lib.secret import Secret
from lib.state.accounting_queue import AccountingQueue
from lib.state.server_status import SharedServerStatus
from simulator.closed_port import closed_port
from tests.support.accounting import start
from tests.support.cases import Cases
from tests.support.loopback import needs_ipv6
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
    listening,
    nothing_left_open,
    pack,
    reply,
    silent,
)
from tests.support.processes import wait_until

SECRET = b"xyzzy5461, a shared secret"
OTHER_SECRET = b"another shared secret"
PASSWORD = "correct horse battery"
ELSEWHERE = "127.0.0.2"  # loopback too, on Linux
LONG = 60.0  # seconds; only a test that fails waits that long
SHORT = 2.0  # seconds; waited in full where no valid reply comes, so long enough for a reply on a busy machine
SILENCE = ": server down, packets lost or filtered, this SPS not among its clients, or shared secret differs"
DISCARD_REASONS = [value for value in vars(packet).values() if isinstance(value, packet.DiscardReason)]

Addressed = Union[Server, Tuple[str, int]]


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def test_socket_left_open_in_a_cycle_is_noticed() -> None:
    with pytest.raises(AssertionError):
        with nothing_left_open():
            cycle: List[object] = [socket.socket()]
            cycle.append(cycle)
            del cycle


def configured(
    server: Addressed,
    section: str = "radius",
    secret: bytes = SECRET,
    timeout: float = LONG,
    retries: int = 1,
    retransmit_after: float = LONG,
    required: bool = True,
) -> ServerSettings:
    """Return the settings of a server, with a long timeout unless the test waits for it to expire.

    The client retransmits after `timeout` or 16 s, if that is less than `retransmit_after`.
    """
    host, port = (server.host, server.port) if isinstance(server, Server) else server
    secret_text = Secret(secret.decode("utf-8"))
    return ServerSettings(
        section, host, port, secret_text, "pap", timeout, retries, retransmit_after, required, "", "none", 3.0, 3.0, 3.0
    )


def login(
    *servers: ServerSettings,
    user_name: str = "alice",
    password: str = PASSWORD,
    state: Optional[bytes] = None,
    origin: Optional[Origin] = None,
) -> LoginRequest:
    """Return a login, with the same User-Name for all servers."""
    names = {server.section: user_name for server in servers}
    return LoginRequest(names, Secret(password), ((0, packet.NAS_IDENTIFIER, b"sps"),), state, origin)


def ask(*servers: ServerSettings, total_timeout: float = LONG, **options: Any) -> Answer:
    """Ask the servers for a login; `options` are those of `login`."""
    return client.ask(servers, login(*servers, **options), total_timeout)


def no_answer(*servers: ServerSettings, **options: Any) -> NoAnswer:
    """Return the NoAnswer that `ask` raises, after the checks that hold for every one."""
    with pytest.raises(NoAnswer) as caught:
        ask(*servers, **options)
    error = caught.value
    assert error.code in reasons.DENIALS
    assert error.seconds >= 0
    assert_no_secret(error.log_lines + (str(error), repr(error)))
    return error


def assert_no_secret(texts: Iterable[str]) -> None:
    for text in texts:
        assert "\n" not in text
        for secret in (SECRET, OTHER_SECRET, PASSWORD.encode("ascii")):
            assert secret.decode("ascii") not in text


def expect_accept(answer: Answer, server: Server, section: str = "radius") -> None:
    assert answer.reply.code == ACCEPT
    assert answer.origin == Origin(section, server.host, server.port)
    assert answer.seconds >= 0
    assert_no_secret(answer.log_lines)


# Valid replies


def test_each_kind_of_answer_is_returned() -> None:
    attributes = ((REPLY_MESSAGE, b"one"), (STATE, b"0x\0\xff"), (REPLY_MESSAGE, b"two"))
    with Cases() as cases:
        for code in (ACCEPT, REJECT, CHALLENGE):
            with cases.case(code):
                with Server(answering(SECRET, code, attributes)) as server:
                    answer = ask(configured(server))
                assert answer.reply.code == code
                assert answer.reply.values(REPLY_MESSAGE) == [b"one", b"two"]
                assert answer.reply.state == b"0x\0\xff"
                assert answer.origin == Origin("radius", "127.0.0.1", server.port)
                assert (answer.transmissions, answer.log_lines) == (1, ())
                assert len(server.requests) == 1


def test_request_contains_the_login_and_its_signature() -> None:
    with Server(answering(SECRET)) as server:
        ask(configured(server), user_name="ülice", state=b"\0state")
    (request,) = server.requests
    assert request.attributes()[0][0] == MESSAGE_AUTHENTICATOR
    unsigned = request.octets[:22] + bytes(16) + request.octets[38:]
    assert request.values(MESSAGE_AUTHENTICATOR) == [hmac.new(SECRET, unsigned, "md5").digest()]
    assert request.values(USER_NAME) == ["ülice".encode("utf-8")]
    assert request.values(STATE) == [b"\0state"]
    assert request.password(SECRET) == PASSWORD.encode("ascii")


@needs_ipv6
def test_ipv6_server() -> None:
    with Server(answering(SECRET), host="::1") as server:
        answer = ask(configured(server))
        expect_accept(answer, server)
        assert answer.origin.host == "::1"
        expect_accept(ask(configured(server), origin=answer.origin), server)
    with closed_port("::1") as port:
        assert no_answer(configured(("::1", port), timeout=0.1)).log_lines[0].startswith(f"[radius] [::1]:{port}: ")


def appending(octets: bytes) -> Callable[[Request], List[bytes]]:
    """Return a script that appends these octets to a right reply."""
    return lambda request: [reply(request, SECRET) + octets]


def test_octets_after_the_length_are_ignored() -> None:
    with Cases() as cases:
        for padding in (b"", b"\0", bytes(5000)):
            with cases.case(f"{len(padding)} octets"):
                with Server(appending(padding)) as server:
                    expect_accept(ask(configured(server)), server)


def test_message_authenticator_may_come_last() -> None:
    attributes = [(REPLY_MESSAGE, b"Hello")]
    with Server(lambda request: [reply(request, SECRET, ACCEPT, attributes, LAST)]) as server:
        expect_accept(ask(configured(server)), server)


def test_reply_of_4096_octets_is_accepted() -> None:
    attributes = [(REPLY_MESSAGE, b"x" * 253)] * 15 + [(REPLY_MESSAGE, b"x" * 231)]
    with Server(lambda request: [reply(request, SECRET, ACCEPT, attributes)]) as server:
        answer = ask(configured(server))
    expect_accept(answer, server)
    assert sum(map(len, answer.reply.values(REPLY_MESSAGE))) == 4096 - 20 - 18 - 32


def test_unsigned_reply_is_accepted_only_if_configured() -> None:
    with Server(lambda request: [reply(request, SECRET, signature=None)]) as server:
        expect_accept(ask(configured(server, required=False)), server)
        error = no_answer(configured(server, timeout=SHORT))
    assert error.code == "no-message-authenticator"
    assert "no Message-Authenticator" in error.log_lines[0]


# Retransmissions, and replies at the wrong time


def test_retransmissions_are_the_same_datagram_from_the_same_port() -> None:
    with Server(lambda request: [reply(request, SECRET)] if request.number >= 3 else []) as server:
        answer = ask(configured(server, timeout=0.2, retries=300))
    expect_accept(answer, server)
    assert answer.transmissions >= 4
    assert len(server.requests) == answer.transmissions
    assert len({(request.octets, request.source) for request in server.requests}) == 1


def test_silent_server_is_asked_no_more_often_than_configured() -> None:
    with Server(silent) as server:
        error = no_answer(configured(server, timeout=0.5, retries=4))
    assert error.code == "no-reply"
    assert 1 <= len(server.requests) <= 5  # each wait may be 10 % shorter; a busy machine sends less often
    assert len({(request.octets, request.source) for request in server.requests}) == 1


def test_every_call_sends_a_new_request() -> None:
    """An identifier that never changed could make one server's late reply look like another's."""
    with Server(answering(SECRET)) as server:
        for _ in range(20):
            ask(configured(server))
    assert len({request.authenticator for request in server.requests}) == 20
    assert len({request.octets[1] for request in server.requests}) > 1


def test_duplicate_replies_are_harmless() -> None:
    with Server(lambda request: [reply(request, SECRET)] * 3) as server:
        for _ in range(3):
            expect_accept(ask(configured(server)), server)


def test_first_of_two_replies_counts() -> None:
    with Server(lambda request: [reply(request, SECRET, REJECT), reply(request, SECRET)]) as server:
        assert ask(configured(server)).reply.code == REJECT


def test_late_reply_does_not_answer_the_next_request() -> None:
    """The Access-Accept of the first login arrives during the second, on both of their ports."""
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
        assert no_answer(configured(server, timeout=0.2)).code == "no-reply"
        answer = ask(configured(server))
    assert answer.reply.code == REJECT
    assert len(answer.log_lines) in (1, 2)
    assert "wrong Response Authenticator" in answer.log_lines[-1]


def test_failover_sends_a_new_request_with_the_secret_of_the_next_server() -> None:
    with Server(silent) as dead, Server(answering(OTHER_SECRET)) as living:
        servers = (
            configured(dead, timeout=3, retransmit_after=1.2),
            configured(living, "radius_2", OTHER_SECRET),
        )
        request = login(*servers)._replace(user_names={"radius": "alice", "radius_2": "alice@example.com"})
        answer = client.ask(servers, request, LONG)
    expect_accept(answer, living, "radius_2")
    assert answer.log_lines == (f"[radius] 127.0.0.1:{dead.port}: no response to 2 transmissions{SILENCE}",)
    first, second = dead.requests[0], living.requests[0]
    assert (first.values(USER_NAME), second.values(USER_NAME)) == ([b"alice"], [b"alice@example.com"])
    assert first.authenticator != second.authenticator
    assert first.source != second.source
    assert first.password(SECRET) == second.password(OTHER_SECRET) == PASSWORD.encode("ascii")


def test_second_server_is_not_asked_while_the_first_answers() -> None:
    with Server(answering(SECRET)) as first, Server(answering(SECRET)) as second:
        expect_accept(ask(configured(first), configured(second, "radius_2")), first)
    assert second.requests == []


# Invalid replies


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


BAD_REPLIES: Dict[str, Tuple[packet.DiscardReason, Callable[[Request], bytes]]] = {
    "empty": (packet.MALFORMED_HEADER, lambda request: b""),
    "19-octets": (packet.MALFORMED_HEADER, lambda request: reply(request, SECRET)[:19]),
    "cut-short": (packet.MALFORMED_HEADER, lambda request: reply(request, SECRET)[:-1]),
    "length-19": (packet.MALFORMED_HEADER, lambda request: changed(3, 19)(request)),
    "length-65535": (packet.MALFORMED_HEADER, lambda request: reply(request, SECRET)[:2] + b"\xff\xff" + bytes(65000)),
    "4097-octets": (packet.MALFORMED_HEADER, too_long),
    "identifier": (packet.UNEXPECTED_IDENTIFIER, lambda request: changed(1, request.octets[1] ^ 1)(request)),
    "access-request": (packet.UNEXPECTED_CODE, lambda request: reply(request, SECRET, 1)),
    "accounting-response": (packet.UNEXPECTED_CODE, lambda request: reply(request, SECRET, 5)),
    "code-0": (packet.UNEXPECTED_CODE, lambda request: reply(request, SECRET, 0)),
    "code-255": (packet.UNEXPECTED_CODE, lambda request: reply(request, SECRET, 255)),
    "the-request-itself": (packet.UNEXPECTED_CODE, lambda request: request.octets),
    "attribute-length-0": (packet.MALFORMED_ATTRIBUTES, with_tail(b"\x1a\0")),
    "attribute-length-1": (packet.MALFORMED_ATTRIBUTES, with_tail(b"\x1a\1")),
    "attribute-past-the-end": (packet.MALFORMED_ATTRIBUTES, with_tail(b"\x1a\xff\0\0\0\0")),
    "attribute-without-length": (packet.MALFORMED_ATTRIBUTES, with_tail(b"\x1a")),
    "unsigned": (packet.MISSING_MESSAGE_AUTHENTICATOR, lambda request: reply(request, SECRET, signature=None)),
    "blast-radius": (packet.MISSING_MESSAGE_AUTHENTICATOR, forged_accept),
    "signed-twice": (packet.MALFORMED_MESSAGE_AUTHENTICATOR, with_tail(pack([(MESSAGE_AUTHENTICATOR, bytes(16))]))),
    "signature-of-17": (
        packet.MALFORMED_MESSAGE_AUTHENTICATOR,
        lambda request: reply(request, SECRET, ACCEPT, [(MESSAGE_AUTHENTICATOR, bytes(17))], signature=None),
    ),
    "proxy-state": (
        packet.UNEXPECTED_PROXY_STATE,
        lambda request: reply(request, SECRET, ACCEPT, [(PROXY_STATE, b"x")]),
    ),
    "other-secret": (packet.WRONG_AUTHENTICATOR, lambda request: reply(request, OTHER_SECRET)),
    "no-secret": (packet.WRONG_AUTHENTICATOR, lambda request: reply(request, b"")),
    "other-request": (packet.WRONG_AUTHENTICATOR, lambda request: reply(request, SECRET, authenticator=bytes(16))),
    "reject-turned": (packet.WRONG_AUTHENTICATOR, turned_reject),
    "wrongly-signed": (packet.WRONG_MESSAGE_AUTHENTICATOR, wrongly_signed),
}


def test_table_has_a_bad_reply_for_every_reason_to_discard() -> None:
    assert {reason for reason, _ in BAD_REPLIES.values()} == set(DISCARD_REASONS)
    assert {reason.code for reason in DISCARD_REASONS} <= set(reasons.DENIALS)


def test_bad_reply_is_discarded_and_the_right_one_awaited() -> None:
    with Cases() as cases:
        for name, (reason, make) in BAD_REPLIES.items():

            def script(request: Request, make: Callable[[Request], bytes] = make) -> List[bytes]:
                return [make(request), make(request), reply(request, SECRET, REJECT)]

            with cases.case(name):
                with Server(script) as server:
                    answer = ask(configured(server))
                assert answer.reply.code == REJECT
                assert answer.log_lines == (f"[radius] 127.0.0.1:{server.port}: discarded 2 replies: {reason.text}",)
                assert answer.transmissions == len(server.requests) == 1


def test_bad_replies_alone_decide_the_reason() -> None:
    def expect_reason(name: str) -> None:
        reason, make = BAD_REPLIES[name]
        with Server(lambda request: [make(request)]) as server:
            error = no_answer(configured(server, timeout=SHORT, retransmit_after=LONG))
        place = f"[radius] 127.0.0.1:{server.port}: "
        assert error.code == reason.code
        assert error.log_lines == (
            place + "discarded 1 reply: " + reason.text,
            place + "no response to 1 transmission" + SILENCE,
        )

    names = ("empty", "unsigned", "other-secret", "wrongly-signed")
    with Cases() as cases:
        cases.run_together({name: partial(expect_reason, name) for name in names})


def test_gravest_reason_is_returned() -> None:
    with Server(lambda request: [b"", reply(request, OTHER_SECRET)]) as wrong, closed_port() as port:
        error = no_answer(
            configured(wrong, timeout=SHORT),
            configured(("127.0.0.1", port), "radius_2", timeout=0.1),
            configured(("x.invalid", 1)),
        )
    assert error.code == "wrong-secret"


def test_reply_with_a_flipped_bit_is_discarded() -> None:
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
    assert answer.log_lines


def test_flood_of_junk_does_not_hide_the_right_reply() -> None:
    """UDP drops part of such a flood; if the right reply is lost in it, the client retransmits."""

    def script(request: Request) -> Iterator[bytes]:
        for number in range(5000) if not request.number else ():
            junk = hashlib.sha256(struct.pack("!I", number)).digest()
            yield (junk * 4)[: number % 128]
        yield reply(request, SECRET)

    with Server(script) as server:
        answer = ask(configured(server, timeout=1, retries=30))
    expect_accept(answer, server)
    assert sum(int(line.split(" discarded ")[1].split(" ")[0]) for line in answer.log_lines) > 50


def test_endless_flood_does_not_extend_the_time_limits() -> None:
    """A right reply follows the flood, so the test fails if the client waits for its end."""

    def expect_end(retransmits: bool, timeout: float, total_timeout: float) -> None:
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
                error = no_answer(configured(server, timeout=timeout, retries=3), total_timeout=total_timeout)
            finally:
                over.set()
        assert error.code == "wrong-secret"
        if retransmits:
            assert len(server.requests) > 1

    with Cases() as cases:
        with cases.case("conn_timeout x conn_retries"):
            expect_end(True, SHORT / 3, LONG)
        with cases.case("total_timeout"):
            expect_end(False, LONG, SHORT)


def test_replies_from_another_port_or_address_are_ignored() -> None:
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
    assert answer.log_lines == ()


def test_replies_from_another_port_do_not_count() -> None:
    with listening("127.0.0.1") as other:
        with Server(lambda request: [Datagram(reply(request, SECRET), via=other)]) as server:
            assert no_answer(configured(server, timeout=SHORT)).code == "no-reply"
    assert server.requests


# Unreachable servers


def test_closed_port_is_skipped_soon() -> None:
    """If the client waited out its timeout, no time would be left for the next server."""
    with closed_port() as port, Server(answering(SECRET)) as living:
        closed = configured(("127.0.0.1", port), timeout=100, retries=3)
        answer = ask(closed, configured(living, "radius_2"), total_timeout=30)
    expect_accept(answer, living, "radius_2")
    assert answer.log_lines == (f"[radius] 127.0.0.1:{port}: connection refused",)


def test_only_server_has_a_closed_port() -> None:
    with closed_port() as port:
        error = no_answer(configured(("127.0.0.1", port), timeout=0.6, retries=100))
    assert error.code == "connection-refused"
    assert error.log_lines == (f"[radius] 127.0.0.1:{port}: connection refused",)


def test_error_of_the_network_ends_no_login_until_it_is_confirmed(mocker: Any) -> None:
    """Anybody who guesses a port can forge an ICMP message of any kind."""
    numbers = itertools.cycle(
        [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOPROTOOPT, errno.EMSGSIZE]
    )

    class Socket(socket.socket):
        def recv(self, *arguments: Any) -> bytes:
            octets = super().recv(*arguments)
            if octets == b"ICMP":
                raise OSError(next(numbers), "an error of the network")
            return octets

    def forged(request: Request) -> List[bytes]:
        return [reply(request, SECRET)] if request.number else [b"ICMP"]

    mocker.patch("socket.socket", Socket)
    with Cases() as cases:
        for number in range(5):
            with cases.case(number), Server(forged) as server, Server(silent) as other:
                expect_accept(ask(configured(server), configured(other, "radius_2")), server)
    assert not other.requests
    with Server(lambda request: [b"ICMP"]) as unreachable, Server(answering(SECRET)) as living:
        expect_accept(ask(configured(unreachable), configured(living, "radius_2")), living, "radius_2")
    assert len(unreachable.requests) >= 2


def test_name_that_does_not_resolve_is_skipped() -> None:
    names = ("radius.invalid", "a" * 64 + ".example", "a..example", "a\0b", "\udcff", "256.1.1.1.invalid")
    with Cases() as cases, Server(answering(SECRET)) as living:
        for name in names:
            with cases.case(ascii(name)):
                answer = ask(configured((name, 1812)), configured(living, "radius_2"))
                expect_accept(answer, living, "radius_2")
                (line,) = answer.log_lines
                assert line.startswith(f"[radius] {name}: name resolution failed: ")
                assert "timed out" not in line


def test_only_server_name_does_not_resolve() -> None:
    error = no_answer(configured(("radius.invalid", 1812)))
    assert error.code == "name-lookup"
    assert len(error.log_lines) == 1


@pytest.fixture
def hanging_lookup(mocker: Any) -> Iterator[None]:
    """Make the look-up of radius.example hang until the test ends."""
    look_up, over = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        if host == "radius.example":
            over.wait(LONG)
            raise socket.gaierror(socket.EAI_AGAIN, "too late")
        return look_up(host, *args, **options)

    mocker.patch("socket.getaddrinfo", getaddrinfo)
    yield
    over.set()


@pytest.mark.usefixtures("hanging_lookup")
def test_hanging_lookup_ends_at_the_total_timeout() -> None:
    error = no_answer(configured(("radius.example", 1812)), total_timeout=1.0)
    assert error.code == "name-lookup"
    assert error.log_lines == ("[radius] radius.example: name resolution failed: timed out",)


@pytest.mark.usefixtures("hanging_lookup")
def test_hanging_lookup_leaves_time_for_the_next_server() -> None:
    """The limit of a server, conn_timeout times conn_retries, includes its look-up."""
    with Server(answering(SECRET)) as living:
        hung = configured(("radius.example", 1812), timeout=0.2)
        answer = ask(hung, configured(living, "radius_2"), total_timeout=30)
    expect_accept(answer, living, "radius_2")


@pytest.mark.usefixtures("hanging_lookup")
def test_hanging_lookup_delays_a_login_no_longer_than_accounting_may(mocker: Any, tmp_path: pathlib.Path) -> None:
    waits: List[float] = []
    mocker.patch("threading.Thread.join", lambda _, timeout: waits.append(timeout))
    mocker.patch("time.monotonic", lambda: sum(waits))
    queue = AccountingQueue(str(tmp_path))
    queue.add(start("a", time.time()))
    servers = tuple(configured(("radius.example", 1813), section, timeout=0.45) for section in ("accounting", "other"))
    lines = delivery.deliver(AccountingSettings(servers, 1.0), queue, SharedServerStatus(str(tmp_path), 120.0))
    assert waits == pytest.approx([0.45, 0.45, 0.1])
    assert lines[0].endswith("[accounting] radius.example: name resolution failed: timed out")


def test_address_that_the_system_refuses_is_skipped() -> None:
    """Linux refuses to connect to a broadcast address; nothing is sent."""
    with Server(answering(SECRET)) as living:
        answer = ask(configured(("255.255.255.255", 1812)), configured(living, "radius_2"))
    expect_accept(answer, living, "radius_2")
    assert answer.log_lines == ("[radius] 255.255.255.255:1812: cannot send: Permission denied",)


def test_only_address_is_refused_by_the_system() -> None:
    error = no_answer(configured(("255.255.255.255", 1812)))
    assert error.code == "network"


def test_log_lines_name_every_server() -> None:
    with Server(silent) as dead, Server(lambda request: [reply(request, OTHER_SECRET)]) as wrong, closed_port() as port:
        error = no_answer(
            configured(dead, timeout=1, retransmit_after=0.4),
            configured(("127.0.0.1", port), "radius_2"),
            configured(("radius.invalid", 1812), "radius_3"),
            configured(("255.255.255.255", 1812), "radius_4"),
            configured(wrong, "radius_10", timeout=SHORT),
        )
    places = [
        f"[radius] 127.0.0.1:{dead.port}: ",
        f"[radius_2] 127.0.0.1:{port}: ",
        "[radius_3] radius.invalid: ",
        "[radius_4] 255.255.255.255:1812: ",
        f"[radius_10] 127.0.0.1:{wrong.port}: ",
        f"[radius_10] 127.0.0.1:{wrong.port}: ",
    ]
    assert [line[: len(place)] for line, place in zip(error.log_lines, places)] == places
    assert len(error.log_lines) == len(places)
    assert error.code == "wrong-secret"


# Names with several addresses


def resolve_to(mocker: Any, *hosts: str) -> None:
    """Let the name radius.example resolve to these addresses."""
    look_up = socket.getaddrinfo

    def several(host: str, *args: Any, **options: Any) -> Any:
        if host != "radius.example":
            return look_up(host, *args, **options)
        return [entry for each in hosts for entry in look_up(each, *args, **options)]

    mocker.patch("socket.getaddrinfo", several)


def test_addresses_of_a_name_are_tried_in_order(mocker: Any) -> None:
    resolve_to(mocker, "127.0.0.3", "127.0.0.2", "127.0.0.1", "127.0.0.4")
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(Server(answering(SECRET)))
        dead = stack.enter_context(Server(silent, "127.0.0.2", living.port))
        stack.enter_context(closed_port("127.0.0.3", living.port))
        unasked = stack.enter_context(Server(answering(SECRET), "127.0.0.4", living.port))
        answer = ask(configured(("radius.example", living.port), timeout=3, retransmit_after=LONG))
    expect_accept(answer, living)
    assert len(answer.log_lines) == 2
    assert answer.log_lines[0] == f"[radius] 127.0.0.3:{living.port}: connection refused"
    assert answer.log_lines[1].startswith(f"[radius] 127.0.0.2:{living.port}: no response to 1 transmission")
    assert unasked.requests == []
    assert dead.requests[0].authenticator != living.requests[0].authenticator


def test_dead_address_of_a_name_delays_two_accounting_records(mocker: Any, tmp_path: Any) -> None:
    """One record left unanswered may be at fault itself."""
    resolve_to(mocker, "127.0.0.2", "127.0.0.1")
    status = SharedServerStatus(str(tmp_path), 60.0)

    def acknowledge(request: Request) -> List[bytes]:
        return [reply(request, SECRET, 5, signature=None)]

    with Server(acknowledge) as living, Server(silent, "127.0.0.2", living.port) as dead:
        server = configured(("radius.example", living.port), timeout=SHORT)
        for number in range(4):
            record = AccountingRequest(Record("Start", 1000.0, f"session {number}", "alice"))
            answer = client.ask([server], record, LONG, status)
            assert answer.origin.host == "127.0.0.1"
            assert len(answer.log_lines) == (1 if number < 2 else 0)
    assert len({request.octets for request in dead.requests}) == 2


def test_accounting_requests_have_the_key_of_their_record() -> None:
    start = Record("Start", 1000.0, "session", "alice")
    records = [start, start, start._replace(kind="Stop", session_seconds=7), start._replace(session_id="another")]
    keys = [AccountingRequest(record).key for record in records]
    assert keys[0] == keys[1] and len(set(keys)) == 3
    assert login().key == ""


def test_address_listed_twice_is_tried_once(mocker: Any) -> None:
    """A duplicate line in the hosts file lists it twice."""
    resolve_to(mocker, "127.0.0.1", "127.0.0.1")
    with Server(silent) as dead:
        no_answer(configured(("radius.example", dead.port), timeout=0.1))
    assert len(dead.requests) == 1


def test_no_more_than_8_addresses_of_a_name_are_asked(mocker: Any) -> None:
    entries = [
        (socket.AF_INET, socket.SOCK_DGRAM, 0, "", (f"127.9.{number >> 8}.{number & 255}", 0))
        for number in range(20000)
    ]
    with closed_port() as port:
        found = [entry[:4] + ((entry[4][0], port),) for entry in entries]
        mocker.patch("socket.getaddrinfo", lambda *args, **options: found)
        error = no_answer(configured(("radius.example", port), timeout=0.1, retries=600))
    first, *others = error.log_lines
    assert first == "[radius] radius.example: only the first 8 of 20000 addresses are asked"
    assert others == [f"[radius] 127.9.0.{number}:{port}: connection refused" for number in range(8)]


def test_no_look_up_is_needed_for_a_numeric_address(mocker: Any) -> None:
    mocker.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread"))
    assert [str(address) for address in resolve("::1", 1812, LONG)] == ["[::1]:1812"]
    error = no_answer(configured(("radius.example", 1812)))
    assert error.code == "name-lookup"
    assert error.log_lines == ("[radius] radius.example: name resolution failed: can't start new thread",)


def test_localhost_resolves() -> None:
    with contextlib.ExitStack() as stack:
        *_, last = resolve("localhost", 1, 60)
        server = stack.enter_context(Server(answering(SECRET), last.sockaddr[0]))
        answer = ask(configured(("localhost", server.port)))
    expect_accept(answer, server)


# The answer to a challenge


def test_challenge_is_answered_at_its_server() -> None:
    challenging = answering(SECRET, CHALLENGE, [(STATE, b"s")])
    with Server(silent) as first, Server(challenging) as second, Server(challenging) as third:
        servers = (
            configured(first, timeout=0.1),
            configured(second, "radius_2"),
            configured(third, "radius_3"),
        )
        origin = ask(*servers).origin
        assert origin == Origin("radius_2", "127.0.0.1", second.port)
        answer = ask(*servers, origin=origin, state=b"\0state")
    assert answer.origin == origin
    assert [request.values(STATE) for request in first.requests] == [[]]
    assert [request.values(STATE) for request in second.requests] == [[], [b"\0state"]]
    assert third.requests == []


def test_silent_challenger_is_not_replaced_by_another_server() -> None:
    with Server(silent) as first, Server(silent) as second, Server(answering(SECRET)) as third:
        origin = Origin("radius_2", second.host, second.port)
        error = no_answer(
            configured(first),
            configured(second, "radius_2", timeout=0.1),
            configured(third, "radius_3"),
            origin=origin,
        )
    assert error.code == "no-reply"
    (line,) = error.log_lines
    assert line.startswith(f"[radius_2] 127.0.0.1:{second.port}: no response to 1 transmission")
    assert len(second.requests) == 1
    assert first.requests == third.requests == []


def test_only_the_address_that_challenged_is_asked(mocker: Any) -> None:
    resolve_to(mocker, ELSEWHERE, "127.0.0.1")
    with Server(answering(SECRET)) as right, Server(answering(SECRET), ELSEWHERE, right.port) as wrong:
        server = configured(("radius.example", right.port))
        expect_accept(ask(server, origin=Origin("radius", "127.0.0.1", right.port)), right)
    assert wrong.requests == []


def test_challenging_server_that_is_no_longer_configured() -> None:
    with Cases() as cases, Server(answering(SECRET)) as server:
        for section, port in (("radius_2", server.port), ("radius", server.port ^ 1), ("radius_2", server.port ^ 1)):
            with cases.case((section, port)), pytest.raises(OriginGone):
                origin = Origin(section, server.host, port)
                ask(configured(server), configured(server, "radius_3"), origin=origin)
    assert server.requests == []


def test_challenging_server_whose_section_now_has_another_address() -> None:
    """The answer would go, with the new server's secret, to a server that the admin has removed."""
    with Server(answering(SECRET)) as old, Server(answering(SECRET), ELSEWHERE, old.port) as new:
        with pytest.raises(OriginGone):
            ask(configured(new), origin=Origin("radius", old.host, old.port))
    assert old.requests == new.requests == []


# Time limits


def test_nothing_is_sent_without_time() -> None:
    with Cases() as cases, Server(answering(SECRET)) as server:
        for total_timeout in (0.0, -1.0):
            with cases.case(total_timeout):
                assert no_answer(configured(server), total_timeout=total_timeout).code == "no-reply"
    assert server.requests == []


def test_total_timeout_limits_all_servers_together() -> None:
    """Otherwise the second server would answer. The line tells the admin why it was not asked."""
    with Server(silent) as dead, Server(answering(SECRET)) as living:
        error = no_answer(configured(dead, timeout=5), configured(living, "radius_2"), total_timeout=0.3)
    assert error.code == "no-reply"
    assert living.requests == []
    assert any(line.startswith("[radius_2] ") for line in error.log_lines)


# Requests that cannot be encoded


def test_request_that_cannot_be_encoded() -> None:
    table = (
        ("alice", "x" * 129, "bad-password"),
        ("alice", "\udcff", "bad-password"),
        ("a" * 254, "x", "bad-username"),
        ("", "x", "bad-username"),
    )
    with Cases() as cases, Server(answering(SECRET)) as server:
        for name, password, code in table:
            with cases.case((name, ascii(password))):
                with pytest.raises(NotSent) as caught:
                    ask(configured(server), user_name=name, password=password)
                assert (caught.value.code, caught.value.section, caught.value.packets) == (code, "radius", ())
    assert server.requests == []


def test_second_request_that_cannot_be_encoded() -> None:
    with Server(silent) as dead:
        servers = configured(dead, timeout=0.1), configured(dead, "radius_2")
        request = login(*servers)._replace(user_names={"radius": "alice", "radius_2": ""})
        with pytest.raises(NotSent) as caught:
            client.ask(servers, request, LONG)
    assert (caught.value.code, caught.value.section) == ("bad-username", "radius_2")
    assert [each.octets for each in caught.value.packets] == [each.octets for each in dead.requests]


# UDP sockets


def udp_to(host: str, port: int) -> UdpTransport:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return UdpTransport(Address(family, (host, port)))


def test_address_family_without_support() -> None:
    with pytest.raises(Unreachable) as caught:
        UdpTransport(Address(9999, ("127.0.0.1", 1812)))
    assert caught.value.code == "network"
    assert str(caught.value) == "cannot send: Address family not supported by protocol"


def test_datagram_too_long_to_send() -> None:
    with Server(silent) as server, contextlib.closing(udp_to(server.host, server.port)) as connection:
        with pytest.raises(Unreachable) as caught:
            connection.send(bytes(70000))
    assert caught.value.code == "network"
    assert str(caught.value) == "cannot send: Message too long"


def test_second_send_to_a_closed_port_fails() -> None:
    with closed_port() as port, contextlib.closing(udp_to("127.0.0.1", port)) as connection:
        connection.send(b"first")
        with pytest.raises(Unreachable) as caught:
            wait_until(lambda: connection.send(b"second"))  # send() returns None until the error has arrived
    assert caught.value.code == "connection-refused"


def received(connection: UdpTransport) -> bytes:
    """Return the next datagram."""
    ((packets, at_probe_port, error),) = connection.receive(LONG)
    assert (at_probe_port, error) == (False, None)
    (datagram,) = packets
    return datagram


def test_no_packet_is_received_before_one_arrives() -> None:
    with Cases() as cases, Server(silent) as server:
        with contextlib.closing(udp_to(server.host, server.port)) as connection:
            for timeout in (0.0, -5.0, 0.001):
                with cases.case(timeout):
                    assert list(connection.receive(timeout)) == []


def test_empty_datagram_is_received() -> None:
    with Server(lambda request: [b"", request.octets]) as server:
        with contextlib.closing(udp_to(server.host, server.port)) as connection:
            connection.send(b"octets")
            assert [received(connection) for _ in range(2)] == [b"", b"octets"]


def test_longest_datagram_is_received_whole() -> None:
    with Server(lambda request: [bytes(65507)]) as server:
        with contextlib.closing(udp_to(server.host, server.port)) as connection:
            connection.send(b"octets")
            assert received(connection) == bytes(65507)


def test_numeric_address_resolves_to_itself() -> None:
    shown = {"127.0.0.1": "127.0.0.1:1812", "::1": "[::1]:1812", "2001:db8::1": "[2001:db8::1]:1812"}
    found = {host: resolve(host, 1812, LONG) for host in shown}
    assert {host: [str(address) for address in addresses] for host, addresses in found.items()} == {
        host: [text] for host, text in shown.items()
    }
    assert {host: addresses[0].sockaddr[:2] for host, addresses in found.items()} == {
        host: (host, 1812) for host in shown
    }


def test_address_resolves_to_itself_again() -> None:
    """A link-local address keeps its zone."""
    with Cases() as cases:
        for host in ("127.0.0.1", "::1", "fe80::1%1"):
            with cases.case(host):
                (address,) = resolve(host, 1812, LONG)
                assert resolve(address.host, 1812, LONG) == [address]
                assert address.sockaddr[2:] in ((), (0, 0), (0, 1))


# The packets that the result lists


def test_answer_lists_each_packet_and_why_one_was_discarded() -> None:
    def twice(request: Request) -> List[bytes]:
        return [reply(request, OTHER_SECRET), reply(request, SECRET)]

    with Server(twice) as server:
        packets = ask(configured(server)).packets
    place = f"[radius] 127.0.0.1:{server.port}"
    assert [(each.sent, each.place) for each in packets] == [(True, place), (False, place), (False, place)]
    assert packets[0].octets == server.requests[0].octets
    assert [each.discarded for each in packets] == [None, packet.WRONG_AUTHENTICATOR, None]
    assert 0 <= packets[0].seconds <= packets[1].seconds <= packets[2].seconds


def test_answer_lists_retransmissions_and_status_server() -> None:
    def at_last(request: Request) -> List[bytes]:
        asked = [each.octets[0] for each in server.requests]
        status = request.octets[0] == packet.STATUS_SERVER
        enough = packet.STATUS_SERVER in asked and asked.count(packet.ACCESS_REQUEST) > 1
        return [reply(request, SECRET)] if status or enough else []

    with Server(at_last) as server:
        waiting = configured(server, retransmit_after=0.05)._replace(
            status_check="status-server", status_check_after=0.1
        )
        packets = ask(waiting).packets
    logins = [each.octets for each in packets if each.sent and each.octets[0] == packet.ACCESS_REQUEST]
    assert len(logins) > 1 and len(set(logins)) == 1
    assert packet.STATUS_SERVER in [each.octets[0] for each in packets if each.sent]
    assert {each.octets[0] for each in packets if not each.sent} == {ACCEPT}


def test_no_answer_lists_the_packets_and_the_last_server() -> None:
    with Server(silent) as first, Server(silent) as second:
        error = no_answer(configured(first, timeout=0.1), configured(second, "radius_2", timeout=0.1))
    assert [each.octets for each in error.packets] == [each.requests[0].octets for each in (first, second)]
    assert error.section == "radius_2"
