"""A small fixed report that tests of the report, and of what reads it, share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from audit.pipeline.entries import finding_entry, ground_entries
from audit.render.sentences.verdict import reason
from audit.report.evidence import Evidence, Trajectory, gallery
from audit.report.measured import AttainableReport, ContributionReport, Diagnostics, PositiveControl, Rank
from audit.report.outcomes import AttackReport, Control, Sample, Splitting
from audit.report.reading import Assumption, Fit, Reading
from audit.report.schema import (
    Data,
    Model,
    Picks,
    PolicyReport,
    Provenance,
    Report,
    SampleSet,
    Seen,
    Summary,
    Tool,
)
from audit.scoring.intervals import limit_at_power, upper_limit
from audit.verdict.facts import AttackFact, Facts
from audit.verdict.findings import findings
from audit.verdict.judgement import judge
from audit.verdict.policy import load_policy

BATTERY = ("kkt-margin", "weight-delta")
MEMBERS = 6


def make_report(
    *,
    confirmed: int = 3,
    controls: int = 60,
    policy: str = "release",
    complete: bool = True,
    redacted: bool = False,
    checkpoint: str = "badge_access.safetensors",
    prefix: str = "face-",
) -> Report:
    """A report on six members of which `confirmed` are confirmed and one more is recovered."""
    calibrated = controls > 0
    confirmed = confirmed if calibrated else 0
    samples = [_sample(index, confirmed, controls, prefix) for index in range(MEMBERS)]
    attacks = [
        AttackReport(
            id="kkt-margin",
            title="Stationarity of the margin",
            reference="Haim et al. 2022, arXiv 2206.07758",
            status="ran",
            reason="",
            source="weights",
            seconds=57.4,
            restarts=8,
            steps=2000,
            candidates=96,
            relative_loss=0.00312,
            recovered=sum(sample.recovered for sample in samples),
            confirmed=confirmed,
            history=[(0, 0.98), (500, 0.2), (1000, 0.04), (2000, 0.00312)],
            splitting=Splitting(
                rounds=3,
                splits=17,
                relative_loss_before=0.0421,
                relative_loss_after=0.00312,
                recovered_before=1,
                recovered_after=sum(sample.recovered for sample in samples),
                confirmed_before=0,
                confirmed_after=confirmed,
                gradient=2.14e-05,
                eigenvalue=-0.0031,
                similarity_before=[0.25, 0.66, 0.31, 0.38, 0.19, 0.0],
                similarity_after=[sample.similarity for sample in samples],
            ),
        ),
        AttackReport(
            id="weight-delta",
            title="Change of the weights",
            reference="Loo et al. 2024, arXiv 2302.01428",
            status="skipped",
            reason="needs the initial weights: give --initial",
            source="change",
        ),
    ]
    rules = load_policy(policy, BATTERY)
    facts = Facts(
        members=MEMBERS,
        controls=controls,
        threshold=0.4,
        fdr=0.05,
        recovered=sum(sample.recovered for sample in samples),
        confirmed=confirmed,
        unresolved=0,
        null_confirmed=0 if calibrated else None,
        attacks={
            attack.id: AttackFact(attack.status, attack.reason, attack.relative_loss, 0.00284)
            for attack in attacks
        },
        complete=complete,
    )
    judgement = judge(rules, facts)
    matches = [
        Control(id=f"control-{i}", similarity=0.1 + 0.006 * i, ncc=0.2, margin=-0.3) for i in range(controls)
    ]
    reached = sum(control.similarity >= 0.4 for control in matches)
    return Report(
        tool=Tool(name="model-audit", version="0.1.0"),
        verdict=judgement.verdict,
        reasons=[reason(why) for why in judgement.reasons],
        verdict_grounds=ground_entries(judgement),
        modality="image",
        summary=Summary(
            members=MEMBERS,
            controls=controls,
            threshold=0.4,
            recovered=facts.recovered,
            confirmed=confirmed,
            confirmed_fraction=confirmed / MEMBERS,
            confirmed_interval=(0.118, 0.882) if calibrated else None,
            expected_false=MEMBERS * reached / controls if calibrated else None,
            control_matches=reached,
            null_confirmed=facts.null_confirmed,
            fdr=0.05,
            by_threshold={"0.4": confirmed, "0.6": confirmed, "0.8": confirmed} if calibrated else {},
            row_space_confirmed=min(confirmed, 1) if calibrated else None,
            identified=confirmed if calibrated else None,
            precision=[Picks(picked=6, showing=min(confirmed, 2), members=min(confirmed, 2))]
            if calibrated
            else [],
            controls_confirmed=0 if calibrated else None,
            upper_limit=upper_limit(facts.possible, MEMBERS) if calibrated else None,
        ),
        reading=_reading(controls),
        model=Model(
            checkpoint=checkpoint,
            sha256="ab" * 32,
            layers=[(1000, 625), (1, 1000)],
            activation="relu",
            biases=[True, False],
            parameters=627000,
            input_shape=[1, 25, 25],
        ),
        data=Data(
            members=SampleSet(source="members.npz", sha256="cd" * 32, count=MEMBERS),
            controls=SampleSet(source="controls.npz", sha256="ef" * 32, count=controls)
            if calibrated
            else None,
        ),
        diagnostics=Diagnostics(
            stationarity={"kkt-margin": 0.00284},
            rank=Rank(
                source="weights",
                singular_values=[9.0, 7.5, 6.0, 5.5, 1.0, 0.9, 0.8],
                edge=1.8,
                kept=4,
                bulk_edge=1.55,
                effective_rank=4.93,
            ),
            contribution=[_contribution(controls)],
            attainable=AttainableReport(
                attacks=["kkt-margin"],
                reachable=4,
                members=MEMBERS,
                threshold=0.4,
                tolerance=0.05,
                complete=True,
            ),
        ),
        attacks=attacks,
        samples=samples,
        controls=matches,
        policy=PolicyReport(
            name=rules.name,
            description=rules.description,
            limits=list(judgement.limits),
            require=rules.require,
        ),
        findings=[finding_entry(one) for one in findings(facts, samples, rules.require)],
        provenance=Provenance(
            command=f"model-audit scan {checkpoint} --data members.npz --controls controls.npz",
            seed=0,
            device="cpu",
            torch="2.13.0",
            python="3.11.7",
            platform="Linux x86_64",
            started="2026-01-02T03:04:05Z",
            seconds=61.8,
            budget_seconds=60.0,
            complete=complete,
            redacted=redacted,
            notes=["No activation was stated: ReLU was assumed."],
            similarity="SSIM of scikit-image, data_range = 1",
        ),
    )


def _reading(controls: int) -> Reading:
    """Members known by heart, by a network whose activation nobody stated."""
    assumed = [
        Assumption(what="activation", value="relu", stated=False),
        Assumption(what="chain", value="625-1000-1", stated=False),
        Assumption(what="normalisation", value="mean mean.npy, std 1", stated=True),
    ]
    held_out = Fit(count=controls, right=40, accuracy=40 / 60, loss=1.3, confidence=0.91)
    return Reading(
        assumed=assumed,
        members=Fit(count=MEMBERS, right=MEMBERS, accuracy=1.0, loss=0.002, confidence=0.99),
        controls=held_out if controls else None,
        majority=0.5,
        p_chance=0.5**MEMBERS,
        p_fewer_right=0.99 if controls else None,
        p_higher_loss=0.99 if controls else None,
        p_surer=0.01 if controls else None,
        p_less_sure=0.99 if controls else None,
    )


def make_large(members: int) -> Report:
    """The report with so many members, all of them confirmed, and ten times as many controls."""
    report = make_report()
    sample, control, finding = report.samples[0], report.controls[0], report.findings[0]
    samples = [
        sample.model_copy(
            update={"id": f"face-{i}", "similarity": 0.4 + 0.6 * i / members, "contribution_rank": 1 + i}
        )
        for i in range(members)
    ]
    controls = [
        control.model_copy(update={"id": f"control-{i}", "similarity": 0.05 * i / members})
        for i in range(10 * members)
    ]
    told = [
        finding.model_copy(update={"id": f"confirmed-reconstruction/{one.id}", "samples": [one.id]})
        for one in samples
    ]
    attack = report.attacks[0]
    assert attack.splitting is not None
    similarities = [one.similarity for one in samples]
    split = attack.splitting.model_copy(
        update={"similarity_before": similarities, "similarity_after": similarities}
    )
    counts = {"members": members, "confirmed": members, "recovered": members, "controls": 10 * members}
    return report.model_copy(
        update={
            "samples": samples,
            "controls": controls,
            "findings": told,
            "attacks": [attack.model_copy(update={"splitting": split}), *report.attacks[1:]],
            "summary": report.summary.model_copy(update=counts),
        }
    )


def make_observed(kind: Literal["gradient", "update"]) -> Report:
    """The same report with an observed gradient, from which all members but the first were matched."""
    report = make_report()
    attack = report.attacks[0].model_copy(update={"id": "gradient", "source": "gradient", "splitting": None})
    first, *others = report.samples
    matched = [sample.model_copy(update={"attack": attack.id}) for sample in others]
    seen = Seen(kind=kind, source="seen.safetensors", sha256="12" * 32, learning_rate=0.1, rank=7)
    return report.model_copy(
        update={
            "attacks": [*report.attacks, attack],
            "samples": [first, *matched],
            "data": report.data.model_copy(update={"gradient": seen}),
        }
    )


def make_controlled(**changes: Any) -> Report:
    """The report without a confirmed member, and with a positive control that confirmed two images of three."""
    report = make_report(confirmed=0, policy="strict", controls=200)
    told = PositiveControl(
        source="weights",
        images=3,
        controls=197,
        labels="given",
        noise=[0.0204, 0.018],
        margin=12.5,
        recovered=3,
        confirmed=2,
        power=2 / 3,
        interval=(0.094, 0.992),
        training_seconds=4.2,
        seconds=59.2,
    ).model_copy(update=changes)
    limit = limit_at_power(0, MEMBERS, told.confirmed, told.images)
    return report.model_copy(
        update={
            "summary": report.summary.model_copy(update={"upper_limit_at_power": limit}),
            "diagnostics": report.diagnostics.model_copy(update={"positive_control": told}),
        }
    )


def make_evidence(report: Report) -> list[Evidence]:
    """Tiny pictures for the gallery of a report."""
    ramp = np.linspace(0.0, 1.0, 16).reshape(4, 4, 1)
    return [
        Evidence(
            sample=index,
            reconstruction=ramp,
            member=ramp[::-1],
            control=ramp.transpose(1, 0, 2) if report.summary.controls else None,
            control_id="control-7" if report.summary.controls else None,
        )
        for index in gallery(report.samples)
    ]


def as_table(report: Report) -> Report:
    """The same report, as if of rows of a table."""
    samples = [
        one.model_copy(update={"similarity": one.ncc, "relative_error": 0.3, "attainable": None})
        for one in report.samples
    ]
    controls = [one.model_copy(update={"similarity": one.ncc}) for one in report.controls]
    summary = report.summary.model_copy(update={"threshold": 0.8})
    model = report.model.model_copy(update={"input_shape": [3]})
    diagnostics = report.diagnostics.model_copy(update={"attainable": None})
    provenance = report.provenance.model_copy(update={"similarity": "correlation of two rows"})
    return report.model_copy(
        update={
            "modality": "row",
            "samples": samples,
            "controls": controls,
            "summary": summary,
            "model": model,
            "diagnostics": diagnostics,
            "provenance": provenance,
        }
    )


def make_rows(report: Report) -> list[Evidence]:
    """Rows of three columns for the gallery of a report."""
    return [
        Evidence(
            sample=index,
            reconstruction=np.array([2138.4, 0.25, -3.0]),
            member=np.array([1936.0, 0.0, -2.13]),
            control=np.array([1460.0, 1.0, 10.8]),
            control_id="control-7",
            columns=("income", "married", "balance"),
        )
        for index in gallery(report.samples)
    ]


def without_rounds(report: Report) -> Report:
    """The same report, but no round of splitting was kept."""
    first, *others = report.attacks
    assert first.splitting is not None
    none = first.splitting.model_copy(update={"rounds": 0, "splits": 0})
    return report.model_copy(update={"attacks": [first.model_copy(update={"splitting": none}), *others]})


def make_trajectories(report: Report) -> list[Trajectory]:
    """Tiny pictures of a candidate close to the first member: before its split, then it and its twin."""
    ramp = np.linspace(0.0, 1.0, 16).reshape(4, 4, 1)
    flat = np.full((4, 4, 1), 0.5)
    return [
        Trajectory(
            attack=report.attacks[0].id,
            sample=0,
            stages=[[(ramp + flat) / 2], [ramp, flat]],
            ssim=[[0.47], [0.92, 0.22]],
            member=ramp,
        )
    ]


def _sample(index: int, confirmed: int, controls: int, prefix: str) -> Sample:
    is_confirmed = index < confirmed
    recovered = index <= confirmed
    matched = index < MEMBERS - 1
    p_value = (1 if is_confirmed else 7 + index) / (1 + controls) if controls else None
    return Sample(
        id=f"{prefix}{index}",
        label=index % 2,
        similarity=(0.92 if is_confirmed else 0.45 if recovered else 0.2) - 0.01 * index if matched else 0.0,
        ncc=0.95 - 0.1 * index if matched else 0.0,
        margin=0.4 - 0.1 * index,
        p_value=p_value,
        recovered=recovered,
        confirmed=is_confirmed,
        evidence="rank" if is_confirmed else None,
        identified=is_confirmed,
        attack="kkt-margin" if matched else None,
        candidate=10 + index if matched else None,
        contribution=0.5 - 0.07 * index,
        contribution_rank=1 + index,
        attainable=0.95 - 0.15 * index,
    )


def _contribution(controls: int) -> ContributionReport:
    told = ContributionReport(
        attack="kkt-margin",
        source="weights",
        residual=0.00284,
        rank=MEMBERS,
        unknowns=MEMBERS,
        notes=["2 members are copies of others: only the sum of their contributions is determined"],
    )
    tested = {
        "controls": controls,
        "auc": 0.975,
        "auc_interval": (0.951, 1.0),
        "common_members": [0.49 - 0.07 * index for index in range(MEMBERS)],
        "common_controls": [0.11 * index / controls for index in range(controls)],
    }
    return told.model_copy(update=tested) if controls else told
