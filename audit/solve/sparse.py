"""Directions with many zeros: what a ReLU leaves of a batch in its first layer's gradient (SPEAR).

With D = U Q, a sample's derivatives are U q for its column q of Q, and zero at all units that it does not reach: q
is orthogonal to those rows of U. Drawn at random, b - 1 rows belong to such units with probability 2^-(b-1), about,
and the direction orthogonal to them is then orthogonal to many others (Dimitrov et al. 2024, arXiv 2403.03945). Of
the directions found the b independent ones with the most zeros are Q up to scale: they are the heaviest basis of a
matroid, so nothing but the heaviest so far need be remembered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audit.solve.first_layer import FirstLayer

DRAWS = 4096
"""Directions tried at a time: more need more memory."""
_ZERO = 1e-4
"""Cosine of a row and a direction that counts as zero, without noise. Samples of one label have nearly the same
derivatives, and at 3e-3 their differences had more zeros than samples do."""
_ZERO_IN_NOISE = 0.03
"""The same at most, whatever the noise."""
_FEWEST_ZEROS = 0.1
"""Share of the units that a sample must not reach for its direction to be told from others."""
_INDEPENDENT = 0.05
"""Part of a direction outside the span of those before it: below, it is one of them again."""
_AGREEING = 0.9
"""Share of the units that must be zeros just where a nearly right input does not reach them."""
_DEVIATIONS = 8
"""Standard deviations of noise, or medians of what are zeros, that a zero may be away from it."""
_REFINEMENTS = 4
"""Rounds of least squares over a direction's zeros."""


@dataclass(frozen=True, eq=False)
class Zeros:
    """Where directions may be zero."""

    rows: Tensor
    """(h', b), those of U of the units that some sample reaches, of unit length."""
    reached: Tensor
    """(h',) their indices."""
    below: float
    """What counts as zero."""

    @property
    def needed(self) -> float:
        """Zeros a direction must have to be a sample's."""
        return max(self.rows.shape[1] + 2, _FEWEST_ZEROS * len(self.rows))

    def of(self, directions: Tensor) -> Tensor:
        """Whether rows are orthogonal to directions (b, k): (h', k)."""
        return (self.rows @ directions).abs() < self.below

    def drawn(self, generator: torch.Generator) -> Tensor:
        """Directions (b, k) with enough zeros, of DRAWS that are each orthogonal to b - 1 rows.

        Where a row was drawn twice the system is singular, and what comes back has no zeros.
        """
        drawn = torch.randint(len(self.rows), (DRAWS, self.rows.shape[1] - 1), generator=generator)
        systems = self.rows[drawn.to(self.rows.device)]
        solved, _ = torch.linalg.solve_ex(systems[:, :, :-1], -systems[:, :, -1])
        directions: Tensor = torch.cat([solved, torch.ones_like(solved[:, :1])], 1)
        directions = (directions / directions.norm(dim=1, keepdim=True)).T
        return directions[:, self.of(directions).sum(0) >= self.needed]

    def heaviest(self, directions: Tensor) -> Tensor:
        """Independent directions with the most zeros, (b, <= b), greedily, which for a matroid is best."""
        left = directions[:, self.of(directions).sum(0).argsort(descending=True, stable=True)]
        picked = directions[:, :0]
        while left.shape[1] and picked.shape[1] < len(left):
            direction = self._refined(left[:, 0], self.of(left[:, :1])[:, 0])
            picked = torch.cat([picked, direction[:, None]], 1)
            span = torch.linalg.qr(picked).Q
            left = left[:, (left - span @ (span.T @ left)).norm(dim=0) > _INDEPENDENT]
        return picked

    def direction_of(self, reaches: Tensor) -> Tensor | None:
        """Direction (b,) of a sample that is known nearly: `reaches` (h,) says which units it reaches, up to a few.

        None where there is none with as many zeros in these places.
        """
        outside = ~reaches[self.reached]
        if int(outside.sum()) < self.needed:
            return None
        direction = self._refined(_most_orthogonal(self.rows[outside]), outside)
        zero = self.of(direction[:, None])[:, 0]
        fits = int(zero.sum()) >= self.needed and float((zero == outside).double().mean()) > _AGREEING
        return direction if fits else None

    def _refined(self, direction: Tensor, among: Tensor) -> Tensor:
        """A direction (b,) by least squares from all its zeros among some rows."""
        below = max(self.below, _DEVIATIONS * float((self.rows[among] @ direction).abs().median()))
        for _ in range(_REFINEMENTS):
            rows = self.rows[(self.rows @ direction).abs() <= below]
            direction = _most_orthogonal(rows)
            # Most of the rows are zeros indeed, and say how large rounding and noise are.
            below = min(below, _DEVIATIONS * float((rows @ direction).abs().median()))
        return direction


def zeros(layer: FirstLayer) -> Zeros:
    """Where directions of a layer's samples may be zero."""
    lengths = layer.left.norm(dim=1)
    # Of an entry of U: noise spreads over all pixels, of which a direction sees one.
    deviation = layer.spread / float(layer.values[-1])
    floor = max(1e-7 * float(lengths.max()), 3 * deviation * math.sqrt(layer.samples))
    reached = (lengths > floor).nonzero()[:, 0]
    typical = math.sqrt(layer.samples / max(len(reached), 1))
    below = min(max(_ZERO, _DEVIATIONS * deviation / typical), _ZERO_IN_NOISE)
    return Zeros(layer.left[reached] / lengths[reached, None], reached, below)


def _most_orthogonal(rows: Tensor) -> Tensor:
    smallest: Tensor = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, 0]
    return smallest
