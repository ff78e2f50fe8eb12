"""What the first block of a gradient says once directions are known, and how far it may be off."""

import pytest
import torch
from torch.nn import functional

from audit.solve.first_layer import first_layer, in_double, last_layer_weights
from tests.planted import batch_gradient, generator
from tests.solve.test_exact import INPUTS, planted

SAMPLES = 4


def layer_of(change=lambda tensor: tensor, noise=0.0, **how):
    problem, space, rows = planted(SAMPLES, dtype=torch.float64, change=change, **how)
    objective = in_double(problem.objective)
    layer = first_layer(objective, SAMPLES, noise, INPUTS, problem.box.typical_norm)
    inputs = rows @ space.basis
    directions = layer.values[:, None] * torch.linalg.inv(inputs @ layer.right.T)
    return layer, inputs, directions, objective


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_directions_of_any_length_give_inputs_at_their_true_scale(activation) -> None:
    layer, inputs, directions, _ = layer_of(activation=activation)
    lengths = torch.tensor([1.0, -3.0, 1e-3, 50.0]).double()
    torch.testing.assert_close(layer.solve(directions * lengths, layer.bias), inputs)


@pytest.mark.parametrize("level", [1e-5, 1e-3])
def test_stated_errors_hold_and_are_not_idle(level) -> None:
    """Noise in every entry; directions of the noised block that are nearest to the true derivatives."""
    rng = generator(5)

    def noised(tensor):
        return tensor + level * tensor.norm() / tensor.numel() ** 0.5 * torch.randn(
            tensor.shape, generator=rng
        )

    layer, inputs, _, _ = layer_of(noised, noise=level, hidden=300)
    clean, _, directions, _ = layer_of(hidden=300)
    found = layer.left.T @ (clean.left @ directions)
    for lengths in (torch.ones(SAMPLES), torch.tensor([-2.0, 1.0, 0.1, 30.0])):
        solved = layer.solve(found * lengths, layer.bias)
        stated = layer.errors(solved, found * lengths)
        true = (solved - inputs).norm(dim=1) / INPUTS**0.5
        assert (true < stated).all()
        assert (stated < 1000 * true).all()  # of the worst pixel, and with 50 deviations


def test_errors_grow_with_noise_and_with_a_small_share() -> None:
    lengths = torch.tensor([1.0, 1.0, 1e-3, 1.0]).double()
    layer, inputs, directions, _ = layer_of(lengths=lengths)
    stated = layer.errors(inputs, directions)
    assert stated[2] > 100 * stated[[0, 1, 3]].max()
    more, *_ = layer_of(lengths=lengths, noise=1e-3)
    torch.testing.assert_close(
        more.errors(inputs, directions), stated * 1e-3 / torch.finfo(torch.float32).eps
    )


@pytest.mark.parametrize("biases", ["all", "none"])
def test_lambda_from_the_last_layer(biases) -> None:
    layer, inputs, _, objective = layer_of(activation="tanh", biases=biases)
    _, derivatives = batch_gradient(layer.network, inputs)
    entering = layer.network.layers(inputs)[-1][0]
    torch.testing.assert_close(last_layer_weights(objective, entering), derivatives)


def test_beside_known_directions_the_rest_of_the_span_is_fresh() -> None:
    layer, _, directions, _ = layer_of()
    fresh = layer.exclude(functional.normalize(directions[:, :1], dim=0)).fresh
    assert fresh.shape == (100, SAMPLES - 1)
    torch.testing.assert_close(fresh.T @ fresh, torch.eye(SAMPLES - 1).double())
    torch.testing.assert_close(layer.left @ (layer.left.T @ fresh), fresh)
