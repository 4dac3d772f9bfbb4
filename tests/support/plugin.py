"""Helpers for tests that run the plugin's zip: a [radius] section, and what is in a verdict and a session."""

import json
from typing import Any, Callable, Dict, List

from simulator.gateway import Session
from tests.support.radiusd import FreeRadius

OpenSession = Callable[..., Session]
"""Opens a session with a configuration: `open_session(configuration, fixtures=..., **what SPS knows)`."""


def radius_section(radiusd: FreeRadius, **options: Any) -> str:
    """Return a [radius] section for a FreeRADIUS; other options go in as given."""
    values: Dict[str, Any] = dict(server=radiusd.host, port=radiusd.port, secret=radiusd.secret)
    values.update(options)
    return "[radius]\n" + "".join("{}={}\n".format(*pair) for pair in values.items())


def metadata(verdict: Dict[str, Any]) -> Dict[str, Any]:
    """Return a verdict's additional metadata, decoded."""
    return dict(json.loads(verdict["additional_metadata"]))


def code(verdict: Dict[str, Any]) -> str:
    """Return the code of a DENY, having checked that the reason and the metadata have the same."""
    assert verdict["verdict"] == "DENY"
    found = str(metadata(verdict)["code"])
    assert verdict["reason"].endswith("[{}]".format(found))
    return found


def text(session: Session) -> str:
    """Return all that the session's hooks logged."""
    return "\n".join(session.log)


def prompts(session: Session) -> List[str]:
    """Return the prompts of a session's questions so far."""
    return [question.prompt for question in session.questions]
