"""Reduce first: every attack runs in the row space of its target's first layer.

The first layer's part of a target is sum_j lambda_j delta_j x_j^T, so its row space is the span of the samples
that matter. With its leading right singular vectors V (d, r), write x = V c and replace the first weight W by
W V at every point and the target's block by its projection: up to a constant the objective is the same, with r
unknowns per candidate instead of d (audit/docs/methods.md, equation (7)).

How many directions to keep is the attacker's own estimate of how many independent samples are held: those whose
singular value exceeds the optimal hard threshold for a matrix with noise of unknown level (Gavish and Donoho
2014, "The optimal hard threshold for singular values is 4/sqrt(3)", eq. 11 and its polynomial fit), the noise
being what the initialisation left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audit.equation.objective import Objective
from audit.model.modality import Source
from audit.model.parameters import Parameters

_FULL_RANK_BELOW = 64
"""Layers this narrow are kept whole: too few singular values to tell noise from signal, and cheap anyway."""
_FEWEST = 2
"""Directions kept at least."""
_ROUNDING = 2
"""Largest singular value of rounding in a gradient, relative to that of the gradient and in units of its precision.
Measured up to .4 (MNIST, 500 units, batches of 8 to 48)."""


@dataclass(frozen=True, eq=False)
class RowSpace:
    """The span of the samples a first layer holds."""

    basis: Tensor
    """V, (d, r), orthonormal columns."""
    singular_values: Tensor
    """(min(h, d),), of the target's first-layer block, largest first."""
    edge: float
    """Singular values above it were kept."""

    @property
    def rank(self) -> int:
        """Return r, the number of directions kept."""
        return self.basis.shape[1]

    @property
    def signals(self) -> int:
        """Number of singular values above the edge: an estimate of how many independent samples are held."""
        return int((self.singular_values > self.edge).sum())

    @property
    def noise(self) -> float:
        """Norm of what lies below the edge, over that of everything: rounding and other noise."""
        below = self.singular_values[self.singular_values <= self.edge]
        whole = float(self.singular_values.norm())
        return float(below.norm()) / whole if whole else 0.0

    @property
    def effective_rank(self) -> float:
        """Exponential of the entropy of all singular values, as shares of their sum (Roy and Vetterli 2007).

        1 when one direction holds everything, min(h, d) when all hold the same; 0 for a layer of zeros.
        """
        total = self.singular_values.sum()
        if total == 0:
            return 0.0
        return float(torch.special.entr(self.singular_values / total).sum().exp())

    def lift(self, inputs: Tensor) -> Tensor:
        """From reduced coordinates (..., r) to normalised inputs (..., d)."""
        return inputs @ self.basis.T


def row_space(block: Tensor, source: Source) -> RowSpace:
    """Row space of a target's first-layer block (h, d) above its noise.

    The noise is what an initialisation leaves in weights or in their change, and the rounding of a gradient. From
    the eigenvectors of the smaller Gram matrix, in float64: several times faster than a singular value
    decomposition, and exact to 1e-8 of the largest singular value.
    """
    rows, columns = block.shape
    exact = block.double()
    wide = columns > rows
    squares, vectors = torch.linalg.eigh(exact @ exact.T if wide else exact.T @ exact)
    values, vectors = squares.flip(0).clamp_min(0).sqrt(), vectors.flip(1)
    edge = gradient_edge(values, block) if source == "gradient" else noise_edge(values, rows, columns)
    kept = max(int((values > edge).sum()), min(_FEWEST, len(values)))
    basis = vectors[:, :kept]
    if wide:
        basis = torch.linalg.qr(exact.T @ basis).Q
    return RowSpace(basis.to(block.dtype).contiguous(), values, edge)


def bulk_edge(singular_values: Tensor, rows: int, columns: int) -> float | None:
    """Largest singular value that noise of the level seen would leave by itself in a (rows, columns) matrix.

    The edge sigma (sqrt(rows) + sqrt(columns)) of the Marchenko-Pastur distribution, with sigma = `noise_level`. It
    lies below `noise_edge`, from which on a direction is known well enough to be worth keeping. None where it is
    less than rounding: the change of a layer that began as noise has none of it left.
    """
    edge = (math.sqrt(rows) + math.sqrt(columns)) * noise_level(singular_values, rows, columns)
    return edge if edge > _rounding(singular_values, rows, columns) else None


def noise_level(singular_values: Tensor, rows: int, columns: int) -> float:
    """Standard deviation of the entries of a (rows, columns) matrix of noise, to which a few signals were added.

    From the median singular value, which these hardly move. The median of the Marchenko-Pastur distribution, mu,
    follows from omega = lambda / sqrt(mu) (Gavish and Donoho 2014, eq. 3 and 11).
    """
    beta = min(rows, columns) / max(rows, columns)
    known = math.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + math.sqrt(beta**2 + 14 * beta + 1)))
    return _omega(beta) / known * float(singular_values.median()) / math.sqrt(max(rows, columns))


def noise_edge(singular_values: Tensor, rows: int, columns: int) -> float:
    """Threshold above which a singular value of a (rows, columns) matrix is signal.

    omega(beta) times the median singular value, beta the aspect ratio (Gavish and Donoho 2014, eq. 11). Never
    below rounding error, so that exactly low-rank layers work too.
    """
    return max(_rounding(singular_values, rows, columns), _white_edge(singular_values, rows, columns))


def gradient_edge(singular_values: Tensor, block: Tensor) -> float:
    """Threshold likewise for one gradient of a small batch.

    A sum over few samples is far more exact than a difference of weights after many steps, and a sample with a
    small loss is a small part of it. Units and pixels that no sample touched say nothing of the noise.
    """
    halves = (torch.bfloat16, torch.float16)
    eps = next((torch.finfo(kind).eps for kind in halves if bool((block.to(kind) == block).all())), None)
    rounding = _ROUNDING * (eps or torch.finfo(torch.float32).eps) * float(singular_values[0])
    rows, columns = (int(block.any(side).sum()) for side in (1, 0))
    return max(rounding, _white_edge(singular_values[: min(rows, columns)], rows, columns))


def _rounding(singular_values: Tensor, rows: int, columns: int) -> float:
    return float(singular_values[0]) * max(rows, columns) * torch.finfo(torch.float32).eps


def _white_edge(singular_values: Tensor, rows: int, columns: int) -> float:
    if min(rows, columns) <= _FULL_RANK_BELOW:
        return 0.0
    beta = min(rows, columns) / max(rows, columns)
    return _omega(beta) * float(singular_values.median())


def _omega(beta: float) -> float:
    return 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43


def first_layer_space(objective: Objective) -> RowSpace:
    """Row space of the first layer of the target of an objective that is not reduced."""
    return row_space(objective.target.weights[0], objective.source)


def reduce(objective: Objective, space: RowSpace) -> Objective:
    """Restate an objective in the row space of its target's first layer.

    Parameters
    ----------
    objective:
        Of normalised inputs: the first weight of the target is (h, d).
    space:
        Its `first_layer_space`, the way back.

    Returns
    -------
    Objective
        The same for candidates in reduced coordinates (..., m, r).
    """
    points = tuple(point.at(_reduce(point.parameters, space)) for point in objective.points)
    return replace(objective, target=_reduce(objective.target, space), points=points)


def _reduce(parameters: Parameters, space: RowSpace) -> Parameters:
    return parameters.with_first_weight(parameters.weights[0] @ space.basis)
