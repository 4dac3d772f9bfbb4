"""The queue of accounting records: none is lost, each is sent once, and damaged files are no failure."""

import contextlib
import os
import pathlib
import resource
import signal
import stat
import tempfile
from typing import Iterator, List, Optional

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib.radius.accounting import MAX_AGE, MAX_UNSENT, Record
from lib.state.accounting_queue import DIRECTORY, AccountingQueue
from tests.support.accounting import NOW, Collector, deliver, start, stop

NOT_A_RECORD = "Accounting queue removed files: no accounting records in accounting/"


@pytest.fixture
def queue(tmp_path: pathlib.Path) -> AccountingQueue:
    return AccountingQueue(str(tmp_path))


def files(tmp_path: pathlib.Path) -> List[pathlib.Path]:
    return sorted(path for path in (tmp_path / DIRECTORY).iterdir() if path.name != "lock")


def due(queue: AccountingQueue, now: float = NOW) -> List[Record]:
    """Return the records to send, and send none."""
    return [entry.record for entry in queue.due(now)]


def test_record_is_kept_until_it_is_sent(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("a"))
    other = AccountingQueue(str(tmp_path))
    (entry,) = other.due(NOW)
    assert entry.record == start("a")
    other.sent(entry)
    other.sent(entry)
    assert due(queue) == [] and files(tmp_path) == []
    assert not queue.warnings and not other.warnings


def test_files_are_private(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("a"))
    assert due(queue) == [start("a")]
    assert stat.S_IMODE((tmp_path / DIRECTORY).stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / DIRECTORY).iterdir()} > {"lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / DIRECTORY).iterdir()} == {0o600}


def test_no_file_is_made_before_the_first_record(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    assert due(queue) == []
    deliver(queue, Collector(), NOW)
    assert not list(tmp_path.iterdir()) and not queue.warnings


def test_oldest_record_is_first_and_start_before_stop(queue: AccountingQueue) -> None:
    for record in (stop("c", NOW - 1), start("b", NOW - 2), start("c", NOW), start("a", NOW - 3)):
        queue.add(record)
    assert due(queue) == [start("a", NOW - 3), start("b", NOW - 2), start("c", NOW), stop("c", NOW - 1)]


def test_session_ids_are_not_in_file_names(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    sessions = ["../../x", "a/b", "\0", "ü" * 400, "", "\udcff"]
    for session in sessions:
        queue.add(start(session))
    assert sorted(record.session_id for record in due(queue)) == sorted(sessions)
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    assert not queue.warnings


def test_odd_times_do_not_lose_a_record(queue: AccountingQueue) -> None:
    events = [-1.0, 2.0**40, float("nan"), float("inf"), 0.0]
    for event in events:
        queue.add(start(repr(event), event))
    assert sorted(record.session_id for record in due(queue, 0.0)) == sorted(map(repr, events))


def test_deliver_sends_every_record_once_and_in_order(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    expected = [start("a", NOW - 2), start("b", NOW - 1), stop("a")]
    for record in reversed(expected):
        queue.add(record)
    server = Collector()
    deliver(queue, server, NOW)
    deliver(queue, server, NOW)
    assert server.accepted == expected
    assert files(tmp_path) == [] and not queue.warnings


def test_deliver_stops_at_the_first_unacknowledged_record(queue: AccountingQueue) -> None:
    for second in range(5):
        queue.add(start(str(second), NOW + second))
    server = Collector(2)
    deliver(queue, server, NOW)
    assert [len(server.accepted), len(server.refused)] == [2, 1]
    assert due(queue) == [start(str(second), NOW + second) for second in (3, 4, 2)]


def test_all_records_of_an_outage_are_sent_after_it(queue: AccountingQueue) -> None:
    dead = Collector(0)
    for second in range(20):
        queue.add(start(str(second), NOW + second))
        deliver(queue, dead, NOW + second)
        queue.add(stop(str(second), NOW + second + 0.5))
        deliver(queue, dead, NOW + second + 0.5)
    assert len(dead.refused) == 40
    server = Collector()
    deliver(queue, server, NOW + 20)
    assert len(server.accepted) == len(set(server.accepted)) == 40
    for second in range(20):
        first, last = start(str(second), NOW + second), stop(str(second), NOW + second + 0.5)
        assert server.accepted.index(first) < server.accepted.index(last)


def test_record_that_the_server_never_acknowledges_delays_no_other(queue: AccountingQueue) -> None:
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


def test_rejected_record_is_held_back_by_itself_in_every_process(tmp_path: pathlib.Path) -> None:
    def send(record: Record) -> bool:
        return record.session_id != "poison"

    def run(now: float, *sessions: str) -> List[str]:
        """Add the Start of these sessions and send what is due, as a new process; return what is still due."""
        queue = AccountingQueue(str(tmp_path))
        for number, session in enumerate(sessions):
            queue.add(start(session, now + number / 10))
        deliver(queue, send, now)
        return left(now)

    def left(now: float) -> List[str]:
        return [record.session_id for record in due(AccountingQueue(str(tmp_path)), now)]

    assert run(NOW, "poison", "a") == ["a", "poison"]
    assert run(NOW + 1, "b") == []
    assert [left(NOW + seconds) for seconds in (60, 62)] == [[], ["poison"]]
    assert run(NOW + 62, "c") == []
    assert [left(NOW + 62 + seconds) for seconds in (119, 121)] == [[], ["poison"]]
    assert left(NOW - 7200) == ["poison"], "the clock was set back"
    assert run(NOW - 7200, "d") == []


def test_excess_records_are_dropped_with_one_warning(queue: AccountingQueue) -> None:
    for second in range(MAX_UNSENT + 3):
        queue.add(start(str(second), NOW + second))
    left = due(queue, NOW + 2000)
    assert left == [start(str(second), NOW + second) for second in range(3, MAX_UNSENT + 3)]
    assert queue.warnings == ["Accounting queue dropped records: 3 were too old, or too many in the queue"]


def test_expired_records_are_dropped_with_one_warning(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    queue.add(start("old"))
    queue.add(start("new", NOW + 1))
    server = Collector()
    deliver(queue, server, NOW + MAX_AGE + 0.5)
    assert server.accepted == [start("new", NOW + 1)]
    assert files(tmp_path) == []
    assert queue.warnings == ["Accounting queue dropped records: 1 was too old, or too many in the queue"]


def test_unfinished_file_of_a_killed_process_is_removed_after_an_hour(
    queue: AccountingQueue, tmp_path: pathlib.Path
) -> None:
    queue.add(start("a"))
    unfinished = tmp_path / DIRECTORY / ".new-0123456789abcdef"
    unfinished.write_text(start("b").to_json()[:20])
    for age, stays in ((-10, True), (10, True), (3599, True), (3601, False)):
        os.utime(str(unfinished), (NOW - age,) * 2)
        assert due(queue) == [start("a")]
        assert unfinished.exists() == stays
    assert queue.warnings == [NOT_A_RECORD]


# Damaged files


@given(
    octets=st.binary(max_size=200),
    name=st.one_of(st.none(), st.text(max_size=60).map(lambda text: text.replace("/", "").replace("\0", ""))),
)
def test_any_file_with_any_octets_is_removed_with_one_warning(octets: bytes, name: Optional[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        queue = AccountingQueue(temporary)
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
        assert server.accepted == [start("whole")]
        assert files(directory) == []
        assert queue.warnings == [NOT_A_RECORD]


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
def test_file_of_another_type_delays_no_record(
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
        assert server.accepted == [start(session)]
    assert files(tmp_path) == ([odd] if what == "directory" else [])
    assert len(queue.warnings) == (2 if what == "directory" else 1)


@pytest.mark.parametrize("obstacle", ["none", "no state directory", "file for it", "file for ours", "full disk"])
def test_records_that_cannot_be_written_are_sent_anyway(tmp_path: pathlib.Path, obstacle: str) -> None:
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
    assert server.accepted == [start("a")] and server.refused == [stop("a")]
    server = Collector()
    deliver(queue, server, NOW)
    deliver(queue, server, NOW)
    assert server.accepted == [stop("a")]
    assert len(queue.warnings) == (0 if obstacle in ("none", "no state directory") else 1)
    assert all(text.startswith("Accounting queue cannot keep records: ") for text in queue.warnings)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Let the system refuse to write to any file, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_unusable_lock_means_one_warning_and_delivery_later(queue: AccountingQueue, tmp_path: pathlib.Path) -> None:
    (tmp_path / DIRECTORY / "lock").mkdir(parents=True)
    for session in ("a", "b"):
        queue.add(start(session))
        server = Collector()
        deliver(queue, server, NOW)
        assert not server.accepted
    assert len(queue.warnings) == 1
    (tmp_path / DIRECTORY / "lock").rmdir()
    deliver(queue, server, NOW)
    assert sorted(server.accepted) == [start("a"), start("b")]
