"""Name resolution, with a time limit."""

import socket
import threading
from typing import List

from ... import log_lines
from .base import Address, Unreachable


def numeric_address(host: str) -> str:
    """Return a numeric address as the system writes it, or an empty string for a host name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, UnicodeError):
            continue
    return ""


def resolve(host: str, port: int, timeout: float) -> List[Address]:
    """Return every address of a host name or numeric address after at most `timeout` seconds.

    Raise Unreachable (name-lookup) if there is none.
    """
    found: List[List[Address]] = []
    errors: List[str] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in entries]
            found.append(sorted(set(addresses), key=addresses.index))
        except (OSError, UnicodeError) as error:
            errors.append(getattr(error, "strerror", None) or "not a host name")

    # The system's resolver takes no time limit; a thread that is left behind ends with the process of the hook.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise Unreachable("name-lookup", log_lines.RESOLUTION_FAILED.format(error="".join(errors or ["timed out"])))
    return found[0]
