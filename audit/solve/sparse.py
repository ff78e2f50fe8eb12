"""Exact inputs from the zeros a ReLU leaves in the first layer's gradient (SPEAR, Dimitrov et al. 2024).

The target's first block is D X with b rows X and slopes D (h, b) that are zero wherever a sample does not reach a
unit; the block of the bias is D 1. With D X = U R, U orthonormal (h, b) and R (b, r) from a singular value
decomposition, D = U Q for some Q (b, b), and column i of Q is orthogonal to all rows of U whose unit sample i does
not reach. So: draw b - 1 units, take the direction orthogonal to their rows of U, and keep it if it is orthogonal
to many others. A sample reaches none of the drawn units with probability 2^-(b-1), about. Of the directions found
the b independent ones with the most zeros are Q up to scale (they are the heaviest basis of a matroid, so nothing
but the heaviest basis so far need be remembered), the bias fixes the scale, and X = Q^-1 R.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audit.candidates import Candidates
from audit.objective import Objective
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.budget import Budget

_DRAWS = 4096
"""At a time."""
_CLEAN = 1e-5
"""Noise that may be rounding in single precision."""
_ZERO, _ZERO_IN_NOISE = 1e-4, 0.03
"""Cosine of a row and a direction that counts as zero without noise, and with any."""
_FEWEST_ZEROS = 0.1
"""Share of the units that a sample must not reach for its direction to be told from others."""
_INDEPENDENT = 0.05
"""Part of a direction outside the span of those before it."""
_AGREEING = 0.99
"""Share of the slopes that must belong to units which the inputs reach, for the equation to be looked at."""
_SOLVED = 1e-3
"""Relative loss of a solution. A wrong sample leaves more; a pre-activation at a kink may leave some."""
_REFINEMENTS = 4
_PATIENCE = 100
"""Times the draws that ought to do where every sample reaches every other unit."""
_FEWEST_CHUNKS = 64


@dataclass(frozen=True, eq=False)
class _Factors:
    """The first layer's block and its bias, in float64: U diag(S) V^T with as many directions as samples."""

    left: Tensor
    """U, (h, b)."""
    right: Tensor
    """R = diag(S) V^T, (b, r)."""
    rows: Tensor
    """(h', b) rows of U of the units that some sample reaches, of unit length."""
    reached: Tensor
    """(h',) their indices."""
    zero: float
    """Below which the product of a row and a direction counts as zero."""


@dataclass(frozen=True)
class SparseFactors:
    """Solve an equation with one anchor, the head `every_output` and ReLUs by factoring its first block."""

    samples: int
    """b: the rank of the first block above its noise. Samples that are no combination of others, in fact."""
    noise: float = 0.0
    """Norm of that noise relative to the block."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Draw until the equation holds, the budget ends, or more draws are unlikely to help.

        Returns
        -------
        Solution
            One restart. Solved: b candidates at their true scale, lambda from the last layer's equations. If not:
            no candidates, whose relative loss is 1. `steps` counts draws, and one for a sample alone.
        """
        count, parts = self.samples, _factors(problem, self.samples, self.noise)
        chances = 2 ** (count - 1) * (math.log(count) + 1)
        most = max(_FEWEST_CHUNKS * _DRAWS, _PATIENCE * chances)
        needed = max(count + 2, _FEWEST_ZEROS * len(parts.rows))
        basis = torch.zeros(count, 0).to(parts.rows)
        draws, status, found = 0, Status.BUDGET, None
        if count == 1:
            found = _solution(problem, parts, torch.ones(1, 1).to(parts.rows))
            status = Status.EXHAUSTED if found is None else Status.SOLVED
        while count > 1 and budget.left > 0:
            if draws >= most or len(parts.rows) < count:
                status = Status.EXHAUSTED
                break
            drawn = _directions(parts, count, generator)
            draws += _DRAWS
            watch(draws, 1.0)
            zeros = _zeros(parts, drawn)
            drawn = drawn[:, zeros >= needed]
            if drawn.shape[1]:
                before = int(_zeros(parts, basis).sum())
                basis = _heaviest(parts, torch.cat([basis, drawn], 1), count)
                if basis.shape[1] == count and int(_zeros(parts, basis).sum()) > before:
                    found = _solution(problem, parts, basis)
                    if found is not None:
                        status = Status.SOLVED
                        break
        if status is Status.EXHAUSTED and count > 1 and self.noise > _CLEAN:
            # Noise that is not white, such as that of half precision, has directions of its own.
            return replace(self, samples=count - 1).minimise(problem, budget, generator, watch)
        if budget.interrupted() and found is None:
            status = Status.INTERRUPTED
        said = [f"rank {count} taken as the size of the batch"]
        if count > 1:
            said.append(f"{draws} draws")
        if self.noise > _CLEAN:
            said.append(f"noise {self.noise:.1g} of the first layer's gradient")
        if found is None:
            said.append(f"{basis.shape[1]} of {count} directions found, which do not solve it")
            found = _nothing(problem), 1.0
        else:
            said.append(f"residual {math.sqrt(found[1]):.1g}")
        return Solution(
            candidates=found[0],
            losses=torch.tensor([found[1]]),
            status=status,
            steps=max(draws, 1),
            history=((max(draws, 1), found[1]),),
            note="; ".join(said),
        )


def _factors(problem: Problem, count: int, noise: float) -> _Factors:
    block = problem.objective.target[0].detach().double()
    left, values, right = torch.linalg.svd(block, full_matrices=False)
    left, values, right = left[:, :count], values[:count], right[:count]
    # Of one entry of U: noise spreads over all d pixels, of which a direction sees one.
    spread = noise * float(block.norm()) / math.sqrt(len(block) * len(problem.box.low))
    lengths = left.norm(dim=1)
    floor = max(1e-7 * float(lengths.max()), 3 * spread * math.sqrt(count) / float(values[-1]))
    reached = (lengths > floor).nonzero()[:, 0]
    rows = left[reached] / lengths[reached, None]
    typical = math.sqrt(count / max(len(reached), 1))
    zero = min(max(_ZERO, 8 * spread / (float(values[-1]) * typical)), _ZERO_IN_NOISE)
    return _Factors(left, values[:, None] * right, rows, reached, zero)


def _directions(parts: _Factors, count: int, generator: torch.Generator) -> Tensor:
    """Directions (b, _DRAWS) of unit length, each orthogonal to b - 1 rows drawn with replacement.

    Where a row was drawn twice the system is singular, and what comes back has no zeros.
    """
    drawn = torch.randint(len(parts.rows), (_DRAWS, count - 1), generator=generator).to(parts.reached.device)
    systems = parts.rows[drawn]
    solved, _ = torch.linalg.solve_ex(systems[:, :, :-1], -systems[:, :, -1])
    directions: Tensor = torch.cat([solved, torch.ones_like(solved[:, :1])], 1)
    directions /= directions.norm(dim=1, keepdim=True)
    return directions.T


def _zeros(parts: _Factors, directions: Tensor) -> Tensor:
    """Number of units, (k,), whose rows are orthogonal to each direction (b, k)."""
    return ((parts.rows @ directions).abs() < parts.zero).sum(0)


def _heaviest(parts: _Factors, directions: Tensor, count: int) -> Tensor:
    """Independent directions with the most zeros, (b, <= count), greedily, which for a matroid is best."""
    order = _zeros(parts, directions).argsort(descending=True, stable=True)
    left = directions[:, order]
    picked: list[Tensor] = []
    span = directions[:, :0]
    while len(picked) < count:
        free = (left - span @ (span.T @ left)).norm(dim=0) > _INDEPENDENT
        if not free.any():
            break
        left = left[:, free]
        picked.append(_refined(parts, left[:, 0]))
        span = torch.linalg.qr(torch.stack(picked, 1)).Q
    return torch.stack(picked, 1)


def _solution(problem: Problem, parts: _Factors, basis: Tensor) -> tuple[Candidates, float] | None:
    """Inputs and lambda that go with directions (b, b), and their relative loss; None if they do not solve it."""
    objective = in_double(problem.objective)
    anchor = objective.anchors[0]
    bias = anchor.with_tensors(objective.target).biases[0]
    assert bias is not None
    scales = torch.linalg.lstsq(parts.left @ basis, bias[:, None]).solution[:, 0]
    inputs, singular = torch.linalg.solve_ex(basis * scales, parts.right)
    if int(singular) or not torch.isfinite(inputs).all():
        return None
    slopes = (parts.rows @ basis).abs() > parts.zero
    with torch.no_grad():
        layers = anchor.layers(inputs)
        reached = (layers[0][1] > 0).T[parts.reached]
        if float((slopes <= reached).double().mean()) < _AGREEING:
            return None
        candidates = Candidates(inputs[None], _weights(objective, layers[-1][0])[None], None)
        loss = float(objective.relative_loss(candidates))
    if not loss < _SOLVED:
        return None
    like = problem.objective.target[0]
    return Candidates(candidates.inputs.to(like), candidates.weights.to(like), None), loss


def _refined(parts: _Factors, direction: Tensor) -> Tensor:
    """A direction (b,) by least squares from all its zeros, instead of the few rows that were drawn."""
    below = parts.zero
    for _ in range(_REFINEMENTS):
        rows = parts.rows[(parts.rows @ direction).abs() <= below]
        direction = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, 0]
        # Most of the rows are zeros indeed, and say how large rounding and noise are.
        below = min(below, 8 * float((rows @ direction).abs().median()))
    return direction


def _weights(objective: Objective, entering: Tensor) -> Tensor:
    """Lambda (b, c) by least squares from the last layer, whose gradient is the sum of lambda times its inputs."""
    target = objective.anchors[0].with_tensors(objective.target)
    weight, bias = target.weights[-1], target.biases[-1]
    if bias is not None:
        entering = torch.cat([entering, torch.ones_like(entering[:, :1])], 1)
        weight = torch.cat([weight, bias[:, None]], 1)
    inverse: Tensor = torch.linalg.pinv(entering.T)
    return inverse @ weight.T


def in_double(objective: Objective) -> Objective:
    """The same equation in double precision."""
    anchors = tuple(anchor.with_tensors([t.double() for t in anchor.tensors]) for anchor in objective.anchors)
    return Objective(
        tuple(tensor.double() for tensor in objective.target),
        anchors,
        objective.head,
        objective.non_negative,
        objective.linear_head,
    )


def _nothing(problem: Problem) -> Candidates:
    like, outputs = problem.objective.target[0], problem.objective.anchors[0].outputs
    return Candidates(like.new_zeros(1, 0, problem.rank), like.new_zeros(1, 0, outputs), None)
