"""`servers` against scripted servers, over UDP and TLS on loopback."""

import contextlib
import datetime
import re
import socket
from typing import Any, Callable, Dict, Iterator, List

import pytest
from pytest_mock import MockerFixture

from simulator.closed_port import closed_port
from tests.support import tls_peer
from tests.support.certificates import Authority
from tests.support.command_line import END_OF_INPUT, CommandLine
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    FIRST,
    REJECT,
    SECRET,
    USER_NAME,
    Datagram,
    Request,
    Server,
    answering,
    listening,
    reply,
    silent,
)
from tests.support.plugin import STORE, section
from tests.support.tls_peer import VERSION_1_1, Peer

STORED = "hunter3 from the store"
AUTHORITY = Authority("the CA")
CERTIFICATE = AUTHORITY.issue()
ACCESS_REQUEST, STATUS_SERVER = 1, 12


def facts(
    cli: CommandLine, configuration: str, *arguments: str, timeout: float = 60.0, **environment: str
) -> Dict[str, Dict[str, Any]]:
    """Return the facts that `servers` prints, by section; for a name with several addresses, those of the last one."""
    path = cli.file(configuration)
    asked = cli.run("servers", "--json", "--timeout", str(timeout), path, *arguments, **environment)
    assert asked.err == ""
    document = asked.document["servers"]
    assert asked.status == (0 if all(each["ok"] for each in document) else 1)
    assert SECRET.decode("ascii") not in asked.out
    return {each["section"]: each for each in document}


def test_every_address_of_a_name(cli: CommandLine) -> None:
    with Server(answering(SECRET)) as server:
        named = cli.run("servers", "--timeout", "2", cli.file(section(server, server="localhost")))
        numeric = cli.run("servers", cli.file(section(server)))
    lines = named.out.splitlines()
    assert re.match(r"\[radius\] 127\.0\.0\.1:\d+ \(localhost, resolved in [\d.]+ ms\): ok: ", lines[-1] + lines[0])
    assert "(127.0.0.1" not in numeric.out


def test_unknown_name(cli: CommandLine) -> None:
    lost = facts(cli, "[radius]\nserver=nosuch.invalid.\nsecret=x\n")["radius"]
    assert (lost["ok"], lost["code"], lost["address"]) == (False, "name-lookup", "")
    assert lost["text"].startswith("name resolution failed")


def test_closed_port(cli: CommandLine, down: str) -> None:
    closed = facts(cli, down)["radius"]
    assert closed["code"] == "connection-refused"
    assert closed["text"] == "connection refused: nothing listens on this port"


def test_silence_lists_the_possible_causes(cli: CommandLine) -> None:
    with Server(silent) as server:
        dead = facts(cli, section(server, retransmit_after=0.1), timeout=2)["radius"]
        *sent, last = server.requests
        assert len(sent) > 1 and len({each.octets for each in sent}) == 1
        assert last.octets not in [each.octets for each in sent], "the one that finds replies from another address"
    assert (dead["ok"], dead["code"], dead["signed"]) == (False, "no-reply", None)
    for words in ("down", "client", "secret differs", "RFC 3579", "not answer Status-Server", "--probe-user"):
        assert words in dead["text"]


def test_wrong_secret(cli: CommandLine) -> None:
    with Server(answering(b"another secret")) as server:
        configuration = section(server)
        wrong = facts(cli, configuration, timeout=2)["radius"]
        printed = cli.run("servers", "--timeout", "2", cli.file(configuration)).out
    assert (wrong["ok"], wrong["code"]) == (False, "wrong-secret")
    assert wrong["text"].startswith("the server is up, but its shared secret differs")
    assert "    [radius] 127.0.0.1:" in printed and "discarded " in printed


def test_reply_that_is_not_radius(cli: CommandLine) -> None:
    with Server(lambda request: [b"\x1b[31mHTTP/1.1 400 Bad Request, as you like it"]) as server:
        odd = facts(cli, section(server), timeout=2)["radius"]
    assert (odd["code"], odd["text"]) == ("bad-reply", "the reply does not answer the request")


def test_discarded_reply_before_the_valid_one(cli: CommandLine) -> None:
    with Server(lambda request: [b"junk", reply(request, SECRET)]) as server:
        odd = facts(cli, section(server))["radius"]
    assert odd["ok"] and "discarded 1 reply" in odd["details"][0]


def test_reply_to_a_retransmission(cli: CommandLine) -> None:
    with Server(lambda request: [reply(request, SECRET)] if request.number else []) as server:
        late = facts(cli, section(server, retransmit_after=0.05))["radius"]
    assert late["ok"] and late["transmissions"] > 1
    assert " and {} transmissions".format(late["transmissions"]) in late["text"]


def test_source_ip_of_another_host(cli: CommandLine) -> None:
    with Server(silent) as server:
        lost = facts(cli, section(server, source_ip="192.0.2.1"))["radius"]
    assert lost["code"] == "network" and "cannot send" in lost["text"]


@pytest.mark.parametrize("verdict", [ACCEPT, REJECT, CHALLENGE], ids=["accept", "reject", "challenge"])
def test_probe_user(cli: CommandLine, verdict: int) -> None:
    def answering_logins(request: Request) -> List[bytes]:
        return [reply(request, SECRET, verdict)] if request.octets[0] == ACCESS_REQUEST else []

    with Server(answering_logins) as server:
        probed = facts(cli, section(server), "--probe-user", "nobody", timeout=2)["radius"]
    logins = [each for each in server.requests if each.octets[0] == ACCESS_REQUEST]
    assert (probed["ok"], probed["probe"], probed["signed"]) == (True, "login", True)
    assert "responded to a login, not to Status-Server," in probed["text"]
    assert {each.values(USER_NAME)[0] for each in logins} == {b"nobody"}
    assert len(logins[0].password(SECRET)) == 24


def test_probe_user_and_silence(cli: CommandLine) -> None:
    with Server(silent) as server:
        dead = facts(cli, section(server), "--probe-user", "nobody", timeout=0.5)["radius"]
    assert (dead["ok"], dead["code"]) == (False, "no-reply")
    assert "--probe-user" not in dead["text"] and "not answer Status-Server" not in dead["text"]


def test_login_without_an_answer(cli: CommandLine) -> None:
    def answering_status(request: Request) -> List[bytes]:
        return [reply(request, SECRET)] if request.octets[0] == STATUS_SERVER else []

    with Server(answering_status) as server:
        found = printed(cli, section(server), "--probe-user", "nobody")
    assert found[0].startswith(f"[radius] 127.0.0.1:{server.port}: ok: ")
    text = "no response to a login in 2 s, but to Status-Server: read the log of the server"
    assert found[1] == f"[radius] 127.0.0.1:{server.port}: not ok: {text}"


def printed(cli: CommandLine, configuration: str, *arguments: str) -> List[str]:
    """Return the lines that `servers` prints for each result."""
    lines = cli.run("servers", "--timeout", "2", cli.file(configuration), *arguments).out.splitlines()
    return [line for line in lines if line.startswith("[")]


def test_probe_user_is_asked_although_status_server_is_answered(cli: CommandLine) -> None:
    with Server(answering(SECRET)) as server:
        status, login = printed(cli, section(server), "--probe-user", "nobody")
        assert [each.octets[0] for each in server.requests] == [STATUS_SERVER, ACCESS_REQUEST]
    assert ": ok: responded to Status-Server in " in status
    assert ": ok: responded to a login in " in login
    with Server(lambda request: answering(SECRET)(request) if request.octets[0] == STATUS_SERVER else []) as server:
        status, login = printed(cli, section(server), "--probe-user", "nobody")
    assert ": ok: " in status and ": not ok: no response " in login


def signing(*codes: int) -> Callable[[Request], List[bytes]]:
    """Return a script that answers every request, but signs only replies to requests with these codes."""
    return lambda request: [reply(request, SECRET, signature=FIRST if request.octets[0] in codes else None)]


def test_unsigned_status_server_is_no_reason_to_accept_unsigned_logins(cli: CommandLine) -> None:
    risk = "accept the risk with require_message_authenticator=no"
    with Server(signing(ACCESS_REQUEST)) as server:
        (alone,) = printed(cli, section(server))
        status, login = printed(cli, section(server), "--probe-user", "nobody")
    assert ": not ok: " in alone and risk not in alone and "set status_check=none if --probe-user shows" in alone
    assert ": ok: " in status and risk not in status and "set status_check=none" in status
    assert ": ok: " in login and login.endswith(", with Message-Authenticator")
    for codes in ((), (STATUS_SERVER,)):
        with Server(signing(*codes)) as server:
            lines = printed(cli, section(server), "--probe-user", "nobody")
        assert lines[-1].endswith(risk) and ": not ok: " in lines[-1]


def from_another_address(secret: bytes, *codes: int) -> Callable[[Request], Iterator[Datagram]]:
    """Return a script that replies to requests with these codes from 127.0.0.2."""

    def script(request: Request) -> Iterator[Datagram]:
        if request.octets[0] in codes:
            with listening("127.0.0.2") as other:
                yield Datagram(reply(request, secret), via=other)

    return script


def test_reply_from_another_address_is_reported_and_not_believed(cli: CommandLine) -> None:
    with Server(from_another_address(SECRET, STATUS_SERVER)) as server:
        found = facts(cli, section(server), timeout=2)["radius"]
    assert (found["ok"], found["code"], found["signed"]) == (False, "no-reply", None)
    assert found["other_address"].startswith("127.0.0.2:")
    assert found["text"].startswith("the server replies from 127.0.0.2:")


@pytest.mark.slow
def test_reply_to_a_login_from_another_address_is_reported(cli: CommandLine) -> None:
    with Server(from_another_address(SECRET, ACCESS_REQUEST)) as server:
        found = facts(cli, section(server), "--probe-user", "nobody", timeout=2)["radius"]
    assert (found["ok"], found["code"]) == (False, "no-reply") and found["other_address"].startswith("127.0.0.2:")


def test_invalid_reply_from_another_address_is_not_reported(cli: CommandLine) -> None:
    with Server(from_another_address(b"another secret", STATUS_SERVER)) as server:
        found = facts(cli, section(server), timeout=2)["radius"]
    assert (found["ok"], found["code"], found["other_address"]) == (False, "no-reply", "")
    assert found["text"].startswith("no response in 2 s: ")


@pytest.mark.slow
def test_name_with_more_addresses_than_are_asked(cli: CommandLine, mocker: MockerFixture) -> None:
    look_up = socket.getaddrinfo
    with closed_port() as port:

        def getaddrinfo(host: str, *arguments: Any, **named: Any) -> Any:
            if host != "many.example":
                return look_up(host, *arguments, **named)
            numbers = (divmod(number, 256) for number in range(1000))
            kind = socket.SOCK_DGRAM
            return [(socket.AF_INET, kind, 17, "", (f"127.9.{high}.{low}", port)) for high, low in numbers]

        mocker.patch("socket.getaddrinfo", getaddrinfo)
        configuration = section(port, server="many.example")
        out = cli.run("servers", cli.file(configuration)).out
        found = facts(cli, configuration)["radius"]
    assert out.count(": not ok: connection refused") == 8
    assert out.count("    the name has 1000 addresses: the plugin asks only the first 8\n") == 1
    assert found["addresses"] == 1000


# Secrets of the Credential Store


@contextlib.contextmanager
def stored() -> Iterator[str]:
    """A configuration with the secret in the Credential Store, and a server whose secret is STORED."""
    with Server(answering(STORED.encode("ascii"))) as server:
        yield STORE + section(server, secret="$")


@contextlib.contextmanager
def stored_twice() -> Iterator[str]:
    """The same with a second server."""
    with stored() as configuration, Server(answering(STORED.encode("ascii"))) as second:
        yield configuration + f"[radius_2]\nport={second.port}\n"


NOT_STORED = "[radius] secret: the Credential Store has no password for host=radius user=secret"


def test_secret_from_the_environment(cli: CommandLine) -> None:
    with stored() as configuration:
        assert facts(cli, configuration, SPS_RADIUS_SECRET=STORED)["radius"]["ok"]


def test_secret_from_a_file(cli: CommandLine) -> None:
    secrets = cli.file(f"[radius]\nsecret = {STORED}\n", "secrets.ini")
    with stored() as configuration:
        assert facts(cli, configuration, "--secret-file", secrets)["radius"]["ok"]
        # The file replaces the whole store.
        both = configuration + "[auth]\npush_password=$\n"
        refused = cli.run("servers", cli.file(both), "--secret-file", secrets, SPS_AUTH_PUSH_PASSWORD="x")
    assert refused.status == 2
    assert "[auth] push_password: the Credential Store has no password for host=auth" in refused.err


def test_secret_from_the_terminal(cli: CommandLine) -> None:
    with stored() as configuration:
        asked = cli.run("servers", cli.file(configuration), answers=[STORED])
    assert asked.status == 0
    assert asked.out.startswith("[radius] secret: ")


def test_secret_in_a_store_that_is_not_named(cli: CommandLine) -> None:
    """On SPS, such a configuration denies every session."""
    with stored() as configuration:
        assert configuration.startswith(STORE)
        refused = cli.run("servers", cli.file(configuration[len(STORE) :]), SPS_RADIUS_SECRET=STORED)
    assert refused.status == 2
    assert "[radius] secret: `$` requires [credential_store] name\n" in refused.err


def test_secret_that_is_not_in_the_store(cli: CommandLine) -> None:
    with stored() as configuration:
        for answer in ("", END_OF_INPUT):
            refused = cli.run("servers", cli.file(configuration), answers=[answer])
            assert refused.status == 2
            assert NOT_STORED in refused.err


def test_second_server_has_the_secret_of_the_first(cli: CommandLine) -> None:
    with stored_twice() as configuration:
        asked = cli.run("servers", cli.file(configuration), answers=[STORED, ""])
        assert asked.status == 0
        remark = " (press Enter if the Credential Store has none)"
        assert asked.out.startswith(f"[radius] secret: \n[radius_2] secret{remark}: \n")
        from_environment = facts(cli, configuration, SPS_RADIUS_SECRET=STORED)
        assert [from_environment["radius"]["ok"], from_environment["radius_2"]["ok"]] == [True, True]
        own = cli.run("servers", cli.file(configuration + "secret=$\n"), SPS_RADIUS_SECRET=STORED)
    assert own.status == 2
    assert NOT_STORED.replace("radius", "radius_2") in own.err


def test_secret_that_cannot_be_asked_for(cli: CommandLine) -> None:
    with stored() as configuration:
        refused = cli.run("servers", cli.file(configuration))
    assert (refused.status, refused.out) == (2, "")
    words = "[radius] secret: is in the Credential Store; set SPS_RADIUS_SECRET or use --secret-file\n"
    assert words in refused.err


# TLS


def over_tls(peer: Peer) -> str:
    return section(peer, transport="tls", ca_certificate=AUTHORITY.certificate)


def test_radius_1_1(cli: CommandLine) -> None:
    with Peer(tls_peer.answering(), CERTIFICATE, protocols=[VERSION_1_1]) as peer:
        asked = cli.run("servers", cli.file(over_tls(peer)))
    assert asked.status == 0 and " over TLSv1.3, RADIUS/1.1\n    certificate: subject " in asked.out
    assert [octets[0] for octets in peer.requests] == [STATUS_SERVER]


def test_days_until_the_certificate_expires(cli: CommandLine) -> None:
    with Peer(tls_peer.answering(), AUTHORITY.issue(ends=datetime.timedelta(days=12, hours=12))) as peer:
        asked = cli.run("servers", cli.file(over_tls(peer)))
    assert asked.out.endswith(" (12 days)\n")


def test_certificate_is_described_once_per_server(cli: CommandLine) -> None:
    ends = datetime.timedelta(days=12, hours=12)
    with Peer(tls_peer.answering(), AUTHORITY.issue(["radius.example.com"], ends=ends)) as peer:
        configuration = over_tls(peer) + "[accounting]\nenabled=yes\n"
        printed = cli.run("servers", cli.file(configuration)).out
        found = facts(cli, configuration)["radius"]
    until = (datetime.datetime.now(datetime.timezone.utc) + ends).strftime("%Y-%m-%d")
    assert re.findall("^    certificate: (.*)$", printed, re.MULTILINE) == [
        "subject CN=issued; alternative names radius.example.com, 127.0.0.1, 0:0:0:0:0:0:0:1; issuer CN=the CA; "
        f"valid until {until} (12 days)"
    ]
    assert [line[:6] for line in printed.splitlines()] == ["[radiu", "    ce", "[accou"]
    assert (found["certificate_subject"], found["certificate_issuer"]) == ("CN=issued", "CN=the CA")
    assert found["certificate_names"][:2] == ["radius.example.com", "127.0.0.1"]
    assert (found["certificate_until"], found["certificate_days"]) == (until, 12)


def test_tls_failures(cli: CommandLine) -> None:
    expired = AUTHORITY.issue(ends=-datetime.timedelta(hours=1))
    with Peer(tls_peer.answering(), expired) as peer, Peer(lambda connection: None, CERTIFICATE) as closing:
        # A server that closes at once may also reset the connection.
        for each, words in ((peer, "the server's certificate has expired"), (closing, "the connection")):
            asked = cli.run("servers", cli.file(over_tls(each)))
            assert asked.status == 1 and "not ok: the server" in asked.out
            assert asked.out.count(words) == 1 and asked.out.count(f"127.0.0.1:{each.port}") == 1


@pytest.mark.parametrize("newest", ["TLSv1_2", "TLSv1_3"])
def test_certificate_that_does_not_verify_is_described(cli: CommandLine, newest: str) -> None:
    client = AUTHORITY.issue(for_client=True)
    expired = AUTHORITY.issue(["radius.example.com"], ends=-datetime.timedelta(hours=1))
    for identity, issuer, authority in (
        (expired, "the CA", AUTHORITY),
        (Authority("another CA").issue(["radius.example.com"]), "another CA", None),
    ):
        with Peer(tls_peer.answering(), identity, newest=newest, client_ca=authority) as peer:
            configuration = over_tls(peer) + "client_certificate={}\n".format(client.both.strip().replace("\n", "\n  "))
            printed = cli.run("servers", cli.file(configuration)).out
            found = facts(cli, configuration)["radius"]
            assert peer.requests == []
        assert (found["ok"], found["code"]) == (False, "tls-certificate")
        described = (found["certificate_subject"], found["certificate_names"][0], found["certificate_issuer"])
        assert described == ("CN=issued", "radius.example.com", "CN=" + issuer)
        assert printed.count("    unverified certificate: subject CN=issued; ") == 1
        until = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)).strftime("%Y-%m-%d")
        assert (found["certificate_until"] == until) == (identity is expired)
