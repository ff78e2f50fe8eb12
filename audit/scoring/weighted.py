"""Which discoveries stand where members and controls differ: controls count by how like members they are.

If members are drawn from p and controls from q, and w = p / q, then

    p_i = (w_i + sum of w_c over c : s(c) >= s(x_i)) / (w_i + sum of w_c)

is exact, as ranks are where p and q are the same (Tibshirani, Barber, Candes and Ramdas 2019, "Conformal
prediction under covariate shift"). Here w is an estimate: these p-values may withhold what ranks confirm, and
never confirm more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.model.modality import IMAGES
from audit.scoring.calibration import Calibration
from audit.scoring.conformal import benjamini_hochberg
from audit.scoring.exchangeability import Exchangeability
from audit.scoring.near_copies import RELATIVE_ERROR, SIMILAR, closer_by_far
from audit.scoring.similarity import relative_error, standardise
from audit.scoring.votes import Field


@dataclass(frozen=True, eq=False)
class Weighed:
    """What of a calibration stands if controls count by how like members they are."""

    stands: NDArray[np.bool_]
    """(n,), confirmed members that still are, or whose candidate is a copy of them."""
    confirmable: int
    """Members that would be confirmed if all n were ahead of every control."""


def weigh(
    found: Calibration, compared: Exchangeability, field: Field, candidates: NDArray[np.floating]
) -> Weighed:
    """Look again at what ranks and tail confirm, with weights.

    Parameters
    ----------
    found:
        What was confirmed.
    compared:
        Members and controls, with their weights.
    field:
        The same members and controls.
    candidates:
        (m, d), normalised inputs, of which `found` speaks.
    """
    ours, theirs = compared.members, compared.controls
    members, controls = found.margins.alike
    p_values = weighted_p_values(members, controls, ours, theirs)
    best = ours / (ours + theirs.sum())
    copies = np.array([why == "exact" for why in found.evidence], dtype=np.bool_)
    copies |= _near_copies(found, field, candidates)
    return Weighed(
        stands=found.confirmed & (benjamini_hochberg(p_values, found.fdr) | copies),
        confirmable=int(benjamini_hochberg(best, found.fdr).sum()),
    )


def _near_copies(found: Calibration, field: Field, candidates: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Confirmed members (n,) whose candidate is a near copy of them, as controls may be (`near_copies`)."""
    near = np.zeros(len(field.members), dtype=np.bool_)
    which = np.flatnonzero(found.confirmed)
    places = len(field.controls) + which
    scaled = field.scale(candidates[found.matching.members.candidate[which]])
    if field.preprocessing.modality is IMAGES:
        alike = found.matching.members.similarity[which] >= SIMILAR
    else:
        alike = relative_error(scaled, field.scaled[places]) <= RELATIVE_ERROR
    near[which] = alike & closer_by_far(standardise(scaled), places, field.standard)
    return near


def weighted_p_values(
    scores: NDArray[np.floating],
    rivals: NDArray[np.floating],
    weights: NDArray[np.floating],
    rival_weights: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Rank every score among those of rivals, each of which counts by its weight; ties count against it.

    Parameters
    ----------
    scores, rivals:
        (n,) and (k,)
    weights, rival_weights:
        (n,) and (k,), positive.

    Returns
    -------
    (n,), within (0, 1]
    """
    order = np.argsort(rivals)
    # Behind a score lie those below it: what is left of the whole is ahead, without rounding at the end.
    ahead = np.append(np.cumsum(rival_weights[order][::-1])[::-1], 0.0)
    places = np.searchsorted(rivals[order], scores, side="left")
    return np.asarray((weights + ahead[places]) / (weights + ahead[0]), dtype=np.float64)
