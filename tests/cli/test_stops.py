"""Ctrl-C and SIGTERM: a report of what was finished and exit code 4, and how soon."""

import re
import signal
from pathlib import Path

import pytest

from audit.cli.progress import Lines
from tests.cli.script import start
from tests.cli.support import REPORTS, files, report, scan, tree
from tests.command import Run
from tests.tiny import Tiny, fix_steps

SIGNALS = [signal.SIGINT, signal.SIGTERM]
NO_REPORT = re.compile(r"model-audit: .*before the report was written")


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_leaves_a_report_of_what_was_finished(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(Lines, "step", lambda *_: signal.raise_signal(number))
    ended = model_audit(*scan(tiny))
    content = report()
    assert ended.code == 4
    assert content["provenance"]["complete"] is False
    assert content["attacks"][0]["status"] == "ran"
    assert "the user" in content["attacks"][0]["reason"]
    assert "incomplete-audit" in {finding["kind"] for finding in content["findings"]}
    assert ended.out.splitlines()[-1] == "report: out/report.html"
    assert files() == REPORTS


def test_an_interrupted_audit_never_passes(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lines, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    ended = model_audit(*scan(tiny, "--policy", "research"))
    assert ended.code == 4
    assert report()["verdict"] == ended.out.split(":")[0] != "PASS"


def test_a_second_interrupt_ends_at_once(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    monkeypatch.setattr(Lines, "step", twice)
    ended = model_audit(*scan(tiny))
    assert (ended.code, ended.out) == (4, "")
    assert NO_REPORT.fullmatch(ended.err.splitlines()[-1])
    assert files() == set()


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_before_the_attack_ends_at_once(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("numpy.load", lambda *_, **__: signal.raise_signal(number))
    ended = model_audit(*scan(tiny))
    assert (ended.code, ended.out) == (4, "")
    assert NO_REPORT.fullmatch(ended.err.removesuffix("\n"))
    assert tree(Path()) == {}


def test_an_interrupt_while_the_report_is_written_changes_nothing(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, raised = Path.write_bytes, []

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith("report.md"):
            raised.append(path)
            signal.raise_signal(signal.SIGINT)
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    assert model_audit(*scan(tiny)).code == 1
    assert files() == REPORTS
    assert len(raised) == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_handlers_are_put_back(
    model_audit: Run, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    fix_steps(monkeypatch)
    during = []
    monkeypatch.setattr(Lines, "step", lambda *_: during.append(signal.getsignal(number)))
    model_audit("--version")  # has a handler of its own from the beginning
    before = signal.getsignal(number)
    model_audit(*scan(tiny))
    assert signal.getsignal(number) is before
    assert before not in during
    assert during != []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_to_the_real_script(tiny: Tiny, tmp_path: Path, number: signal.Signals) -> None:
    """It ends with a report long before its budget of an hour does."""
    process = start(tmp_path, *scan(tiny, "--format", "json"))
    assert process.stderr
    while not (line := process.stderr.readline()).startswith("kkt-margin"):
        assert line, "ended before the attack began"
    process.send_signal(number)
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 4
    assert report(str(tmp_path / "out"))["provenance"]["complete"] is False
    assert out.endswith("report: out/report.json\n")
