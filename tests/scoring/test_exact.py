"""Exact copies: to within 1 % of the range, of one sample alone, and never of a control."""

import numpy as np
import pytest

from audit.model.preprocessing import Preprocessing
from audit.scoring.exact import exact_candidates
from audit.scoring.votes import Field

SIZE = 64
FORMAT = Preprocessing((1, 8, 8), np.full(SIZE, 0.5, np.float32), np.full(SIZE, 0.25, np.float32))
MEMBERS = np.random.default_rng(0).uniform(-2, 2, size=(4, SIZE)).astype(np.float32)
CONTROLS = np.random.default_rng(1).uniform(-2, 2, size=(5, SIZE)).astype(np.float32)


def table(columns):
    return Preprocessing((columns,), np.zeros(columns, np.float32), np.ones(columns, np.float32))


def found(candidates, members=MEMBERS, controls=CONTROLS, preprocessing=FORMAT, threshold=0.4):
    field = Field.of(members, controls, preprocessing)
    return exact_candidates(field, field.votes(candidates), threshold).tolist()


def off_by(error, rows=MEMBERS):
    """Rows with a root mean square error of that share of their range, which stays the same."""
    noise = np.random.default_rng(2).choice([-1.0, 1.0], size=rows.shape)
    noise[np.arange(len(rows)), rows.argmax(axis=1)] = noise[np.arange(len(rows)), rows.argmin(axis=1)] = 0
    return (rows + error * np.ptp(rows, axis=1, keepdims=True) * noise).astype(np.float32)


def test_copies_within_one_per_cent_are_found_and_others_are_not() -> None:
    assert found(np.vstack([off_by(0.009)[:2], off_by(0.012)[2:]])) == [0, 1, -1, -1]


def test_brightness_and_contrast_are_left_open_as_for_ssim() -> None:
    assert found(0.5 * MEMBERS[::-1] - 0.3) == [3, 2, 1, 0]


def test_no_control_is_needed() -> None:
    assert found(off_by(0.005), controls=CONTROLS[:0]) == [0, 1, 2, 3]


def test_where_a_control_is_met_as_exactly_nothing_counts() -> None:
    assert found(np.vstack([MEMBERS, CONTROLS[:1]])) == [-1] * 4


def test_a_candidate_that_equals_two_samples_says_nothing() -> None:
    twins = np.vstack([MEMBERS[:1], off_by(0.001, MEMBERS[:1]), MEMBERS[1:]])
    assert found(MEMBERS, members=twins) == [-1, -1, 1, 2, 3]


def test_an_image_of_one_colour_is_equal_to_nothing() -> None:
    flat = np.vstack([np.zeros((1, SIZE), np.float32), MEMBERS])
    assert found(np.zeros((1, SIZE), np.float32), members=flat, threshold=-1) == [-1] * 5


def test_the_similarity_must_reach_the_threshold() -> None:
    assert found(off_by(0.009), threshold=0.9999) == [-1] * 4


@pytest.mark.parametrize(("columns", "expected"), [(16, [0, 1, 2, 3]), (15, [-1] * 4)])
def test_rows_need_columns_enough_and_are_compared_in_ranges_of_columns(columns, expected) -> None:
    units = np.geomspace(1e-3, 1e3, columns).astype(np.float32)
    rows, others = MEMBERS[:, :columns] * units, CONTROLS[:, :columns] * units
    ranges = np.ptp(np.vstack([rows, others]), axis=0)
    assert found(rows + 0.009 * ranges, rows, others, table(columns)) == expected
    assert found(rows + 0.012 * ranges, rows, others, table(columns)) == [-1] * 4
