"""Texts from servers and users, from honest to hostile: what is shown of them, and which names are refused."""

import json
import re
import unicodedata
from typing import Dict, List, Tuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lib.login.username import name_problem, radius_name_problem
from lib.text import (
    counted,
    did_you_mean,
    field,
    filled,
    holds_control,
    one_line,
    placeholders,
    reply_message,
    safe,
)

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"
STRING_SEQUENCES = {
    "OSC": ("]", "\x9d"),
    "DCS": ("P", "\x90"),
    "SOS": ("X", "\x98"),
    "PM": ("^", "\x9e"),
    "APC": ("_", "\x9f"),
}
INTRODUCERS = ["\x1b[", "\x9b"] + [form for letter, c1 in STRING_SEQUENCES.values() for form in (ESC + letter, c1)]
ZWNJ, ZWJ = "\u200c", "\u200d"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
LIMIT = 500
OCTETS_IN_A_DATAGRAM = 65535

# Whatever terminals, parsers of terminals and Unicode tables treat specially, beside plain text of several scripts.
PIECES = st.sampled_from(
    INTRODUCERS
    + [
        ESC,
        BEL,
        ST,
        "\x9c",
        "\x18",
        "\x1a",
        "\0",
        "\b",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x7f",
        "\x80",
        "\x85",
    ]
    + ["\u2028", "\u2029", ZWNJ, ZWJ, "\ufeff", "\xad", "\ud800", "\udfff", "\u3000", "\xa0", "\U000e0041"]
    + list(BIDI)
    + ["31m", "0;title", "(B", "c", "?25l", "#8", " ", "  ", "Enter PIN: ", "könnte", "می", "中文", "\U0001f468"]
)
TEXTS = st.lists(st.one_of(PIECES, st.characters(blacklist_categories=())), max_size=40).map("".join)


def is_shown(char: str) -> bool:
    return char in "\n" + ZWNJ + ZWJ or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def cut(octets: bytes, size: int) -> List[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


@pytest.mark.parametrize(
    "value, shown",
    [
        ("", ""),
        ("Enter PIN:", "Enter PIN:"),
        ("  Enter PIN: \n", "Enter PIN:"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;5;196mred\x1b[m", "red"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b[?25lhidden cursor", "hidden cursor"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b[!psoft reset", "soft reset"),
        ("over\x1b[1Dwritten", "overwritten"),
        ("\x1bcreset", "reset"),
        ("\x1b(Bcharset", "charset"),
        ("\x1b#8screen", "screen"),
        ("\x1b 7ansi", "ansi"),
        ("\x1b7saved\x1b8", "saved"),
        ("end\x1b", "end"),
        ("end\x1b[", "end"),
        ("end\x1b[31", "end"),
        ("end\x9b", "end"),
        ("\x1b\x1b[31mred", "red"),
        ("\x1b\n\x1b[31mred", "red"),
    ],
)
def test_escape_sequences_go(value: str, shown: str) -> None:
    assert safe(value) == shown


@pytest.mark.parametrize("end", [BEL, ST, "\x9c"], ids=["BEL", "ST", "C1 ST"])
@pytest.mark.parametrize("form", [0, 1], ids=["ESC", "C1"])
@pytest.mark.parametrize("name", sorted(STRING_SEQUENCES))
def test_string_sequences_go_up_to_their_end(name: str, form: int, end: str) -> None:
    introducer = (ESC + STRING_SEQUENCES[name][0], STRING_SEQUENCES[name][1])[form]
    assert safe("before " + introducer + "0;title\nand more" + end + "after") == "before after"


@pytest.mark.parametrize("introducer", INTRODUCERS[2:])
def test_unfinished_string_sequence_does_not_hide_the_rest(introducer: str) -> None:
    assert safe(introducer + "0;Your code:\nsent") == "0;Your code:\nsent"


def test_sequence_that_begins_inside_another_goes_too() -> None:
    assert ESC not in safe("\x1b[\x1b[31m31mred")
    assert safe("\x1b]0;ti\x1b[31mtle\x07!") == "0;title!"
    assert safe("\x1bPtmux;\x1b\x1b]0;title\x07\x1b\\shown") == "tmux;shown"


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\r\x1b[0m\n"])
def test_every_line_end_is_a_newline(line_end: str) -> None:
    assert safe("1) push" + line_end + "2) SMS") == "1) push\n2) SMS"


def test_at_most_one_blank_line_in_a_row() -> None:
    assert safe("one\n \n\t\n\0\ntwo\r\n\r\nthree") == "one\n\ntwo\n\nthree"


def test_carriage_return_does_not_overwrite_the_line() -> None:
    assert safe("Denied\rAccept") == "Denied\nAccept"


@pytest.mark.parametrize("char", list("\0\b\x07\x18\x1a\x7f\x80\ufeff\xad\u2060\ufff9\U000e0041" + BIDI))
def test_control_and_format_characters_go(char: str) -> None:
    assert safe("ab" + char + "cd") == "abcd"


@pytest.mark.parametrize("char", ["\ud800", "\udbff", "\udc00", "\udfff"])
def test_lone_surrogates_go(char: str) -> None:
    assert safe("ab" + char + "cd") == "abcd"


def test_tabs_are_spaces() -> None:
    assert safe("1\tpush") == "1 push"


@pytest.mark.parametrize(
    "word",
    ["می\u200cخواهم", "ක්\u200dෂ", "\U0001f468\u200d\U0001f4bb", "naïve", "e\u0301", "中文", "שלום", "$%\\x1b[31m"],
)
def test_writing_systems_stay(word: str) -> None:
    assert safe(word) == one_line(word) == word
    assert reply_message([word.encode("utf-8")]) == word


@settings(deadline=None)
@given(TEXTS)
def test_safe_text_has_nothing_that_is_not_shown(value: str) -> None:
    assert all(is_shown(char) for char in safe(value))


@settings(deadline=None)
@given(TEXTS)
def test_safe_text_is_safe_already(value: str) -> None:
    assert safe(safe(value)) == safe(value)


@settings(deadline=None)
@given(st.text())
def test_text_without_escapes_loses_no_visible_character(value: str) -> None:
    value = "".join(char for char in value if char not in ESC + "\x90\x98\x9b\x9c\x9d\x9e\x9f")
    visible = [char for char in value if is_shown(char) and not char.isspace()]
    assert [char for char in safe(value) if not char.isspace()] == visible


@settings(deadline=None)
@given(TEXTS, st.integers(3, 60))
def test_one_line_is_one_safe_line_within_its_limit(value: str, limit: int) -> None:
    line = one_line(value, limit)
    assert len(line) <= limit
    assert "\n" not in line and all(is_shown(char) for char in line)
    assert len(line.splitlines()) <= 1
    whole = one_line(value, len(value) + 3)
    assert line == whole or line == whole[: limit - 3] + "..."


@pytest.mark.parametrize(
    "length, shown", [(LIMIT - 1, "x" * (LIMIT - 1)), (LIMIT, "x" * LIMIT), (LIMIT + 1, "x" * (LIMIT - 3) + "...")]
)
def test_one_line_s_limit(length: int, shown: str) -> None:
    assert one_line("x" * length) == shown


def test_one_line_joins_lines_and_runs_of_space() -> None:
    assert one_line(" Locked.\r\n\n  Call\t\x1b[1m4444\u2028\xa0now ") == "Locked. Call 4444 now"


@pytest.mark.parametrize("follows", ["", "0;", "\n", ESC])
@pytest.mark.parametrize("piece", INTRODUCERS + [ESC, "\x1b[0", "\x1b]0;", "\r", "\u202e", " ", "\n"])
def test_a_datagram_full_of_introducers(piece: str, follows: str) -> None:
    # What takes quadratic time or more does not end while anybody waits.
    value = (piece + follows) * (OCTETS_IN_A_DATAGRAM // len(piece + follows))
    for hostile in (value, piece + follows * OCTETS_IN_A_DATAGRAM, value + ST):
        line = one_line(hostile)
        assert len(line) <= LIMIT and all(is_shown(char) for char in line)


@pytest.mark.parametrize(
    "parts, shown",
    [
        ([], ""),
        ([b""], ""),
        ([b"", b"Enter PIN:"], "Enter PIN:"),
        ([b"Welcome", b"Enter PIN:"], "Welcome\nEnter PIN:"),
        ([b"1) push", b"2) SMS", b"3) code"], "1) push\n2) SMS\n3) code"),
        ([b"x" * 239, b"y"], "x" * 239 + "\ny"),
        ([b"x" * 240, b"y"], "x" * 240 + "y"),
        ([b"x" * 253, b"y" * 253, b"z", b"next"], "x" * 253 + "y" * 253 + "z\nnext"),
        ([b"caf\xc3", b"\xa9"], "caf\xe9"),
        ([b"\xf0", b"\x9f", b"\x94", b"\x91"], "\U0001f511"),
        ([b"\xf0\x9f\x94", b"\x91 key", b"next"], "\U0001f511 key\nnext"),
        ([b"\xe4\xb8", b"\xad\xe6\x96\x87"], "中文"),
        ([b"one\0", b"\x1b[2Jtwo\0"], "one\ntwo"),
    ],
)
def test_reply_messages_are_joined_as_the_server_split_them(parts: List[bytes], shown: str) -> None:
    assert reply_message(parts) == shown


@pytest.mark.parametrize(
    "parts, shown",
    [
        ([b"Bitte best\xe4tigen"], "Bitte best\ufffdtigen"),
        ([b"caf\xe9"], "caf\ufffd"),
        ([b"\xff\xfe\x80\x81"], "\ufffd" * 4),
        ([b"\xed\xa0\x80"], "\ufffd" * 3),
        ([b"x" * 249 + b"\xc3"], "x" * 249 + "\ufffd"),
        ([b"\x80\x80\x80\x80", b"next"], "\ufffd" * 4 + "\nnext"),
    ],
)
def test_octets_that_are_not_utf_8_are_replaced(parts: List[bytes], shown: str) -> None:
    assert reply_message(parts) == shown


@pytest.mark.parametrize("last", [b"\xe9", b"\xc0", b"\xf6", b"\xff", b"\xe4\xb8"])
def test_latin_1_at_the_end_of_a_line_does_not_swallow_the_line_end(last: bytes) -> None:
    assert reply_message([b"caf" + last, b"Enter PIN:"]) == "caf\ufffd\nEnter PIN:"


@pytest.mark.parametrize("size", [240, 247, 249, 250, 253])
@pytest.mark.parametrize("char", ["é", "中", "\U0001f511", "xé中\U0001f511"])
def test_long_text_cut_anywhere_is_whole_again(char: str, size: int) -> None:
    text = char * 400
    assert reply_message(cut(text.encode("utf-8"), size)) == text


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.integers(1, 40), st.integers(240, 253))
def test_text_cut_at_full_attributes_is_whole_again(text: str, times: int, size: int) -> None:
    assert reply_message(cut((text * times).encode("utf-8"), size)) == safe(text * times)


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=253), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))))
def test_any_octets_make_a_safe_message(parts: List[bytes]) -> None:
    message = reply_message(parts)
    assert all(is_shown(char) for char in message)
    assert safe(message) == message


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "alice.smith@example.com",
        "EXAMPLE\\alice",
        "büro",
        "李雷",
        "o'neil",
        "a b",
        "..",
        "%s",
        "$",
        "-rf",
        "a:b",
    ]
    + ["a" * 253, "é" * 126 + "a", "中" * 84 + "a", "\U0001f511" * 63 + "a"],
)
def test_names_that_may_be_used(name: str) -> None:
    assert name_problem(name) == ""
    assert radius_name_problem(name) == ""


@pytest.mark.parametrize("name", ["a" * 254, "é" * 127, "中" * 85, "\U0001f511" * 64])
def test_names_longer_than_an_attribute(name: str) -> None:
    assert name_problem(name) == radius_name_problem(name) == "it is longer than 253 octets"


@pytest.mark.parametrize(
    "char", list("\0\t\n\r\x1b\x7f\x80\x85\x9b\u2028\u2029\ufeff\ud800\udcff" + BIDI + ZWNJ + ZWJ), ids=ascii
)
def test_names_with_what_does_not_show(char: str) -> None:
    for name in (char, "alice" + char, char + "alice", "al" + char + "ice", char + "a" * 300):
        assert radius_name_problem(name) == "it holds a control character"
        assert name_problem(name) in ("it holds a control character", "it begins or ends with white space")


@pytest.mark.parametrize("name", [" alice", "alice ", " ", "\xa0alice", "alice\u3000", "\u2003"])
def test_names_with_space_around_them(name: str) -> None:
    # They would be other users' to a whitelist and look the same in a log.
    assert name_problem(name) == "it begins or ends with white space"


@pytest.mark.parametrize("name", ["/", "../../zz", "alice/root", "/etc/passwd", "alice/", "a" * 300 + "/", "/\0"])
def test_names_that_would_be_paths(name: str) -> None:
    assert name_problem(name) == "it holds a path separator"


def test_a_radius_name_may_be_a_path() -> None:
    # As that of a service, which names no file.
    assert radius_name_problem("host/server.example.com") == ""


@pytest.mark.parametrize("number, words", [(0, "0 replies"), (1, "1 reply"), (2, "2 replies"), (11, "11 replies")])
def test_a_number_with_its_noun(number: int, words: str) -> None:
    assert counted(number, "reply", "replies") == words


@pytest.mark.parametrize(
    "value, shown",
    [
        ("alice", "alice"),
        ("büro\\李", "büro\\李"),
        ("", '""'),
        ("\x1b[31m\0", '""'),
        ("alice smith", '"alice smith"'),
        ("alice verdict=ACCEPT", '"alice verdict=ACCEPT"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\nSession ended: user=b", '"a Session ended: user=b"'),
    ],
)
def test_value_in_a_line_of_the_log(value: str, shown: str) -> None:
    assert field(value) == shown


@settings(deadline=None)
@given(TEXTS)
def test_value_in_a_line_of_the_log_is_one_value(value: str) -> None:
    shown = field(value)
    assert re.match(r'(?:[^\s="]+|"(?:[^"\\]|\\.)*")\Z', shown)
    assert (json.loads(shown) if shown.startswith('"') else shown) == one_line(value)


@settings(deadline=None)
@given(TEXTS)
def test_a_name_that_may_be_used_is_shown_as_it_is(name: str) -> None:
    if not name_problem(name):
        assert "".join(safe("|" + name + "|").split("\n")) == "|" + name + "|"
        assert len(name.encode("utf-8")) <= 253 and "/" not in name


@pytest.mark.parametrize(
    "text, names, shown",
    [
        ("", (), ""),
        ("no names", (), "no names"),
        ("{user}", ("user",), "alice"),
        ("{user} from {client_ip}, {user}", ("user", "client_ip", "user"), "alice from 192.0.2.1, alice"),
        ("{{user}}", (), "{user}"),
        ("{{{user}}}", ("user",), "{alice}"),
        ("{{{{", (), "{{"),
        ("}}{{", (), "}{"),
        ("{odd}", ("odd",), "{user}{{}}{"),
        ("%(user)s $user \\1 \\g<1>", (), "%(user)s $user \\1 \\g<1>"),
        ("{back}", ("back",), "\\1\\g<0>"),
        ("ünï {user} \U0001f511", ("user",), "ünï alice \U0001f511"),
    ],
)
def test_names_in_braces_are_filled(text: str, names: Tuple[str, ...], shown: str) -> None:
    values = {"user": "alice", "client_ip": "192.0.2.1", "odd": "{user}{{}}{", "back": "\\1\\g<0>"}
    assert placeholders(text) == names
    assert filled(text, values) == shown


@pytest.mark.parametrize(
    "text", ["{", "}", "{user", "user}", "{{user}", "{user}}", "{{{", "}}}", "{a{user}", "{ {user} }"]
)
def test_a_brace_alone(text: str) -> None:
    for call in (lambda: placeholders(text), lambda: filled(text, {"user": "alice", "a": "b"})):
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value) == "a brace stands alone; one that is meant is written {{ or }}"


@pytest.mark.parametrize(
    "name",
    ["", "User", "user ", " user", "0", "user.upper", "user!r", "user:>9", "user[0]", "user.__class__", "us\ner"],
)
def test_only_a_known_name_itself_means_anything(name: str) -> None:
    assert placeholders("{" + name + "}") == (name,)
    with pytest.raises(ValueError) as raised:
        filled("Hello {" + name + "}", {"user": "alice", "client_ip": "192.0.2.1"})
    assert str(raised.value) == "an unknown name stands in braces; known are {client_ip}, {user}"


def test_no_names_are_known() -> None:
    with pytest.raises(ValueError) as raised:
        filled("{user}", {})
    assert str(raised.value) == "an unknown name stands in braces; known are none"


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(), st.sampled_from(["{{", "}}", "{a}", "{b}"])), max_size=12), st.text(), st.text())
def test_braces_and_values_come_out_as_they_are(parts: List[str], a: str, b: str) -> None:
    values: Dict[str, str] = {"a": a, "b": b}
    written = [part if part in ("{a}", "{b}") else part.replace("{", "{{").replace("}", "}}") for part in parts]
    expected = "".join(values[part[1]] if part in ("{a}", "{b}") else part for part in parts)
    assert filled("".join(written), values) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from("{}ab ")), st.text(st.sampled_from("{}ab ")))
def test_braces_mean_what_str_format_makes_of_them(text: str, a: str) -> None:
    try:
        expected = text.format(a=a)
    except (ValueError, KeyError, IndexError):
        with pytest.raises(ValueError):
            filled(text, {"a": a})
        return
    assert filled(text, {"a": a}) == expected


@pytest.mark.parametrize(
    "name, words",
    [
        ("filterid", "; did you mean Filter-Id?"),
        ("FILTER-ID", "; did you mean Filter-Id?"),
        ("clss", "; did you mean Class?"),
        ("nas-prt", "; did you mean NAS-PORT?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name: str, words: str) -> None:
    assert did_you_mean(name, ["Class", "Filter-Id", "NAS-PORT"]) == words


@settings(deadline=None)
@given(TEXTS)
def test_what_holds_control_characters(value: str) -> None:
    unshown = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert holds_control(value) == any(unicodedata.category(char) in unshown for char in value)
