"""The side of SPS: what SPS does with a plugin, from the login name that a user types to the end of the session.

Each hook call is a process (`host.py`), and only JSON passes in and out, so a cookie that would not survive on SPS does
not survive here.
"""

import compileall
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, MutableMapping, NamedTuple, Optional, Sequence, Tuple, Union

from .fork_server import ForkedProcess, ForkServer
from .host import RESULT_FD

HOST = str(Path(__file__).resolve().with_name("host.py"))
TIME_LIMIT = 300.0
"""Seconds that SPS gives a hook call by default: half the proxy's time limit."""

PROTOCOLS_THAT_ASK = ("rdp", "ssh", "telnet")
"""The protocols in which SPS can ask the user a question."""

_AUTHENTICATE_VERDICTS = ("ACCEPT", "DENY", "NEEDINFO", "NONE")
_AUTHORIZE_VERDICTS = ("ACCEPT", "DENY")


class GatewayError(Exception):
    """Base of this module's errors."""


class HookFailed(GatewayError):
    """A hook raised an exception, took too long, or ended without a result: SPS ends such a session."""


class ContractBroken(GatewayError):
    """A hook returned a result that SPS does not accept or cannot carry out."""


class UnexpectedQuestion(GatewayError):
    """The plugin asked a question, but no answer was left."""


class UnusedAnswers(GatewayError):
    """The plugin returned a verdict before it had asked for all the answers."""


class HookError(NamedTuple):
    """Why a hook call has no result: the exception's type and its text."""

    type: str
    message: str


class HookCall(NamedTuple):
    """The outcome of a hook call: `log` is stdout and stderr as written, `modules` the imported modules."""

    result: Any
    log: str
    modules: Tuple[str, ...]
    exit_status: int
    error: Optional[HookError]


Process = Union["subprocess.Popen[bytes]", ForkedProcess]
TIME_LIMIT_EXCEEDED = "TimeLimitExceeded"
"""The `type` of the HookError of a call that was killed at its time limit."""


class UnpackedPlugin(NamedTuple):
    """A plugin as SPS has it after the upload: the unpacked zip and the configuration's text.

    `python` runs the hooks and must have the SDK. `state_directory` persists between calls (default: next to
    `directory`); the ephemeral one is next to it. Temporary files are next to `directory`. `fixtures` are for the fakes
    of the SDK, as JSON, each of them optional:
    {"user_lists": {policy: {"allow": "no_user", "except": [user, ...]}},
    "credential_stores": {policy: {user: {host: [[password or certificate], ...]}}},
    "ldap_servers": {policy: {"users": {...}, "groups": {...}}},
    "trusted_ca_lists": {name: {"type": "x509v3-sign-rsa", "certs": [PEM, ...]}}}. `running`, if given, contains the
    running processes and the hook of each, so that another thread can `kill` them. `fork_server`, if given, forks the
    processes that it can, which saves each of them the import of the SDK.
    """

    directory: Union[str, Path]
    configuration: str
    python: str = sys.executable
    state_directory: Optional[Union[str, Path]] = None
    fixtures: Mapping[str, Any] = {}
    running: Optional[MutableMapping[Process, str]] = None
    fork_server: Optional[ForkServer] = None

    def call(self, hook: str, arguments: Mapping[str, Any], time_limit: float = TIME_LIMIT) -> HookCall:
        """Call a hook in a new process, with those of the arguments that it takes.

        The process is killed after `time_limit` seconds. A failed hook raises nothing here: `error` of the returned
        HookCall has the cause.
        """
        request = {
            "plugin": os.path.abspath(str(self.directory)),
            "configuration": self.configuration,
            "hook": hook,
            "arguments": dict(arguments),
            "fixtures": dict(self.fixtures),
        }
        with tempfile.TemporaryFile() as document, tempfile.TemporaryFile() as answer:
            document.write(json.dumps(request, allow_nan=False).encode("ascii"))
            document.seek(0)
            process = self._start(document.fileno(), answer.fileno())
            running = self.running if self.running is not None else {}
            running[process] = hook
            try:
                log, in_time = process.communicate(timeout=time_limit)[0], True
            except subprocess.TimeoutExpired:
                kill(process)
                log, in_time = process.communicate()[0], False
            except BaseException:  # KeyboardInterrupt too
                kill(process)
                process.communicate()
                raise
            finally:
                del running[process]
            answer.seek(0)
            octets = answer.read()
        status = process.returncode
        assert status is not None  # it has ended
        if not in_time:
            error = HookError(TIME_LIMIT_EXCEEDED, f"killed after {time_limit:g} seconds")
            return HookCall(None, log.decode("utf-8", "replace"), (), status, error)
        return _hook_call(octets, log.decode("utf-8", "replace"), status)

    def _start(self, stdin: int, answer: int) -> Process:
        environment = self._environment()
        os.makedirs(environment["TMPDIR"], exist_ok=True)
        if self.fork_server and self.fork_server.can_serve(self.python, environment):
            return self.fork_server.start(environment, stdin, answer)
        environment[RESULT_FD] = str(answer)
        return subprocess.Popen(
            # -u keeps the lines of stdout and stderr in the order in which they were written.
            [self.python, "-u", HOST],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(answer,),
            start_new_session=True,
        )

    def _environment(self) -> Dict[str, str]:
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)  # as on SPS, the plugin must find its own modules
        state = os.path.abspath(str(self.state_directory or f"{self.directory}.state"))
        environment["SCB_PLUGIN_STATE_DIRECTORY"] = state
        environment["EPHEMERAL_PLUGIN_STATE_DIRECTORY"] = state + ".ephemeral"
        # A killed process leaves its temporary files behind, even the one that `tempfile` tries the directory with.
        environment["TMPDIR"] = os.path.abspath(str(self.directory)) + ".temporary"
        return environment


def unpack(zip_path: Union[str, Path], directory: Union[str, Path]) -> Path:
    """Unpack the zip of a plugin into a directory, create it if necessary, and return it.

    The code is compiled once here; with PYTHONDONTWRITEBYTECODE, each hook would compile it again.
    """
    with zipfile.ZipFile(str(zip_path)) as archive:
        archive.extractall(str(directory))
    compileall.compile_dir(str(directory), quiet=2)
    return Path(directory)


def kill(process: Process) -> None:
    """Kill the process of a hook and all its children: it leads a process group, which may outlive it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _hook_call(answer: bytes, log: str, exit_status: int) -> HookCall:
    try:
        document = json.loads(answer.decode("ascii"))
    except ValueError:
        error = HookError("NoResult", f"the process ended with status {exit_status} and without a result")
        return HookCall(None, log, (), exit_status, error)
    failure = HookError(**document["error"]) if document["error"] else None
    return HookCall(document["result"], log, tuple(document["modules"]), exit_status, failure)


class LoginName(NamedTuple):
    """The parts that SPS finds in a login name; missing parts are None."""

    pairs: Dict[str, str]
    server_username: Optional[str]
    domain: Optional[str]


def parse_login_name(text: str, protocol: str = "ssh") -> LoginName:
    r"""Read the key-value pairs that a user may put before the server user name.

    SSH and Telnet: `gu=alice@otp=123456@root`. RDP: `DOMAIN\otp~123456%Administrator`, where `~` stands for `=`, `%`
    for the `@` between fields, and `^` for `:`. The name starts at the first field that is not a pair.
    """
    domain, separator = None, "@"
    if protocol == "rdp":
        before, backslash, after = text.partition("\\")
        domain, text = (before or None, after) if backslash else (None, text)
        text, separator = text.replace("~", "=").replace("^", ":"), "%"
    fields = text.split(separator)
    pairs = {}
    while fields and fields[0].find("=") > 0:
        key, _, value = fields.pop(0).partition("=")
        pairs[key] = value
    return LoginName(pairs, separator.join(fields) or None, domain)


class Question(NamedTuple):
    """A question of the plugin to the user; the answer arrives under `key` in key_value_pairs."""

    key: str
    prompt: str
    disable_echo: bool


class Session:
    """The session of one user: the hooks in order, the cookies, the questions, and the checks by SPS of every result.

    The arguments are what SPS knows at the first call of the plugin, and `time_limit` is in seconds. With `cumulative`,
    the answers to earlier questions stay in key_value_pairs; without it, only the pairs of the login name and the
    newest answer are passed. `questions`, `calls` and `log` have what happened so far.
    """

    def __init__(
        self,
        plugin: UnpackedPlugin,
        *,
        session_id: Optional[str] = None,
        protocol: str = "ssh",
        connection_name: str = "demo_connection",
        client_ip: str = "192.0.2.10",
        client_port: int = 50022,
        client_hostname: Optional[str] = None,
        gateway_user: Optional[str] = None,
        gateway_domain: Optional[str] = None,
        gateway_groups: Sequence[str] = (),
        server_username: Optional[str] = None,
        server_domain: Optional[str] = None,
        server_ip: Optional[str] = "192.0.2.20",
        server_port: Optional[int] = 22,
        server_hostname: Optional[str] = None,
        key_value_pairs: Optional[Mapping[str, str]] = None,
        cumulative: bool = True,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.plugin = plugin
        self.session_id = session_id or f"svc/{uuid.uuid4().hex}/{connection_name}:1/{protocol}"
        self.protocol = protocol
        self.gateway_user = gateway_user
        self.gateway_groups = list(gateway_groups)
        self.cumulative = cumulative
        self.time_limit = time_limit
        self.cookie: Dict[str, Any] = {}
        self.session_cookie: Dict[str, Any] = {}
        self.questions: List[Question] = []
        self.calls: List[HookCall] = []
        self._connection = {
            "session_id": self.session_id,
            "protocol": protocol,
            "connection_name": connection_name,
            "client_ip": client_ip,
            "client_port": client_port,
            "client_hostname": client_hostname,
            "gateway_domain": gateway_domain,
            "server_username": server_username,
            "server_domain": server_domain,
        }
        self._target = {"server_ip": server_ip, "server_port": server_port, "server_hostname": server_hostname}
        self._login_pairs = dict(key_value_pairs or {})
        self._pairs = dict(self._login_pairs)
        self._pending: Optional[Question] = None

    @property
    def log(self) -> List[str]:
        """All lines that the plugin wrote so far; syslog splits them at line feeds only."""
        return [line for call in self.calls for line in call.log.split("\n") if line]

    def log_in(self, *answers: str) -> Dict[str, Any]:
        """Authenticate with these answers to the plugin's questions, in order, and return the last result.

        Raise UnexpectedQuestion or UnusedAnswers if there are fewer or more answers than questions.
        """
        given = list(answers)
        result = self.authenticate()
        while self._pending:
            if not given:
                raise UnexpectedQuestion(f"no answer for {self._pending.prompt!r}")
            result = self.answer(given.pop(0))
        if given:
            raise UnusedAnswers(f"{result['verdict']}, with {len(given)} answer(s) left over")
        return result

    def authenticate(self) -> Dict[str, Any]:
        """Call `authenticate` once and return its result; after NEEDINFO, the question is the last of `questions`.

        Raise HookFailed or ContractBroken where SPS would end the session.
        """
        arguments = dict(self._connection, gateway_user=self.gateway_user, key_value_pairs=dict(self._pairs))
        result = self._verdict("authenticate", arguments, _AUTHENTICATE_VERDICTS)
        self._pending = None
        if result["verdict"] == "NEEDINFO":
            self._pending = self._question(result)
            self.questions.append(self._pending)
        if result["verdict"] == "ACCEPT" and "gateway_user" in result:
            self.gateway_user, self.gateway_groups = result["gateway_user"], result["gateway_groups"]
        return result

    def answer(self, text: str) -> Dict[str, Any]:
        """Answer the pending question and call `authenticate` again; raise UnusedAnswers if there is none."""
        if self._pending is None:
            raise UnusedAnswers("an answer, and nothing was asked")
        if not self.cumulative:
            self._pairs = dict(self._login_pairs)
        self._pairs[self._pending.key] = text
        return self.authenticate()

    def authorize(self) -> Dict[str, Any]:
        """Call `authorize` with what is known about the user and the target, and return its result."""
        arguments = dict(
            self._connection,
            gateway_user=self.gateway_user,
            gateway_groups=list(self.gateway_groups),
            key_value_pairs=dict(self._pairs),
            **self._target,
        )
        return self._verdict("authorize", arguments, _AUTHORIZE_VERDICTS)

    def end(self) -> None:
        """Call `session_ended`, as SPS does once for every session; raise ContractBroken if it returns anything."""
        result = self._call("session_ended", {"session_id": self.session_id})
        if result is not None:
            raise ContractBroken("session_ended returned a result: SPS expects None")

    def _verdict(self, hook: str, arguments: Mapping[str, Any], known: Sequence[str]) -> Dict[str, Any]:
        result = self._call(hook, arguments)
        if result is None and "NONE" in known:
            result = {"verdict": "NONE"}
        _check_result(hook, result, known)
        self.cookie = result.get("cookie", self.cookie)
        self.session_cookie = result.get("session_cookie", self.session_cookie)
        return dict(result)

    def _call(self, hook: str, arguments: Mapping[str, Any]) -> Any:
        cookies = {"cookie": self.cookie, "session_cookie": self.session_cookie}
        call = self.plugin.call(hook, dict(arguments, **cookies), self.time_limit)
        self.calls.append(call)
        if call.error:
            if call.error.type == TIME_LIMIT_EXCEEDED:
                self.cookie, self.session_cookie = {}, {}  # what SPS then passes to session_ended
            raise HookFailed(f"{hook}: {call.error.type}: {call.error.message}")
        return call.result

    def _question(self, result: Mapping[str, Any]) -> Question:
        if self.protocol.lower() not in PROTOCOLS_THAT_ASK:
            raise ContractBroken(f"NEEDINFO in {self.protocol}, where SPS cannot ask")
        question = result.get("question")
        if not isinstance(question, list) or len(question) not in (2, 3):
            raise ContractBroken("NEEDINFO without a question of two or three items")
        key, prompt = question[:2]
        disable_echo = question[2] if len(question) == 3 else False
        if not (isinstance(key, str) and key and isinstance(prompt, str) and isinstance(disable_echo, bool)):
            raise ContractBroken("a question that is not (key, prompt, whether to disable echo)")
        return Question(key, prompt, disable_echo)


def _check_result(hook: str, result: Any, known: Sequence[str]) -> None:
    """Raise ContractBroken unless SPS would accept this result of a hook; it ignores unknown keys."""
    if not isinstance(result, dict):
        raise ContractBroken(f"{hook} returned no dictionary")
    if result.get("verdict") not in known:
        raise ContractBroken(f"{hook} returned the verdict {result.get('verdict')!r}")
    for name, kind in (("cookie", dict), ("session_cookie", dict), ("additional_metadata", str), ("reason", str)):
        if name in result and not isinstance(result[name], kind):
            raise ContractBroken(f"{hook} returned a {name} that is no {kind.__name__}")
    if ("gateway_user" in result) != ("gateway_groups" in result):
        raise ContractBroken(f"{hook} returned only one of gateway_user and gateway_groups")
    if "gateway_user" in result:
        groups = result["gateway_groups"]
        if not isinstance(result["gateway_user"], str):
            raise ContractBroken(f"{hook} returned a gateway_user that is no text")
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise ContractBroken(f"{hook} returned gateway_groups that are no list of texts")
