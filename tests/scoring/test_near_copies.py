"""Controls that are other versions of members, and controls that are alike by nature."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from audit.model.modality import IMAGES, ROWS
from audit.scoring.near_copies import near_copies
from tests.tiny import blobs


@pytest.fixture
def images() -> np.ndarray:
    return (blobs(60) / 255).astype(np.float32)[..., None]


@pytest.mark.parametrize(
    "change",
    [
        lambda image, random: image + 0.02 * random.normal(size=image.shape),
        lambda image, random: 0.7 * image + 0.1,
        lambda image, random: image**1.2,
        lambda image, random: gaussian_filter(image, (0, 0.5, 0.5, 0)),
        lambda image, random: np.round(image * 31) / 31,
    ],
    ids=["noise", "contrast", "gamma", "blur", "rounding"],
)
def test_other_versions_of_members_are_found(images: np.ndarray, change) -> None:
    members, controls = images[:20], images[20:].copy()
    controls[[3, 8, 9]] = change(members[[7, 0, 19]].astype(np.float64), np.random.default_rng(0))
    found = near_copies(members, controls, IMAGES)
    np.testing.assert_array_equal(np.flatnonzero(found >= 0), [3, 8, 9])
    np.testing.assert_array_equal(found[[3, 8, 9]], [7, 0, 19])


def test_samples_that_are_alike_by_nature_are_no_near_copies() -> None:
    random = np.random.default_rng(0)
    alike = np.clip(blobs(1) / 255 + 0.02 * random.normal(size=(40, 12, 12)), 0, 1)[..., None]
    assert (near_copies(alike[:20], alike[20:], IMAGES) == -1).all()


def test_rows_are_near_copies_where_they_are_equal_to_a_tenth() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 10)) * np.arange(1, 11)
    members, controls = rows[:30], rows[30:].copy()
    controls[[2, 5]] = members[[4, 11]] * (1 + 0.02 * random.normal(size=(2, 10)))
    found = near_copies(members, controls, ROWS)
    np.testing.assert_array_equal(np.flatnonzero(found >= 0), [2, 5])
    np.testing.assert_array_equal(found[[2, 5]], [4, 11])
    controls[5] = members[11] * 1.3
    assert near_copies(members, controls, ROWS)[5] == -1


def test_shifted_images_are_not_near_copies(images: np.ndarray) -> None:
    assert (near_copies(images[:20], np.roll(images[:20], 2, axis=1), IMAGES) == -1).all()
