"""Candidates that are a member, to within one part in a hundred: evidence whatever the number of controls.

Ranks count how many controls do as well, so that with few controls, or none, nothing can be small enough. But
nobody guesses every pixel of an image to within 1 % of its range. Such a candidate counts by itself, as long as it
is a copy of one sample only, and no control is met as exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.scoring.comparison import comparison
from audit.scoring.votes import Field, Votes

EXACT = 0.01
"""Root mean square difference, relative to the range of the sample (of images) or of each column (of rows)."""
_LEAST_VALUES = 16
"""Pixels or columns that an exact match takes: one of thousands of candidates meets a few numbers by chance."""
_CHUNK = 256
"""Pairs compared at once; bounds the memory."""


def exact_candidates(field: Field, votes: Votes, threshold: float) -> NDArray[np.int64]:
    """Find a candidate for every member that equals it, and no other sample.

    Parameters
    ----------
    field:
        Members and controls.
    votes:
        Pairs of candidates with them.
    threshold:
        Similarity that a pair must reach.

    Returns
    -------
    (n,)
        -1 for members without one, and for all where a control has one.
    """
    controls, found = len(field.controls), np.full(len(field.members), -1, dtype=np.int64)
    if np.count_nonzero(np.ptp(field.scaled, axis=0)) < _LEAST_VALUES:
        return found
    close = votes.of(votes.similarity >= threshold)
    equal = close.of(_differences(field, close) <= EXACT)
    if (equal.sample < controls).any():
        return found
    candidates, times = np.unique(equal.candidate, return_counts=True)
    equal = equal.of(np.isin(equal.candidate, candidates[times == 1]))
    found[equal.sample - controls] = equal.candidate
    return found


def _differences(field: Field, votes: Votes) -> NDArray[np.float64]:
    """Of every pair: (p,)."""
    compare = comparison(field.preprocessing.modality)
    ranges, values = np.ptp(field.scaled, axis=0), np.zeros(len(votes.sample))
    for start in range(0, len(values), _CHUNK):
        pairs = slice(start, start + _CHUNK)
        candidates = field.scale(votes.values[votes.candidate[pairs]])
        samples = field.scaled[votes.sample[pairs]]
        found, truth = (compare.view(field.preprocessing, rows) for rows in (candidates, samples))
        values[pairs] = compare.difference(found, truth, ranges)
    return values
