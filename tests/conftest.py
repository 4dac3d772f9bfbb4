"""What the tests share: the built zip, unpacked; a FreeRADIUS; sessions of the simulator with a configuration."""

import compileall
import functools
import importlib
import os
import pathlib
from collections import Counter
from typing import Any, Dict, Iterator, Optional

import hypothesis
import pytest

from simulator.fork_server import ForkServer
from simulator.gateway import Session, UnpackedPlugin, unpack
from tests.support import ROOT
from tests.support.clients import ssh_command, telnet_command
from tests.support.command_line import cli
from tests.support.misbehaving import closed_port
from tests.support.plugin import OpenSession, section
from tests.support.radiusd import FreeRadius, freeradius

__all__ = ["cli", "freeradius", "ssh_command", "telnet_command"]


if "COVERAGE_PROCESS_START" in os.environ:  # before anything imports lib, in this process and in each worker
    importlib.import_module("coverage").process_startup()

# Shared machines are slow at times, so no example has a deadline.
_EXAMPLES = {"dev": 20, "ci": 200}
for _name, _count in _EXAMPLES.items():
    hypothesis.settings.register_profile(
        _name, max_examples=_count, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
    """Turn a skipped test into a failed one where no test may be skipped."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TESTS_MUST_NOT_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but TESTS_MUST_NOT_SKIP is set: {call.excinfo.value}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print one line for each reason to skip tests."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", ()))
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason.replace('Skipped: ', '', 1)}")


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
    """The unpacked zip, compiled; coverage knows the folder by its name."""
    directory = unpack(plugin_zip, tmp_path_factory.mktemp("zip") / "unpacked-zip")
    compileall.compile_dir(str(directory), quiet=2)
    return directory


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A process that has imported the SDK, and forks one for each hook call of this Python's."""
    with ForkServer() as server:
        yield server


@pytest.fixture
def open_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path, fork_server: ForkServer) -> OpenSession:
    """Open a session with a configuration: `open_session(configuration, fixtures=..., **what SPS knows)`."""
    return functools.partial(_open_session, unpacked_zip, tmp_path / "state", fork_server)


@pytest.fixture
def open_fresh_session(unpacked_zip: pathlib.Path, tmp_path: pathlib.Path) -> OpenSession:
    """Open a session as `open_session` does, but with a new interpreter for each hook call."""
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
    """A [radius] section for the FreeRADIUS of the tests, to which options and sections can be added."""
    return section(freeradius)


@pytest.fixture
def down() -> Iterator[str]:
    """A [radius] section for a loopback port on which nothing listens."""
    with closed_port() as port:
        yield section(port)
