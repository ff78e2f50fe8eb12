"""How well anybody can reconstruct a sample after training by DP-SGD: an upper bound from sigma, q and the steps.

Hayes, Mahloujifar and Balle 2023 (arXiv 2302.07225, the bound for DP-SGD): let nu = N(0, sigma^2 I) be the T noisy
steps without the sample, in units of the clipping norm, and mu = N(B, sigma^2 I) those with it, where B holds T
independent coins of probability q. Somebody who sees all steps, knows every other sample, and would guess the one
that is missing with probability kappa beforehand, does so afterwards with probability at most

    gamma = sup { mu(E) : nu(E) <= kappa },

the blow-up function. For q = 1, gamma = Phi(Phi^-1(kappa) + sqrt(T) / sigma). For q < 1 the paper samples; here
gamma is computed from above, and nothing is random. By duality (Kaissis et al. 2023, arXiv 2307.03928, write the
bound as a trade-off between errors of a test)

    gamma = min over e of [ E_mu max(0, 1 - exp(e - L)) + exp(e) kappa ],      L = log dmu/dnu,

of which every e alone gives an upper bound. L is a sum of T independent terms, each of which is put on a grid so
that the result can only grow ("connect the dots", Doroshenko et al. 2022, arXiv 2207.04380), and added up by one
FFT. What does not fit on the grid counts as told for certain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, ndtr
from scipy.stats import norm

from audit.errors import UsageError

_CELLS = 2**13
"""Of the grid for one term; fewer where its sum would take more than `_POINTS`."""
_POINTS = 2**19
"""Of the grid for the sum, at most."""
_TAIL = 1e-10
"""Probability that may lie beyond either end of the grid. It is added to the bound."""
_CERTAIN = 500.0
"""A term of L above it tells everything: nu has exp(-500) of what mu has."""


@dataclass(frozen=True)
class DpSgd:
    """How somebody says that a network was trained."""

    sigma: float
    """Noise multiplier: deviation of the noise over the clipping norm."""
    q: float
    """Probability with which a sample takes part in a step."""
    steps: int
    """Number of steps."""


def parse_dp(text: str) -> DpSgd:
    """Read `sigma,q,steps`, as in `1.1,0.01,1000`.

    Raises
    ------
    UsageError
        If it is something else, or beyond what `reconstruction_bound` takes.
    """
    try:
        first, second, third = text.split(",")
        said = DpSgd(float(first), float(second), int(third))
    except ValueError as error:
        raise UsageError(
            f"--dp is {text!r}", "give noise multiplier, sampling rate and steps, such as 1.1,0.01,1000"
        ) from error
    for name, value, low, high in (
        ("noise multiplier", said.sigma, 1e-3, 1e6),
        ("sampling rate", said.q, 1e-9, 1.0),
        ("number of steps", said.steps, 1, 10**8),
    ):
        if not low <= value <= high:
            raise UsageError(f"--dp: the {name} is {value:g}", f"give one from {low:g} to {high:g}")
    return said


@dataclass(frozen=True)
class _Losses:
    """Distribution of L under mu: on a grid, and at infinity."""

    lowest: float
    """First point of the grid."""
    step: float
    """Distance of its points."""
    mass: NDArray[np.float64]
    """(k,) probabilities at its points."""
    infinite: float
    """Probability of infinity."""

    @property
    def points(self) -> NDArray[np.float64]:
        return self.lowest + self.step * np.arange(len(self.mass), dtype=np.float64)


def reconstruction_bound(sigma: float, q: float, steps: int, prior: float) -> float:
    """Bound the probability that a sample is reconstructed after DP-SGD.

    Parameters
    ----------
    sigma:
        Noise multiplier: deviation of the noise over the clipping norm, from 1e-3 to 1e6.
    q:
        Probability with which a sample takes part in a step, independently of others; from 1e-9 to 1 - 1e-9, or 1.
    steps:
        Number of steps, from 1 to 10^8.
    prior:
        kappa: probability of the best guess without the model, above 0, at most 1.

    Returns
    -------
    float
        From `prior` to 1. An upper bound up to rounding (some 1e-9) whatever the grid, which makes it larger by a
        hundredth at most in all cases tried.
    """
    if q > 1 - 1e-9:  # and the bound grows with q
        return float(norm.cdf(norm.ppf(prior) + math.sqrt(steps) / sigma))
    return _blow_up(_sum(sigma, q, steps), prior)


def _blow_up(losses: _Losses, prior: float) -> float:
    points, mass = losses.points, losses.mass

    def bound(threshold: float) -> float:
        told = -(mass * np.expm1(np.minimum(threshold - points, 0.0))).sum()
        return float(losses.infinite + told + math.exp(threshold) * prior)

    # Above log(1 / prior) a bound is more than 1, and far below 0 it is 1 but for rounding.
    best = minimize_scalar(bound, bounds=(-30.0, -math.log(prior)), method="bounded", options={"xatol": 1e-6})
    return min(1.0, max(prior, float(best.fun)))


def _sum(sigma: float, q: float, steps: int) -> _Losses:
    """Distribution of the sum of T terms, rounded so that a bound can only grow."""
    low, high = _range(sigma, q)
    step, size = (high - low) / _CELLS, _POINTS + 1
    while size > _POINTS:
        one = _one(sigma, q, low, high, step)
        first, last = _window(one, steps)
        size = math.ceil((last - first) / step) + 1
        step *= 2
    length = 1 << max(size, len(one.mass)).bit_length()
    # Points are told apart modulo the length: the sum of T lowest ones stands at T * lowest.
    spectrum = np.fft.rfft(one.mass, length) ** steps
    mass = np.maximum(np.fft.irfft(spectrum, length), 0.0)
    shift = math.floor((first - steps * one.lowest) / one.step)
    infinite = -math.expm1(steps * math.log1p(-one.infinite)) + _TAIL
    return _Losses(steps * one.lowest + shift * one.step, one.step, np.roll(mass, -shift), infinite)


def _range(sigma: float, q: float) -> tuple[float, float]:
    """Least value of a term, and one that it exceeds with probability 1e-17 at most, or that tells everything."""
    low, outlier = math.log1p(-q), 1 + sigma * norm.isf(1e-17)
    return low, min(float(np.logaddexp(low, math.log(q) + (outlier - 0.5) / sigma**2)), _CERTAIN)


def _one(sigma: float, q: float, low: float, high: float, step: float) -> _Losses:
    """Put one term on a grid.

    Of every cell, the mass under mu is moved to its two ends so that its mass under nu stays too. Where exp(-L) is
    known by its mean within a cell only, its extremes maximise every max(0, 1 - exp(e - L)) (Jensen).
    """
    edges = low + step * np.arange(math.ceil((high - low) / step) + 1)
    x = np.full(len(edges), -np.inf)  # where the loss is an edge; it exceeds the first one everywhere
    x[1:] = 0.5 + sigma**2 * (edges[1:] + np.log(-np.expm1(low - edges[1:])) - math.log(q))
    with_it = (1 - q) * _cells(x / sigma) + q * _cells((x - 1) / sigma)
    without = _cells(x / sigma)
    upper = (with_it - np.exp(edges[:-1]) * without) / -math.expm1(-step)
    upper = np.clip(upper, 0.0, with_it)
    mass = np.zeros(len(edges))
    mass[1:] += upper
    mass[:-1] += with_it - upper
    beyond = (1 - q) * ndtr(-x[-1] / sigma) + q * ndtr((1 - x[-1]) / sigma)
    return _Losses(low, step, mass, float(beyond))


def _cells(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard normal probability between neighbours, exact in both tails."""
    return np.where(z[1:] < 0, np.diff(ndtr(z)), -np.diff(ndtr(-z)))


def _window(one: _Losses, steps: int) -> tuple[float, float]:
    """Interval that the sum of T terms leaves with probability `_TAIL` at either end at most (Chernoff)."""
    points, mass = one.points, one.mass
    with np.errstate(divide="ignore"):
        logarithms = np.log(mass)
    deviation = math.sqrt(steps * float((mass * points**2).sum()))
    ends = []
    for sign in (1.0, -1.0):
        rates = np.geomspace(0.1, 100.0, 40) / deviation
        moments = np.array([logsumexp(logarithms + sign * rate * points) for rate in rates])
        ends.append(float(np.min((steps * moments - math.log(_TAIL)) / rates)))
    return max(-ends[1], steps * one.lowest), min(ends[0], steps * float(points[-1]))
