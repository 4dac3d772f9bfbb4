"""Sends the accounting records that wait in the state directory, for as long as a hook may take for it."""

import base64
import os
import time
from typing import Any, Callable, Dict, Mapping, Optional

from .config.model import AccountingSettings
from .radius import accounting, client, nas, packet
from .radius.accounting import Record
from .radius.profile import Profile
from .radius.server import ServerSettings
from .state.accounting_queue import Records
from .state.server_status import Health


def kept(reply: packet.Reply) -> Dict[str, Any]:
    """Return what the cookie keeps of an Access-Accept for accounting: Class, and the User-Name if it names another.

    RFC 2865 sections 5.25 and 5.1.
    """
    names = [name.decode("utf-8", "replace") for name in reply.values(packet.USER_NAME)[:1]]
    return {"class": [_text(value) for value in reply.values(accounting.CLASS)], "user_name": "".join(names)}


def target(connection: Any) -> packet.Attributes:
    """Return where the session goes: Login-IP-Host or Login-IPv6-Host, Login-TCP-Port and, for people to read,
    Called-Station-Id."""
    return nas.target(
        connection.server_ip, connection.server_port, connection.server_hostname, connection.server_username
    )


def session(
    session_id: str, started: float, user_name: str, accepted: Mapping[str, Any], attributes: packet.Attributes
) -> Dict[str, Any]:
    """Return what both records of a session have in common, as JSON can carry it.

    `accepted` is what `kept` gave, empty if the user got on without RADIUS.
    """
    return {
        "by_radius": bool(accepted),
        "session_id": session_id,
        "started": started,
        "user_name": accepted.get("user_name") or user_name,
        "class": accepted.get("class", []),
        "attributes": [[vendor, number, _text(octets)] for vendor, number, octets in attributes],
    }


def record(kind: str, session: Mapping[str, Any], now: float) -> Record:
    """Return the record of a session's beginning or end at this time, in seconds since the epoch."""
    return Record(
        kind,
        session["started"] if kind == accounting.START else now,
        session["session_id"],
        session["user_name"],
        tuple(_octets(value) for value in session["class"]),
        None if kind == accounting.START else int(max(0, now - session["started"])),
        tuple((vendor, number, _octets(octets)) for vendor, number, octets in session["attributes"]),
        session.get("by_radius", True),
    )


def deliver(settings: AccountingSettings, records: Records, health: Health, complain: Callable[[str], None]) -> None:
    """Send what waits, oldest first, for at most the settings' seconds; what is not acknowledged goes on waiting.

    `complain` is told what went wrong with the servers. While all of them are held for dead no login waits for them.
    """
    if client.all_dead(settings.servers, health):
        records.sweep(time.time())
        return
    deadline = time.monotonic() + settings.timeout
    patience = sum(server.bound for server in settings.servers)

    def send(record: Record) -> Optional[bool]:
        left = deadline - time.monotonic()
        if left < patience:
            # A server that is cut off may have recorded what it has not acknowledged yet.
            return None
        try:
            answer = client.exchange(settings.servers, _request_for(record), left, health=health)
        except client.NoAnswer as no_answer:
            for remark in no_answer.remarks:
                complain(remark)
            return False
        for remark in answer.remarks:
            complain(remark)
        return True

    records.deliver(send, time.time())


def _request_for(record: Record) -> client.RequestFor:
    def request_for(server: ServerSettings, local_ip: str, spoken: Profile) -> client.Request:
        told = {each[:2] for each in record.attributes}
        own = tuple(each for each in nas.address(local_ip) if each[:2] not in told)
        complete = record._replace(attributes=own + record.attributes)
        octets = spoken.accounting(complete, time.time(), os.urandom)
        return client.Request(octets, lambda reply: spoken.verify_accounting(reply, octets), client.always, ())

    return request_for


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    return base64.b64decode(text)
