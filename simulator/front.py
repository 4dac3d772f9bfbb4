"""What SSH and Telnet share: a client's session with the plugin step by step, and what the client is shown.

A Visit turns what a client sends into hook calls, each a process, and hands back the next Step. The edges (`ssh.py`,
`telnet.py`) only carry questions and answers. Everything runs in one event loop; hooks are waited for in threads.
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


class Page(NamedTuple):
    """The client is let in, and sees this."""

    text: str


class Refusal(NamedTuple):
    """The client is not let in, and may see this; it is empty where SPS ends the session without a word."""

    text: str


Step = Union[Question, Page, Refusal]


class Listener(NamedTuple):
    """A gateway that takes clients on `port`.

    `command` returns what to type to log in under a login name, `remark` is what else there is to say. `close` stops
    listening and hangs up on every client; their sessions are the Front's to end.
    """

    port: int
    command: Callable[[str], str]
    remark: str
    close: Callable[[], None]


Start = Callable[["Front"], Awaitable[Listener]]


class Visit:
    """One client's session, from the login name to the end. Its hooks run one after another, in a thread of its own."""

    def __init__(self, front: "Front", number: int, session: Session, server_username: Optional[str]) -> None:
        self._front = front
        self._number = number
        self._session = session
        self._server_username = server_username
        self._thread = ThreadPoolExecutor(1)
        self._ending: "Optional[asyncio.Future[None]]" = None

    async def begin(self) -> Step:
        """Call the plugin for the first time."""
        return await self._step(self._session.authenticate)

    async def answer(self, text: str) -> Step:
        """Take the answer to the question that the last step was."""
        return await self._step(self._session.answer, text)

    def leave(self) -> "asyncio.Future[None]":
        """Have session_ended called: once, and after the hook that is at work, if there is one."""
        if self._ending is None:
            self._ending = self._front.start(self._end())
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
            self._front.say(self._number, f"SPS ends the session: {error}")
            return Refusal("")
        self._front.say(self._number, result["verdict"])
        if result["verdict"] == "DENY":
            return Refusal(printable(result.get("reason", "")))
        return Page(self._page(metadata))

    async def _call(self, name: str, hook: Callable[..., Any], *arguments: str) -> Any:
        if self._ending:
            raise GatewayError("the client has left")
        return await self._in_thread(name, hook, *arguments)

    async def _end(self) -> None:
        try:
            await self._in_thread("session_ended", self._session.end)
        except GatewayError as error:
            self._front.say(self._number, str(error))
        finally:
            self._thread.shutdown(wait=False)
            self._front.left(self, self._number)

    async def _in_thread(self, name: str, hook: Callable[..., Any], *arguments: str) -> Any:
        loop = asyncio.get_event_loop()

        def run() -> Any:
            # From here: a client who hangs up before the thread has begun takes the call back.
            loop.call_soon_threadsafe(self._front.say, self._number, name)
            before = len(self._session.log)
            try:
                return hook(*arguments)
            finally:
                # From here, since nobody may be waiting any more: the client can hang up at any time.
                loop.call_soon_threadsafe(self._front.log, self._number, self._session.log[before:])

        return await loop.run_in_executor(self._thread, run)

    def _page(self, metadata: str) -> str:
        """Return what a client sees who is let in: who he is to SPS by now."""
        facts = (
            ("gateway user", self._session.gateway_user or ""),
            ("server user", self._server_username or ""),
            ("groups", ", ".join(self._session.gateway_groups)),
            ("metadata", metadata),
        )
        lines = [f"{name:<13} {printable(value) or '(none)'}" for name, value in facts]
        return "\n".join(["You are in. SPS would connect you to the server now."] + lines)


class Front:
    """The gateway behind its protocols: who visits, and what is said of it on the gateway's own terminal.

    `news` is called when a client has left, for a line to print.
    """

    def __init__(self, plugin: UnpackedPlugin, console: Console, news: Callable[[], str] = lambda: "") -> None:
        self._running: "Dict[Any, str]" = {}
        self._plugin = plugin._replace(running=self._running)
        self._console = console
        self._news = news
        self._visits: Set[Visit] = set()
        self._tasks: "Set[asyncio.Future[None]]" = set()
        self._count = 0
        self._hurried = False

    def open(self, protocol: str, client_ip: str, client_port: int, login_name: str) -> Visit:
        """Return the visit of a client who gave this login name, before any hook is called."""
        name = parse_login_name(login_name, protocol)
        self._count += 1
        session = Session(
            self._plugin,
            protocol=protocol,
            client_ip=client_ip,
            client_port=client_port,
            server_username=name.server_username,
            server_port=_PORTS[protocol],
            key_value_pairs=name.pairs,
        )
        visit = Visit(self, self._count, session, name.server_username)
        self._visits.add(visit)
        # Not the login name: it may hold a one-time code.
        self.say(self._count, f"{protocol} from {client_ip} port {client_port}")
        return visit

    def start(self, work: Awaitable[None]) -> "asyncio.Future[None]":
        """Have work done beside the rest, and waited for by `close`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End every visit: hooks at work are killed, but session_ended, which is called for each."""
        while self._tasks or self._visits:
            for visit in self._visits:
                visit.leave()
            # More than once: a process may just have been about to start.
            for process, hook in list(self._running.items()):
                if self._hurried or hook != "session_ended":
                    kill(process)
            await asyncio.wait(set(self._tasks), timeout=_KILL_EVERY)

    def hurry(self) -> None:
        """Have `close` kill session_ended too."""
        self._hurried = True

    def say(self, number: int, text: str) -> None:
        """Print a line about a visit."""
        line = printable(text).replace("\n", " ")
        self._print(lambda: self._console.say(f"[{number}] {line}"))

    def log(self, number: int, lines: List[str]) -> None:
        """Print lines of the plugin's log."""
        self._print(lambda: self._console.log([printable(line) for line in lines], f"[{number}] "))

    def left(self, visit: Visit, number: int) -> None:
        """Forget a visit that is over."""
        self._visits.discard(visit)
        news = self._news()
        self.say(number, "left" + (f" ({news})" if news else ""))

    def _print(self, what: Callable[[], None]) -> None:
        try:
            what()
        except OSError:  # the terminal is gone, and the sessions are to be ended all the same
            pass


def run(front: Front, start: Start, ready: Callable[[Listener], None]) -> int:
    """Take clients until Ctrl-C, SIGTERM or SIGHUP, and return the exit status. `ready` is called once it listens.

    A second Ctrl-C kills what is still at work.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_run(front, start, ready))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _run(front: Front, start: Start, ready: Callable[[Listener], None]) -> int:
    loop = asyncio.get_event_loop()
    stopped = loop.create_future()

    def stop(number: int) -> None:
        if stopped.done():
            front.hurry()
        else:
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    listener = await start(front)
    try:
        ready(listener)
        received = await stopped
    finally:
        listener.close()
        await front.close()
    return 0 if received == signal.SIGINT else 128 + int(received)


def printable(text: str) -> str:
    """Return text in which whatever a terminal might obey, line feeds apart, is written as an escape."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode("ascii") for char in text
    )
