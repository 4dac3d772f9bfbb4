"""A state machine that guesses: no order of logins, answers, clock jumps and damage gets more guesses to the server."""

import contextlib
import pathlib
import re
import tempfile
import time
from collections import Counter
from typing import List, Optional, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lib.login.state import Ask, Deny
from lib.session import Session, SessionRecord
from lib.state.lockout import DIRECTORY
from tests.support.configuration import valid
from tests.support.faults import DIRECTORY_DAMAGE, FILE_DAMAGE, full_disk, remove
from tests.support.logins import Finished, Logins
from tests.support.machines import run_and_reach
from tests.support.misbehaving import CHALLENGE, REJECT, SECRET

NAMES = ("alice", "ALICE", "álice", "ａlice", "CORP\\alice", "alice@corp", "alice@one@two")
CLIENTS = ("192.0.2.1", "2001:db8::1", "198.51.100.7")
STEPS = 60
WINDOW = 6000  # seconds; the rules have twice as many, since the machine itself takes time, too
LIMITS = "conn_timeout=60\nconn_retries=1\nretransmit_after=0\nstatus_check=none\n"
CANNOT_COUNT = "Lockout cannot count failed logins: "
NO_ANSWER = 0
CODES = (NO_ANSWER, REJECT, CHALLENGE)
LOSSES = ["clock set forward", "disk full", "file lost", *sorted(DIRECTORY_DAMAGE)]
REACHED = Counter()  # type: Counter[str]


class Guessing(RuleBasedStateMachine):
    """One who knows the name and not the code; the server rejects each code, or sends another challenge.

    Several logins may wait for the server at the same time. The clock may be set back. All that passes between is less
    than a window: after that, and after a jump forward or the loss of a file, the count starts over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self._directory = pathlib.Path(self._temporary.name, DIRECTORY)
        self._logins = Logins(self._temporary.name)
        self._open: List[Tuple[Session, SessionRecord, str]] = []
        self._aside: Optional[pathlib.Path] = None
        self._disk = contextlib.ExitStack()
        self._is_full = False
        self._offset = 0.0
        self._real_time = time.time
        time.time = lambda: self._real_time() + self._offset

    def teardown(self) -> None:
        self._disk.close()
        self._logins.close()
        time.time = self._real_time
        if self._aside is not None:
            remove(self._directory)
        self._temporary.cleanup()

    @initialize(
        max_failures=st.integers(1, 4), max_challenges=st.sampled_from((0, 1, 5)), max_attempts=st.integers(1, 4)
    )
    def configure(self, max_failures: int, max_challenges: int, max_attempts: int) -> None:
        self._most = 3 * (max_failures + max_challenges)
        rest = (
            f"secret={SECRET.decode('ascii')}\n{LIMITS}"
            f"[auth]\nmax_challenges={max_challenges}\nmax_attempts={max_attempts}\n"
            f"[lockout]\nmax_failures={max_failures}\nwindow={2 * WINDOW}\nduration={2 * WINDOW}\n"
        )
        self._settings = valid(f"[radius]\nserver=127.0.0.1\nport={self._logins.port}\n{rest}")
        self._without_server = valid(f"[radius]\nserver=255.255.255.255\n{rest}")
        self._start_over()

    @rule(
        name=st.sampled_from(NAMES),
        client=st.sampled_from(CLIENTS),
        count=st.sampled_from((1, 1, 3, 8)),
        code=st.sampled_from(CODES),
    )
    def log_in(self, name: str, client: str, count: int, code: int) -> None:
        session = Session(name, name, client_ip=client)
        for _ in range(count):
            self._logins.start(self._settings, session, SessionRecord(0.0), {"otp": "guess"})
        self.answer(code)

    @rule(login=st.integers(0, 9), count=st.sampled_from((1, 3, 8)), code=st.sampled_from(CODES))
    def guess(self, login: int, count: int, code: int) -> None:
        for _ in range(min(count, len(self._open))):
            session, record, key = self._open.pop(login % len(self._open))
            REACHED["challenge answered"] += record.login.origin is not None
            self._logins.start(self._settings, session, record, {"otp": "guess", key: "another guess"})
        self.answer(code)

    @rule(name=st.sampled_from(NAMES), client=st.sampled_from(CLIENTS), code=st.sampled_from(CODES))
    def attack(self, name: str, client: str, code: int) -> None:
        self.log_in(name, client, 8, CHALLENGE)
        self.guess(0, 8, code)

    @rule(code=st.sampled_from(CODES))
    def answer(self, code: int) -> None:
        self._take(self._logins.wait())
        REACHED["many wait"] += len(self._logins.waiting) > 2
        while self._logins.waiting and code != NO_ANSWER:
            self._take(self._logins.answer(0, code))

    @rule(name=st.sampled_from(NAMES))
    def log_in_without_a_server(self, name: str) -> None:
        before = self._logins.requests
        self._logins.start(self._without_server, Session(name, name), SessionRecord(0.0), {"otp": "guess"})
        (finished,) = self._logins.wait()
        assert isinstance(finished.action, Deny) and self._logins.requests == before
        if finished.action.code != "locked":
            assert self.is_usable or CANNOT_COUNT in "".join(finished.warnings)
            REACHED["no server"] += 1

    @rule(seconds=st.sampled_from((0.5, 7000.0, 13000.0, 30000.0, 1e7)))
    def set_clock_back(self, seconds: float) -> None:
        self._offset -= seconds

    @rule(seconds=st.floats(0, WINDOW / STEPS))
    def let_time_pass(self, seconds: float) -> None:
        self._offset += seconds

    @rule(how=st.sampled_from(sorted(FILE_DAMAGE)), number=st.integers(0, 99), octets=st.binary(max_size=20))
    def damage(self, how: str, number: int, octets: bytes) -> None:
        paths = [path for path in self._paths() if re.search("-[0-9a-f]{16}$", path.name)]
        if paths:
            path = paths[number % len(paths)]
            FILE_DAMAGE[how](path)
            path.with_name(f"{path.name}{number}").write_bytes(octets)

    @precondition(lambda self: self.is_usable)
    @rule(how=st.sampled_from(LOSSES), number=st.integers(0, 99))
    def lose_count(self, how: str, number: int) -> None:
        if how == "clock set forward":
            self._offset += 25000.0
        elif how == "disk full":
            self._disk.enter_context(full_disk())
            self._is_full = True
        elif how == "file lost":
            for path in self._paths()[number:][:1]:
                remove(path)
        else:
            self._directory.mkdir(exist_ok=True)
            self._aside = self._directory.with_name("aside")
            self._directory.rename(self._aside)
            DIRECTORY_DAMAGE[how](self._directory)
        self._start_over()

    @precondition(lambda self: not self.is_usable)
    @rule()
    def repair(self) -> None:
        self._disk.close()
        self._is_full = False
        if self._aside is not None:
            remove(self._directory)
            self._aside.rename(self._directory)
            self._aside = None
        self._start_over()

    @property
    def is_usable(self) -> bool:
        """Whether failures can be counted."""
        return self._aside is None and not self._is_full

    def _paths(self) -> List[pathlib.Path]:
        return sorted(self._directory.iterdir()) if self._aside is None and self._directory.is_dir() else []

    def _start_over(self) -> None:
        """Count from zero; the logins in progress go on."""
        self._counted_from = self._logins.requests
        self._allowed = self._most + len(self._open) + len(self._logins.waiting)

    def _take(self, finished: List[Finished]) -> None:
        for each in finished:
            if isinstance(each.action, Ask):
                self._open.append((each.session, each.record, each.action.key))
            else:
                assert isinstance(each.action, Deny)
                REACHED[each.action.code] += 1

    @invariant()
    def no_more_requests_than_the_rules_allow_reach_the_server(self) -> None:
        if hasattr(self, "_allowed") and self.is_usable:
            sent = self._logins.requests - self._counted_from
            assert sent < self._allowed
            REACHED["half of what is allowed"] += 2 * sent > self._most


@pytest.mark.slow
def test_guesses_that_reach_the_server_are_bounded() -> None:
    expected = {"many wait", "challenge answered", "no server", "locked", "half of what is allowed"}
    run_and_reach(Guessing, expected, REACHED, max_examples=25, stateful_step_count=STEPS)


@pytest.mark.parametrize("last", [REJECT, CHALLENGE])
@pytest.mark.parametrize("max_challenges", [0, 1, 5])
@pytest.mark.parametrize("max_failures", [1, 4])
def test_an_attack_that_goes_on(max_failures: int, max_challenges: int, last: int) -> None:
    machine = Guessing()
    try:
        machine.configure(max_failures, max_challenges, max_attempts=3)
        for _ in range(3):
            machine.log_in("alice", CLIENTS[0], 8, CHALLENGE)
            for code in (max_challenges - 1) * [CHALLENGE] + 2 * [last]:
                machine.guess(0, 8, code)
                machine.no_more_requests_than_the_rules_allow_reach_the_server()
    finally:
        machine.teardown()


@pytest.mark.parametrize("how", [*sorted(FILE_DAMAGE), *LOSSES])
def test_each_damage_while_guessing(how: str) -> None:
    machine = Guessing()
    try:
        machine.configure(max_failures=3, max_challenges=1, max_attempts=3)
        for round_ in range(6):
            machine.attack("alice", CLIENTS[0], REJECT)
            if how in FILE_DAMAGE:
                for number in range(30):
                    machine.damage(how, number, b"x")
            elif round_ % 2 == 0:
                machine.lose_count(how, 0)
                machine.log_in_without_a_server("alice")
            elif not machine.is_usable:
                machine.repair()
            machine.no_more_requests_than_the_rules_allow_reach_the_server()
    finally:
        machine.teardown()
