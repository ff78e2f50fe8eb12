from dataclasses import replace
from typing import Any

import pytest

from audit.verdict.facts import AttackFact, ExchangeFact, PowerFact
from audit.verdict.findings import findings, validity_issues
from audit.verdict.policy import Requirements
from tests.verdict.cases import ALL, CLEAN, ISSUES, Match


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
    assert found[0].values == {
        "member": "a", "measure": "SSIM", "similarity": 0.9, "p_value": 0.001, "evidence": "rank",
    }  # fmt: skip
    assert found[2].values == {"count": 1, "measure": "SSIM", "threshold": 0.4}


def test_ids_do_not_depend_on_what_varies_between_runs() -> None:
    one = findings(CLEAN, [Match("a", similarity=0.91)], Requirements())
    other = findings(
        replace(CLEAN, recovered=1), [Match("a", similarity=0.52, p_value=0.004)], Requirements()
    )
    assert [finding.id for finding in one] == [finding.id for finding in other]
    assert one[0].values != other[0].values


def test_severity_and_confidence_are_separate() -> None:
    (sure,) = findings(CLEAN, [Match("a")], Requirements())
    unsure = findings(replace(CLEAN, null_confirmed=1), [Match("a")], Requirements())[0]
    assert (sure.severity, sure.confidence) == ("high", "high")
    assert (unsure.severity, unsure.confidence) == ("high", "low")
    explained = ExchangeFact(0.001, ("mean",), 40, ("a",))
    found = findings(
        replace(CLEAN, confirmed=2, exchangeability=explained), [Match("a"), Match("b")], Requirements()
    )
    assert [one.confidence for one in found] == ["low", "high", "medium"]


@pytest.mark.parametrize(("changes", "ids", "values"), ISSUES)
def test_validity_issues(changes: dict[str, Any], ids: list[str], values: dict[str, Any]) -> None:
    found = validity_issues(replace(CLEAN, **{"positive_control": PowerFact(20, 2)} | changes), ALL)
    assert [finding.id for finding in found] == ids
    assert values.items() <= found[0].values.items()


def test_the_smallest_number_of_controls_that_can_confirm_is_given() -> None:
    (issue,) = validity_issues(replace(CLEAN, controls=23), Requirements())
    assert issue.values == {"controls": 23, "smallest_p": 1 / 24, "fdr": 0.05, "needed": 24}
    assert validity_issues(replace(CLEAN, controls=24), Requirements()) == []


def test_nothing_is_doubted_that_was_not_required() -> None:
    assert validity_issues(replace(CLEAN, controls=25), Requirements()) == []


def test_a_few_members_ahead_of_the_controls_are_no_issue_when_chance_does_it_often() -> None:
    few = replace(CLEAN, controls=60, recovered=3, unresolved=3)  # (40/100)(39/99)(38/98) = 0.06
    assert few.unresolved_chance == pytest.approx(40 * 39 * 38 / (100 * 99 * 98))
    assert validity_issues(few, Requirements()) == []
    assert [issue.kind for issue in validity_issues(replace(few, unresolved=4), Requirements())] == [
        "unresolved-recoveries"
    ]


def test_one_attack_on_what_was_observed_is_enough() -> None:
    skipped = AttackFact("skipped", "it holds nothing")
    attacks = {**CLEAN.attacks, "gradient": skipped, "gradient-exact": AttackFact("ran", "", 0.5)}
    facts = replace(CLEAN, observed=("gradient", "gradient-exact"), attacks=attacks)
    assert validity_issues(facts, Requirements()) == []
