"""One call, one verified reply or one clear error: runs an exchange over the network."""

import os
import random
import time
from collections import Counter
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from ..settings import ServerSettings
from ..text import counted
from . import packet
from .exchange import Connect, Exchange, GiveUp, Patience, Probe, Resolve, Send, Wait, healthy_first
from .health import NO_MEMORY, Health
from .transport import Address, Udp, Unreachable, as_address, ready, resolve

# The first of these that any server gave is the reason told; the log has them all.
_CODES_BY_WEIGHT = (
    "server-unproved",
    "wrong-secret",
    "no-message-authenticator",
    "bad-reply",
    "port-closed",
    "name-lookup",
    "network",
    "no-reply",
)
_LONGEST_WAIT = 16.0  # seconds between sends, RFC 5080 section 2.2.1's MRT


class Origin(NamedTuple):
    """Where an Access-Challenge came from, so that its State goes back there and nowhere else."""

    section: str
    host: str
    port: int


class Answer(NamedTuple):
    """A verified reply and how it was come by.

    `messages` are its texts in the server's octets, `seconds` is how long it took, `remarks` are for the log.
    """

    reply: packet.Reply
    messages: Tuple[bytes, ...]
    origin: Origin
    seconds: float
    sends: int
    remarks: Tuple[str, ...]


class NoAnswer(Exception):
    """No server gave an answer: `code` is a denial's code, `remarks` say for the log what happened with each.

    `unreachable` is whether every server of the configuration was tried and not one sent anything at all.
    """

    def __init__(self, code: str, remarks: Sequence[str], seconds: float, unreachable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.remarks = tuple(remarks)
        self.seconds = seconds
        self.unreachable = unreachable


class OriginGone(Exception):
    """The server that sent the challenge is not what the configuration names any more."""


LoginFor = Callable[[ServerSettings, str], packet.Login]
"""(server, the local address its packets leave from) -> what to send to it."""


class Request(NamedTuple):
    """What goes to one address, and what may come back.

    `verify` returns the reply in a datagram or raises packet.Dropped, `accepts` has the last word on it, `identity` is
    what a Status-Server says of this NAS.
    """

    octets: bytes
    verify: Callable[[bytes], packet.Reply]
    accepts: Callable[[packet.Reply], bool]
    identity: packet.Attributes


RequestFor = Callable[[ServerSettings, str], Request]


class Seen(NamedTuple):
    """A packet that was sent or came: `place` is server and address as in the log, `flaw` why it was not believed."""

    sent: bool
    octets: bytes
    place: str
    flaw: Optional[packet.Flaw] = None


Observer = Callable[[Seen], None]
"""Is told of each packet when it passes, before anything comes of it."""


def unobserved(seen: Seen) -> None:
    """Look at no packet."""


def ask(
    servers: Sequence[ServerSettings],
    login_for: LoginFor,
    total_timeout: float,
    origin: Optional[Origin] = None,
    health: Health = NO_MEMORY,
    observe: Observer = unobserved,
) -> Answer:
    """Ask the servers in their order, or the one a challenge came from, for at most `total_timeout` seconds.

    Servers that `health` holds for dead come last. Raise NoAnswer, OriginGone, or packet.RequestError if a request
    cannot be made.
    """
    servers = servers_for(servers, origin)

    def request_for(server: ServerSettings, local_ip: str) -> Request:
        return _login_request(login_for(server, local_ip), server)

    return exchange(servers, request_for, total_timeout, origin, health, observe)


def exchange(
    servers: Sequence[ServerSettings],
    request_for: RequestFor,
    total_timeout: float,
    origin: Optional[Origin] = None,
    health: Health = NO_MEMORY,
    observe: Observer = unobserved,
) -> Answer:
    """Ask the servers anything, each with a request of its own; as `ask`, which does it for a login."""
    marks = [health.mark(_name(server)) for server in servers]
    order = healthy_first([mark.dead for mark in marks])
    run = _Run(
        [servers[index] for index in order],
        [marks[index].answers_status for index in order],
        request_for,
        total_timeout,
        health,
        origin,
        observe,
    )
    try:
        return run.answer()
    finally:
        run.close()


def all_dead(servers: Sequence[ServerSettings], health: Health) -> bool:
    """Whether each of these servers did not answer lately."""
    return all(health.mark(_name(server)).dead for server in servers)


def always(reply: packet.Reply) -> bool:
    """Accept any verified reply."""
    return True


def _login_request(login: packet.Login, server: ServerSettings) -> Request:
    accepts: Callable[[packet.Reply], bool] = always
    if login.method == "mschapv2":
        login, accepts = _with_mschap(login)
    identity = tuple(each for each in login.attributes if each[:2] == (0, packet.NAS_IDENTIFIER))
    secret = server.secret.octets()
    octets = packet.encode(login, secret, os.urandom)

    def verify(reply: bytes) -> packet.Reply:
        return packet.verify(reply, octets, secret, server.require_message_authenticator)

    return Request(octets, verify, accepts, identity)


def _with_mschap(login: packet.Login) -> Tuple[packet.Login, Callable[[packet.Reply], bool]]:
    """Return the login with its response, and whether an Access-Accept proves that the server knows the password."""
    from . import mschap  # its tables take a while

    try:
        response = mschap.response(login.user_name, login.password, os.urandom(16), os.urandom(16), os.urandom(1)[0])
    except ValueError as error:
        raise packet.RequestError("bad-password", str(error)) from None

    def proved(reply: packet.Reply) -> bool:
        successes = reply.vendor_values(packet.MICROSOFT, packet.MS_CHAP2_SUCCESS)
        one = len(successes) == 1 and mschap.server_proved(response.success, successes[0], response.value[0])
        return one or reply.code != packet.ACCESS_ACCEPT

    return login._replace(mschap=response), proved


class _Try:
    """What one address of one server did."""

    def __init__(self, section: str, place: object) -> None:
        self.section = section
        self.name = "[{}] {}".format(section, place)
        self.sends = 0
        self.probed = False
        self.lives = False
        self.flaws: "Counter[packet.Flaw]" = Counter()
        self.error: Optional[Unreachable] = None

    @property
    def codes(self) -> List[str]:
        if self.flaws:
            return [flaw.code for flaw in self.flaws]
        return [self.error.code if self.error else "no-reply"]

    def remarks(self) -> List[str]:
        return [
            "{}: dropped {} {}".format(self.name, counted(count, "reply", "replies"), flaw.words)
            for flaw, count in self.flaws.items()
        ]

    def outcome(self) -> str:
        words = str(self.error) if self.error else "no reply to {}".format(counted(self.sends, "send", "sends"))
        if self.lives:
            words += ", but it answered a Status-Server"
        elif self.probed:
            words += ", nor to a Status-Server"
        return "{}: {}".format(self.name, words)


class _Run:
    """One exchange on its way: does what the pure Exchange says."""

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        answer_status: Sequence[bool],
        request_for: RequestFor,
        total_timeout: float,
        health: Health,
        origin: Optional[Origin],
        observe: Observer,
    ) -> None:
        self._servers = servers
        self._request_for = request_for
        self._health = health
        self._origin = origin
        self._observe = observe
        self._started = time.monotonic()
        self._exchange = Exchange(
            [_patience(server, known) for server, known in zip(servers, answer_status)],
            self._started,
            total_timeout,
            random.SystemRandom().random,
        )
        self._addresses: List[Address] = []
        self._address = Address(0, ())
        self._tries: List[_Try] = []
        self._server = servers[0]
        self._secret = b""
        self._request: Optional[Request] = None
        self._status_request = b""
        self._udp: Optional[Udp] = None
        self._status_udp: Optional[Udp] = None

    def answer(self) -> Answer:
        """Run to the end, and remember which servers were dead."""
        try:
            while True:
                action = self._exchange.next(time.monotonic())
                if isinstance(action, GiveUp):
                    raise self._no_answer()
                try:
                    answer = self._do(action)
                except Unreachable as error:
                    self._tries[-1].error = error
                    self._exchange.failed()
                    continue
                if answer is not None:
                    self._health.answered(_name(self._server))
                    return answer
        finally:
            for index in self._exchange.dead:
                self._health.failed(_name(self._servers[index]))

    def close(self) -> None:
        """Close the sockets."""
        for udp in (self._udp, self._status_udp):
            if udp is not None:
                udp.close()
        self._udp = self._status_udp = None

    def _do(self, action: object) -> Optional[Answer]:
        if isinstance(action, Resolve):
            self._server = self._servers[action.server]
            self._tries.append(_Try(self._server.section, self._server.server))
            self._addresses = self._resolve()
            self._tries.pop()
            self._exchange.resolved(len(self._addresses))
        elif isinstance(action, Connect):
            self._address = self._addresses[action.address]
            self._tries.append(_Try(self._server.section, self._address))
            self._connect()
        elif isinstance(action, Send) and self._udp and self._request:
            self._tries[-1].sends += 1
            self._observe(Seen(True, self._request.octets, self._tries[-1].name))
            self._udp.send(self._request.octets)
        elif isinstance(action, Probe):
            self._probe()
        elif isinstance(action, Wait):
            return self._wait(action.until - time.monotonic())
        return None

    def _resolve(self) -> List[Address]:
        patience = min(self._server.bound, self._exchange.deadline - time.monotonic())
        return resolve(host_for(self._server, self._origin), self._server.port, patience)

    def _connect(self) -> None:
        self.close()
        self._secret = self._server.secret.octets()
        self._udp = Udp(self._address, self._server.source_ip)
        # A new server or address is a new request; sending again is not (RFC 5080 section 2.2.1).
        self._request = self._request_for(self._server, self._udp.local_ip)

    def _probe(self) -> None:
        self._tries[-1].probed = True
        if self._status_udp is None:
            identity = self._request.identity if self._request else ()
            self._status_request = packet.encode_status(identity, self._secret, os.urandom)
            self._status_udp = Udp(self._address, self._server.source_ip)
        self._observe(Seen(True, self._status_request, self._tries[-1].name))
        self._status_udp.send(self._status_request)

    def _wait(self, seconds: float) -> Optional[Answer]:
        for udp in ready([udp for udp in (self._udp, self._status_udp) if udp is not None], seconds):
            octets = udp.receive()
            if udp is self._udp and self._request:
                return self._judged(octets, self._request)
            if self._verified(octets, self._verify_status):
                self._tries[-1].lives = True
                self._exchange.status_answered()
                self._health.answered_status(_name(self._server))
        return None

    def _verify_status(self, octets: bytes) -> packet.Reply:
        required = self._server.require_message_authenticator
        return packet.verify(octets, self._status_request, self._secret, required, packet.STATUS_CODES)

    def _verified(self, octets: bytes, verify: Callable[[bytes], packet.Reply]) -> Optional[packet.Reply]:
        tried = self._tries[-1]
        try:
            reply = verify(octets)
        except packet.Dropped as dropped:
            tried.flaws[dropped.flaw] += 1
            self._observe(Seen(False, octets, tried.name, dropped.flaw))
            return None
        self._observe(Seen(False, octets, tried.name))
        return reply

    def _judged(self, octets: bytes, request: Request) -> Optional[Answer]:
        reply = self._verified(octets, request.verify)
        if reply is None:
            return None
        tried = self._tries[-1]
        remarks = [line for each in self._tries[:-1] for line in each.remarks() + [each.outcome()]]
        remarks += tried.remarks()
        seconds = time.monotonic() - self._started
        if not request.accepts(reply):
            remarks.append(
                "{}: the server did not prove that it knows the password (MS-CHAP2-Success)".format(tried.name)
            )
            raise NoAnswer("server-unproved", remarks, seconds)
        host, port = self._address.sockaddr[:2]
        origin = Origin(self._server.section, host, port)
        return Answer(reply, tuple(_messages(reply)), origin, seconds, tried.sends, tuple(remarks))

    def _no_answer(self) -> NoAnswer:
        codes = {code for tried in self._tries for code in tried.codes}
        remarks = [line for tried in self._tries for line in tried.remarks() + [tried.outcome()]]
        asked = {tried.section for tried in self._tries}
        remarks += [
            "[{0.section}] {0.server}: not asked, no time was left".format(server)
            for server in self._servers
            if server.section not in asked
        ]
        code = next((code for code in _CODES_BY_WEIGHT if code in codes), "no-reply")
        silent = not any(tried.flaws or tried.lives for tried in self._tries)
        all_tried = self._origin is None and asked == {server.section for server in self._servers}
        return NoAnswer(code, remarks, time.monotonic() - self._started, silent and all_tried)


def servers_for(servers: Sequence[ServerSettings], origin: Optional[Origin]) -> Sequence[ServerSettings]:
    """Return the servers that may be asked: all, or the one that sent the challenge. Raise OriginGone if it is gone."""
    if origin is None:
        return servers
    same = [server for server in servers if _is_origin(server, origin)]
    if not same:
        raise OriginGone()
    return same


def host_for(server: ServerSettings, origin: Optional[Origin]) -> str:
    """Return the name or address to look up for a server that may be asked.

    The name's addresses may come in another order, or be others, by now; the State is for the one that sent it.
    """
    return origin.host if origin else server.server


def _is_origin(server: ServerSettings, origin: Origin) -> bool:
    """Whether the section still means the server that sent the challenge, as far as its name tells."""
    same = server.section == origin.section and server.port == origin.port
    return same and as_address(server.server) in ("", origin.host)


def _name(server: ServerSettings) -> str:
    """Return the name under which a server's health is remembered."""
    return "{0.server}:{0.port}".format(server)


def _patience(server: ServerSettings, answers_status: bool) -> Patience:
    probe_after = server.failover_after if server.status_check == "status-server" else None
    longest_wait = min(server.conn_timeout, _LONGEST_WAIT)
    return Patience(server.bound, server.retransmit_after, longest_wait, probe_after, answers_status)


def _messages(reply: packet.Reply) -> List[bytes]:
    """Return what the server says to the user: an MS-CHAP-Error in words, then every Reply-Message."""
    messages: List[bytes] = []
    for value in reply.vendor_values(packet.MICROSOFT, packet.MS_CHAP_ERROR)[:1]:
        from . import mschap  # its tables take a while

        error = mschap.error_words(value)
        messages += [error.words.encode("utf-8"), error.message]
    return [message for message in messages if message] + reply.values(packet.REPLY_MESSAGE)
