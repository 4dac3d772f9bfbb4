"""The exchange, pure: which server to ask, when to send again, when to give up.

Everything that decides over time and order lives here, and nothing that touches a socket or a clock. The caller asks
`next(now)` what to do, does it, and reports what came of it; `now` is any clock that never goes back, in seconds.

    resolve -> connect -> send <-> wait -> (next address) connect ... -> (next server) resolve ... -> give up

Sending again follows RFC 5080 section 2.2.1: the wait doubles from 2 s with 10 % of jitter.
"""

from typing import Callable, NamedTuple, Sequence, Union

INITIAL_WAIT = 2.0
JITTER = 0.1


class Patience(NamedTuple):
    """How long one address is tried: at most `sends` sends, none waiting over `timeout` seconds, `bound` in all."""

    timeout: float
    sends: int

    @property
    def bound(self) -> float:
        """Seconds after which the address is given up."""
        return self.timeout * self.sends


class Resolve(NamedTuple):
    """Look up this server's addresses, then report `resolved` or `failed`."""

    server: int


class Connect(NamedTuple):
    """Make a new request and a new socket for this address of this server; report `failed` if that fails."""

    server: int
    address: int


class Send(NamedTuple):
    """Send the request, once more or for the first time; report `failed` if that fails."""


class Wait(NamedTuple):
    """Wait for a datagram until this time, then ask `next` again; report `failed` if the port is unreachable."""

    until: float


class GiveUp(NamedTuple):
    """Nobody answered."""


Action = Union[Resolve, Connect, Send, Wait, GiveUp]


class Exchange:
    """One login's way through a list of servers, in their order, none asked while the one before may still answer."""

    def __init__(
        self, servers: Sequence[Patience], now: float, total_timeout: float, random: Callable[[], float]
    ) -> None:
        """Take each server's patience, the time, the seconds until all is given up, and a source of [0, 1)."""
        self._servers = servers
        self._deadline = now + total_timeout
        self._random = random
        self._server = 0
        self._addresses = 0
        self._address = 0
        self._asking = False
        self._sends = 0
        self._wait = 0.0
        self._send_at = 0.0
        self._give_up_at = 0.0

    @property
    def deadline(self) -> float:
        """The time at which all is given up."""
        return self._deadline

    def next(self, now: float) -> Action:
        """Return what to do at this time."""
        if self._asking and now >= self._give_up_at:
            self.failed()
        if now >= self._deadline or self._server == len(self._servers):
            return GiveUp()
        if not self._addresses:
            return Resolve(self._server)
        patience = self._servers[self._server]
        if not self._asking:
            self._asking = True
            self._sends = 0
            self._send_at = now
            self._give_up_at = now + patience.bound
            return Connect(self._server, self._address)
        if now >= self._send_at and self._sends < patience.sends:
            self._wait = 2 * self._wait if self._sends else INITIAL_WAIT
            jittered = self._wait * (1 + JITTER * (2 * self._random() - 1))
            self._sends += 1
            self._send_at = now + min(jittered, patience.timeout)
            return Send()
        resend_at = self._send_at if self._sends < patience.sends else self._give_up_at
        return Wait(min(resend_at, self._give_up_at, self._deadline))

    def resolved(self, addresses: int) -> None:
        """Report how many addresses the server has; none means the next server."""
        self._addresses = addresses
        self._address = 0
        if not addresses:
            self._server += 1

    def failed(self) -> None:
        """Report that the address (or the look-up) came to nothing: the next address, or the next server."""
        self._asking = False
        self._address += 1
        if self._address >= self._addresses:
            self._server += 1
            self._addresses = 0
