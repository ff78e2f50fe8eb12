"""What members and held-out samples must be to each other and to the network."""

from pathlib import Path

import numpy as np
import pytest

from audit.dataset.checks import check_disjoint, check_fits, check_labels, count_duplicates
from audit.dataset.load import load_samples
from audit.errors import DataError
from audit.model.preprocessing import parse_preprocessing
from tests.dataset.support import archive, image_set, picture, pixels, text


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


def test_shared_images_are_counted_and_the_first_named() -> None:
    members = np.random.default_rng(0).uniform(size=(5, 3, 3, 1))
    members[4] = members[3]
    controls = np.random.default_rng(1).uniform(size=(6, 3, 3, 1))
    check_disjoint(image_set(members), image_set(controls))
    controls[[2, 5]] = members[[3, 0]]
    with pytest.raises(DataError) as caught:
        check_disjoint(image_set(members, source="m.npz"), image_set(controls, source="c.npz"))
    assert "2 of the 6 controls" in str(caught.value)
    assert "image 2 of c.npz is image 3 of m.npz" in str(caught.value)


def test_shared_rows_are_named(tmp_path: Path) -> None:
    members = load_samples(text(tmp_path, "a,b,c", "1,2,3", "-0.0,5,6"))
    check_disjoint(members, load_samples(text(tmp_path, "a,b,c", "1,2,4")))
    with pytest.raises(DataError, match=r"1 of the 2 controls.*row 1 of .* is row 1 of"):
        check_disjoint(members, load_samples(text(tmp_path, "a,b,c", "9,9,9", "0,5,6", name="b.csv")))


def test_the_same_image_in_another_format_is_the_same_image(tmp_path: Path) -> None:
    raw = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    picture(tmp_path / "set" / "a.png", raw[0])
    folder = load_samples(str(tmp_path / "set"))
    formats = {"8.npz": raw, "64.npz": raw / 255.0, "32.npz": raw * np.float32(1 / 255)}
    for name, array in formats.items():
        with pytest.raises(DataError, match=r"1 of the 1 controls"):
            check_disjoint(load_samples(archive(tmp_path, name, images=array)), folder)


def test_sets_of_other_sizes_share_nothing() -> None:
    check_disjoint(image_set(np.zeros((1, 2, 8, 1))), image_set(np.zeros((1, 4, 4, 1))))


def test_duplicates_count_the_copies_only() -> None:
    images = np.random.default_rng(0).uniform(size=(6, 3, 3, 1))
    assert count_duplicates(image_set(images)) == 0
    images[[2, 5]] = images[0]
    images[4] = images[1]
    assert count_duplicates(image_set(images)) == 3
