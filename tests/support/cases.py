"""One test for one idea with many cases: every failing case is reported, not only the first."""

import functools
import inspect
import itertools
import traceback
from typing import Any, Callable, Iterable, List, Optional, Tuple

import pytest

_MAX_SHOWN = 300  # characters of a case in a failure


def for_each(
    cases: Optional[Iterable[Any]] = None, **values: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run a test with each of the cases, then fail with the list of all that failed.

    A test with one parameter takes each case as it is; a test with several takes the parts of each. With keywords in
    place of cases, the test takes every combination of the values. Fixtures are not supported. Unlike with
    `pytest.mark.parametrize`, one idea stays one line of `pytest -v`.
    """
    table = list(itertools.product(*values.values()) if cases is None else cases)
    assert table, "no cases"

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        parameters = list(values) or list(inspect.signature(check).parameters)
        takes_whole_case = cases is not None and len(parameters) == 1

        @functools.wraps(check)
        def test() -> None:
            failures: List[str] = []
            for case in table:
                arguments: Tuple[Any, ...] = (case,) if takes_whole_case else case
                try:
                    check(**dict(zip(parameters, arguments)))
                except (Exception, pytest.fail.Exception) as error:
                    failures.append(_description(case, error))
            if failures:
                heading = f"{len(failures)} of {len(table)} cases fail:"
                pytest.fail("\n".join([heading] + failures), pytrace=False)

        test.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # pytest takes parameters for fixtures
        return test

    return decorate


def _description(case: Any, error: BaseException) -> str:
    shown = repr(case)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    line = traceback.extract_tb(error.__traceback__)[:2][-1].lineno  # in the check, or here if it was not called
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return "{}\n    line {}: {}".format(shown, line, text.replace("\n", "\n    "))
