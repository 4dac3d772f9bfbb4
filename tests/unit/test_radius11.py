"""RADIUS/1.1 against RFC 9765, octet by octet, and the two profiles side by side."""

import hashlib
import struct
from typing import Any, List, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pytest_mock import MockerFixture

from lib.radius import accounting, packet, profile, radius11
from lib.radius.packet import Discarded, DiscardReason, Login, Reply, RequestError
from lib.secret import Secret

ACCEPT, REJECT, CHALLENGE, PROTOCOL_ERROR = 2, 3, 11, 52
TOKEN = b"\0\1\xfe\xff"
REQUEST = b"\1\0\0\x14" + TOKEN + bytes(12)
RECORD = accounting.Record("Start", 1000.0, "a session", "alice", (b"class",))

Attribute = Tuple[int, bytes]


def counting(count: int) -> bytes:
    """Return octets that count up from 1, in place of random ones."""
    return bytes(range(1, count + 1))


def login(password: str = "secret", method: str = "pap", **options: Any) -> Login:
    values = dict(user_name="alice", password=Secret(password), method=method, state=None, attributes=())
    values.update(options)
    return Login(**values)  # type: ignore[arg-type]


def attributes(octets: bytes) -> List[Attribute]:
    """Return the attributes of a request, after a check of its header."""
    size = struct.unpack("!H", octets[2:4])[0]
    assert size == len(octets)
    assert octets[1] == 0 and octets[8:20] == bytes(12)  # reserved, section 4.1
    found, rest = [], octets[20:]
    while rest:
        found.append((rest[0], rest[2 : rest[1]]))
        rest = rest[rest[1] :]
    return found


def reply(code: int = ACCEPT, token: bytes = TOKEN, body: bytes = b"", reserved: bytes = bytes(12)) -> bytes:
    return struct.pack("!BBH", code, 0, 20 + len(body)) + token + reserved + body


def verified(octets: bytes, codes: Any = packet.LOGIN_CODES) -> Reply:
    return radius11.verify(octets, REQUEST, codes)


def reason_for(octets: bytes, codes: Any = packet.LOGIN_CODES) -> DiscardReason:
    with pytest.raises(Discarded) as caught:
        verified(octets, codes)
    return caught.value.reason


# Requests


def test_login_is_encoded_octet_by_octet() -> None:
    octets = radius11.encode(login(state=b"\0state", attributes=((0, 32, b"sps"), (9, 1, b"x"))), counting)
    expected = "01000039" + "01020304" + "00" * 12
    expected += "0107616c696365" + "0208736563726574" + "2005737073" + "1a0900000009010378" + "1808007374617465"
    assert octets == bytes.fromhex(expected)


def test_login_has_no_message_authenticator() -> None:
    for method in ("pap", "chap"):
        kinds = [kind for kind, _ in attributes(radius11.encode(login(method=method), counting))]
        assert packet.MESSAGE_AUTHENTICATOR not in kinds, method


def test_only_chap_needs_md5(mocker: MockerFixture) -> None:
    mocker.patch.object(hashlib, "md5", None)
    mocker.patch("pyrad.packet.md5_constructor", None)
    radius11.encode(login(), counting)
    radius11.encode_status((), counting)
    profile.Radius11().accounting(RECORD, 1000.0, counting)
    verified(reply())


@given(st.text(min_size=1, max_size=32))
def test_password_is_sent_in_the_clear(password: str) -> None:
    found = dict(attributes(radius11.encode(login(password), counting)))
    assert found[packet.USER_PASSWORD] == password.encode("utf-8")


def test_empty_password_is_one_octet_of_padding() -> None:
    assert dict(attributes(radius11.encode(login(""), counting)))[packet.USER_PASSWORD] == b"\0"


def test_password_has_at_most_128_octets() -> None:
    assert dict(attributes(radius11.encode(login("x" * 128), counting)))[packet.USER_PASSWORD] == b"x" * 128
    with pytest.raises(RequestError) as caught:
        radius11.encode(login("x" * 129), counting)
    assert caught.value.code == "bad-password"


def test_chap_sends_its_challenge() -> None:
    """No Request Authenticator exists that could serve as the challenge (section 5.1.2)."""
    found = dict(attributes(radius11.encode(login(method="chap"), counting)))
    challenge = found[packet.CHAP_CHALLENGE]
    value = found[packet.CHAP_PASSWORD]
    assert value[1:] == hashlib.md5(value[:1] + b"secret" + challenge).digest()


def test_every_request_has_its_own_token() -> None:
    drawn = iter([b"aaaa", b"bbbb", b"cccc"])
    made = [
        radius11.encode(login(), lambda count: next(drawn)),
        radius11.encode_status(((0, 32, b"sps"),), lambda count: next(drawn)),
        radius11.with_header(4, b"", lambda count: next(drawn)),
    ]
    assert [octets[4:8] for octets in made] == [b"aaaa", b"bbbb", b"cccc"]
    assert [octets[0] for octets in made] == [1, 12, 4]
    assert attributes(made[1]) == [(32, b"sps")]


def test_accounting_request_has_the_same_attributes_in_both_versions() -> None:
    new = profile.Radius11().accounting(RECORD, 1002.0, counting)
    old = profile.OriginalRadius(b"secret", True).accounting(RECORD, 1002.0, counting)
    assert new == b"\4\0" + old[2:4] + bytes([1, 2, 3, 4]) + bytes(12) + old[20:]


# Replies


def test_reply_with_the_token_is_accepted() -> None:
    body = bytes([18, 7]) + b"Hello" + bytes([24, 4]) + b"\0x"
    for code in packet.LOGIN_CODES:
        assert verified(reply(code, body=body)) == Reply(code, ((18, b"Hello"), (24, b"\0x")))


def test_reserved_octets_are_ignored() -> None:
    octets = bytearray(reply(reserved=b"\xff" * 12))
    octets[1] = 99
    assert verified(bytes(octets)).code == ACCEPT


def test_message_authenticator_is_ignored() -> None:
    for value in (bytes(16), b"short", b""):
        mark = bytes([packet.MESSAGE_AUTHENTICATOR, len(value) + 2]) + value
        assert verified(reply(body=mark + b"\x12\4hi" + mark)) == Reply(ACCEPT, ((18, b"hi"),)), value


def test_reply_with_another_token_is_discarded() -> None:
    for token in (b"\0\1\xfe\xfe", bytes(4), TOKEN[::-1]):
        assert reason_for(reply(token=token)) == radius11.UNEXPECTED_TOKEN


def test_reply_with_an_unexpected_code_is_discarded() -> None:
    for code in (0, 1, 4, 5, 12, PROTOCOL_ERROR, 255):
        assert reason_for(reply(code)) == packet.UNEXPECTED_CODE
    assert reason_for(reply(REJECT), packet.STATUS_CODES) == packet.UNEXPECTED_CODE


def test_octets_without_a_radius_header_are_discarded() -> None:
    octets = [b"", b"\2", reply()[:19], b"\2\0\0\x13" + reply()[4:], b"\2\0\0\x15" + reply()[4:]]
    assert {each: reason_for(each) for each in octets} == dict.fromkeys(octets, packet.MALFORMED_HEADER)


def test_reply_whose_attributes_do_not_fit_is_discarded() -> None:
    bodies = [b"\x12", b"\x12\0", b"\x12\1", b"\x12\3", b"\x12\2\x12"]
    assert {body: reason_for(reply(body=body)) for body in bodies} == dict.fromkeys(bodies, packet.MALFORMED_ATTRIBUTES)


def test_reply_has_as_many_attributes_as_fit() -> None:
    assert len(verified(reply(body=b"\x12\2" * 2038)).attributes) == 2038
    assert reason_for(reply(body=b"\x12\2" * 2039)) == packet.MALFORMED_HEADER


@given(st.binary(max_size=100))
def test_any_octets_are_a_reply_or_discarded(octets: bytes) -> None:
    for each in (octets, reply(body=octets)):
        try:
            assert isinstance(verified(each), Reply)
        except Discarded as discarded:
            assert discarded.reason.code == "bad-reply"


# Packets in a stream


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 19))
def test_stream_is_split_where_packets_end(bodies: List[bytes], left: int) -> None:
    packets = [reply(body=body) for body in bodies]
    rest = reply()[:left]
    assert packet.split_stream(b"".join(packets) + rest) == (packets, rest, None)


@given(st.lists(st.binary(max_size=300), max_size=3), st.lists(st.integers(1, 50), max_size=50))
def test_stream_may_arrive_in_any_pieces(bodies: List[bytes], sizes: List[int]) -> None:
    stream = b"".join(reply(body=body) for body in bodies)
    found: List[bytes] = []
    kept = b""
    for size in sizes + [len(stream)]:
        packets, kept, trouble = packet.split_stream(kept + stream[:size])
        stream = stream[size:]
        found += packets
        assert trouble is None
    assert found == [reply(body=body) for body in bodies] and kept == b""


def test_impossible_length_ends_a_stream() -> None:
    for size in (0, 1, 19, 4097, 65535):
        wrong = struct.pack("!BBH", 2, 0, size)
        assert packet.split_stream(wrong) == ([], wrong, packet.MALFORMED_HEADER)
        assert packet.split_stream(reply() + wrong + reply()) == ([reply()], wrong + reply(), packet.MALFORMED_HEADER)
        assert packet.split_stream(wrong[:3]) == ([], wrong[:3], None)


# Side by side


def test_only_its_own_reply_belongs_to_a_request() -> None:
    for version in (profile.OriginalRadius(b"a secret", True), profile.Radius11()):
        request = version.login(login(), counting)
        other = version.status((), lambda count: bytes(range(7, count + 7)))
        answer = bytes([ACCEPT]) + request[1:]
        assert version.belongs(answer, request), version
        assert not version.belongs(answer, other), version


def test_classic_profile_is_plain_radius() -> None:
    classic = profile.OriginalRadius(b"a secret", True)
    assert classic.login(login(), counting) == packet.encode(login(), b"a secret", counting)
    assert classic.status((), counting) == packet.encode_status((), b"a secret", counting)
    assert classic.accounting(RECORD, 1000.0, counting) == accounting.encode(RECORD, 1000.0, b"a secret", counting)
