"""The status of endpoints: the rules for marking, how long a fact lasts, and that trouble with files is no failure."""

import os
import pathlib
import time
from typing import Optional

import pytest
from pytest_mock import MockerFixture

from lib.radius.server_status import (
    CUT_OFF,
    FAILED,
    MARK,
    NO_MEMORY,
    REFUSED,
    STATUS_KNOWN_FOR,
    SUSPECT,
    UNANSWERED,
    Observation,
    Status,
)
from lib.state.server_status import DIRECTORY, SharedServerStatus
from tests.support.cases import for_each

SERVER = "192.0.2.1:1812-udp-login-radius.example.com"
OTHER_PORT = "192.0.2.1:1645-udp-login-radius.example.com"
KNOWN = Status(dead_time=120.0)


# The rules for marking: a request that was first sent 15 s ago ends without an answer

BEFORE, SINCE = 15.1, 14.9


@for_each(end=(UNANSWERED, REFUSED, FAILED))
def test_endpoint_without_a_sign_of_life_is_marked(end: str) -> None:
    assert Observation(end, 15.0).judge(KNOWN) == MARK
    assert Observation(end, 15.0).judge(KNOWN._replace(answered=BEFORE, answered_status=BEFORE)) == MARK


@for_each(end=(UNANSWERED, REFUSED, FAILED), key=("", "record"), suspected=(None, 1.0, 20.0))
def test_endpoint_that_has_answered_anybody_since_stays(end: str, key: str, suspected: Optional[float]) -> None:
    """Users ignore pushes, and some servers answer no Status-Server."""
    status = KNOWN._replace(answered=SINCE, suspected=suspected)
    assert Observation(end, 15.0, key=key).judge(status) == ""
    assert Observation(end, 15.0, key=key).is_alive(status)


@for_each(suspected=(None, 1.0), answered_status=(None, BEFORE, SINCE), is_answered=(True, False))
def test_request_that_is_cut_off_proves_nothing(
    suspected: Optional[float], answered_status: Optional[float], is_answered: bool
) -> None:
    status = KNOWN._replace(suspected=suspected, answered_status=answered_status)
    assert Observation(CUT_OFF, 15.0, is_answered).judge(status) == ""


@for_each(by_us=(True, False))
def test_endpoint_that_answers_status_server_alone_is_suspected_first(by_us: bool) -> None:
    seen = Observation(UNANSWERED, 15.0, status_answered=by_us)
    status = KNOWN._replace(answered_status=SINCE)
    assert seen.is_alive(status)
    assert seen.judge(status) == SUSPECT
    assert seen.judge(status._replace(suspected=300.0)) == MARK
    assert seen.judge(status._replace(suspected=300.0, answered=400.0)) == MARK


def test_answer_in_between_clears_the_suspicion() -> None:
    status = KNOWN._replace(answered_status=SINCE, suspected=300.0, answered=200.0)
    assert Observation(UNANSWERED, 15.0, status_answered=True).judge(status) == SUSPECT


@for_each(end=(REFUSED, FAILED))
def test_endpoint_that_answers_status_server_is_neither_refused_nor_suspected(end: str) -> None:
    assert Observation(end, 15.0, status_answered=True).judge(KNOWN._replace(suspected=1.0)) == ""


def test_one_record_is_never_more_than_a_suspicion() -> None:
    first, other = Observation(UNANSWERED, 2.0, key="first"), Observation(UNANSWERED, 2.0, key="other")
    assert first.judge(KNOWN) == SUSPECT
    suspected = KNOWN._replace(suspected=60.0, key="first")
    assert first.judge(suspected) == SUSPECT
    assert other.judge(suspected) == MARK
    assert other.judge(suspected._replace(answered=30.0)) == SUSPECT
    for end in (REFUSED, FAILED):
        assert first._replace(end=end).judge(KNOWN) == MARK


# What a mark means


def test_mark_holds_until_dead_time_and_is_claimed_then() -> None:
    states = {age: KNOWN._replace(marked=age) for age in (0.0, 119.9, 120.0, 10**6)}
    assert {age: (status.is_marked, status.is_expired) for age, status in states.items()} == {
        0.0: (True, False),
        119.9: (True, False),
        120.0: (True, True),
        10**6: (True, True),
    }
    assert not Status(marked=1.0, dead_time=0.0).is_marked
    assert not KNOWN.is_marked and not KNOWN.is_expired


def test_answer_clears_mark_and_suspicion() -> None:
    marked = KNOWN._replace(marked=60.0, suspected=60.0)
    assert marked.is_marked and marked.is_suspected
    for age in (0.0, 59.9, 60.0):
        cleared = marked._replace(answered=age)
        assert not cleared.is_marked and not cleared.is_suspected
    assert marked._replace(answered=60.1).is_marked


def test_answer_to_status_server_clears_only_a_mark_without_suspicion(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark(SERVER)
    status.answered_status(SERVER)
    status.suspect(SERVER, "")
    assert not status.status_of(SERVER).is_marked, "a suspicion brings no mark back"
    status.mark(SERVER)
    status.answered_status(SERVER)
    known = status.status_of(SERVER)
    assert known.is_marked and known.is_suspected


# The files


def age(tmp_path: pathlib.Path, seconds: float) -> None:
    """Make every fact so many seconds old."""
    for path in (tmp_path / DIRECTORY).iterdir():
        os.utime(str(path), (time.time() - seconds,) * 2)


def test_nothing_is_known_at_first(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    assert status.status_of(SERVER) == KNOWN
    assert not status.warnings


def test_mark_is_remembered_until_an_answer(tmp_path: pathlib.Path) -> None:
    one, other = SharedServerStatus(str(tmp_path), 120), SharedServerStatus(str(tmp_path), 120)
    one.mark(SERVER)
    assert other.status_of(SERVER).is_marked
    assert not other.status_of(OTHER_PORT).is_marked
    other.answered(SERVER)
    other.answered(SERVER)
    assert not SharedServerStatus(str(tmp_path), 120).status_of(SERVER).is_marked
    assert not one.warnings and not other.warnings


def test_mark_expires_after_dead_time(tmp_path: pathlib.Path, mocker: MockerFixture) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark(SERVER)
    (path,) = (tmp_path / DIRECTORY).iterdir()
    marked_at = path.stat().st_mtime
    clock = mocker.patch("time.time")
    expected = {0: (True, False), 119: (True, False), 121: (True, True), -60: (False, False)}  # by age
    found = {}
    for seconds in expected:
        clock.return_value = marked_at + seconds
        known = status.status_of(SERVER)
        found[seconds] = (known.is_marked, known.is_expired)
    assert found == expected


def test_facts_from_the_future_are_not_trusted(tmp_path: pathlib.Path) -> None:
    """The clock was set back since."""
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark(SERVER)
    status.suspect(SERVER, "key")
    status.answered(SERVER)
    status.answered_status(SERVER)
    age(tmp_path, -3600.0)
    assert status.status_of(SERVER) == KNOWN
    assert not Observation(UNANSWERED, 15.0).is_alive(status.status_of(SERVER))
    status.mark(SERVER)
    assert status.status_of(SERVER).is_marked


def test_another_mark_renews_the_first_whatever_its_age(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark(SERVER)
    for seconds in (0, 119, 121, -60):
        age(tmp_path, seconds)
        status.mark(SERVER)
        known = status.status_of(SERVER)
        assert known.is_marked and not known.is_expired


def test_expired_mark_is_claimed_once(tmp_path: pathlib.Path) -> None:
    one, other = SharedServerStatus(str(tmp_path), 120), SharedServerStatus(str(tmp_path), 120)
    one.mark(SERVER)
    for _ in range(3):
        age(tmp_path, 121)
        assert [each.claim(SERVER) for each in (one, other, one)] == [True, False, False]
        known = other.status_of(SERVER)
        assert known.is_marked and not known.is_expired
    other.answered(SERVER)
    assert one.claim(SERVER), "it answered another login in the meantime"
    assert not one.warnings and not other.warnings


def test_suspicion_keeps_the_key_of_the_request(tmp_path: pathlib.Path) -> None:
    one, other = SharedServerStatus(str(tmp_path), 120), SharedServerStatus(str(tmp_path), 120)
    seen = Observation(UNANSWERED, 2.0)
    assert not one.left_unanswered(SERVER, seen._replace(key="record"))
    assert (other.status_of(SERVER).is_suspected, other.status_of(SERVER).key) == (True, "record")
    other.left_unanswered(SERVER, seen._replace(key="record"))
    assert not one.status_of(SERVER).is_marked
    other.left_unanswered(SERVER, seen._replace(key="another"))
    assert one.status_of(SERVER).is_marked


def test_response_to_status_server_is_remembered_for_a_while(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.answered_status(SERVER)
    assert status.status_of(SERVER).answers_status
    age(tmp_path, STATUS_KNOWN_FOR + 1)
    assert not status.status_of(SERVER).answers_status


def test_facts_about_addresses_that_are_not_used_any_more_are_removed(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.answered(OTHER_PORT)
    age(tmp_path, 8 * 86400)
    status.answered(SERVER)
    status.mark(SERVER)
    assert sorted(path.name.split("-")[0] for path in (tmp_path / DIRECTORY).iterdir()) == ["answered", "dead"]


def test_server_names_make_files_only_inside_the_directory(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path / "state"), 120)
    names = ["../../x:1", "[fe80::1%eth0]:1812", "a" * 300 + ":1", "ü:1", "/etc/passwd:1"]
    for name in names:
        status.mark(name)
        assert status.status_of(name).is_marked
    assert len(list((tmp_path / "state" / DIRECTORY).iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert not status.warnings


@pytest.mark.parametrize(
    "obstacle", ["file for the directory", "file for the state directory", "directory", "pipe", "link"]
)
def test_unusable_directory_gives_one_warning_and_stores_nothing(tmp_path: pathlib.Path, obstacle: str) -> None:
    state = tmp_path / "state"
    if obstacle == "file for the state directory":
        state.write_text("")
    else:
        state.mkdir()
    if obstacle == "file for the directory":
        (state / DIRECTORY).write_text("")
    status = SharedServerStatus(str(state), 120)
    if obstacle in ("directory", "pipe", "link"):
        status.mark(SERVER)
        status.suspect(SERVER, "")
        status.answered_status(SERVER)
        for path in (state / DIRECTORY).iterdir():
            path.unlink()
            if obstacle == "directory":
                path.mkdir()
            elif obstacle == "pipe":
                os.mkfifo(str(path))
            else:
                path.symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        status.mark(SERVER)
        status.answered_status(SERVER)
        assert status.status_of(SERVER) == KNOWN
        assert status.claim(SERVER)
    status.answered(OTHER_PORT)
    status.suspect(SERVER, "")  # replaces a pipe or a link
    assert status.status_of(SERVER).is_suspected == (obstacle in ("pipe", "link"))
    assert len(status.warnings) == 1
    assert status.warnings[0].startswith("Server status is not shared between logins: ")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_content_of_a_file_does_not_matter(tmp_path: pathlib.Path) -> None:
    status = SharedServerStatus(str(tmp_path), 120)
    status.mark(SERVER)
    status.suspect(SERVER, "key")
    for path in (tmp_path / DIRECTORY).iterdir():
        path.write_bytes(b"\0garbage\xff" * 100)
    assert status.status_of(SERVER).is_marked
    assert status.status_of(SERVER).is_suspected


def test_nothing_is_stored_without_a_directory() -> None:
    for status in (NO_MEMORY, SharedServerStatus(None, 120)):
        status.mark(SERVER)
        status.suspect(SERVER, "")
        status.answered_status(SERVER)
        status.answered(SERVER)
        assert status.claim(SERVER)
        assert status.status_of(SERVER)._replace(dead_time=0.0) == Status()
