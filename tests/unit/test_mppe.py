"""The keys in an Access-Accept: pyrad's encryption of salted values is the same (RFC 2868 section 3.5)."""

import os

from hypothesis import given
from hypothesis import strategies as st
from pyrad.packet import Packet

from lib.radius import mppe

SECRET = b"a shared secret"


def encrypted(key: bytes, authenticator: bytes) -> bytes:
    """Return the value that a server sends."""
    packet = Packet(secret=SECRET, authenticator=authenticator)
    value: bytes = packet.SaltCrypt(key)
    return value


@given(st.binary(max_size=64))
def test_encrypted_key_is_decrypted(key: bytes) -> None:
    authenticator = os.urandom(16)
    assert mppe.decrypt(encrypted(key, authenticator), SECRET, authenticator) == key


def test_another_secret_or_request_gives_another_key() -> None:
    key, authenticator = os.urandom(32), os.urandom(16)
    value = encrypted(key, authenticator)
    assert mppe.decrypt(value, b"another secret", authenticator) != key
    assert mppe.decrypt(value, SECRET, os.urandom(16)) != key


@given(st.binary(max_size=120))
def test_malformed_value_gives_no_key_or_one_that_fits(value: bytes) -> None:
    assert len(mppe.decrypt(value, SECRET, bytes(16))) <= max(0, len(value) - 3)
