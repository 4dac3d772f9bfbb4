"""MS-CHAPv2 against the vectors of its RFCs, OpenSSL, and an answer of FreeRADIUS."""

import _ssl
import ctypes
import traceback
from typing import Any, List, NamedTuple, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.radius import _md4_des, mschap
from lib.secret import Secret
from tests.support.cases import for_each

# RFC 2759 section 9.2
USER = "User"
PASSWORD = "clientPass"
AUTHENTICATOR_CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
CHALLENGE = bytes.fromhex("D02E4386BCE91226")
PASSWORD_HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
PASSWORD_HASH_HASH = bytes.fromhex("41C00C584BD2D91C4017A2A12FA59F3F")
SUCCESS = "S=407A5589115FD0D6209F510FE9C04566932CDA56"

IDENTIFIER = 7
PROOF = bytes([IDENTIFIER]) + SUCCESS.encode()

ENCODABLE = st.characters(blacklist_categories=["Cs"])


def respond(
    user_name: str = USER,
    password: str = PASSWORD,
    authenticator_challenge: bytes = AUTHENTICATOR_CHALLENGE,
    peer_challenge: bytes = PEER_CHALLENGE,
    identifier: int = IDENTIFIER,
) -> mschap.Response:
    return mschap.response(user_name, Secret(password), authenticator_challenge, peer_challenge, identifier)


def refusal(*arguments: Any, **named: Any) -> ValueError:
    """Return the ValueError that a response raises, having checked that it has no cause: that would hold the input."""
    with pytest.raises(ValueError) as raised:
        respond(*arguments, **named)
    assert type(raised.value) is ValueError
    assert raised.value.__context__ is None and raised.value.__cause__ is None
    return raised.value


# The response


def test_intermediate_values_are_those_of_rfc_2759() -> None:
    assert mschap._challenge_hash(PEER_CHALLENGE, AUTHENTICATOR_CHALLENGE, USER) == CHALLENGE
    assert mschap._password_hash(Secret(PASSWORD)) == PASSWORD_HASH
    assert _md4_des.md4(PASSWORD_HASH) == PASSWORD_HASH_HASH
    assert mschap._challenge_response(CHALLENGE, PASSWORD_HASH) == NT_RESPONSE
    assert mschap._authenticator_response(PASSWORD_HASH, NT_RESPONSE, CHALLENGE) == SUCCESS


def test_response_is_that_of_rfc_2759() -> None:
    made = respond()
    assert made.challenge == AUTHENTICATOR_CHALLENGE
    assert made.value == b"\x07\x00" + PEER_CHALLENGE + bytes(8) + NT_RESPONSE
    assert len(made.value) == 50
    assert made.success == SUCCESS


@for_each([0, 255])
def test_identifier_is_the_first_octet(identifier: int) -> None:
    assert respond(identifier=identifier).value == bytes([identifier]) + respond().value[1:]


@for_each(["CORP\\User", "\\User", "corp.example\\User"])
def test_domain_is_left_out_of_the_hash(name: str) -> None:
    assert respond(name) == respond()


@for_each(["user", "User@corp.example", "CORP/User", "CORP\\", ""])
def test_every_other_part_of_the_name_counts(name: str) -> None:
    assert respond(name).value != respond().value


def test_response_is_that_which_freeradius_accepted() -> None:
    # Computed by rlm_mschap of FreeRADIUS 3.2.1 from the cleartext password.
    made = respond("jürgen", "pässwörd€密码")
    assert made.success == "S=211BB297CDC8E8D44AF1D9708D3CAC1DB98D25FC"


@for_each(
    [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("MyPw", "fc156af7edcd6c0edde3337d427f4eac"),  # RFC 2759 section 9.3
        ("a" * 27, "3f9798b4e3c435593074a9ef81662507"),  # FreeRADIUS's smbencrypt; 54 octets
        ("a🔑b", "480c7d7e9455f43198ed48dc20c3424e"),  # iconv and openssl; a surrogate pair
    ]
)
def test_password_is_hashed_as_utf_16(password: str, digest: str) -> None:
    assert mschap._password_hash(Secret(password)).hex() == digest


@for_each(["x" * 256, "€" * 256, "🔑" * 128])
def test_passwords_count_to_the_last_of_256_characters(password: str) -> None:
    assert respond(password=password).value != respond(password=password[:-1]).value


@for_each(
    [
        ("xyzzy" * 52, "the password is longer than 256 characters"),
        ("x" * 257, "the password is longer than 256 characters"),
        ("🔑" * 128 + "x", "the password is longer than 256 characters"),
        ("xyzzy\ud800", "the password holds characters that UTF-16 cannot encode"),
        ("\udcffxyzzy", "the password holds characters that UTF-16 cannot encode"),
    ]
)
def test_passwords_that_do_not_fit_are_refused_without_being_shown(password: str, text: str) -> None:
    raised = refusal(password=password)
    assert str(raised) == text
    assert "xyzzy" not in "".join(traceback.format_exception(type(raised), raised, None))


def test_user_name_with_a_lone_surrogate_is_refused() -> None:
    assert str(refusal("al\udcffice")) == "the user name holds characters that UTF-8 cannot encode"


@for_each(
    [
        {"authenticator_challenge": bytes(15)},
        {"authenticator_challenge": bytes(17)},
        {"peer_challenge": bytes(15)},
        {"peer_challenge": b""},
        {"authenticator_challenge": bytes(8), "peer_challenge": bytes(8)},
        {"identifier": -1},
        {"identifier": 256},
    ]
)
def test_challenges_and_identifiers_of_a_wrong_size_are_refused(wrong: Any) -> None:
    assert str(refusal(**wrong)) == "a challenge or the identifier has the wrong size"


@for_each([repr, str, "{}".format, lambda made: "%r" % [made]])
def test_response_is_never_shown(show: Any) -> None:
    assert show(respond()).strip("[]") == "<MS-CHAPv2 response>"


# The server's proof


@for_each([b"", b" M=", b" M=Welcome", b" M=\0\xff\r\n M=S="])
def test_proof_may_be_followed_by_a_message(after: bytes) -> None:
    assert mschap.verify_success(SUCCESS, PROOF + after, IDENTIFIER) is True


@for_each(range(8 * len(PROOF)))
def test_proof_with_one_bit_flipped_proves_nothing(bit: int) -> None:
    flipped = bytearray(PROOF)
    flipped[bit // 8] ^= 1 << bit % 8
    assert mschap.verify_success(SUCCESS, bytes(flipped), IDENTIFIER) is False


@for_each(
    [
        b"",
        b"\x07",
        b"\x07S=",
        PROOF[:-1],
        PROOF[1:],
        PROOF + b"0",
        PROOF + b"\n",
        PROOF + b"M=Welcome",
        PROOF + b" E=691",
        b"\x07" + PROOF,
        PROOF[:1] + PROOF[1:].lower(),
        b"\x07S=" + b"0" * 40,
        b"\x07E=691 R=1 " + SUCCESS.encode(),
    ]
)
def test_malformed_proofs_prove_nothing(attribute: bytes) -> None:
    assert mschap.verify_success(SUCCESS, attribute, IDENTIFIER) is False


@for_each([0, 6, 8, -249, 263, 1000])
def test_proof_of_another_response_proves_nothing(identifier: int) -> None:
    assert mschap.verify_success(SUCCESS, PROOF, identifier) is False


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_other_octets_prove_nothing(attribute: bytes, identifier: int) -> None:
    assert mschap.verify_success(SUCCESS, attribute, identifier) is False


@given(st.text(max_size=50), st.binary(max_size=60) | st.just(PROOF))
@example("", b"\x07")
@example("S=", b"\x07S=")
@example("S=" + "?" * 40, b"\x07S=" + b"?" * 40)
@example("S=" + "é" * 40, b"\x07S=" + b"?" * 40)
@example("\ud800", b"\x07?")
def test_malformed_expectations_are_never_proved(success: str, attribute: bytes) -> None:
    assert mschap.verify_success(success, attribute, IDENTIFIER) is False


@given(st.text(ENCODABLE, max_size=300), st.text(ENCODABLE, max_size=128))
@example("CORP\\jürgen", "🔑" * 128)
def test_only_the_same_password_is_proved(name: str, password: str) -> None:
    made, other = respond(name, password), respond(name, password[:-1] + "xy"[password.endswith("x")])
    assert mschap.verify_success(made.success, made.value[:1] + made.success.encode(), IDENTIFIER)
    assert not mschap.verify_success(made.success, other.value[:1] + other.success.encode(), IDENTIFIER)


# Keys


def test_keys_are_those_of_rfc_3079() -> None:
    """The server receives with what the client sends with: section 3.5.3 has the server's keys of 128 bits."""
    send, receive = mschap.client_keys(Secret(PASSWORD), respond())
    assert receive.hex() == "8b7cdc149b993a1ba118cb153f56dccb"
    assert len(send) == 16 and send != receive


# Errors


@for_each(
    (code, message, identifier)
    for code, message in (
        (646, "Logging in is not allowed at this hour"),
        (647, "The account is disabled or locked"),
        (648, "The password has expired"),
        (649, "The account may not log in remotely"),
        (691, "Wrong user name or password"),
        (709, "The password could not be changed"),
        (700, "The server refused the login with error 700"),
        (0, "The server refused the login with error 0"),
    )
    for identifier in (b"\x07", b"\x00", b"\n", b"E", b"=", b"")
)
def test_error_codes_are_explained(code: int, message: str, identifier: bytes) -> None:
    text = f"E={code} R=1 C=0123456789ABCDEF0123456789ABCDEF V=3 M=Call 4444".encode()
    assert mschap.parse_error(identifier + text) == mschap.Error(code, message, b"Call 4444")


@for_each(
    [
        (b"E=691", 691, b""),
        (b"E=691 ", 691, b""),
        (b"E=691 R=1", 691, b""),
        (b"E=0000000691 R=0 V=3", 691, b""),
        (b"E=648 M=", 648, b""),
        (b"E=648 M=Password expired", 648, b"Password expired"),
        (b"E=648 R=0 M=\x1b[31m\0\n M=two E=691", 648, b"\x1b[31m\0\n M=two E=691"),
        (b"E=648 R=zero C= V=x M=\xff", 648, b"\xff"),
    ]
)
def test_errors_of_any_form_are_read(text: bytes, code: int, message: bytes) -> None:
    assert mschap.parse_error(b"\x07" + text) == mschap.parse_error(text)
    assert mschap.parse_error(text).code == code
    assert mschap.parse_error(text).message == message


@for_each(
    [
        b"",
        b"\x07",
        b"\x07E",
        b"\x07E=",
        b"\x07E= R=1 M=x",
        b"\x07E=-691",
        b"\x07E=691x",
        b"\x07E=691\0",
        b"\x07E=12345678901",
        b"\x07E=\xd9\xa6\xd9\xa9\xd9\xa1",
        b"\x07 E=691",
        b"\x07\x07E=691",
        b"\x07R=1 E=691 M=x",
        b"\x07M=E=691",
    ]
)
def test_malformed_errors_get_a_general_text(attribute: bytes) -> None:
    assert mschap.parse_error(attribute) == mschap.Error(None, "The server refused the login", b"")


@given(st.binary(max_size=300) | st.builds(bytes.__add__, st.just(b"\x07E="), st.binary(max_size=250)))
def test_any_octets_are_read_as_an_error(attribute: bytes) -> None:
    error = mschap.parse_error(attribute)
    assert error.text.startswith("The server refused the login") or error.code in mschap._ERRORS
    assert attribute.endswith(error.message)
    assert error.text.isprintable() and len(error.text) < 60


# MD4 and DES


@for_each(
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ]
)
def test_md4_digests_are_those_of_rfc_1320(message: bytes, digest: str) -> None:
    assert _md4_des.md4(message).hex() == digest


@for_each([("fc156af7edcd6c", "fd0b5b5e7f6e34d9"), ("0edde3337d427f", "0e6e796737ea08fe")])
def test_des_keys_are_those_of_rfc_2759(raw: str, key: str) -> None:
    """Section 9.3: the halves of the password hash of `MyPw`."""
    assert _md4_des.des_key(bytes.fromhex(raw)).hex() == key


@given(st.binary(min_size=7, max_size=7))
def test_des_keys_have_odd_parity_and_keep_every_bit(raw: bytes) -> None:
    bits = [f"{octet:08b}" for octet in _md4_des.des_key(raw)]
    assert all(octet.count("1") % 2 for octet in bits)
    assert "".join(octet[:7] for octet in bits) == "".join(f"{octet:08b}" for octet in raw)


# The known answers of NIST SP 800-17, appendix A, for the substitution tables: they use every entry of every S-box.
DES_VECTORS = """
    7ca110454a1a6e57 01a1d6d039776742 690f5b0d9a26939b
    0131d9619dc1376e 5cd54ca83def57da 7a389d10354bd271
    07a1133e4a0b2686 0248d43806f67172 868ebb51cab4599a
    3849674c2602319e 51454b582ddf440a 7178876e01f19b2a
    04b915ba43feb5b6 42fd443059577fa2 af37fb421f8c4095
    0113b970fd34f2ce 059b5e0851cf143a 86a560f10ec6d85b
    0170f175468fb5e6 0756d8e0774761d2 0cd3da020021dc09
    43297fad38e373fe 762514b829bf486a ea676b2cb7db2b7a
    07a7137045da2a16 3bdd119049372802 dfd64a815caf1a0f
    04689104c2fd3b2f 26955f6835af609a 5c513c9c4886c088
    37d06bb516cb7546 164d5e404f275232 0a2aeeae3ff4ab77
    1f08260d1ac2465e 6b056e18759f5cca ef1bf03e5dfa575a
    584023641aba6176 004bd6ef09176062 88bf0db6d70dee56
    025816164629b007 480d39006ee762f2 a1f9915541020b56
    49793ebc79b3258f 437540c8698f3cfa 6fbf1cafcffd0556
    4fb05e1515ab73a7 072d43a077075292 2f22e49bab7ca1ac
    49e95d6d4ca229bf 02fe55778117f12a 5a6b612cc26cce4a
    018310dc409b26d6 1d9d5c5018f728c2 5f4c038ed12b2e41
    1c587f1c13924fef 305532286d6f295a 63fac0d034d9f793
"""


@for_each(DES_VECTORS.strip().splitlines())
def test_des_gives_the_known_answers_of_sp_800_17(vector: str) -> None:
    key, plain, cipher = map(bytes.fromhex, vector.split())
    assert _md4_des.des(key, plain) == cipher


EIGHT = st.binary(min_size=8, max_size=8)


@given(EIGHT, EIGHT)
def test_des_of_complements_is_the_complement(key: bytes, block: bytes) -> None:
    assert _md4_des.des(inverted(key), inverted(block)) == inverted(_md4_des.des(key, block))


@given(EIGHT, EIGHT)
def test_des_ignores_parity(key: bytes, block: bytes) -> None:
    assert _md4_des.des(bytes(octet ^ 1 for octet in key), block) == _md4_des.des(key, block)


def inverted(octets: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in octets)


class OpenSsl(NamedTuple):
    """MD4 and DES of the OpenSSL that Python is linked with, which exports them even if its providers have neither."""

    library: Any

    def md4(self, message: bytes) -> bytes:
        digest = ctypes.create_string_buffer(16)
        self.library.MD4(message, ctypes.c_size_t(len(message)), digest)
        return digest.raw

    def des(self, key: bytes, block: bytes) -> bytes:
        schedule, out = ctypes.create_string_buffer(128), ctypes.create_string_buffer(8)
        self.library.DES_set_key_unchecked(key, schedule)
        self.library.DES_ecb_encrypt(block, out, schedule, 1)
        return out.raw


@pytest.fixture(scope="module")
def openssl() -> OpenSsl:
    origin: Optional[str] = getattr(_ssl, "__file__", None)
    library: Any = ctypes.CDLL(origin)
    missing: List[str] = [
        name for name in ("MD4", "DES_set_key_unchecked", "DES_ecb_encrypt") if not hasattr(library, name)
    ]
    if missing:
        pytest.skip("this Python's OpenSSL does not export " + ", ".join(missing))
    return OpenSsl(library)


@given(message=st.binary(max_size=520))
@example(message=bytes(55))
@example(message=bytes(56))
@example(message=bytes(63))
@example(message=bytes(64))
@example(message=b"\xff" * 512)
def test_md4_agrees_with_openssl(openssl: OpenSsl, message: bytes) -> None:
    assert _md4_des.md4(message) == openssl.md4(message)


@given(key=EIGHT, block=EIGHT)
def test_des_agrees_with_openssl(openssl: OpenSsl, key: bytes, block: bytes) -> None:
    assert _md4_des.des(key, block) == openssl.des(key, block)
