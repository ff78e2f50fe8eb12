"""Controls that are nearly members: other versions of the same picture, or of the same row.

What is reconstructed of a member is then found in the control too, so that a leak looks like chance. Similarity
alone does not tell them from samples that are alike by nature: of 5,000 digits, 300 ones have an SSIM of 0.9 with
one of 5,000 others. A near copy is also much closer to its original than to anything else: at most half as far as
from its fourth nearest other sample. That holds for 99.7 % of 4,411 versions of digits and CIFAR images with an
SSIM of 0.9 (noise, JPEG, blur, resizing, half a pixel's shift, changed brightness, one changed pixel), and for 1
of 770 digits that are as similar to another by nature. The comparison of two distances is that of Lowe (2004,
"Distinctive image features from scale-invariant keypoints").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.model.modality import IMAGES, ROWS, Modality
from audit.scoring.similarity import column_units, relative_error, ssim_pairs, standardise

SIMILAR = 0.9
"""SSIM of an image with its near copy, at least."""
RELATIVE_ERROR = 0.1
"""Of a row and its near copy, at most, in column units."""
_CLOSER = 0.5
"""Distance to the original over that to the fourth nearest other sample, at most."""
_OTHERS = 4
_CHUNK = 512
"""Controls compared with all samples at once; bounds the memory."""


def near_copies(
    members: NDArray[np.floating], controls: NDArray[np.floating], modality: Modality
) -> NDArray[np.int64]:
    """Find the controls that are near copies of members.

    Parameters
    ----------
    members, controls:
        Distinct samples in their own units: (n, h, w, c) and (k, h, w, c) images, or (n, d) and (k, d) rows.
    modality:
        What they are.

    Returns
    -------
    (k,)
        Place of the member that a control is a near copy of; -1 where there is none.
    """
    flat = [samples.reshape(len(samples), -1) for samples in (members, controls)]
    if modality is ROWS:
        ours, theirs = (part.astype(np.float32) for part in column_units(flat[0][:0], *flat)[1:])
    else:
        ours, theirs = map(standardise, flat)
    original = _nearest(theirs, ours)
    if modality is IMAGES:
        alike = ssim_pairs(controls, members[original]) >= SIMILAR
    else:
        alike = relative_error(theirs, ours[original]) <= RELATIVE_ERROR
    places = np.flatnonzero(alike)
    itself = len(ours) + places
    near = places[closer_by_far(theirs[places], original[places], np.concatenate([ours, theirs]), itself)]
    found = np.full(len(controls), -1, dtype=np.int64)
    found[near] = original[near]
    return found


def closer_by_far(
    queries: NDArray[np.float32],
    originals: NDArray[np.int64],
    points: NDArray[np.float32],
    itself: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Whether queries (m, d) are much closer to one point each than to the fourth nearest other, or the farthest.

    Parameters
    ----------
    queries, points:
        (m, d) and (N, d)
    originals:
        (m,) place among the points of the one that a query may be a copy of.
    itself:
        (m,) place of the query; None where queries are no points.
    """
    near = np.zeros(len(queries), dtype=np.bool_)
    for start in range(0, len(queries), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(queries)))
        squares = _squares(queries[rows], points)
        own = np.arange(len(rows)), originals[rows]
        distance = np.sqrt(squares[own])
        squares[own] = np.inf
        if itself is not None:
            squares[np.arange(len(rows)), itself[rows]] = np.inf
        others = len(points) - (1 if itself is None else 2)
        if others > 0:
            rank = min(_OTHERS, others) - 1
            near[rows] = distance <= _CLOSER * np.sqrt(np.partition(squares, rank, axis=1)[:, rank])
    return near


def _nearest(queries: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Place of the point nearest to each query."""
    place = np.zeros(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        place[rows] = _squares(queries[rows], points).argmin(axis=1)
    return place


def _squares(queries: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared Euclidean distances (m, n)."""
    found: NDArray[np.float32] = queries @ (-2 * points.T)
    found += (queries**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)
    return found.clip(0.0, out=found)
