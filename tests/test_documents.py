"""The documents say what the code does: tables made from the declarations, default.cfg, version numbers."""

import re

import yaml

from lib import __version__, denials, settings
from tests.conftest import ROOT
from tools import documents

README = documents.README.read_text(encoding="utf-8")


def test_tables_are_those_of_the_declarations() -> None:
    assert documents.updated(README) == README, "run: python3 -m tools.documents"


def test_every_denial_and_option_is_in_the_readme() -> None:
    for code in denials.DENIALS:
        assert "| `{}` |".format(code) in README
    for section in settings.SECTIONS:
        for option in section.options:
            assert "| `[{}]` | `{}` |".format(section.name, option.name) in README


def test_default_cfg_shows_true_defaults() -> None:
    declared = {section.name: {option.name: option for option in section.options} for section in settings.SECTIONS}
    own_names = {section.name for section in settings.SECTIONS if section.open}
    section = ""
    shown = 0
    for line in (ROOT / "default.cfg").read_text(encoding="utf-8").splitlines():
        header = re.match(r"\[(.+)\]\Z", line)
        option = re.match(r"(; )?(\w+)=(.*)\Z", line)
        if header:
            section = header.group(1)
            assert section in declared
        elif option and section not in own_names:
            commented, name, value = option.groups()
            assert name in declared[section], line
            shown += 1
            if commented:
                assert value == declared[section][name].default, line
            else:
                assert declared[section][name].required, line
    assert shown > 15


def test_default_cfg_has_room_left() -> None:
    assert len((ROOT / "default.cfg").read_bytes()) < 5 * 1024


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
