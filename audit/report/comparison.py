"""Two reports, before and after: which members came back in one of them only, and how the figures moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from audit.report.base import Part
from audit.report.outcomes import AttackReport, Sample
from audit.report.schema import Report
from audit.verdict.facts import AttackStatus
from audit.verdict.judgement import Verdict

Unit = Literal["count", "share", "number"]


class Side(Part):
    """One of the two runs."""

    checkpoint: str
    """Path of the checkpoint, as it was given."""
    sha256: str
    """Digest of the checkpoint file."""
    started: str
    """Start of the run, ISO 8601, UTC."""
    verdict: Verdict
    """Verdict under the policy of the run."""
    members: int
    """Number of training samples that were compared."""
    similarity: str
    """Measure by which members are compared: SSIM, or correlation for rows of a table."""
    confirmed_interval: tuple[float, float] | None
    """Clopper-Pearson 95 % interval of the confirmed fraction; None without controls."""


class Figure(Part):
    """A figure in both runs."""

    name: str
    """Name of the figure, in words."""
    unit: Unit
    """Whether it is a count, a share of one, or another number."""
    before: float | None
    """Value in the first run; None where it was not measured."""
    after: float | None
    """Value in the second run; None where it was not measured."""


class Change(Part):
    """Members that fulfil something in one run only, by id."""

    gained: list[str]
    """Members of which it holds after, but not before."""
    lost: list[str]
    """Members of which it holds before, but not after."""
    kept: int
    """Number of members of which it holds in both runs."""


class AttackSide(Part):
    """What became of an attack in one run."""

    status: AttackStatus
    """Whether it ran, was skipped, or failed."""
    relative_loss: float | None
    """Squared residual over squared norm of the target, of the best restart; None where it diverged or did not
    run."""
    recovered: int
    """Members recovered by this attack's candidates alone."""
    confirmed: int
    """Members confirmed from this attack's candidates alone."""


class AttackChange(Part):
    """One attack in both runs."""

    id: str
    """Name of the attack, as in `--attacks`."""
    before: AttackSide | None
    """Outcome in the first run; None where its battery did not have the attack."""
    after: AttackSide | None
    """Outcome in the second run; None where its battery did not have the attack."""


class MemberSide(Part):
    """What became of a member in one run."""

    similarity: float
    """Similarity to its best candidate: SSIM of images, correlation of rows of a table."""
    ncc: float
    """Centred correlation with that candidate."""
    recovered: bool
    """Whether its similarity reached the threshold."""
    confirmed: bool
    """Whether it was recovered beyond chance."""
    contribution: float | None
    """Contribution of the member; None also where it is of different equations in the two runs."""
    attainable: float | None
    """Attainable SSIM of the member."""


class MemberChange(Part):
    """One member in both runs."""

    id: str
    """Name of the member in the first run."""
    before: MemberSide
    """Outcome in the first run."""
    after: MemberSide
    """Outcome in the second run."""


class Comparison(Part):
    """What changed between two runs."""

    schema_version: Literal[2] = 2
    """Version of this schema."""
    before: Side
    """The first of the two runs."""
    after: Side
    """The second of the two runs."""
    confirmed: Change | None
    """Members confirmed in one run only; None where members could not be paired, or a run had no controls."""
    recovered: Change | None
    """Members recovered in one run only; None where members could not be paired."""
    figures: list[Figure]
    """Figures that both reports have."""
    attacks: list[AttackChange]
    """Every attack of either battery."""
    members: list[MemberChange]
    """Every member, in the order of the reports; empty where they could not be paired."""
    notes: list[str]
    """What else differs, and so may be the reason for a change."""


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports.

    Members are paired where both runs were given the same members with the same labels in the same order, by their
    sha256. Otherwise counts and fractions are compared only.
    """
    paired = before.data.members.sha256 == after.data.members.sha256
    same_equation = _equation(before) == _equation(after)
    calibrated = before.summary.controls > 0 and after.summary.controls > 0
    members = list(zip(before.samples, after.samples, strict=True)) if paired else []
    return Comparison(
        before=_side(before),
        after=_side(after),
        confirmed=_change(members, lambda sample: sample.confirmed) if paired and calibrated else None,
        recovered=_change(members, lambda sample: sample.recovered) if paired else None,
        figures=list(_figures(before, after)),
        attacks=_attacks(before, after),
        members=[
            MemberChange(
                id=first.id, before=_member(first, same_equation), after=_member(second, same_equation)
            )
            for first, second in members
        ],
        notes=list(_notes(before, after)),
    )


def _side(report: Report) -> Side:
    return Side(
        checkpoint=report.model.checkpoint,
        sha256=report.model.sha256,
        started=report.provenance.started,
        verdict=report.verdict,
        members=report.summary.members,
        similarity=report.similarity,
        confirmed_interval=report.summary.confirmed_interval,
    )


def _change(members: list[tuple[Sample, Sample]], fulfils: Callable[[Sample], bool]) -> Change:
    return Change(
        gained=[first.id for first, second in members if fulfils(second) and not fulfils(first)],
        lost=[first.id for first, second in members if fulfils(first) and not fulfils(second)],
        kept=sum(fulfils(first) and fulfils(second) for first, second in members),
    )


def _member(sample: Sample, same_equation: bool) -> MemberSide:
    part = MemberSide(**sample.model_dump(include=set(MemberSide.model_fields)))
    return part if same_equation else part.model_copy(update={"contribution": None})


def _figures(before: Report, after: Report) -> Iterator[Figure]:
    def figure(name: str, unit: Unit, of: Callable[[Report], float | None]) -> Figure:
        return Figure(name=name, unit=unit, before=of(before), after=of(after))

    yield figure("members confirmed", "count", lambda r: _calibrated(r, r.summary.confirmed))
    yield figure("confirmed fraction", "share", lambda r: _calibrated(r, r.summary.confirmed_fraction))
    yield figure("upper limit of it (95 %)", "share", lambda r: r.summary.upper_limit)
    yield figure("members recovered", "count", lambda r: r.summary.recovered)
    yield figure("recovered fraction", "share", lambda r: r.summary.recovered / r.summary.members)
    yield figure("recovered by chance alone", "number", lambda r: r.summary.expected_false)
    if before.similarity == after.similarity:
        name = f"mean {before.similarity} of best matches"
        yield figure(name, "number", lambda r: _mean([s.similarity for s in r.samples]))
    yield figure("power of the positive control", "share", _power)
    yield figure("members that could be recovered", "count", _reachable)
    if "row" not in (before.modality, after.modality):
        yield figure("mean attainable SSIM", "number", lambda r: _mean([s.attainable for s in r.samples]))
    if (attack := _equation(before)) is not None and attack == _equation(after):
        yield figure("mean contribution", "number", lambda r: _mean([s.contribution for s in r.samples]))
    later = {fit.attack: fit for fit in after.diagnostics.contribution}
    for first in before.diagnostics.contribution:
        if (second := later.get(first.attack)) is not None:
            yield Figure(name=f"AUC, {first.attack}", unit="number", before=first.auc, after=second.auc)
            yield Figure(
                name=f"left open by the members, {first.attack}",
                unit="share",
                before=first.residual,
                after=second.residual,
            )


def _calibrated(report: Report, value: float) -> float | None:
    return value if report.summary.controls else None


def _mean(values: list[float | None] | list[float]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _power(report: Report) -> float | None:
    control = report.diagnostics.positive_control
    return None if control is None else control.power


def _reachable(report: Report) -> float | None:
    attainable = report.diagnostics.attainable
    return None if attainable is None else attainable.reachable


def _equation(report: Report) -> str | None:
    """Attack whose equation members' contributions are of."""
    return report.diagnostics.contribution[0].attack if report.diagnostics.contribution else None


def _attacks(before: Report, after: Report) -> list[AttackChange]:
    sides = [{attack.id: _attack(attack) for attack in report.attacks} for report in (before, after)]
    ids = dict.fromkeys([*sides[0], *sides[1]])
    return [AttackChange(id=name, before=sides[0].get(name), after=sides[1].get(name)) for name in ids]


def _attack(attack: AttackReport) -> AttackSide:
    return AttackSide(**attack.model_dump(include=set(AttackSide.model_fields)))


def _notes(before: Report, after: Report) -> Iterator[str]:
    """What differs besides the outcome, in sentences."""
    first, second = before.data.members, after.data.members
    if first.sha256 != second.sha256:
        yield (
            f"The members are not the same ({first.source}, {second.source}), so they cannot be paired: "
            f"only counts and fractions are compared."
        )
    if before.model.sha256 == after.model.sha256:
        yield "Both runs audited the same checkpoint: what differs is due to settings and chance."
    for what, of in _SETTINGS.items():
        one, other = of(before), of(after)
        if one != other:
            yield f"The {what} differ. Before: {one}. After: {other}."
    if (before.data.controls and before.data.controls.sha256) != (
        after.data.controls and after.data.controls.sha256
    ):
        yield "The controls are not the same, which moves p-values and so what is confirmed."
    for name, report in (("before", before), ("after", after)):
        if not report.provenance.complete:
            yield f"The run {name} broke off: what it did not get to is missing."
        if not report.summary.controls:
            yield f"The run {name} had no controls: nothing could be confirmed in it."
    if None not in (_equation(before), _equation(after)) and _equation(before) != _equation(after):
        yield (
            f"Members' contributions are of different equations ({_equation(before)} before, {_equation(after)} "
            f"after), and are not to be compared."
        )


_SETTINGS: dict[str, Callable[[Report], str]] = {
    "thresholds": lambda report: f"{report.similarity} >= {report.summary.threshold:g}",
    "false discovery rates": lambda report: f"{report.summary.fdr:g}",
    "policies": lambda report: ", ".join(
        [report.policy.name, *(f"{limit.metric} at most {limit.maximum:g}" for limit in report.policy.limits)]
    ),
    "budgets": lambda report: f"{report.provenance.budget_seconds:g} s",
    "numbers of controls": lambda report: str(report.summary.controls),
    "networks": lambda report: (
        f"{'-'.join(map(str, [report.model.layers[0][1], *(outputs for outputs, _ in report.model.layers)]))} "
        f"{report.model.activation}"
    ),
    "attacks that ran": lambda report: (
        ", ".join(attack.id for attack in report.attacks if attack.status == "ran") or "none"
    ),
    "observations": lambda report: (
        "the checkpoint"
        if report.data.gradient is None
        else f"the checkpoint and one {report.data.gradient.kind}"
    ),
    "seeds": lambda report: str(report.provenance.seed),
    "devices": lambda report: report.provenance.device,
    "versions of the tool": lambda report: report.tool.version,
}
"""What a run was asked to do, in words."""
