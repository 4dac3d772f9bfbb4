"""Endpoints in simulated time: their status in memory, how they behave, and logins that follow a schedule."""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from lib.radius.schedule import (
    Action,
    Claim,
    Connect,
    Endpoint,
    GiveUp,
    Leave,
    Probe,
    Resolve,
    Schedule,
    Timing,
    Wait,
)
from lib.radius.server_status import Observation, ServerStatus, Status

LATENCY = 0.02  # seconds, there and back


class Facts:
    """What is known about one endpoint, with the time of each fact."""

    def __init__(self) -> None:
        self.times: Dict[str, float] = {}
        self.key = ""


class StatusInMemory(ServerStatus):
    """The status of endpoints, as shared by logins on one simulated clock."""

    def __init__(self, clock: Callable[[], float], dead_time: float) -> None:
        self.dead_time = dead_time
        self._clock = clock
        self._facts: Dict[str, Facts] = {}

    def status_of(self, endpoint: str) -> Status:
        facts = self._facts.setdefault(endpoint, Facts())
        ages = {fact: self._clock() - at for fact, at in facts.times.items()}
        return Status(key=facts.key, dead_time=self.dead_time, **ages)

    def claim(self, endpoint: str) -> bool:
        status = self.status_of(endpoint)
        if status.is_expired:
            self.mark(endpoint)
        return status.is_expired or not status.is_marked

    def mark(self, endpoint: str) -> None:
        self._remember(endpoint, "marked")

    def suspect(self, endpoint: str, key: str) -> None:
        self._remember(endpoint, "suspected")
        self._facts[endpoint].key = key

    def answered(self, endpoint: str) -> None:
        self._remember(endpoint, "answered")

    def answered_status(self, endpoint: str) -> None:
        self._remember(endpoint, "answered_status")

    def _remember(self, endpoint: str, fact: str) -> None:
        self._facts.setdefault(endpoint, Facts()).times[fact] = self._clock()


class Behavior(NamedTuple):
    """What an endpoint does with a request: it answers after a while, refuses its port, or neither."""

    answers_after: Optional[float] = None
    refuses: bool = False
    status_answered: bool = False


ALIVE = Behavior(LATENCY, status_answered=True)
SILENT = Behavior()
REFUSING = Behavior(refuses=True)
STATUS_ONLY = Behavior(status_answered=True)

Network = Callable[[Endpoint, float], Behavior]
"""How an endpoint behaves at this time."""


class Login:
    """One login that follows its schedule, as lib/radius/client.py does, from event to event of simulated time.

    `sent` has the time and the endpoint of each transmission, `left` when and how each endpoint was given up, and
    `deferred` those that were marked dead, or whose claim was lost.
    """

    def __init__(
        self,
        timings: Sequence[Timing],
        addresses: Sequence[int],
        network: Network,
        status: StatusInMemory,
        now: float,
        total_timeout: float = 290.0,
        random: Callable[[], float] = lambda: 0.5,
        key: str = "",
        loses: Callable[[], bool] = lambda: False,
    ) -> None:
        self.began = self.wakes_at = now
        self.sent: List[Tuple[float, Endpoint]] = []
        self.left: List[Tuple[float, Leave]] = []
        self.deferred: Set[Endpoint] = set()
        self.claims: List[Tuple[float, Endpoint, bool]] = []
        self.answered_by: Optional[Endpoint] = None
        self.ended_at: Optional[float] = None
        self.is_alive = False
        self._addresses = addresses
        self._network = network
        self._status = status
        self._key = key
        self._loses = loses
        self._schedule = Schedule(timings, now, total_timeout, random)
        self._endpoint = Endpoint(0, 0)
        self._status_answered = False
        self._arriving: List[Tuple[float, str]] = []

    def step(self, now: float) -> None:
        """Go on at the time `wakes_at`: take what arrives, and follow the schedule to its next wait."""
        self._arrive(now)
        while self.ended_at is None:
            action = self._schedule.next(now)
            if isinstance(action, Wait):
                self._arriving.sort()
                self.wakes_at = max(now, min([action.until] + [at for at, _ in self._arriving]))
                if self.wakes_at > now:
                    return
                self._arrive(now)
            else:
                self._do(action, now)

    def _arrive(self, now: float) -> None:
        while self.ended_at is None and self._arriving and self._arriving[0][0] <= now:
            _, what = self._arriving.pop(0)
            if what == "answer":
                self._status.answered(self._name(self._endpoint))
                self.answered_by, self.ended_at = self._endpoint, now
            elif what == "refusal":
                self._schedule.refused(now)
            else:
                self._status_answered = True
                self._status.answered_status(self._name(self._endpoint))
                self._schedule.probe_answered()

    def _do(self, action: Action, now: float) -> None:
        if isinstance(action, GiveUp):
            self.ended_at = now
        elif isinstance(action, Resolve):
            endpoints = [Endpoint(action.server, number) for number in range(self._addresses[action.server])]
            statuses = [self._status.status_of(self._name(each)) for each in endpoints]
            dead = [each.is_marked and not each.is_expired for each in statuses]
            self.deferred |= {each for each, is_dead in zip(endpoints, dead) if is_dead}
            self._schedule.resolved(statuses, now)
        elif isinstance(action, Claim):
            name = self._name(action.endpoint)
            is_ours = self._status.claim(name)
            # If the endpoint has answered another login in the meantime, no mark is left to claim.
            self.claims.append((now, action.endpoint, is_ours and self._status.status_of(name).is_marked))
            if not is_ours:
                self.deferred.add(action.endpoint)
            self._schedule.claimed(is_ours, now)
        elif isinstance(action, Connect):
            self._endpoint, self._status_answered, self._arriving = action.endpoint, False, []
        elif isinstance(action, Leave):
            self.left.append((now, action))
            seen = Observation(action.end, action.seconds, self._status_answered, self._key)
            self.is_alive = self._status.left_unanswered(self._name(action.endpoint), seen) or self.is_alive
        else:
            self._transmit(isinstance(action, Probe), now)

    def _transmit(self, is_probe: bool, now: float) -> None:
        if not is_probe:
            self.sent.append((now, self._endpoint))
        behavior = self._network(self._endpoint, now)
        if self._loses() or self._loses():
            return
        if behavior.refuses:
            self._arriving.append((now + LATENCY, "refusal"))
        elif is_probe and behavior.status_answered:
            self._arriving.append((now + LATENCY, "status"))
        elif not is_probe and behavior.answers_after is not None:
            self._arriving.append((now + behavior.answers_after, "answer"))
        self._arriving.sort()

    def _name(self, endpoint: Endpoint) -> str:
        return str(tuple(endpoint))


class World:
    """A simulated clock, and the logins that share it and the status of the endpoints."""

    def __init__(self, dead_time: float = 120.0) -> None:
        self.now = 0.0
        self.status = StatusInMemory(lambda: self.now, dead_time)
        self.logins: List[Login] = []

    def log_in(
        self, timings: Sequence[Timing], network: Network, addresses: Sequence[int] = (), **options: Any
    ) -> Login:
        """Begin a login now; each server has one address unless `addresses` says otherwise."""
        login = Login(timings, addresses or [1] * len(timings), network, self.status, self.now, **options)
        self.logins.append(login)
        return login

    def run(self, until: float = math.inf) -> None:
        """Let time pass until this moment, or until every login has ended."""
        while True:
            running = [login for login in self.logins if login.ended_at is None and login.wakes_at <= until]
            if not running:
                break
            login = min(running, key=lambda each: each.wakes_at)
            self.now = max(self.now, login.wakes_at)
            login.step(self.now)
        if until < math.inf:
            self.now = max(self.now, until)
