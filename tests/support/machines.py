"""State machines of Hypothesis, and what their runs must reach."""

from collections import Counter
from typing import Any, Set, Type

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_MOST_RUNS = 20


def run_and_reach(
    machine: Type[RuleBasedStateMachine], expected: Set[str], reached: "Counter[str]", **options: Any
) -> None:
    """Run a machine until it has reached all that is expected, since its steps are random.

    `reached` is what the machine counts, `options` are settings of Hypothesis.
    """
    reached.clear()
    for _ in range(_MOST_RUNS):
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            machine, settings=settings(deadline=None, **options)
        )
        if expected <= set(+reached):
            break
    assert expected - set(+reached) == set()
