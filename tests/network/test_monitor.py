"""`servers --monitor` against scripted servers: one line, and the exit status that Nagios and Icinga expect."""

import datetime
import re
import signal
from typing import Any, Callable, List

import pytest
from pytest_mock import MockerFixture

from lib.cli import monitor
from lib.cli.monitor import CERTIFICATE_DAYS
from lib.cli.servers import ProbeResult
from simulator.closed_port import closed_port
from tests.support import ROOT, tls_peer
from tests.support.certificates import Authority
from tests.support.command_line import CommandLine
from tests.support.misbehaving import (
    ACCEPT,
    FIRST,
    SECRET,
    Request,
    Server,
    answering,
    reply,
    silent,
)
from tests.support.plugin import STORE, section
from tests.support.tls_peer import Peer

OK, WARNING, CRITICAL, UNKNOWN = range(4)
NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
STORED = "hunter3 from the store"
AUTHORITY = Authority("the CA")
ACCESS_REQUEST, STATUS_SERVER = 1, 12
# label=value[unit];[warn];[crit];[min];[max] of the Monitoring Plugins Development Guidelines
DATUM = re.compile(r"[a-z0-9_-]+=-?[0-9.]+s?(;[0-9.:]*){0,4}\Z")


class Line:
    """The one line that the command printed, in its parts."""

    def __init__(self, status: int, out: str, err: str) -> None:
        assert err == "" and out.endswith("\n") and out.count("\n") == 1 and out.count("|") <= 1, (out, err)
        assert SECRET.decode("ascii") not in out and STORED not in out
        name, self.text = out.rstrip("\n").split(" - ", 1)
        assert name == "RADIUS " + NAMES[status]
        self.state = status
        self.text, _, data = self.text.partition(" | ")
        self.data = data.split()
        assert not [each for each in self.data if not DATUM.match(each)]


def watch(cli: CommandLine, configuration: str, *arguments: str, timeout: float = 60.0, **environment: str) -> Line:
    """Return the line for a configuration; no question can be answered."""
    path = cli.file(configuration)
    asked = cli.run("servers", "--monitor", "--timeout", str(timeout), path, *arguments, **environment)
    return Line(asked.status, asked.out, asked.err)


def test_every_server_is_usable(cli: CommandLine) -> None:
    with Server(answering(SECRET)) as first, Server(answering(SECRET)) as second:
        line = watch(cli, section(first) + section(second, "radius_2"))
    assert (line.state, line.text) == (OK, "2 of 2 addresses usable")
    labels = [re.sub(r"=[0-9.]+s;", "=Ns;", each) for each in line.data]
    assert labels == ["radius=Ns;;;0;60", "radius_2=Ns;;;0;60"]


def test_one_server_of_two_is_down(cli: CommandLine, down: str) -> None:
    with Server(answering(SECRET)) as server:
        line = watch(cli, down + section(server, "radius_2"))
    assert line.state == WARNING
    assert re.match(r"1 of 2 addresses usable; \[radius\] 127\.0\.0\.1:\d+: connection refused\Z", line.text)
    assert [each.partition("=")[0] for each in line.data] == ["radius_2"]


def test_no_server_is_usable(cli: CommandLine, down: str) -> None:
    assert watch(cli, down).state == CRITICAL
    lost = watch(cli, "[radius]\nserver=nosuch.invalid.\nsecret=x\n")
    assert lost.state == CRITICAL and "[radius] nosuch.invalid.: name resolution failed" in lost.text


@pytest.mark.slow
def test_every_server_without_a_valid_reply_is_listed(cli: CommandLine) -> None:
    with Server(silent) as dead, Server(answering(b"another secret")) as wrong:
        line = watch(cli, section(dead) + section(wrong, "radius_2"), timeout=2)
    assert (line.state, line.data) == (CRITICAL, [])
    assert f"[radius] 127.0.0.1:{dead.port}: no response in 2 s; " in line.text
    assert line.text.endswith(f"127.0.0.1:{wrong.port}: the server is up, but its shared secret differs")


def test_accounting_alone_logs_nobody_in(cli: CommandLine, down: str) -> None:
    with Server(answering(SECRET)) as server, Server(answering(SECRET, 5)) as other, closed_port() as closed:
        accounting = "[accounting]\nenabled=yes\nserver=127.0.0.1\nport={}\nsecret=sixteen octets!!\n"
        assert watch(cli, section(server) + accounting.format(closed)).state == WARNING
        line = watch(cli, down + accounting.format(other.port).replace("sixteen octets!!", SECRET.decode("ascii")))
    assert line.state == CRITICAL and line.text.startswith("1 of 2 addresses usable; ")


def signing(*codes: int) -> Callable[[Request], List[bytes]]:
    """Return a script that answers every request, but signs only replies to requests with these codes."""
    return lambda request: [reply(request, SECRET, ACCEPT, signature=FIRST if request.octets[0] in codes else None)]


@pytest.mark.parametrize(
    "signed, user, required, state",
    [
        ((ACCESS_REQUEST,), "", "yes", WARNING),  # nobody knows what it does with logins
        ((ACCESS_REQUEST,), "nobody", "yes", OK),
        ((STATUS_SERVER,), "nobody", "yes", CRITICAL),
        ((), "nobody", "yes", CRITICAL),
        ((), "nobody", "no", OK),
    ],
)
def test_unsigned_replies(cli: CommandLine, signed: Any, user: str, required: str, state: int) -> None:
    with Server(signing(*signed)) as server:
        configuration = section(server, require_message_authenticator=required)
        line = watch(cli, configuration, *(["--probe-user", user] if user else []))
    assert line.state == state
    assert ("so the plugin discards the reply" in line.text) == (state != OK)


def test_login_decides_about_a_server(cli: CommandLine) -> None:
    with Server(lambda request: answering(SECRET)(request) if request.octets[0] == STATUS_SERVER else []) as server:
        assert watch(cli, section(server)).state == OK
        assert watch(cli, section(server), "--probe-user", "nobody", timeout=0.5).state == CRITICAL


def over_tls(peer: Peer) -> str:
    return section(peer, transport="tls", ca_certificate=AUTHORITY.certificate)


@pytest.mark.parametrize("days, state", [(CERTIFICATE_DAYS - 1, WARNING), (CERTIFICATE_DAYS, OK)])
def test_certificate_near_its_end(cli: CommandLine, days: int, state: int) -> None:
    ends = datetime.timedelta(days=days, hours=12)
    with Peer(tls_peer.answering(), AUTHORITY.issue(ends=ends)) as peer:
        line = watch(cli, over_tls(peer))
    assert line.state == state
    assert f"radius-certificate-days={days};{CERTIFICATE_DAYS}:" in line.data
    assert (f"[radius] certificate expires in {days} days, on " in line.text) == (state == WARNING)


def test_certificate_that_does_not_verify(cli: CommandLine) -> None:
    with Peer(tls_peer.answering(), AUTHORITY.issue(ends=-datetime.timedelta(hours=1))) as peer:
        line = watch(cli, over_tls(peer))
    assert (line.state, line.data) == (CRITICAL, []) and ": the server's certificate " in line.text


def check_unknown(line: Line, text: str) -> None:
    """Check that the servers were not probed, for this reason."""
    assert (line.state, line.data) == (UNKNOWN, []) and text in line.text, line.text


def test_configuration_errors(cli: CommandLine) -> None:
    check_unknown(
        watch(cli, "[radius]\nport=0\nserver=a|b\x1b[31m\n"), "radius.cfg: the configuration has errors: radius.cfg:"
    )
    for path, text in (("nosuch|\x1b[2J\n", "No such file"), ("/dev/zero", "is a device")):
        asked = cli.run("servers", "--monitor", path)
        check_unknown(Line(asked.status, asked.out, asked.err), text)
    (cli.directory / "binary").write_bytes(b"\xff")
    asked = cli.run("servers", "--monitor", "binary")
    check_unknown(Line(asked.status, asked.out, asked.err), "binary:1: not UTF-8 text")


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["servers", "--monitor"], "arguments are required: FILE"),
        (["servers", "--monitor", "--json", "a.cfg"], "argument --json: not allowed with argument --monitor"),
        (["servers", "--monitor", "--timeout", "0", "a.cfg"], "argument --timeout: expected a number"),
        (["servers", "--monitor", "a.cfg", "more"], "unrecognized arguments: more"),
        (["check", "--monitor", "a.cfg"], "unrecognized arguments: --monitor"),
        (["--monitor"], "required"),
    ],
)
def test_usage_errors(cli: CommandLine, arguments: List[str], text: str) -> None:
    asked = cli.run(*arguments)
    check_unknown(Line(asked.status, asked.out, asked.err), text)


def test_help_is_whole(cli: CommandLine) -> None:
    asked = cli.run("servers", "--monitor", "--help")
    assert asked.status == 0 and asked.out.startswith("usage: ")
    assert f"less than {CERTIFICATE_DAYS} days" in " ".join(asked.out.split())


def test_secret_in_the_credential_store(cli: CommandLine) -> None:
    with Server(answering(STORED.encode("ascii"))) as server:
        stored = STORE + section(server, secret="$")
        check_unknown(watch(cli, stored), "[radius] secret: is in the Credential Store; set SPS_RADIUS_SECRET or use")
        assert watch(cli, stored, SPS_RADIUS_SECRET=STORED).state == OK
        secrets = cli.file(f"[radius]\nsecret={STORED}\n", "secrets.ini")
        assert watch(cli, stored, "--secret-file", secrets).text == "1 of 1 address usable"
        (cli.directory / secrets).chmod(0o644)
        line = watch(cli, stored, "--secret-file", secrets)
        assert line.state == OK and "; secrets.ini: warning: other users can read this file of secrets" in line.text


@pytest.mark.parametrize("error", [MemoryError("hunter3"), RuntimeError("hunter3"), OSError(24, "Too many open files")])
def test_no_failure_looks_like_a_state_of_the_servers(
    cli: CommandLine, mocker: MockerFixture, error: Exception
) -> None:
    mocker.patch("socket.getaddrinfo", side_effect=error)
    mocker.patch("socket.socket", side_effect=error)
    mocker.patch("time.monotonic", side_effect=error)
    line = watch(cli, "[radius]\nserver=127.0.0.1\nsecret=x\n")
    expected = "Too many open files" if isinstance(error, OSError) else "internal error: " + type(error).__name__
    check_unknown(line, expected)
    assert "hunter3" not in line.text


def test_interrupts(capsys: "pytest.CaptureFixture[str]") -> None:
    def probe(error: BaseException) -> monitor.Status:
        raise error

    for error, text in ((KeyboardInterrupt(), "interrupted"), (SystemExit(128 + signal.SIGTERM), "terminated")):
        status = monitor.run(lambda raised=error: probe(raised))  # type: ignore[misc]
        check_unknown(Line(status, *capsys.readouterr()), text)


def test_documented_commands(cli: CommandLine) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8").partition("\n## Monitor the servers\n")[2]
    with Server(answering(STORED.encode("ascii"))) as server:
        cli.file(STORE + section(server, secret="$"))
        secrets = cli.file(f"[radius]\nsecret={STORED}\n", "secrets.ini")
        (nagios,) = re.findall("command_line .*?[.]zip (.*)$", page, re.MULTILINE)
        (fixed,) = re.findall(r"  command = \[ (.*) \]$", page, re.MULTILINE)
        icinga = [*fixed.replace('"', "").split(", ")[2:], "--probe-user", "nobody", "--secret-file", secrets]
        for arguments in (nagios.replace("$ARG1$", "radius.cfg").replace("$ARG2$", secrets).split(), icinga):
            asked = cli.run(*arguments, *(["radius.cfg"] if arguments == icinga else []))
            assert Line(asked.status, asked.out, asked.err).state == OK
    (example,) = re.findall("^RADIUS .*$", page, re.MULTILINE)
    assert Line(WARNING, example + "\n", "").data == ["radius_2=0.001840s;;;0;5"]
    assert f"expires in less than {CERTIFICATE_DAYS} days" in page
    states = re.findall(r"^\| ([A-Z]+) \| ([0-9]) \|", page, re.MULTILINE)
    assert states == [(name, str(number)) for number, name in enumerate(NAMES)]


def test_a_long_text_keeps_the_performance_data() -> None:
    usable = ProbeResult("radius", "a", "192.0.2.1:1812", True, "responded", 0.0, seconds=0.25)
    lost = [usable._replace(section=f"radius_{n}", ok=False, text="x" * 50, code="network") for n in range(40)]
    status = monitor.status([usable, *lost], 5)
    line = Line(status.state, str(status) + "\n", "")
    assert line.state == WARNING and line.text.endswith("...") and line.data == ["radius=0.250000s;;;0;5"]
