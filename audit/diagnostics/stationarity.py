"""How far the weights are from what an attack supposes, measured at the true members.

    min over lambda   || tau - sum_i sum_a sum_k lambda_iak grad_theta h_k(theta_a; x_i) ||^2 / ||tau||^2

with the members x_i fixed (audit/docs/methods.md, equation (20)): the regime in which the attack can work has
small values, and lambda_i says how much the weights lean on member i. It needs no attack, but the members.

The gradient of a scalar with respect to the weights of a layer is the outer product of its derivative delta at the
pre-activations and of what enters the layer, z. Inner products of gradients are therefore
sum_layers (delta_i . delta_j) (z_i . z_j + 1 with a bias), and the gradients themselves, (n a k, p), are never
formed. Up to a few thousand unknowns their matrix is solved in float64. Beyond, the least squares are minimised
step by step (L-BFGS-B, Byrd et al. 1995), each step being one pass through the network and back for all members
(`GradientMap`), in the precision of the network; gradients of one member are made orthonormal first (for
lambda >= 0 only scaled to unit length), so that a few dozen steps do. All on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf
from scipy.optimize import minimize, nnls
from torch import Tensor

from audit.budget import Budget
from audit.equation.gradient_map import GradientMap
from audit.equation.objective import Objective
from audit.model.parameters import Parameters

MOST_UNKNOWNS = 5000
"""Memory grows with the square of the unknowns (here 1 GB), time with the third power (here 4 s)."""
MOST_NON_NEGATIVE = 2000
"""Likewise for lambda >= 0, which takes one thread and more steps; for both, where a budget allows steps."""
_SECONDS_OF_MOST = 4.0
"""What so many take with lambda >= 0; such a fit cannot be interrupted."""
_NO_TIME = 500
"""Unknowns whose exact solution takes a moment, and is found without regard to the time left."""
RIDGE = 1e-12
"""Part of the trace of the Gram matrix below which eigenvalues and pivots are rounding errors."""

STEPS = 200
"""At most; the fit ends where a step lowers the relative residual by less than `PROGRESS`."""
PROGRESS = 2e-6
_DEPENDENT = 1e-6
"""Part of the squared lengths of a member's gradients below which what sets them apart is rounding error."""

_Layer = tuple[Tensor, Tensor]
"""What enters a layer, (n, inputs), and the derivatives of the readout at its pre-activations, (n, k, outputs)."""


@dataclass(frozen=True, eq=False)
class Stationarity:
    """The best fit of the target by gradients at the members."""

    residual: float
    """Squared norm of what is left, over that of the target: 0 at stationarity, 1 when nothing fits."""
    weights: NDArray[np.float64]
    """(n, a * k), lambda in the layout of `Candidates.weights`; equal members share theirs equally."""
    rank: int | None
    """Numerical rank of the gradients; below `unknowns`, lambda is not unique. None when found step by step."""
    unknowns: int
    """n * a * k."""
    lengths: NDArray[np.float64]
    """(n,), norm of every member's part of the sum, over that of the target: how much it accounts for."""
    steps: int | None = None
    """Taken, when found step by step; None for the exact solution."""
    converged: bool = True
    """False when time or `STEPS` ended the fit: the residual is then an upper bound."""


def stationarity(
    objective: Objective,
    members: Tensor,
    labels: Tensor | None,
    budget: Budget | None = None,
    factors: Tensor | None = None,
) -> Stationarity | None:
    """Fit the target by gradients at the members, with lambda >= 0 where the objective asks for it.

    Parameters
    ----------
    objective:
        For normalised inputs, not reduced.
    members:
        (n, d) as normalised inputs.
    labels:
        (n,) labels, or None where the readout needs none.
    budget:
        For unknowns whose exact solution would take too long (above MOST_NON_NEGATIVE, or with lambda >= 0 for the
        time left), which are then found step by step. None if only the exact solution will do.
    factors:
        (h,) for the gradients of the first layer's units, as in `GradientMap`; the target has them already.

    Returns
    -------
    Stationarity | None
        None if not measured: without members, for a target of zeros, where the solver gives up; and, without a
        budget, above MOST_UNKNOWNS or MOST_NON_NEGATIVE.
    """
    with torch.no_grad():
        some = None if labels is None else labels[:1]
        scalars = objective.readout(objective.points[0].forward(members[:1]), some).shape[-1]
    shape = (len(members), len(objective.points) * scalars)
    unknowns = shape[0] * shape[1]
    most = MOST_NON_NEGATIVE if objective.non_negative or budget is not None else MOST_UNKNOWNS
    if unknowns == 0 or objective.target_norm == 0.0:
        return None
    if objective.non_negative and budget is not None:
        part = min(1.0, budget.left / _SECONDS_OF_MOST)
        most = min(most, max(int(MOST_NON_NEGATIVE * part ** (1 / 3)), _NO_TIME))
    if unknowns > most:
        return None if budget is None else _step_by_step(objective, members, labels, budget, factors)
    objective, members = _on_cpu(objective, torch.float64), members.detach().to("cpu", torch.float64)
    gradients = GradientMap.of(objective, members, None if labels is None else labels.cpu(), factors)
    parts = gradients.parts()
    products, gram = _products(parts, objective.target), _gram(parts, objective.target.biases)
    own = _own(gram, len(members))
    try:
        solution, rank = _solve(gram, products, objective.non_negative)
    except RuntimeError:  # nnls gave up
        return None
    weights = solution.reshape(shape)
    rest = objective.target - gradients.combine(weights)
    residual = sum(float(part.square().sum()) for part in rest.tensors) / objective.target_norm**2
    lengths = _lengths(weights, own, objective.target_norm)
    return Stationarity(min(residual, 1.0), weights.numpy(), rank, unknowns, lengths)


def _on_cpu(objective: Objective, dtype: torch.dtype) -> Objective:
    def move(parameters: Parameters) -> Parameters:
        return parameters.map(lambda tensor: tensor.detach().to("cpu", dtype))

    points = tuple(point.at(move(point.parameters)) for point in objective.points)
    return replace(objective, target=move(objective.target), points=points)


def _gram(gradients: Sequence[list[_Layer]], biases: Sequence[Tensor | None]) -> Tensor:
    """Inner products of all gradients, (n a k, n a k)."""
    n, k, _ = gradients[0][0][1].shape
    total = torch.zeros(n, len(gradients), k, n, len(gradients), k, dtype=torch.float64)
    for row, left in enumerate(gradients):
        for column, right in enumerate(gradients):
            for (z, delta), (other_z, other_delta), bias in zip(left, right, biases, strict=True):
                kernel = (delta.flatten(0, 1) @ other_delta.flatten(0, 1).T).view(n, k, n, k)
                kernel *= (z @ other_z.T + float(bias is not None))[:, None, :, None]
                total[:, row, :, :, column, :] += kernel
    return total.view(n * len(gradients) * k, -1)


def _products(gradients: Sequence[list[_Layer]], target: Parameters) -> Tensor:
    """Inner products of all gradients with the target, (n a k,)."""
    parts = []
    for layers in gradients:
        part = torch.zeros(layers[0][1].shape[:2], dtype=torch.float64)
        for (z, delta), weight, bias in zip(layers, target.weights, target.biases, strict=True):
            image = z @ weight.T if bias is None else z @ weight.T + bias
            part += (delta * image[:, None, :]).sum(-1)
        parts.append(part)
    return torch.stack(parts, dim=1).flatten()


def _solve(gram: Tensor, products: Tensor, non_negative: bool) -> tuple[Tensor, int]:
    """Least squares from inner products (overwritten), and the numerical rank.

    Gradients are scaled to unit length, so that RIDGE means the same for all. It makes the solution unique also
    where gradients depend on each other, and close to the one of least norm.
    """
    lengths = gram.diagonal().sqrt()
    lengths[lengths == 0] = 1.0
    gram /= lengths
    gram /= lengths[:, None]
    products = products / lengths
    ridge = RIDGE * len(gram)
    _, _, rank, _ = dpstrf(gram.numpy().T, tol=ridge)
    gram.diagonal().add_(ridge)
    root = torch.linalg.cholesky(gram)
    if non_negative:
        sides = torch.linalg.solve_triangular(root, products[:, None], upper=False)
        solution = torch.from_numpy(nnls(root.T.numpy(), sides[:, 0].numpy())[0])
    else:
        solution = torch.cholesky_solve(products[:, None], root)[:, 0]
    return solution / lengths, int(rank)


def _own(gram: Tensor, members: int) -> Tensor:
    """Inner products among the gradients of each member, (n, a k, a k), from those of all."""
    blocks = gram.view(members, len(gram) // members, members, -1)
    return blocks.diagonal(dim1=0, dim2=2).permute(2, 0, 1).clone()


def _lengths(weights: Tensor, own: Tensor, norm: float) -> NDArray[np.float64]:
    squares = torch.einsum("ni,nij,nj->n", weights, own, weights)
    return np.asarray(squares.clamp_min(0).sqrt().numpy() / norm)


def _step_by_step(
    objective: Objective, members: Tensor, labels: Tensor | None, budget: Budget, factors: Tensor | None
) -> Stationarity:
    """Least squares without a matrix, from lambda = 0 until steps gain nothing or the time is up."""
    objective = _on_cpu(objective, objective.target.weights[0].dtype)
    labels, members = None if labels is None else labels.cpu(), members.detach().cpu()
    gradients, norm = GradientMap.of(objective, members, labels, factors), objective.target_norm
    own, target = gradients.own_products(), objective.target.map(torch.Tensor.double)
    roots = _roots(own, objective.non_negative)

    def weights(unknowns: NDArray[np.float64]) -> Tensor:
        columns = torch.from_numpy(unknowns).view(*own.shape[:2], 1)
        solution: Tensor = torch.linalg.solve_triangular(roots.mT, columns, upper=True)
        return norm * solution.squeeze(-1)

    def loss(unknowns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        rest = (gradients.combine(weights(unknowns)) - target).map(lambda tensor: tensor / norm)
        derivatives = torch.linalg.solve_triangular(roots, gradients.along(rest).unsqueeze(-1), upper=False)
        return sum(float(part.square().sum()) for part in rest.tensors), 2 * derivatives.flatten().numpy()

    def ends(intermediate_result: object) -> None:
        if budget.left <= 0:
            raise StopIteration

    start = np.zeros(own.shape[0] * own.shape[1])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * len(start) if objective.non_negative else None,
        callback=ends,
        options={"maxiter": STEPS, "ftol": PROGRESS, "gtol": 0.0, "maxcor": 20},
    )
    solution = weights(found.x)
    lengths = _lengths(solution, own, norm)
    residual = min(float(found.fun), 1.0)
    steps, converged = int(found.nit), bool(found.success)
    return Stationarity(residual, solution.numpy(), None, len(start), lengths, steps, converged)


def _roots(own: Tensor, diagonal: bool) -> Tensor:
    """Lower triangular L with L L^T nearly `own` (n, c, c), or its diagonal; the identity for gradients of zero."""
    sizes = own.diagonal(dim1=1, dim2=2)
    floor = _DEPENDENT * sizes.sum(1, keepdim=True)
    sizes = torch.where(floor > 0, sizes + floor, 1.0)
    if diagonal:
        return sizes.sqrt().diag_embed()
    roots: Tensor = torch.linalg.cholesky(own.diagonal_scatter(sizes, dim1=1, dim2=2))
    return roots
