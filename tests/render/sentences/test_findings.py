from dataclasses import replace
from typing import get_args

from audit.render.sentences.findings import MEANING, TITLES, detail, suppressed, suppression
from audit.verdict.facts import PowerFact
from audit.verdict.finding import Kind, make_finding
from audit.verdict.findings import findings
from audit.verdict.policy import Requirements
from tests.report.factory import make_report
from tests.report.golden import assert_golden
from tests.verdict.cases import ADA, ALL, CLEAN, ISSUES, KNOWN, Match


def test_golden() -> None:
    """Every kind of finding, as audits make it."""
    found = findings(
        CLEAN, [Match("a"), Match("b", p_value=None), Match("c", confirmed=False)], Requirements()
    )
    for changes, _, _ in ISSUES:
        found += findings(replace(CLEAN, **{"positive_control": PowerFact(20, 2)} | changes), [], ALL)
    assert {finding.kind for finding in found} == set(get_args(Kind))
    assert_golden("findings.txt", "".join(f"{finding.id}: {detail(finding)}\n" for finding in found))


def test_every_kind_has_a_title_and_a_meaning() -> None:
    assert set(TITLES) == set(MEANING) == set(get_args(Kind))


def test_a_suppression_names_who_took_responsibility_and_why() -> None:
    assert all(word in suppression(ADA) for word in ("Ada", "2026-12-31", "agreed"))
    assert KNOWN.reason in suppression(KNOWN)
    assert not suppression(ADA).endswith(".")


def test_of_many_suppressed_findings_the_first_are_named() -> None:
    report = make_report()
    (finding,) = report.findings[:1]
    many = [finding.model_copy(update={"id": f"x/{i}", "suppression": KNOWN}) for i in range(13)]
    (line,) = suppressed(report.model_copy(update={"findings": [finding, *many]}))
    assert line == f"{', '.join(f'x/{i}' for i in range(10))} and 3 more: {suppression(KNOWN)}"


def test_more_controls_are_not_asked_for_where_they_would_settle_nothing() -> None:
    values = {"unresolved": 17, "chance": 1e-9, "controls": 300, "least": 4, "members": 40, "needed": 58}
    said = detail(make_finding("unresolved-recoveries", values))
    assert said.startswith("Members stand out that are not similar enough to be confirmed: give more time")
    assert "58" not in said
