"""Texts from servers and users, from honest to hostile: what is shown of them, and which names are refused."""

import itertools
import json
import re
import unicodedata
from typing import Callable, Dict, List, Tuple

import hypothesis.strategies as st
from hypothesis import given

from lib.login.username import name_problem, radius_name_problem
from lib.text import (
    counted,
    did_you_mean,
    field,
    file_name,
    filled,
    holds_control,
    holds_invisible,
    one_line,
    placeholders,
    reply_message,
    safe,
    without_inputs,
)

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"
STRING_INTRODUCERS = [ESC + letter for letter in "]PX^_"] + list("\x9d\x90\x98\x9e\x9f")  # OSC, DCS, SOS, PM, APC
INTRODUCERS = [ESC + "[", "\x9b"] + STRING_INTRODUCERS
JOINERS = "\u200c\u200d"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")
LIMIT = 500
OCTETS_IN_A_DATAGRAM = 65535
INVISIBLE = "it holds an invisible character"
CONTROL, WHITE_SPACE = "it holds a control character", "it begins or ends with white space"

# Whatever terminals, parsers of terminals and Unicode tables treat specially, beside plain text of several scripts.
PIECES = st.sampled_from(
    INTRODUCERS
    + [ESC, BEL, ST, "\r\n"]
    + list("\x9c\x18\x1a\0\b\t\r\n\x0b\x0c\x7f\x80\x85")
    + list("\u2028\u2029\ufeff\xad\ud800\udfff\u3000\xa0\U000e0041" + JOINERS + BIDI)
    + ["31m", "0;title", "(B", "c", "?25l", "#8", " ", "  ", "Enter PIN: ", "könnte", "می", "中文", "\U0001f468"]
)
TEXTS = st.lists(st.one_of(PIECES, st.characters(blacklist_categories=())), max_size=40).map("".join)


def is_shown(char: str) -> bool:
    return char in "\n" + JOINERS or unicodedata.category(char) not in UNSHOWN


def cut(octets: bytes, size: int) -> List[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def refusal(call: Callable[..., object], *arguments: object) -> str:
    """Return the text of the ValueError that a call raises, or an empty string if it raises none."""
    try:
        call(*arguments)
    except ValueError as error:
        return str(error)
    return ""


# What is shown


def test_escape_sequences_are_removed() -> None:
    shown = {
        "": "",
        "Enter PIN:": "Enter PIN:",
        "  Enter PIN: \n": "Enter PIN:",
        "\x1b[31mred\x1b[0m": "red",
        "\x1b[38;5;196mred\x1b[m": "red",
        "\x9b31mred\x9b0m": "red",
        "\x1b[?25lhidden cursor": "hidden cursor",
        "\x1b[2J\x1b[1;1Hcleared": "cleared",
        "\x1b[!psoft reset": "soft reset",
        "over\x1b[1Dwritten": "overwritten",
        "\x1bcreset": "reset",
        "\x1b(Bcharset": "charset",
        "\x1b#8screen": "screen",
        "\x1b 7ansi": "ansi",
        "\x1b7saved\x1b8": "saved",
        "end\x1b": "end",
        "end\x1b[": "end",
        "end\x1b[31": "end",
        "end\x9b": "end",
        "\x1b\x1b[31mred": "red",
        "\x1b\n\x1b[31mred": "red",
    }
    assert {value: safe(value) for value in shown} == shown


def test_string_sequences_are_removed_up_to_their_end() -> None:
    values = [
        "before " + introducer + "0;title\nand more" + end + "after"
        for introducer in STRING_INTRODUCERS
        for end in (BEL, ST, "\x9c")
    ]
    assert {value: safe(value) for value in values} == dict.fromkeys(values, "before after")


def test_unfinished_string_sequence_does_not_hide_the_rest() -> None:
    values = [introducer + "0;Your code:\nsent" for introducer in STRING_INTRODUCERS]
    assert {value: safe(value) for value in values} == dict.fromkeys(values, "0;Your code:\nsent")


def test_escape_sequence_inside_another_is_removed() -> None:
    assert ESC not in safe("\x1b[\x1b[31m31mred")
    assert safe("\x1b]0;ti\x1b[31mtle\x07!") == "0;title!"
    assert safe("\x1bPtmux;\x1b\x1b]0;title\x07\x1b\\shown") == "tmux;shown"


def test_every_line_end_is_a_newline() -> None:
    line_ends = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\r\x1b[0m\n"]
    assert {end: safe("1) push" + end + "2) SMS") for end in line_ends} == dict.fromkeys(line_ends, "1) push\n2) SMS")


def test_at_most_one_blank_line_in_a_row() -> None:
    assert safe("one\n \n\t\n\0\ntwo\r\n\r\nthree") == "one\n\ntwo\n\nthree"


def test_carriage_return_does_not_overwrite_the_line() -> None:
    assert safe("Denied\rAccept") == "Denied\nAccept"


def test_control_and_format_characters_and_lone_surrogates_are_removed() -> None:
    chars = list("\0\b\x07\x18\x1a\x7f\x80\ufeff\xad\u2060\ufff9\U000e0041" + BIDI) + list("\ud800\udbff\udc00\udfff")
    assert {char: safe("ab" + char + "cd") for char in chars} == dict.fromkeys(chars, "abcd")


def test_tabs_are_spaces() -> None:
    assert safe("1\tpush") == "1 push"


def test_writing_systems_stay() -> None:
    words = [
        "می\u200cخواهم",
        "ක්\u200dෂ",
        "\U0001f468\u200d\U0001f4bb",
        "naïve",
        "e\u0301",
        "中文",
        "שלום",
        "$%\\x1b[31m",
    ]
    for show in (safe, one_line, lambda word: reply_message([word.encode("utf-8")])):
        assert [show(word) for word in words] == words


@given(TEXTS)
def test_safe_text_contains_only_visible_characters(value: str) -> None:
    assert all(is_shown(char) for char in safe(value))


@given(TEXTS)
def test_safe_text_is_safe_already(value: str) -> None:
    assert safe(safe(value)) == safe(value)


@given(st.text())
def test_text_without_escapes_loses_no_visible_character(value: str) -> None:
    value = "".join(char for char in value if char not in ESC + "\x90\x98\x9b\x9c\x9d\x9e\x9f")
    visible = [char for char in value if is_shown(char) and not char.isspace()]
    assert [char for char in safe(value) if not char.isspace()] == visible


@given(TEXTS)
def test_control_characters_are_found(value: str) -> None:
    assert holds_control(value) == any(unicodedata.category(char) in UNSHOWN for char in value)


# One line


@given(TEXTS, st.integers(3, 60))
def test_one_line_is_one_safe_line_within_its_limit(value: str, limit: int) -> None:
    line = one_line(value, limit)
    assert len(line) <= limit
    assert "\n" not in line and all(is_shown(char) for char in line)
    assert len(line.splitlines()) <= 1
    whole = one_line(value, len(value) + 3)
    assert line == whole or line == whole[: limit - 3] + "..."


def test_one_line_is_cut_above_its_default_limit() -> None:
    assert one_line("x" * (LIMIT - 1)) == "x" * (LIMIT - 1)
    assert one_line("x" * LIMIT) == "x" * LIMIT
    assert one_line("x" * (LIMIT + 1)) == "x" * (LIMIT - 3) + "..."


def test_one_line_joins_lines_and_runs_of_space() -> None:
    assert one_line(" Locked.\r\n\n  Call\t\x1b[1m4444\u2028\xa0now ") == "Locked. Call 4444 now"


def test_datagram_full_of_introducers_is_one_safe_line() -> None:
    # Code that takes quadratic time would not finish while a person waits.
    pieces = INTRODUCERS + [ESC, "\x1b[0", "\x1b]0;", "\r", "\u202e", " ", "\n"]
    failures = []
    for piece, follows in itertools.product(pieces, ["", "0;", "\n", ESC]):
        value = (piece + follows) * (OCTETS_IN_A_DATAGRAM // len(piece + follows))
        for hostile in (value, (piece + follows * OCTETS_IN_A_DATAGRAM)[:OCTETS_IN_A_DATAGRAM], value + ST):
            line = one_line(hostile)
            if len(line) > LIMIT or not all(is_shown(char) for char in line):
                failures.append((piece, follows, line))
    assert failures == []


# Reply-Message


def test_reply_messages_are_joined_as_the_server_split_them() -> None:
    shown: Dict[Tuple[bytes, ...], str] = {
        (): "",
        (b"",): "",
        (b"", b"Enter PIN:"): "Enter PIN:",
        (b"Welcome", b"Enter PIN:"): "Welcome\nEnter PIN:",
        (b"1) push", b"2) SMS", b"3) code"): "1) push\n2) SMS\n3) code",
        (b"x" * 239, b"y"): "x" * 239 + "\ny",
        (b"x" * 240, b"y"): "x" * 240 + "y",
        (b"x" * 253, b"y" * 253, b"z", b"next"): "x" * 253 + "y" * 253 + "z\nnext",
        (b"caf\xc3", b"\xa9"): "caf\xe9",
        (b"\xf0", b"\x9f", b"\x94", b"\x91"): "\U0001f511",
        (b"\xf0\x9f\x94", b"\x91 key", b"next"): "\U0001f511 key\nnext",
        (b"\xe4\xb8", b"\xad\xe6\x96\x87"): "中文",
        (b"one\0", b"\x1b[2Jtwo\0"): "one\ntwo",
    }
    assert {parts: reply_message(parts) for parts in shown} == shown


def test_octets_that_are_not_utf_8_are_replaced() -> None:
    shown: Dict[Tuple[bytes, ...], str] = {
        (b"Bitte best\xe4tigen",): "Bitte best\ufffdtigen",
        (b"caf\xe9",): "caf\ufffd",
        (b"\xff\xfe\x80\x81",): "\ufffd" * 4,
        (b"\xed\xa0\x80",): "\ufffd" * 3,
        (b"x" * 249 + b"\xc3",): "x" * 249 + "\ufffd",
        (b"\x80\x80\x80\x80", b"next"): "\ufffd" * 4 + "\nnext",
    }
    assert {parts: reply_message(parts) for parts in shown} == shown


def test_latin_1_at_the_end_of_a_line_does_not_swallow_the_line_end() -> None:
    ends = [b"\xe9", b"\xc0", b"\xf6", b"\xff", b"\xe4\xb8"]
    shown = {end: reply_message([b"caf" + end, b"Enter PIN:"]) for end in ends}
    assert shown == dict.fromkeys(ends, "caf\ufffd\nEnter PIN:")


def test_long_text_is_whole_again_wherever_it_was_cut() -> None:
    texts = [char * 400 for char in ("é", "中", "\U0001f511", "xé中\U0001f511")]
    for size in (240, 247, 249, 250, 253):
        assert [reply_message(cut(text.encode("utf-8"), size)) for text in texts] == texts, size


@given(st.text(min_size=1, max_size=40), st.integers(1, 40), st.integers(240, 253))
def test_text_cut_at_full_attributes_is_whole_again(text: str, times: int, size: int) -> None:
    assert reply_message(cut((text * times).encode("utf-8"), size)) == safe(text * times)


@given(st.lists(st.one_of(st.binary(max_size=253), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))))
def test_any_octets_make_a_safe_message(parts: List[bytes]) -> None:
    message = reply_message(parts)
    assert all(is_shown(char) for char in message)
    assert safe(message) == message


# Names


def test_ordinary_names_are_accepted() -> None:
    names = ["alice", "alice.smith@example.com", "EXAMPLE\\alice", "büro", "李雷", "o'neil", "a b"]
    names += ["..", "%s", "$", "-rf", "a:b"]
    names += ["a" * 253, "é" * 126 + "a", "中" * 84 + "a", "\U0001f511" * 63 + "a"]
    assert {name: name_problem(name) for name in names} == dict.fromkeys(names, "")
    assert {name: radius_name_problem(name) for name in names} == dict.fromkeys(names, "")


def test_names_longer_than_an_attribute_are_refused() -> None:
    for name in ("a" * 254, "é" * 127, "中" * 85, "\U0001f511" * 64):
        assert name_problem(name) == radius_name_problem(name) == "it is longer than 253 octets"


def test_names_with_characters_that_are_not_shown_are_refused() -> None:
    chars = "\0\t\n\r\x1b\x7f\x80\x85\x9b\u2028\u2029\ufeff\ud800\udcff" + BIDI + JOINERS
    names = [
        name for char in chars for name in (char, "alice" + char, char + "alice", "al" + char + "ice", char + "a" * 300)
    ]
    assert {name: radius_name_problem(name) for name in names} == dict.fromkeys(names, CONTROL)
    assert [name for name in names if name_problem(name) not in (CONTROL, WHITE_SPACE)] == []


def test_names_with_invisible_characters_are_refused() -> None:
    # A log shows them as the same name, and directories take them for it.
    chars = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180d\u180f\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0100\U000e0fff"
    names = [name for char in chars for name in (char, "alice" + char, char + "alice", "al" + char + "ice")]
    assert {name: name_problem(name) for name in names} == dict.fromkeys(names, INVISIBLE)
    assert {name: radius_name_problem(name) for name in names} == dict.fromkeys(names, INVISIBLE)


def test_every_character_that_unicode_ignores_is_invisible() -> None:
    # Unicode derives them so: all format characters but those that are shown, and some marks and letters.
    shown = ("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "INTERLINEAR")
    others = "VARIATION SELECTOR|HANGUL.* FILLER|GRAPHEME JOINER|KHMER VOWEL INHERENT"
    wrong = []
    for char in map(chr, range(0x110000)):
        name = unicodedata.name(char, "")
        if unicodedata.category(char) == "Cf" and char != "\u061c":
            is_ignored = not name.startswith(shown)
        else:
            is_ignored = char == "\u061c" or re.search(others, name) is not None
        if name and is_ignored != holds_invisible(char):
            wrong.append((char, name))
    assert wrong == []


def test_no_letter_digit_or_sign_is_invisible() -> None:
    visible = [chr(number) for number in range(0x110000) if unicodedata.category(chr(number))[0] in "LNPSZ"]
    assert [char for char in visible if holds_invisible(char)] == list("\u115f\u1160\u3164\uffa0")


def test_names_with_space_around_them_are_refused() -> None:
    # An allowlist would take them for other users, and a log would show them the same.
    names = [" alice", "alice ", " ", "\xa0alice", "alice\u3000", "\u2003"]
    assert {name: name_problem(name) for name in names} == dict.fromkeys(names, WHITE_SPACE)


def test_names_that_would_be_paths_are_refused() -> None:
    names = ["/", "../../zz", "alice/root", "/etc/passwd", "alice/", "a" * 300 + "/", "/\0"]
    assert {name: name_problem(name) for name in names} == dict.fromkeys(names, "it holds a path separator")


def test_radius_name_may_be_a_path() -> None:
    # The name of a service names no file.
    assert radius_name_problem("host/server.example.com") == ""


@given(TEXTS)
def test_accepted_name_is_shown_unchanged(name: str) -> None:
    if not name_problem(name):
        assert "".join(safe("|" + name + "|").split("\n")) == "|" + name + "|"
        assert len(name.encode("utf-8")) <= 253 and "/" not in name


# Log lines


def test_number_agrees_with_its_noun() -> None:
    counts = ((0, "0 replies"), (1, "1 reply"), (2, "2 replies"), (11, "11 replies"))
    assert [(number, counted(number, "reply", "replies")) for number, _ in counts] == list(counts)


def test_value_in_a_log_line_is_quoted_if_needed() -> None:
    shown = {
        "alice": "alice",
        "büro\\李": "büro\\李",
        "": '""',
        "\x1b[31m\0": '""',
        "alice smith": '"alice smith"',
        "alice verdict=ACCEPT": '"alice verdict=ACCEPT"',
        "a=b": '"a=b"',
        'say "x"': '"say \\"x\\""',
        "a\nSession ended: user=b": '"a Session ended: user=b"',
    }
    assert {value: field(value) for value in shown} == shown


@given(TEXTS)
def test_value_in_a_log_line_is_one_value(value: str) -> None:
    shown = field(value)
    assert re.match(r'(?:[^\s="]+|"(?:[^"\\]|\\.)*")\Z', shown)
    assert (json.loads(shown) if shown.startswith('"') else shown) == one_line(value)


# Names in braces


def test_names_in_braces_are_replaced_by_their_values() -> None:
    values = {"user": "alice", "client_ip": "192.0.2.1", "odd": "{user}{{}}{", "back": "\\1\\g<0>"}
    cases: Dict[str, Tuple[Tuple[str, ...], str]] = {
        "": ((), ""),
        "no names": ((), "no names"),
        "{user}": (("user",), "alice"),
        "{user} from {client_ip}, {user}": (("user", "client_ip", "user"), "alice from 192.0.2.1, alice"),
        "{{user}}": ((), "{user}"),
        "{{{user}}}": (("user",), "{alice}"),
        "{{{{": ((), "{{"),
        "}}{{": ((), "}{"),
        "{odd}": (("odd",), "{user}{{}}{"),
        "%(user)s $user \\1 \\g<1>": ((), "%(user)s $user \\1 \\g<1>"),
        "{back}": (("back",), "\\1\\g<0>"),
        "ünï {user} \U0001f511": (("user",), "ünï alice \U0001f511"),
    }
    assert {text: (placeholders(text), filled(text, values)) for text in cases} == cases


def test_single_brace_is_refused() -> None:
    texts = ["{", "}", "{user", "user}", "{{user}", "{user}}", "{{{", "}}}", "{a{user}", "{ {user} }"]
    refused = dict.fromkeys(texts, "unpaired brace; write {{ or }} for a literal brace")
    assert {text: refusal(placeholders, text) for text in texts} == refused
    assert {text: refusal(filled, text, {"user": "alice", "a": "b"}) for text in texts} == refused


def test_name_is_known_only_in_its_exact_spelling() -> None:
    names = [
        "",
        "User",
        "user ",
        " user",
        "0",
        "user.upper",
        "user!r",
        "user:>9",
        "user[0]",
        "user.__class__",
        "us\ner",
    ]
    values = {"user": "alice", "client_ip": "192.0.2.1"}
    assert {name: placeholders("{" + name + "}") for name in names} == {name: (name,) for name in names}
    assert {name: refusal(filled, "Hello {" + name + "}", values) for name in names} == dict.fromkeys(
        names, "unknown placeholder; expected {client_ip}, {user}"
    )


def test_refusal_says_if_no_names_are_known() -> None:
    assert refusal(filled, "{user}", {}) == "unknown placeholder; expected none"


@given(st.lists(st.one_of(st.text(), st.sampled_from(["{{", "}}", "{a}", "{b}"])), max_size=12), st.text(), st.text())
def test_escaped_braces_and_values_are_kept(parts: List[str], a: str, b: str) -> None:
    values: Dict[str, str] = {"a": a, "b": b}
    written = [part if part in ("{a}", "{b}") else part.replace("{", "{{").replace("}", "}}") for part in parts]
    expected = "".join(values[part[1]] if part in ("{a}", "{b}") else part for part in parts)
    assert filled("".join(written), values) == expected


@given(st.text(st.sampled_from("{}ab ")), st.text(st.sampled_from("{}ab ")))
def test_braces_mean_the_same_as_in_str_format(text: str, a: str) -> None:
    try:
        expected = text.format(a=a)
    except (ValueError, KeyError, IndexError):
        assert refusal(filled, text, {"a": a})
        return
    assert filled(text, {"a": a}) == expected


def test_did_you_mean_suggests_the_closest_name() -> None:
    suggestions = {
        "filterid": "; did you mean Filter-Id?",
        "FILTER-ID": "; did you mean Filter-Id?",
        "clss": "; did you mean Class?",
        "nas-prt": "; did you mean NAS-PORT?",
        "zzz": "",
        "": "",
    }
    assert {name: did_you_mean(name, ["Class", "Filter-Id", "NAS-PORT"]) for name in suggestions} == suggestions


@given(TEXTS, TEXTS)
def test_every_user_name_has_a_file_of_its_own_in_any_locale(first: str, second: str) -> None:
    assert (file_name(first) == file_name(second)) == (first == second)
    assert re.fullmatch("[ -.0-~]{0,180}", file_name(first))


def test_file_names_that_do_not_collide() -> None:
    names = ["alice", "Alice", "jürgen", "j%C3%BCrgen", "ju\u0308rgen", "x" * 181, "x" * 182, "\u5b89" * 84]
    assert len(set(map(file_name, names))) == len(names)
    assert file_name("alice@example.com") == "alice@example.com"
    assert file_name("jürgen") == "j%C3%BCrgen"


def test_inputs_are_not_shown_again() -> None:
    for text, inputs, shown in (
        ("wrong code 123456!", ["123456"], "wrong code ***!"),
        ("x123456x 123456", ["123456", "1234"], "x***x ***"),
        ("press 1, or 123", ["1", "123"], "press 1, or 123"),
        ("no hunter2here", ["hunter2\0", "hun\x1b[mter2"], "no ***here"),
        ("Hunter2", ["hunter2"], "Hunter2"),
        ("a.*b", ["...."], "a.*b"),
        ("", ["1234"], ""),
    ):
        assert without_inputs(text, inputs) == shown
