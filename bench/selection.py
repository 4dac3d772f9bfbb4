"""How many logins a dead server delays, and for how long, in simulated time and with the defaults of the options."""

import random
from typing import List, Optional, Tuple

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.radius.client import timing_of
from lib.radius.schedule import Endpoint, Timing
from lib.radius.server import ServerSettings
from tests.support.endpoints import ALIVE, LATENCY, SILENT, Behavior, Login, World

INTERVAL, DEAD_TIME, BOUND = 1.5, 12.0, 6.0  # seconds: between logins, of a mark, and of the wait for an address
SIMULATED = 20000
FIRST = Endpoint(0, 0)

Row = Tuple[str, float, float]
"""What was measured, the result, and its limit."""


def defaults() -> ServerSettings:
    """Return a server with every option at its default."""
    settings, _ = build(parse_ini("[radius]\nserver=x\nsecret=0123456789abcdef\n"), lambda *name: None)
    assert settings is not None
    return settings.servers[0]


def first_is_dead(endpoint: Endpoint, now: float) -> Behavior:
    """Return what an endpoint does in a network whose first one is dead."""
    return SILENT if endpoint == FIRST else ALIVE


def log_in_one_by_one(world: World, timings: List[Timing], count: int, addresses: Tuple[int, ...] = ()) -> List[float]:
    """Return how long each of so many logins takes, one after the other."""
    found = []
    for _ in range(count):
        login = world.log_in(timings, first_is_dead, addresses)
        world.run()
        found.append(seconds(login))
    return found


def seconds(login: Login) -> float:
    """Return how long a login took that was answered."""
    assert login.answered_by is not None and login.ended_at is not None
    return login.ended_at - login.began


def loss_times(timing: Timing, loss: float, count: int = SIMULATED) -> List[Optional[float]]:
    """Return the seconds that logins take if packets are lost, equally in both directions; None without an answer."""
    chance = random.Random(int(loss * 100))
    times: List[Optional[float]] = []

    def loses() -> bool:
        return chance.random() < loss

    for _ in range(count):
        world = World()
        login = world.log_in([timing] * 2, lambda endpoint, now: ALIVE, random=chance.random, loses=loses)
        world.run()
        times.append(seconds(login) if login.answered_by is not None else None)
    return times


def percentile(times: List[Optional[float]], share: float) -> float:
    """Return the time within which this share of the logins is answered."""
    found = sorted(float("inf") if each is None else each for each in times)
    return found[int(len(found) * share)]


def logins_that_wait(timings: List[Timing]) -> Tuple[int, int]:
    """Return how many logins wait for a dead server before it is known to be dead, and in ten dead_time after that."""
    world = World(DEAD_TIME)
    marked_at = None
    while marked_at is None or world.now < marked_at + 10 * DEAD_TIME:
        world.log_in(timings, first_is_dead)
        world.run(world.now + INTERVAL)
        if marked_at is None and world.status.status_of(str(tuple(FIRST))).is_marked:
            marked_at = world.now
    world.run()
    waited = [login.began for login in world.logins if login.sent[0][1] == FIRST]
    unknown = sum(1 for began in waited if began < BOUND)
    return unknown, len(waited) - unknown


def rows() -> List[Row]:
    """Measure."""
    server = defaults()
    timing = timing_of(server)
    brief = timing_of(server._replace(conn_timeout=BOUND / 3))
    unknown, known = logins_that_wait([brief, brief])
    first, second = log_in_one_by_one(World(), [timing], 2, (2,))
    world = World()
    world.status.answered_status(str(tuple(FIRST)))
    (failover,) = log_in_one_by_one(world, [timing, timing], 1)
    wait = server.status_check_after + server.status_check_timeout
    return [
        ("logins that wait before the mark", unknown, BOUND / INTERVAL),
        ("logins that wait in ten times dead_time", known, 10),
        ("first login, dead address, seconds", first, server.bound + 0.3),
        ("second login, ratio to healthy", second / LATENCY, 1),
        ("first login, Status-Server known, seconds", failover, wait + 0.3),
        ("10 % lost, 95th percentile, seconds", percentile(loss_times(timing, 0.1), 0.95), 2.5),
    ]
