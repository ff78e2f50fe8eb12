"""Members of which an observed gradient can, or cannot, be."""

from pathlib import Path

import numpy as np
import pytest

from audit.errors import DataError
from audit.request.batch import check_batch, far_more
from audit.request.observed import Observed
from tests.request.test_observed import load

MEMBERS = np.random.default_rng(0).normal(size=(40, 80)).astype(np.float32)


@pytest.fixture
def observed(tmp_path: Path) -> Observed:
    return load(tmp_path, rank=8, shape=(90, 80))[0]


def test_far_more_members_than_the_rank_are_refused(observed: Observed) -> None:
    check_batch(None, MEMBERS)
    check_batch(observed, MEMBERS[:32])
    with pytest.raises(DataError) as caught:
        check_batch(observed, MEMBERS)
    assert "40 members were given, and the observed gradient has rank 8" in str(caught.value)
    assert "give the samples of that batch" in str(caught.value)


def test_members_that_span_little_are_not_many(observed: Observed) -> None:
    check_batch(observed, MEMBERS[np.arange(400) % 20])


def test_noise_may_hide_samples(tmp_path: Path) -> None:
    noisy, _ = load(tmp_path, rank=8, noise=0.01, shape=(90, 80))
    assert far_more(noisy, MEMBERS)
    check_batch(noisy, MEMBERS)


@pytest.mark.parametrize("rank", [0, 7])
def test_a_rank_of_nothing_or_of_everything_says_nothing(tmp_path: Path, rank: int) -> None:
    full, _ = load(tmp_path, rank=rank)
    assert not far_more(full, MEMBERS)


def test_without_activations_the_rank_is_that_of_the_outputs(tmp_path: Path) -> None:
    assert far_more(load(tmp_path, rank=1, shape=(90, 80))[0], MEMBERS)
    assert not far_more(load(tmp_path, rank=1, shape=(90, 80), activation="identity")[0], MEMBERS)
