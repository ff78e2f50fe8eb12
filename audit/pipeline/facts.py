"""The numbers that findings and policies decide by, taken from what attacks and scoring returned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audit.battery import AttackResult, AttackSkipped, Outcome
from audit.diagnostics.measure import Measurements
from audit.pipeline.exchange import Exchange
from audit.pipeline.scores import Scores
from audit.report.measured import PositiveControl
from audit.report.outcomes import Sample
from audit.report.reading import Reading
from audit.request.batch import far_more
from audit.request.check import Inputs
from audit.verdict.facts import AttackFact, ExchangeFact, Facts, MembershipFact, PowerFact, ReadingFact


def facts_of(
    inputs: Inputs,
    outcomes: Sequence[Outcome],
    scores: Scores,
    samples: Sequence[Sample],
    measured: Measurements,
    reading: Reading | None = None,
    *,
    complete: bool,
) -> Facts:
    """Sum an audit up for the verdict, but for a positive control.

    Parameters
    ----------
    inputs, outcomes, scores:
        What was audited, what attacks returned, and who came back.
    samples:
        The members as the report has them.
    measured:
        The memorisation diagnostics.
    reading:
        How well the network as read knows the samples; None where that was not looked at.
    complete:
        Whether the audit ran to its end.
    """
    controls, pooled = len(inputs.truth.controls), scores.pooled
    confirming = {sample.attack for sample in samples if sample.confirmed}
    sources = [o.attack.source for o in outcomes if o.attack.id in confirming]
    gradient = inputs.weights.gradient
    observed = [o.attack.id for o in outcomes if o.attack.source == "gradient" and gradient is not None]
    before = inputs.weights.initial
    changed = [o.attack.id for o in outcomes if o.attack.source == "change" and before is not None]
    return Facts(
        members=len(inputs.truth.members),
        controls=controls,
        threshold=pooled.threshold,
        similarity=inputs.data.members.modality.similarity,
        fdr=pooled.fdr,
        recovered=pooled.recovered_count,
        confirmed=pooled.confirmed_count,
        unresolved=pooled.at_floor,
        tests=pooled.tests,
        outlier_chance=pooled.outlier_chance,
        identified=int(pooled.identified.sum()),
        controls_confirmed=pooled.controls_confirmed,
        null_confirmed=None if scores.negative is None else scores.negative.confirmed_count,
        attacks={outcome.attack.id: attack_fact(outcome, measured) for outcome in outcomes},
        sources=tuple(dict.fromkeys(sources)),
        gradient_kind="gradient" if gradient is None else gradient.kind,
        observed=tuple(observed),
        initial=tuple(changed),
        membership=membership_fact(measured),
        batch_rank=gradient.rank if gradient and far_more(gradient, inputs.truth.members) else None,
        untrained=None if reading is None else reading.untrained,
        reading=None if reading is None else reading_fact(reading),
        exchangeability=exchange_fact(scores.exchange, samples),
        complete=complete,
    )


def power_fact(control: PositiveControl) -> PowerFact:
    """Sum up the positive control."""
    return PowerFact(control.images, control.confirmed, control.note)


def reading_fact(found: Reading) -> ReadingFact:
    """Sum up how well the network as read knows the samples."""
    members, controls, change = found.members, found.controls, found.mended_by
    return ReadingFact(
        members=members.count,
        right=members.right,
        majority=found.majority,
        controls=0 if controls is None else controls.count,
        controls_right=None if controls is None else controls.right,
        p_chance=found.p_chance,
        p_fewer_right=found.p_fewer_right,
        p_higher_loss=found.p_higher_loss,
        p_surer=found.p_surer,
        correlation=members.correlation,
        p_correlation=found.p_correlation,
        renumbered=found.renumbered,
        columns=None if found.columns is None else found.columns.all,
        columns_off=None if found.columns is None else found.columns.off,
        tried=len(found.tried),
        change=None if change is None else change.what,
        value="" if change is None else change.value,
        tried_on=0 if change is None else change.count,
        mended=None if change is None else change.right,
        assumed=tuple(f"{one.what}={one.value}" for one in found.assumed if not one.stated),
    )


def exchange_fact(found: Exchange | None, samples: Sequence[Sample]) -> ExchangeFact | None:
    """Sum up how members compare with controls: None without the latter."""
    if found is None:
        return None
    compared, weighed = found.compared, found.weighed
    if not compared.differ:
        return ExchangeFact(compared.p_value)
    doubtful = [
        sample.id
        for sample, stands in zip(samples, weighed.stands, strict=True)
        if sample.confirmed and not stands
    ]
    return ExchangeFact(compared.p_value, compared.aspects, weighed.confirmable, tuple(doubtful))


def membership_fact(measured: Measurements) -> MembershipFact | None:
    """Sum up the membership test that distinguishes members best, by the lower end of its interval."""
    tests = [fit.membership for _, fit in measured.fits if fit.membership is not None]
    if not tests:
        return None
    best = max(tests, key=lambda test: test.interval[0])
    return MembershipFact(best.auc, *best.interval)


def attack_fact(outcome: Outcome, measured: Measurements) -> AttackFact:
    """Say how an attack ended, and what the members leave of its equation."""
    if isinstance(outcome, AttackResult):
        reached = outcome.relative_loss if math.isfinite(outcome.relative_loss) else None
        name = outcome.attack.id
        true_loss, freedom = measured.stationarity.get(name), measured.freedom.get(name, 0.0)
        return AttackFact("ran", outcome.note, reached, true_loss, freedom)
    return AttackFact("skipped" if isinstance(outcome, AttackSkipped) else "failed", outcome.reason)
