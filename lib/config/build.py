"""Builds Settings from INI text, or reports every problem."""

import re
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..radius.server import ServerSettings, TlsSettings, TunnelSettings
from ..secret import Secret
from . import options
from .checks import doubts, limited, unknown_names
from .ini import Ini, Problem, unquoted
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
from .reader import (
    MAX_PROBLEMS,
    CredentialLookup,
    OptionValues,
    Reader,
    TrustedCaLookup,
    no_trusted_ca,
    split_at_blanks,
    split_at_last,
)
from .sdk_sections import sdk_problems
from .value_types import compile_pattern, is_address

if TYPE_CHECKING:
    from ..radius.attributes import Attribute
    from ..recovery_code import RecoveryHash

Values = Dict[str, str]


def build(
    ini: Ini, credential: CredentialLookup, trusted_ca: TrustedCaLookup = no_trusted_ca
) -> Tuple[Optional[Settings], Tuple[Problem, ...]]:
    """Return the settings, None if anything is an error, and every problem.

    `credential` looks up each option of ours that is set to `$`, `trusted_ca` each `$[name]`.
    """
    problems = [*ini.problems, *unknown_names(ini)]
    if len(problems) > MAX_PROBLEMS:  # no configuration: there is nothing to be read
        return None, limited(problems)
    reader = Reader(ini, credential, trusted_ca)
    servers = _servers(ini, reader)
    name_rules = _name_rules(ini, reader)
    times = reader.read("radius", options.RADIUS_ONLY_OPTIONS)
    auth = AuthSettings(**reader.read("auth", options.AUTH_OPTIONS))
    username = UsernameSettings(**reader.read("username", options.USERNAME_OPTIONS))
    if username.prompt == options.HIDDEN_NAME_PROMPT and not username.disable_echo:
        username = username._replace(prompt=options.NAME_PROMPT)
    answers = _challenge_answers(reader)
    messages = _messages(reader)
    lockout = _lockout(reader, auth.max_challenges)
    recovery_codes = _recovery_codes(ini, reader)
    accounting = _accounting(ini, reader, servers)
    groups, attributes, dictionary = _attributes(ini, reader)
    settings = Settings(
        servers=servers,
        total_timeout=times["total_timeout"],
        dead_time=times["dead_time"],
        auth=auth,
        username=username,
        challenge_answers=answers,
        name_rules=name_rules,
        groups=groups,
        attributes=attributes,
        accounting=accounting,
        lockout=lockout,
        messages=messages,
        dictionary=dictionary,
        recovery_codes=recovery_codes,
    )
    problems += [*sdk_problems(ini), *reader.problems]
    if any(problem.error for problem in problems):
        return None, limited(problems)
    return settings, limited([*problems, *doubts(ini, settings)])


# Servers


def _numbered(ini: Ini, name: str) -> List[str]:
    """Return the sections `name`, `name_2`, `name_3` ... of the file that have options, and always the first."""
    numbered = (section for section in ini.sections if re.match(name + r"_[1-9][0-9]{0,3}\Z", section))
    sections = [section for section in numbered if set(ini.sections[section]) != ini.from_default[section]]
    return [name] + sorted(sections, key=lambda section: int(section.rpartition("_")[2]))


def _inherited(ini: Ini, section: str, base: Mapping[str, str]) -> Tuple[Values, Set[str]]:
    """Return the values of a numbered section with those of the first, and the names that only the first sets."""
    values = ini.sections.get(section, {})
    own = {name: value for name, value in values.items() if name not in ini.from_default[section]}
    return {**values, **base, **own}, set(base) - set(own)


def _servers(ini: Ini, reader: Reader) -> Tuple[ServerSettings, ...]:
    """Read [radius] and [radius_N]."""
    in_radius = ini.sections.get("radius", {})
    servers: List[ServerSettings] = []
    first: OptionValues = {}
    for section in _numbered(ini, "radius"):
        values, inherited = _inherited(ini, section, in_radius) if servers else (in_radius, set())
        read = reader.read(section, options.TRANSPORT_OPTIONS, values, inherited, first)
        over_tls = read["transport"] == "tls"
        if servers and over_tls != (first["transport"] == "tls"):  # port and secret are those of the other transport
            base = {name: value for name, value in in_radius.items() if name not in ("port", "secret")}
            values, inherited = _inherited(ini, section, base)
        wanted = [each.over_tls() if over_tls else each for each in options.SERVER_OPTIONS]
        read.update(reader.read(section, wanted, values, inherited.intersection(first), first))
        has_tunnel = read["auth_type"] in options.TUNNELED
        wanted = [*options.TLS_OPTIONS] if over_tls or has_tunnel else []
        wanted += options.TUNNEL_OPTIONS if has_tunnel else ()
        read.update(reader.read(section, wanted, values, inherited.intersection(first), first))
        first = first or dict(read)
        servers.append(_server(section, read, reader))
    return tuple(servers)


def _name_rules(ini: Ini, reader: Reader) -> Dict[str, NameRules]:
    """Read the name rules of each server: its own, or else those of [radius], or else those of [username]."""
    from_username = NameRules(**reader.read("username", options.NAME_OPTIONS))
    rules: Dict[str, NameRules] = {}
    for section in _numbered(ini, "radius"):
        base = rules.get("radius", from_username)._asdict()
        values, inherited = _inherited(ini, section, dict.fromkeys(base, ""))
        rules[section] = NameRules(**reader.read(section, options.NAME_OPTIONS, values, inherited, base))
    return rules


def _server(section: str, read: OptionValues, reader: Reader) -> ServerSettings:
    """Return a server with these options; report those that are missing."""
    tls = tunnel = None
    over_tls = read.pop("transport") == "tls"
    if "ca_certificate" in read:
        if read["ca_certificate"] == "":
            reader.report(section, "ca_certificate", "is missing: it is what authenticates the server")
        tls = TlsSettings(read.pop("tls_server_name"), read.pop("ca_certificate"), read.pop("client_certificate"))
    if tls and "require_tunnel_keys" in read:
        if tls.server_name == "" and is_address(read["server"] or ""):
            text = "is missing: with a tunneled auth_type, an address in `server` is not a name to expect"
            reader.report(section, "tls_server_name", text)
        read["require_message_authenticator"] = True  # RFC 3579 section 3.2, for every packet with EAP
        tunnel = TunnelSettings(read.pop("anonymous_identity"), read.pop("require_tunnel_keys"), tls)
    return ServerSettings(section=section, tls=tls if over_tls else None, tunnel=tunnel, **read)


# [accounting]


def _accounting(ini: Ini, reader: Reader, servers: Sequence[ServerSettings]) -> Optional[AccountingSettings]:
    """Read [accounting] and [accounting_N]."""
    given = ini.sections.get("accounting", {})
    # A server in [DEFAULT] is one for logins.
    first = {name: value for name, value in given.items() if name not in ini.from_default["accounting"]}
    switches = reader.read("accounting", options.ACCOUNTING_OPTIONS, first)
    found: List[OptionValues] = []
    for section in _numbered(ini, "accounting"):
        values, inherited = _inherited(ini, section, first) if found else (first, set())
        read = reader.read(section, options.ACCOUNTING_SERVER_OPTIONS, values, inherited, found[0] if found else {})
        if read["server"] and servers[0].tls and "port" not in values:
            read["port"] = servers[0].port
        found.append(dict(read, section=section))
    is_invalid = switches["timeout"] is None or any(value is None for read in found for value in read.values())
    if not switches["enabled"] or is_invalid:
        return None
    if len(found) > 1 and not found[0]["server"]:
        reader.report(found[1]["section"], "server", "requires [accounting] server")
        return None
    chosen = _own_servers(found, servers[0]) if found[0]["server"] else _servers_of_logins(found[0], servers)
    # They share the time that accounting may add to a login. A little is left: a server cut off by the end is not dead.
    timeout = 0.9 * switches["timeout"] / len(chosen)
    servers = tuple(
        each._replace(
            conn_timeout=timeout,
            conn_retries=1,
            retransmit_after=min(each.retransmit_after, timeout / 4),  # duplicates do no harm here
            status_check="none",
            require_message_authenticator=False,
        )
        for each in chosen
    )
    return AccountingSettings(servers, switches["timeout"])


def _own_servers(found: Sequence[OptionValues], login_server: ServerSettings) -> List[ServerSettings]:
    """Return the servers of [accounting], which are in everything else like that of [radius]."""
    chosen = []
    for read in found:
        tls = login_server.tls
        if tls is not None and read["server"] != login_server.server:  # whose certificate has another name
            tls = tls._replace(server_name="")
        chosen.append(login_server._replace(tls=tls, **dict(read, secret=read["secret"] or login_server.secret)))
    return chosen


def _servers_of_logins(read: OptionValues, servers: Sequence[ServerSettings]) -> List[ServerSettings]:
    """Return the servers of [radius], with the port and the secret for accounting."""
    return [
        servers[0]._replace(
            section=server.section,
            server=server.server,
            port=server.port if server.tls else read["port"],  # TLS has no port of its own, RFC 6614 section 2.1
            secret=read["secret"] or server.secret,
            source_ip=server.source_ip,
            tls=server.tls,
        )
        for server in servers
    ]


# Logins


def _lockout(reader: Reader, max_challenges: int) -> Optional[LockoutRules]:
    read = reader.read("lockout", options.LOCKOUT_OPTIONS)
    scope = read.pop("scope")
    if not read["max_failures"]:
        return None
    return LockoutRules(by_user=scope != "client", by_client=scope != "user", max_challenges=max_challenges, **read)


def _recovery_codes(ini: Ini, reader: Reader) -> "Mapping[str, Tuple[RecoveryHash, ...]]":
    if not ini.lines["recovery_codes"]:
        return {}
    from .recovery_codes import read_recovery_codes

    return read_recovery_codes(reader)


def _challenge_answers(reader: Reader) -> Tuple[ChallengeAnswer, ...]:
    answers = []
    for place, pattern, answer in reader.pairs("challenge_answers", "pattern = answer", split_at_blanks):
        with reader.reporting("challenge_answers", place):
            compiled = compile_pattern(pattern, re.IGNORECASE | re.MULTILINE)
            answers.append(ChallengeAnswer(compiled, Secret(unquoted(answer)), place))
    return tuple(answers)


def _messages(reader: Reader) -> Dict[str, str]:
    """Return the texts that differ from the default."""
    read = reader.read("messages", options.MESSAGE_OPTIONS)
    return {option.name: read[option.name] for option in options.MESSAGE_OPTIONS if read[option.name] != option.default}


def _attributes(
    ini: Ini, reader: Reader
) -> Tuple[Optional[GroupRules], Tuple[RadiusAttribute, ...], "Tuple[Attribute, ...]"]:
    """Read the sections that name RADIUS attributes, or define some."""
    values = reader.read("gateway_groups", options.GROUP_OPTIONS)
    lines = reader.pairs("gateway_groups map", "radius-name = sps-group", split_at_last, False)
    mapping = tuple((name, group) for _, name, group in lines)
    given = ini.sections.get("gateway_groups", {})
    if given.get("required_groups") and values["required_groups"] == ():
        reader.report("gateway_groups", "required_groups", "contains no group")
    names = values["attribute"]
    if not names:
        for option in ("pattern", "separator", "required_groups"):
            if given.get(option):
                reader.report("gateway_groups", option, "requires [gateway_groups] attribute")
        if mapping:
            reader.report("gateway_groups map", "", "requires [gateway_groups] attribute")
    if not (names or ini.lines["radius_attributes"] or ini.lines["radius_dictionary"]):
        return None, (), ()
    from .attribute_sections import find_group_attributes, read_attributes, read_dictionary

    dictionary = read_dictionary(reader)
    groups = GroupRules(
        attributes=find_group_attributes(reader, names or (), dictionary),
        pattern=values["pattern"],
        separator=values["separator"],
        mapping=mapping,
        keep_unmapped=values["unmapped"] == "keep",
        required_groups=values["required_groups"] or (),
        encoding=values["encoding"] or "",
    )
    return groups if names else None, read_attributes(reader, dictionary), dictionary
