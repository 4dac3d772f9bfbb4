"""The exchange, pure: which server to ask, when to send again, when to give up.

Everything that decides over time and order lives here, and nothing that touches a socket or a clock. The caller asks
`next(now)` what to do, does it, and reports what came of it; `now` is any clock that never goes back, in seconds.

    resolve -> connect -> send <-> wait -> (next address) connect ... -> (next server) resolve ... -> give up
                            probe <-> wait: a Status-Server, when the answer is slow

Sending again follows RFC 5080 section 2.2.1: the wait doubles with 10 % of jitter, and the server knows the packet for
the one it has. A one-time code is spent when a server has seen it and a push rings once, so the next server is asked
only when the one before is given up: at its bound, at an error, or earlier when it is known to answer Status-Server
(RFC 5997) and does not. Nothing is spent while a connection is being made, so that need not be waited for as long.
"""

from typing import Callable, List, Optional, Sequence, Set, Union

from ..namedtuple import NamedTuple

JITTER = 0.1
TOO_LATE = 0.01  # seconds before the bound in which nothing is sent again: no answer could come, rounding made it
STATUS_PATIENCE = 2.0  # seconds of silence after the first Status-Server, which prove a server dead that answers them
STATUS_SENDS = 8  # of it, within that time: where a third of all packets is lost, one server in 200 is wrongly dead


class Patience(NamedTuple):
    """How long one address is tried, in seconds: `bound` in all, after which it is given up.

    The request is sent again after `first_wait` (0: never), then after waits that double up to `longest_wait`. After
    `probe_after` without an answer a Status-Server goes to the address too (None: never); `answers_status` is whether
    it lately answered one, so that silence proves something.
    """

    bound: float
    first_wait: float
    longest_wait: float
    probe_after: Optional[float] = None
    answers_status: bool = False
    probes: int = STATUS_SENDS
    connect_within: Optional[float] = None


class Resolve(NamedTuple):
    """Look up this server's addresses, then report `resolved` or `failed`."""

    server: int


class Connect(NamedTuple):
    """Make a new request and a new socket for this address of this server; report `failed` if that fails.

    If it takes time, `Exchange.connect_by` is until when.
    """

    server: int
    address: int


class Send(NamedTuple):
    """Send the request, once more or for the first time; report `failed` if that fails."""


class Probe(NamedTuple):
    """Send the Status-Server from another port, once more or for the first time; report `status_answered`."""


class Wait(NamedTuple):
    """Wait for a datagram until this time, then ask `next` again; report `failed` if the port is unreachable."""

    until: float


class GiveUp(NamedTuple):
    """Nobody answered."""


def healthy_first(dead: Sequence[bool]) -> List[int]:
    """Return the servers' indexes in the order to ask them: as configured, those held for dead last."""
    return sorted(range(len(dead)), key=lambda index: dead[index])


Action = Union[Resolve, Connect, Send, Probe, Wait, GiveUp]


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
        self._wait = 0.0
        self._sent = False
        self._send_at: Optional[float] = None
        self._give_up_at = self._connect_by = 0.0
        self._probes = 0
        self._probe_at: Optional[float] = None
        self._dead_at: Optional[float] = None
        self._answered_status: Set[int] = set()
        self._given_up: Set[int] = set()
        self._half_waited_at = 0.0

    @property
    def deadline(self) -> float:
        """The time at which all is given up."""
        return self._deadline

    @property
    def connect_by(self) -> float:
        """The time until which a connection to the address of the last Connect may take."""
        return min(self._connect_by, self._give_up_at, self._deadline)

    @property
    def dead(self) -> Set[int]:
        """The servers given up that showed no sign of life; slow ones, which answered a Status-Server, are not.

        One that the deadline cut off counts if it had half of its bound: a slow look-up before it must not hide that
        it is silent.
        """
        return self._given_up - self._answered_status

    def next(self, now: float) -> Action:
        """Return what to do at this time."""
        if self._asking and (now >= self._give_up_at or (self._dead_at is not None and now >= self._dead_at)):
            self.failed()
        if now >= self._deadline or self._server == len(self._servers):
            if self._asking and self._sent and now >= self._half_waited_at:
                self._given_up.add(self._server)
            return GiveUp()
        if not self._addresses:
            return Resolve(self._server)
        patience = self._servers[self._server]
        if not self._asking:
            self._begin(patience, now)
            return Connect(self._server, self._address)
        if self._send_at is not None and now >= self._send_at:
            jittered = self._wait * (1 + JITTER * (2 * self._random() - 1))
            again_at = now + min(jittered, patience.longest_wait)
            self._send_at = again_at if self._wait and again_at < self._give_up_at - TOO_LATE else None
            self._wait = min(2 * self._wait, patience.longest_wait)
            if not self._sent and patience.probe_after is not None:
                self._probe_at = now + patience.probe_after
            self._sent = True
            return Send()
        if self._probe_at is not None and now >= self._probe_at:
            if not self._probes and patience.answers_status:
                self._dead_at = now + STATUS_PATIENCE
            self._probes += 1
            self._probe_at = now + STATUS_PATIENCE / STATUS_SENDS if self._probes < patience.probes else None
            return Probe()
        times = [self._give_up_at, self._deadline, self._send_at, self._probe_at, self._dead_at]
        return Wait(min(time for time in times if time is not None))

    def resolved(self, addresses: int) -> None:
        """Report how many addresses the server has; none means the next server."""
        self._addresses = addresses
        self._address = 0
        if not addresses:
            self._next_server()

    def failed(self) -> None:
        """Report that the address (or the look-up) came to nothing: the next address, or the next server."""
        self._asking = False
        self._address += 1
        if self._address >= self._addresses:
            self._next_server()

    def status_answered(self) -> None:
        """Report that the address answered the Status-Server: it lives, and is waited for to its bound."""
        self._answered_status.add(self._server)
        self._probe_at = self._dead_at = None

    def _begin(self, patience: Patience, now: float) -> None:
        self._asking = True
        self._wait = patience.first_wait
        self._send_at = now
        self._give_up_at = now + patience.bound
        self._half_waited_at = now + patience.bound / 2
        self._connect_by = now + (patience.bound if patience.connect_within is None else patience.connect_within)
        self._sent = False
        self._probes = 0
        self._probe_at = self._dead_at = None

    def _next_server(self) -> None:
        self._given_up.add(self._server)
        self._server += 1
        self._addresses = 0
