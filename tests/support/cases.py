"""One test for one idea with many cases: every failing case is reported, not only the first."""

import itertools
import traceback
from typing import Any, Callable, Iterable, List

import pytest


def for_each(**values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run a test with every combination of these arguments, then fail with the list of all that failed.

    Unlike with `pytest.mark.parametrize`, one idea stays one line of `pytest -v`.
    """
    combinations = [dict(zip(values, chosen)) for chosen in itertools.product(*values.values())]
    assert combinations, "a test without cases cannot fail"

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        def run_every_case() -> None:
            failures: List[str] = []
            for arguments in combinations:
                try:
                    test(**arguments)
                except (Exception, pytest.fail.Exception) as error:
                    failures.append(_describe(error, **arguments))
            assert not failures, f"{len(failures)} of {len(combinations)} cases fail:\n" + "\n".join(failures)

        run_every_case.__name__, run_every_case.__doc__ = test.__name__, test.__doc__
        run_every_case.__module__ = test.__module__
        return run_every_case

    return decorate


def _describe(error: BaseException, **arguments: object) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    lines = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}: {frame.line}"]
    lines += f"{type(error).__name__}: {error}".splitlines()
    case = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return "\n    ".join([case] + lines)
