"""Samples of a batch one at a time: inputs whose derivatives lie in the span of the first layer's gradient.

Derivatives delta(x, e) of an input x and derivatives e at the outputs are in the column space of the first block if
the batch holds this sample, whatever the others are and however small its loss was. So

    || (1 - U U^T) delta(x, e) ||^2 / || delta(x, e) ||^2

is zero at every sample of the batch, and there is no sum over samples to untangle. (For tokens, which can be tried
one by one, this is the span check of Petrov et al. 2024, arXiv 2405.15586; of sensors MUSIC, Schmidt 1986.)
These h equations for b + c unknowns are solved by the method of Levenberg and Marquardt, from many starts at once;
a ReLU is smoothed first, and sharpened on the way.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jacfwd, vmap

from audit.budget import Budget
from audit.solve.first_layer import FirstLayer

_MOST_STARTS = 64
"""Starts at once: more find more samples a round, which takes longer."""
_FEWEST_STARTS = 8
"""The same at least, however large their Jacobians."""
_ENTRIES = 2**22
"""Of all starts' Jacobians, about: memory is a few times that."""
_DAMPING = 1e-2
"""Of the first step, relative to the mean curvature."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e6
"""Its bounds: at the lower one a step is nearly that of Gauss and Newton, at the upper one it hardly moves."""
_RIDGE = 1e-18
"""Added to all curvatures: where all vanish, the system is still regular."""

Schedule = Sequence[tuple[float | None, int]]
"""(sharpness, steps) one after the other."""


def starts(layer: FirstLayer, generator: torch.Generator) -> Tensor:
    """Random unknowns (n, b + c)."""
    unknowns = layer.samples + layer.network.outputs
    count = max(_FEWEST_STARTS, min(_MOST_STARTS, _ENTRIES // (len(layer.left) * unknowns)))
    return torch.randn(count, unknowns, generator=generator, dtype=torch.float64).to(layer.left)


def descent(layer: FirstLayer, unknowns: Tensor, schedule: Schedule, budget: Budget) -> tuple[Tensor, int]:
    """Unknowns (n, b + c) after a schedule, or as much of it as the budget allows, and the steps taken."""
    taken = 0
    with warnings.catch_warnings():
        # torch.func makes torch warn of torch.jit, at its first use.
        warnings.simplefilter("ignore", FutureWarning)
        for sharpness, most in schedule:
            unknowns, steps = _descent(layer, unknowns, sharpness, most, budget)
            taken += steps
    return unknowns, taken


def squares(layer: FirstLayer, unknowns: Tensor, sharpness: float | None) -> Tensor:
    """What is minimised, (n,), of unknowns (n, b + c)."""
    return vmap(lambda one: layer.outside(one, sharpness).square().sum())(unknowns)


def _descent(
    layer: FirstLayer, unknowns: Tensor, sharpness: float | None, most: int, budget: Budget
) -> tuple[Tensor, int]:
    def residual_of(one: Tensor) -> Tensor:
        return layer.outside(one, sharpness)

    outside, jacobian = vmap(residual_of), vmap(jacfwd(residual_of))
    identity = torch.eye(unknowns.shape[1]).to(unknowns)
    damping = torch.full((len(unknowns), 1, 1), _DAMPING).to(unknowns)
    residual = outside(unknowns)
    taken = 0
    while taken < most and budget.left > 0:
        # The length of e is open: derivatives are compared at unit length.
        inputs, at_outputs = unknowns[:, : layer.samples], unknowns[:, layer.samples :]
        unknowns = torch.cat([inputs, at_outputs / at_outputs.norm(dim=1, keepdim=True)], 1)
        derivatives = jacobian(unknowns)
        curvature = derivatives.mT @ derivatives
        mean = curvature.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        damped = curvature + (damping * mean + _RIDGE) * identity
        step, _ = torch.linalg.solve_ex(damped, -derivatives.mT @ residual[:, :, None])
        moved = unknowns + step[:, :, 0]
        there = outside(moved)
        lower = (there.square().sum(1) < residual.square().sum(1))[:, None]
        unknowns, residual = torch.where(lower, moved, unknowns), torch.where(lower, there, residual)
        damping = torch.where(lower[:, :, None], damping / 3, damping * 4).clamp(
            _LEAST_DAMPING, _MOST_DAMPING
        )
        taken += 1
    return unknowns, taken
