"""How images and rows of a table are compared."""

import numpy as np
import pytest

from audit.errors import DataError
from audit.model.modality import IMAGES, ROWS
from audit.model.preprocessing import Preprocessing
from audit.scoring.comparison import comparison
from audit.scoring.similarity import ssim

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.uniform(size=(3, 8, 8, 1)).astype(np.float32)
TABLE = RANDOM.normal(size=(5, 4)).astype(np.float32)


def test_images_are_compared_in_pixels() -> None:
    compare = comparison(IMAGES)
    form = Preprocessing((1, 8, 8), np.full(64, 0.5, np.float32), np.full(64, 0.1, np.float32))
    inputs = form.normalise(PICTURES)
    for scaled in compare.scale(inputs, inputs, inputs):
        np.testing.assert_array_equal(scaled, inputs)
    pixels = compare.view(form, inputs)
    np.testing.assert_allclose(pixels, PICTURES, atol=1e-6)
    found = compare.similarity(pixels, pixels[::-1], np.zeros(3, np.float32))
    expected = [ssim(one, other) for one, other in zip(pixels, pixels[::-1], strict=True)]
    np.testing.assert_allclose(found, expected)


def test_rows_are_compared_by_correlation_in_units_of_their_columns() -> None:
    compare = comparison(ROWS)
    form = Preprocessing((4,), np.zeros(4, np.float32), np.ones(4, np.float32))
    units = np.array([1.0, 100.0, 0.01, 5.0], np.float32)
    plain, scaled = compare.scale(TABLE, TABLE, TABLE[:0]), compare.scale(*[units * TABLE] * 2, TABLE[:0])
    np.testing.assert_allclose(plain[1], scaled[1], rtol=1e-4)
    np.testing.assert_array_equal(compare.view(form, plain[0]), plain[0])
    known = np.array([0.5, -0.25], np.float32)
    np.testing.assert_array_equal(compare.similarity(plain[0][:2], plain[1][:2], known), known)


@pytest.mark.parametrize(
    ("modality", "values", "words"),
    [
        (IMAGES, np.zeros((2, 2, 9, 1)), "images are 2 x 9 pixels, and SSIM needs at least 3 x 3"),
        (ROWS, TABLE[:, :2], "rows have 2 columns, and a correlation needs at least 3"),
        (ROWS, np.ones((5, 4)), "every column of a and b is the same in all rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(modality, values, words) -> None:
    with pytest.raises(DataError, match=words):
        comparison(modality).check([values, values], "a and b")
    accepted = {IMAGES: PICTURES, ROWS: TABLE}[modality]
    comparison(modality).check([accepted, accepted], "a and b")
