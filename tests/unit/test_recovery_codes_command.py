"""The command `recovery-codes`: its codes are those that its lines accept."""

import io
import json
import re
from typing import List

from pytest_mock import MockerFixture

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.recovery_code import RecoveryHash
from lib.secret import Secret
from tests.support.command_line import CommandLine
from tests.support.configuration import MINIMAL, no_store

CODE = r"(?m)^    ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})$"


def accepted_by(lines: List[str], user: str) -> List[RecoveryHash]:
    """Return the hashes that a configuration with these lines has for the user, and for nobody else."""
    settings, problems = build(parse_ini(MINIMAL + "[recovery_codes]\n" + "\n".join(lines) + "\n"), no_store)
    assert settings is not None and not problems
    assert set(settings.recovery_codes) == {user}
    return list(settings.recovery_codes[user])


def test_text(cli: CommandLine) -> None:
    made = cli.run("recovery-codes", "alice")
    assert (made.status, made.err) == (0, "")
    codes = re.findall(CODE, made.out)
    before, lines = made.out.split("\n[recovery_codes]\n")
    assert len(codes) == len(set(codes)) == 10
    hashes = accepted_by(lines.splitlines(), "alice")
    assert [each.matches(Secret(code)) for each, code in zip(hashes, codes)] == [True] * 10
    assert not [code for code in codes if code in lines]


def test_json(cli: CommandLine) -> None:
    made = cli.run("recovery-codes", "CORP\\Jürgen K", "--count", "20", "--json")
    assert set(made.document) == {"user", "codes", "lines"}
    assert made.document["user"] == "CORP\\Jürgen K"
    hashes = accepted_by(made.document["lines"], "corp\\jurgen k")
    assert len(hashes) == 20
    assert all(each.matches(Secret(code)) for each, code in zip(hashes, made.document["codes"]))


def test_a_name_that_the_output_cannot_show_is_refused(cli: CommandLine, mocker: MockerFixture) -> None:
    octets = io.BytesIO()
    terminal = io.TextIOWrapper(octets, "ascii")
    mocker.patch("sys.stdout", terminal)  # what a locale without UTF-8 leads to
    refused = cli.run("recovery-codes", "jürgen")
    assert refused.status == 2 and "cannot show the name in the encoding ascii: use a UTF-8 locale" in refused.err
    assert octets.getvalue() == b""
    assert cli.run("recovery-codes", "jurgen").status == 0
    assert b"\njurgen = pbkdf2-sha256:" in octets.getvalue()
    octets.truncate(0)
    assert cli.run("recovery-codes", "jürgen", "--json").status == 0
    document = json.loads(octets.getvalue().lstrip(b"\0").decode("ascii"))
    accepted_by(document["lines"], "jurgen")


def test_codes_are_new_each_time(cli: CommandLine) -> None:
    made = [cli.run("recovery-codes", "alice", "--count", "1", "--json").document for _ in range(2)]
    assert [len(each["codes"]) for each in made] == [1, 1]
    assert made[0]["codes"] != made[1]["codes"] and made[0]["lines"] != made[1]["lines"]


def test_names_and_counts_that_are_refused(cli: CommandLine) -> None:
    wrong = {
        ("",): "it is empty",
        ("a/b",): "it holds a path separator",
        ("a\nb",): "it holds a control character",
        ("\udcff",): "it holds a control character",
        (" alice",): "it begins or ends with white space",
        ("x" * 254,): "it is longer than 253 octets",
        ("a=b",): "a line of the configuration cannot begin with it",
        ("#alice",): "a line of the configuration cannot begin with it",
        (";alice",): "a line of the configuration cannot begin with it",
        ("[alice]",): "a line of the configuration cannot begin with it",
        ("alice", "--count", "0"): "expected a whole number from 1 to 20",
        ("alice", "--count", "21"): "expected a whole number from 1 to 20",
        ("alice", "--count", "١"): "expected a whole number from 1 to 20",
        ("alice", "--count", "ten"): "expected a whole number from 1 to 20",
        (): "the following arguments are required: NAME",
    }
    found = {arguments: cli.run("recovery-codes", *arguments) for arguments in wrong}
    assert {each.status for each in found.values()} == {2}
    assert {arguments: each.err for arguments, each in found.items() if wrong[arguments] not in each.err} == {}
    assert not [each.out for each in found.values() if each.out]
