"""The command line of the zip, for machines that are no SPS: what is wrong with a configuration, and do its servers
and its users work.

Nothing of it is imported by a hook, and nothing in it needs the SDK. Each command is a module of its own.
"""

import argparse
import os
import signal
import sys
from typing import Optional, Sequence

from .. import __version__
from ..login.username import radius_name_problem
from ..text import system_words

FINE, NOT_FINE, UNUSABLE, INTERRUPTED, PIPE_BROKEN = 0, 1, 2, 130, 141
"""What the process ends with: all is well; it is not; it could not be found out; by Ctrl-C; nobody read the output."""


class Unusable(Exception):
    """The command cannot do what it was asked to; the text says why and is shown as it is."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line (default: the process's own) and return the exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    program = _program(sys.argv[0])
    options = _parser(program).parse_args(arguments)
    try:
        status = _run(options)
        sys.stdout.flush()
        return status
    except Unusable as error:
        return _complain(program, str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        # So that the flush at the end of the process has nothing to fail at
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_BROKEN
    except OSError as error:
        return _complain(program, system_words(error))


def _run(options: argparse.Namespace) -> int:
    if options.command == "check":
        from . import check

        return check.run(options)
    if options.command == "servers":
        from . import servers

        return servers.run(options)
    if options.command == "try":
        from . import login

        return login.run(options)
    from . import options as listing

    return listing.run(options)


def _stop(number: int, frame: object) -> None:
    """End in order: the terminal shows again what is typed, and no file is left."""
    sys.exit(128 + number)


def _complain(program: str, text: str) -> int:
    from .console import encodable

    sys.stderr.write(encodable("{}: error: {}\n".format(program, text), sys.stderr))
    return UNUSABLE


def _program(path: str) -> str:
    """Return how the user called this, for the help and for errors."""
    name = os.path.basename(path)
    return "python3 -m lib" if name == "__main__.py" else "python3 " + name


_DESCRIPTION = """\
SPS_RADIUS off the box: checks a configuration of the plugin, asks its RADIUS servers whether they live, and tries a
login as the plugin on SPS would have it. Needs nothing but Python 3.6 or newer."""
_EPILOG = """\
Options set to `$` come from the Credential Store, which is on SPS. `servers` and `try` ask for them here, without
showing what is typed, or take them from the file that --secret-file names, an INI file with the same sections and
options, or from the environment: SPS_RADIUS_SECRET for [radius] secret, SPS_AUTH_PUSH_PASSWORD for [auth] push_password
and so on. A secret is never an argument: everybody on the machine can read those."""


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version="SPS_RADIUS " + __version__)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    commands.required = True

    check = commands.add_parser(
        "check",
        help="say what is wrong with a configuration",
        description="Reads a configuration as the plugin does, and says with line numbers what is wrong or doubtful.",
        epilog="Exits with 0 if there is no error, 1 if with --strict there is a warning, 2 if there is an error.",
    )
    _add_file(check)
    check.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    check.add_argument("--json", action="store_true", help="print one JSON document instead of lines")

    servers = commands.add_parser(
        "servers",
        help="ask each server whether it lives",
        description="Looks each server's name up and asks each address with a Status-Server (RFC 5997), which logs "
        "nobody in.",
        epilog="Exits with 0 if every address answered as the plugin needs it, 1 if one did not, 2 if the "
        "configuration cannot be used.",
    )
    _add_file(servers)
    servers.add_argument("--timeout", type=_seconds, default=5.0, help="how long to wait for an address (5 s)")
    servers.add_argument(
        "--probe-user",
        metavar="NAME",
        type=_user,
        help="where Status-Server is not answered (NPS does not), ask for a login of this user with a random "
        "password: for the server that is a failed login of his",
    )
    servers.add_argument("--json", action="store_true", help="print one JSON document instead of lines")
    _add_secrets(servers)

    login = commands.add_parser(
        "try",
        help="log in through the servers as the plugin would",
        description="Holds a whole login with the configured servers, shows every packet without its secrets, and "
        "says what SPS would be told. The user is asked on the terminal.",
        epilog="Exits with 0 for ACCEPT, 1 for DENY, 2 if the configuration cannot be used. User lists, LDAP, the "
        "authentication cache and the lockout are on SPS: nothing of them is looked at here.",
    )
    _add_file(login)
    login.add_argument("--user", metavar="NAME", default="", help="the user name in the login; none: it is asked for")
    login.add_argument(
        "--gateway-user", metavar="NAME", default="", help="whom SPS has authenticated before, if it has"
    )
    login.add_argument("--protocol", choices=("ssh", "rdp", "telnet"), default="ssh", help="what he comes by (ssh)")
    login.add_argument("--client-ip", metavar="ADDRESS", type=_address, default="", help="where he comes from")
    login.add_argument("--connection", metavar="NAME", default="", help="the Connection Policy's name")
    _add_secrets(login)

    options = commands.add_parser(
        "options",
        help="list every option with its default",
        description="Lists every option that the plugin knows.",
    )
    options.add_argument(
        "--format",
        choices=("text", "markdown", "cfg"),
        default="text",
        help="for reading (text), as a table (markdown), or as a configuration with every default in a comment (cfg)",
    )
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the configuration; - for standard input")


def _add_secrets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--secret-file", metavar="FILE", help="where what is set to `$` stands; see the main --help")
    parser.add_argument(
        "--nas-identifier", metavar="NAME", default="sps", help="NAS-Identifier to send; SPS sends its own name (sps)"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 300:
        raise argparse.ArgumentTypeError("expected seconds, at most 300")
    return seconds


def _user(text: str) -> str:
    problem = radius_name_problem(text) if text else "it is empty"
    if problem:
        raise argparse.ArgumentTypeError("expected a user name: " + problem)
    return text


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError("expected an IP address") from None
