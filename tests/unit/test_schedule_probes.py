"""Slow or dead: when the schedule sends Status-Server, and what its answer or silence leads to."""

from typing import Any, List, Tuple

from lib.radius.schedule import (
    MAX_PROBES,
    PROBE_TIMEOUT,
    Connect,
    GiveUp,
    Probe,
    Resolve,
    Schedule,
    Send,
    Timing,
    Wait,
    put_dead_last,
)

KNOWN = Timing(15, 2, 5, probe_after=3.0, answers_probes=True)
UNKNOWN = KNOWN._replace(answers_probes=False)


def begun(*servers: Timing, total_timeout: float = 150.0) -> Schedule:
    """Return a schedule that has sent its first request at time 0."""
    schedule = Schedule(servers, 0.0, total_timeout, lambda: 0.5)
    assert schedule.next(0.0) == Resolve(0)
    schedule.resolved(1)
    assert [schedule.next(0.0), schedule.next(0.0)] == [Connect(0, 0), Send()]
    return schedule


def until(schedule: Schedule, end: float) -> List[Tuple[float, Any]]:
    """Follow the schedule up to a time while no server answers; return its actions and their times, without waits."""
    now = 0.0
    done: List[Tuple[float, Any]] = []
    while True:
        action = schedule.next(now)
        if isinstance(action, Wait):
            if action.until >= end:
                return done
            now = action.until
            continue
        done.append((now, action))
        if isinstance(action, GiveUp):
            return done
        if isinstance(action, Resolve):
            schedule.resolved(1)


def test_probes_start_after_the_delay_and_end_after_eight() -> None:
    done = until(begun(UNKNOWN), 15.0)
    assert [now for now, action in done if isinstance(action, Probe)] == [3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75]
    assert MAX_PROBES == 8 and PROBE_TIMEOUT == 2.0


def test_no_probe_is_sent_unless_configured() -> None:
    assert not [action for _, action in until(begun(Timing(15, 2, 5)), 15.0) if isinstance(action, Probe)]


def test_silent_server_that_is_known_to_answer_probes_is_dead() -> None:
    schedule = begun(KNOWN, KNOWN)
    done = until(schedule, 5.1)
    assert (5.0, Resolve(1)) in done and (5.0, Connect(1, 0)) in done
    assert schedule.dead == {0}


def test_silent_server_that_never_answered_a_probe_keeps_its_full_time() -> None:
    done = until(begun(UNKNOWN, KNOWN), 15.1)
    assert [now for now, action in done if action == Resolve(1)] == [15.0]


def test_server_that_answers_a_probe_keeps_its_full_time_and_is_not_dead() -> None:
    schedule = begun(KNOWN, KNOWN)
    assert isinstance(schedule.next(2.0), Send)
    assert isinstance(schedule.next(3.0), Probe)
    schedule.probe_answered()
    done = until(schedule, 15.1)
    assert not [action for now, action in done if now < 15.0 and isinstance(action, Probe)]
    assert [now for now, action in done if action == Resolve(1)] == [15.0]
    assert 0 not in schedule.dead


def test_answer_to_the_last_probe_counts() -> None:
    schedule = begun(KNOWN, KNOWN)
    until(schedule, 4.99)
    schedule.probe_answered()
    assert schedule.next(5.0) != Resolve(1)


def test_probes_start_again_at_the_second_server() -> None:
    schedule = begun(KNOWN, UNKNOWN)
    until(schedule, 5.0)
    done = [(now, action) for now, action in until(schedule, 12.0) if isinstance(action, Probe)]
    assert [now for now, _ in done][-8:] == [8.0, 8.25, 8.5, 8.75, 9.0, 9.25, 9.5, 9.75]


def test_server_that_fails_is_dead() -> None:
    schedule = begun(KNOWN, KNOWN)
    schedule.failed()
    assert schedule.dead == {0}


def test_server_cut_off_by_the_deadline_is_dead_after_half_of_its_time() -> None:
    dead = {}
    for total_timeout in (7.4, 7.5, 14.9):
        schedule = begun(UNKNOWN, total_timeout=total_timeout)
        assert until(schedule, 15.0)[-1] == (total_timeout, GiveUp())
        dead[total_timeout] = schedule.dead
    assert dead == {7.4: set(), 7.5: {0}, 14.9: {0}}


def test_server_is_not_dead_if_the_lookup_takes_all_the_time() -> None:
    schedule = Schedule([UNKNOWN], 0.0, 10.0, lambda: 0.5)
    schedule.next(0.0)
    schedule.resolved(1)
    assert schedule.next(0.0) == Connect(0, 0)
    assert schedule.next(10.0) == GiveUp()
    assert schedule.dead == set()


def test_dead_servers_come_last_in_their_order() -> None:
    assert put_dead_last([]) == []
    assert put_dead_last([False, False, False]) == [0, 1, 2]
    assert put_dead_last([True, False, True, False]) == [1, 3, 0, 2]
    assert put_dead_last([True, True]) == [0, 1]


# A connection takes time to make and loses nothing, so nothing is sent twice

CONNECTED = KNOWN._replace(first_wait=0.0, max_probes=1, connect_timeout=3.0)


def connecting(server: Timing, total_timeout: float = 150.0) -> Schedule:
    """Return a schedule that has begun to connect at time 10."""
    schedule = Schedule([server, server], 10.0, total_timeout, lambda: 0.5)
    assert schedule.next(10.0) == Resolve(0)
    schedule.resolved(1)
    assert schedule.next(10.0) == Connect(0, 0)
    return schedule


def test_connecting_ends_at_the_first_of_its_limits() -> None:
    assert connecting(CONNECTED).connect_by == 13.0
    assert connecting(CONNECTED._replace(limit=2.0)).connect_by == 12.0
    assert connecting(CONNECTED, total_timeout=1.0).connect_by == 11.0
    assert connecting(CONNECTED._replace(connect_timeout=None)).connect_by == 25.0


def test_failed_connection_leaves_the_next_server_its_full_time() -> None:
    schedule = connecting(CONNECTED)
    schedule.failed()
    assert schedule.next(13.0) == Resolve(1)
    schedule.resolved(1)
    assert schedule.next(13.0) == Connect(1, 0)
    assert schedule.connect_by == 16.0
    assert schedule.dead == {0}


def test_delay_of_the_probe_counts_from_the_request() -> None:
    schedule = connecting(CONNECTED)
    assert schedule.next(12.5) == Send()
    assert schedule.next(12.5) == Wait(15.5)
    assert schedule.next(15.5) == Probe()
    assert schedule.next(15.5) == Wait(17.5)
    assert schedule.next(17.5) == Resolve(1)


def test_request_and_probe_are_sent_once_over_a_connection() -> None:
    schedule = connecting(CONNECTED._replace(answers_probes=False))
    done = until(schedule, 25.0)
    assert [action for _, action in done if isinstance(action, (Send, Probe))] == [Send(), Probe()]
    assert schedule.next(25.0) == Resolve(1)  # the limit counts from the start of the connection
