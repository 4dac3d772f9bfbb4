"""`try`: runs a complete login with the configured servers, as the plugin does on SPS, and shows every packet."""

import argparse
import contextlib
import logging
import os
import tempfile
import time
from typing import Dict, Iterator

from .. import __version__, log_lines, reasons
from ..authenticator import Authenticator
from ..login import conversation
from ..login.state import Accept, Action, Ask, Deny, HookCall, Identity
from ..login.username import character_problem
from ..radius.server import ServerSettings
from ..session import Session, SessionRecord, format_metadata, opening_warnings
from ..state.directory import StateDirectories
from ..text import field, one_line, safe
from . import exit_status
from .config_source import Configuration, load
from .console import Console, EndOfInput, NoTerminal, ask
from .exit_status import CommandError
from .packets import PacketPrinter

_log = logging.getLogger("SPS_RADIUS")
_MAX_PROGRESS = 79  # characters, so that a terminal shows them in one line

# What affects a login on SPS only: a section, and the option that turns it on
_SPS_ONLY = (
    ("whitelist source=user_list", "name"),
    ("whitelist source=ldap_server_group", "allow"),
    ("usermapping source=ldap_server", "user_attribute"),
    ("authentication_cache", "reuse_limit"),
    ("connection_limit by=client_ip_gateway_user", "limit"),
    ("lockout", "max_failures"),
    ("question_1", "prompt"),
)


def run(options: argparse.Namespace) -> int:
    """Run the login and return the exit status."""
    console = Console()
    configuration = load(options.file, options.secret_file)
    for section, option in _SPS_ONLY:
        if configuration.ini.sections.get(section, {}).get(option, "0") not in ("", "0"):
            console.say(f"Ignored here, works on SPS only: [{section}]")
    # Without the lockout: the state directory is new.
    settings = configuration.settings._replace(
        lockout=None, servers=tuple(map(_usable_here, configuration.settings.servers))
    )
    configuration = configuration._replace(settings=settings)
    packet_printer = PacketPrinter(console, configuration.settings.dictionary)
    with tempfile.TemporaryDirectory(prefix="sps-radius-") as directory, _printed_log(console, packet_printer):
        # As on SPS, the status of the servers is kept from one answer to the next.
        path = directory if os.name == "posix" else None
        directories = StateDirectories(persistent=path, ephemeral=path)
        return _Login(options, configuration, console, packet_printer, directories).run()


def _usable_here(server: ServerSettings) -> ServerSettings:
    """Return a server whose login does not fail just because this computer has no pyOpenSSL, as SPS has.

    Raise CommandError if no login is possible without it.
    """
    if server.tunnel is None:
        return server
    from ..radius.eap.tunnel import can_export  # it loads TLS

    if can_export():
        return server
    if server.auth_type == "ttls-mschapv2":
        text = log_lines.EXPORTER_MISSING.text
        raise CommandError(f"[{server.section}] auth_type: {text}, which SPS has; install it on this computer too")
    return server._replace(tunnel=server.tunnel._replace(must_check_keys=False))


@contextlib.contextmanager
def _printed_log(console: Console, packet_printer: PacketPrinter) -> Iterator[None]:
    """Print the log of the plugin instead of what Python does with it."""
    handler = _ConsoleHandler(console, packet_printer)
    level, propagates = _log.level, _log.propagate
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)
        _log.propagate = propagates


class _ConsoleHandler(logging.Handler):
    """Prints the log of the plugin, and before each line the packets that led to it."""

    def __init__(self, console: Console, packet_printer: PacketPrinter) -> None:
        super().__init__()
        self._console = console
        self._packet_printer = packet_printer

    def emit(self, record: logging.LogRecord) -> None:
        self._packet_printer.print_new()
        line = f"log: {record.levelname.lower()}: {one_line(record.getMessage(), 2000)}"
        self._console.say(self._console.styled("dim", line))


class _Login:
    """A login: the state that SPS keeps between the hooks, and the values that it passes to each hook."""

    def __init__(
        self,
        options: argparse.Namespace,
        configuration: Configuration,
        console: Console,
        packet_printer: PacketPrinter,
        directories: StateDirectories,
    ) -> None:
        self._options = options
        self._configuration = configuration
        self._console = console
        self._packet_printer = packet_printer
        self._directories = directories
        self._record = SessionRecord(time.time(), options.client_ip or None)
        self._username = ""
        self._identity = ""

    def run(self) -> int:
        """Run the login to its end and return the exit status."""
        log_lines.STARTED.log(_log, version=__version__)
        for warning in opening_warnings(self._configuration.settings, self._configuration.warnings):
            _log.warning(warning)
        pairs: Dict[str, str] = {}
        while True:
            action = self._authenticate(pairs)
            if not isinstance(action, Ask):
                return self._print_verdict(action)
            try:
                pairs[action.key] = ask(safe(action.prompt) + " ", action.disable_echo)
            except EndOfInput:
                self._console.say("")
                self._console.say("No answer; the login ends.")
                return exit_status.FAILED
            except NoTerminal:
                raise CommandError("the login asks a question, but there is no terminal") from None

    def _authenticate(self, pairs: Dict[str, str]) -> Action:
        """Do what one call of the hook `authenticate` does."""
        options, settings = self._options, self._configuration.settings
        call = HookCall.of(
            options.protocol,
            settings.auth.interactive_protocols,
            options.gateway_user or None,
            self._without_upn_suffix(options.user) or None,
            pairs,
        )
        login, result = conversation.identify(settings, self._record.login, call)
        self._record = self._record._replace(login=login)
        if not isinstance(result, Identity):
            return result
        self._username, self._identity = result.name, self._mapped(result.override or result.name)
        problem = character_problem(self._identity)
        if problem:
            return Deny(reasons.BAD_USERNAME, problem)
        known = dict(
            protocol=options.protocol,
            connection_name=options.connection,
            client_ip=options.client_ip,
            gateway_user=options.gateway_user,
            gateway_domain=options.gateway_domain,
            server_username=options.user,
            server_domain=options.server_domain,
        )
        session = Session.of(self._username, self._identity, known)
        authenticator = Authenticator(settings, session, options.nas_identifier, self._directories)
        self._packet_printer.packets = authenticator.packets
        waits = (f"[{server.section}] (up to {server.bound:g} s for each address)" for server in settings.servers)
        self._console.progress(one_line(f"waiting for {', '.join(waits)} ...", _MAX_PROGRESS))
        try:
            self._record, action = authenticator.run(self._record, call)
        finally:
            self._console.progress("")
            self._packet_printer.print_new()
        return action

    def _without_upn_suffix(self, name: str) -> str:
        """Return a user name as SDK 1.8 and later pass it to the plugin: for RDP without `@domain`."""
        section = self._configuration.ini.sections.get("ignore_upn_suffix_for_rdp", {})
        ignores = section.get("ignore", "true").lower() == "true"
        return name.rpartition("@")[0] or name if self._options.protocol == "rdp" and ignores else name

    def _mapped(self, name: str) -> str:
        """Return the user name after the mappings of the SDK that need no directory."""
        sections = self._configuration.ini.sections
        name = self._sdk_value("usermapping source=explicit", name.lower()) or name
        domain = self._sdk_value("username_transform", "append_domain") if "username_transform" in sections else ""
        return f"{name}@{domain}" if domain and "@" not in name else name

    def _sdk_value(self, section: str, option: str) -> str:
        value = self._configuration.ini.sections.get(section, {}).get(option, "")
        if value == "$":
            return self._configuration.secrets(section, option) or ""
        return "$" if value == "$$" else value

    def _print_verdict(self, action: Action) -> int:
        say, styled = self._console.say, self._console.styled
        if isinstance(action, Deny):
            reason = reasons.format_reason(
                self._configuration.settings.messages, action.code, action.detail, minutes=str(action.minutes)
            )
            say(styled("error", "DENY"))
            self._print_fact("reason", reason)
            self._print_fact("metadata", self._metadata(code=action.code, reason=reason))
            self._print_fact("what to do", reasons.DENIALS[action.code].remedy)
            return exit_status.FAILED
        assert isinstance(action, Accept)
        say(styled("good", "ACCEPT"))
        self._print_fact("gateway user", field(self._username))
        groups = "those of SPS"
        if action.groups is not None:
            groups = ", ".join(map(field, action.groups)) or "none"
        self._print_fact("gateway groups", groups)
        if action.by_recovery_code:
            self._print_fact("recovery code", "right; this command does not use it up")
        elif self._has_unchecked_keys():
            self._print_fact("not checked", "keys of the tunnel: pyOpenSSL is not installed here; SPS checks them")
        self._print_fact("metadata", self._metadata())
        return exit_status.OK

    def _has_unchecked_keys(self) -> bool:
        """Whether a server with this method has accepted the user, and its keys could not be checked here."""
        servers, method = self._configuration.settings.servers, self._record.method
        return any(each.tunnel and not each.tunnel.must_check_keys for each in servers if each.auth_type == method)

    def _metadata(self, **more: str) -> str:
        return format_metadata(self._record, self._username or None, self._identity or None, **more)

    def _print_fact(self, name: str, value: str) -> None:
        self._console.say(f"    {name:<15} {one_line(value, 2000)}")
