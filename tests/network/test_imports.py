"""What an import costs: the modules that it loads, in a process of its own."""

import subprocess
import sys

from tests.support import ROOT

PROGRAM = r"""
import sys
from lib.radius.attributes import encode, find
for name in ("NAS-Identifier", "Calling-Station-Id", "Filter-Id", "Class", "Connect-Info"):
    find(name)
assert encode(find("NAS-Port-Type"), "Virtual") == b"\0\0\0\5"
print([name for name in ("pyrad", "netaddr", "difflib", "socket") if name in sys.modules])
"""


def test_common_attributes_load_no_further_modules() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], cwd=str(ROOT), stdout=subprocess.PIPE, check=True)
    assert result.stdout.decode("ascii").strip() == "[]"
