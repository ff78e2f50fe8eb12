import json
import re
from typing import Any

import pytest

from audit.render.comparison_views import VIEWS, html, markdown, table
from audit.report.comparison import Comparison, compare
from tests.report.factory import as_table, make_report
from tests.report.golden import assert_golden, words_of


def found(**changes: Any) -> Comparison:
    return compare(make_report(**changes), make_report(**changes | {"confirmed": 0, "policy": "strict"}))


@pytest.mark.parametrize(("view", "name"), [("markdown", "md"), ("html", "html"), ("json", "json")])
def test_golden(view: str, name: str) -> None:
    assert_golden(f"comparison.{name}", words_of(VIEWS[view](found())))


@pytest.mark.parametrize("columns", [60, 200])
def test_a_table_for_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = table(found()).splitlines()
    assert max(map(len, lines)) <= columns
    words = [" ".join(line.split()) for line in lines]
    assert "members confirmed 3 0 -3" in words
    assert "confirmed fraction 50.0 % 0.0 % -50.0 points" in words
    assert "kkt-margin ran 0.0031 4 → 1 3 → 0" in words
    if columns == 200:
        assert "face-1 confirmed → neither 0.91 → 0.19 0.43 → 0.43 0.80 → 0.80" in words
        assert not any(line.startswith("face-4") for line in words)  # nothing of it changed


def test_markdown_has_whole_tables() -> None:
    hostile = "a|b`<script>\n# x"
    text = markdown(found(checkpoint=hostile, prefix=hostile))
    assert "<script>" not in text
    assert "\n# x" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths == {4, 5, 6}
    assert r"| a\|b\`&lt;script&gt; \# x1 | confirmed → neither |" in text


def test_html_is_one_file_with_every_member() -> None:
    page = html(found(checkpoint="<script>x</script>", prefix="<b>"))
    assert "<script" not in page
    assert "<b>0" not in page
    assert page.count('<th scope="row">&lt;b&gt;') == 6
    assert not re.search(r"https?://", page)
    assert page.startswith("<!DOCTYPE html>")


def test_json_is_read_back() -> None:
    comparison = found()
    assert Comparison.model_validate_json(VIEWS["json"](comparison)) == comparison
    assert json.loads(VIEWS["json"](comparison))["schema_version"] == 2


def test_without_pairs_there_is_no_table_of_members() -> None:
    other = make_report(confirmed=1)
    members = other.data.members.model_copy(update={"sha256": "00" * 32})
    data = other.data.model_copy(update={"members": members})
    unpaired = compare(make_report(), other.model_copy(update={"data": data}))
    for name in ("table", "markdown", "html"):
        text = VIEWS[name](unpaired)
        assert "cannot be paired" in " ".join(text.split())
        assert "counted as" not in text


@pytest.mark.parametrize("name", VIEWS)
def test_rows_of_a_table_have_no_ssim(name: str) -> None:
    text = VIEWS[name](compare(as_table(make_report(confirmed=3)), as_table(make_report(confirmed=1))))
    assert "correlation" in text
    assert "SSIM" not in text
