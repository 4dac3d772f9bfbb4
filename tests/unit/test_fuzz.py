"""The fuzzer's target, without the fuzzer: over its corpus, over changes of it, and against clients that are wrong."""

import pathlib
import tracemalloc
from typing import Any, List

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fuzz import seeds, target
from lib import text
from lib.radius import mschap, packet
from tests.unit.test_packet import changed

FILES = sorted(path for path in seeds.CORPUS.iterdir())
SEEDS = st.sampled_from([path.read_bytes() for path in FILES])
MEMORY = 32 * 2**20  # octets, of one input; a character of a text takes 80 in passing


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_corpus(path: pathlib.Path) -> None:
    octets = path.read_bytes()
    assert len(octets) <= target.MAX_INPUT
    target.read(octets)


@pytest.mark.parametrize("name", sorted(seeds.BELIEVED) + sorted(seeds.DROPPED))
def test_seeds_are_in_the_corpus_and_what_their_names_say(name: str) -> None:
    octets = {**seeds.BELIEVED, **seeds.DROPPED}[name]
    assert (seeds.CORPUS / name).read_bytes() == octets, "run `python3 -m fuzz.seeds`"
    reply = target.verified(octets, target.request_for(octets), False, packet.LOGIN_CODES)
    assert (reply is not None) == (name in seeds.BELIEVED)
    if reply is not None:
        words = {packet.ACCESS_ACCEPT: "accept", packet.ACCESS_REJECT: "reject", packet.ACCESS_CHALLENGE: "challenge"}
        assert words[reply.code] in name


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_changes_of_the_corpus(data: st.DataObject) -> None:
    octets: bytes = data.draw(changed(data.draw(SEEDS)))
    tail: bytes = data.draw(SEEDS)
    times = data.draw(st.integers(0, 3))
    target.read((octets + tail[data.draw(st.integers(0, 60)) :] * times)[: target.MAX_INPUT])


@pytest.mark.parametrize(
    "chunk",
    [
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
    ],
    ids=lambda chunk: repr(chunk[:8]),
)
def test_memory_for_the_longest_input_is_bounded(chunk: bytes) -> None:
    header = bytes([packet.ACCESS_CHALLENGE, 0, packet.MAX_OCTETS >> 8, packet.MAX_OCTETS & 255]) + bytes(16)
    octets = (header + chunk * target.MAX_INPUT)[: target.MAX_INPUT]
    target.read(b"")  # what is imported and compiled once is not the input's
    tracemalloc.start()
    try:
        target.read(octets)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


verify, reply_message = packet.verify, text.reply_message


def unsigned(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe whatever has attributes."""
    return packet.Reply(octets[0], tuple(target.split(octets[20:])))


def never(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe nothing."""
    raise packet.Discarded(packet.MALFORMED_HEADER)


def unrequired(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Do without a Message-Authenticator."""
    return verify(octets, request, secret, False, codes)


def md5_alone(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe any Message-Authenticator."""
    if target.hashed(octets, request) != octets:
        raise packet.Discarded(packet.WRONG_AUTHENTICATOR)
    return verify(target.hashed(target.signed(octets, request), request), request, secret, required, codes)


def any_code(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Believe an answer to another question."""
    return verify(octets, request, secret, required, range(256))


def without_first(octets: bytes, request: bytes, secret: bytes, required: bool, codes: Any) -> packet.Reply:
    """Lose an attribute."""
    reply = verify(octets, request, secret, required, codes)
    return packet.Reply(reply.code, reply.attributes[1:])


def trusting(reply: packet.Reply, vendor: int, attribute: int) -> List[bytes]:
    """Read a vendor's attributes as if their lengths were right."""
    found = [value for value in reply.values(packet.VENDOR_SPECIFIC) if value[:4] == vendor.to_bytes(4, "big")]
    return [value[6:] for value in found if value[4] == attribute]


def raw(parts: List[bytes]) -> str:
    """Show what came."""
    return b"".join(parts).decode("latin-1")


def printable(parts: List[bytes]) -> str:
    """Drop the control characters of ASCII alone."""
    return "".join(char for char in raw(parts) if char >= " ")


def repeated(parts: List[bytes]) -> str:
    """Show it again and again."""
    return reply_message(parts) * 3


def strict(parts: List[bytes]) -> str:
    """Take all texts for UTF-8."""
    return text.safe(b"".join(parts).decode("utf-8"))


def as_documented(value: bytes) -> mschap.Error:
    """Take every MS-CHAP-Error for one that RFC 2759 describes."""
    return mschap.Error(int(value[2:5]), "Refused", value.partition(b" M=")[2])


def whoever_proved(success: str, value: bytes, identifier: int) -> bool:
    """Take any login's proof."""
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
    (mschap, "verify_success", whoever_proved),
]


@pytest.mark.parametrize("where, name, wrong", WRONG, ids=[getattr(each[2], "__name__", each[1]) for each in WRONG])
def test_target_notices_a_client_that_is_wrong(where: Any, name: str, wrong: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        for octets in {**seeds.BELIEVED, **seeds.DROPPED}.values():
            target.read(octets)
