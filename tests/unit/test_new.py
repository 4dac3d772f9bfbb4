"""The command `new`: every configuration that it prints is valid."""

import re
from typing import List, Optional

from lib.cli.presets import PRESETS
from lib.config.ini import parse_ini
from tests.support import ROOT
from tests.support.cases import Cases
from tests.support.command_line import CommandLine


def test_every_configuration_passes_check(cli: CommandLine) -> None:
    with Cases() as cases:
        for name in PRESETS:
            for servers in ([], ["one.example.com"], ["192.0.2.1", "2001:db8::2", "three.example.com"]):
                with cases.case((name, servers)):
                    arguments = [word for server in servers for word in ("--server", server)]
                    made = cli.run("new", name, *arguments, "--store", "the store")
                    assert (made.status, made.err) == (0, "")
                    checked = cli.run("check", "--strict", cli.file(made.out))
                    assert checked.status == 0, checked.out
                    sections = parse_ini(made.out).sections
                    found = [sections[each]["server"] for each in sections if each.startswith("radius")]
                    assert found == (servers or [PRESETS[name].server])
                    assert sections["credential_store"]["name"] == "the store"


def test_a_tunnel_to_an_address_needs_a_name(cli: CommandLine) -> None:
    def names(product: str, *servers: str) -> List[Optional[str]]:
        made = cli.run("new", product, *[f"--server={server}" for server in servers]).out
        sections = parse_ini(made).sections
        return [values.get("tls_server_name") for name, values in sections.items() if name.startswith("radius")]

    assert names("nps-tunnel", "one.example.com", "two.example.com") == [None, None]
    assert names("nps-tunnel", "192.0.2.1", "two.example.com") == ["nps.example.com", "two.example.com"]
    assert names("nps-tunnel", "one.example.com", "2001:db8::1") == ["one.example.com", "nps.example.com"]
    assert names("jumpcloud-tunnel", "192.0.2.1", "192.0.2.2") == ["radius.jumpcloud.com", None]
    assert names("freeradius-tls", "192.0.2.1") == [None]


def test_every_preset_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "servers").iterdir()}
    assert {preset.page for preset in PRESETS.values()} == pages


def test_servers_that_are_not_valid(cli: CommandLine) -> None:
    wrong = {
        ("a b",): "[radius] server: expected a host name or an address",
        ("a", "A"): "[radius_2] server: is the same server and port as in an earlier section",
        ("",): "[radius] server: is empty",
    }
    for servers, words in wrong.items():
        refused = cli.run("new", "rsa", *[f"--server={server}" for server in servers])
        assert (refused.status, refused.out) == (2, "")
        assert refused.err == f"python3 plugin.zip: error: {words}\n"


def test_unknown_product(cli: CommandLine) -> None:
    refused = cli.run("new", "duo")
    assert (refused.status, refused.out) == (2, "")
    assert "argument PRODUCT: invalid choice: 'duo' (choose from" in refused.err and "duo-only" in refused.err


def test_port(cli: CommandLine) -> None:
    with Cases() as cases:
        for name in PRESETS:
            with cases.case(name):
                made = cli.run("new", name, "--server=192.0.2.1", "--port=1645")
                assert (made.status, made.err) == (0, "")
                assert parse_ini(made.out).sections["radius"]["port"] == "1645"
                assert len(re.findall("^port=", made.out, re.MULTILINE)) == 1
                assert cli.run("check", "--strict", cli.file(made.out)).status == 0
    refused = cli.run("new", "rsa", "--port=radius")
    assert (refused.status, refused.out) == (2, "")
    assert "[radius] port: expected a whole number from 1 to 65535" in refused.err


def test_product_in_any_case(cli: CommandLine) -> None:
    assert cli.run("new", "FreeRADIUS").out == cli.run("new", "freeradius").out != ""
