"""The counts at the head of a report: what they are worth, and what was observed."""

from __future__ import annotations

from audit.render.sentences.verdict import NO_LIMIT_AT_POWER
from audit.report.schema import Report
from audit.words import bound, plural, probability


def interval(report: Report) -> str:
    """Write the 95 % interval of the confirmed fraction, or say that there is none."""
    bounds = report.summary.confirmed_interval
    if bounds is None:
        return "no interval without controls"
    return f"95 % interval {bound(bounds[0], up=False)} to {bound(bounds[1], up=True)}"


def chance(report: Report) -> str:
    """Say in one sentence what chance alone would recover."""
    summary = report.summary
    if summary.expected_false is None:
        return "Without controls, how many recoveries are due to chance is unknown."
    return (
        f"By chance alone about {summary.expected_false:.1f} of {plural(summary.members, 'member')} would reach "
        f"{report.similarity} >= {summary.threshold:g}, as did {summary.control_matches} of "
        f"{plural(summary.controls, 'control')}, which the model never saw."
    )


def strength(report: Report) -> str:
    """Count the confirmed members by how alike they are, and those identified; empty without such counts."""
    summary = report.summary
    if not summary.by_threshold or summary.identified is None:
        return ""
    counts = ", ".join(f"{count} at >= {level}" for level, count in summary.by_threshold.items())
    return (
        f"By {report.similarity}: {counts}. Identified whatever the {report.similarity}, as closer to some "
        f"candidate than chance explains: {summary.identified}."
    )


def row_space(report: Report) -> str:
    """Say what random vectors in the row space confirm without an attack; empty where that was not measured."""
    found = report.summary.row_space_confirmed
    if found is None:
        return ""
    text = f"Random vectors in the same row space confirm {found}, without any attack"
    if not found:
        return f"{text}: what is confirmed is due to the attacks."
    return (
        f"{text}. What is attacked is a sum over training {report.noun}s, so that the space it spans is a leak by "
        f"itself; what attacks add to that is the difference, and shows at higher {report.similarity}."
    )


def picks(report: Report) -> str:
    """Say what an attacker would pick without any data, and what that shows; empty where that is not known."""
    parts = [
        f"of the first {one.picked}, {one.showing} show a confirmed member ({plural(one.members, 'different one')})"
        for one in report.summary.precision
    ]
    if not parts:
        return ""
    return (
        f"Ranked without any data, by how much of all restarts is near each and by lambda, and without repeats: "
        f"{'; '.join(parts)}."
    )


def limits(report: Report) -> str:
    """Say how much may leak although no more was confirmed; empty without attacks or controls, or where all may."""
    summary = report.summary
    if not any(attack.status == "ran" for attack in report.attacks):
        return ""
    if summary.upper_limit is None or summary.upper_limit == 1.0:
        return ""
    limit, at_power = bound(summary.upper_limit, up=True), summary.upper_limit_at_power
    text = f"at most {limit} of samples like these would be confirmed by these attacks"
    if at_power == 1.0:
        return f"{text}; {NO_LIMIT_AT_POWER}"
    if at_power is not None:
        return (
            f"{text}; at most {bound(at_power, up=True)} may leak as the samples of the positive control do"
        )
    return text


def batch(report: Report) -> str:
    """Say what members are where a gradient was observed, and how many there seem to be; else nothing."""
    seen = report.data.gradient
    if seen is None:
        return ""
    return (
        f"Observed: the checkpoint, and {'an' if seen.kind == 'update' else 'a'} {seen.kind} of one batch. Members "
        f"are the {report.noun}s of that batch ({report.summary.members} given). An attacker's own estimate of "
        f"their number, the rank of the {seen.kind} in the first layer: {seen.rank}."
    )


def dp(report: Report) -> str:
    """Say what differential privacy promises if the network was trained as stated; empty if nothing was stated."""
    stated = report.diagnostics.dp
    if stated is None:
        return ""
    candidates = plural(report.summary.members, f"equally likely {report.noun}")
    return (
        f"If trained by DP-SGD with noise multiplier {stated.sigma:g}, sampling rate {stated.q:g} and "
        f"{plural(stated.steps, 'step')}, as stated (--dp) and not checked: an attacker who sees every step, knows "
        f"all other training samples, and looks for the missing one among {candidates} finds it with a probability "
        f"of at most {probability(stated.bound)}, instead of {probability(stated.prior)} (Hayes et al. 2023, arXiv "
        f"2302.07225). This does not enter the verdict."
    )


def withheld(report: Report) -> str:
    """Say what a redacted report leaves out, and what it does not; empty for other reports."""
    if not report.provenance.redacted:
        return ""
    what = report.noun
    names = "file names may name people" if what == "image" else "they may name people"
    return (
        f"{what.capitalize()}s were withheld from this report (--redact), because recovered {what}s are personal "
        f"data. Names of members remain as they were given: {names}."
    )
