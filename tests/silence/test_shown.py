"""What a verdict rests on is said wherever it is read, and no verdict of another audit is taken for it."""

import re
from pathlib import Path

import pytest
import yaml

from tests.command import Run
from tests.silence.asked import Asked
from tests.silence.case import report
from tests.silence.scenes import memorised

FORMATS = {
    "html": "report.html",
    "markdown": "report.md",
    "json": "report.json",
    "sarif": "report.sarif",
    "junit": "report.junit.xml",
    "summary": "report.summary.md",
}


@pytest.fixture
def unstated() -> Asked:
    """Neither activation nor normalisation is stated."""
    return memorised().but(activation=None, mean=None)


def test_assumptions_are_in_every_format_and_on_the_terminal(
    unstated: Asked, model_audit: Run, enough_steps: None
) -> None:
    ended = model_audit(
        "scan", *unstated.write(Path("files")), "--out", "out", "--quiet", "--format", ",".join(FORMATS)
    )
    texts = {name: Path("out", file).read_text() for name, file in FORMATS.items()}
    content = report()["reading"]["assumed"]
    assert {one["what"] for one in content if not one["stated"]} >= {"activation", "normalisation", "chain"}
    for name, text in {**texts, "terminal": ended.out}.items():
        if name != "json":
            assert re.search(r"relu \(assumed\)", text), name
            assert re.search(r"mean 0, std 1 \(assumed\)", text), name
            assert re.search(r"without skip connections \(assumed\)", text), name


def test_what_is_assumed_is_a_comment_in_a_new_audit_yaml(unstated: Asked, model_audit: Run) -> None:
    checkpoint = unstated.write(Path("files"))[0]
    assert model_audit("init", checkpoint).code == 0
    written = Path("audit.yaml").read_text()
    assert "activation" not in yaml.safe_load(written)
    assert re.search(r"^# ?activation: relu", written, re.MULTILINE)


def test_a_policy_without_limits_reports_counts_and_no_pass(model_audit: Run, enough_steps: None) -> None:
    ended = model_audit(
        "scan", *memorised().write(Path("files")), "--out", "out", "--format", "json", "--policy", "research"
    )
    content = report()
    assert ended.code == 0
    assert content["summary"]["confirmed"] > 0
    assert re.match(rf"REPORT: {content['summary']['confirmed']} of 12 ", ended.out)
    assert "PASS" not in ended.out


def test_no_earlier_verdict_is_left_beside_a_new_one_or_none(model_audit: Run, enough_steps: None) -> None:
    right = memorised()
    arguments = [*right.write(Path("files")), "--out", "out", "--no-progress"]
    assert model_audit("scan", *arguments, "--format", "sarif,junit,json").code == 1
    assert model_audit("scan", *arguments, "--format", "markdown,json").code == 1
    assert not [name for name in ("report.sarif", "report.junit.xml") if Path("out", name).exists()]
    ended = model_audit("scan", *right.but(initial=right.checkpoint).write(Path("files")), "--out", "out")
    assert ended.code == 2
    assert not Path("out/report.json").exists()
