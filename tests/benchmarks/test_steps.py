"""The cost of a step, on planted problems: what is run, and that ratios are of what was timed."""

import pytest

from audit.attacks import BATTERY, Method
from tests.benchmarks import steps
from tests.benchmarks.steps import costs
from tests.planted import observation, small_network

DESCENDING = [attack for attack in BATTERY if attack.method is Method.DESCENT]


@pytest.mark.parametrize(("outputs", "candidates"), [(1, 12), (4, 12), (5, 15)])
@pytest.mark.parametrize("attack", DESCENDING, ids=[attack.id for attack in DESCENDING])
def test_every_attack_is_run_with_two_candidates_per_direction(
    attack, outputs, candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "STEPS", 3)
    found = costs(attack, observation(small_network(outputs, 2, "all", hidden=20)), repeats=1)
    if attack.id != "kkt-margin":
        candidates = 12
    assert (found["attack"], found["rank"], found["candidates"]) == (attack.id, 6, 8 * candidates)
    assert found["double_backward_ms"] > 0.0


def test_the_ratio_is_that_of_the_median_pair_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = iter([9.0, 0.004, 0.002, 0.001])
    monkeypatch.setattr(steps, "_seconds_of_descent", lambda plan, problem: 0.5 + 0.002 * plan.steps)
    monkeypatch.setattr(steps, "_seconds_of_double_backward", lambda plan, problem: next(plain))
    found = costs(BATTERY[0], observation(small_network()), repeats=3)
    assert (found["step_ms"], found["double_backward_ms"], found["ratio"]) == (2.0, 2.0, 1.0)
    assert next(plain, None) is None
