import pytest

from audit.report.formats import DEFAULT, FORMATS
from tests.report.factory import make_evidence, make_report, make_trajectories


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
