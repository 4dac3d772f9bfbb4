"""Which endpoint is asked: the order, marks and claims, and what logins learn from each other, in simulated time."""

from typing import List, Optional

from lib.radius.schedule import Claim, Connect, Endpoint, Leave, Resolve, Schedule, Timing
from lib.radius.server_status import CUT_OFF, Status
from tests.support.cases import Cases
from tests.support.endpoints import ALIVE, LATENCY, REFUSING, SILENT, STATUS_ONLY, Behavior, Login, Network, World

TIMING = Timing(15.0, 2.0, 5.0, 5.0, probe_after=3.0)
QUICK = Timing(6.0, 2.0, 2.0, 2.0, probe_after=3.0)
FIRST, SECOND, THIRD = Endpoint(0, 0), Endpoint(1, 0), Endpoint(2, 0)
OTHER_ADDRESS = Endpoint(0, 1)


def marked(age: float) -> Status:
    return Status(marked=age, dead_time=120.0)


def order(*servers: List[Status], claims: bool = True) -> List[Endpoint]:
    """Return the endpoints in the order in which a schedule asks them, if each fails at once."""
    now = 1000.0
    schedule = Schedule([TIMING] * len(servers), now, 150.0, lambda: 0.5)
    asked: List[Endpoint] = []
    while True:
        action = schedule.next(now)
        if isinstance(action, Resolve):
            schedule.resolved(servers[action.server], now)
        elif isinstance(action, Claim):
            schedule.claimed(claims, now)
        elif isinstance(action, Connect):
            asked.append(action.endpoint)
            schedule.failed()
        elif not isinstance(action, Leave):
            return asked


def test_endpoints_are_asked_as_configured() -> None:
    assert order() == []
    assert order([Status()], [Status(), Status()]) == [FIRST, SECOND, Endpoint(1, 1)]
    assert order([], [Status()], []) == [SECOND]


def test_endpoints_marked_dead_come_last_the_longest_marked_first() -> None:
    assert order([marked(10.0)], [Status()], [marked(20.0)]) == [SECOND, THIRD, FIRST]
    assert order([marked(10.0), Status()], [marked(20.0)]) == [OTHER_ADDRESS, SECOND, FIRST]
    assert order([marked(1.0)], [marked(1.0)]) == [FIRST, SECOND]


def test_expired_mark_is_claimed() -> None:
    expired = marked(120.0)
    assert order([expired], [Status()]) == [FIRST, SECOND]
    assert order([expired], [Status()], [marked(10.0)], claims=False) == [SECOND, THIRD, FIRST]
    assert order([expired], claims=False) == [FIRST]


def test_nothing_is_asked_after_the_deadline() -> None:
    schedule = Schedule([TIMING], 0.0, 10.0, lambda: 0.5)
    schedule.next(0.0)
    schedule.resolved([marked(130.0)], 9.0)
    assert schedule.next(9.0) == Claim(FIRST)
    schedule.claimed(True, 9.0)
    assert schedule.next(9.0) == Connect(FIRST)
    assert schedule.next(10.0) == Leave(FIRST, CUT_OFF, 1.0)


# Logins that share what they see


def waits_for(login: Login, endpoint: Endpoint) -> bool:
    """Whether the login lost time at this endpoint."""
    return endpoint in [leave.endpoint for _, leave in login.left]


def always(behavior: Behavior) -> Network:
    """Return a network whose endpoints all behave like this."""
    return lambda endpoint, now: behavior


def seconds(login: Login) -> Optional[float]:
    return None if login.ended_at is None else round(login.ended_at - login.began, 6)


def test_dead_address_of_a_name_costs_one_login() -> None:
    world = World()
    logins = []
    for _ in range(3):
        logins.append(
            world.log_in([TIMING], lambda endpoint, now: SILENT if endpoint == FIRST else ALIVE, addresses=[2])
        )
        world.run()
    assert [seconds(login) for login in logins] == [15.0 + LATENCY, LATENCY, LATENCY]
    assert all(login.answered_by == OTHER_ADDRESS for login in logins)


def test_proxy_whose_upstream_is_gone_costs_two_logins() -> None:
    """It answers Status-Server, but no login."""
    world = World()
    for _ in range(4):
        world.log_in([TIMING, TIMING], lambda endpoint, now: STATUS_ONLY if endpoint == FIRST else ALIVE)
        world.run()
    assert [waits_for(login, FIRST) for login in world.logins] == [True, True, False, False]
    assert all(login.answered_by == SECOND for login in world.logins)


def test_ignored_pushes_mark_no_server_that_answers_others() -> None:
    """One user in three ignores the push, and the server answers no Status-Server."""
    world = World()
    ignored = Behavior()
    approved = Behavior(answers_after=8.0)
    for number in range(30):
        world.log_in([TIMING, TIMING], always(ignored if number % 3 == 2 else approved))
        world.run(world.now + 1.0)
    world.run()
    assert all(login.sent[0][1] == FIRST for login in world.logins)
    assert [login.answered_by for login in world.logins][0:2] == [FIRST, FIRST]
    assert not world.status.status_of(str(tuple(FIRST))).is_marked
    assert all(login.is_alive for login in world.logins if login.answered_by != FIRST)


def test_busy_server_is_awaited_if_no_other_is_left() -> None:
    """All of its threads wait for a push of 8 seconds; it is known to answer Status-Server."""
    busy = Timing(60.0, 2.0, 16.0, 20.0, probe_after=3.0)
    world = World()
    world.status.answered_status(str(tuple(FIRST)))
    login = world.log_in([busy], lambda endpoint, now: SILENT if now < 8.0 else ALIVE)
    world.run()
    assert (login.answered_by, login.left) == (FIRST, [])


def test_dead_server_that_usually_answers_status_server_is_left_soon() -> None:
    world = World()
    world.status.answered_status(str(tuple(FIRST)))
    login = world.log_in([TIMING, TIMING], lambda endpoint, now: SILENT if endpoint == FIRST else ALIVE)
    world.run()
    assert (login.answered_by, seconds(login)) == (SECOND, 6.0 + LATENCY)


def test_restart_of_the_only_server_costs_less_than_a_second_more() -> None:
    world = World()
    login = world.log_in([TIMING], lambda endpoint, now: REFUSING if now < 2.0 else ALIVE)
    world.run()
    assert login.answered_by == FIRST
    assert login.ended_at is not None and login.ended_at <= 2.0 + 0.6


def test_closed_port_costs_half_a_second_once() -> None:
    world = World()
    for _ in range(2):
        world.log_in([TIMING, TIMING], lambda endpoint, now: REFUSING if endpoint == FIRST else ALIVE)
        world.run()
    with Cases() as cases:
        for login, expected in zip(world.logins, (0.5 + 3 * LATENCY, LATENCY)):
            with cases.case(expected):
                assert login.answered_by == SECOND
                assert seconds(login) == round(expected, 6)


def test_one_login_in_each_dead_time_waits_for_a_dead_server() -> None:
    world = World(dead_time=12.0)
    world.status.mark(str(tuple(FIRST)))
    marked_at = world.now
    while world.now < marked_at + 120.0:
        world.log_in([QUICK, QUICK], lambda endpoint, now: SILENT if endpoint == FIRST else ALIVE)
        world.run(world.now + 1.5)
    world.run()
    began = [login.began for login in world.logins if waits_for(login, FIRST)]
    assert 5 <= len(began) <= 10
    assert all(later - earlier >= 12.0 for earlier, later in zip(began, began[1:]))
    assert all(login.answered_by == SECOND for login in world.logins)


def test_server_that_is_back_is_used_again_after_one_login() -> None:
    world = World(dead_time=12.0)
    world.status.mark(str(tuple(FIRST)))
    for _ in range(20):
        world.log_in([QUICK, QUICK], lambda endpoint, now: ALIVE)
        world.run(world.now + 1.5)
    world.run()
    used = [login.answered_by for login in world.logins]
    assert used == [SECOND] * 8 + [FIRST] * 12


def test_accounting_record_that_is_never_acknowledged_marks_nothing() -> None:
    world = World()
    for number in range(10):
        poison = number % 2 == 0
        world.log_in([TIMING], always(SILENT if poison else ALIVE), key="poison" if poison else str(number))
        world.run()
    assert not world.status.status_of(str(tuple(FIRST))).is_marked
    for key in ("one", "one", "other"):
        assert not world.status.status_of(str(tuple(FIRST))).is_marked
        world.log_in([TIMING], lambda endpoint, now: SILENT, key=key)
        world.run()
    assert world.status.status_of(str(tuple(FIRST))).is_marked
