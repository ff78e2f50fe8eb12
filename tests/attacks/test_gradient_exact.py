"""gradient-exact: the equation of `gradient`, under conditions that it names."""

from dataclasses import replace

import pytest
import torch

from audit.attacks.gradient import Gradient
from audit.attacks.gradient_exact import MOST_SAMPLES, GradientExact
from tests.planted import another, batch_gradient, generator, observation, small_network, without_gradient

ATTACK = GradientExact()


def of_a_batch(samples, **layout):
    net = small_network(3, 2, "all", inputs=40, hidden=50, **layout)
    rows = torch.randn(samples, net.inputs, generator=generator(2), dtype=torch.float64)
    return replace(observation(net), gradient=batch_gradient(net, rows)[0])


def changed(seen, index, value):
    tensors = [tensor.clone() for tensor in seen.gradient.tensors]
    tensors[index] = value(tensors[index])
    return replace(seen, gradient=seen.gradient.with_tensors(tensors))


def test_it_is_the_equation_of_gradient_solved_in_another_way():
    seen = of_a_batch(3)
    one, other = ATTACK.objective(seen), Gradient().objective(seen)
    assert (one.target, one.anchors, one.head) == (other.target, other.anchors, other.head)
    assert ATTACK.method == "sparse"
    assert Gradient.method == "descent"


@pytest.mark.parametrize("samples", [1, 3, MOST_SAMPLES])
def test_it_applies_to_small_batches(samples):
    assert ATTACK.inapplicable(of_a_batch(samples)) is None


def test_a_batch_too_large_is_named_by_its_rank():
    assert f"rank {MOST_SAMPLES + 1}," in ATTACK.inapplicable(of_a_batch(MOST_SAMPLES + 1))


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu:0.2"])
def test_without_zeros_it_does_not_apply(activation):
    assert f"{activation} leaves none" in ATTACK.inapplicable(of_a_batch(3, activation=activation))


def test_without_a_bias_it_does_not_apply():
    net = small_network(3, 2, "none")
    seen = replace(observation(net), gradient=another(net))
    assert "the first layer has no bias" in ATTACK.inapplicable(seen)


@pytest.mark.parametrize(
    ("index", "reason"),
    [(0, "the gradient of the first layer is zero"), (1, "the gradient of the first bias is zero")],
)
def test_a_dead_layer_does_not_apply(index, reason):
    assert reason in ATTACK.inapplicable(changed(of_a_batch(3), index, torch.zeros_like))


def test_nothing_but_noise_does_not_apply():
    net = small_network(3, 2, "all", inputs=90, hidden=100)
    noise = another(net)
    reason = ATTACK.inapplicable(replace(observation(net), gradient=noise))
    assert reason == "nothing in the gradient of the first layer stands out of its noise"


def test_without_a_gradient_it_does_not_apply():
    assert ATTACK.inapplicable(without_gradient(observation(small_network()))).endswith("pass --gradient")
