"""The requests to the servers, as data, and their encoding for one server, pure.

A request has no NAS-IP-Address: only the client knows the address that it sends from, and adds it unless the request
has the attribute already. An attribute with an empty value is not sent, and keeps the client from adding it.
"""

import hashlib
from typing import TYPE_CHECKING, Mapping, Optional, Tuple, Union

from .. import log_lines, reasons
from ..namedtuple import NamedTuple
from ..secret import Secret
from . import nas, packet
from .encoded_request import EncodedRequest
from .packet import Attributes, Random, Reply
from .profile import Profile
from .server import ServerSettings

if TYPE_CHECKING:
    from .accounting import Record
    from .mschap import Response
    from .tunneled import Challenge


class Origin(NamedTuple):
    """The only address that a request goes to: it sent the Access-Challenge and its State."""

    section: str
    host: str
    port: int


LOGIN, ACCOUNTING = "login", "accounting"
"""The purposes of requests; an address may serve one of them and not the other."""


class LoginRequest(NamedTuple):
    """A login, or the response to a challenge, with the `state` and the `origin` of the challenge.

    `user_names` has the User-Name for each server, by section. No two logins are the same, so none has a `key`. A
    `challenge` inside a tunnel is answered there. With `ends_at_handshake`, nothing is sent through a tunnel: the
    answer is the reply that completes the handshake.
    """

    user_names: Mapping[str, str]
    password: Secret
    attributes: Attributes = ()
    state: Optional[bytes] = None
    origin: Optional[Origin] = None
    challenge: "Optional[Challenge]" = None
    ends_at_handshake: bool = False

    @property
    def answers_outside_a_tunnel(self) -> bool:
        """Whether it answers a challenge from outside a tunnel; a probe has an origin too, but answers none."""
        return bool(self.origin) and not self.challenge and not self.ends_at_handshake

    @property
    def purpose(self) -> str:
        """Which port it is for."""
        return LOGIN

    @property
    def key(self) -> str:
        """What tells this request from others."""
        return ""

    def encode(
        self, profile: Profile, server: ServerSettings, local_ip: str, random: Random, now: float
    ) -> EncodedRequest:
        """Return the request for a server; raise packet.RequestError if the name or the password does not fit."""
        name, attributes = self.user_names[server.section], _complete(self.attributes, local_ip)
        identity = _identity(self.attributes)
        if server.tunnel is not None:
            from . import tunneled  # it loads TLS

            content = tunneled.Content(server.auth_type, server.tunnel, attributes, identity, self.ends_at_handshake)
            return tunneled.encode(self, content, server, profile, random)
        login = packet.Login(name, self.password, server.auth_type, self.state, attributes)
        if server.auth_type == "mschapv2":
            login, response = _with_mschap(login, random)
            return _MschapRequest(profile.login(login, random), profile, identity, response)
        return EncodedRequest(profile.login(login, random), profile, packet.LOGIN_CODES, identity)


class StatusRequest(NamedTuple):
    """A Status-Server (RFC 5997), to the port for logins or for accounting."""

    attributes: Attributes = ()
    is_for_accounting: bool = False
    origin: Optional[Origin] = None

    @property
    def key(self) -> str:
        """What tells this request from others."""
        return ""

    @property
    def purpose(self) -> str:
        """Which port it is for."""
        return ACCOUNTING if self.is_for_accounting else LOGIN

    def encode(
        self, profile: Profile, server: ServerSettings, local_ip: str, random: Random, now: float
    ) -> EncodedRequest:
        """Return the request for a server."""
        attributes = _complete(self.attributes, local_ip)
        octets = profile.status(attributes, random)
        codes: Tuple[int, ...] = packet.STATUS_CODES
        if self.is_for_accounting:
            # Over TLS one port serves both (RFC 6614 section 2.1), and answers as for logins.
            codes = (packet.ACCOUNTING_RESPONSE,) + (packet.STATUS_CODES if server.tls else ())
        return EncodedRequest(octets, profile, codes, attributes)


class AccountingRequest(NamedTuple):
    """An accounting record."""

    record: "Record"
    origin: Optional[Origin] = None

    @property
    def purpose(self) -> str:
        """Which port it is for."""
        return ACCOUNTING

    @property
    def key(self) -> str:
        """What tells this record from others."""
        return hashlib.sha256(self.record.to_json().encode("ascii")).hexdigest()[:16]

    def encode(
        self, profile: Profile, server: ServerSettings, local_ip: str, random: Random, now: float
    ) -> EncodedRequest:
        """Return the request for a server."""
        complete = self.record._replace(attributes=_complete(self.record.attributes, local_ip))
        return _AccountingRequest(profile.accounting(complete, now, random), profile, (packet.ACCOUNTING_RESPONSE,))


Request = Union[LoginRequest, StatusRequest, AccountingRequest]


class _MschapRequest(EncodedRequest):
    """An Access-Request with MS-CHAPv2: the server must prove that it knows the password too."""

    def __init__(self, octets: bytes, profile: Profile, identity: Attributes, response: "Response") -> None:
        super().__init__(octets, profile, packet.LOGIN_CODES, identity)
        self._response = response

    def check_proof(self, reply: Reply) -> str:
        from . import mschap

        successes = reply.vendor_values(packet.MICROSOFT, packet.MS_CHAP2_SUCCESS)
        expected, identifier = self._response.success, self._response.value[0]
        is_valid = len(successes) == 1 and mschap.verify_success(expected, successes[0], identifier)
        return "" if is_valid or reply.code != packet.ACCESS_ACCEPT else log_lines.MUTUAL_AUTH_FAILED.text


class _AccountingRequest(EncodedRequest):
    """An Accounting-Request, whose reply follows other rules for signatures."""

    def verify(self, octets: bytes) -> Reply:
        return self._profile.verify_accounting(octets, self.octets)


def _with_mschap(login: packet.Login, random: Random) -> "Tuple[packet.Login, Response]":
    from . import mschap  # its tables take time

    try:
        response = mschap.response(login.user_name, login.password, random(16), random(16), random(1)[0])
    except ValueError as error:
        raise packet.RequestError(reasons.BAD_PASSWORD, str(error)) from None
    return login._replace(mschap=response), response


def _complete(attributes: Attributes, local_ip: str) -> Attributes:
    present = {each[:2] for each in attributes}
    own = tuple(each for each in nas.address(local_ip) if each[:2] not in present)
    return own + tuple(each for each in attributes if each[2])


def _identity(attributes: Attributes) -> Attributes:
    return tuple(each for each in attributes if each[:2] == (0, packet.NAS_IDENTIFIER) and each[2])
