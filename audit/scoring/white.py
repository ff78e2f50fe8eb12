"""White coordinates: those in which members and controls together vary alike in all directions.

Images resemble each other: most of what two of them share is what all of them share, and their correlation says
little about whether one was made from the other. With the mean and the covariance of all images taken out, two
different images are nearly orthogonal, and the cosine of a reconstruction with its image stands out.

Members and controls enter alike, so that no image is treated unlike another: p-values stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHRINKAGE = 0.1
"""Added to every eigenvalue, in units of the mean one. From .05 to .2 the counts of all targets that were tried
differ by at most two; see tests/benchmarks/results/tried.md."""
_RANK = 1e-9
"""Smallest eigenvalue that counts, relative to the largest: below it lies rounding."""
_BLOCK = 4_000_000
"""Values taken to double precision at once; bounds the memory."""


@dataclass(frozen=True, eq=False)
class White:
    """The way to white coordinates."""

    mean: NDArray[np.float32]
    """(d,), of all samples."""
    directions: NDArray[np.float32]
    """(d, q): onto the span of the samples about their mean, each direction over its standard deviation."""

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> White:
        """Take mean and shrunk covariance of samples (N, d) in their span; of less than two samples q = 0."""
        count, size = samples.shape
        mean = samples.mean(axis=0, dtype=np.float64) if count else np.zeros(size)
        centred = samples - mean.astype(np.float32)
        wide = size > count
        values, vectors = np.linalg.eigh(_gram(centred.T if wide else centred) / max(count, 1))
        kept = values > _RANK * values.max(initial=0.0)
        values, vectors = values[kept], vectors[:, kept]
        scale = 1 / np.sqrt(values + _SHRINKAGE * values.mean()) if len(values) else values
        if wide:
            scale = scale / np.sqrt(values * count)
            vectors = centred.T @ vectors.astype(np.float32)
        return cls(mean.astype(np.float32), (vectors * scale).astype(np.float32))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring samples (m, d) to white coordinates and unit length: (m, q). What is the mean stays zero."""
        rows = (samples - self.mean) @ self.directions
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: NDArray[np.float32] = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0)
        return unit


def _gram(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Products of all columns with each other, in double precision: (a, b) to (b, b)."""
    gram = np.zeros((rows.shape[1], rows.shape[1]))
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        gram += block.T @ block
    return gram
