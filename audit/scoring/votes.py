"""Which sample a candidate speaks for: pairs of candidates and samples, and one-to-one choices among them.

Every candidate is compared with all samples, members and controls together, by its cosine with them in white
coordinates. The few closest are the samples that it may speak for, and it speaks for one of them in the end.
Nothing here knows which samples are members: what a sample gets depends on it, on the candidates and on the set of
all samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from audit.model.preprocessing import Preprocessing
from audit.scoring.comparison import comparison
from audit.scoring.similarity import standardise
from audit.scoring.white import White

TIE = 1e-6
"""Cosines closer than this are ties, which count against the finding: the rounding of float32."""
NOTHING = -2.0
"""The score of a sample for which no candidate speaks: below every cosine."""
_CLOSEST = 8
"""Samples that a candidate may speak for. With 4 and 32 the counts were the same."""
_VALUES = 4_000_000
"""Values of pairs that are looked at together; bounds the memory."""
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Votes:
    """Pairs of m candidates with the samples that they may speak for."""

    values: NDArray[np.floating]
    """(m, d) the candidates, as they were given."""
    candidate: NDArray[np.int64]
    """(p,)"""
    sample: NDArray[np.int64]
    """(p,), controls first, then members."""
    cosine: NDArray[np.float32]
    """(p,), in white coordinates."""
    similarity: NDArray[np.float64]
    """(p,), SSIM, of rows of a table NCC."""

    def of(self, kept: NDArray[np.bool_]) -> Votes:
        """Keep some of the pairs (p,)."""
        return replace(
            self,
            candidate=self.candidate[kept],
            sample=self.sample[kept],
            cosine=self.cosine[kept],
            similarity=self.similarity[kept],
        )


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidate that speaks for each of N samples; each speaks for one of them at most."""

    score: NDArray[np.float64]
    """(N,), its cosine, rounded to `TIE`; `NOTHING` without one."""
    candidate: NDArray[np.int64]
    """(N,), -1 without one."""


@dataclass(frozen=True, eq=False)
class Field:
    """n members and k controls, as candidates are compared with them."""

    members: NDArray[np.floating]
    """(n, d), normalised inputs."""
    controls: NDArray[np.floating]
    """(k, d), normalised inputs."""
    preprocessing: Preprocessing
    """Says what inputs are, and leads to pixels."""
    scaled: NDArray[np.floating]
    """(k + n, d), controls first, in the units in which they are correlated."""
    standard: NDArray[np.float32]
    """(k + n, d), the same centred and of unit length."""
    white: White
    """From there to white coordinates."""
    points: NDArray[np.float32]
    """(k + n, q), there."""

    @classmethod
    def of(
        cls, members: NDArray[np.floating], controls: NDArray[np.floating], preprocessing: Preprocessing
    ) -> Field:
        """Prepare members (n, d) and controls (k, d), normalised inputs, for comparisons; either may be empty."""
        _, ours, theirs = comparison(preprocessing.modality).scale(members[:0], members, controls)
        scaled = np.concatenate([theirs, ours])
        standard = standardise(scaled)
        white = White.of(standard)
        return cls(members, controls, preprocessing, scaled, standard, white, white(standard))

    def scale(self, candidates: NDArray[np.floating]) -> NDArray[np.floating]:
        """Bring candidates (m, d), normalised inputs, to the units in which samples are correlated."""
        return comparison(self.preprocessing.modality).scale(candidates, self.members, self.controls)[0]

    def votes(self, candidates: NDArray[np.floating]) -> Votes:
        """Pair candidates (m, d), normalised inputs, with the samples closest to them.

        Those with NaN or infinite values, here or in pixels, and those of a single value are paired with nothing.

        Raises
        ------
        DataError
            When images are under 3 pixels high or wide.
        """
        compare = comparison(self.preprocessing.modality)
        scaled = self.scale(candidates)
        closest, size = min(_CLOSEST, len(self.points)), max(1, scaled.shape[1])
        step = min(_CHUNK, max(1, _VALUES // (size * _CLOSEST)))
        parts = [Votes(candidates, *(np.zeros(0, kind) for kind in (np.int64, np.int64, np.float32, float)))]
        for start in range(0, len(scaled) if closest else 0, step):
            rows = scaled[start : start + step]
            viewed = compare.view(self.preprocessing, rows)
            usable = np.isfinite(rows).all(axis=1) & np.isfinite(viewed.reshape(len(rows), -1)).all(axis=1)
            # One of a single colour would equal every other such sample.
            usable[usable] = np.ptp(rows[usable], axis=1) > 0
            rows, viewed, places = rows[usable], viewed[usable], start + np.flatnonzero(usable)
            standard = standardise(rows)
            cosine = self.white(standard) @ self.points.T
            best = np.argpartition(-cosine, closest - 1, axis=1)[:, :closest]
            sample, own = best.ravel(), np.repeat(np.arange(len(rows)), closest)
            correlation = np.einsum("pd,pd->p", standard[own], self.standard[sample])
            truth = compare.view(self.preprocessing, self.scaled[sample])
            similarity = compare.similarity(viewed[own], truth, correlation)
            cosine = np.take_along_axis(cosine, best, axis=1).ravel()
            parts.append(Votes(candidates, places[own], sample, cosine, similarity.astype(np.float64)))
        return _joined(parts, [0] * len(parts), candidates)


def join(parts: Sequence[Votes]) -> Votes:
    """Put the candidates of several sets together, one set after the other; all of the same field."""
    offsets = np.cumsum([0, *(len(part.values) for part in parts)]).tolist()
    return _joined(parts, offsets, np.concatenate([part.values for part in parts]))


def _joined(parts: Sequence[Votes], offsets: Sequence[int], values: NDArray[np.floating]) -> Votes:
    return Votes(
        values,
        np.concatenate([part.candidate + offset for part, offset in zip(parts, offsets, strict=False)]),
        np.concatenate([part.sample for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.concatenate([part.similarity for part in parts]),
    )


def choose(votes: Votes, samples: int) -> Choice:
    """Choose one candidate for a sample and one sample for a candidate, the closest pairs first.

    A candidate whose closest sample has a closer one already can still speak for the next: of hundreds of restarts
    that return the same sample, one is enough. Of pairs that tie, those of controls come first, which counts
    against the finding.

    Parameters
    ----------
    votes:
        Pairs to choose from.
    samples:
        N, members and controls together.
    """
    rounded = np.round(votes.cosine.astype(np.float64) / TIE)
    order = np.lexsort((votes.candidate, votes.sample, -rounded))
    score, chosen = [NOTHING] * samples, [-1] * samples
    spent: set[int] = set()
    pairs = zip(
        votes.candidate[order].tolist(),
        votes.sample[order].tolist(),
        (rounded[order] * TIE).tolist(),
        strict=True,
    )
    for candidate, sample, cosine in pairs:
        if chosen[sample] < 0 and candidate not in spent:
            score[sample], chosen[sample] = cosine, candidate
            spent.add(candidate)
    return Choice(np.array(score, dtype=np.float64), np.array(chosen, dtype=np.int64))
