"""Restarts: how many candidates, how many batches, when to stop, and what is pooled."""

import math
from dataclasses import replace

import pytest
import torch

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve import restarts
from audit.solve.base import Solution, Splitting, Status
from audit.solve.descent import Descent
from audit.solve.restarts import Restarts, make_plan, pool
from audit.solve.splitting import SampleSplitting
from tests.helpers import silent
from tests.planted import Clock, costing, generator, planted_problem


def on_a_clock(given, cost=1.0):
    clock = Clock()
    return clock, replace(given.problem, objective=costing(given.problem.objective, clock, cost))


def solve(
    given, seconds, cost=1.0, classes=2, seed=0, watch=silent, interrupted=lambda: False, splitting=True
):
    clock, problem = on_a_clock(given, cost)
    budget = Budget(seconds, clock, interrupted)
    solver = Restarts(make_plan(problem, budget, classes, splitting=splitting))
    return solver.minimise(problem, budget, generator(seed), watch), clock.now


# How many candidates


@pytest.mark.parametrize(
    ("outputs", "samples", "classes", "expected"),
    [(1, 5, 2, 12), (1, 4, 2, 8), (1, 3, 2, 8), (3, 5, 3, 12), (4, 6, 4, 16), (10, 4, 10, 20)],
)
@pytest.mark.parametrize("splitting", [True, False])
def test_half_the_candidates_are_one_per_direction_and_a_multiple_of_the_classes(
    outputs, samples, classes, expected, splitting
) -> None:
    given = planted_problem(outputs, samples=samples)
    assert given.space.rank == samples
    found, _ = solve(given, seconds=50.0, classes=classes, splitting=splitting)
    assert len(found.candidates) == expected
    for half in found.candidates.labels.chunk(2):
        assert torch.bincount(half).tolist() == [expected // 2 // classes] * classes


def test_a_head_without_labels_needs_no_classes() -> None:
    given = planted_problem()
    clock = Clock()
    objective = replace(given.problem.objective, readout=lambda outputs, labels: outputs)
    problem = replace(given.problem, objective=costing(objective, clock), labels=lambda count: None)
    budget = Budget(50.0, clock)
    plan = make_plan(problem, budget, classes=0, splitting=True)
    found = Restarts(plan).minimise(problem, budget, generator(), silent)
    assert found.candidates.labels is None
    assert len(found.candidates) == 2 * given.space.rank


# Splitting


@pytest.mark.parametrize(("share", "splitting"), [(0.7, True), (2.2, False), (2.2, True)])
def test_candidates_are_split_where_asked_for_and_where_there_is_time(share, splitting) -> None:
    found, _ = solve(planted_problem(), share * restarts._WORTH_SPLITTING, splitting=splitting)
    assert found.steps > 0
    assert (found.splitting is not None) == (splitting and share > 1.0)
    if found.splitting is not None:
        before = found.splitting.before
        assert before.inputs.shape == found.candidates.inputs.shape
        assert found.splitting.rounds.shape == found.splitting.splits.shape == found.losses.shape
        assert found.splitting.splits.sum() > 0


def test_splitting_changes_neither_how_many_restarts_there_are_nor_how_long_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans = []

    def minimise(solver, problem, *rest):
        plans.append(solver.solver if isinstance(solver, SampleSplitting) else solver)
        return whole(plans[-1], problem, *rest)

    whole = Descent.minimise
    monkeypatch.setattr(SampleSplitting, "minimise", minimise)
    monkeypatch.setattr(restarts, "_WORTH_SPLITTING", 10)
    (split, _), (plain, _) = (solve(planted_problem(), 90.0, splitting=given) for given in (True, False))
    assert plans
    assert torch.equal(split.candidates.inputs, plain.candidates.inputs)


# The budget


def test_a_slow_network_gets_one_restart_at_a_time() -> None:
    found, _ = solve(planted_problem(), seconds=200.0)
    assert found.restarts == 1
    assert found.candidates.inputs.shape[0] == 1


@pytest.mark.parametrize("seconds", [100.0, 200.0, 500.0])
def test_it_fills_the_budget_and_stops_at_its_end(seconds) -> None:
    found, spent = solve(planted_problem(), seconds)
    assert found.status is Status.BUDGET
    assert 0.8 * seconds <= spent <= seconds + 12  # what one descent evaluates besides its steps
    assert 0 < found.steps <= spent


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.0, 15.0, 30.0])
def test_a_budget_too_short_for_a_probe_returns_usable_candidates(seconds) -> None:
    found, spent = solve(planted_problem(), seconds)
    assert found.status is Status.BUDGET
    assert spent < seconds + 40
    assert torch.isfinite(found.candidates.inputs).all()
    assert len(found.candidates) == 12


def test_it_stops_when_the_user_breaks_off() -> None:
    heard = []
    given = planted_problem()
    found, spent = solve(
        given, 1e6, watch=lambda *event: heard.append(event), interrupted=lambda: len(heard) >= 2
    )
    assert found.status is Status.INTERRUPTED
    assert len(heard) == 2
    assert spent < 5000
    assert torch.isfinite(found.candidates.inputs).all()


@pytest.mark.parametrize("calls", range(0, 40, 3))
def test_it_can_be_interrupted_at_any_moment(calls) -> None:
    asked = []

    def interrupted():
        asked.append(1)
        return len(asked) > calls

    found, _ = solve(planted_problem(), 100.0, interrupted=interrupted)
    assert found.status is Status.INTERRUPTED
    assert torch.isfinite(found.candidates.inputs).all()


# What a step costs


def descents(
    monkeypatch: pytest.MonkeyPatch, *slices, cost=0.001, most=8, error=MemoryError, breaks=1, rounds=None
):
    """(restarts, steps) of every descent, in as many slices, whose steps take `cost` seconds a restart.

    More than `most` restarts do not fit, from schedules of `breaks` steps on.
    """
    clock, asked = Clock(), []

    def minimise(descent, problem, budget, generator, watch):
        asked[-1].append((descent.restarts, descent.steps))
        if descent.restarts > most and descent.steps >= breaks:
            raise error
        each = cost * descent.restarts
        taken = math.ceil(min(descent.steps, budget.left / each))
        clock.now += each * taken
        values = torch.zeros(descent.restarts, descent.count, 1)
        steps = taken * descent.restarts
        return Solution(Candidates(values, values, None), values[:, 0, 0], Status.BUDGET, steps, ())

    monkeypatch.setattr(Descent, "minimise", minimise)
    plan, problem = None, planted_problem().problem
    for seconds in slices:
        asked.append([])
        budget = Budget(seconds, clock, rounds=rounds)
        plan = make_plan(problem, budget, classes=0, splitting=False, earlier=plan)
        Restarts(plan).minimise(problem, budget, generator(), silent)
    return asked


WARM_UP, PROBE = (1, 1), 6


def test_step_costs_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of one restart takes a second: as many steps as fit, but not fewer than the shortest schedule."""
    first, second = descents(monkeypatch, 1300.0, 1100.0, cost=1.0)
    assert first == [WARM_UP, (8, PROBE), (4, PROBE), (2, PROBE), (1, PROBE), (1, 1209)]
    assert second == [(1, 1100)]


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
@pytest.mark.parametrize(
    ("most", "tried"),
    [(8, [8]), (7, [8, 4]), (2, [8, 4, 2]), (1, [8, 4, 2, 1])],
)
def test_as_many_restarts_as_memory_holds(most, tried, error, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = descents(monkeypatch, 30.0, 30.0, most=most, error=error)
    assert first[: len(tried) + 1] == [WARM_UP, *((restarts, PROBE) for restarts in tried)]
    rounds = {restarts for restarts, _ in first[len(tried) + 1 :]}
    assert rounds == {restarts for restarts, _ in second} == {tried[-1]}
    assert all(steps >= 1000 for _, steps in second)


@pytest.mark.parametrize("breaks", [1, PROBE])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
def test_one_restart_that_does_not_fit_is_an_error(breaks, error, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(error):
        descents(monkeypatch, 30.0, most=0, error=error, breaks=breaks)


def test_a_probe_that_the_clock_cut_short_does_not_make_steps_look_cheap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = descents(monkeypatch, 3.0, 1900.0, cost=1.0)
    assert first == [WARM_UP, (8, PROBE), (8, 1000)]
    assert second[-1][0] == 1


def test_restarts_that_do_not_fit_are_not_tried_again_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (first,) = descents(monkeypatch, 0.5, cost=1.0, most=2)
    assert first == [WARM_UP, (8, PROBE), (4, PROBE), (2, PROBE), (2, 1000)]


@pytest.fixture(scope="module")
def long_run():
    heard = []
    given = planted_problem(hidden=30, samples=3)
    found, spent = solve(given, seconds=1.8, cost=0.0005, watch=lambda *event: heard.append(event))
    return given, found, spent, heard


def test_restarts_of_several_rounds_are_pooled(long_run) -> None:
    _, found, spent, _ = long_run
    assert found.restarts > 1
    assert found.candidates.inputs.shape[0] == found.candidates.weights.shape[0] == found.restarts
    assert 1.4 <= spent <= 1.8 + 0.006
    inputs = found.candidates.inputs
    for index in range(1, found.restarts):
        assert not torch.allclose(inputs[0], inputs[index])


def test_the_pool_solves_the_planted_problem(long_run) -> None:
    given, found, _, _ = long_run
    with torch.no_grad():
        losses = given.problem.objective.relative_loss(found.candidates)
    assert losses.shape == (found.restarts,)
    assert losses.min() < 1e-2
    assert found.losses.tolist() == pytest.approx(losses.tolist(), rel=0.3, abs=1e-3)
    assert (given.recovered(found.candidates) > 0.9).all()


def test_the_watcher_hears_rising_steps_and_the_best_loss_so_far(long_run) -> None:
    _, found, _, heard = long_run
    steps = [step for step, _ in heard]
    assert steps == sorted(set(steps))
    assert len(found.history) < len(heard)
    assert min(loss for _, loss in heard[len(heard) // 2 :]) == pytest.approx(found.relative_loss, rel=0.5)
    losses = [loss for _, loss in heard]
    solved = next(index for index, loss in enumerate(losses) if loss < 0.05)
    assert max(losses[solved:]) < 0.2  # also at the beginning of later rounds


def test_history_is_that_of_one_restart(long_run) -> None:
    _, found, _, _ = long_run
    steps = [step for step, _ in found.history]
    assert steps == sorted(set(steps))
    assert found.history[-1][1] < 0.1 * found.history[0][1]


def test_the_same_seed_and_time_give_the_same_candidates() -> None:
    given = planted_problem()
    (one, _), (same, _), (other, _) = (solve(given, 120.0, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.candidates.inputs, same.candidates.inputs)
    assert torch.equal(one.losses, same.losses)
    assert not torch.equal(one.candidates.inputs, other.candidates.inputs)


# Pooling


def solution(losses, status=Status.FINISHED, steps=10, labels=(0, 1)):
    count = len(losses)
    values = torch.tensor(losses)
    inputs = values[:, None, None].expand(count, 2, 3)
    history = ((1, 1.0), (steps, float(values.min())))
    return Solution(Candidates(inputs, inputs[..., :1], torch.tensor(labels)), values, status, steps, history)


def test_pooling_keeps_order_adds_steps_and_takes_the_best_history() -> None:
    found = pool([solution([0.5, 0.4]), solution([0.2, 0.6], Status.BUDGET, steps=7)])
    assert found.losses.tolist() == pytest.approx([0.5, 0.4, 0.2, 0.6])
    assert torch.equal(found.candidates.inputs[:, 0, 0], found.losses)
    assert torch.equal(found.candidates.weights[:, 1, 0], found.losses)
    assert found.candidates.labels.tolist() == [0, 1]
    assert (found.status, found.steps) == (Status.BUDGET, 17)
    assert found.history == ((1, 1.0), (7, pytest.approx(0.2)))
    assert found.relative_loss == pytest.approx(0.2)


def test_restarts_that_diverged_are_dropped() -> None:
    found = pool(
        [
            solution([math.inf, 0.4]),
            solution([math.inf, math.inf], Status.DIVERGED),
            solution([0.3, math.inf]),
        ]
    )
    assert found.losses.tolist() == pytest.approx([0.4, 0.3])
    assert found.candidates.inputs.shape == (2, 2, 3)
    assert found.candidates.weights.shape == (2, 2, 1)
    assert found.status is Status.FINISHED


@pytest.mark.parametrize(
    ("most", "kept"),
    [(10, [0.5, 0.4, 0.2, 0.6]), (7, [0.5, 0.4, 0.2]), (5, [0.4, 0.2]), (2, [0.2]), (1, [0.2])],
)
def test_the_pool_has_room_for_so_many_candidates_of_lowest_loss(
    most, kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "_MOST_POOLED", most)  # two candidates each
    found = pool([solution([0.5, math.inf, 0.4]), solution([0.2, 0.6])])
    assert found.losses.tolist() == pytest.approx(kept)
    assert torch.equal(found.candidates.inputs[:, 0, 0], found.losses)
    assert torch.equal(found.candidates.weights[:, 0, 0], found.losses)
    assert found.steps == 20


def splitting_of(losses, splits):
    """What `solution` has to say of splits, told apart by the losses before."""
    count = len(losses)
    values = torch.tensor(losses)
    inputs = values[:, None, None].expand(count, 2, 3)
    before = Candidates(inputs, inputs[..., :1], torch.tensor((0, 1)))
    rounds = (torch.tensor(splits) > 0).long()
    return Splitting(before, values, rounds, torch.tensor(splits))


def test_without_splitting_the_pool_has_none() -> None:
    assert pool([solution([0.5, 0.4]), solution([0.2])]).splitting is None


def test_what_was_split_is_pooled_like_the_restarts() -> None:
    one = replace(solution([0.5, math.inf]), splitting=splitting_of([0.9, 0.8], [2, 0]))
    best = replace(solution([0.2, 0.6]), splitting=splitting_of([0.7, 0.95], [3, 1]))
    found = pool([one, best]).splitting
    assert found.losses.tolist() == pytest.approx([0.9, 0.7, 0.95])
    assert torch.equal(found.before.inputs[:, 0, 0], found.losses)
    assert torch.equal(found.before.weights[:, 0, 0], found.losses)
    assert found.before.labels.tolist() == [0, 1]
    assert found.splits.tolist() == [2, 3, 1]
    assert found.rounds.tolist() == [1, 1, 1]


def test_a_pool_of_pools_is_the_pool_of_all() -> None:
    parts = [
        replace(solution([loss]), splitting=splitting_of([loss + 0.1], [count]))
        for loss, count in ((0.5, 1), (0.4, 2), (0.3, 0))
    ]
    found, same = pool(parts).splitting, pool([pool(parts[:2]), parts[2]]).splitting
    assert torch.equal(found.losses, same.losses)
    assert torch.equal(found.splits, same.splits)
    assert torch.equal(found.before.inputs, same.before.inputs)


def test_what_was_split_is_dropped_with_its_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "_MOST_POOLED", 2)
    split = replace(solution([0.2, 0.6]), splitting=splitting_of([0.7, 0.95], [3, 1]))
    found = pool([replace(solution([0.4]), splitting=splitting_of([0.8], [2])), split])
    assert found.losses.tolist() == pytest.approx([0.2])
    assert found.splitting.losses.tolist() == pytest.approx([0.7])
    assert found.splitting.splits.tolist() == [3]


def test_a_last_round_that_diverged_does_not_speak_for_the_others() -> None:
    found = pool([solution([0.4, 0.5], Status.BUDGET), solution([math.inf, math.inf], Status.DIVERGED)])
    assert found.status is Status.BUDGET
    assert found.losses.tolist() == pytest.approx([0.4, 0.5])


def test_if_every_restart_diverged_so_did_the_whole() -> None:
    found = pool([solution([math.inf, math.inf], Status.DIVERGED)] * 2)
    assert found.status is Status.DIVERGED
    assert found.restarts == 4


def test_a_problem_without_a_finite_equation_diverges() -> None:
    given = planted_problem()
    objective = given.problem.objective
    first, last = objective.target.weights
    broken = replace(objective, target=objective.target.rebuild([first, last * math.nan]))
    found, _ = solve(replace(given, problem=replace(given.problem, objective=broken)), 80.0)
    assert found.status is Status.DIVERGED


# Rounds


@pytest.mark.parametrize(("most", "batches"), [(8, 1), (4, 2), (1, 8)])
def test_a_round_is_eight_restarts_in_as_many_batches_as_memory_asks_for(
    monkeypatch: pytest.MonkeyPatch, most: int, batches: int
) -> None:
    for cost in (1e-6, 1e6):  # of a step, in seconds
        first, second = descents(monkeypatch, math.inf, math.inf, cost=cost, most=most, rounds=5)
        assert first[-batches:] == second == [(most, restarts._STEPS_OF_A_ROUND)] * batches


@pytest.mark.parametrize("splitting", [True, False])
def test_a_round_finds_the_same_however_slow_steps_are(
    monkeypatch: pytest.MonkeyPatch, splitting: bool
) -> None:
    monkeypatch.setattr(restarts, "_STEPS_OF_A_ROUND", 30)
    given, found = planted_problem(), []
    for cost in (1e-9, 1e5):
        clock, problem = on_a_clock(given, cost)
        budget = Budget(math.inf, clock, rounds=1)
        solver = Restarts(make_plan(problem, budget, 2, splitting=splitting))
        found.append(solver.minimise(problem, budget, generator(), silent))
    swift, slow = found
    assert swift.status is slow.status is Status.FINISHED
    assert (swift.splitting is not None) == splitting
    assert swift.steps == slow.steps == 30 * 8
    assert torch.equal(swift.candidates.inputs, slow.candidates.inputs)
    assert torch.equal(swift.losses, slow.losses)
