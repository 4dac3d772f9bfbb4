"""Configurations for the demo: its own, and that of a file, with the values that SPS has in a Credential Store."""

import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from lib.cli import check, config_source
from lib.cli.console import NoTerminal, ask
from lib.cli.exit_status import CommandError

from .console import Console


class Configuration(NamedTuple):
    """The text of a configuration, and its Credential Store as fixtures of an UnpackedPlugin."""

    text: str
    fixtures: Mapping[str, Any] = {}


def configure(text: str, options: Mapping[str, str], section: str = "radius") -> str:
    """Return the text of a configuration with these options added to a section, or replaced there."""
    header = f"[{section}]"
    wanted = [f"{name} = {value}" for name, value in options.items()]
    lines: List[str] = []
    inside = ""
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip()
        elif inside == header and line.split("=")[0].strip() in options:
            continue
        lines.append(line)
        if line.strip() == header:
            lines += wanted
    return "\n".join(lines if header in lines else lines + [header] + wanted) + "\n"


def load(path: str, console: Console) -> Configuration:
    """Check the configuration in a file, show the warnings, and ask for the value of each option that is set to `$`.

    The environment may have these values too, as for the commands of the zip. Raise CommandError with all errors.
    """
    try:
        source = config_source.read(path)
    except config_source.NotUtf8 as error:
        raise CommandError(str(error)) from None
    findings = [each for each in check.findings(source.text) if each.level != check.NOTE]
    report = "\n".join(check.report(source.name, findings))
    if any(each.level == check.ERROR for each in findings):
        raise CommandError(report)
    console.say(report)
    stored: Dict[Tuple[str, str], Optional[str]] = {}
    secrets = config_source.SecretSource(None, os.environ, _ask)

    def look_up(section: str, option: str) -> Optional[str]:
        if (section, option) not in stored:
            stored[section, option] = secrets(section, option)
        return stored[section, option]

    sections = config_source.build_valid(source, look_up).ini.sections
    for section, values in sections.items():  # those of the SDK
        for option in [name for name, value in values.items() if value == "$"]:
            look_up(section, option)
    found = {place: value for place, value in stored.items() if value}
    return Configuration(source.text, _store(sections["credential_store"]["name"], found) if found else {})


def _ask(prompt: str, hidden: bool) -> str:
    try:
        return ask(prompt, hidden)
    except NoTerminal:
        raise CommandError(
            "There is no terminal to ask for the values of the options that are set to `$`. Set them in the "
            "environment: SPS_RADIUS_SECRET for [radius] secret, and so on."
        ) from None


def _store(name: str, values: Mapping[Tuple[str, str], str]) -> Mapping[str, Any]:
    """Return the fixtures of a Credential Store: the host is the section, and the user the option."""
    users: Dict[str, Dict[str, List[List[Any]]]] = {}
    for (section, option), value in values.items():
        rows: List[Any] = value.split("\n")
        if option == "client_certificate":
            rows = [{"type": "x509v3-sign-rsa", "cert": value, "key": ""}]
        users.setdefault(option, {})[section] = [[row] for row in rows]
    return {"credential_stores": {name: users}}
