"""Descent on planted problems: it solves them, keeps to its budget, and says how it ended."""

import math
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
import torch

from audit.attacks import Method
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.weight_delta import WeightDelta
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve.base import Problem, Solution, Status
from audit.solve.constraints import Box
from audit.solve.descent import Descent, _portions, _squares, fit_scales, weight_unit
from tests.helpers import silent
from tests.planted import (
    BIASES,
    EQUATIONS,
    Clock,
    at,
    columns,
    costing,
    equation,
    generator,
    in_row_space,
    observation,
    planted_problem,
    random_candidates,
    small_network,
)

FREE = [attack for attack in EQUATIONS if attack.method is Method.DESCENT and attack.id != "gradient-cosine"]
"""Those of any lambda that are solved like this."""
SHORT = Descent(count=6, restarts=3, steps=60)


def minimise(descent, problem, seed=0, budget=None, watch=silent) -> Solution:
    return descent.minimise(problem, budget or Budget(100.0, Clock()), generator(seed), watch)


def with_objective(problem, **changes):
    return replace(problem, objective=replace(problem.objective, **changes))


def relative_loss(problem, candidates):
    with torch.no_grad():
        return problem.objective.relative_loss(candidates)


# It solves


@pytest.mark.parametrize(("outputs", "biases"), [(1, "none"), (1, "first"), (3, "all")])
def test_planted_samples_are_found(outputs, biases) -> None:
    given = planted_problem(outputs, biases=biases)
    found = minimise(Descent(count=12, restarts=2, steps=600), given.problem)
    assert found.status is Status.FINISHED
    assert relative_loss(given.problem, found.candidates).min() < 1e-2
    assert found.relative_loss < 1e-2
    assert (given.recovered(found.candidates) > 0.9).sum() >= 4


SORTS = ("relu", "gelu", "tanh", "polynomial:3")
"""One activation of every sort: with a kink, smooth, odd, and odd without bounds."""


@pytest.mark.parametrize(
    ("attack", "biases", "activation"),
    [
        pytest.param(
            attack,
            biases,
            activation,
            id=f"{attack.id}-{biases}-{activation}",
            marks=() if (i + j + k) % len(SORTS) == 0 else pytest.mark.slow,
        )
        for i, attack in enumerate(FREE)
        for j, biases in enumerate(BIASES)
        for k, activation in enumerate(SORTS)
    ],
)
def test_every_attack_solves_its_equation(attack, biases, activation) -> None:
    given = planted_problem(1, 12, 60, 4, biases, attack=attack, activation=activation, dtype=torch.float64)
    found = minimise(Descent(count=8, restarts=2, steps=250), given.problem)
    candidates = found.candidates
    assert found.relative_loss < 1e-2
    assert relative_loss(given.problem, candidates).min() < 1e-2
    if (
        activation in ("tanh", "polynomial:3") and biases == "none"
    ):  # odd: -x with -lambda is another solution
        mirrored = replace(candidates, inputs=torch.cat([candidates.inputs, -candidates.inputs]))
        mirrored = replace(mirrored, weights=torch.cat([candidates.weights] * 2), labels=None)
        recovered = given.recovered(mirrored)
    else:
        recovered = given.recovered(candidates)
    assert recovered.min() > 0.95
    assert candidates.inputs.dtype == candidates.weights.dtype == found.losses.dtype == torch.float64


@pytest.mark.parametrize("attack", [KktLoss(), WeightDelta()], ids=["kkt-loss", "weight-delta"])
def test_several_outputs_have_a_lambda_each(attack) -> None:
    given = planted_problem(3, biases="all", attack=attack)
    found = minimise(Descent(count=12, restarts=2, steps=400), given.problem)
    assert found.candidates.weights.shape == (2, 12, columns(given.problem.objective, None))
    assert found.candidates.labels is None
    assert found.candidates.inputs.dtype is torch.float32
    assert relative_loss(given.problem, found.candidates).min() < 1e-2
    assert given.recovered(found.candidates).min() > 0.95


@pytest.mark.parametrize("attack", EQUATIONS, ids=[attack.id for attack in EQUATIONS])
def test_lambda_starts_with_both_signs_unless_it_must_not_be_negative(attack) -> None:
    problem = planted_problem(attack=attack).problem
    start = minimise(Descent(count=100, restarts=4), problem, budget=Budget(0.0, Clock())).candidates.weights
    sizes, negative = start.abs(), float((start < 0).float().mean())
    assert float(sizes.mean()) == pytest.approx(float(sizes.max()) / 2, rel=0.1)
    if problem.objective.non_negative:
        assert negative == 0.0
    else:
        assert negative == pytest.approx(0.5, abs=0.1)
        assert float(start.min()) == pytest.approx(-float(start.max()), rel=0.1)


def test_lambda_is_not_negative_and_inputs_are_in_the_box() -> None:
    given = planted_problem()
    found = minimise(Descent(count=12, restarts=2, steps=600), given.problem).candidates
    assert found.weights.min() > -0.02 * found.weights.max()
    lifted = given.space.lift(found.inputs)
    box = given.problem.box
    excess = (lifted - lifted.clamp(box.low, box.high)).square().sum(-1)
    assert excess.mean() < 0.02 * box.energy


def test_the_box_holds_against_the_equation() -> None:
    """Biases fix the scale of samples, here three times the size of the box."""
    problem = planted_problem(biases="first").problem
    box = replace(problem.box, low=problem.box.low / 3, high=problem.box.high / 3)
    small = replace(problem, box=box)

    def excess(box_weight):
        found = minimise(Descent(count=12, restarts=2, steps=300, box_weight=box_weight), small).candidates
        lifted = found.inputs @ box.basis.T
        return float((lifted - lifted.clamp(box.low, box.high)).square().sum(-1).mean())

    assert 0.0 < excess(1.0) < 0.5 * excess(0.0)


def test_an_equation_that_only_negative_lambda_solves_costs_more_without() -> None:
    problem = planted_problem().problem
    opposite = replace(
        with_objective(problem, target=problem.objective.target.times(-1)),
        labels=lambda count: torch.zeros(count, dtype=torch.int64),
    )
    descent = Descent(count=12, restarts=2, steps=400)
    bound, free = (minimise(descent, with_objective(opposite, non_negative=sign)) for sign in (True, False))
    assert free.candidates.weights.min() < -0.5 * free.candidates.weights.max()
    assert bound.relative_loss > 3 * free.relative_loss


@pytest.mark.parametrize("spent", [0.0, 1e4], ids=["new budget", "used budget"])
@pytest.mark.parametrize("seconds", [60.0, 250.0])
def test_a_schedule_that_the_clock_cuts_short_is_compressed_not_broken_off(seconds, spent) -> None:
    given = planted_problem()
    clock = Clock()
    problem = replace(given.problem, objective=costing(given.problem.objective, clock))
    long = Descent(count=12, restarts=2, steps=100_000)
    budget = Budget(spent + seconds, clock)
    clock.now = spent
    found = minimise(long, problem, budget=budget)
    whole = minimise(replace(long, steps=int(seconds)), given.problem)
    assert found.status is Status.BUDGET
    assert seconds - 10 <= found.steps / 2 <= seconds
    assert found.relative_loss < 2 * whole.relative_loss + 1e-4


@pytest.mark.parametrize("factor", [1 / 64, 64.0])
def test_no_constant_depends_on_the_size_of_the_target(factor) -> None:
    problem = planted_problem().problem
    larger = with_objective(problem, target=problem.objective.target.times(factor))
    one, other = minimise(SHORT, problem), minimise(SHORT, larger)
    torch.testing.assert_close(other.losses, one.losses, rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(other.candidates.inputs, one.candidates.inputs, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(
        other.candidates.weights / factor, one.candidates.weights, rtol=1e-2, atol=1e-2
    )


# What comes back


@pytest.mark.parametrize("outputs", [1, 3])
def test_shapes(outputs) -> None:
    given = planted_problem(outputs)
    found = minimise(SHORT, given.problem)
    assert found.candidates.inputs.shape == (3, 6, given.space.rank)
    assert found.candidates.weights.shape == (3, 6, 1)
    assert found.candidates.labels.tolist() == given.problem.labels(6).tolist()
    assert found.losses.shape == (3,)
    assert found.restarts == 3
    assert found.relative_loss == float(found.losses.min())
    assert found.steps == 3 * 60
    assert not found.candidates.inputs.requires_grad
    assert not found.losses.requires_grad


def test_losses_belong_to_the_restarts() -> None:
    given = planted_problem()
    found = minimise(replace(SHORT, steps=300), given.problem)
    actual = relative_loss(given.problem, found.candidates)
    assert found.losses.tolist() == pytest.approx(actual.tolist(), rel=0.2, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 7, 60, 200])
def test_history_rises_in_steps_and_is_what_the_watcher_saw(steps) -> None:
    heard = []
    found = minimise(
        replace(SHORT, steps=steps), planted_problem().problem, watch=lambda *event: heard.append(event)
    )
    taken = [step for step, _ in found.history]
    assert found.history
    assert list(found.history) == heard
    assert taken == sorted(set(taken))
    assert taken[0] == 1
    assert taken[-1] <= steps
    assert len(taken) <= 80
    if steps == 200:
        assert found.history[-1][1] < 0.5 * found.history[0][1]


# A sample of the hidden units


def wide_problem(hidden=600, alive=600, samples=3):
    """With some units that never fire, as weight decay leaves them."""
    given = planted_problem(hidden=hidden, samples=samples)
    objective = given.problem.objective
    tensors = [tensor.clone() for tensor in objective.target.tensors]
    (point,) = objective.points
    weights = [tensor.clone() for tensor in point.parameters.tensors]
    for first, last in (tensors, weights):
        first[alive:], last[:, alive:] = 0.0, 0.0
    changed = replace(objective, target=objective.target.rebuild(tensors), points=(at(point, weights),))
    return replace(given, problem=replace(given.problem, objective=changed))


@pytest.mark.parametrize(("size", "count"), [(20, 2), (25, 2), (29, 2), (30, 3), (101, 10)])
def test_portions_are_random_partitions_without_end(size, count) -> None:
    portions = _portions(size, 10, generator())
    rounds = [list(islice(portions, count)) for _ in range(3)]
    for parts in rounds:
        assert torch.cat(parts).sort().values.tolist() == list(range(size))
        assert all(10 <= len(part) <= 15 for part in parts[:-1])
    assert not torch.equal(torch.cat(rounds[0]), torch.cat(rounds[1]))


@pytest.mark.parametrize("size", [0, 1, 10, 19])
def test_less_than_two_portions_are_looked_at_as_a_whole(size) -> None:
    assert list(islice(_portions(size, 10, generator()), 3)) == [None] * 3


def test_every_unit_is_as_likely_as_any_other() -> None:
    portions = _portions(25, 10, generator())
    seen = Counter(unit for part in islice(portions, 0, 2000, 2) for unit in part.tolist())
    assert min(seen.values()) > 400  # 520 of 1,000 on average
    assert max(seen.values()) < 640


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("attack", [KktLoss(), WeightDelta()], ids=["kkt-loss", "weight-delta"])
def test_the_loss_from_samples_of_the_hidden_units_is_unbiased(attack, biases, outputs) -> None:
    """The mean over a partition into equal parts is the loss itself, biases of the outputs included."""
    seen = observation(small_network(outputs, 2, biases, hidden=40))
    objective, candidates = equation(attack, seen).objective, random_candidates(attack, seen, restarts=(2,))
    whole = objective.residual(candidates, 6.0).square().sum(-1)
    torch.testing.assert_close(_squares(objective, candidates, 6.0, 1.0), whole)
    parts = [objective.hidden_subset(units) for units in islice(_portions(40, 10, generator()), 4)]
    estimates = torch.stack([_squares(part, candidates, 6.0, 4.0) for part in parts])
    torch.testing.assert_close(estimates.mean(0), whole)
    assert not torch.allclose(estimates[0], whole)


def test_biases_of_outputs_count_once_however_few_units_are_looked_at() -> None:
    problem = planted_problem(3, hidden=1000, biases="all", attack=KktLoss(), activation="gelu").problem
    *rest, last = problem.objective.target.tensors
    bias = torch.full_like(last, 100.0 * problem.objective.target_norm)
    target = problem.objective.target.rebuild([*rest, bias])  # next to which nothing counts
    problem = with_objective(problem, target=target)
    (_, loss), *_ = minimise(Descent(count=6, restarts=1, steps=1), problem).history
    start = minimise(Descent(count=6, restarts=1), problem, budget=Budget(0.0, Clock())).candidates
    assert loss == pytest.approx(float(relative_loss(problem, start)), rel=0.3)


def test_planted_samples_are_found_from_samples_of_the_hidden_units() -> None:
    given = wide_problem()
    found = minimise(Descent(count=6, restarts=2, steps=600), given.problem)
    assert relative_loss(given.problem, found.candidates).min() < 1e-2
    assert (given.recovered(found.candidates) > 0.9).all()


def test_wide_networks_whose_units_depend_on_each_other_are_looked_at_as_a_whole() -> None:
    net = small_network(1, 3, inputs=8, hidden=600, dtype=torch.float32)
    seen = observation(net)
    objective, space = in_row_space(equation(KktMargin(), seen).objective)
    box = Box(space.basis, seen.low, seen.high)
    problem = Problem(objective, box, lambda count: equation(KktMargin(), seen).label(count))
    found = minimise(replace(SHORT, steps=3), problem)
    assert found.steps == 3 * 3
    assert torch.isfinite(found.losses).all()


def test_samples_of_the_hidden_units_come_from_the_generator() -> None:
    problem = wide_problem().problem
    one, same, other = (minimise(SHORT, problem, seed) for seed in (3, 3, 4))
    assert torch.equal(one.candidates.inputs, same.candidates.inputs)
    assert not torch.allclose(one.candidates.inputs, other.candidates.inputs)


@pytest.mark.parametrize("alive", [8, 60])
def test_units_that_never_fire_do_no_harm(alive) -> None:
    found = minimise(Descent(count=4, restarts=2, steps=300), wide_problem(1000, alive, samples=2).problem)
    assert found.status is Status.FINISHED
    assert torch.isfinite(found.losses).all()
    assert found.relative_loss < 0.05
    assert all(loss < 30.0 for _, loss in found.history)


# Randomness


def test_the_same_seed_gives_the_same_candidates() -> None:
    problem = planted_problem().problem
    one, same, other = (minimise(SHORT, problem, seed) for seed in (3, 3, 4))
    assert torch.equal(one.candidates.inputs, same.candidates.inputs)
    assert torch.equal(one.candidates.weights, same.candidates.weights)
    assert one.history == same.history
    assert not torch.allclose(one.candidates.inputs, other.candidates.inputs)


def test_the_global_generator_is_neither_used_nor_moved() -> None:
    problem = planted_problem().problem
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = minimise(SHORT, problem)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(minimise(SHORT, problem).candidates.inputs, one.candidates.inputs)


def test_restarts_differ() -> None:
    inputs = minimise(SHORT, planted_problem().problem).candidates.inputs
    assert not torch.allclose(inputs[0], inputs[1])
    assert not torch.allclose(inputs[1], inputs[2])


# The budget


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_budget_that_is_used_up_returns_the_start(seconds) -> None:
    clock = Clock()
    budget = Budget(seconds, clock)
    clock.now = 31.0 * (seconds > 0)
    found = minimise(SHORT, planted_problem().problem, budget=budget)
    assert found.status is Status.BUDGET
    assert found.steps == 0
    assert found.candidates.inputs.shape[:2] == (3, 6)
    assert torch.isfinite(found.candidates.inputs).all()
    assert found.candidates.inputs.norm(dim=-1).min() > 0.0
    assert (found.candidates.weights >= 0.0).all()
    torch.testing.assert_close(found.losses, torch.ones(3), rtol=0.4, atol=0.0)


def test_where_time_is_plenty_results_do_not_depend_on_it() -> None:
    problem = planted_problem().problem
    swift, slow = (minimise(SHORT, problem, budget=Budget(1000.0, Clock(tick=tick))) for tick in (0.0, 0.1))
    torch.testing.assert_close(slow.candidates.inputs, swift.candidates.inputs, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("cost", [1.0, 4.0])
def test_it_stops_within_one_step_of_the_end(cost) -> None:
    clock = Clock()
    problem = planted_problem().problem
    problem = replace(problem, objective=costing(problem.objective, clock, cost))
    found = minimise(replace(SHORT, steps=10_000), problem, budget=Budget(40.0, clock))
    assert found.status is Status.BUDGET
    assert 40.0 - cost <= clock.now <= 40.0 + 2 * cost  # the step it is in, and the loss of what it found
    assert 0 < found.steps / 3 <= 40.0 / cost


def test_it_stops_after_the_step_in_which_it_was_interrupted() -> None:
    asked = []
    budget = Budget(100.0, Clock(), lambda: bool(asked))
    evaluations = []
    problem = planted_problem().problem

    def readout(outputs, labels):
        if outputs.shape[0] == SHORT.restarts:
            evaluations.append(1)
            if len(evaluations) == 5:
                asked.append("stop")
        return problem.objective.readout(outputs, labels)

    found = minimise(replace(SHORT, steps=10_000), with_objective(problem, readout=readout), budget=budget)
    assert found.status is Status.INTERRUPTED
    assert found.steps == 3 * 5


def counting(limit):
    calls = []

    def interrupted():
        calls.append(1)
        return len(calls) > limit

    return interrupted


@pytest.mark.parametrize("asked", [0, 1, 2, 3])
def test_interrupted_before_the_first_step(asked) -> None:
    budget = Budget(100.0, Clock(), counting(asked))
    found = minimise(SHORT, planted_problem().problem, budget=budget)
    assert found.status is Status.INTERRUPTED
    assert torch.isfinite(found.candidates.inputs).all()


# Divergence


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_target_that_is_not_finite_diverges(value) -> None:
    problem = planted_problem().problem
    first, last = problem.objective.target.tensors
    target = problem.objective.target.rebuild([first, torch.full_like(last, value)])
    found = minimise(SHORT, with_objective(problem, target=target))
    assert found.status is Status.DIVERGED
    assert found.losses.tolist() == [math.inf] * 3


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e30])
def test_a_restart_that_diverges_is_told_from_those_that_do_not(factor) -> None:
    problem = planted_problem().problem
    poison = torch.tensor([1.0, factor, 1.0])[:, None, None]

    def readout(outputs, labels):
        values = problem.objective.readout(outputs, labels)
        return values * poison if values.shape[0] == 3 else values

    found = minimise(SHORT, with_objective(problem, readout=readout))
    clean = minimise(SHORT, problem)
    assert found.status is Status.FINISHED
    assert found.losses[1] == math.inf
    assert found.losses[[0, 2]].tolist() == pytest.approx(clean.losses[[0, 2]].tolist(), rel=1e-4)
    torch.testing.assert_close(found.candidates.inputs[0], clean.candidates.inputs[0])
    assert all(math.isfinite(loss) for _, loss in found.history)
    assert found.history[-1][1] == pytest.approx(float(found.losses.min()), rel=0.5)


def test_a_restart_that_starts_beyond_all_numbers_is_not_called_finite() -> None:
    clock = Clock()
    budget = Budget(10.0, clock)
    clock.now = 11.0
    problem = planted_problem().problem
    larger = torch.tensor([1.0, 1e25, 1.0])[:, None, None]

    def readout(outputs, labels):
        values = problem.objective.readout(outputs, labels)
        return values * larger if values.shape[0] == 3 else values

    found = minimise(SHORT, with_objective(problem, readout=readout), budget=budget)
    assert torch.isfinite(found.losses).tolist() == [True, False, True]


def test_a_restart_whose_last_step_went_astray_is_told_from_the_others() -> None:
    """A readout with first derivative 1 and no second one: the loss is finite, its gradient is not."""
    problem = planted_problem().problem

    def readout(outputs, labels):
        values = problem.objective.readout(outputs, labels)
        if values.shape[0] != 3:
            return values
        bent = values[1:2] + (0.0 * values[1:2]).pow(1.5)
        return torch.cat([values[:1], bent, values[2:]])

    found = minimise(replace(SHORT, steps=1), with_objective(problem, readout=readout))
    usable = torch.isfinite(found.candidates.inputs).all(-1).all(-1)
    assert usable.tolist() == [True, False, True]
    assert torch.isfinite(found.losses).tolist() == [True, False, True]


# Units


def test_units_of_pre_activations_come_from_typical_images() -> None:
    given = planted_problem()
    strange = replace(given.problem.objective.points[0], scales=(50.0,))
    problem = with_objective(given.problem, points=(strange,))
    (point,) = fit_scales(problem).points
    rows = problem.input_unit * torch.randn(4000, given.space.rank, generator=generator(5))
    assert point.scales == pytest.approx(point.fit_scales(rows).scales, rel=0.3)
    assert problem.input_unit * math.sqrt(given.space.rank) == pytest.approx(problem.box.typical_norm)
    one, other = minimise(SHORT, given.problem), minimise(SHORT, problem)
    torch.testing.assert_close(one.candidates.inputs, other.candidates.inputs)


@pytest.mark.parametrize("count", [4, 36])
def test_lambda_is_in_units_that_reach_the_target(count) -> None:
    given = planted_problem(hidden=200)
    objective = fit_scales(given.problem)
    unit = weight_unit(given.problem, objective, count)
    rows = given.problem.input_unit * torch.randn(500, 1, given.space.rank, generator=generator(5))
    labels = equation(KktMargin(), observation(objective.points[0])).label(500)[:, None]
    single = Candidates(rows, torch.full((500, 1, 1), unit), labels)
    target = objective.target.flatten()
    with torch.no_grad():
        squares = (target - objective.residual(single)).square().sum(-1)
    assert math.sqrt(count * squares.mean()) == pytest.approx(objective.target_norm, rel=0.5)


def test_lambda_has_a_unit_even_if_nothing_depends_on_inputs() -> None:
    problem = planted_problem().problem
    dead = problem.objective.points[0]
    dead = dead.at(dead.parameters.map(torch.zeros_like))
    found = minimise(SHORT, with_objective(problem, points=(dead,)))
    assert torch.isfinite(found.losses).all()
    assert torch.isfinite(found.candidates.inputs).all()
