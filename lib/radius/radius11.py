"""RADIUS/1.1 (RFC 9765), pure: the packets of a TLS connection whose ends have agreed on it.

TLS proves and hides everything, so there is no MD5, no secret and no Message-Authenticator. A Token tells which request
a reply belongs to, where the identifier and the authenticators did.
"""

import struct
from typing import Container

from . import packet
from .packet import Attributes, Dropped, Flaw, Login, Random, Reply
from .pyrad_codec import RequestEncoder

ALPN = "radius/1.1"
TOKEN = Flaw("whose Token was not sent", "bad-reply")
_TOKEN = slice(4, 8)
_TOKEN_OCTETS, _RESERVED = 4, bytes(12)


def encode(login: Login, random: Random) -> bytes:
    """Return the octets of an Access-Request with a new Token; raise RequestError if the name or password do not fit.

    User-Password is as it is, and of one octet at least (section 5.1.1): an empty one is a NUL, which servers strip.
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
    """Return the octets of a packet of this code with a new Token, its attributes being there already."""
    return struct.pack("!BBH", code, 0, packet.HEADER_OCTETS + len(body)) + _token(random) + body


def belongs(octets: bytes, request: bytes) -> bool:
    """Whether a packet has the Token of this request."""
    return octets[_TOKEN] == request[_TOKEN]


def verify(octets: bytes, request: bytes, codes: Container[int]) -> Reply:
    """Return the reply that answers `request`, without the attributes that have no place here; raise Dropped if none.

    What is reserved is not looked at, nor a Message-Authenticator (sections 4.1 and 5.2).
    """
    code, octets = packet.opened(octets)
    if not belongs(octets, request):
        raise Dropped(TOKEN)
    if code not in codes:
        raise Dropped(packet.CODE)
    attributes = [(kind, value) for _, kind, value in packet.walk(octets) if kind != packet.MESSAGE_AUTHENTICATOR]
    return Reply(code, tuple(attributes))


def _token(random: Random) -> bytes:
    return random(_TOKEN_OCTETS) + _RESERVED
