"""Two reports, before and after: which members came back in one of them only, and how the figures moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from audit.report.base import Part
from audit.report.differences import Difference, best_equation, differences
from audit.report.figures import Figure, figures
from audit.report.outcomes import AttackReport, Sample
from audit.report.schema import Headline, Report
from audit.verdict.facts import AttackStatus
from audit.verdict.limits import Verdict


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
    headline: Headline
    """The verdict in a word, which is REPORT where the policy sets no limit."""
    members: int
    """Number of training samples that were compared."""
    similarity: str
    """Measure by which members are compared: SSIM, or correlation for rows of a table."""
    confirmed_interval: tuple[float, float] | None
    """Clopper-Pearson 95 % interval of the confirmed fraction; None without controls."""


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
    differences: list[Difference]
    """What else differs, and so may be the reason for a change."""


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports.

    Members are paired where both runs were given the same members with the same labels in the same order, by their
    sha256. Otherwise counts and fractions are compared only.
    """
    paired = before.data.members.sha256 == after.data.members.sha256
    same_equation = best_equation(before) == best_equation(after)
    calibrated = before.summary.controls > 0 and after.summary.controls > 0
    members = list(zip(before.samples, after.samples, strict=True)) if paired else []
    return Comparison(
        before=_side(before),
        after=_side(after),
        confirmed=_change(members, lambda sample: sample.confirmed) if paired and calibrated else None,
        recovered=_change(members, lambda sample: sample.recovered) if paired else None,
        figures=list(figures(before, after)),
        attacks=_attacks(before, after),
        members=[
            MemberChange(
                id=first.id, before=_member(first, same_equation), after=_member(second, same_equation)
            )
            for first, second in members
        ],
        differences=list(differences(before, after)),
    )


def _side(report: Report) -> Side:
    return Side(
        checkpoint=report.model.checkpoint,
        sha256=report.model.sha256,
        started=report.provenance.started,
        verdict=report.verdict,
        headline=report.headline,
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


def _attacks(before: Report, after: Report) -> list[AttackChange]:
    sides = [{attack.id: _attack(attack) for attack in report.attacks} for report in (before, after)]
    ids = dict.fromkeys([*sides[0], *sides[1]])
    return [AttackChange(id=name, before=sides[0].get(name), after=sides[1].get(name)) for name in ids]


def _attack(attack: AttackReport) -> AttackSide:
    return AttackSide(**attack.model_dump(include=set(AttackSide.model_fields)))
