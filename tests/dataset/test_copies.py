"""Copies within a set, and members among the controls."""

from pathlib import Path

import numpy as np

from audit.dataset.copies import distinct, shared
from audit.dataset.load import load_samples
from tests.dataset.support import archive, image_set, picture, text


def test_the_first_of_several_copies_is_kept() -> None:
    images = np.random.default_rng(0).uniform(size=(6, 3, 3, 1))
    whole = distinct(image_set(images))
    assert (whole.ids, whole.left_out) == (tuple("012345"), ())
    images[[2, 5]] = images[0]
    images[4] = images[1]
    kept = distinct(image_set(images, np.array([0, 1, 1, 0, 0, 0])))
    assert (kept.ids, kept.left_out) == (("0", "1", "3"), ("2", "4", "5"))
    np.testing.assert_array_equal(kept.values, images[[0, 1, 3]].astype(np.float32))
    assert kept.labels is not None
    np.testing.assert_array_equal(kept.labels, [0, 1, 0])


def test_shared_images_are_found_with_the_first_member_they_are() -> None:
    members = np.random.default_rng(0).uniform(size=(5, 3, 3, 1))
    members[4] = members[3]
    controls = np.random.default_rng(1).uniform(size=(6, 3, 3, 1))
    assert shared(image_set(members), image_set(controls)) == {}
    controls[[2, 5]] = members[[3, 0]]
    assert shared(image_set(members), image_set(controls)) == {2: 3, 5: 0}


def test_rows_are_the_same_whatever_the_sign_of_zero(tmp_path: Path) -> None:
    members = load_samples(text(tmp_path, "a,b,c", "1,2,3", "-0.0,5,6"))
    assert shared(members, load_samples(text(tmp_path, "a,b,c", "1,2,4", name="a.csv"))) == {}
    assert shared(members, load_samples(text(tmp_path, "a,b,c", "9,9,9", "0,5,6", name="b.csv"))) == {1: 1}


def test_the_same_image_in_another_format_is_the_same_image(tmp_path: Path) -> None:
    raw = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    picture(tmp_path / "set" / "a.png", raw[0])
    folder = load_samples(str(tmp_path / "set"))
    formats = {"8.npz": raw, "64.npz": raw / 255.0, "32.npz": raw * np.float32(1 / 255)}
    for name, array in formats.items():
        assert shared(load_samples(archive(tmp_path, name, images=array)), folder) == {0: 0}


def test_sets_of_other_sizes_share_nothing() -> None:
    assert shared(image_set(np.zeros((1, 2, 8, 1))), image_set(np.zeros((1, 4, 4, 1)))) == {}
