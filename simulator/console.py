"""What the demo prints on its own terminal."""

import os
import re
import sys
from typing import Sequence

_NOISE = re.compile(r"Logging initialized to level=[a-z]+\Z|Updating authentication cache\Z")


class Console:
    """Prints to stdout; dims log lines on a terminal with colors (see NO_COLOR and TERM).

    Only with `verbose`, it shows the lines of the SDK that say the same in each session.
    """

    def __init__(self, verbose: bool = False) -> None:
        self._verbose = verbose
        dumb = os.environ.get("TERM", "dumb") == "dumb" or bool(os.environ.get("NO_COLOR"))
        self._dim, self._plain = ("\033[2m", "\033[0m") if sys.stdout.isatty() and not dumb else ("", "")

    def say(self, text: str = "") -> None:
        """Print a line."""
        print(encodable(text), flush=True)

    def fact(self, name: str, value: str) -> None:
        """Print a name and a value in columns."""
        self.say(f"{name:<15} {value}")

    def log(self, lines: Sequence[str], before: str = "") -> None:
        """Print lines of the plugin's log, each with the prefix `before`."""
        for line in lines:
            if self._verbose or not _NOISE.search(line):
                self.say(f"{self._dim}{before}log: {line}{self._plain}")


def encodable(text: str) -> str:
    """Return the text with an escape for each character that the encoding of stdout lacks."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)
