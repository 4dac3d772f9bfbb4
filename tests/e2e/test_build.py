"""The zip of this tree, built afresh, and what the build prints."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
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
    return unpack(built, tmp_path_factory.mktemp("zip") / "plugin")


def test_zip_is_named_after_the_manifest(built: Path) -> None:
    text = (build.ROOT / "MANIFEST").read_text(encoding="utf-8")
    fields = dict(re.findall(r"(?m)^(name|version): *['\"]?([^'\"\n]*)", text))
    assert built.name == f"{fields['name']}-{fields['version']}.zip"


def test_zip_contains_exactly_the_expected_files(built: Path) -> None:
    with zipfile.ZipFile(str(built)) as archive:
        found = set(archive.namelist())
    ours = {path.relative_to(build.ROOT).as_posix() for path in (build.ROOT / "lib").rglob("*.py")}
    ours.remove(build.COMMAND_LINE_IN_TREE)
    assert {*build.NEEDED_FILES, *ours, "six.py", "pyrad/packet.py"} <= found
    rest = [path for path in found if not re.match(r"lib/|pyrad/.*\.py$", path)]
    assert sorted(rest) == sorted([*build.OWN_FILES, build.COMMAND_LINE, build.LICENSES_FILE, "six.py"])
    assert not [path for path in found if path.endswith(".pyc")]


def test_zip_lists_the_licenses_of_its_bundled_packages(unpacked: Path) -> None:
    text = (unpacked / build.LICENSES_FILE).read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^(\w+)==(\S+) \\\n +--hash=sha256:(\w+)$", build.REQUIREMENTS.read_text())
    assert len(pins) == 2
    for name, version, sha256 in pins:
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
    missing = ["MANIFEST", "main.py", "default.cfg", "README.md", "CHANGELOG.md"]
    missing += ["__main__.py", "lib/__init__.py", "lib/radius/dictionary"]
    assert result.stderr.splitlines() == [f"{path}: missing" for path in missing]
    assert result.stdout == ""
    assert result.returncode == 1
    assert not (tmp_path / "dist").exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of its own whose index holds the files that the zip takes from this tree."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "checkout"
    root.mkdir()
    for name in (*build.OWN_FILES, ".gitignore"):
        shutil.copy(str(build.ROOT / name), str(root))
    shutil.copytree(str(build.ROOT / "lib"), str(root / "lib"), ignore=shutil.ignore_patterns("__pycache__"))
    git(root, "init", "--quiet")
    git(root, "add", ".")
    return root


def git(root: Path, *arguments: str) -> None:
    """Run git in `root`; without its variables, which in a git hook name the repository of the hook."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *arguments], cwd=str(root), env=environment, check=True)


def test_untracked_files_never_reach_the_zip(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = build.build(checkout, checkout / "dist").read_bytes()
    assert capsys.readouterr().err == ""
    (checkout / "lib" / "cli" / "scratch.py").write_text("")
    (checkout / "lib" / "radius" / "link").symlink_to("/etc")
    assert build.build(checkout, checkout / "dist").read_bytes() == before
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "lib/cli/scratch.py: not tracked by git, left out of the zip",
        "lib/radius/link: not tracked by git, left out of the zip",
    ]


def test_files_that_git_ignores_never_reach_the_zip(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = build.build(checkout, checkout / "dist").read_bytes()
    (checkout / ".gitignore").write_text("scratch.py\n")
    (checkout / "lib" / "scratch.py").write_text("")
    assert build.build(checkout, checkout / "dist").read_bytes() == before
    assert capsys.readouterr().err == ""


def test_tracked_links_never_reach_the_zip(checkout: Path) -> None:
    (checkout / "lib" / "link.py").symlink_to("plugin.py")
    (checkout / "lib" / "folder").symlink_to("radius")
    git(checkout, "add", "lib")
    (checkout / "lib" / "cli").rename(checkout / "outside")
    (checkout / "lib" / "cli").symlink_to("../outside")
    with pytest.raises(build.BuildError) as raised:
        build.build(checkout, checkout / "dist")
    inside = [f"lib/cli/{path.name}" for path in (checkout / "outside").glob("*.py")]
    rule = "must be a regular file, not reached through a symbolic link"
    assert len(inside) > 1
    assert sorted(str(raised.value).splitlines()) == sorted(
        f"{name}: {rule}" for name in (*inside, "lib/link.py", "lib/folder")
    )
    assert not (checkout / "dist").exists()


def test_tracked_files_that_are_deleted_are_left_out(checkout: Path) -> None:
    (checkout / "lib" / "scratch.py").write_text("")
    git(checkout, "add", "lib")
    (checkout / "lib" / "scratch.py").unlink()
    assert "lib/scratch.py" not in build.own_files(checkout)


def test_git_variables_never_choose_another_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    expected = build.own_files(checkout)
    assert "lib/plugin.py" in expected
    for name, value in (("DIR", ".git"), ("WORK_TREE", "."), ("INDEX_FILE", ".git/index")):
        monkeypatch.setenv(f"GIT_{name}", str(other / value))
    assert build.own_files(checkout) == expected


def test_broken_repository_gives_no_zip(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").unlink()
    with pytest.raises(build.BuildError, match="git cannot list the files in lib/: fatal: "):
        build.build(checkout, checkout / "dist")
    assert not (checkout / "dist").exists()


def test_source_archive_gives_the_zip_of_its_repository(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build.build(checkout, checkout / "dist").read_bytes()
    with monkeypatch.context() as without_git:
        without_git.setenv("PATH", str(checkout))
        assert build.build(checkout, checkout / "dist").read_bytes() == expected
    shutil.rmtree(str(checkout / ".git"))
    # An archive unpacked inside another repository is not what that repository tracks.
    git(checkout.parent, "init", "--quiet")
    assert build.build(checkout, checkout / "dist").read_bytes() == expected
