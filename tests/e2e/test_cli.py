"""The zip's own command line, as an admin runs it: with nothing but Python, and with secrets that never show."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from typing import Any, Dict, Iterator, List, Optional, Sequence

import pytest

from lib import __version__, reasons
from lib.cli import check, listing
from lib.config.options import SECTIONS
from tests.support.clients import SAFETY_LIMIT, Person
from tests.support.misbehaving import ACCEPT, CHALLENGE, REJECT, Request, Server, answering, closed_port, reply, silent
from tests.support.plugin import OpenSession, code, metadata, prompts, radius_section
from tests.support.radiusd import FreeRadius
from tools import documents

SECRET = b"secret of the misbehaving server"
PASSWORD = "hunter2 and more"
STORED = "hunter3 from the store"
PROMPT = "one-time password: "
# Neither the environment nor any package: what the zip does not bring is not there.
ISOLATED = (sys.executable, "-I", "-S")
# Coverage is a package. Where it is taken the zip runs with it, and without it in the tests of isolation only.
TRACED = (
    sys.executable,
    "-c",
    "import coverage, runpy, sys; coverage.process_startup(); del sys.argv[0];"
    " runpy.run_path(sys.argv[0], run_name='__main__')",
)
PYTHON = TRACED if "COVERAGE_PROCESS_START" in os.environ else ISOLATED


class Ended:
    """What came of a command: its exit status, and what it wrote where."""

    def __init__(self, process: "subprocess.CompletedProcess[bytes]") -> None:
        self.status = process.returncode
        self.out = process.stdout.decode("utf-8")
        self.err = process.stderr.decode("utf-8")
        assert "Traceback" not in self.err, self.err
        assert "\x1b" not in self.out + self.err

    @property
    def document(self) -> Dict[str, Any]:
        """The JSON that it printed."""
        return dict(json.loads(self.out))


class Zip:
    """The zip, and a folder for configurations."""

    def __init__(self, path: pathlib.Path, directory: pathlib.Path) -> None:
        self.path = path
        self.directory = directory

    def file(self, text: str, name: str = "radius.cfg") -> str:
        """Write a file and return its path."""
        path = self.directory / name
        path.write_bytes(text.encode("utf-8"))
        return str(path)

    def run(self, *arguments: str, stdin: str = "", python: Sequence[str] = PYTHON, **environment: str) -> Ended:
        """Run the zip where there is no terminal."""
        return Ended(
            subprocess.run(
                [*python, str(self.path), *arguments],
                input=stdin.encode("utf-8"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment(**environment),
                cwd=str(self.directory),
                timeout=SAFETY_LIMIT,
                start_new_session=True,
            )
        )

    def person(self, *arguments: str, **environment: str) -> Person:
        """Return a person at a terminal who has typed this command."""
        return Person(PYTHON[0], [*PYTHON[1:], str(self.path), *arguments], dict(environment))

    @staticmethod
    def environment(**more: str) -> Dict[str, str]:
        """Return the environment of a process: ours in UTF-8, and more."""
        return {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8", **more}


@pytest.fixture
def cli(plugin_zip: pathlib.Path, tmp_path: pathlib.Path) -> Zip:
    return Zip(plugin_zip, tmp_path)


def section(misbehaving: Server, name: str = "radius", **options: object) -> str:
    """Return a section for a misbehaving server."""
    values: Dict[str, object] = dict(server=misbehaving.host, port=misbehaving.port, secret=SECRET.decode("ascii"))
    values.update(options)
    return "[{}]\n".format(name) + "".join("{}={}\n".format(*pair) for pair in values.items())


# The command line itself


class TestUsage:
    def test_help_of_everything(self, cli: Zip) -> None:
        asked = cli.run("--help")
        assert (asked.status, asked.err) == (0, "")
        assert asked.out.startswith("usage: python3 {} [-h] [--version] COMMAND ...\n".format(cli.path.name))
        for command in ("check", "servers", "try", "options"):
            assert re.search("^ +{} ".format(command), asked.out, re.MULTILINE)
            own = cli.run(command, "--help")
            assert own.status == 0
            assert own.out.startswith("usage: python3 {} {} ".format(cli.path.name, command))

    def test_version(self, cli: Zip) -> None:
        assert cli.run("--version").out == "SPS_RADIUS {}\n".format(__version__)

    @pytest.mark.parametrize(
        "arguments, words",
        [
            ([], "the following arguments are required: COMMAND"),
            (["chek"], "invalid choice: 'chek'"),
            (["check"], "the following arguments are required: FILE"),
            (["check", "--json", "--nothing", "x"], "unrecognized arguments: --nothing"),
            (["try", "x", "--protocol", "http"], "invalid choice: 'http'"),
            (["try", "x", "--client-ip", "here"], "argument --client-ip: expected an IP address"),
            (["servers", "x", "--timeout", "0"], "argument --timeout: expected seconds, at most 300"),
            (["servers", "x", "--timeout", "soon"], "argument --timeout: expected seconds, at most 300"),
            (["servers", "x", "--probe-user", ""], "argument --probe-user: expected a user name: it is empty"),
            (["servers", "x", "--probe-user", "a\x07"], "expected a user name: it holds a control character"),
            (["options", "--format", "yaml"], "invalid choice: 'yaml'"),
        ],
    )
    def test_wrong_use(self, cli: Zip, arguments: List[str], words: str) -> None:
        refused = cli.run(*arguments)
        assert (refused.status, refused.out) == (2, "")
        assert refused.err.startswith("usage: python3 ")
        assert words in refused.err

    @pytest.mark.parametrize("command", ["check", "servers", "try"])
    def test_missing_file(self, cli: Zip, command: str) -> None:
        refused = cli.run(command, "nowhere.cfg")
        words = "python3 {}: error: nowhere.cfg: No such file or directory\n".format(cli.path.name)
        assert (refused.status, refused.out, refused.err) == (2, "", words)

    def test_directory_instead_of_a_file(self, cli: Zip) -> None:
        refused = cli.run("check", str(cli.directory))
        assert (refused.status, refused.out) == (2, "")
        assert refused.err.endswith(": Is a directory\n")

    @pytest.mark.parametrize("command", ["servers", "try"])
    def test_file_that_is_not_text(self, cli: Zip, command: str) -> None:
        (cli.directory / "x.cfg").write_bytes(b"[radius]\nserver=\xff\n")
        refused = cli.run(command, "x.cfg")
        assert (refused.status, refused.out) == (2, "")
        assert refused.err.endswith("error: x.cfg:2: is not UTF-8\n")

    def test_reader_that_goes_away(self, cli: Zip) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as closed:
            ended = subprocess.run(
                [*PYTHON, str(cli.path), "options"], stdout=closed, stderr=subprocess.PIPE, timeout=SAFETY_LIMIT
            )
        assert (ended.returncode, ended.stderr) == (141, b"")

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
    def test_output_that_cannot_be_written(self, cli: Zip) -> None:
        with open("/dev/full", "wb") as full:
            ended = subprocess.run(
                [*PYTHON, str(cli.path), "options"], stdout=full, stderr=subprocess.PIPE, timeout=SAFETY_LIMIT
            )
        assert ended.returncode != 0
        assert b"No space left on device" in ended.stderr

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_streams_that_are_closed(self, cli: Zip, closed: str) -> None:
        configuration = cli.file(CLEAN)
        for words in ("check {}".format(configuration), "check -", "check nowhere.cfg", "servers nowhere.cfg"):
            command = "exec {} {} {} {}".format(shlex.quote(ISOLATED[0]), shlex.quote(str(cli.path)), words, closed)
            ended = Ended(
                subprocess.run(
                    ["sh", "-c", command],
                    input=CLEAN.encode("ascii"),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=cli.environment(),
                    cwd=str(cli.directory),
                    timeout=SAFETY_LIMIT,
                )
            )
            unusable = "nowhere" in words or ("-" in words.split() and "<&-" in closed)
            assert ended.status == (2 if unusable else 0)
        closed_input = cli.run("check", "-", python=("sh", "-c", 'exec "$0" "$@" <&-', ISOLATED[0]))
        assert closed_input.err.endswith(": error: standard input: is closed\n")

    def test_terminal_that_knows_ascii_only(self, cli: Zip) -> None:
        configuration = cli.file("[radius]\nserver=a\nsecret={}\nsecrét=x\n".format(PASSWORD))
        checked = cli.run("check", configuration, python=ISOLATED[:1], PYTHONIOENCODING="ascii:strict")
        assert "secr\\xe9t: unknown option; did you mean secret?" in checked.out

    def test_unpacked_zip_runs_too(self, cli: Zip, unpacked_zip: pathlib.Path) -> None:
        ended = Zip(unpacked_zip, cli.directory).run("--version", python=ISOLATED)
        assert (ended.status, ended.out) == (0, "SPS_RADIUS {}\n".format(__version__))


class TestIsolation:
    """Each command without any package, whatever the other tests run with."""

    def test_check(self, cli: Zip) -> None:
        checked = cli.run("check", cli.file(CLEAN), python=ISOLATED)
        assert (checked.status, checked.err) == (0, "")

    def test_options(self, cli: Zip) -> None:
        assert cli.run("options", python=ISOLATED).status == 0

    def test_servers_and_try(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server:
            configuration = cli.file(section(server) + "[auth]\ninteractive_protocols=\n")
            assert cli.run("servers", configuration, python=ISOLATED).status == 0
            # Nobody can be asked, so it is a push.
            tried = cli.run("try", configuration, "--user", "alice", python=ISOLATED)
        assert (tried.status, tried.err) == (0, "")

    def test_mschapv2_brings_its_own_ciphers(self, cli: Zip, freeradius: FreeRadius) -> None:
        own = radius_section(freeradius, auth_type="mschapv2") + "[auth]\ninteractive_protocols=\n"
        tried = cli.run("try", cli.file(own), "--user", "alice", python=ISOLATED)
        assert (tried.status, tried.err) == (1, "")
        assert "    MS-CHAP2-Response = <hidden, 50 octets>\n" in tried.out

    def test_python_that_is_too_old_is_told_so(self, cli: Zip) -> None:
        with zipfile.ZipFile(str(cli.path)) as archive:
            source = archive.read("__main__.py").decode("ascii")
        before, _, _ = source.partition("from lib")
        old = "import sys; sys.version_info = (3, 5); sys.version = '3.5.2 (default)'\n" + before
        ended = subprocess.run([*ISOLATED, "-c", old], stderr=subprocess.PIPE, timeout=SAFETY_LIMIT)
        assert ended.returncode == 1
        assert ended.stderr == b"Python 3.6 or newer is needed; this is 3.5.2" + os.linesep.encode("ascii")


# check


CLEAN = "[radius]\nserver=radius.example.com\nsecret=sixteen octets!!\n[lockout]\nmax_failures=5\n"


def found(text: str) -> List[str]:
    """Return what check says of a text, a line each, without the file's name."""
    return [line[len("file") :].lstrip(":") for line in check.report("file", check.findings(text))[:-1]]


LEAST = "[radius]\nserver=a\nsecret=sixteen octets!!\n[lockout]\nmax_failures=5\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", [" error: [radius] server: is missing", " error: [radius] secret: is missing"]),
        (
            "[auth]\n\n[radius]\nport = 0\n",
            [
                "3: error: [radius] server: is missing",
                "3: error: [radius] secret: is missing",
                "4: error: [radius] port: expected a whole number from 1 to 65535",
                "3: note: [radius]: unlike with the vendor's plugin, typed codes are hidden ([auth] disable_echo=no: "
                "shown), and replies must carry a Message-Authenticator (require_message_authenticator=no: need not)",
            ],
        ),
        (LEAST + "[radious]\na=b\n", ["6: warning: [radious]: unknown section; did you mean radius?"]),
        (LEAST + "max_failurs=5\n", ["6: error: [lockout] max_failurs: unknown option; did you mean max_failures?"]),
        (LEAST + "[auth]\nport=5\n", ["7: warning: [auth] port: unknown option; it belongs in [radius]"]),
        (
            LEAST + "[auth]\nmax_attempts=many\n",
            ["7: error: [auth] max_attempts: expected a whole number from 1 to 100"],
        ),
        (
            LEAST.replace("server=a", "auth_type=pep\nserver=a"),
            ["2: error: [radius] auth_type: expected one of pap, chap, mschapv2; did you mean pap?"],
        ),
        ("x\n" + LEAST, ["1: error: is before the first [section]"]),
        (LEAST + "x\n", ["6: error: is not `option = value`"]),
        (
            LEAST + "scope=user\n  goes on\nscope=client\n",
            [
                "6: error: [lockout] scope: given twice, again in line 8",
                "6: error: [lockout] scope: expected one of user, client, both",
            ],
        ),
        (
            LEAST + "[challenge_answers]\n# c\n(=1\n",
            ["8: error: [challenge_answers]: invalid regular expression: missing ), unterminated subpattern"],
        ),
        (
            LEAST.replace("sixteen octets!!", "fifteen octets!"),
            [
                "3: warning: [radius] secret: is shorter than the 16 octets that RFC 2865 asks for",
            ],
        ),
        (LEAST + "[radius_2]\nserver=b\nsecret=\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\n", []),  # 16 octets
        (
            LEAST + "[radius_2]\nserver=b\nsecret=x\n",
            [
                "8: warning: [radius_2] secret: is shorter than the 16 octets that RFC 2865 asks for",
            ],
        ),
        (
            LEAST + "[radius_2]\nrequire_message_authenticator=No\nserver=b\n",
            [
                "7: warning: [radius_2] require_message_authenticator: is no: replies can be forged (CVE-2024-3596)",
            ],
        ),
        (
            LEAST.replace("server=a", "server=a\nconn_timeout=200\nconn_retries=2"),
            [
                "3: warning: [radius] conn_timeout: the servers' timeouts add up to 400 s; SPS stops a plugin after "
                "300 s",
            ],
        ),
        (
            LEAST.replace("server=a", "server=a\nconn_timeout=200\nconn_retries=1"),
            [
                "3: warning: [radius] conn_timeout: times conn_retries is 200 s, but total_timeout ends the wait after "
                "150 s",
            ],
        ),
        (
            LEAST.replace("server=a", "server=a\ndictionary_path=/etc/x"),
            [
                "3: warning: [radius] dictionary_path: has no effect: the dictionary is built into the plugin",
            ],
        ),
        (
            LEAST + "[https-proxy]\nserver=proxy\nport=3128\n",
            [
                "6: warning: [https-proxy]: has no effect: RADIUS does not use HTTP",
            ],
        ),
        (
            LEAST + "[auth]\ninteractive_protocols=ssh,http\n",
            [
                "7: warning: [auth] interactive_protocols: SPS can ask in rdp, ssh, telnet only, and a login by "
                "another protocol would hang",
            ],
        ),
        (
            LEAST + "[accounting]\nenabled=no\nserver=b\n",
            [
                "8: warning: [accounting] server: has no effect without enabled=yes",
            ],
        ),
        (
            LEAST.replace("max_failures", "window"),
            [
                "5: warning: [lockout] window: has no effect without max_failures=a number",
            ],
        ),
        (
            LEAST + "[radius_2]\nserver=A\n",
            ["7: warning: [radius_2] server: is the same server and port as one before it"],
        ),
        (
            LEAST + "[radius_2]\nserver=b\nstatus_check=none\nstatus_check_after=1\n",
            [
                "9: warning: [radius_2] status_check_after: has no effect with status_check=none",
            ],
        ),
        (
            LEAST + "[radius_2]\nserver=b\nstatus_check_after=15\nretransmit_after=15\n",
            [
                "8: warning: [radius_2] status_check_after: is as long as conn_timeout times conn_retries, 15 s: the "
                "server is given up before it is asked",
                "9: warning: [radius_2] retransmit_after: is as long as conn_timeout times conn_retries, 15 s: nothing "
                "is sent again",
            ],
        ),
        (
            LEAST + "[radius_2]\nserver=192.0.2.1\nsource_ip=::1\n",
            [
                "8: warning: [radius_2] source_ip: is an address of the other IP version than the server's",
            ],
        ),
        (
            LEAST + "[gateway_groups]\nattribute=Filter-Ip\n",
            [
                "7: error: [gateway_groups] attribute: unknown attribute; did you mean Filter-Id?",
            ],
        ),
        (
            LEAST + "[gateway_groups]\npattern=x\n",
            ["7: error: [gateway_groups] pattern: requires [gateway_groups] attribute"],
        ),
        (
            LEAST.replace("secret=sixteen octets!!", "secret=$"),
            [
                "3: error: [radius] secret: `$` requires [credential_store] name",
            ],
        ),
        (
            LEAST.replace("sixteen octets!!", "$") + "[credential_store]\nname=s\n[auth]\nmax_attempts=$\n",
            [
                "3: note: [radius] secret: from the Credential Store, not checked here",
                "9: note: [auth] max_attempts: from the Credential Store, not checked here",
            ],
        ),
        (LEAST + "[ldap_server]\nname=$\n", ["7: error: [ldap_server] name: `$` requires [credential_store] name"]),
        (
            LEAST + "[DEFAULT]\nrequire_message_authenticator=no\n",
            [
                "7: warning: [radius] require_message_authenticator: is no: replies can be forged (CVE-2024-3596)",
            ],
        ),
        (
            "\ufeff" + LEAST.replace("\n", "\r\n") + "\r\nscope=nobody\r\n",
            [
                "7: error: [lockout] scope: expected one of user, client, both",
            ],
        ),
        (LEAST + "[b\x1b[31mad\u202e]\n", ["6: warning: [bad]: unknown section"]),
        (LEAST + "[Radius_2]\n", ["6: warning: [Radius_2]: unknown section; did you mean radius_2?"]),
        (
            LEAST + "[Whitelist]\nname=x\n",
            ["6: warning: [Whitelist]: unknown section; did you mean whitelist source=user_list?"],
        ),
        (
            LEAST + "[connection_limit]\nlimit=3\n",
            [
                "6: warning: [connection_limit]: unknown section; did you mean connection_limit "
                "by=client_ip_gateway_user?",
            ],
        ),
        (
            LEAST.replace("server=a", "server=10.0.0.1, 10.0.0.2"),
            [
                "2: error: [radius] server: expected one host name or address; put each further server into its own "
                "section",
            ],
        ),
    ],
)
def test_findings(text: str, expected: List[str]) -> None:
    assert sorted(found(text)) == sorted(expected)


@pytest.mark.parametrize(
    "doubtful",
    [
        "[radius]\nserver=a\nsecret=sixteen octets!!\nconn_timeout=200\nconn_retries=1\n",
        "[radius]\nconn_timeout=200\nconn_retries=1\n",
        "[radius]\nserver=a\nserver=b\nsecret=sixteen octets!!\nconn_timeout=200\nconn_retries=1\n[radius]\n",
        "[radius]\nserver=a b\nsecret=$\nport=x\nconn_timeout=200\nconn_retries=1\n",
    ],
)
@pytest.mark.parametrize(
    "wrong",
    [
        "[auth]\nmax_attempts=no\n",
        "[gateway_groups]\npattern=(\n[radius_attributes]\nNo-Such = 1\n[question_2]\nkey=otp\n",
        "[radius_attributes]\nNAS-Identifier =\nNAS-IP-Address =\n",
        "[radius_2]\nserver=c d\nconn_timeout=1\nport=x\n[auth]\nmax_attempts=no\n",
        "[accounting]\nenabled=yes\nserver=c d\n",
        "[whitelist source=ldap_server_group]\nallow=all_users\n[ldap_server]\nname=x\n",
    ],
)
def test_an_error_hides_no_doubt(doubtful: str, wrong: str) -> None:
    whole = doubtful + wrong
    if "[auth]" not in wrong:
        whole += "[auth]\nmax_attempts=no\n"
    whole += "interactive_protocols=ssh,http\n"
    warnings = [re.sub("^[0-9]+: ", "", each) for each in found(whole) if ": warning: " in each]
    assert warnings == [
        "warning: [radius] conn_timeout: times conn_retries is 200 s, but total_timeout ends the wait after 150 s",
        "warning: [auth] interactive_protocols: SPS can ask in rdp, ssh, telnet only, and a login by another protocol "
        "would hang",
    ]


def test_where_the_transport_is_unclear_nothing_is_said_to_have_no_effect() -> None:
    assert found(LEAST.replace("server=a", "server=a\ntransport=tsl\nca_certificate=x\nport=1")) == [
        "3: error: [radius] transport: expected one of udp, tls; did you mean tls?"
    ]


def test_findings_come_by_line() -> None:
    lines = [finding.line for finding in check.findings("[auth]\nx=1\n" + LEAST + "y=1\n[radius_2]\nserver=a\nz=1\n")]
    assert lines == sorted(lines) and len(lines) >= 3


def test_vendors_configuration_is_told_what_changed() -> None:
    vendors = "[radius]\nserver=a\nsecret=sixteen octets!!\nconn_timeout=5\n[auth]\nprompt=OTP\n[logging]\n"
    (note,) = found(vendors)
    assert note.startswith("1: note: [radius]: unlike with the vendor's plugin, typed codes are hidden")
    (note,) = found(vendors.replace("prompt=OTP", "disable_echo=no"))
    assert "disable_echo" not in note and "Message-Authenticator" in note
    assert found(vendors + "[radius_2]\nserver=b\n") == []


class TestCheck:
    def test_clean(self, cli: Zip) -> None:
        checked = cli.run("check", cli.file(CLEAN), "--strict")
        assert (checked.status, checked.err) == (0, "")
        assert checked.out.endswith("radius.cfg: 0 errors, 0 warnings\n")

    @pytest.mark.parametrize("strict, status", [([], 0), (["--strict"], 1)])
    def test_warnings(self, cli: Zip, strict: List[str], status: int) -> None:
        cli.file(CLEAN + "[auth]\nx=1\n")
        checked = cli.run("check", *strict, "radius.cfg")
        assert (checked.status, checked.err) == (status, "")
        assert checked.out == ("radius.cfg:7: warning: [auth] x: unknown option\nradius.cfg: 0 errors, 1 warning\n")

    @pytest.mark.parametrize("strict", [[], ["--strict"]])
    def test_errors(self, cli: Zip, strict: List[str]) -> None:
        cli.file("[radius]\n")
        checked = cli.run("check", *strict, "radius.cfg")
        assert (checked.status, checked.err) == (2, "")
        assert checked.out.endswith("\nradius.cfg: 2 errors, 0 warnings; the plugin would deny every session\n")

    def test_standard_input(self, cli: Zip) -> None:
        checked = cli.run("check", "-", stdin=CLEAN + "max_failures=6\n")
        assert checked.status == 2
        assert checked.out.startswith("standard input:5: error: [lockout] max_failures: given twice, again in line 6\n")

    def test_json(self, cli: Zip) -> None:
        checked = cli.run("check", "--json", cli.file(CLEAN + "[auth]\nx=1\n", "x.cfg"))
        assert checked.status == 0
        finding = {"level": "warning", "line": 7, "section": "auth", "option": "x", "text": "unknown option"}
        assert checked.document == {
            "file": str(cli.directory / "x.cfg"),
            "errors": 0,
            "warnings": 1,
            "notes": 0,
            "findings": [finding],
        }

    def test_file_that_is_not_text(self, cli: Zip) -> None:
        (cli.directory / "x.cfg").write_bytes(b"[radius]\nserver=a\nsecret=\xff\n")
        checked = cli.run("check", "x.cfg")
        assert (checked.status, checked.out.splitlines()[0]) == (2, "x.cfg:3: error: is not UTF-8")
        assert cli.run("check", "--json", "x.cfg").document["findings"][0]["line"] == 3

    def test_default_cfg_lacks_the_server_only(self, cli: Zip) -> None:
        checked = cli.run("check", cli.file(listing.default_cfg()))
        assert re.findall("(?:error|warning): .*", checked.out) == [
            "error: [radius] server: is empty",
            "error: [radius] secret: `$` requires [credential_store] name",
        ]

    def test_no_secret_is_printed_whatever_is_wrong(self, cli: Zip) -> None:
        """The same text as the value of every option, and in lines that are no options at all."""
        text = PASSWORD + "\n"
        for each in SECTIONS:
            text += "[{}]\n".format(each.name.replace("_N", "_2"))
            text += "".join("{}={}\n".format(option.name, PASSWORD) for option in each.options)
        text += "{0}\n[challenge_answers]\n({0}\n({0} = {0}\n[radius_dictionary]\nx={0}\n".format(PASSWORD)
        text += "[radius_attributes]\nUser-Password={0}\nClass = {{{0}\n".format(PASSWORD)
        checked = cli.run("check", cli.file(text))
        assert checked.status == 2 and len(checked.out.splitlines()) > 50
        assert PASSWORD not in checked.out + checked.err
        assert PASSWORD not in cli.run("check", "--json", cli.file(text)).out

    @pytest.mark.parametrize(
        "environment, colours",
        [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
        ids=["colour", "NO_COLOR", "dumb"],
    )
    def test_colour_on_a_terminal(self, cli: Zip, environment: Dict[str, str], colours: bool) -> None:
        with cli.person("check", cli.file("[radius]\n"), **environment) as person:
            assert person.to_the_end() == 2
        assert ("\x1b[31merror\x1b[0m: [radius] server" in person.shown) == colours
        assert ("\x1b" in person.shown) == colours

    def test_example_in_the_readme_is_what_is_printed(self, cli: Zip) -> None:
        cli.file(documents.EXAMPLE)
        printed = cli.run("check", "radius.cfg").out
        assert documents.example() in documents.README.read_text(encoding="utf-8")
        assert documents.example().endswith("radius.cfg\n{}```\n".format(printed))


# options


class TestOptions:
    def test_the_shipped_files_are_its_output(self, cli: Zip) -> None:
        cfg = cli.run("options", "--format", "cfg").out
        assert cfg == documents.DEFAULT_CFG.read_text(encoding="utf-8")
        with zipfile.ZipFile(str(cli.path)) as archive:
            assert archive.read("default.cfg").decode("utf-8") == cfg
        rows = cli.run("options", "--format", "markdown").out.splitlines()
        shipped = (documents.ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines()
        assert set(rows) <= set(shipped) and len(rows) > 60

    def test_text_has_every_option_with_its_default_and_help(self, cli: Zip) -> None:
        listed = cli.run("options")
        assert listed.status == 0
        words = " ".join(listed.out.split())
        for each in SECTIONS:
            assert "[{}]".format(each.name) in listed.out
            for option in each.options if not each.first else ():
                assert " ".join(option.help.split()) in words
                assert "\n  {}  (".format(option.name) in listed.out
                assert option.default in listed.out
        assert max(map(len, listed.out.splitlines())) <= 140


# servers


def facts(cli: Zip, configuration: str, *arguments: str, **environment: str) -> Dict[str, Dict[str, Any]]:
    """Return what `servers` found out, by section; the last address of each."""
    asked = cli.run("servers", "--json", "--timeout", "1", cli.file(configuration), *arguments, **environment)
    assert asked.err == ""
    document = asked.document["servers"]
    assert asked.status == (0 if all(each["ok"] for each in document) else 1)
    assert SECRET.decode("ascii") not in asked.out
    return {each["section"]: each for each in document}


class TestServers:
    def test_freeradius(self, cli: Zip, freeradius: FreeRadius) -> None:
        seen = len(freeradius.requests())
        asked = cli.run("servers", cli.file(radius_section(freeradius)), "--nas-identifier", "bastion-1")
        assert (asked.status, asked.err) == (0, "")
        line = r"\[radius\] 127\.0\.0\.1:{}: ok: Status-Server answered after [\d.]+ ms, with Message-Authenticator\n"
        assert re.fullmatch(line.format(freeradius.port), asked.out)
        requests = freeradius.requests()[seen:]
        assert [request.code for request in requests] == ["Status-Server"]
        assert requests[0].get("NAS-Identifier") == "bastion-1"
        assert requests[0].get("NAS-IP-Address") == "127.0.0.1"

    def test_nas_identifier_of_any_length(self, cli: Zip, freeradius: FreeRadius) -> None:
        asked = cli.run("servers", cli.file(radius_section(freeradius)), "--nas-identifier", "ü" * 200)
        assert (asked.status, asked.err) == (0, "")
        assert freeradius.requests()[-1].get("NAS-Identifier") == "ü" * 126

    def test_old_freeradius(self, cli: Zip, freeradius: FreeRadius) -> None:
        old = radius_section(freeradius, port=freeradius.old_port)
        refused = facts(cli, old)["radius"]
        assert (refused["ok"], refused["signed"], refused["code"]) == (False, False, "no-message-authenticator")
        assert "so the plugin drops it: update the server" in refused["text"]
        accepted = facts(cli, old + "require_message_authenticator=no\n")["radius"]
        assert (accepted["ok"], accepted["signed"], accepted["code"]) == (True, False, "")
        assert "can be forged" in accepted["text"]

    def test_accounting(self, cli: Zip, freeradius: FreeRadius) -> None:
        both = radius_section(freeradius) + "[accounting]\nenabled=yes\nport={}\n".format(freeradius.acct_port)
        found = facts(cli, both)
        assert sorted(found) == ["accounting", "radius"]
        assert found["accounting"]["address"].endswith(":{}".format(freeradius.acct_port))
        both = both.replace("enabled=yes\n", "enabled=yes\nserver=localhost\n")
        assert facts(cli, both)["accounting"]["server"] == "localhost"

    def test_every_address_of_a_name(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server:
            asked = cli.run("servers", "--timeout", "1", cli.file(section(server, server="localhost")))
        lines = asked.out.splitlines()
        assert re.match(r"\[radius\] 127\.0\.0\.1:\d+ \(localhost, found in [\d.]+ ms\): ok: ", lines[-1] + lines[0])
        with Server(answering(SECRET)) as server:
            numeric = cli.run("servers", cli.file(section(server)))
        assert "(127.0.0.1" not in numeric.out

    def test_name_that_is_nowhere(self, cli: Zip) -> None:
        lost = facts(cli, "[radius]\nserver=nosuch.invalid.\nsecret=x\n")["radius"]
        assert (lost["ok"], lost["code"], lost["address"]) == (False, "name-lookup", "")
        assert lost["text"].startswith("name look-up failed")

    def test_closed_port(self, cli: Zip, down: str) -> None:
        closed = facts(cli, down)["radius"]
        assert (closed["code"], closed["text"]) == (
            "connection-refused",
            "the host is there, but nothing listens on this port",
        )

    def test_silence_says_what_it_cannot_tell(self, cli: Zip) -> None:
        with Server(silent) as server:
            dead = facts(cli, section(server))["radius"]
            assert len(server.requests) > 1 and len({each.octets for each in server.requests}) == 1
        assert (dead["ok"], dead["code"], dead["signed"]) == (False, "no-reply", None)
        for words in ("down", "client", "another secret", "RFC 3579", "not answer Status-Server", "--probe-user"):
            assert words in dead["text"]

    def test_freeradius_with_another_secret_is_silent(self, cli: Zip, freeradius: FreeRadius) -> None:
        assert facts(cli, radius_section(freeradius, secret="not that secret"))["radius"]["code"] == "no-reply"

    def test_wrong_secret_where_the_server_answers(self, cli: Zip) -> None:
        with Server(answering(b"another secret")) as server:
            configuration = section(server)
            wrong = facts(cli, configuration)["radius"]
            told = cli.run("servers", "--timeout", "1", cli.file(configuration)).out
        assert (wrong["ok"], wrong["code"]) == (False, "wrong-secret")
        assert wrong["text"].startswith("it lives, and its secret is another one")
        assert "    [radius] 127.0.0.1:" in told and "dropped " in told

    def test_something_else_answers(self, cli: Zip) -> None:
        with Server(lambda request: [b"\x1b[31mHTTP/1.1 400 Bad Request, as you like it"]) as server:
            odd = facts(cli, section(server))["radius"]
        assert (odd["code"], odd["text"]) == ("bad-reply", "something answers, but not to what it was asked")

    def test_dropped_replies_before_the_right_one(self, cli: Zip) -> None:
        with Server(lambda request: [b"junk", reply(request, SECRET)]) as server:
            odd = facts(cli, section(server))["radius"]
        assert odd["ok"] and "dropped 1 reply" in odd["details"][0]

    def test_reply_to_the_second_send(self, cli: Zip) -> None:
        with Server(lambda request: [reply(request, SECRET)] if request.number else []) as server:
            late = facts(cli, section(server, retransmit_after=0.05))["radius"]
        assert late["ok"] and late["sends"] > 1
        assert " and {} sends".format(late["sends"]) in late["text"]

    def test_source_ip_that_is_not_ours(self, cli: Zip) -> None:
        with Server(silent) as server:
            lost = facts(cli, section(server, source_ip="192.0.2.1"))["radius"]
        assert lost["code"] == "network" and "cannot send" in lost["text"]

    @pytest.mark.parametrize("verdict", [ACCEPT, REJECT, CHALLENGE])
    def test_probe_user_finds_out_about_a_server_without_status(self, cli: Zip, verdict: int) -> None:
        def as_nps(request: Request) -> List[bytes]:
            return [reply(request, SECRET, verdict)] if request.octets[0] == 1 else []

        with Server(as_nps) as server:
            probed = facts(cli, section(server), "--probe-user", "nobody")["radius"]
            names = {each.values(1)[0] for each in server.requests if each.octets[0] == 1}
            passwords = [each.password(SECRET) for each in server.requests if each.octets[0] == 1]
        assert (probed["ok"], probed["answered"], probed["signed"]) == (True, "login", True)
        assert "a login, not Status-Server, answered" in probed["text"]
        assert names == {b"nobody"}
        assert len(passwords[0]) == 24

    def test_probe_user_and_silence(self, cli: Zip) -> None:
        with Server(silent) as server:
            dead = facts(cli, section(server), "--probe-user", "nobody")["radius"]
        assert (dead["ok"], dead["code"]) == (False, "no-reply")
        assert "--probe-user" not in dead["text"] and "not answer Status-Server" not in dead["text"]

    def test_probe_user_is_not_asked_for_where_status_is_answered(self, cli: Zip, freeradius: FreeRadius) -> None:
        assert facts(cli, radius_section(freeradius), "--probe-user", "probed")["radius"]["ok"]
        assert freeradius.requests("probed") == []

    def test_one_bad_server_of_several(self, cli: Zip, freeradius: FreeRadius) -> None:
        with closed_port() as port:
            found = facts(cli, radius_section(freeradius) + "[radius_2]\nport={}\n".format(port))
        assert [found["radius"]["ok"], found["radius_2"]["ok"]] == [True, False]

    def test_configuration_with_errors(self, cli: Zip) -> None:
        cli.file("[radius]\nserver=a\nsecret=b\nport=c\n[auth]\nmax_attempts=0\n")
        refused = cli.run("servers", "radius.cfg")
        assert (refused.status, refused.out) == (2, "")
        assert refused.err.splitlines() == [
            "python3 {}: error: radius.cfg: the plugin would refuse it:".format(cli.path.name),
            "radius.cfg:4: error: [radius] port: expected a whole number from 1 to 65535",
            "radius.cfg:6: error: [auth] max_attempts: expected a whole number from 1 to 100",
            "2 errors; `check` says what else is doubtful",
        ]

    def test_progress_on_a_terminal_only(self, cli: Zip) -> None:
        with Server(answering(SECRET)) as server, cli.person("servers", cli.file(section(server))) as person:
            assert person.to_the_end() == 0
        assert "[radius] asking 127.0.0.1:" in person.shown
        assert "\x1b[32mok\x1b[0m" in person.shown


# Secrets of the Credential Store


@contextlib.contextmanager
def stored() -> Iterator[str]:
    """A configuration whose secret is in the Credential Store, and is STORED for the server that runs."""
    with Server(answering(STORED.encode("ascii"))) as server:
        yield section(server, secret="$")


class TestStore:
    def test_environment(self, cli: Zip) -> None:
        with stored() as configuration:
            assert facts(cli, configuration, SPS_RADIUS_SECRET=STORED)["radius"]["ok"]

    def test_file(self, cli: Zip) -> None:
        secrets = cli.file("[radius]\nsecret = {}\n".format(STORED), "secrets.ini")
        with stored() as configuration:
            assert facts(cli, configuration, "--secret-file", secrets)["radius"]["ok"]
            # A file stands for the whole store.
            both = configuration + "[auth]\npush_password=$\n"
            refused = cli.run("servers", cli.file(both), "--secret-file", secrets, SPS_AUTH_PUSH_PASSWORD="x")
        assert refused.status == 2
        assert "[auth] push_password: the Credential Store has no password for host=auth" in refused.err

    def test_terminal(self, cli: Zip) -> None:
        with stored() as configuration, cli.person("servers", cli.file(configuration)) as person:
            person.sees("[radius] secret (Enter if the Credential Store has none): ").types(STORED)
            assert person.to_the_end() == 0
        assert STORED not in person.shown

    def test_terminal_where_the_store_has_none(self, cli: Zip) -> None:
        with stored() as configuration, cli.person("servers", cli.file(configuration)) as person:
            person.sees("has none): ").types("")
            assert person.to_the_end() == 2
        assert "[radius] secret: the Credential Store has no password for host=radius user=secret" in person.shown

    def test_end_of_input_is_no_secret(self, cli: Zip) -> None:
        with stored() as configuration, cli.person("servers", cli.file(configuration)) as person:
            person.sees("has none): ").presses("\x04")
            assert person.to_the_end() == 2

    def test_second_server_has_the_first_ones(self, cli: Zip) -> None:
        with stored() as configuration, Server(answering(STORED.encode("ascii"))) as second:
            both = configuration + "[radius_2]\nport={}\n".format(second.port)
            with cli.person("servers", cli.file(both)) as person:
                person.sees("[radius] secret", ": ").types(STORED)
                person.sees("[radius_2] secret", ": ").types("")
                assert person.to_the_end() == 0

    def test_second_server_has_the_first_ones_from_the_environment_too(self, cli: Zip) -> None:
        with stored() as configuration, Server(answering(STORED.encode("ascii"))) as second:
            both = configuration + "[radius_2]\nport={}\n".format(second.port)
            found = facts(cli, both, SPS_RADIUS_SECRET=STORED)
            assert [found["radius"]["ok"], found["radius_2"]["ok"]] == [True, True]
            with cli.person("servers", cli.file(both), SPS_RADIUS_SECRET=STORED) as person:
                assert person.to_the_end() == 0
            own = cli.run("servers", cli.file(both + "secret=$\n"), SPS_RADIUS_SECRET=STORED)
        assert own.status == 2
        assert "[radius_2] secret: the Credential Store has no password for host=radius_2 user=secret" in own.err

    def test_neither_terminal_nor_file(self, cli: Zip) -> None:
        with stored() as configuration:
            refused = cli.run("servers", cli.file(configuration))
        assert (refused.status, refused.out) == (2, "")
        words = "[radius] secret: comes from the Credential Store; here: --secret-file or SPS_RADIUS_SECRET\n"
        assert words in refused.err

    def test_configuration_from_standard_input(self, cli: Zip) -> None:
        """Then the terminal is still there to be asked on."""
        command = 'cat radius.cfg | "$@"'
        with stored() as configuration:
            cli.file(configuration)
            arguments = ["-c", command, "sh", *PYTHON, str(cli.path), "servers", "-"]
            with Person("/bin/sh", arguments, cwd=str(cli.directory)) as person:
                person.sees("has none): ").types(STORED)
                assert person.to_the_end() == 0

    @pytest.mark.parametrize("text", [STORED + "\n", "[radius\nsecret=" + STORED, "[radius]\n" + STORED])
    def test_file_that_is_no_ini(self, cli: Zip, text: str) -> None:
        refused = cli.run("servers", cli.file(LEAST), "--secret-file", cli.file(text, "secrets.ini"))
        assert (refused.status, refused.out) == (2, "")
        assert "secrets.ini: expected [section] and `option = secret` below it, but line " in refused.err
        assert STORED not in refused.err

    def test_file_that_is_not_there(self, cli: Zip) -> None:
        refused = cli.run("try", cli.file(LEAST), "--secret-file", "nowhere")
        assert refused.err == "python3 {}: error: nowhere: No such file or directory\n".format(cli.path.name)

    def test_file_that_is_not_text(self, cli: Zip) -> None:
        (cli.directory / "secrets").write_bytes(b"\xff")
        refused = cli.run("try", cli.file(LEAST), "--secret-file", "secrets")
        assert refused.err.endswith("error: secrets:1: is not UTF-8\n")


# try


def tried(cli: Zip, configuration: str, *arguments: str, **environment: str) -> Person:
    return cli.person("try", cli.file(configuration), *arguments, **environment)


def told(person: Person, name: str) -> str:
    """Return a fact of the verdict."""
    facts = re.findall("^    {} +(.*)$".format(name), person.shown, re.MULTILINE)
    assert len(facts) == 1, person.shown
    return str(facts[0])


def packets(person: Person) -> List[str]:
    """Return the lines that tell of packets, without what differs from run to run."""
    lines = re.findall(r"^(To|From) (\[\w+\]) \S+?(?: after [\d.]+ s)?: (.*)$", person.shown, re.MULTILINE)
    return [
        "{} {} {}".format(way, place, re.sub(r"identifier \d+", "identifier N", what)) for way, place, what in lines
    ]


class TestTry:
    def test_wrong_then_right(self, cli: Zip, radius: str) -> None:
        groups = radius + "[gateway_groups]\nattribute=Filter-Id\n"
        with tried(cli, groups, "--user", "alice", "--client-ip", "192.0.2.7") as person:
            person.sees(PROMPT).types(PASSWORD)
            person.sees("Authentication failed: Wrong code. 2 attempts left.\n", PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert PASSWORD not in person.shown and "correct horse" not in person.shown
        assert [line.split(",")[0] for line in packets(person)] == [
            "To [radius] Access-Request",
            "From [radius] Access-Reject",
            "To [radius] Access-Request",
            "From [radius] Access-Accept",
        ]
        for line in (
            "    Message-Authenticator = <hidden, 16 octets>\n",
            "    User-Name = alice\n",
            "    User-Password = <hidden, 16 octets>\n",
            "    Calling-Station-Id = 192.0.2.7\n",
            "    NAS-Port-Type = Virtual\n",
            "    Filter-Id = admins\n",
            "    Class = OU=ops;\n",
            "\x1b[32mACCEPT\x1b[0m\n",
        ):
            assert line in person.shown
        assert "log: info: RADIUS: Access-Reject for alice from [radius] " in person.shown
        assert (told(person, "gateway user"), told(person, "gateway groups")) == ("alice", "admins")
        verdict = json.loads(told(person, "metadata"))
        assert (verdict["attempts"], verdict["rounds"], verdict["method"]) == (2, 0, "pap")

    def test_verdict_and_requests_are_those_of_the_plugin(
        self, cli: Zip, radius: str, freeradius: FreeRadius, open_session: OpenSession
    ) -> None:
        own = (
            radius + "add_suffix=@example.com\n[radius_attributes]\nCisco-AVPair = {protocol} {client_ip} {username}\n"
        )
        own += "[usermapping source=explicit]\nbob = bob.smith\n[messages]\ntoo-many-attempts = Go away: {reason}!\n"
        before = len(freeradius.requests())
        session = open_session(own, server_username="bob", client_ip="192.0.2.7", connection_name="here")
        verdict = session.log_in("1", "2", "3")
        here = ["--user", "bob", "--client-ip", "192.0.2.7", "--connection", "here"]
        with tried(cli, own, *here) as person:
            for _ in range(3):
                person.sees(PROMPT).types("x")
            assert person.to_the_end() == 1
        assert told(person, "reason") == verdict["reason"]
        tried_metadata = json.loads(told(person, "metadata"))
        assert {**tried_metadata, "seconds": 0} == {**metadata(verdict), "seconds": 0}
        assert told(person, "what to do") == reasons.DENIALS[code(verdict)].remedy
        plugins, ours = freeradius.requests()[before : before + 3], freeradius.requests()[before + 3 :]
        assert len(ours) == 3

        def lasting(attributes: List[Any]) -> List[Any]:
            return [each for each in attributes if each[0] not in ("Message-Authenticator", "User-Password")]

        assert [lasting(each.attributes) for each in ours] == [lasting(each.attributes) for each in plugins]
        assert ours[0].get("User-Name") == "bob.smith@example.com"
        asked = [prompt.replace("\n", "\r\n") for prompt in prompts(session)]
        assert all(prompt.replace("\r\n", "\n") in person.shown for prompt in asked)

    def test_challenges_echo_as_the_server_says(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius, "--user", "pin3") as person:
            person.sees(PROMPT).types("1111")
            person.sees("Question 1 of 3 ").types("one")
            person.sees("Question 2 of 3 ").types("two")
            person.sees("two\n", "Question 3 of 3 ").types("three")
            assert person.to_the_end() == 0
        for hidden in ("1111", "one\n", "three"):
            assert hidden not in person.shown.replace("Question", "")
        assert "    State = <hidden, 16 octets>\n" in person.shown
        assert "    Prompt = No-Echo\n" in person.shown
        assert json.loads(told(person, "metadata"))["rounds"] == 3

    def test_state_goes_back_and_is_never_shown(self, cli: Zip) -> None:
        state, password = b"State of the server", b"\x1b[31mEnter \xe9 code\x07"

        def challenging(request: Request) -> List[bytes]:
            if request.values(24):
                return [reply(request, SECRET, ACCEPT if request.values(24) == [state] else REJECT)]
            return [reply(request, SECRET, CHALLENGE, [(24, state), (18, password), (69, b"\1\x80\1secret")])]

        with Server(challenging) as server, tried(cli, section(server), "--user", "alice") as person:
            person.sees(PROMPT).types(PASSWORD)
            person.sees("Enter \ufffd code ").types(PASSWORD)
            assert person.to_the_end() == 0
        assert state.decode() not in person.shown and "\x07" not in person.shown and "\x1b[31m" not in person.shown
        assert "    Tunnel-Password = <hidden, 9 octets>\n" in person.shown
        assert "    Reply-Message = Enter \ufffd code\n" in person.shown

    def test_push_by_enter_alone(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius, "--user", "push-fast") as person:
            person.sees(PROMPT).types("")
            assert person.to_the_end() == 0

    def test_protocol_without_questions(self, cli: Zip, radius: str) -> None:
        configuration = radius + "[auth]\ninteractive_protocols=ssh\n"
        ended = cli.run("try", cli.file(configuration), "--user", "push-fast", "--protocol", "telnet")
        assert (ended.status, ended.err) == (0, "")
        assert "    Connect-Info = telnet\n" in ended.out

    def test_user_name_that_is_asked_for(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius) as person:
            person.sees("User name: ").types("alice")
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert "    User-Name = alice\n" in person.shown
        before, _, _ = person.shown.partition(PROMPT)
        assert "alice" not in before

    def test_gateway_user_goes_first(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius, "--user", "root", "--gateway-user", "alice") as person:
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert (told(person, "gateway user"), told(person, "gateway groups")) == ("alice", "those that SPS knows")

    @pytest.mark.parametrize(
        "more, name",
        [
            ("", "alice"),
            ("[ignore_upn_suffix_for_rdp]\nignore=false\n", "alice@corp"),
            ("[username_transform]\nappend_domain=example.com\n", "alice@example.com"),
            ("[username_transform]\nappend_domain=\n[usermapping source=explicit]\nalice=$$\n", "$"),
        ],
    )
    def test_names_as_the_sdk_makes_them(self, cli: Zip, more: str, name: str) -> None:
        with Server(answering(SECRET)) as server:
            with tried(cli, section(server) + more, "--user", "alice@corp", "--protocol", "rdp") as person:
                person.sees(PROMPT).types("x")
                assert person.to_the_end() == 0
            assert server.requests[0].values(1) == [name.encode("ascii")]

    def test_name_that_is_mapped_by_the_credential_store(self, cli: Zip) -> None:
        more = "[usermapping source=explicit]\nalice=$\n"
        with Server(answering(SECRET)) as server:
            secrets = cli.file("[usermapping source=explicit]\nalice=smith\n", "secrets")
            with tried(cli, section(server) + more, "--user", "Alice", "--secret-file", secrets) as person:
                person.sees(PROMPT).types("x")
                assert person.to_the_end() == 0
            assert server.requests[0].values(1) == [b"smith"]

    @pytest.mark.parametrize("user, more", [("a/b", ""), ("alice", "[usermapping source=explicit]\nalice=a\u202eb\n")])
    def test_name_that_cannot_be_used(self, cli: Zip, down: str, user: str, more: str) -> None:
        ended = cli.run("try", cli.file(down + more), "--user", user)
        assert ended.status == 1
        assert "[bad-username]" in ended.out

    def test_mschapv2(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius + "auth_type=mschapv2\n", "--user", "alice") as person:
            person.sees(PROMPT).types(PASSWORD).sees("Wrong user name or password", PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        for name in ("MS-CHAP-Challenge", "MS-CHAP2-Response", "MS-CHAP-Error", "MS-CHAP2-Success"):
            assert re.search("^    {} = <hidden, [0-9]+ octets>$".format(name), person.shown, re.MULTILINE)

    def test_chap(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius + "auth_type=chap\n", "--user", "alice") as person:
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        for line in ("CHAP-Password = <hidden, 17 octets>", "CHAP-Challenge = <hidden, 16 octets>"):
            assert "    {}\n".format(line) in person.shown

    def test_sending_again_and_what_is_dropped(self, cli: Zip) -> None:
        def at_last(request: Request) -> List[bytes]:
            kinds = [each.octets[0] for each in server.requests]
            if request.octets[0] == 12:
                return [reply(request, SECRET)]
            if kinds.count(1) < 3 or 12 not in kinds:
                return [reply(request, b"another secret")]
            return [reply(request, SECRET)]

        with Server(at_last) as server:
            slow = section(server, conn_timeout=60, retransmit_after=0.05, status_check_after=0.1)
            with tried(cli, slow, "--user", "alice") as person:
                person.sees(PROMPT).types("x")
                assert person.to_the_end() == 0
        assert re.search(r"^To \[radius\] \S+ after [\d.]+ s: Access-Request again$", person.shown, re.MULTILINE)
        status = r"^To \[radius\] \S+ after [\d.]+ s: Status-Server, to learn whether it lives$"
        assert re.search(status, person.shown, re.MULTILINE)
        dropped = r"^From \[radius\] \S+ after [\d.]+ s: dropped a reply whose Response Authenticator did not verify"
        assert re.search(dropped, person.shown, re.MULTILINE)

    def test_no_server(self, cli: Zip, down: str) -> None:
        with tried(cli, down, "--user", "alice") as person:
            person.sees(PROMPT).types("x")
            assert person.to_the_end() == 1
        assert (
            told(person, "reason")
            == "The login service is not responding. Try again later or contact your help desk. [connection-refused]"
        )
        assert told(person, "what to do") == reasons.DENIALS["connection-refused"].remedy

    def test_dead_server_is_asked_last_from_then_on(self, cli: Zip, down: str, freeradius: FreeRadius) -> None:
        both = down + radius_section(freeradius).replace("[radius]", "[radius_2]")
        with tried(cli, both, "--user", "alice") as person:
            person.sees(PROMPT).types("x").sees("2 attempts left", PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert [line[:14] for line in packets(person) if line.startswith("To")] == [
            "To [radius] Ac",
            "To [radius_2] ",
            "To [radius_2] ",
        ]

    def test_break_glass(self, cli: Zip, down: str) -> None:
        configuration = down + "[auth]\nbypass_when_unreachable=alice\n"
        with tried(cli, configuration, "--gateway-user", "alice") as person:
            person.sees(PROMPT).types("x")
            assert person.to_the_end() == 0
        assert told(person, "without RADIUS") == "[auth] bypass_when_unreachable"
        assert json.loads(told(person, "metadata"))["bypass"] == "unreachable"

    def test_group_that_is_required(self, cli: Zip, radius: str) -> None:
        with tried(
            cli, radius + "[gateway_groups]\nattribute=Filter-Id\nrequired_groups=x\n", "--user", "alice"
        ) as person:
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 1
        assert "[not-in-group]" in told(person, "reason")
        assert "log: info: Groups of alice: admins" in person.shown

    def test_what_is_on_sps_alone_is_said(self, cli: Zip, down: str) -> None:
        more = (
            "[whitelist source=user_list]\nname=x\n[authentication_cache]\nreuse_limit=0\n[lockout]\nmax_failures=1\n"
        )
        ended = cli.run("try", cli.file(down + more + "[auth]\ninteractive_protocols=\n"), "--user", "alice")
        assert re.findall("^Not here, but on SPS: (.*)$", ended.out, re.MULTILINE) == [
            "[whitelist source=user_list]",
            "[lockout]",
        ]

    def test_warnings_are_logged_as_by_the_plugin(self, cli: Zip, down: str) -> None:
        more = "sever=x\nrequire_message_authenticator=no\n[auth]\ninteractive_protocols=\n"
        ended = cli.run("try", cli.file(down + more), "--user", "alice")
        assert (
            "log: warning: Configuration warning: [radius] sever: unknown option; did you mean server?\n" in ended.out
        )
        assert "log: warning: [radius] require_message_authenticator is no" in ended.out

    def test_own_attribute_is_shown_by_its_name(self, cli: Zip) -> None:
        inner = b"\0\0\x27\x0f" + b"\1\6\0\0\0\7" + b"\2\5abc"
        own = "[radius_dictionary]\nAcme-Level = 26.9999.1 integer\n[auth]\ninteractive_protocols=\n"
        with Server(answering(SECRET, ACCEPT, [(26, inner)])) as server:
            ended = cli.run("try", cli.file(section(server) + own), "--user", "alice")
        assert "    Acme-Level = 7\n    26.9999.2 = <unknown, 3 octets>\n" in ended.out

    def test_nobody_to_ask(self, cli: Zip, down: str) -> None:
        refused = cli.run("try", cli.file(down), "--user", "alice")
        assert refused.status == 2
        assert refused.err.endswith("error: the login asks a question, and there is no terminal here to ask it on\n")

    def test_nobody_to_ask_what_is_shown(self, cli: Zip, down: str) -> None:
        refused = cli.run("try", cli.file(down + "[auth]\ndisable_echo=no\n"), "--user", "alice")
        assert refused.status == 2
        assert "there is no terminal" in refused.err

    def test_password_of_any_characters(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius, "--user", "jürgen") as person:
            person.sees(PROMPT).types("ünïcödé-密码-🔑")
            assert person.to_the_end() == 0
        assert "ünïcödé" not in person.shown

    def test_what_is_no_text_is_asked_again(self, cli: Zip, radius: str) -> None:
        with tried(cli, radius, "--user", "alice") as person:
            person.sees(PROMPT)
            os.write(person.terminal.child_fd, b"\xff\n")
            person.sees("That was no text. Again: ").types("correct horse")
            assert person.to_the_end() == 0

    def test_output_elsewhere_and_questions_on_the_terminal(self, cli: Zip, radius: str) -> None:
        arguments = ["-c", '"$@" > out', "sh", *PYTHON, str(cli.path), "try", cli.file(radius), "--user", "pin3"]
        with Person("/bin/sh", arguments, cwd=str(cli.directory)) as person:
            person.sees(PROMPT).types("1111").sees("1 of 3 ").types("one").sees("2 of 3 ").types("two")
            person.sees("3 of 3 ").types("three")
            assert person.to_the_end() == 0
        written = (cli.directory / "out").read_text(encoding="utf-8")
        assert "\nACCEPT\n" in written and "\x1b" not in written
        for typed in ("1111", "one\n", "two", "three"):
            assert typed not in written

    def test_end_of_input_is_hanging_up(self, cli: Zip, down: str) -> None:
        with tried(cli, down, "--user", "alice") as person:
            person.sees(PROMPT).presses("\x04")
            assert person.to_the_end() == 1
        assert "The login ends here: nothing was answered.\n" in person.shown
        with tried(cli, down + "[auth]\ndisable_echo=no\n", "--user", "alice") as person:
            person.sees(PROMPT).presses("\x04")
            assert person.to_the_end() == 1

    def test_ctrl_c(self, cli: Zip, down: str) -> None:
        with tried(cli, down, "--user", "alice") as person:
            # Python leaves a signal that comes just before a blocking read until the read is over.
            person.sees(PROMPT).presses("\x03\r")
            assert person.to_the_end() == 130
        assert "Traceback" not in person.shown

    def test_ctrl_c_while_a_server_is_waited_for(self, cli: Zip) -> None:
        with Server(silent) as server:
            process = subprocess.Popen(
                [*PYTHON, str(cli.path), "servers", "--timeout", "60", cli.file(section(server))],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            while not server.requests:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SAFETY_LIMIT)
        assert (process.returncode, out, err) == (130, b"", b"\n")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_leaves_nothing_behind(self, cli: Zip, down: str, number: int) -> None:
        temporary = cli.directory / "temporary"
        temporary.mkdir()
        with tried(cli, down, "--user", "alice", TMPDIR=str(temporary)) as person:
            person.sees(PROMPT)
            assert list(temporary.iterdir()) != []
            os.kill(person.terminal.pid, number)
            # Python leaves a signal that comes just before a blocking read until the read is over.
            person.presses("\r")
            assert person.to_the_end() == 128 + number
        assert list(temporary.iterdir()) == []

    def test_nothing_is_left_behind(self, cli: Zip, radius: str) -> None:
        temporary = cli.directory / "temporary"
        temporary.mkdir()
        with tried(cli, radius, "--user", "alice", TMPDIR=str(temporary)) as person:
            person.sees(PROMPT).types("correct horse")
            assert person.to_the_end() == 0
        assert list(temporary.iterdir()) == []


def test_secret_in_the_arguments_is_nowhere_taken(cli: Zip) -> None:
    """Only names, files and numbers can be given: argparse knows of nothing that a secret could be the value of."""
    for command in ("check", "servers", "try", "options"):
        given: Optional[Any] = re.findall(r"^  (--[a-z-]+) ", cli.run(command, "--help").out, re.MULTILINE)
        assert not {"--password", "--secret", "--otp", "--code", "--passcode"} & set(given or ())
