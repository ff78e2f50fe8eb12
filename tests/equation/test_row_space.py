"""Reduction to the row space: the same equation up to a constant, and how many directions are signal."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from torch.nn import functional

from audit.attacks.kkt_margin import KktMargin
from audit.equation.candidates import Candidates
from audit.equation.row_space import bulk_edge, gradient_edge, noise_edge, row_space
from tests.helpers import normal
from tests.planted import (
    equation,
    generator,
    in_row_space,
    observation,
    planted,
    random_candidates,
    small_network,
)


def low_rank(rows, columns, rank, seed=0, size=2.0):
    """Singular values from `size` to 1.5 `size` times the largest of standard normal noise."""
    rng = generator(seed)
    left = torch.linalg.qr(torch.randn(rows, rank, generator=rng, dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(columns, rank, generator=rng, dtype=torch.float64)).Q
    spread = torch.linspace(1.0, 1.5, rank, dtype=torch.float64)
    return size * (rows**0.5 + columns**0.5) * (left * spread) @ right.T


# The same equation


def noisy_problem(outputs, layers, biases):
    """Few samples, and on the first layer's part of their sum the noise of an initialisation."""
    seen = observation(small_network(outputs, layers, biases, inputs=80, hidden=70))
    exact = planted(equation(KktMargin(), seen).objective, random_candidates(KktMargin(), seen, count=5))
    first = exact.target.weights[0]
    size = float(torch.linalg.matrix_norm(first, 2))
    noisy = first + 1e-4 * size * normal(*first.shape)
    return replace(exact, target=exact.target.with_first_weight(noisy)), seen


@pytest.mark.parametrize("sharpness", [None, 6.0])
@pytest.mark.parametrize(
    ("outputs", "layers", "biases"),
    [(1, 2, "none"), (1, 2, "first"), (1, 3, "all"), (3, 2, "all"), (3, 3, "none")],
)
def test_inside_the_row_space_the_residual_differs_by_a_constant_only(
    outputs, layers, biases, sharpness
) -> None:
    objective, seen = noisy_problem(outputs, layers, biases)
    reduced, space = in_row_space(objective)
    assert 2 <= space.rank < 10
    height, width = objective.target.weights[0].shape
    labels = equation(KktMargin(), seen).label(6)
    differences = []
    for seed in range(3):
        small_inputs = normal(6, space.rank, seed=seed)
        weights = normal(6, 1, seed=seed + 10).abs()
        small = reduced.residual(Candidates(small_inputs, weights, labels), sharpness)
        large = objective.residual(Candidates(space.lift(small_inputs), weights, labels), sharpness)
        first, rest = large[: height * width].reshape(height, width), large[height * width :]
        torch.testing.assert_close(small[: height * space.rank], (first @ space.basis).flatten())
        torch.testing.assert_close(small[height * space.rank :], rest)
        differences.append(large.square().sum() - small.square().sum())
    lost = objective.target.weights[0] - objective.target.weights[0] @ space.basis @ space.basis.T
    assert lost.norm() > 0.0
    torch.testing.assert_close(torch.stack(differences), lost.square().sum().expand(3), rtol=1e-5, atol=1e-9)


def test_everything_but_the_first_weight_stays() -> None:
    objective, _ = noisy_problem(3, 3, "all")
    reduced, space = in_row_space(objective)
    for small, large in zip(reduced.target.tensors[1:], objective.target.tensors[1:], strict=True):
        assert torch.equal(small, large)
    point, (before,) = reduced.points[0], objective.points
    assert point.inputs == space.rank
    assert (point.biases, point.weights[1:], point.scales) == (
        before.biases,
        before.weights[1:],
        before.scales,
    )
    assert (reduced.readout, reduced.non_negative) == (objective.readout, objective.non_negative)


def test_every_point_is_reduced_and_computes_what_it_did() -> None:
    objective, _ = noisy_problem(1, 2, "all")
    two = replace(objective, points=(*objective.points, small_network(1, 2, "all", 80, 70, seed=5)))
    reduced, space = in_row_space(two)
    inputs = normal(4, space.rank)
    for small, large in zip(reduced.points, two.points, strict=True):
        torch.testing.assert_close(small.forward(inputs, 5.0), large.forward(space.lift(inputs), 5.0))


# The way there and back


@pytest.mark.parametrize("shape", [(90, 70), (70, 200), (12, 30), (30, 12)])
def test_lift_and_projection(shape) -> None:
    space = row_space(low_rank(*shape, 4), "weights")
    assert space.basis.shape == (shape[1], space.rank)
    assert len(space.singular_values) == min(shape)
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(space.rank, dtype=torch.float64))
    coordinates = normal(5, space.rank)
    torch.testing.assert_close(space.lift(coordinates) @ space.basis, coordinates)
    batch = coordinates.expand(3, 5, space.rank)
    torch.testing.assert_close(space.lift(batch)[2], space.lift(coordinates))


def test_the_samples_that_matter_are_in_the_row_space() -> None:
    seen = observation(small_network(3, 3, "all", inputs=80, hidden=70))
    samples = random_candidates(KktMargin(), seen, count=5)
    _, space = in_row_space(planted(equation(KktMargin(), seen).objective, samples))
    assert space.rank == 5
    torch.testing.assert_close(space.lift(samples.inputs @ space.basis), samples.inputs)


@pytest.mark.parametrize("shape", [(90, 70), (70, 200), (12, 30), (30, 12)])
def test_singular_values_and_directions_are_those_of_the_layer(shape) -> None:
    """Down to singular values of a hundred thousandth of the largest, all of them signal."""
    sizes = torch.logspace(0, -5, 8, dtype=torch.float64)
    left, right = (torch.linalg.qr(normal(size, 8, seed=size)).Q for size in shape)
    block = (left * sizes) @ right.T + 1e-8 * normal(*shape) / sum(shape)
    space = row_space(block, "weights")
    torch.testing.assert_close(space.singular_values, torch.linalg.svdvals(block), rtol=1e-3, atol=2e-8)
    torch.testing.assert_close(
        space.basis.T @ space.basis, torch.eye(space.rank, dtype=torch.float64), rtol=0.0, atol=1e-6
    )
    assert space.rank >= 7
    torch.testing.assert_close(
        (right[:, :7].T @ space.basis).norm(dim=1), torch.ones(7).double(), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_that_of_the_layer(dtype) -> None:
    assert row_space(low_rank(80, 90, 3).to(dtype), "weights").basis.dtype is dtype


# How many directions are signal

SHAPES = [(100, 100), (400, 90), (90, 400), (500, 784), (70, 1000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [2, 7, 25])
def test_planted_rank_is_found_under_noise(shape, rank) -> None:
    block = low_rank(*shape, rank) + normal(*shape)
    space = row_space(block, "weights")
    assert space.rank == rank
    planted_directions = torch.linalg.svd(low_rank(*shape, rank), full_matrices=False).Vh[:rank]
    assert (planted_directions @ space.basis).norm(dim=1).min() > 0.8
    assert space.singular_values[rank - 1] > space.edge > space.singular_values[rank]


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_alone_holds_no_more_than_the_fewest_directions(shape) -> None:
    assert row_space(normal(*shape), "weights").rank == 2


@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_the_level_of_the_noise_need_not_be_known(scale) -> None:
    block = low_rank(150, 120, 6) + normal(150, 120)
    assert row_space(scale * block, "weights").rank == row_space(block, "weights").rank == 6


def optimal_threshold(beta):
    """Gavish and Donoho 2014, eq. 5 and 11: over the median of the Marchenko-Pastur distribution, integrated."""
    low, high = (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2

    def below(x):
        return quad(lambda t: np.sqrt((high - t) * (t - low)) / (2 * np.pi * beta * t), low, x)[0]

    median = brentq(lambda x: below(x) - 0.5, low + 1e-9, high - 1e-9)
    return np.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1))) / np.sqrt(
        median
    )


@pytest.mark.parametrize("beta", [0.1, 0.3, 0.5, 0.8, 1.0])
def test_the_edge_is_the_optimal_hard_threshold(beta) -> None:
    values = torch.linspace(3.0, 1.0, 101, dtype=torch.float64)
    rows = round(1000 * beta)
    assert noise_edge(values, rows, 1000) == pytest.approx(2.0 * optimal_threshold(beta), abs=0.06)
    assert noise_edge(values, 1000, rows) == noise_edge(values, rows, 1000)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-3, 1.0])
@pytest.mark.parametrize("rank", [0, 10])
def test_the_bulk_edge_is_where_noise_ends(shape, scale, rank) -> None:
    block = normal(*shape) + (low_rank(*shape, rank) if rank else 0.0)
    values = torch.linalg.svdvals(scale * block)
    edge = bulk_edge(values, *shape)
    assert edge == bulk_edge(values, *shape[::-1])
    # A median among `rank` signals is that of the noise `rank / 2` places further up.
    assert edge == pytest.approx(scale * (shape[0] ** 0.5 + shape[1] ** 0.5), rel=0.03 if not rank else 0.12)
    assert int((values > 1.12 * edge).sum()) == rank
    assert edge < noise_edge(values, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_rounding_is_no_noise_of_an_initialisation(shape) -> None:
    values = torch.linalg.svdvals(low_rank(*shape, 3) + 1e-9 * normal(*shape))
    assert bulk_edge(values, *shape) is None
    assert int((values > noise_edge(values, *shape)).sum()) == 3


def test_effective_rank() -> None:
    def space(*sizes):
        return row_space(torch.diag(torch.tensor(sizes)), "weights")

    assert space(3.0, 3.0, 3.0, 3.0).effective_rank == pytest.approx(4.0)
    assert space(5.0, 0.0, 0.0).effective_rank == pytest.approx(1.0)
    shares = np.array([0.5, 0.25, 0.25])
    assert space(2.0, 1.0, 1.0).effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert space(0.0, 0.0).effective_rank == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(100, 100), (300, 70), (70, 300), (10, 40), (40, 10)])
@pytest.mark.parametrize("rank", [2, 5])
def test_exactly_low_rank_layers(shape, rank, dtype) -> None:
    left, right = normal(shape[0], rank).to(dtype), normal(rank, shape[1], seed=2).to(dtype)
    space = row_space(left @ right, "weights")
    assert space.rank == rank
    lifted = space.lift(right @ space.basis)
    torch.testing.assert_close(lifted, right, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (5, 900), (900, 5), (30, 200), (1, 50)])
def test_narrow_layers_are_kept_whole(shape) -> None:
    assert row_space(normal(*shape), "weights").rank == min(shape)


@pytest.mark.parametrize(("shape", "rank"), [((100, 80), 2), ((10, 30), 2), ((1, 30), 1), ((30, 1), 1)])
def test_a_layer_of_zeros_gives_a_usable_basis(shape, rank) -> None:
    space = row_space(torch.zeros(shape), "weights")
    assert space.rank == rank
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(rank))
    assert functional.normalize(space.lift(torch.eye(rank)), dim=1).norm(dim=1).min() > 0.99


def test_a_layer_that_is_not_finite_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError):
        row_space(torch.full((5, 5), torch.nan), "weights")


# Rank of one gradient


def few_samples(rows, columns, weights, dead=0):
    """A sum over samples like that of a batch, in float64; the last `dead` rows and columns are zero."""
    left, right = (
        normal(rows, len(weights)),
        torch.rand(len(weights), columns, generator=generator(2)).double(),
    )
    block = (left * torch.tensor(weights, dtype=torch.float64)) @ right
    block[rows - dead :], block[:, columns - dead :] = 0, 0
    return block


@pytest.mark.parametrize("shape", [(100, 90), (300, 784), (40, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("samples", [1, 3, 8])
def test_rank_of_a_gradient_in_any_precision(shape, dtype, samples) -> None:
    block = few_samples(*shape, [1.0] * samples).to(dtype).float()
    space = row_space(block, "gradient")
    assert space.signals == samples
    assert space.noise < torch.finfo(dtype).eps


def test_a_sample_of_small_loss_counts() -> None:
    block = few_samples(300, 784, [1.0, 1.0, 1e-5, 1.0]).float()
    assert row_space(block, "gradient").signals == 4
    assert row_space(block.half().float(), "gradient").signals == 3
    assert row_space(block, "weights").signals == 3  # what training did is less exact


def test_rank_of_a_noised_gradient() -> None:
    block = few_samples(300, 784, [1.0] * 4)
    noised = block + 1e-2 * block.std() * normal(300, 784, seed=3)
    space = row_space(noised, "gradient")
    assert space.signals == 4
    assert space.noise == pytest.approx(1e-2, rel=0.2)


def test_units_and_pixels_that_no_sample_touched_say_nothing_of_the_noise() -> None:
    """With them, the median would be zero, and noise count as samples."""
    block = few_samples(300, 784, [1.0] * 4, dead=200)
    touched = (block != 0).double()
    noised = block + 1e-2 * block.std() * normal(300, 784, seed=3) * touched
    assert row_space(noised, "gradient").signals == 4


def test_the_edge_of_a_gradient_scales_with_it() -> None:
    block = few_samples(80, 90, [1.0] * 4)
    values = torch.linalg.svdvals(block)
    assert gradient_edge(7 * values, 7 * block) == pytest.approx(7 * gradient_edge(values, block))
