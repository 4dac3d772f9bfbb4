"""Check many cases of one idea in one test."""

import functools
import inspect
import traceback
from typing import Any, Callable, Iterable

import pytest

_MAX_SHOWN = 300  # characters of a case in a failure


def for_each(cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Turn a test with parameters into one that runs every case and lists all those that fail.

    A test with one parameter takes each case as it is; a test with several takes the parts of each. Fixtures are not
    supported.
    """
    table = list(cases)
    assert table, "no cases"

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        one_parameter = len(inspect.signature(check).parameters) == 1

        @functools.wraps(check)
        def test() -> None:
            failures = []
            for case in table:
                try:
                    check(*((case,) if one_parameter else case))
                except (Exception, pytest.fail.Exception) as error:
                    failures.append(_described(case, error))
            if failures:
                heading = "{} of {} cases fail:".format(len(failures), len(table))
                pytest.fail("\n".join([heading] + failures), pytrace=False)

        test.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # pytest takes parameters for fixtures
        return test

    return decorate


def _described(case: Any, error: BaseException) -> str:
    shown = repr(case)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    line = traceback.extract_tb(error.__traceback__)[:2][-1].lineno  # in the check, or here if it was not called
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    return "{}\n    line {}: {}".format(shown, line, what.replace("\n", "\n    "))
