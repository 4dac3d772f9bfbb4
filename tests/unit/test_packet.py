"""Packets against the RFCs' own octets, a second implementation of each rule, and what an attacker can send."""

import hashlib
import hmac
import itertools
import struct
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings

from lib.radius import packet
from lib.radius.mschap import Response
from lib.radius.packet import Discarded, DiscardReason, Login, Reply, RequestError, encode, encode_status, verify
from lib.reasons import DENIALS
from lib.secret import Secret
from tests.support.cases import for_each
from tests.support.vectors import (
    CHALLENGE_7_3,
    REJECT_7_3,
    REPLY_7_1,
    REPLY_7_2,
    REQUEST_7_1,
    REQUEST_7_2,
    REQUEST_7_3,
    RFC_SECRET,
    SECOND_REQUEST_7_3,
)

SECRET = "shared sécret".encode("utf-8")
ACCEPT, REJECT, CHALLENGE = 2, 3, 11
USER_NAME, USER_PASSWORD, CHAP_PASSWORD, SERVICE_TYPE, REPLY_MESSAGE, STATE, VENDOR_SPECIFIC = 1, 2, 3, 6, 18, 24, 26
NAS_IDENTIFIER, PROXY_STATE, CHAP_CHALLENGE, NAS_PORT_TYPE, PROMPT = 32, 33, 60, 61, 76
MESSAGE_AUTHENTICATOR = 80

Attribute = Tuple[int, bytes]
Octets = st.binary(max_size=253)


class Request(NamedTuple):
    """An Access-Request, parsed without the plugin."""

    code: int
    identifier: int
    authenticator: bytes
    attributes: List[Attribute]

    def value(self, kind: int) -> bytes:
        """The value of the one attribute of this type."""
        (value,) = [value for found, value in self.attributes if found == kind]
        return value

    @property
    def kinds(self) -> List[int]:
        return [kind for kind, _ in self.attributes]


def read(octets: bytes) -> Request:
    code, identifier, length = struct.unpack("!BBH", octets[:4])
    assert length == len(octets)
    attributes = []
    rest = octets[20:]
    while rest:
        kind, size = rest[0], rest[1]
        assert 2 <= size <= len(rest)
        attributes.append((kind, rest[2:size]))
        rest = rest[size:]
    return Request(code, identifier, octets[4:20], attributes)


def attribute(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value) + 2]) + value


def join(attributes: Iterable[Attribute]) -> bytes:
    return b"".join(attribute(kind, value) for kind, value in attributes)


def hmac_md5(key: bytes, message: bytes) -> bytes:
    """Return an HMAC-MD5, computed step by step as in RFC 2104."""
    key = (hashlib.md5(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.md5(bytes(octet ^ 0x36 for octet in key) + message).digest()
    return hashlib.md5(bytes(octet ^ 0x5C for octet in key) + inner).digest()


def unhide(hidden: bytes, authenticator: bytes, secret: bytes = SECRET) -> bytes:
    """Return a User-Password in clear text (RFC 2865 section 5.2)."""
    plain = b""
    for at in range(0, len(hidden), 16):
        key = hashlib.md5(secret + (hidden[at - 16 : at] if at else authenticator)).digest()
        plain += bytes(left ^ right for left, right in zip(hidden[at : at + 16], key))
    return plain


def scripted(*parts: bytes) -> Callable[[int], bytes]:
    """Return a random source that returns these parts in turn and takes no other length."""
    left = list(parts)

    def random(count: int) -> bytes:
        part = left.pop(0)
        assert len(part) == count
        return part

    return random


def counting(start: int = 0) -> Callable[[int], bytes]:
    """Return a random source that never repeats itself."""
    numbers = itertools.count(start)
    return lambda count: hashlib.sha256(b"%d" % next(numbers)).digest()[:count]


def login(
    user_name: str = "alice",
    password: str = "correct horse",
    method: str = "pap",
    state: Optional[bytes] = None,
    attributes: Sequence[Tuple[int, int, bytes]] = ((0, 32, b"sps"),),
) -> Login:
    return Login(user_name, Secret(password), method, state, tuple(attributes))


def request(**what: Union[str, bytes, None]) -> Request:
    return read(encode(login(**what), SECRET, counting()))  # type: ignore[arg-type]


def signed(code: int, to: bytes, body: bytes, secret: bytes = SECRET, identifier: Optional[int] = None) -> bytes:
    """Return a reply with any content and a valid Response Authenticator (RFC 2865 section 3)."""
    header = struct.pack("!BBH", code, to[1] if identifier is None else identifier, 20 + len(body))
    return header + hashlib.md5(header + to[4:20] + body + secret).digest() + body


def reply(
    code: int = ACCEPT,
    before: Sequence[Attribute] = (),
    after: Sequence[Attribute] = (),
    to: bytes = REQUEST_7_1,
    secret: bytes = SECRET,
    identifier: Optional[int] = None,
) -> bytes:
    """Return a valid reply with a Message-Authenticator (RFC 3579 section 3.2) between these attributes."""
    head, tail = join(before) + b"\x50\x12", join(after)
    length = 20 + len(head) + 16 + len(tail)
    header = struct.pack("!BBH", code, to[1] if identifier is None else identifier, length)
    digest = hmac_md5(secret, header + to[4:20] + head + bytes(16) + tail)
    return signed(code, to, head + digest + tail, secret, identifier)


def reason_for(
    octets: bytes,
    to: bytes = REQUEST_7_1,
    secret: bytes = SECRET,
    require: bool = True,
    codes: Sequence[int] = packet.LOGIN_CODES,
) -> DiscardReason:
    """Return why a reply is discarded."""
    with pytest.raises(Discarded) as raised:
        verify(octets, to, secret, require, codes)
    assert raised.value.reason.code in DENIALS
    assert str(raised.value) == raised.value.reason.text
    return raised.value.reason


# The RFC's own octets


@for_each(
    [
        ("7.1", REQUEST_7_1, REPLY_7_1, Reply(2, ((6, b"\0\0\0\1"), (15, bytes(4)), (14, b"\xc0\xa8\x01\x03")))),
        (
            "7.2",
            REQUEST_7_2,
            REPLY_7_2,
            Reply(
                2,
                (
                    (6, b"\0\0\0\2"),
                    (7, b"\0\0\0\1"),
                    (8, b"\xff\xff\xff\xfe"),
                    (10, b"\0\0\0\2"),
                    (13, b"\0\0\0\1"),
                    (12, b"\0\0\x05\xdc"),
                ),
            ),
        ),
        (
            "7.3, challenge",
            REQUEST_7_3,
            CHALLENGE_7_3,
            Reply(11, ((18, b"Challenge 32769430.  Enter response at prompt."), (24, b"32769430"))),
        ),
        ("7.3, reject", SECOND_REQUEST_7_3, REJECT_7_3, Reply(3, ())),
    ]
)
def test_replies_of_rfc_2865_section_7_verify(section: str, asked: bytes, replied: bytes, expected: Reply) -> None:
    assert verify(replied, asked, RFC_SECRET, False) == expected
    assert reason_for(replied, asked, RFC_SECRET, True) == packet.MISSING_MESSAGE_AUTHENTICATOR
    assert reason_for(replied, asked, b"xyzzy5462", False) == packet.WRONG_AUTHENTICATOR


def test_password_is_hidden_as_in_rfc_2865_section_7_1() -> None:
    octets = encode(login("nemo", "arctangent"), RFC_SECRET, scripted(b"\0", REQUEST_7_1[4:20]))
    assert octets[:2] == REQUEST_7_1[:2] and octets[4:20] == REQUEST_7_1[4:20]
    assert read(octets).value(USER_NAME) == b"nemo"
    assert read(octets).value(USER_PASSWORD) == bytes.fromhex("0dbe708d93d413ce3196e43f782a0aee")


def test_chap_password_is_that_of_rfc_2865_section_7_2() -> None:
    # The RFC's request has no CHAP-Challenge: its challenge is the Request Authenticator.
    random = scripted(b"\x01", bytes(16), b"\x16", REQUEST_7_2[4:20])
    made = read(encode(login("flopsy", "arctangent", "chap"), RFC_SECRET, random))
    assert made.value(CHAP_PASSWORD) == bytes.fromhex("16e97557c316185895f293ff6344077275")
    assert made.value(CHAP_CHALLENGE) == REQUEST_7_2[4:20]


def test_state_past_the_end_as_printed_in_rfc_2865_section_7_3_is_discarded() -> None:
    body = SECOND_REQUEST_7_3[20:]
    assert reason_for(signed(CHALLENGE, REQUEST_7_1, body), require=False) == packet.MALFORMED_ATTRIBUTES
    mended = body[:-9] + b"\x0a" + body[-8:]
    assert verify(signed(CHALLENGE, REQUEST_7_1, mended), REQUEST_7_1, SECRET, False).state == b"32769430"


# Requests


def test_identifier_and_authenticator_are_random() -> None:
    made = read(encode(login(), SECRET, scripted(b"\xfe", b"0123456789abcdef")))
    assert (made.code, made.identifier, made.authenticator) == (1, 0xFE, b"0123456789abcdef")


def test_requests_share_no_random_octets() -> None:
    source = counting()
    first, second = (read(encode(login(method="chap"), SECRET, source)) for _ in range(2))
    assert first.identifier != second.identifier and first.authenticator != second.authenticator
    assert first.value(CHAP_PASSWORD)[0] != second.value(CHAP_PASSWORD)[0]
    assert first.value(CHAP_CHALLENGE) not in (second.value(CHAP_CHALLENGE), first.authenticator)


@for_each(
    [
        ("pap", None, [80, 1, 2, 32]),
        ("pap", b"s", [80, 1, 2, 32, 24]),
        ("chap", None, [80, 1, 3, 60, 32]),
        ("chap", b"s", [80, 1, 3, 60, 32, 24]),
    ]
)
def test_message_authenticator_comes_first_and_verifies(method: str, state: Optional[bytes], kinds: List[int]) -> None:
    octets = encode(login(method=method, state=state), SECRET, counting())
    made = read(octets)
    assert made.kinds == kinds
    assert made.value(MESSAGE_AUTHENTICATOR) == hmac_md5(SECRET, octets[:22] + bytes(16) + octets[38:])


@for_each([b"", b"s", b"k" * 64, b"k" * 65, bytes(range(256))])
def test_shared_secret_may_be_any_octets(secret: bytes) -> None:
    octets = encode(login(), secret, counting())
    made = read(octets)
    assert octets[22:38] == hmac_md5(secret, octets[:22] + bytes(16) + octets[38:])
    assert unhide(made.value(USER_PASSWORD), made.authenticator, secret) == b"correct horse\0\0\0"
    assert verify(reply(to=octets, secret=secret), octets, secret, True).code == ACCEPT


@for_each(
    [
        ("", 16),
        ("1", 16),
        ("x" * 15, 16),
        ("x" * 16, 16),
        ("x" * 17, 32),
        ("x" * 127, 128),
        ("x" * 128, 128),
        ("é" * 64, 128),
        ("pässwörd", 16),
        ("\U0001f511" * 4, 16),
        ("0x4142", 16),
        ("a\0b", 16),
    ]
)
def test_password_is_padded_and_hidden(password: str, octets: int) -> None:
    made = request(password=password)
    hidden = made.value(USER_PASSWORD)
    assert len(hidden) == octets
    assert unhide(hidden, made.authenticator) == password.encode("utf-8").ljust(octets, b"\0")


@for_each(["x" * 129, "é" * 64 + "x", "x" * 100000])
def test_passwords_longer_than_128_octets_are_refused(password: str) -> None:
    with pytest.raises(RequestError) as raised:
        request(password=password)
    assert raised.value.code == "bad-password"
    assert str(raised.value) == "the password is longer than 128 octets"


@for_each(["", "arctangent", "pässwörd", "\U0001f511", "x" * 129, "x" * 5000, "0x00"])
def test_chap_password_is_hashed_with_the_challenge(password: str) -> None:
    made = request(password=password, method="chap")
    value, challenge = made.value(CHAP_PASSWORD), made.value(CHAP_CHALLENGE)
    assert (len(value), len(challenge)) == (17, 16)
    assert value[1:] == hashlib.md5(value[:1] + password.encode("utf-8") + challenge).digest()
    assert USER_PASSWORD not in made.kinds


@for_each(["a", "alice", "büro", "李雷", "0x4142", "0xZZ", "a" * 253, "é" * 126 + "a", "\U0001f511" * 63 + "a"])
def test_user_name_is_sent_as_utf_8(name: str) -> None:
    assert request(user_name=name).value(USER_NAME) == name.encode("utf-8")


@for_each(["", "a" * 254, "é" * 127, "\U0001f511" * 64, "a" * 100000])
def test_user_names_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(RequestError) as raised:
        request(user_name=name)
    assert raised.value.code == "bad-username"
    assert str(raised.value) == "the user name is not 1 to 253 octets of UTF-8"


@for_each(
    (method, *case)
    for method in ("pap", "chap")
    for case in (
        ("user_name", "mallory\ud800", "bad-username"),
        ("user_name", "\udcff", "bad-username"),
        ("password", "hunter2\udcff", "bad-password"),
        ("password", "\ud83d", "bad-password"),
    )
)
def test_lone_surrogates_are_refused_without_being_shown(method: str, field: str, typed: str, code: str) -> None:
    with pytest.raises(RequestError) as raised:
        request(method=method, **{field: typed})
    assert raised.value.code == code
    error: Optional[BaseException] = raised.value
    while error is not None:  # a log may show what led to the error as well
        assert typed not in str(error) and typed[:5] not in str(error)
        assert not any(typed in str(part) for part in error.args)
        error = error.__cause__ or error.__context__


@for_each(
    itertools.product(
        ("pap", "chap"),
        (b"0x", b"0x4142", b"0xZZ", b"0x0x41", b"\0", b"\0" * 16, b"\xff" * 253, b"s" * 253, b"State"),
    )
)
def test_state_of_any_octets_is_sent_back(method: str, state: bytes) -> None:
    made = request(method=method, state=state)
    assert made.value(STATE) == state
    assert made.kinds[0] == MESSAGE_AUTHENTICATOR


def test_digest_that_looks_hexadecimal_is_sent_unchanged() -> None:
    # By name, pyrad would take it for hexadecimal digits. With CHAP only these 16 octets change the digest.
    template = encode(login(method="chap"), SECRET, scripted(b"\1", bytes(16), b"\2", b"challenge of 16o"))
    head, tail = template[:4], template[20:22] + bytes(16) + template[38:]
    for number in itertools.count(113183):  # found at once; the search is for when the packet changes
        authenticator = number.to_bytes(16, "big")
        digest = hmac.new(SECRET, head + authenticator + tail, hashlib.md5).digest()
        if digest.startswith(b"0x"):
            break
    made = encode(login(method="chap"), SECRET, scripted(b"\1", authenticator, b"\2", b"challenge of 16o"))
    assert made == head + authenticator + template[20:22] + digest + template[38:]


def test_hidden_password_that_looks_hexadecimal_is_sent_unchanged() -> None:
    for number in itertools.count(42210):  # found at once too
        authenticator = number.to_bytes(16, "big")
        key = hashlib.md5(SECRET + authenticator).digest()
        if bytes([key[0] ^ ord("1"), key[1] ^ ord("2")]) == b"0x":
            break
    made = read(encode(login(password="123456"), SECRET, scripted(b"\1", authenticator)))
    assert made.value(USER_PASSWORD).startswith(b"0x")
    assert unhide(made.value(USER_PASSWORD), authenticator) == b"123456" + bytes(10)


def test_chap_octets_that_look_hexadecimal_are_sent_unchanged() -> None:
    for number in itertools.count():
        challenge = b"0x" + number.to_bytes(14, "big")
        if hashlib.md5(b"0" + b"123456" + challenge).digest().startswith(b"x"):
            break
    source = scripted(b"\1", bytes(16), b"0", challenge)
    made = read(encode(login(password="123456", method="chap"), SECRET, source))
    assert made.value(CHAP_CHALLENGE) == challenge
    assert made.value(CHAP_PASSWORD) == b"0" + hashlib.md5(b"0123456" + challenge).digest()


def test_attributes_of_the_nas_are_sent_unchanged_and_in_order() -> None:
    attributes = [
        (0, NAS_IDENTIFIER, "Zürich-1".encode("utf-8")),
        (0, NAS_PORT_TYPE, b"\0\0\0\5"),
        (0, 30, b"0x31"),
        (9, 1, b"0xZZ"),
        (9, 1, b"shell:priv-lvl=15"),
    ]
    made = read(encode(login(attributes=attributes, state=b"s"), SECRET, counting()))
    assert made.attributes[3:] == [
        (NAS_IDENTIFIER, b"Z\xc3\xbcrich-1"),
        (NAS_PORT_TYPE, b"\0\0\0\5"),
        (30, b"0x31"),
        (VENDOR_SPECIFIC, b"\0\0\0\x09" + attribute(1, b"0xZZ")),
        (VENDOR_SPECIFIC, b"\0\0\0\x09" + attribute(1, b"shell:priv-lvl=15")),
        (STATE, b"s"),
    ]


@for_each([None, b"s"])
def test_mschap_response_replaces_the_password(state: Optional[bytes]) -> None:
    sent = Response(challenge=b"0x challenge 16o", value=b"0x" + b"r" * 48, success="S=" + "A" * 40)
    octets = encode(login(method="mschapv2", state=state)._replace(mschap=sent), SECRET, counting())
    made = read(octets)
    assert octets[22:38] == hmac_md5(SECRET, octets[:22] + bytes(16) + octets[38:])
    assert {USER_PASSWORD, CHAP_PASSWORD, CHAP_CHALLENGE} & set(made.kinds) == set()
    assert [value for kind, value in made.attributes if kind == VENDOR_SPECIFIC] == [
        b"\0\0\1\x37" + attribute(11, sent.challenge),
        b"\0\0\1\x37" + attribute(25, sent.value),
    ]
    assert b"correct" not in octets and b"S=A" not in octets


def test_status_server_is_signed_and_contains_its_attributes() -> None:
    octets = encode_status(((0, NAS_IDENTIFIER, b"sps"),), SECRET, scripted(b"\7", b"0123456789abcdef"))
    digest = hmac_md5(SECRET, octets[:22] + bytes(16) + octets[38:])
    assert read(octets) == Request(12, 7, b"0123456789abcdef", [(80, digest), (NAS_IDENTIFIER, b"sps")])


def test_status_server_longer_than_4096_octets_is_refused() -> None:
    with pytest.raises(RequestError):
        encode_status(((0, 77, b"x" * 253),) * 16, SECRET, counting())


def test_only_an_accept_answers_a_status_server() -> None:
    asked = encode_status((), SECRET, counting())
    assert verify(reply(ACCEPT, to=asked), asked, SECRET, True, packet.STATUS_CODES).code == ACCEPT
    others = [reply(code, to=asked) for code in (REJECT, CHALLENGE, 5, 12)]
    assert [reason_for(each, asked, codes=packet.STATUS_CODES) for each in others] == [packet.UNEXPECTED_CODE] * 4


def test_requests_longer_than_4096_octets_are_refused() -> None:
    # The header takes 20 octets, the other attributes 18, 7 and 18, and each of these 255.
    def filled(times: int, last: int) -> Login:
        return login(attributes=[(0, 77, b"x" * 253)] * times + [(0, 77, b"y" * last)])

    assert len(encode(filled(15, 206), SECRET, counting())) == 4096
    with pytest.raises(RequestError) as raised:
        encode(filled(15, 207), SECRET, counting())
    assert raised.value.code == "bad-configuration"
    assert str(raised.value) == "the request is longer than 4096 octets"


@given(
    name=st.text(min_size=1, max_size=253).filter(lambda name: len(name.encode("utf-8")) <= 253),
    password=st.text(max_size=128),
    method=st.sampled_from(["pap", "chap"]),
    state=st.one_of(st.none(), st.binary(min_size=1, max_size=253)),
    nas=st.text(min_size=1, max_size=63),
    secret=st.binary(max_size=80),
    start=st.integers(0, 10**6),
)
def test_any_login_is_encoded_as_the_rfcs_say(
    name: str, password: str, method: str, state: Optional[bytes], nas: str, secret: bytes, start: int
) -> None:
    typed = password.encode("utf-8")
    assume(method == "chap" or len(typed) <= 128)
    octets = encode(
        login(name, password, method, state, [(0, NAS_IDENTIFIER, nas.encode("utf-8"))]), secret, counting(start)
    )
    made = read(octets)
    assert made.code == 1
    assert made.attributes[0] == (80, hmac_md5(secret, octets[:22] + bytes(16) + octets[38:]))
    assert made.value(USER_NAME).decode("utf-8") == name
    assert made.value(NAS_IDENTIFIER).decode("utf-8") == nas
    assert [value for kind, value in made.attributes if kind == STATE] == ([] if state is None else [state])
    if method == "pap":
        hidden = made.value(USER_PASSWORD)
        assert unhide(hidden, made.authenticator, secret) == typed.ljust(len(hidden), b"\0")
        assert len(hidden) == max(16, -(-len(typed) // 16) * 16)
    else:
        value = made.value(CHAP_PASSWORD)
        assert value[1:] == hashlib.md5(value[:1] + typed + made.value(CHAP_CHALLENGE)).digest()


@given(
    st.text(st.characters(blacklist_categories=()), max_size=300),
    st.text(st.characters(blacklist_categories=()), max_size=150),
    st.sampled_from(["pap", "chap"]),
)
def test_any_input_is_encoded_or_refused(name: str, password: str, method: str) -> None:
    try:
        read(encode(login(name, password, method), SECRET, counting()))
    except RequestError as error:
        assert error.code in ("bad-username", "bad-password")
        assert str(error) in (
            "the user name is not 1 to 253 octets of UTF-8",
            "the password is longer than 128 octets",
            "the password holds characters that UTF-8 cannot encode",
        )


# Valid replies


@for_each(itertools.product((ACCEPT, REJECT, CHALLENGE), (True, False)))
def test_valid_replies_are_returned(code: int, require: bool) -> None:
    octets = reply(code, after=[(REPLY_MESSAGE, b"Hello"), (STATE, b"s")])
    verified = verify(octets, REQUEST_7_1, SECRET, require)
    assert verified.code == code
    assert verified.attributes == ((80, octets[22:38]), (REPLY_MESSAGE, b"Hello"), (STATE, b"s"))
    assert packet.NAMES[code].startswith("Access-")


@for_each([0, 1, 127, 128, 255])
def test_any_identifier_is_matched(identifier: int) -> None:
    asked = encode(login(), SECRET, scripted(bytes([identifier]), b"0123456789abcdef"))
    assert verify(reply(to=asked), asked, SECRET, True).code == ACCEPT
    assert reason_for(reply(to=asked, identifier=(identifier + 1) % 256), asked) == packet.UNEXPECTED_IDENTIFIER


def test_message_authenticator_may_be_anywhere() -> None:
    middle = reply(before=[(STATE, b"s")], after=[(REPLY_MESSAGE, b"Hello")])
    assert [kind for kind, _ in verify(middle, REQUEST_7_1, SECRET, True).attributes] == [24, 80, 18]
    last = reply(before=[(STATE, b"s"), (REPLY_MESSAGE, b"Hello")])
    assert [kind for kind, _ in verify(last, REQUEST_7_1, SECRET, True).attributes] == [24, 18, 80]


@for_each([b"", b"\0", b"\0" * 100, b"\x21\x06abcd", b"\x50\x12" + bytes(16), b"\x01", b"x" * 65000])
def test_octets_past_the_length_are_ignored(padding: bytes) -> None:
    octets = reply(after=[(STATE, b"s")])
    assert verify(octets + padding, REQUEST_7_1, SECRET, True) == verify(octets, REQUEST_7_1, SECRET, True)


@for_each(
    [
        (0, b""),
        (0, b"type 0"),
        (VENDOR_SPECIFIC, b"\0\0\1\x37\x01\x00"),
        (VENDOR_SPECIFIC, b"\0\0\1\x37\x01\xffabc"),
        (VENDOR_SPECIFIC, b""),
        (REPLY_MESSAGE, b""),
        (SERVICE_TYPE, b"\1"),
        (PROMPT, b"\0" * 5),
        (241, b"\1\0"),
        (255, b"\xff" * 253),
    ]
)
def test_unknown_and_malformed_attributes_are_returned_as_octets(odd: Attribute) -> None:
    assert verify(reply(after=[odd]), REQUEST_7_1, SECRET, True).attributes[1:] == (odd,)


def test_replies_of_up_to_4096_octets_are_accepted() -> None:
    body = [(REPLY_MESSAGE, b"x" * 253)] * 15
    octets = reply(after=body + [(STATE, b"s" * (4096 - 38 - 15 * 255 - 2))])
    assert len(octets) == 4096
    assert verify(octets, REQUEST_7_1, SECRET, True).values(REPLY_MESSAGE) == [b"x" * 253] * 15
    assert verify(octets + b"\0", REQUEST_7_1, SECRET, True).code == ACCEPT
    longer = reply(after=body + [(STATE, b"s" * (4096 - 38 - 15 * 255 - 1))])
    assert len(longer) == 4097
    assert reason_for(longer) == packet.MALFORMED_HEADER


@for_each([0, REPLY_MESSAGE, VENDOR_SPECIFIC])
def test_any_number_of_attributes_that_fits_is_accepted(kind: int) -> None:
    most = (4096 - 20 - 18) // 2
    for count in (199, 200, most):
        for octets in (reply(after=[(kind, b"")] * count), reply(before=[(kind, b"")] * count)):
            assert len(verify(octets, REQUEST_7_1, SECRET, True).attributes) == count + 1
    assert reason_for(reply(after=[(kind, b"")] * (most + 1))) == packet.MALFORMED_HEADER
    assert reason_for(reply(after=[(kind, b"")] * most, secret=b"another")) == packet.WRONG_AUTHENTICATOR
    assert reason_for(signed(ACCEPT, REQUEST_7_1, bytes([kind, 2]) * 2000)) == packet.MISSING_MESSAGE_AUTHENTICATOR
    assert reason_for(signed(ACCEPT, REQUEST_7_1, bytes([kind, 2]) * 2000 + b"\x12")) == packet.MALFORMED_ATTRIBUTES


@for_each([ACCEPT, REJECT, CHALLENGE])
def test_message_authenticator_may_be_missing_only_if_none_is_required(code: int) -> None:
    octets = signed(code, REQUEST_7_1, join([(STATE, b"s")]))
    assert verify(octets, REQUEST_7_1, SECRET, False) == Reply(code, ((STATE, b"s"),))
    assert reason_for(octets) == packet.MISSING_MESSAGE_AUTHENTICATOR
    assert packet.MISSING_MESSAGE_AUTHENTICATOR.code == "no-message-authenticator"


# Replies that are discarded


@for_each(
    itertools.product(
        (
            b"",
            b"\2",
            reply()[:4],
            reply()[:19],
            reply()[:20],
            reply()[:-1],
            reply()[:2] + b"\0\0" + reply()[4:],
            reply()[:2] + b"\0\x13" + reply()[4:],
            reply()[:2] + b"\0\x27" + reply()[4:],
            reply()[:2] + b"\x10\x01" + reply()[4:].ljust(5000, b"\0"),
            reply()[:2] + b"\xff\xff" + reply()[4:].ljust(65535, b"\0"),
            b"\0" * 65535,
            b"\xff" * 65535,
        ),
        (True, False),
    )
)
def test_replies_with_a_wrong_header_or_length_are_discarded(octets: bytes, require: bool) -> None:
    assert reason_for(octets, require=require) == packet.MALFORMED_HEADER
    assert packet.MALFORMED_HEADER.code == "bad-reply"


@for_each(sorted(set(range(256)) - {ACCEPT, REJECT, CHALLENGE}))
def test_replies_of_any_other_code_are_discarded(code: int) -> None:
    assert reason_for(reply(code)) == packet.UNEXPECTED_CODE
    assert packet.UNEXPECTED_CODE.code == "bad-reply"


def test_reflected_request_is_discarded() -> None:
    asked = encode(login(), SECRET, counting())
    assert reason_for(asked, asked) == packet.UNEXPECTED_CODE


def test_reply_with_another_identifier_is_discarded() -> None:
    assert reason_for(reply(identifier=1)) == packet.UNEXPECTED_IDENTIFIER
    assert packet.UNEXPECTED_IDENTIFIER.code == "bad-reply"


def test_reply_to_another_request_with_the_same_identifier_is_discarded() -> None:
    other = encode(login(), SECRET, scripted(b"\0", b"another request!"))
    assert reason_for(reply(to=other)) == packet.WRONG_AUTHENTICATOR


@for_each(
    itertools.product(
        (
            b"\x18",
            b"\0",
            b"\x50",
            b"\x18\x00",
            b"\x18\x00abcd",
            b"\x18\x01",
            b"\x18\x01abcd",
            b"\x00\x00",
            b"\x18\x03",
            b"\x18\x10abc",
            b"\x18\xff" + b"s" * 252,
            b"\x18\x06abcd\x18",
            b"\x1a\x00\0\0\1\x37\1\0",
            b"\x50\x12" + b"d" * 15,
            b"\x50\x00",
        ),
        (True, False),
    )
)
def test_replies_with_malformed_attributes_are_discarded(tail: bytes, require: bool) -> None:
    # The digests are right: a broken server, or an attacker who knows the secret, must not crash the login.
    good = join([(REPLY_MESSAGE, b"Hello")])
    for body in (tail, good + tail):
        assert reason_for(signed(ACCEPT, REQUEST_7_1, body), require=require) == packet.MALFORMED_ATTRIBUTES
    assert packet.MALFORMED_ATTRIBUTES.code == "bad-reply"


@for_each(itertools.product((0, 1, 15, 17, 32, 253), (True, False)))
def test_message_authenticator_of_a_wrong_length_is_discarded(size: int, require: bool) -> None:
    octets = signed(ACCEPT, REQUEST_7_1, join([(80, b"d" * size)]))
    assert reason_for(octets, require=require) == packet.MALFORMED_MESSAGE_AUTHENTICATOR
    # A valid one before or after it does not help.
    assert reason_for(reply(after=[(80, b"d" * size)]), require=require) == packet.MALFORMED_MESSAGE_AUTHENTICATOR
    assert reason_for(reply(before=[(80, b"d" * size)]), require=require) == packet.MALFORMED_MESSAGE_AUTHENTICATOR


@for_each(itertools.product((b"", join([(STATE, b"s")])), (True, False)))
def test_replies_with_two_message_authenticators_are_discarded(between: bytes, require: bool) -> None:
    # The digest is that of a packet with both zeroed, which a parser that zeroes every one would accept.
    zeroed = attribute(80, bytes(16)) + between + attribute(80, bytes(16))
    header = struct.pack("!BBH", ACCEPT, 0, 20 + len(zeroed))
    digest = hmac_md5(SECRET, header + REQUEST_7_1[4:20] + zeroed)
    both = attribute(80, digest) + between + attribute(80, digest)
    assert reason_for(signed(ACCEPT, REQUEST_7_1, both), require=require) == packet.MALFORMED_MESSAGE_AUTHENTICATOR
    assert reason_for(reply(after=[(80, bytes(16))]), require=require) == packet.MALFORMED_MESSAGE_AUTHENTICATOR
    assert packet.MALFORMED_MESSAGE_AUTHENTICATOR.code == "bad-reply"


def test_only_the_message_authenticator_is_zeroed() -> None:
    zeroed = attribute(80, bytes(16)) + attribute(STATE, bytes(16))
    header = struct.pack("!BBH", ACCEPT, 0, 20 + len(zeroed))
    digest = hmac_md5(SECRET, header + REQUEST_7_1[4:20] + zeroed)
    octets = signed(ACCEPT, REQUEST_7_1, attribute(80, digest) + attribute(STATE, digest))
    assert reason_for(octets) == packet.WRONG_MESSAGE_AUTHENTICATOR
    right = signed(ACCEPT, REQUEST_7_1, attribute(80, digest) + attribute(STATE, bytes(16)))
    assert verify(right, REQUEST_7_1, SECRET, True).state == bytes(16)


WRONG_DIGESTS = {
    "zeros": bytes(16),
    "ones": b"\xff" * 16,
    "last bit flipped": reply()[22:37] + bytes([reply()[37] ^ 1]),
    "first bit flipped": bytes([reply()[22] ^ 0x80]) + reply()[23:38],
    "another secret": reply(secret=b"another secret")[22:38],
    "another code": reply(REJECT)[22:38],
    "over the Response Authenticator": hmac_md5(SECRET, signed(ACCEPT, REQUEST_7_1, attribute(80, bytes(16)))),
    "plain MD5": hashlib.md5(reply()[:4] + REQUEST_7_1[4:20] + b"\x50\x12" + bytes(16) + SECRET).digest(),
}


@for_each(itertools.product(WRONG_DIGESTS, (True, False)))
def test_replies_with_a_wrong_message_authenticator_are_discarded(name: str, require: bool) -> None:
    # This is the best forgery that BlastRADIUS can make: the MD5 is right, the HMAC cannot be.
    octets = signed(ACCEPT, REQUEST_7_1, attribute(80, WRONG_DIGESTS[name]))
    assert reason_for(octets, require=require) == packet.WRONG_MESSAGE_AUTHENTICATOR
    assert packet.WRONG_MESSAGE_AUTHENTICATOR.code == "wrong-secret"


@for_each([True, False])
def test_replies_with_a_wrong_response_authenticator_are_discarded(require: bool) -> None:
    octets = reply(after=[(STATE, b"s")])
    changed_at = [octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :] for at in range(4, 20)]
    assert [reason_for(each, require=require) for each in changed_at] == [packet.WRONG_AUTHENTICATOR] * 16
    assert reason_for(octets, secret=b"another secret", require=require) == packet.WRONG_AUTHENTICATOR
    assert reason_for(octets, secret=b"", require=require) == packet.WRONG_AUTHENTICATOR
    assert packet.WRONG_AUTHENTICATOR.code == "wrong-secret"


def test_reject_changed_into_an_accept_is_discarded() -> None:
    rejected = reply(REJECT, after=[(REPLY_MESSAGE, b"No")])
    assert reason_for(bytes([ACCEPT]) + rejected[1:]) == packet.WRONG_AUTHENTICATOR
    # BlastRADIUS makes the MD5 right without the secret, by a collision in the octets of a Proxy-State.
    forged = signed(ACCEPT, REQUEST_7_1, join([(PROXY_STATE, b"collision" * 20), (PROXY_STATE, b"collision" * 28)]))
    assert reason_for(forged) == packet.MISSING_MESSAGE_AUTHENTICATOR
    assert reason_for(forged, require=False) == packet.UNEXPECTED_PROXY_STATE
    assert packet.UNEXPECTED_PROXY_STATE.code == "bad-reply"


@for_each([b"", b"p", b"p" * 253])
def test_replies_with_a_proxy_state_are_discarded(value: bytes) -> None:
    assert reason_for(reply(after=[(PROXY_STATE, value)])) == packet.UNEXPECTED_PROXY_STATE
    assert reason_for(reply(before=[(PROXY_STATE, value)]), require=False) == packet.UNEXPECTED_PROXY_STATE


@for_each(itertools.product((ACCEPT, REJECT, CHALLENGE), (b"", b"05")))
def test_proxy_state_is_accepted_inside_tls(code: int, value: bytes) -> None:
    octets = reply(code, after=[(PROXY_STATE, value), (STATE, b"s")])
    assert verify(octets, REQUEST_7_1, SECRET, False, over_tls=True).values(PROXY_STATE) == [value]
    with pytest.raises(Discarded) as raised:
        verify(octets, REQUEST_7_1, b"another secret", False, over_tls=True)
    assert raised.value.reason == packet.WRONG_AUTHENTICATOR


def test_missing_message_authenticator_is_reported_before_a_wrong_digest() -> None:
    nonsense = struct.pack("!BBH", ACCEPT, 0, 26) + b"not a digest 16o" + attribute(STATE, b"abcd")
    assert reason_for(nonsense) == packet.MISSING_MESSAGE_AUTHENTICATOR
    assert reason_for(nonsense, require=False) == packet.WRONG_AUTHENTICATOR


def test_flaws_have_distinct_log_texts() -> None:
    discard_reasons = [value for value in vars(packet).values() if isinstance(value, DiscardReason)]
    assert len(discard_reasons) == 9 and len({found.text for found in discard_reasons}) == 9
    assert {found.code for found in discard_reasons} <= set(DENIALS)


# Arbitrary input

BODIES = st.lists(st.tuples(st.integers(0, 255).filter(lambda kind: kind not in (33, 80)), Octets), max_size=6)


@st.composite
def changed(draw: Callable[..., Any], original: bytes) -> bytes:
    """Draw octets with one to three changes: octets set, flipped, inserted, deleted, cut off, appended or rotated."""
    octets = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        at, new = draw(st.integers(0, max(0, len(octets) - 1))), draw(st.integers(0, 255))
        what = draw(st.sampled_from(["set", "flip", "insert", "delete", "truncate", "append", "swap"]))
        if what == "set":
            octets[at : at + 1] = [new]
        elif what == "flip":
            octets[at : at + 1] = bytes(octet ^ (1 << new % 8) for octet in octets[at : at + 1])
        elif what == "insert":
            octets[at:at] = [new]
        elif what == "delete":
            del octets[at : at + 1 + new % 20]
        elif what == "truncate":
            del octets[at:]
        elif what == "append":
            octets += bytes([new]) * (1 + new % 20)
        else:
            octets = octets[at:] + octets[:at]
    return bytes(octets)


@given(st.data(), st.sampled_from([ACCEPT, REJECT, CHALLENGE]), BODIES, BODIES, st.booleans(), st.booleans())
def test_changed_replies_are_never_accepted(
    data: st.DataObject, code: int, before: List[Attribute], after: List[Attribute], require: bool, with_hmac: bool
) -> None:
    if with_hmac:
        octets = reply(code, before, after)
    else:
        octets = signed(code, REQUEST_7_1, join(before + after))
    if with_hmac or not require:
        assert verify(octets, REQUEST_7_1, SECRET, require).code == code
    hostile = data.draw(changed(octets))
    try:
        verified = verify(hostile, REQUEST_7_1, SECRET, require)
    except Discarded as discarded:
        assert discarded.reason.code in DENIALS
    else:
        assert hostile[: len(octets)] == octets
        assert verified.code == code


@given(BODIES, BODIES, st.sampled_from([ACCEPT, REJECT, CHALLENGE]), Octets, st.binary(max_size=100))
def test_any_valid_reply_is_read_back(
    before: List[Attribute], after: List[Attribute], code: int, secret: bytes, padding: bytes
) -> None:
    octets = reply(code, before, after, secret=secret)
    verified = verify(octets + padding, REQUEST_7_1, secret, True)
    assert verified.code == code
    assert [one for one in verified.attributes if one[0] != 80] == before + after
    for kind in {kind for kind, _ in before + after}:
        assert verified.values(kind) == [value for found, value in before + after if found == kind]


@given(st.binary(max_size=4200), st.booleans())
def test_any_octets_are_discarded(octets: bytes, require: bool) -> None:
    reason_for(octets, require=require)


# Hypothesis for Python 3.6 takes these examples for too large.
@settings(suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(
    code=st.sampled_from([ACCEPT, REJECT, CHALLENGE]),
    length=st.one_of(st.none(), st.integers(0, 65535)),
    head=st.binary(max_size=60),
    chunk=st.one_of(
        st.binary(min_size=1, max_size=40),
        st.sampled_from([b"\x01\x02", b"\x1a\x02", b"\x50\x12" + b"d" * 16, b"\x18\x00", b"\x21\x06abcd", b"\0\0"]),
    ),
    total=st.one_of(st.integers(20, 4200), st.sampled_from([4095, 4096, 4097, 65534, 65535])),
    require=st.booleans(),
    right_md5=st.booleans(),
)
def test_any_octets_after_a_valid_header_are_verified_or_discarded(
    code: int, length: Optional[int], head: bytes, chunk: bytes, total: int, require: bool, right_md5: bool
) -> None:
    body = (head + chunk * (total // len(chunk)))[: total - 20]
    octets = struct.pack("!BBH", code, 0, 20 + len(body) if length is None else length) + b"a" * 16 + body
    if right_md5:
        digest = hashlib.md5(octets[:4] + REQUEST_7_1[4:20] + body + SECRET).digest()
        octets = octets[:4] + digest + body
    try:
        accepted = verify(octets, REQUEST_7_1, SECRET, require)
    except Discarded as discarded:
        assert discarded.reason.code in DENIALS
    else:
        assert right_md5 and not require
        assert join(accepted.attributes) == octets[20 : struct.unpack("!H", octets[2:4])[0]]


# What a reply says


@for_each(
    [
        ([], None),
        ([b"\0\0\0\0"], False),
        ([b"\0\0\0\1"], True),
        ([b"\0\0\0\2"], None),
        ([b"\1\0\0\0"], None),
        ([b"\xff\xff\xff\xff"], None),
        ([b""], None),
        ([b"\0"], None),
        ([b"\1"], None),
        ([b"\0\0\0"], None),
        ([b"\0\0\0\0\1"], None),
        ([b"\0\0\0\0", b"\0\0\0\1"], False),
        ([b"\0\0\0\1", b"\0\0\0\0"], True),
    ]
)
def test_prompt_says_whether_to_echo(prompts: List[bytes], echo: Optional[bool]) -> None:
    octets = reply(CHALLENGE, after=[(PROMPT, value) for value in prompts])
    assert verify(octets, REQUEST_7_1, SECRET, True).echo is echo


@for_each(
    [
        ([], None),
        ([b""], None),
        ([b"s"], b"s"),
        ([b"\0"], b"\0"),
        ([b"0x41"], b"0x41"),
        ([b"\xff" * 253], b"\xff" * 253),
        ([b"first", b"second"], b"first"),
    ]
)
def test_first_state_is_returned_unless_it_is_empty(states: List[bytes], state: Optional[bytes]) -> None:
    octets = reply(CHALLENGE, after=[(STATE, value) for value in states])
    verified = verify(octets, REQUEST_7_1, SECRET, True)
    assert verified.state == state
    if state is not None:
        assert read(encode(login(state=verified.state), SECRET, counting())).value(STATE) == state


def test_values_are_those_of_one_type_in_order() -> None:
    verified = verify(
        reply(before=[(18, b"one"), (24, b"s")], after=[(18, b""), (18, b"two"), (18, b"one")]),
        REQUEST_7_1,
        SECRET,
        True,
    )
    assert verified.values(REPLY_MESSAGE) == [b"one", b"", b"two", b"one"]
    assert verified.values(STATE) == [b"s"]
    assert verified.values(PROMPT) == []


MICROSOFT = b"\0\0\1\x37"


@for_each(
    [
        ([], []),
        ([MICROSOFT + attribute(26, b"S=1")], [b"S=1"]),
        ([MICROSOFT + attribute(26, b"")], [b""]),
        ([MICROSOFT + attribute(26, b"x" * 247)], [b"x" * 247]),
        ([MICROSOFT + attribute(2, b"E=691") + attribute(26, b"one") + attribute(26, b"two")], [b"one", b"two"]),
        ([MICROSOFT + attribute(26, b"one"), MICROSOFT, MICROSOFT + attribute(26, b"two")], [b"one", b"two"]),
        ([b"\0\0\1\x38" + attribute(26, b"other"), b"\1\0\1\x37" + attribute(26, b"other")], []),
        ([b"", b"\0", b"\0\0\1", MICROSOFT], []),
        # A malformed attribute is ignored as a whole, and the packet is kept.
        ([MICROSOFT + b"\x1a"], []),
        ([MICROSOFT + b"\x1a\x00"], []),
        ([MICROSOFT + b"\x1a\x01"], []),
        ([MICROSOFT + b"\x1a\x04x"], []),
        ([MICROSOFT + attribute(26, b"one") + b"\x1a"], []),
        ([MICROSOFT + attribute(26, b"one") + b"\x1a\x00", MICROSOFT + attribute(26, b"two")], [b"two"]),
        ([MICROSOFT + b"\x1a\xff" + b"x" * 200], []),
    ]
)
def test_vendor_values_are_extracted(specific: List[bytes], values: List[bytes]) -> None:
    octets = reply(before=[(26, one) for one in specific], after=[(REPLY_MESSAGE, MICROSOFT + attribute(26, b"no"))])
    assert verify(octets, REQUEST_7_1, SECRET, True).vendor_values(311, 26) == values


@given(st.lists(st.one_of(Octets, st.binary(max_size=40).map(lambda octets: MICROSOFT + octets)), max_size=5))
def test_any_vendor_specific_octets_are_read(specific: List[bytes]) -> None:
    verified = verify(reply(after=[(26, one) for one in specific]), REQUEST_7_1, SECRET, True)
    for kind in (2, 26):
        assert all(attribute(kind, value) in b"".join(specific) for value in verified.vendor_values(311, kind))
    assert verified.vendor_values(312, 26) == [] or any(one.startswith(b"\0\0\1\x38") for one in specific)


def test_attribute_numbers_are_those_of_the_rfcs() -> None:
    numbers: Dict[str, int] = {
        "USER_NAME": 1,
        "USER_PASSWORD": 2,
        "CHAP_PASSWORD": 3,
        "REPLY_MESSAGE": 18,
        "STATE": 24,
        "PROXY_STATE": 33,
        "CHAP_CHALLENGE": 60,
        "PROMPT": 76,
        "MESSAGE_AUTHENTICATOR": 80,
    }
    assert {name: getattr(packet, name) for name in numbers} == numbers
