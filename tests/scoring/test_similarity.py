"""NCC and SSIM: agreement with numpy and scikit-image, and images without contrast or with NaN."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from audit.errors import DataError
from audit.scoring.similarity import (
    check_columns,
    column_units,
    constant_columns,
    ncc,
    nearest,
    relative_error,
    rescale,
    ssim,
    ssim_pairs,
    standardise,
)


def test_ncc_is_the_correlation_coefficient() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(3.0, 2.0, (4, 30)), rng.normal(size=(5, 30))
    assert ncc(a, b) == pytest.approx(np.corrcoef(a, b)[:4, 4:], abs=1e-6)
    assert ncc(a, b).dtype == np.float32


def test_ncc_does_not_see_scale_and_shift_and_stays_within_one() -> None:
    a = np.random.default_rng(1).normal(size=(20, 50))
    values = ncc(a, 7.0 * a - 3.0)
    assert np.diag(values) == pytest.approx(1.0, abs=1e-6)
    assert values.max() <= 1.0
    assert values.min() >= -1.0


@pytest.mark.parametrize(
    "row", [[0.1] * 9, [-0.7] * 9, [0.0] * 9, [np.nan] + [1.0] * 8, [np.inf] + [1.0] * 8]
)
def test_rows_without_contrast_or_not_finite_become_zero(row) -> None:
    rows = np.vstack([row, np.arange(9.0)])
    standard = standardise(rows)
    assert (standard[0] == 0.0).all()
    assert np.linalg.norm(standard[1]) == pytest.approx(1.0)
    assert ncc(rows, rows)[0] == pytest.approx(0.0)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_standardise_bears_extreme_values(scale) -> None:
    assert standardise(scale * np.arange(5.0)[None]) == pytest.approx(standardise(np.arange(5.0)[None]))


def test_standardise_without_rows() -> None:
    assert standardise(np.zeros((0, 4))).shape == (0, 4)


def test_nearest_is_the_argmax_and_minus_one_for_nothing() -> None:
    images = np.eye(4, 10)
    queries = np.vstack([3.0 * images[2] + 1.0, np.full(10, np.nan)])
    assert nearest(queries, images).tolist() == [2, -1]
    assert nearest(queries, images[:0]).tolist() == [-1, -1]


def test_rescale_uses_one_range_for_all_channels_of_an_image() -> None:
    image = np.array([[[-1.0, 0.0], [1.0, 3.0]]])
    assert rescale(image) == pytest.approx(np.array([[[0.0, 0.25], [0.5, 1.0]]]))
    assert (rescale(np.full((2, 2, 1), 0.3)) == 0.0).all()
    pair = rescale(np.stack([image, 10.0 * image]))
    assert pair[0] == pytest.approx(pair[1])


def test_rescale_leaves_its_argument_alone() -> None:
    image = np.array([[[2.0], [4.0]]])
    rescale(image)
    assert image.tolist() == [[[2.0], [4.0]]]


@pytest.mark.parametrize(
    ("shape", "window"),
    [((28, 28, 1), 7), ((32, 20, 3), 7), ((7, 7, 1), 7), ((6, 9, 2), 5), ((4, 4, 1), 3), ((3, 3, 3), 3)],
)
def test_ssim_agrees_with_scikit_image(shape, window) -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(120, *shape))
    b = a + rng.normal(size=a.shape) * rng.uniform(0.0, 2.0, (120, 1, 1, 1))
    direct = [
        structural_similarity(rescale(x), rescale(y), win_size=window, data_range=1.0, channel_axis=-1)
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim_pairs(a, b) == pytest.approx(direct, abs=1e-10)
    assert ssim(a[5], b[5]) == pytest.approx(direct[5], abs=1e-10)


def test_ssim_of_equal_constant_and_opposite_images() -> None:
    image = np.random.default_rng(3).uniform(size=(12, 12, 1))
    assert ssim(image, 5.0 * image - 2.0) == pytest.approx(1.0)
    assert ssim(image, -image) < 0.0
    assert 0.0 <= ssim(image, np.full_like(image, 0.5)) < 0.1


def test_ssim_of_no_pairs() -> None:
    assert ssim_pairs(np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1))).shape == (0,)


def test_ssim_refuses_images_under_three_pixels() -> None:
    with pytest.raises(DataError, match=r"2 x 9 pixels.*at least 3 x 3.*store the images"):
        ssim(np.zeros((2, 9, 1)), np.zeros((2, 9, 1)))


def test_column_units_treat_members_and_controls_alike_and_leave_out_constant_columns() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(30, 5)) * [1.0, 1e3, 1e-3, 0.0, 1.0] + [0.0, 1e4, 0.0, 0.1, 5.0]
    found = rng.normal(size=(3, 5))
    candidates, members, controls = column_units(found, rows[:10], rows[10:])
    together = np.concatenate([members, controls])
    assert together.mean(0) == pytest.approx(0.0, abs=1e-9)
    assert together.std(0) == pytest.approx([1.0, 1.0, 1.0, 0.0, 1.0])
    assert (candidates[:, 3] == 0.0).all()
    assert candidates[:, 4] == pytest.approx((found[:, 4] - rows[:, 4].mean()) / rows[:, 4].std())
    swapped = column_units(found, rows[10:], rows[:10])
    assert swapped[2] == pytest.approx(members)
    assert constant_columns([rows[:10], rows[10:]]).tolist() == [False, False, False, True, False]
    assert column_units(found, rows[:0], rows[:0])[0].shape == found.shape


def test_relative_error_is_the_distance_over_that_from_the_mean() -> None:
    truth = np.array([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])
    assert relative_error(np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]]), truth).tolist() == [
        0.0,
        1.0,
        np.inf,
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_correlation_needs_three_columns(count) -> None:
    check_columns(3)
    with pytest.raises(DataError, match=rf"rows have {count} columns?, and a correlation needs at least 3"):
        check_columns(count)
