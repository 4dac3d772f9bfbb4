"""One test for one idea with many cases: every failing case is reported, not only the first."""

import contextlib
import functools
import inspect
import itertools
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Tuple, Type

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

    def __exit__(
        self,
        exception_type: Optional[Type[BaseException]],
        exception: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
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
            self._failures.append(_description(name, error))

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


def _description(case: Any, error: BaseException) -> str:
    shown = repr(case)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    line = traceback.extract_tb(error.__traceback__)[:2][-1].lineno  # in the check, or here if it was not called
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return "{}\n    line {}: {}".format(shown, line, text.replace("\n", "\n    "))
