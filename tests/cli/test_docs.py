"""`model-audit docs`: the documentation that is installed with the tool."""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

import audit
from tests.command import Run, complains

DOCS = Path(audit.__file__).parent / "docs"
TOPICS = sorted(path.stem for path in DOCS.glob("*.md"))


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_topics_are_listed_with_their_first_sentences(model_audit: Run) -> None:
    ended = model_audit("docs")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines() if not line.startswith(" ")] == TOPICS
    assert {"usage", "ci", "findings"} <= set(TOPICS)
    told = " ".join(ended.out.split())
    assert "findings What each finding of a report means, and what to do about it. " in told


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_printed_as_it_is_written(model_audit: Run, topic: str) -> None:
    ended = model_audit("docs", topic)
    assert (ended.code, ended.err) == (0, "")
    written = (DOCS / f"{topic}.md").read_text()
    assert ended.out == re.sub(r"<!-- \S+ -->\n", "", written)
    assert "<!--" not in ended.out


def test_a_terminal_shows_it_formatted(
    model_audit: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert model_audit("docs", "ci").code == 0
    shown = terminal.getvalue()
    assert "Continuous integration" in shown
    assert "# Continuous integration" not in shown
    assert "```" not in shown


@pytest.mark.parametrize("topic", TOPICS)
def test_a_narrow_terminal_cuts_nothing(
    model_audit: Run, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    assert model_audit("docs", topic).code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in terminal.getvalue()


def test_the_nearest_topic_is_given(model_audit: Run) -> None:
    complains(model_audit("docs", "usages"), "'usages'", "did you mean 'usage'?")
    complains(model_audit("docs", "../DESIGN"), "'../DESIGN'", "known are ")


def test_it_needs_no_heavy_library() -> None:
    code = (
        "import sys; from audit.cli import app; app(['docs', 'usage'], standalone_mode=False);"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("# Usage\n")
    assert set(ran.stderr.split()) & {"torch", "matplotlib", "skimage", "scipy"} == set()
