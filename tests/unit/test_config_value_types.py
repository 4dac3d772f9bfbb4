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
    ("auth", "show_reject_reason", "no", False),
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


PORT, WAIT, RETRIES = (
    "expected a whole number from 1 to 65535",
    "expected seconds from 0.1 to 280",
    "expected a whole number from 1 to 30",
)
LIMIT, CACHE = "expected a whole number from 0 to 1000000", "expected seconds from 0 to 1000000000"
AUTH_TYPES = "expected one of pap, chap, mschapv2, ttls-pap, ttls-mschapv2, peap-mschapv2"
LEVELS = "expected one of debug, info, warning, error, critical"
NOTHING, TEXT, SMALLER, LARGER = (
    ", found nothing",
    ", found text",
    ", found a smaller number",
    ", found a larger number",
)
A_COMMENT, QUOTES = "; a comment needs a line of its own", "; write it without quotes"
YES, NO = "; write yes", "; write no"
PLACEHOLDER = "is a placeholder; replace it with a value"

INVALID: List[Tuple[str, str, List[str], str]] = [
    ("radius", "server", ["radius.example.com:1812", "192.0.2.1:1812"], "the port has its own option, `port`"),
    ("radius", "server", ["a b", "a\tb", "radius/1", "<server>"], "expected a host name or an address"),
    (
        "radius",
        "server",
        ["[::1]", "[::1]:1812"],
        "expected a host name or an address; write an IPv6 address without brackets",
    ),
    (
        "radius",
        "server",
        ["http://radius", "radius://radius/"],
        "expected a host name or an address; write the name without the scheme and the path",
    ),
    ("radius", "server", ["192.0.2.1 ; primary", "a # b", "a ;b"], "expected a host name or an address" + A_COMMENT),
    ("radius", "server", ['"radius.example.com"', "'::1'"], "expected a host name or an address" + QUOTES),
    ("radius", "server", ["radius\u200b.example.com"], "contains the invisible character U+200B"),
    ("radius", "server", ["<radius-server-ip-or-hostname>"], PLACEHOLDER),
    ("radius", "secret", ["<$-or-shared-secret-with-radius-server>"], PLACEHOLDER),
    ("whitelist source=user_list", "name", ["<name-of-user-list-policy>"], PLACEHOLDER),
    ("whitelist source=ldap_server_group", "except", ["<group-1>,<group-2>,..."], PLACEHOLDER),
    ("usermapping source=explicit", "alice", ["<id-1>"], PLACEHOLDER),
    ("username_transform", "append_domain", ["<domain-without-at-sign>"], PLACEHOLDER),
    ("radius", "port", [""], PORT + NOTHING),
    ("radius", "port", ["0", "-1"], PORT + SMALLER),
    ("radius", "port", ["65536"], PORT + LARGER),
    ("radius", "port", ["18.12", "0x714", "1812/udp", "radius", "nan"], PORT + TEXT),
    ("radius", "port", ["1812 ; old", "1812 # old"], PORT + A_COMMENT),
    ("radius", "port", ['"1812"'], PORT + QUOTES),
    ("radius", "conn_timeout", [""], WAIT + NOTHING),
    ("radius", "conn_timeout", ["0", "0.09", "-5", "-inf"], WAIT + SMALLER),
    ("radius", "conn_timeout", ["inf", "1e999", "9" * 5000], WAIT + LARGER),
    ("radius", "conn_timeout", ["nan", "five", "5;5"], WAIT + TEXT),
    ("radius", "conn_timeout", ["5s", "5 min"], WAIT + "; write the number without a unit"),
    ("radius", "conn_timeout", ["5,5"], WAIT + "; write a point instead of the comma"),
    ("radius", "conn_retries", [""], RETRIES + NOTHING),
    ("radius", "conn_retries", ["0"], RETRIES + SMALLER),
    ("radius", "conn_retries", ["3.0", "nan"], RETRIES + TEXT),
    (
        "radius",
        "source_ip",
        ["sps.example.com", "192.0.2", "192.0.2.1:1812", "192.0.2.1.1", "eth0", "999.1.1.1"]
        + [":", ":::", "1:2", "1::2::3"],
        "expected an IP address",
    ),
    ("radius", "source_ip", ["192.0.2.1 ; eth0"], "expected an IP address" + A_COMMENT),
    ("radius", "status_check", [""], "expected one of status-server, none" + NOTHING),
    ("radius", "status_check", ["yes"], "expected one of status-server, none"),
    ("radius", "status_check_after", [""], WAIT + NOTHING),
    ("radius", "status_check_after", ["0"], WAIT + SMALLER),
    ("radius", "status_check_after", ["281"], WAIT + LARGER),
    ("radius", "status_check_after", ["nan"], WAIT + TEXT),
    ("radius", "connect_timeout", [""], WAIT + NOTHING),
    ("radius", "connect_timeout", ["0"], WAIT + SMALLER),
    ("radius", "connect_timeout", ["281"], WAIT + LARGER),
    ("radius", "connect_timeout", ["nan"], WAIT + TEXT),
    ("radius", "dead_time", [""], "expected seconds from 0 to 86400" + NOTHING),
    ("radius", "dead_time", ["-1"], "expected seconds from 0 to 86400" + SMALLER),
    ("radius", "dead_time", ["86401", "inf"], "expected seconds from 0 to 86400" + LARGER),
    ("radius", "total_timeout", [""], "expected seconds from 1 to 290" + NOTHING),
    ("radius", "total_timeout", ["0.9"], "expected seconds from 1 to 290" + SMALLER),
    ("radius", "total_timeout", ["290.5"], "expected seconds from 1 to 290" + LARGER),
    ("radius", "total_timeout", ["nan"], "expected seconds from 1 to 290" + TEXT),
    ("radius", "total_timeout", ["5 min"], "expected seconds from 1 to 290; write the number without a unit"),
    ("radius", "require_message_authenticator", [""], "expected yes or no" + NOTHING),
    ("radius", "require_message_authenticator", ["true", "1", "y"], "expected yes or no" + YES),
    ("radius", "require_message_authenticator", ["n\u043e"], "expected yes or no"),
    ("radius", "auth_type", [""], AUTH_TYPES + NOTHING),
    ("radius", "auth_type", ["eap-tls"], AUTH_TYPES),
    ("radius", "auth_type", ["chpa", "CHAPP"], AUTH_TYPES + "; did you mean chap?"),
    ("radius", "auth_type", ["chap ; old"], AUTH_TYPES + A_COMMENT),
    ("radius", "auth_type", ["'chap'"], AUTH_TYPES + QUOTES),
    ("radius", "transport", ["tsl"], "expected one of udp, tls; did you mean tls?"),
    ("auth", "disable_echo", [""], "expected yes or no" + NOTHING),
    ("auth", "disable_echo", ["true"], "expected yes or no" + YES),
    ("auth", "disable_echo", ["off", "0"], "expected yes or no" + NO),
    ("auth", "disable_echo", ["yes ; hide", "no # show"], "expected yes or no" + A_COMMENT),
    ("auth", "serialize_user", ["1"], "expected yes or no" + YES),
    ("auth", "interactive_protocols", ["ssh;rdp", "ssh rdp"], "expected names of protocols, separated by commas"),
    ("auth", "interactive_protocols", ["ssh ; x"], "expected names of protocols, separated by commas" + A_COMMENT),
    ("auth", "max_attempts", [""], "expected a whole number from 1 to 100" + NOTHING),
    ("auth", "max_attempts", ["0"], "expected a whole number from 1 to 100" + SMALLER),
    ("auth", "max_attempts", ["101"], "expected a whole number from 1 to 100" + LARGER),
    ("auth", "max_attempts", ["three"], "expected a whole number from 1 to 100" + TEXT),
    ("auth", "max_challenges", [""], "expected a whole number from 0 to 100" + NOTHING),
    ("auth", "max_challenges", ["-1"], "expected a whole number from 0 to 100" + SMALLER),
    ("auth", "max_challenges", ["101"], "expected a whole number from 0 to 100" + LARGER),
    ("username", "disable_echo", [""], "expected yes or no" + NOTHING),
    ("username", "disable_echo", ["never"], "expected yes or no" + NO),
    ("username", "allow_override", [""], "expected yes or no" + NOTHING),
    ("username", "allow_override", ["always"], "expected yes or no"),
    ("username", "strip_realm", ["perhaps"], "expected yes or no"),
    ("radius_2", "strip_domain", ["perhaps"], "expected yes or no"),
    ("accounting", "server", ["a:1813"], "the port has its own option, `port`"),
    ("accounting", "timeout", ["31"], "expected seconds from 0.1 to 30" + LARGER),
    ("lockout", "max_failures", ["-1"], "expected a whole number from 0 to 1000" + SMALLER),
    ("lockout", "scope", ["users"], "expected one of user, client, both; did you mean user?"),
    ("messages", "locked", ["{name}"], "unknown placeholder; expected {reason}, {minutes}"),
    ("messages", "server_gone", ["{left}"], "unknown placeholder; expected none"),
    ("messages", "retry", ["}"], "unpaired brace; write {{ or }} for a literal brace"),
    ("connection_limit by=client_ip_gateway_user", "limit", [""], LIMIT + NOTHING),
    ("connection_limit by=client_ip_gateway_user", "limit", ["-1"], LIMIT + SMALLER),
    ("connection_limit by=client_ip_gateway_user", "limit", ["1.5"], LIMIT + TEXT),
    ("authentication_cache", "reuse_limit", [""], "expected a whole number from -1 to 1000000" + NOTHING),
    ("authentication_cache", "reuse_limit", ["-2"], "expected a whole number from -1 to 1000000" + SMALLER),
    ("authentication_cache", "reuse_limit", ["x"], "expected a whole number from -1 to 1000000" + TEXT),
    ("authentication_cache", "soft_timeout", [""], CACHE + NOTHING),
    ("authentication_cache", "soft_timeout", ["-1"], CACHE + SMALLER),
    ("authentication_cache", "soft_timeout", ["nan"], CACHE + TEXT),
    ("authentication_cache", "hard_timeout", [""], CACHE + NOTHING),
    ("authentication_cache", "hard_timeout", ["-1"], CACHE + SMALLER),
    ("authentication_cache", "hard_timeout", ["inf"], CACHE + LARGER),
    (
        "whitelist source=ldap_server_group",
        "allow",
        ["no_users"],
        "expected one of no_user, all_users; did you mean no_user?",
    ),
    ("question_1", "disable_echo", ["true"], "expected yes or no" + YES),
    ("question_1", "disable_echo", [""], "expected yes or no" + NOTHING),
    ("logging", "log_level", [""], LEVELS + NOTHING),
    ("logging", "log_level", ["3"], LEVELS),
    ("logging", "log_level", ["warn", "warnings"], LEVELS + "; did you mean warning?"),
    ("logging", "destination", ["syslog"], "expected one of stderr, messages"),
    (
        "gateway_groups",
        "encoding",
        ["ansi", "utf8x", "hex", "utf-16", "cp037", "../x", "ü"],
        "expected the name of an encoding that contains ASCII, such as utf-8 or cp1252",
    ),
    (
        "gateway_groups",
        "required_groups",
        ['"a', '"a"b'],
        "expected a comma or nothing after the closing quote of a name",
    ),
]


def test_invalid_values_are_one_error_each() -> None:
    wrong = []
    for section, option, texts, expected in INVALID:
        for text in texts:
            _, errors, warnings = check(with_option(section, option, text))
            if errors + warnings != [f"[{section}] {option}: {expected}"]:
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
        if errors != [f"[{section}] {option}: {expected}"]:
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
