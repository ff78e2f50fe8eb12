"""Members and held-out samples as the network takes them."""

import numpy as np
import pytest

from audit.dataset.truth import Truth
from audit.model.preprocessing import parse_preprocessing
from tests.dataset.support import image_set, pixels

PREPROCESSING = parse_preprocessing((1, 5, 4), "0.5", "0.25")


def test_both_sets_are_normalised_inputs_with_their_labels() -> None:
    members = image_set(pixels(3)[..., None] / 255, np.array([0, 1, 1]))
    controls = image_set(pixels(2, seed=1)[..., None] / 255, np.array([1, 0]))
    truth = Truth.of(members, controls, PREPROCESSING)
    assert truth.members == pytest.approx((members.values.reshape(3, 20) - 0.5) / 0.25, abs=1e-6)
    assert truth.controls == pytest.approx((controls.values.reshape(2, 20) - 0.5) / 0.25, abs=1e-6)
    assert (truth.labels.tolist(), truth.control_labels.tolist()) == ([0, 1, 1], [1, 0])
    assert truth.preprocessing is PREPROCESSING


def test_without_held_out_samples_there_are_none_and_no_labels_of_them() -> None:
    truth = Truth.of(image_set(pixels(3)[..., None] / 255), None, PREPROCESSING)
    assert truth.controls.shape == (0, 20)
    assert truth.labels is truth.control_labels is None
