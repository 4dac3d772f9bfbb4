"""The attributes inside the tunnel of EAP-TTLS (RFC 5281 section 10)."""

import struct
from typing import List, Tuple

from ...namedtuple import NamedTuple
from .errors import malformed

USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE = 1, 2, 18, 24
MICROSOFT = 311  # RFC 2548
MS_CHAP_ERROR, MS_CHAP_CHALLENGE, MS_CHAP2_RESPONSE, MS_CHAP2_SUCCESS = 2, 11, 25, 26

_VENDOR, _MANDATORY = 0x80, 0x40
_MAX_OCTETS = 0xFFFFFF


class Avp(NamedTuple):
    """An attribute-value pair. With `is_mandatory`, a receiver that does not know it must give up."""

    code: int
    value: bytes
    vendor: int = 0
    is_mandatory: bool = True

    def __repr__(self) -> str:  # the value may be a password
        return f"<AVP {self.vendor}:{self.code}, {len(self.value)} octets>"


def encode(*avps: Avp) -> bytes:
    """Return the octets of AVPs, each padded to a multiple of 4 octets; raise ValueError if a value is too long."""
    octets = b""
    for avp in avps:
        vendor = struct.pack("!I", avp.vendor) if avp.vendor else b""
        length = 8 + len(vendor) + len(avp.value)
        if length > _MAX_OCTETS:
            raise ValueError("an AVP is too long")
        flags = (_VENDOR if avp.vendor else 0) | (_MANDATORY if avp.is_mandatory else 0)
        octets += struct.pack("!II", avp.code, flags << 24 | length) + vendor + avp.value + bytes(-length % 4)
    return octets


def parse(octets: bytes) -> Tuple[Avp, ...]:
    """Return the AVPs that fill the octets; raise EapError if they do not.

    The last one may lack its padding, as hostapd sends it.
    """
    found: List[Avp] = []
    at = 0
    while at < len(octets):
        if len(octets) - at < 8:
            raise malformed("AVP shorter than its header")
        code, word = struct.unpack_from("!II", octets, at)
        flags, length = word >> 24, word & _MAX_OCTETS
        start = 12 if flags & _VENDOR else 8
        end = at + length
        if length < start or end > len(octets):
            raise malformed("AVP with a wrong length")
        vendor = struct.unpack_from("!I", octets, at + 8)[0] if flags & _VENDOR else 0
        found.append(Avp(code, octets[at + start : end], vendor, bool(flags & _MANDATORY)))
        at = end if end == len(octets) else end + -length % 4
    if at > len(octets):
        raise malformed("AVP without its padding")
    return tuple(found)
