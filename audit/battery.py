"""Run the battery against what the attacker sees. Members are nowhere in reach of this module or those above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from audit.attacks import Attack, Observation
from audit.reduction import RowSpace, reduce
from audit.solve.base import Problem, Solution, Status
from audit.solve.budget import Budget
from audit.solve.constraints import Box
from audit.solve.images import images, readings
from audit.solve.restarts import Restarts

Watcher = Callable[[Attack, int, float], None]
"""Called now and then with (attack, steps so far, relative loss)."""


@dataclass(frozen=True, eq=False)
class AttackResult:
    """An attack that ran."""

    attack: Attack
    """Which one."""
    solution: Solution
    """What the solver found, in reduced coordinates."""
    space: RowSpace
    """Row space the solution lives in."""
    reconstructions: NDArray[np.float32]
    """(M, d) in network units."""
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


def reconstruct(
    observation: Observation,
    attacks: Sequence[Attack],
    chosen: Sequence[str] | None,
    budget: Budget,
    seed: int,
    watch: Watcher = lambda attack, step, loss: None,
) -> list[Outcome]:
    """Run every attack that applies.

    Parameters
    ----------
    observation:
        What the attacker sees.
    attacks:
        The battery.
    chosen:
        Ids the user asked for; None for all.
    budget:
        Shared by all attacks.
    seed:
        Of every attack's own generator.
    watch:
        Listener.

    Returns
    -------
    list[Outcome]
        One per attack, in the order of the battery.
    """
    reasons = {attack.id: _reason_to_skip(attack, observation, chosen) for attack in attacks}
    waiting = sum(reason is None for reason in reasons.values())
    outcomes: list[Outcome] = []
    for attack in attacks:
        reason = reasons[attack.id]
        if reason is not None:
            outcomes.append(AttackSkipped(attack, reason))
            continue
        share = Budget(budget.left / waiting, budget.clock, budget.interrupted)
        waiting -= 1
        outcomes.append(_run(attack, observation, share, torch.Generator().manual_seed(seed), watch))
    return outcomes


def _reason_to_skip(attack: Attack, observation: Observation, chosen: Sequence[str] | None) -> str | None:
    if chosen is not None and attack.id not in chosen:
        return "not among the attacks asked for"
    return attack.inapplicable(observation)


def _run(
    attack: Attack, observation: Observation, budget: Budget, generator: torch.Generator, watch: Watcher
) -> AttackResult | AttackFailed:
    try:
        objective, space = reduce(attack.objective(observation))
        box = Box(space.basis, observation.low, observation.high)
        problem = Problem(objective, box, lambda count: attack.labels(observation, count))
        solver = Restarts(classes=attack.classes(observation))
        solution = solver.minimise(problem, budget, generator, lambda step, loss: watch(attack, step, loss))
        if solution.status is Status.DIVERGED:
            return AttackFailed(attack, solution.status.value, budget.spent)
        reconstructions = _array(images(solution.candidates, space, box))
        shape = (reconstructions.shape[0] // 2, box.low.shape[0])
        null = _array(readings(torch.randn(shape, generator=generator).to(box.low), box))
    except (MemoryError, RuntimeError) as error:  # out of memory on either device, SVD that does not converge
        return AttackFailed(attack, (str(error) or type(error).__name__).splitlines()[0], budget.spent)
    note = "; ".join(filter(None, [attack.caveat(observation), solution.status.value]))
    return AttackResult(attack, solution, space, reconstructions, null, budget.spent, note)


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(values.float().cpu().numpy(), dtype=np.float32)
