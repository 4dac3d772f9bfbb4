"""The limit for work that may never end, in a process whose parent has left it unusual signals."""

import signal
import time

import pytest

from lib.time_limit import time_limit
from tests.support.processes import WAIT_LIMIT, forked, join


def test_a_blocked_alarm_does_not_remove_the_limit() -> None:
    def work() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        with pytest.raises(TimeoutError), time_limit(0.01):
            time.sleep(10 * WAIT_LIMIT)
        assert signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    join([forked(work)])
