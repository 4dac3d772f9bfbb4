"""State machines of Hypothesis, and what their runs must reach."""

from collections import Counter
from typing import Any, Set, Type

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_RUNS, _MOST_RUNS = 3, 20


def run_and_reach(
    machine: Type[RuleBasedStateMachine], expected: Set[str], reached: "Counter[str]", **options: Any
) -> None:
    """Run a machine three times, and then until it has reached all that is expected, since its steps are random.

    `reached` is what the machine counts, `options` are settings of Hypothesis.
    """
    reached.clear()
    for number in range(_MOST_RUNS):
        if number >= _RUNS and expected <= set(+reached):
            break
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            machine, settings=settings(deadline=None, **options)
        )
    assert expected - set(+reached) == set()
