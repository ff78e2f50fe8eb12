"""Whether members and controls could be two samples of one source: a comparison that does not look at the network.

P-values are exact if members and controls are exchangeable under "no leakage". Where they differ, what came back
may be the kind of image, and not the image: with digits of other classes, or noise, as controls, up to 13 of 100
members of a network that saw none of them were once "confirmed". Several tests take one aspect each; the least
p-value counts times their number (Bonferroni).

How much more likely a sample is among members than among controls is estimated from how much closer its three
closest members are than its three closest controls, by isotonic regression, which needs no more than that this
likelihood does not fall as the lead of members rises. `audit.scoring.weighted` uses these ratios where the tests
tell the sets apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import ks_2samp

from audit.scoring.two_sample import agreement_test, class_test, neighbour_test

Aspect = Literal["classes", "mean", "spread", "neighbours", "noise"]

LEVEL = 0.01
"""How often members and controls of one source may be said to differ."""
_MOST = 2000
"""Samples of each set that are compared; of more, so many are drawn."""
_NEIGHBOURS = 5
"""Neighbours of a sample that are expected to be of the smaller set: its neighbourhood is as large as that takes,
up to a quarter of all samples."""
_CLOSEST = 3
"""Members, and controls, that say how close a sample is to either set."""
_PRIOR = 0.5
"""Samples of either set that are added to those with the same likelihood, so that no ratio is infinite."""
_CHUNK = 512
"""Samples compared with all others at once; bounds the memory."""


@dataclass(frozen=True, eq=False)
class Side:
    """Members, or controls, as they are compared."""

    points: NDArray[np.float32]
    """(n, d), centred and of unit length."""
    mean: NDArray[np.floating]
    """(n,), of the pixels or columns of each."""
    spread: NDArray[np.floating]
    """(n,), their standard deviation."""
    labels: NDArray[np.int64] | None = None
    """(n,) class indices; None where unknown."""
    noise: NDArray[np.floating] | None = None
    """(n,) scores in the negative control; None where it did not run."""

    def take(self, places: NDArray[np.int64]) -> Side:
        """Keep the samples at some places (m,)."""
        parts = {name: value[places] for name, value in vars(self).items() if value is not None}
        return replace(self, **parts)


@dataclass(frozen=True, eq=False)
class Exchangeability:
    """How members and controls compare."""

    p_values: Mapping[Aspect, float]
    """Of every test that was made."""
    members: NDArray[np.float64]
    """(n,), how many times as likely each is among members as among controls."""
    controls: NDArray[np.float64]
    """(k,), likewise."""

    @property
    def p_value(self) -> float:
        """Of all tests together."""
        return min(1.0, min(self.p_values.values()) * len(self.p_values))

    @property
    def differ(self) -> bool:
        """Whether members and controls are told apart."""
        return self.p_value < LEVEL

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """Aspects in which they are, the most significant first."""
        limit = LEVEL / len(self.p_values)
        return tuple(
            sorted((a for a, p in self.p_values.items() if p < limit), key=self.p_values.__getitem__)
        )


def exchangeability(members: Side, controls: Side, random: np.random.Generator) -> Exchangeability:
    """Compare members with controls, of which there is at least one each.

    Parameters
    ----------
    members, controls:
        What is compared; `noise` of both or of neither.
    random:
        Draws permutations, and samples where there are many.
    """
    count = len(members.points)
    ours, theirs = (_draw(len(side.points), random) for side in (members, controls))
    reference = np.concatenate([ours, count + theirs])
    first = reference < count
    neighbours, lead = _neighbours(np.concatenate([members.points, controls.points]), reference, first)
    found = _p_values(members.take(ours), controls.take(theirs), random)
    found["neighbours"] = neighbour_test(first, neighbours[reference], random)
    ratios = _ratios(lead, np.arange(len(lead)) < count)
    return Exchangeability(found, ratios[:count], ratios[count:])


def _p_values(ours: Side, theirs: Side, random: np.random.Generator) -> dict[Aspect, float]:
    """Of all tests but that of the neighbours."""
    found: dict[Aspect, float] = {
        "mean": float(ks_2samp(ours.mean, theirs.mean).pvalue),
        "spread": float(ks_2samp(ours.spread, theirs.spread).pvalue),
    }
    if ours.noise is not None and theirs.noise is not None:
        found["noise"] = float(ks_2samp(ours.noise, theirs.noise).pvalue)
    if ours.labels is not None and theirs.labels is not None:
        nearest = theirs.labels[(ours.points @ theirs.points.T).argmax(axis=1)]
        # Labels that mean something else in each set, such as random ones, cannot be compared.
        if agreement_test(ours.labels, nearest, random) < LEVEL:
            found["classes"] = class_test(ours.labels, theirs.labels, random)
    return found


def _ratios(lead: NDArray[np.float32], first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ratio of likelihoods of all samples (N,), from how much closer members are to them and who is one."""
    _, level, total = np.unique(lead, return_inverse=True, return_counts=True)
    members = np.bincount(level, weights=first)
    blocks = isotonic_regression(members / total, weights=total).blocks
    ours = np.add.reduceat(members, blocks[:-1])
    theirs = np.add.reduceat(total, blocks[:-1]) - ours
    shares = [(part + _PRIOR) / (part.sum() + _PRIOR * len(part)) for part in (ours, theirs)]
    ratios: NDArray[np.float64] = np.repeat(shares[0] / shares[1], np.diff(blocks))[level]
    return ratios


def _draw(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Places of at most so many as are compared, ascending."""
    return np.sort(random.choice(count, min(count, _MOST), replace=False))


def _neighbours(
    points: NDArray[np.float32], reference: NDArray[np.int64], first: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Look around every point (N, d), itself left out.

    Parameters
    ----------
    points:
        Members and controls.
    reference, first:
        (m,) places of those that are looked at, and which of these are members.

    Returns
    -------
    tuple[NDArray[np.int64], NDArray[np.float32]]
        Nearest neighbours by their places in the reference (N, t); and how much closer the three closest members
        are than the three closest controls (N,).
    """
    total, smaller = len(reference), min(int(first.sum()), int((~first).sum()))
    size = max(1, min(ceil(_NEIGHBOURS * total / smaller), total // 4))
    found, lead = np.zeros((len(points), size), dtype=np.int64), np.zeros(len(points), dtype=np.float32)
    place = np.full(len(points), -1)
    place[reference] = np.arange(total)
    for start in range(0, len(points), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(points)))
        cosine = points[rows] @ points[reference].T
        inside = place[rows] >= 0
        cosine[inside, place[rows][inside]] = -np.inf
        found[rows] = np.argpartition(-cosine, size - 1, axis=1)[:, :size]
        lead[rows] = _closeness(cosine[:, first]) - _closeness(cosine[:, ~first])
    return found, lead


def _closeness(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the largest cosines with some samples (m, s): (m,); -1 with none."""
    size = min(_CLOSEST, cosine.shape[1])
    best = -np.partition(-cosine, size - 1, axis=1)[:, :size]
    known = np.isfinite(best)
    total = np.where(known, best, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), -1.0).astype(np.float32)
