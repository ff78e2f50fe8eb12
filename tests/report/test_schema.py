import math

import pytest
from pydantic import BaseModel, ValidationError

from audit.report.comparison import Comparison
from audit.report.schema import Report
from tests.report.factory import make_report


def test_a_report_survives_the_way_through_json() -> None:
    for controls in (0, 60):
        report = make_report(controls=controls)
        assert Report.model_validate_json(report.model_dump_json()) == report


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    content = make_report().model_dump()
    content["samples"][0]["similarity"] = math.nan
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(content)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate(make_report().model_dump() | {"surprise": 1})


def test_reports_from_before_the_positive_control_can_be_read() -> None:
    content = make_report().model_dump()
    del content["summary"]["upper_limit"], content["summary"]["upper_limit_at_power"]
    del content["diagnostics"]["positive_control"]
    assert Report.model_validate(content).diagnostics.positive_control is None


@pytest.mark.parametrize("model", [Report, Comparison])
def test_every_field_is_described_in_three_words_or_more(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization")
    short = {
        f"{title}.{name}": field.get("description")
        for title, part in [(model.__name__, schema), *schema["$defs"].items()]
        for name, field in part.get("properties", {}).items()
        if len(field.get("description", "").split()) < 3
    }
    assert short == {}
