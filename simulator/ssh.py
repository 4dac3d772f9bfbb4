"""The gateway for SSH clients: asks the plugin's questions in keyboard-interactive authentication (RFC 4256)."""

import asyncio
import shlex
from pathlib import Path
from typing import Any, List, Optional, Set, Tuple, Union

import asyncssh

from .frontend import ADDRESS, LEAVE, AccessGranted, ClientSession, Frontend, Listener, Step
from .gateway import Question

_LOGIN_SECONDS = 3600  # the two minutes of asyncssh are too short for three pushes
_LEAVING = b"\r\n\x03\x04"  # Enter, Ctrl-C, Ctrl-D

Challenge = Union[bool, Tuple[str, str, str, List[Tuple[str, bool]]]]


async def start(frontend: Frontend, directory: Path) -> Listener:
    """Listen on a free port of the loopback address, with a new host key that stays in memory.

    Write a known_hosts file to `directory`, so that clients do not ask whether to trust the key.
    """
    key = asyncssh.generate_private_key("ssh-ed25519")
    clients: "Set[_Client]" = set()
    acceptor = await asyncssh.create_server(
        lambda: _Client(frontend, clients),
        ADDRESS,
        0,
        server_host_keys=[key],
        process_factory=_show_page,
        line_editor=False,
        encoding=None,
        agent_forwarding=False,
        login_timeout=_LOGIN_SECONDS,
    )
    port = acceptor.get_port()
    known_hosts = directory / "known_hosts"
    public_key = key.export_public_key().decode("ascii")
    known_hosts.write_text(f"[{ADDRESS}]:{port} {public_key}", encoding="ascii")

    def command(login_name: str) -> str:
        option = shlex.quote(f"UserKnownHostsFile={known_hosts}")
        return f"ssh -o {option} -p {port} {shlex.quote(f'{login_name}@{ADDRESS}')}"

    def close() -> None:
        acceptor.close()
        for client in list(clients):
            client.hang_up()

    note = f"Without -o, ssh asks whether to trust the host key. Its fingerprint is {key.get_fingerprint()}."
    return Listener(port, command, note, close)


class _Client(asyncssh.SSHServer):
    def __init__(self, frontend: Frontend, clients: "Set[_Client]") -> None:
        self._frontend = frontend
        self._clients = clients
        self._session: Optional[ClientSession] = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._clients.add(self)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self._clients.discard(self)
        if self._session:
            self._session.close()

    def hang_up(self) -> None:
        """End the connection from this side."""
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The gateway is shutting down")

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    async def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        if self._session:  # the client begins again, perhaps with another login name
            await asyncio.shield(self._session.close())
        ip, port = self._connection.get_extra_info("peername")[:2]
        self._session = self._frontend.open("ssh", ip, port, username)
        return self._challenge(await self._session.start())

    async def validate_kbdint_response(self, username: str, responses: Any) -> Challenge:
        if self._session is None or len(responses) != 1:
            return False
        return self._challenge(await self._session.answer(responses[0]))

    def _challenge(self, step: Step) -> Challenge:
        if isinstance(step, Question):
            # All of it is the prompt: in an instruction, OpenSSH shows non-ASCII characters as octal escapes.
            return "", "", "", [(step.prompt, not step.disable_echo)]
        if isinstance(step, AccessGranted):
            self._connection.set_extra_info(page=step.text)
            return True
        # For the same reason, the text is a banner (RFC 4252 section 5.4), which OpenSSH shows at any time. Without the
        # disconnect, OpenSSH would try to log in twice more.
        if step.text:
            self._connection.send_auth_banner(step.text + "\n")
        self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Access denied")
        return False


async def _show_page(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    """Show the page and wait until the client leaves; do not wait if the client requested a command."""
    if process.subsystem:
        process.exit(1)
        return
    page = process.get_extra_info("page") + "\n"
    if process.command is None:
        page += LEAVE + "\n"
    process.stdout.write(page.replace("\n", "\r\n" if process.term_type else "\n").encode("utf-8"))
    while process.command is None:
        try:
            typed = await process.stdin.read(1024)
        except (asyncssh.TerminalSizeChanged, asyncssh.BreakReceived):
            continue
        except (asyncssh.Error, OSError):
            break
        if not typed or set(typed) & set(_LEAVING):
            break
    process.exit(0)
