"""One attempt to get an answer from one address, pure: what was sent and received, and the lines for the log."""

from collections import Counter
from typing import TYPE_CHECKING, Iterable, List, Optional

from .. import log_lines, reasons
from ..text import counted
from .packet import DiscardReason

if TYPE_CHECKING:
    from .transport.base import Unreachable

# The denial has the first of these codes that any attempt has; the log has the reasons of all attempts.
_CODES_BY_GRAVITY = (
    reasons.FIPS,
    reasons.MUTUAL_AUTH_FAILED,
    reasons.WRONG_SECRET,
    reasons.NO_MESSAGE_AUTHENTICATOR,
    reasons.TLS_CERTIFICATE,
    reasons.BAD_REPLY,
    reasons.TLS_FAILED,
    reasons.NO_ANSWER,
    reasons.CONNECTION_REFUSED,
    reasons.NAME_LOOKUP,
    reasons.NETWORK,
    reasons.NO_REPLY,
)


class Attempt:
    """What was sent to one address, and what came back; `refusal` is about the last transmission."""

    def __init__(self, section: str, place: object, over_tls: bool = False) -> None:
        self.section = section
        self.name = f"[{section}] {place}"
        self.transmissions = 0
        self.probed = False
        self.probe_answered = False
        self.has_answered = False
        """Whether the address has answered the request, or one before it of the same login."""
        self.is_alive = False
        """Whether the address has answered anybody since the request was first sent to it, if it did not answer it."""
        self.discards: "Counter[DiscardReason]" = Counter()
        self.status_flaws: "Counter[DiscardReason]" = Counter()
        """What is wrong with the replies to Status-Server."""
        self.error: "Optional[Unreachable]" = None
        self.refusal: "Optional[Unreachable]" = None
        self._over_tls = over_tls

    @property
    def codes(self) -> List[str]:
        """The codes of the denials that this attempt can lead to; they are about the request alone."""
        if self.discards:
            return [reason.code for reason in self.discards]
        error = self.error or self.refusal
        return [error.code if error else reasons.NO_ANSWER if self.is_alive else reasons.NO_REPLY]

    def discarded(self) -> List[str]:
        """Return a line for each reason to discard replies, and for each flaw of replies to Status-Server."""
        counters = ((self.discards, log_lines.DISCARDED), (self.status_flaws, log_lines.STATUS_FLAWED))
        return [
            self._line(line.format(replies=counted(count, "reply", "replies"), cause=reason.text))
            for counter, line in counters
            for reason, count in counter.items()
        ]

    def failure(self) -> List[str]:
        """Return the lines of an attempt without an answer."""
        error = self.error or self.refusal
        text = str(error) if error else self._silence()
        if self.probe_answered:
            text = log_lines.STATUS_ANSWERED.format(failure=text)
        elif self.is_alive and not self.has_answered:
            text = log_lines.OTHERS_ANSWERED.format(failure=text)
        return self.discarded() + [self._line(text)]

    def _silence(self) -> str:
        is_silent = self.probed and not self.probe_answered
        cause = log_lines.NO_RESPONSE_TO_STATUS if is_silent else log_lines.NO_RESPONSE
        text = cause.format(sent=counted(self.transmissions, "transmission", "transmissions"))
        return text if self.is_alive or self._over_tls else log_lines.POSSIBLE_CAUSES.format(failure=text)

    def _line(self, cause: str) -> str:
        return log_lines.ATTEMPT.format(server=self.name, cause=cause)


def gravest_code(attempts: Iterable[Attempt]) -> str:
    """Return the code of the denial that these attempts lead to."""
    codes = {code for attempt in attempts for code in attempt.codes}
    return next((code for code in _CODES_BY_GRAVITY if code in codes), reasons.NO_REPLY)
