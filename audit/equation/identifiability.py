"""Polynomial networks of two layers: linear equations that may determine their data.

For f_c(x) = sum_k a_ck (v_k . x)^n with n >= 3, a sum of output gradients sum_i sum_c lambda_ic grad f_c(x_i) sees
the samples x_i through symmetric tensors of order n alone, one for every output, and linearly (Shen et al. 2026,
arXiv 2602.08723, Theorem 4.1, for the KKT conditions and one output):

    T_c = sum_i lambda_ic x_i^{(x) n},
    part of v_k:  n sum_c a_ck T_c(v_k, ..., v_k, .),      part of a_ck:  T_c(v_k, ..., v_k).

Wherever a target is such a sum, T is a solution of these equations, the only one if their rank is the number of
its entries. The theorem asks that the tensors v_k^{(x)(n-1)} span all symmetric ones, which is enough but takes
more neurons: h in general position give h r independent equations for one output in r dimensions, with few
exceptions (Alexander and Hirschowitz 1995). For independent samples T says what they are, see `audit.solve.tensor`.
All is done in the row space of the target's first layer; a bias there is one more coordinate, 1 for every sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audit.equation.monomials import Monomials
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace, first_layer_space, reduce
from audit.model.activations import activation
from audit.model.modality import Source
from audit.model.network import Network

LEAST_ORDER = 3
"""Matrices, of order 2, are sums of samples in many ways."""
MOST_UNKNOWNS = 1500
"""Entries of T that are solved for: time grows with their third power."""
_HOLDERS: dict[Source, str] = {"weights": "the weights", "change": "the change", "gradient": "the gradient"}
"""What holds the equations, as the subject of a sentence."""
_BLOCK = 4
"""Rows that are added to the triangle at once, in multiples of the unknowns."""


@dataclass(frozen=True)
class Identifiability:
    """What the linear equations say about T."""

    equations: int
    """How many."""
    unknowns: int
    """Entries of T, of all outputs: the rank needed."""
    rank: int
    """The rank found: singular values above rounding, and above what the residual does to the fit."""
    condition: float
    """Largest singular value over the smallest one that counts."""
    residual: float
    """Norm of what no T explains, over that of the target."""
    error: float
    """Expected error of T relative to its norm, if the residual is white noise. That of a change of weights is not:
    of 52 lazily trained networks the true one was at most this for 28, at most twice this for 48, at worst 2.4
    times (`tests/benchmarks/results/polynomials.md`)."""

    directions: int
    """Rank of the target's first layer, r."""
    order: int
    """Of T, n."""
    outputs: int
    """Number of tensors T_c."""

    @property
    def undetermined(self) -> int:
        """Dimension of the null space."""
        return self.unknowns - self.rank

    @property
    def telling(self) -> bool:
        """Whether few tensors of this size are sums of r inputs, so that to be one is a sign of being right.

        Two directions are too few for order 3: every tensor is such a sum there, whatever was mixed in it.
        """
        return self.unknowns > self.directions * (self.directions + self.outputs - 1)

    def sentence(self, what: str) -> str:
        """Say it, of the weights or whatever else holds the equations."""
        said = (
            f"rank {self.rank} of {self.unknowns} needed, condition {self.condition:.2g}, "
            f"residual {self.residual:.2g}"
        )
        if self.undetermined:
            count = _directions(self.undetermined)
            return f"{what} {_leave(what)} {count} of the data's tensor undetermined ({said})"
        return f"the data's tensor is determined ({said}, expected error {self.error:.2g})"


@dataclass(frozen=True, eq=False)
class TensorSystem:
    """The equations for T, in float64 on the CPU, as a triangle: ||matrix t - right||^2 plus a constant."""

    monomials: Monomials
    """Of the order of T, in as many variables as there are coordinates."""
    outputs: int
    """Number of tensors."""
    basis: Tensor
    """(r', r) coordinates: samples are `basis` times r of them, in r' reduced ones, that of the bias last."""
    matrix: Tensor
    """(u, u), of unknowns u = outputs * N, output by output."""
    right: Tensor
    """(u,)"""
    outside: float
    """Norm of the part of the target that no t explains."""
    equations: int
    """How many there were."""
    rounding: float
    """Singular values below it, relative to the largest, are rounding errors."""

    @property
    def norm(self) -> float:
        """Of the target."""
        return math.hypot(float(self.right.norm()), self.outside)

    @property
    def residual(self) -> float:
        """Norm of what no t explains, over that of the target."""
        return self.outside / self.norm if self.norm else 0.0

    def solve(self) -> tuple[Tensor, Identifiability]:
        """Solve for T by least squares, the shortest one in case of several, and say how far it is determined.

        Returns
        -------
        tuple[Tensor, Identifiability]
            Coefficients (outputs, N), and the analysis.
        """
        left, values, right = torch.linalg.svd(self.matrix)
        along, unknowns = left.T @ self.right, len(values)
        # White noise of this size adds as much to every singular direction of the right side.
        noise = self.residual / math.sqrt(max(self.equations - unknowns, 1))
        floor = float(values[0]) * max(self.rounding, noise * math.sqrt(unknowns))
        rank = int((values > floor).sum())
        along, values, right = along[:rank], values[:rank], right[:rank]
        tensor = right.T @ (along / values)
        size = float(tensor.norm())
        analysis = Identifiability(
            equations=self.equations,
            unknowns=unknowns,
            rank=rank,
            condition=float(values[0] / values[-1]) if rank else math.inf,
            residual=self.residual,
            directions=self.monomials.variables,
            order=self.monomials.degree,
            outputs=self.outputs,
            error=noise * self.norm * float(values.reciprocal().norm()) / size if rank else math.inf,
        )
        return tensor.view(self.outputs, -1), analysis


@dataclass(frozen=True)
class Unsolvable:
    """Why equations for T are not solved."""

    reason: str
    """For a reader."""
    unexplained: float = math.inf
    """As for `Analysed`, of which any is better."""


@dataclass(frozen=True, eq=False)
class Analysed:
    """Equations for T that were solved."""

    analysis: Identifiability
    """What they say about T."""
    space: RowSpace
    """Of the target's first layer."""

    @property
    def unexplained(self) -> float:
        """Norm of what no T explains, over that of the target."""
        return self.analysis.residual


def explain_undetermined(found: Identifiability, source: Source, *, telling: bool = False) -> str | None:
    """Say why the samples cannot be read off tensors of the data; None if they can.

    Parameters
    ----------
    found:
        What `analyse` returned.
    source:
        Holds the equations.
    telling:
        Whether to ask that a tensor of this size is no sum of samples by chance. Trained neurons gather in few
        directions, fewer than there are samples.
    """
    what = _HOLDERS[source]
    if found.undetermined:
        return found.sentence(what)
    if telling and not found.telling:
        rank = found.directions
        return (
            f"{what} hold rank {rank} only, where every tensor of order {found.order} is a sum of {rank} inputs: "
            f"they leave open which samples are mixed in them"
        )
    return None


def analyse(objective: Objective) -> Analysed | Unsolvable:
    """Count what the equations determine.

    Parameters
    ----------
    objective:
        Of normalised inputs, with one linearisation point and the readout `every_output`.

    Returns
    -------
    Analysed | Unsolvable
        The latter for another kind of network, for a target in which nothing stands out of noise, and for a tensor
        of more than `MOST_UNKNOWNS` entries: how many directions of it stay open at least, where that can be
        counted.
    """
    what = _HOLDERS[objective.source]
    if (reason := _explain_unfit(objective, what)) is not None:
        return Unsolvable(reason)
    space = first_layer_space(objective)
    if not space.signals:
        return Unsolvable(f"nothing in the first layer of {what} stands out of noise")
    reduced = reduce(objective, space)
    if (reason := _explain_too_large(reduced, what)) is not None:
        return Unsolvable(reason)
    return Analysed(tensor_system(reduced).solve()[1], space)


def _explain_unfit(objective: Objective, what: str) -> str | None:
    """Why a network or its target has no tensor at all, or None."""
    point = objective.points[0]
    if not point.activation.startswith("polynomial") or order(point) < LEAST_ORDER:
        return f"needs the activation x^k with k of {LEAST_ORDER} or more; here it is {point.activation}"
    if len(point.weights) != 2:
        return f"its theory is of networks of two layers; this one has {len(point.weights)}"
    if not all(
        bool(tensor.isfinite().all()) for tensor in (*objective.target.tensors, *point.parameters.tensors)
    ):
        return f"not all values of {what} are finite"
    if not objective.target.weights[0].any():
        return "the target is zero in the first layer: it holds nothing of the inputs"
    return None


def _explain_too_large(objective: Objective, what: str) -> str | None:
    """Words for a tensor of too many entries, in the row space."""
    point = objective.points[0]
    directions, units = _coordinates(objective)[0].shape[1], len(point.weights[0])
    unknowns = point.outputs * len(Monomials(directions, order(point)))
    if unknowns <= MOST_UNKNOWNS:
        return None
    outputs = f"{point.outputs} output{'s' if point.outputs > 1 else ''}"
    size = f"{unknowns} entries (rank {directions}, order {order(point)}, {outputs})"
    # A neuron's part times the neuron is n times what its last weights say: one of its equations follows.
    independent = units * (directions + point.outputs - 1)
    if unknowns > independent:
        return (
            f"{what} {_leave(what)} at least {_directions(unknowns - independent)} of the data's tensor "
            f"undetermined: it has {size}, and no more than {independent} of the equations are independent"
        )
    return f"the data's tensor has {size}, more than the {MOST_UNKNOWNS} that there is time for"


def _leave(what: str) -> str:
    return "leave" if what.endswith("s") else "leaves"


def _directions(count: int) -> str:
    return f"{count} direction{'s' if count > 1 else ''}"


def order(network: Network) -> int:
    """Degree of a polynomial activation."""
    return int(activation(network.activation).degree or 0)


def tensor_system(objective: Objective) -> TensorSystem:
    """Write down the equations for T.

    Parameters
    ----------
    objective:
        In the row space of its target's first layer; its point is a polynomial network of two layers.
    """
    point = objective.points[0]
    basis, first, target = _coordinates(objective)
    last = point.weights[-1].detach().double().cpu().T
    goal = objective.target.weights[-1].detach().double().cpu().T
    monomials = Monomials(basis.shape[1], order(point))
    unknowns = last.shape[1] * len(monomials)
    triangle = first.new_zeros(0, unknowns + 1)
    neurons = max(1, _BLOCK * unknowns // (basis.shape[1] + last.shape[1]))
    for part in torch.split(torch.arange(len(first)), neurons):
        rows = _equations(monomials, first[part], last[part], target[part], goal[part])
        triangle = torch.linalg.qr(torch.cat([triangle, rows]), mode="r").R
    if len(triangle) <= unknowns:
        triangle = torch.cat([triangle, triangle.new_zeros(unknowns + 1 - len(triangle), unknowns + 1)])
    precision = torch.finfo(objective.target.weights[0].dtype).eps
    return TensorSystem(
        monomials=monomials,
        outputs=last.shape[1],
        basis=basis,
        matrix=triangle[:unknowns, :unknowns],
        right=triangle[:unknowns, -1],
        outside=float(triangle[unknowns:, -1].norm()),
        equations=len(first) * (basis.shape[1] + last.shape[1]),
        rounding=max(10 * precision, unknowns * torch.finfo(torch.float64).eps),
    )


def _coordinates(objective: Objective) -> tuple[Tensor, Tensor, Tensor]:
    """Basis (r', r) of the row space, bias included, and in it the first layer of point and target, (h, r)."""
    both = (objective.points[0].parameters, objective.target)
    blocks = [part.first_layer(augmented=True).detach().double().cpu() for part in both]
    _, values, right = torch.linalg.svd(blocks[1], full_matrices=False)
    edge = float(values[0]) * max(blocks[1].shape) * torch.finfo(objective.target.weights[0].dtype).eps
    basis = right[values > edge].T
    return basis, blocks[0] @ basis, blocks[1] @ basis


def _equations(monomials: Monomials, first: Tensor, last: Tensor, target: Tensor, goal: Tensor) -> Tensor:
    """Equations of some neurons, (k (r + c), u + 1), right side last.

    Parameters
    ----------
    monomials:
        Of the order of T.
    first, last:
        Weights v (k, r) and a (k, c) at the point.
    target, goal:
        What the sum over samples is in their place.
    """
    outputs = last.shape[1]
    derivatives = torch.einsum("kc,krn->krcn", last, monomials.derivatives(first))
    values = torch.einsum("ec,kn->kecn", torch.eye(outputs).to(first), monomials.features(first))
    left = torch.cat([derivatives, values], 1).flatten(2).flatten(0, 1)
    return torch.cat([left, torch.cat([target, goal], 1).reshape(-1, 1)], 1)
