"""SPS on a terminal: log in through the built zip, a process per hook call, with the embedded RADIUS server.

`./demo.sh` starts it. Without a terminal, or with --script, it plays one login for each outcome and exits with 1 if
any outcome is not as expected. With --ssh or --telnet, it is a gateway for clients of that protocol.
"""

import argparse
import contextlib
import functools
import getpass
import os
import signal
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from lib.cli import exit_status
from lib.cli.exit_status import CommandError

from .closed_port import closed_port
from .configuration import configure, load
from .console import Console, encodable
from .fork_server import ForkServer
from .frontend import ADDRESS, Frontend, Listener, Start, run
from .gateway import GatewayError, Session, UnexpectedQuestion, UnpackedPlugin, parse_login_name, unpack
from .server import DemoServer

LOGIN_PROMPT = "login name: "
RECOVERY_CODE = "7K3M-9QXT-0GHV-W2BD"
RECOVERY_HASH = "pbkdf2-sha256:10000:XaFGRNaUJW9SMjBn0WaMEg:9ZqtmFkzi-uxAqjj2r8IEemIvPP7qfLUYg3CQw0d_1o"
"""Of the code, as the command `recovery-codes` of the zip prints it."""

Ask = Callable[[str, bool], str]
"""(prompt, whether to hide the input) -> what the user typed; raises EOFError when the user disconnects."""


def ask_terminal(prompt: str, hidden: bool) -> str:
    """Ask at the terminal until the input is text in the encoding of the terminal."""
    while True:
        try:
            return getpass.getpass(encodable(prompt)) if hidden else input(encodable(prompt))
        except UnicodeDecodeError:
            print("The input is not valid text. Try again:", flush=True)
        except (EOFError, KeyboardInterrupt):
            print(flush=True)  # end the line of the prompt
            raise


def session_for(plugin: UnpackedPlugin, login_name: str, is_authenticated: bool = False) -> Session:
    """Return the SSH session of a user who connects with this login name, before any hook call."""
    name = parse_login_name(login_name)
    gateway_user = name.server_username if is_authenticated else None
    return Session(plugin, gateway_user=gateway_user, server_username=name.server_username, key_value_pairs=name.pairs)


def play(session: Session, ask: Ask, console: Console) -> Dict[str, Any]:
    """Play a session from the first hook to the last, show what happens, and return the result of `authenticate`.

    Raise GatewayError where SPS would end the session, and any exception of `ask`. session_ended is always called.
    """

    def call(hook: Callable[..., Any], *arguments: str) -> Any:
        before = len(session.log)
        try:
            return hook(*arguments)
        finally:
            console.log(session.log[before:])

    try:
        result = call(session.authenticate)
        while result["verdict"] == "NEEDINFO":
            _, prompt, hidden = session.questions[-1]
            result = call(session.answer, ask(prompt, hidden))
        console.fact("verdict", result["verdict"])
        for name in ("reason", "gateway_user", "gateway_groups", "additional_metadata"):
            if name in result:
                value = result[name]
                text = ", ".join(value) or "(none)" if isinstance(value, list) else value
                console.fact(name.replace("additional_", "").replace("_", " "), text)
        if result["verdict"] == "ACCEPT":
            console.fact("authorize", call(session.authorize)["verdict"])
    finally:
        call(session.end)
    return dict(result)


class Scene(NamedTuple):
    """A login of the fixed set: what the user types, in order, and the expected outcome.

    The reason of the verdict must contain `reason`, and one of the questions must contain `asked`. `is_authenticated`
    is whether SPS has authenticated the user.
    """

    outcome: str
    login_name: str
    answers: Sequence[str]
    verdict: str
    gateway_user: str = ""
    reason: str = ""
    asked: str = ""
    server_runs: bool = True
    is_authenticated: bool = False

    def problem(self, result: Mapping[str, Any], session: Session) -> str:
        """Return how a played session differs from the expected outcome, or an empty string."""
        if result["verdict"] != self.verdict:
            return f"{result['verdict']} instead of {self.verdict}"
        if self.gateway_user and result.get("gateway_user") != self.gateway_user:
            return f"the gateway user is not {self.gateway_user}"
        if self.reason not in result.get("reason", ""):
            return f"the reason does not contain {self.reason!r}"
        if not any(self.asked in question.prompt for question in session.questions) and self.asked:
            return f"no question contains {self.asked!r}"
        if len(session.questions) != len(self.answers):
            return f"{len(session.questions)} questions instead of {len(self.answers)}"
        return ""


def scenes(server: DemoServer) -> Iterator[Scene]:
    """Yield the fixed set of logins, each with codes that are valid at that moment (TOTP codes expire)."""
    alice, carol, bob = (server.users[name] for name in ("alice", "carol", "bob"))
    code, pin = (server.codes(user.name)[0] for user in (alice, carol))
    wrong, refused = ["111111", "222222", "333333"], "[too-many-attempts]"
    with_code = f"gu=alice@otp={code}@root"
    yield Scene("accepted with the code in the login name", with_code, [], "ACCEPT", "alice")
    yield Scene("accepted after a prompt for the code", "alice", [code], "ACCEPT", "alice")
    yield Scene("accepted after a wrong code", "alice", ["000000", code], "ACCEPT", "alice")
    yield Scene("accepted with a TOTP code", "tessa", [server.codes("tessa")[0]], "ACCEPT", "tessa")
    answers = [pin, carol.answer]
    yield Scene("accepted after a challenge", "carol", answers, "ACCEPT", "carol", asked=carol.challenge)
    yield Scene("accepted by push", "pusha", [""], "ACCEPT", "pusha")
    yield Scene("denied with the server's message", "bob", wrong, "DENY", reason=refused, asked=bob.refusal)
    yield Scene("denied because the server does not know the user", "mallory", wrong, "DENY", reason=refused)
    unreachable = "The login service is not responding. Try again later or contact your help desk."
    yield Scene("denied because no server responds", "alice", [code], "DENY", reason=unreachable, server_runs=False)
    yield Scene("accepted after a prompt for the user name", "", ["alice", code], "ACCEPT", "alice")
    for outcome, verdict, answers in (
        ("accepted with a recovery code because no server responds", "ACCEPT", [code, RECOVERY_CODE]),
        ("denied with a recovery code that was used before", "DENY", [code, *3 * [RECOVERY_CODE]]),
    ):
        reason = refused if verdict == "DENY" else ""
        asked = "Enter a recovery code:"
        yield Scene(outcome, "alice", answers, verdict, "", reason, asked, server_runs=False, is_authenticated=True)


def play_script(plugin: UnpackedPlugin, cut_off: UnpackedPlugin, server: DemoServer, console: Console) -> int:
    """Play the fixed set of logins and return the exit status. `cut_off` is the plugin without a reachable server."""
    problems = []
    for number, scene in enumerate(scenes(server), 1):
        typed = list(scene.answers)

        def ask(prompt: str, hidden: bool, typed: List[str] = typed) -> str:
            if not typed:
                raise UnexpectedQuestion(f"no answer for {prompt!r}")
            text = typed.pop(0)
            console.say(prompt + ("******" if hidden and text else text or "[Enter]"))
            return text

        console.say()
        console.say(f"== {number}. {scene.outcome}")
        console.say(LOGIN_PROMPT + scene.login_name)
        session = session_for(plugin if scene.server_runs else cut_off, scene.login_name, scene.is_authenticated)
        try:
            problem = scene.problem(play(session, ask, console), session)
        except GatewayError as error:
            problem = str(error)
        if problem:
            problems.append(f"{number}. {scene.outcome}: {problem}")
    console.say()
    for problem in problems:
        console.say(f"NOT AS EXPECTED: {problem}")
    console.say(f"{number - len(problems)} of {number} outcomes as expected.")
    return 1 if problems else 0


def play_terminal(plugin: UnpackedPlugin, server: Optional[DemoServer], console: Console) -> None:
    """Play logins until the user enters an empty login name or presses Ctrl-D or Ctrl-C.

    `server` is the server of the demo, None if the configuration names others.
    """
    if server:
        _introduce(server, console)
    console.say("A login name may contain key-value pairs: gu=alice@otp=123456@root")
    console.say("If it contains only pairs, such as otp=123456, the plugin asks for the user name.")
    console.say("To quit, press Enter without a login name.")
    try:
        while True:
            console.say()
            login_name = ask_terminal(LOGIN_PROMPT, False).strip()
            if not login_name:
                return
            _log_in(plugin, login_name, console)
            if server:
                console.say(f"({_totp_status(server)})")
    except (EOFError, KeyboardInterrupt):
        pass


def _introduce(server: DemoServer, console: Console) -> None:
    console.say("Login names, and what to type at the prompt:")
    for user in server.users.values():
        codes = server.codes(user.name)
        console.say(f"  {user.name:<6} {user.hint.format(codes[0] if codes else '')}")


def _totp_status(server: DemoServer) -> str:
    return f"tessa's code is now {server.codes('tessa')[0]}"


def _log_in(plugin: UnpackedPlugin, login_name: str, console: Console) -> None:
    try:
        play(session_for(plugin, login_name), ask_terminal, console)
    except GatewayError as error:
        console.say(f"SPS ends the session: {error}")
    except EOFError:
        console.say("You disconnected.")


def serve_ssh(frontend: Frontend, server: Optional[DemoServer], console: Console, directory: Path) -> int:
    """Run a gateway for SSH clients until Ctrl-C and return the exit status. It writes known_hosts to `directory`.

    `server` is the server of the demo, None if the configuration names others.
    """
    from . import ssh  # asyncssh takes half a second

    return _serve(frontend, server, console, functools.partial(ssh.start, directory=directory))


def serve_telnet(frontend: Frontend, server: Optional[DemoServer], console: Console) -> int:
    """Run a gateway for Telnet clients until Ctrl-C and return the exit status."""
    from . import telnet

    return _serve(frontend, server, console, telnet.start)


def _serve(frontend: Frontend, server: Optional[DemoServer], console: Console, start: Start) -> int:
    def ready(listener: Listener) -> None:
        names = ("alice", "gu=alice@otp=123456@root", "otp=123456") if server else ("NAME",)
        console.say(f"The gateway listens on {ADDRESS} port {listener.port}. To log in, run in another terminal:")
        for command in OrderedDict((listener.command(name), None) for name in names):
            console.say("  " + command)
        console.say(listener.note)
        if server:
            _introduce(server, console)
        console.say("Press Ctrl-C to stop the gateway.")

    return run(frontend, start, ready)


def main() -> int:
    """Run the demo and return its exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    try:
        return _run(_parser().parse_args())
    except CommandError as error:
        print(error, file=sys.stderr)
        return exit_status.ERROR
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return exit_status.INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_status.BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m simulator.demo", description=__doc__.split("\n")[0])
    parser.add_argument("zip", help="zip of the plugin, built by build.sh")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--script", action="store_true", help="play a fixed set of logins, one for each outcome")
    how.add_argument("--ssh", action="store_true", help="run a gateway for SSH clients on loopback")
    how.add_argument("--telnet", action="store_true", help="run a gateway for Telnet clients on loopback")
    parser.add_argument("--configuration", metavar="FILE", help="plugin configuration with your own servers")
    parser.add_argument(
        "--authenticated", action="store_true", help="act as if SPS had authenticated the users of the gateway"
    )
    parser.add_argument("--verbose", action="store_true", help="show every line of the log, those of the SDK too")
    parser.add_argument("--fork", action="store_true", help="fork hooks from a process that has imported the SDK")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    console = Console(arguments.verbose)
    script = arguments.script or not (arguments.ssh or arguments.telnet or sys.stdin.isatty())
    if arguments.configuration and script:
        raise CommandError("A configuration requires a terminal, --ssh, or --telnet.")
    own = load(arguments.configuration, console) if arguments.configuration else None
    with contextlib.ExitStack() as stack:
        fork_server = stack.enter_context(ForkServer()) if arguments.fork else None
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sps-demo-")))
        try:
            unpacked = unpack(arguments.zip, directory / "plugin")
            template = (unpacked / "default.cfg").read_text(encoding="utf-8")
        except (OSError, zipfile.BadZipFile) as error:
            raise CommandError(f"{arguments.zip} is not the zip of a plugin: {error}") from None
        console.say(f"Simulating SPS with {Path(arguments.zip).name}.")
        plugin = UnpackedPlugin(unpacked, "", fork_server=fork_server)
        server = None
        if own:
            plugin = plugin._replace(configuration=own.text, fixtures=own.fixtures)
        else:
            server = stack.enter_context(DemoServer())
            console.say(f"Started a RADIUS server on {server.address} port {server.port}.")
            template = configure(template, {"attribute": "Filter-Id"}, "gateway_groups")
            reached = {"server": server.address, "port": str(server.port), "secret": server.secret}
            plugin = plugin._replace(configuration=configure(template, reached))
        if arguments.ssh or arguments.telnet:
            status = functools.partial(_totp_status, server) if server else str
            frontend = Frontend(plugin, console, status, arguments.authenticated)
            if arguments.ssh:
                return serve_ssh(frontend, server, console, directory)
            return serve_telnet(frontend, server, console)
        if server and script:
            closed = stack.enter_context(closed_port(server.address))
            unreachable = dict(reached, port=str(closed), conn_timeout="1", conn_retries="1")
            recovery = configure(configure(template, unreachable), {"alice": RECOVERY_HASH}, "recovery_codes")
            cut_off = plugin._replace(configuration=recovery)
            return play_script(plugin, cut_off, server, console)
        play_terminal(plugin, server, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
