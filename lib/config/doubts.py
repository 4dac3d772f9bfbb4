"""Doubts about single values, which are valid but probably not intended."""

import re
from typing import Callable, Dict, Iterator

from .. import log_lines
from ..namedtuple import NamedTuple
from .value_types import (
    NAMES,
    OPTIONAL_PATTERN,
    QUOTED,
    SECRET,
    SUFFIX_SWITCH,
    TEXT,
    ValueType,
    code_point,
    invisible,
)


class Doubt(NamedTuple):
    """A doubt: the text of the warning, and where in the value its cause is."""

    text: str
    offset: int = 0


_LOOKED_UP = r"\$\$?\Z|\$\[.+\]\Z"
_PROSE = ("prompt",)
_COMMENT = r"\s[;#]\s"  # a secret may well contain ` #`
_PROSE_COMMENT = r"\s#\s"  # in a text for users, a semicolon may follow a blank
_DN = r"(?i)\b[a-z]{1,20}=[^,]{1,200}(,)\s{0,9}[a-z]{1,20}="


def text_doubts(value: str, comment: str = _COMMENT) -> Iterator[Doubt]:
    """Yield the doubts about text that is sent, shown or compared as it stands."""
    if re.match(QUOTED, value, re.DOTALL):
        yield Doubt(log_lines.IN_QUOTES.text)
    found = re.search(comment, value)
    if found:
        yield Doubt(log_lines.WITH_COMMENT.text, found.start() + 1)


def line_doubts(value: str) -> Iterator[Doubt]:
    """Yield the doubts about one side of a line, in a section that is read line by line."""
    if value == "$":
        yield Doubt(log_lines.LITERAL_DOLLAR.text)
    yield from text_doubts(value)


def stored_secret_doubts(value: str) -> Iterator[Doubt]:
    """Yield the doubts about a secret from the Credential Store, whose white space is not stripped."""
    for char in (value[:1], value[-1:]):
        if char.isspace():
            yield Doubt(log_lines.WHITE_SPACE.format(code=code_point(char)))
            return
    yield from _secret_doubts(value)


def option_doubts(name: str, kind: ValueType, value: str, is_prose: bool = False) -> Iterator[Doubt]:
    """Yield the doubts about the value of an option; prose is a text for users."""
    if kind is SUFFIX_SWITCH and value not in ("true", "false"):
        yield Doubt(log_lines.KEEPS_SUFFIX.text)
    if not value or re.match(_LOOKED_UP, value):
        return
    if kind.cap is not None and float(value) > kind.cap:
        yield Doubt(log_lines.CAPPED.format(limit=kind.cap))
    if is_prose or name in _PROSE:
        yield from text_doubts(value, _PROSE_COMMENT)
    elif kind is SECRET:
        yield from _secret_doubts(value)
    elif kind is NAMES:
        yield from _list_doubts(value)
    elif kind is OPTIONAL_PATTERN:
        yield from text_doubts(value)
    elif kind is TEXT or name in _DOUBTS_BY_NAME:
        yield from _text_doubts(name, value)


def _secret_doubts(value: str) -> Iterator[Doubt]:
    yield from text_doubts(value)
    yield from _invisible(value)


def _text_doubts(name: str, value: str) -> Iterator[Doubt]:
    yield from text_doubts(value)
    yield from _invisible(value)
    if name in _DOUBTS_BY_NAME and not re.match(QUOTED, value):
        yield from _DOUBTS_BY_NAME[name](value)


def _invisible(value: str) -> Iterator[Doubt]:
    at = invisible(value.strip())  # white space at the ends was in quotes
    if at >= 0:
        char = value.strip()[at]
        yield Doubt(log_lines.INVISIBLE.format(code=code_point(char)), at)


def _list_doubts(value: str) -> Iterator[Doubt]:
    if '"' not in value:
        yield from text_doubts(value)
    yield from _invisible(value)
    yield from _separator_doubts(value)


def _separator_doubts(value: str) -> Iterator[Doubt]:
    if ";" in value and "," not in value and not re.search(_COMMENT, value):
        yield Doubt(log_lines.SEMICOLON.text, value.index(";"))
    name = re.search(_DN, value) if '"' not in value else None
    if name:
        yield Doubt(log_lines.DN_SPLIT.text, name.start(1))


def _prefix_doubts(value: str) -> Iterator[Doubt]:
    if "\\\\" in value:
        yield Doubt(log_lines.TWO_BACKSLASHES.text, value.index("\\\\"))
    elif value[-1].isalnum() or value[-1] == "}":
        yield Doubt(log_lines.NO_BACKSLASH.text, len(value) - 1)


def _suffix_doubts(value: str) -> Iterator[Doubt]:
    if value[0].isalnum() or value[0] == "{":
        yield Doubt(log_lines.NO_AT_SIGN.text)


def _domain_doubts(value: str) -> Iterator[Doubt]:
    if value[0] == "@":
        yield Doubt(log_lines.SECOND_AT_SIGN.text)


_DOUBTS_BY_NAME: Dict[str, Callable[[str], Iterator[Doubt]]] = {
    "add_prefix": _prefix_doubts,
    "add_suffix": _suffix_doubts,
    "append_domain": _domain_doubts,
    "except": _separator_doubts,
}
