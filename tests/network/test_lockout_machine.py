"""A state machine that guesses: no order of logins, answers, clock jumps and damage gets more guesses to the server."""

import pathlib
import tempfile
import time
from typing import Any, Dict, List

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lib.authenticator import Authenticator
from lib.login.state import Ask, Deny, HookCall
from lib.session import Session, SessionRecord
from lib.state.directory import StateDirectories
from lib.state.lockout import DIRECTORY
from tests.support.configuration import valid
from tests.support.misbehaving import CHALLENGE, REJECT, SECRET, STATE, Request, Server, reply

NAMES = ("alice", "ALICE", "álice", "ａlice", "CORP\\alice", "alice@corp", "alice@one@two")
CLIENTS = ("192.0.2.1", "2001:db8::1", "198.51.100.7")
STEPS = 60
WINDOW = 6000  # seconds; the rules have twice as many, since the machine itself takes time, too


class Guessing(RuleBasedStateMachine):
    """One who knows the name and not the code; the server rejects each code, or sends another challenge.

    The clock may be set back. All that passes between is less than a window: after that, more may be sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._codes: Dict[bytes, int] = {}
        self._next_code = REJECT
        self._server = Server(self._answer)
        self._server.__enter__()
        self._directory = tempfile.TemporaryDirectory()
        self._open: List[Any] = []
        self._offset = 0.0
        self._real_time = time.time
        time.time = lambda: self._real_time() + self._offset

    def teardown(self) -> None:
        time.time = self._real_time
        self._server.__exit__(None, None, None)
        self._directory.cleanup()

    def _answer(self, request: Request) -> List[bytes]:
        code = self._codes.setdefault(request.authenticator, self._next_code)
        return [reply(request, SECRET, code, [(STATE, b"state")] if code == CHALLENGE else [])]

    @initialize(
        max_failures=st.integers(1, 4), max_challenges=st.sampled_from((0, 1, 5)), max_attempts=st.integers(1, 4)
    )
    def configure(self, max_failures: int, max_challenges: int, max_attempts: int) -> None:
        self._most = 3 * (max_failures + max_challenges)
        self._settings = valid(
            f"[radius]\nserver=127.0.0.1\nport={self._server.port}\nsecret={SECRET.decode('ascii')}\n"
            f"[auth]\nmax_challenges={max_challenges}\nmax_attempts={max_attempts}\n"
            f"[lockout]\nmax_failures={max_failures}\nwindow={2 * WINDOW}\nduration={2 * WINDOW}\n"
        )

    @rule(
        name=st.sampled_from(NAMES),
        client=st.sampled_from(CLIENTS),
        is_challenge=st.booleans(),
        count=st.sampled_from((1, 1, 3, 8)),
    )
    def log_in(self, name: str, client: str, is_challenge: bool, count: int) -> None:
        for _ in range(count):
            session = Session(name, name, client_ip=client)
            self._run(session, SessionRecord(0.0), {"otp": "guess"}, is_challenge)

    @rule(login=st.integers(0, 9), is_challenge=st.booleans(), count=st.sampled_from((1, 1, 3)))
    def guess(self, login: int, is_challenge: bool, count: int) -> None:
        for _ in range(count):
            if self._open:
                session, record, key = self._open.pop(login % len(self._open))
                self._run(session, record, {"otp": "guess", key: "another guess"}, is_challenge)

    @rule(seconds=st.sampled_from((0.5, 7000.0, 13000.0, 30000.0, 1e7)))
    def set_clock_back(self, seconds: float) -> None:
        self._offset -= seconds

    @rule(seconds=st.floats(0, WINDOW / STEPS))
    def let_time_pass(self, seconds: float) -> None:
        self._offset += seconds

    @rule(octets=st.binary(max_size=50), number=st.integers(0, 99))
    def damage(self, octets: bytes, number: int) -> None:
        directory = pathlib.Path(self._directory.name, DIRECTORY)
        paths = sorted(directory.iterdir()) if directory.exists() else []
        if paths:
            path = paths[number % len(paths)]
            path.write_bytes(octets)
            path.with_name(path.name + octets.hex()[:20] + "x").write_bytes(octets)

    def _run(self, session: Session, record: SessionRecord, pairs: Dict[str, str], is_challenge: bool) -> None:
        self._next_code = CHALLENGE if is_challenge else REJECT
        directories = StateDirectories(self._directory.name, None)
        authenticator = Authenticator(self._settings, session, "sps", directories)
        call = HookCall(session.username, None, pairs, can_ask=True)
        record, action = authenticator.run(record, call)
        if isinstance(action, Ask):
            self._open.append((session, record, action.key))
        else:
            assert isinstance(action, Deny)

    @invariant()
    def no_more_requests_than_the_rules_allow_reach_the_server(self) -> None:
        if hasattr(self, "_most"):
            assert len(self._codes) < self._most


TestGuessing = Guessing.TestCase
TestGuessing.settings = settings(max_examples=150, stateful_step_count=STEPS, deadline=None)
