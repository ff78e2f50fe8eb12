"""From scores to p-values and discoveries: ranks among controls, and the procedure of Benjamini and Hochberg.

Let m0 of n members be innocent: exchangeable with the k controls, given the candidates and the other members. A
score that treats members and controls alike then orders these m0 + k samples in any order with equal probability.
Hence

    p_i = (1 + #{controls c : s(c) >= s(x_i)}) / (1 + k)

is exact for each of them, and so is the rate of false discoveries of Benjamini and Hochberg's procedure on all
p_i. It confirms the members above the lowest score at which n (1 + controls above) / ((1 + k) members above) is at
most q. The number of innocent members above over 1 + controls above has a mean of at most m0 / (1 + k) there, by
the martingale argument of knockoffs (Weinstein, Barber and Candes 2017, arXiv 1706.06465), so that the rate is at
most q m0 / n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control


def p_values(scores: NDArray[np.floating], rivals: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank every score (n,) among those of k rivals; ties count against it.

    Returns
    -------
    (n,), within [1 / (k + 1), 1]
    """
    ahead = len(rivals) - np.searchsorted(np.sort(rivals), scores, side="left")
    return np.asarray((1 + ahead) / (1 + len(rivals)), dtype=np.float64)


def benjamini_hochberg(p_values: NDArray[np.floating], rate: float) -> NDArray[np.bool_]:
    """Which hypotheses to reject so that at most `rate` of the rejections are false, in expectation.

    Parameters
    ----------
    p_values:
        (n,), n may be 0.
    rate:
        Within (0, 1).

    Returns
    -------
    (n,)
    """
    if len(p_values) == 0:
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(false_discovery_control(p_values) <= rate, dtype=np.bool_)
