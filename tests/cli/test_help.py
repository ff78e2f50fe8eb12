"""Help, version, and what a bare `model-audit` does."""

import re
from pathlib import Path

import pytest

import audit
from tests.cli.script import COMMAND, start
from tests.command import Ended, Run

HEAVY = {"torch", "torchvision", "matplotlib", "skimage", "scipy", "numpy"}


@pytest.mark.parametrize("columns", [20, 50, 60, 200])
def test_help_in_a_terminal_of_any_width(
    model_audit: Run, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = model_audit("scan", "--help")
    assert ended == model_audit("scan", "-h")
    assert ended.code == 0
    for option in (
        "--data", "--controls", "--initial", "--gradient", "--gradient-kind", "--learning-rate",
        "--input-shape", "--precision", "--no-splitting", "--no-progress",
    ):  # fmt: skip
        assert option in ended.out
    assert "..." not in ended.out
    if columns >= 50:
        assert max(len(line) for line in ended.out.splitlines()) <= columns


def test_without_a_command_there_is_help(model_audit: Run) -> None:
    ended = model_audit()
    assert ended.code == 2
    commands = re.findall(r"^  (\w+)  +[A-Z].*\.$", ended.out.partition("Commands:")[2], re.MULTILINE)
    assert commands == [
        "scan", "demo", "inspect", "attacks", "report", "compare", "init", "schema", "docs",
        "policy",
    ]  # fmt: skip


def test_version(model_audit: Run) -> None:
    assert model_audit("--version") == Ended(0, f"model-audit {audit.__version__}\n", "")


def test_help_is_there_at_once(tmp_path: Path) -> None:
    """No library is loaded for it that takes seconds."""
    loaded = f"lambda: print(sorted({HEAVY} & sys.modules.keys()), file=sys.stderr)"
    code = f"import atexit, sys; atexit.register({loaded}); {COMMAND}"
    out, err = start(tmp_path, "--help", code=code).communicate(timeout=600)
    assert "scan" in out
    assert err == "[]\n"
