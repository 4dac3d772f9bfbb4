"""The option negotiation and the line editing of the Telnet gateway (RFC 854, 855, 857, 858)."""

from typing import List, Tuple

from hypothesis import given
from hypothesis import strategies as st

from simulator.telnet import BINARY, DO, DONT, ECHO, IAC, SB, SE, SUPPRESS_GO_AHEAD, WILL, WONT, Negotiation, press

NAWS, LINEMODE, STATUS = 31, 34, 5

# Octets from the client, the keys in them, and the gateway's answers.
NEGOTIATIONS = [
    (b"alice\r\n", b"alice\r\n", b""),
    (bytes((97, IAC, IAC, 98)), b"a\xffb", b""),
    # The gateway does not answer the answers to its own requests.
    (bytes((IAC, DO, ECHO, IAC, DO, SUPPRESS_GO_AHEAD, IAC, WILL, BINARY)), b"", b""),
    (bytes((IAC, DONT, ECHO, IAC, WONT, BINARY)), b"", b""),
    # It answers a change, and only once if the client repeats it.
    (bytes((IAC, DO, ECHO, IAC, DONT, ECHO, IAC, DONT, ECHO)), b"", bytes((IAC, WONT, ECHO))),
    (bytes((IAC, DONT, ECHO, IAC, DO, ECHO, IAC, DO, ECHO)), b"", bytes((IAC, WILL, ECHO))),
    (bytes((IAC, WILL, BINARY, IAC, WONT, BINARY)), b"", bytes((IAC, DONT, BINARY))),
    (bytes((IAC, WILL, SUPPRESS_GO_AHEAD)), b"", bytes((IAC, DO, SUPPRESS_GO_AHEAD))),
    # It refuses all other options.
    (bytes((IAC, WILL, NAWS, IAC, WILL, LINEMODE)), b"", bytes((IAC, DONT, NAWS, IAC, DONT, LINEMODE))),
    (bytes((IAC, DO, STATUS)), b"", bytes((IAC, WONT, STATUS))),
    (bytes((IAC, DONT, STATUS, IAC, WONT, NAWS)), b"", b""),
    # It ignores subnegotiations.
    (bytes((97, IAC, SB, 24, 0, 98, IAC, IAC, SE, IAC, SE, 99)), b"ac", b""),
    (bytes((IAC, SB, IAC, SE, 99)), b"c", b""),
    # Commands that stand for keys, and NOP.
    (bytes((97, IAC, 244, IAC, 247, IAC, 248, IAC, 236, IAC, 241, 98)), b"a\x03\x7f\x15\x04b", b""),
]

# Keys, the line that they edit, and the echo.
KEYS = [
    ("abc", "abc", "abc"),
    ("abc\x7f", "ab", "abc\b \b"),
    ("abc\b", "ab", "abc\b \b"),
    ("\x7f", "", ""),
    ("é\x7f", "", "é\b \b"),
    ("密\x7f", "", "密\b \b\b \b"),
    ("a\x01\x7f", "a", "a^A\b \b\b \b"),
    ("a密\x15b", "b", "a密\b \b\b \b\b \bb"),
    ("\x1b[A", "\x1b[A", "^[[A"),
]


def negotiate(*pieces: bytes) -> Tuple[bytes, bytes]:
    """Return the keys and the answers for the octets in these pieces."""
    negotiation = Negotiation()
    parts = [negotiation.receive(piece) for piece in pieces]
    return b"".join(keys for keys, _ in parts), b"".join(answers for _, answers in parts)


def split(octets: bytes) -> List[bytes]:
    """Return the octets one by one."""
    return [bytes((octet,)) for octet in octets]


def test_keys_and_answers() -> None:
    assert [(octets, *negotiate(octets)) for octets, _, _ in NEGOTIATIONS] == NEGOTIATIONS
    assert [(octets, *negotiate(*split(octets))) for octets, _, _ in NEGOTIATIONS] == NEGOTIATIONS


def test_gateway_echoes_only_if_the_client_lets_it() -> None:
    negotiation = Negotiation()
    assert not negotiation.echoes
    negotiation.receive(bytes((IAC, DO, ECHO)))
    assert negotiation.echoes
    negotiation.receive(bytes((IAC, DONT, ECHO)))
    assert not negotiation.echoes


@given(st.lists(st.lists(st.sampled_from([IAC, DO, DONT, WILL, WONT, SB, SE, ECHO, NAWS, 97, 244]), max_size=20)))
def test_pieces_do_not_matter(pieces: List[List[int]]) -> None:
    whole = negotiate(b"".join(bytes(piece) for piece in pieces))
    assert negotiate(*(bytes(piece) for piece in pieces)) == whole


@given(st.binary(max_size=200))
def test_negotiation_with_itself_ends(octets: bytes) -> None:
    one, other = Negotiation(), Negotiation()
    sent = octets
    for _ in range(4):
        sent = other.receive(one.receive(sent)[1])[1]
    assert sent == b""


def edit(keys: str) -> Tuple[str, str, str]:
    """Return the keys, the line that they edit, and the echo; check that both ends of a line end it."""
    octets, screen = b"", b""
    for key in keys.encode("utf-8"):
        pressed = press(octets, key)
        octets, screen = pressed.octets, screen + pressed.shown
        assert not pressed.done, repr(keys)
    assert press(octets, 13).done and press(octets, 10).done, repr(keys)
    return keys, octets.decode("utf-8"), screen.decode("utf-8")


def test_line_editing() -> None:
    assert [edit(keys) for keys, _, _ in KEYS] == KEYS
