from dataclasses import replace

from audit.verdict.facts import ahead_of_controls
from audit.verdict.finding import Suppression
from tests.verdict.cases import CLEAN, Match


def test_ahead_of_controls_means_recovered_with_the_smallest_p_value() -> None:
    samples = [
        Match("ahead", p_value=1 / 61, confirmed=False),
        Match("second", p_value=2 / 61, confirmed=False),
        Match("confirmed", p_value=1 / 61),
        Match("unlike", p_value=1 / 61, recovered=False, confirmed=False),
    ]
    assert ahead_of_controls(samples, 60) == ["ahead"]
    assert ahead_of_controls([Match("a", p_value=None, confirmed=False)], 0) == []


def test_what_a_limit_sees() -> None:
    why = Suppression(kind="baseline", reason="an earlier run")
    facts = replace(CLEAN, recovered=7, confirmed=4)
    assert (facts.confirmed_counted, facts.recovered_counted) == (4, 7)
    some = replace(facts, suppressed={"confirmed-reconstruction/a": why, "too-few-controls": why})
    assert (some.confirmed_counted, some.recovered_counted) == (3, 6)
    rest = replace(facts, suppressed={"recovered-not-confirmed": why})
    assert (rest.confirmed_counted, rest.recovered_counted) == (4, 4)
