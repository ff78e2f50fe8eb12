"""Options that can be refused without knowing attacks or reading files."""

from typing import Any

import pytest

from audit.errors import UsageError
from audit.request.options import check_options, check_without_data
from audit.request.request import Request, SampleOptions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": ""}, "--data is empty"),
        ({"controls": ""}, "--controls is empty"),
        ({"input_shape": ""}, "--input-shape is empty"),
        ({"budget": float("inf")}, "--budget is inf s"),
        ({"layout": ""}, "--layout is empty"),
        ({"layout": "nhwc"}, "unknown layout 'nhwc' in --layout; use chw or hwc"),
        ({"layers": ""}, "--layers names no layer"),
        ({"budget": -1.0}, "--budget is -1 s"),
        ({"threshold": 0.0}, "--threshold is 0"),
        ({"threshold": 1.1}, "--threshold is 1.1"),
        ({"evidence": "private"}, "--evidence without --redact"),
        ({"gradient_kind": "step"}, "unknown gradient kind 'step'"),
        ({"gradient_kind": "update"}, "--gradient-kind update without an update"),
        ({"gradient": "g.pt", "learning_rate": 0.1}, "--learning-rate belongs to an update"),
        ({"gradient": "g.pt", "gradient_kind": "update", "learning_rate": 0.0}, "--learning-rate is 0"),
    ],
)
def test_values_that_cannot_be_used(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_options(Request.of("model.pt", **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 1.0, "budget": 0.5},
        {"redact": True, "evidence": "private"},
        {"gradient": "g.pt", "gradient_kind": "update", "learning_rate": 0.1},
    ],
)
def test_values_that_can_be_used(options: dict[str, Any]) -> None:
    check_options(Request.of("model.pt", **options))


def test_nothing_describes_samples_that_are_not_given() -> None:
    check_without_data(SampleOptions())
    for option in ("controls", "mean", "std", "input_shape"):
        with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} without --data"):
            check_without_data(SampleOptions(**{option: "1"}))
