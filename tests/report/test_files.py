"""The report of an earlier run, found by its folder or its own name."""

from pathlib import Path

import pytest

from audit.errors import RunError
from audit.report.files import report_file


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
