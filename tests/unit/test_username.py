"""The User-Name that a server receives, with the rules of the server, and the spellings of one name."""

from typing import Tuple

import hypothesis.strategies as st
from hypothesis import given

from lib.config.model import NameRules
from lib.login.username import account_name, radius_name
from lib.text import canonical
from tests.support.cases import for_each


def test_names_are_rewritten_by_the_rules() -> None:
    wrong = []
    for rules, name, sent in (
        (NameRules(), "CORP\\alice@x", "CORP\\alice@x"),
        (NameRules(strip_realm=True), "alice@x@y", "alice@x"),
        (NameRules(strip_domain=True), "A\\B\\alice", "B\\alice"),
        (NameRules(True, True, "<", ">"), "CORP\\alice@x", "<alice>"),
        (NameRules(True, True), "@x", "@x"),
        (NameRules(True, True), "CORP\\", "CORP\\"),
        (NameRules(True, True), "alice", "alice"),
        (NameRules(add_prefix="{gateway_domain}\\"), "alice", "CORP\\alice"),
        (NameRules(add_suffix="@{gateway_domain}"), "alice", "alice@CORP"),
        (NameRules(True, True, "{gateway_domain}\\"), "LAB\\alice@x", "CORP\\alice"),
        (NameRules(add_prefix="{server_domain}\\", add_suffix="@{gateway_domain}"), "alice", "alice@CORP"),
        (NameRules(add_prefix="{gateway_domain}.{server_domain}\\"), "alice", "alice"),
        (NameRules(add_prefix="{{", add_suffix="}}"), "{gateway_domain}", "{{gateway_domain}}"),
    ):
        made = radius_name(rules, name, {"gateway_domain": "CORP", "server_domain": ""})
        if made != sent:
            wrong.append((rules, name, made))
    assert wrong == []


@for_each(
    names=(
        (
            "alice",
            "ALICE",
            "Alice",
            "ａｌｉｃｅ",
            "álice",
            "ａlice",
            "a\u034flice",
            "ali\ufe0fce",
            "\u3164alice",
            "al\xadice",
        ),
        ("straße", "STRASSE"),
        ("jürgen", "JU\u0308RGEN", "jurgen"),
        ("İlker", "ilker", "ILKER"),
        ("ﬁnn", "Finn"),
        ("søren", "Sören", "SØREN"),
        ("Łukasz", "lukasz"),
        ("Ægir", "aegir"),
    ),
)
def test_equal_names_have_one_spelling(names: Tuple[str, ...]) -> None:
    assert len({canonical(name) for name in names}) == 1


def test_different_names_have_different_spellings() -> None:
    assert len({canonical(name) for name in ("alice", "alicia", "alice ", "corp\\alice", "", "\udcff")}) == 6


def test_many_marks_do_not_take_time_in_proportion_to_their_square() -> None:
    # The square of their number would take hours.
    assert canonical("a" + "\u0301\u0327\u302e" * 500_000) == "a"


@given(name=st.text())
def test_the_canonical_spelling_is_stable(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)


def test_no_character_has_a_canonical_spelling_that_is_not_final() -> None:
    spellings = {char: canonical(char) for char in map(chr, range(0x110000))}
    # A character that is its own spelling is final.
    assert [char for char, name in spellings.items() if name != char and canonical(name) != name] == []


def test_no_domain_or_realm_makes_another_account() -> None:
    names = [
        "alice",
        "CORP\\Alice",
        "alice@corp",
        "A\\B\\alice",
        "alice@one@two",
        "ＣＯＲＰ＼alice＠ｃｏｒｐ",
        "@alice",
        "alice\\",
    ]
    assert {name: account_name(name) for name in names} == {
        name: name if name in ("@alice", "alice\\") else "alice" for name in names
    }
    assert account_name("\u0301") == "\u0301"  # an empty name would not be counted
