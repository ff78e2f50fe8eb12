"""How samples of each modality are compared: images by SSIM in pixels, rows of a table by correlation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.errors import DataError
from audit.model.modality import IMAGES, ROWS, Modality
from audit.model.preprocessing import Preprocessing
from audit.scoring.similarity import (
    check_columns,
    column_units,
    constant_columns,
    rescale,
    ssim_pairs,
    window,
)

Values = NDArray[np.floating]
"""(n, d), one sample per row."""


@dataclass(frozen=True)
class Comparison:
    """The steps in which candidates are compared with samples."""

    levels: tuple[float, ...]
    """Similarities at which confirmed members are counted side by side."""
    check: Callable[[Sequence[Values], str], None]
    """Takes all sets of samples in their own units, (n, h, w, c) or (n, d), and their sources in words. Raises a
    DataError where no similarity can be computed."""
    scale: Callable[[Values, Values, Values], tuple[Values, Values, Values]]
    """Brings candidates, members and controls (normalised inputs) to the units in which they are correlated."""
    view: Callable[[Preprocessing, Values], Values]
    """Leads from these units to what is compared pair by pair: (n, h, w, c) or (n, d)."""
    similarity: Callable[[Values, Values, NDArray[np.float32]], NDArray[np.floating]]
    """Compares p pairs of what `view` returned, of which the correlation (p,) is known: (p,)."""
    difference: Callable[[Values, Values, Values], NDArray[np.floating]]
    """Root mean square difference of p pairs of what `view` returned, relative to the range of an image, or to the
    range (d,) of every column: (p,)."""


def comparison(modality: Modality) -> Comparison:
    """Return how samples of a modality are compared."""
    return _COMPARISONS[modality]


def _check_images(sets: Sequence[Values], sources: str) -> None:
    for images in sets:
        window(*images.shape[1:3])


def _check_rows(sets: Sequence[Values], sources: str) -> None:
    check_columns(sets[0].shape[1])
    if constant_columns(sets).all():
        raise DataError(
            f"every column of {sources} is the same in all rows: nothing can be compared",
            "give rows that differ, and controls",
        )


def _as_they_are(candidates: Values, members: Values, controls: Values) -> tuple[Values, Values, Values]:
    return candidates, members, controls


def _pixels(preprocessing: Preprocessing, inputs: Values) -> Values:
    with np.errstate(over="ignore", invalid="ignore"):
        return preprocessing.denormalise(inputs)


def _of_images(candidates: Values, images: Values, _: Values) -> NDArray[np.floating]:
    """Both stretched to [0, 1] as for SSIM, so that an image of one colour has no range and is equal to nothing."""
    error = (rescale(candidates) - rescale(images)).reshape(len(images), -1)
    flat = np.ptp(images.reshape(len(images), -1), axis=1) == 0
    return np.where(flat, np.inf, np.sqrt(np.square(error).mean(axis=1)))


def _of_rows(candidates: Values, rows: Values, ranges: Values) -> NDArray[np.floating]:
    """Over the columns that differ between rows."""
    varying = ranges > 0
    error = (candidates - rows)[:, varying] / ranges[varying]
    return np.asarray(np.sqrt(np.square(error).mean(axis=1)))


_COMPARISONS = {
    IMAGES: Comparison(
        levels=(0.4, 0.6, 0.8),
        check=_check_images,
        scale=_as_they_are,
        view=_pixels,
        similarity=lambda candidates, images, _: ssim_pairs(candidates, images),
        difference=_of_images,
    ),
    ROWS: Comparison(
        levels=(0.8, 0.9, 0.95),
        check=_check_rows,
        scale=column_units,
        view=lambda _, rows: rows,
        similarity=lambda candidates, rows, correlation: correlation,
        difference=_of_rows,
    ),
}
