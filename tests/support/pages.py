"""The pages of the documentation, and the configurations on them."""

import pathlib
import re
from typing import Iterator, NamedTuple

from lib.cli.presets import PRESETS, configuration
from simulator.configuration import configure
from tests.support import ROOT

DOCS = ROOT / "docs"
SERVERS = DOCS / "servers"
PAGES = [ROOT / "README.md"] + sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"(?ms)^( *)```([^\n]*)\n(.*?)^ *```$")


class Block(NamedTuple):
    """A fenced block: its place, its info string, and its text without the indentation."""

    page: pathlib.Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: pathlib.Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    source = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(source):
        body = re.sub("(?m)^" + match.group(1), "", match.group(3))
        yield Block(page, source.count("\n", 0, match.start()) + 1, match.group(2), body)


def preset(name: str) -> str:
    """Return the configuration of a preset."""
    return configuration(PRESETS[name])


def aimed_at(configuration: str, **options: object) -> str:
    """Return a documented configuration without the Credential Store, and with these options of [radius]."""
    without_store = re.sub(r"\[credential_store\]\n[^\[]*", "", configuration)
    return configure(without_store, {name: str(value) for name, value in options.items()})
