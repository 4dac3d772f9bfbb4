"""Sends a request to the endpoints of the servers, as the schedule says, until one of them answers."""

import os
import random
import time
from typing import Callable, List, Optional, Sequence, Tuple

from .. import log_lines, reasons
from . import packet, profile
from .attempt import Attempt, gravest_code
from .connection import Connection
from .encoded_request import NotContinued
from .md5 import Md5Disabled
from .profile import Profile
from .request import ACCOUNTING, LoginRequest, Origin, Request
from .result import Answer, NoAnswer, NotSent, OriginGone, TracedPacket
from .schedule import (
    MAX_PROBES,
    Action,
    Claim,
    Connect,
    Endpoint,
    GiveUp,
    Leave,
    Probe,
    Resolve,
    Schedule,
    Timing,
    Wait,
)
from .server import ServerSettings, TlsSettings
from .server_status import NO_MEMORY, UNANSWERED, Observation, ServerStatus
from .transport.base import Address, Received, Transport, Unreachable
from .transport.resolve import MAX_ADDRESSES, numeric_address, resolve
from .transport.udp import UdpTransport

_MAX_WAIT = 16.0  # seconds between transmissions, MRT of RFC 5080 section 2.2.1


def ask(
    servers: Sequence[ServerSettings], request: Request, total_timeout: float, memory: ServerStatus = NO_MEMORY
) -> Answer:
    """Ask the servers in their order, or only the origin of the request, for at most `total_timeout` seconds.

    Endpoints that are marked dead come last. Raise NoAnswer, OriginGone, or NotSent if the request cannot be encoded.
    """
    asked = servers_for(servers, request.origin)
    if isinstance(request, LoginRequest) and request.answers_outside_a_tunnel and asked[0].tunnel:
        raise OriginGone()  # a new login in the tunnel would send the response as the password
    run = _Run(asked, request, total_timeout, memory)
    try:
        return run.answer()
    finally:
        run.close()


def all_dead(servers: Sequence[ServerSettings], memory: ServerStatus) -> bool:
    """Whether each endpoint of these servers is marked dead for accounting, by a mark that has not expired."""
    for server in servers:
        try:
            addresses = resolve(server.server, server.port, server.bound)[:MAX_ADDRESSES]
        except Unreachable:
            return False
        known = [memory.status_of(_name(server, address, ACCOUNTING)) for address in addresses]
        if not all(each.is_marked and not each.is_expired for each in known):
            return False
    return True


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


class _Run:
    """One request on its way through the endpoints."""

    def __init__(
        self, servers: Sequence[ServerSettings], request: Request, total_timeout: float, memory: ServerStatus
    ) -> None:
        self._servers = servers
        self._request = request
        self._memory = memory
        self._started = time.monotonic()
        timings = [timing_of(server, isinstance(request, LoginRequest)) for server in servers]
        self._schedule = Schedule(timings, self._started, total_timeout, random.SystemRandom().random)
        self._addresses: List[List[Address]] = []  # of each server that is resolved
        self._connection: Optional[Connection] = None
        self._attempts: List[Attempt] = []
        self._lines: List[str] = []
        self._packets: List[TracedPacket] = []
        self._section = ""
        # The endpoint that is asked
        self._endpoint: Optional[Endpoint] = None
        self._server = servers[0]
        self._address = Address(0, ())
        self._attempt = Attempt("", "")

    def answer(self) -> Answer:
        """Run to the end."""
        while True:
            action = self._schedule.next(time.monotonic())
            if isinstance(action, GiveUp):
                raise self._no_answer()
            try:
                answer = self._do(action)
            except Unreachable as error:
                self._failed(action, error)
                continue
            if answer is not None:
                return answer

    def close(self) -> None:
        """Close the sockets."""
        if self._connection is not None:
            self._connection.transport.close()
            self._connection = None

    def _do(self, action: Action) -> Optional[Answer]:
        if isinstance(action, Resolve):
            self._resolve(action.server)
        elif isinstance(action, Claim):
            is_ours = self._memory.claim(self._name_of(action.endpoint))
            self._schedule.claimed(is_ours, time.monotonic())
        elif isinstance(action, Connect):
            self._connect(action.endpoint)
        elif isinstance(action, Leave):
            self._leave(action)
        elif isinstance(action, Wait):
            return self._wait(action.until - time.monotonic())
        elif self._connection is not None:
            self._transmit(self._connection, isinstance(action, Probe))
        return None

    def _failed(self, action: Action, error: Unreachable) -> None:
        if error.is_refusal:
            self._attempt.refusal = error
            self._schedule.refused(time.monotonic())
        elif isinstance(action, Probe) and error.is_local:
            self._schedule.probe_failed()
        else:
            self._attempt.error = error
            self._schedule.failed()

    def _transmit(self, connection: Connection, is_probe: bool) -> None:
        octets = connection.probe if is_probe else connection.request.octets
        self._trace(True, octets)
        if is_probe:
            self._attempt.probed = True
            connection.transport.send_probe(octets)
        else:
            self._attempt.transmissions += 1
            self._attempt.refusal = None
            connection.transport.send(octets)

    def _trace(self, sent: bool, octets: bytes, discarded: Optional[packet.DiscardReason] = None) -> None:
        seconds = time.monotonic() - self._started
        self._packets.append(TracedPacket(sent, octets, self._attempt.name, seconds, discarded))

    def _resolve(self, number: int) -> None:
        server = self._servers[number]
        timeout = min(server.bound, self._schedule.deadline - time.monotonic())
        found: List[Address] = []
        attempt = Attempt(server.section, server.server)
        try:
            found = resolve(host_for(server, self._request.origin), server.port, timeout)
        except Unreachable as error:
            attempt.error = error
            self._attempts.append(attempt)
        self._addresses.append(found[:MAX_ADDRESSES])
        if len(found) > MAX_ADDRESSES:
            cause = log_lines.TOO_MANY_ADDRESSES.format(limit=MAX_ADDRESSES, count=len(found))
            self._lines.append(log_lines.ATTEMPT.format(server=attempt.name, cause=cause))
        names = [self._name_of(Endpoint(number, each)) for each in range(len(self._addresses[number]))]
        self._schedule.resolved([self._memory.status_of(name) for name in names], time.monotonic())

    def _connect(self, endpoint: Endpoint) -> None:
        self.close()
        if endpoint != self._endpoint:
            self._endpoint = endpoint
            self._server = self._servers[endpoint.server]
            self._address = self._addresses[endpoint.server][endpoint.address]
            self._attempt = Attempt(self._server.section, self._address, over_tls=self._server.tls is not None)
            self._attempts.append(self._attempt)
        server = self._server
        self._attempt.refusal = None
        transport, profile = self._open_udp(server) if server.tls is None else self._open_tls(server, server.tls)
        self._section = server.section
        try:
            # A new server or address is a new request; a retransmission is not (RFC 5080 section 2.2.1).
            request = self._request.encode(profile, server, transport.local_ip, os.urandom, time.time())
        except BaseException as error:
            transport.close()
            if isinstance(error, Md5Disabled):
                raise Unreachable(reasons.FIPS, log_lines.MD5_DISABLED.text, is_local=True) from None
            if isinstance(error, packet.RequestError):
                raise NotSent(error, self._section, self._packets) from None
            raise
        self._connection = Connection(transport, profile, request, os.urandom)

    def _leave(self, action: Leave) -> None:
        """Remember what the endpoint did not do; what went wrong here says nothing about it."""
        error, attempt = self._attempt.error, self._attempt
        end = UNANSWERED if error and error.code == reasons.BAD_REPLY else action.end
        seen = Observation(end, action.seconds, attempt.probe_answered, self._request.key)
        name = self._name_of(action.endpoint)
        if error and error.is_local:
            attempt.is_alive = seen.is_alive(self._memory.status_of(name))
        else:
            attempt.is_alive = self._memory.left_unanswered(name, seen) or attempt.has_answered

    @property
    def _name(self) -> str:
        return _name(self._server, self._address, self._request.purpose)

    def _name_of(self, endpoint: Endpoint) -> str:
        address = self._addresses[endpoint.server][endpoint.address]
        return _name(self._servers[endpoint.server], address, self._request.purpose)

    def _open_udp(self, server: ServerSettings) -> Tuple[Transport, Profile]:
        is_required = server.require_message_authenticator or server.tunnel is not None  # RFC 3579 section 3.2
        encoding = profile.OriginalRadius(server.secret.octets(), is_required)
        return UdpTransport(self._address, server.source_ip), encoding

    def _open_tls(self, server: ServerSettings, settings: TlsSettings) -> Tuple[Transport, Profile]:
        from .transport.tls import TlsTransport  # only servers with transport=tls need it

        name = settings.certificate_name(server.server)
        transport = TlsTransport(self._address, server.source_ip, settings, name, self._schedule.connect_by)
        if transport.is_radius_1_1:
            return transport, profile.Radius11()
        return transport, profile.OriginalRadius(server.secret.octets(), False, over_tls=True)

    def _wait(self, seconds: float) -> Optional[Answer]:
        if self._connection is not None:
            return self._receive(self._connection, seconds)
        time.sleep(max(0.0, seconds))  # until it is time to connect again
        return None

    def _receive(self, connection: Connection, seconds: float) -> Optional[Answer]:
        for received in connection.transport.receive(seconds):
            try:
                answer = self._answer_in(connection, received)
            except packet.Discarded as discarded:
                self._attempt.discards[discarded.reason] += 1
                if connection.transport.is_stream:  # only the server can have sent it (RFC 6613 section 2.6.4)
                    raise Unreachable(reasons.BAD_REPLY, log_lines.CONNECTION_CLOSED.text) from None
                continue
            if answer is not None:
                return answer
        return None

    def _answer_in(self, connection: Connection, received: Received) -> Optional[Answer]:
        """Return the answer if it is among the packets; what follows it in a stream is ignored."""
        for octets in received.packets:
            if connection.is_probe_reply(octets, received.at_probe_port):
                self._receive_status(connection, octets)
            elif not connection.is_late(octets):
                reply = self._verified(octets, connection.request.verify)
                if not self._follow(connection, reply):
                    return self._answer(connection, reply)
        if received.error is not None:
            raise packet.Discarded(received.error)
        return None

    def _follow(self, connection: Connection, reply: packet.Reply) -> bool:
        """Send the next request of the login, if it goes on; return whether it does."""
        try:
            follows = connection.follow(reply)
        except NotContinued as error:
            self._answered()
            if error.is_final:
                raise self._not_accepted(error.code, str(error)) from None
            raise Unreachable(error.code, str(error)) from None
        if follows:
            self._answered()
            self._schedule.continued(time.monotonic())
        return follows

    def _answered(self) -> None:
        """Remember that the endpoint has answered, once for each login."""
        if not self._attempt.has_answered:
            self._attempt.has_answered = True
            self._memory.answered(self._name)

    def _receive_status(self, connection: Connection, octets: bytes) -> None:
        """Take a reply to the Status-Server; what is wrong with it does not affect the login."""
        try:
            reply = self._verified(octets, connection.verify_probe_reply)
        except packet.Discarded as discarded:
            self._attempt.status_flaws[discarded.reason] += 1
            return
        if reply.code not in packet.STATUS_CODES and not connection.transport.is_stream:
            self._attempt.status_flaws[packet.UNEXPECTED_CODE] += 1
        self._attempt.probe_answered = True
        self._schedule.probe_answered()
        self._memory.answered_status(self._name)

    def _verified(self, octets: bytes, verify: Callable[[bytes], packet.Reply]) -> packet.Reply:
        try:
            reply = verify(octets)
        except packet.Discarded as discarded:
            self._trace(False, octets, discarded.reason)
            raise
        self._trace(False, octets)
        return reply

    def _answer(self, connection: Connection, reply: packet.Reply) -> Answer:
        request = connection.request
        self._answered()
        problem = request.check_proof(reply)
        if problem:
            raise self._not_accepted(reasons.MUTUAL_AUTH_FAILED, problem)
        warnings = [log_lines.ATTEMPT.format(server=self._attempt.name, cause=each) for each in request.warnings(reply)]
        return Answer(
            reply=reply,
            messages=request.messages(reply),
            origin=Origin(self._server.section, self._address.host, self._address.sockaddr[1]),
            seconds=time.monotonic() - self._started,
            transmissions=self._attempt.transmissions,
            log_lines=tuple(self._failures() + warnings),
            transport=connection.transport.description,
            tunnel=request.description,
            outer_name=request.outer_name,
            certificate=request.certificate or connection.transport.certificate,
            challenge=request.challenge,
            packets=tuple(self._packets),
        )

    def _not_accepted(self, code: str, cause: str) -> NoAnswer:
        """Return the end of a login whose server did not prove enough, so that no other may be asked."""
        lines = self._failures() + [log_lines.ATTEMPT.format(server=self._attempt.name, cause=cause)]
        seconds = time.monotonic() - self._started
        return NoAnswer(code, lines, seconds, self._section, self._packets, is_alive=True)

    def _failures(self) -> List[str]:
        """Return the lines about what was tried before the endpoint that answers, and discarded there."""
        failures = [line for each in self._attempts if each is not self._attempt for line in each.failure()]
        return self._lines + failures + self._attempt.discarded()

    def _no_answer(self) -> NoAnswer:
        tried = {attempt.section for attempt in self._attempts}
        untried = [server for server in self._servers if server.section not in tried]
        lines = self._lines + [line for attempt in self._attempts for line in attempt.failure()]
        names = [f"[{server.section}] {server.server}" for server in untried]
        lines += [log_lines.ATTEMPT.format(server=name, cause=log_lines.NOT_TRIED.text) for name in names]
        seconds = time.monotonic() - self._started
        is_alive = any(attempt.is_alive for attempt in self._attempts)
        certificate = self._connection.request.certificate if self._connection else None
        code = gravest_code(self._attempts)
        return NoAnswer(code, lines, seconds, self._section, self._packets, is_alive, certificate)


def _is_origin(server: ServerSettings, origin: Origin) -> bool:
    """Whether the section still names the server that sent the challenge, as far as its address shows."""
    same = server.section == origin.section and server.port == origin.port
    return same and numeric_address(server.server) in ("", origin.host)


def _name(server: ServerSettings, address: Address, purpose: str) -> str:
    """Return the name under which the status of an endpoint is remembered."""
    transport = "udp" if server.tls is None else "tls"
    return f"{address}-{transport}-{purpose}-{server.server}"


def timing_of(server: ServerSettings, is_login: bool = True) -> Timing:
    """Return the times of a server, as the schedule needs them."""
    over_tls = server.tls is not None
    return Timing(
        limit=server.bound,
        first_wait=0.0 if over_tls else server.retransmit_after,  # TCP retransmits itself, RFC 6613 section 2.6.1
        max_wait=min(server.conn_timeout, _MAX_WAIT),
        refused_limit=server.conn_timeout if is_login else 0.0,  # records wait in their queue, and no user
        probe_after=server.status_check_after if server.status_check == "status-server" else None,
        probe_timeout=server.status_check_timeout,
        max_probes=1 if over_tls else MAX_PROBES,
        connect_timeout=server.connect_timeout if over_tls else None,
    )
