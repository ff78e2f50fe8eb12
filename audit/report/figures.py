"""The figures of two runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from audit.report.base import Part
from audit.report.differences import best_equation
from audit.report.schema import Report

Unit = Literal["count", "share", "number"]
FigureId = Literal[
    "confirmed",
    "confirmed-fraction",
    "upper-limit",
    "recovered",
    "recovered-fraction",
    "expected-false",
    "mean-similarity",
    "power",
    "reachable",
    "mean-attainable",
    "mean-contribution",
    "auc",
    "loss-at-true-samples",
]


class Figure(Part):
    """A figure in both runs."""

    id: FigureId
    """Which figure it is."""
    attack: str | None = None
    """Attack that the figure is of; None where it is of the whole audit."""
    unit: Unit
    """Whether it is a count, a share of one, or another number."""
    before: float | None
    """Value in the first run; None where it was not measured."""
    after: float | None
    """Value in the second run; None where it was not measured."""


def figures(before: Report, after: Report) -> Iterator[Figure]:
    """List the figures that both reports have, those of the whole audit first."""
    for name, (unit, value_of) in _FIGURES.items():
        yield Figure(id=name, unit=unit, before=value_of(before), after=value_of(after))
    if before.modality == after.modality:
        yield _mean("mean-similarity", before, after, lambda r: [s.similarity for s in r.samples])
        if before.modality == "image":
            yield _mean("mean-attainable", before, after, lambda r: [s.attainable for s in r.samples])
    equation = best_equation(before)
    if equation is not None and equation == best_equation(after):
        yield _mean("mean-contribution", before, after, lambda r: [s.contribution for s in r.samples])
    yield from _by_equation(before, after)


def _by_equation(before: Report, after: Report) -> Iterator[Figure]:
    later = {fit.attack: fit for fit in after.diagnostics.contribution}
    for first in before.diagnostics.contribution:
        if (second := later.get(first.attack)) is not None:
            name = first.attack
            yield Figure(id="auc", attack=name, unit="number", before=first.auc, after=second.auc)
            yield Figure(
                id="loss-at-true-samples",
                attack=name,
                unit="share",
                before=first.residual,
                after=second.residual,
            )


def _calibrated(report: Report, value: float) -> float | None:
    return value if report.summary.controls else None


def _mean(
    name: FigureId,
    before: Report,
    after: Report,
    values_of: Callable[[Report], list[float | None] | list[float]],
) -> Figure:
    def mean(report: Report) -> float | None:
        known = [value for value in values_of(report) if value is not None]
        return sum(known) / len(known) if known else None

    return Figure(id=name, unit="number", before=mean(before), after=mean(after))


def _power(report: Report) -> float | None:
    control = report.diagnostics.positive_control
    return None if control is None else control.power


def _reachable(report: Report) -> float | None:
    attainable = report.diagnostics.attainable
    return None if attainable is None else attainable.reachable


_FIGURES: dict[FigureId, tuple[Unit, Callable[[Report], float | None]]] = {
    "confirmed": ("count", lambda r: _calibrated(r, r.summary.confirmed)),
    "confirmed-fraction": ("share", lambda r: _calibrated(r, r.summary.confirmed_fraction)),
    "upper-limit": ("share", lambda r: r.summary.upper_limit),
    "recovered": ("count", lambda r: r.summary.recovered),
    "recovered-fraction": ("share", lambda r: r.summary.recovered / r.summary.members),
    "expected-false": ("number", lambda r: r.summary.expected_false),
    "power": ("share", _power),
    "reachable": ("count", _reachable),
}
"""Figures of the whole audit."""
