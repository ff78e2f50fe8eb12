"""The numbers that findings and policies decide by, taken from what attacks and scoring returned."""

from __future__ import annotations

from collections.abc import Sequence

from audit.battery import AttackResult, AttackSkipped, Outcome
from audit.pipeline.scores import Scores
from audit.report.measured import PositiveControl
from audit.report.outcomes import Sample
from audit.request.check import Inputs
from audit.verdict.facts import AttackFact, Facts, PowerFact, ahead_of_controls


def facts_of(
    inputs: Inputs,
    outcomes: Sequence[Outcome],
    scores: Scores,
    samples: Sequence[Sample],
    control: PositiveControl | None,
    *,
    complete: bool,
) -> Facts:
    """Sum an audit up for the verdict.

    Parameters
    ----------
    inputs, outcomes, scores:
        What was audited, what attacks returned, and who came back.
    samples:
        The members as the report has them.
    control:
        The positive control, if there was one.
    complete:
        Whether the audit ran to its end.
    """
    controls, pooled = len(inputs.truth.controls), scores.pooled
    confirming = {sample.attack for sample in samples if sample.confirmed}
    sources = [o.attack.source for o in outcomes if o.attack.id in confirming]
    gradient = inputs.weights.gradient
    observed = [o.attack.id for o in outcomes if o.attack.source == "gradient" and gradient is not None]
    return Facts(
        members=len(inputs.truth.members),
        controls=controls,
        threshold=pooled.threshold,
        similarity=inputs.data.members.modality.similarity,
        fdr=pooled.fdr,
        recovered=pooled.recovered_count,
        confirmed=pooled.confirmed_count,
        unresolved=len(ahead_of_controls(samples, controls)),
        null_confirmed=None if scores.negative is None else scores.negative.confirmed_count,
        attacks={outcome.attack.id: attack_fact(outcome) for outcome in outcomes},
        sources=tuple(dict.fromkeys(sources)),
        gradient_kind="gradient" if gradient is None else gradient.kind,
        observed=tuple(observed),
        positive_control=None
        if control is None
        else PowerFact(control.images, control.confirmed, control.note),
        complete=complete,
    )


def attack_fact(outcome: Outcome) -> AttackFact:
    """Say how an attack ended."""
    if isinstance(outcome, AttackResult):
        return AttackFact("ran", outcome.note)
    return AttackFact("skipped" if isinstance(outcome, AttackSkipped) else "failed", outcome.reason)
