"""Logins through the built zip, against a real FreeRADIUS.

Many logins run twice: with all answers so far in the key-value pairs, and with the newest answer only.
"""

import re
from typing import Any

import pytest

from tests.support import radiusd
from tests.support.cases import Cases
from tests.support.loopback import needs_ipv6
from tests.support.plugin import OpenSession, code, login_line, metadata, prompts, section, text
from tests.support.radiusd import FreeRadius

PROMPT = "Type a code, or press Enter for push, then approve it on your device: "


@pytest.fixture(params=[True, False], ids=["cumulative", "newest-only"])
def cumulative(request: Any) -> bool:
    """Whether the answers to earlier questions stay in key_value_pairs."""
    return bool(request.param)


@pytest.fixture(params=["pap", "chap"])
def auth_type(request: Any) -> str:
    """The way to send the password."""
    return str(request.param)


def test_prompt_and_accept(open_session: OpenSession, radius: str, auth_type: str, cumulative: bool) -> None:
    session = open_session(radius + "auth_type=" + auth_type, server_username="alice", cumulative=cumulative)
    verdict = session.log_in("correct horse")
    assert verdict["verdict"] == "ACCEPT"
    assert (verdict["gateway_user"], verdict["gateway_groups"]) == ("alice", [])
    assert [tuple(question) for question in session.questions] == [("otp", PROMPT, True)]
    facts = metadata(verdict)
    assert facts.pop("seconds") >= 0
    assert facts.pop("server").startswith("127.0.0.1:")
    assert facts == {"method": auth_type, "rounds": 0, "attempts": 1}


def test_session_ends_with_one_log_line(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice", client_ip="192.0.2.77")
    session.log_in("wrong", "correct horse")
    assert session.authorize()["verdict"] == "ACCEPT"
    session.end()
    ending = [line for line in session.calls[-1].log.splitlines() if line.startswith("Session ended")]
    assert len(ending) == 1
    assert "user=alice duration=" in ending[0]
    for fact in ("user=alice", "client=192.0.2.77", "server=127.0.0.1:", "challenges=0", "attempts=2"):
        assert fact in login_line(session)


def test_accepted_login_has_one_line(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="pin1")
    session.log_in("1111", "222222")
    assert "Login " not in text(session)  # authorize may still deny it
    session.authorize()
    session.end()
    assert login_line(session).startswith("Login accepted: user=pin1 client=192.0.2.10 protocol=ssh connection=")
    assert 'method=pap verdict=accepted code="" attempts=1 challenges=1 seconds=' in login_line(session)
    assert login_line(session).endswith(" recovery=no")


def test_denied_login_has_one_line(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.log_in("a", "b", "c")
    session.end()
    assert "verdict=denied code=too-many-attempts attempts=3 challenges=0 seconds=" in login_line(session)
    reason = "Too many failed attempts: Wrong code. Try again or contact your help desk. [too-many-attempts]"
    assert login_line(session).endswith(f' reason="{reason}"')


def test_login_that_authorize_denies_has_one_line(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, gateway_user="alice")
    session.log_in("correct horse")
    session.cookie["username"] = "../alice"
    assert code(session.authorize()) == "bad-username"
    session.end()
    assert "verdict=denied code=bad-username attempts=1 " in login_line(session)


def test_unfinished_login_has_one_line(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.authenticate()
    session.answer("wrong")
    session.end()
    assert login_line(session).startswith("Login unfinished: user=alice client=192.0.2.10 protocol=ssh connection=")
    assert 'verdict=unfinished code="" attempts=1 ' in login_line(session)


def test_login_with_a_wrong_configuration_has_one_line(open_session: OpenSession) -> None:
    session = open_session("[radius]\nserver=a\n", gateway_user="alice")
    session.log_in()
    session.end()
    assert login_line(session).startswith('Login denied: user="" client=192.0.2.10 protocol=ssh connection=')
    assert 'server="" method="" verdict=denied code=bad-configuration ' in login_line(session)


def test_authorize_keeps_the_metadata_of_authenticate(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.log_in("correct horse")
    assert "additional_metadata" not in session.authorize()


def test_utf8_name_and_password(open_session: OpenSession, radius: str, auth_type: str) -> None:
    session = open_session(radius + "auth_type=" + auth_type, gateway_user="jürgen")
    assert session.log_in("ünïcödé-密码-🔑")["verdict"] == "ACCEPT"


def test_user_authenticated_by_sps_is_not_returned(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, gateway_user="alice", gateway_groups=["ops"], server_username="root")
    verdict = session.log_in("correct horse")
    assert "gateway_user" not in verdict
    assert "gateway_groups" not in verdict


def test_code_in_the_login_name_replaces_the_prompt(open_session: OpenSession, radius: str) -> None:
    for key in ("otp", "rp", "radius_password"):
        session = open_session(radius, key_value_pairs={"gu": "alice", key: "correct horse"}, server_username="root")
        verdict = session.log_in()
        assert (verdict["verdict"], verdict["gateway_user"]) == ("ACCEPT", "alice")


def test_code_in_the_login_name_is_the_first_attempt(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    pairs = {"gu": "alice", "otp": "wrong"}
    session = open_session(radius, key_value_pairs=pairs, server_username="root", cumulative=cumulative)
    verdict = session.log_in("correct horse")
    assert verdict["verdict"] == "ACCEPT"
    assert prompts(session) == ["Authentication failed: Wrong code. 2 attempts left.\n" + PROMPT]
    assert metadata(verdict)["attempts"] == 2


def test_reject_then_accept(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="alice", cumulative=cumulative)
    assert session.log_in("wrong", "correct horse")["verdict"] == "ACCEPT"
    assert "Wrong code. 2 attempts left" in prompts(session)[1]


def test_three_rejects(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="alice", cumulative=cumulative)
    verdict = session.log_in("one", "two", "three")
    assert code(verdict) == "too-many-attempts"
    assert "Wrong code" in verdict["reason"]
    assert "1 attempt left" in prompts(session)[2]
    assert metadata(verdict)["attempts"] == 3
    assert session.cookie["radius"]["attempts"] == ["Wrong code"] * 3


def test_max_attempts_is_an_option(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[auth]\nmax_attempts=1", server_username="alice")
    assert code(session.log_in("wrong")) == "rejected"


def test_reject_without_a_message(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="silent-reject")
    session.authenticate()
    session.answer("x")
    assert prompts(session)[1] == "Authentication failed. 2 attempts left.\n" + PROMPT


def test_challenge_of_one_round(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="pin1", cumulative=cumulative)
    verdict = session.log_in("1111", "222222")
    assert verdict["verdict"] == "ACCEPT"
    assert (session.questions[1].prompt, session.questions[1].disable_echo) == ("Enter token code ", True)
    assert (metadata(verdict)["rounds"], metadata(verdict)["attempts"]) == (1, 1)


def test_challenge_of_three_rounds(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="pin3", cumulative=cumulative)
    assert session.log_in("1111", "one", "two", "three")["verdict"] == "ACCEPT"
    assert [question.disable_echo for question in session.questions] == [True, True, False, True]


def test_new_pin_chain_of_five_rounds(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="rsa", cumulative=cumulative)
    verdict = session.log_in("1111", *radiusd.RSA_ANSWERS)
    assert (verdict["verdict"], metadata(verdict)["rounds"]) == ("ACCEPT", 5)


def test_too_many_rounds(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, server_username="eleven", cumulative=cumulative)
    assert code(session.log_in(*["x"] * 11)) == "too-many-challenges"
    session = open_session(radius + "[auth]\nmax_challenges=11", server_username="eleven", cumulative=cumulative)
    assert session.log_in(*["x"] * 12)["verdict"] == "ACCEPT"


def test_wrong_answer_to_a_challenge_is_a_failed_attempt(
    open_session: OpenSession, radius: str, cumulative: bool
) -> None:
    session = open_session(radius, server_username="pin1", cumulative=cumulative)
    verdict = session.log_in("1111", "wrong", "1111", "222222")
    assert verdict["verdict"] == "ACCEPT"
    assert prompts(session)[2].startswith("Authentication failed. 2 attempts left.")
    assert (metadata(verdict)["rounds"], metadata(verdict)["attempts"]) == (2, 2)


def test_challenge_without_reply_message(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="no-message")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert prompts(session)[1] == "Enter your response: "


def test_challenge_without_state(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="no-state")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"


def test_challenge_without_prompt_is_hidden(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="no-prompt")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert session.questions[1].disable_echo


def test_challenge_with_echo(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="echo")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert not session.questions[1].disable_echo


def test_two_reply_messages(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="two-messages")
    session.authenticate()
    session.answer("1111")
    first, second = (part.decode("ascii") for part in radiusd.TWO_MESSAGES)
    assert prompts(session)[1] == f"{first}\n{second} "


def test_escapes_in_a_reply_message(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="escapes")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert prompts(session)[1] == "Red\nnextnultxt "
    assert "\x1b" not in text(session)


def test_binary_state_is_returned(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    session = open_session(radius, server_username="binary-state")
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert freeradius.requests("binary-state")[-1].get("State") == radiusd.BINARY_STATE


def test_automatic_answer_to_a_challenge(open_session: OpenSession, radius: str) -> None:
    answers = "[challenge_answers]\n1\\) push 2\\) = 1\n"
    session = open_session(radius + answers, server_username="menu")
    verdict = session.log_in("1111")
    assert (verdict["verdict"], metadata(verdict)["rounds"]) == ("ACCEPT", 1)


def test_push(open_session: OpenSession, freeradius: FreeRadius) -> None:
    """The phone rings once for all transmissions: at 0, 0.1, 0.3, 0.7 and 1.5 s, or fewer on a busy machine."""
    before = len(freeradius.requests("push"))
    session = open_session(section(freeradius, retransmit_after=0.1), server_username="push")
    verdict = session.log_in("")
    assert verdict["verdict"] == "ACCEPT"
    assert metadata(verdict)["seconds"] >= freeradius.push_seconds
    assert re.search("and [2-9] transmissions: ", text(session))
    assert len(freeradius.requests("push")) == before + 1


def test_push_in_a_protocol_without_questions(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="push-fast", protocol="mssql")
    assert session.log_in()["verdict"] == "ACCEPT"


def test_push_password(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[auth]\npush_password=push", server_username="push-word")
    assert session.log_in("")["verdict"] == "ACCEPT"


def test_totp(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="totp")
    session.authenticate()
    session.answer("000000x")
    assert session.answer(radiusd.totp_code(10.0))["verdict"] == "ACCEPT"


def test_old_server_without_message_authenticator(open_session: OpenSession, freeradius: FreeRadius) -> None:
    old = section(freeradius, port=freeradius.old_port, conn_retries=1)
    session = open_session(old + "conn_timeout=3\n", server_username="alice")
    verdict = session.log_in("correct horse")
    assert code(verdict) == "no-message-authenticator"
    assert verdict["reason"].startswith(
        "The login service is not responding. Try again later or contact your help desk."
    )
    assert "no Message-Authenticator" in text(session)

    session = open_session(old + "require_message_authenticator=no", server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert "Replies from [radius] can be forged: require_message_authenticator=no" in text(session)


def test_wrong_shared_secret(open_session: OpenSession, freeradius: FreeRadius) -> None:
    # FreeRADIUS verifies the Message-Authenticator of the request, and discards the request without a reply.
    wrong = section(freeradius, secret="another one", conn_timeout=1.5, conn_retries=1, retransmit_after=0.3)
    session = open_session(wrong, server_username="alice")
    verdict = session.log_in("correct horse")
    assert code(verdict) == "no-reply"
    assert metadata(verdict)["attempts"] == 0
    assert re.search("no response to [1-3] transmissions?", text(session))  # a busy machine sends less often
    assert freeradius.secret not in text(session) and "another one" not in text(session)


def test_closed_port(open_session: OpenSession, down: str) -> None:
    session = open_session(down, server_username="alice")
    verdict = session.log_in("correct horse")
    assert code(verdict) == "connection-refused"
    assert (
        verdict["reason"]
        == "The login service is not responding. Try again later or contact your help desk. [connection-refused]"
    )
    assert "connection refused" in text(session)


def test_unknown_host_name(open_session: OpenSession) -> None:
    session = open_session("[radius]\nserver=radius.invalid\nsecret=s\n", server_username="alice")
    assert code(session.log_in("x")) == "name-lookup"


def test_failover_to_the_second_server(open_session: OpenSession, freeradius: FreeRadius, down: str) -> None:
    session = open_session(down + section(freeradius, "radius_2"), server_username="pin1")
    verdict = session.log_in("1111", "222222")
    assert verdict["verdict"] == "ACCEPT"
    assert "connection refused" in text(session)


@needs_ipv6
def test_ipv6(open_session: OpenSession, freeradius: FreeRadius) -> None:
    session = open_session(
        section(freeradius, server="::1", port=freeradius.ipv6_port),
        server_username="pin1",
        client_ip="2001:db8::7",
    )
    assert session.log_in("1111", "222222")["verdict"] == "ACCEPT"
    assert freeradius.requests("pin1")[-1].get("Calling-Station-Id") == "2001:db8::7"


def test_user_name_prompt(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, cumulative=cumulative)
    verdict = session.log_in("alice", "correct horse")
    assert (verdict["verdict"], verdict["gateway_user"]) == ("ACCEPT", "alice")
    assert session.questions[0][1:] == ("User name (typing is hidden): ", True)


def test_user_name_prompt_after_a_reject(open_session: OpenSession, radius: str, cumulative: bool) -> None:
    session = open_session(radius, cumulative=cumulative)
    verdict = session.log_in("allice", "correct horse", "alice", "correct horse")
    assert (verdict["verdict"], verdict["gateway_user"]) == ("ACCEPT", "alice")
    assert prompts(session)[2] == (
        "Authentication failed. 2 attempts left.\nYou entered the name allice.\nUser name (typing is hidden): "
    )


def test_prompt_and_echo_options(open_session: OpenSession, radius: str) -> None:
    options = "[auth]\nprompt=Kod:\ndisable_echo=no\n[username]\nprompt=Név:\ndisable_echo=no\n"
    session = open_session(radius + options)
    session.log_in("alice", "correct horse")
    assert [tuple(question[1:]) for question in session.questions] == [("Név: ", False), ("Kod: ", False)]


def test_no_user_name_in_a_protocol_without_questions(open_session: OpenSession, radius: str) -> None:
    assert code(open_session(radius, protocol="mssql").log_in()) == "no-username"


def test_invalid_user_names(open_session: OpenSession, radius: str, freeradius: FreeRadius) -> None:
    configuration = radius + "[authentication_cache]\nreuse_limit=5\n"
    with Cases() as cases:
        for name in ("../../etc/x", "alice ", "\u3000alice", "a\nb", "a\x00b", "a\x1b[31mb", "é" * 127):
            for known in ({"gateway_user": name}, {"key_value_pairs": {"gu": name}}, {"server_username": name}):
                with cases.case(known):
                    session = open_session(configuration, **known)
                    assert code(session.log_in()) == "bad-username"
                    assert name not in text(session)
                    assert not freeradius.requests(name)


def test_prompt_after_a_password_that_is_too_long(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    assert session.log_in("x" * 129, "correct horse")["verdict"] == "ACCEPT"
    assert "longer than 128 octets" in prompts(session)[1]


def test_passwords_and_secrets_are_not_logged_or_kept(open_session: OpenSession, freeradius: FreeRadius) -> None:
    configuration = section(freeradius) + "[logging]\nlog_level=debug\n[auth]\npush_password=PUSHPW\n"
    session = open_session(configuration, server_username="pin3")
    verdict = session.log_in("TYPED1", "1111", "TYPED2", "1111", "one", "TYPED3")
    assert code(verdict) == "too-many-attempts"
    session.end()
    shown = text(session) + repr(session.cookie) + repr(verdict)
    for secret in ("TYPED1", "TYPED2", "TYPED3", "PUSHPW", freeradius.secret):
        assert secret not in shown


def test_text_of_a_challenge_is_neither_logged_nor_kept(open_session: OpenSession, radius: str) -> None:
    # It may contain a new PIN.
    session = open_session(radius, server_username="pin1")
    verdict = session.log_in("1111", "222222")
    assert "Enter token code" in prompts(session)[1]
    assert "Enter token code" not in text(session) + repr(session.cookie) + repr(verdict)


def test_attempts_before_hanging_up_are_logged(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.authenticate()
    session.answer("wrong")
    session.answer("wrong")
    session.end()
    assert "attempts=2" in session.calls[-1].log


def test_name_that_imitates_log_fields(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, key_value_pairs={"gu": "bob client=10.0.0.1"})
    session.authenticate()
    session.end()
    assert 'user="bob client=10.0.0.1" client=192.0.2.10' in session.calls[-1].log


def test_cookie_contains_no_password(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="pin1")
    session.authenticate()
    session.answer("1111")
    assert "1111" not in repr(session.cookie)


def test_session_ended_without_cookies(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.end()
    assert login_line(session).startswith('Login unfinished: user="" client="" protocol="" connection="" ')


def test_denied_session_is_logged_at_its_end(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, server_username="alice")
    session.log_in("a", "b", "c")
    session.end()
    assert session.calls[-1].log.count("Session ended: user=alice ") == 1
    assert "attempts=3" in login_line(session)
