"""Whether members can be the batch of an observed gradient, which has about as many samples as its rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.errors import DataError
from audit.request.observed import Observed

_FAR = 4
"""Times its rank is far more than the batch of a gradient held."""


def check_batch(observed: Observed | None, members: NDArray[np.floating]) -> None:
    """Refuse far more members (n, d) than an observed gradient without noise can be of.

    A sample that the network fits to rounding does not move the weights, so that a few more are no contradiction.

    Raises
    ------
    DataError
        When the members have more than four times the rank of the gradient.
    """
    if observed is not None and not observed.noisy and far_more(observed, members):
        raise DataError(
            f"{len(members)} members were given, and the observed {observed.kind} has rank {observed.rank}: the "
            f"batch that it is of held far fewer",
            "give the samples of that batch as --data, or those that may have been in it",
        )


def far_more(observed: Observed | None, members: NDArray[np.floating]) -> bool:
    """Whether members (n, d) have more than four times the rank of an observed gradient that could have more."""
    if observed is None or not 0 < observed.rank < observed.highest:
        return False
    most = _FAR * observed.rank
    return len(members) > most and int(np.linalg.matrix_rank(members[: 2 * most])) > most
