"""The sections that name RADIUS attributes. Only a configuration that has one imports this and the dictionary."""

from typing import List, Sequence, Tuple

from ..radius import attributes
from ..radius.attributes import Attribute
from .ini import unquoted
from .model import RadiusAttribute
from .options import PLACEHOLDERS
from .reader import Reader

_SECTION = "radius_attributes"
_MAX_OCTETS, _MAX_HEADER_OCTETS = 3000, 8  # of [radius_attributes]; a packet has 4096 (RFC 2865 section 3)
_NAS_IDENTIFIER = (0, 32)
_NAS_ADDRESSES = {(0, 4): "NAS-IP-Address", (0, 95): "NAS-IPv6-Address"}  # which is sent depends on the server


def read_dictionary(reader: Reader) -> Tuple[Attribute, ...]:
    """Read [radius_dictionary]."""
    own: List[Attribute] = []
    for place, name, text in reader.pairs("radius_dictionary", "Name = 26.<vendor>.<type> <kind>"):
        with reader.reporting("radius_dictionary", place):
            own.append(attributes.define(name, text))
    return tuple(own)


def find_group_attributes(
    reader: Reader, names: Sequence[str], own: Sequence[Attribute]
) -> Tuple[Tuple[int, int], ...]:
    """Return vendor and type of the attributes that [gateway_groups] names."""
    keys: List[Tuple[int, int]] = []
    for name in dict.fromkeys(names):
        with reader.reporting("gateway_groups", "attribute"):
            attribute = attributes.find(name, own)
            if attributes.refusal(attribute) and attribute.key != (0, 1):
                raise ValueError(f"{attribute.name} must not be shown and cannot contain groups")
            if attribute.kind not in ("string", "octets"):
                raise ValueError(f"{attribute.name} does not contain text")
            keys.append(attribute.key)
    return tuple(keys)


def read_attributes(reader: Reader, own: Sequence[Attribute]) -> Tuple[RadiusAttribute, ...]:
    """Read [radius_attributes]."""
    sent: List[RadiusAttribute] = []
    octets = 0
    for place, left, text in reader.pairs(_SECTION, "Name = value"):
        octets += len(text.encode("utf-8", "replace")) + _MAX_HEADER_OCTETS
        if octets > _MAX_OCTETS:
            reader.report(_SECTION, "", "is too long for a request")
            break
        with reader.reporting(_SECTION, place):
            name, mark, rest = left.partition("?")
            attribute = attributes.find(left if rest else name.rstrip(), own)
            refusal = attributes.refusal(attribute)
            if refusal:
                raise ValueError(refusal)
            attributes.check(attribute, unquoted(text), PLACEHOLDERS)
            sent.append(RadiusAttribute(attribute, unquoted(text), place, bool(mark)))
    kept = {line.attribute.key for line in sent if line.text}
    removed = {line.attribute.key for line in sent} - kept
    if _NAS_IDENTIFIER in removed and not kept.intersection(_NAS_ADDRESSES):
        for key, name in _NAS_ADDRESSES.items():
            if key in removed:
                text = f"removes both NAS-Identifier and {name}; RFC 2865 section 4.1 requires one of them"
                reader.report(_SECTION, "", text)
    return tuple(sent)
