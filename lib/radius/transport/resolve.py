"""Name resolution, with a time limit."""

import socket
import threading
from typing import List

from ... import log_lines
from .base import Address, Unreachable

MAX_ADDRESSES = 8
"""How many addresses of a name are asked: each may cost the longest wait for an address."""


def numeric_address(host: str) -> str:
    """Return a numeric address as the system writes it, or an empty string for a host name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, ValueError):
            continue
    return ""


def resolve(host: str, port: int, timeout: float) -> List[Address]:
    """Return every address of a host name or numeric address after at most `timeout` seconds.

    A caller should use no more than MAX_ADDRESSES of them. Raise Unreachable (name-lookup) if there is none.
    """
    found: List[List[Address]] = []
    errors: List[str] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            found.append(list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in entries)))
        except (OSError, UnicodeError) as error:
            errors.append(getattr(error, "strerror", None) or "not a host name")

    if numeric_address(host.partition("%")[0]):
        look_up()
    else:
        # The system's resolver takes no time limit; a thread that is left behind ends with the process of the hook.
        thread = threading.Thread(target=look_up, daemon=True)
        try:
            thread.start()
            thread.join(timeout)
        except RuntimeError as error:
            errors.append(str(error))
    if not found:
        raise Unreachable("name-lookup", log_lines.RESOLUTION_FAILED.format(error="".join(errors or ["timed out"])))
    return found[0]
