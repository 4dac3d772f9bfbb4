"""One login with EAP-TTLS or PEAP: EAP requests in, EAP responses out."""

from typing import List, Optional, Tuple, Union

from ... import log_lines, reasons
from ...namedtuple import NamedTuple
from ...secret import Secret
from ..server import TunnelSettings
from ..transport.base import Certificate
from . import fragments, message
from .errors import EapError, forged, malformed
from .inner import InnerMethod, Random, TunnelChallenge
from .keys import TunnelKeys
from .tunnel import Tunnel

_MAX_ROUNDS = 100
_MAX_OFFERS = 3  # of other methods
_NAMES = {message.TTLS: "EAP-TTLS", message.PEAP: "PEAP"}


class _Answered(NamedTuple):
    """The last request, and the response to it."""

    request: bytes
    identifier: int
    response: bytes


class EapLogin:
    """A login of one user at one server. After an EapError, it is over.

    `method` is the `auth_type`. The certificate of the server must be for `server_name`, a host name or address.
    `has_exporter` is whether the tunnel uses pyOpenSSL; by default, whether it can be imported.
    """

    def __init__(
        self,
        method: str,
        user_name: str,
        password: Secret,
        tunnel: TunnelSettings,
        server_name: str,
        random: Random,
        has_exporter: Optional[bool] = None,
    ) -> None:
        """Raise EapError if the settings, the name, or the password cannot be used."""
        self._kind = message.PEAP if method == "peap-mschapv2" else message.TTLS
        self.outer_name = _outer_name(tunnel.anonymous_identity, user_name)
        """The name outside the tunnel, for User-Name."""
        self._tunnel = Tunnel(tunnel.tls, server_name, has_exporter)
        self._inner = _inner_method(method, user_name, password, self._tunnel, random)
        self._reassembler = fragments.Reassembler()
        self._unsent: List[bytes] = []
        self._has_begun = self._is_over = self._is_challenged = False
        self._rounds = self._offers = 0
        self._last: Optional[_Answered] = None

    @property
    def keys(self) -> Optional[TunnelKeys]:
        """The keys that the Access-Accept must have; None before the tunnel is established, or without an exporter."""
        if not self._tunnel.is_established or not self._tunnel.has_exporter:
            return None
        material = self._inner.key_material
        return TunnelKeys(material[:32], material[32:])

    @property
    def is_established(self) -> bool:
        """Whether the handshake is complete and the certificate of the server is verified."""
        return self._tunnel.is_established

    @property
    def description(self) -> str:
        """The method and the version of TLS, for the log."""
        name = _NAMES[self._kind]
        return f"{name}, {self._tunnel.version}" if self.is_established else name

    @property
    def certificate(self) -> Optional[Certificate]:
        """The certificate of the server, once its chain is verified; its name may still be wrong."""
        return self._tunnel.certificate

    @property
    def messages(self) -> Tuple[bytes, ...]:
        """Texts for the user from inside the tunnel, as received."""
        return tuple(self._inner.messages)

    def start(self) -> bytes:
        """Return the response to a request for the identity, which the first packet carries unasked."""
        return message.encode(message.RESPONSE, 0, message.IDENTITY, self.outer_name.encode("utf-8"))

    def receive(self, eap: bytes) -> Union[bytes, TunnelChallenge]:
        """Return the response to a request, or a challenge that `answer` responds to; raise EapError."""
        try:
            return self._receive(eap)
        except EapError:
            self._is_over = True
            raise

    def answer(self, password: Secret) -> bytes:
        """Return the response to a challenge inside the tunnel; raise EapError if the password cannot be used."""
        from .ttls import Pap

        assert self._is_challenged and isinstance(self._inner, Pap)
        self._is_challenged = False
        return self._respond(self._send(self._tunnel.write(self._inner.answer(password))))

    def accept(self, eap: bytes) -> None:
        """Verify the EAP-Success of an Access-Accept; raise EapError unless the server has proved all that it must."""
        is_over, self._is_over = self._is_over, True
        try:
            packet = message.parse(eap)
        except EapError:
            raise forged(log_lines.EAP_NOT_SUCCESS.text) from None
        if packet.code != message.SUCCESS or self._last is None or packet.identifier != self._last.identifier:
            raise forged(log_lines.EAP_NOT_SUCCESS.text)
        is_waiting = self._is_challenged or self._unsent or self._reassembler.is_partial
        if is_over or is_waiting or not self.is_established or not self._inner.is_complete:
            raise forged(log_lines.EAP_UNFINISHED.text)

    def _receive(self, eap: bytes) -> Union[bytes, TunnelChallenge]:
        assert not self._is_challenged
        self._rounds += 1
        if self._is_over:
            raise malformed("request after the end")
        if self._rounds > _MAX_ROUNDS:
            raise malformed(log_lines.EAP_TOO_MANY_ROUNDS.text)
        packet = message.parse(eap)
        if packet.code != message.REQUEST:
            raise malformed("packet that is not a request")
        if self._last is not None and packet.identifier == self._last.identifier:
            if eap != self._last.request:
                raise malformed("request with the identifier of the last one")
            return self._last.response
        self._last = _Answered(eap, packet.identifier, b"")
        answer = self._answer(packet)
        return answer if isinstance(answer, TunnelChallenge) else self._respond(answer)

    def _respond(self, answer: Tuple[int, bytes]) -> bytes:
        """Return the response of this type and content to the last request."""
        assert self._last is not None
        response = message.encode(message.RESPONSE, self._last.identifier, *answer)
        self._last = self._last._replace(response=response)
        return response

    def _answer(self, packet: message.Packet) -> Union[Tuple[int, bytes], TunnelChallenge]:
        if packet.kind == self._kind:
            return self._process(fragments.parse(packet.content), packet.identifier)
        if packet.kind == message.NOTIFICATION:  # anyone on the path can forge it
            return message.NOTIFICATION, b""
        if self._has_begun or packet.kind == message.NAK:
            raise malformed("request of a different type")
        if packet.kind == message.IDENTITY:
            return message.IDENTITY, self.outer_name.encode("utf-8")
        self._offers += 1
        if self._offers > _MAX_OFFERS:
            raise malformed(log_lines.EAP_METHOD_REFUSED.text)
        return message.NAK, bytes([self._kind])

    def _process(self, fragment: fragments.Fragment, identifier: int) -> Union[Tuple[int, bytes], TunnelChallenge]:
        if fragment.is_start != (not self._has_begun):
            raise malformed("method started twice or not at all")
        if fragment.is_start:  # only version 0 is supported; the server must accept it
            self._has_begun = True
            return self._send(self._tunnel.handshake(b""))
        if fragment.version:
            raise malformed("unsupported version of the method")
        if self._unsent:
            if fragment.data or fragment.has_more or fragment.length is not None:
                raise malformed("no acknowledgment of an EAP fragment")
            return self._kind, self._unsent.pop(0)
        received = self._reassembler.add(fragment)
        if received is None:
            return self._kind, fragments.ACKNOWLEDGMENT
        return self._process_message(received, identifier)

    def _process_message(self, received: bytes, identifier: int) -> Union[Tuple[int, bytes], TunnelChallenge]:
        if self._tunnel.is_established:
            inside = self._tunnel.read(received)
        else:
            if not received:
                raise malformed("empty message in the TLS handshake")
            output = self._tunnel.handshake(received)
            if output or not self._tunnel.is_established:
                return self._send(output)
            inside = self._tunnel.read()
        answer = self._inner.receive(inside, identifier)
        if isinstance(answer, TunnelChallenge):
            self._is_challenged = True
            return answer
        return self._send(self._tunnel.write(answer))

    def _send(self, octets: bytes) -> Tuple[int, bytes]:
        """Return the type and content of the response that carries a message, or its first fragment."""
        first, *self._unsent = fragments.split(octets)
        return self._kind, first


def _outer_name(anonymous_identity: str, user_name: str) -> str:
    realm = user_name.rpartition("@")[2] if "@" in user_name else ""
    has_realm = "@" in anonymous_identity or not realm
    return anonymous_identity if has_realm else f"{anonymous_identity}@{realm}"


def _inner_method(method: str, user_name: str, password: Secret, tunnel: Tunnel, random: Random) -> InnerMethod:
    try:
        user_name.encode("utf-8")
    except UnicodeEncodeError:
        is_name = False
    else:
        is_name = True
    if not is_name:  # not raised above, where the error contains the name
        raise EapError(reasons.BAD_USERNAME, "the user name holds characters that UTF-8 cannot encode")
    if method == "peap-mschapv2":
        from .peap import PeapMsChapV2

        return PeapMsChapV2(user_name, password, tunnel, random)
    from .ttls import MsChapV2, Pap

    return (
        Pap(user_name, password, tunnel, random)
        if method == "ttls-pap"
        else MsChapV2(user_name, password, tunnel, random)
    )
