"""Members and controls: reading images and labels, and checking that they fit the network and each other."""

from __future__ import annotations

import hashlib
import importlib
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from audit.errors import DataError
from audit.inputs import InputFormat

_SETS = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
"""Named data sets and their torchvision classes."""
_NAMED = re.compile(r"([\w-]+):(train|test)(?:\[(-?\d+)?:(-?\d+)?\])?", re.IGNORECASE)
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_CONVERSIONS = {
    "1": "L",
    "PA": "RGBA",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}
"""Pillow modes without a pixel value per channel, and what they become; palettes are decided per image."""
_DAMAGE = (ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for broken, encrypted or absurdly large archives."""
_ROUNDING = 1e-6
"""Floats this far outside [0, 1] are rounding, e.g. of a resize."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images an audit compares reconstructions with."""

    images: NDArray[np.float32]
    """(n, h, w, c), within [0, 1]."""
    labels: NDArray[np.int64] | None
    """(n,), not negative; None when the source has none."""
    ids: tuple[str, ...]
    """One name per image: row number, path inside the folder, or e.g. `train/17`."""
    source: str
    """What the user wrote."""
    sha256: str
    """Of shape, pixels and labels."""

    def __len__(self) -> int:
        return len(self.images)


def load_images(spec: str, *, data_root: Path = Path("data")) -> ImageSet:
    """Read images.

    Parameters
    ----------
    spec:
        An `.npz` file with `images` (n, h, w[, c]), uint8 or float in [0, 1], and optional `labels` (n,);
        or a folder of images, flat or one sub-folder per label in sorted order; or a torchvision data set
        as `mnist:train[:500]`. What exists as a path is a path, whatever it looks like.
    data_root:
        Where torchvision data sets lie. Nothing is ever downloaded.

    Raises
    ------
    DataError
        When nothing usable is found.
    """
    path = Path(spec)
    try:
        if path.is_dir():
            return _from_folder(spec, path)
        if path.exists():
            return _from_npz(spec, path)
    except OSError as error:
        raise DataError(
            f"{error.filename or spec} cannot be read ({error.strerror or error})",
            "check the path, and that you may read it",
        ) from error
    if spec.split(":")[0].lower() in _SETS and ":" in spec:
        return _from_torchvision(spec, data_root)
    raise DataError(
        f"{spec} is neither a file, nor a folder, nor a named data set",
        f"check the path, or name one of {', '.join(_SETS)} as in mnist:train[:500]",
    )


def default_controls(spec: str) -> str | None:
    """Return the test set beside a named training set (`mnist:test` for `mnist:train[:500]`), else None."""
    named = _NAMED.fullmatch(spec)
    if named is None or named[1].lower() not in _SETS or named[2].lower() != "train" or Path(spec).exists():
        return None
    return f"{named[1]}:test"


def check_labels(images: ImageSet, outputs: int) -> None:
    """Check that labels suit a network: 0 and 1 for one output, 0 to k - 1 for k. No labels suit all.

    Raises
    ------
    DataError
        Naming the first image whose label is out of range.
    """
    if images.labels is None:
        return
    last = max(outputs, 2) - 1
    wrong = np.flatnonzero(images.labels > last)
    if len(wrong):
        raise DataError(
            f"{images.source}: image {images.ids[wrong[0]]} has label {images.labels[wrong[0]]}, "
            f"but a network with {outputs} output{'s' if outputs > 1 else ''} takes labels 0 to {last}",
            "relabel the images as the model was trained, or audit the model they belong to",
        )


def check_fits(images: ImageSet, format: InputFormat) -> None:
    """Check that images have the network's size and channels.

    Raises
    ------
    DataError
        Showing both shapes.
    """
    _, height, width, channels = images.images.shape
    if (channels, height, width) == format.shape:
        return
    if (height, width, channels) == format.shape:
        remedy = "move the channels last: images.transpose(0, 2, 3, 1)"
    else:
        remedy = "resize the images as for training, or correct --input-shape"
    raise DataError(
        f"{images.source}: images are {_times((channels, height, width))} (channels x height x width), "
        f"but the network takes {_times(format.shape)}",
        remedy,
    )


def check_disjoint(members: ImageSet, controls: ImageSet) -> None:
    """Check that no image is both member and control.

    Raises
    ------
    DataError
        Saying how many are, and naming the first.
    """
    known = dict(zip(reversed(_digests(members)), reversed(members.ids), strict=True))
    shared = [
        (known[digest], name)
        for digest, name in zip(_digests(controls), controls.ids, strict=True)
        if digest in known
    ]
    if shared:
        raise DataError(
            f"{len(shared)} of the {len(controls)} controls are also members: image {shared[0][1]} of "
            f"{controls.source} is image {shared[0][0]} of {members.source}",
            "controls must be images the model never saw; remove the shared ones",
        )


def count_duplicates(images: ImageSet) -> int:
    """Count the images that are exact copies of an earlier one."""
    return len(images) - len(set(_digests(images)))


def _digests(images: ImageSet) -> list[bytes]:
    """One hash per image, blind to the rounding between uint8 and the float formats."""
    steps = np.round(images.images * np.float32(65535)).astype(np.uint16)
    shape = repr(steps.shape[1:]).encode()
    return [hashlib.blake2b(row.tobytes(), digest_size=16, key=shape).digest() for row in steps]


def _from_npz(spec: str, path: Path) -> ImageSet:
    try:
        archive = np.load(path, allow_pickle=False)
    except _DAMAGE as error:
        raise DataError(
            f"{spec} is not an .npz archive, or is truncated",
            "write it again with numpy.savez_compressed(file, images=..., labels=...)",
        ) from error
    if isinstance(archive, np.ndarray):
        raise DataError(
            f"{spec} is a single array, not an .npz archive with 'images'",
            "write it with numpy.savez_compressed(file, images=..., labels=...)",
        )
    with archive:
        if "images" not in archive.files:
            raise DataError(
                f"{spec} has no array 'images', only {', '.join(archive.files) or 'none at all'}",
                "name the array of shape (n, h, w) or (n, h, w, c) 'images'",
            )
        images = _array(spec, archive, "images")
        labels = _array(spec, archive, "labels") if "labels" in archive.files else None
    return _image_set(spec, images, labels)


def _array(spec: str, archive: Any, key: str) -> NDArray[Any]:
    try:
        return np.asarray(archive[key])
    except _DAMAGE as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"array {key!r} of {spec} holds pickled objects, which can run code and are never loaded",
                "store it as a plain array of numbers",
            ) from error
        raise DataError(
            f"array {key!r} of {spec} is damaged or too large ({error})", "write the file again"
        ) from error


def _from_folder(spec: str, folder: Path) -> ImageSet:
    files, classes = _listing(folder)
    labels: list[int] = []
    if files and classes:
        raise DataError(
            f"folder {spec} holds both images ({files[0].name}) and sub-folders ({classes[0].name})",
            "use either images only, or one sub-folder per label",
        )
    for label, sub in enumerate(classes):
        found, deeper = _listing(sub)
        if deeper or not found:
            what = f"holds the folder {deeper[0].name}" if deeper else "holds no images"
            raise DataError(
                f"sub-folder {sub} {what}, but every sub-folder of {spec} stands for a label",
                "keep the images of each label directly in its sub-folder, and remove other sub-folders",
            )
        files += found
        labels += [label] * len(found)
    if not files:
        raise DataError(f"folder {spec} holds no images", f"put in files ending in {' '.join(_SUFFIXES)}")
    images = [_read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise DataError(
                f"{file} is {_times(image.shape)} (height x width x channels), "
                f"but {files[0]} is {_times(images[0].shape)}",
                "bring all images to one size and one number of channels",
            )
    ids = tuple(file.relative_to(folder).as_posix() for file in files)
    return _image_set(spec, np.stack(images), np.array(labels) if classes else None, ids)


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    """Images and sub-folders, sorted, without hidden ones."""
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    folders = [entry for entry in entries if entry.is_dir()]
    # A dangling link named like an image stays in: reading it fails, and the user hears of it.
    images = [entry for entry in entries if entry.suffix.lower() in _SUFFIXES and entry not in folders]
    return images, folders


def _read_image(path: Path) -> NDArray[np.float32]:
    """(h, w, c) within [0, 1]."""
    try:
        with Image.open(path) as image:
            frames, mode = getattr(image, "n_frames", 1), image.mode
            if mode == "P":
                target = "RGBA" if "transparency" in image.info else "RGB"
            else:
                target = _CONVERSIONS.get(mode, mode)
            pixels = np.asarray(image.convert(target) if target != mode else image)
    except PermissionError:
        raise
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"image {path} cannot be read ({error})", "replace or remove the file") from error
    if frames > 1:
        raise DataError(f"image {path} holds {frames} frames, not one picture", "store one picture per file")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"image {path} has {pixels.dtype} pixels (mode {mode}), expected 8 or 16 bits per channel",
            "save it as PNG, or put the images into an .npz",
        )
    return np.atleast_3d(_unit(pixels))


def _from_torchvision(spec: str, data_root: Path) -> ImageSet:
    named = _NAMED.fullmatch(spec)
    if named is None:
        raise DataError(
            f"{spec} does not say which images of the data set to take",
            "write e.g. mnist:train, mnist:test or mnist:train[:500]",
        )
    name, split, start, stop = named.groups()
    try:
        datasets = importlib.import_module("torchvision.datasets")
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise DataError(
            f"{spec} needs torchvision, which cannot be imported ({error})",
            "install the torchvision built for your torch (a CPU-only torch needs the CPU-only torchvision), "
            "or give the images as an .npz",
        ) from error
    try:
        data = getattr(datasets, _SETS[name.lower()])(
            root=data_root, train=split.lower() == "train", download=False
        )
    except (RuntimeError, OSError, ValueError, AssertionError, LookupError, EOFError) as error:
        raise DataError(
            f"{spec} is missing or damaged under {data_root.resolve()} ({error})",
            "an audit never downloads: do it once with "
            f"torchvision.datasets.{_SETS[name.lower()]}({str(data_root)!r}, download=True)",
        ) from error
    rows = range(len(data.data))[int(start) if start else None : int(stop) if stop else None]
    part = slice(rows.start, rows.stop)
    ids = tuple(f"{split.lower()}/{row}" for row in rows)
    return _image_set(spec, np.asarray(data.data)[part], np.asarray(data.targets)[part], ids)


def _image_set(
    source: str, images: NDArray[Any], labels: NDArray[Any] | None, ids: tuple[str, ...] | None = None
) -> ImageSet:
    pixels = _checked_pixels(source, images)
    if labels is not None:
        labels = _checked_labels(source, labels, len(pixels))
    digest = hashlib.sha256(repr((pixels.shape, labels is not None)).encode())
    digest.update(pixels.tobytes())
    digest.update(b"" if labels is None else labels.tobytes())
    ids = ids or tuple(str(row) for row in range(len(pixels)))
    return ImageSet(pixels, labels, ids, source, digest.hexdigest())


def _checked_pixels(source: str, images: NDArray[Any]) -> NDArray[np.float32]:
    """(n, h, w, c) within [0, 1], from (n, h, w[, c]) uint8 or float."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(
            f"images of {source} have type {images.dtype}, expected uint8 or float",
            "store them as uint8 in 0..255, or as float in [0, 1]",
        )
    if images.ndim not in (3, 4):
        raise DataError(
            f"images of {source} have shape {images.shape}, expected (n, h, w) or (n, h, w, c)",
            "reshape the array, channels last",
        )
    if images.size == 0:
        raise DataError(f"{source} is empty: its images have shape {images.shape}", "give at least one image")
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype == np.uint8:
        return _unit(images)
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        row = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))[0]
        raise DataError(
            f"image {row} of {source} has NaN or infinite pixels, expected values within [0, 1]",
            "remove or repair it",
        )
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        eight_bit = low >= 0.0 and high <= 255.0
        raise DataError(
            f"images of {source} range from {low:g} to {high:g}, expected values within [0, 1]",
            "divide them by 255"
            if eight_bit
            else "undo their normalisation, and state it with --mean and --std",
        )
    return np.ascontiguousarray(np.clip(images, 0.0, 1.0), dtype=np.float32)


def _unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale unsigned integers to [0, 1]."""
    return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _checked_labels(source: str, labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    if labels.shape != (count,):
        raise DataError(
            f"labels of {source} have shape {labels.shape}, expected ({count},) for {count} images",
            "give one label per image, or none at all",
        )
    if labels.dtype.kind not in "biu":
        raise DataError(
            f"labels of {source} have type {labels.dtype}, expected integers",
            "store class numbers: labels.astype('int64')",
        )
    numbers = labels.astype(np.int64)
    if numbers.min() < 0:
        row = int(np.flatnonzero(numbers < 0)[0])
        raise DataError(
            f"label {numbers[row]} of image {row} in {source} is negative, expected class numbers from 0",
            "use 0 and 1 for two classes, not -1 and 1",
        )
    return numbers


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
