"""Attainable SSIM: how similar to a member any reconstruction can be at all.

Every attack on weights works in the row space V of its target's first layer, so all it can return is V c at some
scale, as it is or clipped to the box of pixels. For member x it is (audit/docs/methods.md, equation (25))

    max over c in R^r   SSIM(x, V c)   and   SSIM(x, clip(V c))

under the project's convention, each image rescaled by its own minimum and maximum. A value below the threshold is
evidence for release that needs no attack: what the weights hold of that member does not look like it.

SSIM is not concave. The search starts at the projection V V^T x, exact where the member lies in V, and at a larger
one of the member's contrast alone, and climbs from there by gradient ascent. What is returned is the best image
that was found, a lower bound of the maximum; `TOLERANCE` is what to allow for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.budget import Budget
from audit.equation.row_space import RowSpace
from audit.model.preprocessing import Preprocessing
from audit.scoring.similarity import ssim_pairs, window

TOLERANCE = 0.05
"""How far above the attainable SSIM a reconstruction might still come."""
_STEPS, _RATE = 120, 0.5
"""Of Adam; the rate in units of the root mean square of a member's coordinates, falling to 0 along a cosine."""
_LARGER = 3.0
"""Scale of the second start."""
_MEMBERS = 256
"""Climbed at once."""
_C1, _C2 = 0.01**2, 0.03**2
"""Constants of SSIM (Wang et al. 2004) at data_range = 1."""


@dataclass(frozen=True, eq=False)
class AttainableSsim:
    """How similar a reconstruction can be to each member."""

    ssim: NDArray[np.float64]
    """(n,), the best found inside the row space."""
    projection: NDArray[np.float64]
    """(n,), of the projection alone."""
    complete: bool
    """Whether the time sufficed to climb for all members; the others have been climbed for less, or not at all."""

    def reachable(self, threshold: float) -> int:
        """Count members that a reconstruction could recover at an SSIM threshold, even in principle."""
        return int((self.ssim + TOLERANCE >= threshold).sum())


def attainable_ssim(
    space: RowSpace, members: NDArray[np.float32], preprocessing: Preprocessing, budget: Budget
) -> AttainableSsim:
    """Find the best reconstruction of every member inside a row space.

    Parameters
    ----------
    space:
        Of the target of an attack.
    members:
        (n, d) as normalised inputs.
    preprocessing:
        From pixels to normalised inputs.
    budget:
        Checked between batches of members and between steps.

    Raises
    ------
    DataError
        When the images are under 3 pixels high or wide.
    """
    basis = space.basis.detach().to("cpu", torch.float32)
    search = _Search(basis, preprocessing)
    projection, best, complete = np.empty(len(members)), np.empty(len(members)), True
    for start in range(0, len(members), _MEMBERS):
        rows = slice(start, start + _MEMBERS)
        found = search.projected(members[rows])
        projection[rows] = best[rows] = found
        if space.rank < len(basis):
            climbed, finished = search.climbed(members[rows], budget)
            best[rows] = np.maximum(found, climbed)
            complete &= finished
    return AttainableSsim(best, projection, complete)


class _Search:
    """The images that a row space holds."""

    def __init__(self, basis: Tensor, preprocessing: Preprocessing) -> None:
        self.basis, self.preprocessing = basis, preprocessing
        self.mean, self.std = torch.from_numpy(preprocessing.mean), torch.from_numpy(preprocessing.std)

    def projected(self, members: NDArray[np.float32]) -> NDArray[np.float64]:
        """Exact SSIM of the projections, (b,), the better of as they are and clipped."""
        return self._exact(members, torch.from_numpy(members) @ self.basis)

    def climbed(self, members: NDArray[np.float32], budget: Budget) -> tuple[NDArray[np.float64], bool]:
        """Exact SSIM after gradient ascent, (b,), and whether there was time for all of it."""
        truth = self._shaped(torch.from_numpy(members))
        start = torch.from_numpy(members) @ self.basis
        units = start.square().mean(1, keepdim=True).sqrt().clamp_min(torch.finfo(start.dtype).tiny)
        contrast = torch.from_numpy(members - members.mean(1, keepdims=True)) @ self.basis
        starts = torch.stack([start, start, _LARGER * contrast, _LARGER * contrast]) / units
        climbers = starts.requires_grad_()
        ascent = torch.optim.Adam([climbers], lr=_RATE)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(ascent, _STEPS)
        finished = True
        for _ in range(_STEPS):
            if budget.left <= 0:
                finished = False
                break
            pixels = self._pixels(climbers * units)
            pixels = torch.stack([pixels[0], pixels[1].clamp(0, 1), pixels[2], pixels[3].clamp(0, 1)])
            total = local_ssim(truth.repeat(4, 1, 1, 1), self._image(pixels.flatten(0, 1))).sum()
            (climbers.grad,) = torch.autograd.grad(-total, climbers)
            ascent.step()
            slower.step()
        exact = [self._exact(members, coordinates) for coordinates in climbers.detach() * units]
        return np.max(exact, axis=0), finished

    def _exact(self, members: NDArray[np.float32], coordinates: Tensor) -> NDArray[np.float64]:
        truth = self.preprocessing.denormalise(members)
        pixels = self._image(self._pixels(coordinates)).permute(0, 2, 3, 1).numpy()
        return np.maximum(ssim_pairs(truth, pixels), ssim_pairs(truth, pixels.clip(0, 1)))

    def _pixels(self, coordinates: Tensor) -> Tensor:
        return (coordinates @ self.basis.T) * self.std + self.mean

    def _shaped(self, inputs: Tensor) -> Tensor:
        return self._image(inputs * self.std + self.mean)

    def _image(self, pixels: Tensor) -> Tensor:
        return pixels.view(len(pixels), *self.preprocessing.shape)


def local_ssim(truth: Tensor, images: Tensor) -> Tensor:
    """`audit.scoring.similarity.ssim_pairs` as a differentiable function: (b,) from pixels (b, c, h, w), twice."""
    side = window(*truth.shape[-2:])
    rows, columns = (_moving_average(length, side).to(truth) for length in truth.shape[-2:])
    a, b = _rescaled(truth), _rescaled(images)

    def mean(values: Tensor) -> Tensor:
        return rows @ values @ columns.T

    mean_a, mean_b, unbiased = mean(a), mean(b), side**2 / (side**2 - 1)
    spread = unbiased * (mean(a * a + b * b) - mean_a**2 - mean_b**2)
    joint = unbiased * (mean(a * b) - mean_a * mean_b)
    values = (2 * mean_a * mean_b + _C1) * (2 * joint + _C2)
    return (values / ((mean_a**2 + mean_b**2 + _C1) * (spread + _C2))).mean((1, 2, 3))


def _moving_average(length: int, side: int) -> Tensor:
    """Means over windows that lie inside a line of pixels, as a matrix (length - side + 1, length)."""
    ones = torch.ones(length - side + 1, length)
    return (ones.triu() - ones.triu(side)) / side


def _rescaled(images: Tensor) -> Tensor:
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(torch.finfo(images.dtype).tiny)
