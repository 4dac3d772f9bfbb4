"""TLS with pyOpenSSL, which can export keys."""

import contextlib
import re
import ssl
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from cryptography import x509
from OpenSSL import SSL, crypto

from ... import log_lines, reasons
from ...secret import Secret
from ..server import TlsSettings
from .engine import CHUNK, Engine
from .errors import EapError

_PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN: ca_certificate may have an intermediate CA alone
# Options of OpenSSL by number: some versions of pyOpenSSL lack the names.
_OPTIONS = (
    0x02000000  # no SSL 3
    | 0x04000000  # no TLS 1.0
    | 0x10000000  # no TLS 1.1
    | 0x00004000  # no session tickets
    | 0x00020000  # no compression
    | 0x40000000  # no renegotiation
)
_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class OpenSslEngine(Engine):
    """TLS with pyOpenSSL."""

    has_exporter = True

    def __init__(self, settings: TlsSettings) -> None:
        """Raise EapError if a certificate is unusable."""
        self._verify_error = 0
        context: Any = SSL.Context(SSL.SSLv23_METHOD)
        context.set_options(_OPTIONS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER, self._verify)
        _trust(context, settings.ca_certificate)
        if settings.client_certificate:
            _authenticate(context, settings.client_certificate)
        self._tls: Any = SSL.Connection(context, None)
        self._tls.set_connect_state()

    def feed(self, octets: bytes) -> None:
        self._tls.bio_write(octets)

    def drain(self) -> bytes:
        octets = b""
        while True:
            try:
                octets += self._tls.bio_read(CHUNK)
            except SSL.WantReadError:
                return octets

    def shake_hands(self) -> bool:
        try:
            with self._errors():
                self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def read(self) -> bytes:
        try:
            with self._errors():
                return bytes(self._tls.recv(CHUNK))
        except SSL.WantReadError:
            return b""

    def write(self, octets: bytes) -> None:
        with self._errors():
            self._tls.sendall(octets)

    def version(self) -> str:
        return str(self._tls.get_protocol_version_name())

    def peer(self) -> Mapping[str, Any]:
        try:
            certificate = self._tls.get_peer_certificate().to_cryptography()
        except x509.InvalidVersion:
            raise ValueError("a certificate of an unknown version") from None
        return {
            "subject": _described(certificate.subject),
            "issuer": _described(certificate.issuer),
            "notAfter": _end(certificate),
            "subjectAltName": _names(certificate),
        }

    def export(self, label: bytes, length: int, context: Optional[bytes]) -> bytes:
        return bytes(self._tls.export_keying_material(label, length, context))

    def _verify(self, _connection: Any, _certificate: Any, number: int, _depth: int, is_valid: int) -> bool:
        if not is_valid and not self._verify_error:
            self._verify_error = number
        return bool(is_valid)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of pyOpenSSL into those of the ssl module, except WantReadError."""
        try:
            yield
        except SSL.WantReadError:
            raise
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError("closed") from None
        except SSL.SysCallError:
            raise ssl.SSLEOFError("closed") from None
        except SSL.Error as error:
            made = ssl.SSLError(1, _text(error))
            if self._verify_error:
                made.verify_code = self._verify_error  # type: ignore[attr-defined]
                made.verify_message = f"error {self._verify_error}"  # type: ignore[attr-defined]
            raise made from None


def _trust(context: Any, ca_certificate: str) -> None:
    store = context.get_cert_store()
    store.set_flags(_PARTIAL_CHAIN)
    try:
        for certificate in _certificates(ca_certificate):
            store.add_cert(certificate)
    except (crypto.Error, ValueError) as error:
        raise _unusable("ca_certificate", error) from None


def _authenticate(context: Any, secret: Secret) -> None:
    try:
        first, *others = _certificates(secret.reveal())
        context.use_certificate(first)
        for certificate in others:
            context.add_extra_chain_cert(certificate)
        # OpenSSL would prompt for the passphrase of an encrypted key otherwise.
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, secret.octets(), lambda *_: b""))
        context.check_privatekey()
    except (crypto.Error, SSL.Error, ValueError, TypeError) as error:
        raise _unusable("client_certificate", error) from None


def _certificates(pem: str) -> List[Any]:
    """Return the certificates of a PEM text; raise ValueError if there are none."""
    found = [crypto.load_certificate(crypto.FILETYPE_PEM, each.encode("ascii")) for each in _PEM.findall(pem)]
    if not found:
        raise ValueError("no certificate")
    return found


def _unusable(option: str, error: Exception) -> EapError:
    text = log_lines.CERTIFICATE_UNUSABLE.format(option=option, error=_text(error))
    return EapError(reasons.TLS_CERTIFICATE, text)


def _text(error: Exception) -> str:
    """Return the text of OpenSSL for an error; it is fixed, and contains no input."""
    entries = error.args[0] if error.args and isinstance(error.args[0], (list, tuple)) else ()
    return str(entries[-1][-1]).lower() if entries else type(error).__name__.lower()


def _described(name: Any) -> Tuple[Tuple[Tuple[str, str], ...], ...]:
    return tuple(tuple((each.oid._name, str(each.value)) for each in part) for part in name.rdns)


def _names(certificate: Any) -> Tuple[Tuple[str, str], ...]:
    """Return the names and addresses of a certificate; none if they cannot be decoded."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = extension.get_values_for_type(x509.DNSName)
        addresses = extension.get_values_for_type(x509.IPAddress)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError, TypeError):
        return ()
    return tuple([("DNS", str(each)) for each in hosts] + [("IP Address", str(each)) for each in addresses])


def _end(certificate: Any) -> str:
    end = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after  # new in cryptography 42
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{months[end.month - 1]} {end:%d %H:%M:%S %Y} GMT"
