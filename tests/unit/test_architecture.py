"""The separations that the design rests on: who imports whom in lib, told by the source."""

import ast
import pathlib
from typing import Dict, Set

import pytest

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
            found.add(module)
            found |= {module + "." + alias.name for alias in node.names}
    return found


MODULES: Dict[str, Set[str]] = {
    str(path.relative_to(LIB).with_suffix("")).replace("/", "."): imports(path) for path in LIB.rglob("*.py")
}


def reaches(name: str, target: str) -> bool:
    """Whether a module imports a module or package, or anything inside it."""
    return any(module == target or module.startswith(target + ".") for module in MODULES[name])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_the_edge_knows_the_sdk(name: str) -> None:
    assert reaches(name, "safeguard") == (name == "plugin")


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("radius.")))
def test_radius_knows_no_login(name: str) -> None:
    assert not reaches(name, "lib.login") and not reaches(name, "lib.plugin")


CONNECTS = ("plugin", "backend")


@pytest.mark.parametrize("name", sorted(name for name in MODULES if "." not in name and name not in CONNECTS))
def test_login_and_what_it_uses_know_no_radius(name: str) -> None:
    """Settings look up the attributes that the configuration names; how RADIUS is spoken is nobody's business here."""
    found = {module for module in MODULES[name] if module.split(".")[:2] == ["lib", "radius"]}
    assert found <= ({"lib.radius", "lib.radius.attributes"} if name == "settings" else set())
    assert not reaches(name, "pyrad")


PURE = ["login", "text", "settings", "options", "messages", "names", "groups", "lockout", "listing", "denials"]
PURE += ["radius." + name for name in ("packet", "version11", "profile", "exchange", "accounting", "mschap")]
PURE += ["radius." + name for name in ("nas", "attributes", "display", "addresses")]


@pytest.mark.parametrize("name", PURE)
def test_pure_cores_touch_neither_network_nor_clock(name: str) -> None:
    for edge in ("socket", "ssl", "time", "random", "os", "threading", "subprocess", "fcntl", "lib.radius.transport"):
        assert not reaches(name, edge), "{} imports {}".format(name, edge)


COMMAND_LINE = [name for name in MODULES if name == "__main__" or name.startswith("cli.")]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_hook_knows_the_command_line(name: str) -> None:
    if name not in COMMAND_LINE:
        for costly in ("lib.cli", "lib.listing", "lib.radius.display", "argparse", "getpass"):
            assert not reaches(name, costly)


@pytest.mark.parametrize("name", COMMAND_LINE)
def test_the_command_line_leaves_the_network_to_the_client(name: str) -> None:
    for edge in ("socket", "select", "ssl", "lib.plugin"):
        assert not reaches(name, edge)
    assert not reaches(name, "lib.radius") or name in ("cli.servers", "cli.trial")


def test_what_check_finds_is_found_without_the_network_and_the_terminal() -> None:
    assert not [name for name in ("time", "os", "getpass", "lib.radius", "lib.login") if reaches("cli.check", name)]


def test_only_the_packets_know_pyrad() -> None:
    assert [name for name in MODULES if reaches(name, "pyrad")] == ["radius.packet"]
