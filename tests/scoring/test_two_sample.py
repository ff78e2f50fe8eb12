"""Tests of two samples: their level, what they see, and what they cannot."""

import numpy as np
import pytest

from audit.scoring.two_sample import agreement_test, class_test, neighbour_test


def neighbours(points: np.ndarray, count: int = 5) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :count]


def test_p_values_of_one_source_are_uniform_or_larger() -> None:
    random = np.random.default_rng(0)
    classes, near = [], []
    for _ in range(200):
        classes.append(class_test(random.integers(0, 3, 30), random.integers(0, 3, 20), random))
        points = random.normal(size=(30, 3))
        near.append(neighbour_test(np.arange(30) < 10, neighbours(points), random))
    for p_values in (classes, near):
        for level in (0.05, 0.2, 0.5):
            assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level / 200)
        assert np.mean(p_values) < 0.65


def test_other_frequencies_of_classes_are_seen() -> None:
    random = np.random.default_rng(0)
    even, uneven = np.arange(100) % 2, (np.arange(60) % 4 == 0).astype(np.int64)
    assert class_test(even, uneven, random) < 0.01
    assert class_test(even, even[:50], random) == 1.0
    assert class_test(np.zeros(20, np.int64), np.ones(20, np.int64), random) == pytest.approx(1 / 2000)


def test_sets_that_keep_to_themselves_are_seen() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 4))
    first = np.arange(60) < 20
    assert neighbour_test(first, neighbours(points), random) > 0.01
    points[first] *= 0.3
    assert neighbour_test(first, neighbours(points), random) < 0.01


def test_labels_that_mean_the_same_agree_with_those_beside_them() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 80)
    noisy = np.where(random.uniform(size=80) < 0.5, labels, random.integers(0, 4, 80))
    assert agreement_test(labels, noisy, random) < 0.01
    assert agreement_test(labels, random.integers(0, 4, 80), random) > 0.01
    assert agreement_test(np.zeros(80, np.int64), labels, random) == 1.0
