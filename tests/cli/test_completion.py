"""Shell completion, as a shell asks for it."""

import os
import subprocess
import sys

import pytest

from audit.attacks import BATTERY
from audit.cli import completion
from audit.cli.json_schema import _SUBJECTS as SUBJECTS
from audit.model.activations import _FAMILIES as FAMILIES
from audit.render.comparison_views import VIEWS
from audit.render.formats import FORMATS
from audit.verdict.policy_file import shipped_policies


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (completion.POLICIES, shipped_policies()),
        (completion.ATTACKS, [attack.id for attack in BATTERY]),
        (completion.FORMATS, FORMATS),
        (completion.ACTIVATIONS, FAMILIES),
        (completion.COMPARISONS, VIEWS),
        (completion.SCHEMAS, SUBJECTS),
    ],
)
def test_what_is_listed_is_what_is_known(listed: tuple[str, ...], known: list[str]) -> None:
    assert list(listed) == list(known), "bring audit/cli/completion.py up to date"


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    code = "from audit.cli import main; main()"
    asked = {
        "_MODEL_AUDIT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["model-audit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def test_a_shell_completes() -> None:
    assert completed("scan", "--pol") == ["--policy"]
    assert completed("scan", "--config", "none.yaml", "--policy", "re") == ["release", "research"]
    assert completed("docs", "us") == ["usage"]


def test_words_and_lists() -> None:
    assert completion.one_of("release", "research", "strict")("re") == ["release", "research"]
    listed = completion.some_of("html", "markdown", "json")
    assert listed("") == ["html", "markdown", "json"]
    assert listed("html,") == ["html,markdown", "html,json"]
    assert listed("json,m") == ["json,markdown"]
    assert listed("x") == []
