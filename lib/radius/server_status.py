"""The status of servers between requests: the interface, and an implementation that stores nothing."""

from ..namedtuple import NamedTuple


class Status(NamedTuple):
    """What is known about a server: whether it is marked dead, and whether it recently answered a Status-Server."""

    dead: bool = False
    answers_status: bool = False


class ServerStatus:
    """Stores nothing; a subclass that does overrides every method. `client` makes the names of the servers."""

    def status_of(self, server: str) -> Status:
        """Return what is known about a server."""
        return Status()

    def failed(self, server: str) -> None:
        """Mark a server dead: it did not answer."""

    def answered(self, server: str) -> None:
        """Mark a server alive: it answered a request."""

    def answered_status(self, server: str) -> None:
        """Remember that a server answers Status-Server."""


NO_MEMORY = ServerStatus()
