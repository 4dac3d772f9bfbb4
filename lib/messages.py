"""Every text of ours that a user reads, declared once: what [messages] can replace, and with which placeholders.

The reason of a DENY is one of `denials`; here each has its code for a name.
"""

from typing import Dict, Mapping, Tuple

from . import reasons
from .namedtuple import NamedTuple
from .text import filled


class Message(NamedTuple):
    """One text: `default` is what is shown if the configuration has no other."""

    name: str
    placeholders: Tuple[str, ...]
    default: str
    help: str


ALL: Tuple[Message, ...] = (
    Message("password_prompt", (), "", "The question for the one-time password; empty: [auth] prompt."),
    Message("username_prompt", (), "", "The question for the user name; empty: [username] prompt."),
    Message("challenge_prompt", (), "Enter your response:", "Shown for an Access-Challenge without text."),
    Message("retry", ("left", "attempts"), "Authentication failed. {attempts} left.", "Before another try."),
    Message(
        "retry_reason",
        ("reason", "left", "attempts"),
        "Authentication failed: {reason} {attempts} left.",
        "The same, when there is a reason; it ends in a mark.",
    ),
    Message("server_gone", (), "The server that asked is gone; please log in again.", "Before starting over."),
) + tuple(Message(denial.code, denial.placeholders, denial.text, "Reason of a DENY.") for denial in reasons.ALL)

DEFAULTS: Dict[str, str] = {message.name: message.default for message in ALL}


def text(messages: Mapping[str, str], name: str, **values: str) -> str:
    """Return the text of this name, from `messages` or the default, with its placeholders filled in."""
    return filled(messages.get(name) or DEFAULTS[name], values)


def reason(messages: Mapping[str, str], code: str, detail: str = "", **values: str) -> str:
    """Return the reason of a DENY: its text, the detail (made safe before) if there is one, and always its code."""
    template = messages.get(code) or DEFAULTS[code]
    shown = filled(template, dict(values, reason=detail))
    if detail and "{reason}" not in template:
        shown = "{}: {}".format(shown, detail)
    return "{} [{}]".format(shown, code)
