"""The helper for tables of cases fails when a case fails, and names every one that did."""

from functools import partial

import pytest

from tests.support.tables import Cases


def test_every_failed_case_is_listed() -> None:
    with pytest.raises(AssertionError) as caught:
        with Cases() as cases:
            for number in range(5):
                with cases.case(f"number {number}"):
                    assert number % 2 == 0
            with cases.case("error"):
                raise ValueError("wrong")
            with cases.case("nothing raised"), pytest.raises(KeyError):
                pass
    text = str(caught.value)
    assert "4 of 7 cases failed" in text
    for name in ("[number 1]", "[number 3]", "[error] ValueError: wrong", "[nothing raised]"):
        assert name in text
    assert "[number 2]" not in text


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

    with pytest.raises(AssertionError, match=r"1 of 3 cases failed\n\[2\]"):
        with Cases() as cases:
            cases.run_together({number: partial(check, number) for number in range(1, 4)})
