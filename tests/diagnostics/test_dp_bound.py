"""The bound of DP-SGD: the closed form for full batches, the paper's estimate by sampling, and how it must move."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from audit.diagnostics.dp_bound import DpSgd, parse_dp, reconstruction_bound
from audit.errors import UsageError


@pytest.mark.parametrize(("sigma", "steps", "prior"), [(10.0, 100, 0.1), (20.0, 1000, 1e-4), (0.5, 3, 0.01)])
def test_full_batches_have_a_closed_form_which_the_grid_meets_from_above(
    sigma: float, steps: int, prior: float
) -> None:
    """The composition of T Gaussian mechanisms is one of mean sqrt(T) / sigma."""
    exact = norm.cdf(norm.ppf(prior) + math.sqrt(steps) / sigma)
    assert reconstruction_bound(sigma, 1.0, steps, prior) == pytest.approx(exact, rel=1e-12)
    grid = reconstruction_bound(sigma, 1 - 2e-9, steps, prior)
    assert exact * (1 - 1e-6) <= grid <= exact * 1.002


def sampled(sigma: float, q: float, steps: int, prior: float) -> tuple[float, float]:
    """The estimate of Hayes et al. and its deviation: mu of the event of largest ratios that has nu = prior."""
    count, generator = 40_000, np.random.default_rng(0)

    def ratios(taking_part: float) -> np.ndarray:
        total = np.zeros(count)
        for _ in range(steps):
            x = sigma * generator.standard_normal(count) + (generator.random(count) < taking_part)
            total += np.log1p(q * np.expm1((x - 0.5) / sigma**2))
        return total

    without, with_it = ratios(0.0), ratios(q)
    estimate = float(np.mean(with_it > np.quantile(without, 1 - prior)))
    derivative = 3.0  # of the trade-off where it is used: an error of the quantile counts that much more
    return estimate, derivative * math.sqrt(prior / count) + math.sqrt(estimate / count)


@pytest.mark.parametrize(
    ("sigma", "q", "steps", "prior"), [(1.0, 0.1, 50, 0.1), (0.5, 0.02, 50, 0.1), (1.0, 0.9, 3, 0.05)]
)
def test_it_agrees_with_sampling(sigma: float, q: float, steps: int, prior: float) -> None:
    estimate, deviation = sampled(sigma, q, steps, prior)
    assert reconstruction_bound(sigma, q, steps, prior) == pytest.approx(estimate, abs=4 * deviation)


def test_one_step_by_hand() -> None:
    """The best event is x > t with nu(x > t) = prior, and there mu is a mixture of two tails."""
    t = 0.8 * norm.isf(0.05)
    exact = 0.7 * 0.05 + 0.3 * norm.sf((t - 1) / 0.8)
    assert reconstruction_bound(0.8, 0.3, 1, 0.05) == pytest.approx(exact, rel=1e-3)


def test_without_noise_only_not_taking_part_hides_a_sample() -> None:
    assert reconstruction_bound(1e-3, 0.5, 3, 0.1) == pytest.approx(1 - 0.5**3 * 0.9, abs=1e-6)


@pytest.mark.parametrize(
    "rising",
    [
        [(sigma, 0.1, 30, 0.1) for sigma in (1e6, 3.0, 1.0, 0.5)],
        [(1.0, q, 30, 0.1) for q in (1e-9, 0.01, 0.2, 1.0)],
        [(1.0, 0.1, steps, 0.1) for steps in (1, 10, 100, 10_000)],
        [(1.0, 0.1, 30, prior) for prior in (1e-4, 0.1, 0.5, 1.0)],
    ],
)
def test_less_noise_more_samples_more_steps_and_a_better_guess_never_lower_it(
    rising: list[tuple[float, float, int, float]],
) -> None:
    bounds = [reconstruction_bound(*case) for case in rising]
    assert bounds == sorted(bounds)
    assert all(prior <= bound <= 1 for bound, (*_, prior) in zip(bounds, rising, strict=True))
    assert bounds[-1] > bounds[0]


def test_the_option_is_read() -> None:
    assert parse_dp("1.1, 0.01,1000") == DpSgd(1.1, 0.01, 1000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "--dp is ''; give noise multiplier, sampling rate and steps, such as 1.1,0.01,1000"),
        ("1.1,0.01", "--dp is '1.1,0.01'"),
        ("1.1,0.01,10,5", "--dp is"),
        ("1.1,a,10", "--dp is"),
        ("1.1,0.01,1.5", "--dp is"),
        ("0,0.01,10", "--dp: the noise multiplier is 0; give one from 0.001 to 1e+06"),
        ("nan,0.01,10", "the noise multiplier is nan"),
        ("inf,0.01,10", "the noise multiplier is inf"),
        ("1,0,10", "the sampling rate is 0; give one from 1e-09 to 1"),
        ("1,1.01,10", "the sampling rate is 1.01"),
        ("1,0.5,0", "the number of steps is 0; give one from 1 to 1e+08"),
        ("1,0.5,-3", "the number of steps is -3"),
    ],
)
def test_what_is_no_such_option(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_dp(text)
    assert words in str(caught.value)
