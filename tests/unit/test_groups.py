"""Gateway groups: which values of a reply become groups, and which never do."""

import re
from typing import List, Pattern, Sequence, Tuple

import hypothesis.strategies as st
from hypothesis import given

from lib.config.model import GroupRules
from lib.login.groups import Groups, allowed, gateway_groups
from lib.text import holds_control
from tests.support.cases import for_each

FILTER_ID = ((0, 11),)
PLAIN = GroupRules(FILTER_ID)
OU = re.compile(r"OU=([^;]+)")
NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=20)


def groups(rules: GroupRules, *values: str) -> Tuple[str, ...]:
    return gateway_groups(rules, {"Filter-Id": [value.encode(rules.encoding) for value in values]}).names


def log_lines(rules: GroupRules, *values: bytes) -> Tuple[str, ...]:
    return gateway_groups(rules, {"Filter-Id": values}).warnings


@for_each(
    [
        ([], ()),
        (["admins"], ("admins",)),
        (["admins", "dba", "admins"], ("admins", "dba")),
        (["  admins  "], ("admins",)),
        (["Domain Admins"], ("Domain Admins",)),
        (["Admins;"], ("Admins",)),
        (["Admins ; ;"], ("Admins",)),
        ([";admins"], (";admins",)),
        (["", " ", ";"], ()),
        (["a,b;c d"], ("a,b;c d",)),
        (["Büro", "李雷"], ("Büro", "李雷")),
        (["Admins", "admins"], ("Admins", "admins")),
        (["CN=Admins,OU=Groups,DC=example,DC=com"], ("CN=Admins,OU=Groups,DC=example,DC=com",)),
    ]
)
def test_each_value_is_a_group(values: List[str], expected: Tuple[str, ...]) -> None:
    assert groups(PLAIN, *values) == expected


@for_each(
    [
        (r"OU=([^;]+)", ["OU=Admins;"], ("Admins",)),
        (r"OU=([^;]+)", ["OU=Admins;OU=DBA;"], ("Admins", "DBA")),
        (r"OU=(.+)", ["OU=Admins;"], ("Admins",)),
        (r"OU=([^;]+)", ["Admins", "ou=x"], ()),
        (r"CN=([^,]+)", ["CN=Admins,OU=Groups", "CN=DBA,OU=Groups"], ("Admins", "DBA")),
        (r"sps_\w+", ["x sps_a y sps_b"], ("sps_a", "sps_b")),
        (r"(?P<realm>\w+)\\(?P<name>\w+)", ["CORP\\admins"], ("admins",)),
        (r"(\w+)@(\w+)", ["admins@corp"], ("admins",)),
        (r"A(x)?", ["A", "Ax"], ("x",)),
        (r"x*", ["axxb"], ("xx",)),
        (r"^shell:roles=(.*)$", ["shell:roles=a b", "priv-lvl=15"], ("a b",)),
        (r"", ["a"], ()),
    ]
)
def test_pattern_extracts_the_groups(pattern: str, values: List[str], expected: Tuple[str, ...]) -> None:
    assert groups(PLAIN._replace(pattern=re.compile(pattern)), *values) == expected


@for_each(
    [
        (",", "a,b, c ,,a", ("a", "b", "c")),
        (";", "a;b;", ("a", "b")),
        (" ", "a  b", ("a", "b")),
        ("::", "a::b:c", ("a", "b:c")),
        (".", "a.b", ("a", "b")),
        (",", "a", ("a",)),
    ]
)
def test_separator_splits_a_value(separator: str, value: str, expected: Tuple[str, ...]) -> None:
    assert groups(PLAIN._replace(separator=separator), value) == expected


def test_pattern_is_applied_before_the_separator() -> None:
    rules = PLAIN._replace(pattern=re.compile(r"CTXSUserGroups=(.*)"), separator=";")
    assert groups(rules, "CTXSUserGroups=a;b;c", "d;e") == ("a", "b", "c")


MAPPING = (("Admins", "sps_admins"), ("Admins", "auditors"), ("Domain Users", "users"), ("DBA", "auditors"))


@for_each(
    [
        (["Admins"], ("sps_admins", "auditors"), ("sps_admins", "auditors")),
        (["DBA", "Admins"], ("auditors", "sps_admins"), ("auditors", "sps_admins")),
        (["Domain Users", "Guests"], ("users", "Guests"), ("users",)),
        (["Guests"], ("Guests",), ()),
        (["admins"], ("admins",), ()),
        (["sps_admins"], ("sps_admins",), ()),
        (["users", "Domain Users"], ("users",), ("users",)),
    ]
)
def test_groups_are_mapped(values: List[str], kept: Tuple[str, ...], dropped: Tuple[str, ...]) -> None:
    rules = PLAIN._replace(mapping=MAPPING)
    assert groups(rules, *values) == kept
    assert groups(rules._replace(keep_unmapped=False), *values) == dropped


def test_no_group_is_kept_if_none_is_mapped() -> None:
    assert groups(PLAIN._replace(keep_unmapped=False), "Admins") == ()


def test_unmapped_groups_are_logged() -> None:
    rules = PLAIN._replace(mapping=MAPPING, keep_unmapped=False)
    assert log_lines(rules, b"Admins", b"Guests", b"Domain Guests", b"Guests") == (
        'not mapped: Guests, "Domain Guests"',
    )
    assert log_lines(rules._replace(keep_unmapped=True), b"Admins", b"Guests") == ()
    many = log_lines(rules, *(b"%0250d" % number for number in range(50)))
    assert len(many) == 1 and len(many[0]) <= 520


def test_missing_groups_are_logged() -> None:
    assert log_lines(PLAIN) == ("the server sent no Filter-Id",)
    assert gateway_groups(PLAIN, {"Filter-Id": [], "Class": []}).warnings == ("the server sent no Filter-Id or Class",)
    assert gateway_groups(PLAIN, {"Filter-Id": [], "Class": [b"admins"]}).warnings == ()
    assert log_lines(PLAIN, b"admins") == ()
    assert log_lines(PLAIN._replace(pattern=OU), b"Admins", b"x") == ("no group in 2 values",)
    assert log_lines(PLAIN._replace(pattern=OU), b"Admins", b"\xff") == (
        "discarded 1 of 2 values: not UTF-8",
        "no group in 1 value",
    )


@for_each(
    [
        (octets, "not UTF-8")
        for octets in (b"\xff", b"admins\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x9f")
    ]
    + [
        (text.encode("utf-8"), "with control characters")
        for text in (
            "adm\0ins",
            "\0admins",
            "adm\nins",
            "\radmins",
            "\x1b[31madmins",
            "a\x7f",
            "\x9b1m",
            "a\u2028b",
            "\tadmins",
        )
        + ("adm\u200bins", "adm\u200dins", "\ufeffadmins", "\u202esnimda", "adm\xadins")
    ]
)
def test_malformed_values_are_dropped_and_logged(value: bytes, why: str) -> None:
    for rules in (PLAIN, PLAIN._replace(separator="\n"), PLAIN._replace(pattern=re.compile("admins"))):
        assert log_lines(rules, b"admins!", value, b"admins!") == ("discarded 1 of 3 values: " + why,)
        assert gateway_groups(rules, {"Filter-Id": [value]}) == Groups((), ("discarded 1 of 1 value: " + why,))
        assert gateway_groups(rules, {"Class": [value]}) == Groups((), ("discarded 1 of 1 value: " + why,))


def test_dropped_values_are_counted_by_cause() -> None:
    found, logged, _ = gateway_groups(PLAIN, {"Filter-Id": [b"\xff\xfe", b"a", b"b\0b", b"\x80", b"\nc"]})
    assert found == ("a",)
    assert logged == ("discarded 2 of 5 values: not UTF-8", "discarded 2 of 5 values: with control characters")


@for_each(end=("\0", "\r", "\n", "\r\n", "\r\n\0", "\0\0"), encoding=("utf-8", "cp1252"))
def test_the_end_of_a_line_or_a_c_string_is_removed(end: str, encoding: str) -> None:
    rules = PLAIN._replace(encoding=encoding)
    assert groups(rules, "admins" + end, "dba") == ("admins", "dba")
    assert groups(rules._replace(pattern=re.compile("OU=(.+)$")), "OU=admins" + end) == ("admins",)
    assert groups(rules, end) == ()


@for_each(encoding=("cp1252", "latin-1", "cp1250"))
def test_names_may_be_in_another_encoding(encoding: str) -> None:
    rules = PLAIN._replace(encoding=encoding)
    assert groups(rules, "Büro", "admins") == ("Büro", "admins")
    octets = "Büro".encode(encoding)
    assert log_lines(PLAIN, octets, b"admins") == ("discarded 1 of 2 values: not UTF-8",)
    assert log_lines(PLAIN._replace(encoding="ascii"), octets) == ("discarded 1 of 1 value: not ASCII",)


@for_each(binary=(b"\x82\x04\0\0\x01\x37\0\x01", b"\0\x01", b"\xff\xfe"))
def test_a_binary_class_beside_text_is_no_warning(binary: bytes) -> None:
    """Servers such as NPS add a Class of their own."""
    assert gateway_groups(PLAIN, {"Class": [binary, b"admins", binary]}) == Groups(("admins",), (), True)
    assert gateway_groups(PLAIN, {"Filter-Id": [b"admins"], "Class": [binary]}) == Groups(("admins",), (), True)
    (warning,) = gateway_groups(PLAIN, {"Filter-Id": [binary], "Class": [b"admins"]}).warnings
    assert warning.startswith("discarded 1 of 2 values: ")


def test_a_missing_required_group_is_named_beside_what_came() -> None:
    rules = PLAIN._replace(required_groups=("sps admins", "dba"))
    assert log_lines(rules, b"dba", b"guests") == ()
    expected = 'no required group: expected one of "sps admins", dba, received {}'
    assert log_lines(rules, b"DBA", b"guests") == (expected.format("DBA, guests"),)
    assert log_lines(rules) == ("the server sent no Filter-Id", expected.format("none"))
    (line,) = log_lines(rules, *(b"%0250d" % number for number in range(50)))
    assert len(line) <= 600


@for_each(
    [
        ((), (), True),
        ((), ("a",), True),
        (("a",), ("a",), True),
        (("a", "b"), ("c", "b"), True),
        (("a",), (), False),
        (("a", "b"), ("c",), False),
        (("a",), ("A",), False),
        (("a",), ("aa",), False),
    ]
)
def test_user_needs_one_of_the_required_groups(required: Tuple[str, ...], names: Tuple[str, ...], may: bool) -> None:
    assert allowed(PLAIN._replace(required_groups=required), names) is may


def test_required_groups_are_compared_after_mapping() -> None:
    rules = PLAIN._replace(mapping=MAPPING, required_groups=("sps_admins",), keep_unmapped=False)
    assert allowed(rules, groups(rules, "Admins"))
    assert not allowed(rules, groups(rules, "sps_admins"))


PATTERNS = st.sampled_from([None, OU, re.compile(r"\w+"), re.compile(r"(a)|b"), re.compile(r"(?P<name>.)|(.)")])


@given(
    st.lists(st.one_of(st.binary(max_size=253), NAMES.map(lambda name: name.encode("utf-8"))), max_size=20),
    PATTERNS,
    st.sampled_from(["", ",", ";", " ", "\n"]),
    st.lists(st.tuples(NAMES, NAMES.filter(bool)), max_size=4),
    st.booleans(),
)
def test_any_values_become_safe_groups(
    values: Sequence[bytes],
    pattern: "Pattern[str]",
    separator: str,
    mapping: List[Tuple[str, str]],
    keep: bool,
) -> None:
    rules = GroupRules(FILTER_ID, pattern, separator, tuple(mapping), keep, ("wheel",))
    found, logged, _ = gateway_groups(rules, {"Filter-Id": values})
    ours = {group for _, group in mapping}
    assert len(set(found)) == len(found)
    for group in found:
        assert group and not holds_control(group) and group.encode("utf-8")
        assert group in ours or keep
        assert group in ours or any(group.encode("utf-8") in value for value in values)
    assert all(not holds_control(line) for line in logged)
    assert allowed(rules, found) == ("wheel" in found)


@given(st.lists(NAMES.map(str.strip).filter(lambda name: name and name[-1] != ";" and "," not in name)))
def test_plain_names_are_returned_unchanged(names: List[str]) -> None:
    once = tuple(dict.fromkeys(names))
    assert groups(PLAIN, *names) == groups(PLAIN._replace(separator=","), ",".join(names)) == once
