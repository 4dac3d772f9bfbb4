"""The plugin's command line for tests: called in the process of the test, or run from the zip."""

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any, Dict, List, Sequence

import pytest
from pytest_mock import MockerFixture

from lib.cli.main import main
from tests.support.clients import SAFETY_LIMIT, Person

END_OF_INPUT = "\x04"
PROMPT = "on your device: "
# Neither the environment nor any package: only what the zip contains can be imported.
ISOLATED = (sys.executable, "-I", "-S")
# coverage is a package: while it measures, only the tests of isolation run without it.
_TRACED = (
    sys.executable,
    "-c",
    "import coverage, runpy, sys; coverage.process_startup(); del sys.argv[0];"
    " runpy.run_path(sys.argv[0], run_name='__main__')",
)
PYTHON = _TRACED if "COVERAGE_PROCESS_START" in os.environ else ISOLATED


class Result:
    """The exit status and the output of a command, checked for tracebacks and escape sequences."""

    def __init__(self, status: int, out: str, err: str) -> None:
        assert "Traceback" not in err, err
        assert "\x1b" not in out + err
        self.status = status
        self.out = out
        self.err = err

    @property
    def document(self) -> Dict[str, Any]:
        """The JSON document in the output."""
        return dict(json.loads(self.out))


class CommandLine:
    """Runs commands in the process of the test, in a directory for configurations."""

    def __init__(self, directory: pathlib.Path, mocker: MockerFixture, capsys: "pytest.CaptureFixture[str]") -> None:
        self.directory = directory
        self._mocker = mocker
        self._capsys = capsys
        self._environment = dict(os.environ)

    def file(self, text: str, name: str = "radius.cfg") -> str:
        """Write a file that only its owner can read to the directory, and return its name."""
        (self.directory / name).write_bytes(text.encode("utf-8"))
        (self.directory / name).chmod(0o600)
        return name

    def run(self, *arguments: str, answers: Sequence[str] = (), **environment: str) -> Result:
        """Run a command with a terminal that types the answers to hidden questions, or without one if there are none.

        The output includes the questions. Every answer must be asked for.
        """
        remaining: List[str] = list(answers)

        def getpass(prompt: str) -> str:
            if not answers:
                raise OSError("no terminal")
            print(prompt, flush=True)
            answer = remaining.pop(0)
            if answer == END_OF_INPUT:
                raise EOFError
            return answer

        self._mocker.patch("getpass.getpass", getpass)
        self._mocker.patch("signal.signal")
        self._mocker.patch.object(sys, "argv", ["plugin.zip", *arguments])
        self._mocker.patch.dict(os.environ, {**self._environment, **environment}, clear=True)
        self._capsys.readouterr()
        try:
            status = main()
        except SystemExit as ended:  # argparse
            status = int(ended.code or 0)
        assert remaining == []
        return Result(status, *self._capsys.readouterr())


@pytest.fixture
def cli(
    tmp_path: pathlib.Path,
    mocker: MockerFixture,
    monkeypatch: pytest.MonkeyPatch,
    capsys: "pytest.CaptureFixture[str]",
) -> CommandLine:
    """The command line, in the process and the directory of the test."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path, mocker, capsys)


class Zip:
    """Runs the zip in processes, in a directory for configurations."""

    def __init__(self, path: pathlib.Path, directory: pathlib.Path) -> None:
        self.path = path
        self.directory = directory

    def file(self, text: str, name: str = "radius.cfg") -> str:
        """Write a file and return its path."""
        path = self.directory / name
        path.write_bytes(text.encode("utf-8"))
        return str(path)

    def run(self, *arguments: str, stdin: str = "", python: Sequence[str] = PYTHON, **environment: str) -> Result:
        """Run the zip without a terminal."""
        process = subprocess.run(
            [*python, str(self.path), *arguments],
            input=stdin.encode("utf-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**environment),
            cwd=str(self.directory),
            timeout=SAFETY_LIMIT,
            start_new_session=True,
        )
        return Result(process.returncode, process.stdout.decode("utf-8"), process.stderr.decode("utf-8"))

    def person(self, *arguments: str, **environment: str) -> Person:
        """Return a person who runs the zip in a terminal."""
        return Person(PYTHON[0], [*PYTHON[1:], str(self.path), *arguments], environment)

    @staticmethod
    def environment(**more: str) -> Dict[str, str]:
        """Return the environment of the test, in UTF-8, with these variables added."""
        return {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8", **more}


def fact(output: str, name: str) -> str:
    """Return a fact of the verdict that `try` printed."""
    facts = re.findall(f"^    {name} +(.*)$", output, re.MULTILINE)
    assert len(facts) == 1, output
    return str(facts[0])


def packets(output: str) -> List[str]:
    """Return the lines about packets that `try` printed, without addresses, times and identifiers."""
    lines = re.findall(r"^(To|From) (\[\w+\]) \S+?(?: after [\d.]+ s)?: (.*)$", output, re.MULTILINE)
    return [
        "{} {} {}".format(way, place, re.sub(r"identifier \d+", "identifier N", what)) for way, place, what in lines
    ]
