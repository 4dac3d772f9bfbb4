"""A process that has imported the SDK and forks a child for each hook call, which saves most of the time of a call.

`ForkServer` is the client side; `main` is the server. The child gets what a new process would get: its environment,
descriptors, signal handlers, session and random state. Nothing of the plugin is imported before the fork. Unlike new
processes, all children share a hash seed, and find the modules of the SDK imported.
"""

import array
import atexit
import gc
import importlib
import json
import os
import random
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from . import host

SDK = "safeguard.sessions.plugin"
_ROOT = str(Path(__file__).resolve().parent.parent)
_DESCRIPTORS = 4  # of a call: the connection, stdin, the log and the answer
_MESSAGE = struct.Struct("!ci")  # PID or STATUS, and which
_PID, _STATUS = b"p", b"s"
_AT_STARTUP = ("PYTHON", "LC_", "LANG", "TZ")
"""Prefixes of the environment variables that an interpreter reads once, at startup."""


class ForkedProcess:
    """The process of a hook, with the part of `subprocess.Popen` that is used: `pid`, `returncode`, `communicate`."""

    def __init__(self, connection: socket.socket, log: int) -> None:
        self._connection = connection
        self._log = log
        self._read: List[bytes] = []
        self.returncode: Optional[int] = None
        kind, self.pid = self._receive()
        if kind != _PID:
            raise ChildProcessError(f"the forked process ended with status {self.pid} before it started")

    def communicate(self, timeout: Optional[float] = None) -> Tuple[bytes, None]:
        """Wait for the end and return the log; raise TimeoutExpired after `timeout` seconds. Can be called again.

        Wait also for children of the process that still have the log open.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._log, selectors.EVENT_READ)
            while True:
                if not selector.select(None if deadline is None else max(0.0, deadline - time.monotonic())):
                    raise subprocess.TimeoutExpired("fork server", timeout or 0.0)
                chunk = os.read(self._log, 65536)
                if not chunk:
                    break
                self._read.append(chunk)
        _, status = self._receive()
        self.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        self._connection.close()
        os.close(self._log)
        return b"".join(self._read), None

    def _receive(self) -> Tuple[bytes, int]:
        message = self._connection.recv(_MESSAGE.size, socket.MSG_WAITALL)
        if not message:
            raise ConnectionError("the fork server has ended")
        kind, number = _MESSAGE.unpack(message)
        return bytes(kind), int(number)


class ForkServer:
    """The server, started as a process of this Python; a context manager."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self._inherited = _inherited(os.environ)
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            self._process = subprocess.Popen(
                # -u keeps the lines of stdout and stderr in the order in which they were written.
                [python, "-u", "-m", "simulator.fork_server", str(theirs.fileno())],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait()

    def can_serve(self, python: str, environment: Mapping[str, str]) -> bool:
        """Whether a child would be equivalent to a new process of this Python with this environment."""
        return python == self.python and _inherited(environment) == self._inherited

    def start(self, environment: Mapping[str, str], stdin: int, answer: int) -> ForkedProcess:
        """Fork a process for one call: `host.answer_request` with these descriptors."""
        log, log_end = os.pipe()
        connection, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                descriptors = array.array("i", [theirs.fileno(), stdin, log_end, answer])
                self._control.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors.tobytes())])
        finally:
            os.close(log_end)
        connection.sendall(json.dumps(dict(environment)).encode("ascii"))
        connection.shutdown(socket.SHUT_WR)
        return ForkedProcess(connection, log)


def _inherited(environment: Mapping[str, str]) -> Tuple[object, ...]:
    """Return what a new process takes from its parent, and a child of the server from the server."""
    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    variables = (item for item in environment.items() if item[0].startswith(_AT_STARTUP) and item[0] != "PYTHONPATH")
    return (
        sorted(variables),
        [number for number in range(1, signal.NSIG) if signal.getsignal(number) == signal.SIG_IGN],
        sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        [resource.getrlimit(limit) for limit in limits],
        _umask(),
    )


def _umask() -> str:
    """Return the umask, where the system tells it without a change that other threads would see."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next((line for line in status if line.startswith("Umask:")), "")
    except OSError:
        return ""


class _Call(NamedTuple):
    connection: socket.socket
    stdin: int
    log: int
    answer: int


def main() -> int:
    """Serve until the other end closes the control socket; in each child, make the call and return its exit status."""
    del sys.path[0]  # the tree, which SPS does not have
    importlib.import_module(SDK)
    gc.collect()
    getattr(gc, "freeze", int)()  # so that no child copies these pages; not on 3.6
    call = _serve(socket.socket(fileno=int(sys.argv[1])))
    if call is None:
        return 0
    status = _run(call)
    if threading.active_count() == 1:
        # What the interpreter does at exit, except clearing every module, which takes as long as the call.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _serve(control: socket.socket) -> Optional[_Call]:
    """Fork for each call that comes in; return the call in the child, None in the server at its end."""
    children: Dict[int, socket.socket] = {}
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    with control, woken, wake, selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                _report(children)
            if control not in ready:
                continue
            call = _received(control)
            if call is None:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return None
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for connection in children.values():
                    connection.close()
                return call
            children[pid] = call.connection
            for descriptor in (call.stdin, call.log, call.answer):
                os.close(descriptor)


def _received(control: socket.socket) -> Optional[_Call]:
    descriptors = array.array("i")
    octets, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(_DESCRIPTORS * descriptors.itemsize))
    if not octets:
        return None
    descriptors.frombytes(ancillary[0][2])
    connection, stdin, log, answer = descriptors
    return _Call(socket.socket(fileno=connection), stdin, log, answer)


def _report(children: Dict[int, socket.socket]) -> None:
    """Report the exit status of each child that has ended."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as connection:
            try:
                connection.sendall(_MESSAGE.pack(_STATUS, status))
            except BrokenPipeError:  # the client has stopped waiting
                pass


def _run(call: _Call) -> int:
    """Set up the state of a new process, and make the call."""
    os.setsid()
    with call.connection as connection:
        connection.sendall(_MESSAGE.pack(_PID, os.getpid()))
        environment = b"".join(iter(lambda: connection.recv(65536), b""))
    os.environ.clear()
    os.environ.update(json.loads(environment.decode("ascii")))
    for descriptor, standard in ((call.stdin, 0), (call.log, 1), (call.log, 2)):
        os.dup2(descriptor, standard)
    os.close(call.stdin)
    os.close(call.log)
    random.seed()
    tempfile.tempdir = None
    sys.argv[:] = [host.__file__]
    return host.answer_request(call.answer)


if __name__ == "__main__":
    sys.exit(main())
