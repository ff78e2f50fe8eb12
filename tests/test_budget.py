"""Budgets on a clock that moves when it is told to."""

import math

import pytest

from audit.budget import Budget
from tests.planted import Clock


def test_a_budget_starts_when_it_is_made() -> None:
    clock = Clock(100.0)
    budget = Budget(60.0, clock)
    assert (budget.start, budget.spent, budget.left) == (100.0, 0.0, 60.0)
    clock.now = 125.0
    assert (budget.start, budget.spent, budget.left) == (100.0, 25.0, 35.0)


def test_nothing_is_left_after_the_end() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    for now, left in ((9.5, 0.5), (10.0, 0.0), (1e6, 0.0)):
        clock.now = now
        assert budget.left == left
        assert budget.spent == now


def test_nothing_is_left_once_interrupted() -> None:
    asked = []
    budget = Budget(10.0, Clock(), lambda: bool(asked))
    assert budget.left == 10.0
    asked.append("stop")
    assert budget.left == 0.0
    assert budget.spent == 0.0
    assert budget.seconds == 10.0


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_any_length(seconds) -> None:
    assert Budget(seconds, Clock()).left == seconds


def test_a_part_of_a_budget_has_a_start_of_its_own() -> None:
    clock = Clock()
    whole = Budget(10.0, clock)
    clock.now = 4.0
    half = Budget(whole.left / 2, clock)
    clock.now = 6.0
    assert (whole.left, half.left) == (4.0, 1.0)


@pytest.mark.parametrize(("asked", "given"), [(2.0, 2.0), (6.0, 6.0), (100.0, 6.0)])
def test_no_more_is_cut_off_than_is_left(asked, given) -> None:
    clock = Clock()
    whole = Budget(10.0, clock)
    clock.now = 4.0
    part = whole.part(asked)
    assert (part.seconds, part.spent, part.left) == (given, 0.0, given)
    clock.now = 5.0
    assert (whole.left, part.left) == (5.0, given - 1.0)


def test_a_part_is_interrupted_with_the_whole() -> None:
    asked = []
    part = Budget(10.0, Clock(), lambda: bool(asked)).part(3.0)
    asked.append("stop")
    assert part.left == 0.0
    assert part.part(1.0).seconds == 0.0


def test_rounds_have_no_end_in_time_and_their_parts_neither() -> None:
    clock, asked = Clock(), []
    part = Budget(math.inf, clock, lambda: bool(asked), rounds=2).part(math.inf)
    clock.now = 1e9
    assert (part.left, part.rounds, part.spent) == (math.inf, 2, 1e9)
    asked.append("stop")
    assert part.left == 0.0
