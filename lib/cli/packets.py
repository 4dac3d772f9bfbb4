"""Shows the packets of a login."""

from typing import TYPE_CHECKING, List, Optional, Sequence

from ..radius import display, packet
from .console import Console

if TYPE_CHECKING:
    from ..radius.attributes import Attribute
    from ..radius.result import TracedPacket


class PacketPrinter:
    """Prints the packets that are in the list `packets`, each once."""

    def __init__(self, console: Console, dictionary: "Sequence[Attribute]") -> None:
        """Take the console, and the attributes that the configuration defines."""
        self.packets: "List[TracedPacket]" = []
        self._console = console
        self._dictionary = dictionary
        self._last_request: Optional[bytes] = None
        self._sent_at = 0.0

    def print_new(self) -> None:
        """Print the packets and empty the list."""
        for traced in self.packets:
            self._console.say("\n".join(self._lines(traced)))
        del self.packets[:]

    def _lines(self, traced: "TracedPacket") -> List[str]:
        octets, place = traced.octets, traced.place
        name = packet.NAMES.get(octets[0], "packet") if octets else "packet"
        if traced.sent and octets[0] == packet.ACCESS_REQUEST and octets != self._last_request:
            self._last_request, self._sent_at = octets, traced.seconds
            return [f"To {place}: {_summary(name, octets)}"] + self._attributes(octets)
        after = f"after {traced.seconds - self._sent_at:.3f} s"
        if traced.sent:
            purpose = "retransmission" if octets == self._last_request else "probe"
            return [f"To {place} {after}: {name} ({purpose})"]
        if traced.discarded is not None:
            return [f"From {place} {after}: discarded a reply: {traced.discarded.text}"]
        return [f"From {place} {after}: {_summary(name, octets)}"] + self._attributes(octets)

    def _attributes(self, octets: bytes) -> List[str]:
        shown = (display.describe(*attribute, self._dictionary) for attribute in packet.list_attributes(octets))
        return [f"    {name} = {value}" for name, value in shown]


def _summary(name: str, octets: bytes) -> str:
    return f"{name}, identifier {octets[1]}, {len(octets)} octets"
