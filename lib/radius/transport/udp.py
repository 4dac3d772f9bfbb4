"""The sockets: name look-up and UDP; TLS is in `tls`. Nothing is decided here."""

import errno
import select
import socket
import threading
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

from ...namedtuple import NamedTuple
from ...text import system_words

if TYPE_CHECKING:
    from .tls import Tls

MAX_DATAGRAM = 65535


class Unreachable(Exception):
    """An address that cannot be asked: `code` is a denial's code, the text the system's own words.

    `is_silence` is whether it was tried and nothing at all came from there.
    """

    def __init__(self, code: str, text: str, is_silence: bool = True) -> None:
        super().__init__(text)
        self.code = code
        self.is_silence = is_silence


class Address(NamedTuple):
    """An address to send to; `sockaddr` is what the socket module wants for the family."""

    family: int
    sockaddr: Tuple[Any, ...]

    @property
    def host(self) -> str:
        """The address as it can be looked up again: one of a link alone with the link (RFC 4007 section 11)."""
        host, _, *rest = self.sockaddr
        return "{}%{}".format(host, rest[1]) if rest and rest[1] and "%" not in host else str(host)

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return "[{}]:{}".format(host, port) if ":" in host else "{}:{}".format(host, port)


def as_address(host: str) -> str:
    """Return a numeric address as the system writes it, or an empty string for a host name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, UnicodeError):
            continue
    return ""


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

    is_stream = False
    is_due = False
    is_unsent = False
    has_more = False
    certificate_until: Optional[float] = None

    def __init__(self, address: Address, source_ip: str = "") -> None:
        """Open the socket, from a local address if one is given; raise Unreachable if there is no way."""
        try:
            self._socket = socket.socket(address.family, socket.SOCK_DGRAM)
        except OSError as error:
            raise unreachable(error) from None
        try:
            if source_ip:
                self._socket.bind((source_ip, 0))
            self._socket.connect(address.sockaddr)
        except OSError as error:
            self._socket.close()
            raise unreachable(error) from None

    @property
    def local_ip(self) -> str:
        """The address that packets leave from."""
        return str(self._socket.getsockname()[0]).partition("%")[0]

    def send(self, octets: bytes) -> None:
        """Send one datagram; raise Unreachable if the system refuses."""
        try:
            self._socket.send(octets)
        except OSError as error:
            raise unreachable(error) from None

    def receive(self) -> List[bytes]:
        """Return the datagram that has arrived; raise Unreachable on an ICMP error."""
        try:
            return [self._socket.recv(MAX_DATAGRAM)]
        except OSError as error:
            raise unreachable(error) from None

    def fileno(self) -> int:
        """Return the descriptor, for `ready`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


Channel = Union[Udp, "Tls"]
"""What packets go over, one after another."""


def ready(channels: Sequence[Channel], timeout: float) -> List[Channel]:
    """Return the channels whose `receive` has something to do, waiting at most `timeout` seconds."""
    due = [channel for channel in channels if channel.is_due]
    if due:
        return due
    unsent = [channel for channel in channels if channel.is_unsent]
    readable, writable, _ = select.select(channels, unsent, [], max(timeout, 0))
    return [channel for channel in channels if channel in readable or channel in writable]


def unreachable(error: OSError) -> Unreachable:
    """Return what an error of the system's means for the address."""
    if error.errno == errno.ECONNREFUSED:
        return Unreachable("connection-refused", "nothing listens on this port")
    return Unreachable("network", "cannot send: {}".format(system_words(error)))
