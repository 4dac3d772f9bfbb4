"""A real hostapd on loopback, as a RADIUS server for EAP-TTLS (PAP, MS-CHAPv2) and PEAP version 0 over UDP.

Its users are `alice` and `alice@example.com` with the password `correct horse`, whatever the name outside the tunnel:
accept with Filter-Id `admins` and Class `OU=ops;`. It rejects all others without a Reply-Message, has no challenges,
and always sends the keys of the tunnel. PEAP offers crypto-binding; with TLS 1.3, hostapd 2.10 calculates it from the
key of TLS 1.2, which eapol_test does not accept.
"""

import contextlib
import pathlib
import shutil
import subprocess
import time
from typing import Iterator, NamedTuple, Optional, Union

import pytest

from tests.support.certificates import Identity
from tests.support.loopback import free_port
from tests.support.radiusd import AUTHORITY, HOST

SECRET = "the-secret-of-hostapd"  # hostapd reads it up to the first space
_START_SECONDS = 60.0
_PORT_ATTEMPTS = 5
_IN_USE = "Address already in use"
_TLS_FLAGS = {"1.2": "[DISABLE-TLSv1.3]", "1.3": "[ENABLE-TLSv1.3][DISABLE-TLSv1.2]"}
_CONFIGURATION = """\
interface=lo
driver=none
eap_server=1
eap_user_file={directory}/users
ca_cert={directory}/ca.pem
server_cert={directory}/eap.pem
private_key={directory}/eap.pem
radius_server_clients={directory}/clients
radius_server_auth_port={port}
tls_flags={flags}
fragment_size={fragment_size}
"""
_USERS = """\
* PEAP,TTLS
"alice" {user}
"alice@example.com" {user}
""".format(
    user="""TTLS-PAP,TTLS-MSCHAPV2,MSCHAPV2 "correct horse" [2]
radius_accept_attr=11:s:admins
radius_accept_attr=25:s:OU=ops;"""
)


class Hostapd(NamedTuple):
    """The address and the shared secret of a hostapd that runs."""

    port: int
    host: str = HOST
    secret: str = SECRET


def find() -> Optional[str]:
    """Return the path of hostapd, or None if it is not installed."""
    return shutil.which("hostapd") or shutil.which("hostapd", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def running(
    directory: Union[str, pathlib.Path],
    version: str = "1.2",
    fragment_size: int = 1024,
    identity: Optional[Identity] = None,
) -> Iterator[Hostapd]:
    """Run hostapd and yield its address; skip the test if it is not installed.

    version: its only TLS version, `1.2` or `1.3`.
    fragment_size: the most octets of an EAP packet that it sends.
    identity: its certificate; None is a valid one of the tests' CA.
    """
    binary = find()
    if binary is None:
        pytest.skip("hostapd is not installed (Debian, Ubuntu: apt-get install hostapd)")
    path = pathlib.Path(str(directory))
    (identity or AUTHORITY.issue()).written(path, "eap")
    (path / "ca.pem").write_text(AUTHORITY.certificate, encoding="ascii")
    (path / "users").write_text(_USERS, encoding="ascii")
    (path / "clients").write_text(f"{HOST} {SECRET}\n", encoding="ascii")
    log = path / "hostapd.log"
    for _ in range(_PORT_ATTEMPTS):
        port = free_port()
        text = _CONFIGURATION.format(directory=path, port=port, flags=_TLS_FLAGS[version], fragment_size=fragment_size)
        (path / "hostapd.conf").write_text(text, encoding="ascii")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [binary, str(path / "hostapd.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            if _is_ready(process, log):
                yield Hostapd(port)
                return
        finally:
            process.kill()
            process.wait()
        # Another program may have taken the port since it was found free, or another address of it.
        if _IN_USE not in _read(log):
            break
    raise RuntimeError("hostapd did not start:\n" + _read(log))


def _is_ready(process: "subprocess.Popen[bytes]", log: pathlib.Path) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if "AP-ENABLED" in _read(log):
            return True
        time.sleep(0.02)
    return False


def _read(path: pathlib.Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
