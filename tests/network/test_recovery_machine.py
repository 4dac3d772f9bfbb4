"""A state machine for recovery codes: no order of logins, clock jumps and damage makes one good twice."""

import contextlib
import hashlib
import os
import pathlib
import tempfile
import time
from collections import Counter
from typing import List, Optional, Sequence, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lib.authenticator import Authenticator
from lib.config.model import Settings
from lib.login.state import Accept, Ask, Deny, HookCall
from lib.recovery_code import RecoveryHash
from lib.session import Session, SessionRecord
from lib.state.directory import StateDirectories
from lib.state.recovery_codes import DIRECTORY
from tests.support.configuration import valid
from tests.support.faults import DIRECTORY_DAMAGE, FILE_DAMAGE, full_disk, remove
from tests.support.logins import Finished, Logins
from tests.support.machines import run_and_reach
from tests.support.processes import FORK, forked_together, join

TEXTS = [16 * character for character in "2345ABCD"]
WRONG = "WRNGWRNGWRNGWRNG"
HASHES = [
    RecoveryHash(1, bytes([number] * 8), hashlib.pbkdf2_hmac("sha256", text.encode("ascii"), bytes([number] * 8), 1))
    for number, text in enumerate(TEXTS)
]
CODES = st.sampled_from(range(len(TEXTS)))
NAMES = [each.name for each in HASHES]
NOT_SYNCHRONIZED = "disk does not synchronize"
LOSSES = ["disk full", NOT_SYNCHRONIZED, *sorted(DIRECTORY_DAMAGE)]
REFUSED = {"recovery-not-recorded", "asked again", "too-many-attempts", "locked"}
REACHED = Counter()  # type: Counter[str]
SESSION = Session("alice", "alice", gateway_user="alice", client_ip="198.51.100.7")
MAX_FAILURES, MAX_CHALLENGES = 4, 1
WINDOW = 100000  # seconds: more than passes in the machine, without its jumps


def configured() -> Settings:
    return valid(
        "[radius]\nserver=255.255.255.255\nsecret=a long secret for nobody\n"
        f"[auth]\nmax_attempts=3\nmax_challenges={MAX_CHALLENGES}\n"
        f"[lockout]\nmax_failures={MAX_FAILURES}\nwindow={WINDOW}\nduration={WINDOW}\n"
        "[recovery_codes]\n" + "".join(f"alice = {each}\n" for each in HASHES)
    )


class Recovering(RuleBasedStateMachine):
    """Logins of one user, to whom no server responds, with right and wrong codes.

    `_good` are the codes that admit the user; no other may.
    """

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self._directory = pathlib.Path(self._temporary.name, DIRECTORY)
        self._aside: Optional[pathlib.Path] = None
        self._disk = contextlib.ExitStack()
        self._disk_fault = ""
        self._logins = Logins(self._temporary.name)
        self._settings = configured()
        self._open: List[Tuple[SessionRecord, str]] = []
        self._good = set(range(len(TEXTS)))
        self._wrong = 0
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

    @rule(count=st.sampled_from((1, 4)))
    def log_in(self, count: int) -> None:
        for _ in range(count):
            self._logins.start(self._settings, SESSION, SessionRecord(0.0), {"otp": "123456"})
        finished = self._logins.wait()
        assert not [each for each in finished if isinstance(each.action, Accept)]
        self._keep(finished)

    @rule(
        code=CODES,
        spelled=st.sampled_from(("{}", " {}-", "lower")),
        count=st.sampled_from((1, 2, 4)),
        by_processes=st.sampled_from((False, False, False, True)),
    )
    def give_code(self, code: int, spelled: str, count: int, by_processes: bool) -> None:
        if len(self._open) < count:
            self.log_in(count)
        text = TEXTS[code].lower() if spelled == "lower" else spelled.format(TEXTS[code])
        is_good = code in self._good and self.can_record
        finished = self._answer(text, count, by_processes)
        codes = [_code(each) for each in finished]
        accepted = [each for each in finished if isinstance(each.action, Accept)]
        assert len(accepted) <= int(is_good)
        for each in accepted:
            assert each.action == Accept(by_recovery_code=True) and each.record.recovered
            assert (self._directory / NAMES[code]).is_file() and not self._directory.is_symlink()
            self._good.discard(code)
            self._wrong = 0
        if is_good and not accepted:
            assert set(codes) <= {"locked"}, "refused, although it was not used"
        if self._disk_fault == NOT_SYNCHRONIZED and not set(codes) <= {"locked"}:
            self._good.discard(code)  # the disk may have it
        assert self.can_record or self._disk_fault == NOT_SYNCHRONIZED or set(codes) <= REFUSED, codes
        REACHED["accepted"] += len(accepted)
        REACHED["one of several accepted"] += len(finished) > 1 and len(accepted)
        REACHED["used"] += code not in self._good and not accepted and "asked again" in codes
        REACHED["not recorded"] += "recovery-not-recorded" in codes
        REACHED["locked"] += "locked" in codes

    @rule(count=st.sampled_from((1, 3)))
    def guess(self, count: int) -> None:
        codes = [_code(each) for each in self._answer(WRONG, count, False)]
        assert set(codes) <= {"locked", "asked again", "too-many-attempts"}
        self._wrong += sum(each != "locked" for each in codes)

    @rule(seconds=st.sampled_from((-1e9, -300000.0, -3000.0, -0.5, 300000.0, 1e9)))
    def set_clock(self, seconds: float) -> None:
        self._offset = max(self._offset + seconds, -self._real_time())
        self._wrong *= seconds < 0

    @precondition(lambda self: self.can_record)
    @rule(
        code=CODES,
        how=st.sampled_from(["lost", *sorted(FILE_DAMAGE)]),
        even_unused=st.sampled_from((False, False, True)),
    )
    def damage(self, code: int, how: str, even_unused: bool) -> None:
        path = self._directory / NAMES[code]
        if how == "lost" and os.path.lexists(str(path)):
            remove(path)
            self._good.add(code)
        elif how != "lost" and (even_unused or code not in self._good):
            self._directory.mkdir(exist_ok=True)
            path.touch()
            FILE_DAMAGE[how](path)
            self._good.discard(code)
            REACHED["damaged"] += 1

    @precondition(lambda self: self.can_record)
    @rule(how=st.sampled_from(LOSSES))
    def stop_recording(self, how: str) -> None:
        if how in DIRECTORY_DAMAGE:
            self._directory.mkdir(exist_ok=True)
            self._aside = self._directory.with_name("aside")
            self._directory.rename(self._aside)
            DIRECTORY_DAMAGE[how](self._directory)
        else:
            self._disk_fault = how
            self._disk.enter_context(full_disk(synchronize_only=how == NOT_SYNCHRONIZED))
        REACHED["cannot be recorded"] += 1

    @precondition(lambda self: not self.can_record)
    @rule()
    def repair(self) -> None:
        self._disk.close()
        self._disk_fault = ""
        if self._aside is not None:
            remove(self._directory)
            self._aside.rename(self._directory)
            self._aside = None
        self._wrong = 0

    @property
    def can_record(self) -> bool:
        """Whether the use of a code can be recorded."""
        return self._aside is None and not self._disk_fault

    def _answer(self, text: str, count: int, by_processes: bool) -> List[Finished]:
        """Give the same answer in several logins at the same time."""
        given = [self._open.pop() for _ in range(min(count, len(self._open)))]
        if by_processes:
            finished = self._by_processes(given, text)
        else:
            for record, key in given:
                self._logins.start(self._settings, SESSION, record, {"otp": "123456", key: text})
            finished = self._logins.wait()
        self._keep(finished)
        return finished

    def _by_processes(self, given: Sequence[Tuple[SessionRecord, str]], text: str) -> List[Finished]:
        outcomes = FORK.SimpleQueue()

        def run(number: int) -> None:
            record, key = given[number]
            call = HookCall(SESSION.username, SESSION.gateway_user, {"otp": "123456", key: text}, can_ask=True)
            directories = StateDirectories(self._temporary.name, None)
            outcomes.put(Authenticator(self._settings, SESSION, "sps", directories).run(record, call))

        processes = forked_together(len(given), run) if given else []
        found = [outcomes.get() for _ in processes]
        join(processes)
        return [Finished(SESSION, record, action, []) for record, action in found]

    def _keep(self, finished: List[Finished]) -> None:
        self._open += [(each.record, each.action.key) for each in finished if isinstance(each.action, Ask)]

    @invariant()
    def wrong_codes_lock_the_user(self) -> None:
        assert self._disk_fault or self._wrong < 3 * (MAX_FAILURES + MAX_CHALLENGES)


def _code(finished: Finished) -> str:
    if isinstance(finished.action, Deny):
        return finished.action.code
    return "accepted" if isinstance(finished.action, Accept) else "asked again"


def test_no_code_is_good_twice_or_without_a_record() -> None:
    run_and_reach(
        Recovering,
        {"accepted", "one of several accepted", "used", "not recorded", "locked", "damaged"},
        REACHED,
        max_examples=20,
        stateful_step_count=40,
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )


@pytest.mark.parametrize("how", [*sorted(FILE_DAMAGE), *LOSSES])
def test_each_damage_while_recovering(how: str) -> None:
    machine = Recovering()
    try:
        for code in range(2):
            for by_processes in (False, True):
                machine.log_in(4)
                machine.give_code(code, "{}", 4, by_processes)
                if how in FILE_DAMAGE:
                    machine.damage(code, how, even_unused=True)
                elif machine.can_record:
                    machine.stop_recording(how)
                else:
                    machine.repair()
                machine.set_clock(300000.0)
        for code in range(3):
            machine.log_in(1)
            machine.give_code(code, "{}", 1, False)
    finally:
        machine.teardown()
