"""What members and held-out samples must be to each other and to the network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.dataset.checks import check_fits, check_informative, check_labels
from audit.dataset.load import load_samples
from audit.errors import DataError
from audit.model.preprocessing import parse_preprocessing
from tests.dataset.support import image_set, pixels, text


@pytest.mark.parametrize(("labels", "outputs"), [([0, 1, 1], 1), ([0, 1, 1], 2), ([9, 0, 3], 10), (None, 1)])
def test_labels_that_suit(labels, outputs) -> None:
    check_labels(image_set(np.zeros((3, 2, 2, 1)), None if labels is None else np.array(labels)), outputs)


@pytest.mark.parametrize(
    ("labels", "outputs", "part"),
    [
        ([0, 2, 3], 1, "image 1 has label 2, but a network with 1 output takes labels 0 to 1"),
        ([0, 1, 2], 2, "image 2 has label 2, but a network with 2 outputs takes labels 0 to 1"),
        ([10, 0, 0], 10, "image 0 has label 10, but a network with 10 outputs takes labels 0 to 9"),
    ],
)
def test_labels_out_of_range(labels, outputs, part) -> None:
    with pytest.raises(DataError) as caught:
        check_labels(image_set(np.zeros((3, 2, 2, 1)), np.array(labels)), outputs)
    assert f"set.npz: {part}" in str(caught.value)


def test_images_must_fit_the_network() -> None:
    images = image_set(np.zeros((2, 5, 4, 3)))
    check_fits(images, parse_preprocessing((3, 5, 4), None, None))
    with pytest.raises(DataError, match=r"set.npz: images are 3 x 5 x 4 .*takes 1 x 28 x 28.*--input-shape"):
        check_fits(images, parse_preprocessing((1, 28, 28), None, None))


def test_channels_first_is_recognised() -> None:
    with pytest.raises(DataError, match="move the channels last"):
        check_fits(image_set(np.zeros((2, 3, 32, 32))), parse_preprocessing((3, 32, 32), None, None))


def test_rows_must_fit_the_network(tmp_path: Path) -> None:
    rows = load_samples(text(tmp_path, "a,b,c", "1,2,3"))
    check_fits(rows, parse_preprocessing((3,), None, None))
    with pytest.raises(DataError, match="rows have 3 columns, but the network takes rows of 4 columns"):
        check_fits(rows, parse_preprocessing((4,), None, None))
    with pytest.raises(DataError, match=r"takes 1 x 1 x 3; pass --input-shape"):
        check_fits(rows, parse_preprocessing((1, 1, 3), None, None))
    np.savez(tmp_path / "set.npz", images=pixels(2, (3, 3)))
    with pytest.raises(DataError, match=r"images are 1 x 3 x 3.*takes rows of 9 columns"):
        check_fits(load_samples(str(tmp_path / "set.npz")), parse_preprocessing((9,), None, None))


def test_members_that_are_all_the_same_are_refused() -> None:
    images = np.random.default_rng(0).uniform(size=(3, 5, 4, 1))
    check_informative(image_set(images))
    check_informative(image_set(images[:1]))
    with pytest.raises(DataError, match=r"all 3 images of set.npz are the same"):
        check_informative(image_set(images[[0, 0, 0]]))


@pytest.mark.parametrize("colours", [[[0.0]], [[0.0], [0.5], [1.0]], [[0.1, 0.5, 0.9], [0.9, 0.5, 0.1]]])
def test_images_of_one_colour_are_refused(colours: list[list[float]]) -> None:
    images = np.broadcast_to(np.array(colours)[:, None, None], (len(colours), 5, 4, len(colours[0])))
    with pytest.raises(DataError, match=r"every image of set.npz has one colour throughout"):
        check_informative(image_set(images))
    shown = images.copy()
    shown[0, 0, 0] = 0.7
    check_informative(image_set(shown))


def test_rows_may_hold_one_value_throughout(tmp_path: Path) -> None:
    check_informative(load_samples(text(tmp_path, "a,b,c", "1,1,1", "2,2,2")))
    with pytest.raises(DataError, match=r"all 2 rows of .* are the same"):
        check_informative(load_samples(text(tmp_path, "a,b,c", "1,2,3", "1,2,3")))


def test_real_numbers_suit_one_output() -> None:
    samples = replace(image_set(np.zeros((3, 2, 2, 1))), targets=np.array([1, 0.5, 2], dtype=np.float32))
    check_labels(samples, 1)
    with pytest.raises(
        DataError, match=r"image 1 has the label 0\.5, but a network with 10 outputs takes class"
    ):
        check_labels(samples, 10)
