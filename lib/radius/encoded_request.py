"""A request as it is sent to one address, and the rules for its reply, pure."""

from typing import TYPE_CHECKING, Container, List, Optional, Sequence, Tuple

from . import packet
from .packet import Attributes, Reply
from .profile import Profile

if TYPE_CHECKING:
    from .transport.base import Certificate
    from .tunneled import Challenge


class NotContinued(Exception):
    """A login that cannot continue after a reply: `code` is the code of a denial, the text is for the log.

    `is_final` is whether no other server may be asked.
    """

    def __init__(self, code: str, text: str, is_final: bool) -> None:
        super().__init__(text)
        self.code = code
        self.is_final = is_final


class EncodedRequest:
    """A request as it is sent to one address, and the rules for its reply.

    `identity` are the attributes by which a Status-Server names this NAS.
    """

    challenge: "Optional[Challenge]" = None
    """The challenge inside a tunnel that the last reply contains, if any."""

    def __init__(self, octets: bytes, profile: Profile, codes: Container[int], identity: Attributes = ()) -> None:
        self.octets = octets
        self.identity = identity
        self._profile = profile
        self._codes = codes

    @property
    def description(self) -> str:
        """What the log says of the tunnel; empty if there is none."""
        return ""

    @property
    def outer_name(self) -> str:
        """The name outside the tunnel; empty if there is none."""
        return ""

    @property
    def certificate(self) -> "Optional[Certificate]":
        """The certificate of the end of the tunnel, if there is one."""
        return None

    def verify(self, octets: bytes) -> Reply:
        """Return the reply in a packet; raise packet.Discarded if it does not answer this request."""
        return self._profile.verify(octets, self.octets, self._codes)

    def follow(self, reply: Reply, earlier: Sequence[bytes]) -> "Optional[EncodedRequest]":
        """Return the request that continues the login after this reply, or None if the reply is the answer.

        Replies to the new request can be told from those to the `earlier` ones. Raise NotContinued if the
        reply cannot be followed.
        """
        return None

    def check_proof(self, reply: Reply) -> str:
        """Return what is wrong with the proof that the request requires beyond `verify`; empty if nothing is."""
        return ""

    def messages(self, reply: Reply) -> Tuple[bytes, ...]:
        """Return the texts of a reply for the user: that of an MS-CHAP-Error, then every Reply-Message."""
        found: List[bytes] = []
        for value in reply.vendor_values(packet.MICROSOFT, packet.MS_CHAP_ERROR)[:1]:
            from . import mschap  # its tables take time

            found += mschap.parse_error(value).texts
        return tuple(found + reply.values(packet.REPLY_MESSAGE))

    def warnings(self, reply: Reply) -> Tuple[str, ...]:
        """Return the warnings about an answer, for the log."""
        return ()
