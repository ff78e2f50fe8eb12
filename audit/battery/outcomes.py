"""What leaves the battery: arrays, numbers and sentences, and nothing of how an equation was solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.attacks import Attack


@dataclass(frozen=True, eq=False)
class SplitTrace:
    """What splitting candidates did, restart by restart."""

    images: NDArray[np.float32]
    """(M', d) normalised inputs, of the candidates before the first split, made as reconstructions are."""
    losses: NDArray[np.float32]
    """(R,) relative loss of these candidates."""
    rounds: NDArray[np.int64]
    """(R,) rounds that were kept."""
    splits: NDArray[np.int64]
    """(R,) candidates that were split in them."""
    gradient: float | None
    """Of the certificate of the best restart; None where it could not be measured."""
    eigenvalue: float | None
    """Likewise."""
    parents: NDArray[np.float32]
    """(K, m, d) candidates before the first split, at the scale of the equation: of the K restarts that kept a
    round, and of none where memory did not suffice."""
    children: NDArray[np.float32]
    """(K, m, d) the same at the end. Those at j and j + m / 2 come from one parent, which is in both places."""
    sign_symmetric: bool
    """Whether the negative of a candidate may be the sample as well."""
    rescale: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """From candidates (k, d) to all their rescalings (k', d): at the scales at which they may be images."""


@dataclass(frozen=True, eq=False)
class AttackResult:
    """An attack that ran."""

    attack: Attack
    """Which one."""
    reconstructions: NDArray[np.float32]
    """(M, d) normalised inputs, in the order of falling support; every candidate in all its readings, one after the
    other."""
    support: NDArray[np.float32]
    """(M,) what an attacker can know of how good each is: how much of all restarts is near it, relative to the best
    of this attack, times the share of the equation that is explained."""
    readings: int
    """Number of images that are made of one candidate: scales at which it may be a sample."""
    null: NDArray[np.float32]
    """(M0, d) as many starting points before the first look at the weights: white noise in all d dimensions,
    made into images in the same way. (Noise inside the row space would not do: that space is made of samples.)"""
    row_space: NDArray[np.float32]
    """(M0, d) as many random vectors in the row space of the equation, made into images in the same way: what that
    space shows of the samples without any attack."""
    losses: NDArray[np.float32]
    """(R,) relative loss of every restart, relative to the whole target."""
    history: tuple[tuple[int, float], ...]
    """(step, relative loss) of the best restart, thinned."""
    steps: int
    """Steps taken, over all restarts."""
    solved: bool
    """Whether the equation holds to rounding."""
    splitting: SplitTrace | None
    """None without splitting, or where memory did not suffice to look at it."""
    seconds: float
    """Time it took."""
    note: str
    """Why it stopped, and how far its theory applies."""

    @property
    def restarts(self) -> int:
        """Number of restarts."""
        return len(self.losses)

    @property
    def relative_loss(self) -> float:
        """Of the best restart."""
        return float(self.losses.min())


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
