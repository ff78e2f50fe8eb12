"""Outcomes and truth meet: match, calibrate, judge, and put all of it into a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.battery import AttackResult
from audit.diagnostics.measure import Measurements
from audit.diagnostics.reading import Reading
from audit.pipeline.attack_entries import attack_entry
from audit.pipeline.entries import (
    control_entries,
    data_entry,
    diagnostics_entry,
    finding_entry,
    ground_entries,
    model_entry,
    policy_entry,
    sample_entries,
    summary_entry,
    with_diagnostics,
)
from audit.pipeline.facts import facts_of
from audit.pipeline.gallery import exhibits
from audit.pipeline.reading import reading_entry
from audit.pipeline.scores import score
from audit.pipeline.session import Attacked
from audit.pipeline.trajectory import follow
from audit.render.sentences.verdict import reason
from audit.report.evidence import Audit
from audit.report.measured import PositiveControl
from audit.report.schema import Provenance, Report, Tool
from audit.request.check import Inputs
from audit.verdict.finding import Finding, with_suppressions
from audit.verdict.findings import findings
from audit.verdict.judgement import judge
from audit.version import __version__


def assemble(
    inputs: Inputs,
    attacked: Attacked,
    provenance: Provenance,
    measured: Measurements | None = None,
    control: PositiveControl | None = None,
    reading: Reading | None = None,
) -> Audit:
    """Match, calibrate, judge and put into a report what the attacks returned.

    Parameters
    ----------
    inputs:
        Members, controls and policy.
    attacked:
        What came of every attack of the battery.
    provenance:
        How the audit was made.
    measured:
        The memorisation diagnostics; None where nothing was measured.
    control:
        What came of the positive control, if there was one.
    reading:
        How well the network as read knows the samples; None where that was not looked at.
    """
    measured, outcomes = measured or Measurements(), attacked.outcomes
    policy, rule, truth, data = inputs.policy, inputs.rule, inputs.truth, inputs.data
    scores = score(outcomes, truth, rule.threshold, rule.fdr, complete=provenance.complete)
    samples = with_diagnostics(sample_entries(data.members, scores, truth), measured)
    facts = facts_of(
        inputs, outcomes, scores, samples, measured, control, reading, complete=provenance.complete
    )
    found = with_suppressions(findings(facts, samples, policy.require), inputs.accepted.suppressions)
    suppressed = {one.id: one.suppression for one in found if one.suppression is not None}
    judgement = judge(policy, replace(facts, suppressed=suppressed))
    report = Report(
        tool=Tool(name="model-audit", version=__version__),
        verdict=judgement.verdict,
        reasons=[reason(why) for why in judgement.reasons],
        verdict_grounds=ground_entries(judgement),
        modality=data.members.modality.name,
        summary=summary_entry(facts, scores),
        reading=None if reading is None else reading_entry(reading, inputs.assumed),
        model=model_entry(*inputs.weights.model, truth.preprocessing.shape),
        data=data_entry(inputs),
        diagnostics=diagnostics_entry(attacked, inputs, measured, control),
        attacks=[attack_entry(outcome, scores) for outcome in outcomes],
        samples=samples,
        controls=control_entries(data.controls, scores.pooled),
        policy=policy_entry(policy, judgement),
        findings=[finding_entry(one) for one in found],
        provenance=_with_notes(provenance, _unused(inputs, found)),
    )
    ran = [outcome for outcome in outcomes if isinstance(outcome, AttackResult)]
    values = {result.attack.id: truth.preprocessing.denormalise(result.reconstructions) for result in ran}
    followed = [follow(result, scores, truth) for result in ran]
    trajectories = [trajectory for trajectory in followed if trajectory is not None]
    return Audit(report, exhibits(report, inputs, values), trajectories, values)


def _unused(inputs: Inputs, found: Sequence[Finding]) -> list[str]:
    """Say which waivers had nothing to waive."""
    if inputs.accepted.waivers is None:
        return []
    occurred = {finding.id for finding in found}
    idle = [waiver.id for waiver in inputs.accepted.waivers.entries if waiver.id not in occurred]
    return [f"waived, but not found in this run: {', '.join(idle)}"] if idle else []


def _with_notes(provenance: Provenance, notes: Sequence[str]) -> Provenance:
    return provenance.model_copy(update={"notes": [*provenance.notes, *notes]})
