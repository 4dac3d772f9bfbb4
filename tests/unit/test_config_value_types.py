"""The types of option values: what each accepts, what it turns the text into, and what it says of wrong text."""

from typing import Any, List, Tuple

from lib.config.model import Settings
from lib.config.options import SECTIONS
from lib.secret import Secret
from tests.support.certificates import Authority, in_configuration
from tests.support.configuration import HIDDEN, MINIMAL, check, store_of, valid, with_option


def read(settings: Settings, section: str, option: str) -> Any:
    """Return the value of an option in the settings."""
    if section in ("auth", "username"):
        return getattr(getattr(settings, section), option)
    return getattr(settings if option in ("total_timeout", "dead_time") else settings.servers[0], option)


VALID: List[Tuple[str, str, str, Any]] = [
    ("radius", "server", "192.0.2.1", "192.0.2.1"),
    ("radius", "server", "2001:db8::1", "2001:db8::1"),
    ("radius", "server", "::1", "::1"),
    ("radius", "server", "fe80::1%eth0", "fe80::1%eth0"),
    ("radius", "server", "radius-1.example.com", "radius-1.example.com"),
    ("radius", "port", "1", 1),
    ("radius", "port", "65535", 65535),
    ("radius", "auth_type", "PAP", "pap"),
    ("radius", "auth_type", "Chap", "chap"),
    ("radius", "auth_type", "MSCHAPv2", "mschapv2"),
    ("radius", "conn_timeout", "0.1", 0.1),
    ("radius", "conn_timeout", "2.5", 2.5),
    ("radius", "conn_timeout", "280", 280.0),
    ("radius", "conn_retries", "1", 1),
    ("radius", "conn_retries", "30", 30),
    ("radius", "retransmit_after", "0", 0.0),
    ("radius", "retransmit_after", "0.25", 0.25),
    ("radius", "retransmit_after", "280", 280.0),
    ("radius", "require_message_authenticator", "no", False),
    ("radius", "require_message_authenticator", "YES", True),
    ("radius", "source_ip", "", ""),
    ("radius", "source_ip", "192.0.2.1", "192.0.2.1"),
    ("radius", "source_ip", "2001:DB8::1", "2001:DB8::1"),
    ("radius", "source_ip", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ("radius", "status_check", "None", "none"),
    ("radius", "status_check", "status-server", "status-server"),
    ("radius", "status_check_after", "0.1", 0.1),
    ("radius", "status_check_after", "280", 280.0),
    ("radius", "connect_timeout", "0.1", 0.1),
    ("radius", "connect_timeout", "280", 280.0),
    ("radius", "dead_time", "0", 0.0),
    ("radius", "dead_time", "86400", 86400.0),
    ("radius", "total_timeout", "1", 1.0),
    ("radius", "total_timeout", "290", 290.0),
    ("auth", "prompt", "Code: ", "Code:"),
    ("auth", "prompt", '"Code: "', "Code: "),
    ("auth", "prompt", "", ""),
    ("auth", "disable_echo", "no", False),
    ("auth", "disable_echo", "Yes", True),
    ("auth", "interactive_protocols", " RDP , ssh,, ", ("rdp", "ssh")),
    ("auth", "interactive_protocols", "", ()),
    ("auth", "push_password", "push", Secret("push")),
    ("auth", "push_password", "", Secret("")),
    ("auth", "max_attempts", "1", 1),
    ("auth", "max_attempts", "100", 100),
    ("auth", "max_challenges", "0", 0),
    ("auth", "max_challenges", "100", 100),
    ("username", "prompt", "Who?", "Who?"),
    ("username", "disable_echo", "no", False),
    ("username", "allow_override", "yes", True),
]


def test_valid_values_are_converted() -> None:
    wrong = []
    for section, option, text, expected in VALID:
        settings, errors, _ = check(with_option(section, option, text))
        found = None if settings is None else read(settings, section, option)
        if errors or found != expected or type(found) is not type(expected):
            wrong.append((section, option, text, found, errors))
    assert wrong == []


INVALID: List[Tuple[str, str, List[str], str]] = [
    ("radius", "server", ["radius.example.com:1812", "192.0.2.1:1812"], "the port has its own option, `port`"),
    (
        "radius",
        "server",
        ["a b", "[::1]", "[::1]:1812", "http://radius", "a\tb", "radius/1"],
        "expected a host name or an address",
    ),
    (
        "radius",
        "port",
        ["", "0", "65536", "-1", "18.12", "0x714", "1812/udp", "radius", "1812 ; old", "9" * 5000],
        "expected a whole number from 1 to 65535",
    ),
    (
        "radius",
        "conn_timeout",
        ["", "0", "0.09", "280.1", "-5", "5s", "nan", "inf", "-inf", "1e999", "5,5"],
        "expected seconds from 0.1 to 280",
    ),
    ("radius", "conn_retries", ["", "0", "31", "3.0", "nan"], "expected a whole number from 1 to 30"),
    (
        "radius",
        "source_ip",
        ["sps.example.com", "192.0.2", "192.0.2.1:1812", "192.0.2.1.1", "eth0", "999.1.1.1"]
        + [":", ":::", "1:2", "1::2::3"],
        "expected an IP address",
    ),
    ("radius", "status_check", ["", "yes"], "expected one of status-server, none"),
    ("radius", "status_check_after", ["", "0", "281", "nan"], "expected seconds from 0.1 to 280"),
    ("radius", "connect_timeout", ["", "0", "281", "nan"], "expected seconds from 0.1 to 280"),
    ("radius", "dead_time", ["", "-1", "86401", "inf"], "expected seconds from 0 to 86400"),
    ("radius", "total_timeout", ["", "0.9", "290.5", "nan", "5 min"], "expected seconds from 1 to 290"),
    ("radius", "require_message_authenticator", ["", "true", "1", "y", "nо"], "expected yes or no"),
    ("radius", "auth_type", ["", "eap-tls"], "expected one of pap, chap, mschapv2"),
    ("radius", "auth_type", ["chpa", "CHAPP"], "expected one of pap, chap, mschapv2; did you mean chap?"),
    ("radius", "transport", ["tsl"], "expected one of udp, tls; did you mean tls?"),
    ("auth", "disable_echo", ["", "off", "true", "0"], "expected yes or no"),
    ("auth", "serialize_user", ["1"], "expected yes or no"),
    ("auth", "max_attempts", ["", "0", "101", "three"], "expected a whole number from 1 to 100"),
    ("auth", "max_challenges", ["", "-1", "101"], "expected a whole number from 0 to 100"),
    ("username", "disable_echo", ["", "never"], "expected yes or no"),
    ("username", "allow_override", ["", "always"], "expected yes or no"),
    ("username", "strip_realm", ["perhaps"], "expected yes or no"),
    ("radius_2", "strip_domain", ["perhaps"], "expected yes or no"),
    ("accounting", "server", ["a:1813"], "the port has its own option, `port`"),
    ("accounting", "timeout", ["31"], "expected seconds from 0.1 to 30"),
    ("lockout", "max_failures", ["-1"], "expected a whole number from 0 to 1000"),
    ("lockout", "scope", ["users"], "expected one of user, client, both; did you mean user?"),
    ("messages", "locked", ["{name}"], "unknown placeholder; expected {reason}, {minutes}"),
    ("messages", "server_gone", ["{left}"], "unknown placeholder; expected none"),
    ("messages", "retry", ["}"], "a brace stands alone; one that is meant is written {{ or }}"),
    (
        "connection_limit by=client_ip_gateway_user",
        "limit",
        ["", "-1", "1.5"],
        "expected a whole number from 0 to 1000000",
    ),
    ("authentication_cache", "reuse_limit", ["", "-2", "x"], "expected a whole number from -1 to 1000000"),
    ("authentication_cache", "soft_timeout", ["", "-1", "nan"], "expected seconds from 0 to 1000000000"),
    ("authentication_cache", "hard_timeout", ["", "-1", "inf"], "expected seconds from 0 to 1000000000"),
    (
        "whitelist source=ldap_server_group",
        "allow",
        ["no_users"],
        "expected one of no_user, all_users; did you mean no_user?",
    ),
    ("ignore_upn_suffix_for_rdp", "ignore", ["yes", ""], "expected one of true, false"),
    ("question_1", "disable_echo", ["true", ""], "expected yes or no"),
    ("logging", "log_level", ["", "3"], "expected one of debug, info, warning, error, critical"),
    (
        "logging",
        "log_level",
        ["warn", "warnings"],
        "expected one of debug, info, warning, error, critical; did you mean warning?",
    ),
    ("logging", "destination", ["syslog"], "expected one of stderr, messages"),
]


def test_invalid_values_are_one_error_each() -> None:
    wrong = []
    for section, option, texts, expected in INVALID:
        for text in texts:
            _, errors, warnings = check(with_option(section, option, text))
            if errors + warnings != ["[{}] {}: {}".format(section, option, expected)]:
                wrong.append((section, option, text, errors, warnings))
    assert wrong == []


def test_every_default_is_valid() -> None:
    wrong = []
    for section in SECTIONS:
        for option in section.options:
            try:
                if option.default:
                    option.kind.parse(option.default)
            except ValueError as error:
                wrong.append((section.name, option.name, str(error)))
            if option.required and option.default:
                wrong.append((section.name, option.name, "is required and has a default"))
    assert wrong == []


def test_secrets_that_cannot_be_sent_are_errors() -> None:
    cases = [
        (section, option, HIDDEN + rest, expected)
        for section, option in (("radius", "secret"), ("auth", "push_password"))
        for rest, expected in (
            ("\udcff", "holds characters that UTF-8 cannot encode"),
            # Without this error, every request would have the wrong secret and no server would respond.
            ("\n  port = 1812", "contains a line break"),
        )
    ]
    wrong = []
    for section, option, text, expected in cases:
        stored = "[credential_store]\nname=x\n"
        errors = check(with_option(section, option, "$") + stored, store_of(text)).errors
        if errors != ["[{}] {}: {}".format(section, option, expected)]:
            wrong.append((section, option, text, errors))
        in_file = check(with_option(section, option, text)).errors
        if len(in_file) != 1 or HIDDEN in repr(in_file):
            wrong.append((section, option, text, in_file))
    assert wrong == []


def test_values_have_the_types_of_their_fields() -> None:
    # mypy does not check this: the values of a section are a dictionary.
    text = (
        MINIMAL + "[radius_2]\ntransport=tls\nca_certificate={}\n[lockout]\nmax_failures=1\n[accounting]\nenabled=yes\n"
    )
    settings = valid(text.format(in_configuration(Authority("the CA").certificate)))
    tls_server = settings.servers[1]
    assert settings.lockout and settings.accounting and tls_server.tls
    records = [settings, settings.auth, settings.username, settings.name_rules["radius"], settings.servers[0]]
    records += [tls_server, tls_server.tls, settings.lockout, settings.accounting, settings.accounting.servers[0]]
    wrong = []
    for record in records:
        for field, kind in type(record).__annotations__.items():
            if kind in (str, int, float, bool, Secret) and type(getattr(record, field)) is not kind:
                wrong.append((record, field))
    assert wrong == []
