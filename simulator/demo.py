"""SPS on a terminal: log in through the built zip, a process per hook call, with the embedded RADIUS server.

`./demo.sh` starts it. Without a terminal, or with --script, it plays one login for each outcome and exits 1 if
any of them ends otherwise than it should. With --ssh or --telnet it is a gateway for clients of that protocol.
"""

import argparse
import functools
import getpass
import signal
import socket
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from . import front
from .console import Console, encodable
from .gateway import GatewayError, Session, UnexpectedQuestion, UnpackedPlugin, parse_login_name, unpack
from .server import DemoServer

LOGIN_PROMPT = "login name: "

Ask = Callable[[str, bool], str]
"""(prompt, whether to hide what is typed) -> what the user typed; EOFError when the user hangs up."""


def ask_terminal(prompt: str, hidden: bool) -> str:
    """Ask the person at the terminal, again if what comes is not text in the terminal's encoding."""
    while True:
        try:
            return getpass.getpass(encodable(prompt)) if hidden else input(encodable(prompt))
        except UnicodeDecodeError:
            print("That is not text. Again:", flush=True)


def configure(text: str, options: Mapping[str, str], section: str = "radius") -> str:
    """Return a configuration's text with these options in a section of it, in place of those it has."""
    header = "[{}]".format(section)
    wanted = ["{} = {}".format(name, value) for name, value in options.items()]
    lines: List[str] = []
    inside = ""
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip()
        elif inside == header and line.split("=")[0].strip() in options:
            continue
        lines.append(line)
        if line.strip() == header:
            lines += wanted
    return "\n".join(lines if header in lines else lines + [header] + wanted) + "\n"


def session_for(plugin: UnpackedPlugin, login_name: str) -> Session:
    """Return the SSH session of a user who connects with this login name, before any hook was called."""
    name = parse_login_name(login_name)
    return Session(plugin, server_username=name.server_username, key_value_pairs=name.pairs)


def play(session: Session, ask: Ask, console: Console) -> Dict[str, Any]:
    """Play a session from the first hook to the last, show what happens, and return authenticate's result.

    Raises GatewayError where SPS would end the session, and what `ask` raises; session_ended is called all the
    same.
    """

    def call(hook: Callable[..., Any], *arguments: str) -> Any:
        before = len(session.log)
        try:
            return hook(*arguments)
        finally:
            console.log(session.log[before:])

    def lines() -> str:
        return "log lines: {}".format(session.calls[-1].log.count("\n"))

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
            console.fact("authorize", "{}, {}".format(call(session.authorize)["verdict"], lines()))
    finally:
        call(session.end)
        console.fact("session_ended", lines())
    return dict(result)


class Scene(NamedTuple):
    """A login of the fixed set: what the user types, in order, and how it must end.

    `reason` is what the verdict's reason must contain, `asked` what one of the questions must contain.
    """

    outcome: str
    login_name: str
    answers: Sequence[str]
    verdict: str
    gateway_user: str = ""
    reason: str = ""
    asked: str = ""
    server_runs: bool = True

    def problem(self, result: Mapping[str, Any], session: Session) -> str:
        """Return how a played session differs from what must be; nothing if it does not."""
        if result["verdict"] != self.verdict:
            return "{} instead of {}".format(result["verdict"], self.verdict)
        if self.gateway_user and result.get("gateway_user") != self.gateway_user:
            return "the gateway user is not {}".format(self.gateway_user)
        if self.reason not in result.get("reason", ""):
            return "the reason does not say {!r}".format(self.reason)
        if not any(self.asked in question.prompt for question in session.questions) and self.asked:
            return "no question says {!r}".format(self.asked)
        if len(session.questions) != len(self.answers):
            return "{} questions instead of {}".format(len(session.questions), len(self.answers))
        return ""


def scenes(server: DemoServer) -> Iterator[Scene]:
    """Yield the fixed set of logins; each is made when it is wanted, as a TOTP code does not last."""
    alice, carol, bob = (server.users[name] for name in ("alice", "carol", "bob"))
    code, pin = (server.codes(user.name)[0] for user in (alice, carol))
    wrong, refused = ["111111", "222222", "333333"], "[too-many-attempts]"
    with_code = "gu=alice@otp={}@root".format(code)
    yield Scene("accepted with the code in the login name", with_code, [], "ACCEPT", "alice")
    yield Scene("accepted with the code asked for", "alice", [code], "ACCEPT", "alice")
    yield Scene("accepted after a wrong code", "alice", ["000000", code], "ACCEPT", "alice")
    yield Scene("accepted with a TOTP code", "tessa", [server.codes("tessa")[0]], "ACCEPT", "tessa")
    answers = [pin, carol.answer]
    yield Scene("accepted after a challenge", "carol", answers, "ACCEPT", "carol", asked=carol.challenge)
    yield Scene("accepted by push", "pusha", [""], "ACCEPT", "pusha")
    yield Scene("denied with the server's message", "bob", wrong, "DENY", reason=refused, asked=bob.refusal)
    yield Scene("denied, as the server does not know the user", "mallory", wrong, "DENY", reason=refused)
    unreachable = "The login service is not responding. Try again later or contact your help desk."
    yield Scene("denied, as there is no server", "alice", [code], "DENY", reason=unreachable, server_runs=False)
    yield Scene("accepted with the user name asked for", "", ["alice", code], "ACCEPT", "alice")


def play_script(plugin: UnpackedPlugin, cut_off: UnpackedPlugin, server: DemoServer, console: Console) -> int:
    """Play the fixed set of logins, return the exit status. `cut_off` is the plugin with no server to reach."""
    problems = []
    for number, scene in enumerate(scenes(server), 1):
        typed = list(scene.answers)

        def ask(prompt: str, hidden: bool, typed: List[str] = typed) -> str:
            if not typed:
                raise UnexpectedQuestion("no answer for {!r}".format(prompt))
            text = typed.pop(0)
            console.say(prompt + ("******" if hidden and text else text or "[Enter]"))
            return text

        console.say()
        console.say("== {}. {}".format(number, scene.outcome))
        console.say(LOGIN_PROMPT + scene.login_name)
        session = session_for(plugin if scene.server_runs else cut_off, scene.login_name)
        try:
            problem = scene.problem(play(session, ask, console), session)
        except GatewayError as error:
            problem = str(error)
        if problem:
            problems.append("{}. {}: {}".format(number, scene.outcome, problem))
    console.say()
    for problem in problems:
        console.say("NOT AS EXPECTED: {}".format(problem))
    console.say("{} of {} outcomes as expected.".format(number - len(problems), number))
    return 1 if problems else 0


def play_terminal(plugin: UnpackedPlugin, server: DemoServer, console: Console) -> None:
    """Log in again and again, until the login name is left empty or Ctrl-D or Ctrl-C is pressed."""
    _introduce(server, console)
    console.say("A login name may contain pairs: gu=alice@otp=123456@root")
    console.say("It may also be a pair alone, such as otp=123456. The plugin then asks for the user name.")
    console.say("Press Enter on an empty line to leave.")
    try:
        while True:
            console.say()
            login_name = ask_terminal(LOGIN_PROMPT, False).strip()
            if not login_name:
                return
            _log_in(plugin, login_name, console)
            console.say("({})".format(_news(server)))
    except (EOFError, KeyboardInterrupt):
        console.say()


def _introduce(server: DemoServer, console: Console) -> None:
    console.say("Login names, and what to type when asked:")
    for user in server.users.values():
        codes = server.codes(user.name)
        console.say("  {:<6} {}".format(user.name, user.hint.format(codes[0] if codes else "")))


def _news(server: DemoServer) -> str:
    return "tessa's code is now {}".format(server.codes("tessa")[0])


def _log_in(plugin: UnpackedPlugin, login_name: str, console: Console) -> None:
    try:
        play(session_for(plugin, login_name), ask_terminal, console)
    except GatewayError as error:
        console.say("SPS ends the session: {}".format(error))
    except EOFError:
        console.say("You hung up.")


def serve_ssh(plugin: UnpackedPlugin, server: Optional[DemoServer], console: Console, directory: Path) -> int:
    """Be a gateway for SSH clients until Ctrl-C; return the exit status. `directory` takes a known_hosts file.

    `server` is the demo's, None if the configuration names others.
    """
    from . import ssh  # asyncssh takes half a second

    return _serve(plugin, server, console, functools.partial(ssh.start, directory=directory))


def serve_telnet(plugin: UnpackedPlugin, server: Optional[DemoServer], console: Console) -> int:
    """Be a gateway for Telnet clients, likewise."""
    from . import telnet

    return _serve(plugin, server, console, telnet.start)


def _serve(plugin: UnpackedPlugin, server: Optional[DemoServer], console: Console, start: front.Start) -> int:
    def ready(listener: front.Listener) -> None:
        names = ("alice", "gu=alice@otp=123456@root", "otp=123456") if server else ("NAME",)
        console.say("The gateway listens on {} port {}. In another terminal:".format(front.ADDRESS, listener.port))
        for command in OrderedDict((listener.command(name), None) for name in names):
            console.say("  " + command)
        console.say(listener.remark)
        if server:
            _introduce(server, console)
        console.say("Ctrl-C ends it.")

    return front.run(front.Front(plugin, console, functools.partial(_news, server) if server else str), start, ready)


def free_port(address: str) -> int:
    """Return a UDP port on which nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m simulator.demo", description=__doc__.split("\n")[0])
    parser.add_argument("zip", help="the plugin, as built by build.sh")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--script", action="store_true", help="play a fixed set of logins, one for each outcome")
    how.add_argument("--ssh", action="store_true", help="be a gateway for SSH clients on loopback")
    how.add_argument("--telnet", action="store_true", help="be a gateway for Telnet clients on loopback")
    parser.add_argument("--configuration", metavar="FILE", help="with these servers, for a gateway")
    arguments = parser.parse_args()
    if arguments.configuration and not (arguments.ssh or arguments.telnet):
        parser.error("--configuration goes with --ssh or --telnet")
    console = Console()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, frame: sys.exit(128 + received))
    with tempfile.TemporaryDirectory(prefix="sps-demo-") as directory, DemoServer() as server:
        try:
            unpacked = unpack(arguments.zip, Path(directory, "plugin"))
            template = (unpacked / "default.cfg").read_text(encoding="utf-8")
        except (OSError, zipfile.BadZipFile) as error:
            parser.error("{} is not a plugin's zip: {}".format(arguments.zip, error))
        template = configure(template, {"attribute": "Filter-Id"}, "gateway_groups")
        reached = {"server": server.address, "port": str(server.port), "secret": server.secret}
        closed = dict(reached, port=str(free_port(server.address)), conn_timeout="1", conn_retries="1")
        plugin = UnpackedPlugin(unpacked, configure(template, reached))
        console.say("Standing in for SPS with {}.".format(Path(arguments.zip).name))
        ours: Optional[DemoServer] = server
        if arguments.configuration:
            ours = None
            try:
                plugin = plugin._replace(configuration=Path(arguments.configuration).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                parser.error("{} cannot be read: {}".format(arguments.configuration, error))
        else:
            console.say("The demo's RADIUS server answers on {} port {}.".format(server.address, server.port))
        if arguments.ssh:
            return serve_ssh(plugin, ours, console, Path(directory))
        if arguments.telnet:
            return serve_telnet(plugin, ours, console)
        if arguments.script or not sys.stdin.isatty():
            cut_off = plugin._replace(configuration=configure(template, closed))
            return play_script(plugin, cut_off, server, console)
        play_terminal(plugin, server, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
