"""The attributes that describe the NAS, the client and the target in a request, pure."""

import ipaddress
import struct
from typing import Sequence, Tuple

from .packet import MAX_VALUE_OCTETS, NAS_IDENTIFIER, Attributes

NAS_IP_ADDRESS, SERVICE_TYPE, CALLING_STATION_ID, NAS_PORT_TYPE, CONNECT_INFO = 4, 6, 31, 61, 77
NAS_IPV6_ADDRESS, LOGIN_IPV6_HOST = 95, 98  # RFC 3162
LOGIN_IP_HOST, LOGIN_TCP_PORT, CALLED_STATION_ID = 14, 16, 30
MAX_CALLED_STATION_ID = 50  # octets: the column in the SQL schema of FreeRADIUS
_LOGIN, _VIRTUAL = struct.pack("!L", 1), struct.pack("!L", 5)


def attributes(identifier: str, client_ip: str, connect_info: str) -> Attributes:
    """Return the attributes of the NAS and the client, without the address of the NAS; empty ones are left out.

    `connect_info` describes the connection of the client (RFC 2869 section 5.11).
    """
    found = [(0, NAS_IDENTIFIER, _text(identifier)), (0, SERVICE_TYPE, _LOGIN), (0, NAS_PORT_TYPE, _VIRTUAL)]
    found.append((0, CALLING_STATION_ID, _text(client_ip)))
    found.append((0, CONNECT_INFO, _text(connect_info)))
    return tuple(each for each in found if each[2])


def address(local_ip: str) -> Attributes:
    """Return NAS-IP-Address or NAS-IPv6-Address for an address, or nothing if it is empty."""
    octets = _packed(local_ip)
    return ((0, NAS_IP_ADDRESS if len(octets) == 4 else NAS_IPV6_ADDRESS, octets),) if octets else ()


def target(server_ip: object, server_port: object, server_hostname: object, server_username: object) -> Attributes:
    """Return the target of a session: Login-IP-Host (or Login-IPv6-Host, RFC 3162), Login-TCP-Port, Called-Station-Id.

    The last is for people: `root@server.example.com:22`. If it is too long, it loses the port, then the user name, then
    the end of the host name. Unknown values and those that do not fit are left out.
    """
    found = []
    octets = _packed(server_ip)
    if octets:
        found.append((0, LOGIN_IP_HOST if len(octets) == 4 else LOGIN_IPV6_HOST, octets))
    port = str(server_port or "")
    if port.isdigit() and 0 < int(port) <= 65535:
        found.append((0, LOGIN_TCP_PORT, struct.pack("!L", int(port))))
    user, host = (f"{server_username}@" if server_username else ""), str(server_hostname or server_ip or "")
    port = f":{port}" if port else ""
    texts = (user + host + port, user + host, host + port, host)
    fitting = (text for text in texts if len(_text(text)) <= MAX_CALLED_STATION_ID)
    found.append((0, CALLED_STATION_ID, _text(next(fitting, host), MAX_CALLED_STATION_ID)))
    return tuple(each for each in found if each[2])


def with_configured(usual: Attributes, configured: Sequence[Tuple[int, int, bytes]]) -> Attributes:
    """Return the usual attributes with the configured ones in place of theirs; one without a value only removes."""
    replaced = {each[:2] for each in configured}
    return tuple(each for each in usual if each[:2] not in replaced) + tuple(each for each in configured if each[2])


def _packed(address: object) -> bytes:
    """Return the octets of an address without its zone; none if the text is not an address."""
    try:
        return ipaddress.ip_address(str(address or "").partition("%")[0]).packed
    except ValueError:
        return b""


def _text(value: str, limit: int = MAX_VALUE_OCTETS) -> bytes:
    """Return the text in UTF-8, cut between characters at this number of octets."""
    return value.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode("utf-8")
