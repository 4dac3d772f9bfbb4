"""Accounting-Requests against RFC 2866, their answers, and the order in which unsent records are sent."""

import hashlib
import itertools
import json
import struct
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lib.radius import packet
from lib.radius.accounting import (
    MAX_AGE,
    MAX_OCTETS,
    MAX_UNSENT,
    NOT_RECORDED,
    START,
    STOP,
    QueuePosition,
    Record,
    encode,
    in_order,
    positions_to_drop,
    verify,
)
from tests.support.cases import for_each

SECRET = "shared sécret".encode("utf-8")
NOW = 1700000000.75
USER_NAME, CLASS, VENDOR_SPECIFIC, CALLING_STATION_ID, NAS_IDENTIFIER = 1, 25, 26, 31, 32
STATUS_TYPE, DELAY_TIME, SESSION_ID, AUTHENTIC, SESSION_TIME, EVENT_TIMESTAMP = 40, 41, 44, 45, 46, 55
CISCO = 9

ATTRIBUTES = ((0, NAS_IDENTIFIER, b"sps"), (0, CALLING_STATION_ID, b"2001:db8::7"), (CISCO, 1, b"target=root@db1"))
RECORD = Record(STOP, NOW - 3600, "svc/ünï/7", "jürgen", (b"0x\x00\xff", b"OU=ops;"), 3599, ATTRIBUTES)

Pair = Tuple[int, bytes]


class Packet(NamedTuple):
    """A packet, parsed without the plugin."""

    code: int
    identifier: int
    authenticator: bytes
    pairs: List[Pair]

    def values(self, number: int) -> List[bytes]:
        return [value for found, value in self.pairs if found == number]

    def value(self, number: int) -> bytes:
        (value,) = self.values(number)
        return value


def read(octets: bytes) -> Packet:
    code, identifier, length = struct.unpack("!BBH", octets[:4])
    assert length == len(octets) <= MAX_OCTETS
    pairs, rest = [], octets[20:]
    while rest:
        assert rest[0] > 0 and 3 <= rest[1] <= len(rest)
        pairs.append((rest[0], rest[2 : rest[1]]))
        rest = rest[rest[1] :]
    return Packet(code, identifier, octets[4:20], pairs)


def counting() -> Callable[[int], bytes]:
    """Return a random source whose octets count up from call to call."""
    numbers = itertools.count()
    return lambda count: bytes([next(numbers) % 256]) * count


def encoded(record: Record, now: float = NOW) -> Packet:
    return read(encode(record, now, SECRET, counting()))


def four(value: int) -> bytes:
    return value.to_bytes(4, "big")


# Requests


def test_stop_contains_the_whole_record() -> None:
    asked = encoded(RECORD)
    assert asked.code == 4
    assert sorted(asked.pairs) == sorted(
        [
            (STATUS_TYPE, four(2)),
            (SESSION_ID, "svc/ünï/7".encode("utf-8")),
            (DELAY_TIME, four(3600)),
            (EVENT_TIMESTAMP, four(1700000000 - 3600)),
            (AUTHENTIC, four(1)),
            (SESSION_TIME, four(3599)),
            (USER_NAME, "jürgen".encode("utf-8")),
            (NAS_IDENTIFIER, b"sps"),
            (CALLING_STATION_ID, b"2001:db8::7"),
            (VENDOR_SPECIFIC, b"\0\0\0\x09\x01\x11target=root@db1"),
            (CLASS, b"0x\x00\xff"),
            (CLASS, b"OU=ops;"),
        ]
    )
    assert asked.values(CLASS) == [b"0x\x00\xff", b"OU=ops;"]


def test_start_has_no_session_time() -> None:
    asked = encoded(RECORD._replace(kind=START, session_seconds=None))
    assert asked.value(STATUS_TYPE) == four(1)
    assert not asked.values(SESSION_TIME)


def test_request_authenticator_is_that_of_rfc_2866() -> None:
    octets = encode(RECORD, NOW, SECRET, counting())
    unsigned = octets[:4] + b"\0" * 16 + octets[20:]
    assert octets[4:20] == hashlib.md5(unsigned + SECRET).digest()


def test_later_transmission_has_a_new_delay_and_identifier() -> None:
    numbers = counting()
    first, second = (read(encode(RECORD, now, SECRET, numbers)) for now in (NOW, NOW + 1))
    assert [packet.value(DELAY_TIME) for packet in (first, second)] == [four(3600), four(3601)]
    assert first.value(EVENT_TIMESTAMP) == second.value(EVENT_TIMESTAMP)
    assert first.identifier != second.identifier
    assert first.authenticator != second.authenticator


@for_each([(0.0, 0), (0.99, 0), (1.0, 1), (-5.0, 0), (2.0**40, 2**32 - 1)])
def test_delay_is_whole_seconds_and_never_negative(delay: float, seconds: int) -> None:
    assert encoded(RECORD, RECORD.event + delay).value(DELAY_TIME) == four(seconds)


@for_each(["x" * 254, "ü" * 127, ""])
def test_session_id_that_does_not_fit_is_hashed(session_id: str) -> None:
    start = encoded(RECORD._replace(kind=START, session_id=session_id)).value(SESSION_ID)
    assert start == encoded(RECORD._replace(session_id=session_id)).value(SESSION_ID)
    assert start == hashlib.sha256(session_id.encode("utf-8")).hexdigest().encode("ascii")


def test_session_id_of_253_octets_is_sent_unchanged() -> None:
    assert encoded(RECORD._replace(session_id="x" * 253)).value(SESSION_ID) == b"x" * 253


@for_each([2, 3, 18, 24, 60, 70, 75, 76, 78, 79, 80, 84, 85, 88])
def test_attributes_forbidden_in_accounting_are_left_out(number: int) -> None:
    assert not encoded(RECORD._replace(attributes=((0, number, bytes(16)),))).values(number)


@for_each([1, 25, 40, 41, 44, 45, 46, 55])
def test_configured_attributes_never_repeat_those_of_the_record(number: int) -> None:
    record = RECORD._replace(attributes=((0, number, b"else"),))
    assert encoded(record).pairs == encoded(RECORD._replace(attributes=())).pairs


def test_vendor_attributes_may_have_any_number() -> None:
    assert encoded(RECORD._replace(attributes=((311, 2, b"x"),))).values(VENDOR_SPECIFIC) == [b"\0\0\x01\x37\x02\x03x"]


@for_each(
    [
        (0, 32, b""),
        (0, 32, bytes(254)),
        (0, 0, b"x"),
        (0, 256, b"x"),
        (9, 1, b""),
        (9, 1, bytes(248)),
        (2**32, 1, b"x"),
    ]
)
def test_attributes_that_do_not_fit_are_left_out(attribute: Tuple[int, int, bytes]) -> None:
    assert encoded(RECORD._replace(attributes=(attribute,))).pairs == encoded(RECORD._replace(attributes=())).pairs


def test_longest_values_fit() -> None:
    asked = encoded(RECORD._replace(attributes=((0, 32, bytes(253)), (9, 1, bytes(247)))))
    assert len(asked.value(NAS_IDENTIFIER)) == len(asked.value(VENDOR_SPECIFIC)) == 253


def test_class_is_left_out_if_it_does_not_fit() -> None:
    asked = encoded(RECORD._replace(class_=tuple(bytes([number]) * 253 for number in range(20)) + (b"short",)))
    classes = asked.values(CLASS)
    assert classes[:3] == [bytes(253), b"\1" * 253, b"\2" * 253] and classes[-1] == b"short"
    assert 10 < len(classes) < 21
    assert asked.value(NAS_IDENTIFIER) == b"sps"


def test_no_packet_is_longer_than_rfc_2866_allows() -> None:
    sizes = [
        len(encode(RECORD._replace(class_=(b"x" * (filler + 1),) + (b"y",) * 2000), NOW, SECRET, counting()))
        for filler in range(3)
    ]
    assert sorted(sizes) == [4093, 4094, 4095]


# Records as text


def repeated(part: "st.SearchStrategy[Any]", max_size: int) -> "st.SearchStrategy[Any]":
    """Return a strategy for a repeated part, long often enough to overflow a packet."""
    return st.builds(lambda value, times: (value * times)[:max_size], part, st.integers(0, max_size))


Octets = repeated(st.binary(max_size=8), 300)
Text = repeated(st.text(max_size=8), 300)
Seconds = st.integers(min_value=0, max_value=2**32 - 1)
Records = st.builds(
    lambda seconds, **fields: Record(kind=STOP if seconds is not None else START, session_seconds=seconds, **fields),
    seconds=st.one_of(st.none(), Seconds),
    event=st.floats(min_value=0, max_value=2**32 - 1),
    session_id=Text,
    user_name=Text,
    class_=repeated(st.lists(Octets, max_size=3), 30).map(tuple),
    attributes=repeated(st.lists(st.tuples(Seconds, st.integers(0, 300), Octets), max_size=3), 30).map(tuple),
)


@given(record=Records)
def test_any_record_is_read_back_from_its_text(record: Record) -> None:
    text = record.to_json()
    assert "\n" not in text and text.isprintable() and text.encode("ascii")
    assert Record.from_json(text) == record


@given(record=Records, now=st.floats(min_value=0, max_value=2**33))
def test_any_record_is_encoded(record: Record, now: float) -> None:
    asked = read(encode(record, now, SECRET, counting()))
    assert len(asked.values(SESSION_ID)) == len(asked.values(STATUS_TYPE)) == 1


@for_each([(-1.0, -1), (2.0**40, 2**40), (float("nan"), 0), (float("inf"), 0)])
def test_times_out_of_range_are_clamped(event: float, seconds: int) -> None:
    record = Record.from_json(RECORD._replace(event=event, session_seconds=seconds).to_json())
    assert 0 <= record.event <= 2**32 - 1
    assert record.session_seconds is not None and 0 <= record.session_seconds <= 2**32 - 1
    encoded(RECORD._replace(event=event, session_seconds=seconds))


def test_text_with_lone_surrogates_is_recorded() -> None:
    record = RECORD._replace(session_id="a\udcff", user_name="\ud800")
    assert Record.from_json(record.to_json()) == record
    assert encoded(record).value(SESSION_ID) == b"a?"


FIELDS = json.loads(RECORD.to_json())


@for_each(
    [
        {"kind": "Interim-Update"},
        {"kind": None},
        {"kind": START},
        {"session_seconds": None},
        {"session_seconds": -1},
        {"session_seconds": 2**32},
        {"session_seconds": 1.5},
        {"session_seconds": True},
        {"event": "1700000000"},
        {"event": -1},
        {"event": float("nan")},
        {"event": float("inf")},
        {"event": None},
        {"event": True},
        {"session_id": 7},
        {"user_name": None},
        {"class": ""},
        {"class": {}},
        {"class": None},
        {"class": "3078"},
        {"class": ["3"]},
        {"class": ["zz"]},
        {"class": ["30 78"]},
        {"class": [None]},
        {"class": [["30"]]},
        {"attributes": ""},
        {"attributes": [[0, 32]]},
        {"attributes": [[0, 32, "30", 1]]},
        {"attributes": ["abc"]},
        {"attributes": [[0, "32", "30"]]},
        {"attributes": [[-1, 32, "30"]]},
        {"attributes": [[0, 32, 30]]},
        {"by_radius": 1},
        {"more": 1},
    ]
)
def test_records_with_a_wrong_field_are_refused(change: Any) -> None:
    assert Record.from_json(json.dumps(FIELDS)) == RECORD
    with pytest.raises(ValueError):
        Record.from_json(json.dumps(dict(FIELDS, **change)))


@for_each(sorted(FIELDS))
def test_records_with_a_missing_field_are_refused(key: str) -> None:
    with pytest.raises(ValueError):
        Record.from_json(json.dumps({name: value for name, value in FIELDS.items() if name != key}))


@for_each(["", "null", "[]", "7", '"x"', "{", "[" * 100000, "1" * 100000, '{"kind": 1e999}'])
def test_text_other_than_a_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Record.from_json(text)


@given(octets=st.binary(), at=st.integers(min_value=0), cut=st.integers(min_value=0, max_value=20))
def test_damaged_records_are_read_or_refused(octets: bytes, at: int, cut: int) -> None:
    text = RECORD.to_json().encode("ascii")
    at %= len(text)
    damaged = (text[:at] + octets + text[at + cut :]).decode("latin-1")
    try:
        encoded(Record.from_json(damaged))
    except ValueError:
        pass


# Answers


def answer(request: bytes, code: int = 5, body: bytes = b"", secret: bytes = SECRET, identifier: int = -1) -> bytes:
    """Return an answer with any content and a valid Response Authenticator (RFC 2866 section 3)."""
    header = struct.pack("!BBH", code, request[1] if identifier < 0 else identifier, 20 + len(body))
    return header + hashlib.md5(header + request[4:20] + body + secret).digest() + body


def with_message_authenticator(request: bytes, over: bytes) -> bytes:
    """Return an answer whose Message-Authenticator is computed with these octets as the authenticator."""
    signed = struct.pack("!BBH", 5, request[1], 38) + over + b"\x50\x12" + bytes(16)
    key = SECRET.ljust(64, b"\0")
    inner = hashlib.md5(bytes(octet ^ 0x36 for octet in key) + signed).digest()
    digest = hashlib.md5(bytes(octet ^ 0x5C for octet in key) + inner).digest()
    return answer(request, body=b"\x50\x12" + digest)


REQUEST = encode(RECORD, NOW, SECRET, counting())


def test_valid_answers_are_accepted() -> None:
    verify(answer(REQUEST), REQUEST, SECRET)
    verify(answer(REQUEST) + b"padding", REQUEST, SECRET)
    verify(answer(REQUEST, body=b"\x12\x05abc"), REQUEST, SECRET)
    verify(answer(REQUEST, body=b"\x65\x06\0\0\0\xc9"), REQUEST, SECRET)
    verify(answer(REQUEST, body=b"\x21\x03x\x21\x02"), REQUEST, SECRET)


@for_each([REQUEST[4:20], bytes(16)])
def test_answers_with_a_message_authenticator_are_accepted(over: bytes) -> None:
    verify(with_message_authenticator(REQUEST, over), REQUEST, SECRET)


OTHER_REQUEST = encode(RECORD, NOW + 1, SECRET, lambda count: bytes(count))
SIGNED_ANSWER = with_message_authenticator(REQUEST, bytes(16))


@for_each(
    [
        (answer(REQUEST, secret=b"other"), packet.WRONG_AUTHENTICATOR),
        (answer(OTHER_REQUEST, identifier=REQUEST[1]), packet.WRONG_AUTHENTICATOR),
        (answer(REQUEST, identifier=REQUEST[1] ^ 1), packet.UNEXPECTED_IDENTIFIER),
        (answer(REQUEST, code=2), packet.UNEXPECTED_CODE),
        (answer(REQUEST, code=4), packet.UNEXPECTED_CODE),
        (answer(REQUEST)[:19], packet.MALFORMED_HEADER),
        (b"", packet.MALFORMED_HEADER),
        (REQUEST, packet.UNEXPECTED_CODE),
        (answer(REQUEST, body=b"\x12\x09abc"), packet.MALFORMED_ATTRIBUTES),
        (answer(REQUEST, body=b"\x50\x03x"), packet.MALFORMED_MESSAGE_AUTHENTICATOR),
        (SIGNED_ANSWER[:19] + bytes([SIGNED_ANSWER[19] ^ 1]) + SIGNED_ANSWER[20:], packet.WRONG_AUTHENTICATOR),
        (SIGNED_ANSWER[:-1] + bytes([SIGNED_ANSWER[-1] ^ 1]), packet.WRONG_AUTHENTICATOR),
        (answer(REQUEST, body=b"\x65\x06\0\0\x01\x96"), NOT_RECORDED),
        (answer(REQUEST, body=SIGNED_ANSWER[20:] + b"\x65\x06\0\0\x01\xf6"), NOT_RECORDED),
    ]
)
def test_invalid_answers_are_discarded(octets: bytes, reason: packet.DiscardReason) -> None:
    with pytest.raises(packet.Discarded) as raised:
        verify(octets, REQUEST, SECRET)
    assert raised.value.reason == reason


@for_each(itertools.product(range(20), range(1, 256)))
def test_answer_with_any_header_octet_changed_is_discarded(at: int, mask: int) -> None:
    octets = bytearray(answer(REQUEST))
    octets[at] ^= mask
    with pytest.raises(packet.Discarded):
        verify(bytes(octets), REQUEST, SECRET)


# Unsent records


def waiting(key: str, event: float, kind: str = START, session: str = "", **state: Any) -> QueuePosition:
    return QueuePosition(key, event, session or key, kind, **state)


def keys(places: Sequence[QueuePosition]) -> str:
    return "".join(place.key for place in places)


def test_records_are_sent_oldest_first() -> None:
    assert keys(in_order([waiting("b", 2), waiting("c", 3, STOP), waiting("a", 1)], NOW)) == "abc"


def test_start_precedes_its_stop_even_if_the_clock_was_set_back() -> None:
    places = [waiting("b", 5, STOP, "s"), waiting("a", 9, START, "s"), waiting("c", 7)]
    assert keys(in_order(places, NOW)) == "cab"


def test_start_precedes_a_stop_of_the_same_time() -> None:
    assert keys(in_order([waiting("b", 5, STOP, "s"), waiting("a", 5, START, "s")], NOW)) == "ab"


def test_record_that_failed_comes_last_with_its_stop() -> None:
    places = [waiting("x", 1, tries=1), waiting("y", 2, STOP, "x"), waiting("c", 3, tries=2), waiting("b", 4)]
    assert keys(in_order(places, NOW)) == "bxyc"


def test_delayed_record_is_left_out_and_so_is_its_stop() -> None:
    places = [waiting("x", 1, delayed_until=NOW + 60), waiting("y", 2, STOP, "x"), waiting("a", 3)]
    assert keys(in_order(places, NOW)) == "a"
    assert keys(in_order(places, NOW + 60)) == "xya"


def test_delay_ends_when_the_clock_is_set_back() -> None:
    assert keys(in_order([waiting("x", 1, delayed_until=NOW + 86400)], NOW)) == "x"


def test_outage_delays_no_record() -> None:
    place = waiting("a", 1)
    for _ in range(8):
        place = place.failed(NOW, others_acknowledged=False)
        assert place == waiting("a", 1, tries=1)


def test_rejected_record_is_retried_less_and_less_often() -> None:
    place, delays = waiting("a", 1), []
    for _ in range(12):
        place = place.failed(NOW, others_acknowledged=True)
        delays.append(place.delayed_until - NOW)
    assert delays == [-NOW, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]


def test_outage_does_not_lengthen_the_delay_of_a_rejected_record() -> None:
    place = waiting("a", 1).failed(NOW, True).failed(NOW, True).failed(NOW, True)
    for _ in range(8):
        place = place.failed(NOW, False)
    assert place.delayed_until == 0
    assert place.failed(NOW, True).delayed_until == NOW + 240


def test_oldest_records_are_dropped_when_there_are_too_many() -> None:
    places = [waiting(str(number), NOW - number) for number in range(MAX_UNSENT + 2)]
    assert {place.key for place in positions_to_drop(places, NOW)} == {str(MAX_UNSENT), str(MAX_UNSENT + 1)}
    assert positions_to_drop(places[:MAX_UNSENT], NOW) == []


def test_too_old_records_are_dropped() -> None:
    places = [waiting("a", NOW - MAX_AGE - 1), waiting("b", NOW - MAX_AGE), waiting("c", NOW + 10 * MAX_AGE)]
    assert keys(positions_to_drop(places, NOW)) == "a"


Places = st.lists(
    st.builds(
        QueuePosition,
        key=st.uuids().map(str),
        event=st.integers(min_value=0, max_value=20).map(float),
        session=st.sampled_from("abc"),
        kind=st.sampled_from([START, STOP]),
        tries=st.integers(min_value=0, max_value=5),
        delayed_until=st.sampled_from([0.0, 100.0, 200.0, 99999.0]),
    ),
    max_size=20,
    unique_by=lambda place: (place.session, place.kind),
)


@given(places=Places)
def test_no_stop_precedes_its_start(places: List[QueuePosition]) -> None:
    order = in_order(places, 150.0)
    assert set(order) <= set(places) and len(order) == len(set(order))
    starts = {place.session: place for place in places if place.kind == START}
    for at, place in enumerate(order):
        start = starts.get(place.session)
        if place.kind == STOP and start is not None:
            assert start in order[:at]
    left_out = set(places) - set(order)
    assert all(place.is_delayed(150.0) or starts[place.session].is_delayed(150.0) for place in left_out)
