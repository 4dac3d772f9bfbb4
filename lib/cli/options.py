"""`options`: lists every option of the plugin."""

import sys
import textwrap
from typing import List

from ..config.options import SECTIONS
from . import exit_status
from .console import encodable


def run() -> int:
    """Print the list and return the exit status."""
    sys.stdout.write(encodable(format_options(), sys.stdout))
    return exit_status.OK


def format_options() -> str:
    """Return every option with its values, its default and its meaning."""
    blocks = []
    for section in SECTIONS:
        lines = [f"[{section.name}]"]
        if section.open:
            lines += _indented(section.open, 2)
        elif section.first:
            lines += _indented(
                f"Further servers, N from 2. Options that are not set are those of [{section.first}].", 2
            )
        for option in () if section.first else section.options:
            default = "required" if option.required else "default: " + (option.default or "none")
            lines.append(f"  {option.name}  ({option.kind.expects}; {default})")
            lines += _indented(option.help, 6)
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _indented(text: str, by: int) -> List[str]:
    return textwrap.wrap(text, 100, initial_indent=" " * by, subsequent_indent=" " * by, break_long_words=False)
