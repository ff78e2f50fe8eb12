"""Intervals and limits of proportions, and how few members can be confirmed."""

import numpy as np
import pytest
from scipy.stats import binom, false_discovery_control

from audit.scoring.intervals import clopper_pearson, controls_needed, limit_at_power, resolution, upper_limit
from audit.scoring.shares import TOGETHER


@pytest.mark.parametrize(
    ("count", "total", "interval"),
    [
        (0, 10, (0.0, 0.3085)),
        (5, 10, (0.1871, 0.8129)),
        (10, 10, (0.6915, 1.0)),
        (24, 100, (0.1602, 0.3357)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_clopper_pearson_against_published_values(count, total, interval) -> None:
    assert clopper_pearson(count, total) == pytest.approx(interval, abs=1e-4)


def test_clopper_pearson_widens_with_confidence() -> None:
    assert clopper_pearson(5, 20, 0.99)[0] < clopper_pearson(5, 20, 0.9)[0]


@pytest.mark.parametrize("total", [1, 40, 500])
def test_the_upper_limit_of_nothing_found_has_a_closed_form(total) -> None:
    assert upper_limit(0, total) == pytest.approx(1 - 0.05 ** (1 / total))
    assert upper_limit(0, total, 0.9) == pytest.approx(1 - 0.1 ** (1 / total))


def test_the_upper_limit_is_one_sided() -> None:
    """A count as low as this has probability 5 % there."""
    assert binom.cdf(3, 40, upper_limit(3, 40)) == pytest.approx(0.05)
    assert upper_limit(40, 40) == upper_limit(0, 0) == 1.0


def test_the_limit_at_power_divides_the_ends_of_two_intervals() -> None:
    assert limit_at_power(0, 40, 24, 40) == pytest.approx(
        clopper_pearson(0, 40)[1] / clopper_pearson(24, 40)[0]
    )
    assert limit_at_power(0, 40, 0, 40) == limit_at_power(0, 40, 0, 0) == limit_at_power(30, 40, 1, 40) == 1.0
    many = 10**7  # a power known to be 1 leaves the first interval
    assert limit_at_power(2, 40, many, many) == pytest.approx(clopper_pearson(2, 40)[1], rel=1e-5)


@pytest.mark.parametrize(("share", "power"), [(0.1, 0.9), (0.4, 0.6)])
def test_the_limit_at_power_holds_as_often_as_it_says(share, power) -> None:
    """Exact, over all counts: the true share is above the limit with probability 5 % at most."""
    counts, plants = np.arange(13), np.arange(9)
    missed = 0.0
    for found, chance in zip(plants, binom.pmf(plants, 8, power), strict=True):
        above = [limit_at_power(int(count), 12, int(found), 8) < share for count in counts]
        missed += chance * binom.pmf(counts, 12, share * power)[above].sum()
    assert missed <= 0.05


@pytest.mark.parametrize(("members", "controls"), [(40, 60), (40, 24), (100, 399), (7, 1000), (1, 24)])
def test_resolution_is_where_benjamini_hochberg_begins_to_reject(members: int, controls: int) -> None:
    def rejections(leaks: int) -> int:
        p_values = np.ones(members)
        p_values[:leaks] = 1 / (1 + controls)
        return int((false_discovery_control(p_values) <= TOGETHER * 0.05 + 1e-12).sum())

    least = resolution(members, controls, 0.05)
    assert rejections(least) == least
    assert least == 1 or rejections(least - 1) == 0


def test_too_few_controls_confirm_nothing() -> None:
    assert resolution(40, 23, 0.05) > 40
    assert resolution(40, 0, 0.05) > 40


@pytest.mark.parametrize(("members", "leaking"), [(40, 40), (40, 6), (800, 4), (1, 1)])
def test_the_controls_needed_are_the_fewest_with_which_so_many_are_confirmed(
    members: int, leaking: int
) -> None:
    needed = controls_needed(members, leaking, 0.05)
    assert resolution(members, needed, 0.05) <= leaking < resolution(members, needed - 1, 0.05)
