"""What a report on rows of a table says and shows, where one on images speaks of images."""

import re

import pytest

from audit.render import html, markdown, plots
from audit.report.measured import DpBound
from audit.report.schema import Report
from audit.words import plain
from tests.report.factory import as_table, make_controlled, make_observed, make_report, make_rows
from tests.tiny import draw_once


@pytest.fixture(autouse=True)
def _draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_once(monkeypatch)


def promised(report: Report) -> Report:
    """The report, with a statement on differential privacy."""
    said = DpBound(sigma=1.1, q=0.01, steps=100, prior=1 / 6, bound=0.2)
    return report.model_copy(update={"diagnostics": report.diagnostics.model_copy(update={"dp": said})})


def visible(page: str) -> str:
    """Text of a page, without style, script and markup."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", body)


@pytest.mark.parametrize(
    "report",
    [
        make_report(),
        promised(make_report()),
        make_observed("update"),
        make_controlled(confirmed=0),
        make_report(redacted=True),
        make_report(confirmed=0, controls=0),
        make_controlled(source="gradient"),
    ],
    ids=["leaking", "dp", "observed", "blind", "redacted", "uncalibrated", "gradient"],
)
def test_a_report_on_rows_speaks_of_no_image(report: Report) -> None:
    report = as_table(report)
    for said in (visible(html.render(report, make_rows(report))), markdown.render(report)):
        assert re.findall(r".{30}(?:image|picture)s?.{20}", said, flags=re.IGNORECASE) == []


def test_a_redacted_table_shows_neither_values_nor_silhouettes() -> None:
    report = as_table(make_report(redacted=True))
    page = html.render(report, make_rows(report))
    assert "Rows were withheld from this report (--redact)" in page
    for hidden in ("2,138", "1,936", "income", 'class="silhouette"', 'id="gallery"'):
        assert hidden not in page


def test_values_of_a_table_can_be_read() -> None:
    page = html.render(as_table(make_report()), make_rows(make_report()))
    assert '<td class="n">2,138</td><td class="n">0.25</td><td class="n">-3</td>' in page
    assert [plain(value) for value in (-1936.4, 999.4, 1e15, 0.00012)] == [
        "-1,936",
        "999",
        "1e+15",
        "0.00012",
    ]


def test_the_scatter_of_splitting_names_the_similarity() -> None:
    page = html.render(as_table(make_report()), make_rows(make_report()))
    assert ">correlation before<" in page
    assert "SSIM before" not in page


@pytest.mark.parametrize(("threshold", "side"), [(0.4, "start"), (0.8, "end")])
def test_the_threshold_keeps_clear_of_the_names_of_groups(threshold: float, side: str) -> None:
    svg = plots.similarity_histogram([0.1, 1.0], [0.1], "correlation", threshold)
    [label] = [line for line in svg.splitlines() if f"threshold {threshold:g}</text>" in line]
    assert ("text-anchor: end" in label) == (side == "end")
    [name] = [line for line in svg.splitlines() if "members (2)</text>" in line]
    assert ("text-anchor: end" in name) == (side == "start")
