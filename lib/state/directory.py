"""The only access to files that the plugin's processes share: open, create, replace, list, lock and remove.

Nothing in a directory is trusted: links are not followed, pipes do not block, and files of other users are refused. No
method raises an error of the system: it returns nothing and adds a warning, one for each problem.
"""

import contextlib
import errno
import os
import stat
import time
from typing import Callable, Dict, Iterator, List, Optional, TypeVar

from ..log_line import Line
from ..namedtuple import NamedTuple
from ..text import system_words

UNFINISHED = ".new-"
"""Prefix of the name of a file that is being written; a killed process may leave one behind."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2  # seconds
_Result = TypeVar("_Result")


class StateDirectories(NamedTuple):
    """The paths of the plugin's state directories: `ephemeral` is lost at a reboot. None: nothing is kept there."""

    persistent: Optional[str] = None
    ephemeral: Optional[str] = None


class Directory:
    """A directory of the plugin below one of its state directories, created by the first write."""

    def __init__(self, state_directory: Optional[str], name: str, failure: Line) -> None:
        """Take the state directory (None: nothing is kept) and the line to log when something fails."""
        self._path = os.path.join(state_directory, name) if state_directory else ""
        self._failure = failure
        self._warnings: Dict[Line, str] = {}

    @property
    def warnings(self) -> List[str]:
        """What went wrong so far, for the log."""
        return list(self._warnings.values())

    def warn(self, line: Line, **fields: object) -> None:
        """Add this line to the warnings unless it is one of them."""
        self._warnings.setdefault(line, line.format(**fields))

    def names(self) -> List[str]:
        """Return the names of all entries."""
        return self._attempt(os.listdir) or []

    def is_file(self, name: str) -> Optional[bool]:
        """Return whether this is a file rather than a link, a pipe or a directory; None if it does not exist."""
        found = self._attempt(lambda directory: os.stat(name, dir_fd=directory, follow_symlinks=False))
        return None if found is None else stat.S_ISREG(found.st_mode)

    def modified(self, name: str) -> Optional[float]:
        """Return the modification time of a file in seconds since the epoch; None if it does not exist."""
        return self._with_file(name, os.O_RDONLY, lambda file: os.fstat(file).st_mtime)

    def read(self, name: str, limit: int) -> Optional[bytes]:
        """Return the last octets of a file, at most `limit`; None if it does not exist."""

        def read_end(file: int) -> bytes:
            os.lseek(file, max(0, os.fstat(file).st_size - limit), os.SEEK_SET)
            return os.read(file, limit)

        return self._with_file(name, os.O_RDONLY, read_end)

    def touch(self, name: str) -> None:
        """Create a file, or set its modification time to now."""
        self._with_file(name, os.O_CREAT | os.O_WRONLY, os.utime)

    def create_exclusive(self, name: str) -> Optional[bool]:
        """Make an empty file that survives a crash; return True only if this call made it.

        Return False if anything has that name, None if it is unknown whether the file will stay.
        """

        def create(directory: int) -> bool:
            try:
                os.close(_open(directory, name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return False
            os.fsync(directory)
            return True

        return self._attempt(create, create=True)

    def replace(self, name: str, octets: bytes) -> bool:
        """Replace a file atomically; return whether it was written."""
        unfinished = UNFINISHED + os.urandom(8).hex()

        def write(directory: int) -> bool:
            try:
                with os.fdopen(_open(directory, unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "wb") as file:
                    file.write(octets)
                os.rename(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=directory)
                raise
            return True

        return self._attempt(write, create=True) or False

    def rename(self, name: str, new_name: str) -> None:
        """Rename a file, if it still exists."""
        self._attempt(lambda directory: os.rename(name, new_name, src_dir_fd=directory, dst_dir_fd=directory))

    def remove(self, name: str) -> None:
        """Remove a file, if it still exists."""
        self._attempt(lambda directory: os.unlink(name, dir_fd=directory))

    @contextlib.contextmanager
    def locks(self, name: str) -> Iterator["Optional[Locks]"]:
        """Open a file whose octets are locks, for the block; give None if there are no locks here.

        A process may open a file once at a time: closing it releases all locks of the process on it.
        """
        file = self._attempt(lambda directory: _open(directory, name, os.O_CREAT | os.O_WRONLY), create=True)
        try:
            yield None if file is None else Locks(file, self._report)
        finally:
            if file is not None:
                os.close(file)

    def _report(self, error: OSError) -> None:
        self.warn(self._failure, cause=system_words(error))

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[Optional[bool]]:
        """Hold the lock on a file for the block; give False if another process holds it, None if there are no locks."""
        with self.locks(name) as locks:
            yield None if locks is None else locks.acquire(0)

    def _with_file(self, name: str, flags: int, action: Callable[[int], _Result]) -> Optional[_Result]:
        """Open a file and return what the action on its descriptor returns."""

        def open_and_act(directory: int) -> _Result:
            file = _open(directory, name, flags)
            try:
                return action(file)
            finally:
                os.close(file)

        return self._attempt(open_and_act, create=bool(flags & os.O_CREAT))

    def _attempt(self, action: Callable[[int], _Result], create: bool = False) -> Optional[_Result]:
        """Return what the action on the directory's descriptor returns; None if it fails or something is missing."""
        if not self._path:
            return None
        try:
            directory = self._open_directory(create)
            try:
                return action(directory)
            finally:
                os.close(directory)
        except OSError as error:
            if create or not isinstance(error, FileNotFoundError):
                self._report(error)
            return None

    def _open_directory(self, create: bool) -> int:
        if create:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
        directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        return _checked(directory, stat.S_ISDIR)


class Locks:
    """The locks on the octets of an open file, of which the system frees those of a process that dies."""

    def __init__(self, file: int, report: Callable[[OSError], None]) -> None:
        """Take the file's descriptor, and what to do with the error where there are no locks."""
        self._file = file
        self._report = report

    def acquire(self, octet: int, deadline: float = 0.0) -> Optional[bool]:
        """Wait for a lock; return False if another process still holds it at the deadline, None if there are no locks.

        The deadline is one of time.monotonic().
        """
        import fcntl  # does not exist on every system on which the command line runs

        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, octet)
                return True
            except (BlockingIOError, PermissionError):
                pass  # another process has it
            except OSError as error:
                self._report(error)
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def release(self, octet: int) -> None:
        """Free a lock that this process holds."""
        import fcntl

        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, octet)


def _open(directory: int, name: str, flags: int) -> int:
    """Return the descriptor of a file; raise OSError if it is not a file of this user."""
    file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=directory)
    return _checked(file, stat.S_ISREG)


def _checked(descriptor: int, is_right: Callable[[int], bool]) -> int:
    found = os.fstat(descriptor)
    if is_right(found.st_mode) and found.st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    if is_right(found.st_mode):
        raise PermissionError(errno.EPERM, "it belongs to another user")
    raise OSError(errno.EINVAL, "it is not a file")
