"""Restarts: batches of descents, with sample splitting or without, until the budget ends, pooled.

Restarts agree on the easy samples and differ on the hard ones, so the pool of several holds more than the best
of them. Their number and length follow from the budget and from how long a step takes, unless rounds are counted;
the number of candidates from the rank of the first layer, which is the attacker's own estimate of how many samples
are held. Nothing here knows how many there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
"""Steps of a schedule, at least and at most."""
_STEPS_OF_A_ROUND = 2000
"""Steps of a schedule where rounds are counted; a round is `_BATCH` restarts."""
_MOST_BATCHES = 8
"""In one slice at most."""
_WORTH_STARTING = 0.4
"""Share of a batch's time that must be left for another to begin."""
_WORTH_SPLITTING = 200
"""Steps that the first schedule must have room for: a split takes as long as 20 to 60 of them."""
_PROBE_STEPS = 6
"""Steps whose time is measured."""
_MOST_POOLED = 20_000
"""Candidates that are kept, from the restarts of lowest loss: merging and matching them takes memory and time."""


@dataclass(frozen=True)
class Plan:
    """How restarts are run in one slice of the budget."""

    descent: Descent
    """Candidates per restart at the end, restarts in a batch, and the length of the schedule."""
    splits: bool
    """Whether to begin with half of the candidates, and split these."""
    batches: int
    """One after the other, at most."""
    seconds: tuple[tuple[int, float], ...]
    """(restarts in a batch, seconds that a step of it takes), as far as measured; infinite where memory does not
    hold it."""


def make_plan(
    problem: Problem, budget: Budget, classes: int, *, splitting: bool, earlier: Plan | None = None
) -> Plan:
    """Plan a slice: as many restarts as their shortest schedule leaves time for. Takes a few steps to find out.

    Where rounds are counted, a slice is one of them, whatever its time: only memory may divide it into batches.

    Parameters
    ----------
    problem:
        What is to be solved; its rank says how many candidates there are.
    budget:
        The slice.
    classes:
        Number of classes that share candidates equally.
    splitting:
        Whether candidates may be split. They are not where the first slice has no time for it.
    earlier:
        Of the slice before; what it measured is not measured again. None for the first slice.
    """
    shares = max(classes, 1)
    # In both halves of the candidates, so that splitting changes their number in no restart.
    half = max(_PER_RANK * problem.rank / 2, shares)
    descent = Descent(count=2 * math.ceil(half / shares) * shares, restarts=_BATCH)
    seconds = dict(earlier.seconds) if earlier else {}
    if not seconds:
        # The first optimiser of a process takes a second to build: it must not count as a step's time.
        _probe(replace(descent, restarts=1, steps=1), problem, budget)
    while True:
        if descent.restarts not in seconds:
            seconds[descent.restarts] = _measure_step(descent, problem, budget)
        cost = seconds[descent.restarts]
        steps = budget.left / cost
        if steps >= _SHORTEST or descent.restarts == 1 or (cost < math.inf and budget.left <= 0):
            break
        descent = replace(descent, restarts=descent.restarts // 2)
    splits = earlier.splits if earlier else budget.left / cost >= _WORTH_SPLITTING and splitting
    counted = budget.rounds is not None
    longest = _STEPS_OF_A_ROUND if counted else _LONGEST
    schedule = replace(descent, steps=int(min(max(steps, _SHORTEST), longest)))
    batches = _BATCH // descent.restarts if counted else _MOST_BATCHES
    return Plan(schedule, splits, batches, tuple(seconds.items()))


def _measure_step(descent: Descent, problem: Problem, budget: Budget) -> float:
    """Seconds of a step, from a few; infinite for more restarts than memory holds."""
    began = budget.spent
    try:
        taken = _probe(replace(descent, steps=_PROBE_STEPS), problem, budget)  # fewer where the budget ends
    except (MemoryError, RuntimeError):
        if descent.restarts == 1:
            raise
        return math.inf
    return max((budget.spent - began) / max(taken, 1), 1e-6)


def _probe(descent: Descent, problem: Problem, budget: Budget) -> int:
    """Take steps that are thrown away, and count them."""
    throwaway = torch.Generator().manual_seed(0)
    return descent.minimise(problem, budget, throwaway, lambda step, loss: None).steps // descent.restarts


@dataclass(frozen=True)
class Restarts:
    """Runs descents, one batch after another, and pools what they find."""

    plan: Plan
    """For this problem and slice."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Fill the budget with batches; the last one is compressed into what is left."""
        descent = self.plan.descent
        solver = SampleSplitting(descent) if self.plan.splits else descent
        solutions: list[Solution] = []
        taken = 0
        for _ in range(self.plan.batches):
            began = budget.spent

            def watch_batch(step: int, loss: float, before: int = taken) -> None:
                watch(before + step, min([loss, *(s.relative_loss for s in solutions)]))

            solutions.append(solver.minimise(problem, budget, generator, watch_batch))
            taken += solutions[-1].steps // descent.restarts
            if budget.left <= _WORTH_STARTING * (budget.spent - began):
                break
        return pool(solutions)


def pool(solutions: list[Solution]) -> Solution:
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
