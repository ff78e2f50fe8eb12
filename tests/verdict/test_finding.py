from typing import get_args

from audit.verdict.finding import RULES, Kind, confirmed_id, with_suppressions
from audit.verdict.findings import findings
from audit.verdict.policy import Requirements
from tests.verdict.cases import ADA, CLEAN, Match


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(get_args(Kind))


def test_a_suppressed_finding_stays_in_the_list() -> None:
    found = findings(CLEAN, [Match("a"), Match("b")], Requirements())
    one, other = with_suppressions(found, {confirmed_id("b"): ADA, confirmed_id("zebra"): ADA})
    assert (one.id, one.suppression) == (found[0].id, None)
    assert (other.id, other.suppression) == (found[1].id, ADA)
