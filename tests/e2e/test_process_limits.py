"""Hooks in processes that have less than usual: no MD5, no threads, no free descriptor below 1024, the C locale."""

import pathlib
import sys
from typing import Dict

import pytest

from simulator.gateway import Session
from tests.support.cases import Cases
from tests.support.interpreters import FIPS, interpreter
from tests.support.misbehaving import SECRET, Server, answering
from tests.support.plugin import OpenSession, outcome, section, text
from tests.support.radiusd import AUTHORITY, FreeRadius


def under(session: Session, python: str) -> Session:
    """Run the hooks of a session with another interpreter."""
    session.plugin = session.plugin._replace(python=python)
    return session


def test_fips_mode_is_no_internal_error(
    open_fresh_session: OpenSession, radius: str, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    """From Python 3.9 on MD5 has a flag for it; before, users are denied for a reason of its own."""
    python = interpreter(tmp_path / "fips", sitecustomize=FIPS)
    accounting = "[accounting]\nenabled=yes\nport={}\n".format(freeradius.acct_port)
    with Cases() as cases:
        for method in ("pap", "chap", "mschapv2"):
            with cases.case(method):
                configuration = radius + "auth_type={}\n".format(method) + accounting
                session = under(open_fresh_session(configuration, server_username="alice"), python)
                found = outcome(session, "correct horse")
                assert found == ("ACCEPT" if sys.version_info >= (3, 9) else "fips"), session.log
                session.authorize()
                session.end()
                assert "rror: " not in text(session) and "failed" not in text(session)
                assert ("MD5 is disabled on this system" in text(session)) == (found == "fips")
