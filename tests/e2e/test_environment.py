"""What tools/environment.sh installs, in a tree of its own with one small wheel in place of an index."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tools import build

WHEEL = build.pack(
    {
        "one.py": b"",
        "one-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: one\nVersion: 1.0\n",
        "one-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "one-1.0.dist-info/RECORD": b"",
    }
)
PIN = f"one==1.0 --hash=sha256:{hashlib.sha256(WHEEL).hexdigest()}\n"

pytest.importorskip("ensurepip", reason="ensurepip is not installed (Debian, Ubuntu: apt-get install python3-venv)")
pytestmark = pytest.mark.slow


def set_up(tree: pathlib.Path, **lists: str) -> "subprocess.CompletedProcess[str]":
    """Make an environment in a new tree at `tree` that has these lists in requirements/."""
    for folder in ("requirements", "tools", "wheels"):
        (tree / folder).mkdir()
    for name in ("pip", "test", "sdk"):
        (tree / "requirements" / f"{name}.txt").write_text(lists.get(name, ""))
    shutil.copy(str(build.ROOT / "tools" / "environment.sh"), str(tree / "tools"))
    (tree / "wheels" / "one-1.0-py3-none-any.whl").write_bytes(WHEEL)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    settings.update(PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tree / "wheels"))
    return subprocess.run(
        ["bash", "-c", '. tools/environment.sh; make_environment "$1"', "bash", os.path.realpath(sys.executable)],
        cwd=str(tree),
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_packages_pinned_by_hash_are_installed(tmp_path: pathlib.Path) -> None:
    result = set_up(tmp_path, test=PIN)
    assert result.returncode == 0, result.stderr
    python = os.path.join(result.stdout.strip(), "bin", "python")
    assert subprocess.run([python, "-c", "import one"]).returncode == 0


@pytest.mark.parametrize("name", ["pip", "test"])
def test_packages_pinned_without_a_hash_are_never_installed(tmp_path: pathlib.Path, name: str) -> None:
    result = set_up(tmp_path, **{name: "one==1.0\n"})
    assert result.returncode == 1
    assert "Hashes are required in --require-hashes mode" in result.stderr
    assert result.stdout == ""
    assert list((tmp_path / ".venv").rglob("one.py")) == []
