"""Which samples came back: all candidates together, of every attack apart, before splitting, and from noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.battery import AttackResult, Outcome
from audit.dataset.truth import Truth
from audit.scoring.calibration import Calibration, calibrate


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of all attacks together."""

    values: NDArray[np.float32]
    """(M, d), normalised inputs."""
    owners: tuple[tuple[str, int], ...]
    """M times the id of an attack and the row among what it returned."""

    @classmethod
    def of(cls, results: Sequence[AttackResult], size: int) -> Pool:
        """Put together what attacks on a network of `size` inputs returned."""
        values = [np.empty((0, size), np.float32), *(result.reconstructions for result in results)]
        owners = [(result.attack.id, row) for result in results for row in range(len(result.reconstructions))]
        return cls(np.concatenate(values), tuple(owners))


@dataclass(frozen=True, eq=False)
class Scores:
    """What matching and calibration say of an audit."""

    pool: Pool
    """What was matched."""
    pooled: Calibration
    """Of all candidates together: what the verdict counts."""
    by_attack: dict[str, Calibration]
    """Of the candidates of each attack that ran."""
    before_splitting: dict[str, Calibration]
    """Of its candidates as they were before sample splitting; only of attacks that split."""
    negative: Calibration | None
    """The negative control, of noise; None without an attack or without controls."""


def score(
    outcomes: Sequence[Outcome], truth: Truth, threshold: float, fdr: float, *, complete: bool
) -> Scores:
    """Match what attacks returned with members and controls.

    Parameters
    ----------
    outcomes:
        One per attack of the battery.
    truth:
        Members and controls.
    threshold:
        Similarity from which a match counts as recovered.
    fdr:
        Rate of Benjamini-Hochberg, within (0, 1).
    complete:
        Whether the audit ran to its end. If it was interrupted, nothing is matched again for the comparison before
        and after splitting.
    """
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    pool = Pool.of(ran, truth.members.shape[1])
    compare = _comparison(truth, threshold, fdr)
    pooled = compare(pool.values)
    return Scores(
        pool=pool,
        pooled=pooled,
        by_attack={r.attack.id: pooled if len(ran) == 1 else compare(r.reconstructions) for r in ran},
        before_splitting={
            r.attack.id: compare(r.splitting.images) for r in ran if complete and r.splitting is not None
        },
        negative=compare(np.concatenate([r.null for r in ran])) if ran and len(truth.controls) else None,
    )


def _comparison(truth: Truth, threshold: float, fdr: float) -> Callable[[NDArray[np.float32]], Calibration]:
    def compare(candidates: NDArray[np.float32]) -> Calibration:
        return calibrate(candidates, truth.members, truth.controls, truth.preprocessing, threshold, fdr)

    return compare
