"""What pyrad wants of netaddr, on the standard library.

pyrad 2.4 imports two classes of it to read and write addresses; the whole of netaddr takes longer to import than all
else that a login does, in every hook that talks RADIUS.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Union


class IPAddress:
    """An IPv4 or IPv6 address from its text or number, as far as pyrad uses netaddr's: `packed` and `str`."""

    def __init__(self, address: Union[str, int]) -> None:
        self._address: Union[IPv4Address, IPv6Address] = ip_address(address)

    @property
    def packed(self) -> bytes:
        """The address's octets in network order."""
        return self._address.packed

    def __str__(self) -> str:
        return str(self._address)


class IPNetwork:
    """An address with a prefix length from its text, as far as pyrad uses netaddr's: `ip` and `prefixlen`."""

    def __init__(self, network: str) -> None:
        interface = ip_interface(network)
        self.ip = IPAddress(str(interface.ip))
        self.prefixlen: int = interface.network.prefixlen

    def __str__(self) -> str:
        return "{}/{}".format(self.ip, self.prefixlen)
