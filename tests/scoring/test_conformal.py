"""p-values and Benjamini and Hochberg's procedure, on worked examples and where nothing leaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.scoring.conformal import benjamini_hochberg, p_values


def test_p_values_count_controls_that_do_as_well() -> None:
    found = p_values(np.array([0.9, 0.5, 0.2, -2.0]), np.array([0.5, 0.1, -2.0]))
    assert found.tolist() == [1 / 4, 2 / 4, 2 / 4, 1.0]


def test_without_controls_every_p_value_is_one() -> None:
    assert p_values(np.array([0.9, 0.5]), np.zeros(0)).tolist() == [1.0, 1.0]


def test_benjamini_hochberg_on_a_worked_example() -> None:
    # Sorted: 0.004 0.012 0.028 0.045 0.5; bounds: 0.01 0.02 0.03 0.04 0.05; the third is the last below.
    values = np.array([0.012, 0.045, 0.028, 0.004, 0.5])
    assert benjamini_hochberg(values, 0.05).tolist() == [True, False, True, True, False]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_benjamini_hochberg_is_the_step_up_rule(values, rate) -> None:
    values = np.array(values)
    ordered = np.sort(values)
    bounds = rate * np.arange(1, len(values) + 1) / len(values)
    near = np.isclose(ordered, bounds, rtol=1e-9, atol=0.0).any()
    below = np.flatnonzero(ordered <= bounds)
    expected = values <= ordered[below[-1]] if len(below) else np.zeros(len(values), dtype=bool)
    assert near or benjamini_hochberg(values, rate).tolist() == expected.tolist()


def test_benjamini_hochberg_without_hypotheses() -> None:
    assert benjamini_hochberg(np.zeros(0), 0.05).shape == (0,)


@pytest.mark.parametrize(("members", "controls", "leaks"), [(40, 60, 0), (40, 60, 20), (20, 400, 5)])
def test_the_rate_of_false_discoveries_is_that_which_was_asked_for(members, controls, leaks) -> None:
    """Its mean is at most the rate times the share of innocent members; p-values share their controls."""
    rng, trials, rate = np.random.default_rng(0), 2000, 0.2
    shares = np.zeros(trials)
    for trial in range(trials):
        scores = rng.normal(size=members) + 4.0 * (np.arange(members) < leaks)
        found = benjamini_hochberg(p_values(scores, rng.normal(size=controls)), rate)
        shares[trial] = found[leaks:].sum() / max(1, found.sum())
    innocent = (members - leaks) / members
    assert shares.mean() <= rate * innocent + 4 * shares.std() / np.sqrt(trials)
