"""Shows the packets of a login."""

from typing import TYPE_CHECKING, List, Sequence, Tuple

from ..radius import display, packet
from .console import Console

if TYPE_CHECKING:
    from ..radius.attributes import Attribute
    from ..radius.result import TracedPacket

_EAP_MESSAGE, _STATE = (0, packet.EAP_MESSAGE), (0, packet.STATE)


class PacketPrinter:
    """Prints the packets that are in the list `packets`, each once."""

    def __init__(self, console: Console, dictionary: "Sequence[Attribute]") -> None:
        """Take the console, and the attributes that the configuration defines."""
        self.packets: "List[TracedPacket]" = []
        self._console = console
        self._dictionary = dictionary
        self._last_request = b""
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
            last, self._last_request, self._sent_at = self._last_request, octets, traced.seconds
            return [f"To {place}: {_summary(name, octets)}"] + self._attributes(octets, last)
        after = f"after {traced.seconds - self._sent_at:.3f} s"
        if traced.sent:
            purpose = "retransmission" if octets == self._last_request else "probe"
            return [f"To {place} {after}: {name} ({purpose})"]
        if traced.discarded is not None:
            return [f"From {place} {after}: discarded a reply: {traced.discarded.text}"]
        return [f"From {place} {after}: {_summary(name, octets)}"] + self._attributes(octets)

    def _attributes(self, octets: bytes, last: bytes = b"") -> List[str]:
        """Return a line for each attribute; of a request inside a tunnel, for each that differs from the last one."""
        attributes = _with_whole_eap(packet.list_attributes(octets))
        known: packet.Attributes = ()
        if {_EAP_MESSAGE, _STATE}.issubset(each[:2] for each in attributes):
            known = tuple(each for each in packet.list_attributes(last) if each[:2] != _EAP_MESSAGE)
        shown = (display.describe(*each, self._dictionary) for each in attributes if each not in known)
        lines = [f"    {name} = {value}" for name, value in shown]
        return lines + ["    and the other attributes of the last request"] if known else lines


def _with_whole_eap(attributes: packet.Attributes) -> packet.Attributes:
    """Return the attributes with the pieces of an EAP packet as one (RFC 3579 section 3.1)."""
    found: List[Tuple[int, int, bytes]] = []
    for vendor, number, value in attributes:
        if (vendor, number) == _EAP_MESSAGE and found and found[-1][:2] == _EAP_MESSAGE:
            value = found.pop()[2] + value
        found.append((vendor, number, value))
    return tuple(found)


def _summary(name: str, octets: bytes) -> str:
    return f"{name}, identifier {octets[1]}, {len(octets)} octets"
