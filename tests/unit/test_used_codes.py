"""The record of used recovery codes, within one process: tests/network/test_shared_state.py has those of several."""

import os
import pathlib

import pytest

from lib.recovery_code import RecoveryHash
from lib.state.recovery_codes import DIRECTORY, UsedCodes

CODES = [RecoveryHash(1, bytes([number] * 8), bytes(32)) for number in range(3)]


def test_a_code_is_good_once(tmp_path: pathlib.Path) -> None:
    assert UsedCodes(str(tmp_path)).unused(CODES) == 3
    for left, code in zip((2, 1, 0), CODES):
        assert [UsedCodes(str(tmp_path)).use(code) for _ in range(3)] == [True, False, False]
        assert UsedCodes(str(tmp_path)).unused(CODES) == left
    assert UsedCodes(str(tmp_path)).unused(CODES + CODES) == 0


def test_the_record_shows_neither_codes_nor_hashes(tmp_path: pathlib.Path) -> None:
    codes = UsedCodes(str(tmp_path))
    codes.use(CODES[0])
    (file,) = (tmp_path / DIRECTORY).iterdir()
    assert file.name == CODES[0].name and file.read_bytes() == b""
    assert not codes.warnings


@pytest.mark.parametrize("obstacle", ["no state directory", "empty path", "file for it", "file for ours", "link"])
def test_a_code_that_cannot_be_recorded_is_not_used(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for it":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for ours":
        (state / DIRECTORY).write_text("")
    elif obstacle == "link":
        (state / DIRECTORY).symlink_to(tmp_path)
    path = {"no state directory": None, "empty path": ""}.get(obstacle, str(state))
    codes = UsedCodes(path)
    for _ in range(2):
        assert codes.use(CODES[0]) is None
    assert len(codes.warnings) == 1 and codes.warnings[0].startswith("Recovery codes cannot be used: ")


def test_a_code_that_may_not_be_recorded_is_not_used(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    tmp_path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # no mode stops root
    try:
        codes = UsedCodes(str(state))
        assert codes.use(CODES[0]) is None
        assert codes.warnings == ["Recovery codes cannot be used: Permission denied"]
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)
