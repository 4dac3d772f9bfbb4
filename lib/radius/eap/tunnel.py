"""The TLS client of a tunnel, in memory: TLS 1.2 and 1.3, without resumption.

pyOpenSSL runs it where it can be imported, since only it can export keys (RFC 5705); otherwise the ssl module does.
"""

import ipaddress
import ssl
from typing import Any, Iterable, List, Mapping, Optional, Tuple

from ... import log_lines, reasons
from ..server import TlsSettings
from ..transport import tls
from ..transport.base import Certificate, Unreachable
from .engine import Engine, SslEngine
from .errors import EapError

TLS_1_3 = "TLSv1.3"

# X509_V_ERR_* for another name and another address, as transport.tls explains them
_NAME_MISMATCH, _ADDRESS_MISMATCH = 62, 64


class Tunnel:
    """A TLS connection through a tunnel; its methods raise EapError if TLS fails.

    The certificate of the server must be for `server_name`, a host name or address. `has_exporter` is whether
    pyOpenSSL runs it; by default, whether it can be imported.
    """

    def __init__(self, settings: TlsSettings, server_name: str, has_exporter: Optional[bool] = None) -> None:
        self._settings = settings
        self._name = server_name
        try:
            _labels(server_name)
        except ValueError:
            raise EapError(reasons.TLS_CERTIFICATE, log_lines.NO_MATCHING_NAME.format(name=server_name)) from None
        self.is_established = False
        """Whether the handshake is complete, and the certificate and its name are verified."""
        self.certificate: Optional[Certificate] = None
        """The certificate of the server, once its chain is verified; its name may still be wrong."""
        self._tls = self._engine(has_exporter)

    @property
    def has_exporter(self) -> bool:
        """Whether the tunnel can export keys."""
        return self._tls.has_exporter

    @property
    def version(self) -> str:
        """The version of TLS, such as `TLSv1.3`."""
        return self._tls.version()

    def handshake(self, octets: bytes) -> bytes:
        """Process a message of the server, none at the start, and return the next one of the client."""
        if octets:
            self._tls.feed(octets)
        try:
            if self._tls.shake_hands():
                found = self._tls.peer()
                self.certificate = tls.certificate_of(found)
                self._check_name(found)  # before the output leaves, and before anything can be sent inside
                self.is_established = True
        except (ssl.SSLError, ValueError) as error:
            raise self._failed(error) from None
        return self._tls.drain()

    def read(self, octets: bytes = b"") -> bytes:
        """Return what the server wrote inside a message, in full; after the handshake."""
        assert self.is_established
        if octets:
            self._tls.feed(octets)
        found = b""
        try:
            while True:
                chunk = self._tls.read()
                if not chunk:
                    return found
                found += chunk
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            raise EapError(reasons.TLS_FAILED, log_lines.TUNNEL_CLOSED.text) from None
        except ssl.SSLError as error:
            raise self._failed(error) from None

    def write(self, octets: bytes) -> bytes:
        """Return the message that carries these octets inside, after what TLS itself has to send."""
        assert self.is_established
        try:
            if octets:
                self._tls.write(octets)
        except ssl.SSLError as error:
            raise self._failed(error) from None
        return self._tls.drain()

    def export(self, label: bytes, length: int, context: Optional[bytes] = None) -> bytes:
        """Return octets that only the two ends of the tunnel know (RFC 5705)."""
        assert self.is_established and self.has_exporter
        return self._tls.export(label, length, context)

    def _engine(self, has_exporter: Optional[bool]) -> Engine:
        if has_exporter is None:
            has_exporter = can_export()
        if has_exporter:
            from .openssl import OpenSslEngine

            return OpenSslEngine(self._settings)
        try:
            return SslEngine(self._settings)
        except Unreachable as error:
            raise EapError(error.code, str(error)) from None

    def _check_name(self, found: Mapping[str, Any]) -> None:
        if not is_for(self._name, found.get("subjectAltName", ())):
            error = ssl.SSLError(1, "certificate verify failed")
            error.verify_code = _ADDRESS_MISMATCH if _address(self._name) else _NAME_MISMATCH  # type: ignore[attr-defined]
            raise error

    def _failed(self, error: Exception) -> EapError:
        code, text = tls.explain(error, self._name, bool(self._settings.client_certificate))
        if text == log_lines.NOT_TLS.text:  # there is no port to check
            text = log_lines.TLS_ERROR.format(error="a message is not TLS")
        return EapError(code, text)


def can_export() -> bool:
    """Whether pyOpenSSL can be used here, which the proof by the keys of the tunnel needs."""
    try:
        from . import openssl
    except Exception:  # a pyOpenSSL that does not fit its cryptography raises AttributeError
        return False
    return openssl.OpenSslEngine.has_exporter


def is_for(server_name: str, names: Iterable[Tuple[str, str]]) -> bool:
    """Whether a certificate with these subject alternative names is for a host name or address (RFC 6125).

    `names` are pairs as in the ssl module. The whole leftmost label of a name may be `*`; the common name never counts.
    """
    address = _address(server_name)
    if address is not None:
        return any(kind == "IP Address" and _address(value) == address for kind, value in names)
    labels = _labels(server_name)
    return any(kind == "DNS" and _matches(value, labels) for kind, value in names)


def _matches(pattern: str, labels: List[str]) -> bool:
    try:
        parts = pattern.encode("ascii").decode().lower().split(".")
    except UnicodeError:
        return False
    if parts[0] == "*" and len(parts) > 2:
        return len(labels) == len(parts) and labels[1:] == parts[1:]
    return labels == parts


def _labels(server_name: str) -> List[str]:
    """Return the labels of a host name in ASCII and lower case; raise ValueError if it cannot be one."""
    labels = server_name.encode("idna").decode().lower().rstrip(".").split(".")
    if not all(labels) or "*" in labels:
        raise ValueError("not a host name")
    return labels


def _address(name: str) -> Optional[Tuple[int, bytes]]:
    try:
        found = ipaddress.ip_address(name.strip())
    except ValueError:
        return None
    return found.version, found.packed
