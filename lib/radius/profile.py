"""The two encodings of RADIUS, pure: the original one, which `packet` and `accounting` have, and RADIUS/1.1."""

from typing import TYPE_CHECKING, Container

from . import packet, radius11
from .packet import Attributes, Login, Random, Reply

if TYPE_CHECKING:
    from .accounting import Record


class Profile:
    """An encoding of requests and replies. A reply that does not verify raises packet.Discarded."""

    def login(self, login: Login, random: Random) -> bytes:
        """Return an Access-Request."""
        raise NotImplementedError

    def status(self, attributes: Attributes, random: Random) -> bytes:
        """Return a Status-Server."""
        raise NotImplementedError

    def accounting(self, record: "Record", now: float, random: Random) -> bytes:
        """Return an Accounting-Request that is sent at this time, in seconds since the epoch."""
        raise NotImplementedError

    def verify(self, octets: bytes, request: bytes, codes: Container[int]) -> Reply:
        """Return the reply in a packet if it answers the request with one of these codes."""
        raise NotImplementedError

    def verify_accounting(self, octets: bytes, request: bytes) -> Reply:
        """Return the Accounting-Response in a packet if it answers the request."""
        raise NotImplementedError

    def belongs(self, octets: bytes, request: bytes) -> bool:
        """Whether a packet has the mark of replies to the request."""
        raise NotImplementedError

    def decrypt_key(self, value: bytes, request: bytes) -> bytes:
        """Return the key in an MS-MPPE attribute of the reply to the request; an empty one if it is malformed."""
        raise NotImplementedError


class OriginalRadius(Profile):
    """RADIUS as in RFC 2865 and RFC 2866, over UDP or TLS, with a shared secret.

    TLS proves every reply, so there a Message-Authenticator is verified, but not required.
    """

    def __init__(self, secret: bytes, require_message_authenticator: bool, over_tls: bool = False) -> None:
        self._secret = secret
        self._require_message_authenticator = require_message_authenticator and not over_tls
        self._over_tls = over_tls

    def login(self, login: Login, random: Random) -> bytes:
        return packet.encode(login, self._secret, random)

    def status(self, attributes: Attributes, random: Random) -> bytes:
        return packet.encode_status(attributes, self._secret, random)

    def accounting(self, record: "Record", now: float, random: Random) -> bytes:
        from . import accounting  # a login does not need it

        return accounting.encode(record, now, self._secret, random)

    def verify(self, octets: bytes, request: bytes, codes: Container[int]) -> Reply:
        return packet.verify(octets, request, self._secret, self._require_message_authenticator, codes, self._over_tls)

    def verify_accounting(self, octets: bytes, request: bytes) -> Reply:
        from . import accounting

        accounting.verify(octets, request, self._secret)
        return Reply(accounting.ACCOUNTING_RESPONSE, ())

    def belongs(self, octets: bytes, request: bytes) -> bool:
        return octets[1:2] == request[1:2]  # any datagram is passed, even an empty one

    def decrypt_key(self, value: bytes, request: bytes) -> bytes:
        from . import mppe  # only tunneled methods need it

        return mppe.decrypt(value, self._secret, request[packet.AUTHENTICATOR])


class Radius11(Profile):
    """RADIUS/1.1 (RFC 9765), which has no secret."""

    def login(self, login: Login, random: Random) -> bytes:
        return radius11.encode(login, random)

    def status(self, attributes: Attributes, random: Random) -> bytes:
        return radius11.encode_status(attributes, random)

    def accounting(self, record: "Record", now: float, random: Random) -> bytes:
        from . import accounting

        return radius11.with_header(accounting.ACCOUNTING_REQUEST, accounting.body(record, now), random)

    def verify(self, octets: bytes, request: bytes, codes: Container[int]) -> Reply:
        return radius11.verify(octets, request, codes)

    def verify_accounting(self, octets: bytes, request: bytes) -> Reply:
        from . import accounting

        reply = radius11.verify(octets, request, accounting.RESPONSE_CODES)
        accounting.check_recorded(octets)
        return reply

    def belongs(self, octets: bytes, request: bytes) -> bool:
        return radius11.belongs(octets, request)

    def decrypt_key(self, value: bytes, request: bytes) -> bytes:
        return value  # nothing is encrypted, RFC 9765 section 5.1
