"""How tools/pin.py reads the package index and rewrites the lists, and the lists in requirements/ themselves."""

import re
from typing import Sequence

import pytest

from tools import pin

A, B, C, D = (digit * 64 for digit in "abcd")

PAGE = f"""\
<a href="https://index.example.com/aa/one-1.0-py3-none-any.whl#sha256={A}" data-requires-python="&gt;=3.6">one</a>
<a href="../../bb/one-1.0-2-cp38-cp38-manylinux_2_17_x86_64.whl#sha256={B}">one</a>
<a href="../../cc/one-1.0.tar.gz#sha256={C}">one</a>
<a href="../../dd/one-1.0.1-py3-none-any.whl#sha256={D}">one</a>
<a href="../../ee/one-2.0-py3-none-any.whl">one</a>
"""


def test_no_pin_lacks_a_hash() -> None:
    lists = sorted(pin.REQUIREMENTS.glob("*.txt"))
    assert len(lists) == 6
    for path in lists:
        text = path.read_text(encoding="utf-8")
        assert re.sub(r"(?m)^#.*$", "", pin.PIN.sub("", text)).strip() == ""
        for match in pin.PIN.finditer(text):
            assert re.fullmatch(r"( \\\n    --hash=sha256:[0-9a-f]{64})+", match.group("hashes")), match.group("pin")


def test_hash_of_every_wheel_of_the_version_is_taken_and_no_other() -> None:
    assert pin.wheel_hashes(PAGE, "one", "1.0") == [A, B]
    assert pin.wheel_hashes(PAGE, "one", "1.0.1") == [D]


def test_version_without_a_hashed_wheel_is_refused() -> None:
    for version in ("1", "2.0", "3.0"):
        with pytest.raises(LookupError) as raised:
            pin.wheel_hashes(PAGE, "one", version)
        assert str(raised.value) == f"one=={version}: the index has no wheel with a SHA-256 hash"


def test_old_hashes_never_outlive_a_new_version() -> None:
    asked = []

    def find(name: str, version: str) -> Sequence[str]:
        asked.append((name, version))
        return [B, A] if name == "one" else [C]

    old = f"""\
# One
one==1.0 --hash=sha256:{D}
one-and.a_half==1.5; python_version >= "3.7" and python_version < "3.9" \\
    --hash=sha256:{D} \\
    --hash=sha256:{C}

# Two==2
two==2.0; python_version < "3.7"
"""
    new = f"""\
# One
one==1.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
one-and.a_half==1.5; python_version >= "3.7" and python_version < "3.9" \\
    --hash=sha256:{C}

# Two==2
two==2.0; python_version < "3.7" \\
    --hash=sha256:{C}
"""
    assert pin.with_hashes(old, find) == new
    assert asked == [("one", "1.0"), ("one-and.a_half", "1.5"), ("two", "2.0")]
    assert pin.with_hashes(new, find) == new
