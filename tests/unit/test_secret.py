"""A secret that is shown, logged or raised by accident does not reveal itself."""

import json
import logging
import traceback
from typing import Any, Callable, NamedTuple, Tuple

from lib.secret import Secret

HIDDEN = "xyzzy5461"


class Holder(NamedTuple):
    """Something that holds a secret among other things."""

    name: str
    secret: Secret


def log_line(secret: Secret) -> str:
    return logging.LogRecord("plugin", logging.INFO, "file", 1, "secret=%s %r", (secret, secret), None).getMessage()


def error_of(call: Callable[..., Any], *arguments: Any) -> BaseException:
    """Return what a call raises."""
    try:
        return AssertionError(f"no error, but {call(*arguments)!r}")
    except Exception as error:
        return error


def test_no_way_to_show_it_shows_the_text() -> None:
    ways: Tuple[Callable[[Secret], str], ...] = (
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
    )
    shown = [way(Secret(HIDDEN)) for way in ways]
    assert [text for text in shown if "<secret>" not in text or HIDDEN in text] == []


def test_use_as_another_type_fails_without_showing_the_text() -> None:
    uses: Tuple[Callable[[Any], Any], ...] = (
        json.dumps,
        vars,
        "".join,
        lambda secret: "secret: " + secret,
        "{:>20}".format,
    )
    errors = [error_of(use, Secret(HIDDEN)) for use in uses]
    assert [type(error) for error in errors] == [TypeError] * len(uses)
    assert HIDDEN not in "".join(line for error in errors for line in traceback.format_exception(None, error, None))


def test_reveal_is_the_only_way_to_the_text() -> None:
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_octets_are_utf_8() -> None:
    octets = {"": b"", "abc": b"abc", "pässwörd": b"p\xc3\xa4ssw\xc3\xb6rd", "\U0001f511\0": b"\xf0\x9f\x94\x91\0"}
    assert {text: Secret(text).octets() for text in octets} == octets


def test_text_that_utf_8_cannot_encode_has_no_octets() -> None:
    errors = [error_of(Secret(text).octets) for text in ("\ud800", HIDDEN + "\udcff", "\udc00" + HIDDEN)]
    # Neither the error nor its cause is the UnicodeEncodeError, which keeps the whole text.
    expected = (ValueError, "holds characters that UTF-8 cannot encode", None, None)
    assert [(type(error), str(error), error.__context__, error.__cause__) for error in errors] == [expected] * 3


def test_only_an_empty_secret_is_false() -> None:
    truth = {"": False, " ": True, "0": True, "\0": True}
    assert {text: bool(Secret(text)) for text in truth} == truth


def test_secrets_are_equal_if_their_texts_are() -> None:
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert hash(Secret(HIDDEN)) == hash(Secret(HIDDEN))
    assert Secret(HIDDEN) != Secret(HIDDEN + " ")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_secret_equals_only_another_secret() -> None:
    for other in (HIDDEN, HIDDEN.encode(), None, (HIDDEN,)):
        pair: Tuple[object, object] = (Secret(HIDDEN), other)
        assert pair[0] != pair[1] and pair[1] != pair[0]
