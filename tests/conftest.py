"""What the tests share: the built zip, unpacked; a FreeRADIUS; sessions of the simulator with a configuration."""

import os
import pathlib
from typing import Any, Dict, Iterator, Optional

import pytest

from simulator.gateway import Session, UnpackedPlugin, unpack
from tests.support import ROOT
from tests.support.clients import ssh_command, telnet_command
from tests.support.command_line import cli
from tests.support.misbehaving import closed_port
from tests.support.plugin import OpenSession, section
from tests.support.radiusd import FreeRadius, freeradius

__all__ = ["cli", "freeradius", "ssh_command", "telnet_command"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    """Turn a skipped test into a failed one where nothing may be skipped."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TESTS_MAY_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = "skipped, which is a failure here: {}".format(call.excinfo.value)


@pytest.fixture(scope="session")
def plugin_zip(tmp_path_factory: Any) -> pathlib.Path:
    """The zip under test: the one in SPS_RADIUS_ZIP, or one built now."""
    given = os.environ.get("SPS_RADIUS_ZIP")
    if given:
        return pathlib.Path(given)
    from tools import build

    assert build.main([]) == 0
    return next((ROOT / "dist").glob("SPS_RADIUS-*.zip"))


@pytest.fixture(scope="session")
def unpacked_zip(plugin_zip: pathlib.Path, tmp_path_factory: Any) -> pathlib.Path:
    """The unpacked zip; coverage knows the folder by its name."""
    return unpack(plugin_zip, tmp_path_factory.mktemp("zip") / "unpacked-zip")


@pytest.fixture
def open_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path) -> OpenSession:
    """Open a session with a configuration: `open_session(configuration, fixtures=..., **what SPS knows)`."""

    def open_with(configuration: str, fixtures: Optional[Dict[str, Any]] = None, **known: Any) -> Session:
        plugin = UnpackedPlugin(
            unpacked_zip, configuration, state_directory=tmp_path / "state", fixtures=fixtures or {}
        )
        return Session(plugin, **known)

    return open_with


@pytest.fixture
def radius(freeradius: FreeRadius) -> str:
    """A [radius] section for the FreeRADIUS of the tests, to which options and sections can be added."""
    return section(freeradius)


@pytest.fixture
def down() -> Iterator[str]:
    """A [radius] section for a loopback port on which nothing listens."""
    with closed_port() as port:
        yield section(port)
