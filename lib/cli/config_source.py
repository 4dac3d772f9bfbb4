"""Where the commands have the configuration from, and what stands in for the Credential Store."""

import os
import re
import sys
from typing import Callable, List, Mapping, Optional

from ..config.build import build
from ..config.ini import Ini, Problem, line_of, parse_ini
from ..config.model import Settings
from ..config.reader import ConfigurationError
from ..namedtuple import NamedTuple
from ..text import counted, one_line, system_words
from . import Unusable, console


class Source(NamedTuple):
    """A configuration's text, and what to call the file."""

    name: str
    text: str


_FURTHER = re.compile("_[0-9]+\\Z")


class NotText(Exception):
    """A file that is not UTF-8; `line` is the first that is not."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__("{}:{}: is not UTF-8".format(name, line))
        self.name = name
        self.line = line


def read(path: str) -> Source:
    """Return the file's text, that of standard input for `-`; raise Unusable if there is none, or NotText."""
    name = "standard input" if path == "-" else one_line(path)
    try:
        if path == "-":
            if sys.stdin is None:
                raise Unusable("{}: is closed".format(name))
            octets = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                octets = file.read()
    except OSError as error:
        raise Unusable("{}: {}".format(name, system_words(error))) from None
    try:
        return Source(name, octets.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotText(name, octets.count(b"\n", 0, error.start) + 1) from None


class Store:
    """Stands in for the Credential Store: a file, or else the environment, or else whoever sits at the terminal.

    The environment may leave out a further server's secret, as the Credential Store may: then it has the first one's.
    """

    def __init__(self, file: Optional[Ini], environment: Mapping[str, str], ask: Callable[[str, bool], str]) -> None:
        """Take the file of --secret-file, if there is one, and how to ask: see console.ask."""
        self._file = file
        self._environment = environment
        self._ask = ask
        self._speaks = False

    def __call__(self, section: str, option: str) -> Optional[str]:
        """Return what is stored for the option, or None; a config.reader.CredentialLookup."""
        if self._file is not None:
            return self._file.sections.get(section, {}).get(option)
        variable = "SPS_{}_{}".format(section, option).upper()
        if variable in self._environment:
            self._speaks = True
            return self._environment[variable]
        if self._speaks and _FURTHER.search(section):
            return None
        try:
            return self._ask("[{}] {} (Enter if the Credential Store has none): ".format(section, option), True) or None
        except console.HungUp:
            return None
        except console.NoTerminal:
            raise ConfigurationError(
                "comes from the Credential Store; here: --secret-file or {}".format(variable)
            ) from None


def store(path: Optional[str]) -> Store:
    """Return the stand-in for the Credential Store; `path` is that of --secret-file."""
    if path is None:
        return Store(None, os.environ, console.ask)
    try:
        source = read(path)
    except NotText as error:
        raise Unusable(str(error)) from None
    ini = parse_ini(source.text)
    for problem in ini.problems:
        raise Unusable("{}: expected [section] and `option = secret` below it, but {}".format(source.name, problem))
    return Store(ini, {}, console.ask)


class Usable(NamedTuple):
    """A configuration that can be used, what is doubtful about it, and what stands in for its Credential Store."""

    ini: Ini
    settings: Settings
    problems: List[Problem]
    store: Store


def usable(path: str, secret_file: Optional[str]) -> Usable:
    """Return the settings in a configuration file; raise Unusable with every error if there is one."""
    try:
        source = read(path)
    except NotText as error:
        raise Unusable(str(error)) from None
    ini = parse_ini(source.text)
    stand_in = store(secret_file)
    found, problems = build(ini, stand_in)
    if found is not None:
        return Usable(ini, found, list(problems), stand_in)
    wrong = [problem for problem in problems if problem.error]
    lines = ["{}: the plugin would refuse it:".format(source.name)]
    lines += [located(source.name, line_of(problem, ini.places), problem) for problem in wrong]
    lines.append("{}; `check` says what else is doubtful".format(counted(len(wrong), "error", "errors")))
    raise Unusable("\n".join(lines))


def located(name: str, line: int, problem: Problem, level: str = "error") -> str:
    """Return a problem on one line, after its place in the file as compilers write it."""
    if re.match("line [0-9]+\\Z", problem.option):
        problem = problem._replace(option="")
    place = "{}:{}".format(name, line) if line else name
    words = str(problem) if problem.section or problem.option else problem.text
    return "{}: {}: {}".format(place, level, one_line(words))
