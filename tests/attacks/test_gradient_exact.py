"""gradient-exact: the equation of `gradient`, under conditions that it names."""

from dataclasses import replace

import pytest
import torch

from audit.attacks import Method
from audit.attacks.gradient import Gradient
from audit.attacks.gradient_exact import MOST_SAMPLES, GradientExact
from tests.planted import (
    another,
    batch_gradient,
    equation,
    generator,
    observation,
    reason_against,
    small_network,
    without_gradient,
)

ATTACK = GradientExact()


def of_a_batch(samples, **layout):
    net = small_network(3, 2, **({"biases": "all", "inputs": 200, "hidden": 140} | layout))
    rows = torch.randn(samples, net.inputs, generator=generator(2), dtype=torch.float64)
    return replace(observation(net), gradient=batch_gradient(net, rows)[0])


def changed(seen, index, value):
    tensors = [tensor.clone() for tensor in seen.gradient.tensors]
    tensors[index] = value(tensors[index])
    return replace(seen, gradient=seen.gradient.rebuild(tensors))


def test_it_is_the_equation_of_gradient_solved_in_another_way() -> None:
    seen = of_a_batch(3)
    one, other = equation(ATTACK, seen).objective, equation(Gradient(), seen).objective
    assert (one.target, one.points, one.readout) == (other.target, other.points, other.readout)
    assert (ATTACK.method, Gradient.method) == (Method.EXACT, Method.DESCENT)


@pytest.mark.parametrize("samples", [1, 3, MOST_SAMPLES])
def test_it_applies_to_small_batches(samples) -> None:
    assert reason_against(ATTACK, of_a_batch(samples)) is None


def test_a_batch_too_large_is_named_by_its_rank() -> None:
    assert f"rank {MOST_SAMPLES + 1}," in reason_against(ATTACK, of_a_batch(MOST_SAMPLES + 1))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "softplus", "elu"])
@pytest.mark.parametrize("biases", ["all", "none"])
def test_smooth_derivatives_need_no_bias(activation, biases) -> None:
    assert reason_against(ATTACK, of_a_batch(3, activation=activation, biases=biases)) is None


@pytest.mark.parametrize("activation", ["leaky_relu:0.2", "selu", "elu:0.5"])
def test_derivatives_that_jump_and_are_not_zero_do_not_apply(activation) -> None:
    reason = reason_against(ATTACK, of_a_batch(3, activation=activation))
    assert reason.endswith("jump")
    assert activation.partition(":")[0] in reason


def test_units_must_be_more_than_twice_the_samples() -> None:
    assert reason_against(ATTACK, of_a_batch(3, hidden=10)) is None
    reason = reason_against(ATTACK, of_a_batch(3, hidden=9))
    assert reason == "rank 3 of the gradient of the first layer needs 10 hidden units, there are 9"
    assert reason_against(ATTACK, of_a_batch(1, hidden=3, activation="tanh")) is None


def test_behind_a_relu_it_does_not_apply_without_a_bias() -> None:
    net = small_network(3, 2, "none")
    seen = replace(observation(net), gradient=another(net).parameters)
    assert "the first layer has no bias" in reason_against(ATTACK, seen)


@pytest.mark.parametrize(
    ("index", "reason"),
    [(0, "the gradient of the first layer is zero"), (1, "the gradient of the first bias is zero")],
)
def test_a_dead_layer_does_not_apply(index, reason) -> None:
    assert reason in reason_against(ATTACK, changed(of_a_batch(3), index, torch.zeros_like))


def test_nothing_but_noise_does_not_apply() -> None:
    net = small_network(3, 2, "all", inputs=90, hidden=100)
    noise = another(net).parameters
    reason = reason_against(ATTACK, replace(observation(net), gradient=noise))
    assert reason == "nothing in the gradient of the first layer stands out of its noise"


def test_without_a_gradient_it_does_not_apply() -> None:
    assert reason_against(ATTACK, without_gradient(observation(small_network()))).endswith("pass --gradient")
