"""The rule by which attacks share a budget: who gets the next slice of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

AS_GOOD_AS_SOLVED = 0.01
"""Relative loss below which an attack has no larger claim to time: less is often too many unknowns, not truth."""


@dataclass(frozen=True)
class Progress:
    """How far an attack has come."""

    losses: tuple[float, ...] = ()
    """Relative loss of the best restart of every slice in which a step was taken."""
    failure: str = ""
    """Why it gets no more slices; empty if nothing is wrong."""

    @property
    def loss(self) -> float:
        """Of the best restart so far; 1, that of no candidates at all, before the first."""
        return min([1.0, *self.losses])

    @property
    def claim(self) -> float:
        """Fall of the objective, as the logarithm of a ratio, for every slice up to the next.

        Infinite before the first step: a first slice may be too short for it.
        """
        if not self.losses:
            return math.inf
        return -math.log(max(self.loss, AS_GOOD_AS_SOLVED)) / (1 + len(self.losses))


def next_slice(progress: Sequence[Progress]) -> int | None:
    """Choose the attack, by its place, that the next slice of the budget is for; None if all have failed.

    Slices go to attacks in proportion to how far each brought its objective down, as seats go to parties (D'Hondt):
    the next one is for whoever has the largest fall per slice, counting the one to come; among equals, for whoever
    had fewest. Restarts begin anew in every slice, so the best loss of an attack that has long reached its floor
    would say nothing of what more restarts add to the pool.
    """
    fit = [place for place, one in enumerate(progress) if not one.failure]
    return max(fit, key=lambda place: (progress[place].claim, -len(progress[place].losses)), default=None)
