"""Writes the README's tables and default.cfg anew from the declarations in lib: `python3 -m tools.documents`."""

import pathlib
import sys
from typing import Dict

from lib import __version__, denials, listing
from lib.cli import check

ROOT = pathlib.Path(__file__).resolve().parent.parent
README, DEFAULT_CFG = ROOT / "README.md", ROOT / "default.cfg"


EXAMPLE = """\
[radius]
server=radius.example.com
secret=xyzzy5461
conn_timout=20
[auth]
max_attempts=0
"""


def example() -> str:
    """Return what `check` says of a configuration, as at a terminal."""
    said = "\n".join(check.report("radius.cfg", check.findings(EXAMPLE)))
    command = "python3 SPS_RADIUS-{}.zip check radius.cfg".format(__version__)
    return "```\n$ cat radius.cfg\n{}$ {}\n{}\n```\n".format(EXAMPLE, command, said)


def updated(readme: str) -> str:
    """Return the README's text with each marked block made anew; raise ValueError if a mark is missing."""
    blocks: Dict[str, str] = {
        "check": example(),
        "denials": denials.markdown_table(),
        "options": listing.markdown_table(),
    }
    for name, table in blocks.items():
        mark, end = "<!-- {}: made by tools/documents.py -->\n".format(name), "<!-- end -->"
        before, found, rest = readme.partition(mark)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError("README.md has no block {}".format(name))
        readme = before + mark + "\n" + table + "\n" + end + after
    return readme


def main() -> int:
    """Rewrite README.md and default.cfg; return the exit status."""
    DEFAULT_CFG.write_text(listing.default_cfg(), encoding="utf-8")
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
