"""Every line that lib/log_lines.py declares is logged, and no other line: docs/troubleshooting.md is made from it.

The situations run once, through the zip. Every line that they log must be declared there, or be one of the SDK's lines
in the document, and they must log every line that is declared.
"""

import contextlib
import json
import pathlib
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from safeguard.sessions import plugin

from lib.recovery_code import new_hash
from lib.secret import Secret
from simulator.closed_port import closed_port
from simulator.fork_server import ForkServer
from simulator.gateway import Session, UnpackedPlugin
from tests.e2e.test_faults import ZERO, right, signed, with_length
from tests.support import ROOT, tls_peer, tunnel
from tests.support.certificates import Authority, in_configuration
from tests.support.eap_server import Faults
from tests.support.interpreters import MANY_ADDRESSES, NO_MD5, NO_PYOPENSSL, interpreter, under
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    PROXY_STATE,
    REPLY_MESSAGE,
    SECRET,
    USER_NAME,
    Attribute,
    Request,
    Server,
    answering,
    reply,
    silent,
)
from tests.support.plugin import section
from tests.support.processes import WAIT_LIMIT
from tests.support.radiusd import FreeRadius
from tools.documents import declared_log_lines

DOCUMENT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
STATUS_SERVER = 12
FILTER_ID, CLASS, VENDOR_SPECIFIC = 11, 25, 26
RECOVERY_CODE = "7K3M-9QXT-0GHV-W2BD"
ACCOUNTING_RESPONSE = 5
NOTHING_RECORDED = b"\x65\x06" + (406).to_bytes(4, "big")  # Error-Cause: Unsupported Extension


class Stage:
    """A FreeRADIUS, and a state directory that only one situation uses."""

    def __init__(
        self, unpacked_zip: pathlib.Path, state: pathlib.Path, radiusd: FreeRadius, fork_server: ForkServer
    ) -> None:
        self.state = state
        self.ephemeral = state.with_name(state.name + ".ephemeral")
        self.radiusd = radiusd
        self.radius = section(radiusd)
        self.sessions: List[Session] = []
        self._unpacked_zip = unpacked_zip
        self._fork_server = fork_server

    def open(self, configuration: str, fixtures: Optional[Dict[str, Any]] = None, **known: Any) -> Session:
        """Open a session with a configuration."""
        unpacked = UnpackedPlugin(
            self._unpacked_zip,
            configuration,
            state_directory=self.state,
            fixtures=fixtures or {},
            fork_server=self._fork_server,
        )
        self.sessions.append(Session(unpacked, **known))
        return self.sessions[-1]

    def whole(self, configuration: str, *answers: str, **known: Any) -> Session:
        """Run a session from the first hook to the last."""
        session = self.open(configuration, **known)
        if session.log_in(*answers)["verdict"] == "ACCEPT":
            session.authorize()
        session.end()
        return session


# The situations


def ordinary_session(stage: Stage) -> None:
    accounting = f"[accounting]\nenabled=yes\nport={stage.radiusd.acct_port}\n"
    stage.whole(
        stage.radius + accounting + "[gateway_groups]\nattribute=Filter-Id\n", "correct horse", gateway_user="alice"
    )
    stage.whole(stage.radius, "1111", "222222", server_username="pin1")
    stage.whole(stage.radius + "[challenge_answers]\n1\\) push = 1\n", "1111", server_username="menu")
    stage.whole(stage.radius + "[auth]\nmax_attempts=1\n", "wrong", server_username="alice")


def wrong_configurations(stage: Stage) -> None:
    stage.whole(
        "x=1\n[radius]\nserver=a\nport=70000\nport=1\na line\n  port=2\n[radius_2] x\nsecret=$\n"
        "[auth]\nmax_attempts=no\n",
        gateway_user="alice",
    )
    stage.open(stage.radius + "[gateway_groups map]\nrequired_groups=a\n", gateway_user="alice").log_in()
    store: Dict[str, Any] = {"credential_stores": {"my_store": {}}}
    stage.open("[radius]\nserver=a\nsecret=$\n[credential_store]\nname=my_store\n", store).log_in()
    stage.open("[radius]\nserver=a\nsecret=$\n[credential_store]\nname=gone\n", store).log_in()
    stage.open(stage.radius + "[whitelist source=user_list]\nname=gone\n", gateway_user="alice").log_in()


def doubtful_configurations(stage: Stage) -> None:
    least = "[radius]\nserver=127.0.0.1\nsecret=none that a server knows\n"
    stage.open(
        least
        + "sever=x\nconnect_timeout=7\nconn_timeout=280\ndictionary_path=/x\n"
        + "require_message_authenticator=no\nfrobnicate=1\n[auht]\n[gateway_groups]\nattribute=Class\n"
        + "[authentication_cache]\nreuse_limit=5\n"
        + "[whitelist source=ldap_server_group]\nallow=no_user\nexcept=x\n",
        server_username="alice",
    ).authenticate()
    stage.open(least + "conn_timeout=70\n", server_username="alice").authenticate()
    stage.open(
        least
        + 'conn_retries=31\nadd_prefix=CORP\nadd_suffix=x\n[auth]\npush_password="x ; y\u200b"\n[gateway_groups]\n'
        + "attribute=Class\nunmapped=drop\nrequired_groups=CN=a,DC=b\n[username]\nadd_prefix=CORP\\\\\n"
        + "[username_transform]\nappend_domain=@x\n[ignore_upn_suffix_for_rdp]\nignore=no\n[question_2]\nkey=x\n"
        + "[whitelist source=ldap_server_group]\nallow=no_user\n[challenge_answers]\nPIN=$\n",
        server_username="alice",
    ).authenticate()
    stored = {"credential_stores": {"store": {"secret": {"radius": [["secret "]]}}}}
    more = "[credential_store]\nname=store\n[gateway_groups]\nattribute=Class\nrequired_groups=a;b\n"
    stage.open(least.replace("none that a server knows", "$") + more, stored, server_username="alice").authenticate()
    stage.open(least + "[auth]\nprompt=x\n-----BEGIN X-----\n", server_username="alice").authenticate()


def servers_that_do_not_answer(stage: Stage) -> None:
    def only_status(request: Request) -> List[bytes]:
        return [reply(request, SECRET)] if request.octets[0] == STATUS_SERVER else []

    probed: Dict[str, Any] = {"status_check": "status-server", "status_check_after": 0.1}
    with Server(silent) as first, Server(silent) as second, Server(only_status) as third, closed_port() as closed:
        configuration = section(first, conn_timeout=0.2, conn_retries=1, status_check="none")
        configuration += section(second, "radius_2", conn_timeout=1, **probed)
        configuration += section(third, "radius_3", conn_timeout=3, **probed)
        configuration += f"[radius_4]\nport={closed}\n"
        configuration += "[radius_5]\nserver=no.such.host.invalid\nconn_timeout=5\n"
        configuration += "[radius_6]\nsource_ip=192.0.2.1\n"
        stage.open(configuration, server_username="alice").log_in("x")
        late = section(first, total_timeout=1, conn_timeout=2, conn_retries=1) + section(second, "radius_2")
        stage.open(late, server_username="alice").log_in("x")
    with Server(lambda request: only_status(request) and [reply(request, SECRET, signature=None)]) as unsigned:
        flawed = section(unsigned, conn_timeout=3, conn_retries=1, **probed)
        stage.open(flawed, server_username="alice").log_in("x")
    with Server(answering(SECRET)) as accepting:
        stage.open(section(accepting, auth_type="mschapv2"), server_username="alice").log_in("x")


def servers_over_tls(stage: Stage) -> None:
    ours, other = Authority("the CA"), Authority("another CA")
    server, client = ours.issue(), ours.issue(for_client=True)

    def saying(octets: str) -> tls_peer.Script:
        """Say this in place of a handshake."""

        def script(connection: tls_peer.Connection) -> None:
            connection.raw.recv(65536)
            connection.send_raw(bytes.fromhex(octets))
            connection.wait_for_end()

        return script

    def closing(connection: tls_peer.Connection) -> None:
        connection.raw.recv(65536)

    def closing_then(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        connection.receive()

    def closing_after_an_answer(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.send(tls_peer.answer(connection, connection.receive()))

    def waiting_for_the_end(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        connection.wait_for_end()

    def answering_something_else(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        connection.send(reply(connection.receive(), b"radsec", code=5))

    def closing_at_a_probe(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        connection.receive()
        connection.receive()

    def answering_with_another_token(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        octets = tls_peer.answer(connection, connection.receive())
        connection.send(octets[:4] + bytes([octets[4] ^ 1]) + octets[5:])

    bad_certificate, closes_late, silent_peer, mute = (
        tls_peer.Peer(each, server)
        for each in (saying("1503030002022a"), closing_then, waiting_for_the_end, saying(""))
    )
    peers = [
        tls_peer.Peer(tls_peer.answering(), other.issue()),
        *(tls_peer.Peer(saying("150303000202" + alert), server) for alert in ("74", "28", "2a", "78", "46", "50")),
        tls_peer.Peer(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n".hex()), server),
        *(tls_peer.Peer(each, server) for each in (closing, closing_then, closing_after_an_answer, closing_at_a_probe)),
        tls_peer.Peer(answering_something_else, server),
        tls_peer.Peer(answering_with_another_token, server, protocols=[tls_peer.VERSION_1_1]),
        tls_peer.Peer(tls_peer.answering(), server, newest="TLSv1_2", protocols=[tls_peer.VERSION_1_1]),
    ]
    sections = [{"port": str(peer.port)} for peer in peers]
    with_certificate = {"client_certificate": in_configuration(client.certificate + client.key)}
    sections += [dict(with_certificate, port=str(peer.port)) for peer in (bad_certificate, closes_late)]
    sections.append({"port": str(mute.port), "connect_timeout": "2"})
    silent_options = {"port": str(silent_peer.port), "conn_timeout": "2"}
    sections += [dict(silent_options, status_check=each) for each in ("none", "status-server")]
    sections += [
        {"port": "1", "ca_certificate": "-----BEGIN CERTIFICATE-----\n  MAA=\n  -----END CERTIFICATE-----"},
        {"port": "2", "client_certificate": in_configuration(client.certificate + server.key)},
        {"port": "3", "tls_server_name": ".a"},
    ]
    with contextlib.ExitStack() as stack:
        for peer in (*peers, bad_certificate, closes_late, silent_peer, mute):
            stack.enter_context(peer)
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        sections.append({"port": str(full.getsockname()[1]), "connect_timeout": "0.5"})
        configuration = ""
        for number, options in enumerate(sections, 1):
            values = dict(transport="tls", server="127.0.0.1", ca_certificate=in_configuration(ours.certificate))
            values.update(conn_timeout="60", status_check_after="0.5", connect_timeout="30")
            values.update(options)
            lines = ["{}={}\n".format(*pair) for pair in values.items()]
            configuration += "[radius{}]\n".format(f"_{number}" if number > 1 else "") + "".join(lines)
        stage.open(configuration, server_username="alice").log_in("x")


def tunneled_logins(stage: Stage) -> None:
    def log_in(script: tunnel.TunnelScript, auth_type: str = "ttls-pap", **more: Any) -> None:
        with Server(script) as server:
            python = more.pop("python", "")
            values: Dict[str, Any] = dict(tls_server_name=tunnel.NAME, ca_certificate=tunnel.AUTHORITY.certificate)
            configuration = section(server, auth_type=auth_type, status_check="none", **{**values, **more})
            session = stage.open(configuration, gateway_user="alice")
            (under(session, python) if python else session).log_in(tunnel.PASSWORD)

    def changing_the_accept(*attributes: Attribute, but: int) -> tunnel.Change:
        """Replace the attributes of this type in an Access-Accept."""

        def change(code: int, found: List[Attribute], request: Request) -> Tuple[int, List[Attribute]]:
            if code != ACCEPT:
                return code, found
            return code, [each for each in found if each[0] != but] + list(attributes)

        return change

    def wrong_keys(code: int, found: List[Attribute], request: Request) -> Tuple[int, List[Attribute]]:
        keys = [tunnel.key_attribute(kind, bytes(32), request) for kind in (tunnel.RECV_KEY, tunnel.SEND_KEY)]
        return changing_the_accept(*keys, but=VENDOR_SPECIFIC)(code, found, request)

    def without_eap(code: int, found: List[Attribute], request: Request) -> Tuple[int, List[Attribute]]:
        return code, [each for each in found if each[0] != tunnel.EAP_MESSAGE]

    failure = tunnel.eap_message(bytes([4, 1, 0, 4]))
    changes = [
        changing_the_accept(but=VENDOR_SPECIFIC),
        changing_the_accept(*failure, but=tunnel.EAP_MESSAGE),
        wrong_keys,
        without_eap,
    ]
    for change in changes:
        log_in(tunnel.TunnelScript("ttls-pap", change))
    for faults in (Faults(success_at=1), Faults(fragment="wrong-length"), Faults(offers=(4,) * 9)):
        log_in(tunnel.TunnelScript("ttls-pap", faults=faults, fragment=100))
    log_in(tunnel.TunnelScript("ttls-pap", fragment=1))
    log_in(tunnel.TunnelScript("peap-mschapv2", faults=Faults(alert_at=2)), "peap-mschapv2")
    log_in(tunnel.TunnelScript("ttls-mschapv2", faults=Faults(inner="wrong-success")), "ttls-mschapv2")
    log_in(tunnel.TunnelScript("ttls-pap"), require_tunnel_keys="no")
    python = interpreter(stage.state.with_name("without-pyopenssl"), sitecustomize=NO_PYOPENSSL)
    for auth_type in ("ttls-pap", "ttls-mschapv2"):
        log_in(tunnel.TunnelScript(auth_type), auth_type, python=python)


def server_that_answers_another_user(stage: Stage) -> None:
    authority = Authority("the CA")
    both_wait, is_boss_in = threading.Event(), threading.Event()

    def script(connection: tls_peer.Connection) -> None:
        connection.shake_hands()
        request = connection.receive()
        if request.values(USER_NAME) == [b"boss"]:
            connection.send(tls_peer.answer(connection, request))
        else:
            both_wait.set()
            assert is_boss_in.wait(WAIT_LIMIT)

    with tls_peer.Peer(script, authority.issue()) as peer:
        certificate = in_configuration(authority.certificate)
        configuration = section(peer, transport="tls", ca_certificate=certificate, status_check="none", conn_timeout=60)
        alice = stage.open(configuration, server_username="alice")
        with ThreadPoolExecutor(1) as pool:
            verdict = pool.submit(alice.log_in, "x")
            assert both_wait.wait(WAIT_LIMIT)
            stage.open(configuration, server_username="boss").log_in("x")
            is_boss_in.set()
            verdict.result()


def processes_with_less_than_usual(stage: Stage) -> None:
    for name, sitecustomize in (("md5", NO_MD5), ("addresses", MANY_ADDRESSES)):
        with closed_port() as port:
            server = "many.example" if name == "addresses" else "127.0.0.1"
            session = stage.open(
                section(port, server=server, conn_timeout=0.5, conn_retries=20), server_username="alice"
            )
            python = interpreter(stage.state.with_name(name), sitecustomize=sitecustomize)
            under(session, python)
            session.log_in("x")


def server_that_is_gone(stage: Stage) -> None:
    with Server(answering(SECRET, CHALLENGE)) as first, Server(silent) as second:
        session = stage.open(section(first), server_username="alice")
        session.authenticate()
        session.answer("x")
        session.plugin = session.plugin._replace(configuration=section(second, conn_timeout=2, conn_retries=1))
        session.answer("y")


def replies_that_are_discarded(stage: Stage) -> None:
    def script(request: Request) -> List[bytes]:
        accept = right(request)
        return [
            b"junk",
            with_length(accept, 19),
            accept[:1] + bytes([accept[1] ^ 1]) + accept[2:],
            signed(request, 5, b""),
            signed(request, ACCEPT, b"\x12\x00"),
            reply(request, SECRET, signature=None),
            right(request, ZERO),
            reply(request, b"another secret"),
            signed(request, ACCEPT, bytes([ZERO[0], 18]) + ZERO[1]),
            right(request, (PROXY_STATE, b"x")),
            accept,
        ]

    with Server(script) as server:
        stage.open(section(server), server_username="alice").log_in("x")


def odd_users(stage: Stage) -> None:
    typed = {"ru": "boss"}
    overriding = stage.radius + "[username]\nallow_override=yes\n"
    stage.open(stage.radius, gateway_user="alice", key_value_pairs=typed).authenticate()
    stage.open(overriding, gateway_user="alice", key_value_pairs=typed).authenticate()
    stage.open(overriding, key_value_pairs=dict(typed, gu="alice")).authenticate()
    stage.open(stage.radius, gateway_user="alice", key_value_pairs={"otp": "x" * 129}).authenticate()


def recovery_codes(stage: Stage) -> None:
    codes = f"[recovery_codes]\nboss = {new_hash(Secret(RECOVERY_CODE), bytes)}\n"
    with closed_port() as port:
        stage.open(section(port, conn_timeout=0.1, conn_retries=1) + codes, gateway_user="boss").log_in(
            "x", "wrong", RECOVERY_CODE
        )
        stage.open(
            section(port, conn_timeout=0.1, conn_retries=1) + codes + "[auth]\nmax_attempts=1\n", gateway_user="boss"
        ).log_in("x", RECOVERY_CODE)
        for path in (stage.state / "recovery-codes").iterdir():
            path.unlink()
        (stage.state / "recovery-codes").rmdir()
        (stage.state / "recovery-codes").write_text("a file where a directory should be")
        stage.open(section(port, conn_timeout=0.1, conn_retries=1) + codes, gateway_user="boss").log_in(
            "x", RECOVERY_CODE
        )
        groups = "[gateway_groups]\nattribute=Class\nrequired_groups=admins\n"
        stage.open(section(port, conn_timeout=0.1, conn_retries=1) + codes + groups, gateway_user="boss").authenticate()


def users_who_need_no_login(stage: Stage) -> None:
    lists = {"user_lists": {"no_mfa": {"allow": "no_user", "except": ["boss"]}}}
    stage.open(stage.radius + "[whitelist source=user_list]\nname=no_mfa\n", lists, gateway_user="boss").log_in()
    lists = {"user_lists": {"no_mfa": {"allow": "all_users", "except": ["ALICE"]}}}
    listed = stage.radius + "[whitelist source=user_list]\nname=no_mfa\n"
    stage.open(listed, lists, gateway_user="alice").log_in("correct horse")
    directory = {"ldap_servers": {"ad": {"users": {"boss": {"mail": "boss@x"}}, "groups": {"no_mfa": ["boss"]}}}}
    with_ldap = stage.radius + "[ldap_server]\nname=ad\n"
    group = with_ldap + "[whitelist source=ldap_server_group]\nallow=no_user\nexcept=no_mfa\n"
    stage.open(group, directory, gateway_user="boss").log_in()
    mapping = with_ldap + "[usermapping source=ldap_server]\nuser_attribute=mail\n"
    stage.open(mapping, directory, gateway_user="alice").log_in("correct horse")
    stage.open(mapping, {"ldap_servers": {"ad": {}}}, gateway_user="alice").log_in("correct horse")
    cache = stage.radius + "[authentication_cache]\nreuse_limit=2\nsoft_timeout=600\nhard_timeout=600\n"
    stage.open(cache, gateway_user="alice").log_in("correct horse")
    stage.open(cache, gateway_user="alice").log_in()
    for path in stage.state.rglob("*.cache"):
        path.write_text(json.dumps({"last_authenticated": 2**33, "last_used": 0, "reuse_count": 0}))
    stage.open(cache, gateway_user="alice").log_in("correct horse")


def connection_limits(stage: Stage) -> None:
    limit = stage.radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
    for _ in range(2):
        session = stage.open(limit, gateway_user="alice")
        session.log_in("correct horse")
        session.authorize()
    counted = stage.ephemeral / "connection_limit by=client_ip_gateway_user"
    for path in counted.iterdir():
        path.unlink()
    stage.sessions[-2].end()
    counted.rmdir()
    counted.write_text("in the way")
    session = stage.open(limit, gateway_user="alice")
    session.log_in("correct horse")
    session.authorize()


def odd_groups_and_attributes(stage: Stage) -> None:
    values = [(FILTER_ID, b"\xff"), (FILTER_ID, b"\x1b[31m"), (FILTER_ID, b"staff"), (CLASS, b"\0\1"), (CLASS, b"x")]
    with Server(answering(SECRET, ACCEPT, values)) as server:
        groups = section(server) + "[gateway_groups]\nattribute={}\nunmapped=drop\n[gateway_groups map]\na=b\n"
        unfit = "[radius_attributes]\nFramed-IP-Address{} = {{protocol}}\n"
        stage.open(section(server) + unfit.format(""), gateway_user="alice").log_in("x")
        stage.open(groups.format("Class") + unfit.format("?"), gateway_user="alice").log_in("x")
        stage.open(groups.format("Filter-Id"), gateway_user="alice").log_in("x")
        stage.open(groups.format("Connect-Info"), gateway_user="alice").log_in("x")
        unmatched = section(server) + "[gateway_groups]\nattribute=Class\npattern=OU=(.+)\nrequired_groups=a\n"
        stage.open(unmatched, gateway_user="alice").log_in("x")
    with Server(answering(SECRET, ACCEPT, [(CLASS, b"a" * 60)])) as server:
        endless = section(server) + "[gateway_groups]\nattribute=Class\npattern=(\\w+\\s?)+;\n"
        stage.open(endless, gateway_user="alice").log_in("x")
    with Server(answering(SECRET, CHALLENGE, [(REPLY_MESSAGE, b"a" * 60)])) as server:
        endless = section(server) + "[challenge_answers]\n(\\w+\\s?)+; = 1\n"
        stage.open(endless, server_username="alice", key_value_pairs={"otp": "x"}).authenticate()


def state_directories_in_the_way(stage: Stage) -> None:
    stage.state.write_text("a file where the directory should be")
    stage.ephemeral.write_text("another")
    cache = "[authentication_cache]\nreuse_limit=2\n"
    stage.open(stage.radius + cache, gateway_user="alice").log_in("correct horse")


def files_in_the_way(stage: Stage) -> None:
    stage.state.mkdir()
    stage.ephemeral.mkdir()
    for path in (stage.ephemeral / "radius-servers", stage.state / "lockout", stage.state / "accounting"):
        path.write_text("a file where a directory should be")
    (stage.ephemeral / "user-locks").write_text("another")
    options = "[auth]\nmax_attempts=2\nserialize_user=yes\n[lockout]\nmax_failures=5\n"
    accounting = f"[accounting]\nenabled=yes\nport={stage.radiusd.acct_port}\n"
    stage.whole(stage.radius + options + accounting, "wrong", "correct horse", gateway_user="alice")


def damaged_files(stage: Stage) -> None:
    with Server(silent) as server:
        own = f"[accounting]\nenabled=yes\ntimeout=0.1\nserver={server.host}\nport={server.port}\n"
        stage.whole(stage.radius + own, "correct horse", gateway_user="alice")
    waiting = stage.state / "accounting"
    (waiting / "foreign").write_text("no record")
    for path in [path for path in waiting.iterdir() if "-Start-" in path.name]:
        path.rename(path.with_name("0" * 16 + path.name[16:]))  # from 1970
    accounting = stage.radius + f"[accounting]\nenabled=yes\nport={stage.radiusd.acct_port}\n"
    stage.whole(accounting, "correct horse", gateway_user="alice")
    stage.whole(accounting, "correct horse", gateway_user="alice", session_id=5)  # SPS passes text


def accounting_server_that_refuses(stage: Stage) -> None:
    with Server(lambda request: [signed(request, ACCOUNTING_RESPONSE, NOTHING_RECORDED)]) as server:
        accounting = "[accounting]\nenabled=yes\ntimeout=3\nserver={}\nport={}\nsecret={}\n"
        own = accounting.format(server.host, server.port, SECRET.decode("ascii"))
        stage.whole(stage.radius + own, "correct horse", gateway_user="alice")


def damaged_arguments(stage: Stage) -> None:
    session = stage.open(stage.radius, gateway_user="alice")
    session.cookie = {"radius": {"attempts": 7}}
    session.authenticate()
    stage.open(stage.radius, gateway_user=5).authenticate()


SITUATIONS: List[Callable[[Stage], None]] = [
    ordinary_session,
    wrong_configurations,
    doubtful_configurations,
    servers_that_do_not_answer,
    servers_over_tls,
    tunneled_logins,
    server_that_answers_another_user,
    processes_with_less_than_usual,
    server_that_is_gone,
    replies_that_are_discarded,
    odd_users,
    recovery_codes,
    users_who_need_no_login,
    connection_limits,
    odd_groups_and_attributes,
    state_directories_in_the_way,
    files_in_the_way,
    damaged_files,
    accounting_server_that_refuses,
    damaged_arguments,
]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logged(
    unpacked_zip: pathlib.Path, freeradius: FreeRadius, fork_server: ForkServer, tmp_path_factory: Any
) -> List[str]:
    """All lines that the situations logged, without duplicates."""

    def play(situation: Callable[[Stage], None]) -> List[str]:
        stage = Stage(unpacked_zip, tmp_path_factory.mktemp(situation.__name__) / "state", freeradius, fork_server)
        situation(stage)
        return [line for session in stage.sessions for line in session.log]

    with ThreadPoolExecutor(4) as pool:
        return list(dict.fromkeys(line for lines in pool.map(play, SITUATIONS) for line in lines))


# The lines

FIELD = r"\{[A-Za-z_]+(?::[^}]*)?\}"
DECLARED = [line for line in declared_log_lines() if line.description]
OF_THE_SDK = re.findall(r"(?m)^\| `([^`]*)` \|", DOCUMENT.split("\n### Lines of the SDK\n")[1].split("\n## ")[0])
SDK_SOURCES = "".join(path.read_text(encoding="utf-8") for path in pathlib.Path(plugin.__file__).parent.glob("*.py"))
NOT_OF_THIS_SDK = {line for line in ("Updating authentication cache",) if line not in SDK_SOURCES}


def fits(line: str, text: str) -> bool:
    """Whether a logged line has this text, with anything in its fields."""
    return re.fullmatch(".*".join(re.escape(part) for part in re.split(FIELD, text)), line) is not None


def declaration_of(line: str) -> str:
    """Return the name of the declaration that fits a logged line best: the one with the most fixed text."""
    fitting = [each for each in DECLARED if fits(line, each.text)]
    return max(fitting, key=lambda each: len(re.sub(FIELD, "", each.text))).name if fitting else ""


def test_every_declared_line_is_logged(logged: List[str]) -> None:
    assert {line.name for line in DECLARED} - {declaration_of(line) for line in logged} == set()


def test_every_logged_line_is_declared(logged: List[str]) -> None:
    ours = [line for line in logged if not any(fits(line, text) for text in OF_THE_SDK)]
    assert len(ours) > 100
    assert [line for line in ours if not declaration_of(line)] == []


def test_every_line_of_the_sdk_is_logged(logged: List[str]) -> None:
    assert len(OF_THE_SDK) > 10 and len(set(OF_THE_SDK)) == len(OF_THE_SDK)
    missing = {text for text in OF_THE_SDK if not any(fits(line, text) for line in logged)}
    assert missing - NOT_OF_THIS_SDK == set()


def test_no_secret_is_logged(logged: List[str]) -> None:
    """Neither the answers of the users nor the shared secrets."""
    for secret in (
        SECRET.decode("ascii"),
        RECOVERY_CODE,
        "correct horse",
        tunnel.PASSWORD,
        "222222",
        "none that a server knows",
        "x" * 129,
    ):
        assert not [line for line in logged if secret in line]
