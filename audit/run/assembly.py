"""Outcomes and truth meet: match, calibrate, judge, and put all of it into a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import audit
from audit.battery import AttackResult, Outcome
from audit.diagnostics.measure import Measurements
from audit.report.evidence import Audit, Trajectory
from audit.report.schema import (
    Data,
    PolicyReport,
    PositiveControl,
    Provenance,
    Report,
    Summary,
    Tool,
)
from audit.request.check import Inputs
from audit.run.entries import (
    attack_fact,
    attack_report,
    control_entries,
    diagnostics_entry,
    gradient_entry,
    model_entry,
    observed_parts,
    relative_errors,
    sample_entries,
    source_entry,
    with_diagnostics,
)
from audit.run.gallery import exhibits
from audit.run.trajectory import trajectory
from audit.scoring.calibration import Calibration, calibrate
from audit.scoring.intervals import limit_at_power, upper_limit
from audit.verdict.findings import (
    Facts,
    Finding,
    PowerFact,
    ahead_of_controls,
    findings,
    with_suppressions,
)
from audit.verdict.policy import judge
from audit.words import listed


def assemble(
    inputs: Inputs,
    outcomes: Sequence[Outcome],
    threshold: float | None,
    provenance: Provenance,
    measured: Measurements | None = None,
    control: PositiveControl | None = None,
) -> Audit:
    """Match, calibrate, judge and put into a report what the attacks returned.

    Parameters
    ----------
    inputs:
        Members, controls and policy.
    outcomes:
        One per attack of the battery.
    threshold:
        SSIM; None takes the policy's.
    provenance:
        How the audit was made.
    measured:
        What the weights hold; None where nothing was measured.
    control:
        What came of the positive control, if there was one.
    """
    measured = measured or Measurements()
    policy, fmt, ran = inputs.policy, inputs.format, [o for o in outcomes if isinstance(o, AttackResult)]
    threshold = policy.match.threshold if threshold is None else threshold
    members = fmt.to_network(inputs.members.images)
    controls = members[:0] if inputs.controls is None else fmt.to_network(inputs.controls.images)

    def belief(candidates: Sequence[NDArray[np.float32]]) -> Calibration:
        stacked = np.concatenate([members[:0], *candidates])
        return calibrate(stacked, members, controls, fmt, threshold, policy.match.fdr)

    whole = belief([result.reconstructions for result in ran])
    apart = {r.attack.id: whole if len(ran) == 1 else belief([r.reconstructions]) for r in ran}
    unsplit = {
        r.attack.id: belief([r.before_splitting])
        for r in ran
        if r.before_splitting is not None and provenance.complete
    }
    null_confirmed = belief([r.null for r in ran]).confirmed_count if ran and len(controls) else None
    errors = relative_errors(whole, ran, members, controls) if fmt.is_table else None
    samples = with_diagnostics(sample_entries(inputs.members, whole, ran, errors), measured)
    used = {outcome.attack.id: observed_parts(outcome.attack, inputs) for outcome in outcomes}
    confirming = {sample.attack for sample in samples if sample.confirmed}
    facts = Facts(
        members=len(inputs.members),
        controls=len(controls),
        threshold=threshold,
        similarity="correlation" if fmt.is_table else "SSIM",
        fdr=policy.match.fdr,
        recovered=whole.recovered_count,
        confirmed=whole.confirmed_count,
        unresolved=len(ahead_of_controls(samples, len(controls))),
        null_confirmed=null_confirmed,
        attacks={outcome.attack.id: attack_fact(outcome) for outcome in outcomes},
        used=listed(word for attack, words in used.items() if attack in confirming for word in words),
        observed=()
        if inputs.gradient is None
        else tuple(outcome.attack.id for outcome in outcomes if outcome.attack.needs_gradient),
        positive_control=None
        if control is None
        else PowerFact(control.images, control.confirmed, control.note),
        complete=provenance.complete,
    )
    found = with_suppressions(findings(facts, samples, policy.require), inputs.suppressions)
    suppressed = {one.id: one.suppression for one in found if one.suppression is not None}
    judgement = judge(policy, replace(facts, suppressed=suppressed))
    calibrated = len(controls) > 0
    report = Report(
        tool=Tool(name="model-audit", version=audit.__version__),
        verdict=judgement.verdict,
        reasons=list(judgement.reasons),
        summary=Summary(
            members=facts.members,
            controls=facts.controls,
            threshold=threshold,
            recovered=facts.recovered,
            confirmed=facts.confirmed,
            confirmed_fraction=facts.confirmed / facts.members,
            confirmed_interval=whole.confirmed_interval if calibrated else None,
            expected_false=whole.expected_false,
            control_matches=whole.control_matches,
            null_confirmed=null_confirmed,
            fdr=facts.fdr,
            metric="correlation" if fmt.is_table else "ssim",
            upper_limit=upper_limit(facts.possible, facts.members) if calibrated else None,
            upper_limit_at_power=None
            if control is None
            else limit_at_power(facts.possible, facts.members, control.confirmed, control.images),
        ),
        model=model_entry(inputs.checkpoint, inputs.architecture, inputs.format.shape),
        data=Data(
            members=source_entry(inputs.members),
            controls=None if inputs.controls is None else source_entry(inputs.controls),
            gradient=gradient_entry(inputs),
        ),
        diagnostics=diagnostics_entry(ran, inputs, measured, threshold, control),
        attacks=[attack_report(outcome, used[outcome.attack.id], apart, unsplit) for outcome in outcomes],
        samples=samples,
        controls=control_entries(inputs.controls, whole),
        policy=PolicyReport(
            name=policy.name,
            description=policy.description,
            limits=list(judgement.limits),
            require=policy.require,
        ),
        findings=found,
        provenance=_with_notes(provenance, _unused(inputs, found)),
    )
    pixels = {r.attack.id: fmt.to_pixels(r.reconstructions) for r in ran}
    shown = [_trajectory(result, apart, unsplit, inputs, members) for result in ran]
    trajectories = [found for found in shown if found is not None]
    return Audit(report, exhibits(report, inputs, pixels, controls), trajectories, pixels)


def _unused(inputs: Inputs, found: Sequence[Finding]) -> list[str]:
    """Say which waivers had nothing to waive."""
    if inputs.waivers is None:
        return []
    occurred = {finding.id for finding in found}
    idle = [waiver.id for waiver in inputs.waivers.entries if waiver.id not in occurred]
    return [f"waived, but not found in this run: {', '.join(idle)}"] if idle else []


def _with_notes(provenance: Provenance, notes: Sequence[str]) -> Provenance:
    return provenance.model_copy(update={"notes": [*provenance.notes, *notes]})


def _trajectory(
    result: AttackResult,
    apart: dict[str, Calibration],
    unsplit: dict[str, Calibration],
    inputs: Inputs,
    members: NDArray[np.float32],
) -> Trajectory | None:
    """Of the member whose similarity rose most, if any did."""
    before = unsplit.get(result.attack.id)
    if before is None or inputs.format.is_table:  # a course is shown in pictures
        return None
    gain = apart[result.attack.id].matching.members.similarity - before.matching.members.similarity
    most = int(gain.argmax())
    with suppress(MemoryError, RuntimeError):  # the rest is reported without it
        return trajectory(result, most, members[most], inputs.format) if gain[most] > 0 else None
    return None
