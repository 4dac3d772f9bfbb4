"""Accounting-Requests that FreeRADIUS records and acknowledges."""

import calendar
import os
import socket
import time

import pytest

from lib.radius import packet
from lib.radius.accounting import ACCOUNTING_RESPONSE, CLASS, RESPONSE_CODES, START, STOP, Record, encode, verify
from tests.support.radiusd import FreeRadius

NOW = 1700000000.75
REPLY_SECONDS = 20.0
ATTRIBUTES = ((0, 32, b"sps"), (0, 31, b"2001:db8::7"), (9, 1, b"target=root@db1"))
RECORD = Record(STOP, NOW - 3600, "svc/ünï/7", "jürgen", (b"0x\x00\xff", b"OU=ops;"), 3599, ATTRIBUTES)


def send(server: FreeRadius, octets: bytes) -> bytes:
    """Send a request and return the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect((server.host, server.acct_port))
        connection.settimeout(REPLY_SECONDS)
        connection.send(octets)
        return connection.recv(4096)


def deliver(server: FreeRadius, record: Record) -> bytes:
    """Send a record, check that the server acknowledges it, and return the request."""
    secret = server.secret.encode("utf-8")
    octets = encode(record, NOW, secret, os.urandom)
    verify(send(server, octets), octets, secret)
    return octets


def test_freeradius_records_start_and_stop(freeradius: FreeRadius) -> None:
    start = RECORD._replace(kind=START, event=NOW - 3600, session_seconds=None, session_id="test/said")
    deliver(freeradius, start)
    deliver(freeradius, start._replace(kind=STOP, event=NOW - 60, session_seconds=3540))
    began, ended = [one for one in freeradius.accounting() if one.get("Acct-Session-Id") == "test/said"]
    for one, kind, event, delay in ((began, "Start", NOW - 3600, "3600"), (ended, "Stop", NOW - 60, "60")):
        assert one.code == "Accounting-Request"
        assert one.get("Acct-Status-Type") == kind
        assert one.get("Acct-Delay-Time") == delay
        recorded = time.strptime(str(one.get("Event-Timestamp")), "%b %d %Y %H:%M:%S UTC")
        assert calendar.timegm(recorded) == int(event)
        assert one.get("Acct-Authentic") == "RADIUS"
        assert one.get("User-Name") == "jürgen"
        assert one.values("Class") == [b"0x\x00\xff", b"OU=ops;"]
        assert one.get("NAS-Identifier") == "sps"
        assert one.get("Calling-Station-Id") == "2001:db8::7"
        assert one.get("Cisco-AVPair") == "target=root@db1"
    assert began.get("Acct-Session-Time") is None
    assert ended.get("Acct-Session-Time") == "3540"


def test_freeradius_records_the_largest_packet(freeradius: FreeRadius) -> None:
    record = RECORD._replace(session_id="test/large", class_=tuple(bytes([number]) * 253 for number in range(20)))
    request = deliver(freeradius, record)
    (one,) = [one for one in freeradius.accounting() if one.get("Acct-Session-Id") == "test/large"]
    assert one.values("Class") == [value for _, number, value in packet.contents(request) if number == CLASS]
    assert len(one.values("Class")) > 10


def test_answer_with_freeradius_own_message_authenticator_is_accepted(freeradius: FreeRadius) -> None:
    deliver(freeradius, RECORD._replace(user_name="signed"))


def test_freeradius_discards_a_request_signed_with_another_secret(freeradius: FreeRadius) -> None:
    forged = encode(RECORD._replace(session_id="test/forged"), NOW, b"another secret", os.urandom)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect((freeradius.host, freeradius.acct_port))
        connection.send(forged)
        # FreeRADIUS reads packets in order: once it has answered this one, it has read the one before.
        deliver(freeradius, RECORD._replace(session_id="test/genuine"))
        with pytest.raises(BlockingIOError):
            connection.recv(4096, socket.MSG_DONTWAIT)
    sessions = [one.get("Acct-Session-Id") for one in freeradius.accounting()]
    assert "test/genuine" in sessions and "test/forged" not in sessions


def test_freeradius_answers_status_server_with_an_accounting_response(freeradius: FreeRadius) -> None:
    secret = freeradius.secret.encode("utf-8")
    status = packet.encode_status((), secret, os.urandom)
    reply = packet.verify(send(freeradius, status), status, secret, False, RESPONSE_CODES)
    assert reply.code == ACCOUNTING_RESPONSE
