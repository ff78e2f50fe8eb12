"""What an earlier run left is read again, or refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.errors import RunError
from audit.render.json import render
from audit.report import evidence_file
from audit.report.files import EVIDENCE
from audit.request.earlier_run import read_pictures, read_report
from tests.report.factory import make_evidence, make_report, make_trajectories

REPORT = make_report()


def written(folder: Path, change: Callable[[Any], object] = lambda content: None) -> Path:
    """A run folder whose report was changed after it was written."""
    content = json.loads(render(REPORT))
    change(content)
    (folder / "report.json").write_text(json.dumps(content))
    return folder


def test_a_report_is_read_from_its_folder_and_by_its_own_name(tmp_path: Path) -> None:
    written(tmp_path)
    assert read_report(tmp_path) == read_report(tmp_path / "report.json") == REPORT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("schema_version"), "is no report of model-audit"),
        (lambda content: content.update(schema_version=99), "is a report of schema version 99, expected"),
        (lambda content: content.pop("verdict"), "(written by version 0.1.0): verdict: field required"),
        (lambda content: content["samples"].pop(), "is damaged: samples or layers are missing"),
        (lambda content: content["model"].update(layers=[]), "is damaged: samples or layers are missing"),
    ],
)
def test_what_is_no_report_of_this_tool_is_refused(
    tmp_path: Path, change: Callable[[Any], object], said: str
) -> None:
    with pytest.raises(RunError) as caught:
        read_report(written(tmp_path, change))
    assert said.replace("0.1.0", REPORT.tool.version) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(RunError, match="is damaged: not JSON"):
        read_report(tmp_path)


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"report.json does not exist; give a run folder"):
        read_report(tmp_path / "report.json")


def test_pictures_are_those_that_were_kept(tmp_path: Path) -> None:
    evidence, trajectories = make_evidence(REPORT), make_trajectories(REPORT)
    (tmp_path / EVIDENCE).write_bytes(evidence_file.to_bytes(REPORT, evidence, trajectories))
    found, ways = read_pictures(tmp_path, REPORT)
    assert [one.sample for one in found] == [one.sample for one in evidence] != []
    assert [one.attack for one in ways] == [one.attack for one in trajectories] != []
    withheld = REPORT.provenance.model_copy(update={"redacted": True})
    assert read_pictures(tmp_path, REPORT.model_copy(update={"provenance": withheld})) == ([], [])


def test_without_a_file_there_are_no_pictures_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert read_pictures(tmp_path, REPORT) == ([], [])
    (tmp_path / EVIDENCE).write_bytes(b"no tensors")
    with pytest.raises(RunError, match="delete it to do without pictures"):
        read_pictures(tmp_path, REPORT)
