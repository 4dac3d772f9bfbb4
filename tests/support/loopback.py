"""What the loopback interface of this machine offers."""

import pytest

from tests.support.misbehaving import listening


def _has_ipv6() -> bool:
    try:
        listening("::1").close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 loopback address")
