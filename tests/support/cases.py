"""One test for one idea with many cases: every failing case is reported, not only the first."""

import contextlib
import functools
import inspect
import itertools
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional

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
                    failures.append(_described(", ".join(f"{name}={value!r}" for name, value in case.items()), error))
            _fail(failures, len(table))

        test.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # pytest takes parameters for fixtures
        return test

    return decorate


class Cases:
    """The same as a context manager around a loop, for cases that share a server or that run together.

    with Cases() as cases:
        for name, octets in TABLE.items():
            with cases.case(name):
                assert ...
    """

    def __init__(self) -> None:
        self._count = 0
        self._failures: List[str] = []

    def __enter__(self) -> "Cases":
        return self

    def __exit__(self, kind: object, exception: Optional[BaseException], trace: object) -> None:
        if exception is None:
            assert self._count, "no cases"
            _fail(self._failures, self._count)

    @contextlib.contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Run the block as a case of this name; the loop continues if it fails."""
        self._count += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            self._failures.append(_described(str(name), error))

    def run_together(self, calls: Mapping[Any, Callable[[], None]]) -> None:
        """Run each call as a case, all at once in threads: for cases that wait for a timeout to expire."""
        with ThreadPoolExecutor(len(calls)) as pool:
            outcomes = [(name, pool.submit(call)) for name, call in calls.items()]
        for name, outcome in outcomes:
            with self.case(name):
                outcome.result()


def _fail(failures: List[str], count: int) -> None:
    if failures:
        pytest.fail("\n".join([f"{len(failures)} of {count} cases fail:"] + failures), pytrace=False)


def _described(shown: str, error: BaseException) -> str:
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    line = traceback.extract_tb(error.__traceback__)[:2][-1].lineno  # in the check, or here if it was not called
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    return "{}\n    line {}: {}".format(shown, line, what.replace("\n", "\n    "))
