"""Ranks among controls that count by their weights."""

import numpy as np

from audit.scoring.conformal import p_values
from audit.scoring.weighted import weighted_p_values


def test_equal_weights_are_ranks() -> None:
    random = np.random.default_rng(0)
    scores, rivals = random.integers(0, 9, 30) / 9, random.integers(0, 9, 50) / 9
    found = weighted_p_values(scores, rivals, np.full(30, 2.0), np.full(50, 2.0))
    np.testing.assert_allclose(found, p_values(scores, rivals))


def test_rivals_count_by_their_weight() -> None:
    found = weighted_p_values(
        np.array([0.5, 0.9, 0.1]),
        np.array([0.2, 0.5, 0.7]),
        np.array([1.0, 2.0, 1.0]),
        np.array([5.0, 3.0, 1.0]),
    )
    np.testing.assert_allclose(found, [(1 + 3 + 1) / 10, 2 / 11, 1.0])


def test_p_values_under_a_shift_are_uniform_with_the_true_weights() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(400):
        # Members N(1, 1), controls N(0, 1): the ratio of their densities is exp(x - 1/2).
        member, controls = random.normal(1, 1, 1), random.normal(0, 1, 100)
        found.append(weighted_p_values(member, controls, np.exp(member - 0.5), np.exp(controls - 0.5))[0])
    for level in (0.05, 0.1, 0.3):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level / 400)
