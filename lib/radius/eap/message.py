"""EAP packets (RFC 3748 section 4)."""

import struct

from ...namedtuple import NamedTuple
from .errors import malformed

REQUEST, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4
IDENTITY, NOTIFICATION, NAK, TTLS, PEAP, MSCHAPV2, EXTENSIONS = 1, 2, 3, 21, 25, 26, 33

HEADER_OCTETS = 4


class Packet(NamedTuple):
    """An EAP packet; `kind` is the type of a request or response, 0 in EAP-Success and EAP-Failure."""

    code: int
    identifier: int
    kind: int = 0
    content: bytes = b""

    def __repr__(self) -> str:  # the content may be a password
        return f"<EAP packet, code {self.code}, type {self.kind}, {len(self.content)} octets>"


def parse(octets: bytes) -> Packet:
    """Return the packet; raise EapError unless it fills the octets."""
    if len(octets) < HEADER_OCTETS:
        raise malformed("packet shorter than its header")
    code, identifier, length = struct.unpack("!BBH", octets[:HEADER_OCTETS])
    if length != len(octets):
        raise malformed("packet with a wrong length")
    if code in (SUCCESS, FAILURE):
        if length != HEADER_OCTETS:
            raise malformed("EAP-Success or EAP-Failure with data")
        return Packet(code, identifier)
    if code not in (REQUEST, RESPONSE):
        raise malformed("packet with an unknown code")
    if length == HEADER_OCTETS:
        raise malformed("request without a type")
    return Packet(code, identifier, octets[HEADER_OCTETS], octets[HEADER_OCTETS + 1 :])


def encode(code: int, identifier: int, kind: int, content: bytes) -> bytes:
    """Return the octets of a request or a response."""
    return struct.pack("!BBHB", code, identifier, HEADER_OCTETS + 1 + len(content), kind) + content
