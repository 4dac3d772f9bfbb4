"""Recovery codes through the built zip: who is asked for one, what admits, and what must never admit anybody."""

import contextlib
import functools
import json
import pathlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, ContextManager, Dict, Iterator, List

import pytest

from lib.recovery_code import new_hash
from lib.secret import Secret
from simulator.closed_port import closed_port
from simulator.gateway import Session
from tests.support.cases import Cases
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    SECRET,
    STATE,
    Request,
    Server,
    Sockaddr,
    answering,
    reply,
    silent,
)
from tests.support.plugin import OpenSession, code, login_line, metadata, outcome, prompts, section, text
from tests.support.processes import wait_until
from tests.support.radiusd import AUTHORITY, FreeRadius, running
from tests.support.tls_peer import Connection, Peer

CODES = ["7K3M-9QXT-0GHV-W2BD", "0123-4567-89AB-CDEF", "ZZZZ-YYYY-XXXX-WWWW"]
HASHES = [new_hash(Secret(each), lambda count: bytes(range(count))) for each in CODES]
ONE_ATTEMPT = "[auth]\nmax_attempts=1\n"
PROMPT = "The login service is not responding. Enter a recovery code: "


def codes_of(user: str = "alice") -> str:
    """Return the section with the codes of a user."""
    return "[recovery_codes]\n" + "".join(f"{user} = {each}\n" for each in HASHES)


def used(tmp_path: pathlib.Path) -> List[str]:
    """Return the names of the files that record used codes."""
    directory = tmp_path / "state" / "recovery-codes"
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


# What admits


def test_recovery_code_admits_once(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    session = open_session(down + codes_of(), gateway_user="alice", gateway_groups=["ldap"])
    verdict = session.log_in("123456", CODES[1])
    assert verdict["verdict"] == "ACCEPT"
    assert "gateway_groups" not in verdict and session.gateway_groups == ["ldap"]
    assert prompts(session)[1] == PROMPT and session.questions[1].disable_echo
    assert session.questions[1].key == "recovery2"
    assert (metadata(verdict)["recovery_code"], metadata(verdict)["attempts"]) == (True, 1)
    assert "Recovery code accepted for user alice: no server responded; codes left: 2" in text(session)
    assert "Recovery codes running low for user alice: codes left: 2" in text(session)
    assert session.authorize()["verdict"] == "ACCEPT"
    assert login_line(session).endswith(" recovery=yes")
    assert used(tmp_path) == [HASHES[1].name]

    again = open_session(down + codes_of() + ONE_ATTEMPT, gateway_user="alice")
    verdict = again.log_in("123456", CODES[1])
    assert code(verdict) == "wrong-recovery-code" and "recovery_code" not in metadata(verdict)
    assert "Recovery code refused for user alice: it was used before" in text(again)

    last = open_session(down + codes_of(), gateway_user="alice")
    assert last.log_in("123456", CODES[0].lower().replace("-", " "))["verdict"] == "ACCEPT"
    assert "Recovery codes running low for user alice: codes left: 1" in text(last)


def test_recovery_codes_in_the_credential_store(open_session: OpenSession, down: str) -> None:
    stored = [["{},{}".format(*HASHES)], [str(HASHES[2])]]
    stores: Dict[str, Any] = {"store": {"Alice": {"recovery_codes": stored}}}
    configuration = down + "[recovery_codes]\nAlice = $\n[credential_store]\nname=store\n"
    for each in CODES:
        session = open_session(configuration, {"credential_stores": stores}, gateway_user="alice")
        assert session.log_in("x", each)["verdict"] == "ACCEPT"
        assert not [line for line in session.log if str(HASHES[0])[-20:] in line]


def test_protocol_that_cannot_ask(open_session: OpenSession, down: str) -> None:
    configuration = down + codes_of()
    outcomes = []
    for pairs in ({}, {"recovery": ""}, {"recovery": "wrong"}, {"recovery": CODES[0]}, {"recovery": CODES[0]}):
        session = open_session(configuration, gateway_user="alice", key_value_pairs=pairs, protocol="http")
        outcomes.append(outcome(session))
    assert outcomes == ["connection-refused"] * 2 + ["wrong-recovery-code", "ACCEPT", "wrong-recovery-code"]
    with Server(answering(SECRET, REJECT)) as server:
        rejecting, pairs = section(server) + codes_of(), {"recovery": CODES[1]}
        session = open_session(rejecting, gateway_user="alice", key_value_pairs=pairs, protocol="http")
        assert code(session.log_in()) == "rejected"


def test_silence_after_a_challenge(open_session: OpenSession) -> None:
    def challenges(request: Request) -> List[bytes]:
        return [] if request.values(STATE) else [reply(request, SECRET, CHALLENGE, [(STATE, b"state")])]

    with Server(challenges) as server:
        configuration = section(server, conn_timeout=2, conn_retries=1) + codes_of()
        session = open_session(configuration, gateway_user="alice")
        assert session.log_in("1111", "222222", CODES[0])["verdict"] == "ACCEPT"
    assert prompts(session)[2] == PROMPT


def test_one_of_fifty_logins_with_one_code(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    sessions = [open_session(down + codes_of() + ONE_ATTEMPT, gateway_user="alice") for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(lambda session: outcome(session, "x", CODES[0]), sessions))
    assert sorted(outcomes) == ["ACCEPT"] + ["wrong-recovery-code"] * 49
    assert used(tmp_path) == [HASHES[0].name]


def test_accounting_of_a_recovered_session(open_session: OpenSession, down: str, freeradius: FreeRadius) -> None:
    before = len(freeradius.accounting())
    accounting = section(freeradius, "accounting", port=freeradius.acct_port, enabled="yes", timeout=20)
    session = open_session(down + codes_of() + accounting, gateway_user="alice")
    assert session.log_in("x", CODES[0])["verdict"] == "ACCEPT"
    session.authorize()
    session.end()
    records = freeradius.accounting()[before:]
    assert [record.get("Acct-Authentic") for record in records] == ["Local", "Local"]
    assert [record.get("User-Name") for record in records] == ["alice", "alice"]


def test_recovered_login_is_not_cached(open_session: OpenSession, down: str, radius: str) -> None:
    cache = "[authentication_cache]\nreuse_limit=9\n"
    session = open_session(down + codes_of() + cache, gateway_user="alice")
    assert session.log_in("x", CODES[0])["verdict"] == "ACCEPT"
    assert open_session(down + codes_of() + cache, gateway_user="alice").authenticate()["verdict"] == "NEEDINFO"
    assert open_session(radius + cache, gateway_user="alice").authenticate()["verdict"] == "NEEDINFO"


# Wrong codes


def test_wrong_codes_are_failed_attempts(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    session = open_session(down + codes_of(), gateway_user="alice")
    verdict = session.log_in("x", "wrong", "", CODES[0][:-1])
    assert code(verdict) == "too-many-attempts" and metadata(verdict)["attempts"] == 3
    assert prompts(session)[3] == "Authentication failed. 1 attempt left.\n" + PROMPT
    assert text(session).count("Recovery code refused for user alice: no line of [recovery_codes] matches it") == 3
    assert used(tmp_path) == []
    right = open_session(down + codes_of(), gateway_user="alice").log_in("x", "wrong", CODES[0])
    assert right["verdict"] == "ACCEPT" and metadata(right)["attempts"] == 2


def test_wrong_codes_lock_the_user_out(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    lockout = down + codes_of() + "[lockout]\nmax_failures=2\n"
    first = open_session(lockout, gateway_user="alice")
    assert code(first.log_in("x", "wrong", "wrong")) == "locked"
    assert code(open_session(lockout, gateway_user="alice").log_in()) == "locked"
    assert used(tmp_path) == []
    for path in (tmp_path / "state" / "lockout").iterdir():
        path.unlink()
    waiting = open_session(lockout, gateway_user="alice")
    waiting.authenticate()
    waiting.answer("x")
    assert code(open_session(lockout, gateway_user="alice").log_in("x", "wrong", "wrong")) == "locked"
    assert code(waiting.answer(CODES[0])) == "locked", "locked out by another session"
    assert used(tmp_path) == []


def test_password_prompt_takes_no_recovery_code(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    with Server(silent) as server:
        configuration = section(server, conn_timeout=0.2, conn_retries=1) + codes_of() + ONE_ATTEMPT
        session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": CODES[0]})
        assert code(session.log_in("wrong")) == "wrong-recovery-code"
        session = open_session(configuration, gateway_user="alice", cumulative=False)
        session.authenticate()
        session.answer("x")
        assert code(session.answer("wrong")) == "wrong-recovery-code"
    assert {request.password(SECRET) for request in server.requests} == {CODES[0].encode("ascii"), b"x"}
    assert used(tmp_path) == []


# Who is not asked


def test_users_whom_sps_has_not_authenticated(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    pairs = {"recovery": CODES[0], "recovery2": CODES[1], "otp": "x"}
    cases: List[Dict[str, Any]] = [
        {"server_username": "alice"},
        {"key_value_pairs": dict(pairs, gu="alice")},
        {"key_value_pairs": dict(pairs, ru="alice")},
        {"gateway_user": "bob", "key_value_pairs": dict(pairs, ru="alice", gu="alice")},
        {"gateway_user": "", "server_username": "alice", "key_value_pairs": pairs},
        {"gateway_user": "CORP\\alice"},
    ]

    def check(options: str, known: Dict[str, Any]) -> None:
        session = open_session(down + codes_of() + options, **known)
        session.authenticate()
        if session.calls[-1].result["verdict"] == "NEEDINFO":
            session.answer("x")
        assert code(session.calls[-1].result) == "connection-refused"
        assert len(session.questions) <= 1

    with Cases() as together:
        together.run_together(
            {
                f"{known} {options}": functools.partial(check, options, known)
                for options in ("", "[username]\nallow_override=yes\n", "[auth]\ninteractive_protocols=telnet\n")
                for known in cases
            }
        )
    typed = open_session(down + codes_of())
    assert code(typed.log_in("alice", "x")) == "connection-refused"
    assert used(tmp_path) == []


def test_user_whom_a_server_has_answered(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    for answer, expected in ((REJECT, "rejected"), (CHALLENGE, "too-many-challenges")):
        with Server(answering(SECRET, answer)) as server:
            configuration = section(server) + codes_of() + ONE_ATTEMPT + "max_challenges=0\n"
            session = open_session(configuration, gateway_user="alice")
            assert code(session.log_in(CODES[0])) == expected
    with Server(answering(SECRET, ACCEPT)) as server:
        session = open_session(section(server) + codes_of(), gateway_user="alice")
        assert "recovery_code" not in metadata(session.log_in(CODES[0]))
    assert used(tmp_path) == []


def test_required_group(open_session: OpenSession, down: str) -> None:
    groups = "[gateway_groups]\nattribute=Class\n"
    session = open_session(down + codes_of() + groups + "required_groups=ldap\n", gateway_user="alice")
    assert code(session.log_in("x", CODES[0])) == "not-in-group"
    session = open_session(down + codes_of() + groups, gateway_user="alice", gateway_groups=["ldap"])
    assert session.log_in("x", CODES[1])["verdict"] == "ACCEPT"
    assert session.gateway_groups == ["ldap"]


# What cannot be recorded


def test_code_that_cannot_be_recorded(open_session: OpenSession, down: str, tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"

    def no_directory() -> None:
        state.write_text("a file where the directory should be")

    def file_in_the_way() -> None:
        state.unlink()
        state.mkdir()
        (state / "recovery-codes").write_text("a file where the directory should be")

    def link_in_the_way() -> None:
        (state / "recovery-codes").unlink()
        (tmp_path / "elsewhere").mkdir()
        (state / "recovery-codes").symlink_to(tmp_path / "elsewhere")

    for spoil in (no_directory, file_in_the_way, link_in_the_way):
        spoil()
        session = open_session(down + codes_of(), gateway_user="alice")
        verdict = session.log_in("x", CODES[0])
        assert code(verdict) == "recovery-not-recorded" and "recovery_code" not in metadata(verdict)
        assert "Recovery codes cannot be used: " in text(session), spoil.__name__
        assert not [line for line in session.log if "accepted" in line]
    assert list((tmp_path / "elsewhere").iterdir()) == []


# What must not show a code


def test_codes_are_nowhere(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    typed = ["WRNG-WRNG-WRNG-WRNG", CODES[0]]
    with Server(silent) as server:
        logging = "[logging]\nlog_level=debug\n"
        configuration = section(server, conn_timeout=0.2, conn_retries=1) + codes_of() + logging
        session = open_session(configuration, gateway_user="alice")
        session.authenticate()
        kept = []
        for answer in ["123456"] + typed:
            verdict = session.answer(answer)
            kept.append(json.dumps([session.cookie, session.session_cookie, verdict]))
        assert verdict["verdict"] == "ACCEPT"
        session.authorize()
        session.end()
    kept += session.log + [str(path) for path in tmp_path.rglob("*")]
    kept += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for secret in typed:
        for form in (secret, secret.replace("-", ""), secret.lower(), secret[:9]):
            assert not [each for each in kept if form in each]
            assert not [request for request in server.requests if form.encode("ascii") in request.octets]
    assert {request.password(SECRET) for request in server.requests} == {b"123456"}


# What must not admit anybody: absence cannot be proved over a network


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    with Server(silent) as server:
        yield section(server, conn_timeout=0.3, conn_retries=1)


@contextlib.contextmanager
def lost_packet() -> Iterator[str]:
    sources = set()

    def script(request: Request) -> List[bytes]:
        is_first = request.source not in sources
        sources.add(request.source)
        return [] if is_first else [reply(request, SECRET, REJECT)]

    with Server(script) as server:
        yield section(server, conn_timeout=0.3, conn_retries=1, retransmit_after=0)


def wait_until_closed(client: Sockaddr) -> None:
    """Wait until a client has closed its socket, so that this process can bind the port."""

    def is_free() -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(client)
            return True
        return False

    wait_until(is_free)


@contextlib.contextmanager
def slow_reject() -> Iterator[str]:
    def script(request: Request) -> List[bytes]:
        wait_until_closed(request.source)
        return [reply(request, SECRET, REJECT)]

    with Server(script) as server:
        yield section(server, conn_timeout=0.2, conn_retries=1, retransmit_after=0, status_check="none")


@contextlib.contextmanager
def tls_port_that_closes() -> Iterator[str]:
    def script(connection: Connection) -> None:
        pass  # the end of the script closes the connection

    with Peer(script, AUTHORITY.issue()) as peer:
        yield section(peer.port, transport="tls", secret=None, ca_certificate=AUTHORITY.certificate)


@contextlib.contextmanager
def port_that_is_closed() -> Iterator[str]:
    with closed_port() as port:
        yield section(port, conn_timeout=0.1, conn_retries=1)


def at(**options: Any) -> Callable[[], ContextManager[str]]:
    """Return a context manager for a server that this machine cannot reach."""

    @contextlib.contextmanager
    def manager() -> Iterator[str]:
        yield section(1812, conn_timeout=1, conn_retries=1, **options)

    return manager


ABSENCES: Dict[str, Callable[[], ContextManager[str]]] = {
    "a silent server": silent_server,
    "one lost packet": lost_packet,
    "a slow reject": slow_reject,
    "a TLS port that accepts and closes": tls_port_that_closes,
    "a closed port": port_that_is_closed,
    "a name that does not resolve": at(server="no.such.host.invalid"),
    "a source_ip that is gone": at(source_ip="192.0.2.1"),
    "an address that this host refuses": at(server="255.255.255.255"),
    "an address without a route": at(server="2001:db8::1"),
}


def never_admits(open_session: OpenSession, configuration: str) -> None:
    """Log in with the former option, without codes, with another user's, and with a wrong code."""
    former = "[auth]\nmax_attempts=1\nbypass_when_unreachable=alice\n"
    attempts: Dict[str, List[str]] = {
        configuration + former: ["x"],
        configuration + former + codes_of("bob"): ["x"],
        configuration + former + codes_of(): ["x", "wrong"],
    }
    for text_, answers in attempts.items():
        session: Session = open_session(text_, gateway_user="alice")
        found = outcome(session, *answers)
        assert found != "ACCEPT" and found != "internal-error" and "Error" not in found, (found, session.log)
        assert (found == "wrong-recovery-code") == (len(answers) > 1), found
        assert "[auth] bypass_when_unreachable: unknown option; use [recovery_codes] instead" in text(session)


def test_no_absence_admits_anybody_without_a_code(open_session: OpenSession) -> None:
    def play(absence: Callable[[], ContextManager[str]]) -> None:
        with absence() as configuration:
            never_admits(open_session, configuration)

    with Cases() as cases:
        cases.run_together({name: functools.partial(play, absence) for name, absence in ABSENCES.items()})


@pytest.mark.slow
def test_no_busy_server_admits_anybody_without_a_code(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    """All threads of a real server wait for pushes of other users."""
    directory = tmp_path / "radius"
    directory.mkdir()
    with running(directory, push_seconds=120, threads=2) as busy:
        given_up = section(busy, conn_timeout=0.5, conn_retries=1)
        for _ in range(2):
            assert outcome(open_session(given_up, gateway_user="push"), "") == "no-reply"
        wait_until(lambda: len(busy.requests("push")) == 2)
        never_admits(open_session, section(busy, conn_timeout=0.3, conn_retries=1))
        assert busy.requests("alice") == []
