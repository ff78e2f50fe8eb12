"""Sample splitting: what children leave as it was, what splits gain, and that no restart ends worse for them."""

import math
from dataclasses import replace

import pytest
import torch

from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.weight_delta import WeightDelta
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import every_output
from audit.solve.base import Problem, Solution, Status
from audit.solve.constraints import Box
from audit.solve.curvature import splitting_product
from audit.solve.descent import Descent, fit_scales
from audit.solve.splitting import SampleSplitting, SplitPlan, _split, plan_splits
from tests.helpers import silent
from tests.planted import (
    EQUATIONS,
    Clock,
    costing,
    equation,
    generator,
    in_row_space,
    observation,
    planted_problem,
    random_candidates,
    small_network,
    split,
)

PLAN = Descent(count=4, restarts=3, steps=40)
STAGES = ((0.5, 2.0),)
"""Shares and sharpness of these tests, whatever the defaults."""
TWICE = ((0.25, 1.5), (0.25, 4.0))
LAST = PLAN.sharpness[1]
SIGNED = [KktLoss(), WeightDelta()]
FREE = [attack for attack in EQUATIONS if attack.id != "gradient-cosine"]
"""Those that need no bias."""
every_attack = pytest.mark.parametrize("attack", EQUATIONS, ids=[attack.id for attack in EQUATIONS])


def solve(problem, plan=PLAN, seed=0, budget=None, watch=silent, stages=STAGES, **more) -> Solution:
    solver = SampleSplitting(plan, stages, **more)
    return solver.minimise(problem, budget or Budget(100.0, Clock()), generator(seed), watch)


def splits_of(found):
    return found.splitting.splits.tolist()


def relative_loss(problem, candidates, sharpness=LAST):
    with torch.no_grad():
        return fit_scales(problem).relative_loss(candidates, sharpness)


def with_objective(problem, **changes):
    return replace(problem, objective=replace(problem.objective, **changes))


def poisoned(problem, factor):
    """The second of three restarts is multiplied by `factor`."""
    poison = torch.tensor([1.0, factor, 1.0])[:, None, None]

    def readout(outputs, labels):
        values = problem.objective.readout(outputs, labels)
        return values * poison if values.shape[0] == 3 else values

    return with_objective(problem, readout=readout)


# Choosers


def constant(directions, first, second):
    """All candidates alike: (shift, share) of both children."""
    one = torch.ones_like(directions[..., 0])
    shifts, shares = (torch.stack([a * one, b * one]) for a, b in zip(first, second, strict=True))
    return SplitPlan(directions, shifts, shares)


def whole(objective, candidates, sharpness, generator):
    """Splits nothing."""
    return constant(torch.ones_like(candidates.inputs), (0.0, 0.5), (0.0, 0.5))


def twins(value, restart=slice(None)):
    """Splits everything; directions of some restarts are what they should not be."""

    def choose(objective, candidates, sharpness, generator):
        directions = plan_splits(objective, candidates, sharpness, generator).directions.clone()
        directions[restart] = value
        return constant(directions, (1.0, 0.5), (-1.0, 0.5))

    return choose


def explosive(objective, candidates, sharpness, generator):
    """Shares add up to 1, and are enormous."""
    directions = plan_splits(objective, candidates, sharpness, generator).directions
    return constant(directions, (1.0, 1e8), (1.0, 1 - 1e8))


def recording(seen, choose=plan_splits):
    """Remembers what it was asked."""

    def record(objective, candidates, sharpness, generator):
        plan = choose(objective, candidates, sharpness, generator)
        seen.append((candidates, sharpness, plan))
        return plan

    return record


# Children


def unsettled(attack, outputs=1, seed=0, vanished=True):
    """An equation in float64, and two restarts of candidates that do not solve it; one has no lambda."""
    seen = observation(small_network(outputs, 2, "all", activation="tanh", seed=seed))
    candidates = random_candidates(attack, seen, 6, (2,), seed + 1)
    if vanished:
        candidates.weights[1, 3] = 0.0
    return equation(attack, seen).objective, candidates


def plan_of(objective, candidates, seed=0):
    return plan_splits(objective, candidates, 6.0, generator(seed))


@every_attack
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_children_leave_the_sums_as_they_were(attack, outputs, seed) -> None:
    objective, candidates = unsettled(attack, outputs, seed)
    plan = plan_of(objective, candidates)
    assert 0 < plan.splits.sum() < candidates.inputs.shape[:2].numel()
    torch.testing.assert_close(plan.shares.sum(0), torch.ones_like(plan.shares[0]))
    assert not (plan.shares * plan.shifts).sum(0).any()
    torch.testing.assert_close(plan.directions.norm(dim=-1), torch.ones_like(plan.shares[0]))

    children = plan.children(candidates, torch.tensor([0.3, 2.0], dtype=torch.float64))
    first, second = (
        Candidates(inputs, weights, candidates.labels)
        for inputs, weights in zip(children.inputs.chunk(2, 1), children.weights.chunk(2, 1), strict=True)
    )
    torch.testing.assert_close(first.weights + second.weights, candidates.weights)
    for column in range(candidates.weights.shape[-1]):
        moments = [one.weights[..., column, None] * one.inputs for one in (first, second, candidates)]
        torch.testing.assert_close(moments[0] + moments[1], moments[2])
    moves = plan.shifts[0] != 0
    for child in (first, second):
        away = (child.inputs - candidates.inputs).norm(dim=-1)
        assert ((away > 0) == moves).all()
        assert (away[1] <= 2.0 + 1e-9).all()
        assert (away[0] <= 0.3 + 1e-9).all()
    if candidates.labels is None:
        assert children.labels is None
    else:
        assert children.labels.tolist() == 2 * candidates.labels.tolist()


@every_attack
@pytest.mark.parametrize("seed", range(3))
def test_every_split_is_a_way_down_to_second_order(attack, seed) -> None:
    """The squared residual changes by e^2 / 2 times u' S u times what shares and shifts make of it."""
    objective, candidates = unsettled(attack, seed=seed)
    plan = plan_of(objective, candidates)
    product = splitting_product(objective, candidates, 6.0)
    bend = (plan.directions * product(plan.directions)).sum(-1)
    change = bend * (plan.shares * plan.shifts.square()).sum(0)
    assert (change[plan.shifts[0] != 0] < 0).all()
    before = objective.residual(candidates, 6.0).square().sum(-1)
    after = objective.residual(plan.children(candidates, torch.full((2,), 1e-3).double()), 6.0)
    assert (after.square().sum(-1) < before).all()


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_without_negative_lambda_there_are_no_unlike_children(outputs, seed) -> None:
    plan = plan_of(*unsettled(KktMargin(), outputs, seed))
    assert (plan.shares == 0.5).all()


def bent(sign, attack):
    """In one dimension with squares as activation: curvature of one sign for all candidates of positive lambda."""
    seen = observation(small_network(1, 2, inputs=1, hidden=1, activation="polynomial:2"))
    objective = equation(attack, seen).objective
    candidates = replace(random_candidates(attack, seen, 4, (2,)), labels=None)
    candidates = replace(candidates, weights=1e-6 * candidates.weights.abs())
    objective = replace(objective, readout=every_output, scale_free=False)
    target = objective.target.rebuild([sign * tensor.abs() for tensor in objective.target.tensors])
    (point,) = objective.points[:1]
    positive = point.at(point.parameters.map(torch.Tensor.abs))
    points = tuple(positive for _ in objective.points)
    return replace(objective, target=target, points=points), candidates


@pytest.mark.parametrize("attack", FREE, ids=[attack.id for attack in FREE])
def test_what_has_no_way_down_stays_whole(attack) -> None:
    for sign in (1.0, -1.0):
        objective, candidates = bent(sign, attack)
        product = splitting_product(objective, candidates, 6.0)
        bend = product(torch.ones_like(candidates.inputs))
        assert (bend * sign < 0).all()
        stays = sign < 0 and objective.non_negative
        assert plan_of(objective, candidates).splits.tolist() == ([0, 0] if stays else [4, 4])


@pytest.mark.parametrize("attack", SIGNED, ids=[attack.id for attack in SIGNED])
def test_against_the_curvature_children_have_unlike_signs(attack) -> None:
    objective, candidates = bent(-1.0, attack)
    plan = plan_of(objective, candidates)
    assert (plan.shares.amin(0) < 0).all()
    assert (plan.shares.amax(0) > 1).all()


@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=["kkt-margin", "kkt-loss"])
def test_without_a_residual_nothing_is_split(attack) -> None:
    objective, candidates = unsettled(attack)
    first = replace(candidates, inputs=candidates.inputs[:1], weights=candidates.weights[:1])
    nothing = replace(objective, target=objective.target.map(torch.zeros_like))
    with torch.no_grad():
        solved = -nothing.residual(first, 6.0)[0]  # to the last bit
    exact = replace(objective, target=split(solved, objective.target))
    assert plan_of(objective, first).splits > 0
    assert plan_of(exact, first).splits == 0


def test_a_restart_that_is_not_finite_stays_whole_and_leaves_others_their_splits() -> None:
    objective, candidates = unsettled(KktLoss())
    expected = plan_of(objective, candidates)
    candidates.inputs[0, 2, 0] = torch.nan
    plan = plan_of(objective, candidates)
    assert plan.splits[0] == 0
    assert plan.splits[1] == expected.splits[1] > 0
    torch.testing.assert_close(plan.directions[1], expected.directions[1])


# What it gains


@pytest.mark.parametrize("seed", range(3))
def test_the_split_itself_lowers_the_objective_of_one_candidate_for_two_samples(seed) -> None:
    problem = planted_problem(1, 12, 60, 2, attack=KktLoss(), dtype=torch.float64).problem
    objective = fit_scales(problem)
    plan = Descent(count=1, restarts=3, steps=60, sharpness=(1.0, 3.0))
    parents = plan.minimise(problem, Budget(100.0, Clock()), generator(seed), silent).candidates
    plan = plan_splits(objective, parents, 3.0, generator(seed))
    assert (plan.splits == 1).all()
    children = _split(objective, parents, plan, 3.0, problem.box.typical_norm)
    before, after = (relative_loss(problem, found, 3.0) for found in (parents, children))
    assert (after < before).all()
    assert (children.inputs[:, 0] - children.inputs[:, 1]).norm(dim=-1).min() > 0


@pytest.mark.parametrize("seed", range(2))
def test_it_solves_what_as_many_candidates_cannot_without_a_split(seed) -> None:
    given = planted_problem(1, 12, 60, samples=4)
    plan = Descent(count=4, restarts=2, steps=200)
    few = replace(plan, count=2).minimise(given.problem, Budget(100.0, Clock()), generator(seed), silent)
    found, same = (
        SampleSplitting(plan, choose=choose).minimise(
            given.problem, Budget(100.0, Clock()), generator(seed), silent
        )
        for choose in (plan_splits, whole)
    )
    assert found.splitting.rounds.tolist() == [1, 1]
    assert found.losses.max() < 1e-2
    assert given.recovered(found.candidates).min() > 0.95
    assert splits_of(same) == [0, 0]
    for other in (few, same):
        assert other.losses.min() > 0.1
        assert given.recovered(other.candidates).min() < 0.8
    assert (found.losses < found.splitting.losses).all()


@every_attack
def test_every_attack_solves_its_equation(attack) -> None:
    given = planted_problem(1, 12, 60, 4, attack=attack, seed=1)
    plan = Descent(count=8, restarts=2, steps=250)
    found = SampleSplitting(plan).minimise(given.problem, Budget(100.0, Clock()), generator(1), silent)
    assert found.status is Status.FINISHED
    assert found.relative_loss < 1e-2
    assert given.recovered(found.candidates).min() > 0.95
    assert found.splitting.splits.sum() > 0
    if given.problem.objective.non_negative:
        assert (found.candidates.weights >= 0).all()


# What it leaves alone


def test_halves_stay_in_one_place_to_the_end() -> None:
    found = solve(planted_problem(dtype=torch.float64).problem, choose=whole)
    one, other = (part.chunk(2, 1) for part in (found.candidates.inputs, found.candidates.weights))
    torch.testing.assert_close(*one, rtol=0, atol=1e-9)
    torch.testing.assert_close(*other, rtol=0, atol=1e-9)
    assert (one[0] - found.splitting.before.inputs[:, :2]).abs().max() > 1e-3
    assert splits_of(found) == [0, 0, 0]


def test_what_stays_whole_is_not_torn_apart_by_what_is_split() -> None:
    def first_only(*arguments):
        plan = plan_splits(*arguments)
        kept = torch.zeros_like(plan.shifts[0]).index_fill(1, torch.tensor([0]), 1.0)
        return replace(plan, shifts=plan.shifts * kept)

    found = solve(planted_problem(dtype=torch.float64).problem, choose=first_only)
    one, other = found.candidates.inputs.chunk(2, 1)
    apart = (one - other).norm(dim=-1)
    assert (apart[:, 1] < 1e-9).all()
    assert (apart[:, 0] > 0.01).all()


def test_before_is_every_candidate_as_it_was_when_it_was_split() -> None:
    seen, problem = [], planted_problem().problem
    found = solve(problem, choose=recording(seen))
    ((parents, sharpness, plan),) = seen
    before = found.splitting.before
    assert sharpness == STAGES[0][1]
    assert before.inputs.shape == found.candidates.inputs.shape == (3, 4, 5)
    assert before.weights.shape == found.candidates.weights.shape
    assert before.labels.tolist() == found.candidates.labels.tolist() == [0, 1, 0, 1]
    for half in before.inputs.chunk(2, 1):
        assert torch.equal(half, parents.inputs)
    torch.testing.assert_close(found.splitting.losses, relative_loss(problem, parents))
    torch.testing.assert_close(found.splitting.losses, relative_loss(problem, before))
    assert found.splitting.splits.tolist() == (found.splitting.rounds * plan.splits).tolist()


def test_two_rounds_of_splits_are_counted_and_lead_back_to_the_first_parents() -> None:
    seen, problem = [], planted_problem().problem
    found = solve(problem, stages=TWICE, choose=recording(seen))
    parents = [candidates.inputs for candidates, _, _ in seen]
    assert [part.shape[1] for part in parents] == [1, 2]
    assert [sharpness for _, sharpness, _ in seen] == [end for _, end in TWICE]
    assert found.candidates.inputs.shape == found.splitting.before.inputs.shape == (3, 4, 5)
    assert torch.equal(found.splitting.before.inputs, parents[0].expand(-1, 4, -1))
    assert (found.splitting.rounds <= 2).all()
    assert (found.splitting.splits <= 3).all()
    assert (found.losses <= found.splitting.losses).all()


# Never worse


DAMAGE = {"NaN": twins(math.nan), "infinite": twins(math.inf), "far away": twins(1e30), "lambda": explosive}


@pytest.mark.parametrize("choose", DAMAGE.values(), ids=DAMAGE.keys())
def test_splits_that_do_damage_are_taken_back(choose) -> None:
    seen, problem = [], planted_problem().problem
    found = solve(problem, choose=recording(seen, choose))
    parents = seen[0][0]
    assert found.splitting.rounds.tolist() == splits_of(found) == [0, 0, 0]
    for half in found.candidates.inputs.chunk(2, 1):
        assert torch.equal(half, parents.inputs)
    assert torch.equal(found.candidates.weights, found.splitting.before.weights)
    torch.testing.assert_close(found.losses, relative_loss(problem, parents))
    assert torch.equal(found.losses, found.splitting.losses)


def test_damage_that_was_taken_back_is_no_divergence() -> None:
    found = solve(planted_problem().problem, choose=twins(math.nan))
    assert torch.isfinite(found.losses).all()
    assert found.status is Status.FINISHED


def test_damage_to_one_restart_does_not_reach_the_others() -> None:
    problem = planted_problem().problem
    clean, found = (solve(problem, choose=twins(math.nan, rows)) for rows in (slice(0), slice(1, 2)))
    assert found.status is Status.FINISHED
    assert found.splitting.rounds.tolist() == [1, 0, 1]
    assert splits_of(found) == [2, 0, 2]
    assert torch.equal(found.candidates.inputs[1], found.splitting.before.inputs[1])
    for index in (0, 2):
        torch.testing.assert_close(found.candidates.inputs[index], clean.candidates.inputs[index])
        assert found.losses[index] < found.splitting.losses[index]


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e30])
def test_a_restart_that_diverges_before_the_split_does_not_spoil_the_others(factor) -> None:
    problem = planted_problem().problem
    clean, found = solve(problem), solve(poisoned(problem, factor))
    assert found.status is Status.FINISHED
    assert torch.isfinite(found.losses).tolist() == [True, False, True]
    assert torch.isfinite(found.splitting.losses).tolist() == [True, False, True]
    assert found.splitting.rounds.tolist() == [1, 0, 1]
    assert splits_of(found)[1] == 0
    torch.testing.assert_close(found.losses[[0, 2]], clean.losses[[0, 2]], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("stages", [STAGES, TWICE], ids=["one round", "two rounds"])
def test_where_every_restart_diverges_so_does_the_whole(stages) -> None:
    problem = planted_problem().problem
    first, last = problem.objective.target.weights
    target = problem.objective.target.rebuild([first, math.nan * last])
    found = solve(with_objective(problem, target=target), stages=stages)
    assert found.status is Status.DIVERGED
    assert found.losses.tolist() == [math.inf] * 3
    assert found.candidates.inputs.shape == found.splitting.before.inputs.shape == (3, 4, 5)
    assert found.splitting.rounds.tolist() == splits_of(found) == [0, 0, 0]


def test_a_target_of_zeros_diverges() -> None:
    problem = planted_problem().problem
    zeros = problem.objective.target.map(torch.zeros_like)
    assert solve(with_objective(problem, target=zeros)).status is Status.DIVERGED


# Odd problems


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("outputs", "inputs", "samples", "count", "restarts", "comes"),
    [
        (1, 1, 1, 2, 1, 2),
        (1, 1, 3, 4, 2, 4),
        (1, 6, 2, 1, 1, 2),
        (1, 6, 2, 2, 3, 2),
        (3, 6, 3, 3, 2, 4),
        (3, 6, 3, 6, 1, 6),
    ],
)
@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=["labels", "no labels"])
def test_few_dimensions_candidates_and_restarts(
    attack, outputs, inputs, samples, count, restarts, comes, dtype
) -> None:
    given = planted_problem(outputs, inputs, 12, samples, attack=attack, dtype=dtype)
    found = solve(given.problem, Descent(count=count, restarts=restarts, steps=12))
    rank = given.space.rank
    assert found.candidates.inputs.shape == (restarts, comes, rank)
    assert found.losses.dtype is found.candidates.inputs.dtype is dtype
    assert torch.isfinite(found.losses).all()
    assert (found.losses <= found.splitting.losses).all()
    assert (found.candidates.labels is None) == (attack.id == "kkt-loss")
    assert found.splitting.splits.shape == found.splitting.rounds.shape == (restarts,)


def test_a_network_without_hidden_layers_has_nothing_to_split() -> None:
    seen = observation(small_network(3, 1))
    objective, space = in_row_space(equation(KktLoss(), seen).objective)
    problem = Problem(objective, Box(space.basis, seen.low, seen.high), lambda count: None)
    found = solve(problem)
    assert found.status is Status.FINISHED
    assert splits_of(found) == [0, 0, 0]
    assert torch.isfinite(found.losses).all()


# The budget


def timed(seconds, cost=1.0, steps=40, watch=silent, interrupted=lambda: False, stages=STAGES):
    given, clock = planted_problem(), Clock()
    problem = replace(given.problem, objective=costing(given.problem.objective, clock, cost))
    budget = Budget(seconds, clock, interrupted)
    return solve(problem, replace(PLAN, steps=steps), budget=budget, watch=watch, stages=stages), clock.now


def assert_usable(found, stages=STAGES) -> None:
    assert found.candidates.inputs.shape == found.splitting.before.inputs.shape == (3, 4, 5)
    assert found.candidates.weights.shape == found.splitting.before.weights.shape == (3, 4, 1)
    assert found.candidates.labels.shape == (4,)
    assert torch.isfinite(found.candidates.inputs).all()
    assert torch.isfinite(found.losses).all()
    assert torch.isfinite(found.splitting.losses).all()
    assert (found.splitting.rounds <= len(stages)).all()
    steps = [step for step, _ in found.history]
    assert steps == sorted(set(steps))
    assert not steps or steps[-1] <= found.steps // 3


@pytest.mark.parametrize("stages", [STAGES, TWICE], ids=["one round", "two rounds"])
@pytest.mark.parametrize("seconds", [0.0, 2.0, 20.0, 45.0, 60.0])
def test_a_budget_that_ends_early_gives_as_many_candidates(seconds, stages) -> None:
    found, spent = timed(seconds, steps=1000, stages=stages)
    assert found.status is Status.BUDGET
    assert_usable(found, stages)
    assert found.steps <= 3 * seconds
    assert spent <= seconds + 40
    if seconds < 3.0:
        assert found.splitting.rounds.tolist() == splits_of(found) == [0, 0, 0]
        assert torch.equal(found.candidates.inputs, found.splitting.before.inputs)


def test_every_stage_gets_its_share_of_a_short_budget() -> None:
    found, _ = timed(100.0, steps=1000)
    heard = [step for step, _ in found.history]
    assert found.status is Status.BUDGET
    assert 70 <= found.steps / 3 <= 100
    assert found.splitting.rounds.tolist() == [1, 1, 1]
    assert 30 < max(heard) <= 100


@pytest.mark.parametrize("calls", [*range(0, 12, 3), 13, *range(14, 25, 3)])
def test_it_can_be_interrupted_at_any_moment(calls) -> None:
    """The clock is asked once a step, and a few times more."""
    asked = []

    def interrupted():
        asked.append(1)
        return len(asked) > calls

    found, _ = timed(1e6, steps=20, interrupted=interrupted)
    assert len(asked) > calls
    assert_usable(found)
    assert found.status is Status.INTERRUPTED
    assert found.steps <= 3 * 20


def test_where_the_first_stage_was_the_last_losses_before_and_after_are_equal() -> None:
    found, _ = timed(4.0, steps=1000)
    assert splits_of(found) == [0, 0, 0]
    torch.testing.assert_close(found.losses, found.splitting.losses)


# What is told


@pytest.mark.parametrize(("stages", "steps"), [(STAGES, 40), (TWICE, 80), (STAGES, 7)])
def test_steps_add_up_and_are_told_in_order(stages, steps) -> None:
    heard, plan = [], replace(PLAN, steps=steps)
    found = solve(planted_problem().problem, plan, watch=lambda *event: heard.append(event), stages=stages)
    taken = [step for step, _ in heard]
    assert list(found.history) == heard
    assert taken == sorted(set(taken))
    assert taken[-1] <= found.steps // 3
    assert abs(found.steps // 3 - steps) <= len(stages)
    assert found.steps == 3 * (found.steps // 3)
    share = stages[0][0] * steps
    assert min(taken) <= share < max(taken)


def test_the_same_seed_gives_the_same_candidates() -> None:
    problem = planted_problem().problem
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one, same, other = (solve(problem, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.candidates.inputs, same.candidates.inputs)
    assert torch.equal(one.candidates.weights, same.candidates.weights)
    assert one.history == same.history
    assert not torch.allclose(one.candidates.inputs, other.candidates.inputs)
