"""The sections that the SDK reads: their errors, and the text for the SDK."""

import re
from typing import Iterator, Optional

from .. import log_lines
from .ini import Ini, Problem
from .options import declaration
from .value_types import ValueType

_TAKEN_KEYS = r"((otp|recovery)\d*|rp|radius_password)\Z"


def sdk_problems(ini: Ini) -> Iterator[Problem]:
    """Yield the problems in the sections of the SDK, which would end the session at the first invalid value."""
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is None or not declared.sdk:
            continue
        for option in declared.options:
            try:
                if values.get(option.name, "$") != "$":
                    option.kind.parse("$" if values[option.name] == "$$" else values[option.name])
            except ValueError as error:
                yield Problem(True, section, option.name, str(error))
    yield from _incomplete(ini)
    yield from _incomplete_questions(ini)
    for section in ("whitelist source=ldap_server_group", "usermapping source=ldap_server"):
        if ini.sections.get(section) and not ini.sections.get("ldap_server", {}).get("name"):
            yield Problem(False, section, "", log_lines.NO_LDAP_SERVER.text)


def sdk_text(ini: Ini) -> str:
    """Return the sections that the SDK reads as INI text, in which it finds the values that `ini` has.

    Values that it cannot use are left out (`sdk_problems` reports them), and so are our sections: the SDK needs none of
    them, and it cannot log what it does not have.
    """
    wrong = {(problem.section, problem.option) for problem in sdk_problems(ini) if problem.error}
    lines = []
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is None or not declared.sdk:
            continue
        kinds = {option.name: option.kind for option in declared.options}
        lines.append(f"[{section}]")
        for name, value in values.items():
            if (section, name) not in wrong and (name in kinds or name not in ini.from_default[section]):
                text = _in_lower_case(kinds.get(name), value).replace("%", "%%").replace("\n", "\n\t")
                lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def _in_lower_case(kind: Optional[ValueType], value: str) -> str:
    """Return a choice in lower case: the SDK compares some of them case-sensitively."""
    parsed = kind.parse(value) if kind and value not in ("$", "$$") else value
    return parsed if isinstance(parsed, str) else value


def _incomplete(ini: Ini) -> Iterator[Problem]:
    """Yield the incomplete options that the SDK would ignore silently."""
    for option in ("log_level", "destination"):
        if ini.sections.get("logging", {}).get(option) == "$":
            yield Problem(True, "logging", option, "cannot come from the Credential Store")
    if ini.sections.get("whitelist source=user_list", {}).get("name") == "":
        yield Problem(True, "whitelist source=user_list", "name", "is empty")
    group = ini.sections.get("whitelist source=ldap_server_group", {})
    if group.get("allow") and not group.get("except"):
        yield Problem(True, "whitelist source=ldap_server_group", "except", "is missing: it lists the LDAP groups")


def _incomplete_questions(ini: Ini) -> Iterator[Problem]:
    """Yield the questions that the SDK would never ask, or whose answer it would lose."""
    questions = sorted(int(name[9:]) for name in ini.sections if re.match(r"question_[1-9][0-9]{0,3}\Z", name))
    for position, number in enumerate(questions, 1):
        section = f"question_{number}"
        if position != number:
            yield Problem(True, section, "", f"is never asked because there is no [question_{position}]")
        for option in ("prompt", "key"):
            if not ini.sections[section].get(option):
                yield Problem(True, section, option, log_lines.MISSING.text)
        if re.match(_TAKEN_KEYS, ini.sections[section].get("key", "")):
            yield Problem(True, section, "key", "is reserved for the answer to a password prompt; choose another key")
