"""Reads configurations, and the secrets that are in the Credential Store on SPS."""

import os
import re
import stat
import sys
from typing import List, Mapping, Optional

from .. import log_lines
from ..config.build import build
from ..config.ini import MAX_CHARACTERS, Ini, Problem, line_of, parse_ini
from ..config.model import Settings
from ..config.reader import ConfigurationError, CredentialLookup
from ..namedtuple import NamedTuple
from ..text import counted, one_line, system_words
from .console import Ask, EndOfInput, NoTerminal, ask, encodable
from .exit_status import CommandError

_MAX_OCTETS = MAX_CHARACTERS
_FURTHER_SERVER = re.compile("_[0-9]+\\Z")


NOT_UTF8 = "not UTF-8 text; save the file as UTF-8"


class Source(NamedTuple):
    """The text of a configuration, and the name of its file for messages."""

    name: str
    text: str


class NotUtf8(Exception):
    """A file is not text in UTF-8; `line` is the first line that is not."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(f"{name}:{line}: {NOT_UTF8}")
        self.name = name
        self.line = line


class SecretSource:
    """Replaces the Credential Store: reads secrets from a file, or from the environment and then from the terminal.

    As in the Credential Store, the secret of a further server may be missing; the server then has that of the first.
    """

    def __init__(self, file: Optional[Ini], environment: Mapping[str, str], ask_user: Ask) -> None:
        """Take the contents of --secret-file, if any, the environment, and a function like console.ask."""
        self._file = file
        self._environment = environment
        self._ask_user = ask_user
        self._uses_environment = False

    def __call__(self, section: str, option: str) -> Optional[str]:
        """Return the value of an option, or None if there is none; a CredentialLookup."""
        if self._file is not None:
            lines = [line.partition("=") for _, line in self._file.lines.get(section, ())]
            from_lines = "\n".join(value for name, _, value in lines if name.strip() == option)
            return self._file.sections.get(section, {}).get(option, from_lines or None)
        variable = f"SPS_{section}_{option}".upper()
        if variable in self._environment:
            self._uses_environment = True
            return self._environment[variable]
        is_optional = bool(_FURTHER_SERVER.search(section))
        if self._uses_environment and is_optional:
            return None
        hint = " (press Enter if the Credential Store has none)" if is_optional else ""
        try:
            return self._ask_user(f"[{section}] {option}{hint}: ", True) or None
        except EndOfInput:
            return None
        except NoTerminal:
            raise ConfigurationError(f"is in the Credential Store; set {variable} or use --secret-file") from None


def has_store(ini: Ini) -> bool:
    """Whether the configuration names a Credential Store."""
    return bool(ini.sections.get("credential_store", {}).get("name"))


class Configuration(NamedTuple):
    """A valid configuration, its warnings, and the source of its secrets."""

    ini: Ini
    warnings: List[Problem]
    settings: Settings
    secrets: CredentialLookup


def read(path: str) -> Source:
    """Return the text of a file, or of standard input for `-`; raise CommandError or NotUtf8."""
    name = "standard input" if path == "-" else one_line(path)
    try:
        if path == "-":
            if sys.stdin is None:
                raise CommandError(f"{name}: closed")
            octets = sys.stdin.buffer.read(_MAX_OCTETS + 1)
        else:
            if _is_named_pipe(path):  # opening it would wait for a writer
                raise CommandError(f"{name}: is a pipe, not a file; for standard input, write -")
            with open(path, "rb") as file:
                if _is_device(file.fileno()):
                    raise CommandError(f"{name}: is a device, not a file")
                octets = file.read(_MAX_OCTETS + 1)
    except OSError as error:
        raise CommandError(f"{name}: {system_words(error)}") from None
    if len(octets) > _MAX_OCTETS:
        raise CommandError(f"{name}: is longer than {_MAX_OCTETS} octets")
    wrong = octets.find(b"\0")  # as in UTF-16, of which a part may be valid UTF-8
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        raise NotUtf8(name, octets.count(b"\n", 0, wrong) + 1)
    return Source(name, text)


def load(path: str, secret_file: Optional[str], ask_user: Ask = ask) -> Configuration:
    """Return the configuration in a file; raise CommandError with all of its errors if there are any."""
    try:
        source = read(path)
        secrets = secret_source(secret_file, ask_user)
    except NotUtf8 as error:
        raise CommandError(str(error)) from None
    return build_valid(source, secrets)


def build_valid(source: Source, secrets: CredentialLookup) -> Configuration:
    """Return the configuration in a text; raise CommandError with all of its errors if there are any."""
    ini = parse_ini(source.text)

    def look_up(section: str, option: str) -> Optional[str]:
        if not has_store(ini):
            raise ConfigurationError(log_lines.NO_STORE.text)
        return secrets(section, option)

    found, problems = build(ini, look_up)
    if found is not None:
        return Configuration(ini, list(problems), found, secrets)
    errors = [problem for problem in problems if problem.error]
    lines = [f"{source.name}: the configuration has errors:"]
    lines += [format_problem(source.name, line_of(problem, ini.places), problem) for problem in errors]
    lines.append(f"{counted(len(errors), 'error', 'errors')}; `check` also shows warnings")
    raise CommandError("\n".join(lines))


def secret_source(path: Optional[str], ask_user: Ask = ask) -> SecretSource:
    """Return the source of secrets for a path given with --secret-file, or for None."""
    if path is None:
        return SecretSource(None, os.environ, ask_user)
    source = read(path)
    _warn_of_readers(path, source.name)
    ini = parse_ini(source.text)
    for problem in ini.problems:
        raise CommandError(f"{source.name}: expected [section] and `option = secret` lines, but {problem}")
    return SecretSource(ini, {}, ask_user)


def _is_named_pipe(path: str) -> bool:
    """Whether this is a pipe in the file system, and not one that a shell has opened, as for `<(command)`."""
    is_open = os.path.realpath(path).startswith(("/dev/", "/proc/"))
    return stat.S_ISFIFO(os.stat(path).st_mode) and not is_open


def _is_device(descriptor: int) -> bool:
    """Whether this is a device, and not the terminal or a pipe."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISBLK(mode) or stat.S_ISCHR(mode) and not os.isatty(descriptor)


def _warn_of_readers(path: str, name: str) -> None:
    """Warn if other users can read a file of secrets; Windows does not say."""
    mode = 0 if path == "-" or os.name == "nt" else os.stat(path).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        text = f"{name}: warning: other users can read this file of secrets; restrict it with chmod 600"
        sys.stderr.write(encodable(text + "\n", sys.stderr))


def format_problem(name: str, line: int, problem: Problem, level: str = "error", column: int = 0) -> str:
    """Return a problem as one line that begins with the file, line and column, in the format of compilers."""
    if re.match("line [0-9]+\\Z", problem.option):
        problem = problem._replace(option="")
    place = ":".join([name, *(str(number) for number in (line, column) if number)])
    text = str(problem) if problem.section or problem.option else problem.text
    return f"{place}: {level}: {one_line(text)}"
