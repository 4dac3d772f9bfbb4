"""What is remembered of servers between requests: the interface, and the memory of a client that has none."""

from ..namedtuple import NamedTuple


class Status(NamedTuple):
    """What is known of a server: whether it is marked dead, and whether it recently answered a Status-Server."""

    dead: bool = False
    answers_status: bool = False


class ServerStatus:
    """Remembers nothing; a class that does overrides every method. Servers go by the names that `client` gives them."""

    def status_of(self, server: str) -> Status:
        """Return what is known of a server."""
        return Status()

    def failed(self, server: str) -> None:
        """Mark a server dead: it did not answer."""

    def answered(self, server: str) -> None:
        """Mark a server alive: it answered a request."""

    def answered_status(self, server: str) -> None:
        """Remember that a server answers Status-Server."""


NO_MEMORY = ServerStatus()
