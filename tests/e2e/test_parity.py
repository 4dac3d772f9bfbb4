"""What the vendor's plugin accepts, this one accepts with the same effect, or docs/moving.md names the difference."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
from safeguard.sessions.plugin import __version__ as sdk_version

from simulator.fork_server import ForkServer
from tests.support import ROOT
from tests.support.cases import Cases
from tests.support.parity import Outcome, run
from tests.support.parity_table import ROWS, Row
from tests.support.plugin import code

SDK = tuple(int(part) for part in sdk_version.split(".")[:2])
MOVING = (ROOT / "docs" / "moving.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_every_situation_has_its_outcome(unpacked_zip: Path, fork_server: ForkServer, tmp_path: Path) -> None:
    def play(row: Row) -> Tuple[Outcome, Dict[str, Any], str]:
        return run(row.situation, unpacked_zip, tmp_path / str(ROWS.index(row)), fork_server)

    rows = [row for row in ROWS if SDK >= row.sdk]
    with ThreadPoolExecutor(4) as pool, Cases() as cases:
        for row, played in zip(rows, [pool.submit(play, row) for row in rows]):
            with cases.case(row.name):
                outcome, result, log = played.result()
                assert outcome == row.ours
                assert row.code == (code(result) if outcome.verdict == "DENY" else "")
                assert "Internal error" not in log and "Traceback" not in log


def test_every_difference_is_in_the_page_about_moving() -> None:
    with Cases() as cases:
        for row in ROWS:
            with cases.case(row.name):
                assert row.vendors != row.ours
                assert (row.vendors is None) == (row.moving == "")
                lines = [line for line in MOVING if line.lstrip("| ").startswith(row.moving)]
                assert not row.moving or len(lines) == 1


def test_the_table_is_long_and_without_duplicates() -> None:
    assert len(ROWS) >= 80
    for column in ("name", "situation"):
        seen = [repr(getattr(row, column)) for row in ROWS]
        assert len(set(seen)) == len(seen), column
