"""Assignment of candidates to images: optimal, one-to-one, fair to controls, and deaf to NaN."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from audit.errors import DataError
from audit.model.preprocessing import Preprocessing
from audit.scoring.matching import match
from audit.scoring.similarity import ncc, ssim

SHAPE = (1, 8, 8)
SIZE = 64
FORMAT = Preprocessing(SHAPE, np.full(SIZE, 0.4, np.float32), np.linspace(0.2, 0.3, SIZE, dtype=np.float32))
NONE = np.zeros((0, SIZE), dtype=np.float32)


def images(seed, count, shape=SHAPE):
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    return gaussian_filter(noise, (0, 0, 1, 1)).reshape(count, -1).astype(np.float32)


def pixel_ssim(a, b):
    return ssim(FORMAT.denormalise(a[None])[0], FORMAT.denormalise(b[None])[0])


def test_planted_candidates_are_found_with_their_scores() -> None:
    members, controls, noise = images(0, 12), images(1, 7), images(2, 40)
    candidates = np.vstack([noise, members[::-1], controls])
    found = match(candidates, members, controls, FORMAT)
    assert found.members.candidate.tolist() == list(range(51, 39, -1))
    assert found.controls.candidate.tolist() == list(range(52, 59))
    assert found.members.similarity == pytest.approx(1.0)
    assert found.members.ncc == pytest.approx(1.0, abs=1e-6)


def test_scores_belong_to_the_assigned_pair() -> None:
    members, candidates = images(0, 9), images(1, 30)
    found = match(candidates, members, NONE, FORMAT).members
    for row in np.flatnonzero(found.candidate >= 0):
        given_candidate = candidates[found.candidate[row]]
        assert found.similarity[row] == pytest.approx(pixel_ssim(given_candidate, members[row]), abs=1e-6)
        assert found.ncc[row] == pytest.approx(ncc(given_candidate[None], members[row][None])[0, 0], abs=1e-6)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_the_sum_of_ssim_is_the_largest_possible(seed, n, m) -> None:
    members, candidates = images(seed, n), images(seed + 1, m)
    score = np.array([[max(pixel_ssim(c, x), 0.0) for c in candidates] for x in members])
    padded = np.hstack([score, np.zeros((n, n))])
    best = max(
        sum(padded[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(m + n), n)
    )
    found = match(candidates, members, NONE, FORMAT).members
    assert found.similarity.sum() == pytest.approx(best, abs=1e-6)
    taken = found.candidate[found.candidate >= 0]
    assert len(set(taken)) == len(taken)


def test_one_candidate_serves_one_member_and_the_rest_get_nothing() -> None:
    members = np.repeat(images(3, 1), 5, axis=0)
    found = match(members[:1], members, NONE, FORMAT).members
    assert sorted(found.candidate) == [-1, -1, -1, -1, 0]
    left_out = found.candidate == -1
    assert (found.similarity[left_out] == 0.0).all()
    assert (found.ncc[left_out] == 0.0).all()


def test_an_opposite_image_is_no_match() -> None:
    member = images(4, 1)
    assert pixel_ssim(-member[0], member[0]) < 0.0
    assert match(-member, member, NONE, FORMAT).members.candidate.tolist() == [-1]


@pytest.mark.parametrize(("members", "taken"), [(1, 12), (4, 3), (5, 3), (12, 1), (30, 1)])
def test_controls_compete_in_groups_no_larger_than_the_members(members, taken) -> None:
    alike = np.repeat(images(5, 1), 12, axis=0)
    found = match(alike[:1], images(6, members), alike, FORMAT).controls
    assert (found.candidate == 0).sum() == taken


def test_groups_of_controls_mix_what_is_sorted() -> None:
    kinds = images(7, 2)
    controls = np.repeat(kinds, 6, axis=0)
    found = match(kinds, images(8, 2), controls, FORMAT).controls
    assert (found.candidate >= 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_candidates_that_are_not_finite_match_nothing_and_harm_nothing(bad) -> None:
    members, controls, candidates = images(9, 6), images(10, 6), images(11, 8)
    poison = candidates[:2].copy()
    poison[:, 3] = bad
    large = Preprocessing(SHAPE, FORMAT.mean, np.full(SIZE, 2.0, np.float32))
    clean = match(candidates, members, controls, large)
    mixed = match(np.vstack([poison, candidates]), members, controls, large)
    for before, after in ((clean.members, mixed.members), (clean.controls, mixed.controls)):
        assert (after.candidate[before.candidate >= 0] == before.candidate[before.candidate >= 0] + 2).all()
        assert after.similarity == pytest.approx(before.similarity)


@pytest.mark.parametrize("candidates", [NONE, np.full((3, SIZE), np.nan, dtype=np.float32)])
def test_no_usable_candidates(candidates) -> None:
    found = match(candidates, images(0, 3), images(1, 5), FORMAT)
    assert found.members.candidate.tolist() == [-1] * 3
    assert found.controls.similarity.tolist() == [0.0] * 5


def test_no_controls_and_no_members() -> None:
    candidates = images(0, 3)
    assert match(candidates, images(1, 2), NONE, FORMAT).controls.similarity.shape == (0,)
    alone = match(candidates, NONE, candidates, FORMAT)
    assert alone.members.candidate.shape == (0,)
    assert alone.controls.candidate.tolist() == [0, 1, 2]


def test_more_images_than_one_chunk() -> None:
    members = images(12, 600)
    found = match(members[::-1], members, NONE, FORMAT).members
    assert found.candidate.tolist() == list(range(599, -1, -1))


def test_images_too_small_for_ssim_are_refused() -> None:
    tiny = Preprocessing((1, 1, 6), np.zeros(6, np.float32), np.ones(6, np.float32))
    rows = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    with pytest.raises(DataError, match="1 x 6 pixels"):
        match(rows, rows, rows, tiny)
