"""The process of a hook call: SPS runs every hook in a new process.

`gateway.py` starts it, or lets `fork_server.py` fork it, passes one JSON document on stdin, and reads the answer from
another descriptor. stdout and stderr belong to the plugin: on SPS, they go to syslog. A new process imports only the
standard library before the plugin, so the list of modules in the answer shows what the plugin itself imported.
"""

import importlib
import inspect
import json
import os
import sys
import traceback
from typing import Any, Callable, Dict, Mapping

RESULT_FD = "SPS_SIMULATOR_RESULT_FD"
"""Name of the environment variable with the number of the file descriptor for the answer."""

_FAKES = "safeguard.sessions.plugin_impl."


def answer_request(result_fd: int) -> int:
    """Make the call described on stdin, write the answer to `result_fd`, and return the exit status: 1 if it raises.

    stdin: {"plugin": directory, "configuration": text, "hook": name, "arguments": {...}, "fixtures": {...}}.
    Answer: {"result": what the hook returned, "modules": [names], "error": null or {"type": ..., "message": ...},
    "peak_memory": KiB}.
    """
    os.set_inheritable(result_fd, False)
    request = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    result, error = None, None
    try:
        # SPS takes JSON and nothing else: NaN, sets, octets and dictionaries that contain themselves are errors.
        result = json.loads(json.dumps(_call(request), allow_nan=False))
    except BaseException as exception:  # SystemExit too: SPS gets no result then
        traceback.print_exc()
        error = {"type": type(exception).__name__, "message": str(exception)}
    with open(result_fd, "w", encoding="ascii") as answer:
        json.dump(
            {"result": result, "modules": sorted(sys.modules), "error": error, "peak_memory": _peak_memory()}, answer
        )
    return 1 if error else 0


def _peak_memory() -> int:
    """Return the peak memory of this program in KiB, 0 if the system does not report it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def _call(request: Mapping[str, Any]) -> Any:
    _inject(request["fixtures"])
    sys.path.insert(0, request["plugin"])
    os.chdir(request["plugin"])
    plugin = importlib.import_module("main").Plugin(request["configuration"])
    hook = getattr(plugin, request["hook"])
    return hook(**_taken(hook, request["arguments"]))


def _taken(hook: Callable[..., Any], arguments: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the arguments that the signature of the hook names; all of them if it has `**kwargs`."""
    parameters = inspect.signature(hook).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def _inject(fixtures: Mapping[str, Mapping[str, Any]]) -> None:
    """Put policies into the SDK's fakes: `user_lists` into its module `user_list`, and so on.

    `trusted_ca_lists` belong to the box configuration of the SDK, which writes their files to a configured directory.
    """
    if fixtures:
        importlib.import_module("safeguard.sessions.plugin")  # must be imported before the fakes
    for name, policies in fixtures.items():
        if name == "trusted_ca_lists":
            box = importlib.import_module(_FAKES + "box_config").stable_box_configuration
            files = os.path.join(os.environ["SCB_PLUGIN_STATE_DIRECTORY"], name)
            os.makedirs(os.path.dirname(files), exist_ok=True)
            box.update(trusted_ca_lists=policies, trusted_ca_lists_location=files)
            continue
        fake = getattr(importlib.import_module(_FAKES + name[:-1]), name)
        fake.update(_with_rows(policies) if name == "credential_stores" else policies)


def _with_rows(stores: Mapping[str, Any]) -> Dict[str, Any]:
    """Return {store: {user: {host: [row, ...]}}} with each row as a tuple, the format of the fake's database."""
    return {
        store: {
            user: {host: [tuple(row) for row in rows] for host, rows in hosts.items()} for user, hosts in users.items()
        }
        for store, users in stores.items()
    }


if __name__ == "__main__":
    del sys.path[0]  # the directory of this script, which SPS does not have
    sys.exit(answer_request(int(os.environ.pop(RESULT_FD))))
