"""A real radsecproxy on loopback: RADIUS over TLS and UDP in front of a FreeRADIUS, which it reaches over UDP.

It accepts every client that has a certificate from the CA of the tests, with the shared secret `radsec`, and every UDP
client with the shared secret `SECRET`. It answers Status-Server itself, whether or not FreeRADIUS runs.
"""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time
from typing import Iterator, NamedTuple, Optional, Union

import pytest

from tests.support.loopback import free_port
from tests.support.radiusd import AUTHORITY, HOST, FreeRadius

SECRET = "the secret of the proxy"
_START_SECONDS = 60.0
_CONFIGURATION = """\
ListenUDP {host}:{ports.udp}
ListenTLS {host}:{ports.tls}
LogLevel 3
tls default {{
	CACertificateFile {directory}/ca.pem
	CertificateFile {directory}/server.pem
	CertificateKeyFile {directory}/server.pem
}}
client tls {{
	host {host}
	type tls
	secret radsec
	certificateNameCheck off
}}
client udp {{
	host {host}
	type udp
	secret "{client_secret}"
}}
server logins {{
	host {radiusd.host}
	port {login_port}
	type udp
	secret "{secret}"
}}
server accounting {{
	host {radiusd.host}
	port {radiusd.acct_port}
	type udp
	secret "{secret}"
}}
realm * {{
	server logins
	accountingServer accounting
}}
"""


class Ports(NamedTuple):
    """The ports of a radsecproxy; the one over UDP takes logins and accounting."""

    udp: int
    tls: int


def find() -> Optional[str]:
    """Return the path of radsecproxy, or None if it is not installed."""
    return shutil.which("radsecproxy") or shutil.which("radsecproxy", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def running(directory: Union[str, pathlib.Path], radiusd: FreeRadius, login_port: int = 0) -> Iterator[Ports]:
    """Run radsecproxy and yield its ports; skip the test if it is not installed.

    login_port: the port of FreeRADIUS for logins; 0 is `radiusd.port`.
    """
    binary = find()
    if binary is None:
        pytest.skip("radsecproxy is not installed (Debian, Ubuntu: apt-get install radsecproxy)")
    path = pathlib.Path(str(directory))
    AUTHORITY.issue().written(path, "server")
    (path / "ca.pem").write_text(AUTHORITY.certificate, encoding="ascii")
    ports = Ports(free_port(), free_port(kind=socket.SOCK_STREAM))
    secret = "".join(f"%{octet:02x}" for octet in radiusd.secret.encode("utf-8"))
    text = _CONFIGURATION.format(
        host=HOST,
        ports=ports,
        directory=path,
        radiusd=radiusd,
        login_port=login_port or radiusd.port,
        secret=secret,
        client_secret=SECRET,
    )
    (path / "radsecproxy.conf").write_text(text, encoding="utf-8")
    with (path / "radsecproxy.log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "-f", "-c", str(path / "radsecproxy.conf"), "-i", str(path / "pid")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(ports.tls, process, path / "radsecproxy.log")
        yield ports
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: pathlib.Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)
    raise RuntimeError("radsecproxy did not start:\n" + log.read_text(encoding="utf-8"))
