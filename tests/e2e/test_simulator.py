"""The stand-in for SPS, hosting small plugins written here, and the embedded RADIUS server, spoken to over loopback."""

import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import pyotp
import pytest
from coverage import CoverageData
from pyrad.dictionary import Dictionary
from pyrad.packet import AccessAccept, AccessChallenge, AccessReject, AuthPacket

from simulator.gateway import (
    TIME_LIMIT_EXCEEDED,
    ContractBroken,
    HookFailed,
    LoginName,
    Question,
    Session,
    UnexpectedQuestion,
    UnpackedPlugin,
    UnusedAnswers,
    kill,
    parse_login_name,
    unpack,
)
from simulator.server import (
    CHAP_CHALLENGE,
    CHAP_PASSWORD,
    FILTER_ID,
    MESSAGE_AUTHENTICATOR,
    REPLY_MESSAGE,
    STATE,
    USER_NAME,
    USER_PASSWORD,
    DemoServer,
)
from tests.support import ROOT

REPOSITORY = str(ROOT)
SAFETY_LIMIT = 60.0  # seconds after which a reply that never comes fails a test instead of hanging it

Host = Callable[..., UnpackedPlugin]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a function that makes a plugin whose main.py is the given source."""

    def make(source: str, configuration: str = "", fixtures: Optional[Mapping[str, Any]] = None) -> UnpackedPlugin:
        directory = tmp_path / "plugin"
        directory.mkdir()
        (directory / "main.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return UnpackedPlugin(directory, configuration, fixtures=fixtures or {})

    return make


# Takes a list of results from its configuration, and returns the next one at each call of authenticate. What it was
# called with goes to its log.
PLAYER = """
    import json

    class Plugin:
        def __init__(self, configuration):
            self.results = json.loads(configuration)

        def authenticate(self, **arguments):
            print(json.dumps(arguments))
            cookie = dict(arguments["cookie"], calls=arguments["cookie"].get("calls", 0) + 1)
            result = self.results[cookie["calls"] - 1]
            return dict({"cookie": cookie}, **result) if isinstance(result, dict) else result

        def authorize(self, **arguments):
            print(json.dumps(arguments))
            return self.results[-1] if len(self.results) > 1 else {"verdict": "ACCEPT"}

        def session_ended(self, **arguments):
            print(json.dumps(arguments))
"""
ACCEPT = {"verdict": "ACCEPT"}


def ask(key: str, prompt: str = "?", disable_echo: bool = False) -> Dict[str, Any]:
    """Return a NEEDINFO."""
    return {"verdict": "NEEDINFO", "question": [key, prompt, disable_echo]}


def received(session: Session) -> List[Dict[str, Any]]:
    """Return what PLAYER was called with, call by call."""
    return [json.loads(line) for line in session.log]


class TestHost:
    def test_hook_gets_by_name_what_its_signature_names(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration):
                    self.configuration = configuration
                def authenticate(self, client_ip, cookie):
                    return {"configuration": self.configuration, "client_ip": client_ip, "cookie": cookie}
            """,
            configuration="[radius]\nsecret=ünïcödé",
        )
        call = plugin.call("authenticate", {"cookie": {"a": 1}, "client_ip": "192.0.2.1", "protocol": "ssh"})
        assert call.error is None
        assert call.exit_status == 0
        assert call.result == {
            "configuration": "[radius]\nsecret=ünïcödé",
            "client_ip": "192.0.2.1",
            "cookie": {"a": 1},
        }

    def test_kwargs_take_everything(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self, protocol, **others): return [protocol, sorted(others)]
            """
        )
        call = plugin.call("authenticate", {"protocol": "ssh", "cookie": {}, "client_port": 1})
        assert call.result == ["ssh", ["client_port", "cookie"]]

    def test_argument_that_sps_does_not_have(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self, favourite_colour): pass
            """
        )
        error = plugin.call("authenticate", {"cookie": {}}).error
        assert error is not None
        assert error.type == "TypeError"
        assert "favourite_colour" in error.message

    def test_process_is_the_plugins_own(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", REPOSITORY)
        plugin = host(
            """
            import os, sys
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self):
                    return {
                        "path": sys.path, "cwd": os.getcwd(), "pid": os.getpid(), "stdin": sys.stdin.read(),
                        "public": sys.argv + list(os.environ.values()), "descriptors": os.listdir("/dev/fd"),
                    }
            """,
            configuration="secret=not-for-others",
        )
        first, second = (plugin.call("authenticate", {"key_value_pairs": {"otp": "314159"}}) for _ in range(2))
        seen = first.result
        directory = str(Path(str(plugin.directory)).resolve())
        assert str(Path(seen["path"][0]).resolve()) == directory == str(Path(seen["cwd"]).resolve())
        outside_the_environment = [path for path in seen["path"] if not path.startswith(sys.prefix)]
        assert not [path for path in outside_the_environment if path.startswith(REPOSITORY)]
        assert seen["pid"] != second.result["pid"]
        assert seen["stdin"] == ""
        assert not [text for text in seen["public"] if "not-for-others" in text or "314159" in text]

    def test_modules_are_those_the_plugin_imported(self, host: Host) -> None:
        plugin = host(
            """
            import wave
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): import xml.dom
            """
        )
        modules = plugin.call("authenticate", {}).modules
        assert {"main", "wave", "xml.dom"} <= set(modules)
        assert not [name for name in modules if name.split(".")[0] in ("pyrad", "pyotp", "simulator", "gateway")]

    @pytest.mark.parametrize(
        "source, kind",
        [
            ("raise RuntimeError('at import')", "RuntimeError"),
            ("import no_such_module", "ModuleNotFoundError"),
            ("other = 1", "AttributeError"),
            ("class Plugin:\n    def __init__(self, configuration): raise ValueError('in init')", "ValueError"),
            ("class Plugin:\n    def __init__(self, configuration): pass", "AttributeError"),
        ],
    )
    def test_exception_before_the_hook(self, host: Host, source: str, kind: str) -> None:
        call = host(source).call("authenticate", {})
        assert call.error is not None
        assert call.error.type == kind
        assert call.exit_status == 1
        assert "Traceback" in call.log
        assert kind in call.log

    @pytest.mark.parametrize(
        "statement, kind, message",
        [
            ("raise KeyError('cookie')", "KeyError", "'cookie'"),
            ("import sys; sys.exit(0)", "SystemExit", "0"),
            ("return {'seconds': float('nan')}", "ValueError", "JSON"),
            ("return {'groups': {'a', 'b'}}", "TypeError", "set"),
            ("return {'state': b'octets'}", "TypeError", "bytes"),
            ("loop = {}; loop['loop'] = loop; return loop", "ValueError", "Circular"),
        ],
    )
    def test_hook_without_a_json_result(self, host: Host, statement: str, kind: str, message: str) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): {}
            """.format(statement)
        )
        call = plugin.call("authenticate", {})
        assert call.result is None
        assert call.error is not None
        assert call.error.type == kind
        assert message in call.error.message
        assert call.exit_status == 1

    def test_process_that_dies(self, host: Host) -> None:
        plugin = host(
            """
            import os
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): os._exit(3)
            """
        )
        call = plugin.call("authenticate", {})
        assert call.exit_status == 3
        assert call.error is not None
        assert call.error.type == "NoResult"

    def test_log_is_stdout_and_stderr_in_order(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
        plugin = host(
            """
            import sys
            class Plugin:
                def __init__(self, configuration): print("one")
                def authenticate(self):
                    print("two", file=sys.stderr)
                    sys.stdout.buffer.write(b"three \\xff\\n")
                    print('{"result": "four"}')
                    print("five", file=sys.stderr)
            """
        )
        call = plugin.call("authenticate", {})
        assert call.result is None
        assert call.log.splitlines() == ["one", "two", "three \ufffd", '{"result": "four"}', "five"]

    def test_more_than_a_pipe_holds(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self, cookie):
                    print("x" * 1000000)
                    return cookie
            """
        )
        cookie = {"long": "y" * 1000000}
        call = plugin.call("authenticate", {"cookie": cookie})
        assert call.result == cookie
        assert len(call.log) == 1000001

    def test_time_limit(self, host: Host) -> None:
        plugin = host("import threading\nthreading.Event().wait()")
        call = plugin.call("authenticate", {}, time_limit=0.1)
        assert call.error is not None
        assert call.error.type == TIME_LIMIT_EXCEEDED
        assert call.exit_status == -signal.SIGKILL

    @pytest.mark.parametrize("then", ["child.wait()", "pass"])
    def test_time_limit_ends_what_the_plugin_started(self, host: Host, then: str) -> None:
        plugin = host(
            """
            import subprocess, sys
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self):
                    # Keeps the log open and would run for ever.
                    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
                    {}
            """.format(then)
        )
        error = plugin.call("authenticate", {}, time_limit=2).error
        assert error is not None
        assert error.type == TIME_LIMIT_EXCEEDED

    def test_process_at_work_can_be_killed(self, host: Host) -> None:
        started: "Queue[subprocess.Popen[bytes]]" = Queue()

        class Running(Dict[Any, str]):
            def __setitem__(self, process: "subprocess.Popen[bytes]", hook: str) -> None:
                super().__setitem__(process, hook)
                started.put(process)

        running = Running()
        plugin = host("import threading\nthreading.Event().wait()")._replace(running=running)
        with ThreadPoolExecutor(1) as pool:
            called = pool.submit(plugin.call, "authenticate", {})
            process = started.get(timeout=SAFETY_LIMIT)
            assert running == {process: "authenticate"}
            kill(process)
            call = called.result(timeout=SAFETY_LIMIT)
        assert call.exit_status == -signal.SIGKILL
        assert call.error is not None
        assert call.error.type == "NoResult"
        assert running == {}

    def test_state_directories_are_kept_between_calls(self, host: Host) -> None:
        plugin = host(
            """
            import os
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self):
                    counts = []
                    for name in ("SCB_PLUGIN_STATE_DIRECTORY", "EPHEMERAL_PLUGIN_STATE_DIRECTORY"):
                        os.makedirs(os.environ[name], exist_ok=True)
                        path = os.path.join(os.environ[name], "calls")
                        with open(path, "a") as calls:
                            calls.write("x")
                        with open(path) as calls:
                            counts.append(len(calls.read()))
                    return counts
            """
        )
        assert [plugin.call("authenticate", {}).result for _ in range(2)] == [[1, 1], [2, 2]]
        elsewhere = plugin._replace(state_directory=Path(str(plugin.directory)).with_name("elsewhere"))
        assert elsewhere.call("authenticate", {}).result == [1, 1]

    def test_fixtures_are_in_the_sdks_fakes(self, host: Host) -> None:
        plugin = host(
            """
            from safeguard.sessions.plugin import AAPlugin, AAResponse, CredentialStore, LDAPServer
            class Plugin(AAPlugin):
                def do_authenticate(self):
                    store = CredentialStore.from_config(self.plugin_configuration)
                    ldap = LDAPServer.from_config(self.plugin_configuration)
                    return AAResponse.deny(deny_reason="{} {}".format(
                        store.get_passwords("radius", "secret"), ldap.get_user_string_attribute("bob", "mail")
                    ))
            """,
            configuration=(
                "[whitelist source=user_list]\nname=trusted\n[credential_store]\nname=local\n[ldap_server]\nname=ad\n"
            ),
            fixtures={
                "user_lists": {"trusted": {"allow": "no_user", "except": ["alice"]}},
                "credential_stores": {"local": {"secret": {"radius": [["xyzzy5461"]]}}},
                "ldap_servers": {"ad": {"users": {"bob": {"mail": "bob@example.com"}}}},
            },
        )
        assert Session(plugin, gateway_user="alice").log_in()["verdict"] == "ACCEPT"
        refused = Session(plugin, gateway_user="bob").log_in("123456")
        assert refused["reason"] == "['xyzzy5461'] ['bob@example.com']"

    def test_coverage_is_measured(self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        plugin = host(PLAYER, configuration=json.dumps([ACCEPT]))
        configuration, data = tmp_path / "coveragerc", tmp_path / "data"
        configuration.write_text(
            "[run]\ndata_file = {}\nsource = {}\n".format(data, Path(str(plugin.directory)).resolve())
        )
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(configuration))
        monkeypatch.delenv("COVERAGE_FILE", raising=False)
        assert plugin.call("authenticate", {"cookie": {}}).result["verdict"] == "ACCEPT"
        measured = CoverageData(str(data))
        measured.read()
        assert [Path(name).name for name in measured.measured_files()] == ["main.py"]


class TestSession:
    def start(self, host: Host, *results: Any, **arguments: Any) -> Session:
        """Return the session of a PLAYER with these results."""
        return Session(host(PLAYER, configuration=json.dumps(results)), **arguments)

    def test_authenticate_gets_what_sps_passes(self, host: Host) -> None:
        session = self.start(
            host,
            ACCEPT,
            session_id="svc/1:1/telnet",
            protocol="telnet",
            connection_name="routers",
            client_ip="192.0.2.7",
            client_port=1024,
            client_hostname="desk.example",
            gateway_user="alice",
            gateway_domain="EXAMPLE",
            gateway_groups=["staff"],
            server_username="root",
            server_domain="LOCAL",
            server_ip="192.0.2.8",
            key_value_pairs={"otp": "123456"},
        )
        session.authenticate()
        assert received(session) == [
            {
                "cookie": {},
                "session_cookie": {},
                "session_id": "svc/1:1/telnet",
                "protocol": "telnet",
                "connection_name": "routers",
                "client_ip": "192.0.2.7",
                "client_port": 1024,
                "client_hostname": "desk.example",
                "gateway_user": "alice",
                "gateway_domain": "EXAMPLE",
                "server_username": "root",
                "server_domain": "LOCAL",
                "key_value_pairs": {"otp": "123456"},
            }
        ]

    def test_authorize_gets_the_accepted_user_and_the_target(self, host: Host) -> None:
        accepted = dict(ACCEPT, gateway_user="alice", gateway_groups=["admins"], session_cookie={"ticket": "1"})
        session = self.start(
            host,
            accepted,
            gateway_user="bob",
            gateway_groups=["staff"],
            server_ip="192.0.2.8",
            server_port=23,
            server_hostname="router.example",
        )
        session.authenticate()
        assert session.authorize()["verdict"] == "ACCEPT"
        session.end()
        _, authorize, ended = received(session)
        expected = {
            "gateway_user": "alice",
            "gateway_groups": ["admins"],
            "server_ip": "192.0.2.8",
            "server_port": 23,
            "server_hostname": "router.example",
            "cookie": {"calls": 1},
            "session_cookie": {"ticket": "1"},
        }
        assert {name: authorize[name] for name in expected} == expected
        assert ended == {
            "session_id": session.session_id,
            "cookie": {"calls": 1},
            "session_cookie": {"ticket": "1"},
        }

    def test_accept_without_groups_leaves_the_known_user(self, host: Host) -> None:
        session = self.start(host, ACCEPT, gateway_user="bob", gateway_groups=["staff"])
        session.authenticate()
        session.authorize()
        assert (received(session)[1]["gateway_user"], received(session)[1]["gateway_groups"]) == ("bob", ["staff"])

    @pytest.mark.parametrize(
        "cumulative, passed",
        [
            (True, [{"otp": "0"}, {"otp": "0", "a": "1"}, {"otp": "0", "a": "1", "b": "2"}]),
            (False, [{"otp": "0"}, {"otp": "0", "a": "1"}, {"otp": "0", "b": "2"}]),
        ],
    )
    def test_answers_of_several_questions(
        self, host: Host, cumulative: bool, passed: Sequence[Mapping[str, str]]
    ) -> None:
        session = self.start(
            host,
            ask("a", "First"),
            ask("b", "Second", disable_echo=True),
            ACCEPT,
            key_value_pairs={"otp": "0"},
            cumulative=cumulative,
        )
        assert session.log_in("1", "2")["verdict"] == "ACCEPT"
        assert [call["key_value_pairs"] for call in received(session)] == passed
        assert session.questions == [Question("a", "First", False), Question("b", "Second", True)]

    @pytest.mark.parametrize("cumulative", [True, False])
    def test_key_asked_again_is_overwritten(self, host: Host, cumulative: bool) -> None:
        session = self.start(host, ask("otp"), ask("otp"), ACCEPT, cumulative=cumulative)
        session.log_in("1", "2")
        assert received(session)[2]["key_value_pairs"] == {"otp": "2"}

    def test_cookies_pass_through_json(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self, cookie, session_cookie):
                    return {"verdict": "ACCEPT", "additional_metadata": repr((cookie, session_cookie)),
                            "cookie": {1: ("a", None)}, "session_cookie": {"b": 2}}
            """
        )
        session = Session(plugin)
        session.authenticate()
        assert session.cookie == {"1": ["a", None]}
        assert session.authenticate()["additional_metadata"] == repr(({"1": ["a", None]}, {"b": 2}))

    def test_cookie_is_kept_when_none_is_returned(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self, cookie):
                    return {"verdict": "DENY"} if cookie else {"verdict": "ACCEPT", "cookie": {"a": 1}}
            """
        )
        session = Session(plugin)
        assert [session.authenticate()["verdict"], session.authenticate()["verdict"]] == ["ACCEPT", "DENY"]
        assert session.cookie == {"a": 1}

    def test_question_without_an_answer(self, host: Host) -> None:
        with pytest.raises(UnexpectedQuestion, match="Second"):
            self.start(host, ask("a"), ask("b", "Second"), ACCEPT).log_in("314159")

    def test_answers_left_over_are_not_shown(self, host: Host) -> None:
        with pytest.raises(UnusedAnswers) as caught:
            self.start(host, ask("a"), ACCEPT).log_in("1", "314159")
        assert str(caught.value) == "ACCEPT, with 1 answer(s) left over"

    def test_answer_to_no_question(self, host: Host) -> None:
        session = self.start(host, ACCEPT)
        session.authenticate()
        with pytest.raises(UnusedAnswers):
            session.answer("314159")

    @pytest.mark.parametrize(
        "result",
        [
            "ACCEPT",
            [],
            {},
            {"verdict": "accept"},
            {"verdict": "NEEDINFO"},
            {"verdict": "NEEDINFO", "question": ["otp"]},
            {"verdict": "NEEDINFO", "question": ["otp", "?", True, 1]},
            {"verdict": "NEEDINFO", "question": {"otp": "?"}},
            {"verdict": "NEEDINFO", "question": ["", "?"]},
            {"verdict": "NEEDINFO", "question": [1, "?"]},
            {"verdict": "NEEDINFO", "question": ["otp", None]},
            {"verdict": "NEEDINFO", "question": ["otp", "?", "yes"]},
            dict(ACCEPT, additional_metadata={"server": "a"}),
            dict(ACCEPT, additional_metadata=None),
            dict(ACCEPT, cookie=None),
            dict(ACCEPT, session_cookie=[]),
            dict(ACCEPT, gateway_user="alice"),
            dict(ACCEPT, gateway_groups=["admins"]),
            dict(ACCEPT, gateway_user=None, gateway_groups=[]),
            dict(ACCEPT, gateway_user="alice", gateway_groups="admins"),
            dict(ACCEPT, gateway_user="alice", gateway_groups=[None]),
            {"verdict": "DENY", "reason": None},
        ],
        ids=json.dumps,
    )
    def test_result_that_sps_does_not_take(self, host: Host, result: Any) -> None:
        with pytest.raises(ContractBroken, match="authenticate|NEEDINFO|question"):
            self.start(host, result).authenticate()

    @pytest.mark.parametrize(
        "result",
        [
            {"verdict": "NONE"},
            {"verdict": "DENY"},
            {"verdict": "NEEDINFO", "question": ["otp", "?"]},
            dict(ACCEPT, gateway_user="alice", gateway_groups=[], additional_metadata="{}", my_key="my_value"),
        ],
        ids=json.dumps,
    )
    def test_result_that_sps_takes(self, host: Host, result: Dict[str, Any]) -> None:
        assert self.start(host, result).authenticate() == dict(result, cookie={"calls": 1})

    def test_no_result_is_none(self, host: Host) -> None:
        assert self.start(host, None).authenticate() == {"verdict": "NONE"}

    @pytest.mark.parametrize("protocol", ["mssql", "http", "ica"])
    def test_question_where_sps_cannot_ask(self, host: Host, protocol: str) -> None:
        with pytest.raises(ContractBroken, match=protocol):
            self.start(host, ask("otp"), protocol=protocol).authenticate()

    @pytest.mark.parametrize("result", [None, {"verdict": "NONE"}, ask("otp")], ids=json.dumps)
    def test_authorize_accepts_or_denies(self, host: Host, result: Any) -> None:
        with pytest.raises(ContractBroken, match="authorize"):
            self.start(host, ACCEPT, result).authorize()

    def test_session_ended_returns_nothing(self, host: Host) -> None:
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def session_ended(self): return {}
            """
        )
        with pytest.raises(ContractBroken, match="session_ended"):
            Session(plugin).end()

    def test_failed_hook_ends_the_session(self, host: Host) -> None:
        session = self.start(host)
        with pytest.raises(HookFailed, match="authenticate: IndexError"):
            session.authenticate()
        assert [line for line in session.log if line.startswith("IndexError")]

    def test_cookies_are_lost_at_the_time_limit(self, host: Host) -> None:
        plugin = host(
            """
            import json, threading
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): return {"verdict": "ACCEPT", "cookie": {"a": 1}, "session_cookie": {"b": 2}}
                def authorize(self): threading.Event().wait()
                def session_ended(self, cookie, session_cookie): print(json.dumps([cookie, session_cookie]))
            """
        )
        session = Session(plugin)
        session.authenticate()
        session.time_limit = 0.1
        with pytest.raises(HookFailed, match=TIME_LIMIT_EXCEEDED):
            session.authorize()
        session.time_limit = SAFETY_LIMIT
        session.end()
        assert session.log[-1] == "[{}, {}]"

    def test_sessions_have_identifiers_of_their_own(self, host: Host) -> None:
        plugin = host(PLAYER)
        assert Session(plugin).session_id != Session(plugin).session_id


def test_unpack(tmp_path: Path) -> None:
    with zipfile.ZipFile(str(tmp_path / "plugin.zip"), "w") as archive:
        archive.writestr("lib/plugin.py", "pass\n")
    directory = unpack(tmp_path / "plugin.zip", tmp_path / "new" / "plugin")
    assert (directory / "lib" / "plugin.py").read_text() == "pass\n"


@pytest.mark.parametrize(
    "text, protocol, expected",
    [
        ("root", "ssh", LoginName({}, "root", None)),
        ("", "ssh", LoginName({}, None, None)),
        ("gu=alice@otp=123456@root", "ssh", LoginName({"gu": "alice", "otp": "123456"}, "root", None)),
        ("gu=alice@otp=123456", "telnet", LoginName({"gu": "alice", "otp": "123456"}, None, None)),
        ("otp=a=b@root", "ssh", LoginName({"otp": "a=b"}, "root", None)),
        ("otp=@root", "ssh", LoginName({"otp": ""}, "root", None)),
        ("otp=1@root@example.com", "ssh", LoginName({"otp": "1"}, "root@example.com", None)),
        ("root@otp=1", "ssh", LoginName({}, "root@otp=1", None)),
        ("=1@root", "ssh", LoginName({}, "=1@root", None)),
        ("otp=1%2~3^4\\5@root", "ssh", LoginName({"otp": "1%2~3^4\\5"}, "root", None)),
        ("DOMAIN\\otp~123456%Administrator", "rdp", LoginName({"otp": "123456"}, "Administrator", "DOMAIN")),
        ("username~alice%otp~1", "rdp", LoginName({"username": "alice", "otp": "1"}, None, None)),
        ("host~a^3389%alice@example.com", "rdp", LoginName({"host": "a:3389"}, "alice@example.com", None)),
        ("\\alice", "rdp", LoginName({}, "alice", None)),
    ],
)
def test_login_name(text: str, protocol: str, expected: LoginName) -> None:
    assert parse_login_name(text, protocol) == expected


NOW = 1600000000.0


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A server whose clock stands still and whose pushes wait for approval."""
    with DemoServer(push_seconds=3600.0, clock=lambda: NOW) as running:
        yield running


class Nas:
    """A client of the server with a socket of its own; pyrad encodes the attributes."""

    def __init__(self, server: DemoServer) -> None:
        self.secret = server.secret.encode("ascii")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(SAFETY_LIMIT)
        self.socket.connect((server.address, server.port))

    def __enter__(self) -> "Nas":
        return self

    def __exit__(self, *_: Any) -> None:
        self.socket.close()

    def packet(self, name: str, password: str = "", state: bytes = b"", chap: str = "") -> bytes:
        """Return an Access-Request, signed; `chap` is "attribute" or "authenticator", where its challenge is."""
        packet = AuthPacket(secret=self.secret, authenticator=AuthPacket.CreateAuthenticator(), dict=Dictionary())
        packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
        packet[USER_NAME] = [name.encode("utf-8")]
        if chap:
            challenge, identifier = bytes(range(16)), b"\x9c"
            if chap == "attribute":
                packet[CHAP_CHALLENGE] = [challenge]
            else:
                challenge = packet.authenticator
            digest = hashlib.md5(identifier + password.encode("utf-8") + challenge).digest()
            packet[CHAP_PASSWORD] = [identifier + digest]
        else:
            # pyrad hides "" as no octets; RFC 2865 section 5.2 wants 16.
            packet[USER_PASSWORD] = [packet.PwCrypt(password or "\0")]
        if state:
            packet[STATE] = [state]
        return self.sign(packet.RequestPacket())

    def sign(self, octets: bytes, secret: bytes = b"") -> bytes:
        """Return a request with its Message-Authenticator, the first attribute, filled in."""
        unsigned = octets[:22] + bytes(16) + octets[38:]
        return octets[:22] + hmac.new(secret or self.secret, unsigned, "md5").digest() + octets[38:]

    def send(self, octets: bytes) -> bytes:
        """Send a datagram and return it."""
        self.socket.send(octets)
        return octets

    def receive(self, request: bytes) -> Tuple[int, Dict[int, List[bytes]]]:
        """Return code and attributes of the next reply, after a check that it is a right one to this request."""
        return self.read(self.socket.recv(4096), request)

    def read(self, reply: bytes, request: bytes) -> Tuple[int, Dict[int, List[bytes]]]:
        """Return a reply's code and attributes, after a check of all that a client checks."""
        authenticator = request[4:20]
        assert reply[1] == request[1]
        assert reply[4:20] == hashlib.md5(reply[:4] + authenticator + reply[20:] + self.secret).digest()
        assert reply[20:22] == bytes([MESSAGE_AUTHENTICATOR, 18]), "Message-Authenticator is not first"
        unsigned = reply[:4] + authenticator + reply[20:22] + bytes(16) + reply[38:]
        assert reply[22:38] == hmac.new(self.secret, unsigned, "md5").digest()
        decoded = AuthPacket(secret=self.secret, packet=reply, dict=Dictionary())
        assert len(decoded[MESSAGE_AUTHENTICATOR]) == 1
        return int(decoded.code), {number: decoded[number] for number in decoded.keys()}

    def ask(self, name: str, password: str, state: bytes = b"", chap: str = "") -> Tuple[int, Dict[int, List[bytes]]]:
        """Make one request, and return the reply's code and attributes."""
        return self.receive(self.send(self.packet(name, password, state, chap)))


@pytest.fixture
def nas(server: DemoServer) -> Iterator[Nas]:
    with Nas(server) as client:
        yield client


class TestDemoServer:
    @pytest.mark.parametrize("chap", ["", "attribute", "authenticator"])
    @pytest.mark.parametrize("password, code", [("123456", AccessAccept), ("123457", AccessReject)])
    def test_fixed_code(self, nas: Nas, password: str, code: int, chap: str) -> None:
        assert nas.ask("alice", password, chap=chap)[0] == code

    def test_groups_are_told(self, nas: Nas) -> None:
        assert nas.ask("alice", "123456")[1][FILTER_ID] == [b"admins"]

    @pytest.mark.parametrize("chap", ["", "attribute"])
    @pytest.mark.parametrize(
        "steps, code", [(0, AccessAccept), (-1, AccessAccept), (-2, AccessReject), (1, AccessReject)]
    )
    def test_totp(self, server: DemoServer, nas: Nas, steps: int, code: int, chap: str) -> None:
        password = pyotp.TOTP(server.totp.secret).at(int(NOW) + 30 * steps)
        assert nas.ask("tessa", password, chap=chap)[0] == code

    def test_secrets_are_made_anew(self, server: DemoServer) -> None:
        with DemoServer() as other:
            assert (other.secret, other.totp.secret) != (server.secret, server.totp.secret)

    @pytest.mark.parametrize("chap", ["", "attribute"])
    @pytest.mark.parametrize("answer, code", [("246810", AccessAccept), ("4711", AccessReject), ("", AccessReject)])
    def test_challenge(self, nas: Nas, answer: str, code: int, chap: str) -> None:
        challenge, attributes = nas.ask("carol", "4711", chap=chap)
        assert challenge == AccessChallenge
        assert attributes[REPLY_MESSAGE] == [b"Enter the code from your token"]
        assert nas.ask("carol", answer, state=attributes[STATE][0], chap=chap)[0] == code

    def test_wrong_pin(self, nas: Nas) -> None:
        assert nas.ask("carol", "4712")[0] == AccessReject

    def test_state_serves_one_answer(self, nas: Nas) -> None:
        state = nas.ask("carol", "4711")[1][STATE][0]
        assert nas.ask("carol", "000000", state=state)[0] == AccessReject
        assert nas.ask("carol", "246810", state=state)[0] == AccessReject

    def test_states_differ(self, nas: Nas) -> None:
        assert nas.ask("carol", "4711")[1][STATE] != nas.ask("carol", "4711")[1][STATE]

    @pytest.mark.parametrize("name, password", [("alice", "123456"), ("alice", ""), ("alice", "246810"), ("pusha", "")])
    def test_state_of_somebody_else(self, nas: Nas, name: str, password: str) -> None:
        state = nas.ask("carol", "4711")[1][STATE][0]
        assert nas.ask(name, password, state=state)[0] == AccessReject

    @pytest.mark.parametrize(
        "name, password", [("alice", "123456"), ("alice", ""), ("carol", "246810"), ("carol", "4711")]
    )
    def test_state_that_was_not_given(self, nas: Nas, name: str, password: str) -> None:
        assert nas.ask(name, password, state=b"made up")[0] == AccessReject

    def test_rejected_with_a_message(self, nas: Nas) -> None:
        code, attributes = nas.ask("bob", "123456")
        assert code == AccessReject
        assert attributes[REPLY_MESSAGE] == [b"Your account is locked, call the help desk at 4444"]

    @pytest.mark.parametrize("name", ["mallory", "Alice", "", "alice\0", "älice"])
    def test_unknown_user(self, nas: Nas, name: str) -> None:
        code, attributes = nas.ask(name, "123456")
        assert code == AccessReject
        assert list(attributes) == [MESSAGE_AUTHENTICATOR]

    @pytest.mark.parametrize("hidden", [b"", bytes(15), bytes(17), bytes(144), b"\xff" * 16])
    def test_password_that_is_none(self, nas: Nas, hidden: bytes) -> None:
        packet = AuthPacket(secret=nas.secret, authenticator=bytes(16), dict=Dictionary())
        packet[MESSAGE_AUTHENTICATOR] = [bytes(16)]
        packet[USER_NAME] = [b"pusha"]
        packet[USER_PASSWORD] = [hidden]
        assert nas.receive(nas.send(nas.sign(packet.RequestPacket())))[0] == AccessReject

    @pytest.mark.parametrize("chap", ["", "attribute"])
    def test_push_keeps_nobody_waiting(self, server: DemoServer, nas: Nas, chap: str) -> None:
        push = nas.send(nas.packet("pusha", "", chap=chap))
        nas.send(push)
        with Nas(server) as other:
            assert other.ask("alice", "123456")[0] == AccessAccept
        # The same socket too: its first reply is not the push's, so the push was silent when it was sent again.
        assert nas.ask("bob", "123456")[0] == AccessReject
        server.approve_pushes()
        reply = nas.socket.recv(4096)
        assert nas.read(reply, push)[0] == AccessAccept
        nas.send(push)
        assert nas.socket.recv(4096) == reply

    def test_push_is_approved_by_itself(self) -> None:
        with DemoServer(push_seconds=0.01) as server, Nas(server) as nas:
            assert nas.ask("pusha", "")[0] == AccessAccept

    def test_password_is_no_push(self, nas: Nas) -> None:
        assert nas.ask("pusha", "push")[0] == AccessReject

    def test_request_sent_again_gets_the_same_reply(self, nas: Nas) -> None:
        request = nas.packet("carol", "4711")
        nas.send(request)
        first = nas.socket.recv(4096)
        nas.send(request)
        assert nas.socket.recv(4096) == first
        answer = nas.packet("carol", "246810", state=nas.read(first, request)[1][STATE][0])
        for _ in range(2):
            assert nas.receive(nas.send(answer))[0] == AccessAccept

    def test_same_octets_from_another_source_are_another_request(self, server: DemoServer, nas: Nas) -> None:
        request = nas.packet("carol", "4711")
        states = []
        with Nas(server) as other:
            for client in (nas, other):
                states.append(client.receive(client.send(request))[1][STATE])
        assert states[0] != states[1]

    def test_octets_after_the_length_are_ignored(self, nas: Nas) -> None:
        request = nas.packet("alice", "123456")
        nas.send(request + b"padding")
        assert nas.receive(request)[0] == AccessAccept

    @pytest.mark.parametrize(
        "spoil, reason",
        [
            (lambda octets: b"", "header"),
            (lambda octets: octets[:19], "header"),
            (lambda octets: b"\x04" + octets[1:], "code 4"),
            (lambda octets: octets[:-1], "length field"),
            (lambda octets: octets[:2] + b"\x00\x13" + octets[4:], "length field"),
            (lambda octets: octets[:38] + b"\x01\x01" + octets[40:], "attribute"),
            (lambda octets: octets[:38] + b"\x01\xff" + octets[40:], "attribute"),
            (lambda octets: octets[:2] + b"\x00\x15" + octets[4:20] + b"\x01", "attribute"),
            (lambda octets: octets[:22] + bytes(16) + octets[38:], "wrong Message-Authenticator"),
            (lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]), "wrong Message-Authenticator"),
            (lambda octets: octets[:20] + b"\x4f" + octets[21:], "exactly one Message-Authenticator"),
            (
                lambda octets: octets[:2] + bytes([0, len(octets) + 18]) + octets[4:38] + octets[20:],
                "exactly one Message-Authenticator",
            ),
            (
                lambda octets: octets[:2] + bytes([0, 23]) + octets[4:20] + b"\x50\x03\x00",
                "exactly one Message-Authenticator",
            ),
        ],
    )
    def test_wrong_datagram_gets_no_reply(
        self, server: DemoServer, nas: Nas, spoil: Callable[[bytes], bytes], reason: str
    ) -> None:
        nas.send(spoil(nas.packet("alice", "123456")))
        # Datagrams of one socket are served in order: the first reply is the second one's.
        assert nas.ask("bob", "")[0] == AccessReject
        assert len(server.dropped) == 1
        assert reason in server.dropped[0]

    def test_other_secret_gets_no_reply(self, server: DemoServer, nas: Nas) -> None:
        nas.send(nas.sign(nas.packet("alice", "123456"), secret=b"another"))
        assert nas.ask("bob", "")[0] == AccessReject
        assert server.dropped == ["a wrong Message-Authenticator: made with another shared secret"]

    def test_right_message_authenticator_that_is_not_first(self, nas: Nas) -> None:
        first = nas.packet("alice", "123456")
        unsigned = first[:20] + first[38:] + b"\x50\x12" + bytes(16)
        request = unsigned[:-16] + hmac.new(nas.secret, unsigned, "md5").digest()
        assert nas.receive(nas.send(request))[0] == AccessAccept

    def test_server_is_gone_after_the_block(self) -> None:
        with DemoServer() as server:
            pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
            another.bind((server.address, server.port))
