"""The interface of the transports, which carry packets to one address of a server and back, and what they share."""

import abc
import errno
import selectors
import socket
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Mapping, Optional, Tuple

from ... import log_lines, reasons
from ...namedtuple import NamedTuple
from ...text import system_words

if TYPE_CHECKING:
    from ..packet import DiscardReason

# poll() takes descriptors above 1023, as select() does not, and needs none of its own, as epoll() does.
_SELECTOR = getattr(selectors, "PollSelector", selectors.DefaultSelector)


class Unreachable(Exception):
    """An address that cannot be asked: `code` is the code of a denial, the text is for the log.

    `is_local` is whether the cause is on this machine and says nothing about the server. `is_refusal` is whether the
    network says so in a way that anybody can forge who guesses a port, so that it must be confirmed.
    """

    def __init__(self, code: str, text: str, is_local: bool = False, is_refusal: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.is_local = is_local
        self.is_refusal = is_refusal


class Address(NamedTuple):
    """An address to send to; `sockaddr` is what the socket module expects for the family."""

    family: int
    sockaddr: Tuple[Any, ...]

    @property
    def host(self) -> str:
        """The address in a form that resolves to itself; a link-local one has its zone (RFC 4007 section 11)."""
        host, _, *rest = self.sockaddr
        return f"{host}%{rest[1]}" if rest and rest[1] and "%" not in host else str(host)

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Received(NamedTuple):
    """Packets that have arrived, in order.

    `at_probe_port` is whether they came to the port of the probe; None if one port serves the request and the probe.
    `error` is set if octets follow them that cannot be the start of another packet.
    """

    packets: Iterable[bytes]
    at_probe_port: Optional[bool]
    error: "Optional[DiscardReason]" = None


class Certificate(NamedTuple):
    """The certificate of a server: distinguished names, the names and addresses it is for, when it expires (epoch)."""

    subject: str
    names: Tuple[str, ...]
    issuer: str
    until: float


class Transport(abc.ABC):
    """A connection to one address. Its methods raise Unreachable if the address cannot be reached."""

    is_stream = False
    """Whether packets travel in one stream that only the server can write to, each once."""
    description = ""
    """What the log says of the transport; empty for UDP."""
    certificate: Optional[Certificate] = None
    """The certificate of the server, if it has one."""

    @property
    @abc.abstractmethod
    def local_ip(self) -> str:
        """The address that packets are sent from."""

    @abc.abstractmethod
    def send(self, octets: bytes) -> None:
        """Send a request."""

    @abc.abstractmethod
    def send_probe(self, octets: bytes) -> None:
        """Send a Status-Server; its reply must be distinguishable from that to the request (RFC 6613 section 2.6.5)."""

    @abc.abstractmethod
    def receive(self, timeout: float) -> Iterator[Received]:
        """Wait at most `timeout` seconds for packets, and yield them port by port."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the sockets."""


def wait_for(events: Mapping[socket.socket, int], timeout: float) -> List[socket.socket]:
    """Return the sockets that are ready for their events (selectors.EVENT_...), in their order."""
    with _SELECTOR() as selector:
        for each, event in events.items():
            selector.register(each, event)
        ready = {key.fileobj for key, _ in selector.select(max(timeout, 0))}
    return [each for each in events if each in ready]


def local_ip(bound: socket.socket) -> str:
    """Return the local address of a socket, without its zone."""
    return str(bound.getsockname()[0]).partition("%")[0]


def unreachable(error: OSError, is_local: bool = True, is_refusal: bool = False) -> Unreachable:
    """Return what an error of the system means for the address; `is_local` is whether no packet has led to it."""
    if error.errno == errno.ECONNREFUSED:
        return Unreachable(reasons.CONNECTION_REFUSED, log_lines.CONNECTION_REFUSED.text, is_refusal=True)
    text = log_lines.CANNOT_SEND.format(error=system_words(error))
    return Unreachable(reasons.NETWORK, text, is_local, is_refusal)
