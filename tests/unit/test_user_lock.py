"""The lock of a user, within one process: tests/network/test_shared_state.py has those of several."""

import os
import pathlib

import pytest

from lib.state.user_lock import DIRECTORY, UserLocks


def test_free_lock_is_acquired_again_and_again(tmp_path: pathlib.Path) -> None:
    locks = UserLocks(str(tmp_path))
    for _ in range(2):
        with locks.locked("alice", 0) as acquired:
            assert acquired
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    (file,) = (tmp_path / DIRECTORY).iterdir()
    assert file.stat().st_size == 0 and not locks.warnings


@pytest.mark.parametrize(
    "obstacle", ["no state directory", "file for it", "file for ours", "directory", "pipe", "link"]
)
def test_unusable_file_means_one_warning_and_no_waiting(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for ours":
        (state / DIRECTORY).write_text("")
    elif obstacle in ("directory", "pipe", "link"):
        (state / DIRECTORY).mkdir()
    if obstacle == "directory":
        (state / DIRECTORY / "lock").mkdir()
    elif obstacle == "pipe":
        os.mkfifo(str(state / DIRECTORY / "lock"))
    elif obstacle == "link":
        (state / DIRECTORY / "lock").symlink_to(tmp_path / "elsewhere")
    locks = UserLocks(None if obstacle == "no state directory" else str(state))
    for _ in range(2):
        with locks.locked("alice", 60) as acquired:
            assert acquired
    assert len(locks.warnings) == (0 if obstacle == "no state directory" else 1)
    assert all(text.startswith("Logins of one user do not wait for each other: ") for text in locks.warnings)
    assert not (tmp_path / "elsewhere").exists()
