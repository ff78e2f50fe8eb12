"""How much noise a layer holds, with samples written into it."""

import pytest
import torch
from torch import Tensor

from audit.diagnostics.layer_noise import draw, of_signal, of_weights
from audit.model.parameters import Parameters

RNG = torch.Generator().manual_seed(0)


def layer(rows: int, columns: int, level: float, signals: int = 0) -> Tensor:
    """Noise, and a few strong directions."""
    noise = level * torch.randn(rows, columns, generator=RNG)
    left, right = torch.randn(rows, signals, generator=RNG), torch.randn(signals, columns, generator=RNG)
    return noise + left @ right


def parameters(*weights: Tensor) -> Parameters:
    return Parameters(weights, tuple(None for _ in weights))


def test_the_level_is_that_of_the_bulk_layer_by_layer() -> None:
    found = of_weights(parameters(layer(200, 300, 0.02, 5), layer(100, 200, 0.05, 5)))
    assert found == pytest.approx((0.02, 0.05), rel=0.1)


def test_a_narrow_upper_layer_has_no_more_than_the_usual_noise() -> None:
    first = layer(200, 300, 0.02)
    for last, expected in ((layer(1, 200, 9.0), 200**-0.5), (layer(1, 200, 0.01), 0.01)):
        assert of_weights(parameters(first, last))[1] == pytest.approx(expected, rel=0.15)


def test_an_upper_layer_without_noise_begins_with_a_little() -> None:
    exact = layer(100, 100, 0.0, 3)
    assert of_weights(parameters(exact, exact)) == pytest.approx((0.0, 1e-4), abs=1e-5)


def test_of_a_gradient_what_is_too_narrow_has_the_least_level_of_the_others() -> None:
    found = of_signal(parameters(layer(80, 90, 0.3, 2), layer(70, 80, 0.1, 2), layer(3, 70, 0.0, 3)))
    assert found == pytest.approx((0.3, 0.1, 0.1), rel=0.1)


def test_rounding_is_no_noise() -> None:
    exact = layer(80, 90, 0.0, 3)
    assert of_signal(parameters(exact, layer(3, 80, 0.0, 3))) == (0.0, 0.0)
    assert of_signal(parameters(layer(3, 80, 1.0))) == (0.0,)


def test_noise_is_drawn_as_it_was_measured() -> None:
    like = Parameters((torch.zeros(90, 100), torch.zeros(3, 90)), (torch.zeros(90), None))
    found = draw(like, (0.5, 0.0), torch.Generator().manual_seed(1))
    assert of_weights(parameters(found.weights[0]))[0] == pytest.approx(0.5, rel=0.05)
    assert float(found.weights[1].abs().max()) == 0.0
    assert found.biases[0] is not None
    assert float(found.biases[0].std()) == pytest.approx(0.5, rel=0.2)
    assert found.biases[1] is None
