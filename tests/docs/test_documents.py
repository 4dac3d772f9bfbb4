"""The documents say what the code does: tables made from the declarations, default.cfg, version numbers."""

import pathlib
import re

import pytest
import yaml

from lib import __version__, reasons
from lib.cli import listing
from lib.config import options
from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.model import Settings
from tests.support import ROOT
from tools import documents

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = documents.blocks()


@pytest.mark.parametrize("path", BLOCKS, ids=[path.name for path in BLOCKS])
def test_tables_are_those_of_the_declarations(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert documents.updated(text, BLOCKS[path]) == text, "run: python3 -m tools.documents"


def test_block_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no block lockout"):
        documents.updated("<!-- lockout: made by hand -->\n<!-- end -->\n", {"lockout": "table"})


def test_every_section_is_in_one_table() -> None:
    """A new section goes into a block of tools/documents.py."""
    listed = [name for sections in documents.OPTIONS.values() for name in sections]
    assert sorted(listed) == sorted(section.name for section in options.SECTIONS)


def test_every_denial_and_option_is_documented_once() -> None:
    troubleshooting = documents.TROUBLESHOOTING.read_text(encoding="utf-8")
    configuration = documents.CONFIGURATION.read_text(encoding="utf-8")
    for code in reasons.DENIALS:
        assert troubleshooting.count("| `{}` |".format(code)) == 1
    for section in options.SECTIONS:
        for option in section.options if not section.first else ():
            assert configuration.count("| `[{}]` | `{}` |".format(section.name, option.name)) == 1


def test_readme_stays_short() -> None:
    assert README.count("\n") <= 130


def test_default_cfg_is_made_from_the_declarations() -> None:
    assert documents.DEFAULT_CFG.read_text(encoding="utf-8") == listing.default_cfg(), "run: python3 -m tools.documents"


def test_default_cfg_fits() -> None:
    assert len(documents.DEFAULT_CFG.read_bytes()) <= 10 * 1024


def test_default_cfg_lacks_only_what_the_admin_must_say() -> None:
    shipped, problems = build(parse_ini(listing.default_cfg()), lambda section, option: "x" * 16)
    assert shipped is None
    assert [str(problem) for problem in problems] == ["[radius] server: is empty"]


def test_defaults_of_default_cfg_are_those_of_the_plugin() -> None:
    """With the mark taken off every default of ours, the settings are those of the least configuration."""
    ours, rest = listing.default_cfg().split("[credential_store]")
    assert not re.search(r"(?m)^(?!; |#|\[|$)", rest)
    text = re.sub(r"(?m)^; (?=[\w-]+=)", "", ours).replace("\nserver=\n", "\nserver=a\n", 1)
    assert text.count("=") > 60
    assert built(text) == built("[radius]\nserver=a\nsecret=$\n")


def built(text: str) -> Settings:
    taken, problems = build(parse_ini(text), lambda section, option: "x" * 16)
    assert taken is not None and not problems
    return taken


def test_version_is_the_same_everywhere() -> None:
    manifest = yaml.safe_load((ROOT / "MANIFEST").read_text(encoding="utf-8"))
    assert manifest["version"] == __version__
    assert "dist/SPS_RADIUS-{}.zip".format(__version__) in README
    assert "\n## {}\n".format(__version__) in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_manifest_is_what_sps_6_7_to_9_take() -> None:
    manifest = yaml.safe_load((ROOT / "MANIFEST").read_text(encoding="utf-8"))
    manifest.pop("description")
    assert manifest == {
        "name": "SPS_RADIUS",
        "version": "4.0.0",
        "type": "aa",
        "api": "1.6",
        "entry_point": "main.py",
        "scb_min_version": "6.7.0",
    }
