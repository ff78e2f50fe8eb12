"""A full disk: seen before the attack, and a broken-off audit after it."""

import errno
from pathlib import Path

import pytest

from tests.cli.support import REPORTS, files, scan, tree
from tests.command import Run, complains
from tests.tiny import Tiny


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No file whose name begins with `name` can be written whole."""
    whole = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.name.startswith(name):
            whole(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)


def test_a_full_disk_is_seen_before_the_attack(
    model_audit: Run, tiny: Tiny, no_attack: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, "")
    complains(model_audit(*scan(tiny)), "run folder out", "No space left", "--out")
    assert tree(Path()) == {}


def test_a_full_disk_elsewhere_is_seen_before_the_attack(
    model_audit: Run, tiny: Tiny, no_attack: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, "x.sarif")
    ended = model_audit(*scan(tiny, "--format", "sarif=deep/x.sarif"))
    complains(ended, "deep/x.sarif", "No space left", "--format")
    assert not Path("deep").exists()


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.json", "candidates", "evidence"])
def test_a_disk_that_fills_up_breaks_the_audit_off(
    model_audit: Run, tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill_the_disk(monkeypatch, name)
    ended = model_audit(*scan(tiny, "--no-progress"))
    assert ended.code == 4
    assert ended.out.startswith("FAIL: ")  # the verdict is not lost
    assert "report: " not in ended.out
    (line,) = ended.err.splitlines()
    assert line.startswith("model-audit: cannot write the run folder out: No space left on device")
    assert files() < REPORTS  # what is there, is whole
    assert not any(file.startswith(name) for file in files())
