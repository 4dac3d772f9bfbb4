"""Attributes by name: the dictionary against pyrad, and values of every kind, encoded and read back."""

import io
import ipaddress
import re
import struct
from typing import Any, Dict, Iterable, List

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pyrad.dictionary import Dictionary
from pyrad.packet import Packet

from lib.radius.attributes import FORBIDDEN, KINDS, Attribute, check, define, encode, find, refusal
from lib.text import holds_control
from tests.support.cases import for_each
from tests.support.dictionary import LINES, NAMES, TEXT, VALUES, number_of

PYRAD = Dictionary(io.StringIO(TEXT))
VENDORS = {
    "Microsoft": 311,
    "Cisco": 9,
    "Cisco-ASA": 3076,
    "Fortinet": 12356,
    "PaloAlto": 25461,
    "Juniper": 2636,
    "Netscreen": 3224,
    "CheckPoint": 2620,
    "F5": 3375,
    "Citrix": 66,
}
STANDARD: Dict[int, Iterable[int]] = {  # RFC -> the numbers it assigns
    2865: [*range(1, 17), 18, 19, 20, *range(22, 40), *range(60, 64)],
    2866: range(40, 52),
    2867: [68, 86],
    2868: [64, 65, 66, 67, 69, 81, 82, 83, 90, 91],
    2869: [52, 53, 55, *range(70, 81), 84, 85, 87, 88],
    3162: range(95, 101),
    4372: [89],
    5176: [101],
    5580: range(126, 133),
    5607: range(133, 137),
    6911: range(168, 173),
}
OWN = (
    Attribute("Acme-Role", 9999, 1, "string"),
    Attribute("acme-level", 9999, 2, "byte"),
    Attribute("Long-Number", 0, 200, "integer64"),
    Attribute("filter-id", 0, 11, "octets"),
)
PLACEHOLDERS = ("client_ip", "protocol", "username")
SECRET_TEXT = "Sesame-7#q"

SAFE = st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp"))
TEXT_OF: Dict[str, "st.SearchStrategy[str]"] = {
    "string": st.text(SAFE, min_size=1, max_size=60),
    "octets": st.binary(min_size=1, max_size=247).map(lambda octets: "0x" + octets.hex()),
    "integer": st.integers(0, 2**32 - 1).map(str),
    "date": st.integers(0, 2**32 - 1).map(str),
    "integer64": st.integers(0, 2**64 - 1).map(str),
    "short": st.integers(0, 2**16 - 1).map(str),
    "byte": st.integers(0, 255).map(str),
    "ipaddr": st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number))),
    "ipv6addr": st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number))),
    "ipv6prefix": st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda both: str(ipaddress.IPv6Network((both[0] >> 128 - both[1] << 128 - both[1], both[1])))
    ),
    "ifid": st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4).map(
        lambda four: ":".join(map("{:x}".format, four))
    ),
    "ether": st.lists(st.integers(0, 0xFF), min_size=6, max_size=6).map(
        lambda six: ":".join(map("{:02x}".format, six))
    ),
}


def sent_and_read(attribute: Attribute, octets: bytes) -> Any:
    """Return the value that pyrad reads from a packet of its own with this one attribute."""
    packet = Packet(code=1, id=7, secret=b"", authenticator=bytes(16), dict=PYRAD)
    key = attribute.key if attribute.vendor else attribute.number
    packet[key] = [octets]
    body = packet._PktEncodeAttributes()
    read = Packet(packet=struct.pack("!BBH16s", 1, 7, 20 + len(body), bytes(16)) + body, secret=b"", dict=PYRAD)
    # By name pyrad decodes the value, but it has no decoder for these two kinds.
    (value,) = read[key if attribute.kind in ("ifid", "ether") else attribute.name]
    return value


def expected_value(attribute: Attribute, text: str) -> Any:
    """Return what a reader must see if this text was sent."""
    if attribute.kind == "string":
        return text
    if attribute.kind == "octets":
        return bytes.fromhex(text[2:])
    if attribute.kind == "ifid":
        return struct.pack("!4H", *(int(part, 16) for part in text.split(":")))
    if attribute.kind == "ether":
        return bytes(int(part, 16) for part in text.split(":"))
    if attribute.kind in ("ipaddr", "ipv6addr"):
        return ipaddress.ip_address(text)
    if attribute.kind == "ipv6prefix":
        return ipaddress.ip_network(text)
    named = [name for of, name, number in VALUES if (of, number) == (attribute.name, int(text))]
    return named[0] if named else int(text)


def comparable(attribute: Attribute, value: Any) -> Any:
    """Return a value that pyrad read in the types of `expected_value`."""
    if attribute.kind in ("ipaddr", "ipv6addr"):
        return ipaddress.ip_address(value)
    return ipaddress.ip_network(value) if attribute.kind == "ipv6prefix" else value


def refused(attribute: Attribute, text: str) -> str:
    """Return the message with which a value is refused."""
    with pytest.raises(ValueError) as raised:
        encode(attribute, text)
    return str(raised.value)


def test_dictionary_has_the_form_that_the_search_relies_on() -> None:
    assert TEXT.startswith("#") and TEXT.endswith("\n") and "\r" not in TEXT
    sizes = {"ATTRIBUTE": (4, 5), "VALUE": (4,), "VENDOR": (3,), "BEGIN-VENDOR": (2,), "END-VENDOR": (2,)}
    vendor, attribute = "", ""
    vendors: List[str] = []
    for line in LINES:
        assert len(line) in sizes[line[0]] and all(re.match(r"[!-~]+\Z", field) for field in line), line
        if line[0] == "VENDOR":
            assert not vendor, line
            vendor, attribute = line[1], ""
            vendors.append(vendor)
        elif line[0] == "BEGIN-VENDOR":
            assert line[1] == vendor and not attribute, line
        elif line[0] == "END-VENDOR":
            assert line[1] == vendor, line
            vendor = ""
        elif line[0] == "ATTRIBUTE":
            assert vendor or not vendors, f"{line}: standard attributes come first"
            attribute = line[1]
        else:
            assert line[1] == attribute, f"{line}: values follow their attribute"
    assert not vendor and vendors


def test_names_and_numbers_are_unique() -> None:
    assert len({name.lower() for name in NAMES}) == len(NAMES) == len(PYRAD.attributes)
    assert len(PYRAD.attrindex.backward) == len(NAMES)
    assert len({(attribute, name.lower()) for attribute, name, _ in VALUES}) == len(VALUES)
    assert len({(attribute, number) for attribute, _, number in VALUES}) == len(VALUES)


@for_each(NAMES)
def test_numbers_and_kinds_are_in_range(name: str) -> None:
    assert 1 <= find(name).number <= 255 and find(name).kind in KINDS


@for_each(VALUES)
def test_named_values_are_in_range(name: str, value: str, number: int) -> None:
    assert find(name).kind == "integer" and 0 <= number < 2 ** (24 if find(name).tagged else 32)


def test_dictionary_contains_every_attribute_of_the_standards() -> None:
    expected = {number for numbers in STANDARD.values() for number in numbers}
    assert {attribute.number for attribute in map(find, NAMES) if not attribute.vendor} == expected


def test_dictionary_contains_every_supported_vendor() -> None:
    assert {name: number for name, number in PYRAD.vendors.forward.items() if name} == VENDORS
    assert {attribute.vendor for attribute in map(find, NAMES)} == {0, *VENDORS.values()}


@for_each(NAMES)
def test_every_attribute_is_found_as_pyrad_reads_it(name: str) -> None:
    found, theirs = find(name), PYRAD.attributes[name]
    vendor = PYRAD.vendors[theirs.vendor] if theirs.vendor else 0
    assert found == Attribute(name, vendor, theirs.code, theirs.type, theirs.has_tag)
    assert PYRAD.attrindex[name] == (found.key if vendor else found.number)
    assert find(name.upper()) == find(name.lower()) == find(number_of(vendor, found.number)) == found


@given(st.sampled_from(NAMES).map(find).filter(lambda attribute: attribute.key != (0, 26)), st.data())
def test_pyrad_decodes_any_encoded_value(attribute: Attribute, data: Any) -> None:
    text = data.draw(TEXT_OF[attribute.kind])
    if attribute.tagged and attribute.kind == "integer":
        text = str(int(text) % 2**24)
    elif attribute.kind == "string" and len(text.encode("utf-8")) > attribute.limit:
        text = text[:10]
    octets = encode(attribute, text)
    assert comparable(attribute, sent_and_read(attribute, octets)) == expected_value(attribute, text)


@for_each([name for name in NAMES if name != "Vendor-Specific"])
def test_pyrad_decodes_a_value_of_every_attribute(name: str) -> None:
    examples = {
        "string": "Ünïcode",
        "octets": "0x00ff41",
        "ipaddr": "192.0.2.1",
        "ipv6addr": "2001:db8::1",
        "ipv6prefix": "2001:db8::/32",
        "ifid": "200:5eff:fe00:1",
        "ether": "00:00:5e:00:53:01",
    }
    attribute = find(name)
    text = examples.get(attribute.kind, "7")
    assert comparable(attribute, sent_and_read(attribute, encode(attribute, text))) == expected_value(attribute, text)


@for_each(VALUES)
def test_named_values_are_encoded_by_name_and_by_number(name: str, value: str, number: int) -> None:
    attribute = find(name)
    assert encode(attribute, value) == PYRAD.attributes[name].values[value] == struct.pack("!L", number)
    assert encode(attribute, value.upper()) == encode(attribute, value.lower()) == encode(attribute, str(number))
    assert sent_and_read(attribute, encode(attribute, value)) == value


@for_each(
    [
        ("NAS-Identifier", Attribute("NAS-Identifier", 0, 32, "string")),
        ("nas-identifier", Attribute("NAS-Identifier", 0, 32, "string")),
        ("32", Attribute("NAS-Identifier", 0, 32, "string")),
        ("032", Attribute("NAS-Identifier", 0, 32, "string")),
        ("Tunnel-Type", Attribute("Tunnel-Type", 0, 64, "integer", True)),
        ("26.12356.1", Attribute("Fortinet-Group-Name", 12356, 1, "string")),
        ("26.9.200", Attribute("26.9.200", 9, 200, "octets")),
        ("26.9999.1", Attribute("26.9999.1", 9999, 1, "octets")),
        ("26.16777215.255", Attribute("26.16777215.255", 16777215, 255, "octets")),
        ("200", Attribute("200", 0, 200, "octets")),
        ("255", Attribute("255", 0, 255, "octets")),
    ]
)
def test_attributes_are_found_by_name_and_by_number(name: str, attribute: Attribute) -> None:
    assert find(name) == attribute


UNKNOWN = "unknown attribute; define it, or write its number as 26.<vendor>.<type>"


@for_each(
    [
        ("NAS-Identifer", "unknown attribute; did you mean NAS-Identifier?"),
        ("fortinet-group", "unknown attribute; did you mean Fortinet-Group-Name?"),
        ("acme-rol", "unknown attribute; did you mean Acme-Role?"),
        ("Zzzzzzz", UNKNOWN),
        ("Aruba-User-Role", UNKNOWN),
        ("", UNKNOWN),
        ("Class\t25", "unknown attribute; did you mean Class?"),
        ("Class\n", "unknown attribute; did you mean Class?"),
        ("Clas\u017f", "unknown attribute; did you mean Class?"),
        (".*", UNKNOWN),
        ("26.9", UNKNOWN),
        ("26.9.1.1", UNKNOWN),
        ("27.9.1", UNKNOWN),
        ("-1", UNKNOWN),
        ("\u0663\u0662", UNKNOWN),
        ("0", "expected an attribute's number from 1 to 255"),
        ("256", "expected an attribute's number from 1 to 255"),
        ("26.9.0", "expected an attribute's number from 1 to 255"),
        ("26.9.256", "expected an attribute's number from 1 to 255"),
        ("26.0.1", "expected a vendor's number from 1 to 16777215"),
        ("26.16777216.1", "expected a vendor's number from 1 to 16777215"),
    ]
)
def test_unknown_names_and_numbers_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        find(name, OWN)
    assert str(raised.value) == message


@given(st.one_of(st.text(max_size=12), st.sampled_from(NAMES), st.from_regex(r"\A(26\.\d+\.)?\d+\Z")))
def test_any_name_is_found_or_refused(name: str) -> None:
    try:
        found = find(name)
    except ValueError:
        return
    assert 1 <= found.number <= 255 and 0 <= found.vendor < 2**24 and found.kind in KINDS


def test_configured_definitions_take_precedence() -> None:
    assert find("ACME-ROLE", OWN) == find("26.9999.1", OWN) == OWN[0]
    assert find("Filter-Id", OWN) == find("11", OWN) == OWN[3]
    assert find("Long-Number", OWN) == find("200", OWN) == OWN[2]
    assert find("Class", OWN) == find("Class")
    assert encode(find("Acme-Level", OWN), "7") == b"\7"


@for_each(
    [
        ("Acme-Role", "26.9999.1 string", Attribute("Acme-Role", 9999, 1, "string")),
        ("acme_role.2/x", "  26.9999.255\tOctets ", Attribute("acme_role.2/x", 9999, 255, "octets")),
        ("Own", "200 integer64", Attribute("Own", 0, 200, "integer64")),
    ]
    + [("A", "26.1.1 " + kind, Attribute("A", 1, 1, kind)) for kind in sorted(KINDS)]
)
def test_definitions_are_read(name: str, text: str, attribute: Attribute) -> None:
    assert define(name, text) == attribute


EXPECTED_DEFINITION = (
    "expected `26.<vendor>.<type> <kind>` or `<number> <kind>`, the kind one of string, octets, integer, ipaddr, "
    "ipv6addr, ipv6prefix, date, integer64, short, byte, ifid, ether"
)
EXPECTED_NAME = "expected a name of letters, digits, `-`, `_`, `.` and `/` that begins with a letter"


@for_each(
    [("Own", text, EXPECTED_DEFINITION) for text in ("", "200", "string", "200 text", "200 string 1", "x string")]
    + [("Own", text, EXPECTED_DEFINITION) for text in ("26.9 string", "26.9.1.1 string", "1000 string", "200 tlv")]
    + [("Own", text, "expected an attribute's number from 1 to 255") for text in ("0 string", "26.9.256 string")]
    + [("Own", "26.0.1 string", "expected a vendor's number from 1 to 16777215")]
    + [(name, "200 string", EXPECTED_NAME) for name in ("", "26.9.1", "200", "a b", "\xe9t\xe9", "a\n", "-a")]
)
def test_malformed_definitions_are_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        define(name, text)
    assert str(raised.value) == message


@for_each(
    [
        ("NAS-Identifier", "sps", b"sps"),
        ("NAS-Identifier", " sps ", b" sps "),
        ("NAS-Identifier", "0x41", b"0x41"),
        ("NAS-Identifier", "{x}", b"{x}"),
        ("NAS-Identifier", "\xfc", b"\xc3\xbc"),
        ("Class", "OU=Admins;", b"OU=Admins;"),
        ("Class", "0x00fF", b"\x00\xff"),
        ("Class", "0X41", b"A"),
        ("NAS-Port", "0", bytes(4)),
        ("NAS-Port", " 4294967295 ", b"\xff" * 4),
        ("NAS-Port", "0xFFFFFFFF", b"\xff" * 4),
        ("NAS-Port", "007", b"\0\0\0\7"),
        ("NAS-Port-Type", "Virtual", b"\0\0\0\5"),
        ("NAS-Port-Type", " virtual ", b"\0\0\0\5"),
        ("Event-Timestamp", "1700000000", struct.pack("!L", 1700000000)),
        ("NAS-IP-Address", "192.0.2.255", b"\xc0\0\2\xff"),
        ("NAS-IPv6-Address", "2001:DB8::1", b"\x20\1\x0d\xb8" + bytes(11) + b"\1"),
        ("NAS-IPv6-Address", "::ffff:192.0.2.1", bytes(10) + b"\xff\xff\xc0\0\2\1"),
        ("Framed-IPv6-Prefix", "2001:db8::/32", b"\0\x20\x20\1\x0d\xb8" + bytes(12)),
        ("Framed-IPv6-Prefix", "::/0", bytes(18)),
        ("Framed-Interface-Id", "200:5EFF:fe00:1", b"\2\0\x5e\xff\xfe\0\0\1"),
        ("Fortinet-WirelessController-Device-MAC", "0:0:5e:00:53:01", b"\0\0\x5e\0\x53\1"),
        ("Tunnel-Type", "VLAN", b"\0\0\0\x0d"),
        ("Tunnel-Type", ":0:VLAN", b"\0\0\0\x0d"),
        ("Tunnel-Type", ":1:VLAN", b"\1\0\0\x0d"),
        ("Tunnel-Type", ":31:16777215", b"\x1f\xff\xff\xff"),
        ("Tunnel-Private-Group-Id", "42", b"42"),
        ("Tunnel-Private-Group-Id", ":1:42", b"\x0142"),
        ("Tunnel-Private-Group-Id", ":0:42", b"\x0042"),
        ("Tunnel-Private-Group-Id", ":x:42", b":x:42"),
        ("Tunnel-Private-Group-Id", ":1::2:3", b"\x01:2:3"),
        ("Filter-Id", ":1:42", b":1:42"),
    ]
    + [(name, "", b"") for name in ("NAS-Identifier", "Class", "NAS-Port", "NAS-IP-Address", "Tunnel-Type")]
    + [("Tunnel-Private-Group-Id", ":1:", b"")]
)
def test_values_are_encoded(name: str, text: str, octets: bytes) -> None:
    assert encode(find(name), text) == octets


@for_each(
    [
        ("NAS-Identifier", "a\nb", "expected text without control characters"),
        ("NAS-Identifier", "a\0", "expected text without control characters"),
        ("NAS-Identifier", "a\u202eb", "expected text without control characters"),
        ("NAS-Identifier", "\ud800", "expected text without control characters"),
        ("Class", "\ud800", "expected text, or hexadecimal digits after 0x"),
        ("Class", "0x", "expected pairs of hexadecimal digits after 0x"),
        ("Class", "0x123", "expected pairs of hexadecimal digits after 0x"),
        ("Class", "0xZZ", "expected pairs of hexadecimal digits after 0x"),
        ("Class", "0x41 42", "expected pairs of hexadecimal digits after 0x"),
        ("Class", "0x41\n", "expected pairs of hexadecimal digits after 0x"),
        ("NAS-IP-Address", "192.0.2", "expected an IPv4 address"),
        ("NAS-IP-Address", "192.0.2.256", "expected an IPv4 address"),
        ("NAS-IP-Address", "2001:db8::1", "expected an IPv4 address"),
        ("NAS-IP-Address", "sps.example.com", "expected an IPv4 address"),
        ("NAS-IPv6-Address", "192.0.2.1", "expected an IPv6 address"),
        ("NAS-IPv6-Address", "fe80::1%eth0", "expected an IPv6 address"),
        (
            "Framed-IPv6-Prefix",
            "2001:db8::1/32",
            "expected an IPv6 prefix with no bits set after it, such as 2001:db8::/32",
        ),
        ("Framed-Interface-Id", "1:2:3", "expected 4 hexadecimal numbers with colons, such as 200:5eff:fe00:1"),
        ("Framed-Interface-Id", "1:2:3:10000", "expected 4 hexadecimal numbers with colons, such as 200:5eff:fe00:1"),
        ("Tunnel-Type", ":32:VLAN", "expected a tag from 0 to 31"),
        ("Prompt", "Ecco", "expected a whole number from 0 to 4294967295, or one of No-Echo, Echo"),
        (
            "NAS-Port-Type",
            "Virtuel",
            "expected a whole number from 0 to 4294967295, or a name such as Async, Sync, ISDN",
        ),
        ("Tunnel-Preference", "16777216", "expected a whole number from 0 to 16777215"),
    ]
    + [
        ("NAS-Port", text, "expected a whole number from 0 to 4294967295")
        for text in ("-1", "1.0", "1e3", "1_000", "4294967296", "0x100000000", "9" * 30, "\u0663", "0o7", "1 2", " ")
    ]
)
def test_malformed_values_are_refused(name: str, text: str, message: str) -> None:
    assert refused(find(name), text) == message


@for_each([("NAS-Identifier", 253), ("Class", 253), ("200", 253), ("Cisco-AVPair", 247), ("26.9999.1", 247)])
def test_values_are_never_cut(name: str, limit: int) -> None:
    attribute = find(name)
    assert encode(attribute, "x" * limit) == b"x" * limit
    assert encode(attribute, "\xfc" * (limit // 2)) == "\xfc".encode("utf-8") * (limit // 2)
    for text in ("x" * (limit + 1), "\xfc" * (limit // 2 + 1), "x" * 70000):
        assert refused(attribute, text) == f"expected at most {limit} octets of UTF-8"


def test_tag_takes_one_octet_of_the_limit() -> None:
    attribute = find("Tunnel-Private-Group-Id")
    assert len(encode(attribute, ":1:" + "x" * 252)) == 253
    assert refused(attribute, ":1:" + "x" * 253) == "expected at most 252 octets of UTF-8"


def test_hexadecimal_values_have_the_same_limit() -> None:
    assert len(encode(find("Class"), "0x" + "00" * 253)) == 253
    assert refused(find("Class"), "0x" + "00" * 254) == "expected at most 253 octets of UTF-8"


@given(
    st.sampled_from(NAMES + ["26.9999.1", "200"]).map(find),
    st.one_of(st.text(st.characters(blacklist_categories=())), st.sampled_from(["0x", ":1:", ":99:", "9" * 20, "::"])),
    st.text(st.characters(blacklist_categories=()), max_size=300),
)
def test_any_text_is_encoded_or_refused_without_being_quoted(attribute: Attribute, before: str, after: str) -> None:
    try:
        octets = encode(attribute, before + SECRET_TEXT + after)
    except ValueError as error:
        assert SECRET_TEXT not in str(error) and not holds_control(str(error))
        return
    assert 0 < len(octets) <= attribute.limit and SECRET_TEXT.encode("ascii") in octets


def test_placeholders_are_filled() -> None:
    values = {"client_ip": "192.0.2.1", "username": "\xfcser"}
    assert (
        encode(find("Connect-Info"), "{{ {username} from {client_ip} }}", values) == b"{ \xc3\xbcser from 192.0.2.1 }"
    )
    assert encode(find("NAS-IP-Address"), "{client_ip}", values) == b"\xc0\0\2\1"
    assert encode(find("Tunnel-Client-Endpoint"), ":1:{client_ip}", values) == b"\x01192.0.2.1"
    assert encode(find("Connect-Info"), "{username}", {"username": ""}) == b""
    with pytest.raises(ValueError, match=r"\Aunknown placeholder; expected \{client_ip\}, \{username\}\Z"):
        encode(find("Connect-Info"), "{protocol}", values)


@for_each(
    [
        ("Chargeable-User-Identity", "{username}", "0x616c696365", b"0x616c696365"),
        ("Class", "0{username}", "x41", b"0x41"),
        ("Tunnel-Client-Auth-Id", "{username}", ":1:root", b":1:root"),
        ("Tunnel-Client-Auth-Id", ":1:{username}", ":2:root", b"\x01:2:root"),
        ("Connect-Info", "{username}", "{client_ip}", b"{client_ip}"),
    ]
)
def test_user_input_is_never_read_as_syntax(name: str, template: str, typed: str, octets: bytes) -> None:
    assert encode(find(name), template, {"username": typed, "client_ip": "192.0.2.1"}) == octets


def test_hexadecimal_values_take_no_placeholders() -> None:
    with pytest.raises(ValueError, match=r"\Aexpected pairs of hexadecimal digits after 0x\Z"):
        check(find("Class"), "0x{username}", PLACEHOLDERS)


@for_each(
    "User-Name User-Password CHAP-Password CHAP-Challenge State Proxy-State EAP-Message Message-Authenticator".split()
    + ["Vendor-Specific", "Tunnel-Password", "ARAP-Password", "MS-MPPE-Send-Key", "MS-MPPE-Recv-Key"]
    + [name for name in NAMES if re.match(r"MS-CHAP2?-", name)]
)
def test_forbidden_attributes_are_refused_by_name_number_and_alias(name: str) -> None:
    attribute = find(name)
    number = number_of(*attribute.key)
    assert refusal(attribute) == FORBIDDEN[name] != ""
    for alias in (find(number), define("Mine", number + " octets")):
        assert refusal(alias) == FORBIDDEN[name]
        with pytest.raises(ValueError, match=re.escape(FORBIDDEN[name])):
            check(alias, "x", ())


def test_no_other_attribute_is_refused() -> None:
    assert {name for name in NAMES if refusal(find(name))} == set(FORBIDDEN)
    assert {name for name in NAMES if PYRAD.attributes[name].encrypt} <= set(FORBIDDEN)
    assert not refusal(find("26.9999.80")) and not refusal(find("Reply-Message"))


@for_each(
    [
        ("NAS-Identifier", "sps-{protocol}"),
        ("NAS-Identifier", "{username}{username}"),
        ("NAS-IP-Address", "{client_ip}"),
        ("NAS-Port", "{client_ip}"),
        ("NAS-Port-Type", "Virtual"),
        ("Cisco-AVPair", "shell:priv-lvl={{15}}"),
        ("Connect-Info", ""),
    ]
)
def test_lines_that_can_be_sent_pass_the_check(name: str, text: str) -> None:
    check(find(name), text, PLACEHOLDERS)


@for_each(
    [
        ("NAS-Identifier", "{user}", "unknown placeholder; expected {client_ip}, {protocol}, {username}"),
        ("NAS-Port", "{port}", "unknown placeholder; expected {client_ip}, {protocol}, {username}"),
        ("NAS-Identifier", "a{", "unpaired brace; write {{ or }} for a literal brace"),
        ("NAS-Port", "}1", "unpaired brace; write {{ or }} for a literal brace"),
        ("NAS-Identifier", "x" * 254 + "{username}", "expected at most 253 octets of UTF-8"),
        ("NAS-Identifier", "\t{username}", "expected text without control characters"),
        ("Tunnel-Client-Endpoint", ":32:{client_ip}", "expected a tag from 0 to 31"),
        ("NAS-Port", "first", "expected a whole number from 0 to 4294967295"),
        ("State", "x", "belongs to the server that sent it"),
    ]
)
def test_lines_that_can_never_be_sent_are_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        check(find(name), text, PLACEHOLDERS)
    assert str(raised.value) == message
