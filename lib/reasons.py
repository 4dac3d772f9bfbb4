"""Every text that a user reads, declared once: the reasons for a DENY and the prompts and notices.

A reason has a stable code, shown to the user and kept in the session's metadata; a released code never changes its
meaning. [messages] can replace each text, and the table of codes in docs/troubleshooting.md is made from this module.
"""

from typing import Dict, Mapping, Tuple

from .namedtuple import NamedTuple
from .text import filled

REJECTED = "rejected"
TOO_MANY_ATTEMPTS = "too-many-attempts"
TOO_MANY_CHALLENGES = "too-many-challenges"
CANNOT_ASK = "cannot-ask"
NO_USERNAME = "no-username"
BAD_USERNAME = "bad-username"
BAD_PASSWORD = "bad-password"
NO_REPLY = "no-reply"
CONNECTION_REFUSED = "connection-refused"
NAME_LOOKUP = "name-lookup"
NETWORK = "network"
WRONG_SECRET = "wrong-secret"
NO_MESSAGE_AUTHENTICATOR = "no-message-authenticator"
MUTUAL_AUTH_FAILED = "mutual-auth-failed"
TLS_CERTIFICATE = "tls-certificate"
TLS_FAILED = "tls-failed"
BAD_REPLY = "bad-reply"
BAD_CONFIGURATION = "bad-configuration"
LOCKED = "locked"
LOGIN_IN_PROGRESS = "login-in-progress"
NOT_IN_GROUP = "not-in-group"
CONNECTION_LIMIT = "connection-limit"
INTERNAL_ERROR = "internal-error"

PASSWORD_PROMPT = "password_prompt"
USERNAME_PROMPT = "username_prompt"
CHALLENGE_PROMPT = "challenge_prompt"
RETRY = "retry"
RETRY_REASON = "retry_reason"
SERVER_GONE = "server_gone"


class Denial(NamedTuple):
    """A reason for a DENY: `text` is for the user, `meaning` and `remedy` are for the admin.

    `placeholders` may stand in braces in the text; the detail follows the text unless `{reason}` is in it.
    """

    code: str
    text: str
    meaning: str
    remedy: str
    placeholders: Tuple[str, ...] = ("reason",)


_UNREACHABLE = "Backend service unreachable"
_FAILED = "Authentication failed"

_DENIALS = (
    Denial(
        REJECTED,
        _FAILED,
        "The server sent an Access-Reject and the user cannot be asked again.",
        "The server's own log says why. Its Reply-Message, if any, is in the reason and in the log.",
    ),
    Denial(
        TOO_MANY_ATTEMPTS,
        _FAILED + ", too many attempts",
        "`[auth] max_attempts` attempts failed: rejected by the server, or of no use to send.",
        "As for `rejected`; the log has one line for each attempt.",
    ),
    Denial(
        TOO_MANY_CHALLENGES,
        _FAILED,
        "The server sent more than `[auth] max_challenges` Access-Challenges for one attempt.",
        "Raise `max_challenges` if the server's dialogue is really that long; otherwise the server asks in a loop.",
    ),
    Denial(
        CANNOT_ASK,
        _FAILED,
        "The server sent an Access-Challenge, or a `[question_N]` is due, in a protocol in which SPS cannot ask.",
        "Use push or one-step codes in this protocol, answer the challenge with `[challenge_answers]`, or add the "
        "protocol to `[auth] interactive_protocols` if SPS can ask there.",
    ),
    Denial(
        NO_USERNAME,
        "No user name given",
        "No user name is known, and the user cannot be asked or left the question empty.",
        "Have the client send one (`gu=NAME@...`), or use gateway authentication before the plugin.",
    ),
    Denial(
        BAD_USERNAME,
        "This user name cannot be used",
        "The name holds a control character or a path separator, begins or ends with white space, or is longer than "
        "253 octets.",
        "Have the user give the right name; look for scripts that send odd ones.",
    ),
    Denial(
        BAD_PASSWORD,
        "This password cannot be used",
        "The password is longer than RADIUS carries (128 octets with PAP) or is not text.",
        "Have the user give the right password.",
    ),
    Denial(
        NO_REPLY,
        _UNREACHABLE,
        "No server answered in time.",
        "Check that the server runs, that UDP (TCP with tls) passes both ways, that the server lists this SPS as a "
        "client, and the shared secret: a server drops requests made with another secret without a word.",
    ),
    Denial(
        CONNECTION_REFUSED,
        _UNREACHABLE,
        "The server's host said that nothing listens on this port.",
        "Check `[radius] port` and that the RADIUS service runs.",
    ),
    Denial(
        NAME_LOOKUP,
        _UNREACHABLE,
        "The server's name could not be resolved.",
        "Check `[radius] server` and the DNS servers of SPS.",
    ),
    Denial(
        NETWORK,
        _UNREACHABLE,
        "The request could not be sent: no route, or refused by this host.",
        "Check the network settings of SPS; the log has the system's own words.",
    ),
    Denial(
        WRONG_SECRET,
        _UNREACHABLE,
        "Replies came whose authenticator did not verify: the shared secret probably differs.",
        "Set the same secret in `[radius] secret` and on the server. If it is the same, somebody forges replies.",
    ),
    Denial(
        NO_MESSAGE_AUTHENTICATOR,
        _UNREACHABLE,
        "Replies came without a Message-Authenticator, so they could be forged (CVE-2024-3596, BlastRADIUS).",
        "Update the server, or have it send Message-Authenticator in every reply; "
        "`[radius] require_message_authenticator=no` accepts the risk.",
    ),
    Denial(
        MUTUAL_AUTH_FAILED,
        _UNREACHABLE,
        "With mschapv2, a server accepted the login without proving that it knows the password itself.",
        "The server must send MS-CHAP2-Success with every Access-Accept. If it does, somebody stands in for it.",
    ),
    Denial(
        TLS_CERTIFICATE,
        _UNREACHABLE,
        "The server's certificate did not verify, or the server wants another certificate of SPS's than it got.",
        "The log says what is wrong: expired, another name, another CA, a client certificate wanted. Correct the "
        "certificate, or `[radius] ca_certificate`, `tls_server_name` and `client_certificate`.",
    ),
    Denial(
        TLS_FAILED,
        _UNREACHABLE,
        "A TLS connection to the server could not be made, or ended before the answer.",
        "The log says how. Check that `[radius] port` is that of RADIUS over TLS, that the server lists this SPS as a "
        "client, and the server's own log.",
    ),
    Denial(
        BAD_REPLY,
        _UNREACHABLE,
        "Replies came that are not valid RADIUS or do not belong to the request.",
        "The log says what was wrong with them. A middlebox or somebody on the way may be tampering.",
    ),
    Denial(
        BAD_CONFIGURATION,
        "plugin configuration error",
        "The plugin's configuration has errors.",
        "The log lists every one as `[section] option`. Correct them under AA Plugin Configurations.",
    ),
    Denial(
        LOCKED,
        "Too many failed logins, try again in {minutes} min",
        "`[lockout] max_failures` logins of this user or from this address failed; the server was not asked.",
        "It ends by itself after `[lockout] duration`. Look in the log for who guesses.",
        ("reason", "minutes"),
    ),
    Denial(
        LOGIN_IN_PROGRESS,
        "Another login of this user is under way",
        "With `[auth] serialize_user`, another login of the user was not over before the time for this one was.",
        "Have the user answer or leave the other login; a script may log in many times at once.",
    ),
    Denial(
        NOT_IN_GROUP,
        "You are not in a group that may log in here",
        "The server accepted the user with none of the groups in `[gateway_groups] required_groups`.",
        "Put the user into a group on the server; the log has the groups that came.",
    ),
    Denial(
        CONNECTION_LIMIT,
        "Connection limit reached",
        "The user has `[connection_limit by=client_ip_gateway_user] limit` sessions from this address already, or "
        "they cannot be counted.",
        "Close sessions or raise the limit. If the log says that it cannot be checked, a lock file was left behind.",
    ),
    Denial(
        INTERNAL_ERROR,
        "Internal error in the plugin",
        "Something failed that should not.",
        "The log has the kind of error and the place in the code: please report it.",
    ),
)

DENIALS: Dict[str, Denial] = {denial.code: denial for denial in _DENIALS}


class Message(NamedTuple):
    """A text that [messages] can replace: `default` is shown unless the configuration has another."""

    name: str
    placeholders: Tuple[str, ...]
    default: str
    help: str


MESSAGES: Tuple[Message, ...] = (
    Message(PASSWORD_PROMPT, (), "", "The question for the one-time password; empty: [auth] prompt."),
    Message(USERNAME_PROMPT, (), "", "The question for the user name; empty: [username] prompt."),
    Message(CHALLENGE_PROMPT, (), "Enter your response:", "Shown for an Access-Challenge without text."),
    Message(RETRY, ("left", "attempts"), "Authentication failed. {attempts} left.", "Before another try."),
    Message(
        RETRY_REASON,
        ("reason", "left", "attempts"),
        "Authentication failed: {reason} {attempts} left.",
        "The same, when there is a reason; it ends in a mark.",
    ),
    Message(SERVER_GONE, (), "The server that asked is gone; please log in again.", "Before starting over."),
) + tuple(Message(denial.code, denial.placeholders, denial.text, "Reason of a DENY.") for denial in _DENIALS)

_DEFAULTS: Dict[str, str] = {message.name: message.default for message in MESSAGES}


def format_text(messages: Mapping[str, str], name: str, **values: str) -> str:
    """Return the text of this name, from `messages` or the default, with its placeholders filled in."""
    return filled(messages.get(name) or _DEFAULTS[name], values)


def format_reason(messages: Mapping[str, str], code: str, detail: str = "", **values: str) -> str:
    """Return the reason of a DENY: its text, the detail (made safe before) if there is one, and always its code."""
    template = messages.get(code) or _DEFAULTS[code]
    shown = filled(template, dict(values, reason=detail))
    if detail and "{reason}" not in template:
        shown = f"{shown}: {detail}"
    return f"{shown} [{code}]"
