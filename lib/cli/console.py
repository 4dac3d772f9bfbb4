"""Output and questions: colors and progress on a terminal only."""

import getpass
import locale
import os
import sys
import warnings
from typing import Callable, TextIO

_RESET = "\033[0m"
_STYLES = {"error": "\033[31m", "warning": "\033[33m", "note": "\033[36m", "good": "\033[32m", "dim": "\033[2m"}
_CLEAR_LINE = "\r\033[K"

Ask = Callable[[str, bool], str]
"""Asks a question, hidden or not; a function like `ask`."""


class NoTerminal(Exception):
    """There is no terminal to ask a question on."""


class EndOfInput(Exception):
    """The user ended the input (Ctrl-D) instead of answering."""


class Console:
    """Prints lines to stdout and progress to stderr; callers make their texts safe for a terminal."""

    def __init__(self) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
        self._has_colors = sys.stdout.isatty() and not plain
        self._shows_progress = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._has_progress = False

    def say(self, text: str = "") -> None:
        """Print a line in place of the progress."""
        self.progress("")
        print(encodable(text, sys.stdout), flush=True)

    def styled(self, style: str, text: str) -> str:
        """Return text in the color of a style: error, warning, note, good or dim."""
        return _STYLES[style] + text + _RESET if self._has_colors else text

    def progress(self, text: str) -> None:
        """Show the current step in place of the previous one; an empty text clears it."""
        if self._shows_progress and (text or self._has_progress):
            self._has_progress = bool(text)
            sys.stderr.write(_CLEAR_LINE + encodable(text, sys.stderr))
            sys.stderr.flush()


def ask(prompt: str, hidden: bool) -> str:
    """Ask a question on the terminal, even if stdin and stdout are redirected, and return the answer.

    Raise NoTerminal if there is no terminal or it cannot hide the answer, EndOfInput if the user ends the input.
    """
    while True:
        try:
            return _ask_hidden(prompt) if hidden else _ask_shown(prompt)
        except UnicodeError:
            prompt = "The input is not valid text. Try again: "
        except EOFError:
            raise EndOfInput() from None


def do_not_ask(prompt: str, hidden: bool) -> str:
    """Raise NoTerminal, for a command that must not ask."""
    raise NoTerminal()


def _ask_hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        # getpass warns before it asks with echo.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(_for_terminal(prompt))
        except (getpass.GetPassWarning, OSError):
            raise NoTerminal() from None


def _ask_shown(prompt: str) -> str:
    try:
        terminal = open(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY), "r")
    except OSError:
        if not sys.stdin.isatty():
            raise NoTerminal() from None
        return input(_for_terminal(prompt))  # a system without /dev/tty
    with terminal:
        os.write(terminal.fileno(), prompt.encode(terminal.encoding, "backslashreplace"))
        line = terminal.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _for_terminal(prompt: str) -> str:
    encoding = locale.getpreferredencoding(False)
    return prompt.encode(encoding, "backslashreplace").decode(encoding)


def encodable(text: str, stream: TextIO) -> str:
    """Return the text with an escape for each character that the encoding of the stream lacks."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
