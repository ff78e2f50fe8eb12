"""Bounds of the tail of controls' scores: they hold where nothing leaks, and fall where a member is far ahead."""

import numpy as np
import pytest

from audit.scoring.tail import outlier_chance, tail_bounds


def scores(rng, count):
    """Largest of 20 cosines with random directions in 50 dimensions."""
    return np.tanh(rng.normal(scale=1 / np.sqrt(50), size=(count, 20)).max(axis=1))


@pytest.mark.parametrize("count", [100, 400])
def test_bounds_hold_where_nothing_leaks(count) -> None:
    """Of innocent scores, a share of at most x has a bound of at most x."""
    rng, bounds = np.random.default_rng(0), []
    for _ in range(60):
        found = tail_bounds(scores(rng, 200), scores(rng, count))
        assert found is not None
        bounds.append(found)
    for level in (0.01, 0.001):
        assert np.mean(np.concatenate(bounds) <= level) <= level


def test_a_score_far_ahead_is_bounded_far_below_its_rank() -> None:
    rng = np.random.default_rng(0)
    found = tail_bounds(np.array([0.3, 0.6, 0.9, 0.98]), scores(rng, 300))
    assert found is not None
    assert (np.diff(found) < 0).all()
    assert found[0] > 1e-3
    assert found[3] < 1e-5 < 1 / 301


def test_scores_that_a_control_reaches_have_no_bound() -> None:
    rivals = scores(np.random.default_rng(0), 200)
    found = tail_bounds(np.array([rivals.max(), rivals.min(), -2.0]), rivals)
    assert found is not None
    assert found.tolist() == [1.0, 1.0, 1.0]


def test_an_exact_score_is_bounded_too() -> None:
    found = tail_bounds(np.array([1.0]), scores(np.random.default_rng(0), 200))
    assert found is not None
    assert 0.0 < found[0] < 1e-6


@pytest.mark.parametrize("rivals", [[0.1] * 99, [0.1] * 300, [-2.0] * 180 + [0.1, 0.2] * 10, []])
def test_too_few_different_scores_have_no_tail(rivals) -> None:
    assert tail_bounds(np.array([0.9]), np.array(rivals)) is None


def test_a_few_members_far_ahead_of_everybody_else_are_no_chance_even_with_few_controls() -> None:
    rng = np.random.default_rng(0)
    ordinary, controls = scores(rng, 400), scores(rng, 60)
    leaked = np.concatenate([[0.99, 0.98, 0.97, 0.95], ordinary])
    assert outlier_chance(leaked, controls) < 0.01
    assert outlier_chance(ordinary, controls) > 0.05
    assert outlier_chance(leaked, np.append(controls, 0.995)) == 1.0
    assert outlier_chance(leaked[:20], controls) == 1.0  # too few samples to fit a tail
    assert outlier_chance(leaked, controls[:0]) == 1.0


def test_chance_rarely_puts_innocent_members_far_ahead() -> None:
    rng = np.random.default_rng(0)
    found = [outlier_chance(scores(rng, 100), scores(rng, 100)) for _ in range(40)]
    assert np.mean(np.array(found) < 0.05) <= 0.05
