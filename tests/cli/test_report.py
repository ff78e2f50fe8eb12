"""`model-audit report`: an earlier run, rendered again."""

import json
import os
from pathlib import Path

import pytest

from audit.pipeline import run_folder
from audit.render.json import render
from audit.report.evidence import Audit
from tests.command import Run, complains
from tests.report.factory import make_evidence, make_report, make_trajectories
from tests.tiny import Tiny, draw_once


@pytest.fixture
def run(model_audit: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw_once(monkeypatch)
    report = make_report()
    audit = Audit(report, make_evidence(report), make_trajectories(report))
    run_folder.write(audit, Path("run"), ["json"])
    return Path("run")


def test_a_scan_gives_the_same_pages_again(model_audit: Run, tiny: Tiny, steps: None) -> None:
    controls = ["--controls", tiny.controls, "--budget", "1h"]
    assert model_audit("scan", *tiny.arguments, *controls, "--out", "out").code == 1
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    for path in (tiny.checkpoint, tiny.members, tiny.controls, *Path("out").glob("report.[hm]*")):
        path.unlink()
    ended = model_audit("report", "out")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [f"report: out/report.{suffix}" for suffix in ("html", "md", "json")]
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_only_the_formats_asked_for_are_written(model_audit: Run, run: Path) -> None:
    assert model_audit("report", run, "--format", "markdown").out == "report: run/report.md\n"
    assert not (run / "report.html").exists()
    complains(model_audit("report", run, "--format", "pdf"), "unknown format 'pdf'")


def test_without_pictures_it_says_so(model_audit: Run, run: Path) -> None:
    (run / "evidence.safetensors").unlink()
    ended = model_audit("report", run, "--format", "html")
    assert ended.code == 0
    assert ended.err == "note: without pictures: evidence.safetensors is missing, or of another run\n"
    page = (run / "report.html").read_text()
    assert "There are no pictures to show." in page
    assert "data:image/png" not in page


def test_a_redacted_run_stays_redacted(model_audit: Run, run: Path) -> None:
    report = make_report(redacted=True)
    run_folder.write(Audit(report, make_evidence(report), make_trajectories(report)), Path("new"), ["json"])
    assert not Path("new/evidence.safetensors").exists()
    Path("run/evidence.safetensors").rename("new/evidence.safetensors")
    ended = model_audit("report", "new", "--format", "html")
    assert (ended.code, ended.err) == (0, "")
    page = Path("new/report.html").read_text()
    assert "Images were withheld" in page
    assert "data:image/png" not in page


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["run has no report.json", "--format"]),
        ("{", ["run/report.json is damaged: not JSON"]),
        ("[]", ["run/report.json is no report of model-audit"]),
        ("{}", ["run/report.json is no report of model-audit"]),
        ('{"schema_version": 3}', ["is a report of schema version 3, expected version 1 or 2"]),
        ('{"schema_version": 1}', ["damaged, or newer than this tool: tool: field required"]),
        (
            json.dumps(json.loads(render(make_report())) | {"surprise": 1}),
            ["newer than this tool (written by version 0.1.0): surprise: extra inputs"],
        ),
        (render(make_report()).replace('"threshold": 0.4', '"threshold": NaN'), ["summary.threshold: input"]),
    ],
)
def test_bad_input(model_audit: Run, run: Path, content: str | None, words: list[str]) -> None:
    (run / "report.json").unlink()
    if content is not None:
        (run / "report.json").write_text(content)
    complains(model_audit("report", run), *words)
    assert not (run / "report.html").exists()


def test_no_run(model_audit: Run, run: Path) -> None:
    complains(model_audit("report", "nowhere"), "nowhere does not exist", "give a run folder")
    complains(model_audit("report", run / "report.json"), "run/report.json is a file", "the folder of a run")
    (run / "evidence.safetensors").write_bytes(b"damaged")
    complains(model_audit("report", run), "run/evidence.safetensors is damaged")


@pytest.mark.parametrize("file", ["report.json", "candidates.safetensors", "evidence.safetensors"])
def test_what_an_earlier_run_left_is_not_replaced(model_audit: Run, run: Path, file: str) -> None:
    before = (run / file).read_bytes()
    complains(model_audit("report", run, "--format", f"html={run}/x/../{file}"), file, "holds something else")
    assert (run / file).read_bytes() == before


def test_a_report_elsewhere_needs_a_file_to_write_to(model_audit: Run, run: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    complains(model_audit("report", run, "--format", f"html={pipe}"), "is no file", "--format")
    complains(model_audit("report", run, "--format", f"markdown,html={tmp_path}"), "is no file", "--format")
    assert pipe.is_fifo()
    assert not (run / "report.md").exists()
