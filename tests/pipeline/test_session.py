"""What came of the battery, and which of its equations came down furthest."""

import math
from typing import Any

import torch

from audit.attacks import BATTERY
from audit.battery import AttackSkipped, prepare
from audit.pipeline.session import Attacked, Session
from audit.request.request import Request
from tests.pipeline.outcomes import ATTACKS, noise, ran
from tests.planted import observation, small_network


def attacked(losses: dict[str, float]) -> Attacked:
    seen = observation(small_network(1, 2, "none", 6, 5, dtype=torch.float64, activation="relu"))
    outcomes: list[Any] = [AttackSkipped(ATTACKS["gradient"], "no gradient")]
    for name, loss in losses.items():
        outcome = ran(name, noise(2))
        outcome.losses[:] = loss
        outcomes.append(outcome)
    return Attacked(prepare(seen, BATTERY), outcomes)


def test_the_equations_are_those_of_attacks_that_ran() -> None:
    found = attacked({"kkt-margin": 0.2, "kkt-loss": 0.1})
    assert [equation.attack.id for equation in found.equations] == ["kkt-margin", "kkt-loss"]
    assert found.least is found.equations[1]


def test_of_equal_losses_the_first_in_the_battery_counts() -> None:
    found = attacked({"kkt-margin": 0.1, "kkt-loss": 0.1})
    assert found.least is found.equations[0]


def test_where_no_attack_ran_there_is_none() -> None:
    found = attacked({})
    assert (found.equations, found.least) == ([], None)


def test_a_budget_is_counted_by_the_clock_of_the_session_and_ends_with_an_interrupt() -> None:
    now, stop = [0.0], [False]
    nothing: Any = None
    request = Request.of("model.pt")
    session = Session(request, nothing, nothing, lambda: now[-1], lambda: stop[-1])
    budget = session.budget(10.0)
    now.append(4.0)
    assert budget.left == 6.0
    stop.append(True)
    assert budget.left == 0.0


def test_where_rounds_are_counted_no_budget_ends_by_the_clock() -> None:
    nothing: Any = None
    session = Session(Request.of("model.pt", rounds=3), nothing, nothing, lambda: 1e9, lambda: False)
    budget = session.budget(10.0)
    assert (budget.left, budget.rounds) == (math.inf, 3)
