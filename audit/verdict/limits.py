"""The limits of a policy, one at a time: what was measured, and the verdict on that alone."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from audit.verdict.facts import Facts
from audit.verdict.policy import CALIBRATED, Limit, Metric

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


class LimitResult(BaseModel):
    """One limit, and what was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    metric: Metric
    """What is limited: a count of members, a fraction of all of them, or the AUC of the membership test."""
    maximum: float
    """Largest value that the policy allows."""
    value: float | None
    """Value that was measured; None when it could not be."""
    interval: tuple[float, float] | None = None
    """95 % interval of a value that is an estimate, as the AUC is; None for counts."""
    verdict: Verdict
    """Verdict on this limit alone."""


def apply(limit: Limit, facts: Facts, *, undecided: bool) -> LimitResult:
    """Hold what was measured against a limit.

    A count above its limit violates it, however incomplete the audit is: p-values stay valid, and more work only
    adds. What a difference between members and controls explains does not count for that. An estimate violates its
    limit only if the whole of its interval is above, and keeps it only if the whole is not.

    Parameters
    ----------
    limit:
        Of a policy.
    facts:
        Counts and outcomes of the audit.
    undecided:
        Whether something withholds PASS from the audit as a whole.
    """
    least, value, most = _measured(limit.metric, facts)
    discredited = bool(facts.null_confirmed) and "null-attack-confirmed" not in facts.suppressed
    verdict: Verdict = "PASS"
    if least is not None and least > limit.maximum and not (discredited and limit.metric in CALIBRATED):
        verdict = "FAIL"
    elif undecided or most is None or most > limit.maximum:
        verdict = "INCONCLUSIVE"
    counted = limit.metric != "membership_auc"
    interval = None if counted or least is None or most is None else (least, most)
    return LimitResult(
        metric=limit.metric, maximum=limit.maximum, value=value, interval=interval, verdict=verdict
    )


def _measured(metric: Metric, facts: Facts) -> tuple[float | None, float | None, float | None]:
    """A value between its least and its most, which for a count are alike; None where nothing was measured."""
    if metric == "membership_auc":
        test = facts.membership
        return (None, None, None) if test is None else (test.low, test.auc, test.high)
    if metric in CALIBRATED and facts.controls == 0 and not facts.confirmed:
        return None, None, None  # an exact copy of a member is confirmed without any
    counts = (facts.standing_counted, facts.confirmed_counted)
    if metric not in CALIBRATED:
        counts = (facts.recovered_counted, facts.recovered_counted)
    least, value = (
        count / facts.members if metric.endswith("_fraction") else float(count) for count in counts
    )
    return least, value, value
