"""The schedule of a request, pure: which address to ask, when to retransmit, when to probe, when to give up.

Every decision about time and order is made here, without a socket or a clock. The caller asks `next(now)` for an
action, does it, and reports the outcome; `now` is any clock that never goes back, in seconds.

    resolve -> connect -> send <-> wait -> (next address) connect ... -> (next server) resolve ... -> give up
                            probe <-> wait: a Status-Server, if the answer is slow

Retransmission follows RFC 5080 section 2.2.1: the wait doubles, with 10 % of jitter, and the server recognizes the
duplicate. A one-time code is spent once a server has seen it, and a push rings once, so the next server is asked only
after the one before is given up: at its limit, at an error, or earlier if the server is known to answer Status-Server
(RFC 5997) and does not. While a connection is being made nothing is spent yet, so its limit may be shorter.
"""

from typing import Callable, List, Optional, Sequence, Set, Union

from ..namedtuple import NamedTuple

JITTER = 0.1
END_MARGIN = 0.01  # seconds before the limit in which nothing is sent: only rounding gets there, and no answer would
PROBE_TIMEOUT = 2.0  # seconds of silence after the first probe that prove a server dead if it usually answers probes
MAX_PROBES = 8  # within that time: with a third of all packets lost, one server in 200 is wrongly dead


class Timing(NamedTuple):
    """How one address is tried; times in seconds. After `limit` it is given up.

    The request is retransmitted after `first_wait` (0: never), then after waits that double up to `max_wait`. After
    `probe_after` without an answer a Status-Server is sent too (None: never), `max_probes` times; if the server
    `answers_probes`, silence proves it dead. A connection may take `connect_timeout` (None: until the limit).
    """

    limit: float
    first_wait: float
    max_wait: float
    probe_after: Optional[float] = None
    answers_probes: bool = False
    max_probes: int = MAX_PROBES
    connect_timeout: Optional[float] = None


class Resolve(NamedTuple):
    """Resolve the name of this server, then report `resolved` or `failed`."""

    server: int


class Connect(NamedTuple):
    """Encode a new request and open a new socket for this address of this server; report `failed` if that fails.

    A connection may take until `Schedule.connect_by`.
    """

    server: int
    address: int


class Send(NamedTuple):
    """Send the request, for the first time or again; report `failed` if that fails."""


class Probe(NamedTuple):
    """Send a Status-Server, for the first time or again; report `probe_answered` when it is answered."""


class Wait(NamedTuple):
    """Wait for a packet until this time, then ask `next` again; report `failed` if the port is unreachable."""

    until: float


class GiveUp(NamedTuple):
    """No server answered."""


Action = Union[Resolve, Connect, Send, Probe, Wait, GiveUp]


def put_dead_last(dead: Sequence[bool]) -> List[int]:
    """Return the indexes of the servers in the order to ask them: as configured, those marked dead last."""
    return sorted(range(len(dead)), key=lambda index: dead[index])


class Schedule:
    """The path of one request through a list of servers: no server is asked while the previous one may still answer."""

    def __init__(
        self, servers: Sequence[Timing], now: float, total_timeout: float, random: Callable[[], float]
    ) -> None:
        """Take the timing of each server, the time, the seconds for all of them together, and a source of [0, 1)."""
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
        self._answered_probe: Set[int] = set()
        self._given_up: Set[int] = set()
        self._half_waited_at = 0.0

    @property
    def deadline(self) -> float:
        """The time at which all servers are given up."""
        return self._deadline

    @property
    def connect_by(self) -> float:
        """The time until which the connection of the last Connect may take."""
        return min(self._connect_by, self._give_up_at, self._deadline)

    @property
    def dead(self) -> Set[int]:
        """The servers given up because they sent nothing; one that answered a probe is only slow.

        A server that the deadline cut off counts after half of its limit: a slow name resolution before it must not
        hide that it is silent.
        """
        return self._given_up - self._answered_probe

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
        timing = self._servers[self._server]
        if not self._asking:
            self._begin(timing, now)
            return Connect(self._server, self._address)
        if self._send_at is not None and now >= self._send_at:
            self._schedule_next_send(timing, now)
            return Send()
        if self._probe_at is not None and now >= self._probe_at:
            self._schedule_next_probe(timing, now)
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
        """Report that the address (or the name resolution) failed: the next address, or the next server."""
        self._asking = False
        self._address += 1
        if self._address >= self._addresses:
            self._next_server()

    def probe_answered(self) -> None:
        """Report that the address answered a Status-Server: it is up, and has until its limit."""
        self._answered_probe.add(self._server)
        self._probe_at = self._dead_at = None

    def _begin(self, timing: Timing, now: float) -> None:
        self._asking = True
        self._wait = timing.first_wait
        self._send_at = now
        self._give_up_at = now + timing.limit
        self._half_waited_at = now + timing.limit / 2
        self._connect_by = now + (timing.limit if timing.connect_timeout is None else timing.connect_timeout)
        self._sent = False
        self._probes = 0
        self._probe_at = self._dead_at = None

    def _schedule_next_send(self, timing: Timing, now: float) -> None:
        jittered = self._wait * (1 + JITTER * (2 * self._random() - 1))
        again_at = now + min(jittered, timing.max_wait)
        self._send_at = again_at if self._wait and again_at < self._give_up_at - END_MARGIN else None
        self._wait = min(2 * self._wait, timing.max_wait)
        if not self._sent and timing.probe_after is not None:
            self._probe_at = now + timing.probe_after
        self._sent = True

    def _schedule_next_probe(self, timing: Timing, now: float) -> None:
        if not self._probes and timing.answers_probes:
            self._dead_at = now + PROBE_TIMEOUT
        self._probes += 1
        self._probe_at = now + PROBE_TIMEOUT / MAX_PROBES if self._probes < timing.max_probes else None

    def _next_server(self) -> None:
        self._given_up.add(self._server)
        self._server += 1
        self._addresses = 0
