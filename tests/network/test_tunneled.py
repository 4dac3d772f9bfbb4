"""Logins inside a tunnel, through the client: what it sends, what it follows, and which Access-Accept it believes."""

import contextlib
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import pytest

from lib import log_lines, reasons
from lib.config.options import TUNNELED
from lib.radius import client, packet
from lib.radius.eap.login import EapLogin
from lib.radius.encoded_request import EncodedRequest
from lib.radius.profile import OriginalRadius
from lib.radius.request import LoginRequest, Origin
from lib.radius.result import Answer, NoAnswer, OriginGone
from lib.radius.server import ServerSettings, TlsSettings, TunnelSettings
from lib.radius.tunneled import Content, TunneledRequest
from lib.secret import Secret
from tests.support import tls_peer
from tests.support.cases import Cases
from tests.support.certificates import DAY, Authority, Identity
from tests.support.eap_server import Faults
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    USER_NAME,
    Attribute,
    Request,
    Server,
    answering,
    nothing_left_open,
    reply,
    silent,
)
from tests.support.tunnel import (
    AUTHORITY,
    CERTIFICATE,
    EAP_MESSAGE,
    NAME,
    PASSWORD,
    RECV_KEY,
    SEND_KEY,
    VENDOR_SPECIFIC,
    TunnelScript,
    at,
    eap_message,
    key_attribute,
)

LONG = 60.0  # seconds; only a test that fails waits that long
Reply = Tuple[int, List[Attribute]]


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


def configured(
    server: Union[Server, tls_peer.Peer],
    method: str = "ttls-pap",
    require_keys: bool = True,
    section: str = "radius",
    **changes: Any,
) -> ServerSettings:
    """Return the settings of a server with a tunneled method; `changes` are those to its options."""
    tls = TlsSettings(changes.pop("name", NAME), changes.pop("ca", AUTHORITY.certificate), Secret(""))
    tunnel = TunnelSettings(changes.pop("anonymous_identity", "anonymous"), require_keys, tls)
    settings = ServerSettings(
        section,
        server.host,
        server.port,
        Secret(SECRET.decode("ascii")),
        method,
        LONG,
        1,
        0.0,
        True,
        "",
        "none",
        3,
        3,
        3,
    )
    return settings._replace(tunnel=tunnel, **changes)


def login(*servers: ServerSettings, user_name: str = "alice", **options: Any) -> LoginRequest:
    names = {server.section: user_name for server in servers}
    return LoginRequest(names, Secret(options.pop("password", PASSWORD)), **options)


def ask(*servers: ServerSettings, **options: Any) -> Answer:
    return client.ask(servers, login(*servers, **options), LONG)


def no_answer(*servers: ServerSettings, **options: Any) -> NoAnswer:
    """Return the NoAnswer that `ask` raises; it contains no secret."""
    with pytest.raises(NoAnswer) as caught:
        ask(*servers, **options)
    for text in caught.value.log_lines:
        assert PASSWORD not in text and "\n" not in text
    return caught.value


class TestMethods:
    def test_every_method_and_version_of_tls(self) -> None:
        with Cases() as cases:
            for method in TUNNELED:
                for version in ("TLSv1.2", "TLSv1.3"):
                    with cases.case(f"{method} {version}"):
                        script = TunnelScript(method, tls_version=version, groups=[b"admins"])
                        with Server(script) as server:
                            answer = ask(configured(server, method))
                        assert answer.reply.code == ACCEPT
                        assert answer.reply.values(11) == [b"admins"]
                        assert version in answer.tunnel
                        assert answer.certificate is not None and NAME in answer.certificate.names
                        assert answer.log_lines == ()

    def test_wrong_password_is_rejected(self) -> None:
        with Cases() as cases:
            for method in TUNNELED:
                with cases.case(method), Server(TunnelScript(method)) as server:
                    assert ask(configured(server, method), password="wrong").reply.code == REJECT

    def test_user_name_and_password_stay_inside(self) -> None:
        with Cases() as cases:
            for method in TUNNELED:
                with cases.case(method):
                    script = TunnelScript(method)
                    with Server(script) as server:
                        ask(configured(server, method), user_name="alice@corp.example")
                    for request in server.requests:
                        assert request.values(USER_NAME) == [b"anonymous@corp.example"]
                        assert b"alice" not in request.octets
                        assert PASSWORD.encode("ascii") not in request.octets
                    assert script.conversations[0].identity == b"anonymous@corp.example"
                    assert script.conversations[0].inner_name == b"alice@corp.example"

    def test_small_fragments(self) -> None:
        with Cases() as cases:
            for method in TUNNELED:
                with cases.case(method), Server(TunnelScript(method, fragment=100)) as server:
                    assert ask(configured(server, method)).reply.code == ACCEPT

    def test_requests_are_signed_and_alike(self) -> None:
        with Server(TunnelScript("ttls-pap", fragment=200)) as server:
            ask(configured(server), attributes=((0, packet.NAS_IDENTIFIER, b"sps"),))
        assert len(server.requests) > 4
        identifiers = [request.octets[1] for request in server.requests]
        assert len(set(identifiers)) == len(identifiers)
        for request in server.requests:
            kinds = [kind for kind, _ in request.attributes()]
            assert kinds[0] == packet.MESSAGE_AUTHENTICATOR
            assert request.values(packet.NAS_IDENTIFIER) == [b"sps"]
            assert len(request.values(packet.FRAMED_MTU)) == 1
            assert all(len(value) == 253 for value in request.values(EAP_MESSAGE)[:-1])
            assert not {packet.USER_PASSWORD, packet.CHAP_PASSWORD} & set(kinds)


def without(*kinds: int) -> Any:
    """Return a change that takes attributes out of an Access-Accept."""

    def change(code: int, attributes: List[Attribute], _: Request) -> Reply:
        return code, [each for each in attributes if code != ACCEPT or each[0] not in kinds]

    return change


def with_keys(*keys: Tuple[int, bytes]) -> Any:
    """Return a change that puts other keys into an Access-Accept."""

    def change(code: int, attributes: List[Attribute], request: Request) -> Reply:
        others = [each for each in attributes if code != ACCEPT or each[0] != VENDOR_SPECIFIC]
        return code, others + [key_attribute(kind, key, request) for kind, key in keys if code == ACCEPT]

    return change


def doubled(code: int, attributes: List[Attribute], request: Request) -> Reply:
    """Put a second key of each kind into an Access-Accept, after the right one."""
    others = [key_attribute(kind, bytes(32), request) for kind in (RECV_KEY, SEND_KEY)]
    return code, attributes + (others if code == ACCEPT else [])


def last_code(code: int) -> Any:
    """Return a change that gives the last reply another code."""

    def change(before: int, attributes: List[Attribute], _: Request) -> Reply:
        return code if before != CHALLENGE else before, attributes

    return change


def accepted_without_exporter(require_keys: bool) -> Tuple[EncodedRequest, packet.Reply]:
    """Return the last request of a login whose tunnel cannot export keys, and the Access-Accept."""
    tunnel = TunnelSettings("anonymous", require_keys, TlsSettings(NAME, AUTHORITY.certificate, Secret("")))
    login = EapLogin("ttls-pap", "alice", Secret(PASSWORD), tunnel, NAME, os.urandom, has_exporter=False)
    content, encoding = Content("ttls-pap", tunnel, (), (), False), OriginalRadius(SECRET, True)
    script = TunnelScript("ttls-pap")
    earlier: List[bytes] = []
    following: Optional[EncodedRequest] = TunneledRequest(login, content, login.start(), None, encoding, os.urandom)
    while following is not None:
        request = following
        (octets,) = script(Request(request.octets, (), len(earlier)))
        earlier.append(request.octets)
        found = request.verify(octets)
        following = request.follow(found, earlier)
    return request, found


class TestProof:
    def test_accept_that_the_tunnel_does_not_prove(self) -> None:
        half = os.urandom(32)
        changes = {
            "no keys": (without(VENDOR_SPECIFIC), log_lines.KEYS_MISSING),
            "other keys": (with_keys((RECV_KEY, half), (SEND_KEY, half)), log_lines.KEYS_DIFFER),
            "one key": (with_keys((RECV_KEY, half)), log_lines.KEYS_DIFFER),
            "empty keys": (with_keys((RECV_KEY, b""), (SEND_KEY, b"")), log_lines.KEYS_DIFFER),
            "two keys of each kind": (doubled, log_lines.KEYS_DIFFER),
            "no EAP-Message": (without(EAP_MESSAGE), log_lines.EAP_MISSING),
            "forged success at once": (at(0, ACCEPT, bytes([3, 0, 0, 4])), None),
            "forged success in the handshake": (at(2, ACCEPT, bytes([3, 2, 0, 4])), None),
            "accept without EAP in the handshake": (at(2, ACCEPT, b""), None),
            "accept with a request in the handshake": (at(1, ACCEPT, bytes([1, 9, 0, 6, 21, 32])), None),
        }
        with Cases() as cases:
            for name, (change, line) in changes.items():
                for method in TUNNELED:
                    with cases.case(f"{name}, {method}"), Server(TunnelScript(method, change)) as server:
                        with Server(answering(SECRET)) as other:
                            servers = configured(server, method), configured(other, section="radius_2")
                            error = no_answer(*servers)
                        assert error.code == reasons.MUTUAL_AUTH_FAILED
                        assert error.is_alive
                        assert other.requests == []
                        if line is not None:
                            assert line.text in error.log_lines[-1]

    def test_keys_that_need_not_be_there_must_be_right(self) -> None:
        half = os.urandom(32)
        with Server(TunnelScript("ttls-pap", without(VENDOR_SPECIFIC))) as server:
            assert ask(configured(server, require_keys=False)).reply.code == ACCEPT
        with Server(TunnelScript("ttls-pap", with_keys((RECV_KEY, half), (SEND_KEY, half)))) as server:
            assert no_answer(configured(server, require_keys=False)).code == reasons.MUTUAL_AUTH_FAILED

    def test_keys_that_cannot_be_checked(self) -> None:
        with Cases() as cases:
            for require_keys in (True, False):
                with cases.case(require_keys):
                    request, reply = accepted_without_exporter(require_keys)
                    assert reply.code == ACCEPT
                    assert request.check_proof(reply) == (log_lines.KEYS_UNCHECKED.text if require_keys else "")
                    assert request.warnings(reply) == (log_lines.KEYS_UNCHECKED.text,)

    def test_false_proof_inside_ends_the_login_at_all_servers(self) -> None:
        with Cases() as cases:
            for method in TUNNELED[1:]:
                script = TunnelScript(method, faults=Faults(inner="wrong-success"))
                with cases.case(method), Server(script) as server, Server(TunnelScript(method)) as other:
                    error = no_answer(configured(server, method), configured(other, method, section="radius_2"))
                    assert (error.code, other.requests) == (reasons.MUTUAL_AUTH_FAILED, [])

    def test_code_of_radius_decides(self) -> None:
        with Server(TunnelScript("ttls-pap", last_code(REJECT))) as server:  # with an EAP-Success and keys
            assert ask(configured(server)).reply.code == REJECT
        with Server(TunnelScript("ttls-pap", last_code(ACCEPT))) as server:  # with an EAP-Failure
            assert no_answer(configured(server), password="wrong").code == reasons.MUTUAL_AUTH_FAILED

    def test_unsigned_reply_is_discarded(self) -> None:
        script = TunnelScript("ttls-pap")

        def unsigned(request: Request) -> List[bytes]:
            script(request)
            return [reply(request, SECRET, ACCEPT, eap_message(bytes([3, 0, 0, 4])), signature=None)]

        with Server(unsigned) as server:
            settings = configured(server, require_message_authenticator=False, conn_timeout=3.0)
            assert no_answer(settings).code == reasons.NO_MESSAGE_AUTHENTICATOR


class TestFaults:
    def test_server_that_cannot_be_trusted(self) -> None:
        expired = AUTHORITY.issue([NAME], [], begins=-2 * DAY, ends=-DAY)
        doubtful: Dict[str, Tuple[Identity, Dict[str, Any]]] = {
            "wrong CA": (CERTIFICATE, dict(ca=Authority("another").certificate)),
            "wrong name": (CERTIFICATE, dict(name="radius.example.net")),
            "expired": (expired, {}),
        }
        with Cases() as cases:
            for name, (certificate, options) in doubtful.items():
                for version in ("TLSv1.2", "TLSv1.3"):
                    with cases.case(f"{name}, {version}"):
                        script = TunnelScript("ttls-pap", certificate=certificate, tls_version=version)
                        with Server(script) as server:
                            error = no_answer(configured(server, **options))
                        assert error.code == reasons.TLS_CERTIFICATE
                        assert error.is_alive
                        assert script.conversations[0].inner_messages == []

    def test_next_server_is_asked_anew(self) -> None:
        scripts = TunnelScript("ttls-pap", faults=Faults(alert_at=1)), TunnelScript("ttls-pap")
        with Server(scripts[0]) as first, Server(scripts[1]) as second:
            answer = ask(configured(first), configured(second, section="radius_2"))
        assert answer.reply.code == ACCEPT
        assert answer.origin == Origin("radius_2", second.host, second.port)
        assert second.requests[0].values(packet.STATE) == []
        assert "[radius]" in answer.log_lines[0]

    def test_next_server_is_asked_if_the_settings_of_the_first_are_unusable(self) -> None:
        with Server(silent) as first, Server(TunnelScript("ttls-pap")) as second:
            unusable = configured(first, ca="no certificate")
            answer = ask(unusable, configured(second, section="radius_2"))
            assert (answer.reply.code, answer.origin.section) == (ACCEPT, "radius_2")
            assert "ca_certificate cannot be used" in answer.log_lines[0]
            assert no_answer(unusable).code == reasons.TLS_CERTIFICATE
        assert first.requests == []

    def test_plain_challenge_is_not_followed(self) -> None:
        with Server(answering(SECRET, CHALLENGE, [(REPLY_MESSAGE, b"code?"), (24, b"state")])) as server:
            assert no_answer(configured(server)).code == reasons.BAD_REPLY
        assert len(server.requests) == 1

    def test_lost_requests_and_replies(self) -> None:
        script = TunnelScript("peap-mschapv2")
        seen: List[bytes] = []

        def lossy(request: Request) -> List[bytes]:
            seen.append(request.octets)
            count = seen.count(request.octets)
            if count == 1 and len(seen) % 2:
                return []  # the request is lost
            replies = script(request)
            return replies if count > 1 or len(seen) % 3 else []  # the reply is lost

        with Server(lossy) as server:
            answer = ask(configured(server, "peap-mschapv2", retransmit_after=0.1))
        assert answer.reply.code == ACCEPT
        assert len(script.conversations) == 1
        assert answer.transmissions == len(server.requests) > len(set(seen))

    def test_late_replies_are_harmless(self) -> None:
        script = TunnelScript("ttls-pap")
        before: List[bytes] = []

        def repeating(request: Request) -> List[bytes]:
            replies = script(request)
            before.extend(replies)
            return before

        with Server(repeating) as server:
            answer = ask(configured(server))
        assert (answer.reply.code, answer.log_lines) == (ACCEPT, ())

    def test_datagrams_that_are_no_packets_are_discarded(self) -> None:
        script = TunnelScript("ttls-pap")
        with Server(lambda request: [b"", b"\2", *script(request)]) as server:
            answer = ask(configured(server))
        assert answer.reply.code == ACCEPT
        assert packet.MALFORMED_HEADER.text in answer.log_lines[0]

    def test_server_falls_silent(self) -> None:
        script = TunnelScript("ttls-pap")
        with Server(lambda request: script(request) if request.number < 3 else silent(request)) as server:
            error = no_answer(configured(server, conn_timeout=3.0))
        assert (error.code, error.is_alive) == (reasons.NO_ANSWER, True)


class TestChallengeInside:
    SCRIPT = Faults(challenges=[(b"Enter the next code", "second")])

    def test_challenge_is_answered_by_the_same_process(self) -> None:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(TunnelScript("ttls-pap", faults=self.SCRIPT)))
            settings = configured(server)
            challenged = ask(settings)
            assert (challenged.reply.code, challenged.messages) == (CHALLENGE, (b"Enter the next code",))
            assert challenged.challenge is not None
            more = dict(
                password="second",
                state=challenged.reply.state,
                origin=challenged.origin,
                challenge=challenged.challenge,
            )
            assert ask(settings, **more).reply.code == ACCEPT

    def test_rejection_does_not_repeat_the_challenge(self) -> None:
        with Server(TunnelScript("ttls-pap", faults=self.SCRIPT)) as server:
            settings = configured(server)
            challenged = ask(settings)
            assert challenged.challenge is not None
            more = dict(state=challenged.reply.state, origin=challenged.origin, challenge=challenged.challenge)
            answer = ask(settings, password="x", **more)
        assert (answer.reply.code, answer.messages) == (REJECT, ())

    def test_challenge_from_before_the_method_was_changed_is_not_answered(self) -> None:
        with Server(TunnelScript("ttls-pap")) as server:
            with pytest.raises(OriginGone):
                ask(configured(server), state=b"state", origin=Origin("radius", server.host, server.port))
        assert server.requests == []

    def test_other_methods_have_no_challenge(self) -> None:
        with Server(TunnelScript("ttls-mschapv2", faults=self.SCRIPT)) as server:
            assert ask(configured(server, "ttls-mschapv2")).challenge is None


class TestOverTls:
    def test_every_version_of_radius(self) -> None:
        with Cases() as cases:
            for protocols in ([], [tls_peer.VERSION_1_1]):
                for method in TUNNELED:
                    for are_right in (True, False):
                        with cases.case((protocols, method, are_right)):
                            with tls_peer.Peer(over_tls(method, are_right), CERTIFICATE, protocols=protocols) as peer:
                                settings = configured(peer, method, secret=Secret("radsec"))
                                assert settings.tunnel is not None
                                settings = settings._replace(tls=settings.tunnel.tls)
                                if are_right:
                                    answer = ask(settings)
                                    assert (answer.reply.code, answer.log_lines) == (ACCEPT, ())
                                else:
                                    error = no_answer(settings)
                                    assert error.code == reasons.MUTUAL_AUTH_FAILED
                                    assert log_lines.KEYS_DIFFER.text in error.log_lines[-1]
                            assert len(peer.connections) == 1
                            assert not any(b"alice" in octets for octets in peer.requests)


def over_tls(method: str, are_right: bool) -> tls_peer.Script:
    """Return a script that logs users in through a tunnel; it changes one octet of a key unless they `are_right`."""

    def script(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        is_1_1 = connection.protocol == tls_peer.VERSION_1_1

        def change(code: int, attributes: List[Attribute], request: Request) -> Reply:
            if code == ACCEPT:
                recv, send = tunnel.conversations[0].keys
                if not are_right:
                    send = send[:-1] + bytes([send[-1] ^ 1])
                attributes = [each for each in attributes if each[0] != VENDOR_SPECIFIC]
                for kind, key in ((RECV_KEY, recv), (SEND_KEY, send)):
                    plain = VENDOR_SPECIFIC, bytes([0, 0, 1, 0x37, kind, len(key) + 2]) + key
                    attributes.append(plain if is_1_1 else key_attribute(kind, key, request, tls_peer.SECRET))
            changed.append((code, attributes))
            return code, attributes

        changed: List[Reply] = []
        tunnel = TunnelScript(method, change, secret=tls_peer.SECRET)
        while True:
            request = connection.receive()
            (octets,) = tunnel(request)
            connection.send(tls_peer.reply_1_1(request, *changed[-1]) if is_1_1 else octets)

    return script


class TestHandshakeOnly:
    def test_nothing_is_sent_through_the_tunnel(self) -> None:
        with Cases() as cases:
            for method in TUNNELED:
                for version in ("TLSv1.2", "TLSv1.3"):
                    with cases.case(f"{method} {version}"):
                        script = TunnelScript(method, tls_version=version)
                        with Server(script) as server:
                            answer = ask(configured(server, method), ends_at_handshake=True)
                        assert answer.reply.code == CHALLENGE
                        assert version in answer.tunnel
                        assert answer.certificate is not None
                        assert script.conversations[0].inner_messages == []
