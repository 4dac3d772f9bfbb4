"""The demo without a terminal, and with a person at one."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from lib.cli import exit_status
from lib.recovery_code import RecoveryHash
from simulator.configuration import configure, load
from simulator.console import Console
from simulator.demo import LOGIN_PROMPT
from simulator.server import DemoServer
from tests.support import ROOT
from tests.support.certificates import Authority, in_configuration
from tests.support.clients import SAFETY_LIMIT, Person, zip_of
from tests.support.plugin import STORE, section

PASSWORD_PROMPT = "on your device: "


def command(plugin_zip: Path, *options: str) -> List[str]:
    """Return a command line as that of demo.sh."""
    return [sys.executable, "-m", "simulator.demo", *options, str(plugin_zip)]


def test_reader_that_leaves(plugin_zip: Path) -> None:
    demo = subprocess.Popen(
        command(plugin_zip, "--script"), cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with demo:
        assert demo.stdout is not None and demo.stderr is not None
        assert demo.stdout.readline().startswith(b"Simulating SPS ")
        demo.stdout.close()
        assert demo.stderr.read() == b""
    assert demo.returncode == 141


@pytest.mark.slow
class TestScript:
    @pytest.fixture(scope="class")
    def transcript(self, plugin_zip: Path) -> str:
        """The output of the demo without a terminal."""
        played = subprocess.run(
            command(plugin_zip, "--fork"),
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=5 * SAFETY_LIMIT,
        )
        printed = played.stdout.decode("utf-8")
        assert played.returncode == 0, printed
        return printed

    def test_every_outcome_is_as_expected(self, transcript: str) -> None:
        assert transcript.endswith("12 of 12 outcomes as expected.\n")
        assert "NOT AS EXPECTED" not in transcript

    def test_transcript_shows_every_outcome(self, transcript: str) -> None:
        expected = {
            "accepted with the code in the login name": ["gu=alice@otp=123456@root", "verdict +ACCEPT"],
            "accepted after a prompt for the code": [PASSWORD_PROMPT + r"\*{6}\n", "gateway user +alice"],
            "accepted after a wrong code": [r"(?s)\*{6}.*Authentication failed.*\*{6}", '"attempts": 2'],
            "accepted with a TOTP code": ["gateway user +tessa"],
            "accepted after a challenge": [r"Enter the code from your token *\*{6}\n", '"rounds": 1'],
            "accepted by push": [PASSWORD_PROMPT + r"\[Enter\]\n", "verdict +ACCEPT"],
            "denied with the server's message": [
                "verdict +DENY",
                "call the help desk at 4444",
                "too-many-attempts",
            ],
            "denied because the server does not know the user": ["verdict +DENY", "too-many-attempts"],
            "denied because no server responds": [
                "reason +The login service is not responding. Try again later or contact your help desk.",
                r"log: Login denied: user=alice .* server=\"\" .* code=connection-refused ",
                "log: Session ended: user=alice ",
            ],
            "accepted after a prompt for the user name": [
                "login name: \n",
                "gateway user +alice",
                r"authorize +ACCEPT\n",
            ],
            "accepted with a recovery code because no server responds": [
                r"Enter a recovery code: \*{6}\n",
                "Recovery code accepted for user alice: no server responded; codes left: 0",
                '"recovery_code": true',
            ],
            "denied with a recovery code that was used before": ["it was used before", "too-many-attempts"],
        }
        scenes = re.split(r"^== \d+\. ", transcript, flags=re.MULTILINE)[1:]
        assert [scene.split("\n")[0] for scene in scenes] == list(expected)
        missing = [
            (scene.split("\n")[0], pattern)
            for scene in scenes
            for pattern in expected[scene.split("\n")[0]]
            if not re.search(pattern, scene)
        ]
        assert missing == []

    def test_hidden_answers_are_not_shown(self, transcript: str) -> None:
        typed = [line for line in transcript.splitlines() if not line.startswith(LOGIN_PROMPT)]
        assert [line for line in typed if re.search(r"\b(123456|4711|246810|000000|111111|7K3M)\b", line)] == []

    def test_lines_that_say_the_same_in_each_session_are_left_out(self, transcript: str) -> None:
        assert "log: RADIUS: Access-Accept for alice" in transcript
        assert "Logging initialized" not in transcript
        assert "Updating authentication cache" not in transcript

    def test_no_color_without_a_terminal(self, transcript: str) -> None:
        assert "\033" not in transcript

    def test_unexpected_outcomes_are_reported(self, tmp_path: Path) -> None:
        played = subprocess.run(
            command(zip_of(ACCEPTING, tmp_path), "--script"),
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=SAFETY_LIMIT,
        )
        printed = played.stdout.decode("utf-8")
        assert played.returncode == 1
        assert "NOT AS EXPECTED: 7. denied with the server's message: ACCEPT instead of DENY\n" in printed
        assert "NOT AS EXPECTED: 6. " in printed
        assert printed.endswith("0 of 12 outcomes as expected.\n")

    def test_closed_output_ends_the_demo(self, plugin_zip: Path) -> None:
        with subprocess.Popen(
            command(plugin_zip, "--script"), cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as played:
            assert played.stdout and played.stderr
            played.stdout.readline()
            played.stdout.close()
            assert played.stderr.read() == b""
        assert played.returncode == exit_status.BROKEN_PIPE


ACCEPTING = """\
class Plugin:
    def __init__(self, configuration): pass
    def authenticate(self): return {'verdict': 'ACCEPT'}
    authorize = authenticate
    def session_ended(self): pass
"""


def person(plugin_zip: Path, *options: str, **environment: str) -> Person:
    """Return a person who has started the demo in a terminal."""
    executable, *arguments = command(plugin_zip, *options)
    return Person(executable, arguments, environment, cwd=str(ROOT))


@pytest.fixture
def alice(plugin_zip: Path) -> Iterator[Person]:
    with person(plugin_zip, NO_COLOR="") as started:
        yield started.sees(LOGIN_PROMPT)


def output_until(user: Person, text: str) -> str:
    """Wait for a text, and return the output before it."""
    user.sees(text)
    return str(user.terminal.before).replace("\r", "")


class TestTerminal:
    def test_hidden_code_is_never_echoed(self, alice: Person) -> None:
        users = alice.shown
        for name in ("alice", "tessa", "carol", "pusha", "bob"):
            assert re.search(rf"^ +{name} ", users, re.MULTILINE)
        alice.types("alice").sees("alice\n", PASSWORD_PROMPT).types("123456")
        played = output_until(alice, LOGIN_PROMPT)
        assert re.search(r"verdict +ACCEPT", played)
        assert re.search(r"gateway user +alice", played)
        assert "log: Session ended: user=alice " in played
        assert "123456" not in alice.shown[len(users) :]
        assert "\033[2mlog: " in alice.shown
        assert alice.types("").to_the_end() == 0

    def test_totp_code_is_shown(self, alice: Person) -> None:
        code = re.search(r"tessa .*now (\d{6})", alice.shown)
        assert code
        alice.types("tessa").sees(PASSWORD_PROMPT).types(code.group(1))
        assert re.search(r"verdict +ACCEPT", output_until(alice, LOGIN_PROMPT))

    def test_pairs_in_the_login_name(self, alice: Person) -> None:
        alice.types("gu=alice@otp=123456@root")
        played = output_until(alice, LOGIN_PROMPT)
        assert PASSWORD_PROMPT not in played
        assert re.search(r"gateway user +alice", played)

    def test_hanging_up_at_a_question(self, alice: Person) -> None:
        alice.types("alice").sees(PASSWORD_PROMPT).presses("\x04")
        played = output_until(alice, LOGIN_PROMPT)
        assert "log: Session ended: user=alice " in played
        assert "log: Login unfinished: user=alice " in played
        assert not re.search(r"verdict\s", played)
        assert alice.presses("\x04").to_the_end() == 0

    # Python handles a signal that arrives just before a blocking read only after the read: Enter follows Ctrl-C.
    @pytest.mark.parametrize("keys", ["\r", "\x04", "\x03mallory\r"], ids=["enter", "ctrl-d", "ctrl-c"])
    def test_leaving(self, alice: Person, keys: str) -> None:
        assert alice.presses(keys).to_the_end() == 0
        assert "Traceback" not in alice.shown

    def test_leaving_at_a_question(self, alice: Person) -> None:
        alice.types("alice").sees(PASSWORD_PROMPT).presses("\x03\r")
        assert alice.to_the_end() == 0
        assert "Traceback" not in alice.shown
        assert f"{PASSWORD_PROMPT}\n" in alice.shown

    def test_verbose(self, plugin_zip: Path) -> None:
        with person(plugin_zip, "--verbose") as user:
            user.sees(LOGIN_PROMPT).types("gu=alice@otp=123456@root")
            assert "Logging initialized to level=info" in output_until(user, LOGIN_PROMPT)
            assert user.types("").to_the_end() == 0

    @pytest.mark.parametrize("question", [LOGIN_PROMPT, PASSWORD_PROMPT])
    def test_closing_the_terminal_leaves_no_files(self, plugin_zip: Path, tmp_path: Path, question: str) -> None:
        with person(plugin_zip, TMPDIR=str(tmp_path)) as user:
            user.sees(LOGIN_PROMPT).types("alice").sees(PASSWORD_PROMPT)
            if question == LOGIN_PROMPT:
                user.types("123456").sees(LOGIN_PROMPT)
            assert list(tmp_path.iterdir())
            user.terminal.ptyproc.fileobj.close()  # hang_up() kills a process that takes long to end
            deadline = time.monotonic() + SAFETY_LIMIT
            while user.terminal.isalive():
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert list(tmp_path.iterdir()) == []

    def test_answer_that_is_not_text_is_asked_for_again(self, plugin_zip: Path) -> None:
        with person(plugin_zip, PYTHONUTF8="1", PYTHONIOENCODING="utf-8:strict") as user:
            user.sees(LOGIN_PROMPT)
            user.terminal.setecho(False)  # pexpect decodes the echo
            os.write(user.terminal.child_fd, b"\xff\n")
            assert user.sees(LOGIN_PROMPT).types("").to_the_end() == 0

    def test_color_can_be_turned_off(self, plugin_zip: Path) -> None:
        for environment in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
            with person(plugin_zip, **environment) as user:
                user.sees(LOGIN_PROMPT).types("alice")
                assert "log: " in output_until(user, PASSWORD_PROMPT)
            assert "\033" not in user.shown, environment


def refused(plugin_zip: Path, *options: str) -> str:
    """Run the demo without a terminal, check that it refuses to start, and return what it prints."""
    played = subprocess.run(
        command(plugin_zip, *options),
        cwd=str(ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SAFETY_LIMIT,
        start_new_session=True,
    )
    assert played.returncode == 2
    return played.stdout.decode("utf-8")


class TestOwnConfiguration:
    @pytest.fixture
    def server(self) -> Iterator[DemoServer]:
        with DemoServer() as server:
            yield server

    @pytest.fixture
    def file(self, server: DemoServer, tmp_path: Path) -> str:
        """A configuration for `server`, whose secret is in a Credential Store."""
        path = tmp_path / "own.cfg"
        path.write_text(STORE + section(server.port, secret="$"))
        return str(path)

    def test_asks_for_stored_values_and_hides_them(self, plugin_zip: Path, server: DemoServer, file: str) -> None:
        with person(plugin_zip, "--configuration", file) as user:
            user.sees("own.cfg: 0 errors, 0 warnings\n", "[radius] secret: ").types(server.secret).sees(LOGIN_PROMPT)
            assert "tessa" not in user.shown
            user.types("alice").sees(PASSWORD_PROMPT).types("123456")
            assert re.search(r"verdict +ACCEPT", output_until(user, LOGIN_PROMPT))
            assert server.secret not in user.shown
            for path in Path("/proc").glob("*/cmdline"):
                with contextlib.suppress(OSError):  # a process that has ended since
                    assert server.secret not in path.read_text(errors="replace")
            assert user.types("").to_the_end() == 0

    def test_asks_for_a_stored_name(self, plugin_zip: Path, server: DemoServer, file: str) -> None:
        with open(file, "a") as configuration:
            configuration.write("[usermapping source=explicit]\nmallory = $\n")
        with person(plugin_zip, "--configuration", file) as user:
            user.sees("[radius] secret: ").types(server.secret)
            user.sees("[usermapping source=explicit] mallory: ").types("alice")
            user.sees(LOGIN_PROMPT).types("gu=mallory@otp=123456@root")
            assert re.search(r"verdict +ACCEPT", output_until(user, LOGIN_PROMPT))
            assert user.types("").to_the_end() == 0

    def test_ctrl_c_at_a_stored_value(self, plugin_zip: Path, file: str) -> None:
        with person(plugin_zip, "--configuration", file) as user:
            user.sees("[radius] secret: ").presses("\x03\r")
            assert user.to_the_end() == exit_status.INTERRUPTED
            assert "Traceback" not in user.shown

    def test_stored_value_from_the_environment(self, plugin_zip: Path, server: DemoServer, file: str) -> None:
        with person(plugin_zip, "--configuration", file, SPS_RADIUS_SECRET=server.secret) as user:
            user.sees(LOGIN_PROMPT).types("gu=alice@otp=123456@root")
            assert re.search(r"verdict +ACCEPT", output_until(user, LOGIN_PROMPT))
            assert user.types("").to_the_end() == 0

    def test_no_terminal_for_a_stored_value(self, plugin_zip: Path, file: str) -> None:
        lines = refused(plugin_zip, "--ssh", "--configuration", file).splitlines()
        assert lines[0] == f"{file}: 0 errors, 0 warnings"
        assert lines[1:] == [
            "There is no terminal to ask for the values of the options that are set to `$`. Set them in the "
            "environment: SPS_RADIUS_SECRET for [radius] secret, and so on."
        ]

    def test_no_terminal_for_the_logins(self, plugin_zip: Path, file: str) -> None:
        printed = refused(plugin_zip, "--configuration", file)
        assert printed == "A configuration requires a terminal, --ssh, or --telnet.\n"

    @pytest.mark.parametrize(
        "text, problem",
        [
            ("[radius]\nserver=a b\nsecret=0123456789abcdef\n", ":2: error: [radius] server: expected a host name"),
            ("[radius]\nserver=a\nsecret=$\n", ":3: error: [radius] secret: "),
            ("[radius]\nserver=a\nsecret=\n", ":3: error: [radius] secret: is empty"),
            ("[radius]\nserver=\xff\n", ":2: not UTF-8 text"),
            (
                "[radius]\nserver=a\ntransport=tls\nca_certificate=$[list]\n",
                ":4: error: [radius] ca_certificate: trusted CA lists exist on SPS only",
            ),
        ],
        ids=["error", "no store", "empty", "encoding", "trusted CA list"],
    )
    def test_invalid_configuration(self, plugin_zip: Path, tmp_path: Path, text: str, problem: str) -> None:
        path = tmp_path / "own.cfg"
        path.write_bytes(text.encode("latin-1"))
        printed = refused(plugin_zip, "--telnet", "--configuration", str(path))
        assert f"{path}{problem}" in printed
        assert "Traceback" not in printed


def test_store_has_every_type_of_value(tmp_path: Path, monkeypatch: Any) -> None:
    authority = Authority("the demo's CA")
    certificate = authority.issue(for_client=True).both
    hashes = [str(RecoveryHash(1, bytes(8), bytes([each] * 32))) for each in range(2)]
    text = (
        f"{STORE}[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n"
        f"[radius_3]\nserver=c\ntransport=tls\nca_certificate={in_configuration(authority.certificate)}\n"
        "client_certificate=$\n[recovery_codes]\nbob = $\n"
    )
    values = {
        "SPS_RADIUS_SECRET": "0123456789abcdef",
        "SPS_RADIUS_3_CLIENT_CERTIFICATE": certificate,
        "SPS_RECOVERY_CODES_BOB": "\n".join(hashes),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "own.cfg"
    path.write_text(text)
    loaded = load(str(path), Console())
    assert loaded.text == text
    assert loaded.fixtures["credential_stores"] == {
        "store": {
            "secret": {"radius": [["0123456789abcdef"]]},
            "client_certificate": {"radius_3": [[{"type": "x509v3-sign-rsa", "cert": certificate, "key": ""}]]},
            "bob": {"recovery_codes": [[each] for each in hashes]},
        }
    }


def test_configure() -> None:
    table = {
        "": "[radius]\nserver = a\n",
        "[auth]\nserver=b\n": "[auth]\nserver=b\n[radius]\nserver = a\n",
        "[radius]\n# Host\nserver=\nport=1\n[auth]\n": "[radius]\nserver = a\n# Host\nport=1\n[auth]\n",
        "[radius]\n; server=b\nserver_name=c\n": "[radius]\nserver = a\n; server=b\nserver_name=c\n",
    }
    assert {text: configure(text, {"server": "a"}) for text in table} == table
    renamed = {
        text.replace("[radius]", "[x]"): configured.replace("[radius]", "[x]") for text, configured in table.items()
    }
    assert {text: configure(text, {"server": "a"}, "x") for text in renamed} == renamed


def test_invalid_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plugin.zip").write_text("no zip")
    refused = subprocess.run(
        command(tmp_path / "plugin.zip"), cwd=str(ROOT), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert refused.returncode == 2
    assert b"plugin.zip is not the zip of a plugin" in refused.stderr
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "option, status", [("--help", 0), ("-h", 0), ("--scripts", 2), ("--script FILE", 2), ("--ssh --telnet", 2)]
)
def test_usage(option: str, status: int) -> None:
    asked = subprocess.run(
        [str(ROOT / "demo.sh"), *option.split()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert asked.returncode == status
    assert b"Usage: ./demo.sh [--verbose] [--script |" in (asked.stderr if status else asked.stdout)
    unexpected = option.split()[-1].encode("ascii")
    assert (b"Unexpected argument: " + unexpected + b"\n" in asked.stderr) == (status != 0)
