"""Gateway groups, pure: turns values of a verified reply into the groups that SPS receives."""

from typing import Dict, List, Sequence, Tuple

from .. import log_lines
from ..config.model import GroupRules
from ..text import counted, field, holds_control, one_line


def gateway_groups(rules: GroupRules, values: Sequence[bytes]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Return the groups in their order, each once, and warnings for the log.

    A value that is not UTF-8 or holds control or format characters is discarded, and never shown. A `;` at the end of a
    name is removed, as in `OU=Admins;` in Class. A pattern may take exponential time: the caller must limit it.
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
    warnings = []
    for number, cause in ((undecodable, log_lines.GROUPS_NOT_UTF_8), (unsafe, log_lines.GROUPS_WITH_CONTROLS)):
        if number:
            warnings.append(cause.format(number=number, values=counted(len(values), "value", "values")))
    names = [name for text in texts for name in _names(rules, text)]
    if not names and (texts or not values):
        warnings.append(log_lines.NO_GROUP.format(values=counted(len(texts), "value", "values")))
    groups, unmapped = _mapped(rules, names)
    if unmapped:
        warnings.append(log_lines.GROUPS_NOT_MAPPED.format(names=one_line(", ".join(map(field, unmapped)))))
    return tuple(groups), tuple(warnings)


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
