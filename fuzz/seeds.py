"""The seeds of the fuzzer: `python -m fuzz.seeds` adds these inputs to fuzz/corpus."""

import json
import pathlib
from typing import Any, Dict, Sequence

from fuzz.configuration import SECRET
from fuzz.replies import MAX_INPUT, PROVED
from lib.login.state import State
from lib.session import AcceptedUser, AccountingSession, SessionRecord
from tests.support.doubtful import DOUBTFUL
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    FIRST,
    LAST,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    REJECT,
    REPLY_MESSAGE,
    STATE,
    Attribute,
    Request,
    pack,
    reply,
)
from tests.support.vectors import CHALLENGE_7_3, REJECT_7_3, REPLY_7_1, REPLY_7_2, REQUEST_7_1, RFC_SECRET

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"

SERVICE_TYPE, FILTER_ID, CLASS, VENDOR_SPECIFIC, SESSION_TIMEOUT, PROMPT = 6, 11, 25, 26, 27, 76
MICROSOFT, CISCO = b"\0\0\1\x37", b"\0\0\0\x09"
MS_CHAP_ERROR, MPPE_SEND_KEY, MS_CHAP2_SUCCESS = 2, 16, 26

REQUEST = Request(REQUEST_7_1, (), 0)


def replied(code: int, *attributes: Attribute) -> bytes:
    """Return a valid reply to the request of RFC 2865 section 7.1."""
    return reply(REQUEST, RFC_SECRET, code, attributes)


def vendor(prefix: bytes, *attributes: Attribute) -> Attribute:
    """Return a Vendor-Specific attribute."""
    return VENDOR_SPECIFIC, prefix + pack(attributes)


def texts(*values: bytes) -> Sequence[Attribute]:
    """Return Reply-Messages."""
    return [(REPLY_MESSAGE, value) for value in values]


ESCAPES = b"\x1b[31mred\x1b]0;title\x07\x9b1m\0\x08\xe2\x80\xae"
CUT = ("Ihr Konto ist gesperrt. " * 11).encode("ascii")[:252] + "ü".encode("utf-8")

VALID: Dict[str, bytes] = {
    "rfc2865-7.1-accept": REPLY_7_1,
    "rfc2865-7.2-accept": REPLY_7_2,
    "rfc2865-7.3-challenge": CHALLENGE_7_3,
    "rfc2865-7.3-reject": REJECT_7_3,
    "accept-nothing-else": replied(ACCEPT),
    "accept-signed-last": reply(REQUEST, RFC_SECRET, ACCEPT, [(SERVICE_TYPE, b"\0\0\0\1")], LAST),
    "accept-unsigned": reply(REQUEST, RFC_SECRET, ACCEPT, texts(b"Welcome"), None),
    "accept-groups": replied(
        ACCEPT,
        (CLASS, b"OU=admins;OU=operators"),
        (FILTER_ID, b"admins"),
        vendor(CISCO, (1, b"shell:roles=admin"), (1, b"shell:priv-lvl=15")),
        vendor(CISCO, (1, b"cisco-avpair")),
    ),
    "accept-mschap": replied(
        ACCEPT,
        vendor(MICROSOFT, (MS_CHAP2_SUCCESS, b"\7" + PROVED.encode("ascii") + b" M=Welcome")),
        vendor(MICROSOFT, (MPPE_SEND_KEY, b"\x80\0" + bytes(range(32)))),
    ),
    "accept-padded": replied(ACCEPT, (CLASS, b"0x00")) + b"padding",
    "reject-words": replied(REJECT, *texts(b"Wrong code.", "Noch 2 Versuche für Sie.".encode("utf-8"))),
    "reject-cut-text": replied(REJECT, *texts(CUT[:253], CUT[253:] + b" Bitte anrufen.")),
    "reject-mschap": replied(
        REJECT,
        vendor(MICROSOFT, (MS_CHAP_ERROR, b"\7E=691 R=1 C=00112233445566778899AABBCCDDEEFF V=3 M=Access denied")),
    ),
    "reject-mschap-short": replied(REJECT, vendor(MICROSOFT, (MS_CHAP_ERROR, b"E=0647"))),
    "challenge-hidden": replied(
        CHALLENGE,
        *texts(b"Enter your\r\n", b"new PIN:"),
        (STATE, bytes(range(16))),
        (PROMPT, b"\0\0\0\0"),
        (SESSION_TIMEOUT, b"\0\0\0\x3c"),
    ),
    "challenge-echoed": replied(CHALLENGE, *texts(b"1) push\n2) SMS"), (STATE, b"\xff" * 253), (PROMPT, b"\0\0\0\1")),
    "challenge-odd": replied(CHALLENGE, (STATE, b""), (PROMPT, b"\0\1"), *texts(b"")),
    "challenge-escapes": replied(CHALLENGE, *texts(ESCAPES, b"\xe2\x80", b"\xa8\xff\xc3", b"\x1bPq", b"\xed\xa0\x80")),
    "accept-200-attributes": replied(ACCEPT, *[(REPLY_MESSAGE, b"%d" % number) for number in range(199)]),
    "accept-2000-attributes": replied(ACCEPT, *[(REPLY_MESSAGE, b"")] * 1999),
    "accept-4096-octets": replied(ACCEPT, *texts(*[b"x" * 253] * 15), (CLASS, b"c" * 231)),
    "challenge-65536-octets": (replied(CHALLENGE, *texts(*[ESCAPES] * 120)) * 20)[:MAX_INPUT],
    "accept-vendor-length-0": replied(ACCEPT, vendor(b""), vendor(MICROSOFT), vendor(MICROSOFT + b"\x1a\0")),
}
DROPPED: Dict[str, bytes] = {
    "empty": b"",
    "attribute-length-0": reply(REQUEST, RFC_SECRET, ACCEPT, texts(b"x"))[:-2] + b"\0x",
    "proxy-state": replied(ACCEPT, (PROXY_STATE, b"collision")),
    "signed-twice": replied(ACCEPT, (MESSAGE_AUTHENTICATOR, bytes(16))),
    "signature-too-short": reply(REQUEST, RFC_SECRET, ACCEPT, [(MESSAGE_AUTHENTICATOR, bytes(15))], None),
    "other-secret": reply(REQUEST, b"another secret", REJECT, texts(b"No"), FIRST),
    "4097-octets": replied(ACCEPT, *texts(*[b"x" * 253] * 15), (CLASS, b"c" * 232)),
}


CONFIGURATIONS: Dict[str, str] = {
    "minimal": f"[radius]\nserver=a\nsecret={SECRET}\n",
    "stored": "[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n[credential_store]\nname=store\n",
    "tls": "[radius]\nserver=a\ntransport=tls\nca_certificate=-----BEGIN CERTIFICATE-----\n MAA=\n "
    "-----END CERTIFICATE-----\nclient_certificate=$\n",
    "exposed-pem": f"[radius]\nclient_certificate=-----BEGIN PRIVATE KEY-----\n{SECRET}==\n-----END PRIVATE KEY-----\n",
    "lines": f"[challenge_answers]\n1\\) push = {SECRET}\n[gateway_groups map]\na=b\n[radius_attributes]\n"
    f"Class={{username}}\n{SECRET}\n[radius_dictionary]\nOwn = 26.32473.1 string\n",
    "groups": "[gateway_groups]\nattribute=Class, 26.9.1\npattern=OU=([^;]+)\n required_groups=admins\nunmapped=drop\n",
    "references": f"[DEFAULT]\na=%(b)s%(b)s\nb={SECRET}\n[auth]\nprompt=%(a)s %% %(c)s\n[auth]\nprompt=x\n",
    **{name: text for name, (text, _) in DOUBTFUL.items()},
    "pem": "[radius]\nserver=a\ntransport=tls\nca_certificate=\n-----BEGIN CERTIFICATE-----\nMAA=\n"
    "-----END CERTIFICATE-----\n"
    f"port=1\nclient_certificate=-----BEGIN PRIVATE KEY-----\n{SECRET}\n[auth]\n-----BEGIN X-----\n{SECRET}==\n",
    "sdk": "[logging]\nlog_level=$\n[question_1]\nprompt=x\nkey=otp\n[whitelist source=user_list]\nname=\n"
    "[https-proxy]\npassword=$\n[lockouts]\nmax_failures=3\n[accounting]\nenabled=yes\nserver=c\n[messages]\nretry={x}\n",
}
"""Configurations, which `check` need not like."""

_LOGIN = State(question="password", question_key="otp", question_count=1)
_CHALLENGE = _LOGIN._replace(
    question="challenge", all_challenges=1, challenges=1, server_state=b"state", origin=("radius", "127.0.0.1", 1)
)
_VENDORS = {"state": "c3RhdGU=", "username": "alice", "mfa_identity": "alice", "__plugin_sdk_private": {}}
COOKIES: Dict[str, Dict[str, Any]] = {
    "empty": {},
    "password": dict(SessionRecord(1.5, "192.0.2.1", _LOGIN).to_cookie(), username="alice", mfa_identity="alice"),
    "challenge": SessionRecord(1.5, None, _CHALLENGE, "127.0.0.1:1", "pap", "alice", 0.5).to_cookie(),
    "accounting": SessionRecord(
        1.5,
        accepted=True,
        accepted_user=AcceptedUser("alice", (b"class",)),
        accounting=AccountingSession(1.5, "fuzz", "alice", (b"class",), ((0, 32, b"sps"),), True),
    ).to_cookie(),
    "vendors": _VENDORS,
    "unsound": {"username": 5, "__plugin_sdk_private": [], "questions": [1]},
    "question": {
        "questions": {"ticket": "1"},
        "__plugin_sdk_private": {"authenticate_checkpoints": {"0": "_identify:0"}, "question_sequence_number": 1},
    },
}


def seeds() -> Dict[str, Dict[str, bytes]]:
    """Return the octets of every seed by its target and its name."""
    return {
        "replies": {**VALID, **DROPPED},
        "configuration": {name: text.encode("utf-8") for name, text in CONFIGURATIONS.items()},
        "cookies": {name: json.dumps(cookie, sort_keys=True).encode("utf-8") for name, cookie in COOKIES.items()},
    }


def main() -> None:
    """Write the seeds."""
    for target, inputs in seeds().items():
        (CORPUS / target).mkdir(exist_ok=True)
        for name, octets in sorted(inputs.items()):
            (CORPUS / target / name).write_bytes(octets)


if __name__ == "__main__":
    main()
