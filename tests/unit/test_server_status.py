"""The memory of servers' health: shared between processes, and never a reason to fail."""

import os
import pathlib
import subprocess
import sys
import time
from typing import List

import pytest

from lib.state.server_status import DIRECTORY, NO_MEMORY, STATUS_KNOWN_FOR, Health, Mark
from tests.support import ROOT

SERVER = "radius.example.com:1812"


@pytest.fixture
def said() -> List[str]:
    """What a memory complained of."""
    return []


def test_nothing_is_known_at_first(tmp_path: pathlib.Path, said: List[str]) -> None:
    assert Health(str(tmp_path), 120, said.append).mark(SERVER) == Mark(False, False)
    assert not said


def test_failure_is_remembered_until_an_answer(tmp_path: pathlib.Path, said: List[str]) -> None:
    Health(str(tmp_path), 120, said.append).failed(SERVER)
    other = Health(str(tmp_path), 120, said.append)
    assert other.mark(SERVER).dead
    assert not other.mark("radius.example.com:1645").dead
    other.answered(SERVER)
    other.answered(SERVER)
    assert not Health(str(tmp_path), 120, said.append).mark(SERVER).dead
    assert not said


@pytest.mark.parametrize("age, dead", [(0, True), (119, True), (121, False), (-60, False)])
def test_failure_is_forgotten_after_dead_time(tmp_path: pathlib.Path, said: List[str], age: int, dead: bool) -> None:
    health = Health(str(tmp_path), 120, said.append)
    health.failed(SERVER)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - age,) * 2)
    assert health.mark(SERVER).dead is dead
    health.failed(SERVER)
    assert health.mark(SERVER).dead


def test_status_answers_are_remembered_for_a_while(tmp_path: pathlib.Path, said: List[str]) -> None:
    health = Health(str(tmp_path), 120, said.append)
    health.answered_status(SERVER)
    assert health.mark(SERVER) == Mark(False, True)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - STATUS_KNOWN_FOR - 1,) * 2)
    assert health.mark(SERVER) == Mark(False, False)


def test_names_make_files_inside_the_directory_only(tmp_path: pathlib.Path, said: List[str]) -> None:
    health = Health(str(tmp_path / "state"), 120, said.append)
    names = ["../../x:1", "[fe80::1%eth0]:1812", "a" * 300 + ":1", "ü:1", "/etc/passwd:1"]
    for name in names:
        health.failed(name)
        assert health.mark(name).dead
    assert len(list((tmp_path / "state" / DIRECTORY).iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert not said


@pytest.mark.parametrize("obstacle", ["file for the directory", "file for the state directory", "directory for a mark"])
def test_state_that_cannot_be_used_is_no_memory_and_one_complaint(
    tmp_path: pathlib.Path, said: List[str], obstacle: str
) -> None:
    state = tmp_path / "state"
    if obstacle == "file for the state directory":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for the directory":
        (state / DIRECTORY).write_text("")
    health = Health(str(state), 120, said.append)
    if obstacle == "directory for a mark":
        health.failed(SERVER)
        (mark,) = (state / DIRECTORY).iterdir()
        mark.unlink()
        mark.mkdir()
        health.answered(SERVER)
    for _ in range(2):
        health.failed(SERVER)
        health.answered(SERVER)
        health.answered_status(SERVER)
        assert health.mark(SERVER) == Mark(False, False)
    assert len(said) == 1 and said[0].startswith("servers' health is not remembered: ")


def test_mark_whose_content_is_garbage_is_a_mark(tmp_path: pathlib.Path, said: List[str]) -> None:
    health = Health(str(tmp_path), 120, said.append)
    health.failed(SERVER)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    mark.write_bytes(b"\0garbage")
    assert health.mark(SERVER).dead


def test_no_memory() -> None:
    NO_MEMORY.failed(SERVER)
    NO_MEMORY.answered_status(SERVER)
    NO_MEMORY.answered(SERVER)
    assert NO_MEMORY.mark(SERVER) == Mark()


def test_a_hundred_processes_at_once(tmp_path: pathlib.Path) -> None:
    program = (
        "import sys\n"
        "from lib.state.server_status import Health\n"
        "health = Health(sys.argv[1], 120, print)\n"
        "for turn in range(50):\n"
        "    health.failed('a:1'); health.mark('a:1'); health.answered('a:1'); health.answered_status('b:1')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(100)
    ]
    assert [process.communicate()[0] for process in processes] == [b""] * 100
    assert [process.returncode for process in processes] == [0] * 100
    (left,) = (tmp_path / DIRECTORY).iterdir()
    assert left.name.startswith("status-b_1-")
