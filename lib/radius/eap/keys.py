"""The keys of a tunnel: the MSK (RFC 5216, RFC 5281, RFC 9427), and crypto-binding of PEAP (MS-PEAP)."""

import hashlib
import hmac
import struct

from ...namedtuple import NamedTuple
from .errors import forged
from .message import PEAP, TTLS
from .tunnel import TLS_1_3, Tunnel

_MSK_OCTETS = 64

_LABEL = b"EXPORTER_EAP_TLS_Key_Material"
_LABELS = {TTLS: b"ttls keying material", PEAP: b"client EAP encryption"}
_BINDING_REQUEST, _BINDING_RESPONSE = 0, 1
_BINDING_OCTETS = 56  # of the value of the TLV
_IPMK_OCTETS, _MAC_OCTETS = 40, 20


class TunnelKeys(NamedTuple):
    """MS-MPPE-Recv-Key and MS-MPPE-Send-Key that the Access-Accept must have; `repr` shows neither."""

    recv: bytes
    send: bytes

    def __repr__(self) -> str:
        return "<keys of a tunnel>"


class CryptoBinding:
    """The proof that both ends of the tunnel are the ends of the login inside (MS-PEAP section 3.1.5.5)."""

    def __init__(self, tunnel: Tunnel, session_key: bytes) -> None:
        """Take the key of the inner method, 32 octets."""
        tunnel_keys = [key_material(tunnel, PEAP)]
        if tunnel.version == TLS_1_3:  # its exports depend on their length, and hostapd 2.10 takes a shorter one
            tunnel_keys.append(tunnel.export(_LABEL, _MSK_OCTETS, bytes([PEAP])))
        seed = b"Inner Methods Compound Keys" + session_key
        self._keys = [_prf_plus(each[:_IPMK_OCTETS], seed, _IPMK_OCTETS + _MAC_OCTETS) for each in tunnel_keys]

    def respond(self, header: bytes, value: bytes) -> bytes:
        """Return the TLV that answers this one; raise EapError if it is not a valid request.

        `header` are the 4 octets before the value.
        """
        if len(value) != _BINDING_OCTETS:
            raise forged("crypto-binding with a wrong length")
        version, subtype = value[1], value[3]
        if version != 0 or subtype != _BINDING_REQUEST:
            raise forged("crypto-binding is not a request of PEAP version 0")
        signed, mac = header + value[:-_MAC_OCTETS], value[-_MAC_OCTETS:]
        self._keys = [keys for keys in self._keys if hmac.compare_digest(_compound_mac(keys, signed), mac)]
        if not self._keys:
            raise forged("crypto-binding is invalid")
        start = header + struct.pack("!BBBB", 0, 0, 0, _BINDING_RESPONSE) + value[4:-_MAC_OCTETS]
        return start + _compound_mac(self._keys[0], start)

    @property
    def key_material(self) -> bytes:
        """The MSK, which comes from the keys of both; after the response."""
        return _prf_plus(self._keys[0][:_IPMK_OCTETS], b"Session Key Generating Function\0", _MSK_OCTETS)


def key_material(tunnel: Tunnel, kind: int) -> bytes:
    """Return the MSK of a tunnel for this EAP type, without crypto-binding."""
    if tunnel.version == TLS_1_3:
        return tunnel.export(_LABEL, 2 * _MSK_OCTETS, bytes([kind]))[:_MSK_OCTETS]
    return tunnel.export(_LABELS[kind], _MSK_OCTETS)


def _compound_mac(keys: bytes, octets: bytes) -> bytes:
    cmk = keys[_IPMK_OCTETS:]
    return hmac.new(cmk, octets + bytes(_MAC_OCTETS) + bytes([PEAP]), hashlib.sha1).digest()


def _prf_plus(key: bytes, seed: bytes, length: int) -> bytes:
    """PRF+ of PEAP version 0 (MS-PEAP section 3.1.5.5.2.2)."""
    octets = block = b""
    while len(octets) < length:
        number = len(octets) // _MAC_OCTETS + 1
        block = hmac.new(key, block + seed + bytes([number, 0, 0]), hashlib.sha1).digest()
        octets += block
    return octets[:length]
