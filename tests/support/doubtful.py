"""Configurations as people write them, and what `check` says about them beside the line and the column."""

from typing import Dict, List, Tuple

LEAST = "[radius]\nserver=127.0.0.1\nsecret=sixteen octets!!\n"
QUOTES = "is in quotes, which are part of the value"
DOLLAR = "is `$`, which is not looked up in the Credential Store in this section"
COMMENT = "seems to end in a comment, which is part of the value"
NO_BACKSLASH = "has no separator at its end, such as the backslash after a domain"
NO_AT_SIGN = "has no separator at its beginning, such as the `@` before a realm"
DN_SPLIT = "contains a distinguished name, whose commas separate names"
UNMAPPED = "with unmapped=drop, no line of [gateway_groups map] makes "
GROUPS = "[gateway_groups]\nattribute=Class\n"
EXCEPT = "[whitelist source=ldap_server_group]\nallow=no_user\nexcept={}\n[ldap_server]\nname=directory\n"


def secret(text: str) -> str:
    """Return the least configuration with this secret."""
    return LEAST.replace("sixteen octets!!", text)


DOUBTFUL: Dict[str, Tuple[str, List[str]]] = {
    "quoted-secret": (secret('"sixteen octets!!"'), [f"3:8: warning: [radius] secret: {QUOTES}"]),
    "single-quotes": (secret("'sixteen octets!!'"), [f"3:8: warning: [radius] secret: {QUOTES}"]),
    "quoted-separator": (LEAST + GROUPS + 'separator=","\n', [f"6:11: warning: [gateway_groups] separator: {QUOTES}"]),
    "quoted-suffix": (
        LEAST + '[username]\nadd_suffix = "@x"\n',
        [f"5:14: warning: [username] add_suffix: {QUOTES}"],
    ),
    "quoted-pattern": (
        LEAST + GROUPS + 'pattern="OU=(.*)"\n',
        [f"6:9: warning: [gateway_groups] pattern: {QUOTES}"],
    ),
    "quoted-message": (LEAST + '[messages]\nretry="No."\n', [f"5:7: warning: [messages] retry: {QUOTES}"]),
    "quoted-prompt": (
        LEAST + '[question_1]\nprompt="Ticket: "\nkey=t\n',
        [f"5:8: warning: [question_1] prompt: {QUOTES}"],
    ),
    "quoted-store": (
        LEAST + '[credential_store]\nname="store"\n',
        [f"5:6: warning: [credential_store] name: {QUOTES}"],
    ),
    "quoted-answer": (
        LEAST + '[challenge_answers]\n  Choose = "1"\n',
        [f"5:12: warning: [challenge_answers]: {QUOTES}"],
    ),
    "quoted-map": (
        LEAST + GROUPS + '[gateway_groups map]\n"CN=a,DC=b" = admins\n',
        [f"7:1: warning: [gateway_groups map]: {QUOTES}"],
    ),
    "quoted-attribute": (
        LEAST + "[radius_attributes]\nClass='a'\n",
        [f"5:7: warning: [radius_attributes]: {QUOTES}"],
    ),
    "quoted-user": (
        LEAST + '[usermapping source=explicit]\nalice="alice.smith"\n',
        [f"5:7: warning: [usermapping source=explicit] alice: {QUOTES}"],
    ),
    "quoted-list": (LEAST + GROUPS + 'required_groups="vpn admins", "CN=vpn,OU=x", ops\n', []),
    "single-quoted-list": (
        LEAST + GROUPS + "required_groups='vpn admins'\n",
        [f"6:17: warning: [gateway_groups] required_groups: {QUOTES}"],
    ),
    "white-space": (LEAST + '[auth]\nprompt="Code: "\npush_password=" push "\n', []),
    "commented-secret": (secret("sixteen octets!! ; the secret"), [f"3:25: warning: [radius] secret: {COMMENT}"]),
    "commented-answer": (
        LEAST + "[challenge_answers]\nChoose = 1 ; push\n",
        [f"5:12: warning: [challenge_answers]: {COMMENT}"],
    ),
    "commented-prompt": (
        LEAST + "[auth]\nprompt=Échec ; code #1\n[username]\nprompt=Name: # ask\n",
        [f"7:14: warning: [username] prompt: {COMMENT}"],
    ),
    "commented-server": (
        LEAST.replace("127.0.0.1", "127.0.0.1 ; primary"),
        ["2: error: [radius] server: expected a host name or an address; a comment needs a line of its own"],
    ),
    "commented-switch": (
        LEAST + "[auth]\ndisable_echo=yes ; hide\n",
        ["5: error: [auth] disable_echo: expected yes or no; a comment needs a line of its own"],
    ),
    "invisible-in-secret": (
        secret("sixteen octets!!\u200b") + "[auth]\npush_password=push\ufeff!\n",
        [
            "3:24: warning: [radius] secret: contains the invisible character U+200B",
            "5:19: warning: [auth] push_password: contains the invisible character U+FEFF",
        ],
    ),
    "invisible-in-name": (
        LEAST + "[credential_store]\nname=my\xa0store\n[username]\nadd_suffix=@example.com\u200b\n",
        [
            "5:8: warning: [credential_store] name: contains the invisible character U+00A0",
            "7:24: warning: [username] add_suffix: contains the invisible character U+200B",
        ],
    ),
    "no-separator": (
        LEAST + "[username]\nadd_prefix=CORP\nadd_suffix=example.com\n[radius_2]\nserver=b\n"
        "add_prefix={gateway_domain}\n",
        [
            f"5:15: warning: [username] add_prefix: {NO_BACKSLASH}",
            f"6:12: warning: [username] add_suffix: {NO_AT_SIGN}",
            f"9:27: warning: [radius_2] add_prefix: {NO_BACKSLASH}",
        ],
    ),
    "two-backslashes": (
        LEAST + "[username]\nadd_prefix=CORP\\\\\n",
        ["5:16: warning: [username] add_prefix: contains two backslashes, and both are sent"],
    ),
    "separators": (LEAST + "[username]\nadd_prefix=CORP\\\nadd_suffix=@example.com\n", []),
    "at-sign": (
        LEAST + "[username_transform]\nappend_domain=@example.com\n",
        ["5:15: warning: [username_transform] append_domain: begins with `@`, and the SDK adds another"],
    ),
    "semicolons": (
        LEAST + GROUPS + "required_groups=admins;ops\n" + EXCEPT.format("admins;ops"),
        [
            "6:23: warning: [gateway_groups] required_groups: contains a semicolon, which does not separate names",
            "9:14: warning: [whitelist source=ldap_server_group] except: contains a semicolon, which does not separate "
            "names",
        ],
    ),
    "distinguished-names": (
        LEAST + GROUPS + "required_groups=CN=vpn,OU=x\n" + EXCEPT.format("ops, CN=vpn,OU=x"),
        [
            f"6:23: warning: [gateway_groups] required_groups: {DN_SPLIT}",
            f"9:19: warning: [whitelist source=ldap_server_group] except: {DN_SPLIT}",
        ],
    ),
    "unmapped": (
        LEAST + GROUPS + "unmapped=drop\nrequired_groups=a, b\n[gateway_groups map]\nx=a\n",
        [f"7: warning: [gateway_groups] required_groups: {UNMAPPED}1 of these 2 groups"],
    ),
    "unmapped-all": (
        LEAST + GROUPS + "unmapped=drop\nrequired_groups=a\n",
        [f"7: warning: [gateway_groups] required_groups: {UNMAPPED}any of these groups"],
    ),
    "kept": (LEAST + GROUPS + "required_groups=a\n[gateway_groups map]\nx=b\n", []),
    "vendors-limits": (
        LEAST + "conn_retries=50\nconn_timeout=1\n[radius_2]\nserver=b\nconn_retries=1\nconn_timeout=600\n",
        [
            "4:14: warning: [radius] conn_retries: is above the maximum; the plugin uses 30",
            "5: warning: [radius] conn_timeout: the servers' timeouts add up to 310 s; SPS stops a plugin after 300 s",
            "9:14: warning: [radius_2] conn_timeout: is above the maximum; the plugin uses 280",
        ],
    ),
    "suffix": (
        LEAST + "[ignore_upn_suffix_for_rdp]\nignore=no\n",
        ["5:8: warning: [ignore_upn_suffix_for_rdp] ignore: is not `true`: the suffix stays"],
    ),
    "placeholders": (
        "[radius]\nserver=<radius-server-ip-or-hostname>\nsecret=<$-or-shared-secret-with-radius-server>\n",
        [
            "2: error: [radius] server: is a placeholder; replace it with a value",
            "3: error: [radius] secret: is a placeholder; replace it with a value",
        ],
    ),
    "protocols": (
        LEAST + "[auth]\ninteractive_protocols=ssh;rdp\n",
        ["5: error: [auth] interactive_protocols: expected names of protocols, separated by commas"],
    ),
    "vendors-headers": (
        LEAST + "[whitelist source=user_list]\n; name=\n[radius_2]\n[accounting_2]\n[question_1]\n; prompt=\n",
        [],
    ),
    "further-servers": (
        LEAST
        + "".join(
            f"[{name}]\nserver=b\n" for name in ("radius2", "radius-2", "radius_backup", "radius 02", "accounting-2")
        ),
        [
            f"{line}: warning: [{name}]: unknown section; a further server goes into [{place}]"
            for line, name, place in (
                (4, "radius2", "radius_2"),
                (6, "radius-2", "radius_2"),
                (8, "radius_backup", "radius_2"),
                (10, "radius 02", "radius_2"),
                (12, "accounting-2", "accounting_2"),
            )
        ],
    ),
    "second-radius": (
        LEAST + "[radius]\nserver=b\n",
        [
            "1: error: [radius]: given twice, again in line 4; a further server goes into [radius_2]",
            "2: error: [radius] server: given twice, again in line 5",
        ],
    ),
    "typographic-quotes": (
        LEAST + "[auth]\nprompt=“Token:”\n" + GROUPS + "required_groups=„admins“\n",
        [
            f"5:8: warning: [auth] prompt: {QUOTES}",
            f"8:17: warning: [gateway_groups] required_groups: {QUOTES}",
        ],
    ),
    "literal-dollar": (
        LEAST + "[challenge_answers]\nPIN = $\n[radius_attributes]\nClass = $\n",
        [f"5:7: warning: [challenge_answers]: {DOLLAR}", f"7:9: warning: [radius_attributes]: {DOLLAR}"],
    ),
    "option-among-groups": (
        LEAST + GROUPS + "[gateway_groups map]\nou=admins\nrequired_groups=admins\n",
        ["8: error: [gateway_groups map]: is an option of [gateway_groups]; move it there"],
    ),
    "option-among-answers": (
        LEAST + "[challenge_answers]\nprompt = 1\nmax_attempts=1\n",
        ["6: warning: [challenge_answers]: is an option of [auth]; move it there"],
    ),
    "switches-elsewhere": (
        LEAST + "required_groups=admins\n[auth]\nmax_failures=3\n",
        [
            "4: error: [radius] required_groups: unknown option; it belongs in [gateway_groups]",
            "6: error: [auth] max_failures: unknown option; it belongs in [lockout]",
        ],
    ),
    "switches-for-no-section": (
        LEAST + "[DEFAULT]\nrequired_groups=admins\nmax_failures=3\n[lockout]\n",
        ["5: error: [DEFAULT] required_groups: has no effect without [gateway_groups]"],
    ),
    "invisible-in-option": (
        LEAST + GROUPS + "\u200brequired_groups=admins\n",
        [
            "6: error: [gateway_groups] required_groups: unknown option; it contains the invisible character U+200B",
        ],
    ),
    "everybody-but-a-wrong-name": (
        LEAST + EXCEPT.replace("no_user", "ALL_users").format("admins;ops"),
        [
            "6:14: error: [whitelist source=ldap_server_group] except: contains a semicolon, which does not separate "
            "names",
        ],
    ),
    "everybody-but-a-quoted-name": (
        LEAST + EXCEPT.replace("no_user", "all_users").format('"admins"'),
        [f"6:8: error: [whitelist source=ldap_server_group] except: {QUOTES}"],
    ),
    "everybody-but-nobody": (
        LEAST + EXCEPT.replace("no_user", "all_users").format(", ,"),
        ["6: error: [whitelist source=ldap_server_group] except: is empty: it lists the LDAP groups"],
    ),
    "stored-prompt": (
        LEAST + "[credential_store]\nname=store\n[question_1]\nprompt=$\nkey=a\n",
        ["7: error: [question_1] prompt: cannot come from the Credential Store; write $$ for a dollar sign"],
    ),
    "wrong-allow": (
        LEAST + EXCEPT.replace("no_user", "everybody").format("admins"),
        ["5: error: [whitelist source=ldap_server_group] allow: expected one of no_user, all_users"],
    ),
    "taken-key": (
        LEAST + "[question_1]\nprompt=x\nkey=typed_username\n",
        [
            "6: error: [question_1] key: is reserved for the answer to a prompt; choose another key",
        ],
    ),
    "whitelist": (
        LEAST + "[whitelist source=ldap_server_group]\nallow=all_users\n[ldap_server]\nname=directory\n",
        ["4: warning: [whitelist source=ldap_server_group]: has no effect without except"],
    ),
}
"""Name -> text, and the findings of `check`, without its notes."""
