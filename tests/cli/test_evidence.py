"""`model-audit scan --redact` and `--evidence`: reports without images, and a private folder for them."""

from pathlib import Path

import pytest

from tests.cli.support import REPORTS, TENSORS, files, report, scan, tree
from tests.command import Run, complains
from tests.tiny import Tiny


def test_a_redacted_audit(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--redact", "--evidence", "private"))
    assert ended.code == 1
    assert files() == REPORTS - TENSORS
    assert report()["provenance"]["redacted"] is True
    assert "base64" not in Path("out/report.html").read_text()
    assert files("private") == {"report.html", "candidates.safetensors"}
    assert "base64" in Path("private/report.html").read_text()


def test_what_is_withheld_is_for_its_owner_alone(model_audit: Run, tiny: Tiny, steps: None) -> None:
    model_audit(*scan(tiny, "--redact", "--evidence", "private"))
    assert Path("private").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in Path("private").iterdir()} == {0o600}


def test_without_a_private_folder_no_image_is_kept(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny, "--redact")).code == 1
    assert set(tree(Path())) == {"out/report.html", "out/report.json", "out/report.md"}


def test_evidence_is_for_redacted_audits(model_audit: Run, tiny: Tiny, no_attack: None) -> None:
    complains(model_audit(*scan(tiny, "--evidence", "private")), "--evidence", "--redact")
    assert tree(Path()) == {}


@pytest.mark.parametrize("folder", ["out", "shared"])
def test_a_folder_that_is_not_private_is_refused(
    model_audit: Run, tiny: Tiny, no_attack: None, folder: str
) -> None:
    Path("shared").mkdir(mode=0o755)
    complains(model_audit(*scan(tiny, "--redact", "--evidence", folder)), f"--evidence {folder}")
    assert files("shared") == set()


def test_a_file_is_no_private_folder(model_audit: Run, tiny: Tiny, no_attack: None) -> None:
    Path("private").write_text("mine")
    complains(model_audit(*scan(tiny, "--redact", "--evidence", "private")), "private")
    assert tree(Path()) == {"private": 4}


def test_images_of_an_earlier_run_do_not_stay_beside_a_redacted_report(
    model_audit: Run, tiny: Tiny, steps: None
) -> None:
    assert model_audit(*scan(tiny)).code == 1
    assert model_audit(*scan(tiny, "--redact")).code == 1
    assert files() == REPORTS - TENSORS


@pytest.mark.parametrize("file", sorted(TENSORS))
def test_images_of_somebody_else_do_not_lie_beside_a_redacted_report(
    model_audit: Run, tiny: Tiny, no_attack: None, file: str
) -> None:
    Path("out").mkdir()
    Path("out", file).write_bytes(b"faces")
    complains(model_audit(*scan(tiny, "--redact")), file, "not written by model-audit", "--out")
    assert tree(Path()) == {f"out/{file}": 5}
