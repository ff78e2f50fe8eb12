"""How much work an audit was given, and whether it can be repeated."""

from __future__ import annotations

from audit.report.schema import Provenance
from audit.words import duration, plural


def work(provenance: Provenance) -> str:
    """Say how much time an audit was given, or how many rounds."""
    if provenance.budget_seconds is not None:
        return duration(provenance.budget_seconds)
    return f"{plural(provenance.rounds or 0, 'round')} of restarts for every attack"


def repeatable(provenance: Provenance) -> str:
    """Say whether the same command gives the same result, in one sentence."""
    if provenance.repeatable:
        return (
            "Yes: the same command gives the same verdict and numbers on this machine with these versions, however "
            "busy it is."
        )
    if not provenance.complete:
        return "No: the audit was interrupted."
    if provenance.rounds is not None:
        return "Not exactly: sums on a GPU may be rounded differently every time. --device cpu avoids that."
    return (
        "Not exactly: the time ended the attacks, and how far they come depends on how busy the machine is. "
        "--rounds N in place of --budget gives the same verdict and numbers every time."
    )
