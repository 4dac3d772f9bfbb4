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
from lib.login.username import account_name
from lib.state.lockout import DIRECTORY, Lockout, Login, locked_until, new_attempt

NOW = 1700000000.25
RULES = LockoutRules(max_failures=3, window=600, duration=900, by_user=True, by_client=False)
BY_CLIENT = RULES._replace(by_user=False, by_client=True)
BY_BOTH = RULES._replace(by_client=True)
CLIENT = "198.51.100.7"


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
        ((1, 2, 200), 100): 1000,  # from the future, and counted as of now
        ((1, 700), 100): 0,
        ((1, 2, 3, 4), 3.5): 903,
        ((7, 7, 7), 7): 907,
    }
    assert {case: locked_until(*case, RULES) for case in ends} == ends


def test_zero_failures_mean_no_lockout() -> None:
    assert locked_until([1, 2, 3] * 100, 3, LockoutRules()) == 0
    assert locked_until([1], 1, RULES._replace(max_failures=1)) == 901


def replayed(failures: List[float], now: float, rules: LockoutRules) -> float:
    """Return what `locked_until` should: find the first lock, drop all failures before its end, and start over."""
    left = sorted(min(moment, now) for moment in failures)
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


def login(user: str, client: str = CLIENT) -> Login:
    return Login(account_name(user), user, client)


class One:
    """A lockout of one process, and a login without a running attempt."""

    def __init__(self, lockout: Lockout) -> None:
        self.lockout = lockout

    def locked_for(self, user: str, client: str, now: float, attempt: str = "") -> float:
        return self.lockout.locked_for(login(user, client), attempt, now)

    def failed(self, user: str, client: str, now: float, attempt: str = "") -> None:
        self.lockout.failed(login(user, client), attempt or new_attempt(), now)

    def begin(self, user: str, client: str, now: float, attempt: str = "") -> float:
        return self.lockout.begin(login(user, client), attempt or new_attempt(), now)

    def succeeded(self, user: str, attempt: str = "") -> None:
        self.lockout.succeeded(login(user), attempt or new_attempt())

    @property
    def warnings(self) -> List[str]:
        return self.lockout.warnings


class Make:
    """Makes a lockout with the given rules, as each new process does; `warnings` has those of all."""

    def __init__(self, state_directory: Optional[str]) -> None:
        self._state_directory = state_directory
        self._made: List[Lockout] = []

    def __call__(self, rules: LockoutRules) -> One:
        self._made.append(Lockout(self._state_directory, rules))
        return One(self._made[-1])

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
    assert [path.name.split("-")[0] for path in files(tmp_path)] == ["client"] * 3
    fail(lockout, BY_BOTH, "alice", CLIENT, 2)
    assert lockout(BY_BOTH).locked_for("alice", "", NOW + 2) == 0
    assert lockout(BY_BOTH).locked_for("alice", CLIENT, NOW + 2) == 900
    lockout(BY_CLIENT).succeeded("alice")
    lockout(RULES).succeeded("bob")
    assert len(files(tmp_path)) == 5


def test_success_in_one_realm_does_not_clear_the_failures_of_another(lockout: Make) -> None:
    fail(lockout, RULES, "alice@corp", CLIENT, 0, 1)
    fail(lockout, RULES, "alice@partner", CLIENT, 2)
    assert lockout(RULES).locked_for("alice@partner", "", NOW + 2) == 900
    lockout(RULES).succeeded("alice@partner")
    assert lockout(RULES).locked_for("alice@partner", "", NOW + 2) == 0
    fail(lockout, RULES, "CORP\\alice", CLIENT, 3)
    for name in ("alice", "alice@partner", "alice@corp", "ALICE@other"):
        assert lockout(RULES).locked_for(name, "", NOW + 3) == 900
    lockout(RULES).succeeded("ＡLICE@córp")
    assert lockout(RULES).locked_for("alice", "", NOW + 3) == 0


def test_no_spelling_of_a_name_has_a_counter_of_its_own(lockout: Make) -> None:
    names = (
        "álice",
        "ａlice",
        "a\u034flice",
        "alice\ufe0f",
        "alice@x@y",
        "corp\\alice@x",
        "CORP＼ALICE",
        "alice＠corp",
    )
    for name in names:
        fail(lockout, RULES, name, CLIENT, *range(3))
        assert (name, lockout(RULES).locked_for("alice", "", NOW + 2)) == (name, 900)
        lockout(RULES).succeeded(name)


def test_no_address_of_a_client_has_a_counter_of_its_own(lockout: Make) -> None:
    # The addresses of a client, and one of another
    for addresses, other in (
        (("2001:db8:0:1::1", "2001:DB8:0:1:ffff::2", "2001:db8::1:0:0:0:3"), "2001:db8:0:2::1"),
        (("192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"), "192.0.2.2"),
        (("fe80::1%eth0", "fe80::2%eth1", "fe80::3"), "fe80:0:0:1::1"),
        (("bastion", "bastion", "bastion"), "bastion2"),
    ):
        for second, address in enumerate(addresses):
            fail(lockout, BY_CLIENT, "alice", address, second)
        locked = {address: lockout(BY_CLIENT).locked_for("bob", address, NOW + 2) for address in addresses + (other,)}
        assert locked == {**dict.fromkeys(addresses, 900), other: 0}


# Attempts


def test_failures_of_the_running_attempt_lock_all_others_but_not_itself(lockout: Make) -> None:
    assert lockout(BY_BOTH).begin("alice", CLIENT, NOW, "a" * 16) == 0
    for second in range(8):
        assert lockout(BY_BOTH).locked_for("alice", CLIENT, NOW + second, "a" * 16) == 0
        lockout(BY_BOTH).failed("alice", CLIENT, NOW + second, "a" * 16)
    assert lockout(BY_BOTH).locked_for("alice", CLIENT, NOW + 7, "a" * 16) == 0
    for user, client in (("alice", "192.0.2.1"), ("bob", CLIENT)):
        assert lockout(BY_BOTH).locked_for(user, client, NOW + 7, "b" * 16) == 895
        assert lockout(BY_BOTH).begin(user, client, NOW + 7, "c" * 16) == 895
        assert lockout(BY_BOTH).locked_for(user, client, NOW + 7) == 895


def test_success_takes_back_what_its_attempt_counted_for_the_client(lockout: Make, tmp_path: pathlib.Path) -> None:
    lockout(BY_BOTH).begin("alice", CLIENT, NOW, "a" * 16)
    for second in range(5):
        lockout(BY_BOTH).failed("alice", CLIENT, NOW + second, "a" * 16)
    lockout(BY_BOTH).succeeded("alice", "a" * 16)
    assert files(tmp_path) == []


def test_success_without_an_attempt_clears_nobody_else(lockout: Make, tmp_path: pathlib.Path) -> None:
    fail(lockout, BY_BOTH, "bob", CLIENT, 0)
    lockout(BY_BOTH).lockout.succeeded(login("alice"), "")
    lockout(BY_BOTH).lockout.withdraw("")
    assert len(files(tmp_path)) == 2


def test_attempts_left_unfinished_lock_the_next_one(lockout: Make, tmp_path: pathlib.Path) -> None:
    rules = RULES._replace(max_challenges=2)
    for second in range(5):
        assert lockout(rules).begin("alice", CLIENT, NOW + second, f"{second:016x}") == 0
    assert lockout(rules).begin("alice@corp", "192.0.2.1", NOW + 5) == 899
    assert len(files(tmp_path)) == 5  # the locked one began nothing
    assert lockout(rules).locked_for("alice", CLIENT, NOW + 5) == 899
    assert lockout(rules).locked_for("alice", CLIENT, NOW + 5, f"{3:016x}") == 0  # one that has begun may go on
    assert lockout(rules).begin("bob", CLIENT, NOW + 5) == 0
    lockout(rules).lockout.withdraw(f"{3:016x}")
    assert lockout(rules).begin("alice", CLIENT, NOW + 5) == 0


def test_failed_attempt_counts_once(lockout: Make) -> None:
    rules = RULES._replace(max_challenges=1)
    for attempt in ("a", "b"):
        lockout(rules).begin("alice", CLIENT, NOW, attempt * 16)
        lockout(rules).failed("alice", CLIENT, NOW, attempt * 16)
    assert lockout(rules).begin("alice", CLIENT, NOW) == 0
    assert lockout(rules).begin("alice", CLIENT, NOW) == 0  # the fourth
    assert lockout(rules).begin("alice", CLIENT, NOW) == 900


def test_withdrawn_attempt_keeps_its_failures(lockout: Make, tmp_path: pathlib.Path) -> None:
    lockout(RULES).begin("alice", CLIENT, NOW, "a" * 16)
    lockout(RULES).failed("alice", CLIENT, NOW, "a" * 16)
    lockout(RULES).lockout.withdraw("a" * 16)
    (path,) = files(tmp_path)
    assert "-failed-" in path.name


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


def test_a_clock_set_back_does_not_unlock(lockout: Make, tmp_path: pathlib.Path) -> None:
    for days in (0.001, 1, 400, 19000):
        fail(lockout, RULES, "alice", CLIENT, 0, 1, 2)
        now = NOW - 86400 * days
        assert lockout(RULES).locked_for("alice", CLIENT, now) == 900
        assert lockout(RULES).begin("alice", CLIENT, now) == 900
        assert lockout(RULES).locked_for("alice", CLIENT, NOW + 2) == 900  # nor does a clock that is right again
        lockout(RULES).succeeded("alice")
        assert files(tmp_path) == []


def test_a_clock_set_back_does_not_lock_forever(lockout: Make, tmp_path: pathlib.Path) -> None:
    longest = RULES.window + RULES.duration
    for forward in (1, 599, 601, longest + 599, 2 * longest + 599, 86400 * 400):
        fail(lockout, RULES, "alice", CLIENT, forward, forward, forward)
        assert lockout(RULES).locked_for("alice", CLIENT, NOW) == 900
        for later in (longest + 1, 2 * longest):
            lockout(RULES).begin("bob", CLIENT, NOW + later)
        assert lockout(RULES).locked_for("alice", CLIENT, NOW + 2 * longest) == 0
        lockout(RULES).succeeded("alice")
        lockout(RULES).succeeded("bob")
        assert files(tmp_path) == []


def test_next_attempt_removes_old_files(lockout: Make, tmp_path: pathlib.Path) -> None:
    for second, name in enumerate(("alice", "bob", "carol")):
        fail(lockout, RULES, name, CLIENT, second)
    assert len(files(tmp_path)) == 3
    lockout(RULES).begin("dave", CLIENT, NOW + RULES.window + RULES.duration)
    assert len(files(tmp_path)) == 4
    lockout(RULES).begin("erin", CLIENT, NOW + RULES.window + RULES.duration + 1.5)
    assert len(files(tmp_path)) == 3


def test_files_are_private_and_hold_no_names(lockout: Make, tmp_path: pathlib.Path) -> None:
    for name in ("../../alice", "a/b", "ü" * 300, "\udcff", "\0"):
        fail(lockout, BY_BOTH, name, CLIENT, 0)
    assert [path.name for path in tmp_path.iterdir()] == [DIRECTORY]
    assert stat.S_IMODE((tmp_path / DIRECTORY).stat().st_mode) == 0o700
    assert len(files(tmp_path)) == 10
    for path in files(tmp_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "alice" not in path.name and CLIENT not in path.name
        assert f"-{NOW:.6f}-" in path.name and path.read_bytes() == b""


# Damaged files


@given(octets=st.binary(max_size=200))
def test_content_of_a_file_makes_no_difference(octets: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        make = Make(directory)
        fail(make, RULES, "alice", CLIENT, 0, 1)
        for path in files(pathlib.Path(directory)):
            path.write_bytes(octets)
        assert make(RULES).locked_for("alice", CLIENT, NOW + 1) == 0
        fail(make, RULES, "alice", CLIENT, 2)
        assert make(RULES).locked_for("alice", CLIENT, NOW + 2) == 900
        make(RULES).succeeded("alice")
        assert files(pathlib.Path(directory)) == [] and make.warnings == []


def test_names_that_are_not_of_a_failure_are_ignored(tmp_path: pathlib.Path, lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0, 1)
    name = files(tmp_path)[0].name
    moment = f"{NOW:.6f}"
    for other in ("nan", "-1.0", "1e5", " 1700000000.000000", "1700000000", "17000000000000.000000", moment + "\n"):
        (tmp_path / DIRECTORY / name.replace(moment, other)).write_text("")
    (tmp_path / DIRECTORY / name.replace("failed", "other")).write_text("")
    (tmp_path / DIRECTORY / name.upper()).write_text("")
    assert lockout(RULES).locked_for("alice", CLIENT, NOW + 1) == 0
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
def test_file_of_another_type_does_not_unlock(tmp_path: pathlib.Path, lockout: Make, what: str) -> None:
    passwd = pathlib.Path("/etc/passwd").read_bytes()
    fail(lockout, BY_BOTH, "alice", CLIENT, 0)
    for path in files(tmp_path):
        make_odd(path, what)
    one = lockout(BY_BOTH)
    for second in range(1, 3):
        one.failed("alice", CLIENT, NOW + second)
    assert one.locked_for("alice", "", NOW + 2) == one.locked_for("bob", CLIENT, NOW + 2) == 900
    assert one.warnings == []
    one.succeeded("alice")
    assert len(one.warnings) == (what == "directory")  # which stays, and counts
    assert all(warning.startswith("Lockout cannot count failed logins: ") for warning in one.warnings)
    assert pathlib.Path("/etc/passwd").read_bytes() == passwd


@pytest.mark.parametrize("obstacle", ["no state directory", "file for it", "file for ours"])
def test_unusable_directory_means_one_warning_and_no_lockout(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    elif obstacle == "file for ours":
        state.mkdir()
        (state / DIRECTORY).write_text("")
    one = One(Lockout(None if obstacle == "no state directory" else str(state), BY_BOTH))
    for second in range(5):
        one.failed("alice", CLIENT, NOW + second)
        assert one.begin("alice", CLIENT, NOW + second) == one.locked_for("alice", CLIENT, NOW + second) == 0
    one.succeeded("alice")
    assert len(one.warnings) == (0 if obstacle == "no state directory" else 1)
    assert all(text.startswith("Lockout cannot count failed logins: ") for text in one.warnings)


def test_foreign_files_are_kept(tmp_path: pathlib.Path, lockout: Make) -> None:
    fail(lockout, RULES, "alice", CLIENT, 0)
    (tmp_path / DIRECTORY / "README").write_text("")
    lockout(RULES).begin("alice", CLIENT, NOW + 100000)
    lockout(RULES).succeeded("alice")
    assert [path.name for path in files(tmp_path)] == ["README"]
    assert not lockout.warnings
