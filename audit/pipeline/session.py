"""One audit under way: what was asked, the clock, and who gets progress. Attacks on all networks run through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from audit.attacks import BATTERY, Attack, Equation, Observation, Prepared
from audit.battery import AttackResult, Outcome, prepare, reconstruct
from audit.budget import Budget, Clock
from audit.pipeline.progress import Listener
from audit.request.check import Inputs
from audit.request.request import Request


@dataclass(frozen=True, eq=False)
class Attacked:
    """What came of the battery."""

    prepared: dict[Attack, Prepared]
    """The equations of all attacks."""
    outcomes: list[Outcome]
    """One per attack, in the order of the battery."""

    @property
    def equations(self) -> list[Equation]:
        """Those that were solved, in the order of the battery."""
        ran = [
            self.prepared[outcome.attack] for outcome in self.outcomes if isinstance(outcome, AttackResult)
        ]
        return [found for found in ran if isinstance(found, Equation)]

    @property
    def least(self) -> Equation | None:
        """The equation whose loss came down furthest."""
        losses = [outcome.relative_loss for outcome in self.outcomes if isinstance(outcome, AttackResult)]
        pairs = zip(self.equations, losses, strict=True)
        return min(pairs, key=lambda pair: pair[1])[0] if losses else None


@dataclass(frozen=True, eq=False)
class Session:
    """What every stage of an audit needs."""

    request: Request
    """What was asked for."""
    inputs: Inputs
    """The same, read and checked."""
    listener: Listener
    """Gets progress."""
    clock: Clock
    """Monotonic, in seconds."""
    interrupted: Callable[[], bool]
    """Whether the user asked to stop."""

    def budget(self, seconds: float) -> Budget:
        """Begin to spend so many seconds, or the rounds that were asked for instead."""
        rounds = self.request.attack.rounds
        return Budget(seconds if rounds is None else math.inf, self.clock, self.interrupted, rounds)

    def attack(self, observation: Observation, seconds: float) -> Attacked:
        """Run the attacks that were asked for on what an attacker sees, for so many seconds together."""
        budget, request = self.budget(seconds), self.request

        def watch(attack: Attack, step: int, loss: float) -> None:
            self.listener.step(attack.id, budget.spent, budget.seconds, loss)

        prepared = prepare(observation, BATTERY)
        outcomes = reconstruct(
            observation,
            prepared,
            request.attack.attacks,
            budget,
            request.attack.seed,
            watch,
            splitting=not request.attack.no_splitting,
        )
        return Attacked(prepared, outcomes)
