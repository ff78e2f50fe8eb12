"""`model-audit compare`."""

import json
from pathlib import Path

import pytest

from audit.render.comparison_views import VIEWS
from audit.render.json import render
from tests.command import Run, complains
from tests.report.factory import make_report


@pytest.fixture
def runs(model_audit: Run) -> tuple[Path, Path]:
    """A run folder, and a file."""
    Path("a").mkdir()
    Path("a/report.json").write_text(render(make_report()))
    Path("b.json").write_text(render(make_report(confirmed=1)))
    return Path("a"), Path("b.json")


def test_a_table_on_the_terminal(model_audit: Run, runs: tuple[Path, Path]) -> None:
    ended = model_audit("compare", *runs)
    assert (ended.code, ended.err) == (0, "")
    assert "Only before (2): face-1, face-2." in ended.out
    assert not ended.out.endswith("\n\n")


@pytest.mark.parametrize("name", VIEWS)
def test_a_file_in_every_format(model_audit: Run, runs: tuple[Path, Path], name: str) -> None:
    printed = model_audit("compare", *runs, "--format", name).out
    ended = model_audit("compare", *runs, "--format", name, "--out", "file")
    assert (ended.code, ended.out) == (0, "comparison: file\n")
    assert Path("file").read_text() == printed
    if name == "json":
        assert json.loads(printed)["confirmed"]["lost"] == ["face-1", "face-2"]


def test_bad_input(model_audit: Run, runs: tuple[Path, Path]) -> None:
    a, b = runs
    complains(model_audit("compare", a, "nowhere"), "nowhere does not exist")
    complains(model_audit("compare", ".", b), ". has no report.json")
    complains(model_audit("compare", a, b, "--format", "pdf"), "unknown format 'pdf'", "table, markdown")
    complains(model_audit("compare", a, b, "--out", "no/file"), "cannot write no/file", "--out")
    complains(model_audit("compare", a), "Missing argument 'RUN_B'")
    b.write_text("{")
    complains(model_audit("compare", a, b), "b.json is damaged: not JSON")


@pytest.mark.parametrize("out", ["a/report.json", "b.json", "a/../b.json"])
def test_what_is_compared_is_not_replaced(model_audit: Run, runs: tuple[Path, Path], out: str) -> None:
    before = Path(out).read_bytes()
    complains(model_audit("compare", *runs, "--out", out), f"{out} would be replaced")
    assert Path(out).read_bytes() == before


def test_a_name_cannot_command_the_terminal(model_audit: Run, runs: tuple[Path, Path]) -> None:
    Path("c.json").write_text(render(make_report(checkpoint="\x1b[2Jm.pt")))
    ended = model_audit("compare", "c.json", "c.json")
    assert "before: ?[2Jm.pt" in ended.out


def test_a_report_without_all_its_samples_is_damaged(model_audit: Run, runs: tuple[Path, Path]) -> None:
    a, b = runs
    content = json.loads(b.read_text())
    content["samples"].pop()
    b.write_text(json.dumps(content))
    complains(model_audit("compare", a, b), "b.json is damaged: samples or layers are missing")
    complains(model_audit("compare", b, a), "b.json is damaged")
