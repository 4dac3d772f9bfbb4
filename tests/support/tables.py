"""Many cases in one test: every case runs, and the test fails with a list of those that failed."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Callable, Iterator, List, Mapping, Optional, Type

import pytest


class Cases:
    """Collects the failures of a table of cases, as a context manager around the loop.

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
            assert self._count, "the table has no case"
            failures = "\n".join(self._failures)
            assert not failures, f"{len(self._failures)} of {self._count} cases failed\n{failures}"

    @contextlib.contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Run the block as a case of this name; the loop continues if it fails."""
        self._count += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            self._failures.append(f"[{name}] {type(error).__name__}: {error}")

    def run_together(self, calls: Mapping[Any, Callable[[], None]]) -> None:
        """Run each call as a case, all at once in threads: for cases that wait for a timeout to expire."""
        with ThreadPoolExecutor(len(calls)) as pool:
            outcomes = [(name, pool.submit(call)) for name, call in calls.items()]
        for name, outcome in outcomes:
            with self.case(name):
                outcome.result()
