"""The framing of TLS in EAP: flags, and messages in fragments (RFC 5216 section 3.1, RFC 5281 section 9.1)."""

import struct
from typing import List, Optional

from ...namedtuple import NamedTuple
from .errors import malformed

MAX_MESSAGE_OCTETS = 65536
MAX_FRAGMENT_OCTETS = 1000  # of TLS data in a response, so that a request fits into a RADIUS packet and a datagram

ACKNOWLEDGMENT = b"\0"

_LENGTH, _MORE, _START, _VERSION = 0x80, 0x40, 0x20, 0x07


class Fragment(NamedTuple):
    """The content of a request or response; `length` is that of the whole message, if the fragment has it."""

    is_start: bool
    has_more: bool
    version: int
    length: Optional[int]
    data: bytes


def parse(content: bytes) -> Fragment:
    """Return the fragment that follows the EAP type; raise EapError if it is too short."""
    if not content:
        raise malformed("request without flags")
    flags, data, length = content[0], content[1:], None
    if flags & _LENGTH:
        if len(data) < 4:
            raise malformed("fragment shorter than its header")
        (length,) = struct.unpack("!I", data[:4])
        data = data[4:]
    return Fragment(bool(flags & _START), bool(flags & _MORE), flags & _VERSION, length, data)


class Reassembler:
    """Joins the fragments of one message after another, and holds no more than one message."""

    def __init__(self) -> None:
        self.is_partial = False
        """Whether fragments of a message have arrived, but not all."""
        self._data = b""
        self._length: Optional[int] = None

    def add(self, fragment: Fragment) -> Optional[bytes]:
        """Return the message if it is whole, or None if another fragment follows.

        Raise EapError if the message is longer than 64 KiB or than its announced length, or shorter, if the length
        changes, or if it is missing in the first of several fragments.
        """
        if self.is_partial and fragment.length not in (None, self._length):
            raise malformed("fragment with a different message length")
        if not self.is_partial:
            self._length = fragment.length
        if fragment.has_more and (self._length is None or not fragment.data):
            raise malformed("fragment without a length or without data")
        if self._length is not None and self._length > MAX_MESSAGE_OCTETS:
            raise malformed(f"message longer than {MAX_MESSAGE_OCTETS} octets")
        limit = MAX_MESSAGE_OCTETS if self._length is None else self._length
        size = len(self._data) + len(fragment.data)
        if size > limit or (fragment.has_more and size == limit):
            raise malformed("message longer than announced")
        self._data += fragment.data
        self.is_partial = fragment.has_more
        if fragment.has_more:
            return None
        if self._length not in (None, size):
            raise malformed("message shorter than announced")
        message, self._data = self._data, b""
        return message


def split(message: bytes) -> List[bytes]:
    """Return the contents of the responses that carry a message; that of an empty one is an acknowledgment."""
    pieces = [message[at : at + MAX_FRAGMENT_OCTETS] for at in range(0, len(message), MAX_FRAGMENT_OCTETS)]
    if len(pieces) < 2:
        return [ACKNOWLEDGMENT + message]
    first = bytes([_LENGTH | _MORE]) + struct.pack("!I", len(message)) + pieces[0]
    return [first] + [bytes([_MORE]) + each for each in pieces[1:-1]] + [ACKNOWLEDGMENT + pieces[-1]]
