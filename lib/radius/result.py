"""The result of a request: an answer, or the reasons why there is none, and every packet sent or received."""

from typing import TYPE_CHECKING, Optional, Sequence, Tuple

from ..namedtuple import NamedTuple
from . import packet
from .request import Origin

if TYPE_CHECKING:
    from .transport.base import Certificate
    from .tunneled import Challenge


class TracedPacket(NamedTuple):
    """A packet that was sent or received: seconds after the start, and `place`, the server and address as in the log.

    `discarded` is the reason why a reply was discarded.
    """

    sent: bool
    octets: bytes
    place: str
    seconds: float
    discarded: Optional[packet.DiscardReason] = None


class Answer(NamedTuple):
    """A verified reply and the facts about it.

    `messages` are its texts for the user, in the octets of the server. `transmissions` counts those to the address
    that answered. `log_lines` are for the log. `transport` describes the transport, if it is not UDP, `tunnel` the
    tunnel of the login, if there is one, with `outer_name` outside, and `certificate` is that of its end, or of the
    server. A `challenge` inside the tunnel can be answered by this process only.
    """

    reply: packet.Reply
    messages: Tuple[bytes, ...]
    origin: Origin
    seconds: float
    transmissions: int
    log_lines: Tuple[str, ...]
    transport: str = ""
    tunnel: str = ""
    outer_name: str = ""
    certificate: "Optional[Certificate]" = None
    challenge: "Optional[Challenge]" = None
    packets: Tuple[TracedPacket, ...] = ()


class NoAnswer(Exception):
    """No server answered: `code` is the code of a denial, `log_lines` say what happened at each server.

    `section` is that of the last server that a request was made for, if any. `is_alive` is whether a server has sent a
    verified reply since it was asked: to a Status-Server, to another process, or one that did not prove enough.
    `certificate` is that of the last tunnel, if its chain is verified.
    """

    def __init__(
        self,
        code: str,
        log_lines: Sequence[str],
        seconds: float,
        section: str = "",
        packets: Sequence[TracedPacket] = (),
        is_alive: bool = False,
        certificate: "Optional[Certificate]" = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.log_lines = tuple(log_lines)
        self.seconds = seconds
        self.section = section
        self.packets = tuple(packets)
        self.is_alive = is_alive
        self.certificate = certificate


class NotSent(packet.RequestError):
    """The request cannot be encoded for the server of this section; `packets` are those of the servers before it."""

    def __init__(self, error: packet.RequestError, section: str, packets: Sequence[TracedPacket]) -> None:
        super().__init__(error.code, str(error))
        self.section = section
        self.packets = tuple(packets)


class OriginGone(Exception):
    """The server that sent the challenge is no longer configured."""
