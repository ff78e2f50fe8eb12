"""Adam with annealed sharpness, several restarts as one batch.

The recipe is that of audit/docs/methods.md, equations (12) to (14): every constant is relative to the problem, so
that no network needs tuning: inputs in units of a typical image (the box says how large one is), lambda in the
unit that makes the sum over m typical candidates as long as the target, sharpness in units of the
pre-activations. Inputs start near zero: candidates then grow one direction after another, which finds better
minima than a start at full size. Sharpness rises geometrically over the first half, the learning rate falls along
a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.constraints import Box

_REFERENCES = 8
"""Typical images over which the units of the problem are averaged."""
_UNITS_A_STEP = 250
"""Hidden units whose equations a step looks at, where they are independent: there are far more equations than
unknowns, so a sample of them says where to go, in a fraction of the time."""
_PIXELS_A_STEP = 250
"""Pixels whose bounds a step looks at, likewise: for images of colour the box would cost more than the equation."""
_WHOLE_FROM = 0.9
"""Share of the schedule from which every step looks at all of them."""
_POINTS_IN_HISTORY = 40
"""Of the curve in the report."""


@dataclass(frozen=True)
class Descent:
    """One batch of restarts."""

    count: int
    """m, candidates per restart."""
    restarts: int = 4
    """R, restarts in the batch."""
    steps: int = 3000
    """Length of the schedule; compressed into the budget when that ends sooner."""
    input_start: float = 0.3
    """Standard deviation of starting inputs, in input units."""
    input_rate: float = 0.1
    """Adam's learning rate for inputs, in input units."""
    weight_start: float = 1.0
    """Upper end of starting lambda, in weight units."""
    weight_rate: float = 0.1
    """Adam's learning rate for lambda, in weight units."""
    sharpness: tuple[float, float] = (1.0, 120.0)
    """First and last sharpness."""
    box_weight: float = 1.0
    """Weight of the box penalty beside the relative loss."""
    start: Candidates | None = None
    """Where to begin, (R, m, ...); None for a random start near zero."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Run the schedule, or as much of it as the budget allows."""
        objective = fit_scales(problem)
        unit = weight_unit(problem, objective, self.count)
        start = self._start(problem, objective, unit, generator) if self.start is None else self.start
        inputs = start.inputs.clone().requires_grad_()
        weights = start.weights.clone().requires_grad_()
        candidates = replace(start, inputs=inputs, weights=weights)
        rates = (self.input_rate * problem.input_unit, self.weight_rate * unit)
        adam = torch.optim.Adam([{"params": [inputs]}, {"params": [weights]}])
        portions = _Portions(objective, problem.box, generator)

        began, left = budget.spent, budget.left
        history: list[tuple[int, float]] = []
        status, taken, share = Status.FINISHED, 0, 0.0
        while taken < self.steps:
            if taken:  # the first step's place is no matter of time: where time is plenty, results repeat
                share = max(taken / self.steps, (budget.spent - began) / left)
            if budget.left <= 0 or share >= 1:
                status = Status.INTERRUPTED if budget.interrupted() else Status.BUDGET
                break
            for group, rate in zip(adam.param_groups, rates, strict=True):
                group["lr"] = rate * _cosine(share)
            losses = self._differentiate(candidates, unit, portions.draw(share), self._sharpness(share))
            adam.step()
            if taken % max(1, self.steps // _POINTS_IN_HISTORY) == 0:
                history.append((taken + 1, float(infinite_if_nan(losses).min())))
                watch(*history[-1])
            taken += 1
        candidates, losses = self._finish(objective, candidates.detach(), self._sharpness(share))
        if not torch.isfinite(losses).any():
            status = Status.DIVERGED
        return Solution(candidates, losses, status, taken * self.restarts, tuple(history))

    def _differentiate(self, free: Candidates, unit: float, part: _Part, sharpness: float) -> Tensor:
        """Leave gradients of what is minimised at the candidates; estimated relative losses (R,)."""
        objective = part.objective
        losses = _squares(objective, free, sharpness, part.sampled) / part.norm**2
        total = losses.sum()
        if objective.non_negative:
            total = total + functional.relu(-free.weights / unit).square().sum() / self.count
        by_inputs, free.weights.grad = torch.autograd.grad(total, (free.inputs, free.weights))
        free.inputs.grad = by_inputs + self.box_weight * part.box.gradient(free.inputs.detach())
        return losses.detach()

    def _finish(
        self, objective: Objective, candidates: Candidates, sharpness: float
    ) -> tuple[Candidates, Tensor]:
        """Candidates that satisfy what they must, and their relative losses (R,)."""
        if objective.non_negative:  # the penalty allows a little less than 0, and the loss must not profit
            candidates = replace(candidates, weights=candidates.weights.clamp_min(0))
        with torch.no_grad():
            return candidates, infinite_if_nan(objective.relative_loss(candidates, sharpness)).cpu()

    def _sharpness(self, share: float) -> float:
        first, last = self.sharpness
        return first * math.pow(last / first, min(1.0, 2 * share))

    def _start(
        self, problem: Problem, objective: Objective, unit: float, generator: torch.Generator
    ) -> Candidates:
        shape = (self.restarts, self.count)
        first = objective.target.weights[0]
        spread = self.input_start * problem.input_unit
        inputs = spread * torch.randn(*shape, problem.rank, generator=generator).to(first)
        columns = len(objective.points) * _head_outputs(problem, objective)
        weights = torch.rand(*shape, columns, generator=generator).to(first)
        if not objective.non_negative:
            weights = 2 * weights - 1
        weights = self.weight_start * unit * weights
        return Candidates(inputs, weights, problem.labels(self.count))


@dataclass(frozen=True, eq=False)
class _Part:
    """What one step looks at."""

    objective: Objective
    """Of all hidden units, or of some."""
    sampled: float
    """All hidden units over these."""
    norm: float
    """Of the whole target."""
    box: Box
    """Of all pixels, or of some."""


class _Portions:
    """Draws what steps look at: random parts of large problems, until the schedule nears its end."""

    def __init__(self, objective: Objective, box: Box, generator: torch.Generator) -> None:
        self.whole = _Part(objective, 1.0, objective.target_norm, box)
        self.hidden = objective.target.weights[0].shape[0] if objective.separable else 0
        self.units = _portions(self.hidden, _UNITS_A_STEP, generator)
        self.pixels = _portions(len(box.low), _PIXELS_A_STEP, generator)

    def draw(self, share: float) -> _Part:
        """What is looked at after this share of the schedule."""
        part = self.whole
        if share < _WHOLE_FROM:
            if (chosen := next(self.units)) is not None:
                objective = part.objective.hidden_subset(chosen)
                part = replace(part, objective=objective, sampled=self.hidden / len(chosen))
            if (chosen := next(self.pixels)) is not None:
                part = replace(part, box=part.box.part(chosen))
        return part


def _squares(objective: Objective, candidates: Candidates, sharpness: float, sampled: float) -> Tensor:
    """Squared residual of all hidden units (R,), estimated from one in `sampled` of them.

    The last bias belongs to no unit: its equations, the last ones, are in every sample.
    """
    squares = objective.residual(candidates, sharpness).square()
    shared = objective.points[0].biases[-1]
    if sampled == 1 or shared is None:
        return sampled * squares.sum(-1)
    own = squares.shape[-1] - len(shared)
    return sampled * squares[..., :own].sum(-1) + squares[..., own:].sum(-1)


def _portions(size: int, portion: int, generator: torch.Generator) -> Iterator[Tensor | None]:
    """Random partitions of range(size), part by part and without end; None for a size of few portions."""
    while True:
        if size < 2 * portion:
            yield None
        else:
            yield from torch.randperm(size, generator=generator).chunk(size // portion)


def fit_scales(problem: Problem) -> Objective:
    """Set the units of every point's pre-activations from typical images, always the same ones."""
    inputs = _references(problem)
    points = tuple(point.fit_scales(inputs) for point in problem.objective.points)
    return replace(problem.objective, points=points)


def weight_unit(problem: Problem, objective: Objective, count: int) -> float:
    """Lambda at which `count` orthogonal gradients of typical images add up to the target's norm."""
    inputs = _references(problem).unsqueeze(-2)
    labels = problem.labels(_REFERENCES)
    columns = len(objective.points) * _head_outputs(problem, objective)
    candidates = Candidates(
        inputs,
        torch.ones(*inputs.shape[:-1], columns, dtype=inputs.dtype, device=inputs.device),
        None if labels is None else labels.unsqueeze(-1),
    )
    with torch.no_grad():
        target = objective.target.flatten()
        norms = (target - objective.residual(candidates)).norm(dim=-1)
    typical = float(norms.square().mean().sqrt())
    return objective.target_norm / (typical * math.sqrt(count)) if typical > 0 else 1.0


def _references(problem: Problem) -> Tensor:
    like = problem.objective.target.weights[0]
    generator = torch.Generator().manual_seed(0)
    return problem.input_unit * torch.randn(_REFERENCES, problem.rank, generator=generator).to(like)


def _head_outputs(problem: Problem, objective: Objective) -> int:
    like = objective.target.weights[0]
    with torch.no_grad():
        outputs = objective.points[0].forward(
            torch.zeros(1, problem.rank, dtype=like.dtype, device=like.device)
        )
        return objective.readout(outputs, problem.labels(1)).shape[-1]


def infinite_if_nan(losses: Tensor) -> Tensor:
    """Make a loss that is no number the worst there is."""
    return losses.nan_to_num(nan=torch.inf, posinf=torch.inf)


def _cosine(share: float, final: float = 0.02) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * share)) / 2
