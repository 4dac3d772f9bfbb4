"""Accounting, pure: encodes records as Accounting-Requests (RFC 2866), verifies the answers, and orders the queue.

No sockets, no clock, no files.
"""

import hashlib
import json
import re
import struct
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from .. import log_lines, reasons
from ..namedtuple import NamedTuple
from . import packet
from .md5 import md5

ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = packet.ACCOUNTING_REQUEST, packet.ACCOUNTING_RESPONSE
RESPONSE_CODES = (ACCOUNTING_RESPONSE,)  # the answer to a Status-Server on this port too, RFC 5997 section 4.3
START, STOP = "Start", "Stop"
MAX_OCTETS = 4095  # RFC 2866 section 3, one less than in RFC 2865

CLASS, ACCT_STATUS_TYPE, ACCT_DELAY_TIME, ACCT_SESSION_ID, ACCT_AUTHENTIC, ACCT_SESSION_TIME = 25, 40, 41, 44, 45, 46
EVENT_TIMESTAMP, ERROR_CAUSE = 55, 101
NOT_RECORDED = packet.DiscardReason(log_lines.NOT_RECORDED.text, reasons.BAD_REPLY)
_STATUS_TYPES = {START: 1, STOP: 2}
_RADIUS, _LOCAL = 1, 2  # who authenticated the user, RFC 2866 section 5.6
_FROM_RECORD = frozenset(
    (packet.USER_NAME, CLASS, ACCT_STATUS_TYPE, ACCT_DELAY_TIME, ACCT_SESSION_ID, ACCT_AUTHENTIC, ACCT_SESSION_TIME)
    + (EVENT_TIMESTAMP,)
)
# Attributes that an Accounting-Request must not have, RFC 2866 section 5.13 and RFC 2869 section 5.19. It needs no
# Message-Authenticator: the Request Authenticator is a keyed hash of the whole packet.
_FORBIDDEN = frozenset((2, 3, 18, 24, 60, 70, 71, 72, 73, 74, 75, 76, 78, 79, packet.MESSAGE_AUTHENTICATOR, 84, 85, 88))

MAX_UNSENT = 1000
MAX_AGE = 7 * 86400.0  # seconds
_FIRST_DELAY, _LONGEST_DELAY = 60.0, 3600.0  # seconds

_LARGEST = 2**32 - 1
_HEX = re.compile("(?:[0-9a-f]{2})*")

Attribute = Tuple[int, int, bytes]
"""Vendor (0: none), number and value."""


class Record(NamedTuple):
    """The content of one Accounting-Request.

    `kind` is START or STOP, `event` its time in seconds since the epoch, `class_` the Class attributes of the
    Access-Accept in order, `session_seconds` the length of the session (STOP only), `attributes` all the rest,
    `by_radius` whether a RADIUS server authenticated the user.
    """

    kind: str
    event: float
    session_id: str
    user_name: str
    class_: Tuple[bytes, ...] = ()
    session_seconds: Optional[int] = None
    attributes: Tuple[Attribute, ...] = ()
    by_radius: bool = True

    def to_json(self) -> str:
        """Return the record as one line of ASCII."""
        return json.dumps(
            {
                "kind": self.kind,
                "event": min(max(0.0, float(self.event)), _LARGEST),
                "session_id": self.session_id,
                "user_name": self.user_name,
                "class": [octets.hex() for octets in self.class_],
                "session_seconds": _count(self.session_seconds or 0) if self.kind == STOP else None,
                "attributes": [[vendor, number, octets.hex()] for vendor, number, octets in self.attributes],
                "by_radius": self.by_radius,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Return the record that `to_json` wrote; raise ValueError for any other text."""
        try:
            fields = json.loads(text)
            kind, seconds = fields.pop("kind"), fields.pop("session_seconds")
            record = cls(
                kind=kind,
                event=float(_number(fields.pop("event"))),
                session_id=_text(fields.pop("session_id")),
                user_name=_text(fields.pop("user_name")),
                class_=tuple(_octets(value) for value in _list(fields.pop("class"))),
                session_seconds=None if seconds is None else _whole(seconds),
                attributes=tuple(
                    (_whole(vendor), _whole(number), _octets(value))
                    for vendor, number, value in map(_list, _list(fields.pop("attributes")))
                ),
                by_radius=_truth(fields.pop("by_radius")),
            )
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError("not an accounting record: " + type(error).__name__) from None
        if fields or kind not in (START, STOP) or (kind == STOP) != (seconds is not None):
            raise ValueError("not an accounting record")
        return record


def encode(record: Record, now: float, secret: bytes, random: packet.Random) -> bytes:
    """Return the octets of an Accounting-Request (RFC 2866 section 4.1) with a new identifier.

    Acct-Delay-Time is that of `now`, so a record that is sent later must be encoded again, and sent from another port,
    because the identifier may be the same by chance. No record makes this raise.
    """
    attributes = body(record, now)
    header = struct.pack("!BBH", ACCOUNTING_REQUEST, random(1)[0], packet.HEADER_OCTETS + len(attributes))
    return header + md5(header + bytes(16) + attributes + secret) + attributes  # RFC 2866 section 3


def body(record: Record, now: float) -> bytes:
    """Return the attributes of an Accounting-Request, with the Acct-Delay-Time of `now`.

    An attribute that is forbidden or does not fit is left out, a Class before any other.
    """
    own = [
        (ACCT_STATUS_TYPE, _integer(_STATUS_TYPES[record.kind])),
        (ACCT_SESSION_ID, _session_id(record.session_id)),
        (ACCT_DELAY_TIME, _integer(now - record.event)),
        (EVENT_TIMESTAMP, _integer(record.event)),
        (ACCT_AUTHENTIC, _integer(_RADIUS if record.by_radius else _LOCAL)),
        (packet.USER_NAME, record.user_name.encode("utf-8", "replace")),
    ]
    if record.kind == STOP:
        own.append((ACCT_SESSION_TIME, _integer(record.session_seconds or 0)))
    attributes: List[Attribute] = [(0, number, value) for number, value in own]
    attributes += [attribute for attribute in record.attributes if _is_allowed(attribute)]
    attributes += [(0, CLASS, value) for value in record.class_]
    return _join(attributes, MAX_OCTETS - packet.HEADER_OCTETS)


def verify(octets: bytes, request: bytes, secret: bytes) -> None:
    """Raise packet.Discarded unless the datagram is an Accounting-Response that answers `request`."""
    try:
        packet.verify(octets, request, secret, False, RESPONSE_CODES)
    except packet.Discarded as discarded:
        # FreeRADIUS 3 computes it over zeros in place of the Request Authenticator. That does no harm: it is not
        # required, and the Response Authenticator, verified before, covers the whole reply.
        if discarded.reason != packet.WRONG_MESSAGE_AUTHENTICATOR:
            raise
    check_recorded(octets)


def check_recorded(octets: bytes) -> None:
    """Raise packet.Discarded if a verified Accounting-Response has an Error-Cause from 400 on (RFC 5176 section 3.5).

    Where one port serves every kind of request, this is how a server refuses accounting (RFC 6614 section 2.5).
    """
    for _, kind, value in packet.walk(packet.read_header(octets)[1]):
        if kind == ERROR_CAUSE and int.from_bytes(value, "big") >= 400:
            raise packet.Discarded(NOT_RECORDED)


class QueuePosition(NamedTuple):
    """The place of an unsent record in the queue.

    `key` identifies the stored record and `session` its session. `tries` is 1 after the first failed
    attempt, then counts those that failed while the server acknowledged others. The record is not sent before
    `delayed_until` (seconds since the epoch).
    """

    key: str
    event: float
    session: str
    kind: str
    tries: int = 0
    delayed_until: float = 0.0

    def failed(self, now: float, others_acknowledged: bool) -> "QueuePosition":
        """Return its place after another failed attempt; `others_acknowledged` is whether another record was.

        The first failure only moves it behind the others: the server may have gone down. If it fails again while the
        server acknowledges others, the server refuses this one, and logins must not wait for it often.
        """
        if not self.tries or not others_acknowledged:
            return self._replace(tries=max(self.tries, 1), delayed_until=0.0)
        delay = min(_FIRST_DELAY * 2 ** min(self.tries - 1, 16), _LONGEST_DELAY)
        return self._replace(tries=self.tries + 1, delayed_until=now + delay)

    def is_delayed(self, now: float) -> bool:
        """Whether it is not sent now; a delay that is too long is from before the clock was set back."""
        return now < self.delayed_until <= now + _LONGEST_DELAY


def in_order(waiting: Sequence[QueuePosition], now: float) -> List[QueuePosition]:
    """Return the records to send now: oldest first, those that failed before last, and no Stop before its Start.

    Otherwise one record that the server never acknowledges would block all others.
    """
    starts = {one.session: one for one in waiting if one.kind == START}

    def place(one: QueuePosition) -> Tuple[bool, float, bool]:
        start = starts.get(one.session, one)
        return max(_age(one), _age(start)) + (one.kind == STOP,)

    return sorted(
        (one for one in waiting if not one.is_delayed(now) and not starts.get(one.session, one).is_delayed(now)),
        key=place,
    )


def positions_to_drop(waiting: Sequence[QueuePosition], now: float) -> List[QueuePosition]:
    """Return the records to remove: all but the newest MAX_UNSENT, and those older than MAX_AGE."""
    newest_first = sorted(waiting, key=lambda one: one.event, reverse=True)
    return newest_first[MAX_UNSENT:] + [one for one in newest_first[:MAX_UNSENT] if now - one.event > MAX_AGE]


def _age(one: QueuePosition) -> Tuple[bool, float]:
    return one.tries > 0, one.event


def _is_allowed(attribute: Attribute) -> bool:
    vendor, number, _ = attribute
    return vendor != 0 or number not in _FROM_RECORD | _FORBIDDEN


def _join(attributes: Iterable[Attribute], room: int) -> bytes:
    body = b""
    for vendor, number, value in attributes:
        if vendor:  # RFC 2865 section 5.26
            inner = _attribute(number, value)
            value = struct.pack("!L", vendor) + inner if inner and 0 < vendor <= _LARGEST else b""
            number = packet.VENDOR_SPECIFIC
        octets = _attribute(number, value)
        body += octets if len(body) + len(octets) <= room else b""
    return body


def _attribute(number: int, value: bytes) -> bytes:
    """Return the octets of an attribute, or none if its number or value does not fit (RFC 2865 section 5)."""
    if not 0 < number <= 255 or not 0 < len(value) <= packet.MAX_VALUE_OCTETS:
        return b""
    return bytes([number, len(value) + 2]) + value


def _session_id(text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    return octets if 0 < len(octets) <= packet.MAX_VALUE_OCTETS else hashlib.sha256(octets).hexdigest().encode("ascii")


def _integer(value: float) -> bytes:
    return struct.pack("!L", _count(value))


def _count(value: float) -> int:
    """Return whole seconds that fit an attribute; not negative, even if the clock was set back."""
    return int(min(max(0, value), _LARGEST))


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise ValueError("not a number of seconds")
    return float(value)


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError("not a whole number")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def _list(value: object) -> List[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _octets(value: object) -> bytes:
    text = _text(value)
    if not _HEX.fullmatch(text):
        raise ValueError("not octets")
    return bytes.fromhex(text)
