"""What must hold of any octets that arrive as EAP, outside or inside a tunnel: no other error, and no success.

The octets are read as one packet, and as many, each after its length in two octets.
"""

from typing import Iterator, List

from lib.config.options import TUNNELED
from lib.radius.eap import avp, fragments, message
from lib.radius.eap.errors import EapError
from lib.radius.eap.inner import InnerMethod, TunnelChallenge
from lib.radius.eap.login import EapLogin
from lib.radius.eap.peap import PeapMsChapV2
from lib.radius.eap.ttls import Pap
from lib.radius.eap.tunnel import Tunnel
from lib.radius.server import TlsSettings, TunnelSettings
from lib.reasons import DENIALS
from lib.secret import Secret
from tests.support.tunnel import AUTHORITY, NAME

MAX_INPUT = 65536
PASSWORD = Secret("fuzzed password")
SETTINGS = TunnelSettings("anonymous", True, TlsSettings(NAME, AUTHORITY.certificate, Secret("")))


def read(octets: bytes) -> None:
    """Read octets in every way; raise AssertionError, or any other error of the client, if a property does not hold."""
    packet(octets)
    attributes(octets)
    whole = messages(octets)
    joined(whole)
    for method in TUNNELED:
        outside(method, whole)
    # Without an exporter: the keys of a tunnel that does not exist cannot be asked for.
    for kind in (Pap, PeapMsChapV2):
        inside(kind("alice", PASSWORD, Tunnel(SETTINGS.tls, NAME, has_exporter=False), bytes), whole)


def messages(octets: bytes) -> List[bytes]:
    """Return the octets after each length."""
    found = []
    while len(octets) > 2:
        size = int.from_bytes(octets[:2], "big")
        found.append(octets[2 : 2 + size])
        octets = octets[2 + size :]
    return found


def packet(octets: bytes) -> None:
    """Check that a packet that is read is the one that would be written."""
    try:
        found = message.parse(octets)
    except EapError as error:
        check(error, octets)
        return
    if found.code in (message.REQUEST, message.RESPONSE):
        assert message.encode(found.code, found.identifier, found.kind, found.content) == octets


def attributes(octets: bytes) -> None:
    """Check that the AVPs that are read are those that would be written."""
    try:
        found = avp.parse(octets)
    except EapError as error:
        check(error, octets)
        return
    assert avp.parse(avp.encode(*found)) == found
    assert sum(len(each.value) for each in found) <= len(octets)


def joined(contents: List[bytes]) -> None:
    """Check that no message becomes longer than the limit, or than what arrived."""
    reassembler = fragments.Reassembler()
    total = 0
    for content in contents:
        total += len(content)
        try:
            whole = reassembler.add(fragments.parse(content))
        except EapError as error:
            check(error, content)
            return
        assert whole is None or len(whole) <= min(total, fragments.MAX_MESSAGE_OCTETS)


def outside(method: str, packets: List[bytes]) -> None:
    """Check that every response is an EAP response that fits, and that no success counts."""
    login = EapLogin(method, "alice", PASSWORD, SETTINGS, NAME, bytes)
    login.start()
    for octets in packets:
        try:
            response = login.receive(octets)
        except EapError as error:
            check(error, octets)
            break
        assert isinstance(response, bytes)
        answered = message.parse(response)
        assert (answered.code, answered.identifier) == (message.RESPONSE, octets[1])
        assert len(answered.content) <= fragments.MAX_FRAGMENT_OCTETS + 5
    assert not login.is_established
    for success in successes(packets):
        try:
            login.accept(success)
        except EapError as error:
            assert error.is_final
        else:
            raise AssertionError("a success without a tunnel")


def successes(packets: List[bytes]) -> Iterator[bytes]:
    """Yield an EAP-Success for the last packet, and what the packets have."""
    yield bytes([message.SUCCESS, packets[-1][1] if packets and len(packets[-1]) > 1 else 0, 0, 4])
    yield from packets[-2:]


def inside(method: InnerMethod, contents: List[bytes]) -> None:
    """Check that a method reads anything, and that only PAP, whose server proves nothing inside, is ever complete."""
    for identifier, octets in enumerate(contents):
        try:
            answer = method.receive(octets, identifier % 256)
        except EapError as error:
            check(error, octets)
            break
        if isinstance(answer, TunnelChallenge):
            assert len(answer.message) <= len(octets)
            break
    assert isinstance(method, Pap) or not method.is_complete, "a success without a proof"


def check(error: EapError, octets: bytes) -> None:
    """Check the error that a packet leads to."""
    assert error.code in DENIALS
    assert error.text.isprintable() and "fuzzed" not in error.text
