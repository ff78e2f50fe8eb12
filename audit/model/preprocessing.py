"""Preprocessing: x = (value - mean) / std, with images flattened channel-first as PyTorch's Flatten does.

A network that takes images pixel by pixel instead (h, w, c) is given the columns of its first layer in the order of
`columns`, once, and is from there on one that takes them channel-first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.errors import UsageError
from audit.model.modality import IMAGES, ROWS, Layout, Modality

# Means of pixels in [0, 1] stay below it; the usual mistake, means of pixels in [0, 255], does not.
_LARGEST_MEAN = 2.0

# Beyond it lie typing errors, and arrays that do not fit into memory.
_LARGEST_SIZE = 10**8


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """How samples become inputs of the network: pixels in [0, 1], or rows of a table."""

    shape: tuple[int, ...]
    """Channels, height and width (c, h, w) of an image; (d,) for rows of a table."""
    mean: NDArray[np.float32]
    """(d,), channel-first, in units of pixels or of the table."""
    std: NDArray[np.float32]
    """(d,), channel-first, positive."""
    low: NDArray[np.float32] | None = None
    """(d,), lowest usual values of the columns of a table; None for images, whose pixels lie in [0, 1]."""
    high: NDArray[np.float32] | None = None
    """(d,), highest."""
    layout: Layout = "chw"
    """In which order the network takes the values of an image."""

    @property
    def columns(self) -> NDArray[np.int64] | None:
        """(d,), for every value of an image, channel-first, its place among the inputs; None if it is the same."""
        return None if self.layout == "chw" or self.modality is ROWS else pixel_by_pixel(self.shape)

    @property
    def size(self) -> int:
        """Number d = c * h * w of network inputs."""
        return prod(self.shape)

    @property
    def modality(self) -> Modality:
        """Pictures, or rows of a table."""
        return IMAGES if len(self.shape) == 3 else ROWS

    def box(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest network inputs, (d,) each: of pixels in [0, 1], or of usual values of a table."""
        if self.low is not None and self.high is not None:
            return (self.low - self.mean) / self.std, (self.high - self.mean) / self.std
        one = np.float32(1.0)
        return -self.mean / self.std, (one - self.mean) / self.std

    def normalise(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring samples to the inputs of the network.

        Parameters
        ----------
        values:
            Images (n, h, w, c) in [0, 1], or rows (n, d) of a table in its own units.

        Returns
        -------
        (n, d) float32, normalised inputs; images are flattened channel-first.
        """
        if self.modality is ROWS:
            return np.asarray((values - self.mean) / self.std, dtype=np.float32)
        channels, height, width = self.shape
        if values.shape[1:] != (height, width, channels):
            raise ValueError(f"images of shape {values.shape[1:]}, expected {(height, width, channels)}")
        flat = values.transpose(0, 3, 1, 2).reshape(len(values), self.size)
        return np.asarray((flat - self.mean) / self.std, dtype=np.float32)

    def denormalise(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Undo `normalise` without clipping: normalised inputs (n, d) to (n, h, w, c) or (n, d), float32."""
        values = np.asarray(inputs * self.std + self.mean, dtype=np.float32)
        if self.modality is ROWS:
            return values
        return values.reshape(len(inputs), *self.shape).transpose(0, 2, 3, 1)


def pixel_by_pixel(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """For every value of an image (c, h, w), flattened channel-first, its place where it is flattened by pixels."""
    channels, height, width = shape
    return np.arange(prod(shape)).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)


def with_usual_range(stated: Preprocessing, rows: NDArray[np.float32] | None) -> Preprocessing:
    """Say what attackers are taken to know of the columns of a table: where their values usually lie.

    Parameters
    ----------
    stated:
        Of a table.
    rows:
        (k, d), public rows, which are the controls and never members; None takes `mean` and `std` of the network's
        normalisation for those of the data.

    Returns
    -------
    Preprocessing
        With two standard deviations about the mean of every column, extended to what the network is given as 0. A
        quarter of that is a typical deviation, as it is for pixels.
    """
    centre, spread = (stated.mean, stated.std) if rows is None else (rows.mean(axis=0), rows.std(axis=0))
    spread = np.where(spread > 0, spread, stated.std)
    low, high = np.minimum(centre - 2 * spread, stated.mean), np.maximum(centre + 2 * spread, stated.mean)
    return replace(stated, low=low.astype(np.float32), high=high.astype(np.float32))


def parse_shape(text: str) -> tuple[int, int, int]:
    """Read `--input-shape`: `1,28,28` as (c, h, w), or `28,28` as one channel.

    Raises
    ------
    UsageError
        When the text is not two or three positive whole numbers.
    """
    words = [word.strip() for word in text.split(",")]
    lengths = [int(word) for word in words if word.isdecimal() and len(word) < 9]
    if len(lengths) != len(words) or len(words) not in (2, 3) or not 0 < prod(lengths) <= _LARGEST_SIZE:
        problem = f'--input-shape "{text}" is not an image shape'
        raise UsageError(problem, "pass channels, height and width, e.g. --input-shape 1,28,28")
    *channels, height, width = lengths
    return (channels[0] if channels else 1, height, width)


def parse_preprocessing(
    shape: tuple[int, ...], mean: str | None, std: str | None, layout: Layout = "chw"
) -> Preprocessing:
    """Build the format from the user's words.

    Parameters
    ----------
    shape:
        (c, h, w), or (d,) for rows of a table.
    mean, std:
        One number, one per channel (`0.49,0.48,0.45`) or column, or the path of a `.npy` file with a full
        image (h, w[, c]) or a vector (d,) in network order. By default 0 and 1.
    layout:
        In which order the network takes the values of an image.

    Raises
    ------
    UsageError
        When a value cannot be read, is not finite, is of the wrong number, or when a std is not positive.
    """
    means = _per_input("--mean", mean if mean is not None else "0", shape, layout)
    if len(shape) == 3 and np.abs(means).max() > _LARGEST_MEAN:
        problem = f"--mean {mean} reaches {np.abs(means).max():g}, but pixels are scaled to [0, 1]"
        raise UsageError(problem, "divide --mean, and --std if it is in the same units, by 255")
    stds = _per_input("--std", std if std is not None else "1", shape, layout)
    if stds.min() <= 0:
        problem = f"--std {std} has the value {stds.min():g}, expected positive values"
        raise UsageError(problem, "pass the standard deviation that the model's inputs were divided by")
    return Preprocessing(shape, means, stds, layout=layout)


def _per_input(option: str, text: str, shape: tuple[int, ...], layout: Layout) -> NDArray[np.float32]:
    """Values of one option, (d,) channel-first."""
    numbers = _numbers(text)
    if numbers is None:
        values = _from_file(option, Path(text), shape, layout)
    else:
        values = _from_words(option, numbers, shape)
    # Finite in float32, which is what the network computes in.
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if not np.isfinite(single).all():
        raise UsageError(f"{option} {text} has values that are NaN or infinite", "pass finite numbers")
    return single


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        return None


def _from_words(option: str, numbers: list[float], shape: tuple[int, ...]) -> NDArray[np.float64]:
    channels, *size = shape
    if len(numbers) not in (1, channels):
        what = "channel" if size else "column"
        where = f"--input-shape {_words(shape)}" if size else "the data"
        problem = f"{option} gives {len(numbers)} values, {where} has {channels} {what}s"
        raise UsageError(problem, f"pass one number, or one per {what}")
    per_channel = np.broadcast_to(np.array(numbers, dtype=np.float64), (channels,))
    return np.repeat(per_channel, prod(size))


def _from_file(option: str, path: Path, shape: tuple[int, ...], layout: Layout) -> NDArray[np.float64]:
    array = _read_array(option, path)
    if array.shape == (prod(shape),):
        return array[pixel_by_pixel(shape)] if layout == "hwc" and len(shape) == 3 else array
    if len(shape) == 1:
        problem = f"{option} {path} has shape {array.shape}, the data has {shape[0]} columns"
        raise UsageError(problem, f"save a vector of {shape[0]} values")
    channels, height, width = shape
    if array.shape == (height, width, channels):
        return array.transpose(2, 0, 1).reshape(-1)
    if channels == 1 and array.shape == (height, width):
        return array.reshape(-1)
    image = (height, width) if channels == 1 else (height, width, channels)
    problem = f"{option} {path} has shape {array.shape}, --input-shape {_words(shape)} takes {image}"
    raise UsageError(problem, f"save an image of that shape, or a vector of {prod(shape)} values")


def _read_array(option: str, path: Path) -> NDArray[np.float64]:
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        problem = f'{option} "{path}" is neither numbers nor a file that can be read ({error.strerror})'
        raise UsageError(problem, "pass one number, one per channel, or a .npy file") from error
    except (ValueError, EOFError, MemoryError) as error:
        raise UsageError(
            f"{option} {path} is not a .npy file of numbers", "save it with numpy.save"
        ) from error
    if array.dtype.kind not in "fiu":
        problem = f"{option} {path} holds values of type {array.dtype}, expected real numbers"
        raise UsageError(problem, "save it as float32")
    return array.astype(np.float64)


def _words(shape: tuple[int, ...]) -> str:
    return ",".join(str(length) for length in shape)
