"""What the plots show, in words and numbers, for those who hear a report instead of seeing it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from audit.report.measured import Rank
from audit.report.outcomes import AttackReport
from audit.words import plural


def groups(members: Sequence[float], controls: Sequence[float], threshold: float | None = None) -> str:
    """Describe two histograms over one scale."""
    return " ".join(
        _spread(name, values, threshold)
        for name, values in (("member", members), ("control", controls))
        if values
    )


def _spread(name: str, values: Sequence[float], threshold: float | None) -> str:
    reach = ""
    if threshold is not None:
        reach = f"; {sum(value >= threshold for value in values)} at or above {threshold:g}"
    return (
        f"{plural(len(values), name)}: lowest {min(values):.3g}, median {median(values):.3g}, highest "
        f"{max(values):.3g}{reach}."
    )


def curves(attacks: Sequence[AttackReport]) -> str:
    """Describe where the relative loss of every attack began and ended."""
    ends = [(attack.id, attack.history[0], attack.history[-1]) for attack in attacks]
    return " ".join(
        f"{name}: from {first[1]:.2g} at step {first[0]} to {last[1]:.2g} at step {last[0]}."
        for name, first, last in ends
    )


def spectrum(rank: Rank) -> str:
    """Describe singular values around the edge."""
    values = rank.singular_values
    parts = [f"{plural(len(values), 'singular value')}, the largest {values[0]:.3g}"]
    if 0 < rank.kept <= len(values):
        parts.append(f"number {rank.kept} is {values[rank.kept - 1]:.3g}")
    if rank.kept < len(values):
        parts.append(f"the next {values[rank.kept]:.3g}")
    parts.append(f"the edge lies at {rank.edge:.3g}")
    if rank.bulk_edge:
        parts.append(f"noise by itself reaches {rank.bulk_edge:.3g}")
    return f"{'; '.join(parts)}."


def scatter(before: Sequence[float], after: Sequence[float], threshold: float, similarity: str) -> str:
    """Describe how similarity changed."""
    rose = sum(b > a for a, b in zip(before, after, strict=True))
    fell = sum(b < a for a, b in zip(before, after, strict=True))
    reached = [sum(value >= threshold for value in values) for values in (before, after)]
    return (
        f"{plural(len(before), 'member')}: {similarity} rose for {rose} and fell for {fell}; median "
        f"{median(before):.3g} before, {median(after):.3g} after; {reached[0]} at or above "
        f"{threshold:g} before, {reached[1]} after."
    )
