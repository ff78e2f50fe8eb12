"""What every source becomes: images, or rows of a table, checked and with labels, names and a hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.errors import DataError
from audit.model.modality import IMAGES, ROWS, Layout, Modality

_ROUNDING = 1e-6
"""Floats this far outside [0, 1] are rounding, e.g. of a resize."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Images, or rows of a table, that an audit compares reconstructions with."""

    values: NDArray[np.float32]
    """(n, h, w, c) within [0, 1]; or (n, d), rows of a table in its own units."""
    labels: NDArray[np.int64] | None
    """(n,), not negative; None when the source has none."""
    ids: tuple[str, ...]
    """One name per image: row number, path inside the folder, or e.g. `train/17`."""
    source: str
    """What the user wrote."""
    sha256: str
    """Of shape, values and labels of all that the source has."""
    columns: tuple[str, ...] | None = None
    """d names of the columns of a table; None for images."""
    targets: NDArray[np.float32] | None = None
    """(n,), real numbers that a regression was trained to give, in place of labels; None when there are none."""
    left_out: tuple[str, ...] = ()
    """Names of those that the source has and that are not among these: copies, and controls that are members."""

    def keep(self, places: NDArray[np.int64]) -> Samples:
        """Leave out all samples but those at some places (m,), ascending."""
        labels = None if self.labels is None else self.labels[places]
        targets = None if self.targets is None else self.targets[places]
        kept, ids = set(places.tolist()), tuple(self.ids[place] for place in places)
        gone = tuple(name for place, name in enumerate(self.ids) if place not in kept)
        return replace(
            self,
            values=self.values[places],
            labels=labels,
            targets=targets,
            ids=ids,
            left_out=(*self.left_out, *gone),
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def modality(self) -> Modality:
        """Pictures, or rows of a table."""
        return IMAGES if self.columns is None else ROWS

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, h, w) of images, (d,) of rows."""
        _, *size = self.values.shape
        return (size[2], size[0], size[1]) if len(size) == 3 else tuple(size)


@dataclass(frozen=True, eq=False)
class Found:
    """What a source holds, before it is checked."""

    values: NDArray[Any]
    """(n, h, w[, c]) images, or (n, d) rows."""
    labels: NDArray[Any] | None = None
    """(n,)"""
    ids: tuple[str, ...] | None = None
    """None takes row numbers."""
    columns: tuple[str, ...] | None = None
    """Of rows; None takes column numbers."""
    key: Literal["images", "features"] | None = None
    """What the source calls them; None where it has no names."""


def check_samples(
    source: str, found: Found, shape: tuple[int, int, int] | None, layout: Layout = "chw"
) -> Samples:
    """Check what was found.

    Parameters
    ----------
    source:
        What the user wrote.
    found:
        Values and labels. Images are uint8 or float in [0, 1]; rows are finite numbers.
    shape:
        (c, h, w) if the user stated it: rows are then flattened images.
    layout:
        How these were flattened.

    Raises
    ------
    DataError
        When they cannot be used.
    """
    values, columns = found.values, None
    if found.key == "features" and values.ndim != 2:
        raise DataError(
            f"features of {source} have shape {values.shape}, expected (n, d)",
            "give one row per sample, or name the array 'images' if it holds images",
        )
    if values.ndim == 2 and shape is not None:
        values = _unflatten(source, values, shape, layout)
    if values.ndim == 2 and found.key != "images":
        data = _check_rows(source, found)
        columns = found.columns or tuple(f"column {place}" for place in range(data.shape[1]))
    else:
        data = _check_pixels(source, values)
    labels = targets = None
    if found.labels is not None and _are_targets(found.labels):
        targets = _check_targets(source, found.labels, len(data))
    elif found.labels is not None:
        labels = _check_labels(source, found.labels, len(data))
    digest = hashlib.sha256(repr((data.shape, labels is not None)).encode())
    digest.update(data.tobytes())
    digest.update(b"" if labels is None else labels.tobytes())
    digest.update(b"" if targets is None else targets.tobytes())
    ids = found.ids or tuple(str(row) for row in range(len(data)))
    return Samples(data, labels, ids, source, digest.hexdigest(), columns, targets)


def unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale unsigned integers to [0, 1]."""
    return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def times(shape: tuple[int, ...]) -> str:
    """Write a shape as `3 x 32 x 32`."""
    return " x ".join(str(size) for size in shape)


def _unflatten(source: str, rows: NDArray[Any], shape: tuple[int, int, int], layout: Layout) -> NDArray[Any]:
    """(n, h, w, c) from rows (n, c * h * w)."""
    if rows.shape[1] != prod(shape):
        words = ",".join(str(length) for length in shape)
        raise DataError(
            f"rows of {source} have {rows.shape[1]} values, --input-shape {words} takes {prod(shape)}",
            "correct --input-shape, or leave it out if the rows are no images",
        )
    if rows.dtype == np.int64 and rows.size and rows.min() >= 0 and rows.max() <= 255:
        # Whole numbers of a text file, which has no types: grey values, or black and white.
        rows = rows.astype(np.uint8 if rows.max() > 1 else np.float32)
    channels, height, width = shape
    if layout == "hwc":
        return rows.reshape(len(rows), height, width, channels)
    return rows.reshape(len(rows), *shape).transpose(0, 2, 3, 1)


def _check_rows(source: str, found: Found) -> NDArray[np.float32]:
    """(n, d) float32, finite."""
    values = found.values
    if values.dtype.kind not in "fiub":
        raise DataError(
            f"features of {source} have type {values.dtype}, expected numbers", "store them as float32"
        )
    if values.size == 0:
        raise DataError(f"{source} is empty: its features have shape {values.shape}", "give at least one row")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(values, dtype=np.float32)
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        row, column = wrong[0]
        name = found.columns[column] if found.columns else column
        raise DataError(
            f"row {row}, column {name} of {source} is {values[row, column]:g}, expected a finite number",
            "fill in or remove the row",
        )
    return rows


def _check_pixels(source: str, images: NDArray[Any]) -> NDArray[np.float32]:
    """(n, h, w, c) within [0, 1], from (n, h, w[, c]) uint8 or float."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(
            f"images of {source} have type {images.dtype}, expected uint8 or float",
            "store them as uint8 in 0..255, or as float in [0, 1]",
        )
    if images.ndim == 2:
        raise DataError(
            f"images of {source} have shape {images.shape}, expected (n, h, w) or (n, h, w, c)",
            "pass --input-shape C,H,W if they are flattened, or name the array 'features' if they are no images",
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
        return unit(images)
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


def _are_targets(labels: NDArray[Any]) -> bool:
    """Whether labels are real numbers that cannot be meant as class indices."""
    return labels.dtype.kind == "f" and bool((labels != np.round(labels)).any())


def _check_targets(source: str, targets: NDArray[Any], count: int) -> NDArray[np.float32]:
    if targets.shape != (count,) or not np.isfinite(targets).all():
        raise DataError(
            f"labels of {source} have shape {targets.shape}, expected ({count},) finite numbers",
            "give one class index or one number per sample, or none at all",
        )
    return targets.astype(np.float32)


def _check_labels(source: str, labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    if labels.shape != (count,):
        raise DataError(
            f"labels of {source} have shape {labels.shape}, expected ({count},) for {count} images",
            "give one label per image, or none at all",
        )
    if labels.dtype.kind not in "biu":
        raise DataError(
            f"labels of {source} have type {labels.dtype}, expected integers",
            "store class indices: labels.astype('int64')",
        )
    numbers = labels.astype(np.int64)
    if numbers.min() < 0:
        row = int(np.flatnonzero(numbers < 0)[0])
        raise DataError(
            f"label {numbers[row]} of image {row} in {source} is negative, expected class indices from 0",
            "use 0 and 1 for two classes, not -1 and 1",
        )
    return numbers
