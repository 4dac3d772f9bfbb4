"""How the tests start processes."""

import signal


def default_signals() -> None:
    """Give a child process the default signal handlers; for `preexec_fn`.

    A background job or a process under nohup ignores SIGINT or SIGHUP, and so would its children.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
