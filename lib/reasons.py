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
NO_ANSWER = "no-answer"
CONNECTION_REFUSED = "connection-refused"
NAME_LOOKUP = "name-lookup"
NETWORK = "network"
FIPS = "fips"
WRONG_SECRET = "wrong-secret"
NO_MESSAGE_AUTHENTICATOR = "no-message-authenticator"
MUTUAL_AUTH_FAILED = "mutual-auth-failed"
TLS_CERTIFICATE = "tls-certificate"
TLS_FAILED = "tls-failed"
TUNNEL_CHALLENGE = "tunnel-challenge"
BAD_REPLY = "bad-reply"
BAD_CONFIGURATION = "bad-configuration"
LOCKED = "locked"
LOGIN_IN_PROGRESS = "login-in-progress"
NOT_IN_GROUP = "not-in-group"
WRONG_RECOVERY_CODE = "wrong-recovery-code"
RECOVERY_NOT_RECORDED = "recovery-not-recorded"
CONNECTION_LIMIT = "connection-limit"
INTERNAL_ERROR = "internal-error"

PASSWORD_PROMPT = "password_prompt"
USERNAME_PROMPT = "username_prompt"
CHALLENGE_PROMPT = "challenge_prompt"
RECOVERY_PROMPT = "recovery_prompt"
RETRY = "retry"
RETRY_REASON = "retry_reason"
NAME_ENTERED = "name_entered"
SERVER_GONE = "server_gone"


class Denial(NamedTuple):
    """A reason for a DENY: `text` is for the user, `meaning` and `remedy` are for the admin.

    `placeholders` may stand in braces in the text; the detail follows its first sentence unless `{reason}` is in it.
    """

    code: str
    text: str
    meaning: str
    remedy: str
    placeholders: Tuple[str, ...] = ("reason",)


_UNREACHABLE = "The login service is not responding. Try again later or contact your help desk."
_FAILED = "Authentication failed. Try again or contact your help desk."

_DENIALS = (
    Denial(
        REJECTED,
        _FAILED,
        "The server sent an Access-Reject, and the plugin cannot ask the user again.",
        "Check the server's log. Its Reply-Message, if any, is in the reason and in the log.",
    ),
    Denial(
        TOO_MANY_ATTEMPTS,
        "Too many failed attempts. Try again or contact your help desk.",
        "`[auth] max_attempts` attempts failed: the server rejected them, or they could not be sent.",
        "Check the server's log. The plugin's log has one line for each attempt.",
    ),
    Denial(
        TOO_MANY_CHALLENGES,
        _FAILED,
        "The server sent more than `[auth] max_challenges` Access-Challenges for one attempt.",
        "Raise `max_challenges` if a login on this server really needs that many. Otherwise the server is in a loop: "
        "check its log.",
    ),
    Denial(
        CANNOT_ASK,
        "This connection cannot ask for a needed code. Contact your help desk.",
        "The server sent an Access-Challenge, or a `[question_N]` is due, in a protocol in which SPS cannot prompt.",
        "Have users put the code into the login name or use push in this protocol, or answer the challenge with "
        "`[challenge_answers]`. SPS prompts in SSH, Telnet, and RDP; if yours prompts in another protocol, add it to "
        "`[auth] interactive_protocols`.",
    ),
    Denial(
        NO_USERNAME,
        "No user name given. Log in with a user name.",
        "No user name is known, and the user cannot be asked or left the prompt empty.",
        "Have the client send a user name (`gu=NAME@...`), or use gateway authentication before the plugin.",
    ),
    Denial(
        BAD_USERNAME,
        "This user name cannot be used. Log in with your own.",
        "The name contains a control character, an invisible character, or a path separator, begins or ends with white "
        "space, or is longer than 253 octets.",
        "Have the user enter the right name; look for scripts that send invalid ones.",
    ),
    Denial(
        BAD_PASSWORD,
        "This password cannot be used. Enter only the password or code.",
        "The password is longer than RADIUS allows (128 octets with PAP) or is not valid text.",
        "Have the user enter the password or code alone; look for scripts that send something else.",
    ),
    Denial(
        NO_REPLY,
        _UNREACHABLE,
        "No server responded in time.",
        "Check that the server is running, that UDP (TCP with tls) passes in both directions, and that the server "
        "lists this SPS as a client. Check the shared secret: a server silently discards requests made with a "
        "different one. For push, raise `[radius] conn_timeout`.",
    ),
    Denial(
        NO_ANSWER,
        "No response in time. Try again and approve the request on your device.",
        "A server is up, since it answered Status-Server or another login in the meantime, but it did not answer this "
        "login in time. Usually the user did not approve a push.",
        "If users need more time, raise `[radius] conn_timeout`: multiplied by `conn_retries`, it is the longest wait "
        "for one address. Raise `total_timeout` too if it is less than that. If logins without push end like this, "
        "read the log of the server.",
    ),
    Denial(
        CONNECTION_REFUSED,
        _UNREACHABLE,
        "The server's host reported that nothing listens on this port.",
        "Check `[radius] port` and that the RADIUS service is running.",
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
        "SPS could not send the request: no route to the server, a firewall rule, or a wrong `source_ip`.",
        "Check the network settings of SPS; the log has the system's error message.",
    ),
    Denial(
        FIPS,
        "Login is not possible here. Contact your help desk.",
        "RADIUS requires MD5, which this system does not compute in FIPS mode.",
        "Use a server with RADIUS/1.1 (`transport=tls`), which needs no MD5, or a release of SPS with Python 3.9 or "
        "newer, in which the plugin can use MD5 in FIPS mode.",
    ),
    Denial(
        WRONG_SECRET,
        _UNREACHABLE,
        "Replies failed verification: the shared secret probably differs.",
        "Set the same secret in `[radius] secret` and on the server. If it is the same, look for a device or an "
        "attacker that changes or forges replies.",
    ),
    Denial(
        NO_MESSAGE_AUTHENTICATOR,
        _UNREACHABLE,
        "Replies had no Message-Authenticator, so they could be forged (CVE-2024-3596, BlastRADIUS).",
        "Update the server, or have it send Message-Authenticator in every reply; "
        "`[radius] require_message_authenticator=no` accepts the risk.",
    ),
    Denial(
        MUTUAL_AUTH_FAILED,
        _UNREACHABLE,
        "A server accepted the login without the required proof: with mschapv2, that it knows the password; with a "
        "tunneled method, that the Access-Accept comes from the end of the tunnel.",
        "The log says what is missing. The server must send MS-CHAP2-Success, or the keys of the tunnel, with every "
        "Access-Accept. If it does, a proxy removes them, or an attacker is impersonating the server.",
    ),
    Denial(
        TLS_CERTIFICATE,
        _UNREACHABLE,
        "The server's certificate failed verification, or the server did not accept the client certificate.",
        "The log says what is wrong: for example, expired, a different name, an unknown CA, or a missing client "
        "certificate. Correct the certificate, or `[radius] ca_certificate`, `tls_server_name`, or "
        "`client_certificate`.",
    ),
    Denial(
        TLS_FAILED,
        _UNREACHABLE,
        "The TLS connection to the server failed, or ended before the answer.",
        "The log says why. With `transport=tls`, check that `[radius] port` is the port for RADIUS over TLS and that "
        "the server lists this SPS as a client. With a tunneled `auth_type`, check that the server offers this "
        "method. Read the server's log.",
    ),
    Denial(
        TUNNEL_CHALLENGE,
        "This login service cannot ask for a needed code here. Contact your help desk.",
        "The server asked the user a question inside the tunnel of `auth_type`, which ends with the hook call: the "
        "plugin cannot pass the question on.",
        "Answer it with `[challenge_answers]`, use push, or set `auth_type` to one without a tunnel.",
    ),
    Denial(
        BAD_REPLY,
        _UNREACHABLE,
        "Replies were not valid RADIUS or did not belong to the request.",
        "The log says what was wrong with them. Check that `[radius] port` belongs to the RADIUS service, and that "
        "nothing on the path changes packets.",
    ),
    Denial(
        BAD_CONFIGURATION,
        "Login is not possible because of a configuration error. Contact your help desk.",
        "The plugin's configuration has errors, or a line of `[radius_attributes]` does not fit this session.",
        "The log lists each error as `[section] option`. Correct them under Policies > AA Plugin Configurations. If "
        "the server does not need an attribute, mark it as optional with `?`, as in `Cisco-AVPair? = ...`.",
    ),
    Denial(
        LOCKED,
        "Too many failed logins. Try again in {minutes} min.",
        "`[lockout] max_failures` attempts of this user or from this address failed; no request was sent.",
        "The lockout ends after `[lockout] duration`. Look in the log for the source of the failures.",
        ("reason", "minutes"),
    ),
    Denial(
        LOGIN_IN_PROGRESS,
        "Another login for this user is in progress. Complete or cancel it, then try again.",
        "With `[auth] serialize_user=yes`, three other logins of the user were waiting, or this one waited until "
        "`total_timeout` ran out.",
        "Have the user complete or cancel the other login; a script may be logging in many times at once.",
    ),
    Denial(
        NOT_IN_GROUP,
        "You are not a member of a group that is allowed to log in here. Contact your help desk.",
        "The server accepted the user, but the user has none of the groups in `[gateway_groups] required_groups`. The "
        "same applies to a user with a recovery code, which brings no groups.",
        "Add the user to a required group on the server. The log lists the groups that the server sent.",
    ),
    Denial(
        WRONG_RECOVERY_CODE,
        "Recovery code not valid. Contact your help desk.",
        "No server responded, and the recovery code is not one of the user's or was used before.",
        "Repair the server; see the log. Give the user another recovery code if one is needed.",
    ),
    Denial(
        RECOVERY_NOT_RECORDED,
        _UNREACHABLE,
        "No server responded, and the recovery code is right, but the plugin cannot record that it is used.",
        "Check the disk of SPS; the log says what failed. Then log in again, with the same code or another.",
    ),
    Denial(
        CONNECTION_LIMIT,
        "Connection limit reached. Close another session, or contact your help desk.",
        "The user already has `[connection_limit by=client_ip_gateway_user] limit` sessions from this address, or they "
        "cannot be counted.",
        "Close sessions or raise the limit. If the log contains `Connection limit not checked`, check the disk of SPS; "
        "a process that was killed may have left a lock file behind.",
    ),
    Denial(
        INTERNAL_ERROR,
        "Internal error. Contact your help desk.",
        "An unexpected error occurred in the plugin.",
        "The log contains the type of the error and the place in the code. Please report it.",
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
    Message(PASSWORD_PROMPT, (), "", "Prompt for the one-time password. If empty, [auth] prompt is used."),
    Message(USERNAME_PROMPT, (), "", "Prompt for the user name. If empty, [username] prompt is used."),
    Message(CHALLENGE_PROMPT, (), "Enter your response:", "Shown for an Access-Challenge without text."),
    Message(
        RECOVERY_PROMPT,
        (),
        "The login service is not responding. Enter a recovery code:",
        "Prompt for a recovery code if no server responds.",
    ),
    Message(RETRY, ("left", "attempts"), "Authentication failed. {attempts} left.", "Shown before another attempt."),
    Message(
        RETRY_REASON,
        ("reason", "left", "attempts"),
        "Authentication failed: {reason} {attempts} left.",
        "Shown instead of retry if the server gave a reason. {reason} ends with a punctuation mark.",
    ),
    Message(
        NAME_ENTERED,
        ("user",),
        "You entered the name {user}.",
        "Shown before the user name is asked for again, if it was typed hidden.",
    ),
    Message(
        SERVER_GONE,
        (),
        "The authentication server is no longer available. Log in again.",
        "Shown when the login starts over because the server that sent the challenge is no longer configured.",
    ),
) + tuple(Message(denial.code, denial.placeholders, denial.text, "Reason for a DENY.") for denial in _DENIALS)

_DEFAULTS: Dict[str, str] = {message.name: message.default for message in MESSAGES}


def format_text(messages: Mapping[str, str], name: str, **values: str) -> str:
    """Return the text of this name, from `messages` or the default, with its placeholders filled in."""
    return filled(messages.get(name) or _DEFAULTS[name], values)


def format_reason(messages: Mapping[str, str], code: str, detail: str = "", **values: str) -> str:
    """Return the reason for a DENY: its text, the detail if any, which must be safe to show, and the code."""
    template = messages.get(code) or _DEFAULTS[code]
    shown = filled(template, dict(values, reason=detail))
    if detail and "{reason}" not in template:
        sentence, _, advice = shown.partition(". ")
        sentence = sentence.rstrip(".")
        shown = f"{sentence}: {end_sentence(detail)} {advice}" if advice else f"{sentence}: {detail}"
    return f"{shown} [{code}]"


def end_sentence(reason: str) -> str:
    """Return a reason as the end of a sentence, with a punctuation mark."""
    reason = reason.rstrip(". ")
    return reason if reason.endswith(("!", "?")) else reason + "."
