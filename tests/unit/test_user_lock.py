"""One login of a user at a time, between processes."""

import multiprocessing
import os
import pathlib
import signal
import time
from typing import Any, Callable, List
from unittest import mock

import pytest

from lib.state.user_lock import FILE, Turns

PATIENCE = 60.0  # seconds; only a test that fails waits so long

# Many processes at once, without as many imports; the thread that Python 3.12 warns of is faulthandler's.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def said() -> List[str]:
    """What the turns complained of."""
    return []


def forked(target: Callable[..., None], *arguments: Any) -> Any:
    process = FORK.Process(target=target, args=arguments, daemon=True)  # none outlives a test run that fails
    process.start()
    return process


class Holder:
    """Another process that has a user's turn until it is told to end, or killed."""

    def __init__(self, directory: pathlib.Path, user: str) -> None:
        has_it = FORK.Event()
        self._enough = FORK.Event()

        def hold() -> None:
            with Turns(str(directory), print).turn(user, PATIENCE) as is_ours:
                assert is_ours
                has_it.set()
                self._enough.wait(PATIENCE)

        self.process = forked(hold)
        assert has_it.wait(PATIENCE)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def end(self) -> None:
        self._enough.set()
        self.process.join()
        assert self.process.exitcode == 0


def is_free(directory: pathlib.Path, user: str, seconds: float = 0.0) -> bool:
    with Turns(str(directory), print).turn(user, seconds) as is_ours:
        return is_ours


def test_the_turn_is_ours_where_nobody_has_it(tmp_path: pathlib.Path, said: List[str]) -> None:
    turns = Turns(str(tmp_path), said.append)
    for _ in range(2):
        with turns.turn("alice", 0) as is_ours:
            assert is_ours
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_size == 0 and not said


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


def test_it_gets_the_turn_when_the_first_ends(tmp_path: pathlib.Path) -> None:
    holder = Holder(tmp_path, "alice")
    waits = FORK.Event()
    got = FORK.SimpleQueue()

    def wait() -> None:
        sleep = time.sleep

        def telling(seconds: float) -> None:
            waits.set()
            sleep(seconds)

        with mock.patch("time.sleep", telling):
            got.put(is_free(tmp_path, "alice", PATIENCE))

    waiter = forked(wait)
    assert waits.wait(PATIENCE)
    holder.end()
    waiter.join()
    assert got.get()


def test_process_that_is_killed_frees_its_turn(tmp_path: pathlib.Path) -> None:
    holder = Holder(tmp_path, "alice")
    assert not is_free(tmp_path, "alice")
    holder.kill()
    assert is_free(tmp_path, "alice")


def test_an_exception_in_the_block_goes_on_and_frees_the_turn(tmp_path: pathlib.Path, said: List[str]) -> None:
    with pytest.raises(KeyError):
        with Turns(str(tmp_path), said.append).turn("alice", 0):
            raise KeyError
    holder = Holder(tmp_path, "alice")
    holder.end()


def test_fifty_logins_of_one_user_are_never_two_at_a_time(tmp_path: pathlib.Path) -> None:
    together = FORK.Barrier(50)
    inside = tmp_path / "inside"

    def log_in() -> None:
        together.wait(PATIENCE)
        with Turns(str(tmp_path), print).turn("alice", PATIENCE) as is_ours:
            assert is_ours
            os.close(os.open(str(inside), os.O_CREAT | os.O_EXCL))
            os.unlink(str(inside))

    processes = [forked(log_in) for _ in range(50)]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 50


def test_logins_of_many_users_do_not_wait(tmp_path: pathlib.Path) -> None:
    users = ["user{}".format(number) for number in range(50)]
    all_inside = FORK.Barrier(50)

    def log_in(user: str) -> None:
        with Turns(str(tmp_path), print).turn(user, 0) as is_ours:
            assert is_ours
            all_inside.wait(PATIENCE)

    processes = [forked(log_in, user) for user in users]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 50
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("obstacle", ["no state directory", "file for it", "directory for ours", "pipe", "link"])
def test_directory_that_cannot_be_used_makes_nobody_wait(
    tmp_path: pathlib.Path, said: List[str], obstacle: str
) -> None:
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
    turns = Turns(None if obstacle == "no state directory" else str(state), said.append)
    for _ in range(2):
        with turns.turn("alice", PATIENCE) as is_ours:
            assert is_ours
    assert len(said) == (0 if obstacle == "no state directory" else 1)
    assert all(text.startswith("logins of one user do not wait for each other: ") for text in said)
    assert not (tmp_path / "elsewhere").exists()
