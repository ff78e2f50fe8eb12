"""A folder of images, flat or with one sub-folder per label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from audit.dataset.samples import Found, times, unit
from audit.errors import DataError

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


def from_folder(spec: str, folder: Path) -> Found:
    """Read all images of a folder; names of sub-folders, in sorted order, are labels."""
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
                f"{file} is {times(image.shape)} (height x width x channels), "
                f"but {files[0]} is {times(images[0].shape)}",
                "bring all images to one size and one number of channels",
            )
    ids = tuple(file.relative_to(folder).as_posix() for file in files)
    return Found(np.stack(images), np.array(labels) if classes else None, ids)


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
    return np.atleast_3d(unit(pixels))
