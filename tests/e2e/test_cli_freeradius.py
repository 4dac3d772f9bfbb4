"""`servers` and `try` against a FreeRADIUS."""

import json
import pathlib
import re
from typing import Any, Dict, List

from lib import reasons
from simulator.closed_port import closed_port
from tests.support.certificates import Authority
from tests.support.command_line import PROMPT, CommandLine, fact, packets
from tests.support.plugin import OpenSession, code, metadata, prompts, section
from tests.support.radiusd import FreeRadius, running

PASSWORD = "hunter2 and more"


# servers


def facts(cli: CommandLine, configuration: str, *arguments: str, timeout: float = 60.0) -> Dict[str, Dict[str, Any]]:
    """Return the facts that `servers` prints, by section."""
    asked = cli.run("servers", "--json", "--timeout", str(timeout), cli.file(configuration), *arguments)
    assert asked.err == ""
    document = asked.document["servers"]
    assert asked.status == (0 if all(each["ok"] for each in document) else 1)
    return {each["section"]: each for each in document}


def test_status_server(cli: CommandLine, radius: str, freeradius: FreeRadius) -> None:
    seen = len(freeradius.requests())
    asked = cli.run("servers", cli.file(radius), "--nas-identifier", "bastion-1")
    assert (asked.status, asked.err) == (0, "")
    line = r"\[radius\] 127\.0\.0\.1:{}: ok: responded to Status-Server in [\d.]+ ms, with Message-Authenticator\n"
    assert re.fullmatch(line.format(freeradius.port), asked.out)
    (request,) = freeradius.requests()[seen:]
    assert request.code == "Status-Server"
    assert request.get("NAS-Identifier") == "bastion-1"
    assert request.get("NAS-IP-Address") == "127.0.0.1"


def test_long_nas_identifier(cli: CommandLine, radius: str, freeradius: FreeRadius) -> None:
    asked = cli.run("servers", cli.file(radius), "--nas-identifier", "ü" * 200)
    assert (asked.status, asked.err) == (0, "")
    assert freeradius.requests()[-1].get("NAS-Identifier") == "ü" * 126


def test_server_without_message_authenticator(cli: CommandLine, freeradius: FreeRadius) -> None:
    old = section(freeradius, port=freeradius.old_port)
    refused = facts(cli, old)["radius"]
    assert (refused["ok"], refused["signed"], refused["code"]) == (False, False, "no-message-authenticator")
    assert "so the plugin discards the reply: update the server" in refused["text"]
    accepted = facts(cli, old + "require_message_authenticator=no\n")["radius"]
    assert (accepted["ok"], accepted["signed"], accepted["code"]) == (True, False, "")
    assert "can be forged" in accepted["text"]


def test_accounting(cli: CommandLine, radius: str, freeradius: FreeRadius) -> None:
    both = radius + f"[accounting]\nenabled=yes\nport={freeradius.acct_port}\n"
    found = facts(cli, both)
    assert sorted(found) == ["accounting", "radius"]
    assert found["accounting"]["address"].endswith(f":{freeradius.acct_port}")
    both = both.replace("enabled=yes\n", "enabled=yes\nserver=localhost\n")
    assert facts(cli, both)["accounting"]["server"] == "localhost"


def test_wrong_secret_is_silence(cli: CommandLine, freeradius: FreeRadius) -> None:
    assert facts(cli, section(freeradius, secret="not that secret"), timeout=1)["radius"]["code"] == "no-reply"


def test_probe_user(cli: CommandLine, radius: str, freeradius: FreeRadius) -> None:
    assert facts(cli, radius, "--probe-user", "probed")["radius"]["ok"]
    (request,) = freeradius.requests("probed")
    assert request.code == "Access-Request"


def test_one_of_two_servers_fails(cli: CommandLine, radius: str) -> None:
    with closed_port() as port:
        found = facts(cli, radius + f"[radius_2]\nport={port}\n")
    assert [found["radius"]["ok"], found["radius_2"]["ok"]] == [True, False]


def test_tls(cli: CommandLine, tmp_path: pathlib.Path) -> None:
    authority = Authority("the CA")
    client = authority.issue(for_client=True)
    directory = tmp_path / "radiusd"
    directory.mkdir()
    with running(directory, authority=authority) as radiusd:
        tls = section(
            radiusd.tls_port, transport="tls", ca_certificate=authority.certificate, client_certificate=client.both
        )
        path = cli.file(tls + "[accounting]\nenabled=yes\n")
        asked = cli.run("servers", path)
        found = cli.run("servers", "--json", path).document["servers"]
    assert asked.status == 0, asked.out
    lines = asked.out.splitlines()
    assert [line.partition("]")[0] for line in lines[::2]] == ["[radius", "[accounting"]
    words = re.compile(r".* ok: responded to Status-Server in .* over TLSv1\.3")
    assert all(words.fullmatch(line) for line in lines[::2])
    assert re.fullmatch(
        r"    certificate: subject .*; issuer CN=the CA; valid until [-0-9]+ \([0-9]+ days?\)", lines[1]
    )
    assert [(each["ok"], each["transport"]) for each in found] == [(True, "TLSv1.3")] * 2
    assert all(each["certificate_days"] >= 0 for each in found)


# try


def test_wrong_password_then_right_one(cli: CommandLine, radius: str) -> None:
    path = cli.file(radius + "[gateway_groups]\nattribute=Filter-Id\n")
    answers = [PASSWORD, "correct horse"]
    tried = cli.run("try", path, "--user", "alice", "--client-ip", "192.0.2.7", answers=answers)
    assert tried.status == 0
    assert PASSWORD not in tried.out and "correct horse" not in tried.out
    assert [line.split(",")[0] for line in packets(tried.out)] == [
        "To [radius] Access-Request",
        "From [radius] Access-Reject",
        "To [radius] Access-Request",
        "From [radius] Access-Accept",
    ]
    for line in (
        "    Message-Authenticator = <hidden, 16 octets>\n",
        "    User-Name = alice\n",
        "    User-Password = <hidden, 16 octets>\n",
        "    Calling-Station-Id = 192.0.2.7\n",
        "    NAS-Port-Type = Virtual\n",
        "    Filter-Id = admins\n",
        "    Class = OU=ops;\n",
        "Authentication failed: Wrong code. 2 attempts left.\nType a code, or press Enter for push, then approve it "
        + PROMPT,
        "\nACCEPT\n",
        "log: info: RADIUS: Access-Reject for alice from [radius] ",
    ):
        assert line in tried.out
    assert (fact(tried.out, "gateway user"), fact(tried.out, "gateway groups")) == ("alice", "admins")
    verdict = json.loads(fact(tried.out, "metadata"))
    assert (verdict["attempts"], verdict["rounds"], verdict["method"]) == (2, 0, "pap")


def test_verdict_and_requests_are_those_of_the_plugin(
    cli: CommandLine, radius: str, freeradius: FreeRadius, open_session: OpenSession
) -> None:
    own = radius + "add_suffix=@example.com\n[radius_attributes]\nCisco-AVPair = {protocol} {client_ip} {username}\n"
    own += "[usermapping source=explicit]\nbob = bob.smith\n[messages]\ntoo-many-attempts = Go away: {reason}!\n"
    before = len(freeradius.requests())
    session = open_session(own, server_username="bob", client_ip="192.0.2.7", connection_name="here")
    verdict = session.log_in("1", "2", "3")
    here = ["--user", "bob", "--client-ip", "192.0.2.7", "--connection", "here"]
    tried = cli.run("try", cli.file(own), *here, answers=["x", "x", "x"])
    assert tried.status == 1
    assert fact(tried.out, "reason") == verdict["reason"]
    assert {**json.loads(fact(tried.out, "metadata")), "seconds": 0} == {**metadata(verdict), "seconds": 0}
    assert fact(tried.out, "what to do") == reasons.DENIALS[code(verdict)].remedy
    plugins, ours = freeradius.requests()[before : before + 3], freeradius.requests()[before + 3 :]
    assert len(ours) == 3

    def constant(attributes: List[Any]) -> List[Any]:
        return [each for each in attributes if each[0] not in ("Message-Authenticator", "User-Password")]

    assert [constant(each.attributes) for each in ours] == [constant(each.attributes) for each in plugins]
    assert ours[0].get("User-Name") == "bob.smith@example.com"
    assert all(prompt in tried.out for prompt in prompts(session))


def test_push(cli: CommandLine, radius: str) -> None:
    assert cli.run("try", cli.file(radius), "--user", "push-fast", answers=[""]).status == 0


def test_protocol_without_questions(cli: CommandLine, radius: str) -> None:
    path = cli.file(radius + "[auth]\ninteractive_protocols=ssh\n")
    tried = cli.run("try", path, "--user", "push-fast", "--protocol", "telnet")
    assert (tried.status, tried.err) == (0, "")
    assert "    Connect-Info = telnet\n" in tried.out


def test_mschapv2(cli: CommandLine, radius: str) -> None:
    path = cli.file(radius + "auth_type=mschapv2\n")
    tried = cli.run("try", path, "--user", "alice", answers=[PASSWORD, "correct horse"])
    assert tried.status == 0
    assert "Wrong user name or password" in tried.out
    for name in ("MS-CHAP-Challenge", "MS-CHAP2-Response", "MS-CHAP-Error", "MS-CHAP2-Success"):
        assert re.search(f"^    {name} = <hidden, [0-9]+ octets>$", tried.out, re.MULTILINE)


def test_chap(cli: CommandLine, radius: str) -> None:
    tried = cli.run("try", cli.file(radius + "auth_type=chap\n"), "--user", "alice", answers=["correct horse"])
    assert tried.status == 0
    for line in ("CHAP-Password = <hidden, 17 octets>", "CHAP-Challenge = <hidden, 16 octets>"):
        assert f"    {line}\n" in tried.out
