"""Directions with many zeros are those of samples behind a ReLU."""

import torch
from torch.nn import functional

from audit.solve.first_layer import first_layer
from audit.solve.sparse import DRAWS, zeros
from tests.planted import generator
from tests.solve.test_exact import INPUTS, planted

SAMPLES = 4


def case(**how):
    """Where zeros are, the layer, true directions (b, b) of unit length, and what each sample reaches (b, h)."""
    problem, space, rows = planted(SAMPLES, dtype=torch.float64, **how)
    layer = first_layer(problem.objective, SAMPLES, 0.0, INPUTS, problem.box.typical_norm)
    inputs = rows @ space.basis
    # X = Q^-1 S V^T
    directions = functional.normalize(layer.values[:, None] * torch.linalg.inv(inputs @ layer.right.T), dim=0)
    network = layer.network
    return zeros(layer), layer, directions, inputs @ network.weights[0].T + network.biases[0] > 0


def cosines(found, directions):
    return (functional.normalize(found, dim=0).T @ directions).abs()


def test_a_direction_is_zero_where_its_sample_does_not_reach() -> None:
    where, _, directions, reaches = case()
    assert torch.equal(where.of(directions), ~reaches.T[where.reached])


def test_units_that_nobody_reaches_are_left_out() -> None:
    where, layer, _, reaches = case()
    assert torch.equal(where.reached, reaches.any(0).nonzero()[:, 0])
    assert len(where.reached) < len(layer.left)
    torch.testing.assert_close(where.rows.norm(dim=1), torch.ones(len(where.rows)).double())


def test_draws_hold_every_sample_and_nothing_with_few_zeros() -> None:
    where, _, directions, _ = case()
    drawn = where.drawn(generator())
    assert 0 < drawn.shape[1] < DRAWS
    assert (where.of(drawn).sum(0) >= where.needed).all()
    torch.testing.assert_close(drawn.norm(dim=0), torch.ones(drawn.shape[1]).double())
    assert cosines(drawn, directions).amax(0).min() > 1 - 1e-9


def test_the_heaviest_basis_is_that_of_the_samples() -> None:
    where, _, directions, _ = case()
    mixtures = torch.randn(SAMPLES, 200, generator=generator()).double()
    found = where.heaviest(torch.cat([functional.normalize(mixtures, dim=0), -directions, directions], 1))
    assert found.shape == (SAMPLES, SAMPLES)
    agree = cosines(found, directions)
    torch.testing.assert_close(agree.amax(0), torch.ones(SAMPLES).double())
    assert sorted(agree.argmax(0).tolist()) == list(range(SAMPLES))
    assert where.heaviest(directions[:, :0]).shape == (SAMPLES, 0)


def test_directions_are_refined_from_all_their_zeros() -> None:
    where, _, directions, _ = case(change=lambda tensor: tensor.float().double())
    rough = directions + 3e-5 * torch.randn(directions.shape, generator=generator()).double()
    found = where.heaviest(functional.normalize(rough, dim=0))
    assert (1 - cosines(found, directions).amax(0)).max() < 1e-12


def test_a_sample_known_nearly_has_its_direction() -> None:
    where, _, directions, reaches = case()
    for direction, units in zip(directions.T, reaches, strict=True):
        units = units.clone()
        units[where.reached[:2]] ^= True  # a few are wrong
        found = where.direction_of(units)
        assert found is not None
        assert float((found @ direction).abs()) > 1 - 1e-9


def test_units_of_nobody_have_none() -> None:
    where, _, _, reaches = case()
    rng = generator(1)
    assert where.direction_of(torch.rand(reaches.shape[1], generator=rng) < 0.5) is None
    assert where.direction_of(torch.ones(reaches.shape[1], dtype=torch.bool)) is None
