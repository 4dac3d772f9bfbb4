"""The configuration for each product, which `new` prints and docs/servers/ shows."""

import re
from typing import Mapping, Sequence

from ..config.options import TUNNELED
from ..config.value_types import is_address
from ..namedtuple import NamedTuple


class Preset(NamedTuple):
    """A product in one of its modes.

    page: the page about it in docs/servers/.
    server: the host name in examples.
    radius: the lines that follow `server` in [radius].
    sections: the further sections, without [credential_store].
    """

    product: str
    page: str
    server: str
    radius: str
    sections: str = ""


DEFAULT_STORE = "my_store"
_PORT = re.compile("(?m)^port=.*\n")

_SHARED = """\
# In the Credential Store below: host radius, user secret.
secret=$
"""
_PUSH = """\
# Wait up to 25 s x 3, so that users can reach their phones.
conn_timeout=25
conn_retries=3
"""
_FIRST_PROMPT = """\
[auth]
prompt=Password:
"""
_PIN = """\
[auth]
prompt=PIN and code, or PIN alone:
"""
_COMMA_PROMPT = """\
[auth]
prompt=Password, or password,code:
"""
_CA = """\
# The trusted CA list on SPS with the CA of the server.
ca_certificate=$[radius_ca]
"""
_PAP = (
    _SHARED
    + """\
# The server supports neither CHAP nor MS-CHAPv2.
auth_type=pap
"""
)
_NPS = (
    _PUSH
    + """\
# NPS does not answer Status-Server.
status_check=none
"""
)
_NPS_AUTH = (
    _FIRST_PROMPT
    + """\
# The extension can discard a second login within 10 s of the first: process logins one at a time.
serialize_user=yes
"""
)
_DUO = (
    _SHARED
    + _PUSH
    + """\
# The proxy ignores Status-Server.
status_check=none
"""
)

PRESETS: Mapping[str, Preset] = {
    "freeradius": Preset(
        "FreeRADIUS",
        "freeradius",
        "radius.example.com",
        _SHARED
        + """\
# Wait 12 s x 3: slightly longer than max_request_time of the server, for push.
conn_timeout=12
conn_retries=3
""",
    ),
    "freeradius-tls": Preset(
        "FreeRADIUS over TLS",
        "freeradius",
        "radius.example.com",
        """\
# RADIUS over TLS, by default on port 2083. The secret is always radsec.
transport=tls
"""
        + _CA
        + """\
# The X.509 key in the Credential Store below: host radius, user client_certificate.
client_certificate=$
conn_timeout=12
conn_retries=3
""",
    ),
    "freeradius-tunnel": Preset(
        "FreeRADIUS with EAP-TTLS",
        "freeradius",
        "radius.example.com",
        _SHARED
        + """\
# The password goes through a TLS tunnel to the server.
auth_type=ttls-pap
"""
        + _CA
        + """\
conn_timeout=12
conn_retries=3
""",
    ),
    "nps": Preset(
        "NPS with Entra MFA",
        "nps",
        "nps.example.com",
        _SHARED
        + """\
# pap for codes; mschapv2 for approvals and phone calls only.
auth_type=pap
"""
        + _NPS,
        _NPS_AUTH,
    ),
    "nps-tunnel": Preset(
        "NPS with Entra MFA and PEAP",
        "nps",
        "nps.example.com",
        _SHARED
        + """\
# For approvals and phone calls only: codes require pap.
auth_type=peap-mschapv2
"""
        + _CA
        + _NPS,
        _NPS_AUTH,
    ),
    "rsa": Preset(
        "RSA Authentication Manager",
        "rsa",
        "am.example.com",
        _SHARED,
        """\
[auth]
# The PIN followed by the tokencode.
prompt=Passcode:
""",
    ),
    "duo-only": Preset(
        "Duo Authentication Proxy, section radius_server_duo_only",
        "duo",
        "duo.example.com",
        _DUO,
        """\
[auth]
prompt=Type a passcode, or press Enter for Duo Push, then approve it on your device:
# Sent if the user only presses Enter, because the proxy refuses an empty password.
push_password=push
""",
    ),
    "duo-auto": Preset(
        "Duo Authentication Proxy, section radius_server_auto",
        "duo",
        "duo.example.com",
        _DUO,
        """\
[auth]
# The password alone lets Duo choose the factor.
prompt=Password, or password,passcode:
""",
    ),
    "duo-challenge": Preset(
        "Duo Authentication Proxy, section radius_server_challenge",
        "duo",
        "duo.example.com",
        _DUO,
        _FIRST_PROMPT
        + """\
[challenge_answers]
# Choose push for every user who has it as the first choice. Without this line, users choose.
1\\. Duo Push = 1
""",
    ),
    "duo-concat": Preset(
        "Duo Authentication Proxy, section radius_server_concat",
        "duo",
        "duo.example.com",
        _DUO,
        """\
[auth]
prompt=Password followed by passcode:
""",
    ),
    "okta": Preset(
        "Okta RADIUS agent",
        "okta",
        "okta-agent.example.com",
        _SHARED
        + """\
# The port of the RADIUS application in Okta.
port=1812
# The agent supports no other method without a tunnel.
auth_type=pap
"""
        + _PUSH,
        _FIRST_PROMPT,
    ),
    "okta-tunnel": Preset(
        "Okta RADIUS agent with EAP-TTLS",
        "okta",
        "okta-agent.example.com",
        _SHARED
        + """\
# The port of the RADIUS application in Okta.
port=1812
# The agent supports only PAP inside the tunnel.
auth_type=ttls-pap
"""
        + _CA
        + _PUSH,
        """\
[auth]
# A challenge is not possible: Okta sends the push at once, or reads the code after a comma.
prompt=Password, or password,passcode:
""",
    ),
    "privacyidea": Preset(
        "privacyIDEA",
        "privacyidea",
        "radius.example.com",
        _PAP + _PUSH,
        _PIN,
    ),
    "edumfa": Preset("eduMFA", "privacyidea", "radius.example.com", _PAP + _PUSH, _PIN),
    "linotp": Preset("LinOTP", "privacyidea", "radius.example.com", _PAP + _PUSH, _PIN),
    "fortiauthenticator": Preset(
        "FortiAuthenticator", "fortiauthenticator", "fac.example.com", _SHARED + _PUSH, _FIRST_PROMPT
    ),
    "safenet": Preset(
        "Thales SafeNet Trusted Access",
        "safenet",
        "radius.example.com",
        _SHARED + _PUSH,
        """\
[auth]
prompt=Type a passcode, or press Enter for push, then approve it on your device:
# Sent if the user only presses Enter: this letter requests a push.
push_password=p
""",
    ),
    "pingid": Preset(
        "PingID",
        "pingid",
        "pingfederate.example.com",
        _SHARED + _PUSH,
        """\
[auth]
# The password alone leads to a push or a challenge.
prompt=Password, or password,passcode:
""",
    ),
    "symantec-vip": Preset(
        "Symantec VIP Enterprise Gateway",
        "symantec-vip",
        "vip.example.com",
        _PAP + _PUSH,
        """\
[auth]
# For the mode User ID - Security Code. For the others, name the password or the PIN too.
prompt=Security code:
""",
    ),
    "onelogin": Preset("OneLogin", "onelogin", "radius.example.com", _PAP + _PUSH, _COMMA_PROMPT),
    "jumpcloud": Preset("JumpCloud", "jumpcloud", "radius.example.com", _SHARED + _PUSH, _COMMA_PROMPT),
    "jumpcloud-tunnel": Preset(
        "JumpCloud with EAP-TTLS",
        "jumpcloud",
        "radius.example.com",
        _SHARED
        + """\
# The password goes through a TLS tunnel to JumpCloud.
auth_type=ttls-pap
tls_server_name=radius.jumpcloud.com
"""
        + _CA
        + _PUSH,
        _COMMA_PROMPT,
    ),
    "cisco-ise": Preset("Cisco ISE", "cisco-ise", "ise.example.com", _SHARED + _PUSH, _FIRST_PROMPT),
}


def configuration(preset: Preset, servers: Sequence[str] = (), store: str = DEFAULT_STORE, port: str = "") -> str:
    """Return the configuration for these servers, by default that of the example and the port of the product."""
    servers = servers or (preset.server,)
    has_tunnel = any(f"auth_type={method}\n" in preset.radius for method in TUNNELED)
    needs_name = has_tunnel and "tls_server_name=" not in preset.radius and any(map(is_address, servers))
    first, *others = (_server(preset, server, needs_name) for server in servers)
    radius, replaced = _PORT.subn(f"port={port}\n", preset.radius) if port else (preset.radius, 1)
    if not replaced:
        radius = f"port={port}\n{radius}"
    further = "".join(f"[radius_{number}]\n{server}" for number, server in enumerate(others, 2))
    return (
        f"# {preset.product}: see docs/servers/{preset.page}.md\n[radius]\n{first}{radius}"
        f"{further}{preset.sections}[credential_store]\nname={store}\n"
    )


def _server(preset: Preset, server: str, needs_name: bool) -> str:
    """Return the line with the server, and if it is needed, that with the name in its certificate."""
    if not needs_name:
        return f"server={server}\n"
    if not is_address(server):  # otherwise it inherits the name of another server
        return f"server={server}\ntls_server_name={server}\n"
    return f"server={server}\n# Replace this with the name in its certificate.\ntls_server_name={preset.server}\n"
