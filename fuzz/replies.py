"""The properties that must hold for any octets that arrive as a reply; the fuzzer and the tests check them.

The octets are read as a reply to a request of RFC 2865 section 7, unchanged and also signed with the shared secret,
because otherwise hardly any code behind the digests is reached.
"""

import hashlib
import hmac
import re
import struct
import unicodedata
from typing import Container, Iterator, List, Optional, Sequence, Set

from lib import text
from lib.radius import mschap, packet
from lib.reasons import DENIALS
from tests.support.misbehaving import MESSAGE_AUTHENTICATOR, PROXY_STATE, REPLY_MESSAGE, STATE, Attribute
from tests.support.vectors import REQUEST_7_1, REQUEST_7_2, REQUEST_7_3, RFC_SECRET, SECOND_REQUEST_7_3

MAX_INPUT = 65536
REQUESTS = {request[1]: request for request in (REQUEST_7_1, REQUEST_7_2, REQUEST_7_3, SECOND_REQUEST_7_3)}
PROVED = "S=" + "0123456789ABCDEF" * 2 + "01234567"
WAYS = ((True, packet.LOGIN_CODES), (False, packet.LOGIN_CODES), (True, packet.STATUS_CODES))
JOINERS = "\u200c\u200d"


def read(octets: bytes) -> Set[packet.Reply]:
    """Read octets in every way that a reply is read, and return the accepted replies.

    Raise AssertionError, or any exception of the client, if a property does not hold.
    """
    request = request_for(octets)
    accepted: Set[packet.Reply] = set()
    for datagram in variants(octets, request):
        for required, codes in WAYS:
            reply = verified(datagram, request, required, codes)
            if reply is not None:
                accepted.add(reply)
    for reply in accepted:
        accessors(reply)
    # No reply contains as much text as this, but the reader must cope with it.
    message([octets[at : at + packet.MAX_VALUE_OCTETS] for at in range(0, len(octets), packet.MAX_VALUE_OCTETS)])
    mschap_values(octets)
    return accepted


def request_for(octets: bytes) -> bytes:
    """Return the request with the same identifier as the octets, or any request."""
    return REQUESTS.get(octets[1] if len(octets) > 1 else 0, REQUEST_7_1)


def verified(octets: bytes, request: bytes, required: bool, codes: Container[int]) -> Optional[packet.Reply]:
    """Return the reply if the client accepts it, after a comparison with another implementation of the RFCs."""
    expected = valid_attributes(octets, request, required, codes)
    try:
        reply = packet.verify(octets, request, RFC_SECRET, required, codes)
    except packet.Discarded as discarded:
        assert expected is None, f"a valid reply was discarded: {discarded}"
        assert discarded.reason.code in DENIALS
        return None
    assert expected is not None, "an invalid reply was accepted"
    assert reply == packet.Reply(octets[0], tuple(expected))
    return reply


def valid_attributes(octets: bytes, request: bytes, required: bool, codes: Container[int]) -> Optional[List[Attribute]]:
    """Return the attributes if the octets are a valid reply by RFC 2865 section 3 and RFC 3579 section 3.2."""
    length = int.from_bytes(octets[2:4], "big")
    if not packet.HEADER_OCTETS <= length <= min(len(octets), packet.MAX_OCTETS):
        return None
    body = octets[packet.HEADER_OCTETS : length]
    attributes = split(body)
    if join(attributes) != body:
        return None
    digests = [value for kind, value in attributes if kind == MESSAGE_AUTHENTICATOR]
    blank = [(kind, bytes(16) if kind == MESSAGE_AUTHENTICATOR else value) for kind, value in attributes]
    head = octets[:4] + request[4:20]
    right = (
        octets[0] in codes
        and octets[1] == request[1]
        and PROXY_STATE not in [kind for kind, _ in attributes]
        and octets[4:20] == hashlib.md5(head + body + RFC_SECRET).digest()
        and (digests == [hmac.new(RFC_SECRET, head + join(blank), "md5").digest()] or not digests and not required)
    )
    return attributes if right else None


def accessors(reply: packet.Reply) -> None:
    """Check the accessors of an accepted reply, attribute by attribute."""
    kinds = {kind for kind, _ in reply.attributes}
    assert sum(len(reply.values(kind)) for kind in kinds) == len(reply.attributes)
    assert len(join(reply.attributes)) <= packet.MAX_OCTETS - packet.HEADER_OCTETS
    states = reply.values(STATE)
    assert reply.state == (states[0] if states and states[0] else None)
    prompts = reply.values(packet.PROMPT)
    asked = int.from_bytes(prompts[0], "big") if prompts and len(prompts[0]) == 4 else None
    assert reply.echo is (bool(asked) if asked in (0, 1) else None)
    message(reply.values(REPLY_MESSAGE))
    vendors = {value[:4] for value in reply.values(packet.VENDOR_SPECIFIC)[:2] if len(value) >= 4}
    for prefix in vendors | {struct.pack("!L", packet.MICROSOFT)}:
        vendor_values(reply, prefix)
    for kind in (packet.MS_CHAP_ERROR, packet.MS_CHAP2_SUCCESS):
        for value in reply.vendor_values(packet.MICROSOFT, kind):
            mschap_values(value)


def vendor_values(reply: packet.Reply, prefix: bytes) -> None:
    """Check that the attributes of a vendor fill their Vendor-Specific to its end."""
    vendor = int.from_bytes(prefix, "big")
    insides = [value[4:] for value in reply.values(packet.VENDOR_SPECIFIC) if value.startswith(prefix)]
    inner = [each for inside in insides if join(split(inside)) == inside for each in split(inside)]
    for kind in {packet.MS_CHAP_ERROR, packet.MS_CHAP2_SUCCESS} | {each for each, _ in inner[:4]}:
        assert reply.vendor_values(vendor, kind) == [value for each, value in inner if each == kind]


def mschap_values(value: bytes) -> None:
    """Check an MS-CHAP-Error and an MS-CHAP2-Success with this value."""
    error = mschap.parse_error(value)
    assert error.message in value
    assert error.code is None or re.search(b"E=0*%d(?![0-9])" % error.code, value)
    assert text.safe(error.text) == error.text and "\n" not in error.text and len(error.text) < 100
    message([error.message])
    proof = b"\7" + PROVED.encode("ascii")
    assert mschap.verify_success(PROVED, value, 7) == (value == proof or value.startswith(proof + b" M="))


def message(parts: Sequence[bytes]) -> None:
    """Check that the text of these Reply-Messages can be shown, and is no longer than they are."""
    shown = text.reply_message(parts)
    assert len(shown) <= sum(len(part) + 1 for part in parts)
    for char in set(shown) - set("\n" + JOINERS):
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), f"U+{ord(char):04X} is shown"
    line = text.one_line(shown)
    assert len(line) <= 500 and "\n" not in line


def variants(octets: bytes, request: bytes) -> Iterator[bytes]:
    """Yield the octets, and variants that reach more code: with a valid header, valid digests, valid lengths."""
    yield octets
    yield hashed(signed(octets, request), request)
    body = octets[packet.HEADER_OCTETS : packet.MAX_OCTETS]
    answer = headed(octets, request, body)
    yield hashed(answer, request)  # what BlastRADIUS achieves, without regard to the Message-Authenticator
    yield hashed(signed(answer, request), request)
    others = [each for each in split(body) if each[0] not in (MESSAGE_AUTHENTICATOR, PROXY_STATE)]
    fitting = join([(MESSAGE_AUTHENTICATOR, bytes(16))] + others)
    if len(fitting) <= packet.MAX_OCTETS - packet.HEADER_OCTETS:
        yield hashed(signed(headed(octets, request, fitting), request), request)


def headed(octets: bytes, request: bytes, body: bytes) -> bytes:
    """Return a reply to the request with this body, with the code of the octets if a login can have it."""
    code = octets[0] if octets[:1] and octets[0] in packet.LOGIN_CODES else packet.LOGIN_CODES[len(octets) % 3]
    return struct.pack("!BBH", code, request[1], packet.HEADER_OCTETS + len(body)) + bytes(16) + body


def signed(octets: bytes, request: bytes) -> bytes:
    """Return the octets with a valid first Message-Authenticator, if there is one of the right length."""
    body = octets[packet.HEADER_OCTETS : int.from_bytes(octets[2:4], "big")]
    at = packet.HEADER_OCTETS
    for kind, value in split(body):
        at += 2
        if kind == MESSAGE_AUTHENTICATOR and len(value) == 16:
            blank = octets[:at] + bytes(16) + octets[at + 16 :]
            covered = blank[:4] + request[4:20] + blank[packet.HEADER_OCTETS : packet.HEADER_OCTETS + len(body)]
            return octets[:at] + hmac.new(RFC_SECRET, covered, "md5").digest() + octets[at + 16 :]
        at += len(value)
    return octets


def hashed(octets: bytes, request: bytes) -> bytes:
    """Return the octets with a valid Response Authenticator over the length in the header."""
    body = octets[packet.HEADER_OCTETS : int.from_bytes(octets[2:4], "big")]
    authenticator = hashlib.md5(octets[:4] + request[4:20] + body + RFC_SECRET).digest()
    return octets[:4] + authenticator + octets[packet.HEADER_OCTETS :]


def split(octets: bytes) -> List[Attribute]:
    """Return the attributes up to the first with an invalid length."""
    attributes, at = [], 0
    while at + 1 < len(octets) and 2 <= octets[at + 1] <= len(octets) - at:
        attributes.append((octets[at], octets[at + 2 : at + octets[at + 1]]))
        at += octets[at + 1]
    return attributes


def join(attributes: Sequence[Attribute]) -> bytes:
    """Return attributes as octets."""
    return b"".join(bytes([kind, len(value) + 2]) + value for kind, value in attributes)
