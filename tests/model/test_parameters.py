"""Parameters as vectors: what every operation does to entries, and what it leaves of the layout."""

import pytest
import torch

from audit.model.parameters import Parameters
from tests.helpers import normal

BIASED = Parameters((normal(4, 3), normal(2, 4, seed=1)), (normal(4, 1, seed=2)[:, 0], None))
OTHER = Parameters((normal(4, 3, seed=5), normal(2, 4, seed=6)), (normal(4, 1, seed=7)[:, 0], None))


def test_tensors_go_layer_by_layer_and_back() -> None:
    first, bias, last = BIASED.tensors
    assert first is BIASED.weights[0]
    assert bias is BIASED.biases[0]
    assert last is BIASED.weights[1]
    again = BIASED.rebuild(BIASED.tensors)
    assert again.biases[1] is None
    assert all(map(torch.equal, again.tensors, BIASED.tensors))


def test_operations_are_those_of_the_flat_vector() -> None:
    one, other = BIASED.flatten(), OTHER.flatten()
    assert torch.equal((BIASED + OTHER).flatten(), one + other)
    assert torch.equal((BIASED - OTHER).flatten(), one - other)
    assert torch.equal(BIASED.times(-3.0).flatten(), -3.0 * one)
    assert torch.equal(BIASED.map(torch.abs).flatten(), one.abs())
    assert BIASED.size == len(one) == 24
    assert BIASED.norm == pytest.approx(float(one.norm()))


def test_a_bias_is_one_more_column_if_there_is_one() -> None:
    first = BIASED.first_layer(augmented=True)
    assert torch.equal(first[:, :3], BIASED.weights[0])
    assert torch.equal(first[:, 3], BIASED.tensors[1])
    assert BIASED.first_layer(augmented=False) is BIASED.weights[0]
    assert BIASED.last_layer(augmented=True) is BIASED.weights[1]


def test_units_are_scaled_with_their_biases() -> None:
    factors = torch.tensor([1.0, 2.0, 0.0, -1.0], dtype=torch.float64)
    scaled = BIASED.scale_units(factors)
    expected = factors[:, None] * BIASED.first_layer(augmented=True)
    assert torch.equal(scaled.first_layer(augmented=True), expected)
    assert scaled.weights[1] is BIASED.weights[1]


def test_another_first_weight_leaves_the_rest() -> None:
    wider = BIASED.with_first_weight(normal(4, 9))
    assert wider.weights[0].shape == (4, 9)
    assert wider.tensors[1:] == BIASED.tensors[1:]


def test_too_few_tensors_are_refused() -> None:
    with pytest.raises(StopIteration):
        BIASED.rebuild(BIASED.tensors[:2])
