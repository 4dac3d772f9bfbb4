"""Groups, request attributes, user names, lockout, user locks and messages, through the built zip.

The server is FreeRADIUS, or a scripted server if FreeRADIUS cannot send the replies that a test needs.
"""

import pathlib
import re
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List

import pytest

from lib.state.user_lock import UserLocks
from tests.support.cases import Cases
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    Request,
    Server,
    answering,
    reply,
    silent,
)
from tests.support.plugin import OpenSession, code, metadata, outcome, prompts, section, text
from tests.support.processes import WAIT_LIMIT
from tests.support.radiusd import FreeRadius

VENDOR_SPECIFIC, FORTINET, CISCO = 26, 12356, 9
FILTER_ID, CLASS = 11, 25
ACCOUNTING_RESPONSE = 5
TEXTS = (1, 25, 26, 30, 31, 32, 44, 77)  # attributes of text


def vendor(number: int, kind: int, value: bytes) -> bytes:
    """Return the value of a Vendor-Specific attribute."""
    return struct.pack("!LBB", number, kind, len(value) + 2) + value


# Groups


def test_groups_of_a_reply(open_session: OpenSession, radius: str) -> None:
    groups_of: Dict[str, List[str]] = {
        "attribute=Filter-Id": ["admins"],
        "attribute=filter-id, Class": ["admins", "OU=ops"],
        "attribute=Class\npattern=OU=([^;]+)": ["ops"],
        "attribute=11,25\nseparator==": ["admins", "OU", "ops"],
        "attribute=Filter-Id,Class\npattern=(?:OU=)?(\\w+)\nunmapped=drop\n[gateway_groups map]\nops=SPS ops": [
            "SPS ops"
        ],
        "attribute=Filter-Id\nunmapped=keep\n[gateway_groups map]\nadmins=one\nadmins=two": ["one", "two"],
        "attribute=Reply-Message": [],
        "attribute=Filter-Id\nrequired_groups=operators, admins": ["admins"],
    }
    verdicts = {}
    for options in groups_of:
        session = open_session(radius + "[gateway_groups]\n" + options, gateway_user="alice", gateway_groups=["ldap"])
        verdict = session.log_in("correct horse")
        verdicts[options] = (verdict["verdict"], verdict["gateway_user"], verdict["gateway_groups"])
    assert verdicts == {options: ("ACCEPT", "alice", groups) for options, groups in groups_of.items()}


def test_user_without_a_required_group(open_session: OpenSession, radius: str) -> None:
    groups = "[gateway_groups]\nattribute=Filter-Id\nrequired_groups=Admins\n[authentication_cache]\nreuse_limit=5\n"
    for _ in range(2):  # the cache must not have the login
        session = open_session(radius + groups, gateway_user="alice")
        assert code(session.log_in("correct horse")) == "not-in-group"
    assert "Groups of alice: admins" in text(session)


def test_cache_is_off_with_groups(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[gateway_groups]\nattribute=Filter-Id\n[authentication_cache]\nreuse_limit=5\n"
    for _ in range(2):
        session = open_session(configuration, gateway_user="alice")
        assert session.log_in("correct horse")["gateway_groups"] == ["admins"]
    assert "[authentication_cache] reuse_limit: has no effect with [gateway_groups]" in text(session)


def test_vendor_attributes_and_binary_values(open_session: OpenSession) -> None:
    attributes = [
        (VENDOR_SPECIFIC, vendor(FORTINET, 1, b"vpn-users")),
        (VENDOR_SPECIFIC, vendor(FORTINET, 1, "süd".encode("utf-8"))),
        (VENDOR_SPECIFIC, vendor(FORTINET, 1, b"\xff\xfe")),
        (VENDOR_SPECIFIC, vendor(FORTINET, 1, b"\x1b[31mred")),
        (VENDOR_SPECIFIC, vendor(CISCO, 1, b"role=net")),
        (VENDOR_SPECIFIC, vendor(32473, 7, b"own")),
        (VENDOR_SPECIFIC, vendor(32473, 8, b"number eight")),
    ]
    with Server(answering(SECRET, ACCEPT, attributes)) as server:
        session = open_session(
            section(server)
            + "[gateway_groups]\nattribute=Fortinet-Group-Name, Cisco-AVPair, 26.32473.7, Example-Role\n"
            + "[radius_dictionary]\nExample-Role = 26.32473.8 string\n",
            server_username="alice",
        )
        verdict = session.log_in("x")
    assert verdict["gateway_groups"] == ["vpn-users", "süd", "role=net", "own", "number eight"]
    assert "Groups of alice: discarded 1 of 7 values: not UTF-8" in text(session)
    assert "Groups of alice: discarded 1 of 7 values: with control characters" in text(session)
    assert "\x1b" not in text(session)


def test_groups_after_a_challenge(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[gateway_groups]\nattribute=Filter-Id\n", server_username="pin1")
    assert session.log_in("1111", "222222")["gateway_groups"] == []


def test_without_groups_the_known_user_is_not_returned(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, gateway_user="alice", gateway_groups=["ldap"])
    assert not {"gateway_user", "gateway_groups"} & set(session.log_in("correct horse"))


def test_pattern_that_takes_too_long(open_session: OpenSession) -> None:
    with Server(answering(SECRET, ACCEPT, [(25, b"OU=" + b"a" * 60)])) as server:
        rules = "[gateway_groups]\nattribute=Class\npattern=OU=(\\w+\\s?)+;\n"
        session = open_session(section(server) + rules, gateway_user="alice")
        assert session.log_in("x")["gateway_groups"] == []
    assert "no groups: [gateway_groups] pattern takes too long" in text(session)


def test_a_pattern_for_a_challenge_never_runs_without_end(open_session: OpenSession) -> None:
    challenge = (REPLY_MESSAGE, b"Code for " + b"a" * 60 + b"!")
    with Server(answering(SECRET, CHALLENGE, [challenge, (STATE, b"s")])) as server:
        answers = "[challenge_answers]\nfor (\\w+\\s?)+: = 1\nCode for = 2\n"
        session = open_session(section(server) + answers, server_username="alice")
        session.authenticate()
        assert session.answer("x")["question"][1].startswith("Code for aaa")
        sent = [request for request in server.requests if request.values(STATE)]
    assert len(sent) == 1  # the second line has answered
    assert text(session).count("[challenge_answers] line 6: pattern takes too long") == 2


# Request attributes


def test_attributes_of_a_request(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    before = len(freeradius.requests("alice"))
    session = open_session(
        radius, server_username="alice", protocol="rdp", connection_name="prod", client_ip="2001:db8::7"
    )
    session.log_in("correct horse")
    (request,) = freeradius.requests("alice")[before:]
    assert request.attributes[0][0] == "Message-Authenticator"
    found = {name: value for name, value in request.attributes if name not in ("Message-Authenticator", "Login-Round")}
    assert found.pop("NAS-Identifier")
    assert found == {
        "User-Name": "alice",
        "NAS-IP-Address": "127.0.0.1",
        "NAS-Port-Type": "Virtual",
        "Service-Type": "Login-User",
        "Calling-Station-Id": "2001:db8::7",
        "Connect-Info": "rdp prod",
    }


def test_configured_attributes(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    before = len(freeradius.requests("alice"))
    session = open_session(
        radius
        + """
[radius_attributes]
nas-identifier = bastion-{protocol}
NAS-IP-Address =
Service-Type = Authenticate-Only
Calling-Station-Id = {client_ip} {{{client_port}}}
Cisco-AVPair = user={gateway_user}
Cisco-AVPair = session={session_id}
NAS-Port = 22
Framed-IP-Address = {client_ip}
Login-TCP-Port? = {server_username}
26.9.2 = port
Called-Station-Id = {username}->{server_username}@{connection_name}{client_hostname}
""",
        gateway_user="alice",
        server_username="root",
        client_ip="192.0.2.9",
        client_port=4711,
        session_id="s-1",
        connection_name="prod",
    )
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    (request,) = freeradius.requests("alice")[before:]
    assert request.get("NAS-Identifier") == "bastion-ssh"
    assert request.get("NAS-IP-Address") is None
    assert request.values("Service-Type") == ["Authenticate-Only"]
    assert request.values("Calling-Station-Id") == ["192.0.2.9 {4711}"]
    assert request.values("Cisco-AVPair") == ["user=alice", "session=s-1"]
    assert request.get("NAS-Port") == "22"
    assert request.get("Framed-IP-Address") == "192.0.2.9"
    assert request.get("Login-TCP-Port") is None  # root is no number
    assert "Request omits [radius_attributes] line 15: Login-TCP-Port: " in text(session)
    assert request.get("Cisco-NAS-Port") == "port"
    assert request.get("Called-Station-Id") == "alice->root@prod"


UNFIT = [
    ("Cisco-AVPair{} = target={{server_username}} from={{client_hostname}}", "expected at most 247 octets of UTF-8"),
    ("Framed-IP-Address{} = {{server_username}}", "expected an IPv4 address"),
    ("Login-TCP-Port{} = {{client_hostname}}", "expected a whole number"),
    ("NAS-Identifier{} = {{server_domain}}", "expected a value"),
]


def test_a_value_that_does_not_fit_is_not_left_out_silently(open_session: OpenSession) -> None:
    """A policy on the server may need the attribute, and the user may choose the value."""
    with Cases() as cases:
        for line, expected in UNFIT:
            name = line.partition("{")[0]
            for mark, found in (("", "bad-configuration"), ("?", "ACCEPT"), (" ?", "ACCEPT")):
                with cases.case(name + mark), Server(answering(SECRET)) as server:
                    session = open_session(
                        section(server) + "[radius_attributes]\n" + line.format(mark),
                        gateway_user="alice",
                        server_username="root",
                        client_hostname="h" * 250,
                    )
                    assert outcome(session, "code") == found
                    what = "Request omits" if mark else "Request for user alice not sent:"
                    assert f"{what} [radius_attributes] line 6: {name}: {expected}" in text(session)
                    assert len(server.requests) == (1 if mark else 0)


def test_a_request_that_is_too_long_is_denied_as_bad_configuration(open_session: OpenSession) -> None:
    with Server(answering(SECRET)) as server:
        lines = "[radius_attributes]\n" + "Cisco-AVPair = {client_hostname}\n" * 20
        session = open_session(section(server) + lines, gateway_user="alice", client_hostname="h" * 240)
        assert outcome(session, "code") == "bad-configuration"
    assert server.requests == []


def test_control_characters_reach_no_server(open_session: OpenSession) -> None:
    hostile = "root\nLogin OK\x1b[2J\u202e\x00"
    with Server(answering(SECRET)) as server, Server(answering(SECRET, ACCOUNTING_RESPONSE)) as recorder:
        configuration = section(server, retransmit_after=0) + section(recorder, "accounting", enabled="yes", timeout=20)
        configuration += (
            "[radius_attributes]\nCisco-AVPair = {server_username}|{client_hostname}\nClass = {server_domain}\n"
        )
        session = open_session(
            configuration,
            gateway_user="alice",
            session_id="id " + hostile,
            connection_name="connection " + hostile,
            client_hostname="client " + hostile,
            server_username=hostile,
            server_domain="domain " + hostile,
            server_hostname="server " + hostile,
        )
        assert session.log_in("code")["verdict"] == "ACCEPT", session.log
        assert session.authorize()["verdict"] == "ACCEPT", session.log
        session.end()
    requests = server.requests + recorder.requests
    assert [request.octets[0] for request in requests] == [1, 4, 4]
    values = [value for request in requests for number, value in request.attributes() if number in TEXTS]
    assert b"root Login OK@server root Login OK:22" in values
    assert b"ssh connection root Login OK" in values
    assert b"domain root Login OK" in values
    assert vendor(CISCO, 1, b"root Login OK|client root Login OK") in values
    assert [value for value in values if b"Login OK" in value and not re.search(rb"\w$", value)] == []
    assert [value for value in values if re.search(rb"[\x1b\n]|\xe2\x80\xae", value)] == []


def test_every_request_names_the_nas_over_ipv6_too(open_session: OpenSession) -> None:
    """RFC 2865 section 4.1; what would leave none is an error of the configuration."""
    with Cases() as cases:
        for host, kept, removed in (
            ("::1", "NAS-Identifier", "NAS-IPv6-Address"),
            ("::1", "NAS-IPv6-Address", "NAS-Identifier"),
            ("127.0.0.1", "NAS-IP-Address", "NAS-Identifier"),
        ):
            with cases.case((host, removed)), Server(answering(SECRET), host) as server:
                configuration = section(server) + f"[radius_attributes]\n{removed} =\n"
                assert outcome(open_session(configuration, gateway_user="alice"), "code") == "ACCEPT"
                numbers = {number for number, _ in server.requests[0].attributes()}
                known = {"NAS-Identifier": 32, "NAS-IP-Address": 4, "NAS-IPv6-Address": 95}
                assert numbers & set(known.values()) == {known[kept]}


ERRORS = [
    ("[radius_attributes]\nNAS-Identifer = x", "[radius_attributes] line 6: "),
    ("[radius_attributes]\nNAS-Port = many", "[radius_attributes] line 6: "),
    ("[radius_attributes]\nUser-Password = x", "[radius_attributes] line 6: "),
    ("[radius_attributes]\nNAS-Identifier = {password}", "[radius_attributes] line 6: "),
    ("[radius_attributes]\nNAS-Identifier", "[radius_attributes] line 6: expected `Name = value`"),
    ("[radius_dictionary]\nX = 26.9", "[radius_dictionary] line 6: "),
    ("[gateway_groups]\nattribute=Fliter-Id", "[gateway_groups] attribute: "),
    ("[gateway_groups]\nattribute=Class\npattern=(", "[gateway_groups] pattern: invalid regular expression"),
    ("[gateway_groups]\nrequired_groups=x", "[gateway_groups] required_groups: requires [gateway_groups] attribute"),
    ("[gateway_groups map]\nx=y", "[gateway_groups map]: requires [gateway_groups] attribute"),
    ("[gateway_groups map]\nx", "[gateway_groups map] line 6: expected `radius-name = sps-group`"),
    ("[messages]\nretry={user} again", "[messages] retry: unknown placeholder; expected {left}, {attempts}"),
    ("[messages]\nretry={left", "[messages] retry: unpaired brace"),
    ("[radius_attributes]\nNAS-Identifier=\nNAS-IP-Address=", "[radius_attributes]: removes both"),
    ("[radius_attributes]\nNAS-Identifier=\nNAS-IPv6-Address=", "[radius_attributes]: removes both"),
    (
        "[radius_attributes]\n" + "Cisco-AVPair={}\n".format("x" * 240) * 15,
        "[radius_attributes]: is too long for a request",
    ),
    ("[gateway_groups]\nattribute=State", "[gateway_groups] attribute: State must not be shown"),
    ("[gateway_groups]\nattribute=NAS-Port", "[gateway_groups] attribute: NAS-Port does not contain text"),
    ("[gateway_groups]\nattribute=Class\nrequired_groups= ,", "[gateway_groups] required_groups: contains no group"),
    ("[gateway_groups]\nattribute=Class\nrequre_any=x", "[gateway_groups] requre_any: unknown option"),
    ("[lockout]\nmax_failure=3", "[lockout] max_failure: unknown option"),
    ("[accounting]\nenabled=yes\n[accounting_2]\nserver=x", "[accounting_2] server: requires [accounting] server"),
    ("[lockouts]\nmax_failures=3", "[lockouts]: unknown section; did you mean lockout?"),
    ("[Gateway_Groups]\nattribute=Class", "[Gateway_Groups]: unknown section; did you mean gateway_groups?"),
    ("[gateway_groups]\nattribute=Class\npattern=OU=(.+)\n required_groups=a", "line 8: is indented"),
    ("[auth]\n" * 2000, "[auth]: given 2000 times, again in lines 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 1,989 more"),
    (
        "[auth]\n" + "".join(f"a{n}={f'%(a{n + 1})s' * 10}\n" for n in range(9)) + "a9=x\n",
        "[auth]: has too many values from [DEFAULT] and from `%(name)s`",
    ),
    ("[lockout]\nscope=name", "[lockout] scope: expected one of user, client, both"),
]


def test_configuration_errors(open_session: OpenSession) -> None:
    with Cases() as cases:
        for lines, error in ERRORS:
            with cases.case(lines):
                session = open_session(section(1812) + lines, server_username="alice")
                assert code(session.log_in()) == "bad-configuration"
                assert "Configuration error: " + error in text(session)


# User names as the server expects them


def test_user_name_options(open_session: OpenSession) -> None:
    cases = [
        ("[username]\nstrip_realm=yes", "alice@example.com", "alice"),
        ("[username]\nstrip_domain=yes", "CORP\\alice", "alice"),
        ("[username]\nstrip_domain=yes\nstrip_realm=yes", "CORP\\alice@x@y", "alice@x"),
        ("strip_realm=yes", "alice@example.com", "alice"),
        ("strip_realm=no\n[username]\nstrip_realm=yes", "alice@b", "alice@b"),
        ("[username]\nadd_prefix=CORP\\\nadd_suffix=@example.com", "alice", "CORP\\alice@example.com"),
        ("[username]\nstrip_realm=yes\nadd_suffix=@radius", "alice@old", "alice@radius"),
        ("[usermapping source=explicit]\nalice=bob\n[username]\nadd_suffix=@r", "alice", "bob@r"),
        ("[username]\nstrip_realm=yes", "@example.com", "@example.com"),
        ("[username]\nadd_prefix={gateway_domain}\\", "alice", "CORP\\alice"),
        ("add_suffix=@{gateway_domain}", "alice", "alice@CORP"),
        ("[username]\nstrip_domain=yes\nadd_prefix={gateway_domain}\\", "LAB\\alice", "CORP\\alice"),
        ("[username]\nadd_prefix={server_domain}\\", "alice", "alice"),
        ("[username_transform]\nappend_domain=example.com", "alice@corp", "alice@corp"),
    ]
    found = []
    for options, name, _ in cases:
        with Server(answering(SECRET)) as server:
            verdict = open_session(section(server) + options, gateway_user=name, gateway_domain="CORP").log_in("x")
        assert verdict["verdict"] == "ACCEPT" and "gateway_user" not in verdict, options
        sent = server.requests[0].values(1)[0].decode("utf-8")
        assert metadata(verdict).get("radius_user") == (None if sent == name else sent)
        found.append((options, name, sent))
    assert found == cases


def test_user_name_options_per_server(open_session: OpenSession) -> None:
    with Server(silent) as dead, Server(answering(SECRET)) as living:
        configuration = section(dead, conn_timeout=0.2, conn_retries=1, strip_realm="yes")
        session = open_session(
            configuration + section(living, "radius_2", conn_timeout=60, strip_realm="no"), gateway_user="alice@x"
        )
        session.log_in("x")
    assert dead.requests[0].values(1) == [b"alice"]
    assert living.requests[0].values(1) == [b"alice@x"]


def test_user_name_too_long_with_its_suffix(open_session: OpenSession, down: str) -> None:
    session = open_session(down + "[username]\nadd_suffix=" + "x" * 250, gateway_user="alice")
    assert code(session.log_in("x")) == "bad-username"


def test_the_name_that_is_sent_is_checked(open_session: OpenSession) -> None:
    mapping = "[usermapping source=explicit]\nalice={}\n[username]\n"
    long = "a" * 250
    with Server(answering(SECRET)) as server, Cases() as cases:
        for name, options, domain, expected in (
            ("alice", "[username]\nadd_suffix=@x\u200by", None, "it holds a control character"),
            ("alice", "[username]\nadd_prefix={gateway_domain}\\", "CO\u3164RP", "it holds an invisible character"),
            ("alice", mapping.format("b\u3164ob"), None, "it holds an invisible character"),
            ("alice", mapping.format(long) + "add_suffix=@example.com", None, "the user name is not 1 to 253 octets"),
            ("alice", mapping.format(long + "@example.com") + "strip_realm=yes", None, ""),
        ):
            with cases.case((options, domain)):
                session = open_session(section(server) + options, gateway_user=name, gateway_domain=domain)
                asked = session.authenticate()["verdict"] == "NEEDINFO"
                assert outcome(session, *["x"] * asked) == ("bad-username" if expected else "ACCEPT")
                assert expected in text(session)
    assert [request.values(1) for request in server.requests] == [[long.encode("ascii")]]


def test_the_reason_of_a_reject_may_stay_in_the_log(open_session: OpenSession) -> None:
    reason = "ERR904: User <mallory@example> does not exist"
    with Server(answering(SECRET, REJECT, [(REPLY_MESSAGE, reason.encode("ascii"))])) as server:
        for shown, attempts in (("yes", 2), ("no", 2), ("no", 1)):
            options = f"[auth]\nshow_reject_reason={shown}\nmax_attempts={attempts}\n"
            session = open_session(section(server) + options, gateway_user="alice")
            verdict = session.log_in(*["x"] * attempts)
            told = " ".join(prompts(session) + [verdict["reason"], verdict["additional_metadata"]])
            assert ("ERR904" in told) == (shown == "yes")
            assert text(session).count(": " + reason) >= attempts


def test_groups_in_the_encoding_of_windows(open_session: OpenSession) -> None:
    values = [(FILTER_ID, "Büro\0".encode("cp1252")), (FILTER_ID, b"admins\r\n"), (CLASS, b"\0\1")]
    groups = "[gateway_groups]\nattribute=Filter-Id, Class\n"
    with Server(answering(SECRET, ACCEPT, values)) as server:
        session = open_session(section(server) + groups + "encoding=cp1252\n", gateway_user="alice")
        assert session.log_in("x")["gateway_groups"] == ["Büro", "admins"]
        assert "Groups of alice: discarded" not in text(session)
        assert text(session).count("Ignored binary Class of user alice: another value is text") == 1
        session = open_session(section(server) + groups + "required_groups=dba\n", gateway_user="alice")
        assert code(session.log_in("x")) == "not-in-group"
    assert "Groups of alice: discarded 1 of 3 values: not UTF-8" in text(session)
    assert "Groups of alice: no required group: expected one of dba, received admins" in text(session)


# Lockout


def test_lockout(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    configuration = radius + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=3\n"
    for word in ("wrong", "wrong", "correct horse", "wrong", "wrong", "wrong"):
        open_session(configuration, gateway_user="alice").log_in(word)
    asked = len(freeradius.requests("alice"))
    session = open_session(configuration, gateway_user="ALICE", key_value_pairs={"otp": "correct horse"})
    verdict = session.log_in()
    assert code(verdict) == "locked"
    assert verdict["reason"] == "Too many failed logins. Try again in 15 min. [locked]"
    assert not session.questions
    assert len(freeradius.requests("alice")) == asked
    assert open_session(configuration, gateway_user="totp").authenticate()["verdict"] == "NEEDINFO"


def challenging(request: Request) -> List[bytes]:
    """Answer every code, wrong or not, with another challenge, but accept `right` and reject `end`: a script."""
    codes = {b"right": ACCEPT, b"end": REJECT}
    return [reply(request, SECRET, codes.get(request.password(SECRET), CHALLENGE), [(STATE, b"s")])]


def test_no_guesses_beyond_the_limit_where_each_is_answered_by_a_challenge(open_session: OpenSession) -> None:
    """The user hangs up before the server or the plugin ends the login, and comes back."""
    with Server(challenging) as server:
        configuration = section(server) + "[auth]\nmax_challenges=9\n[lockout]\nmax_failures=3\n"
        answered = 0
        for spelling in ("alice", "álice", "ａlice", "CORP\\alice", "alice@corp", "ALICE") * 5:
            session = open_session(configuration, gateway_user=spelling)
            verdict = session.authenticate()
            for guess in range(9):
                if verdict["verdict"] == "NEEDINFO":
                    verdict = session.answer(str(guess))
                    answered += guess > 0
        guesses = len({request.octets[4:20] for request in server.requests})
    assert code(verdict) == "locked"
    assert guesses == answered + 1 == 9  # what the first session may send, and nothing more


def test_no_first_guesses_beyond_the_limit_where_each_is_answered_by_a_challenge(open_session: OpenSession) -> None:
    with Server(challenging) as server:
        configuration = section(server) + "[auth]\nmax_challenges=2\n[lockout]\nmax_failures=3\n"
        verdicts = []
        for guess in range(8):
            session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": str(guess)})
            verdicts.append(session.authenticate()["verdict"])
    assert verdicts == ["NEEDINFO"] * 5 + ["DENY"] * 3
    assert len({request.octets[4:20] for request in server.requests}) == 5


def test_dialog_of_challenges_never_locks_the_user_who_completes_it(open_session: OpenSession) -> None:
    answers = ("passcode", "new PIN", "new PIN again", "next code", "and the next", "right")
    with Server(challenging) as server:
        configuration = section(server) + "[lockout]\nmax_failures=1\nscope=both\n"
        for _ in range(2):  # a success takes back what it counted
            assert open_session(configuration, gateway_user="alice").log_in(*answers)["verdict"] == "ACCEPT"


def test_rejected_dialog_locks_the_user(open_session: OpenSession) -> None:
    with Server(challenging) as server:
        configuration = section(server) + "[auth]\nmax_attempts=9\n[lockout]\nmax_failures=3\n"
        assert code(open_session(configuration, gateway_user="alice").log_in("1", "2", "3", "end")) == "locked"
        assert code(open_session(configuration, gateway_user="alice").authenticate()) == "locked"


def test_success_in_one_realm_does_not_clear_another(open_session: OpenSession) -> None:
    with Server(challenging) as server:
        configuration = section(server) + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=3\n"
        for name, answer in (("corp", "end"), ("corp", "end"), ("partner", "right"), ("corp", "end")):
            open_session(configuration, gateway_user=f"alice@{name}").log_in(answer)
        assert code(open_session(configuration, gateway_user="alice@corp").authenticate()) == "locked"


def test_clock_that_was_set_back_does_not_unlock(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    configuration = radius + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=2\n"
    for _ in range(2):
        open_session(configuration, gateway_user="alice").log_in("wrong")
    for path in (tmp_path / "state" / "lockout").iterdir():
        moment = path.name.split("-")[5]
        path.rename(path.with_name(path.name.replace(moment, f"{float(moment) + 365 * 86400:.6f}")))
    for _ in range(2):
        verdict = open_session(configuration, gateway_user="alice").authenticate()
        assert code(verdict) == "locked" and "in 15 min" in verdict["reason"]


def test_user_name_with_an_invisible_character_is_never_sent(open_session: OpenSession, radius: str) -> None:
    for name in ("a\u034flice", "alice\ufe0f", "\u3164alice"):
        assert code(open_session(radius, gateway_user=name).authenticate()) == "bad-username"
        mapping = f"[usermapping source=explicit]\nbob={name}\n"
        assert code(open_session(radius + mapping, gateway_user="bob").authenticate()) == "bad-username"


def test_lockout_within_one_session(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[auth]\nmax_attempts=9\n[lockout]\nmax_failures=2\n"
    session = open_session(configuration, gateway_user="alice")
    session.authenticate()
    assert session.answer("one")["verdict"] == "NEEDINFO"
    assert code(session.answer("two")) == "locked"  # and no prompt for a code that the plugin would not send


def test_lockout_covers_other_spellings_of_the_name(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=1\n"
    assert code(open_session(configuration, gateway_user="alice").log_in("wrong")) == "rejected"
    names = ("ALICE", "CORP\\alice", "alice@corp.example.com", "corp\\Alice@x")
    codes = {name: code(open_session(configuration, gateway_user=name).authenticate()) for name in names}
    assert codes == dict.fromkeys(names, "locked")


def test_too_many_challenges_count_as_a_failure(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[auth]\nmax_challenges=2\n[lockout]\nmax_failures=1\n"
    session = open_session(configuration, gateway_user="endless")
    assert code(session.log_in("1", "2", "3")) == "too-many-challenges"
    assert code(open_session(configuration, gateway_user="endless").authenticate()) == "locked"


def test_unusable_lockout_directory_is_logged_once(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lockout").write_text("a file where the directory should be")
    session = open_session(radius + "[lockout]\nmax_failures=1\n", gateway_user="alice")
    assert session.log_in("wrong", "correct horse")["verdict"] == "ACCEPT"
    for call in session.calls:
        assert call.log.count("Lockout cannot count failed logins") <= 1
    assert "Lockout cannot count failed logins" in text(session)


def test_lockout_by_client(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[auth]\nmax_attempts=1\n[lockout]\nmax_failures=2\nscope=client\n"
    for user in ("alice", "locked"):
        open_session(configuration, gateway_user=user, client_ip="192.0.2.66").log_in("wrong")
    assert code(open_session(configuration, gateway_user="pin1", client_ip="192.0.2.66").authenticate()) == "locked"
    other = open_session(configuration, gateway_user="alice", client_ip="192.0.2.67")
    assert other.log_in("correct horse")["verdict"] == "ACCEPT"
    for last in "12":
        open_session(configuration, gateway_user="alice", client_ip="2001:db8::" + last).log_in("wrong")
    assert code(open_session(configuration, gateway_user="pin1", client_ip="2001:db8::3").authenticate()) == "locked"


def test_network_failures_do_not_count(open_session: OpenSession, down: str) -> None:
    for _ in range(3):
        session = open_session(down + "[lockout]\nmax_failures=1\n", gateway_user="alice")
        assert code(session.log_in("x")) == "connection-refused"


def test_100_guesses_at_once(open_session: OpenSession) -> None:
    """At most max_failures - 1 guesses reach the server, and those that run at the same time as the last one."""
    at_once, most = 8, 5

    def guess(number: int) -> str:
        session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": str(number)})
        return code(session.log_in())

    with Server(answering(SECRET, REJECT)) as server:
        configuration = section(server) + f"[auth]\nmax_attempts=1\n[lockout]\nmax_failures={most}\n"
        with ThreadPoolExecutor(at_once) as pool:
            codes = list(pool.map(guess, range(100)))
    reached = {request.octets[4:20] for request in server.requests}
    assert most <= len(reached) <= most - 1 + at_once
    assert codes.count("rejected") == len(reached)
    assert set(codes) == {"rejected", "locked"}


# One login per user at a time


@pytest.mark.slow
def test_logins_of_one_user_wait_for_each_other(open_session: OpenSession) -> None:
    """The server replies to the second transmission, so another request of the same user could come in between."""
    under_way: Dict[bytes, bytes] = {}
    between: List[bytes] = []

    def script(request: Request) -> List[bytes]:
        (name,) = request.values(1)
        if under_way.setdefault(name, request.octets) != request.octets:
            between.append(name)
        elif len([each for each in server.requests if each.octets == request.octets]) > 1:
            del under_way[name]
            return [reply(request, SECRET)]
        return []

    def log_in(user: str) -> str:
        session = open_session(configuration, gateway_user=user, key_value_pairs={"otp": "x"})
        return str(session.log_in()["verdict"])

    with Server(script) as server:
        configuration = section(server, status_check="none") + "[auth]\nserialize_user=yes\n"
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(log_in, ["alice"] * 4 + ["bob"] * 2)) == ["ACCEPT"] * 6
    assert between == []


def test_lock_of_another_login(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    locks = UserLocks(str(tmp_path / "state.ephemeral"))
    with Server(answering(SECRET)) as server, locks.locked("ALICE", 0.0) as is_ours:
        assert is_ours
        serialized = section(server) + "[auth]\nserialize_user=yes\n"
        impatient = section(server, total_timeout=1) + "[auth]\nserialize_user=yes\n"
        assert code(open_session(impatient, gateway_user="alice").log_in("x")) == "login-in-progress"
        assert open_session(serialized, gateway_user="bob").log_in("x")["verdict"] == "ACCEPT"
    assert [request.values(1) for request in server.requests] == [[b"bob"]]


def test_login_that_finds_three_others_waiting_is_denied_at_once(open_session: OpenSession) -> None:
    """The server replies only once a login has been denied."""
    denied = threading.Event()
    waited = []

    def script(request: Request) -> List[bytes]:
        waited.append(denied.wait(WAIT_LIMIT))
        return [reply(request, SECRET)]

    def log_in(_: int) -> str:
        session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": "x"})
        found = outcome(session)
        if found == "login-in-progress":
            denied.set()
        return found

    with Server(script) as server:
        configuration = (
            section(server, status_check="none", conn_timeout=60, conn_retries=2) + "[auth]\nserialize_user=yes\n"
        )
        with ThreadPoolExecutor(5) as pool:
            found = list(pool.map(log_in, range(5)))
    assert sorted(found) == ["ACCEPT"] * 4 + ["login-in-progress"]
    assert all(waited)


def test_logins_that_wait_too_long(open_session: OpenSession) -> None:
    with Server(silent) as server:
        configuration = section(server, status_check="none", retransmit_after="0", total_timeout=2)
        configuration += "[auth]\nserialize_user=yes\n"

        def log_in(_: int) -> str:
            session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": "x"})
            return code(session.log_in())

        with ThreadPoolExecutor(4) as pool:
            codes = list(pool.map(log_in, range(4)))
    # The login with the lock waits for the server until its time is over, and the others wait for the lock. If one gets
    # it at the last moment, it has no time left to send.
    assert set(codes) <= {"no-reply", "login-in-progress"} and "no-reply" in codes
    assert 1 <= len(server.requests) <= codes.count("no-reply")


# Messages


def test_configured_messages(open_session: OpenSession, radius: str) -> None:
    session = open_session(
        radius
        + """
[auth]
max_attempts=2
[messages]
password_prompt=Einmalkennwort für {{uns}}:
retry_reason=Nein ({reason}) Noch {left} Versuch(e).
too-many-attempts=Schluß: {reason}
""",
        server_username="alice",
    )
    verdict = session.log_in("wrong", "wrong again")
    assert prompts(session) == [
        "Einmalkennwort für {uns}: ",
        "Nein (Wrong code.) Noch 1 Versuch(e).\nEinmalkennwort für {uns}: ",
    ]
    assert verdict["reason"] == "Schluß: Wrong code [too-many-attempts]"


def test_message_without_the_placeholder_keeps_the_detail(open_session: OpenSession, radius: str) -> None:
    configuration = radius + "[auth]\nmax_attempts=1\n[messages]\nrejected=Pas possible\n"
    verdict = open_session(configuration, server_username="alice").log_in("wrong")
    assert verdict["reason"] == "Pas possible: Wrong code [rejected]"


def test_configured_prompt_of_a_challenge_without_text(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[messages]\nchallenge_prompt=Und jetzt?\n", server_username="no-message")
    session.log_in("1111", "222222")
    assert prompts(session)[1] == "Und jetzt? "
