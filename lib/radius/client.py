"""Sends a request to the servers, as the schedule says, until one of them answers."""

import os
import random
import time
from typing import Callable, List, Optional, Sequence, Tuple

from .. import log_lines, reasons
from . import packet, profile
from .attempt import Attempt, gravest_code
from .md5 import Md5Disabled
from .profile import Profile
from .request import EncodedRequest, Origin, Request, messages
from .result import Answer, NoAnswer, NotSent, OriginGone, TracedPacket
from .schedule import MAX_PROBES, Connect, GiveUp, Probe, Resolve, Schedule, Send, Timing, Wait, put_dead_last
from .server import ServerSettings, TlsSettings
from .server_status import NO_MEMORY, ServerStatus
from .transport.base import Address, Received, Transport, Unreachable
from .transport.resolve import MAX_ADDRESSES, numeric_address, resolve
from .transport.udp import UdpTransport

_MAX_WAIT = 16.0  # seconds between transmissions, MRT of RFC 5080 section 2.2.1


def ask(
    servers: Sequence[ServerSettings], request: Request, total_timeout: float, memory: ServerStatus = NO_MEMORY
) -> Answer:
    """Ask the servers in their order, or only the origin of the request, for at most `total_timeout` seconds.

    Servers that are marked dead come last. Raise NoAnswer, OriginGone, or NotSent if the request cannot be encoded.
    """
    servers = servers_for(servers, request.origin)
    known = [memory.status_of(_name(server)) for server in servers]
    order = put_dead_last([each.dead for each in known])
    timings = [_timing(servers[index], known[index].answers_status) for index in order]
    run = _Run([servers[index] for index in order], timings, request, total_timeout, memory)
    try:
        return run.answer()
    finally:
        run.close()


def all_dead(servers: Sequence[ServerSettings], memory: ServerStatus) -> bool:
    """Whether each of these servers is marked dead."""
    return all(memory.status_of(_name(server)).dead for server in servers)


def servers_for(servers: Sequence[ServerSettings], origin: Optional[Origin]) -> Sequence[ServerSettings]:
    """Return the servers that may be asked: all, or the one with the origin. Raise OriginGone if there is none."""
    if origin is None:
        return servers
    same = [server for server in servers if _is_origin(server, origin)]
    if not same:
        raise OriginGone()
    return same


def host_for(server: ServerSettings, origin: Optional[Origin]) -> str:
    """Return the name or address to resolve for a server.

    By now, the name may have its addresses in another order, or other addresses; the State is for the one that sent it.
    """
    return origin.host if origin else server.server


class _Connection:
    """An open transport, the encoding that it uses, the request, and the Status-Server if one was sent."""

    def __init__(self, transport: Transport, profile: Profile, request: EncodedRequest) -> None:
        self.transport = transport
        self.profile = profile
        self.request = request
        self._probe = b""

    @property
    def probe(self) -> bytes:
        """The Status-Server, always the same."""
        # Over a stream, its reply must be distinguishable from that to the request.
        while not self._probe or self.profile.belongs(self._probe, self.request.octets):
            self._probe = self.profile.status(self.request.identity, os.urandom)
        return self._probe

    def is_probe_reply(self, octets: bytes, at_probe_port: Optional[bool]) -> bool:
        """Whether a packet answers the Status-Server rather than the request."""
        if at_probe_port is None:
            return bool(self._probe) and self.profile.belongs(octets, self._probe)
        return at_probe_port

    def verify_probe_reply(self, octets: bytes) -> packet.Reply:
        """Return the reply to the Status-Server; raise packet.Discarded if it is not valid."""
        # The login is on the same stream, which an invalid packet ends: any answer shows that the server is up.
        codes = packet.STREAM_STATUS_CODES if self.transport.is_stream else packet.STATUS_CODES
        return self.profile.verify(octets, self._probe, codes)


class _Run:
    """One request on its way through the servers."""

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        timings: Sequence[Timing],
        request: Request,
        total_timeout: float,
        memory: ServerStatus,
    ) -> None:
        self._servers = servers
        self._request = request
        self._memory = memory
        self._started = time.monotonic()
        self._schedule = Schedule(timings, self._started, total_timeout, random.SystemRandom().random)
        self._server = servers[0]
        self._addresses: List[Address] = []
        self._address = Address(0, ())
        self._connection: Optional[_Connection] = None
        self._attempts: List[Attempt] = []
        self._lines: List[str] = []
        self._packets: List[TracedPacket] = []
        self._section = ""

    def answer(self) -> Answer:
        """Run to the end, and remember which servers were dead."""
        try:
            while True:
                action = self._schedule.next(time.monotonic())
                if isinstance(action, GiveUp):
                    raise self._no_answer()
                try:
                    answer = self._do(action)
                except Unreachable as error:
                    self._attempts[-1].error = error
                    self._schedule.failed()
                    continue
                if answer is not None:
                    self._memory.answered(_name(self._server))
                    return answer
        finally:
            for index in self._schedule.dead:
                self._memory.failed(_name(self._servers[index]))

    def close(self) -> None:
        """Close the sockets."""
        if self._connection is not None:
            self._connection.transport.close()
            self._connection = None

    def _do(self, action: object) -> Optional[Answer]:
        if isinstance(action, Resolve):
            self._resolve(action.server)
        elif isinstance(action, Connect):
            self._connect(self._addresses[action.address])
        elif self._connection is not None:
            if isinstance(action, Send):
                self._attempts[-1].transmissions += 1
                self._send(self._connection.transport.send, self._connection.request.octets)
            elif isinstance(action, Probe):
                self._attempts[-1].probed = True
                self._send(self._connection.transport.send_probe, self._connection.probe)
            elif isinstance(action, Wait):
                return self._receive(self._connection, action.until - time.monotonic())
        return None

    def _send(self, send: Callable[[bytes], None], octets: bytes) -> None:
        self._trace(True, octets)
        send(octets)

    def _trace(self, sent: bool, octets: bytes, discarded: Optional[packet.DiscardReason] = None) -> None:
        seconds = time.monotonic() - self._started
        self._packets.append(TracedPacket(sent, octets, self._attempts[-1].name, seconds, discarded))

    def _resolve(self, index: int) -> None:
        server = self._server = self._servers[index]
        self._attempts.append(Attempt(server.section, server.server))
        timeout = min(server.bound, self._schedule.deadline - time.monotonic())
        found = resolve(host_for(server, self._request.origin), server.port, timeout)
        self._addresses = found[:MAX_ADDRESSES]
        attempt = self._attempts.pop()
        if len(found) > MAX_ADDRESSES:
            cause = log_lines.TOO_MANY_ADDRESSES.format(limit=MAX_ADDRESSES, count=len(found))
            self._lines.append(log_lines.ATTEMPT.format(server=attempt.name, cause=cause))
        self._schedule.resolved(len(self._addresses))

    def _connect(self, address: Address) -> None:
        self.close()
        server, self._address = self._server, address
        self._attempts.append(Attempt(server.section, address))
        transport, profile = self._open_udp(server) if server.tls is None else self._open_tls(server, server.tls)
        self._section = server.section
        try:
            # A new server or address is a new request; a retransmission is not (RFC 5080 section 2.2.1).
            request = self._request.encode(profile, server, transport.local_ip, os.urandom, time.time())
        except BaseException as error:
            transport.close()
            if isinstance(error, Md5Disabled):
                raise Unreachable(reasons.FIPS, log_lines.MD5_DISABLED.text) from None
            if isinstance(error, packet.RequestError):
                raise NotSent(error, self._section, self._packets) from None
            raise
        self._connection = _Connection(transport, profile, request)

    def _open_udp(self, server: ServerSettings) -> Tuple[Transport, Profile]:
        encoding = profile.OriginalRadius(server.secret.octets(), server.require_message_authenticator)
        return UdpTransport(self._address, server.source_ip), encoding

    def _open_tls(self, server: ServerSettings, settings: TlsSettings) -> Tuple[Transport, Profile]:
        from .transport.tls import TlsTransport  # only servers with transport=tls need it

        # No certificate has the zone of an address, or the dot at the end of an absolute name.
        name = (settings.server_name or server.server.partition("%")[0]).rstrip(".")
        transport = TlsTransport(self._address, server.source_ip, settings, name, self._schedule.connect_by)
        if transport.is_radius_1_1:
            return transport, profile.Radius11()
        return transport, profile.OriginalRadius(server.secret.octets(), False, over_tls=True)

    def _receive(self, connection: _Connection, seconds: float) -> Optional[Answer]:
        for received in connection.transport.receive(seconds):
            try:
                answer = self._answer_in(connection, received)
            except packet.Discarded as discarded:
                self._attempts[-1].discards[discarded.reason] += 1
                if connection.transport.is_stream:  # only the server can have sent it (RFC 6613 section 2.6.4)
                    raise Unreachable(reasons.BAD_REPLY, log_lines.CONNECTION_CLOSED.text) from None
                continue
            if answer is not None:
                return answer
        return None

    def _answer_in(self, connection: _Connection, received: Received) -> Optional[Answer]:
        """Return the answer if it is among the packets; what follows it in a stream is ignored."""
        for octets in received.packets:
            if connection.is_probe_reply(octets, received.at_probe_port):
                self._verified(octets, connection.verify_probe_reply)
                self._attempts[-1].probe_answered = True
                self._schedule.probe_answered()
                self._memory.answered_status(_name(self._server))
            else:
                return self._answer(connection, self._verified(octets, connection.request.verify))
        if received.error is not None:
            raise packet.Discarded(received.error)
        return None

    def _verified(self, octets: bytes, verify: Callable[[bytes], packet.Reply]) -> packet.Reply:
        try:
            reply = verify(octets)
        except packet.Discarded as discarded:
            self._trace(False, octets, discarded.reason)
            raise
        self._trace(False, octets)
        return reply

    def _answer(self, connection: _Connection, reply: packet.Reply) -> Answer:
        attempt = self._attempts[-1]
        failures = [line for each in self._attempts[:-1] for line in each.failure()]
        lines = self._lines + failures + attempt.discarded()
        seconds = time.monotonic() - self._started
        if not connection.request.is_proved(reply):
            lines.append(log_lines.ATTEMPT.format(server=attempt.name, cause=log_lines.MUTUAL_AUTH_FAILED.text))
            raise NoAnswer(reasons.MUTUAL_AUTH_FAILED, lines, seconds, self._section, self._packets)
        return Answer(
            reply=reply,
            messages=messages(reply),
            origin=Origin(self._server.section, self._address.host, self._address.sockaddr[1]),
            seconds=seconds,
            transmissions=attempt.transmissions,
            log_lines=tuple(lines),
            transport=connection.transport.description,
            certificate=connection.transport.certificate,
            packets=tuple(self._packets),
        )

    def _no_answer(self) -> NoAnswer:
        tried = {attempt.section for attempt in self._attempts}
        untried = [server for server in self._servers if server.section not in tried]
        lines = self._lines + [line for attempt in self._attempts for line in attempt.failure()]
        names = [f"[{server.section}] {server.server}" for server in untried]
        lines += [log_lines.ATTEMPT.format(server=name, cause=log_lines.NOT_TRIED.text) for name in names]
        seconds = time.monotonic() - self._started
        return NoAnswer(gravest_code(self._attempts), lines, seconds, self._section, self._packets)


def _is_origin(server: ServerSettings, origin: Origin) -> bool:
    """Whether the section still names the server that sent the challenge, as far as its address shows."""
    same = server.section == origin.section and server.port == origin.port
    return same and numeric_address(server.server) in ("", origin.host)


def _name(server: ServerSettings) -> str:
    """Return the name under which the status of a server is remembered."""
    return f"{server.server}:{server.port}" + ("" if server.tls is None else "/tls")


def _timing(server: ServerSettings, answers_probes: bool) -> Timing:
    over_tls = server.tls is not None
    return Timing(
        limit=server.bound,
        first_wait=0.0 if over_tls else server.retransmit_after,  # TCP retransmits itself, RFC 6613 section 2.6.1
        max_wait=min(server.conn_timeout, _MAX_WAIT),
        probe_after=server.status_check_after if server.status_check == "status-server" else None,
        answers_probes=answers_probes,
        max_probes=1 if over_tls else MAX_PROBES,
        connect_timeout=server.connect_timeout if over_tls else None,
    )
