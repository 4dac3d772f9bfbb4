"""Configurations of the vendor's plugin, and the sections of the SDK: the SDK reads the values that we read."""

import configparser

import pytest
from hypothesis import given
from safeguard.sessions.plugin import PluginConfiguration
from safeguard.sessions.plugin.exceptions import PluginSDKValueError

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.model import AuthSettings
from lib.config.options import SECTIONS
from lib.config.sdk_sections import sdk_text
from lib.radius.server import ServerSettings
from lib.secret import Secret
from tests.support.configuration import HIDDEN, MINIMAL, check, empty_store, store_of, valid, with_option
from tests.support.ini_texts import FILES, OUR_SECTIONS, SDK_SECTIONS, VERBATIM, ini_texts

# The vendor's plugin


def test_options_of_the_vendor_s_plugin_have_their_defaults() -> None:
    # Where the vendor names none, that of the SDK's code.
    expected = {
        ("radius", "server"): "",
        ("radius", "port"): "1812",
        ("radius", "secret"): "",
        ("radius", "auth_type"): "pap",
        ("radius", "conn_retries"): "3",
        ("radius", "conn_timeout"): "5",
        ("radius", "dictionary_path"): "",
        # The vendor's, "Press Enter for push notification or type one-time password:", leaves out what follows a push.
        ("auth", "prompt"): "Type a code, or press Enter for push, then approve it on your device:",
        ("auth", "disable_echo"): "yes",  # the vendor's is no; passwords are better hidden
        ("auth", "interactive_protocols"): "rdp,ssh,telnet",
        ("connection_limit by=client_ip_gateway_user", "limit"): "0",
        ("authentication_cache", "soft_timeout"): "15",
        ("authentication_cache", "hard_timeout"): "90",
        ("authentication_cache", "reuse_limit"): "0",
        ("authentication_cache", "cache_dir"): "auth_cache",
        ("whitelist source=user_list", "name"): "",
        ("whitelist source=ldap_server_group", "allow"): "",
        ("whitelist source=ldap_server_group", "except"): "",
        ("usermapping source=ldap_server", "user_attribute"): "",
        ("username_transform", "append_domain"): "",
        ("ldap_server", "name"): "",
        ("credential_store", "name"): "",
        ("logging", "log_level"): "info",
        ("logging", "destination"): "stderr",
        ("https-proxy", "enabled"): "",
        ("https-proxy", "server"): "",
        ("https-proxy", "port"): "",
        ("https-proxy", "username"): "",
        ("https-proxy", "password"): "",
        ("question_N", "prompt"): "",
        ("question_N", "key"): "",
        ("question_N", "disable_echo"): "yes",
        ("ignore_upn_suffix_for_rdp", "ignore"): "true",
    }
    declared = {(section.name, option.name): option.default for section in SECTIONS for option in section.options}
    assert {place: declared.get(place) for place in expected} == expected


def test_a_configuration_of_the_vendor_s_plugin_is_valid() -> None:
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
    settings = valid(text, store_of("from the store"))
    assert settings.servers == (
        ServerSettings(
            "radius",
            "192.0.2.1",
            1645,
            Secret("from the store"),
            "chap",
            10.0,
            5,
            2.0,
            True,
            "",
            "status-server",
            3.0,
            3.0,
            3.0,
        ),
    )
    assert settings.auth == AuthSettings("Code:", False, ("ssh", "rdp"), Secret(""), 3, 10)
    assert check(MINIMAL + "dictionary_path=/opt/dictionary\n").warnings == [
        "[radius] dictionary_path: has no effect: the dictionary is built into the plugin"
    ]


# What the SDK reads

OTHERS = ["authentication_cache", "logging", "connection_limit by=client_ip_gateway_user", "ignore_upn_suffix_for_rdp"]


@given(ini_texts(OUR_SECTIONS + SDK_SECTIONS + OTHERS))
def test_the_sdk_reads_the_values_of_its_sections_and_no_others(text: str) -> None:
    ini = parse_ini(text)
    _, problems = build(ini, empty_store)
    wrong = {(problem.section, problem.option) for problem in problems if problem.error}
    parser = PluginConfiguration(sdk_text(ini)).parser
    assert set(parser.sections()) == set(ini.sections) & set(SDK_SECTIONS + OTHERS)
    for section in parser.sections():
        for name, value in ini.sections[section].items():
            # INI text cannot express every result of interpolation; [DEFAULT] has a test of its own.
            expressible = all(line == line.strip() and line[:1] not in ("#", ";") for line in value.split("\n")[1:])
            expressible &= value == value.strip() and value.split("\n")[0] == value.split("\n")[0].strip()
            if expressible and name not in ini.from_default[section] and (section, name) not in wrong:
                assert parser.get(section, name) == value


@given(FILES)
def test_sdk_can_read_the_rest_of_any_text(text: str) -> None:
    sdk = PluginConfiguration(sdk_text(parse_ini(text)))
    for section in sdk.parser.sections():
        for name in sdk.get_options(section):
            sdk.parser.get(section, name)


def test_the_sdk_reads_the_same_values_as_without_us() -> None:
    values = VERBATIM + ["a%%b", "$$", "%(key)s"]
    wrong = []
    for section, option, more in (("question_1", "prompt", []), ("usermapping source=explicit", "alice", ["$"])):
        for value in values + more:
            text = f"{MINIMAL}[{section}]\nkey=k\n{option} = {value}\n"
            ini = parse_ini(text)
            ours = ini.sections[section][option]
            through_us = PluginConfiguration(sdk_text(ini)).parser.get(section, option)
            try:
                without_us = PluginConfiguration(text).parser.get(section, option)
            except configparser.Error:
                without_us = ours
            if not ours == through_us == without_us:
                wrong.append((section, value, ours, through_us, without_us))
    assert wrong == []


def test_the_sdk_keeps_quotes_around_white_space() -> None:
    wrong = []
    for value in ('" Ticket:"', '"Ticket: "', '" "'):
        ini = parse_ini(MINIMAL + "[question_1]\nkey=k\nprompt=" + value + "\n")
        found = PluginConfiguration(sdk_text(ini)).get("question_1", "prompt")
        if found != ini.sections["question_1"]["prompt"]:
            wrong.append((value, found))
    assert wrong == []


def test_values_that_the_sdk_would_reject_are_errors_and_left_out() -> None:
    wrong = []
    for section, option, values in (
        ("connection_limit by=client_ip_gateway_user", "limit", ["x", "1.5", "", "$$"]),
        ("authentication_cache", "soft_timeout", ["x", "", "$$"]),
        ("authentication_cache", "reuse_limit", ["x", "$$"]),
        ("logging", "log_level", ["loud", "$$"]),
        ("question_1", "disable_echo", ["maybe", "$$"]),
        ("whitelist source=ldap_server_group", "allow", ["some", "$$"]),
    ):
        for value in values:
            text = with_option(section, option, value)
            errors = check(text).errors
            left = PluginConfiguration(sdk_text(parse_ini(text))).get(section, option)
            if [error.split(":")[0] for error in errors] != [f"[{section}] {option}"] or left is not None:
                wrong.append((section, option, value, errors, left))
    assert wrong == []
    with pytest.raises(PluginSDKValueError):
        PluginConfiguration(with_option("question_1", "disable_echo", "maybe")).getboolean("question_1", "disable_echo")


def test_true_in_capitals_is_true_for_the_sdk_or_reported() -> None:
    # The SDK compares with `true` in lower case only and would take these for false.
    wrong = []
    for value in ("True", "TRUE", "tRue"):
        text = with_option("ignore_upn_suffix_for_rdp", "ignore", value)
        checked = check(text)
        found = PluginConfiguration(sdk_text(parse_ini(text))).get("ignore_upn_suffix_for_rdp", "ignore")
        if found != "true" and not checked.errors + checked.warnings:
            wrong.append((value, found))
    assert wrong == []


def test_the_sdk_gets_none_of_our_sections() -> None:
    text = """\
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
"""
    for_sdk = sdk_text(parse_ini(MINIMAL.replace("xyzzy5461", HIDDEN) + text.format(HIDDEN)))
    assert HIDDEN not in for_sdk
    assert PluginConfiguration(for_sdk).parser.sections() == ["credential_store", "logging"]


def test_the_sdk_gets_no_secret_from_the_default_section() -> None:
    text = f"[DEFAULT]\nsecret={HIDDEN}\nlog_level=debug\n[radius]\nserver=a\n[logging]\n[credential_store]\n"
    for_sdk = sdk_text(parse_ini(text))
    assert PluginConfiguration(for_sdk).get("logging", "log_level") == "debug"
    assert HIDDEN not in for_sdk


# What the SDK would ignore without a word


def test_sections_that_need_the_ldap_server() -> None:
    section = "whitelist source=ldap_server_group"
    text = MINIMAL + f"[{section}]\nallow=no_user\nexcept=admins\n"
    assert check(text).warnings == [f"[{section}]: has no effect without [ldap_server] name"]
    valid(text + "[ldap_server]\nname=directory\n")
    mapping = MINIMAL + "[usermapping source=ldap_server]\nuser_attribute=mail\n[ldap_server]\nname=\n"
    assert check(mapping).warnings == ["[usermapping source=ldap_server]: has no effect without [ldap_server] name"]


NOT_STORED = "cannot come from the Credential Store; write $$ for a dollar sign"


def test_the_sdk_never_has_a_stored_password() -> None:
    # It shows values in its errors and in its log.
    wrong = []
    for each in SECTIONS:
        section = each.name.replace("_N", "_1")
        names = [option.name for option in each.options if not option.ignored]
        for name in names if each.sdk else ():
            lines = f"[{section}]\n{name}=$\n"
            defaults = f"[DEFAULT]\n{name}=$\n[{section}]\n"
            for text in (lines, "[DEFAULT]\nx=$\n" + lines.replace("$", "%(x)s"), defaults):
                ini = parse_ini(MINIMAL + "[credential_store]\nname=store\n" * (name != "name") + text)
                errors = [str(problem) for problem in build(ini, store_of(HIDDEN))[1] if problem.error]
                if f"[{section}] {name}: {NOT_STORED}" not in errors or "$" in sdk_text(ini):
                    wrong.append((text, errors, sdk_text(ini)))
    assert wrong == []


def test_sections_that_the_sdk_would_ignore_are_errors() -> None:
    group = "[ldap_server]\nname=directory\n[whitelist source=ldap_server_group]\nallow=no_user\n"
    wrong = []
    for sections, expected in (
        ("[logging]\nlog_level=$\n", "[logging] log_level: " + NOT_STORED),
        ("[logging]\ndestination=$\n", "[logging] destination: " + NOT_STORED),
        ("[whitelist source=user_list]\nname=\n", "[whitelist source=user_list] name: is empty"),
        (group + "except=\n", "[whitelist source=ldap_server_group] except: is empty: it lists the LDAP groups"),
        ("[question_1]\nkey=\nprompt=Ticket:\n", "[question_1] key: is empty"),
        *(
            (
                f"[question_1]\nkey={key}\nprompt=a\n",
                "[question_1] key: is reserved for the answer to a prompt; choose another key",
            )
            for key in ("otp", "otp12", "typed_username", "typed_username2", "recovery", "rp", "radius_password")
        ),
    ):
        _, errors, warnings = check(MINIMAL + sections)
        if errors != [expected] or warnings:
            wrong.append((sections, errors, warnings))
    assert wrong == []


def test_sections_that_the_sdk_ignores_are_warnings() -> None:
    question = "[question_{0}]\nkey={1}\nprompt={0}\n"
    group, mapping = "[whitelist source=ldap_server_group]", "[usermapping source=ldap_server]"
    directory = "[ldap_server]\nname=directory\n"
    for sections, expected in (
        (group + "\nallow=all_users\n" + directory, [group + ": has no effect without except"]),
        (group + "\nexcept=admins\n" + directory, [group + ": has no effect without allow"]),
        (mapping + "\nuser_attribute=mail\n", [mapping + ": has no effect without [ldap_server] name"]),
        ("[question_1]\nprompt=Ticket:\n", ["[question_1]: is never asked: key is missing"]),
        ("[question_1]\nkey=ticket\n", ["[question_1]: is never asked: prompt is missing"]),
        (question.format(2, "b"), ["[question_2]: is never asked: there is no [question_1]"]),
        (
            question.format(1, "a") + question.format(3, "b"),
            ["[question_3]: is never asked: there is no [question_2]"],
        ),
        (
            question.format(1, "a") + question.format(2, "a"),
            ["[question_2]: is never asked: [question_1] has the same key"],
        ),
        (
            "[question_1]\nkey=a\n" + question.format(2, "b"),
            [
                "[question_1]: is never asked: prompt is missing",
                "[question_2]: is never asked: there is no [question_1]",
            ],
        ),
    ):
        checked = check(MINIMAL + sections)
        assert (checked.errors, checked.warnings) == ([], expected), sections


def test_a_section_header_alone_does_nothing() -> None:
    names = [section.name.replace("_N", "_2") for section in SECTIONS if section.name != "radius"]
    names += ["question_1", "https_proxy", "radius_3", "accounting_7"]
    for text in ("".join(f"[{name}]\n; x=1\n" for name in names), *(f"[{name}]\n" for name in names)):
        assert valid(MINIMAL + text) == valid(MINIMAL)
        values = PluginConfiguration(sdk_text(parse_ini(MINIMAL + text))).parser
        assert not any(values.options(section) for section in values.sections())


def test_the_suffix_stays_unless_the_word_is_true() -> None:
    for word, is_doubtful in (("true", False), ("false", False), ("no", True), ("True", True), ("", True)):
        text = MINIMAL + f"[ignore_upn_suffix_for_rdp]\nignore={word}\n"
        expected = ["[ignore_upn_suffix_for_rdp] ignore: is not `true`: the suffix stays"] * is_doubtful
        checked = check(text)
        assert (checked.errors, checked.warnings) == ([], expected)
        assert PluginConfiguration(sdk_text(parse_ini(text))).get("ignore_upn_suffix_for_rdp", "ignore") == word


def test_questions_may_be_in_any_order() -> None:
    question = "[question_{0}]\nkey=k{0}\nprompt=p\n"
    valid(MINIMAL + "".join(question.format(number) for number in (10, 2, 1, 3, 9, 8, 7, 4, 5, 6)))
