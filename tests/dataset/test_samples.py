"""What every source becomes, whatever it was."""

from pathlib import Path

import numpy as np
import pytest

from audit.dataset.load import load_samples
from tests.dataset.support import archive, complaint, pixels, text


def test_rounding_just_outside_the_unit_interval_is_clipped(tmp_path: Path) -> None:
    found = load_samples(archive(tmp_path, images=np.array([[[-1e-8, 1.0 + 1e-7]]])))
    assert found.values.ravel().tolist() == [0.0, 1.0]


def test_hash_depends_on_pixels_shape_and_labels_but_not_on_the_name(tmp_path: Path) -> None:
    raw, labels = pixels(), np.arange(6)
    first = load_samples(archive(tmp_path, images=raw, labels=labels)).sha256
    assert load_samples(archive(tmp_path, "b.npz", images=raw / 255.0, labels=labels)).sha256 == first
    changed = raw.copy()
    changed[0, 0, 0] ^= 1
    others = [
        load_samples(archive(tmp_path, "c.npz", images=array, **more)).sha256
        for array, more in (
            (raw, {}),
            (raw, {"labels": labels[::-1]}),
            (changed, {"labels": labels}),
            (raw.reshape(6, 4, 5), {"labels": labels}),
        )
    ]
    assert len({first, *others}) == 5


def test_rows_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", features=np.array([[1.0, 2.0], [3.0, np.inf]]))
    assert "row 1, column 1" in complaint(tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", features=np.zeros((0, 3)))
    assert "is empty" in complaint(tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", features=np.array([["a", "b"]]))
    assert "expected numbers" in complaint(tmp_path / "set.npz")


def test_rows_are_images_where_the_input_shape_says_so(tmp_path: Path) -> None:
    raw = pixels(5, (3, 4, 2))  # n, c, h, w
    np.savez(tmp_path / "set.npz", features=raw.reshape(5, -1))
    header = ",".join(f"p{place}" for place in range(24))
    lines = [",".join(map(str, row)) for row in raw.reshape(5, -1)]
    for spec in (str(tmp_path / "set.npz"), text(tmp_path, header, *lines)):
        found = load_samples(spec, shape=(3, 4, 2))
        assert found.values == pytest.approx(raw.transpose(0, 2, 3, 1) / 255.0)
        assert found.columns is None
        assert "24 values, --input-shape 1,28,28 takes 784" in complaint(spec, shape=(1, 28, 28))
    black = text(tmp_path, "a,b,c,d", "0,1,1,0")
    assert load_samples(black, shape=(1, 2, 2)).values.ravel().tolist() == [0.0, 1.0, 1.0, 0.0]
