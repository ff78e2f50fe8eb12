"""Pairs of candidates and samples, and one-to-one choices among them that treat all samples alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from audit.errors import DataError
from audit.model.preprocessing import Preprocessing
from audit.scoring.similarity import ncc, ssim
from audit.scoring.votes import NOTHING, TIE, Choice, Field, Votes, choose, join

SHAPE = (1, 8, 8)
SIZE = 64
FORMAT = Preprocessing(SHAPE, np.full(SIZE, 0.4, np.float32), np.linspace(0.2, 0.3, SIZE, dtype=np.float32))
TABLE = Preprocessing((SIZE,), np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32))
NONE = np.zeros((0, SIZE), dtype=np.float32)


def images(seed, count):
    noise = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    return gaussian_filter(noise, (0, 0, 1, 1)).reshape(count, SIZE).astype(np.float32)


def votes(pairs) -> Votes:
    """From (candidate, sample, cosine), of three candidates."""
    candidate, sample, cosine = (np.array(column) for column in zip(*pairs, strict=True))
    alike = np.ones(len(candidate))
    return Votes(np.zeros((3, 2)), candidate, sample, cosine.astype(np.float32), alike)


def plain_choice(pairs, samples) -> tuple[list[float], list[int]]:
    """The closest pair first, then the closest of what is left, until none is."""
    score, chosen = [NOTHING] * samples, [-1] * samples
    while pairs:
        candidate, sample, cosine = min(pairs, key=lambda pair: (-pair[2], pair[1], pair[0]))
        score[sample], chosen[sample] = cosine, candidate
        pairs = [pair for pair in pairs if pair[0] != candidate and pair[1] != sample]
    return score, chosen


def test_pairs_are_the_closest_in_white_coordinates_with_their_similarity() -> None:
    members, controls, candidates = images(0, 20), images(1, 15), images(2, 30)
    field = Field.of(members, controls, FORMAT)
    found, everyone = field.votes(candidates), np.vstack([controls, members])
    cosines = field.white(field.standard) @ field.points.T
    assert np.diag(cosines) == pytest.approx(1.0, abs=1e-5)
    for candidate in range(30):
        own = found.candidate == candidate
        assert len(set(found.sample[own].tolist())) == 8
    for place in range(0, len(found.sample), 37):
        candidate, sample = candidates[found.candidate[place]], everyone[found.sample[place]]
        pixels = FORMAT.denormalise(np.stack([candidate, sample]))
        assert found.similarity[place] == pytest.approx(ssim(pixels[0], pixels[1]), abs=1e-6)


def test_rows_are_compared_by_correlation_in_column_units() -> None:
    units = np.geomspace(1e-3, 1e3, SIZE).astype(np.float32)
    members, controls, candidates = images(0, 20), images(1, 15), images(2, 30)
    field = Field.of(members * units, controls * units, TABLE)
    found = field.votes(candidates * units)
    same = Field.of(members, controls, TABLE).votes(candidates)
    assert found.cosine == pytest.approx(same.cosine, abs=1e-4)
    expected = ncc(field.scale(candidates * units), field.scaled)[found.candidate, found.sample]
    assert found.similarity == pytest.approx(expected, abs=1e-5)


def test_candidates_are_paired_alike_however_many_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field, candidates = Field.of(images(0, 20), images(1, 15), FORMAT), images(2, 30)
    whole = field.votes(candidates)
    monkeypatch.setattr("audit.scoring.votes._CHUNK", 7)
    parts = field.votes(candidates)
    assert parts.candidate.tolist() == whole.candidate.tolist()
    for candidate in range(30):
        own, other = whole.candidate == candidate, parts.candidate == candidate
        assert sorted(parts.sample[other].tolist()) == sorted(whole.sample[own].tolist())
        assert np.sort(parts.cosine[other]) == pytest.approx(np.sort(whole.cosine[own]), abs=1e-6)
        assert np.sort(parts.similarity[other]) == pytest.approx(np.sort(whole.similarity[own]), abs=1e-6)


def test_a_candidate_of_one_colour_speaks_for_nothing() -> None:
    members, candidates = images(0, 9), images(2, 3)
    members[4], candidates[1] = 0.7, 0.7
    found = Field.of(members, images(1, 9), FORMAT).votes(candidates)
    assert set(found.candidate.tolist()) == {0, 2}
    assert np.isfinite(found.cosine).all()


def test_candidates_that_are_not_finite_are_paired_with_nothing() -> None:
    candidates = images(2, 4)
    candidates[1, 3] = np.nan
    found = Field.of(images(0, 9), images(1, 9), FORMAT).votes(candidates)
    assert set(found.candidate.tolist()) == {0, 2, 3}


@pytest.mark.parametrize(("members", "controls", "candidates"), [(0, 0, 4), (3, 0, 0), (0, 5, 4), (1, 0, 4)])
def test_nothing_is_needed(members, controls, candidates) -> None:
    field = Field.of(images(0, members), images(1, controls), FORMAT)
    found = field.votes(images(2, candidates))
    assert len(found.sample) == candidates * min(8, members + controls)
    assert len(choose(found, members + controls).score) == members + controls


def test_images_too_small_for_a_similarity_are_refused() -> None:
    small = Preprocessing((1, 2, 4), np.zeros(8, np.float32), np.ones(8, np.float32))
    rows = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    with pytest.raises(DataError, match="at least 3 x 3"):
        Field.of(rows[:4], rows[4:8], small).votes(rows[8:])


def test_sets_of_candidates_are_joined_as_if_they_had_been_one() -> None:
    field, first, second = Field.of(images(0, 9), images(1, 9), FORMAT), images(2, 4), images(3, 5)
    joined = join([field.votes(first), field.votes(NONE), field.votes(second)])
    whole = field.votes(np.vstack([first, second]))
    assert joined.candidate.tolist() == whole.candidate.tolist()
    assert sorted(joined.sample.tolist()) == sorted(whole.sample.tolist())
    assert joined.values.tolist() == whole.values.tolist()


def test_a_candidate_whose_closest_sample_is_taken_speaks_for_the_next() -> None:
    found = choose(votes([(0, 0, 0.9), (1, 0, 0.8), (1, 1, 0.5), (2, 0, 0.7), (2, 1, 0.4)]), 3)
    assert found.candidate.tolist() == [0, 1, -1]
    assert found.score == pytest.approx([0.9, 0.5, NOTHING])


def test_of_pairs_that_tie_the_control_gets_the_candidate() -> None:
    """Controls come first among samples."""
    found = choose(votes([(0, 1, 0.9 + TIE / 10), (0, 0, 0.9)]), 2)
    assert found.candidate.tolist() == [0, -1]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_choices_are_those_of_the_definition_and_follow_the_samples(data) -> None:
    values = st.lists(st.integers(-50, 50), min_size=12, max_size=12, unique=True)
    cosines = np.array(data.draw(values)) / 64
    pairs = [(place // 4, place % 4, float(cosine)) for place, cosine in enumerate(cosines)]
    pairs = [pair for pair in pairs if data.draw(st.booleans())] or pairs[:1]
    score, chosen = plain_choice(pairs, 4)
    found = choose(votes(pairs), 4)
    assert (found.score.round(6).tolist(), found.candidate.tolist()) == (np.round(score, 6).tolist(), chosen)
    order = data.draw(st.permutations(range(4)))
    moved: Choice = choose(votes([(c, order[s], value) for c, s, value in pairs]), 4)
    assert moved.candidate[list(order)].tolist() == chosen
