"""Configurations as admins write them: right, wrong, taken over from the vendor's plugin, and with every odd secret."""

import configparser
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, reject
from hypothesis import settings as hypothesis_settings
from safeguard.sessions.plugin import PluginConfiguration
from safeguard.sessions.plugin.exceptions import PluginSDKValueError

from lib.cli.listing import markdown_table
from lib.config.options import SECTIONS, Option
from lib.config.settings import (
    AuthSettings,
    ConfigurationError,
    Problem,
    ServerSettings,
    Settings,
    UsernameSettings,
    build,
    line_of,
    parse_ini,
    places,
    sdk_text,
)
from lib.login.groups import GroupRules
from lib.login.username import NameRules, radius_name
from lib.secret import Secret
from lib.state.lockout_rules import Rules

HIDDEN = "hunter2"
LEAST = "[radius]\nserver=radius.example.com\nsecret=xyzzy5461\n"
VENDORS_PROMPT = "Press Enter for push notification or type one-time password:"


class Checked(NamedTuple):
    """What came of a configuration; problems as the log shows them."""

    settings: Optional[Settings]
    errors: List[str]
    warnings: List[str]


def no_store(section: str, option: str) -> Optional[str]:
    raise AssertionError("asked for [{}] {}".format(section, option))


def nothing_stored(section: str, option: str) -> Optional[str]:
    return None


def from_store(password: str) -> Callable[[str, str], Optional[str]]:
    return lambda section, option: password


def check(text: str, credential: Callable[[str, str], Optional[str]] = no_store) -> Checked:
    settings, problems = build(parse_ini(text), credential)
    errors = [str(problem) for problem in problems if problem.error]
    assert (settings is None) == bool(errors)
    return Checked(settings, errors, [str(problem) for problem in problems if not problem.error])


def valid(text: str, credential: Callable[[str, str], Optional[str]] = no_store) -> Settings:
    checked = check(text, credential)
    assert checked.errors == [] and checked.warnings == []
    assert checked.settings is not None
    return checked.settings


def with_option(section: str, option: str, value: str) -> str:
    """The least configuration with this option set."""
    radius = {"server": "radius.example.com", "secret": "xyzzy5461"}
    if section == "radius":
        radius[option] = value
    text = "[radius]\n" + "".join("{} = {}\n".format(*item) for item in radius.items())
    beside = {"prompt": "Ticket", "key": "ticket"} if section.startswith("question_") else {}
    beside.update({"except": "group"} if section == "whitelist source=ldap_server_group" else {})
    beside.pop(option, None)
    rest = "".join("{} = {}\n".format(*item) for item in beside.items())
    return text if section == "radius" else text + "[{}]\n{} = {}\n".format(section, option, value) + rest


def read(settings: Settings, section: str, option: str) -> Any:
    """The value an option has in the settings."""
    if section in ("auth", "username"):
        return getattr(getattr(settings, section), option)
    return getattr(settings if option in ("total_timeout", "dead_time") else settings.servers[0], option)


def secret_of(text: str) -> str:
    return valid(text).servers[0].secret.reveal()


def options(section: str) -> Sequence[Option]:
    return next(declared.options for declared in SECTIONS if declared.name == section)


# Defaults, types, ranges


def test_defaults() -> None:
    assert valid(LEAST) == Settings(
        servers=(
            ServerSettings(
                "radius",
                "radius.example.com",
                1812,
                Secret("xyzzy5461"),
                "pap",
                5.0,
                3,
                0.3,
                True,
                "",
                "status-server",
                3.0,
            ),
        ),
        total_timeout=150.0,
        dead_time=120.0,
        auth=AuthSettings(VENDORS_PROMPT, True, ("rdp", "ssh", "telnet"), Secret(""), 3, 10),
        username=UsernameSettings("User name:", True, False),
        challenge_answers=(),
    )


@pytest.mark.parametrize(
    "section, option, default",
    [
        # The vendor's own and, where it names none, those of the SDK's code.
        ("radius", "server", ""),
        ("radius", "port", "1812"),
        ("radius", "secret", ""),
        ("radius", "auth_type", "pap"),
        ("radius", "conn_retries", "3"),
        ("radius", "conn_timeout", "5"),
        ("radius", "dictionary_path", ""),
        ("auth", "prompt", VENDORS_PROMPT),
        ("auth", "disable_echo", "yes"),  # on purpose not the vendor's
        ("auth", "interactive_protocols", "rdp,ssh,telnet"),
        ("connection_limit by=client_ip_gateway_user", "limit", "0"),
        ("authentication_cache", "soft_timeout", "15"),
        ("authentication_cache", "hard_timeout", "90"),
        ("authentication_cache", "reuse_limit", "0"),
        ("authentication_cache", "cache_dir", "auth_cache"),
        ("whitelist source=user_list", "name", ""),
        ("whitelist source=ldap_server_group", "allow", ""),
        ("whitelist source=ldap_server_group", "except", ""),
        ("usermapping source=ldap_server", "user_attribute", ""),
        ("username_transform", "append_domain", ""),
        ("ldap_server", "name", ""),
        ("credential_store", "name", ""),
        ("logging", "log_level", "info"),
        ("logging", "destination", "stderr"),
        ("https-proxy", "enabled", ""),
        ("https-proxy", "server", ""),
        ("https-proxy", "port", ""),
        ("https-proxy", "username", ""),
        ("https-proxy", "password", ""),
        ("question_N", "prompt", ""),
        ("question_N", "key", ""),
        ("question_N", "disable_echo", "yes"),
        ("ignore_upn_suffix_for_rdp", "ignore", "true"),
    ],
)
def test_vendors_options_are_known_with_their_defaults(section: str, option: str, default: str) -> None:
    assert {known.name: known.default for known in options(section)}[option] == default


def test_configuration_of_the_vendor_s_plugin_is_taken_as_it_is() -> None:
    text = """\
[radius]
server = 192.0.2.1
port=1645
secret = $
auth_type: CHAP
conn_retries=5
conn_timeout = 10
[auth]
prompt = Code:
disable_echo = No
interactive_protocols = SSH, rdp
[connection_limit by=client_ip_gateway_user]
limit=4
[authentication_cache]
soft_timeout=60
hard_timeout=3600
reuse_limit=-1
[whitelist source=user_list]
name=trusted
[whitelist source=ldap_server_group]
allow=NO_USER
except=admins, auditors
[usermapping source=explicit]
alice=alice.smith
[usermapping source=ldap_server]
user_attribute=mail
[username_transform]
append_domain=example.com
[ldap_server]
name=directory
[credential_store]
name=store
[logging]
log_level=DEBUG
[https_proxy]
server=proxy.example.com
port=3128
[question_1]
prompt=Ticket:
key=ticket
disable_echo=no
[ignore_upn_suffix_for_rdp]
ignore=false
"""
    settings = valid(text, from_store("from the store"))
    assert settings.servers == (
        ServerSettings(
            "radius", "192.0.2.1", 1645, Secret("from the store"), "chap", 10.0, 5, 0.3, True, "", "status-server", 3.0
        ),
    )
    assert settings.auth == AuthSettings("Code:", False, ("ssh", "rdp"), Secret(""), 3, 10)
    assert check(LEAST + "dictionary_path=/opt/dictionary\n").warnings == [
        "[radius] dictionary_path: has no effect: the dictionary is in the plugin"
    ]


@pytest.mark.parametrize(
    "section, option, text, value",
    [
        ("radius", "server", "192.0.2.1", "192.0.2.1"),
        ("radius", "server", "2001:db8::1", "2001:db8::1"),
        ("radius", "server", "::1", "::1"),
        ("radius", "server", "fe80::1%eth0", "fe80::1%eth0"),
        ("radius", "server", "radius-1.example.com", "radius-1.example.com"),
        ("radius", "port", "1", 1),
        ("radius", "port", "65535", 65535),
        ("radius", "auth_type", "PAP", "pap"),
        ("radius", "auth_type", "Chap", "chap"),
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
        ("radius", "failover_after", "0.1", 0.1),
        ("radius", "failover_after", "280", 280.0),
        ("radius", "dead_time", "0", 0.0),
        ("radius", "dead_time", "86400", 86400.0),
        ("radius", "auth_type", "MSCHAPv2", "mschapv2"),
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
    ],
)
def test_values_in_range(section: str, option: str, text: str, value: Any) -> None:
    checked = check(with_option(section, option, text))
    assert checked.errors == [] and checked.settings is not None
    found = read(checked.settings, section, option)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "section, option, texts, expected",
    [
        (
            "radius",
            "server",
            ["radius.example.com:1812", "192.0.2.1:1812"],
            "the port has an option of its own, `port`",
        ),
        (
            "radius",
            "server",
            ["a b", "[::1]", "[::1]:1812", "http://radius", "a\n b", "radius/1"],
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
            [
                "sps.example.com",
                "192.0.2",
                "192.0.2.1:1812",
                "192.0.2.1.1",
                "eth0",
                "999.1.1.1",
                ":",
                ":::",
                "1:2",
                "1::2::3",
            ],
            "expected an IP address",
        ),
        ("radius", "status_check", ["", "yes"], "expected one of status-server, none"),
        ("radius", "failover_after", ["", "0", "281", "nan"], "expected seconds from 0.1 to 280"),
        ("radius", "dead_time", ["", "-1", "86401", "inf"], "expected seconds from 0 to 86400"),
        ("radius", "total_timeout", ["", "0.9", "290.5", "nan", "5 min"], "expected seconds from 1 to 290"),
        (
            "radius",
            "require_message_authenticator",
            ["", "true", "1", "y", "nо"],
            "expected yes or no",
        ),
        ("radius", "auth_type", ["", "eap-tls"], "expected one of pap, chap, mschapv2"),
        ("radius", "auth_type", ["chpa", "CHAPP"], "expected one of pap, chap, mschapv2; did you mean chap?"),
        ("auth", "disable_echo", ["", "off", "true", "0"], "expected yes or no"),
        ("auth", "max_attempts", ["", "0", "101", "three"], "expected a whole number from 1 to 100"),
        ("auth", "max_challenges", ["", "-1", "101"], "expected a whole number from 0 to 100"),
        ("username", "disable_echo", ["", "never"], "expected yes or no"),
        ("username", "allow_override", ["", "always"], "expected yes or no"),
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
    ],
)
def test_values_that_are_wrong(section: str, option: str, texts: List[str], expected: str) -> None:
    for text in texts:
        assert check(with_option(section, option, text)).errors == ["[{}] {}: {}".format(section, option, expected)]


def test_every_default_is_a_value_of_its_kind() -> None:
    for section in SECTIONS:
        for option in section.options:
            if option.default:
                option.kind.parse(option.default)
            assert not (option.required and option.default)


def test_bounds_that_are_cut_short_are_a_warning() -> None:
    two = LEAST + "conn_timeout={}\nconn_retries=3\ntotal_timeout={}\n[radius_2]\nserver=b\n"
    valid(two.format("50", "150"))
    checked = check(two.format("60", "180"))
    assert checked.settings is not None
    assert checked.warnings == ["[radius] conn_timeout: the servers' bounds add up to 360 s; SPS gives a plugin 300 s"]
    checked = check(two.format("50", "149.5"))
    assert checked.settings is not None
    assert checked.warnings == [
        "[{}] conn_timeout: times conn_retries makes 150 s; total_timeout ends it after 149.5 s".format(section)
        for section in ("radius", "radius_2")
    ]


# What is wrong


def test_all_errors_at_once() -> None:
    text = """\
port=1812
[radius]
port=0
hunter2
auth_type=mschap
conn_timeout=never
[auth]
max_attempts=0
[username]
allow_override=maybe
[radius_2]
conn_retries=99
[challenge_answers]
push
( = 1
[authentication_cache]
reuse_limit=x
"""
    checked = check(text)
    assert checked.settings is None
    for error in (
        "line 1: stands before the first [section]",
        "line 4: is not `option = value`",
        "[radius] server: is missing",
        "[radius] secret: is missing",
        "[radius] port: expected a whole number from 1 to 65535",
        "[radius] auth_type: expected one of pap, chap, mschapv2; did you mean mschapv2?",
        "[radius] conn_timeout: expected seconds from 0.1 to 280",
        "[radius_2] conn_retries: expected a whole number from 1 to 30",
        "[auth] max_attempts: expected a whole number from 1 to 100",
        "[username] allow_override: expected yes or no",
        "[challenge_answers] line 14: expected `pattern = answer`",
        "[authentication_cache] reuse_limit: expected a whole number from -1 to 1000000",
    ):
        assert checked.errors.count(error) == 1
    assert any(error.startswith("[challenge_answers] line 15: not a regular expression: ") for error in checked.errors)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[auth]\n", "[radius]\n", "; server=x\n", "[DEFAULT]\n", "\ufeff", "[radius_2]\n"]
)
def test_required_options_that_are_missing(text: str) -> None:
    assert {"[radius] server: is missing", "[radius] secret: is missing"} <= set(check(text).errors)


def test_required_options_that_are_empty() -> None:
    assert check("[radius]\nserver=\nsecret =  \n").errors == ["[radius] server: is empty", "[radius] secret: is empty"]


@pytest.mark.parametrize(
    "section, option, advice",
    [
        ("radius", "secert", "; did you mean secret?"),
        ("radius", "severs", "; did you mean server?"),
        ("radius", "auth_typ", "; did you mean auth_type?"),
        ("radius", "conn_retry", "; did you mean conn_retries?"),
        ("radius", "timeout", "; did you mean conn_timeout?"),
        ("radius", "require_message_authentication", "; did you mean require_message_authenticator?"),
        ("radius_2", "prot", "; did you mean port?"),
        ("radius_2", "total_timeout", "; it belongs in [radius]"),
        ("radius", "push_password", "; it belongs in [auth]"),
        ("radius", "max_attempts", "; it belongs in [auth]"),
        ("auth", "promt", "; did you mean prompt?"),
        ("auth", "disable-echo", "; did you mean disable_echo?"),
        ("auth", "server", "; it belongs in [radius]"),
        ("auth", "allow_override", "; it belongs in [username]"),
        ("auth", "quite_different", ""),
        ("radius", "password", ""),
        ("auth", "username", ""),
        ("question_1", "promt", "; did you mean prompt?"),
        ("logging", "loglevel", "; did you mean log_level?"),
    ],
)
def test_unknown_options_are_warnings_with_the_right_name(section: str, option: str, advice: str) -> None:
    checked = check(with_option(section, option, HIDDEN))
    assert checked.settings is not None
    assert checked.warnings == ["[{}] {}: unknown option{}".format(section, option, advice)]


@pytest.mark.parametrize(
    "section, advice",
    [
        ("raduis", "; did you mean radius?"),
        ("username_transfrom", "; did you mean username_transform?"),
        ("challenge_answer", "; did you mean challenge_answers?"),
        ("whitelist source=userlist", "; did you mean whitelist source=user_list?"),
        ("authentication-cache", "; did you mean authentication_cache?"),
        ("something else", ""),
    ],
)
def test_unknown_sections_are_warnings_with_the_right_name(section: str, advice: str) -> None:
    checked = check(LEAST + "[{}]\nsecret = {}\n".format(section, HIDDEN))
    assert checked.settings is not None
    assert checked.warnings == ["[{}]: unknown section{}".format(section, advice)]


@pytest.mark.parametrize("section, name", [("RADIUS", "radius"), ("Auth", "auth"), ("USERNAME", "username")])
def test_sections_in_capitals_get_the_right_name(section: str, name: str) -> None:
    assert check(LEAST + "[{}]\n".format(section)).warnings == [
        "[{}]: unknown section; did you mean {}?".format(section, name)
    ]


@pytest.mark.parametrize("section", ["radius_N", "question_N"])
def test_the_placeholder_of_the_table_is_no_section(section: str) -> None:
    # An admin who copies it would have no second server and never hear of it.
    warnings = check(LEAST + "[{}]\nprompt=x\nserver=x\n".format(section)).warnings
    assert any(warning.startswith("[{}]: unknown section".format(section)) for warning in warnings)


@pytest.mark.parametrize(
    "section", ["radius_0", "radius_01", "radius_x", "radius_-1", "radius_2 ", "question_", "radius2"]
)
def test_numbers_that_are_none_make_unknown_sections(section: str) -> None:
    checked = check(LEAST + "[{}]\nserver=backup\n".format(section))
    assert checked.settings is not None and len(checked.settings.servers) == 1
    assert any(warning.startswith("[{}]: unknown section".format(section)) for warning in checked.warnings)


@pytest.mark.parametrize(
    "line",
    [
        HIDDEN,
        "secret " + HIDDEN,
        "=" + HIDDEN,
        ": " + HIDDEN,
        "[" + HIDDEN,
        "\\" + HIDDEN,
        HIDDEN + "\r",
        "%(" + HIDDEN,
    ],
)
@pytest.mark.parametrize("before, number", [("", 4), ("\n", 5), ("; comment\n\n[auth]\n", 7)])
def test_garbage_is_reported_by_its_line_and_not_quoted(before: str, number: int, line: str) -> None:
    checked = check(LEAST + before + line + "\n[username]\n")
    assert checked.errors == ["line {}: is not `option = value`".format(number)]
    assert not any(HIDDEN in said for said in checked.errors + checked.warnings)


def test_lines_before_the_first_section_are_each_reported_and_not_quoted() -> None:
    checked = check("secret = {0}\n\n; comment\n{0}\n".format(HIDDEN) + LEAST)
    assert checked.errors == [
        "line 1: stands before the first [section]",
        "line 4: stands before the first [section]",
    ]


def test_file_that_is_no_configuration_is_parsed_a_few_times_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    read_string = configparser.ConfigParser.read_string

    def counted(self: configparser.ConfigParser, text: str) -> None:
        parsed.append(text)
        read_string(self, text)

    monkeypatch.setattr(configparser.ConfigParser, "read_string", counted)
    checked = check("Jan 1 sshd: what is this\n" * 100 + LEAST)
    assert len(checked.errors) == 100
    assert len(parsed) < 10


def test_duplicate_option() -> None:
    checked = check(LEAST + "Secret=" + HIDDEN + "\n")
    assert checked.errors == ["[radius] secret: given twice, again in line 4"]


def test_duplicate_section() -> None:
    assert check(LEAST + "[auth]\n[radius]\n").errors == ["[radius]: given twice, again in line 5"]


def test_all_duplicates_at_once() -> None:
    checked = check(LEAST + "secret=again\nport=1\nport=2\n[auth]\nprompt=a\nprompt=b\n")
    assert checked.errors == [
        "[radius] secret: given twice, again in line 4",
        "[radius] port: given twice, again in line 6",
        "[auth] prompt: given twice, again in line 9",
    ]


def test_duplicate_sections_and_garbage_are_all_found() -> None:
    errors = check(LEAST + "secret=again\n[auth]\n" + HIDDEN + "\n[auth]\n[radius]\n").errors
    assert errors.count("[radius] secret: given twice, again in line 4") == 1
    assert errors.count("[auth]: given twice, again in line 7") == 1
    assert errors.count("[radius]: given twice, again in line 8") == 1
    assert errors.count("line 6: is not `option = value`") == 1


def test_challenge_answers_given_twice_are_duplicates_like_any_section() -> None:
    text = LEAST + "[challenge_answers]\na=1\n[auth]\n[challenge_answers]\nb=2\n"
    assert check(text).errors == ["[challenge_answers]: given twice, again in line 7"]


def test_no_secret_in_any_problem() -> None:
    text = """\
{0}
[radius]
server={0} {0}
secret={0}
secret={0}
port={0}
auth_type={0}
conn_timeout={0}
unknown={0}
{0}
[auth]
push_password={0}%(
disable_echo={0}
[challenge_answers]
{0}
( = {0}
[unknown]
option={0}
[authentication_cache]
reuse_limit={0}
[logging]
log_level={0}
[https-proxy]
password={0}
"""
    _, problems = build(parse_ini(text.format(HIDDEN)), no_store)
    assert len(problems) >= 14
    assert HIDDEN not in repr(problems) + "".join(str(problem) for problem in problems)


def test_problem_names_its_place() -> None:
    assert str(Problem(True, "radius", "port", "is wrong")) == "[radius] port: is wrong"
    assert str(Problem(True, "radius", "", "is wrong")) == "[radius]: is wrong"
    assert str(Problem(True, "", "line 7", "is wrong")) == "line 7: is wrong"


# Secrets and values of every kind

SECRETS = [
    "plain",
    "50%",
    "100%sure",
    "a%%b % c",
    "%",
    "%(",
    "%(no_such_option)s",
    "%()s",
    "%(secret)s",
    "%s%d",
    "$ecret",
    "$$$",
    "a$",
    "${HOME}",
    '"',
    '""',
    '"quoted"',
    "'single'",
    '"half',
    'half"',
    "it's",
    "a;b",
    "a ; b",
    "; a",
    "# a",
    "a #b",
    "= a",
    "a=b=",
    ":a:b:",
    "[a]",
    "[radius]",
    "\\n\\",
    "pässwörd",
    "пароль",
    "密码",
    "\U0001f511",
    "a\tb",
    "a  b",
    "a\xa0b",
    "a\x85b",
    "a\u2028b",
    "a\x0cb",
    "a\x1cb",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("line", ["secret={}", "secret = {}", "secret: {}", "SECRET =\t{}  "])
def test_secrets_are_what_is_written(secret: str, line: str) -> None:
    assert secret_of("[radius]\nserver=a\n" + line.format(secret) + "\n[auth]\n") == secret


@pytest.mark.parametrize(
    "written, secret",
    [
        ("a%%b", "a%b"),
        ("%%", "%"),
        ("%(server)s", "a"),
        ("%(SERVER)s!", "a!"),
        ("$$", "$"),
        ('" leading"', " leading"),
        ('"trailing "', "trailing "),
        ('"  both\t"', "  both\t"),
        ('" "', " "),
        ('" "quoted" "', ' "quoted" '),
        ('" $"', " $"),
        ('" 50%"', " 50%"),
        ('" 50%%"', " 50%"),
        ('"\xa0"', "\xa0"),
    ],
)
def test_secrets_that_mean_something_else_than_is_written(written: str, secret: str) -> None:
    assert secret_of("[radius]\nserver=a\nsecret={}\n".format(written)) == secret
    # And the same for the other options that are secret.
    settings = valid(LEAST + "[DEFAULT]\nserver=a\n[auth]\npush_password = {}\n".format(written))
    assert settings.auth.push_password == Secret(secret)


@pytest.mark.parametrize("option", ["secret", "push_password"])
def test_secret_that_cannot_be_sent_is_an_error(option: str) -> None:
    section = "radius" if option == "secret" else "auth"
    errors = check(with_option(section, option, HIDDEN + "\udcff")).errors
    assert errors == ["[{}] {}: holds characters that UTF-8 cannot encode".format(section, option)]


@pytest.mark.parametrize("section, option", [("radius", "secret"), ("auth", "push_password")])
def test_secret_that_swallows_the_next_line_is_an_error(section: str, option: str) -> None:
    # Else the server would answer nothing, and nobody would know why.
    errors = check(with_option(section, option, HIDDEN + "\n  port = 1812")).errors
    assert errors == ["[{}] {}: goes on in the next line, which begins with white space".format(section, option)]


def test_value_on_several_lines() -> None:
    settings = valid(
        LEAST + "[auth]\nprompt = 1) push\n  2) SMS\n\n\t[3] code\n  ; comment\n [radius]\nmax_attempts=1\n"
    )
    assert settings.auth.prompt == "1) push\n2) SMS\n\n[3] code\n[radius]"
    assert settings.auth.max_attempts == 1


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_files_of_windows(mark: str, end: str) -> None:
    text = mark + LEAST + '; c\n\n[auth]\npush_password=" p "\nprompt=a\n  b\n[challenge_answers]\n1\\) push = 1\n'
    settings = valid(text.replace("\n", end))
    assert settings.servers[0].secret == Secret("xyzzy5461")
    assert settings.servers[0].server == "radius.example.com"
    assert settings.auth.push_password == Secret(" p ")
    assert settings.auth.prompt == "a\nb"
    assert [(answer.pattern.pattern, answer.answer) for answer in settings.challenge_answers] == [
        ("1\\) push", Secret("1"))
    ]


# [DEFAULT], [radius_N], the Credential Store


def test_default_section() -> None:
    settings = valid(
        "[DEFAULT]\nport=1645\nhome=example.com\nsecret=xyzzy5461\n[radius]\nserver=radius.%(home)s\n[auth]\n"
    )
    assert settings.servers[0].server == "radius.example.com"
    assert settings.servers[0].port == 1645
    assert settings.servers[0].secret == Secret("xyzzy5461")


def test_default_section_gives_nothing_to_sections_that_are_not_there() -> None:
    # So it was in ConfigParser.
    assert check("[DEFAULT]\nserver=a\nsecret=b\nmax_attempts=1\n").errors == [
        "[radius] server: is missing",
        "[radius] secret: is missing",
    ]


def test_what_radius_says_counts_for_radius_n_before_what_default_says() -> None:
    settings = valid("[DEFAULT]\nport=1\n[radius]\nport=1645\nserver=a\nsecret=s\n[radius_2]\nserver=b\n")
    assert [server.port for server in settings.servers] == [1645, 1645]


def test_servers_are_in_the_order_of_their_numbers() -> None:
    text = (
        "[radius_10]\nserver=ten\n[radius_2]\nserver=two\n"
        + LEAST
        + "[radius_1]\nserver=one\n[radius_9]\nserver=nine\n"
    )
    assert [(server.section, server.server) for server in valid(text).servers] == [
        ("radius", "radius.example.com"),
        ("radius_1", "one"),
        ("radius_2", "two"),
        ("radius_9", "nine"),
        ("radius_10", "ten"),
    ]


def test_radius_n_has_what_radius_has_unless_it_says_otherwise() -> None:
    text = """\
[radius]
server=a
secret=" s "
port=1645
auth_type=chap
conn_timeout=2.5
conn_retries=7
retransmit_after=1.5
require_message_authenticator=no
source_ip=192.0.2.1
status_check=none
failover_after=7
[radius_2]
[radius_3]
server=c
secret=t
port=1812
auth_type=pap
conn_timeout=5
conn_retries=3
retransmit_after=0.3
require_message_authenticator=yes
source_ip=
status_check=status-server
failover_after=3
"""
    assert valid(text).servers == (
        ServerSettings("radius", "a", 1645, Secret(" s "), "chap", 2.5, 7, 1.5, False, "192.0.2.1", "none", 7.0),
        ServerSettings("radius_2", "a", 1645, Secret(" s "), "chap", 2.5, 7, 1.5, False, "192.0.2.1", "none", 7.0),
        ServerSettings("radius_3", "c", 1812, Secret("t"), "pap", 5.0, 3, 0.3, True, "", "status-server", 3.0),
    )


def test_wrong_value_that_radius_n_has_from_radius_is_reported_where_it_stands() -> None:
    text = "[radius]\nport=0\nsecret=s\nserver=a\n[radius_2]\nserver=b\n[radius_3]\nserver=c\n"
    assert check(text).errors == ["[radius] port: expected a whole number from 1 to 65535"]


class Store:
    """A Credential Store that remembers what it was asked."""

    def __init__(self, passwords: Dict[Tuple[str, str], str]) -> None:
        self.asked: List[Tuple[str, str]] = []
        self._passwords = passwords

    def __call__(self, section: str, option: str) -> Optional[str]:
        self.asked.append((section, option))
        return self._passwords.get((section, option))


def test_dollar_is_looked_up_by_section_and_option() -> None:
    store = Store({("radius", "secret"): "s%(x)s ", ("auth", "push_password"): "$$", ("radius_2", "secret"): '" t "'})
    text = "[radius]\nserver=a\nsecret=$\n[auth]\npush_password = $ \n[radius_2]\nsecret=$\n"
    settings = valid(text, store)
    # What the store has is the password as it is: nothing in it is syntax.
    assert [server.secret for server in settings.servers] == [Secret("s%(x)s "), Secret('" t "')]
    assert settings.auth.push_password == Secret("$$")
    assert sorted(store.asked) == [("auth", "push_password"), ("radius", "secret"), ("radius_2", "secret")]


def test_radius_n_inherits_a_looked_up_secret() -> None:
    # The README has the admin store it under host `radius`; that is where the option with the $ stands.
    store = Store({("radius", "secret"): "from the store"})
    settings = valid("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n", store)
    assert [server.secret for server in settings.servers] == [Secret("from the store")] * 2


def test_radius_n_s_own_password_counts_before_an_inherited_one() -> None:
    store = Store({("radius", "secret"): "first", ("radius_2", "secret"): "second"})
    settings = valid("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n[radius_3]\n", store)
    assert [server.secret for server in settings.servers] == [Secret("first"), Secret("second"), Secret("first")]


def test_radius_n_that_asks_for_a_password_of_its_own_must_have_one() -> None:
    store = Store({("radius", "secret"): "first"})
    assert check("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\nsecret=$\n", store).errors == [
        "[radius_2] secret: the Credential Store has no password for host=radius_2 user=secret"
    ]


def test_wrong_value_that_radius_n_has_written_itself_is_reported_for_it_too() -> None:
    assert check("[radius]\nport=0\nsecret=s\nserver=a\n[radius_2]\nserver=b\nport=0\n").errors == [
        "[radius] port: expected a whole number from 1 to 65535",
        "[radius_2] port: expected a whole number from 1 to 65535",
    ]


@pytest.mark.parametrize(
    "stored, wrong",
    [("", "is empty"), ("a\nb", "goes on in the next line"), ("\udcff", "holds characters that UTF-8 cannot encode")],
)
def test_radius_n_s_own_password_that_cannot_be_used(stored: str, wrong: str) -> None:
    store = Store({("radius", "secret"): "first", ("radius_2", "secret"): stored})
    errors = check("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n", store).errors
    assert len(errors) == 1 and errors[0].startswith("[radius_2] secret: " + wrong)


def test_options_that_are_not_secret_can_be_looked_up_too() -> None:
    store = Store({("radius", "server"): "192.0.2.9", ("radius", "port"): "99999", ("auth", "prompt"): " Code: "})
    checked = check("[radius]\nserver=$\nsecret=s\nport=$\n[auth]\nprompt=$\n", store)
    assert checked.errors == ["[radius] port: expected a whole number from 1 to 65535"]
    assert ("radius", "server") in store.asked and ("auth", "prompt") in store.asked


def test_store_is_not_asked_without_need() -> None:
    store = Store({})
    text = (
        with_option("radius", "secret", "$$") + "[auth]\nprompt=$$\npush_password= $$$\n[question_1]\nprompt=$\nkey=k\n"
    )
    settings = valid(text, store)
    assert store.asked == []
    assert settings.servers[0].secret == Secret("$")
    assert settings.auth.prompt == "$"
    assert settings.auth.push_password == Secret("$$$")


def test_store_that_has_nothing() -> None:
    checked = check("[radius]\nserver=a\nsecret=$\n[auth]\npush_password=$\n", nothing_stored)
    assert checked.errors == [
        "[radius] secret: the Credential Store has no password for host=radius user=secret",
        "[auth] push_password: the Credential Store has no password for host=auth user=push_password",
    ]


def test_store_that_has_an_empty_password() -> None:
    assert check("[radius]\nserver=a\nsecret=$\n", from_store("")).errors == ["[radius] secret: is empty"]


def test_store_that_cannot_be_asked() -> None:
    def locked(section: str, option: str) -> Optional[str]:
        raise ConfigurationError("the Credential Store is locked")

    checked = check("[radius]\nserver=a\nsecret=$\nport=0\n[radius_2]\nserver=b\n", locked)
    assert set(checked.errors) >= {
        "[radius] port: expected a whole number from 1 to 65535",
        "[radius] secret: the Credential Store is locked",
    }


# [challenge_answers]


def answers(lines: str) -> List[Tuple[str, str]]:
    settings = valid(LEAST + "[challenge_answers]\n" + lines + "\n[auth]\nmax_attempts=1\n")
    assert settings.auth.max_attempts == 1
    return [(answer.pattern.pattern, answer.answer.reveal()) for answer in settings.challenge_answers]


@pytest.mark.parametrize(
    "line, pattern, answer",
    [
        ("push=1", "push", "1"),
        ("1\\) Push to phone = 1", "1\\) Push to phone", "1"),
        ("Choose: .*SMS = 2", "Choose: .*SMS", "2"),
        ("code:$ = a=b", "code:$", "a=b"),
        ("^Menu$ = ", "^Menu$", ""),
        ('PIN = " 1 "', "PIN", " 1 "),
        ("50% = 100%", "50%", "100%"),
        ("%% = %(x)s", "%%", "%(x)s"),
        ("  indented = 1  ", "indented", "1"),
        ("выбор = да", "выбор", "да"),
        ("a # b = ; c", "a # b", "; c"),
        ("(?:a|b){2,3}[^c] = d", "(?:a|b){2,3}[^c]", "d"),
        ("cost = $", "cost", "$"),
        ("a\u2028b = \x85c\x1cd", "a\u2028b", "c\x1cd"),
    ],
)
def test_challenge_answers_are_as_written(line: str, pattern: str, answer: str) -> None:
    assert answers(line) == [(pattern, answer)]


def test_challenge_answers_match_in_any_case_and_keep_their_order() -> None:
    text = "[challenge_answers]\nENTER pin = 1\n; comment = 2\n\n  # comment = 3\nEnter = 4\n" + LEAST
    settings = valid(text)
    assert [answer.answer for answer in settings.challenge_answers] == [Secret("1"), Secret("4")]
    assert settings.challenge_answers[0].pattern.search("Please enter PIN:")
    assert not settings.challenge_answers[0].pattern.search("Please enter code:")


def test_pattern_may_be_given_twice() -> None:
    # Each answers once an attempt.
    assert answers("Next code = 1\nNext code = 2") == [("Next code", "1"), ("Next code", "2")]


@pytest.mark.parametrize("pattern", ["[12]\\) push", "[Pp]ush", "[", "[a]", "[auth]\\w"])
def test_pattern_that_begins_with_a_bracket_is_no_section(pattern: str) -> None:
    text = LEAST + "[challenge_answers]\n" + pattern + " = 1\nSMS = 2\n"
    checked = check(text)
    if pattern == "[":
        assert len(checked.errors) == 1 and "line 5: not a regular expression" in checked.errors[0]
    else:
        assert checked.warnings == [] and checked.settings is not None
        assert [answer.pattern.pattern for answer in checked.settings.challenge_answers] == [pattern, "SMS"]


@pytest.mark.parametrize("line", [HIDDEN, "=" + HIDDEN, "  = " + HIDDEN, HIDDEN + ": x", "[" + HIDDEN])
def test_challenge_answer_that_is_none(line: str) -> None:
    assert check(LEAST + "[challenge_answers]\n\n" + line + "\n").errors == [
        "[challenge_answers] line 6: expected `pattern = answer`"
    ]


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[a", "*", "a{2,1}", "(?P<n>a)(?P<n>b)", "(?<=a*)b", "\\", "\\8", "(?L)a", "(?z)"]
)
def test_pattern_that_is_no_regular_expression(pattern: str) -> None:
    errors = check(LEAST + "[challenge_answers]\n" + pattern + " = " + HIDDEN + "\nport = 1\n").errors
    assert len(errors) == 1 and errors[0].startswith("[challenge_answers] line 5: ")
    assert HIDDEN not in errors[0]


@pytest.mark.parametrize(
    "pattern", ["a{99999999999}", "(" * 5000 + ")" * 5000], ids=["OverflowError", "RecursionError"]
)
def test_pattern_that_is_too_much_for_the_compiler(pattern: str) -> None:
    errors = check(LEAST + "[challenge_answers]\n" + pattern + " = 1\n").errors
    assert len(errors) == 1 and errors[0].startswith("[challenge_answers] line 5: ")


def test_lines_are_counted_the_same_with_challenge_answers_before_them() -> None:
    text = "[challenge_answers]\na = 1\n\n" + LEAST + HIDDEN + "\n"
    assert check(text).errors == ["line 7: is not `option = value`"]


@pytest.mark.parametrize("indent", ["  ", "\t"])
def test_indented_configuration_loses_nothing_in_silence(indent: str) -> None:
    # ConfigParser takes it, so the vendor's plugin did.
    text = "".join(
        indent + line + "\n" for line in (LEAST + "[challenge_answers]\nCode = 1\n[auth]\nprompt=x").split("\n")
    )
    checked = check(text)
    assert checked.errors or checked.settings is not None and len(checked.settings.challenge_answers) == 1


# As ConfigParser, and as the SDK

PIECES = st.sampled_from(
    [" ", "\t", "%", "%%", "%(a)s", "%(b)s", "%(SERVER)s", "%(", "%()s", ")s", "$", "$$", '"', "'", "=", ":", "#", ";"]
    + [
        "[",
        "]",
        "[x]",
        "\\",
        "a",
        "B",
        "1",
        "yes",
        "ä",
        "日",
        "\U0001f511",
        "\xa0",
        "\u2028",
        "\x85",
        "\x0c",
        "\x1c",
        "\r",
    ]
    + ["\0", "\n ", "\n\t", "\n\n  ", "\n  # ", "\n ; "]
)
VALUES = st.lists(PIECES, max_size=6).map("".join)
NAMES = st.sampled_from(["a", "b", "A b", "server", "Secret", "port", "limit", "prompt", "key", "name", "ä", "%"])
OWN_SECTIONS = ["radius", "radius_2", "auth", "username", "x y", "Radius"]
SDK_SECTIONS = [
    "question_1",
    "usermapping source=explicit",
    "credential_store",
    "https_proxy",
    "whitelist source=user_list",
]
OTHERS = ["authentication_cache", "logging", "connection_limit by=client_ip_gateway_user", "ignore_upn_suffix_for_rdp"]


def ini_texts(names: Sequence[str]) -> Any:
    line = st.tuples(NAMES, st.sampled_from(["=", " = ", ": ", "\t=", " :"]), VALUES, st.sampled_from(["", " ", "\r"]))
    body = st.lists(line.map(lambda parts: "".join(parts) + "\n"), max_size=4).map("".join)
    comment = st.sampled_from(["", "\n", "; comment = 1\n", "# [comment]\n", " \n"])
    section = st.tuples(st.sampled_from(list(names)), comment, body)
    return st.lists(section, max_size=5, unique_by=lambda parts: parts[0]).map(
        lambda sections: "".join("[{}]\n{}{}".format(*parts) for parts in sections)
    )


def is_quoted_space(value: str) -> bool:
    return bool(re.match(r'"(\s.*|.*\s)"\Z', value, re.DOTALL))


@hypothesis_settings(deadline=None, max_examples=150)
@given(ini_texts(["DEFAULT"] + OWN_SECTIONS + SDK_SECTIONS))
def test_what_config_parser_takes_is_read_the_same(text: str) -> None:
    ini = parse_ini(text)
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        reject()
    assert ini.problems == () and list(ini.sections) == parser.sections()
    for section in parser.sections():
        assert list(ini.sections[section]) == parser.options(section)
        for name, value in ini.sections[section].items():
            try:
                expected = parser.get(section, name)
            except configparser.InterpolationError:
                expected = parser.get(section, name, raw=True)
            assert value == expected or is_quoted_space(expected) and value == expected[1:-1]


@hypothesis_settings(deadline=None, max_examples=150)
@given(ini_texts(["DEFAULT"] + OWN_SECTIONS + SDK_SECTIONS + OTHERS))
def test_the_sdk_finds_the_values_and_none_of_ours(text: str) -> None:
    ini = parse_ini(text)
    _, problems = build(ini, nothing_stored)
    wrong = {(problem.section, problem.option) for problem in problems if problem.error}
    parser = PluginConfiguration(sdk_text(ini)).parser
    assert set(parser.sections()) == set(ini.sections) & set(SDK_SECTIONS + OTHERS)
    for section in parser.sections():
        for name, value in ini.sections[section].items():
            # What interpolation alone can make, INI text cannot say again; [DEFAULT] has a test of its own.
            said = all(line == line.strip() and line[:1] not in ("#", ";") for line in value.split("\n")[1:])
            said = said and value == value.strip() and value.split("\n")[0] == value.split("\n")[0].strip()
            if said and name not in ini.from_default[section] and (section, name) not in wrong:
                assert parser.get(section, name) == value


@pytest.mark.parametrize("value", SECRETS + ["a%%b", "$", "$$", "%(key)s", "one\n two\n\n three\n [four]\n five = 5"])
@pytest.mark.parametrize("section, option", [("question_1", "prompt"), ("usermapping source=explicit", "alice")])
def test_the_sdk_reads_what_it_read_before(section: str, option: str, value: str) -> None:
    text = "{}[{}]\nkey=k\n{} = {}\n".format(LEAST, section, option, value)
    ini = parse_ini(text)
    assert PluginConfiguration(sdk_text(ini)).parser.get(section, option) == ini.sections[section][option]
    try:
        before = PluginConfiguration(text).parser.get(section, option)
    except configparser.Error:
        return
    assert ini.sections[section][option] == before


@pytest.mark.parametrize("value", ['" Ticket:"', '"Ticket: "', '" "'])
def test_the_sdk_finds_values_in_quotes_as_they_are_read(value: str) -> None:
    ini = parse_ini(LEAST + "[question_1]\nkey=k\nprompt=" + value + "\n")
    assert PluginConfiguration(sdk_text(ini)).get("question_1", "prompt") == ini.sections["question_1"]["prompt"]


def test_the_sdk_s_getters_have_no_reason_to_raise() -> None:
    # What they would raise at is an error of ours, and left out.
    wrong = {
        ("connection_limit by=client_ip_gateway_user", "limit"): ["x", "1.5", "", "$$"],
        ("authentication_cache", "soft_timeout"): ["x", "", "$$"],
        ("authentication_cache", "reuse_limit"): ["x", "$$"],
        ("logging", "log_level"): ["loud", "$$"],
        ("question_1", "disable_echo"): ["maybe", "$$"],
        ("whitelist source=ldap_server_group", "allow"): ["some", "$$"],
    }
    for (section, option), values in wrong.items():
        for value in values:
            text = with_option(section, option, value)
            assert [error.split(":")[0] for error in check(text).errors] == ["[{}] {}".format(section, option)], value
            sdk = PluginConfiguration(sdk_text(parse_ini(text)))
            assert sdk.get(section, option) is None
    with pytest.raises(PluginSDKValueError):
        PluginConfiguration(with_option("question_1", "disable_echo", "maybe")).getboolean("question_1", "disable_echo")


@pytest.mark.parametrize("value", ["True", "TRUE", "tRue"])
def test_the_sdk_takes_true_in_capitals_for_true_or_the_admin_hears_of_it(value: str) -> None:
    # It compares with `true` in lower case only, so it would take these for false.
    text = with_option("ignore_upn_suffix_for_rdp", "ignore", value)
    checked = check(text)
    found = PluginConfiguration(sdk_text(parse_ini(text))).get("ignore_upn_suffix_for_rdp", "ignore")
    assert found == "true" or checked.errors + checked.warnings


def test_the_sdk_gets_none_of_our_sections() -> None:
    text = (
        LEAST.replace("xyzzy5461", HIDDEN)
        + """\
[radius_2]
secret={0}
[auth]
push_password={0}
[username]
prompt={0}
[challenge_answers]
{0} = {0}
[unknown]
secret={0}
[credential_store]
name=store
[logging]
log_level=debug
""".format(HIDDEN)
    )
    given_to_sdk = sdk_text(parse_ini(text))
    assert HIDDEN not in given_to_sdk
    assert PluginConfiguration(given_to_sdk).parser.sections() == ["credential_store", "logging"]


def test_the_sdk_gets_no_secret_from_the_default_section() -> None:
    text = "[DEFAULT]\nsecret={}\nlog_level=debug\n[radius]\nserver=a\n[logging]\n[credential_store]\n".format(HIDDEN)
    given_to_sdk = sdk_text(parse_ini(text))
    assert PluginConfiguration(given_to_sdk).get("logging", "log_level") == "debug"
    assert HIDDEN not in given_to_sdk


def test_sections_that_need_the_ldap_server() -> None:
    section = "whitelist source=ldap_server_group"
    text = LEAST + "[{}]\nallow=no_user\nexcept=admins\n".format(section)
    assert check(text).warnings == ["[{}]: has no effect without [ldap_server] name".format(section)]
    valid(text + "[ldap_server]\nname=directory\n")
    mapping = LEAST + "[usermapping source=ldap_server]\nuser_attribute=mail\n[ldap_server]\nname=\n"
    assert check(mapping).warnings == ["[usermapping source=ldap_server]: has no effect without [ldap_server] name"]


@pytest.mark.parametrize(
    "sections, error",
    [
        ("[logging]\nlog_level=$\n", "[logging] log_level: cannot come from the Credential Store"),
        ("[logging]\ndestination=$\n", "[logging] destination: cannot come from the Credential Store"),
        ("[whitelist source=user_list]\nname=\n", "[whitelist source=user_list] name: is empty"),
        ("[question_1]\nprompt=Ticket:\n", "[question_1] key: is missing"),
        ("[question_1]\nkey=ticket\nprompt=\n", "[question_1] prompt: is missing"),
        ("[question_1]\nkey=otp\nprompt=a\n", "[question_1] key: is the name of a password's answer; choose another"),
        ("[question_1]\nkey=otp12\nprompt=a\n", "[question_1] key: is the name of a password's answer; choose another"),
        ("[question_2]\nkey=b\nprompt=b\n", "[question_2]: is never asked: there is no [question_1]"),
        (
            "[question_1]\nkey=a\nprompt=a\n[question_3]\nkey=b\nprompt=b\n",
            "[question_3]: is never asked: there is no [question_2]",
        ),
    ],
)
def test_what_the_sdk_would_pass_over_in_silence(sections: str, error: str) -> None:
    assert check(LEAST + sections).errors == [error]


def test_whitelist_of_a_group_needs_the_group() -> None:
    text = LEAST + "[ldap_server]\nname=directory\n[whitelist source=ldap_server_group]\nallow=no_user\n"
    error = "[whitelist source=ldap_server_group] except: is missing: it says for whom"
    assert check(text).errors == check(text + "except=\n").errors == [error]


def test_questions_in_any_order() -> None:
    question = "[question_{0}]\nkey=k{0}\nprompt=p\n"
    valid(LEAST + "".join(question.format(number) for number in (10, 2, 1, 3, 9, 8, 7, 4, 5, 6)))


LINES = st.one_of(
    st.sampled_from(
        [
            "[radius]",
            "[radius_2]",
            "[auth]",
            " [auth]",
            "[challenge_answers]",
            "  [challenge_answers]",
            "[DEFAULT]",
            "[]",
        ]
        + [
            "[",
            "]",
            "[\0]",
            "[radius]x",
            "[question_1]",
            "[logging]",
            "[credential_store]",
            "=",
            "= x",
            "a",
            "a=b",
            "a = ",
            " c",
        ]
        + [
            "\tc = d",
            "%",
            "a=%(b)s",
            "b=%(a)s",
            "a=%(a)s",
            "secret=$",
            "secret=$$",
            "server=a",
            "port=0",
            "# c",
            "; c",
            "",
        ]
        + [
            "\ufeff",
            "( = 1",
            "a:b=c",
            "\r",
            "\0",
            "secret=\ud800",
            "limit=\n 1",
            "log_level=x",
            "\u2028",
            "\x85a=b",
            "rem a",
        ]
    ),
    st.text(max_size=12),
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_text_makes_settings_or_problems(lines: List[str], end: str) -> None:
    text = end.join(lines)
    ini = parse_ini(text)
    settings, problems = build(ini, nothing_stored)
    assert (settings is None) == any(problem.error for problem in problems)
    sdk = PluginConfiguration(sdk_text(ini))
    for section in sdk.parser.sections():
        for name in sdk.get_options(section):
            sdk.parser.get(section, name)


# What is shown


def test_settings_show_no_secret() -> None:
    store = Store({("radius_3", "secret"): HIDDEN + "3"})
    text = """\
[radius]
server=a
secret={0}1
[radius_2]
secret={0}2
[radius_3]
secret=$
[auth]
push_password={0}4
[challenge_answers]
Menu = {0}5
""".format(HIDDEN)
    settings = valid(text, store)
    assert [server.secret.reveal() for server in settings.servers] == [HIDDEN + number for number in "123"]
    for shown in (repr(settings), str(settings), "{!r}".format(settings), "%s" % (settings,)):
        assert HIDDEN not in shown
        assert shown.count("<secret>") == 5


def test_table_has_every_option() -> None:
    rows = markdown_table().splitlines()
    assert rows[0] == "| Section | Option | Default | Values | Meaning |"
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert {len(row) for row in cells} == {5}
    assert all(not row.endswith("\\") and row.startswith("| ") and row.endswith(" |") for row in rows)
    wanted = []
    for section in SECTIONS:
        wanted += [["`[{}]`".format(section.name), "*your own*"]] if section.open else []
        if section.first:
            names = [option.name for option in section.options]
            wanted.append(["`[{}]`".format(section.name), "`{}` to `{}`".format(names[0], names[-1])])
            assert section.options == options(section.first)[-len(section.options) :] or section.first == "radius"
        else:
            wanted += [["`[{}]`".format(section.name), "`{}`".format(option.name)] for option in section.options]
    assert [row[:2] for row in cells[2:]] == wanted
    by_name = {(row[0], row[1]): row[2:] for row in cells}
    assert by_name["`[radius]`", "`secret`"][0] == "**required**, with tls `radsec`"
    assert by_name["`[radius]`", "`port`"][:2] == ["`1812`, with tls `2083`", "a whole number from 1 to 65535"]
    assert by_name["`[radius_N]`", "`server` to `add_suffix`"][0] == "those of `[radius]`"
    assert by_name["`[auth]`", "`disable_echo`"][:2] == ["`yes`", "yes, no"]
    assert by_name["`[auth]`", "`push_password`"][0] == ""
    assert all(row[4] for row in cells) and markdown_table().endswith(" |\n")


# Groups, attributes, accounting, lockout, names, messages


def test_what_is_not_configured_is_turned_off() -> None:
    settings = valid(LEAST + "[gateway_groups]\n[radius_attributes]\n[accounting]\ntimeout=1\n[lockout]\nwindow=60\n")
    assert (settings.groups, settings.attributes, settings.accounting, settings.lockout) == (None, (), None, None)
    assert settings.messages == {}


def test_groups() -> None:
    settings = valid(
        LEAST
        + """
[gateway_groups]
attribute = filter-id, Class,26.12356.1 , Own
pattern = OU=([^;]+)
separator = ,
unmapped = Drop
require_any = Admins, ops
[gateway_groups map]
Admin: s = SPS Admins
OU=Admins,DC=x = admins
OU=a=b
a = b = c
[radius_dictionary]
Own = 26.32473.1 string
"""
    )
    assert settings.groups is not None
    assert settings.groups._replace(pattern=None) == GroupRules(
        attributes=((0, 11), (0, 25), (12356, 1), (32473, 1)),
        separator=",",
        mapping=(("Admin: s", "SPS Admins"), ("OU=Admins,DC=x", "admins"), ("OU=a", "b"), ("a", "b = c")),
        keep_unmapped=False,
        require_any=("Admins", "ops"),
    )
    assert settings.groups.pattern is not None and settings.groups.pattern.pattern == "OU=([^;]+)"


def test_attributes_keep_their_order_and_white_space() -> None:
    settings = valid(
        LEAST + '[radius_attributes]\nNAS-Port = 22\ncisco-avpair=" a "\nCisco-AVPair=b=c\nNAS-Identifier=\n'
    )
    assert [(line.attribute.key, line.text) for line in settings.attributes] == [
        ((0, 5), "22"),
        ((9, 1), " a "),
        ((9, 1), "b=c"),
        ((0, 32), ""),
    ]


@pytest.mark.parametrize(
    "lines, problem",
    [
        ("[radius_attributes]\nUser-Password=" + HIDDEN, "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Port=" + HIDDEN, "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Portt=1", "[radius_attributes] line 5: "),
        ("[radius_attributes]\n = 1", "[radius_attributes] line 5: expected `Name = value`"),
        ("[radius_attributes]\nNAS-Identifier={otp}", "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Identifier={", "[radius_attributes] line 5: "),
        ("[radius_dictionary]\nOwn=string", "[radius_dictionary] line 5: "),
        ("[gateway_groups]\nattribute=Filter", "[gateway_groups] attribute: "),
        ("[gateway_groups]\nattribute=Class\npattern=[", "[gateway_groups] pattern: not a regular expression"),
        ("[gateway_groups]\nseparator=,", "[gateway_groups] separator: needs [gateway_groups] attribute"),
        ("[gateway_groups]\nattribute=Class\n[gateway_groups map]\na=", "[gateway_groups map] line 7: expected"),
        ("[accounting]\nserver=a:1813", "[accounting] server: the port has an option of its own"),
        ("[accounting]\ntimeout=31", "[accounting] timeout: expected seconds from 0.1 to 30"),
        ("[lockout]\nmax_failures=-1", "[lockout] max_failures: expected a whole number"),
        ("[lockout]\nby=users", "[lockout] by: expected one of user, client, both; did you mean user?"),
        ("[messages]\nlocked={name}", "[messages] locked: unknown placeholder; expected {reason}, {minutes}"),
        ("[messages]\nserver_gone={left}", "[messages] server_gone: unknown placeholder; expected none"),
        ("[messages]\nretry=}", "[messages] retry: a brace stands alone"),
        ("[username]\nstrip_realm=perhaps", "[username] strip_realm: expected yes or no"),
        ("[radius_2]\nstrip_domain=perhaps", "[radius_2] strip_domain: expected yes or no"),
        ("[auth]\nserialize_user=1", "[auth] serialize_user: expected yes or no"),
    ],
)
def test_wrong_values_are_named_and_never_quoted(lines: str, problem: str) -> None:
    checked = check(LEAST + lines + "\n")
    assert checked.settings is None
    (error,) = checked.errors
    assert error.startswith(problem)
    assert HIDDEN not in error


def test_accounting_goes_to_the_servers_of_radius() -> None:
    text = LEAST + "[radius_2]\nserver=b\nport=1645\nsource_ip=192.0.2.1\nstrip_realm=yes\n[accounting]\nenabled=yes\n"
    accounting = valid(text).accounting
    assert accounting is not None
    assert [(each.section, each.server, each.port, each.source_ip) for each in accounting.servers] == [
        ("radius", "radius.example.com", 1813, ""),
        ("radius_2", "b", 1813, "192.0.2.1"),
    ]
    # They share the time that a login may wait, and no option of a login's changes that.
    assert accounting.timeout == 2.0 and [each.bound for each in accounting.servers] == [0.9, 0.9]
    assert {each.secret.reveal() for each in accounting.servers} == {"xyzzy5461"}


def test_what_default_says_of_servers_is_of_logins() -> None:
    text = "[DEFAULT]\nserver=d\nport=1645\nsecret=other\n[radius]\nserver=a\n[accounting]\nenabled=yes\n"
    accounting = valid(text).accounting
    assert accounting is not None
    assert [(each.server, each.port, each.secret.reveal()) for each in accounting.servers] == [("a", 1813, "other")]


def test_accounting_servers_of_their_own() -> None:
    text = LEAST + "conn_timeout=40\n[accounting]\nenabled=yes\nserver=a\nport=1646\ntimeout=3\n"
    text += "[accounting_3]\nserver=c\n[accounting_2]\nserver=b\nsecret=other\nport=1\n"
    accounting = valid(text).accounting
    assert accounting is not None
    assert [(each.section, each.server, each.port, each.secret.reveal()) for each in accounting.servers] == [
        ("accounting", "a", 1646, "xyzzy5461"),
        ("accounting_2", "b", 1, "other"),
        ("accounting_3", "c", 1646, "xyzzy5461"),
    ]
    assert [round(each.bound, 9) for each in accounting.servers] == [0.9, 0.9, 0.9]


@pytest.mark.parametrize(
    "by, by_user, by_client", [("user", True, False), ("client", False, True), ("both", True, True)]
)
def test_lockout(by: str, by_user: bool, by_client: bool) -> None:
    text = LEAST + "[lockout]\nmax_failures=5\nduration=60\nby=" + by + "\n"
    assert valid(text).lockout == Rules(5, 600.0, 60.0, by_user, by_client)


def test_names_are_as_the_server_or_radius_or_username_says() -> None:
    text = LEAST + "add_prefix=p\\\n[radius_2]\nserver=b\nstrip_realm=no\nadd_suffix=@2\n[radius_3]\nserver=c\n"
    text += "[username]\nstrip_realm=yes\nstrip_domain=yes\nadd_prefix=u\nadd_suffix=@u\n"
    assert [server.names for server in valid(text).servers] == [
        NameRules(True, True, "p\\", "@u"),
        NameRules(False, True, "p\\", "@2"),
        NameRules(True, True, "p\\", "@u"),
    ]


def test_messages_are_kept_where_they_differ() -> None:
    text = LEAST + "[messages]\nrejected=Nein: {reason}\nretry=Authentication failed. {attempts} left.\nno-reply=Ä{{\n"
    assert valid(text).messages == {"rejected": "Nein: {reason}", "no-reply": "Ä{{"}


def test_break_glass_names_keep_their_case() -> None:
    assert valid(LEAST + "[auth]\nbypass_when_unreachable= Root,  a b,\n").auth.bypass_when_unreachable == (
        "Root",
        "a b",
    )


def test_cache_beside_groups_is_a_warning() -> None:
    text = LEAST + "[gateway_groups]\nattribute=Class\n[authentication_cache]\nreuse_limit=1\n"
    assert check(text).warnings == [
        "[authentication_cache] reuse_limit: has no effect with [gateway_groups]: it keeps no groups"
    ]


@pytest.mark.parametrize(
    "rules, name, sent",
    [
        (NameRules(), "CORP\\alice@x", "CORP\\alice@x"),
        (NameRules(strip_realm=True), "alice@x@y", "alice@x"),
        (NameRules(strip_domain=True), "A\\B\\alice", "B\\alice"),
        (NameRules(True, True, "<", ">"), "CORP\\alice@x", "<alice>"),
        (NameRules(True, True), "@x", "@x"),
        (NameRules(True, True), "CORP\\", "CORP\\"),
        (NameRules(True, True), "alice", "alice"),
    ],
)
def test_names_that_are_sent(rules: NameRules, name: str, sent: str) -> None:
    assert radius_name(rules, name) == sent


# Lines


def test_places_of_everything() -> None:
    text = (
        "; radius\n[radius]\nserver=a\n\nSecret : x\n  port=1\n# port\nport = 2\n[challenge_answers]\n[x]=y\nport=3\n"
        "[auth]\nprompt=\n\t= z\nmax_attempts\n[radius]\nport=4\ndead_time=1\n"
    )
    found = places(text)
    assert found == {
        ("radius", ""): 2,
        ("radius", "server"): 3,
        ("radius", "secret"): 5,
        ("radius", "port"): 8,
        ("radius", "dead_time"): 18,
        ("challenge_answers", ""): 9,
        ("auth", ""): 12,
        ("auth", "prompt"): 13,
    }


@pytest.mark.parametrize(
    "section, option, line",
    [
        ("radius", "port", 3),
        ("radius", "secret", 2),  # is missing
        ("auth", "prompt", 5),  # from [DEFAULT]
        ("username", "x", 0),
        ("", "line 7", 7),
        ("challenge_answers", "line 12", 12),
        ("", "", 0),
    ],
)
def test_line_of_a_problem(section: str, option: str, line: int) -> None:
    found = places("\n[radius]\nport=1\n[DEFAULT]\nprompt=x\n[auth]\n")
    assert line_of(Problem(True, section, option, "is wrong"), found) == line


INI_LINES = st.sampled_from(
    [
        "[radius]",
        "[auth] ; x",
        " [DEFAULT]",
        "server=a",
        "  server=b",
        "port: 1",
        "\tport=2",
        "# x=1",
        ";y=2",
        "",
        "   ",
    ]
    + ["prompt", "Prompt = x = y", "dead time = 1", "\u00a0port=3", "a=b\r"]
)


@given(st.lists(INI_LINES, max_size=15))
def test_places_are_where_configparser_finds_things(lines: List[str]) -> None:
    text = "[radius]\n" + "\n".join(lines)
    parser = configparser.ConfigParser(default_section="no such", strict=False)
    try:
        parser.read_string(text)
    except configparser.ParsingError:
        reject()
    expected = {(section, "") for section in parser.sections()}
    expected |= {(section, name) for section in parser.sections() for name in parser.options(section)}
    found = places(text)
    assert set(found) == expected
    for (section, name), number in found.items():
        assert text.split("\n")[number - 1].strip().lower().startswith(name or "[" + section.lower() + "]")
