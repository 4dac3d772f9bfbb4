"""Attributes by name, pure: resolves a name to vendor, number and kind, and encodes text as the octets of a value.

The dictionary is searched as text, which takes a third of a millisecond for a login; pyrad takes 6 to 9 milliseconds to
parse it.
"""

import functools
import ipaddress
import pkgutil
import re
from typing import Callable, Iterable, List, Mapping, Match, Optional, Sequence, Tuple

from ..namedtuple import NamedTuple
from ..text import did_you_mean, filled, holds_control, placeholders

MAX_VENDOR = 0xFFFFFF  # RFC 2865 section 5.26: the high octet is 0
MAX_TAG = 31  # RFC 2868 section 3.1


class Attribute(NamedTuple):
    """An attribute: `vendor` is 0 for a standard one, `kind` is one of KINDS, `tagged` is as in RFC 2868."""

    name: str
    vendor: int
    number: int
    kind: str
    tagged: bool = False

    @property
    def key(self) -> Tuple[int, int]:
        """The identity of the attribute, under any name."""
        return self.vendor, self.number

    @property
    def limit(self) -> int:
        """The maximum number of octets of a value (RFC 2865 sections 5 and 5.26)."""
        return 247 if self.vendor else 253


FORBIDDEN: Mapping[str, str] = {
    name: reason
    for reason, names in (
        ("is the user who logs in", "User-Name"),
        ("is made from what the user types", "User-Password CHAP-Password CHAP-Challenge ARAP-Password"),
        ("belongs to the server that sent it", "State"),
        ("belongs to the proxy that added it", "Proxy-State"),
        ("is computed for every request", "Message-Authenticator"),
        ("is made by the tunneled methods of auth_type", "EAP-Message"),
        ("is written as 26.<vendor>.<type>, or by the vendor's name for it", "Vendor-Specific"),
        (
            "goes encrypted, and from the server only",
            "Tunnel-Password MS-CHAP-MPPE-Keys MS-MPPE-Send-Key MS-MPPE-Recv-Key",
        ),
        (
            "belongs to MS-CHAP",
            "MS-CHAP-Response MS-CHAP-Error MS-CHAP-CPW-1 MS-CHAP-CPW-2 MS-CHAP-LM-Enc-PW MS-CHAP-NT-Enc-PW"
            " MS-CHAP-Domain MS-CHAP-Challenge MS-CHAP2-Response MS-CHAP2-Success MS-CHAP2-CPW"
            " MS-Old-ARAP-Password MS-New-ARAP-Password",
        ),
    )
    for name in names.split()
}
"""Name in the dictionary -> the reason why no configuration may set it in a request."""

_NAME = re.compile(r"(?a)[a-zA-Z][\w./-]*\Z")
_NUMBERS = re.compile(r"(?a)(?:26\.([0-9]{1,8})\.)?([0-9]{1,3})\Z")
_WHOLE = re.compile(r"(?a)[0-9]{1,20}\Z|0x[0-9a-f]{1,16}\Z")
_TAG = re.compile(r"(?a):([0-9]{1,3}):")
_FEW = 20  # named values that an error may list


def find(name: str, own: Sequence[Attribute] = ()) -> Attribute:
    """Return the attribute of a name, in any case, of a number from 1 to 255, or of `26.<vendor>.<type>`.

    `own` has the configured definitions, which precede the dictionary. A number that neither has is of kind octets.
    Raise ValueError if the name is unknown or a number is out of range.
    """
    match = _NUMBERS.match(name)
    if match:
        return by_key(*_key(match), own)
    for attribute in own:
        if attribute.name.lower() == name.lower():
            return attribute
    found = _named(name)
    if not found:
        known = [defined.name for defined in own] + re.findall(r"\nATTRIBUTE\t([^\t]+)", _dictionary()[0])
        known = [each for each in known if each[:1].lower() == name[:1].lower()]  # others are of another vendor
        advice = did_you_mean(name, known) or "; define it, or write its number as 26.<vendor>.<type>"
        raise ValueError("unknown attribute" + advice)
    return found


def by_key(vendor: int, number: int, own: Sequence[Attribute] = ()) -> Attribute:
    """Return the attribute of a vendor and a type; its number is its name if it has no other."""
    name = f"26.{vendor}.{number}" if vendor else str(number)
    return _numbered(vendor, number, own) or Attribute(name, vendor, number, "octets")


def define(name: str, text: str) -> Attribute:
    """Return the definition of a name by `26.<vendor>.<type> <kind>` or `<number> <kind>`.

    Raise ValueError with the expected form if the text has another form.
    """
    if not _NAME.match(name):
        raise ValueError("expected a name of letters, digits, `-`, `_`, `.` and `/` that begins with a letter")
    parts = text.lower().split()
    match = _NUMBERS.match(parts[0]) if len(parts) == 2 else None
    if not match or parts[1] not in KINDS:
        kinds = ", ".join(KINDS)
        raise ValueError("expected `26.<vendor>.<type> <kind>` or `<number> <kind>`, the kind one of " + kinds)
    vendor, number = _key(match)
    return Attribute(name, vendor, number, parts[1])


def refusal(attribute: Attribute) -> str:
    """Return the reason why a configuration must not set an attribute, under any name, or an empty string."""
    standard = _numbered(attribute.vendor, attribute.number)
    return FORBIDDEN.get(standard.name, "") if standard else ""


def check(attribute: Attribute, text: str, names: Iterable[str]) -> None:
    """Raise ValueError, without the text in it, if an attribute with this text can never be sent.

    `names` are the placeholders that may be in braces; their values are not known yet. Empty text is valid.
    """
    why = refusal(attribute)
    if why:
        raise ValueError(why)
    nothing = dict.fromkeys(names, "")
    if placeholders(text) and attribute.kind not in ("string", "octets"):
        filled(text, nothing)
    else:
        encode(attribute, text, nothing)


def encode(attribute: Attribute, text: str, values: Optional[Mapping[str, str]] = None) -> bytes:
    """Return the octets of a value; none for empty text, as no attribute may be empty (RFC 2865 section 5).

    With `values`, each `{name}` in the text is replaced after the syntax has been parsed, so user input never counts
    as a tag or as hexadecimal digits. The text of a tagged attribute may begin with the tag, as in `:1:VLAN`; a
    string without a tag is sent without the octet, an integer with 0 (RFC 2868 section 3). Octets are text, or
    hexadecimal digits after 0x. Nothing is cut. Raise ValueError with the expected form, never with the value.
    """
    tag = b""
    match = _TAG.match(text) if attribute.tagged else None
    if match:
        if int(match.group(1)) > MAX_TAG:
            raise ValueError(f"expected a tag from 0 to {MAX_TAG}")
        tag, text = bytes([int(match.group(1))]), text[match.end() :]
    elif attribute.tagged and attribute.kind == "integer":
        tag = b"\0"
    if attribute.kind == "octets" and text[:2].lower() == "0x":
        octets = _hexadecimal(text[2:])
    else:
        text = text if values is None else filled(text, values)
        octets = KINDS[attribute.kind](attribute, text) if text else b""
    limit = attribute.limit - len(tag)
    if len(octets) > limit:
        raise ValueError(f"expected at most {limit} octets of UTF-8")
    return tag + octets if octets else b""


def _string(_: Attribute, text: str) -> bytes:
    if holds_control(text):
        raise ValueError("expected text without control characters")
    return text.encode("utf-8")


def _octets(_: Attribute, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("expected text, or hexadecimal digits after 0x") from None


def _hexadecimal(digits: str) -> bytes:
    if not re.match(r"(?:[0-9a-fA-F]{2})+\Z", digits):
        raise ValueError("expected pairs of hexadecimal digits after 0x")
    return bytes.fromhex(digits)


def _whole(size: int) -> Callable[[Attribute, str], bytes]:
    def whole(attribute: Attribute, text: str) -> bytes:
        octets = size - 1 if attribute.tagged else size
        high = 256**octets - 1
        text = text.strip().lower()
        if _WHOLE.match(text):
            number = int(text, 16 if text.startswith("0x") else 10)
        else:
            number = next((number for name, number in named_values(attribute) if name.lower() == text), -1)
        if not 0 <= number <= high:
            raise ValueError(f"expected a whole number from 0 to {high}{_or_a_name(attribute)}")
        return number.to_bytes(octets, "big")

    return whole


def _ipv4(_: Attribute, text: str) -> bytes:
    try:
        return ipaddress.IPv4Address(text.strip()).packed
    except ValueError:
        raise ValueError("expected an IPv4 address") from None


def _ipv6(_: Attribute, text: str) -> bytes:
    try:
        if "%" in text:  # newer Pythons accept a zone and drop it
            raise ValueError
        return ipaddress.IPv6Address(text.strip()).packed
    except ValueError:
        raise ValueError("expected an IPv6 address") from None


def _ipv6_prefix(_: Attribute, text: str) -> bytes:
    """RFC 3162 section 2.3, with all of the prefix."""
    try:
        network = ipaddress.IPv6Network(text.strip())
    except ValueError:
        raise ValueError("expected an IPv6 prefix with no bits set after it, such as 2001:db8::/32") from None
    return bytes([0, network.prefixlen]) + network.network_address.packed


def _numbers_with_colons(count: int, digits: int, example: str) -> Callable[[Attribute, str], bytes]:
    pattern = ":".join([f"[0-9a-fA-F]{{1,{digits}}}"] * count) + r"\Z"

    def numbers(_: Attribute, text: str) -> bytes:
        if not re.match(pattern, text.strip()):
            raise ValueError(f"expected {count} hexadecimal numbers with colons, such as {example}")
        return b"".join(int(number, 16).to_bytes(digits // 2, "big") for number in text.split(":"))

    return numbers


KINDS: Mapping[str, Callable[[Attribute, str], bytes]] = {
    "string": _string,
    "octets": _octets,
    "integer": _whole(4),
    "ipaddr": _ipv4,
    "ipv6addr": _ipv6,
    "ipv6prefix": _ipv6_prefix,
    "date": _whole(4),
    "integer64": _whole(8),
    "short": _whole(2),
    "byte": _whole(1),
    "ifid": _numbers_with_colons(4, 4, "200:5eff:fe00:1"),
    "ether": _numbers_with_colons(6, 2, "00:00:5e:00:53:01"),
}
"""Kind, as named in the dictionary -> the function that encodes its text."""


def _key(match: Match[str]) -> Tuple[int, int]:
    vendor, number = int(match.group(1) or 0), int(match.group(2))
    if not 1 <= number <= 255:
        raise ValueError("expected an attribute's number from 1 to 255")
    if match.group(1) and not 1 <= vendor <= MAX_VENDOR:
        raise ValueError(f"expected a vendor's number from 1 to {MAX_VENDOR}")
    return vendor, number


@functools.lru_cache(maxsize=None)
def _dictionary() -> Tuple[str, str]:
    """Return the dictionary, and its text in lower case."""
    text = (pkgutil.get_data(__package__ or "", "dictionary") or b"").decode("ascii")
    return text, text.lower()


def _named(name: str) -> Optional[Attribute]:
    text, lower = _dictionary()
    at = lower.find(f"\nattribute\t{name.lower()}\t") if _NAME.match(name) else -1
    return _read(text, at + 1) if at >= 0 else None


def _numbered(vendor: int, number: int, own: Sequence[Attribute] = ()) -> Optional[Attribute]:
    for attribute in own:
        if attribute.key == (vendor, number):
            return attribute
    text, _ = _dictionary()
    begin, end = 0, text.find("\nVENDOR\t")
    if vendor:
        header = re.search(rf"\nVENDOR\t[^\t]+\t{vendor}\n", text)
        if not header:
            return None
        begin, end = header.start(), text.find("\nEND-VENDOR\t", header.start())
    match = re.compile(rf"\nATTRIBUTE\t[^\t]+\t{number}\t").search(text, begin, end)
    return _read(text, match.start() + 1) if match else None


def _read(text: str, at: int) -> Attribute:
    """Return the attribute of the line at this position; its vendor is that of the last VENDOR line before it."""
    _, name, number, kind, *options = text[at : text.find("\n", at)].split("\t")
    vendor_at = text.rfind("\nVENDOR\t", 0, at) + 1
    vendor = text[vendor_at : text.find("\n", vendor_at)].split("\t")[2] if vendor_at else "0"
    return Attribute(name, int(vendor), int(number), kind, "has_tag" in ",".join(options).split(","))


def named_values(attribute: Attribute) -> List[Tuple[str, int]]:
    """Return the named values of an attribute; their lines are together in the dictionary."""
    text, lower = _dictionary()
    start = f"\nvalue\t{attribute.name.lower()}\t"
    begin, last = lower.find(start), lower.rfind(start)
    lines = text[begin + 1 : text.find("\n", last + 1)].split("\n") if begin >= 0 else []
    return [(name, int(number)) for _, _, name, number in (line.split("\t") for line in lines)]


def _or_a_name(attribute: Attribute) -> str:
    names = [name for name, _ in named_values(attribute)]
    if len(names) > _FEW:
        return ", or a name such as " + ", ".join(names[:3])
    return ", or one of " + ", ".join(names) if names else ""
