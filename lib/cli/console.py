"""What the commands print, and how they ask: colour and progress on a terminal only."""

import getpass
import locale
import os
import sys
import warnings
from typing import Any

_RESET = "\033[0m"
_STYLES = {"error": "\033[31m", "warning": "\033[33m", "note": "\033[36m", "good": "\033[32m", "dim": "\033[2m"}
_CLEAR_LINE = "\r\033[K"


class NoTerminal(Exception):
    """There is nobody to ask."""


class HungUp(Exception):
    """The user ended the input instead of answering."""


class Console:
    """Prints to stdout, and shows what is under way on stderr while it is; what is printed must be safe to show."""

    def __init__(self) -> None:
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
        self._colours = sys.stdout.isatty() and not plain
        self._shows_progress = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def say(self, text: str = "") -> None:
        """Print a line."""
        print(encodable(text, sys.stdout), flush=True)

    def styled(self, style: str, text: str) -> str:
        """Return text in the colour of a style: error, warning, note, good or dim."""
        return _STYLES[style] + text + _RESET if self._colours else text

    def progress(self, text: str) -> None:
        """Show what is under way; the next progress takes its place, and an empty one takes it away."""
        if self._shows_progress:
            sys.stderr.write(_CLEAR_LINE + encodable(text, sys.stderr))
            sys.stderr.flush()


def ask(prompt: str, hidden: bool) -> str:
    """Ask on the terminal, wherever stdin and stdout go to, and return what was typed without the end of the line.

    Raise NoTerminal if there is none on which `hidden` can be kept, HungUp at the end of input.
    """
    while True:
        try:
            return _hidden(prompt) if hidden else _shown(prompt)
        except UnicodeError:
            prompt = "That was no text. Again: "
        except EOFError:
            raise HungUp() from None


def _hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        # getpass warns before it asks without hiding anything.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(_for_terminal(prompt))
        except (getpass.GetPassWarning, OSError):
            raise NoTerminal() from None


def _shown(prompt: str) -> str:
    try:
        reader: Any = open(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY), "r", closefd=True)
    except OSError:
        if not sys.stdin.isatty():
            raise NoTerminal() from None
        return input(_for_terminal(prompt))  # where terminals have no name
    with reader:
        os.write(reader.fileno(), prompt.encode(reader.encoding, "backslashreplace"))
        line: str = reader.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _for_terminal(prompt: str) -> str:
    encoding = locale.getpreferredencoding(False)
    return prompt.encode(encoding, "backslashreplace").decode(encoding)


def encodable(text: str, stream: Any) -> str:
    """Return the text with what the stream's encoding lacks written as escapes."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
