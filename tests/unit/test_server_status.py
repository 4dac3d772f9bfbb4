"""What is remembered of servers: until when, and without ever a failure because of its files."""

import os
import pathlib
import time
from typing import List

import pytest
from pytest_mock import MockerFixture

from lib.state.server_status import DIRECTORY, NO_MEMORY, STATUS_KNOWN_FOR, Health, Mark

SERVER = "radius.example.com:1812"


@pytest.fixture
def log() -> List[str]:
    """The lines that are logged."""
    return []


def only_file(tmp_path: pathlib.Path) -> pathlib.Path:
    (path,) = (tmp_path / DIRECTORY).iterdir()
    return path


def test_nothing_is_known_at_first(tmp_path: pathlib.Path, log: List[str]) -> None:
    assert Health(str(tmp_path), 120, log.append).mark(SERVER) == Mark(False, False)
    assert not log


def test_failure_is_remembered_until_a_response(tmp_path: pathlib.Path, log: List[str]) -> None:
    Health(str(tmp_path), 120, log.append).failed(SERVER)
    other = Health(str(tmp_path), 120, log.append)
    assert other.mark(SERVER).dead
    assert not other.mark("radius.example.com:1645").dead
    other.answered(SERVER)
    other.answered(SERVER)
    assert not Health(str(tmp_path), 120, log.append).mark(SERVER).dead
    assert not log


def test_failure_expires_after_dead_time(tmp_path: pathlib.Path, log: List[str], mocker: MockerFixture) -> None:
    health = Health(str(tmp_path), 120, log.append)
    health.failed(SERVER)
    clock = mocker.patch("time.time")
    dead = {0: True, 119: True, 121: False, -60: False}  # by seconds since the failure
    found = {}
    for age in dead:
        clock.return_value = only_file(tmp_path).stat().st_mtime + age
        found[age] = health.mark(SERVER).dead
    assert found == dead


def test_another_failure_renews_the_first_whatever_its_age(tmp_path: pathlib.Path, log: List[str]) -> None:
    health = Health(str(tmp_path), 120, log.append)
    health.failed(SERVER)
    for age in (0, 119, 121, -60):
        os.utime(str(only_file(tmp_path)), (time.time() - age,) * 2)
        health.failed(SERVER)
        assert health.mark(SERVER).dead


def test_response_to_status_server_is_remembered_for_a_while(tmp_path: pathlib.Path, log: List[str]) -> None:
    health = Health(str(tmp_path), 120, log.append)
    health.answered_status(SERVER)
    assert health.mark(SERVER) == Mark(False, True)
    os.utime(str(only_file(tmp_path)), (time.time() - STATUS_KNOWN_FOR - 1,) * 2)
    assert health.mark(SERVER) == Mark(False, False)


def test_server_names_make_files_only_inside_the_directory(tmp_path: pathlib.Path, log: List[str]) -> None:
    health = Health(str(tmp_path / "state"), 120, log.append)
    names = ["../../x:1", "[fe80::1%eth0]:1812", "a" * 300 + ":1", "ü:1", "/etc/passwd:1"]
    for name in names:
        health.failed(name)
        assert health.mark(name).dead
    assert len(list((tmp_path / "state" / DIRECTORY).iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert not log


@pytest.mark.parametrize("obstacle", ["file for the directory", "file for the state directory", "directory for a mark"])
def test_unusable_directory_means_one_log_line_and_nothing_remembered(
    tmp_path: pathlib.Path, log: List[str], obstacle: str
) -> None:
    state = tmp_path / "state"
    if obstacle == "file for the state directory":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for the directory":
        (state / DIRECTORY).write_text("")
    health = Health(str(state), 120, log.append)
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
    assert len(log) == 1 and log[0].startswith("servers' health is not remembered: ")


def test_content_of_a_file_does_not_matter(tmp_path: pathlib.Path, log: List[str]) -> None:
    health = Health(str(tmp_path), 120, log.append)
    health.failed(SERVER)
    only_file(tmp_path).write_bytes(b"\0garbage")
    assert health.mark(SERVER).dead


def test_no_directory_means_nothing_remembered() -> None:
    NO_MEMORY.failed(SERVER)
    NO_MEMORY.answered_status(SERVER)
    NO_MEMORY.answered(SERVER)
    assert NO_MEMORY.mark(SERVER) == Mark()
