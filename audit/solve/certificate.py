"""How nearly a solution is stationary, to second order: where an attack stopped, as figures."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from audit.equation.candidates import Candidates
from audit.solve.base import Problem
from audit.solve.curvature import extreme_eigenpairs, splitting_product
from audit.solve.descent import Descent, fit_scales, weight_unit


@dataclass(frozen=True)
class Certificate:
    """First and second order, both as changes of the relative loss."""

    gradient: float
    """Largest absolute derivative of what is minimised, box included: for a step of one candidate by a typical
    image's norm, or of one lambda by its typical size. At lambda = 0 only derivatives that lead upwards from there
    count."""
    eigenvalue: float
    """Lowest curvature of any split, for children as far from their parent. Below 0, a split leads down."""


def certificate(problem: Problem, candidates: Candidates, generator: torch.Generator) -> Certificate:
    """Measure where one restart stopped, at the last sharpness of a descent.

    Parameters
    ----------
    problem:
        What was solved.
    candidates:
        (1, m, ...) of one restart.
    generator:
        Of Lanczos' first vectors.
    """
    objective, sharpness = fit_scales(problem), Descent.sharpness[1]
    length = problem.box.typical_norm
    unit = weight_unit(problem, objective, len(candidates))
    inputs = candidates.inputs.detach().requires_grad_()
    weights = candidates.weights.detach().requires_grad_()
    free = Candidates(inputs, weights, candidates.labels)
    loss = objective.relative_loss(free, sharpness).sum()
    by_inputs, by_weights = torch.autograd.grad(loss, (inputs, weights))
    by_inputs = by_inputs + Descent.box_weight * problem.box.gradient(inputs.detach())
    if objective.non_negative:
        by_weights = torch.where(weights > 0, by_weights, by_weights.clamp_max(0))
    gradient = torch.maximum(length * by_inputs.abs().max(), unit * by_weights.abs().max())

    product = splitting_product(objective, free, sharpness)
    low, high = extreme_eigenpairs(product, inputs.detach(), generator)
    lowest = low.values if objective.non_negative else torch.minimum(low.values, -high.values / 2)
    # As tensors: NaN where the target is zero.
    return Certificate(float(gradient), float(length**2 * lowest.min() / objective.target_norm**2))
