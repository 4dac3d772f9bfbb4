"""Endpoints in simulated time: their status in memory, how they behave, and logins that follow a schedule."""

from typing import Callable, Dict

from lib.radius.server_status import ServerStatus, Status


class Facts:
    """What is known about one endpoint, with the time of each fact."""

    def __init__(self) -> None:
        self.times: Dict[str, float] = {}
        self.key = ""


class StatusInMemory(ServerStatus):
    """The status of endpoints, as shared by logins on one simulated clock."""

    def __init__(self, clock: Callable[[], float], dead_time: float) -> None:
        self.dead_time = dead_time
        self._clock = clock
        self._facts: Dict[str, Facts] = {}

    def status_of(self, endpoint: str) -> Status:
        facts = self._facts.setdefault(endpoint, Facts())
        ages = {fact: self._clock() - at for fact, at in facts.times.items()}
        return Status(key=facts.key, dead_time=self.dead_time, **ages)

    def claim(self, endpoint: str) -> bool:
        status = self.status_of(endpoint)
        if status.is_expired:
            self.mark(endpoint)
        return status.is_expired or not status.is_marked

    def mark(self, endpoint: str) -> None:
        self._remember(endpoint, "marked")

    def suspect(self, endpoint: str, key: str) -> None:
        self._remember(endpoint, "suspected")
        self._facts[endpoint].key = key

    def answered(self, endpoint: str) -> None:
        self._remember(endpoint, "answered")

    def answered_status(self, endpoint: str) -> None:
        self._remember(endpoint, "answered_status")

    def _remember(self, endpoint: str, fact: str) -> None:
        self._facts.setdefault(endpoint, Facts()).times[fact] = self._clock()
