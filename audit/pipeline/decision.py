"""What an audit found so far, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.battery import Outcome
from audit.diagnostics.measure import Measurements
from audit.pipeline.entries import sample_entries, with_diagnostics
from audit.pipeline.facts import facts_of
from audit.pipeline.scores import Scores, score
from audit.report.outcomes import Sample
from audit.report.reading import Reading
from audit.request.check import Inputs
from audit.verdict.facts import Facts
from audit.verdict.finding import Finding, with_suppressions
from audit.verdict.findings import findings
from audit.verdict.judgement import Judgement, judge


@dataclass(frozen=True, eq=False)
class Compared:
    """Reconstructions beside members and controls."""

    scores: Scores
    """Who came back."""
    samples: list[Sample]
    """The members as the report has them."""
    facts: Facts
    """All numbers of the verdict, but for those of a positive control."""


def compare(
    inputs: Inputs,
    outcomes: Sequence[Outcome],
    measured: Measurements,
    reading: Reading | None = None,
    *,
    complete: bool,
) -> Compared:
    """Match and calibrate what the attacks returned.

    Parameters
    ----------
    inputs, outcomes:
        What was audited, and what came of every attack of the battery.
    measured:
        The memorisation diagnostics.
    reading:
        How well the network as read knows the samples; None where that was not looked at.
    complete:
        Whether the audit ran to its end so far.
    """
    rule, truth = inputs.rule, inputs.truth
    scores = score(outcomes, truth, rule.threshold, rule.fdr, complete=complete)
    samples = with_diagnostics(sample_entries(inputs.data.members, scores, truth), measured)
    facts = facts_of(inputs, outcomes, scores, samples, measured, reading, complete=complete)
    return Compared(scores, samples, facts)


def decide(inputs: Inputs, samples: Sequence[Sample], facts: Facts) -> tuple[list[Finding], Judgement]:
    """Apply policy, waivers and baseline."""
    found = with_suppressions(findings(facts, samples, inputs.policy.require), inputs.accepted.suppressions)
    suppressed = {one.id: one.suppression for one in found if one.suppression is not None}
    return found, judge(inputs.policy, replace(facts, suppressed=suppressed))
