"""One call, one verified reply or one clear error: runs an exchange over the network."""

import os
import random
import time
from collections import Counter
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from ..settings import ServerSettings
from ..text import counted
from . import packet
from .exchange import Connect, Exchange, GiveUp, Patience, Resolve, Send, Wait
from .transport import Address, Udp, Unreachable, resolve

# The first of these that any server gave is the reason told; the log has them all.
_CODES_BY_WEIGHT = (
    "wrong-secret",
    "no-message-authenticator",
    "bad-reply",
    "port-closed",
    "name-lookup",
    "network",
    "no-reply",
)


class Origin(NamedTuple):
    """Where an Access-Challenge came from, so that its State goes back there and nowhere else."""

    section: str
    host: str
    port: int


class Answer(NamedTuple):
    """A verified reply and how it was come by; `seconds` is how long it took, `remarks` are for the log."""

    reply: packet.Reply
    origin: Origin
    seconds: float
    sends: int
    remarks: Tuple[str, ...]


class NoAnswer(Exception):
    """No server gave an answer: `code` is a denial's code, `remarks` say for the log what happened with each."""

    def __init__(self, code: str, remarks: Sequence[str], seconds: float) -> None:
        super().__init__(code)
        self.code = code
        self.remarks = tuple(remarks)
        self.seconds = seconds


class OriginGone(Exception):
    """The server that sent the challenge is not what the configuration names any more."""


LoginFor = Callable[[ServerSettings], packet.Login]
"""What to send to this server."""


def ask(
    servers: Sequence[ServerSettings], login_for: LoginFor, total_timeout: float, origin: Optional[Origin] = None
) -> Answer:
    """Ask the servers in their order, or the one a challenge came from, for at most `total_timeout` seconds.

    Raise NoAnswer, OriginGone, or packet.RequestError if a request cannot be made.
    """
    if origin is not None:
        servers = [server for server in servers if _is_origin(server, origin)]
        if not servers:
            raise OriginGone()
    return _Run(servers, login_for, total_timeout, origin).answer()


class _Try:
    """What one address of one server did."""

    def __init__(self, section: str, place: object) -> None:
        self.section = section
        self.name = "{} {}".format(section, place)
        self.sends = 0
        self.flaws: "Counter[packet.Flaw]" = Counter()
        self.error: Optional[Unreachable] = None

    @property
    def codes(self) -> List[str]:
        if self.flaws:
            return [flaw.code for flaw in self.flaws]
        return [self.error.code if self.error else "no-reply"]

    def remarks(self) -> List[str]:
        lines = [
            "dropped {} {}".format(counted(count, "reply", "replies"), flaw.words) for flaw, count in self.flaws.items()
        ]
        return ["{}: {}".format(self.name, line) for line in lines]

    def outcome(self) -> str:
        words = str(self.error) if self.error else "no reply to {}".format(counted(self.sends, "send", "sends"))
        return "{}: {}".format(self.name, words)


class _Run:
    def __init__(
        self,
        servers: Sequence[ServerSettings],
        login_for: LoginFor,
        total_timeout: float,
        origin: Optional[Origin],
    ) -> None:
        self._servers = servers
        self._login_for = login_for
        self._origin = origin
        self._started = time.monotonic()
        self._exchange = Exchange(
            [Patience(server.conn_timeout, server.conn_retries) for server in servers],
            self._started,
            total_timeout,
            random.SystemRandom().random,
        )
        self._addresses: List[Address] = []
        self._address = Address(0, ())
        self._tries: List[_Try] = []
        self._udp: Optional[Udp] = None
        self._server = servers[0]
        self._request = b""
        self._secret = b""

    def answer(self) -> Answer:
        try:
            while True:
                action = self._exchange.next(time.monotonic())
                if isinstance(action, GiveUp):
                    raise self._no_answer()
                try:
                    answer = self._do(action)
                except Unreachable as error:
                    self._tries[-1].error = error
                    self._exchange.failed()
                    continue
                if answer is not None:
                    return answer
        finally:
            self._close()

    def _do(self, action: object) -> Optional[Answer]:
        if isinstance(action, Resolve):
            self._server = self._servers[action.server]
            self._tries.append(_Try(self._server.section, self._server.server))
            self._addresses = self._resolve()
            self._tries.pop()
            self._exchange.resolved(len(self._addresses))
        elif isinstance(action, Connect):
            self._address = self._addresses[action.address]
            self._tries.append(_Try(self._server.section, self._address))
            self._connect()
        elif isinstance(action, Send) and self._udp:
            self._tries[-1].sends += 1
            self._udp.send(self._request)
        elif isinstance(action, Wait) and self._udp:
            octets = self._udp.receive(action.until - time.monotonic())
            if octets is not None:
                return self._judged(octets)
        return None

    def _resolve(self) -> List[Address]:
        patience = min(
            self._server.conn_timeout * self._server.conn_retries, self._exchange.deadline - time.monotonic()
        )
        found = resolve(self._server.server, self._server.port, patience)
        if self._origin is None:
            return found
        found = [address for address in found if address.sockaddr[0] == self._origin.host]
        if not found:
            raise OriginGone()
        return found

    def _connect(self) -> None:
        self._close()
        self._secret = self._server.secret.octets()
        # A new server or address is a new request; sending again is not (RFC 5080 section 2.2.1).
        self._request = packet.encode(self._login_for(self._server), self._secret, os.urandom)
        self._udp = Udp(self._address)

    def _judged(self, octets: bytes) -> Optional[Answer]:
        try:
            reply = packet.verify(octets, self._request, self._secret, self._server.require_message_authenticator)
        except packet.Dropped as dropped:
            self._tries[-1].flaws[dropped.flaw] += 1
            return None
        remarks = [line for tried in self._tries[:-1] for line in tried.remarks() + [tried.outcome()]]
        remarks += self._tries[-1].remarks()
        host, port = self._address.sockaddr[:2]
        return Answer(
            reply,
            Origin(self._server.section, host, port),
            time.monotonic() - self._started,
            self._tries[-1].sends,
            tuple(remarks),
        )

    def _no_answer(self) -> NoAnswer:
        codes = {code for tried in self._tries for code in tried.codes}
        remarks = [line for tried in self._tries for line in tried.remarks() + [tried.outcome()]]
        asked = len({tried.section for tried in self._tries})
        remarks += [
            "{0.section} {0.server}: not asked, no time was left".format(server) for server in self._servers[asked:]
        ]
        code = next((code for code in _CODES_BY_WEIGHT if code in codes), "no-reply")
        return NoAnswer(code, remarks, time.monotonic() - self._started)

    def _close(self) -> None:
        if self._udp:
            self._udp.close()
            self._udp = None


def _is_origin(server: ServerSettings, origin: Origin) -> bool:
    return server.section == origin.section and server.port == origin.port
