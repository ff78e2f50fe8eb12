"""The report of an earlier run, found by its folder or its own name."""

from pathlib import Path

import numpy as np
import pytest

from audit.errors import RunError
from audit.pipeline import run_folder
from audit.render.formats import FORMATS
from audit.report.evidence import Audit
from audit.report.files import MARKS, is_ours, report_file
from tests.report.factory import make_evidence, make_report, make_trajectories


def test_the_report_is_found_in_a_folder_and_by_its_own_name(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.touch()
    assert report_file(tmp_path) == report_file(report) == report


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no report.json; give the folder of a run whose --format"):
        report_file(tmp_path)
    with pytest.raises(RunError, match="none does not exist; give a run folder"):
        report_file(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="does not exist"):
        report_file(tmp_path / "file" / "below")


def test_every_file_of_a_run_is_known_by_how_it_begins(tmp_path: Path) -> None:
    report = make_report()
    values = {"kkt-margin": np.zeros((2, 3, 3, 1), np.float32)}
    run_folder.write(
        Audit(report, make_evidence(report), make_trajectories(report), values), tmp_path, list(FORMATS)
    )
    names = {name: filename for name, (filename, _) in MARKS.items()}
    assert {name: form.filename for name, form in FORMATS.items()}.items() <= names.items()
    assert {path.name for path in tmp_path.iterdir()} == set(names.values())
    assert [name for name in MARKS if not is_ours((tmp_path / names[name]).read_bytes(), name)] == []


@pytest.mark.parametrize("name", MARKS)
def test_what_somebody_else_wrote_is_not_taken_for_a_file_of_a_run(name: str) -> None:
    assert not is_ours(b"# Report of model-audit: my notes on the model audit of Tuesday\n", name)
