import json

import jsonschema
import pytest

from audit.render.json import render, schema
from audit.report.schema import Report
from tests.report.factory import make_evidence, make_report
from tests.report.golden import assert_golden


def test_golden() -> None:
    assert_golden("report.json", render(make_report(controls=19)))


def test_golden_schema() -> None:
    assert_golden("report.schema.json", json.dumps(schema(), indent=2) + "\n")


@pytest.mark.parametrize("controls", [0, 60])
def test_what_is_written_fits_the_schema_and_can_be_read_back(controls: int) -> None:
    report = make_report(controls=controls)
    text = render(report, make_evidence(report))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(text), schema())
    assert Report.model_validate_json(text) == report


def test_the_schema_refuses_what_is_no_report() -> None:
    content = json.loads(render(make_report()))
    for broken in (content | {"verdict": "MAYBE"}, content | {"surprise": 1}, {"schema_version": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema())


def test_fields_of_the_interface() -> None:
    content = json.loads(render(make_report()))
    assert {
        "schema_version", "tool", "verdict", "reasons", "summary", "model", "data", "diagnostics", "attacks",
        "samples", "policy", "findings", "provenance",
    } <= content.keys()  # fmt: skip
    assert {
        "members", "controls", "threshold", "recovered", "confirmed", "confirmed_fraction",
        "confirmed_interval", "expected_false", "control_matches", "null_confirmed", "fdr",
        "upper_limit", "upper_limit_at_power", "by_threshold", "identified", "controls_confirmed",
        "row_space_confirmed", "precision",
    } == content["summary"].keys()  # fmt: skip
    assert {
        "id", "status", "reason", "seconds", "restarts", "steps", "relative_loss", "recovered", "confirmed",
        "splitting",
    } <= content["attacks"][0].keys()  # fmt: skip
    assert {
        "rounds", "splits", "relative_loss_before", "relative_loss_after", "recovered_before", "recovered_after",
    } <= content["attacks"][0]["splitting"].keys()  # fmt: skip
    assert content["attacks"][1]["splitting"] is None
    assert {
        "id", "label", "similarity", "ncc", "p_value", "recovered", "confirmed", "attack", "candidate",
        "contribution", "contribution_rank", "attainable",
    } <= content["samples"][0].keys()  # fmt: skip
    assert {"metric", "maximum", "value", "interval", "verdict"} == content["policy"]["limits"][0].keys()
    assert {"command", "seed", "device", "torch", "started", "seconds"} <= content["provenance"].keys()
