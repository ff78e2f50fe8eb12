from dataclasses import replace
from typing import Any, get_args

import pytest

from audit.verdict.facts import AttackFact, Facts, MembershipFact, PowerFact
from audit.verdict.finding import Kind, make_finding, with_suppressions
from audit.verdict.findings import validity_issues
from audit.verdict.grounds import EARNED, GROUND_OF, GROUNDS, Ground, grounds, silence
from audit.verdict.policy import Requirements
from tests.verdict.cases import ADA, ALL, CLEAN, KNOWS, LOST, RAN, audited

NOT_WITHHOLDING = {"confirmed-reconstruction", "recovered-not-confirmed", "attack-failed"}
CHANCE, TOLD = MembershipFact(0.52, 0.41, 0.63), MembershipFact(0.7, 0.61, 0.79)
LITTLE = {"kkt-margin": AttackFact("ran", "", relative_loss=0.9, true_loss=0.95)}

ISSUES = [make_finding("too-few-controls"), make_finding("null-attack-missing")]


def of(facts: Facts, require: Requirements = ALL, **suppressed: Any) -> dict[str, Ground]:
    found = with_suppressions(validity_issues(facts, require), suppressed)
    issues = [issue for issue in found if issue.kind in GROUND_OF]
    return {ground.id: ground for ground in grounds(facts, issues, [], require)}


def test_every_finding_that_can_withhold_a_pass_takes_away_one_ground() -> None:
    assert set(GROUND_OF) == set(get_args(Kind)) - NOT_WITHHOLDING
    assert set(GROUND_OF.values()) <= set(GROUNDS)
    assert set(GROUND_OF) >= EARNED


def test_the_grounds_of_a_clean_audit_hold_where_they_were_checked() -> None:
    found = of(audited(positive_control=PowerFact(40, 30)))
    assert tuple(found) == GROUNDS
    assert {name for name, ground in found.items() if ground.holds} == {
        "calibrated", "tested", "informative", "resolved",
    }  # fmt: skip
    assert [found[name].holds for name in ("exchangeable", "reading")] == [None, None]
    assert of(audited(reading=KNOWS, positive_control=PowerFact(40, 30)))["reading"].holds


def test_a_finding_takes_its_ground_away_the_gravest_first() -> None:
    found = of(audited(controls=1, null_confirmed=None))
    lost = found["calibrated"]
    assert (lost.holds, lost.issue and lost.issue.kind) == (False, "too-few-controls")
    assert found["tested"].holds


def test_a_suppressed_finding_stands_for_a_ground_only_if_no_other_does() -> None:
    facts = audited(controls=1, null_confirmed=None)
    one = of(facts, **{"too-few-controls": ADA})["calibrated"].issue
    assert one is not None
    assert (one.kind, one.suppression) == ("cannot-confirm", None)
    waived = of(audited(controls=49), **{"too-few-controls": ADA})["calibrated"]
    assert (waived.holds, waived.issue and waived.issue.suppression) == (False, ADA)


def test_an_issue_that_the_policy_does_not_ask_about_stands_for_a_ground_only_if_no_other_does() -> None:
    asked, unasked = (
        grounds(CLEAN, bearing, others, ALL)[0]
        for bearing, others in ((ISSUES[:1], ISSUES[1:]), ([], ISSUES[1:]))
    )
    assert (asked.issue, asked.asked) == (ISSUES[0], True)
    assert (unasked.holds, unasked.issue, unasked.asked) == (False, ISSUES[1], False)


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({}, "describes"),
        ({"attacks": LITTLE}, None),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.19, 0.26)}}, None),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.29, 0.25)}}, "describes"),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.31, 0.25)}}, None),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.01, 0.05, freedom=0.75)}}, "describes"),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.01, 0.05, freedom=0.9)}}, None),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.0, 0.0, freedom=1.2)}}, None),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", 0.011, 0.001)}}, "describes"),
        ({"attacks": {"kkt-margin": AttackFact("ran", "", None, 0.1)}}, None),
        ({"attacks": LITTLE | {"weight-delta": RAN}}, "describes"),
        ({"attacks": LITTLE, "confirmed": 2, "recovered": 2}, "found-some"),
        ({"attacks": LITTLE, "untrained": True, "membership": CHANCE}, "untrained"),
        ({"attacks": LITTLE, "untrained": True, "membership": TOLD}, None),
        ({"attacks": LITTLE, "untrained": True}, None),
        ({"attacks": LITTLE, "untrained": False, "membership": CHANCE}, None),
        ({"attacks": LITTLE, "positive_control": PowerFact(40, 9)}, "has-power"),  # at least 10.8 %
        ({"attacks": LITTLE, "positive_control": PowerFact(40, 8)}, None),  # at least 9.05 %
    ],
)
def test_what_makes_silence_informative(changes: dict[str, Any], basis: str | None) -> None:
    found = of(replace(CLEAN, **changes), Requirements())["informative"]
    assert (found.holds, found.basis) == (basis is not None, basis)


def test_a_positive_control_of_a_network_that_was_misread_counts_for_nothing() -> None:
    facts = replace(CLEAN, attacks=LITTLE, positive_control=PowerFact(40, 40))
    assert of(facts, Requirements())["informative"].basis == "has-power"
    misread = replace(facts, reading=LOST)
    assert of(misread, Requirements())["informative"] == Ground("informative", None)
    assert silence(misread, Requirements())["samples"] is None


def test_the_limit_of_the_loss_at_the_true_samples_is_the_policys() -> None:
    facts = replace(CLEAN, attacks={"kkt-margin": AttackFact("ran", "", 0.3, 0.3)})
    assert not of(facts, Requirements(true_loss=0.29))["informative"].holds
    assert of(facts, Requirements(true_loss=0.3))["informative"].holds


def test_the_least_power_is_the_one_that_the_policy_requires() -> None:
    facts = replace(CLEAN, attacks=LITTLE, positive_control=PowerFact(40, 30))  # at least 58.8 %
    assert of(facts, Requirements(positive_control=0.55))["informative"].holds
    assert not of(facts, Requirements(positive_control=0.6))["informative"].holds
