"""A test over many cases fails if one of them fails, and lists every one that does."""

from typing import Callable

import pytest

from tests.support.cases import for_each


def failure(test: Callable[[], None]) -> str:
    """Return the text of a test's failure."""
    with pytest.raises(pytest.fail.Exception) as raised:
        test()
    return str(raised.value)


def test_every_failing_case_is_listed() -> None:
    @for_each(range(4))
    def check(number: int) -> None:
        assert number % 2 == 0

    text = failure(check)
    assert text.startswith("2 of 4 cases fail:\nnumber=1\n    line ")
    assert "\nnumber=3\n    line " in text and "AssertionError" in text
    assert "number=0" not in text and "number=2" not in text


def test_cases_of_several_parts_are_unpacked() -> None:
    seen = []

    @for_each([("a", 1), ("b", 2)])
    def check(text: str, number: int) -> None:
        seen.append((text, number))

    check()
    assert seen == [("a", 1), ("b", 2)]


def test_unexpected_exceptions_are_failures() -> None:
    @for_each(["x", "7"])
    def check(text: str) -> None:
        int(text)

    assert failure(check).startswith("1 of 2 cases fail:\ntext='x'\n    line ")


def test_missing_exceptions_are_failures() -> None:
    @for_each(["x", "7"])
    def check(text: str) -> None:
        with pytest.raises(ValueError):
            int(text)

    assert failure(check).startswith("1 of 2 cases fail:\ntext='7'\n    line ")


def test_long_cases_are_shortened() -> None:
    @for_each([bytes(70000)])
    def check(octets: bytes) -> None:
        assert not octets

    assert len(failure(check)) < 2000


def test_named_values_are_combined() -> None:
    seen = []

    @for_each(text="ab", number=(1, 2))
    def check(number: int, text: str) -> None:
        seen.append((text, number))

    check()
    assert seen == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_tables_that_do_not_fit_are_refused() -> None:
    def check(number: int) -> None:
        pass

    for decorate in (for_each([]), for_each(number=()), for_each(), for_each(text="a")):
        with pytest.raises(AssertionError):
            decorate(check)
