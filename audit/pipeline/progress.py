"""What a user sees while an audit runs: a bar on a terminal, lines in a log, or nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Listener(Protocol):
    """Gets progress. Used as a context manager around an audit."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, also after an error."""

    def stage(self, text: str) -> None:
        """Say that a stage begins."""

    def step(
        self, attack: str, spent: float, budget: float, loss: float, what: str = "relative loss"
    ) -> None:
        """Say that an attack, of whose `budget` seconds `spent` are gone, has reached a loss, and which one.

        The budget is infinite where rounds are counted.
        """


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def stage(self, text: str) -> None:
        """Ignore the stage."""

    def step(
        self, attack: str, spent: float, budget: float, loss: float, what: str = "relative loss"
    ) -> None:
        """Ignore the step."""
