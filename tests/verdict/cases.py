"""Numbers of small audits, and policies, that tests of findings, verdicts and their sentences share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audit.scoring.shares import Evidence
from audit.verdict.facts import AttackFact, Facts, PowerFact
from audit.verdict.finding import Suppression
from audit.verdict.policy import Policy, Requirements

RAN = AttackFact("ran", "", relative_loss=0.01, true_loss=0.01)
CLEAN = Facts(
    members=40,
    controls=1000,
    threshold=0.4,
    fdr=0.05,
    recovered=0,
    confirmed=0,
    unresolved=0,
    null_confirmed=0,
    attacks={"kkt-margin": RAN},
    sources=("weights",),
)
ALL = Requirements(controls=50, attacks=["kkt-margin"], positive_control=True)
SKIPPED = {"kkt-margin": AttackFact("skipped", "tanh"), "kkt-loss": RAN}
ADA = Suppression(kind="waiver", reason="All of them agreed.", owner="Ada", expires="2026-12-31")
KNOWN = Suppression(kind="baseline", reason="confirmed in runs/a of 2026-11-01 too")


@dataclass(frozen=True)
class Match:
    """One member and its best match, as findings see it."""

    id: str
    similarity: float = 0.9
    p_value: float | None = 0.001
    recovered: bool = True
    confirmed: bool = True
    evidence: Evidence | None = "rank"


def policy(**changes: Any) -> Policy:
    """A policy that allows no confirmed member and requires 50 controls and one attack."""
    content = {
        "version": 1,
        "name": "test",
        "limits": [{"metric": "confirmed", "maximum": 0}],
        "require": {"controls": 50, "attacks": ["kkt-margin"]},
    }
    return Policy.model_validate(content | changes)


def audited(**changes: Any) -> Facts:
    """The clean audit, with other numbers."""
    return replace(CLEAN, **changes)


OBSERVED = {
    "observed": ("gradient",),
    "attacks": {**CLEAN.attacks, "gradient": AttackFact("skipped", "it holds nothing")},
}
CHANGED = {"initial": ("weight-delta",)}
ISSUES: list[tuple[dict[str, Any], list[str], dict[str, Any]]] = [
    ({"complete": False}, ["incomplete-audit"], {}),
    ({"controls": 0, "null_confirmed": None}, ["uncalibrated-audit"], {}),
    ({"controls": 49}, ["too-few-controls"], {"controls": 49, "required": 50}),
    ({"controls": 1}, ["too-few-controls", "cannot-confirm"], {"controls": 1, "required": 50}),
    ({"null_confirmed": 2}, ["null-attack-confirmed"], {"count": 2}),
    ({"null_confirmed": None}, ["null-attack-missing"], {}),
    (
        {"positive_control": PowerFact(20, 1)},
        ["positive-control-failed"],
        {"confirmed": 1, "samples": 20, "required": 0.1, "note": ""},
    ),
    (
        {"positive_control": PowerFact(20, 0, "training ended early")},
        ["positive-control-failed"],
        {"confirmed": 0, "samples": 20, "required": 0.1, "note": "training ended early"},
    ),
    ({"batch_rank": 3}, ["batch-unclear"], {"rank": 3, "members": 40, "observed": "gradient"}),
    ({"positive_control": None}, ["positive-control-missing"], {}),
    ({"attacks": {}}, ["no-attack-ran", "required-attack-missing/kkt-margin"], {}),
    (
        {"attacks": {"other": RAN}},
        ["required-attack-missing/kkt-margin"],
        {"attack": "kkt-margin", "status": "absent", "reason": ""},
    ),
    (
        {"attacks": {"other": RAN, "kkt-margin": AttackFact("skipped", "tanh.")}},
        ["required-attack-missing/kkt-margin"],
        {"attack": "kkt-margin", "status": "skipped", "reason": "tanh."},
    ),
    (
        {"attacks": {"kkt-margin": RAN, "other": AttackFact("failed", "no memory")}},
        ["attack-failed/other"],
        {"attack": "other", "status": "failed", "reason": "no memory"},
    ),
    (
        {"controls": 60, "recovered": 6, "unresolved": 6},
        ["unresolved-recoveries"],
        {"unresolved": 6, "controls": 60, "least": 17, "members": 40, "needed": 166},
    ),
    (
        OBSERVED,
        ["observed-not-attacked"],
        {"observed": "gradient", "attack": "gradient", "status": "skipped", "reason": "it holds nothing"},
    ),
    (
        OBSERVED | {"attacks": {**CLEAN.attacks, "gradient": AttackFact("ran", "", 0.8, 0.9)}},
        ["observed-not-attacked"],
        {"attack": "gradient", "status": "ran", "reached": 0.8, "limit": 0.5},
    ),
    (
        CHANGED | {"attacks": {**CLEAN.attacks, "weight-delta": AttackFact("failed", "the time ended")}},
        ["initial-not-attacked", "attack-failed/weight-delta"],
        {"attack": "weight-delta", "status": "failed", "reason": "the time ended", "reached": None},
    ),
    (
        CHANGED | {"attacks": {**CLEAN.attacks, "weight-delta": AttackFact("skipped", "it is frozen")}},
        ["initial-not-attacked"],
        {"status": "skipped", "reason": "it is frozen"},
    ),
    (
        CHANGED | {"attacks": {**CLEAN.attacks, "weight-delta": AttackFact("ran", "", 0.51, 0.9)}},
        ["initial-not-attacked"],
        {"attack": "weight-delta", "reached": 0.51, "limit": 0.5},
    ),
    (
        CHANGED | {"attacks": {**CLEAN.attacks, "weight-delta": AttackFact("ran", "diverged")}},
        ["initial-not-attacked"],
        {"status": "ran", "reached": None},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "", 0.9, 0.95)}, "positive_control": PowerFact(20, 3)},
        ["uninformative-silence"],
        {"attack": "kkt-margin", "true": 0.95, "reached": 0.9, "limit": 0.2, "confirmed": 3, "samples": 20},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "", 0.4, 0.05)}},
        ["uninformative-silence"],
        {"true": 0.05, "reached": 0.4},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "")}},
        ["uninformative-silence"],
        {"attack": "", "true": None, "reached": None},
    ),
]
"""Changes to an audit whose positive control found two samples of twenty, the ids of the validity issues that
follow, and values of the first."""
