"""How much work may be done: seconds of a clock, or rounds of restarts, which depend on no clock.

The clock is an argument, so that solvers stay pure and tests need not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Budget:
    """Seconds that may be spent, counted from the moment it is made; without end where rounds are counted."""

    seconds: float
    """How many; infinite where rounds are counted."""
    clock: Clock
    """Monotonic, in seconds."""
    interrupted: Callable[[], bool] = _never
    """Whether the user interrupted. Solvers then stop after the step they are in, and keep what they found."""
    rounds: int | None = None
    """Rounds of restarts of every attack, where these are counted instead of seconds. Everything else then runs to
    its own end: nothing that is computed may depend on the clock."""
    start: float = field(init=False)
    """What the clock said at the beginning."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.clock())

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.start

    @property
    def left(self) -> float:
        """Seconds left, not below 0; 0 once interrupted."""
        return 0.0 if self.interrupted() else max(0.0, self.seconds - self.spent)

    def part(self, seconds: float) -> Budget:
        """Cut off some of what is left, to be counted from now."""
        return Budget(min(seconds, self.left), self.clock, self.interrupted, self.rounds)
