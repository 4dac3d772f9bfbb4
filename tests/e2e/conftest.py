"""The gateways that the SSH and Telnet tests log in to; a module names its protocol in PROTOCOL."""

from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.support.clients import Gateway
from tests.support.plugin import section
from tests.support.radiusd import FreeRadius


@pytest.fixture(scope="module")
def gateway(request: Any, plugin_zip: Path, freeradius: FreeRadius, tmp_path_factory: Any) -> Iterator[Gateway]:
    """A gateway whose plugin uses the tests' FreeRADIUS."""
    directory, configuration = tmp_path_factory.mktemp("gateway"), section(freeradius)
    with Gateway(request.module.PROTOCOL, plugin_zip, directory, configuration, fork=True) as found:
        yield found


@pytest.fixture(scope="module")
def demo(request: Any, plugin_zip: Path, tmp_path_factory: Any) -> Iterator[Gateway]:
    """A gateway whose plugin uses the demo's RADIUS server."""
    with Gateway(request.module.PROTOCOL, plugin_zip, tmp_path_factory.mktemp("demo"), fork=True) as found:
        yield found
