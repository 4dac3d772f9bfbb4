"""The seeds of the fuzzer: `python3 -m fuzz.seeds` adds these replies to fuzz/corpus."""

import pathlib
from typing import Dict, Sequence

from fuzz.target import MAX_INPUT, PROVED
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
    "201-attributes": replied(ACCEPT, *[(REPLY_MESSAGE, b"")] * 200),
    "4097-octets": replied(ACCEPT, *texts(*[b"x" * 253] * 15), (CLASS, b"c" * 232)),
}


def main() -> None:
    """Write the seeds."""
    for name, octets in sorted({**VALID, **DROPPED}.items()):
        (CORPUS / name).write_bytes(octets)


if __name__ == "__main__":
    main()
