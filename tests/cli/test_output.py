"""What a scan prints: the verdict and the report's path on stdout, progress on stderr."""

import os
import re
import sys

import pytest

from tests.cli.support import scan
from tests.command import Run
from tests.tiny import Tiny, fix_steps


def test_quiet_prints_the_verdict_what_was_assumed_and_the_path(
    model_audit: Run, tiny: Tiny, steps: None
) -> None:
    ended = model_audit(*scan(tiny, "--quiet", "--threshold", "0.5"))
    verdict, assumed, path = ended.out.splitlines()
    assert verdict.startswith("FAIL: ")
    assert assumed.startswith("Read as: activation relu; layers 144-100-1 in a chain, without skip")
    assert path == "report: out/report.html"
    assert ended.err == ""


def test_all_reasons_and_notes_are_printed(model_audit: Run, tiny: Tiny, steps: None) -> None:
    arguments = ["scan", tiny.checkpoint, "--data", tiny.members, "--threshold", "0.3", "--out", "out"]
    lines = model_audit(*arguments).out.splitlines()
    assert any(re.match(r"  \w.* 0\.3\b.*policy.* 0\.4", line) for line in lines)
    assert lines[1].startswith("As read, the network gets 2 of 4 members right (mean cross-entropy ")
    assert any(line.startswith("  note: normalisation not stated") for line in lines)


def test_no_progress_keeps_stderr_silent(model_audit: Run, tiny: Tiny, steps: None) -> None:
    ended = model_audit(*scan(tiny, "--no-progress"))
    assert ended.err == ""
    assert len(ended.out.splitlines()) >= 2


def test_progress_is_plain_lines_when_stderr_is_no_terminal(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix_steps(monkeypatch)
    first, *others = model_audit(*scan(tiny, "--no-positive-control")).err.splitlines()
    assert first == "attacking 144-100-1: 1 h in all"
    assert re.fullmatch(r"kkt-margin: \d+ of 35\d\d s, relative loss [\d.e+-]+", others[0])
    stages = [line for line in others if " s, relative loss " not in line]
    assert len(stages) == 2
    assert stages[-1].startswith("matching ")


def test_nobody_reading_does_not_change_the_exit_code(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.dup(1)

    def refuse(*_: object, **__: object) -> None:
        raise BrokenPipeError

    try:
        monkeypatch.setattr("typer.echo", refuse)
        monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
        assert model_audit(*scan(tiny, "--policy", "research")).code == 0
    finally:
        os.dup2(whole, 1)
        os.close(whole)
