"""The method inside PEAP version 0: EAP with MS-CHAPv2, and the Result TLV that ends it (MS-PEAP).

Packets inside have no EAP header, except EAP-Success, EAP-Failure, those with TLVs, and, from some servers, the request
for the identity.
"""

import struct
from typing import Dict, Optional, Set, Tuple

from ... import log_lines
from ...secret import Secret
from .. import mschap
from . import message
from .errors import forged, malformed
from .inner import InnerMethod, Random, check_mschapv2
from .keys import CryptoBinding, key_material
from .tunnel import Tunnel

_MAX_OFFERS = 3  # of other methods
_CHALLENGE, _RESPONSE, _SUCCESS, _FAILURE = 1, 2, 3, 4  # draft-kamath-pppext-eap-mschapv2-02
_MANDATORY, _TLV_TYPE = 0x8000, 0x3FFF
_RESULT, _NAK, _CRYPTO_BINDING = 3, 4, 12
_RESULT_SUCCESS, _RESULT_FAILURE = 1, 2


class PeapMsChapV2(InnerMethod):
    """EAP-MSCHAPv2 inside PEAP."""

    def __init__(self, user_name: str, password: Secret, tunnel: Tunnel, random: Random) -> None:
        super().__init__(user_name, password, tunnel, random)
        check_mschapv2(user_name, password)
        self._offers = 0
        self._response: Optional[mschap.Response] = None
        self._is_proved = self._is_refused = False
        self._binding: Optional[CryptoBinding] = None

    @property
    def key_material(self) -> bytes:
        return self._binding.key_material if self._binding else key_material(self._tunnel, message.PEAP)

    def process(self, octets: bytes, identifier: int) -> bytes:
        if not octets:
            return b""
        if self.is_complete:
            raise forged("data after the Result TLV inside the tunnel")
        packet = _unpacked(octets, identifier)
        if packet.code == message.SUCCESS:
            if not self._is_proved:
                raise forged("EAP-Success inside the tunnel without proof")
            return b""  # the Result TLV counts
        if packet.code == message.FAILURE:
            self._is_refused = True
            return b""
        if packet.kind == message.EXTENSIONS:
            return self._end(packet)
        return self._answer(packet)

    def _answer(self, packet: message.Packet) -> bytes:
        if packet.kind == message.IDENTITY:
            return bytes([message.IDENTITY]) + self._user_name.encode("utf-8")
        if packet.kind == message.NOTIFICATION:
            self.messages.append(packet.content)
            return bytes([message.NOTIFICATION])
        if packet.kind == message.MSCHAPV2:
            return bytes([message.MSCHAPV2]) + self._mschapv2(packet.content)
        self._offers += 1
        if self._response is not None or self._offers > _MAX_OFFERS:
            raise malformed(log_lines.EAP_METHOD_REFUSED.text)
        return bytes([message.NAK, message.MSCHAPV2])

    # EAP-MSCHAPv2

    def _mschapv2(self, content: bytes) -> bytes:
        operation = content[0] if content else 0
        if operation == _CHALLENGE:
            return self._respond(*_parsed(content))
        if operation == _SUCCESS:
            self._verify(*_parsed(content))
            return bytes([_SUCCESS])
        if operation == _FAILURE:
            _, text = _parsed(content)
            self._is_refused = True
            self.messages += mschap.parse_error(text).texts
            return bytes([_FAILURE])
        raise malformed("unknown operation of EAP-MSCHAPv2")

    def _respond(self, identifier: int, content: bytes) -> bytes:
        size = content[0] if content else 0
        if size != mschap.CHALLENGE_OCTETS or len(content) < 1 + size or self._response is not None:
            raise malformed("malformed or repeated challenge of EAP-MSCHAPv2")
        peer_challenge = self._random(mschap.CHALLENGE_OCTETS)
        self._response = mschap.response(
            self._user_name, self._password, content[1 : 1 + size], peer_challenge, identifier
        )
        value = self._response.value[2:] + b"\0"  # without identifier and flags; the flags are last here
        answer = bytes([len(value)]) + value + self._user_name.encode("utf-8")
        return struct.pack("!BBH", _RESPONSE, identifier, 4 + len(answer)) + answer

    def _verify(self, identifier: int, text: bytes) -> None:
        """Verify the success; the identifier may be any, since the text proves that it belongs to the response."""
        if self._response is None or self._is_proved or self._is_refused:
            raise forged("unexpected success of EAP-MSCHAPv2")
        if not mschap.verify_success(self._response.success, bytes([identifier]) + text, identifier):
            raise forged("success of EAP-MSCHAPv2 is invalid")
        self._is_proved = True

    # TLVs

    def _end(self, packet: message.Packet) -> bytes:
        found = _tlvs(packet.content)
        unknown = [kind for kind in found if kind & _MANDATORY and kind & _TLV_TYPE not in (_RESULT, _CRYPTO_BINDING)]
        if unknown:
            nak = struct.pack("!HHIH", _MANDATORY | _NAK, 6, 0, unknown[0] & _TLV_TYPE)
            return message.encode(message.RESPONSE, packet.identifier, message.EXTENSIONS, nak)
        values = {kind & _TLV_TYPE: (struct.pack("!HH", kind, len(value)), value) for kind, value in found.items()}
        status = values.get(_RESULT, (b"", b""))[1]
        binding = b""
        if status == struct.pack("!H", _RESULT_SUCCESS):
            if not self._is_proved or self._is_refused:
                raise forged("Result TLV of success without proof")
            if _CRYPTO_BINDING in values and self._tunnel.has_exporter:
                binding = self._bind(*values[_CRYPTO_BINDING])
            self.is_complete = True
        elif status == struct.pack("!H", _RESULT_FAILURE):
            self._is_refused = True
        else:
            raise malformed("no Result TLV, or one of an unknown status")
        result = struct.pack("!HH", _MANDATORY | _RESULT, 2) + status + binding
        return message.encode(message.RESPONSE, packet.identifier, message.EXTENSIONS, result)

    def _bind(self, header: bytes, value: bytes) -> bytes:
        assert self._response is not None
        session_key = b"".join(mschap.client_keys(self._password, self._response))
        binding = CryptoBinding(self._tunnel, session_key)
        response = binding.respond(header, value)
        self._binding = binding
        return response


def _unpacked(octets: bytes, identifier: int) -> message.Packet:
    """Return the packet inside, with the identifier of the request outside unless it has its own header."""
    if len(octets) >= message.HEADER_OCTETS:
        code, _, length = struct.unpack("!BBH", octets[: message.HEADER_OCTETS])
        is_end = code in (message.SUCCESS, message.FAILURE) and length == message.HEADER_OCTETS
        kind = octets[message.HEADER_OCTETS : message.HEADER_OCTETS + 1]
        has_header = kind == bytes([message.EXTENSIONS]) or (kind == bytes([message.IDENTITY]) and length == 5)
        if length == len(octets) and (is_end or (code == message.REQUEST and has_header)):
            return message.parse(octets)
    return message.Packet(message.REQUEST, identifier, octets[0], octets[1:])


def _parsed(content: bytes) -> Tuple[int, bytes]:
    """Return the identifier and the data of a packet of EAP-MSCHAPv2; raise EapError if its length is wrong."""
    if len(content) < 4 or struct.unpack("!H", content[2:4])[0] != len(content):
        raise malformed("EAP-MSCHAPv2 with a wrong length")
    return content[1], content[4:]


def _tlvs(octets: bytes) -> Dict[int, bytes]:
    """Return the values of the TLVs that fill the octets, by flags and type; raise EapError if they do not."""
    found: Dict[int, bytes] = {}
    types: Set[int] = set()
    at = 0
    while at < len(octets):
        if len(octets) - at < 4:
            raise malformed("TLV shorter than its header")
        kind, length = struct.unpack_from("!HH", octets, at)
        value = octets[at + 4 : at + 4 + length]
        if len(value) != length:
            raise malformed("TLV with a wrong length")
        if kind & _TLV_TYPE in types:
            raise malformed("repeated TLV")
        types.add(kind & _TLV_TYPE)
        found[kind] = value
        at += 4 + length
    return found
