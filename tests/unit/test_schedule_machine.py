"""The schedule and the packets on a hostile network, in simulated time: no socket, no clock, no sleep.

A client that follows the schedule, as lib/radius/client.py does with sockets, asks servers that die, come back, and
refuse their ports. It remembers what it saw of each endpoint, and other logins may claim an expired mark first.
Datagrams arrive late, twice, in any order or never, and others come that no server sent. Every step is checked against
what was done before. In the end the network works, and a server that is up must be found.
"""

import hashlib
import itertools
import random
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.radius import client, packet
from lib.radius.request import Origin
from lib.radius.result import OriginGone
from lib.radius.schedule import (
    END_MARGIN,
    MAX_PROBES,
    REFUSED_PAUSE,
    Action,
    Claim,
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
from lib.radius.server import ServerSettings
from lib.radius.server_status import CUT_OFF, FAILED, REFUSED, UNANSWERED, Observation, Status
from lib.radius.transport.resolve import numeric_address
from lib.secret import Secret
from tests.support.endpoints import StatusInMemory
from tests.support.misbehaving import ACCEPT, CHALLENGE, REJECT, REPLY_MESSAGE, STATE, Request, reply

SECRET, OTHER_SECRET = b"the servers' secret", b"an attacker's guess"
HOSTS = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
NAMES = ("one.example", "two.example")
PORTS = (1812, 1645)
LATENCY = 0.01  # seconds, while the network works
ROUNDING = 1e-6
NEVER = float("inf")

Place = Tuple[str, int]


class Configured(NamedTuple):
    """A server of the configuration, and its times."""

    settings: ServerSettings
    timing: Timing


def configured(servers: List[Tuple[str, int, Timing]]) -> List[Configured]:
    """Return servers in the sections [radius], [radius_2] ..."""
    found, problems = build(parse_ini("[radius]\nserver=x\nsecret=0123456789abcdef\n"), lambda *name: None)
    assert found is not None and not problems
    sections = ("radius", "radius_2", "radius_3")
    return [
        Configured(found.servers[0]._replace(section=section, server=server, port=port), timing)
        for section, (server, port, timing) in zip(sections, servers)
    ]


class Peer:
    """A host of the network, with a RADIUS server on each of its ports; they are up or down together."""

    def __init__(self, alive: bool, knows_status: bool, connects: bool, sends: bool) -> None:
        self.alive = alive
        self.knows_status = knows_status
        self.connects = connects
        self.sends = sends
        self.replies: Dict[bytes, bytes] = {}

    @property
    def reachable(self) -> bool:
        """Whether it would answer a login."""
        return self.alive and self.connects and self.sends


class Connection:
    """What was sent to one address, and what it answered."""

    def __init__(
        self, place: Place, timing: Timing, answers_status: bool, now: float, request: bytes, status_request: bytes
    ) -> None:
        self.place = place
        self.timing = timing
        self.answers_status = answers_status
        self.began = now
        self.request = request
        self.status_request = status_request
        self.sends: List[float] = []
        self.probes: List[float] = []
        self.lives = False
        self.failed = False
        self.refusals: List[List[float]] = []  # after each transmission
        self.waits_since = 0  # the number of the transmission from which the waits double

    @property
    def ends_at(self) -> float:
        """When the client moves on, whatever is left to ask."""
        return self.began + self.timing.limit

    @property
    def silent_at(self) -> float:
        """When the client moves on because of silence to Status-Server, if another endpoint is left."""
        if self.answers_status and self.probes and not self.lives:
            return self.probes[0] + self.timing.probe_timeout
        return NEVER

    @property
    def is_refused(self) -> bool:
        """Whether the last transmission was refused."""
        return bool(self.refusals and self.refusals[-1])

    @property
    def is_refused_twice(self) -> bool:
        """Whether the last transmission was refused soon, and was made because the one before it was refused."""
        return self.is_refused and self._is_confirmed(len(self.sends) - 1)

    def _is_confirmed(self, number: int) -> bool:
        """Whether the refusal of a transmission confirms that of the one before it."""
        if not number or not self.refusals[number - 1]:
            return False
        return self.refusals[number][0] < self.sends[number] + REFUSED_PAUSE

    @property
    def refused_until(self) -> float:
        """When the port has refused long enough, with nothing else to ask."""
        first = len(self.refusals) - 1
        while self._is_confirmed(first):
            first -= 1
        return self.refusals[first][0] + self.timing.refused_limit

    def is_doubtful(self, now: float) -> bool:
        """Whether another endpoint should be asked, if one is left."""
        return self.is_refused_twice or now >= self.silent_at

    def may_be_left(self, now: float, is_other_left: bool) -> bool:
        """Whether the endpoint may be given up: it does not take much with another left, and a lot without."""
        if self.failed or now >= self.ends_at or (is_other_left and self.is_doubtful(now)):
            return True
        return self.is_refused_twice and self.refusals[-1][0] >= self.refused_until

    def is_half_waited(self, now: float) -> bool:
        """Whether a request was sent, and half of the time is over."""
        return bool(self.sends) and now >= self.began + self.timing.limit / 2

    def check_send(self, now: float) -> None:
        """Check a transmission: the first at once, then after waits that double, or half a second after a refusal."""
        if self.is_refused:
            limit_at = self.refused_until if self.is_refused_twice else NEVER
            assert now >= min(self.refusals[-1][0] + REFUSED_PAUSE, limit_at) - ROUNDING, "tried again too soon"
            self.waits_since = len(self.sends)
        elif self.sends:
            assert self.timing.first_wait, "retransmitted although it must not be"
            assert now >= self.sends[-1] + 0.9 * self._wait - ROUNDING, "retransmitted too soon"
        assert now < self.began + self.timing.limit

    def check_probe(self, now: float) -> None:
        """Check a probe: not too early, not too often, not after an answer."""
        assert self.sends and not self.lives and len(self.probes) < MAX_PROBES
        assert self.timing.probe_after is not None and now >= self.sends[0] + self.timing.probe_after

    def check_wait(self, now: float, until: float) -> None:
        """Check a wait: it ends before anything is due."""
        assert self.sends
        assert now < until <= self.ends_at
        if self.is_refused:
            assert until <= self.refusals[-1][0] + REFUSED_PAUSE
        elif self.timing.first_wait:
            again_at = self.sends[-1] + min(1.1 * self._wait, self.timing.max_wait)
            assert until <= again_at + ROUNDING or again_at >= self.began + self.timing.limit - END_MARGIN - ROUNDING
        if self.timing.probe_after is not None and not self.lives:
            if not self.probes:
                assert until <= self.sends[0] + self.timing.probe_after
            elif len(self.probes) < MAX_PROBES:
                assert until <= self.probes[-1] + self.timing.probe_timeout / MAX_PROBES

    @property
    def _wait(self) -> float:
        """The wait after the last transmission, without its jitter."""
        return min(self.timing.first_wait * 2.0 ** (len(self.sends) - 1 - self.waits_since), self.timing.max_wait)


class Datagram(NamedTuple):
    """A datagram in flight between the client and the address it is connected to."""

    octets: bytes
    is_reply: bool
    is_status: bool


TIMINGS = st.builds(
    lambda timeout, retries, first_wait, probe_after, probe_timeout: Timing(
        timeout * retries, first_wait, min(timeout, 16.0), timeout, probe_after, probe_timeout
    ),
    st.one_of(st.sampled_from([5.0, 20.0]), st.floats(0.1, 280)),
    st.integers(1, 30),
    st.one_of(st.sampled_from([0.3, 2.0, 0.0]), st.floats(0.05, 280)),
    st.one_of(st.sampled_from([3.0, 0.5]), st.none(), st.floats(0.1, 280)),
    st.sampled_from([3.0, 1.0, 20.0]),
)
CONFIGURATIONS = st.lists(
    st.tuples(st.sampled_from(NAMES + ("192.0.2.2", "2001:DB8:0::1")), st.sampled_from(PORTS), TIMINGS),
    min_size=1,
    max_size=3,
)
MOSTLY = st.sampled_from([True] * 7 + [False])
SOME_HOSTS = st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True)
ADDRESSES = st.builds(
    lambda hosts, found, nothing: hosts if found else nothing, SOME_HOSTS, MOSTLY, st.sampled_from([None, []])
)
PEERS = st.builds(Peer, MOSTLY, st.booleans(), st.just(True), st.just(True))
SHARES = st.floats(0, 1)
SEEDS = st.integers(0, 2**32)
ANY = st.integers(0, 30)
CODES = [CHALLENGE, ACCEPT, REJECT, None]  # None: the server does not answer yet
ATTACKS = ["changed", "turned", "unsigned", "guessed", "to another", "cut", "mirrored", "replayed", "padded"]


class AnyNetwork(RuleBasedStateMachine):
    """Logins, one after another, on any network."""

    @initialize(
        now=st.floats(0, 10**7),
        configuration=CONFIGURATIONS,
        peers=st.tuples(*[PEERS for _ in HOSTS]),
        names=st.tuples(*[ADDRESSES for _ in NAMES]),
        status_is_known=st.booleans(),
        seed=SEEDS,
        total_timeout=st.one_of(st.sampled_from([150.0, 60.0]), st.floats(1, 290)),
        jitter=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5),
        pauses=st.lists(st.sampled_from([0.0] * 6 + [0.001, 1.0]), min_size=1, max_size=5),
        claims=st.lists(st.booleans(), min_size=1, max_size=5),
        dead_time=st.sampled_from([120.0, 12.0, 0.0]),
    )
    def begin(
        self,
        now: float,
        configuration: List[Tuple[str, int, Timing]],
        peers: Tuple[Peer, ...],
        names: Tuple[Optional[List[str]], ...],
        status_is_known: bool,
        seed: int,
        total_timeout: float,
        jitter: List[float],
        pauses: List[float],
        claims: List[bool],
        dead_time: float,
    ) -> None:
        self.now = now
        self.configuration = configured(configuration)
        self.peers = dict(zip(HOSTS, peers))
        self.names = dict(zip(NAMES, names))
        self.seed = seed
        self.total_timeout = total_timeout
        self.jitter = itertools.cycle(jitter)
        self.pauses: Iterator[float] = itertools.cycle(pauses)
        self.numbers = itertools.count()
        # Remembered between logins
        self.status = StatusInMemory(lambda: self.now, dead_time)
        self.status_is_known = status_is_known
        self.others_claim: Iterator[bool] = itertools.cycle(claims)
        self.challenge: Optional[Tuple[bytes, Origin]] = None
        # Sent by the servers: the replies to each request, all replies, and the owner of each State
        self.right: Dict[bytes, Set[bytes]] = {}
        self.replies: List[bytes] = [b""]
        self.owners: Dict[bytes, Place] = {}
        # The login in progress
        self.schedule: Optional[Schedule] = None
        self.found: Optional[Place] = None

    # The client

    def log_in(self) -> bool:
        """Begin a login or answer a challenge unless one is in progress; return whether the client waits."""
        if self.schedule is None:
            self.begin_login()
        return self.schedule is not None

    def begin_login(self) -> None:
        """Ask all servers, or the one that sent the challenge; if it is not configured any more, begin anew."""
        try:
            allowed = client.servers_for([each.settings for each in self.configuration], self._origin)
        except OriginGone:
            self.challenge = None
            allowed = [each.settings for each in self.configuration]
        self.asked = [each for each in self.configuration if each.settings in allowed]
        assert self.challenge is None or [each.settings.section for each in self.asked] == [self.challenge[1].section]
        timings = [each.timing for each in self.asked]
        self.schedule = Schedule(timings, self.now, self.total_timeout, lambda: next(self.jitter))
        self.deadline = self.now + self.total_timeout
        self.addresses: List[List[str]] = []  # of each server that is resolved
        self.waiting: List[Endpoint] = []  # not tried yet, not marked dead, or with a mark that has expired
        self.dead: Dict[Endpoint, float] = {}  # when each was marked
        self.endpoint: Optional[Endpoint] = None
        self.connection: Optional[Connection] = None
        self.must_poll = False
        self.found = None
        self.go_on()

    @property
    def _origin(self) -> Optional[Origin]:
        return self.challenge[1] if self.challenge else None

    def go_on(self) -> None:
        """Follow the schedule until it waits or gives up."""
        while self.schedule is not None:
            self.now += next(self.pauses)
            action = self.schedule.next(self.now)
            self.check(action)
            if isinstance(action, Wait):
                self.until = action.until
                return
            self.do(action)

    def check(self, action: Action) -> None:
        """Compare an action with what was done before."""
        here = self.connection
        if isinstance(action, GiveUp):
            assert here is None
            assert self.now >= self.deadline or not (self.are_names_left or self.waiting or self.dead)
        elif isinstance(action, Leave):
            self.check_leave(action)
        elif isinstance(action, Resolve):
            assert self.now < self.deadline, "the schedule goes on after the deadline"
            assert action.server == len(self.addresses), "a server was skipped or resolved again"
            assert not self.waiting
            assert here is None or (here.is_doubtful(self.now) and not self.dead), "a name was resolved too early"
        elif isinstance(action, (Claim, Connect)):
            assert self.now < self.deadline, "the schedule goes on after the deadline"
            assert here is None, "the next endpoint was asked too early"
            assert action.endpoint == self.next_endpoint, "an endpoint was skipped or asked again"
            if isinstance(action, Connect) and action.endpoint in self.waiting:
                is_expired = self.status_at_first[action.endpoint].is_expired
                assert not is_expired or action.endpoint in self.claimed, "an expired mark was not claimed"
        else:
            assert here is not None
            self.check_step(here, action)

    def check_step(self, here: Connection, action: Action) -> None:
        if self.must_poll:
            assert action == Wait(self.now), "what came during the name resolution was not taken"
            self.must_poll = False
            return
        assert self.now < min(self.deadline, here.ends_at)
        if isinstance(action, Send):
            here.check_send(self.now)
        elif isinstance(action, Probe):
            here.check_probe(self.now)
        elif isinstance(action, Wait):
            assert action.until <= self.deadline, "the wait ends after the deadline"
            here.check_wait(self.now, action.until)

    def check_leave(self, action: Leave) -> None:
        here = self.connection
        assert here is not None and action.endpoint == self.endpoint
        is_late = self.now >= self.deadline
        assert is_late or here.may_be_left(self.now, bool(self.waiting or self.dead)), "an endpoint was left too early"
        assert action.seconds == self.now - (here.sends[0] if here.sends else here.began)
        if here.failed:
            assert action.end == FAILED
        elif is_late and self.now < here.ends_at and not here.is_half_waited(self.now):
            assert action.end == CUT_OFF
        else:
            assert action.end == (REFUSED if here.is_refused else UNANSWERED)

    @property
    def are_names_left(self) -> bool:
        """Whether a server has not been resolved yet."""
        return len(self.addresses) < len(self.asked)

    @property
    def next_endpoint(self) -> Optional[Endpoint]:
        """The endpoint to ask next: as configured, but those marked dead come last, the longest marked first."""
        if self.waiting:
            return self.waiting[0]
        return None if self.are_names_left or not self.dead else min(self.dead, key=lambda each: self.dead[each])

    def do(self, action: Action) -> None:
        """Do one action and report its outcome."""
        assert self.schedule is not None
        if isinstance(action, GiveUp):
            self.challenge = None
            self.schedule = None
        elif isinstance(action, Resolve):
            self.resolve(action.server)
        elif isinstance(action, Claim):
            self.claim(action.endpoint)
        elif isinstance(action, Connect):
            self.connect(action.endpoint)
        elif isinstance(action, Leave):
            here = self.connection
            assert here is not None
            self.connection = None
            seen = Observation(action.end, action.seconds, here.lives)
            self.status.left_unanswered(self.name(action.endpoint), seen)
        else:
            self.send(is_status=isinstance(action, Probe))

    def name(self, endpoint: Endpoint) -> str:
        """Return the name under which the status of an endpoint is remembered."""
        settings = self.asked[endpoint.server].settings
        return f"{self.addresses[endpoint.server][endpoint.address]} {settings.port} {settings.server}"

    def resolve(self, server: int) -> None:
        assert self.schedule is not None
        self.now += next(self.pauses)
        found = self.look_up(client.host_for(self.asked[server].settings, self._origin)) or []
        self.addresses.append(found)
        endpoints = [Endpoint(server, number) for number in range(len(found))]
        for each in endpoints:
            if self.status_is_known:
                self.status.answered_status(self.name(each))
        statuses = {each: self.status.status_of(self.name(each)) for each in endpoints}
        for each, status in statuses.items():
            if status.is_marked and not status.is_expired:
                self.dead[each] = self.now - (status.marked or 0.0)
            else:
                self.waiting.append(each)
        if server == 0:
            self.status_at_first: Dict[Endpoint, Status] = {}
            self.claimed: Set[Endpoint] = set()
        self.status_at_first.update(statuses)
        self.must_poll = self.connection is not None
        self.schedule.resolved([statuses[each] for each in endpoints], self.now)

    def claim(self, endpoint: Endpoint) -> None:
        """Claim an expired mark, perhaps after another login."""
        assert self.schedule is not None
        name = self.name(endpoint)
        assert self.status_at_first[endpoint].is_expired
        if next(self.others_claim):
            self.status.mark(name)
        is_ours = self.status.claim(name)
        if is_ours:
            self.claimed.add(endpoint)
        else:
            self.waiting.remove(endpoint)
            self.dead[endpoint] = self.now
        self.schedule.claimed(is_ours, self.now)

    def look_up(self, host: str) -> Optional[List[str]]:
        literal = numeric_address(host)
        return [literal] if literal else self.names[host]

    def connect(self, endpoint: Endpoint) -> None:
        assert self.schedule is not None
        self.endpoint = endpoint
        if endpoint in self.waiting:
            self.waiting.remove(endpoint)
        self.dead.pop(endpoint, None)
        place = (self.addresses[endpoint.server][endpoint.address], self.asked[endpoint.server].settings.port)
        state = self.challenge[0] if self.challenge else None
        identity = ((0, packet.NAS_IDENTIFIER, b"sps"),)
        request = packet.encode(packet.Login("alice", Secret("0"), "pap", state, identity), SECRET, self.random)
        status_request = packet.encode_status(identity, SECRET, self.random)
        self.right[request], self.right[status_request] = set(), set()
        answers_status = self.status_at_first[endpoint].answers_status
        timing = self.asked[endpoint.server].timing
        self.connection = Connection(place, timing, answers_status, self.now, request, status_request)
        # What is in flight to the old port is lost.
        self.flying: List[Datagram] = []
        if not self.peers[place[0]].connects:
            self.connection.failed = True
            self.schedule.failed()

    def send(self, is_status: bool) -> None:
        here = self.connection
        assert self.schedule is not None and here is not None
        if is_status:
            here.probes.append(self.now)
        else:
            here.sends.append(self.now)
            here.refusals.append([])
        octets = here.status_request if is_status else here.request
        states = Request(octets, (), 0).values(STATE)
        assert states == ([self.challenge[0]] if self.challenge and not is_status else [])
        assert all(self.owners.get(state) == here.place for state in states), "the State went elsewhere"
        if self.peers[here.place[0]].sends:
            self.flying.append(Datagram(octets, False, is_status))
        else:
            here.failed = True
            self.schedule.failed()

    def receive(self, octets: bytes, is_status: bool) -> None:
        """Verify a datagram that has arrived."""
        here = self.connection
        assert self.schedule is not None and here is not None
        request = here.status_request if is_status else here.request
        codes = packet.STATUS_CODES if is_status else packet.LOGIN_CODES
        is_right = octets[: int.from_bytes(octets[2:4], "big")] in self.right[request]
        try:
            verified = packet.verify(octets, request, SECRET, True, codes)
        except packet.Discarded:
            assert not is_right, "a valid reply was discarded"
        else:
            assert is_right, "a reply was accepted that the server did not send"
            if is_status:
                here.lives = True
                assert self.endpoint is not None
                self.status.answered_status(self.name(self.endpoint))
                self.schedule.probe_answered()
            else:
                self.answered(verified, here.place)
        self.go_on()

    def answered(self, verified: packet.Reply, place: Place) -> None:
        assert self.endpoint is not None
        self.status.answered(self.name(self.endpoint))
        self.found = place
        self.challenge = None
        if verified.code == CHALLENGE:
            assert verified.state is not None and self.owners[verified.state] == place
            section = self.asked[self.endpoint.server].settings.section
            self.challenge = (verified.state, Origin(section, *place))
        self.schedule = None

    def random(self, count: int) -> bytes:
        """Return octets that differ each time."""
        return hashlib.sha256(b"%d" % next(self.numbers)).digest()[:count]

    # The network

    @rule(times=st.sampled_from([1, 2, 10, 50]))
    def silence(self, times: int) -> None:
        """Nothing arrives while the client waits, once or several times."""
        for _ in range(times):
            if self.log_in():
                self.now = max(self.now, self.until)
                self.go_on()

    @rule(share=SHARES, which=ANY, twice=st.booleans(), code=st.sampled_from(CODES))
    def arrive(self, share: float, which: int, twice: bool, code: Optional[int]) -> None:
        """A datagram arrives sooner or later, in any order, and perhaps again later."""
        if not self.log_in() or not self.flying:
            return
        datagram = self.flying[-1 - which % len(self.flying)]
        if not twice:
            self.flying.remove(datagram)
        if datagram.is_reply:
            self.pass_time(share)
            self.receive(datagram.octets, datagram.is_status)
        else:
            self.answer(datagram, code)

    @rule(code=st.sampled_from(CODES))
    def deliver_all(self, code: Optional[int]) -> None:
        """Everything in flight arrives, in order."""
        if self.log_in():
            login = self.schedule
            while self.schedule is login and self.flying:
                self.deliver_oldest(code)

    def deliver_oldest(self, code: Optional[int]) -> None:
        """The oldest datagram arrives."""
        datagram = self.flying.pop(0)
        if datagram.is_reply:
            self.now = max(self.now, min(self.now + LATENCY, self.until))
            self.receive(datagram.octets, datagram.is_status)
        else:
            self.answer(datagram, code)

    def answer(self, datagram: Datagram, code: Optional[int]) -> None:
        """A request reaches the server, which answers with this code, or not yet."""
        assert self.connection is not None
        place = self.connection.place
        peer = self.peers[place[0]]
        if datagram.is_status:
            code = ACCEPT if peer.knows_status else None
        if not peer.alive or (code is None and datagram.octets not in peer.replies):
            return
        if datagram.octets not in peer.replies:
            assert code is not None
            said = []
            if code == CHALLENGE:
                said = [(REPLY_MESSAGE, b"Code?"), (STATE, b"State %d" % next(self.numbers))]
                self.owners[said[1][1]] = place
            octets = reply(Request(datagram.octets, (), 0), SECRET, code, said)
            peer.replies[datagram.octets] = octets  # duplicate detection, RFC 5080 section 2.2.2
            self.right[datagram.octets].add(octets)
            self.replies.append(octets)
        self.flying.append(Datagram(peer.replies[datagram.octets], True, datagram.is_status))

    @rule()
    def lose(self) -> None:
        """Everything in flight is lost."""
        if self.log_in():
            self.flying.clear()

    @rule(share=SHARES, is_forged=st.booleans())
    def refuse(self, share: float, is_forged: bool) -> None:
        """The host of a server that is down refuses the port, or an attacker says so."""
        if not self.log_in():
            return
        assert self.schedule is not None and self.connection is not None
        if is_forged or not self.peers[self.connection.place[0]].alive:
            self.pass_time(share)
            self.connection.refusals[-1].append(self.now)
            self.schedule.refused(self.now)
            self.go_on()

    @rule(share=SHARES)
    def fail(self, share: float) -> None:
        """The system reports an error."""
        if not self.log_in():
            return
        assert self.schedule is not None and self.connection is not None
        if not self.peers[self.connection.place[0]].alive:
            self.pass_time(share)
            self.connection.failed = True
            self.schedule.failed()
            self.go_on()

    @rule(
        kind=st.sampled_from(ATTACKS),
        share=SHARES,
        which=ANY,
        at=st.integers(0, 1000),
        is_status=st.booleans(),
    )
    def attack(self, kind: str, share: float, which: int, at: int, is_status: bool) -> None:
        """An attacker sends an overheard or invented reply from the address of the server to the port of the client."""
        if not self.log_in():
            return
        assert self.connection is not None
        is_status = is_status and bool(self.connection.probes)
        request = Request(self.connection.status_request if is_status else self.connection.request, (), 0)
        said = [(REPLY_MESSAGE, b"Trust me"), (STATE, b"an attacker's")]
        in_flight = [each.octets for each in self.flying if each.is_reply and each.is_status == is_status]
        heard = in_flight or self.replies
        octets = heard[-1 - which % len(heard)]
        if kind == "changed":
            right = reply(request, SECRET, ACCEPT, said)
            at %= len(right)
            octets = right[:at] + bytes([right[at] ^ 1 << which % 8]) + right[at + 1 :]
        elif kind == "turned":  # a Reject turned into an Accept with a valid MD5, as BlastRADIUS does
            right = reply(request, SECRET, REJECT, said)
            head = bytes([ACCEPT]) + right[1:4]
            octets = head + hashlib.md5(head + request.authenticator + right[20:] + SECRET).digest() + right[20:]
        elif kind == "unsigned":
            octets = reply(request, SECRET, ACCEPT, said, None)
        elif kind == "guessed":
            octets = reply(request, OTHER_SECRET, ACCEPT, said)
        elif kind == "to another":
            octets = reply(request, SECRET, ACCEPT, said, authenticator=bytes(16))
        elif kind == "cut":
            octets = octets[:at]
        elif kind == "mirrored":
            octets = request.octets
        elif kind == "padded":
            octets += bytes(at)
        self.pass_time(share)
        self.receive(octets, is_status)

    def pass_time(self, share: float) -> None:
        """Let a part of the client's wait pass."""
        self.now += share * max(0.0, self.until - self.now)

    @rule(seconds=st.one_of(st.floats(0, 3), st.floats(0, 3), st.floats(0, 30), st.floats(0, 10**9)))
    def sleep(self, seconds: float) -> None:
        """The client is not scheduled for a while."""
        self.now += seconds

    # The servers

    @rule(host=st.sampled_from(HOSTS), peer=st.builds(Peer, st.booleans(), st.booleans(), MOSTLY, MOSTLY))
    def change_a_host(self, host: str, peer: Peer) -> None:
        """A host goes down or comes up, its memory lost; it may answer Status-Server or not; its route may change."""
        self.peers[host] = peer

    @rule(name=st.sampled_from(NAMES), addresses=ADDRESSES)
    def change_a_name(self, name: str, addresses: Optional[List[str]]) -> None:
        """A name resolves to other addresses, or to the same in another order, or to none."""
        self.names[name] = addresses

    @rule(configuration=CONFIGURATIONS)
    def configure(self, configuration: List[Tuple[str, int, Timing]]) -> None:
        """The admin configures other servers, perhaps between a challenge and its answer."""
        self.configuration = configured(configuration)

    @rule(which=ANY, port=st.sampled_from(PORTS))
    def change_a_port(self, which: int, port: int) -> None:
        """The admin configures another port."""
        at = which % len(self.configuration)
        server = self.configuration[at]
        self.configuration[at] = server._replace(settings=server.settings._replace(port=port))

    @rule(seed=SEEDS, moves=st.integers(1, 100))
    def storm(self, seed: int, moves: int) -> None:
        """Many random steps: a hundred of them take less time than Hypothesis needs to choose one."""
        chance = random.Random(seed)
        share = chance.random

        def which() -> int:
            return chance.randrange(1000)

        rules: List[Callable[[], None]] = [
            lambda: self.silence(1),
            lambda: self.silence(1),
            lambda: self.arrive(share(), which(), share() < 0.3, chance.choice(CODES)),
            lambda: self.arrive(share(), which(), share() < 0.3, None),
            lambda: self.deliver_all(None),
            self.lose,
            lambda: self.refuse(share(), share() < 0.3),
            lambda: self.refuse(0.0, False),
            lambda: self.fail(share()),
            lambda: self.attack(chance.choice(ATTACKS), share(), which(), which(), share() < 0.5),
            lambda: self.change_a_host(chance.choice(HOSTS), Peer(share() < 0.7, share() < 0.7, share() < 0.9, True)),
            lambda: self.change_a_name(chance.choice(NAMES), chance.sample(HOSTS, chance.randint(1, 3))),
            lambda: self.change_a_port(which(), chance.choice(PORTS)),
        ]
        for _ in range(moves):
            chance.choice(rules)()

    # The end

    def teardown(self) -> None:
        """After a storm, once the network works, a login ends by its deadline and finds a server that is up."""
        if not hasattr(self, "schedule"):
            return
        self.storm(self.seed, 100)
        self.pauses, self.others_claim = itertools.repeat(0.0), itertools.repeat(False)
        must_be_found = self.log_in() and self.will_find_a_server()
        late = self.now
        for _ in range(10000):
            if self.schedule is None:
                break
            if self.flying:
                self.deliver_oldest(ACCEPT)
            else:
                self.silence(1)
        assert self.schedule is None, "the login does not end"
        assert self.now <= max(self.deadline, late)
        assert self.found or not must_be_found, "a server that is up was not found"

    def will_find_a_server(self) -> bool:
        """Whether there is certainly time to reach a server that is up."""
        here = self.connection
        at = self.now
        if here is not None:
            ends_at = min(here.ends_at, here.silent_at, self.deadline)
            if self.flying and self.peers[here.place[0]].alive and self.now + LATENCY * len(self.flying) < ends_at:
                return not all(each.is_status for each in self.flying)
            at = max(at, here.ends_at)
        left = [(each, self.addresses[each.server][each.address]) for each in self.waiting]
        for server in range(len(self.addresses), len(self.asked)):
            found = self.look_up(client.host_for(self.asked[server].settings, self._origin)) or []
            left += [(Endpoint(server, number), host) for number, host in enumerate(found)]
        dead = [(each, self.addresses[each.server][each.address]) for each in self.dead]
        # Any of them may be marked dead, and be asked after all others.
        at += sum(self.asked[endpoint.server].timing.limit for endpoint, _ in left + dead)
        return any(
            self.peers[host].reachable and self.asked[endpoint.server].timing.limit > 3 * LATENCY
            for endpoint, host in left + dead
            if at - self.asked[endpoint.server].timing.limit + 3 * LATENCY < self.deadline
        )


TestAnyNetwork = pytest.mark.slow(AnyNetwork.TestCase)
TestAnyNetwork.settings = settings(deadline=None, stateful_step_count=30)
