"""gradient-cosine: labels from the last bias, and a distance that knows no length."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from audit.attacks.gradient_cosine import GradientCosine, cross_entropy
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve.base import Problem
from audit.solve.constraints import Box
from audit.solve.descent import Descent
from tests.planted import (
    Clock,
    at,
    equation,
    generator,
    in_row_space,
    observation,
    reason_against,
    small_network,
    without_gradient,
)

ATTACK = GradientCosine()
LABELS = {1: [0, 1, 1, 1], 4: [3, 0, 3, 1]}


def of_a_batch(outputs=4, biases="all", scale=1.0, hidden=30):
    """A network as it is before training, and the gradient of its cross-entropy at four samples."""
    net = small_network(outputs, 2, biases, inputs=20, hidden=hidden)
    net = net.at(net.parameters.times(0.3))
    rows = torch.rand(4, 20, generator=generator(5), dtype=torch.float64)
    leaves = [tensor.clone().requires_grad_() for tensor in net.parameters.tensors]
    losses = cross_entropy(at(net, leaves).forward(rows), torch.tensor(LABELS[outputs]))
    gradient = torch.autograd.grad(scale * losses.mean(), leaves)
    return replace(observation(net), gradient=net.parameters.rebuild(gradient)), rows


@pytest.mark.parametrize("outputs", [1, 4])
def test_labels_are_read_off_the_last_bias(outputs) -> None:
    seen, _ = of_a_batch(outputs)
    assert sorted(equation(ATTACK, seen).label(4).tolist()) == sorted(LABELS[outputs])
    twice = equation(ATTACK, seen).label(8).tolist()
    assert sorted(twice) == sorted(2 * LABELS[outputs])
    assert twice[:4] == twice[4:]
    assert len(equation(ATTACK, seen).label(3)) == 3


def test_the_reader_is_told_the_labels() -> None:
    assert equation(ATTACK, of_a_batch(4)[0]).caveat.endswith("with their number: 0 (1), 1 (1), 3 (2)")


@pytest.mark.parametrize("scale", [1e-3, 50.0])
@pytest.mark.parametrize("outputs", [1, 4])
def test_the_equation_holds_at_the_batch_whatever_the_length_of_its_gradient(outputs, scale) -> None:
    seen, rows = of_a_batch(outputs, scale=scale)
    weights = torch.full((4, 1), 0.25, dtype=torch.float64)
    truth = Candidates(rows, weights, torch.tensor(LABELS[outputs]))
    objective = equation(ATTACK, seen).objective
    assert float(objective.relative_loss(truth).detach()) < 1e-20
    elsewhere = replace(truth, inputs=rows.flip(1))
    assert float(objective.relative_loss(elsewhere).detach()) > 1e-3


def test_the_relative_loss_is_the_square_of_a_sine_and_its_slope_is_right() -> None:
    seen, rows = of_a_batch()
    objective = equation(ATTACK, seen).objective
    start = (rows.flip(1).requires_grad_(), torch.rand(4, 1, generator=generator(), dtype=torch.float64))

    def loss(inputs, weights):
        return objective.relative_loss(Candidates(inputs, weights, torch.tensor(LABELS[4])), 3.0)

    plain = replace(objective, scale_free=False)
    with torch.no_grad():
        target = objective.target.flatten()
        candidates = Candidates(*start, torch.tensor(LABELS[4]))
        cosine = functional.cosine_similarity(target - plain.residual(candidates, 3.0), target, dim=0)
        assert cosine > 0.1  # else its length is held up
        torch.testing.assert_close(loss(*start), 1 - cosine.square())
    assert torch.autograd.gradcheck(loss, (start[0], start[1].requires_grad_()))


def test_a_sum_that_points_elsewhere_is_made_to_turn() -> None:
    seen, rows = of_a_batch()
    weights = torch.full((4, 1), -0.25, dtype=torch.float64).requires_grad_()
    loss = equation(ATTACK, seen).objective.relative_loss(Candidates(rows, weights, torch.tensor(LABELS[4])))
    loss.backward()
    assert float(loss) > 1.0
    assert (weights.grad < 0).any()  # more of it takes the loss down


@pytest.mark.parametrize("outputs", [1, 4])
def test_descent_finds_the_batch(outputs) -> None:
    seen, rows = of_a_batch(outputs, scale=0.2)
    objective, space = in_row_space(equation(ATTACK, seen).objective)
    problem = Problem(
        objective, Box(space.basis, seen.low, seen.high), lambda count: equation(ATTACK, seen).label(count)
    )
    plan = Descent(count=8, restarts=4, steps=500)
    found = plan.minimise(problem, Budget(60.0, Clock()), generator(), lambda step, loss: None)
    assert found.relative_loss < 1e-3
    lifted = space.lift(found.candidates.inputs.flatten(0, 1))
    cosines = functional.cosine_similarity(rows[:, None], lifted, dim=-1).amax(1)
    assert cosines.min() > 0.95


def test_without_a_last_bias_it_does_not_apply() -> None:
    assert "the last layer has no bias" in reason_against(ATTACK, of_a_batch(biases="first")[0])


def test_with_a_last_bias_of_zeros_it_does_not_apply() -> None:
    seen, _ = of_a_batch()
    *rest, last = seen.gradient.tensors
    zeros = replace(seen, gradient=seen.gradient.rebuild([*rest, torch.zeros_like(last)]))
    assert "does not give the labels away" in reason_against(ATTACK, zeros)


def test_without_a_gradient_it_does_not_apply() -> None:
    assert reason_against(ATTACK, without_gradient(observation(small_network()))).endswith("pass --gradient")
