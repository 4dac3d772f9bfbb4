"""A scripted RADIUS server over TLS.

The server passes each connection to a function of the test, in its own thread. `Connection` has the steps of a correct
server; the function can do anything else between them or in their place.
"""

import contextlib
import pathlib
import socket
import ssl
import struct
import tempfile
import threading
import warnings
from typing import Any, Callable, List, Optional, Sequence

from tests.support.certificates import Authority, Identity
from tests.support.misbehaving import ACCEPT, Attribute, Request, pack, reply

PATIENCE = 120.0  # seconds to wait for octets before the test fails
SECRET = b"radsec"
VERSION_1_0, VERSION_1_1 = "radius/1.0", "radius/1.1"


class Gone(Exception):
    """The client has closed the connection."""


class Cut(Exception):
    """The peer has sent the octets that the test wants."""


class Connection:
    """One connection to the peer.

    `requests` are the packets that arrived, `written` the octets that the peer sent. `cut_after` is the number of
    octets after which it raises Cut. With `trickles` it sends each octet separately; with `joins` it holds back all but
    the first flight until `let_go`.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        raw.settimeout(PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = raw
        self.requests: List[bytes] = []
        self.written = b""
        self.cut_after: Optional[int] = None
        self.trickles = self.joins = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: Any = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._stream = self._joined = b""

    @property
    def protocol(self) -> str:
        """The ALPN protocol, or "" if there is none."""
        return self._tls.selected_alpn_protocol() or ""

    @property
    def version(self) -> str:
        """The version of TLS."""
        return str(self._tls.version())

    @property
    def certificate(self) -> Optional[bytes]:
        """The client's certificate."""
        found: Optional[bytes] = self._tls.getpeercert(True)
        return found

    def shake_hands(self) -> None:
        """Complete the TLS handshake."""
        self._until_done(self._tls.do_handshake)

    def receive(self) -> Request:
        """Return the next packet; raise Gone if the client closes the connection."""
        while len(self._stream) < 4 or len(self._stream) < struct.unpack("!H", self._stream[2:4])[0]:
            self._stream += self._until_done(lambda: self._tls.read(65536)) or self._gone()
        size = struct.unpack("!H", self._stream[2:4])[0]
        self.requests.append(self._stream[:size])
        self._stream = self._stream[size:]
        return Request(self.requests[-1], (), len(self.requests) - 1)

    def send(self, octets: bytes) -> None:
        """Send octets in one TLS record."""
        self._tls.write(octets)
        self._flush()

    def send_raw(self, octets: bytes) -> None:
        """Send octets without TLS."""
        if self.joins and self.written:
            self._joined += octets
            return
        for piece in [octets[at : at + 1] for at in range(len(octets))] if self.trickles else [octets]:
            if self.cut_after is not None:
                piece = piece[: self.cut_after - len(self.written)]
            self.written += piece
            self.raw.sendall(piece)
            if len(self.written) == self.cut_after:
                raise Cut()

    def let_go(self) -> None:
        """Send the octets that were held back."""
        self.joins = False
        self.send_raw(self._joined)

    def end(self) -> None:
        """Send close_notify."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def reset(self) -> None:
        """Reset the connection."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def wait_for_end(self) -> None:
        """Wait until the client closes the connection."""
        while self.raw.recv(65536):
            pass

    def _until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            finally:
                self._flush()
            self._incoming.write(self.raw.recv(65536) or self._gone())

    def _flush(self) -> None:
        octets = self._outgoing.read()
        if octets:
            self.send_raw(octets)

    def _gone(self) -> bytes:
        raise Gone()


Script = Callable[[Connection], None]


class Peer:
    """The server, as a context manager: it listens on loopback until the end of the block.

    `connections` are all connections so far. The end of the block raises the exception of a script, if any, unless it
    says that the client has closed the connection.
    """

    def __init__(
        self, script: Script, identity: Identity, host: str = "127.0.0.1", port: int = 0, **options: Any
    ) -> None:
        self.connections: List[Connection] = []
        self._script = script
        self._context = server_context(identity, **options)
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(64)
        self.host, self.port = self._listener.getsockname()[:2]
        self._threads = [threading.Thread(target=self._accept)]
        self._errors: List[Exception] = []

    @property
    def requests(self) -> List[bytes]:
        """The packets of all connections."""
        return [octets for connection in self.connections for octets in connection.requests]

    def __enter__(self) -> "Peer":
        self._threads[0].start()
        return self

    def __exit__(self, kind: object, exception: Optional[BaseException], trace: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        if self._errors and exception is None:
            raise self._errors[0]

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(Connection(raw, self._context))
            self._threads.append(threading.Thread(target=self._serve, args=(self.connections[-1],)))
            self._threads[-1].start()

    def _serve(self, connection: Connection) -> None:
        try:
            self._script(connection)
        except (OSError, Gone):  # ssl.SSLError is an OSError
            pass
        except Exception as error:
            self._errors.append(error)
        finally:
            connection.raw.close()


def server_context(
    identity: Identity,
    client_ca: Optional[Authority] = None,
    protocols: Sequence[str] = (),
    newest: str = "",
    oldest: str = "",
) -> ssl.SSLContext:
    """Return a context for a server; with `client_ca` it requires a client certificate from that CA.

    `protocols` are the ALPN protocols; `newest` and `oldest` limit the TLS version, such as `TLSv1_2`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        # Python 3.12 recommends minimum_version, which 3.6 does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        for version in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"):
            if newest and version > newest or oldest and version < oldest:
                context.options |= getattr(ssl, "OP_NO_" + version)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(str(identity.written(pathlib.Path(directory), "server")))
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.certificate)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def answering(code: int = ACCEPT, attributes: Sequence[Attribute] = (), secret: bytes = SECRET) -> Script:
    """Return a script that replies to every request, in the RADIUS version that ALPN selected."""

    def script(connection: Connection) -> None:
        connection.shake_hands()
        while True:
            connection.send(answer(connection, connection.receive(), code, attributes, secret))

    return script


def answer(
    connection: Connection,
    request: Request,
    code: int = ACCEPT,
    attributes: Sequence[Attribute] = (),
    secret: bytes = SECRET,
) -> bytes:
    """Return a valid reply to a request, in the RADIUS version that ALPN selected."""
    if connection.protocol == VERSION_1_1:
        return reply_1_1(request, code, attributes)
    return reply(request, secret, code, attributes, signature=None)


def reply_1_1(request: Request, code: int = ACCEPT, attributes: Sequence[Attribute] = ()) -> bytes:
    """Return a valid RADIUS/1.1 reply."""
    packed = pack(attributes)
    return struct.pack("!BBH", code, 0, 20 + len(packed)) + request.octets[4:8] + bytes(12) + packed
