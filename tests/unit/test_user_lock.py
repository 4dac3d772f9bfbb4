"""One login of a user at a time, between processes."""

import multiprocessing
import os
import pathlib
import signal
import time
from typing import Any, Callable
from unittest import mock

import pytest

from lib.state.user_lock import DIRECTORY, UserLocks

PATIENCE = 60.0  # seconds; only a test that fails waits so long

# Many processes at once, without as many imports; the thread that Python 3.12 warns of is faulthandler's.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
FORK = multiprocessing.get_context("fork")


def forked(target: Callable[..., None], *arguments: Any) -> Any:
    process = FORK.Process(target=target, args=arguments, daemon=True)  # none outlives a test run that fails
    process.start()
    return process


class Holder:
    """Another process that holds a user's lock until it is asked to end, or killed."""

    def __init__(self, directory: pathlib.Path, user: str) -> None:
        is_held = FORK.Event()
        self._enough = FORK.Event()

        def hold() -> None:
            with UserLocks(str(directory)).locked(user, PATIENCE) as is_ours:
                assert is_ours
                is_held.set()
                self._enough.wait(PATIENCE)

        self.process = forked(hold)
        assert is_held.wait(PATIENCE)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def end(self) -> None:
        self._enough.set()
        self.process.join()
        assert self.process.exitcode == 0


def is_free(directory: pathlib.Path, user: str, seconds: float = 0.0) -> bool:
    with UserLocks(str(directory)).locked(user, seconds) as is_ours:
        return is_ours


def test_a_free_lock_is_held_at_once_and_leaves_one_empty_file(tmp_path: pathlib.Path) -> None:
    locks = UserLocks(str(tmp_path))
    for _ in range(2):
        with locks.locked("alice", 0) as is_ours:
            assert is_ours
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    (file,) = (tmp_path / DIRECTORY).iterdir()
    assert file.stat().st_size == 0 and not locks.warnings


def test_the_second_login_of_a_user_waits_for_the_first(tmp_path: pathlib.Path) -> None:
    holder = Holder(tmp_path, "alice")
    assert not is_free(tmp_path, "alice")
    assert not is_free(tmp_path, "alice", 0.05)
    for name in ("ALICE", "ａｌｉｃｅ"):
        assert not is_free(tmp_path, name)
    for name in ("bob", "", "ü" * 300, "../alice", "\udcff"):
        assert is_free(tmp_path, name)
    holder.end()
    assert is_free(tmp_path, "alice")


def test_the_second_login_goes_on_when_the_first_ends(tmp_path: pathlib.Path) -> None:
    holder = Holder(tmp_path, "alice")
    waits = FORK.Event()
    got = FORK.SimpleQueue()

    def wait() -> None:
        sleep = time.sleep

        def report(seconds: float) -> None:
            waits.set()
            sleep(seconds)

        with mock.patch("time.sleep", report):
            got.put(is_free(tmp_path, "alice", PATIENCE))

    waiter = forked(wait)
    assert waits.wait(PATIENCE)
    holder.end()
    waiter.join()
    assert got.get()


def test_the_lock_of_a_killed_process_is_free(tmp_path: pathlib.Path) -> None:
    holder = Holder(tmp_path, "alice")
    assert not is_free(tmp_path, "alice")
    holder.kill()
    assert is_free(tmp_path, "alice")


def test_an_exception_leaves_the_block_and_frees_the_lock(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyError):
        with UserLocks(str(tmp_path)).locked("alice", 0):
            raise KeyError
    holder = Holder(tmp_path, "alice")
    holder.end()


def test_of_fifty_logins_of_one_user_never_two_run_at_once(tmp_path: pathlib.Path) -> None:
    together = FORK.Barrier(50)
    inside = tmp_path / "inside"

    def log_in() -> None:
        together.wait(PATIENCE)
        with UserLocks(str(tmp_path)).locked("alice", PATIENCE) as is_ours:
            assert is_ours
            os.close(os.open(str(inside), os.O_CREAT | os.O_EXCL))
            os.unlink(str(inside))

    processes = [forked(log_in) for _ in range(50)]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 50


def test_logins_of_different_users_do_not_wait(tmp_path: pathlib.Path) -> None:
    users = [f"user{number}" for number in range(50)]
    all_inside = FORK.Barrier(50)

    def log_in(user: str) -> None:
        with UserLocks(str(tmp_path)).locked(user, 0) as is_ours:
            assert is_ours
            all_inside.wait(PATIENCE)

    processes = [forked(log_in, user) for user in users]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 50
    assert len(list((tmp_path / DIRECTORY).iterdir())) == 1


@pytest.mark.parametrize(
    "obstacle", ["no state directory", "file for it", "file for ours", "directory", "pipe", "link"]
)
def test_logins_go_on_where_locks_do_not_work(tmp_path: pathlib.Path, obstacle: str) -> None:
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
        with locks.locked("alice", PATIENCE) as is_ours:
            assert is_ours
    assert len(locks.warnings) == (0 if obstacle == "no state directory" else 1)
    assert all(text.startswith("Logins of one user do not wait for each other: ") for text in locks.warnings)
    assert not (tmp_path / "elsewhere").exists()
