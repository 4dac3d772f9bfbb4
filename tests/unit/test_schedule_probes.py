"""Slow, dead or restarting: when the schedule sends Status-Server, believes a refusal, and gives an endpoint up."""

from typing import Any, Callable, List, Optional, Tuple

from lib.radius.schedule import (
    MAX_PROBES,
    REFUSED_PAUSE,
    Connect,
    Endpoint,
    GiveUp,
    Leave,
    Probe,
    Resolve,
    Schedule,
    Send,
    Timing,
    Wait,
)
from lib.radius.server_status import CUT_OFF, FAILED, REFUSED, UNANSWERED, Status
from tests.support.cases import Cases

TIMING = Timing(15, 2, 5, 5, probe_after=3.0)
UNKNOWN, ANSWERS_STATUS = Status(), Status(answered_status=100.0)
DEAD = Status(marked=10.0, dead_time=120.0)
FIRST, SECOND = Endpoint(0, 0), Endpoint(1, 0)


def begun(
    status: Status, others: int = 0, timing: Timing = TIMING, total_timeout: float = 150.0, start: float = 0.0
) -> Schedule:
    """Return a schedule that has sent its first request, to a server before so many others."""
    schedule = Schedule([timing] * (1 + others), start, total_timeout, lambda: 0.5)
    assert schedule.next(start) == Resolve(0)
    schedule.resolved([status], start)
    assert [schedule.next(start), schedule.next(start)] == [Connect(FIRST), Send()]
    return schedule


def until(
    schedule: Schedule, end: float, on_send: Optional[Callable[[float], None]] = None, addresses: int = 1
) -> List[Tuple[float, Any]]:
    """Follow the schedule up to a time while no server answers; return its actions and their times, without waits."""
    now = 0.0
    done: List[Tuple[float, Any]] = []
    while True:
        action = schedule.next(now)
        if isinstance(action, Wait):
            if action.until >= end:
                return done
            now = max(now, action.until)
            continue
        done.append((now, action))
        if isinstance(action, GiveUp):
            return done
        if isinstance(action, Resolve):
            schedule.resolved([UNKNOWN] * addresses, now)
        if isinstance(action, Send) and on_send:
            on_send(now)


def times(done: List[Tuple[float, Any]], kind: Any) -> List[float]:
    """Return the times of the actions of a kind."""
    return [now for now, action in done if isinstance(action, kind)]


def left(done: List[Tuple[float, Any]]) -> List[Tuple[float, str]]:
    """Return when each endpoint was left, and how."""
    return [(now, action.end) for now, action in done if isinstance(action, Leave)]


# Status-Server


def test_probes_start_after_the_delay_and_end_after_eight() -> None:
    done = until(begun(UNKNOWN), 15.0)
    assert times(done, Probe) == [3.0, 3.375, 3.75, 4.125, 4.5, 4.875, 5.25, 5.625]
    assert MAX_PROBES == 8
    fast = until(begun(UNKNOWN, timing=TIMING._replace(probe_timeout=2.0)), 15.0)
    assert times(fast, Probe) == [3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75]


def test_no_probe_is_sent_unless_configured() -> None:
    assert times(until(begun(UNKNOWN, timing=TIMING._replace(probe_after=None)), 15.0), Probe) == []


def test_silent_server_that_is_known_to_answer_probes_is_given_up_early() -> None:
    done = until(begun(ANSWERS_STATUS, 1), 6.1)
    assert left(done) == [(6.0, UNANSWERED)]
    assert (6.0, Resolve(1)) in done and (6.0, Connect(SECOND)) in done
    sooner = until(begun(ANSWERS_STATUS, 1, TIMING._replace(probe_after=0.5, probe_timeout=1.0)), 6.0)
    assert left(sooner)[0] == (1.5, UNANSWERED)


def test_busy_server_is_awaited_to_its_limit_if_no_other_is_left() -> None:
    """All of its threads may wait for a push, and none is there to answer a Status-Server."""
    assert left(until(begun(ANSWERS_STATUS), 15.1)) == [(15.0, UNANSWERED)]


def test_name_that_does_not_resolve_is_no_other_server() -> None:
    done = until(begun(ANSWERS_STATUS, 2), 15.1, addresses=0)
    assert left(done) == [(15.0, UNANSWERED)]
    assert times(done, Resolve) == [6.0, 6.0]


def test_server_that_is_marked_dead_is_another_server() -> None:
    schedule = Schedule([TIMING], 0.0, 150.0, lambda: 0.5)
    schedule.next(0.0)
    schedule.resolved([ANSWERS_STATUS, DEAD], 0.0)
    done = until(schedule, 6.1)
    assert left(done) == [(6.0, UNANSWERED)]
    assert (6.0, Connect(Endpoint(0, 1))) in done


def test_answer_that_comes_while_the_next_name_resolves_counts() -> None:
    schedule = begun(ANSWERS_STATUS, 1)
    until(schedule, 5.9)
    assert schedule.next(6.0) == Resolve(1)
    schedule.resolved([UNKNOWN], 8.0)
    assert schedule.next(8.0) == Wait(8.0)
    assert isinstance(schedule.next(8.0), Leave)


def test_no_name_is_resolved_after_the_deadline() -> None:
    schedule = begun(ANSWERS_STATUS, 1, total_timeout=6.5)
    until(schedule, 5.9)
    assert schedule.next(6.5) == Leave(FIRST, CUT_OFF, 6.5)
    assert schedule.next(6.5) == GiveUp()


def test_silent_server_that_never_answered_a_probe_keeps_its_full_time() -> None:
    assert left(until(begun(UNKNOWN, 1), 15.1)) == [(15.0, UNANSWERED)]
    long_ago = UNKNOWN._replace(answered_status=3601.0)
    assert left(until(begun(long_ago, 1), 15.1)) == [(15.0, UNANSWERED)]


def test_server_that_answers_a_probe_keeps_its_full_time() -> None:
    schedule = begun(ANSWERS_STATUS, 1)
    assert isinstance(schedule.next(2.0), Send)
    assert isinstance(schedule.next(3.0), Probe)
    schedule.probe_answered()
    done = until(schedule, 15.1)
    assert not [action for now, action in done if now < 15.0 and isinstance(action, Probe)]
    assert left(done) == [(15.0, UNANSWERED)]


def test_probe_that_cannot_be_sent_proves_nothing() -> None:
    schedule = begun(ANSWERS_STATUS, 1)
    until(schedule, 2.9)
    assert schedule.next(3.0) == Probe()
    schedule.probe_failed()
    assert left(until(schedule, 15.1)) == [(15.0, UNANSWERED)]


def test_answer_to_the_last_probe_counts() -> None:
    schedule = begun(ANSWERS_STATUS, 1)
    until(schedule, 5.99)
    schedule.probe_answered()
    assert schedule.next(6.0) != Resolve(1)


def test_probes_start_again_at_the_second_server() -> None:
    done = until(begun(ANSWERS_STATUS, 1), 12.0)
    assert times(done, Probe)[-8:] == [9.0, 9.375, 9.75, 10.125, 10.5, 10.875, 11.25, 11.625]


# The end


def test_server_that_fails_is_left_at_once() -> None:
    schedule = begun(ANSWERS_STATUS, 1)
    schedule.failed()
    assert schedule.next(0.0) == Leave(FIRST, FAILED, 0.0)


def test_server_cut_off_by_the_deadline_counts_after_half_of_its_time() -> None:
    ends = {
        total_timeout: left(until(begun(UNKNOWN, total_timeout=total_timeout), 15.0))
        for total_timeout in (7.4, 7.5, 14.9)
    }
    assert ends == {7.4: [(7.4, CUT_OFF)], 7.5: [(7.5, UNANSWERED)], 14.9: [(14.9, UNANSWERED)]}


def test_server_does_not_count_if_its_connection_takes_all_the_time() -> None:
    schedule = Schedule([TIMING], 0.0, 10.0, lambda: 0.5)
    schedule.next(0.0)
    schedule.resolved([UNKNOWN], 0.0)
    assert schedule.next(0.0) == Connect(FIRST)
    assert schedule.next(10.0) == Leave(FIRST, CUT_OFF, 10.0)
    assert schedule.next(10.0) == GiveUp()


# Refusals: ICMP can be forged by anybody who guesses a port


def refusing(schedule: Schedule, end: float, opens_at: float = 1000.0) -> List[Tuple[float, Any]]:
    """Follow a schedule up to a time while the port of every endpoint is closed; return its actions without waits."""
    schedule.refused(0.0)
    return until(schedule, end, lambda now: schedule.refused(now) if now < opens_at else None)


def test_port_refused_twice_is_given_up_if_another_server_is_left() -> None:
    done = refusing(begun(UNKNOWN, 1), 0.9)
    assert done[:1] == [(0.5, Send())]
    assert left(done) == [(0.5, REFUSED)]
    assert (0.5, Connect(SECOND)) in done


def test_forged_refusals_give_no_server_up() -> None:
    """None of them is in answer to the transmission that was made to confirm the first."""
    moments = ([0.0], [0.0, 0.1, 0.49], [0.0, 1.1], [0.0, 3.0, 6.0], [0.0, 2.9, 3.0, 14.9])
    with Cases() as cases:
        for forged in moments:
            with cases.case(forged):
                schedule = begun(UNKNOWN, 1)
                for moment in forged:
                    until(schedule, moment)
                    schedule.refused(moment)
                assert left(until(schedule, 14.999)) == []


def test_restart_of_the_only_server_goes_unnoticed() -> None:
    schedule = begun(UNKNOWN)
    done = refusing(schedule, 14.9, opens_at=2.0)
    assert times(done, Send)[:5] == [0.5, 1.0, 1.5, 2.0, 4.0]
    assert left(done) == []


def test_restart_of_the_only_server_goes_unnoticed_however_late() -> None:
    """The user took longer than conn_timeout to find the device."""
    schedule = begun(UNKNOWN)
    until(schedule, 7.0)
    schedule.refused(7.0)
    done = until(schedule, 14.9, lambda now: schedule.refused(now) if now < 11.0 else None)
    assert times(done, Send)[:9] == [7.5, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 13.0]
    assert left(done) == []


def test_refused_port_of_the_only_server_is_tried_for_conn_timeout() -> None:
    done = refusing(begun(UNKNOWN), 15.0)
    assert times(done, Send) == [0.5 * number for number in range(1, 11)]
    assert left(done) == [(5.0, REFUSED)]
    assert done[-1] == (5.0, GiveUp())
    uneven = refusing(begun(UNKNOWN, timing=TIMING._replace(refused_limit=1.2)), 15.0)
    assert times(uneven, Send) == [0.5, 1.0, 1.2]
    assert left(uneven) == [(1.2, REFUSED)]


def test_refused_port_is_tried_again_without_retransmission() -> None:
    done = refusing(begun(UNKNOWN, timing=TIMING._replace(first_wait=0.0)), 14.9, opens_at=1.0)
    assert times(done, Send) == [0.5, 1.0]
    assert left(done) == []


def test_refused_port_ends_with_the_limit_or_the_deadline() -> None:
    assert left(refusing(begun(UNKNOWN, timing=TIMING._replace(limit=0.3)), 15.0)) == [(0.3, REFUSED)]
    assert left(refusing(begun(UNKNOWN, total_timeout=2.2), 15.0)) == [(2.2, CUT_OFF)]


def test_refused_server_marked_dead_counts_as_another() -> None:
    schedule = Schedule([TIMING], 0.0, 150.0, lambda: 0.5)
    schedule.next(0.0)
    schedule.resolved([UNKNOWN, DEAD], 0.0)
    assert [schedule.next(0.0), schedule.next(0.0)] == [Connect(FIRST), Send()]
    done = refusing(schedule, 20.0)
    assert left(done) == [(0.5, REFUSED), (5.5, REFUSED)]


def test_pause_between_refusals() -> None:
    assert REFUSED_PAUSE == 0.5


# A connection takes time to make and loses nothing, so nothing is sent twice

CONNECTED = TIMING._replace(first_wait=0.0, max_probes=1, connect_timeout=3.0)


def connecting(timing: Timing, status: Status = ANSWERS_STATUS, total_timeout: float = 150.0) -> Schedule:
    """Return a schedule that has begun to connect at time 10."""
    schedule = Schedule([timing, timing], 10.0, total_timeout, lambda: 0.5)
    assert schedule.next(10.0) == Resolve(0)
    schedule.resolved([status], 10.0)
    assert schedule.next(10.0) == Connect(FIRST)
    return schedule


def test_connecting_ends_at_the_first_of_its_limits() -> None:
    assert connecting(CONNECTED).connect_by == 13.0
    assert connecting(CONNECTED._replace(limit=2.0)).connect_by == 12.0
    assert connecting(CONNECTED, total_timeout=1.0).connect_by == 11.0
    assert connecting(CONNECTED._replace(connect_timeout=None)).connect_by == 25.0


def test_failed_connection_leaves_the_next_server_its_full_time() -> None:
    schedule = connecting(CONNECTED)
    schedule.failed()
    assert schedule.next(13.0) == Leave(FIRST, FAILED, 3.0)
    assert schedule.next(13.0) == Resolve(1)
    schedule.resolved([UNKNOWN], 13.0)
    assert schedule.next(13.0) == Connect(SECOND)
    assert schedule.connect_by == 16.0


def test_delay_of_the_probe_counts_from_the_request() -> None:
    schedule = connecting(CONNECTED)
    assert schedule.next(12.5) == Send()
    assert schedule.next(12.5) == Wait(15.5)
    assert schedule.next(15.5) == Probe()
    assert schedule.next(15.5) == Wait(18.5)
    assert schedule.next(18.5) == Resolve(1)
    schedule.resolved([UNKNOWN], 18.5)
    assert schedule.next(18.5) == Wait(18.5)
    assert schedule.next(18.5) == Leave(FIRST, UNANSWERED, 6.0)


def test_request_and_probe_are_sent_once_over_a_connection() -> None:
    schedule = connecting(CONNECTED, UNKNOWN)
    done = until(schedule, 25.0)
    assert [action for _, action in done if isinstance(action, (Send, Probe))] == [Send(), Probe()]
    assert isinstance(schedule.next(25.0), Leave)  # the limit counts from the start of the connection


def test_refused_connection_is_made_again() -> None:
    def connections(servers: int) -> List[Tuple[float, Any]]:
        schedule = Schedule([CONNECTED] * servers, 0.0, 150.0, lambda: 0.5)
        now = 0.0
        done: List[Tuple[float, Any]] = []
        while now < 10:
            action = schedule.next(now)
            if isinstance(action, Resolve):
                schedule.resolved([UNKNOWN], now)
            elif isinstance(action, Wait):
                now = action.until
                continue
            elif isinstance(action, GiveUp):
                return done
            elif isinstance(action, Connect):
                schedule.refused(now)
            done.append((now, action))
        raise AssertionError("the schedule does not end")

    alone = connections(1)
    assert times(alone, Connect) == [0.5 * number for number in range(11)]
    assert left(alone) == [(5.0, REFUSED)]
    assert left(connections(2)) == [(0.5, REFUSED), (5.5, REFUSED)]


def test_connection_refused_late_is_refused_nonetheless() -> None:
    """Whatever refuses a connection answers it, however far away it is."""
    schedule = connecting(CONNECTED, UNKNOWN)
    schedule.refused(10.7)
    assert schedule.next(10.7) == Wait(11.2)
    assert schedule.next(11.2) == Connect(FIRST)
    schedule.refused(12.0)
    assert schedule.next(12.0) == Resolve(1)
    schedule.resolved([UNKNOWN], 12.0)
    assert schedule.next(12.0) == Wait(12.0)
    assert schedule.next(12.0) == Leave(FIRST, REFUSED, 2.0)


def test_request_is_sent_over_a_connection_that_was_refused_first() -> None:
    schedule = connecting(CONNECTED, UNKNOWN)
    schedule.refused(10.0)
    assert schedule.next(10.0) == Wait(10.5)
    assert schedule.next(10.5) == Connect(FIRST)
    assert schedule.next(10.5) == Send()
    assert schedule.next(10.5) == Wait(13.5)
