"""Fixtures for all tests: the built zip, a FreeRADIUS, and sessions of the simulator."""

import functools
import os
import pathlib
from collections import Counter
from typing import Any, Dict, Iterator, Optional

import hypothesis
import pytest

from simulator.closed_port import closed_port
from simulator.fork_server import ForkServer
from simulator.gateway import Session, UnpackedPlugin, unpack
from tests.support.clients import ssh_command, telnet_command
from tests.support.command_line import cli
from tests.support.plugin import OpenSession, refused, section
from tests.support.radiusd import FreeRadius, freeradius

__all__ = ["cli", "freeradius", "ssh_command", "telnet_command"]


# Shared machines are slow at times, so no example has a deadline.
_EXAMPLES = {"dev": 20, "ci": 80}
for _name, _count in _EXAMPLES.items():
    hypothesis.settings.register_profile(
        _name, max_examples=_count, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def _fail_if_skipped() -> Iterator[None]:
    """Turn a skipped test or module into a failed one where none may be skipped: a hook wrapper that makes a report."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TESTS_MUST_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but TESTS_MUST_NOT_SKIP is set: {report.longrepr[2]}"


pytest_runtest_makereport = pytest.hookimpl(hookwrapper=True)(_fail_if_skipped)
pytest_make_collect_report = pytest.hookimpl(hookwrapper=True)(_fail_if_skipped)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print one line for each reason to skip tests."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason.replace('Skipped: ', '', 1)}")


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
    """The unpacked, compiled zip."""
    return unpack(plugin_zip, tmp_path_factory.mktemp("zip") / "plugin")


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A process that imports the SDK, and forks a process for each hook call."""
    with ForkServer() as server:
        yield server


@pytest.fixture
def open_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path, fork_server: ForkServer) -> OpenSession:
    """Return a function that opens a session: `open_session(configuration, fixtures=..., **arguments of Session)`."""
    return functools.partial(_open_session, unpacked_zip, tmp_path / "state", fork_server)


@pytest.fixture
def open_fresh_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path) -> OpenSession:
    """Return a function as `open_session`, for sessions that start a new interpreter for each hook call."""
    return functools.partial(_open_session, unpacked_zip, tmp_path / "state", None)


def _open_session(
    directory: pathlib.Path,
    state: pathlib.Path,
    fork_server: Optional[ForkServer],
    configuration: str,
    fixtures: Optional[Dict[str, Any]] = None,
    **known: Any,
) -> Session:
    plugin = UnpackedPlugin(
        directory, configuration, state_directory=state, fixtures=fixtures or {}, fork_server=fork_server
    )
    return Session(plugin, **known)


@pytest.fixture
def radius(freeradius: FreeRadius) -> str:
    """The [radius] section for the tests' FreeRADIUS; a test can append options and sections."""
    return section(freeradius)


@pytest.fixture
def down() -> Iterator[str]:
    """The [radius] section for a closed port on loopback."""
    with closed_port() as port:
        yield refused(port)
