"""The gradient map, against the matrix of all gradients by a loop of automatic differentiation."""

import numpy as np
import pytest
import torch

from audit.attacks.kkt_margin import margin
from audit.equation import gradient_map
from audit.equation.gradient_map import GradientMap
from audit.equation.objective import every_output
from tests.diagnostics.test_stationarity import dense, members, objective
from tests.pairwise import pairwise
from tests.planted import LAYOUTS, PLAIN_ACTIVATIONS, generator, small_network, split

COUNT = 5


@pytest.fixture(params=[2, 1024], ids=["blocks of 2", "one block"])
def rows_at_once(request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_map, "_ROWS", request.param)
    monkeypatch.setattr(gradient_map, "_ENTRIES", 4 * request.param)


def check(equation, rows, labels) -> None:
    matrix, _ = dense(equation, rows, labels)
    found = GradientMap.of(equation, rows, labels)
    rng, unknowns = generator(3), matrix.shape[1]
    weights = torch.randn(len(rows), unknowns // len(rows), generator=rng, dtype=torch.float64)
    change = torch.randn(equation.size, generator=rng, dtype=torch.float64)
    np.testing.assert_allclose(
        found.combine(weights).flatten(), matrix @ weights.flatten().numpy(), atol=1e-12
    )
    along = found.along(split(change, equation.target))
    assert along.shape == weights.shape
    np.testing.assert_allclose(along.flatten(), matrix.T @ change.numpy(), atol=1e-12)
    columns = matrix.reshape(len(matrix), len(rows), -1)
    own = np.einsum("pni,pnj->nij", columns, columns)
    np.testing.assert_allclose(found.own_products(), own, atol=1e-12)


@pytest.mark.usefixtures("rows_at_once")
@pairwise(**LAYOUTS, activation=["relu"], points=[1, 2], readout=[margin, every_output])
def test_both_ways_are_those_of_the_matrix(net, points, readout) -> None:
    check(objective(net, points, readout, False), *members(net, COUNT))


@pytest.mark.parametrize("activation", PLAIN_ACTIVATIONS)
def test_with_other_activations(activation) -> None:
    network = small_network(3, 3, "all", activation=activation)
    check(objective(network, 1, every_output, False), *members(network, COUNT))


def test_four_layers() -> None:
    check(objective(small_network(2, 4, "all", hidden=9)), *members(small_network(2), COUNT))


def test_sums_over_blocks_are_in_double_precision() -> None:
    network = small_network(1, 2, dtype=torch.float32)
    rows, labels = members(network)
    found = GradientMap.of(objective(network), rows, labels)
    assert {t.dtype for t in found.combine(torch.ones(len(rows), 1).double()).tensors} == {torch.float64}
    assert found.along(network.parameters).dtype == found.own_products().dtype == torch.float64
