"""TLS connections (RFC 6614), on sockets that never block. Imported only where a server has transport=tls.

The TLS itself runs in memory; what it wants to send and what came for it pass through here, so that a peer that hands
over an octet at a time holds up nothing. There is no way around the verification of the server's certificate.
"""

import contextlib
import errno
import os
import select
import socket
import ssl
import tempfile
import time
from typing import Any, Iterator, List, Optional, Tuple

from ...secret import Secret
from .. import packet, radius11
from ..server import TlsSettings
from .udp import Address, Unreachable, unreachable

_CHUNK, _CHUNKS = 65536, 16  # octets, and how often at a time: a flood must not keep the clock from being looked at
_CERTIFICATE, _FAILED = "tls-certificate", "tls-failed"
_CLOSED, _RESET = "the server closed the connection", "the server reset the connection"
# RADIUS/1.1 needs TLS 1.3 (RFC 9765 section 3.4), which the OpenSSL of old SPS releases has not.
_HAS_TLS_1_3 = bool(getattr(ssl, "OP_NO_TLSv1_3", 0))
_PROTOCOLS = [radius11.ALPN, "radius/1.0"] if _HAS_TLS_1_3 else ["radius/1.0"]

_PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN, which the ssl module names from Python 3.10 on

# X509_V_ERR_* of OpenSSL, by which Python tells from 3.7 on why a certificate did not verify.
_FLAWS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is not from a CA in ca_certificate",
    19: "is not from a CA in ca_certificate",
    20: "is not from a CA in ca_certificate",
    21: "is not from a CA in ca_certificate",
    26: "is not one for a server",
    62: "is for another name than {}",
    64: "is for another address than {}",
}
# What OpenSSL calls the alerts and errors that an admin can do something about.
_REFUSED = (
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


class Tls:
    """A TLS connection to an address. Packets go over it one after another, each once: TCP loses none."""

    is_stream = True

    def __init__(self, address: Address, source_ip: str, settings: TlsSettings, server_name: str, until: float) -> None:
        """Connect and shake hands until the time `until` of the monotonic clock at the latest; raise Unreachable.

        The server's certificate must be for `server_name`, a host name or address.
        """
        self._name = server_name
        self._has_certificate = bool(settings.client_certificate)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _wrapped(settings, server_name, self._incoming, self._outgoing)
        self._unsent = self._stream = b""
        self._heard = self._has_answered = False
        self._ended = ""
        self._flaw: Optional[packet.Flaw] = None
        self._socket = _connected(address, source_ip, until)
        try:
            self._shake_hands(until)
        except BaseException:
            self._socket.close()
            raise
        self.protocol = self._tls.selected_alpn_protocol() or ""

    @property
    def local_ip(self) -> str:
        """The address that packets leave from."""
        return str(self._socket.getsockname()[0]).partition("%")[0]

    @property
    def certificate_until(self) -> float:
        """When the server's certificate expires, in seconds since the epoch."""
        return float(ssl.cert_time_to_seconds(self._tls.getpeercert()["notAfter"]))

    @property
    def version(self) -> str:
        """The version of TLS, as `TLSv1.3`."""
        return str(self._tls.version())

    @property
    def is_due(self) -> bool:
        """Whether `receive` has an end of the connection to tell, or something to read that came with the handshake."""
        return bool(self._ended or self._flaw or self._incoming.pending)

    @property
    def is_unsent(self) -> bool:
        """Whether octets wait to be sent, for which `receive` sees."""
        return bool(self._unsent)

    @property
    def has_more(self) -> bool:
        """Whether more has come than the packets that `receive` gave."""
        return bool(self._stream)

    def send(self, octets: bytes) -> None:
        """Begin to send a packet; raise Unreachable if the connection is broken."""
        try:
            self._tls.write(octets)
        except ssl.SSLError as error:
            raise self._failed(error) from None
        self._flush()

    def receive(self) -> List[bytes]:
        """Return the packets that have arrived whole, if any, having sent what waited for it.

        If there are none, raise Unreachable where the connection has ended, packet.Dropped where no packet can come.
        """
        self._flush()
        self._fill()
        self._stream += self._read()
        self._flush()
        packets, self._stream, self._flaw = packet.split(self._stream)
        if not packets and self._flaw:
            raise packet.Dropped(self._flaw)
        if not packets and self._ended:
            raise self._end("")
        self._has_answered = self._has_answered or bool(packets)
        return packets

    def fileno(self) -> int:
        """Return the descriptor, for `ready`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Say that nothing more will come, if that goes at once, and close the socket."""
        with contextlib.suppress(OSError, ValueError):  # ssl.SSLError is an OSError
            self._tls.unwrap()
        self._flush()
        self._socket.close()

    def _shake_hands(self, until: float) -> None:
        while not self._has_shaken_hands():
            if self._ended:
                raise self._end(" before TLS was set up")
            if not _waited(self._socket, bool(self._unsent), until):
                words = "the TLS handshake was not over in time"
                raise Unreachable(_FAILED if self._heard else "no-reply", words, not self._heard)
            self._flush()
            self._fill()
        if self._tls.selected_alpn_protocol() == radius11.ALPN and self.version != "TLSv1.3":
            words = "the server chose RADIUS/1.1 with {}, which needs TLS 1.3".format(self.version)
            raise Unreachable(_FAILED, words, False)

    def _has_shaken_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise self._failed(error) from None
        finally:
            self._flush()  # an alert too, from which the server's admin learns what was wrong
        return True

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._unsent = b""  # what has arrived before may tell why; its end is seen there
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
            self._heard = True
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
                raise self._failed(error) from None
            if not chunk:
                self._ended = self._ended or _CLOSED
                return octets
            octets += chunk

    def _end(self, when: str) -> Unreachable:
        # To close the connection is all that some servers do about a certificate.
        doubt = "not know this client certificate" if self._has_certificate else "want a client certificate"
        words = self._ended + when + ("; it may " + doubt if self._heard and not self._has_answered else "")
        return Unreachable(_FAILED, words, not self._heard)

    def _failed(self, error: Exception) -> Unreachable:
        code, words = _meaning(error, self._name, self._has_certificate)
        return Unreachable(code, words, not self._heard)


def _connected(address: Address, source_ip: str, until: float) -> socket.socket:
    try:
        connecting = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise unreachable(error) from None
    try:
        connecting.setblocking(False)
        # Else the request would wait for the server to acknowledge the end of the handshake.
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source_ip:
            connecting.bind((source_ip, 0))
        number = connecting.connect_ex(address.sockaddr)
        if number == errno.EINPROGRESS:
            if not _waited(connecting, True, until):
                raise Unreachable("no-reply", "no TCP connection in time")
            number = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise unreachable(OSError(number, os.strerror(number)))
    except BaseException as error:
        connecting.close()
        if isinstance(error, OSError):
            raise unreachable(error) from None
        raise
    return connecting


def _waited(waiting: socket.socket, writing: bool, until: float) -> bool:
    """Whether the socket can be read from, or written to, before the time has come."""
    left = until - time.monotonic()
    if left <= 0:
        return False
    readable, writable, _ = select.select([waiting], [waiting] if writing else [], [], left)
    return bool(readable or writable)


def _wrapped(settings: TlsSettings, server_name: str, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies the certificate and the name in it
    versions = getattr(ssl, "TLSVersion", None)
    if versions is not None:
        context.minimum_version = versions.TLSv1_2  # novm
    else:
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    context.verify_flags |= _PARTIAL_CHAIN  # the CA may be below another, which ca_certificate need not have
    context.set_alpn_protocols(_PROTOCOLS)
    try:
        context.load_verify_locations(cadata=settings.ca_certificate)
    except (ssl.SSLError, ValueError) as error:
        raise Unreachable(_CERTIFICATE, "ca_certificate cannot be used: " + _told(error), False) from None
    if settings.client_certificate:
        try:
            with _readable_path(settings.client_certificate) as path:
                context.load_cert_chain(path, password=lambda: "")  # it would ask at a terminal
        except (OSError, ValueError) as error:
            raise Unreachable(_CERTIFICATE, "client_certificate cannot be used: " + _told(error), False) from None
    try:
        return context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    except (TypeError, ValueError):
        raise Unreachable(_CERTIFICATE, "no certificate can be for the name {}".format(server_name), False) from None


@contextlib.contextmanager
def _readable_path(secret: Secret) -> Iterator[str]:
    """Give a path that OpenSSL can open, of a file that has no name anywhere and that only this process can reach."""
    memory = getattr(os, "memfd_create", None)  # Python 3.8; elsewhere a file whose name is gone before it is written
    with os.fdopen(memory("sps"), "w+b") if memory else tempfile.TemporaryFile() as file:
        os.fchmod(file.fileno(), 0o600)  # that of memory is anybody's to read
        file.write(secret.octets())
        file.flush()
        yield "/proc/self/fd/{}".format(file.fileno())


def _meaning(error: Exception, server_name: str, has_certificate: bool) -> Tuple[str, str]:
    """Return the denial's code for an error of TLS, and what it means in words."""
    number = getattr(error, "verify_code", None)
    if number:
        words = _FLAWS.get(number, "did not verify: " + str(getattr(error, "verify_message", "")))
        return _CERTIFICATE, "the server's certificate " + words.format(server_name)
    if not isinstance(error, ssl.SSLError):  # Python 3.6 compares the names itself
        return _CERTIFICATE, "the server's certificate is for another name than {}".format(server_name)
    told = _told(error)
    if "certificate verify failed" in told:  # Python 3.6 does not say why
        words = "has expired, is not valid yet, is not one for a server or is not from a CA in ca_certificate"
        return _CERTIFICATE, "the server's certificate " + words
    if "alert certificate required" in told:
        return _CERTIFICATE, "the server wants a client certificate"
    if any(words in told for words in _REFUSED):
        which = "the client certificate" if has_certificate else "SPS"
        return _CERTIFICATE, "the server refused {}: {}".format(which, told)
    if "alert handshake failure" in told and not has_certificate:
        return _CERTIFICATE, "the server refused the handshake; it may want a client certificate"
    if any(words in told for words in _NOT_TLS):
        return _FAILED, "the server sent what is not TLS: is this its port for RADIUS over TLS?"
    if any(words in told for words in _TOO_OLD):
        return _FAILED, "the server speaks neither TLS 1.2 nor a newer one"
    if "no application protocol" in told:
        return _FAILED, "the server speaks something other than RADIUS on this port"
    return _FAILED, "TLS failed: " + told


def _told(error: Exception) -> str:
    """Return OpenSSL's own words for an error; they are fixed, and hold nothing that was given to it."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    text = str(error.args[-1]) if isinstance(error, ssl.SSLError) and error.args else ""
    return (text.partition("] ")[2] or text or str(reason)).partition(" (_ssl")[0].lower().replace("_", " ")
