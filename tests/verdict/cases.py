"""Numbers of small audits, and policies, that tests of findings, verdicts and their sentences share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audit.scoring.shares import Evidence
from audit.verdict.facts import AttackFact, ExchangeFact, Facts, PowerFact, ReadingFact
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
KNOWS = ReadingFact(
    members=40,
    right=40,
    majority=0.175,
    controls=50,
    controls_right=33,
    p_chance=1e-20,
    p_fewer_right=1.0,
    p_higher_loss=1.0,
    p_surer=1e-9,
    tried=41,
    assumed=("activation=relu", "chain=784-300-10"),
)
"""A reading that is right."""
LOST = replace(KNOWS, right=12, controls_right=14, p_chance=0.04, p_surer=0.4)
"""One that is not."""
UNLABELLED = replace(LOST, right=None, majority=None, controls_right=None, p_chance=None)
REGRESSION = replace(UNLABELLED, correlation=0.97, p_correlation=1e-9)
"""A regression that is read rightly."""
LITTLE = AttackFact("ran", "", relative_loss=0.9, true_loss=0.95)
"""An attack whose equation says nothing."""


def read(reading: ReadingFact, attack: AttackFact = LITTLE) -> dict[str, Any]:
    """Changes to an audit: how well the network as read knows the samples, and what came of its only attack."""
    return {"reading": reading, "attacks": {"kkt-margin": attack}, "positive_control": PowerFact(20, 15)}


MISREADINGS: list[tuple[dict[str, Any], str]] = [
    (read(replace(LOST, change="layout", value="hwc", tried_on=40, mended=40)), "change"),
    (read(replace(LOST, change="order", value="a,c,b", tried_on=20, mended=19)), "change"),
    (read(replace(KNOWS, change="activation", value="tanh", tried_on=40, mended=40)), "change"),
    (read(replace(LOST, change="skip", value="pairs", tried_on=40, mended=40)), "change"),
    (read(replace(UNLABELLED, change="orientation", value="transposed", tried_on=40)), "change"),
    (read(replace(KNOWS, right=25, controls_right=50, p_fewer_right=1e-6)), "exchanged"),
    (read(KNOWS, AttackFact("ran", "", relative_loss=0.016, true_loss=0.78)), "elsewhere"),
    (read(LOST), "chance"),
    (read(replace(UNLABELLED, columns=30, columns_off=28)), "columns"),
    (read(replace(REGRESSION, correlation=0.3, p_correlation=1e-3)), "uncorrelated"),
    (read(replace(REGRESSION, correlation=0.6, change="normalisation", value="own", tried_on=40)), "change"),
]
"""Changes to an audit that was misread, and the cause that is found."""
ISSUES: list[tuple[dict[str, Any], list[str], dict[str, Any]]] = [
    *((changes, ["misread"], {"cause": cause}) for changes, cause in MISREADINGS),
    (read(UNLABELLED), ["reading-unchecked"], {"members": 40, "right": None}),
    (
        read(replace(REGRESSION, members=9, correlation=0.4)),
        ["reading-unchecked"],
        {"members": 9, "targets": True},
    ),
    (
        read(replace(KNOWS, members=4, right=4, majority=0.5, p_chance=0.0625, p_surer=0.06)),
        ["reading-unchecked"],
        {"members": 4, "right": 4, "chance": 0.0625},
    ),
    (
        read(LOST) | {"observed": ("kkt-margin",), "gradient_kind": "update"},
        ["observed-not-attacked", "reading-unchecked"],
        {"observed": "update"},
    ),
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
    (
        {"exchangeability": ExchangeFact(1e-4, ("neighbours", "mean"), 3, ())},
        ["controls-differ"],
        {"confirmable": 3, "members": 40, "explained": 0, "aspects": ["neighbours", "mean"]},
    ),
    (
        {"confirmed": 2, "recovered": 2, "exchangeability": ExchangeFact(1e-4, ("classes",), 40, ("b",))},
        ["controls-differ"],
        {"explained": 1, "confirmed": 2},
    ),
    ({"controls_confirmed": 7}, ["roles-exchanged"], {"count": 7, "controls": 1000, "confirmed": 0}),
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
        {"attack": "kkt-margin", "true": 0.95, "reached": 0.9, "limit": 0.25, "confirmed": 3, "samples": 20},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "", 0.9, 0.95)}, "positive_control": PowerFact(20, 3)}
        | {"initial": ("kkt-margin",)},
        ["initial-not-attacked", "uninformative-silence"],
        {},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "", 0.02, 0.02, freedom=0.95)}},
        ["uninformative-silence"],
        {"true": 0.02, "described": False},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "", 0.4, 0.05)}},
        ["uninformative-silence"],
        {"true": 0.05, "reached": 0.4, "described": True},
    ),
    (
        {"attacks": {"kkt-margin": AttackFact("ran", "")}},
        ["uninformative-silence"],
        {"attack": "", "true": None, "reached": None},
    ),
]
"""Changes to an audit whose positive control found two samples of twenty, the ids of the validity issues that
follow, and values of the first."""
