"""Which candidate reconstructs which image: NCC shortlist, SSIM, one-to-one assignment.

Rows of a table are assigned by NCC itself.

Every image keeps the five candidates closest to it by NCC, SSIM is computed for those pairs, and
candidates are assigned to images so that the sum of SSIM is largest (Hungarian method, scipy). One
candidate is evidence for one image only.

Controls, which the model never saw, go through the same procedure. How often an image wins a candidate
depends on how many images compete for it, so controls compete in groups no larger than the members:
their rate of matches is then what chance gives the members.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from audit.model.preprocessing import Preprocessing
from audit.scoring.comparison import comparison
from audit.scoring.similarity import correlate, standardise

_SHORTLIST = 5
_CHUNK = 256
"""Images compared with all candidates at once; bounds the memory."""


@dataclass(frozen=True, eq=False)
class Matches:
    """The candidate assigned to each of n images."""

    similarity: NDArray[np.float64]
    """(n,), SSIM in pixels, of rows of a table NCC; 0 where no candidate was assigned."""
    ncc: NDArray[np.float32]
    """(n,), in network or column units; 0 where no candidate was assigned."""
    candidate: NDArray[np.int64]
    """(n,), row among the candidates; -1 where none was assigned."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Members and controls, each matched with the same candidates."""

    members: Matches
    """Over the n members; no candidate appears twice."""
    controls: Matches
    """Over the k controls; a candidate may appear once in each group of controls."""


@dataclass(frozen=True, eq=False)
class _Shortlist:
    """The t candidates closest to each of n images."""

    candidate: NDArray[np.int64]
    """(n, t)"""
    ncc: NDArray[np.float32]
    """(n, t)"""
    similarity: NDArray[np.float64]
    """(n, t)"""


def match(
    candidates: NDArray[np.floating],
    members: NDArray[np.floating],
    controls: NDArray[np.floating],
    preprocessing: Preprocessing,
) -> Matching:
    """Assign candidates to members, and by the same rule to controls.

    Parameters
    ----------
    candidates:
        (m, d), normalised inputs, of tables column units. Rows with NaN or infinite values match nothing.
    members, controls:
        (n, d) and (k, d), in the same units; either may be empty.
    preprocessing:
        Says what inputs are, and leads from normalised inputs to pixels.

    Raises
    ------
    DataError
        When images are under 3 pixels high or wide.
    """
    groups = max(1, math.ceil(len(controls) / max(1, len(members))))
    wanted = _shortlist(candidates, members, preprocessing)
    chance = _shortlist(candidates, controls, preprocessing)
    given = np.full(len(controls), -1, dtype=np.int64)
    for first in range(groups):
        # Strides, not blocks: folders are sorted by label, and a group should be as mixed as the members.
        group = slice(first, None, groups)
        given[group] = _assign(chance.candidate[group], chance.similarity[group])
    return Matching(
        members=_matches(wanted, _assign(wanted.candidate, wanted.similarity)),
        controls=_matches(chance, given),
    )


def _shortlist(
    candidates: NDArray[np.floating], images: NDArray[np.floating], preprocessing: Preprocessing
) -> _Shortlist:
    compare = comparison(preprocessing.modality)
    viewed = compare.view(preprocessing, candidates)
    within = tuple(range(1, viewed.ndim))
    usable = np.flatnonzero(np.isfinite(candidates).all(axis=1) & np.isfinite(viewed).all(axis=within))
    size = min(_SHORTLIST, len(usable))
    found = _Shortlist(
        candidate=np.zeros((len(images), size), dtype=np.int64),
        ncc=np.zeros((len(images), size), dtype=np.float32),
        similarity=np.zeros((len(images), size)),
    )
    if size == 0:
        return found
    standard = standardise(candidates[usable])
    for start in range(0, len(images), _CHUNK):
        rows = slice(start, start + _CHUNK)
        correlation = correlate(standardise(images[rows]), standard)
        best = np.argpartition(-correlation, size - 1, axis=1)[:, :size]
        found.candidate[rows] = usable[best]
        found.ncc[rows] = np.take_along_axis(correlation, best, axis=1)
        truth = np.repeat(compare.view(preprocessing, images[rows]), size, axis=0)
        similarity = compare.similarity(viewed[usable[best.ravel()]], truth, found.ncc[rows].ravel())
        found.similarity[rows] = similarity.reshape(best.shape)
    return found


def _assign(candidate: NDArray[np.int64], similarity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Candidate given to each image, -1 for none: (n,) from two (n, t)."""
    wanted, column = np.unique(candidate, return_inverse=True)
    gain = np.zeros((len(candidate), len(wanted)))
    gain[np.arange(len(candidate))[:, None], column.reshape(candidate.shape)] = np.maximum(similarity, 0.0)
    image, taken = linear_sum_assignment(gain, maximize=True)
    # A gain of zero stands for "not on the shortlist": that pair only completes the assignment.
    paired = gain[image, taken] > 0.0
    given = np.full(len(candidate), -1, dtype=np.int64)
    given[image[paired]] = wanted[taken[paired]]
    return given


def _matches(shortlist: _Shortlist, given: NDArray[np.int64]) -> Matches:
    chosen = shortlist.candidate == given[:, None]
    return Matches(
        similarity=np.where(chosen, shortlist.similarity, 0.0).sum(axis=1),
        ncc=np.where(chosen, shortlist.ncc, np.float32(0.0)).sum(axis=1),
        candidate=given,
    )
