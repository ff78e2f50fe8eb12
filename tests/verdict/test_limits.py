from typing import Any

import pytest

from audit.verdict.facts import MembershipFact
from audit.verdict.limits import LimitResult, apply
from audit.verdict.policy import Limit, Metric
from tests.verdict.cases import audited


def measured(metric: Metric, maximum: float, *, undecided: bool = False, **facts: Any) -> LimitResult:
    return apply(Limit(metric=metric, maximum=maximum), audited(**facts), undecided=undecided)


@pytest.mark.parametrize(
    ("metric", "facts", "value"),
    [
        ("confirmed", {"confirmed": 4}, 4.0),
        ("confirmed_fraction", {"confirmed": 4}, 0.1),
        ("recovered", {"recovered": 6}, 6.0),
        ("recovered_fraction", {"recovered": 6}, 0.15),
        ("recovered", {"recovered": 6, "controls": 0}, 6.0),
    ],
)
def test_a_count_is_its_own_interval(metric: Metric, facts: dict[str, Any], value: float) -> None:
    found = measured(metric, value, **facts)
    assert (found.value, found.interval, found.verdict) == (value, None, "PASS")
    assert measured(metric, value - 0.01, **facts).verdict == "FAIL"
    assert measured(metric, value, undecided=True, **facts).verdict == "INCONCLUSIVE"
    assert measured(metric, value - 0.01, undecided=True, **facts).verdict == "FAIL"


def test_what_was_not_measured_is_undecided() -> None:
    assert measured("confirmed", 4, controls=0).verdict == "INCONCLUSIVE"
    assert measured("membership_auc", 1.0).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.45, 0.6), "PASS"),
        ((0.5, 0.61), "INCONCLUSIVE"),
        ((0.6, 0.8), "INCONCLUSIVE"),
        ((0.61, 0.8), "FAIL"),
    ],
)
def test_an_estimate_violates_a_limit_with_its_whole_interval(
    interval: tuple[float, float], verdict: str
) -> None:
    found = measured("membership_auc", 0.6, membership=MembershipFact(0.59, *interval))
    assert (found.value, found.interval, found.verdict) == (0.59, interval, verdict)


def test_a_negative_control_that_found_members_discredits_confirmed_counts_alone() -> None:
    assert measured("confirmed", 0, confirmed=2, null_confirmed=1, undecided=True).verdict == "INCONCLUSIVE"
    assert measured("recovered", 0, recovered=2, null_confirmed=1, undecided=True).verdict == "FAIL"
