"""Adam with annealed smoothing, several restarts as one batch.

The recipe is that of METHODS section 2, with every constant made relative to the problem, so that no network
needs tuning: inputs in units of a typical image (the box says how large one is), lambda in the unit that makes
the sum over m typical candidates as long as the target, smoothing in units of the pre-activations. Inputs start
near zero: candidates then grow one direction after another, which finds better minima than a start at full
size. Smoothing rises geometrically over the first half, the learning rate falls along a cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from audit.candidates import Candidates
from audit.objective import Objective
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.budget import Budget

_REFERENCES = 8
_UNITS_A_STEP = 250
"""Hidden units whose equations a step looks at, where they are independent: there are far more equations than
unknowns, so a sample of them says where to go, in a fraction of the time."""
_WHOLE_FROM = 0.9
"""Share of the schedule from which every step looks at all of them."""
_POINTS_IN_HISTORY = 40


@dataclass(frozen=True)
class Descent:
    """One batch of restarts."""

    count: int
    """m, candidates per restart."""
    restarts: int = 4
    """R, restarts in the batch."""
    steps: int = 3000
    """Length of the schedule; compressed into `seconds` when they end sooner."""
    seconds: float = math.inf
    """Longest time to take."""
    input_start: float = 0.08
    """Standard deviation of starting inputs, in input units."""
    input_rate: float = 0.05
    """Adam's learning rate for inputs, in input units."""
    weight_start: float = 1.0
    """Upper end of starting lambda, in weight units."""
    weight_rate: float = 0.03
    """Adam's learning rate for lambda, in weight units."""
    smoothing: tuple[float, float] = (4.0, 120.0)
    """First and last smoothing."""
    box_weight: float = 1.0
    """Weight of the box penalty beside the relative loss."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Run the schedule, or as much of it as the budget allows."""
        objective = calibrated(problem, generator)
        start = self._start(problem, objective, generator)
        inputs = start.inputs.clone().requires_grad_()
        weights = start.weights.clone().requires_grad_()
        candidates = replace(start, inputs=inputs, weights=weights)
        unit = weight_unit(problem, objective, self.count, generator)
        rates = (self.input_rate * problem.input_unit, self.weight_rate * unit)
        adam = torch.optim.Adam([{"params": [inputs]}, {"params": [weights]}])

        began, left = budget.spent, min(self.seconds, budget.left)
        parts = _parts(objective, generator)
        history: list[tuple[int, float]] = []
        status, taken, share = Status.FINISHED, 0, 0.0
        while taken < self.steps:
            share = max(taken / self.steps, (budget.spent - began) / left if left > 0 else 1.0)
            if budget.left <= 0 or share >= 1:
                status = Status.INTERRUPTED if budget.interrupted() else Status.BUDGET
                break
            for group, rate in zip(adam.param_groups, rates, strict=True):
                group["lr"] = rate * _cosine(share)
            if parts and share < _WHOLE_FROM:
                if taken % len(parts) == 0:
                    parts = _parts(objective, generator)
                looked_at, sampled = parts[taken % len(parts)], len(parts)
            else:
                looked_at, sampled = objective, 1
            squares = looked_at.residual(candidates, self._smoothing(share)).square().sum(-1)
            losses = squares * sampled / objective.target_norm**2
            total = losses.sum()
            if objective.non_negative:
                total = total + functional.relu(-weights / unit).square().sum() / self.count
            slopes, weights.grad = torch.autograd.grad(total, (inputs, weights))
            inputs.grad = slopes + self.box_weight * problem.box.gradient(inputs.detach())
            adam.step()
            if taken % max(1, self.steps // _POINTS_IN_HISTORY) == 0:
                history.append((taken + 1, float(_infinite_if_nan(losses.detach()).min())))
                watch(*history[-1])
            taken += 1
        candidates = candidates.detach()
        if objective.non_negative:  # the penalty allows a little less than 0, and the loss must not profit
            candidates = replace(candidates, weights=candidates.weights.clamp_min(0))
        with torch.no_grad():
            losses = _infinite_if_nan(objective.relative_loss(candidates, self._smoothing(share))).cpu()
        if not torch.isfinite(losses).any():
            status = Status.DIVERGED
        return Solution(candidates, losses, status, taken * self.restarts, tuple(history))

    def _smoothing(self, share: float) -> float:
        first, last = self.smoothing
        return first * math.pow(last / first, min(1.0, 2 * share))

    def _start(self, problem: Problem, objective: Objective, generator: torch.Generator) -> Candidates:
        shape = (self.restarts, self.count)
        first = objective.target[0]
        spread = self.input_start * problem.input_unit
        inputs = spread * torch.randn(*shape, problem.rank, generator=generator).to(first)
        unit = weight_unit(problem, objective, self.count, generator)
        columns = len(objective.anchors) * _head_outputs(problem, objective)
        weights = self.weight_start * unit * torch.rand(*shape, columns, generator=generator).to(first)
        return Candidates(inputs, weights, problem.labels(self.count))


def _parts(objective: Objective, generator: torch.Generator) -> list[Objective]:
    """A random partition of the equations by hidden units; empty if they are not independent, or few."""
    hidden = objective.target[0].shape[0]
    pieces = hidden // _UNITS_A_STEP if objective.separable else 0
    if pieces < 2:
        return []
    order = torch.randperm(hidden, generator=generator).to(objective.target[0].device)
    return [objective.hidden_subset(units) for units in order.chunk(pieces)]


def calibrated(problem: Problem, generator: torch.Generator) -> Objective:
    """Set the units of every anchor's pre-activations from typical images."""
    inputs = _references(problem, generator)
    anchors = tuple(anchor.calibrated(inputs) for anchor in problem.objective.anchors)
    return replace(problem.objective, anchors=anchors)


def weight_unit(problem: Problem, objective: Objective, count: int, generator: torch.Generator) -> float:
    """Lambda at which `count` orthogonal gradients of typical images add up to the target's norm."""
    inputs = _references(problem, generator).unsqueeze(-2)
    labels = problem.labels(_REFERENCES)
    columns = len(objective.anchors) * _head_outputs(problem, objective)
    candidates = Candidates(
        inputs,
        torch.ones(*inputs.shape[:-1], columns, dtype=inputs.dtype, device=inputs.device),
        None if labels is None else labels.unsqueeze(-1),
    )
    with torch.no_grad():
        target = torch.cat([tensor.flatten() for tensor in objective.target])
        norms = (target - objective.residual(candidates)).norm(dim=-1)
    typical = float(norms.square().mean().sqrt())
    return objective.target_norm / (typical * math.sqrt(count)) if typical > 0 else 1.0


def _references(problem: Problem, generator: torch.Generator) -> Tensor:
    like = problem.objective.target[0]
    return problem.input_unit * torch.randn(_REFERENCES, problem.rank, generator=generator).to(like)


def _head_outputs(problem: Problem, objective: Objective) -> int:
    like = objective.target[0]
    with torch.no_grad():
        outputs = objective.anchors[0].forward(
            torch.zeros(1, problem.rank, dtype=like.dtype, device=like.device)
        )
        return objective.head(outputs, problem.labels(1)).shape[-1]


def _infinite_if_nan(losses: Tensor) -> Tensor:
    return losses.nan_to_num(nan=torch.inf, posinf=torch.inf)


def _cosine(share: float, final: float = 0.02) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * share)) / 2
