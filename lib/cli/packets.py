"""Shows the packets of a login: those that were sent and received."""

from typing import TYPE_CHECKING, List, Optional, Sequence

from ..radius import display, packet
from ..radius.result import TracedPacket
from .console import Console

if TYPE_CHECKING:
    from ..radius.attributes import Attribute


class PacketPrinter:
    """Prints packets, each once: those that its `packets` has received since the last call."""

    def __init__(self, console: Console, dictionary: "Sequence[Attribute]") -> None:
        """Take the console, and the attributes that the configuration defines."""
        self.packets: List[TracedPacket] = []
        self._console = console
        self._dictionary = dictionary
        self._last_request: Optional[bytes] = None
        self._sent_at = 0.0

    def __call__(self) -> None:
        """Print the packets."""
        for traced in self.packets:
            self._console.say("\n".join(self._lines(traced)))
        del self.packets[:]

    def _lines(self, traced: TracedPacket) -> List[str]:
        name = packet.NAMES.get(traced.octets[0], "packet") if traced.octets else "packet"
        if traced.sent and traced.octets[0] == packet.ACCESS_REQUEST and traced.octets != self._last_request:
            self._last_request, self._sent_at = traced.octets, traced.seconds
            return [f"To {traced.place}: {_summary(name, traced.octets)}"] + self._attributes(traced.octets)
        after = f"after {traced.seconds - self._sent_at:.3f} s"
        if traced.sent:
            purpose = "retransmission" if traced.octets == self._last_request else "probe"
            return [f"To {traced.place} {after}: {name} ({purpose})"]
        if traced.discarded is not None:
            return [f"From {traced.place} {after}: discarded a reply: {traced.discarded.text}"]
        return [f"From {traced.place} {after}: {_summary(name, traced.octets)}"] + self._attributes(traced.octets)

    def _attributes(self, octets: bytes) -> List[str]:
        shown = (display.describe(*attribute, self._dictionary) for attribute in packet.list_attributes(octets))
        return [f"    {name} = {value}" for name, value in shown]


def _summary(name: str, octets: bytes) -> str:
    return f"{name}, identifier {octets[1]}, {len(octets)} octets"
