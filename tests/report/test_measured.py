import pytest
from pydantic import ValidationError

from audit.report.measured import DpBound
from audit.report.schema import Report
from tests.report.factory import make_controlled


def test_a_positive_control_survives_the_way_through_json() -> None:
    report = make_controlled()
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize("changes", [{"q": 1.5}, {"steps": 0}, {"bound": -0.1}])
def test_a_bound_outside_its_range_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DpBound.model_validate({"sigma": 1.0, "q": 0.01, "steps": 1, "prior": 0.1, "bound": 0.2} | changes)
