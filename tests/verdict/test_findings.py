from dataclasses import dataclass, replace
from typing import get_args

import pytest

from audit.verdict.findings import (
    RULES,
    AttackFact,
    Facts,
    Kind,
    PowerFact,
    Requirements,
    Suppression,
    ahead_of_controls,
    doubts,
    findings,
    with_suppressions,
)
from audit.verdict.policy import Policy
from audit.words import bound, listed

CLEAN = Facts(
    members=40,
    controls=1000,
    threshold=0.4,
    fdr=0.05,
    recovered=0,
    confirmed=0,
    unresolved=0,
    null_confirmed=0,
    attacks={"kkt-margin": AttackFact("ran", "")},
)


@dataclass(frozen=True)
class Match:
    id: str
    similarity: float = 0.9
    p_value: float | None = 0.001
    recovered: bool = True
    confirmed: bool = True


def test_a_clean_audit_has_no_findings() -> None:
    assert findings(CLEAN, [Match("a", recovered=False, confirmed=False)], Requirements()) == []


def test_every_confirmed_member_is_a_finding_of_its_own() -> None:
    found = findings(CLEAN, [Match("a"), Match("b", confirmed=False), Match("c")], Requirements())
    assert [finding.id for finding in found] == [
        "confirmed-reconstruction/a",
        "confirmed-reconstruction/c",
        "recovered-not-confirmed",
    ]
    assert [finding.samples for finding in found] == [["a"], ["c"], ["b"]]
    assert "SSIM 0.90, p-value 0.001" in found[0].detail


def test_ids_do_not_depend_on_what_varies_between_runs() -> None:
    one = findings(CLEAN, [Match("a", similarity=0.91)], Requirements())
    other = findings(
        replace(CLEAN, recovered=1), [Match("a", similarity=0.52, p_value=0.004)], Requirements()
    )
    assert [finding.id for finding in one] == [finding.id for finding in other]
    assert one[0].detail != other[0].detail


def test_severity_and_confidence_are_separate() -> None:
    (sure,) = findings(CLEAN, [Match("a")], Requirements())
    unsure = findings(replace(CLEAN, null_confirmed=1), [Match("a")], Requirements())[0]
    assert (sure.severity, sure.confidence) == ("high", "high")
    assert (unsure.severity, unsure.confidence) == ("high", "low")


ALL = Requirements(controls=50, attacks=["kkt-margin"], positive_control=True)


@pytest.mark.parametrize(
    ("changes", "ids", "words"),
    [
        ({"complete": False}, ["incomplete-audit"], "broke off"),
        ({"controls": 0, "null_confirmed": None}, ["uncalibrated-audit"], "not calibrated"),
        ({"controls": 49}, ["too-few-controls"], "requires 50 controls, and there were 49"),
        ({"controls": 1}, ["too-few-controls", "cannot-confirm"], "there was 1."),
        ({"null_confirmed": 2}, ["null-attack-confirmed"], "confirmed 2 training samples"),
        ({"null_confirmed": None}, ["null-attack-missing"], "did not run"),
        ({"positive_control": PowerFact(20, 1)}, ["positive-control-failed"], "1 of 20 samples of a twin"),
        (
            {"positive_control": PowerFact(20, 1)},
            ["positive-control-failed"],
            "the policy requires 10 %: finding little here means little.",
        ),
        (
            {"positive_control": PowerFact(20, 0)},
            ["positive-control-failed"],
            "they could find nothing even there, so their silence here says nothing.",
        ),
        (
            {"positive_control": PowerFact(20, 0, "training ended early")},
            ["positive-control-failed"],
            "to leak (training ended early), and",
        ),
        ({"positive_control": None}, ["positive-control-missing"], "pass --positive-control"),
        ({"attacks": {}}, ["no-attack-ran", "required-attack-missing/kkt-margin"], "nothing was tested"),
        (
            {"attacks": {"other": AttackFact("ran", "")}},
            ["required-attack-missing/kkt-margin"],
            "which was not part of this audit.",
        ),
        (
            {"attacks": {"other": AttackFact("ran", ""), "kkt-margin": AttackFact("skipped", "tanh.")}},
            ["required-attack-missing/kkt-margin"],
            "the attack kkt-margin, which was skipped: tanh.",
        ),
        (
            {"attacks": {"kkt-margin": AttackFact("ran", ""), "other": AttackFact("failed", "no memory")}},
            ["attack-failed/other"],
            "other failed: no memory.",
        ),
        (
            {"controls": 60, "recovered": 6, "unresolved": 6},
            ["unresolved-recoveries"],
            "6 recovered training samples beat every control",
        ),
    ],
)
def test_doubts(changes: dict[str, object], ids: list[str], words: str) -> None:
    found = doubts(replace(CLEAN, **{"positive_control": PowerFact(20, 2)} | changes), ALL)
    assert [finding.id for finding in found] == ids
    assert words in found[0].detail


def test_nothing_is_doubted_that_was_not_required() -> None:
    assert doubts(replace(CLEAN, controls=20), Requirements()) == []


def test_a_few_members_ahead_of_the_controls_are_no_doubt_when_chance_does_it_often() -> None:
    few = replace(CLEAN, controls=60, recovered=3, unresolved=3)  # (40/100)(39/99)(38/98) = 0.06
    assert few.unresolved_chance == pytest.approx(40 * 39 * 38 / (100 * 99 * 98))
    assert doubts(few, Requirements()) == []
    assert [finding.kind for finding in doubts(replace(few, unresolved=4), Requirements())] == [
        "unresolved-recoveries"
    ]


def test_ahead_of_controls_means_recovered_with_the_smallest_p_value() -> None:
    samples = [
        Match("ahead", p_value=1 / 61, confirmed=False),
        Match("second", p_value=2 / 61, confirmed=False),
        Match("confirmed", p_value=1 / 61),
        Match("unlike", p_value=1 / 61, recovered=False, confirmed=False),
    ]
    assert ahead_of_controls(samples, 60) == ["ahead"]
    assert ahead_of_controls([Match("a", p_value=None, confirmed=False)], 0) == []


def test_requirements_are_part_of_a_policy() -> None:
    assert Policy.model_fields["require"].annotation is Requirements


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(get_args(Kind))


def test_an_observed_gradient_that_no_attack_used_is_a_doubt() -> None:
    skipped, ran = AttackFact("skipped", "it holds nothing"), AttackFact("ran", "")
    facts = replace(CLEAN, observed=("gradient", "gradient-exact"))
    for status, kinds in ((skipped, ["observed-not-attacked"]), (ran, [])):
        attacks = {**CLEAN.attacks, "gradient": skipped, "gradient-exact": status}
        found = doubts(replace(facts, attacks=attacks), Requirements())
        assert [finding.kind for finding in found] == kinds
        for finding in found:
            assert finding.detail == (
                "What was observed was not tested: gradient was skipped: it holds nothing."
            )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["a", "a"], "a"), (["a", "b", "a"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_listed(words: list[str], sentence: str) -> None:
    assert listed(words) == sentence


@pytest.mark.parametrize(
    ("fraction", "lower", "upper"),
    [
        (0.07211, "7.21 %", "7.22 %"),
        (0.07, "7 %", "7 %"),  # in binary a little above
        (0.99951, "99.9 %", "100 %"),
        (0.6666666, "66.6 %", "66.7 %"),
        (2.5312e-6, "0.000253 %", "0.000254 %"),
        (0.0, "0 %", "0 %"),
        (1.0, "100 %", "100 %"),
    ],
)
def test_ends_of_intervals_are_rounded_outwards(fraction: float, lower: str, upper: str) -> None:
    assert (bound(fraction, up=False), bound(fraction, up=True)) == (lower, upper)


def test_a_suppressed_finding_is_still_told() -> None:
    why = Suppression(kind="waiver", reason="consent", owner="Ada", expires="2026-12-31")
    found = findings(CLEAN, [Match("a"), Match("b")], Requirements())
    one, other = with_suppressions(
        found, {"confirmed-reconstruction/b": why, "confirmed-reconstruction/zebra": why}
    )
    assert (one.id, one.suppression) == (found[0].id, None)
    assert (other.id, other.suppression) == (found[1].id, why)


def test_what_a_limit_sees() -> None:
    why = Suppression(kind="baseline", reason="an earlier run")
    facts = replace(CLEAN, recovered=7, confirmed=4)
    assert (facts.confirmed_counted, facts.recovered_counted) == (4, 7)
    some = replace(facts, suppressed={"confirmed-reconstruction/a": why, "too-few-controls": why})
    assert (some.confirmed_counted, some.recovered_counted) == (3, 6)
    rest = replace(facts, suppressed={"recovered-not-confirmed": why})
    assert (rest.confirmed_counted, rest.recovered_counted) == (4, 4)
