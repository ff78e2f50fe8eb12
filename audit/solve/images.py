"""From candidates in reduced coordinates to images: which scale, and what the box says about it.

In a homogeneous network the scale of a candidate trades against its lambda, and without biases the weights say
nothing about it at all. The box does: an image spreads over the range of its pixels, and none lie outside. Two
rescalings cover what images are like, and every candidate is given in both: as large as fits the box and left as
it is, for images of many shades; and larger, with what overshoots cut off, for images with a saturated
background. Where a gradient with biases fixes the scale, a candidate is also given as it is, and what noise the
gradient had is taken out of that by total variation (Rudin, Osher and Fatemi 1992), as Geiping et al. 2020 do.
All are fixed in advance; which one is nearer to the truth is not looked at.

Rows of a table have no bounds, neighbours or background: their box is what is usual, so nothing is cut off. They
are read as large as fits it, and as they are where the scale is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle
from torch import Tensor

from audit.equation.candidates import Candidates, merge_near_duplicates
from audit.equation.row_space import RowSpace
from audit.solve.constraints import Box

FITTED, CLIPPED = 0.003, 0.1
"""Share of an image's energy outside the box in these two."""
_PER_NOISE = 0.1
"""Weight of total variation, in ranges of a pixel, for noise relative to the gradient: with .1, .5 and 2 standard
deviations of noise on MNIST, weights of .02, .05 and .1 were best, for noise of .1, .44 and .89 of the whole."""
_LEAST_NOISE = 0.01


@dataclass(frozen=True, eq=False)
class Rescalings:
    """How lifted candidates become images."""

    box: Box
    """Range of inputs."""
    own_scale: bool = False
    """Whether candidates have a scale of their own."""
    variation: float = 0.0
    """Weight of total variation in what has; 0 for none."""
    shape: tuple[int, ...] | None = None
    """(c, h, w) of images, (d,) of rows of a table; None if unknown, which is taken for images."""

    @property
    def note(self) -> str | None:
        """What a reader should know."""
        return f"total variation of weight {self.variation:.1g} in one rescaling" if self.variation else None

    def __call__(self, lifted: Tensor) -> Tensor:
        """All rescalings of (M, d) normalised images, at any scale: (k M, d)."""
        box = self.box
        if _are_rows(self.shape):
            fitted = box.scale_to_fit(lifted, FITTED)
            return torch.cat([fitted, lifted]) if self.own_scale else fitted
        found = [
            box.scale_to_fit(lifted, FITTED),
            box.scale_to_fit(lifted, CLIPPED).clamp(box.low, box.high),
        ]
        if self.own_scale:
            found.append(lifted.clamp(box.low, box.high))
        if self.own_scale and self.variation and self.shape is not None:
            found.append(self._denoised(found[-1], self.shape))
        return torch.cat(found)

    def _denoised(self, images: Tensor, shape: tuple[int, ...]) -> Tensor:
        low, span = self.box.low, self.box.high - self.box.low
        pixels = ((images - low) / span).cpu().numpy().reshape(-1, *shape)
        smooth = [denoise_tv_chambolle(image, weight=self.variation, channel_axis=0) for image in pixels]
        flat = np.asarray(smooth, dtype=np.float32).reshape(len(images), len(low))
        return low + span * torch.from_numpy(flat).to(images)


def choose_rescalings(
    box: Box, space: RowSpace, *, own_scale: bool, shape: tuple[int, ...] | None
) -> Rescalings:
    """Choose rescalings from what is known of scale and noise."""
    noisy = own_scale and shape is not None and not _are_rows(shape) and space.noise > _LEAST_NOISE
    return Rescalings(box, own_scale, _PER_NOISE * space.noise if noisy else 0.0, shape)


def images(
    candidates: Candidates, space: RowSpace, rescale: Rescalings, *, both_signs: bool = False
) -> Tensor:
    """All rescalings of all candidates.

    Parameters
    ----------
    candidates:
        From R restarts, inputs (R, m, r).
    space:
        The way back to d dimensions.
    rescale:
        Makes them.
    both_signs:
        Whether the negative of a candidate may be the sample as well.

    Returns
    -------
    Tensor
        (k M, d) normalised inputs, M <= R m after merging near-duplicates (twice that with both signs): M in one
        rescaling, then M in the next.
    """
    lifted = space.lift(merge_near_duplicates(_alive(candidates.flatten())).inputs)
    return rescale(torch.cat([lifted, -lifted]) if both_signs else lifted)


def _are_rows(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 1


def _alive(candidates: Candidates) -> Candidates:
    """Leave out candidates whose lambda vanished: the equation does not see them, and they stay where they were."""
    alive = (candidates.weights != 0).any(-1)
    labels = None if candidates.labels is None else candidates.labels[alive]
    if not alive.any():
        return candidates
    return Candidates(candidates.inputs[alive], candidates.weights[alive], labels)
