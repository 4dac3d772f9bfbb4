"""The lock of a user, within one process: tests/network/test_shared_state.py has those of several."""

import os
import pathlib
from typing import List

import pytest

from lib.state.user_lock import FILE, Turns


@pytest.fixture
def log() -> List[str]:
    """The lines that are logged."""
    return []


def test_free_lock_is_acquired_again_and_again(tmp_path: pathlib.Path, log: List[str]) -> None:
    turns = Turns(str(tmp_path), log.append)
    for _ in range(2):
        with turns.turn("alice", 0) as acquired:
            assert acquired
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_size == 0 and not log


@pytest.mark.parametrize("obstacle", ["no state directory", "file for it", "directory for ours", "pipe", "link"])
def test_unusable_file_means_one_log_line_and_no_waiting(tmp_path: pathlib.Path, log: List[str], obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "directory for ours":
        (state / FILE).mkdir()
    elif obstacle == "pipe":
        os.mkfifo(str(state / FILE))
    elif obstacle == "link":
        (state / FILE).symlink_to(tmp_path / "elsewhere")
    turns = Turns(None if obstacle == "no state directory" else str(state), log.append)
    for _ in range(2):
        with turns.turn("alice", 60) as acquired:
            assert acquired
    assert len(log) == (0 if obstacle == "no state directory" else 1)
    assert all(line.startswith("logins of one user do not wait for each other: ") for line in log)
    assert not (tmp_path / "elsewhere").exists()
