"""One attempt to get an answer from one address, pure: what was sent and received, and the lines for the log."""

from collections import Counter
from typing import TYPE_CHECKING, Iterable, List, Optional

from .. import log_lines
from ..text import counted
from .packet import DiscardReason

if TYPE_CHECKING:
    from .transport.base import Unreachable

# The denial has the first of these codes that any attempt has; the log has the reasons of all attempts.
_CODES_BY_GRAVITY = (
    "fips",
    "mutual-auth-failed",
    "wrong-secret",
    "no-message-authenticator",
    "tls-certificate",
    "bad-reply",
    "tls-failed",
    "connection-refused",
    "name-lookup",
    "network",
    "no-reply",
)


class Attempt:
    """What was sent to one address, and what came back."""

    def __init__(self, section: str, place: object) -> None:
        self.section = section
        self.name = f"[{section}] {place}"
        self.transmissions = 0
        self.probed = False
        self.probe_answered = False
        self.discards: "Counter[DiscardReason]" = Counter()
        self.error: "Optional[Unreachable]" = None

    @property
    def codes(self) -> List[str]:
        """The codes of the denials that this attempt can lead to."""
        if self.discards:
            return [reason.code for reason in self.discards]
        return [self.error.code if self.error else "no-reply"]

    def discarded(self) -> List[str]:
        """Return a line for each reason to discard replies."""
        return [
            self._line(log_lines.DISCARDED.format(replies=counted(count, "reply", "replies"), cause=reason.text))
            for reason, count in self.discards.items()
        ]

    def failure(self) -> List[str]:
        """Return the lines of an attempt without an answer."""
        if self.error:
            text = str(self.error)
        else:
            is_silent = self.probed and not self.probe_answered
            cause = log_lines.NO_RESPONSE_TO_STATUS if is_silent else log_lines.NO_RESPONSE
            text = cause.format(sent=counted(self.transmissions, "transmission", "transmissions"))
        if self.probe_answered:
            text = log_lines.STATUS_ANSWERED.format(failure=text)
        return self.discarded() + [self._line(text)]

    def _line(self, cause: str) -> str:
        return log_lines.ATTEMPT.format(server=self.name, cause=cause)


def gravest_code(attempts: Iterable[Attempt]) -> str:
    """Return the code of the denial that these attempts lead to."""
    codes = {code for attempt in attempts for code in attempt.codes}
    return next((code for code in _CODES_BY_GRAVITY if code in codes), "no-reply")
