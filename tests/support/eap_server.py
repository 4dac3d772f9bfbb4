"""A scripted server of EAP-TTLS and PEAP in memory: EAP responses in, EAP requests out.

It shares no code with lib/radius/eap, so that both sides cannot make the same mistake. Only the arithmetic of
MS-CHAPv2, which the vectors of its RFC prove, is that of lib. It raises `Violation` if the client breaks the protocol.
"""

import hashlib
import hmac
import os
import struct
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from OpenSSL import SSL, crypto

from lib.radius import mschap
from lib.radius._md4_des import md4
from lib.secret import Secret
from tests.support.certificates import Authority, Identity

REQUEST, RESPONSE, SUCCESS, FAILURE = 1, 2, 3, 4  # EAP codes
IDENTITY, NAK, MD5_CHALLENGE, TLS, TTLS, PEAP, MSCHAPV2, TLV = 1, 3, 4, 13, 21, 25, 26, 33  # EAP types
LENGTH_FLAG, MORE_FLAG, START_FLAG = 0x80, 0x40, 0x20
USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE = 1, 2, 18, 24
MICROSOFT, MS_CHAP_ERROR, MS_CHAP_CHALLENGE, MS_CHAP2_RESPONSE, MS_CHAP2_SUCCESS = 311, 2, 11, 25, 26
HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")  # a TLS record with a fatal alert, not encrypted
TLS_1_2, TLS_1_3 = "TLSv1.2", "TLSv1.3"


class Violation(Exception):
    """The client has broken the protocol."""


class Faults(NamedTuple):
    """What the server does otherwise than a correct one."""

    offers: Sequence[int] = ()
    """EAP types that it offers first; each one must be answered with a Nak."""
    fragment: str = ""
    """What happens to the first message with several fragments: `lost` (the second one), `doubled` (the first one),
    `swapped` (the second and third), `wrong-length`, `other-length` (in the second), `too-long` (100 KB announced),
    `endless` (fragments that never end), or `no-length`."""
    alert_at: int = -1
    """The number of the TLS message, from 0, that is replaced by an alert; after the handshake, by close_notify."""
    inner: str = ""
    """`wrong-success` (S= of another password), `no-success` (none, and the login goes on), `wrong-identifier`,
    `early-success` (at the first step inside), `early-result` (the same with a Result TLV), `second-success`,
    `result-failure`, `unknown-result`, `no-result`, `inner-failure` (EAP-Failure inside), `other-method` (MD5-Challenge
    first), `unknown-tlv`, `unknown-avp` (mandatory), or `after-end` (another message after the last one)."""
    binding: str = ""
    """Crypto-binding of PEAP: none, `valid`, `hostapd` (valid, as hostapd 2.10 makes it with TLS 1.3), `wrong-mac`,
    `wrong-version`, or `response` (the subtype)."""
    challenges: Sequence[Tuple[bytes, str]] = ()
    """Reply-Message and expected answer of each challenge inside EAP-TTLS with PAP."""
    messages: Sequence[bytes] = ()
    """Reply-Message AVPs, with MS-CHAPv2 inside EAP-TTLS; the text of the error or success inside PEAP."""
    has_state: bool = False
    """Whether a challenge inside the tunnel has a State, which must come back."""
    success_at: int = -1
    """The number of the response, from 0, that is answered with an EAP-Success, whatever it is."""
    protected_success: bool = False
    """Whether TLS 1.3 ends with the octet 0 (RFC 9190 section 2.1.1)."""
    holds_tickets: bool = False
    """Whether the session tickets of TLS 1.3 come with the next message, so that the handshake ends without one."""
    identity_header: bool = False
    """Whether the inner Identity request of PEAP has an EAP header, as FreeRADIUS sends it."""
    rewrite: Optional[Callable[[int, bytes], bytes]] = None
    """Changes an EAP request; the first argument is its number, from 0."""
    rewrite_inner: Optional[Callable[[int, bytes], bytes]] = None
    """Changes the octets of a message inside the tunnel; the first argument is its number, from 0."""


class EapServer:
    """One conversation. `method` is an `auth_type` of the plugin; `users` are passwords by name.

    `fragment` is the number of octets of TLS data in a request; `tls_version` is the only one that the server speaks,
    or "" for both. With `client_ca` it requires a client certificate.
    """

    def __init__(
        self,
        method: str,
        users: Mapping[str, str],
        certificate: Identity,
        fragment: int = 1000,
        tls_version: str = "",
        faults: Optional[Faults] = None,
        client_ca: Optional[Authority] = None,
        identifier: int = 1,
        chain: str = "",
    ) -> None:
        self.identity = b""
        """The name outside the tunnel."""
        self.inner_name = b""
        """The name inside the tunnel."""
        self.inner_messages: List[bytes] = []
        """What the client sent inside the tunnel."""
        self.responses: List[bytes] = []
        """The EAP packets of the client."""
        self._type = PEAP if method.startswith("peap") else TTLS
        self._is_pap = method.endswith("pap")
        self._users = dict(users)
        self._fragment = fragment
        self._faults = faults or Faults()
        self._offers = list(self._faults.offers)
        self._identifier = identifier - 1
        self._tls: Any = SSL.Connection(_context(certificate, tls_version, client_ca, chain), None)
        self._tls.set_accept_state()
        self._is_established = False
        self._outgoing: List[bytes] = []
        self._incoming = b""
        self._announced: Optional[int] = None
        self._messages = self._requests = self._inner_requests = 0
        self._has_fragment_fault = bool(self._faults.fragment)
        self._inner: Callable[[bytes], Optional[bytes]] = self._peap_start if self._type == PEAP else self._ttls
        self._outcome: Optional[bool] = None
        self._challenges = list(self._faults.challenges)
        self._challenge = self._nt_response = b""
        self._keys: Optional[Tuple[bytes, bytes]] = None
        self._binding_key = b""
        self._is_over = self._has_ended = False
        self._last_messages: List[bytes] = []

    @property
    def keys(self) -> Tuple[bytes, bytes]:
        """MS-MPPE-Recv-Key and MS-MPPE-Send-Key for the Access-Accept, after the success."""
        if self._keys is None:
            raise AssertionError("the login has not succeeded")
        return self._keys

    @property
    def tls_version(self) -> str:
        """The negotiated version of TLS."""
        return str(self._tls.get_protocol_version_name())

    @property
    def is_over(self) -> bool:
        """Whether the last answer was an EAP-Success or an EAP-Failure."""
        return self._is_over

    def receive(self, eap_response: bytes) -> bytes:
        """Return the next EAP request, or EAP-Success or EAP-Failure."""
        self.responses.append(eap_response)
        if len(self.responses) - 1 == self._faults.success_at:
            return self._finish(True)
        kind, content = self._parse(eap_response)
        if kind == IDENTITY:
            self.identity = content
            return self._offer()
        if kind == NAK:
            if self._type not in content:
                return self._finish(False)
            return self._offer()
        if kind != self._type or not content:
            raise Violation(f"a response of type {kind}")
        return self._receive_data(content[0], content[1:])

    # EAP and fragments

    def _parse(self, octets: bytes) -> Tuple[int, bytes]:
        code, identifier, length = struct.unpack("!BBH", octets[:4])
        if code != RESPONSE or length != len(octets) or length < 5:
            raise Violation("not an EAP response")
        if self._requests and identifier != self._identifier:
            raise Violation("the identifier of another request")
        return octets[4], octets[5:]

    def _request(self, content: bytes) -> bytes:
        self._identifier = (self._identifier + 1) % 256
        octets = struct.pack("!BBH", REQUEST, self._identifier, 4 + len(content)) + content
        number, self._requests = self._requests, self._requests + 1
        return self._faults.rewrite(number, octets) if self._faults.rewrite else octets

    def _offer(self) -> bytes:
        kind = self._offers.pop(0) if self._offers else self._type
        if kind in (TLS, TTLS, PEAP):
            return self._request(bytes([kind, START_FLAG]))
        return self._request(bytes([kind, 16]) + os.urandom(16))

    def _receive_data(self, flags: int, octets: bytes) -> bytes:
        if flags & 0x3F:
            raise Violation(f"flags {flags:#x}")
        if self._outgoing:
            if octets or flags:
                raise Violation("no acknowledgment of a fragment")
            return self._request(self._outgoing.pop(0))
        if flags & LENGTH_FLAG:
            (announced,) = struct.unpack("!I", octets[:4])
            octets = octets[4:]
            if self._announced not in (None, announced):
                raise Violation("another length")
            self._announced = announced
        elif flags & MORE_FLAG and self._announced is None:
            raise Violation("a first fragment without a length")
        if len(octets) > 1000:
            raise Violation("a fragment of more than 1,000 octets")
        self._incoming += octets
        if flags & MORE_FLAG:
            return self._request(bytes([self._type, 0]))
        if self._announced not in (None, len(self._incoming)):
            raise Violation("a wrong length")
        message, self._incoming, self._announced = self._incoming, b"", None
        return self._receive_message(message)

    def _send_message(self, octets: bytes) -> bytes:
        number, self._messages = self._messages, self._messages + 1
        if number == self._faults.alert_at:
            if self._is_established:
                self._tls.shutdown()
                octets += self._flush()
            else:
                octets = HANDSHAKE_FAILURE
        size = self._fragment
        pieces = [octets[at : at + size] for at in range(0, len(octets), size)] or [b""]
        sent = []
        for index, piece in enumerate(pieces):
            flags = MORE_FLAG if index < len(pieces) - 1 else 0
            header = b""
            if index == 0 and len(pieces) > 1:
                flags, header = flags | LENGTH_FLAG, struct.pack("!I", len(octets))
            sent.append(bytes([self._type, flags]) + header + piece)
        if len(sent) > 2 and self._has_fragment_fault:
            self._has_fragment_fault = False
            sent = self._faulty(sent, len(octets))
        self._outgoing = sent[1:]
        return self._request(sent[0])

    def _faulty(self, sent: List[bytes], length: int) -> List[bytes]:
        fault = self._faults.fragment
        first, second = sent[0], sent[1]
        if fault == "lost":
            return [first] + sent[2:]
        if fault == "doubled":
            return [first] + sent
        if fault == "swapped":
            return [first, sent[2], second] + sent[3:]
        if fault == "wrong-length":
            return [first[:2] + struct.pack("!I", length + 1) + first[6:]] + sent[1:]
        if fault == "other-length":
            return [first, bytes([second[0], second[1] | LENGTH_FLAG]) + struct.pack("!I", length - 1) + second[2:]]
        if fault == "too-long":
            return [first[:2] + struct.pack("!I", 100000) + first[6:]] + sent[1:]
        if fault == "endless":
            return [first] + [bytes([second[0], MORE_FLAG]) + bytes(self._fragment)] * 1000
        if fault == "no-length":
            return [bytes([first[0], MORE_FLAG]) + first[6:]] + sent[1:]
        raise AssertionError(f"no such fault: {fault}")

    def _finish(self, is_success: bool) -> bytes:
        self._is_over = True
        if is_success and self._is_established and self._keys is None:
            key = self._key_material()
            self._keys = key[:32], key[32:64]
        return struct.pack("!BBH", SUCCESS if is_success else FAILURE, self._identifier, 4)

    # TLS

    def _receive_message(self, octets: bytes) -> bytes:
        if octets:
            self._tls.bio_write(octets)
        if not self._is_established:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                return self._send_message(self._flush())
            except SSL.Error:
                alert = self._flush()
                self._outcome = False
                return self._send_message(alert) if alert else self._finish(False)
            self._is_established = True
            output = b"" if self._faults.holds_tickets and self.tls_version == TLS_1_3 else self._flush()
            if output or self._type == TTLS:
                return self._send_message(output)
        return self._receive_inner(self._read())

    def _receive_inner(self, octets: bytes) -> bytes:
        if octets:
            self.inner_messages.append(octets)
        answer = self._inner(octets) if self._outcome is None else None
        if answer is None:
            answer = self._last_message()
        if answer is None:
            return self._finish(bool(self._outcome))
        return self._send_inner(answer)

    def _last_message(self) -> Optional[bytes]:
        """Return what the server still sends inside after the login has succeeded."""
        if self._outcome is None:
            raise AssertionError("neither an answer nor an outcome")
        if not self._has_ended and self._outcome:
            if self._faults.protected_success and self.tls_version == TLS_1_3:
                self._last_messages.append(b"\0")
            if self._faults.inner == "after-end":
                self._last_messages.append(self._avp(REPLY_MESSAGE, b"x") if self._type == TTLS else bytes([IDENTITY]))
        self._has_ended = True
        return self._last_messages.pop(0) if self._last_messages else None

    def _send_inner(self, octets: bytes) -> bytes:
        number, self._inner_requests = self._inner_requests, self._inner_requests + 1
        if self._faults.rewrite_inner:
            octets = self._faults.rewrite_inner(number, octets)
        if octets and self._messages != self._faults.alert_at:
            self._tls.sendall(octets)
        return self._send_message(self._flush())

    def _read(self) -> bytes:
        octets = b""
        while True:
            try:
                octets += self._tls.recv(65536)
            except SSL.WantReadError:
                return octets
            except SSL.ZeroReturnError:
                raise Violation("the client has closed TLS") from None

    def _flush(self) -> bytes:
        octets = b""
        while True:
            try:
                octets += self._tls.bio_read(65536)
            except SSL.WantReadError:
                return octets

    def _key_material(self) -> bytes:
        if self.tls_version == TLS_1_3:
            key = self._tls.export_keying_material(b"EXPORTER_EAP_TLS_Key_Material", 128, bytes([self._type]))
        else:
            label = b"client EAP encryption" if self._type == PEAP else b"ttls keying material"
            key = self._tls.export_keying_material(label, 128)
        return bytes(key)

    # EAP-TTLS

    def _avp(self, code: int, value: bytes, vendor: int = 0, is_mandatory: bool = True) -> bytes:
        flags = (0x80 if vendor else 0) | (0x40 if is_mandatory else 0)
        length = (12 if vendor else 8) + len(value)
        header = struct.pack("!II", code, flags << 24 | length) + (struct.pack("!I", vendor) if vendor else b"")
        return header + value + bytes(-length % 4)

    def _avps(self, octets: bytes) -> Dict[Tuple[int, int], bytes]:
        found: Dict[Tuple[int, int], bytes] = {}
        while octets:
            code, word = struct.unpack("!II", octets[:8])
            length, start = word & 0xFFFFFF, 12 if word >> 31 else 8
            vendor = struct.unpack("!I", octets[8:12])[0] if word >> 31 else 0
            padded = length + -length % 4
            if not start <= length or padded > len(octets) or any(octets[length:padded]):
                raise Violation("a malformed AVP")
            if not word >> 30 & 1 or (vendor, code) in found:
                raise Violation("an AVP without the M bit, or twice")
            found[vendor, code] = octets[start:length]
            octets = octets[padded:]
        return found

    def _ttls(self, octets: bytes) -> Optional[bytes]:
        if self._faults.inner == "early-success":
            self._outcome = True
            return None
        found = self._avps(octets)
        self.inner_name = found.get((0, USER_NAME), b"")
        return self._pap(found) if self._is_pap else self._ttls_mschapv2(found)

    def _pap(self, found: Dict[Tuple[int, int], bytes]) -> Optional[bytes]:
        padded = found.get((0, USER_PASSWORD), b"")
        if not padded or len(padded) % 16:
            raise Violation("a password that is not padded")
        expected = self._users.get(self.inner_name.decode())
        if expected is None or not hmac.compare_digest(padded.rstrip(b"\0"), expected.encode()):
            self._outcome = False
            return None
        if self._faults.has_state and self._challenge and found.get((0, STATE)) != self._challenge:
            raise Violation("the State of another challenge")
        if self._challenges:
            message, answer = self._challenges.pop(0)
            self._users[self.inner_name.decode()] = answer
            self._challenge = os.urandom(8)
            state = self._avp(STATE, self._challenge) if self._faults.has_state else b""
            return self._avp(REPLY_MESSAGE, message) + state
        self._outcome = True
        if self._faults.inner == "unknown-avp":
            return self._avp(9999, b"x")
        return None

    def _ttls_mschapv2(self, found: Dict[Tuple[int, int], bytes]) -> Optional[bytes]:
        implicit = bytes(self._tls.export_keying_material(b"ttls challenge", 17))
        response = found.get((MICROSOFT, MS_CHAP2_RESPONSE), b"")
        if found.get((MICROSOFT, MS_CHAP_CHALLENGE)) != implicit[:16] or response[:1] != implicit[16:]:
            raise Violation("another challenge than that of the tunnel")
        if len(response) != 50 or response[1] or any(response[18:26]):
            raise Violation("a malformed MS-CHAP2-Response")
        texts = b"".join(self._avp(REPLY_MESSAGE, each) for each in self._faults.messages)
        success = self._success(implicit[:16], response[2:18], response[26:])
        if success is None:
            self._outcome = False
            text = b"E=691 R=0 C=" + b"0" * 32 + b" V=3 M=Wrong password"
            return self._avp(MS_CHAP_ERROR, implicit[16:] + text, MICROSOFT) + texts
        self._outcome = True
        fault = self._faults.inner
        if fault == "no-success":
            return texts or None
        identifier = bytes([(implicit[16] + 1) % 256]) if fault == "wrong-identifier" else implicit[16:]
        avp = self._avp(MS_CHAP2_SUCCESS, identifier + success, MICROSOFT)
        if fault == "unknown-avp":
            avp += self._avp(9999, b"x")
        return avp * (2 if fault == "second-success" else 1) + texts

    def _success(self, challenge: bytes, peer_challenge: bytes, nt_response: bytes) -> Optional[bytes]:
        """Return `S=...` if the response is that of the password, otherwise None."""
        name = self.inner_name.decode()
        password = self._users.get(name)
        if password is None:
            return None
        made = mschap.response(name, Secret(password), challenge, peer_challenge, 0)
        if made.value[-24:] != nt_response:
            return None
        self._nt_response = nt_response
        if self._faults.inner == "wrong-success":
            made = mschap.response(name, Secret(password + "x"), challenge, peer_challenge, 0)
        return made.success.encode()

    # PEAP

    def _inner_packet(self, content: bytes) -> bytes:
        """Return a packet with its EAP header, with the identifier of the request that will carry it."""
        return struct.pack("!BBH", REQUEST, (self._identifier + 1) % 256, 4 + len(content)) + content

    def _result(self, status: int) -> bytes:
        tlvs = struct.pack("!HHH", 0x8003, 2, status)
        if self._faults.inner == "unknown-tlv":
            tlvs += struct.pack("!HH", 0x8000 | 99, 1) + b"x"
        if self._faults.binding and status == 1:
            tlvs += self._binding()
        return self._inner_packet(bytes([TLV]) + tlvs)

    def _peap_start(self, octets: bytes) -> Optional[bytes]:
        if octets:
            raise Violation("data before the inner identity was requested")
        fault = self._faults.inner
        self._inner = self._peap_identity
        if fault == "early-result":
            self._inner = self._peap_result
            return self._result(1)
        if fault == "early-success":
            self._outcome = True
            return struct.pack("!BBH", SUCCESS, self._identifier + 1, 4)
        if fault == "inner-failure":
            self._outcome = False
            return struct.pack("!BBH", FAILURE, self._identifier + 1, 4)
        return self._inner_packet(bytes([IDENTITY])) if self._faults.identity_header else bytes([IDENTITY])

    def _peap_identity(self, octets: bytes) -> Optional[bytes]:
        if octets[:1] != bytes([IDENTITY]):
            raise Violation("no inner identity")
        self.inner_name = octets[1:]
        if self._faults.inner == "other-method":
            self._inner = self._peap_nak
            return bytes([MD5_CHALLENGE, 16]) + os.urandom(16)
        return self._peap_challenge()

    def _peap_nak(self, octets: bytes) -> Optional[bytes]:
        if octets != bytes([NAK, MSCHAPV2]):
            raise Violation("no Nak inside")
        return self._peap_challenge()

    def _peap_challenge(self) -> bytes:
        self._inner = self._peap_response
        self._challenge = os.urandom(16)
        return self._mschapv2(1, bytes([16]) + self._challenge + b"server")

    def _mschapv2(self, operation: int, content: bytes) -> bytes:
        return bytes([MSCHAPV2]) + struct.pack("!BBH", operation, 77, 4 + len(content)) + content

    def _peap_response(self, octets: bytes) -> Optional[bytes]:
        kind, operation, identifier, length, size = struct.unpack("!BBBHB", octets[:6])
        value, name = octets[6:55], octets[55:]
        if (kind, operation, identifier, length, size) != (MSCHAPV2, 2, 77, len(octets) - 1, 49):
            raise Violation("a malformed MS-CHAPv2 response")
        if any(value[16:24]) or value[48] or name != self.inner_name:
            raise Violation("a malformed MS-CHAPv2 response, or another name")
        success = self._success(self._challenge, value[:16], value[24:48])
        text = b" M=" + (b"".join(self._faults.messages) or b"text")
        if success is None:
            self._inner = self._peap_error_ack
            return self._mschapv2(4, b"E=691 R=0 C=" + b"0" * 32 + b" V=3" + text)
        self._inner = self._peap_ack
        if self._faults.inner == "no-success":
            self._inner = self._peap_result
            return self._result(1)
        return self._mschapv2(3, success + text)

    def _peap_error_ack(self, octets: bytes) -> Optional[bytes]:
        if octets != bytes([MSCHAPV2, 4]):
            raise Violation("no acknowledgment of the error")
        self._inner = self._peap_failed_result
        return self._result(2)

    def _peap_failed_result(self, octets: bytes) -> Optional[bytes]:
        if octets[4:] != bytes([TLV]) + struct.pack("!HHH", 0x8003, 2, 2):
            raise Violation("no Result TLV of failure")
        self._outcome = False
        return None

    def _peap_ack(self, octets: bytes) -> Optional[bytes]:
        if octets != bytes([MSCHAPV2, 3]):
            raise Violation("no acknowledgment of the success")
        fault = self._faults.inner
        if fault == "second-success":
            return self._mschapv2(3, b"S=" + b"0" * 40)
        if fault == "no-result":
            self._outcome = True
            return None
        self._inner = self._peap_result
        if fault == "result-failure":
            self._inner = self._peap_failed_result
            return self._result(2)
        return self._result(3 if fault == "unknown-result" else 1)

    def _peap_result(self, octets: bytes) -> Optional[bytes]:
        code, _, length, kind, tlv, size, status = struct.unpack("!BBHBHHH", octets[:11])
        if (code, length, kind, tlv, size) != (RESPONSE, len(octets), TLV, 0x8003, 2):
            raise Violation("a malformed Result TLV")
        if status == 1 and self._faults.binding in ("valid", "hostapd"):
            self._check_binding(octets[11:])
        elif octets[11:]:
            raise Violation("more than a Result TLV")
        self._outcome = status == 1
        return None

    def _binding(self, subtype: int = 0, nonce: bytes = b"") -> bytes:
        """Return a crypto-binding TLV (MS-PEAP section 2.2.8.1.1)."""
        fault = self._faults.binding
        self._nonce = nonce or os.urandom(32)
        version = 1 if fault == "wrong-version" else 0
        subtype = 1 if fault == "response" else subtype
        head = struct.pack("!HHBBBB", 12, 56, 0, version, 0, subtype) + self._nonce
        mac = hmac.new(self._compound_keys()[40:], head + bytes(20) + bytes([PEAP]), hashlib.sha1).digest()
        return head + (bytes([mac[0] ^ 1]) + mac[1:] if fault == "wrong-mac" else mac)

    def _check_binding(self, octets: bytes) -> None:
        if len(octets) != 60 or octets[:8] != struct.pack("!HHBBBB", 12, 56, 0, 0, 0, 1):
            raise Violation("a malformed crypto-binding TLV")
        keys = self._compound_keys()
        mac = hmac.new(keys[40:], octets[:40] + bytes(20) + bytes([PEAP]), hashlib.sha1).digest()
        if octets[40:] != mac or octets[8:40] != self._nonce:
            raise Violation("a wrong crypto-binding")
        key = _prf_plus(keys[:40], b"Session Key Generating Function\0", 128)
        self._keys = key[:32], key[32:64]

    def _compound_keys(self) -> bytes:
        """Return the IPMK and the CMK (MS-PEAP section 3.1.5.5.2.2)."""
        session_key = bytes(32)
        if self._nt_response:
            hash_hash = md4(md4(self._users[self.inner_name.decode()].encode("utf-16-le")))
            magic = b"This is the MPPE Master Key"
            master_key = hashlib.sha1(hash_hash + self._nt_response + magic).digest()[:16]
            session_key = b"".join(
                hashlib.sha1(master_key + bytes(40) + each + b"\xf2" * 40).digest()[:16] for each in _START_KEY_TEXTS
            )
        seed = b"Inner Methods Compound Keys" + session_key
        tunnel_key = self._key_material()
        if self._faults.binding == "hostapd" and self.tls_version == TLS_1_3:  # the length changes every octet
            tunnel_key = self._tls.export_keying_material(b"EXPORTER_EAP_TLS_Key_Material", 64, bytes([PEAP]))
        return _prf_plus(tunnel_key[:40], seed, 60)


# RFC 3079 section 3.4: what the client sends with, and what it receives with
_START_KEY_TEXTS = (
    b"On the client side, this is the send key; on the server side, it is the receive key.",
    b"On the client side, this is the receive key; on the server side, it is the send key.",
)


def _prf_plus(key: bytes, seed: bytes, length: int) -> bytes:
    octets = block = b""
    for number in range(1, 8):
        block = hmac.new(key, block + seed + bytes([number, 0, 0]), hashlib.sha1).digest()
        octets += block
    return octets[:length]


def _context(certificate: Identity, tls_version: str, client_ca: Optional[Authority], chain: str) -> Any:
    context: Any = SSL.Context(SSL.SSLv23_METHOD)
    context.set_options(SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3)
    if tls_version not in ("", "TLSv1", "TLSv1.1"):
        context.set_options(SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1)
    if tls_version:
        context.set_options(sum(number for name, number in _NO_VERSION.items() if name != tls_version))
    context.use_certificate(crypto.load_certificate(crypto.FILETYPE_PEM, certificate.certificate.encode()))
    context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, certificate.key.encode()))
    if chain:
        context.add_extra_chain_cert(crypto.load_certificate(crypto.FILETYPE_PEM, chain.encode()))
    if client_ca is not None:
        ca = crypto.load_certificate(crypto.FILETYPE_PEM, client_ca.certificate.encode())
        context.get_cert_store().add_cert(ca)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *arguments: bool(arguments[-1]))
    return context


_NO_VERSION = {
    "TLSv1": SSL.OP_NO_TLSv1,
    "TLSv1.1": SSL.OP_NO_TLSv1_1,
    "TLSv1.2": SSL.OP_NO_TLSv1_2,
    "TLSv1.3": 0x20000000,  # SSL.OP_NO_TLSv1_3, which some versions of pyOpenSSL do not name
}
