"""A UDP port that stays closed."""

import contextlib
import socket
from typing import Iterator


@contextlib.contextmanager
def closed_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A closed UDP port, which no other process can open during the block; a free one by default.

    The socket that holds the port is connected to itself, so the port is closed for all others.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((host, port))
        holder.connect(holder.getsockname())
        yield holder.getsockname()[1]
