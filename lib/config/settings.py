"""The configuration: INI text in, frozen settings or all the errors at once. What options there are is in `options`."""

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

from ..radius.server import ServerSettings, TlsSettings
from ..secret import Secret
from ..text import did_you_mean
from . import options, value_types
from .ini import Ini, Lines, Problem, unquoted
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


NO_STORE = "`$` needs [credential_store] name"
PLUGIN_TIME_LIMIT = 300.0  # seconds: half of the proxy's time limit, by default
_CHALLENGE_ANSWERS, _GROUPS, _GROUPS_MAP = "challenge_answers", "gateway_groups", "gateway_groups map"
_ATTRIBUTES, _DICTIONARY = "radius_attributes", "radius_dictionary"
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
_TRUSTED_CA = r"\$\[(.+)\]\Z"
_TAKEN_KEYS = r"(otp\d*|rp|radius_password)\Z"


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
            attributes.check(attribute, unquoted(text), PLACEHOLDERS)
            sent.append(RadiusAttribute(attribute, unquoted(text)))
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
            yield ChallengeAnswer(value_types.compile_pattern(pattern, re.IGNORECASE), Secret(unquoted(answer)))


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
