"""What an audit does not show."""

from __future__ import annotations

from audit.render.sentences.repeat import work
from audit.report.schema import Report
from audit.scoring.intervals import resolution
from audit.words import bound, duration, plural


def limitations(report: Report) -> list[str]:
    """State the limitations of an audit, in sentences."""
    return [
        _other_attacks(report),
        f"An attacker with more time, faster machines or more knowledge ({_unknown(report)} seen in training, "
        f"similar public {report.noun}s) may recover more. This audit had a budget of "
        f"{work(report.provenance)} and took {duration(report.provenance.seconds)}"
        f"{_for_the_control(report)}.",
        f"The audit looked for nothing but the {plural(report.summary.members, report.noun)} in "
        f"{report.data.members.source}. Training data that was not given was not audited.",
        _smaller_leaks(report),
        _precision(report),
    ]


def _other_attacks(report: Report) -> str:
    absent = [attack.id for attack in report.attacks if attack.status != "ran"]
    ran = ", ".join(attack.id for attack in report.attacks if attack.status == "ran") or "none"
    rest = f" Not run: {', '.join(absent)}." if absent else ""
    return f"Attacks that ran: {ran}.{rest} Nothing is known about attacks outside this list."


def _unknown(report: Report) -> str:
    known = any(attack.source == "change" and attack.status == "ran" for attack in report.attacks)
    gradients = "gradients" if report.data.gradient is None else "further gradients"
    return gradients if known else f"the initial weights, {gradients}"


def _for_the_control(report: Report) -> str:
    control = report.diagnostics.positive_control
    return "" if control is None else f", {duration(control.seconds)} of it for the positive control"


def _smaller_leaks(report: Report) -> str:
    found = (
        "A match is an image that is similar by SSIM. A network can reveal less than an image, such as who is in "
        "it, or that it was used for training at all."
    )
    if report.modality == "row":
        found = (
            "A match is a row that is similar by correlation; SSIM is not applicable to rows of a table. A "
            "network can reveal less than a row, such as one of its columns, or that it was used for training at "
            "all."
        )
    if any(fit.auc is not None for fit in report.diagnostics.contribution):
        return (
            f"{found} The AUC of contributions shows part of the latter, which counts only where a policy limits "
            f"it. The former was not measured."
        )
    return f"{found} Neither was measured."


def _precision(report: Report) -> str:
    summary = report.summary
    if not any(attack.status == "ran" for attack in report.attacks):
        return "No attack ran, so the count says nothing about what can be reconstructed."
    if summary.confirmed_interval is None:
        return "Without controls nothing can be confirmed, so the count says little in either direction."
    if summary.confirmed == summary.members:
        return "Every member was confirmed; how much better the reconstructions could become is not known."
    limit = summary.confirmed_interval[1] if summary.upper_limit is None else summary.upper_limit
    text = (
        f"{summary.confirmed} confirmed of {summary.members} does not mean that no more leak: these attacks "
        f"would confirm up to {bound(limit, up=True)} of such {report.noun}s (95 % upper limit)."
    )
    least = resolution(summary.members, summary.controls, summary.fdr)
    if 1 < least <= summary.members:
        text += (
            f" With {plural(summary.controls, 'control')}, up to {plural(least - 1, 'leaking member')} could "
            f"have gone unconfirmed."
        )
    return text
