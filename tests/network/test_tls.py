"""The client over real TLS on loopback, against a server that is right in everything, or wrong in one thing."""

import contextlib
import datetime
import errno
import os
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest

from lib import accounting as delivery
from lib import reasons
from lib.config.model import AccountingSettings
from lib.radius import accounting, client, nas, packet
from lib.radius.request import AccountingRequest, LoginRequest, Origin
from lib.radius.result import Answer, NoAnswer, NotSent
from lib.radius.server import ServerSettings, TlsSettings
from lib.radius.server_status import NO_MEMORY, ServerStatus
from lib.secret import Secret
from lib.state import accounting_queue
from lib.state.server_status import SharedServerStatus
from tests.support.cases import Cases
from tests.support.certificates import HOST_NAME, Authority, Identity
from tests.support.loopback import free_port, needs_ipv6
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    FIRST,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    STATE,
    USER_NAME,
    USER_PASSWORD,
    Request,
    Server,
    nothing_left_open,
    reply,
)
from tests.support.misbehaving import answering as answering_udp
from tests.support.tls_peer import (
    SECRET,
    VERSION_1_0,
    VERSION_1_1,
    Connection,
    Cut,
    Peer,
    Script,
    answer,
    answering,
)

PASSWORD = "correct horse battery"
LONG = 60.0  # seconds; only a test that fails waits that long
SHORT = 2.0  # seconds; waited in full, or long enough for a handshake on a busy machine
STATUS_SERVER, PROTOCOL_ERROR = 12, 52
AUTHORITY = Authority("the CA")
OTHER = Authority("another CA")
SERVER = AUTHORITY.issue()
CLIENT = AUTHORITY.issue(for_client=True)
HOUR = datetime.timedelta(hours=1)
PROTOCOLS = ((), (VERSION_1_1,))  # RADIUS as it always was, and RADIUS/1.1
TLS_VERSIONS = ("TLSv1_2", "TLSv1_3")
# OpenSSL does not tell Python 3.6 why a certificate did not verify.
ANY_REASON = "has expired, is not valid yet, is not a server certificate or is not issued by a CA in ca_certificate"
REASON_IS_KNOWN = hasattr(ssl, "SSLCertVerificationError")


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def configured(peer: Any, section: str = "radius", authority: Authority = AUTHORITY, **options: Any) -> ServerSettings:
    """Return the settings of a server, with long timeouts; `name` and `certificate` are settings of TLS."""
    tls = TlsSettings(options.pop("name", ""), authority.certificate, Secret(options.pop("certificate", "")))
    host, port = peer if isinstance(peer, tuple) else (peer.host, peer.port)
    values = dict(auth_type="pap", conn_timeout=LONG, conn_retries=1, retransmit_after=0.01, source_ip="")
    values.update(
        require_message_authenticator=True,
        status_check="none",
        status_check_after=LONG,
        status_check_timeout=SHORT,
        connect_timeout=LONG,
        tls=tls,
    )
    values.update(options)
    return ServerSettings(section, host, port, Secret(SECRET.decode("ascii")), **values)  # type: ignore[arg-type]


ATTRIBUTES = (
    (0, packet.NAS_IDENTIFIER, b"sps"),
    (0, nas.NAS_IP_ADDRESS, b"\xc0\0\2\1"),
)


def login(*servers: ServerSettings, password: str = PASSWORD) -> LoginRequest:
    return LoginRequest({server.section: "alice" for server in servers}, Secret(password), ATTRIBUTES)


def ask(*servers: ServerSettings, memory: ServerStatus = NO_MEMORY, **options: Any) -> Answer:
    """Ask the servers for a login; `options` are those of `login`."""
    return client.ask(servers, login(*servers, **options), LONG, memory)


def no_answer(*servers: ServerSettings, **options: Any) -> NoAnswer:
    """Return the NoAnswer that `ask` raises, after the checks that hold for every one."""
    with pytest.raises(NoAnswer) as caught:
        ask(*servers, **options)
    assert caught.value.code in reasons.DENIALS
    for line in caught.value.log_lines:
        assert "\n" not in line and PASSWORD not in line and CLIENT.key.splitlines()[1] not in line
    return caught.value


# Valid replies


def test_each_kind_of_answer_is_returned() -> None:
    attributes = ((REPLY_MESSAGE, b"one"), (STATE, b"0x\0\xff"), (REPLY_MESSAGE, b"two"))
    with Cases() as cases:
        for protocols in PROTOCOLS + ((VERSION_1_0,),):
            for code in (ACCEPT, REJECT, CHALLENGE):
                with cases.case((protocols, code)):
                    with Peer(answering(code, attributes), SERVER, protocols=protocols) as peer:
                        found = ask(configured(peer))
                    assert found.reply.code == code
                    assert found.reply.values(REPLY_MESSAGE) == [b"one", b"two"]
                    assert found.reply.state == b"0x\0\xff"
                    assert found.origin == Origin("radius", "127.0.0.1", peer.port)
                    assert (found.transmissions, found.log_lines) == (1, ())
                    assert found.transport == ("TLSv1.3, RADIUS/1.1" if VERSION_1_1 in protocols else "TLSv1.3")
                    assert len(peer.requests) == 1


def test_tls_1_2_is_used_if_the_server_has_no_other() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_2") as peer:
        assert ask(configured(peer)).transport == "TLSv1.2"


def test_request_is_the_same_as_over_udp() -> None:
    with Peer(answering(), SERVER) as peer:
        ask(configured(peer))
    (octets,) = peer.requests
    request = Request(octets, (), 0)
    assert request.attributes()[0][0] == MESSAGE_AUTHENTICATOR
    assert request.values(USER_NAME) == [b"alice"]
    assert request.password(SECRET) == PASSWORD.encode("ascii")


def test_request_of_radius_1_1() -> None:
    with Peer(answering(), SERVER, protocols=(VERSION_1_1, VERSION_1_0)) as peer:
        ask(configured(peer))
    (octets,) = peer.requests
    request = Request(octets, (), 0)
    assert octets[1] == 0 and octets[8:20] == bytes(12)
    assert [kind for kind, _ in request.attributes()] == [USER_NAME, USER_PASSWORD, packet.NAS_IDENTIFIER, 4]
    assert request.values(USER_PASSWORD) == [PASSWORD.encode("ascii")]


def test_radius_1_1_needs_no_md5(mocker: Any) -> None:
    mocker.patch("hashlib.md5", None)
    mocker.patch("pyrad.packet.md5_constructor", None)
    with Peer(answering(), SERVER, protocols=[VERSION_1_1]) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


def test_reply_of_4096_octets_is_accepted() -> None:
    attributes = [(REPLY_MESSAGE, b"x" * 253)] * 15 + [(REPLY_MESSAGE, b"x" * 249)]
    with Cases() as cases:
        for protocols in PROTOCOLS:
            with cases.case(protocols):
                with Peer(answering(ACCEPT, attributes), SERVER, protocols=protocols) as peer:
                    found = ask(configured(peer))
                assert sum(map(len, found.reply.values(REPLY_MESSAGE))) == 4096 - 20 - 32


@needs_ipv6
def test_ipv6_and_source_ip() -> None:
    with Peer(answering(), SERVER, host="::1") as peer:
        assert ask(configured(peer)).origin.host == "::1"
        assert Request(peer.requests[0], (), 0).values(nas.NAS_IPV6_ADDRESS) == [bytes(15) + b"\1"]
    with Peer(answering(), SERVER) as peer:
        server = configured(peer, source_ip="127.0.0.3")
        client.ask([server], login(server)._replace(attributes=()), LONG)
        assert Request(peer.requests[0], (), 0).values(nas.NAS_IP_ADDRESS) == [b"\x7f\0\0\3"]


def test_message_authenticator_is_optional_but_verified() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        octets = bytearray(reply(connection.receive(), SECRET, signature=FIRST))
        octets[30] ^= signed_wrong[0]
        connection.send(bytes(octets))

    signed_wrong = [0]
    with Peer(script, SERVER) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT
        signed_wrong[0] = 1
        assert no_answer(configured(peer)).code == "wrong-secret"


def test_each_call_makes_its_own_connection_and_request() -> None:
    with Peer(answering(), SERVER, protocols=[VERSION_1_1]) as peer:
        for _ in range(5):
            ask(configured(peer))
    assert [len(connection.requests) for connection in peer.connections] == [1] * 5
    assert len({octets[4:8] for octets in peer.requests}) == 5


def test_accounting_uses_the_same_connection() -> None:
    record = accounting.Record("Stop", 1000.0, "a session", "alice", (b"class",), 7, ATTRIBUTES)
    with Cases() as cases:
        for protocols in PROTOCOLS:
            with cases.case(protocols):
                with Peer(answering(accounting.ACCOUNTING_RESPONSE), SERVER, protocols=protocols) as peer:
                    found = client.ask([configured(peer)], AccountingRequest(record), LONG)
                assert found.reply.code == accounting.ACCOUNTING_RESPONSE
                (octets,) = peer.requests
                assert octets[0] == accounting.ACCOUNTING_REQUEST
                delay = int.from_bytes(Request(octets, (), 0).values(accounting.ACCT_DELAY_TIME)[0], "big")
                assert octets[20:] == accounting.body(record, 1000.0 + delay)


def test_record_refused_with_error_cause_stays_in_the_queue(tmp_path: Any) -> None:
    def check(protocols: Sequence[str], directory: str) -> None:
        queue = accounting_queue.AccountingQueue(directory)
        queue.add(accounting.Record("Stop", time.time(), "a session", "alice", (), 7))
        refusing = answering(accounting.ACCOUNTING_RESPONSE, [(101, struct.pack("!L", 406))])
        log_lines: List[str] = []
        for script in (refusing, answering(accounting.ACCOUNTING_RESPONSE)):
            with Peer(script, SERVER, protocols=protocols) as peer:
                settings = AccountingSettings((configured(peer),), 2 * LONG)
                log_lines += delivery.deliver(settings, queue, SharedServerStatus(None, 0.0))
            assert len(peer.requests) == 1
            assert "Error-Cause reports that nothing was recorded" in log_lines[0]
        assert len(log_lines) == 2, "the second server has no fault"

    with Cases() as cases:
        for number, protocols in enumerate(PROTOCOLS):
            with cases.case(protocols):
                check(protocols, str(tmp_path / str(number)))


def test_server_may_close_the_connection_after_its_answer() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.send(answer(connection, connection.receive()))
        connection.end()

    with Peer(script, SERVER) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


# Certificates


def expect_certificate_error(identity: Identity, words: str, on_3_6: str = "", **options: Any) -> None:
    """Expect that a server with this certificate is refused with these words, and that nothing is sent to it."""
    with Peer(answering(), identity, newest=options.pop("newest", "")) as peer:
        error = no_answer(configured(peer, **options))
    expected = words if REASON_IS_KNOWN or not on_3_6 else on_3_6
    assert error.log_lines == (f"[radius] 127.0.0.1:{peer.port}: the server's certificate {expected}",)
    assert error.code == "tls-certificate"
    assert peer.requests == []


def test_certificate_that_does_not_verify() -> None:
    table: Tuple[Tuple[str, Identity, str, Authority], ...] = (
        ("expired", AUTHORITY.issue(ends=-HOUR), "has expired", AUTHORITY),
        ("not yet valid", AUTHORITY.issue(begins=HOUR), "is not valid yet", AUTHORITY),
        ("other CA", OTHER.issue(), "is not issued by a CA in ca_certificate", AUTHORITY),
        ("other CA configured", SERVER, "is not issued by a CA in ca_certificate", OTHER),
        ("for a client", CLIENT, "is not a server certificate", AUTHORITY),
    )
    with Cases() as cases:
        for newest in TLS_VERSIONS:
            for name, identity, words, authority in table:
                with cases.case((newest, name)):
                    expect_certificate_error(identity, words, ANY_REASON, newest=newest, authority=authority)


def test_ca_may_be_an_intermediate_one() -> None:
    below = Authority("a CA below", AUTHORITY)
    issued = below.issue()
    with Peer(answering(), issued) as peer:
        assert ask(configured(peer, authority=below)).reply.code == ACCEPT
    with Peer(answering(), issued._replace(certificate=issued.certificate + below.certificate)) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT
        assert ask(configured(peer, authority=below)).reply.code == ACCEPT
    expect_certificate_error(issued, "is not issued by a CA in ca_certificate", ANY_REASON)
    expect_certificate_error(below.issue(ends=-HOUR), "has expired", ANY_REASON, authority=below)
    expect_certificate_error(
        below.issue(names=["other.example.com"], addresses=[]),
        "does not match the address 127.0.0.1",
        "does not match the name 127.0.0.1",
        authority=below,
    )


def test_certificate_must_have_the_name_of_the_server() -> None:
    other_name = "does not match the name other.example.com"
    expect_certificate_error(SERVER, other_name, name="other.example.com")
    no_address = AUTHORITY.issue(addresses=["192.0.2.1"])
    expect_certificate_error(
        no_address, "does not match the address 127.0.0.1", "does not match the name 127.0.0.1", name=""
    )
    expect_certificate_error(AUTHORITY.issue(names=["*.other.com"]), other_name, name="other.example.com")


def test_any_name_in_the_certificate_is_accepted() -> None:
    with Cases() as cases, Peer(answering(), SERVER) as peer:
        for name in (HOST_NAME, HOST_NAME.upper(), HOST_NAME + ".", "127.0.0.1", "::1"):
            with cases.case(name):
                assert ask(configured(peer, name=name)).reply.code == ACCEPT


def test_name_defaults_to_the_option_server() -> None:
    with Peer(answering(), AUTHORITY.issue(names=["localhost"], addresses=[])) as peer:
        assert ask(configured(("localhost", peer.port))).reply.code == ACCEPT
        assert no_answer(configured(peer)).code == "tls-certificate"


def test_name_that_a_certificate_cannot_have() -> None:
    with Cases() as cases, Peer(answering(), SERVER) as peer:
        for name in ("." + HOST_NAME, "x" * 64 + ".example.com", "\udcff", "a\0b"):
            with cases.case(ascii(name)):
                error = no_answer(configured(peer, name=name))
                assert error.code == "tls-certificate"


def test_client_certificate() -> None:
    invalid = {
        "none": ("", "require"),
        "other CA": (
            OTHER.issue(for_client=True).both,
            "the server rejected the client certificate: tlsv1 alert unknown ca",
        ),
        "expired": (AUTHORITY.issue(for_client=True, ends=-HOUR).both, "alert certificate expired"),
        "other key": (CLIENT.certificate + SERVER.key, "client_certificate cannot be used: key values mismatch"),
        "encrypted key": (
            CLIENT.certificate + AUTHORITY.issue(passphrase=b"x").key,
            "client_certificate cannot be used",
        ),
    }
    with Cases() as cases:
        for newest in TLS_VERSIONS:
            with Peer(answering(), SERVER, client_ca=AUTHORITY, newest=newest) as peer:
                with cases.case((newest, "valid")):
                    assert ask(configured(peer, certificate=CLIENT.both)).reply.code == ACCEPT
                    assert peer.connections[0].certificate is not None
                for name, (certificate, words) in invalid.items():
                    with cases.case((newest, name)):
                        error = no_answer(configured(peer, certificate=certificate))
                        assert words in error.log_lines[0]
                        assert error.code == "tls-certificate"
            with cases.case((newest, "requests")):
                assert len(peer.requests) == 1


def test_key_is_never_in_a_named_file(mocker: Any, tmp_path: Any) -> None:
    """The test looks while OpenSSL reads the key: if it is ever in a file, it is then."""
    found: List[Tuple[List[str], int]] = []
    load = ssl.SSLContext.load_cert_chain

    def look_and_load(context: Any, path: str, **options: Any) -> None:
        found.append((os.listdir(str(tmp_path)), os.stat(path).st_mode & 0o077))
        load(context, path, **options)

    with Peer(answering(), SERVER, client_ca=AUTHORITY) as peer:
        mocker.patch("tempfile.tempdir", str(tmp_path))
        mocker.patch("ssl.SSLContext.load_cert_chain", look_and_load)
        assert ask(configured(peer, certificate=CLIENT.both)).reply.code == ACCEPT
        mocker.patch("os.memfd_create", None, create=True)  # as before Python 3.8
        assert ask(configured(peer, certificate=CLIENT.both)).reply.code == ACCEPT
    assert [names for names, _ in found] == [[], []]
    assert [others for _, others in found] == [0, 0]
    assert os.listdir(str(tmp_path)) == []


# A server that ends the connection, or falls silent: the next one is asked


def cutting(after: int, end: Callable[[Connection], None]) -> Script:
    """Return a script that does everything right until it has sent this many octets, then ends the connection."""

    def script(connection: Connection) -> None:
        connection.cut_after = after
        try:
            answering()(connection)
        except Cut:
            end(connection)

    return script


def close(connection: Connection) -> None:
    """Close the connection after reading everything, as the system would otherwise reset it."""
    connection.raw.shutdown(socket.SHUT_WR)
    connection.wait_for_end()


def steps(newest: str, protocols: Sequence[str]) -> List[int]:
    """Return the positions at which the records of a right server begin and end, and some inside them."""
    with Peer(answering(), SERVER, newest=newest, protocols=protocols) as peer:
        ask(configured(peer))
    written = peer.connections[0].written
    found, at = {0}, 0
    while at < len(written):
        size = 5 + int.from_bytes(written[at + 3 : at + 5], "big")
        found |= {at + 1, at + 4, at + 5, at + 6, at + size // 2, at + size - 1, at + size}
        at += size
    return sorted(position for position in found if position < len(written))


@pytest.mark.parametrize("end", [close, Connection.reset])
def test_server_that_ends_the_connection_at_any_step(end: Callable[[Connection], None]) -> None:
    with Cases() as cases, Server(answering_udp(b"udp")) as backup:
        second = configured(backup, "radius_2", tls=None)._replace(secret=Secret("udp"))
        for newest, protocols in (("TLSv1_2", ()), ("TLSv1_3", ()), ("TLSv1_3", (VERSION_1_1,))):
            positions = steps(newest, protocols)
            assert len(positions) > 30
            for position in positions:
                with cases.case((newest, protocols, position)):
                    with Peer(cutting(position, end), SERVER, newest=newest, protocols=protocols) as peer:
                        found = ask(configured(peer), second)
                    assert (found.origin.section, found.reply.code, found.transport) == ("radius_2", ACCEPT, "")
                    assert "the server " in found.log_lines[0] and " the connection" in found.log_lines[0]


def test_server_that_falls_silent_at_any_step() -> None:
    def expect_failover(position: int, words: str) -> None:
        with Server(answering_udp(b"udp")) as backup, Peer(cutting(position, Connection.wait_for_end), SERVER) as peer:
            second = configured(backup, "radius_2", tls=None)._replace(secret=Secret("udp"))
            found = ask(configured(peer, conn_timeout=SHORT), second)
        assert found.origin.section == "radius_2"
        assert found.log_lines == (f"[radius] 127.0.0.1:{peer.port}: {words}",)

    in_handshake = "TLS handshake timed out"
    calls = {position: partial(expect_failover, position, in_handshake) for position in (0, 1, 100, 600)}
    last = steps("TLSv1_3", ())[-1]
    calls[last] = partial(expect_failover, last, "no response to 1 transmission")
    with Cases() as cases:
        cases.run_together(calls)


def ending(end: Callable[[Connection], None]) -> Script:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        end(connection)

    return script


def ends_tls(connection: Connection) -> None:
    connection.end()
    connection.wait_for_end()


def test_end_in_place_of_an_answer() -> None:
    expected = [
        f"the server {verb} the connection; it may require a client certificate" for verb in ("closed", "reset")
    ]
    with Cases() as cases:
        for end in (close, Connection.reset, Connection.end, ends_tls):
            with cases.case(end.__name__):
                with Peer(ending(end), SERVER) as peer:
                    error = no_answer(configured(peer))
                assert error.code == "tls-failed"
                assert error.log_lines[0].partition(": ")[2] in expected


def test_end_with_a_client_certificate_names_another_cause() -> None:
    with Peer(ending(close), SERVER) as peer:
        error = no_answer(configured(peer, certificate=CLIENT.both))
    assert error.log_lines[0].endswith("; it may not accept this client certificate")


def test_end_because_of_a_status_server_does_not_suggest_a_certificate() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.receive()
        close(connection)

    with Peer(script, SERVER) as peer:
        error = no_answer(configured(peer, status_check="status-server", status_check_after=0.1))
    words = "the server closed the connection after Status-Server; if it always does, set status_check=none"
    assert error.log_lines == (f"[radius] 127.0.0.1:{peer.port}: {words}",)


def test_end_after_a_status_reply_names_no_cause() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.send(answer(connection, connection.receive()))
        close(connection)

    with Peer(script, SERVER) as peer:
        error = no_answer(configured(peer, status_check="status-server", status_check_after=0.1))
    words = "the server closed the connection, but Status-Server was answered"
    assert error.log_lines == (f"[radius] 127.0.0.1:{peer.port}: {words}",)


def test_server_that_closes_at_once() -> None:
    with Peer(lambda connection: connection.raw.shutdown(socket.SHUT_WR), SERVER) as peer:
        error = no_answer(configured(peer))
    assert error.code == "tls-failed"


def test_end_in_the_last_segment_of_the_handshake() -> None:
    """TLS ends and TCP stays open: nothing arrives later that would wake a client waiting for more."""

    def script(connection: Connection) -> None:
        connection.joins = True
        connection.shake_hands()
        connection.end()
        connection.let_go()
        connection.wait_for_end()

    with Peer(script, SERVER, newest="TLSv1_2") as peer:
        error = no_answer(configured(peer, conn_timeout=10.0))
    assert error.code == "tls-failed"
    assert "the server closed the connection" in error.log_lines[0]


def test_answer_in_records_of_one_octet() -> None:
    def script(connection: Connection) -> None:
        connection.trickles = True
        answering(ACCEPT, [(REPLY_MESSAGE, b"x" * 200)])(connection)

    with Cases() as cases:
        for protocols in PROTOCOLS:
            with cases.case(protocols), Peer(script, SERVER, protocols=protocols) as peer:
                assert ask(configured(peer)).reply.values(REPLY_MESSAGE) == [b"x" * 200]


def test_trickling_answer_does_not_extend_the_timeout() -> None:
    """Each octet arrives in time, all of them would not: the limit is for the whole answer."""
    gone = threading.Event()

    def script(connection: Connection) -> None:
        connection.shake_hands()
        octets = answer(connection, connection.receive(), ACCEPT, [(REPLY_MESSAGE, b"x" * 200)])
        with contextlib.suppress(OSError):
            for at in range(len(octets)):
                connection.send(octets[at : at + 1])
                if gone.wait(0.02):
                    return

    with Peer(script, SERVER) as peer:
        error = no_answer(configured(peer, conn_timeout=SHORT))
        gone.set()
    assert error.log_lines == (f"[radius] 127.0.0.1:{peer.port}: no response to 1 transmission",)


# A server whose TLS is wrong


def saying(octets: bytes) -> Script:
    """Return a script that sends these octets in place of a handshake."""

    def script(connection: Connection) -> None:
        connection.raw.recv(65536)
        connection.send_raw(octets)
        connection.wait_for_end()

    return script


def test_server_without_tls() -> None:
    table = {
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        "binary": bytes(range(1, 256)) * 80,
        "RADIUS": b"\2\7\0\x14" + bytes(16),
        "newlines": b"\n" * 100000,
    }
    with Cases() as cases:
        for name, octets in table.items():
            with cases.case(name):
                with Peer(saying(octets), SERVER) as peer:
                    error = no_answer(configured(peer))
                assert error.code == "tls-failed"
                assert "TLS" in error.log_lines[0]


def test_alert_or_message_in_place_of_a_handshake() -> None:
    table = {
        "15030300020278": "does not offer RADIUS on this port",
        "15030300020246": "supports neither TLS 1.2 nor TLS 1.3",
        "15030300020228": "it may require a client certificate",
        "15030300020250": "TLS error: ",
        "160303000402000000": "TLS error: ",
    }
    with Cases() as cases:
        for octets, words in table.items():
            with cases.case(octets), Peer(saying(bytes.fromhex(octets)), SERVER) as peer:
                assert words in no_answer(configured(peer)).log_lines[0]


def test_tls_too_old() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_1") as peer:
        assert "supports neither TLS 1.2 nor TLS 1.3" in no_answer(configured(peer)).log_lines[0]


def test_radius_1_1_with_tls_too_old_for_it() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_2", protocols=[VERSION_1_1]) as peer:
        error = no_answer(configured(peer))
    assert error.code == "tls-failed" and peer.requests == []
    assert error.log_lines[0].endswith("the server selected RADIUS/1.1 over TLSv1.2, but RADIUS/1.1 requires TLS 1.3")


def test_octets_after_the_handshake_that_are_not_tls() -> None:
    with Cases() as cases:
        for octets in (b"plain text after all", b"\x17\3\3\0\x30" + bytes(48), b"\x16\3\3\xff\xff" * 9):

            def script(connection: Connection, octets: bytes = octets) -> None:
                connection.shake_hands()
                connection.receive()
                connection.send_raw(octets)
                connection.wait_for_end()

            with cases.case(octets), Peer(script, SERVER) as peer:
                assert no_answer(configured(peer)).code == "tls-failed"


# A server whose RADIUS is wrong: nobody else can have sent it, so the connection is closed


def wrong_mark(connection: Connection, request: Request) -> bytes:
    octets = bytearray(answer(connection, request))
    octets[1] ^= 1
    octets[7] ^= 1
    return bytes(octets)


def right_one_too_late(connection: Connection, request: Request) -> bytes:
    return wrong_mark(connection, request) + answer(connection, request)


def protocol_error(connection: Connection, request: Request) -> bytes:
    return answer(connection, request, PROTOCOL_ERROR)


def too_long(connection: Connection, request: Request) -> bytes:
    return b"\2" + request.octets[1:2] + b"\x10\x01" + answer(connection, request)[4:] + bytes(4097)


def too_short(connection: Connection, request: Request) -> bytes:
    return b"\2" + request.octets[1:2] + b"\0\x13" + answer(connection, request)[4:]


def attribute_past_the_end(connection: Connection, request: Request) -> bytes:
    octets = answer(connection, request, ACCEPT, [(REPLY_MESSAGE, b"x")])
    return octets[:-2] + b"\4" + octets[-1:]


def the_request_itself(connection: Connection, request: Request) -> bytes:
    return request.octets


WRONG_REPLIES: Dict[Callable[[Connection, Request], bytes], str] = {
    wrong_mark: "discarded 1 reply: unexpected ",
    right_one_too_late: "discarded 1 reply: unexpected ",
    protocol_error: "unexpected code",
    too_long: "malformed header or length",
    too_short: "malformed header or length",
    attribute_past_the_end: "malformed attributes",
    the_request_itself: "unexpected code",
}


def test_wrong_reply_ends_the_connection() -> None:
    with Cases() as cases, Peer(answering(), SERVER) as backup:
        for protocols in PROTOCOLS:
            for wrong, words in WRONG_REPLIES.items():

                def script(connection: Connection, wrong: Callable[[Connection, Request], bytes] = wrong) -> None:
                    connection.shake_hands()
                    connection.send(wrong(connection, connection.receive()))
                    connection.wait_for_end()

                with cases.case((protocols, wrong.__name__)):
                    with Peer(script, SERVER, protocols=protocols) as peer:
                        found = ask(configured(peer), configured(backup, "radius_2"))
                        error = no_answer(configured(peer))
                    assert found.origin.section == "radius_2"
                    assert words in found.log_lines[0]
                    assert (
                        found.log_lines[1]
                        == f"[radius] 127.0.0.1:{peer.port}: connection closed because of an invalid reply"
                    )
                    assert error.code == "bad-reply"


# What follows the answer in the same read does not matter


def the_answer_again(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) * 2)


def another_answer(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + answer(connection, request))


def another_packet(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + wrong_mark(connection, request))


def one_octet(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + b"\2")


def half_a_packet(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + answer(connection, request)[:10])


def garbage(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + bytes(50))


def a_packet_and_the_end(connection: Connection, request: Request) -> None:
    connection.send(answer(connection, request, CHALLENGE) + wrong_mark(connection, request))
    connection.end()


def octets_that_are_not_tls(connection: Connection, request: Request) -> None:
    connection.joins = True
    connection.send(answer(connection, request, CHALLENGE))
    connection.send_raw(b"\x17\3\3\0\x30" + bytes(48))
    connection.let_go()


def test_answer_stands_whatever_follows_it() -> None:
    followed = (the_answer_again, another_answer, another_packet, one_octet, half_a_packet, garbage)
    with Cases() as cases:
        for protocols in PROTOCOLS:
            for send in followed + (a_packet_and_the_end, octets_that_are_not_tls):

                def script(connection: Connection, send: Callable[..., None] = send) -> None:
                    connection.shake_hands()
                    send(connection, connection.receive())
                    connection.wait_for_end()

                with cases.case((protocols, send.__name__)):
                    with Peer(script, SERVER, protocols=protocols) as peer:
                        found = ask(configured(peer))
                    assert (found.reply.code, found.log_lines) == (CHALLENGE, ())


def test_status_reply_before_the_answer_in_the_same_read() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        request, probe = connection.receive(), connection.receive()
        connection.send(answer(connection, probe) + answer(connection, request, REJECT) + bytes(50))
        connection.wait_for_end()

    with Peer(script, SERVER) as peer:
        found = ask(configured(peer, status_check="status-server", status_check_after=0.1))
    assert (found.reply.code, found.log_lines) == (REJECT, ())


def test_proxy_state_in_a_reply() -> None:
    with Cases() as cases:
        for protocols in PROTOCOLS:
            for code in (ACCEPT, REJECT, CHALLENGE):
                with cases.case((protocols, code)):
                    with Peer(answering(code, [(PROXY_STATE, b"5")]), SERVER, protocols=protocols) as peer:
                        assert ask(configured(peer)).reply.values(PROXY_STATE) == [b"5"]


def test_other_secret() -> None:
    with Peer(answering(secret=b"another"), SERVER) as peer:
        error = no_answer(configured(peer))
    assert error.code == "wrong-secret"


def test_radius_1_1_uses_no_secret() -> None:
    with Peer(answering(secret=b"another"), SERVER, protocols=[VERSION_1_1]) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


# Slow and dead servers


def slow(answers_status: bool, hurry: threading.Event) -> Script:
    """Return a script that may answer a Status-Server at once, and the request before it when `hurry` is set."""

    def script(connection: Connection) -> None:
        connection.shake_hands()
        first = connection.receive()
        if connection.receive().octets[0] == STATUS_SERVER and answers_status:
            status = Request(connection.requests[-1], (), 1)
            connection.send(answer(connection, status))
        hurry.wait(LONG)
        connection.send(answer(connection, first))
        connection.wait_for_end()

    return script


def endpoint(peer: Peer) -> str:
    """Return the name under which the status of the peer is remembered."""
    return f"127.0.0.1:{peer.port}-tls-login-127.0.0.1"


class RecordedStatus(ServerStatus):
    """Records what it is asked to remember, in `facts`; calls back when a Status-Server is answered."""

    def __init__(self, on_status: Callable[[], None]) -> None:
        self.facts: List[Tuple[str, str]] = []
        self._on_status = on_status

    def mark(self, endpoint: str) -> None:
        self.facts.append(("marked", endpoint))

    def suspect(self, endpoint: str, key: str) -> None:
        self.facts.append(("suspected", endpoint))

    def answered(self, endpoint: str) -> None:
        self.facts.append(("answered", endpoint))

    def answered_status(self, endpoint: str) -> None:
        self.facts.append(("status", endpoint))
        self._on_status()


def test_status_server_is_sent_once_over_the_same_connection() -> None:
    def check(protocols: Sequence[str]) -> None:
        hurry = threading.Event()
        status = RecordedStatus(hurry.set)
        with Peer(slow(True, hurry), SERVER, protocols=protocols) as peer:
            server = configured(peer, status_check="status-server", status_check_after=0.1)
            found = ask(server, memory=status)
        assert (found.reply.code, found.transmissions) == (ACCEPT, 1)
        (connection,) = peer.connections
        assert [octets[0] for octets in connection.requests] == [1, STATUS_SERVER]
        name = endpoint(peer)
        assert status.facts == [("status", name), ("answered", name)]

    with Cases() as cases:
        cases.run_together({protocols: partial(check, protocols) for protocols in PROTOCOLS})


def test_other_reply_to_status_server_does_not_end_the_login() -> None:
    def check(protocols: Sequence[str], code: int) -> None:
        def script(connection: Connection) -> None:
            connection.shake_hands()
            request = connection.receive()
            connection.send(answer(connection, connection.receive(), code))
            hurry.wait(LONG)
            connection.send(answer(connection, request))
            connection.wait_for_end()

        hurry = threading.Event()
        status = RecordedStatus(hurry.set)
        with Peer(script, SERVER, protocols=protocols) as peer:
            found = ask(configured(peer, status_check="status-server", status_check_after=0.1), memory=status)
        assert (found.reply.code, found.log_lines) == (ACCEPT, ())
        assert [fact for fact, _ in status.facts] == ["status", "answered"]

    codes = (REJECT, accounting.ACCOUNTING_RESPONSE, PROTOCOL_ERROR)
    with Cases() as cases:
        cases.run_together(
            {(protocols, code): partial(check, protocols, code) for protocols in PROTOCOLS for code in codes}
        )


def test_server_known_to_answer_status_server_is_marked_dead_if_it_does_not(tmp_path: Any) -> None:
    hurry = threading.Event()
    status = SharedServerStatus(str(tmp_path), 60.0)
    with Peer(slow(False, hurry), SERVER) as peer, Peer(answering(), SERVER) as backup:
        status.answered_status(endpoint(peer))
        server = configured(peer, status_check="status-server", status_check_after=0.1)
        found = ask(server, configured(backup, "radius_2"), memory=status)
        assert found.origin.section == "radius_2"
        assert found.log_lines == (
            f"[radius] 127.0.0.1:{peer.port}: no response to 1 transmission or to Status-Server",
        )
        assert status.status_of(endpoint(peer)).is_marked
        hurry.set()
        assert ask(server, configured(backup, "radius_2"), memory=status).log_lines == ()
        assert len(backup.connections) == 2
    assert len(peer.connections) == 1


def test_request_is_sent_once() -> None:
    with Peer(ending(Connection.wait_for_end), SERVER) as peer:
        error = no_answer(configured(peer, conn_timeout=SHORT))
    assert error.code == "no-reply"
    assert len(peer.requests) == 1


def test_restart_of_the_only_server_goes_unnoticed(mocker: Any) -> None:
    refused = threading.Event()

    class Noticing(socket.socket):
        """Notices that a connection is refused, at once or later."""

        def connect_ex(self, address: Any) -> int:
            return int(self._noticed(super().connect_ex(address)))

        def getsockopt(self, *arguments: Any) -> Any:
            return self._noticed(super().getsockopt(*arguments))

        def _noticed(self, number: Any) -> Any:
            if number == errno.ECONNREFUSED:
                refused.set()
            return number

    mocker.patch("socket.socket", Noticing)
    with ThreadPoolExecutor(1) as pool:
        with contextlib.closing(socket.socket()) as held:  # bound, and not listening
            held.bind(("127.0.0.1", free_port(kind=socket.SOCK_STREAM)))
            host, port = held.getsockname()
            answer = pool.submit(ask, configured((host, port)))
            assert refused.wait(LONG)
        with Peer(answering(), SERVER, port=port):
            assert answer.result().reply.code == ACCEPT


def test_server_that_takes_no_accounting_is_not_marked_dead_for_logins(tmp_path: Any) -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        request = connection.receive()
        if request.octets[0] != accounting.ACCOUNTING_REQUEST:
            connection.send(answer(connection, request))

    status = SharedServerStatus(str(tmp_path), 60.0)
    record = accounting.Record("Stop", 1000.0, "a session", "alice", (), 7)
    with Peer(script, SERVER) as peer:
        assert not client.all_dead([configured(peer)], status)
        with pytest.raises(NoAnswer):
            client.ask([configured(peer)], AccountingRequest(record), LONG, status)
        assert client.all_dead([configured(peer)], status)
        assert not status.status_of(endpoint(peer)).is_marked
        assert ask(configured(peer), memory=status).reply.code == ACCEPT
        assert client.all_dead([configured(peer)], status)


def test_closed_port() -> None:
    with contextlib.closing(socket.socket()) as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        error = no_answer(configured(held.getsockname(), conn_timeout=0.6, conn_retries=100))
    assert error.code == "connection-refused"


def test_tcp_connection_times_out() -> None:
    """Linux ignores further connections when the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(contextlib.closing(socket.socket()))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(contextlib.closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        error = no_answer(configured(full.getsockname(), connect_timeout=0.2))
        assert error.code == "no-reply"
        assert error.log_lines[0].endswith("TCP connection timed out")


def test_source_ip_that_this_machine_does_not_have() -> None:
    with Peer(answering(), SERVER) as peer:
        error = no_answer(configured(peer, source_ip="192.0.2.1"))
    assert error.code == "network"


def test_connection_is_closed_when_the_request_cannot_be_encoded() -> None:
    with Peer(answering(), SERVER) as peer, pytest.raises(NotSent):
        ask(configured(peer), password="x" * 129)
    assert peer.requests == []
