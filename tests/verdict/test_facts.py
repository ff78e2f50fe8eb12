from dataclasses import replace

import pytest

from audit.verdict.finding import Suppression
from tests.verdict.cases import CLEAN


def test_the_chance_of_members_ahead_of_all_controls_grows_with_the_tests_that_were_looked_at() -> None:
    facts = replace(CLEAN, controls=60, unresolved=3)
    once = 40 * 39 * 38 / (100 * 99 * 98)
    assert facts.unresolved_chance == pytest.approx(once)
    assert replace(facts, tests=3).unresolved_chance == pytest.approx(3 * once)
    assert replace(facts, tests=30).unresolved_chance == 1.0
    assert replace(facts, outlier_chance=0.01).unresolved_chance == 0.01


def test_what_a_limit_sees() -> None:
    why = Suppression(kind="baseline", reason="an earlier run")
    facts = replace(CLEAN, recovered=7, confirmed=4)
    assert (facts.confirmed_counted, facts.recovered_counted) == (4, 7)
    some = replace(facts, suppressed={"confirmed-reconstruction/a": why, "too-few-controls": why})
    assert (some.confirmed_counted, some.recovered_counted) == (3, 6)
    rest = replace(facts, suppressed={"recovered-not-confirmed": why})
    assert (rest.confirmed_counted, rest.recovered_counted) == (4, 4)
