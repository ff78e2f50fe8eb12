"""Whether weights can be told from a random initialisation.

The largest singular value of a matrix of independent entries of one variance, whatever their distribution, follows
the law of Tracy and Widom about the edge of the Marchenko-Pastur bulk (Johnstone 2001, "On the distribution of the
largest eigenvalue in principal components analysis"; Soshnikov 2002 for entries that are not normal). Training adds
directions that stand out of it. This depends neither on the activation nor on the order or layout of inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse.linalg import svds
from torch import Tensor

_NARROWEST = 5
"""Rows or columns from which the law holds well enough."""
_QUANTILE = 3.27
"""Of the law (beta = 1): chance exceeds it in one layer of a thousand."""


def untrained(weights: Sequence[Tensor]) -> bool | None:
    """Whether no layer can be told from its random initialisation.

    Parameters
    ----------
    weights:
        (outputs, inputs) of every layer. Layers with fewer than 5 of either say nothing.

    Returns
    -------
    bool | None
        None where no layer says anything.
    """
    wide = [weight for weight in weights if min(weight.shape) >= _NARROWEST]
    if not wide:
        return None
    return all(excess(weight) <= _QUANTILE for weight in wide)


def excess(weight: Tensor) -> float:
    """How far the largest singular value of a matrix lies above that of noise of its size, in units of the law.

    Infinite for a matrix that has values which are not finite, or only zeros.
    """
    matrix = weight.detach().double().cpu().numpy()
    variance = float(np.mean(matrix**2))
    if not (math.isfinite(variance) and variance > 0):
        return math.inf
    start = np.random.default_rng(0).normal(size=min(matrix.shape))
    largest = float(svds(matrix, k=1, tol=1e-4, v0=start, return_singular_vectors=False)[0])
    rows, columns = matrix.shape
    edge = math.sqrt(rows - 1) + math.sqrt(columns)
    scale = edge * (1 / math.sqrt(rows - 1) + 1 / math.sqrt(columns)) ** (1 / 3)
    return float((largest**2 / variance - edge**2) / scale)
