"""The thirteen known defects of the earlier RADIUS plugin for SPS, which this plugin must not have; through the zip."""

import json
import struct
from typing import List

import pytest

from simulator.gateway import UnexpectedQuestion
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REJECT,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    Request,
    Server,
    answering,
    reply,
)
from tests.support.plugin import OpenSession, code, metadata, prompts, section, text
from tests.support.radiusd import FreeRadius


def test_defect_01_typed_user_name_becomes_the_identity(open_session: OpenSession, radius: str) -> None:
    whitelist = radius + "[whitelist source=user_list]\nname=no_mfa\n"
    lists = {"user_lists": {"no_mfa": {"allow": "no_user", "except": ["boss"]}}}
    for option in ("no", "yes"):
        for key in ("ru", "radius_username"):
            session = open_session(
                whitelist + f"[username]\nallow_override={option}\n",
                lists,
                gateway_user="alice",
                key_value_pairs={key: "boss"},
                server_username="root",
            )
            verdict = session.authenticate()
            assert verdict["verdict"] == "NEEDINFO", "alice entered a whitelisted name and got in"
            assert session.cookie["username"] == "alice"
            if option == "no":
                assert "Ignored user name boss typed by user alice" in text(session)


def test_defect_01_override_changes_the_radius_user_name_only(
    open_session: OpenSession, radius: str, freeradius: FreeRadius
) -> None:
    session = open_session(
        radius + "[username]\nallow_override=yes\n", gateway_user="boss", key_value_pairs={"ru": "alice"}
    )
    verdict = session.log_in("correct horse")
    assert verdict["verdict"] == "ACCEPT"
    assert "gateway_user" not in verdict
    assert metadata(verdict)["radius_user"] == "alice"
    assert session.cookie["username"] == "boss"


@pytest.mark.parametrize("user", ["no-message", "no-state", "latin1"])
def test_defect_02_odd_challenge_crashes_the_session(open_session: OpenSession, radius: str, user: str) -> None:
    session = open_session(radius, server_username=user)
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    if user == "latin1":
        assert prompts(session)[1] == "Entr\ufffde du code "


def test_defect_03_only_the_first_reply_message_and_escapes_are_shown(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="two-messages")
    session.log_in("1111", "222222")
    assert "A code was sent to your ph" in prompts(session)[1]
    assert "one. Enter it" in prompts(session)[1]
    session = open_session(radius, server_username="escapes")
    session.log_in("1111", "222222")
    shown = "".join(prompts(session))
    assert not [char for char in shown if char != "\n" and not char.isprintable()]


def test_defect_04_push_sends_a_password_of_no_octets(open_session: OpenSession, radius: str) -> None:
    # The server rejects this user if the User-Password has no octets.
    session = open_session(radius, server_username="push-fast")
    assert session.log_in("")["verdict"] == "ACCEPT"


def test_defect_05_empty_answer_sends_the_old_password(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="empty-answer")
    assert session.log_in("1111", "")["verdict"] == "ACCEPT"


def test_defect_06_one_wrong_code_ends_the_session(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    assert session.log_in("wrong", "wrong again", "correct horse")["verdict"] == "ACCEPT"
    assert len(session.cookie["radius"]["attempts"]) == 2


def test_defect_07_unknown_user_name_is_never_asked_for(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius)
    assert session.log_in("alice", "correct horse")["verdict"] == "ACCEPT"
    assert "User name" in prompts(session)[0]


def test_defect_08_blastradius(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    session = open_session(radius, server_username="alice")
    session.log_in("correct horse")
    names = [name for name, _ in freeradius.requests("alice")[-1].attributes]
    assert names[0] == "Message-Authenticator"

    # The attack turns a Reject into an Accept with a valid Response Authenticator and no Message-Authenticator.
    with Server(lambda request: [reply(request, SECRET, ACCEPT, signature=None)]) as forger:
        session = open_session(section(forger, conn_timeout=3, conn_retries=1), server_username="alice")
        assert code(session.log_in("x")) == "no-message-authenticator"


def test_defect_09_forged_reply_is_decoded_before_it_is_verified(open_session: OpenSession) -> None:
    # The decoder of pyrad never ended on a vendor attribute of inner length 0, and took all memory.
    endless = (26, struct.pack("!LBB", 9, 1, 0) + b"abcd")

    def forge_then_answer(request: Request) -> List[bytes]:
        forged = reply(request, b"not the secret", ACCEPT, [endless])
        return [forged, reply(request, SECRET, ACCEPT, [endless])]

    with Server(forge_then_answer) as server:
        session = open_session(section(server), server_username="alice")
        assert session.log_in("x")["verdict"] == "ACCEPT"
        assert "discarded 1 reply: wrong Response Authenticator" in text(session)


def test_defect_10_request_names_neither_nas_nor_client(
    open_session: OpenSession, radius: str, freeradius: FreeRadius
) -> None:
    session = open_session(radius, server_username="pin1", client_ip="198.51.100.9")
    session.log_in("1111", "222222")
    for request in freeradius.requests("pin1")[-2:]:
        assert request.get("NAS-Identifier")
        assert request.get("Calling-Station-Id") == "198.51.100.9"
        assert request.get("NAS-Port-Type") == "Virtual"
        assert request.get("Service-Type") == "Login-User"


def test_defect_10_single_server_and_state_sent_to_any(
    open_session: OpenSession, freeradius: FreeRadius, down: str
) -> None:
    second = section(freeradius, "radius_2")
    session = open_session(down + second, server_username="pin1")
    session.authenticate()
    session.answer("1111")
    assert session.cookie["radius"]["origin"] == ["radius_2", "127.0.0.1", freeradius.port]
    # The first server is up again before the user answers: it must not get the State of the second one.
    with Server(answering(SECRET, CHALLENGE)) as first:
        session.plugin = session.plugin._replace(configuration=section(first) + second)
        assert session.answer("222222")["verdict"] == "ACCEPT"
    assert not first.requests


def test_defect_10_state_of_a_removed_server(open_session: OpenSession, freeradius: FreeRadius) -> None:
    session = open_session(section(freeradius), server_username="pin1")
    session.authenticate()
    session.answer("1111")
    with Server(answering(SECRET)) as other:
        session.plugin = session.plugin._replace(configuration=section(other))
        assert session.answer("222222")["verdict"] == "NEEDINFO"
    assert not other.requests
    assert prompts(session)[-1].startswith("The authentication server is no longer available")


def test_defect_11_secret_in_ascii_only(open_session: OpenSession, freeradius: FreeRadius) -> None:
    assert any(ord(char) > 127 for char in freeradius.secret)
    for auth_type in ("pap", "chap"):
        session = open_session(section(freeradius, auth_type=auth_type), server_username="jürgen")
        assert session.log_in("ünïcödé-密码-🔑")["verdict"] == "ACCEPT"


def test_defect_11_missing_secret_is_found_at_login_only(open_session: OpenSession) -> None:
    session = open_session("[radius]\nserver=127.0.0.1\n", server_username="alice")
    verdict = session.authenticate()
    assert code(verdict) == "bad-configuration"
    assert (
        verdict["reason"]
        == "Login is not possible because of a configuration error. Contact your help desk. [bad-configuration]"
    )
    assert "[radius] secret: is missing" in text(session)


def test_defect_12_reason_of_a_reject_is_lost(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[auth]\nmax_attempts=2\n", server_username="locked")
    verdict = session.log_in("x", "y")
    assert "Account locked, call 4444" in prompts(session)[1]
    assert "Account locked, call 4444" in verdict["reason"]
    assert "Account locked, call 4444" in text(session)


def test_defect_13_question_in_a_protocol_that_cannot_ask(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="pin1", protocol="mssql", key_value_pairs={"otp": "1111"})
    assert code(session.log_in()) == "cannot-ask"
    session = open_session(radius, server_username="alice", protocol="mssql", key_value_pairs={"otp": "wrong"})
    assert code(session.log_in()) == "rejected"


def test_defect_13_endless_challenges(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="endless")
    with pytest.raises(UnexpectedQuestion):
        session.log_in(*["x"] * 10)
    session = open_session(radius, server_username="endless")
    assert code(session.log_in(*["x"] * 11)) == "too-many-challenges"


def test_defect_13_disable_echo_is_ignored_in_challenges(open_session: OpenSession, radius: str) -> None:
    for option, hidden in (("yes", True), ("no", False)):
        session = open_session(radius + f"[auth]\ndisable_echo={option}\n", server_username="no-prompt")
        session.log_in("1111", "222222")
        assert session.questions[1].disable_echo is hidden


def test_a_code_that_the_server_echoes_is_neither_logged_nor_stored_nor_shown(open_session: OpenSession) -> None:
    def echoing(request: Request) -> List[bytes]:
        """Echo the password: challenge a first one, reject an answer."""
        echo = (REPLY_MESSAGE, b"no:" + request.password(SECRET) + b"; try 12")
        is_answer = bool(request.values(STATE))
        return [reply(request, SECRET, REJECT if is_answer else CHALLENGE, [(STATE, b"s"), echo])]

    with Server(echoing) as server:
        configuration = section(server) + "[auth]\nmax_attempts=2\n"
        session = open_session(configuration, gateway_user="alice", key_value_pairs={"otp": "first-secret"})
        verdicts = [session.authenticate(), session.answer("second-secret"), session.answer("third-secret")]
        verdicts.append(session.answer("12"))
        assert [verdict["verdict"] for verdict in verdicts] == ["NEEDINFO", "NEEDINFO", "NEEDINFO", "DENY"]
        assert prompts(session)[0].startswith("no:***; try 12")
        assert "no:***; try 12" in prompts(session)[1] and "no:***; try 12" in prompts(session)[2]
        assert "no:12; try 12" in verdicts[-1]["reason"]
        kept = json.dumps([verdicts, session.cookie, session.session_cookie, prompts(session), session.log])
        assert "-secret" not in kept
