"""Which members are confirmed, by what, and what is counted beside it, on planted candidates."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from audit.model.preprocessing import Preprocessing
from audit.scoring.calibration import Calibration, calibrate, part_of
from audit.scoring.votes import NOTHING, Field

SHAPE = (1, 10, 10)
SIZE = 100
FORMAT = Preprocessing(SHAPE, np.full(SIZE, 0.5, np.float32), np.full(SIZE, 0.25, np.float32))
NONE = np.zeros((0, SIZE), dtype=np.float32)


def images(seed, count):
    noise = np.random.default_rng(seed).normal(size=(count, *SHAPE))
    return gaussian_filter(noise, (0, 0, 1, 1)).reshape(count, -1).astype(np.float32)


def calibrated(candidates, members, controls, threshold=0.4, fdr=0.05, preprocessing=FORMAT) -> Calibration:
    """Of one attack, or of several whose candidates are given as a list."""
    field = Field.of(members, controls, preprocessing)
    parts = candidates if isinstance(candidates, list) else [candidates]
    return calibrate(field, [field.votes(part) for part in parts], threshold, fdr)


def test_without_controls_there_are_no_p_values_and_only_exact_copies_are_confirmed() -> None:
    members = images(0, 4)
    found = calibrated(np.vstack([members[:2], members[2:] + 0.3 * images(1, 2)]), members, NONE)
    assert found.margins.p_values is None
    assert found.recovered_count == 4
    assert found.evidence == ("exact", "exact", None, None)
    assert found.control_rate is None
    assert found.expected_false is None
    assert (found.at_floor, found.identified.any(), found.cut_off) == (0, False, np.inf)


@pytest.mark.parametrize("candidates", [NONE, np.full((3, SIZE), np.nan, np.float32)])
def test_without_usable_candidates_every_p_value_is_one(candidates) -> None:
    found = calibrated(candidates, images(0, 4), images(1, 29), threshold=0.0)
    assert found.margins.p_values is not None
    assert found.margins.p_values.tolist() == [1.0] * 4
    assert found.margins.controls.tolist() == [NOTHING] * 29
    assert found.recovered_count == found.confirmed_count == found.control_matches == found.at_floor == 0


def test_candidates_that_are_not_finite_change_nothing() -> None:
    candidates, members, controls = images(0, 10), images(1, 5), images(2, 9)
    poison = np.full((2, SIZE), np.inf, np.float32)
    clean = calibrated(candidates, members, controls, threshold=-1)
    mixed = calibrated(np.vstack([poison, candidates]), members, controls, threshold=-1)
    assert clean.margins.p_values is not None
    assert mixed.margins.p_values is not None
    assert mixed.margins.p_values.tolist() == clean.margins.p_values.tolist()
    assert mixed.margins.controls.tolist() == clean.margins.controls.tolist()


def test_without_members() -> None:
    found = calibrated(images(0, 3), NONE, images(1, 9))
    assert found.margins.p_values is not None
    assert found.margins.p_values.shape == (0,)
    assert found.confirmed_interval == (0.0, 1.0)
    assert found.controls_confirmed == 0


def test_planted_recoveries_are_confirmed_and_unrelated_ones_are_not() -> None:
    members, controls = images(0, 20), images(1, 99)
    planted = members[:10] + 0.05 * images(2, 10)
    found = calibrated(np.vstack([images(3, 30), planted]), members, controls)
    assert found.evidence == ("rank",) * 10 + (None,) * 10
    assert found.margins.p_values is not None
    assert found.margins.p_values[:10] == pytest.approx(0.01)
    assert found.matching.members.candidate[:10].tolist() == list(range(30, 40))
    assert found.identified[:10].all()
    assert found.by_threshold == {"0.4": 10, "0.6": 10, "0.8": 10}
    assert found.controls_confirmed == 0


def test_the_null_attack_confirms_nothing() -> None:
    found = calibrated(images(3, 40), images(0, 20), images(1, 99), threshold=0.1)
    assert found.recovered_count > 0
    assert found.confirmed_count == 0


def test_the_mean_image_recovers_many_and_confirms_none() -> None:
    mean = 3.0 * images(9, 1)
    candidates, members, controls = (
        mean + images(seed, count) for seed, count in ((3, 40), (0, 20), (1, 60))
    )
    found = calibrated(candidates, members, controls)
    assert found.recovered.all()
    assert found.control_rate is not None
    assert found.control_rate > 0.9
    assert found.expected_false == pytest.approx(20 * found.control_rate)
    assert found.confirmed_count == 0


def test_confirmed_needs_a_candidate_that_is_both_alike_and_ahead() -> None:
    """One candidate of a member is like it, another singles it out: neither does both."""
    members, controls = images(0, 5), images(1, 99)
    strict = calibrated(members + 0.3 * images(2, 5), members, controls, threshold=0.999)
    assert strict.margins.p_values is not None
    assert strict.margins.p_values.tolist() == [1.0] * 5
    assert strict.recovered_count == strict.confirmed_count == 0
    assert strict.identified.all()
    assert strict.at_floor == 5


def test_one_candidate_never_confirms_two_members() -> None:
    members = np.vstack([np.repeat(images(0, 1), 2, axis=0), images(4, 3)])
    found = calibrated(members[:1], members, images(1, 199))
    assert found.confirmed_count == 1


def test_exchanged_roles_confirm_the_controls() -> None:
    members, controls = images(0, 60), images(1, 60)
    found = calibrated(controls[:40] + 0.05 * images(2, 40), members, controls)
    assert found.confirmed_count == 0
    assert found.controls_confirmed == 40


def test_an_attack_has_its_share_of_what_all_confirm_and_never_more() -> None:
    members, controls = images(0, 20), images(1, 99)
    good, junk = members[:10] + 0.05 * images(2, 10), images(3, 50)
    field = Field.of(members, controls, FORMAT)
    votes = [field.votes(good), field.votes(junk)]
    whole = calibrate(field, votes, 0.4, 0.05)
    apart = [part_of(whole, field, one) for one in votes]
    assert [part.confirmed_count for part in apart] == [10, 0]
    assert whole.confirmed_count == 10
    assert apart[0].matching.members.candidate[:10].tolist() == list(range(10))
    assert (apart[0].recovered >= apart[0].confirmed).all()


def test_an_attack_that_works_is_not_lost_among_others_that_do_not() -> None:
    """Candidates that are controls put these ahead together; apart, the attack that works confirms all the same."""
    members, controls = images(0, 10), images(1, 499)
    good, misled = members + 0.4 * images(2, 10), controls[:200] + 0.1 * images(3, 200)
    assert calibrated(np.vstack([good, misled]), members, controls).confirmed_count == 0
    assert calibrated([good, misled], members, controls).confirmed_count == 10


def test_members_far_ahead_are_confirmed_by_the_tail_where_ranks_cannot() -> None:
    rng = np.random.default_rng(0)
    members, controls = images(0, 400), images(1, 200)
    junk = np.vstack([images(2, 600), members[1:] + 2.0 * rng.normal(size=(399, SIZE)).astype(np.float32)])
    found = calibrated(np.vstack([members[:1] + 0.2 * images(3, 1), junk]), members, controls)
    assert found.margins.p_values is not None
    assert found.margins.p_values[0] == pytest.approx(1 / 201)
    assert found.evidence[0] == "tail"


def test_members_ahead_of_all_controls_that_are_not_confirmed_are_counted_whatever_their_similarity() -> None:
    members, controls = images(0, 40), images(1, 60)
    found = calibrated(members[:3] + 0.6 * images(2, 3), members, controls, threshold=0.95)
    assert found.confirmed_count == 0
    assert found.at_floor == 3
    assert found.tests == 1


def test_of_the_candidates_that_confirm_a_member_the_most_similar_is_shown() -> None:
    members, controls = images(0, 3), images(1, 99)
    close = members + 0.3 * images(5, 3)
    similar = members + 0.05 * np.random.default_rng(3).normal(size=members.shape).astype(np.float32)
    alone, both = (calibrated(part, members, controls) for part in (close, np.vstack([close, similar])))
    assert alone.evidence == both.evidence == ("rank", "rank", "rank")
    assert both.matching.members.candidate.tolist() == [3, 4, 5]
    assert (both.matching.members.similarity > alone.matching.members.similarity).all()
    assert both.margins.members == pytest.approx(alone.margins.members)
