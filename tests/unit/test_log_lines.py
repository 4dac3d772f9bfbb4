"""lib logs what lib/log_lines.py declares, with the fields of the declaration, checked against the source."""

import ast
import pathlib
import re
from typing import Dict, Iterator, List, Union

import pytest

from lib import log_lines
from lib.log_line import Cause, Line
from tests.support import ROOT
from tools.documents import declared_log_lines

DECLARED: Dict[str, Union[Line, Cause]] = {
    name: value for name, value in vars(log_lines).items() if isinstance(value, (Line, Cause))
}
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "lib").rglob("*.py"))
    if path.name != "log_lines.py"
}
FIELD = r"\{(\w+)(?::[^}]*)?\}"
LOGGING = ("debug", "info", "warning", "error", "critical", "exception", "log")
TEXT_AT = {"Unreachable": 1, "DiscardReason": 0, "append": 0}
"""Where a call has a text for the log: `append` is that of a list of warnings or lines."""


class Call:
    """A call in lib: its place, the name of what is called, and what that is an attribute of."""

    def __init__(self, path: pathlib.Path, node: ast.Call) -> None:
        self.place = f"{path.relative_to(ROOT)}:{node.lineno}"
        self.node = node
        function = node.func
        self.name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        self.owner = name_of(function.value) if isinstance(function, ast.Attribute) else ""

    @property
    def texts(self) -> List[ast.expr]:
        """The arguments that are logged."""
        if self.name in LOGGING and self.owner.endswith(("log", "logger", "logging")):
            return self.node.args
        is_logged = self.owner.endswith("warnings") or self.owner == "lines" and "/radius/" in self.place
        if self.name == "append" and not is_logged:
            return []
        at = TEXT_AT.get(self.name)
        return [] if at is None else self.node.args[at : at + 1]


def name_of(node: ast.AST) -> str:
    """Return the name of a variable or an attribute, with what it belongs to, or nothing."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def holds_text(node: ast.AST) -> bool:
    """Whether an expression has a string of its own, other than in the fields of a declared line."""
    if isinstance(node, ast.Call) and re.match(r"\w.*\.format\Z", name_of(node.func)):
        return False
    is_text = type(node).__name__ in ("Str", "JoinedStr") or isinstance(getattr(node, "value", None), str)
    return is_text or any(map(holds_text, ast.iter_child_nodes(node)))


def calls() -> Iterator[Call]:
    """Yield every call in lib."""
    for path, tree in TREES.items():
        yield from (Call(path, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


CALLS = list(calls())


def test_every_text_is_declared() -> None:
    assert [call.place for call in CALLS for text in call.texts if holds_text(text)] == []
    assert len([call for call in CALLS if call.texts]) > 25


@pytest.mark.parametrize(
    "source",
    (
        "_log.warning('lost %s', 1)",
        "self._log.error(f'lost {x}')",
        "logging.info('lost')",
        "_log.log(30, 'lost'.format(x))",
        "Unreachable('network', 'lost')",
        "self._warnings.append('lost: ' + x)",
        "packet.DiscardReason('lost', 'bad-reply')",
    ),
)
def test_undeclared_text_is_found(source: str) -> None:
    (expression,) = ast.parse(source).body
    assert isinstance(expression, ast.Expr) and isinstance(expression.value, ast.Call)
    assert any(holds_text(text) for text in Call(ROOT / "lib", expression.value).texts)


def test_every_declaration_is_used() -> None:
    nodes = (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    used = {name_of(node).partition("log_lines.")[2] for node in nodes}
    heads = [each.within for each in DECLARED.values() if isinstance(each, Cause)]
    used |= {name for name, each in DECLARED.items() if each in heads}
    assert set(DECLARED) - used == set()


def test_calls_fill_in_the_fields_of_the_line() -> None:
    wrong, checked = [], 0
    for call in CALLS:
        declared = DECLARED.get(call.owner.partition("log_lines.")[2])
        if declared is not None:
            checked += 1
            if {keyword.arg for keyword in call.node.keywords} != set(re.findall(FIELD, declared.text)):
                wrong.append(call.place)
    assert wrong == []
    assert checked > 40


def test_a_text_used_as_it_is_has_no_fields() -> None:
    wrong, checked = [], 0
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            name = name_of(node)
            if name.startswith("log_lines.") and name.endswith(".text"):
                checked += 1
                if re.search(FIELD, DECLARED[name.split(".")[1]].text):
                    wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == []
    assert checked > 20


def test_every_declaration_is_described_or_has_causes() -> None:
    declared = declared_log_lines()
    assert [line.name for line in declared] == list(DECLARED)
    assert [line.name for line in declared if not line.description and "{cause}" not in line.text] == []


def test_every_text_is_declared_once() -> None:
    texts = [line.text for line in declared_log_lines() if line.description]
    assert sorted(set(texts)) == sorted(texts)


def test_every_line_starts_with_fixed_text() -> None:
    assert [line for line in declared_log_lines() if not re.match(r"[A-Z][A-Za-z_-]+[ :]", line.text)] == []
