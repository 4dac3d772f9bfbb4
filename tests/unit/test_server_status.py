"""The status of servers: shared between processes, and never a reason to fail."""

import os
import pathlib
import time

import pytest

from lib.radius.server_status import NO_MEMORY, Status
from lib.state.server_status import DIRECTORY, STATUS_KNOWN_FOR, Health

SERVER = "radius.example.com:1812"


def test_nothing_is_known_at_first(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    assert health.status_of(SERVER) == Status(False, False)
    assert not health.warnings


def test_a_server_stays_dead_until_it_answers(tmp_path: pathlib.Path) -> None:
    one, other = Health(str(tmp_path), 120), Health(str(tmp_path), 120)
    one.failed(SERVER)
    assert other.status_of(SERVER).dead
    assert not other.status_of("radius.example.com:1645").dead
    other.answered(SERVER)
    other.answered(SERVER)
    assert not Health(str(tmp_path), 120).status_of(SERVER).dead
    assert not one.warnings and not other.warnings


@pytest.mark.parametrize("age, dead", [(0, True), (119, True), (121, False), (-60, False)])
def test_a_server_is_dead_for_dead_time(tmp_path: pathlib.Path, age: int, dead: bool) -> None:
    health = Health(str(tmp_path), 120)
    health.failed(SERVER)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - age,) * 2)
    assert health.status_of(SERVER).dead is dead
    health.failed(SERVER)
    assert health.status_of(SERVER).dead


def test_answers_to_status_server_are_remembered_for_an_hour(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    health.answered_status(SERVER)
    assert health.status_of(SERVER) == Status(False, True)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - STATUS_KNOWN_FOR - 1,) * 2)
    assert health.status_of(SERVER) == Status(False, False)


def test_names_make_files_inside_the_directory_only(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path / "state"), 120)
    names = ["../../x:1", "[fe80::1%eth0]:1812", "a" * 300 + ":1", "ü:1", "/etc/passwd:1"]
    for name in names:
        health.failed(name)
        assert health.status_of(name).dead
    assert len(list((tmp_path / "state" / DIRECTORY).iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert not health.warnings


@pytest.mark.parametrize(
    "obstacle", ["file for the directory", "file for the state directory", "directory", "pipe", "link"]
)
def test_unusable_state_is_no_memory_and_one_warning(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for the state directory":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for the directory":
        (state / DIRECTORY).write_text("")
    health = Health(str(state), 120)
    if obstacle in ("directory", "pipe", "link"):
        health.failed(SERVER)
        health.answered_status(SERVER)
        for path in (state / DIRECTORY).iterdir():
            path.unlink()
            if obstacle == "directory":
                path.mkdir()
            elif obstacle == "pipe":
                os.mkfifo(str(path))
            else:
                path.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        health.failed(SERVER)
        health.answered_status(SERVER)
        assert health.status_of(SERVER) == Status(False, False)
    health.answered(SERVER)
    assert len(health.warnings) == 1
    assert health.warnings[0].startswith("Server status is not shared between logins: ")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_content_of_a_file_means_nothing(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    health.failed(SERVER)
    (mark,) = (tmp_path / DIRECTORY).iterdir()
    mark.write_bytes(b"\0garbage")
    assert health.status_of(SERVER).dead


def test_no_memory() -> None:
    NO_MEMORY.failed(SERVER)
    NO_MEMORY.answered_status(SERVER)
    NO_MEMORY.answered(SERVER)
    assert NO_MEMORY.status_of(SERVER) == Status()
