"""The section [recovery_codes]: its lines, the Credential Store, and what is an error in it."""

from typing import List, Optional

from lib import log_lines
from lib.config.reader import ConfigurationError
from lib.recovery_code import MAX_ITERATIONS, RecoveryHash, new_code, new_hash
from tests.support.cases import for_each
from tests.support.configuration import MINIMAL, Store, check, empty_store, valid

HASHES = [RecoveryHash(1, bytes([number] * 8), bytes([number] * 32)) for number in range(50)]
PLAIN = "7K3M-9QXT-0GHV-W2BD"


def section(*lines: str) -> str:
    return MINIMAL + "[recovery_codes]\n" + "\n".join(lines) + "\n"


def test_a_user_may_have_several_lines() -> None:
    settings = valid(section(f"alice = {HASHES[0]}", f"bob={HASHES[1]}", "; a comment", f"  alice   =  {HASHES[2]}  "))
    assert settings.recovery_codes == {"alice": (HASHES[0], HASHES[2]), "bob": (HASHES[1],)}
    assert valid(section(f"CORP\\alice smith@x = {HASHES[0]}")).recovery_codes == {"corp\\alice smith@x": (HASHES[0],)}
    assert valid(MINIMAL).recovery_codes == valid(section()).recovery_codes == {}


def test_names_are_compared_like_those_of_the_lockout() -> None:
    lines = [f"{name} = {each}" for name, each in zip(("alice", "Alice", "ALICE", "ａlice"), HASHES)]
    assert valid(section(*lines)).recovery_codes == {"alice": tuple(HASHES[:4])}


def test_hashes_may_be_in_the_credential_store() -> None:
    for separator in (" ", ",", ", ", "\n", "\r\n", "\t"):
        store = Store({("recovery_codes", "Alice"): separator.join(map(str, HASHES[:3])) + separator})
        settings = valid(section("Alice = $", f"bob = {HASHES[3]}"), store)
        assert settings.recovery_codes == {"alice": tuple(HASHES[:3]), "bob": (HASHES[3],)}
        assert store.asked == [("recovery_codes", "Alice")]


@for_each(
    (
        ("alice", "expected `name = hash`"),
        ("alice =", "expected `name = hash`"),
        ("= x", "expected `name = hash`"),
        (f"alice = {PLAIN}", "alice: expected pbkdf2-sha256:ITERATIONS:SALT:HASH"),
        (f"alice = {PLAIN} = {HASHES[0]}", "alice: expected pbkdf2-sha256:ITERATIONS:SALT:HASH"),
        (f"alice={PLAIN}={PLAIN}", "alice: expected pbkdf2-sha256:ITERATIONS:SALT:HASH"),
        (f"alice = {HASHES[0]} ; the first", "alice: salt and hash must be base64"),
        (f"a b = {HASHES[0]},{HASHES[1]}", '"a b": expected pbkdf2-sha256:ITERATIONS:SALT:HASH'),
        (f"alice = {HASHES[0]._replace(iterations=MAX_ITERATIONS + 1)}", "alice: more than 20000 iterations"),
    )
)
def test_a_bad_line_is_an_error_without_its_value(line: str, text: str) -> None:
    checked = check(section(f"bob = {HASHES[0]}", line))
    assert checked.errors == [f"[recovery_codes] line 6: {text}"] and checked.warnings == []
    assert PLAIN not in text and str(HASHES[0])[:30] not in text


def test_a_bad_password_in_the_credential_store_is_an_error_without_its_value() -> None:
    def unset(section: str, option: str) -> Optional[str]:
        raise ConfigurationError(log_lines.NO_STORE.text)

    missing = [
        "[recovery_codes] line 5: alice: the Credential Store has no password for host=recovery_codes user=alice"
    ]
    assert check(section("alice = $"), empty_store).errors == missing
    assert check(section("alice = $"), lambda section, option: " \n").errors == missing
    assert check(section("alice = $"), unset).errors == [f"[recovery_codes] line 5: alice: {log_lines.NO_STORE.text}"]
    found = check(section("alice = $"), lambda section, option: f"{HASHES[0]} {PLAIN}")
    assert found.errors == ["[recovery_codes] line 5: alice: expected pbkdf2-sha256:ITERATIONS:SALT:HASH"]


def test_a_user_may_have_20_codes() -> None:
    def lines(count: int) -> List[str]:
        return [f"{'Alice' if number % 2 else 'alice'} = {each}" for number, each in enumerate(HASHES[:count])]

    assert len(valid(section(*lines(20))).recovery_codes["alice"]) == 20
    assert check(section(*lines(21))).errors == [
        "[recovery_codes] line 25: alice: more than 20 recovery codes for one user"
    ]
    stored = check(section("bob = $"), lambda section, option: " ".join(map(str, HASHES[:21])))
    assert stored.errors == ["[recovery_codes] line 5: bob: more than 20 recovery codes for one user"]


def test_a_wrong_code_costs_a_bounded_number_of_iterations() -> None:
    """A million iterations take about half a second."""
    made = [new_hash(new_code(bytes), bytes) for _ in range(20)]
    assert sum(each.iterations for each in made) == 200000
    most = [each._replace(iterations=MAX_ITERATIONS, salt=bytes([at] * 8)) for at, each in enumerate(made)]
    assert valid(section(*(f"alice = {each}" for each in most))).recovery_codes == {"alice": tuple(most)}
    assert sum(each.iterations for each in most) == 400000


def test_required_groups_make_codes_useless() -> None:
    groups = "[gateway_groups]\nattribute=Class\n"
    text = "[recovery_codes]: has no effect with [gateway_groups] required_groups: a recovery code brings no groups"
    assert check(section(f"alice = {HASHES[0]}") + groups + "required_groups=admins\n").warnings == [text]
    assert check(section(f"alice = {HASHES[0]}") + groups).warnings == []


def test_the_option_that_they_replace_is_gone() -> None:
    text = "[auth] bypass_when_unreachable: unknown option; use [recovery_codes] instead"
    assert check(MINIMAL + "[auth]\nbypass_when_unreachable=alice\n").warnings == [text]


def test_no_question_can_have_the_key_of_a_prompt_of_the_plugin() -> None:
    for key in ("recovery", "recovery2", "recovery17", "typed_username", "typed_username2"):
        found = check(MINIMAL + f"[question_1]\nprompt=x\nkey={key}\n")
        assert found.errors and "[question_1] key: is reserved" in found.errors[0]
    assert check(MINIMAL + "[question_1]\nprompt=x\nkey=recovery_ticket\n").errors == []
