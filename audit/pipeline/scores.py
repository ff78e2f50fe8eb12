"""Which samples came back: all candidates together, of every attack apart, before splitting, and from noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.battery import AttackResult, Outcome
from audit.dataset.truth import Truth
from audit.pipeline.exchange import Exchange, exchange
from audit.scoring.calibration import Calibration, Part, calibrate, part_of
from audit.scoring.ranking import Picks, precision
from audit.scoring.votes import Field, join


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates of all attacks together."""

    values: NDArray[np.float32]
    """(M, d), normalised inputs."""
    support: NDArray[np.float32]
    """(M,), by which an attacker would rank them."""
    places: NDArray[np.int64]
    """(M,), the candidate of which each is a reading."""
    owners: tuple[tuple[str, int], ...]
    """M times the id of an attack and the row among what it returned."""

    @classmethod
    def of(cls, results: Sequence[AttackResult], size: int) -> Pool:
        """Put together what attacks on a network of `size` inputs returned."""
        values = [np.empty((0, size), np.float32), *(result.reconstructions for result in results)]
        owners = [(result.attack.id, row) for result in results for row in range(len(result.reconstructions))]
        support = [np.empty(0, np.float32), *(result.support for result in results)]
        places, first = [np.empty(0, np.int64)], 0
        for result in results:
            places.append(first + np.arange(len(result.reconstructions)) // result.readings)
            first += len(result.reconstructions)
        return cls(np.concatenate(values), np.concatenate(support), np.concatenate(places), tuple(owners))


@dataclass(frozen=True, eq=False)
class Scores:
    """What matching and calibration say of an audit."""

    pool: Pool
    """What was matched."""
    pooled: Calibration
    """Of all candidates together: what the verdict counts."""
    by_attack: dict[str, Part]
    """Of the candidates of each attack that ran."""
    before_splitting: dict[str, Part]
    """Of its candidates as they were before sample splitting; only of attacks that split."""
    negative: Calibration | None
    """The negative control, of noise; None without an attack or without controls."""
    row_space: Calibration | None
    """The row-space baseline, of random vectors in the row spaces of the attacks; likewise, and None where the
    audit was interrupted."""
    picks: tuple[Picks, ...]
    """What an attacker would pick without any data, and what that shows; empty without an attack or controls."""
    exchange: Exchange | None
    """How members compare with controls; None without controls."""


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
        Rate of false discoveries, within (0, 1).
    complete:
        Whether the audit ran to its end. If it was interrupted, nothing is matched again for the comparison before
        and after splitting, or for the row-space baseline.
    """
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    pool = Pool.of(ran, truth.members.shape[1])
    field = Field.of(truth.members, truth.controls, truth.preprocessing)
    votes = [field.votes(result.reconstructions) for result in ran] or [field.votes(pool.values)]
    pooled = calibrate(field, votes, threshold, fdr)
    calibrated = ran if len(truth.controls) else []
    noise = [field.votes(result.null) for result in calibrated]
    inside = [field.votes(result.row_space) for result in calibrated if complete]
    negative = calibrate(field, noise, threshold, fdr) if noise else None
    compared = exchange(field, truth, pooled, negative, pool.values) if len(truth.controls) else None
    picks = precision(pool.support, pool.places, field, join(votes), pooled) if calibrated else ()
    return Scores(
        pool=pool,
        pooled=pooled,
        by_attack={
            r.attack.id: part_of(pooled, field, of_one) for r, of_one in zip(ran, votes, strict=False)
        },
        before_splitting={
            r.attack.id: part_of(pooled, field, field.votes(r.splitting.images))
            for r in ran
            if complete and r.splitting is not None
        },
        negative=negative,
        row_space=calibrate(field, inside, threshold, fdr) if inside else None,
        picks=picks,
        exchange=compared,
    )
