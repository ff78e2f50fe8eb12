"""The network against a plain loop, its smooth stand-in, its units and its layout."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from audit.attacks.kkt_loss import KktLoss
from audit.equation.candidates import Candidates
from audit.model.architecture import infer_architecture
from audit.model.checkpoint import Checkpoint
from audit.model.network import network
from tests.helpers import normal
from tests.pairwise import pairwise
from tests.planted import (
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    UNITS,
    at,
    equation,
    generator,
    observation,
    plain_outputs,
    plain_sum,
    small_network,
)

ACTIVATIONS = list(PLAIN_ACTIVATIONS)
on_every_layout = pairwise(**LAYOUTS, activation=["relu"])
of_every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def rows(count, inputs=6, seed=3):
    return normal(count, inputs, seed=seed)


def stacked(networks):
    first = networks[0]
    tensors = [torch.stack(same) for same in zip(*(net.parameters.tensors for net in networks), strict=True)]
    return at(first, tensors)


@pairwise(**LAYOUTS, activation=ACTIVATIONS, sharpness=[None, 3.0, 40.0])
def test_outputs_equal_the_plain_loop(net, sharpness) -> None:
    inputs = rows(5)
    expected = torch.stack([plain_outputs(net, net.parameters.tensors, row, sharpness) for row in inputs])
    torch.testing.assert_close(net.forward(inputs, sharpness), expected, rtol=1e-9, atol=1e-9)


@on_every_layout
def test_large_sharpness_is_the_activation_itself(net) -> None:
    inputs = rows(20)
    exact = net.forward(inputs)
    gaps = [float((net.forward(inputs, sharpness) - exact).abs().max()) for sharpness in (5.0, 50.0, 5e5)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[0] > 1e-2
    assert gaps[2] < 1e-5


@on_every_layout
def test_restarts_may_have_parameters_of_their_own(net) -> None:
    others = [net.at(net.parameters.times(k)) for k in (1.0, -0.5, 2.0)]
    inputs = torch.stack([rows(4, seed=seed) for seed in range(3)])
    expected = torch.stack([one.forward(own) for one, own in zip(others, inputs, strict=True)])
    assert stacked(others).forward(inputs).shape == (3, 4, net.outputs)
    torch.testing.assert_close(stacked(others).forward(inputs), expected)


@on_every_layout
def test_at_other_parameters_it_is_the_same_network(net) -> None:
    doubled = net.at(net.parameters.times(2))
    assert (doubled.scales, doubled.activation) == (net.scales, net.activation)
    assert torch.equal(doubled.weights[0], 2 * net.weights[0])


@on_every_layout
def test_sizes(net) -> None:
    assert net.inputs == net.weights[0].shape[1] == 6
    assert net.outputs == net.weights[-1].shape[0]
    assert stacked([net, net]).inputs == net.inputs
    assert stacked([net, net]).outputs == net.outputs


def test_units_are_the_root_mean_square_of_hidden_pre_activations() -> None:
    net = small_network(2, 3, "all")
    inputs = rows(50)
    first = inputs @ net.weights[0].T + net.biases[0]
    second = first.clamp_min(0) @ net.weights[1].T + net.biases[1]
    expected = tuple(math.sqrt(float((pre**2).mean())) for pre in (first, second))
    assert net.fit_scales(inputs).scales == pytest.approx(expected)
    assert net.scales == UNITS[:2]


def test_units_of_a_layer_that_never_fires_are_one() -> None:
    net = small_network(1, 3)
    dead = at(net, [torch.zeros_like(net.weights[0]), *net.parameters.tensors[1:]])
    assert dead.fit_scales(rows(9)).scales == (1.0, 1.0)
    assert torch.isfinite(dead.fit_scales(rows(9)).forward(rows(2), 10.0)).all()


@pytest.mark.parametrize("scale", [1e-3, 300.0])
def test_sharpness_means_the_same_however_weights_are_scaled(scale) -> None:
    net, inputs = small_network(2, 3).fit_scales(rows(50)), rows(5)
    large = at(net, [scale * net.weights[0], *net.parameters.tensors[1:]]).fit_scales(rows(50))
    torch.testing.assert_close(large.forward(inputs, 7.0), scale * net.forward(inputs, 7.0))


@of_every_activation
def test_first_and_second_derivatives_of_the_stand_in_agree_with_finite_differences(activation) -> None:
    net = small_network(3, 3, "all", activation=activation)
    point = rows(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: net.forward(x, 6.0), (point,))
    assert torch.autograd.gradgradcheck(lambda x: net.forward(x, 6.0), (point,))


@of_every_activation
def test_stand_in_of_any_activation_tends_to_it(activation) -> None:
    net = small_network(3, 3, "all", activation=activation)
    inputs = rows(20)
    exact = net.forward(inputs)
    torch.testing.assert_close(net.forward(inputs, 1e6), exact, rtol=1e-5, atol=1e-5)


@pairwise(**LAYOUTS | {"outputs": [3]}, activation=ACTIVATIONS)
def test_it_is_blind_to_the_sign_if_gradients_differ_by_theirs_at_most(net) -> None:
    objective, weights = (
        equation(KktLoss(), observation(net)).objective,
        torch.ones(1, 3, dtype=torch.float64),
    )
    here, there = (plain_sum(objective, Candidates(x, weights, None)) for x in (rows(1), -rows(1)))
    assert net.sign_symmetric == (torch.allclose(here, there) or torch.allclose(here, -there))


@pytest.mark.parametrize("outputs", [1, 2, 10, 1000])
def test_any_number_of_outputs(outputs) -> None:
    net = small_network(outputs, 3, "all")
    expected = torch.stack([plain_outputs(net, net.parameters.tensors, row) for row in rows(4)])
    assert expected.shape == (4, outputs)
    torch.testing.assert_close(net.forward(rows(4)), expected)


@pytest.mark.parametrize("biases", [(False, False), (True, False), (True, True)])
def test_built_from_a_checkpoint(biases) -> None:
    torch_rng = generator(5)
    tensors = {}
    for name, shape, biased in (("0", (5, 8), biases[0]), ("2", (3, 5), biases[1])):
        tensors[f"{name}.weight"] = torch.randn(shape, generator=torch_rng).half()
        if biased:
            tensors[f"{name}.bias"] = torch.randn(shape[0], generator=torch_rng).half()
    checkpoint = Checkpoint(Path("model.pt"), tensors, {}, "0" * 64)
    net = network(checkpoint, infer_architecture(checkpoint, "relu"))
    assert len(net.parameters.tensors) == len(tensors)
    for built, stored in zip(net.parameters.tensors, tensors.values(), strict=True):
        assert built.dtype is torch.float32
        assert torch.equal(built, stored.float())
    assert (net.activation, net.scales) == ("relu", (1.0,))
    wide = network(checkpoint, infer_architecture(checkpoint, "relu"), dtype=torch.float64)
    assert {tensor.dtype for tensor in wide.parameters.tensors} == {torch.float64}


@pytest.mark.parametrize("name", ["SiLU", "LeakyReLU:0.2", "x^3"])
def test_built_with_the_activation_that_was_named(name) -> None:
    tensors = {"0.weight": torch.ones(1, 1), "3.weight": torch.ones(1, 1)}
    checkpoint = Checkpoint(Path("model.pt"), tensors, {}, "0" * 64)
    net = network(checkpoint, infer_architecture(checkpoint, name))
    point = torch.tensor([[-0.7], [0.4]])
    expected = {
        "silu": functional.silu(point),
        "leaky_relu:0.2": functional.leaky_relu(point, 0.2),
        "polynomial:3": point**3,
    }
    torch.testing.assert_close(net.forward(point), expected[net.activation])


def test_inputs_in_another_order() -> None:
    net, rows = small_network(), torch.randn(4, 6, dtype=torch.float64)
    columns = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(net.with_inputs(columns).forward(rows[:, columns]), net.forward(rows))
