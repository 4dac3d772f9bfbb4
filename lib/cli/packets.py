"""Shows the packets of a login as they are sent and received."""

import time
from typing import TYPE_CHECKING, List, Optional, Sequence

from ..radius import client, display, packet
from .console import Console

if TYPE_CHECKING:
    from ..radius.attributes import Attribute


class PacketPrinter:
    """Prints each packet; a client.Observer."""

    def __init__(self, console: Console, dictionary: "Sequence[Attribute]") -> None:
        """Take the console, and the attributes that the configuration defines."""
        self._console = console
        self._dictionary = dictionary
        self._last_request: Optional[bytes] = None
        self._sent_at = 0.0

    def __call__(self, seen: client.Seen) -> None:
        """Print a packet."""
        self._console.say("\n".join(self._lines(seen, time.monotonic())))

    def _lines(self, seen: client.Seen, now: float) -> List[str]:
        name = packet.NAMES.get(seen.octets[0], "packet") if seen.octets else "packet"
        if seen.sent and seen.octets[0] == packet.ACCESS_REQUEST and seen.octets != self._last_request:
            self._last_request, self._sent_at = seen.octets, now
            return [f"To {seen.place}: {_summary(name, seen.octets)}"] + self._attributes(seen.octets)
        after = f"after {now - self._sent_at:.3f} s"
        if seen.sent:
            purpose = "retransmission" if seen.octets == self._last_request else "probe"
            return [f"To {seen.place} {after}: {name} ({purpose})"]
        if seen.flaw is not None:
            return [f"From {seen.place} {after}: discarded a reply {seen.flaw.words}"]
        return [f"From {seen.place} {after}: {_summary(name, seen.octets)}"] + self._attributes(seen.octets)

    def _attributes(self, octets: bytes) -> List[str]:
        shown = (display.shown(*attribute, self._dictionary) for attribute in packet.contents(octets))
        return [f"    {name} = {value}" for name, value in shown]


def _summary(name: str, octets: bytes) -> str:
    return f"{name}, identifier {octets[1]}, {len(octets)} octets"
