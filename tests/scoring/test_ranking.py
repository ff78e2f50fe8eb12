"""What an attacker would pick: by support, without repeats, and what of it shows a confirmed member."""

import numpy as np
import pytest

from audit.model.preprocessing import Preprocessing
from audit.scoring.calibration import calibrate
from audit.scoring.ranking import Picks, precision
from audit.scoring.votes import Field

SIZE, MEMBERS = 64, 4
FORMAT = Preprocessing((1, 8, 8), np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32))


def rows(seed, count):
    return np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32)


TRUE, FALSE = rows(0, MEMBERS), rows(1, 20)


def picks(candidates, support, places=None):
    field = Field.of(TRUE, rows(2, 200), FORMAT)
    votes = field.votes(candidates)
    whole = calibrate(field, [votes], 0.4, 0.05)
    places = np.arange(len(candidates)) if places is None else np.array(places)
    return precision(np.array(support), places, field, votes, whole)


def test_picks_go_by_support_alone() -> None:
    candidates = np.vstack([FALSE[:3], TRUE[:3], FALSE[3:6]])
    rising = np.arange(9.0)
    assert picks(candidates, rising) == (Picks(4, 1, 1), Picks(8, 3, 3))
    assert picks(candidates, -rising) == (Picks(4, 1, 1), Picks(8, 3, 3))
    assert picks(candidates, -np.abs(rising - 4)) == (Picks(4, 3, 3), Picks(8, 3, 3))


def test_repeats_are_not_picked_again() -> None:
    again = TRUE[:1] + 0.1 * rows(3, 5)
    candidates = np.vstack([again, TRUE[1:2], FALSE[:10]])
    assert picks(candidates, -np.arange(16.0)) == (Picks(4, 2, 2), Picks(8, 2, 2))


def test_all_readings_of_a_candidate_are_picked_together() -> None:
    """The second reading shows the member, and the first has the support."""
    unlike = -TRUE[:2]
    candidates = np.vstack([unlike[0], TRUE[0], unlike[1], TRUE[1], FALSE[:6]])
    found = picks(candidates, -np.arange(10.0), [0, 0, 2, 2, *range(4, 10)])
    assert found[0].members == 2


def test_without_candidates_enough_there_is_no_count() -> None:
    assert picks(np.vstack([TRUE[:2], FALSE[:4]]), -np.arange(6.0)) == (Picks(4, 2, 2),)
    assert picks(TRUE[:0], []) == ()


def test_candidates_that_are_not_finite_are_never_picked() -> None:
    candidates = np.vstack([np.full((1, SIZE), np.nan, np.float32), TRUE[:1], FALSE[:3]])
    assert picks(candidates, -np.arange(5.0)) == (Picks(4, 1, 1),)


@pytest.mark.parametrize("count", [300])
def test_more_candidates_than_one_block(count) -> None:
    candidates = np.vstack([np.repeat(FALSE[:1], count, axis=0), TRUE])
    assert picks(candidates, -np.arange(count + 4.0)) == (Picks(4, 3, 3),)
