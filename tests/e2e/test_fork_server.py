"""The fork server: what it forks is as a new process would be."""

import os
import pathlib
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from simulator.fork_server import ForkServer
from simulator.gateway import TIME_LIMIT_EXCEEDED, HookCall, UnpackedPlugin

Plugin = Callable[..., UnpackedPlugin]

FACTS = """
import json, os, random, signal, stat, sys, tempfile, threading
umask = os.umask(0)
os.umask(umask)
kinds = []
for number in range(256):
    try:
        kinds.append((stat.S_IFMT(os.fstat(number).st_mode), os.get_inheritable(number)))
    except OSError:
        pass
facts = {
    "arguments": sys.argv,
    "path": sys.path,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "umask": umask,
    "signals": {number: str(signal.getsignal(number)) for number in range(1, signal.NSIG)},
    "wake-up": signal.set_wakeup_fd(-1),
    "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "descriptors": kinds,
    "stdin": sys.stdin.read(),
    "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
    "session": os.getsid(0) == os.getpgrp() == os.getpid(),
    "threads": threading.active_count(),
    "temporary": tempfile.gettempdir(),
    "ours": sorted(name for name in sys.modules if name.split(".")[0] in ("lib", "pyrad", "six", "main")),
}
class Plugin:
    def __init__(self, configuration): pass
    def authenticate(self): return {"verdict": "ACCEPT", "cookie": facts}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A fork server."""
    with ForkServer() as running:
        yield running


@pytest.fixture
def plugin(tmp_path: pathlib.Path, server: ForkServer) -> Plugin:
    """Make a plugin of a main.py, whose hooks are forked."""

    def make(source: str, **options: Any) -> UnpackedPlugin:
        directory = tmp_path / "plugin"
        directory.mkdir(exist_ok=True)
        (directory / "main.py").write_text(source, encoding="utf-8")
        return UnpackedPlugin(directory, "", **{"fork_server": server, **options})

    return make


def hook(body: str) -> str:
    """Return a main.py whose `authenticate` has this body."""
    return (
        "import os, random, signal, subprocess, sys\n"
        "class Plugin:\n"
        "    def __init__(self, _): pass\n"
        f"    def authenticate(self): {body}\n"
    )


def facts(call: HookCall) -> Dict[str, Any]:
    """Return the facts that the plugin of FACTS found."""
    assert call.error is None, call.log
    return dict(call.result["cookie"])


def test_forked_process_is_as_a_new_one(plugin: Plugin) -> None:
    forked = facts(plugin(FACTS).call("authenticate", {}))
    new = facts(plugin(FACTS, fork_server=None).call("authenticate", {}))
    new["environment"].pop("SPS_SIMULATOR_RESULT_FD", None)
    assert forked == new
    assert forked["session"] and forked["ours"] == ["main"] and forked["stdin"] == ""


def test_environment_is_that_of_the_call(plugin: Plugin, mocker: Any) -> None:
    mocker.patch.dict(os.environ, {"SOME_NAME": "ä\udcff"})
    found = facts(plugin(FACTS).call("authenticate", {}))
    assert found["environment"]["SOME_NAME"] == "ä\udcff"
    mocker.stopall()
    assert "SOME_NAME" not in facts(plugin(FACTS).call("authenticate", {}))["environment"]


def test_what_an_interpreter_reads_at_its_start_takes_a_new_process(
    plugin: Plugin, server: ForkServer, mocker: Any
) -> None:
    body = hook(
        'return {"verdict": "ACCEPT", "cookie": {"parent": os.getppid(), "word": sys.flags.dont_write_bytecode}}'
    )
    assert plugin(body).call("authenticate", {}).result["cookie"]["parent"] != os.getpid()
    for name, value in (("PYTHONDONTWRITEBYTECODE", "2"), ("LC_ALL", "C"), ("TZ", "Asia/Tokyo"), ("LANG", "xx")):
        mocker.patch.dict(os.environ, {name: value})
        assert plugin(body).call("authenticate", {}).result["cookie"]["parent"] == os.getpid(), name
        mocker.stopall()
    assert not server.can_serve(sys.executable + "-other", os.environ)


def test_inherited_state_of_the_caller_takes_a_new_process(plugin: Plugin, server: ForkServer) -> None:
    def changed(change: Callable[[], Any], undo: Callable[[], Any]) -> bool:
        change()
        try:
            return server.can_serve(sys.executable, os.environ)
        finally:
            undo()

    assert server.can_serve(sys.executable, os.environ)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    umask, handler = os.umask(0), signal.getsignal(signal.SIGUSR1)
    os.umask(umask)
    changes: Dict[str, Tuple[Callable[[], Any], Callable[[], Any]]] = {
        "umask": (lambda: os.umask(umask ^ 0o010), lambda: os.umask(umask)),
        "limit": (
            lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - 1, limits[1])),
            lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        ),
        "ignored": (
            lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
            lambda: signal.signal(signal.SIGUSR1, handler),
        ),
        "blocked": (
            lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]),
            lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2]),
        ),
    }
    assert [name for name, (change, undo) in changes.items() if changed(change, undo)] == []
    assert server.can_serve(sys.executable, os.environ)


def test_random_numbers_differ_from_child_to_child(plugin: Plugin) -> None:
    numbers = plugin(hook('return {"verdict": "ACCEPT", "cookie": {"number": random.random()}}'))
    found = {numbers.call("authenticate", {}).result["cookie"]["number"] for _ in range(5)}
    assert len(found) == 5


def test_log_keeps_its_order(plugin: Plugin) -> None:
    call = plugin(
        hook('print("one"); print("two", file=sys.stderr); sys.stdout.write("three\\n"); raise SystemExit(3)')
    ).call("authenticate", {})
    assert call.log.startswith("one\ntwo\nthree\n")
    assert call.error is not None and call.error.type == "SystemExit"
    assert call.exit_status == 1


def test_exit_without_a_result(plugin: Plugin) -> None:
    for body, status in (("os._exit(7)", 7), ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV)):
        call = plugin(hook(body)).call("authenticate", {})
        assert (call.error and call.error.type, call.exit_status) == ("NoResult", status)


def test_handlers_at_exit_run_and_threads_are_waited_for(plugin: Plugin) -> None:
    ends = "import atexit, threading; atexit.register(print, 'the end')"
    call = plugin(hook(ends)).call("authenticate", {})
    assert call.log == "the end\n"
    waits = f"{ends}; threading.Thread(target=lambda: print('thread', threading.main_thread().join())).start()"
    assert "thread" in plugin(hook(waits)).call("authenticate", {}).log


def test_time_limit_kills_the_process_and_its_children(plugin: Plugin) -> None:
    # The call returns when the last process that has the log open is gone.
    waits = "subprocess.call([sys.executable, '-c', 'import signal; signal.pause()'])"
    call = plugin(hook(waits)).call("authenticate", {}, time_limit=2.0)
    assert call.error is not None and call.error.type == TIME_LIMIT_EXCEEDED
    assert call.exit_status == -signal.SIGKILL


def test_many_calls_at_once(plugin: Plugin) -> None:
    numbered = plugin(
        "class Plugin:\n    def __init__(self, _): pass\n    def authenticate(self, cookie): return cookie\n"
    )
    with ThreadPoolExecutor(16) as pool:
        calls = pool.map(lambda number: numbered.call("authenticate", {"cookie": {"number": number}}), range(100))
        assert [call.result["number"] for call in calls] == list(range(100))


def test_closed_server_leaves_no_process_behind(plugin: Plugin, tmp_path: pathlib.Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(str(fifo))
    waits = plugin(hook(f"open({str(fifo)!r}, 'w'); signal.pause()"))
    with ThreadPoolExecutor(1) as pool:
        with ForkServer() as own:
            call = pool.submit(waits._replace(fork_server=own).call, "authenticate", {})
            with fifo.open():  # the hook has begun
                pass
        with pytest.raises(ConnectionError):
            call.result()


def test_server_that_cannot_import_the_sdk_fails_the_call(tmp_path: pathlib.Path) -> None:
    bare = subprocess.check_output([sys.executable, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
    python = os.path.join(bare, "bin", "python3")
    with ForkServer(python) as own, pytest.raises(ConnectionError):
        UnpackedPlugin(tmp_path, "", python=python, fork_server=own).call("authenticate", {})
