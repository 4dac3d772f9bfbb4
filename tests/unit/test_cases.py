"""A test over many cases fails if one of them fails, and lists every one that does."""

from functools import partial
from typing import Callable

import pytest

from tests.support.cases import Cases, for_each


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


def test_every_failing_case_in_a_loop_is_listed() -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        with Cases() as cases:
            for number in range(5):
                with cases.case(f"number {number}"):
                    assert number % 2 == 0
            with cases.case("error"):
                raise ValueError("wrong")
            with cases.case("nothing raised"), pytest.raises(KeyError):
                pass
    text = str(caught.value)
    assert "4 of 7 cases fail:" in text
    for name in ("number 1", "number 3", "ValueError: wrong", "nothing raised"):
        assert name in text
    assert "number 2" not in text


def test_table_without_cases_fails() -> None:
    with pytest.raises(AssertionError, match="no case"):
        with Cases():
            pass


def test_error_outside_a_case_is_raised() -> None:
    with pytest.raises(ValueError):
        with Cases() as cases:
            with cases.case("failed"):
                raise KeyError()
            raise ValueError()


def test_cases_that_run_together_are_listed_too() -> None:
    def check(number: int) -> None:
        assert number != 2

    with pytest.raises(pytest.fail.Exception, match=r"1 of 3 cases fail:\n2\n"):
        with Cases() as cases:
            cases.run_together({number: partial(check, number) for number in range(1, 4)})
