"""Which candidate reconstructs which image: NCC shortlist, SSIM, one-to-one assignment.

Rows of a table are assigned by NCC itself.

Every image keeps the five candidates closest to it by NCC, SSIM is computed for those pairs, and
candidates are assigned to images so that the sum of SSIM is largest (scipy's method for sparse matrices). One
candidate is evidence for one image only. Members that are confirmed keep the candidate that confirms them.

Controls, which the model never saw, go through the same procedure. How often an image wins a candidate
depends on how many images compete for it, so controls compete in groups no larger than the members:
their rate of matches is then what chance gives the members.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

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
    confirming: NDArray[np.int64] | None = None,
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
    confirming:
        (n,) distinct candidates of members that keep theirs, -1 for the others; None if there are none.

    Raises
    ------
    DataError
        When images are under 3 pixels high or wide.
    """
    groups = max(1, math.ceil(len(controls) / max(1, len(members))))
    kept = np.full(len(members), -1, dtype=np.int64) if confirming is None else confirming
    wanted = _shortlist(candidates, members, preprocessing, kept)
    chance = _shortlist(candidates, controls, preprocessing, np.full(len(controls), -1, dtype=np.int64))
    given = np.full(len(controls), -1, dtype=np.int64)
    for first in range(groups):
        # Strides, not blocks: folders are sorted by label, and a group should be as mixed as the members.
        group = slice(first, None, groups)
        given[group] = _assign(chance.candidate[group], chance.similarity[group])
    own = np.where(kept >= 0, kept, _assign(wanted.candidate, _open(wanted, kept)))
    return Matching(members=_matches(wanted, own), controls=_matches(chance, given))


def _open(shortlist: _Shortlist, kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """Similarities with 0 for images and candidates that are given away already."""
    taken = np.isin(shortlist.candidate, kept[kept >= 0]) | (kept >= 0)[:, None]
    return np.where(taken, 0.0, shortlist.similarity)


def _shortlist(
    candidates: NDArray[np.floating],
    images: NDArray[np.floating],
    preprocessing: Preprocessing,
    kept: NDArray[np.int64],
) -> _Shortlist:
    """Of every image; where a candidate is kept (n,), it is on the list."""
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
        missing = (kept[rows] >= 0) & ~(usable[best] == kept[rows, None]).any(axis=1)
        best[missing, 0] = np.searchsorted(usable, kept[rows][missing])
        found.candidate[rows] = usable[best]
        found.ncc[rows] = np.take_along_axis(correlation, best, axis=1)
        truth = np.repeat(compare.view(preprocessing, images[rows]), size, axis=0)
        similarity = compare.similarity(viewed[usable[best.ravel()]], truth, found.ncc[rows].ravel())
        found.similarity[rows] = similarity.reshape(best.shape)
    return found


def _assign(candidate: NDArray[np.int64], similarity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Candidate given to each image, -1 for none: (n,) from two (n, t)."""
    images, given = len(candidate), np.full(len(candidate), -1, dtype=np.int64)
    if candidate.size == 0:
        return given
    wanted, column = np.unique(candidate, return_inverse=True)
    image = np.repeat(np.arange(images), candidate.shape[1])
    # The solver wants a full assignment of positive weights: every image may also go to a place of its own, for
    # nothing. Entries of the same place would be added up, and there are none.
    gain = np.concatenate([np.maximum(similarity, 0.0).ravel(), np.zeros(images)]) + 1.0
    places = np.concatenate([column.ravel(), len(wanted) + np.arange(images)])
    graph = csr_array((gain, (np.concatenate([image, np.arange(images)]), places)))
    row, taken = min_weight_full_bipartite_matching(graph, maximize=True)
    paired = taken < len(wanted)
    given[row[paired]] = wanted[taken[paired]]
    # A gain of zero stands for a pair that is no match.
    chosen = (candidate == given[:, None]) & (similarity > 0.0)
    return np.where(chosen.any(axis=1), given, -1)


def _matches(shortlist: _Shortlist, given: NDArray[np.int64]) -> Matches:
    chosen = shortlist.candidate == given[:, None]
    return Matches(
        similarity=np.where(chosen, shortlist.similarity, 0.0).sum(axis=1),
        ncc=np.where(chosen, shortlist.ncc, np.float32(0.0)).sum(axis=1),
        candidate=given,
    )
