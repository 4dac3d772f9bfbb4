"""One attempt to get an answer from one address, pure: what was sent and received, and what the log says of it."""

from collections import Counter
from typing import TYPE_CHECKING, Iterable, List, Optional

from ..text import counted
from .packet import Flaw

if TYPE_CHECKING:
    from .transport.base import Unreachable

# The first of these codes that any attempt has is that of the denial; the log has the reasons of all.
_CODES_BY_GRAVITY = (
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
        self.sends = 0
        self.probed = False
        self.probe_answered = False
        self.is_connected = False  # a TLS handshake proves that the server is up
        self.flaws: "Counter[Flaw]" = Counter()
        self.error: "Optional[Unreachable]" = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing at all came from the address."""
        heard = self.flaws or self.probe_answered or self.is_connected
        return not heard and (self.error is None or self.error.is_silence)

    @property
    def codes(self) -> List[str]:
        """The codes of denials that this attempt is a reason for."""
        if self.flaws:
            return [flaw.code for flaw in self.flaws]
        return [self.error.code if self.error else "no-reply"]

    def discarded(self) -> List[str]:
        """Return a line for each reason to discard replies."""
        return [
            f"{self.name}: dropped {counted(count, 'reply', 'replies')} {flaw.words}"
            for flaw, count in self.flaws.items()
        ]

    def failure(self) -> List[str]:
        """Return the lines of an attempt without an answer."""
        text = str(self.error) if self.error else f"no reply to {counted(self.sends, 'send', 'sends')}"
        if self.probe_answered:
            text += ", but it answered a Status-Server"
        elif self.probed:
            text += ", nor to a Status-Server"
        return self.discarded() + [f"{self.name}: {text}"]


def gravest_code(attempts: Iterable[Attempt]) -> str:
    """Return the code of the denial that these attempts lead to."""
    codes = {code for attempt in attempts for code in attempt.codes}
    return next((code for code in _CODES_BY_GRAVITY if code in codes), "no-reply")
