"""The targets of the fuzzer, run without it on its corpus, on changes of the corpus, and against wrong clients."""

import json
import traceback
import tracemalloc
from typing import Any, Dict, List

import hypothesis.strategies as st
from hypothesis import given
from pytest_mock import MockerFixture

from fuzz import configuration, cookies, replies, seeds
from lib import sdk, text
from lib.cli import check
from lib.config.ini import Problem
from lib.plugin import Plugin
from lib.radius import mschap, packet
from lib.session import SessionRecord
from tests.support.cookies import JSON
from tests.support.cookies import changed as changed_cookie
from tests.support.ini_texts import FILES, OUR_SECTIONS, SDK_SECTIONS, ini_texts
from tests.unit.test_packet import changed

TARGETS: Dict[str, Any] = {"replies": replies, "configuration": configuration, "cookies": cookies}
CORPORA = {name: {path.name: path.read_bytes() for path in sorted((seeds.CORPUS / name).iterdir())} for name in TARGETS}
CORPUS = CORPORA["replies"]
SEEDS = {**seeds.VALID, **seeds.DROPPED}
INPUTS = st.sampled_from(list(CORPUS.values()))
MEMORY = 32 * 2**20  # octets for one input; a character of text takes up to 80 while it is read


def test_every_rule_holds_for_the_corpus() -> None:
    failures = []
    for target, corpus in CORPORA.items():
        for name, octets in corpus.items():
            try:
                assert len(octets) <= TARGETS[target].MAX_INPUT
                TARGETS[target].read(octets)
            except Exception:
                failures.append(f"{target}/{name}\n{traceback.format_exc()}")
    assert not failures, "\n".join(failures)


def test_seeds_are_in_the_corpus() -> None:
    found = {target: {name: CORPORA[target].get(name) for name in inputs} for target, inputs in seeds.seeds().items()}
    assert found == seeds.seeds(), "run `python -m fuzz.seeds`"


def test_seeds_match_their_names() -> None:
    accepted: Dict[str, int] = {}
    for name, octets in SEEDS.items():
        reply = replies.verified(octets, replies.request_for(octets), False, packet.LOGIN_CODES)
        if reply is not None:
            accepted[name] = reply.code
    assert set(accepted) == set(seeds.VALID)
    words = {packet.ACCESS_ACCEPT: "accept", packet.ACCESS_REJECT: "reject", packet.ACCESS_CHALLENGE: "challenge"}
    assert [name for name, code in accepted.items() if words[code] not in name] == []


@given(st.data())
def test_every_rule_holds_for_changes_of_the_corpus(data: st.DataObject) -> None:
    octets: bytes = data.draw(changed(data.draw(INPUTS)))
    tail: bytes = data.draw(INPUTS)
    times = data.draw(st.integers(0, 3))
    replies.read((octets + tail[data.draw(st.integers(0, 60)) :] * times)[: replies.MAX_INPUT])


@given(FILES | ini_texts(OUR_SECTIONS + SDK_SECTIONS))
def test_every_rule_holds_for_any_configuration(text: str) -> None:
    configuration.read(text.encode("utf-8", "surrogatepass"))


@given(st.sampled_from(list(seeds.COOKIES.values())).flatmap(changed_cookie) | JSON)
def test_every_rule_holds_for_any_cookie(cookie: Any) -> None:
    cookies.read(json.dumps(cookie).encode("ascii"))


def test_memory_for_the_longest_input_is_bounded() -> None:
    chunks = [
        b"\x12\x02",
        b"\x12\x04\x1b]",
        b"\x1a\x06\0\0\1\x37",
        b"\x1a\xff\0\0\1\x37" + b"\2\3x" * 83,
        b"\x1a\x08\0\0\1\x37\2\0",
        b"\x1b[",
        b"\x1b]",
        b"\x90",
        b"\n",
        b"\xff",
        b"\xe2\x80",
        "\U0001f511".encode("utf-8"),
        b"E=",
        b" M=",
        b"E=6 M=",
    ]
    header = bytes([packet.ACCESS_CHALLENGE, 0, packet.MAX_OCTETS >> 8, packet.MAX_OCTETS & 255]) + bytes(16)
    inputs = {chunk: (header + chunk * replies.MAX_INPUT)[: replies.MAX_INPUT] for chunk in chunks}
    peaks = {}
    replies.read(b"")  # imports and compiled patterns take memory once, whatever the input is
    for chunk, octets in inputs.items():
        tracemalloc.start()
        try:
            replies.read(octets)
            peaks[chunk] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert {chunk: peak for chunk, peak in peaks.items() if peak >= MEMORY} == {}


verify, reply_message = packet.verify, text.reply_message


def unsigned(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe every reply that has attributes."""
    return packet.Reply(octets[0], tuple(replies.split(octets[20:])))


def never(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe no reply."""
    raise packet.Discarded(packet.MALFORMED_HEADER)


def unrequired(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Never require a Message-Authenticator."""
    return verify(octets, request, secret, False, codes)


def md5_alone(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe any Message-Authenticator."""
    if replies.hashed(octets, request) != octets:
        raise packet.Discarded(packet.WRONG_AUTHENTICATOR)
    return verify(replies.hashed(replies.signed(octets, request), request), request, secret, required, codes)


def any_code(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe a reply of any code."""
    return verify(octets, request, secret, required, range(256))


def without_first(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Lose the first attribute."""
    reply = verify(octets, request, secret, required, codes)
    return packet.Reply(reply.code, reply.attributes[1:])


def trusting(reply: packet.Reply, vendor: int, attribute: int) -> List[bytes]:
    """Read a vendor's attributes as if their lengths were right."""
    found = [value for value in reply.values(packet.VENDOR_SPECIFIC) if value[:4] == vendor.to_bytes(4, "big")]
    return [value[6:] for value in found if value[4] == attribute]


def raw(parts: List[bytes]) -> str:
    """Show the octets unchanged."""
    return b"".join(parts).decode("latin-1")


def printable(parts: List[bytes]) -> str:
    """Remove only the control characters of ASCII."""
    return "".join(char for char in raw(parts) if char >= " ")


def repeated(parts: List[bytes]) -> str:
    """Show the text three times."""
    return reply_message(parts) * 3


def strict(parts: List[bytes]) -> str:
    """Expect every text to be UTF-8."""
    return text.safe(b"".join(parts).decode("utf-8"))


def as_documented(value: bytes) -> mschap.Error:
    """Expect every MS-CHAP-Error to have the format of RFC 2759."""
    return mschap.Error(int(value[2:5]), "Refused", value.partition(b" M=")[2])


def proved_by_any_login(success: str, value: bytes, identifier: int) -> bool:
    """Accept the proof of any login."""
    return success.encode("ascii") in value


WRONG = [
    (packet, "verify", unsigned),
    (packet, "verify", never),
    (packet, "verify", unrequired),
    (packet, "verify", md5_alone),
    (packet, "verify", any_code),
    (packet, "verify", without_first),
    (packet, "PROXY_STATE", 255),
    (packet.Reply, "vendor_values", trusting),
    (packet.Reply, "state", property(lambda self: next(iter(self.values(packet.STATE)), None))),
    (packet.Reply, "echo", property(lambda self: any(self.values(packet.PROMPT)))),
    (text, "reply_message", raw),
    (text, "reply_message", repeated),
    (text, "reply_message", strict),
    (text, "reply_message", printable),
    (mschap, "parse_error", as_documented),
    (mschap, "verify_success", proved_by_any_login),
]


def quoting(ini: Any, credential: Any, trusted_ca: Any = None) -> Any:
    """Show a stored password in a problem."""
    return None, (Problem(True, "radius", "secret", "is " + configuration.SECRET),)


def believing(entries: Any) -> Any:
    """Take any cookie for a record that needs no decoding."""
    return entries.get("radius_session")


def accepting(plugin: Any, *_: Any, **__: Any) -> Any:
    """Admit every user."""
    return {"verdict": "ACCEPT"}


WRONG_ELSEWHERE = [
    (configuration, configuration, "build", quoting),
    (configuration, check, "findings", lambda text: []),
    (cookies, SessionRecord, "from_cookie", believing),
    (cookies, Plugin, "authenticate", accepting),
    (cookies, sdk, "_is_valid", lambda cookie, in_login: True),
]


def test_wrong_clients_are_noticed(mocker: MockerFixture) -> None:
    unnoticed = []
    for where, name, wrong in WRONG:
        mocker.patch.object(where, name, wrong)
        try:
            for octets in SEEDS.values():
                replies.read(octets)
        except (AssertionError, ValueError, IndexError):
            pass
        else:
            unnoticed.append((name, getattr(wrong, "__name__", wrong)))
        mocker.stopall()
    for target, where, name, wrong in WRONG_ELSEWHERE:
        corpus = CORPORA[{configuration: "configuration", cookies: "cookies"}[target]]
        mocker.patch.object(where, name, wrong)
        try:
            for octets in corpus.values():
                target.read(octets)
        except Exception:
            pass
        else:
            unnoticed.append((name, getattr(wrong, "__name__", wrong)))
        mocker.stopall()
    assert unnoticed == []
