"""Helpers for tests that run the plugin's zip: the section of a server, and the parts of a verdict and a session."""

import json
import re
from typing import Any, Callable, Dict, List, Union

from simulator.gateway import GatewayError, Session
from tests.support.misbehaving import SECRET, Server
from tests.support.radiusd import HOST, FreeRadius
from tests.support.tls_peer import Peer

OpenSession = Callable[..., Session]
"""Opens a session: `open_session(configuration, fixtures=..., **arguments of Session)`."""

STORE = "[credential_store]\nname=store\n"
"""The section that options set to `$` require."""


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
    lines = [f"[{name}]"]
    for option, value in values.items():
        if value is not None:
            text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
            lines.append("{}={}".format(option, text.strip("\n").replace("\n", "\n  ")))
    return "\n".join(lines) + "\n"


def refused(port: int) -> str:
    """Return the [radius] section for a closed port, with time for the second request, which confirms the refusal."""
    return section(port, conn_timeout=0.6, conn_retries=30, retransmit_after=0)


def metadata(verdict: Dict[str, Any]) -> Dict[str, Any]:
    """Return the additional metadata of a verdict."""
    return dict(json.loads(verdict["additional_metadata"]))


def code(verdict: Dict[str, Any]) -> str:
    """Return the code of a DENY, which the reason and the metadata must have in common."""
    assert verdict["verdict"] == "DENY"
    found = str(metadata(verdict)["code"])
    assert verdict["reason"].endswith(f"[{found}]")
    return found


def outcome(session: Session, *answers: str) -> str:
    """Log in, and return ACCEPT, the code of the DENY, or the error for which SPS ends the session."""
    try:
        verdict = session.log_in(*answers)
    except GatewayError as error:
        return f"{type(error).__name__}: {error}"
    return "ACCEPT" if verdict["verdict"] == "ACCEPT" else code(verdict)


def text(session: Session) -> str:
    """Return the log of the session's hooks."""
    return "\n".join(session.log)


def login_line(session: Session) -> str:
    """Return the only line for a login in the log of its session."""
    (line,) = [line for line in session.log if re.match("Login (accepted|denied|unfinished): ", line)]
    return line


def prompts(session: Session) -> List[str]:
    """Return the prompts of the session's questions so far."""
    return [question.prompt for question in session.questions]
