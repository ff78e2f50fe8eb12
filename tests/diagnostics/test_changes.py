"""The single changes that are tried: what there is of them, and that each does what its name says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.diagnostics.changes import Change, ChangeKind, changes
from audit.model.activations import activation
from tests.diagnostics.memorised import Memorised, Rows, drawn, images, table

NAMES = ("a", "b", "c", "d")


def found(memorised: Memorised, names: tuple[str, ...] = NAMES) -> dict[tuple[ChangeKind, str], Change]:
    every = list(changes(memorised.network, memorised.truth, names))
    by_name = {(change.kind, change.value): change for change in every}
    assert len(by_name) == len(every)
    return by_name


@pytest.fixture(scope="module")
def of_images() -> dict[tuple[ChangeKind, str], Change]:
    return found(images(steps=0))


def test_kinds_of_changes(of_images: dict[tuple[ChangeKind, str], Change]) -> None:
    assert {kind for kind, _ in of_images} == {
        "activation", "layout", "orientation", "normalisation", "channels", "order", "skip",
    }  # fmt: skip
    assert {kind for kind, _ in found(table(steps=0), ("a", "b"))} == {"activation", "normalisation"}


def test_what_was_read_is_not_tried_again(of_images: dict[tuple[ChangeKind, str], Change]) -> None:
    assert ("activation", "relu") not in of_images
    assert ("activation", "identity") in of_images
    assert ("order", "a,b,c,d") not in of_images
    assert ("order", "a,c,b,d") in of_images
    linear = images(steps=0)
    other = replace(linear, network=replace(linear.network, activation="identity"))
    assert ("activation", "identity") not in found(other)


def test_another_activation_or_order_is_another_network(
    of_images: dict[tuple[ChangeKind, str], Change],
) -> None:
    network, rows = images(steps=0).network, torch.from_numpy(images(steps=0).truth.members)
    tanh = replace(network, activation="tanh").forward(rows)
    assert torch.equal(of_images["activation", "tanh"].forward(rows), tanh)
    first, second, third, last = network.weights
    hidden = (rows @ first.T).relu()
    for weight in (third, second):
        hidden = (hidden @ weight.T).relu()
    torch.testing.assert_close(of_images["order", "a,c,b,d"].forward(rows), hidden @ last.T)


@pytest.mark.parametrize(
    ("value", "stem", "inside", "after"),
    [
        ("pairs", True, True, False),
        ("pairs-linear-stem", False, True, False),
        ("pairs-activated", True, True, True),
    ],
)
def test_skip_connections_around_pairs(
    of_images: dict[tuple[ChangeKind, str], Change], value: str, stem: bool, inside: bool, after: bool
) -> None:
    network, rows = images(steps=0).network, torch.from_numpy(images(steps=0).truth.members)
    relu = activation("relu").function
    first, second, third, last = network.weights
    hidden = rows @ first.T
    hidden = relu(hidden, None) if stem else hidden
    hidden = hidden + relu(hidden @ second.T, None) @ third.T
    hidden = relu(hidden, None) if after else hidden
    torch.testing.assert_close(of_images["skip", value].forward(rows), hidden @ last.T)


def test_skip_connections_around_layers(of_images: dict[tuple[ChangeKind, str], Change]) -> None:
    network, rows = images(steps=0).network, torch.from_numpy(images(steps=0).truth.members)
    first, second, third, last = network.weights
    hidden = (rows @ first.T).relu()
    hidden = hidden + (hidden @ second.T).relu()
    hidden = hidden + (hidden @ third.T).relu()
    torch.testing.assert_close(of_images["skip", "layers"].forward(rows), hidden @ last.T)


def test_layers_of_other_widths_have_no_skips_and_no_other_order() -> None:
    narrow = replace(images(steps=0), network=drawn((108, 30, 20, 4)))
    assert not {kind for kind, _ in found(narrow, NAMES[:3])} & {"skip", "order"}
    bottleneck = replace(images(steps=0), network=drawn((108, 30, 20, 30, 4)))
    assert ("skip", "pairs") in found(bottleneck)
    assert ("skip", "layers") not in found(bottleneck)


TURNS: list[tuple[ChangeKind, str, Callable[[Rows], Rows]]] = [
    ("orientation", "transposed", lambda images: images.swapaxes(1, 2)),
    ("orientation", "rotated 90", lambda images: np.rot90(images, 1, (1, 2))),
    ("orientation", "rotated 180", lambda images: images[:, ::-1, ::-1]),
    ("orientation", "rotated 270", lambda images: np.rot90(images, 3, (1, 2))),
    ("orientation", "mirrored", lambda images: images[:, :, ::-1]),
    ("orientation", "upside down", lambda images: images[:, ::-1]),
]


@pytest.mark.parametrize(("kind", "value", "turn"), TURNS)
def test_images_are_turned(
    of_images: dict[tuple[ChangeKind, str], Change],
    kind: ChangeKind,
    value: str,
    turn: Callable[[Rows], Rows],
) -> None:
    memorised = images(steps=0)
    expected = memorised.given(turn).members
    np.testing.assert_allclose(of_images[kind, value].inputs(memorised.truth.members), expected, atol=1e-5)


def test_pixels_are_put_beside_each_other(of_images: dict[tuple[ChangeKind, str], Change]) -> None:
    rows = images(steps=0).truth.members
    planes = rows.reshape(-1, 3, 6, 6)
    flat = of_images["layout", "hwc"].inputs(rows)
    np.testing.assert_array_equal(flat, planes.transpose(0, 2, 3, 1).reshape(len(rows), -1))
    stated = replace(images(steps=0).truth.preprocessing, layout="hwc")
    by_pixels = replace(images(steps=0), truth=replace(images(steps=0).truth, preprocessing=stated))
    np.testing.assert_array_equal(found(by_pixels)["layout", "chw"].inputs(flat), rows)
    reverse = images(steps=0).given(lambda values: values[..., ::-1]).members
    np.testing.assert_allclose(of_images["channels", "reversed"].inputs(rows), reverse, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "normalise"),
    [
        ("none", lambda values, mean, std: values),
        ("mean", lambda values, mean, std: values - mean),
        ("std", lambda values, mean, std: values / std),
        ("swapped", lambda values, mean, std: (values - std) / mean),
        ("0..255", lambda values, mean, std: 255 * values),
        ("-1..1", lambda values, mean, std: 2 * values - 1),
        ("inverted", lambda values, mean, std: (1 - values - mean) / std),
        ("stretched", lambda values, mean, std: (256 * values - mean) / std),
    ],
)
def test_pixels_are_normalised_otherwise(
    of_images: dict[tuple[ChangeKind, str], Change],
    value: str,
    normalise: Callable[[Rows, Rows, Rows], Rows],
) -> None:
    truth = images(steps=0).truth
    stated = truth.preprocessing
    values = truth.members * stated.std + stated.mean
    found_rows = of_images["normalisation", value].inputs(truth.members)
    np.testing.assert_allclose(found_rows, normalise(values, stated.mean, stated.std), rtol=1e-4, atol=1e-4)


def test_samples_are_normalised_by_their_own_numbers(
    of_images: dict[tuple[ChangeKind, str], Change],
) -> None:
    truth = images(steps=0).truth
    both = np.concatenate([truth.members, truth.controls])
    planes = of_images["normalisation", "own"].inputs(both).reshape(-1, 3, 36)
    np.testing.assert_allclose(planes.mean(axis=(0, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(planes.std(axis=(0, 2)), 1, atol=1e-3)
    memorised = table(steps=0)
    raw = memorised.given(lambda rows: rows + 5)
    of_table = found(replace(memorised, truth=raw), ("a", "b"))
    rows = np.concatenate([raw.members, raw.controls])
    own = of_table["normalisation", "own"].inputs(rows)
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-3)
    ranged = of_table["normalisation", "range"].inputs(rows)
    np.testing.assert_allclose([ranged.min(axis=0), ranged.max(axis=0)], [[0] * 30, [1] * 30], atol=1e-3)


def test_a_standard_deviation_that_is_no_divisor_is_left_out() -> None:
    memorised = images(steps=0)
    stated = replace(memorised.truth.preprocessing, mean=np.zeros(108, dtype=np.float32))
    truth = replace(memorised.truth, preprocessing=stated)
    assert ("normalisation", "swapped") not in found(replace(memorised, truth=truth))
