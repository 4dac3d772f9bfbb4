"""Helpers for tests that run the plugin's zip: the section of a server, and the parts of a verdict and a session."""

import json
from typing import Any, Callable, Dict, List, Union

from simulator.gateway import Session
from tests.support.misbehaving import SECRET, Server
from tests.support.radiusd import HOST, FreeRadius
from tests.support.tls_peer import Peer

OpenSession = Callable[..., Session]
"""Opens a session with a configuration: `open_session(configuration, fixtures=..., **what SPS knows)`."""


def section(target: Union[FreeRadius, Server, Peer, int], name: str = "radius", **options: Any) -> str:
    """Return the section for a server, or for a port on loopback.

    The section has the server's address and shared secret unless an option replaces them. An option that is None is
    left out, bytes are decoded, and the lines of a PEM text are indented.
    """
    values: Dict[str, Any] = dict(
        server=getattr(target, "host", HOST),
        port=getattr(target, "port", target),
        secret=None if options.get("transport") == "tls" else getattr(target, "secret", SECRET),
    )
    values.update(options)
    lines = ["[{}]".format(name)]
    for option, value in values.items():
        if value is not None:
            text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
            lines.append("{}={}".format(option, text.strip("\n").replace("\n", "\n  ")))
    return "\n".join(lines) + "\n"


radius_section = section  # until nothing imports it under this name any more


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
