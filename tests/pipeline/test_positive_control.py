"""What a report says of a positive control, on planted samples; whole ones run in tests/diagnostics."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from audit.diagnostics.control_model import draw
from audit.pipeline.positive_control import measure
from audit.request.check import Inputs
from audit.verdict.policy import MatchRule
from tests.pipeline.outcomes import noise, planted, ran

DRAWN = 4


def inputs(threshold: float) -> Inputs:
    stands_in: Any = SimpleNamespace(
        truth=planted().truth, rule=MatchRule(metric="ssim", threshold=threshold, fdr=0.05)
    )
    return cast("Inputs", stands_in)


@pytest.mark.parametrize(("threshold", "confirmed"), [(0.4, 3), (0.999999, 0)])
def test_what_came_back_is_counted_as_for_members(threshold: float, confirmed: int) -> None:
    drawn = draw(planted().truth.controls, None, DRAWN, 2, seed=0)
    outcome = ran("kkt-margin", drawn.images[:3] + 0.01 * noise(3))
    found = measure("weights", drawn, [outcome], inputs(threshold), (1.0, 3.14159), "trained early")
    assert (found.images, found.controls) == (DRAWN, len(planted().truth.controls) - DRAWN)
    assert found.confirmed == confirmed
    assert found.power == confirmed / DRAWN
    assert found.interval[0] <= found.power <= found.interval[1]
    assert (found.source, found.labels, found.note) == ("weights", "random", "trained early")
    assert (found.training_seconds, found.seconds) == (1.0, 3.14)


def test_an_attack_that_returned_nothing_has_no_power() -> None:
    drawn = draw(planted().truth.controls, None, DRAWN, 2, seed=0)
    found = measure("weights", drawn, [], inputs(0.4), (1.0, 1.0), "")
    assert (found.recovered, found.confirmed, found.power) == (0, 0, 0.0)
