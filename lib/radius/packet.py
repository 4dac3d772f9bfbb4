"""Packets, pure: encodes requests and verifies replies. No socket, no clock, no randomness of its own.

pyrad encodes the attributes of requests. Replies are verified here, in their raw octets, because pyrad decodes a reply
before it verifies it, and an attacker can send anything.
"""

import hmac
import struct
from typing import TYPE_CHECKING, Callable, Container, Iterator, List, Optional, Tuple

from .. import log_lines, reasons
from ..namedtuple import NamedTuple
from ..secret import Secret
from .md5 import hmac_md5, md5
from .pyrad_codec import RequestEncoder

if TYPE_CHECKING:
    from .mschap import Response

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE, STATUS_SERVER = 1, 2, 3, 11, 12
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
LOGIN_CODES = (ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE)
STATUS_CODES = (ACCESS_ACCEPT,)  # the answer to a Status-Server on the port for logins, RFC 5997 section 4.2
# A server may also answer as for accounting, with a reject, or with Protocol-Error (RFC 7930): it is up.
ANY_STATUS_CODES = STATUS_CODES + (ACCESS_REJECT, ACCOUNTING_RESPONSE, 52)
NAMES = {
    ACCESS_REQUEST: "Access-Request",
    ACCESS_ACCEPT: "Access-Accept",
    ACCESS_REJECT: "Access-Reject",
    ACCESS_CHALLENGE: "Access-Challenge",
    STATUS_SERVER: "Status-Server",
}

USER_NAME, USER_PASSWORD, CHAP_PASSWORD, FRAMED_MTU, REPLY_MESSAGE, STATE, PROXY_STATE = 1, 2, 3, 12, 18, 24, 33
NAS_IDENTIFIER, CHAP_CHALLENGE, PROMPT, EAP_MESSAGE, MESSAGE_AUTHENTICATOR = 32, 60, 76, 79, 80
VENDOR_SPECIFIC, MICROSOFT = 26, 311
# The types of Microsoft's attributes, RFC 2548
MS_CHAP_ERROR, MS_CHAP_CHALLENGE, MS_CHAP2_RESPONSE, MS_CHAP2_SUCCESS = 2, 11, 25, 26

HEADER_OCTETS, MAX_OCTETS = 20, 4096  # RFC 2865 section 3
MAX_VALUE_OCTETS = 253
MAX_PASSWORD_OCTETS = 128  # RFC 2865 section 5.2
AUTHENTICATOR = slice(4, 20)
_DIGEST_IN_REQUEST = slice(22, 38)  # Message-Authenticator is the first attribute, so its value has a fixed place

Random = Callable[[int], bytes]
"""Returns this many octets from the random source of the system."""


class RequestError(Exception):
    """A request that cannot be encoded: `code` is the code of a denial. The text contains no user input."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class DiscardReason(NamedTuple):
    """Why a reply was discarded: `text` for the log, `code` of the denial if no valid reply comes in time."""

    text: str
    code: str


class Discarded(Exception):
    """A packet that is not a valid reply to the request."""

    def __init__(self, reason: DiscardReason) -> None:
        super().__init__(reason.text)
        self.reason = reason


MALFORMED_HEADER = DiscardReason(log_lines.MALFORMED_HEADER.text, reasons.BAD_REPLY)
UNEXPECTED_IDENTIFIER = DiscardReason(log_lines.UNEXPECTED_IDENTIFIER.text, reasons.BAD_REPLY)
UNEXPECTED_CODE = DiscardReason(log_lines.UNEXPECTED_CODE.text, reasons.BAD_REPLY)
MALFORMED_ATTRIBUTES = DiscardReason(log_lines.MALFORMED_ATTRIBUTES.text, reasons.BAD_REPLY)
MISSING_MESSAGE_AUTHENTICATOR = DiscardReason(
    log_lines.MISSING_MESSAGE_AUTHENTICATOR.text, reasons.NO_MESSAGE_AUTHENTICATOR
)
MALFORMED_MESSAGE_AUTHENTICATOR = DiscardReason(log_lines.MALFORMED_MESSAGE_AUTHENTICATOR.text, reasons.BAD_REPLY)
WRONG_AUTHENTICATOR = DiscardReason(log_lines.WRONG_AUTHENTICATOR.text, reasons.WRONG_SECRET)
WRONG_MESSAGE_AUTHENTICATOR = DiscardReason(log_lines.WRONG_MESSAGE_AUTHENTICATOR.text, reasons.WRONG_SECRET)
UNEXPECTED_PROXY_STATE = DiscardReason(log_lines.UNEXPECTED_PROXY_STATE.text, reasons.BAD_REPLY)


Attributes = Tuple[Tuple[int, int, bytes], ...]
"""(vendor or 0, type, value octets) of each attribute, in order."""


class Login(NamedTuple):
    """The content of an Access-Request: `method` is an `auth_type`.

    `state` is that of the challenge that is answered; `mschap` is what mschapv2 sends in place of the password, and
    `eap` the packet that a tunneled method sends.
    """

    user_name: str
    password: Secret
    method: str
    state: Optional[bytes]
    attributes: Attributes
    mschap: "Optional[Response]" = None
    eap: bytes = b""


class Reply(NamedTuple):
    """A verified reply: its code, and its attributes as (type, value octets) in order."""

    code: int
    attributes: Tuple[Tuple[int, bytes], ...]

    def values(self, attribute: int) -> List[bytes]:
        """Return the values of every attribute of this type, in order."""
        return [value for kind, value in self.attributes if kind == attribute]

    def vendor_values(self, vendor: int, attribute: int) -> List[bytes]:
        """Return the values of every attribute of this vendor and type (RFC 2865 section 5.26), in order.

        A Vendor-Specific attribute with malformed contents is skipped.
        """
        return [
            value
            for octets in self.values(VENDOR_SPECIFIC)
            for kind, value in _vendor_attributes(octets, vendor)
            if kind == attribute
        ]

    def values_of(self, vendor: int, attribute: int) -> List[bytes]:
        """Return the values of every attribute of this type and vendor (0: none), in order."""
        return self.vendor_values(vendor, attribute) if vendor else self.values(attribute)

    @property
    def state(self) -> Optional[bytes]:
        """The State to send back (RFC 2865 section 5.24), or None; an empty one counts as none (section 5)."""
        return next(iter(self.values(STATE)), None) or None

    @property
    def echo(self) -> Optional[bool]:
        """Whether Prompt asks to echo the response (RFC 2869 section 5.10); None without a valid Prompt."""
        value = next(iter(self.values(PROMPT)), b"")
        return {b"\0\0\0\0": False, b"\0\0\0\1": True}.get(value)


def encode(login: Login, secret: bytes, random: Random) -> bytes:
    """Return the octets of an Access-Request (RFC 2865 section 4.1) with a new identifier and authenticator.

    Message-Authenticator (RFC 3579 section 3.2) comes first. Every transmission of the request sends the same octets.
    Raise RequestError if the name or the password does not fit.
    """
    encoder = _signed_encoder(ACCESS_REQUEST, random)
    add_login(encoder, login, random, lambda password: _hidden(password, secret, encoder.authenticator))
    return _signed(encoder, secret)


def encode_status(attributes: Attributes, secret: bytes, random: Random) -> bytes:
    """Return the octets of a Status-Server (RFC 5997) with a new identifier and authenticator."""
    encoder = _signed_encoder(STATUS_SERVER, random)
    add_attributes(encoder, attributes)
    return _signed(encoder, secret)


def split_stream(stream: bytes) -> Tuple[List[bytes], bytes, Optional[DiscardReason]]:
    """Return the packets at the start of a stream (RFC 6613 section 2.1), the octets after them, and an error.

    The error is set if those octets cannot be the start of a packet; then the next packet cannot be found.
    """
    packets: List[bytes] = []
    while len(stream) >= 4:
        size = int.from_bytes(stream[2:4], "big")
        if not HEADER_OCTETS <= size <= MAX_OCTETS:
            return packets, stream, MALFORMED_HEADER
        if len(stream) < size:
            break
        packets.append(stream[:size])
        stream = stream[size:]
    return packets, stream, None


def verify(
    octets: bytes,
    request: bytes,
    secret: bytes,
    require_message_authenticator: bool,
    codes: Container[int] = LOGIN_CODES,
    over_tls: bool = False,
) -> Reply:
    """Return the reply in a packet if it is a valid answer to `request`; raise Discarded if it is not.

    RFC 2865 section 3 and RFC 3579 section 3.2. The cheap checks come first, and nothing is hashed until a required
    Message-Authenticator is present.
    """
    code, octets = read_header(octets)
    if octets[1] != request[1]:
        raise Discarded(UNEXPECTED_IDENTIFIER)
    if code not in codes:
        raise Discarded(UNEXPECTED_CODE)
    attributes, digest_at = _walk(octets)
    if digest_at is None and require_message_authenticator:
        raise Discarded(MISSING_MESSAGE_AUTHENTICATOR)
    # BlastRADIUS needs one. It cannot be used inside TLS, and an Accounting-Response grants no access.
    if code in LOGIN_CODES and not over_tls and any(kind == PROXY_STATE for kind, _ in attributes):
        raise Discarded(UNEXPECTED_PROXY_STATE)
    signed = octets[:4] + request[AUTHENTICATOR] + octets[HEADER_OCTETS:]
    if not hmac.compare_digest(md5(signed + secret), octets[AUTHENTICATOR]):
        raise Discarded(WRONG_AUTHENTICATOR)
    if digest_at is not None:
        digest = octets[digest_at : digest_at + 16]
        zeroed = signed[:digest_at] + bytes(16) + signed[digest_at + 16 :]
        if not hmac.compare_digest(hmac_md5(secret, zeroed), digest):
            raise Discarded(WRONG_MESSAGE_AUTHENTICATOR)
    return Reply(code, tuple(attributes))


def list_attributes(octets: bytes) -> Attributes:
    """Return the attributes of a request or of a verified reply; those of a vendor by vendor and number."""
    found: List[Tuple[int, int, bytes]] = []
    for _, kind, value in walk(octets[: int.from_bytes(octets[2:4], "big")]):
        vendor = int.from_bytes(value[:4], "big") if kind == VENDOR_SPECIFIC else 0
        inside = _vendor_attributes(value, vendor) if vendor else []
        found += [(vendor, number, octets) for number, octets in inside] or [(0, kind, value)]
    return tuple(found)


def read_header(octets: bytes) -> Tuple[int, bytes]:
    """Return the code of a packet, and its octets without the padding; raise Discarded if the header is malformed."""
    size = int.from_bytes(octets[2:4], "big")
    if not HEADER_OCTETS <= size <= min(len(octets), MAX_OCTETS):
        raise Discarded(MALFORMED_HEADER)
    return octets[0], octets[:size]


def walk(octets: bytes) -> Iterator[Tuple[int, int, bytes]]:
    """Yield the position of the value, the type and the value of each attribute; raise Discarded if malformed."""
    at = HEADER_OCTETS
    while at < len(octets):
        size = octets[at + 1] if at + 1 < len(octets) else 0
        if size < 2 or at + size > len(octets):
            raise Discarded(MALFORMED_ATTRIBUTES)
        yield at + 2, octets[at], octets[at + 2 : at + size]
        at += size


def _walk(octets: bytes) -> Tuple[List[Tuple[int, bytes]], Optional[int]]:
    """Return the attributes, and the position of the value of Message-Authenticator if there is one."""
    attributes: List[Tuple[int, bytes]] = []
    digest_at = None
    for at, kind, value in walk(octets):
        if kind == MESSAGE_AUTHENTICATOR:
            if digest_at is not None or len(value) != 16:
                raise Discarded(MALFORMED_MESSAGE_AUTHENTICATOR)
            digest_at = at
        attributes.append((kind, value))
    return attributes, digest_at


def add_login(encoder: RequestEncoder, login: Login, random: Random, hide: Callable[[bytes], bytes]) -> None:
    """Add the attributes of an Access-Request; `hide` makes the value of User-Password from a password.

    Raise RequestError if the name or the password does not fit.
    """
    encoder.add(USER_NAME, _user_name(login.user_name))
    _add_password(encoder, login, random, hide)
    add_attributes(encoder, login.attributes)
    if login.state is not None:
        encoder.add(STATE, login.state)


def add_attributes(encoder: RequestEncoder, attributes: Attributes) -> None:
    """Add attributes as they are."""
    for vendor, number, octets in attributes:
        encoder.add(number, octets, vendor)


def encoded(encoder: RequestEncoder) -> bytes:
    """Return the octets of a packet; raise RequestError if it is too long."""
    octets = encoder.encode()
    if len(octets) > MAX_OCTETS:
        raise RequestError(reasons.BAD_CONFIGURATION, f"the request is longer than {MAX_OCTETS} octets")
    return octets


def _signed_encoder(code: int, random: Random) -> RequestEncoder:
    encoder = RequestEncoder(code, random(1)[0], random(16))
    encoder.add(MESSAGE_AUTHENTICATOR, bytes(16))
    return encoder


def _signed(encoder: RequestEncoder, secret: bytes) -> bytes:
    octets = bytearray(encoded(encoder))
    octets[_DIGEST_IN_REQUEST] = hmac_md5(secret, bytes(octets))
    return bytes(octets)


def _hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Return the value of User-Password (RFC 2865 section 5.2); an empty password is a block of padding."""
    padded = password + bytes(-len(password) % 16 if password else 16)
    hidden, previous = b"", authenticator
    for at in range(0, len(padded), 16):
        block = zip(padded[at : at + 16], md5(secret + previous))
        previous = bytes(left ^ right for left, right in block)
        hidden += previous
    return hidden


def _vendor_attributes(octets: bytes, vendor: int) -> List[Tuple[int, bytes]]:
    if octets[:4] != struct.pack("!L", vendor):
        return []
    found, at = [], 4
    while at < len(octets):
        size = octets[at + 1] if at + 1 < len(octets) else 0
        if size < 2 or at + size > len(octets):
            return []
        found.append((octets[at], octets[at + 2 : at + size]))
        at += size
    return found


def _user_name(name: str) -> bytes:
    try:
        octets = name.encode("utf-8")
    except UnicodeEncodeError:
        octets = b""
    if not 0 < len(octets) <= MAX_VALUE_OCTETS:
        raise RequestError(reasons.BAD_USERNAME, f"the user name is not 1 to {MAX_VALUE_OCTETS} octets of UTF-8")
    return octets


def _add_password(encoder: RequestEncoder, login: Login, random: Random, hide: Callable[[bytes], bytes]) -> None:
    if login.eap:  # RFC 3579 section 3.1
        for at in range(0, len(login.eap), MAX_VALUE_OCTETS):
            encoder.add(EAP_MESSAGE, login.eap[at : at + MAX_VALUE_OCTETS])
        return
    if login.mschap is not None:  # RFC 2548 sections 2.1.2 and 2.3.2
        encoder.add(MS_CHAP_CHALLENGE, login.mschap.challenge, MICROSOFT)
        encoder.add(MS_CHAP2_RESPONSE, login.mschap.value, MICROSOFT)
        return
    try:
        password = login.password.octets()
    except ValueError as error:
        raise RequestError(reasons.BAD_PASSWORD, "the password " + str(error)) from None
    if login.method == "chap":  # RFC 2865 sections 5.3 and 5.40
        identifier, challenge = random(1), random(16)
        encoder.add(CHAP_PASSWORD, identifier + md5(identifier + password + challenge))
        encoder.add(CHAP_CHALLENGE, challenge)
        return
    if len(password) > MAX_PASSWORD_OCTETS:
        raise RequestError(reasons.BAD_PASSWORD, f"the password is longer than {MAX_PASSWORD_OCTETS} octets")
    encoder.add(USER_PASSWORD, hide(password))
