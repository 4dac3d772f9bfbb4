"""INI text: sections, values, line numbers and syntax errors, read as the SDK's ConfigParser reads them."""

import configparser
import re
import sys
from types import FrameType
from typing import List

import hypothesis.strategies as st
import pytest
from hypothesis import given, reject

from lib.config.build import build
from lib.config.ini import Problem, line_of, parse_ini
from lib.secret import Secret
from tests.support.configuration import HIDDEN, MINIMAL, check, empty_store, no_store, valid
from tests.support.ini_texts import FILES, OUR_SECTIONS, SDK_SECTIONS, VERBATIM, ini_texts

# Syntax errors


def test_malformed_lines_are_reported_by_number_and_not_quoted() -> None:
    lines = [HIDDEN, "secret " + HIDDEN, "=" + HIDDEN, ": " + HIDDEN, "[" + HIDDEN, "\\" + HIDDEN, HIDDEN + "\r"]
    wrong = []
    for line in lines + ["%(" + HIDDEN]:
        for before, number in (("", 4), ("\n", 5), ("; comment\n\n[auth]\n", 7)):
            _, errors, warnings = check(MINIMAL + before + line + "\n[username]\n")
            if errors != [f"line {number}: is not `option = value`"] or HIDDEN in repr(warnings):
                wrong.append((before, line, errors, warnings))
    assert wrong == []


def test_text_after_a_section_is_not_ignored() -> None:
    for line in (
        "[lockout] max_failures=3",
        "[lockout]max_failures=3",
        "[gateway_groups]\trequired_groups=a",
        "[auth] x",
    ):
        assert check(MINIMAL + line + "\n").errors == ["line 4: has text after [section]: it needs a line of its own"]
    for line in ("[lockout]", "[lockout] ; a comment", "[lockout]# a comment", "[lockout] \r"):
        assert check(MINIMAL + line + "\nmax_failures=3\n").errors == []


def test_text_after_a_section_is_not_a_line_of_the_section_before() -> None:
    for before in ("challenge_answers", "gateway_groups map", "radius_attributes"):
        found = check(MINIMAL + f"[{before}]\n[lockout] max_failures=3\n").errors
        assert "line 5: has text after [section]: it needs a line of its own" in found


def test_lines_before_the_first_section_are_each_reported_and_not_quoted() -> None:
    checked = check(f"secret = {HIDDEN}\n\n; comment\n{HIDDEN}\n" + MINIMAL)
    assert checked.errors == [
        "line 1: is before the first [section]",
        "line 4: is before the first [section]",
    ]


def test_a_log_file_takes_time_in_proportion_to_its_length() -> None:
    def calls(lines: int) -> int:
        """Return how many functions are called for a log file of this many lines."""
        count = 0

        def profile(frame: FrameType, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        text = "Jan 1 sshd: what is this\n" * lines + MINIMAL
        sys.setprofile(profile)
        try:
            ini = parse_ini(text)
        finally:
            sys.setprofile(None)
        assert len(ini.problems) == lines
        return count

    assert calls(2000) < 30 * calls(100)


def test_duplicate_option() -> None:
    checked = check(MINIMAL + "Secret=" + HIDDEN + "\n")
    assert checked.errors == ["[radius] secret: given twice, again in line 4"]


def test_duplicate_section() -> None:
    assert check(MINIMAL + "[auth]\n[radius]\n").errors == [
        "[radius]: given twice, again in line 5; a further server goes into [radius_2]"
    ]


def test_all_duplicates_are_reported_at_once() -> None:
    checked = check(MINIMAL + "secret=again\nport=1\nport=2\n[auth]\nprompt=a\nprompt=b\n")
    assert checked.errors == [
        "[radius] secret: given twice, again in line 4",
        "[radius] port: given twice, again in line 6",
        "[auth] prompt: given twice, again in line 9",
    ]


def test_duplicates_and_other_syntax_errors_are_reported_at_once() -> None:
    errors = check(MINIMAL + "secret=again\n[auth]\n" + HIDDEN + "\n[auth]\n[radius]\n").errors
    assert errors.count("[radius] secret: given twice, again in line 4") == 1
    assert errors.count("[auth]: given twice, again in line 7") == 1
    assert errors.count("[radius]: given twice, again in line 8; a further server goes into [radius_2]") == 1
    assert errors.count("line 6: is not `option = value`") == 1


def test_duplicate_section_of_lines() -> None:
    text = MINIMAL + "[challenge_answers]\na=1\n[auth]\n[challenge_answers]\nb=2\n"
    assert check(text).errors == ["[challenge_answers]: given twice, again in line 7"]


def test_sections_of_lines_keep_the_numbers_of_the_lines_after_them() -> None:
    text = "[challenge_answers]\na = 1\n\n" + MINIMAL + HIDDEN + "\n"
    assert check(text).errors == ["line 7: is not `option = value`"]


def test_a_duplicate_value_is_ignored_with_all_its_lines() -> None:
    pem = "\n  -----BEGIN CERTIFICATE-----\n  {}\n  -----END CERTIFICATE-----\n"
    text = "[auth]\nca_certificate=" + pem.format("AAAA") + "ca_certificate=" + pem.format("BBBB")
    ini = parse_ini("[DEFAULT]\nport=1\n" + text + "\n[DEFAULT]\nport=2\n")
    certificate = "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    assert ini.sections == {"auth": {"ca_certificate": certificate, "port": "1"}}
    assert [str(problem) for problem in ini.problems] == [
        "[auth] ca_certificate: given twice, again in line 8",
        "[DEFAULT] port: given twice, again in line 14",
    ]


def test_a_repetition_never_makes_a_finding_for_each_time() -> None:
    for text, expected in (
        ("[auth]\n" * 3, "[auth]: given 3 times, again in lines 5, 6"),
        (
            "[auth]\n" * 2000,
            "[auth]: given 2000 times, again in lines 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 and 1,989 more",
        ),
        (
            "[auth]\n" + "prompt=x\n" * 10001,
            "[auth] prompt: given 10001 times, again in lines 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 9,990 more",
        ),
    ):
        assert check(MINIMAL + text).errors == [expected]


def test_no_file_makes_endless_problems() -> None:
    for lines in ("nothing\n" * 5000, "[x{}]\n", "x{}=1\n", "[challenge_answers]\n" + "nothing\n" * 5000):
        if "{}" in lines:
            lines = "".join(lines.format(number) for number in range(5000))
        settings, errors, warnings = check(MINIMAL + lines)
        assert settings is None and len(errors + warnings) <= 101


def test_references_never_make_a_value_without_end() -> None:
    # Ten references to ten references ... to one letter: 10 ** 10 letters.
    nested = "".join("{}={}\n".format(name, f"%({after})s" * 10) for name, after in zip("abcdefghi", "bcdefghij"))
    assert check(MINIMAL + "[auth]\n" + nested + "j=x\nprompt=%(a)s\n").errors == [
        "[auth]: has too many values from [DEFAULT] and from `%(name)s`"
    ]
    big = "a={}\nprompt={}\n".format("x" * 1000, "%(a)s" * 10000)
    assert len(check(MINIMAL + "[auth]\n" + big).errors) == 1


def test_default_values_in_many_sections_never_take_endless_memory() -> None:
    defaults = "[DEFAULT]\n" + "".join(f"a{number}=1\n" for number in range(20000))
    sections = "".join(f"[radius_{number}]\n" for number in range(2, 9999))
    assert any("too many values from [DEFAULT]" in error for error in check(MINIMAL + defaults + sections).errors)


def test_a_configuration_of_any_length_is_never_read() -> None:
    assert check(MINIMAL + "#" * 2**20).errors[0] == ": is longer than 1048576 characters"
    assert check(MINIMAL + "#" * (2**20 - len(MINIMAL))).errors == []


def test_an_indented_line_never_becomes_part_of_the_value_above() -> None:
    groups = MINIMAL + "[gateway_groups]\nattribute=Class\npattern=OU=([^;]+)\n{}required_groups=admins\n"
    for text, line in (
        (groups.format(" "), 7),
        (groups.format("\t"), 7),
        (groups.format("\n ; comment\n  "), 9),
        (MINIMAL + "[auth]\nprompt=x\n [lockout]\nmax_failures=3\n", 6),
        (MINIMAL + "[auth]\nprompt=x\n [username]\n", 6),
        (MINIMAL + "[auth]\nprompt=x\n  -----BEGIN CERTIFICATE-----\n", 6),
        (MINIMAL + "[radius_2]\nca_certificate=$[list]\n  [lockout]\n", 6),
        (MINIMAL + "[radius_2]\nca_certificate=\n server=b\n", 6),
        (MINIMAL + "[usermapping source=explicit]\na=b\n c=d\n", 6),
    ):
        errors = check(text, trusted_ca=lambda name: "").errors
        expected = "line {}: is indented, so it belongs to the value above: remove the indentation, or write the value"
        assert [error for error in errors if "indented" in error] == [expected.format(line) + " on one line"], text
    assert valid(groups.format("")).groups is not None


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


def test_problems_name_their_place() -> None:
    assert str(Problem(True, "radius", "port", "is wrong")) == "[radius] port: is wrong"
    assert str(Problem(True, "radius", "", "is wrong")) == "[radius]: is wrong"
    assert str(Problem(True, "", "line 7", "is wrong")) == "line 7: is wrong"


# Values


IN_QUOTES, WITH_COMMENT = (
    "is in quotes, which are part of the value",
    "seems to end in a comment, which is part of the value",
)
DOUBTS = {
    '""': [IN_QUOTES],
    '"quoted"': [IN_QUOTES],
    "'single'": [IN_QUOTES],
    "a ; b": [WITH_COMMENT],
}
DOUBTS.update(
    (f"a{char}b", [f"contains the invisible character U+{ord(char):04X}"]) for char in "\t\xa0\x85\u2028\x0c\x1c"
)
"""The doubts about some of the secrets that are read verbatim."""


def test_secrets_are_read_verbatim() -> None:
    wrong = []
    for secret in VERBATIM:
        for line in ("secret={}", "secret = {}", "secret: {}", "SECRET =\t{}  "):
            settings, errors, warnings = check("[radius]\nserver=a\n" + line.format(secret) + "\n[auth]\n")
            found = settings.servers[0].secret.reveal() if settings else None
            if found != secret or warnings != [f"[radius] secret: {doubt}" for doubt in DOUBTS.get(secret, [])]:
                wrong.append((line, secret, found, errors, warnings))
    assert wrong == []


def test_secrets_with_interpolation_or_quotes() -> None:
    wrong = []
    for written, secret in (
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
    ):
        in_radius = check(f"[radius]\nserver=a\nsecret={written}\n")
        if in_radius.settings is None or in_radius.warnings or in_radius.settings.servers[0].secret != Secret(secret):
            wrong.append((written, in_radius))
        in_auth = check(MINIMAL + f"[DEFAULT]\nserver=a\n[auth]\npush_password = {written}\n")
        if in_auth.settings is None or in_auth.warnings or in_auth.settings.auth.push_password != Secret(secret):
            wrong.append((written, in_auth))
    assert wrong == []


def test_value_on_several_lines() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n  MAA=\n\n\tMAA=\n  ; comment\n key=\n -----END CERTIFICATE-----\n"
    ini = parse_ini(MINIMAL + "ca_certificate = " + pem + "port=1\n[auth]\nprompt=1) push\n\n\nmax_attempts=1\n")
    assert ini.problems == ()
    assert ini.sections["radius"]["ca_certificate"] == (
        "-----BEGIN CERTIFICATE-----\nMAA=\n\nMAA=\nkey=\n-----END CERTIFICATE-----"
    )
    assert ini.sections["radius"]["port"] == "1"
    assert ini.sections["auth"] == {"prompt": "1) push", "max_attempts": "1"}


@pytest.mark.parametrize("mark", ["\ufeff", ""], ids=["BOM", "no BOM"])
@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CRLF", "LF"])
def test_files_of_windows(mark: str, end: str) -> None:
    text = mark + MINIMAL + '; c\n\n[auth]\npush_password=" p "\nprompt=a\n\n[challenge_answers]\n1\\) push = 1\n'
    settings = valid(text.replace("\n", end))
    assert settings.servers[0].secret == Secret("xyzzy5461")
    assert settings.servers[0].server == "radius.example.com"
    assert settings.auth.push_password == Secret(" p ")
    assert settings.auth.prompt == "a"
    assert [(answer.pattern.pattern, answer.answer) for answer in settings.challenge_answers] == [
        ("1\\) push", Secret("1"))
    ]


@pytest.mark.parametrize("indent", ["  ", "\t"], ids=["spaces", "tab"])
def test_indented_configuration_loses_no_option_without_an_error(indent: str) -> None:
    # ConfigParser accepts it, and so did the vendor's plugin.
    text = "".join(
        indent + line + "\n" for line in (MINIMAL + "[challenge_answers]\nCode = 1\n[auth]\nprompt=x").split("\n")
    )
    checked = check(text)
    assert checked.errors or checked.settings is not None and len(checked.settings.challenge_answers) == 1


def test_an_indented_section_of_lines_is_not_part_of_the_value_before_it() -> None:
    # In any other section ConfigParser would take it for one, and so would we.
    settings = valid(MINIMAL + "[auth]\nprompt=x\n  [challenge_answers]\n  Code = 1\n  [username]\nprompt=y\n")
    assert (settings.auth.prompt, settings.username.prompt) == ("x", "y")
    assert [answer.pattern.pattern for answer in settings.challenge_answers] == ["Code"]


def test_default_section() -> None:
    settings = valid(
        "[DEFAULT]\nport=1645\nhome=example.com\nsecret=xyzzy5461\n[radius]\nserver=radius.%(home)s\n[auth]\n"
    )
    assert settings.servers[0].server == "radius.example.com"
    assert settings.servers[0].port == 1645
    assert settings.servers[0].secret == Secret("xyzzy5461")


def test_default_section_adds_no_section() -> None:
    # As in ConfigParser.
    assert check("[DEFAULT]\nserver=a\nsecret=b\nmax_attempts=1\n").errors == [
        "[radius] server: is missing",
        "[radius] secret: is missing",
    ]


# The same as ConfigParser


def is_quoted_space(value: str) -> bool:
    """Whether a value is in quotes that keep white space at its ends."""
    return bool(re.match(r'"(\s.*|.*\s)"\Z', value, re.DOTALL))


@given(ini_texts(OUR_SECTIONS + SDK_SECTIONS))
def test_text_that_config_parser_accepts_is_read_the_same(text: str) -> None:
    ini = parse_ini(text)
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        reject()
    if any("is indented" in problem.text for problem in ini.problems):
        assert re.search(r"^\s+[^\s#;]", text, re.MULTILINE)
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


# Line numbers


def test_line_numbers_of_sections_and_options() -> None:
    text = (
        "; radius\n[radius]\nserver=a\n\nSecret : x\n  port=1\n# port\nport = 2\n[challenge_answers]\n[x]=y\nport=3\n"
        "[auth]\nprompt=\n\t= z\nmax_attempts\n[radius]\nport=4\ndead_time=1\n"
    )
    assert parse_ini(text).places == {
        ("radius", ""): 2,
        ("radius", "server"): 3,
        ("radius", "secret"): 5,
        ("radius", "port"): 8,
        ("radius", "dead_time"): 18,
        ("challenge_answers", ""): 9,
        ("auth", ""): 12,
        ("auth", "prompt"): 13,
    }


def test_line_number_of_a_problem() -> None:
    found = parse_ini("\n[radius]\nport=1\n[DEFAULT]\nprompt=x\n[auth]\n").places
    wrong = []
    for section, option, line in (
        ("radius", "port", 3),
        ("radius", "secret", 2),  # is missing
        ("auth", "prompt", 5),  # from [DEFAULT]
        ("username", "x", 0),
        ("", "line 7", 7),
        ("challenge_answers", "line 12", 12),
        ("", "", 0),
    ):
        number = line_of(Problem(True, section, option, "is wrong"), found)
        if number != line:
            wrong.append((section, option, number))
    assert wrong == []


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
def test_line_numbers_match_the_lines_that_config_parser_reads(lines: List[str]) -> None:
    text = "[radius]\n" + "\n".join(lines)
    parser = configparser.ConfigParser(default_section="no such", strict=False)
    try:
        parser.read_string(text)
    except configparser.ParsingError:
        reject()
    expected = {(section, "") for section in parser.sections()}
    expected |= {(section, name) for section in parser.sections() for name in parser.options(section)}
    found = parse_ini(text).places
    assert set(found) == expected
    for (section, name), number in found.items():
        assert text.split("\n")[number - 1].strip().lower().startswith(name or "[" + section.lower() + "]")


# Any text


@given(FILES)
def test_any_text_makes_settings_or_errors(text: str) -> None:
    settings, problems = build(parse_ini(text), empty_store)
    assert (settings is None) == any(problem.error for problem in problems)
