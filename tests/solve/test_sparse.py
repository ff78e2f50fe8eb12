"""Exact inputs of a batch from its gradient, and an honest end where there are none to be had."""

from dataclasses import replace

import pytest
import torch

from audit.attacks.gradient import Gradient
from audit.objective import Objective
from audit.reduction import reduce
from audit.solve import sparse
from audit.solve.base import Problem, Status
from audit.solve.budget import Budget
from audit.solve.constraints import Box
from audit.solve.sparse import SparseFactors
from tests.planted import Clock, batch_gradient, generator, observation, small_network

INPUTS = 90


def planted(samples, layers=2, change=lambda tensor: tensor, outputs=5, dtype=torch.float32, hidden=100):
    """A problem, its row space and its samples."""
    net = small_network(outputs, layers, "all", INPUTS, hidden)
    rows = 2 * torch.rand(samples, INPUTS, generator=generator(4), dtype=torch.float64) - 1
    gradient, _ = batch_gradient(net, rows)
    gradient = gradient.with_tensors([change(tensor) for tensor in gradient.tensors])
    seen = replace(observation(net), gradient=gradient)
    to = [tuple(t.to(dtype) for t in tensors) for tensors in (gradient.tensors, net.tensors)]
    objective = replace(Gradient().objective(seen), target=to[0], anchors=(net.with_tensors(to[1]),))
    reduced, space = reduce(objective)
    box = Box(space.basis, seen.low.to(dtype), seen.high.to(dtype))
    return Problem(reduced, box, lambda count: None), space, rows


def solve(problem, samples, budget=None, noise=0.0, seed=0, watch=lambda step, loss: None):
    budget = budget or Budget(1.0, Clock())
    return SparseFactors(samples, noise).minimise(problem, budget, generator(seed), watch)


def worst(solution, space, rows):
    """Largest error of any pixel of any sample's nearest candidate."""
    found = space.lift(solution.candidates.inputs[0]).double()
    return float(torch.stack([(found - row).abs().amax(1).min() for row in rows]).max())


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("samples", [1, 2, 3, 6, 8])
def test_inputs_are_exact_at_their_true_scale(samples, layers):
    problem, space, rows = planted(samples, layers, outputs=6)
    assert space.signals == samples
    found = solve(problem, samples)
    assert found.status is Status.SOLVED
    assert found.candidates.inputs.shape == (1, samples, space.rank)
    assert found.candidates.weights.shape == (1, samples, 6)
    assert found.candidates.inputs.dtype is torch.float32
    assert worst(found, space, rows) < 1e-5
    assert f"rank {samples} taken as the size of the batch" in found.note


def test_lambda_is_that_of_the_loss_and_the_loss_that_of_the_equation():
    problem, space, rows = planted(4, dtype=torch.float64)
    found = solve(problem, 4)
    with torch.no_grad():
        expected = problem.objective.relative_loss(found.candidates)
    torch.testing.assert_close(found.losses, expected.float(), rtol=1e-3, atol=1e-12)
    assert found.relative_loss < 1e-20
    _, slopes = batch_gradient(small_network(5, 2, "all", INPUTS, 100), rows)
    lifted = space.lift(found.candidates.inputs[0])
    order = torch.cdist(rows, lifted).argmin(1)
    torch.testing.assert_close(found.candidates.weights[0][order], slopes)


@pytest.mark.parametrize("scale", [-0.01, 100.0])
def test_neither_the_scale_nor_the_sign_of_the_gradient_matters(scale):
    problem, space, rows = planted(4, change=lambda tensor: scale * tensor)
    assert worst(solve(problem, 4), space, rows) < 1e-5


@pytest.mark.parametrize("samples", [1, 4])
def test_in_half_precision_a_direction_of_noise_is_left_out(samples):
    problem, space, rows = planted(samples, change=lambda tensor: tensor.half().double(), hidden=300)
    assert space.signals > samples
    found = solve(problem, samples + 1, noise=space.noise)
    assert found.status is Status.SOLVED
    assert "noise" in found.note
    assert worst(found, space, rows) < 0.02


def test_a_target_that_no_batch_has_is_given_up():
    problem, space, _ = planted(3)
    shuffled = problem.objective.target[0][torch.randperm(100, generator=generator())]
    spoiled = replace(problem.objective, target=(shuffled, *problem.objective.target[1:]))
    found = solve(replace(problem, objective=spoiled), 3)
    assert found.status is Status.EXHAUSTED
    assert found.candidates.inputs.shape == (1, 0, space.rank)
    assert found.relative_loss == 1.0
    assert "which do not solve it" in found.note


def test_the_budget_is_looked_at_between_draws(monkeypatch):
    monkeypatch.setattr(sparse, "_FEWEST_ZEROS", 2.0)  # nothing is ever found
    problem, _, _ = planted(4)
    heard = []
    clock = Clock(tick=1.0)
    budget = Budget(10.0, clock)
    found = solve(problem, 4, budget, watch=lambda step, loss: heard.append((step, loss)))
    assert found.status is Status.BUDGET
    assert 0 < found.steps == 4096 * len(heard) <= 10 * 4096
    assert {loss for _, loss in heard} == {1.0}
    assert f"{found.steps} draws; 0 of 4 directions found" in found.note
    assert clock.now < 15.0


def test_the_user_may_break_off(monkeypatch):
    monkeypatch.setattr(sparse, "_FEWEST_ZEROS", 2.0)
    heard = []
    budget = Budget(10.0, Clock(), lambda: len(heard) >= 2)
    found = solve(planted(4)[0], 4, budget, watch=lambda *event: heard.append(event))
    assert (found.status, len(heard)) == (Status.INTERRUPTED, 2)


def test_the_same_seed_gives_the_same_draws():
    problem, _, _ = planted(6)
    one, same, other = (solve(problem, 6, seed=seed).candidates.inputs for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert isinstance(problem.objective, Objective)
