"""Processes that the tests start or fork."""

import multiprocessing
import os
import signal
import time
import warnings
from multiprocessing.context import ForkProcess
from typing import Any, Callable, List, Sequence

FORK = multiprocessing.get_context("fork")
WAIT_LIMIT = 60.0  # seconds until a test fails instead of hanging


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that another process or thread brings about, and fail the test if it never does."""
    deadline = time.monotonic() + WAIT_LIMIT
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def default_signals() -> None:
    """Give a child process the default signal handlers; for `preexec_fn`.

    A background job or a process under nohup ignores SIGINT or SIGHUP, and so would its children.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def forked(target: Callable[..., Any], *arguments: Any) -> ForkProcess:
    """Start a process that calls `target`; it ends with the test run at the latest."""
    process = FORK.Process(target=target, args=arguments, daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 warns of a second thread: it is the watchdog of faulthandler_timeout, and in C.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def forked_together(count: int, target: Callable[[int], Any]) -> List[ForkProcess]:
    """Start processes that call `target` with their number, all at the same moment."""
    together = FORK.Barrier(count)

    def run(number: int) -> None:
        together.wait(WAIT_LIMIT)
        target(number)

    return [forked(run, number) for number in range(count)]


def join(processes: Sequence[ForkProcess]) -> None:
    """Wait until processes end, and assert that none of them failed."""
    for process in processes:
        process.join(WAIT_LIMIT)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def kill(process: ForkProcess) -> None:
    """Kill a process if it still runs, and assert that it had not failed before."""
    if process.is_alive():
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)
