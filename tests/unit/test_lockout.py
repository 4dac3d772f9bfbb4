"""The lockout: its rules, counted by hand and by a second implementation, and the files that it keeps."""

import os
import pathlib
import stat
import tempfile
from typing import Dict, List, Optional, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib.config.model import LockoutRules
from lib.state.lockout import DIRECTORY, Lockout, locked_until

NOW = 1700000000.25
RULES = LockoutRules(max_failures=3, window=600, duration=900, by_user=True, by_client=False)
BY_CLIENT = RULES._replace(by_user=False, by_client=True)
BY_BOTH = RULES._replace(by_client=True)
CLIENT = "198.51.100.7"
NOT_A_FAILURE = "Lockout ignored lines: no failed logins in lockout/"


# The rules


def test_enough_failures_lock_for_the_duration() -> None:
    # The end of the lock by the times of the failures and the current time
    ends: Dict[Tuple[Tuple[float, ...], float], float] = {
        ((), 100): 0,
        ((1, 2), 100): 0,
        ((1, 2, 3), 3): 903,
        ((3, 1, 2), 100): 903,
        ((1, 2, 3), 902.9): 903,
        ((1, 2, 3), 903): 0,
        ((1, 2, 601), 700): 1501,  # within the window, to the second
        ((1, 2, 601.5), 700): 0,
        ((1, 500, 601.5, 700), 700): 1600,
        ((1, 2, 3, 4, 5, 6, 7), 800): 903,  # logins in progress when the lock began do not extend it
        ((1, 2, 3, 902, 903, 904), 904): 0,  # and do not count afterwards
        ((1, 2, 3, 903, 904, 905), 905): 1805,
        ((1, 2, 200), 100): 0,  # from the future
        ((1, 2, 3, 4), 3.5): 903,
        ((7, 7, 7), 7): 907,
    }
    assert {case: locked_until(*case, RULES) for case in ends} == ends


def test_zero_failures_mean_no_lockout() -> None:
    assert locked_until([1, 2, 3] * 100, 3, LockoutRules()) == 0
    assert locked_until([1], 1, RULES._replace(max_failures=1)) == 901


def replayed(failures: List[float], now: float, rules: LockoutRules) -> float:
    """Return what `locked_until` should: find the first lock, drop all failures before its end, and start over."""
    left = sorted(moment for moment in failures if moment <= now)
    while True:
        full = [
            moment
            for at, moment in enumerate(left)
            if sum(moment - earlier <= rules.window for earlier in left[: at + 1]) >= rules.max_failures
        ]
        if not full:
            return 0.0
        end = full[0] + rules.duration
        if now < end:
            return end
        left = [moment for moment in left if moment >= end]


Moments = st.lists(st.integers(min_value=1, max_value=60), max_size=25)


@given(
    failures=Moments,
    now=st.integers(min_value=0, max_value=70),
    number=st.integers(min_value=1, max_value=4),
    window=st.integers(min_value=1, max_value=20),
    duration=st.integers(min_value=1, max_value=20),
)
def test_rules_agree_with_a_second_implementation(
    failures: List[int], now: int, number: int, window: int, duration: int
) -> None:
    rules = LockoutRules(number, window, duration)
    moments = [float(moment) for moment in failures]
    assert locked_until(moments, now, rules) == replayed(moments, now, rules)


@given(
    failures=st.lists(st.floats(min_value=0, max_value=1e10, allow_nan=False), max_size=50),
    now=st.floats(min_value=0, max_value=1e10, allow_nan=False),
)
def test_no_lock_is_longer_than_the_duration(failures: List[float], now: float) -> None:
    assert locked_until(failures, now, RULES) <= now + RULES.duration


# The files


class Make:
    """Makes a lockout with the given rules, as each new process does; `warnings` has those of all."""

    def __init__(self, state_directory: Optional[str]) -> None:
        self._state_directory = state_directory
        self._made: List[Lockout] = []

    def __call__(self, rules: LockoutRules) -> Lockout:
        self._made.append(Lockout(self._state_directory, rules))
        return self._made[-1]

    @property
    def warnings(self) -> List[str]:
        return [warning for lockout in self._made for warning in lockout.warnings]


@pytest.fixture
def lockout(tmp_path: pathlib.Path) -> Make:
    return Make(str(tmp_path))


def fail(make: Make, rules: LockoutRules, user: str = "alice", client: str = CLIENT, *seconds: float) -> None:
    for second in seconds:
        make(rules).failed(user, client, NOW + second)


def files(tmp_path: pathlib.Path) -> List[pathlib.Path]:
    return sorted((tmp_path / DIRECTORY).iterdir())


def test_last_of_max_failures_locks(lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0, 1)
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 1) == 0
    fail(lockout, RULES, "alice", CLIENT, 2)
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 2) == 900
    assert lockout(RULES).locked_for("alice", "192.0.2.1", NOW + 901) == 1
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 902) == 0
    assert not lockout.warnings


def test_failures_count_for_every_spelling_of_the_name(lockout: Make) -> None:
    for name in ("alice", "ALICE", "ａｌｉｃｅ"):
        fail(lockout, RULES, name, CLIENT, 0)
    assert lockout(RULES).locked_for("Alice", "", NOW) == 900
    assert lockout(RULES).locked_for("bob", CLIENT, NOW) == 0


def test_failures_of_a_client_count_for_every_user(lockout: Make) -> None:
    for second, name in enumerate(("alice", "bob", "carol")):
        fail(lockout, BY_CLIENT, name, CLIENT, second)
    assert lockout(BY_CLIENT).locked_for("dave", CLIENT, NOW + 2) == 900
    assert lockout(BY_CLIENT).locked_for("alice", "192.0.2.1", NOW + 2) == 0
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 2) == 0


def test_user_and_client_are_counted_separately(lockout: Make) -> None:
    fail(lockout, BY_BOTH, "alice", CLIENT, 0, 1)
    fail(lockout, BY_BOTH, "alice", "192.0.2.1", 2)
    assert lockout(BY_BOTH).locked_for("alice", "192.0.2.9", NOW + 2) == 900
    assert lockout(BY_BOTH).locked_for("bob", CLIENT, NOW + 2) == 0
    fail(lockout, BY_BOTH, "bob", CLIENT, 100)
    assert lockout(BY_BOTH).locked_for("carol", CLIENT, NOW + 100) == 900
    assert lockout(BY_BOTH).locked_for("alice", CLIENT, NOW + 100) == 900
    assert lockout(BY_BOTH).locked_for("alice", "", NOW + 100) == 802


def test_user_named_like_a_client_does_not_lock_the_client(lockout: Make) -> None:
    fail(lockout, BY_BOTH, "192.0.2.1", "", 0, 1, 2)
    assert lockout(BY_BOTH).locked_for("alice", "192.0.2.1", NOW + 2) == 0


def test_success_clears_the_user_but_not_the_client(lockout: Make, tmp_path: pathlib.Path) -> None:
    fail(lockout, BY_BOTH, "alice", CLIENT, -3599, 0, 1)
    lockout(BY_BOTH).succeeded("ALICE")
    assert [path.name.split("-")[0] for path in files(tmp_path)] == ["client", "client"]  # one for each hour
    fail(lockout, BY_BOTH, "alice", CLIENT, 2)
    assert lockout(BY_BOTH).locked_for("alice", "", NOW + 2) == 0
    assert lockout(BY_BOTH).locked_for("alice", CLIENT, NOW + 2) == 900
    lockout(BY_CLIENT).succeeded("alice")
    lockout(RULES).succeeded("bob")
    assert len(files(tmp_path)) == 3


def test_empty_names_are_not_counted(lockout: Make, tmp_path: pathlib.Path) -> None:
    fail(lockout, BY_BOTH, "", "", 0, 1, 2)
    assert lockout(BY_BOTH).locked_for("", "", NOW + 2) == 0
    assert not list(tmp_path.iterdir())


def test_lockout_that_is_off_writes_no_files(lockout: Make, tmp_path: pathlib.Path) -> None:
    for rules in (LockoutRules(), RULES._replace(by_user=False)):
        fail(lockout, rules, "alice", CLIENT, *range(10))
        lockout(rules).succeeded("alice")
        assert lockout(rules).locked_for("alice", CLIENT, NOW + 10) == 0
        assert not list(tmp_path.iterdir()) and not lockout.warnings


def test_windows_and_locks_may_last_for_days(lockout: Make) -> None:
    rules = LockoutRules(max_failures=3, window=86400, duration=172800)
    fail(lockout, rules, "alice", CLIENT, 0, 40000, 86400)
    assert lockout(rules).locked_for("alice", CLIENT, NOW + 86400) == 172800
    assert lockout(rules).locked_for("alice", CLIENT, NOW + 86400 + 172799) == 1
    assert lockout(rules).locked_for("alice", CLIENT, NOW + 86400 + 172800) == 0


def test_failures_from_the_future_are_ignored_after_the_clock_was_set_back(lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 10000000, 10000001, 10000002)
    for later in (0, 3600, 86400, 9000000):
        assert lockout(RULES).locked_for("alice", CLIENT, NOW + later) == 0
    fail(lockout, RULES, "alice", CLIENT, 0, 1)
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 1) == 0
    fail(lockout, RULES, "alice", CLIENT, 2)
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 2) == 900


def test_next_failure_removes_old_files(lockout: Make, tmp_path: pathlib.Path) -> None:
    for second, name in enumerate(("alice", "bob", "carol")):
        fail(lockout, RULES, name, CLIENT, second)
    assert len(files(tmp_path)) == 3
    fail(lockout, RULES, "dave", CLIENT, RULES.window + RULES.duration)
    assert len(files(tmp_path)) == 4
    fail(lockout, RULES, "erin", CLIENT, RULES.window + RULES.duration + 3600)
    assert len(files(tmp_path)) == 1


def test_files_are_private_and_hold_no_names(lockout: Make, tmp_path: pathlib.Path) -> None:
    for name in ("../../alice", "a/b", "ü" * 300, "\udcff", "\0"):
        fail(lockout, BY_BOTH, name, CLIENT, 0)
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    assert stat.S_IMODE((tmp_path / DIRECTORY).stat().st_mode) == 0o700
    assert len(files(tmp_path)) == 6
    for path in files(tmp_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "alice" not in path.name and CLIENT not in path.name
        assert set(path.read_text().split()) == {repr(NOW)}


# Damaged files


@given(octets=st.binary(max_size=200), before=st.booleans())
def test_foreign_octets_in_a_file_are_ignored_with_one_warning(octets: bytes, before: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        make = Make(directory)
        fail(make, RULES, "alice", CLIENT, 0, 1)
        (path,) = files(pathlib.Path(directory))
        lines = path.read_bytes()
        path.write_bytes(octets + b"\n" + lines if before else lines + octets + b"\n")
        one = make(RULES)
        locked = one.locked_for("alice", CLIENT, NOW + 1)
        one.failed("alice", CLIENT, NOW + 2)
        assert one.locked_for("alice", CLIENT, NOW + 2) > 0
    assert len(make.warnings) <= 1
    if not any(line.replace(b".", b"").isdigit() for line in octets.split(b"\n")):  # else it may be a failure
        assert not locked
        assert make.warnings == [NOT_A_FAILURE]


def test_lines_that_are_not_a_time_are_ignored_with_one_warning(tmp_path: pathlib.Path, lockout: Make) -> None:
    lines = [b"nan", b"inf", b"-1.0", b"1e5", b"1_0.0", b" 17000000.0", b"", b"1700000000", b"\xff", b"0x10", b"1.0\r"]
    fail(lockout, RULES, "alice", CLIENT, 0, 1)
    (path,) = files(tmp_path)
    failures = path.read_bytes()
    found = {}
    for line in lines:
        path.write_bytes(failures + (line + b"\n") * 10)
        one = lockout(RULES)
        found[line] = [one.locked_for("alice", CLIENT, NOW + 1) for _ in range(2)], one.warnings
    assert found == dict.fromkeys(lines, ([0, 0], [NOT_A_FAILURE]))


def test_unfinished_line_is_not_reported(tmp_path: pathlib.Path, lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0, 1)
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes() + b"17000")
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 1) == 0
    assert not lockout.warnings


def test_file_neither_grows_nor_is_read_without_limit(tmp_path: pathlib.Path, lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0)
    (path,) = files(tmp_path)
    path.write_bytes(b"%r\n" % (NOW - 20000) * 50000)
    fail(lockout, RULES, "alice", CLIENT, 1, 2, 3)
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 3) == 900
    path.write_bytes(b"garbage\n" * 1000000)
    fail(lockout, RULES, "alice", CLIENT, 10, 11, 12)
    assert path.stat().st_size < 1000
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 12) == 900
    assert not lockout.warnings


def make_odd(path: pathlib.Path, what: str) -> None:
    path.unlink()
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(str(path))
    elif what == "link":
        path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("what", ["directory", "pipe", "link"])
def test_file_of_another_type_means_one_warning_and_no_count(tmp_path: pathlib.Path, lockout: Make, what: str) -> None:
    passwd = pathlib.Path("/etc/passwd").read_bytes()
    fail(lockout, BY_BOTH, "alice", CLIENT, 0)
    (user,) = [path for path in files(tmp_path) if path.name.startswith("user-")]
    make_odd(user, what)
    one = lockout(BY_BOTH)
    for second in range(1, 3):
        one.failed("alice", CLIENT, NOW + second)
    assert one.locked_for("alice", "", NOW + 2) == 0
    assert one.locked_for("alice", CLIENT, NOW + 2) == 900  # from the file of the client
    one.succeeded("alice")
    assert len(one.warnings) == 1 and one.warnings[0].startswith("Lockout cannot count failed logins: ")
    assert pathlib.Path("/etc/passwd").read_bytes() == passwd


@pytest.mark.parametrize("obstacle", ["no state directory", "file for it", "file for ours"])
def test_unusable_directory_means_one_warning_and_no_lockout(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    elif obstacle == "file for ours":
        state.mkdir()
        (state / DIRECTORY).write_text("")
    one = Lockout(None if obstacle == "no state directory" else str(state), BY_BOTH)
    for second in range(5):
        one.failed("alice", CLIENT, NOW + second)
        assert one.locked_for("alice", CLIENT, NOW + second) == 0
    one.succeeded("alice")
    assert len(one.warnings) == (0 if obstacle == "no state directory" else 1)
    assert all(text.startswith("Lockout cannot count failed logins: ") for text in one.warnings)


def test_foreign_files_are_kept(tmp_path: pathlib.Path, lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0)
    (tmp_path / DIRECTORY / "README").write_text("")
    fail(lockout, RULES, "alice", CLIENT, 100000)
    lockout(RULES).succeeded("alice")
    assert [path.name for path in files(tmp_path)] == ["README"]
    assert not lockout.warnings
