"""Files that the plugin's processes share: many processes at once, and processes killed at any moment."""

import contextlib
import os
import pathlib
import random
import resource
import signal
import socket
import time
from collections import Counter
from multiprocessing.connection import wait
from typing import Any, Callable, ContextManager, Iterator, List, Optional, Sequence, Tuple

import pytest
from pytest_mock import MockerFixture

from lib import log_lines
from lib.config.model import LockoutRules
from lib.radius import packet
from lib.radius.accounting import (
    ACCOUNTING_RESPONSE,
    ACCT_SESSION_ID,
    ACCT_STATUS_TYPE,
    MAX_UNSENT,
    START,
    STOP,
    Record,
    encode,
    verify,
)
from lib.recovery_code import RecoveryHash
from lib.state import accounting_queue, lockout, server_status, user_lock
from lib.state.accounting_queue import AccountingQueue
from lib.state.directory import Directory
from lib.state.lockout import Lockout, Login, new_attempt
from lib.state.recovery_codes import UsedCodes
from lib.state.server_status import SharedServerStatus
from lib.state.user_lock import UserLocks
from tests.support import radiusd
from tests.support.accounting import NOW, Collector, deliver, start, stop
from tests.support.misbehaving import Request, listening, reply
from tests.support.processes import FORK, WAIT_LIMIT, forked, forked_together, join, kill

CLIENT = "198.51.100.7"
SECRET = b"a shared secret"
RULES = LockoutRules(max_failures=3, window=600, duration=900, by_user=True, by_client=False)


class Holder:
    """Another process, which stays inside a context manager until `leave` is called or it is killed."""

    def __init__(self, acquire: Callable[[], ContextManager[Optional[bool]]]) -> None:
        entered, self._leave = FORK.Event(), FORK.Event()

        def hold() -> None:
            with acquire() as acquired:
                assert acquired
                entered.set()
                assert self._leave.wait(WAIT_LIMIT)

        self.process = forked(hold)
        assert entered.wait(WAIT_LIMIT)

    def leave(self) -> None:
        """Let the process leave, and wait for its end."""
        self._leave.set()
        join([self.process])


# Recovery codes


def test_one_of_fifty_processes_uses_a_code(tmp_path: pathlib.Path) -> None:
    outcomes = FORK.SimpleQueue()
    code = RecoveryHash(1, bytes(8), bytes(32))

    def use(number: int) -> None:
        codes = UsedCodes(str(tmp_path))
        outcomes.put(codes.use(code))
        assert not codes.warnings

    processes = forked_together(50, use)
    assert sorted(outcomes.get() for _ in processes) == [False] * 49 + [True]
    join(processes)


# Lockout


ALICE = Login("alice", "alice@example.com", CLIENT)


def test_failures_of_fifty_processes_at_once_are_all_counted(tmp_path: pathlib.Path) -> None:
    rules = LockoutRules(max_failures=500, window=600, duration=900, by_user=True, by_client=True)
    now = float(int(time.time()))

    def guess(number: int) -> None:
        failures = Lockout(str(tmp_path), rules)
        for _ in range(10):
            attempt = new_attempt()
            failures.begin(ALICE, attempt, now)
            failures.failed(ALICE, attempt, now)
        assert not failures.warnings

    # A file that all of them try to remove
    Lockout(str(tmp_path), rules).failed(Login("bob", "bob", ""), new_attempt(), now - 100000)
    join(forked_together(50, guess))
    kinds = Counter(
        path.name.split("-")[0] for path in (tmp_path / lockout.DIRECTORY).iterdir() if "failed" in path.name
    )
    assert kinds == {"user": 500, "client": 500}
    assert Lockout(str(tmp_path), rules).locked_for(ALICE, "", now) == 900
    assert Lockout(str(tmp_path), rules._replace(max_failures=501)).locked_for(ALICE, "", now) == 0


def test_guesses_in_parallel_never_reach_the_server_more_often_than_the_rules_allow(tmp_path: pathlib.Path) -> None:
    """Nothing is counted before all guessers have asked: the replies of the server take long."""
    guessers, rules = 40, RULES._replace(max_failures=5, max_challenges=4)
    server = os.open(str(tmp_path / "server"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    all_asked = FORK.Barrier(guessers)

    def guess(number: int) -> None:
        failures, attempt = Lockout(str(tmp_path), rules), new_attempt()
        locked_for = failures.begin(ALICE, attempt, NOW)
        if not locked_for:
            os.write(server, b"x")
        all_asked.wait(WAIT_LIMIT)
        for _ in range(rules.max_challenges):
            if not locked_for and not failures.locked_for(ALICE, attempt, NOW):
                os.write(server, b"x")
                failures.failed(ALICE, attempt, NOW)

    join(forked_together(guessers, guess))
    os.close(server)
    assert 0 < (tmp_path / "server").stat().st_size < 3 * (rules.max_failures + rules.max_challenges)
    assert Lockout(str(tmp_path), rules).locked_for(ALICE, "", NOW) > 0


def test_processes_killed_while_they_write_lose_no_other_failure(tmp_path: pathlib.Path) -> None:
    counted, count = os.pipe()

    def guess() -> None:
        failures = Lockout(str(tmp_path), RULES)
        while True:
            failures.failed(ALICE, new_attempt(), NOW)
            os.write(count, b"x")

    processes = [forked(guess) for _ in range(10)]
    os.close(count)
    failures = 0
    for number, process in enumerate(processes, 1):
        while failures < 100 * number:
            assert wait([counted], WAIT_LIMIT)
            octets = os.read(counted, 100)
            assert octets, "every process has ended"
            failures += len(octets)
        kill(process)
    with os.fdopen(counted, "rb") as rest:
        failures += len(rest.read())
    written = len(list((tmp_path / lockout.DIRECTORY).iterdir()))
    assert failures <= written <= failures + len(processes)
    for limit, locked_for in ((written, RULES.duration), (written + 1, 0.0)):  # each of them counts
        rules = RULES._replace(max_failures=limit)
        assert Lockout(str(tmp_path), rules).locked_for(ALICE, "", NOW) == locked_for


# User lock


def lock(directory: pathlib.Path, user: str, seconds: float = 0.0) -> ContextManager[bool]:
    return UserLocks(str(directory)).locked(user, seconds)


def is_free(directory: pathlib.Path, user: str, seconds: float = 0.0) -> bool:
    with lock(directory, user, seconds) as acquired:
        return acquired


def test_second_login_of_a_user_waits_for_the_first(tmp_path: pathlib.Path) -> None:
    holder = Holder(lambda: lock(tmp_path, "alice"))
    assert not is_free(tmp_path, "alice")
    assert not is_free(tmp_path, "alice", 0.05)
    for name in ("ALICE", "ａｌｉｃｅ"):
        assert not is_free(tmp_path, name)
    for name in ("bob", "", "ü" * 300, "../alice", "\udcff"):
        assert is_free(tmp_path, name)
    holder.leave()
    assert is_free(tmp_path, "alice")


def test_killed_process_releases_its_lock(tmp_path: pathlib.Path) -> None:
    holder = Holder(lambda: lock(tmp_path, "alice"))
    assert not is_free(tmp_path, "alice")
    kill(holder.process)
    assert is_free(tmp_path, "alice")


def test_exception_passes_through_the_block_and_releases_the_lock(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyError):
        with lock(tmp_path, "alice"):
            raise KeyError
    Holder(lambda: lock(tmp_path, "alice")).leave()


def test_fifty_logins_of_one_user_run_one_at_a_time(tmp_path: pathlib.Path) -> None:
    inside = str(tmp_path / "inside")

    def log_in(number: int) -> None:
        is_done = False
        while not is_done:  # too many wait, most of the time
            with lock(tmp_path, "alice", WAIT_LIMIT) as acquired:
                if acquired:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                    os.unlink(inside)
                    is_done = True

    join(forked_together(50, log_in))


class Waiting:
    """Another process, which waits for the lock of alice, and writes its number to a file once it has it."""

    def __init__(self, directory: pathlib.Path, number: int, mocker: MockerFixture) -> None:
        waits = FORK.Event()
        sleep = time.sleep

        def report_and_sleep(seconds: float) -> None:
            waits.set()
            sleep(seconds)

        def log_in() -> None:
            mocker.patch("time.sleep", report_and_sleep)
            with lock(directory, "alice", WAIT_LIMIT) as acquired:
                assert acquired
                file = os.open(str(directory / "order"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
                os.write(file, b"%d" % number)
                os.close(file)

        self.process = forked(log_in)
        assert waits.wait(WAIT_LIMIT)


def test_no_login_overtakes_another_and_no_more_than_three_wait(tmp_path: pathlib.Path, mocker: MockerFixture) -> None:
    for _ in range(3):
        holder = Holder(lambda: lock(tmp_path, "alice"))
        waiting = [Waiting(tmp_path, number, mocker) for number in range(user_lock.MAX_WAITING)]
        assert not is_free(tmp_path, "alice", WAIT_LIMIT)  # at once, for the test would otherwise wait for the holder
        assert is_free(tmp_path, "bob")
        holder.leave()
        join([each.process for each in waiting])
        assert (tmp_path / "order").read_text() == "012"
        (tmp_path / "order").unlink()


def test_killed_login_leaves_its_place_to_the_next(tmp_path: pathlib.Path, mocker: MockerFixture) -> None:
    holder = Holder(lambda: lock(tmp_path, "alice"))
    waiting = [Waiting(tmp_path, number, mocker) for number in range(user_lock.MAX_WAITING)]
    kill(waiting[0].process)
    kill(holder.process)
    join([each.process for each in waiting[1:]])
    assert (tmp_path / "order").read_text() == "12"
    assert is_free(tmp_path, "alice")


def test_logins_of_many_users_do_not_wait(tmp_path: pathlib.Path) -> None:
    all_inside = FORK.Barrier(50)

    def log_in(number: int) -> None:
        with lock(tmp_path, f"user{number}") as acquired:
            assert acquired
            all_inside.wait(WAIT_LIMIT)

    join([forked(log_in, number) for number in range(50)])
    assert len(list((tmp_path / user_lock.DIRECTORY).iterdir())) == 1


# Server status


def test_a_hundred_processes_share_the_status_of_servers(tmp_path: pathlib.Path) -> None:
    def use(number: int) -> None:
        status = SharedServerStatus(str(tmp_path), 120)
        for _ in range(10):
            status.mark("a:1")
            status.suspect("a:1", "key")
            status.status_of("a:1")
            status.answered("a:1")
            status.answered_status("b:1")
        assert not status.warnings

    join(forked_together(100, use))
    left = SharedServerStatus(str(tmp_path), 120)
    assert not left.status_of("a:1").is_marked and not left.status_of("a:1").is_suspected
    assert left.status_of("b:1").answers_status


def test_one_of_a_hundred_processes_claims_an_expired_mark(tmp_path: pathlib.Path) -> None:
    SharedServerStatus(str(tmp_path), 120).mark("a:1")
    (mark,) = (tmp_path / server_status.DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - 121,) * 2)
    all_know = FORK.Barrier(100)

    def claim(number: int) -> None:
        status = SharedServerStatus(str(tmp_path), 120)
        assert status.status_of("a:1").is_expired
        all_know.wait(WAIT_LIMIT)
        if status.claim("a:1"):
            (tmp_path / str(number)).touch()
        assert not status.warnings

    join([forked(claim, number) for number in range(100)])
    assert len(list(tmp_path.iterdir())) == 2, "one winner, and the directory"
    status = SharedServerStatus(str(tmp_path), 120).status_of("a:1")
    assert status.is_marked and not status.is_expired


def test_process_that_stops_while_it_claims_holds_up_no_other(tmp_path: pathlib.Path) -> None:
    """The others take its claim for successful; when it is killed, the next of them claims the mark."""
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark("a:1")
    (mark,) = (tmp_path / server_status.DIRECTORY).iterdir()
    os.utime(str(mark), (time.time() - 121,) * 2)
    claims = Directory(str(tmp_path), server_status.DIRECTORY, log_lines.STATUS_NOT_SHARED)
    holder = Holder(lambda: claims.lock("claims"))
    assert not status.claim("a:1")
    assert status.status_of("a:1").is_expired
    kill(holder.process)
    assert status.claim("a:1")
    assert not status.warnings


# Accounting queue


class AccountingServer:
    """A server in this process; `received` has the session and type of each Accounting-Request, in order."""

    def __init__(self) -> None:
        self.socket = listening("127.0.0.1")
        self.received: List[Tuple[str, str]] = []

    def receive(self) -> Request:
        """Return the next request, unanswered."""
        assert wait([self.socket], WAIT_LIMIT)
        octets, source = self.socket.recvfrom(4096)
        request = Request(octets, source, len(self.received))
        (session,), (kind,) = request.values(ACCT_SESSION_ID), request.values(ACCT_STATUS_TYPE)
        self.received.append((session.decode("utf-8"), {1: START, 2: STOP}[kind[3]]))
        return request

    def serve(self, processes: Sequence[Any], count: float = float("inf")) -> None:
        """Answer every request until these processes have ended, or until `count` requests have come."""
        running = [process.sentinel for process in processes]
        while count > 0:
            ready = wait([self.socket] + running, WAIT_LIMIT if running else 0)
            assert ready or not running
            if self.socket in ready:
                request = self.receive()
                self.socket.sendto(reply(request, SECRET, ACCOUNTING_RESPONSE, signature=None), request.source)
                count -= 1
            elif not running:
                break
            running = [sentinel for sentinel in running if sentinel not in ready]


def sending_to(address: Tuple[str, int], secret: bytes = SECRET, now: float = NOW) -> Callable[[Record], bool]:
    """Return what sends a record and tells whether it was acknowledged."""

    def send(record: Record) -> bool:
        octets = encode(record, now, secret, os.urandom)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.connect(address)
            connection.settimeout(WAIT_LIMIT)
            try:
                connection.send(octets)
                verify(connection.recv(4096), octets, secret)
            except (OSError, packet.Discarded):
                return False
        return True

    return send


@pytest.fixture
def server() -> Iterator[AccountingServer]:
    """An accounting server without a thread, so that processes can be forked."""
    accounting_server = AccountingServer()
    with accounting_server.socket:
        yield accounting_server


def queued(tmp_path: pathlib.Path) -> List[pathlib.Path]:
    return [path for path in (tmp_path / accounting_queue.DIRECTORY).iterdir() if path.name != "lock"]


def test_process_killed_while_it_writes_leaves_no_record(tmp_path: pathlib.Path) -> None:
    def add() -> None:
        # The system kills the process when it writes the 51st octet.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        AccountingQueue(str(tmp_path)).add(start("a", time.time()))

    process = forked(add)
    process.join(WAIT_LIMIT)
    assert process.exitcode == -signal.SIGXFSZ
    (unfinished,) = queued(tmp_path)
    assert unfinished.stat().st_size == 50
    queue = AccountingQueue(str(tmp_path))
    assert list(queue.due(time.time())) == [] and not queue.warnings


@contextlib.contextmanager
def sending(tmp_path: pathlib.Path) -> Iterator[bool]:
    """Be, for the block, the process that sends; give whether there is a record to send."""
    with contextlib.closing(AccountingQueue(str(tmp_path)).due(NOW)) as entries:
        yield next(entries, None) is not None


def test_only_one_process_sends_until_it_is_killed(tmp_path: pathlib.Path) -> None:
    queue = AccountingQueue(str(tmp_path))
    queue.add(start("a"))
    holder = Holder(lambda: sending(tmp_path))
    assert list(queue.due(NOW)) == []
    collector = Collector()
    deliver(queue, collector, NOW)
    assert not collector.accepted
    kill(holder.process)
    deliver(queue, collector, NOW)
    assert collector.accepted == [start("a")]


def test_sender_also_sends_records_that_others_add_meanwhile(tmp_path: pathlib.Path) -> None:
    def add_and_deliver(session: str) -> None:
        queue = AccountingQueue(str(tmp_path))
        queue.add(start(session))
        collector = Collector()
        deliver(queue, collector, NOW)
        assert not collector.accepted, "two processes sent at the same time"

    collector = Collector()

    def send(record: Record) -> bool:
        if len(collector.accepted) < 5:
            join([forked(add_and_deliver, f"other {len(collector.accepted)}")])
        return collector(record)

    queue = AccountingQueue(str(tmp_path))
    queue.add(start("ours"))
    deliver(queue, send, NOW)
    assert [record.session_id for record in collector.accepted] == ["ours"] + [f"other {n}" for n in range(5)]
    assert queued(tmp_path) == []


def test_a_hundred_processes_at_once_send_each_record_once(tmp_path: pathlib.Path, server: AccountingServer) -> None:
    def run_session(number: int) -> None:
        queue = AccountingQueue(str(tmp_path))
        for kind in (start, stop):
            queue.add(kind(str(number), time.time()))
            deliver(queue, sending_to(server.socket.getsockname()), time.time())
        assert not queue.warnings

    processes = forked_together(100, run_session)
    server.serve(processes)
    join(processes)
    sessions = [str(number) for number in range(100)]
    assert Counter(server.received) == {(session, kind): 1 for session in sessions for kind in (START, STOP)}
    for session in sessions:
        assert server.received.index((session, START)) < server.received.index((session, STOP))
    assert queued(tmp_path) == [], "left although no process was killed and every record was acknowledged"


def test_sender_killed_before_the_response_loses_nothing(tmp_path: pathlib.Path, server: AccountingServer) -> None:
    sessions = [str(number) for number in range(10)]
    queue = AccountingQueue(str(tmp_path))
    for second, session in enumerate(sessions):
        queue.add(start(session, NOW + second))
    sender = forked(deliver, queue, sending_to(server.socket.getsockname()), NOW)
    server.serve([sender], 3)
    server.receive()
    kill(sender)
    server.serve([forked(deliver, queue, sending_to(server.socket.getsockname()), NOW)])
    assert [session for session, _ in server.received] == sessions[:4] + sessions[3:]
    assert queued(tmp_path) == []


def test_processes_killed_at_any_moment_lose_no_record(tmp_path: pathlib.Path, server: AccountingServer) -> None:
    added = tmp_path / "added"
    file = os.open(str(added), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def run_sessions(number: int) -> None:
        queue = AccountingQueue(str(tmp_path))
        for turn in range(MAX_UNSENT // 20):
            name = f"{number}.{turn}"
            queue.add(start(name, time.time()))
            os.write(file, (name + "\n").encode("ascii"))
            deliver(queue, sending_to(server.socket.getsockname()), time.time())

    processes = [forked(run_sessions, number) for number in range(20)]
    chance = random.Random(7)
    for process in processes:
        server.serve([process], chance.randrange(10))
        kill(process)
    os.close(file)
    last = AccountingQueue(str(tmp_path))
    server.serve([forked(deliver, last, sending_to(server.socket.getsockname()), time.time())])
    names = added.read_text().split()
    assert len(names) > 20
    received = Counter(session for session, _ in server.received)
    assert set(names) - set(received) == set(), "lost"
    repeated = [session for session, times in received.items() if times > 1]
    assert len(repeated) <= len(processes) and max(received.values()) <= 1 + len(processes)
    assert [path for path in queued(tmp_path) if not path.name.startswith(".new-")] == []


def test_freeradius_records_each_start_and_stop_once_after_an_outage(tmp_path: pathlib.Path) -> None:
    state, directory = tmp_path / "state", tmp_path / "radius"
    directory.mkdir()
    with radiusd.running(directory) as freeradius:
        address, secret = (freeradius.host, freeradius.acct_port), freeradius.secret.encode("utf-8")
        now = NOW
        for number in range(6):
            if number == 1:
                freeradius.stop()
            if number == 4:
                freeradius.start()
            for kind in (start, stop):
                now += 100
                queue = AccountingQueue(str(state))
                queue.add(kind(f"s{number}", now))
                deliver(queue, sending_to(address, secret, now), now)
        recorded = freeradius.accounting()
    names = ("Acct-Session-Id", "Acct-Status-Type", "Acct-Delay-Time")
    assert sorted(tuple(str(request.get(name)) for name in names) for request in recorded) == [
        ("s0", START, "0"),
        ("s0", STOP, "0"),
        ("s1", START, "600"),
        ("s1", STOP, "500"),
        ("s2", START, "400"),
        ("s2", STOP, "300"),
        ("s3", START, "200"),
        ("s3", STOP, "100"),
        ("s4", START, "0"),
        ("s4", STOP, "0"),
        ("s5", START, "0"),
        ("s5", STOP, "0"),
    ]
    assert queued(state) == []
