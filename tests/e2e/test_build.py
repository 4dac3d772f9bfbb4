"""The zip of this tree, built afresh, and what the build prints."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from simulator.gateway import unpack
from tools import build


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments to its end."""
    command: List[str] = [sys.executable, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of this tree, built afresh."""
    output = tmp_path_factory.mktemp("dist")
    assert build.main(["--output", str(output)]) == 0
    (path,) = output.iterdir()
    return path


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(built, tmp_path_factory.mktemp("zip") / "unpacked-zip")


def test_zip_is_named_after_the_manifest(built: Path) -> None:
    text = (build.ROOT / "MANIFEST").read_text(encoding="utf-8")
    fields = dict(re.findall(r"(?m)^(name|version): *['\"]?([^'\"\n]*)", text))
    assert built.name == f"{fields['name']}-{fields['version']}.zip"


def test_zip_holds_every_file_and_no_others(unpacked: Path) -> None:
    found = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    ours = {path.relative_to(build.ROOT).as_posix() for path in (build.ROOT / "lib").rglob("*.py")}
    ours.remove(build.COMMAND_LINE_IN_TREE)
    assert {*build.NEEDED_FILES, *ours, "six.py", "pyrad/packet.py"} <= found
    rest = [path for path in found if not re.match(r"lib/|pyrad/.*\.py$", path)]
    assert sorted(rest) == sorted([*build.OWN_FILES, build.COMMAND_LINE, build.LICENSES_FILE, "six.py"])
    assert not [path for path in found if path.endswith(".pyc")]


def test_zip_lists_the_licences_of_its_bundled_packages(unpacked: Path) -> None:
    text = (unpacked / build.LICENSES_FILE).read_text(encoding="utf-8")
    for line in re.findall(r"(?m)^\w+==.*", build.REQUIREMENTS.read_text()):
        name, version, sha256 = re.split(r"==| --hash=sha256:", line)
        assert f"{name} {version}\nwheel sha256 {sha256}\n" in text
    for words in ("Copyright 2020 Istvan Ruzman", "Benjamin Peterson"):
        assert words in text


def test_zip_includes_pyrad_and_everything_that_pyrad_imports(unpacked: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import lib.radius.packet, pyrad.packet, pyrad.dictionary, netaddr, six\n"
        "print(pyrad.__file__, netaddr.__file__, six.__file__, sep='\\n')\n"
    )
    # Without site-packages and the environment: only the unpacked zip and the standard library.
    result = run("-I", "-S", "-c", code, str(unpacked))
    assert result.returncode == 0, result.stderr
    names = ["pyrad/__init__.py", "lib/radius/pyrad_codec.py", "six.py"]
    assert result.stdout.splitlines() == [str(unpacked / name) for name in names]


def test_zip_is_the_same_when_built_again(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--output", str(tmp_path)]) == 0
    content = (tmp_path / built.name).read_bytes()
    assert content == built.read_bytes()
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / built.name),
        f"{len(content)} octets",
        f"sha256 {hashlib.sha256(content).hexdigest()}",
    ]


def test_broken_tree_gives_a_line_for_each_rule_and_no_zip(built: Path, tmp_path: Path) -> None:
    for source in (Path(build.__file__), build.REQUIREMENTS):
        copy = tmp_path / source.relative_to(build.ROOT)
        copy.parent.mkdir()
        shutil.copy(str(source), str(copy))
    shutil.copytree(str(build.WHEEL_CACHE), str(tmp_path / "build" / "wheels"))
    (tmp_path / "LICENSE").write_bytes(b"MIT\n")
    result = run(str(tmp_path / "tools" / "build.py"), "--output", str(tmp_path / "dist"))
    missing = ["MANIFEST", "main.py", "default.cfg", "__main__.py", "lib/__init__.py", "lib/radius/dictionary"]
    assert result.stderr.splitlines() == [f"{path}: missing" for path in missing]
    assert result.stdout == ""
    assert result.returncode == 1
    assert not (tmp_path / "dist").exists()
