"""The common part of SSH and Telnet: the session of a client with the plugin, step by step, and what the client sees.

A ClientSession turns the input of a client into hook calls, each a process, and returns the next Step. `ssh.py` and
`telnet.py` only transport questions and answers. Everything runs in one event loop; threads wait for the hooks.
"""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple, Optional, Set, Union

from .console import Console
from .gateway import GatewayError, Question, Session, UnpackedPlugin, kill, parse_login_name

ADDRESS = "127.0.0.1"
LEAVE = "Press Enter to leave."

_KILL_EVERY = 0.1  # seconds
_PORTS = {"ssh": 22, "telnet": 23}


class AccessGranted(NamedTuple):
    """Access is granted, and the client sees this text."""

    text: str


class AccessDenied(NamedTuple):
    """Access is denied. The client may see this text; it is empty if SPS ends the session without a message."""

    text: str


Step = Union[Question, AccessGranted, AccessDenied]


class Listener(NamedTuple):
    """A gateway that accepts clients on `port`.

    `command` returns the command that logs in with a login name, `note` is a further line of help. `close` stops
    listening and disconnects every client; the Frontend ends their sessions.
    """

    port: int
    command: Callable[[str], str]
    note: str
    close: Callable[[], None]


Start = Callable[["Frontend"], Awaitable[Listener]]


class ClientSession:
    """The session of one client, from the login name to the end. Its hooks run one after another in a thread."""

    def __init__(self, frontend: "Frontend", number: int, session: Session, server_username: Optional[str]) -> None:
        self._frontend = frontend
        self._number = number
        self._session = session
        self._server_username = server_username
        self._thread = ThreadPoolExecutor(1)
        self._ending: "Optional[asyncio.Future[None]]" = None

    async def start(self) -> Step:
        """Call the plugin for the first time."""
        return await self._step(self._session.authenticate)

    async def answer(self, text: str) -> Step:
        """Pass on the answer to the question of the last step."""
        return await self._step(self._session.answer, text)

    def close(self) -> "asyncio.Future[None]":
        """Call session_ended once, after the running hook if there is one."""
        if self._ending is None:
            self._ending = self._frontend.start_task(self._end())
        return self._ending

    async def _step(self, hook: Callable[..., Any], *arguments: str) -> Step:
        try:
            result = await self._call("authenticate", hook, *arguments)
            if result["verdict"] == "NEEDINFO":
                question = self._session.questions[-1]
                return question._replace(prompt=printable(question.prompt))
            metadata = result.get("additional_metadata", "")
            if result["verdict"] != "DENY":
                result = await self._call("authorize", self._session.authorize)
                metadata = result.get("additional_metadata", metadata)
        except GatewayError as error:
            self._frontend.say(self._number, f"SPS ends the session: {error}")
            return AccessDenied("")
        self._frontend.say(self._number, result["verdict"])
        if result["verdict"] == "DENY":
            return AccessDenied(printable(result.get("reason", "")))
        return AccessGranted(self._page(metadata))

    async def _call(self, name: str, hook: Callable[..., Any], *arguments: str) -> Any:
        if self._ending:
            raise GatewayError("the client has disconnected")
        return await self._in_thread(name, hook, *arguments)

    async def _end(self) -> None:
        try:
            await self._in_thread("session_ended", self._session.end)
        except GatewayError as error:
            self._frontend.say(self._number, str(error))
        finally:
            self._thread.shutdown(wait=False)
            self._frontend.remove(self, self._number)

    async def _in_thread(self, name: str, hook: Callable[..., Any], *arguments: str) -> Any:
        loop = asyncio.get_event_loop()

        def run() -> Any:
            # Logged here, because a client that disconnects before the thread starts cancels the call.
            loop.call_soon_threadsafe(self._frontend.say, self._number, name)
            before = len(self._session.log)
            try:
                return hook(*arguments)
            finally:
                # Logged here, because the caller may have ended: the client can disconnect at any time.
                loop.call_soon_threadsafe(self._frontend.log, self._number, self._session.log[before:])

        return await loop.run_in_executor(self._thread, run)

    def _page(self, metadata: str) -> str:
        """Return what a client sees after access is granted: the user as SPS knows it."""
        facts = (
            ("gateway user", self._session.gateway_user or ""),
            ("server user", self._server_username or ""),
            ("groups", ", ".join(self._session.gateway_groups)),
            ("metadata", metadata),
        )
        lines = [f"{name:<13} {printable(value) or '(none)'}" for name, value in facts]
        return "\n".join(["Access granted. SPS would now connect you to the server."] + lines)


class Frontend:
    """The gateway behind its protocols: the sessions of its clients, and the output on the terminal of the gateway.

    `status` returns a text to print when a client has disconnected. `authenticates` is whether SPS has authenticated
    the users before the plugin.
    """

    def __init__(
        self,
        plugin: UnpackedPlugin,
        console: Console,
        status: Callable[[], str] = lambda: "",
        authenticates: bool = False,
    ) -> None:
        self._running: "Dict[Any, str]" = {}
        self._plugin = plugin._replace(running=self._running)
        self._console = console
        self._status = status
        self._authenticates = authenticates
        self._sessions: Set[ClientSession] = set()
        self._tasks: "Set[asyncio.Future[None]]" = set()
        self._count = 0
        self._aborted = False

    def open(self, protocol: str, client_ip: str, client_port: int, login_name: str) -> ClientSession:
        """Return the session of a client with this login name, before any hook call."""
        name = parse_login_name(login_name, protocol)
        self._count += 1
        plugin_session = Session(
            self._plugin,
            protocol=protocol,
            client_ip=client_ip,
            client_port=client_port,
            gateway_user=name.server_username if self._authenticates else None,
            server_username=name.server_username,
            server_port=_PORTS[protocol],
            key_value_pairs=name.pairs,
        )
        session = ClientSession(self, self._count, plugin_session, name.server_username)
        self._sessions.add(session)
        # Not the login name: it may contain a one-time code.
        self.say(self._count, f"{protocol} from {client_ip} port {client_port}")
        return session

    def start_task(self, work: Awaitable[None]) -> "asyncio.Future[None]":
        """Start work in the event loop; `close` waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every session: kill the running hooks, except session_ended, which is called for each session."""
        while self._tasks or self._sessions:
            for session in self._sessions:
                session.close()
            # More than once: a process may be about to start.
            for process, hook in list(self._running.items()):
                if self._aborted or hook != "session_ended":
                    kill(process)
            await asyncio.wait(set(self._tasks), timeout=_KILL_EVERY)

    def abort(self) -> None:
        """Let `close` kill session_ended too."""
        self._aborted = True

    def say(self, number: int, text: str) -> None:
        """Print a line about a session."""
        line = printable(text).replace("\n", " ")
        self._print(lambda: self._console.say(f"[{number}] {line}"))

    def log(self, number: int, lines: List[str]) -> None:
        """Print lines of the plugin's log."""
        self._print(lambda: self._console.log([printable(line) for line in lines], f"[{number}] "))

    def remove(self, session: ClientSession, number: int) -> None:
        """Remove a session that has ended."""
        self._sessions.discard(session)
        status = self._status()
        self.say(number, "disconnected" + (f" ({status})" if status else ""))

    def _print(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError:  # the terminal was closed; the sessions must still be ended
            pass


def run(frontend: Frontend, start: Start, ready: Callable[[Listener], None]) -> int:
    """Accept clients until Ctrl-C, SIGTERM or SIGHUP, and return the exit status. Call `ready` once it listens.

    A second Ctrl-C kills the hooks that still run.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_run(frontend, start, ready))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _run(frontend: Frontend, start: Start, ready: Callable[[Listener], None]) -> int:
    loop = asyncio.get_event_loop()
    stopped = loop.create_future()

    def stop(number: int) -> None:
        if stopped.done():
            frontend.abort()
        else:
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    listener = await start(frontend)
    try:
        ready(listener)
        received = await stopped
    finally:
        listener.close()
        await frontend.close()
    return 0 if received == signal.SIGINT else 128 + int(received)


def printable(text: str) -> str:
    """Return text with escapes in place of all control characters except line feeds."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode("ascii") for char in text
    )
