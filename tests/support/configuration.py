"""Configurations for the tests: a minimal one, variations of it, and everything the parser makes of them."""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.model import Settings
from lib.config.reader import CredentialLookup, TrustedCaLookup, no_trusted_ca

HIDDEN = "hunter2"
"""A value that no problem may show."""
MINIMAL = "[radius]\nserver=radius.example.com\nsecret=xyzzy5461\n"


class Checked(NamedTuple):
    """The result of a configuration; problems as the log shows them."""

    settings: Optional[Settings]
    errors: List[str]
    warnings: List[str]


def no_store(section: str, option: str) -> Optional[str]:
    """Fail: this configuration needs no password from the Credential Store."""
    raise AssertionError(f"looked up [{section}] {option}")


def empty_store(section: str, option: str) -> Optional[str]:
    """Return nothing: the Credential Store has no such password."""
    return None


def store_of(password: str) -> Callable[[str, str], Optional[str]]:
    """Return a Credential Store with one password for everything."""
    return lambda section, option: password


class Store:
    """A Credential Store that records its look-ups."""

    def __init__(self, passwords: Dict[Tuple[str, str], str]) -> None:
        self.asked: List[Tuple[str, str]] = []
        self._passwords = passwords

    def __call__(self, section: str, option: str) -> Optional[str]:
        """Look up one password."""
        self.asked.append((section, option))
        return self._passwords.get((section, option))


def check(text: str, credential: CredentialLookup = no_store, trusted_ca: TrustedCaLookup = no_trusted_ca) -> Checked:
    """Check a configuration: it has settings or errors, never both."""
    settings, problems = build(parse_ini(text), credential, trusted_ca)
    errors = [str(problem) for problem in problems if problem.error]
    assert (settings is None) == bool(errors)
    return Checked(settings, errors, [str(problem) for problem in problems if not problem.error])


def valid(text: str, credential: CredentialLookup = no_store, trusted_ca: TrustedCaLookup = no_trusted_ca) -> Settings:
    """Return the settings of a configuration without any problem."""
    checked = check(text, credential, trusted_ca)
    assert checked.errors == [] and checked.warnings == []
    assert checked.settings is not None
    return checked.settings


def with_option(section: str, option: str, value: str) -> str:
    """Return the minimal configuration with this option set, and the options that it requires."""
    radius = {"server": "radius.example.com", "secret": "xyzzy5461"}
    if section == "radius":
        radius[option] = value
    text = "[radius]\n" + "".join("{} = {}\n".format(*item) for item in radius.items())
    if section == "radius":
        return text
    required = {"prompt": "Ticket", "key": "ticket"} if section.startswith("question_") else {}
    rest = ""
    if section == "whitelist source=ldap_server_group":
        required, rest = {"allow": "no_user", "except": "group"}, "[ldap_server]\nname = directory\n"
    if section == "gateway_groups":
        required = {"attribute": "Class"}
    required.pop(option, None)
    others = "".join("{} = {}\n".format(*item) for item in required.items())
    return f"{text}[{section}]\n{option} = {value}\n{others}{rest}"
