"""Tests of whether two sets of samples could be drawn from one source; exact, whatever their sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PERMUTATIONS = 1999


def class_test(one: NDArray[np.int64], other: NDArray[np.int64], random: np.random.Generator) -> float:
    """Compare how often each class occurs: p-value of Pearson's statistic, against permutations.

    Parameters
    ----------
    one, other:
        (n,) and (k,) class indices.
    random:
        Draws the permutations.
    """
    classes, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    total = np.bincount(places, minlength=len(classes))
    expected = total * (len(one) / len(places))
    # Classes of n samples out of all, in random order: what permutations do to the counts.
    counts = random.multivariate_hypergeometric(total, len(one), size=_PERMUTATIONS)
    seen = np.bincount(places[: len(one)], minlength=len(classes))
    statistic = ((np.vstack([seen, counts]) - expected) ** 2 / expected).sum(axis=1)
    return _p_value(statistic[0], statistic[1:])


def neighbour_test(
    first: NDArray[np.bool_], neighbours: NDArray[np.int64], random: np.random.Generator
) -> float:
    """Compare by nearest neighbours: p-value of how many are of the same set, against permutations.

    The test of Schilling (1986, "Multivariate two-sample tests based on nearest neighbors") and Henze (1988).

    Parameters
    ----------
    first:
        (N,) whether each sample is of the first set.
    neighbours:
        (N, t) places of its nearest neighbours, itself not among them.
    random:
        Draws the permutations.
    """
    graph = np.zeros((len(first), len(first)), dtype=np.float32)
    graph[np.arange(len(first))[:, None], neighbours] = 1.0
    edges = graph.sum(axis=0) + graph.sum(axis=1)

    def same(sets: NDArray[np.float32]) -> NDArray[np.float64]:
        # Edges within either set: all, less those that touch the first, plus twice those within it.
        within = ((sets @ graph) * sets).sum(axis=1, dtype=np.float64)
        return np.asarray(graph.sum() - sets @ edges + 2 * within, dtype=np.float64)

    seen = first.astype(np.float32)[None]
    drawn = random.permuted(np.repeat(seen, _PERMUTATIONS, axis=0), axis=1)
    return _p_value(float(same(seen)[0]), same(drawn))


def agreement_test(
    labels: NDArray[np.int64], nearest: NDArray[np.int64], random: np.random.Generator
) -> float:
    """Compare labels (n,) with those beside them (n,): p-value of how many agree, against permutations."""

    def agree(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray((rows == nearest).sum(axis=-1), dtype=np.int64)

    drawn = random.permuted(np.tile(labels, (_PERMUTATIONS, 1)), axis=1)
    return _p_value(float(agree(labels)), agree(drawn))


def _p_value(seen: float, drawn: NDArray[np.floating] | NDArray[np.int64]) -> float:
    """Share of values at least as large as what was seen, which counts as one of them."""
    # Sums of the same numbers in another order differ by rounding.
    return float((1 + (drawn >= seen * (1 - 1e-12)).sum()) / (1 + len(drawn)))
