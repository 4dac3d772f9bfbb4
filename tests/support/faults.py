"""What can happen to the files of a directory, and to the disk."""

import contextlib
import errno
import os
import pathlib
import shutil
from typing import Any, Callable, Dict, Iterator

from pytest import MonkeyPatch


def _make_unreadable(path: pathlib.Path) -> None:
    path.chmod(0)
    if os.geteuid() == 0:  # no mode stops root
        os.chown(str(path), 65534, 65534)


def _make_unreadable_file(path: pathlib.Path) -> None:
    path.write_bytes(b"")
    _make_unreadable(path)


def _make_unreadable_directory(path: pathlib.Path) -> None:
    path.mkdir()
    _make_unreadable(path)


def _replaced(make: Callable[[pathlib.Path], object]) -> Callable[[pathlib.Path], None]:
    def replace(path: pathlib.Path) -> None:
        remove(path)
        make(path)

    return replace


FILE_DAMAGE: Dict[str, Callable[[pathlib.Path], object]] = {
    "empty": _replaced(lambda path: path.write_bytes(b"")),
    "garbage": _replaced(lambda path: path.write_bytes(b"\xff\0garbage" * 99)),
    "dangling link": _replaced(lambda path: path.symlink_to(path.parent / "missing")),
    "link": _replaced(lambda path: path.symlink_to("/etc/passwd")),
    "pipe": _replaced(lambda path: os.mkfifo(str(path))),
    "directory": _replaced(lambda path: path.mkdir()),
    "unreadable": _replaced(_make_unreadable_file),
}
"""What leaves something of the same name."""

DIRECTORY_DAMAGE: Dict[str, Callable[[pathlib.Path], object]] = {
    "directory replaced by a file": lambda path: path.write_bytes(b""),
    "directory replaced by a pipe": lambda path: os.mkfifo(str(path)),
    "directory replaced by a link": lambda path: path.symlink_to(_made(path.with_name("elsewhere"))),
    "directory replaced by a dangling link": lambda path: path.symlink_to(path.parent / "missing"),
    "directory unreadable": _make_unreadable_directory,
}
"""What stands in the place of a directory, so that nothing can be written there."""


def _made(path: pathlib.Path) -> pathlib.Path:
    path.mkdir(exist_ok=True)
    return path


def remove(path: pathlib.Path) -> None:
    """Remove a file, a link, a pipe, or a directory with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    else:
        path.unlink()


@contextlib.contextmanager
def full_disk(synchronize_only: bool = False) -> Iterator[None]:
    """A disk on which the plugin can create no file, or on which a new file may not survive a crash."""
    system_open = os.open

    def open_existing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT and "dir_fd" in more:  # as the plugin does, and the standard library does not
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return system_open(path, flags, *rest, **more)

    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with MonkeyPatch.context() as patch:
        if synchronize_only:
            patch.setattr(os, "fsync", fail)
        else:
            patch.setattr(os, "open", open_existing)
        yield
