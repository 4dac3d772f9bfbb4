"""Checks of a whole configuration: unknown names, and what is valid but has no effect."""

from typing import Iterator, Mapping, Sequence, Tuple

from .. import log_lines, reasons
from ..text import did_you_mean
from .ini import Ini, Problem
from .model import Settings
from .options import NEEDING_TLS, SECTIONS, declaration

PLUGIN_TIME_LIMIT = 300.0  # seconds: half of the proxy's time limit, by default
# A misspelled option in these opens a hole or loses records.
_STRICT_SECTIONS = ("gateway_groups", "lockout", "accounting")
_RENAMED: Mapping[Tuple[str, str], str] = {
    ("radius", "failover_after"): "status_check_after or connect_timeout",
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
    """Yield the unknown sections and options, with the name that was probably meant."""
    known_sections = [section.name for section in SECTIONS]
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is None:
            advice = _similar_section(section.lower(), known_sections)
            yield Problem(False, section, "", log_lines.UNKNOWN_SECTION.format(advice=advice))
        elif not declared.open:
            known = [option.name for option in declared.options]
            for name in values:
                if name not in known and name not in ini.from_default[section]:
                    renamed = _RENAMED.get((declared.first or declared.name, name))
                    advice = f"; use {renamed} instead" if renamed else _similar_option(name, known)
                    text = log_lines.UNKNOWN_OPTION.format(advice=advice)
                    yield Problem(declared.name in _STRICT_SECTIONS, section, name, text)


def doubts(ini: Ini, settings: Settings) -> Iterator[Problem]:
    """Yield what is valid and has no effect, or is cut short."""
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


def _similar_section(name: str, known: Sequence[str]) -> str:
    """Return what did_you_mean does, for a section's name in lower case or the beginning of one."""
    if declaration(name):
        return did_you_mean(name, [name])
    longer = [each for each in known if each.startswith(name + " ")]
    return did_you_mean(name, known) or did_you_mean(name, longer[:1], 0.0)


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
