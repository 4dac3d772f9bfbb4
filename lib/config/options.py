"""Every option of the configuration, declared once: name, type, default, help.

The parser, the checks, the tables of docs/configuration.md and default.cfg are made from these declarations; nothing
else knows a default or a range.
"""

import re
from typing import Optional, Sequence, Tuple

from .. import log_lines, reasons
from .option import Option, Section
from .sdk_options import SDK_SECTIONS
from .value_types import (
    CERTIFICATE_AND_KEY,
    CERTIFICATES,
    ENCODING,
    HOST,
    IDENTITY,
    NAMES,
    OPTIONAL_ADDRESS,
    OPTIONAL_HOST,
    OPTIONAL_PATTERN,
    PROTOCOLS,
    SECRET,
    TEXT,
    YES_NO,
    choice,
    seconds,
    template,
    whole_number,
)

TRANSPORT_OPTIONS = (
    Option(
        "transport", choice("udp", "tls"), "udp", "Transport: udp, or tls for RADIUS over TLS (RFC 6614, RFC 9765)."
    ),
)
TUNNELED = ("ttls-pap", "ttls-mschapv2", "peap-mschapv2")
"""The values of auth_type that run in a TLS tunnel."""
_CONNECT_TIMEOUT = Option(
    "connect_timeout", seconds(0.1, 280), "3", "Seconds for the TCP connection and the TLS handshake, with tls."
)
SERVER_OPTIONS = (
    Option("server", HOST, "", "Host name or address of the RADIUS server.", required=True),
    Option(
        "port", whole_number(1, 65535), "1812", "Port of the server. The default with tls is 2083.", tls_default="2083"
    ),
    Option(
        "secret",
        SECRET,
        "",
        "Shared secret, the same as on the server, 16 characters or more. The default with tls is radsec.",
        required=True,
        tls_default="radsec",
    ),
    Option(
        "auth_type",
        choice("pap", "chap", "mschapv2", *TUNNELED),
        "pap",
        f"Password protocol, or one inside a TLS tunnel (EAP): {', '.join(TUNNELED)}. "
        "Codes usually need pap or ttls-pap.",
    ),
    Option(
        "conn_timeout",
        seconds(0.1, 280, is_capped=True),
        "5",
        "Seconds per try; multiplied by conn_retries, the longest wait for one address. Use 25 for push.",
    ),
    Option(
        "conn_retries",
        whole_number(1, 30, is_capped=True),
        "3",
        "Multiplier for conn_timeout; does not limit transmissions.",
    ),
    Option(
        "retransmit_after",
        seconds(0, 280),
        "2",
        "Seconds before the first retransmission; doubles each time. 0 disables retransmission. No effect with tls.",
    ),
    Option(
        "require_message_authenticator",
        YES_NO,
        "yes",
        "Discard unsigned replies. Set to no only for servers that cannot sign; replies can then be forged.",
    ),
    Option("source_ip", OPTIONAL_ADDRESS, "", "IP address to send from, if SPS has several."),
    Option(
        "status_check",
        choice("status-server", "none"),
        "status-server",
        "Probe a silent server with Status-Server (RFC 5997). Set to none for servers that do not answer it.",
    ),
    Option(
        "status_check_after",
        seconds(0.1, 280),
        "3",
        "Seconds of silence before the server is probed with Status-Server.",
    ),
    Option(
        "status_check_timeout",
        seconds(0.1, 280),
        "3",
        "Seconds without a reply to Status-Server before failover, if the server usually answers it.",
    ),
    _CONNECT_TIMEOUT,
)
TLS_OPTIONS = (
    Option(
        "tls_server_name",
        OPTIONAL_HOST,
        "",
        "Name in the server's certificate, if it differs from server. Required with a tunnel if server is an address.",
    ),
    Option(
        "ca_certificate",
        CERTIFICATES,
        "",
        "CA of the server's certificate, required with tls or a tunnel: PEM, or $[trusted CA list].",
    ),
    Option(
        "client_certificate",
        CERTIFICATE_AND_KEY,
        "",
        "Client certificate and its private key, if the server requires one: PEM, or $.",
    ),
)
TUNNEL_OPTIONS = (
    Option("anonymous_identity", IDENTITY, "anonymous", "User name outside the tunnel. The user's @realm is added."),
    Option(
        "require_tunnel_keys",
        YES_NO,
        "yes",
        "Require the keys of the tunnel in the Access-Accept. Set to no only if a proxy removes them; forgeries are "
        "then possible.",
    ),
)
NEEDS: Sequence[Tuple[str, Tuple[Option, ...]]] = (
    ("transport=tls", (_CONNECT_TIMEOUT,)),
    ("transport=tls or a tunneled auth_type", TLS_OPTIONS),
    ("a tunneled auth_type", TUNNEL_OPTIONS),
)
"""What options have no effect without."""

DOMAINS = ("gateway_domain", "server_domain")
"""Names that add_prefix and add_suffix may contain in braces."""

_AFFIX = template(*DOMAINS)
NAME_OPTIONS = (
    Option("strip_realm", YES_NO, "no", "Remove @realm from the User-Name."),
    Option("strip_domain", YES_NO, "no", "Remove DOMAIN\\ from the User-Name."),
    Option("add_prefix", _AFFIX, "", "Text to put before the User-Name, such as DOMAIN\\ or {gateway_domain}\\."),
    Option("add_suffix", _AFFIX, "", "Text to put after the User-Name, such as @example.com."),
)
_OWN_NAME_OPTIONS = tuple(each._replace(help=each.help + " If not set, [username] applies.") for each in NAME_OPTIONS)
_ALL_SERVER_OPTIONS = SERVER_OPTIONS + TRANSPORT_OPTIONS + TLS_OPTIONS + TUNNEL_OPTIONS + _OWN_NAME_OPTIONS
RADIUS_ONLY_OPTIONS = (
    Option("total_timeout", seconds(1, 290), "150", "Seconds to wait for all servers together, per user input."),
    Option("dead_time", seconds(0, 86400), "120", "Seconds an unresponsive server stays at the end of the list."),
    Option(
        "dictionary_path",
        TEXT,
        "",
        "Option of other plugins, ignored.",
        ignored=log_lines.DICTIONARY_WITHOUT_EFFECT.text,
    ),
)
AUTH_OPTIONS = (
    Option(
        "prompt",
        TEXT,
        "Type a code, or press Enter for push, then approve it on your device:",
        "Prompt for the one-time password.",
    ),
    Option("disable_echo", YES_NO, "yes", "Hide what the user types, unless the server says otherwise in a challenge."),
    Option(
        "interactive_protocols",
        PROTOCOLS,
        "rdp,ssh,telnet",
        "Protocols with a password prompt. In others, the plugin uses the code in the login name, or push.",
    ),
    Option(
        "push_password", SECRET, "", "Password to send when the user only presses Enter. Set to push for Duo's proxy."
    ),
    Option("max_attempts", whole_number(1, 100), "3", "Rejected attempts after which the session ends."),
    Option("max_challenges", whole_number(0, 100), "10", "Access-Challenges allowed per attempt."),
    Option(
        "show_reject_reason",
        YES_NO,
        "yes",
        "Show users the server's reason for a reject (Reply-Message). Set to no if it reveals account names.",
    ),
    Option(
        "serialize_user",
        YES_NO,
        "no",
        "Process the logins of one user one at a time (three may wait), so that only one push is pending.",
    ),
)
HIDDEN_NAME_PROMPT, NAME_PROMPT = "User name (typing is hidden):", "User name:"
USERNAME_OPTIONS = (
    Option("prompt", TEXT, HIDDEN_NAME_PROMPT, "Prompt for the user name if none is known."),
    Option("disable_echo", YES_NO, "yes", "Hide the user name while it is typed."),
    Option(
        "allow_override",
        YES_NO,
        "no",
        "Allow users authenticated by SPS to set another RADIUS User-Name with ru= in the login name.",
    ),
)
GROUP_OPTIONS = (
    Option("attribute", NAMES, "", "Attributes that contain group names: Filter-Id, Class, 26.<vendor>.<type>, ..."),
    Option(
        "encoding", ENCODING, "utf-8", "Encoding of the names. NPS may use a Windows code page: cp1252, cp1250, ..."
    ),
    Option(
        "pattern",
        OPTIONAL_PATTERN,
        "",
        "Regular expression that extracts the group name (capture group 1), such as OU=([^;]+).",
    ),
    Option("separator", TEXT, "", "Separator between several groups in one value."),
    Option("unmapped", choice("keep", "drop"), "keep", "Keep or drop groups that [gateway_groups map] does not list."),
    Option("required_groups", NAMES, "", "Groups of which the user must have at least one to log in."),
)
ACCOUNTING_SERVER_OPTIONS = (
    Option("server", OPTIONAL_HOST, "", "Name or address of the accounting server. If not set, all [radius] servers."),
    Option("port", whole_number(1, 65535), "1813", "UDP port for accounting. With tls the port of [radius] is used."),
    Option("secret", SECRET, "", "Shared secret, if it differs from that of [radius]."),
)
ACCOUNTING_OPTIONS = (
    Option("enabled", YES_NO, "no", "Send accounting records, Start and Stop, for each session (RFC 2866)."),
    Option("timeout", seconds(0.1, 30), "2", "Seconds that accounting may add to a login."),
)
LOCKOUT_OPTIONS = (
    Option("max_failures", whole_number(0, 1000), "0", "Failures before a user is locked out. 0 disables the lockout."),
    Option("window", seconds(1, 604800), "600", "Seconds within which failures are counted."),
    Option("duration", seconds(1, 604800), "900", "Seconds that a lockout lasts."),
    Option(
        "scope", choice("user", "client", "both"), "user", "Count failures by user, by address, or by both separately."
    ),
)
MESSAGE_OPTIONS = tuple(
    Option(message.name, template(*message.placeholders), message.default, message.help) for message in reasons.MESSAGES
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
    "gateway_domain",
    "server_username",
    "server_domain",
)
"""Names that values in [radius_attributes] may contain in braces."""

SECTIONS: Tuple[Section, ...] = (
    Section("radius", _ALL_SERVER_OPTIONS + RADIUS_ONLY_OPTIONS),
    Section("radius_N", _ALL_SERVER_OPTIONS, first="radius"),
    Section("auth", AUTH_OPTIONS),
    Section("username", USERNAME_OPTIONS + NAME_OPTIONS),
    Section(
        "challenge_answers",
        (),
        open="`pattern = answer`: answer a challenge that matches the regular expression, without asking the user. "
        "Once per attempt; case does not matter. The pattern ends at the first ` = `, or without one at the first `=`.",
        lines=True,
        example=("1\\) push = 1",),
    ),
    Section("gateway_groups", GROUP_OPTIONS),
    Section(
        "gateway_groups map",
        (),
        open="`radius-name = sps-group`: rename a group that the server sends. A name may have several lines.",
        lines=True,
        example=("ou-admins = admins",),
    ),
    Section(
        "radius_attributes",
        (),
        open="`Name = value`: attribute to send with each request, instead of the plugin's own if it has one. An "
        "empty value sends none. A value that does not fit the session denies the login, unless the name ends in `?`. "
        "Values may contain {}.".format(", ".join("{" + name + "}" for name in PLACEHOLDERS)),
        lines=True,
        example=("NAS-Identifier = bastion-1", "Cisco-AVPair? = target={server_username}"),
    ),
    Section(
        "radius_dictionary",
        (),
        open="`Name = 26.<vendor>.<type> <kind>` or `Name = <type> <kind>`: define an attribute that the plugin does "
        "not know. Kinds: string, octets, integer, ipaddr, ipv6addr, ...",
        lines=True,
        example=("Example-Role = 26.32473.1 string",),
    ),
    Section("accounting", ACCOUNTING_OPTIONS + ACCOUNTING_SERVER_OPTIONS),
    Section("accounting_N", ACCOUNTING_SERVER_OPTIONS, first="accounting"),
    Section("lockout", LOCKOUT_OPTIONS),
    Section(
        "recovery_codes",
        (),
        open="`name = hash`, as the command `recovery-codes` prints it: a code that admits this user once if no server "
        "responds. `name = $`: the Credential Store has the hashes. At most 20 codes for a user.",
        lines=True,
        example=("alice = pbkdf2-sha256:10000:SALT:HASH", "bob = $"),
    ),
    Section("messages", MESSAGE_OPTIONS),
    *SDK_SECTIONS,
)

_BY_NAME = {section.name: section for section in SECTIONS}
_ALIASES = {"https_proxy": "https-proxy"}
_NUMBERED = r"(radius|accounting|question)_[1-9][0-9]{0,3}\Z"


def declaration(section: str) -> Optional[Section]:
    """Return the declaration of a section with this name in the file, or None."""
    name = _ALIASES.get(section, section)
    if re.match(_NUMBERED, name):
        name = name.split("_")[0] + "_N"
    elif name.endswith("_N"):
        return None
    return _BY_NAME.get(name)
