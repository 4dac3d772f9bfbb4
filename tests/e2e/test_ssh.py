"""Logins with OpenSSH's ssh in a terminal, through the demo's gateway and the built zip."""

import contextlib
import os
import re
import signal
import stat
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from tests.support.clients import (
    LEAVE,
    NAME_PROMPT,
    PAGE,
    PASSWORD_PROMPT,
    Gateway,
    Person,
    by_ssh,
    session_ended,
    session_of_any_plugin_ended,
    zip_of,
)
from tests.support.plugin import section
from tests.support.radiusd import FreeRadius

PROTOCOL = "ssh"
LogIn = Callable[..., Person]


@pytest.fixture
def log_in(ssh_command: str) -> Iterator[LogIn]:
    """Return a function that starts ssh: `log_in(gateway, login name, options=..., remote=...)`."""
    with contextlib.ExitStack() as people:

        def start(gateway: Gateway, login_name: str, **more: Any) -> Person:
            return people.enter_context(by_ssh(ssh_command, gateway, login_name, **more))

        yield start


def page(name: str, server_user: str, attempts: int = 1, rounds: int = 0, groups: str = "(none)") -> str:
    """Return a pattern for the end of the screen after a login."""
    name, server_user, groups = map(re.escape, (name, server_user, groups))
    return (
        r"Access granted\. SPS would now connect you to the server\.\n"
        rf"gateway user  {name}\nserver user   {server_user}\ngroups        {groups}\n"
        rf'metadata      \{{"attempts": {attempts}, "method": "pap", "rounds": {rounds}, "seconds": [\d.]+, '
        r'"server": "127\.0\.0\.1:\d+"\}\n'
        r"Press Enter to leave\.\nConnection to 127\.0\.0\.1 closed\.\n\Z"
    )


class TestLogins:
    def test_right_code(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "alice").sees(PASSWORD_PROMPT).types("correct horse")
        assert re.match(PASSWORD_PROMPT + r"\n" + page("alice", "alice"), person.leaves())
        session = gateway.wait_for_disconnect()
        assert " server=127.0.0.1:" in session_ended(session)
        assert "user=alice client=127.0.0.1 protocol=ssh " in session_ended(session)
        assert " attempts=1 " in session_ended(session)
        steps = [line for line in session if " " not in line]
        assert steps == ["authenticate", "authenticate", "authorize", "ACCEPT", "session_ended", "disconnected"]

    def test_wrong_then_right(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "alice").sees(PASSWORD_PROMPT).types("wrong")
        person.sees("Wrong code. 2 attempts left.\n" + PASSWORD_PROMPT).types("correct horse")
        screen = person.leaves()
        assert screen.startswith(
            PASSWORD_PROMPT + "\nAuthentication failed: Wrong code. 2 attempts left.\n" + PASSWORD_PROMPT + "\n" + PAGE
        )
        assert re.search(page("alice", "alice", attempts=2), screen)
        assert "attempts=2" in session_ended(gateway.wait_for_disconnect())

    def test_three_wrong(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "alice")
        for typed in ("wrong1", "wrong2", "wrong3"):
            person.sees(PASSWORD_PROMPT).types(typed)
        assert person.to_the_end() == 255
        failed = "Authentication failed: Wrong code. {} left.\n" + PASSWORD_PROMPT + "\n"
        assert person.screen.startswith(
            PASSWORD_PROMPT
            + "\n"
            + failed.format("2 attempts")
            + failed.format("1 attempt")
            + "Too many failed attempts: Wrong code. Try again or contact your help desk. [too-many-attempts]\n"
        )
        assert person.screen.count(PASSWORD_PROMPT) == 3  # ssh does not start over
        assert PAGE not in person.screen
        assert "attempts=3" in session_ended(gateway.wait_for_disconnect())

    def test_challenges_with_and_without_echo(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "pin3").sees(PASSWORD_PROMPT).types("1111")
        person.sees("Question 1 of 3 ").types("one")
        person.sees("Question 2 of 3 ").types("two")
        person.sees("Question 3 of 3 ").types("three")
        screen = person.leaves()
        asked = PASSWORD_PROMPT + "\nQuestion 1 of 3 \nQuestion 2 of 3 two\nQuestion 3 of 3 \n"
        assert re.match(re.escape(asked) + page("pin3", "pin3", rounds=3), screen)
        assert "challenges=3" in session_ended(gateway.wait_for_disconnect())

    def test_push(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "push-fast").sees(PASSWORD_PROMPT).types("")
        assert re.match(PASSWORD_PROMPT + r"\n" + page("push-fast", "push-fast"), person.leaves())
        assert "user=push-fast" in session_ended(gateway.wait_for_disconnect())

    def test_code_in_the_login_name(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "gu=alice@otp=123456@root")
        assert re.match(page("alice", "root", groups="admins"), person.leaves())
        session = demo.wait_for_disconnect()
        assert "user=alice" in session_ended(session)
        assert "123456" not in "\n".join(session)

    def test_user_name_prompt(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "otp=123456").sees(NAME_PROMPT).types("alice")
        assert re.match(re.escape(NAME_PROMPT) + r"\n" + page("alice", "(none)", groups="admins"), person.leaves())
        assert "user=alice" in session_ended(demo.wait_for_disconnect())

    def test_user_name_prompt_after_a_reject(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "otp=000000").sees(NAME_PROMPT).types("alice")
        person.sees(
            "Authentication failed. 2 attempts left.\nYou entered the name alice.\nUser name (typing is hidden): "
        ).types("alice")
        person.sees(PASSWORD_PROMPT).types("123456")
        assert re.search(page("alice", "(none)", attempts=2, groups="admins"), person.leaves())
        assert "attempts=2" in session_ended(demo.wait_for_disconnect())

    def test_unicode_name_and_code(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "jürgen").sees(PASSWORD_PROMPT).types("ünïcödé-密码-🔑")
        assert re.match(PASSWORD_PROMPT + r"\n" + page("jürgen", "jürgen"), person.leaves())
        assert "user=jürgen" in session_ended(gateway.wait_for_disconnect())

    def test_prompt_of_several_lines(self, gateway: Gateway, log_in: LogIn) -> None:
        person = log_in(gateway, "escapes").sees(PASSWORD_PROMPT).types("1111")
        person.sees("Red\nnextnultxt ").types("222222")
        assert "Red\nnextnultxt \n" + PAGE in person.leaves()
        session_ended(gateway.wait_for_disconnect())

    def test_closed_port(self, plugin_zip: Path, down: str, log_in: LogIn, tmp_path: Path) -> None:
        with Gateway("ssh", plugin_zip, tmp_path, down) as gateway:
            person = log_in(gateway, "alice").sees(PASSWORD_PROMPT).types("123456")
            assert person.to_the_end() == 255
            assert person.screen.startswith(
                PASSWORD_PROMPT
                + "\nThe login service is not responding. Try again later or contact your help desk. "
                + "[connection-refused]\n"
            )
            session_ended(gateway.wait_for_disconnect())

    def test_disable_echo_no(self, plugin_zip: Path, freeradius: FreeRadius, log_in: LogIn, tmp_path: Path) -> None:
        configuration = section(freeradius) + "[auth]\ndisable_echo=no\n"
        with Gateway("ssh", plugin_zip, tmp_path, configuration) as gateway:
            person = log_in(gateway, "alice").sees(PASSWORD_PROMPT).types("correct horse")
            assert person.leaves().startswith(PASSWORD_PROMPT + "correct horse\n" + PAGE)

    def test_concurrent_logins(self, gateway: Gateway, log_in: LogIn) -> None:
        names = ("alice", "pin1", "push", "echo", "locked")
        people = {name: log_in(gateway, name) for name in names}
        for person in people.values():
            person.sees(PASSWORD_PROMPT)
        people["push"].types("")  # waits for its seconds; the others go on
        people["echo"].types("1111").sees("Your favorite color ")
        people["pin1"].types("1111").sees("Enter token code ").types("222222").sees(LEAVE)
        people["alice"].types("correct horse").sees(LEAVE)
        for _ in range(2):
            people["locked"].types("x").sees("Account locked, call 4444", PASSWORD_PROMPT)
        people["locked"].types("x")
        people["echo"].types("222222").sees(LEAVE)
        assert people["locked"].to_the_end() == 255
        assert "user=locked" in session_ended(gateway.wait_for_disconnect())
        ended = []
        for name in ("alice", "echo", "pin1"):
            assert re.search(rf"gateway user  {name}\n", people[name].leaves())
            ended.append(session_ended(gateway.wait_for_disconnect()))
        assert re.search(r"gateway user  push\n", people["push"].leaves())
        ended.append(session_ended(gateway.wait_for_disconnect()))
        assert [re.findall(r"user=(\S+)", line)[0] for line in ended] == ["alice", "echo", "pin1", "push"]


class TestLeaving:
    @pytest.mark.parametrize("keys", ["\r", "\x03", "\x04"], ids=["enter", "ctrl-c", "ctrl-d"])
    def test_keys_that_end_the_page(self, demo: Gateway, log_in: LogIn, keys: str) -> None:
        person = log_in(demo, "gu=alice@otp=123456@root").sees(LEAVE).presses("x" + keys)
        assert person.to_the_end() == 0
        session_ended(demo.wait_for_disconnect())

    def test_resized_window_does_not_end_the_page(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "gu=alice@otp=123456@root").sees(LEAVE)
        person.terminal.setwinsize(20, 60)
        person.types("")
        assert person.to_the_end() == 0
        session_ended(demo.wait_for_disconnect())

    def test_hanging_up_at_a_question(self, demo: Gateway, log_in: LogIn) -> None:
        log_in(demo, "alice").sees(PASSWORD_PROMPT).hang_up()
        session = demo.wait_for_disconnect()
        assert "user=alice" in session_ended(session)
        assert "ACCEPT" not in session

    def test_hanging_up_during_a_push(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "pusha").sees(PASSWORD_PROMPT)
        demo.read_until(r"\] authenticate\n")
        person.types("")
        demo.read_until(r"\] authenticate\n")
        person.hang_up()
        session = demo.wait_for_disconnect()
        assert "attempts=1" in session_ended(session)  # the push was still approved
        assert not [line for line in session if "Authorizing" in line]

    def test_hanging_up_at_the_page(self, demo: Gateway, log_in: LogIn) -> None:
        log_in(demo, "gu=alice@otp=123456@root").sees(LEAVE).hang_up()
        session_ended(demo.wait_for_disconnect())

    def test_remote_command_only_shows_the_page(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "gu=alice@otp=123456@root", remote=["id"])
        assert person.to_the_end() == 0
        assert re.search(r"gateway user  alice\n", person.screen)
        assert LEAVE not in person.screen
        session_ended(demo.wait_for_disconnect())

    def test_subsystems_and_forwarding_are_refused(self, demo: Gateway, log_in: LogIn) -> None:
        for subsystem in ("sftp", "netconf"):
            person = log_in(demo, "gu=alice@otp=123456@root", options=["-s"], remote=[subsystem])
            assert person.to_the_end() != 0
            assert "gateway user" not in person.screen
            session_ended(demo.wait_for_disconnect())
        forwarded = log_in(demo, "gu=alice@otp=123456@root", options=["-W", f"127.0.0.1:{demo.port}"])
        assert forwarded.to_the_end() == 255
        assert "forwarding failed" in forwarded.screen
        session_ended(demo.wait_for_disconnect())

    def test_password_authentication_is_not_offered(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "alice", options=["-o", "PreferredAuthentications=password"])
        assert person.to_the_end() == 255
        assert "Permission denied (keyboard-interactive)" in person.screen

    def test_answer_that_is_not_utf_8(self, demo: Gateway, log_in: LogIn) -> None:
        person = log_in(demo, "alice").sees(PASSWORD_PROMPT)
        os.write(person.terminal.child_fd, b"\xff\r")
        assert person.to_the_end() == 255
        session_ended(demo.wait_for_disconnect())


PLAYER = r"""
class Plugin:
    def __init__(self, configuration):
        pass

    def authenticate(self, server_username, key_value_pairs):
        if server_username == "breaks":
            raise RuntimeError("what only the log may say")
        if server_username == "denied":
            return {"verdict": "DENY", "reason": "Zugang gesperrt für \x1b]0;title\x07\x9b31m Müller 密码\nTwice"}
        if "answer" not in key_value_pairs:
            return {"verdict": "NEEDINFO", "question": ["answer", "Grün\x1b[2J\x07\nor 密码? ", False]}
        metadata = {"additional_metadata": "of authenticate \x1b[31m"}
        return dict(metadata, verdict="ACCEPT", gateway_user="al\x1b[2Jice", gateway_groups=["ops", "ad\x07mins"])

    def authorize(self, server_username, gateway_groups):
        if server_username == "limited":
            return {"verdict": "DENY", "reason": "Not to this server"}
        return {"verdict": "ACCEPT"}

    def session_ended(self):
        print("Session ended \x1b[2J")
"""


@pytest.fixture(scope="module")
def player(tmp_path_factory: Any) -> Iterator[Gateway]:
    """A gateway with PLAYER, a plugin that escapes nothing."""
    directory = tmp_path_factory.mktemp("player")
    with Gateway("ssh", zip_of(PLAYER, directory), directory) as running:
        yield running


class TestAnyPlugin:
    def test_control_characters_are_escaped(self, player: Gateway, log_in: LogIn) -> None:
        person = log_in(player, "root").sees("or 密码? ").types("yes")
        screen = person.leaves()
        assert screen.startswith("Grün\\x1b[2J\\x07\nor 密码? yes\n")
        assert "gateway user  al\\x1b[2Jice\n" in screen
        assert "groups        ops, ad\\x07mins\n" in screen
        assert "metadata      of authenticate \\x1b[31m\n" in screen
        assert "log: Session ended \\x1b[2J" in player.wait_for_disconnect()
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", screen + player.printed)

    def test_reason_keeps_its_unicode_letters(self, player: Gateway, log_in: LogIn) -> None:
        person = log_in(player, "denied")
        assert person.to_the_end() == 255
        assert person.screen.startswith("Zugang gesperrt für \\x1b]0;title\\x07\\x9b31m Müller 密码\nTwice\n")
        player.wait_for_disconnect()

    def test_denied_by_authorize(self, player: Gateway, log_in: LogIn) -> None:
        person = log_in(player, "limited").sees("or 密码? ").types("yes")
        assert person.to_the_end() == 255
        assert "or 密码? yes\nNot to this server\n" in person.screen
        assert "DENY" in player.wait_for_disconnect()

    def test_exception_is_only_logged(self, player: Gateway, log_in: LogIn) -> None:
        person = log_in(player, "breaks")
        assert person.to_the_end() == 255
        assert "what only" not in person.screen
        session = player.wait_for_disconnect()
        assert "SPS ends the session: authenticate: RuntimeError: what only the log may say" in session
        session_of_any_plugin_ended(session)


class TestGateway:
    def test_suggested_commands_work(self, demo: Gateway, ssh_command: str) -> None:
        assert demo.commands[0].endswith(f" -p {demo.port} alice@127.0.0.1")
        with Person("/bin/sh", ["-c", demo.commands[0]]) as person:
            person.sees(PASSWORD_PROMPT).types("123456").leaves()
        with Person("/bin/sh", ["-c", demo.commands[1]]) as person:
            assert "server user   root\n" in person.leaves()
        for _ in range(2):
            session_ended(demo.wait_for_disconnect())
        for user in ("alice  the code 123456", "tessa  the code of the TOTP", "carol  the PIN", "pusha", "bob"):
            assert re.search("^  " + user, demo.printed, re.MULTILINE)

    def test_fingerprint_is_the_printed_one(self, demo: Gateway, ssh_command: str) -> None:
        options = ["-o", "StrictHostKeyChecking=ask", "-o", "GlobalKnownHostsFile=/dev/null"]
        arguments = ["-F", "none", *options, "-o", "UserKnownHostsFile=/dev/null", "-p", str(demo.port)]
        with Person(ssh_command, [*arguments, "alice@127.0.0.1"]) as person:
            person.sees("fingerprint is " + demo.read(r"fingerprint is (SHA256:\S+)\."))

    def test_private_folder_without_the_key(self, demo: Gateway) -> None:
        (folder,) = demo.temporary.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        key = re.compile(rb"PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")
        for path in folder.rglob("*"):
            assert not path.is_file() or not key.search(path.read_bytes())

    def test_every_gateway_has_a_new_key(self, demo: Gateway, gateway: Gateway) -> None:
        keys = {running.read(r"fingerprint is (SHA256:\S+)\.") for running in (demo, gateway)}
        assert len(keys) == 2

    @pytest.mark.parametrize(
        "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"]
    )
    def test_signal_ends_every_session(self, plugin_zip: Path, log_in: LogIn, tmp_path: Path, number: int) -> None:
        with Gateway("ssh", plugin_zip, tmp_path, fork=True) as gateway:
            log_in(gateway, "alice").sees(PASSWORD_PROMPT)
            log_in(gateway, "gu=alice@otp=123456@root").sees(LEAVE)
            person = log_in(gateway, "pusha").sees(PASSWORD_PROMPT)
            gateway.read_until(r"\[3\] authenticate\n")
            person.types("")
            gateway.read_until(r"\[3\] authenticate\n")
            assert gateway.stop(number) == (0 if number == signal.SIGINT else 128 + number)
        assert gateway.printed.count("log: Session ended") == 3
        assert gateway.printed.count("] disconnected") == 3
        assert "Traceback" not in gateway.printed
        assert list(gateway.temporary.iterdir()) == []

    def test_missing_configuration(self, plugin_zip: Path, tmp_path: Path) -> None:
        with Person("/bin/sh", ["-c", "exec ./demo.sh --ssh " + str(tmp_path / "no.cfg")]) as person:
            assert person.to_the_end() == 2
            assert "There is no file" in person.screen
