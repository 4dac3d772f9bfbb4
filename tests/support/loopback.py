"""What the loopback interface of this machine offers."""

import contextlib
import random
import socket

import pytest

from tests.support.misbehaving import listening

_ATTEMPTS = 5
_RANDOM = random.SystemRandom()  # Hypothesis seeds the global one, so all workers would pick the same ports


def _has_ipv6() -> bool:
    try:
        listening("::1").close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 loopback address")


def free_port(host: str = "127.0.0.1", kind: int = socket.SOCK_DGRAM) -> int:
    """Return a random port that is free now; raise OSError if five in a row are taken.

    It is below the ports that Linux assigns to other sockets, so it stays free until the server starts, and while the
    server restarts.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_ATTEMPTS):
        port = _RANDOM.randint(10000, 32767)
        with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind((host, port))
            return port
    raise OSError(f"no free port on {host}")
