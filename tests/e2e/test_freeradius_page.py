"""docs/servers/freeradius.md on a FreeRADIUS with the configuration of its package: each block goes where it says."""

import os
import pathlib
import re
import socket
import subprocess
from typing import Dict, Iterator

import pytest

from lib.config.options import TUNNELED
from lib.radius import packet
from tests.support.certificates import HOST_NAME, in_configuration
from tests.support.pages import SERVERS, aimed_at, blocks, preset
from tests.support.plugin import OpenSession, metadata, prompts
from tests.support.radiusd import AUTHORITY, HOST, NOT_INSTALLED, FreeRadius, find

PACKAGED = pathlib.Path("/etc/freeradius/3.0")
SECRET = "32-random-characters-like-these-"
TUNNEL = (("certificate_file", "pem"), ("private_key_file", "key"))
USERS = """\
alice Cleartext-Password := "correct horse"
	Filter-Id := "admins"
carol State =* ANY, Cleartext-Password := "222222"
carol Cleartext-Password := "1111", Response-Packet-Type := Access-Challenge
	Reply-Message := "Enter token code:", State := "carol"
"""


class Packaged(FreeRadius):
    """A FreeRADIUS with the configuration of its package, on loopback, and the blocks of the page."""

    def _configure(self) -> None:
        subprocess.run(["cp", "-rT", str(PACKAGED), str(self.directory)], check=True)
        (self.directory / "run" / "freeradius").mkdir(parents=True, exist_ok=True)
        paths = {r"(?m)^raddbdir = .*": "raddbdir = .", r"(?m)^(localstatedir|logdir) = .*": r"\1 = ."}
        self._edit("radiusd.conf", {**paths, r"\n\t(user|group) = .*": ""})
        self._edit("clients.conf", {r"ipaddr = 127\.0\.0\.1\n": "ipaddr = 127.0.0.9\n"})  # localhost is SPS
        self._edit("sites-available/inner-tunnel", {"port = 18120": f"port = {self.old_port}"})
        addresses = {r"\n\tipaddr = \*": f"\n\tipaddr = {HOST}", r"\n\tipv6addr = ::": "\n\tipaddr = 127.0.0.2"}
        self._edit("sites-available/default", addresses)
        for number in (self.port, self.acct_port) * 2:
            self._edit("sites-available/default", {r"\n\tport = 0": f"\n\tport = {number}"}, 1)
        users = self.directory / "mods-config" / "files" / "authorize"
        users.write_text(USERS + users.read_text(encoding="utf-8"), encoding="utf-8")
        server = self._authority.issue()
        files = {"server.pem": server.certificate, "server.key": server.key, "ca.pem": self._authority.certificate}
        for name, text in files.items():
            (self.directory / "certs" / f"sps-{name}").write_text(text, encoding="ascii")
        certificate = {
            r"(?m)^(\t\t%s) = .*" % name: r"\1 = ${certdir}/sps-server.%s" % ending for name, ending in TUNNEL
        }
        self._edit("mods-available/eap", certificate)
        for block in blocks(SERVERS / "freeradius.md"):
            if block.info.startswith("unlang "):
                self._paste(block.text, *block.info.split()[1:])

    def _paste(self, text: str, name: str, section: str = "") -> None:
        """Add the text to a file, at its end or at the top of a section, with the addresses of the test."""
        for documented in ("192.0.2.10", "*"):
            text = text.replace(f"ipaddr = {documented}\n", f"ipaddr = {HOST}\n")
        text = text.replace("port = 2083\n", f"port = {self.tls_port}\n")
        path = self.directory / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if section:
            assert before.count(f"\n{section} {{\n") == 1
            path.write_text(before.replace(f"\n{section} {{\n", f"\n{section} {{\n{text}"), encoding="utf-8")
        else:
            path.write_text(before + text, encoding="utf-8")

    def _edit(self, name: str, changes: Dict[str, str], count: int = 0) -> None:
        path = self.directory / name
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in changes.items():
            text, found = re.subn(pattern, replacement, text, count=count)
            assert found, (name, pattern)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreeRadius]:
    """A FreeRADIUS set up by the words of the page."""
    if find() is None:
        pytest.skip(NOT_INSTALLED)
    if not os.access(str(PACKAGED / "radiusd.conf"), os.R_OK):
        pytest.skip("the configuration of the package of FreeRADIUS cannot be read, or is not there")
    with Packaged(tmp_path_factory.mktemp("packaged"), SECRET) as server:
        yield server


def over_udp(server: FreeRadius) -> str:
    """Return the configuration of the page for the server."""
    return aimed_at(preset("freeradius"), server=HOST, port=server.port, secret=SECRET)


def over_tls(server: FreeRadius) -> str:
    """Return the configuration of the page for the server, with the certificates themselves."""
    ca, client = (in_configuration(pem) for pem in (AUTHORITY.certificate, AUTHORITY.issue(for_client=True).both))
    return aimed_at(
        preset("freeradius-tls"), server=HOST, port=server.tls_port, ca_certificate=ca, client_certificate=client
    )


def test_accept_reject_and_challenge(open_session: OpenSession, packaged: FreeRadius) -> None:
    for configuration in (over_udp(packaged), over_tls(packaged)):
        session = open_session(configuration, server_username="alice")
        assert metadata(session.log_in("wrong", "correct horse"))["attempts"] == 2
        session = open_session(configuration, server_username="carol")
        assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
        assert prompts(session)[1] == "Enter token code: "


@pytest.mark.parametrize("method", TUNNELED)
def test_tunnel(open_session: OpenSession, packaged: FreeRadius, method: str) -> None:
    configuration = aimed_at(
        preset("freeradius-tunnel"),
        server=HOST,
        port=packaged.port,
        secret=SECRET,
        auth_type=method,
        ca_certificate=in_configuration(AUTHORITY.certificate),
        tls_server_name=HOST_NAME,
    )
    groups = "[gateway_groups]\nattribute=Filter-Id\nrequired_groups=admins\n"
    session = open_session(configuration + groups, server_username="alice")
    verdict = session.log_in("wrong", "correct horse")
    assert (verdict["gateway_groups"], metadata(verdict)["attempts"]) == (["admins"], 2)


def test_many_tls_connections(open_session: OpenSession, packaged: FreeRadius) -> None:
    for _ in range(18):
        session = open_session(over_tls(packaged), server_username="alice")
        assert session.log_in("correct horse")["verdict"] == "ACCEPT"


def test_reply_to_status_server_is_signed(packaged: FreeRadius) -> None:
    secret = SECRET.encode("ascii")
    request = packet.encode_status((), secret, os.urandom)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(60)
        udp.sendto(request, (HOST, packaged.port))
        octets = udp.recv(4096)
    assert packet.verify(octets, request, secret, True, packet.STATUS_CODES).code == packet.ACCESS_ACCEPT


def test_debugging_mode_does_not_start_with_tls(packaged: FreeRadius, tmp_path: pathlib.Path) -> None:
    with Packaged(tmp_path, SECRET) as stopped:
        pass
    command = [str(find()), "-d", ".", "-X"]
    cwd = str(stopped.directory)
    result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert result.returncode != 0, result.stdout
    assert b"Threading must be enabled for TLS sockets" in result.stdout
