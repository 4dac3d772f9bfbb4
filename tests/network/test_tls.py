"""The client over real TLS on loopback, against a peer that does everything right, or one thing wrong."""

import contextlib
import datetime
import hashlib
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from typing import Any, Callable, Iterator, List, Sequence, Tuple

import pytest

from lib import accounting as delivery
from lib import reasons
from lib.config.model import AccountingSettings
from lib.radius import accounting, client, packet, profile
from lib.radius.server import ServerSettings, TlsSettings
from lib.secret import Secret
from lib.state import accounting_queue
from lib.state.server_status import Health
from tests.network.test_client import needs_ipv6
from tests.support.certificates import HOST_NAME, Authority, Identity
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    FIRST,
    MESSAGE_AUTHENTICATOR,
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
PATIENT = 60.0
STATUS_SERVER, PROTOCOL_ERROR = 12, 52
AUTHORITY = Authority("the CA")
OTHER = Authority("another CA")
SERVER = AUTHORITY.issue()
CLIENT = AUTHORITY.issue(for_client=True)
HOUR = datetime.timedelta(hours=1)
PROTOCOLS = [pytest.param((), id="1.0"), pytest.param((VERSION_1_1,), id="1.1")]
# Python 3.6 has it from OpenSSL that a certificate did not verify, and not why.
UNTOLD = "has expired, is not valid yet, is not one for a server or is not from a CA in ca_certificate"
TELLS_WHY = hasattr(ssl, "SSLCertVerificationError")


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def configured(peer: Any, section: str = "radius", authority: Authority = AUTHORITY, **options: Any) -> ServerSettings:
    """Return settings for a peer, which is waited for long; `name` and `certificate` go into those of TLS."""
    tls = TlsSettings(options.pop("name", ""), authority.certificate, Secret(options.pop("certificate", "")))
    host, port = peer if isinstance(peer, tuple) else (peer.host, peer.port)
    values = dict(auth_type="pap", conn_timeout=PATIENT, conn_retries=1, retransmit_after=0.01, source_ip="")
    values.update(require_message_authenticator=True, status_check="none", status_check_after=PATIENT)
    values.update(connect_timeout=PATIENT, tls=tls)
    values.update(options)
    return ServerSettings(section, host, port, Secret(SECRET.decode("ascii")), **values)  # type: ignore[arg-type]


def login_for(server: ServerSettings, local_ip: str) -> packet.Login:
    attributes = ((0, packet.NAS_IDENTIFIER, b"sps"), (0, 4, socket.inet_pton(socket.AF_INET, "192.0.2.1")))
    return packet.Login("alice", Secret(PASSWORD), server.auth_type, None, attributes)


def ask(*servers: ServerSettings, what: client.LoginFor = login_for, **options: Any) -> client.Answer:
    return client.ask(servers, what, options.pop("total_timeout", PATIENT), **options)


def refused(*servers: ServerSettings, **options: Any) -> client.NoAnswer:
    """Return the NoAnswer that asking ends with, having checked what every one of them must be."""
    with pytest.raises(client.NoAnswer) as caught:
        ask(*servers, **options)
    assert caught.value.code in reasons.DENIALS
    for remark in caught.value.remarks:
        assert "\n" not in remark and PASSWORD not in remark and CLIENT.key.splitlines()[1] not in remark
    return caught.value


# What is right


@pytest.mark.parametrize("protocols", PROTOCOLS + [pytest.param((VERSION_1_0,), id="1.0 named")])
@pytest.mark.parametrize("code", [ACCEPT, REJECT, CHALLENGE])
def test_each_answer(code: int, protocols: Sequence[str]) -> None:
    attributes = ((REPLY_MESSAGE, b"one"), (STATE, b"0x\0\xff"), (REPLY_MESSAGE, b"two"))
    with Peer(answering(code, attributes), SERVER, protocols=protocols) as peer:
        found = ask(configured(peer))
    assert found.reply.code == code
    assert found.reply.values(REPLY_MESSAGE) == [b"one", b"two"] and found.reply.state == b"0x\0\xff"
    assert found.origin == client.Origin("radius", "127.0.0.1", peer.port)
    assert (found.sends, found.remarks) == (1, ())
    assert found.over == ("TLSv1.3, RADIUS/1.1" if VERSION_1_1 in protocols else "TLSv1.3")
    assert len(peer.requests) == 1


def test_the_version_of_tls_that_the_server_has() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_2") as peer:
        assert ask(configured(peer)).over == "TLSv1.2"


def test_what_is_asked_is_what_udp_asks() -> None:
    with Peer(answering(), SERVER) as peer:
        ask(configured(peer))
    (octets,) = peer.requests
    request = Request(octets, (), 0)
    assert request.attributes()[0][0] == MESSAGE_AUTHENTICATOR
    assert request.values(USER_NAME) == [b"alice"]
    assert request.password(SECRET) == PASSWORD.encode("ascii")


def test_what_is_asked_in_radius_1_1() -> None:
    with Peer(answering(), SERVER, protocols=(VERSION_1_1, VERSION_1_0)) as peer:
        ask(configured(peer))
    (octets,) = peer.requests
    request = Request(octets, (), 0)
    assert octets[1] == 0 and octets[8:20] == bytes(12)
    assert [kind for kind, _ in request.attributes()] == [USER_NAME, USER_PASSWORD, packet.NAS_IDENTIFIER, 4]
    assert request.values(USER_PASSWORD) == [PASSWORD.encode("ascii")]


def test_radius_1_1_needs_no_md5(monkeypatch: Any) -> None:
    monkeypatch.setattr(hashlib, "md5", None)
    monkeypatch.setattr("pyrad.packet.md5_constructor", None)
    with Peer(answering(), SERVER, protocols=[VERSION_1_1]) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


@pytest.mark.parametrize("protocols", PROTOCOLS)
def test_a_reply_of_4096_octets(protocols: Sequence[str]) -> None:
    attributes = [(REPLY_MESSAGE, b"x" * 253)] * 15 + [(REPLY_MESSAGE, b"x" * 249)]
    with Peer(answering(ACCEPT, attributes), SERVER, protocols=protocols) as peer:
        assert sum(map(len, ask(configured(peer)).reply.values(REPLY_MESSAGE))) == 4096 - 20 - 32


@needs_ipv6
def test_ipv6_and_the_address_it_leaves_from() -> None:
    left_from: List[str] = []

    def noting(server: ServerSettings, local_ip: str) -> packet.Login:
        left_from.append(local_ip)
        return login_for(server, local_ip)

    with Peer(answering(), SERVER, host="::1") as peer:
        assert ask(configured(peer), what=noting).origin.host == "::1"
    with Peer(answering(), SERVER) as peer:
        ask(configured(peer, source_ip="127.0.0.3"), what=noting)
    assert left_from == ["::1", "127.0.0.3"]


def test_a_message_authenticator_is_not_asked_for_and_verified_all_the_same() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        octets = bytearray(reply(connection.receive(), SECRET, signature=FIRST))
        octets[30] ^= signed_wrong[0]
        connection.send(bytes(octets))

    signed_wrong = [0]
    with Peer(script, SERVER) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT
        signed_wrong[0] = 1
        assert refused(configured(peer)).code == "wrong-secret"


def test_each_call_is_a_connection_and_a_request_of_its_own() -> None:
    with Peer(answering(), SERVER, protocols=[VERSION_1_1]) as peer:
        for _ in range(5):
            ask(configured(peer))
    assert [len(connection.requests) for connection in peer.connections] == [1] * 5
    assert len({octets[4:8] for octets in peer.requests}) == 5


@pytest.mark.parametrize("protocols", PROTOCOLS)
def test_accounting_goes_the_same_way(protocols: Sequence[str]) -> None:
    record = accounting.Record("Stop", 1000.0, "a session", "alice", (b"class",), 7)

    def request_for(server: ServerSettings, local_ip: str, spoken: profile.Profile) -> client.Request:
        octets = spoken.accounting(record, 1002.0, os.urandom)
        return client.Request(octets, lambda found: spoken.verify_accounting(found, octets), client.always, ())

    with Peer(answering(accounting.ACCOUNTING_RESPONSE), SERVER, protocols=protocols) as peer:
        found = client.exchange([configured(peer)], request_for, PATIENT)
    assert found.reply.code == accounting.ACCOUNTING_RESPONSE
    (octets,) = peer.requests
    assert octets[0] == accounting.ACCOUNTING_REQUEST and octets[20:] == accounting.body(record, 1002.0)


@pytest.mark.parametrize("protocols", PROTOCOLS)
def test_a_server_that_takes_no_accounting_has_recorded_nothing(protocols: Sequence[str], tmp_path: Any) -> None:
    kept = accounting_queue.AccountingQueue(str(tmp_path))
    kept.add(accounting.Record("Stop", time.time(), "a session", "alice", (), 7))
    error_cause = (101, struct.pack("!L", 406))
    script = answering(accounting.ACCOUNTING_RESPONSE, [error_cause])
    with Peer(script, SERVER, protocols=protocols) as peer:
        settings = AccountingSettings((configured(peer),), 2 * PATIENT)
        remarks = delivery.deliver(settings, kept, Health(None, 0.0))
    assert "Error-Cause says that nothing was recorded" in remarks[0] and len(peer.requests) == 1
    with Peer(answering(accounting.ACCOUNTING_RESPONSE), SERVER, protocols=protocols) as peer:
        settings = AccountingSettings((configured(peer),), 2 * PATIENT)
        assert delivery.deliver(settings, kept, Health(None, 0.0)) == []
    assert len(peer.requests) == 1


def test_a_server_may_close_when_it_has_answered() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.send(answer(connection, connection.receive()))
        connection.end()

    with Peer(script, SERVER) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


# Certificates


def certificate_error(identity: Identity, words: str, told: str = "", **options: Any) -> None:
    """Expect that a server of this identity is refused with these words, and that nothing is sent to it."""
    with Peer(answering(), identity, newest=options.pop("newest", "")) as peer:
        error = refused(configured(peer, **options))
    expected = words if TELLS_WHY or not told else told
    assert error.remarks == ("[radius] 127.0.0.1:{}: the server's certificate {}".format(peer.port, expected),)
    assert (error.code, error.unreachable) == ("tls-certificate", False)
    assert peer.requests == []


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_certificates_that_do_not_verify(newest: str) -> None:
    certificate_error(AUTHORITY.issue(ends=-HOUR), "has expired", UNTOLD, newest=newest)
    certificate_error(AUTHORITY.issue(begins=HOUR), "is not valid yet", UNTOLD, newest=newest)
    certificate_error(OTHER.issue(), "is not from a CA in ca_certificate", UNTOLD, newest=newest)
    certificate_error(SERVER, "is not from a CA in ca_certificate", UNTOLD, newest=newest, authority=OTHER)
    certificate_error(CLIENT, "is not one for a server", UNTOLD, newest=newest)


def test_the_ca_of_the_certificate_may_be_below_another() -> None:
    below = Authority("a CA below", AUTHORITY)
    issued = below.issue()
    with Peer(answering(), issued) as peer:
        assert ask(configured(peer, authority=below)).reply.code == ACCEPT
    with Peer(answering(), issued._replace(certificate=issued.certificate + below.certificate)) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT
        assert ask(configured(peer, authority=below)).reply.code == ACCEPT
    certificate_error(issued, "is not from a CA in ca_certificate", UNTOLD)
    certificate_error(below.issue(ends=-HOUR), "has expired", UNTOLD, authority=below)
    certificate_error(
        below.issue(names=["other.example.com"], addresses=[]),
        "is for another address than 127.0.0.1",
        "is for another name than 127.0.0.1",
        authority=below,
    )


def test_the_name_must_be_in_the_certificate() -> None:
    other_name = "is for another name than other.example.com"
    certificate_error(SERVER, other_name, name="other.example.com")
    no_address = AUTHORITY.issue(addresses=["192.0.2.1"])
    certificate_error(
        no_address, "is for another address than 127.0.0.1", "is for another name than 127.0.0.1", name=""
    )
    certificate_error(AUTHORITY.issue(names=["*.other.com"]), other_name, name="other.example.com")


@pytest.mark.parametrize("name", [HOST_NAME, HOST_NAME.upper(), HOST_NAME + ".", "127.0.0.1", "::1"])
def test_a_name_that_is_in_the_certificate_will_do(name: str) -> None:
    with Peer(answering(), SERVER) as peer:
        assert ask(configured(peer, name=name)).reply.code == ACCEPT


def test_the_name_is_that_in_server_if_no_other_is_set() -> None:
    with Peer(answering(), AUTHORITY.issue(names=["localhost"], addresses=[])) as peer:
        assert ask(configured(("localhost", peer.port))).reply.code == ACCEPT
        assert refused(configured(peer)).code == "tls-certificate"


@pytest.mark.parametrize("name", ["." + HOST_NAME, "x" * 64 + ".example.com", "\udcff", "a\0b"])
def test_a_name_that_none_can_be_for(name: str) -> None:
    with Peer(answering(), SERVER) as peer:
        error = refused(configured(peer, name=name))
    assert (error.code, error.unreachable) == ("tls-certificate", False)


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_client_certificates(newest: str) -> None:
    with Peer(answering(), SERVER, client_ca=AUTHORITY, newest=newest) as peer:
        assert ask(configured(peer, certificate=CLIENT.both)).reply.code == ACCEPT
        assert peer.connections[0].certificate is not None
        for certificate, words in (
            ("", "want"),
            (OTHER.issue(for_client=True).both, "the server refused the client certificate: tlsv1 alert unknown ca"),
            (AUTHORITY.issue(for_client=True, ends=-HOUR).both, "alert certificate expired"),
            (CLIENT.certificate + SERVER.key, "client_certificate cannot be used: key values mismatch"),
            (CLIENT.certificate + AUTHORITY.issue(passphrase=b"x").key, "client_certificate cannot be used"),
        ):
            error = refused(configured(peer, certificate=certificate))
            assert words in error.remarks[0]
            assert (error.code, error.unreachable) == ("tls-certificate", False)
    assert len(peer.requests) == 1


def test_the_key_is_in_no_file_that_has_a_name(monkeypatch: Any, tmp_path: Any) -> None:
    """Seen in the moment in which it is read: by then it must be somewhere, if anywhere."""
    found: List[Tuple[List[str], int]] = []
    lists = os.listdir

    def looking(context: Any, path: str, **options: Any) -> None:
        found.append((lists(str(tmp_path)), os.stat(path).st_mode & 0o077))
        loads(context, path, **options)

    loads = ssl.SSLContext.load_cert_chain
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for with_memory in (True, False):
        with Peer(answering(), SERVER, client_ca=AUTHORITY) as peer, monkeypatch.context() as patched:
            patched.setattr(ssl.SSLContext, "load_cert_chain", looking)
            if not with_memory:
                patched.delattr(os, "memfd_create", raising=False)
            assert ask(configured(peer, certificate=CLIENT.both)).reply.code == ACCEPT
    assert [names for names, _ in found] == [[], []]
    assert [others for _, others in found] == [0, 0]
    assert os.listdir(str(tmp_path)) == []


# A server that ends the connection: the next one is asked


def cutting(after: int, end: Callable[[Connection], None]) -> Script:
    """Return a script that does everything right until so many octets went, and then ends the connection."""

    def script(connection: Connection) -> None:
        connection.cut_after = after
        try:
            answering()(connection)
        except Cut:
            end(connection)

    return script


def close(connection: Connection) -> None:
    """Close the connection, having read what came, as the system would reset it else."""
    connection.raw.shutdown(socket.SHUT_WR)
    connection.wait_for_end()


def steps(newest: str, protocols: Sequence[str]) -> List[int]:
    """Return after how many octets a right server's records begin and end, and some inside them."""
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
@pytest.mark.parametrize(
    "newest, protocols", [("TLSv1_2", ()), ("TLSv1_3", ()), ("TLSv1_3", (VERSION_1_1,))], ids=["1.2", "1.3", "1.1"]
)
def test_a_server_that_ends_the_connection_at_any_step(
    newest: str, protocols: Sequence[str], end: Callable[[Connection], None]
) -> None:
    positions = steps(newest, protocols)
    assert len(positions) > 30
    with Server(answering_udp(b"udp")) as backup:
        second = configured(backup, "radius_2", tls=None)._replace(secret=Secret("udp"))
        for position in positions:
            with Peer(cutting(position, end), SERVER, newest=newest, protocols=protocols) as peer:
                found = ask(configured(peer), second)
            assert (found.origin.section, found.reply.code, found.over) == ("radius_2", ACCEPT, "")
            assert "the server " in found.remarks[0] and " the connection" in found.remarks[0]


@pytest.mark.parametrize("position", [0, 1, 100, 600, -1])
def test_a_server_that_falls_silent_at_any_step(position: int) -> None:
    after = steps("TLSv1_3", ())[-1] if position < 0 else position
    with Server(answering_udp(b"udp")) as backup, Peer(cutting(after, Connection.wait_for_end), SERVER) as peer:
        second = configured(backup, "radius_2", tls=None)._replace(secret=Secret("udp"))
        found = ask(configured(peer, conn_timeout=0.3), second)
    assert found.origin.section == "radius_2"
    words = "no reply to 1 send" if position < 0 else "the TLS handshake was not over in time"
    assert found.remarks == ("[radius] 127.0.0.1:{}: {}".format(peer.port, words),)


def ending(end: Callable[[Connection], None]) -> Script:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        end(connection)

    return script


def ends_tls(connection: Connection) -> None:
    connection.end()
    connection.wait_for_end()


@pytest.mark.parametrize("end", [close, Connection.reset, Connection.end, ends_tls])
def test_an_end_instead_of_an_answer(end: Callable[[Connection], None]) -> None:
    with Peer(ending(end), SERVER) as peer:
        error = refused(configured(peer))
    assert (error.code, error.unreachable) == ("tls-failed", False)
    assert error.remarks[0].partition(": ")[2] in [
        "the server {} the connection; it may want a client certificate".format(verb) for verb in ("closed", "reset")
    ]


def test_who_has_a_certificate_is_told_another_doubt() -> None:
    with Peer(ending(close), SERVER) as peer:
        error = refused(configured(peer, certificate=CLIENT.both))
    assert error.remarks[0].endswith("; it may not know this client certificate")


def test_an_end_after_a_status_leaves_no_doubt() -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.send(answer(connection, connection.receive()))
        close(connection)

    with Peer(script, SERVER) as peer:
        error = refused(configured(peer, status_check="status-server", status_check_after=0.1))
    words = "the server closed the connection, but it answered a Status-Server"
    assert error.remarks == ("[radius] 127.0.0.1:{}: {}".format(peer.port, words),)


def test_a_server_that_accepts_and_closes_was_never_heard() -> None:
    with Peer(lambda connection: connection.raw.shutdown(socket.SHUT_WR), SERVER) as peer:
        error = refused(configured(peer))
    assert (error.code, error.unreachable) == ("tls-failed", True)


def test_an_end_that_comes_with_the_end_of_the_handshake() -> None:
    """In one segment, and the TCP connection stays: nothing comes after it that could wake who waits for more."""

    def script(connection: Connection) -> None:
        connection.joins = True
        connection.shake_hands()
        connection.end()
        connection.let_go()
        connection.wait_for_end()

    with Peer(script, SERVER, newest="TLSv1_2") as peer:
        error = refused(configured(peer, conn_timeout=10.0))
    assert (error.code, error.unreachable) == ("tls-failed", False)
    assert "the server closed the connection" in error.remarks[0]


@pytest.mark.parametrize("protocols", PROTOCOLS)
def test_an_octet_at_a_time(protocols: Sequence[str]) -> None:
    def script(connection: Connection) -> None:
        connection.trickles = True
        answering(ACCEPT, [(REPLY_MESSAGE, b"x" * 200)])(connection)

    with Peer(script, SERVER, protocols=protocols) as peer:
        assert ask(configured(peer)).reply.values(REPLY_MESSAGE) == [b"x" * 200]


def test_an_octet_now_and_then_is_not_waited_for_longer() -> None:
    """Each one comes in time, all of them would not: the bound is for the whole."""
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
        error = refused(configured(peer, conn_timeout=0.3))
        gone.set()
    assert error.remarks == ("[radius] 127.0.0.1:{}: no reply to 1 send".format(peer.port),)


# A server that speaks something else


def saying(octets: bytes) -> Script:
    """Return a script that says this instead of a handshake."""

    def script(connection: Connection) -> None:
        connection.raw.recv(65536)
        connection.send_raw(octets)
        connection.wait_for_end()

    return script


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        bytes(range(1, 256)) * 80,
        b"\2\7\0\x14" + bytes(16),
        b"\n" * 100000,
    ],
)
def test_plain_text(octets: bytes) -> None:
    with Peer(saying(octets), SERVER) as peer:
        error = refused(configured(peer))
    assert (error.code, error.unreachable) == ("tls-failed", False)
    assert "TLS" in error.remarks[0]


@pytest.mark.parametrize(
    "octets, words",
    [
        ("15030300020278", "speaks something other than RADIUS"),
        ("15030300020246", "speaks neither TLS 1.2 nor a newer one"),
        ("15030300020228", "it may want a client certificate"),
        ("15030300020250", "TLS failed: "),
        ("1603030004" + "02000000", "TLS failed: "),
    ],
)
def test_alerts_and_other_handshakes(octets: str, words: str) -> None:
    with Peer(saying(bytes.fromhex(octets)), SERVER) as peer:
        assert words in refused(configured(peer)).remarks[0]


def test_tls_too_old() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_1") as peer:
        assert "speaks neither TLS 1.2 nor a newer one" in refused(configured(peer)).remarks[0]


def test_radius_1_1_with_tls_too_old_for_it() -> None:
    with Peer(answering(), SERVER, newest="TLSv1_2", protocols=[VERSION_1_1]) as peer:
        error = refused(configured(peer))
    assert error.code == "tls-failed" and peer.requests == []
    assert error.remarks[0].endswith("the server chose RADIUS/1.1 with TLSv1.2, which needs TLS 1.3")


@pytest.mark.parametrize("octets", [b"plain text after all", b"\x17\3\3\0\x30" + bytes(48), b"\x16\3\3\xff\xff" * 9])
def test_what_is_not_tls_any_more(octets: bytes) -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.send_raw(octets)
        connection.wait_for_end()

    with Peer(script, SERVER) as peer:
        assert refused(configured(peer)).code == "tls-failed"


# A server whose RADIUS is wrong: over TLS it can be no one else's, so it is done with


def wrong_mark(connection: Connection, request: Request) -> bytes:
    octets = bytearray(answer(connection, request))
    octets[1] ^= 1
    octets[7] ^= 1
    return bytes(octets)


def second_reply(connection: Connection, request: Request) -> bytes:
    return answer(connection, request, REJECT) + answer(connection, request)


def reply_and_a_bit(connection: Connection, request: Request) -> bytes:
    return answer(connection, request) + b"\2"


def reply_and_garbage(connection: Connection, request: Request) -> bytes:
    return answer(connection, request) + b"\0" * 50


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


Wrong = Callable[[Connection, Request], bytes]


@pytest.mark.parametrize("protocols", PROTOCOLS)
@pytest.mark.parametrize(
    "wrong, words",
    [
        (wrong_mark, "dropped 1 reply whose "),
        (second_reply, "beyond the one that was asked for"),
        (reply_and_a_bit, "beyond the one that was asked for"),
        (reply_and_garbage, "beyond the one that was asked for"),
        (protocol_error, "of a code that answers no such request"),
        (too_long, "whose header or length is wrong"),
        (too_short, "whose header or length is wrong"),
        (attribute_past_the_end, "whose attributes do not fit the packet"),
        (the_request_itself, "of a code that answers no such request"),
    ],
)
def test_wrong_replies(wrong: Wrong, words: str, protocols: Sequence[str]) -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        connection.send(wrong(connection, connection.receive()))
        connection.wait_for_end()

    with Peer(script, SERVER, protocols=protocols) as peer, Peer(answering(), SERVER) as backup:
        found = ask(configured(peer), configured(backup, "radius_2"))
        error = refused(configured(peer))
    assert found.origin.section == "radius_2"
    assert words in found.remarks[0]
    assert found.remarks[1] == "[radius] 127.0.0.1:{}: closed the connection for that".format(peer.port)
    assert (error.code, error.unreachable) == ("bad-reply", False)


def test_another_secret() -> None:
    with Peer(answering(secret=b"another"), SERVER) as peer:
        error = refused(configured(peer))
    assert error.code == "wrong-secret"


def test_radius_1_1_knows_no_secret() -> None:
    with Peer(answering(secret=b"another"), SERVER, protocols=[VERSION_1_1]) as peer:
        assert ask(configured(peer)).reply.code == ACCEPT


# Slow and dead


def slow(answers_status: bool, hurry: threading.Event) -> Script:
    """Return the script of a server that answers the request when it is in a hurry, and before that a Status-Server."""

    def script(connection: Connection) -> None:
        connection.shake_hands()
        first = connection.receive()
        if connection.receive().octets[0] == STATUS_SERVER and answers_status:
            status = Request(connection.requests[-1], (), 1)
            connection.send(answer(connection, status))
        hurry.wait(PATIENT)
        connection.send(answer(connection, first))
        connection.wait_for_end()

    return script


class Remembering(Health):
    """A memory in the process itself, that tells what it was told."""

    def __init__(self, told: Callable[[str, str], None] = lambda fact, server: None) -> None:
        super().__init__(None, 0.0)
        self.facts: List[Tuple[str, str]] = []
        self._told = told

    def failed(self, server: str) -> None:
        self.facts.append(("failed", server))

    def answered(self, server: str) -> None:
        self.facts.append(("answered", server))

    def answered_status(self, server: str) -> None:
        self.facts.append(("status", server))
        self._told("status", server)


@pytest.mark.parametrize("protocols", PROTOCOLS)
def test_status_is_asked_once_over_the_same_connection(protocols: Sequence[str]) -> None:
    hurry = threading.Event()
    health = Remembering(lambda fact, server: hurry.set())
    with Peer(slow(True, hurry), SERVER, protocols=protocols) as peer:
        server = configured(peer, status_check="status-server", status_check_after=0.1)
        found = ask(server, health=health)
    assert (found.reply.code, found.sends) == (ACCEPT, 1)
    (connection,) = peer.connections
    assert [octets[0] for octets in connection.requests] == [1, STATUS_SERVER]
    name = "127.0.0.1:{}/tls".format(peer.port)
    assert health.facts == [("status", name), ("answered", name)]


@pytest.mark.parametrize("protocols", PROTOCOLS)
@pytest.mark.parametrize("code", [REJECT, accounting.ACCOUNTING_RESPONSE, PROTOCOL_ERROR])
def test_a_status_that_is_answered_otherwise_does_not_end_the_login(code: int, protocols: Sequence[str]) -> None:
    def script(connection: Connection) -> None:
        connection.shake_hands()
        request = connection.receive()
        connection.send(answer(connection, connection.receive(), code))
        hurry.wait(PATIENT)
        connection.send(answer(connection, request))
        connection.wait_for_end()

    hurry = threading.Event()
    health = Remembering(lambda fact, server: hurry.set())
    with Peer(script, SERVER, protocols=protocols) as peer:
        found = ask(configured(peer, status_check="status-server", status_check_after=0.1), health=health)
    assert (found.reply.code, found.remarks) == (ACCEPT, ())
    assert [fact for fact, _ in health.facts] == ["status", "answered"]


def test_a_server_known_to_answer_status_that_does_not_is_dead(tmp_path: Any) -> None:
    hurry = threading.Event()
    health = Health(str(tmp_path), 60.0)
    with Peer(slow(False, hurry), SERVER) as peer, Peer(answering(), SERVER) as backup:
        health.answered_status("127.0.0.1:{}/tls".format(peer.port))
        server = configured(peer, status_check="status-server", status_check_after=0.1)
        found = ask(server, configured(backup, "radius_2"), health=health)
        assert found.origin.section == "radius_2"
        assert found.remarks == ("[radius] 127.0.0.1:{}: no reply to 1 send, nor to a Status-Server".format(peer.port),)
        assert health.mark("127.0.0.1:{}/tls".format(peer.port)).dead
        hurry.set()
        assert ask(server, configured(backup, "radius_2"), health=health).remarks == ()
        assert len(backup.connections) == 2
    assert len(peer.connections) == 1


def test_nothing_is_sent_twice() -> None:
    with Peer(ending(Connection.wait_for_end), SERVER) as peer:
        error = refused(configured(peer, conn_timeout=0.3))
    assert (error.code, error.unreachable) == ("no-reply", False)  # for who shakes hands is there
    assert len(peer.requests) == 1


def test_a_closed_port() -> None:
    with contextlib.closing(socket.socket()) as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        error = refused(configured(held.getsockname()))
    assert (error.code, error.unreachable) == ("connection-refused", True)


def test_no_tcp_connection_in_time() -> None:
    """A host that drops what it gets, as Linux does when nobody takes the connections that wait."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(contextlib.closing(socket.socket()))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(contextlib.closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        error = refused(configured(full.getsockname(), connect_timeout=0.2))
        assert (error.code, error.unreachable) == ("no-reply", True)
        assert error.remarks[0].endswith("no TCP connection in time")


def test_no_address_to_leave_from() -> None:
    with Peer(answering(), SERVER) as peer:
        error = refused(configured(peer, source_ip="192.0.2.1"))
    assert error.code == "network"


def test_what_cannot_be_asked_leaves_nothing_open() -> None:
    def too_much(server: ServerSettings, local_ip: str) -> packet.Login:
        return login_for(server, local_ip)._replace(password=Secret("x" * 129))

    with Peer(answering(), SERVER) as peer, pytest.raises(packet.RequestError):
        ask(configured(peer), what=too_much)
    assert peer.requests == []
