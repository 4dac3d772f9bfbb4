"""The two ways to put packets on the wire, side by side and pure: RADIUS as it always was, and RADIUS/1.1.

What is said is the same; `packet` and `accounting` have the first way, `version11` the second.
"""

from typing import Any, Callable, Container

from ..namedtuple import NamedTuple
from . import packet, radius11
from .packet import Attributes, Login, Random, Reply

VERSION_1_1 = radius11.ALPN


class Profile(NamedTuple):
    """A way to put packets on the wire: what makes each kind of request, and what verifies its reply.

    `accounting` takes a record and the time (seconds since the epoch) to say it. `verify` takes a packet that came, the
    request that it should answer and the codes that may; it returns the reply or raises packet.Dropped, as does
    `verify_accounting`. `belongs` is whether a packet has the mark by which the reply to a request is known.
    """

    login: Callable[[Login, Random], bytes]
    status: Callable[[Attributes, Random], bytes]
    verify: Callable[[bytes, bytes, Container[int]], Reply]
    accounting: Callable[[Any, float, Random], bytes]
    verify_accounting: Callable[[bytes, bytes], Reply]
    belongs: Callable[[bytes, bytes], bool]


def classic(secret: bytes, require_message_authenticator: bool) -> Profile:
    """Return RADIUS as RFC 2865 and RFC 2866 have it, over UDP or TLS, with this shared secret."""

    def account(record: Any, now: float, random: Random) -> bytes:
        from . import accounting  # a login needs none of it

        return accounting.encode(record, now, secret, random)

    def verify_accounting(octets: bytes, request: bytes) -> Reply:
        from . import accounting

        accounting.verify(octets, request, secret)
        return Reply(accounting.ACCOUNTING_RESPONSE, ())

    return Profile(
        login=lambda login, random: packet.encode(login, secret, random),
        status=lambda attributes, random: packet.encode_status(attributes, secret, random),
        verify=lambda octets, request, codes: packet.verify(
            octets, request, secret, require_message_authenticator, codes
        ),
        accounting=account,
        verify_accounting=verify_accounting,
        belongs=lambda octets, request: octets[1] == request[1],
    )


def version_1_1() -> Profile:
    """Return RADIUS/1.1 (RFC 9765), which knows no secret."""

    def account(record: Any, now: float, random: Random) -> bytes:
        from . import accounting

        return radius11.with_header(accounting.ACCOUNTING_REQUEST, accounting.body(record, now), random)

    def verify_accounting(octets: bytes, request: bytes) -> Reply:
        from . import accounting

        reply = radius11.verify(octets, request, accounting.RESPONSE_CODES)
        accounting.check_taken(octets)
        return reply

    return Profile(
        login=radius11.encode,
        status=radius11.encode_status,
        verify=radius11.verify,
        accounting=account,
        verify_accounting=verify_accounting,
        belongs=radius11.belongs,
    )
