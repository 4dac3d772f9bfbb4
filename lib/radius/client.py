"""One call, one verified reply or one clear error: runs an exchange over the network."""

import os
import random
import time
from collections import Counter
from typing import Callable, List, Optional, Sequence, Tuple

from ..namedtuple import NamedTuple
from ..state.server_status import NO_MEMORY, Health
from ..text import counted
from . import packet, profile
from .profile import Profile
from .schedule import STATUS_SENDS, Connect, Exchange, GiveUp, Patience, Probe, Resolve, Send, Wait, healthy_first
from .server import ServerSettings, TlsSettings
from .transport.udp import Address, Channel, Udp, Unreachable, as_address, ready, resolve

# The first of these that any server gave is the reason told; the log has them all.
_CODES_BY_WEIGHT = (
    "mutual-auth-failed",
    "wrong-secret",
    "no-message-authenticator",
    "tls-certificate",
    "bad-reply",
    "tls-failed",
    "connection-refused",
    "name-lookup",
    "network",
    "no-reply",
)
_UNASKED = packet.Flaw("beyond the one that was asked for", "bad-reply")
_LONGEST_WAIT = 16.0  # seconds between sends, RFC 5080 section 2.2.1's MRT


class Origin(NamedTuple):
    """Where an Access-Challenge came from, so that its State goes back there and nowhere else."""

    section: str
    host: str
    port: int


class Answer(NamedTuple):
    """A verified reply and how it was come by.

    `messages` are its texts in the server's octets, `seconds` is how long it took, `remarks` are for the log. `over` is
    what it came over, if not UDP; with TLS `certificate_until` is when the server's certificate expires, in seconds
    since the epoch.
    """

    reply: packet.Reply
    messages: Tuple[bytes, ...]
    origin: Origin
    seconds: float
    sends: int
    remarks: Tuple[str, ...]
    over: str = ""
    certificate_until: Optional[float] = None


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

    `verify` returns the reply in a packet or raises packet.Dropped, `accepts` has the last word on it, `identity` is
    what a Status-Server says of this NAS.
    """

    octets: bytes
    verify: Callable[[bytes], packet.Reply]
    accepts: Callable[[packet.Reply], bool]
    identity: packet.Attributes


RequestFor = Callable[[ServerSettings, str, Profile], Request]
"""(server, the local address its packets leave from, how they are put on the wire) -> what to send to it."""


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

    def request_for(server: ServerSettings, local_ip: str, spoken: Profile) -> Request:
        return _login_request(login_for(server, local_ip), spoken)

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


def _login_request(login: packet.Login, spoken: Profile) -> Request:
    accepts: Callable[[packet.Reply], bool] = always
    if login.method == "mschapv2":
        login, accepts = _with_mschap(login)
    identity = tuple(each for each in login.attributes if each[:2] == (0, packet.NAS_IDENTIFIER))
    octets = spoken.login(login, os.urandom)
    return Request(octets, lambda reply: spoken.verify(reply, octets, packet.LOGIN_CODES), accepts, identity)


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
        self.heard = False  # whoever shakes hands over TLS is
        self.flaws: "Counter[packet.Flaw]" = Counter()
        self.error: Optional[Unreachable] = None

    @property
    def is_silent(self) -> bool:
        """Whether nothing at all came from there."""
        came = self.flaws or self.lives or self.heard
        return not came and (self.error is None or self.error.is_silence)

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


class _Link:
    """What is open to one address: the request, how it is put on the wire, and the Status-Server if one was sent.

    `over` says for the log what it is, if not UDP.
    """

    def __init__(self, channel: Channel, profile: Profile, request: Request, over: str) -> None:
        self.channel = channel
        self.profile = profile
        self.request = request
        self.over = over
        self.status_request = b""
        self._status_channel: Optional[Channel] = None

    @property
    def channels(self) -> List[Channel]:
        """All that replies may come by."""
        own = [self._status_channel] if self._status_channel not in (None, self.channel) else []
        return [self.channel] + [channel for channel in own if channel is not None]

    def status_channel(self, open_another: Callable[[], Channel]) -> Channel:
        """Return what the Status-Server goes over: another port with UDP, the same connection with TLS.

        RFC 6613 section 2.6.5. The first time it is made, too.
        """
        if self._status_channel is None:
            self.status_request = self.profile.status(self.request.identity, os.urandom)
            while self.profile.belongs(self.status_request, self.request.octets):  # the replies must be told apart
                self.status_request = self.profile.status(self.request.identity, os.urandom)
            self._status_channel = self.channel if self.channel.is_stream else open_another()
        return self._status_channel

    def is_status(self, channel: Channel, octets: bytes) -> bool:
        """Whether a packet answers the Status-Server rather than the request."""
        if channel is not self._status_channel:
            return False
        return not channel.is_stream or self.profile.belongs(octets, self.status_request)

    def close(self) -> None:
        """Close the sockets."""
        for channel in self.channels:
            channel.close()


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
        self._link: Optional[_Link] = None

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
        """Close what is open."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

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
        elif isinstance(action, Send) and self._link:
            self._tries[-1].sends += 1
            self._send(self._link.channel, self._link.request.octets)
        elif isinstance(action, Probe) and self._link:
            self._tries[-1].probed = True
            channel = self._link.status_channel(lambda: Udp(self._address, self._server.source_ip))
            self._send(channel, self._link.status_request)
        elif isinstance(action, Wait) and self._link:
            return self._wait(self._link, action.until - time.monotonic())
        return None

    def _send(self, channel: Channel, octets: bytes) -> None:
        self._observe(Seen(True, octets, self._tries[-1].name))
        channel.send(octets)

    def _resolve(self) -> List[Address]:
        patience = min(self._server.bound, self._exchange.deadline - time.monotonic())
        return resolve(host_for(self._server, self._origin), self._server.port, patience)

    def _connect(self) -> None:
        self.close()
        server = self._server
        channel, spoken, over = self._open_udp() if server.tls is None else self._open_tls(server.tls)
        try:
            # A new server or address is a new request; sending again is not (RFC 5080 section 2.2.1).
            request = self._request_for(server, channel.local_ip, spoken)
        except BaseException:
            channel.close()
            raise
        self._link = _Link(channel, spoken, request, over)

    def _open_udp(self) -> Tuple[Channel, Profile, str]:
        server = self._server
        spoken = profile.classic(server.secret.octets(), server.require_message_authenticator)
        return Udp(self._address, server.source_ip), spoken, ""

    def _open_tls(self, settings: TlsSettings) -> Tuple[Channel, Profile, str]:
        from .transport.tls import Tls  # and with it ssl, which is slow to import

        server = self._server
        # No certificate has an address's zone, nor the dot at the end of a whole name.
        name = (settings.server_name or server.server.partition("%")[0]).rstrip(".")
        channel = Tls(self._address, server.source_ip, settings, name, self._exchange.connect_by)
        self._tries[-1].heard = True
        if channel.protocol == profile.VERSION_1_1:
            return channel, profile.version_1_1(), channel.version + ", RADIUS/1.1"
        # TLS proves every reply: a Message-Authenticator is verified if it comes, and not asked for.
        return channel, profile.classic(server.secret.octets(), False), channel.version

    def _wait(self, link: _Link, seconds: float) -> Optional[Answer]:
        for channel in ready(link.channels, seconds):
            answer = self._taken(link, channel)
            if answer is not None:
                return answer
        return None

    def _taken(self, link: _Link, channel: Channel) -> Optional[Answer]:
        """Take what has come; from a stream that is nothing beyond the answer, or it is none."""
        answer: Optional[Answer] = None
        try:
            for octets in channel.receive():
                answer = self._judged(link, channel, octets, answer)
            if answer is not None and channel.has_more:
                raise packet.Dropped(_UNASKED)
        except packet.Dropped as dropped:
            self._tries[-1].flaws[dropped.flaw] += 1
            if channel.is_stream:  # nobody but the server can have sent it (RFC 6613 section 2.6.4)
                raise Unreachable("bad-reply", "closed the connection for that", False) from None
            return None
        return answer

    def _judged(self, link: _Link, channel: Channel, octets: bytes, before: Optional[Answer]) -> Optional[Answer]:
        """Return the answer that a packet is, or the one that came `before` it; raise packet.Dropped if it is wrong."""
        is_status = link.is_status(channel, octets)
        name = self._tries[-1].name
        try:
            if is_status:
                # The login is on the same stream, which a wrong packet ends: whatever answers the status, it lives.
                codes = packet.STREAM_STATUS_CODES if channel.is_stream else packet.STATUS_CODES
                reply = link.profile.verify(octets, link.status_request, codes)
            elif before is None:
                reply = link.request.verify(octets)
            else:
                raise packet.Dropped(_UNASKED)
        except packet.Dropped as dropped:
            self._observe(Seen(False, octets, name, dropped.flaw))
            raise
        self._observe(Seen(False, octets, name))
        if not is_status:
            return self._answer(link, reply)
        self._tries[-1].lives = True
        self._exchange.status_answered()
        self._health.answered_status(_name(self._server))
        return before

    def _answer(self, link: _Link, reply: packet.Reply) -> Answer:
        tried = self._tries[-1]
        remarks = [line for each in self._tries[:-1] for line in each.remarks() + [each.outcome()]]
        remarks += tried.remarks()
        seconds = time.monotonic() - self._started
        if not link.request.accepts(reply):
            remarks.append(
                "{}: the server did not prove that it knows the password (MS-CHAP2-Success)".format(tried.name)
            )
            raise NoAnswer("mutual-auth-failed", remarks, seconds)
        origin = Origin(self._server.section, self._address.host, self._address.sockaddr[1])
        until = link.channel.certificate_until
        return Answer(reply, tuple(_messages(reply)), origin, seconds, tried.sends, tuple(remarks), link.over, until)

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
        silent = all(tried.is_silent for tried in self._tries)
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
    return "{0.server}:{0.port}{1}".format(server, "" if server.tls is None else "/tls")


def _patience(server: ServerSettings, answers_status: bool) -> Patience:
    over_tls = server.tls is not None
    return Patience(
        bound=server.bound,
        first_wait=0.0 if over_tls else server.retransmit_after,  # never twice over TCP, RFC 6613 section 2.6.1
        longest_wait=min(server.conn_timeout, _LONGEST_WAIT),
        probe_after=server.status_check_after if server.status_check == "status-server" else None,
        answers_status=answers_status,
        probes=1 if over_tls else STATUS_SENDS,
        connect_within=server.connect_timeout if over_tls else None,
    )


def _messages(reply: packet.Reply) -> List[bytes]:
    """Return what the server says to the user: an MS-CHAP-Error in words, then every Reply-Message."""
    messages: List[bytes] = []
    for value in reply.vendor_values(packet.MICROSOFT, packet.MS_CHAP_ERROR)[:1]:
        from . import mschap  # its tables take a while

        error = mschap.error_words(value)
        messages += [error.words.encode("utf-8"), error.message]
    return [message for message in messages if message] + reply.values(packet.REPLY_MESSAGE)
