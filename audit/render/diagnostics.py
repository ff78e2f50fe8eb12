"""Sentences on what the weights hold, for reports and `inspect`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank
from audit.report.schema import Report
from audit.words import bound, listed, number, plural, share, significant

_UNEXPLAINED = 0.5
"""Residual of an equation, in norms, from which a tensor that fits says nothing of data."""
_SUBJECTS = {
    "weights": ("The weights", "lean", "the weights"),
    "change": ("The change of the weights", "leans", "the change of the weights"),
    "gradient": ("The observed gradient", "leans", "the observed gradient"),
}
LAYERS = {
    "weights": "the first layer",
    "change": "the change of the first layer",
    "gradient": "the observed gradient of the first layer",
}
"""Whose singular values they are."""


def sentences(report: Report) -> list[str]:
    """All that a report can say of what the weights hold, without the spectrum."""
    found = report.diagnostics
    said: list[str] = []
    said += contributions(found.contribution, report.summary.members, report.noun)
    if found.attainable is not None:
        said.append(attainable(found.attainable))
    said += [identifiability(item) for item in (found.identifiability or {}).values()]
    return said


def remarks(report: Report) -> list[str]:
    """What to keep in mind with these sentences."""
    found = report.diagnostics
    notes = found.contribution[0].notes if found.contribution else []
    return [*notes, *found.notes]


def contributions(found: Sequence[ContributionReport], members: int, noun: str = "image") -> Iterator[str]:
    """Say it of the equation that members explain best; where it does not tell them apart, also which others do."""
    if not found:
        return
    yield contribution(found[0], members, noun)
    if not _tells(found[0]):
        tested = sum(item.auc is not None for item in found)
        for item in filter(_tells, found):
            yield f"Of {tested} equations tested, that of {item.attack} tells them apart: {_measured(item)}."


def contribution(found: ContributionReport, members: int, noun: str = "image") -> str:
    """Say whether the equation tells members from controls, and how much of it they leave open."""
    who = f"training {noun} leaves" if members == 1 else f"training {noun}s leave"
    left = f"The {who} {unexplained(found)} of the equation of {found.attack} unexplained."
    return f"{_membership(found)} {left}".strip()


def unexplained(found: ContributionReport) -> str:
    """Write what members leave of an equation, at most where time ended the fit."""
    return share(found.residual) if found.converged else f"at most {bound(found.residual, up=True)}"


def _membership(found: ContributionReport) -> str:
    if found.auc is None or found.auc_interval is None:
        return ""
    _, high = found.auc_interval
    measured = _measured(found)
    subject, lean, of = _SUBJECTS[found.source]
    if _tells(found):
        tail = ""
        if found.true_positives is not None:
            share = f"{100 * found.true_positives:.0f} %"
            tail = f"; {share} of members are recognised at 1 % false positives"
        return f"{subject} {lean} on members more than on controls: {measured}{tail}."
    if high < 0.5:
        return (
            f"{subject} {lean} on controls more than on members: {measured}. The two were mixed up, or are "
            f"of different kinds, or it is chance, which does this once in forty times."
        )
    if not found.common_converged:
        return f"The fit was ended before what {of} {lean} on told members from controls: {measured}."
    return f"What {of} {lean} on does not tell members from controls: {measured}."


def _tells(found: ContributionReport) -> bool:
    return found.auc_interval is not None and found.auc_interval[0] > 0.5


def _measured(found: ContributionReport) -> str:
    low, high = found.auc_interval or (None, None)
    return f"AUC {number(found.auc)} (95 % interval {number(low)} to {number(high)})"


def attainable(found: AttainableReport) -> str:
    """Say how many members any reconstruction could recover."""
    said = (
        f"Members above the threshold even in principle: {found.reachable} of {found.members} (SSIM >= "
        f"{found.threshold:g}, in the row space of {listed(found.attacks)})."
    )
    missing = found.members - found.reachable
    if not missing:
        return said
    if not found.complete:
        return f"{said} Time ended the search: there may be more."
    others = "the other" if missing == 1 else f"the other {missing}"
    if missing == found.members:
        others = "it" if missing == 1 else f"all {missing}"
    return (
        f"{said} For {others}, no image as similar as {found.threshold - found.tolerance:g} was found "
        f"there: the best image is searched for, and trusted within {found.tolerance:g}, not proven."
    )


def identifiability(found: IdentifiabilityReport) -> str:
    """Say how much of the data's tensor the equations determine."""
    verb = "leave" if found.source == "weights" else "leaves"
    figures = (
        f"rank {found.rank} of {found.rank_needed} needed, condition {significant(found.condition)}, "
        f"residual {significant(found.residual)}"
    )
    subject = _SUBJECTS[found.source][0]
    if found.undetermined:
        directions = plural(found.undetermined, "direction")
        return f"{subject} {verb} {directions} of the data's tensor undetermined ({figures})."
    if found.residual is None or found.residual > _UNEXPLAINED:
        them = "them" if found.source == "weights" else "it"
        return (
            f"{subject} would determine the data's tensor ({figures}), but no tensor explains {them}: "
            f"the equations do not hold here."
        )
    verb = "determine" if found.source == "weights" else "determines"
    return f"{subject} {verb} the data's tensor ({figures}, expected error {significant(found.error)})."


def spectrum(found: Rank) -> str:
    """Say what the singular values show."""
    stand = "stands" if found.kept == 1 else "stand"
    # Layers too narrow to tell signal from noise are kept whole, above rounding.
    noise = "rounding" if found.bulk_edge and found.edge < found.bulk_edge else "noise"
    parts = [f"{found.kept} {stand} out of {noise} (above {significant(found.edge, 3)})"]
    parts += list(_bulk(found))
    if found.effective_rank is not None:
        parts.append(f"effective rank {found.effective_rank:.1f} of {len(found.singular_values)}")
    return f"Singular values of {LAYERS[found.source]}: {'; '.join(parts)}."


def spectrum_caption(found: Rank, drawn: int) -> str:
    """Say what the plot of the largest `drawn` singular values shows, and what they are worth."""
    total = len(found.singular_values)
    part = "" if drawn == total else f" Drawn are the largest {drawn} of {total}."
    if found.kept == total:
        return f"{spectrum(found)}{part} As all stand out, they do not tell how many samples it holds."
    return (
        f"{spectrum(found)}{part} Those that stand out are the attacker's own estimate of how many independent "
        f"samples it holds; similar ones count less than once each, and what else was learnt counts too."
    )


def _bulk(found: Rank) -> Iterator[str]:
    if found.bulk_edge:
        beyond = sum(value > found.bulk_edge for value in found.singular_values)
        lie = "lies" if beyond == 1 else "lie"
        yield (
            f"{beyond} {lie} beyond what noise such as an initialisation leaves by itself (up to "
            f"{significant(found.bulk_edge, 3)})"
        )
