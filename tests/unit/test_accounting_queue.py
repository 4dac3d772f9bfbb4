"""The queue of accounting records: none is lost, each is sent once, and no state of the directory is a failure."""

import contextlib
import hashlib
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import socket
import stat
import struct
import time
from collections import Counter
from typing import Any, Callable, Iterator, List, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from lib.radius import packet
from lib.radius.accounting import MAX_AGE, MAX_UNSENT, START, STOP, Record, encode, verify
from lib.state.accounting_queue import DIRECTORY, AccountingQueue
from tests.support import radiusd
from tests.support.radiusd import FreeRadius

NOW = 1700000000.25
SECRET = b"a shared secret"
PATIENCE = 60.0  # seconds; only a test that fails waits so long
# Many processes at once, without as many imports; the thread that Python 3.12 warns of is faulthandler's.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
FORK = multiprocessing.get_context("fork")


def start(session: str, event: float = NOW) -> Record:
    return Record(START, event, session, "alice", (b"\0\xff",), None, ((0, 32, b"sps"),))


def stop(session: str, event: float = NOW) -> Record:
    return start(session, event)._replace(kind=STOP, session_seconds=7)


@pytest.fixture
def queue(tmp_path: pathlib.Path) -> AccountingQueue:
    return AccountingQueue(str(tmp_path))


def files(tmp_path: pathlib.Path) -> List[pathlib.Path]:
    return sorted(path for path in (tmp_path / DIRECTORY).iterdir() if path.name != "lock")


def due(queue: AccountingQueue, now: float = NOW) -> List[Record]:
    """Return the records to send, and send none."""
    return [entry.record for entry in queue.due(now)]


def deliver(queue: AccountingQueue, send: Callable[[Record], bool], now: float) -> None:
    """Send the records that are due until one is not acknowledged."""
    with contextlib.closing(queue.due(now)) as entries:
        for entry in entries:
            if not send(entry.record):
                queue.failed(entry, now)
                break
            queue.sent(entry)


class Collector:
    """A server that acknowledges the first `count` records and no more."""

    def __init__(self, count: float = float("inf")) -> None:
        self.left = count
        self.got: List[Record] = []
        self.refused: List[Record] = []

    def __call__(self, record: Record) -> bool:
        self.left -= 1
        (self.got if self.left >= 0 else self.refused).append(record)
        return self.left >= 0


# One process


def test_a_record_waits_until_it_is_sent(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("a"))
    other = AccountingQueue(str(tmp_path))
    (entry,) = other.due(NOW)
    assert entry.record == start("a")
    other.sent(entry)
    other.sent(entry)
    assert due(queue) == [] and files(tmp_path) == []
    assert not queue.warnings and not other.warnings


def test_only_the_plugin_may_read_the_records(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("a"))
    assert due(queue) == [start("a")]
    assert stat.S_IMODE((tmp_path / DIRECTORY).stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / DIRECTORY).iterdir()} > {"lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / DIRECTORY).iterdir()} == {0o600}


def test_an_empty_queue_makes_no_files(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    assert due(queue) == []
    deliver(queue, Collector(), NOW)
    assert not list(tmp_path.iterdir()) and not queue.warnings


def test_the_oldest_record_is_first_and_start_before_stop(queue: AccountingQueue) -> None:
    for record in (stop("c", NOW - 1), start("b", NOW - 2), start("c", NOW), start("a", NOW - 3)):
        queue.add(record)
    assert due(queue) == [start("a", NOW - 3), start("b", NOW - 2), start("c", NOW), stop("c", NOW - 1)]


def test_no_session_id_is_part_of_a_file_name(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    sessions = ["../../x", "a/b", "\0", "ü" * 400, "", "\udcff"]
    for session in sessions:
        queue.add(start(session))
    assert sorted(record.session_id for record in due(queue)) == sorted(sessions)
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    assert not queue.warnings


@pytest.mark.parametrize("event", [-1.0, 2.0**40, float("nan"), float("inf"), 0.0])
def test_an_odd_time_does_not_lose_a_record(queue: AccountingQueue, event: float) -> None:
    queue.add(start("a", event))
    assert [record.session_id for record in due(queue, 0.0)] == ["a"]


def test_all_records_are_sent_in_order_and_once(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    expected = [start("a", NOW - 2), start("b", NOW - 1), stop("a")]
    for record in reversed(expected):
        queue.add(record)
    server = Collector()
    deliver(queue, server, NOW)
    deliver(queue, server, NOW)
    assert server.got == expected
    assert files(tmp_path) == [] and not queue.warnings


def test_records_after_an_unacknowledged_one_stay(queue: AccountingQueue) -> None:
    for second in range(5):
        queue.add(start(str(second), NOW + second))
    server = Collector(2)
    deliver(queue, server, NOW)
    assert [len(server.got), len(server.refused)] == [2, 1]
    assert due(queue) == [start(str(second), NOW + second) for second in (2, 3, 4)]


def test_an_outage_delays_records_and_loses_none(queue: AccountingQueue) -> None:
    dead = Collector(0)
    for second in range(20):
        queue.add(start(str(second), NOW + second))
        deliver(queue, dead, NOW + second)
        queue.add(stop(str(second), NOW + second + 0.5))
        deliver(queue, dead, NOW + second + 0.5)
    assert len(dead.refused) == 40
    server = Collector()
    deliver(queue, server, NOW + 20)
    assert len(server.got) == len(set(server.got)) == 40
    for second in range(20):
        moment = NOW + second
        assert server.got.index(start(str(second), moment)) < server.got.index(stop(str(second), moment + 0.5))


def test_a_record_that_the_server_never_takes_delays_no_other(queue: AccountingQueue) -> None:
    sent: List[str] = []
    tried: List[float] = []

    def send(record: Record) -> bool:
        if record.user_name == "poison":
            tried.append(now)
            return False
        sent.append(record.session_id)
        return True

    now = NOW
    queue.add(start("poison")._replace(user_name="poison"))
    deliver(queue, send, now)
    logins = [f"{number:04d}" for number in range(720)]
    for login in logins:  # one each minute, for half a day
        now += 60
        queue.add(start(login, now))
        deliver(queue, send, now)
    assert sorted(sent) == logins
    assert 3 < len(tried) < 25
    assert [record.user_name for record in due(queue, now + 3600)] == ["poison"]


def test_the_oldest_records_beyond_the_limit_are_dropped(queue: AccountingQueue) -> None:
    for second in range(MAX_UNSENT + 3):
        queue.add(start(str(second), NOW + second))
    left = due(queue, NOW + 2000)
    assert left == [start(str(second), NOW + second) for second in range(3, MAX_UNSENT + 3)]
    assert queue.warnings == ["Accounting queue dropped records: 3 were too old, or too many in the queue"]


def test_records_that_are_too_old_are_dropped(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("old"))
    queue.add(start("new", NOW + 1))
    server = Collector()
    deliver(queue, server, NOW + MAX_AGE + 0.5)
    assert server.got == [start("new", NOW + 1)]
    assert files(tmp_path) == []
    assert queue.warnings == ["Accounting queue dropped records: 1 was too old, or too many in the queue"]


def test_the_unfinished_file_of_a_killed_process_is_removed_after_an_hour(
    queue: AccountingQueue, tmp_path: pathlib.Path
) -> None:
    queue.add(start("a"))
    unfinished = tmp_path / DIRECTORY / ".new-0123456789abcdef"
    unfinished.write_text(start("b").to_json()[:20])
    for age, stays in ((-10, True), (10, True), (3599, True), (3601, False)):
        os.utime(str(unfinished), (NOW - age,) * 2)
        assert due(queue) == [start("a")]
        assert unfinished.exists() == stays
    assert queue.warnings == ["Accounting queue removed files: no accounting records in accounting/"]


def test_a_process_killed_while_it_writes_leaves_no_half_record(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    def add() -> None:
        # The system kills it at this octet.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        AccountingQueue(str(tmp_path)).add(start("a", time.time()))

    process = forked(add)
    process.join()
    assert process.exitcode == -signal.SIGXFSZ
    (unfinished,) = files(tmp_path)
    assert unfinished.stat().st_size == 50
    assert due(queue, time.time()) == [] and not queue.warnings


# What else may be there


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=50)
@given(
    octets=st.binary(max_size=200),
    name=st.one_of(st.none(), st.text(max_size=60).map(lambda text: text.replace("/", "").replace("\0", ""))),
)
def test_any_file_with_any_octets_is_removed_with_one_warning(tmp_path_factory: Any, octets: bytes, name: Any) -> None:
    directory: pathlib.Path = tmp_path_factory.mktemp("records")
    queue = AccountingQueue(str(directory))
    queue.add(start("damaged", NOW - 1))
    (damaged,) = files(directory)
    if name is None or name in ("", ".", "..", "lock") or name.startswith(".new-"):
        damaged.write_bytes(octets)
    else:
        damaged.unlink()
        (directory / DIRECTORY / name).write_bytes(octets)
    queue.add(start("whole"))
    server = Collector()
    deliver(queue, server, NOW)
    assert server.got == [start("whole")]
    assert files(directory) == []
    assert queue.warnings == ["Accounting queue removed files: no accounting records in accounting/"]


def make(path: pathlib.Path, what: str) -> None:
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(str(path))
    elif what == "link":
        path.symlink_to("/etc/passwd")
    elif what == "large file":
        path.write_text(" " * 100000 + start("large").to_json())


@pytest.mark.parametrize("what", ["directory", "pipe", "link", "large file"])
@pytest.mark.parametrize("named_like_a_record", [True, False])
def test_what_is_no_file_delays_no_record(
    queue: AccountingQueue, tmp_path: pathlib.Path, what: str, named_like_a_record: bool
) -> None:
    queue.add(start("odd", NOW - 1))
    (path,) = files(tmp_path)
    path.unlink()
    odd = path if named_like_a_record else path.with_name("odd")
    make(odd, what)
    for session in ("a", "b"):
        queue.add(start(session))
        server = Collector()
        deliver(queue, server, NOW)
        assert server.got == [start(session)]
    assert files(tmp_path) == ([odd] if what == "directory" else [])
    assert len(queue.warnings) == (2 if what == "directory" else 1)


@pytest.mark.parametrize("obstacle", ["none", "no state directory", "file for it", "file for ours", "full disk"])
def test_records_that_cannot_be_kept_are_sent_once(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    elif obstacle == "file for ours":
        state.mkdir()
        (state / DIRECTORY).write_text("")
    queue = AccountingQueue(None if obstacle == "no state directory" else str(state))
    if obstacle == "full disk":
        with full_disk():
            queue.add(start("a"))
            queue.add(stop("a"))
        assert files(state) == []
    else:
        queue.add(start("a"))
        queue.add(stop("a"))
    dead, server = Collector(0), Collector(1)
    deliver(queue, dead, NOW)
    deliver(queue, server, NOW)
    assert server.got == [start("a")] and server.refused == [stop("a")]
    server = Collector()
    deliver(queue, server, NOW)
    deliver(queue, server, NOW)
    assert server.got == [stop("a")]
    assert len(queue.warnings) == (0 if obstacle in ("none", "no state directory") else 1)
    assert all(text.startswith("Accounting queue cannot keep records: ") for text in queue.warnings)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let the system refuse every octet this process would write to a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_unusable_lock_is_one_warning(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    (tmp_path / DIRECTORY / "lock").mkdir(parents=True)
    for session in ("a", "b"):
        queue.add(start(session))
        server = Collector()
        deliver(queue, server, NOW)
        assert not server.got
    assert len(queue.warnings) == 1
    (tmp_path / DIRECTORY / "lock").rmdir()
    deliver(queue, server, NOW)
    assert sorted(server.got) == [start("a"), start("b")]


# Many processes


def forked(target: Callable[..., None], *arguments: Any) -> Any:
    process = FORK.Process(target=target, args=arguments, daemon=True)  # none outlives a test run that fails
    process.start()
    return process


def test_only_one_process_sends_until_it_is_killed(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    ready = FORK.Event()

    def hold() -> None:
        for _ in AccountingQueue(str(tmp_path)).due(NOW):
            ready.set()
            time.sleep(PATIENCE)

    queue.add(start("a"))
    holder = forked(hold)
    assert ready.wait(PATIENCE)
    assert due(queue) == []
    server = Collector()
    deliver(queue, server, NOW)
    assert not server.got
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    deliver(queue, server, NOW)
    assert server.got == [start("a")]


def test_the_sender_looks_again_for_new_records(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    def add_and_deliver(session: str) -> None:
        others = AccountingQueue(str(tmp_path))
        others.add(start(session))
        server = Collector()
        deliver(others, server, NOW)
        os._exit(len(server.got))

    server = Collector()

    def send(record: Record) -> bool:
        if len(server.got) < 5:
            other = forked(add_and_deliver, f"other {len(server.got)}")
            other.join()
            assert other.exitcode == 0, "it sent, though another process was at it"
        return server(record)

    queue.add(start("ours"))
    deliver(queue, send, NOW)
    assert [record.session_id for record in server.got] == ["ours"] + [f"other {one}" for one in range(5)]
    assert files(tmp_path) == []


class Sink:
    """An accounting server in this process: it counts how often it received each (session, kind)."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.address: Tuple[str, int] = self.socket.getsockname()
        self.got: "Counter[Tuple[str, str]]" = Counter()
        self.order: List[Tuple[str, str]] = []

    def serve_one(self, answer: bool = True) -> bool:
        """Take one request, and answer it; False if none came for a while."""
        try:
            octets, sender = self.socket.recvfrom(4096)
        except socket.timeout:
            return False
        what, rest = {}, octets[20:]
        while rest:
            what[rest[0]] = rest[2 : rest[1]]
            rest = rest[rest[1] :]
        received = what[44].decode("utf-8"), {1: START, 2: STOP}[what[40][3]]
        self.got[received] += 1
        self.order.append(received)
        if answer:
            header = struct.pack("!BBH", 5, octets[1], 20)
            self.socket.sendto(header + hashlib.md5(header + octets[4:20] + SECRET).digest(), sender)
        return True

    def serve_while(self, processes: List[Any]) -> None:
        while self.serve_one() or any(process.is_alive() for process in processes):
            pass


def sending_to(address: Tuple[str, int], patience: float = PATIENCE) -> Callable[[Record], bool]:
    def send(record: Record) -> bool:
        octets = encode(record, NOW, SECRET, os.urandom)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.connect(address)
            connection.settimeout(patience)
            connection.send(octets)
            try:
                verify(connection.recv(4096), octets, SECRET)
            except (OSError, packet.Discarded):
                return False
        return True

    return send


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    yield server
    server.socket.close()


def test_a_hundred_processes_at_once_each_record_once(tmp_path: pathlib.Path, sink: Sink) -> None:
    together = FORK.Barrier(100)

    def session(name: str) -> None:
        queue = AccountingQueue(str(tmp_path))
        together.wait(PATIENCE)
        for kind in (start, stop):
            queue.add(kind(name, time.time()))
            deliver(queue, sending_to(sink.address), time.time())
        assert not queue.warnings

    processes = [forked(session, str(number)) for number in range(100)]
    sink.serve_while(processes)
    assert [process.exitcode for process in processes] == [0] * 100
    assert sink.got == {(str(number), kind): 1 for number in range(100) for kind in (START, STOP)}
    for number in range(100):
        assert sink.order.index((str(number), START)) < sink.order.index((str(number), STOP))
    assert files(tmp_path) == [], "left behind though no process was killed and every record was acknowledged"


def test_a_sender_killed_before_the_answer_loses_nothing(tmp_path: pathlib.Path, sink: Sink) -> None:
    sessions = [str(number) for number in range(10)]
    queue = AccountingQueue(str(tmp_path))
    for second, session in enumerate(sessions):
        queue.add(start(session, NOW + second))
    sender = forked(deliver, queue, sending_to(sink.address), NOW)
    for answer in (True, True, True, False):
        while not sink.serve_one(answer):
            pass
    os.kill(sender.pid, signal.SIGKILL)
    sender.join()
    second_sender = forked(deliver, queue, sending_to(sink.address), NOW)
    sink.serve_while([second_sender])
    assert [session for session, _ in sink.order] == sessions[:4] + sessions[3:]
    assert files(tmp_path) == []


def test_processes_killed_at_any_moment_lose_nothing_they_added(tmp_path: pathlib.Path, sink: Sink) -> None:
    added = tmp_path / "added"
    log = os.open(str(added), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def sessions(number: int) -> None:
        queue = AccountingQueue(str(tmp_path))
        for turn in range(MAX_UNSENT // 20):
            name = f"{number}.{turn}"
            queue.add(start(name, time.time()))
            os.write(log, (name + "\n").encode("ascii"))
            deliver(queue, sending_to(sink.address), time.time())

    processes = [forked(sessions, number) for number in range(20)]
    chance = random.Random(7)
    for process in processes:
        for _ in range(chance.randrange(10)):
            sink.serve_one()
        with contextlib.suppress(ProcessLookupError):  # this one has added and seen to all of its own
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    os.close(log)
    last = forked(deliver, AccountingQueue(str(tmp_path)), sending_to(sink.address), time.time())
    sink.serve_while([last])
    names = added.read_text().split()
    assert len(names) > 20
    lost = set(names) - {session for session, _ in sink.got}
    assert not lost
    twice = [received for received, times in sink.got.items() if times > 1]
    assert len(twice) <= len(processes) and max(sink.got.values()) <= 1 + len(processes)
    assert all(path.name.startswith(".new-") for path in files(tmp_path))


# FreeRADIUS, down for a while


def test_freeradius_has_each_start_and_stop_once_after_it_was_down(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    radius = tmp_path / "radius"
    radius.mkdir()
    with radiusd.running(radius) as server:
        sessions = [f"s{number}" for number in range(6)]
        now = NOW
        for session in sessions:
            if session == "s1":
                server.stop()
            if session == "s4":
                server.start()
            for kind in (start, stop):
                now += 100
                queue = AccountingQueue(str(state))
                queue.add(kind(session, now))
                deliver(queue, sending_to_freeradius(server, now), now)
        recorded = server.accounting()
    found = [(one.get("Acct-Session-Id"), one.get("Acct-Status-Type")) for one in recorded]
    assert sorted(found) == sorted((session, kind) for session in sessions for kind in (START, STOP))
    delays = {pair: int(str(one.get("Acct-Delay-Time"))) for pair, one in zip(found, recorded)}
    assert delays == {
        ("s0", START): 0,
        ("s0", STOP): 0,
        ("s1", START): 600,
        ("s1", STOP): 500,
        ("s2", START): 400,
        ("s2", STOP): 300,
        ("s3", START): 200,
        ("s3", STOP): 100,
        ("s4", START): 0,
        ("s4", STOP): 0,
        ("s5", START): 0,
        ("s5", STOP): 0,
    }
    assert files(state) == []


def sending_to_freeradius(server: FreeRadius, now: float) -> Callable[[Record], bool]:
    def send(record: Record) -> bool:
        secret = server.secret.encode("utf-8")
        octets = encode(record, now, secret, os.urandom)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.connect((server.host, server.acct_port))
            connection.settimeout(PATIENCE)
            try:
                connection.send(octets)
                verify(connection.recv(4096), octets, secret)
            except ConnectionRefusedError:
                return False
        return True

    return send
