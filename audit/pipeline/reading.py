"""The network as it was read: what was measured, as an entry of the report."""

from __future__ import annotations

from collections.abc import Sequence

from audit.diagnostics.reading import Answers
from audit.diagnostics.reading import Reading as Measured
from audit.report.reading import Assumption, Fit, Reading


def reading_entry(found: Measured, assumed: Sequence[Assumption]) -> Reading:
    """Describe how well a network, read as assumed, knows members and controls."""
    tests = found.tests
    return Reading(
        assumed=list(assumed),
        members=_fit(found.members),
        controls=None if found.controls is None else _fit(found.controls),
        majority=found.majority,
        p_chance=tests.chance,
        p_fewer_right=tests.fewer_right,
        p_higher_loss=tests.higher_loss,
        p_surer=tests.surer,
        p_less_sure=tests.less_sure,
        untrained=found.untrained,
    )


def _fit(found: Answers) -> Fit:
    confidence = float(found.confidence.mean())
    if found.right is None or found.loss is None:
        return Fit(count=len(found), confidence=confidence)
    return Fit(
        count=len(found),
        right=int(found.right.sum()),
        accuracy=float(found.right.mean()),
        loss=float(found.loss.mean()),
        confidence=confidence,
    )
