"""Gateway groups, pure: the values of a verified reply become the groups that SPS is told of.

Knows neither RADIUS nor the SDK: which attributes the values are of is somebody else's business.
"""

from typing import Dict, List, Sequence, Tuple

from ..config.model import GroupRules
from ..text import counted, field, holds_control, one_line


def gateway_groups(rules: GroupRules, values: Sequence[bytes]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Return the groups in their order, each once, and remarks for the log.

    A value that is not UTF-8 or holds control or format characters is dropped, and never shown. `;` at the end of a
    name goes, as in `OU=Admins;` in Class. A pattern that takes exponential time does so here: nothing ends it, only
    that a value has at most 253 octets.
    """
    texts, undecodable, unsafe = [], 0, 0
    for value in values:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            undecodable += 1
            continue
        if holds_control(text):
            unsafe += 1
        else:
            texts.append(text)
    remarks = []
    for number, why in ((undecodable, "not UTF-8"), (unsafe, "with control characters")):
        if number:
            remarks.append("dropped {} of {}: {}".format(number, counted(len(values), "value", "values"), why))
    names = [name for text in texts for name in _names(rules, text)]
    if not names and (texts or not values):
        remarks.append("no group in {}".format(counted(len(texts), "value", "values")))
    groups, unmapped = _mapped(rules, names)
    if unmapped:
        remarks.append("not mapped: " + one_line(", ".join(map(field, unmapped))))
    return tuple(groups), tuple(remarks)


def allowed(rules: GroupRules, groups: Sequence[str]) -> bool:
    """Whether a user of these groups has one that is required, or none is."""
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
    """Return the groups, and the names that are in no pair and not kept; each once."""
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
