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
from lib.state.accounting_queue import DIRECTORY, Records
from tests.support.accounting import NOW, Collector, start, stop

NOT_A_RECORD = "removed from accounting/ what is no accounting record"


@pytest.fixture
def log() -> List[str]:
    """The lines that are logged."""
    return []


@pytest.fixture
def records(tmp_path: pathlib.Path, log: List[str]) -> Records:
    return Records(str(tmp_path), log.append)


def files(tmp_path: pathlib.Path) -> List[pathlib.Path]:
    return sorted(path for path in (tmp_path / DIRECTORY).iterdir() if path.name != "lock")


def pending(records: Records, now: float = NOW) -> List[Record]:
    return [record for _, record in records.pending(now)]


def test_record_is_kept_until_it_is_sent(records: Records, tmp_path: pathlib.Path, log: List[str]) -> None:
    records.add(start("a"))
    other = Records(str(tmp_path), log.append)
    ((key, record),) = other.pending(NOW)
    assert record == start("a")
    other.sent(key)
    other.sent(key)
    assert pending(records) == [] and files(tmp_path) == []
    assert not log


def test_files_are_private(records: Records, tmp_path: pathlib.Path) -> None:
    records.add(start("a"))
    with records.sender():
        pass
    assert stat.S_IMODE((tmp_path / DIRECTORY).stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / DIRECTORY).iterdir()} == {0o600}


def test_no_file_is_made_before_the_first_record(records: Records, tmp_path: pathlib.Path, log: List[str]) -> None:
    assert pending(records) == []
    records.deliver(Collector(), NOW)
    assert not list(tmp_path.iterdir()) and not log


def test_oldest_record_is_first_and_start_before_stop(records: Records) -> None:
    for record in (stop("c", NOW - 1), start("b", NOW - 2), start("c", NOW), start("a", NOW - 3)):
        records.add(record)
    assert pending(records) == [start("a", NOW - 3), start("b", NOW - 2), start("c", NOW), stop("c", NOW - 1)]


def test_session_ids_are_not_in_file_names(records: Records, tmp_path: pathlib.Path, log: List[str]) -> None:
    sessions = ["../../x", "a/b", "\0", "ü" * 400, "", "\udcff"]
    for session in sessions:
        records.add(start(session))
    assert sorted(record.session_id for record in pending(records)) == sorted(sessions)
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    assert not log


def test_odd_times_do_not_lose_a_record(records: Records) -> None:
    events = [-1.0, 2.0**40, float("nan"), float("inf"), 0.0]
    for event in events:
        records.add(start(repr(event), event))
    assert sorted(record.session_id for record in pending(records, 0.0)) == sorted(map(repr, events))


def test_deliver_sends_every_record_once_and_in_order(records: Records, tmp_path: pathlib.Path, log: List[str]) -> None:
    expected = [start("a", NOW - 2), start("b", NOW - 1), stop("a")]
    for record in reversed(expected):
        records.add(record)
    server = Collector()
    records.deliver(server, NOW)
    records.deliver(server, NOW)
    assert server.accepted == expected
    assert files(tmp_path) == [] and not log


def test_deliver_stops_at_the_first_unacknowledged_record(records: Records) -> None:
    for second in range(5):
        records.add(start(str(second), NOW + second))
    server = Collector(2)
    records.deliver(server, NOW)
    assert [len(server.accepted), len(server.refused)] == [2, 1]
    assert pending(records) == [start(str(second), NOW + second) for second in (2, 3, 4)]


def test_all_records_of_an_outage_are_sent_after_it(records: Records) -> None:
    dead = Collector(0)
    for second in range(20):
        records.add(start(str(second), NOW + second))
        records.deliver(dead, NOW + second)
        records.add(stop(str(second), NOW + second + 0.5))
        records.deliver(dead, NOW + second + 0.5)
    assert len(dead.refused) == 40
    server = Collector()
    records.deliver(server, NOW + 20)
    assert len(server.accepted) == len(set(server.accepted)) == 40
    for second in range(20):
        first, last = start(str(second), NOW + second), stop(str(second), NOW + second + 0.5)
        assert server.accepted.index(first) < server.accepted.index(last)


def test_record_that_the_server_never_acknowledges_delays_no_other(records: Records) -> None:
    sent: List[str] = []
    tried: List[float] = []

    def send(record: Record) -> bool:
        if record.user_name == "poison":
            tried.append(now)
            return False
        sent.append(record.session_id)
        return True

    now = NOW
    records.add(start("poison")._replace(user_name="poison"))
    records.deliver(send, now)
    logins = ["{:04d}".format(number) for number in range(720)]
    for login in logins:  # one each minute, for half a day
        now += 60
        records.add(start(login, now))
        records.deliver(send, now)
    assert sorted(sent) == logins
    assert 3 < len(tried) < 25
    assert [record.user_name for record in pending(records, now + 3600)] == ["poison"]


def test_excess_records_are_dropped_with_one_log_line(records: Records, log: List[str]) -> None:
    for second in range(MAX_UNSENT + 3):
        records.add(start(str(second), NOW + second))
    left = pending(records, NOW + 2000)
    assert left == [start(str(second), NOW + second) for second in range(3, MAX_UNSENT + 3)]
    assert log == ["gave up 3 accounting records: unsent for too long, or too many of them"]


def test_expired_records_are_dropped_with_one_log_line(
    records: Records, log: List[str], tmp_path: pathlib.Path
) -> None:
    records.add(start("old"))
    records.add(start("new", NOW + 1))
    server = Collector()
    records.deliver(server, NOW + MAX_AGE + 0.5)
    assert server.accepted == [start("new", NOW + 1)]
    assert files(tmp_path) == []
    assert log == ["gave up 1 accounting record: unsent for too long, or too many of them"]


def test_unfinished_file_of_a_killed_process_is_removed_after_an_hour(
    records: Records, log: List[str], tmp_path: pathlib.Path
) -> None:
    records.add(start("a"))
    unfinished = tmp_path / DIRECTORY / ".new-0123456789abcdef"
    unfinished.write_text(start("b").to_json()[:20])
    for age, stays in ((-10, True), (10, True), (3599, True), (3601, False)):
        os.utime(str(unfinished), (NOW - age,) * 2)
        assert pending(records) == [start("a")]
        assert unfinished.exists() == stays
    assert log == [NOT_A_RECORD]


# Damaged files


@given(
    octets=st.binary(max_size=200),
    name=st.one_of(st.none(), st.text(max_size=60).map(lambda text: text.replace("/", "").replace("\0", ""))),
)
def test_any_file_with_any_octets_is_removed_with_one_log_line(octets: bytes, name: Optional[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        log: List[str] = []
        records = Records(temporary, log.append)
        records.add(start("damaged", NOW - 1))
        (damaged,) = files(directory)
        if name is None or name in ("", ".", "..", "lock") or name.startswith(".new-"):
            damaged.write_bytes(octets)
        else:
            damaged.unlink()
            (directory / DIRECTORY / name).write_bytes(octets)
        records.add(start("whole"))
        server = Collector()
        records.deliver(server, NOW)
        assert server.accepted == [start("whole")]
        assert files(directory) == []
        assert log == [NOT_A_RECORD]


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
    records: Records, tmp_path: pathlib.Path, log: List[str], what: str, named_like_a_record: bool
) -> None:
    records.add(start("odd", NOW - 1))
    (path,) = files(tmp_path)
    path.unlink()
    odd = path if named_like_a_record else path.with_name("odd")
    make(odd, what)
    for session in ("a", "b"):
        records.add(start(session))
        server = Collector()
        records.deliver(server, NOW)
        assert server.accepted == [start(session)]
    assert files(tmp_path) == ([odd] if what == "directory" else [])
    assert len(log) == (2 if what == "directory" else 1)


@pytest.mark.parametrize("obstacle", ["none", "no state directory", "file for it", "file for ours", "full disk"])
def test_records_that_cannot_be_written_are_sent_anyway(tmp_path: pathlib.Path, log: List[str], obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    elif obstacle == "file for ours":
        state.mkdir()
        (state / DIRECTORY).write_text("")
    records = Records(None if obstacle == "no state directory" else str(state), log.append)
    if obstacle == "full disk":
        with full_disk():
            records.add(start("a"))
            records.add(stop("a"))
        assert files(state) == []
    else:
        records.add(start("a"))
        records.add(stop("a"))
    dead, server = Collector(0), Collector(1)
    records.deliver(dead, NOW)
    records.deliver(server, NOW)
    assert server.accepted == [start("a")] and server.refused == [stop("a")]
    server = Collector()
    records.deliver(server, NOW)
    records.deliver(server, NOW)
    assert server.accepted == [stop("a")]
    assert len(log) == (0 if obstacle in ("none", "no state directory") else 1)
    assert all(text.startswith("unsent accounting records cannot be kept: ") for text in log)


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


def test_unusable_lock_means_one_log_line_and_delivery_later(
    records: Records, tmp_path: pathlib.Path, log: List[str]
) -> None:
    (tmp_path / DIRECTORY / "lock").mkdir(parents=True)
    for session in ("a", "b"):
        records.add(start(session))
        server = Collector()
        records.deliver(server, NOW)
        assert not server.accepted
    assert len(log) == 1
    (tmp_path / DIRECTORY / "lock").rmdir()
    records.deliver(server, NOW)
    assert sorted(server.accepted) == [start("a"), start("b")]
