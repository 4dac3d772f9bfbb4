"""The simulator's hook calls: small plugins, each hook in its own process."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import pytest
from pytest_mock import MockerFixture

from simulator.gateway import TIME_LIMIT_EXCEEDED, ContractBroken, HookCall, HookFailed, Session, UnpackedPlugin, kill
from tests.support import ROOT
from tests.support.cases import Cases

SAFETY_LIMIT = 60.0  # seconds to wait for a process before the test fails

Host = Callable[..., UnpackedPlugin]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a function that makes a plugin with this main.py."""
    numbers = itertools.count()

    def make(source: str, configuration: str = "", fixtures: Optional[Mapping[str, Any]] = None) -> UnpackedPlugin:
        directory = tmp_path / f"plugin {next(numbers)}"
        directory.mkdir()
        (directory / "main.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return UnpackedPlugin(directory, configuration, fixtures=fixtures or {})

    return make


def failed(call: HookCall) -> Tuple[Any, Optional[str], int]:
    """Return the result of a call, the type of its error, and its exit status."""
    return call.result, call.error and call.error.type, call.exit_status


class TestHost:
    def test_hook_gets_the_arguments_that_it_names(self, host: Host) -> None:
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

    def test_kwargs_get_all_arguments(self, host: Host) -> None:
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
                def authenticate(self, favorite_color): pass
            """
        )
        error = plugin.call("authenticate", {"cookie": {}}).error
        assert error is not None
        assert error.type == "TypeError"
        assert "favorite_color" in error.message

    def test_process_is_separate(self, host: Host, mocker: MockerFixture) -> None:
        mocker.patch.dict(os.environ, PYTHONPATH=str(ROOT))
        plugin = host(
            """
            import os, sys
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self):
                    return {
                        "path": sys.path, "cwd": os.getcwd(), "pid": os.getpid(), "stdin": sys.stdin.read(),
                        "public": sys.argv + list(os.environ.values()),
                    }
            """,
            configuration="secret=not-for-others",
        )
        first, second = (plugin.call("authenticate", {"key_value_pairs": {"otp": "314159"}}) for _ in range(2))
        seen = first.result
        directory = str(Path(str(plugin.directory)).resolve())
        assert str(Path(seen["path"][0]).resolve()) == directory == str(Path(seen["cwd"]).resolve())
        outside_the_environment = [path for path in seen["path"] if not path.startswith(sys.prefix)]
        assert not [path for path in outside_the_environment if path.startswith(str(ROOT))]
        assert seen["pid"] != second.result["pid"]
        assert seen["stdin"] == ""
        assert not [text for text in seen["public"] if "not-for-others" in text or "314159" in text]

    def test_modules_are_those_that_the_plugin_imports(self, host: Host) -> None:
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

    def test_exception_before_the_hook(self, host: Host) -> None:
        sources = {
            "raise RuntimeError('at import')": "RuntimeError",
            "import no_such_module": "ModuleNotFoundError",
            "other = 1": "AttributeError",
            "class Plugin:\n    def __init__(self, configuration): raise ValueError('in init')": "ValueError",
            "class Plugin:\n    def __init__(self, configuration): pass": "AttributeError",
        }
        with Cases() as cases:
            for source, error in sources.items():
                with cases.case(source):
                    call = host(source).call("authenticate", {})
                    assert failed(call) == (None, error, 1)
                    assert "Traceback" in call.log
                    assert error in call.log

    def test_hook_without_a_json_result(self, host: Host) -> None:
        source = """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): {}
        """
        statements = [
            ("raise KeyError('cookie')", "KeyError", "'cookie'"),
            ("import sys; sys.exit(0)", "SystemExit", "0"),
            ("return {'seconds': float('nan')}", "ValueError", "JSON"),
            ("return {'groups': {'a', 'b'}}", "TypeError", "set"),
            ("return {'state': b'octets'}", "TypeError", "bytes"),
            ("loop = {}; loop['loop'] = loop; return loop", "ValueError", "Circular"),
        ]
        with Cases() as cases:
            for statement, error, message in statements:
                with cases.case(statement):
                    call = host(source.format(statement)).call("authenticate", {})
                    assert failed(call) == (None, error, 1)
                    assert call.error is not None and message in call.error.message

    def test_process_that_dies(self, host: Host) -> None:
        plugin = host(
            """
            import os
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): os._exit(3)
            """
        )
        assert failed(plugin.call("authenticate", {})) == (None, "NoResult", 3)

    def test_log_is_stdout_and_stderr_in_order(self, host: Host, mocker: MockerFixture) -> None:
        mocker.patch.dict(os.environ)
        os.environ.pop("PYTHONUNBUFFERED", None)
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
        assert failed(call) == (None, TIME_LIMIT_EXCEEDED, -signal.SIGKILL)

    @pytest.mark.parametrize("then", ["child.wait()", "pass"])
    def test_time_limit_ends_the_processes_of_the_plugin(self, host: Host, then: str) -> None:
        plugin = host(
            f"""
            import subprocess, sys
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self):
                    # It keeps the log open, and never ends.
                    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
                    {then}
            """
        )
        assert failed(plugin.call("authenticate", {}, time_limit=1))[1] == TIME_LIMIT_EXCEEDED

    def test_running_process_can_be_killed(self, host: Host) -> None:
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
            assert failed(called.result(timeout=SAFETY_LIMIT)) == (None, "NoResult", -signal.SIGKILL)
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

    def test_killed_process_leaves_its_temporary_files_next_to_the_plugin(self, host: Host) -> None:
        plugin = host("import os, signal, tempfile\ntempfile.mkstemp()\nos.kill(os.getpid(), signal.SIGKILL)")
        assert failed(plugin.call("authenticate", {})) == (None, "NoResult", -signal.SIGKILL)
        assert len(list(Path(f"{plugin.directory}.temporary").iterdir())) == 1

    def test_fixtures_of_the_sdk(self, host: Host) -> None:
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


class TestSession:
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

    def test_cookie_stays_if_the_hook_returns_none(self, host: Host) -> None:
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
        plugin = host(
            """
            class Plugin:
                def __init__(self, configuration): pass
                def authenticate(self): return [][0]
            """
        )
        session = Session(plugin)
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
