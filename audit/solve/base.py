"""What a solver is, apart from the problem it solves and the solution it returns.

A wrapper around a solver is a solver: `SampleSplitting(Descent())` can stand wherever `Descent()` does. A status is
the sentence the user reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.solve.constraints import Box

Watcher = Callable[[int, float], None]
"""Called now and then with (steps so far, relative loss)."""


class Status(Enum):
    """Why a solver stopped."""

    FINISHED = "the schedule was completed"
    BUDGET = "the budget ended"
    INTERRUPTED = "the user interrupted it"
    SOLVED = "the equation was solved"
    EXHAUSTED = "more of the search was unlikely to help"
    DIVERGED = "the objective became infinite or NaN"


@dataclass(frozen=True, eq=False)
class Problem:
    """An objective in reduced coordinates, and what candidates must satisfy."""

    objective: Objective
    """The equation."""
    box: Box
    """Bounds on lifted inputs."""
    labels: Callable[[int], Tensor | None]
    """Labels (m,) for m candidates."""

    @property
    def rank(self) -> int:
        """Return r, the number of reduced coordinates."""
        return self.box.basis.shape[1]

    @property
    def input_unit(self) -> float:
        """Root mean square of one reduced coordinate of a typical image."""
        return self.box.typical_norm / math.sqrt(self.rank)


@dataclass(frozen=True, eq=False)
class Splitting:
    """What splitting candidates did to a solution, restart by restart."""

    before: Candidates
    """(R, m, ...): every candidate of the solution as it was before the first split."""
    losses: Tensor
    """(R,) relative loss of these, at the sharpness of the solution."""
    rounds: Tensor
    """(R,) rounds that were kept."""
    splits: Tensor
    """(R,) candidates that were split in them."""


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found."""

    candidates: Candidates
    """(R, m, ...) from R restarts."""
    losses: Tensor
    """(R,) relative loss of every restart."""
    status: Status
    """Why it stopped."""
    steps: int
    """Steps taken, over all restarts."""
    history: tuple[tuple[int, float], ...]
    """(step, relative loss) of the best restart, thinned."""
    splitting: Splitting | None = None
    """What splitting did, where it was used."""
    note: str = ""
    """What else a reader should know of how it went."""

    @property
    def restarts(self) -> int:
        """Number of restarts."""
        return len(self.losses)

    @property
    def relative_loss(self) -> float:
        """Of the best restart."""
        return float(self.losses.min())


class Solver(Protocol):
    """Anything that minimises an objective."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Solve `problem` within `budget`; what is there when the budget ends is returned."""
