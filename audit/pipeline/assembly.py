"""Everything that an audit found and measured becomes a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.battery import AttackResult
from audit.diagnostics.measure import Measurements
from audit.pipeline.attack_entries import attack_entry
from audit.pipeline.decision import Compared, decide
from audit.pipeline.entries import (
    control_entries,
    data_entry,
    diagnostics_entry,
    finding_entry,
    ground_entries,
    model_entry,
    policy_entry,
    summary_entry,
)
from audit.pipeline.exchange import exchangeability_entry
from audit.pipeline.facts import power_fact
from audit.pipeline.gallery import exhibits
from audit.pipeline.session import Attacked
from audit.pipeline.trajectory import follow
from audit.render.sentences.verdict import reason
from audit.report.evidence import Audit
from audit.report.measured import PositiveControl
from audit.report.reading import Reading
from audit.report.schema import Provenance, Report, Tool
from audit.request.check import Inputs
from audit.verdict.finding import Finding
from audit.version import __version__


def assemble(
    inputs: Inputs,
    attacked: Attacked,
    compared: Compared,
    provenance: Provenance,
    measured: Measurements,
    control: PositiveControl | None = None,
    reading: Reading | None = None,
) -> Audit:
    """Judge what came back, and put all of it into a report.

    Parameters
    ----------
    inputs:
        Members, controls and policy.
    attacked:
        What came of every attack of the battery.
    compared:
        Who came back.
    provenance:
        How the audit was made.
    measured:
        The memorisation diagnostics.
    control:
        What came of the positive control, if there was one.
    reading:
        How well the network as read knows the samples; None where that was not looked at.
    """
    outcomes, scores, samples = attacked.outcomes, compared.scores, compared.samples
    policy, truth, data = inputs.policy, inputs.truth, inputs.data
    facts = replace(
        compared.facts,
        positive_control=None if control is None else power_fact(control),
        complete=provenance.complete,
    )
    found, judgement = decide(inputs, samples, facts)
    report = Report(
        tool=Tool(name="model-audit", version=__version__),
        verdict=judgement.verdict,
        reasons=[reason(why) for why in judgement.reasons],
        verdict_grounds=ground_entries(judgement),
        modality=data.members.modality.name,
        summary=summary_entry(facts, scores),
        reading=reading,
        exchangeability=exchangeability_entry(scores.exchange, scores.pooled.confirmed),
        model=model_entry(*inputs.weights.model, truth.preprocessing.shape),
        data=data_entry(inputs),
        diagnostics=diagnostics_entry(attacked, inputs, measured, control),
        attacks=[attack_entry(outcome, facts.attacks[outcome.attack.id], scores) for outcome in outcomes],
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
