"""Configurations as people write them: each mistake is said, with its place, and never with the value."""

import re
from typing import List

from lib.cli import check
from lib.config.ini import parse_ini
from lib.config.sdk_sections import relies_on_names
from tests.support import configuration
from tests.support.cases import for_each
from tests.support.configuration import HIDDEN, MINIMAL, Store, valid
from tests.support.doubtful import DOUBTFUL, LEAST, QUOTES


def found(text: str) -> List[str]:
    """Return the errors and warnings of `check`, one line each, without the name of the file."""
    lines = check.report("file", check.findings(text))[:-1]
    return [line[len("file:") :] for line in lines if ": note: " not in line]


@for_each(DOUBTFUL)
def test_every_mistake_is_said_with_its_place(name: str) -> None:
    text, expected = DOUBTFUL[name]
    assert found(text) == expected


@for_each(DOUBTFUL)
def test_the_log_says_what_check_says(name: str) -> None:
    text, expected = DOUBTFUL[name]
    checked = configuration.check(text, lambda section, option: HIDDEN)
    logged = {re.sub(r" line [0-9]+:", ":", problem) for problem in checked.errors + checked.warnings}
    assert logged == {re.sub(r"^[0-9:]+ (warning|error): ", "", line) for line in expected}


def test_places_in_a_line() -> None:
    for line, column in (
        ('prompt="x"', 8),
        ('prompt : "x"', 10),
        ('  prompt\t=\t"x"', 12),
        ('prompt="x"\r', 8),
        ('PROMPT="50%"', 8),
    ):
        assert found(LEAST + "[auth]\n" + line + "\n") == [f"5:{column}: warning: [auth] prompt: {QUOTES}"], line
    defaults = "[DEFAULT]\nprompt='x'\n" + LEAST + "[auth]\n"
    assert found(defaults) == [f"2:8: warning: [auth] prompt: {QUOTES}"]


def test_secrets_in_the_credential_store() -> None:
    white_space = "begins or ends with white space ({})"
    for stored, secret, doubts in (
        ("secret", "secret", []),
        ("secret\n", "secret", []),
        ("secret\r\n\r\n", "secret", []),
        ("secret\r", "secret\r", [white_space.format("U+000D")]),
        ("secret ", "secret ", [white_space.format("U+0020")]),
        (" secret\n", " secret", [white_space.format("U+0020")]),
        ("secret\xa0", "secret\xa0", [white_space.format("U+00A0")]),
        ("secret\u200b", "secret\u200b", ["contains the invisible character U+200B"]),
        ("\ufeffsecret\n", "\ufeffsecret", ["contains the invisible character U+FEFF"]),
        ('"secret"', '"secret"', [QUOTES]),
    ):
        for section, option in (("radius", "secret"), ("auth", "push_password"), ("radius_2", "secret")):
            text = "[radius]\nserver=a\nsecret=x\n[radius_2]\nserver=b\n"
            text = text.replace("x", "$") if section == "radius" else text + f"[{section}]\n" * (section == "auth")
            text += f"{option}=$\n" if section != "radius" else ""
            store = Store({(section, option): stored})
            checked = configuration.check(text, store)
            assert checked.errors == [] and checked.settings is not None
            assert checked.warnings == [f"[{section}] {option}: {doubt}" for doubt in doubts], (section, stored)
            values = {
                "radius": checked.settings.servers[0].secret,
                "auth": checked.settings.auth.push_password,
                "radius_2": checked.settings.servers[1].secret,
            }
            assert values[section].reveal() == secret


def test_lists_are_read_as_csv() -> None:
    for value, expected in (
        ("a, b,,", ("a", "b")),
        ('"vpn admins"', ("vpn admins",)),
        ('"CN=vpn,OU=x" , ops', ("CN=vpn,OU=x", "ops")),
        ('"say ""x"", y",z', ('say "x", y', "z")),
        ('5" disk, x', ('5" disk', "x")),
    ):
        settings = valid(MINIMAL + "[gateway_groups]\nattribute=Class\nrequired_groups=" + value + "\n")
        assert settings.groups is not None and settings.groups.required_groups == expected
    settings = valid(MINIMAL + '[gateway_groups]\nattribute="Class", Filter-Id\n[auth]\ninteractive_protocols="SSH"\n')
    assert settings.groups is not None and settings.groups.attributes == ((0, 25), (0, 11))
    assert settings.auth.interactive_protocols == ("ssh",)


def test_waits_of_the_vendor_s_plugin_are_capped() -> None:
    (server,) = configuration.check(MINIMAL + "conn_retries=50\nconn_timeout=600\n").settings.servers  # type: ignore[union-attr]
    assert (server.conn_retries, server.conn_timeout) == (30, 280.0)
    assert (type(server.conn_retries), type(server.conn_timeout)) == (int, float)


def test_who_relies_on_names() -> None:
    groups = "[whitelist source=ldap_server_group]\nallow=no_user\nexcept=admins\n"
    for text, expected in (
        ("", False),
        ("[authentication_cache]\nsoft_timeout=15\nhard_timeout=90\nreuse_limit=0\n", False),
        ("[authentication_cache]\nsoft_timeout=15\n", False),
        ("[authentication_cache]\nreuse_limit=00\n", False),
        ("[authentication_cache]\nreuse_limit=1\n", True),
        ("[authentication_cache]\nreuse_limit=-1\n", True),
        ("[whitelist source=user_list]\n", False),
        ("[whitelist source=user_list]\nname=x\n", True),
        (groups, False),
        (groups + "[ldap_server]\nname=x\n", True),
        (groups.replace("except=admins\n", "") + "[ldap_server]\nname=x\n", False),
    ):
        assert relies_on_names(parse_ini(MINIMAL + text)) is expected, text


def test_how_answers_are_divided_and_matched() -> None:
    text = MINIMAL + "[challenge_answers]\n1=Push = 1\nPush=1=2\n^Menu:$ = 3\n"
    answers = valid(text).challenge_answers
    assert [(each.pattern.pattern, each.answer.reveal()) for each in answers] == [
        ("1=Push", "1"),
        ("Push", "1=2"),
        ("^Menu:$", "3"),
    ]
    assert answers[2].pattern.search("Welcome\nmenu:\nchoose") and not answers[2].pattern.search("a menu: b")
