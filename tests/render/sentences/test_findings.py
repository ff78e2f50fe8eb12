from dataclasses import replace
from typing import get_args

from audit.render.sentences.findings import MEANING, TITLES, detail, suppression
from audit.verdict.facts import PowerFact
from audit.verdict.finding import Kind
from audit.verdict.findings import findings
from audit.verdict.policy import Requirements
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
