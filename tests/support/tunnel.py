"""A RADIUS server for tunneled logins over UDP: tests.support.eap_server behind tests.support.misbehaving."""

import os
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from pyrad.packet import Packet

from tests.support.certificates import Authority, Identity
from tests.support.eap_server import SUCCESS, EapServer
from tests.support.misbehaving import ACCEPT, CHALLENGE, REJECT, SECRET, STATE, Attribute, Request, reply

EAP_MESSAGE, VENDOR_SPECIFIC, MICROSOFT, SEND_KEY, RECV_KEY = 79, 26, 311, 16, 17
NAME = "eap.example.com"
PASSWORD = "correct horse battery"
USERS = {"alice": PASSWORD, "alice@corp.example": PASSWORD}
AUTHORITY = Authority("CA of the tunnel")
CERTIFICATE: Identity = AUTHORITY.issue([NAME], [])

Change = Callable[[int, List[Attribute], Request], Tuple[int, List[Attribute]]]
"""Changes a reply: code, attributes, and the request that it answers."""


def eap_message(octets: bytes) -> List[Attribute]:
    """Return the attributes that carry an EAP packet (RFC 3579 section 3.1)."""
    return [(EAP_MESSAGE, octets[at : at + 253]) for at in range(0, len(octets), 253)]


def eap_of(attributes: Iterable[Attribute]) -> bytes:
    """Return the EAP packet in attributes."""
    return b"".join(value for kind, value in attributes if kind == EAP_MESSAGE)


def key_attribute(kind: int, key: bytes, request: Request, secret: bytes = SECRET) -> Attribute:
    """Return MS-MPPE-Send-Key or MS-MPPE-Recv-Key (RFC 2548 section 2.4)."""
    value: bytes = Packet(secret=secret, authenticator=request.authenticator).SaltCrypt(key)
    return VENDOR_SPECIFIC, MICROSOFT.to_bytes(4, "big") + bytes([kind, len(value) + 2]) + value


def at(number: int, code: int, octets: bytes, with_keys: bool = True) -> Change:
    """Return a change that replaces one reply, and keeps its State."""

    def change(before: int, attributes: List[Attribute], request: Request) -> Tuple[int, List[Attribute]]:
        if request.number != number:
            return before, attributes
        others = [each for each in attributes if each[0] not in (EAP_MESSAGE, VENDOR_SPECIFIC)]
        keys = [key_attribute(kind, bytes(32), request) for kind in (RECV_KEY, SEND_KEY)] if with_keys else []
        return code, (eap_message(octets) if octets else []) + others + keys

    return change


class TunnelScript:
    """A script for misbehaving.Server that logs users in through a tunnel.

    `eap_options` are those of EapServer; `change` changes each reply. A retransmission gets the reply of before.
    """

    def __init__(
        self,
        method: str,
        change: Optional[Change] = None,
        certificate: Identity = CERTIFICATE,
        users: Mapping[str, str] = USERS,
        groups: Sequence[bytes] = (),
        secret: bytes = SECRET,
        **eap_options: Any,
    ) -> None:
        self.conversations: List[EapServer] = []
        self._new: Callable[[], EapServer] = lambda: EapServer(method, users, certificate, **eap_options)
        self._change = change
        self._groups = groups
        self._secret = secret
        self._open: Dict[bytes, EapServer] = {}
        self._sent: Dict[bytes, List[bytes]] = {}

    def __call__(self, request: Request) -> List[bytes]:
        if request.octets not in self._sent:
            self._sent[request.octets] = self._reply(request)
        return self._sent[request.octets]

    def _reply(self, request: Request) -> List[bytes]:
        state = b"".join(request.values(STATE))
        server = self._open.pop(state, None) if state else self._begin()
        if server is None:
            return []
        octets = server.receive(eap_of(request.attributes()))
        attributes = eap_message(octets)
        code = CHALLENGE
        if server.is_over:
            code = ACCEPT if octets[0] == SUCCESS else REJECT
        if code == CHALLENGE:
            state = os.urandom(8)
            self._open[state] = server
            attributes.append((STATE, state))
        elif code == ACCEPT:
            attributes += [(11, group) for group in self._groups]
            try:
                keys = server.keys
            except AssertionError:
                keys = (bytes(32), bytes(32))
            attributes += [
                key_attribute(kind, key, request, self._secret) for kind, key in zip((RECV_KEY, SEND_KEY), keys)
            ]
        if self._change:
            code, attributes = self._change(code, attributes, request)
        return [reply(request, self._secret, code, attributes)]

    def _begin(self) -> EapServer:
        self.conversations.append(self._new())
        return self.conversations[-1]
