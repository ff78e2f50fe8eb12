"""The pictures, or rows, of a report: reconstructions beside the members they match, and how some came about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.report.outcomes import Sample
from audit.report.schema import Report

GALLERY = 500
"""Matches shown in a report, at most."""
_VALUES = 8_000_000
"""Pixels times channels that the reconstructions among them may have together: larger images mean fewer."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Three images of the same shape (h, w, c), floats in [0, 1], rescaled for display already.

    Or three rows of a table, (d,) in its units, with the columns shown.
    """

    sample: int
    """Index into `Report.samples`."""
    reconstruction: NDArray[np.floating]
    """(h, w, c), the candidate."""
    member: NDArray[np.floating]
    """(h, w, c), the training image it was matched with."""
    control: NDArray[np.floating] | None
    """(h, w, c), the control most like the reconstruction; None without controls."""
    control_id: str | None
    """Name of that control."""
    columns: tuple[str, ...] = ()
    """d names of columns, those in which the member differs most; empty for images."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """How splitting led to the match of a member: the one whose similarity rose most in an attack.

    All images have the same shape (h, w, c), floats in [0, 1], rescaled for display already.
    """

    attack: str
    """Id of the attack."""
    sample: int
    """Index into `Report.samples`."""
    stages: list[list[NDArray[np.floating]]]
    """First the candidate before its split, then its two halves at the end: the one closest to the member, and
    the other one."""
    ssim: list[list[float]]
    """Similarity of every image in `stages` with the member."""
    member: NDArray[np.floating]
    """(h, w, c), the training image."""


def room(shape: Sequence[int]) -> int:
    """Count the matches whose pictures are kept, for images of a shape (h, w, c): fewer where they are large."""
    return min(GALLERY, max(1, _VALUES // math.prod(shape)))


def rank(sample: Sample) -> tuple[bool, bool, float]:
    """Sort key that puts confirmed members first, then recovered ones, each group by falling similarity."""
    return not sample.confirmed, not sample.recovered, -sample.similarity


def gallery(samples: Sequence[Sample], limit: int = GALLERY) -> list[int]:
    """List the indices of the best matches, by `rank`."""
    matched = [index for index, sample in enumerate(samples) if sample.candidate is not None]
    return sorted(matched, key=lambda index: rank(samples[index]))[:limit]


def shown(report: Report, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Put the evidence of a report in the order of its gallery, and leave out what is beyond it."""
    by_sample = {item.sample: item for item in evidence}
    return [by_sample[index] for index in gallery(report.samples) if index in by_sample]


@dataclass(frozen=True, eq=False)
class Audit:
    """A finished audit."""

    report: Report
    """All that was found, as data."""
    evidence: list[Evidence]
    """The pictures in it."""
    trajectories: list[Trajectory] = field(default_factory=list)
    """How splitting led to some of them."""
    reconstructions: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """By attack, (M, h, w, c) pixels, not clipped; or (M, d) rows of a table in its units."""
