"""Measures the cost of a login, as ratios within one run: `python -m bench`, in the environment of the tests.

With --write, also writes the ratios and the simulated times to docs/performance.md.
The floor is a plain AAPlugin that accepts, with the same Python and SDK, and run in the same way.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from lib.config.options import TUNNELED
from lib.radius.accounting import ACCOUNTING_RESPONSE, ACCT_SESSION_ID, START, Record
from lib.radius.client import timing_of
from lib.state.accounting_queue import AccountingQueue
from simulator.gateway import HOST, Session, UnpackedPlugin, unpack
from simulator.host import RESULT_FD
from simulator.server import DemoServer
from tests.support import tunnel
from tests.support.certificates import Authority, in_configuration
from tests.support.misbehaving import Request, Server, reply, silent
from tests.support.tls_peer import VERSION_1_1, Peer, answering
from tools import build

from . import figures, selection

CALLS = 40
SIMULATED = 2000
REAL = 20
STORM = 60
BACKLOG, ACCOUNTING_TIMEOUT = 998, 2  # records, and seconds; with those of the first two sessions, the queue is full
SECRET = b"the bench's own secret"

FLOOR = """#!/usr/bin/env pluginwrapper3
from safeguard.sessions.plugin import AAPlugin


class Plugin(AAPlugin):
    pass
"""


_tables: List[figures.Table] = []
"""The tables printed so far."""


class Cost(NamedTuple):
    """The cost of the process of a hook: CPU seconds and peak memory in KiB."""

    cpu: float
    memory: int


def cost(plugin: UnpackedPlugin, hook: str, arguments: Dict[str, Any]) -> Cost:
    """Run one hook in a process and return its cost."""
    document = {
        "plugin": str(plugin.directory),
        "configuration": plugin.configuration,
        "hook": hook,
        "arguments": arguments,
        "fixtures": {},
    }
    read_end, write_end = os.pipe()
    environment = dict(os.environ, SCB_PLUGIN_STATE_DIRECTORY=str(plugin.state_directory))
    environment[RESULT_FD] = str(write_end)
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        [plugin.python, HOST],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        pass_fds=(write_end,),
    )
    os.close(write_end)
    assert process.stdin is not None
    process.stdin.write(json.dumps(document).encode("ascii"))
    process.stdin.close()
    with open(read_end, "rb") as answers:
        answer = json.loads(answers.read().decode("ascii"))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if answer["error"]:
        raise RuntimeError(f"{hook}: {answer['error']}")
    return Cost(usage.ru_utime + usage.ru_stime, answer["peak_memory"])


Call = Tuple[UnpackedPlugin, str, Dict[str, Any]]
"""The arguments of `cost`."""


def compared(one: Call, other: Call) -> Tuple[Cost, Cost, float]:
    """Return the median costs of two calls, and the median ratio of their CPU times in pairs.

    The calls of a pair run one after the other, so that a temporarily slow machine affects both. The first pair, which
    writes byte code, does not count.
    """
    pairs = [(cost(*one), cost(*other)) for _ in range(1 + CALLS)][1:]
    median, another = (
        Cost(statistics.median(each.cpu for each in costs), int(statistics.median(each.memory for each in costs)))
        for costs in zip(*pairs)
    )
    return median, another, statistics.median(mine.cpu / theirs.cpu for mine, theirs in pairs)


def arguments(**known: Any) -> Dict[str, Any]:
    """Return what SPS passes to authenticate, of a user named alice."""
    values: Dict[str, Any] = dict(
        cookie={},
        session_cookie={},
        session_id="s",
        protocol="ssh",
        connection_name="c",
        client_ip="192.0.2.1",
        client_port=1,
        client_hostname=None,
        gateway_user="alice",
        gateway_domain=None,
        server_username="root",
        server_domain=None,
        key_value_pairs={},
    )
    values.update(known)
    return values


def hooks(ours: UnpackedPlugin, floor: UnpackedPlugin) -> None:
    """Print each hook's cost against the floor's."""
    target = dict(gateway_groups=[], server_ip="192.0.2.2", server_port=22, server_hostname=None)
    ended = dict(session_id="s", cookie={}, session_cookie={})
    cookie = {"username": "alice", "mfa_identity": "alice"}
    rows: List[Tuple[str, str, Dict[str, Any], Dict[str, Any]]] = [
        ("authenticate, asks", "authenticate", arguments(), arguments(key_value_pairs={"otp": "x"})),
        (
            "authenticate, RADIUS",
            "authenticate",
            arguments(key_value_pairs={"otp": "123456"}),
            arguments(key_value_pairs={"otp": "x"}),
        ),
        ("authorize", "authorize", arguments(cookie=cookie, **target), arguments(cookie=cookie, **target)),
        ("session_ended", "session_ended", ended, ended),
    ]
    heading("Hook", "CPU ms", "floor", "CPU ratio", "memory MiB", "floor", "memory ratio")
    for name, hook, mine, theirs in rows:
        a, b, ratio = compared((ours, hook, mine), (floor, hook, theirs))
        line(name, a.cpu * 1e3, b.cpu * 1e3, ratio, a.memory / 1024, b.memory / 1024, a.memory / b.memory)


def handshakes(zip_directory: pathlib.Path, scratch: pathlib.Path, udp: UnpackedPlugin) -> None:
    """Print the cost of a login over TLS, or in a tunnel over UDP, against PAP over UDP: each shakes hands."""
    authority = Authority("the bench's CA")
    ca = "ca_certificate=" + in_configuration(authority.certificate)
    client = "client_certificate=" + in_configuration(authority.issue(for_client=True).both)
    heading("Handshakes", "CPU ms", "PAP, UDP", "CPU ratio", "reply after ms", "PAP, UDP", "reply ratio")
    rows: List[Tuple[str, List[str], Dict[str, Any]]] = [
        ("RADIUS over TLS 1.3", [], {}),
        ("RADIUS over TLS 1.2", [], {"newest": "TLSv1_2"}),
        ("RADIUS over TLS 1.3, client certificate", [client], {"client_ca": authority}),
        ("RADIUS/1.1 over TLS 1.3", [], {"protocols": [VERSION_1_1]}),
    ]
    for name, options, abilities in rows:
        with Peer(answering(), authority.issue(), **abilities) as peer:
            configuration = section("radius", peer.port, "radsec", "transport=tls", ca, *options)
            handshake(name, UnpackedPlugin(zip_directory, configuration, state_directory=scratch / "tls"), udp)
    ca = "ca_certificate=" + in_configuration(tunnel.AUTHORITY.certificate)
    for method in TUNNELED:
        script = tunnel.TunnelScript(method, users={"alice": "123456"}, secret=SECRET)
        with Server(script) as server:
            options = ["auth_type=" + method, "tls_server_name=" + tunnel.NAME, ca]
            configuration = section("radius", server.port, SECRET.decode("ascii"), *options)
            plugin = UnpackedPlugin(zip_directory, configuration, state_directory=scratch / "tunnel")
            handshake(f"UDP, {method}", plugin, udp)


def handshake(name: str, plugin: UnpackedPlugin, udp: UnpackedPlugin) -> None:
    """Print a row of `handshakes`."""
    asked = ("authenticate", arguments(key_value_pairs={"otp": "123456"}))
    waits = [(until_reply(plugin), until_reply(udp)) for _ in range(REAL)]
    mine, over_udp = (statistics.median(each) for each in zip(*waits))
    a, b, ratio = compared((plugin,) + asked, (udp,) + asked)
    line(name, a.cpu * 1e3, b.cpu * 1e3, ratio, mine * 1e3, over_udp * 1e3, mine / over_udp)


def until_reply(plugin: UnpackedPlugin) -> float:
    """Return the seconds until one login had the reply of its server, including name resolution."""
    verdict = Session(plugin, key_value_pairs={"gu": "alice", "otp": "123456"}).log_in()
    if verdict["verdict"] != "ACCEPT":
        raise RuntimeError(verdict["reason"])
    return float(json.loads(verdict["additional_metadata"])["seconds"])


def time_to_verdict(plugin: UnpackedPlugin) -> float:
    """Return the seconds that one login takes."""
    started = time.monotonic()
    verdict = Session(plugin, key_value_pairs={"gu": "alice", "otp": "123456"}).log_in()
    if verdict["verdict"] != "ACCEPT":
        raise RuntimeError(verdict["reason"])
    return time.monotonic() - started


def _tried(plugin: UnpackedPlugin) -> Optional[float]:
    """Return the seconds that one login takes; None if no reply arrives."""
    try:
        return time_to_verdict(plugin)
    except RuntimeError:
        return None


def section(name: str, port: int, secret: str, *options: str) -> str:
    """Return the configuration of a server on loopback."""
    lines = [f"[{name}]", "server=127.0.0.1", f"port={port}", "secret=" + secret]
    return "\n".join(lines + list(options)) + "\n"


def failover(zip_directory: pathlib.Path, scratch: pathlib.Path, living: DemoServer) -> None:
    """Print the time to a verdict with a healthy server and with a dead one before it."""
    backup = section("radius_2", living.port, living.secret)

    def plugin(name: str, configuration: str) -> UnpackedPlugin:
        return UnpackedPlugin(zip_directory, configuration, state_directory=scratch / name)

    heading("Time to verdict", "seconds", "ratio to healthy")
    healthy = time_to_verdict(plugin("healthy", section("radius", living.port, living.secret)))
    line("healthy", healthy, 1.0)
    with Server(silent) as dead:
        one_dead = plugin("dead", section("radius", dead.port, "x") + backup)
        for name in ("first dead, not known", "first dead, known"):
            seconds = time_to_verdict(one_dead)
            line(name, seconds, seconds / healthy)
    dies = threading.Event()

    def knows_status(request: Request) -> List[bytes]:
        return [reply(request, SECRET)] if request.octets[0] == 12 and not dies.is_set() else []

    with Server(knows_status) as server:
        secret = SECRET.decode("ascii")
        slow = section("radius", server.port, secret, "conn_timeout=2", "conn_retries=2") + backup
        time_to_verdict(plugin("status", slow))  # learns that it answers Status-Server
        dies.set()
        seconds = time_to_verdict(plugin("status", slow.replace("conn_timeout=2", "conn_timeout=60")))
        line("first dead, known to answer Status-Server", seconds, seconds / healthy)


def backlog(zip_directory: pathlib.Path, scratch: pathlib.Path, living: DemoServer) -> None:
    """Print how long the records of an outage take once the server is back, and how much they delay each session.

    Two sessions run at a time, so that one logs in while the other one sends.
    """
    state = scratch / "backlog"
    queue = AccountingQueue(str(state))
    now = time.time()
    for number in range(BACKLOG):
        queue.add(Record(START, now - number, f"queued {number}", "alice"))

    def session(name: str) -> float:
        """Return the seconds that a login takes, up to the end of authorize."""
        opened = Session(plugin, session_id=name, key_value_pairs={"gu": "alice", "otp": "123456"})
        started = time.monotonic()
        if opened.log_in()["verdict"] != "ACCEPT" or opened.authorize()["verdict"] != "ACCEPT":
            raise RuntimeError(opened.log)
        return time.monotonic() - started

    with Server(lambda request: [reply(request, SECRET, ACCOUNTING_RESPONSE, signature=None)]) as server:
        configuration = section("radius", living.port, living.secret)
        own = section("accounting", server.port, SECRET.decode("ascii"), "enabled=yes", f"timeout={ACCOUNTING_TIMEOUT}")
        with ThreadPoolExecutor(2) as pool:
            plugin = UnpackedPlugin(zip_directory, configuration + own, state_directory=scratch / "no-backlog")
            usual = statistics.median(pool.map(session, ["usual"] * REAL))
            before = len(server.requests)
            plugin = UnpackedPlugin(zip_directory, configuration + own, state_directory=state)
            started = time.monotonic()
            delays: List[float] = []
            while any((state / "accounting").glob("*-Start-*")):
                names = [f"new {len(delays) + each}" for each in range(2)]
                delays += [each - usual for each in pool.map(session, names)]
            took = time.monotonic() - started
    received = Counter(request.values(ACCT_SESSION_ID)[0] for request in server.requests[before:])
    if set(received.values()) != {1} or len(received) != BACKLOG + len(delays):
        raise RuntimeError("a record is lost or was sent twice")
    heading(
        f"{BACKLOG + 2:,} records queued, server back",
        "seconds to empty",
        "sessions",
        "median delay",
        "longest",
        "timeout",
    )
    line("", took, len(delays), statistics.median(delays), max(delays), ACCOUNTING_TIMEOUT)


def server_selection() -> None:
    """Print what a dead server and lost packets cost, in simulated time."""
    heading("Server selection, simulated", "measured", "limit", "ratio to limit")
    for name, measured, limit in selection.rows():
        line(name, measured, limit, measured / limit)


def losses(zip_directory: pathlib.Path, scratch: pathlib.Path) -> None:
    """Print how long a login takes if the network loses packets, equally in both directions."""
    heading(
        "Packets lost",
        "simulated: median",
        "simulated: 95th percentile",
        "failed ratio",
        "real: median",
        "real: 95th percentile",
    )
    for percent in (10, 30, 50):
        chance = random.Random(percent)
        times = selection.loss_times(timing_of(selection.defaults()), percent / 100, SIMULATED)
        arrived = sorted(each for each in times if each is not None)

        def lossy(request: Request, chance: random.Random = chance, loss: float = percent / 100) -> Sequence[bytes]:
            return [] if chance.random() < 1 - (1 - loss) ** 2 else [reply(request, SECRET)]

        with Server(lossy) as server:
            configuration = section(
                "radius", server.port, SECRET.decode("ascii"), "conn_retries=8", "status_check=none"
            )
            plugin = UnpackedPlugin(zip_directory, configuration, state_directory=scratch / "loss")
            with ThreadPoolExecutor(2) as pool:
                tries = list(pool.map(_tried, [plugin] * REAL))
            real = sorted(each for each in tries if each is not None)
        line(
            f"{percent} %",
            statistics.median(arrived),
            arrived[int(len(arrived) * 0.95)],
            1 - len(arrived) / len(times),
            statistics.median(real),
            real[int(len(real) * 0.95)],
        )


def storm(ours: UnpackedPlugin, floor: UnpackedPlugin) -> None:
    """Print logins per second with many at once."""

    def rate(log_in: Callable[[int], Any]) -> float:
        started = time.monotonic()
        with ThreadPoolExecutor(STORM) as pool:
            list(pool.map(log_in, range(STORM)))
        return STORM / (time.monotonic() - started)

    bare = rate(lambda _: Session(floor, key_value_pairs={"gu": "alice", "otp": "123456"}).log_in())
    mine = rate(lambda _: time_to_verdict(ours))
    heading("Storm", "logins/s", "floor", "ratio")
    line(f"{STORM} logins at once", mine, bare, mine / bare)


def heading(*cells: str) -> None:
    """Print the header of a table."""
    _tables.append(figures.Table(cells, []))
    print(f"\n{cells[0]:<42}" + "".join(f"{cell:>{_width(cell)}}" for cell in cells[1:]))


def line(name: str, *numbers: float) -> None:
    """Print a row of a table."""
    cells, rows = _tables[-1]
    rows.append((name, numbers))
    widths = map(_width, cells[1:])
    print(f"{name:<42}" + "".join(f"{number:>{width}.3f}" for number, width in zip(numbers, widths)), flush=True)


def _width(cell: str) -> int:
    """Return the width of the column with this header."""
    return max(18, len(cell) + 2)


def main() -> int:
    """Build the zip, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write the figures to {figures.PAGE.name}")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the floor has byte code: most of it is an installed package
    with tempfile.TemporaryDirectory(prefix="sps-bench-") as name:
        scratch = pathlib.Path(name)
        if build.main(["--output", str(scratch)]) != 0:
            return 1
        directory = unpack(next(scratch.glob("*.zip")), scratch / "plugin")
        bare = scratch / "floor"
        bare.mkdir()
        (bare / "main.py").write_text(FLOOR, encoding="ascii")
        with DemoServer() as server:
            configuration = section("radius", server.port, server.secret)
            ours = UnpackedPlugin(directory, configuration, state_directory=scratch / "state")
            floor = UnpackedPlugin(bare, "", state_directory=scratch / "floor-state")
            machine = f"Python {sys.version.split()[0]} on {os.cpu_count()} cores"
            print(machine)
            hooks(ours, floor)
            handshakes(directory, scratch, ours)
            failover(directory, scratch, server)
            backlog(directory, scratch, server)
            server_selection()
            losses(directory, scratch)
            storm(ours, floor)
    if arguments.write:
        figures.write(machine, _tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
