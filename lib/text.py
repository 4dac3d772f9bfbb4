"""Makes text from users and servers safe to show, and fills in templates.

All text from a server or a user passes through here before it reaches a terminal or a log.
"""

import hashlib
import json
import re
import unicodedata
from typing import Iterable, List, Mapping, Sequence, Tuple

# Patterns are compiled at their first use, since most hooks use none.
# ECMA-48: CSI sequences, the string sequences (OSC, DCS, SOS, PM, APC) up to their end, then two-character escapes.
# C1 controls count as their ESC forms. An unfinished string sequence loses its introducer only, not the text after.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])(?:[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c))?"
    r"|\x1b[ -/]*[0-~]?"
)
_NEWLINES = "\r\n?|[\x0b\x0c\x85\u2028\u2029]"
_JOINERS = "\u200c\u200d"  # format characters that Persian and Indic spelling needs
_UNSHOWN = frozenset(("Cc", "Cf", "Cs"))
# Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 16: variation selectors, fillers, joiners, ...
_IGNORABLE = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BASE_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"})
"""Letters without a decomposition, as directories and databases compare them."""
_BRACES = r"\{\{|\}\}|\{([^{}]*)\}|[{}]"
_MAX_COMPARED = 100  # characters of a name; comparing takes time in proportion to their square
_CUT_OCTETS = 240  # servers cut long texts at 253 octets (RFC 2865 section 5.18) or somewhat before
_LEAST_SECRET = 4  # characters; shorter ones are choices in a menu, and parts of many words
_FILE_NAME_OCTETS = 180  # of 255: an address and a suffix are added


def safe(value: str) -> str:
    """Return text without escape sequences and control, format and surrogate characters; lines end in `\\n`."""
    without_escapes = re.sub(_ESCAPES, "", value)
    lines = re.sub(_NEWLINES, "\n", without_escapes).replace("\t", " ").split("\n")
    shown = ("".join(char for char in line if _shown(char)).rstrip() for line in lines)
    return re.sub("\n{3,}", "\n\n", "\n".join(shown)).strip()


def one_line(value: str, limit: int = 500) -> str:
    """Return safe text on a single line of at most `limit` characters, for a log or a reason."""
    line = " ".join(safe(value).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def reply_message(parts: Sequence[bytes]) -> str:
    """Return the Reply-Message attributes' octets (RFC 2865 section 5.18) as one safe text.

    A part that nearly fills its attribute or ends inside a UTF-8 character continues in the next; others are lines.
    Octets that are not UTF-8 are shown as replacement characters.
    """
    octets, previous = b"", b""
    for part in parts:
        inside = _ends_inside_character(octets) and part[:1] and part[0] & 0xC0 == 0x80
        goes_on = not octets or len(previous) >= _CUT_OCTETS or inside
        octets += part if goes_on else b"\n" + part
        previous = part
    return safe(octets.decode("utf-8", "replace"))


def without_inputs(text: str, inputs: Iterable[str]) -> str:
    """Return safe text with `***` in place of what a user typed, also inside words; short inputs stay."""
    forms = {form for each in inputs for form in (each, safe(each))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***") if len(form) >= _LEAST_SECRET else text
    return text


def system_words(error: OSError) -> str:
    """Return the system's text for an error, without the path."""
    return error.strerror or type(error).__name__


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun, as in `1 reply` and `2 replies`."""
    return f"{number} {one if number == 1 else many}"


def field(value: str) -> str:
    """Return a value for a log line, in quotes if it could be mistaken for several values."""
    line = one_line(value)
    return line if line and not re.search('[\\s="]', line) else json.dumps(line, ensure_ascii=False)


def placeholders(text: str) -> Tuple[str, ...]:
    """Return the names in braces in a text, such as `client_ip` in `from {client_ip}`, in their order.

    `{{` and `}}` are literal braces. Raise ValueError for an unpaired brace.
    """
    names: List[str] = []
    for match in re.finditer(_BRACES, text):
        if match.group() in ("{", "}"):
            raise ValueError("unpaired brace; write {{ or }} for a literal brace")
        if match.group(1) is not None:
            names.append(match.group(1))
    return tuple(names)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with each `{name}` replaced by its value, and `{{` and `}}` by literal braces.

    Braces in a value stay, and only plain names are filled in: `{a.b}` and `{a!r}`, as in str.format, would give access
    to the program. Values are not changed: make the result safe before it is shown. Raise ValueError, which does not
    quote the text, for an unpaired brace or a name without a value.
    """
    if not set(placeholders(text)) <= set(values):
        known = ", ".join("{" + name + "}" for name in sorted(values)) or "none"
        raise ValueError("unknown placeholder; expected " + known)
    return re.sub(_BRACES, lambda match: match.group()[0] if match.group(1) is None else values[match.group(1)], text)


def closest(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Return the most similar known name, ignoring case, or nothing."""
    import difflib  # the SDK does not import it, and only a mistake needs it

    spellings = {spelling.lower(): spelling for spelling in known}
    close = difflib.get_close_matches(name.lower()[:_MAX_COMPARED], spellings, 1, alike)
    return spellings[close[0]] if close else ""


def did_you_mean(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Return `; did you mean ...?` with the most similar known name, or nothing."""
    found = closest(name, known, alike)
    return f"; did you mean {found}?" if found else ""


def canonical(name: str) -> str:
    """Return one spelling for all that a directory may take for the same name.

    Case, width, accents and invisible characters make no difference: `alice`, `Alice`, `álice` and `ａlice` are one.
    """
    previous = ""
    while name != previous:
        previous = name
        # Without marks: to normalize many takes time in proportion to the square of their number.
        decomposed = unicodedata.normalize("NFKD", _without_marks(name.casefold()))
        name = _without_marks(re.sub(_IGNORABLE, "", decomposed)).translate(_BASE_LETTERS)
    return name


def _without_marks(text: str) -> str:
    return "".join(
        char for char in text if not unicodedata.combining(char) and unicodedata.category(char) not in ("Mn", "Me")
    )


def printable(value: str) -> str:
    """Return text on one line, without escape sequences and control or format characters, for an attribute."""
    line = re.sub(f"{_NEWLINES}|[\n\t]", " ", re.sub(_ESCAPES, "", value))
    return "".join(char for char in line if not holds_control(char))


def file_name(name: str) -> str:
    """Return a name for a file that stands for this user name alone, in any locale and within the system's limit."""
    octets = name.encode("utf-8", "surrogatepass")
    safe_name = "".join(chr(each) if 32 <= each < 127 and each not in b"%/" else f"%{each:02X}" for each in octets)
    return safe_name if len(safe_name) <= _FILE_NAME_OCTETS else "%" + hashlib.sha256(octets).hexdigest()


def holds_control(value: str) -> bool:
    """Whether a text holds a control, format or surrogate character, or a line or paragraph separator."""
    return any(unicodedata.category(char) in _UNSHOWN or char in "\u2028\u2029" for char in value)


def holds_invisible(value: str) -> bool:
    """Whether a text holds a character that displays as nothing, such as a variation selector."""
    return re.search(_IGNORABLE, value) is not None


def _shown(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in _UNSHOWN


def _ends_inside_character(octets: bytes) -> bool:
    for back in range(1, min(4, len(octets) + 1)):
        lead = octets[-back]
        if lead >= 0xC0:
            return back < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)
        if lead < 0x80:
            return False
    return False
