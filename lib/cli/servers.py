"""`servers`: probes every address of every server."""

import argparse
import json
import os
import time
from typing import Iterator, List, Optional, Tuple

from ..config.model import Settings
from ..namedtuple import NamedTuple
from ..radius import client, nas, packet
from ..radius.request import LoginRequest, Origin, StatusRequest
from ..radius.result import Answer, NoAnswer
from ..radius.server import ServerSettings
from ..radius.transport.base import Address, Unreachable
from ..radius.transport.resolve import MAX_ADDRESSES, resolve
from ..secret import Secret
from ..text import counted, one_line
from . import exit_status
from .config_source import load
from .console import Console

STATUS_SERVER, LOGIN = "Status-Server", "login"
_DAY = 86400.0  # seconds
_WITHOUT_DETAILS = ("no-reply", "name-lookup", "connection-refused")  # the details would repeat the text
_TEXTS = {
    "connection-refused": "connection refused: nothing listens on this port",
    "wrong-secret": "the server is up, but its shared secret differs",
    "bad-reply": "the reply does not answer the request",
}


class ProbeOptions(NamedTuple):
    """How to probe: seconds for each address, the NAS-Identifier, and the user of --probe-user if given."""

    timeout: float
    nas_identifier: str
    probe_user: str = ""


class ProbeResult(NamedTuple):
    """What a probe found out about an address of a server, or about its name if that does not resolve.

    `ok` is whether the plugin can use the address, `code` the reason for a DENY if it cannot. `probe` is the request
    that the server answered, `seconds` after the first of so many `transmissions`; `signed` is whether the reply had a
    Message-Authenticator, `transport` UDP or the versions of TLS and RADIUS. Times are in seconds.
    """

    section: str
    server: str
    address: str
    ok: bool
    text: str
    lookup_seconds: float
    code: str = ""
    probe: str = ""
    seconds: Optional[float] = None
    transmissions: int = 0
    signed: Optional[bool] = None
    transport: str = ""
    certificate_days: Optional[int] = None
    details: Tuple[str, ...] = ()


class _Target(NamedTuple):
    """A server, and whether it is for accounting."""

    server: ServerSettings
    accounting: bool


def run(options: argparse.Namespace) -> int:
    """Probe the servers, print the results and return the exit status."""
    console = Console()
    settings = load(options.file, options.secret_file).settings
    how = ProbeOptions(options.timeout, options.nas_identifier, options.probe_user or "")
    results: List[ProbeResult] = []
    for result in probe_servers(settings, how, console):
        results.append(result)
        if not options.json:
            console.say(_report(result, console))
            for detail in result.details if result.code not in _WITHOUT_DETAILS else ():
                console.say(console.styled("dim", "    " + detail))
    if options.json:
        console.say(json.dumps({"servers": [each._asdict() for each in results]}, indent=2, sort_keys=True))
    return exit_status.OK if all(result.ok for result in results) else exit_status.FAILED


def probe_servers(settings: Settings, how: ProbeOptions, console: Console) -> Iterator[ProbeResult]:
    """Probe every address of every server that a login may ask, one after the other."""
    for target in _targets(settings):
        server = target.server
        console.progress(f"[{server.section}] resolving {one_line(server.server)} ...")
        began = time.monotonic()
        try:
            addresses = resolve(server.server, server.port, how.timeout)[:MAX_ADDRESSES]
        except Unreachable as error:
            console.progress("")
            seconds = time.monotonic() - began
            yield ProbeResult(server.section, server.server, "", False, one_line(str(error)), seconds, error.code)
            continue
        seconds = time.monotonic() - began
        for address in addresses:
            console.progress(f"[{server.section}] probing {address} ...")
            result = _probe(target, address, how)
            console.progress("")
            yield result._replace(lookup_seconds=seconds)


def _targets(settings: Settings) -> Iterator[_Target]:
    for server in settings.servers:
        yield _Target(server, False)
    for server in settings.accounting.servers if settings.accounting else ():
        # Without servers of its own, [accounting] uses those of [radius] with another port.
        section = server.section if server.section.startswith("accounting") else "accounting"
        yield _Target(server._replace(section=section), True)


def _probe(target: _Target, address: Address, how: ProbeOptions) -> ProbeResult:
    """Send a Status-Server to an address, and a login if it is not answered and --probe-user is given."""
    server = target.server._replace(
        conn_timeout=how.timeout,
        conn_retries=1,
        retransmit_after=target.server.retransmit_after or 1.0,  # 0 is for logins only
        status_check="none",
    )
    # Like the answer to a challenge, the request goes to this address only.
    place = Origin(server.section, address.host, server.port)
    result = ProbeResult(server.section, target.server.server, str(address), False, "", 0.0)
    try:
        status = StatusRequest(_nas_identifier(how), target.accounting, place)
        answer = client.ask([_accepting_unsigned(server)], status, how.timeout)
    except NoAnswer as no_answer:
        result = result._replace(code=no_answer.code, details=tuple(map(one_line, no_answer.log_lines)))
        if result.code == "no-reply" and how.probe_user and not target.accounting:
            return _probe_with_login(server, place, result, how)
        hint = "; or it does not answer Status-Server"
        hint += "" if target.accounting else " (NPS does not; --probe-user sends a login instead)"
        return result._replace(text=_failure(result, how.timeout, hint))
    return _success(result, STATUS_SERVER, answer, server, target.accounting)


def _probe_with_login(server: ServerSettings, place: Origin, result: ProbeResult, how: ProbeOptions) -> ProbeResult:
    """Send a login that must fail: every valid reply shows that the server is up and its secret is right."""

    password = Secret(os.urandom(12).hex())
    attributes = nas.attributes(how.nas_identifier, "", "")
    login = LoginRequest({server.section: how.probe_user}, password, attributes, origin=place)
    try:
        answer = client.ask([_accepting_unsigned(server)._replace(auth_type="pap")], login, how.timeout)
    except NoAnswer as no_answer:
        details = result.details + tuple(map(one_line, no_answer.log_lines))
        result = result._replace(code=no_answer.code, details=details)
        return result._replace(text=_failure(result, how.timeout))
    return _success(result._replace(code=""), LOGIN, answer, server, False)


def _nas_identifier(how: ProbeOptions) -> packet.Attributes:
    """Return NAS-Identifier alone, as RFC 5997 section 3 recommends."""
    usual = nas.attributes(how.nas_identifier, "", "")
    return tuple(each for each in usual if each[1] == packet.NAS_IDENTIFIER)


def _accepting_unsigned(server: ServerSettings) -> ServerSettings:
    """Return settings that accept replies without Message-Authenticator, so that the result can report them."""
    return server._replace(require_message_authenticator=False)


def _success(result: ProbeResult, probe: str, answer: Answer, server: ServerSettings, accounting: bool) -> ProbeResult:
    signed = bool(answer.reply.values(packet.MESSAGE_AUTHENTICATOR))
    ok = signed or accounting or server.tls is not None or not server.require_message_authenticator
    days = None if answer.certificate_until is None else int((answer.certificate_until - time.time()) // _DAY)
    text = "responded to " + ("Status-Server" if probe == STATUS_SERVER else "a login, not to Status-Server,")
    text += f" in {_milliseconds(answer.seconds)}"
    if answer.transmissions > 1:
        text += f" and {counted(answer.transmissions, 'transmission', 'transmissions')}"
    if answer.transport:
        text += " over " + answer.transport
        text += "" if days is None else f", certificate valid for {counted(days, 'day', 'days')}"
    else:
        text += ", with Message-Authenticator" if signed else ", without Message-Authenticator"
    if not ok:
        text += ", so the plugin discards the reply: update the server, or accept the risk with "
        text += "require_message_authenticator=no"
    elif not signed and not accounting and not answer.transport:
        text += ", so replies can be forged (CVE-2024-3596)"
    return result._replace(
        ok=ok,
        code="" if ok else "no-message-authenticator",
        text=text,
        probe=probe,
        seconds=round(answer.seconds, 6),
        transmissions=answer.transmissions,
        signed=signed,
        transport=answer.transport or "UDP",
        certificate_days=days,
        details=result.details + tuple(map(one_line, answer.log_lines)),
    )


def _failure(result: ProbeResult, timeout: float, hint: str = "") -> str:
    """Return the text for an address without a valid reply; `hint` adds a cause of silence."""
    if result.code != "no-reply":
        return _TEXTS.get(result.code) or next(iter(result.details), result.code)
    return (
        f"no response in {timeout:g} s: the server is down or unreachable; or it does not list this host as a client; "
        f"or its shared secret differs (servers discard such requests silently, RFC 3579){hint}"
    )


def _report(result: ProbeResult, console: Console) -> str:
    """Return the line for a result."""
    place = f"[{result.section}] {result.address or one_line(result.server)}"
    if result.address and not result.address.startswith((result.server + ":", f"[{result.server}]:")):
        place += f" ({one_line(result.server)}, resolved in {_milliseconds(result.lookup_seconds)})"
    state = console.styled("good", "ok") if result.ok else console.styled("error", "not ok")
    return f"{place}: {state}: {result.text}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
