"""Run the battery against what the attacker sees. Members are nowhere in reach of this module or those above it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from audit.attacks import Attack, Broken, Equation, Inapplicable, Method, Observation, Prepared
from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace, reduce
from audit.errors import first_line
from audit.solve.base import Problem, Solution, Solver, Status
from audit.solve.certificate import Certificate, certificate
from audit.solve.constraints import Box
from audit.solve.exact import ExactInputs
from audit.solve.images import FITTED, Readings, images, readings
from audit.solve.moments import MomentStarts
from audit.solve.restarts import Restarts, pooled
from audit.solve.tensor import TensorDecomposition

Watcher = Callable[[Attack, int, float], None]
"""Called now and then with (attack, steps so far, relative loss)."""

_EXACT = 0.5
"""Share of the budget for exact attacks, where others apply too; what they leave is for the others."""
_FIRST = 0.25
"""Share of the budget for everybody's first slice, where several attacks apply."""
_AS_GOOD_AS_SOLVED = 0.01
"""Relative loss below which an attack has no larger claim to time: less is often too many unknowns, not truth."""
_STRIDE = 0x9E3779B97F4A7C15
"""Between the seeds of attacks."""
_SLICES = 4
"""Slices the rest is cut into."""
_FAILURES = (ArithmeticError, MemoryError, RuntimeError, ValueError)
"""Out of memory on either device, no convergence, or values that SciPy refuses."""


def _exact_inputs(equation: Equation) -> ExactInputs:
    block, space = equation.objective.target[0], equation.space
    outside = block - space.lift(block @ space.basis)
    return ExactInputs(space.signals, float(outside.norm() / block.norm()))


_SOLVERS: dict[Method, Callable[[Equation, bool], Solver]] = {
    Method.DESCENT: lambda equation, splitting: Restarts(equation.classes, splitting),
    Method.EXACT: lambda equation, splitting: _exact_inputs(equation),
    Method.MOMENTS: lambda equation, splitting: MomentStarts(equation.space.signals),
    Method.TENSOR: lambda equation, splitting: TensorDecomposition(),
}
"""What solves an equation, slice by slice; `splitting` says whether candidates may be split."""


@dataclass(frozen=True, eq=False)
class AttackResult:
    """An attack that ran."""

    attack: Attack
    """Which one."""
    objective: Objective
    """The equation it solved, in network units."""
    solution: Solution
    """What the solver found, in reduced coordinates; losses relative to the whole target."""
    space: RowSpace
    """Row space the solution lives in."""
    read: Readings
    """How candidates become images."""
    reconstructions: NDArray[np.float32]
    """(M, d) in network units."""
    before_splitting: NDArray[np.float32] | None
    """(M', d) likewise, of the candidates before the first split; None without splitting."""
    certificate: Certificate | None
    """Where the best restart stopped; None without splitting, or where it could not be measured."""
    null: NDArray[np.float32]
    """(M0, d) as many starting points before the first look at the weights: white noise in all d dimensions,
    made into images in the same way. (Noise inside the row space would not do: that space is made of samples.)"""
    seconds: float
    """Time it took."""
    note: str
    """Why it stopped, and how far its theory applies."""


@dataclass(frozen=True)
class AttackSkipped:
    """An attack that did not run, as data and not as a log line."""

    attack: Attack
    """Which one."""
    reason: str
    """Why."""


@dataclass(frozen=True)
class AttackFailed:
    """An attack that broke."""

    attack: Attack
    """Which one."""
    reason: str
    """What happened."""
    seconds: float
    """Time it took."""


Outcome = AttackResult | AttackSkipped | AttackFailed


def prepare(observation: Observation, attacks: Sequence[Attack]) -> dict[Attack, Prepared]:
    """Write down the equations of attacks, once for all who need them: large layers and tensors take seconds."""
    return {attack: _prepare(attack, observation) for attack in attacks}


def _prepare(attack: Attack, observation: Observation) -> Prepared:
    try:
        return attack.prepare(observation)
    except _FAILURES as error:
        return Broken(first_line(error))


def reconstruct(
    observation: Observation,
    prepared: Mapping[Attack, Prepared],
    chosen: Sequence[str] | None,
    budget: Budget,
    seed: int,
    watch: Watcher = lambda attack, step, loss: None,
    *,
    splitting: bool = True,
) -> list[Outcome]:
    """Run every attack that applies.

    Parameters
    ----------
    observation:
        What the attacker sees.
    prepared:
        The battery's equations, as `prepare` returned them.
    chosen:
        Ids the user asked for; None for all.
    budget:
        Shared by all attacks.
    seed:
        Of every attack's own generator.
    watch:
        Listener.
    splitting:
        Whether to split candidates.

    Returns
    -------
    list[Outcome]
        One per attack, in the order of the battery.
    """
    outcomes: dict[Attack, Outcome] = {}
    running: list[_Run] = []
    for place, (attack, found) in enumerate(prepared.items()):
        if chosen is not None and attack.id not in chosen:
            outcomes[attack] = AttackSkipped(attack, "not among the attacks asked for")
        elif isinstance(found, Inapplicable):
            outcomes[attack] = AttackSkipped(attack, found.reason)
        elif isinstance(found, Broken):
            outcomes[attack] = AttackFailed(attack, found.reason, 0.0)
        else:
            # Attacks of one shape would begin with the same candidates, and find less together.
            generator = torch.Generator().manual_seed((seed + place * _STRIDE) % 2**63)
            running.append(_Run(found, observation, generator, watch, splitting=splitting))
    _share(running, budget, thorough=chosen is not None)
    outcomes.update({run.attack: run.outcome() for run in running})
    return [outcomes[attack] for attack in prepared]


def _share(running: Sequence[_Run], budget: Budget, *, thorough: bool) -> None:
    """Give every attack a first slice, then slices in proportion to how far each brought its objective down.

    In proportion as seats go to parties (D'Hondt): the next slice is for whoever has the largest fall per slice,
    counting the one to come; among equals, for whoever had fewest. Restarts begin anew in every slice, so the best
    loss of an attack that has long reached its floor would say nothing of what more restarts add to the pool.
    Exact attacks come before all that: they are done, or have given up, in one slice. A gradient that they explain
    is left alone, unless the search is to be thorough.
    """
    for run in running:
        if budget.left > 0:
            run.reduce()
    exact = [run for run in running if run.closed]
    running = [run for run in running if not run.closed]
    share = _EXACT * budget.left / max(len(exact), 1)
    for run in exact:
        run.advance(budget.part(share) if running else budget)
    solver = next((run.attack.id for run in exact if run.equation.source == "gradient" and run.solved), None)
    if solver is not None and not thorough:
        for run in running:
            run.spared = f"{solver} has explained the gradient" if run.equation.source == "gradient" else ""
        running = [run for run in running if not run.spared]
    if len(running) == 1:
        running[0].advance(budget)
        return
    first = _FIRST * budget.left / max(len(running), 1)
    for run in running:
        run.advance(budget.part(first))
    for left in range(_SLICES, 0, -1):
        fit = [run for run in running if not run.failed]
        if fit and budget.left > 0:
            first_in_line = max(fit, key=lambda run: (run.claim, -len(run.solutions)))
            first_in_line.advance(budget.part(budget.left / left))


class _Run:
    """One attack in progress, and what its slices found."""

    def __init__(
        self,
        equation: Equation,
        observation: Observation,
        generator: torch.Generator,
        watch: Watcher,
        *,
        splitting: bool,
    ) -> None:
        self.equation, self.attack = equation, equation.attack
        self.observation, self.generator, self.watch = observation, generator, watch
        self.splitting = splitting
        self.solutions: list[Solution] = []
        self.seconds = 0.0
        self.failed = ""
        self.spared = ""

    @cached_property
    def problem(self) -> Problem:
        """What solvers are given."""
        equation = self.equation
        box = Box(equation.space.basis, self.observation.low, self.observation.high)
        return Problem(reduce(equation.objective, equation.space), box, equation.label)

    @cached_property
    def solver(self) -> Solver:
        """What solves it, slice by slice."""
        return _SOLVERS[self.attack.method](self.equation, self.splitting)

    @property
    def closed(self) -> bool:
        """Whether the attack is done, or has given up, in one slice."""
        return self.attack.method.in_one_slice

    @property
    def solved(self) -> bool:
        """Whether the equation holds to rounding."""
        return any(solution.status is Status.SOLVED for solution in self.solutions)

    def reduce(self) -> None:
        """Do what comes before the first slice: large layers take a while to reduce."""
        with self._failing():
            _ = self.problem

    def advance(self, budget: Budget) -> None:
        """Spend `budget` on more restarts."""
        if not self.failed and budget.left > 0:
            with self._failing():
                self._advance(budget)
        self.seconds += budget.spent

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            self.failed = first_line(error)

    def _advance(self, budget: Budget) -> None:
        before, taken = self.relative_loss, sum(s.steps // s.restarts for s in self.solutions)

        def watch(step: int, loss: float) -> None:
            self.watch(self.attack, taken + step, min(self._of_whole(loss), before))

        solution = self.solver.minimise(self.problem, budget, self.generator, watch)
        if solution.status is Status.DIVERGED:
            self.failed = solution.status.value
        elif not len(solution.candidates):
            self.failed = f"{solution.status.value}: {solution.note}"
        elif solution.steps:
            self.solutions.append(solution)

    @property
    def claim(self) -> float:
        """Fall of the objective, as the logarithm of a ratio, for every slice up to the next.

        Infinite before the first step: a first slice may be too short for it.
        """
        if not self.solutions:
            return math.inf
        return -math.log(max(self.relative_loss, _AS_GOOD_AS_SOLVED)) / (1 + len(self.solutions))

    @property
    def relative_loss(self) -> float:
        """Of the best restart so far; 1, that of no candidates at all, before the first."""
        return min([1.0, *(self._of_whole(solution.relative_loss) for solution in self.solutions)])

    def _of_whole(self, loss: float) -> float:
        """Relative to the whole target, a loss relative to its part in the row space.

        Gradients of candidates in the row space are orthogonal to the rest, so the rest is never explained.
        """
        whole = self.equation.objective.target_norm
        inside = (self.problem.objective.target_norm / whole) ** 2 if whole else 1.0
        return 1 - min(1.0, inside) * (1 - loss)

    def outcome(self) -> Outcome:
        """What came of it; a failure after the first slice loses only what failed."""
        if self.spared:
            return AttackSkipped(self.attack, self.spared)
        with self._failing():
            if self.solutions:
                return self._result()
        return AttackFailed(self.attack, self.failed or "the time ended before its first step", self.seconds)

    def _result(self) -> AttackResult:
        solution, box, space = pooled(self.solutions), self.problem.box, self.equation.space
        # The gradient of a bias in the first layer fixes the scale, and the tensor of extended inputs.
        scaled = self.observation.network.biases[0] is not None
        exact = self.closed and scaled
        own_scale = self.equation.source == "gradient" and scaled
        read = readings(box, space, own_scale=own_scale, shape=self.observation.shape)

        def lifted(candidates: Candidates) -> NDArray[np.float32]:
            if exact:
                return to_array(space.lift(candidates.pooled().inputs))
            return to_array(images(candidates, space, read, both_signs=self.observation.network.sign_blind))

        reconstructions, splitting = lifted(solution.candidates), solution.splitting
        before = reached = None
        if splitting is not None:
            with suppress(MemoryError, RuntimeError):  # what was found is returned without it
                before = lifted(splitting.before)
                best = int(solution.losses.argmin())
                reached = certificate(self.problem, solution.candidates.restart(best), self.generator)
            whole = [self._of_whole(loss) for loss in splitting.losses.tolist()]
            splitting = replace(splitting, losses=torch.tensor(whole))
        kinds = 1 if exact else len(read(box.low[None]))
        noise = torch.randn(len(reconstructions) // kinds, len(box.low), generator=self.generator).to(box.low)
        null = to_array(box.scale_to_fit(noise, FITTED) if exact else read(noise))
        said = None if exact else read.note
        notes = [
            self.equation.caveat,
            solution.status.value,
            solution.note,
            said,
            self.failed,
        ]
        return AttackResult(
            attack=self.attack,
            objective=self.equation.objective,
            solution=replace(
                solution,
                losses=torch.tensor([self._of_whole(loss) for loss in solution.losses.tolist()]),
                history=tuple((step, self._of_whole(loss)) for step, loss in solution.history),
                splitting=splitting,
            ),
            space=space,
            read=read,
            reconstructions=reconstructions,
            before_splitting=before,
            certificate=reached,
            null=null,
            seconds=self.seconds,
            note="; ".join(filter(None, notes)),
        )


def to_array(values: torch.Tensor) -> NDArray[np.float32]:
    """Leave torch, from any device and in any precision."""
    return np.asarray(values.float().cpu().numpy(), dtype=np.float32)
