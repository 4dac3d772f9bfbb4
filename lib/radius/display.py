"""Attributes as text for people, pure: a name and a value, or only the length if the value is secret or unknown."""

import ipaddress
import re
from typing import Callable, Dict, Sequence, Tuple

from ..text import counted, holds_control, one_line
from .attributes import FORBIDDEN, Attribute, by_key, named_values

_NOT_SECRET = ("User-Name", "Vendor-Specific")  # FORBIDDEN in the configuration, but no secret
_SECRET_NAME = re.compile("(?i)password|passwd|secret|key")


def describe(vendor: int, number: int, octets: bytes, own: Sequence[Attribute] = ()) -> Tuple[str, str]:
    """Return the name of an attribute and its value on one line, safe to show; `own` has the configured definitions.

    An attribute without a name may be a secret of its vendor. An attribute that is secret in the dictionary is secret
    under any configured name.
    """
    attribute = by_key(vendor, number, own)
    if _is_secret(by_key(vendor, number)) or _is_secret(attribute):
        return attribute.name, f"<hidden, {_length(octets)}>"
    if attribute.name[0].isdigit():
        return attribute.name, f"<unknown, {_length(octets)}>"
    tag = ""
    if attribute.tagged and octets and octets[0] <= 0x1F:  # RFC 2868 section 3.1
        tag, octets = f":{octets[0]}:" if octets[0] else "", octets[1:]
    value = one_line(_DECODERS.get(attribute.kind, _hexadecimal)(attribute, octets), 2000)
    if "avpair" in attribute.name.lower() and _SECRET_NAME.search(value.partition("=")[0]):
        return attribute.name, f"<hidden, {_length(octets)}>"
    return attribute.name, tag + value


def _is_secret(attribute: Attribute) -> bool:
    if attribute.name in FORBIDDEN:
        return attribute.name not in _NOT_SECRET
    return attribute.kind in ("string", "octets") and bool(_SECRET_NAME.search(attribute.name))


def _length(octets: bytes) -> str:
    return counted(len(octets), "octet", "octets")


def _string(_: Attribute, octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _octets(attribute: Attribute, octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return text if text and not holds_control(text) else _hexadecimal(attribute, octets)


def _hexadecimal(_: Attribute, octets: bytes) -> str:
    return "0x" + octets.hex()


def _whole(attribute: Attribute, octets: bytes) -> str:
    number = int.from_bytes(octets, "big")
    return next((name for name, value in named_values(attribute) if value == number), str(number))


def _address(attribute: Attribute, octets: bytes) -> str:
    if len(octets) != (4 if attribute.kind == "ipaddr" else 16):
        return _hexadecimal(attribute, octets)
    return str(ipaddress.ip_address(octets))


def _prefix(attribute: Attribute, octets: bytes) -> str:
    """RFC 3162 section 2.3: the octets of the prefix that are not sent are 0."""
    if not 2 <= len(octets) <= 18 or octets[1] > 128:
        return _hexadecimal(attribute, octets)
    prefix = ipaddress.IPv6Address(octets[2:].ljust(16, b"\0"))
    return f"{prefix}/{octets[1]}"


_DECODERS: Dict[str, Callable[[Attribute, bytes], str]] = {
    "string": _string,
    "octets": _octets,
    "ipaddr": _address,
    "ipv6addr": _address,
    "ipv6prefix": _prefix,
}
_DECODERS.update(dict.fromkeys(("integer", "date", "integer64", "short", "byte"), _whole))
