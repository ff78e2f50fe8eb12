"""Which single change makes a network know its members, and that a right reading needs none."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from audit.dataset.truth import Truth
from audit.diagnostics.misreading import best, scaled_loss, try_changes
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.model.preprocessing import Preprocessing
from tests.diagnostics.memorised import (
    SHAPE,
    Memorised,
    Rows,
    around_layers,
    images,
    regression,
    table,
    unchanged,
    unlabelled,
)

either_way = pytest.mark.parametrize("labels", [True, False])


def mended(network: Network, truth: Truth, *, labels: bool = True) -> str | None:
    """The change that is named."""
    names = [f"fc{layer}" for layer, _ in enumerate(network.weights)]
    chosen = best(try_changes(network, truth if labels else unlabelled(truth), names))
    return None if chosen is None else f"{chosen.change.kind} {chosen.change.value}"


def by_pixels(network: Network, rows: Tensor) -> Tensor:
    """Outputs of a network that is given images pixel by pixel."""
    return network.forward(rows.view(-1, *SHAPE).permute(0, 2, 3, 1).flatten(1))


def stated(mean: Any, std: Any, like: Preprocessing) -> Preprocessing:
    return replace(
        like,
        mean=np.broadcast_to(np.float32(mean), like.mean.shape),
        std=np.broadcast_to(np.float32(std), like.std.shape),
    )


@either_way
@pytest.mark.parametrize("memorised", [images(), images("tanh"), images("identity"), table()])
def test_a_right_reading_needs_no_change(memorised: Memorised, labels: bool) -> None:
    assert mended(memorised.network, memorised.truth, labels=labels) is None


@either_way
@pytest.mark.parametrize("memorised", [images(steps=0), table(steps=0)])
def test_an_untrained_network_cannot_be_mended(memorised: Memorised, labels: bool) -> None:
    assert mended(memorised.network, memorised.truth, labels=labels) is None


@either_way
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda values: values.swapaxes(1, 2), "orientation transposed"),
        (lambda values: np.rot90(values, 1, (1, 2)), "orientation rotated 270"),
        (lambda values: values[:, :, ::-1], "orientation mirrored"),
        (lambda values: values[..., ::-1], "channels reversed"),
        (lambda values: 1 - values, "normalisation inverted"),
    ],
)
def test_images_that_are_not_those_of_training(
    change: Callable[[Rows], Rows], found: str, labels: bool
) -> None:
    memorised = images()
    assert mended(memorised.network, memorised.given(change), labels=labels) == found


def test_images_that_are_nearly_black() -> None:
    memorised = images()
    dark = memorised.given(lambda values: values / 256)
    assert mended(memorised.network, dark) == "normalisation stretched"


@either_way
def test_images_that_the_network_takes_pixel_by_pixel(labels: bool) -> None:
    memorised = images(forward=by_pixels)
    assert mended(memorised.network, memorised.truth, labels=labels) == "layout hwc"


@either_way
def test_layers_in_another_order(labels: bool) -> None:
    memorised, order = images(), (0, 2, 1, 3)
    known = memorised.network.parameters
    parameters = Parameters(
        *(tuple(part[layer] for layer in order) for part in (known.weights, known.biases))
    )
    assert mended(memorised.network.at(parameters), memorised.truth, labels=labels) == "order fc0,fc2,fc1,fc3"


@either_way
def test_skip_connections(labels: bool) -> None:
    memorised = images(forward=around_layers)
    assert mended(memorised.network, memorised.truth, labels=labels) == "skip layers"


def test_another_activation() -> None:
    memorised = images("sigmoid")
    other = replace(memorised.network, activation="relu")
    assert mended(other, memorised.truth) == "activation sigmoid"


@pytest.mark.parametrize(
    ("mean", "std", "found"),
    [("std", "mean", "swapped"), (0, 1, "own"), (0, "std", "own"), ("mean", 1, "own")],
)
def test_a_table_that_is_normalised_otherwise(mean: str | float, std: str | float, found: str) -> None:
    memorised = table()
    known = memorised.truth.preprocessing
    wrong = stated(*(getattr(known, one) if isinstance(one, str) else one for one in (mean, std)), known)
    truth = memorised.given(unchanged, wrong)
    assert mended(memorised.network, truth) == f"normalisation {found}"


@pytest.mark.parametrize(("mean", "std", "found"), [("std", "mean", "swapped"), (0, 1, "own")])
def test_a_regression_is_read_by_its_targets(mean: str | float, std: str | float, found: str) -> None:
    memorised = regression()
    assert mended(memorised.network, memorised.truth) is None
    assert mended(regression(steps=0).network, memorised.truth) is None
    known = memorised.truth.preprocessing
    wrong = stated(*(getattr(known, one) if isinstance(one, str) else one for one in (mean, std)), known)
    truth = memorised.given(unchanged, wrong)
    assert mended(memorised.network, truth) == f"normalisation {found}"


def test_of_a_large_network_some_members_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.diagnostics.misreading.affordable", lambda network, passes, least: 12)
    memorised = images()
    trials = try_changes(memorised.network, memorised.given(lambda values: values.swapaxes(1, 2)), "abcd")
    assert {len(trial.answers) for trial in trials} == {12}
    chosen = best(trials)
    assert chosen is not None
    assert chosen.change.value == "transposed"


def margins(*values: float) -> Any:
    return SimpleNamespace(margin=np.array(values), sureness=np.abs(values), correlation=None)


def test_the_scaled_loss_tells_even_margins_whatever_their_scale() -> None:
    assert scaled_loss(margins(3.0, 3.0)) == pytest.approx(float(np.log1p(np.exp(-8.0))))
    for one, other in pairwise([(4.0, 4.0), (3.0, 5.0), (1.0, 7.0)]):
        assert scaled_loss(margins(*one)) < scaled_loss(margins(*other))
        assert scaled_loss(margins(*other)) == pytest.approx(scaled_loss(margins(*(9 * np.array(other)))))
    assert scaled_loss(margins(-1.0, 1.0)) == float("inf")


def test_without_changes_there_is_none_to_choose() -> None:
    assert best([]) is None
    assert torch.is_grad_enabled()
