import subprocess
import sys

import pytest

from audit.render.formats import DEFAULT, FORMATS
from tests.report.factory import make_evidence, make_large, make_report, make_trajectories


def test_the_formats_of_the_interface() -> None:
    assert {name: format.filename for name, format in FORMATS.items()} == {
        "html": "report.html",
        "markdown": "report.md",
        "json": "report.json",
        "sarif": "report.sarif",
        "junit": "report.junit.xml",
        "summary": "report.summary.md",
    }
    assert DEFAULT == ("html", "markdown", "json")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_the_verdict(name: str) -> None:
    report = make_report()
    text = FORMATS[name].render(report, make_evidence(report), make_trajectories(report))
    assert report.verdict in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_a_policy_without_limits_makes_a_report_with_its_counts(name: str) -> None:
    report = make_report(policy="research")
    assert (report.verdict, report.headline) == ("PASS", "REPORT")
    text = FORMATS[name].render(report, [], [])
    assert "3 of 6 training samples confirmed, 4 recovered" in text
    assert ("REPORT" in text) == (name != "json")
    assert make_report(policy="research", controls=0).headline == "INCONCLUSIVE"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("confirmed", [0, 3])
def test_the_grounds_of_a_pass_are_listed_unless_the_audit_fails(name: str, confirmed: int) -> None:
    report = make_report(confirmed=confirmed, controls=200)
    assert report.verdict == ("FAIL" if confirmed else "PASS")
    assert ("the attack got to 0.312 %" in FORMATS[name].render(report, [], [])) == (confirmed == 0)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "html"])
def test_the_same_report_gives_the_same_text(name: str) -> None:
    report = make_report()
    once, again = (
        FORMATS[name].render(report, make_evidence(report), make_trajectories(report)) for _ in range(2)
    )
    assert once == again


@pytest.mark.slow  # in a process of its own: importing what draws plots is part of it
def test_all_formats_of_a_large_report_within_five_seconds() -> None:
    code = (
        "import time; began = time.process_time()\n"
        "from audit.render.formats import FORMATS\n"
        "took = time.process_time() - began\n"
        "from tests.report.factory import make_evidence, make_large, make_trajectories\n"
        "report = make_large(500)\n"
        "began = time.process_time()\n"
        "for format in FORMATS.values():\n"
        "    format.render(report, make_evidence(report), make_trajectories(report))\n"
        "print(took + time.process_time() - began)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(ran.stdout) < 5.0


def test_a_large_report_has_one_result_per_confirmed_member() -> None:
    report = make_large(500)
    assert FORMATS["sarif"].render(report, [], []).count('"ruleId": "confirmed-reconstruction"') == 500
    assert len(FORMATS["summary"].render(report, [], [])) < 65_536
