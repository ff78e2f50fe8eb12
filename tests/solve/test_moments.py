"""Samples from the moments of a gradient at random weights, and the descent that goes on from them."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from audit.attacks.gradient import Gradient
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve import moments as solver
from audit.solve.base import Problem, Status
from audit.solve.constraints import Box
from audit.solve.hermite import moments
from audit.solve.moments import MomentStarts
from tests.planted import (
    Clock,
    batch_gradient,
    equation,
    generator,
    in_row_space,
    observation,
    small_network,
)

INPUTS = 30


def planted(activation="tanh", hidden=300, outputs=4, biases="all", samples=3, dtype=torch.float32):
    """A problem, its row space and its samples, which are nearly orthogonal and all in the box."""
    net = small_network(outputs, 2, biases, INPUTS, hidden, activation=activation)
    rows = torch.rand(samples, INPUTS, generator=generator(4), dtype=torch.float64)
    gradient, _ = batch_gradient(net, rows)
    seen = observation(net, bound=1.0)
    target, weights = (part.map(lambda t: t.to(dtype)) for part in (gradient, net.parameters))
    objective = equation(Gradient(), replace(seen, gradient=gradient)).objective
    reduced, space = in_row_space(replace(objective, target=target, points=(net.at(weights),)))
    box = Box(space.basis, torch.zeros(INPUTS, dtype=dtype), seen.high.to(dtype))
    return Problem(reduced, box, lambda count: None), space, rows


def solve(problem, samples=3, budget=None, seed=0, watch=lambda step, loss: None):
    budget = budget or Budget(1e9, Clock())
    return MomentStarts(samples).minimise(problem, budget, generator(seed), watch)


def nearest(found, rows):
    """Cosine of every sample with the candidate nearest to it, of either sign (samples,)."""
    products = functional.normalize(rows.double(), dim=1) @ functional.normalize(found.double(), dim=1).T
    return products.abs().amax(1)


def raw(problem, space, order, samples=3):
    """The best start, lifted."""
    evaluations, back = solver._evaluate(problem, samples)
    return space.lift(solver._starts(problem, [moments(evaluations, order)], back, generator()).inputs[0])


# Moments


@pytest.mark.parametrize(
    ("activation", "order", "outputs"),
    [("relu", 2, 4), ("softplus", 2, 4), ("tanh", 3, 4), ("tanh", 3, 2), ("relu", 4, 2)],
)
def test_with_many_units_the_moments_are_the_samples(activation, order, outputs) -> None:
    """Softmax over two outputs says the same twice."""
    problem, space, rows = planted(activation, 20_000, outputs)
    assert nearest(raw(problem, space, order), rows).min() > (0.98 if order < 4 else 0.95)


def test_more_units_tell_more() -> None:
    errors = []
    for hidden in (100, 10_000):
        problem, space, rows = planted("relu", hidden)
        errors.append(1 - float(nearest(raw(problem, space, 2), rows).mean()))
    assert errors[0] > 5 * errors[1]


@pytest.mark.parametrize("biases", ["none", "first", "all"])
def test_neither_biases_nor_the_scale_of_the_gradient_matter(biases) -> None:
    problem, space, rows = planted("tanh", 2000, biases=biases)
    target = problem.objective.target.times(-7)
    scaled = replace(problem, objective=replace(problem.objective, target=target))
    for each in (problem, scaled):
        assert nearest(raw(each, space, 3), rows).min() > 0.98


# Starts and descent


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_descent_from_the_moments_reaches_the_truth(activation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_STEPS", 200)
    monkeypatch.setattr(solver, "_MOST_ROUNDS", 1)
    problem, space, rows = planted(activation)
    evaluations, back = solver._evaluate(problem, 3)
    start = solver._starts(problem, [moments(evaluations, 3)], back, generator())
    with torch.no_grad():
        before = float(problem.objective.relative_loss(start).min())
    found = solve(problem)
    best = space.lift(found.candidates.restart(int(found.losses.argmin())).inputs[0])
    assert found.relative_loss < min(1e-3, before / 5)
    assert nearest(best, rows).min() > 0.999
    lengths = [each.norm(dim=1).double().sort().values for each in (best, rows)]
    torch.testing.assert_close(*lengths, rtol=0.05, atol=0)
    assert found.note.startswith("3 samples from the moments of 300 units, relative loss ")


def test_starts_are_given_in_order_of_their_loss() -> None:
    problem, space, _ = planted()
    evaluations, back = solver._evaluate(problem, 3)
    start = solver._starts(problem, [moments(evaluations, order) for order in (2, 3)], back, generator())
    assert start.inputs.shape == (4, 3, space.rank)
    assert start.weights.shape == (4, 3, 4)
    with torch.no_grad():
        losses = problem.objective.relative_loss(start)
    assert (losses.diff() >= 0).all()
    assert losses[0] < 0.01


def test_the_equation_may_be_solved_before_the_budget_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_STEPS", 200)
    monkeypatch.setattr(solver, "_SOLVED", 1e-3)
    heard = []
    found = solve(planted()[0], watch=lambda *event: heard.append(event))
    assert found.status is Status.SOLVED
    assert found.steps == 200 * found.restarts
    assert heard[-1][1] < 1e-3


def test_rounds_go_on_until_the_budget_ends() -> None:
    clock = Clock(tick=0.05)
    found = solve(planted("relu", 60)[0], budget=Budget(5.0, clock))
    assert found.status is Status.BUDGET
    assert found.steps > 0
    assert clock.now < 7.0


def test_the_same_seed_gives_the_same_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_STEPS", 3)
    monkeypatch.setattr(solver, "_MOST_ROUNDS", 1)
    problem, _, _ = planted("relu", 60)
    one, same, other = (solve(problem, seed=seed).candidates.inputs for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_one_sample_is_found_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_STEPS", 100)
    monkeypatch.setattr(solver, "_MOST_ROUNDS", 1)
    problem, space, rows = planted("tanh", samples=1)
    found = solve(problem, 1)
    assert isinstance(found.candidates, Candidates)
    assert nearest(space.lift(found.candidates.inputs[0]), rows).min() > 0.999


def test_orders_follow_from_the_number_of_equations() -> None:
    assert solver.affordable(units=500, outputs=10, rank=8) == [2, 3, 4]
    assert solver.affordable(units=500, outputs=10, rank=16) == [2, 3]
    assert solver.affordable(units=20, outputs=10, rank=16) == [2]
