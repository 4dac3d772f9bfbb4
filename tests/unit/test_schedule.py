"""The schedule: events and times go in, the next action comes out. No socket, no clock."""

import math
from random import Random
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from lib.radius.schedule import (
    END_MARGIN,
    Connect,
    Endpoint,
    GiveUp,
    Leave,
    Resolve,
    Schedule,
    Send,
    Timing,
    Wait,
)
from lib.radius.server_status import CUT_OFF, FAILED, UNANSWERED, Status
from tests.support.cases import Cases

LONG = 1000.0
NEVER = math.inf


def no_jitter() -> float:
    return 0.5


def timing_of(timeout: float, retries: int, first_wait: float = 2.0) -> Timing:
    """Return what conn_timeout, conn_retries and retransmit_after mean for the schedule."""
    return Timing(timeout * retries, first_wait, timeout, timeout)


class Address(NamedTuple):
    """How an address of the simulated network behaves: its answer comes this many seconds after the connection."""

    answers_after: float = NEVER
    connect_fails: bool = False
    send_fails: bool = False
    fails_after: float = NEVER


class Sent(NamedTuple):
    """A transmission, in simulated time."""

    at: float
    server: int
    address: int


class Outcome(NamedTuple):
    """The outcome of a simulated login: `found` is the (server, address) that answered, or None."""

    sent: List[Sent]
    found: Optional[Tuple[int, int]]
    ended_at: float


def simulate(
    servers: Sequence[Timing],
    network: Sequence[Optional[Sequence[Address]]],
    total_timeout: float = LONG,
    start: float = 0.0,
    random: Any = no_jitter,
) -> Outcome:
    """Run a schedule on a simulated network; the name of a server that is None does not resolve."""
    now = start
    schedule = Schedule(servers, now, total_timeout, random)
    sent: List[Sent] = []
    here, began = (0, 0), now
    for _ in range(10000):
        action = schedule.next(now)
        if isinstance(action, GiveUp):
            return Outcome(sent, None, now)
        if isinstance(action, Resolve):
            addresses = network[action.server]
            if addresses is None:
                schedule.resolved([], now)
            else:
                schedule.resolved([Status()] * len(addresses), now)
            continue
        if isinstance(action, Leave):
            assert action.endpoint == here
            continue
        if isinstance(action, Connect):
            here, began = (action.endpoint.server, action.endpoint.address), now
        address = (network[here[0]] or ())[here[1]]
        if isinstance(action, Connect):
            if address.connect_fails:
                schedule.failed()
        elif isinstance(action, Send):
            sent.append(Sent(now, *here))
            if address.send_fails:
                schedule.failed()
        elif isinstance(action, Wait):
            answer, refusal = began + address.answers_after, began + address.fails_after
            event = min(answer, refusal)
            if event < action.until:
                now = max(now, event)
                if event == answer:
                    return Outcome(sent, here, now)
                schedule.failed()
            else:
                now = action.until
    raise AssertionError("the schedule does not end")


def send_times(server: Timing, **options: Any) -> List[float]:
    return [each.at for each in simulate([server], [[Address()]], **options).sent]


def test_retransmission_times_without_jitter() -> None:
    table = (
        (5, 3, [0, 2, 6, 11], 15),
        (20, 3, [0, 2, 6, 14, 30, 50], 60),  # 2, 4, 8, 16, then conn_timeout caps 32
        (3, 4, [0, 2, 5, 8, 11], 12),
        (2, 3, [0, 2, 4], 6),
        (0.5, 4, [0, 0.5, 1, 1.5], 2),
        (0.1, 3, [0, 0.1, 0.2], 0.3),  # three times 0.1 is a little less than 0.1 * 3
        (280, 1, [0, 2, 6, 14, 30, 62, 126, 254], 280),
        (0.1, 1, [0], 0.1),
    )
    with Cases() as cases:
        for timeout, retries, times, end in table:
            with cases.case((timeout, retries)):
                outcome = simulate([timing_of(timeout, retries)], [[Address()]])
                assert [each.at for each in outcome.sent] == pytest.approx(times)
                assert outcome.found is None
                assert outcome.ended_at == pytest.approx(end)


def test_wait_between_transmissions_is_capped() -> None:
    assert send_times(Timing(60, 2, 16, 20)) == [0, 2, 6, 14, 30, 46]


def test_request_is_sent_once_without_a_first_wait() -> None:
    outcome = simulate([Timing(15, 0, 5, 5), Timing(15, 0, 5, 5)], [[Address()], [Address(14)]])
    assert outcome == Outcome([Sent(0, 0, 0), Sent(15, 1, 0)], (1, 0), 29)


def test_nothing_is_sent_right_before_the_limit() -> None:
    assert send_times(Timing(6.005, 2, 5, 5)) == [0, 2]
    assert send_times(Timing(6.5, 2, 5, 5)) == [0, 2, 6]


def test_times_count_from_the_start_of_the_address() -> None:
    assert send_times(timing_of(5, 3), start=86400.0) == [86400.0, 86402.0, 86406.0, 86411.0]


def test_jitter_is_at_most_ten_percent_of_each_wait() -> None:
    times = {random: send_times(timing_of(20, 2), random=lambda random=random: random) for random in (0.0, 1 - 2**-53)}
    assert times == {
        0.0: pytest.approx([0, 1.8, 5.4, 12.6, 27]),
        1 - 2**-53: pytest.approx([0, 2.2, 6.6, 15.4, 33]),
    }


@given(st.randoms(), st.floats(0.1, 280), st.floats(0.1, 280), st.integers(1, 30))
def test_every_wait_is_within_its_jitter_and_the_cap(
    chance: Random, first_wait: float, timeout: float, retries: int
) -> None:
    limit = timeout * retries
    times = send_times(timing_of(timeout, retries, first_wait), total_timeout=10**6, random=chance.random)
    for number, (before, after) in enumerate(zip(times, times[1:])):
        nominal = first_wait * 2**number
        assert 0.9 * min(nominal, timeout) - 1e-6 <= after - before <= min(1.1 * nominal, timeout) + 1e-6
    next_wait = first_wait * 2 ** (len(times) - 1)
    assert limit - END_MARGIN - min(1.1 * next_wait, timeout) - 1e-6 <= times[-1] < limit - END_MARGIN or times == [0]


def test_every_step_of_a_schedule() -> None:
    schedule = Schedule([timing_of(5, 2), timing_of(1, 1)], 100.0, 60.0, no_jitter)
    assert schedule.deadline == 160.0
    assert schedule.next(100.0) == Resolve(0)
    schedule.resolved([Status()], 100.5)
    assert schedule.next(100.5) == Connect(Endpoint(0, 0))
    assert schedule.next(100.5) == Send()
    assert schedule.next(100.5) == Wait(102.5)
    assert schedule.next(101.0) == Wait(102.5)  # after a datagram that was discarded
    assert schedule.next(102.5) == Send()
    assert schedule.next(102.6) == Wait(106.5)
    assert schedule.next(106.6) == Send()
    assert schedule.next(106.6) == Wait(110.5)
    assert schedule.next(109.0) == Wait(110.5)
    assert schedule.next(110.5) == Leave(Endpoint(0, 0), UNANSWERED, 10.0)
    assert schedule.next(110.5) == Resolve(1)
    schedule.resolved([Status()] * 2, 111.0)
    assert schedule.next(111.0) == Connect(Endpoint(1, 0))
    schedule.failed()
    assert schedule.next(111.0) == Leave(Endpoint(1, 0), FAILED, 0.0)
    assert schedule.next(111.0) == Connect(Endpoint(1, 1))
    assert schedule.next(111.0) == Send()
    schedule.failed()
    assert schedule.next(111.5) == Leave(Endpoint(1, 1), FAILED, 0.5)
    assert schedule.next(111.0) == GiveUp()
    assert schedule.next(111.0) == GiveUp()


def test_waits_start_again_at_every_address() -> None:
    outcome = simulate([timing_of(4, 2), timing_of(3, 1)], [[Address(), Address()], [Address()]])
    assert outcome.sent == [
        Sent(0, 0, 0),
        Sent(2, 0, 0),
        Sent(6, 0, 0),
        Sent(8, 0, 1),
        Sent(10, 0, 1),
        Sent(14, 0, 1),
        Sent(16, 1, 0),
        Sent(18, 1, 0),
    ]
    assert outcome.ended_at == 19


def test_servers_are_asked_in_order_until_one_answers() -> None:
    one = timing_of(1, 1)
    outcome = simulate([one, one, one, one], [[Address()], None, [Address(0.5)], [Address(0)]])
    assert outcome == Outcome([Sent(0, 0, 0), Sent(1, 2, 0)], (2, 0), 1.5)


def test_answer_to_the_first_transmission_counts_after_the_second() -> None:
    outcome = simulate([timing_of(5, 3), timing_of(5, 3)], [[Address(5.5)], [Address(0)]])
    assert outcome == Outcome([Sent(0, 0, 0), Sent(2, 0, 0)], (0, 0), 5.5)


def test_answer_is_awaited_until_the_limit() -> None:
    assert simulate([timing_of(20, 3)], [[Address(59.9)]]).found == (0, 0)
    assert simulate([timing_of(20, 3)], [[Address(60)]]).found is None


def test_immediate_failure_costs_no_time() -> None:
    with Cases() as cases:
        for broken in (Address(connect_fails=True), Address(send_fails=True), Address(fails_after=0.0)):
            with cases.case(broken):
                network = [[broken, broken], None, [], [broken, Address(0.25)]]
                outcome = simulate([timing_of(280, 30)] * 4, network)
                assert outcome.found == (3, 1)
                assert outcome.ended_at == 0.25


def test_no_server_resolves() -> None:
    with Cases() as cases:
        for nothing in (None, ()):
            with cases.case(nothing):
                assert simulate([timing_of(5, 3)] * 3, [nothing] * 3) == Outcome([], None, 0)


def test_no_servers() -> None:
    assert simulate([], []) == Outcome([], None, 0)


def test_nothing_starts_without_time() -> None:
    with Cases() as cases:
        for total_timeout in (0.0, -1.0):
            with cases.case(total_timeout):
                assert Schedule([timing_of(5, 3)], 7.0, total_timeout, no_jitter).next(7.0) == GiveUp()


def test_deadline_ends_everything() -> None:
    sent = [Sent(0, 0, 0), Sent(2, 0, 0), Sent(6, 0, 0), Sent(10, 1, 0)]
    outcomes = {
        total_timeout: simulate([timing_of(5, 2), timing_of(5, 2)], [[Address()], [Address()]], total_timeout)
        for total_timeout in (1.0, 2.0, 2.5, 10.0, 10.5)
    }
    assert outcomes == {
        1.0: Outcome(sent[:1], None, 1),
        2.0: Outcome(sent[:1], None, 2),
        2.5: Outcome(sent[:2], None, 2.5),
        10.0: Outcome(sent[:3], None, 10),
        10.5: Outcome(sent, None, 10.5),
    }


def test_deadline_may_pass_during_any_step() -> None:
    with Cases() as cases:
        for step in (Resolve, Connect, Send, Wait):
            with cases.case(step.__name__):
                schedule = Schedule([timing_of(5, 2), timing_of(5, 2)], 0.0, 1.0, no_jitter)
                action = schedule.next(0.0)
                while not isinstance(action, step):
                    if isinstance(action, Resolve):
                        schedule.resolved([Status()] * 2, 0.0)
                    action = schedule.next(0.0)
                if step is Resolve:
                    schedule.resolved([Status()] * 2, 0.0)
                else:
                    assert schedule.next(1.0) == Leave(Endpoint(0, 0), CUT_OFF, 1.0)
                assert schedule.next(1.0) == GiveUp()
                schedule.failed()
                assert schedule.next(1.0) == GiveUp()


def test_request_is_sent_once_while_the_clock_stands_still() -> None:
    schedule = Schedule([timing_of(5, 3)], 3.0, 60.0, no_jitter)
    schedule.next(3.0)
    schedule.resolved([Status()], 3.0)
    actions = [schedule.next(3.0) for _ in range(50)]
    assert actions == [Connect(Endpoint(0, 0)), Send()] + [Wait(5.0)] * 48


def test_jump_over_several_transmissions_sends_once() -> None:
    schedule = Schedule([timing_of(20, 5)], 0.0, LONG, no_jitter)
    schedule.next(0.0)
    schedule.resolved([Status()], 0.0)
    assert [schedule.next(0.0) for _ in range(2)] == [Connect(Endpoint(0, 0)), Send()]
    assert [schedule.next(50.0) for _ in range(2)] == [Send(), Wait(54.0)]


def test_jump_to_shortly_before_the_limit_does_not_extend_it() -> None:
    schedule = Schedule([timing_of(5, 3)], 0.0, LONG, no_jitter)
    schedule.next(0.0)
    schedule.resolved([Status()], 0.0)
    assert [schedule.next(0.0) for _ in range(2)] == [Connect(Endpoint(0, 0)), Send()]
    assert [schedule.next(14.0) for _ in range(2)] == [Send(), Wait(15.0)]
    assert schedule.next(15.0) == Leave(Endpoint(0, 0), UNANSWERED, 15.0)
    assert schedule.next(15.0) == GiveUp()


def test_jump_over_the_limit_leaves_the_next_server_its_full_time() -> None:
    schedule = Schedule([timing_of(5, 3), timing_of(5, 1)], 0.0, LONG, no_jitter)
    schedule.next(0.0)
    schedule.resolved([Status()], 0.0)
    assert [schedule.next(0.0) for _ in range(2)] == [Connect(Endpoint(0, 0)), Send()]
    assert schedule.next(500.0) == Leave(Endpoint(0, 0), UNANSWERED, 500.0)
    assert schedule.next(500.0) == Resolve(1)
    schedule.resolved([Status()], 500.0)
    assert [schedule.next(500.0) for _ in range(3)] == [Connect(Endpoint(1, 0)), Send(), Wait(502.0)]


def test_jump_over_the_deadline_ends_everything() -> None:
    schedule = Schedule([timing_of(5, 3)] * 2, 0.0, 60.0, no_jitter)
    schedule.next(0.0)
    schedule.resolved([Status()] * 3, 0.0)
    schedule.next(0.0)
    assert schedule.next(1e9) == Leave(Endpoint(0, 0), UNANSWERED, 1e9)
    assert schedule.next(1e9) == GiveUp()


QUARTERS = st.integers(1, 80).map(lambda number: number / 4)
ADDRESSES = st.one_of(
    st.just(Address()),
    st.just(Address(connect_fails=True)),
    st.just(Address(send_fails=True)),
    st.builds(lambda after: Address(fails_after=after), QUARTERS),
    st.builds(Address, QUARTERS),
)
NETWORKS = st.lists(
    st.tuples(
        st.builds(timing_of, QUARTERS, st.integers(1, 6)),
        st.one_of(st.none(), st.lists(ADDRESSES, max_size=3)),
    ),
    min_size=1,
    max_size=4,
)


@given(NETWORKS, st.integers(1, 400).map(lambda number: number / 4))
def test_first_address_that_answers_in_time_is_found(
    servers: List[Tuple[Timing, Optional[List[Address]]]], total_timeout: float
) -> None:
    """Compare with the sum of the time that each address before it takes."""
    now, found = 0.0, None
    for server, (timing, addresses) in enumerate(servers):
        for number, address in enumerate(addresses or ()):
            if found is not None or address.connect_fails or address.send_fails:
                continue
            spent = min(address.answers_after, address.fails_after, timing.limit)
            if spent == address.answers_after < timing.limit and now + spent < total_timeout:
                found = (server, number)
            now += spent
    outcome = simulate([each for each, _ in servers], [addresses for _, addresses in servers], total_timeout)
    assert outcome.found == found
    assert outcome.ended_at <= total_timeout


@given(st.floats(0, 10**7), st.floats(0.1, 280), st.integers(1, 30), st.floats(1, 290))
def test_schedule_ends_by_the_deadline(start: float, timeout: float, sends: int, total: float) -> None:
    assume(start + total > start)
    outcome = simulate([timing_of(timeout, sends)] * 3, [[Address(), Address()]] * 3, total, start)
    assert outcome.ended_at == pytest.approx(min(start + total, start + 6 * timeout * sends))
    assert outcome.ended_at <= start + total
