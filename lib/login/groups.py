"""Gateway groups, pure: turns values of a verified reply into the groups that SPS receives."""

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .. import log_lines
from ..config.model import GroupRules
from ..namedtuple import NamedTuple
from ..text import counted, field, holds_control, one_line

_LINE_ENDS = "\0\r\n"  # C strings and lines, as some servers send them


class Groups(NamedTuple):
    """The groups in their order, each once, and warnings for the log.

    `has_binary_class` is whether values of Class were ignored without a warning: a server may add one of its own.
    """

    names: Tuple[str, ...]
    warnings: Tuple[str, ...] = ()
    has_binary_class: bool = False


def gateway_groups(rules: GroupRules, values: Mapping[str, Sequence[bytes]]) -> Groups:
    """Return the groups in the values of attributes, by the attributes' names.

    A value that is not text or holds control or format characters is discarded, and never shown. A `;` at the end of a
    name is removed, as in `OU=Admins;` in Class. A pattern may take exponential time: the caller must limit it.
    """
    found = [(name, _decoded(octets, rules.encoding)) for name in values for octets in values[name]]
    texts = [text for _, text in found if text is not None and not holds_control(text)]
    discarded = [(name, text) for name, text in found if text is None or holds_control(text)]
    warned = [text for name, text in discarded if not (texts and name == "Class")]
    warnings = []
    undecodable = sum(text is None for text in warned)
    for number, cause in (
        (undecodable, log_lines.GROUPS_NOT_DECODED),
        (len(warned) - undecodable, log_lines.GROUPS_WITH_CONTROLS),
    ):
        if number:
            of_all = counted(len(found), "value", "values")
            warnings.append(cause.format(number=number, values=of_all, encoding=rules.encoding.upper()))
    names = [name for text in texts for name in _names(rules, text)]
    if not found:
        warnings.append(log_lines.GROUP_ATTRIBUTE_MISSING.format(names=" or ".join(values)))
    elif texts and not names:
        warnings.append(log_lines.NO_GROUP.format(values=counted(len(texts), "value", "values")))
    groups, unmapped = _mapped(rules, names)
    if unmapped:
        warnings.append(log_lines.GROUPS_NOT_MAPPED.format(names=one_line(", ".join(map(field, unmapped)))))
    if not allowed(rules, groups):
        expected, received = (", ".join(map(field, each)) or "none" for each in (rules.required_groups, groups))
        text = log_lines.REQUIRED_GROUP_MISSING.format(expected=one_line(expected), received=one_line(received))
        warnings.append(text)
    return Groups(tuple(groups), tuple(warnings), len(warned) < len(discarded))


def _decoded(octets: bytes, encoding: str) -> Optional[str]:
    """Return the text of a value without the end of a line or a C string, or None if it is not text."""
    try:
        return octets.decode(encoding).rstrip(_LINE_ENDS)
    except ValueError:
        return None


def allowed(rules: GroupRules, groups: Sequence[str]) -> bool:
    """Whether these groups include a required one, or none is required."""
    return not rules.required_groups or not set(rules.required_groups).isdisjoint(groups)


def _names(rules: GroupRules, text: str) -> List[str]:
    found = [text]
    if rules.pattern is not None:
        group = "name" if "name" in rules.pattern.groupindex else min(rules.pattern.groups, 1)
        found = [match.group(group) or "" for match in rules.pattern.finditer(text)]
    if rules.separator:
        found = [name for names in found for name in names.split(rules.separator)]
    names = (name.strip().rstrip("; ") for name in found)
    return [name for name in names if name]


def _mapped(rules: GroupRules, names: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Return the groups, and the names that no pair maps and the rules do not keep; each once."""
    ours: Dict[str, List[str]] = {}
    for theirs, group in rules.mapping:
        ours.setdefault(theirs, []).append(group)
    groups: List[str] = []
    unmapped: List[str] = []
    for name in dict.fromkeys(names):
        if name in ours:
            groups += ours[name]
        elif rules.keep_unmapped:
            groups.append(name)
        else:
            unmapped.append(name)
    return list(dict.fromkeys(groups)), unmapped
