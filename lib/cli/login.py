"""`try`: a whole login with the real servers, as the plugin on SPS would hold it, with every packet shown."""

import argparse
import logging
import os
import tempfile
import time
from typing import Any, Dict, List, Optional

from .. import __version__, messages, reasons
from ..authenticator import Backend, Session, count, metadata, new_record, opening_remarks
from ..login import conversation
from ..radius import client, display, packet
from ..text import field, one_line, radius_name_problem, safe
from . import FINE, NOT_FINE, Unusable
from .config_source import Usable, usable
from .console import Console, HungUp, NoTerminal, ask

# What decides over a login and is on SPS alone: section, and an option without which it does nothing
_ON_SPS = (
    ("whitelist source=user_list", "name"),
    ("whitelist source=ldap_server_group", "allow"),
    ("usermapping source=ldap_server", "user_attribute"),
    ("authentication_cache", "reuse_limit"),
    ("connection_limit by=client_ip_gateway_user", "limit"),
    ("lockout", "max_failures"),
    ("question_1", "prompt"),
)


def run(options: argparse.Namespace) -> int:
    """Hold the login; return the exit status."""
    console = Console()
    found = usable(options.file, options.secret_file)
    log = logging.Logger("SPS_RADIUS", logging.INFO)
    log.addHandler(_LogToConsole(console))
    for section, option in _ON_SPS:
        if found.ini.sections.get(section, {}).get(option, "0") not in ("", "0"):
            console.say("Not here, but on SPS: [{}]".format(section))
    with tempfile.TemporaryDirectory(prefix="sps-radius-") as directory:
        # What servers failed is remembered from one answer to the next, as on SPS.
        return _Trial(options, found, console, log, directory if os.name == "posix" else None).held()


class _LogToConsole(logging.Handler):
    """Shows what the plugin would log."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        line = "log: {}: {}".format(record.levelname.lower(), one_line(record.getMessage(), 2000))
        self._console.say(self._console.styled("dim", line))


class _Trial:
    """One login: what SPS would keep of it from hook to hook, and what it would pass to each."""

    def __init__(
        self,
        options: argparse.Namespace,
        found: Usable,
        console: Console,
        log: logging.Logger,
        ephemeral_directory: Optional[str],
    ) -> None:
        self._options = options
        self._found = found
        self._console = console
        self._log = log
        self._directory = {"ephemeral": ephemeral_directory}.get
        self._watch = Watch(console, found.settings.dictionary)
        self._record = new_record(options.client_ip or None, time.time())
        self._username = ""
        self._identity = ""

    def held(self) -> int:
        """Hold the login to its end; return the exit status."""
        self._log.info("SPS_RADIUS %s", __version__)
        for remark in opening_remarks(self._found.settings, self._found.problems):
            self._log.warning("%s", remark)
        pairs: Dict[str, str] = {}
        state = conversation.State()
        while True:
            state, action = self._hook(state, pairs)
            count(self._record, state, action)
            if not isinstance(action, conversation.Ask):
                return self._verdict(action)
            try:
                pairs[action.key] = ask(safe(action.prompt) + " ", action.disable_echo)
            except HungUp:
                self._console.say("")
                self._console.say("The login ends here: nothing was answered.")
                return NOT_FINE
            except NoTerminal:
                raise Unusable("the login asks a question, and there is no terminal here to ask it on") from None

    def _hook(self, state: conversation.State, pairs: Dict[str, str]) -> Any:
        """Do what one call of the hook `authenticate` does."""
        options, settings = self._options, self._found.settings
        known = conversation.Known(
            gateway_user=options.gateway_user or None,
            server_username=self._without_suffix(options.user) or None,
            pairs=pairs,
            can_ask=options.protocol in settings.auth.interactive_protocols,
        )
        state, result = conversation.identify(settings, state, known)
        if not isinstance(result, conversation.Identity):
            return state, result
        self._username, self._identity = result.name, self._mapped(result.override or result.name)
        problem = radius_name_problem(self._identity)
        if problem:
            return state, conversation.Deny("bad-username", problem)
        session = Session(
            self._username,
            self._identity,
            protocol=options.protocol,
            connection_name=options.connection,
            client_ip=options.client_ip,
            gateway_user=options.gateway_user,
            server_username=options.user,
        )
        backend = Backend(
            settings, session, self._record, options.nas_identifier, self._directory, self._log, self._watch
        )
        return backend.converse(state, known)

    def _without_suffix(self, name: str) -> str:
        """Return an RDP user name as the SDK hands it on, from 1.8: without `@domain`."""
        ignores = self._found.ini.sections.get("ignore_upn_suffix_for_rdp", {}).get("ignore", "true").lower() == "true"
        return name.rpartition("@")[0] or name if self._options.protocol == "rdp" and ignores else name

    def _mapped(self, name: str) -> str:
        """Return the name that the SDK makes of the user's: those of its ways that need no directory."""
        sections = self._found.ini.sections
        name = self._sdk_value("usermapping source=explicit", name.lower()) or name
        domain = self._sdk_value("username_transform", "append_domain") if "username_transform" in sections else ""
        return name + "@" + domain if domain and "@" not in name else name

    def _sdk_value(self, section: str, option: str) -> str:
        value = self._found.ini.sections.get(section, {}).get(option, "")
        if value == "$":
            return self._found.store(section, option) or ""
        return "$" if value == "$$" else value

    def _verdict(self, action: conversation.Action) -> int:
        say, styled = self._console.say, self._console.styled
        if isinstance(action, conversation.Deny):
            reason = messages.reason(
                self._found.settings.messages, action.code, action.detail, minutes=str(action.minutes)
            )
            say(styled("error", "DENY"))
            self._fact("reason", reason)
            self._fact("metadata", self._metadata(code=action.code, reason=reason))
            self._fact("what to do", reasons.DENIALS[action.code].remedy)
            return NOT_FINE
        assert isinstance(action, conversation.Accept)
        say(styled("good", "ACCEPT"))
        self._fact("gateway user", field(self._username))
        groups = "those that SPS knows"
        if action.groups is not None:
            groups = ", ".join(map(field, action.groups)) or "none"
        self._fact("gateway groups", groups)
        if action.bypassed:
            self._fact("without RADIUS", "[auth] bypass_when_unreachable")
        self._fact("metadata", self._metadata(**({"bypass": "unreachable"} if action.bypassed else {})))
        return FINE

    def _metadata(self, **more: str) -> str:
        return metadata(self._record, self._username or None, self._identity or None, **more)

    def _fact(self, name: str, value: str) -> None:
        self._console.say("    {:<15} {}".format(name, one_line(value, 2000)))


class Watch:
    """Shows each packet as it passes: a client.Observer."""

    def __init__(self, console: Console, dictionary: Any) -> None:
        """Take where to, and the attributes that the configuration defines."""
        self._console = console
        self._dictionary = dictionary
        self._last: Optional[bytes] = None
        self._began = 0.0

    def __call__(self, seen: client.Seen) -> None:
        """Show a packet."""
        self._console.say("\n".join(self._told(seen, time.monotonic())))

    def _told(self, seen: client.Seen, now: float) -> List[str]:
        name = packet.NAMES.get(seen.octets[0], "packet") if seen.octets else "packet"
        if seen.sent and seen.octets[0] == packet.ACCESS_REQUEST and seen.octets != self._last:
            self._last, self._began = seen.octets, now
            return ["To {}: {}".format(seen.place, self._summary(name, seen.octets))] + self._attributes(seen.octets)
        after = "after {:.3f} s".format(now - self._began)
        if seen.sent:
            again = " again" if seen.octets == self._last else ", to learn whether it lives"
            return ["To {} {}: {}{}".format(seen.place, after, name, again)]
        if seen.flaw is not None:
            return ["From {} {}: dropped a reply {}".format(seen.place, after, seen.flaw.words)]
        head = "From {} {}: {}".format(seen.place, after, self._summary(name, seen.octets))
        return [head] + self._attributes(seen.octets)

    @staticmethod
    def _summary(name: str, octets: bytes) -> str:
        return "{}, identifier {}, {} octets".format(name, octets[1], len(octets))

    def _attributes(self, octets: bytes) -> List[str]:
        return [
            "    {} = {}".format(*display.shown(vendor, number, value, self._dictionary))
            for vendor, number, value in packet.contents(octets)
        ]
