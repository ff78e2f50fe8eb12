"""Reasons for a verdict in words: one function for every kind of reason."""

from __future__ import annotations

from collections.abc import Callable

from audit.model.modality import Source
from audit.render.sentences.findings import detail, grounds
from audit.render.sentences.sources import origins
from audit.verdict.finding import Finding
from audit.verdict.judgement import Reason, ReasonKind
from audit.verdict.policy import CALIBRATED
from audit.words import bound, number, plural

NO_LIMIT_AT_POWER = (
    "the power is too low, or too uncertain, to limit what may leak as the samples of the positive control do"
)
"""Stated where the counts of members and of the positive control together bound nothing."""


def reason(why: Reason | Finding) -> str:
    """Say in a sentence or two why a verdict was reached."""
    return detail(why) if isinstance(why, Finding) else _REASONS[why.kind](**why.values)


def _violated(
    metric: str,
    maximum: float,
    count: int,
    counted: int,
    members: int,
    measure: str,
    threshold: float,
    sources: list[Source],
    observed: str,
) -> str:
    what = f"recovered ({measure} >= {threshold:g}, chance included)"
    if metric in CALIBRATED:
        what = f"confirmed: reconstructed from {origins(sources, observed)}, beyond chance"
    allowed = f"{100 * maximum:.3g} %" if metric.endswith("_fraction") else f"{maximum:.3g}"
    return (
        f"{count} of {plural(members, 'training sample')} {what}.{_not_suppressed(count, counted)} "
        f"The policy allows {allowed}."
    )


def _not_suppressed(count: int, counted: int) -> str:
    return "" if counted == count else f" Not suppressed: {counted}."


def _membership_violated(maximum: float, auc: float, low: float, high: float) -> str:
    return (
        f"The membership test tells training samples from samples that the model never saw: "
        f"{_auc(auc, low, high)}. The policy allows {maximum:.3g}."
    )


def _membership_undecided(maximum: float, auc: float | None, low: float | None, high: float | None) -> str:
    if auc is None or low is None or high is None:
        return (
            f"The policy limits the membership AUC to {maximum:.3g}, and it was not measured: give more time, at "
            f"least 10 controls and 4 training samples."
        )
    return (
        f"Whether the membership AUC is above the {maximum:.3g} that the policy allows is undecided: give more "
        f"training samples and controls. {_auc(auc, low, high)}."
    )


def _auc(auc: float, low: float, high: float) -> str:
    return f"AUC {number(auc)}, 95 % interval {number(low)} to {number(high)}"


def _no_limit(confirmed: int, recovered: int, members: int, measure: str, threshold: float) -> str:
    return (
        f"{confirmed} of {plural(members, 'training sample')} confirmed, {recovered} recovered ({measure} >= "
        f"{threshold:g}, chance included). The policy sets no limit; this run only reports."
    )


def _nothing_tested() -> str:
    return "No attack ran: nothing is known about this checkpoint."


def _not_calibrated(recovered: int, members: int, measure: str, threshold: float) -> str:
    return (
        f"Without controls nothing could be confirmed. Recovered, chance included: {recovered} of "
        f"{plural(members, 'training sample')} ({measure} >= {threshold:g})."
    )


def _allowed(confirmed: int, counted: int, members: int, measure: str, threshold: float) -> str:
    return (
        f"{confirmed} of {plural(members, 'training sample')} confirmed at {measure} >= {threshold:g}, which the "
        f"policy allows.{_not_suppressed(confirmed, counted)}"
    )


def _resistant(attacks: list[str], members: int, measure: str, threshold: float) -> str:
    return (
        f"0 of {plural(members, 'training sample')} confirmed at {measure} >= {threshold:g}: evidence of "
        f"resistance to the attacks run ({', '.join(attacks)}), at this budget."
    )


def _upper_limit(possible: int, members: int, unresolved: int, limit: float) -> str:
    more = f", counting {unresolved} that more controls might confirm" if unresolved else ""
    return (
        f"Of samples like these, the attacks would confirm at most {bound(limit, up=True)} (95 % upper limit from "
        f"{possible} of {members}{more})."
    )


def _at_power(confirmed: int, samples: int, low: float, high: float, limit: float) -> str:
    allowed = NO_LIMIT_AT_POWER
    if limit < 1.0:
        most = bound(limit, up=True)
        allowed = f"at most {most} of the samples may leak as they do (95 % upper limit, by both counts)"
    return (
        f"Positive control: {confirmed} of {plural(samples, 'sample')} confirmed (95 % interval "
        f"{bound(low, up=False)} to {bound(high, up=True)}): {allowed}."
    )


def _hidden(controls: int, hidden: int, members: int) -> str:
    return (
        f"With {plural(controls, 'control')}, up to {plural(hidden, 'leaking sample')} of {members} could have "
        f"gone unconfirmed."
    )


def _suppressed_members(
    count: int, confirmed: int, kind: str, reason: str, owner: str, expires: str | None
) -> str:
    return f"Suppressed: {count} of {confirmed} confirmed, {grounds(kind, reason, owner, expires)}."


def _suppressed_finding(finding: str, kind: str, reason: str, owner: str, expires: str | None) -> str:
    return f"Suppressed: {finding}, {grounds(kind, reason, owner, expires)}."


def _other_threshold(measure: str, threshold: float, stated: float) -> str:
    return f"The threshold used was {measure} >= {threshold:g}; the policy states {stated:g}."


_REASONS: dict[ReasonKind, Callable[..., str]] = {
    "limit-violated": _violated,
    "membership-violated": _membership_violated,
    "membership-undecided": _membership_undecided,
    "no-limit": _no_limit,
    "nothing-tested": _nothing_tested,
    "not-calibrated": _not_calibrated,
    "confirmed-allowed": _allowed,
    "resistant": _resistant,
    "upper-limit": _upper_limit,
    "limit-at-power": _at_power,
    "hidden-by-controls": _hidden,
    "suppressed-members": _suppressed_members,
    "suppressed-finding": _suppressed_finding,
    "other-threshold": _other_threshold,
}
