"""The sockets: name look-up and UDP. Nothing is decided here."""

import errno
import socket
import threading
from typing import Any, List, NamedTuple, Optional, Tuple

MAX_DATAGRAM = 65535


class Unreachable(Exception):
    """An address that cannot be asked: `code` is a denial's code, the text the system's own words."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Address(NamedTuple):
    """An address to send to; `sockaddr` is what the socket module wants for the family."""

    family: int
    sockaddr: Tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return "[{}]:{}".format(host, port) if ":" in host else "{}:{}".format(host, port)


def resolve(host: str, port: int, timeout: float) -> List[Address]:
    """Return every address of a host name or numeric address, waiting at most `timeout` seconds.

    Raise Unreachable (name-lookup) if there is none.
    """
    found: List[List[Address]] = []
    wrong: List[str] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in entries]
            found.append(sorted(set(addresses), key=addresses.index))
        except (OSError, UnicodeError) as error:
            wrong.append(getattr(error, "strerror", None) or "not a host name")

    # The system's resolver takes no deadline; a thread left behind ends with the hook's process.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise Unreachable("name-lookup", "name look-up failed: " + "".join(wrong or ["no answer in time"]))
    return found[0]


class Udp:
    """A connected UDP socket: the system hands over only what comes from the address asked, and ICMP errors."""

    def __init__(self, address: Address) -> None:
        """Open the socket; raise Unreachable if there is no way to the address."""
        try:
            self._socket = socket.socket(address.family, socket.SOCK_DGRAM)
        except OSError as error:
            raise _unreachable(error) from None
        try:
            self._socket.connect(address.sockaddr)
        except OSError as error:
            self._socket.close()
            raise _unreachable(error) from None

    def send(self, octets: bytes) -> None:
        """Send one datagram; raise Unreachable if the system refuses."""
        try:
            self._socket.send(octets)
        except OSError as error:
            raise _unreachable(error) from None

    def receive(self, timeout: float) -> Optional[bytes]:
        """Return the next datagram, or None after `timeout` seconds; raise Unreachable on an ICMP error."""
        self._socket.settimeout(max(timeout, 0.001))  # zero would mean non-blocking
        try:
            return self._socket.recv(MAX_DATAGRAM)
        except socket.timeout:
            return None
        except OSError as error:
            raise _unreachable(error) from None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _unreachable(error: OSError) -> Unreachable:
    if error.errno == errno.ECONNREFUSED:
        return Unreachable("port-closed", "nothing listens on this port")
    return Unreachable("network", "cannot send: {}".format(error.strerror or type(error).__name__))
