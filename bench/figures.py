"""The figures of a run as Markdown with Mermaid charts, for docs/performance.md."""

import math
import pathlib
from typing import List, NamedTuple, Sequence, Tuple

from tools.documents import ROOT, updated

PAGE = ROOT / "docs" / "performance.md"
MAKER = "python -m bench --write"

Row = Tuple[str, Sequence[float]]


class Table(NamedTuple):
    """A table of the bench: the cells of its header, and its rows."""

    heading: Sequence[str]
    rows: List[Row]


def write(machine: str, tables: Sequence[Table], page: pathlib.Path = PAGE) -> None:
    """Write the figures into the page."""
    page.write_text(updated(page.read_text(encoding="utf-8"), {"figures": figures(machine, tables)}, MAKER), "utf-8")


def figures(machine: str, tables: Sequence[Table]) -> str:
    """Return the ratios and simulated times of the tables; other times depend on the machine."""
    parts = [f"Measured with {machine}.\n"]
    for (title, *cells), rows in tables:
        charted = [number for number, cell in enumerate(cells) if is_comparable(cell)]
        if not charted:
            continue
        columns = list(range(len(cells))) if "simulated" in title else charted
        lines = [[title, *(cells[column] for column in columns)], ["---"] * (1 + len(columns))]
        lines += [[name or title, *(_text(numbers[column]) for column in columns)] for name, numbers in rows]
        parts += [f"### {title}\n", "".join("| " + " | ".join(line) + " |\n" for line in lines)]
        for column in charted:
            parts.append(_chart(title, cells[column], [(name, numbers[column]) for name, numbers in rows]))
    return "\n".join(filter(None, parts))


def is_comparable(cell: str) -> bool:
    """Whether a column with this header is a ratio or a simulated time, in seconds."""
    return "ratio" in cell or cell.startswith("simulated")


def _text(number: float) -> str:
    return f"{number:.3f}"


def _chart(title: str, cell: str, bars: Sequence[Tuple[str, float]]) -> str:
    """Return a bar chart; an empty text if there is nothing to compare."""
    if len(bars) < 2 or not any(number for _, number in bars):
        return ""
    names = ", ".join(f'"{name}"' for name, _ in bars)
    numbers = ", ".join(_text(number) for _, number in bars)
    unit = "seconds" if cell.startswith("simulated") else "ratio"
    end = math.ceil(max(number for _, number in bars))
    return f"""```mermaid
xychart-beta horizontal
    title "{title}, {cell}"
    x-axis [{names}]
    y-axis "{unit}" 0 --> {end}
    bar [{numbers}]
```
"""
