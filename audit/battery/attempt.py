"""One attack under way: its equation as solvers are given it, and what slices of the budget found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from audit.attacks import Attack, Equation, Method, Observation
from audit.battery.sharing import Progress
from audit.budget import Budget
from audit.equation.row_space import reduce
from audit.errors import first_line
from audit.solve.base import Problem, Solution, Solver, Status
from audit.solve.constraints import Box
from audit.solve.exact import ExactInputs
from audit.solve.moments import MomentStarts
from audit.solve.restarts import Restarts, make_plan
from audit.solve.tensor import TensorDecomposition

Watcher = Callable[[Attack, int, float], None]
"""Called now and then with (attack, steps so far, relative loss)."""

FAILURES = (ArithmeticError, MemoryError, RuntimeError, ValueError)
"""Out of memory on either device, no convergence, or values that SciPy refuses."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """An attack in progress."""

    equation: Equation
    """What it solves."""
    observation: Observation
    """What the attacker sees."""
    problem: Problem
    """The equation in its row space, with its bounds."""
    generator: torch.Generator
    """Its own."""
    splitting: bool
    """Whether candidates may be split."""
    solver: Solver | None = None
    """What solved it in the last slice; None before the first."""
    solutions: tuple[Solution, ...] = ()
    """One per slice in which a step was taken."""
    seconds: float = 0.0
    """Time spent."""
    failure: str = ""
    """What ended it; empty if nothing did."""

    @property
    def attack(self) -> Attack:
        """Whose it is."""
        return self.equation.attack

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        losses = tuple(self.of_whole(solution.relative_loss) for solution in self.solutions)
        return Progress(losses, self.failure)

    @property
    def solved(self) -> bool:
        """Whether the equation holds to rounding."""
        return any(solution.status is Status.SOLVED for solution in self.solutions)

    def of_whole(self, loss: float) -> float:
        """Relative to the whole target, a loss relative to its part in the row space.

        Gradients of candidates in the row space are orthogonal to the rest, so the rest is never explained.
        """
        whole = self.equation.objective.target_norm
        inside = (self.problem.objective.target_norm / whole) ** 2 if whole else 1.0
        return 1 - min(1.0, inside) * (1 - loss)


def begin(
    equation: Equation, observation: Observation, generator: torch.Generator, *, splitting: bool
) -> Attempt:
    """Do what comes before the first slice: large layers take a while to reduce."""
    box = Box(equation.space.basis, observation.low, observation.high)
    problem = Problem(reduce(equation.objective, equation.space), box, equation.label)
    return Attempt(equation, observation, problem, generator, splitting)


def run_slice(attempt: Attempt, budget: Budget, watch: Watcher) -> Attempt:
    """Spend `budget` on more restarts. A failure keeps what was found before, and ends the attempt."""
    if not attempt.failure and budget.left > 0:
        try:
            attempt = _solve_on(attempt, budget, watch)
        except FAILURES as error:
            attempt = replace(attempt, failure=first_line(error))
    return replace(attempt, seconds=attempt.seconds + budget.spent)


def _solve_on(attempt: Attempt, budget: Budget, watch: Watcher) -> Attempt:
    before, taken = attempt.progress.loss, sum(s.steps // s.restarts for s in attempt.solutions)

    def watch_slice(step: int, loss: float) -> None:
        watch(attempt.attack, taken + step, min(attempt.of_whole(loss), before))

    solver = _SOLVERS[attempt.attack.method](attempt, budget)
    solution = solver.minimise(attempt.problem, budget, attempt.generator, watch_slice)
    if solution.status is Status.DIVERGED:
        return replace(attempt, failure=solution.status.value)
    if not len(solution.candidates):
        return replace(attempt, failure=f"{solution.status.value}: {solution.note}")
    found = (*attempt.solutions, solution) if solution.steps else attempt.solutions
    return replace(attempt, solver=solver, solutions=found)


def plan_restarts(attempt: Attempt, budget: Budget) -> Solver:
    """Restarts that fit a slice of the budget."""
    earlier = attempt.solver.plan if isinstance(attempt.solver, Restarts) else None
    classes, splitting = attempt.equation.classes, attempt.splitting
    return Restarts(make_plan(attempt.problem, budget, classes, splitting=splitting, earlier=earlier))


def _exact_inputs(attempt: Attempt) -> ExactInputs:
    block, space = attempt.equation.objective.target.weights[0], attempt.equation.space
    outside = block - space.lift(block @ space.basis)
    return ExactInputs(space.signals, float(outside.norm() / block.norm()))


_SOLVERS: dict[Method, Callable[[Attempt, Budget], Solver]] = {
    Method.DESCENT: lambda attempt, budget: plan_restarts(attempt, budget),
    Method.EXACT: lambda attempt, budget: _exact_inputs(attempt),
    Method.MOMENTS: lambda attempt, budget: MomentStarts(attempt.equation.space.signals),
    Method.TENSOR: lambda attempt, budget: TensorDecomposition(),
}
"""What solves an equation in a slice of the budget."""
