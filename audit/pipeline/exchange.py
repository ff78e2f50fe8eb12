"""Members against controls, without the network: how they compare, and what of a count stands if they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.dataset.truth import Truth
from audit.report.measured import Exchangeability as Entry
from audit.scoring.calibration import Calibration
from audit.scoring.comparison import comparison
from audit.scoring.exchangeability import Exchangeability, Side, exchangeability
from audit.scoring.votes import Field
from audit.scoring.weighted import Weighed, weigh


@dataclass(frozen=True, eq=False)
class Exchange:
    """How members and controls compare."""

    compared: Exchangeability
    """The tests, and weights."""
    weighed: Weighed
    """What stands with these weights."""


def exchange(
    field: Field,
    truth: Truth,
    found: Calibration,
    negative: Calibration | None,
    candidates: NDArray[np.floating],
) -> Exchange:
    """Compare members with controls, of which there is at least one.

    Parameters
    ----------
    field, truth:
        Members and controls.
    found:
        What all candidates together say.
    negative:
        What noise says of the same samples; None where it was not matched.
    candidates:
        (m, d), normalised inputs.
    """
    count = len(field.controls)
    viewed = comparison(truth.preprocessing.modality).view(truth.preprocessing, field.scaled)
    rows = viewed.reshape(len(viewed), -1)
    mean, spread = rows.mean(axis=1), rows.std(axis=1)
    noise = (None, None) if negative is None else (negative.margins.members, negative.margins.controls)
    members, controls = (
        Side(field.standard[part], mean[part], spread[part], labels, scores)
        for part, labels, scores in (
            (slice(count, None), truth.labels, noise[0]),
            (slice(count), truth.control_labels, noise[1]),
        )
    )
    # The same permutations in every audit: no verdict depends on them.
    compared = exchangeability(members, controls, np.random.default_rng(0))
    return Exchange(compared, weigh(found, compared, field, candidates))


def exchangeability_entry(found: Exchange | None, confirmed: NDArray[np.bool_]) -> Entry | None:
    """Describe how members compare with controls, given who is confirmed (n,); None without controls."""
    if found is None:
        return None
    compared, weighed = found.compared, found.weighed
    return Entry(
        p_value=compared.p_value,
        p_values={str(aspect): p for aspect, p in compared.p_values.items()},
        differ=compared.differ,
        confirmable=weighed.confirmable,
        explained=int((confirmed & ~weighed.stands).sum()) if compared.differ else 0,
    )
