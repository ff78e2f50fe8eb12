"""Start from the moments of a gradient at random weights, then go down the objective.

The moments (`hermite`) hold the samples as components, with an error of order 1 / sqrt(K) in K units. What remains
is a descent from there, at a sharpness that never blurs what the start knows. Polynomials of several orders and
several random combinations of their coefficients give several starts; which one is right the objective says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.descent import Descent, infinite_if_nan
from audit.solve.first_layer import in_double, last_layer_weights
from audit.solve.hermite import Evaluations, common_components, moments, unknowns
from audit.solve.restarts import pool

ORDERS = (2, 3, 4)
_MOST_TERMS = 2500
"""Coefficients of one output: of more, the factorisation of their normal equations takes most of a minute."""
_EQUATIONS = 1.25
"""Equations per coefficient that a polynomial needs."""
_DRAWS = 8
"""Combinations of the coefficients of one order."""
_RESTARTS = 4
"""Starts of a round: of all orders' draws those that solve the equation best."""
_FARTHEST = 4.0
"""Norms of a typical image, or one over it, at which candidates begin at most."""
_TINY = 1e-9
"""Component of the bias at least, which is divided by."""
_STEPS = 3000
"""Of a descent from one round of starts."""
_SHARPNESS = (30.0, 600.0)
"""First and last. From a random start the first is 1, which would blur what this one knows. At the last, 120 there,
the stand-in of a ReLU leaves a loss of 3e-4 where the truth is reached, and 600 leaves 1e-5."""
_FASTEST = 0.1
"""First learning rate at most, in units of Descent."""
_PER_ERROR = 10.0
"""The same, in roots of the start's relative loss. At a rate of a tenth, starts of sigmoid networks with a loss of
5e-11 were lost."""
_SOLVED = 1e-8
"""Relative loss. Where an activation is nearly a line, one of 1e-6 is not yet the truth."""
_MOST_ROUNDS = 8
"""Rounds of new draws at most, where time is plenty and rounds are not counted."""


def affordable(units: int, outputs: int, rank: int) -> list[int]:
    """Orders whose coefficients `units` hidden units and `outputs` outputs determine, for `rank` samples."""
    equations = units * (outputs + rank)
    counts = {order: unknowns(rank, order) for order in ORDERS}
    most = min(_MOST_TERMS, equations / (_EQUATIONS * outputs))
    return [order for order, count in counts.items() if order == ORDERS[0] or count <= most]


@dataclass
class MomentStarts:
    """Solve an equation with one point of two layers and the readout `every_output`, from its moments."""

    samples: int
    """r: the rank of the first block above its noise."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Decompose and descend, round by round with new combinations, until solved or the budget ends.

        Returns
        -------
        Solution
            One restart for every start, of as many candidates as samples. The note tells how good the best start
            was before the descent.
        """
        evaluations, back = _evaluate(problem, self.samples)
        outputs, units = evaluations.shares.shape[1], len(evaluations.places)
        tensors = [moments(evaluations, order) for order in affordable(units, outputs, self.samples)]
        solutions: list[Solution] = []
        best, taken = math.inf, 0
        for _ in range(budget.rounds or _MOST_ROUNDS):
            start = _starts(problem, tensors, back, generator)
            reached = float(_losses(problem, start).min())
            best = min(best, reached)

            def watch_round(step: int, loss: float, before: int = taken) -> None:
                watch(before + step, min([loss, *(s.relative_loss for s in solutions)]))

            plan = Descent(
                count=self.samples,
                restarts=len(start.inputs),
                steps=_STEPS,
                input_rate=min(_FASTEST, _PER_ERROR * math.sqrt(reached)),
                weight_rate=min(_FASTEST, _PER_ERROR * math.sqrt(reached)),
                sharpness=_SHARPNESS,
                start=start,
            )
            solution = plan.minimise(problem, budget, generator, watch_round)
            solutions.append(_better(problem, start, solution))
            taken += solution.steps // plan.restarts
            if solutions[-1].relative_loss < _SOLVED or budget.left <= 0:
                break
        note = f"{self.samples} samples from the moments of {units} units, relative loss {best:.1g} before descent"
        found = pool(solutions)
        return replace(
            found, status=Status.SOLVED if found.relative_loss < _SOLVED else found.status, note=note
        )


def _evaluate(problem: Problem, samples: int) -> tuple[Evaluations, Tensor]:
    """What the gradient says of F, and the basis (r' + 1 or r', samples) of the span of extended samples.

    The gradient of a bias is that of a weight whose input is always one.
    """
    point, target = problem.objective.points[0], problem.objective.target
    derivatives = target.first_layer(augmented=True).double()
    places = point.parameters.first_layer(augmented=True).double()
    back = torch.linalg.svd(derivatives, full_matrices=False).Vh[:samples].T
    derivatives, places = derivatives @ back, places @ back
    shares = point.weights[1].double().T
    unit, share = places.square().mean().sqrt(), shares.square().mean().sqrt()
    values = target.weights[1].double().T
    return Evaluations(places / unit, values, derivatives * unit / share, shares / share), back


def _starts(problem: Problem, tensors: list[Tensor], back: Tensor, generator: torch.Generator) -> Candidates:
    """Candidates that solve the equation best, of several draws for every order; lambda solves the last layer."""
    objective = in_double(problem.objective)
    drawn: list[Candidates] = []
    for tensor in tensors:
        for _ in range(_DRAWS):
            inputs = _scaled(problem, common_components(tensor, generator) @ back.T)
            entering = objective.points[0].layers(inputs)[-1][0]
            drawn.append(Candidates(inputs, last_layer_weights(objective, entering), None))
    like = problem.objective.target.weights[0]
    inputs = torch.stack([candidates.inputs for candidates in drawn]).to(like)
    weights = torch.stack([candidates.weights for candidates in drawn]).to(like)
    best = _losses(problem, Candidates(inputs, weights, None)).argsort()[:_RESTARTS].to(inputs.device)
    return Candidates(inputs[best], weights[best], None)


def _better(problem: Problem, start: Candidates, solution: Solution) -> Solution:
    """Of every restart the start, where the descent left it for something worse; losses without sharpness."""
    before, after = _losses(problem, start), _losses(problem, solution.candidates)
    back = (before < after)[:, None, None].to(start.inputs.device)
    candidates = Candidates(
        torch.where(back, start.inputs, solution.candidates.inputs),
        torch.where(back, start.weights, solution.candidates.weights),
        None,
    )
    return replace(solution, candidates=candidates, losses=torch.minimum(before, after))


def _losses(problem: Problem, candidates: Candidates) -> Tensor:
    with torch.no_grad():
        return infinite_if_nan(problem.objective.relative_loss(candidates)).cpu()


def _scaled(problem: Problem, rows: Tensor) -> Tensor:
    """Inputs (m, r) from components (m, r) or (m, r + 1), whose scale and sign say nothing.

    The component of the bias should be one, which gives both, unless noise has it lead far away; without it the box
    decides, on the sign only.
    """
    rank, typical = problem.rank, problem.box.typical_norm
    inputs: Tensor = rows[:, :rank]
    if rows.shape[1] > rank:
        ones = rows[:, rank:]
        inputs = inputs / torch.copysign(ones.abs().clamp_min(_TINY), ones)
        norms = inputs.norm(dim=1, keepdim=True)
        inputs *= norms.clamp(typical / _FARTHEST, typical * _FARTHEST) / norms
        return inputs
    inputs = typical * functional.normalize(inputs, dim=1)
    lifted = inputs @ problem.box.basis.double().T
    low, high = problem.box.low, problem.box.high
    outside = [(sign * lifted - (sign * lifted).clamp(low, high)).norm(dim=1) for sign in (1, -1)]
    return torch.where((outside[0] > outside[1])[:, None], -inputs, inputs)
