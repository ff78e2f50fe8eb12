"""Members and controls that are, or are not, of one source."""

from dataclasses import replace

import numpy as np
import pytest

from audit.scoring.exchangeability import Side, exchangeability
from audit.scoring.similarity import standardise
from tests.tiny import blobs


def side(images: np.ndarray, labels: np.ndarray | None = None, noise: np.ndarray | None = None) -> Side:
    rows = images.reshape(len(images), -1).astype(np.float32)
    return Side(standardise(rows), rows.mean(axis=1), rows.std(axis=1), labels, noise)


def random() -> np.random.Generator:
    return np.random.default_rng(0)


IMAGES = blobs(400, seed=1) / 255
LABELS = (IMAGES[:, :6].mean(axis=(1, 2)) > IMAGES[:, 6:].mean(axis=(1, 2))).astype(np.int64)
"""Whether the upper half is brighter: what neighbours have in common."""


@pytest.mark.parametrize(("members", "controls"), [(100, 20), (20, 50), (4, 100), (50, 1), (1, 50), (1, 1)])
def test_samples_of_one_source_are_not_told_apart(members: int, controls: int) -> None:
    draws = random()
    found = []
    for _ in range(30):
        drawn = IMAGES[draws.permutation(400)[: members + controls]]
        found.append(exchangeability(side(drawn[:members]), side(drawn[members:]), draws))
    assert sum(one.differ for one in found) <= 1
    assert set(found[0].p_values) == {"mean", "spread", "neighbours"}
    assert (found[0].members.shape, found[0].controls.shape) == ((members,), (controls,))


def test_weights_of_one_source_are_about_one() -> None:
    found = exchangeability(side(IMAGES[:100]), side(IMAGES[100:]), random())
    for weights in (found.members, found.controls):
        assert 0.7 < np.median(weights) < 1.4
        assert weights.min() > 0


@pytest.mark.parametrize("controls", [20, 50, 200])
def test_noise_as_controls_is_told_apart(controls: int) -> None:
    noise = random().uniform(size=(controls, 12, 12))
    found = exchangeability(side(IMAGES[:40]), side(noise), random())
    assert found.differ
    assert "neighbours" in found.aspects
    assert np.median(found.members) > 10 * np.median(found.controls)


def test_darker_controls_are_told_apart_by_their_mean() -> None:
    found = exchangeability(side(IMAGES[:100]), side(0.6 * IMAGES[100:200]), random())
    assert found.differ
    assert set(found.aspects) == {"mean", "spread"}


def test_classes_are_compared_where_labels_mean_the_same() -> None:
    labels = LABELS
    one, other = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    mixed, uneven = np.r_[one[:50], other[:50]], np.r_[one[50:140], other[50:60]]
    found = exchangeability(
        side(IMAGES[mixed], labels[mixed]), side(IMAGES[uneven], labels[uneven]), random()
    )
    assert found.p_values["classes"] < 0.001
    assert "classes" in found.aspects
    meaningless = random().integers(0, 2, 100)
    found = exchangeability(side(IMAGES[mixed], meaningless), side(IMAGES[uneven], labels[uneven]), random())
    assert "classes" not in found.p_values
    found = exchangeability(side(IMAGES[mixed], labels[mixed]), side(IMAGES[uneven]), random())
    assert "classes" not in found.p_values


def test_the_negative_control_is_an_aspect() -> None:
    ours, theirs = side(IMAGES[:50]), side(IMAGES[50:150])
    draws = random()
    alike = exchangeability(
        replace(ours, noise=draws.normal(size=50)), replace(theirs, noise=draws.normal(size=100)), draws
    )
    assert not alike.differ
    favoured = exchangeability(
        replace(ours, noise=draws.normal(size=50) + 2), replace(theirs, noise=draws.normal(size=100)), draws
    )
    assert favoured.aspects == ("noise",)


def test_of_many_samples_some_are_compared_and_all_weighted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.scoring.exchangeability._MOST", 60)
    found = exchangeability(side(IMAGES[:100]), side(random().uniform(size=(300, 12, 12))), random())
    assert found.differ
    assert (len(found.members), len(found.controls)) == (100, 300)
    assert np.median(found.members) > 10 * np.median(found.controls)
