"""The limit for work that may never end, in a process whose parent has left it unusual signals."""

import signal

import pytest

from lib.time_limit import time_limit
from tests.support.processes import forked, join


def test_a_blocked_signal_does_not_remove_the_limit() -> None:
    def work() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGVTALRM})
        with pytest.raises(TimeoutError), time_limit(0.01):
            while True:
                pass
        assert signal.SIGVTALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    join([forked(work)])
