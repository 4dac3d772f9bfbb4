"""MS-CHAPv2, pure: the response to send, the proof that the server knows the password, and the meaning of its errors.

RFC 2759 for the arithmetic, RFC 3079 for the keys, RFC 2548 section 2 for the attributes. No sockets, no clock, no
randomness of its own.
"""

import hashlib
import hmac
import re
from typing import List, Optional, Tuple

from ..namedtuple import NamedTuple
from ..secret import Secret
from ._md4_des import des, des_key, md4

CHALLENGE_OCTETS = 16  # of the authenticator's challenge, and of the peer's
MAX_PASSWORD_CHARACTERS = 256

_MAGIC_1 = b"Magic server to client signing constant"
_MAGIC_2 = b"Pad to make it do more than one iteration"
_MASTER_KEY = b"This is the MPPE Master Key"
_SEND_KEY = b"On the client side, this is the send key; on the server side, it is the receive key."
_RECEIVE_KEY = b"On the client side, this is the receive key; on the server side, it is the send key."


class Response(NamedTuple):
    """The values for an Access-Request, and the success that must come back; `repr` shows none of them."""

    challenge: bytes
    """Value of MS-CHAP-Challenge: 16 octets."""
    value: bytes
    """Value of MS-CHAP2-Response: 50 octets. The password can be guessed from it."""
    success: str
    """MS-CHAP2-Success from a server that knows the password: `S=` and 40 hexadecimal digits."""

    def __repr__(self) -> str:
        return "<MS-CHAPv2 response>"


class Error(NamedTuple):
    """An MS-CHAP-Error: its code if it has one, a text for the user, and the message of the server."""

    code: Optional[int]
    text: str
    message: bytes
    """As received, so not yet safe to show; empty if there is none."""

    @property
    def texts(self) -> List[bytes]:
        """What the user should see: the text, and the message if there is one."""
        return [self.text.encode("utf-8")] + ([self.message] if self.message else [])


_REFUSED = "The server refused the login"
_ERRORS = {  # RFC 2759 section 6
    646: "Logging in is not allowed at this hour",
    647: "The account is disabled or locked",
    648: "The password has expired",
    649: "The account may not log in remotely",
    691: "Wrong user name or password",
    709: "The password could not be changed",
}


def response(
    user_name: str, password: Secret, authenticator_challenge: bytes, peer_challenge: bytes, identifier: int
) -> Response:
    """Return the response to a challenge that the NAS made itself, and the expected MS-CHAP2-Success.

    Both challenges are 16 octets from a random source, `identifier` is 0 to 255. A `DOMAIN\\` before the name is left
    out of the calculation. Raise ValueError, without the password in it, if the password is longer than 256 UTF-16
    code units, if it or the name cannot be encoded, or if a challenge or the identifier has the wrong size.
    """
    if not len(authenticator_challenge) == len(peer_challenge) == CHALLENGE_OCTETS or not 0 <= identifier <= 255:
        raise ValueError("a challenge or the identifier has the wrong size")
    challenge = _challenge_hash(peer_challenge, authenticator_challenge, user_name)
    password_hash = _password_hash(password)
    nt_response = _challenge_response(challenge, password_hash)
    return Response(
        challenge=authenticator_challenge,
        value=bytes([identifier, 0]) + peer_challenge + bytes(8) + nt_response,  # RFC 2548 section 2.3.2
        success=_authenticator_response(password_hash, nt_response, challenge),
    )


def verify_success(success: str, attribute: bytes, identifier: int) -> bool:
    """Whether the value of an MS-CHAP2-Success (RFC 2548 section 2.3.3) has this identifier and this success.

    A message (` M=...`, RFC 2759 section 5) may follow. A malformed value proves nothing.
    """
    match = re.fullmatch(rb"(?s)(.)(S=[0-9A-F]{40})(?: M=.*)?", attribute)
    if match is None or match.group(1)[0] != identifier:
        return False
    return hmac.compare_digest(match.group(2), success.encode("ascii", "replace"))


def client_keys(password: Secret, made: Response) -> Tuple[bytes, bytes]:
    """Return the keys of 16 octets that the client sends and receives with after this response (RFC 3079 section 3)."""
    digest = hashlib.sha1(md4(_password_hash(password)) + made.value[-24:] + _MASTER_KEY).digest()
    padded = digest[:16] + bytes(40)
    send, receive = (hashlib.sha1(padded + text + b"\xf2" * 40).digest()[:16] for text in (_SEND_KEY, _RECEIVE_KEY))
    return send, receive


def parse_error(attribute: bytes) -> Error:
    """Return the meaning of the value of an MS-CHAP-Error (RFC 2548 section 2.1.5, RFC 2759 section 6).

    The identifier before the text may be missing. A malformed value has no code and a general text.
    """
    text = attribute if attribute.startswith(b"E=") else attribute[1:]
    fields, _, message = text.partition(b" M=")
    match = re.match(rb"E=([0-9]{1,10})(?![^ ])", fields)
    if match is None:
        return Error(None, _REFUSED, b"")
    code = int(match.group(1))
    return Error(code, _ERRORS.get(code, f"{_REFUSED} with error {code}"), message)


def _challenge_hash(peer_challenge: bytes, authenticator_challenge: bytes, user_name: str) -> bytes:
    """RFC 2759 section 8.2. The RFC has ASCII names only; others are in UTF-8, as in User-Name."""
    try:
        name = user_name.split("\\", 1)[-1].encode("utf-8")
    except UnicodeEncodeError:
        name = None
    if name is None:  # not raised above, where the error contains the name
        raise ValueError("the user name holds characters that UTF-8 cannot encode")
    return hashlib.sha1(peer_challenge + authenticator_challenge + name).digest()[:8]


def _password_hash(password: Secret) -> bytes:
    """RFC 2759 section 8.3."""
    try:
        octets = password.reveal().encode("utf-16-le")
    except UnicodeEncodeError:
        octets = None
    if octets is None:  # not raised above, where the error contains the password
        raise ValueError("the password holds characters that UTF-16 cannot encode")
    if len(octets) > 2 * MAX_PASSWORD_CHARACTERS:
        raise ValueError(f"the password is longer than {MAX_PASSWORD_CHARACTERS} characters")
    return md4(octets)


def _challenge_response(challenge: bytes, password_hash: bytes) -> bytes:
    """RFC 2759 section 8.5."""
    keys = password_hash + bytes(5)
    return b"".join(des(des_key(keys[at : at + 7]), challenge) for at in (0, 7, 14))


def _authenticator_response(password_hash: bytes, nt_response: bytes, challenge: bytes) -> str:
    """RFC 2759 section 8.7."""
    digest = hashlib.sha1(md4(password_hash) + nt_response + _MAGIC_1).digest()
    return "S=" + hashlib.sha1(digest + challenge + _MAGIC_2).hexdigest().upper()
