"""Sample splitting: let few candidates settle, split them where curvature says so, go on with more.

A candidate that stands for several samples at once sits at a saddle which opens only when it is split (Shen et
al. 2026, arXiv 2602.08723; audit/docs/methods.md, equation (18)). The wrapped solver runs its schedule in stages,
each with an optimiser of its own. At the end of each but the last, at a sharpness that leaves the network some
curvature, every candidate whose lowest eigenvalue is negative is split along its eigenvector, as far as a line
search on the objective says.

Every restart has as many candidates as every other, whatever was split: one that stays whole is carried on as two
halves in one place. They see the same gradient and stay together, and become one again when near-duplicates are
merged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from audit.budget import Budget
from audit.equation.candidates import Candidates, concatenate
from audit.equation.objective import Objective
from audit.solve.base import Problem, Solution, Splitting, Status, Watcher
from audit.solve.curvature import extreme_eigenpairs, splitting_product
from audit.solve.descent import Descent, fit_scales, infinite_if_nan

_DISTANCES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Of twins from their parent, in norms of a typical image: what the line search tries."""
_SHIFTS = ((0.0, 1.0, -1.0), (0.0, -1.0, -0.5))
_SHARES = ((0.5, 0.5, -1.0), (0.5, 0.5, 2.0))
"""Of the two children: one that stays whole, twins, children of unlike sign."""


@dataclass(frozen=True, eq=False)
class SplitPlan:
    """How every candidate should be split."""

    directions: Tensor
    """u, (R, m, r), of unit length."""
    shifts: Tensor
    """(2, R, m): the children are at x + e * shift * u ..."""
    shares: Tensor
    """(2, R, m): ... with lambda times share. Shares add up to 1, shares times shifts to 0."""

    @property
    def splits(self) -> Tensor:
        """Number of candidates that are split, (R,)."""
        return (self.shifts[0] != 0).sum(-1)

    def children(self, candidates: Candidates, distance: Tensor) -> Candidates:
        """(R, 2m, ...): first one child of every candidate, then the other; distance (R,)."""
        steps = self.shifts.unsqueeze(-1) * (distance[:, None, None] * self.directions)
        return concatenate(
            [
                replace(
                    candidates,
                    inputs=candidates.inputs + step,
                    weights=share.unsqueeze(-1) * candidates.weights,
                )
                for step, share in zip(steps, self.shares, strict=True)
            ]
        )


Chooser = Callable[[Objective, Candidates, float, torch.Generator], SplitPlan]
"""(objective, candidates, sharpness, generator) -> how to split."""


def plan_splits(
    objective: Objective, candidates: Candidates, sharpness: float, generator: torch.Generator
) -> SplitPlan:
    """Split along the eigenvector that takes the objective down fastest; leave whole what has none.

    Twins with half of lambda each follow the lowest eigenvalue, if negative. If not, and lambda may have either
    sign, children with -lambda and 2 lambda follow the highest, if positive (arXiv 2003.10392). Only then: at half
    the rate and with three times the lambda they lead to worse minima where twins would do.
    """
    product = splitting_product(objective, candidates, sharpness)
    low, high = extreme_eigenpairs(product, candidates.inputs, generator)
    unlike = (low.values >= 0) & (high.values > 0) & (not objective.non_negative)
    kind = torch.where(unlike, 2, (low.values < 0).long())
    shifts, shares = (torch.tensor(table).to(low.vectors)[:, kind] for table in (_SHIFTS, _SHARES))
    return SplitPlan(torch.where(unlike.unsqueeze(-1), high.vectors, low.vectors), shifts, shares)


@dataclass(frozen=True)
class SampleSplitting:
    """`solver` in stages, with a split between them."""

    solver: Descent
    """Whose candidates are split; it says how many there are in the last stage and how long all stages take."""
    stages: tuple[tuple[float, float], ...] = ((0.1, 1.6),)
    """(share of the schedule, sharpness at its end) of every stage but the last. A count that is no multiple of
    the classes times 2 to the number of stages is rounded up, and classes have unequal shares."""
    choose: Chooser = plan_splits
    """How to split."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Run the stages, or as many of them as the budget allows, and keep the splits that paid.

        A restart whose objective is no lower at the end of a stage goes back to where it was before the split. This
        undoes damage; with sharpness rising between, it is no test of what the split itself gained.
        What comes back has 2^s candidates where the first of s + 1 stages had one, whatever was split.
        """
        objective, whole = fit_scales(problem), budget.left
        first, last = self.solver.sharpness
        schedule = replace(self.solver, count=-(-self.solver.count // 2 ** len(self.stages)))
        shares, ends = zip(*self.stages, (1 - sum(share for share, _ in self.stages), last), strict=True)

        def settle(stage: int, start: Candidates | None, taken: int) -> Solution:
            limit = budget if stage == len(self.stages) else budget.part(shares[stage] * whole)
            part = replace(
                schedule,
                count=schedule.count * 2**stage,
                steps=max(1, round(shares[stage] * schedule.steps)),
                sharpness=((first, *ends)[stage], ends[stage]),
                start=start,
            )
            return part.minimise(problem, limit, generator, lambda step, loss: watch(taken + step, loss))

        solution = settle(0, None, 0)
        before = solution.candidates
        rounds = splits = torch.zeros(schedule.restarts, dtype=torch.long)
        for stage in range(1, len(ends)):
            parents = solution.candidates
            if budget.left <= 0 or solution.status is Status.DIVERGED:
                solution = _ended(objective, solution, budget, last)
                continue
            plan = self.choose(objective, parents, ends[stage - 1], generator)
            start = _split(objective, parents, plan, ends[stage - 1], problem.box.typical_norm)
            after = settle(stage, start, solution.steps // schedule.restarts)
            solution, kept = _better(objective, solution, after, ends[stage])
            done = kept * plan.splits.cpu()
            rounds, splits = rounds + (done > 0), splits + done
        for _ in self.stages:
            before = _halved(before)
        losses = _losses(objective, before, last)
        return replace(solution, splitting=Splitting(before, losses, rounds, splits))


def _split(
    objective: Objective, parents: Candidates, plan: SplitPlan, sharpness: float, length: float
) -> Candidates:
    """Children as far from their parents as takes the objective down most, restart by restart."""
    like = parents.inputs[:, 0, 0]
    tried = [plan.children(parents, torch.full_like(like, length * distance)) for distance in _DISTANCES]
    losses = torch.stack([_losses(objective, children, sharpness) for children in tried])
    best = torch.tensor(_DISTANCES)[losses.argmin(0)].to(like)
    return plan.children(parents, length * best)


def _better(
    objective: Objective, before: Solution, after: Solution, sharpness: float
) -> tuple[Solution, Tensor]:
    """Of every restart what a split led to, if that is lower, else what there was before; and which it is."""
    parents = _halved(before.candidates)
    reached, left = (_losses(objective, found, sharpness) for found in (after.candidates, parents))
    kept = reached < left
    where = kept.to(parents.inputs.device)[:, None, None]
    candidates = replace(
        parents,
        inputs=torch.where(where, after.candidates.inputs, parents.inputs),
        weights=torch.where(where, after.candidates.weights, parents.weights),
    )
    past = before.steps // before.restarts
    solution = Solution(
        candidates=candidates,
        losses=torch.where(kept, reached, left),
        status=before.status if after.status is Status.DIVERGED else after.status,
        steps=before.steps + after.steps,
        history=(*before.history, *((past + step, loss) for step, loss in after.history)),
    )
    return solution, kept


def _ended(objective: Objective, settled: Solution, budget: Budget, sharpness: float) -> Solution:
    """What a stage left, when there is no time for the next."""
    candidates, status = _halved(settled.candidates), settled.status
    if status is not Status.DIVERGED:
        status = Status.INTERRUPTED if budget.interrupted() else Status.BUDGET
    losses = _losses(objective, candidates, sharpness)
    return replace(settled, candidates=candidates, losses=losses, status=status)


def _halved(candidates: Candidates) -> Candidates:
    """Every candidate as two in one place: the same sum over candidates."""
    half = replace(candidates, weights=candidates.weights / 2)
    return concatenate([half, half])


def _losses(objective: Objective, candidates: Candidates, sharpness: float) -> Tensor:
    with torch.no_grad():
        return infinite_if_nan(objective.relative_loss(candidates, sharpness)).cpu()
