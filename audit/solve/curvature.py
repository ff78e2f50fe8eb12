"""The curvature that splitting a candidate opens (Shen et al. 2026, arXiv 2602.08723).

With the residual r held fixed, the splitting matrix of candidate j is (audit/docs/methods.md, equation (17))

    S_j = -2 Hessian_x < r, sum_a lambda_ja grad_theta h(theta_a; x_j) >        (r, r), symmetric.

Replacing (x_j, lambda_j) by (x_j + e u, lambda_j / 2) and (x_j - e u, lambda_j / 2) changes the squared residual by
(e^2 / 2) u' S_j u + O(e^4), whatever the gradient: a negative eigenvalue is a way down that exists only after the
split. Where lambda may have either sign, (x_j - e u, -lambda_j) and (x_j - e u / 2, 2 lambda_j) change it by
-(e^2 / 4) u' S_j u + O(e^3): a positive eigenvalue is a way down too (Wu et al. 2020, arXiv 2003.10392).

< r, residual > is a sum over candidates, so one Hessian-vector product of it serves all candidates of all
restarts at once. Extreme eigenpairs come from Lanczos with full re-orthogonalisation, likewise for all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from audit.equation.candidates import Candidates
from audit.equation.objective import Objective

Product = Callable[[Tensor], Tensor]
"""u (..., m, r) -> S u (..., m, r), every candidate with its own matrix."""


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """One eigenpair of every matrix."""

    values: Tensor
    """(..., m); NaN where the matrix is not finite."""
    vectors: Tensor
    """(..., m, r), of unit length; neither they nor errors mean anything where the value is NaN."""
    errors: Tensor
    """(..., m) ||S u - value u||: some eigenvalue lies that close."""


def splitting_product(objective: Objective, candidates: Candidates, sharpness: float | None) -> Product:
    """Products with the splitting matrices, at the residual that candidates leave.

    Parameters
    ----------
    objective:
        The equation.
    candidates:
        inputs (..., m, r), weights (..., m, k).
    sharpness:
        Sharpness of the smooth activation. With ReLU itself (None) the matrices vanish almost everywhere.
    """
    inputs = candidates.inputs.detach().requires_grad_()
    fixed = replace(candidates, inputs=inputs, weights=candidates.weights.detach())
    with torch.enable_grad():
        residual = objective.residual(fixed, sharpness)
        (derivatives,) = torch.autograd.grad((residual.detach() * residual).sum(), inputs, create_graph=True)

    def product(directions: Tensor) -> Tensor:
        if not derivatives.requires_grad:  # linear in the inputs: no curvature
            return torch.zeros_like(inputs)
        (half,) = torch.autograd.grad(
            derivatives, inputs, directions, retain_graph=True, materialize_grads=True
        )
        return 2 * half

    return product


def extreme_eigenpairs(
    product: Product, like: Tensor, generator: torch.Generator, most: int = 16
) -> tuple[Eigenpairs, Eigenpairs]:
    """Lowest and highest eigenpairs of many symmetric matrices at once, by Lanczos.

    Parameters
    ----------
    product:
        One product with every matrix.
    like:
        (..., m, r): shape, type and device of its argument.
    generator:
        Of the first vectors.
    most:
        Products at most; r of them make the result exact.

    Returns
    -------
    tuple[Eigenpairs, Eigenpairs]
        Lowest, highest.
    """

    def fresh() -> Tensor:
        return functional.normalize(torch.randn(like.shape, generator=generator).to(like), dim=-1)

    basis = [fresh()]
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    steps = min(most, like.shape[-1])
    for step in range(steps):
        image = product(basis[-1])
        size = image.norm(dim=-1, keepdim=True)
        diagonal.append((image * basis[-1]).sum(-1))
        known = torch.stack(basis, dim=-2)
        image = _orthogonal(image, known)
        left = image.norm(dim=-1, keepdim=True)
        # What is left of an invariant subspace is rounding, and Lanczos goes on in a new direction.
        ended = (left <= 10 * torch.finfo(like.dtype).eps * size) & size.isfinite()
        beside.append(torch.where(ended, 0, left).squeeze(-1))
        if step + 1 < steps:
            # Not by `normalize`, which leaves vectors shorter than 1e-12 short.
            other = functional.normalize(_orthogonal(fresh(), known), dim=-1)
            basis.append(torch.where(ended, other, image / left))
    tridiagonal = torch.diag_embed(torch.stack(diagonal, dim=-1))
    if steps > 1:
        off = torch.stack(beside[:-1], dim=-1)
        tridiagonal = tridiagonal + torch.diag_embed(off, offset=1) + torch.diag_embed(off, offset=-1)
    finite = tridiagonal.isfinite().all(-1).all(-1)
    values, vectors = torch.linalg.eigh(tridiagonal.where(finite[..., None, None], 0))
    values = values.where(finite.unsqueeze(-1), torch.nan)
    known = torch.stack(basis, dim=-2)

    def pair(place: int) -> Eigenpairs:
        weights = vectors[..., place]
        errors = (beside[-1] * weights[..., -1]).abs()
        return Eigenpairs(values[..., place], (weights.unsqueeze(-2) @ known).squeeze(-2), errors)

    return pair(0), pair(-1)


def _orthogonal(vectors: Tensor, known: Tensor) -> Tensor:
    """Part of (..., r) that is orthogonal to orthonormal rows (..., k, r)."""
    for _ in range(2):  # once is not enough in float32, twice is (Parlett 1998, section 6.9)
        vectors = vectors - ((known @ vectors.unsqueeze(-1)).mT @ known).squeeze(-2)
    return vectors
