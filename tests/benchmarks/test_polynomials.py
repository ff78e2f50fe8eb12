"""Of lazily trained polynomial networks: the errors stated are those found, and halfway is the better place."""

import pytest

from tests.benchmarks.polynomials import SAMPLES, trained

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("mirrored", [True, False])
def test_errors_are_as_stated(order, mirrored) -> None:
    found = trained(order, 600, 8.0, mirrored, 0.3, seed=4).points
    (start, _, at_start), (middle, true, halfway) = found["start"], found["middle"]
    assert middle.residual < start.residual / 5
    assert true < 2.5 * middle.error
    assert halfway >= SAMPLES[order] - 2
    assert halfway >= at_start
