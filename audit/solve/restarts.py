"""Restarts: batches of descents, with sample splitting or without, until the budget ends, pooled.

Restarts agree on the easy samples and differ on the hard ones, so the pool of several holds more than the best
of them. Their number and length follow from the budget and from how long a step takes; the number of candidates
from the rank of the first layer, which is the attacker's own estimate of how many samples are held. Nothing
here knows how many there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.solve.base import Problem, Solution, Splitting, Status, Watcher
from audit.solve.descent import Descent
from audit.solve.splitting import SampleSplitting

_PER_RANK = 2
"""Candidates per direction of the first layer, at the end."""
_BATCH = 8
"""Restarts in one batch, if their shortest schedule fits."""
_SHORTEST, _LONGEST = 1000, 6000
_MOST_ROUNDS = 8
_WORTH_STARTING = 0.4
"""Share of a round's time that must be left for another to begin."""
_WORTH_SPLITTING = 200
"""Steps that the first schedule must have room for: a split takes as long as 20 to 60 of them."""
_PROBE_STEPS = 6
_MOST_POOLED = 20_000
"""Candidates that are kept, from the restarts of lowest loss: merging and matching them takes memory and time."""


@dataclass
class Restarts:
    """Runs descents, one batch after another, and pools what they find. One for every problem."""

    classes: int
    """Number of class numbers that candidates share equally."""
    splitting: bool = True
    """Whether to begin with half the candidates and split them. It does not where the first slice has no
    time for it."""
    _costs: dict[int, float] = field(default_factory=dict, init=False)
    """Seconds a step takes, by the number of restarts in a batch, as far as measured."""
    _splits: bool | None = field(default=None, init=False)
    """Whether it splits, once that is decided."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Fill the budget with rounds; the last one is compressed into what is left."""
        plan = self._plan(problem, budget)
        if self._splits is None:
            affordable = budget.left / self._cost(plan, problem, budget)
            self._splits = self.splitting and affordable >= _WORTH_SPLITTING
        solver = SampleSplitting(plan) if self._splits else plan
        solutions: list[Solution] = []
        taken = 0
        for _ in range(_MOST_ROUNDS):
            began = budget.spent

            def watch_round(step: int, loss: float, before: int = taken) -> None:
                watch(before + step, min([loss, *(s.relative_loss for s in solutions)]))

            solutions.append(solver.minimise(problem, budget, generator, watch_round))
            taken += solutions[-1].steps // plan.restarts
            if budget.left <= _WORTH_STARTING * (budget.spent - began):
                break
        return pooled(solutions)

    def _plan(self, problem: Problem, budget: Budget) -> Descent:
        shares = max(self.classes, 1)
        # In both halves of the candidates, so that splitting changes their number in no restart.
        half = max(_PER_RANK * problem.rank / 2, shares)
        plan = Descent(count=2 * math.ceil(half / shares) * shares, restarts=_BATCH)
        while True:
            cost = self._cost(plan, problem, budget)
            affordable, fits = int(budget.left / cost), cost < math.inf
            if affordable >= _SHORTEST or plan.restarts == 1 or (fits and budget.left <= 0):
                return replace(plan, steps=min(max(affordable, _SHORTEST), _LONGEST))
            plan = replace(plan, restarts=plan.restarts // 2)

    def _cost(self, plan: Descent, problem: Problem, budget: Budget) -> float:
        """Seconds of a step, from a few; infinite for more restarts than memory holds."""

        def take(plan: Descent) -> int:
            throwaway = torch.Generator().manual_seed(0)
            return plan.minimise(problem, budget, throwaway, lambda step, loss: None).steps // plan.restarts

        if plan.restarts not in self._costs:
            if not self._costs:
                # The first optimiser of a process takes a second to build: it must not count as a step's time.
                take(replace(plan, restarts=1, steps=1))
            began = budget.spent
            try:
                taken = take(replace(plan, steps=_PROBE_STEPS))  # fewer where the budget ends
                self._costs[plan.restarts] = max((budget.spent - began) / max(taken, 1), 1e-6)
            except (MemoryError, RuntimeError):
                if plan.restarts == 1:
                    raise
                self._costs[plan.restarts] = math.inf
        return self._costs[plan.restarts]


def pooled(solutions: list[Solution]) -> Solution:
    """Join the restarts of several solutions, all with splitting or none.

    Restarts that diverged are dropped if any did not.
    """
    losses = torch.cat([solution.losses for solution in solutions])
    keep = torch.isfinite(losses)
    if not keep.any():
        keep[:] = True
    room = max(1, _MOST_POOLED // len(solutions[0].candidates))
    if keep.sum() > room:
        keep &= losses <= losses[keep].sort().values[room - 1]
    best = min(solutions, key=lambda solution: solution.relative_loss)
    last = solutions[-1].status
    return Solution(
        candidates=_join([solution.candidates for solution in solutions], keep),
        losses=losses[keep],
        status=best.status if last is Status.DIVERGED else last,
        steps=sum(solution.steps for solution in solutions),
        history=best.history,
        note=solutions[-1].note,
        splitting=_pooled_splitting([s.splitting for s in solutions if s.splitting is not None], keep),
    )


def _pooled_splitting(parts: list[Splitting], keep: torch.Tensor) -> Splitting | None:
    if not parts:
        return None
    return Splitting(
        before=_join([part.before for part in parts], keep),
        losses=torch.cat([part.losses for part in parts])[keep],
        rounds=torch.cat([part.rounds for part in parts])[keep],
        splits=torch.cat([part.splits for part in parts])[keep],
    )


def _join(parts: list[Candidates], keep: torch.Tensor) -> Candidates:
    return Candidates(
        torch.cat([part.inputs for part in parts])[keep],
        torch.cat([part.weights for part in parts])[keep],
        parts[0].labels,
    )
