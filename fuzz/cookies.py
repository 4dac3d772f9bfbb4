"""What must hold of any JSON as a cookie: no hook fails or admits a user without an Access-Accept."""

import json
import logging
from typing import Any, Dict, List

from lib.plugin import Plugin
from lib.session import SessionRecord

MAX_INPUT = 4096
CONFIGURATION = "[radius]\nserver=127.0.0.1\nport=1\nsecret=a shared secret!\n[auth]\ninteractive_protocols=ssh\n"
SESSION: Dict[str, Any] = {
    "session_id": "fuzz",
    "protocol": "ssh",
    "connection_name": "fuzz",
    "client_ip": "192.0.2.1",
    "client_port": 22,
    "server_username": "alice",
}
_PRIVATE = "__plugin_sdk_private"


class Log(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


def read(octets: bytes) -> None:
    """Pass JSON to every hook, as the cookie and as the session cookie."""
    try:
        cookie = json.loads(octets.decode("utf-8"))
        json.dumps(cookie, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):  # SPS passes JSON in UTF-8
        return
    if isinstance(cookie, dict):
        record(cookie)
    root, log = logging.getLogger(), Log()
    before, root.handlers = root.handlers, [log]
    try:
        hooks(cookie, {})
        hooks(cookie, cookie)
    finally:
        root.handlers = before
    for line in log.lines:
        assert "Internal error" not in line and "failed" not in line, line


def hooks(cookie: Any, session_cookie: Any) -> None:
    """Call every hook; the user has not answered anything, so no server is asked."""
    verdict = Plugin(CONFIGURATION).authenticate(copied(cookie), copied(session_cookie), **SESSION)
    assert verdict["verdict"] in ("NEEDINFO", "DENY") or was_accepted(cookie), "admitted without a server"
    json.dumps(verdict, allow_nan=False)
    json.dumps(Plugin(CONFIGURATION).authorize(copied(cookie), copied(session_cookie), **SESSION), allow_nan=False)
    Plugin(CONFIGURATION).session_ended("fuzz", copied(cookie), copied(session_cookie))


def copied(value: Any) -> Any:
    """Return JSON as another call of SPS would pass it."""
    return json.loads(json.dumps(value))


def record(cookie: Dict[str, Any]) -> None:
    """Check that a record that is accepted is the one that would be written."""
    try:
        found = SessionRecord.from_cookie(cookie)
    except ValueError:
        return
    if found is not None:
        assert SessionRecord.from_cookie(copied(found.to_cookie())) == found, "another record comes back"


def was_accepted(cookie: Any) -> bool:
    """Whether the cookie says that an earlier hook admitted the user; SPS alone keeps cookies."""
    private = cookie.get(_PRIVATE) if isinstance(cookie, dict) else None
    return isinstance(private, dict) and bool(private.get("successful_authentication"))
