"""Configurations as people write them, through the built zip: the verdicts, and what the log says about them."""

import re
from typing import Any, Dict

from tests.support.cases import Cases
from tests.support.doubtful import DOUBTFUL
from tests.support.plugin import OpenSession, outcome, section, text
from tests.support.radiusd import FreeRadius

VENDORS = """\
# RADIUS
[radius]
; Required
{}
; port=1812
; auth_type=pap
; conn_retries=3
; conn_timeout=5
; dictionary_path=/usr/share/zorp/dictionary

# For every plugin
[auth]
; prompt=Press Enter for push notification or type one-time password:
; disable_echo=no

[connection_limit by=client_ip_gateway_user]
; limit=0

[authentication_cache]
; hard_timeout=90
; soft_timeout=15
; reuse_limit=0

######[WHITELIST]######
[whitelist source=user_list]
; name=<name-of-user-list-policy>

[whitelist source=ldap_server_group]
; allow=no_user
; except=<group-1>,<group-2>,...

######[USERMAPPING]######
[usermapping source=explicit]
; <user-name-1>=<id-1>
[usermapping source=ldap_server]
; user_attribute=description

[username_transform]
; append_domain=<domain-without-at-sign>
[ldap_server]
; name=<name-of-LDAP-server-policy>
[credential_store]
; name=<name-of-credential-store-policy-that-hosts-sensitive-data>
[logging]
; log_level=info
[https_proxy]
; server=<proxy-server-name-or-ip>
; port=3128

[question_1]
; prompt=<prompt-to-show-to-the-user>
; key=<target-key-for-the-answer>
; disable_echo=yes
"""
"""The form of the vendor's default.cfg: every section, and every option as a comment."""


def test_default_cfg_of_the_vendor_logs_users_in(open_session: OpenSession, radius: str) -> None:
    server = "\n".join(radius.splitlines()[1:])
    session = open_session(VENDORS.format(server), server_username="alice")
    assert outcome(session, "correct horse") == "ACCEPT"
    assert session.authorize()["verdict"] == "ACCEPT"
    session.end()
    assert "Configuration" not in text(session)
    assert len(session.questions) == 1


def test_the_log_says_every_doubt_once_a_session(open_session: OpenSession) -> None:
    with Cases() as cases:
        for name, (configuration, expected) in DOUBTFUL.items():
            with cases.case(name):
                session = open_session(configuration, gateway_user="alice")
                verdicts = [session.authenticate()["verdict"] for _ in range(2)]
                is_valid = not any(" error: " in line for line in expected)
                assert verdicts == ["NEEDINFO" if is_valid else "DENY"] * 2
                logged = re.findall("Configuration (warning|error): (.*)", text(session))
                found = [(level, re.sub(r" line [0-9]+:", ":", problem)) for level, problem in logged]
                lines = [re.sub("^[0-9:]+ ", "", line).partition(": ")[::2] for line in expected]
                assert sorted(found) == sorted(lines * (1 if is_valid else 2))


def test_secrets_with_white_space_in_the_credential_store(open_session: OpenSession, freeradius: FreeRadius) -> None:
    with Cases() as cases:
        for end, verdict, warning in (
            ("\n", "ACCEPT", ""),
            ("\r\n", "ACCEPT", ""),
            (" ", "wrong-secret", "begins or ends with white space (U+0020)"),
            ("\u200b", "wrong-secret", "contains the invisible character U+200B"),
        ):
            with cases.case(repr(end)):
                # FreeRADIUS discards requests with the wrong secret, so waiting longer changes nothing.
                wait = 60 if verdict == "ACCEPT" else 0.5
                configuration = section(freeradius, secret="$", conn_timeout=wait, conn_retries=1, status_check="none")
                configuration += "[credential_store]\nname=store\n"
                stores: Dict[str, Any] = {"store": {"secret": {"radius": [[freeradius.secret + end]]}}}
                session = open_session(configuration, {"credential_stores": stores}, server_username="alice")
                found = outcome(session, "correct horse")
                assert found == verdict or verdict != "ACCEPT" and found in ("no-reply", "wrong-secret")
                assert ("[radius] secret: " + warning in text(session)) is bool(warning)
                assert freeradius.secret not in text(session)


def test_the_log_says_which_line_answered_a_challenge(open_session: OpenSession, radius: str) -> None:
    session = open_session(
        radius + "[challenge_answers]\n; a menu\nno = 2\n^1\\) push 2\\) = 1\n", server_username="menu"
    )
    assert outcome(session, "1111") == "ACCEPT"
    line = len(radius.splitlines()) + 4
    assert f"Challenge answered by [challenge_answers] line {line}" in text(session)


def test_warning_about_names_needs_something_that_relies_on_them(open_session: OpenSession, radius: str) -> None:
    cache = "[authentication_cache]\nsoft_timeout=15\nhard_timeout=90\nreuse_limit={}\n"
    for limit, is_warned in ((0, False), (1, True)):
        session = open_session(radius + cache.format(limit), server_username="alice")
        session.authenticate()
        assert ("SPS has not authenticated the user" in text(session)) is is_warned
