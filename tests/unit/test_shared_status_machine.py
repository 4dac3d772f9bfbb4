"""Many logins that share the status of endpoints, while these die, are busy, restart, and come back: simulated time."""

import random
from typing import Dict, List, Set

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lib.radius.schedule import Endpoint, Timing
from lib.radius.server_status import CUT_OFF, REFUSED
from tests.support.endpoints import ALIVE, LATENCY, REFUSING, SILENT, STATUS_ONLY, Behavior, Login, World

ROUNDING = 1e-6
BEHAVIORS = (ALIVE, ALIVE, SILENT, REFUSING, STATUS_ONLY, Behavior(5.0), Behavior(30.0))
TIMINGS = st.builds(
    lambda timeout, retries, first_wait, probe_after, probe_timeout: Timing(
        timeout * retries, first_wait, min(timeout, 16.0), timeout, probe_after, probe_timeout
    ),
    st.sampled_from([5.0, 2.0, 20.0]),
    st.sampled_from([3, 1, 2]),
    st.sampled_from([2.0, 0.0, 0.3]),
    st.sampled_from([3.0, None, 0.5]),
    st.sampled_from([3.0, 1.0]),
)


class SharedStatus(RuleBasedStateMachine):
    """Logins with one configuration, any number of them at a time."""

    @initialize(
        timings=st.lists(TIMINGS, min_size=1, max_size=3),
        addresses=st.lists(st.integers(0, 2), min_size=3, max_size=3),
        dead_time=st.sampled_from([12.0, 120.0]),
        total_timeout=st.sampled_from([290.0, 150.0, 10.0]),
    )
    def begin(self, timings: List[Timing], addresses: List[int], dead_time: float, total_timeout: float) -> None:
        self.world = World(dead_time)
        self.timings, self.total_timeout = timings, total_timeout
        self.addresses = addresses[: len(timings)]
        self.endpoints = [
            Endpoint(server, number) for server, count in enumerate(self.addresses) for number in range(count)
        ]
        self.behaviors: Dict[Endpoint, Behavior] = dict.fromkeys(self.endpoints, ALIVE)
        self.back_at: Dict[Endpoint, float] = dict.fromkeys(self.endpoints, 0.0)
        self.changed_at: Dict[Endpoint, float] = dict.fromkeys(self.endpoints, 0.0)
        self.checked: Set[int] = set()

    def behavior(self, endpoint: Endpoint, now: float) -> Behavior:
        """Return what the endpoint does now; one that is busy or restarts is back later."""
        return ALIVE if 0.0 < self.back_at[endpoint] <= now else self.behaviors[endpoint]

    @rule(count=st.integers(1, 3))
    def log_in(self, count: int) -> None:
        """Several users log in at once."""
        for _ in range(count):
            self.world.log_in(self.timings, self.behavior, self.addresses, total_timeout=self.total_timeout)

    @rule(seconds=st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 60.0)))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.run(self.world.now + seconds)

    @rule(which=st.integers(0, 5), behavior=st.sampled_from(BEHAVIORS), back_after=st.sampled_from([0.0, 1.0, 8.0]))
    def change(self, which: int, behavior: Behavior, back_after: float) -> None:
        """An endpoint behaves in another way from now on, or for a while."""
        if self.endpoints:
            endpoint = self.endpoints[which % len(self.endpoints)]
            self.behaviors[endpoint] = behavior
            self.changed_at[endpoint] = self.world.now + back_after
            self.back_at[endpoint] = self.world.now + back_after if back_after else 0.0

    @rule(seed=st.integers(0, 2**32))
    def storm(self, seed: int) -> None:
        """Many random steps: they take less time than Hypothesis needs to choose one."""
        chance = random.Random(seed)
        for _ in range(60):
            if chance.random() < 0.15:
                self.change(chance.randrange(6), chance.choice(BEHAVIORS), chance.choice([0.0, 1.0, 8.0]))
            self.log_in(1)
            self.wait(chance.choice([0.1, 1.5, 1.5, 5.0]))
            self.check()

    @invariant()
    def check(self) -> None:
        """Check each login that has ended."""
        if not hasattr(self, "world"):
            return
        for number, login in enumerate(self.world.logins):
            if login.ended_at is not None and number not in self.checked:
                self.checked.add(number)
                self.check_end(login, login.ended_at)
                self.check_order(login)
        self.check_claims()

    def check_end(self, login: Login, ended_at: float) -> None:
        """A login ends by the deadline, and not before everything was tried that may answer."""
        deadline = login.began + self.total_timeout
        assert ended_at <= deadline + ROUNDING
        if login.answered_by is not None or ended_at >= deadline - ROUNDING:
            return
        assert {leave.endpoint for _, leave in login.left} == set(self.endpoints), "an endpoint was left out"
        for endpoint in self.endpoints:
            is_stable = self.changed_at[endpoint] < login.began
            assert not is_stable or self.behavior(endpoint, ended_at) != ALIVE, "a living endpoint was not found"
        if len(self.endpoints) == 1:
            ((_, leave),) = login.left
            timing = self.timings[leave.endpoint.server]
            is_refused = leave.end == REFUSED and leave.seconds >= timing.refused_limit
            assert is_refused or leave.seconds >= timing.limit - ROUNDING, "the only endpoint was given up early"

    def check_order(self, login: Login) -> None:
        """No endpoint is asked before the one before is given up, and one known to be dead after all others."""
        left = {leave.endpoint: at for at, leave in login.left}
        asked = list(dict.fromkeys(endpoint for _, endpoint in login.sent))
        first_sent = {endpoint: min(at for at, each in login.sent if each == endpoint) for endpoint in asked}
        for earlier, later in zip(asked, asked[1:]):
            assert left[earlier] <= first_sent[later], "a code went to two servers at a time"
        for at, endpoint in login.sent:
            assert at <= left.get(endpoint, at)
        for endpoint in login.deferred & set(asked):
            before = {each for each, at in left.items() if at <= first_sent[endpoint]}
            assert set(self.endpoints) - login.deferred <= before, "a dead endpoint was asked before a living one"
        for at, leave in login.left:
            assert leave.end != CUT_OFF or at >= login.began + self.total_timeout - ROUNDING

    def check_claims(self) -> None:
        """Only one login in each dead_time tries an endpoint that is known to be dead, while others may live."""
        won: Dict[Endpoint, List[float]] = {}
        for login in self.world.logins:
            for at, endpoint, is_ours in login.claims:
                if is_ours:
                    won.setdefault(endpoint, []).append(at)
        for times in won.values():
            times.sort()
            dead_time = self.world.status.dead_time
            assert all(later - earlier >= dead_time - ROUNDING for earlier, later in zip(times, times[1:]))

    def teardown(self) -> None:
        """In the end everything is calm, and an endpoint that lives is found."""
        if not hasattr(self, "world"):
            return
        self.storm(0)
        self.world.run()
        self.check()
        self.total_timeout = 1000.0
        self.log_in(1)
        self.world.run()
        self.check()
        living = [endpoint for endpoint in self.endpoints if self.behavior(endpoint, self.world.now) == ALIVE]
        (last,) = self.world.logins[-1:]
        assert last.ended_at is not None and (last.answered_by is not None or not living)
        if last.answered_by in living and not last.left:
            assert last.ended_at - last.began <= LATENCY + ROUNDING


TestSharedStatus = pytest.mark.slow(SharedStatus.TestCase)
TestSharedStatus.settings = settings(deadline=None, stateful_step_count=20)
