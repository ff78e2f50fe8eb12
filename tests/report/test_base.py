import math

import pytest
from pydantic import ValidationError

from audit.report.base import Curve, Fraction, Measured, Part


class _Example(Part):
    share: Fraction = 0.5
    measured: Measured = None
    curve: Curve = ()  # type: ignore[assignment]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_diverged_is_read_as_none_and_left_out_of_curves(value: float) -> None:
    read = _Example(measured=value, curve=[(0, 1.0), (1, value)])
    assert (read.measured, read.curve) == (None, [(0, 1.0)])


@pytest.mark.parametrize("changes", [{"share": 1.1}, {"share": math.nan}, {"surprise": 1}])
def test_what_json_cannot_hold_or_does_not_know_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        _Example.model_validate(changes)
