import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from audit.render.junit import render
from audit.render.sentences.findings import suppression
from audit.render.sentences.grounds import stated
from audit.report.outcomes import AttackReport
from audit.report.schema import Report
from audit.verdict.finding import Suppression
from tests.report.factory import make_controlled, make_evidence, make_observed, make_report
from tests.report.golden import assert_golden

HOSTILE = "a\x00b\x1b[31m\ud800 ]]> <failure> \"'&amp; \uffff ü"
DECIDED = "the audit could decide"
LIMIT = "limit: confirmed at most 0"


def cases(report: Report) -> dict[str, Element]:
    """Cases by name, after a look at what consumers rely on: names, counts, and where things stand."""
    root = ElementTree.fromstring(render(report))
    assert root.tag == "testsuites"
    (suite,) = root
    properties, *found = suite
    assert (suite.tag, properties.tag, {case.tag for case in found}) == (
        "testsuite",
        "properties",
        {"testcase"},
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    for case in found:
        assert case.attrib.keys() == {"classname", "name", "time"}
        assert [part.tag for part in case] in [
            *([how] for how in ("failure", "error", "skipped", "system-out")),
            ["error", "system-out"],
            [],
        ]
        assert all(part.text for part in case)
        assert all(part.attrib.keys() == {"type", "message"} for part in case if part.tag != "system-out")
    for counted in (root, suite):
        assert counted.attrib["tests"] == str(len(found))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert counted.attrib[name] == str(sum(case.find(tag) is not None for case in found))
    named = {case.attrib["name"]: case for case in found}
    assert (
        len(named)
        == len(found)
        == (1 + len(report.policy.limits) + len(report.attacks) + len(stated(report)))
    )
    return named


def ends(report: Report) -> dict[str, str]:
    """How each case ended, by name."""
    return {
        name: next((part.tag for part in case if part.tag != "system-out"), "passed")
        for name, case in cases(report).items()
    }


def test_golden() -> None:
    assert_golden("report.junit.xml", render(make_report()))


def test_golden_inconclusive() -> None:
    assert_golden("inconclusive.junit.xml", render(make_report(controls=0, complete=False)))


GROUND = "ground: "
ATTACKS = {"attack: kkt-margin": "passed", "attack: weight-delta": "skipped"}


@pytest.mark.parametrize(
    ("report", "verdict", "decided", "limit"),
    [
        (make_report(confirmed=0, controls=200), "PASS", "passed", "passed"),
        (make_report(), "FAIL", "passed", "failure"),
        (make_report(complete=False), "FAIL", "error", "failure"),
        (make_report(controls=0), "INCONCLUSIVE", "error", "skipped"),
        (make_report(confirmed=0, complete=False), "INCONCLUSIVE", "error", "error"),
    ],
)
def test_how_cases_end(report: Report, verdict: str, decided: str, limit: str) -> None:
    assert report.verdict == verdict
    found = {name: end for name, end in ends(report).items() if not name.startswith(GROUND)}
    assert found == {DECIDED: decided, LIMIT: limit} | ATTACKS


def test_every_ground_of_a_pass_is_a_case() -> None:
    report = make_report(confirmed=0, controls=19)
    grounds = [end for name, end in ends(report).items() if name.startswith(GROUND)]
    holding = {True: "passed", False: "skipped", None: "skipped"}
    assert grounds == [holding[one.holds] for one in report.verdict_grounds]
    missing = cases(report)["ground: The count is calibrated"].find("skipped")
    assert missing is not None
    assert missing.attrib["message"] == report.reasons[0]  # said once, in full
    assert not any(name.startswith(GROUND) for name in ends(make_report()))  # a FAIL needs none


def test_without_limits_what_is_inconclusive_is_no_pass_either() -> None:
    report = make_report(policy="research", controls=0)
    assert ends(report)[DECIDED] == ("error" if report.verdict == "INCONCLUSIVE" else "passed")
    assert not any(name.startswith("limit: ") for name in ends(report))
    undecided = report.model_copy(update={"verdict": "INCONCLUSIVE"})
    assert ends(undecided)[DECIDED] == "error"


def test_an_attack_that_failed_is_an_error_with_its_reason() -> None:
    report = make_report()
    failed = AttackReport(
        id="x", title="", reference="", source="weights", status="failed", reason="out of memory", seconds=2.0
    )
    case = cases(report.model_copy(update={"attacks": [failed]}))["attack: x"]
    assert (case.findtext("error"), case.attrib["time"]) == ("Failed: out of memory", "2.00")


def test_a_violated_limit_says_by_how_much_and_gives_the_reasons() -> None:
    failure = cases(make_report())[LIMIT].find("failure")
    assert failure is not None
    assert all(word in failure.attrib["message"] for word in ("confirmed", "3", "0"))
    assert failure.text == f"{failure.attrib['message']}\n{make_report().reasons[0]}"


def test_a_suppressed_finding_is_reported() -> None:
    report = make_report(confirmed=0, controls=200)
    reason = Suppression(kind="waiver", reason="A public figure.")
    findings = [finding.model_copy(update={"suppression": reason}) for finding in report.findings]
    case = cases(report.model_copy(update={"findings": findings}))[DECIDED]
    assert case.findtext("system-out") == f"suppressed: recovered-not-confirmed ({suppression(reason)})"


@pytest.mark.parametrize("report", [make_observed("gradient"), make_controlled(confirmed=0)])
def test_other_reports_are_well_formed(report: Report) -> None:
    cases(report)


def test_no_name_can_break_the_file() -> None:
    report = make_report(checkpoint=HOSTILE)
    broken = report.attacks[1].model_copy(update={"reason": HOSTILE})
    report = report.model_copy(update={"attacks": [broken], "reasons": [HOSTILE]})
    skipped = cases(report)["attack: weight-delta"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == ("Skipped: a\ufffdb\ufffd[31m\ufffd ]]> <failure> \"'&amp; \ufffd ü")
    render(report).encode()


def test_pictures_are_never_part_of_it() -> None:
    report = make_report()
    assert render(report, make_evidence(report)) == render(report)


def test_a_limit_that_passes_says_what_it_saw_where_something_is_suppressed() -> None:
    report = make_report(confirmed=0, controls=200)
    name = "limit: confirmed at most 0"
    assert cases(report)[name].find("system-out") is None
    reason = Suppression(kind="waiver", reason="A public figure.")
    findings = [finding.model_copy(update={"suppression": reason}) for finding in report.findings]
    seen = cases(report.model_copy(update={"findings": findings}))[name].findtext("system-out")
    assert seen is not None
    assert seen.splitlines()[1:] == report.reasons
