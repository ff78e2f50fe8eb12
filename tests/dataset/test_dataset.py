"""Reading images from archives, folders and torchvision, and every complaint a user can get."""

import builtins
import io
import os
import pickle
import random
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.dataset import (
    Samples,
    check_disjoint,
    check_fits,
    check_labels,
    count_duplicates,
    default_controls,
    load_samples,
)
from audit.errors import DataError
from audit.model.preprocessing import Preprocessing


def pixels(count=6, shape=(5, 4), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def archive(folder, name="set.npz", **arrays):
    np.savez(folder / name, **arrays)
    return str(folder / name)


def picture(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def complaint(spec, **options):
    with pytest.raises(DataError) as caught:
        load_samples(str(spec), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def image_set(images, labels=None, source="set.npz"):
    array = np.asarray(images, dtype=np.float32)
    return Samples(array, labels, tuple(map(str, range(len(array)))), source, "0" * 64)


# --- archives ---------------------------------------------------------------------------------------------


def test_uint8_archive(tmp_path):
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
def test_float_archive_with_channels_and_without_labels(tmp_path, dtype):
    values = np.random.default_rng(1).uniform(size=(3, 4, 4, 3)).astype(dtype)
    found = load_samples(archive(tmp_path, images=values))
    assert found.values == pytest.approx(values.astype(np.float32))
    assert found.labels is None


def test_rounding_just_outside_the_unit_interval_is_clipped(tmp_path):
    found = load_samples(archive(tmp_path, images=np.array([[[-1e-8, 1.0 + 1e-7]]])))
    assert found.values.ravel().tolist() == [0.0, 1.0]


def test_hash_depends_on_pixels_shape_and_labels_but_not_on_the_name(tmp_path):
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
def test_bad_archives_are_refused(tmp_path, arrays, parts):
    spec = archive(tmp_path, **arrays)
    message = complaint(spec)
    assert spec in message
    for part in parts:
        assert part in message


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    complaint(archive(tmp_path, images=np.array([Trap()], dtype=object)))
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Trap()))
    complaint(tmp_path / "bare.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04K\x01."])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)
    message = complaint(tmp_path / "set.npz")
    assert "set.npz is not an .npz archive, or is truncated" in message


def test_a_single_array(tmp_path):
    raw = pixels()
    np.save(tmp_path / "set.npy", raw)
    found = load_samples(str(tmp_path / "set.npy"))
    assert found.values[..., 0] == pytest.approx(raw / 255.0)
    assert found.labels is None


def test_a_truncated_archive_is_refused(tmp_path):
    spec = Path(archive(tmp_path, images=pixels(50)))
    spec.write_bytes(spec.read_bytes()[:-100])
    assert "truncated" in complaint(spec)


def test_a_damaged_array_is_refused(tmp_path):
    spec = Path(archive(tmp_path, images=pixels(50)))
    content = bytearray(spec.read_bytes())
    content[500] ^= 255
    spec.write_bytes(content)
    assert "array 'images'" in complaint(spec)


def test_an_archive_that_claims_to_be_gigantic_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6, 3)}
    )
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as file:
        file.writestr("images.npy", header.getvalue())
    assert "damaged or too large" in complaint(tmp_path / "set.npz")


def test_flipped_bytes_never_give_anything_but_images_or_a_complaint(tmp_path):
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


@pytest.mark.parametrize("spec", ["absent.npz", "absent/folder", "unknown:train", "C:\\absent.npz", "", "\0"])
def test_missing_paths(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    message = complaint(spec)
    assert "mnist:train[:500]" in message or "holds no images" in message


def test_an_over_long_name_is_a_complaint():
    assert "cannot be read" in complaint("x" * 5000)


def test_a_path_with_a_colon_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "mnist:train" / "a.png", pixels(1)[0])
    assert load_samples("mnist:train").ids == ("a.png",)
    with open("cifar10:test", "wb") as file:
        np.savez(file, images=pixels())
    assert len(load_samples("cifar10:test")) == 6


# --- folders ----------------------------------------------------------------------------------------------


def test_flat_folder(tmp_path):
    raw = pixels(3)
    for name, array in zip(("b.png", "a.PNG", "c.bmp"), raw, strict=True):
        picture(tmp_path / name, array)
    (tmp_path / ".hidden.png").write_text("not an image")
    (tmp_path / "notes.txt").write_text("not an image")
    found = load_samples(str(tmp_path))
    assert found.ids == ("a.PNG", "b.png", "c.bmp")
    assert found.labels is None
    assert found.values[..., 0] == pytest.approx(raw[[1, 0, 2]] / 255.0)


def test_sub_folders_are_labels_in_sorted_order(tmp_path):
    for number, name in enumerate(("dog/2.png", "cat/1.png", "dog/1.png")):
        picture(tmp_path / name, pixels(3)[number])
    (tmp_path / ".git").mkdir()
    found = load_samples(str(tmp_path))
    assert found.ids == ("cat/1.png", "dog/1.png", "dog/2.png")
    assert found.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("1", "png", 1),
        ("L", "jpg", 1),
        ("LA", "png", 2),
        ("P", "png", 3),
        ("P", "gif", 3),
        ("RGB", "webp", 3),
        ("RGBA", "png", 4),
        ("CMYK", "jpg", 3),
        ("I;16", "png", 1),
        ("I;16", "tif", 1),
    ],
)
def test_kinds_of_images(tmp_path, mode, suffix, channels):
    Image.new(mode, (5, 4)).save(tmp_path / f"a.{suffix}")
    assert load_samples(str(tmp_path)).values.shape == (1, 4, 5, channels)


def test_white_is_one_at_every_depth(tmp_path):
    picture(tmp_path / "a.png", np.full((3, 3), 255, np.uint8))
    picture(tmp_path / "b.png", np.full((3, 3), 65535, np.uint16))
    Image.new("1", (3, 3), 1).save(tmp_path / "c.png")
    assert (load_samples(str(tmp_path)).values == 1.0).all()


def test_images_of_several_sizes_name_the_first_odd_one(tmp_path):
    for name, shape in (("a.png", (4, 4)), ("b.png", (4, 4)), ("c.png", (4, 5)), ("d.png", (6, 6))):
        picture(tmp_path / name, pixels(1, shape)[0])
    message = complaint(tmp_path)
    assert "c.png is 4 x 5 x 1" in message
    assert "a.png is 4 x 4 x 1" in message


def test_images_of_several_channel_numbers(tmp_path):
    picture(tmp_path / "a.png", pixels(1, (4, 4))[0])
    picture(tmp_path / "b.png", pixels(1, (4, 4, 3))[0])
    assert "b.png is 4 x 4 x 3" in complaint(tmp_path)


def test_unreadable_images_are_never_skipped(tmp_path):
    picture(tmp_path / "a.png", pixels(1)[0])
    picture(tmp_path / "b.png", pixels(1, (60, 60))[0])
    whole = (tmp_path / "b.png").read_bytes()
    for content in (b"", b"text", whole[:30], whole[: len(whole) // 2]):
        (tmp_path / "b.png").write_bytes(content)
        message = complaint(tmp_path)
        assert "b.png cannot be read" in message
        assert "replace or remove the file" in message


def test_a_dangling_link_is_never_skipped(tmp_path):
    picture(tmp_path / "a.png", pixels(1)[0])
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    assert "b.png cannot be read" in complaint(tmp_path)


def test_a_film_is_refused(tmp_path):
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 90, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "a.gif holds 3 frames" in complaint(tmp_path)


def test_floating_point_pictures_are_refused(tmp_path):
    picture(tmp_path / "a.tif", np.zeros((4, 4), np.float32))
    assert "float32 pixels (mode F)" in complaint(tmp_path)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "holds no images" in complaint(tmp_path)


def test_images_beside_sub_folders_are_ambiguous(tmp_path):
    picture(tmp_path / "a.png", pixels(1)[0])
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    message = complaint(tmp_path)
    assert "both images (a.png) and sub-folders (cat)" in message


def test_a_label_without_images_would_shift_the_numbers(tmp_path):
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    (tmp_path / "extra").mkdir()
    message = complaint(tmp_path)
    assert "extra holds no images" in message


def test_folders_below_a_label_are_refused(tmp_path):
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    picture(tmp_path / "cat" / "kitten" / "c.png", pixels(1)[0])
    assert "holds the folder kitten" in complaint(tmp_path)


def forbid(function, name):
    """Make a function refuse one path, as the file system does for users other than root."""

    def guarded(path, *arguments, **options):
        if isinstance(path, (str, Path)) and Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return function(path, *arguments, **options)

    return guarded


@pytest.mark.parametrize("name", ["set.npz", "b.png"])
def test_files_one_may_not_read(tmp_path, monkeypatch, name):
    spec = archive(tmp_path, images=pixels())
    picture(tmp_path / "set" / "b.png", pixels(1)[0])
    monkeypatch.setattr(builtins, "open", forbid(builtins.open, name))
    message = complaint(spec if name == "set.npz" else tmp_path / "set")
    assert f"{name} cannot be read (Permission denied)" in message


@pytest.mark.parametrize("method", ["iterdir", "is_dir"])
def test_folders_one_may_not_read(tmp_path, monkeypatch, method):
    picture(tmp_path / "locked" / "b.png", pixels(1)[0])
    monkeypatch.setattr(Path, method, forbid(getattr(Path, method), "locked"))
    assert "locked cannot be read (Permission denied)" in complaint(tmp_path / "locked")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_the_file_system_locks(tmp_path):
    picture(tmp_path / "locked" / "b.png", pixels(1)[0])
    (tmp_path / "locked").chmod(0)
    message = complaint(tmp_path / "locked")
    (tmp_path / "locked").chmod(0o700)
    assert "locked cannot be read (Permission denied)" in message


# --- torchvision ------------------------------------------------------------------------------------------


@pytest.fixture
def mnist(tmp_path):
    """Write a tiny MNIST in the files torchvision expects; return its root and its training images."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 9), ("t10k", 4)):
        images = pixels(count, (28, 28))
        header = np.array([2051, count, 28, 28], dtype=">i4").tobytes()
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = np.arange(count, dtype=np.uint8)
        header = np.array([2049, count], dtype=">i4").tobytes()
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return tmp_path, pixels(9, (28, 28))


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("mnist:train", range(9)),
        ("MNIST:train", range(9)),
        ("mnist:train[:5]", range(5)),
        ("mnist:train[2:5]", range(2, 5)),
        ("mnist:train[-3:]", range(6, 9)),
        ("mnist:train[:500]", range(9)),
        ("mnist:train[:]", range(9)),
    ],
)
def test_named_sets(mnist, spec, rows):
    root, raw = mnist
    found = load_samples(spec, data_root=root)
    assert found.values.shape == (len(rows), 28, 28, 1)
    assert found.values[..., 0] == pytest.approx(raw[list(rows)] / 255.0)
    assert found.labels.tolist() == list(rows)
    assert found.ids == tuple(f"train/{row}" for row in rows)
    assert found.source == spec


def test_the_test_split_is_another_set(mnist):
    assert load_samples("mnist:test", data_root=mnist[0]).ids == ("test/0", "test/1", "test/2", "test/3")


@pytest.mark.parametrize(
    "spec", ["mnist:", "mnist:valid", "mnist:train[3]", "mnist:train[::2]", "mnist:train["]
)
def test_malformed_names_of_sets(mnist, spec):
    message = complaint(spec, data_root=mnist[0])
    assert spec in message
    assert "mnist:train[:500]" in message


@pytest.mark.parametrize("spec", ["mnist:train[5:2]", "mnist:train[100:]"])
def test_empty_ranges(mnist, spec):
    assert "is empty" in complaint(spec, data_root=mnist[0])


@pytest.mark.parametrize(
    "spec", ["mnist:train", "fashion-mnist:test", "kmnist:test", "cifar10:test", "cifar100:train"]
)
def test_absent_sets_say_where_they_were_looked_for(tmp_path, spec):
    message = complaint(spec, data_root=tmp_path)
    assert f"under {tmp_path}" in message
    assert "pass --download" in message
    assert list(tmp_path.iterdir()) == []


def test_damaged_sets(mnist):
    root, _ = mnist
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    assert "missing or damaged" in complaint("mnist:train", data_root=root)


@pytest.mark.parametrize(
    "failure",
    [
        "raise RuntimeError('operator torchvision::nms does not exist')",
        "raise ImportError('no torchvision here')",
        "import torchvision_of_another_planet",
    ],
)
def test_torchvision_that_cannot_be_imported(tmp_path, monkeypatch, failure):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(failure + "\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    message = complaint("mnist:train", data_root=tmp_path)
    assert "mnist:train needs torchvision, which cannot be imported" in message
    assert ".npz" in message


@pytest.mark.parametrize(
    ("spec", "controls"),
    [
        ("mnist:train", "mnist:test"),
        ("cifar10:train[10:20]", "cifar10:test"),
        ("mnist:test", None),
        ("unknown:train", None),
        ("set.npz", None),
    ],
)
def test_default_controls(tmp_path, monkeypatch, spec, controls):
    monkeypatch.chdir(tmp_path)
    assert default_controls(spec) == controls


def test_a_folder_that_looks_like_a_named_set_has_no_default_controls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist:train").mkdir()
    assert default_controls("mnist:train") is None


# --- checks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("labels", "outputs"), [([0, 1, 1], 1), ([0, 1, 1], 2), ([9, 0, 3], 10), (None, 1)])
def test_labels_that_suit(labels, outputs):
    check_labels(image_set(np.zeros((3, 2, 2, 1)), None if labels is None else np.array(labels)), outputs)


@pytest.mark.parametrize(
    ("labels", "outputs", "part"),
    [
        ([0, 2, 3], 1, "image 1 has label 2, but a network with 1 output takes labels 0 to 1"),
        ([0, 1, 2], 2, "image 2 has label 2, but a network with 2 outputs takes labels 0 to 1"),
        ([10, 0, 0], 10, "image 0 has label 10, but a network with 10 outputs takes labels 0 to 9"),
    ],
)
def test_labels_out_of_range(labels, outputs, part):
    with pytest.raises(DataError) as caught:
        check_labels(image_set(np.zeros((3, 2, 2, 1)), np.array(labels)), outputs)
    assert f"set.npz: {part}" in str(caught.value)


def parse_preprocessing(*shape):
    size = int(np.prod(shape))
    return Preprocessing(shape, np.zeros(size, np.float32), np.ones(size, np.float32))


def test_images_must_fit_the_network():
    images = image_set(np.zeros((2, 5, 4, 3)))
    check_fits(images, parse_preprocessing(3, 5, 4))
    with pytest.raises(DataError, match=r"set.npz: images are 3 x 5 x 4 .*takes 1 x 28 x 28.*--input-shape"):
        check_fits(images, parse_preprocessing(1, 28, 28))


def test_channels_first_is_recognised():
    with pytest.raises(DataError, match="move the channels last"):
        check_fits(image_set(np.zeros((2, 3, 32, 32))), parse_preprocessing(3, 32, 32))


def test_shared_images_are_counted_and_the_first_named():
    members = np.random.default_rng(0).uniform(size=(5, 3, 3, 1))
    members[4] = members[3]
    controls = np.random.default_rng(1).uniform(size=(6, 3, 3, 1))
    check_disjoint(image_set(members), image_set(controls))
    controls[[2, 5]] = members[[3, 0]]
    with pytest.raises(DataError) as caught:
        check_disjoint(image_set(members, source="m.npz"), image_set(controls, source="c.npz"))
    assert "2 of the 6 controls" in str(caught.value)
    assert "image 2 of c.npz is image 3 of m.npz" in str(caught.value)


def test_the_same_image_in_another_format_is_the_same_image(tmp_path):
    raw = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    picture(tmp_path / "set" / "a.png", raw[0])
    folder = load_samples(str(tmp_path / "set"))
    formats = {"8.npz": raw, "64.npz": raw / 255.0, "32.npz": raw * np.float32(1 / 255)}
    for name, array in formats.items():
        with pytest.raises(DataError, match=r"1 of the 1 controls"):
            check_disjoint(load_samples(archive(tmp_path, name, images=array)), folder)


def test_sets_of_other_sizes_share_nothing():
    check_disjoint(image_set(np.zeros((1, 2, 8, 1))), image_set(np.zeros((1, 4, 4, 1))))


def test_duplicates_count_the_copies_only():
    images = np.random.default_rng(0).uniform(size=(6, 3, 3, 1))
    assert count_duplicates(image_set(images)) == 0
    images[[2, 5]] = images[0]
    images[4] = images[1]
    assert count_duplicates(image_set(images)) == 3
