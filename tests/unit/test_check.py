"""`check`: what it finds in a configuration, and how it prints it."""

import random
import re
import sys
from types import FrameType
from typing import Any, List

from lib.cli import check
from lib.config.options import SECTIONS
from tests.support.certificates import Authority
from tests.support.command_line import CommandLine
from tests.support.plugin import section
from tools import documents

PASSWORD = "hunter2 and more"
CLEAN = "[radius]\nserver=radius.example.com\nsecret=sixteen octets!!\n[lockout]\nmax_failures=5\n"
MINIMAL = "[radius]\nserver=a\nsecret=sixteen octets!!\n[lockout]\nmax_failures=5\n"
CERTIFICATE = Authority("the CA").certificate
AUTH_TYPES = "pap, chap, mschapv2, ttls-pap, ttls-mschapv2, peap-mschapv2"


def found(text: str) -> List[str]:
    """Return the findings in a text, one line each, without the name of the file."""
    return [line[len("file") :].lstrip(":") for line in check.report("file", check.findings(text))[:-1]]


FINDINGS = [
    ("", [" error: [radius] server: is missing", " error: [radius] secret: is missing"]),
    (
        "[auth]\n\n[radius]\nport = 0\n",
        [
            "3: error: [radius] server: is missing",
            "3: error: [radius] secret: is missing",
            "4: error: [radius] port: expected a whole number from 1 to 65535, found a smaller number",
            "3: note: [radius]: no action needed: by default, typed codes are hidden (unless [auth] disable_echo=no) "
            "and replies need a Message-Authenticator (unless require_message_authenticator=no)",
        ],
    ),
    (MINIMAL + "[radious]\na=b\n", ["6: warning: [radious]: unknown section; did you mean radius?"]),
    (MINIMAL + "max_failurs=5\n", ["6: error: [lockout] max_failurs: unknown option; did you mean max_failures?"]),
    (MINIMAL + "[auth]\nport=5\n", ["7: warning: [auth] port: unknown option; it belongs in [radius]"]),
    (
        MINIMAL + "[auth]\nmax_attempts=many\n",
        ["7: error: [auth] max_attempts: expected a whole number from 1 to 100, found text"],
    ),
    (
        MINIMAL.replace("server=a", "auth_type=pep\nserver=a"),
        [f"2: error: [radius] auth_type: expected one of {AUTH_TYPES}; did you mean pap?"],
    ),
    ("x\n" + MINIMAL, ["1: error: is before the first [section]"]),
    (
        MINIMAL + "[auth]\nbypass_when_unreachable=alice\n",
        ["7: warning: [auth] bypass_when_unreachable: unknown option; use [recovery_codes] instead"],
    ),
    (
        MINIMAL + "[recovery_codes]\nalice = 7K3M-9QXT-0GHV-W2BD\nbob = $\n",
        [
            "7: error: [recovery_codes]: alice: expected pbkdf2-sha256:ITERATIONS:SALT:HASH",
            "8: error: [recovery_codes]: bob: `$` requires [credential_store] name",
        ],
    ),
    (
        MINIMAL + "[recovery_codes]\nbob = $\n[credential_store]\nname=store\n",
        ["7: note: [recovery_codes]: is in the Credential Store and not checked here"],
    ),
    (MINIMAL + "x\n", ["6: error: is not `option = value`"]),
    (
        MINIMAL + "scope=user\n  goes on\nscope=client\n",
        [
            "6: error: [lockout] scope: given twice, again in line 8",
            "7: error: is indented, so it belongs to the value above: remove the indentation, or write the value on "
            "one line",
        ],
    ),
    (
        MINIMAL + "[challenge_answers]\n# c\n(=1\n",
        ["8: error: [challenge_answers]: invalid regular expression: missing ), unterminated subpattern"],
    ),
    (
        MINIMAL.replace("sixteen octets!!", "fifteen octets!"),
        [
            "3: warning: [radius] secret: is shorter than the 16 octets that RFC 2865 recommends",
        ],
    ),
    (MINIMAL + "[radius_2]\nserver=b\nsecret=\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\n", []),  # 16 octets
    (
        MINIMAL + "[radius_2]\nserver=b\nsecret=x\n",
        [
            "8: warning: [radius_2] secret: is shorter than the 16 octets that RFC 2865 recommends",
        ],
    ),
    (
        MINIMAL + "[radius_2]\nrequire_message_authenticator=No\nserver=b\n",
        [
            "7: warning: [radius_2] require_message_authenticator: is no: replies can be forged (CVE-2024-3596)",
        ],
    ),
    (
        MINIMAL.replace("server=a", "server=a\nconn_timeout=200\nconn_retries=2"),
        [
            "3: warning: [radius] conn_timeout: the servers' timeouts add up to 400 s; SPS stops a plugin after 300 s",
        ],
    ),
    (
        MINIMAL.replace("server=a", "server=a\nconn_timeout=200\nconn_retries=1"),
        [
            "3: warning: [radius] conn_timeout: times conn_retries is 200 s, but total_timeout ends the wait "
            "after 150 s",
        ],
    ),
    (
        MINIMAL.replace("server=a", "server=a\ndictionary_path=/etc/x"),
        [
            "3: warning: [radius] dictionary_path: has no effect: the dictionary is built into the plugin",
        ],
    ),
    (
        MINIMAL + "[https-proxy]\nserver=proxy\nport=3128\n",
        [
            "6: warning: [https-proxy]: has no effect: RADIUS does not use HTTP",
        ],
    ),
    (
        MINIMAL + "[auth]\ninteractive_protocols=ssh,http\n",
        [
            "7: warning: [auth] interactive_protocols: SPS can ask questions in rdp, ssh, telnet only; a login in "
            "another protocol would hang",
        ],
    ),
    (
        MINIMAL + "[accounting]\nenabled=no\nserver=b\n",
        [
            "8: warning: [accounting] server: has no effect without enabled=yes",
        ],
    ),
    (
        MINIMAL.replace("max_failures", "window"),
        [
            "5: warning: [lockout] window: has no effect without max_failures",
        ],
    ),
    (
        MINIMAL + "[radius_2]\nserver=A\n",
        ["7: warning: [radius_2] server: is the same server and port as in an earlier section"],
    ),
    (
        MINIMAL + "[radius_2]\nserver=b\nstatus_check=none\nstatus_check_after=1\n",
        [
            "9: warning: [radius_2] status_check_after: has no effect with status_check=none",
        ],
    ),
    (
        MINIMAL + "[radius_2]\nserver=b\nstatus_check_after=15\nretransmit_after=15\n",
        [
            "8: warning: [radius_2] status_check_after: is not below conn_timeout times conn_retries (15 s): the "
            "server is never probed",
            "9: warning: [radius_2] retransmit_after: is not below conn_timeout times conn_retries (15 s): "
            "requests are never retransmitted",
        ],
    ),
    (
        MINIMAL + "[radius_2]\nserver=192.0.2.1\nsource_ip=::1\n",
        [
            "8: warning: [radius_2] source_ip: has a different IP version than server",
        ],
    ),
    (
        MINIMAL + "[gateway_groups]\nattribute=Filter-Ip\n",
        [
            "7: error: [gateway_groups] attribute: unknown attribute; did you mean Filter-Id?",
        ],
    ),
    (
        MINIMAL + "[gateway_groups]\npattern=x\n",
        ["7: error: [gateway_groups] pattern: requires [gateway_groups] attribute"],
    ),
    (
        MINIMAL.replace("secret=sixteen octets!!", "secret=$"),
        [
            "3: error: [radius] secret: `$` requires [credential_store] name",
        ],
    ),
    (
        MINIMAL.replace("sixteen octets!!", "$") + "[credential_store]\nname=s\n[auth]\nmax_attempts=$\n",
        [
            "3: note: [radius] secret: is in the Credential Store and not checked here",
            "9: note: [auth] max_attempts: is in the Credential Store and not checked here",
        ],
    ),
    (
        MINIMAL + "[usermapping source=explicit]\nalice=$\n",
        ["7: error: [usermapping source=explicit] alice: `$` requires [credential_store] name"],
    ),
    (
        MINIMAL + "[ldap_server]\nname=$\n",
        ["7: error: [ldap_server] name: cannot come from the Credential Store; write $$ for a dollar sign"],
    ),
    (
        MINIMAL + "[DEFAULT]\nrequire_message_authenticator=no\n",
        [
            "7: warning: [radius] require_message_authenticator: is no: replies can be forged (CVE-2024-3596)",
        ],
    ),
    (
        "\ufeff" + MINIMAL.replace("\n", "\r\n") + "\r\nscope=nobody\r\n",
        [
            "7: error: [lockout] scope: expected one of user, client, both",
        ],
    ),
    (
        MINIMAL + "[b\x1b[31mad\u202e]\n",
        ["6: warning: [bad]: unknown section; it contains the invisible character U+001B"],
    ),
    (MINIMAL + "[Radius_2]\n", ["6: warning: [Radius_2]: unknown section; did you mean radius_2?"]),
    (
        MINIMAL + "[Whitelist]\nname=x\n",
        ["6: error: [Whitelist]: unknown section; did you mean whitelist source=user_list?"],
    ),
    (
        MINIMAL + "[connection_limit]\nlimit=3\n",
        [
            "6: error: [connection_limit]: unknown section; did you mean connection_limit by=client_ip_gateway_user?",
        ],
    ),
    (
        MINIMAL.replace("server=a", "server=10.0.0.1, 10.0.0.2"),
        [
            "2: error: [radius] server: expected one host name or address; a further server goes into a section of its "
            "own, such as [radius_2]",
        ],
    ),
]


def test_findings() -> None:
    wrong = [(text, found(text), expected) for text, expected in FINDINGS if sorted(found(text)) != sorted(expected)]
    assert wrong == []


def test_an_error_hides_no_warning() -> None:
    doubtful = (
        "[radius]\nserver=a\nsecret=sixteen octets!!\nconn_timeout=200\nconn_retries=1\n",
        "[radius]\nconn_timeout=200\nconn_retries=1\n",
        "[radius]\nserver=a\nserver=b\nsecret=sixteen octets!!\nconn_timeout=200\nconn_retries=1\n[radius]\n",
        "[radius]\nserver=a b\nsecret=$\nport=x\nconn_timeout=200\nconn_retries=1\n",
    )
    erroneous = (
        "[auth]\nmax_attempts=no\n",
        "[gateway_groups]\npattern=(\n[radius_attributes]\nNo-Such = 1\n[question_1]\nprompt=x\nkey=otp\n",
        "[radius_attributes]\nNAS-Identifier =\nNAS-IP-Address =\n",
        "[radius_2]\nserver=c d\nconn_timeout=1\nport=x\n[auth]\nmax_attempts=no\n",
        "[accounting]\nenabled=yes\nserver=c d\n",
        "[whitelist source=user_list]\nname=\n",
    )
    expected = [
        "warning: [radius] conn_timeout: times conn_retries is 200 s, but total_timeout ends the wait after 150 s",
        "warning: [auth] interactive_protocols: SPS can ask questions in rdp, ssh, telnet only; a login in another "
        "protocol would hang",
    ]
    wrong = []
    for text in (first + second for first in doubtful for second in erroneous):
        text += "" if "[auth]" in text else "[auth]\nmax_attempts=no\n"
        text += "interactive_protocols=ssh,http\n"
        warnings = [re.sub("^[0-9]+: ", "", each) for each in found(text) if ": warning: " in each]
        if warnings != expected:
            wrong.append((text, warnings))
    assert wrong == []


def test_unknown_transport_causes_no_other_finding() -> None:
    assert found(MINIMAL.replace("server=a", "server=a\ntransport=tsl\nca_certificate=x\nport=1")) == [
        "3: error: [radius] transport: expected one of udp, tls; did you mean tls?"
    ]


def test_findings_are_sorted_by_line() -> None:
    lines = [finding.line for finding in check.findings("[auth]\nx=1\n" + MINIMAL + "y=1\n[radius_2]\nserver=a\nz=1\n")]
    assert lines == sorted(lines) and len(lines) >= 3


def test_differences_to_the_plugin_of_the_vendor_are_noted() -> None:
    vendors = "[radius]\nserver=a\nsecret=sixteen octets!!\nconn_timeout=5\n[auth]\nprompt=OTP\n[logging]\n"
    (note,) = found(vendors)
    assert note.startswith("1: note: [radius]: no action needed: by default, typed codes are hidden (unless ")
    assert "vendor" not in note  # most people never had that plugin
    (note,) = found(vendors.replace("prompt=OTP", "disable_echo=no"))
    assert "disable_echo" not in note and "Message-Authenticator" in note
    assert found(vendors + "[radius_2]\nserver=b\n") == []


def test_the_work_is_proportional_to_the_length() -> None:
    def calls(line: str, count: int) -> int:
        """Return how many functions are called for a configuration with this many such lines."""
        text = MINIMAL + "".join(line.format(number) for number in range(count))
        made = 0

        def profile(frame: FrameType, event: str, argument: object) -> None:
            nonlocal made
            made += event in ("call", "c_call")

        sys.setprofile(profile)
        try:
            check.findings(text)
        finally:
            sys.setprofile(None)
        return made

    for line in (
        "option{0}=1\noption{0}=2\n",
        "[section{}]\nx=1\n",
        "[radius_{}]\nx=1\n",
        "[question_{}]\nkey=a\n",
        "no option\n",
        " indented\n",
        "[challenge_answers]\n(=1\n",
        "[radius_attributes]\nNo-Such-{}=1\n",
        "[usermapping source=explicit]\nu{}=$\n",
    ):
        assert calls(line, 2000) < 20 * calls(line, 200), line


def test_no_octets_make_it_fail(cli: CommandLine) -> None:
    chance = random.Random(1)
    odd = b"\n\r\t =:[]()-;#%$\"'\\aA0\xc3\xa4\xff\x00\x1b"
    long = [b"\0" * 2**20, b"[radius]\n" + b"a=b\n" * 50000]
    for octets in [*long, *(bytes(chance.choices(odd, k=chance.randint(0, 300))) for _ in range(100))]:
        (cli.directory / "x.cfg").write_bytes(octets)
        for arguments in (["check", "x.cfg"], ["check", "--json", "x.cfg"]):
            checked = cli.run(*arguments)
            assert (checked.status, checked.err) == (2, ""), octets[:300]


# TLS


def over_tls(port: int, **options: Any) -> str:
    return section(port, transport="tls", ca_certificate=CERTIFICATE, **options)


def without_lines(text: str) -> List[str]:
    """Return the findings in a text without their lines."""
    return [f"{each.level}: [{each.section}] {each.option}: {each.text}" for each in check.findings(text)]


def test_valid_tls_configurations() -> None:
    second = section(2083, "radius_2", server=None, port=None, transport="TLS", secret=None, ca_certificate=CERTIFICATE)
    for text in (
        over_tls(2083),
        over_tls(2083, secret="radsec", status_check="none", status_check_after=1),
        "[radius]\nserver=a\nsecret={}\n".format("x" * 16) + second,
        over_tls(1812) + "[radius_2]\ntransport=udp\nport=1812\nsecret={}\n".format("x" * 16),
    ):
        assert without_lines(text) == [], text


def test_certificates_on_sps_are_noted() -> None:
    text = "[radius]\nserver=a\ntransport=tls\nca_certificate=$[a list]\nclient_certificate=$\n"
    assert without_lines(text + "[credential_store]\nname=store\n") == [
        "note: [radius] ca_certificate: is in the trusted CA lists of SPS and not checked here",
        "note: [radius] client_certificate: is in the Credential Store and not checked here",
    ]
    assert without_lines(text)[-1] == "error: [radius] client_certificate: `$` requires [credential_store] name"


def test_options_without_effect_over_tls() -> None:
    assert without_lines(over_tls(2083, retransmit_after=1, require_message_authenticator="no")) == [
        "warning: [radius] retransmit_after: has no effect with transport=tls",
        "warning: [radius] require_message_authenticator: has no effect with transport=tls",
    ]


# The command


def test_clean(cli: CommandLine) -> None:
    checked = cli.run("check", cli.file(CLEAN), "--strict")
    assert (checked.status, checked.out, checked.err) == (0, "radius.cfg: 0 errors, 0 warnings\n", "")


def test_warnings(cli: CommandLine) -> None:
    cli.file(CLEAN + "[auth]\nx=1\n")
    expected = "radius.cfg:7: warning: [auth] x: unknown option\nradius.cfg: 0 errors, 1 warning\n"
    for arguments, status in (["check", "radius.cfg"], 0), (["check", "--strict", "radius.cfg"], 1):
        checked = cli.run(*arguments)
        assert (checked.status, checked.out, checked.err) == (status, expected, "")


def test_errors(cli: CommandLine) -> None:
    cli.file("[radius]\n")
    for arguments in ["check", "radius.cfg"], ["check", "--strict", "radius.cfg"]:
        checked = cli.run(*arguments)
        assert (checked.status, checked.err) == (2, "")
        assert checked.out.endswith("\nradius.cfg: 2 errors, 0 warnings; the plugin denies every session\n")


def test_json(cli: CommandLine) -> None:
    checked = cli.run("check", "--json", cli.file(CLEAN + "[auth]\nx=1\n", "x.cfg"))
    assert checked.status == 0
    finding = {"level": "warning", "line": 7, "column": 0, "section": "auth", "option": "x", "text": "unknown option"}
    assert checked.document == {"file": "x.cfg", "errors": 0, "warnings": 1, "notes": 0, "findings": [finding]}


def test_file_that_is_not_text(cli: CommandLine) -> None:
    (cli.directory / "x.cfg").write_bytes(b"[radius]\nserver=a\nsecret=\xff\n")
    checked = cli.run("check", "x.cfg")
    assert (checked.status, checked.out.splitlines()[0]) == (
        2,
        "x.cfg:3: error: not UTF-8 text; save the file as UTF-8",
    )
    assert cli.run("check", "--json", "x.cfg").document["findings"][0]["line"] == 3
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (cli.directory / "x.cfg").write_bytes("[radius]\nserver=a\n".encode(encoding))
        checked = cli.run("check", "x.cfg")
        assert checked.out.splitlines()[0] == "x.cfg:1: error: not UTF-8 text; save the file as UTF-8", encoding


def test_default_cfg_lacks_only_the_server(cli: CommandLine) -> None:
    checked = cli.run("check", cli.file(documents.default_cfg()))
    assert re.findall("(?:error|warning): .*", checked.out) == [
        "error: [radius] server: is empty",
        "error: [radius] secret: `$` requires [credential_store] name",
    ]


def test_secrets_are_never_printed(cli: CommandLine) -> None:
    """The same text is the value of every option, and also stands in lines that are not options."""
    text = PASSWORD + "\n"
    for each in SECTIONS:
        text += "[{}]\n".format(each.name.replace("_N", "_2"))
        text += "".join(f"{option.name}={PASSWORD}\n" for option in each.options)
    text += (
        f"{PASSWORD}\n[challenge_answers]\n({PASSWORD}\n({PASSWORD} = {PASSWORD}\n[radius_dictionary]\nx={PASSWORD}\n"
    )
    text += f"[radius_attributes]\nUser-Password={PASSWORD}\nClass = {{{PASSWORD}\n"
    checked = cli.run("check", cli.file(text))
    assert checked.status == 2 and len(checked.out.splitlines()) > 50
    assert PASSWORD not in checked.out + checked.err
    assert PASSWORD not in cli.run("check", "--json", cli.file(text)).out
