"""MD5, which RADIUS is built on (RFC 2865, RFC 3579), pure; the one module that uses the system's."""

import hashlib
import hmac
from typing import Any


class Md5Disabled(Exception):
    """The system does not compute MD5, as in FIPS mode before Python 3.9."""

    def __init__(self) -> None:
        super().__init__("MD5 is disabled on this system")


def md5(octets: bytes) -> bytes:
    """Return the MD5 of octets; raise Md5Disabled if the system does not compute it."""
    digest: bytes = _new(octets).digest()
    return digest


def hmac_md5(key: bytes, octets: bytes) -> bytes:
    """Return the HMAC-MD5 of octets (RFC 2104); raise Md5Disabled if the system does not compute it."""
    # Named as "md5" or as hashlib.md5, OpenSSL would compute it, which has no flag for an HMAC.
    return hmac.new(key, octets, _new).digest()


def _new(octets: bytes = b"") -> Any:
    """Return a hash object. The flag, new in Python 3.9, permits MD5 in FIPS mode: RADIUS has no other hash."""
    try:
        try:
            return hashlib.md5(octets, usedforsecurity=False)
        except TypeError:
            return hashlib.md5(octets)
    except ValueError:
        raise Md5Disabled() from None
