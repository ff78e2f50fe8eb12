"""Names of what attacks reconstruct from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from audit.model.modality import Source
from audit.report.outcomes import Sample
from audit.report.schema import Report
from audit.words import listed

SUBJECTS: dict[Source, str] = {
    "weights": "the weights",
    "change": "the change of the weights",
    "gradient": "the observed gradient",
}
"""What an equation explains."""
LAYERS: dict[Source, str] = {
    "weights": "the first layer",
    "change": "the change of the first layer",
    "gradient": "the observed gradient of the first layer",
}
"""Whose singular values are shown."""


def origins(sources: Iterable[Source], observed: str) -> str:
    """Name what reconstructions are computed from; the weights if there are none, for they are always known."""
    names = SUBJECTS | {"gradient": f"an observed {observed}"}
    return listed([names[source] for source in sources] or [names["weights"]])


def origins_of(report: Report, samples: Sequence[Sample]) -> str:
    """Name what the matches of some samples were reconstructed from."""
    owners, seen = {sample.attack for sample in samples}, report.data.gradient
    sources = [attack.source for attack in report.attacks if attack.id in owners]
    return origins(sources, "gradient" if seen is None else seen.kind)
