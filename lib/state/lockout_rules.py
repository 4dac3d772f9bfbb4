"""The lockout, pure: after how many failures, and until when, a user or a client is not let near the server.

Guessing through SPS is to end here, before it locks the account in the directory behind the server.
"""

import unicodedata
from collections import deque
from typing import Deque, Sequence

from ..config.model import LockoutRules


def locked_until(failures: Sequence[float], now: float, rules: LockoutRules) -> float:
    """Return until when these failures lock, 0.0 if they do not at this time; all in seconds since the epoch.

    A lock begins with the failure that makes the number full. What fails during a lock does not count: it was under
    way already. Nor does a failure from the future: the clock was set back.
    """
    if rules.max_failures <= 0:
        return 0.0
    until = 0.0
    recent: Deque[float] = deque()
    for moment in sorted(failure for failure in failures if failure <= now):
        if moment < until:
            continue
        recent.append(moment)
        while moment - recent[0] > rules.window:
            recent.popleft()
        if len(recent) >= rules.max_failures:
            until = moment + rules.duration
            recent.clear()
    return until if until > now else 0.0


def folded(name: str) -> str:
    """Return the one spelling that stands for all that servers take for the same name: Alice, ALICE, full-width."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
