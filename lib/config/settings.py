"""The configuration: INI text in, frozen settings or all the errors at once. What options there are is in `options`."""

import configparser
import contextlib
import re
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..namedtuple import NamedTuple
from ..radius.server import ServerSettings, TlsSettings
from ..secret import Secret
from ..text import did_you_mean
from . import options, value_types
from .model import (
    AccountingSettings,
    AuthSettings,
    ChallengeAnswer,
    GroupRules,
    LockoutRules,
    NameRules,
    RadiusAttribute,
    Settings,
    UsernameSettings,
)
from .options import SECTIONS, Option, declaration
from .value_types import ValueType

CredentialLookup = Callable[[str, str], Optional[str]]
"""(section, option) -> the password the Credential Store has for host=section, user=option, or None.

For an option whose kind says so it is a certificate and its key, in PEM.
"""

TrustedCaLookup = Callable[[str], Optional[str]]
"""The name of a trusted CA list of SPS -> its certificates in PEM, or None if there is no such list."""


class ConfigurationError(Exception):
    """What a look-up raises when it cannot look; its text is shown in the log."""


class Problem(NamedTuple):
    """One thing wrong (`error`) or doubtful (not `error`) in a configuration."""

    error: bool
    section: str
    option: str
    text: str

    def __str__(self) -> str:
        place = "[{}]".format(self.section) if self.section else ""
        return " ".join(part for part in (place, self.option) if part) + ": " + self.text


Lines = Sequence[Tuple[int, str]]
"""Lines of the file with their numbers."""


class Ini(NamedTuple):
    """A parsed file: section -> option -> value, and the `lines` of the sections that are read as they are written.

    `from_default` are the names that a section has from [DEFAULT] alone.
    """

    sections: Dict[str, Dict[str, str]]
    from_default: Dict[str, Set[str]]
    lines: Mapping[str, Lines]
    problems: Tuple[Problem, ...]


NO_STORE = "`$` needs [credential_store] name"
PLUGIN_TIME_LIMIT = 300.0  # seconds: half of the proxy's time limit, by default
_CHALLENGE_ANSWERS, _GROUPS, _GROUPS_MAP = "challenge_answers", "gateway_groups", "gateway_groups map"
_ATTRIBUTES, _DICTIONARY = "radius_attributes", "radius_dictionary"
_LINE_SECTIONS = frozenset(section.name for section in SECTIONS if section.lines)
PLACEHOLDERS = (
    "client_ip",
    "client_port",
    "client_hostname",
    "protocol",
    "connection_name",
    "session_id",
    "username",
    "gateway_user",
    "server_username",
    "server_domain",
)
"""What values in [radius_attributes] may hold in braces."""
_MOST_OCTETS_OF_OURS, _MOST_HEADER_OCTETS = 3000, 8  # of [radius_attributes]; a packet has 4096 (RFC 2865 section 3)
_STRICT_SECTIONS = ("gateway_groups", "lockout", "accounting")  # where a misspelt option would be a hole or a loss
_NO_SECTION = "\0no section has this name"
_TRUSTED_CA = r"\$\[(.+)\]\Z"
_PADDED = r"[A-Za-z0-9+/]+={1,2}\s*\Z"
_NO_OPTION = "is not `option = value`"
_TAKEN_KEYS = r"(otp\d*|rp|radius_password)\Z"


def parse_ini(text: str) -> Ini:
    """Parse INI text as the SDK does, except that a `%` which ConfigParser would refuse stands for itself.

    A value in double quotes whose inside begins or ends with white space loses the quotes and keeps the space.
    Sections of lines are read apart: what stands there keeps its case and may hold `:`.
    """
    rest, lines = _set_lines_apart(text.lstrip("\ufeff"))
    parser, problems = _read(rest, configparser.DEFAULTSECT)
    explicit, _ = _read(rest, _NO_SECTION)  # the same again, with [DEFAULT] a section like any other
    sections: Dict[str, Dict[str, str]] = {}
    from_default: Dict[str, Set[str]] = {}
    for given in parser.sections():
        section = re.sub("\0[0-9]+\\Z", "", given)
        values = {name: _value(parser, given, name, _is_sdk(section)) for name in parser.options(given)}
        sections[section] = dict(values, **sections.get(section, {}))
        from_default[section] = set(values) - set(explicit.options(given))
    return Ini(sections, from_default, lines, tuple(problems))


Places = Mapping[Tuple[str, str], int]
"""(section, option) -> the number of its line; (section, "") -> that of the section's header."""


def places(text: str) -> Places:
    """Return where in INI text everything stands, the first time it does; for whoever has a problem to tell.

    Lines are taken as ConfigParser takes them: one that is indented deeper goes on with the value before.
    """
    found: Dict[Tuple[str, str], int] = {}
    section, name, indent = "", "", 0
    rest, _ = _set_lines_apart(text.lstrip("\ufeff"))
    for number, line in enumerate(rest.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        deeper = len(line) - len(line.lstrip()) > indent
        if name and deeper:
            continue
        indent = len(line) - len(line.lstrip())
        header = configparser.ConfigParser.SECTCRE.match(stripped)
        option = None if header else configparser.ConfigParser.OPTCRE.match(stripped)
        if header:
            section, name = header.group("header"), ""
        elif option and section:
            name = option.group("option").rstrip().lower()
        found.setdefault((section, name), number)
    return found


def line_of(problem: Problem, found: Places) -> int:
    """Return the line that a problem is in, or that of its section if it is about what is not there; 0 if neither."""
    numbered = re.match("line ([0-9]+)\\Z", problem.option)
    if numbered:
        return int(numbered.group(1))
    sections = (problem.section, configparser.DEFAULTSECT) if problem.option else ()
    keys = [(section, problem.option) for section in sections] + [(problem.section, "")]
    return next((found[key] for key in keys if key in found), 0)


def no_trusted_ca(name: str) -> Optional[str]:
    """Refuse to look: there is no SPS here."""
    raise ConfigurationError("trusted CA lists are there on SPS only; elsewhere the certificates themselves serve")


def build(
    ini: Ini, credential: CredentialLookup, trusted_ca: TrustedCaLookup = no_trusted_ca
) -> Tuple[Optional[Settings], Tuple[Problem, ...]]:
    """Return the settings (None if anything is an error) and every problem found.

    `credential` is asked for each option of ours that is set to `$`, `trusted_ca` for each `$[name]`.
    """
    problems = list(ini.problems)
    problems.extend(_unknown_names(ini))
    problems.extend(_sdk_problems(ini))
    reader = _Reader(credential, trusted_ca, problems)
    radius = ini.sections.get("radius", {})
    servers, name_rules = _servers(ini, reader)
    only = reader.read("radius", options.RADIUS_ONLY_OPTIONS, radius)
    auth = AuthSettings(**reader.read("auth", options.AUTH_OPTIONS, ini.sections.get("auth", {})))
    username = UsernameSettings(**reader.read("username", options.USERNAME_OPTIONS, ini.sections.get("username", {})))
    answers = tuple(_challenge_answers(ini.lines[_CHALLENGE_ANSWERS], problems))
    messages = reader.read("messages", options.MESSAGE_OPTIONS, ini.sections.get("messages", {}))
    lockout = reader.read("lockout", options.LOCKOUT_OPTIONS, ini.sections.get("lockout", {}))
    scope = lockout.pop("scope")
    lockout_rules = LockoutRules(by_user=scope != "client", by_client=scope != "user", **lockout)
    accounting = _accounting(ini, reader, servers)
    groups, attributes, dictionary = _with_names_of_attributes(ini, reader, problems)
    if any(problem.error for problem in problems):
        return None, tuple(problems)
    problems.extend(_doubts(ini, servers, only["total_timeout"], groups))
    defaults = {option.name: option.default for option in options.MESSAGE_OPTIONS}
    settings = Settings(
        servers=tuple(servers),
        total_timeout=only["total_timeout"],
        dead_time=only["dead_time"],
        auth=auth,
        username=username,
        challenge_answers=answers,
        name_rules=name_rules,
        groups=groups,
        attributes=attributes,
        accounting=accounting,
        lockout=lockout_rules if lockout_rules.max_failures else None,
        messages={name: text for name, text in messages.items() if text != defaults[name]},
        dictionary=dictionary,
    )
    return settings, tuple(problems)


def _numbered(ini: Ini, name: str) -> List[str]:
    """Return the sections `name`, `name_2`, `name_3` ... that the file has; the first in any case."""
    sections = [section for section in ini.sections if re.match(name + r"_[1-9][0-9]{0,3}\Z", section)]
    return [name] + sorted(sections, key=lambda section: int(section.rpartition("_")[2]))


def _inherited(ini: Ini, section: str, base: Dict[str, str]) -> Tuple[Dict[str, str], Set[str]]:
    """Return a numbered section's values with those of its first, and the names that it has from there alone."""
    if section not in ini.sections:
        return dict(base), set(base)
    own = {name: value for name, value in ini.sections[section].items() if name not in ini.from_default[section]}
    values = dict(ini.sections[section], **base)
    values.update(own)
    return values, set(base) - set(own)


def _servers(ini: Ini, reader: "_Reader") -> Tuple[List[ServerSettings], Dict[str, NameRules]]:
    """Read [radius] and [radius_N], and the name rules of each, which are by default those of [username]."""
    in_username = ini.sections.get("username", {})
    in_radius = ini.sections.get("radius", {})
    inherited_rules = NameRules(**reader.read("username", options.NAME_OPTIONS, in_username))
    servers: List[ServerSettings] = []
    name_rules: Dict[str, NameRules] = {}
    first: Dict[str, Any] = {}
    for section in _numbered(ini, "radius"):
        values, inherited = _inherited(ini, section, in_radius) if servers else (in_radius, set())
        read = reader.read(section, options.TRANSPORT_OPTIONS, values, inherited, first)
        over_tls = read["transport"] == "tls"
        if servers and over_tls != (first["transport"] == "tls"):  # whose port and secret would be wrong here
            base = {name: value for name, value in in_radius.items() if name not in ("port", "secret")}
            values, inherited = _inherited(ini, section, base)
        wanted = [each.over_tls() if over_tls else each for each in options.SERVER_OPTIONS]
        wanted += options.TLS_OPTIONS if over_tls else ()
        read.update(reader.read(section, wanted, values, inherited.intersection(first), first))
        first = first or dict(read)
        tls = _tls(section, read, reader)
        values, inherited = _inherited(ini, section, {option.name: "" for option in options.NAME_OPTIONS})
        read_rules = reader.read(section, options.NAME_OPTIONS, values, inherited, inherited_rules._asdict())
        name_rules[section] = NameRules(**read_rules)
        inherited_rules = inherited_rules if servers else name_rules[section]
        servers.append(ServerSettings(section=section, tls=tls, **read))
    return servers, name_rules


def _tls(section: str, read: Dict[str, Any], reader: "_Reader") -> Optional[TlsSettings]:
    """Take the options of TLS out of those that were read of a server."""
    if read.pop("transport") != "tls":
        return None
    if read["ca_certificate"] == "":
        reader.refuse(section, "ca_certificate", "is missing: nothing else tells the server from an impostor")
    return TlsSettings(read.pop("tls_server_name"), read.pop("ca_certificate"), read.pop("client_certificate"))


def _tls_for(host: str, alike: ServerSettings) -> Optional[TlsSettings]:
    """Return the TLS of a server like another one; the name in a certificate is that of its own host alone."""
    if alike.tls is None or host == alike.server:
        return alike.tls
    return alike.tls._replace(server_name="")


def _accounting(ini: Ini, reader: "_Reader", servers: Sequence[ServerSettings]) -> Optional[AccountingSettings]:
    """Read [accounting] and those after it; without a server of its own it goes to those of [radius]."""
    given = ini.sections.get("accounting", {})
    # A server that stands in [DEFAULT] is one of logins.
    first = (
        {name: value for name, value in given.items() if name not in ini.from_default["accounting"]} if given else {}
    )
    only = reader.read("accounting", options.ACCOUNTING_OPTIONS, first)
    found: List[Dict[str, Any]] = []
    for section in _numbered(ini, "accounting"):
        values, inherited = (first, set()) if not found else _inherited(ini, section, first)
        base = found[0] if found else {}
        found.append(reader.read(section, options.ACCOUNTING_SERVER_OPTIONS, values, inherited, base))
        found[-1]["section"] = section
        if found[-1]["server"] and servers[0].tls and "port" not in values:
            found[-1]["port"] = servers[0].port
    if (
        not only["enabled"]
        or only["timeout"] is None
        or any(value is None for each in found for value in each.values())
    ):
        return None
    alike = servers[0]._replace(conn_retries=1, status_check="none", require_message_authenticator=False)
    if len(found) > 1 and not found[0]["server"]:
        reader.refuse(found[1]["section"], "server", "needs [accounting] server")
        return None
    if found[0]["server"]:
        chosen = [
            alike._replace(tls=_tls_for(each["server"], alike), **dict(each, secret=each["secret"] or alike.secret))
            for each in found
        ]
    else:
        kept = ("section", "server", "source_ip", "tls")
        chosen = [
            alike._replace(
                port=server.port if server.tls else found[0]["port"],  # RFC 6614 section 2.1: no other with TLS
                secret=found[0]["secret"] or server.secret,
                **{name: getattr(server, name) for name in kept},
            )
            for server in servers
        ]
    # They share the time that a login may wait for accounting, with some left: one cut off by the end is not dead.
    patience = 0.9 * only["timeout"] / len(chosen)
    return AccountingSettings(tuple(each._replace(conn_timeout=patience) for each in chosen), only["timeout"])


@contextlib.contextmanager
def _noting(problems: List[Problem], section: str, option: str) -> Iterator[None]:
    """Note a ValueError as a problem, and go on after the block."""
    try:
        yield
    except ValueError as error:
        problems.append(Problem(True, section, option, str(error)))


def _with_names_of_attributes(
    ini: Ini, reader: "_Reader", problems: List[Problem]
) -> Tuple[Optional[GroupRules], Tuple[RadiusAttribute, ...], Tuple[Any, ...]]:
    """Read the sections that name attributes of the RADIUS dictionary, or define some."""
    values = reader.read(_GROUPS, options.GROUP_OPTIONS, ini.sections.get(_GROUPS, {}))
    mapping = tuple(
        (theirs, ours)
        for _, theirs, ours in _pairs(
            _GROUPS_MAP, ini.lines[_GROUPS_MAP], "radius-name = sps-group", problems, _at_the_last, False
        )
    )
    names = values["attribute"]
    if ini.sections.get(_GROUPS, {}).get("required_groups") and not values["required_groups"]:
        problems.append(Problem(True, _GROUPS, "required_groups", "names no group"))
    if not names:
        for option in ("pattern", "separator", "required_groups"):
            if ini.sections.get(_GROUPS, {}).get(option):
                problems.append(Problem(True, _GROUPS, option, "needs [gateway_groups] attribute"))
        if mapping:
            problems.append(Problem(True, _GROUPS_MAP, "", "needs [gateway_groups] attribute"))
    if not (names or ini.lines[_ATTRIBUTES] or ini.lines[_DICTIONARY]):
        return None, (), ()
    from ..radius import attributes  # only who names attributes needs the dictionary

    own: List[attributes.Attribute] = []
    for number, name, text in _pairs(_DICTIONARY, ini.lines[_DICTIONARY], "Name = 26.<vendor>.<type> <kind>", problems):
        with _noting(problems, _DICTIONARY, "line {}".format(number)):
            own.append(attributes.define(name, text))
    keys: List[Tuple[int, int]] = []
    for name in names or ():
        with _noting(problems, _GROUPS, "attribute"):
            attribute = attributes.find(name, own)
            if attributes.refusal(attribute) and attribute.key != (0, 1):
                raise ValueError("{} must not be shown, and names no groups".format(attribute.name))
            if attribute.kind not in ("string", "octets"):
                raise ValueError("{} holds no text".format(attribute.name))
            keys.append(attribute.key)
    sent: List[RadiusAttribute] = []
    for number, name, text in _pairs(_ATTRIBUTES, ini.lines[_ATTRIBUTES], "Name = value", problems):
        with _noting(problems, _ATTRIBUTES, "line {}".format(number)):
            attribute = attributes.find(name, own)
            refusal = attributes.refusal(attribute)
            if refusal:
                raise ValueError(refusal)
            attributes.check(attribute, _unquoted(text), PLACEHOLDERS)
            sent.append(RadiusAttribute(attribute, _unquoted(text)))
    if sum(len(line.text.encode("utf-8", "replace")) + _MOST_HEADER_OCTETS for line in sent) > _MOST_OCTETS_OF_OURS:
        problems.append(Problem(True, _ATTRIBUTES, "", "is more than fits into a request"))
    taken = {line.attribute.key for line in sent if not line.text} - {line.attribute.key for line in sent if line.text}
    if taken >= {(0, 32), (0, 4)}:
        text = "takes away both NAS-Identifier and NAS-IP-Address, of which RFC 2865 needs one"
        problems.append(Problem(True, _ATTRIBUTES, "", text))
    groups = GroupRules(
        attributes=tuple(keys),
        pattern=values["pattern"],
        separator=values["separator"],
        mapping=mapping,
        keep_unmapped=values["unmapped"] == "keep",
        required_groups=values["required_groups"] or (),
    )
    return groups if names else None, tuple(sent), tuple(own)


def _doubts(
    ini: Ini, servers: Sequence[ServerSettings], total_timeout: float, groups: Optional[GroupRules]
) -> Iterator[Problem]:
    yield from _too_long(servers, total_timeout)
    for section in _numbered(ini, "radius") if not any(server.tls for server in servers) else ():
        for option in options.NEEDING_TLS:
            if ini.sections.get(section, {}).get(option.name, "") not in ("", option.default):
                yield Problem(False, section, option.name, "has no effect without transport=tls")
    cache = ini.sections.get("authentication_cache", {})
    if groups and cache.get("reuse_limit", "0") not in ("", "0"):
        yield Problem(
            False, "authentication_cache", "reuse_limit", "has no effect with [gateway_groups]: it keeps no groups"
        )


def _too_long(servers: Sequence[ServerSettings], total_timeout: float) -> Iterator[Problem]:
    bounds = [server.bound for server in servers]
    if sum(bounds) > PLUGIN_TIME_LIMIT:
        text = "the servers' bounds add up to {:g} s; SPS gives a plugin {:g} s".format(sum(bounds), PLUGIN_TIME_LIMIT)
        yield Problem(False, "radius", "conn_timeout", text)
        return
    for server, bound in zip(servers, bounds):
        if bound > total_timeout:
            text = "times conn_retries makes {:g} s; total_timeout ends it after {:g} s".format(bound, total_timeout)
            yield Problem(False, server.section, "conn_timeout", text)


def sdk_text(ini: Ini) -> str:
    """Return the sections that the SDK reads, as INI text in which it finds the values that `ini` has.

    Values that it would choke on stay out (`build` reports them), and so do our own sections: the SDK needs none of
    them, and what it does not have it cannot log.
    """
    wrong = {(problem.section, problem.option) for problem in _sdk_problems(ini) if problem.error}
    lines = []
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is None or not declared.sdk:
            continue
        kinds = {option.name: option.kind for option in declared.options}
        lines.append("[{}]".format(section))
        for name, value in values.items():
            if (section, name) not in wrong and (name in kinds or name not in ini.from_default[section]):
                value = _as_the_sdk_spells_it(kinds.get(name), value)
                lines.append("{} = {}".format(name, value.replace("%", "%%").replace("\n", "\n\t")))
    return "\n".join(lines) + "\n"


def _as_the_sdk_spells_it(kind: Optional[ValueType], value: str) -> str:
    """Return a choice in lower case: the SDK compares some of them with case."""
    parsed = kind.parse(value) if kind and value not in ("$", "$$") else value
    return parsed if isinstance(parsed, str) else value


class _Reader:
    """Reads declared options out of a section's values, noting every problem."""

    def __init__(self, credential: CredentialLookup, trusted_ca: TrustedCaLookup, problems: List[Problem]) -> None:
        self._credential = credential
        self._trusted_ca = trusted_ca
        self._problems = problems

    def read(
        self,
        section: str,
        options: Sequence[Option],
        values: Dict[str, str],
        inherited: Container[str] = (),
        first: Mapping[str, Any] = {},
    ) -> Dict[str, Any]:
        """Return option name -> value for every option; where a value is wrong the problem is noted.

        What is `inherited` from [radius] and wrong has been noted there; a `$` is looked up under this section too,
        and if it is not there, what `first` has is meant.
        """
        found = {}
        for option in options:
            given = values.get(option.name)
            if option.name not in inherited:
                found[option.name] = self._one(section, option, given)
            elif given != "$":
                found[option.name] = first[option.name]
            else:
                found[option.name] = self._one(section, option, given, first[option.name])
        return found

    def refuse(self, section: str, option: str, text: str) -> None:
        """Note an error."""
        self._problems.append(Problem(True, section, option, text))

    def _one(self, section: str, option: Option, given: Optional[str], instead: Any = None) -> Any:
        if given is not None and option.ignored:
            self._problems.append(Problem(False, section, option.name, option.ignored))
        try:
            value = self._looked_up(section, option, given)
            if value is None and instead is not None:
                return instead
            if value is None:
                place = "host={} user={}".format(section, option.name)
                raise ValueError("the Credential Store has no {} for {}".format(option.kind.stored, place))
            if not value and option.required:
                raise ValueError("is missing" if given is None else "is empty")
            return option.kind.parse(value)
        except (ValueError, ConfigurationError) as error:
            self.refuse(section, option.name, str(error))
            return None

    def _looked_up(self, section: str, option: Option, given: Optional[str]) -> Optional[str]:
        if given is None:
            return option.default
        if given == "$$":
            return "$"
        trusted = re.match(_TRUSTED_CA, given) if option.kind is value_types.CERTIFICATES else None
        if trusted:
            return self._trusted(trusted.group(1))
        return self._credential(section, option.name) if given == "$" else given

    def _trusted(self, name: str) -> str:
        certificates = self._trusted_ca(name)
        if certificates is None:
            raise ValueError("SPS has no trusted CA list of this name")
        return certificates


def _read(text: str, default_section: str) -> Tuple[configparser.ConfigParser, List[Problem]]:
    """Parse, noting syntax errors without quoting the lines: they may hold a secret.

    A line that is wrong is taken out and the rest read again, so that all are found. A section given again goes by
    its name, a NUL and its line.
    """
    problems: List[Problem] = []
    lines = text.split("\n")  # as ConfigParser does; splitlines would know more ends of lines than it
    for index in _ends_of_pem(lines):
        problems.append(Problem(True, "", "line {}".format(index + 1), _NO_OPTION))
        lines[index] = ""
    while True:
        parser = configparser.ConfigParser(default_section=default_section)
        try:
            parser.read_string("\n".join(lines))
            return parser, problems
        except configparser.DuplicateOptionError as error:
            section = error.section.partition("\0")[0]
            problems.append(Problem(True, section, error.option, "given twice, again in line {}".format(error.lineno)))
            lines[(error.lineno or 0) - 1] = ""
        except configparser.DuplicateSectionError as error:
            problems.append(Problem(True, error.section, "", "given twice, again in line {}".format(error.lineno)))
            lines[(error.lineno or 0) - 1] = "[{}\0{}]".format(error.section, error.lineno)
        except configparser.MissingSectionHeaderError as error:
            for number in _before_a_section(lines, error.lineno):
                problems.append(Problem(True, "", "line {}".format(number), "stands before the first [section]"))
                lines[number - 1] = ""
        except configparser.ParsingError as error:
            for number, _ in error.errors:
                problems.append(Problem(True, "", "line {}".format(number), _NO_OPTION))
                lines[number - 1] = ""


def _ends_of_pem(lines: Sequence[str]) -> List[int]:
    """Return the indexes of the lines of PEM that are not indented and whose Base64 ends in `=`.

    They would be options, whose names are shown where nobody knows them: here a piece of a private key.
    """
    found: List[int] = []
    inside = False
    for index, line in enumerate(lines):
        if inside and re.match(_PADDED, line):
            found.append(index)
        if "-----BEGIN " in line:
            inside = True
        elif "-----END " in line or line.startswith("["):
            inside = False
    return found


def _before_a_section(lines: Sequence[str], first: int) -> Iterator[int]:
    """Yield the numbers of the lines from `first` to the next header; blank ones and comments may stand there."""
    for number, line in enumerate(lines[first - 1 :], first):
        stripped = line.strip()
        if configparser.ConfigParser.SECTCRE.match(stripped):
            return
        if stripped and stripped[0] not in "#;":
            yield number


def _value(parser: configparser.ConfigParser, section: str, name: str, sdk: bool) -> str:
    try:
        value = parser.get(section, name)
    except configparser.InterpolationError:
        value = parser.get(section, name, raw=True)
    return value if sdk else _unquoted(value)


def _set_lines_apart(text: str) -> Tuple[str, Dict[str, List[Tuple[int, str]]]]:
    """Return the text with the sections of lines emptied, so that line numbers stay, and the numbered lines of each.

    Inside one, only a line that is nothing but a header ends it: a pattern may begin with a bracket.
    """
    rest: List[str] = []
    lines: Dict[str, List[Tuple[int, str]]] = {name: [] for name in _LINE_SECTIONS}
    inside = ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        header = re.match(r"\[([^]]+)\]" + (r"\s*([#;].*)?\Z" if inside else ""), stripped)
        if header:
            inside = header.group(1) if header.group(1) in _LINE_SECTIONS else ""
        elif inside and stripped and stripped[0] not in "#;":
            lines[inside].append((number, stripped))
        rest.append("" if inside and not header else line)
    return "\n".join(rest), lines


def _at_the_first(line: str) -> Tuple[str, str, str]:
    return line.partition("=")


def _at_the_last(line: str) -> Tuple[str, str, str]:
    """Take a line apart whose left side may hold `=`, as in `OU=Admins = admins`."""
    return line.partition(" = ") if " = " in line else line.rpartition("=")


def _pairs(
    section: str,
    lines: Lines,
    expected: str,
    problems: List[Problem],
    apart: Callable[[str], Tuple[str, str, str]] = _at_the_first,
    may_be_empty: bool = True,
) -> Iterator[Tuple[int, str, str]]:
    """Yield number, left and right side of each line of a section; note those that are not two sides."""
    for number, line in lines:
        left, equals, right = (part.strip() for part in apart(line))
        if left and equals and (right or may_be_empty):
            yield number, left, right
        else:
            problems.append(Problem(True, section, "line {}".format(number), "expected `{}`".format(expected)))


def _challenge_answers(lines: Lines, problems: List[Problem]) -> Iterator[ChallengeAnswer]:
    for number, pattern, answer in _pairs(_CHALLENGE_ANSWERS, lines, "pattern = answer", problems):
        with _noting(problems, _CHALLENGE_ANSWERS, "line {}".format(number)):
            yield ChallengeAnswer(value_types.compile_pattern(pattern, re.IGNORECASE), Secret(_unquoted(answer)))


def _unquoted(value: str) -> str:
    inside = value[1:-1]
    if len(value) > 2 and value[0] == value[-1] == '"' and inside != inside.strip():
        return inside
    return value


def _is_sdk(section: str) -> bool:
    declared = declaration(section)
    return declared is not None and declared.sdk


def _unknown_names(ini: Ini) -> Iterator[Problem]:
    known_sections = [section.name for section in SECTIONS]
    for section, values in ini.sections.items():
        declared = declaration(section)
        if declared is None:
            yield Problem(False, section, "", "unknown section" + _section_like(section.lower(), known_sections))
        elif not declared.open:
            known = [option.name for option in declared.options]
            for name in values:
                if name not in known and name not in ini.from_default[section]:
                    error = declared.name in _STRICT_SECTIONS
                    renamed = options.RENAMED.get((declared.first or declared.name, name))
                    advice = f"; use {renamed} instead" if renamed else _home_of(name, known)
                    yield Problem(error, section, name, "unknown option" + advice)


def _section_like(name: str, known: Sequence[str]) -> str:
    """Return what did_you_mean does, for the name of a section in lower case or the beginning of one."""
    if declaration(name):
        return did_you_mean(name, [name])
    longer = [each for each in known if each.startswith(name + " ")]
    return did_you_mean(name, known) or did_you_mean(name, longer[:1], 0.0)


def _home_of(name: str, known: Sequence[str]) -> str:
    ours = (section for section in SECTIONS if not section.sdk)
    homes = [other.name for other in ours if any(option.name == name for option in other.options)]
    elsewhere = "; it belongs in [{}]".format(homes[0]) if homes else ""
    return did_you_mean(name, known, 0.73) or elsewhere or did_you_mean(name, known)


def _sdk_problems(ini: Ini) -> Iterator[Problem]:
    """Check the values that the SDK will read: it would stop the session at the first wrong one."""
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
    yield from _half_said(ini)
    for section in ("whitelist source=ldap_server_group", "usermapping source=ldap_server"):
        if ini.sections.get(section) and not ini.sections.get("ldap_server", {}).get("name"):
            yield Problem(False, section, "", "has no effect without [ldap_server] name")


def _half_said(ini: Ini) -> Iterator[Problem]:
    """Find what the SDK would pass over in silence, or stop at: a question it never asks, a list of nobody."""
    for option in ("log_level", "destination"):
        if ini.sections.get("logging", {}).get(option) == "$":
            yield Problem(True, "logging", option, "cannot come from the Credential Store")
    if ini.sections.get("whitelist source=user_list", {}).get("name") == "":
        yield Problem(True, "whitelist source=user_list", "name", "is empty")
    group = ini.sections.get("whitelist source=ldap_server_group", {})
    if group.get("allow") and not group.get("except"):
        yield Problem(True, "whitelist source=ldap_server_group", "except", "is missing: it says for whom")
    questions = sorted(int(name[9:]) for name in ini.sections if re.match(r"question_[1-9][0-9]{0,3}\Z", name))
    for position, number in enumerate(questions, 1):
        section = "question_{}".format(number)
        if position != number:
            yield Problem(True, section, "", "is never asked: there is no [question_{}]".format(position))
        for option in ("prompt", "key"):
            if not ini.sections[section].get(option):
                yield Problem(True, section, option, "is missing")
        if re.match(_TAKEN_KEYS, ini.sections[section].get("key", "")):
            yield Problem(True, section, "key", "is the name of a password's answer; choose another")
