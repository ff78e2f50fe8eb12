import json
import tomllib
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

import audit
from audit.render.sarif import MEANING, render
from audit.report.schema import Report
from audit.verdict.finding import RULES, Kind, Suppression
from tests.report.factory import make_controlled, make_evidence, make_observed, make_report
from tests.report.golden import GOLDEN, assert_golden

SCHEMA = jsonschema.Draft7Validator(json.loads((GOLDEN / "sarif-schema-2.1.0.json").read_text()))
HOSTILE = "a/../b {0} [f](1) ü\x00\n<script> &"


def run(report: Report) -> dict[str, Any]:
    log = json.loads(render(report))
    SCHEMA.validate(log)
    (only,) = log["runs"]
    assert isinstance(only, dict)
    return only


def suppress(report: Report, **by_kind: Suppression) -> Report:
    """Suppresses the findings on members, in order."""
    suppressions = iter(by_kind.values())
    findings = [
        finding.model_copy(update={"suppression": next(suppressions, None)}) for finding in report.findings
    ]
    return report.model_copy(update={"findings": findings})


WAIVER = Suppression(kind="waiver", reason="A public figure.", owner="ana", expires="2027-01-01")
BASELINE = Suppression(kind="baseline", reason="In the run of 2026-01-02.")


def test_golden() -> None:
    assert_golden("report.sarif", render(make_report()))


@pytest.mark.parametrize(
    "report",
    [
        make_report(controls=0, complete=False),
        make_report(policy="strict", controls=20),
        make_report(policy="research", redacted=True),
        make_report(checkpoint=HOSTILE, prefix=HOSTILE),
        make_observed("update"),
        make_controlled(confirmed=0),
        suppress(make_report(), waiver=WAIVER, baseline=BASELINE),
    ],
)
def test_it_fits_the_schema_and_every_result_has_its_rule(report: Report) -> None:
    told = run(report)
    rules = told["tool"]["driver"]["rules"]
    names = [rule["id"] for rule in rules]
    assert len(set(names)) == len(names)
    assert {*get_args(Kind), *(f"limit/{limit.metric}" for limit in report.policy.limits)} == {*names}
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in told["results"])
    assert len(told["results"]) == len(report.findings) + sum(
        limit.verdict == "FAIL" for limit in report.policy.limits
    )
    for text in (
        rule[part]["text"] for rule in rules for part in ("shortDescription", "fullDescription", "help")
    ):
        assert 10 < len(text) <= 1024


def test_the_schema_refuses_what_is_no_log() -> None:
    log = json.loads(render(make_report()))
    log["runs"][0]["results"][0]["level"] = "grave"
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(log)


def test_every_kind_of_finding_is_explained() -> None:
    assert MEANING.keys() == RULES.keys() == set(get_args(Kind))


def test_help_leads_to_the_section_on_a_rule_in_the_documentation_of_the_project() -> None:
    package = Path(audit.__file__).parent
    project = tomllib.loads((package.parent / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    driver = run(make_report())["tool"]["driver"]
    assert driver["informationUri"] == project
    for rule in driver["rules"]:
        page, anchor = rule["helpUri"].split("#")
        assert page == f"{project}/blob/main/audit/docs/findings.md"
        assert f"\n## {anchor}\n" in (package / "docs/findings.md").read_text()
        assert rule["id"].partition("/")[0] == anchor
    assert {rule["helpUri"].partition("#")[2] for rule in driver["rules"]} == {*RULES, "limit"}


def test_what_code_scanning_needs() -> None:
    told = run(make_report(checkpoint="./models/b c.safetensors"))
    assert told["automationDetails"]["id"] == "model-audit/models/b%20c.safetensors/"
    assert told["artifacts"][0]["hashes"] == {"sha-256": "ab" * 32}
    for result in told["results"]:
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "models/b%20c.safetensors"
        assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert place["region"].keys() == {"startLine", "startColumn", "endLine", "endColumn"}
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    scores = {rule["id"]: rule["properties"]["security-severity"] for rule in told["tool"]["driver"]["rules"]}
    assert float(scores["confirmed-reconstruction"]) >= 7.0 > float(scores["recovered-not-confirmed"]) >= 4.0
    assert {result["level"] for result in told["results"]} == {"error", "warning"}


def test_an_absolute_path_stays_absolute() -> None:
    place = run(make_report(checkpoint="/models/b c.safetensors"))["artifacts"][0]["location"]
    assert place == {"uri": "file:///models/b%20c.safetensors"}


def test_names_stand_for_themselves_in_messages() -> None:
    results = run(make_report(prefix=HOSTILE))["results"]
    message = next(r["message"]["text"] for r in results if r["ruleId"] == "confirmed-reconstruction")
    assert message.startswith("a/../b {{0}} [f\\](1) ü\x00\n<script> &0 was reconstructed")


def fingerprints(report: Report) -> dict[str, str]:
    return {
        result["properties"]["id"] if "properties" in result else result["ruleId"]: result[
            "partialFingerprints"
        ]["primaryLocationLineHash"]
        for result in run(report)["results"]
    }


def test_fingerprints_are_of_what_a_result_is_about_and_not_of_its_numbers() -> None:
    report = make_report()
    known = fingerprints(report)
    assert len(set(known.values())) == len(known) == 5
    changed = {
        "model": report.model.model_copy(update={"sha256": "00" * 32}),
        "policy": report.policy.model_copy(
            update={"limits": [report.policy.limits[0].model_copy(update={"maximum": 1.0, "value": 2.0})]}
        ),
        "findings": [
            finding.model_copy(update={"detail": "In other words.", "severity": "low", "samples": []})
            for finding in reversed(report.findings)
        ],
    }
    assert fingerprints(report.model_copy(update=changed)) == known
    assert not set(fingerprints(make_report(checkpoint="another.safetensors")).values()) & set(known.values())


def test_a_waived_finding_stays_with_who_waived_it_and_why() -> None:
    _, waived, *others = run(suppress(make_report(), waiver=WAIVER))["results"]
    assert waived["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "A public figure.",
            "properties": {"owner": "ana", "expires": "2027-01-01"},
        }
    ]
    assert [result["suppressions"] for result in others] == [[], [], []]
    assert "baselineState" not in waived


def test_a_finding_of_the_baseline_is_unchanged_and_the_others_are_new() -> None:
    results = run(suppress(make_report(), baseline=BASELINE))["results"]
    assert [result["baselineState"] for result in results] == ["new", "unchanged", "new", "new", "new"]
    assert all(result["suppressions"] == [] for result in results)


def test_an_audit_that_broke_off_says_so() -> None:
    told = run(make_report(complete=False))
    assert told["invocations"][0]["executionSuccessful"] is False
    assert run(make_report())["invocations"][0]["executionSuccessful"] is True
    assert "incomplete-audit" in {result["ruleId"] for result in told["results"]}


def test_pictures_are_never_part_of_it() -> None:
    report = make_report()
    assert render(report, make_evidence(report)) == render(report)
