"""Recovery codes: how they look, how users may write them, and what a configuration may hold in place of a hash."""

import hashlib
import itertools
import os
import re

from hypothesis import given
from hypothesis import strategies as st

from lib.recovery_code import ALPHABET, CODE_OCTETS, MAX_ITERATIONS, RecoveryHash, new_code, new_hash, parse
from lib.secret import Secret
from tests.support.cases import for_each

CODE = Secret("7K3M-9QXT-0GHV-W2BD")
HASH = new_hash(CODE, lambda octets: bytes(range(octets)))


@given(st.binary(min_size=CODE_OCTETS, max_size=CODE_OCTETS))
def test_code_holds_80_bits_in_groups_of_four(octets: bytes) -> None:
    code = new_code(lambda count: octets if count == CODE_OCTETS else b"").reveal()
    assert re.match(f"([{ALPHABET}]{{4}}-){{3}}[{ALPHABET}]{{4}}\\Z", code)
    value = 0
    for character in code.replace("-", ""):
        value = value << 5 | ALPHABET.index(character)
    assert value.to_bytes(CODE_OCTETS, "big") == octets


def test_alphabet_has_no_letters_that_look_like_others() -> None:
    assert len(set(ALPHABET)) == 32 and not set("ILOU") & set(ALPHABET)


def test_codes_and_salts_are_new_each_time() -> None:
    assert len({new_code(os.urandom).reveal() for _ in range(50)}) == 50
    assert new_hash(CODE, os.urandom).salt != new_hash(CODE, os.urandom).salt


@for_each(
    [
        "7K3M-9QXT-0GHV-W2BD",
        "7k3m-9qxt-0ghv-w2bd",
        "7K3M9QXT0GHVW2BD",
        " 7K3M 9QXT\t0GHV W2BD\r\n",
        "7K3M-9QXT-OGHV-W2BD",
        "7K3M-9QXT-oghv-w2bd",
    ]
)
def test_code_matches_however_it_is_written(text: str) -> None:
    assert HASH.matches(Secret(text))


def test_letters_like_digits_stand_for_them() -> None:
    code = Secret("1111-1100-0000-0000")
    hashed = new_hash(code, os.urandom)
    assert hashed.matches(Secret("iIlL-1oO0-0000-0000")) is False
    assert hashed.matches(Secret("iIlL-11oO-0000-0000"))


@for_each(
    ["", "-", "7K3M-9QXT-0GHV-W2B", "7K3M-9QXT-0GHV-W2BDD", "7K3M-9QXT-0GHV-W2BE", "\ud800", "ſ" * 16, "x" * 9999]
)
def test_other_text_does_not_match(text: str) -> None:
    assert not HASH.matches(Secret(text))


def test_hash_comes_back_from_its_line() -> None:
    for hashed in (HASH, new_hash(new_code(os.urandom), os.urandom)):
        assert parse(str(hashed)) == parse(f"  {hashed} ") == hashed
        assert re.match(r"pbkdf2-sha256:[0-9]+:[A-Za-z0-9_-]+:[A-Za-z0-9_-]+\Z", str(hashed))
    assert "7K3M" not in str(HASH)


def test_hash_is_that_of_its_standard() -> None:
    """The vector of RFC 7914 section 11: PBKDF2-HMAC-SHA-256 of `passwd` and `salt`, its first 32 octets."""
    found = hashlib.pbkdf2_hmac("sha256", b"passwd", b"salt", 1)
    assert found.hex() == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    assert HASH.digest == hashlib.pbkdf2_hmac("sha256", b"7K3M9QXT0GHVW2BD", HASH.salt, HASH.iterations)


def test_names_tell_hashes_apart_and_show_nothing_of_them() -> None:
    hashes = [HASH, HASH._replace(salt=bytes(16)), HASH._replace(digest=bytes(32))]
    assert len({hashed.name for hashed in hashes}) == 3
    for hashed, part in itertools.product(hashes, (HASH.salt, HASH.digest)):
        assert part.hex()[:8] not in hashed.name
        assert re.match(r"[0-9a-f]{32}\Z", hashed.name)


SCHEME, ROUNDS, SALT, DIGEST = str(HASH).split(":")


@for_each(
    [
        "",
        "$",
        CODE.reveal(),
        SCHEME,
        f"scrypt:{ROUNDS}:{SALT}:{DIGEST}",
        f"{SCHEME}:0:{SALT}:{DIGEST}",
        f"{SCHEME}:-1:{SALT}:{DIGEST}",
        f"{SCHEME}:1e3:{SALT}:{DIGEST}",
        f"{SCHEME}:١:{SALT}:{DIGEST}",
        f"{SCHEME}:{MAX_ITERATIONS + 1}:{SALT}:{DIGEST}",
        f"{SCHEME}:{'9' * 5000}:{SALT}:{DIGEST}",
        f"{SCHEME}:{ROUNDS}:{SALT}",
        f"{SCHEME}:{ROUNDS}:{SALT}:{DIGEST}:",
        f"{SCHEME}:{ROUNDS}::{DIGEST}",
        f"{SCHEME}:{ROUNDS}:AAAA:{DIGEST}",
        f"{SCHEME}:{ROUNDS}:{SALT}:{DIGEST[:-1]}",
        f"{SCHEME}:{ROUNDS}:{SALT}:{DIGEST}AA",
        f"{SCHEME}:{ROUNDS}:{SALT}:ä{DIGEST}",
        f"{SCHEME}:{ROUNDS}:A:{DIGEST}",
        f"{SCHEME}:{ROUNDS}:{SALT}:{DIGEST} ; the first",
    ]
)
def test_other_lines_are_refused_without_their_text(line: str) -> None:
    try:
        found: RecoveryHash = parse(line)
    except ValueError as error:
        assert error.__cause__ is None
        assert CODE.reveal() not in str(error) and DIGEST[:8] not in str(error)
    else:
        raise AssertionError(found)


@given(st.text())
def test_any_text_is_a_hash_or_a_value_error(text: str) -> None:
    for line in (text, f"{SCHEME}:{text}", f"{SCHEME}:{ROUNDS}:{text}:{DIGEST}", f"{SCHEME}:{ROUNDS}:{SALT}:{text}"):
        try:
            parse(line)
        except ValueError:
            pass
