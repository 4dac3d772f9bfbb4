"""The gateway for Telnet clients (RFC 854): SPS asks for the user name on the server, and then the plugin asks.

The gateway echoes and edits lines itself (RFC 857, 858), so input typed too early is not shown either.
"""

import asyncio
import unicodedata
from typing import Dict, NamedTuple, Optional, Tuple

from .frontend import ADDRESS, LEAVE, AccessGranted, ClientSession, Frontend, Listener
from .gateway import Question

USERNAME_PROMPT = "Username: "
"""The prompt of SPS in Telnet; the answer may contain key-value pairs, as in SSH."""

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, ECHO, SUPPRESS_GO_AHEAD = 0, 1, 3  # RFC 856, 857, 858
_OURS, _THEIRS = (ECHO, SUPPRESS_GO_AHEAD, BINARY), (SUPPRESS_GO_AHEAD, BINARY)
_ANSWERS = {DO: (WILL, WONT), WILL: (DO, DONT)}

CTRL_C, CTRL_D, BACKSPACE, CTRL_U, DELETE = 3, 4, 8, 21, 127
# Interrupt Process, Break, Abort, End of File, Erase Character, Erase Line (RFC 854, 1184)
_KEYS = {244: CTRL_C, 243: CTRL_C, 238: CTRL_C, 236: CTRL_D, 247: DELETE, 248: CTRL_U}
_LONGEST_LINE = 4096  # octets


class Negotiation:
    """Separates what a client types from Telnet commands, and answers the commands. Pure.

    It answers only commands that change something (RFC 1143), so that two ends never answer each other forever.
    """

    def __init__(self) -> None:
        # None: requested and not answered yet
        self._ours: Dict[int, Optional[bool]] = {option: None for option in _OURS}
        self._theirs: Dict[int, Optional[bool]] = {BINARY: None}
        self._command = b""

    @staticmethod
    def opening() -> bytes:
        """Return the options that the gateway requests first."""
        asked = [(WILL, option) for option in _OURS] + [(DO, BINARY)]
        return b"".join(bytes((IAC, verb, option)) for verb, option in asked)

    @property
    def echoes(self) -> bool:
        """Whether the gateway echoes what the client types."""
        return bool(self._ours[ECHO])

    def receive(self, octets: bytes) -> Tuple[bytes, bytes]:
        """Return the keys that a client typed, and the octets that answer its commands."""
        keys, answers = bytearray(), bytearray()
        for octet in octets:
            if not self._command and octet != IAC:
                keys.append(octet)
                continue
            self._command += bytes((octet,))
            if self._command == bytes((IAC, IAC)):
                keys.append(IAC)
            elif self._command[1:2] == bytes((SB,)):
                self._skip_subnegotiation()
                continue
            elif len(self._command) == 3:
                answers += self._answer(self._command[1], octet)
            elif len(self._command) == 1 or octet >= WILL:
                continue
            elif octet in _KEYS:
                keys.append(_KEYS[octet])
            self._command = b""
        return bytes(keys), bytes(answers)

    def _skip_subnegotiation(self) -> None:
        """Discard a subnegotiation, except its start and an IAC that may belong to its end."""
        if self._command[-2:] == bytes((IAC, SE)):
            self._command = b""
        elif self._command[-1] != IAC or self._command[-2:] == bytes((IAC, IAC)):
            self._command = bytes((IAC, SB))

    def _answer(self, verb: int, option: int) -> bytes:
        about, known = (self._ours, _OURS) if verb in (DO, DONT) else (self._theirs, _THEIRS)
        wanted, was = verb in (DO, WILL), about.get(option, False)
        yes, no = _ANSWERS[DO if verb in (DO, DONT) else WILL]
        if wanted and option not in known:
            return bytes((IAC, no, option))
        about[option] = wanted
        if was is None or was == wanted:
            return b""
        return bytes((IAC, yes if wanted else no, option))


class Line(NamedTuple):
    """The effect of a key: the line so far, the octets that update the screen, and whether the line is complete."""

    octets: bytes
    shown: bytes = b""
    done: bool = False


def press(line: bytes, key: int) -> Line:
    """Return the line after a key that is neither Ctrl-C nor Ctrl-D. Pure."""
    if key in b"\r\n":
        return Line(line, done=True)
    if key in (BACKSPACE, DELETE):
        return _erase(line)
    if key == CTRL_U:
        shown = b""
        while line:
            line, erased, _ = _erase(line)
            shown += erased
        return Line(line, shown)
    if len(line) >= _LONGEST_LINE:
        return Line(line, b"\a")
    return Line(line + bytes((key,)), bytes((key,)) if key >= 32 else b"^" + bytes((key + 64,)))


def _erase(line: bytes) -> Line:
    """Return the line without its last character, which may have several octets and two columns."""
    start = len(line) - 1
    while start > 0 and line[start] & 0xC0 == 0x80:
        start -= 1
    if start < 0:
        return Line(b"")
    char = line[start:].decode("utf-8", "replace")[:1]
    wide = char < " " or unicodedata.east_asian_width(char) in ("W", "F")
    return Line(line[:start], b"\b \b" * (2 if wide else 1))


async def start(frontend: Frontend) -> Listener:
    """Listen on a free port of the loopback address."""
    clients: "Dict[asyncio.Future[None], asyncio.StreamWriter]" = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = frontend.start_task(_talk(frontend, _Terminal(reader, writer)))
        clients[task] = writer
        task.add_done_callback(clients.pop)

    server = await asyncio.start_server(accept, ADDRESS, 0)
    port = server.sockets[0].getsockname()[1]

    def close() -> None:
        server.close()
        for writer in clients.values():
            writer.close()

    note = "The gateway asks for the login name. If you press Enter there, the plugin asks for the user name."
    return Listener(port, lambda login_name: f"telnet {ADDRESS} {port}", note, close)


async def _talk(frontend: Frontend, terminal: "_Terminal") -> None:
    session: Optional[ClientSession] = None
    try:
        login_name = await terminal.ask(Question("", USERNAME_PROMPT, False))
        session = frontend.open("telnet", terminal.ip, terminal.port, login_name)
        step = await session.start()
        while isinstance(step, Question):
            step = await session.answer(await terminal.ask(step))
        if step.text:
            terminal.say(step.text + "\n")
        if isinstance(step, AccessGranted):
            terminal.say(LEAVE + "\n")
            await terminal.enter()
    except (EOFError, OSError):
        pass
    finally:
        terminal.close()
        if session:
            await asyncio.shield(session.close())


class _Terminal:
    """The screen and keyboard of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._negotiation = Negotiation()
        self._typed = bytearray()
        self._after_return = False
        self.ip, self.port = writer.get_extra_info("peername")[:2]
        writer.write(self._negotiation.opening())

    def say(self, text: str) -> None:
        """Show text."""
        self._writer.write(text.replace("\n", "\r\n").encode("utf-8"))

    def close(self) -> None:
        """Close the connection after everything is sent."""
        self._writer.close()

    async def ask(self, question: Question) -> str:
        """Ask and return the input; raise EOFError if the client disconnects or sends Ctrl-C or Ctrl-D."""
        if question.disable_echo and not self._negotiation.echoes:
            self.say("(Your client shows what you type.)\n")
        self.say(question.prompt)
        while True:
            line = Line(b"")
            while not line.done:
                key = await self._key()
                if key == CTRL_C or (key == CTRL_D and not line.octets):
                    raise EOFError
                line = press(line.octets, key)
                if self._negotiation.echoes and not question.disable_echo:
                    self._writer.write(line.shown)
            if self._negotiation.echoes:
                self.say("\n")
            try:
                return line.octets.decode("utf-8")
            except UnicodeDecodeError:
                self.say("The input is not valid text. Try again: ")

    async def enter(self) -> None:
        """Wait until the client presses Enter or disconnects."""
        while await self._key() not in (*b"\r\n", CTRL_C, CTRL_D):
            pass

    async def _key(self) -> int:
        while True:
            while not self._typed:
                await self._writer.drain()
                octets = await self._reader.read(1024)
                if not octets:
                    raise EOFError
                typed, answers = self._negotiation.receive(octets)
                self._typed += typed
                self._writer.write(answers)
            key = self._typed.pop(0)
            # Enter is CR NUL or CR LF (RFC 854), or CR alone in binary mode.
            after_return, self._after_return = self._after_return, key == 13
            if not (after_return and key in b"\n\0"):
                return key
