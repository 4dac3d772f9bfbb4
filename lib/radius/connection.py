"""A transport to one address, and what is sent over it: the requests of one login, and a Status-Server."""

from typing import List, Optional

from . import packet
from .encoded_request import EncodedRequest
from .packet import Random
from .profile import Profile
from .transport.base import Transport


class Connection:
    """An open transport, the encoding that it uses, the request, and the Status-Server if one was sent."""

    def __init__(self, transport: Transport, profile: Profile, request: EncodedRequest, random: Random) -> None:
        self.transport = transport
        self.profile = profile
        self.request = request
        self._earlier: List[bytes] = []
        self._random = random
        self._probe = b""

    @property
    def probe(self) -> bytes:
        """The Status-Server, always the same."""
        # Over a stream, its reply must be distinguishable from those to the requests.
        requests = [*self._earlier, self.request.octets]
        while not self._probe or any(self.profile.belongs(self._probe, each) for each in requests):
            self._probe = self.profile.status(self.request.identity, self._random)
        return self._probe

    def follow(self, reply: packet.Reply) -> bool:
        """Go on with the request that continues the login; return False if the reply is the answer."""
        earlier = [*self._earlier, self.request.octets]
        following = self.request.follow(reply, [*earlier, self._probe] if self._probe else earlier)
        if following is None:
            return False
        self._earlier, self.request = earlier, following
        return True

    def is_late(self, octets: bytes) -> bool:
        """Whether a packet repeats the reply to an earlier request of the same login."""
        return any(self.profile.belongs(octets, each) for each in self._earlier)

    def is_probe_reply(self, octets: bytes, at_probe_port: Optional[bool]) -> bool:
        """Whether a packet answers the Status-Server rather than the request."""
        if at_probe_port is None:
            return bool(self._probe) and self.profile.belongs(octets, self._probe)
        return at_probe_port

    def verify_probe_reply(self, octets: bytes) -> packet.Reply:
        """Return the reply to the Status-Server; raise packet.Discarded if it is not valid."""
        return self.profile.verify(octets, self._probe, packet.ANY_STATUS_CODES)  # any answer shows that it is up
