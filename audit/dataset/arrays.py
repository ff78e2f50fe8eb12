"""Arrays of numpy: an archive of named ones (`.npz`), or a single one (`.npy`)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from audit.dataset.samples import Found
from audit.errors import DataError

_DAMAGE = (ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for broken, encrypted or absurdly large archives."""
CHANNELS = (1, 3, 4)
"""How many an image has."""
_REMEDY = "write it again with numpy.savez_compressed(file, images=..., labels=...)"


def from_arrays(spec: str, path: Path, shape: tuple[int, int, int] | None) -> Found:
    """Read an archive with `images` or `features`, and optional `labels`; or a single array of either.

    Images have their channels last. `shape` is (c, h, w), if the user stated it.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except _DAMAGE as error:
        raise DataError(f"{spec} is not an .npz archive, or is truncated", _REMEDY) from error
    if isinstance(archive, np.ndarray):
        _refuse_channels_first(spec, archive, shape)
        return Found(archive)
    with archive:
        key = name_of_values(spec, archive.files)
        labels = _array(spec, archive, "labels") if "labels" in archive.files else None
        values = _array(spec, archive, key)
        _refuse_channels_first(spec, values, shape)
        return Found(values, labels, key=key)


def name_of_values(spec: str, names: Collection[object]) -> Literal["images", "features"]:
    """Which of the names holds the samples.

    Raises
    ------
    DataError
        When none does, or both do.
    """
    if "images" in names and "features" in names:
        raise DataError(f"{spec} has both 'images' and 'features'", "keep what the network is given")
    if "features" in names:
        return "features"
    if "images" not in names:
        listing = ", ".join(str(name) for name in names) or "none at all"
        raise DataError(
            f"{spec} has no array 'images' or 'features', only {listing}",
            "name images of shape (n, h, w) or (n, h, w, c) 'images', and rows of a table (n, d) 'features'",
        )
    return "images"


def _refuse_channels_first(spec: str, values: NDArray[Any], shape: tuple[int, int, int] | None) -> None:
    """Refuse (n, c, h, w), which would be read as images of height c with w channels, in which nothing is found."""
    if values.ndim != 4:
        return
    _, first, middle, last = values.shape
    if first in CHANNELS and last not in CHANNELS and shape != (last, first, middle):
        raise DataError(
            f"images of {spec} have shape {values.shape}, which looks like channels first, expected (n, h, w, c)",
            "store images.transpose(0, 2, 3, 1)",
        )


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
