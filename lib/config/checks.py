"""Checks of a whole configuration: unknown names, and what is valid but has no effect."""

import re
from typing import Callable, Iterator, Mapping, Sequence, Tuple

from .. import log_lines, reasons
from ..text import canonical, closest, did_you_mean
from .doubts import line_doubts, option_doubts
from .ini import Ini, Problem, further_server, unquoted
from .model import GroupRules, Settings
from .options import NEEDING_TLS, SECTIONS, declaration
from .reader import MAX_PROBLEMS, split_at_blanks, split_at_first, split_at_last
from .value_types import TEXT, code_point, invisible

PLUGIN_TIME_LIMIT = 300.0  # seconds: half of the proxy's time limit, by default
_GATES = (
    "gateway_groups",
    "gateway_groups map",
    "radius_attributes",
    "lockout",
    "recovery_codes",
    "connection_limit by=client_ip_gateway_user",
    "authentication_cache",
    "whitelist source=user_list",
    "whitelist source=ldap_server_group",
)
"""The sections that decide who is admitted: misspelled, they would be ignored and admit others."""
_STRICT_SECTIONS = _GATES + ("accounting",)  # a misspelled option in these admits others or loses records
_SWITCHES = {"required_groups": "gateway_groups", "max_failures": "lockout"}
"""The options that decide who is admitted, and their sections: elsewhere, they would be ignored and admit others."""
_MAX_UNKNOWN = 100
_MIN_BEGINNING = 4  # letters
_MAX_COMPARED = 200  # characters, more than any section has
_RENAMED: Mapping[Tuple[str, str], str] = {
    ("radius", "failover_after"): "status_check_after or connect_timeout",
    ("accounting", "failover_after"): "status_check_after or connect_timeout in [radius]",
    ("gateway_groups", "require_any"): "required_groups",
    ("lockout", "by"): "scope",
    ("auth", "bypass_when_unreachable"): "[recovery_codes]",
    ("messages", "server-unproved"): reasons.MUTUAL_AUTH_FAILED,
    ("messages", "user-busy"): reasons.LOGIN_IN_PROGRESS,
    ("messages", "too-many-rounds"): reasons.TOO_MANY_CHALLENGES,
    ("messages", "port-closed"): reasons.CONNECTION_REFUSED,
}
"""(section, option of a preview release) -> its current name."""


def unknown_names(ini: Ini) -> Iterator[Problem]:
    """Yield the unknown sections and options, with the name that was probably meant; too many are an error."""
    known_sections = dict.fromkeys([section.name for section in SECTIONS] + list(_GATES))
    count = 0
    for section, values in ini.sections.items():
        declared = declaration(section)
        known = [option.name for option in declared.options] if declared else []
        unknown = [name for name in values if name not in known and name not in ini.from_default[section]]
        count += 1 if declared is None else 0 if declared.open else len(unknown)
        if count > _MAX_UNKNOWN:
            yield Problem(True, "", "", f"more than {_MAX_UNKNOWN} unknown sections and options")
            return
        if declared is None:
            meant = _similar_section(section, list(known_sections))
            advice = _invisible(section) or (f"; did you mean {meant}?" if meant else _another_server(section))
            is_error = meant in _GATES and set(values) != ini.from_default[section]  # without options, it does nothing
            yield Problem(is_error, section, "", log_lines.UNKNOWN_SECTION.format(advice=advice))
        elif not declared.open:
            for name in unknown:
                renamed = _RENAMED.get((declared.first or declared.name, name))
                advice = f"; use {renamed} instead" if renamed else _invisible(name) or _similar_option(name, known)
                text = log_lines.UNKNOWN_OPTION.format(advice=advice)
                yield Problem(declared.name in _STRICT_SECTIONS or name in _SWITCHES, section, name, text)
    for name, home in _SWITCHES.items():
        if ("DEFAULT", name) in ini.places and home not in ini.sections:
            yield Problem(True, "DEFAULT", name, f"has no effect without [{home}]")
    yield from _options_among_lines(ini)


def _options_among_lines(ini: Ini) -> Iterator[Problem]:
    """Yield the options that are read as a line of a section with names of the user's own."""
    for section, home in (("gateway_groups map", "gateway_groups"), ("challenge_answers", "auth")):
        declared = declaration(home)
        options = {option.name for option in declared.options} if declared else set()
        for number, line in ini.lines[section]:
            name = line.partition("=")[0].strip().lower()
            if name in options and "prompt" not in name:  # a challenge may well contain this word
                text = log_lines.MISPLACED_OPTION.format(home=home)
                yield Problem(section in _GATES, section, f"line {number}", text)


def limited(problems: Sequence[Problem]) -> Tuple[Problem, ...]:
    """Return the first problems, and one that counts those left out; what is an error remains one."""
    kept, left_out = tuple(problems[:MAX_PROBLEMS]), problems[MAX_PROBLEMS:]
    if not left_out:
        return kept
    return kept + (Problem(any(each.error for each in left_out), "", "", f"and {len(left_out):,} more"),)


def doubts(ini: Ini, settings: Settings) -> Iterator[Problem]:
    """Yield what is valid but has no effect, is cut short, or is probably not intended."""
    yield from _value_doubts(ini)
    yield from _line_doubts(ini)
    yield from _cut_short(settings)
    if not any(server.tls for server in settings.servers):
        for server in settings.servers:
            for option in NEEDING_TLS:
                if ini.sections.get(server.section, {}).get(option.name, "") not in ("", option.default):
                    yield Problem(False, server.section, option.name, "has no effect without transport=tls")
    if settings.recovery_codes and settings.groups and settings.groups.required_groups:
        yield Problem(False, "recovery_codes", "", log_lines.RECOVERY_WITHOUT_EFFECT.text)
    cache = ini.sections.get("authentication_cache", {})
    if settings.groups and cache.get("reuse_limit", "0") not in ("", "0"):
        yield Problem(False, "authentication_cache", "reuse_limit", log_lines.CACHE_WITHOUT_EFFECT.text)
    if settings.groups:
        yield from _unmapped_groups(settings.groups)


def _value_doubts(ini: Ini) -> Iterator[Problem]:
    """Yield the doubts about the values of declared options, and of names that the user chooses."""
    for section, values in ini.sections.items():
        declared = declaration(section)
        kinds = {option.name: option.kind for option in declared.options if not option.ignored} if declared else {}
        if declared and declared.open:
            kinds = dict.fromkeys(set(values) - ini.from_default[section], TEXT)
        for name in kinds.keys() & values.keys():
            for doubt in option_doubts(name, kinds[name], values[name], is_prose=section == "messages"):
                yield Problem(False, section, name, *doubt)


_Split = Callable[[str], Tuple[str, str, str]]
_SPLITS: Sequence[Tuple[str, _Split, bool]] = (
    ("challenge_answers", split_at_blanks, False),
    ("gateway_groups map", split_at_last, True),
    ("radius_attributes", split_at_first, False),
)
"""The sections of lines with text, how their lines are split, and whether the left side is text, too."""


def _line_doubts(ini: Ini) -> Iterator[Problem]:
    for section, split, both in _SPLITS:
        for number, line in ini.lines[section]:
            left, equals, right = split(line)
            start = len(left + equals) + len(right) - len(right.lstrip())
            sides = [(0, left.strip())] * both + [(start, right.strip())]
            for start, side in sides:
                for doubt in line_doubts(unquoted(side)):
                    yield Problem(False, section, f"line {number}", doubt.text, start + doubt.offset)


def _unmapped_groups(rules: GroupRules) -> Iterator[Problem]:
    """Yield that nobody can have a required group."""
    made = {group for _, group in rules.mapping}
    lost = [group not in made for group in rules.required_groups]
    if not rules.keep_unmapped and any(lost):
        which = "any of these groups" if all(lost) else f"{sum(lost)} of these {len(lost)} groups"
        yield Problem(False, "gateway_groups", "required_groups", log_lines.UNMAPPED_GROUP.format(which=which))


def _invisible(name: str) -> str:
    """Return that a name contains an invisible character, or nothing."""
    at = invisible(name)
    return "; it " + log_lines.INVISIBLE.format(code=code_point(name[at])) if at >= 0 else ""


def _similar_section(name: str, known: Sequence[str]) -> str:
    """Return the section that this name was probably meant for, or nothing.

    Letters may be in any case, missing, added or wrong, and either name may be the beginning of the other.
    """
    name = " ".join(canonical(name[:_MAX_COMPARED]).split())
    if declaration(name):
        return name
    longer = [each for each in known if each.startswith(name)] if len(name) >= _MIN_BEGINNING else []
    begun = [each for each in _GATES if name.startswith(each.split(" ")[0])]
    if _another_server(name):
        meant = closest(name, [each for each in known if "_" in each and not each.endswith("_N")], 0.8)
        return meant or next(iter(longer), "")
    return closest(name, known) or next(iter(longer + begun), "")


def _another_server(section: str) -> str:
    """Return where the server goes that was probably meant by a section such as [radius2] or [radius_backup]."""
    match = re.match("(radius|accounting).", canonical(section))
    return further_server(match.group(1)) if match else ""


def _similar_option(name: str, known: Sequence[str]) -> str:
    """Return a similar option of the section, the section that has this one, or nothing."""
    ours = (section for section in SECTIONS if not section.sdk)
    homes = [section.name for section in ours if any(option.name == name for option in section.options)]
    elsewhere = f"; it belongs in [{homes[0]}]" if homes else ""
    return did_you_mean(name, known, 0.73) or elsewhere or did_you_mean(name, known)


def _cut_short(settings: Settings) -> Iterator[Problem]:
    """Yield the waits that a time limit ends earlier than configured."""
    total = sum(server.bound for server in settings.servers)
    if total > PLUGIN_TIME_LIMIT:
        text = log_lines.EXCEEDS_PLUGIN_LIMIT.format(seconds=total, limit=PLUGIN_TIME_LIMIT)
        yield Problem(False, "radius", "conn_timeout", text)
        return
    limit = settings.total_timeout
    for server in settings.servers:
        if server.bound > limit:
            text = log_lines.EXCEEDS_TOTAL_TIMEOUT.format(seconds=server.bound, limit=limit)
            yield Problem(False, server.section, "conn_timeout", text)
