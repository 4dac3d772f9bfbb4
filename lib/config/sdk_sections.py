"""The sections that the SDK reads: their errors, and the text for the SDK."""

import re
from typing import Dict, Iterator, List, Optional, Tuple

from .. import log_lines
from .doubts import option_doubts
from .ini import Ini, Problem
from .option import Option
from .options import declaration
from .value_types import TEXT, ValueType

_REQUIRED = {
    "whitelist source=ldap_server_group": ("allow", "except"),
    "usermapping source=ldap_server": ("user_attribute",),
}
"""The options without which the SDK ignores a section; it needs [ldap_server], too."""
_QUESTION = ("prompt", "key", "disable_echo")
_TAKEN_KEYS = r"((otp|recovery|typed_username)\d*|rp|radius_password)\Z"


def sdk_problems(ini: Ini) -> Iterator[Problem]:
    """Yield what is wrong in the sections of the SDK, which stops the session at the first invalid value."""
    for section, name, value, option in _sdk_values(ini):
        try:
            if option is None:  # a user name, which may be stored
                TEXT.read(value)
            elif value != "$":
                option.kind.read("$" if value == "$$" else value)
            elif not option.ignored:
                # The SDK logs such values, and shows some of them to users: a stored password must not be one.
                raise ValueError("cannot come from the Credential Store; write $$ for a dollar sign")
        except ValueError as error:
            yield Problem(True, section, name, str(error))
    yield from _incomplete(ini)
    yield from _incomplete_questions(ini)


def sdk_text(ini: Ini) -> str:
    """Return the sections that the SDK reads as INI text, in which it finds the values that `ini` has.

    Values that it cannot use are left out (`sdk_problems` reports them), and so are our sections: the SDK needs none of
    them, and it cannot log what it does not have.
    """
    wrong = {(problem.section, problem.option) for problem in sdk_problems(ini) if problem.error}
    lines: Dict[str, List[str]] = {section: [f"[{section}]"] for section in ini.sections if _is_read_by_sdk(section)}
    for section, name, value, option in _sdk_values(ini):
        if (section, name) not in wrong:
            text = _in_lower_case(option.kind if option else None, value).replace("%", "%%").replace("\n", "\n\t")
            lines[section].append(f"{name} = {text}")
    return "\n".join(line for each in lines.values() for line in each) + "\n"


def relies_on_names(ini: Ini) -> bool:
    """Whether a whitelist or the cache admits users by their names."""
    values = ini.sections
    groups = values.get("whitelist source=ldap_server_group", {})
    return (
        bool(values.get("whitelist source=user_list", {}).get("name"))
        or bool(groups.get("allow") and groups.get("except") and values.get("ldap_server", {}).get("name"))
        or values.get("authentication_cache", {}).get("reuse_limit", "0").strip("+-0") != ""
    )


def _is_read_by_sdk(section: str) -> bool:
    declared = declaration(section)
    return declared is not None and declared.sdk


def _sdk_values(ini: Ini) -> Iterator[Tuple[str, str, str, Optional[Option]]]:
    """Yield section, name, value and declaration of each value that is for the SDK."""
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is not None and declared.sdk:
            options = {option.name: option for option in declared.options}
            for name, value in values.items():
                if name in options or name not in ini.from_default[section]:
                    yield section, name, value, options.get(name)


def _in_lower_case(kind: Optional[ValueType], value: str) -> str:
    """Return a choice in lower case: the SDK compares some of them case-sensitively."""
    parsed = kind.parse(value) if kind and value not in ("$", "$$") else value
    return parsed if isinstance(parsed, str) else value


def _incomplete(ini: Ini) -> Iterator[Problem]:
    """Yield the sections that lack an option without which the SDK ignores them, and an option that must not be empty.

    Without a group in `except`, or with a wrong name, `allow=all_users` would be a whitelist of everybody.
    """
    if ini.sections.get("whitelist source=user_list", {}).get("name") == "":
        yield Problem(True, "whitelist source=user_list", "name", "is empty")
    groups = ini.sections.get("whitelist source=ldap_server_group", {})
    if "allow" in groups and groups.get("except", "x").strip(", ") == "":
        yield Problem(True, "whitelist source=ldap_server_group", "except", "is empty: it lists the LDAP groups")
    elif groups.get("allow", "").lower() == "all_users":
        for doubt in option_doubts("except", TEXT, groups.get("except", "")):
            yield Problem(True, "whitelist source=ldap_server_group", "except", *doubt)
    for section, required in _REQUIRED.items():
        values = ini.sections.get(section, {})
        missing = [option for option in required if option not in values]
        if len(missing) < len(required):
            for option in missing:
                yield Problem(False, section, "", log_lines.INCOMPLETE.format(option=option))
            if not ini.sections.get("ldap_server", {}).get("name"):
                yield Problem(False, section, "", log_lines.NO_LDAP_SERVER.text)


def _incomplete_questions(ini: Ini) -> Iterator[Problem]:
    """Yield the questions that the SDK never asks, and those whose key is that of another answer."""
    numbers = (int(name[9:]) for name in ini.sections if re.match(r"question_[1-9][0-9]{0,3}\Z", name))
    asked: Dict[str, int] = {}  # key -> number
    following = 1
    for number in sorted(numbers):
        section = f"question_{number}"
        values = {name: value for name, value in ini.sections[section].items() if name in _QUESTION}
        missing = [name for name in ("prompt", "key") if name not in values]
        key = values.get("key", "")
        cause = ""
        if re.match(_TAKEN_KEYS, key):
            text = "is reserved for the answer to a prompt; choose another key"
            yield Problem(True, section, "key", text)
        elif values.get("key") == "":
            yield Problem(True, section, "key", "is empty")
        elif values and missing:
            cause = f"{missing[0]} is missing"
        elif values and number != following:
            cause = f"there is no [question_{following}]"
        elif key in asked:
            cause = f"[question_{asked[key]}] has the same key"
        if cause:
            yield Problem(False, section, "", log_lines.NEVER_ASKED.format(cause=cause))
        if number == following and not missing:
            following += 1
            asked.setdefault(key, number)
