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
from functools import cached_property
from itertools import permutations

import torch
from torch import Tensor

from audit.activations import activation
from audit.network import Network
from audit.objective import Objective
from audit.reduction import reduce

LEAST_ORDER = 3
"""Matrices, of order 2, are sums of samples in many ways."""
MOST_UNKNOWNS = 2500
"""Entries of T: time grows with their third power."""
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
    """Expected error of T relative to its norm, if the residual is white noise."""

    directions: int
    """Rank of the target's first layer, r."""
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
            verb = "leave" if what.endswith("s") else "leaves"
            count = f"{self.undetermined} direction{'s' if self.undetermined > 1 else ''}"
            return f"{what} {verb} {count} of the data's tensor undetermined ({said})"
        return f"the data's tensor is determined ({said}, expected error {self.error:.2g})"


@dataclass(frozen=True, eq=False)
class Monomials:
    """The monomials of one degree in r variables, scaled so that features multiply as powers of products.

    With phi(x) the features of x, phi(x) . phi(v) = (x . v)^n. The symmetric tensor of coefficients t is the one
    with T(v, ..., v) = t . phi(v), and ||t|| is its norm.
    """

    variables: int
    """r."""
    degree: int
    """n."""

    def __len__(self) -> int:
        """Return N, their number."""
        return math.comb(self.variables + self.degree - 1, self.degree)

    @cached_property
    def factors(self) -> Tensor:
        """(N, n) variables that are multiplied."""
        variables = torch.arange(self.variables)
        return torch.combinations(variables, self.degree, with_replacement=True)

    @cached_property
    def scales(self) -> Tensor:
        """(N,) roots of the multinomial coefficients."""
        exponents = torch.nn.functional.one_hot(self.factors, self.variables).sum(1).double()
        return torch.exp((math.lgamma(self.degree + 1) - torch.lgamma(exponents + 1).sum(1)) / 2)

    def features(self, rows: Tensor) -> Tensor:
        """Phi of (m, r), (m, N)."""
        return self.scales * rows[:, self.factors].prod(-1)

    def slopes(self, rows: Tensor) -> Tensor:
        """Derivatives of phi at (m, r), (m, r, N): t . slopes is n T(v, ..., v, .)."""
        factors = self.factors
        every = torch.arange(len(factors))
        found = rows.new_zeros(len(rows), self.variables, len(factors))
        for place in range(self.degree):
            others = torch.cat([factors[:, :place], factors[:, place + 1 :]], 1)
            found[:, factors[:, place], every] += rows[:, others].prod(-1)
        return self.scales * found

    def curvatures(self, rows: Tensor, coefficients: Tensor) -> Tensor:
        """Second derivatives of t . phi at (m, r), (m, r, r): n (n - 1) T(v, ..., v, ., .)."""
        factors, r = self.factors, self.variables
        found = rows.new_zeros(len(rows), r * r)
        for one, other in permutations(range(self.degree), 2):
            others = factors[:, [place for place in range(self.degree) if place not in (one, other)]]
            parts = self.scales * coefficients * rows[:, others].prod(-1)
            found.index_add_(1, factors[:, one] * r + factors[:, other], parts)
        return found.view(-1, r, r)


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

    def solve(self) -> tuple[Tensor, Identifiability]:
        """Solve for T by least squares, the shortest one in case of several, and say how far it is determined.

        Returns
        -------
        tuple[Tensor, Identifiability]
            Coefficients (outputs, N), and the analysis.
        """
        left, values, right = torch.linalg.svd(self.matrix)
        along, unknowns = left.T @ self.right, len(values)
        target = math.hypot(float(self.right.norm()), self.outside)
        residual = self.outside / target if target else 0.0
        # White noise of this size adds as much to every singular direction of the right side.
        noise = residual / math.sqrt(max(self.equations - unknowns, 1))
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
            residual=residual,
            directions=self.monomials.variables,
            outputs=self.outputs,
            error=noise * target * float(values.reciprocal().norm()) / size if rank else math.inf,
        )
        return tensor.view(self.outputs, -1), analysis


def undetermined(objective: Objective, what: str, *, telling: bool = False) -> str | None:
    """Why the samples cannot be read off tensors of the data, or None if they can.

    Parameters
    ----------
    objective:
        With one anchor and the head `every_output`, in network units.
    what:
        Holds the equations, in words: the weights.
    telling:
        Whether to ask that a tensor of this size is no sum of samples by chance. Trained neurons gather in few
        directions, fewer than there are samples.

    Returns
    -------
    str | None
        Words for a reader: another kind of network, too many unknowns, or equations that leave some open.
    """
    found = analyse(objective, what)
    if isinstance(found, str):
        return found
    if found.undetermined:
        return found.sentence(what)
    if telling and not found.telling:
        rank = found.directions
        return (
            f"{what} hold rank {rank} only, where every tensor of order {order(objective.anchors[0])} is a sum of "
            f"{rank} inputs: they leave open which samples are mixed in them"
        )
    return None


def analyse(objective: Objective, what: str, most: int = MOST_UNKNOWNS) -> Identifiability | str:
    """Count what the equations determine, or say why they cannot be written down.

    Parameters
    ----------
    objective, what:
        As for `undetermined`.
    most:
        Unknowns that are solved for.
    """
    anchor = objective.anchors[0]
    if not anchor.activation.startswith("polynomial") or order(anchor) < LEAST_ORDER:
        return f"needs the activation x^k with k of {LEAST_ORDER} or more; here it is {anchor.activation}"
    if len(anchor.weights) != 2:
        return f"its theory is of networks of two layers; this one has {len(anchor.weights)}"
    if not all(bool(tensor.isfinite().all()) for tensor in (*objective.target, *anchor.tensors)):
        return f"not all values of {what} are finite"
    if not objective.target[0].any():
        return "the target is zero in the first layer: it holds nothing of the inputs"
    reduced, _ = reduce(objective)
    directions = len(_coordinates(reduced)[0].T)
    unknowns = anchor.outputs * len(Monomials(directions, order(anchor)))
    if unknowns > most:
        return (
            f"the data's tensor has {unknowns} entries (rank {directions}, order {order(anchor)}, "
            f"{anchor.outputs} outputs), more than the {most} that there is time for"
        )
    return tensor_system(reduced).solve()[1]


def order(network: Network) -> int:
    """Degree of a polynomial activation."""
    return int(activation(network.activation).degree or 0)


def tensor_system(objective: Objective) -> TensorSystem:
    """Write down the equations for T.

    Parameters
    ----------
    objective:
        In the row space of its target's first layer; its anchor is a polynomial network of two layers.
    """
    anchor = objective.anchors[0]
    basis, first, target = _coordinates(objective)
    last = anchor.weights[-1].detach().double().cpu().T
    goal = anchor.with_tensors(objective.target).weights[-1].detach().double().cpu().T
    monomials = Monomials(basis.shape[1], order(anchor))
    unknowns = last.shape[1] * len(monomials)
    triangle = first.new_zeros(0, unknowns + 1)
    neurons = max(1, _BLOCK * unknowns // (basis.shape[1] + last.shape[1]))
    for part in torch.split(torch.arange(len(first)), neurons):
        rows = _equations(monomials, first[part], last[part], target[part], goal[part])
        triangle = torch.linalg.qr(torch.cat([triangle, rows]), mode="r").R
    if len(triangle) <= unknowns:
        triangle = torch.cat([triangle, triangle.new_zeros(unknowns + 1 - len(triangle), unknowns + 1)])
    precision = torch.finfo(objective.target[0].dtype).eps
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
    """Basis (r', r) of the row space, bias included, and in it the first layer of anchor and target, (h, r)."""
    anchor = objective.anchors[0]
    blocks = []
    for network in (anchor, anchor.with_tensors(objective.target)):
        weight, bias = network.weights[0], network.biases[0]
        whole = weight if bias is None else torch.cat([weight, bias[:, None]], 1)
        blocks.append(whole.detach().double().cpu())
    _, values, right = torch.linalg.svd(blocks[1], full_matrices=False)
    edge = float(values[0]) * max(blocks[1].shape) * torch.finfo(objective.target[0].dtype).eps
    basis = right[values > edge].T
    return basis, blocks[0] @ basis, blocks[1] @ basis


def _equations(monomials: Monomials, first: Tensor, last: Tensor, target: Tensor, goal: Tensor) -> Tensor:
    """Equations of some neurons, (k (r + c), u + 1), right side last.

    Parameters
    ----------
    monomials:
        Of the order of T.
    first, last:
        Weights v (k, r) and a (k, c) at the anchor.
    target, goal:
        What the sum over samples is in their place.
    """
    outputs = last.shape[1]
    slopes = torch.einsum("kc,krn->krcn", last, monomials.slopes(first))
    values = torch.einsum("ec,kn->kecn", torch.eye(outputs).to(first), monomials.features(first))
    left = torch.cat([slopes, values], 1).flatten(2).flatten(0, 1)
    return torch.cat([left, torch.cat([target, goal], 1).reshape(-1, 1)], 1)
