"""Recovery codes: made, written down, read back and compared with their salted hashes, pure.

A code has 80 random bits, so its hash needs no more stretching than a configuration that leaks would call for.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Callable

from .namedtuple import NamedTuple
from .secret import Secret

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Five bits a character, without the letters I, L, O and U (Crockford's base 32)."""

CODE_OCTETS = 10
ITERATIONS = 10000
"""Of PBKDF2 in a new hash: some 5 ms, so that the most lines that are tried take some 100 ms."""

MAX_ITERATIONS = 2 * ITERATIONS
_SCHEME = "pbkdf2-sha256"
_SALT_OCTETS = 16
_GROUP = 4  # characters between hyphens
_SAID_FOR = str.maketrans("ILO", "110")  # what people type for a digit

Random = Callable[[int], bytes]
"""Returns that many random octets: `os.urandom`."""


class RecoveryHash(NamedTuple):
    """The salted hash of one code: PBKDF2-HMAC-SHA256 (RFC 8018 section 5.2)."""

    iterations: int
    salt: bytes
    digest: bytes

    def __str__(self) -> str:
        return ":".join((_SCHEME, str(self.iterations), _text(self.salt), _text(self.digest)))

    @property
    def name(self) -> str:
        """A name for the code, for files and logs, from which neither the code nor the hash can be found."""
        return hashlib.sha256(b"recovery code\0" + self.salt + self.digest).hexdigest()[:32]

    def matches(self, code: Secret) -> bool:
        """Whether this is the hash of a code, however the user has written it; takes a few milliseconds."""
        return hmac.compare_digest(_digest(code, self.iterations, self.salt), self.digest)


def new_code(random: Random) -> Secret:
    """Return a new code in groups of four characters, as in `7K3M-9QXT-0GHV-W2BD`."""
    bits = int.from_bytes(random(CODE_OCTETS), "big")
    characters = [ALPHABET[bits >> shift & 31] for shift in range(5 * (8 * CODE_OCTETS // 5 - 1), -1, -5)]
    groups = ("".join(characters[at : at + _GROUP]) for at in range(0, len(characters), _GROUP))
    return Secret("-".join(groups))


def new_hash(code: Secret, random: Random) -> RecoveryHash:
    """Return the hash of a code with a salt of its own."""
    salt = random(_SALT_OCTETS)
    return RecoveryHash(ITERATIONS, salt, _digest(code, ITERATIONS, salt))


def parse(text: str) -> RecoveryHash:
    """Return the hash that a line of the configuration holds; raise ValueError, without the text, if it holds none."""
    scheme, _, rest = text.strip().partition(":")
    iterations, salt, digest = (rest.split(":") + ["", "", ""])[:3]
    if scheme != _SCHEME or rest.count(":") != 2 or not re.match(r"[1-9][0-9]{0,9}\Z", iterations):
        raise ValueError(f"expected {_SCHEME}:ITERATIONS:SALT:HASH")
    if int(iterations) > MAX_ITERATIONS:
        raise ValueError(f"more than {MAX_ITERATIONS} iterations")
    try:
        found = RecoveryHash(int(iterations), _octets(salt), _octets(digest))
    except (ValueError, binascii.Error):
        raise ValueError("salt and hash must be base64") from None
    if len(found.salt) < 8 or len(found.digest) != hashlib.sha256().digest_size:
        raise ValueError("salt or hash is cut off")
    return found


def _digest(code: Secret, iterations: int, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", _folded(code).encode("utf-8", "surrogatepass"), salt, iterations)


def _folded(code: Secret) -> str:
    """Return a code as it is hashed: upper case, without blanks and hyphens, digits for the letters like them."""
    return "".join(re.findall(r"[^\s\-]", code.reveal().upper())).translate(_SAID_FOR)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _octets(text: str) -> bytes:
    if not re.match(r"[A-Za-z0-9_-]+\Z", text):
        raise ValueError
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
