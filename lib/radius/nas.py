"""What this NAS says of itself and of the client in every request, pure."""

import ipaddress
import struct

from .packet import MAX_VALUE_OCTETS, NAS_IDENTIFIER, Attributes

NAS_IP_ADDRESS, SERVICE_TYPE, CALLING_STATION_ID, NAS_PORT_TYPE, CONNECT_INFO = 4, 6, 31, 61, 77
NAS_IPV6_ADDRESS = 95  # RFC 3162
_LOGIN, _VIRTUAL = struct.pack("!L", 1), struct.pack("!L", 5)


def attributes(identifier: str, local_ip: str, client_ip: str, connect_info: str) -> Attributes:
    """Return who asks and for whom, for an Access-Request: RFC 2865 section 4.1 wants an identifier or an address.

    `connect_info` says how the client came (RFC 2869 section 5.11). What is empty is left out.
    """
    found = [(0, NAS_IDENTIFIER, _text(identifier)), (0, SERVICE_TYPE, _LOGIN), (0, NAS_PORT_TYPE, _VIRTUAL)]
    if local_ip:
        octets = ipaddress.ip_address(local_ip).packed
        found.append((0, NAS_IP_ADDRESS if len(octets) == 4 else NAS_IPV6_ADDRESS, octets))
    found.append((0, CALLING_STATION_ID, _text(client_ip)))
    found.append((0, CONNECT_INFO, _text(connect_info)))
    return tuple(each for each in found if each[2])


def _text(value: str) -> bytes:
    """Return the text in UTF-8, cut at a character's end where an attribute has no more room."""
    return value.encode("utf-8", "replace")[:MAX_VALUE_OCTETS].decode("utf-8", "ignore").encode("utf-8")
