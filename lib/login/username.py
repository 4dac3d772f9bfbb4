"""User names, pure: which are refused, and the RADIUS User-Name that a server receives."""

from typing import Mapping

from ..config.model import NameRules
from ..text import canonical, filled, holds_control, holds_invisible, placeholders

MAX_NAME_OCTETS = 253  # in an attribute, RFC 2865 section 5


def account_name(name: str) -> str:
    r"""Return the canonical name without domains and realms: `alice` for `DOMAIN\Alice` and `alice@one@two`."""
    name, previous = canonical(name) or name, ""
    while name != previous:
        name, previous = radius_name(NameRules(strip_realm=True, strip_domain=True), name), name
    return name


def radius_name(rules: NameRules, name: str, domains: Mapping[str, str] = {}) -> str:
    r"""Return the User-Name that these rules make of a name such as `DOMAIN\alice@realm`.

    The realm (RFC 7542) begins at the last `@`, the domain ends at the first backslash. Neither is stripped if nothing
    of the name would be left. `domains` are the values of the placeholders in prefix and suffix.
    """
    if rules.strip_domain:
        name = name.partition("\\")[2] or name
    if rules.strip_realm:
        name = name.rpartition("@")[0] or name
    return _affix(rules.add_prefix, domains) + name + _affix(rules.add_suffix, domains)


def _affix(template: str, domains: Mapping[str, str]) -> str:
    """Return a prefix or suffix with its domains filled in, nothing if one of them is unknown."""
    return filled(template, domains) if all(domains.get(name) for name in placeholders(template)) else ""


def name_problem(name: str) -> str:
    """Return why a user name must not be used, or an empty string.

    The SDK makes file names of user names, terminals and logs show them, and RADIUS carries 253 octets.
    """
    if "/" in name:
        return "it holds a path separator"
    return radius_name_problem(name) or ("" if name == name.strip() else "it begins or ends with white space")


def radius_name_problem(name: str) -> str:
    """Return why a name cannot be a RADIUS User-Name, or an empty string; it names no file."""
    problem = character_problem(name)
    if not problem and len(name.encode("utf-8")) > MAX_NAME_OCTETS:
        return f"it is longer than {MAX_NAME_OCTETS} octets"
    return problem


def character_problem(name: str) -> str:
    """Return why a name must not be logged or sent, or an empty string."""
    if holds_control(name):
        return "it holds a control character"
    if holds_invisible(name):
        return "it holds an invisible character"
    return ""
