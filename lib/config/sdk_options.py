"""The sections that the SDK reads, which the plugin checks and documents."""

from typing import Tuple

from .option import Option, Section
from .value_types import SUFFIX_SWITCH, TEXT, YES_NO, choice, seconds, whole_number

_NO_HTTP = "has no effect: RADIUS does not use HTTP"

SDK_SECTIONS: Tuple[Section, ...] = (
    Section(
        "credential_store", (Option("name", TEXT, "", "Local Credential Store for options set to `$`."),), sdk=True
    ),
    Section(
        "connection_limit by=client_ip_gateway_user",
        (Option("limit", whole_number(0, 10**6), "0", "Sessions per user and client address. 0 means no limit."),),
        sdk=True,
    ),
    Section(
        "authentication_cache",
        (
            Option("soft_timeout", seconds(0, 10**9), "15", "Seconds that a login stays cached after its last use."),
            Option("hard_timeout", seconds(0, 10**9), "90", "Seconds that a login stays cached at most."),
            Option("reuse_limit", whole_number(-1, 10**6), "0", "Uses of a cached login. 0: no cache. -1: no limit."),
            Option("cache_dir", TEXT, "auth_cache", "Directory of the cache in the plugin's state directory."),
        ),
        sdk=True,
    ),
    Section(
        "whitelist source=user_list",
        (Option("name", TEXT, "", "User List policy of users who need no RADIUS login."),),
        sdk=True,
    ),
    Section(
        "whitelist source=ldap_server_group",
        (
            Option(
                "allow",
                choice("no_user", "all_users"),
                "",
                "Who needs no RADIUS login: no_user or all_users. Members of except are treated the opposite way.",
            ),
            Option("except", TEXT, "", "Comma-separated LDAP groups, the exceptions to allow."),
        ),
        sdk=True,
    ),
    Section(
        "usermapping source=explicit",
        (),
        sdk=True,
        open="`user = RADIUS name`: User-Name to send for this gateway user. Write the user in lower case.",
        example=("alice = alice.smith",),
    ),
    Section(
        "usermapping source=ldap_server",
        (Option("user_attribute", TEXT, "", "LDAP attribute that contains the RADIUS User-Name."),),
        sdk=True,
    ),
    Section(
        "username_transform",
        (Option("append_domain", TEXT, "", "Domain to append to the RADIUS User-Name after `@`."),),
        sdk=True,
    ),
    Section(
        "ldap_server", (Option("name", TEXT, "", "LDAP Server policy for the LDAP whitelist and mapping."),), sdk=True
    ),
    Section(
        "ignore_upn_suffix_for_rdp",
        (
            Option(
                "ignore",
                SUFFIX_SWITCH,
                "true",
                "Remove `@domain` from server user names in RDP (SDK 1.8+).",
            ),
        ),
        sdk=True,
    ),
    Section(
        "question_N",
        (
            Option("prompt", TEXT, "", "Additional question after a successful login, such as a ticket number."),
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
                "Lowest severity that is logged.",
            ),
            Option("destination", choice("stderr", "messages"), "stderr", "Log destination. messages: syslog."),
        ),
        sdk=True,
    ),
    Section(
        "https-proxy",
        tuple(
            Option(name, TEXT, "", "Option of other plugins, ignored.", ignored=_NO_HTTP)
            for name in ("enabled", "server", "port", "username", "password")
        ),
        sdk=True,
    ),
)
