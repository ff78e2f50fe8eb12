"""Samples from the symmetric tensors T_c = sum_i lambda_ic x_i^{(x) n} of a polynomial network, in closed form.

Where the equations for T have one solution (`audit.equation.identifiability`) and the samples are independent,
they are what diagonalises all contractions of T at once (Jennrich's algorithm; Leurgans, Ross and Abel 1993). A few
steps of least squares on the equations themselves then take out what rounding and noise did on the way. A first
layer without a bias leaves the length of a sample open, and its sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares
from torch import Tensor

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.identifiability import TensorSystem, tensor_system
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.first_layer import in_double
from audit.solve.jennrich import components

Vector = NDArray[np.float64]

_DRAWS = 16
"""Draws of Jennrich's algorithm, of which the one that diagonalises all contractions best is kept."""
_PER_DIRECTION = 4
"""Random contractions per direction of the row space."""
_STEPS = 60
"""Of least squares, at most: each is quadratic near its end."""
_FALL = 1e-6
"""Part of the sum of squares that a step must still take off."""
_ABSENT = 1e-9
"""Part of the largest singular value of T below which a direction is not in it, without noise."""
_PRESENT = 0.3
"""The same at most: a direction above it is in T, whatever the noise."""
_SOLVED = 1e-6
"""Relative loss of a solution: a thousandth of the target's norm is left."""


@dataclass(frozen=True)
class TensorDecomposition:
    """Solve an equation that is determined by the tensors its samples make."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Solve for T, decompose it, refine.

        Returns
        -------
        Solution
            One restart of as many candidates as T has directions; none, at relative loss 1, where it is not
            determined.
        """
        system = tensor_system(problem.objective)
        tensor, analysis = system.solve()
        said = analysis.sentence("the equations")
        if analysis.undetermined:
            return _solution(_nothing(problem), 1.0, Status.EXHAUSTED, 1, said)
        points = torch.randn(
            _PER_DIRECTION * system.monomials.variables, system.monomials.variables, generator=generator
        ).double()
        contractions = torch.cat([system.monomials.curvatures(points, part) for part in tensor])
        # Errors are spread over all directions: with the whole of them, those of samples were dropped.
        noise = analysis.error / system.monomials.variables
        directions = diagonalise(contractions, min(max(_ABSENT, noise), _PRESENT), generator)
        inputs, weights, steps = refine(system, directions, tensor)
        candidates = _candidates(problem, system, inputs, weights)
        with torch.no_grad():
            loss = float(in_double(problem.objective).relative_loss(candidates))
        watch(steps, loss)
        status = Status.SOLVED if loss < _SOLVED else Status.FINISHED
        like = problem.objective.target.weights[0]
        found = Candidates(candidates.inputs.to(like), candidates.weights.to(like), None)
        return _solution(found, loss, status, steps, said)


def diagonalise(matrices: Tensor, absent: float, generator: torch.Generator) -> Tensor:
    """Directions x_i for which every matrix is sum_i d_i x_i x_i^T, d_i its own.

    Parameters
    ----------
    matrices:
        (s, r, r), symmetric.
    absent:
        Part of the largest singular value below which a direction is in none of them.
    generator:
        Of the mixtures of matrices that are compared.

    Returns
    -------
    Tensor
        (n, r) of unit length, n <= r independent ones, in no order and of either sign.
    """
    left, values, _ = torch.linalg.svd(torch.cat(list(matrices), 1), full_matrices=False)
    span = left[:, values > absent * values[0]]
    inner = span.T @ matrices @ span
    best, least = torch.eye(len(inner[0])).to(inner), math.inf
    for _ in range(_DRAWS):
        vectors = components(inner, generator)
        inverse, singular = torch.linalg.inv_ex(vectors)
        if int(singular):
            continue
        diagonal = inverse @ inner @ inverse.T
        rest = diagonal - torch.diag_embed(diagonal.diagonal(dim1=1, dim2=2))
        if (off := float((vectors @ rest @ vectors.T).norm())) < least:
            best, least = vectors, off
    found: Tensor = (span @ best).T
    return found


def refine(system: TensorSystem, directions: Tensor, tensor: Tensor) -> tuple[Tensor, Tensor, int]:
    """Inputs (n, r) and lambda (n, c) that solve the equations best, near `directions`, and evaluations taken.

    The equations leave the scale of each input open; that its length be 1 makes the steps well determined.
    """
    monomials, count = system.monomials, len(directions)
    weights = torch.linalg.lstsq(monomials.features(directions).T, tensor.T).solution
    unit = float(system.right.norm())

    def parts(flat: Vector) -> tuple[Tensor, Tensor]:
        both = torch.from_numpy(flat).view(count, -1)
        return both[:, : directions.shape[1]], both[:, directions.shape[1] :]

    def residual(flat: Vector) -> Vector:
        inputs, weights = parts(flat)
        made = weights.T @ monomials.features(inputs)
        gaps = (system.matrix @ made.flatten() - system.right) / unit
        return _array(torch.cat([gaps, inputs.square().sum(1) - 1]))

    def jacobian(flat: Vector) -> Vector:
        inputs, weights = parts(flat)
        outputs = torch.eye(system.outputs).to(inputs)
        by_input = torch.einsum("jc,jrn->cnjr", weights, monomials.derivatives(inputs))
        by_weight = torch.einsum("jn,ce->cnje", monomials.features(inputs), outputs)
        made = torch.cat([by_input, by_weight], 3).flatten(2).flatten(0, 1)
        lengths = torch.zeros(count, count, made.shape[1] // count).to(made)
        lengths[range(count), range(count), : inputs.shape[1]] = 2 * inputs
        return _array(torch.cat([system.matrix @ made / unit, lengths.flatten(1)]))

    start = _array(torch.cat([directions, weights], 1).flatten())
    found = least_squares(residual, start, jac=jacobian, x_scale="jac", max_nfev=_STEPS, ftol=_FALL)
    inputs, weights = parts(found.x)
    return inputs, weights, int(found.nfev)


def _array(values: Tensor) -> Vector:
    return np.asarray(values.numpy(), dtype=np.float64)


def _candidates(problem: Problem, system: TensorSystem, inputs: Tensor, weights: Tensor) -> Candidates:
    """Back to reduced coordinates, at the true scale if there is a bias, else at that of a typical image."""
    inputs = inputs @ system.basis.T
    if problem.objective.points[0].biases[0] is None:
        scale = inputs.norm(dim=1, keepdim=True) / problem.box.typical_norm
    else:
        inputs, scale = inputs[:, :-1], inputs[:, -1:]
    return Candidates((inputs / scale)[None], (weights * scale**system.monomials.degree)[None], None)


def _nothing(problem: Problem) -> Candidates:
    like, outputs = problem.objective.target.weights[0], problem.objective.points[0].outputs
    return Candidates(like.new_zeros(1, 0, problem.rank), like.new_zeros(1, 0, outputs), None)


def _solution(found: Candidates, loss: float, status: Status, steps: int, note: str) -> Solution:
    return Solution(found, torch.tensor([loss]), status, steps, ((steps, loss),), note=note)
