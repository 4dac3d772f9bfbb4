"""RADIUS/1.1 against RFC 9765 and its own octets, and the two profiles side by side."""

import hashlib
import struct
from typing import Any, List, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib.radius import accounting, packet, profile, radius11
from lib.radius.packet import Dropped, Flaw, Login, Reply, RequestError
from lib.secret import Secret

ACCEPT, REJECT, CHALLENGE, PROTOCOL_ERROR = 2, 3, 11, 52
TOKEN = b"\0\1\xfe\xff"
REQUEST = b"\1\0\0\x14" + TOKEN + bytes(12)
RECORD = accounting.Record("Start", 1000.0, "a session", "alice", (b"class",))

Attribute = Tuple[int, bytes]


def counting(count: int) -> bytes:
    """A random source without surprises."""
    return bytes(range(1, count + 1))


def login(password: str = "secret", method: str = "pap", **options: Any) -> Login:
    values = dict(user_name="alice", password=Secret(password), method=method, state=None, attributes=())
    values.update(options)
    return Login(**values)  # type: ignore[arg-type]


def attributes(octets: bytes) -> List[Attribute]:
    """The attributes of a request, having looked at its header."""
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


def flaw(octets: bytes, codes: Any = packet.LOGIN_CODES) -> Flaw:
    with pytest.raises(Dropped) as caught:
        verified(octets, codes)
    return caught.value.flaw


# Requests


def test_a_login_octet_by_octet() -> None:
    octets = radius11.encode(login(state=b"\0state", attributes=((0, 32, b"sps"), (9, 1, b"x"))), counting)
    expected = "01000039" + "01020304" + "00" * 12
    expected += "0107616c696365" + "0208736563726574" + "2005737073" + "1a0900000009010378" + "1808007374617465"
    assert octets == bytes.fromhex(expected)


@pytest.mark.parametrize("method", ["pap", "chap"])
def test_nothing_of_md5_and_the_secret_is_left(method: str, monkeypatch: Any) -> None:
    kinds = [kind for kind, _ in attributes(radius11.encode(login(method=method), counting))]
    assert packet.MESSAGE_AUTHENTICATOR not in kinds
    if method == "pap":
        monkeypatch.setattr(hashlib, "md5", None)
        monkeypatch.setattr("pyrad.packet.md5_constructor", None)
        radius11.encode(login(), counting)
        radius11.encode_status((), counting)
        profile.version_1_1().accounting(RECORD, 1000.0, counting)
        verified(reply())


@given(st.text(min_size=1, max_size=32))
def test_a_password_goes_as_it_is(password: str) -> None:
    found = dict(attributes(radius11.encode(login(password), counting)))
    assert found[packet.USER_PASSWORD] == password.encode("utf-8")


def test_an_empty_password_is_one_octet_of_padding() -> None:
    assert dict(attributes(radius11.encode(login(""), counting)))[packet.USER_PASSWORD] == b"\0"


def test_a_password_has_128_octets_at_the_most() -> None:
    assert dict(attributes(radius11.encode(login("x" * 128), counting)))[packet.USER_PASSWORD] == b"x" * 128
    with pytest.raises(RequestError) as caught:
        radius11.encode(login("x" * 129), counting)
    assert caught.value.code == "bad-password"


def test_chap_brings_its_challenge() -> None:
    """There is no Request Authenticator that it could be (section 5.1.2)."""
    found = dict(attributes(radius11.encode(login(method="chap"), counting)))
    challenge = found[packet.CHAP_CHALLENGE]
    value = found[packet.CHAP_PASSWORD]
    assert value[1:] == hashlib.md5(value[:1] + b"secret" + challenge).digest()


def test_each_request_has_a_token_of_its_own() -> None:
    drawn = iter([b"aaaa", b"bbbb", b"cccc"])
    made = [
        radius11.encode(login(), lambda count: next(drawn)),
        radius11.encode_status(((0, 32, b"sps"),), lambda count: next(drawn)),
        radius11.with_header(4, b"", lambda count: next(drawn)),
    ]
    assert [octets[4:8] for octets in made] == [b"aaaa", b"bbbb", b"cccc"]
    assert [octets[0] for octets in made] == [1, 12, 4]
    assert attributes(made[1]) == [(32, b"sps")]


def test_an_accounting_request_says_what_it_says_elsewhere() -> None:
    new = profile.version_1_1().accounting(RECORD, 1002.0, counting)
    old = profile.classic(b"secret", True).accounting(RECORD, 1002.0, counting)
    assert new == b"\4\0" + old[2:4] + bytes([1, 2, 3, 4]) + bytes(12) + old[20:]


# Replies


@pytest.mark.parametrize("code", packet.LOGIN_CODES)
def test_a_reply_with_the_token_is_believed(code: int) -> None:
    body = bytes([18, 7]) + b"Hello" + bytes([24, 4]) + b"\0x"
    assert verified(reply(code, body=body)) == Reply(code, ((18, b"Hello"), (24, b"\0x")))


def test_what_is_reserved_is_not_looked_at() -> None:
    octets = bytearray(reply(reserved=b"\xff" * 12))
    octets[1] = 99
    assert verified(bytes(octets)).code == ACCEPT


@pytest.mark.parametrize("value", [bytes(16), b"short", b""])
def test_a_message_authenticator_means_nothing(value: bytes) -> None:
    mark = bytes([packet.MESSAGE_AUTHENTICATOR, len(value) + 2]) + value
    assert verified(reply(body=mark + b"\x12\4hi" + mark)) == Reply(ACCEPT, ((18, b"hi"),))


def test_other_tokens_answer_nothing() -> None:
    for token in (b"\0\1\xfe\xfe", bytes(4), TOKEN[::-1]):
        assert flaw(reply(token=token)) == radius11.TOKEN


def test_other_codes_answer_nothing() -> None:
    for code in (0, 1, 4, 5, 12, PROTOCOL_ERROR, 255):
        assert flaw(reply(code)) == packet.CODE
    assert flaw(reply(REJECT), packet.STATUS_CODES) == packet.CODE


@pytest.mark.parametrize("octets", [b"", b"\2", reply()[:19], b"\2\0\0\x13" + reply()[4:], b"\2\0\0\x15" + reply()[4:]])
def test_no_header(octets: bytes) -> None:
    assert flaw(octets) == packet.NOT_RADIUS


@pytest.mark.parametrize("body", [b"\x12", b"\x12\0", b"\x12\1", b"\x12\3", b"\x12\2\x12"])
def test_attributes_that_do_not_fit(body: bytes) -> None:
    assert flaw(reply(body=body)) == packet.ATTRIBUTES


def test_too_many_attributes() -> None:
    assert len(verified(reply(body=b"\x12\2" * 200)).attributes) == 200
    assert flaw(reply(body=b"\x12\2" * 201)) == packet.TOO_MANY


@given(st.binary(max_size=100))
def test_any_octets_are_a_reply_or_dropped(octets: bytes) -> None:
    for each in (octets, reply(body=octets)):
        try:
            assert isinstance(verified(each), Reply)
        except Dropped as dropped:
            assert dropped.flaw.code == "bad-reply"


# Packets in a stream


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 19))
def test_a_stream_is_split_where_packets_end(bodies: List[bytes], left: int) -> None:
    packets = [reply(body=body) for body in bodies]
    rest = reply()[:left]
    assert packet.split(b"".join(packets) + rest) == (packets, rest, None)


@given(st.lists(st.binary(max_size=300), max_size=3), st.lists(st.integers(1, 50), max_size=50))
def test_a_stream_may_come_in_any_pieces(bodies: List[bytes], sizes: List[int]) -> None:
    stream = b"".join(reply(body=body) for body in bodies)
    found: List[bytes] = []
    kept = b""
    for size in sizes + [len(stream)]:
        packets, kept, trouble = packet.split(kept + stream[:size])
        stream = stream[size:]
        found += packets
        assert trouble is None
    assert found == [reply(body=body) for body in bodies] and kept == b""


@pytest.mark.parametrize("size", [0, 1, 19, 4097, 65535])
def test_a_length_that_no_packet_has_ends_a_stream(size: int) -> None:
    wrong = struct.pack("!BBH", 2, 0, size)
    assert packet.split(wrong) == ([], wrong, packet.NOT_RADIUS)
    assert packet.split(reply() + wrong + reply()) == ([reply()], wrong + reply(), packet.NOT_RADIUS)
    assert packet.split(wrong[:3]) == ([], wrong[:3], None)


# Side by side


@pytest.mark.parametrize("spoken", [profile.classic(b"a secret", True), profile.version_1_1()], ids=["1.0", "1.1"])
def test_the_mark_of_a_request_is_in_its_reply_alone(spoken: profile.Profile) -> None:
    asked = spoken.login(login(), counting)
    other = spoken.status((), lambda count: bytes(range(7, count + 7)))
    answer = bytes([ACCEPT]) + asked[1:]
    assert spoken.belongs(answer, asked) and not spoken.belongs(answer, other)


def test_the_first_profile_is_radius_as_it_was() -> None:
    spoken = profile.classic(b"a secret", True)
    assert spoken.login(login(), counting) == packet.encode(login(), b"a secret", counting)
    assert spoken.status((), counting) == packet.encode_status((), b"a secret", counting)
    assert spoken.accounting(RECORD, 1000.0, counting) == accounting.encode(RECORD, 1000.0, b"a secret", counting)
