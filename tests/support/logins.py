"""Hook calls of many logins at the same time, each in a thread, against a server that replies when the test says so."""

import logging
import os
import threading
from multiprocessing.connection import wait
from typing import Dict, List, NamedTuple, Optional, Union

from lib.authenticator import Authenticator
from lib.config.model import Settings
from lib.login.state import Action, HookCall
from lib.session import Session, SessionRecord
from lib.state.directory import StateDirectories
from tests.support.misbehaving import CHALLENGE, SECRET, STATE, Request, listening, reply
from tests.support.processes import WAIT_LIMIT


class Finished(NamedTuple):
    """A hook call that has returned, with the warnings that it logged."""

    session: Session
    record: SessionRecord
    action: Action
    warnings: List[str]


class Logins:
    """Runs hook calls. One that sends a request waits until `answer` replies."""

    def __init__(self, directory: str) -> None:
        self.waiting: List[Request] = []
        """The requests that have no reply yet, in the order of their arrival."""
        self.requests = 0
        """How many have arrived."""
        self._directories = StateDirectories(directory, None)
        self._socket = listening("127.0.0.1")
        self.port: int = self._socket.getsockname()[1]
        self._done, self._is_done = os.pipe()
        self._running = 0
        self._finished: List[Union[Finished, BaseException]] = []
        self._warnings = _Warnings()
        logging.getLogger("SPS_RADIUS").addHandler(self._warnings)

    def close(self) -> None:
        """Reject what waits."""
        while self.waiting:
            self.answer(0, 3)
        logging.getLogger("SPS_RADIUS").removeHandler(self._warnings)
        self._socket.close()
        os.close(self._done)
        os.close(self._is_done)

    def start(self, settings: Settings, session: Session, record: SessionRecord, pairs: Dict[str, str]) -> None:
        """Begin a hook call."""

        def run() -> None:
            try:
                authenticator = Authenticator(settings, session, "sps", self._directories)
                call = HookCall(session.username, session.gateway_user, pairs, can_ask=True)
                record_, action = authenticator.run(record, call)
                self._finished.append(Finished(session, record_, action, self._warnings.take()))
            except BaseException as error:
                self._finished.append(error)
            finally:
                os.write(self._is_done, b"x")

        self._running += 1
        threading.Thread(target=run, daemon=True).start()

    def wait(self) -> List[Finished]:
        """Wait until each hook call has returned or waits for a reply; return those that have returned."""
        while self._running > len(self.waiting):
            ready = wait([self._socket, self._done], WAIT_LIMIT)
            assert ready, "a hook call hangs"
            if self._socket in ready:
                octets, source = self._socket.recvfrom(4096)
                self.waiting.append(Request(octets, source, self.requests))
                self.requests += 1
            if self._done in ready:
                self._running -= len(os.read(self._done, 1))
        finished, self._finished = self._finished, []
        for each in finished:
            if isinstance(each, BaseException):
                raise each
        return [each for each in finished if isinstance(each, Finished)]

    def answer(self, number: int, code: int) -> List[Finished]:
        """Reply to a waiting request, and wait as above."""
        request = self.waiting.pop(number)
        attributes = [(STATE, b"state")] if code == CHALLENGE else []
        self._socket.sendto(reply(request, SECRET, code, attributes), request.source)
        return self.wait()


class _Warnings(logging.Handler):
    """Keeps the warnings of each thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: Dict[Optional[int], List[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.setdefault(record.thread, []).append(record.getMessage())

    def take(self) -> List[str]:
        return self._lines.pop(threading.get_ident(), [])
