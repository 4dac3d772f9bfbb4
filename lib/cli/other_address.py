"""Finds out whether a silent server replies from another address than the one it is asked at, over UDP.

The plugin's sockets are connected, so the system drops such a reply. Here it is only reported.
"""

import contextlib
import os
import selectors
import socket
import time
from typing import Dict

from ..radius import packet
from ..radius.encoded_request import EncodedRequest
from ..radius.md5 import Md5Disabled
from ..radius.profile import OriginalRadius
from ..radius.request import Request
from ..radius.server import ServerSettings
from ..radius.transport.base import Address, wait_for
from ..radius.transport.udp import MAX_DATAGRAM


def find_other_address(server: ServerSettings, address: Address, request: Request, timeout: float) -> str:
    """Send a request to an address; return the other address that a valid reply came from, or an empty text."""
    try:
        with contextlib.closing(socket.socket(address.family, socket.SOCK_DGRAM)) as unconnected:
            unconnected.setblocking(False)
            unconnected.bind((server.source_ip, 0))
            encoded = request.encode(OriginalRadius(server.secret.octets(), False), server, "", os.urandom, time.time())
            unconnected.sendto(encoded.octets, address.sockaddr)
            return _wait(unconnected, address, encoded, time.monotonic() + timeout)
    except (OSError, Md5Disabled, packet.RequestError):
        return ""


def _wait(unconnected: socket.socket, address: Address, encoded: EncodedRequest, until: float) -> str:
    events: Dict[socket.socket, int] = {unconnected: selectors.EVENT_READ}
    while wait_for(events, until - time.monotonic()):
        octets, sender = unconnected.recvfrom(MAX_DATAGRAM)
        with contextlib.suppress(packet.Discarded):
            encoded.verify(octets)
            return "" if sender[:2] == address.sockaddr[:2] else str(Address(address.family, sender))
        if time.monotonic() >= until:
            break
    return ""
