"""From candidates in reduced coordinates to images: which scale, and what the box says about it.

In a homogeneous network the scale of a candidate trades against its lambda, and without biases the weights say
nothing about it at all. The box does: an image spreads over the range of its pixels, and none lie outside. Two
readings cover what images are like, and every candidate is given in both: as large as fits the box and left as
it is, for images of many shades; and larger, with what overshoots cut off, for images with a saturated
background. Both are fixed in advance; which one is nearer to the truth is not looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from audit.candidates import Candidates, merge_near_duplicates
from audit.reduction import RowSpace
from audit.solve.constraints import Box

FITTED, CLIPPED = 0.003, 0.1
"""Share of an image's energy outside the box in the two readings."""


def images(candidates: Candidates, space: RowSpace, box: Box, *, both_signs: bool = False) -> Tensor:
    """Both readings of all candidates.

    Parameters
    ----------
    candidates:
        From R restarts, inputs (R, m, r).
    space:
        The way back to d dimensions.
    box:
        Range of inputs.
    both_signs:
        Whether the negative of a candidate may be the sample as well.

    Returns
    -------
    Tensor
        (2 M, d) in network units, M <= R m after merging near-duplicates (twice that with both signs): M fitted
        ones, then M clipped ones.
    """
    lifted = space.lift(merge_near_duplicates(_alive(candidates.pooled())).inputs)
    return readings(torch.cat([lifted, -lifted]) if both_signs else lifted, box)


def _alive(candidates: Candidates) -> Candidates:
    """Leave out candidates whose lambda vanished: the equation does not see them, and they stay where they were."""
    alive = (candidates.weights != 0).any(-1)
    labels = None if candidates.labels is None else candidates.labels[alive]
    if not alive.any():
        return candidates
    return Candidates(candidates.inputs[alive], candidates.weights[alive], labels)


def readings(lifted: Tensor, box: Box) -> Tensor:
    """Both readings of (M, d) images in network units, at any scale: (2 M, d)."""
    clipped = box.scale_to_fit(lifted, CLIPPED).clamp(box.low, box.high)
    return torch.cat([box.scale_to_fit(lifted, FITTED), clipped])
