import math

import pytest
from pydantic import BaseModel, ValidationError

from audit.report.comparison import Comparison
from audit.report.outcomes import AttackReport, Splitting
from audit.report.schema import Report
from tests.report.factory import make_controlled, make_report


def test_a_report_survives_the_way_through_json() -> None:
    for controls in (0, 60):
        report = make_report(controls=controls)
        assert Report.model_validate_json(report.model_dump_json()) == report


def test_an_attack_that_diverged_can_be_reported() -> None:
    attack = AttackReport(
        id="a",
        title="A",
        reference="",
        status="failed",
        source="weights",
        reason="diverged",
        relative_loss=math.nan,
        history=[(0, 1.0), (1, math.inf), (2, math.nan)],
    )
    assert attack.relative_loss is None
    assert attack.history == [(0, 1.0)]


def test_splitting_that_diverged_can_be_reported() -> None:
    part = make_report().attacks[0].splitting
    assert part is not None
    numbers = {"relative_loss_after": math.inf, "gradient": math.nan, "eigenvalue": -math.inf}
    read = Splitting.model_validate(part.model_dump() | numbers)
    assert (read.relative_loss_after, read.gradient, read.eigenvalue) == (None, None, None)
    assert Splitting.model_validate_json(read.model_dump_json()) == read


def test_every_member_has_a_similarity_before_and_after_splitting() -> None:
    content = make_report().model_dump()
    content["attacks"][0]["splitting"]["similarity_after"].pop()
    with pytest.raises(ValidationError, match="similarity_before has 6 values and similarity_after 5"):
        Report.model_validate(content)


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    content = make_report().model_dump()
    content["samples"][0]["similarity"] = math.nan
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(content)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate(make_report().model_dump() | {"surprise": 1})


def test_a_positive_control_survives_the_way_through_json() -> None:
    report = make_controlled()
    assert Report.model_validate_json(report.model_dump_json()) == report


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
