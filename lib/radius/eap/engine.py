"""The interface of the TLS libraries that run a tunnel, and the ssl module behind it."""

import abc
import ssl
from typing import Any, Mapping, Optional

from ..server import TlsSettings
from ..transport import tls

CHUNK = 65536


class Engine(abc.ABC):
    """TLS in memory; the methods raise the errors of the ssl module."""

    has_exporter = False

    @abc.abstractmethod
    def feed(self, octets: bytes) -> None:
        """Take octets of the server."""

    @abc.abstractmethod
    def drain(self) -> bytes:
        """Return the octets for the server."""

    @abc.abstractmethod
    def shake_hands(self) -> bool:
        """Continue the handshake, and return whether it is complete."""

    @abc.abstractmethod
    def read(self) -> bytes:
        """Return decrypted octets, or none if there are no more."""

    @abc.abstractmethod
    def write(self, octets: bytes) -> None:
        """Encrypt octets."""

    @abc.abstractmethod
    def version(self) -> str:
        """Return the version of TLS."""

    @abc.abstractmethod
    def peer(self) -> Mapping[str, Any]:
        """Return the certificate of the server, as the ssl module describes it; raise ValueError if it cannot."""

    @abc.abstractmethod
    def export(self, label: bytes, length: int, context: Optional[bytes]) -> bytes:
        """Return exported octets (RFC 5705); only with an exporter."""


class SslEngine(Engine):
    """TLS with the ssl module, which cannot export keys."""

    def __init__(self, settings: TlsSettings) -> None:
        context = tls.context_for(settings, protocols=())
        context.check_hostname = False  # the tunnel checks it: Python 3.6 accepts common names
        context.options |= ssl.OP_NO_TICKET
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)

    def feed(self, octets: bytes) -> None:
        self._incoming.write(octets)

    def drain(self) -> bytes:
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self) -> bytes:
        try:
            octets = self._tls.read(CHUNK)
        except ssl.SSLWantReadError:
            return b""
        if not octets:
            raise ssl.SSLZeroReturnError("closed")
        return octets

    def write(self, octets: bytes) -> None:
        self._tls.write(octets)

    def version(self) -> str:
        return str(self._tls.version())

    def peer(self) -> Mapping[str, Any]:
        return self._tls.getpeercert() or {}

    def export(self, label: bytes, length: int, context: Optional[bytes]) -> bytes:
        raise NotImplementedError
