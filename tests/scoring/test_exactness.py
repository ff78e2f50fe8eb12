"""Whoever did not leak has an exact p-value: with few and many controls, ties, copies, and others that leaked."""

import numpy as np
import pytest

from audit.model.preprocessing import Preprocessing
from audit.scoring.conformal import p_values
from audit.scoring.votes import Field, choose

TRIALS = 300
LEVELS = (0.1, 0.2, 0.5, 0.8)
TABLE = Preprocessing((12,), np.zeros(12, np.float32), np.ones(12, np.float32))


def noise(rng, others):
    return others.mean(axis=0) + others.std(axis=0) * rng.normal(size=(100, 12))


def other_members(rng, others):
    return others + 0.3 * rng.normal(size=others.shape)


def averages(rng, others):
    return (others + others[::-1]) / 2.0


def single(rng, others):
    return others[:1]


def copies(rng, others):
    return np.repeat(others, 3, axis=0)


def p_value_of_the_first(candidates, members, controls) -> float:
    field = Field.of(members, controls, TABLE)
    score = choose(field.votes(candidates), len(field.points)).score
    return float(p_values(score[len(controls) :], score[: len(controls)])[0])


def rows_alike(rng, count):
    """Skewed, correlated, and in columns of different units."""
    mixing = np.random.default_rng(1).normal(size=(4, 12))
    rows = 3.0 + rng.normal(size=(count, 4)) @ mixing + 0.2 * rng.normal(size=(count, 12))
    return np.exp(rows / 4) * np.geomspace(1e-3, 1e3, 12)


@pytest.mark.parametrize("candidates", [noise, other_members, averages, single, copies])
@pytest.mark.parametrize("controls", [4, 39])
def test_p_values_are_uniform_or_larger_for_a_member_that_did_not_leak(candidates, controls) -> None:
    rng, found = np.random.default_rng(5), np.empty(TRIALS)
    for trial in range(TRIALS):
        rows = rows_alike(rng, controls + 9)
        others = rows[controls + 1 :]
        members = np.vstack([rows[:1], others])
        found[trial] = p_value_of_the_first(candidates(rng, others), members, rows[1 : controls + 1])
    for level in LEVELS:
        assert np.mean(found <= level + 1e-9) <= level + 4.0 * np.sqrt(level * (1.0 - level) / TRIALS)
    if candidates is noise:  # of few candidates, many samples have none, and tie
        assert np.mean(found <= 0.5 + 1e-9) > 0.4


@pytest.mark.parametrize("controls", [4, 39])
def test_copies_among_members_and_controls_make_p_values_larger_if_anything(controls) -> None:
    rng, found = np.random.default_rng(6), np.empty(TRIALS)
    for trial in range(TRIALS):
        rows = rows_alike(rng, controls + 1)
        rows[rng.permutation(controls + 1)[:2]] = rows[0]
        candidates = rows[rng.permutation(controls + 1)[:3]] * rng.normal(1.0, 0.1, size=(3, 12))
        found[trial] = p_value_of_the_first(candidates, rows[:1], rows[1:])
    for level in LEVELS:
        assert np.mean(found <= level + 1e-9) <= level + 4.0 * np.sqrt(level * (1.0 - level) / TRIALS)
