"""MS-CHAPv2, pure: the response to send, the server's proof that it knows the password too, and its errors in words.

RFC 2759 for the arithmetic, RFC 2548 section 2 for the attributes. No sockets, no clock, no randomness of its own.

MD4 and DES are ours, as there is no library for them wherever SPS runs: OpenSSL 3 hides MD4, held to FIPS it refuses
DES too, and `cryptography` has no MD4, moves TripleDES about between versions and takes 5 to 12 ms until its first
block, although the SDK has imported it (30 to 120 ms if not), where DES in Python takes 2 ms, its compilation included.
The vectors of their standards and agreement with OpenSSL prove both. An import is needed for neither.
"""

import hashlib
import hmac
import re
import struct
from typing import Callable, Optional, Sequence, Tuple

from ..namedtuple import NamedTuple
from ..secret import Secret

CHALLENGE_OCTETS = 16  # of the authenticator's challenge, and of the peer's
MAX_PASSWORD_CHARACTERS = 256

_MAGIC_1 = b"Magic server to client signing constant"
_MAGIC_2 = b"Pad to make it do more than one iteration"


class Response(NamedTuple):
    """What goes into an Access-Request, and what must come back; `repr` shows nothing of it."""

    challenge: bytes
    """Value of MS-CHAP-Challenge: 16 octets."""
    value: bytes
    """Value of MS-CHAP2-Response: 50 octets. The password can be guessed from it."""
    success: str
    """What a server that knows the password sends in MS-CHAP2-Success: `S=` and 40 hexadecimal digits."""

    def __repr__(self) -> str:
        return "<MS-CHAPv2 response>"


class Error(NamedTuple):
    """An MS-CHAP-Error: its code if it has one, words for the user, and the server's own text as it came."""

    code: Optional[int]
    words: str
    message: bytes
    """Not yet safe to show; empty if there is none."""


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
    """Return the response to a challenge that the NAS made for itself, and the success to expect.

    Both challenges are 16 octets from a random source, `identifier` is 0 to 255. A `DOMAIN\\` before the name is not
    part of the arithmetic. Raise ValueError, without the password in it, if the password is longer than 256 UTF-16
    code units, if it or the name cannot be encoded, or if a challenge or the identifier is of a wrong size.
    """
    if not len(authenticator_challenge) == len(peer_challenge) == CHALLENGE_OCTETS or not 0 <= identifier <= 255:
        raise ValueError("a challenge or the identifier is of a wrong size")
    challenge = _challenge_hash(peer_challenge, authenticator_challenge, user_name)
    password_hash = _password_hash(password)
    nt_response = _challenge_response(challenge, password_hash)
    return Response(
        challenge=authenticator_challenge,
        value=bytes([identifier, 0]) + peer_challenge + bytes(8) + nt_response,  # RFC 2548 section 2.3.2
        success=_authenticator_response(password_hash, nt_response, challenge),
    )


def server_proved(success: str, attribute: bytes, identifier: int) -> bool:
    """Whether the value of an MS-CHAP2-Success (RFC 2548 section 2.3.3) holds this identifier and this success.

    A message (` M=...`, RFC 2759 section 5) may follow. Whatever is malformed proves nothing.
    """
    match = re.fullmatch(rb"(?s)(.)(S=[0-9A-F]{40})(?: M=.*)?", attribute)
    if match is None or match.group(1)[0] != identifier:
        return False
    return hmac.compare_digest(match.group(2), success.encode("ascii", "replace"))


def error_words(attribute: bytes) -> Error:
    """Return what the value of an MS-CHAP-Error says (RFC 2548 section 2.1.5, RFC 2759 section 6).

    The identifier before the text may be missing. A value that cannot be read has no code and a general sentence.
    """
    text = attribute if attribute.startswith(b"E=") else attribute[1:]
    fields, _, message = text.partition(b" M=")
    match = re.match(rb"E=([0-9]{1,10})(?![^ ])", fields)
    if match is None:
        return Error(None, _REFUSED, b"")
    code = int(match.group(1))
    return Error(code, _ERRORS.get(code, "{} with error {}".format(_REFUSED, code)), message)


def _challenge_hash(peer_challenge: bytes, authenticator_challenge: bytes, user_name: str) -> bytes:
    """RFC 2759 section 8.2. The RFC knows only ASCII names; in UTF-8 they are as in User-Name."""
    try:
        name = user_name.split("\\", 1)[-1].encode("utf-8")
    except UnicodeEncodeError:
        name = None
    if name is None:  # not raised above: the error there holds the name
        raise ValueError("the user name holds characters that UTF-8 cannot encode")
    return hashlib.sha1(peer_challenge + authenticator_challenge + name).digest()[:8]


def _password_hash(password: Secret) -> bytes:
    """RFC 2759 section 8.3."""
    try:
        octets = password.reveal().encode("utf-16-le")
    except UnicodeEncodeError:
        octets = None
    if octets is None:  # not raised above: the error there holds the password
        raise ValueError("the password holds characters that UTF-16 cannot encode")
    if len(octets) > 2 * MAX_PASSWORD_CHARACTERS:
        raise ValueError("the password is longer than {} characters".format(MAX_PASSWORD_CHARACTERS))
    return _md4(octets)


def _challenge_response(challenge: bytes, password_hash: bytes) -> bytes:
    """RFC 2759 section 8.5."""
    keys = password_hash + bytes(5)
    return b"".join(_des(_des_key(keys[at : at + 7]), challenge) for at in (0, 7, 14))


def _authenticator_response(password_hash: bytes, nt_response: bytes, challenge: bytes) -> str:
    """RFC 2759 section 8.7."""
    digest = hashlib.sha1(_md4(password_hash) + nt_response + _MAGIC_1).digest()
    return "S=" + hashlib.sha1(digest + challenge + _MAGIC_2).hexdigest().upper()


# MD4, RFC 1320 section 3.4: of each round its function, constant, order of the words, and shifts.
_MD4_ROUNDS: Tuple[Tuple[Callable[[int, int, int], int], int, Sequence[int], Sequence[int]], ...] = (
    (lambda x, y, z: x & y | ~x & z, 0, range(16), (3, 7, 11, 19)),
    (
        lambda x, y, z: x & y | x & z | y & z,
        0x5A827999,
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        (3, 5, 9, 13),
    ),
    (
        lambda x, y, z: x ^ y ^ z,
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
    ),
)


def _md4(message: bytes) -> bytes:
    """Return the 16 octets of the MD4 of a message (RFC 1320)."""
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + struct.pack("<Q", 8 * len(message))
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    for words in struct.iter_unpack("<16I", padded):
        a, b, c, d = state
        for function, constant, order, shifts in _MD4_ROUNDS:
            for step, word in enumerate(order):
                turned = _rotate(a + function(b, c, d) + words[word] + constant, shifts[step % 4], 32)
                a, b, c, d = d, turned, b, c
        state = (state[0] + a, state[1] + b, state[2] + c, state[3] + d)
    return struct.pack("<4I", *(number & 0xFFFFFFFF for number in state))


# DES, FIPS 46-3. Tables count bits from 1, the most significant, as the standard does.
_DES_IP = tuple(first - 8 * step for first in (58, 60, 62, 64, 57, 59, 61, 63) for step in range(8))
_DES_IP_INVERSE = tuple(first - step for step in range(8) for first in (40, 8, 48, 16, 56, 24, 64, 32))
_DES_E = tuple((4 * box + step) % 32 + 1 for box in range(8) for step in range(-1, 5))
_DES_P = (
    16,
    7,
    20,
    21,
    29,
    12,
    28,
    17,
    1,
    15,
    23,
    26,
    5,
    18,
    31,
    10,
    2,
    8,
    24,
    14,
    32,
    27,
    3,
    9,
    19,
    13,
    30,
    6,
    22,
    11,
    4,
    25,
)
_DES_PC1 = (
    57,
    49,
    41,
    33,
    25,
    17,
    9,
    1,
    58,
    50,
    42,
    34,
    26,
    18,
    10,
    2,
    59,
    51,
    43,
    35,
    27,
    19,
    11,
    3,
    60,
    52,
    44,
    36,
    63,
    55,
    47,
    39,
    31,
    23,
    15,
    7,
    62,
    54,
    46,
    38,
    30,
    22,
    14,
    6,
    61,
    53,
    45,
    37,
    29,
    21,
    13,
    5,
    28,
    20,
    12,
    4,
)
_DES_PC2 = (
    14,
    17,
    11,
    24,
    1,
    5,
    3,
    28,
    15,
    6,
    21,
    10,
    23,
    19,
    12,
    4,
    26,
    8,
    16,
    7,
    27,
    20,
    13,
    2,
    41,
    52,
    31,
    37,
    47,
    55,
    30,
    40,
    51,
    45,
    33,
    48,
    44,
    49,
    39,
    56,
    34,
    53,
    46,
    42,
    50,
    36,
    29,
    32,
)
_DES_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_DES_S = (  # a box a line, a hexadecimal digit an entry, its four rows one after the other
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)


def _des_key(octets: bytes) -> bytes:
    """Return 7 octets as a DES key of 8, of seven bits each and one for odd parity (RFC 2759 section 8.6)."""
    sevens = (int.from_bytes(octets, "big") >> shift & 0x7F for shift in range(49, -1, -7))
    return bytes(seven << 1 | (bin(seven).count("1") + 1) % 2 for seven in sevens)


def _des(key: bytes, block: bytes) -> bytes:
    """Return 8 octets encrypted with DES under a key of 8, whose parity is not looked at (FIPS 46-3)."""
    chosen = _bits(int.from_bytes(key, "big"), 64, _DES_PC1)
    c, d = chosen >> 28, chosen & 0xFFFFFFF
    mixed = _bits(int.from_bytes(block, "big"), 64, _DES_IP)
    left, right = mixed >> 32, mixed & 0xFFFFFFFF
    for shift in _DES_SHIFTS:
        c, d = _rotate(c, shift, 28), _rotate(d, shift, 28)
        sixes = _bits(right, 32, _DES_E) ^ _bits(c << 28 | d, 56, _DES_PC2)
        fours = 0
        for box, place in zip(_DES_S, range(42, -1, -6)):
            six = sixes >> place & 0x3F
            # The outer bits are the row, the inner four the column.
            fours = fours << 4 | int(box[six & 0x20 | (six & 1) << 4 | six >> 1 & 0xF], 16)
        left, right = right, left ^ _bits(fours, 32, _DES_P)
    return _bits(right << 32 | left, 64, _DES_IP_INVERSE).to_bytes(8, "big")


def _bits(number: int, width: int, table: Sequence[int]) -> int:
    """Return the bits of a number of so many bits that a table names, in its order."""
    result = 0
    for bit in table:
        result = result << 1 | number >> width - bit & 1
    return result


def _rotate(number: int, shift: int, width: int) -> int:
    """Return the lowest bits of a number, so many as the width, rotated to the left."""
    mask = (1 << width) - 1
    number &= mask
    return (number << shift | number >> width - shift) & mask
