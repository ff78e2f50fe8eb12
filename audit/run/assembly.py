"""Outcomes and truth meet: match, calibrate, judge, and put all of it into a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

import audit
from audit.attacks import Attack
from audit.battery import AttackResult, AttackSkipped, Outcome
from audit.dataset import ImageSet
from audit.diagnostics.dp_bound import reconstruction_bound
from audit.diagnostics.measure import Knowledge, spectrum
from audit.model.architecture import Architecture
from audit.model.checkpoint import Checkpoint
from audit.render.text import printable
from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import (
    AttackReport,
    Control,
    Data,
    Diagnostics,
    DpBound,
    Model,
    PolicyReport,
    PositiveControl,
    Provenance,
    Report,
    Sample,
    Seen,
    Source,
    Splitting,
    Summary,
    Tool,
)
from audit.request.request import Inputs
from audit.run.gallery import exhibits
from audit.run.trajectory import trajectory
from audit.scoring.calibration import Calibration, calibrate, limit_at_power, upper_limit
from audit.scoring.similarity import column_units, relative_error
from audit.verdict.findings import (
    AttackFact,
    Facts,
    Finding,
    PowerFact,
    ahead_of_controls,
    findings,
    listed,
    with_suppressions,
)
from audit.verdict.policy import judge


@dataclass(frozen=True, eq=False)
class Audit:
    """A finished audit."""

    report: Report
    """All that is said."""
    evidence: list[Evidence]
    """The pictures in it."""
    trajectories: list[Trajectory] = field(default_factory=list)
    """How splitting led to some of them."""
    reconstructions: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """By attack, (M, h, w, c) pixels, not clipped; or (M, d) rows of a table in its units."""


def assemble(
    inputs: Inputs,
    outcomes: Sequence[Outcome],
    threshold: float | None,
    provenance: Provenance,
    knowledge: Knowledge | None = None,
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
    knowledge:
        What the weights hold; None where nothing was measured.
    control:
        What came of the positive control, if there was one.
    """
    knowledge = knowledge or Knowledge()
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
    errors = _relative_errors(whole, ran, members, controls) if fmt.is_table else None
    samples = _with_knowledge(_samples(inputs.members, whole, ran, errors), knowledge)
    used = {outcome.attack.id: _used(outcome.attack, inputs) for outcome in outcomes}
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
        attacks={outcome.attack.id: _fact(outcome) for outcome in outcomes},
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
        model=described(inputs.checkpoint, inputs.architecture, inputs.format.shape),
        data=Data(
            members=_source(inputs.members),
            controls=None if inputs.controls is None else _source(inputs.controls),
            gradient=_seen(inputs),
        ),
        diagnostics=_diagnostics(ran, inputs, knowledge, control),
        attacks=[_attack_report(outcome, used[outcome.attack.id], apart, unsplit) for outcome in outcomes],
        samples=samples,
        controls=_controls(inputs.controls, whole),
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


def described(checkpoint: Checkpoint, architecture: Architecture, shape: Sequence[int]) -> Model:
    """Describe a network whose inputs are images of a shape (c, h, w), or (d,) where that is not known."""
    return Model(
        checkpoint=printable(str(checkpoint.path)),
        sha256=checkpoint.sha256,
        layers=[(layer.outputs, layer.inputs) for layer in architecture.layers],
        activation=architecture.activation,
        biases=list(architecture.biases),
        parameters=architecture.parameters,
        input_shape=list(shape),
    )


def _source(images: ImageSet) -> Source:
    return Source(source=printable(images.source), sha256=images.sha256, count=len(images))


def _seen(inputs: Inputs) -> Seen | None:
    found = inputs.gradient
    if found is None:
        return None
    return Seen(
        kind=found.kind,
        source=printable(str(found.checkpoint.path)),
        sha256=found.checkpoint.sha256,
        learning_rate=found.rate,
        rank=found.rank,
    )


def _used(attack: Attack, inputs: Inputs) -> list[str]:
    if attack.needs_gradient:
        return [f"an observed {inputs.gradient.kind if inputs.gradient else 'gradient'}"]
    return ["the weights", "the initial weights"] if attack.needs_initial else ["the weights"]


def _diagnostics(
    ran: Sequence[AttackResult], inputs: Inputs, knowledge: Knowledge, control: PositiveControl | None
) -> Diagnostics:
    kind = None if inputs.gradient is None else inputs.gradient.kind
    least = min(ran, key=lambda result: result.solution.relative_loss, default=None)
    return Diagnostics(
        stationarity=knowledge.stationarity or None,
        rank=None if least is None else spectrum(least.attack, least.objective, least.space, kind),
        identifiability=knowledge.identifiability,
        exposure=knowledge.exposures,
        ceiling=knowledge.ceiling,
        positive_control=control,
        dp=_dp_bound(inputs),
        notes=knowledge.notes,
    )


def _dp_bound(inputs: Inputs) -> DpBound | None:
    said, prior = inputs.dp, 1 / len(inputs.members)
    if said is None:
        return None
    bound = reconstruction_bound(said.sigma, said.q, said.steps, prior)
    return DpBound(sigma=said.sigma, q=said.q, steps=said.steps, prior=prior, bound=bound)


def _with_knowledge(samples: list[Sample], knowledge: Knowledge) -> list[Sample]:
    """Add what is known of every member."""
    lengths, ranks, ceilings = knowledge.lengths, knowledge.ranks, knowledge.ceilings
    return [
        sample.model_copy(
            update={
                "exposure": None if lengths is None else float(lengths[i]),
                "exposure_rank": None if ranks is None else int(ranks[i]),
                "ceiling": None if ceilings is None else float(ceilings[i]),
            }
        )
        for i, sample in enumerate(samples)
    ]


def _fact(outcome: Outcome) -> AttackFact:
    if isinstance(outcome, AttackResult):
        return AttackFact("ran", outcome.note)
    return AttackFact("skipped" if isinstance(outcome, AttackSkipped) else "failed", outcome.reason)


def _attack_report(
    outcome: Outcome, used: list[str], apart: dict[str, Calibration], unsplit: dict[str, Calibration]
) -> AttackReport:
    attack, fact = outcome.attack, _fact(outcome)
    told = AttackReport(
        id=attack.id,
        title=attack.title,
        source=attack.source,
        status=fact.status,
        reason=fact.reason,
        used=used,
    )
    if not isinstance(outcome, AttackResult):
        return told
    solution, belief = outcome.solution, apart[attack.id]
    return AttackReport(
        **told.model_dump(include={"id", "title", "source", "status", "reason", "used"}),
        seconds=round(outcome.seconds, 2),
        restarts=solution.restarts,
        steps=solution.steps,
        candidates=len(outcome.reconstructions),
        relative_loss=solution.relative_loss,
        recovered=belief.recovered_count,
        confirmed=belief.confirmed_count,
        history=list(solution.history),
        splitting=_splitting(outcome, belief, unsplit.get(attack.id)),
    )


def _splitting(result: AttackResult, after: Calibration, before: Calibration | None) -> Splitting | None:
    solution, done, reached = result.solution, result.solution.splitting, result.certificate
    if done is None or before is None:
        return None
    return Splitting(
        rounds=int(done.rounds.sum()),
        splits=int(done.splits.sum()),
        relative_loss_before=float(done.losses.min()),
        relative_loss_after=solution.relative_loss,
        recovered_before=before.recovered_count,
        recovered_after=after.recovered_count,
        confirmed_before=before.confirmed_count,
        confirmed_after=after.confirmed_count,
        gradient=None if reached is None else reached.gradient,
        eigenvalue=None if reached is None else reached.eigenvalue,
        ssim_before=before.matching.members.similarity.tolist(),
        ssim_after=after.matching.members.similarity.tolist(),
    )


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


def _relative_errors(
    belief: Calibration,
    ran: Sequence[AttackResult],
    members: NDArray[np.float32],
    controls: NDArray[np.float32],
) -> list[float | None]:
    """Of rows of a table, of every member with its match."""
    found = np.concatenate([members[:0], *(result.reconstructions for result in ran)])
    candidates, truth, _ = column_units(found, members, controls)
    given = belief.matching.members.candidate
    return [
        float(relative_error(candidates[[place]], truth[[row]])[0]) if place >= 0 else None
        for row, place in enumerate(given)
    ]


def _samples(
    members: ImageSet, belief: Calibration, ran: Sequence[AttackResult], errors: list[float | None] | None
) -> list[Sample]:
    owners = [(r.attack.id, row) for r in ran for row in range(len(r.reconstructions))]
    matches, margins = belief.matching.members, belief.margins
    samples = []
    for i in range(len(members)):
        candidate = int(matches.candidate[i])
        attack, row = owners[candidate] if candidate >= 0 else (None, None)
        samples.append(
            Sample(
                id=printable(members.ids[i]),
                label=None if members.labels is None else int(members.labels[i]),
                ssim=float(matches.similarity[i]) if errors is None else None,
                ncc=float(matches.ncc[i]),
                relative_error=None if errors is None else errors[i],
                margin=float(margins.members[i]),
                p_value=None if margins.p_values is None else float(margins.p_values[i]),
                recovered=bool(belief.recovered[i]),
                confirmed=bool(belief.confirmed[i]),
                attack=attack,
                candidate=row,
            )
        )
    return samples


def _controls(controls: ImageSet | None, belief: Calibration) -> list[Control]:
    if controls is None:
        return []
    matches, margins = belief.matching.controls, belief.margins.controls
    return [
        Control(
            id=printable(name),
            ssim=float(matches.similarity[i]) if controls.columns is None else None,
            ncc=float(matches.ncc[i]),
            margin=float(margins[i]),
        )
        for i, name in enumerate(controls.ids)
    ]
