"""A run folder that is used again starts clean, and nothing else in it is touched."""

from pathlib import Path

import pytest

from audit.errors import OutputError
from audit.pipeline import run_folder
from audit.pipeline.earlier_files import remove_earlier, remove_elsewhere
from audit.render.formats import FORMATS
from audit.report.evidence import Audit
from tests.report.factory import make_evidence, make_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an earlier run left, and files of the user beside it."""
    report = make_report()
    run_folder.write(Audit(report, make_evidence(report)), tmp_path / "out", list(FORMATS))
    (tmp_path / "out/model").mkdir()
    for name in ("notes.md", "model/report.json"):
        (tmp_path / "out" / name).write_text("mine")
    return tmp_path / "out"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_all_files_of_an_earlier_run_go_and_no_other(folder: Path) -> None:
    assert len(names(folder)) == 10
    remove_earlier(folder, [folder / "notes.md"])
    assert names(folder) == {"notes.md", "model/report.json"}


def test_a_folder_that_is_missing_or_empty_stays_so(tmp_path: Path) -> None:
    remove_earlier(tmp_path, [])
    remove_earlier(tmp_path / "none", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["report.md", "report.json", "candidates.safetensors"])
def test_what_only_has_the_name_of_a_report_stays_and_is_not_replaced(folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    with pytest.raises(OutputError, match=rf"{name} was not written by model-audit, and is not replaced"):
        remove_earlier(folder, [])
    assert names(folder) == {name, "notes.md", "model/report.json"}  # no verdict is left all the same
    assert (folder / name).read_text() == "mine"


def test_a_run_that_is_read_is_kept_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match=r"report\.json would be replaced, and is what this audit reads"):
        remove_earlier(folder, [Path("../out/report.json")])
    assert len(names(folder)) == 10


def test_reports_elsewhere_go_too_unless_they_are_read_or_of_somebody_else(folder: Path) -> None:
    report = make_report()
    places = {name: folder / f"my.{name}" for name in ("sarif", "json", "html", "junit")}
    run_folder.write_reports(report, [], [], folder, list(places), places)
    places["html"].write_text("mine")
    remove_elsewhere(places | {"markdown": folder / "none.md"}, [places["json"]])
    assert {path.name for path in folder.glob("my.*")} == {"my.json", "my.html"}


def test_what_cannot_be_removed_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match=r"of an earlier run cannot be removed: Permission denied; choose"):
        remove_earlier(folder, [])
