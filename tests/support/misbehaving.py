"""A scripted RADIUS server over UDP.

The server passes each datagram to a function of the test, which returns the datagrams to send: any octets, from any
socket, to any client. The server verifies nothing, and keeps only the requests. `reply` makes a valid reply.
"""

import contextlib
import gc
import hashlib
import hmac
import selectors
import socket
import struct
import threading
import warnings
from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

ACCEPT, REJECT, CHALLENGE = 2, 3, 11
USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE, PROXY_STATE, MESSAGE_AUTHENTICATOR = 1, 2, 18, 24, 33, 80
FIRST, LAST = "first", "last"
SECRET = b"secret of the scripted server"

Sockaddr = Tuple[Any, ...]
Attribute = Tuple[int, bytes]


class Request(NamedTuple):
    """A datagram from a client; `source` is the client's socket address, `number` counts from 0."""

    octets: bytes
    source: Sockaddr
    number: int

    @property
    def authenticator(self) -> bytes:
        """The Request Authenticator."""
        return self.octets[4:20]

    def values(self, kind: int) -> List[bytes]:
        """Return the values of every attribute of this type, in order."""
        return [value for each, value in self.attributes() if each == kind]

    def attributes(self) -> List[Attribute]:
        """Return the attributes as (type, value octets)."""
        found, at = [], 20
        while at < len(self.octets):
            size = self.octets[at + 1]
            found.append((self.octets[at], self.octets[at + 2 : at + size]))
            at += size
        return found

    def password(self, secret: bytes) -> bytes:
        """Return the User-Password, decrypted with this secret (RFC 2865 section 5.2), without its padding."""
        (hidden,) = self.values(USER_PASSWORD)
        revealed, previous = b"", self.authenticator
        for at in range(0, len(hidden), 16):
            key = hashlib.md5(secret + previous).digest()
            previous = hidden[at : at + 16]
            revealed += bytes(left ^ right for left, right in zip(previous, key))
        return revealed.rstrip(b"\0")


class Datagram(NamedTuple):
    """A datagram `to` another client or `via` another socket."""

    octets: bytes
    to: Optional[Sockaddr] = None
    via: Optional[socket.socket] = None


Script = Callable[[Request], Iterable[Union[bytes, Datagram]]]


class Server:
    """The server, as a context manager: it runs in its own thread, on loopback, until the end of the block.

    `requests` are the datagrams that arrived; after the block, all that were sent to it. The end of the block raises
    the exception of the script, if any. `secret` is only for the configuration; the script signs with any secret.
    """

    secret = SECRET

    def __init__(self, script: Script, host: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: List[Request] = []
        self._script = script
        self._socket = listening(host, port)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._error: Optional[Exception] = None
        self.host, self.port = self._socket.getsockname()[:2]

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, kind: object, exception: Optional[BaseException], trace: object) -> None:
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self._socket.close()
        if self._error is not None and exception is None:
            raise self._error

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._socket, self._woken):
                selector.register(each, selectors.EVENT_READ)
            while self._woken not in _ready(selector, None):
                request = self._received()
                if self._error is None:
                    try:
                        self._answer(request)
                    except Exception as error:
                        self._error = error
            while self._socket in _ready(selector, 0):
                self._received()

    def _received(self) -> Request:
        octets, source = self._socket.recvfrom(65535)
        self.requests.append(Request(octets, source, len(self.requests)))
        return self.requests[-1]

    def _answer(self, request: Request) -> None:
        for each in self._script(request):
            datagram = each if isinstance(each, Datagram) else Datagram(each)
            (datagram.via or self._socket).sendto(datagram.octets, datagram.to or request.source)


def _ready(selector: selectors.BaseSelector, timeout: Optional[float]) -> List[Any]:
    return [key.fileobj for key, _ in selector.select(timeout)]


def silent(request: Request) -> Iterable[bytes]:
    """Send no reply: a script."""
    return []


def answering(secret: bytes, code: int = ACCEPT, attributes: Sequence[Attribute] = ()) -> Script:
    """Return a script that replies to every request."""
    return lambda request: [reply(request, secret, code, attributes)]


def reply(
    request: Request,
    secret: bytes,
    code: int = ACCEPT,
    attributes: Sequence[Attribute] = (),
    signature: Optional[str] = FIRST,
    authenticator: Optional[bytes] = None,
) -> bytes:
    """Return a valid reply (RFC 2865 section 3) to a request, or to one with another `authenticator`.

    `signature` is the place of the Message-Authenticator (RFC 3579 section 3.2): FIRST, LAST, or None for none.
    """
    asked = request.authenticator if authenticator is None else authenticator
    blank = [(MESSAGE_AUTHENTICATOR, bytes(16))]
    packed = pack((blank if signature == FIRST else []) + list(attributes) + (blank if signature == LAST else []))
    header = struct.pack("!BBH", code, request.octets[1], 20 + len(packed))
    if signature is not None:
        at = 2 if signature == FIRST else len(packed) - 16
        digest = hmac.new(secret, header + asked + packed, "md5").digest()
        packed = packed[:at] + digest + packed[at + 16 :]
    return header + hashlib.md5(header + asked + packed + secret).digest() + packed


def pack(attributes: Iterable[Attribute]) -> bytes:
    """Return the octets of attributes."""
    return b"".join(bytes([kind, len(value) + 2]) + value for kind, value in attributes)


def listening(host: str, port: int = 0) -> socket.socket:
    """Return a UDP socket that is bound to this host, and to a free port by default."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((host, port))
    return bound


@contextlib.contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fail if the block leaves a socket or a file open."""
    # What is made in the block stays in the youngest generation. A full collection takes longer than most tests.
    gc.collect(0)
    gc.disable()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            yield
            gc.collect(0)
    finally:
        gc.enable()
    assert [str(each.message) for each in caught if issubclass(each.category, ResourceWarning)] == []
