"""Fixtures for all tests: the built zip, a FreeRADIUS, and sessions of the simulator."""

import os
import pathlib
from typing import Any, Dict, Iterator, Optional

import pytest

from simulator.gateway import Session, UnpackedPlugin, unpack
from tests.support.clients import ssh_command, telnet_command
from tests.support.misbehaving import closed_port
from tests.support.plugin import OpenSession, section
from tests.support.radiusd import FreeRadius, freeradius

__all__ = ["freeradius", "ssh_command", "telnet_command"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    """Report a skipped test as failed if TESTS_MAY_NOT_SKIP is set."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TESTS_MAY_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = "skipped, which is a failure here: {}".format(call.excinfo.value)


@pytest.fixture(scope="session")
def plugin_zip(tmp_path_factory: Any) -> pathlib.Path:
    """The zip under test: SPS_RADIUS_ZIP, or a new build."""
    given = os.environ.get("SPS_RADIUS_ZIP")
    if given:
        return pathlib.Path(given)
    from tools import build

    directory: pathlib.Path = tmp_path_factory.mktemp("dist")
    assert build.main(["--output", str(directory)]) == 0
    return next(directory.glob("SPS_RADIUS-*.zip"))


@pytest.fixture(scope="session")
def unpacked_zip(plugin_zip: pathlib.Path, tmp_path_factory: Any) -> pathlib.Path:
    """The unpacked zip, in a directory whose name is in the configuration of coverage."""
    return unpack(plugin_zip, tmp_path_factory.mktemp("zip") / "unpacked-zip")


@pytest.fixture
def open_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path) -> OpenSession:
    """Return a function that opens a session: `open_session(configuration, fixtures=..., **arguments of Session)`."""

    def open_with(configuration: str, fixtures: Optional[Dict[str, Any]] = None, **known: Any) -> Session:
        plugin = UnpackedPlugin(
            unpacked_zip, configuration, state_directory=tmp_path / "state", fixtures=fixtures or {}
        )
        return Session(plugin, **known)

    return open_with


@pytest.fixture
def open_fresh_session(open_session: OpenSession) -> OpenSession:
    """Return a function as `open_session` whose sessions run every hook in a new process."""
    return open_session


@pytest.fixture
def radius(freeradius: FreeRadius) -> str:
    """The [radius] section for the tests' FreeRADIUS; a test can append options and sections."""
    return section(freeradius)


@pytest.fixture
def down() -> Iterator[str]:
    """The [radius] section for a closed port on loopback."""
    with closed_port() as port:
        yield section(port)
