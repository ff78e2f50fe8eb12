"""gradient: the gradient of a batch, which the batch explains exactly with the derivatives of its loss as
lambda."""

from dataclasses import replace

import pytest
import torch

from audit.attacks.gradient import Gradient
from audit.equation.candidates import Candidates
from tests.planted import (
    PLAIN_ACTIVATIONS,
    another,
    batch_gradient,
    equation,
    generator,
    observation,
    reason_against,
    small_network,
    without_gradient,
)

ATTACK = Gradient()
SAMPLES = 5


def observed(net, gradient):
    return replace(observation(net), gradient=gradient)


@pytest.mark.parametrize("activation", PLAIN_ACTIVATIONS)
@pytest.mark.parametrize("scale", [1.0, -7.0])
def test_the_batch_solves_it_whatever_the_scale(activation, scale) -> None:
    net = small_network(3, 3, "all", activation=activation)
    rows = torch.randn(SAMPLES, net.inputs, generator=generator(2), dtype=torch.float64)
    gradient, derivatives = batch_gradient(net, rows)
    scaled = gradient.times(scale)
    objective = equation(ATTACK, observed(net, scaled)).objective
    with torch.no_grad():
        solved = objective.relative_loss(Candidates(rows, scale * derivatives, None))
        moved = objective.relative_loss(Candidates(1.1 * rows, scale * derivatives, None))
    assert objective.target_norm > 0.1
    assert solved < 1e-24
    assert moved > 1e-4


def test_the_point_is_the_network_and_the_target_is_what_was_seen() -> None:
    net = small_network(3, 2, "all")
    seen = observed(net, another(net).parameters)
    found = equation(ATTACK, seen)
    objective = found.objective
    assert objective.target is seen.gradient
    assert objective.points == (net,)
    assert not objective.non_negative
    assert (
        equation(ATTACK, seen).classes,
        equation(ATTACK, seen).label(7),
        equation(ATTACK, seen).caveat,
    ) == (0, None, None)


def test_without_a_gradient_it_does_not_apply() -> None:
    assert reason_against(ATTACK, without_gradient(observation(small_network()))).endswith("pass --gradient")


@pytest.mark.parametrize(
    ("index", "reason"),
    [(None, "zero everywhere: it holds nothing"), (0, None), (1, "of the first layer is zero everywhere")],
)
def test_a_gradient_of_zeros_does_not_apply(index, reason) -> None:
    net = small_network(3, 2, "all")
    tensors = [torch.zeros_like(tensor) for tensor in net.parameters.tensors]
    if index is not None:
        tensors[index].view(-1)[-1] = 1e-9
    found = reason_against(ATTACK, observed(net, net.parameters.rebuild(tensors)))
    assert found is None if reason is None else reason in found
