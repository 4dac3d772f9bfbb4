"""Parses the command line, runs a command and returns its exit status."""

import argparse
import ipaddress
import os
import re
import signal
import sys
import textwrap
from typing import Optional, Sequence

from .. import __version__
from ..config.recovery_codes import MAX_CODES
from ..login.username import name_problem, radius_name_problem
from ..text import system_words
from . import exit_status, monitor
from .console import Console, do_not_ask, encodable
from .exit_status import CommandError
from .presets import PRESETS


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command in the arguments (default: those of the process) and return the exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, "w"))
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _exit)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            return _run(arguments)
        finally:  # also after the help that argparse prints
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        # Python flushes both once more when it exits.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return exit_status.BROKEN_PIPE
    except OSError as error:
        return _print_error(_program_name(), system_words(error))


def _run(arguments: Sequence[str]) -> int:
    if monitor.OPTION in arguments:
        return monitor.run(lambda: _probe(arguments))
    try:
        parser = _parser()
        if not arguments:
            parser.print_help(sys.stderr)
            raise CommandError("the following arguments are required: COMMAND")
        return _run_command(parser.parse_args(arguments))
    except CommandError as error:
        return _print_error(_program_name(), str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return exit_status.INTERRUPTED


def _probe(arguments: Sequence[str]) -> monitor.Status:
    """Probe the servers for --monitor."""
    options = _parser().parse_args(arguments)
    from . import servers

    return monitor.status(servers.probe(options, Console(), do_not_ask), options.timeout)


def _run_command(options: argparse.Namespace) -> int:
    # Imported here: the RADIUS client of `servers` and `try` takes 100 ms that the other commands save.
    if options.command == "check":
        from . import check

        return check.run(options)
    if options.command == "new":
        from . import new

        return new.run(options)
    if options.command == "servers":
        from . import servers

        return servers.run(options)
    if options.command == "try":
        from . import login

        return login.run(options)
    if options.command == "recovery-codes":
        from . import recovery_codes

        return recovery_codes.run(options)
    from . import options as options_command

    return options_command.run()


def _exit(number: int, frame: object) -> None:
    """Exit with an exception, so that the echo of the terminal is restored and temporary files are removed."""
    sys.exit(128 + number)


def _print_error(program: str, text: str) -> int:
    sys.stderr.write(encodable(f"{program}: error: {text}\n", sys.stderr))
    return exit_status.ERROR


def _program_name() -> str:
    name = os.path.basename(sys.argv[0])
    return "python3 -m lib" if name == "__main__.py" else "python3 " + name


_DESCRIPTION = """\
Makes and checks configurations of SPS_RADIUS, probes their RADIUS servers, and runs a complete login the way the plugin
does on SPS. Runs on any machine that has Python 3.6 or newer."""
_EPILOG = """\
The values of options set to `$` are in the Credential Store of SPS. `servers` and `try` take them from the file given
with --secret-file, an INI file with the same sections and options. Without this file, they take them from the
environment (SPS_RADIUS_SECRET for [radius] secret, SPS_AUTH_PUSH_PASSWORD for [auth] push_password, and so on), and ask
on the terminal for the rest, without echo. No argument takes a secret, because every user of the machine can read the
arguments of a process."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program_name(), description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version="SPS_RADIUS " + __version__)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    commands.required = True

    new = commands.add_parser(
        "new",
        help="print a configuration for a product",
        description="Prints a complete configuration for a product.",
        epilog=textwrap.fill("Products: " + ", ".join(PRESETS), 78, break_on_hyphens=False),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    new.add_argument(
        "product",
        metavar="PRODUCT",
        nargs="?",
        type=str.lower,
        choices=list(PRESETS),
        help="one of the products below; if not given, asks for one",
    )
    new.add_argument(
        "--server",
        metavar="HOST",
        action="append",
        help="host name or address of a server; repeat for more servers",
    )
    new.add_argument("--port", metavar="PORT", default="", help="port of the servers, if it is not the default")
    new.add_argument("--store", metavar="NAME", help="Credential Store on SPS with the shared secret")

    check = commands.add_parser(
        "check",
        help="list the errors and warnings in a configuration",
        description="Reads a configuration as the plugin does, and lists its errors, warnings, and notes with line "
        "numbers. Does not contact the servers.",
        epilog="Exits with 0 if there are no errors, 2 if there are errors. With --strict, exits with 1 if there are "
        "only warnings.",
    )
    _add_file(check)
    check.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    _add_json(check)

    servers = commands.add_parser(
        "servers",
        help="check whether each server is up and has the same shared secret",
        description="Resolves the name of every server and sends a Status-Server request (RFC 5997) to each of its "
        "addresses. With a tunneled auth_type, also completes a TLS handshake. No user is logged in.",
        epilog="Exits with 0 if the plugin can use every address, 1 if it cannot use one of them, 2 if the "
        f"configuration has errors. With {monitor.OPTION}, exits with 0 for OK, 1 for WARNING (an address does not "
        f"work, or a certificate expires in less than {monitor.CERTIFICATE_DAYS} days), 2 for CRITICAL (no server can "
        "be used), 3 for UNKNOWN (the probe did not run).",
    )
    _add_file(servers)
    servers.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=5.0, help="seconds to wait for each address (default: 5)"
    )
    servers.add_argument(
        "--probe-user",
        metavar="NAME",
        type=_user_name,
        help="also send each server a login of this user with a random password, for servers that do not answer "
        "Status-Server (NPS does not) or do not sign it; the server counts this as a failed login",
    )
    form = servers.add_mutually_exclusive_group()
    _add_json(form)
    form.add_argument(
        monitor.OPTION,
        action="store_true",
        help="print one line with performance data for Nagios, Icinga, and other monitors; ask no questions",
    )
    _add_client_options(servers)

    login = commands.add_parser(
        "try",
        help="run a complete login and show every packet and the verdict",
        description="Runs a complete login with the configured servers, shows every packet without its secrets, and "
        "shows the verdict that the plugin returns to SPS. Prompts on the terminal where SPS prompts the user.",
        epilog="Exits with 0 for ACCEPT, 1 for DENY, 2 if the configuration has errors. Ignores what works only on "
        "SPS: whitelists, LDAP user mapping, the authentication cache, the connection limit, the lockout, and "
        "additional questions.",
    )
    _add_file(login)
    login.add_argument(
        "--user", metavar="NAME", default="", help="user name to log in with; if not given, the login prompts for it"
    )
    login.add_argument(
        "--gateway-user", metavar="NAME", default="", help="user that SPS has authenticated before the plugin runs"
    )
    for name in ("gateway", "server"):
        login.add_argument(f"--{name}-domain", metavar="DOMAIN", default="", help=f"domain of the {name} user")
    login.add_argument(
        "--protocol", choices=("ssh", "rdp", "telnet"), default="ssh", help="protocol of the session (default: ssh)"
    )
    login.add_argument("--client-ip", metavar="ADDRESS", type=_ip_address, default="", help="IP address of the client")
    login.add_argument("--connection", metavar="NAME", default="", help="name of the Connection Policy")
    _add_client_options(login)

    codes = commands.add_parser(
        "recovery-codes",
        help="make recovery codes for a user",
        description="Makes recovery codes, which admit a user if no RADIUS server responds, and shows them once, with "
        "the lines of [recovery_codes] that accept them.",
    )
    codes.add_argument(
        "name", metavar="NAME", type=_recovery_user, help="user name that SPS has authenticated, as SPS spells it"
    )
    codes.add_argument("--count", metavar="N", type=_code_count, default=10, help="number of codes (default: 10)")
    _add_json(codes)

    commands.add_parser(
        "options",
        help="list all options",
        description="Lists every option of the plugin with its values, default, and meaning.",
    )
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="configuration file, or - for standard input")


def _add_json(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON document instead of text")


def _add_client_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret-file",
        metavar="FILE",
        help="INI file with the values of options set to `$`; see --help without COMMAND",
    )
    parser.add_argument(
        "--nas-identifier",
        metavar="NAME",
        default="sps",
        help="NAS-Identifier to send (default: sps); SPS sends its nickname",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 300:
        raise argparse.ArgumentTypeError("expected a number of seconds above 0 and up to 300")
    return seconds


def _user_name(text: str) -> str:
    problem = radius_name_problem(text) if text else "it is empty"
    if problem:
        raise argparse.ArgumentTypeError(f"expected a user name: {problem}")
    return text


def _recovery_user(text: str) -> str:
    """Return a name that can begin a line of [recovery_codes]."""
    problem = name_problem(text) if text else "it is empty"
    if "=" in text or text[:1] in ("#", ";", "["):
        problem = problem or "a line of the configuration cannot begin with it"
    if problem:
        raise argparse.ArgumentTypeError(f"expected a user name: {problem}")
    return text


def _code_count(text: str) -> int:
    count = int(text) if re.match("[0-9]{1,2}\\Z", text) else 0
    if not 1 <= count <= MAX_CODES:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MAX_CODES}")
    return count


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError("expected an IP address") from None
