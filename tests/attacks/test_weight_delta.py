"""weight-delta: single steps of gradient descent, which one of the two points explains exactly."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from audit.attacks.weight_delta import WeightDelta
from audit.equation.candidates import Candidates
from tests.pairwise import pairwise
from tests.planted import (
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    another,
    at,
    equation,
    generator,
    observation,
    plain_sum,
    random_candidates,
    reason_against,
    small_network,
    without_initial,
)

ATTACK = WeightDelta()
RATE, SAMPLES = 0.1, 5
ACTIVATIONS = list(PLAIN_ACTIVATIONS)


def squared(outputs):
    targets = torch.randn(outputs.shape, generator=generator(8), dtype=outputs.dtype)
    return functional.mse_loss(outputs, targets, reduction="sum")


def cross_entropy(outputs):
    return functional.cross_entropy(outputs, torch.arange(len(outputs)) % 3, reduction="sum")


LOSSES = {
    "squared, 1 output": (squared, 1),
    "squared, 3 outputs": (squared, 3),
    "cross-entropy, 3 outputs": (cross_entropy, 3),
}


def observed(final, initial):
    return replace(observation(final), initial=initial)


def update(network, rows, loss):
    """What one step of gradient descent adds to the parameters, and lambda (n, c) in closed form."""
    tensors = [tensor.clone().requires_grad_() for tensor in network.parameters.tensors]
    outputs = at(network, tensors).forward(rows)
    *gradients, derivatives = torch.autograd.grad(loss(outputs), [*tensors, outputs])
    return [-RATE * gradient for gradient in gradients], -RATE * derivatives


def moved(network, change, sign=1.0):
    pairs = zip(network.parameters.tensors, change, strict=True)
    return at(network, [tensor + sign * part for tensor, part in pairs])


@pairwise(point=["initial", "final"], case=list(LOSSES), activation=ACTIVATIONS)
def test_one_step_of_gradient_descent_is_solved_exactly(point, case, activation) -> None:
    """The gradient is taken where the step begins; in an implicit step, where it ends."""
    loss, outputs = LOSSES[case]
    net = small_network(outputs, 3, "all", activation=activation)
    rows = torch.randn(SAMPLES, net.inputs, generator=generator(2), dtype=torch.float64)
    change, weights = update(net, rows, loss)
    none = torch.zeros_like(weights)
    if point == "initial":
        seen, parts = observed(moved(net, change), net), [none, weights]
    else:
        seen, parts = observed(net, moved(net, change, -1.0)), [weights, none]
    objective = equation(ATTACK, seen).objective
    assert objective.target_norm > 0.1
    with torch.no_grad():
        solved = objective.relative_loss(Candidates(rows, torch.cat(parts, -1), None))
        swapped = objective.relative_loss(Candidates(rows, torch.cat(parts[::-1], -1), None))
    assert solved < 1e-24
    assert swapped > 1e-6


@pairwise(**LAYOUTS, activation=ACTIVATIONS)
def test_every_point_has_lambdas_of_its_own(net, seen) -> None:
    objective, candidates = equation(ATTACK, seen).objective, random_candidates(ATTACK, seen)
    shares = candidates.weights.split(net.outputs, dim=-1)
    assert len(shares) == 2
    expected = objective.target.flatten()
    for point, weights in zip((seen.network, seen.initial), shares, strict=True):
        alone = replace(objective, points=(point,))
        expected = expected - plain_sum(alone, replace(candidates, weights=weights))
    torch.testing.assert_close(objective.residual(candidates), expected)


@pairwise(**LAYOUTS, activation=["relu"])
def test_the_target_is_the_change_and_the_final_weights_are_the_first_point(net, seen) -> None:
    objective = equation(ATTACK, seen).objective
    for change, after, before in zip(
        objective.target.tensors, net.parameters.tensors, seen.initial.parameters.tensors, strict=True
    ):
        torch.testing.assert_close(before + change, after)
    assert objective.points == (net, seen.initial)
    assert not objective.non_negative
    assert (equation(ATTACK, seen).classes, equation(ATTACK, seen).label(7)) == (0, None)
    assert equation(ATTACK, seen).caveat is None


def test_without_a_start_it_does_not_apply() -> None:
    assert "pass --initial" in reason_against(ATTACK, without_initial(observation(small_network())))


@pytest.mark.parametrize("biases", ["none", "all"])
def test_a_start_equal_to_the_end_does_not_apply(biases) -> None:
    net = small_network(3, 2, biases)
    copy = net.at(net.parameters.map(torch.Tensor.clone))
    assert "nothing changed" in reason_against(ATTACK, observed(net, copy))


@pytest.mark.parametrize(
    ("index", "reason"),
    [(0, None), *((index, "the first layer is as it was before training") for index in (1, 2, 3))],
)
def test_one_value_that_changed_is_a_change_where_it_holds_inputs(index, reason) -> None:
    net = small_network(3, 2, "all")
    tensors = [tensor.clone() for tensor in net.parameters.tensors]
    tensors[index].view(-1)[-1] += 1e-9
    found = reason_against(ATTACK, observed(net, at(net, tensors)))
    assert found is None if reason is None else found.startswith(reason)


def test_shared_bits_of_the_start_cancel() -> None:
    net, start = small_network(dtype=torch.float32), another(small_network(dtype=torch.float32))
    kept = at(start, [start.parameters.tensors[0], net.parameters.tensors[1]])
    target = equation(ATTACK, observed(net, kept)).objective.target
    assert target.weights[0].any()
    assert not target.weights[1].any()
