"""A login inside a tunnel, pure: the Access-Requests that carry EAP (RFC 3579), and the proof of the Access-Accept.

    first request -> Access-Challenge with EAP -> the next request -> ... -> answer

Loaded only if a server has such an `auth_type`.
"""

import hmac
from typing import TYPE_CHECKING, Optional, Sequence, Tuple

from .. import log_lines, reasons
from ..namedtuple import NamedTuple
from ..secret import Secret
from . import mppe, packet
from .eap.errors import EapError
from .eap.login import EapLogin
from .encoded_request import EncodedRequest, NotContinued
from .packet import Attributes, Random, Reply
from .profile import Profile
from .server import ServerSettings, TunnelSettings
from .transport.base import Certificate, Unreachable

if TYPE_CHECKING:
    from .request import LoginRequest

_FRAMED_MTU = 1344  # octets of EAP that a packet of the server may carry, so that it fits a datagram without fragments


class Challenge(NamedTuple):
    """A challenge inside the tunnel, whose answer continues `login`, with the State of the server."""

    message: bytes
    login: EapLogin


class Content(NamedTuple):
    """What all requests of one login have in common."""

    method: str
    tunnel: TunnelSettings
    attributes: Attributes
    identity: Attributes
    ends_at_handshake: bool


class TunneledRequest(EncodedRequest):
    """One Access-Request of a login inside a tunnel."""

    def __init__(
        self,
        login: EapLogin,
        content: Content,
        eap: bytes,
        state: Optional[bytes],
        profile: Profile,
        random: Random,
        earlier: Sequence[bytes] = (),
    ) -> None:
        """Encode the request with an identifier that none of the `earlier` requests has."""
        attributes = content.attributes
        if not any(each[:2] == (0, packet.FRAMED_MTU) for each in attributes):
            attributes += ((0, packet.FRAMED_MTU, _FRAMED_MTU.to_bytes(4, "big")),)
        request = packet.Login(login.outer_name, Secret(""), content.method, state, attributes, eap=eap)
        octets = profile.login(request, random)
        while any(profile.belongs(octets, each) for each in earlier):
            octets = profile.login(request, random)
        super().__init__(octets, profile, packet.LOGIN_CODES, content.identity)
        self._login = login
        self._content = content
        self._random = random

    @property
    def description(self) -> str:
        return self._login.description

    @property
    def outer_name(self) -> str:
        return self._login.outer_name

    @property
    def certificate(self) -> Optional[Certificate]:
        return self._login.certificate

    def follow(self, reply: Reply, earlier: Sequence[bytes]) -> Optional[EncodedRequest]:
        if reply.code != packet.ACCESS_CHALLENGE:
            return None
        octets = _eap(reply)
        if not octets:
            raise NotContinued(reasons.BAD_REPLY, log_lines.EAP_MISSING.text, is_final=False)
        try:
            step = self._login.receive(octets)
        except EapError as error:
            raise NotContinued(error.code, str(error), error.is_final) from None
        if self._content.ends_at_handshake and self._login.is_established:
            return None
        if not isinstance(step, bytes):
            self.challenge = Challenge(step.message, self._login)
            return None
        return TunneledRequest(self._login, self._content, step, reply.state, self._profile, self._random, earlier)

    def messages(self, reply: Reply) -> Tuple[bytes, ...]:
        if self.challenge is not None:
            return (self.challenge.message,)
        return tuple(message for message in self._login.messages if message) + super().messages(reply)

    def check_proof(self, reply: Reply) -> str:
        if reply.code != packet.ACCESS_ACCEPT:
            return ""
        octets = _eap(reply)
        if not octets:
            return log_lines.EAP_MISSING.text
        try:
            self._login.accept(octets)
        except EapError as error:
            return str(error)
        return self._check_keys(reply)

    def warnings(self, reply: Reply) -> Tuple[str, ...]:
        if reply.code == packet.ACCESS_ACCEPT and self._login.keys is None:
            return (log_lines.KEYS_UNCHECKED.text,)
        return ()

    def _check_keys(self, reply: Reply) -> str:
        """Return what is wrong with the keys in an Access-Accept, which only the end of the tunnel knows."""
        tunnel, keys = self._content.tunnel, self._login.keys
        types = (mppe.MS_MPPE_RECV_KEY, mppe.MS_MPPE_SEND_KEY)
        found = [reply.vendor_values(packet.MICROSOFT, each) for each in types]
        if not any(found):
            return log_lines.KEYS_MISSING.text if tunnel.require_keys else ""
        if keys is None:
            return log_lines.KEYS_UNCHECKED.text if tunnel.require_keys and tunnel.must_check_keys else ""
        if any(len(values) != 1 for values in found):
            return log_lines.KEYS_DIFFER.text
        shown = [self._profile.decrypt_key(values[0], self.octets) for values in found]
        are_equal = [hmac.compare_digest(ours, theirs) for ours, theirs in zip(keys, shown)]
        return "" if all(are_equal) else log_lines.KEYS_DIFFER.text


def encode(
    request: "LoginRequest", content: Content, server: ServerSettings, profile: Profile, random: Random
) -> TunneledRequest:
    """Return the first request of a login, or the one that answers a challenge inside a tunnel.

    Raise packet.RequestError if the name or the password does not fit, and Unreachable if the settings are unusable.
    """
    try:
        if request.challenge is not None:
            login = request.challenge.login
            return TunneledRequest(login, content, login.answer(request.password), request.state, profile, random)
        name = content.tunnel.tls.certificate_name(server.server)
        user_name = request.user_names[server.section]
        login = EapLogin(content.method, user_name, request.password, content.tunnel, name, random)
    except EapError as error:
        if error.code in (reasons.BAD_USERNAME, reasons.BAD_PASSWORD):
            raise packet.RequestError(error.code, str(error)) from None
        raise Unreachable(error.code, str(error), is_local=True) from None  # another server may have other settings
    return TunneledRequest(login, content, login.start(), None, profile, random)


def _eap(reply: Reply) -> bytes:
    """Return the EAP packet in a reply (RFC 3579 section 3.1), empty if there is none."""
    return b"".join(reply.values(packet.EAP_MESSAGE))
