"""Cookies that another version or plugin made, or that are damaged: a login starts over, and no hook fails."""

import base64
import copy
from typing import Any, Callable, Dict

import hypothesis.strategies as st
import pytest
from hypothesis import given

from simulator.gateway import Session
from tests.support.cases import for_each
from tests.support.cookies import JSON, OBJECTS, changed
from tests.support.plugin import OpenSession, code, text

DISCARDED = "Cookie discarded: made by another version or plugin"
PRIVATE = "__plugin_sdk_private"
VENDORS = {
    "state": base64.b64encode(b"state").decode("ascii"),
    "username": "alice",
    "mfa_identity": "alice",
    PRIVATE: {"authenticate_checkpoints": {"0": "_check_username", "1": "_check_user_list_whitelist"}},
}
"""What the vendor's plugin keeps while a challenge is open."""


def drop(key: str, field: str) -> Callable[[Dict[str, Any]], None]:
    """Take a field out of an entry, as an older version would not have it."""
    return lambda cookie: cookie[key].pop(field)


def put(key: str, field: str, value: Any) -> Callable[[Dict[str, Any]], None]:
    return lambda cookie: cookie[key].update({field: value})


def replace(key: str, value: Any) -> Callable[[Dict[str, Any]], None]:
    return lambda cookie: cookie.update({key: value})


def become_the_vendors(cookie: Dict[str, Any]) -> None:
    cookie.clear()
    cookie.update(VENDORS)


DAMAGES = {
    "older version": drop("radius", "question_count"),
    "newer version": put("radius", "new_field", 1),
    "older record": drop("radius_session", "seconds"),
    "no record": lambda cookie: cookie.pop("radius_session"),
    "no login": lambda cookie: cookie.pop("radius"),
    "neither": lambda cookie: [cookie.pop(key) for key in ("radius", "radius_session")],
    "wrong type of a field": put("radius", "attempts", 7),
    "wrong type of the login": replace("radius", [1, 2]),
    "wrong type of the record": replace("radius_session", "text"),
    "vendor's plugin": become_the_vendors,
    "wrong type of the user name": replace("username", 5),
    "wrong type of what the SDK keeps": replace(PRIVATE, []),
    "wrong type of a checkpoint": put(PRIVATE, "authenticate_checkpoints", 5),
    "wrong type of the number of a question": put(PRIVATE, "question_sequence_number", "two"),
    "success without a verdict": put(PRIVATE, "successful_authentication", True),
    "success with another verdict": put(PRIVATE, "saved_verdict", "ACCEPT"),
}


def check_no_error(session: Session) -> None:
    assert "Internal error" not in text(session) and "Traceback" not in text(session)
    assert "Accounting failed" not in text(session)


def test_a_login_with_an_invalid_cookie_starts_over(open_session: OpenSession, radius: str) -> None:
    @for_each(damage=DAMAGES)
    def check(damage: str) -> None:
        session = open_session(radius, server_username="alice")
        first = session.authenticate()
        DAMAGES[damage](session.cookie)
        again = session.authenticate()
        assert again["question"] == first["question"]
        assert session.answer("correct horse")["verdict"] == "ACCEPT"
        assert text(session).count(DISCARDED) == 1
        check_no_error(session)

    check()


def test_session_end_with_an_invalid_cookie_is_not_an_error(
    open_session: OpenSession, radius: str, freeradius: Any
) -> None:
    @for_each(damage=DAMAGES)
    def check(damage: str) -> None:
        accounting = f"[accounting]\nenabled=yes\nport={freeradius.acct_port}\n"
        limit = "[connection_limit by=client_ip_gateway_user]\nlimit=100\n"
        session = open_session(radius + accounting + limit, gateway_user="alice")
        assert session.log_in("correct horse")["verdict"] == "ACCEPT"
        DAMAGES[damage](session.cookie)
        assert session.authorize()["verdict"] == "ACCEPT"
        DAMAGES[damage](session.cookie)
        session.end()
        check_no_error(session)

    check()


def test_invalid_session_cookie_is_not_an_error(open_session: OpenSession, radius: str) -> None:
    @for_each(questions=(5, [], "text", None))
    def check(questions: Any) -> None:
        question = "[question_1]\nkey=ticket\nprompt=Ticket:\n"
        session = open_session(radius + question, server_username="alice")
        session.authenticate()
        session.session_cookie["questions"] = questions
        assert session.answer("correct horse")["question"][0] == "ticket"
        assert session.answer("T-1000")["verdict"] == "ACCEPT"
        assert session.session_cookie["questions"] == {"ticket": "T-1000"}
        check_no_error(session)

    check()


def test_connection_count_decreases_without_a_record(open_session: OpenSession, radius: str) -> None:
    limit = radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
    for _ in range(2):
        session = open_session(limit, gateway_user="alice")
        assert session.log_in("correct horse")["verdict"] == "ACCEPT"
        assert session.authorize()["verdict"] == "ACCEPT"
        session.cookie["radius_session"] = {}
        session.end()
        check_no_error(session)


@pytest.mark.slow
def test_no_cookie_ever_fails_a_hook_or_admits_without_a_server(
    open_session: OpenSession, radius: str, down: str
) -> None:
    """Any object, and any change of a cookie from a challenge or from an open question, with the server down."""
    challenged = open_session(radius, server_username="pin1")
    challenged.authenticate()
    asked = copy.deepcopy(challenged.cookie)
    challenged.answer("1111")
    real = st.sampled_from([asked, challenged.cookie]).flatmap(changed)
    configuration = down + "conn_timeout=0.1\nconn_retries=1\n[question_1]\nkey=ticket\nprompt=Ticket:\n"

    @given(real | OBJECTS, OBJECTS | st.fixed_dictionaries({"questions": JSON}), st.sampled_from(["otp", "otp2", "x"]))
    def check(cookie: Dict[str, Any], session_cookie: Dict[str, Any], key: str) -> None:
        session = open_session(configuration, server_username="alice", key_value_pairs={key: "222222"})
        session.cookie, session.session_cookie = cookie, session_cookie
        verdict = session.authenticate()
        assert verdict["verdict"] == "NEEDINFO" or code(verdict)
        session.cookie = copy.deepcopy(cookie)
        session.authorize()
        session.cookie = copy.deepcopy(cookie)
        session.end()
        check_no_error(session)

    check()
