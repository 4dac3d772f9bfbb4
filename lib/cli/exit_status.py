"""Exit statuses, and the error that ends a command with one."""

OK, FAILED, ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
"""Success; a failed check or login; a wrong command or configuration; Ctrl-C; the reader closed the output."""


class CommandError(Exception):
    """A command cannot run; the text is the error message for the user."""
