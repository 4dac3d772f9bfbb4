"""The SDK's features through the zip: whitelists, cache, connection limit, user mapping, questions, Credential Store.

Configuration errors must be logged and deny the session, without an exception.
"""

import json
import os
import pathlib
from typing import Any, Dict, List, Tuple

from safeguard.sessions.plugin import __version__ as sdk_version

from simulator.gateway import Session
from tests.support import ROOT
from tests.support.cases import Cases
from tests.support.plugin import OpenSession, code, metadata, outcome, section, text
from tests.support.radiusd import FreeRadius, running

SDK = tuple(int(part) for part in sdk_version.split(".")[:2])


def test_whitelisted_user_needs_no_login(open_session: OpenSession, radius: str) -> None:
    lists = {"user_lists": {"trusted": {"allow": "no_user", "except": ["backup"]}}}
    configuration = radius + "[whitelist source=user_list]\nname=trusted\n"
    session = open_session(configuration, lists, gateway_user="backup")
    assert session.log_in()["verdict"] == "ACCEPT"
    session.end()
    assert "user=backup" in session.calls[-1].log and 'server=""' in session.calls[-1].log
    assert open_session(configuration, lists, gateway_user="alice").authenticate()["verdict"] == "NEEDINFO"


def test_no_spelling_of_a_name_escapes_from_the_exceptions_of_a_whitelist(
    open_session: OpenSession, radius: str
) -> None:
    lists = {"user_lists": {"most": {"allow": "all_users", "except": ["alice", "CORP\\Bob", "carol@corp.example"]}}}
    configuration = radius + "[whitelist source=user_list]\nname=most\n"
    names = ["alice", "Alice", "CORP\\alice", "alice@corp.example", "Ａlice", "álice", "bob", "bob@x", "X\\carol"]
    verdicts = {}
    for name in names + ["alicia", "dave"]:
        verdicts[name] = open_session(configuration, lists, gateway_user=name).authenticate()["verdict"]
    assert verdicts == {**dict.fromkeys(names, "NEEDINFO"), "alicia": "ACCEPT", "dave": "ACCEPT"}


def test_whitelist_and_cache_ignore_a_typed_user_name(open_session: OpenSession, radius: str) -> None:
    lists = {"user_lists": {"trusted": {"allow": "no_user", "except": ["backup"]}}}
    trusting = radius + "[whitelist source=user_list]\nname=trusted\n[authentication_cache]\nreuse_limit=5\n"
    session = open_session(trusting, lists)
    session.authenticate()
    assert session.answer("backup")["verdict"] == "NEEDINFO"
    assert "SPS has not authenticated the user: a whitelist" in text(session)
    assert open_session(trusting, lists, gateway_user="alice").log_in("correct horse")["verdict"] == "ACCEPT"
    session = open_session(trusting, lists)
    session.authenticate()
    assert session.answer("alice")["verdict"] == "NEEDINFO"


def test_whitelisted_login_is_not_cached(open_session: OpenSession, radius: str) -> None:
    lists = {"user_lists": {"trusted": {"allow": "no_user", "except": ["backup"]}}}
    cache = radius + "[authentication_cache]\nreuse_limit=5\n"
    trusting = cache + "[whitelist source=user_list]\nname=trusted\n"
    assert open_session(trusting, lists, gateway_user="backup").log_in()["verdict"] == "ACCEPT"
    assert open_session(cache, gateway_user="backup").authenticate()["verdict"] == "NEEDINFO"


def test_missing_user_list_policy_is_a_configuration_error(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "[whitelist source=user_list]\nname=gone\n", gateway_user="alice")
    assert code(session.log_in()) == "bad-configuration"
    assert "gone" in text(session)


def test_cached_login_expires_after_its_reuses(open_session: OpenSession, radius: str) -> None:
    cache = radius + "[authentication_cache]\nreuse_limit=2\nsoft_timeout=600\nhard_timeout=600\n"
    assert open_session(cache, gateway_user="alice").log_in("correct horse")["verdict"] == "ACCEPT"
    for _ in range(2):
        session = open_session(cache, gateway_user="alice")
        assert session.log_in()["verdict"] == "ACCEPT"
        assert "cached authentication" in session.calls[0].result["additional_metadata"]
    # SDK 1.6 would renew the cache with each use.
    assert open_session(cache, gateway_user="alice").authenticate()["verdict"] == "NEEDINFO"


def test_clock_that_was_set_back_does_not_revive_a_cached_login(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    cache = radius + "[authentication_cache]\nreuse_limit=-1\nsoft_timeout=600\nhard_timeout=600\n"
    assert open_session(cache, gateway_user="alice").log_in("correct horse")["verdict"] == "ACCEPT"
    (path,) = (tmp_path / "state").rglob("*.cache")
    entry = json.loads(path.read_text())
    with Cases() as cases:
        for option in ("last_authenticated", "last_used"):
            for time_of_use in (entry[option] + 365 * 86400, float("nan"), "soon", None):
                with cases.case((option, time_of_use)):
                    path.write_text(json.dumps(dict(entry, **{option: time_of_use})))
                    session = open_session(cache, gateway_user="alice")
                    assert session.authenticate()["verdict"] == "NEEDINFO"
        with cases.case("no entry at all"):
            path.write_text("{}")
            assert open_session(cache, gateway_user="alice").authenticate()["verdict"] == "NEEDINFO"
        with cases.case("log"):
            path.write_text(json.dumps(dict(entry, last_used=entry["last_used"] + 60)))
            session = open_session(cache, gateway_user="alice")
            assert session.log_in("correct horse")["verdict"] == "ACCEPT"
            assert "Cached login ignored for user alice: its time is in the future" in text(session)
        with cases.case("that login is cached"):
            assert open_session(cache, gateway_user="alice").log_in()["verdict"] == "ACCEPT"


def test_unusable_cache(open_session: OpenSession, radius: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    session = open_session(radius + "[authentication_cache]\nreuse_limit=2\n", gateway_user="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert text(session).count("Authentication cache unavailable") == 2


def test_connection_limit(open_session: OpenSession, radius: str) -> None:
    limit = radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"

    def connect() -> Session:
        session = open_session(limit, gateway_user="alice")
        assert session.log_in("correct horse")["verdict"] == "ACCEPT"
        return session

    first, second = connect(), connect()
    assert first.authorize()["verdict"] == "ACCEPT"
    verdict = second.authorize()
    assert code(verdict) == "connection-limit"
    first.end()
    assert connect().authorize()["verdict"] == "ACCEPT"


def test_session_ended_with_a_lost_count(open_session: OpenSession, radius: str, tmp_path: pathlib.Path) -> None:
    session = open_session(radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n", gateway_user="alice")
    session.log_in("correct horse")
    session.authorize()
    for folder, _, names in os.walk(str(tmp_path)):
        for name in names:
            if name.endswith("_alice"):
                os.remove(os.path.join(folder, name))
    session.end()
    assert "Connection limit not counted down: " in session.calls[-1].log
    assert "Session ended: user=alice" in session.calls[-1].log


def test_question_in_a_protocol_without_questions(open_session: OpenSession, radius: str) -> None:
    questions = radius + "[question_1]\nprompt=Ticket:\nkey=ticket\n"
    session = open_session(questions, server_username="push-fast", protocol="mssql")
    assert code(session.log_in()) == "cannot-ask"


def test_connection_limit_that_cannot_be_checked(
    open_session: OpenSession, radius: str, tmp_path: pathlib.Path
) -> None:
    limit = radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
    session = open_session(limit, gateway_user="alice")
    session.log_in("correct horse")
    (tmp_path / "state.ephemeral" / "connection_limit by=client_ip_gateway_user").write_text("in the way")
    assert code(session.authorize()) == "connection-limit"
    assert "Connection limit not checked" in text(session)


def test_authorize_denies_an_invalid_user_name(open_session: OpenSession, radius: str) -> None:
    limit = radius + "[connection_limit by=client_ip_gateway_user]\nlimit=1\n"
    session = open_session(limit, gateway_user="x/../../zz\nForged line")
    assert code(session.authorize()) == "bad-username"
    assert "Forged line" not in session.log


def test_a_stored_password_never_stands_in_the_log(open_session: OpenSession, radius: str) -> None:
    password = "stored password"
    with Cases() as cases:
        for name, option in (
            ("logging", "log_level"),
            ("logging", "destination"),
            ("whitelist source=user_list", "name"),
            ("ldap_server", "name"),
            ("connection_limit by=client_ip_gateway_user", "limit"),
            ("authentication_cache", "reuse_limit"),
            ("username_transform", "append_domain"),
        ):
            with cases.case((name, option)):
                stores: Dict[str, Any] = {"store": {option: {name: [[password]]}}}
                configuration = radius + "[credential_store]\nname=store\n[{}]\n{}=$\n".format(name, option)
                session = open_session(configuration, {"credential_stores": stores}, gateway_user="alice")
                assert code(session.log_in()) == "bad-configuration"
                session.end()
                assert "[{}] {}: cannot come from the Credential Store".format(name, option) in text(session)
                assert password not in text(session)


def test_errors_that_the_sdk_would_ignore(open_session: OpenSession, radius: str) -> None:
    errors = {
        "[question_1]\nprompt=Ticket:\nkey=otp\n": "[question_1] key: is reserved for the answer to a prompt",
        "[whitelist source=user_list]\nname=\n": "[whitelist source=user_list] name: is empty",
        "[whitelist source=ldap_server_group]\nallow=all_users\nexcept=\n": "except: is empty",
    }
    with Cases() as cases:
        for lines, error in errors.items():
            with cases.case(lines):
                session = open_session(radius + lines, server_username="alice")
                assert code(session.log_in()) == "bad-configuration"
                assert error in text(session)


def test_what_the_sdk_ignores_is_ignored_with_a_warning(open_session: OpenSession, radius: str) -> None:
    directory = "[ldap_server]\nname=directory\n"
    warnings = {
        "[question_1]\nprompt=Ticket:\n": "[question_1]: is never asked: key is missing",
        "[question_2]\nprompt=Ticket:\nkey=t\n": "[question_2]: is never asked: there is no [question_1]",
        "[whitelist source=ldap_server_group]\nallow=all_users\n" + directory: (
            "[whitelist source=ldap_server_group]: has no effect without except"
        ),
        "[usermapping source=ldap_server]\nuser_attribute=mail\n": (
            "[usermapping source=ldap_server]: has no effect without [ldap_server] name"
        ),
        "[ignore_upn_suffix_for_rdp]\nignore=no\n": "ignore: is not `true`: the suffix stays",
    }
    with Cases() as cases:
        for lines, warning in warnings.items():
            with cases.case(lines):
                session = open_session(radius + lines, gateway_user="alice")
                assert session.log_in("correct horse")["verdict"] == "ACCEPT"
                assert len(session.questions) == 1
                assert text(session).count("Configuration warning: ") == 1 and warning in text(session)


def test_questions_after_the_login(open_session: OpenSession, radius: str) -> None:
    questions = radius + "[question_1]\nprompt=Ticket:\nkey=ticket\ndisable_echo=no\n"
    session = open_session(questions, server_username="alice")
    verdict = session.log_in("correct horse", "T-1000")
    assert (verdict["verdict"], verdict["gateway_user"]) == ("ACCEPT", "alice")
    assert session.questions[1][1:] == ("Ticket: ", False)
    assert session.session_cookie["questions"] == {"ticket": "T-1000"}
    assert metadata(verdict)["attempts"] == 1


def test_explicit_user_mapping(open_session: OpenSession, radius: str) -> None:
    mappings = {
        "A.Smith": "[usermapping source=explicit]\na.smith=alice\n",
        "boss": "[username]\nallow_override=yes\n[usermapping source=explicit]\nru-name=alice\n",
    }
    for user, mapping in mappings.items():
        session = open_session(radius + mapping, gateway_user=user, key_value_pairs={"ru": "ru-name"})
        verdict = session.log_in("correct horse")
        assert verdict["verdict"] == "ACCEPT", user
        assert metadata(verdict)["radius_user"] == "alice", user


def test_domain_appended_to_the_radius_user_name(
    open_session: OpenSession, radius: str, freeradius: FreeRadius
) -> None:
    session = open_session(radius + "[username_transform]\nappend_domain=example.com\n", gateway_user="dora")
    session.authenticate()
    session.answer("x")
    assert freeradius.requests("dora@example.com")


def test_upn_suffix_of_rdp_user_names(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, protocol="rdp", server_username="alice@example.com")
    session.authenticate()
    assert session.cookie["username"] == ("alice" if SDK >= (1, 8) else "alice@example.com")


def test_rdp_with_the_username_pair_only(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius, protocol="rdp", key_value_pairs={"username": "alice", "otp": "correct horse"})
    assert session.log_in()["gateway_user"] == "alice"


def test_secret_from_the_credential_store(open_session: OpenSession, freeradius: FreeRadius) -> None:
    configuration = section(freeradius, secret="$") + "[credential_store]\nname=store\n"
    stores: Dict[str, Any] = {"store": {"secret": {"radius": [[freeradius.secret]]}}}
    session = open_session(configuration, {"credential_stores": stores}, server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert freeradius.secret not in text(session)


def test_secret_missing_from_the_credential_store(open_session: OpenSession) -> None:
    failed = "[radius] secret: the Credential Store failed: LocalCredentialStore"
    missing = "[radius] secret: the Credential Store has no password for"
    cases: List[Tuple[str, Dict[str, Any], str]] = [
        ("", {}, "[radius] secret: `$` requires [credential_store] name"),
        ("[credential_store]\nname=gone\n", {}, failed),
        ("[credential_store]\nname=store\n", {"store": {}}, missing),
    ]
    with Cases() as table:
        for lines, stores, error in cases:
            with table.case(lines):
                configuration = "[radius]\nserver=127.0.0.1\nsecret=$\n" + lines
                session = open_session(configuration, {"credential_stores": stores}, server_username="alice")
                assert code(session.log_in()) == "bad-configuration"
                assert error in text(session)


def test_secrets_with_special_characters(open_session: OpenSession, tmp_path: pathlib.Path) -> None:
    secrets = {
        "$$": "$",
        '" spaces "': " spaces ",
        "100%": "100%",
        "a%(b)s": "a%(b)s",
        '"quoted"': '"quoted"',
        "ü$$%": "ü$$%",
        "# ; =": "# ; =",
    }
    outcomes: Dict[str, str] = {}
    for configured, secret in secrets.items():
        directory = tmp_path / str(len(outcomes))
        directory.mkdir()
        with running(directory, secret) as server:
            session = open_session(section(server, secret=configured), server_username="alice")
            outcomes[configured] = outcome(session, "correct horse")
    assert outcomes == dict.fromkeys(secrets, "ACCEPT")


def test_all_configuration_errors_are_logged(open_session: OpenSession) -> None:
    configuration = (
        "[radius]\nsever=a\nport=0\nauth_type=peap\n[auth]\nmax_attempts=many\n[logging]\nlog_level=loud\n[radio]\n"
    )
    session = open_session(configuration, server_username="alice")
    verdict = session.log_in()
    assert (
        verdict["reason"]
        == "Login is not possible because of a configuration error. Contact your help desk. [bad-configuration]"
    )
    for expected in (
        "[radius] server: is missing",
        "[radius] secret: is missing",
        "[radius] port: expected a whole number from 1 to 65535",
        "[radius] auth_type: expected one of pap, chap, mschapv2",
        "[auth] max_attempts: expected a whole number",
        "[logging] log_level: expected one of debug, info",
        "[radius] sever: unknown option; did you mean server?",
        "[radio]: unknown section; did you mean radius?",
    ):
        assert expected in text(session)
    assert code(session.authorize()) == "bad-configuration"
    session.end()


def test_unknown_names_are_warnings(open_session: OpenSession, radius: str) -> None:
    session = open_session(radius + "conn_timout=9\n[radio]\nx=1\n", server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert text(session).count("[radius] conn_timout: unknown option; did you mean conn_timeout?") == 1
    assert text(session).count("[radio]: unknown section") == 1


def test_configuration_of_the_earlier_plugin(open_session: OpenSession, freeradius: FreeRadius) -> None:
    earlier = section(
        freeradius, auth_type="PAP", conn_retries=3, conn_timeout=5, dictionary_path="/opt/radius/dictionary"
    )
    earlier += "[auth]\nprompt=Code:\ndisable_echo=no\ninteractive_protocols=ssh, RDP\n[https-proxy]\nserver=proxy\n"
    session = open_session(earlier, protocol="RDP", server_username="alice")
    assert session.log_in("correct horse")["verdict"] == "ACCEPT"
    assert [tuple(question[1:]) for question in session.questions] == [("Code: ", False)]
    assert "[radius] dictionary_path: has no effect" in text(session)


def test_default_configuration_is_incomplete(open_session: OpenSession) -> None:
    default = (ROOT / "default.cfg").read_text(encoding="utf-8")
    session = open_session(default, server_username="alice")
    assert code(session.log_in()) == "bad-configuration"
    session.end()  # does not repeat them
    errors = [line for line in session.log if line.startswith("Configuration error")]
    assert len(errors) == 2
    assert "[radius] server: is empty" in errors[0] and "[radius] secret" in errors[1]


def test_warnings_of_a_refused_configuration_are_logged_as_warnings(open_session: OpenSession) -> None:
    lines = {}
    for level in ("error", "warning"):
        configuration = f"[radius]\nsever=a\nserver=a\nsecret=\n[logging]\nlog_level={level}\n"
        session = open_session(configuration, server_username="alice")
        assert code(session.log_in()) == "bad-configuration"
        lines[level] = [line.split(":")[0] for line in session.log if "Configuration" in line]
    assert lines == {"error": ["Configuration error"], "warning": ["Configuration warning", "Configuration error"]}
