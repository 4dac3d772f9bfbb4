"""The declared options: their defaults, what is missing or unknown, and their table in the documents."""

import re
from typing import Sequence

from lib.config.model import AuthSettings, NameRules, Settings, UsernameSettings
from lib.config.option import Option
from lib.config.options import SECTIONS
from lib.radius.server import ServerSettings
from lib.secret import Secret
from tests.support.configuration import HIDDEN, MINIMAL, Store, check, valid, with_option
from tools.documents import markdown_table


def options(section: str) -> Sequence[Option]:
    """Return the declared options of a section."""
    return next(declared.options for declared in SECTIONS if declared.name == section)


def test_defaults() -> None:
    assert valid(MINIMAL) == Settings(
        servers=(
            ServerSettings(
                "radius",
                "radius.example.com",
                1812,
                Secret("xyzzy5461"),
                "pap",
                5.0,
                3,
                2.0,
                True,
                "",
                "status-server",
                3.0,
                3.0,
                3.0,
            ),
        ),
        total_timeout=150.0,
        dead_time=120.0,
        auth=AuthSettings(
            "Type a code, or press Enter for push, then approve it on your device:",
            True,
            ("rdp", "ssh", "telnet"),
            Secret(""),
            3,
            10,
        ),
        username=UsernameSettings("User name (typing is hidden):", True, False),
        challenge_answers=(),
        name_rules={"radius": NameRules()},
    )


def test_sections_without_their_main_option_are_turned_off() -> None:
    settings = valid(MINIMAL + "[gateway_groups]\n[radius_attributes]\n[accounting]\ntimeout=1\n[lockout]\nwindow=60\n")
    assert (settings.groups, settings.attributes, settings.accounting, settings.lockout) == (None, (), None, None)
    assert settings.messages == {}


# Missing and unknown


def test_all_errors_are_reported_at_once() -> None:
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
conn_retries=-1
[challenge_answers]
push
( = 1
[authentication_cache]
reuse_limit=x
"""
    checked = check(text)
    assert checked.settings is None
    expected = [
        "line 1: is before the first [section]",
        "line 4: is not `option = value`",
        "[radius] server: is missing",
        "[radius] secret: is missing",
        "[radius] port: expected a whole number from 1 to 65535, found a smaller number",
        "[radius] auth_type: expected one of pap, chap, mschapv2, ttls-pap, ttls-mschapv2, peap-mschapv2"
        "; did you mean mschapv2?",
        "[radius] conn_timeout: expected seconds from 0.1 to 280, found text",
        "[radius_2] conn_retries: expected a whole number from 1 to 30, found a smaller number",
        "[auth] max_attempts: expected a whole number from 1 to 100, found a smaller number",
        "[username] allow_override: expected yes or no",
        "[challenge_answers] line 14: expected `pattern = answer`",
        "[authentication_cache] reuse_limit: expected a whole number from -1 to 1000000, found text",
    ]
    assert [error for error in expected if checked.errors.count(error) != 1] == []
    assert any(
        error.startswith("[challenge_answers] line 15: invalid regular expression: ") for error in checked.errors
    )


def test_required_options_that_are_missing() -> None:
    missing = {"[radius] server: is missing", "[radius] secret: is missing"}
    texts = ["", "\n\n", "[auth]\n", "[radius]\n", "; server=x\n", "[DEFAULT]\n", "\ufeff", "[radius_2]\n"]
    assert [text for text in texts if not missing <= set(check(text).errors)] == []


def test_required_options_that_are_empty() -> None:
    assert check("[radius]\nserver=\nsecret =  \n").errors == ["[radius] server: is empty", "[radius] secret: is empty"]


def test_unknown_options_are_warnings_that_suggest_the_right_name() -> None:
    wrong = []
    for section, option, advice in (
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
    ):
        settings, _, warnings = check(with_option(section, option, HIDDEN))
        if settings is None or warnings != [f"[{section}] {option}: unknown option{advice}"]:
            wrong.append((section, option, warnings))
    assert wrong == []


def test_names_of_previews_are_unknown_and_the_current_name_is_suggested() -> None:
    wrong = []
    for section, option, name, strict in (
        ("radius", "failover_after", "status_check_after or connect_timeout", False),
        ("radius_2", "failover_after", "status_check_after or connect_timeout", False),
        ("accounting", "failover_after", "status_check_after or connect_timeout in [radius]", True),
        ("accounting_2", "failover_after", "status_check_after or connect_timeout in [radius]", False),
        ("gateway_groups", "require_any", "required_groups", True),
        ("lockout", "by", "scope", True),
        ("messages", "server-unproved", "mutual-auth-failed", False),
        ("messages", "user-busy", "login-in-progress", False),
        ("messages", "too-many-rounds", "too-many-challenges", False),
        ("messages", "port-closed", "connection-refused", False),
    ):
        _, errors, warnings = check(with_option(section, option, "1"))
        expected = [f"[{section}] {option}: unknown option; use {name} instead"]
        if (errors if strict else warnings) != expected or (warnings if strict else errors):
            wrong.append((section, option, errors, warnings))
    assert wrong == []


def test_unknown_sections_are_warnings_that_suggest_the_right_name() -> None:
    wrong = []
    for section, advice in (
        ("raduis", "; did you mean radius?"),
        ("username_transfrom", "; did you mean username_transform?"),
        ("challenge_answer", "; did you mean challenge_answers?"),
        ("something else", ""),
        ("cache", ""),
        ("ldap", "; did you mean ldap_server?"),
        ("RADIUS", "; did you mean radius?"),
        ("Auth", "; did you mean auth?"),
        ("USERNAME", "; did you mean username?"),
    ):
        for option in ("", f"secret = {HIDDEN}\n"):
            settings, _, warnings = check(MINIMAL + f"[{section}]\n" + option)
            if settings is None or warnings != [f"[{section}]: unknown section{advice}"]:
                wrong.append((section, option, warnings))
    assert wrong == []


def test_a_misspelled_section_that_decides_who_is_admitted_never_goes_unnoticed() -> None:
    names = {
        "gateway_groups": ["gateway_group", "Gateway_Groups", "gateway-groups", "gatewaygroups", "gateway", "groups"],
        "gateway_groups map": [
            "Gateway_Groups Map",
            "gateway_groups  map",
            "gateway_groups maps",
            "gateway_groups_map",
        ],
        "radius_attributes": ["radius_attribute", "Radius_Attributes", "radius-attributes", "radius_attr"],
        "lockout": [
            "Lockout",
            "LOCKOUT",
            "lockouts",
            "lock_out",
            "lock",
            " lockout ",
            "l\u043eckout",
            "lockout_by_user",
        ],
        "recovery_codes": ["recovery_code", "Recovery_Codes", "recovery codes", "recovery"],
        "connection_limit by=client_ip_gateway_user": ["connection_limit", "Connection_Limit", "connection_limits"]
        + ["connection_limit by=client_ip", "connection_limit by=user"],
        "authentication_cache": ["Authentication_Cache", "authentication-cache", "authentication_caches", "auth_cache"],
        "whitelist source=user_list": ["whitelist", "Whitelist", "whitelists", "whitelist source=userlist"]
        + ["Whitelist source=user_list", "whitelist source=file"],
        "whitelist source=ldap_server_group": ["whitelist source=ldap_server_groups", "whitelist source=ldap_group"],
    }
    wrong = []
    for meant, misspelled in names.items():
        for section in misspelled:
            problem = f"[{section}]: unknown section; did you mean {meant}?"
            settings, errors, _ = check(MINIMAL + f"[{section}]\nname = {HIDDEN}\n")
            if settings or errors != [problem]:
                wrong.append((section, errors))
            bare = check(MINIMAL + f"[DEFAULT]\nname=x\n[{section}]\n; name = x\n")  # it does nothing
            if bare.settings is None or bare.warnings != [problem]:
                wrong.append((section, bare.warnings))
    assert wrong == []


def test_a_misspelled_option_that_decides_who_is_admitted_never_goes_unnoticed() -> None:
    for section, option in (
        ("connection_limit by=client_ip_gateway_user", "limits"),
        ("authentication_cache", "reuse_limits"),
        ("whitelist source=user_list", "names"),
        ("whitelist source=ldap_server_group", "exempt"),
    ):
        errors = check(with_option(section, option, HIDDEN)).errors
        assert [error.partition(";")[0] for error in errors] == [f"[{section}] {option}: unknown option"]


def test_numbered_sections_need_a_number() -> None:
    # An admin who copies [radius_N] from the table would have no second server and not notice.
    names = ["radius_N", "question_N", "radius_0", "radius_01", "radius_x", "radius_-1", "radius_2 ", "question_"]
    wrong = []
    for section in names + ["radius2"]:
        settings, _, warnings = check(MINIMAL + f"[{section}]\nprompt=x\nserver=backup\n")
        unknown = any(warning.startswith(f"[{section}]: unknown section") for warning in warnings)
        if settings is None or len(settings.servers) != 1 or not unknown:
            wrong.append((section, warnings))
    assert wrong == []


# What is shown


def test_settings_show_no_secret() -> None:
    store = Store({("radius_3", "secret"): HIDDEN + "3"})
    text = f"""\
[radius]
server=a
secret={HIDDEN}1
[radius_2]
secret={HIDDEN}2
[radius_3]
secret=$
[auth]
push_password={HIDDEN}4
[challenge_answers]
Menu = {HIDDEN}5
"""
    settings = valid(text, store)
    assert [server.secret.reveal() for server in settings.servers] == [HIDDEN + number for number in "123"]
    for shown in (repr(settings), str(settings), f"{settings!r}", "%s" % (settings,)):
        assert HIDDEN not in shown
        assert shown.count("<secret>") == 5


def test_table_has_every_option() -> None:
    rows = markdown_table().splitlines()
    assert rows[0] == "| Section | Option | Default | Values | Meaning |"
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert {len(row) for row in cells} == {5}
    assert all(not row.endswith("\\") and row.startswith("| ") and row.endswith(" |") for row in rows)
    expected = []
    for section in SECTIONS:
        expected += [[f"`[{section.name}]`", "*your own*"]] if section.open else []
        if section.first:
            names = [option.name for option in section.options]
            expected.append([f"`[{section.name}]`", f"`{names[0]}` to `{names[-1]}`"])
            assert section.options == options(section.first)[-len(section.options) :] or section.first == "radius"
        else:
            expected += [[f"`[{section.name}]`", f"`{option.name}`"] for option in section.options]
    assert [row[:2] for row in cells[2:]] == expected
    by_name = {(row[0], row[1]): row[2:] for row in cells}
    assert by_name["`[radius]`", "`secret`"][0] == "**required**, with tls `radsec`"
    assert by_name["`[radius]`", "`port`"][:2] == ["`1812`, with tls `2083`", "a whole number from 1 to 65535"]
    assert by_name["`[radius_N]`", "`server` to `add_suffix`"][0] == "those of `[radius]`"
    assert by_name["`[auth]`", "`disable_echo`"][:2] == ["`yes`", "yes, no"]
    assert by_name["`[auth]`", "`push_password`"][0] == ""
    assert all(row[4] for row in cells) and markdown_table().endswith(" |\n")


def test_prompt_for_a_visible_name_does_not_say_that_it_is_hidden() -> None:
    visible = MINIMAL + "[username]\ndisable_echo=no\n"
    assert valid(visible).username == UsernameSettings("User name:", False, False)
    assert valid(visible + "prompt=Name (hidden):\n").username.prompt == "Name (hidden):"
    assert valid(MINIMAL + "[username]\nprompt=Name:\n").username.prompt == "Name:"
