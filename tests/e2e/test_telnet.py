"""Logins with Debian's telnet in a terminal and with other clients, through the demo's gateway and the built zip."""

import contextlib
import re
import signal
import socket
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from simulator.telnet import BINARY, DO, DONT, ECHO, IAC, SUPPRESS_GO_AHEAD, WILL
from tests.support.clients import (
    LEAVE,
    NAME_PROMPT,
    PAGE,
    PASSWORD_PROMPT,
    SAFETY_LIMIT,
    Gateway,
    Person,
    by_telnet,
    session_ended,
    session_of_any_plugin_ended,
    zip_of,
)
from tests.support.plugin import section
from tests.support.radiusd import FreeRadius

PROTOCOL = "telnet"
USERNAME = "Username: "
LogIn = Callable[[Gateway], Person]


@pytest.fixture
def connect(telnet_command: str) -> Iterator[LogIn]:
    """Return a function that starts telnet: `connect(gateway)`."""
    with contextlib.ExitStack() as people:
        yield lambda gateway: people.enter_context(by_telnet(telnet_command, gateway)).sees(USERNAME)


def after_the_name(person: Person) -> str:
    """Return the screen from the answer to `Username: ` on."""
    return person.screen.split(USERNAME, 1)[1]


class TestLogins:
    def test_right_code(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("alice").sees(PASSWORD_PROMPT).types("correct horse")
        person.leaves()
        assert re.match(
            "alice\n" + PASSWORD_PROMPT + r"\nAccess granted\. SPS would now connect you to the server\.\n"
            r"gateway user  alice\nserver user   alice\ngroups        \(none\)\nmetadata      \{.*\}\n"
            r"Press Enter to leave\.\nConnection closed by foreign host\.\n\Z",
            after_the_name(person),
        )
        session = gateway.wait_for_disconnect()
        assert " server=127.0.0.1:" in session_ended(session)
        assert "user=alice client=127.0.0.1 protocol=telnet " in session_ended(session)
        steps = [line for line in session if " " not in line]
        assert steps == ["authenticate", "authenticate", "authorize", "ACCEPT", "session_ended", "disconnected"]

    def test_wrong_then_right(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("alice").sees(PASSWORD_PROMPT).types("wrong")
        person.sees("Wrong code. 2 attempts left.\n" + PASSWORD_PROMPT).types("correct horse")
        person.leaves()
        assert after_the_name(person).startswith(
            "alice\n"
            + PASSWORD_PROMPT
            + "\nAuthentication failed: Wrong code. 2 attempts left.\n"
            + PASSWORD_PROMPT
            + "\n"
            + PAGE
        )
        assert "attempts=2" in session_ended(gateway.wait_for_disconnect())

    def test_three_wrong(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("alice")
        for typed in ("wrong1", "wrong2", "wrong3"):
            person.sees(PASSWORD_PROMPT).types(typed)
        person.to_the_end()
        assert not re.search(r"wrong\d", person.screen)
        assert person.screen.endswith(
            "\nToo many failed attempts: Wrong code. Try again or contact your help desk. [too-many-attempts]\n"
            "Connection closed by foreign host.\n"
        )
        assert "attempts=3" in session_ended(gateway.wait_for_disconnect())

    def test_challenges_with_and_without_echo(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("pin3").sees(PASSWORD_PROMPT).types("1111")
        person.sees("Question 1 of 3 ").types("one")
        person.sees("Question 2 of 3 ").types("two")
        person.sees("Question 3 of 3 ").types("three")
        person.leaves()
        asked = "\nQuestion 1 of 3 \nQuestion 2 of 3 two\nQuestion 3 of 3 \n"
        assert after_the_name(person).startswith("pin3\n" + PASSWORD_PROMPT + asked + PAGE)
        assert "challenges=3" in session_ended(gateway.wait_for_disconnect())

    def test_push(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("push-fast").sees(PASSWORD_PROMPT).types("")
        person.leaves()
        assert "user=push-fast" in session_ended(gateway.wait_for_disconnect())

    def test_code_in_the_login_name(self, demo: Gateway, connect: LogIn) -> None:
        person = connect(demo).types("gu=alice@otp=123456@root")
        screen = person.leaves()
        assert "gateway user  alice\nserver user   root\n" in screen
        assert PASSWORD_PROMPT not in screen
        session = demo.wait_for_disconnect()
        assert "user=alice" in session_ended(session)
        assert "123456" not in "\n".join(session)

    def test_user_name_prompt_of_the_plugin(self, demo: Gateway, connect: LogIn) -> None:
        person = connect(demo).types("").sees(NAME_PROMPT).types("alice").sees(PASSWORD_PROMPT).types("123456")
        person.leaves()
        assert after_the_name(person).startswith("\n" + NAME_PROMPT + "\n" + PASSWORD_PROMPT + "\n" + PAGE)
        assert "gateway user  alice\nserver user   (none)\n" in person.screen
        assert "user=alice" in session_ended(demo.wait_for_disconnect())

    def test_unicode_name_and_code(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("jürgen").sees(PASSWORD_PROMPT).types("ünïcödé-密码-🔑")
        person.leaves()
        assert after_the_name(person).startswith("jürgen\n" + PASSWORD_PROMPT + "\n" + PAGE)
        assert "user=jürgen" in session_ended(gateway.wait_for_disconnect())

    def test_prompt_of_several_lines(self, gateway: Gateway, connect: LogIn) -> None:
        person = connect(gateway).types("escapes").sees(PASSWORD_PROMPT).types("1111")
        person.sees("Red\nnextnultxt ").types("222222").leaves()
        session_ended(gateway.wait_for_disconnect())

    def test_disable_echo_no(self, plugin_zip: Path, freeradius: FreeRadius, connect: LogIn, tmp_path: Path) -> None:
        configuration = section(freeradius) + "[auth]\ndisable_echo=no\n"
        with Gateway("telnet", plugin_zip, tmp_path, configuration) as gateway:
            person = connect(gateway).types("alice").sees(PASSWORD_PROMPT).types("correct horse")
            person.leaves()
            assert after_the_name(person).startswith("alice\n" + PASSWORD_PROMPT + "correct horse\n" + PAGE)

    def test_concurrent_logins(self, gateway: Gateway, connect: LogIn) -> None:
        people = {name: connect(gateway) for name in ("alice", "pin1", "push")}
        for name, person in people.items():
            person.types(name).sees(PASSWORD_PROMPT)
        people["push"].types("")  # waits for its seconds; the others go on
        people["pin1"].types("1111").sees("Enter token code ").types("222222").sees(LEAVE)
        people["alice"].types("correct horse").sees(LEAVE)
        ended = []
        for name in ("alice", "pin1", "push"):
            assert f"gateway user  {name}\n" in people[name].leaves()
            ended.append(session_ended(gateway.wait_for_disconnect()))
        assert [re.findall(r"user=(\S+)", line)[0] for line in ended] == ["alice", "pin1", "push"]


class TestTyping:
    def test_early_input_is_not_shown(self, demo: Gateway, connect: LogIn) -> None:
        person = connect(demo).presses("alice\r123456\r")
        person.leaves()
        assert "123456" not in person.screen
        assert after_the_name(person).startswith("alice\n" + PASSWORD_PROMPT + "\n" + PAGE)
        session_ended(demo.wait_for_disconnect())

    def test_corrections(self, demo: Gateway, connect: LogIn) -> None:
        person = connect(demo).types("bob\x15alix密\x7f\x7fcé\x7fe").sees(PASSWORD_PROMPT).types("12344\x7f56")
        assert "gateway user  alice\nserver user   alice\n" in person.leaves()
        session_ended(demo.wait_for_disconnect())

    @pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
    def test_keys_that_hang_up(self, demo: Gateway, connect: LogIn, key: str) -> None:
        person = connect(demo).types("alice").sees(PASSWORD_PROMPT).presses(key)
        person.to_the_end()
        assert PAGE not in person.screen
        assert "user=alice" in session_ended(demo.wait_for_disconnect())

    def test_hanging_up_at_a_question(self, demo: Gateway, connect: LogIn) -> None:
        connect(demo).types("alice").sees(PASSWORD_PROMPT).hang_up()
        session_ended(demo.wait_for_disconnect())

    def test_hanging_up_before_the_name_opens_no_session(self, demo: Gateway, connect: LogIn) -> None:
        before = demo.printed.count(" telnet from ")
        connect(demo).hang_up()
        connect(demo).types("gu=alice@otp=123456@root").leaves()
        session_ended(demo.wait_for_disconnect())
        assert demo.printed.count(" telnet from ") == before + 1


PLAYER = r"""
class Plugin:
    def __init__(self, configuration):
        pass

    def authenticate(self, server_username, key_value_pairs):
        if server_username == "breaks":
            raise RuntimeError("what only the log may say")
        if "answer" not in key_value_pairs:
            return {"verdict": "NEEDINFO", "question": ["answer", "Grün\x1b[2J\x07\nor 密码? ", False]}
        return {"verdict": "DENY", "reason": "Zugang gesperrt für \x1b]0;title\x07\x9b31m Müller\nTwice"}

    def session_ended(self):
        print("Session ended")
"""


def test_any_plugin(connect: LogIn, tmp_path: Path) -> None:
    with Gateway("telnet", zip_of(PLAYER, tmp_path), tmp_path) as gateway:
        person = connect(gateway).types("root").sees("or 密码? ").types("yes")
        person.to_the_end()
        session_of_any_plugin_ended(gateway.wait_for_disconnect())
        assert after_the_name(person) == (
            "root\nGrün\\x1b[2J\\x07\nor 密码? yes\nZugang gesperrt für \\x1b]0;title\\x07\\x9b31m Müller\nTwice\n"
            "Connection closed by foreign host.\n"
        )
        broken = connect(gateway).types("breaks")
        broken.to_the_end()
        assert after_the_name(broken) == "breaks\nConnection closed by foreign host.\n"
        assert (
            "SPS ends the session: authenticate: RuntimeError: what only the log may say"
            in gateway.wait_for_disconnect()
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signal_ends_every_session(plugin_zip: Path, connect: LogIn, tmp_path: Path, number: int) -> None:
    with Gateway("telnet", plugin_zip, tmp_path, fork=True) as gateway:
        people = [connect(gateway) for _ in range(4)]
        people[1].types("alice").sees(PASSWORD_PROMPT)
        people[2].types("gu=alice@otp=123456@root").sees(LEAVE)
        people[3].types("pusha").sees(PASSWORD_PROMPT)
        gateway.read_until(r"\[3\] authenticate\n")
        people[3].types("")
        gateway.read_until(r"\[3\] authenticate\n")
        assert gateway.stop(number) == (0 if number == signal.SIGINT else 128 + number)
    assert gateway.printed.count("log: Session ended") == 3
    assert "Traceback" not in gateway.printed
    assert list(gateway.temporary.iterdir()) == []


def test_second_ctrl_c_kills_session_ended(connect: LogIn, tmp_path: Path) -> None:
    waits = PLAYER.replace('print("Session ended")', "import threading; threading.Event().wait()")
    with Gateway("telnet", zip_of(waits, tmp_path), tmp_path) as gateway:
        connect(gateway).types("root").sees("or 密码? ")
        gateway.process.send_signal(signal.SIGINT)
        gateway.read_until(r"\[1\] session_ended\n")
        assert gateway.stop() == 0
    assert "[1] session_ended: NoResult" in gateway.printed
    assert list(gateway.temporary.iterdir()) == []


class TestOtherClients:
    @pytest.fixture
    def client(self, demo: Gateway) -> Iterator[Any]:
        """A raw connection, as a file of bytes."""
        with socket.create_connection(("127.0.0.1", demo.port), SAFETY_LIMIT) as connection:
            with connection.makefile("rwb", buffering=0) as octets:
                yield octets

    @staticmethod
    def read_until(client: Any, end: bytes) -> bytes:
        """Return what the gateway sends until this."""
        seen = b""
        while not seen.endswith(end):
            octet = client.read(1)
            assert octet, seen
            seen += octet
        return seen

    def test_gateway_requests_echo_and_binary(self, demo: Gateway, client: Any) -> None:
        asked = self.read_until(client, USERNAME.encode("ascii"))
        assert asked == (
            bytes((IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD, IAC, WILL, BINARY, IAC, DO, BINARY)) + b"Username: "
        )

    def test_client_that_echoes_gets_a_warning(self, demo: Gateway, client: Any) -> None:
        self.read_until(client, USERNAME.encode("ascii"))
        client.write(bytes((IAC, DONT, ECHO)) + b"alice\r\n")
        said = self.read_until(client, PASSWORD_PROMPT.encode("ascii"))
        assert said == ("(Your client shows what you type.)\r\n" + PASSWORD_PROMPT).encode("ascii")
        client.write(b"123456\n")
        assert b"123456" not in self.read_until(client, LEAVE.encode("ascii") + b"\r\n")
        client.write(b"\n")
        assert client.read() == b""
        session_ended(demo.wait_for_disconnect())

    @pytest.mark.parametrize("enter", [b"\r\n", b"\r\0", b"\r", b"\n"], ids=["CR LF", "CR NUL", "CR", "LF"])
    def test_line_ends(self, demo: Gateway, client: Any, enter: bytes) -> None:
        client.write(bytes((IAC, DO, ECHO)) + b"alice" + enter + b"111111" + enter + b"123456" + enter)
        screen = self.read_until(client, LEAVE.encode("ascii") + b"\r\n")
        assert screen.count(PASSWORD_PROMPT.encode("ascii")) == 2
        client.write(enter)
        session_ended(demo.wait_for_disconnect())

    def test_interrupt_process_hangs_up(self, demo: Gateway, client: Any) -> None:
        client.write(b"alice\r\n")
        self.read_until(client, PASSWORD_PROMPT.encode("ascii"))
        client.write(bytes((IAC, 244)))
        assert client.read() == b""
        session_ended(demo.wait_for_disconnect())

    def test_name_that_is_not_utf_8_is_asked_for_again(self, demo: Gateway, client: Any) -> None:
        client.write(b"al\xedce\r\n")
        self.read_until(client, b"The input is not valid text. Try again: ")
        client.write(b"gu=alice@otp=123456@root\r\n")
        self.read_until(client, LEAVE.encode("ascii") + b"\r\n")
        client.write(b"\r\n")
        session_ended(demo.wait_for_disconnect())

    def test_endless_line(self, demo: Gateway, client: Any) -> None:
        client.write(bytes((IAC, DO, ECHO)) + b"a" * 5000)
        shown = self.read_until(client, b"a\a")
        assert shown.count(b"a") - USERNAME.count("a") == 4096
        client.write(b"\x15gu=alice@otp=123456@root\r")
        self.read_until(client, LEAVE.encode("ascii") + b"\r\n")
        client.write(b"\r")
        session_ended(demo.wait_for_disconnect())
