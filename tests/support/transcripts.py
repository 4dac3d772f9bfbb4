"""Writes docs/transcripts.md from logins with ssh and telnet: `python -m tests.support.transcripts`.

Fixed text replaces addresses, ports and times, which change with every run.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Tuple

from simulator.closed_port import closed_port
from simulator.demo import RECOVERY_CODE, RECOVERY_HASH
from tests.support import ROOT
from tests.support.clients import LEAVE, NAME_PROMPT, PASSWORD_PROMPT, Gateway, Person, by_ssh, by_telnet
from tests.support.plugin import refused

DOCUMENT = ROOT / "docs" / "transcripts.md"

_INTRODUCTION = """\
# What users see

After reading this page, you know what users see during a login in SSH and in Telnet.

- The users are those of the demo (`./demo.sh --ssh`, `./demo.sh --telnet`). The clients are OpenSSH's ssh and Debian's
  telnet. `bastion` stands for the address of the gateway.
- The plugin hides the answers to its questions. Below each login, this page lists the hidden input.
- In the logins with a recovery code, SPS has authenticated the user before the plugin runs.
- The demo prints the lines from `Access granted` on. SPS would connect the user to the server at that point.

`python -m tests.support.transcripts` generates this page from real sessions.
"""


class Scene(NamedTuple):
    """A login: the login name, and each question with its answer.

    Without `server_runs`, no RADIUS server responds, and with `has_codes`, SPS has authenticated the user, who has a
    recovery code.
    """

    title: str
    login_name: str
    answers: Tuple[Tuple[str, str], ...]
    server_runs: bool = True
    has_codes: bool = False


_RIGHT = (PASSWORD_PROMPT, "123456")
_RECOVERY = ("Enter a recovery code: ", RECOVERY_CODE)
_WRONG = (PASSWORD_PROMPT, "111111")
SSH = (
    Scene("A one-time code", "alice", (_RIGHT,)),
    Scene("A wrong code, then the right one", "alice", (_WRONG, _RIGHT)),
    Scene("Three rejected attempts, with a message from the server", "bob", (_WRONG, _WRONG, _WRONG)),
    Scene(
        "A challenge: the PIN, then the code from the token", "carol", ((PASSWORD_PROMPT, "4711"), ("token ", "246810"))
    ),
    Scene("A push", "pusha", ((PASSWORD_PROMPT, ""),)),
    Scene("The code in the login name, with another server user", "gu=alice@otp=123456@root", ()),
    Scene("No user name in the login name", "otp=123456", ((NAME_PROMPT, "alice"),)),
    Scene("No RADIUS server responds", "alice", (_RIGHT,), server_runs=False),
    Scene(
        "No RADIUS server responds, and the user has a recovery code",
        "alice",
        (_RIGHT, _RECOVERY),
        server_runs=False,
        has_codes=True,
    ),
    Scene("The same recovery code again", "alice", (_RIGHT, *3 * [_RECOVERY]), server_runs=False, has_codes=True),
)
TELNET = (
    Scene("A one-time code", "alice", (_RIGHT,)),
    Scene("The code in the login name, with another server user", "gu=alice@otp=123456@root", ()),
    Scene("No user name", "", ((NAME_PROMPT, "alice"), _RIGHT)),
    Scene("Three rejected attempts, with a message from the server", "bob", (_WRONG, _WRONG, _WRONG)),
)


def document(ssh: str, telnet: str, plugin_zip: Path, directory: Path) -> str:
    """Play the logins with these clients and return the text of the document; `directory` must be empty."""
    gateways = {}
    for name in ("ssh", "telnet", "down", "recovery"):
        (directory / name).mkdir()
        gateways[name] = directory / name
    parts = [_INTRODUCTION, "## SSH\n"]
    with closed_port() as port, contextlib.ExitStack() as running:
        codes = f"[recovery_codes]\nalice={RECOVERY_HASH}\n"

        def start(name: str, configuration: Optional[str] = None, fork: bool = False, *options: str) -> Gateway:
            return running.enter_context(Gateway("ssh", plugin_zip, gateways[name], configuration, fork, options))

        down = refused(port)
        reached, cut_off = start("ssh", fork=True), start("down", down)
        recovering = start("recovery", down + codes, True, "--authenticated")
        for scene in SSH:
            gateway = reached if scene.server_runs else recovering if scene.has_codes else cut_off
            with by_ssh(ssh, gateway, scene.login_name) as person:
                parts += _played(scene, person, f"ssh {scene.login_name}@bastion")
    parts.append("## Telnet\n")
    with Gateway("telnet", plugin_zip, gateways["telnet"], fork=True) as gateway:
        for scene in TELNET:
            with by_telnet(telnet, gateway) as person:
                person.sees("Username: ").types(scene.login_name)
                parts += _played(scene, person, "telnet bastion")
    return "\n".join(parts)


def _played(scene: Scene, person: Person, command: str) -> Iterator[str]:
    for question, answer in scene.answers:
        person.sees(question).types(answer)
    # Either the page, or the end of the client
    if person.terminal.expect_exact([LEAVE, "closed by foreign host", "Disconnected from"]) == 0:
        person.types("")
    person.to_the_end()
    yield f"### {scene.title}\n"
    yield f"```\n$ {command}\n{with_fixed_text(person.shown)}```\n"
    typed = [f"`{answer}`" if answer else "Enter alone" for _, answer in scene.answers]
    if typed:
        yield "Hidden input: {}.\n".format(", ".join(typed))


def with_fixed_text(shown: str) -> str:
    """Return the output with fixed text in place of the parts that change with every run."""
    for pattern, fixed in (
        (r'"server": "127\.0\.0\.1:\d+"', '"server": "192.0.2.1:1812"'),
        (r'"seconds": [\d.]+', '"seconds": ...'),
        (r"127\.0\.0\.1 port \d+", "192.0.2.10 port 22"),
        (r"Trying 127\.0\.0\.1", "Trying 192.0.2.10"),
        (r"127\.0\.0\.1", "bastion"),
        (r" +$", ""),
    ):
        shown = re.sub(pattern, fixed, shown, flags=re.MULTILINE)
    return shown


def main() -> int:
    """Write the document; return the exit status."""
    from tools import build

    clients: List[str] = []
    for name in ("ssh", "telnet"):
        path = shutil.which(name)
        if path is None:
            print(f"{name} is not installed", file=sys.stderr)
            return 1
        clients.append(path)
    with tempfile.TemporaryDirectory(prefix="transcripts-") as directory, tempfile.TemporaryDirectory() as output:
        if build.main(["--output", output]) != 0:
            return 1
        text = document(clients[0], clients[1], next(Path(output).glob("*.zip")), Path(directory))
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
