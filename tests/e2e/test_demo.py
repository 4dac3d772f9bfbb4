"""The demo as a newcomer runs it: without a terminal, and typed into on one."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
import zipfile
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from simulator.demo import LOGIN_PROMPT, configure
from tests.support import ROOT

SAFETY_LIMIT = 120.0  # seconds after which a demo that hangs fails its test
PASSWORD_PROMPT = "one-time password: "


def command(plugin_zip: Path, *options: str) -> List[str]:
    """Return the demo's command line, as demo.sh ends in it."""
    return [sys.executable, "-m", "simulator.demo", *options, str(plugin_zip)]


class TestScript:
    @pytest.fixture(scope="class")
    def transcript(self, plugin_zip: Path) -> str:
        """What the demo prints when there is no terminal."""
        played = subprocess.run(
            command(plugin_zip),
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SAFETY_LIMIT,
        )
        printed = played.stdout.decode("utf-8")
        assert played.returncode == 0, printed
        return printed

    def test_every_outcome_is_as_expected(self, transcript: str) -> None:
        assert transcript.endswith("10 of 10 outcomes as expected.\n")
        assert "NOT AS EXPECTED" not in transcript

    @pytest.mark.parametrize(
        "outcome, seen",
        [
            ("accepted with the code in the login name", ["gu=alice@otp=123456@root", "verdict +ACCEPT"]),
            ("accepted with the code asked for", [PASSWORD_PROMPT + r"\*{6}\n", "gateway user +alice"]),
            ("accepted after a wrong code", [r"(?s)\*{6}.*Authentication failed.*\*{6}", '"attempts": 2']),
            ("accepted with a TOTP code", ["gateway user +tessa"]),
            ("accepted after a challenge", [r"Enter the code from your token *\*{6}\n", '"rounds": 1']),
            ("accepted by push", [PASSWORD_PROMPT + r"\[Enter\]\n", "verdict +ACCEPT"]),
            ("denied with the server's message", ["verdict +DENY", "call the help desk at 4444", "too-many-attempts"]),
            ("denied, as the server does not know the user", ["verdict +DENY", "too-many-attempts"]),
            (
                "denied, as there is no server",
                [
                    "reason +The login service is not responding. Try again later or contact your help desk.",
                    "session_ended +log lines: ",
                ],
            ),
            ("accepted with the user name asked for", ["login name: \n", "gateway user +alice", "authorize +ACCEPT"]),
        ],
    )
    def test_transcript_shows(self, transcript: str, outcome: str, seen: List[str]) -> None:
        scene = re.split(r"^== \d+\. ", transcript, flags=re.MULTILINE)
        parts = [part for part in scene if part.startswith(outcome + "\n")]
        assert len(parts) == 1
        assert [pattern for pattern in seen if not re.search(pattern, parts[0])] == []

    def test_hidden_answers_are_not_shown(self, transcript: str) -> None:
        typed = [line for line in transcript.splitlines() if not line.startswith(LOGIN_PROMPT)]
        assert [line for line in typed if re.search(r"\b(123456|4711|246810|000000|111111)\b", line)] == []

    def test_no_colour_without_a_terminal(self, transcript: str) -> None:
        assert "\033" not in transcript

    def test_outcome_that_is_not_as_expected(self, tmp_path: Path) -> None:
        played = subprocess.run(
            command(broken_zip(tmp_path), "--script"),
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=SAFETY_LIMIT,
        )
        printed = played.stdout.decode("utf-8")
        assert played.returncode == 1
        assert "NOT AS EXPECTED: 7. denied with the server's message: ACCEPT instead of DENY\n" in printed
        assert "NOT AS EXPECTED: 6. " in printed
        assert printed.endswith("0 of 10 outcomes as expected.\n")


def broken_zip(directory: Path) -> Path:
    """Return a zip whose plugin accepts everybody without a question."""
    path = directory / "broken.zip"
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("default.cfg", "")
        archive.writestr(
            "main.py",
            "class Plugin:\n"
            "    def __init__(self, configuration): pass\n"
            "    def authenticate(self): return {'verdict': 'ACCEPT'}\n"
            "    authorize = authenticate\n"
            "    def session_ended(self): pass\n",
        )
    return path


class Terminal:
    """A person at a pseudo-terminal that the demo runs on."""

    def __init__(self, arguments: List[str], **environment: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            arguments,
            cwd=str(ROOT),
            env=dict(os.environ, **environment),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, and wait for the demo to end."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            self.process.wait(timeout=SAFETY_LIMIT)

    def read_until(self, text: str) -> str:
        """Return what appears on the screen up to and with this text."""
        deadline, start = time.monotonic() + SAFETY_LIMIT, len(self.seen)
        while text not in self.seen[start:]:
            assert self._read(deadline), "the demo ended or hangs without {!r}:\n{}".format(text, self.seen)
        return self.seen[start:]

    def read_to_the_end(self) -> int:
        """Read until the demo ends, and return its exit status."""
        deadline = time.monotonic() + SAFETY_LIMIT
        while self._read(deadline):
            pass
        return self.process.wait(timeout=SAFETY_LIMIT)

    def type(self, text: str) -> None:
        """Type text, which may hold control characters."""
        self.type_octets(text.encode("utf-8"))

    def type_octets(self, octets: bytes) -> None:
        """Type what need not be text."""
        os.write(self._master, octets)

    def _read(self, deadline: float) -> bool:
        ready = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]
        try:
            octets = os.read(self._master, 4096) if ready else b""
        except OSError:  # Linux: nobody has the other end any more
            octets = b""
        self.seen += octets.decode("utf-8", "replace")
        return bool(octets)


@pytest.fixture
def terminal(plugin_zip: Path) -> Iterator[Terminal]:
    with Terminal(command(plugin_zip), TERM="xterm", NO_COLOR="") as person:
        yield person


class TestTerminal:
    def test_hidden_code_is_never_echoed(self, terminal: Terminal) -> None:
        users = terminal.read_until(LOGIN_PROMPT)
        for name in ("alice", "tessa", "carol", "pusha", "bob"):
            assert re.search(r"^ +{} ".format(name), users, re.MULTILINE)
        terminal.type("alice\n")
        assert "alice\r\n" in terminal.read_until(PASSWORD_PROMPT)
        terminal.type("123456\n")
        played = terminal.read_until(LOGIN_PROMPT)
        assert re.search(r"verdict +ACCEPT", played)
        assert re.search(r"gateway user +alice", played)
        assert re.search(r"session_ended +log lines: \d", played)
        assert "123456" not in terminal.seen[len(users) :]
        assert "\033[2mlog: " in terminal.seen
        terminal.type("\n")
        assert terminal.read_to_the_end() == 0

    def test_totp_code_is_shown(self, terminal: Terminal) -> None:
        users = terminal.read_until(LOGIN_PROMPT)
        code = re.search(r"tessa .*now (\d{6})", users)
        assert code
        terminal.type("tessa\n")
        terminal.read_until(PASSWORD_PROMPT)
        terminal.type(code.group(1) + "\n")
        assert re.search(r"verdict +ACCEPT", terminal.read_until(LOGIN_PROMPT))

    def test_pairs_in_the_login_name(self, terminal: Terminal) -> None:
        terminal.read_until(LOGIN_PROMPT)
        terminal.type("gu=alice@otp=123456@root\n")
        played = terminal.read_until(LOGIN_PROMPT)
        assert PASSWORD_PROMPT not in played
        assert re.search(r"gateway user +alice", played)

    def test_hanging_up_at_a_question(self, terminal: Terminal) -> None:
        terminal.read_until(LOGIN_PROMPT)
        terminal.type("alice\n")
        terminal.read_until(PASSWORD_PROMPT)
        terminal.type("\x04")
        played = terminal.read_until(LOGIN_PROMPT)
        assert re.search(r"session_ended +log lines: \d", played)
        assert "verdict" not in played
        terminal.type("\x04")
        assert terminal.read_to_the_end() == 0

    # A line follows Ctrl-C: Python leaves a signal that comes just before a blocking read until the read is over.
    @pytest.mark.parametrize("keys", ["\n", "\x04", "\x03mallory\n"], ids=["enter", "ctrl-d", "ctrl-c"])
    def test_leaving(self, terminal: Terminal, keys: str) -> None:
        terminal.read_until(LOGIN_PROMPT)
        terminal.type(keys)
        assert terminal.read_to_the_end() == 0
        assert "Traceback" not in terminal.seen

    def test_leaving_at_a_question(self, terminal: Terminal) -> None:
        terminal.read_until(LOGIN_PROMPT)
        terminal.type("alice\n")
        terminal.read_until(PASSWORD_PROMPT)
        terminal.type("\x03\n")
        assert terminal.read_to_the_end() == 0
        assert "Traceback" not in terminal.seen

    @pytest.mark.parametrize("question", [LOGIN_PROMPT, PASSWORD_PROMPT])
    def test_nothing_is_left_when_the_terminal_closes(self, plugin_zip: Path, tmp_path: Path, question: str) -> None:
        with Terminal(command(plugin_zip), TMPDIR=str(tmp_path)) as person:
            person.read_until(LOGIN_PROMPT)
            person.type("alice\n")
            person.read_until(PASSWORD_PROMPT)
            if question == LOGIN_PROMPT:
                person.type("123456\n")
                person.read_until(LOGIN_PROMPT)
            assert list(tmp_path.iterdir())
            person.hang_up()
        assert list(tmp_path.iterdir()) == []

    def test_answer_that_is_not_text_is_asked_for_again(self, plugin_zip: Path) -> None:
        with Terminal(command(plugin_zip), PYTHONUTF8="1", PYTHONIOENCODING="utf-8:strict") as person:
            person.read_until(LOGIN_PROMPT)
            person.type_octets(b"\xff\n")
            person.read_until(LOGIN_PROMPT)
            person.type("\n")
            assert person.read_to_the_end() == 0

    @pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}], ids=str)
    def test_no_colour_where_it_is_not_wanted(self, plugin_zip: Path, environment: Any) -> None:
        with Terminal(command(plugin_zip), **environment) as person:
            person.read_until(LOGIN_PROMPT)
            person.type("alice\n")
            assert "log: " in person.read_until(PASSWORD_PROMPT)
            assert "\033" not in person.seen


@pytest.mark.parametrize(
    "text, configured",
    [
        ("", "[radius]\nserver = a\n"),
        ("[auth]\nserver=b\n", "[auth]\nserver=b\n[radius]\nserver = a\n"),
        ("[radius]\n# Host\nserver=\nport=1\n[auth]\n", "[radius]\nserver = a\n# Host\nport=1\n[auth]\n"),
        ("[radius]\n; server=b\nserver_name=c\n", "[radius]\nserver = a\n; server=b\nserver_name=c\n"),
    ],
)
def test_configure(text: str, configured: str) -> None:
    assert configure(text, {"server": "a"}) == configured
    assert configure(text.replace("[radius]", "[x]"), {"server": "a"}, "x") == configured.replace("[radius]", "[x]")


def test_file_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "plugin.zip").write_text("no zip")
    refused = subprocess.run(
        command(tmp_path / "plugin.zip"), cwd=str(ROOT), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert refused.returncode == 2
    assert b"plugin.zip is not a plugin's zip" in refused.stderr
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize("option, status", [("--help", 0), ("-h", 0), ("--scripts", 2)])
def test_usage(option: str, status: int) -> None:
    asked = subprocess.run(
        [str(ROOT / "demo.sh"), option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert asked.returncode == status
    assert b"Usage: ./demo.sh [--script |" in (asked.stderr if status else asked.stdout)
