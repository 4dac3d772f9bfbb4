"""INI text: one tolerant pass that finds sections, values, line numbers and every syntax error.

Valid text is read as ConfigParser reads it, and so as the SDK reads it, with two exceptions: a `%` that ConfigParser
would refuse is an ordinary character, and a value in double quotes keeps white space at its ends. Some of our sections
are read line by line instead: such lines keep their case and may contain `:`.

An indented line is an error, unless it continues PEM: a leading blank would otherwise make an option, or a section that
decides who is admitted, part of the value above it. PEM between BEGIN and END needs no indentation.

The work is proportional to the length of the text, which is limited, and so are the values that references make.
"""

import configparser
import re
import sys
from typing import Dict, List, Mapping, Match, Optional, Sequence, Set, Tuple

from .. import log_lines
from ..namedtuple import NamedTuple
from ..text import printable
from .options import SECTIONS, declaration
from .value_types import CERTIFICATE_AND_KEY, CERTIFICATES

MAX_CHARACTERS = 2**20
"""The length of a configuration."""


class Problem(NamedTuple):
    """One error or warning in a configuration; no text in it quotes a value.

    `offset` is where in the value, or in the line of a section that is read line by line, the cause is; -1: nowhere.
    """

    error: bool
    section: str
    option: str
    text: str
    offset: int = -1

    def __str__(self) -> str:
        place = f"[{self.section}]" if self.section else ""
        return printable(" ".join(part for part in (place, self.option) if part) + ": " + self.text)


Lines = Sequence[Tuple[int, str]]
"""Lines of the file with their numbers."""

Places = Mapping[Tuple[str, str], int]
"""(section, option) -> the number of its first line; (section, "") -> that of the section's header."""


class Ini(NamedTuple):
    """A parsed file: section -> option -> value, and the numbered lines of the sections that are read line by line.

    `from_default` has for each section the options that it has only from [DEFAULT].
    """

    sections: Dict[str, Dict[str, str]]
    from_default: Dict[str, Set[str]]
    lines: Mapping[str, Lines]
    places: Places
    problems: Tuple[Problem, ...]


_DEFAULT = configparser.DEFAULTSECT
_LINE_SECTIONS = frozenset(section.name for section in SECTIONS if section.lines)
_BARE_HEADER = r"\[[^]]+\]\s*([#;].*)?\Z"  # a pattern may begin with a bracket, too
_OPTION = r"([^=:]*)[=:](.*)\Z"
_PADDED_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)\Z"
_REFERENCE = r"%(?:(%)|\(([^)]{1,100})\)s)?"
_NO_VALUE = sys.maxsize
_MAX_DEPTH = 10  # of references in referenced values, as in ConfigParser
_MAX_EXPANSION = 2 * 10**5  # values that sections take from [DEFAULT], and characters that references insert
_SHOWN_REPETITIONS = 10
_OPTIONS = [option for section in SECTIONS for option in section.options]
_NAMES = {option.name for option in _OPTIONS}
_PEM_NAMES = {option.name for option in _OPTIONS if option.kind in (CERTIFICATES, CERTIFICATE_AND_KEY)}


def parse_ini(text: str) -> Ini:
    """Parse INI text; text that is not INI makes problems, never an exception."""
    parser = _Parser()
    if len(text) > MAX_CHARACTERS:
        parser.refuse(f"is longer than {MAX_CHARACTERS} characters")
        return parser.result()
    for number, line in enumerate(text.lstrip("\ufeff").split("\n"), 1):  # splitlines knows more line endings
        parser.take(number, line)
    return parser.result()


def line_of(problem: Problem, places: Places) -> int:
    """Return the line that a problem is about, that of its section if something is missing there, or 0."""
    numbered = re.match("line ([0-9]+)\\Z", problem.option)
    if numbered:
        return int(numbered.group(1))
    sections = (problem.section, _DEFAULT) if problem.option else ()
    keys = [(section, problem.option) for section in sections] + [(problem.section, "")]
    return next((places[key] for key in keys if key in places), 0)


def further_server(section: str) -> str:
    """Return where a further server goes, for a second section of this name; nothing if it can have none."""
    return f"; a further server goes into [{section}_2]" if section in ("radius", "accounting") else ""


def unquoted(value: str) -> str:
    """Return a value without its double quotes if they keep white space at its ends."""
    inside = value[1:-1]
    if len(value) > 2 and value[0] == value[-1] == '"' and inside != inside.strip():
        return inside
    return value


class _Parser:
    """Parses a file line by line."""

    def __init__(self) -> None:
        self._options: Dict[str, Dict[str, List[str]]] = {}
        self._lines: Dict[str, List[Tuple[int, str]]] = {name: [] for name in _LINE_SECTIONS}
        self._places: Dict[Tuple[str, str], int] = {}
        self._problems: List[Problem] = []
        self._repetitions: Dict[Tuple[str, str], List[int]] = {}
        self._section: Optional[str] = None
        self._option = ""
        self._value: List[str] = []
        self._indent = _NO_VALUE  # a line indented deeper than that continues the value
        self._inside_pem = False
        self._refused_pem = False

    def take(self, number: int, line: str) -> None:
        """Take the next line."""
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        header = configparser.ConfigParser.SECTCRE.match(stripped)
        section = header.group("header") if header else ""
        is_comment = stripped[:1] in ("#", ";")
        if self._section in self._lines and not _ends_lines(stripped):
            if stripped and not is_comment:
                self._lines[self._section].append((number, stripped))
        elif is_comment:
            pass
        elif not stripped:
            self._value.append("")
        elif self._is_pem(stripped, bool(section)):
            self._take_pem(number, stripped, indent)
        elif indent > self._indent and section not in self._lines:
            self._continue_value(number, stripped, bool(section))
        elif section:
            self._begin_section(number, section)
            if header and re.match(r"\s*[^\s#;]", stripped[header.end() :]):  # ConfigParser ignores it
                self._report("", f"line {number}", log_lines.AFTER_HEADER.text)
        elif self._section is None:
            self._report("", f"line {number}", log_lines.BEFORE_FIRST_SECTION.text)
        else:
            self._begin_option(number, self._section, indent, stripped)

    def refuse(self, text: str) -> None:
        """Report an error in the whole configuration."""
        self._report("", "", text)

    def result(self) -> Ini:
        """Return all that was found."""
        for (section, name), numbers in self._repetitions.items():
            self._report(section, name, _repeated(numbers) + ("" if name else further_server(section)))
        joined = {
            section: {name: "\n".join(lines).rstrip() for name, lines in options.items()}
            for section, options in self._options.items()
        }
        defaults = joined.pop(_DEFAULT, {})
        budget = _Budget(_MAX_EXPANSION)
        sections: Dict[str, Dict[str, str]] = {}
        for section, own in joined.items():
            declared = declaration(section)
            keep_quotes = declared is not None and declared.sdk
            expanded = dict(own)
            try:
                budget.spend(len(defaults))
                values = dict(own, **{name: value for name, value in defaults.items() if name not in own})
                expanded = {name: _expanded(value, values, budget) for name, value in values.items()}
            except OverflowError:
                self._report(section, "", "has too many values from [DEFAULT] and from `%(name)s`")
            sections[section] = {name: value if keep_quotes else unquoted(value) for name, value in expanded.items()}
        from_default = {section: set(sections[section]).difference(own) for section, own in joined.items()}
        return Ini(sections, from_default, self._lines, self._places, tuple(self._problems))

    def _begin_section(self, number: int, name: str) -> None:
        if name in self._options and name != _DEFAULT:
            self._repetitions.setdefault((name, ""), []).append(number)
        self._section, self._option, self._value, self._indent = name, "", [], _NO_VALUE
        self._options.setdefault(name, {})
        self._places.setdefault((name, ""), number)

    def _begin_option(self, number: int, section: str, indent: int, line: str) -> None:
        """Begin an option's value; of two values the first counts."""
        match = re.match(_OPTION, line)
        name = match.group(1).rstrip().lower() if match else ""
        if not match or not name:
            self._report("", f"line {number}", log_lines.NOT_AN_OPTION.text)
            return
        value = match.group(2).strip()
        self._option, self._value, self._indent = name, [value], indent
        self._inside_pem = value.rfind("-----BEGIN ") > value.rfind("-----END ")
        self._refused_pem = False
        if name in self._options[section]:
            self._repetitions.setdefault((section, name), []).append(number)
        self._options[section].setdefault(name, self._value)
        self._places.setdefault((section, name), number)

    def _continue_value(self, number: int, line: str, is_header: bool) -> None:
        """Take an indented line, which ConfigParser takes for a part of the value above it."""
        if self._option in _PEM_NAMES and not is_header and _option_name(line) not in _NAMES:
            self._value.append(line)
        else:
            self._report("", f"line {number}", log_lines.INDENTED.text)

    def _is_pem(self, line: str, is_header: bool) -> bool:
        """Whether a line is PEM, indented or not; a header or a known option ends PEM that lacks its END."""
        if line.startswith("-----BEGIN "):
            self._inside_pem = self._section is not None
        elif self._inside_pem and not re.match(_PADDED_BASE64, line):
            self._inside_pem = not is_header and _option_name(line) not in _NAMES
        return self._inside_pem

    def _take_pem(self, number: int, line: str, indent: int) -> None:
        """Take a line of PEM. Other options than those for PEM get one error, which shows nothing of a private key."""
        if "-----END " in line:
            self._inside_pem = line.rfind("-----BEGIN ") > line.rfind("-----END ")
        if self._option in _PEM_NAMES:
            self._value.append(line)
        elif not self._refused_pem:
            self._refused_pem = True
            cause = log_lines.INDENTED if indent > self._indent else log_lines.MISPLACED_PEM
            self._report("", f"line {number}", cause.text)

    def _report(self, section: str, option: str, text: str) -> None:
        self._problems.append(Problem(True, section, option, text, -1))


def _ends_lines(line: str) -> bool:
    """Whether a line ends a section of lines: a bare header, or a known name in brackets and a blank."""
    named = re.match(r"\[([^]]+)\]\s", line)
    return re.match(_BARE_HEADER, line) is not None or named is not None and declaration(named.group(1)) is not None


class _Budget:
    """The work that is left; spending more raises OverflowError."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, work: int) -> None:
        """Take work from the budget."""
        self._left -= work
        if self._left < 0:
            raise OverflowError()


def _option_name(line: str) -> str:
    """Return the name of the option that a line may begin, or nothing."""
    name, separator = (re.split("([=:])", line, maxsplit=1) + [""])[:2]
    return name.rstrip().lower() if separator else ""


def _repeated(numbers: Sequence[int]) -> str:
    """Return the text for a name that is given again in these lines."""
    if len(numbers) == 1:
        return log_lines.GIVEN_TWICE.format(number=numbers[0])
    shown = ", ".join(map(str, numbers[:_SHOWN_REPETITIONS]))
    more = len(numbers) - _SHOWN_REPETITIONS
    return f"given {len(numbers) + 1} times, again in lines {shown}" + (f" and {more:,} more" if more > 0 else "")


def _expanded(value: str, values: Mapping[str, str], budget: _Budget) -> str:
    """Return a value with its references replaced, or as it is if ConfigParser would refuse it."""
    if "%" not in value:
        return value
    try:
        return _replaced(value, values, 1, budget)
    except LookupError:
        return value


def _replaced(value: str, values: Mapping[str, str], depth: int, budget: _Budget) -> str:
    """Replace `%(name)s` and `%%`; raise LookupError for a lone `%`, an unknown name or endless references."""
    if depth > _MAX_DEPTH:
        raise LookupError()

    def replacement(match: Match[str]) -> str:
        percent, name = match.groups()
        if percent:
            return "%"
        referenced = values[(name or "").lower()]
        budget.spend(len(referenced) + 1)
        return _replaced(referenced, values, depth + 1, budget) if "%" in referenced else referenced

    return re.sub(_REFERENCE, replacement, value)
