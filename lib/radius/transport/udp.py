"""UDP."""

import selectors
import socket
from typing import Iterator, Optional

from .base import Address, Received, Transport, local_ip, unreachable, wait_for

MAX_DATAGRAM = 65535


class UdpTransport(Transport):
    """Connected sockets: the system delivers only what comes from the address of the server, and ICMP errors."""

    def __init__(self, address: Address, source_ip: str = "") -> None:
        """Open the socket, bound to `source_ip` if it is given."""
        self._address = address
        self._source_ip = source_ip
        self._socket = _connect(address, source_ip)
        self._probe_socket: Optional[socket.socket] = None

    @property
    def local_ip(self) -> str:
        return local_ip(self._socket)

    def send(self, octets: bytes) -> None:
        _send(self._socket, octets)

    def send_probe(self, octets: bytes) -> None:
        """Send a Status-Server from a port of its own."""
        if self._probe_socket is None:
            self._probe_socket = _connect(self._address, self._source_ip)
        _send(self._probe_socket, octets)

    def receive(self, timeout: float) -> Iterator[Received]:
        sockets = [each for each in (self._socket, self._probe_socket) if each is not None]
        for each in wait_for(dict.fromkeys(sockets, selectors.EVENT_READ), timeout):
            try:
                datagram = each.recv(MAX_DATAGRAM)
            except OSError as error:  # an ICMP message has led to it
                raise unreachable(error, is_local=False, is_refusal=True) from None
            yield Received([datagram], each is self._probe_socket)

    def close(self) -> None:
        self._socket.close()
        if self._probe_socket is not None:
            self._probe_socket.close()


def _connect(address: Address, source_ip: str) -> socket.socket:
    try:
        opened = socket.socket(address.family, socket.SOCK_DGRAM)
    except OSError as error:
        raise unreachable(error) from None
    try:
        if source_ip:
            opened.bind((source_ip, 0))
        opened.connect(address.sockaddr)
    except OSError as error:
        opened.close()
        raise unreachable(error) from None
    return opened


def _send(connected: socket.socket, octets: bytes) -> None:
    try:
        connected.send(octets)
    except OSError as error:
        raise unreachable(error) from None
