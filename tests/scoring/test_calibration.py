"""P-values against a brute-force reference and their own promise; discoveries on planted recoveries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from audit.model.preprocessing import Preprocessing
from audit.scoring.calibration import (
    TIE,
    benjamini_hochberg,
    calibrate,
    identification_margins,
)

SHAPE = (1, 10, 10)
SIZE = 100
FORMAT = Preprocessing(SHAPE, np.full(SIZE, 0.5, np.float32), np.full(SIZE, 0.25, np.float32))
NONE = np.zeros((0, SIZE), dtype=np.float32)


def images(seed, count):
    noise = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    return gaussian_filter(noise, (0, 0, 1, 1)).reshape(count, -1).astype(np.float32)


def standard(rows):
    centred = rows - rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-12)


def reference_scores(candidates, pool):
    """s(z) of every image of the pool, straight from the definition."""
    correlation = standard(candidates) @ standard(pool).T
    scores = []
    for z in range(len(pool)):
        others = np.delete(correlation, z, axis=1)
        best_other = others.max(axis=1) if others.shape[1] else np.full(len(candidates), -1.0)
        scores.append(max(correlation[:, z] - best_other, default=-2.0))
    return np.array(scores)


def reference(candidates, members, controls):
    scores, p_values = [], []
    for member in members:
        own, *rivals = reference_scores(candidates, np.vstack([member, controls]))
        scores.append(own)
        p_values.append((1 + sum(rival >= own - TIE for rival in rivals)) / (1 + len(controls)))
    return np.array(scores), np.array(p_values), reference_scores(candidates, controls)


def assert_same(candidates, members, controls) -> None:
    found = identification_margins(candidates, members, controls)
    scores, p_values, alone = reference(candidates, members, controls)
    assert found.members == pytest.approx(scores, abs=1e-5)
    assert found.controls == pytest.approx(alone, abs=1e-5)
    assert found.p_values == pytest.approx(p_values)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 6, 12), (3, 8, 30), (40, 8, 5), (60, 4, 1), (25, 20, 2), (600, 5, 9)]
)
@pytest.mark.parametrize("seed", range(3))
def test_margins_equal_the_brute_force_reference(m, n, k, seed) -> None:
    rng = np.random.default_rng(seed)
    members, controls = rng.normal(size=(n, 6)), rng.normal(size=(k, 6))
    candidates = rng.normal(size=(m, 6))
    copies = min(m, n) // 2
    candidates[:copies] = members[:copies] + 0.2 * rng.normal(size=(copies, 6))
    assert_same(candidates, members, controls)


small = st.integers(1, 5)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_margins_equal_the_reference_with_ties_and_constant_images(data) -> None:
    rows = st.tuples(small, st.just(3))
    values = st.integers(-2, 2).map(float)
    candidates, members, controls = (data.draw(arrays(np.float64, rows, elements=values)) for _ in range(3))
    assert_same(candidates, members, controls)


def test_more_members_than_one_chunk() -> None:
    rng = np.random.default_rng(4)
    candidates, members, controls = (rng.normal(size=(count, 5)) for count in (7, 1100, 3))
    assert_same(candidates, members, controls)


def noise(rng, third):
    return rng.normal(size=third.shape)


def third_set(rng, third):
    return third + 0.3 * rng.normal(size=third.shape)


def averages(rng, third):
    return (third + third[::-1]) / 2.0


def single(rng, third):
    return third[:1]


@pytest.mark.parametrize("candidates", [noise, third_set, averages, single])
def test_p_values_are_uniform_when_nothing_leaks(candidates) -> None:
    rng = np.random.default_rng(5)
    trials, controls = 1500, 19
    mixing, mean = rng.normal(size=(4, 12)), rng.normal(size=12)
    p_values = np.empty(trials)
    for trial in range(trials):
        rows = mean + rng.normal(size=(1 + controls + 8, 4)) @ mixing + 0.2 * rng.normal(size=(28, 12))
        found = identification_margins(candidates(rng, rows[20:]), rows[:1], rows[1:20])
        p_values[trial] = found.p_values[0]
    for level in (0.05, 0.1, 0.2, 0.5, 0.8):
        spread = 3.0 * np.sqrt(level * (1.0 - level) / trials)
        assert np.mean(p_values <= level + 1e-9) == pytest.approx(level, abs=spread)


def test_copies_of_other_members_leave_the_p_value_of_an_unleaked_one_uniform() -> None:
    rng = np.random.default_rng(6)
    p_values = np.empty(1000)
    for trial in range(1000):
        rows = rng.normal(size=(28, 8))
        found = identification_margins(rows[20:] + 0.1, np.vstack([rows[:1], rows[20:]]), rows[1:20])
        p_values[trial] = found.p_values[0]
        assert found.p_values[1:].max() <= 0.5
    assert np.mean(p_values <= 0.1 + 1e-9) == pytest.approx(0.1, abs=0.03)


def test_without_controls_there_are_no_p_values_and_nothing_is_confirmed() -> None:
    members = images(0, 4)
    found = calibrate(members, members, NONE, FORMAT, 0.4, 0.05)
    assert found.margins.p_values is None
    assert found.margins.members == pytest.approx(2.0, abs=1e-5)
    assert found.recovered_count == 4
    assert found.confirmed_count == 0
    assert found.control_rate is None
    assert found.expected_false is None


@pytest.mark.parametrize("candidates", [NONE, np.full((3, SIZE), np.nan, np.float32)])
def test_without_usable_candidates_every_p_value_is_one(candidates) -> None:
    found = calibrate(candidates, images(0, 4), images(1, 9), FORMAT, 0.0, 0.05)
    assert found.margins.p_values.tolist() == [1.0] * 4
    assert np.isfinite(found.margins.controls).all()
    assert found.recovered_count == found.confirmed_count == found.control_matches == 0


def test_candidates_that_are_not_finite_change_nothing() -> None:
    candidates, members, controls = images(0, 10), images(1, 5), images(2, 9)
    poison = np.full((2, SIZE), np.inf, np.float32)
    clean = identification_margins(candidates, members, controls)
    mixed = identification_margins(np.vstack([poison, candidates]), members, controls)
    assert mixed.p_values.tolist() == clean.p_values.tolist()
    assert mixed.controls.tolist() == clean.controls.tolist()


def test_without_members() -> None:
    found = calibrate(images(0, 3), NONE, images(1, 9), FORMAT, 0.4, 0.05)
    assert found.margins.p_values.shape == (0,)
    assert found.confirmed_interval == (0.0, 1.0)


def test_planted_recoveries_are_confirmed_and_unrelated_ones_are_not() -> None:
    members, controls = images(0, 20), images(1, 99)
    planted = members[:10] + 0.05 * images(2, 10)
    found = calibrate(np.vstack([images(3, 30), planted]), members, controls, FORMAT, 0.4, 0.05)
    assert found.confirmed[:10].all()
    assert not found.confirmed[10:].any()
    assert found.margins.p_values[:10] == pytest.approx(0.01)
    assert found.matching.members.candidate[:10].tolist() == list(range(30, 40))


def test_the_null_attack_confirms_nothing() -> None:
    found = calibrate(images(3, 40), images(0, 20), images(1, 99), FORMAT, 0.1, 0.05)
    assert found.recovered_count > 0
    assert found.confirmed_count == 0


def test_the_mean_image_recovers_many_and_confirms_none() -> None:
    mean = 3.0 * images(9, 1)
    candidates, members, controls = (
        mean + images(seed, count) for seed, count in ((3, 40), (0, 20), (1, 60))
    )
    found = calibrate(candidates, members, controls, FORMAT, 0.4, 0.05)
    assert found.recovered.all()
    assert found.control_rate > 0.9
    assert found.expected_false == pytest.approx(20 * found.control_rate)
    assert found.confirmed_count == 0


def test_confirmed_needs_both_the_threshold_and_the_p_value() -> None:
    members, controls = images(0, 5), images(1, 99)
    strict = calibrate(members + 0.3 * images(2, 5), members, controls, FORMAT, 0.999, 0.05)
    assert strict.margins.p_values == pytest.approx(0.01)
    assert strict.recovered_count == strict.confirmed_count == 0


def test_one_candidate_never_confirms_two_members() -> None:
    members = np.vstack([np.repeat(images(0, 1), 2, axis=0), images(4, 3)])
    found = calibrate(members[:1], members, images(1, 99), FORMAT, 0.4, 0.05)
    assert found.margins.p_values[:2] == pytest.approx(0.01)
    assert found.confirmed_count == 1


def test_benjamini_hochberg_on_a_worked_example() -> None:
    # Sorted: 0.004 0.012 0.028 0.045 0.5; bounds: 0.01 0.02 0.03 0.04 0.05; the third is the last below.
    p_values = np.array([0.012, 0.045, 0.028, 0.004, 0.5])
    assert benjamini_hochberg(p_values, 0.05).tolist() == [True, False, True, True, False]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_benjamini_hochberg_is_the_step_up_rule(p_values, rate) -> None:
    values = np.array(p_values)
    ordered = np.sort(values)
    bounds = rate * np.arange(1, len(values) + 1) / len(values)
    near = np.isclose(ordered, bounds, rtol=1e-9, atol=0.0).any()
    below = np.flatnonzero(ordered <= bounds)
    expected = values <= ordered[below[-1]] if len(below) else np.zeros(len(values), dtype=bool)
    assert near or benjamini_hochberg(values, rate).tolist() == expected.tolist()


def test_benjamini_hochberg_without_hypotheses() -> None:
    assert benjamini_hochberg(np.zeros(0), 0.05).shape == (0,)


def test_p_values_of_rows_are_uniform_when_nothing_leaks_whatever_the_units_of_columns() -> None:
    """Columns are brought to one unit by members and controls together, so no row is treated unlike another."""
    rng = np.random.default_rng(0)
    units = np.array([1.0, 1e4, 1e-3, 5.0, 20.0, 1.0], dtype=np.float32)
    table = Preprocessing((6,), np.zeros(6, np.float32), np.ones(6, np.float32))
    p_values = []
    for _ in range(1000):
        rows = np.exp(rng.normal(size=(10, 6))).astype(np.float32) * units  # skewed, so that units vary much
        candidates = rng.normal(size=(20, 6)).astype(np.float32) * units
        found = calibrate(candidates, rows[:1], rows[1:], table, 0.8, 0.05)
        p_values.append(found.margins.p_values[0])
    counts = np.bincount(np.round(np.array(p_values) * 10).astype(int), minlength=11)[1:]
    low, high = binom.interval(1 - 1e-4, 1000, 0.1)
    assert ((low <= counts) & (counts <= high)).all()
