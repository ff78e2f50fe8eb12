"""The entries of a report, made from what attacks, scoring and diagnostics returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from audit.dataset.samples import Samples
from audit.dataset.truth import Truth
from audit.diagnostics.dp_bound import reconstruction_bound
from audit.diagnostics.measure import Measurements
from audit.model.architecture import Architecture
from audit.model.checkpoint import Checkpoint
from audit.model.modality import ROWS
from audit.pipeline.measured import (
    attainable_entry,
    contribution_entries,
    identifiability_entries,
    member_fields,
    spectrum,
)
from audit.pipeline.scores import Scores
from audit.pipeline.session import Attacked
from audit.render.sentences.findings import TITLES, detail
from audit.render.sentences.grounds import sentence
from audit.report.measured import Diagnostics, DpBound, PositiveControl
from audit.report.outcomes import Control, Sample
from audit.report.schema import (
    Data,
    FindingReport,
    GroundReport,
    Model,
    Picks,
    PolicyReport,
    SampleSet,
    Seen,
    Summary,
)
from audit.request.check import Inputs
from audit.scoring.calibration import Calibration
from audit.scoring.intervals import limit_at_power, upper_limit
from audit.scoring.similarity import column_units, relative_error
from audit.verdict.facts import Facts
from audit.verdict.finding import Finding
from audit.verdict.judgement import Judgement
from audit.verdict.policy import Policy
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


def source_entry(images: Samples) -> SampleSet:
    """Name a set of samples."""
    return SampleSet(
        source=printable(images.source),
        sha256=images.sha256,
        count=len(images),
        left_out=len(images.left_out),
    )


def data_entry(inputs: Inputs) -> Data:
    """Name the samples and the observed gradient."""
    return Data(
        members=source_entry(inputs.data.members),
        controls=None if inputs.data.controls is None else source_entry(inputs.data.controls),
        gradient=gradient_entry(inputs),
    )


def policy_entry(policy: Policy, judgement: Judgement) -> PolicyReport:
    """Describe the policy and how each of its limits came out."""
    return PolicyReport(
        name=policy.name,
        description=policy.description,
        limits=list(judgement.limits),
        require=policy.require,
    )


def ground_entries(judgement: Judgement) -> list[GroundReport]:
    """Put the grounds of a PASS into words."""
    return [GroundReport(ground=one.id, holds=one.holds, sentence=sentence(one)) for one in judgement.grounds]


def finding_entry(found: Finding) -> FindingReport:
    """Put a finding into words."""
    return FindingReport(**found.model_dump(), title=TITLES[found.kind], detail=detail(found))


def summary_entry(facts: Facts, scores: Scores) -> Summary:
    """Count what came back, with intervals and limits."""
    power, calibrated = facts.positive_control, facts.controls > 0
    return Summary(
        members=facts.members,
        controls=facts.controls,
        threshold=facts.threshold,
        recovered=facts.recovered,
        confirmed=facts.confirmed,
        confirmed_fraction=facts.confirmed / facts.members,
        confirmed_interval=scores.pooled.confirmed_interval if calibrated else None,
        expected_false=scores.pooled.expected_false,
        control_matches=scores.pooled.control_matches,
        null_confirmed=facts.null_confirmed,
        fdr=facts.fdr,
        by_threshold=dict(scores.pooled.by_threshold),
        row_space_confirmed=None if scores.row_space is None else scores.row_space.confirmed_count,
        identified=facts.identified if calibrated else None,
        controls_confirmed=facts.controls_confirmed if calibrated else None,
        precision=[Picks(**asdict(picks)) for picks in scores.picks],
        upper_limit=upper_limit(facts.possible, facts.members) if calibrated else None,
        upper_limit_at_power=None
        if power is None
        else limit_at_power(facts.possible, facts.members, power.confirmed, power.images),
    )


def gradient_entry(inputs: Inputs) -> Seen | None:
    """Describe the observed gradient or update; None if there is none."""
    found = inputs.weights.gradient
    if found is None:
        return None
    return Seen(
        kind=found.kind,
        source=printable(str(found.checkpoint.path)),
        sha256=found.checkpoint.sha256,
        learning_rate=found.rate,
        rank=found.rank,
    )


def diagnostics_entry(
    attacked: Attacked,
    inputs: Inputs,
    measured: Measurements,
    control: PositiveControl | None,
) -> Diagnostics:
    """Describe what was measured without attacking."""
    least = attacked.least
    return Diagnostics(
        stationarity=measured.stationarity or None,
        rank=None if least is None else spectrum(least),
        identifiability=identifiability_entries(measured.identifiability),
        contribution=contribution_entries(measured, len(inputs.truth.controls)),
        attainable=attainable_entry(measured, inputs.rule.threshold),
        positive_control=control,
        dp=dp_entry(inputs),
        notes=measured.notes,
    )


def dp_entry(inputs: Inputs) -> DpBound | None:
    """Bound reconstruction by the stated DP-SGD parameters; None if none were stated."""
    said, prior = inputs.dp, 1 / len(inputs.data.members)
    if said is None:
        return None
    bound = reconstruction_bound(said.sigma, said.q, said.steps, prior)
    return DpBound(sigma=said.sigma, q=said.q, steps=said.steps, prior=prior, bound=bound)


def with_diagnostics(samples: list[Sample], measured: Measurements) -> list[Sample]:
    """Add what is known of every member."""
    return [
        sample.model_copy(update=member_fields(measured, member)) for member, sample in enumerate(samples)
    ]


def sample_entries(members: Samples, scores: Scores, truth: Truth) -> list[Sample]:
    """Describe every member: its best match, its p-value and where the match came from."""
    belief, table = scores.pooled, truth.preprocessing.modality is ROWS
    matches, margins = belief.matching.members, belief.margins
    errors = _relative_errors(scores, truth) if table else [None] * len(members)
    samples = []
    for i in range(len(members)):
        candidate = int(matches.candidate[i])
        attack, row = scores.pool.owners[candidate] if candidate >= 0 else (None, None)
        samples.append(
            Sample(
                id=printable(members.ids[i]),
                label=None if members.labels is None else int(members.labels[i]),
                similarity=float(matches.similarity[i]),
                ncc=float(matches.ncc[i]),
                relative_error=errors[i],
                margin=float(margins.members[i]),
                p_value=None if margins.p_values is None else float(margins.p_values[i]),
                recovered=bool(belief.recovered[i]),
                confirmed=belief.evidence[i] is not None,
                evidence=belief.evidence[i],
                identified=bool(belief.identified[i]),
                attack=attack,
                candidate=row,
            )
        )
    return samples


def _relative_errors(scores: Scores, truth: Truth) -> list[float | None]:
    """Of every member, a row of a table, with its match."""
    candidates, members, _ = column_units(scores.pool.values, truth.members, truth.controls)
    return [
        float(relative_error(candidates[[place]], members[[row]])[0]) if place >= 0 else None
        for row, place in enumerate(scores.pooled.matching.members.candidate)
    ]


def control_entries(controls: Samples | None, belief: Calibration) -> list[Control]:
    """Describe the best match of every control."""
    if controls is None:
        return []
    matches, margins = belief.matching.controls, belief.margins.controls
    return [
        Control(
            id=printable(name),
            similarity=float(matches.similarity[i]),
            ncc=float(matches.ncc[i]),
            margin=float(margins[i]),
        )
        for i, name in enumerate(controls.ids)
    ]
