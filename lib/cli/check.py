"""`check`: finds the errors and warnings in a configuration, without SPS and without the network."""

import argparse
import ipaddress
import json
import re
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .. import log_lines
from ..config import options as declared
from ..config.build import build
from ..config.ini import Ini, Problem, line_of, parse_ini
from ..config.model import Settings
from ..config.reader import MAX_PROBLEMS, ConfigurationError
from ..login.state import PROTOCOLS_WITH_QUESTIONS
from ..namedtuple import NamedTuple
from ..recovery_code import RecoveryHash
from ..text import counted, placeholders
from . import exit_status
from .config_source import NOT_UTF8, NotUtf8, format_problem, has_store, read
from .console import Console

ERROR, WARNING, NOTE = "error", "warning", "note"
SECRET_OCTETS = 16  # RFC 2865 section 3

# The options that the vendor's plugin knows besides the sections of the SDK
_VENDOR_OPTIONS = {
    "radius": ("server", "port", "secret", "auth_type", "conn_retries", "conn_timeout", "dictionary_path"),
    "auth": ("prompt", "disable_echo", "interactive_protocols"),
}
_MAX_ROUNDS = 5  # of removing errors: a removal can cause another error
_VALID_VALUE = "x" * SECRET_OCTETS  # a valid secret, and a valid host name
_VALID_CA = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


class Finding(NamedTuple):
    """An error, a warning or a note; `line` is 0 if it belongs to no line, `column` if to no place in the line."""

    level: str
    line: int
    column: int
    section: str
    option: str
    text: str


def findings(text: str) -> List[Finding]:
    """Return the findings in the text of a configuration by line; they contain no secrets."""
    ini = parse_ini(text)

    def look_up(section: str, option: str) -> Optional[str]:
        if not has_store(ini):
            raise ConfigurationError(log_lines.NO_STORE.text)
        return _valid_value(section, option)

    def trusted_ca(name: str) -> str:
        return _VALID_CA

    built, problems = build(ini, look_up, trusted_ca)
    rest, errors = ini, problems
    for _ in range(_MAX_ROUNDS):
        # With an invalid transport or auth_type, it is unknown which options have an effect.
        if (
            built is not None
            or len(errors) > MAX_PROBLEMS
            or any(problem.error and problem.option in ("transport", "auth_type") for problem in errors)
        ):
            break
        rest = _without_errors(rest, errors)
        built, errors = build(rest, look_up, trusted_ca)
        problems += tuple(each for each in errors if not each.error and each not in problems)
    problems += tuple(_missing_store(ini)) + tuple(_warnings(ini, built))
    leveled = [(ERROR if problem.error else WARNING, problem) for problem in problems]
    leveled += [(NOTE, problem) for problem in _notes(ini)]
    lines = text.split("\n")
    found = [_finding(level, problem, ini, lines) for level, problem in leveled]
    return sorted(found, key=lambda finding: (finding.line, finding.column))


def report(
    name: str, found: Sequence[Finding], styled: Callable[[str, str], str] = lambda style, text: text
) -> List[str]:
    """Return the lines that show the findings in the file of this name."""
    lines = [
        format_problem(name, each.line, Problem(True, *each[3:]), styled(each.level, each.level), each.column)
        for each in found
    ]
    errors, warnings = (len([each for each in found if each.level == level]) for level in (ERROR, WARNING))
    result = "; the plugin denies every session" if errors else ""
    lines.append(f"{name}: {counted(errors, 'error', 'errors')}, {counted(warnings, 'warning', 'warnings')}{result}")
    return lines


def run(options: argparse.Namespace) -> int:
    """Check the file, print the findings and return the exit status."""
    console = Console()
    try:
        source = read(options.file)
        name, found = source.name, findings(source.text)
    except NotUtf8 as error:
        name, found = error.name, [Finding(ERROR, error.line, 0, "", "", NOT_UTF8)]
    levels = {each.level for each in found}
    if options.json:
        counts = {level + "s": sum(each.level == level for each in found) for level in (ERROR, WARNING, NOTE)}
        document = dict(counts, file=name, findings=[each._asdict() for each in found])
        console.say(json.dumps(document, indent=2, sort_keys=True))
    else:
        for line in report(name, found, console.styled):
            console.say(line)
    if ERROR in levels:
        return exit_status.ERROR
    return exit_status.FAILED if options.strict and WARNING in levels else exit_status.OK


def _finding(level: str, problem: Problem, ini: Ini, lines: Sequence[str]) -> Finding:
    """Return a problem with its line, and with its column if it has a place in a value."""
    number, column = line_of(problem, ini.places), 0
    if number and problem.offset >= 0:
        line = lines[number - 1]
        before = r"\s*" if problem.option == f"line {number}" else r"[^=:]*[=:]\s*"
        start = len(line) - len(re.sub(before, "", line, count=1))
        # The value is not what is written there if quotes or references were replaced.
        is_verbatim = "%" not in line and line[start : start + 1] != '"'
        column = start + 1 + (problem.offset if is_verbatim else 0)
    return Finding(level, number, column, problem.section, problem.option, problem.text)


def _without_errors(ini: Ini, problems: Iterable[Problem]) -> Ini:
    """Return a configuration without its errors, so that the rest can be checked.

    A missing value is replaced by a valid one, or its section is removed.
    """
    sections = {section: dict(values) for section, values in ini.sections.items()}
    lines = {section: list(ini.lines[section]) for section in ini.lines}
    syntax_errors = set(ini.problems)
    for section, option in (each[1:3] for each in problems if each.error and each not in syntax_errors):
        if section in lines:
            lines[section] = [line for line in lines[section] if option and f"line {line[0]}" != option]
        elif section.startswith("whitelist "):
            sections.pop(section, None)  # without one of its options, it would have no effect
        elif option in ("server", "key", "prompt"):
            sections.setdefault(section, {})[option] = section  # a name that no other server or question has
        elif option in sections.get(section, ()):
            del sections[section][option]
        elif section.startswith("radius"):
            sections.setdefault(section, {})[option] = _VALID_CA if option == "ca_certificate" else _VALID_VALUE
        else:
            sections.pop(section, None)
    from_default = dict({section: set() for section in sections}, **ini.from_default)
    return ini._replace(sections=sections, from_default=from_default, lines=lines, problems=())


def _valid_value(section: str, option: str) -> str:
    """Return a valid value for an option that is in the Credential Store."""
    if section == "recovery_codes":
        return str(RecoveryHash(1, bytes(8), bytes(32)))
    found = declared.declaration(section)
    default = next((each for each in found.options if each.name == option), None) if found else None
    return _VALID_VALUE if default is None or default.required else default.default


def _stored_options(ini: Ini) -> Iterator[Tuple[str, str]]:
    """Yield what is in the Credential Store; the options of the SDK cannot be, except for its user names."""
    for section, values in ini.sections.items():
        found = declared.declaration(section)
        for option, value in values.items() if found is None or not found.sdk or found.open else ():
            if value == "$" and option not in ini.from_default[section]:
                yield section, option
    for number, line in ini.lines["recovery_codes"]:
        if line.partition("=")[2].strip() == "$":
            yield "recovery_codes", f"line {number}"


def _missing_store(ini: Ini) -> Iterator[Problem]:
    """Find user names for the SDK that need a Credential Store; `build` finds options of the plugin."""
    for section, option in _stored_options(ini):
        found = declared.declaration(section)
        if found and found.sdk and found.open and not has_store(ini):
            yield Problem(True, section, option, log_lines.NO_STORE.text)


def _advice(section: str, option: str, text: str) -> Problem:
    """Return the problem for a warning or a note."""
    return Problem(False, section, option, text)


def _warnings(ini: Ini, built: Optional[Settings]) -> Iterator[Problem]:
    """Find valid settings that are probably mistakes."""
    for section, values in ini.sections.items():
        ours = declared.declaration(section)
        if ours is None or ours.name not in ("radius", "radius_N", "accounting", "accounting_N"):
            continue
        if _over_tls(ini, section):
            continue  # the secret is a constant, and replies cannot be forged
        secret = values.get("secret", "")
        if secret not in ("", "$") and len(secret.encode("utf-8", "replace")) < SECRET_OCTETS:
            yield _advice(section, "secret", f"is shorter than the {SECRET_OCTETS} octets that RFC 2865 recommends")
        if values.get("require_message_authenticator", "").lower() == "no" and not _has_tunnel(ini, section):
            yield _advice(section, "require_message_authenticator", "is no: replies can be forged (CVE-2024-3596)")
    yield from _without_effect(ini)
    if built is not None:
        yield from _server_warnings(ini, built)
        yield from _tunnel_warnings(ini, built)
        if set(built.auth.interactive_protocols) - set(PROTOCOLS_WITH_QUESTIONS):
            protocols = ", ".join(PROTOCOLS_WITH_QUESTIONS)
            text = f"SPS can ask questions in {protocols} only; a login in another protocol would hang"
            yield _advice("auth", "interactive_protocols", text)


def _over_tls(ini: Ini, section: str) -> bool:
    """Whether the server of a section uses TLS; accounting servers do what [radius] does."""
    return _server_value(ini, section, "transport") == "tls"


def _has_tunnel(ini: Ini, section: str) -> bool:
    return _server_value(ini, section, "auth_type") in declared.TUNNELED


def _server_value(ini: Ini, section: str, option: str) -> str:
    values = ini.sections.get("radius", {})
    if section.startswith("radius"):
        values = dict(values, **ini.sections[section])
    return values.get(option, "").lower()


def _without_effect(ini: Ini) -> Iterator[Problem]:
    """Find options of features that are off."""
    for section, switch, condition in (("accounting", "enabled", "enabled=yes"), ("lockout", "max_failures", "")):
        values = ini.sections.get(section, {})
        if values.get(switch, "0").lower() in ("no", "0", ""):
            for option in values:
                if option != switch and option not in ini.from_default[section]:
                    yield _advice(section, option, f"has no effect without {condition or switch}")
    for section in ini.sections:
        ours = declared.declaration(section)
        if ours is not None and ours.sdk and ours.options and all(option.ignored for option in ours.options):
            yield _advice(section, "", ours.options[0].ignored)


def _server_warnings(ini: Ini, built: Settings) -> Iterator[Problem]:
    seen: Set[Tuple[str, int, bool]] = set()
    for server in built.servers:
        section, values = server.section, ini.sections.get(server.section, {})
        place = (server.server.lower(), server.port, server.tls is None)
        if place in seen:
            yield _advice(section, "server", "is the same server and port as in an earlier section")
        seen.add(place)
        for option in ("retransmit_after", "require_message_authenticator") if server.tls else ():
            if option in values:
                yield _advice(section, option, "has no effect with transport=tls")
        probed = server.status_check == "status-server"
        if "status_check_after" in values and not probed and not server.tls:
            yield _advice(section, "status_check_after", "has no effect with status_check=none")
        bound = f"is not below conn_timeout times conn_retries ({server.bound:g} s)"
        if "status_check_after" in values and probed and server.status_check_after >= server.bound:
            yield _advice(section, "status_check_after", f"{bound}: the server is never probed")
        if "retransmit_after" in values and not server.tls and server.retransmit_after >= server.bound:
            yield _advice(section, "retransmit_after", f"{bound}: requests are never retransmitted")
        versions = {_ip_version(address) for address in (server.server, server.source_ip)} - {0}
        if len(versions) > 1:
            yield _advice(section, "source_ip", "has a different IP version than server")


def _tunnel_warnings(ini: Ini, built: Settings) -> Iterator[Problem]:
    """Find what weakens a tunnel, and what its methods cannot do."""
    has_tunnel = any(server.tunnel for server in built.servers)
    for server in built.servers:
        section, values = server.section, ini.sections.get(server.section, {})
        if values.get("require_message_authenticator", "").lower() == "no" and server.tunnel and not server.tls:
            text = "has no effect with a tunneled auth_type, which requires Message-Authenticator (RFC 3579)"
            yield _advice(section, "require_message_authenticator", text)
        if values.get("require_tunnel_keys", "").lower() == "no" and has_tunnel:
            text = "is no: anyone who knows the shared secret can forge an Access-Accept without the tunnel's keys"
            yield _advice(section, "require_tunnel_keys", text)
    for line in built.attributes if has_tunnel else ():
        if {"username", "gateway_user"}.intersection(placeholders(line.text)):
            yield _advice("radius_attributes", line.place, "shows the user name outside the tunnel")
    hashing = [server.auth_type for server in built.servers if server.auth_type.endswith(("chap", "chapv2"))]
    if len(built.auth.push_password.reveal()) > 1 and hashing:  # SafeNet recognizes the hashes of single characters
        text = f"is hashed with auth_type={hashing[0]}: a server that looks for the word does not see it"
        yield _advice("auth", "push_password", text)


def _ip_version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _notes(ini: Ini) -> Iterator[Problem]:
    for section, option in _stored_options(ini):
        if has_store(ini):
            yield _advice(section, option, "is in the Credential Store and not checked here")
    for section, values in ini.sections.items():
        if values.get("ca_certificate", "").startswith("$["):
            yield _advice(section, "ca_certificate", "is in the trusted CA lists of SPS and not checked here")
    radius = ini.sections.get("radius")
    if radius is None or not all(_fits_vendor(section, values) for section, values in ini.sections.items()):
        return
    # What surprises people who come from the vendor's plugin, in words that are also true for those who never had it.
    defaults = ["replies need a Message-Authenticator (unless require_message_authenticator=no)"]
    if "disable_echo" not in ini.sections.get("auth", {}):
        defaults.insert(0, "typed codes are hidden (unless [auth] disable_echo=no)")
    yield _advice("radius", "", "no action needed: by default, " + " and ".join(defaults))


def _fits_vendor(section: str, options: Iterable[str]) -> bool:
    """Whether the vendor's plugin knows a section and all of these options."""
    found = declared.declaration(section)
    return found is not None and (found.sdk or set(options) <= set(_VENDOR_OPTIONS.get(section, ())))
