"""Hooks in new processes, as on SPS: every hook, verdict and transport once, and their imports."""

from typing import Dict, List, Set

import pytest

from simulator.gateway import HookCall
from tests.support import tunnel
from tests.support.misbehaving import Server
from tests.support.plugin import OpenSession, code, prompts, section
from tests.support.radiusd import AUTHORITY, FreeRadius


@pytest.fixture(scope="module")
def transports(freeradius: FreeRadius) -> Dict[str, str]:
    """The [radius] section of the tests' FreeRADIUS for each transport."""
    certificates = {
        "ca_certificate": AUTHORITY.certificate,
        "client_certificate": AUTHORITY.issue(for_client=True).both,
    }
    tls = section(freeradius.tls_port, transport="tls", conn_timeout=60, **certificates)
    return {"udp": section(freeradius, conn_timeout=60), "tls": tls}


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_every_hook_and_verdict(open_fresh_session: OpenSession, transports: Dict[str, str], transport: str) -> None:
    configuration = transports[transport] + "[auth]\nmax_attempts=2\n"
    configuration += "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
    first = open_fresh_session(configuration, gateway_user="pin1")
    assert first.authenticate()["verdict"] == "NEEDINFO"
    assert [first.answer(text)["verdict"] for text in ("1111", "wrong", "1111")] == ["NEEDINFO"] * 3
    assert first.answer("222222")["verdict"] == "ACCEPT"
    assert first.authorize()["verdict"] == "ACCEPT"
    assert prompts(first)[1] == "Enter token code "

    second = open_fresh_session(configuration, gateway_user="pin1")
    assert second.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert code(second.authorize()) == "connection-limit"

    third = open_fresh_session(configuration, gateway_user="alice")
    assert code(third.log_in("wrong", "wrong")) == "too-many-attempts"

    for session in (first, second, third):
        session.end()
        assert "Session ended: user=" in session.calls[-1].log


# Imports


def packages(call: HookCall) -> Set[str]:
    """Return the top-level packages that a hook imported."""
    return {module.split(".")[0] for module in call.modules}


def test_only_hooks_that_use_radius_import_pyrad(open_fresh_session: OpenSession, radius: str) -> None:
    session = open_fresh_session(radius, server_username="alice")
    session.log_in("correct horse")
    session.authorize()
    session.end()
    asks, exchanges, authorizes, ends = (packages(call) for call in session.calls)
    assert {"pyrad", "six"} <= exchanges
    for other in (asks, authorizes, ends):
        assert not {"pyrad", "six"} & other


def test_hook_of_a_whitelisted_user_does_not_import_pyrad(open_fresh_session: OpenSession, radius: str) -> None:
    lists = {"user_lists": {"trusted": {"allow": "no_user", "except": ["backup"]}}}
    session = open_fresh_session(radius + "[whitelist source=user_list]\nname=trusted\n", lists, gateway_user="backup")
    assert session.log_in()["verdict"] == "ACCEPT"
    assert "pyrad" not in packages(session.calls[0])


def test_only_tls_imports_tls(open_fresh_session: OpenSession, transports: Dict[str, str]) -> None:
    imported: List[str] = []
    for transport, configuration in transports.items():
        session = open_fresh_session(configuration, gateway_user="alice")
        session.log_in("correct horse")
        if "lib.radius.transport.tls" in session.calls[-1].modules:
            imported.append(transport)
    assert imported == ["tls"]


def test_only_tunnels_import_eap(open_fresh_session: OpenSession, transports: Dict[str, str]) -> None:
    def imports_eap(configuration: str, password: str) -> bool:
        session = open_fresh_session(configuration, gateway_user="alice")
        assert session.log_in(password)["verdict"] == "ACCEPT"
        return any(module.startswith("lib.radius.eap") for module in session.calls[-1].modules)

    assert not any(imports_eap(each, "correct horse") for each in transports.values())
    with Server(tunnel.TunnelScript("ttls-pap")) as server:
        options = dict(auth_type="ttls-pap", tls_server_name=tunnel.NAME, ca_certificate=tunnel.AUTHORITY.certificate)
        assert imports_eap(section(server, conn_timeout=60, **options), tunnel.PASSWORD)
