"""What candidates must satisfy besides the equation: inputs that pixels can cause.

A candidate in reduced coordinates is an image only after lifting, so the box of pixels in [0, 1] is applied to
the lifted inputs. For images with a saturated background it is what keeps mixtures of samples apart: sums stay
in the box, differences do not. It belongs to the optimiser, not to the residual: a split must not double it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds on lifted inputs."""

    basis: Tensor
    """V, (d, r)."""
    low: Tensor
    """(d,), of normalised inputs."""
    high: Tensor
    """(d,), of normalised inputs."""

    @property
    def energy(self) -> float:
        """Squared norm of an input half of whose values lie on either bound: the scale of the penalty."""
        return float((self.low.square() + self.high.square()).sum() / 2)

    @property
    def typical_norm(self) -> float:
        """Norm of a typical image: pixels spread around their mean by a quarter of their range."""
        return 0.25 * float((self.high - self.low).norm())

    def part(self, pixels: Tensor) -> Box:
        """Only the bounds of some pixels, by index (u,).

        Its `gradient`, relative to its own `energy`, estimates that of the whole: over a partition, gradients
        weighted by energy add up to the whole, and where all pixels have the same bounds equal parts average to it.
        """
        return Box(self.basis[pixels], self.low[pixels], self.high[pixels])

    def gradient(self, inputs: Tensor) -> Tensor:
        """Gradient of the mean energy outside the box, relative to `energy`.

        In closed form: through automatic differentiation this would cost more than the equation itself when
        images are large.

        Parameters
        ----------
        inputs:
            (..., m, r) in reduced coordinates.

        Returns
        -------
        Tensor
            (..., m, r).
        """
        lifted = inputs @ self.basis.T
        outside = lifted - lifted.clamp(self.low, self.high)
        return (outside @ self.basis) * (2 / (self.energy * inputs.shape[-2]))

    def scale_to_fit(self, images: Tensor, overshoot: float) -> Tensor:
        """Largest scale at which an image's energy outside the box is a given share of its own.

        Parameters
        ----------
        images:
            (m, d) normalised inputs.
        overshoot:
            Share of the energy that may lie outside.

        Returns
        -------
        Tensor
            (m, d), the scaled images, not clipped; the scale is found by bisection.
        """
        low, high = torch.full_like(images[:, :1], 1e-6), torch.full_like(images[:, :1], 1e6)
        for _ in range(40):
            scale = (low * high).sqrt()
            scaled = images * scale
            outside = scaled - scaled.clamp(self.low, self.high)
            fits = outside.square().sum(1, keepdim=True) <= overshoot * scaled.square().sum(1, keepdim=True)
            low, high = torch.where(fits, scale, low), torch.where(fits, high, scale)
        return images * low
