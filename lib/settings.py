"""The configuration: every option declared once, INI text in, frozen settings or all the errors at once.

The parser, the checks and the README's table read the declarations here; nothing else knows a default or a range.
"""

import configparser
import re
from typing import Any, Callable, Container, Dict, Iterator, List, NamedTuple, Optional, Pattern, Sequence, Set, Tuple

from .secret import Secret

CredentialLookup = Callable[[str, str], Optional[str]]
"""(section, option) -> the password the Credential Store has for host=section, user=option, or None."""


class ConfigurationError(Exception):
    """What a CredentialLookup raises when it cannot look; its text is shown in the log."""


class Problem(NamedTuple):
    """One thing wrong (`error`) or doubtful (not `error`) in a configuration."""

    error: bool
    section: str
    option: str
    text: str

    def __str__(self) -> str:
        place = "[{}]".format(self.section) if self.section else ""
        return " ".join(part for part in (place, self.option) if part) + ": " + self.text


class Kind(NamedTuple):
    """A type of value: `expects` says it in words, `parse` turns text into the value or raises ValueError."""

    expects: str
    parse: Callable[[str], Any]


class Option(NamedTuple):
    """One option's whole declaration; `default` is as it would be written in the file."""

    name: str
    kind: Kind
    default: str
    help: str
    required: bool = False
    ignored: str = ""


class Section(NamedTuple):
    """A section: `name` may end in `_N` for a numbered one; `open` takes option names of the user's own."""

    name: str
    options: Tuple[Option, ...]
    sdk: bool = False
    open: str = ""


class ServerSettings(NamedTuple):
    """One RADIUS server: the options of [radius] or [radius_N]; times in seconds."""

    section: str
    server: str
    port: int
    secret: Secret
    auth_type: str
    conn_timeout: float
    conn_retries: int
    retransmit_after: float
    require_message_authenticator: bool
    source_ip: str
    status_check: str
    failover_after: float

    @property
    def bound(self) -> float:
        """For how many seconds one address of the server is waited for."""
        return self.conn_timeout * self.conn_retries


class AuthSettings(NamedTuple):
    """The options of [auth]."""

    prompt: str
    disable_echo: bool
    interactive_protocols: Tuple[str, ...]
    push_password: Secret
    max_attempts: int
    max_challenges: int


class UsernameSettings(NamedTuple):
    """The options of [username]."""

    prompt: str
    disable_echo: bool
    allow_override: bool


class ChallengeAnswer(NamedTuple):
    """A line of [challenge_answers]: a challenge that `pattern` matches is answered with `answer`."""

    pattern: Pattern[str]
    answer: Secret


class Settings(NamedTuple):
    """A whole valid configuration."""

    servers: Tuple[ServerSettings, ...]
    total_timeout: float
    dead_time: float
    auth: AuthSettings
    username: UsernameSettings
    challenge_answers: Tuple[ChallengeAnswer, ...]


class Ini(NamedTuple):
    """A parsed file: section -> option -> value, and [challenge_answers] as numbered lines.

    `from_default` are the names that a section has from [DEFAULT] alone.
    """

    sections: Dict[str, Dict[str, str]]
    from_default: Dict[str, Set[str]]
    challenge_answers: Tuple[Tuple[int, str], ...]
    problems: Tuple[Problem, ...]


def _text(value: str) -> str:
    return value


def _secret(value: str) -> Secret:
    if "\n" in value:
        raise ValueError("goes on in the next line, which begins with white space")
    secret = Secret(value)
    secret.octets()
    return secret


def _host(value: str) -> str:
    if re.match(r"[^:]+:\d+\Z", value):
        raise ValueError("the port has an option of its own, `port`")
    if not re.match(r"[^\s\[\]/]+\Z", value):
        raise ValueError("expected a host name or an address")
    return value


def _address(value: str) -> str:
    if value:
        import ipaddress  # only who sets one needs it, and every import costs each hook

        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("expected an IP address") from None
    return value


def _yes_no(value: str) -> bool:
    if value.lower() not in ("yes", "no"):
        raise ValueError("expected yes or no")
    return value.lower() == "yes"


def _words(value: str) -> Tuple[str, ...]:
    return tuple(word.strip().lower() for word in value.split(",") if word.strip())


def _number(convert: Callable[[str], float], what: str, low: float, high: float) -> Kind:
    expects = "{} from {} to {}".format(what, low, high)

    def parse(value: str) -> float:
        try:
            number = convert(value)
        except ValueError:
            raise ValueError("expected " + expects) from None
        if not low <= number <= high:
            raise ValueError("expected " + expects)
        return number

    return Kind(expects, parse)


def _whole(low: int, high: int) -> Kind:
    return _number(int, "a whole number", low, high)


def _seconds(low: float, high: float) -> Kind:
    return _number(float, "seconds", low, high)


def _choice(*values: str) -> Kind:
    def parse(value: str) -> str:
        if value.lower() in values:
            return value.lower()
        raise ValueError("expected one of {}{}".format(", ".join(values), _did_you_mean(value.lower(), values)))

    return Kind(", ".join(values), parse)


_TEXT = Kind("text", _text)
_HOST = Kind("host name or address", _host)
_SECRET = Kind("text, or `$`", _secret)
_ADDRESS = Kind("IP address", _address)
_YES_NO = Kind("yes, no", _yes_no)
_LIST = Kind("names with commas", _words)

_SERVER_OPTIONS = (
    Option("server", _HOST, "", "Host name or address of the RADIUS server.", required=True),
    Option("port", _whole(1, 65535), "1812", "UDP port of the server."),
    Option(
        "secret",
        _SECRET,
        "",
        "Shared secret, as the server knows this SPS by; at least 16 characters, from the Credential Store with `$`.",
        required=True,
    ),
    Option(
        "auth_type", _choice("pap", "chap", "mschapv2"), "pap", "How the password is sent; NPS often wants `mschapv2`."
    ),
    Option(
        "conn_timeout",
        _seconds(0.1, 280),
        "5",
        "Seconds; times `conn_retries` it bounds the wait for one address of the server.",
    ),
    Option(
        "conn_retries", _whole(1, 30), "3", "Times `conn_timeout`: how long one address of the server is waited for."
    ),
    Option(
        "retransmit_after",
        _seconds(0, 280),
        "0.3",
        "Seconds until the same request is sent again, if need be; then twice that, and so on. 0: it is sent once.",
    ),
    Option(
        "require_message_authenticator",
        _YES_NO,
        "yes",
        "Replies without a Message-Authenticator could be forged and are dropped; `no` accepts them and the risk.",
    ),
    Option("source_ip", _ADDRESS, "", "Local address to send from, where SPS has several."),
    Option(
        "status_check",
        _choice("status-server", "none"),
        "status-server",
        "How to tell a slow server from a dead one: by Status-Server requests (RFC 5997), or not.",
    ),
    Option("failover_after", _seconds(0.1, 280), "3", "Seconds without an answer after which that is asked."),
)
_RADIUS_ONLY_OPTIONS = (
    Option("total_timeout", _seconds(1, 290), "150", "Seconds that the servers together have for one answer."),
    Option("dead_time", _seconds(0, 86400), "120", "Seconds for which a server that did not answer is asked last."),
    Option(
        "dictionary_path",
        _TEXT,
        "",
        "Known from earlier plugins, without effect.",
        ignored="has no effect: the dictionary is in the plugin",
    ),
)
_AUTH_OPTIONS = (
    Option(
        "prompt",
        _TEXT,
        "Press Enter for push notification or type one-time password:",
        "The question for the one-time password.",
    ),
    Option("disable_echo", _YES_NO, "yes", "Hide what the user types; `no` shows it unless a challenge forbids it."),
    Option("interactive_protocols", _LIST, "rdp,ssh,telnet", "Protocols in which users can be asked; others use push."),
    Option(
        "push_password",
        _SECRET,
        "",
        "What is sent when the user just presses Enter; Duo's proxy wants `push`.",
    ),
    Option("max_attempts", _whole(1, 100), "3", "How many times the server may reject a user before the session ends."),
    Option("max_challenges", _whole(0, 100), "10", "How many Access-Challenges one attempt may have."),
)
_USERNAME_OPTIONS = (
    Option("prompt", _TEXT, "User name:", "The question for the user name when none is known."),
    Option("disable_echo", _YES_NO, "yes", "Hide the name while it is typed."),
    Option(
        "allow_override",
        _YES_NO,
        "no",
        "Let a user whom SPS knows choose another RADIUS User-Name with `ru=`; who he is to SPS never changes.",
    ),
)

SECTIONS: Tuple[Section, ...] = (
    Section("radius", _SERVER_OPTIONS + _RADIUS_ONLY_OPTIONS),
    Section("radius_N", _SERVER_OPTIONS),
    Section("auth", _AUTH_OPTIONS),
    Section("username", _USERNAME_OPTIONS),
    Section(
        "challenge_answers",
        (),
        open="`pattern = answer`: a challenge whose text the regular expression matches (any case) is answered "
        "without asking, once an attempt. A `=` in the pattern is written `\\x3d`.",
    ),
    Section(
        "credential_store",
        (Option("name", _TEXT, "", "The local Credential Store where options set to `$` are looked up."),),
        sdk=True,
    ),
    Section(
        "connection_limit by=client_ip_gateway_user",
        (Option("limit", _whole(0, 10**6), "0", "Sessions one user may have from one address; 0 is no limit."),),
        sdk=True,
    ),
    Section(
        "authentication_cache",
        (
            Option("soft_timeout", _seconds(0, 10**9), "15", "Seconds since the last login that a cached one lasts."),
            Option("hard_timeout", _seconds(0, 10**9), "90", "Seconds that a cached login lasts in all."),
            Option("reuse_limit", _whole(-1, 10**6), "0", "Times a cached login is used; 0 turns the cache off."),
            Option("cache_dir", _TEXT, "auth_cache", "Folder of the cache below the plugin's state directory."),
        ),
        sdk=True,
    ),
    Section(
        "whitelist source=user_list",
        (Option("name", _TEXT, "", "User List policy of those who need no RADIUS login."),),
        sdk=True,
    ),
    Section(
        "whitelist source=ldap_server_group",
        (
            Option("allow", _choice("no_user", "all_users"), "", "Who needs no RADIUS login: none, or all, but ..."),
            Option("except", _TEXT, "", "... the members of these LDAP groups."),
        ),
        sdk=True,
    ),
    Section(
        "usermapping source=explicit",
        (),
        sdk=True,
        open="`name = RADIUS name`, the name in lower case: the User-Name sent for a gateway user.",
    ),
    Section(
        "usermapping source=ldap_server",
        (Option("user_attribute", _TEXT, "", "LDAP attribute that holds the RADIUS User-Name."),),
        sdk=True,
    ),
    Section(
        "username_transform",
        (Option("append_domain", _TEXT, "", "Put `@` and this after the RADIUS User-Name."),),
        sdk=True,
    ),
    Section(
        "ldap_server", (Option("name", _TEXT, "", "LDAP Server policy for the two `ldap_server` sections."),), True
    ),
    Section(
        "ignore_upn_suffix_for_rdp",
        (Option("ignore", _choice("true", "false"), "true", "Drop `@domain` of RDP server user names (SDK 1.8+)."),),
        sdk=True,
    ),
    Section(
        "question_N",
        (
            Option("prompt", _TEXT, "", "Something else to ask after a successful login, such as a ticket number."),
            Option("key", _TEXT, "", "Name under which other plugins find the answer in the session cookie."),
            Option("disable_echo", _YES_NO, "yes", "Hide the answer."),
        ),
        sdk=True,
    ),
    Section(
        "logging",
        (
            Option(
                "log_level",
                _choice("debug", "info", "warning", "error", "critical"),
                "info",
                "How much goes to syslog.",
            ),
            Option("destination", _choice("stderr", "messages"), "stderr", "Where the log goes."),
        ),
        sdk=True,
    ),
    Section(
        "https-proxy",
        tuple(
            Option(name, _TEXT, "", "Known from earlier plugins, without effect: RADIUS does not use HTTP.")
            for name in ("enabled", "server", "port", "username", "password")
        ),
        sdk=True,
    ),
)

PLUGIN_TIME_LIMIT = 300.0  # seconds: half of the proxy's time limit, by default
_CHALLENGE_ANSWERS = "challenge_answers"
_NO_SECTION = "\0no section has this name"
_ALIASES = {"https_proxy": "https-proxy"}
_NUMBERED = re.compile(r"(radius|question)_[1-9][0-9]*\Z")
_SECOND_SERVER = re.compile(r"radius_[1-9][0-9]*\Z")


def parse_ini(text: str) -> Ini:
    """Parse INI text as the SDK does, except that a `%` which ConfigParser would refuse stands for itself.

    A value in double quotes whose inside begins or ends with white space loses the quotes and keeps the space.
    [challenge_answers] is read apart: its patterns keep their case and may hold `:`.
    """
    rest, answer_lines = _set_answers_apart(text.lstrip("\ufeff"))
    parser, problems = _read(rest, configparser.DEFAULTSECT)
    explicit, _ = _read(rest, _NO_SECTION)  # the same again, with [DEFAULT] a section like any other
    sections: Dict[str, Dict[str, str]] = {}
    from_default: Dict[str, Set[str]] = {}
    for given in parser.sections():
        section = re.sub("\0[0-9]+\\Z", "", given)
        values = {name: _value(parser, given, name, _is_sdk(section)) for name in parser.options(given)}
        sections[section] = dict(values, **sections.get(section, {}))
        from_default[section] = set(values) - set(explicit.options(given))
    return Ini(sections, from_default, tuple(answer_lines), tuple(problems))


def build(ini: Ini, credential: CredentialLookup) -> Tuple[Optional[Settings], Tuple[Problem, ...]]:
    """Return the settings (None if anything is an error) and every problem found.

    `credential` is asked for each option of ours that is set to `$`.
    """
    problems = list(ini.problems)
    problems.extend(_unknown_names(ini))
    problems.extend(_sdk_problems(ini))
    reader = _Reader(credential, problems)
    radius = ini.sections.get("radius", {})
    servers = [ServerSettings(section="radius", **reader.read("radius", _SERVER_OPTIONS, radius))]
    for section in sorted(filter(_SECOND_SERVER.match, ini.sections), key=lambda name: int(name[7:])):
        own = {name: value for name, value in ini.sections[section].items() if name not in ini.from_default[section]}
        values = dict(ini.sections[section], **radius)
        values.update(own)
        servers.append(
            ServerSettings(
                section=section, **reader.read(section, _SERVER_OPTIONS, values, set(radius) - set(own), servers[0])
            )
        )
    only = reader.read("radius", _RADIUS_ONLY_OPTIONS, radius)
    auth = AuthSettings(**reader.read("auth", _AUTH_OPTIONS, ini.sections.get("auth", {})))
    username = UsernameSettings(**reader.read("username", _USERNAME_OPTIONS, ini.sections.get("username", {})))
    answers = tuple(_challenge_answers(ini.challenge_answers, problems))
    if any(problem.error for problem in problems):
        return None, tuple(problems)
    problems.extend(_too_long(servers, only["total_timeout"]))
    return Settings(tuple(servers), only["total_timeout"], only["dead_time"], auth, username, answers), tuple(problems)


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
        declared = _declaration(section)
        if declared is None or not declared.sdk:
            continue
        kinds = {option.name: option.kind for option in declared.options}
        lines.append("[{}]".format(section))
        for name, value in values.items():
            if (section, name) not in wrong and (name in kinds or name not in ini.from_default[section]):
                value = _as_the_sdk_spells_it(kinds.get(name), value)
                lines.append("{} = {}".format(name, value.replace("%", "%%").replace("\n", "\n\t")))
    return "\n".join(lines) + "\n"


def _as_the_sdk_spells_it(kind: Optional[Kind], value: str) -> str:
    """Return a choice in lower case: the SDK compares some of them with case."""
    parsed = kind.parse(value) if kind and value not in ("$", "$$") else value
    return parsed if isinstance(parsed, str) else value


def markdown_table() -> str:
    """Return the table of every option as the README shows it."""
    rows = ["| Section | Option | Default | Values | Meaning |", "| --- | --- | --- | --- | --- |"]
    for section in SECTIONS:
        if section.open:
            rows.append("| `[{}]` | *your own* | | | {} |".format(section.name, section.open))
        for option in section.options:
            default = "**required**" if option.required else "`{}`".format(option.default) if option.default else ""
            if section.name == "radius_N":
                default = "that of `[radius]`"
            rows.append(
                "| `[{}]` | `{}` | {} | {} | {} |".format(
                    section.name, option.name, default, option.kind.expects, option.help
                )
            )
    return "\n".join(rows) + "\n"


class _Reader:
    """Reads declared options out of a section's values, noting every problem."""

    def __init__(self, credential: CredentialLookup, problems: List[Problem]) -> None:
        self._credential = credential
        self._problems = problems

    def read(
        self,
        section: str,
        options: Sequence[Option],
        values: Dict[str, str],
        inherited: Container[str] = (),
        first: Optional[ServerSettings] = None,
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
                found[option.name] = getattr(first, option.name)
            else:
                found[option.name] = self._one(section, option, given, getattr(first, option.name))
        return found

    def _one(self, section: str, option: Option, given: Optional[str], instead: Any = None) -> Any:
        if given is not None and option.ignored:
            self._problems.append(Problem(False, section, option.name, option.ignored))
        try:
            value = self._looked_up(section, option, given)
            if value is None and instead is not None:
                return instead
            if value is None:
                place = "host={} user={}".format(section, option.name)
                raise ValueError("the Credential Store has no password for " + place)
            if not value and option.required:
                raise ValueError("is missing" if given is None else "is empty")
            return option.kind.parse(value)
        except (ValueError, ConfigurationError) as error:
            self._problems.append(Problem(True, section, option.name, str(error)))
            return None

    def _looked_up(self, section: str, option: Option, given: Optional[str]) -> Optional[str]:
        if given is None:
            return option.default
        if given == "$$":
            return "$"
        return self._credential(section, option.name) if given == "$" else given


def _read(text: str, default_section: str) -> Tuple[configparser.ConfigParser, List[Problem]]:
    """Parse, noting syntax errors without quoting the lines: they may hold a secret.

    A line that is wrong is taken out and the rest read again, so that all are found. A section given again goes by
    its name, a NUL and its line.
    """
    problems: List[Problem] = []
    lines = text.split("\n")  # as ConfigParser does; splitlines would know more ends of lines than it
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
            problems.append(Problem(True, "", "line {}".format(error.lineno), "stands before the first [section]"))
            lines[error.lineno - 1] = ""
        except configparser.ParsingError as error:
            for number, _ in error.errors:
                problems.append(Problem(True, "", "line {}".format(number), "is not `option = value`"))
                lines[number - 1] = ""


def _value(parser: configparser.ConfigParser, section: str, name: str, sdk: bool) -> str:
    try:
        value = parser.get(section, name)
    except configparser.InterpolationError:
        value = parser.get(section, name, raw=True)
    return value if sdk else _unquoted(value)


def _set_answers_apart(text: str) -> Tuple[str, List[Tuple[int, str]]]:
    """Return the text with [challenge_answers] emptied, so that line numbers stay, and that section's numbered lines.

    Inside it, only a line that is nothing but a header ends it: a pattern may begin with a bracket.
    """
    rest: List[str] = []
    answers: List[Tuple[int, str]] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        header = re.match(r"\[([^]]+)\]" + (r"\s*([#;].*)?\Z" if inside else ""), stripped)
        if header:
            inside = header.group(1) == _CHALLENGE_ANSWERS
        elif inside and stripped and stripped[0] not in "#;":
            answers.append((number, stripped))
        rest.append("" if inside and not header else line)
    return "\n".join(rest), answers


def _challenge_answers(lines: Sequence[Tuple[int, str]], problems: List[Problem]) -> Iterator[ChallengeAnswer]:
    for number, line in lines:
        pattern, equals, answer = (part.strip() for part in line.partition("="))
        try:
            if not (pattern and equals):
                raise ValueError("expected `pattern = answer`")
            yield ChallengeAnswer(re.compile(pattern, re.IGNORECASE), Secret(_unquoted(answer)))
        except ValueError as error:
            problems.append(Problem(True, _CHALLENGE_ANSWERS, "line {}".format(number), str(error)))
        except (re.error, OverflowError, RecursionError) as error:
            text = "not a regular expression: {}".format(getattr(error, "msg", "too much"))
            problems.append(Problem(True, _CHALLENGE_ANSWERS, "line {}".format(number), text))


def _unquoted(value: str) -> str:
    inside = value[1:-1]
    if len(value) > 2 and value[0] == value[-1] == '"' and inside != inside.strip():
        return inside
    return value


def _declaration(section: str) -> Optional[Section]:
    name = _ALIASES.get(section, section)
    if _NUMBERED.match(name):
        name = name.split("_")[0] + "_N"
    elif name.endswith("_N"):
        return None
    return next((declared for declared in SECTIONS if declared.name == name), None)


def _is_sdk(section: str) -> bool:
    declared = _declaration(section)
    return declared is not None and declared.sdk


def _unknown_names(ini: Ini) -> Iterator[Problem]:
    known_sections = [section.name for section in SECTIONS]
    for section, values in ini.sections.items():
        declared = _declaration(section)
        if declared is None:
            yield Problem(False, section, "", "unknown section" + _did_you_mean(section.lower(), known_sections))
        elif not declared.open:
            known = [option.name for option in declared.options]
            for name in values:
                if name not in known and name not in ini.from_default[section]:
                    yield Problem(False, section, name, "unknown option" + _home_of(name, known))


def _home_of(name: str, known: Sequence[str]) -> str:
    ours = (section for section in SECTIONS if not section.sdk)
    homes = [other.name for other in ours if any(option.name == name for option in other.options)]
    return "; it belongs in [{}]".format(homes[0]) if homes else _did_you_mean(name, known)


def _sdk_problems(ini: Ini) -> Iterator[Problem]:
    """Check the values that the SDK will read: it would stop the session at the first wrong one."""
    for section, values in ini.sections.items():
        declared = _declaration(section)
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
    questions = sorted(int(name[9:]) for name in ini.sections if re.match(r"question_[1-9][0-9]*\Z", name))
    for position, number in enumerate(questions, 1):
        section = "question_{}".format(number)
        if position != number:
            yield Problem(True, section, "", "is never asked: there is no [question_{}]".format(position))
        for option in ("prompt", "key"):
            if not ini.sections[section].get(option):
                yield Problem(True, section, option, "is missing")
        if re.match(r"(otp\d*|rp|radius_password)\Z", ini.sections[section].get("key", "")):
            yield Problem(True, section, "key", "is the name of a password's answer; choose another")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    close = _close(name, known)
    return "; did you mean {}?".format(close) if close else ""


def _close(name: str, known: Sequence[str]) -> str:
    import difflib  # only a mistake needs it, and every import costs each hook

    return next(iter(difflib.get_close_matches(name, known, 1)), "")
