"""The entries of a report, made from what attacks, scoring and diagnostics returned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audit.attacks import Attack
from audit.battery import AttackResult, AttackSkipped, Outcome
from audit.dataset import ImageSet
from audit.diagnostics.dp_bound import reconstruction_bound
from audit.diagnostics.measure import Equation, Measurements
from audit.model.architecture import Architecture
from audit.model.checkpoint import Checkpoint
from audit.report.schema import (
    AttackReport,
    Control,
    Diagnostics,
    DpBound,
    Model,
    PositiveControl,
    Sample,
    Seen,
    Source,
    Splitting,
)
from audit.request.check import Inputs
from audit.run.measured import (
    attainable_entry,
    contribution_entries,
    identifiability_entries,
    member_fields,
    spectrum,
)
from audit.scoring.calibration import Calibration
from audit.scoring.similarity import column_units, relative_error
from audit.verdict.findings import (
    AttackFact,
)
from audit.words import printable


def model_entry(checkpoint: Checkpoint, architecture: Architecture, shape: Sequence[int]) -> Model:
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


def source_entry(images: ImageSet) -> Source:
    """Name a set of samples."""
    return Source(source=printable(images.source), sha256=images.sha256, count=len(images))


def gradient_entry(inputs: Inputs) -> Seen | None:
    """Describe the observed gradient or update; None if there is none."""
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


def observed_parts(attack: Attack, inputs: Inputs) -> list[str]:
    """Name what an attack was given."""
    if attack.needs_gradient:
        return [f"an observed {inputs.gradient.kind if inputs.gradient else 'gradient'}"]
    return ["the weights", "the initial weights"] if attack.needs_initial else ["the weights"]


def diagnostics_entry(
    ran: Sequence[AttackResult],
    inputs: Inputs,
    measured: Measurements,
    threshold: float,
    control: PositiveControl | None,
) -> Diagnostics:
    """Describe what was measured without attacking."""
    kind = None if inputs.gradient is None else inputs.gradient.kind
    least = min(ran, key=lambda result: result.solution.relative_loss, default=None)
    return Diagnostics(
        stationarity=measured.stationarity or None,
        rank=None if least is None else spectrum(Equation(least.attack, least.objective, least.space), kind),
        identifiability=identifiability_entries(measured.identifiability, kind),
        exposure=contribution_entries(measured, kind, 0 if inputs.controls is None else len(inputs.controls)),
        ceiling=attainable_entry(measured, threshold),
        positive_control=control,
        dp=dp_entry(inputs),
        notes=measured.notes,
    )


def dp_entry(inputs: Inputs) -> DpBound | None:
    """Bound reconstruction by the stated DP-SGD parameters; None if none were stated."""
    said, prior = inputs.dp, 1 / len(inputs.members)
    if said is None:
        return None
    bound = reconstruction_bound(said.sigma, said.q, said.steps, prior)
    return DpBound(sigma=said.sigma, q=said.q, steps=said.steps, prior=prior, bound=bound)


def with_diagnostics(samples: list[Sample], measured: Measurements) -> list[Sample]:
    """Add what is known of every member."""
    return [
        sample.model_copy(update=member_fields(measured, member)) for member, sample in enumerate(samples)
    ]


def attack_fact(outcome: Outcome) -> AttackFact:
    """Summarise how an attack ended, for the findings."""
    if isinstance(outcome, AttackResult):
        return AttackFact("ran", outcome.note)
    return AttackFact("skipped" if isinstance(outcome, AttackSkipped) else "failed", outcome.reason)


def attack_report(
    outcome: Outcome, used: list[str], apart: dict[str, Calibration], unsplit: dict[str, Calibration]
) -> AttackReport:
    """Describe how an attack ran and what it found."""
    attack, fact = outcome.attack, attack_fact(outcome)
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
        splitting=splitting_entry(outcome, belief, unsplit.get(attack.id)),
    )


def splitting_entry(result: AttackResult, after: Calibration, before: Calibration | None) -> Splitting | None:
    """Compare an attack before and after sample splitting; None if it did not split."""
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


def relative_errors(
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


def sample_entries(
    members: ImageSet, belief: Calibration, ran: Sequence[AttackResult], errors: list[float | None] | None
) -> list[Sample]:
    """Describe every member: its best match, its p-value and where the match came from."""
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


def control_entries(controls: ImageSet | None, belief: Calibration) -> list[Control]:
    """Describe the best match of every control."""
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
