"""Whether weights look as they were drawn."""

import pytest
import torch

from audit.diagnostics.initialisation import excess, untrained
from tests.planted import generator

SHAPES = [(100, 144), (300, 60), (10, 300), (6, 7)]


def drawn(shape: tuple[int, int], law: str, seed: int) -> torch.Tensor:
    rng = generator(seed)
    if law == "normal":
        return torch.randn(shape, generator=rng) / 10
    return (2 * torch.rand(shape, generator=rng) - 1) / shape[1] ** 0.5


@pytest.mark.parametrize("law", ["normal", "uniform"])
@pytest.mark.parametrize("shape", SHAPES)
def test_drawn_weights_are_not_told_from_an_initialisation(shape: tuple[int, int], law: str) -> None:
    found = [excess(drawn(shape, law, seed)) for seed in range(20)]
    assert max(found) < 3.27
    assert sum(found) / len(found) < 0  # the mean of the law is -1.2


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_one_direction_more_shows(shape: tuple[int, int]) -> None:
    weight = drawn(shape, "normal", 0)
    left, right = torch.ones(shape[0], 1), torch.ones(1, shape[1])
    spike = left @ right / (left.norm() * right.norm())
    assert excess(weight + 2 * torch.linalg.matrix_norm(weight, 2) * spike) > 10


def test_one_trained_layer_is_enough() -> None:
    first, last = drawn((100, 144), "normal", 0), drawn((10, 100), "uniform", 1)
    assert untrained([first, last])
    trained = last + torch.outer(torch.arange(10.0) - 4.5, torch.linspace(-1, 1, 100)) / 10
    assert not untrained([first, trained])


def test_narrow_layers_say_nothing() -> None:
    ones = torch.ones(1, 100)
    assert untrained([drawn((100, 144), "normal", 0), ones])
    assert untrained([ones, torch.ones(4, 3)]) is None


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_what_nobody_draws_is_no_initialisation(value: float) -> None:
    assert excess(torch.full((20, 30), value)) == float("inf")


def test_orthogonal_weights_are_an_initialisation() -> None:
    assert excess(torch.linalg.qr(torch.randn(60, 60, generator=generator())).Q) < 0
