"""The attributes of the NAS, the client and the target."""

from typing import Any, List

from hypothesis import given
from hypothesis import strategies as st

from lib.radius import nas
from tests.support.cases import for_each


def test_every_known_value_is_sent() -> None:
    assert nas.attributes("Zürich-1", "2001:db8::1", "ssh servers") == (
        (0, 32, b"Z\xc3\xbcrich-1"),
        (0, 6, b"\0\0\0\1"),
        (0, 61, b"\0\0\0\5"),
        (0, 31, b"2001:db8::1"),
        (0, 77, b"ssh servers"),
    )


def test_ipv4_and_ipv6_addresses_have_an_attribute_each() -> None:
    assert nas.address("192.0.2.7") == ((0, 4, b"\xc0\0\2\7"),)
    assert nas.address("::1") == ((0, 95, bytes(15) + b"\1"),)
    assert nas.address("") == ()


def test_target_is_sent_as_address_port_and_text() -> None:
    assert nas.target("192.0.2.20", 2222, "host.example.com", "root") == (
        (0, 14, b"\xc0\0\2\x14"),
        (0, 16, b"\0\0\x08\xae"),
        (0, 30, b"root@host.example.com:2222"),
    )


@for_each(
    [
        (None, None, None, None, []),
        ("", 0, "", "", []),
        ("fe80::1%eth0", 22, None, None, [98, 16, 30]),
        ("host.example.com", "22", None, None, [16, 30]),
        ("192.0.2.1", -1, None, None, [14, 30]),
        ("192.0.2.1", 2**40, None, 5, [14, 30]),
        (7, [], {}, None, [30]),
    ]
)
def test_malformed_parts_of_the_target_are_left_out(ip: Any, port: Any, host: Any, user: Any, found: List[int]) -> None:
    assert [number for _, number, _ in nas.target(ip, port, host, user)] == found


def test_empty_values_are_left_out() -> None:
    assert nas.attributes("sps", "", "") == ((0, 32, b"sps"), (0, 6, b"\0\0\0\1"), (0, 61, b"\0\0\0\5"))


@for_each([("x" * 300, 253), ("ü" * 200, 252), ("🔑" * 100, 252)])
def test_text_is_cut_between_characters(long: str, octets: int) -> None:
    ((_, _, value),) = [each for each in nas.attributes("sps", "", long) if each[1] == 77]
    assert len(value) == octets
    assert long.startswith(value.decode("utf-8"))


@given(st.text())
def test_any_text_fits(text: str) -> None:
    for _, _, value in nas.attributes(text, text, text):
        assert 0 < len(value) <= 253


@for_each(
    [
        ("h" * 40, "root", "root@" + "h" * 40 + ":2222"),
        ("h" * 41, "root", "root@" + "h" * 41),
        ("h" * 45, "root", "root@" + "h" * 45),
        ("h" * 46, "root", "h" * 46),
        ("h" * 41, "", "h" * 41 + ":2222"),
        ("h" * 45, "", "h" * 45 + ":2222"),
        ("h" * 45, "u" * 300, "h" * 45 + ":2222"),
        ("h" * 50, "root", "h" * 50),
        ("h" * 51, "root", "h" * 50),
        ("ü" * 30, "root", "ü" * 25),
        ("h" + "ü" * 30, "root", "h" + "ü" * 24),
        ("", "u" * 300, ":2222"),
    ]
)
def test_called_station_id_has_at_most_50_octets_and_keeps_the_host(host: str, user: str, expected: str) -> None:
    assert (0, nas.CALLED_STATION_ID, expected.encode("utf-8")) in nas.target(None, 2222, host, user)
