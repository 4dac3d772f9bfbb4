"""The one module that imports pyrad, which encodes the attributes of a request.

pyrad 2.4 needs netaddr for two small classes only, and importing netaddr takes longer than everything else in a login.
So this module stands in for netaddr: it has those two classes, on top of the standard library.
"""

import sys
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Union


class IPAddress:
    """An IPv4 or IPv6 address from its text or number: what pyrad uses of `netaddr.IPAddress`."""

    def __init__(self, address: Union[str, int]) -> None:
        self._address: Union[IPv4Address, IPv6Address] = ip_address(address)

    @property
    def packed(self) -> bytes:
        """The octets of the address in network order."""
        return self._address.packed

    def __str__(self) -> str:
        return str(self._address)


class IPNetwork:
    """An address with a prefix length from its text: what pyrad uses of `netaddr.IPNetwork`."""

    def __init__(self, network: str) -> None:
        interface = ip_interface(network)
        self.ip = IPAddress(str(interface.ip))
        self.prefixlen: int = interface.network.prefixlen

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefixlen}"


sys.modules.setdefault("netaddr", sys.modules[__name__])

from pyrad.dictionary import Dictionary  # noqa: E402
from pyrad.packet import AuthPacket  # noqa: E402

_NO_NAMES = Dictionary()  # attributes are set by number, as octets


class RequestEncoder:
    """Collects the attributes of a request and encodes them in the order in which they were added."""

    def __init__(self, code: int, identifier: int, authenticator: bytes) -> None:
        """Take the header (RFC 2865 section 3)."""
        self.authenticator = authenticator
        self._packet = AuthPacket(code=code, id=identifier, secret=b"", authenticator=authenticator, dict=_NO_NAMES)

    def add(self, number: int, value: bytes, vendor: int = 0) -> None:
        """Add an attribute, or one of a vendor."""
        # By name, pyrad would treat octets that begin with `0x` as hexadecimal.
        self._packet.setdefault((vendor, number) if vendor else number, []).append(value)

    def encode(self) -> bytes:
        """Return the octets of the packet."""
        return bytes(self._packet.RequestPacket())
