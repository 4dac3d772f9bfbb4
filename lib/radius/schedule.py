"""The schedule of a request, pure: which endpoint to ask, when to retransmit, when to probe, when to give up.

An endpoint is one address of one server. Every decision about order and time is made here, without a socket or a clock.
The caller asks `next(now)` for an action, does it, and reports the outcome; `now` is any clock that never goes back, in
seconds.

    resolve -> (claim) -> connect -> send <-> wait -> leave -> the next endpoint, server, ... -> give up
                                     probe <-> wait: a Status-Server, if the answer is slow

Order: the endpoints of the servers in the order of the configuration; those marked dead after all others, the longest
marked first. A mark that has expired is claimed first: the login that wins tries the endpoint, for all others it is
still dead. No endpoint is left out.

Retransmission follows RFC 5080 section 2.2.1: the wait doubles, with 10 % of jitter, and the server recognizes the
duplicate. A one-time code is spent once a server has seen it, and a push rings once, so the next endpoint is asked only
after the one before is given up: at its limit, at an error, or, if another endpoint is left, when its port is refused
twice or when it is silent to Status-Server (RFC 5997) although it usually answers. With nothing else to ask, a busy
server may still answer, and a server that restarts comes back.
"""

from typing import Callable, List, Optional, Sequence, Tuple, Union

from ..namedtuple import NamedTuple
from .server_status import CUT_OFF, FAILED, REFUSED, UNANSWERED, Status

JITTER = 0.1
END_MARGIN = 0.01  # seconds before the limit in which nothing is sent: only rounding gets there, and no answer would
MAX_PROBES = 8  # within the time limit: with a third of all packets lost, one server in 200 is wrongly given up
REFUSED_PAUSE = 0.5  # seconds from a refusal to the transmission whose refusal confirms it: anybody can forge one


class Timing(NamedTuple):
    """How an endpoint of one server is tried; times in seconds. After `limit` it is given up.

    The request is retransmitted after `first_wait` (0: never), then after waits that double up to `max_wait`. With
    nothing else to ask, a port that refuses is tried for `refused_limit`. After `probe_after` without an answer a
    Status-Server is sent too (None: never), `max_probes` times within `probe_timeout`. A connection may take
    `connect_timeout` (None: until the limit).
    """

    limit: float
    first_wait: float
    max_wait: float
    refused_limit: float
    probe_after: Optional[float] = None
    probe_timeout: float = 3.0
    max_probes: int = MAX_PROBES
    connect_timeout: Optional[float] = None


class Endpoint(NamedTuple):
    """An address of a server, by their numbers."""

    server: int
    address: int


class Resolve(NamedTuple):
    """Resolve the name of this server, then report `resolved`."""

    server: int


class Claim(NamedTuple):
    """Claim this endpoint, whose mark has expired, then report `claimed`."""

    endpoint: Endpoint


class Connect(NamedTuple):
    """Encode a new request and open a new socket for this endpoint; report `failed` or `refused` if that fails.

    A connection may take until `Schedule.connect_by`.
    """

    endpoint: Endpoint


class Send(NamedTuple):
    """Send the request, for the first time or again; report `failed` or `refused` if that fails."""


class Probe(NamedTuple):
    """Send a Status-Server, for the first time or again; report `probe_answered` when it is answered."""


class Wait(NamedTuple):
    """Wait for a packet until this time, then ask `next` again; report `refused` if the port is closed."""

    until: float


class Leave(NamedTuple):
    """Remember that this endpoint is given up, for the reason `end`, `seconds` after it was first asked."""

    endpoint: Endpoint
    end: str
    seconds: float


class GiveUp(NamedTuple):
    """No endpoint answered."""


Action = Union[Resolve, Claim, Connect, Send, Probe, Wait, Leave, GiveUp]


class Schedule:
    """The path of one request through the endpoints: none is asked while the one before may still answer."""

    def __init__(
        self, servers: Sequence[Timing], now: float, total_timeout: float, random: Callable[[], float]
    ) -> None:
        """Take the timing of each server, the time, the seconds for all of them together, and a source of [0, 1)."""
        self._servers = servers
        self._deadline = now + total_timeout
        self._random = random
        self._resolved = 0  # servers
        self._waiting: List[Tuple[Endpoint, Status]] = []
        self._dead: List[Tuple[float, Endpoint, Status]] = []  # with the time of the mark
        self._asked: Optional[_Asked] = None
        self._must_poll = False

    @property
    def deadline(self) -> float:
        """The time at which all endpoints are given up."""
        return self._deadline

    @property
    def connect_by(self) -> float:
        """The time until which the connection of the last Connect may take."""
        return min(self._asked.connect_by if self._asked else self._deadline, self._deadline)

    def next(self, now: float) -> Action:
        """Return what to do at this time."""
        asked = self._asked
        if asked is None:
            return GiveUp() if now >= self._deadline else self._next_endpoint(now)
        if self._must_poll:  # an answer that came during the name resolution counts
            self._must_poll = False
            return Wait(now)
        if asked.is_doubtful(now) and not self._is_other_left() and self._resolved < len(self._servers):
            if now < self._deadline:
                return Resolve(self._resolved)
        end = asked.end(now, self._is_other_left(), self._deadline)
        if end:
            self._asked = None
            return Leave(asked.endpoint, end, now - asked.began)
        action = asked.next(now)
        return Wait(min(action.until, self._deadline)) if isinstance(action, Wait) else action

    def resolved(self, statuses: Sequence[Status], now: float) -> None:
        """Report the status of each address of the server; none if the name does not resolve."""
        for number, status in enumerate(statuses):
            endpoint = Endpoint(self._resolved, number)
            if status.is_marked and not status.is_expired:
                self._dead.append((now - (status.marked or 0.0), endpoint, status))
            else:
                self._waiting.append((endpoint, status))
        self._resolved += 1
        self._must_poll = self._asked is not None

    def claimed(self, is_ours: bool, now: float) -> None:
        """Report whether the claim was successful; if not, another login tries the endpoint now."""
        endpoint, status = self._waiting.pop(0)
        if is_ours:
            self._waiting.insert(0, (endpoint, status._replace(marked=None)))
        else:
            self._dead.append((now, endpoint, status))

    def failed(self) -> None:
        """Report that the endpoint cannot be asked."""
        if self._asked:
            self._asked.has_failed = True

    def refused(self, now: float) -> None:
        """Report that the port of the endpoint is closed, if that is true."""
        if self._asked:
            self._asked.refused(now)

    def continued(self, now: float) -> None:
        """Report that the answer of the endpoint asks for the next request of the same login, over the same socket."""
        if self._asked:
            self._asked = self._asked.renewed(now)

    def probe_answered(self) -> None:
        """Report that the endpoint answered a Status-Server: it is up, and has until its limit."""
        if self._asked:
            self._asked.stop_probing()

    def probe_failed(self) -> None:
        """Report that no Status-Server can be sent, which proves nothing about the endpoint."""
        self.probe_answered()

    def _is_other_left(self) -> bool:
        return bool(self._waiting or self._dead)

    def _next_endpoint(self, now: float) -> Action:
        if self._waiting:
            endpoint, status = self._waiting[0]
            if status.is_expired:
                return Claim(endpoint)
            del self._waiting[0]
            return self._ask(endpoint, status, now).next(now)
        if self._resolved < len(self._servers):
            return Resolve(self._resolved)
        if not self._dead:
            return GiveUp()
        self._dead.sort(key=lambda each: each[0])
        _, endpoint, status = self._dead.pop(0)
        return self._ask(endpoint, status, now).next(now)

    def _ask(self, endpoint: Endpoint, status: Status, now: float) -> "_Asked":
        self._asked = _Asked(endpoint, self._servers[endpoint.server], status.answers_status, now, self._random)
        return self._asked


class _Asked:
    """The endpoint that is being asked: when to connect, to send, to probe, and to give it up."""

    def __init__(
        self, endpoint: Endpoint, timing: Timing, answers_status: bool, now: float, random: Callable[[], float]
    ) -> None:
        self.endpoint = endpoint
        self.began = now  # or, once it was sent, when the request was first sent
        self.has_failed = False
        self.connect_by = now
        self._timing = timing
        self._answers_status = answers_status
        self._random = random
        self._give_up_at = now + timing.limit
        self._half_waited_at = now + timing.limit / 2
        self._connect_at: Optional[float] = now
        self._send_at: Optional[float] = now
        self._wait = timing.first_wait
        self._is_sent = False
        self._probes = 0
        self._probe_at: Optional[float] = None
        self._silent_at: Optional[float] = None
        # About refusals: whether the last transmission was refused, and when the one was made that may confirm it
        self._is_refused = self._is_confirmed = self._must_confirm = False
        self._confirming_at: Optional[float] = None
        self._refused_until = now  # with nothing else to ask

    def renewed(self, now: float) -> "_Asked":
        """Return the same endpoint with a new request to send, and all of its limits again."""
        renewed = _Asked(self.endpoint, self._timing, self._answers_status, now, self._random)
        renewed.began = self.began
        renewed._connect_at = None
        renewed._is_sent = True
        if self._timing.probe_after is not None:
            renewed._probe_at = now + self._timing.probe_after
        return renewed

    def is_doubtful(self, now: float) -> bool:
        """Whether another endpoint should be asked, if there is one."""
        is_silent = self._silent_at is not None and now >= self._silent_at
        return is_silent or (self._is_refused and self._is_confirmed)

    def end(self, now: float, is_other_left: bool, deadline: float) -> str:
        """Return how the endpoint was left if this is its end, or an empty string."""
        if self.has_failed:
            return FAILED
        in_vain = REFUSED if self._is_refused else UNANSWERED
        if now >= self._give_up_at:
            return in_vain
        if now >= deadline:
            # A slow name resolution before it must not hide that it is silent.
            return in_vain if self._is_sent and now >= self._half_waited_at else CUT_OFF
        is_refused_for_long = self._is_refused and self._is_confirmed and not self._must_confirm
        return in_vain if is_refused_for_long or (self.is_doubtful(now) and is_other_left) else ""

    def next(self, now: float) -> Action:
        """Return what to do with the endpoint now."""
        if self._connect_at is not None:
            if now < self._connect_at:
                return Wait(min(self._connect_at, self._give_up_at))
            self._begin_to_connect(now)
            return Connect(self.endpoint)
        if self._send_at is not None and now >= self._send_at:
            self._schedule_next_send(now)
            return Send()
        if self._probe_at is not None and now >= self._probe_at:
            self._schedule_next_probe(now)
            return Probe()
        times = [self._give_up_at, self._send_at, self._probe_at]
        if self._silent_at is not None and now < self._silent_at:
            times.append(self._silent_at)
        return Wait(min(time for time in times if time is not None))

    def refused(self, now: float) -> None:
        """Try again after a pause; what answers that transmission soon is the confirmation."""
        self._is_refused = True
        if self._must_confirm:
            return
        # Whatever refuses a connection answers it; whatever refuses a datagram may be about an earlier one.
        is_late = self._is_sent and self._confirming_at is not None and now >= self._confirming_at + REFUSED_PAUSE
        self._is_confirmed = self._confirming_at is not None and not is_late
        again_at = now + REFUSED_PAUSE
        if not self._is_confirmed:
            self._refused_until = now + self._timing.refused_limit
        elif now >= self._refused_until:
            return
        else:
            again_at = min(again_at, self._refused_until)
        self._must_confirm = True
        self._wait = self._timing.first_wait
        if self._is_sent:
            self._send_at = again_at
        else:
            self._connect_at = again_at

    def stop_probing(self) -> None:
        """Send no more probes, and expect no answer to them."""
        self._probe_at = self._silent_at = None

    def _begin_to_connect(self, now: float) -> None:
        timeout = self._timing.limit if self._timing.connect_timeout is None else self._timing.connect_timeout
        self.connect_by = min(now + timeout, self._give_up_at)
        self._connect_at = None
        self._transmitted(now)

    def _schedule_next_send(self, now: float) -> None:
        jittered = self._wait * (1 + JITTER * (2 * self._random() - 1))
        again_at = now + min(jittered, self._timing.max_wait)
        self._send_at = again_at if self._wait and again_at < self._give_up_at - END_MARGIN else None
        self._wait = min(2 * self._wait, self._timing.max_wait)
        if not self._is_sent:
            self.began = now
            if self._timing.probe_after is not None:
                self._probe_at = now + self._timing.probe_after
        self._is_sent = True
        self._transmitted(now)

    def _transmitted(self, now: float) -> None:
        self._confirming_at = now if self._must_confirm else None
        self._is_refused = self._must_confirm = False

    def _schedule_next_probe(self, now: float) -> None:
        if not self._probes and self._answers_status:
            self._silent_at = now + self._timing.probe_timeout
        self._probes += 1
        again_at = now + self._timing.probe_timeout / MAX_PROBES
        self._probe_at = again_at if self._probes < self._timing.max_probes else None
