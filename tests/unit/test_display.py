"""Attributes as text: values of every kind are shown, secrets never."""

import ipaddress
import struct
from typing import Tuple

import hypothesis.strategies as st
from hypothesis import given

from lib.radius import packet
from lib.radius.attributes import FORBIDDEN, Attribute, encode, find
from lib.radius.display import shown
from lib.secret import Secret
from lib.text import holds_control
from tests.support.cases import for_each
from tests.support.dictionary import NAMES
from tests.support.misbehaving import pack

SECRET_VALUE = b"hunter2 and more"


@for_each(
    [
        ("User-Name", "jürgen".encode("utf-8"), "jürgen"),
        ("Reply-Message", b"\x1b[31mRed\x1b[0m\r\nnext\0", "Red next"),
        ("Reply-Message", b"caf\xe9", "caf\ufffd"),
        ("Filter-Id", b"", ""),
        ("NAS-Port-Type", b"\0\0\0\5", "Virtual"),
        ("Session-Timeout", b"\0\0\1\0", "256"),
        ("NAS-IP-Address", b"\xc0\0\2\1", "192.0.2.1"),
        ("NAS-IP-Address", b"\xc0\0\2", "0xc00002"),
        ("NAS-IPv6-Address", ipaddress.IPv6Address("2001:db8::1").packed, "2001:db8::1"),
        ("Framed-IPv6-Prefix", b"\0\x20\x20\x01\x0d\xb8", "2001:db8::/32"),
        ("Framed-IPv6-Prefix", b"\0\xff\x20\x01", "0x00ff2001"),
        ("Framed-IPv6-Prefix", b"\0", "0x00"),
        ("Class", b"OU=ops;", "OU=ops;"),
        ("Class", b"\xff\0", "0xff00"),
        ("Class", b"a\x1b[2J", "0x611b5b324a"),
        ("Tunnel-Private-Group-Id", b"\1VLAN", ":1:VLAN"),
        ("Tunnel-Private-Group-Id", b"\0VLAN", "VLAN"),
        ("Tunnel-Private-Group-Id", b"VLAN", "VLAN"),
        ("Tunnel-Type", b"\1\0\0\x0d", ":1:VLAN"),
        ("Cisco-AVPair", b"shell:priv-lvl=15", "shell:priv-lvl=15"),
        ("Cisco-AVPair", b"tunnel-password=hunter2", "<hidden, 23 octets>"),
        ("Framed-Interface-Id", bytes(8), "0x0000000000000000"),
    ]
)
def test_values_of_every_kind_are_shown(name: str, octets: bytes, value: str) -> None:
    attribute = find(name)
    assert shown(attribute.vendor, attribute.number, octets) == (name, value)


@for_each(sorted(set(FORBIDDEN) - {"User-Name", "Vendor-Specific"} | {"Tunnel-Password"}))
def test_secrets_are_hidden_under_any_configured_name(name: str) -> None:
    vendor, number = find(name).key
    assert shown(vendor, number, SECRET_VALUE) == (name, "<hidden, 16 octets>")
    harmless = Attribute("Harmless", vendor, number, "string")
    assert shown(vendor, number, SECRET_VALUE, [harmless]) == ("Harmless", "<hidden, 16 octets>")


@for_each(
    [name for name in NAMES if ("password" in name.lower() or name.endswith("-Key")) and find(name).kind != "integer"]
)
def test_attributes_named_like_a_secret_are_hidden(name: str) -> None:
    vendor, number = find(name).key
    assert shown(vendor, number, SECRET_VALUE) == (name, "<hidden, 16 octets>")


@for_each([(0, 250, "250"), (9999, 3, "26.9999.3"), (2**32 - 1, 1, "26.4294967295.1"), (0, 0, "0")])
def test_unknown_attributes_are_shown_by_length(vendor: int, number: int, name: str) -> None:
    assert shown(vendor, number, b"x") == (name, "<unknown, 1 octet>")


def test_configured_attributes_are_decoded() -> None:
    assert shown(9999, 3, b"\0\0\0\7", [Attribute("Acme-Level", 9999, 3, "integer")]) == ("Acme-Level", "7")


@given(st.sampled_from(NAMES), st.binary(max_size=253))
def test_any_octets_are_safe_to_show(name: str, octets: bytes) -> None:
    attribute = find(name)
    shown_name, value = shown(attribute.vendor, attribute.number, octets)
    assert shown_name == name
    assert not holds_control(value.replace("\u200c", "").replace("\u200d", ""))


@for_each(
    [
        ("Filter-Id", "admins"),
        ("NAS-Port-Type", "Virtual"),
        ("NAS-IPv6-Address", "2001:db8::1"),
        ("Framed-IPv6-Prefix", "2001:db8::/32"),
        ("NAS-IP-Address", "192.0.2.1"),
        ("Class", "0xff00"),
    ]
)
def test_encoded_values_are_shown_as_they_were_written(name: str, text: str) -> None:
    attribute = find(name)
    assert shown(attribute.vendor, attribute.number, encode(attribute, text)) == (name, text)


def vendor_specific(vendor: int, *inside: Tuple[int, bytes]) -> Tuple[int, bytes]:
    return 26, struct.pack("!L", vendor) + pack(inside)


@for_each(
    [
        ([(1, b"alice"), (18, b"")], [(0, 1, b"alice"), (0, 18, b"")]),
        ([vendor_specific(9, (1, b"a"), (2, b"b"))], [(9, 1, b"a"), (9, 2, b"b")]),
        ([(26, b"\0\0\0\x09\1\0")], [(0, 26, b"\0\0\0\x09\1\0")]),  # inner length 0
        ([(26, b"\0\0")], [(0, 26, b"\0\0")]),
        ([(26, b"")], [(0, 26, b"")]),
    ]
)
def test_contents_lists_the_attributes_of_vendors(attributes: object, expected: object) -> None:
    packed = pack(attributes)  # type: ignore[arg-type]
    octets = struct.pack("!BBH", 2, 1, 20 + len(packed)) + bytes(16) + packed
    assert list(packet.contents(octets)) == expected
    assert list(packet.contents(octets + b"padding")) == expected


def test_contents_of_an_access_request() -> None:
    login = packet.Login("alice", Secret("x"), "pap", b"state", ((0, 32, b"sps"), (9, 1, b"shell:x=1")))
    octets = packet.encode(login, b"secret", lambda count: b"r" * count)
    kinds = [(vendor, number) for vendor, number, _ in packet.contents(octets)]
    assert kinds == [(0, 80), (0, 1), (0, 2), (0, 32), (9, 1), (0, 24)]
