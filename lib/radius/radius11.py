"""RADIUS/1.1 (RFC 9765), pure: the packets of a TLS connection on which client and server have agreed on it.

TLS authenticates and encrypts everything, so there is no MD5, no secret and no Message-Authenticator. A Token matches
replies to requests, in place of identifier and authenticator.
"""

import struct
from typing import Container

from .. import log_lines
from . import packet
from .packet import Attributes, Discarded, DiscardReason, Login, Random, Reply
from .pyrad_codec import RequestEncoder

ALPN = "radius/1.1"
UNEXPECTED_TOKEN = DiscardReason(log_lines.UNEXPECTED_TOKEN.text, "bad-reply")
_TOKEN = slice(4, 8)
_TOKEN_OCTETS, _RESERVED = 4, bytes(12)


def encode(login: Login, random: Random) -> bytes:
    """Return the octets of an Access-Request with a new Token; raise RequestError if the name or password do not fit.

    User-Password is sent as it is, with at least one octet (section 5.1.1): an empty one is a NUL, which servers strip.
    """
    encoder = RequestEncoder(packet.ACCESS_REQUEST, 0, _token(random))
    packet.add_login(encoder, login, random, lambda password: password or b"\0")
    return packet.encoded(encoder)


def encode_status(attributes: Attributes, random: Random) -> bytes:
    """Return the octets of a Status-Server (RFC 5997) with a new Token."""
    encoder = RequestEncoder(packet.STATUS_SERVER, 0, _token(random))
    packet.add_attributes(encoder, attributes)
    return packet.encoded(encoder)


def with_header(code: int, body: bytes, random: Random) -> bytes:
    """Return the octets of a packet with this code, a new Token and these attributes."""
    return struct.pack("!BBH", code, 0, packet.HEADER_OCTETS + len(body)) + _token(random) + body


def belongs(octets: bytes, request: bytes) -> bool:
    """Whether a packet has the Token of this request."""
    return octets[_TOKEN] == request[_TOKEN]


def verify(octets: bytes, request: bytes, codes: Container[int]) -> Reply:
    """Return the reply in a packet if it answers `request`; raise Discarded if it does not.

    The reserved octets and any Message-Authenticator are ignored (sections 4.1 and 5.2).
    """
    code, octets = packet.read_header(octets)
    if not belongs(octets, request):
        raise Discarded(UNEXPECTED_TOKEN)
    if code not in codes:
        raise Discarded(packet.UNEXPECTED_CODE)
    attributes = [(kind, value) for _, kind, value in packet.walk(octets) if kind != packet.MESSAGE_AUTHENTICATOR]
    return Reply(code, tuple(attributes))


def _token(random: Random) -> bytes:
    return random(_TOKEN_OCTETS) + _RESERVED
