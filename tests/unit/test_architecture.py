"""The import rules of lib/, checked against the source: who may import what, and which modules stay pure."""

import ast
import pathlib
import re
from typing import Dict, List, Set, Tuple

from lib.reasons import DENIALS
from tests.support import ROOT

LIB = ROOT / "lib"


def imports(path: pathlib.Path) -> Set[str]:
    """Return the absolute names of all modules that a module of lib imports, in functions too, not for types only."""
    found: Set[str] = set()
    package = ("lib",) + path.relative_to(LIB).parts[:-1]
    left: List[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            left += node.orelse
            continue
        left += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join(base + ((node.module,) if node.module else ()))
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= names & NAMES or {module}
    return found


def dotted(path: pathlib.Path) -> str:
    """Return the name of a module of lib, as in `lib.radius.packet`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".__init__", "")


PATHS = {dotted(path): path for path in LIB.rglob("*.py")}
NAMES = set(PATHS)
IMPORTS: Dict[str, Set[str]] = {name: imports(path) for name, path in PATHS.items()}

BASICS = ("lib", "lib.log_line", "lib.log_lines", "lib.reasons", "lib.text", "lib.secret", "lib.namedtuple")
HOOK = ("lib.config.model", "lib.login", "lib.radius", "lib.request_attributes", "lib.session", "lib.state")
ALLOWED: Dict[str, Tuple[str, ...]] = {
    "lib.log_line": (),
    "lib.log_lines": (),
    "lib.text": (),
    "lib.secret": (),
    "lib.namedtuple": (),
    "lib.cookie": (),
    "lib.time_limit": (),
    "lib.reasons": (),
    "lib.recovery_code": (),
    "lib.radius": (),
    "lib.radius.eap": ("lib.radius.mschap", "lib.radius.server", "lib.radius.transport"),
    "lib.radius.transport": ("lib.radius.packet", "lib.radius.radius11", "lib.radius.server"),
    "lib.config": ("lib.radius.attributes", "lib.radius.server", "lib.recovery_code"),
    "lib.login": ("lib.config.model",),
    "lib.state": ("lib.config.model", "lib.radius.accounting", "lib.radius.server_status", "lib.recovery_code"),
    "lib.session": ("lib.cookie", "lib.config.model", "lib.login.state"),
    "lib.request_attributes": ("lib.config.model", "lib.config.options", "lib.radius", "lib.session"),
    "lib.authenticator": HOOK + ("lib.time_limit",),
    "lib.accounting": HOOK,
    "lib.sdk": ("lib.config", "lib.login.state", "lib.login.username", "lib.session", "lib.state.directory"),
    "lib.plugin": ("lib.accounting", "lib.authenticator", "lib.login", "lib.sdk", "lib.session"),
    "lib.cli": (
        "lib.authenticator",
        "lib.config",
        "lib.login",
        "lib.radius",
        "lib.recovery_code",
        "lib.session",
        "lib.state",
    ),
    "lib.__main__": ("lib.cli",),
}
"""What a module, or the modules of a package, may import from lib, beside BASICS and the package itself."""


def inside(name: str, package: str) -> bool:
    """Whether a name is that of a package or of a module in it."""
    return name == package or name.startswith(package + ".")


def test_every_module_has_a_rule() -> None:
    assert [name for name in sorted(NAMES) if name != "lib" and not any(inside(name, each) for each in ALLOWED)] == []


def test_modules_import_what_their_rule_allows() -> None:
    broken = [
        (name, found)
        for package, allowed in ALLOWED.items()
        for name in IMPORTS
        if inside(name, package)
        for found in IMPORTS[name]
        if inside(found, "lib") and found not in BASICS
        if not any(inside(found, each) for each in allowed + (package,))
    ]
    assert sorted(broken) == []


def test_docstrings_of_packages_end_with_what_they_may_import() -> None:
    rules = dict(ALLOWED, lib=tuple(each for each in BASICS if each != "lib"))
    for name in (name for name, path in PATHS.items() if path.name == "__init__.py"):
        end = (ast.get_docstring(ast.parse(PATHS[name].read_text("utf-8"))) or "").rpartition(" import: ")[2]
        named = ["lib." + each.strip() for each in end.rstrip(".").split(",") if end != "nothing."]
        assert sorted(named) == sorted(rules[name]), name


def test_no_module_has_more_than_400_lines() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in PATHS.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def reached(name: str) -> Set[str]:
    """Return the modules of lib that a module imports, or that those import."""
    found: Set[str] = set()
    left = {name}
    while left:
        new = (IMPORTS[left.pop()] & NAMES) - found
        found |= new
        left |= new
    return found


def test_no_modules_import_each_other() -> None:
    all_reached = {name: reached(name) for name in NAMES}
    circles = {
        tuple(sorted(other for other in found if name in all_reached[other]))
        for name, found in all_reached.items()
        if name in found
    }
    assert circles == set()


def test_only_the_plugin_imports_the_sdk() -> None:
    importers = {name for name, found in IMPORTS.items() if any(inside(each, "safeguard") for each in found)}
    assert importers <= {"lib.plugin", "lib.sdk"} and importers


def test_one_module_imports_pyrad() -> None:
    importers = {name for name, found in IMPORTS.items() if any(inside(each, "pyrad") for each in found)}
    assert importers == {"lib.radius.pyrad_codec"}


def test_one_module_imports_pyopenssl() -> None:
    """The command line must run without it."""
    importers = {name for name, found in IMPORTS.items() if any(inside(each, "OpenSSL") for each in found)}
    assert importers == {"lib.radius.eap.openssl"}


def test_one_module_computes_md5() -> None:
    """With OpenSSL in FIPS mode, MD5 requires a flag."""
    users = {name for name, path in PATHS.items() if re.search(r"hashlib\.md5|[\"']md5[\"']", path.read_text("utf-8"))}
    assert users == {"lib.radius.md5"}


def literals(path: pathlib.Path) -> Set[str]:
    """Return the strings in the source of a module; a constant is in `s` in Python 3.6, and in `value` later."""
    nodes = [vars(node) for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return {text for node in nodes for text in (node.get("s"), node.get("value")) if isinstance(text, str)}


def test_only_the_reasons_spell_deny_codes() -> None:
    spelling = {name for name, path in PATHS.items() if not literals(path).isdisjoint(DENIALS)}
    assert spelling == {"lib.reasons"}


def test_no_module_waits_with_select() -> None:
    """select() fails for descriptors from 1024 on."""
    for name, found in IMPORTS.items():
        assert "select" not in found, name
        assert "SelectSelector" not in PATHS[name].read_text("utf-8"), name
    for path in [*(ROOT / "simulator").rglob("*.py"), *(ROOT / "tests" / "support").rglob("*.py")]:
        assert not re.search(r"^\s*(import|from) select\b|SelectSelector", path.read_text("utf-8"), re.MULTILINE), path


def test_no_hook_imports_the_command_line() -> None:
    costly = ("lib.cli", "lib.radius.display", "argparse", "getpass")
    for name in sorted(name for name in IMPORTS if not inside(name, "lib.cli") and name != "lib.__main__"):
        assert not [each for each in IMPORTS[name] for one in costly if inside(each, one)], name


EDGES = ("socket", "select", "selectors", "ssl", "time", "random", "os", "threading", "subprocess", "fcntl", "signal")
RADIUS_EDGES = ("lib.radius.client", "lib.radius.transport")
TLS_IN_MEMORY = ("lib.radius.eap.engine", "lib.radius.eap.openssl", "lib.radius.eap.tunnel")
PURE = (
    "lib.config",
    "lib.cookie",
    "lib.log_line",
    "lib.log_lines",
    "lib.login",
    "lib.namedtuple",
    "lib.radius",
    "lib.reasons",
    "lib.recovery_code",
    "lib.request_attributes",
    "lib.secret",
    "lib.session",
    "lib.text",
)


def test_pure_modules_touch_neither_network_nor_clock_nor_files() -> None:
    for package in PURE:
        for name in sorted(name for name in IMPORTS if inside(name, package)):
            if not any(inside(name, edge) for edge in RADIUS_EDGES):
                edges = set(EDGES) - ({"ssl"} if name in TLS_IN_MEMORY else set())
                assert not [each for each in IMPORTS[name] for edge in edges if inside(each, edge)], name
