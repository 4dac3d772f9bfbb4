"""The servers of the tunneled logins do what the tests of the plugin expect of them: eapol_test is the client."""

import pathlib
import shutil
import subprocess
from functools import partial
from typing import Callable, Dict, List

import pytest

from tests.support import hostapd
from tests.support.cases import Cases
from tests.support.certificates import HOST_NAME
from tests.support.radiusd import HOST, SECRET, Tunnel, running

PASSWORD = "correct horse"
WRONG = "correct hors"
METHODS = {
    "ttls-pap": ("TTLS", "auth=PAP"),
    "ttls-mschapv2": ("TTLS", "auth=MSCHAPV2"),
    "peap-mschapv2": ("PEAP", "auth=MSCHAPV2"),
}
FAILED = "CTRL-EVENT-EAP-FAILURE"
# After this failure inside the tunnel, eapol_test may wait for another password.
WRONG_PASSWORD = "EAP-MSCHAPV2: error 691"
FRAGMENT = 150
LIMIT = "60"  # seconds
LOCKED = "Attribute 18 (Reply-Message) length=27\n      Value: 'Account locked, call 4444'"
_NETWORK = """\
network={{
	key_mgmt=IEEE8021X
	eap={eap}
	phase2="{phase2}"
	identity="{user}"
	anonymous_identity="anonymous@example.com"
	password="{password}"
	ca_cert="{directory}/ca.pem"
	domain_match="{name}"
	phase1="tls_disable_tlsv1_3=0 peapver=0 crypto_binding={binding}"
	fragment_size={fragment}
}}
"""


class Client:
    """Logs in with eapol_test, whose files are in the server's directory.

    binding: whether PEAP requires crypto-binding.
    """

    def __init__(self, directory: pathlib.Path, secret: str, version: str, binding: bool) -> None:
        self._directory = directory
        self._secret = secret
        self._version = version
        self._binding = 2 if binding else 0
        self._program = shutil.which("eapol_test") or ""
        if not self._program:
            pytest.skip("eapol_test is not installed (Debian, Ubuntu: apt-get install eapoltest)")

    def accept(self, port: int, method: str) -> None:
        """Log in, and check the version, the keys and the fragments."""
        log = self._run(port, method, "alice", PASSWORD)
        assert log.endswith("MPPE keys OK: 1  mismatch: 0\nSUCCESS\n")
        assert f"Using TLS version TLSv{self._version}\n" in log.split("EAP-TTLS: Start")[-1]
        assert log.count("(Access-Challenge)") > 6
        assert "Attribute 25 (Class) length=9\n      Value: 4f553d6f70733b\n" in log

    def refuse(self, port: int, method: str, user: str = "alice", password: str = WRONG, reply: str = "") -> None:
        """Check that a login fails in the tunnel, with `reply` in the log."""
        log = self._run(port, method, user, password)
        assert FAILED in log or WRONG_PASSWORD in log
        assert "Phase 2" in log
        assert reply in log

    def miss_keys(self, port: int, method: str) -> None:
        """Check that a login is accepted but for the keys."""
        log = self._run(port, method, "alice", PASSWORD)
        assert "(Access-Accept)" in log
        assert log.endswith("MPPE keys OK: 0  mismatch: 1\nFAILURE\n")

    def _run(self, port: int, method: str, user: str, password: str) -> str:
        eap, phase2 = METHODS[method]
        text = _NETWORK.format(
            eap=eap,
            phase2=phase2,
            user=user,
            password=password,
            directory=self._directory,
            name=HOST_NAME,
            binding=self._binding,
            fragment=FRAGMENT,
        )
        path = self._directory / f"{port}-{method}-{user}-{len(password)}.network"
        path.write_text(text, encoding="ascii")
        # Without stdbuf the lines would arrive only at the end.
        command = [
            "stdbuf",
            "-oL",
            self._program,
            "-c",
            str(path),
            "-a",
            HOST,
            "-p",
            str(port),
            "-s",
            self._secret,
            "-t",
            LIMIT,
        ]
        lines = []
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for line in process.stdout:
                lines.append(line.decode("utf-8", "replace"))
                if lines[-1].startswith(WRONG_PASSWORD):
                    process.kill()
        return "".join(lines)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_freeradius(tmp_path: pathlib.Path, version: str) -> None:
    with running(tmp_path, tunnel=Tunnel(version, FRAGMENT)) as server, Cases() as cases:
        client = Client(tmp_path, SECRET, version, binding=False)
        challenge = partial(client.refuse, server.eap_port, "ttls-pap", "pin1", "1111", "Enter token code")
        calls: Dict[str, Callable[[], None]] = {"challenge": challenge}
        for method in METHODS:
            calls[f"{method}: right"] = partial(client.accept, server.eap_port, method)
            calls[f"{method}: wrong"] = partial(client.refuse, server.eap_port, method)
            calls[f"{method}: locked"] = partial(client.refuse, server.eap_port, method, "locked", reply=LOCKED)
            calls[f"{method}: stripped"] = partial(client.miss_keys, server.stripped_port, method)
        cases.run_together(calls)


@pytest.mark.parametrize(
    ("version", "methods"),
    [("1.2", ["ttls-pap", "ttls-mschapv2", "peap-mschapv2"]), ("1.3", ["ttls-pap", "ttls-mschapv2"])],
)
def test_hostapd(tmp_path: pathlib.Path, version: str, methods: List[str]) -> None:
    with hostapd.running(tmp_path, version, FRAGMENT) as server, Cases() as cases:
        client = Client(tmp_path, server.secret, version, binding=True)
        calls: Dict[str, Callable[[], None]] = {}
        for method in methods:
            calls[f"{method}: right"] = partial(client.accept, server.port, method)
            calls[f"{method}: wrong"] = partial(client.refuse, server.port, method)
        cases.run_together(calls)
