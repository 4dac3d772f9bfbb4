"""Every option of the configuration, declared once: name, type, default, range, help.

The parser, the checks, the tables of docs/configuration.md and default.cfg read the declarations here; nothing else
knows a default or a range.
"""

import re
from typing import Any, Callable, Optional, Pattern, Tuple

from .. import reasons
from ..namedtuple import NamedTuple
from ..secret import Secret
from ..text import did_you_mean, placeholders


class Kind(NamedTuple):
    """A type of value: `expects` says it in words, `parse` turns text into the value or raises ValueError.

    `stored` is what the Credential Store has for a `$`.
    """

    expects: str
    parse: Callable[[str], Any]
    stored: str = "password"


class Option(NamedTuple):
    """One option's whole declaration; `default` is as it would be written in the file, `tls_default` that with tls."""

    name: str
    kind: Kind
    default: str
    help: str
    required: bool = False
    ignored: str = ""
    tls_default: str = ""

    def over_tls(self) -> "Option":
        """Return the option as it is of a server with transport=tls."""
        return self._replace(default=self.tls_default, required=False) if self.tls_default else self


class Section(NamedTuple):
    """A section: `name` may end in `_N` for a numbered one, whose options are by default those of the one before it.

    `open` says what a section of the user's own option names is for, `example` shows lines of it; `lines` is whether
    such a section is read as it is written, line by line. `first` is the section that a further one has its defaults
    from. `sdk` are the sections that the SDK reads.
    """

    name: str
    options: Tuple[Option, ...]
    sdk: bool = False
    open: str = ""
    lines: bool = False
    example: Tuple[str, ...] = ()
    first: str = ""


def _text(value: str) -> str:
    return value


def _secret(value: str) -> Secret:
    if "\n" in value:
        raise ValueError("goes on in the next line, which begins with white space")
    secret = Secret(value)
    secret.octets()
    return secret


def _host(value: str) -> str:
    if re.search("[,;]", value):
        raise ValueError("expected one host name or address: a further server has a section of its own")
    if re.match(r"[^:]+:\d+\Z", value):
        raise ValueError("the port has an option of its own, `port`")
    if not re.match(r"[^\s\[\]/]+\Z", value):
        raise ValueError("expected a host name or an address")
    return value


def _host_or_none(value: str) -> str:
    return _host(value) if value else value


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


def _names(value: str) -> Tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _words(value: str) -> Tuple[str, ...]:
    return _names(value.lower())


def compiled(pattern: str, flags: int = 0) -> Pattern[str]:
    """Return a regular expression compiled; raise ValueError, without the pattern in it, if it is none."""
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError("not a regular expression: {}".format(getattr(error, "msg", "too much"))) from None


def _pattern(value: str) -> Optional[Pattern[str]]:
    return compiled(value) if value else None


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
        raise ValueError("expected one of {}{}".format(", ".join(values), did_you_mean(value.lower(), values)))

    return Kind(", ".join(values), parse)


def _template(*allowed: str) -> Kind:
    def parse(value: str) -> str:
        for name in placeholders(value):
            if name not in allowed:
                expected = ", ".join("{" + each + "}" for each in allowed) or "none"
                raise ValueError("unknown placeholder; expected " + expected)
        return value

    return Kind("text" + "".join(", {" + name + "}" for name in allowed), parse)


_PEM = r"-----BEGIN ({0})-----([^-]*)-----END \1-----"
_CERTIFICATES = _PEM.format("CERTIFICATE")
_KEYS = _PEM.format("(?:RSA |EC |ENCRYPTED )?PRIVATE KEY")


def _certificates(value: str) -> str:
    """Return the certificates of a PEM text, and nothing else of it."""
    found = [match for match in re.finditer(_CERTIFICATES, value) if _is_der(match.group(2))]
    if value and (not found or len(found) < value.count("-----BEGIN CERTIFICATE")):
        raise ValueError("expected certificates in PEM, whole and each line but the first indented")
    return "\n".join(_lines(match.group()) for match in found) + "\n" if found else ""


def _certificate_and_key(value: str) -> Secret:
    """Return the certificates and the key of a PEM text; no error has anything of it."""
    if not value:
        return Secret("")
    certificates = _certificates(value)
    keys = list(re.finditer(_KEYS, value))
    if "ENCRYPTED" in value:
        raise ValueError("the private key is encrypted: nobody could be asked for the passphrase")
    if len(keys) != 1 or not _is_der(keys[0].group(2)):
        raise ValueError("expected one private key in PEM beside the certificate")
    return Secret(certificates + _lines(keys[0].group()) + "\n")


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _is_der(base64: str) -> bool:
    """Whether Base64 holds one whole DER sequence: what was cut in copying is no error of the server's."""
    import binascii  # only who has certificates in the configuration needs it

    try:
        octets = binascii.a2b_base64("".join(base64.split()).encode("ascii"))
    except ValueError:
        return False
    if len(octets) < 2 or octets[0] != 0x30:
        return False
    count = octets[1] & 0x7F if octets[1] & 0x80 else 0
    size = int.from_bytes(octets[2 : 2 + count], "big") if count else octets[1]
    return len(octets) == 2 + count + size


_TEXT = Kind("text", _text)
_HOST = Kind("host name or address", _host)
_HOST_OR_NONE = Kind("host name or address", _host_or_none)
_SECRET = Kind("text, or `$`", _secret)
_ADDRESS = Kind("IP address", _address)
_YES_NO = Kind("yes, no", _yes_no)
_NAMES = Kind("names with commas", _names)
_WORDS = Kind("names with commas", _words)
_PATTERN = Kind("regular expression", _pattern)
CERTIFICATES = Kind("PEM, or `$[list]`", _certificates)
_CERTIFICATE_AND_KEY = Kind("PEM, or `$`", _certificate_and_key, "certificate")

TRANSPORT_OPTIONS = (
    Option("transport", _choice("udp", "tls"), "udp", "tls: RADIUS over TLS (RFC 6614), RADIUS/1.1 where offered."),
)
_CONNECT_TIMEOUT = Option(
    "connect_timeout", _seconds(0.1, 280), "3", "Seconds for the TCP connection and the TLS handshake, with tls."
)
SERVER_OPTIONS = (
    Option("server", _HOST, "", "Host name or address of the RADIUS server.", required=True),
    Option("port", _whole(1, 65535), "1812", "Port of the server; with tls by default 2083.", tls_default="2083"),
    Option(
        "secret",
        _SECRET,
        "",
        "Shared secret, the same as on the server; 16 characters or more. With tls by default radsec.",
        required=True,
        tls_default="radsec",
    ),
    Option(
        "auth_type", _choice("pap", "chap", "mschapv2"), "pap", "How the password is sent; NPS often wants mschapv2."
    ),
    Option("conn_timeout", _seconds(0.1, 280), "5", "Seconds; times conn_retries it bounds the wait. For push: 20."),
    Option("conn_retries", _whole(1, 30), "3", "Times conn_timeout: how long one address of the server is waited for."),
    Option(
        "retransmit_after",
        _seconds(0, 280),
        "0.3",
        "Seconds until the request is sent again; then twice that. 0, and tls: once.",
    ),
    Option(
        "require_message_authenticator",
        _YES_NO,
        "yes",
        "no accepts replies that can be forged: an old server's. With tls none can.",
    ),
    Option("source_ip", _ADDRESS, "", "Local address to send from, where SPS has several."),
    Option(
        "status_check",
        _choice("status-server", "none"),
        "status-server",
        "How to tell a slow server from a dead one (RFC 5997), or not.",
    ),
    Option(
        "status_check_after",
        _seconds(0.1, 280),
        "3",
        "Seconds of silence before the server is probed with Status-Server.",
    ),
    _CONNECT_TIMEOUT,
)
TLS_OPTIONS = (
    Option("tls_server_name", _HOST_OR_NONE, "", "Name in the server's certificate, if it is not that in server."),
    Option(
        "ca_certificate",
        CERTIFICATES,
        "",
        "tls needs it: CA of the server's certificate in PEM, further lines indented, or $[SPS's trusted CA list].",
    ),
    Option(
        "client_certificate",
        _CERTIFICATE_AND_KEY,
        "",
        "Certificate and key for servers that ask for one, in PEM, further lines indented, or $.",
    ),
)
NEEDING_TLS = (_CONNECT_TIMEOUT,) + TLS_OPTIONS
NAME_OPTIONS = (
    Option("strip_realm", _YES_NO, "no", "Send the User-Name without @realm."),
    Option("strip_domain", _YES_NO, "no", "Send the User-Name without DOMAIN\\."),
    Option("add_prefix", _TEXT, "", "Put this before the User-Name that is sent, as in DOMAIN\\."),
    Option("add_suffix", _TEXT, "", "Put this after it, as in @example.com."),
)
_OWN_NAME_OPTIONS = tuple(each._replace(help=each.help + " If unset: as in [username].") for each in NAME_OPTIONS)
_ALL_SERVER_OPTIONS = SERVER_OPTIONS + TRANSPORT_OPTIONS + TLS_OPTIONS + _OWN_NAME_OPTIONS
RADIUS_ONLY_OPTIONS = (
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
AUTH_OPTIONS = (
    Option(
        "prompt",
        _TEXT,
        "Press Enter for push notification or type one-time password:",
        "The question for the one-time password.",
    ),
    Option("disable_echo", _YES_NO, "yes", "Hide what the user types; no shows it unless a challenge forbids it."),
    Option(
        "interactive_protocols", _WORDS, "rdp,ssh,telnet", "Protocols in which users can be asked; others use push."
    ),
    Option("push_password", _SECRET, "", "What is sent when the user just presses Enter; Duo's proxy wants push."),
    Option("max_attempts", _whole(1, 100), "3", "How often the server may reject a user before the session ends."),
    Option("max_challenges", _whole(0, 100), "10", "How many Access-Challenges one attempt may have."),
    Option("serialize_user", _YES_NO, "no", "yes: logins of one user wait for each other, one push at a time."),
    Option(
        "bypass_when_unreachable",
        _NAMES,
        "",
        "Break-glass users, by exact name: let on when no server answers, if SPS has authenticated them.",
    ),
)
USERNAME_OPTIONS = (
    Option("prompt", _TEXT, "User name:", "The question for the user name when none is known."),
    Option("disable_echo", _YES_NO, "yes", "Hide the name while it is typed."),
    Option("allow_override", _YES_NO, "no", "Let a user whom SPS knows choose another RADIUS User-Name with ru=."),
)
GROUP_OPTIONS = (
    Option("attribute", _NAMES, "", "Attributes whose values are groups: Filter-Id, Class, 26.<vendor>.<type> ..."),
    Option("pattern", _PATTERN, "", "What of a value is the name, its group 1: OU=([^;]+)"),
    Option("separator", _TEXT, "", "What stands between several groups in one value."),
    Option("unmapped", _choice("keep", "drop"), "keep", "What becomes of groups not in [gateway_groups map]."),
    Option("required_groups", _NAMES, "", "Users who end up in none of these groups are denied."),
)
ACCOUNTING_SERVER_OPTIONS = (
    Option("server", _HOST_OR_NONE, "", "Host name or address; empty: the servers of [radius]."),
    Option("port", _whole(1, 65535), "1813", "UDP port for accounting; with tls it is that of [radius]."),
    Option("secret", _SECRET, "", "Shared secret, if it is not that of [radius]."),
)
ACCOUNTING_OPTIONS = (
    Option("enabled", _YES_NO, "no", "yes: send Start and Stop of each session (RFC 2866)."),
    Option("timeout", _seconds(0.1, 30), "2", "Seconds that it may add to a login at the most."),
)
LOCKOUT_OPTIONS = (
    Option("max_failures", _whole(0, 1000), "0", "Rejects after which a user is locked out here; 0: never."),
    Option("window", _seconds(1, 604800), "600", "Seconds within which they count."),
    Option("duration", _seconds(1, 604800), "900", "Seconds that the lockout lasts."),
    Option(
        "scope", _choice("user", "client", "both"), "user", "What is counted and locked: user name, client address."
    ),
)
MESSAGE_OPTIONS = tuple(
    Option(message.name, _template(*message.placeholders), message.default, message.help)
    for message in reasons.MESSAGES
)

_NO_HTTP = "has no effect: RADIUS does not use HTTP"

SECTIONS: Tuple[Section, ...] = (
    Section("radius", _ALL_SERVER_OPTIONS + RADIUS_ONLY_OPTIONS),
    Section("radius_N", _ALL_SERVER_OPTIONS, first="radius"),
    Section("auth", AUTH_OPTIONS),
    Section("username", USERNAME_OPTIONS + NAME_OPTIONS),
    Section(
        "challenge_answers",
        (),
        open="`pattern = answer`: a challenge whose text the regular expression matches (any case) is answered "
        "without asking, once an attempt. A `=` in the pattern is written `\\x3d`.",
        lines=True,
        example=("1\\) push = 1",),
    ),
    Section("gateway_groups", GROUP_OPTIONS),
    Section(
        "gateway_groups map",
        (),
        open="`radius-name = sps-group`: what SPS calls a group of the server's. A name may have several lines.",
        lines=True,
        example=("ou-admins = admins",),
    ),
    Section(
        "radius_attributes",
        (),
        open="`Name = value`: sent with each request, in place of what is sent by itself; an empty value sends none. "
        "Values may hold {client_ip}, {client_port}, {client_hostname}, {protocol}, {connection_name}, {session_id}, "
        "{username}, {gateway_user}, {server_username}, {server_domain}.",
        lines=True,
        example=("NAS-Identifier = bastion-1", "Cisco-AVPair = shell:user={gateway_user}"),
    ),
    Section(
        "radius_dictionary",
        (),
        open="`Name = 26.<vendor>.<type> <kind>` or `Name = <type> <kind>`: an attribute that the plugin does not "
        "know; kinds: string, octets, integer, ipaddr, ipv6addr ...",
        lines=True,
        example=("Example-Role = 26.32473.1 string",),
    ),
    Section("accounting", ACCOUNTING_OPTIONS + ACCOUNTING_SERVER_OPTIONS),
    Section("accounting_N", ACCOUNTING_SERVER_OPTIONS, first="accounting"),
    Section("lockout", LOCKOUT_OPTIONS),
    Section("messages", MESSAGE_OPTIONS),
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
        example=("alice = alice.smith",),
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
            Option(name, _TEXT, "", "Known from earlier plugins, without effect.", ignored=_NO_HTTP)
            for name in ("enabled", "server", "port", "username", "password")
        ),
        sdk=True,
    ),
)

RENAMED = {
    ("radius", "failover_after"): "status_check_after or connect_timeout",
    ("gateway_groups", "require_any"): "required_groups",
    ("lockout", "by"): "scope",
    ("messages", "server-unproved"): reasons.MUTUAL_AUTH_FAILED,
    ("messages", "user-busy"): reasons.LOGIN_IN_PROGRESS,
    ("messages", "too-many-rounds"): reasons.TOO_MANY_CHALLENGES,
    ("messages", "port-closed"): reasons.CONNECTION_REFUSED,
}
"""(section, option of a preview) -> what it is called now."""

_ALIASES = {"https_proxy": "https-proxy"}
_NUMBERED = r"(radius|accounting|question)_[1-9][0-9]{0,3}\Z"


def declaration(section: str) -> Optional[Section]:
    """Return the declaration of a section of the file by its name, or None."""
    name = _ALIASES.get(section, section)
    if re.match(_NUMBERED, name):
        name = name.split("_")[0] + "_N"
    elif name.endswith("_N"):
        return None
    return next((declared for declared in SECTIONS if declared.name == name), None)
