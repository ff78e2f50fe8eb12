import re

import pytest

from audit.render.sentences.findings import suppression
from audit.render.summary import render
from audit.report.schema import Report
from audit.verdict.finding import Suppression
from tests.report.factory import as_table, make_evidence, make_report
from tests.report.golden import assert_golden

HOSTILE = "@team `x` | <img src=x> [f](http://x) #1\n# heading " + "é" * 5000


def many(report: Report, count: int) -> Report:
    """As many confirmed samples, findings, reasons and limits, none of them short."""
    sample, finding, limit = report.samples[0], report.findings[0], report.policy.limits[0]
    waived = Suppression(kind="waiver", reason=HOSTILE, owner=HOSTILE)
    return report.model_copy(
        update={
            "samples": [sample.model_copy(update={"id": f"{HOSTILE}{i}"}) for i in range(count)],
            "findings": [
                *(
                    finding.model_copy(update={"id": f"{HOSTILE}{i}", "suppression": waived})
                    for i in range(count)
                ),
                *(
                    finding.model_copy(update={"samples": [], "detail": f"{i}{HOSTILE}"})
                    for i in range(count)
                ),
            ],
            "reasons": [f"{i} {HOSTILE}" for i in range(count)],
            "policy": report.policy.model_copy(update={"limits": [limit] * count, "name": HOSTILE}),
        }
    )


def test_golden() -> None:
    assert_golden("report.summary.md", render(make_report()))


def test_golden_inconclusive() -> None:
    assert_golden("inconclusive.summary.md", render(make_report(controls=0, complete=False)))


def test_it_fits_a_screen() -> None:
    shown = render(make_report()).partition("<details>")[0]
    assert len(shown.splitlines()) < 30


@pytest.mark.parametrize("count", [1, 1000])
def test_it_fits_a_comment_however_much_there_is(count: int) -> None:
    page = render(many(make_report(checkpoint=HOSTILE), count))
    assert len(page) < 65_536
    assert len(page.splitlines()) < 80
    assert ("and 992 more" in page) == (count == 1000)


def test_names_neither_mention_nor_link_nor_break_the_table() -> None:
    page = render(many(make_report(checkpoint=HOSTILE), 9))
    assert "<img" not in re.sub(r"(`+) ?.*? ?\1", "", page)
    assert "\n# heading" not in page
    listed = next(line for line in page.splitlines() if line.startswith("Confirmed: "))
    assert listed.startswith("Confirmed: `` @team `x` | <img src=x> [f](http://x) #1 # heading ")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_what_is_suppressed_is_listed_with_its_reason() -> None:
    report = make_report()
    waived = Suppression(kind="waiver", reason="A public figure.", owner="ana", expires="2027-01-01")
    first, *others = report.findings
    findings = [first.model_copy(update={"suppression": waived}), *others]
    page = render(report.model_copy(update={"findings": findings}))
    assert f"- `confirmed-reconstruction/face-0` ({suppression(waived)})" in page
    assert "Suppressed" not in render(report)


def test_a_finding_that_is_a_reason_is_given_once() -> None:
    report = make_report(controls=0)
    (issue,) = [one.detail for one in report.findings if one.kind == "uncalibrated-audit"]
    assert render(report).count(issue) == 1
    failed = report.findings[-1].model_copy(
        update={"kind": "attack-failed", "detail": "It failed.", "samples": []}
    )
    page = render(report.model_copy(update={"findings": [*report.findings, failed]}))
    assert "Also found:\n\n- It failed." in page


def test_pictures_are_never_part_of_it() -> None:
    report = make_report()
    assert render(report, make_evidence(report)) == render(report)


def test_rows_of_a_table_are_not_called_images() -> None:
    text = render(as_table(make_report()))
    assert "| Training rows confirmed |" in text
    assert "correlation" in text
    assert "SSIM" not in text
    assert "image" not in text


def test_a_redacted_run_promises_no_images() -> None:
    assert "The images" not in render(make_report(redacted=True))
