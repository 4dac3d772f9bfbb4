"""The status of servers: how long it lasts, and that no problem with its files is a failure."""

import os
import pathlib
import time

import pytest
from pytest_mock import MockerFixture

from lib.radius.server_status import NO_MEMORY, Status
from lib.state.server_status import DIRECTORY, STATUS_KNOWN_FOR, Health

SERVER = "radius.example.com:1812"


def only_file(tmp_path: pathlib.Path) -> pathlib.Path:
    (path,) = (tmp_path / DIRECTORY).iterdir()
    return path


def test_nothing_is_known_at_first(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    assert health.status_of(SERVER) == Status(False, False)
    assert not health.warnings


def test_failure_is_remembered_until_a_response(tmp_path: pathlib.Path) -> None:
    one, other = Health(str(tmp_path), 120), Health(str(tmp_path), 120)
    one.failed(SERVER)
    assert other.status_of(SERVER).dead
    assert not other.status_of("radius.example.com:1645").dead
    other.answered(SERVER)
    other.answered(SERVER)
    assert not Health(str(tmp_path), 120).status_of(SERVER).dead
    assert not one.warnings and not other.warnings


def test_failure_expires_after_dead_time(tmp_path: pathlib.Path, mocker: MockerFixture) -> None:
    health = Health(str(tmp_path), 120)
    health.failed(SERVER)
    clock = mocker.patch("time.time")
    dead = {0: True, 119: True, 121: False, -60: False}  # by seconds since the failure
    found = {}
    for age in dead:
        clock.return_value = only_file(tmp_path).stat().st_mtime + age
        found[age] = health.status_of(SERVER).dead
    assert found == dead


def test_another_failure_renews_the_first_whatever_its_age(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    health.failed(SERVER)
    for age in (0, 119, 121, -60):
        os.utime(str(only_file(tmp_path)), (time.time() - age,) * 2)
        health.failed(SERVER)
        assert health.status_of(SERVER).dead


def test_response_to_status_server_is_remembered_for_a_while(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    health.answered_status(SERVER)
    assert health.status_of(SERVER) == Status(False, True)
    os.utime(str(only_file(tmp_path)), (time.time() - STATUS_KNOWN_FOR - 1,) * 2)
    assert health.status_of(SERVER) == Status(False, False)


def test_server_names_make_files_only_inside_the_directory(tmp_path: pathlib.Path) -> None:
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
def test_unusable_directory_gives_one_warning_and_stores_nothing(tmp_path: pathlib.Path, obstacle: str) -> None:
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


def test_content_of_a_file_does_not_matter(tmp_path: pathlib.Path) -> None:
    health = Health(str(tmp_path), 120)
    health.failed(SERVER)
    only_file(tmp_path).write_bytes(b"\0garbage")
    assert health.status_of(SERVER).dead


def test_nothing_is_stored_without_a_directory() -> None:
    NO_MEMORY.failed(SERVER)
    NO_MEMORY.answered_status(SERVER)
    NO_MEMORY.answered(SERVER)
    assert NO_MEMORY.status_of(SERVER) == Status()
