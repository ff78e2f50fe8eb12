"""moment-tensor: the equation of `gradient`, where the first layer is as it was drawn."""

from dataclasses import replace

import pytest
import torch

from audit.attacks import Method, moment_tensor
from audit.attacks.gradient import Gradient
from audit.attacks.moment_tensor import MomentTensor
from tests.planted import (
    at,
    batch_gradient,
    equation,
    generator,
    observation,
    reason_against,
    small_network,
    without_gradient,
)

ATTACK = MomentTensor()


def of_a_batch(samples=4, change=lambda net: net, outputs=4, layers=2, hidden=300, **layout):
    net = change(small_network(outputs, layers, "all", inputs=40, hidden=hidden, **layout))
    rows = torch.rand(samples, net.inputs, generator=generator(2), dtype=torch.float64)
    return replace(observation(net), gradient=batch_gradient(net, rows)[0])


def noise():
    return torch.randn(300, 1, generator=generator(6), dtype=torch.float64)


def first_layer(change):
    return lambda net: at(net, [change(net.weights[0]), *net.parameters.tensors[1:]])


def test_it_is_the_equation_of_gradient_solved_in_another_way() -> None:
    seen = of_a_batch()
    one, other = equation(ATTACK, seen).objective, equation(Gradient(), seen).objective
    assert (one.target, one.points, one.readout) == (other.target, other.points, other.readout)
    assert (ATTACK.method, Gradient.method) == (Method.MOMENTS, Method.DESCENT)


@pytest.mark.parametrize(
    "activation", ["relu", "leaky_relu:0.2", "elu", "gelu", "softplus", "tanh", "sigmoid"]
)
@pytest.mark.parametrize("samples", [1, 4])
def test_it_applies_at_random_weights(activation, samples) -> None:
    assert reason_against(ATTACK, of_a_batch(samples, activation=activation)) is None


def test_uniform_weights_are_random_too() -> None:
    rng = generator(5)
    uniform = first_layer(
        lambda weight: (2 * torch.rand(weight.shape, generator=rng, dtype=torch.float64) - 1) / 6
    )
    assert reason_against(ATTACK, of_a_batch(change=uniform)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda weight: weight + 0.1, "have a mean"),
        (lambda weight: weight + 0.2 * noise(), "times their mean variance along one direction"),
    ],
)
def test_trained_weights_are_told_from_random_ones(change, reason) -> None:
    found = reason_against(ATTACK, of_a_batch(8, first_layer(change)))
    assert found.startswith("the first layer does not look as if just drawn at random: its weights have")
    assert reason in found


def test_three_layers_do_not_apply() -> None:
    assert reason_against(ATTACK, of_a_batch(layers=3)) == "reads the moments of two layers, not of 3"


def test_too_few_units_are_named_with_the_number_that_is_needed() -> None:
    reason = reason_against(ATTACK, of_a_batch(12, hidden=30))
    assert "rank 12, whose moments of order 2 need 46 hidden units" in reason
    assert reason.endswith("30 and 91 are there")


@pytest.mark.parametrize(
    ("activation", "orders"),
    [
        ("relu", [2, 4]),
        ("gelu", [2, 4]),
        ("softplus", [2, 4]),
        ("tanh", [3]),
        ("sigmoid", [3]),
        ("elu", [2, 3, 4]),
        ("polynomial:2", [2]),
        ("polynomial:3", [3]),
    ],
)
def test_an_activation_has_the_orders_of_its_hermite_expansion(activation, orders) -> None:
    assert moment_tensor._orders(activation, 0.7) == orders


def test_a_square_and_few_outputs_tell_no_samples_apart() -> None:
    """One matrix has many factorisations; softmax over two outputs gives one matrix up to its sign."""
    assert reason_against(ATTACK, of_a_batch(3, activation="polynomial:2")) is None
    reason = reason_against(ATTACK, of_a_batch(3, activation="polynomial:2", outputs=2))
    assert "no moments that tell samples apart" in reason


def test_a_dead_last_layer_does_not_apply() -> None:
    seen = of_a_batch()
    tensors = list(seen.gradient.tensors)
    tensors[2] = torch.zeros_like(tensors[2])
    reason = reason_against(ATTACK, replace(seen, gradient=seen.gradient.rebuild(tensors)))
    assert reason == "the gradient of the last layer is zero everywhere: it holds no moments"


def test_without_a_gradient_it_does_not_apply() -> None:
    assert reason_against(ATTACK, without_gradient(observation(small_network()))).endswith("pass --gradient")
