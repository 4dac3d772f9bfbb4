"""The status of endpoints between requests, pure: the rules, the interface, and an implementation that stores nothing.

An endpoint is one address of one server, for logins or for accounting. What every process sees is shared as facts, each
with its age. The facts decide how an endpoint is tried, and, when a request leaves it without an answer, what is added:

    answered since the request was first sent           nothing: the endpoint is alive, whatever this request saw
    refused, failed, or silent, without a sign of life  dead
    answered Status-Server, but not the request         suspected; dead if it was suspected because of another request

Of accounting records, a first one that is left unanswered is never more than a suspicion: the record may be at fault.
"""

from typing import Optional

from ..namedtuple import NamedTuple

STATUS_KNOWN_FOR = 3600.0  # seconds; later, the server may have changed, and its silence proves nothing

UNANSWERED, REFUSED, FAILED, CUT_OFF = "unanswered", "refused", "failed", "cut off"
"""How a request can leave an endpoint: after waiting in vain, after errors, or too early to prove anything."""

MARK, SUSPECT = "mark", "suspect"


class Status(NamedTuple):
    """What is known about an endpoint: seconds since it was marked dead, since a request that it left unanswered made
    it suspected, since it answered a request and since it answered a Status-Server; None: never.

    `key` is that of the request of the suspicion. A mark expires after `dead_time` seconds.
    """

    marked: Optional[float] = None
    suspected: Optional[float] = None
    key: str = ""
    answered: Optional[float] = None
    answered_status: Optional[float] = None
    dead_time: float = 0.0

    @property
    def is_suspected(self) -> bool:
        """Whether it has left the last request unanswered; the answer to a Status-Server does not change that."""
        return self.suspected is not None and not _is_within(self.answered, self.suspected)

    @property
    def is_marked(self) -> bool:
        """Whether it is marked dead, and has not answered a request since."""
        return self.marked is not None and self.dead_time > 0 and not _is_within(self.answered, self.marked)

    @property
    def is_expired(self) -> bool:
        """Whether the mark has expired: one login may try the endpoint, the one that claims it."""
        return self.is_marked and self.marked is not None and self.marked >= self.dead_time

    @property
    def answers_status(self) -> bool:
        """Whether it recently answered a Status-Server, so that its silence to one means something."""
        return _is_within(self.answered_status, STATUS_KNOWN_FOR)


class Observation(NamedTuple):
    """What a request without an answer saw at an endpoint: how it ended, `seconds` after it was first sent.

    `key` tells accounting records apart; it is empty for logins, of which no two are the same.
    """

    end: str
    seconds: float
    status_answered: bool = False
    key: str = ""

    def is_alive(self, status: Status) -> bool:
        """Whether the endpoint has answered anybody, or a Status-Server, since the request was first sent."""
        return (
            self.status_answered
            or _is_within(status.answered, self.seconds)
            or _is_within(status.answered_status, self.seconds)
        )

    def judge(self, status: Status) -> str:
        """Return MARK, SUSPECT, or an empty string if the endpoint stays as it is."""
        if self.end == CUT_OFF or _is_within(status.answered, self.seconds):
            return ""
        is_alive = self.is_alive(status)
        if self.end != UNANSWERED:
            return "" if is_alive else MARK
        if not is_alive and not self.key:
            return MARK
        is_another = not self.key or status.key != self.key
        return MARK if status.is_suspected and is_another else SUSPECT


class ServerStatus:
    """Stores nothing; a subclass that does overrides every method. `client` makes the names of the endpoints."""

    def status_of(self, endpoint: str) -> Status:
        """Return what is known about an endpoint."""
        return Status()

    def claim(self, endpoint: str) -> bool:
        """Renew a mark that has expired; return whether this process did it, and not another."""
        return True

    def mark(self, endpoint: str) -> None:
        """Mark an endpoint dead."""

    def suspect(self, endpoint: str, key: str) -> None:
        """Remember that an endpoint left the request with this key unanswered."""

    def answered(self, endpoint: str) -> None:
        """Remember that an endpoint answered a request."""

    def answered_status(self, endpoint: str) -> None:
        """Remember that an endpoint answered a Status-Server, and clear a mark unless the endpoint is suspected."""

    def left_unanswered(self, endpoint: str, seen: Observation) -> bool:
        """Mark or suspect an endpoint because of what a request saw; return whether the endpoint is alive."""
        status = self.status_of(endpoint)
        verdict = seen.judge(status)
        if verdict == MARK:
            self.mark(endpoint)
        elif verdict == SUSPECT:
            self.suspect(endpoint, seen.key)
        return seen.is_alive(status)


NO_MEMORY = ServerStatus()


def _is_within(age: Optional[float], seconds: float) -> bool:
    return age is not None and age <= seconds
