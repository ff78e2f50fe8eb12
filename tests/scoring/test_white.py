"""White coordinates: samples vary alike in all directions, and no sample is treated unlike another."""

import numpy as np
import pytest

from audit.scoring.white import White


def rows(seed, count, size=12, span=6):
    """Samples of a low-dimensional normal distribution with unequal variances, about a mean."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(span, size)) * np.geomspace(1, 0.05, span)[:, None]
    return (2.0 + rng.normal(size=(count, span)) @ mixing).astype(np.float32)


def reference(samples, queries, shrinkage=0.1):
    """Inverse square root of the shrunk covariance in the span, from the definition; up to a rotation."""
    centred = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(samples))
    kept = values > 1e-9 * values.max()
    values, vectors = values[kept], vectors[:, kept]
    found = (queries - samples.mean(axis=0)) @ vectors / np.sqrt(values + shrinkage * values.mean())
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [40, 8])
def test_cosines_are_those_of_the_definition_for_more_samples_than_columns_and_for_fewer(count) -> None:
    samples, queries = rows(0, count), rows(1, 5)
    white, expected = White.of(samples), reference(samples, np.vstack([samples, queries]))
    found = white(np.vstack([samples, queries]))
    assert found @ found.T == pytest.approx(expected @ expected.T, abs=2e-4)


def test_what_samples_have_in_common_is_taken_out() -> None:
    """Two samples often correlate as they are, and rarely in white coordinates."""
    samples = rows(0, 200)
    plain = np.corrcoef(samples)[np.triu_indices(200, 1)]
    white = White.of(samples)(samples)
    cosines = (white @ white.T)[np.triu_indices(200, 1)]
    assert np.mean(np.abs(plain) > 0.5) > 0.5
    assert np.mean(np.abs(cosines) > 0.5) < 0.4
    assert abs(cosines.mean()) < 0.02


def test_the_order_of_samples_changes_nothing() -> None:
    samples, queries = rows(0, 9), rows(1, 4)
    one, other = White.of(samples)(queries), White.of(samples[::-1])(queries)
    assert one @ one.T == pytest.approx(other @ other.T, abs=1e-4)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_samples_that_do_not_differ_span_nothing(count) -> None:
    samples = np.repeat(rows(0, 1), count, axis=0)
    assert White.of(samples)(rows(1, 4)).shape == (4, 0)


def test_the_mean_has_no_direction() -> None:
    samples = rows(0, 20)
    white = White.of(samples)
    assert (white(white.mean[None]) == 0).all()
