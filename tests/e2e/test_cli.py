"""The zip as a program: without packages, at a terminal and without one, with closed streams and signals."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import time
import zipfile
from typing import Dict

import pytest

from lib import __version__
from tests.support.clients import SAFETY_LIMIT, Person
from tests.support.command_line import ISOLATED, PROMPT, PYTHON, Result, Zip, fact
from tests.support.misbehaving import SECRET, Server, answering, silent
from tests.support.plugin import STORE, section
from tests.support.processes import default_signals
from tests.support.radiusd import FreeRadius
from tools import documents

PASSWORD = "hunter2 and more"
STORED = "hunter3 from the store"
CLEAN = "[radius]\nserver=radius.example.com\nsecret=sixteen octets!!\n[lockout]\nmax_failures=5\n"


@pytest.fixture
def cli(plugin_zip: pathlib.Path, tmp_path: pathlib.Path) -> Zip:
    return Zip(plugin_zip, tmp_path)


class TestIsolation:
    """Each command without any package, even while coverage measures the other tests."""

    def test_check(self, cli: Zip) -> None:
        checked = cli.run("check", cli.file(CLEAN), python=ISOLATED)
        assert (checked.status, checked.err) == (0, "")

    def test_options(self, cli: Zip) -> None:
        assert cli.run("options", python=ISOLATED).status == 0

    def test_new(self, cli: Zip) -> None:
        asked = cli.run("new", python=ISOLATED)
        assert (asked.status, asked.out) == (2, "")
        assert "error: name a product: freeradius, " in asked.err
        made = cli.run("new", "freeradius", python=ISOLATED)
        assert (made.status, made.err) == (0, "")

    def test_servers_and_try(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server:
            configuration = cli.file(section(server) + "[auth]\ninteractive_protocols=\n")
            assert cli.run("servers", configuration, python=ISOLATED).status == 0
            # No question can be asked, so the login is a push.
            tried = cli.run("try", configuration, "--user", "alice", python=ISOLATED)
        assert (tried.status, tried.err) == (0, "")

    def test_mschapv2(self, cli: Zip, freeradius: FreeRadius) -> None:
        own = section(freeradius, auth_type="mschapv2") + "[auth]\ninteractive_protocols=\n"
        tried = cli.run("try", cli.file(own), "--user", "alice", python=ISOLATED)
        assert (tried.status, tried.err) == (1, "")
        assert "    MS-CHAP2-Response = <hidden, 50 octets>\n" in tried.out

    def test_python_that_is_too_old(self, cli: Zip) -> None:
        with zipfile.ZipFile(str(cli.path)) as archive:
            source = archive.read("__main__.py").decode("ascii")
        before, _, _ = source.partition("from lib")
        old = "import sys; sys.version_info = (3, 5); sys.version = '3.5.2 (default)'\n" + before
        ended = subprocess.run([*ISOLATED, "-c", old], stderr=subprocess.PIPE, timeout=SAFETY_LIMIT)
        assert ended.returncode == 1
        assert ended.stderr == b"Python 3.6 or newer is needed; this is 3.5.2" + os.linesep.encode("ascii")

    def test_unpacked_zip(self, cli: Zip, unpacked_zip: pathlib.Path) -> None:
        ended = Zip(unpacked_zip, cli.directory).run("--version", python=ISOLATED)
        assert (ended.status, ended.out) == (0, f"SPS_RADIUS {__version__}\n")

    def test_default_cfg(self, cli: Zip) -> None:
        with zipfile.ZipFile(str(cli.path)) as archive:
            assert archive.read("default.cfg") == documents.DEFAULT_CFG.read_bytes()


class TestStreams:
    def test_usage_has_the_name_of_the_zip(self, cli: Zip) -> None:
        asked = cli.run("--help")
        assert (asked.status, asked.err) == (0, "")
        assert asked.out.startswith(f"usage: python3 {cli.path.name} [-h] [--version] COMMAND ...\n")
        refused = cli.run("check", "nowhere.cfg")
        words = f"python3 {cli.path.name}: error: nowhere.cfg: No such file or directory\n"
        assert (refused.status, refused.out, refused.err) == (2, "", words)

    def test_configuration_on_standard_input(self, cli: Zip) -> None:
        checked = cli.run("check", "-", stdin=CLEAN + "max_failures=6\n")
        assert checked.status == 2
        assert checked.out.startswith("standard input:5: error: [lockout] max_failures: given twice, again in line 6\n")

    @pytest.mark.parametrize("streams", ["stdout", "both"])
    def test_closed_pipe(self, cli: Zip, streams: str) -> None:
        configuration, ended = cli.file(CLEAN.replace("radius.example.com", "127.0.0.1\nport=1")), {}
        for words in (
            "options",
            "--help",
            "new freeradius --server a",
            "recovery-codes alice",
            "check " + configuration,
            "servers " + configuration,
            "servers --json " + configuration,
            "servers --monitor " + configuration,
            "try --user alice " + configuration,
        ):
            reader, writer = os.pipe()
            os.close(reader)
            with open(writer, "wb") as closed:
                errors = closed if streams == "both" else subprocess.PIPE
                process = subprocess.run(
                    [*PYTHON, str(cli.path), *words.split()],
                    stdout=closed,
                    stderr=errors,
                    cwd=str(cli.directory),
                    start_new_session=True,
                    timeout=SAFETY_LIMIT,
                )
            ended[words] = (process.returncode, process.stderr or b"")
        assert ended == dict.fromkeys(ended, (141, b""))

    def test_reader_that_leaves_in_the_middle_of_a_login(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server:
            path = cli.file(section(server) + "[auth]\ninteractive_protocols=\n")
            whole = cli.run("try", path, "--user", "alice").out.count("\n")
            for lines in range(1, whole):
                login = subprocess.Popen(
                    [*PYTHON, str(cli.path), "try", path, "--user", "alice"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
                with login:
                    assert login.stdout is not None and login.stderr is not None
                    for _ in range(lines):
                        login.stdout.readline()
                    login.stdout.close()
                    assert login.stderr.read() == b""
                # The reader may leave only after the last line.
                assert login.returncode in (0, 141)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
    def test_full_disk(self, cli: Zip) -> None:
        with open("/dev/full", "wb") as full:
            ended = subprocess.run(
                [*PYTHON, str(cli.path), "options"], stdout=full, stderr=subprocess.PIPE, timeout=SAFETY_LIMIT
            )
        assert ended.returncode != 0
        assert b"No space left on device" in ended.stderr

    def test_closed_streams(self, cli: Zip) -> None:
        zip_command = f"exec {shlex.quote(ISOLATED[0])} {shlex.quote(str(cli.path))}"
        configuration = cli.file(CLEAN)
        statuses: Dict[str, int] = {}
        expected: Dict[str, int] = {}
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for words in (f"check {configuration}", "check -", "check nowhere.cfg", "servers nowhere.cfg"):
                command = f"{zip_command} {words} {closed}"
                process = subprocess.run(
                    ["sh", "-c", command],
                    input=CLEAN.encode("ascii"),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=cli.environment(),
                    cwd=str(cli.directory),
                    timeout=SAFETY_LIMIT,
                )
                ended = Result(process.returncode, process.stdout.decode("utf-8"), process.stderr.decode("utf-8"))
                statuses[command] = ended.status
                expected[command] = 2 if "nowhere" in words or (words == "check -" and "<&-" in closed) else 0
        assert statuses == expected
        closed_input = cli.run("check", "-", python=("sh", "-c", 'exec "$0" "$@" <&-', ISOLATED[0]))
        assert closed_input.err.endswith(": error: standard input: closed\n")

    def test_ascii_output(self, cli: Zip) -> None:
        configuration = cli.file(f"[radius]\nserver=a\nsecret={PASSWORD}\nsecrét=x\n")
        checked = cli.run("check", configuration, python=ISOLATED[:1], PYTHONIOENCODING="ascii:strict")
        assert "secr\\xe9t: unknown option; did you mean secret?" in checked.out


def test_new_asks(cli: Zip) -> None:
    with cli.person("new") as person:
        person.sees("  duo-only ", "Product: ").types("duo").sees("Type one of the names").types("duo-only")
        person.sees("RADIUS servers, separated by blanks [duo.example.com]: ").types("one, two")
        person.sees("Credential Store with the shared secret [my_store]: ").types("")
        assert person.to_the_end() == 0
        made = cli.run("new", "duo-only", "--server", "one", "--server", "two")
        assert made.out in person.shown
    with cli.person("new") as person:
        person.sees("Product: ").presses("\x04")
        assert person.to_the_end() == 2
        assert "error: the input ended before the last answer" in person.shown


class TestTerminal:
    def test_color(self, cli: Zip) -> None:
        configuration = cli.file("[radius]\n")
        for environment, colors in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            with cli.person("check", configuration, **environment) as person:
                assert person.to_the_end() == 2
            assert ("\x1b[31merror\x1b[0m: [radius] server" in person.shown) == colors, environment
            assert ("\x1b" in person.shown) == colors, environment

    def test_progress(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server, cli.person("servers", cli.file(section(server))) as person:
            assert person.to_the_end() == 0
        assert "[radius] probing 127.0.0.1:" in person.shown
        assert "\x1b[32mok\x1b[0m" in person.shown

    def test_what_a_login_waits_for(self, cli: Zip, radius: str) -> None:
        configuration = cli.file(radius + "conn_timeout=7\nconn_retries=2\n[auth]\ninteractive_protocols=\n")
        with cli.person("try", configuration, "--user", "push-fast") as person:
            assert person.to_the_end() == 0
        assert "\x1b[Kwaiting for [radius] (up to 14 s for each address) ...\x1b[KTo [radius] " in person.shown

    def test_stored_secret_is_not_echoed(self, cli: Zip) -> None:
        with Server(answering(STORED.encode("ascii"))) as server:
            with cli.person("servers", cli.file(STORE + section(server, secret="$"))) as person:
                person.sees("[radius] secret: ").types(STORED)
                assert person.to_the_end() == 0
        assert STORED not in person.shown

    def test_monitor_asks_nothing_and_shows_no_progress(self, cli: Zip) -> None:
        with cli.person("servers", "--monitor", cli.file(STORE + "[radius]\nserver=a\nsecret=$\n")) as person:
            assert person.to_the_end() == 3
        assert person.shown.startswith("RADIUS UNKNOWN - ") and person.shown.count("\n") == 1
        with Server(answering(SECRET)) as server:
            with cli.person("servers", "--monitor", cli.file(section(server))) as person:
                assert person.to_the_end() == 0
        assert person.shown.startswith("RADIUS OK - 1 of 1 address usable | ") and "\x1b" not in person.shown

    def test_end_of_input_is_not_a_secret(self, cli: Zip) -> None:
        with cli.person("servers", cli.file(STORE + "[radius]\nserver=a\nsecret=$\n")) as person:
            person.sees("[radius] secret: ").presses("\x04")
            assert person.to_the_end() == 2

    def test_configuration_on_standard_input(self, cli: Zip) -> None:
        """The questions go to the terminal."""
        with Server(answering(STORED.encode("ascii"))) as server:
            cli.file(STORE + section(server, secret="$"))
            arguments = ["-c", 'cat radius.cfg | "$@"', "sh", *PYTHON, str(cli.path), "servers", "-"]
            with Person("/bin/sh", arguments, cwd=str(cli.directory)) as person:
                person.sees("[radius] secret: ").types(STORED)
                assert person.to_the_end() == 0

    def test_password_is_not_echoed(self, cli: Zip, radius: str) -> None:
        with cli.person("try", cli.file(radius), "--user", "alice") as person:
            person.sees(PROMPT).types(PASSWORD)
            person.sees("Authentication failed: Wrong code. 2 attempts left.\n", PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert PASSWORD not in person.shown and "correct horse" not in person.shown
        assert "\x1b[32mACCEPT\x1b[0m\n" in person.shown

    def test_server_decides_whether_answers_are_echoed(self, cli: Zip, radius: str) -> None:
        with cli.person("try", cli.file(radius), "--user", "pin3") as person:
            person.sees(PROMPT).types("1111")
            person.sees("Question 1 of 3 ").types("one")
            person.sees("Question 2 of 3 ").types("two")
            person.sees("two\n", "Question 3 of 3 ").types("three")
            assert person.to_the_end() == 0
        for hidden in ("1111", "one\n", "three"):
            assert hidden not in person.shown.replace("Question", "")
        assert "    State = <hidden, 16 octets>\n" in person.shown
        assert "    Prompt = No-Echo\n" in person.shown
        assert json.loads(fact(person.shown, "metadata"))["rounds"] == 3

    def test_user_name_is_asked_for(self, cli: Zip, radius: str) -> None:
        with cli.person("try", cli.file(radius)) as person:
            person.sees("User name (typing is hidden): ").types("alice")
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert "    User-Name = alice\n" in person.shown
        before, _, _ = person.shown.partition(PROMPT)
        assert "alice" not in before

    def test_password_of_any_characters(self, cli: Zip, radius: str) -> None:
        with cli.person("try", cli.file(radius), "--user", "jürgen") as person:
            person.sees(PROMPT).types("ünïcödé-密码-🔑")
            assert person.to_the_end() == 0
        assert "ünïcödé" not in person.shown

    def test_answer_that_is_not_text_is_asked_for_again(self, cli: Zip, radius: str) -> None:
        with cli.person("try", cli.file(radius), "--user", "alice") as person:
            person.sees(PROMPT)
            os.write(person.terminal.child_fd, b"\xff\n")
            person.sees("The input is not valid text. Try again: ").types("correct horse")
            assert person.to_the_end() == 0

    def test_output_to_a_file(self, cli: Zip, radius: str) -> None:
        """The questions go to the terminal."""
        arguments = ["-c", '"$@" > out', "sh", *PYTHON, str(cli.path), "try", cli.file(radius), "--user", "pin3"]
        with Person("/bin/sh", arguments, cwd=str(cli.directory)) as person:
            person.sees(PROMPT).types("1111").sees("1 of 3 ").types("one").sees("2 of 3 ").types("two")
            person.sees("3 of 3 ").types("three")
            assert person.to_the_end() == 0
        written = (cli.directory / "out").read_text(encoding="utf-8")
        assert "\nACCEPT\n" in written and "\x1b" not in written
        for typed in ("1111", "one\n", "two", "three"):
            assert typed not in written

    def test_no_terminal(self, cli: Zip, down: str) -> None:
        refused = cli.run("try", cli.file(down), "--user", "alice")
        assert refused.status == 2
        assert refused.err.endswith("error: the login asks a question, but there is no terminal\n")
        refused = cli.run("try", cli.file(down + "[auth]\ndisable_echo=no\n"), "--user", "alice")
        assert refused.status == 2
        assert "there is no terminal" in refused.err

    def test_end_of_input_ends_the_login(self, cli: Zip, down: str) -> None:
        for more in ("", "[auth]\ndisable_echo=no\n"):
            with cli.person("try", cli.file(down + more), "--user", "alice") as person:
                person.sees(PROMPT).presses("\x04")
                assert person.to_the_end() == 1
            assert "No answer; the login ends.\n" in person.shown


class TestSignals:
    def test_ctrl_c(self, cli: Zip, down: str) -> None:
        with cli.person("try", cli.file(down), "--user", "alice") as person:
            # Python handles a signal that arrives just before a blocking read only after the read.
            person.sees(PROMPT).presses("\x03\r")
            assert person.to_the_end() == 130
        assert "Traceback" not in person.shown

    def test_ctrl_c_during_a_request(self, cli: Zip) -> None:
        with Server(silent) as server:
            process = subprocess.Popen(
                [*PYTHON, str(cli.path), "servers", "--timeout", "60", cli.file(section(server))],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=default_signals,
            )
            while not server.requests:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SAFETY_LIMIT)
        assert (process.returncode, out, err) == (130, b"", b"\n")

    def test_no_files_are_left(self, cli: Zip, radius: str) -> None:
        temporary = cli.directory / "temporary"
        temporary.mkdir()
        configuration = cli.file(radius)
        for number in (0, signal.SIGTERM, signal.SIGHUP):
            with cli.person("try", configuration, "--user", "alice", TMPDIR=str(temporary)) as person:
                person.sees(PROMPT)
                assert list(temporary.iterdir()) != []
                if number:
                    os.kill(person.terminal.pid, number)
                # Python handles a signal that arrives just before a blocking read only after the read.
                person.types("" if number else "correct horse")
                assert person.to_the_end() == (128 + number if number else 0)
            assert list(temporary.iterdir()) == [], number
