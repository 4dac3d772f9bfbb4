"""The keys of a login in an Access-Accept (RFC 2548 sections 2.4.2 and 2.4.3), pure."""

from .md5 import md5

MS_MPPE_SEND_KEY, MS_MPPE_RECV_KEY = 16, 17
"""Types of Microsoft's attributes."""

_SALT_OCTETS, _BLOCK = 2, 16


def decrypt(value: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Return the key in the value of MS-MPPE-Send-Key or MS-MPPE-Recv-Key; an empty one if the value is malformed.

    `authenticator` is that of the request.
    """
    salt, hidden = value[:_SALT_OCTETS], value[_SALT_OCTETS:]
    if not hidden or len(hidden) % _BLOCK:
        return b""
    plain, previous = b"", authenticator + salt
    for at in range(0, len(hidden), _BLOCK):
        block = hidden[at : at + _BLOCK]
        plain += bytes(left ^ right for left, right in zip(block, md5(secret + previous)))
        previous = block
    size = plain[0]
    return plain[1 : 1 + size] if size < len(plain) else b""
