"""Reports of version 1 are read as if they had been written today."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from audit.render.formats import FORMATS
from audit.report.comparison import compare
from audit.report.schema import Report
from audit.report.upgrade import upgrade
from audit.request.earlier_run import read_report
from tests.recording import leaves
from tests.report.factory import make_report
from tests.report.golden import GOLDEN

OLD = GOLDEN / "report-v1.json"


def old() -> Any:
    return json.loads(OLD.read_text())


def test_a_report_of_version_1_says_the_same_in_the_fields_of_version_2() -> None:
    today = make_report(controls=19)
    counts = {
        "by_threshold": {},
        "identified": None,
        "controls_confirmed": None,
        "row_space_confirmed": None,
        "precision": [],
    }
    unearned = today.policy.require.model_copy(update={"informative": False})
    since = {  # nothing was known of these then, and 19 controls were enough
        "reading": None,
        "verdict_grounds": [],
        "summary": today.summary.model_copy(update=counts),
        "samples": [one.model_copy(update={"evidence": None, "identified": False}) for one in today.samples],
        "findings": [one for one in today.findings if one.kind != "cannot-confirm"],
        "policy": today.policy.model_copy(update={"require": unearned}),
    }
    today = today.model_copy(update=since)
    upgraded = Report.model_validate(upgrade(old()))
    assert dict(leaves(upgraded.model_dump())) == dict(leaves(today.model_dump()))
    assert (upgraded.modality, upgraded.model, upgraded.data) == (today.modality, today.model, today.data)


def test_upgrading_leaves_what_it_was_given() -> None:
    content, before = old(), old()
    upgrade(content)
    assert content == before


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_rendered_from_it(name: str) -> None:
    report = read_report(OLD)
    assert report.verdict in FORMATS[name].render(report, [], [])


def test_it_is_compared_with_a_report_of_today() -> None:
    found = compare(read_report(OLD), make_report(controls=19))
    assert found.confirmed is not None
    assert (found.confirmed.gained, found.confirmed.lost) == ([], [])
    assert {(member.before.contribution, member.before.attainable) for member in found.members} == {
        (member.after.contribution, member.after.attainable) for member in found.members
    }


@pytest.mark.parametrize(
    ("used", "source"),
    [
        (["the weights"], "weights"),
        (["the weights", "the initial weights"], "change"),
        (["an observed gradient"], "gradient"),
        (["an observed update"], "gradient"),
    ],
)
def test_what_an_attack_used_becomes_its_source(used: list[str], source: str) -> None:
    content = old()
    content["attacks"][0]["used"] = used
    attack = Report.model_validate(upgrade(content)).attacks[0]
    assert attack.source == source
    assert attack.reference == content["attacks"][0]["source"]


@pytest.mark.parametrize(
    ("of", "source"),
    [
        ("the weights", "weights"),
        ("the change of the weights", "change"),
        ("the observed update", "gradient"),
    ],
)
def test_subjects_of_sentences_become_sources(of: str, source: str) -> None:
    content = old()
    diagnostics = content["diagnostics"]
    layer = (
        "the first layer"
        if of == "the weights"
        else f"{of.removesuffix(' of the weights')} of the first layer"
    )
    tensor = dict.fromkeys(("rank_needed", "rank", "undetermined"), 4) | dict.fromkeys(
        ("condition", "residual", "error"), 0.5
    )
    diagnostics["rank"]["of"] = layer
    diagnostics["exposure"][0]["of"] = of
    diagnostics["identifiability"] = {"polynomial": {"of": of, **tensor}}
    found = Report.model_validate(upgrade(content)).diagnostics
    assert found.rank is not None
    assert found.identifiability is not None
    assert found.rank.source == source
    assert found.contribution[0].source == source
    assert found.identifiability["polynomial"].source == source


def test_rows_had_no_ssim() -> None:
    content = old()
    content["summary"]["metric"] = "correlation"
    for entry in (*content["samples"], *content["controls"]):
        entry["ssim"] = None
    report = Report.model_validate(upgrade(content))
    assert report.modality == "row"
    assert [sample.similarity for sample in report.samples] == [sample.ncc for sample in report.samples]
    assert {control.similarity for control in report.controls} == {0.2}


def test_a_positive_control_keeps_its_kind_as_source() -> None:
    content = old()
    content["diagnostics"]["positive_control"] = {
        "kind": "change", "images": 3, "controls": 16, "labels": "given", "recovered": 3, "confirmed": 2,
        "power": 2 / 3, "interval": [0.1, 0.9], "training_seconds": 1.0, "seconds": 2.0,
    }  # fmt: skip
    control = Report.model_validate(upgrade(content)).diagnostics.positive_control
    assert control is not None
    assert control.source == "change"


@pytest.mark.parametrize(
    "content", [None, [], {}, {"schema_version": 2, "verdict": "PASS"}, {"schema_version": 7}]
)
def test_anything_else_is_left_as_it_is(content: Any) -> None:
    assert upgrade(copy.deepcopy(content)) == content


@pytest.mark.parametrize("part", ["diagnostics", "attacks", "samples", "controls", "summary"])
@pytest.mark.parametrize("broken", [None, 3, [3], {"rank": 3, "identifiability": 3, "exposure": 3}])
def test_a_damaged_report_is_refused_by_the_schema_and_not_before(part: str, broken: Any) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate(upgrade(old() | {part: broken}))


def test_the_stored_report_is_of_version_1() -> None:
    assert old()["schema_version"] == 1
    assert Path(OLD).stat().st_size > 10_000
