"""The figures of the bench on docs/performance.md."""

import re
from pathlib import Path

import pytest

from bench import figures
from bench.figures import PAGE, Table

TABLES = [
    Table(("Hook", "CPU ms", "floor", "CPU ratio"), [("asks", (3.0, 2.0, 1.5)), ("ends", (1.0, 1.0, 1.0))]),
    Table(("Backlog", "seconds"), [("", (3.0,))]),
    Table(("Packets lost", "simulated: median", "failed ratio"), [("10 %", (0.0204, 0.0)), ("50 %", (1.2, 0.0))]),
    Table(("Selection, simulated", "measured", "ratio to limit"), [("a", (4.0, 1.0)), ("b", (3.0, 0.5))]),
    Table(("Storm", "ratio to idle"), [("", (4.0,))]),
]
FIGURES = """\
Measured with Python 3.12.1 on 2 cores.

### Hook

| Hook | CPU ratio |
| --- | --- |
| asks | 1.500 |
| ends | 1.000 |

```mermaid
xychart-beta horizontal
    title "Hook, CPU ratio"
    x-axis ["asks", "ends"]
    y-axis "ratio" 0 --> 2
    bar [1.500, 1.000]
```

### Packets lost

| Packets lost | simulated: median | failed ratio |
| --- | --- | --- |
| 10 % | 0.020 | 0.000 |
| 50 % | 1.200 | 0.000 |

```mermaid
xychart-beta horizontal
    title "Packets lost, simulated: median"
    x-axis ["10 %", "50 %"]
    y-axis "seconds" 0 --> 2
    bar [0.020, 1.200]
```

### Selection, simulated

| Selection, simulated | measured | ratio to limit |
| --- | --- | --- |
| a | 4.000 | 1.000 |
| b | 3.000 | 0.500 |

```mermaid
xychart-beta horizontal
    title "Selection, simulated, ratio to limit"
    x-axis ["a", "b"]
    y-axis "ratio" 0 --> 1
    bar [1.000, 0.500]
```

### Storm

| Storm | ratio to idle |
| --- | --- |
| Storm | 4.000 |
"""


def test_figures_are_ratios_and_simulated_times() -> None:
    assert figures.figures("Python 3.12.1 on 2 cores", TABLES) == FIGURES


def test_figures_are_written_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- figures: made by python -m bench --write -->\nold\n<!-- end -->\nrest\n")
    figures.write("Python 3.12.1 on 2 cores", TABLES, page)
    start, end = "<!-- figures: made by python -m bench --write -->\n\n", "\n<!-- end -->\n"
    assert page.read_text() == f"# Page\n{start}{FIGURES}{end}rest\n"


def test_page_has_the_figures_of_one_run() -> None:
    """Read the tables of the page: they must make all of its figures."""
    block = PAGE.read_text("utf-8").split(f"made by {figures.MAKER} -->\n\n")[1].split("\n<!-- end -->")[0]
    tables = []
    for text in re.findall(r"(?m)(?:^\|.*\n)+", block):
        heading, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
        tables.append(Table(heading, [(name, [float(cell) for cell in cells]) for name, *cells in rows]))
    assert len(tables) > 3
    machine = re.findall("^Measured with (.*)[.]\n", block)[0]
    assert figures.figures(machine, tables) == block


@pytest.mark.parametrize("cell, comparable", [("CPU ratio", True), ("ratio to healthy", True), ("seconds", False)])
def test_other_times_are_left_out(cell: str, comparable: bool) -> None:
    assert figures.is_comparable(cell) == comparable
