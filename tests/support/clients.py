"""A person who uses OpenSSH's ssh or Debian's telnet in a terminal, and the demo's gateway that the person logs in to.

Both are processes. pexpect waits for what they print.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
import zipfile
from io import StringIO
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import pexpect
import pytest
from pexpect.fdpexpect import fdspawn

from tests.support import ROOT
from tests.support.processes import default_signals, wait_until

SAFETY_LIMIT = 120.0  # seconds to wait for any output before the test fails
PAGE = "Access granted."
LEAVE = "Press Enter to leave."
PASSWORD_PROMPT = "Type a code, or press Enter for push, then approve it on your device: "
NAME_PROMPT = "User name (typing is hidden): "
_READY = "Press Ctrl-C to stop the gateway.\n"


@pytest.fixture(scope="session")
def ssh_command() -> str:
    """The path of OpenSSH's ssh."""
    return _installed("ssh", "openssh-client")


@pytest.fixture(scope="session")
def telnet_command() -> str:
    """The path of a telnet."""
    return _installed("telnet", "telnet")


def _installed(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian, Ubuntu: apt-get install {package})")
    return path


class Gateway:
    """`./demo.sh --PROTOCOL` as a process; a context manager.

    directory: an existing directory for its files.
    configuration: the plugin's configuration; without one it uses the demo's own RADIUS server and users.
    fork: whether to fork the hooks instead of starting a new interpreter for each.
    options: further options of the demo.
    printed: what it has printed so far.
    """

    def __init__(
        self,
        protocol: str,
        plugin_zip: Path,
        directory: Path,
        configuration: Optional[str] = None,
        fork: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.protocol = protocol
        self.directory = directory
        self.printed = ""
        options = [*options, *(["--fork"] if fork else [])]
        if configuration is not None:
            (directory / "plugin.cfg").write_text(configuration, encoding="utf-8")
            options += ["--configuration", str(directory / "plugin.cfg")]
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        self._arguments = [sys.executable, "-m", "simulator.demo", "--" + protocol, *options, str(plugin_zip)]

    def __enter__(self) -> "Gateway":
        self.process = subprocess.Popen(
            self._arguments,
            cwd=str(ROOT),
            env=dict(os.environ, TMPDIR=str(self.temporary), PYTHONIOENCODING="utf-8"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=default_signals,
        )
        assert self.process.stdout
        self._output = fdspawn(self.process.stdout.fileno(), timeout=SAFETY_LIMIT, encoding="utf-8")
        self.read_until(re.escape(_READY))
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.read(r"listens on 127\.0\.0\.1 port (\d+)"))

    @property
    def commands(self) -> List[str]:
        """The command lines that it suggests."""
        return re.findall("^  ((?:ssh|telnet) .*)$", self.printed, re.MULTILINE)

    def read(self, pattern: str) -> str:
        """Return the group that a pattern matches in the output so far."""
        found = re.search(pattern, self.printed)
        assert found, self.printed
        return found.group(1)

    def read_until(self, pattern: str) -> str:
        """Wait for a pattern in the output, and return its first group, if it has one."""
        self._output.expect(pattern)
        self.printed += self._output.before + self._output.after
        match = self._output.match
        return str(match.group(1)) if match.lastindex else ""

    def wait_for_disconnect(self) -> List[str]:
        """Wait until a client disconnects, and return the lines about its session."""
        number = self.read_until(r"\[(\d+)\] disconnected[^\n]*\n")
        return self.session(int(number))

    def session(self, number: int) -> List[str]:
        """Return the lines about a session so far."""
        mark = f"[{number}] "
        return [line[len(mark) :] for line in self.printed.splitlines() if line.startswith(mark)]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it with Ctrl-C or another signal, read its output to the end, and return its exit status."""
        self.process.send_signal(number)
        self._output.expect(pexpect.EOF)
        self.printed += self._output.before
        assert self.process.stdout
        self.process.stdout.close()
        status = self.process.wait(timeout=SAFETY_LIMIT)
        talk = self.printed.split(_READY, 1)[1].splitlines()
        assert [line for line in talk if not re.match(r"\[\d+\] ", line)] == []  # no library has printed a warning
        return status


class Person:
    """A person who runs a client in a terminal; a context manager, which closes the terminal."""

    def __init__(
        self, command: str, arguments: Sequence[str], more: Mapping[str, str] = {}, cwd: Optional[str] = None
    ) -> None:
        """Start the command with `more` added to its environment."""
        environment: Dict[str, str] = dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm")
        environment.update(more)
        for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE"):
            environment.pop(name, None)
        self._seen = StringIO()
        with warnings.catch_warnings():
            # forkpty() warns of threads: the only one is the watchdog of faulthandler_timeout, which is harmless.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.terminal = pexpect.spawn(
                command,
                list(arguments),
                env=environment,
                timeout=SAFETY_LIMIT,
                encoding="utf-8",
                dimensions=(50, 200),
                cwd=cwd,
                preexec_fn=default_signals,
            )
        self.terminal.logfile_read = self._seen
        self.terminal.delaybeforesend = None

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    @property
    def shown(self) -> str:
        """All output so far."""
        return self._seen.getvalue().replace("\r", "")

    @property
    def screen(self) -> str:
        """All output so far, without the `(name@host) ` that newer versions of ssh put before each question."""
        return re.sub(r"^\(\S+@127\.0\.0\.1\) ", "", self.shown, flags=re.MULTILINE)

    def sees(self, *texts: str) -> "Person":
        """Wait for these texts, in this order."""
        for text in texts:
            self.terminal.expect_exact(text.replace("\n", "\r\n"))
        return self

    def types(self, text: str) -> "Person":
        """Type a line."""
        return self.presses(text + "\r")

    def presses(self, keys: str) -> "Person":
        """Press keys without Enter."""
        self.terminal.send(keys)
        return self

    def hang_up(self) -> None:
        """Close the terminal, which ends the client."""
        try:
            self.terminal.close(force=True)
        except pexpect.ExceptionPexpect:  # on a busy machine, the client ends later than pexpect waits
            wait_until(lambda: not self.terminal.isalive())

    def to_the_end(self) -> int:
        """Wait for the client to exit, and return its exit status."""
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
        status = self.terminal.exitstatus
        assert status is not None, "the client was killed"
        return int(status)

    def leaves(self) -> str:
        """Wait for the page that follows a login, leave it, and return the whole screen."""
        if LEAVE not in self.screen:
            self.sees(LEAVE)
        self.types("")
        assert self.to_the_end() in (0, 1)  # some versions of telnet exit with 1 when the server closes the connection
        return self.screen


def by_ssh(
    command: str, gateway: Gateway, login_name: str, options: Sequence[str] = (), remote: Sequence[str] = ()
) -> Person:
    """Return a person who runs the ssh command that the gateway suggests, with more options and a remote command."""
    known_hosts = gateway.read(r"ssh -o (UserKnownHostsFile=\S+)")
    # -F none: ignore the ssh_config of this machine.
    given = ["-F", "none", "-o", known_hosts, "-p", str(gateway.port), *options]
    return Person(command, [*given, login_name + "@127.0.0.1", *remote])


def by_telnet(command: str, gateway: Gateway) -> Person:
    """Return a person who runs the telnet command that the gateway suggests."""
    return Person(command, gateway.commands[0].split()[1:])


def session_ended(lines: Sequence[str]) -> str:
    """Return the only lines for the login and for the end of a session of our plugin."""
    (login,) = [line for line in lines if re.search(r"Login (accepted|denied|unfinished): ", line)]
    return f"{login}\n{session_of_any_plugin_ended(lines)}"


def session_of_any_plugin_ended(lines: Sequence[str]) -> str:
    """Return the only line that session_ended logged in a session; check that nothing but `disconnected` follows it."""
    ended = [line for line in lines if "Session ended" in line]
    assert len(ended) == 1, lines
    assert lines[-2] == ended[0]
    assert lines[-1].startswith("disconnected")
    return ended[0]


def zip_of(source: str, directory: Path) -> Path:
    """Write a plugin's zip with this main.py, and return its path."""
    path = directory / "plugin.zip"
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr("default.cfg", "")
        archive.writestr("main.py", source)
    return path
