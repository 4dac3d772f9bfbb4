"""A secret that is shown, logged or raised by accident does not show itself."""

import json
import logging
import traceback
from typing import Any, Callable, NamedTuple, Tuple

import pytest

from lib.secret import Secret

HIDDEN = "xyzzy5461"


class Holder(NamedTuple):
    """Something that holds a secret among other things."""

    name: str
    secret: Secret


def log_line(secret: Secret) -> str:
    return logging.LogRecord("plugin", logging.INFO, "file", 1, "secret=%s %r", (secret, secret), None).getMessage()


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        "{}".format,
        "{0!r} {0!s}".format,
        lambda secret: "%s %r" % (secret, secret),
        lambda secret: f"{secret} {secret!r}",
        lambda secret: repr([secret, {"key": secret}, Holder("name", secret)]),
        lambda secret: str(ValueError(secret)) + repr(ValueError("wrong", secret)),
        log_line,
    ],
)
def test_showing_it_does_not_show_it(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(HIDDEN))
    assert "<secret>" in shown
    assert HIDDEN not in shown


@pytest.mark.parametrize("take", [json.dumps, vars, "".join, lambda secret: "secret: " + secret, "{:>20}".format])
def test_what_cannot_be_done_with_it_fails_without_showing_it(take: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as raised:
        take(Secret(HIDDEN))
    assert HIDDEN not in "".join(traceback.format_exception(raised.type, raised.value, None))


def test_reveal_is_the_one_way_to_the_text() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


@pytest.mark.parametrize(
    "text, octets",
    [("", b""), ("abc", b"abc"), ("pässwörd", b"p\xc3\xa4ssw\xc3\xb6rd"), ("\U0001f511\0", b"\xf0\x9f\x94\x91\0")],
)
def test_octets_are_utf_8(text: str, octets: bytes) -> None:
    assert Secret(text).octets() == octets


@pytest.mark.parametrize("text", ["\ud800", HIDDEN + "\udcff", "\udc00" + HIDDEN])
def test_octets_of_what_utf_8_cannot_encode(text: str) -> None:
    with pytest.raises(ValueError) as raised:
        Secret(text).octets()
    # Neither it nor what it came from is the UnicodeEncodeError, which keeps the whole text.
    assert type(raised.value) is ValueError
    assert raised.value.__context__ is None and raised.value.__cause__ is None
    assert str(raised.value) == "holds characters that UTF-8 cannot encode"


@pytest.mark.parametrize("text, true", [("", False), (" ", True), ("0", True), ("\0", True)])
def test_only_an_empty_one_is_false(text: str, true: bool) -> None:
    assert bool(Secret(text)) is true


def test_equality_is_that_of_the_texts() -> None:
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert hash(Secret(HIDDEN)) == hash(Secret(HIDDEN))
    assert Secret(HIDDEN) != Secret(HIDDEN + " ")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.parametrize("other", [HIDDEN, HIDDEN.encode(), None, (HIDDEN,)])
def test_it_equals_nothing_but_a_secret(other: object) -> None:
    pair: Tuple[object, object] = (Secret(HIDDEN), other)
    assert pair[0] != pair[1] and pair[1] != pair[0]
