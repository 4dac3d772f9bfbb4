"""Every option of the configuration, declared once: name, type, default, range, help.

The parser, the checks, the tables of docs/configuration.md and default.cfg read the declarations here; nothing else
knows a default or a range.
"""

import re
from typing import Optional, Tuple

from .. import reasons
from ..namedtuple import NamedTuple
from .value_types import (
    CERTIFICATE_AND_KEY,
    CERTIFICATES,
    HOST,
    LOWER_CASE_NAMES,
    NAMES,
    OPTIONAL_ADDRESS,
    OPTIONAL_HOST,
    OPTIONAL_PATTERN,
    SECRET,
    TEXT,
    YES_NO,
    ValueType,
    choice,
    seconds,
    template,
    whole_number,
)

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


class Option(NamedTuple):
    """One option's whole declaration; `default` is as it would be written in the file, `tls_default` that with tls."""

    name: str
    kind: ValueType
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


TRANSPORT_OPTIONS = (
    Option(
        "transport",
        choice("udp", "tls"),
        "udp",
        "tls: RADIUS over TLS (RFC 6614), RADIUS/1.1 where offered.",
    ),
)
_CONNECT_TIMEOUT = Option(
    "connect_timeout",
    seconds(0.1, 280),
    "3",
    "Seconds for the TCP connection and the TLS handshake, with tls.",
)
SERVER_OPTIONS = (
    Option("server", HOST, "", "Host name or address of the RADIUS server.", required=True),
    Option(
        "port",
        whole_number(1, 65535),
        "1812",
        "Port of the server; with tls by default 2083.",
        tls_default="2083",
    ),
    Option(
        "secret",
        SECRET,
        "",
        "Shared secret, the same as on the server; 16 characters or more. With tls by default radsec.",
        required=True,
        tls_default="radsec",
    ),
    Option(
        "auth_type",
        choice("pap", "chap", "mschapv2"),
        "pap",
        "How the password is sent; NPS often wants mschapv2.",
    ),
    Option(
        "conn_timeout",
        seconds(0.1, 280),
        "5",
        "Seconds; times conn_retries it bounds the wait. For push: 20.",
    ),
    Option(
        "conn_retries",
        whole_number(1, 30),
        "3",
        "Times conn_timeout: how long one address of the server is waited for.",
    ),
    Option(
        "retransmit_after",
        seconds(0, 280),
        "0.3",
        "Seconds until the request is sent again; then twice that. 0, and tls: once.",
    ),
    Option(
        "require_message_authenticator",
        YES_NO,
        "yes",
        "no accepts replies that can be forged: an old server's. With tls none can.",
    ),
    Option("source_ip", OPTIONAL_ADDRESS, "", "Local address to send from, where SPS has several."),
    Option(
        "status_check",
        choice("status-server", "none"),
        "status-server",
        "How to tell a slow server from a dead one (RFC 5997), or not.",
    ),
    Option(
        "status_check_after",
        seconds(0.1, 280),
        "3",
        "Seconds of silence before the server is probed with Status-Server.",
    ),
    _CONNECT_TIMEOUT,
)
TLS_OPTIONS = (
    Option(
        "tls_server_name",
        OPTIONAL_HOST,
        "",
        "Name in the server's certificate, if it is not that in server.",
    ),
    Option(
        "ca_certificate",
        CERTIFICATES,
        "",
        "tls needs it: CA of the server's certificate in PEM, further lines indented, or $[SPS's trusted CA list].",
    ),
    Option(
        "client_certificate",
        CERTIFICATE_AND_KEY,
        "",
        "Certificate and key for servers that ask for one, in PEM, further lines indented, or $.",
    ),
)
NEEDING_TLS = (_CONNECT_TIMEOUT,) + TLS_OPTIONS
NAME_OPTIONS = (
    Option("strip_realm", YES_NO, "no", "Send the User-Name without @realm."),
    Option("strip_domain", YES_NO, "no", "Send the User-Name without DOMAIN\\."),
    Option("add_prefix", TEXT, "", "Put this before the User-Name that is sent, as in DOMAIN\\."),
    Option("add_suffix", TEXT, "", "Put this after it, as in @example.com."),
)
_OWN_NAME_OPTIONS = tuple(each._replace(help=each.help + " If unset: as in [username].") for each in NAME_OPTIONS)
_ALL_SERVER_OPTIONS = SERVER_OPTIONS + TRANSPORT_OPTIONS + TLS_OPTIONS + _OWN_NAME_OPTIONS
RADIUS_ONLY_OPTIONS = (
    Option("total_timeout", seconds(1, 290), "150", "Seconds that the servers together have for one answer."),
    Option(
        "dead_time",
        seconds(0, 86400),
        "120",
        "Seconds for which a server that did not answer is asked last.",
    ),
    Option(
        "dictionary_path",
        TEXT,
        "",
        "Known from earlier plugins, without effect.",
        ignored="has no effect: the dictionary is in the plugin",
    ),
)
AUTH_OPTIONS = (
    Option(
        "prompt",
        TEXT,
        "Press Enter for push notification or type one-time password:",
        "The question for the one-time password.",
    ),
    Option(
        "disable_echo",
        YES_NO,
        "yes",
        "Hide what the user types; no shows it unless a challenge forbids it.",
    ),
    Option(
        "interactive_protocols",
        LOWER_CASE_NAMES,
        "rdp,ssh,telnet",
        "Protocols in which users can be asked; others use push.",
    ),
    Option(
        "push_password",
        SECRET,
        "",
        "What is sent when the user just presses Enter; Duo's proxy wants push.",
    ),
    Option(
        "max_attempts",
        whole_number(1, 100),
        "3",
        "How often the server may reject a user before the session ends.",
    ),
    Option("max_challenges", whole_number(0, 100), "10", "How many Access-Challenges one attempt may have."),
    Option("serialize_user", YES_NO, "no", "yes: logins of one user wait for each other, one push at a time."),
    Option(
        "bypass_when_unreachable",
        NAMES,
        "",
        "Break-glass users, by exact name: let on when no server answers, if SPS has authenticated them.",
    ),
)
USERNAME_OPTIONS = (
    Option("prompt", TEXT, "User name:", "The question for the user name when none is known."),
    Option("disable_echo", YES_NO, "yes", "Hide the name while it is typed."),
    Option(
        "allow_override",
        YES_NO,
        "no",
        "Let a user whom SPS knows choose another RADIUS User-Name with ru=.",
    ),
)
GROUP_OPTIONS = (
    Option(
        "attribute",
        NAMES,
        "",
        "Attributes whose values are groups: Filter-Id, Class, 26.<vendor>.<type> ...",
    ),
    Option("pattern", OPTIONAL_PATTERN, "", "What of a value is the name, its group 1: OU=([^;]+)"),
    Option("separator", TEXT, "", "What stands between several groups in one value."),
    Option("unmapped", choice("keep", "drop"), "keep", "What becomes of groups not in [gateway_groups map]."),
    Option("required_groups", NAMES, "", "Users who end up in none of these groups are denied."),
)
ACCOUNTING_SERVER_OPTIONS = (
    Option("server", OPTIONAL_HOST, "", "Host name or address; empty: the servers of [radius]."),
    Option("port", whole_number(1, 65535), "1813", "UDP port for accounting; with tls it is that of [radius]."),
    Option("secret", SECRET, "", "Shared secret, if it is not that of [radius]."),
)
ACCOUNTING_OPTIONS = (
    Option("enabled", YES_NO, "no", "yes: send Start and Stop of each session (RFC 2866)."),
    Option("timeout", seconds(0.1, 30), "2", "Seconds that it may add to a login at the most."),
)
LOCKOUT_OPTIONS = (
    Option(
        "max_failures",
        whole_number(0, 1000),
        "0",
        "Rejects after which a user is locked out here; 0: never.",
    ),
    Option("window", seconds(1, 604800), "600", "Seconds within which they count."),
    Option("duration", seconds(1, 604800), "900", "Seconds that the lockout lasts."),
    Option(
        "scope",
        choice("user", "client", "both"),
        "user",
        "What is counted and locked: user name, client address.",
    ),
)
MESSAGE_OPTIONS = tuple(
    Option(message.name, template(*message.placeholders), message.default, message.help) for message in reasons.MESSAGES
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
        "Values may hold " + ", ".join("{" + name + "}" for name in PLACEHOLDERS) + ".",
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
        (Option("name", TEXT, "", "The local Credential Store where options set to `$` are looked up."),),
        sdk=True,
    ),
    Section(
        "connection_limit by=client_ip_gateway_user",
        (
            Option(
                "limit",
                whole_number(0, 10**6),
                "0",
                "Sessions one user may have from one address; 0 is no limit.",
            ),
        ),
        sdk=True,
    ),
    Section(
        "authentication_cache",
        (
            Option(
                "soft_timeout",
                seconds(0, 10**9),
                "15",
                "Seconds since the last login that a cached one lasts.",
            ),
            Option("hard_timeout", seconds(0, 10**9), "90", "Seconds that a cached login lasts in all."),
            Option(
                "reuse_limit",
                whole_number(-1, 10**6),
                "0",
                "Times a cached login is used; 0 turns the cache off.",
            ),
            Option("cache_dir", TEXT, "auth_cache", "Folder of the cache below the plugin's state directory."),
        ),
        sdk=True,
    ),
    Section(
        "whitelist source=user_list",
        (Option("name", TEXT, "", "User List policy of those who need no RADIUS login."),),
        sdk=True,
    ),
    Section(
        "whitelist source=ldap_server_group",
        (
            Option(
                "allow",
                choice("no_user", "all_users"),
                "",
                "Who needs no RADIUS login: none, or all, but ...",
            ),
            Option("except", TEXT, "", "... the members of these LDAP groups."),
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
        (Option("user_attribute", TEXT, "", "LDAP attribute that holds the RADIUS User-Name."),),
        sdk=True,
    ),
    Section(
        "username_transform",
        (Option("append_domain", TEXT, "", "Put `@` and this after the RADIUS User-Name."),),
        sdk=True,
    ),
    Section(
        "ldap_server",
        (Option("name", TEXT, "", "LDAP Server policy for the two `ldap_server` sections."),),
        True,
    ),
    Section(
        "ignore_upn_suffix_for_rdp",
        (
            Option(
                "ignore",
                choice("true", "false"),
                "true",
                "Drop `@domain` of RDP server user names (SDK 1.8+).",
            ),
        ),
        sdk=True,
    ),
    Section(
        "question_N",
        (
            Option(
                "prompt",
                TEXT,
                "",
                "Something else to ask after a successful login, such as a ticket number.",
            ),
            Option("key", TEXT, "", "Name under which other plugins find the answer in the session cookie."),
            Option("disable_echo", YES_NO, "yes", "Hide the answer."),
        ),
        sdk=True,
    ),
    Section(
        "logging",
        (
            Option(
                "log_level",
                choice("debug", "info", "warning", "error", "critical"),
                "info",
                "How much goes to syslog.",
            ),
            Option("destination", choice("stderr", "messages"), "stderr", "Where the log goes."),
        ),
        sdk=True,
    ),
    Section(
        "https-proxy",
        tuple(
            Option(name, TEXT, "", "Known from earlier plugins, without effect.", ignored=_NO_HTTP)
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
