"""A real FreeRADIUS on loopback.

`FreeRadius` copies the configuration in tests/support/freeradius into a directory, starts the server there as the
current user, and stops it. The fixture `freeradius` is one server for the whole test session.

The table lists its users. They can use PAP, CHAP and MS-CHAPv2; only `totp` and the empty passwords need PAP. Unless
the table says otherwise, the password is `1111` and the answer to a challenge is `222222`. The server rejects any other
password or answer without a Reply-Message. A State is valid once.

============== ========================================================================================================
User-Name      Reply
============== ========================================================================================================
alice          `correct horse`: accept with Filter-Id `admins` and Class `OU=ops;`. Else reject, `Wrong code`
alice@...      `alice@example.com`: the same
jürgen         `ünïcödé-密码-🔑`: accept
müller         `pässwörd€密码`: accept; by MS-CHAPv2 too, which FreeRADIUS cannot with the likes of 🔑
totp           the current code of `TOTP_SECRET` (see `totp_code`): accept
push           an empty password: accept after `push_seconds`; discards retransmissions until then
push-fast      an empty password: accept. A User-Password of zero octets is no empty password: reject
push-word      `push`: accept
locked         reject, `Account locked, call 4444`
silent-reject  reject without a Reply-Message
pin1           challenge `Enter token code`, No-Echo; then accept
pin3           challenges `Question 1 of 3` (No-Echo), `... 2 ...` (Echo), `... 3 ...` (No-Echo), whose answers are
               `one`, `two`, `three`; then accept
rsa            the five challenges of a new PIN, with `RSA_ANSWERS`; then accept
eleven         any password, eleven challenges `Round 1` to `Round 11` with any answers; then accept
endless        any password: always a challenge `Again`
no-message     challenge without Reply-Message
no-state       challenge without State; then accept an answer without State
no-prompt      challenge without Prompt
echo           challenge `Your favorite color`, Echo
two-messages   challenge with two Reply-Messages, `TWO_MESSAGES`
escapes        challenge with the Reply-Message `ESCAPES`: a color, a window title, BEL, CR LF, NUL, U+202E
latin1         challenge with the Reply-Message `LATIN1`, which is not UTF-8
menu           challenge `1) Push 2) SMS 3) Call`, Echo, whose answer is `1`
empty-answer   challenge `Press Enter`, whose answer is empty; the first password again is a reject
binary-state   challenge with the State `BINARY_STATE`, which the client must return unchanged
============== ========================================================================================================

The server rejects all other users without a Reply-Message, and replies to Status-Server with an accept.

It records every valid Accounting-Request, and replies to all but those of the user `unanswered`. The reply to the user
`signed` has a Message-Authenticator.

With `Tunnel`, the same users log in by EAP-TTLS (PAP or MS-CHAPv2) and PEAP (EAP-MSCHAPv2) on ports of their own,
whatever the name outside the tunnel. Filter-Id, Class and the Reply-Message of a reject are outside the tunnel. Only
`pin1` and `pin3` have challenges, with EAP-TTLS and PAP, whose Reply-Message is inside. There is no crypto-binding.
TLS 1.3 works with 3.2.1, although its documents say that only EAP-TLS has it.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

import pyotp
import pytest

from tests.support.certificates import Authority, Identity
from tests.support.loopback import free_port

NOT_INSTALLED = "FreeRADIUS is not installed (Debian, Ubuntu: apt-get install freeradius)"
HOST = "127.0.0.1"
IPV6_HOST = "::1"

AUTHORITY = Authority("the CA of the tests")

# Nearly all special characters that FreeRADIUS accepts; `quoted` lists the others.
SECRET = "pä%ss $$ \"wörd' ${x} \\n #;100%"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
RSA_ANSWERS = ("n", "2468", "2468", "2468111111", "222222")
TWO_MESSAGES = (b"A code was sent to your ph", b"one. Enter it")
ESCAPES = b"\x1b[31mRed\x1b[0m \x1b]0;title\x07\r\nnext\x00nul\xe2\x80\xaetxt"
LATIN1 = b"Entr\xe9e du code"
# Begins with "0x", which a careless decoder takes for hexadecimal.
BINARY_STATE = b"0x\x00\xff\r\n\x00" + bytes(range(200, 256)) + b"\x00"

_TEMPLATE = pathlib.Path(__file__).with_name("freeradius")
_READY = "Ready to process requests"
_START_SECONDS = 60.0
_STOP_SECONDS = 2.0
_PORT_ATTEMPTS = 5

Value = Union[str, bytes]


class Request(NamedTuple):
    """A packet that the server received, without its User-Password.

    code: `Access-Request`, `Accounting-Request` or `Status-Server`.
    attributes: names and values in the order of the packet: str for text, addresses and integers (such as `Virtual` if
    the value has a name, or else digits), bytes for octets.
    """

    code: str
    attributes: List[Tuple[str, Value]]

    def get(self, name: str) -> Optional[Value]:
        """Return the first value of the attribute `name`, or None."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> List[Value]:
        """Return all values of the attribute `name`, in order."""
        return [value for key, value in self.attributes if key == name]


class Tunnel(NamedTuple):
    """The tunneled methods of a server.

    version: the only TLS version inside EAP, `1.2` or `1.3`.
    fragment_size: the most octets of an EAP packet that the server sends; FreeRADIUS takes 100 or more.
    identity: the server's certificate in the tunnel; None is a valid one of the tests' CA.
    """

    version: str = "1.2"
    fragment_size: int = 1024
    identity: Optional[Identity] = None


class FreeRadius:
    """A FreeRADIUS; a context manager, which starts and stops it.

    directory: an existing directory for its configuration, log and records.
    secret: the shared secret over UDP; over TLS it is `radsec`. ValueError if FreeRADIUS does not support it (see
    `quoted`).
    push_seconds: the seconds that a login of the user `push` takes, less than 140.
    threads: how many requests it handles at the same time.
    authority: the CA of its certificate and of the certificates that it requires from clients over TLS.
    newest: the newest TLS version that it supports.
    tunnel: the tunneled methods; None for none.

    host, port: its address; every reply has a Message-Authenticator.
    old_port: the port, on the same host, of an old server: no reply has a Message-Authenticator. FreeRADIUS releases
    with fixes for CVE-2024-3596 may still add one; 3.2.1 does not.
    acct_port: the port for Accounting-Requests.
    tls_port: the port for logins and accounting over TLS.
    ipv6_port: as port but on `IPV6_HOST`; None on a machine without IPv6 loopback.
    eap_port: the port for the tunneled methods, and for nothing else.
    stripped_port: as eap_port, but without the keys in an Access-Accept.
    The server picks its ports at its first start, and keeps them.
    """

    host = HOST

    def __init__(
        self,
        directory: Union[str, pathlib.Path],
        secret: str = SECRET,
        push_seconds: int = 2,
        authority: Authority = AUTHORITY,
        newest: str = "1.3",
        threads: int = 16,
        tunnel: Optional[Tunnel] = None,
    ) -> None:
        self.directory = pathlib.Path(str(directory))
        self.secret = secret
        self.push_seconds = push_seconds
        self.threads = threads
        self.port = 0
        self.old_port = 0
        self.acct_port = 0
        self.tls_port = 0
        self.ipv6_port: Optional[int] = None
        self.eap_port = 0
        self.stripped_port = 0
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._quoted_secret = quoted(secret)
        self._authority = authority
        self._newest = newest
        self._tunnel = tunnel

    def __enter__(self) -> "FreeRadius":
        self.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return when it is ready.

        RuntimeError with its log if it does not start, FileNotFoundError if it is not installed.
        """
        binary = find()
        if binary is None:
            raise FileNotFoundError("freeradius")
        is_first = not self.port
        for _ in range(_PORT_ATTEMPTS if is_first else 1):
            if is_first:
                self._pick_ports()
            self._configure()
            started_at = len(self.log)
            if self._launch(binary, started_at):
                return
            # Another program may have taken a port since it was found free.
            if "Address already in use" not in self.log[started_at:]:
                break
        raise RuntimeError("FreeRADIUS did not start:\n" + self.log[started_at:])

    def stop(self) -> None:
        """Stop it if it runs; requests without a reply so far get none."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:  # it waits for a push
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Suspend its process for the block: its port stays open, and packets wait."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """Its log since the first start."""
        return _read(self.directory / "radius.log")

    def requests(self, user: Optional[str] = None) -> List[Request]:
        """Return the packets so far, in order, without retransmissions and discarded packets.

        user: only the packets with this User-Name.
        """
        requests = self._recorded("requests")
        return [request for request in requests if user is None or request.get("User-Name") == user]

    def accounting(self) -> List[Request]:
        """Return the Accounting-Requests so far, in order, without retransmissions."""
        return self._recorded("accounting")

    def _recorded(self, name: str) -> List[Request]:
        return [_parse_request(block) for block in _read(self.directory / name).split("\n\n")[:-1]]

    def _pick_ports(self) -> None:
        ports: Set[int] = set()
        while len(ports) < 5:
            ports.add(free_port())
        self.port, self.old_port, self.acct_port, self.eap_port, self.stripped_port = ports
        with contextlib.suppress(OSError):
            self.ipv6_port = free_port(IPV6_HOST)
        self.tls_port = free_port(kind=socket.SOCK_STREAM)

    def _configure(self) -> None:
        tunnel = self._tunnel or Tunnel()
        marks = {
            "PORT": str(self.port),
            "OLD_PORT": str(self.old_port),
            "ACCT_PORT": str(self.acct_port),
            "IPV6_PORT": str(self.ipv6_port),
            "EAP_PORT": str(self.eap_port),
            "STRIPPED_PORT": str(self.stripped_port),
            "PROXY_REQUESTS": "yes" if self._tunnel else "no",
            "EAP_TLS": tunnel.version,
            "EAP_FRAGMENT": str(tunnel.fragment_size),
            "TLS_PORT": str(self.tls_port),
            "TLS_NEWEST": self._newest,
            "SECRET": self._quoted_secret,
            "PUSH_SECONDS": str(self.push_seconds),
            "THREADS": str(self.threads),
            "TOTP_SECRET": TOTP_SECRET,
            "BINARY_STATE": BINARY_STATE.hex(),
        }
        left_out = [] if self.ipv6_port else ["ipv6.conf"]
        left_out += [] if self._tunnel else ["eap.conf", "tunnel.conf"]
        for source in _TEMPLATE.iterdir():
            if source.name in left_out:
                continue
            target = self.directory / source.name
            target.touch(mode=0o600)
            target.write_bytes(_filled(source.read_bytes().decode("utf-8"), marks).encode("utf-8"))
        self._authority.issue().written(self.directory, "server")
        if self._tunnel:
            (tunnel.identity or self._authority.issue()).written(self.directory, "eap")
        (self.directory / "ca.pem").write_text(self._authority.certificate, encoding="ascii")

    def _launch(self, binary: str, started_at: int) -> bool:
        with (self.directory / "radius.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "-d", ".", "-n", "radiusd", "-f", "-l", "stdout"],
                cwd=str(self.directory),
                env=dict(os.environ, TZ="UTC"),  # for the times in what it records
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if _READY in self.log[started_at:]:
                return True
            time.sleep(0.02)
        self.stop()
        return False


def find() -> Optional[str]:
    """Return the path of the FreeRADIUS server, or None if it is not installed."""
    for name in ("freeradius", "radiusd"):
        # The PATH of an ordinary user often lacks the directories of servers.
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path:
            return path
    return None


def totp_code(seconds: float = 5.0) -> str:
    """Return a code of the user `totp` that is valid for the next `seconds`.

    rlm_totp 3.2.1 only accepts the code of the current time step, so this waits for the next step if necessary.
    """
    totp = pyotp.TOTP(TOTP_SECRET)
    # Not at the very start of a step either: the server's clock may tick a little later.
    while not 0.05 <= time.time() % totp.interval <= totp.interval - seconds:
        time.sleep(0.02)
    return str(totp.now())


def quoted(text: str) -> str:
    r"""Return `text` as a single-quoted string in the configuration of FreeRADIUS.

    In single quotes only the quote itself is special, and written \'. Line breaks, NUL, and a backslash before a quote
    or at the end cannot be written: ValueError.
    """
    if re.search(r"[\n\r\0]|\\'|\\\Z", text):
        raise ValueError("FreeRADIUS accepts no line break, NUL, or backslash before a quote or at the end")
    return "'" + text.replace("'", "\\'") + "'"


@contextlib.contextmanager
def running(directory: Union[str, pathlib.Path], secret: str = SECRET, **options: Any) -> Iterator[FreeRadius]:
    """Run a `FreeRadius`; skip the test if FreeRADIUS is not installed."""
    if find() is None:
        pytest.skip(NOT_INSTALLED)
    with FreeRadius(directory, secret, **options) as server:
        yield server


@pytest.fixture(scope="session")
def freeradius(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreeRadius]:
    """One FreeRADIUS for the whole test session."""
    with running(tmp_path_factory.mktemp("freeradius")) as server:
        yield server


def _filled(template: str, marks: Dict[str, str]) -> str:
    return re.sub("@([A-Z0-9_]+)@", lambda mark: marks[mark.group(1)], template)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


# How rlm_detail writes unprintable characters.
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _parse_request(block: str) -> Request:
    lines = [line[1:].split(" = ", 1) for line in block.split("\n") if line.startswith("\t")]
    pairs = [(name, _parse_value(value)) for name, value in lines]
    # rlm_detail names the type of every packet but an Accounting-Request.
    code = next((value for name, value in pairs if name == "Packet-Type"), "Accounting-Request")
    return Request(str(code), [pair for pair in pairs if pair[0] not in ("Packet-Type", "Timestamp")])


def _parse_value(text: str) -> Value:
    if text.startswith("0x"):
        return bytes.fromhex(text[2:])
    if not text.startswith('"'):
        return text

    def plain(escape: "re.Match[bytes]") -> bytes:
        what = escape.group(1)
        return bytes([int(what, 8)]) if len(what) == 3 else _ESCAPED.get(what, what)

    octets = _ESCAPE.sub(plain, text[1:-1].encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape")
