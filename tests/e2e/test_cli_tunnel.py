"""The command line with tunneled methods, against FreeRADIUS and hostapd."""

import pathlib
import re
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from lib import reasons
from tests.support import hostapd
from tests.support.cases import Cases
from tests.support.certificates import HOST_NAME, Authority
from tests.support.clients import Person
from tests.support.command_line import ISOLATED, PROMPT, CommandLine, Zip, fact, packets
from tests.support.plugin import section
from tests.support.radiusd import AUTHORITY, FreeRadius, Tunnel, running

PASSWORD = "correct horse"
METHODS = {"ttls-pap": "EAP-TTLS", "ttls-mschapv2": "EAP-TTLS", "peap-mschapv2": "PEAP"}
CERTIFICATE = r"    certificate: subject .*; alternative names radius\.example\.com, .*; issuer .*; valid until .*"


@pytest.fixture(scope="module")
def radiusd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreeRadius]:
    """A FreeRADIUS with TLS 1.3 inside EAP."""
    with running(tmp_path_factory.mktemp("radiusd"), tunnel=Tunnel("1.3")) as server:
        yield server


def tunneled(server: FreeRadius, auth_type: str = "ttls-pap", **options: Any) -> str:
    """Return the configuration of a server with a tunneled method."""
    values: Dict[str, Any] = dict(port=server.eap_port, tls_server_name=HOST_NAME)
    values.update(auth_type=auth_type, ca_certificate=AUTHORITY.certificate)
    return section(server, **{**values, **options})


def test_servers(cli: CommandLine, radiusd: FreeRadius) -> None:
    with Cases() as cases:
        for auth_type, name in METHODS.items():
            with cases.case(auth_type):
                path = cli.file(tunneled(radiusd, auth_type))
                assert cli.run("check", "--strict", path).status == 0
                asked = cli.run("servers", path)
                assert (asked.status, asked.err) == (0, "")
                status, handshake, certificate = asked.out.splitlines()
                assert "ok: responded to Status-Server in " in status
                expected = (
                    rf".*: ok: responded to the TLS handshake \({name}, TLSv1\.3\) in .* ms and [0-9]+ requests, "
                    "with Message-Authenticator"
                )
                assert re.fullmatch(expected, handshake)
                assert re.fullmatch(CERTIFICATE, certificate)
                found = cli.run("servers", "--json", path).document["servers"]
                assert [each["tunnel"] for each in found] == ["", f"{name}, TLSv1.3"]
                assert found[1]["certificate_names"][0] == HOST_NAME
                watched = cli.run("servers", "--monitor", path)
                assert watched.status == 1  # the certificate is valid for a day
                assert watched.out.startswith(
                    "RADIUS WARNING - 1 of 1 address usable; [radius] certificate expires in "
                )
    assert all(each.get("User-Name") != "alice" for each in radiusd.requests())


@pytest.mark.slow
def test_servers_without_status_server(cli: CommandLine, tmp_path: pathlib.Path) -> None:
    with hostapd.running(tmp_path) as server:
        options: Dict[str, Any] = dict(tls_server_name=HOST_NAME, ca_certificate=AUTHORITY.certificate)
        text = section(server.port, secret=server.secret, auth_type="peap-mschapv2", **options)
        asked = cli.run("servers", "--timeout", "3", cli.file(text))
        other = cli.run("servers", "--timeout", "3", cli.file(text.replace(HOST_NAME, "other.example.com")))
    assert other.status == 1
    assert re.search(
        r": not ok: .* does not match the name other\.example\.com\n    unverified certificate: ", other.out
    )
    assert asked.status == 0
    handshake, certificate = asked.out.splitlines()
    assert "ok: responded to the TLS handshake (PEAP, TLSv1.2), not to Status-Server, in " in handshake
    assert re.fullmatch(CERTIFICATE, certificate)


def test_servers_that_cannot_be_used(cli: CommandLine, radiusd: FreeRadius) -> None:
    """A server without EAP rejects the login before the handshake."""
    broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    refusal = "Access-Reject before the end of the TLS handshake"
    advice = ": enable EAP-TTLS on the server, and check that its policies allow the name outside the tunnel, anonymous"
    mistakes: List[Tuple[str, str, str, Dict[str, Any]]] = [
        (reasons.REJECTED, refusal, advice, dict(port=radiusd.port)),
        (
            reasons.TLS_CERTIFICATE,
            "the server's certificate is not issued by a CA in ca_certificate",
            "",
            dict(ca_certificate=Authority("another CA").certificate),
        ),
        (
            reasons.TLS_CERTIFICATE,
            "the server's certificate does not match the name other.example.com",
            "",
            dict(tls_server_name="other.example.com"),
        ),
        (reasons.TLS_CERTIFICATE, "ca_certificate cannot be used: .*", "", dict(ca_certificate=broken)),
    ]
    with Cases() as cases:
        for code, text, more, options in mistakes:
            with cases.case(text):
                path = cli.file(tunneled(radiusd, **options))
                asked = cli.run("servers", path)
                assert asked.status == 1
                status, handshake, *certificate = asked.out.splitlines()
                assert " ok: " in status
                assert len(certificate) == ("name" in text)
                assert all(re.fullmatch(CERTIFICATE.replace("cert", "unverified cert"), line) for line in certificate)
                assert re.search(f": not ok: {text}{more}\\Z", handshake)
                found = cli.run("servers", "--json", path).document["servers"]
                assert [each["code"] for each in found] == ["", code]
                watched = cli.run("servers", "--monitor", path)
                assert watched.status == 2
                assert re.search(rf"\[radius\] [0-9.:]+: {text}\n\Z", watched.out)


def eap_lines(output: str) -> List[int]:
    """Return how many lines with an EAP-Message each packet has."""
    return [packet.count("    EAP-Message = ") for packet in re.split("^(?:To|From) ", output, flags=re.MULTILINE)[1:]]


def test_try(cli: CommandLine, radiusd: FreeRadius) -> None:
    with Cases() as cases:
        for auth_type, name in METHODS.items():
            with cases.case(auth_type):
                path = cli.file(tunneled(radiusd, auth_type) + "[gateway_groups]\nattribute=Filter-Id\n")
                tried = cli.run("try", path, "--user", "alice", answers=["wrong password", PASSWORD])
                assert tried.status == 0
                assert PASSWORD not in tried.out and "wrong password" not in tried.out
                assert set(eap_lines(tried.out)) == {1}
                assert "alice" not in "".join(re.findall("    User-Name = (.*)", tried.out))
                # Only the first request of each attempt shows the attributes that all have.
                assert tried.out.count("    NAS-Identifier = sps\n") == 2
                requests = [each for each in packets(tried.out) if each.startswith("To ")]
                assert tried.out.count("    and the other attributes of the last request\n") == len(requests) - 2
                assert f"({name}, TLSv1.3)" in tried.out
                assert fact(tried.out, "gateway groups") == "admins"
                assert "not checked" not in tried.out


def test_try_at_servers_that_cannot_be_trusted(cli: CommandLine, radiusd: FreeRadius) -> None:
    mistakes: Dict[str, Dict[str, Any]] = {
        "is not issued by a CA in ca_certificate": dict(ca_certificate=Authority("another CA").certificate),
        "does not match the name other.example.com": dict(tls_server_name="other.example.com"),
        "Access-Accept contains no keys of the tunnel": dict(port=radiusd.stripped_port),
    }
    with Cases() as cases:
        for text, options in mistakes.items():
            for auth_type in METHODS:
                with cases.case((auth_type, text)):
                    tried = cli.run(
                        "try", cli.file(tunneled(radiusd, auth_type, **options)), "--user", "alice", answers=[PASSWORD]
                    )
                    assert tried.status == 1
                    assert f"{text}\nDENY\n" in tried.out


class TestWithoutPyOpenSsl:
    @pytest.fixture
    def cli(self, plugin_zip: pathlib.Path, tmp_path: pathlib.Path) -> Zip:
        return Zip(plugin_zip, tmp_path)

    @staticmethod
    def person(cli: Zip, configuration: str) -> Person:
        arguments = [*ISOLATED[1:], str(cli.path), "try", cli.file(configuration), "--user", "alice"]
        return Person(ISOLATED[0], arguments, {"NO_COLOR": "1", "TERM": "dumb"})

    @pytest.mark.parametrize("auth_type", ["ttls-pap", "peap-mschapv2"])
    def test_keys_are_not_checked(self, cli: Zip, radiusd: FreeRadius, auth_type: str) -> None:
        with self.person(cli, tunneled(radiusd, auth_type)) as person:
            person.sees(PROMPT).types(PASSWORD)
            assert person.to_the_end() == 0
        assert "can be forged" not in person.shown
        assert "keys of the tunnel not checked: pyOpenSSL is not installed\n" in person.shown
        assert fact(person.shown, "not checked").startswith("keys of the tunnel: pyOpenSSL is not installed here")

    def test_missing_keys_are_noticed(self, cli: Zip, radiusd: FreeRadius) -> None:
        """As on SPS, which denies such a login."""
        with self.person(cli, tunneled(radiusd, port=radiusd.stripped_port)) as person:
            person.sees(PROMPT).types(PASSWORD)
            assert person.to_the_end() == 1
        assert "Access-Accept contains no keys of the tunnel\nDENY\n" in person.shown

    def test_method_that_requires_it(self, cli: Zip, radiusd: FreeRadius) -> None:
        path = cli.file(tunneled(radiusd, "ttls-mschapv2"))
        refused = cli.run("try", path, "--user", "alice", python=ISOLATED)
        assert refused.status == 2
        assert refused.err.endswith(
            "error: [radius] auth_type: ttls-mschapv2 requires pyOpenSSL, which SPS has; install it on this computer "
            "too\n"
        )
        asked = cli.run("servers", path, python=ISOLATED)
        assert asked.status == 0
        assert "responded to the TLS handshake (EAP-TTLS, TLSv1.3)" in asked.out
