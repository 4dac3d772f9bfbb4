"""What people configure and type, and what becomes of it with this plugin and with the vendor's.

The outcomes of the vendor's plugin were observed with version 3.0.1 on SDK 1.9.1; no test runs it. Where this plugin
differs, the row names the line of docs/moving.md that says so.
"""

from typing import NamedTuple, Optional, Tuple

from tests.support.misbehaving import ACCEPT, CHALLENGE, REJECT, REPLY_MESSAGE, STATE
from tests.support.parity import NO_OCTETS, WRONG, Outcome, Reply, Situation

ECHO, FILTER_ID = 76, 11
ACCEPTED, REJECTED = Reply(ACCEPT), Reply(REJECT)
TOKEN = ((STATE, b"state"), (REPLY_MESSAGE, b"Token?"))
CHALLENGED = Reply(CHALLENGE, TOKEN)
QUESTION = "[question_1]\nprompt=Ticket:\nkey=ticket\ndisable_echo=no\n"
DOMAIN = "[username_transform]\nappend_domain=example.com\n"
LDAP_WHITELIST = "[ldap_server]\nname=dir\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=admins\n"
NO_USER = {"user_lists": {"list": {"allow": "no_user", "except": ["alice"]}}}
ALL_USERS = {"user_lists": {"list": {"allow": "all_users", "except": ["alice"]}}}
DIRECTORY = {"ldap_servers": {"dir": {"users": {"alice": {"mail": "alice@mail"}}, "groups": {"admins": ["alice"]}}}}
SECTIONS = "".join(
    f"[{name}]\n"
    for name in (
        "connection_limit by=client_ip_gateway_user",
        "authentication_cache",
        "whitelist source=user_list",
        "whitelist source=ldap_server_group",
        "usermapping source=explicit",
        "usermapping source=ldap_server",
        "username_transform",
        "ldap_server",
        "credential_store",
        "logging",
        "https_proxy",
        "question_1",
    )
)
PROMPT = "Type a code, or press Enter for push, then approve it on your device:"


class Row(NamedTuple):
    """A situation, and what becomes of it.

    `vendors` is None if the outcome is the same, else `moving` is the beginning of a line in docs/moving.md, without
    the bar of a table. `code` is that of this plugin's DENY. Older SDKs than `sdk` do something else.
    """

    name: str
    situation: Situation
    ours: Outcome
    vendors: Optional[Outcome] = None
    moving: str = ""
    code: str = ""
    sdk: Tuple[int, int] = (1, 5)


ROWS = (
    Row(
        "the gateway user",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "the server's user, without gateway authentication",
        Situation((ACCEPTED,), ("1",), arguments={"server_username": "alice"}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "gateway user before server user",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "server_username": "root"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "gu in the login name",
        Situation((ACCEPTED,), ("1",), arguments={"server_username": "root", "key_value_pairs": {"gu": "alice"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "username of RDP without a server user",
        Situation((ACCEPTED,), ("1",), arguments={"protocol": "rdp", "key_value_pairs": {"username": "alice"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "ru alone",
        Situation((ACCEPTED,), ("1",), arguments={"key_value_pairs": {"ru": "alice"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "radius_username alone",
        Situation((ACCEPTED,), ("1",), arguments={"key_value_pairs": {"radius_username": "alice"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "radius_username before ru",
        Situation((ACCEPTED,), ("1",), arguments={"key_value_pairs": {"radius_username": "alice", "ru": "bob"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "ru before the server user",
        Situation((ACCEPTED,), ("1",), arguments={"server_username": "root", "key_value_pairs": {"ru": "alice"}}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "ru beside a gateway user",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "key_value_pairs": {"ru": "bob"}}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", user="bob", groups=(), questions=(PROMPT,), requests=("bob 1",)),
        moving="`ru=` if SPS has authenticated the user",
    ),
    Row(
        "ru beside a gateway user, with allow_override",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice", "key_value_pairs": {"ru": "bob"}},
            sections="[username]\nallow_override=yes\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob 1",)),
        Outcome("ACCEPT", user="bob", groups=(), questions=(PROMPT,), requests=("bob 1",)),
        moving="`ru=` if SPS has authenticated the user",
    ),
    Row(
        "ru beside gu, nobody authenticated",
        Situation((ACCEPTED,), ("1",), arguments={"key_value_pairs": {"gu": "bob", "ru": "alice"}}),
        Outcome("ACCEPT", user="bob", groups=(), questions=(PROMPT,), requests=("bob 1",)),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
        moving="`gu=` together with `ru=` if SPS has not authenticated the user",
    ),
    Row(
        "no name at all",
        Situation((ACCEPTED,), ("alice", "1")),
        Outcome(
            "ACCEPT",
            user="alice",
            groups=(),
            questions=("User name (typing is hidden):***", PROMPT),
            requests=("alice 1",),
        ),
        Outcome("DENY"),
        moving="No user name",
    ),
    Row(
        "no name in a protocol without questions",
        Situation((ACCEPTED,), arguments={"protocol": "http"}),
        Outcome("DENY"),
        code="no-username",
    ),
    Row(
        "name with a path separator",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "a/b"}),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("a/b 1",)),
        moving="User names with `/`, control characters, invisible characters, or white space at either end",
        code="bad-username",
    ),
    Row(
        "name with a line feed",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "ali\nce"}),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("ali\nce 1",)),
        moving="User names with `/`, control characters, invisible characters, or white space at either end",
        code="bad-username",
    ),
    Row(
        "name with a blank at its end",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice "}),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice  1",)),
        moving="User names with `/`, control characters, invisible characters, or white space at either end",
        code="bad-username",
    ),
    Row(
        "name with an umlaut",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "jürgen"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("jürgen 1",)),
    ),
    Row(
        "name with a domain",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "CORP\\alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("CORP\\alice 1",)),
    ),
    Row(
        "name with a realm",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice@corp"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice@corp 1",)),
    ),
    Row(
        "code in the login name as otp",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"otp": "1"}}),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "code in the login name as rp",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": "1"}}),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "code in the login name as radius_password",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"radius_password": "1"}}),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "rp before otp",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": "1", "otp": "2"}}),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "radius_password before rp",
        Situation(
            (ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": "1", "radius_password": "2"}}
        ),
        Outcome("ACCEPT", requests=("alice 2",)),
    ),
    Row(
        "empty rp beside otp",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": "", "otp": "1"}}),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "empty radius_password beside otp",
        Situation(
            (ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"radius_password": "", "otp": "1"}}
        ),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "empty rp alone",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": ""}}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "empty otp in the login name",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "key_value_pairs": {"otp": ""}}),
        Outcome("ACCEPT", requests=("alice ",)),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "Enter at the prompt",
        Situation((ACCEPTED,), ("",), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice ",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "password with blanks",
        Situation((ACCEPTED,), (" a b ",), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice  a b ",)),
    ),
    Row(
        "password with an umlaut",
        Situation((ACCEPTED,), ("pässword",), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice pässword",)),
    ),
    Row(
        "password of 16 characters",
        Situation((ACCEPTED,), ("0123456789abcdef",), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 0123456789abcdef",)),
    ),
    Row(
        "password of 128 octets",
        Situation((ACCEPTED,), ("0123456789abcdef" * 8,), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice (128 characters)",)),
    ),
    Row(
        "password of 129 octets",
        Situation((ACCEPTED,), ("0123456789abcdef" * 8 + "x",), arguments={"gateway_user": "alice"}),
        Outcome(
            "NEEDINFO",
            questions=(
                PROMPT,
                "Authentication failed: the password is longer than 128 octets. 2 attempts left.\n" + PROMPT,
            ),
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice (129 characters)",)),
        moving="Passwords over 128 octets",
    ),
    Row(
        "CHAP",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="auth_type=chap\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice (CHAP)",)),
    ),
    Row(
        "default prompt",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth=""),
        Outcome("ACCEPT", questions=(PROMPT + "***",), requests=("alice 1",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Typed codes",
    ),
    Row(
        "prompt of its own",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth="prompt=Code:\ndisable_echo=no\n"),
        Outcome("ACCEPT", questions=("Code:",), requests=("alice 1",)),
    ),
    Row(
        "prompt in quotes",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth='prompt="Token: "\ndisable_echo=no\n'),
        Outcome("ACCEPT", questions=("Token:",), requests=("alice 1",)),
        Outcome("ACCEPT", questions=('"Token: "',), requests=("alice 1",)),
        moving='Values in quotes, such as `prompt="Token: "`',
    ),
    Row(
        "hidden prompt",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth="disable_echo=yes\n"),
        Outcome("ACCEPT", questions=(PROMPT + "***",), requests=("alice 1",)),
    ),
    Row(
        "prompt without a value",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth="prompt=\ndisable_echo=no\n"),
        Outcome("ACCEPT", questions=("",), requests=("alice 1",)),
    ),
    Row(
        "prompt on two lines",
        Situation(
            (ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, auth="prompt=One\n  Two:\ndisable_echo=no\n"
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=("One\nTwo:",), requests=("alice 1",)),
        moving="Prompts and other values on several lines",
        code="bad-configuration",
    ),
    Row(
        "protocol ssh",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "protocol": "ssh"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "protocol telnet",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "protocol": "telnet"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "protocol rdp",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "protocol": "rdp"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "protocol SSH",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "protocol": "SSH"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "protocol that cannot ask: push",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice", "protocol": "http"}),
        Outcome("ACCEPT", requests=("alice ",)),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "protocol that cannot ask: code in the login name",
        Situation(
            (ACCEPTED,), arguments={"gateway_user": "alice", "protocol": "http", "key_value_pairs": {"otp": "1"}}
        ),
        Outcome("ACCEPT", requests=("alice 1",)),
    ),
    Row(
        "challenge in a protocol that cannot ask",
        Situation(
            (CHALLENGED, ACCEPTED),
            ("2",),
            arguments={"gateway_user": "alice", "protocol": "http", "key_value_pairs": {"otp": "1"}},
        ),
        Outcome("DENY", requests=("alice 1",)),
        Outcome("STUCK", requests=("alice 1",)),
        moving="Challenges and questions in protocols in which SPS cannot prompt",
        code="cannot-ask",
    ),
    Row(
        "question in a protocol that cannot ask",
        Situation(
            (ACCEPTED,),
            ("T-1",),
            arguments={"gateway_user": "alice", "protocol": "http", "key_value_pairs": {"otp": "1"}},
            sections=QUESTION,
        ),
        Outcome("DENY", requests=("alice 1",)),
        Outcome("STUCK", requests=("alice 1",)),
        moving="Challenges and questions in protocols in which SPS cannot prompt",
        code="cannot-ask",
    ),
    Row(
        "no password prompt in ssh: push",
        Situation(
            (ACCEPTED,), arguments={"gateway_user": "alice"}, auth="disable_echo=no\ninteractive_protocols=rdp\n"
        ),
        Outcome("ACCEPT", requests=("alice ",)),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "no password prompt in ssh: challenge",
        Situation(
            (CHALLENGED, ACCEPTED),
            ("2",),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\ninteractive_protocols=rdp\n",
        ),
        Outcome("ACCEPT", questions=("Token?",), requests=("alice ", "alice 2 +State")),
        Outcome("ACCEPT", questions=("Token?",), requests=(f"alice {NO_OCTETS}", "alice 2 +State")),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "no password prompt in ssh: question",
        Situation(
            (ACCEPTED,),
            ("T-1",),
            arguments={"gateway_user": "alice", "key_value_pairs": {"otp": "1"}},
            auth="disable_echo=no\ninteractive_protocols=rdp\n",
            sections=QUESTION,
        ),
        Outcome("ACCEPT", questions=("Ticket:",), requests=("alice 1",)),
    ),
    Row(
        "no password prompt in ssh: reject",
        Situation(
            (REJECTED,), arguments={"gateway_user": "alice"}, auth="disable_echo=no\ninteractive_protocols=rdp\n"
        ),
        Outcome("DENY", requests=("alice ",)),
        Outcome("DENY", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
        code="rejected",
    ),
    Row(
        "no protocol with a password prompt",
        Situation((ACCEPTED,), arguments={"gateway_user": "alice"}, auth="disable_echo=no\ninteractive_protocols=\n"),
        Outcome("ACCEPT", requests=("alice ",)),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
    ),
    Row(
        "interactive_protocols with blanks and capitals",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\ninteractive_protocols= RDP , SSH\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "reject",
        Situation((REJECTED,), ("1",), arguments={"gateway_user": "alice"}, auth="disable_echo=no\nmax_attempts=1\n"),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        code="rejected",
    ),
    Row(
        "reject, then another code",
        Situation((REJECTED, ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice"}),
        Outcome(
            "ACCEPT",
            questions=(PROMPT, "Authentication failed. 2 attempts left.\n" + PROMPT),
            requests=("alice 1", "alice 2"),
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        moving="A wrong code",
    ),
    Row(
        "reject with a text",
        Situation(
            (Reply(REJECT, ((REPLY_MESSAGE, b"Account locked"),)),),
            ("1",),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\nmax_attempts=1\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        code="rejected",
    ),
    Row(
        "reject of a code in the login name",
        Situation((REJECTED, ACCEPTED), ("2",), arguments={"gateway_user": "alice", "key_value_pairs": {"otp": "1"}}),
        Outcome(
            "ACCEPT", questions=("Authentication failed. 2 attempts left.\n" + PROMPT,), requests=("alice 1", "alice 2")
        ),
        Outcome("DENY", requests=("alice 1",)),
        moving="A wrong code",
    ),
    Row(
        "reject in a protocol that cannot ask",
        Situation((REJECTED,), arguments={"gateway_user": "alice", "protocol": "http"}),
        Outcome("DENY", requests=("alice ",)),
        Outcome("DENY", requests=(f"alice {NO_OCTETS}",)),
        moving="Push (the user only presses Enter)",
        code="rejected",
    ),
    Row(
        "challenge",
        Situation((CHALLENGED, ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "two challenges",
        Situation((CHALLENGED, CHALLENGED, ACCEPTED), ("1", "2", "3"), arguments={"gateway_user": "alice"}),
        Outcome(
            "ACCEPT", questions=(PROMPT, "Token?", "Token?"), requests=("alice 1", "alice 2 +State", "alice 3 +State")
        ),
    ),
    Row(
        "eleven challenges",
        Situation((CHALLENGED,) * 11 + (ACCEPTED,), ("1",) * 12, arguments={"gateway_user": "alice"}),
        Outcome("DENY", questions=(PROMPT,) + ("Token?",) * 10, requests=("alice 1",) + ("alice 1 +State",) * 10),
        Outcome("ACCEPT", questions=(PROMPT,) + ("Token?",) * 11, requests=("alice 1",) + ("alice 1 +State",) * 11),
        moving="Number of challenges",
        code="too-many-challenges",
    ),
    Row(
        "challenge, then reject",
        Situation(
            (CHALLENGED, REJECTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\nmax_attempts=1\n",
        ),
        Outcome("DENY", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
        code="rejected",
    ),
    Row(
        "challenge with Prompt No-Echo",
        Situation(
            (Reply(CHALLENGE, TOKEN + ((ECHO, b"\0\0\0\0"),)), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?***"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge with Prompt Echo",
        Situation(
            (Reply(CHALLENGE, TOKEN + ((ECHO, b"\0\0\0\1"),)), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge with hidden answers",
        Situation((CHALLENGED, ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice"}, auth="disable_echo=yes\n"),
        Outcome("ACCEPT", questions=(PROMPT + "***", "Token?***"), requests=("alice 1", "alice 2 +State")),
        Outcome("ACCEPT", questions=(PROMPT + "***", "Token?"), requests=("alice 1", "alice 2 +State")),
        moving="Typed codes",
    ),
    Row(
        "challenge without a text",
        Situation((Reply(CHALLENGE, ((STATE, b"state"),)), ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT, "Enter your response:"), requests=("alice 1", "alice 2 +State")),
        Outcome("FAILED", questions=(PROMPT,), requests=("alice 1",)),
        moving="Challenges without Reply-Message or State, or not in UTF-8",
    ),
    Row(
        "challenge without a State",
        Situation(
            (Reply(CHALLENGE, ((REPLY_MESSAGE, b"Token?"),)), ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice"}
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2")),
        Outcome("FAILED", questions=(PROMPT,), requests=("alice 1",)),
        moving="Challenges without Reply-Message or State, or not in UTF-8",
    ),
    Row(
        "challenge with two texts",
        Situation(
            (Reply(CHALLENGE, TOKEN + ((REPLY_MESSAGE, b"Second line"),)), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?\nSecond line"), requests=("alice 1", "alice 2 +State")),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
        moving="Text of a challenge",
    ),
    Row(
        "challenge in Latin-1",
        Situation(
            (Reply(CHALLENGE, ((STATE, b"state"), (REPLY_MESSAGE, b"Schl\xfcssel?"))), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Schl�ssel?"), requests=("alice 1", "alice 2 +State")),
        Outcome("FAILED", questions=(PROMPT,), requests=("alice 1",)),
        moving="Challenges without Reply-Message or State, or not in UTF-8",
    ),
    Row(
        "challenge in UTF-8",
        Situation(
            (Reply(CHALLENGE, ((STATE, b"state"), (REPLY_MESSAGE, "Schlüssel?".encode("utf-8")))), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Schlüssel?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge with an escape sequence",
        Situation(
            (Reply(CHALLENGE, ((STATE, b"state"), (REPLY_MESSAGE, b"\x1b[2JToken?"))), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
        Outcome("ACCEPT", questions=(PROMPT, "\x1b[2JToken?"), requests=("alice 1", "alice 2 +State")),
        moving="Text of a challenge",
    ),
    Row(
        "challenge with a NUL",
        Situation(
            (Reply(CHALLENGE, ((STATE, b"state"), (REPLY_MESSAGE, b"Token?\0"))), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge with a binary State",
        Situation(
            (Reply(CHALLENGE, ((STATE, bytes(range(250))), (REPLY_MESSAGE, b"Token?"))), ACCEPTED),
            ("1", "2"),
            arguments={"gateway_user": "alice"},
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "Enter at a challenge",
        Situation((CHALLENGED, ACCEPTED), ("1", ""), arguments={"gateway_user": "alice"}),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice  +State")),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 1 +State")),
        moving="Enter at a challenge",
    ),
    Row(
        "challenge after a code in rp",
        Situation((CHALLENGED, ACCEPTED), ("2",), arguments={"gateway_user": "alice", "key_value_pairs": {"rp": "1"}}),
        Outcome("ACCEPT", questions=("Token?",), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge after a code in radius_password",
        Situation(
            (CHALLENGED, ACCEPTED),
            ("2",),
            arguments={"gateway_user": "alice", "key_value_pairs": {"radius_password": "1"}},
        ),
        Outcome("ACCEPT", questions=("Token?",), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "challenge, answers passed alone",
        Situation((CHALLENGED, ACCEPTED), ("1", "2"), arguments={"gateway_user": "alice", "cumulative": False}),
        Outcome("ACCEPT", questions=(PROMPT, "Token?"), requests=("alice 1", "alice 2 +State")),
    ),
    Row(
        "accept without a signature",
        Situation(
            (Reply(ACCEPT, signature=None),),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius="conn_timeout=3\nconn_retries=1\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Message-Authenticator",
        code="no-message-authenticator",
    ),
    Row(
        "accept without a signature, not required",
        Situation(
            (Reply(ACCEPT, signature=None),),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius="require_message_authenticator=no\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "accept with a wrong signature, not required",
        Situation(
            (Reply(ACCEPT, signature=WRONG),),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius="require_message_authenticator=no\nconn_timeout=3\nconn_retries=1\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Replies with a wrong Message-Authenticator",
        code="wrong-secret",
    ),
    Row(
        "no reply",
        Situation(
            (),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius="conn_timeout=1\nconn_retries=1\nstatus_check=none\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        code="no-reply",
    ),
    Row(
        "reply of another kind",
        Situation(
            (Reply(5),),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius="conn_timeout=3\nconn_retries=1\nstatus_check=none\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        code="bad-reply",
    ),
    Row(
        "explicit mapping",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[usermapping source=explicit]\nalice=bob\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob 1",)),
    ),
    Row(
        "explicit mapping of a name in capitals",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "Alice"},
            sections="[usermapping source=explicit]\nalice=bob\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob 1",)),
    ),
    Row(
        "explicit mapping of another name",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "carol"},
            sections="[usermapping source=explicit]\nalice=bob\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("carol 1",)),
    ),
    Row(
        "mapping by LDAP",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[ldap_server]\nname=dir\n[usermapping source=ldap_server]\nuser_attribute=mail\n",
            fixtures=DIRECTORY,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice@mail 1",)),
    ),
    Row(
        "domain appended",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections=DOMAIN),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice@example.com 1",)),
    ),
    Row(
        "domain appended to a name with a realm",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice@corp"}, sections=DOMAIN),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice@corp 1",)),
    ),
    Row(
        "domain appended to a mapped name",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections=DOMAIN + "[usermapping source=explicit]\nalice=bob\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob@example.com 1",)),
    ),
    Row(
        "UPN in RDP",
        Situation((ACCEPTED,), ("1",), arguments={"protocol": "rdp", "server_username": "alice@corp"}),
        Outcome("ACCEPT", user="alice", groups=(), questions=(PROMPT,), requests=("alice 1",)),
        sdk=(1, 8),
    ),
    Row(
        "UPN in SSH",
        Situation((ACCEPTED,), ("1",), arguments={"server_username": "alice@corp"}),
        Outcome("ACCEPT", user="alice@corp", groups=(), questions=(PROMPT,), requests=("alice@corp 1",)),
    ),
    Row(
        "UPN in RDP, kept",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"protocol": "rdp", "server_username": "alice@corp"},
            sections="[ignore_upn_suffix_for_rdp]\nignore=false\n",
        ),
        Outcome("ACCEPT", user="alice@corp", groups=(), questions=(PROMPT,), requests=("alice@corp 1",)),
        sdk=(1, 8),
    ),
    Row(
        "UPN of a gateway user in RDP",
        Situation((ACCEPTED,), ("1",), arguments={"protocol": "rdp", "gateway_user": "alice@corp"}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice@corp 1",)),
    ),
    Row(
        "UPN in RDP, ignore=no",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"protocol": "rdp", "server_username": "alice@corp"},
            sections="[ignore_upn_suffix_for_rdp]\nignore=no\n",
        ),
        Outcome("ACCEPT", user="alice@corp", groups=(), questions=(PROMPT,), requests=("alice@corp 1",)),
        sdk=(1, 8),
    ),
    Row(
        "whitelisted user",
        Situation(
            (),
            (),
            arguments={"gateway_user": "alice"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=NO_USER,
        ),
        Outcome("ACCEPT"),
    ),
    Row(
        "user who is not whitelisted",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "bob"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=NO_USER,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob 1",)),
    ),
    Row(
        "whitelisted user in another spelling",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "Alice"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=NO_USER,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("Alice 1",)),
    ),
    Row(
        "whitelist of all, except a user",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=ALL_USERS,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "whitelist of all, except a user in another spelling",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "CORP\\Alice"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=ALL_USERS,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("CORP\\Alice 1",)),
        Outcome("ACCEPT"),
        moving="Whitelist of all users except some",
    ),
    Row(
        "whitelist of all",
        Situation(
            (),
            (),
            arguments={"gateway_user": "bob"},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=ALL_USERS,
        ),
        Outcome("ACCEPT"),
    ),
    Row(
        "ru with the name of a whitelisted user",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "bob", "key_value_pairs": {"ru": "alice"}},
            sections="[whitelist source=user_list]\nname=list\n",
            fixtures=NO_USER,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("bob 1",)),
        Outcome("ACCEPT", user="alice", groups=()),
        moving="`ru=` if SPS has authenticated the user",
    ),
    Row(
        "whitelist without its policy",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[whitelist source=user_list]\nname=list\n",
        ),
        Outcome("DENY"),
        Outcome("FAILED"),
        moving="Configuration errors",
        code="bad-configuration",
    ),
    Row(
        "whitelist section without options",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections="[whitelist source=user_list]\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "whitelist by LDAP group",
        Situation((), (), arguments={"gateway_user": "alice"}, sections=LDAP_WHITELIST, fixtures=DIRECTORY),
        Outcome("ACCEPT"),
    ),
    Row(
        "LDAP whitelist without except",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[ldap_server]\nname=dir\n[whitelist source=ldap_server_group]\nallow=no_user\n",
            fixtures=DIRECTORY,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "question after the login",
        Situation((ACCEPTED,), ("1", "T-1"), arguments={"gateway_user": "alice"}, sections=QUESTION),
        Outcome("ACCEPT", questions=(PROMPT, "Ticket:"), requests=("alice 1",)),
    ),
    Row(
        "two questions",
        Situation(
            (ACCEPTED,),
            ("1", "T-1", "x"),
            arguments={"gateway_user": "alice"},
            sections=QUESTION + "[question_2]\nprompt=Why?\nkey=why\ndisable_echo=no\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT, "Ticket:", "Why?"), requests=("alice 1",)),
    ),
    Row(
        "answer to a question in the login name",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice", "key_value_pairs": {"ticket": "T-1"}},
            sections=QUESTION,
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "question for a whitelisted user",
        Situation(
            (),
            ("T-1",),
            arguments={"gateway_user": "alice"},
            sections="[whitelist source=user_list]\nname=list\n" + QUESTION,
            fixtures=NO_USER,
        ),
        Outcome("ACCEPT", questions=("Ticket:",)),
    ),
    Row(
        "question section without options",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections="[question_1]\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "question without a key",
        Situation(
            (ACCEPTED,), ("1", "T-1"), arguments={"gateway_user": "alice"}, sections="[question_1]\nprompt=Ticket:\n"
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "every section of the vendor's default.cfg, without options",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections=SECTIONS),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "dictionary_path that does not exist",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="dictionary_path=/nowhere\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("DENY", questions=(PROMPT,)),
        moving="`dictionary_path`",
    ),
    Row(
        "conn_retries of 50",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="conn_retries=50\nconn_timeout=1\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "conn_timeout of 600",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="conn_timeout=600\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "auth_type in capitals",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="auth_type=PAP\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "unknown auth_type",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="auth_type=peap\n"),
        Outcome("DENY"),
        Outcome("DENY", questions=(PROMPT,)),
        moving="Configuration errors",
        code="bad-configuration",
    ),
    Row(
        "unknown option",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="frobnicate=1\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "unknown section",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections="[frobnicate]\nx=1\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "HTTPS proxy",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[https-proxy]\nserver=proxy.example.com\nport=3128\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "log level",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections="[logging]\nlog_level=debug\n"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "unknown log level",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, sections="[logging]\nlog_level=loud\n"),
        Outcome("DENY"),
        Outcome("FAILED"),
        moving="Configuration errors",
        code="bad-configuration",
    ),
    Row(
        "further server without a secret",
        Situation(
            (ACCEPTED,), ("1",), arguments={"gateway_user": "alice"}, radius="[radius_2]\nserver=127.0.0.1\nsecret=\n"
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="New features",
        code="bad-configuration",
    ),
    Row(
        "groups of SPS",
        Situation((ACCEPTED,), ("1",), arguments={"gateway_user": "alice", "gateway_groups": ["staff"]}),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "groups of the server",
        Situation(
            (Reply(ACCEPT, ((FILTER_ID, b"admins"),)),),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[gateway_groups]\nattribute=Filter-Id\n",
        ),
        Outcome("ACCEPT", user="alice", groups=("admins",), questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="New features",
    ),
    Row(
        "required group that the server does not send",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[gateway_groups]\nattribute=Filter-Id\nrequired_groups=admins\n",
        ),
        Outcome("DENY", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="New features",
        code="not-in-group",
    ),
    Row(
        "interactive_protocols in quotes",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            auth='disable_echo=no\ninteractive_protocols="ssh","rdp"\n',
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="A name in double quotes in `interactive_protocols`",
    ),
    Row(
        "interactive_protocols with semicolons",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\ninteractive_protocols=ssh;rdp\n",
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", requests=(f"alice {NO_OCTETS}",)),
        moving="`interactive_protocols` separated by semicolons or blanks",
        code="bad-configuration",
    ),
    Row(
        "LDAP whitelist with an empty except",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[ldap_server]\nname=dir\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=\n",
            fixtures=DIRECTORY,
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="An empty `except` in `[whitelist source=ldap_server_group]`",
        code="bad-configuration",
    ),
    Row(
        "LDAP whitelist of all, except a group in quotes",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections=LDAP_WHITELIST.replace("no_user", "all_users").replace("admins", '"admins"'),
            fixtures=DIRECTORY,
        ),
        Outcome("DENY"),
        Outcome("ACCEPT"),
        moving="`[whitelist source=ldap_server_group]` with `allow=all_users` and a doubtful `except`",
        code="bad-configuration",
    ),
    Row(
        "misspelled whitelist",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[Whitelist source=user_list]\nname=list\n",
            fixtures=ALL_USERS,
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Misspelled sections and options that decide who is admitted",
        code="bad-configuration",
    ),
    Row(
        "whitelist from the Credential Store",
        Situation(
            (),
            (),
            arguments={"gateway_user": "bob"},
            sections="[whitelist source=user_list]\nname=$\n[credential_store]\nname=store\n",
            fixtures=dict(ALL_USERS, credential_stores={"store": {"name": {"whitelist source=user_list": [["list"]]}}}),
        ),
        Outcome("DENY"),
        Outcome("ACCEPT"),
        moving="`$` as the value of an option of the SDK",
        code="bad-configuration",
    ),
    Row(
        "text after a section header",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[connection_limit by=client_ip_gateway_user] x\nlimit=0\n",
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Text after a section header",
        code="bad-configuration",
    ),
    Row(
        "LDAP whitelist of the vendor's placeholders",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[ldap_server]\nname=dir\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=<group-1>\n",
            fixtures=DIRECTORY,
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="Placeholders of the vendor's `default.cfg`, such as `<group-1>`",
        code="bad-configuration",
    ),
    Row(
        "question with the key of the password",
        Situation(
            (ACCEPTED,),
            ("1", "T-1"),
            arguments={"gateway_user": "alice"},
            sections="[question_1]\nprompt=Ticket:\nkey=otp\n",
        ),
        Outcome("DENY"),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
        moving="A `[question_N]` with an empty `key`, or with the key of another answer",
        code="bad-configuration",
    ),
    Row(
        "second question without the first",
        Situation(
            (ACCEPTED,),
            ("1", "T-1"),
            arguments={"gateway_user": "alice"},
            sections="[question_2]\nprompt=Ticket:\nkey=ticket\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "sections of plugins before the SDK",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            sections="[cache]\nsoft_timeout=15\n[ldap]\nldap_server_config=x\n",
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "secret in quotes",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            radius='[radius_2]\nserver=127.0.0.1\nsecret="0123456789abcdef"\n',
        ),
        Outcome("ACCEPT", questions=(PROMPT,), requests=("alice 1",)),
    ),
    Row(
        "comment behind a value",
        Situation(
            (ACCEPTED,),
            ("1",),
            arguments={"gateway_user": "alice"},
            auth="disable_echo=no\nprompt=Code: ; for tokens\n",
        ),
        Outcome("ACCEPT", questions=("Code: ; for tokens",), requests=("alice 1",)),
    ),
)
