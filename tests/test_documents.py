"""The documents say what the code does: tables made from the declarations, default.cfg, version numbers."""

import re

import yaml

from lib import __version__, denials, listing, options, settings
from tests.conftest import ROOT
from tools import documents

README = documents.README.read_text(encoding="utf-8")


def test_tables_are_those_of_the_declarations() -> None:
    assert documents.updated(README) == README, "run: python3 -m tools.documents"


def test_every_denial_and_option_is_in_the_readme() -> None:
    for code in denials.DENIALS:
        assert "| `{}` |".format(code) in README
    for section in options.SECTIONS:
        for option in section.options if not section.first else ():
            assert "| `[{}]` | `{}` |".format(section.name, option.name) in README


def test_default_cfg_is_made_from_the_declarations() -> None:
    assert documents.DEFAULT_CFG.read_text(encoding="utf-8") == listing.default_cfg(), "run: python3 -m tools.documents"


def test_default_cfg_fits() -> None:
    assert len(documents.DEFAULT_CFG.read_bytes()) <= 10 * 1024


def test_default_cfg_lacks_only_what_the_admin_must_say() -> None:
    shipped, problems = settings.build(settings.parse_ini(listing.default_cfg()), lambda section, option: "x" * 16)
    assert shipped is None
    assert [str(problem) for problem in problems] == ["[radius] server: is empty"]


def test_defaults_of_default_cfg_are_those_of_the_plugin() -> None:
    """With the mark taken off every default of ours, the settings are those of the least configuration."""
    ours, rest = listing.default_cfg().split("[credential_store]")
    assert not re.search(r"(?m)^(?!; |#|\[|$)", rest)
    text = re.sub(r"(?m)^; (?=[\w-]+=)", "", ours).replace("\nserver=\n", "\nserver=a\n", 1)
    assert text.count("=") > 60
    assert built(text) == built("[radius]\nserver=a\nsecret=$\n")


def built(text: str) -> settings.Settings:
    taken, problems = settings.build(settings.parse_ini(text), lambda section, option: "x" * 16)
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
