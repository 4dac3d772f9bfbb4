"""Draws the login at the top of the README, from a recorded session: `python -m tools.picture`, under .venv/check.

With --check, only compares the picture with the recording, and exits with 1 if it is another one.
"""

import argparse
import io
import pathlib
import re
import sys

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRANSCRIPTS = ROOT / "docs" / "transcripts.md"
PICTURE = ROOT / "docs" / "login.svg"
SCENE = "A wrong code, then the right one"
WIDTH = 104  # columns
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # a picture loads nothing


def scene(transcripts: str, title: str) -> str:
    """Return the screen of a recorded login; raise ValueError if there is no such scene."""
    _, found, rest = transcripts.partition(f"### {title}\n\n```\n")
    if not found:
        raise ValueError(f"docs/transcripts.md has no scene {title}")
    return rest.partition("```")[0].rstrip("\n")


def picture(screen: str) -> str:
    """Return an SVG image of a screen of text."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    for line in screen.split("\n"):
        console.print(Text(line, style="bold" if line.startswith("$ ") else ""))
    return console.export_svg(title="SPS_RADIUS", unique_id="login", code_format=_FORMAT)


def main() -> int:
    """Write or compare the picture; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    drawn = picture(scene(TRANSCRIPTS.read_text(encoding="utf-8"), SCENE))
    if not arguments.check:
        PICTURE.write_text(drawn, encoding="utf-8")
    elif not PICTURE.is_file() or PICTURE.read_text(encoding="utf-8") != drawn:
        print("docs/login.svg does not show docs/transcripts.md: run python -m tools.picture", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
