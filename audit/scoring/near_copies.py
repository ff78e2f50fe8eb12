"""Controls that are nearly members: other versions of the same picture, or of the same row.

What is reconstructed of a member is then found in the control too, so that a leak looks like chance. Similarity
alone does not tell them from samples that are alike by nature: of 5,000 digits, 300 ones have an SSIM of 0.9 with
one of 5,000 others. A near copy is also much closer to its original than to anything else. Measured on MNIST and
CIFAR-10, its distance is at most 0.52 of that to the fifth nearest other sample after noise, JPEG, blur, resizing,
a shift by half a pixel or a change of brightness, and at least 0.57 between samples that are alike by nature. The
comparison of two distances is that of Lowe (2004, "Distinctive image features from scale-invariant keypoints").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.model.modality import IMAGES, ROWS, Modality
from audit.scoring.similarity import column_units, relative_error, ssim_pairs, standardise

SIMILAR = 0.9
"""SSIM of an image with its near copy, at least."""
_RELATIVE_ERROR = 0.1
"""Of a row and its near copy, at most, in column units."""
_CLOSER = 0.55
"""Distance to the original over that to the fifth nearest other sample, at most."""
_OTHERS = 5
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
    original, distance = _nearest(theirs, ours)
    if modality is IMAGES:
        alike = ssim_pairs(controls, members[original]) >= SIMILAR
    else:
        alike = relative_error(theirs, ours[original]) <= _RELATIVE_ERROR
    found = np.full(len(controls), -1, dtype=np.int64)
    places = np.flatnonzero(alike)
    usual = _distance_to_others(theirs[places], np.concatenate([ours, theirs]))
    near = places[distance[places] <= _CLOSER * usual]
    found[near] = original[near]
    return found


def _nearest(
    queries: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The point nearest to each query, and its distance."""
    place = np.zeros(len(queries), dtype=np.int64)
    distance = np.zeros(len(queries), dtype=np.float32)
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        squares = _squares(queries[rows], points)
        place[rows] = squares.argmin(axis=1)
        distance[rows] = np.sqrt(squares.min(axis=1))
    return place, distance


def _distance_to_others(queries: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of each query to the fifth nearest point beside itself and its original, or to the farthest."""
    rank = min(_OTHERS + 2, len(points)) - 1
    distance = np.zeros(len(queries), dtype=np.float32)
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        distance[rows] = np.sqrt(np.partition(_squares(queries[rows], points), rank, axis=1)[:, rank])
    return distance


def _squares(queries: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared Euclidean distances (m, n)."""
    found: NDArray[np.float32] = queries @ (-2 * points.T)
    found += (queries**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)
    return found.clip(0.0, out=found)
