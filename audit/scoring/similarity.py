"""How alike two images are: normalised cross-correlation (NCC) of normalised inputs, and SSIM in pixels.

Rows of a table have no pixels: they are compared by NCC alone, in units of each column's standard deviation.

NCC is cheap and blind to brightness, contrast and the mean image; it finds the pairs worth a closer look
and gives the identification margin. SSIM is what the papers count with. The convention is theirs (Haim et
al. 2022, arXiv 2206.07758; Buzaglo et al. 2023, arXiv 2307.01827) and stated in `IMAGES.convention`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from audit.errors import DataError

_LEAST_COLUMNS = 3
_WINDOW = 7
_SMALLEST = 3
_STACK = 50
"""Pairs handed to scikit-image at once: more overflow the processor's cache, fewer waste calls."""


def standardise(inputs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centre every row and scale it to unit length.

    Parameters
    ----------
    inputs:
        (n, d). Constant rows, and rows with NaN or infinite values, become zero: NCC 0 with everything.

    Returns
    -------
    (n, d)
    """
    rows = np.where(np.isfinite(inputs).all(axis=1, keepdims=True), inputs, 0.0).astype(np.float64)
    # Divided by its largest value, a constant row has a mean without rounding error, and nothing overflows.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows /= np.where(largest > 0.0, largest, 1.0)
    rows -= rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 0.0, norm, 1.0)).astype(np.float32)


def ncc(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float32]:
    """Centred normalised cross-correlation of every row of `a` with every row of `b`.

    Parameters
    ----------
    a, b:
        (m, d) and (n, d), normalised inputs.

    Returns
    -------
    (m, n), within [-1, 1]
    """
    return correlate(standardise(a), standardise(b))


def correlate(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """NCC of rows that are standardised already: (m, d) and (n, d) to (m, n), within [-1, 1]."""
    product: NDArray[np.float32] = a @ b.T
    return product.clip(-1.0, 1.0, out=product)


def column_units(
    candidates: NDArray[np.floating], members: NDArray[np.floating], controls: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bring the columns of a table to one unit: standard deviations about the mean.

    Both are over members and controls together, so that no row is treated unlike another. Columns that are the same
    in all of them become zero, also in candidates.

    Parameters
    ----------
    candidates, members, controls:
        (m, d), (n, d) and (k, d), in one unit per column.
    """
    rows = np.concatenate([members, controls]).astype(np.float64)
    centre, spread = (rows.mean(axis=0), rows.std(axis=0)) if len(rows) else (np.zeros(1), np.ones(1))
    unit = np.where(_constant(rows), np.inf, spread)
    scaled = [(part - centre) / unit for part in (candidates, members, controls)]
    return scaled[0], scaled[1], scaled[2]


def constant_columns(tables: Sequence[NDArray[np.floating]]) -> NDArray[np.bool_]:
    """Which columns are the same in all rows of all tables (n, d), but for rounding: (d,)."""
    return _constant(np.concatenate(tables).astype(np.float64))


def _constant(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    if len(rows) == 0:
        return np.ones(rows.shape[1], dtype=np.bool_)
    span: NDArray[np.float64] = np.ptp(rows, axis=0)
    return np.asarray(span <= 1e-6 * np.abs(rows).max(axis=0), dtype=np.bool_)


def relative_error(found: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """|found - truth| / |truth| of every pair of rows (n, d), in column units, where the mean is 0: (n,).

    Infinite for a row that is the mean itself.
    """
    distance, norm = (np.linalg.norm(rows, axis=1) for rows in (found - truth, truth))
    error: NDArray[np.float64] = np.divide(distance, norm, out=np.full(len(norm), np.inf), where=norm > 0)
    return error


def check_columns(count: int) -> None:
    """Check that rows have columns enough for a correlation.

    Raises
    ------
    DataError
        When they have fewer than 3.
    """
    if count < _LEAST_COLUMNS:
        raise DataError(
            f"rows have {count} column{'s' if count > 1 else ''}, and a correlation needs at least "
            f"{_LEAST_COLUMNS}",
            "audit a model of more columns, or pass --input-shape if the rows are images",
        )


def nearest(queries: NDArray[np.floating], images: NDArray[np.floating]) -> NDArray[np.int64]:
    """Index of the image closest to each query by NCC, e.g. the nearest control of a reconstruction.

    Parameters
    ----------
    queries, images:
        (m, d) and (k, d), normalised inputs.

    Returns
    -------
    (m,), -1 where the query has NaN or infinite values, or where there are no images
    """
    if len(images) == 0:
        return np.full(len(queries), -1, dtype=np.int64)
    closest = ncc(queries, images).argmax(axis=1)
    return np.where(np.isfinite(queries).all(axis=1), closest, -1).astype(np.int64)


def rescale(pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Stretch each image to [0, 1] by its own minimum and maximum; a constant image becomes zero.

    Parameters
    ----------
    pixels:
        (..., h, w, c), finite. All channels of an image share one minimum and maximum.

    Returns
    -------
    (..., h, w, c)
    """
    values = pixels.astype(np.float64)
    low = values.min(axis=(-3, -2, -1), keepdims=True)
    spread = values.max(axis=(-3, -2, -1), keepdims=True) - low
    values -= low
    values /= np.where(spread > 0.0, spread, 1.0)
    return values


def ssim(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Structural similarity of two images, computed as `IMAGES.convention` says.

    Parameters
    ----------
    a, b:
        (h, w, c), finite, any units that differ from pixels by one scale and shift.

    Raises
    ------
    DataError
        When an image is under 3 pixels high or wide.
    """
    return float(ssim_pairs(a[None], b[None])[0])


def ssim_pairs(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Structural similarity of `a[i]` and `b[i]` for every i; what `ssim` gives, several times faster.

    Parameters
    ----------
    a, b:
        (p, h, w, c), finite.

    Returns
    -------
    (p,)

    Raises
    ------
    DataError
        When the images are under 3 pixels high or wide.

    Notes
    -----
    Images under 7 pixels high or wide get the largest odd window that fits. Images are stacked on top of
    each other into one tall image. scikit-image's mean leaves out a border of half a window, and windows
    around the remaining pixels stay inside their own image, so stacking changes nothing.
    """
    height, width, channels = a.shape[1:]
    side = window(height, width)
    border = side // 2
    values = np.zeros(len(a))
    for start in range(0, len(a), _STACK):
        rows = slice(start, start + _STACK)
        left, right = rescale(a[rows]), rescale(b[rows])
        _, local = structural_similarity(
            left.reshape(-1, width, channels),
            right.reshape(-1, width, channels),
            win_size=side,
            data_range=1.0,
            channel_axis=-1,
            full=True,
        )
        inner = local.reshape(left.shape)[:, border : height - border, border : width - border]
        values[rows] = inner.mean(axis=(1, 2, 3))
    return values


def window(height: int, width: int) -> int:
    """Side of the window for images of a size: 7, or the largest odd one that fits.

    Raises
    ------
    DataError
        When the images are under 3 pixels high or wide.
    """
    side = min(height, width)
    if side < _SMALLEST:
        raise DataError(
            f"images are {height} x {width} pixels, and SSIM needs at least {_SMALLEST} x {_SMALLEST}",
            "store the images as (n, height, width[, channels]), or audit larger ones",
        )
    return min(_WINDOW, side if side % 2 else side - 1)
