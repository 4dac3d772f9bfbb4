"""The import rules of lib/, checked against the source: who may import what, and which modules stay pure."""

import ast
import pathlib
from typing import Dict, List, Set

from tests.support import ROOT

LIB = ROOT / "lib"


def imports(path: pathlib.Path) -> Set[str]:
    """Return the absolute names of all modules that a module of lib imports, anywhere in it."""
    found: Set[str] = set()
    package = ("lib",) + path.relative_to(LIB).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join(base + ((node.module,) if node.module else ()))
            found |= {
                module + "." + alias.name if module + "." + alias.name in NAMES else module for alias in node.names
            }
    return found


def dotted(path: pathlib.Path) -> str:
    """Return the name of a module of lib, as in `lib.radius.packet`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".__init__", "")


NAMES = {dotted(path) for path in LIB.rglob("*.py")}
IMPORTS: Dict[str, Set[str]] = {dotted(path): imports(path) for path in LIB.rglob("*.py")}

BASICS = ("lib", "lib.text", "lib.secret", "lib.namedtuple")
REASONS = ("lib.reasons",)
ALLOWED = {
    "lib.radius": (),
    "lib.state": ("lib.radius.accounting", "lib.config.model"),
    "lib.config": REASONS + ("lib.radius.attributes", "lib.radius.server"),
    "lib.login": REASONS + ("lib.config",),
}
"""What the modules of a package may import from lib, beside BASICS and the package itself."""
STILL = {
    ("lib.radius.client", "lib.state.server_status"),
}
"""Imports that break the rules today."""


def inside(name: str, package: str) -> bool:
    """Whether a name is that of a package or of a module in it."""
    return name == package or name.startswith(package + ".")


def test_packages_import_what_their_rule_allows() -> None:
    broken: List[str] = []
    for package, allowed in ALLOWED.items():
        for name in sorted(name for name in IMPORTS if inside(name, package)):
            for found in sorted(each for each in IMPORTS[name] if inside(each, "lib")):
                if found not in BASICS and not any(inside(found, each) for each in allowed + (package,)):
                    broken.append("{} imports {}".format(name, found))
    assert broken == ["{} imports {}".format(*pair) for pair in sorted(STILL)]


def test_only_the_plugin_imports_the_sdk() -> None:
    assert {name for name, found in IMPORTS.items() if any(inside(each, "safeguard") for each in found)} == {
        "lib.plugin"
    }


def test_no_hook_imports_the_command_line() -> None:
    costly = ("lib.cli", "lib.radius.display", "argparse", "getpass")
    for name in sorted(name for name in IMPORTS if not inside(name, "lib.cli") and name != "lib.__main__"):
        assert not [each for each in IMPORTS[name] for one in costly if inside(each, one)], name


EDGES = ("socket", "select", "selectors", "ssl", "time", "random", "os", "threading", "subprocess", "fcntl", "signal")
PURE = ("lib.login", "lib.config", "lib.text", "lib.secret", "lib.namedtuple", "lib.reasons") + tuple(
    "lib.radius." + name
    for name in (
        "server",
        "packet",
        "profile",
        "radius11",
        "schedule",
        "mschap",
        "nas",
        "attributes",
        "accounting",
        "display",
    )
)


def test_pure_modules_touch_neither_network_nor_clock_nor_files() -> None:
    for package in PURE:
        for name in sorted(name for name in IMPORTS if inside(name, package)):
            assert not [each for each in IMPORTS[name] for edge in EDGES if inside(each, edge)], name


def test_no_two_modules_import_each_other() -> None:
    circles = {
        (name, other)
        for name, found in IMPORTS.items()
        for other in found
        if name < other and name in IMPORTS.get(other, ())
    }
    assert circles == {("lib.radius.transport.tls", "lib.radius.transport.udp")}
