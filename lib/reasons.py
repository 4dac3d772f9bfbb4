"""Every reason for a DENY, declared once: its stable code, what the user reads, and what the admin should do.

The codes stand in the reason shown to the user, in the session's metadata and in the table of docs/troubleshooting.md,
which is made from this list. A released code never changes its meaning. `messages` makes the reason, in the admin's
words if any.
"""

from typing import Dict, Tuple

from .namedtuple import NamedTuple


class Denial(NamedTuple):
    """One kind of DENY: `code` is stable, `text` is for the user, `meaning` and `remedy` are for the admin.

    `placeholders` are what the text may hold in braces; `reason` is the detail, which else follows the text.
    """

    code: str
    text: str
    meaning: str
    remedy: str
    placeholders: Tuple[str, ...] = ("reason",)


_UNREACHABLE = "Backend service unreachable"
_FAILED = "Authentication failed"

ALL = (
    Denial(
        "rejected",
        _FAILED,
        "The server sent an Access-Reject and the user cannot be asked again.",
        "The server's own log says why. Its Reply-Message, if any, is in the reason and in the log.",
    ),
    Denial(
        "too-many-attempts",
        _FAILED + ", too many attempts",
        "`[auth] max_attempts` attempts failed: rejected by the server, or of no use to send.",
        "As for `rejected`; the log has one line for each attempt.",
    ),
    Denial(
        "too-many-rounds",
        _FAILED,
        "The server sent more than `[auth] max_challenges` Access-Challenges for one attempt.",
        "Raise `max_challenges` if the server's dialogue is really that long; otherwise the server asks in a loop.",
    ),
    Denial(
        "cannot-ask",
        _FAILED,
        "The server sent an Access-Challenge, or a `[question_N]` is due, in a protocol in which SPS cannot ask.",
        "Use push or one-step codes in this protocol, answer the challenge with `[challenge_answers]`, or add the "
        "protocol to `[auth] interactive_protocols` if SPS can ask there.",
    ),
    Denial(
        "no-username",
        "No user name given",
        "No user name is known, and the user cannot be asked or left the question empty.",
        "Have the client send one (`gu=NAME@...`), or use gateway authentication before the plugin.",
    ),
    Denial(
        "bad-username",
        "This user name cannot be used",
        "The name holds a control character or a path separator, begins or ends with white space, or is longer than "
        "253 octets.",
        "Have the user give the right name; look for scripts that send odd ones.",
    ),
    Denial(
        "bad-password",
        "This password cannot be used",
        "The password is longer than RADIUS carries (128 octets with PAP) or is not text.",
        "Have the user give the right password.",
    ),
    Denial(
        "no-reply",
        _UNREACHABLE,
        "No server answered in time.",
        "Check that the server runs, that UDP (TCP with tls) passes both ways, that the server lists this SPS as a "
        "client, and the shared secret: a server drops requests made with another secret without a word.",
    ),
    Denial(
        "port-closed",
        _UNREACHABLE,
        "The server's host said that nothing listens on this port.",
        "Check `[radius] port` and that the RADIUS service runs.",
    ),
    Denial(
        "name-lookup",
        _UNREACHABLE,
        "The server's name could not be resolved.",
        "Check `[radius] server` and the DNS servers of SPS.",
    ),
    Denial(
        "network",
        _UNREACHABLE,
        "The request could not be sent: no route, or refused by this host.",
        "Check the network settings of SPS; the log has the system's own words.",
    ),
    Denial(
        "wrong-secret",
        _UNREACHABLE,
        "Replies came whose authenticator did not verify: the shared secret probably differs.",
        "Set the same secret in `[radius] secret` and on the server. If it is the same, somebody forges replies.",
    ),
    Denial(
        "no-message-authenticator",
        _UNREACHABLE,
        "Replies came without a Message-Authenticator, so they could be forged (CVE-2024-3596, BlastRADIUS).",
        "Update the server, or have it send Message-Authenticator in every reply; "
        "`[radius] require_message_authenticator=no` accepts the risk.",
    ),
    Denial(
        "server-unproved",
        _UNREACHABLE,
        "With mschapv2, a server accepted the login without proving that it knows the password itself.",
        "The server must send MS-CHAP2-Success with every Access-Accept. If it does, somebody stands in for it.",
    ),
    Denial(
        "tls-certificate",
        _UNREACHABLE,
        "The server's certificate did not verify, or the server wants another certificate of SPS's than it got.",
        "The log says what is wrong: expired, another name, another CA, a client certificate wanted. Correct the "
        "certificate, or `[radius] ca_certificate`, `tls_server_name` and `client_certificate`.",
    ),
    Denial(
        "tls-failed",
        _UNREACHABLE,
        "A TLS connection to the server could not be made, or ended before the answer.",
        "The log says how. Check that `[radius] port` is that of RADIUS over TLS, that the server lists this SPS as a "
        "client, and the server's own log.",
    ),
    Denial(
        "bad-reply",
        _UNREACHABLE,
        "Replies came that are not valid RADIUS or do not belong to the request.",
        "The log says what was wrong with them. A middlebox or somebody on the way may be tampering.",
    ),
    Denial(
        "bad-configuration",
        "plugin configuration error",
        "The plugin's configuration has errors.",
        "The log lists every one as `[section] option`. Correct them under AA Plugin Configurations.",
    ),
    Denial(
        "locked",
        "Too many failed logins, try again in {minutes} min",
        "`[lockout] max_failures` logins of this user or from this address failed; the server was not asked.",
        "It ends by itself after `[lockout] duration`. Look in the log for who guesses.",
        ("reason", "minutes"),
    ),
    Denial(
        "user-busy",
        "Another login of this user is under way",
        "With `[auth] serialize_user`, another login of the user was not over before the time for this one was.",
        "Have the user answer or leave the other login; a script may log in many times at once.",
    ),
    Denial(
        "not-in-group",
        "You are not in a group that may log in here",
        "The server accepted the user with none of the groups in `[gateway_groups] require_any`.",
        "Put the user into a group on the server; the log has the groups that came.",
    ),
    Denial(
        "connection-limit",
        "Connection limit reached",
        "The user has `[connection_limit by=client_ip_gateway_user] limit` sessions from this address already, or "
        "they cannot be counted.",
        "Close sessions or raise the limit. If the log says that it cannot be checked, a lock file was left behind.",
    ),
    Denial(
        "internal-error",
        "Internal error in the plugin",
        "Something failed that should not.",
        "The log has the kind of error and the place in the code: please report it.",
    ),
)

DENIALS: Dict[str, Denial] = {denial.code: denial for denial in ALL}


def markdown_table() -> str:
    """Return the table of all codes as docs/troubleshooting.md shows it."""
    rows = ["| Code | The user reads | What happened | What to do |", "| --- | --- | --- | --- |"]
    rows += ["| `{0.code}` | {0.text} | {0.meaning} | {0.remedy} |".format(denial) for denial in ALL]
    return "\n".join(rows) + "\n"
