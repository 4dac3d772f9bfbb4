"""The zip's own command line where servers are asked over TLS: what it says of them, and what it keeps to itself."""

import datetime
import json
import pathlib
import re
from typing import Any, List

import pytest

from lib.cli import check
from tests.e2e.test_cli import Zip
from tests.support.certificates import Authority, in_configuration
from tests.support.misbehaving import REPLY_MESSAGE, Request
from tests.support.radiusd import running
from tests.support.tls_peer import VERSION_1_1, Connection, Peer, answer, answering

AUTHORITY = Authority("the CA")
OTHER = Authority("another CA")
SERVER = AUTHORITY.issue()
CLIENT = AUTHORITY.issue(for_client=True)
PASSWORD = "hunter2 and more"


@pytest.fixture
def cli(plugin_zip: pathlib.Path, tmp_path: pathlib.Path) -> Zip:
    return Zip(plugin_zip, tmp_path)


def section(port: int, *options: str, authority: Authority = AUTHORITY) -> str:
    ca = "ca_certificate=" + in_configuration(authority.certificate)
    lines = ["[radius]", "server=127.0.0.1", "port={}".format(port), "transport=tls", ca]
    return "\n".join(lines + list(options)) + "\n"


# check


def said(text: str) -> List[str]:
    return ["{0.level}: [{0.section}] {0.option}: {0.text}".format(each) for each in check.findings(text)]


def test_nothing_is_wrong_with_a_right_one() -> None:
    assert said(section(2083)) == []
    assert said(section(2083, "secret=radsec", "status_check=none", "connect_timeout=1")) == []
    assert said("[radius]\nserver=a\nsecret={0}\n[radius_2]\ntransport=TLS\n".format("x" * 16) + ca_line()) == []


def ca_line() -> str:
    return "ca_certificate=" + in_configuration(AUTHORITY.certificate) + "\n"


def test_what_only_sps_knows_is_noted() -> None:
    text = "[radius]\nserver=a\ntransport=tls\nca_certificate=$[a list]\nclient_certificate=$\n"
    assert said(text + "[credential_store]\nname=store\n") == [
        "note: [radius] ca_certificate: from SPS's trusted CA lists, not checked here",
        "note: [radius] client_certificate: from the Credential Store, not checked here",
    ]
    assert said(text)[-1] == "error: [radius] client_certificate: `$` requires [credential_store] name"


def test_what_means_nothing_over_tls() -> None:
    assert said(section(2083, "retransmit_after=1", "require_message_authenticator=no")) == [
        "warning: [radius] retransmit_after: has no effect with transport=tls",
        "warning: [radius] require_message_authenticator: has no effect with transport=tls",
    ]
    same = section(1812, "[radius_2]", "transport=udp", "port=1812", "secret=" + "x" * 16)
    assert said(same) == []


# servers


def test_servers_that_live(cli: Zip, tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "radiusd"
    directory.mkdir()
    client = "client_certificate=" + in_configuration(CLIENT.both)
    with running(directory, authority=AUTHORITY) as radiusd:
        text = section(radiusd.tls_port, client, "[accounting]", "enabled=yes")
        asked = cli.run("servers", cli.file(text))
        facts = json.loads(cli.run("servers", "--json", cli.file(text)).out)["servers"]
    assert asked.status == 0, asked.out
    lines = asked.out.splitlines()
    assert [line.partition("]")[0] for line in lines] == ["[radius", "[accounting"]
    words = re.compile(r".* ok: Status-Server answered after .* over TLSv1\.3, certificate valid for [0-9]+ days?")
    assert all(words.fullmatch(line) for line in lines)
    assert [(each["ok"], each["over"]) for each in facts] == [(True, "TLSv1.3")] * 2
    assert all(each["certificate_days"] >= 0 for each in facts)


def test_a_server_of_radius_1_1(cli: Zip) -> None:
    with Peer(answering(), SERVER, protocols=[VERSION_1_1]) as peer:
        asked = cli.run("servers", cli.file(section(peer.port)))
    assert asked.status == 0 and " over TLSv1.3, RADIUS/1.1, certificate valid for " in asked.out
    assert [octets[0] for octets in peer.requests] == [12]


def test_days_that_a_certificate_has_left(cli: Zip) -> None:
    with Peer(answering(), AUTHORITY.issue(ends=datetime.timedelta(days=12, hours=12))) as peer:
        asked = cli.run("servers", cli.file(section(peer.port)))
    assert asked.out.endswith(", certificate valid for 12 days\n")


def test_servers_that_cannot_be_used(cli: Zip) -> None:
    expired = AUTHORITY.issue(ends=-datetime.timedelta(hours=1))
    with Peer(answering(), expired) as peer, Peer(lambda connection: None, SERVER) as closing:
        for port, words in ((peer.port, "the server's certificate has expired"), (closing.port, "the connection")):
            asked = cli.run("servers", cli.file(section(port)))
            assert asked.status == 1 and "not ok: " in asked.out and words in asked.out


# try


def dialogue(connection: Connection) -> None:
    connection.shake_hands()
    connection.send(answer(connection, connection.receive(), attributes=[(REPLY_MESSAGE, b"Welcome")]))
    connection.wait_for_end()


@pytest.mark.parametrize("protocols", [[], [VERSION_1_1]], ids=["1.0", "1.1"])
def test_a_login_is_shown_without_its_secrets(cli: Zip, protocols: Any) -> None:
    with Peer(dialogue, SERVER, protocols=protocols) as peer:
        client = "client_certificate=" + in_configuration(CLIENT.both)
        text = section(peer.port, client, "[auth]", "push_password=" + PASSWORD)
        with cli.person("try", cli.file(text), "--user", "alice") as person:
            person.sees("one-time password: ").types("")
            assert person.to_the_end() == 0
    screen = person.shown
    (octets,) = peer.requests
    if protocols:
        assert Request(octets, (), 0).values(2) == [PASSWORD.encode("ascii")]
    assert "Access-Request" in screen and "Reply-Message = Welcome" in screen and "ACCEPT" in screen
    assert "User-Password = <hidden" in screen
    assert PASSWORD not in screen and CLIENT.key.splitlines()[1] not in screen
