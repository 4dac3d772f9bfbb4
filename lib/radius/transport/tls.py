"""RADIUS over TLS (RFC 6614), on sockets that never block. Imported only if a server has transport=tls.

TLS itself runs in memory, and its octets pass through here, so a peer that sends one octet at a time blocks nothing.
The certificate of the server is always verified.
"""

import contextlib
import errno
import os
import selectors
import socket
import ssl
import tempfile
import time
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ... import log_lines, reasons
from ...secret import Secret
from .. import packet, radius11
from ..server import TlsSettings
from .base import Address, Certificate, Received, Transport, Unreachable, local_ip, unreachable, wait_for

_CHUNK, _CHUNKS = 65536, 16  # octets, and how often at a time: in a flood, the time limits must still be checked
_CLOSED, _RESET = "the server closed the connection", "the server reset the connection"
# RADIUS/1.1 requires TLS 1.3 (RFC 9765 section 3.4), which OpenSSL of old SPS releases does not support.
_HAS_TLS_1_3 = bool(getattr(ssl, "OP_NO_TLSv1_3", 0))
_PROTOCOLS = [radius11.ALPN, "radius/1.0"] if _HAS_TLS_1_3 else ["radius/1.0"]

_PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN, which the ssl module has since Python 3.10

_SHORT_NAMES = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}

# X509_V_ERR_* of OpenSSL: the reason why a certificate does not verify, since Python 3.7.
_CERTIFICATE_ERRORS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is not issued by a CA in ca_certificate",
    19: "is not issued by a CA in ca_certificate",
    20: "is not issued by a CA in ca_certificate",
    21: "is not issued by a CA in ca_certificate",
    26: "is not a server certificate",
    62: "does not match the name {}",
    64: "does not match the address {}",
}
# The names in OpenSSL of alerts and errors that an admin can do something about.
_CERTIFICATE_ALERTS = (
    "alert bad certificate",
    "alert unsupported certificate",
    "alert certificate revoked",
    "alert certificate expired",
    "alert certificate unknown",
    "alert unknown ca",
    "alert access denied",
)
_NOT_TLS = (
    "wrong version number",
    "unknown protocol",
    "http request",
    "record layer failure",
    "packet length too long",
)
_TOO_OLD = ("alert protocol version", "unsupported protocol")


class TlsTransport(Transport):
    """A TLS connection. Packets go over it one after another, each once: TCP loses none."""

    is_stream = True

    def __init__(self, address: Address, source_ip: str, settings: TlsSettings, server_name: str, until: float) -> None:
        """Connect and shake hands by the time `until` of the monotonic clock.

        The certificate of the server must be for `server_name`, a host name or address.
        """
        self._name = server_name
        self._has_certificate = bool(settings.client_certificate)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _wrap(settings, server_name, self._incoming, self._outgoing)
        self._unsent = self._stream = b""
        self._has_received = self._has_answered = self._has_probed = False
        self._ended = ""
        self._broken: Optional[Unreachable] = None
        self._malformed: Optional[packet.DiscardReason] = None
        self._socket = _connect(address, source_ip, until)
        try:
            self._shake_hands(until)
            self.is_radius_1_1 = self._tls.selected_alpn_protocol() == radius11.ALPN
            self.description = str(self._tls.version()) + (", RADIUS/1.1" if self.is_radius_1_1 else "")
            self.certificate = certificate_of(self._tls.getpeercert() or {})
        except BaseException:
            self._socket.close()
            raise

    @property
    def local_ip(self) -> str:
        return local_ip(self._socket)

    def send(self, octets: bytes) -> None:
        try:
            self._tls.write(octets)
        except ssl.SSLError as error:
            raise self._failed(error) from None
        self._flush()

    def send_probe(self, octets: bytes) -> None:
        """Send a Status-Server over the same connection."""
        self._has_probed = True
        self.send(octets)

    def receive(self, timeout: float) -> Iterator[Received]:
        # The end of the connection, or octets that came with the handshake, would wake no wait.
        is_due = self._ended or self._broken or self._malformed or self._incoming.pending
        if is_due or wait_for({self._socket: _events(bool(self._unsent))}, timeout):
            yield Received(self._packets(), None, self._malformed)

    def close(self) -> None:
        """End TLS, if that is possible at once, and close the socket."""
        with contextlib.suppress(OSError, ValueError):  # ssl.SSLError is an OSError
            self._tls.unwrap()
        self._flush()
        self._socket.close()

    def _packets(self) -> List[bytes]:
        """Return the packets that have arrived whole, after sending what is left to send.

        If there are none, raise Unreachable if the connection has ended or TLS has failed.
        """
        self._flush()
        self._fill()
        self._stream += self._read()
        self._flush()
        packets, self._stream, self._malformed = packet.split_stream(self._stream)
        if not packets and not self._malformed and (self._broken or self._ended):
            raise self._broken or self._end(self._ended)
        self._has_answered = self._has_answered or bool(packets)
        return packets

    def _shake_hands(self, until: float) -> None:
        while not self._has_shaken_hands():
            if self._ended:
                raise self._end(log_lines.ENDED_DURING_HANDSHAKE.format(ended=self._ended))
            if not _is_ready(self._socket, bool(self._unsent), until):
                code = reasons.TLS_FAILED if self._has_received else reasons.NO_REPLY
                raise Unreachable(code, log_lines.HANDSHAKE_TIMED_OUT.text)
            self._flush()
            self._fill()
        if self._tls.selected_alpn_protocol() == radius11.ALPN and self._tls.version() != "TLSv1.3":
            text = log_lines.RADIUS_1_1_WITHOUT_TLS_1_3.format(version=self._tls.version())
            raise Unreachable(reasons.TLS_FAILED, text)

    def _has_shaken_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise self._failed(error) from None
        finally:
            self._flush()  # including an alert, which the log of the server shows
        return True

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._unsent = b""  # reading finds the end of the connection, and what the server sent before it
                return
            self._unsent = self._unsent[sent:]

    def _fill(self) -> None:
        for _ in range(_CHUNKS):
            try:
                octets = self._socket.recv(_CHUNK)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._ended = _RESET if error.errno in (errno.ECONNRESET, errno.EPIPE) else str(unreachable(error))
                return
            if not octets:
                self._ended = _CLOSED
                return
            self._has_received = True
            self._incoming.write(octets)

    def _read(self) -> bytes:
        octets = b""
        while True:
            try:
                chunk = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                return octets
            except ssl.SSLZeroReturnError:
                chunk = b""
            except ssl.SSLError as error:
                self._broken = self._failed(error)  # an answer before it stands
                return octets
            if not chunk:
                self._ended = self._ended or _CLOSED
                return octets
            octets += chunk

    def _end(self, text: str) -> Unreachable:
        # Some servers close the connection without an alert if they do not like the certificate.
        if self._has_received and not self._has_answered:
            hint = log_lines.MAY_REJECT_CERTIFICATE if self._has_certificate else log_lines.MAY_REQUIRE_CERTIFICATE
            text = (log_lines.ENDED_AFTER_STATUS if self._has_probed else hint).format(ended=text)
        return Unreachable(reasons.TLS_FAILED, text)

    def _failed(self, error: Exception) -> Unreachable:
        return Unreachable(*explain(error, self._name, self._has_certificate))


def _connect(address: Address, source_ip: str, until: float) -> socket.socket:
    try:
        connecting = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise unreachable(error) from None
    try:
        connecting.setblocking(False)
        # Otherwise the request would wait until the server acknowledges the end of the handshake.
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source_ip:
            connecting.bind((source_ip, 0))
        number = connecting.connect_ex(address.sockaddr)
        if number == errno.EINPROGRESS:
            if not _is_ready(connecting, True, until):
                raise Unreachable(reasons.NO_REPLY, log_lines.TCP_TIMED_OUT.text)
            number = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise unreachable(OSError(number, os.strerror(number)), is_local=False)
        if number:
            raise unreachable(OSError(number, os.strerror(number)))
    except BaseException as error:
        connecting.close()
        if isinstance(error, OSError):
            raise unreachable(error) from None
        raise
    return connecting


def _is_ready(connected: socket.socket, is_sending: bool, until: float) -> bool:
    """Whether the socket is ready to be read, or to be written if `is_sending`, before this time."""
    left = until - time.monotonic()
    return left > 0 and bool(wait_for({connected: _events(is_sending)}, left))


def _events(is_sending: bool) -> int:
    return selectors.EVENT_READ | (selectors.EVENT_WRITE if is_sending else 0)


def _wrap(settings: TlsSettings, server_name: str, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
    context = context_for(settings)
    try:
        return context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    except (TypeError, ValueError):
        text = log_lines.NO_MATCHING_NAME.format(name=server_name)
        raise Unreachable(reasons.TLS_CERTIFICATE, text) from None


def context_for(settings: TlsSettings, protocols: Sequence[str] = _PROTOCOLS) -> ssl.SSLContext:
    """Return a context that verifies the certificate of a server; raise Unreachable if a certificate is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate and its name
    versions = getattr(ssl, "TLSVersion", None)
    if versions is not None:
        context.minimum_version = versions.TLSv1_2  # novm
    else:
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    context.verify_flags |= _PARTIAL_CHAIN  # ca_certificate may have an intermediate CA alone
    if protocols:
        context.set_alpn_protocols(protocols)
    try:
        context.load_verify_locations(cadata=settings.ca_certificate)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable("ca_certificate", error) from None
    if settings.client_certificate:
        try:
            with _readable_path(settings.client_certificate) as path:
                context.load_cert_chain(path, password=lambda: "")  # OpenSSL would prompt for it otherwise
        except (OSError, ValueError) as error:
            raise _unusable("client_certificate", error) from None
    return context


def certificate_of(found: Mapping[str, Any]) -> Certificate:
    """Return the certificate that the ssl module describes by these values."""
    names = tuple(str(value) for _, value in found.get("subjectAltName", ()))
    until = float(ssl.cert_time_to_seconds(found["notAfter"]))
    return Certificate(_distinguished_name(found["subject"]), names, _distinguished_name(found["issuer"]), until)


def _distinguished_name(parts: Iterable[Iterable[Tuple[str, str]]]) -> str:
    return ", ".join(f"{_SHORT_NAMES.get(name, name)}={value}" for part in parts for name, value in part)


def _unusable(option: str, error: Exception) -> Unreachable:
    text = log_lines.CERTIFICATE_UNUSABLE.format(option=option, error=_openssl_text(error))
    return Unreachable(reasons.TLS_CERTIFICATE, text, is_local=True)


@contextlib.contextmanager
def _readable_path(secret: Secret) -> Iterator[str]:
    """Yield a path that OpenSSL can open, of a file without a name that only this process can reach."""
    memory = getattr(os, "memfd_create", None)  # Python 3.8; before, a file that is unlinked before it is written
    with os.fdopen(memory("sps"), "w+b") if memory else tempfile.TemporaryFile() as file:
        os.fchmod(file.fileno(), 0o600)  # memfd_create makes it readable for everybody
        file.write(secret.octets())
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def explain(error: Exception, server_name: str, has_certificate: bool) -> Tuple[str, str]:
    """Return the code of the denial for an error of TLS, and its meaning for the log."""
    number = getattr(error, "verify_code", None)
    if number:
        reason = _CERTIFICATE_ERRORS.get(number, f"does not verify: {getattr(error, 'verify_message', '')}")
        return reasons.TLS_CERTIFICATE, log_lines.CERTIFICATE_REFUSED.format(error=reason.replace("{}", server_name))
    if not isinstance(error, ssl.SSLError):  # Python 3.6 compares the names itself
        reason = f"does not match the name {server_name}"
        return reasons.TLS_CERTIFICATE, log_lines.CERTIFICATE_REFUSED.format(error=reason)
    text = _openssl_text(error)
    if "certificate verify failed" in text:  # Python 3.6 does not know why
        reason = "has expired, is not valid yet, is not a server certificate or is not issued by a CA in ca_certificate"
        return reasons.TLS_CERTIFICATE, log_lines.CERTIFICATE_REFUSED.format(error=reason)
    if "alert certificate required" in text:
        return reasons.TLS_CERTIFICATE, log_lines.CERTIFICATE_REQUIRED.text
    if any(each in text for each in _CERTIFICATE_ALERTS):
        cause = log_lines.CLIENT_CERTIFICATE_REJECTED if has_certificate else log_lines.CLIENT_REJECTED
        return reasons.TLS_CERTIFICATE, cause.format(alert=text)
    if "alert handshake failure" in text and not has_certificate:
        return reasons.TLS_CERTIFICATE, log_lines.HANDSHAKE_REJECTED.text
    if any(each in text for each in _NOT_TLS):
        return reasons.TLS_FAILED, log_lines.NOT_TLS.text
    if any(each in text for each in _TOO_OLD):
        return reasons.TLS_FAILED, log_lines.TLS_TOO_OLD.text
    if "no application protocol" in text:
        return reasons.TLS_FAILED, log_lines.NOT_RADIUS_PORT.text
    return reasons.TLS_FAILED, log_lines.TLS_ERROR.format(error=text)


def _openssl_text(error: Exception) -> str:
    """Return the text of OpenSSL for an error; it is fixed, and contains no input."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    text = str(error.args[-1]) if isinstance(error, ssl.SSLError) and error.args else ""
    return (text.partition("] ")[2] or text or str(reason)).partition(" (_ssl")[0].lower().replace("_", " ")
