"""Made-up outcomes of attacks on random images, for tests of what follows the attacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.attacks import BATTERY
from audit.battery import AttackResult, SplitTrace
from audit.dataset.samples import Samples
from audit.dataset.truth import Truth
from audit.model.preprocessing import parse_preprocessing

SIDE, MEMBERS, CONTROLS = 8, 5, 120
ATTACKS = {attack.id: attack for attack in BATTERY}


@dataclass(frozen=True)
class Planted:
    """Members and controls of which nothing leaks by itself."""

    members: Samples
    controls: Samples
    truth: Truth

    def copies(self, *rows: int) -> NDArray[np.float32]:
        """Candidates that are members, but for a little noise."""
        noise = np.random.default_rng(1).normal(size=(len(rows), SIDE * SIDE))
        return (self.truth.members[list(rows)] + 0.01 * noise).astype(np.float32)


def planted(*, labelled: bool = True) -> Planted:
    """Random images; the first MEMBERS are members."""
    values = np.random.default_rng(0).uniform(size=(MEMBERS + CONTROLS, SIDE, SIDE, 1)).astype(np.float32)
    labels = np.arange(MEMBERS) if labelled else None
    members = samples(values[:MEMBERS], "members.npz", labels)
    controls = samples(values[MEMBERS:], "controls.npz", None)
    preprocessing = parse_preprocessing((1, SIDE, SIDE), "0.5", "0.25")
    return Planted(members, controls, Truth.of(members, controls, preprocessing))


def samples(values: NDArray[np.float32], source: str, labels: NDArray[np.int64] | None) -> Samples:
    """Samples with row numbers for names."""
    return Samples(values, labels, tuple(map(str, range(len(values)))), source, "0" * 64)


def noise(count: int, seed: int = 2, size: int = SIDE * SIDE) -> NDArray[np.float32]:
    """Candidates that know nothing."""
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def ran(
    attack: str,
    found: NDArray[np.float32],
    before: NDArray[np.float32] | None = None,
    note: str = "",
    inside: NDArray[np.float32] | None = None,
) -> AttackResult:
    """An attack that returned these candidates, and had others before it split them."""
    return AttackResult(
        attack=ATTACKS[attack],
        reconstructions=found,
        null=noise(10, seed=3, size=found.shape[1]),
        row_space=noise(10, seed=4, size=found.shape[1]) if inside is None else inside,
        support=np.linspace(1, 0, len(found), dtype=np.float32),
        readings=1,
        losses=np.array([0.2, 0.1]),
        history=((0, 1.0), (10, 0.1)),
        steps=10,
        solved=False,
        splitting=None if before is None else split(before),
        seconds=1.234,
        note=note,
    )


def split(before: NDArray[np.float32]) -> SplitTrace:
    """Two rounds in one of two restarts."""
    return SplitTrace(
        images=before,
        losses=np.array([0.5, 0.4]),
        rounds=np.array([2, 0]),
        splits=np.array([3, 0]),
        gradient=1e-3,
        eigenvalue=-1e-2,
        parents=before[None, :0],
        children=before[None, :0],
        sign_symmetric=False,
        rescale=lambda candidates: candidates,
    )
