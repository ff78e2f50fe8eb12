"""What differs between two runs besides the outcome, and so may be the reason for a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from audit.report.base import Part
from audit.report.schema import Report
from audit.words import plural

DifferenceKind = Literal[
    "other-members",
    "same-checkpoint",
    "setting",
    "other-controls",
    "before-interrupted",
    "after-interrupted",
    "before-uncalibrated",
    "after-uncalibrated",
    "other-equation",
]
Setting = Literal[
    "threshold",
    "fdr",
    "policy",
    "budget",
    "controls",
    "network",
    "attacks",
    "observed",
    "seed",
    "device",
    "version",
]


class Difference(Part):
    """One thing that differs between two runs, or that a reader of the comparison should know."""

    kind: DifferenceKind
    """What sort of difference it is."""
    setting: Setting | None = None
    """Which setting differs; None for other kinds."""
    before: str | None = None
    """Value in the first run, where the kind has one."""
    after: str | None = None
    """Value in the second run, where the kind has one."""


def differences(before: Report, after: Report) -> Iterator[Difference]:
    """List what differs besides the outcome."""
    first, second = before.data.members, after.data.members
    if first.sha256 != second.sha256:
        yield Difference(kind="other-members", before=first.source, after=second.source)
    if before.model.sha256 == after.model.sha256:
        yield Difference(kind="same-checkpoint")
    for name, value_of in _SETTINGS.items():
        one, other = value_of(before), value_of(after)
        if one != other:
            yield Difference(kind="setting", setting=name, before=one, after=other)
    if _controls(before) != _controls(after):
        yield Difference(kind="other-controls")
    if not before.provenance.complete:
        yield Difference(kind="before-interrupted")
    if not before.summary.controls:
        yield Difference(kind="before-uncalibrated")
    if not after.provenance.complete:
        yield Difference(kind="after-interrupted")
    if not after.summary.controls:
        yield Difference(kind="after-uncalibrated")
    equations = best_equation(before), best_equation(after)
    if None not in equations and equations[0] != equations[1]:
        yield Difference(kind="other-equation", before=equations[0], after=equations[1])


def best_equation(report: Report) -> str | None:
    """Attack whose equation members' contributions are of."""
    return report.diagnostics.contribution[0].attack if report.diagnostics.contribution else None


def _controls(report: Report) -> str | None:
    return None if report.data.controls is None else report.data.controls.sha256


def _policy(report: Report) -> str:
    limits = [f"{limit.metric} <= {limit.maximum:g}" for limit in report.policy.limits]
    return ", ".join([report.policy.name, *limits])


def _network(report: Report) -> str:
    layers = report.model.layers
    sizes = [layers[0][1], *(outputs for outputs, _ in layers)]
    return f"{'-'.join(map(str, sizes))} {report.model.activation}"


def _attacks(report: Report) -> str:
    return ", ".join(attack.id for attack in report.attacks if attack.status == "ran") or "none"


def _budget(report: Report) -> str:
    rounds, seconds = report.provenance.rounds, report.provenance.budget_seconds
    return plural(rounds or 0, "round") if seconds is None else f"{seconds:g} s"


_SETTINGS: dict[Setting, Callable[[Report], str]] = {
    "threshold": lambda report: f"{report.similarity} >= {report.summary.threshold:g}",
    "fdr": lambda report: f"{report.summary.fdr:g}",
    "policy": _policy,
    "budget": _budget,
    "controls": lambda report: str(report.summary.controls),
    "network": _network,
    "attacks": _attacks,
    "observed": lambda report: "none" if report.data.gradient is None else report.data.gradient.kind,
    "seed": lambda report: str(report.provenance.seed),
    "device": lambda report: report.provenance.device,
    "version": lambda report: report.tool.version,
}
"""What a run was asked to do, as short values."""
