"""`servers`: probes every address of every server."""

import argparse
import json
import os
import time
from typing import Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union

from .. import reasons
from ..config.model import Settings
from ..namedtuple import NamedTuple
from ..radius import client, nas, packet
from ..radius.request import LoginRequest, Origin, StatusRequest
from ..radius.result import Answer, NoAnswer
from ..radius.server import ServerSettings
from ..radius.transport.base import Address, Certificate, Unreachable
from ..radius.transport.resolve import MAX_ADDRESSES, resolve
from ..secret import Secret
from ..text import counted, field, one_line
from . import exit_status
from .config_source import load
from .console import Ask, Console, ask
from .other_address import find_other_address

STATUS_SERVER, LOGIN = "Status-Server", "login"
_DAY, _OTHER_ADDRESS_TIMEOUT = 86400.0, 2.0  # seconds
_LOGIN_MAY_BE_SIGNED = "set status_check=none if --probe-user shows that it signs its replies to logins"
# For these, the details would repeat the text.
_WITHOUT_DETAILS = (reasons.NO_REPLY, reasons.NAME_LOOKUP, reasons.CONNECTION_REFUSED)
_TEXTS = {
    reasons.CONNECTION_REFUSED: "connection refused: nothing listens on this port",
    reasons.WRONG_SECRET: "the server is up, but its shared secret differs",
    reasons.BAD_REPLY: "the reply does not answer the request",
}

Probe = Union[StatusRequest, LoginRequest]


class ProbeOptions(NamedTuple):
    """How to probe: seconds for each address, the NAS-Identifier, and the user of --probe-user if given."""

    timeout: float
    nas_identifier: str
    probe_user: str = ""


class ProbeResult(NamedTuple):
    """What a probe found out about an address of a server, or about its name if that does not resolve.

    `ok` is whether the plugin can use the address, `code` the reason for a DENY if it cannot. `probe` is the request
    that the server answered, `seconds` after the first of so many `transmissions`; `signed` is whether the reply had a
    Message-Authenticator, `transport` UDP or the versions of TLS and RADIUS, `tunnel` the method and the version of TLS
    inside EAP. A valid reply that came from `other_address` answers nothing. The name has so many `addresses`. Times
    are in seconds.
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
    certificate_subject: str = ""
    certificate_names: Tuple[str, ...] = ()
    certificate_issuer: str = ""
    certificate_until: str = ""
    certificate_days: Optional[int] = None
    tunnel: str = ""
    other_address: str = ""
    addresses: int = 0
    details: Tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """How the details begin that are about this address."""
        return f"[{self.section}] {self.address}: "

    @property
    def is_login(self) -> bool:
        """Whether the server answered a login."""
        return self.probe == LOGIN

    @property
    def is_for_accounting(self) -> bool:
        """Whether the server is one for accounting."""
        return self.section.startswith("accounting")

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What to say once about the server: that its name has too many addresses, and its certificate."""
        found = []
        if self.addresses > MAX_ADDRESSES:
            found.append(f"the name has {self.addresses} addresses: the plugin asks only the first {MAX_ADDRESSES}")
        if self.certificate_until:
            days = counted(self.certificate_days or 0, "day", "days")
            found.append(
                f"{'unverified ' if self.code else ''}certificate: subject {self.certificate_subject or 'empty'}; "
                f"alternative names {', '.join(self.certificate_names) or 'none'}; "
                f"issuer {self.certificate_issuer}; valid until {self.certificate_until} ({days})"
            )
        return tuple(found)


class _Target(NamedTuple):
    """A server, and whether it is for accounting."""

    server: ServerSettings
    accounting: bool


def run(options: argparse.Namespace) -> int:
    """Probe the servers, print the results and return the exit status."""
    console = Console()
    results: List[ProbeResult] = []
    said: Set[Tuple[str, str]] = set()
    for result in probe(options, console, ask):
        results.append(result)
        if not options.json:
            console.say(_report(result, console))
            remarks = tuple(each for each in result.remarks if (result.server, each) not in said)
            said.update((result.server, each) for each in remarks)
            details = () if result.code in _WITHOUT_DETAILS else result.details
            for line in remarks + tuple(each for each in details if each != result.place + result.text):
                console.say(console.styled("dim", "    " + line))
    if options.json:
        console.say(json.dumps({"servers": [each._asdict() for each in results]}, indent=2, sort_keys=True))
    return exit_status.OK if all(result.ok for result in results) else exit_status.FAILED


def probe(options: argparse.Namespace, console: Console, ask_user: Ask) -> Iterator[ProbeResult]:
    """Probe the servers as the options of the command say; `ask_user` asks for missing secrets."""
    settings = load(options.file, options.secret_file, ask_user).settings
    how = ProbeOptions(options.timeout, options.nas_identifier, options.probe_user or "")
    return probe_servers(settings, how, console)


def probe_servers(settings: Settings, how: ProbeOptions, console: Console) -> Iterator[ProbeResult]:
    """Probe every address of every server that a login may ask, one after the other."""
    for target in _targets(settings):
        server = target.server
        console.progress(f"[{server.section}] resolving {one_line(server.server)} ...")
        began = time.monotonic()
        try:
            addresses = resolve(server.server, server.port, how.timeout)
        except Unreachable as error:
            seconds = time.monotonic() - began
            yield ProbeResult(server.section, server.server, "", False, one_line(str(error)), seconds, error.code)
            continue
        seconds = time.monotonic() - began
        for address in addresses[:MAX_ADDRESSES]:
            console.progress(f"[{server.section}] probing {address} ...")
            for result in _probe(target, address, how):
                yield result._replace(lookup_seconds=seconds, addresses=len(addresses))


def _targets(settings: Settings) -> Iterator[_Target]:
    for server in settings.servers:
        yield _Target(server, False)
    for server in settings.accounting.servers if settings.accounting else ():
        # Without servers of its own, [accounting] uses those of [radius] with another port.
        section = server.section if server.section.startswith("accounting") else "accounting"
        yield _Target(server._replace(section=section), True)


def _probe(target: _Target, address: Address, how: ProbeOptions) -> List[ProbeResult]:
    """Send a Status-Server to an address, and a login if --probe-user is given; return a result or two."""
    server = target.server._replace(
        conn_timeout=how.timeout,
        conn_retries=1,
        retransmit_after=target.server.retransmit_after or 1.0,  # 0 is for logins only
        status_check="none",
        auth_type=_auth_type(target.server),
    )
    # Like the answer to a challenge, the request goes to this address only.
    place = Origin(server.section, address.host, server.port)
    result = ProbeResult(server.section, target.server.server, str(address), False, "", 0.0)
    requests: List[Probe] = [StatusRequest(_nas_identifier(how), target.accounting, place)]
    if (how.probe_user or server.tunnel) and not target.accounting:
        # It must fail: every valid reply shows that the server is up and its secret is right. A tunnel is left unused.
        names = {server.section: how.probe_user or "probe"}
        attributes = nas.attributes(how.nas_identifier, "", "")
        password = Secret(os.urandom(12).hex())
        requests.append(LoginRequest(names, password, attributes, origin=place, ends_at_handshake=True))
    answers = [_ask(server, request, how.timeout) for request in requests]
    status, login = answers[0], answers[1] if len(answers) > 1 else None
    if not any(isinstance(answer, Answer) for answer in answers):
        result = _failure(result, answers, target, how)
        if result.code == reasons.NO_REPLY and server.tls is None:
            result = _with_other_address(result, server, address, requests, how)
        if result.code == reasons.TLS_CERTIFICATE:
            from .peer_certificate import peer_certificate  # other servers do not need it

            in_tunnel = login.certificate if isinstance(login, NoAnswer) else None
            result = _with_certificate(result, in_tunnel or peer_certificate(server, address, how.timeout))
        return [result]
    results = []
    if isinstance(status, Answer):
        results.append(_success(result, STATUS_SERVER, status, target, login))
    elif status.code not in _WITHOUT_DETAILS:
        result = result._replace(details=_lines([status]))
    if isinstance(login, Answer) and login.tunnel and login.reply.code == packet.ACCESS_REJECT:
        results.append(_rejected(result, login))
    elif isinstance(login, Answer):
        remark = "" if isinstance(status, Answer) else ", not to Status-Server,"
        results.append(_success(result, LOGIN, login, target, login, remark))
    elif login is not None:
        failure = _with_certificate(_failure(result, [login], target, how), login.certificate)
        if failure.code == reasons.NO_REPLY:
            text = f"no response to a login in {how.timeout:g} s, but to Status-Server: read the log of the server"
            failure = failure._replace(text=text)
        results.append(failure)
    return results


def _auth_type(server: ServerSettings) -> str:
    """Return a method with the same handshake that any computer can start, and that every password fits."""
    if server.tunnel is None:
        return "pap"
    return "ttls-pap" if server.auth_type == "ttls-mschapv2" else server.auth_type  # it requires pyOpenSSL


def _ask(server: ServerSettings, request: Probe, timeout: float) -> Union[Answer, NoAnswer]:
    # Unsigned replies are accepted, so that the result can report them.
    try:
        return client.ask([server._replace(require_message_authenticator=False)], request, timeout)
    except NoAnswer as no_answer:
        return no_answer


def _lines(answers: Iterable[Union[Answer, NoAnswer]]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(one_line(line) for answer in answers for line in answer.log_lines))


def _nas_identifier(how: ProbeOptions) -> packet.Attributes:
    """Return NAS-Identifier alone, as RFC 5997 section 3 recommends."""
    usual = nas.attributes(how.nas_identifier, "", "")
    return tuple(each for each in usual if each[1] == packet.NAS_IDENTIFIER)


def _success(
    result: ProbeResult,
    probe: str,
    answer: Answer,
    target: _Target,
    login: Union[Answer, NoAnswer, None],
    remark: str = "",
) -> ProbeResult:
    """Return the result for an answer; `login` is the outcome of the login, if there was one.

    `remark` follows what was answered.
    """
    signed = _is_signed(answer)
    text = "responded to " + ("Status-Server" if probe == STATUS_SERVER else "a login")
    if answer.tunnel:
        text = f"responded to the TLS handshake ({answer.tunnel})"
    text += f"{remark} in {_milliseconds(answer.seconds)}"
    if answer.tunnel:
        text += f" and {counted(answer.transmissions, 'request', 'requests')}"
    elif answer.transmissions > 1:
        text += f" and {counted(answer.transmissions, 'transmission', 'transmissions')}"
    if answer.transport:
        text += " over " + answer.transport
    else:
        text += ", with Message-Authenticator" if signed else ", without Message-Authenticator"
    ok = True
    if not signed and not target.accounting and not answer.transport:
        if not target.server.require_message_authenticator:
            text += ", so replies can be forged (CVE-2024-3596)"
        elif isinstance(login, Answer) and _is_signed(login):
            text += ", so the plugin ignores replies to Status-Server: update the server, or set status_check=none"
        else:
            ok = False
            text += ", so the plugin discards the reply: update the server, or "
            # An option that is about logins is no advice before it is known that they need it.
            text += "accept the risk with require_message_authenticator=no" if login else _LOGIN_MAY_BE_SIGNED
    return _with_certificate(result, answer.certificate)._replace(
        ok=ok,
        code="" if ok else reasons.NO_MESSAGE_AUTHENTICATOR,
        text=text,
        probe=probe,
        seconds=round(answer.seconds, 6),
        transmissions=answer.transmissions,
        signed=signed,
        transport=answer.transport or "UDP",
        tunnel=answer.tunnel,
        details=result.details + _lines([answer]),
    )


def _rejected(result: ProbeResult, answer: Answer) -> ProbeResult:
    """Return the result for a server that ended a tunneled login before the user logged in."""
    text = (
        f"Access-Reject before the end of the TLS handshake: enable {answer.tunnel} on the server, and check that its "
        f"policies allow the name outside the tunnel, {field(answer.outer_name)}"
    )
    return result._replace(
        code=reasons.REJECTED,
        text=text,
        probe=LOGIN,
        tunnel=answer.tunnel,
        details=result.details + _lines([answer]),
    )


def _is_signed(answer: Answer) -> bool:
    return bool(answer.reply.values(packet.MESSAGE_AUTHENTICATOR))


def _with_certificate(result: ProbeResult, certificate: Optional[Certificate]) -> ProbeResult:
    if certificate is None:
        return result
    return result._replace(
        certificate_subject=one_line(certificate.subject),
        certificate_names=tuple(map(one_line, certificate.names)),
        certificate_issuer=one_line(certificate.issuer),
        certificate_until=time.strftime("%Y-%m-%d", time.gmtime(certificate.until)),
        certificate_days=int((certificate.until - time.time()) // _DAY),
    )


def _failure(
    result: ProbeResult, answers: Sequence[Union[Answer, NoAnswer]], target: _Target, how: ProbeOptions
) -> ProbeResult:
    """Return the result for an address without a valid reply."""
    failures = [answer for answer in answers if isinstance(answer, NoAnswer)]
    known = [each for each in failures if each.code != reasons.NO_REPLY] or failures
    code, details = known[0].code, _lines(known)
    if code != reasons.NO_REPLY:
        text = _TEXTS.get(code) or next(iter(details), code)
        text = text[len(result.place) :] if text.startswith(result.place) else text
    else:
        text = (
            f"no response in {how.timeout:g} s: the server is down or unreachable; or it does not list this host as a "
            "client; or its shared secret differs (servers discard such requests silently, RFC 3579)"
        )
        if target.accounting or not (how.probe_user or target.server.tunnel):
            text += "; or it does not answer Status-Server"
            text += "" if target.accounting else " (NPS does not; --probe-user sends a login too)"
    return result._replace(code=code, text=text, details=details)


def _with_other_address(
    result: ProbeResult, server: ServerSettings, address: Address, requests: Sequence[Probe], how: ProbeOptions
) -> ProbeResult:
    """Return the result with the other address that a valid reply comes from, if one does."""
    for request in requests:
        found = find_other_address(server, address, request, min(how.timeout, _OTHER_ADDRESS_TIMEOUT))
        if found:
            text = (
                f"the server replies from {found}, so the plugin discards its replies: configure the server to reply "
            )
            text += "from the address that it is asked at, or set server to the other address"
            return result._replace(text=text, other_address=found)
    return result


def _report(result: ProbeResult, console: Console) -> str:
    """Return the line for a result."""
    place = f"[{result.section}] {result.address or one_line(result.server)}"
    if result.address and not result.address.startswith((result.server + ":", f"[{result.server}]:")):
        place += f" ({one_line(result.server)}, resolved in {_milliseconds(result.lookup_seconds)})"
    state = console.styled("good", "ok") if result.ok else console.styled("error", "not ok")
    return f"{place}: {state}: {result.text}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"
