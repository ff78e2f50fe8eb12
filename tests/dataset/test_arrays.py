"""Images in archives and single arrays of NumPy, and every complaint about them."""

import io
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audit.dataset.load import load_samples
from audit.errors import DataError
from tests.dataset.support import archive, complaint, pixels


def test_uint8_archive(tmp_path: Path) -> None:
    raw = pixels()
    spec = archive(tmp_path, images=raw, labels=np.array([0, 1, 0, 1, 2, 2], dtype=np.uint8))
    found = load_samples(spec)
    assert found.values.shape == (6, 5, 4, 1)
    assert found.values.dtype == np.float32
    assert found.values[..., 0] == pytest.approx(raw / 255.0)
    assert found.labels.tolist() == [0, 1, 0, 1, 2, 2]
    assert found.labels.dtype == np.int64
    assert found.ids == ("0", "1", "2", "3", "4", "5")
    assert found.source == spec
    assert len(found) == 6


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_archive_with_channels_and_without_labels(tmp_path: Path, dtype) -> None:
    values = np.random.default_rng(1).uniform(size=(3, 4, 4, 3)).astype(dtype)
    found = load_samples(archive(tmp_path, images=values))
    assert found.values == pytest.approx(values.astype(np.float32))
    assert found.labels is None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_are_refused_unless_the_shape_says_that_they_are_last(
    tmp_path: Path, channels: int
) -> None:
    values = np.random.default_rng(2).uniform(size=(2, channels, 6, 7))
    np.save(tmp_path / "images.npy", values)
    for spec in (archive(tmp_path, images=values), str(tmp_path / "images.npy")):
        assert f"(2, {channels}, 6, 7), which looks like channels first" in complaint(spec)
        assert load_samples(spec, shape=(7, channels, 6)).values.shape == values.shape


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"x": pixels(), "y": np.arange(6)}, ["has no array 'images' or 'features', only x, y"]),
        ({"images": pixels().astype(np.int64)}, ["type int64", "expected uint8 or float"]),
        ({"images": pixels().astype(complex)}, ["type complex128"]),
        ({"images": np.array(["a", "b"])}, ["expected uint8 or float"]),
        ({"images": pixels().reshape(6, 20)}, ["shape (6, 20)", "(n, h, w) or (n, h, w, c)"]),
        ({"images": pixels().reshape(1, 1, 6, 5, 4)}, ["shape (1, 1, 6, 5, 4)"]),
        ({"images": np.float32(0.5)}, ["shape ()"]),
        ({"images": pixels(0)}, ["empty", "(0, 5, 4)"]),
        ({"images": pixels(3, (0, 4))}, ["empty", "(3, 0, 4)"]),
        ({"images": pixels() / 1.0}, ["range from 0 to 248", "within [0, 1]", "divide them by 255"]),
        ({"images": pixels() / 128.0 - 1.0}, ["range from -1", "undo their normalisation"]),
        ({"images": np.full((2, 3, 3), 400.0)}, ["range from 400 to 400", "undo their normalisation"]),
        ({"images": np.array([[[0.5]], [[np.nan]]])}, ["image 1", "NaN or infinite"]),
        ({"images": np.array([[[np.inf]], [[0.5]]])}, ["image 0", "NaN or infinite"]),
        ({"images": np.array([{"a": 1}] * 2)}, ["'images'", "pickled objects", "never loaded"]),
        ({"images": pixels(), "labels": np.array([{}] * 6)}, ["'labels'", "pickled objects"]),
        ({"images": pixels(), "labels": np.arange(5)}, ["labels", "(5,)", "expected (6,)"]),
        ({"images": pixels(), "labels": np.zeros((6, 1), int)}, ["labels", "(6, 1)"]),
        ({"images": pixels(), "labels": np.arange(6.0)}, ["float64", "expected integers"]),
        ({"images": pixels(), "labels": np.array(list("abcdef"))}, ["expected integers"]),
        ({"images": pixels(), "labels": np.array([1, 1, -1, 1, 1, 1])}, ["label -1 of image 2", "negative"]),
    ],
)
def test_bad_archives_are_refused(tmp_path: Path, arrays, parts) -> None:
    spec = archive(tmp_path, **arrays)
    message = complaint(spec)
    assert spec in message
    for part in parts:
        assert part in message


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    complaint(archive(tmp_path, images=np.array([Trap()], dtype=object)))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap()))
    complaint(tmp_path / "bare.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04K\x01."])
def test_what_is_no_archive_is_refused(tmp_path: Path, content) -> None:
    (tmp_path / "set.npz").write_bytes(content)
    message = complaint(tmp_path / "set.npz")
    assert "set.npz is not an .npz archive, or is truncated" in message


def test_a_single_array(tmp_path: Path) -> None:
    raw = pixels()
    np.save(tmp_path / "set.npy", raw)
    found = load_samples(str(tmp_path / "set.npy"))
    assert found.values[..., 0] == pytest.approx(raw / 255.0)
    assert found.labels is None


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    spec = Path(archive(tmp_path, images=pixels(50)))
    spec.write_bytes(spec.read_bytes()[:-100])
    assert "truncated" in complaint(spec)


def test_a_damaged_array_is_refused(tmp_path: Path) -> None:
    spec = Path(archive(tmp_path, images=pixels(50)))
    content = bytearray(spec.read_bytes())
    content[500] ^= 255
    spec.write_bytes(content)
    assert "array 'images'" in complaint(spec)


def test_an_archive_that_claims_to_be_gigantic_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6, 3)}
    )
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as file:
        file.writestr("images.npy", header.getvalue())
    assert "damaged or too large" in complaint(tmp_path / "set.npz")


def test_flipped_bytes_never_give_anything_but_images_or_a_complaint(tmp_path: Path) -> None:
    whole = Path(archive(tmp_path, images=pixels(4, (3, 3)), labels=np.arange(4))).read_bytes()
    draw = random.Random(0)
    broken = tmp_path / "broken.npz"
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        content[draw.randrange(len(content))] ^= draw.randrange(1, 256)
        broken.write_bytes(content)
        try:
            assert len(load_samples(str(broken))) == 4
        except DataError:
            refused += 1
    assert refused > 100


def test_labels_that_are_real_numbers_are_targets_of_a_regression(tmp_path: Path) -> None:
    targets = np.array([0.5, -1.25, 3.0, 7.5, 0.0, 1.0])
    found = load_samples(archive(tmp_path, images=pixels(), labels=targets))
    assert found.labels is None
    assert found.targets is not None
    assert found.targets.dtype == np.float32
    np.testing.assert_array_equal(found.targets, targets)
    kept = found.keep(np.array([1, 3]))
    assert kept.targets is not None
    assert kept.targets.tolist() == [-1.25, 7.5]
    assert (
        load_samples(archive(tmp_path, "b.npz", images=pixels(), labels=2 * targets)).sha256 != found.sha256
    )
    for wrong in (targets[:4], np.where(targets == 0.5, np.nan, targets)):
        with pytest.raises(DataError, match="finite numbers"):
            load_samples(archive(tmp_path, "c.npz", images=pixels(), labels=wrong))
