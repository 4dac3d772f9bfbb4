"""`check`: everything that is wrong or doubtful in a configuration, found without SPS and without the network."""

import argparse
import ipaddress
import json
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from ..config import options as declared
from ..config.build import build
from ..config.ini import Ini, Problem, line_of, parse_ini
from ..config.model import Settings
from ..config.reader import NO_STORE, ConfigurationError
from ..namedtuple import NamedTuple
from ..text import counted
from . import FINE, NOT_FINE, UNUSABLE
from .config_source import NotText, located, read
from .console import Console

ERROR, WARNING, NOTE = "error", "warning", "note"
SECRET_OCTETS = 16  # RFC 2865 section 3
ASKING_PROTOCOLS = ("rdp", "ssh", "telnet")  # in which SPS can put a question

# What the vendor's plugin knows of its own; it knows the sections that the SDK reads, too.
_VENDORS = {
    "radius": ("server", "port", "secret", "auth_type", "conn_retries", "conn_timeout", "dictionary_path"),
    "auth": ("prompt", "disable_echo", "interactive_protocols"),
}
_MOST_ROUNDS = 5  # of taking out what is wrong, as that may leave something else without what it needs
_STAND_IN = "x" * SECRET_OCTETS  # a secret, or a host name, that nothing is said against
_STAND_IN_CA = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


class Finding(NamedTuple):
    """One thing to say: `level` is error, warning or note; `line` is 0 where none is to blame."""

    level: str
    line: int
    section: str
    option: str
    text: str


def findings(text: str) -> List[Finding]:
    """Return all there is to say about a configuration's text, by line; no secret is in it."""
    ini = parse_ini(text)

    def look_up(section: str, option: str) -> Optional[str]:
        if not _has_store(ini):
            raise ConfigurationError(NO_STORE)
        return _stand_in(section, option)

    def trusted_ca(name: str) -> str:
        return _STAND_IN_CA

    built, problems = build(ini, look_up, trusted_ca)
    rest, errors = ini, problems
    for _ in range(_MOST_ROUNDS):
        # Not where it is unclear how a server is spoken to: what has an effect there?
        if built is not None or any(problem.error and problem.option == "transport" for problem in errors):
            break
        rest = _without_errors(rest, errors)
        built, errors = build(rest, look_up, trusted_ca)
        problems += tuple(each for each in errors if not each.error and each not in problems)
    said = [(ERROR if problem.error else WARNING, problem) for problem in problems]
    said += [(ERROR, _problem(*words)) for words in _without_store(ini)]
    said += [(WARNING, _problem(*words)) for words in _doubts(ini, built)]
    said += [(NOTE, _problem(*words)) for words in _notes(ini)]
    found = [Finding(level, line_of(each, ini.places), *each[1:]) for level, each in said]
    return sorted(found, key=lambda finding: finding.line)


def _without_errors(ini: Ini, problems: Iterable[Problem]) -> Ini:
    """Return a configuration without what is wrong in it, so that the rest can be looked at.

    What is missing is made up, or else its section goes.
    """
    sections = {section: dict(values) for section, values in ini.sections.items()}
    lines = {section: list(ini.lines[section]) for section in ini.lines}
    for _, section, option, _ in (each for each in problems if each.error and each not in ini.problems):
        if section in lines:
            lines[section] = [line for line in lines[section] if option and "line {}".format(line[0]) != option]
        elif option == "server":
            sections.setdefault(section, {})[option] = section  # a name that no other server has
        elif option in sections.get(section, ()):
            del sections[section][option]
        elif section.startswith("radius"):
            made_up = _STAND_IN_CA if option == "ca_certificate" else _STAND_IN
            sections.setdefault(section, {})[option] = made_up
        else:
            sections.pop(section, None)
    from_default = dict({section: set() for section in sections}, **ini.from_default)
    return ini._replace(sections=sections, from_default=from_default, lines=lines, problems=())


def report(
    name: str, found: Sequence[Finding], styled: Callable[[str, str], str] = lambda style, text: text
) -> List[str]:
    """Return the lines that tell a person of what was found in the file of this name."""
    lines = [located(name, each.line, _problem(*each[2:]), styled(each.level, each.level)) for each in found]
    errors, warnings = (len([each for each in found if each.level == level]) for level in (ERROR, WARNING))
    counts = "{}, {}".format(counted(errors, "error", "errors"), counted(warnings, "warning", "warnings"))
    lines.append("{}: {}{}".format(name, counts, "; the plugin would deny every session" if errors else ""))
    return lines


def run(options: argparse.Namespace) -> int:
    """Check the file, print what was found, and return the exit status."""
    console = Console()
    try:
        source = read(options.file)
        name, found = source.name, findings(source.text)
    except NotText as error:
        name, found = error.name, [Finding(ERROR, error.line, "", "", "is not UTF-8")]
    levels = {each.level for each in found}
    if options.json:
        counts = {level + "s": sum(each.level == level for each in found) for level in (ERROR, WARNING, NOTE)}
        document = dict(counts, file=name, findings=[each._asdict() for each in found])
        console.say(json.dumps(document, indent=2, sort_keys=True))
    else:
        for line in report(name, found, console.styled):
            console.say(line)
    if ERROR in levels:
        return UNUSABLE
    return NOT_FINE if options.strict and WARNING in levels else FINE


Words = Tuple[str, str, str]
"""Section, option, and what is to say of it."""


def _problem(section: str, option: str, text: str) -> Problem:
    return Problem(True, section, option, text)


def _has_store(ini: Ini) -> bool:
    return bool(ini.sections.get("credential_store", {}).get("name"))


def _stand_in(section: str, option: str) -> str:
    """Return a value for an option of ours whose own is on SPS."""
    found = declared.declaration(section)
    default = next((each for each in found.options if each.name == option), None) if found else None
    return _STAND_IN if default is None or default.required else default.default


def _without_store(ini: Ini) -> Iterator[Words]:
    """Find what the SDK would look up and cannot; `build` finds what is ours."""
    for section, option in _from_store(ini):
        found = declared.declaration(section)
        if found and found.sdk and not _has_store(ini):
            yield section, option, NO_STORE


def _from_store(ini: Ini) -> Iterator[Tuple[str, str]]:
    for section, values in ini.sections.items():
        for option, value in values.items():
            if value == "$" and option not in ini.from_default[section]:
                yield section, option


def _doubts(ini: Ini, built: Optional[Settings]) -> Iterator[Words]:
    """Find what works and is hardly meant."""
    for section, values in ini.sections.items():
        ours = declared.declaration(section)
        if ours is None or ours.name not in ("radius", "radius_N", "accounting", "accounting_N"):
            continue
        if _over_tls(ini, section):
            continue  # whose secret says nothing, and whose replies cannot be forged
        secret = values.get("secret", "")
        if secret not in ("", "$") and len(secret.encode("utf-8", "replace")) < SECRET_OCTETS:
            yield section, "secret", "is shorter than the {} octets that RFC 2865 asks for".format(SECRET_OCTETS)
        if values.get("require_message_authenticator", "").lower() == "no":
            yield section, "require_message_authenticator", "is no: replies can be forged (CVE-2024-3596)"
    yield from _without_effect(ini)
    if built is not None:
        yield from _doubts_of_servers(ini, built)
        for protocol in built.auth.interactive_protocols:
            if protocol not in ASKING_PROTOCOLS:
                text = "SPS can ask in {} only, and a login by another protocol would hang"
                yield "auth", "interactive_protocols", text.format(", ".join(ASKING_PROTOCOLS))
                break


def _over_tls(ini: Ini, section: str) -> bool:
    """Whether a server's section is of one over TLS; those for accounting are as [radius] is."""
    values = ini.sections.get("radius", {})
    if section.startswith("radius"):
        values = dict(values, **ini.sections[section])
    return values.get("transport", "").lower() == "tls"


def _without_effect(ini: Ini) -> Iterator[Words]:
    """Find options of what is not turned on."""
    for section, switch, needed in (("accounting", "enabled", "yes"), ("lockout", "max_failures", "a number")):
        values = ini.sections.get(section, {})
        if values.get(switch, "0").lower() in ("no", "0", ""):
            given = [option for option in values if option != switch and option not in ini.from_default[section]]
            for option in given:
                yield section, option, "has no effect without {}={}".format(switch, needed)
    for section in ini.sections:
        ours = declared.declaration(section)
        if ours is not None and ours.sdk and ours.options and all(option.ignored for option in ours.options):
            yield section, "", ours.options[0].ignored


def _doubts_of_servers(ini: Ini, built: Settings) -> Iterator[Words]:
    seen: Set[Tuple[str, int, bool]] = set()
    for server in built.servers:
        values = ini.sections.get(server.section, {})
        place = (server.server.lower(), server.port, server.tls is None)
        if place in seen:
            yield server.section, "server", "is the same server and port as one before it"
        seen.add(place)
        for option in ("retransmit_after", "require_message_authenticator") if server.tls else ():
            if option in values:
                yield server.section, option, "has no effect with transport=tls"
        probed = server.status_check == "status-server"
        if "status_check_after" in values and not probed:
            yield server.section, "status_check_after", "has no effect with status_check=none"
        if "status_check_after" in values and probed and server.status_check_after >= server.bound:
            text = "is as long as conn_timeout times conn_retries, {:g} s: the server is given up before it is asked"
            yield server.section, "status_check_after", text.format(server.bound)
        if "retransmit_after" in values and not server.tls and server.retransmit_after >= server.bound:
            text = "is as long as conn_timeout times conn_retries, {:g} s: nothing is sent again"
            yield server.section, "retransmit_after", text.format(server.bound)
        families = {_family(address) for address in (server.server, server.source_ip)} - {0}
        if len(families) > 1:
            yield server.section, "source_ip", "is an address of the other IP version than the server's"


def _family(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _notes(ini: Ini) -> Iterator[Words]:
    for section, option in _from_store(ini):
        if _has_store(ini):
            yield section, option, "from the Credential Store, not checked here"
    for section, values in ini.sections.items():
        if values.get("ca_certificate", "").startswith("$["):
            yield section, "ca_certificate", "from SPS's trusted CA lists, not checked here"
    radius = ini.sections.get("radius")
    if radius is None or not all(_is_vendors(section, values) for section, values in ini.sections.items()):
        return
    differences = ["replies must carry a Message-Authenticator (require_message_authenticator=no: need not)"]
    if "disable_echo" not in ini.sections.get("auth", {}):
        differences.insert(0, "typed codes are hidden ([auth] disable_echo=no: shown)")
    yield "radius", "", "unlike with the vendor's plugin, " + ", and ".join(differences)


def _is_vendors(section: str, values: Iterable[str]) -> bool:
    """Whether the vendor's plugin knows all of a section, too."""
    found = declared.declaration(section)
    return found is not None and (found.sdk or set(values) <= set(_VENDORS.get(section, ())))
