"""Every line that the plugin logs, declared once: its level, its text, and what it means or what to do about it.

The string after a declaration is its description, and `# ...` heads the declarations of one table: the tables in
docs/troubleshooting.md are made from this source, and a hook does not load the descriptions.

A line reads `<subject> <verb> <object>: <cause>`, and starts with fixed text. Names in braces are its fields: make
what users, servers or the system wrote safe with lib.text before it is filled in.
"""

from .log_line import Cause, Line

INFO, WARNING, ERROR = 20, 30, 40  # as in logging

_LOGIN = (
    "user={user} client={client} protocol={protocol} connection={connection} server={server} method={method} "
    "verdict={verdict} code={code} attempts={attempts} challenges={challenges} seconds={seconds}"
)

# Every session

STARTED = Line(INFO, "SPS_RADIUS {version}")
"""The plugin has started to process a session."""
REPLY = Line(INFO, "RADIUS: {reply} for {user} from [{section}] {server} after {seconds:.3f} s and {sent}: {text}")
"""A verified reply: Access-Accept, Access-Reject, or Access-Challenge. `{user}` is the User-Name that was sent. For an
Access-Reject, the text is its Reply-Message; the server's own log has more. For other replies, the line gives only the
length of the text, because a challenge may contain a new PIN."""
GROUPS = Line(INFO, "Groups of {user}: {groups}")
"""The groups that `[gateway_groups]` extracted from the Access-Accept."""
LOGIN_ACCEPTED = Line(INFO, "Login accepted: " + _LOGIN + " recovery={recovery}")
"""The login ended, and the user was admitted: see [Monitoring](monitoring.md#one-line-for-each-login) for the keys."""
LOGIN_DENIED = Line(WARNING, "Login denied: " + _LOGIN + " reason={reason}")
"""The login ended, and the user read this reason. For `code`, see [By deny code](#by-deny-code)."""
LOGIN_UNFINISHED = Line(INFO, "Login unfinished: " + _LOGIN)
"""The session ended before the plugin accepted or denied it: the user left, or the target server was unreachable. If
`user` and `client` are empty, SPS stopped a hook at its time limit."""
ENDED = Line(INFO, "Session ended: user={user} duration={seconds} s")
"""The session ended, with the time since its login began."""
COOKIE_DISCARDED = Line(WARNING, "Cookie discarded: made by another version or plugin")
"""The plugin was replaced during this session. A login in progress starts over."""

# Configuration

CONFIGURATION_ERROR = Line(ERROR, "Configuration error: {cause}")
"""An error that this table does not list. The line names section and option. If it has a text of the SDK instead, SPS
probably does not have the named policy (User List, LDAP Server)."""
CONFIGURATION_WARNING = Line(WARNING, "Configuration warning: {cause}")
"""A warning that this table does not list. The line names section and option."""
OPTION_ERROR = Cause(CONFIGURATION_ERROR, "[{section}] {option}: {cause}")
OPTION_WARNING = Cause(CONFIGURATION_WARNING, "[{section}] {option}: {cause}")
SECTION_WARNING = Cause(CONFIGURATION_WARNING, "[{section}]: {cause}")
LINE_ERROR = Cause(CONFIGURATION_ERROR, "line {number}: {cause}")
MISSING = Cause(OPTION_ERROR, "is missing")
"""Set the option."""
EXPECTED = Cause(OPTION_ERROR, "expected {values}")
"""Set the option to a valid value: see [Configuration](configuration.md)."""
GIVEN_TWICE = Cause(OPTION_ERROR, "given twice, again in line {number}")
"""Keep one of the two lines."""
NOT_AN_OPTION = Cause(LINE_ERROR, "is not `option = value`")
"""Correct the line. It may be the remainder of an old value that continued there."""
INDENTED = Cause(
    LINE_ERROR, "is indented, so it belongs to the value above: remove the indentation, or write the value on one line"
)
"""Remove the white space at the beginning of the line. Only PEM continues on indented lines."""
MISPLACED_PEM = Cause(LINE_ERROR, "is PEM, which is a value of ca_certificate or client_certificate only")
"""Put the certificate or the key after `ca_certificate=` or `client_certificate=` in the section of the server."""
AFTER_HEADER = Cause(LINE_ERROR, "has text after [section]: it needs a line of its own")
"""Move the text to the next line."""
MISPLACED_OPTION = Cause(OPTION_ERROR, "is an option of [{home}]; move it there")
"""The sections with names of your own, such as `[gateway_groups map]`, contain no options: each line starts with a name
or a pattern. In `[challenge_answers]`, this is a warning."""
BEFORE_FIRST_SECTION = Cause(LINE_ERROR, "is before the first [section]")
"""Move the line into a section."""
NO_STORE = Cause(OPTION_ERROR, "`$` requires [credential_store] name")
"""Set `[credential_store] name` to the local Credential Store. For a literal dollar sign, write `$$`."""
NOT_IN_STORE = Cause(OPTION_ERROR, "the Credential Store has no {kind} for host={section} user={option}")
"""Add a password, or for `client_certificate` a certificate, for this host and user to the Credential Store."""
STORE_FAILED = Cause(OPTION_ERROR, "the Credential Store failed: {error}")
"""`LocalCredentialStoreNotFound`: SPS has no local Credential Store with the name in `[credential_store]`."""
UNKNOWN_OPTION = Cause(OPTION_WARNING, "unknown option{advice}")
"""Correct the name. A misspelled option has no effect. In `[gateway_groups]`, `[lockout]`, and `[accounting]`, it is an
error, as in every section that decides who is admitted."""
UNKNOWN_SECTION = Cause(SECTION_WARNING, "unknown section{advice}")
"""Correct the name. The plugin ignores everything in the section. It is an error if the name is similar to that of a
section that decides who is admitted."""
EXCEEDS_PLUGIN_LIMIT = Cause(
    OPTION_WARNING, "the servers' timeouts add up to {seconds:g} s; SPS stops a plugin after {limit:g} s"
)
"""Reduce the wait for each server. Otherwise the session may end before the user sees a reason."""
EXCEEDS_TOTAL_TIMEOUT = Cause(
    OPTION_WARNING, "times conn_retries is {seconds:g} s, but total_timeout ends the wait after {limit:g} s"
)
"""Raise `total_timeout`, or reduce the wait for the server."""
CACHE_WITHOUT_EFFECT = Cause(OPTION_WARNING, "has no effect with [gateway_groups]: the cache does not keep groups")
"""Remove the cache or the groups."""
DICTIONARY_WITHOUT_EFFECT = Cause(OPTION_WARNING, "has no effect: the dictionary is built into the plugin")
"""Remove the option. Define your own attributes in `[radius_dictionary]`."""
RECOVERY_WITHOUT_EFFECT = Cause(
    SECTION_WARNING, "has no effect with [gateway_groups] required_groups: a recovery code brings no groups"
)
"""Remove `required_groups`, or the recovery codes."""
NO_LDAP_SERVER = Cause(SECTION_WARNING, "has no effect without [ldap_server] name")
"""Set `[ldap_server] name` to the LDAP Server policy."""
INCOMPLETE = Cause(SECTION_WARNING, "has no effect without {option}")
"""Set the option, or remove the section. A whitelist without it admits nobody."""
NEVER_ASKED = Cause(SECTION_WARNING, "is never asked: {cause}")
"""A question needs a `prompt` and a `key` of its own, and every question with a lower number."""
CAPPED = Cause(OPTION_WARNING, "is above the maximum; the plugin uses {limit:g}")
"""Set the option to the maximum or less."""
IN_QUOTES = Cause(OPTION_WARNING, "is in quotes, which are part of the value")
"""Remove the quotes, unless they belong to the value. Quotes are removed from names in a list with commas, and from a
value with white space at its ends."""
WITH_COMMENT = Cause(OPTION_WARNING, "seems to end in a comment, which is part of the value")
"""There are no inline comments: a comment needs a line of its own."""
INVISIBLE = Cause(OPTION_WARNING, "contains the invisible character {code}")
"""The character was probably copied from a document or a web page. Retype the value, or use the same character on the
server."""
LITERAL_DOLLAR = Cause(OPTION_WARNING, "is `$`, which is not looked up in the Credential Store in this section")
"""Write the value itself, or remove the line."""
WHITE_SPACE = Cause(OPTION_WARNING, "begins or ends with white space ({code})")
"""The value in the Credential Store has white space that the server's value probably lacks. Store it again without the
white space. The plugin removes line breaks at the end."""
SEMICOLON = Cause(OPTION_WARNING, "contains a semicolon, which does not separate names")
"""Separate the names with commas."""
DN_SPLIT = Cause(OPTION_WARNING, "contains a distinguished name, whose commas separate names")
"""Put a name that contains commas in double quotes. In `[whitelist source=ldap_server_group] except`, write the name of
the group alone, because the SDK does not support quotes."""
NO_BACKSLASH = Cause(OPTION_WARNING, "has no separator at its end, such as the backslash after a domain")
"""The plugin sends the text directly before the name. A domain is `CORP\\`, with one backslash."""
TWO_BACKSLASHES = Cause(OPTION_WARNING, "contains two backslashes, and both are sent")
"""Write one backslash."""
NO_AT_SIGN = Cause(OPTION_WARNING, "has no separator at its beginning, such as the `@` before a realm")
"""The plugin sends the text directly after the name. A realm is `@example.com`."""
SECOND_AT_SIGN = Cause(OPTION_WARNING, "begins with `@`, and the SDK adds another")
"""Write the domain without `@`."""
KEEPS_SUFFIX = Cause(OPTION_WARNING, "is not `true`: the suffix stays")
"""Write `true` to remove the suffix, or `false` to keep it. The SDK treats every word except `true`, in lower case, as
`false`."""
UNMAPPED_GROUP = Cause(OPTION_WARNING, "with unmapped=drop, no line of [gateway_groups map] makes {which}")
"""Nobody can have such a group. Add a line to `[gateway_groups map]` that makes the group, or set `unmapped=keep`."""
REPLIES_CAN_BE_FORGED = Line(
    WARNING, "Replies from [{section}] can be forged: require_message_authenticator=no (CVE-2024-3596)"
)
"""Update the server, then remove the option: see [Security](security.md#blastradius)."""
ACCEPTS_CAN_BE_FORGED = Line(WARNING, "Access-Accepts from [{section}] can be forged: require_tunnel_keys=no")
"""Let the proxy pass the keys through, then remove the option: see [Security](security.md#logins-in-a-tunnel)."""
USER_NOT_AUTHENTICATED = Line(
    WARNING, "SPS has not authenticated the user: a whitelist or the authentication cache relies on the user name"
)
"""Use gateway authentication before this plugin. Otherwise anybody can type a name that does not need a RADIUS
login."""

# Servers

NO_SERVER_ANSWERED = Line(ERROR, "RADIUS: {cause}")
SERVER_FAILED = Line(WARNING, "RADIUS: {cause}")
ATTEMPT = Cause(NO_SERVER_ANSWERED, "{server}: {cause}")
NO_RESPONSE = Cause(ATTEMPT, "no response to {sent}")
"""Over TLS, the server accepted the connection and did not answer: read its log. Otherwise, see the next line."""
NO_RESPONSE_TO_STATUS = Cause(ATTEMPT, "no response to {sent} or to Status-Server")
"""The same, and Status-Server did not help to tell whether the server is up. Many servers never answer Status-Server;
for those, set `status_check=none`."""
POSSIBLE_CAUSES = Cause(
    ATTEMPT,
    "{failure}: server down, packets lost or filtered, this SPS not among its clients, or shared secret differs",
)
"""`{failure}` is one of the two lines above. RADIUS cannot tell these causes apart. Check that the server runs, that
UDP passes in both directions, that the server lists this SPS as a client with the address that its packets come from,
and that both sides have the same shared secret; the server's own log may say which. A server with several addresses may
reply from the wrong one: `servers FILE` shows it. If users need time for a phone, raise `conn_timeout`."""
STATUS_ANSWERED = Cause(ATTEMPT, "{failure}, but Status-Server was answered")
"""`{failure}` is a line above, or with TLS `the server closed the connection`. The server is up, knows SPS, and has the
right secret. It was slow or waited for the user: raise `conn_timeout`, and read the server's log."""
OTHERS_ANSWERED = Cause(ATTEMPT, "{failure}, but other requests were answered")
"""`{failure}` is a line above. The server is up: in the meantime it answered another login. For the causes, see the
line above."""
CONNECTION_REFUSED = Cause(ATTEMPT, "connection refused")
"""Check `port`, and check that the RADIUS service runs. The plugin tries a refused port again: once if another server
is left, else until `conn_timeout` has passed."""
RESOLUTION_FAILED = Cause(ATTEMPT, "name resolution failed: {error}")
"""Check `server` and the DNS servers of SPS, or use an address."""
TOO_MANY_ADDRESSES = Cause(ATTEMPT, "only the first {limit} of {count} addresses are asked")
"""Use a name that resolves only to addresses of RADIUS servers."""
MD5_DISABLED = Cause(ATTEMPT, "MD5 is disabled on this system")
"""SPS runs in FIPS mode: see `fips` in [By deny code](#by-deny-code)."""
CANNOT_SEND = Cause(ATTEMPT, "cannot send: {error}")
"""The error text of the system. Common causes: no route, a firewall on SPS or on the way, or a `source_ip` that SPS
does not have."""
NOT_TRIED = Cause(ATTEMPT, "not tried: total_timeout exhausted")
"""The previous servers used up `total_timeout`."""
MUTUAL_AUTH_FAILED = Cause(ATTEMPT, "MS-CHAP2-Success missing or invalid")
"""With `auth_type=mschapv2`, the plugin denies a login if the Access-Accept lacks this proof. Configure the server to
send it, or use another `auth_type`."""
ORIGIN_GONE = Line(WARNING, "Login starts over: the server that sent the challenge is no longer configured")
"""The configuration changed during a login. No action is needed."""

# Servers over TLS

CERTIFICATE_REFUSED = Cause(ATTEMPT, "the server's certificate {error}")
"""Expired or not yet valid: renew it, and check the clocks. Does not match: `server` or `tls_server_name` must be a
name in the certificate. Not issued by a CA in `ca_certificate`: add the CA that issued it. Not a server certificate:
issue one for a server."""
CERTIFICATE_REQUIRED = Cause(ATTEMPT, "the server requires a client certificate")
"""Set `client_certificate` to a certificate from a CA that the server trusts."""
HANDSHAKE_REJECTED = Cause(ATTEMPT, "the server rejected the handshake; it may require a client certificate")
"""Set `client_certificate` to a certificate from a CA that the server trusts. The server's own log has more."""
CLIENT_CERTIFICATE_REJECTED = Cause(ATTEMPT, "the server rejected the client certificate: {alert}")
"""The `client_certificate` has expired or comes from a CA that the server does not trust."""
CLIENT_REJECTED = Cause(ATTEMPT, "the server rejected the connection: {alert}")
"""The server rejects SPS itself: set `client_certificate`, or read the server's log."""
ENDED_DURING_HANDSHAKE = Cause(ATTEMPT, "{ended} during the TLS handshake")
"""`{ended}` is `the server closed the connection` or `the server reset the connection`. Many servers do this with
clients that they do not list: check that the server lists this SPS, with the address that it connects from. Or the
server has reached its limit of connections: see [FreeRADIUS](servers/freeradius.md#radius-over-tls)."""
MAY_REQUIRE_CERTIFICATE = Cause(ATTEMPT, "{ended}; it may require a client certificate")
"""The causes are the same as for `during the TLS handshake` above, or the server requires a `client_certificate`. The
server's own log shows which."""
MAY_REJECT_CERTIFICATE = Cause(ATTEMPT, "{ended}; it may not accept this client certificate")
"""The causes are the same as for `during the TLS handshake` above, or the server rejects the `client_certificate`. The
server's own log shows which."""
ENDED_AFTER_STATUS = Cause(ATTEMPT, "{ended} after Status-Server; if it always does, set status_check=none")
"""The server does not support Status-Server over TLS. If it closes the connection without it too, the causes are the
same as for the two lines above."""
NOT_TLS = Cause(ATTEMPT, "reply is not TLS; check that the port is that of RADIUS over TLS")
"""Correct `port`. Most servers use 2083."""
NOT_RADIUS_PORT = Cause(ATTEMPT, "the server does not offer RADIUS on this port")
"""Correct `port`. Most servers use 2083."""
TLS_TOO_OLD = Cause(ATTEMPT, "the server supports neither TLS 1.2 nor TLS 1.3")
"""Update the server, or allow TLS 1.2 there."""
RADIUS_1_1_WITHOUT_TLS_1_3 = Cause(
    ATTEMPT, "the server selected RADIUS/1.1 over {version}, but RADIUS/1.1 requires TLS 1.3"
)
"""The server violates RFC 9765. Allow TLS 1.3 there."""
TCP_TIMED_OUT = Cause(ATTEMPT, "TCP connection timed out")
"""Check that TCP passes to this port. If the network is slow, raise `connect_timeout`."""
HANDSHAKE_TIMED_OUT = Cause(ATTEMPT, "TLS handshake timed out")
"""The port does not belong to a RADIUS server with TLS, or the server is overloaded."""
TLS_ERROR = Cause(ATTEMPT, "TLS error: {error}")
"""The error text of OpenSSL."""
CONNECTION_CLOSED = Cause(ATTEMPT, "connection closed because of an invalid reply")
"""The previous line says which reply the plugin discarded. Over TLS, only the server can have sent it."""
CERTIFICATE_UNUSABLE = Cause(ATTEMPT, "{option} cannot be used: {error}")
"""The value of `ca_certificate` or `client_certificate` is damaged, or the key does not match the certificate."""
NO_MATCHING_NAME = Cause(ATTEMPT, "no certificate can match the name {name}")
"""Correct `server` or `tls_server_name`."""

# Tunneled logins

KEYS_MISSING = Cause(ATTEMPT, "Access-Accept contains no keys of the tunnel")
"""The server does not send MS-MPPE-Recv-Key and MS-MPPE-Send-Key, a proxy removes them, or the Access-Accept is forged.
Configure the server or the proxy; `require_tunnel_keys=no` accepts the risk."""
KEYS_DIFFER = Cause(ATTEMPT, "Access-Accept contains keys other than those of the tunnel")
"""The Access-Accept does not come from the end of the tunnel. Look for an attacker, or a proxy that changes replies."""
KEYS_UNCHECKED = Cause(ATTEMPT, "keys of the tunnel not checked: pyOpenSSL is not installed")
"""SPS has pyOpenSSL. If it is missing there, the login is denied unless `require_tunnel_keys=no`. Elsewhere, `try`
continues without this check: install pyOpenSSL to include it."""
EAP_MISSING = Cause(ATTEMPT, "reply contains no EAP-Message")
"""The server processed the request without EAP, or the reply is forged. Enable EAP for this client on the server."""
EAP_UNPROVED = Cause(ATTEMPT, "no valid proof from the server: {cause}")
"""Inside the tunnel, the server must prove that it knows the password, and with PEAP confirm the result."""
EAP_NOT_SUCCESS = Cause(EAP_UNPROVED, "Access-Accept contains no EAP-Success")
"""A defect of the server or of a proxy, or a forgery: the plugin denies the login."""
EAP_UNFINISHED = Cause(EAP_UNPROVED, "Access-Accept before the end of the tunneled login")
"""The server has not proved itself, so the plugin denies the login. Look for a proxy or an attacker."""
EAP_MALFORMED = Cause(ATTEMPT, "protocol error in EAP: {cause}")
"""A defect of the server or of a proxy."""
EAP_METHOD_REFUSED = Cause(EAP_MALFORMED, "the server refuses the EAP method of auth_type")
"""Enable the method on the server, or set `auth_type` to one that the server offers."""
EAP_TOO_MANY_ROUNDS = Cause(EAP_MALFORMED, "too many rounds of EAP")
"""The server is in a loop: read its log."""
EXPORTER_MISSING = Cause(ATTEMPT, "ttls-mschapv2 requires pyOpenSSL")
"""SPS has pyOpenSSL. To use `try` elsewhere, install it there."""
TUNNEL_CLOSED = Cause(ATTEMPT, "the server closed the tunnel")
"""The server does not accept the login or its certificate, or does not support the method: read its log."""

# Discarded replies

DISCARDED = Cause(ATTEMPT, "discarded {replies}: {cause}")
STATUS_FLAWED = Cause(ATTEMPT, "{replies} to Status-Server invalid: {cause}")
"""`{cause}` is one of those below. The login is not affected, but the plugin may mistake a slow server for a dead
one."""
WRONG_AUTHENTICATOR = Cause(DISCARDED, "wrong Response Authenticator; the shared secret probably differs")
"""Set the same secret on both sides. Look for white space at its end, and for non-ASCII letters that the server stores
in an encoding other than UTF-8."""
WRONG_MESSAGE_AUTHENTICATOR = Cause(DISCARDED, "wrong Message-Authenticator")
"""Set the same secret on both sides. If it is the same, a proxy on the path changes packets."""
MISSING_MESSAGE_AUTHENTICATOR = Cause(DISCARDED, "no Message-Authenticator")
"""Update the server, or configure it to sign every reply: see the page of your server.
`require_message_authenticator=no` accepts the risk."""
UNEXPECTED_PROXY_STATE = Cause(DISCARDED, "unexpected Proxy-State, a sign of a BlastRADIUS forgery")
"""Look for an attacker on the network between SPS and the server."""
MALFORMED_MESSAGE_AUTHENTICATOR = Cause(DISCARDED, "two Message-Authenticators, or one of the wrong length")
"""A defect of the server or of a proxy, or a forgery."""
UNEXPECTED_IDENTIFIER = Cause(DISCARDED, "unexpected identifier")
"""Late replies to an earlier request are harmless. A large number may be an attempt to guess the identifier."""
UNEXPECTED_TOKEN = Cause(DISCARDED, "unexpected Token")
"""A defect of a server that uses RADIUS/1.1: the reply belongs to no request."""
UNEXPECTED_CODE = Cause(DISCARDED, "unexpected code")
"""The port belongs to a different RADIUS service, such as accounting."""
MALFORMED_HEADER = Cause(DISCARDED, "malformed header or length")
"""The service on this port is not RADIUS, or packets are damaged on the way."""
MALFORMED_ATTRIBUTES = Cause(DISCARDED, "malformed attributes")
"""The service on this port is not RADIUS, or packets are damaged on the way."""
NOT_RECORDED = Cause(DISCARDED, "Error-Cause reports that nothing was recorded")
"""The accounting server refused the record, which stays in the queue: read the server's log."""

# Users

NAME_IGNORED = Line(WARNING, "Ignored user name {name} typed by user {user}: {cause}")
OVERRIDE_OFF = Cause(NAME_IGNORED, "[username] allow_override is no")
"""`ru=` cannot change the user. `allow_override=yes` allows it to change the RADIUS User-Name."""
OVERRIDE_UNAUTHENTICATED = Cause(NAME_IGNORED, "SPS has not authenticated the user")
"""`allow_override=yes` applies only to users that SPS has authenticated. This user typed both names."""
OVERRIDDEN = Line(INFO, "User {user} requested RADIUS User-Name {name}: [username] allow_override is yes")
"""For information. The user has set another User-Name with `ru=`."""
REQUEST_NOT_SENT = Line(WARNING, "Request for user {user} not sent: {error}")
"""The name or the password is too long for RADIUS or is not text. If the line names `[radius_attributes]`, a value does
not fit the attribute in this session: shorten it, or if no policy of the server needs the attribute, mark it as
optional with `?`, as in `Cisco-AVPair? = ...`."""
RECOVERY_CODE_ACCEPTED = Line(
    WARNING, "Recovery code accepted for user {user}: no server responded; codes left: {left}"
)
"""The user logged in with a [recovery code](configuration.md#recovery-codes). Check that the login was legitimate, and
remove the line of the code."""
RECOVERY_CODES_RUNNING_LOW = Line(WARNING, "Recovery codes running low for user {user}: codes left: {left}")
"""Make new codes for the user: see [Recovery codes](configuration.md#recovery-codes)."""
RECOVERY_CODE_REFUSED = Line(WARNING, "Recovery code refused for user {user}: {cause}")
RECOVERY_CODE_WRONG = Cause(RECOVERY_CODE_REFUSED, "no line of [recovery_codes] matches it")
"""The user mistyped the code, or it is not one of this user's codes. Many such lines are an attempt to guess."""
RECOVERY_CODE_USED = Cause(RECOVERY_CODE_REFUSED, "it was used before")
"""Each code is valid once. Find out who used it first: it may have been stolen."""
GROUPS_WARNING = Line(WARNING, "Groups of {user}: {cause}")
PATTERN_TIMED_OUT = Cause(GROUPS_WARNING, "no groups: [gateway_groups] pattern takes too long")
r"""The regular expression has too many ways to match, as in `(\w+)+`. Remove repetitions inside repetitions."""
ANSWERED = Line(INFO, "Challenge answered by [challenge_answers] {place}")
"""For information. The user was not asked."""
ANSWER_SKIPPED = Line(WARNING, "Automatic answer skipped: [challenge_answers] {place}: pattern takes too long")
"""The regular expression in this line has too many ways to match. The plugin tries the next line, or asks the user."""
NO_GROUP = Cause(GROUPS_WARNING, "no group in {values}")
"""`[gateway_groups] pattern` does not match the values, or they are empty."""
GROUP_ATTRIBUTE_MISSING = Cause(GROUPS_WARNING, "the server sent no {names}")
"""Configure the server to send one of the attributes in `[gateway_groups] attribute` for this user, or correct that
option."""
REQUIRED_GROUP_MISSING = Cause(GROUPS_WARNING, "no required group: expected one of {expected}, received {received}")
"""The plugin denied the session. Add the user to a required group on the server, or correct `[gateway_groups]
required_groups`, which is case-sensitive and uses the names after renaming."""
GROUPS_NOT_MAPPED = Cause(GROUPS_WARNING, "not mapped: {names}")
"""With `unmapped=drop`, each of these names needs a line in `[gateway_groups map]`."""
GROUPS_NOT_DECODED = Cause(GROUPS_WARNING, "discarded {number} of {values}: not {encoding}")
"""Configure the server to send text in UTF-8, or set `[gateway_groups] encoding` to what it sends."""
GROUPS_WITH_CONTROLS = Cause(GROUPS_WARNING, "discarded {number} of {values}: with control characters")
"""Configure the server to send text without control characters."""
BINARY_CLASS = Line(INFO, "Ignored binary Class of user {user}: another value is text")
"""Servers such as NPS send a Class of their own in addition to that of the policy. No action is needed, unless a group
is missing: then see `[gateway_groups] encoding`."""
ATTRIBUTE_OMITTED = Line(WARNING, "Request omits [radius_attributes] {place}: {error}")
"""The value does not fit the attribute in this session. The plugin sent the request without the attribute, because the
attribute is optional (`?`) or the request is for accounting."""
WHITELIST_EXCEPTION = Line(INFO, "Whitelist not used for user {user}: the User List policy makes an exception")
"""The policy allows all users except some, and this user is one of them, possibly in another spelling. The user must
log in."""

# State directories

STATE_DIRECTORY_UNAVAILABLE = Line(WARNING, "State directory unavailable: {error}")
"""The plugin cannot create a directory. Server status, locks, lockout, and the accounting queue are off, and recovery
codes are refused."""
STATUS_NOT_SHARED = Line(WARNING, "Server status is not shared between logins: {cause}")
"""Each login has to detect dead servers again."""
LOCKOUT_CANNOT_COUNT = Line(WARNING, "Lockout cannot count failed logins: {cause}")
"""`[lockout]` is off until this is fixed."""
RECOVERY_CODES_UNUSABLE = Line(WARNING, "Recovery codes cannot be used: {cause}")
"""The plugin cannot record that the code is used, and denies the login."""
LOGINS_DO_NOT_WAIT = Line(WARNING, "Logins of one user do not wait for each other: {cause}")
"""`[auth] serialize_user` is off until this is fixed."""
CACHE_FROM_FUTURE = Line(WARNING, "Cached login ignored for user {user}: its time is in the future")
"""The clock was set back. The user must log in."""
CACHE_UNAVAILABLE = Line(WARNING, "Authentication cache unavailable: {error}")
"""Users must log in every time."""
LIMIT_NOT_CHECKED = Line(ERROR, "Connection limit not checked: {error}")
"""The plugin denies such sessions. A process that was killed may have left a lock file behind."""
LIMIT_NOT_COUNTED_DOWN = Line(WARNING, "Connection limit not counted down: {error}")
"""The session has ended, but may count as open until SPS restarts."""

# Accounting

QUEUE_CANNOT_KEEP = Line(WARNING, "Accounting queue cannot keep records: {cause}")
"""Check the disk of SPS. The plugin sends each record once; if no server answers, the record is lost."""
QUEUE_REMOVED_FILES = Line(WARNING, "Accounting queue removed files: no accounting records in accounting/")
"""The plugin does not send damaged files."""
QUEUE_DROPPED_RECORDS = Line(WARNING, "Accounting queue dropped records: {count} too old, or too many in the queue")
"""No server acknowledged them within 7 days, or more than 1,000 were waiting. Check the accounting servers."""
ACCOUNTING_FAILED = Line(ERROR, "Accounting failed: {error}")
"""Please report this. The login was not affected."""

# Defects

INTERNAL_ERROR = Line(ERROR, "Internal error: {error}")
"""Please report this, including the place in the code. The plugin denied the session."""
