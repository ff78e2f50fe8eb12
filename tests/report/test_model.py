import math

import pytest
from pydantic import ValidationError

from audit.report.model import AttackReport, Report
from tests.report.factory import make_report


def test_a_report_survives_the_way_through_json() -> None:
    for controls in (0, 60):
        report = make_report(controls=controls)
        assert Report.model_validate_json(report.model_dump_json()) == report


def test_an_attack_that_diverged_can_be_reported() -> None:
    attack = AttackReport(
        id="a",
        title="A",
        source="",
        status="failed",
        reason="diverged",
        relative_loss=math.nan,
        history=[(0, 1.0), (1, math.inf), (2, math.nan)],
    )
    assert attack.relative_loss is None
    assert attack.history == [(0, 1.0)]


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    content = make_report().model_dump()
    content["samples"][0]["ssim"] = math.nan
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(content)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate(make_report().model_dump() | {"surprise": 1})
