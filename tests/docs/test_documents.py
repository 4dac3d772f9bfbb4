"""Generated tables, default.cfg and version numbers are up to date."""

import re
from typing import List, Mapping

import pytest
import yaml

from lib import __version__, reasons
from lib.cli import check
from lib.config import options
from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.model import Settings
from tests.support import ROOT
from tests.support.command_line import CommandLine
from tools import documents

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = documents.blocks()


def test_tables_are_up_to_date() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in BLOCKS}
    outdated = [path.name for path, text in texts.items() if documents.updated(text, BLOCKS[path]) != text]
    assert outdated == [], "run: python -m tools.documents"


def test_example_in_the_readme_is_the_output_of_check(cli: CommandLine) -> None:
    cli.file(documents.EXAMPLE)
    printed = cli.run("check", "radius.cfg").out
    assert documents.example() in README
    assert documents.example().endswith(f"radius.cfg\n{printed}```\n")


def test_missing_block() -> None:
    with pytest.raises(ValueError, match="no block lockout"):
        documents.updated("<!-- lockout: made by hand -->\n<!-- end -->\n", {"lockout": "table"})


def test_every_section_is_in_one_table() -> None:
    """Add a new section to a block in tools/documents.py."""
    listed = [name for sections in documents.OPTIONS.values() for name in sections]
    assert sorted(listed) == sorted(section.name for section in options.SECTIONS)


def test_every_denial_and_option_is_documented_once() -> None:
    troubleshooting = documents.TROUBLESHOOTING.read_text(encoding="utf-8")
    configuration = documents.CONFIGURATION.read_text(encoding="utf-8")
    for code in reasons.DENIALS:
        assert troubleshooting.count(f"| `{code}` |") == 1
    for section in options.SECTIONS:
        for option in section.options if not section.first else ():
            assert configuration.count(f"| `[{section.name}]` | `{option.name}` |") == 1


def test_readme_stays_short() -> None:
    pictures = re.findall("```mermaid\n.*?\n```\n", README, re.DOTALL)
    assert len(pictures) == 2
    assert README.count("\n") - sum(each.count("\n") for each in pictures) <= 130


def test_default_cfg_is_up_to_date() -> None:
    assert documents.DEFAULT_CFG.read_text(encoding="utf-8") == documents.default_cfg(), (
        "run: python -m tools.documents"
    )


def test_default_cfg_is_at_most_10_kib() -> None:
    assert len(documents.DEFAULT_CFG.read_bytes()) <= 10 * 1024


def test_default_cfg_lacks_only_the_server() -> None:
    shipped, problems = build(parse_ini(documents.default_cfg()), lambda section, option: "x" * 16)
    assert shipped is None
    assert [str(problem) for problem in problems] == ["[radius] server: is empty"]


@pytest.mark.parametrize(
    "filled",
    [{"server=": "server=a", "; name=": "name=store"}, {"server=": "server=a", "secret=$": "secret=0123456789abcdef"}],
    ids=["store", "secret"],
)
def test_default_cfg_needs_only_its_first_lines(filled: Mapping[str, str]) -> None:
    first, rule, rest = re.split(r"(?m)^(# -+ .* -+\n)", documents.default_cfg())
    assert rule
    for line, value in filled.items():
        assert re.search(rf"(?m)^{re.escape(line)}$", first)
        first = re.sub(rf"(?m)^{re.escape(line)}$", value, first)
    assert re.findall("(?m)^; (prompt|conn_timeout)=", first) == ["prompt", "conn_timeout"]
    found = check.findings(first + rule + rest)
    assert [str(each) for each in found if each.level != check.NOTE] == []


def test_default_cfg_shows_the_defaults_of_the_plugin() -> None:
    """With every default uncommented, the settings equal those of a minimal configuration."""
    ours: List[str] = []
    rest: List[str] = []
    for block in documents.default_cfg().split("\n[")[1:]:
        declared = options.declaration(block.split("]")[0])
        assert declared
        (rest if declared.sdk else ours).append(f"[{block}\n")
    assert not re.search(r"(?m)^(?!; |#|\[|$)", "".join(rest))
    text = re.sub(r"(?m)^; (?=[\w-]+=)", "", "".join(ours)).replace("\nserver=\n", "\nserver=a\n", 1)
    assert text.count("=") > 60
    assert built(text) == built("[radius]\nserver=a\nsecret=$\n")


def built(text: str) -> Settings:
    taken, problems = build(parse_ini(text), lambda section, option: "x" * 16)
    assert taken is not None and not problems
    return taken


def test_version_is_the_same_everywhere() -> None:
    manifest = yaml.safe_load((ROOT / "MANIFEST").read_text(encoding="utf-8"))
    assert manifest["version"] == __version__
    assert f"dist/SPS_RADIUS-{__version__}.zip" in README
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_manifest_fits_sps_6_7_to_9() -> None:
    manifest = yaml.safe_load((ROOT / "MANIFEST").read_text(encoding="utf-8"))
    manifest.pop("description")
    assert manifest == {
        "name": "SPS_RADIUS",
        "version": "4.0.0",
        "type": "aa",
        "api": "1.6",
        "entry_point": "main.py",
        "author_name": "SPS_RADIUS maintainers",
        "scb_min_version": "6.7.0",
    }
