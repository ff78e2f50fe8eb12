"""`model-audit scan --format` and `--out`: which files a run leaves, and where."""

import json
import re
from pathlib import Path

import pytest

from audit.pipeline import run_folder
from audit.report.evidence import Audit
from tests.cli.support import REPORTS, TENSORS, files, report, scan, tree
from tests.command import Run, complains
from tests.report.factory import make_report
from tests.tiny import Tiny


@pytest.mark.parametrize(
    ("formats", "written", "named"),
    [
        (["json"], {"report.json"}, "report.json"),
        (["markdown, html"], {"report.md", "report.html"}, "report.md"),
        (["json", "markdown,json"], {"report.json", "report.md"}, "report.json"),
        (
            ["sarif,junit", "summary"],
            {"report.sarif", "report.junit.xml", "report.summary.md"},
            "report.sarif",
        ),
    ],
)
def test_formats_change_the_files_and_not_the_exit_code(
    model_audit: Run, tiny: Tiny, steps: None, formats: list[str], written: set[str], named: str
) -> None:
    ended = model_audit(*scan(tiny, *(word for name in formats for word in ("--format", name))))
    assert ended.code == 1
    assert files() == written | TENSORS
    assert ended.out.endswith(f"report: out/{named}\n")


def test_reports_at_paths_of_their_own(model_audit: Run, tiny: Tiny, steps: None) -> None:
    Path("gone.json").write_text("old")
    ended = model_audit(*scan(tiny, "--format", "sarif=deep/x.sarif,markdown", "--format", "json=gone.json"))
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "report: deep/x.sarif")
    assert files() == {"report.md", *TENSORS}
    assert json.loads(Path("deep/x.sarif").read_text())["version"] == "2.1.0"
    assert json.loads(Path("gone.json").read_text())["verdict"] == "FAIL"
    assert files(".") == {"out", "deep", "gone.json"}
    assert files("deep") == {"x.sarif"}


def test_the_default_folder_is_named_after_the_checkpoint(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit("scan", *tiny.arguments)
    assert re.search(r"^report: reports/model-\d{8}-\d{6}/report\.html$", ended.out, re.MULTILINE)
    assert Path(ended.out.splitlines()[-1].removeprefix("report: ")).exists()


def test_a_run_folder_can_be_used_again(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny, "--format", "sarif,junit,html,json")).code == 1
    Path("out/notes.txt").write_text("mine")
    assert model_audit(*scan(tiny, "--policy", "research")).code == 0
    assert report()["policy"]["name"] == "research"
    assert files() == {*REPORTS, "notes.txt"}


@pytest.mark.parametrize(
    "wrong",
    [
        ["--budget", "soon"],
        ["--seed", "-1"],
        ["--policy", "relase"],
        ["--mean", "none.npy"],
        ["--format", "pdf"],
        ["--controls", "none.npz"],
        ["--attacks", "none"],
    ],
)
def test_the_verdict_of_an_earlier_run_does_not_survive_an_error(
    model_audit: Run, tiny: Tiny, wrong: list[str]
) -> None:
    audit = Audit(make_report(), [])
    run_folder.write(audit, Path("out"), ["json", "html"])
    run_folder.write_reports(audit.report, [], [], Path("out"), ["sarif"], {"sarif": Path("x.sarif")})
    Path("out/notes.txt").write_text("mine")
    complains(model_audit(*scan(tiny, "--format", "sarif=x.sarif", *wrong)))
    assert set(tree(Path())) == {"out/notes.txt"}


def test_a_baseline_in_the_run_folder_is_kept(model_audit: Run, tiny: Tiny, no_attack: None) -> None:
    run_folder.write(Audit(make_report(), []), Path("out"), ["json", "html"])
    before = tree(Path())
    complains(model_audit(*scan(tiny, "--baseline", "out")), "out/report.json would be replaced", "--out")
    assert tree(Path()) == before
