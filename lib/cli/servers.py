"""`servers`: is each server there, is its secret ours, and does it sign what it says."""

import argparse
import json
import os
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..config.model import Settings
from ..namedtuple import NamedTuple
from ..radius import client, nas, packet
from ..radius.request import LoginRequest, Origin, StatusRequest
from ..radius.result import Answer, NoAnswer
from ..radius.server import ServerSettings
from ..radius.transport.base import Address, Unreachable
from ..radius.transport.resolve import resolve
from ..secret import Secret
from ..text import counted, one_line
from . import FINE, NOT_FINE
from .config_source import usable
from .console import Console

STATUS_SERVER, LOGIN = "Status-Server", "login"
_DAY = 86400.0  # seconds


class Look(NamedTuple):
    """How to look at the servers: seconds for each address, the NAS-Identifier, and the user of --probe-user if any."""

    timeout: float
    nas_identifier: str
    probe_user: str = ""


class Facts(NamedTuple):
    """What is known of one address of a server, or of its name if that was not found.

    `ok` is whether the plugin can use it. `code` is a denial's if it did not answer, and `text` puts all into words.
    `answered` is what it answered, if anything, `seconds` after the first of so many `sends`; `signed` is whether the
    reply had a Message-Authenticator, `over` what it came over, if not UDP, and `certificate_days` how many days the
    server's certificate then has left. Times are in seconds.
    """

    section: str
    server: str
    address: str
    ok: bool
    text: str
    look_up_seconds: float
    code: str = ""
    answered: str = ""
    seconds: Optional[float] = None
    sends: int = 0
    signed: Optional[bool] = None
    over: str = ""
    certificate_days: Optional[int] = None
    details: Tuple[str, ...] = ()


class _Asked(NamedTuple):
    """A server, and whether it is one for accounting."""

    server: ServerSettings
    accounts: bool


def look(settings: Settings, how: Look, console: Console) -> Iterator[Facts]:
    """Look at every address of every server, one after the other."""
    for asked in _all(settings):
        server = asked.server
        console.progress("[{}] looking {} up ...".format(server.section, one_line(server.server)))
        began = time.monotonic()
        try:
            addresses = resolve(server.server, server.port, how.timeout)
        except Unreachable as error:
            console.progress("")
            seconds = time.monotonic() - began
            yield Facts(server.section, server.server, "", False, one_line(str(error)), seconds, error.code)
            continue
        seconds = time.monotonic() - began
        for address in addresses:
            console.progress("[{}] asking {} ...".format(server.section, address))
            facts = facts_of(asked, address, how)
            console.progress("")
            yield facts._replace(look_up_seconds=seconds)


def facts_of(asked: _Asked, address: Address, how: Look) -> Facts:
    """Return what can be found out about one address of a server; it is asked now."""
    server = asked.server._replace(
        conn_timeout=how.timeout,
        conn_retries=1,
        retransmit_after=asked.server.retransmit_after or 1.0,  # a Status-Server may be sent again in any case
        status_check="none",
    )
    # As a challenge's answer does, this goes to one address of the name, and to no other.
    place = Origin(server.section, address.host, server.port)
    known = Facts(server.section, asked.server.server, str(address), False, "", 0.0)
    try:
        status = StatusRequest(_identity(how), asked.accounts, place)
        answer = client.ask([_unsigned(server)], status, how.timeout)
    except NoAnswer as no_answer:
        facts = known._replace(code=no_answer.code, details=tuple(map(one_line, no_answer.log_lines)))
        if facts.code == "no-reply" and how.probe_user and not asked.accounts:
            return _by_login(server, place, facts, how)
        return facts._replace(text=_silence(facts, how, asked))
    return _answered(known, STATUS_SERVER, answer, server, asked.accounts)


def report(facts: Facts, console: Console) -> str:
    """Return the line that tells a person of an address."""
    place = "[{}] {}".format(facts.section, facts.address or one_line(facts.server))
    if facts.address and not facts.address.startswith((facts.server + ":", "[{}]:".format(facts.server))):
        place += " ({}, found in {})".format(one_line(facts.server), _milliseconds(facts.look_up_seconds))
    return "{}: {}: {}".format(
        place, console.styled(*(("good", "ok") if facts.ok else ("error", "not ok"))), facts.text
    )


def run(options: argparse.Namespace) -> int:
    """Look at the servers, print what was found, and return the exit status."""
    console = Console()
    found = usable(options.file, options.secret_file)
    how = Look(options.timeout, options.nas_identifier, options.probe_user or "")
    all_facts: List[Facts] = []
    for facts in look(found.settings, how, console):
        all_facts.append(facts)
        if not options.json:
            console.say(report(facts, console))
            for detail in facts.details if facts.code not in _SAID_ENOUGH else ():
                console.say(console.styled("dim", "    " + detail))
    if options.json:
        console.say(json.dumps({"servers": [each._asdict() for each in all_facts]}, indent=2, sort_keys=True))
    return FINE if all(facts.ok for facts in all_facts) else NOT_FINE


def _all(settings: Settings) -> Iterator[_Asked]:
    for server in settings.servers:
        yield _Asked(server, False)
    for server in settings.accounting.servers if settings.accounting else ():
        # Those of [radius], if [accounting] has none, are told apart by their port.
        section = server.section if server.section.startswith("accounting") else "accounting"
        yield _Asked(server._replace(section=section), True)


def _identity(how: Look) -> packet.Attributes:
    usual = nas.attributes(how.nas_identifier, "", "")
    return tuple(each for each in usual if each[1] == packet.NAS_IDENTIFIER)  # RFC 5997 section 3


def _unsigned(server: ServerSettings) -> ServerSettings:
    """Let replies pass without a Message-Authenticator, so that they can be told of."""
    return server._replace(require_message_authenticator=False)


def _by_login(server: ServerSettings, place: Origin, facts: Facts, how: Look) -> Facts:
    """Ask with a login that cannot succeed: any reply that verifies tells as much as one to a Status-Server."""

    password = Secret(os.urandom(12).hex())
    attributes = nas.attributes(how.nas_identifier, "", "")
    login = LoginRequest({server.section: how.probe_user}, password, attributes, origin=place)
    try:
        answer = client.ask([_unsigned(server)._replace(auth_type="pap")], login, how.timeout)
    except NoAnswer as no_answer:
        details = facts.details + tuple(map(one_line, no_answer.log_lines))
        facts = facts._replace(code=no_answer.code, details=details)
        return facts._replace(text=_silence(facts, how, None))
    return _answered(facts._replace(code=""), LOGIN, answer, server, False)


def _answered(facts: Facts, what: str, answer: Answer, server: ServerSettings, accounts: bool) -> Facts:
    signed = bool(answer.reply.values(packet.MESSAGE_AUTHENTICATOR))
    ok = signed or accounts or server.tls is not None or not server.require_message_authenticator
    words = "{} answered after {}".format(
        "Status-Server" if what == STATUS_SERVER else "a login, not Status-Server,", _milliseconds(answer.seconds)
    )
    if answer.transmissions > 1:
        words += " and {}".format(counted(answer.transmissions, "send", "sends"))
    days = None if answer.certificate_until is None else int((answer.certificate_until - time.time()) // _DAY)
    if answer.transport:
        words += " over " + answer.transport
        words += "" if days is None else ", certificate valid for {}".format(counted(days, "day", "days"))
    else:
        words += ", with Message-Authenticator" if signed else ", without Message-Authenticator"
    if not ok:
        words += ", so the plugin drops it: update the server, or accept the risk with require_message_authenticator=no"
    elif not signed and not accounts and not answer.transport:
        words += ", so it can be forged (CVE-2024-3596)"
    return facts._replace(
        ok=ok,
        code="" if ok else "no-message-authenticator",
        text=words,
        answered=what,
        seconds=round(answer.seconds, 6),
        sends=answer.transmissions,
        signed=signed,
        over=answer.transport,
        certificate_days=days,
        details=facts.details + tuple(map(one_line, answer.log_lines)),
    )


_SAID_ENOUGH = ("no-reply", "name-lookup", "connection-refused")  # what the details would only say again
_LIVES: Dict[str, str] = {
    "connection-refused": "the host is there, but nothing listens on this port",
    "wrong-secret": "it lives, and its secret is another one: a reply came that was not made with ours",
    "bad-reply": "something answers, but not to what it was asked",
}


def _silence(facts: Facts, how: Look, asked: Any) -> str:
    """Say what it means that no reply could be believed."""
    if facts.code != "no-reply":
        return _LIVES.get(facts.code) or next(iter(facts.details), facts.code)
    words = (
        "no reply in {:g} s. It may be down or out of reach, not list this host as a client, have another secret "
        "(what is signed with a wrong one is dropped without a word, RFC 3579)".format(how.timeout)
    )
    if asked is None:
        return words
    hint = ", or not answer Status-Server"
    return words + hint + ("" if asked.accounts else " (NPS does not; --probe-user asks for a login instead)")


def _milliseconds(seconds: float) -> str:
    return "{:.1f} ms".format(1000 * seconds)
