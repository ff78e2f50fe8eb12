"""Intervals and limits of proportions, and how few members a test can confirm."""

from __future__ import annotations

import math

from scipy.stats import binomtest

from audit.scoring.shares import TOGETHER


def resolution(members: int, controls: int, fdr: float) -> int:
    """Smallest number of members that can be confirmed together.

    Benjamini-Hochberg rejects i of n members only if their p-values are at most i * rate / n, and none is below
    1 / (1 + controls); the rate is the share of the false discovery rate that ranks have. A result above `members`
    means that ranks can confirm nothing at all.
    """
    return max(1, math.ceil(members / (TOGETHER * fdr * (1 + controls)) - 1e-9))


def controls_needed(members: int, leaking: int, fdr: float) -> int:
    """Smallest number of controls with which so many of the members can be confirmed together."""
    return math.ceil(members / (TOGETHER * fdr * leaking) - 1e-9) - 1


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact confidence interval of a proportion, count out of total; (0, 1) when total is 0."""
    if total == 0:
        return 0.0, 1.0
    interval = binomtest(count, total).proportion_ci(confidence_level=confidence, method="exact")
    return float(interval.low), float(interval.high)


def upper_limit(count: int, total: int, confidence: float = 0.95) -> float:
    """One-sided upper limit of a proportion, exact (Clopper and Pearson 1934); 1 when total is 0.

    For count 0 it is 1 - (1 - confidence)^(1 / total): 0 of 40 is at most 7.2 %.
    """
    return clopper_pearson(count, total, 2 * confidence - 1)[1]


def limit_at_power(count: int, total: int, found: int, planted: int, confidence: float = 0.95) -> float:
    """Upper limit of the share of samples that leak, by an audit whose power was measured and is less than 1.

    Parameters
    ----------
    count, total:
        Samples that the audit finds or cannot rule out, of all.
    found, planted:
        The same attacks found so many samples of so many that leak by construction.
    confidence:
        Joint, of both measurements.

    Returns
    -------
    float
        At most 1, which it is where nothing planted was found.

    Notes
    -----
    Let q be the share of samples that leak as the planted ones do, and w the probability that the audit finds
    one that does. It finds a sample with probability p >= q w, so that q <= p / w. With alpha = 1 - confidence,
    p is below the upper and w above the lower end of its own exact interval of 1 - alpha, each but with
    probability alpha / 2; both hold with probability 1 - alpha at least (Bonferroni), and with them
    q <= upper end / lower end. Dividing the one-sided limit by the estimate of w would leave out that w is
    measured on a few samples only.

    Samples are taken as independent draws; that w is the same for the audited network as for the planted samples is
    assumed, not measured.
    """
    upper = clopper_pearson(count, total, confidence)[1]
    lower = clopper_pearson(found, planted, confidence)[0]
    return min(1.0, upper / lower) if lower > 0 else 1.0
