import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from audit.errors import OutputError
from audit.pipeline import run_folder
from audit.report.evidence import Audit
from audit.report.schema import Report
from tests.report.factory import make_evidence, make_report, make_trajectories

TENSORS = {"candidates.safetensors", "evidence.safetensors"}
IMAGES = np.random.default_rng(0).standard_normal((5, 1, 3, 4)).astype(np.float32)


@pytest.fixture
def audit() -> Audit:
    report = make_report(controls=60)
    images = {"kkt-margin": IMAGES.transpose(0, 2, 3, 1)}
    return Audit(report, make_evidence(report), make_trajectories(report), images)


def full(path: Path, content: bytes) -> int:
    path.open("wb").write(content[:1])
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_everything_is_written(audit: Audit, tmp_path: Path) -> None:
    folder = tmp_path / "deep/down"
    paths = run_folder.write(audit, folder, ["json", "html", "markdown"])
    assert paths == [folder / "report.json", folder / "report.html", folder / "report.md"]
    assert set(folder.iterdir()) == {*paths, *(folder / name for name in TENSORS)}
    assert Report.model_validate_json(paths[0].read_bytes()) == audit.report
    page = paths[1].read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Candidate for face-0 before" in page
    assert paths[2].read_text(encoding="utf-8").startswith("# ")


def test_candidates_are_images_by_attack(audit: Audit, tmp_path: Path) -> None:
    run_folder.write(audit, tmp_path, ["json"])
    with safe_open(tmp_path / "candidates.safetensors", framework="np") as file:
        assert list(file.keys()) == ["kkt-margin"]
        assert file.metadata() == {"layout": "(candidate, height, width, channel), pixels, not clipped"}
        np.testing.assert_array_equal(file.get_tensor("kkt-margin"), IMAGES.transpose(0, 2, 3, 1))


def test_an_audit_without_candidates_is_written_too(audit: Audit, tmp_path: Path) -> None:
    run_folder.write(Audit(audit.report, []), tmp_path, ["json"])
    with safe_open(tmp_path / "candidates.safetensors", framework="np") as file:
        assert list(file.keys()) == []


def test_only_the_formats_asked_for_are_written(audit: Audit, tmp_path: Path) -> None:
    run_folder.write(audit, tmp_path, ["markdown"])
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.md",
        "candidates.safetensors",
        "evidence.safetensors",
    }


def test_a_report_is_replaced_whole_or_not_at_all(
    audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder.write(audit, tmp_path, ["json"])
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write the run folder .*: No space left on device; choose"):
        run_folder.write(audit, tmp_path, ["json"])
    assert json.loads((tmp_path / "report.json").read_text())["schema_version"] == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_a_report_may_go_elsewhere(audit: Audit, tmp_path: Path) -> None:
    folder, other = tmp_path / "out", tmp_path / "a/b.sarif"
    paths = run_folder.write(audit, folder, ["sarif", "json"], {"sarif": other})
    assert paths == [other, folder / "report.json"]
    assert json.loads(other.read_text())["version"] == "2.1.0"
    assert {path.name for path in folder.iterdir()} == {"report.json", *TENSORS}
    assert list(other.parent.iterdir()) == [other]


def test_what_cannot_go_elsewhere_leaves_the_run_folder_whole(audit: Audit, tmp_path: Path) -> None:
    folder, other = tmp_path / "out", tmp_path / "file/b.sarif"
    other.parent.write_text("mine")
    with pytest.raises(
        OutputError, match=r"cannot write the report .*b\.sarif: .*; choose another with --format"
    ):
        run_folder.write(audit, folder, ["sarif", "json"], {"sarif": other})
    assert {path.name for path in folder.iterdir()} == {"report.json", *TENSORS}


def test_preparing_for_reports_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    run_folder.prepare(tmp_path / "out", [tmp_path / "a/b/c.sarif", tmp_path / "old.json"])
    assert (tmp_path / "a/b").is_dir()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["old.json"]
    assert (tmp_path / "old.json").read_text() == "old"


@pytest.mark.parametrize("wrong", ["folder", "file/below", "x" * 300])
def test_where_a_report_cannot_go_is_found_out_and_nothing_is_left(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cannot write the report .*; choose another with --format"):
        run_folder.prepare(tmp_path / "deep/out", [tmp_path / "a/b/c.sarif", tmp_path / wrong])
    assert sorted(tmp_path.rglob("*")) == before


def test_preparing_leaves_an_empty_folder(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path / "deep/down")
    assert list((tmp_path / "deep/down").iterdir()) == []


def test_preparing_touches_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    run_folder.prepare(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.json", "old")]


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_is_found_out_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device; choose another with --out, or make room"):
        run_folder.prepare(folder)
    assert folder.exists() == there
    assert sum(1 for _ in tmp_path.rglob("*")) == there


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(OutputError, match="cannot write the run folder"):
            run_folder.prepare(folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_one_may_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        run_folder.prepare(tmp_path)


def redacted(audit: Audit) -> Audit:
    hidden = audit.report.provenance.model_copy(update={"redacted": True})
    return replace(audit, report=audit.report.model_copy(update={"provenance": hidden}))


def test_a_redacted_audit_leaves_no_image(audit: Audit, tmp_path: Path) -> None:
    paths = run_folder.write(redacted(audit), tmp_path, ["json", "html", "markdown"])
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        assert "base64" not in path.read_text()


def test_withheld_images_go_to_a_private_folder(audit: Audit, tmp_path: Path) -> None:
    folder, evidence = tmp_path / "out", tmp_path / "out/deep/evidence"
    run_folder.prepare(folder)
    run_folder.prepare_redacted(folder, evidence)
    run_folder.write(redacted(audit), folder, ["json"], private=evidence)
    assert evidence.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.stat().st_mode & 0o777 for path in evidence.iterdir()}
    assert files == {"report.html": 0o600, "candidates.safetensors": 0o600}
    assert "data:image/png" in (evidence / "report.html").read_text()
    run_folder.prepare_redacted(folder, evidence)  # may be used again


def test_evidence_does_not_go_where_others_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(OutputError, match=r"others have access to this folder \(mode 755\)"):
        run_folder.prepare_redacted(tmp_path, tmp_path / "open")


@pytest.mark.parametrize(
    ("elsewhere", "inputs", "words"),
    [
        ({"html": "model.safetensors"}, ["model.safetensors"], "model.safetensors would be replaced"),
        ({"html": "out/../model.pt"}, ["model.pt"], "model.pt would be replaced"),
        ({"html": "out/candidates.safetensors"}, [], "holds something else"),
        ({"json": "out/report.html"}, [], "holds something else"),
        ({"sarif": "out/report.json"}, [], "holds something else"),
    ],
)
def test_nothing_that_is_read_or_written_besides_is_replaced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: dict[str, str],
    inputs: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    others = {name: Path(path) for name, path in elsewhere.items()}
    with pytest.raises(OutputError, match=words):
        run_folder.refuse_clashes(Path("out"), others, map(Path, inputs))


def test_reports_may_stand_where_they_would_anyway(tmp_path: Path) -> None:
    others = {"html": tmp_path / "report.html", "sarif": tmp_path / "mine.sarif"}
    run_folder.refuse_clashes(tmp_path, others, [tmp_path / "model.pt"])
