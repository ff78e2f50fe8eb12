"""Memorisation diagnostics in words, for reports and `inspect`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.render.sentences.sources import LAYERS, SUBJECTS
from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank
from audit.report.schema import Report
from audit.words import bound, listed, number, plural, share, significant

_UNEXPLAINED = 0.5
"""Residual of an equation, in norms, from which a tensor that fits says nothing of data."""


def sentences(report: Report) -> list[str]:
    """State what was measured, without the spectrum."""
    found = report.diagnostics
    lines = [*contributions(found.contribution)]
    if found.attainable is not None:
        lines.append(attainable(found.attainable))
    return [*lines, *(identifiability(item) for item in (found.identifiability or {}).values())]


def remarks(report: Report) -> list[str]:
    """Caveats to these sentences."""
    found = report.diagnostics
    notes = found.contribution[0].notes if found.contribution else []
    return [*notes, *found.notes]


def contributions(found: Sequence[ContributionReport]) -> Iterator[str]:
    """Describe the equation that members explain best; where it does not distinguish them, also which others do."""
    if not found:
        return
    yield contribution(found[0])
    if not _distinguishes(found[0]):
        tested = sum(item.auc is not None for item in found)
        for item in filter(_distinguishes, found):
            yield f"Of {tested} equations tested, that of {item.attack} distinguishes them: {_auc(item)}."


def contribution(found: ContributionReport) -> str:
    """Say whether members contribute more than held-out samples, and how much of the equation they leave."""
    left = (
        f"Loss at the true samples in the equation of {found.attack}, which explains {SUBJECTS[found.source]}: "
        f"{unexplained(found)}."
    )
    return f"{_membership(found)} {left}".strip()


def unexplained(found: ContributionReport) -> str:
    """Write what members leave of an equation, at most where time ended the fit."""
    return share(found.residual) if found.converged else f"at most {bound(found.residual, up=True)}"


def _membership(found: ContributionReport) -> str:
    if found.auc is None or found.auc_interval is None:
        return ""
    _, high = found.auc_interval
    if _distinguishes(found):
        tail = ""
        if found.true_positives is not None:
            tail = f"; {100 * found.true_positives:.0f} % of members recognised at 1 % false positives"
        return f"Members contribute more than held-out samples: {_auc(found)}{tail}."
    if high < 0.5:
        return (
            f"Held-out samples contribute more than members: {_auc(found)}. The two were mixed up, or are of "
            f"different kinds, or it is chance, which does this once in forty times."
        )
    if not found.common_converged:
        return (
            f"The time limit ended the membership test before contributions distinguished members from held-out "
            f"samples: {_auc(found)}."
        )
    return f"Contributions do not distinguish members from held-out samples: {_auc(found)}."


def _distinguishes(found: ContributionReport) -> bool:
    return found.auc_interval is not None and found.auc_interval[0] > 0.5


def _auc(found: ContributionReport) -> str:
    low, high = found.auc_interval or (None, None)
    return f"AUC {number(found.auc)} (95 % interval {number(low)} to {number(high)})"


def attainable(found: AttainableReport) -> str:
    """Say how many members any reconstruction could recover."""
    text = (
        f"Recoverable in principle: {found.reachable} of {plural(found.members, 'member')} (attainable SSIM >= "
        f"{found.threshold:g}, in the row space of {listed(found.attacks)})."
    )
    if found.reachable == found.members:
        return text
    if not found.complete:
        return f"{text} The time limit ended the search: there may be more."
    return (
        f"{text} For the rest, no image with an SSIM of {found.threshold - found.tolerance:g} or more was found "
        f"there: the search is trusted within {found.tolerance:g}, and is no proof."
    )


def identifiability(found: IdentifiabilityReport) -> str:
    """Say how much of the data's tensor the equations determine."""
    equations = f"The equations of {SUBJECTS[found.source]}"
    figures = (
        f"rank {found.rank} of {found.rank_needed} needed, condition {significant(found.condition)}, "
        f"residual {significant(found.residual)}"
    )
    if found.undetermined:
        directions = plural(found.undetermined, "direction")
        return f"{equations} leave {directions} of the data's tensor undetermined ({figures})."
    if found.residual is None or found.residual > _UNEXPLAINED:
        return (
            f"{equations} would determine the data's tensor ({figures}), but no tensor fits them: they do not hold "
            f"here."
        )
    return f"{equations} determine the data's tensor ({figures}, expected error {significant(found.error)})."


def spectrum(found: Rank) -> str:
    """Say what the singular values show."""
    # Layers too narrow to tell signal from noise are kept whole, above rounding.
    noise = "rounding" if found.bulk_edge and found.edge < found.bulk_edge else "noise"
    parts = [f"{found.kept} above the threshold of {noise}, {significant(found.edge, 3)}"]
    if found.bulk_edge:
        beyond = sum(value > found.bulk_edge for value in found.singular_values)
        parts.append(
            f"{beyond} above {significant(found.bulk_edge, 3)}, the largest that noise such as an initialisation "
            f"leaves by itself"
        )
    if found.effective_rank is not None:
        parts.append(f"effective rank {found.effective_rank:.1f} of {len(found.singular_values)}")
    return f"Singular values of {LAYERS[found.source]}: {'; '.join(parts)}."


def spectrum_caption(found: Rank, drawn: int) -> str:
    """Say what the plot of the largest `drawn` singular values shows, and what they are worth."""
    total = len(found.singular_values)
    part = "" if drawn == total else f" Shown: the largest {drawn} of {total}."
    if found.kept == total:
        return f"{spectrum(found)}{part} As all are kept, they do not tell how many samples the layer holds."
    return (
        f"{spectrum(found)}{part} Those above noise are the attacker's own estimate of how many independent "
        "samples the layer holds; similar samples count less than once each, and other learnt structure counts "
        "too."
    )
