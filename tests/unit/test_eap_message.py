"""The parsers of EAP: packets, fragments, and AVPs."""

import struct
from typing import Any, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import reasons
from lib.radius.eap import avp, fragments, message
from lib.radius.eap.errors import EapError
from tests.support.cases import for_each


def refusal(call: Any, *arguments: Any) -> EapError:
    with pytest.raises(EapError) as raised:
        call(*arguments)
    assert raised.value.code == reasons.BAD_REPLY and not raised.value.is_final
    return raised.value


# Packets


@for_each(
    [
        (b"\x01\x07\x00\x05\x01", (1, 7, 1, b"")),
        (b"\x02\xff\x00\x08\x15abc", (2, 255, 21, b"abc")),
        (b"\x03\x00\x00\x04", (3, 0, 0, b"")),
        (b"\x04\x2a\x00\x04", (4, 42, 0, b"")),
    ]
)
def test_packets_are_read(octets: bytes, expected: Any) -> None:
    assert message.parse(octets) == expected


@for_each(
    [
        b"",
        b"\x01",
        b"\x01\x07\x00",
        b"\x01\x07\x00\x04",
        b"\x01\x07\x00\x03",
        b"\x01\x07\x00\x06\x01",
        b"\x01\x07\x00\x05\x01\x00",
        b"\x03\x07\x00\x05\x01",
        b"\x04\x07\x00\x05\x01",
        b"\x00\x07\x00\x05\x01",
        b"\x05\x07\x00\x05\x01",
    ]
)
def test_malformed_packets_are_refused(octets: bytes) -> None:
    refusal(message.parse, octets)


@given(st.binary(max_size=40))
def test_any_octets_are_a_packet_or_an_error(octets: bytes) -> None:
    try:
        packet = message.parse(octets)
    except EapError:
        return
    if packet.code in (message.REQUEST, message.RESPONSE):
        assert message.encode(*packet) == octets


def test_packets_do_not_show_their_content() -> None:
    assert "xyzzy" not in repr(message.Packet(2, 1, 21, b"xyzzy"))


# Fragments


@for_each([0, 1, 999, 1000, 1001, 2000, 2001, 65536])
def test_messages_survive_fragmentation(size: int) -> None:
    octets = bytes(each % 251 for each in range(size))
    sent = [fragments.parse(content) for content in fragments.split(octets)]
    assert len(sent) == max(1, -(-size // 1000)) and all(len(each.data) <= 1000 for each in sent)
    reassembler = fragments.Reassembler()
    assert [reassembler.add(each) for each in sent] == [None] * (len(sent) - 1) + [octets]
    assert not reassembler.is_partial
    assert [each.length for each in sent] == ([None] if len(sent) == 1 else [size] + [None] * (len(sent) - 1))
    assert not any(each.is_start or each.version for each in sent)


def joined(*contents: bytes) -> Optional[bytes]:
    reassembler = fragments.Reassembler()
    result: List[Optional[bytes]] = [reassembler.add(fragments.parse(each)) for each in contents]
    return result[-1]


LENGTH, MORE = 0x80, 0x40


def content(flags: int, data: bytes, length: Optional[int] = None) -> bytes:
    return bytes([flags]) + (b"" if length is None else struct.pack("!I", length)) + data


@for_each(
    [
        ([content(0, b"abc")], b"abc"),
        ([content(0, b"")], b""),
        ([content(LENGTH, b"abc", 3)], b"abc"),
        ([content(LENGTH | MORE, b"ab", 3), content(0, b"c")], b"abc"),
        ([content(LENGTH | MORE, b"ab", 5), content(LENGTH | MORE, b"cd", 5), content(LENGTH, b"e", 5)], b"abcde"),
        ([content(0, b"first"), content(LENGTH | MORE, b"ab", 3), content(0, b"c")], b"abc"),
        ([content(LENGTH, b"x", 1), content(0, b"abc")], b"abc"),
    ]
)
def test_fragments_are_joined(contents: List[bytes], expected: bytes) -> None:
    assert joined(*contents) == expected


@for_each(
    [
        ([b""], "without flags"),
        ([bytes([LENGTH])], "shorter than its header"),
        ([bytes([LENGTH, 0, 0, 0])], "shorter than its header"),
        ([content(MORE, b"ab")], "without a length"),
        ([content(LENGTH | MORE, b"", 3)], "without data"),
        ([content(LENGTH | MORE, b"a", 3), content(MORE, b"")], "without data"),
        ([content(LENGTH, b"ab", 3)], "shorter than announced"),
        ([content(LENGTH, b"abcd", 3)], "longer than announced"),
        ([content(LENGTH | MORE, b"abc", 3)], "longer than announced"),
        ([content(LENGTH | MORE, b"ab", 3), content(0, b"cd")], "longer than announced"),
        ([content(LENGTH | MORE, b"ab", 4), content(0, b"c")], "shorter than announced"),
        ([content(LENGTH | MORE, b"ab", 4), content(LENGTH, b"cd", 5)], "different message length"),
        ([content(LENGTH | MORE, b"ab", 65537)], "longer than 65536 octets"),
        ([content(LENGTH | MORE, b"ab", 0xFFFFFFFF)], "longer than 65536 octets"),
        ([content(0, bytes(65537))], "longer than announced"),
    ]
)
def test_malformed_fragments_are_refused(contents: List[bytes], text: str) -> None:
    assert text in str(refusal(joined, *contents))


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_any_fragments_are_joined_or_refused(contents: List[bytes]) -> None:
    reassembler = fragments.Reassembler()
    try:
        for each in contents:
            reassembler.add(fragments.parse(each))
    except EapError:
        pass


# AVPs


def test_avps_are_encoded_as_in_rfc_5281() -> None:
    assert avp.encode(avp.Avp(1, b"bob")).hex() == "000000014000000b626f6200"
    assert avp.encode(avp.Avp(26, b"abcd", 311, False)).hex() == "0000001a800000100000013761626364"
    assert avp.encode() == b""


def test_avps_that_are_too_long_are_refused() -> None:
    with pytest.raises(ValueError):
        avp.encode(avp.Avp(1, bytes(2**24)))


AVPS = st.builds(avp.Avp, st.integers(0, 2**32 - 1), st.binary(max_size=30), st.integers(0, 2**32 - 1), st.booleans())


@given(st.lists(AVPS, max_size=5))
def test_avps_survive_encoding(avps: List[avp.Avp]) -> None:
    assert avp.parse(avp.encode(*avps)) == tuple(avps)


def test_last_avp_may_lack_its_padding() -> None:
    octets = avp.encode(avp.Avp(1, b"a"), avp.Avp(2, b"b"))
    assert avp.parse(octets[:-3]) == avp.parse(octets)


@for_each(
    [
        "00",
        "00000001400000",
        "0000000140000007",
        "0000000140000000",
        "000000014000000c626f62",
        "0000000140ffffff626f62",
        "000000018000000800000137",
        "000000018000000b000001",
        "000000014000000962000000ff",
        "00000001400000096200",
        "000000014000000b626f620000000000",
    ]
)
def test_malformed_avps_are_refused(octets: str) -> None:
    refusal(avp.parse, bytes.fromhex(octets))


@given(st.binary(max_size=60))
def test_any_octets_are_avps_or_an_error(octets: bytes) -> None:
    try:
        found = avp.parse(octets)
    except EapError:
        return
    assert sum(len(each.value) + 8 for each in found) <= len(octets)


def test_avps_do_not_show_their_values() -> None:
    assert "xyzzy" not in repr(avp.Avp(2, b"xyzzy"))
