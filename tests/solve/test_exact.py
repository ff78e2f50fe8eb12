"""Exact inputs of a batch from its gradient, and an honest end where there are none to be had."""

import re
from dataclasses import replace

import pytest
import torch

from audit.attacks.gradient import Gradient
from audit.budget import Budget
from audit.solve import exact as solver
from audit.solve.base import Problem, Status
from audit.solve.constraints import Box
from audit.solve.exact import ExactInputs
from audit.solve.sparse import DRAWS
from tests.planted import (
    Clock,
    at,
    batch_gradient,
    equation,
    generator,
    in_row_space,
    observation,
    small_network,
)

INPUTS = 90

EITHER = ["relu", pytest.param("tanh", marks=pytest.mark.slow)]


def planted(
    samples,
    layers=2,
    change=lambda tensor: tensor,
    outputs=5,
    dtype=torch.float32,
    hidden=100,
    activation="relu",
    biases="all",
    lengths=None,
):
    """A problem, its row space and its samples, whose derivatives `lengths` (samples,) make larger or smaller."""
    net = small_network(outputs, layers, biases, INPUTS, hidden, activation=activation)
    rows = 2 * torch.rand(samples, INPUTS, generator=generator(4), dtype=torch.float64) - 1
    gradient, derivatives = batch_gradient(net, rows)
    if lengths is not None:
        tensors = [tensor.clone().requires_grad_() for tensor in net.parameters.tensors]
        found = at(net, tensors).forward(rows)
        gradient = gradient.rebuild(torch.autograd.grad(found, tensors, lengths[:, None] * derivatives))
    gradient = gradient.map(change)
    seen = replace(observation(net), gradient=gradient)
    target, weights = (part.map(lambda t: t.to(dtype)) for part in (gradient, net.parameters))
    objective = replace(equation(Gradient(), seen).objective, target=target, points=(net.at(weights),))
    reduced, space = in_row_space(objective)
    box = Box(space.basis, seen.low.to(dtype), seen.high.to(dtype))
    return Problem(reduced, box, lambda count: None), space, rows


def solve(problem, samples, budget=None, noise=0.0, seed=0, watch=lambda step, loss: None):
    budget = budget or Budget(1.0, Clock())
    return ExactInputs(samples, noise).minimise(problem, budget, generator(seed), watch)


def errors(solution, space, rows):
    """Largest error of any pixel of every sample's nearest candidate, (samples,)."""
    found = space.lift(solution.candidates.inputs[0]).double()
    return torch.stack([(found - row).abs().amax(1).min() for row in rows])


def worst(solution, space, rows):
    return float(errors(solution, space, rows).max())


def check_exact(found, space, rows, outputs=5) -> None:
    assert space.signals == len(rows)
    assert found.status is Status.SOLVED
    assert found.candidates.inputs.shape == (1, len(rows), space.rank)
    assert found.candidates.weights.shape == (1, len(rows), outputs)
    assert found.candidates.inputs.dtype is torch.float32
    assert worst(found, space, rows) < 1e-5
    assert f"rank {len(rows)} taken as the size of the batch" in found.note
    assert f"{len(rows)} of {len(rows)} samples found;" in found.note
    assert "approximate" not in found.note


# Where the truth is found


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("samples", [1, 2, 3, 6, 8])
def test_behind_a_relu_inputs_are_exact_at_their_true_scale(samples, layers) -> None:
    problem, space, rows = planted(samples, layers)
    found = solve(problem, samples)
    check_exact(found, space, rows)
    assert found.steps % DRAWS == (samples == 1)  # draws were enough


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "softplus"])
@pytest.mark.parametrize(("samples", "layers"), [(2, 3), (8, 2)])
def test_behind_a_smooth_activation_too(samples, layers, activation) -> None:
    problem, space, rows = planted(samples, layers, activation=activation)
    check_exact(solve(problem, samples), space, rows)


def test_behind_a_relu_more_samples_than_draws_suit() -> None:
    problem, space, rows = planted(18, hidden=300)
    found = solve(problem, 18)
    check_exact(found, space, rows)
    assert found.steps < DRAWS


def test_descent_finds_what_draws_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_MOST_CHUNKS", 0)
    problem, space, rows = planted(3)
    found = solve(problem, 3)
    check_exact(found, space, rows)
    assert found.steps < DRAWS


@pytest.mark.parametrize("samples", [1, 4])
def test_a_smooth_activation_needs_no_bias_in_the_first_layer(samples) -> None:
    problem, space, rows = planted(samples, activation="softplus", biases="none")
    check_exact(solve(problem, samples), space, rows)


def test_one_output() -> None:
    rows = torch.rand(4, INPUTS, generator=generator(4), dtype=torch.float64)
    net = small_network(1, 2, "all", INPUTS, 100, activation="tanh")
    tensors = [tensor.clone().requires_grad_() for tensor in net.parameters.tensors]
    (at(net, tensors).forward(rows) - torch.arange(4)[:, None]).square().mean().backward()
    gradient = net.parameters.rebuild([tensor.grad for tensor in tensors])
    seen = replace(observation(net), gradient=gradient)
    reduced, space = in_row_space(equation(Gradient(), seen).objective)
    problem = Problem(reduced, Box(space.basis, seen.low, seen.high), lambda count: None)
    assert worst(solve(problem, 4), space, rows) < 1e-5


def test_five_layers() -> None:
    problem, space, rows = planted(3, 5, activation="tanh", dtype=torch.float64)
    assert worst(solve(problem, 3), space, rows) < 1e-8


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_several_samples_of_one_label(activation) -> None:
    """Labels go round, so that with three outputs each has two."""
    problem, space, rows = planted(6, outputs=3, activation=activation)
    check_exact(solve(problem, 6), space, rows, outputs=3)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_sample_with_a_tiny_loss_is_found_next_to_large_ones(activation) -> None:
    lengths = torch.tensor([1.0, 1.0, 1e-4, 1.0]).double()
    problem, space, rows = planted(4, activation=activation, lengths=lengths)
    found = solve(problem, 4)
    assert found.status is Status.SOLVED
    told = float((re.search(r" to ([\d.e-]+);", found.note) or {1: 1e-4})[1])
    assert worst(found, space, rows) < told < 0.05
    assert errors(found, space, rows)[[0, 1, 3]].max() < 1e-5


@pytest.mark.parametrize("activation", EITHER)
def test_lambda_is_that_of_the_loss_and_the_loss_that_of_the_equation(activation) -> None:
    problem, space, rows = planted(4, dtype=torch.float64, activation=activation)
    found = solve(problem, 4)
    with torch.no_grad():
        expected = problem.objective.relative_loss(found.candidates)
    torch.testing.assert_close(found.losses, expected.float(), rtol=1e-3, atol=1e-12)
    assert found.relative_loss < 1e-12
    _, derivatives = batch_gradient(small_network(5, 2, "all", INPUTS, 100, activation=activation), rows)
    lifted = space.lift(found.candidates.inputs[0])
    order = torch.cdist(rows, lifted).argmin(1)
    torch.testing.assert_close(found.candidates.weights[0][order], derivatives, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("activation", EITHER)
@pytest.mark.parametrize("scale", [-0.01, 100.0])
def test_neither_the_scale_nor_the_sign_of_the_gradient_matters(scale, activation) -> None:
    problem, space, rows = planted(3, change=lambda tensor: scale * tensor, activation=activation)
    check_exact(solve(problem, 3), space, rows)


# What noise leaves


def test_known_twice_is_one_sample() -> None:
    """Two equal images of different labels: their derivatives add up, and so do their lambda."""
    net = small_network(5, 2, "all", INPUTS, 100)
    rows = torch.rand(3, INPUTS, generator=generator(4), dtype=torch.float64)[[0, 1, 2, 2]]
    seen = replace(observation(net), gradient=batch_gradient(net, rows)[0])
    reduced, space = in_row_space(equation(Gradient(), seen).objective)
    problem = Problem(reduced, Box(space.basis, seen.low, seen.high), lambda count: None)
    found = solve(problem, space.signals)
    assert found.status is Status.SOLVED
    assert found.candidates.inputs.shape[1] == 3
    assert worst(found, space, rows) < 1e-6


@pytest.mark.parametrize("activation", EITHER)
@pytest.mark.parametrize("kind", ["half precision", "noise"])
def test_what_is_not_exact_says_how_far_it_may_be_off(kind, activation) -> None:
    rng = generator(3)

    def change(tensor):
        if kind == "half precision":
            return tensor.half().double()
        return tensor + 1e-3 * tensor.std() * torch.randn(tensor.shape, generator=rng).double()

    problem, space, rows = planted(3, change=change, hidden=300, activation=activation)
    assert space.signals == 3
    found = solve(problem, 3, noise=1e-3)
    assert found.status is Status.SOLVED
    assert "noise 0.001 of the first layer's gradient" in found.note
    told = float(re.search(r"3 of 3 samples found.* to ([\d.e-]+);", found.note)[1])
    assert found.note.endswith("approximate")
    assert worst(found, space, rows) < told < 0.5


# What ends without


@pytest.mark.parametrize("activation", EITHER)
def test_a_target_that_no_batch_has_is_given_up(activation) -> None:
    problem, space, _ = planted(3, activation=activation)
    shuffled = problem.objective.target.weights[0][torch.randperm(100, generator=generator())]
    spoiled = replace(problem.objective, target=problem.objective.target.with_first_weight(shuffled))
    found = solve(replace(problem, objective=spoiled), 3)
    assert found.status is Status.EXHAUSTED
    assert found.candidates.inputs.shape == (1, 0, space.rank)
    assert found.relative_loss == 1.0
    assert "0 of 3 samples found" in found.note


@pytest.mark.parametrize("activation", EITHER)
def test_samples_that_do_not_solve_the_equation_are_not_called_exact(activation) -> None:
    """All are found, for the first layer is as it was; the search ends although time does not."""
    problem, _, _ = planted(3, activation=activation)
    target = problem.objective.target
    *first, last, bias = target.tensors
    spoiled = replace(problem.objective, target=target.rebuild([*first, last + 3 * last.std(), bias]))
    found = solve(replace(problem, objective=spoiled), 3)
    assert found.status is Status.EXHAUSTED
    assert found.candidates.inputs.shape[1] == 3
    assert found.relative_loss > 1e-3
    assert found.note.endswith("approximate")
    assert "range of pixels" not in found.note


def test_noise_is_no_excuse_for_a_wrong_solution() -> None:
    problem, _, _ = planted(4, activation="tanh")
    search = solver._Search(problem.objective, solver.first_layer(problem.objective, 4, 0.5, 90, 1.0), 0.5)
    inputs = torch.zeros(1, 4, 4)
    candidates = solver.Candidates(inputs, torch.zeros(1, 4, 5), None)
    assert not search.solved_by(solver._Best(candidates, 0.5))
    assert search.solved_by(solver._Best(candidates, 0.005))
    fewer = solver.Candidates(inputs[:, :3], torch.zeros(1, 3, 5), None)
    assert not search.solved_by(solver._Best(fewer, 0.005))


def test_where_nobody_is_found_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_FOUND", 0.0)
    monkeypatch.setattr(solver, "_SMOOTH", ((None, 1),))
    problem, space, _ = planted(3, activation="tanh")
    found = solve(problem, 3)
    assert found.status is Status.EXHAUSTED
    assert found.candidates.inputs.shape == (1, 0, space.rank)
    assert found.relative_loss == 1.0
    assert "0 of 3 samples found; residual 1" in found.note


# Time


def test_the_budget_is_looked_at_between_draws_and_steps() -> None:
    problem, _, _ = planted(12)
    heard = []
    clock = Clock(tick=1.0)
    found = solve(problem, 12, Budget(3.0, clock), watch=lambda *event: heard.append(event))
    assert found.status is Status.BUDGET
    assert 0 < found.steps == DRAWS * len(heard) <= 3 * DRAWS
    assert clock.now < 8.0
    clock = Clock(tick=1.0)
    found = solve(planted(3, activation="tanh")[0], 3, Budget(5.0, clock))
    assert found.status is Status.BUDGET
    assert 0 < found.steps < 5
    assert clock.now < 12.0


def test_the_user_may_break_off() -> None:
    heard = []
    budget = Budget(10.0, Clock(), lambda: len(heard) >= 1)
    found = solve(planted(12)[0], 12, budget, watch=lambda *event: heard.append(event))
    assert (found.status, len(heard), found.steps) == (Status.INTERRUPTED, 1, DRAWS)


@pytest.mark.parametrize("activation", EITHER)
def test_the_same_seed_gives_the_same_samples(activation) -> None:
    problem, _, _ = planted(3, activation=activation)
    one, same = (solve(problem, 3, seed=1).candidates.inputs for _ in range(2))
    assert torch.equal(one, same)
