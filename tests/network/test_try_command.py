"""`try` against scripted servers, over UDP and TLS on loopback."""

import json
import re
from typing import List

from lib import reasons
from tests.support.certificates import Authority
from tests.support.command_line import PROMPT, CommandLine, fact, packets
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    USER_NAME,
    USER_PASSWORD,
    Request,
    Server,
    answering,
    reply,
)
from tests.support.plugin import section
from tests.support.tls_peer import VERSION_1_1, Connection, Peer, answer

PASSWORD = "hunter2 and more"
PUSH = "[auth]\ninteractive_protocols=\n"  # no question, so the login is a push
ACCESS_REQUEST, STATUS_SERVER = 1, 12
FILTER_ID, VENDOR_SPECIFIC, TUNNEL_PASSWORD = 11, 26, 69


# The login


def test_state_is_sent_back_and_never_shown(cli: CommandLine) -> None:
    state, message = b"State of the server", b"\x1b[31mEnter \xe9 code\x07"

    def challenging(request: Request) -> List[bytes]:
        if request.values(STATE):
            return [reply(request, SECRET, ACCEPT if request.values(STATE) == [state] else REJECT)]
        attributes = [(STATE, state), (REPLY_MESSAGE, message), (TUNNEL_PASSWORD, b"\1\x80\1secret")]
        return [reply(request, SECRET, CHALLENGE, attributes)]

    with Server(challenging) as server:
        tried = cli.run("try", cli.file(section(server)), "--user", "alice", answers=[PASSWORD, PASSWORD])
    assert tried.status == 0
    assert f"{PROMPT}\n" in tried.out and "\nEnter \ufffd code \n" in tried.out
    assert state.decode() not in tried.out and "\x07" not in tried.out
    assert PASSWORD not in tried.out
    assert "    Tunnel-Password = <hidden, 9 octets>\n" in tried.out
    assert "    Reply-Message = Enter \ufffd code\n" in tried.out


def test_gateway_user_is_preferred(cli: CommandLine) -> None:
    with Server(answering(SECRET)) as server:
        path = cli.file(section(server))
        tried = cli.run("try", path, "--user", "root", "--gateway-user", "alice", answers=["x"])
    assert tried.status == 0
    assert server.requests[0].values(USER_NAME) == [b"alice"]
    assert (fact(tried.out, "gateway user"), fact(tried.out, "gateway groups")) == ("alice", "those of SPS")


def test_domains_are_in_the_user_name(cli: CommandLine) -> None:
    with Server(answering(SECRET)) as server:
        path = cli.file(section(server, add_prefix="{gateway_domain}\\", add_suffix="@{server_domain}"))
        tried = ("try", path, "--user", "alice")
        assert cli.run(*tried, "--gateway-domain", "CORP", "--server-domain", "lab", answers=["x"]).status == 0
        assert cli.run(*tried, answers=["x"]).status == 0
    assert [request.values(USER_NAME) for request in server.requests] == [[b"CORP\\alice@lab"], [b"alice"]]


def test_user_names_are_those_of_the_sdk(cli: CommandLine) -> None:
    expected = {
        "": b"alice",
        "[ignore_upn_suffix_for_rdp]\nignore=false\n": b"alice@corp",
        "[username_transform]\nappend_domain=example.com\n": b"alice@example.com",
        "[username_transform]\nappend_domain=\n[usermapping source=explicit]\nalice=$$\n": b"$",
    }
    with Server(answering(SECRET)) as server:
        for more in expected:
            path = cli.file(section(server) + more)
            tried = cli.run("try", path, "--user", "alice@corp", "--protocol", "rdp", answers=["x"])
            assert tried.status == 0
    assert [each.values(USER_NAME) for each in server.requests] == [[name] for name in expected.values()]


def test_user_name_from_the_credential_store(cli: CommandLine) -> None:
    secrets = cli.file("[usermapping source=explicit]\nalice=smith\n", "secrets")
    with Server(answering(SECRET)) as server:
        path = cli.file(section(server) + "[usermapping source=explicit]\nalice=$\n")
        tried = cli.run("try", path, "--user", "Alice", "--secret-file", secrets, answers=["x"])
    assert tried.status == 0
    assert server.requests[0].values(USER_NAME) == [b"smith"]


def test_invalid_user_names(cli: CommandLine, down: str) -> None:
    for user, more in (("a/b", ""), ("alice", "[usermapping source=explicit]\nalice=a\u202eb\n")):
        refused = cli.run("try", cli.file(down + more), "--user", user)
        assert refused.status == 1
        assert "[bad-username]" in refused.out


def test_failed_server_is_asked_last(cli: CommandLine, down: str) -> None:
    def rejecting_once(request: Request) -> List[bytes]:
        return [reply(request, SECRET, REJECT if request.number == 0 else ACCEPT)]

    with Server(rejecting_once) as server:
        path = cli.file(down + section(server, "radius_2"))
        tried = cli.run("try", path, "--user", "alice", answers=["x", "y"])
    assert tried.status == 0
    assert "2 attempts left" in tried.out
    assert [line[:14] for line in packets(tried.out) if line.startswith("To")] == [
        "To [radius] Ac",
        "To [radius] Ac",
        "To [radius_2] ",
        "To [radius_2] ",
    ]


def test_no_server(cli: CommandLine, down: str) -> None:
    tried = cli.run("try", cli.file(down), "--user", "alice", answers=["x"])
    assert tried.status == 1
    assert (
        fact(tried.out, "reason")
        == "The login service is not responding. Try again later or contact your help desk. [connection-refused]"
    )
    assert fact(tried.out, "what to do") == reasons.DENIALS["connection-refused"].remedy


def test_what_to_do_does_not_refer_to_another_denial() -> None:
    for denial in reasons.DENIALS.values():
        assert not re.match("(?i)(as for|the same as|see)\\b", denial.remedy), denial.code
        codes = "|".join(each for each in reasons.DENIALS if "-" in each)
        assert not re.search(f"{codes}|`({'|'.join(reasons.DENIALS)})`", denial.remedy), denial.code


def test_recovery_code(cli: CommandLine, down: str) -> None:
    made = cli.run("recovery-codes", "alice", "--count", "1", "--json").document
    path = cli.file(down + "[lockout]\nmax_failures=1\n[recovery_codes]\n" + made["lines"][0] + "\n")
    for _ in range(2):  # the command uses nothing up, and locks nobody out
        tried = cli.run("try", path, "--gateway-user", "alice", answers=["x", "wrong", made["codes"][0]])
        assert tried.status == 0
        assert "log: warning: Recovery code refused for user alice: no line of [recovery_codes] matches it" in tried.out
        assert fact(tried.out, "recovery code") == "right; this command does not use it up"
        assert json.loads(fact(tried.out, "metadata"))["recovery_code"] is True
        assert made["codes"][0] not in tried.out
    assert cli.run("try", path, "--user", "alice", answers=["x"]).status == 1


def test_recovery_codes_in_the_secret_file(cli: CommandLine, down: str) -> None:
    made = cli.run("recovery-codes", "alice", "--count", "2", "--json").document
    path = cli.file(down + "[recovery_codes]\nalice = $\n[credential_store]\nname=store\n")
    secrets = cli.file("[recovery_codes]\n" + "\n".join(made["lines"]) + "\n", "secrets.ini")
    arguments = ("try", path, "--secret-file", secrets, "--gateway-user", "alice")
    assert cli.run(*arguments, answers=["x", made["codes"][1]]).status == 0
    variable = {"SPS_RECOVERY_CODES_ALICE": ",".join(line.split(" = ")[1] for line in made["lines"])}
    assert cli.run("try", path, "--gateway-user", "alice", answers=["x", made["codes"][0]], **variable).status == 0


def test_required_group(cli: CommandLine) -> None:
    groups = "[gateway_groups]\nattribute=Filter-Id\nrequired_groups=x\n"
    with Server(answering(SECRET, ACCEPT, [(FILTER_ID, b"admins")])) as server:
        tried = cli.run("try", cli.file(section(server) + groups), "--user", "alice", answers=["x"])
    assert tried.status == 1
    assert "[not-in-group]" in fact(tried.out, "reason")
    assert "log: info: Groups of alice: admins" in tried.out


# What is printed


def test_retransmissions_probes_and_discarded_replies(cli: CommandLine) -> None:
    def finally_valid(request: Request) -> List[bytes]:
        codes = [each.octets[0] for each in server.requests]
        if request.octets[0] == STATUS_SERVER:
            return [reply(request, SECRET)]
        if codes.count(ACCESS_REQUEST) < 3 or STATUS_SERVER not in codes:
            return [reply(request, b"another secret")]
        return [reply(request, SECRET)]

    with Server(finally_valid) as server:
        path = cli.file(section(server, conn_timeout=60, retransmit_after=0.05, status_check_after=0.1))
        tried = cli.run("try", path, "--user", "alice", answers=["x"])
    assert tried.status == 0
    for line in (
        r"^To \[radius\] \S+ after [\d.]+ s: Access-Request \(retransmission\)$",
        r"^To \[radius\] \S+ after [\d.]+ s: Status-Server \(probe\)$",
        r"^From \[radius\] \S+ after [\d.]+ s: discarded a reply: wrong Response Authenticator",
    ):
        assert re.search(line, tried.out, re.MULTILINE), line


def test_sections_that_only_sps_processes(cli: CommandLine, down: str) -> None:
    more = "[whitelist source=user_list]\nname=x\n[authentication_cache]\nreuse_limit=0\n[lockout]\nmax_failures=1\n"
    tried = cli.run("try", cli.file(down + more + PUSH), "--user", "alice")
    assert re.findall("^Ignored here, works on SPS only: (.*)$", tried.out, re.MULTILINE) == [
        "[whitelist source=user_list]",
        "[lockout]",
    ]


def test_warnings_are_those_of_the_plugin(cli: CommandLine, down: str) -> None:
    more = "sever=x\nrequire_message_authenticator=no\n"
    tried = cli.run("try", cli.file(down + more + PUSH), "--user", "alice")
    assert "log: warning: Configuration warning: [radius] sever: unknown option; did you mean server?\n" in tried.out
    assert "log: warning: Replies from [radius] can be forged" in tried.out


def test_attribute_of_the_configuration_is_shown_by_name(cli: CommandLine) -> None:
    inner = b"\0\0\x27\x0f" + b"\1\6\0\0\0\7" + b"\2\5abc"
    dictionary = "[radius_dictionary]\nAcme-Level = 26.9999.1 integer\n"
    with Server(answering(SECRET, ACCEPT, [(VENDOR_SPECIFIC, inner)])) as server:
        tried = cli.run("try", cli.file(section(server) + dictionary + PUSH), "--user", "alice")
    assert "    Acme-Level = 7\n    26.9999.2 = <unknown, 3 octets>\n" in tried.out


def test_secrets_of_a_login_over_tls_are_not_shown(cli: CommandLine) -> None:
    def accepting(connection: Connection) -> None:
        connection.shake_hands()
        connection.send(answer(connection, connection.receive(), attributes=[(REPLY_MESSAGE, b"Welcome")]))
        connection.wait_for_end()

    authority = Authority("the CA")
    client = authority.issue(for_client=True)
    for protocols in [], [VERSION_1_1]:
        with Peer(accepting, authority.issue(), protocols=protocols) as peer:
            tls = section(peer, transport="tls", ca_certificate=authority.certificate, client_certificate=client.both)
            path = cli.file(tls + f"[auth]\npush_password={PASSWORD}\n")
            tried = cli.run("try", path, "--user", "alice", answers=[""])
        assert tried.status == 0
        (octets,) = peer.requests
        if protocols:
            assert Request(octets, (), 0).values(USER_PASSWORD) == [PASSWORD.encode("ascii")]
        assert f"{PROMPT}\n" in tried.out and "Access-Request" in tried.out
        assert "Reply-Message = Welcome" in tried.out and "ACCEPT" in tried.out
        assert "User-Password = <hidden" in tried.out
        assert PASSWORD not in tried.out and client.key.splitlines()[1] not in tried.out
