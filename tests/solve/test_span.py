"""Derivatives in the span of the first layer's gradient: of the samples' inputs, and of no others."""

import pytest
import torch

from audit.budget import Budget
from audit.solve.first_layer import first_layer
from audit.solve.span import descent, squares, starts
from tests.planted import Clock, batch_gradient, generator
from tests.solve.test_exact import INPUTS, planted

SAMPLES = 4


def layer_of(activation, layers=2):
    """The first layer of a planted problem, its row space, and the unknowns (samples, b + c) of its samples."""
    problem, space, rows = planted(SAMPLES, layers, dtype=torch.float64, activation=activation)
    objective = problem.objective
    layer = first_layer(objective, SAMPLES, 0.0, INPUTS, problem.box.typical_norm)
    network = objective.points[0]
    inputs = rows @ space.basis
    _, derivatives = batch_gradient(network, inputs)
    return layer, torch.cat([inputs @ layer.right.T / layer.size, derivatives], 1)


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_zero_at_every_sample_and_nowhere_else(activation, layers) -> None:
    layer, truth = layer_of(activation, layers)
    assert squares(layer, truth, None).max() < 1e-20
    elsewhere = starts(layer, generator())
    assert squares(layer, elsewhere, None).min() > 1e-2
    near = truth + 0.01 * torch.randn(truth.shape, generator=generator()).double()
    assert squares(layer, near, None).min() > 1e-9


def test_derivatives_are_those_of_autograd() -> None:
    layer, truth = layer_of("tanh", 3)
    inputs = layer.inputs(truth[0])
    pre = (layer.network.weights[0] @ inputs + layer.network.biases[0]).requires_grad_()
    after = layer.network.weights[1] @ pre.tanh() + layer.network.biases[1]
    outputs = layer.network.weights[2] @ after.tanh()
    (expected,) = torch.autograd.grad(outputs @ truth[0, SAMPLES:], pre)
    torch.testing.assert_close(layer.derivatives(truth[0], None), expected / expected.norm())


def test_sharpness_is_counted_in_units_of_the_pre_activations() -> None:
    """At 1e7 times these the stand-in is the activation."""
    layer, truth = layer_of("relu")
    assert squares(layer, truth, 2.0).min() > 1e-6
    assert squares(layer, truth, 1e7).max() < 1e-12


def test_descent_ends_at_samples() -> None:
    layer, truth = layer_of("tanh")
    unknowns, steps = descent(layer, starts(layer, generator()), ((None, 40),), Budget(1.0, Clock()))
    assert steps == 40
    arrived = unknowns[squares(layer, unknowns, None) < 1e-16]
    distances = torch.cdist(truth[:, :SAMPLES], arrived[:, :SAMPLES])
    assert len(arrived) > 8
    assert distances.min(0).values.max() < 1e-5
    assert (distances.min(1).values < 1e-5).sum() >= 2


def test_no_step_goes_up() -> None:
    layer, _ = layer_of("gelu")
    before = starts(layer, generator())
    after, _ = descent(layer, before, ((None, 3),), Budget(1.0, Clock()))
    assert (squares(layer, after, None) <= squares(layer, before, None) * (1 + 1e-9)).all()


def test_known_samples_are_not_found_again() -> None:
    layer, truth = layer_of("tanh")
    directions = torch.stack([layer.left.T @ layer.derivatives(one, None) for one in truth[:3]], 1)
    beside = layer.exclude(directions)
    assert beside.fresh.shape == (len(layer.left), 1)
    torch.testing.assert_close(beside.fresh.T @ layer.left @ directions, torch.zeros(1, 3).double())
    unknowns, _ = descent(beside, starts(layer, generator()), ((None, 40),), Budget(1.0, Clock()))
    arrived = unknowns[squares(beside, unknowns, None) < 1e-14]
    assert len(arrived) > 0
    assert torch.cdist(truth[3:, :SAMPLES], arrived[:, :SAMPLES]).max() < 1e-4


def test_time_is_looked_at_before_every_step() -> None:
    layer, _ = layer_of("tanh")
    unknowns = starts(layer, generator())
    _, steps = descent(layer, unknowns, ((None, 40), (None, 40)), Budget(4.0, Clock(tick=1.0)))
    assert 0 < steps <= 4
    unmoved, steps = descent(layer, unknowns, ((None, 40),), Budget(0.0, Clock()))
    assert steps == 0
    assert torch.equal(unmoved, unknowns)


def test_a_start_that_leads_nowhere_stays_finite() -> None:
    """A sigmoid far out has no derivatives left."""
    layer, _ = layer_of("sigmoid")
    unknowns, _ = descent(layer, 1e6 * starts(layer, generator()), ((None, 3),), Budget(1.0, Clock()))
    assert unknowns.isfinite().all()
