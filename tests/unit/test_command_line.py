"""The command line: help, wrong usage, unusable files, and `options`."""

import contextlib
import os
import re
import threading
from typing import Dict, Tuple

from lib import __version__
from lib.config.options import SECTIONS
from tests.support.command_line import CommandLine

STORED = "hunter3 from the store"
MINIMAL = "[radius]\nserver=a\nsecret=sixteen octets!!\n"
COMMANDS = ("new", "check", "servers", "try", "recovery-codes", "options")


def test_help(cli: CommandLine) -> None:
    overview = cli.run("--help")
    assert (overview.status, overview.err) == (0, "")
    assert overview.out.startswith("usage: python3 plugin.zip [-h] [--version] COMMAND ...\n")
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s", overview.out, re.MULTILINE)
        asked = cli.run(command, "--help")
        assert asked.status == 0
        assert asked.out.startswith(f"usage: python3 plugin.zip {command} ")


def test_version(cli: CommandLine) -> None:
    assert cli.run("--version").out == f"SPS_RADIUS {__version__}\n"


def test_no_option_takes_a_secret(cli: CommandLine) -> None:
    """Everyone on the machine can read the arguments of a process."""
    for command in COMMANDS:
        options = set(re.findall(r"^  (--[a-z-]+) ", cli.run(command, "--help").out, re.MULTILINE))
        assert not {"--password", "--secret", "--otp", "--code", "--passcode"} & options


def test_no_command_lists_the_commands(cli: CommandLine) -> None:
    refused = cli.run()
    assert refused.status == 2
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\s", refused.err, re.MULTILINE)


def test_wrong_usage(cli: CommandLine) -> None:
    expected: Dict[Tuple[str, ...], str] = {
        (): "the following arguments are required: COMMAND",
        ("chek",): "invalid choice: 'chek'",
        ("check",): "the following arguments are required: FILE",
        ("check", "--json", "--nothing", "x"): "unrecognized arguments: --nothing",
        ("try", "x", "--protocol", "http"): "invalid choice: 'http'",
        ("try", "x", "--client-ip", "here"): "argument --client-ip: expected an IP address",
        ("servers", "x", "--timeout", "0"): "argument --timeout: expected a number of seconds above 0 and up to 300",
        ("servers", "x", "--timeout", "soon"): "argument --timeout: expected a number of seconds above 0 and up to 300",
        ("servers", "x", "--probe-user", ""): "argument --probe-user: expected a user name: it is empty",
        ("servers", "x", "--probe-user", "a\x07"): "expected a user name: it holds a control character",
        ("options", "--format", "yaml"): "unrecognized arguments: --format yaml",
    }
    wrong = []
    for arguments, words in expected.items():
        refused = cli.run(*arguments)
        usage = refused.err.startswith("usage: python3 plugin.zip ") and words in refused.err
        if (refused.status, refused.out, usage) != (2, "", True):
            wrong.append((arguments, refused.status, refused.out, refused.err))
    assert wrong == []


def test_missing_file(cli: CommandLine) -> None:
    message = "python3 plugin.zip: error: nowhere: No such file or directory\n"
    cli.file(MINIMAL)
    for arguments in (
        ["check", "nowhere"],
        ["servers", "nowhere"],
        ["try", "nowhere"],
        ["try", "radius.cfg", "--secret-file", "nowhere"],
    ):
        refused = cli.run(*arguments)
        assert (refused.status, refused.out, refused.err) == (2, "", message), arguments


def test_directory_instead_of_a_file(cli: CommandLine) -> None:
    refused = cli.run("check", str(cli.directory))
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.endswith(": Is a directory\n")


def test_no_file_is_read_without_end(cli: CommandLine) -> None:
    def check_refused(path: str, why: str) -> None:
        cli.file(MINIMAL)
        for arguments in ["check", path], ["servers", path], ["try", "radius.cfg", "--secret-file", path]:
            refused = cli.run(*arguments)
            expected = f"python3 plugin.zip: error: {path}: {why}\n"
            assert (refused.status, refused.out, refused.err) == (2, "", expected), arguments

    check_refused("/dev/zero", "is a device, not a file")
    check_refused("/dev/null", "is a device, not a file")
    check_refused(cli.file("#" * 1048577, "x"), "is longer than 1048576 octets")
    os.mkfifo(str(cli.directory / "pipe"))
    check_refused("pipe", "is a pipe, not a file; for standard input, write -")
    assert cli.run("check", cli.file(MINIMAL + "#" * (1048576 - len(MINIMAL)))).status == 0


def test_an_endless_pipe_is_not_read_without_end(cli: CommandLine) -> None:
    reader, writer = os.pipe()
    endless = threading.Thread(target=write_until_closed, args=(writer,))
    endless.start()
    try:
        refused = cli.run("check", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
        endless.join()
    assert refused.status == 2 and refused.err.endswith(": is longer than 1048576 octets\n")


def test_a_pipe_of_the_shell_is_read(cli: CommandLine) -> None:
    reader, writer = os.pipe()
    with open(writer, "wb") as pipe:
        pipe.write(MINIMAL.encode("ascii"))
    try:
        assert cli.run("check", f"/dev/fd/{reader}").status == 0
    finally:
        os.close(reader)


def write_until_closed(descriptor: int) -> None:
    """Write to a pipe until nobody can read it."""
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb", buffering=0) as pipe:
        while True:
            pipe.write(b"#" * 4096)


def test_secrets_that_others_can_read_never_go_unnoticed(cli: CommandLine) -> None:
    cli.file(MINIMAL)
    for mode, is_open in ((0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)):
        secrets = cli.file("[radius\n", "secrets.ini")
        (cli.directory / secrets).chmod(mode)
        warning = "secrets.ini: warning: other users can read this file of secrets; restrict it with chmod 600\n"
        assert (warning in cli.run("servers", "radius.cfg", "--secret-file", secrets).err) == is_open, oct(mode)


def test_file_that_is_not_text(cli: CommandLine) -> None:
    cli.file(MINIMAL)
    (cli.directory / "x").write_bytes(b"[radius]\nserver=\xff\n")
    for arguments in ["servers", "x"], ["try", "x"], ["try", "radius.cfg", "--secret-file", "x"]:
        refused = cli.run(*arguments)
        assert (refused.status, refused.out) == (2, ""), arguments
        assert refused.err.endswith("error: x:2: not UTF-8 text; save the file as UTF-8\n"), arguments


def test_secret_file_that_is_not_ini(cli: CommandLine) -> None:
    cli.file(MINIMAL)
    for text in (STORED + "\n", "[radius\nsecret=" + STORED, "[radius]\n" + STORED):
        refused = cli.run("servers", "radius.cfg", "--secret-file", cli.file(text, "secrets.ini"))
        assert (refused.status, refused.out) == (2, "")
        assert "secrets.ini: expected [section] and `option = secret` lines, but line " in refused.err
        assert STORED not in refused.err


def test_configuration_with_errors(cli: CommandLine) -> None:
    cli.file("[radius]\nserver=a\nsecret=b\nport=c\n[auth]\nmax_attempts=0\n")
    refused = cli.run("servers", "radius.cfg")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.splitlines() == [
        "python3 plugin.zip: error: radius.cfg: the configuration has errors:",
        "radius.cfg:4: error: [radius] port: expected a whole number from 1 to 65535, found text",
        "radius.cfg:6: error: [auth] max_attempts: expected a whole number from 1 to 100, found a smaller number",
        "2 errors; `check` also shows warnings",
    ]


# options


def test_options_has_every_option_with_its_default_and_help(cli: CommandLine) -> None:
    listed = cli.run("options")
    assert listed.status == 0
    words = " ".join(listed.out.split())
    for each in SECTIONS:
        assert f"[{each.name}]" in listed.out
        for option in each.options if not each.first else ():
            assert " ".join(option.help.split()) in words
            assert f"\n  {option.name}  (" in listed.out
            assert option.default in listed.out
    assert max(map(len, listed.out.splitlines())) <= 140
