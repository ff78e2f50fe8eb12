"""The verdict that follows from a policy and the numbers of an audit, and the reasons for it, as data.

FAIL outranks INCONCLUSIVE, which outranks PASS. Nothing passes while a validity issue stands: a limit on an attack
that did not run, on a count without controls, or on an audit that was interrupted, is not met but unknown. Findings
that are suppressed (`Facts.suppressed`) neither count towards a limit nor withhold PASS, and a reason says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from audit.scoring.intervals import clopper_pearson, limit_at_power, upper_limit
from audit.verdict.facts import Facts
from audit.verdict.finding import Finding, Suppression, Value, confirmed_id, with_suppressions
from audit.verdict.findings import validity_issues
from audit.verdict.grounds import ASSUMED, EARNED, GROUND_OF, Ground, grounds
from audit.verdict.limits import LimitResult, Verdict, apply
from audit.verdict.policy import CALIBRATED, Policy

ReasonKind = Literal[
    "limit-violated",
    "membership-violated",
    "membership-undecided",
    "no-limit",
    "nothing-tested",
    "not-calibrated",
    "confirmed-allowed",
    "resistant",
    "upper-limit",
    "limit-at-power",
    "hidden-by-controls",
    "suppressed-members",
    "suppressed-finding",
    "other-threshold",
]


@dataclass(frozen=True)
class Reason:
    """One reason for a verdict that is not a finding, with the numbers and names that its sentence needs."""

    kind: ReasonKind
    """Which reason."""
    values: dict[str, Value] = field(default_factory=dict)
    """By name."""


@dataclass(frozen=True)
class Judgement:
    """The verdict with everything that led to it."""

    verdict: Verdict
    """The worst of the limits' verdicts and the validity issues."""
    reasons: tuple[Reason | Finding, ...]
    """Those that decided first; never empty. Findings are validity issues that withhold PASS."""
    limits: tuple[LimitResult, ...]
    """In the order of the policy."""
    grounds: tuple[Ground, ...]
    """Of a PASS, whether they hold or not."""


def judge(policy: Policy, facts: Facts) -> Judgement:
    """Apply a policy to what an audit found.

    Parameters
    ----------
    policy:
        As loaded; when the user chose another threshold, `facts.threshold` differs and a reason says so.
    facts:
        Counts and outcomes of the audit.
    """
    issues = with_suppressions(validity_issues(facts, policy.require), facts.suppressed)
    bearing = [issue for issue in issues if _matters(issue, policy, facts)]
    standing = [issue for issue in bearing if issue.suppression is None]
    others = [issue for issue in issues if issue not in bearing and GROUND_OF.get(issue.kind) in ASSUMED]
    rest_on = grounds(facts, bearing, others, policy.require)
    limits = tuple(apply(limit, facts, undecided=bool(standing)) for limit in policy.limits)
    violations = [_violation(limit, facts) for limit in limits if limit.verdict == "FAIL"]
    undecided = [
        Reason("membership-undecided", _of_test(limit))
        for limit in limits
        if limit.metric == "membership_auc" and limit.verdict == "INCONCLUSIVE" and not _within(limit)
    ]
    remarks = [*_suppressions(facts), *_other_threshold(policy, facts)]
    if violations:
        return Judgement("FAIL", (*violations, *standing, *remarks), limits, rest_on)
    if standing or undecided:
        return Judgement("INCONCLUSIVE", (*standing, *undecided, *remarks), limits, rest_on)
    return Judgement("PASS", (*_acquittal(policy, facts), *remarks), limits, rest_on)


def _matters(issue: Finding, policy: Policy, facts: Facts) -> bool:
    """Whether a validity issue keeps this policy from passing."""
    if issue.kind == "attack-failed":  # not required by the policy; the report lists it
        return False
    if issue.kind in EARNED:
        return policy.require.informative
    if GROUND_OF[issue.kind] in ASSUMED and not policy.limits:  # nothing is claimed that could be wrong
        return False
    calibrated = [limit for limit in policy.limits if limit.metric in CALIBRATED]
    if issue.kind == "cannot-confirm":
        return bool(calibrated)
    if issue.kind == "unresolved-recoveries":
        possible = facts.confirmed_counted + facts.unresolved
        worst = {"confirmed": possible, "confirmed_fraction": possible / facts.members}
        return any(worst[limit.metric] > limit.maximum for limit in calibrated)
    return True


def _within(limit: LimitResult) -> bool:
    """Whether a test keeps a limit that only other issues leave undecided."""
    return limit.interval is not None and limit.interval[1] <= limit.maximum


def _of_test(limit: LimitResult) -> dict[str, Value]:
    low, high = limit.interval or (None, None)
    return {"maximum": limit.maximum, "auc": limit.value, "low": low, "high": high}


def _violation(limit: LimitResult, facts: Facts) -> Reason:
    if limit.metric == "membership_auc":
        return Reason("membership-violated", _of_test(limit))
    calibrated = limit.metric in CALIBRATED
    return Reason(
        "limit-violated",
        {
            "metric": limit.metric,
            "maximum": limit.maximum,
            "count": facts.confirmed if calibrated else facts.recovered,
            "counted": facts.confirmed_counted if calibrated else facts.recovered_counted,
            "members": facts.members,
            "measure": facts.similarity,
            "threshold": facts.threshold,
            "sources": list(facts.sources),
            "observed": facts.gradient_kind,
        },
    )


def _acquittal(policy: Policy, facts: Facts) -> Iterator[Reason]:
    ran: list[str] = [attack for attack, fact in facts.attacks.items() if fact.status == "ran"]
    rule: dict[str, Value] = {
        "members": facts.members,
        "measure": facts.similarity,
        "threshold": facts.threshold,
    }
    if not policy.limits:
        counts: dict[str, Value] = {"confirmed": facts.confirmed, "recovered": facts.recovered}
        yield Reason("no-limit", counts | rule)
    elif not ran:  # this and the next pass only where somebody waived them
        yield Reason("nothing-tested")
    elif not facts.controls:
        yield Reason("not-calibrated", {"recovered": facts.recovered, **rule})
    elif facts.confirmed:
        counted: dict[str, Value] = {"confirmed": facts.confirmed, "counted": facts.confirmed_counted}
        yield Reason("confirmed-allowed", counted | rule)
        yield from _bounds(facts)
    else:
        yield Reason("resistant", {"attacks": list[str](ran), **rule})
        yield from _bounds(facts)


def _bounds(facts: Facts) -> Iterator[Reason]:
    """How much may leak although nothing, or little, was confirmed."""
    if facts.possible < facts.members:
        limit = upper_limit(facts.possible, facts.members)
        yield Reason(
            "upper-limit",
            {
                "possible": facts.possible,
                "members": facts.members,
                "unresolved": facts.unresolved,
                "limit": limit,
            },
        )
        yield from _bound_at_power(facts)
    if facts.resolution > 1:
        hidden = facts.resolution - 1
        yield Reason(
            "hidden-by-controls", {"controls": facts.controls, "hidden": hidden, "members": facts.members}
        )


def _bound_at_power(facts: Facts) -> Iterator[Reason]:
    control = facts.positive_control
    if control is not None:
        low, high = clopper_pearson(control.confirmed, control.images)
        yield Reason(
            "limit-at-power",
            {
                "confirmed": control.confirmed,
                "samples": control.images,
                "low": low,
                "high": high,
                "limit": limit_at_power(facts.possible, facts.members, control.confirmed, control.images),
            },
        )


def _suppressions(facts: Facts) -> Iterator[Reason]:
    """What is suppressed, by the reason why; the confirmed members of one reason together."""
    by_reason: dict[Suppression, list[str]] = {}
    for name, why in facts.suppressed.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        others = [name for name in names if not name.startswith(confirmed_id(""))]
        grounds: dict[str, Value] = why.model_dump()
        if members := len(names) - len(others):
            yield Reason("suppressed-members", {"count": members, "confirmed": facts.confirmed, **grounds})
        yield from (Reason("suppressed-finding", {"finding": name, **grounds}) for name in others)


def _other_threshold(policy: Policy, facts: Facts) -> Iterator[Reason]:
    if facts.threshold != policy.match.threshold:
        yield Reason(
            "other-threshold",
            {
                "measure": facts.similarity,
                "threshold": facts.threshold,
                "stated": policy.match.threshold,
            },
        )
