"""Slow or dead: when the schedule sends Status-Server, and what its answer or silence leads to."""

from typing import Any, List, Tuple

from lib.radius.schedule import (
    STATUS_PATIENCE,
    STATUS_SENDS,
    Connect,
    Exchange,
    GiveUp,
    Patience,
    Probe,
    Resolve,
    Send,
    Wait,
    healthy_first,
)

KNOWN = Patience(15, 2, 5, probe_after=3.0, answers_status=True)
UNKNOWN = KNOWN._replace(answers_status=False)


def begun(*servers: Patience, total_timeout: float = 150.0) -> Exchange:
    """Return a schedule that has sent its first request at time 0."""
    exchange = Exchange(servers, 0.0, total_timeout, lambda: 0.5)
    assert exchange.next(0.0) == Resolve(0)
    exchange.resolved(1)
    assert [exchange.next(0.0), exchange.next(0.0)] == [Connect(0, 0), Send()]
    return exchange


def until(exchange: Exchange, end: float) -> List[Tuple[float, Any]]:
    """Follow the schedule up to a time while no server answers; return its actions and their times, without waits."""
    now = 0.0
    done: List[Tuple[float, Any]] = []
    while True:
        action = exchange.next(now)
        if isinstance(action, Wait):
            if action.until >= end:
                return done
            now = action.until
            continue
        done.append((now, action))
        if isinstance(action, GiveUp):
            return done
        if isinstance(action, Resolve):
            exchange.resolved(1)


def test_probes_start_after_the_delay_and_end_after_eight() -> None:
    done = until(begun(UNKNOWN), 15.0)
    assert [now for now, action in done if isinstance(action, Probe)] == [3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75]
    assert STATUS_SENDS == 8 and STATUS_PATIENCE == 2.0


def test_no_probe_is_sent_unless_configured() -> None:
    assert not [action for _, action in until(begun(Patience(15, 2, 5)), 15.0) if isinstance(action, Probe)]


def test_silent_server_that_is_known_to_answer_probes_is_dead() -> None:
    exchange = begun(KNOWN, KNOWN)
    done = until(exchange, 5.1)
    assert (5.0, Resolve(1)) in done and (5.0, Connect(1, 0)) in done
    assert exchange.dead == {0}


def test_silent_server_that_never_answered_a_probe_keeps_its_full_time() -> None:
    done = until(begun(UNKNOWN, KNOWN), 15.1)
    assert [now for now, action in done if action == Resolve(1)] == [15.0]


def test_server_that_answers_a_probe_keeps_its_full_time_and_is_not_dead() -> None:
    exchange = begun(KNOWN, KNOWN)
    assert isinstance(exchange.next(2.0), Send)
    assert isinstance(exchange.next(3.0), Probe)
    exchange.status_answered()
    done = until(exchange, 15.1)
    assert not [action for now, action in done if now < 15.0 and isinstance(action, Probe)]
    assert [now for now, action in done if action == Resolve(1)] == [15.0]
    assert 0 not in exchange.dead


def test_answer_to_the_last_probe_counts() -> None:
    exchange = begun(KNOWN, KNOWN)
    until(exchange, 4.99)
    exchange.status_answered()
    assert exchange.next(5.0) != Resolve(1)


def test_probes_start_anew_at_the_second_server() -> None:
    exchange = begun(KNOWN, UNKNOWN)
    until(exchange, 5.0)
    done = [(now, action) for now, action in until(exchange, 12.0) if isinstance(action, Probe)]
    assert [now for now, _ in done][-8:] == [8.0, 8.25, 8.5, 8.75, 9.0, 9.25, 9.5, 9.75]


def test_server_that_fails_is_dead() -> None:
    exchange = begun(KNOWN, KNOWN)
    exchange.failed()
    assert exchange.dead == {0}


def test_server_cut_off_by_the_deadline_is_dead_after_half_of_its_time() -> None:
    dead = {}
    for total_timeout in (7.4, 7.5, 14.9):
        exchange = begun(UNKNOWN, total_timeout=total_timeout)
        assert until(exchange, 15.0)[-1] == (total_timeout, GiveUp())
        dead[total_timeout] = exchange.dead
    assert dead == {7.4: set(), 7.5: {0}, 14.9: {0}}


def test_server_is_not_dead_if_the_lookup_takes_all_the_time() -> None:
    exchange = Exchange([UNKNOWN], 0.0, 10.0, lambda: 0.5)
    exchange.next(0.0)
    exchange.resolved(1)
    assert exchange.next(0.0) == Connect(0, 0)
    assert exchange.next(10.0) == GiveUp()
    assert exchange.dead == set()


def test_dead_servers_come_last_in_their_order() -> None:
    assert healthy_first([]) == []
    assert healthy_first([False, False, False]) == [0, 1, 2]
    assert healthy_first([True, False, True, False]) == [1, 3, 0, 2]
    assert healthy_first([True, True]) == [0, 1]


# A connection takes time to make and loses nothing, so nothing is sent twice

CONNECTED = KNOWN._replace(first_wait=0.0, probes=1, connect_within=3.0)


def connecting(server: Patience, total_timeout: float = 150.0) -> Exchange:
    """Return a schedule that has begun to connect at time 10."""
    exchange = Exchange([server, server], 10.0, total_timeout, lambda: 0.5)
    assert exchange.next(10.0) == Resolve(0)
    exchange.resolved(1)
    assert exchange.next(10.0) == Connect(0, 0)
    return exchange


def test_connecting_ends_at_the_first_of_its_limits() -> None:
    assert connecting(CONNECTED).connect_by == 13.0
    assert connecting(CONNECTED._replace(bound=2.0)).connect_by == 12.0
    assert connecting(CONNECTED, total_timeout=1.0).connect_by == 11.0
    assert connecting(CONNECTED._replace(connect_within=None)).connect_by == 25.0


def test_failed_connection_leaves_the_next_server_its_full_time() -> None:
    exchange = connecting(CONNECTED)
    exchange.failed()
    assert exchange.next(13.0) == Resolve(1)
    exchange.resolved(1)
    assert exchange.next(13.0) == Connect(1, 0)
    assert exchange.connect_by == 16.0
    assert exchange.dead == {0}


def test_delay_of_the_probe_counts_from_the_request() -> None:
    exchange = connecting(CONNECTED)
    assert exchange.next(12.5) == Send()
    assert exchange.next(12.5) == Wait(15.5)
    assert exchange.next(15.5) == Probe()
    assert exchange.next(15.5) == Wait(17.5)
    assert exchange.next(17.5) == Resolve(1)


def test_request_and_probe_are_sent_once_over_a_connection() -> None:
    exchange = connecting(CONNECTED._replace(answers_status=False))
    done = until(exchange, 25.0)
    assert [action for _, action in done if isinstance(action, (Send, Probe))] == [Send(), Probe()]
    assert exchange.next(25.0) == Resolve(1)  # the limit counts from the start of the connection
