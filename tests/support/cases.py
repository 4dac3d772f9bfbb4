"""One test for one idea with many cases: every failing case is reported, not only the first."""

import functools
import inspect
import itertools
import traceback
from typing import Any, Callable, Dict, Iterable, List, Optional

import pytest

_MAX_SHOWN = 300  # characters of a case in a failure


def for_each(
    cases: Optional[Iterable[Any]] = None, **values: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Turn a test with parameters into one that runs every case and lists all those that fail.

    `cases` has the arguments of each case: as they are for a test with one parameter, else as a tuple. `values` by the
    parameters' names stand for all their combinations. Unlike with `pytest.mark.parametrize`, one idea stays one line
    of `pytest -v`. Fixtures are not supported.
    """

    def decorate(check: Callable[..., None]) -> Callable[[], None]:
        names = list(inspect.signature(check).parameters)
        if cases is None:
            table = [dict(zip(values, chosen)) for chosen in itertools.product(*values.values())]
        else:
            table = [dict(zip(names, (case,) if len(names) == 1 else case)) for case in cases]
        assert table, "no cases"
        for case in table:
            assert sorted(case) == sorted(names), f"{check.__name__} takes {names}"

        @functools.wraps(check)
        def test() -> None:
            failures: List[str] = []
            for case in table:
                try:
                    check(**case)
                except (Exception, pytest.fail.Exception) as error:
                    failures.append(_described(case, error))
            if failures:
                heading = f"{len(failures)} of {len(table)} cases fail:"
                pytest.fail("\n".join([heading] + failures), pytrace=False)

        test.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # pytest takes parameters for fixtures
        return test

    return decorate


def _described(case: Dict[str, Any], error: BaseException) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in case.items())
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    line = traceback.extract_tb(error.__traceback__)[:2][-1].lineno  # in the check, or here if it was not called
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    return "{}\n    line {}: {}".format(shown, line, what.replace("\n", "\n    "))
