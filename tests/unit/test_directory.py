"""The directory that processes share: what its files may be, who may read them, and one warning for each problem."""

import errno
import os
import pathlib
import resource
import signal
import stat
from typing import Any, Callable, Dict, List

import pytest

from lib.log_line import Line
from lib.log_lines import WARNING
from lib.state.directory import UNFINISHED, Directory
from tests.support.cases import for_each

TROUBLE = "Facts are not kept"
LINE = Line(WARNING, TROUBLE + ": {cause}")
LIMIT = 100
OPERATIONS: Dict[str, Callable[[Directory], object]] = {
    "modified": lambda directory: directory.modified("file"),
    "read": lambda directory: directory.read("file", LIMIT),
    "touch": lambda directory: directory.touch("file"),
    "create_exclusive": lambda directory: directory.create_exclusive("file"),
    "replace": lambda directory: directory.replace("file", b"octets"),
    "rename": lambda directory: directory.rename("file", "other"),
    "remove": lambda directory: directory.remove("file"),
    "lock": lambda directory: is_locked(directory),
    "names": lambda directory: directory.names(),
    "is_file": lambda directory: directory.is_file("file"),
}
OPENS_THE_FILE = ("modified", "read", "touch", "lock")


def is_locked(directory: Directory) -> Any:
    with directory.lock("file") as is_ours:
        return is_ours


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> Directory:
    return Directory(str(tmp_path), "facts", LINE)


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def outside(tmp_path: pathlib.Path) -> List[str]:
    """Return the names beside the directory."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "facts")


# Files


def test_reading_creates_no_file_and_no_warning(directory: Directory, tmp_path: pathlib.Path) -> None:
    assert directory.read("file", LIMIT) is None
    assert directory.modified("file") is None
    assert directory.names() == []
    assert directory.is_file("file") is None
    directory.remove("file")
    directory.rename("file", "other")
    assert not list(tmp_path.iterdir())
    assert not directory.warnings


def test_only_the_user_of_the_plugin_may_read_anything(directory: Directory, tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        directory.touch("touched")
        directory.create_exclusive("created")
        directory.replace("replaced", b"x")
        with directory.lock("locked") as is_ours:
            assert is_ours
    finally:
        os.umask(before)
    assert mode(tmp_path / "facts") == 0o700
    assert sorted(directory.names()) == ["created", "locked", "replaced", "touched"]
    assert {mode(path) for path in (tmp_path / "facts").iterdir()} == {0o600}
    assert not directory.warnings


def test_only_the_end_of_a_long_file_is_read(directory: Directory) -> None:
    directory.replace("file", b"one two ")
    assert directory.read("file", 4) == b"two "


def test_a_file_is_replaced_as_a_whole(directory: Directory) -> None:
    for octets in (b"a long text", b"short", b""):
        assert directory.replace("file", octets)
        assert directory.read("file", LIMIT) == octets
        assert directory.names() == ["file"]


def test_a_touched_file_is_as_old_as_its_last_touch(directory: Directory, tmp_path: pathlib.Path) -> None:
    directory.touch("file")
    os.utime(str(tmp_path / "facts" / "file"), (1000, 1000))
    assert directory.modified("file") == 1000
    directory.touch("file")
    modified = directory.modified("file")
    assert modified is not None and modified > 1000


def test_a_file_is_created_once(directory: Directory, tmp_path: pathlib.Path) -> None:
    assert [directory.create_exclusive("file") for _ in range(3)] == [True, False, False]
    assert (tmp_path / "facts" / "file").read_bytes() == b""
    for make in ODD:
        make(tmp_path / "facts" / make.__name__)
        assert directory.create_exclusive(make.__name__) is False
    assert not (tmp_path / "nowhere").exists() and (tmp_path / "elsewhere").read_text() == "theirs"
    assert not directory.warnings


def test_a_created_file_that_may_be_lost_is_not_created(directory: Directory, mocker: Any) -> None:
    mocker.patch("os.fsync", side_effect=OSError(errno.EIO, os.strerror(errno.EIO)))
    assert directory.create_exclusive("file") is None
    assert directory.create_exclusive("file") is False
    assert directory.warnings == [f"{TROUBLE}: Input/output error"]


def test_a_file_is_renamed_and_removed(directory: Directory) -> None:
    directory.touch("file")
    directory.rename("file", "other")
    assert directory.names() == ["other"] and directory.is_file("other")
    directory.remove("other")
    assert directory.names() == []
    assert not directory.warnings


def test_a_full_disk_leaves_no_half_file_and_one_warning(directory: Directory) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        assert not directory.replace("file", b"octets")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not [name for name in directory.names() if name.startswith(UNFINISHED)]
    assert directory.warnings == [f"{TROUBLE}: File too large"]


# What else may be there


def make_pipe(path: pathlib.Path) -> None:
    os.mkfifo(str(path))


def make_link(path: pathlib.Path) -> None:
    path.parent.parent.joinpath("elsewhere").write_text("theirs")
    path.symlink_to(path.parent.parent / "elsewhere")


def make_dangling_link(path: pathlib.Path) -> None:
    path.symlink_to(path.parent.parent / "nowhere")


def make_directory(path: pathlib.Path) -> None:
    path.mkdir()


ODD = (make_pipe, make_link, make_dangling_link, make_directory)


def test_no_operation_follows_a_link_or_waits_for_a_pipe(tmp_path: pathlib.Path) -> None:
    @for_each(make=ODD, operation=OPENS_THE_FILE)
    def check(make: Callable[[pathlib.Path], None], operation: str) -> None:
        state = tmp_path / f"{make.__name__}-{operation}"
        (state / "facts").mkdir(parents=True)
        make(state / "facts" / "file")
        beside = outside(state)
        directory = Directory(str(state), "facts", LINE)
        for _ in range(2):
            assert OPERATIONS[operation](directory) is None
        assert len(directory.warnings) == 1 and directory.warnings[0].startswith(TROUBLE + ": ")
        assert directory.is_file("file") is False
        assert outside(state) == beside
        assert all((state / name).read_text() == "theirs" for name in beside)

    check()


def test_an_odd_file_is_replaced_and_removed_itself(tmp_path: pathlib.Path) -> None:
    @for_each(make=(make_pipe, make_link, make_dangling_link), operation=("replace", "rename", "remove"))
    def check(make: Callable[[pathlib.Path], None], operation: str) -> None:
        state = tmp_path / f"{make.__name__}-{operation}"
        (state / "facts").mkdir(parents=True)
        make(state / "facts" / "file")
        beside = outside(state)
        directory = Directory(str(state), "facts", LINE)
        OPERATIONS[operation](directory)
        assert directory.is_file("file") is (True if operation == "replace" else None)
        assert not directory.warnings
        assert outside(state) == beside
        assert all((state / name).read_text() == "theirs" for name in beside)

    check()


def test_pipe_with_a_reader_is_not_a_file(directory: Directory, tmp_path: pathlib.Path) -> None:
    directory.touch("other")
    pipe = tmp_path / "facts" / "file"
    make_pipe(pipe)
    reader = os.open(str(pipe), os.O_RDONLY | os.O_NONBLOCK)
    directory.touch("file")
    assert os.read(reader, LIMIT) == b""
    os.close(reader)
    assert directory.warnings == [f"{TROUBLE}: it is not a file"]


def test_file_in_place_of_the_directory_gives_one_warning(tmp_path: pathlib.Path) -> None:
    @for_each(obstacle=("file", "link", "dangling link", "pipe"), operation=OPERATIONS)
    def check(obstacle: str, operation: str) -> None:
        state = tmp_path / f"{obstacle}-{operation}"
        elsewhere = state / "elsewhere"
        elsewhere.mkdir(parents=True)
        if obstacle == "file":
            (state / "facts").write_text("")
        elif obstacle == "pipe":
            make_pipe(state / "facts")
        else:
            (state / "facts").symlink_to(elsewhere if obstacle == "link" else state / "nowhere")
        directory = Directory(str(state), "facts", LINE)
        for _ in range(2):
            assert not OPERATIONS[operation](directory)
        assert len(directory.warnings) == 1 and directory.warnings[0].startswith(TROUBLE + ": ")
        assert outside(state) == ["elsewhere"] and not list(elsewhere.iterdir())

    check()


def test_files_and_directories_of_another_user_are_refused(
    directory: Directory, tmp_path: pathlib.Path, mocker: Any
) -> None:
    directory.replace("file", b"x")
    mocker.patch("os.geteuid", return_value=os.getuid() + 1)

    @for_each(operation=OPERATIONS)
    def check(operation: str) -> None:
        directory = Directory(str(tmp_path), "facts", LINE)
        assert not OPERATIONS[operation](directory)
        assert directory.warnings == [f"{TROUBLE}: it belongs to another user"]

    check()
    assert (tmp_path / "facts" / "file").read_bytes() == b"x"


def test_forbidden_operations_cause_one_warning(tmp_path: pathlib.Path) -> None:
    (tmp_path / "facts").mkdir()
    tmp_path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # no mode stops root
    try:

        @for_each(operation=OPERATIONS)
        def check(operation: str) -> None:
            directory = Directory(str(tmp_path), "facts", LINE)
            for _ in range(2):
                assert not OPERATIONS[operation](directory)
            assert directory.warnings == [f"{TROUBLE}: Permission denied"]

        check()
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


@for_each(operation=OPERATIONS)
def test_nothing_is_stored_without_a_state_directory(operation: str) -> None:
    directory = Directory(None, "facts", LINE)
    assert not OPERATIONS[operation](directory)
    assert not directory.warnings


# Warnings


def test_each_problem_is_one_warning(directory: Directory) -> None:
    removed = Line(WARNING, "Facts removed: too many")
    directory.warn(LINE, cause="damaged")
    directory.warn(LINE, cause="too old")
    directory.warn(removed)
    assert directory.warnings == [f"{TROUBLE}: damaged", "Facts removed: too many"]
