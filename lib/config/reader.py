"""Reads the declared options of a section and collects every problem with them."""

import contextlib
import re
from typing import Any, Callable, Container, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import log_lines
from .doubts import stored_secret_doubts
from .ini import Ini, Problem
from .option import Option
from .value_types import CERTIFICATES, SECRET

CredentialLookup = Callable[[str, str], Optional[str]]
"""(section, option) -> the password that the Credential Store has for host=section, user=option, or None.

Where the type of the option says so, it is a certificate and its private key, in PEM.
"""

TrustedCaLookup = Callable[[str], Optional[str]]
"""The name of a trusted CA list of SPS -> its certificates in PEM, or None if there is no such list."""

OptionValues = Dict[str, Any]
"""The values of options by name, None if invalid. Their types are those of the declarations, which mypy cannot know."""


class ConfigurationError(Exception):
    """A look-up failed; the text is shown in the log."""


MAX_PROBLEMS = 100
"""So many are shown; the lines after so many errors are not read."""
_TRUSTED_CA = r"\$\[(.+)\]\Z"


def no_trusted_ca(name: str) -> Optional[str]:
    """Fail: this machine is not an SPS."""
    raise ConfigurationError("trusted CA lists exist on SPS only; elsewhere, use the certificates themselves")


def split_at_first(line: str) -> Tuple[str, str, str]:
    """Split a line whose left side contains no `=`."""
    return line.partition("=")


def split_at_blanks(line: str) -> Tuple[str, str, str]:
    """Split a line whose left side may contain `=` without blanks around it, as in `1=Push = 1`."""
    return line.partition(" = " if " = " in line else "=")


def split_at_last(line: str) -> Tuple[str, str, str]:
    """Split a line whose left side may contain `=`, as in `OU=Admins = admins`."""
    return line.partition(" = ") if " = " in line else line.rpartition("=")


class Reader:
    """Reads options and lines; `problems` has every problem with them."""

    def __init__(self, ini: Ini, credential: CredentialLookup, trusted_ca: TrustedCaLookup) -> None:
        self._ini = ini
        self._credential = credential
        self._trusted_ca = trusted_ca
        self.problems: List[Problem] = []

    def read(
        self,
        section: str,
        options: Sequence[Option],
        values: Optional[Mapping[str, str]] = None,
        inherited: Container[str] = (),
        first: Mapping[str, object] = {},
    ) -> OptionValues:
        """Return the value of every option, None where it is invalid; `values` are by default those of the section.

        A value `inherited` from another section is that in `first`: its problems have been reported there. If it is
        `$`, one stored for this section is preferred.
        """
        values = self._ini.sections.get(section, {}) if values is None else values
        found = {}
        for option in options:
            given = values.get(option.name)
            if option.name not in inherited:
                found[option.name] = self._value(section, option, given)
            elif given != "$":
                found[option.name] = first[option.name]
            else:
                found[option.name] = self._value(section, option, given, first[option.name])
        return found

    def pairs(
        self,
        section: str,
        expected: str,
        split: Callable[[str], Tuple[str, str, str]] = split_at_first,
        may_be_empty: bool = True,
    ) -> Iterator[Tuple[str, str, str]]:
        """Yield the place, as in `line 5`, and both sides of each line of a section that is read line by line."""
        for number, line in self._ini.lines[section]:
            if len(self.problems) > MAX_PROBLEMS:
                return
            left, equals, right = (part.strip() for part in split(line))
            if left and equals and (right or may_be_empty):
                yield f"line {number}", left, right
            else:
                self.report(section, f"line {number}", log_lines.EXPECTED.format(values=f"`{expected}`"))

    def stored(self, section: str, option: str) -> str:
        """Return what the Credential Store has for an option; raise ValueError or ConfigurationError without it."""
        text = self._credential(section, option)
        if not (text or "").strip():
            raise ValueError(log_lines.NOT_IN_STORE.format(kind="password", section=section, option=option))
        return text or ""

    def report(self, section: str, option: str, text: str) -> None:
        """Add an error."""
        self.problems.append(Problem(True, section, option, text))

    @contextlib.contextmanager
    def reporting(self, section: str, option: str) -> Iterator[None]:
        """Turn a ValueError or a failed look-up into an error, and go on after the block."""
        try:
            yield
        except (ValueError, ConfigurationError) as error:
            self.report(section, option, str(error))

    def _value(self, section: str, option: Option, given: Optional[str], inherited: object = None) -> object:
        if given is not None and option.ignored:
            self.problems.append(Problem(False, section, option.name, option.ignored))
        with self.reporting(section, option.name):
            text = self._text(section, option, given)
            if text is None and inherited is not None:
                return inherited
            if text is None:
                absent = log_lines.NOT_IN_STORE
                raise ValueError(absent.format(kind=option.kind.stored, section=section, option=option.name))
            if not text and option.required:
                raise ValueError(log_lines.MISSING.text if given is None else "is empty")
            if option.kind is SECRET and given == "$":
                text = re.sub(r"(?:\r?\n)+\Z", "", text)
                self.problems += [
                    Problem(False, section, option.name, doubt.text) for doubt in stored_secret_doubts(text)
                ]
            return option.kind.read(text)
        return None

    def _text(self, section: str, option: Option, given: Optional[str]) -> Optional[str]:
        """Return the text of a value, looked up if it is a reference."""
        if given is None:
            return option.default
        if given == "$$":
            return "$"
        trusted = re.match(_TRUSTED_CA, given) if option.kind is CERTIFICATES else None
        if trusted:
            certificates = self._trusted_ca(trusted.group(1))
            if certificates is None:
                raise ValueError("SPS has no trusted CA list with this name")
            return certificates
        return self._credential(section, option.name) if given == "$" else given
