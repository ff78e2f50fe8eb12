"""How unlikely is a score that no control comes near: the tail of the controls' scores, extrapolated.

Ranks among k controls cannot tell a member just ahead of all of them from one that is far ahead. Cosines are
brought to a scale on which chance is nearly normal (Fisher 1915: the inverse hyperbolic tangent). Above a high
threshold, excesses of nearly every distribution are generalised Pareto (Pickands 1975): an excess is above y with
probability (1 + shape y / scale)^(-1 / shape), or exp(-y / scale) for shape 0. Tails of a normal distribution are
lighter than that; the shape is taken to be 0 or more, which makes tails heavier and bounds larger. This is an
assumption about what was not observed, unlike ranks, and reports say so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, genpareto

from audit.scoring.intervals import upper_limit

_LEAST, _MOST = 20, 100
"""Excesses that are fitted, at least and at most."""
_SHARE = 0.2
"""Of the controls, those whose excesses are fitted."""
_CONFIDENCE = 0.95
_WITHHOLDING = 0.9
"""Confidence where a bound only withholds a PASS."""
_OUTLIERS = 10
"""Members that are looked at together as far ahead of all others; more of them are told by their number."""
_ROUNDED = 1e-6
_SHAPES = np.linspace(0.0, 1.0, 21)
_SCALES = np.geomspace(0.2, 5.0, 61)
"""In mean excesses."""


def tail_bounds(
    scores: NDArray[np.floating], rivals: NDArray[np.floating], confidence: float = _CONFIDENCE
) -> NDArray[np.float64] | None:
    """Upper bounds of the probability that a control would reach each of n scores.

    Parameters
    ----------
    scores:
        (n,) cosines; below -1 for what has none.
    rivals:
        (k,) scores of controls.
    confidence:
        Of the bounds, one-sided, at least 0.5.

    Returns
    -------
    NDArray[np.float64] | None
        (n,), 1 where some control is ahead. None where controls are too few to fit a tail.

    Notes
    -----
    The bound is the largest tail probability over all shapes and scales whose likelihood is within the one-sided
    limit of the largest (profile likelihood), times the upper limit of the share of controls above the threshold.
    """
    ordered = np.sort(_fisher(rivals))[::-1]
    count = min(_MOST, int(_SHARE * len(rivals)))
    if count < _LEAST or np.sort(rivals)[-1 - count] < -1 or ordered[0] <= ordered[count]:
        return None
    excesses = ordered[:count] - ordered[count]
    scales = excesses.mean() * _SCALES
    densities = np.asarray(genpareto.logpdf(excesses[:, None, None], _SHAPES[:, None], scale=scales))
    likelihood = densities.sum(axis=0)
    within = likelihood.max() - chi2.ppf(2 * confidence - 1, 1) / 2
    shape, scale = np.nonzero(likelihood >= within)
    stretched = _fisher(scores)
    ahead = stretched > ordered[0]
    bounds = np.ones(len(scores))
    excess = stretched[ahead, None] - ordered[count]
    tails = np.asarray(genpareto.sf(excess, _SHAPES[shape], scale=scales[scale]))
    bounds[ahead] = tails.max(axis=1) * upper_limit(count, len(rivals), confidence)
    return bounds


def outlier_chance(members: NDArray[np.floating], controls: NDArray[np.floating]) -> float:
    """Probability that chance puts so few members so far ahead of everybody else, controls and members.

    For want of controls, the other members stand in for them: if some of these leaked too, the tail is heavier and
    the probability larger. Only ever used to withhold a PASS.

    Parameters
    ----------
    members, controls:
        (n,) and (k,) scores.

    Returns
    -------
    float
        The least over the first members ahead of all controls, ten at most: N = n + k times the bound of the tail
        of all others at the last of them. 1 where samples are too few to fit a tail.
    """
    ordered = np.sort(members)[::-1]
    ahead = ordered[ordered > controls.max(initial=-np.inf)][:_OUTLIERS] if len(controls) else ordered[:0]
    chance = 1.0
    for count in range(1, len(ahead) + 1):
        others = np.concatenate([ordered[count:], controls])
        bounds = tail_bounds(ahead[count - 1 : count], others, _WITHHOLDING)
        if bounds is not None:
            chance = min(chance, (len(members) + len(controls)) * float(bounds[0]))
    return chance


def _fisher(cosines: NDArray[np.floating]) -> NDArray[np.float64]:
    """Stretch cosines; what is 1 but for rounding stays finite."""
    return np.asarray(np.arctanh(np.clip(cosines, _ROUNDED - 1, 1 - _ROUNDED)))
